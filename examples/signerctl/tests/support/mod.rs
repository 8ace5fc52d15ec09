//! What the tests share: running a command, and a simulated enclave whose documents lie in files.
#![allow(clippy::unwrap_used, reason = "a helper of tests")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use nsm_attest::sim::{Authority, Defect, SimulatedNsm};
use nsm_attest::{AttestationDocument, AttestationRequest, Clock, Nsm, PcrIndex, PcrValue, UnverifiedDocument};
use serde_json::Value;
use signerctl::Streams;
use tempfile::TempDir;

/// What one run left behind.
#[derive(Debug)]
pub struct Run {
    pub code: u8,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The one object of `--json`.
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }

    pub fn error(&self) -> Value {
        self.json()["error"].clone()
    }
}

pub async fn run_with<S: AsRef<str>>(args: &[S], stdin: impl Read) -> Run {
    let args = ["signerctl"].into_iter().chain(args.iter().map(AsRef::as_ref)).map(OsString::from);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let streams = Streams { stdin, stdout: &mut stdout, stderr: &mut stderr };
    let code = signerctl::run(args, streams).await;
    Run { code, stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap() }
}

/// `attestation` with words separated by single spaces.
pub async fn attestation(line: &str) -> Run {
    run_with(&["attestation"].into_iter().chain(line.split(' ')).collect::<Vec<_>>(), std::io::empty()).await
}

/// A simulated enclave, and a folder with its root and its documents.
pub struct Enclave {
    pub folder: TempDir,
    pub nsm: SimulatedNsm,
    pub pcr0: PcrValue,
}

impl Enclave {
    pub fn new() -> Self {
        Self::boot(|builder| builder)
    }

    pub fn with_defect(defect: Defect) -> Self {
        Self::boot(|builder| builder.defect(defect))
    }

    pub fn debug_mode() -> Self {
        Self::boot(nsm_attest::sim::SimulatedNsmBuilder::debug_mode)
    }

    fn boot(change: impl FnOnce(nsm_attest::sim::SimulatedNsmBuilder) -> nsm_attest::sim::SimulatedNsmBuilder) -> Self {
        let authority = Authority::generate(Clock::system().now()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let der = authority.root_certificate();
        fs::write(folder.path().join("root.der"), der).unwrap();
        fs::write(folder.path().join("root.pem"), pem(der)).unwrap();
        let nsm = change(SimulatedNsm::builder(authority).measure(b"executable", b"configuration")).build().unwrap();
        let pcr0 = nsm.describe_pcr(PcrIndex::IMAGE).unwrap().value;
        Self { folder, nsm, pcr0 }
    }

    pub fn pcr(&self, index: PcrIndex) -> PcrValue {
        self.nsm.describe_pcr(index).unwrap().value
    }

    pub fn document(&self, request: &AttestationRequest) -> Vec<u8> {
        self.nsm.attest(request).unwrap()
    }

    /// Its document with fields changed, under its signature.
    pub fn altered(&self, alter: impl FnOnce(&mut AttestationDocument)) -> Vec<u8> {
        let document = UnverifiedDocument::from_bytes(&self.document(&AttestationRequest::new())).unwrap();
        let mut document = document.unverified().clone();
        alter(&mut document);
        self.nsm.sign(&document.encode()).unwrap()
    }

    /// Where a file of the folder is.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).into_os_string().into_string().unwrap()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(PathBuf::from(&path), content).unwrap();
        path
    }

    /// `verify FILE` of a fresh document with this enclave's root and PCR0, and `more`.
    pub async fn verify(&self, document: &[u8], more: &str) -> Run {
        self.verify_any(document, &format!("--pcr 0={} {more}", self.pcr0)).await
    }

    /// `verify FILE` of a fresh document with this enclave's root, and `more`.
    pub async fn verify_any(&self, document: &[u8], more: &str) -> Run {
        let (file, root) = (self.write("document", document), self.path("root.pem"));
        attestation(format!("verify {file} --trust-anchor {root} {more}").trim_end()).await
    }
}

pub fn pem(der: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64_STANDARD.encode(der))
}
