//! Real documents, read from the folder named by `NITRO_VECTORS`, and what is known of them.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(unreachable_pub, reason = "a module of one test program")]

pub mod mutation;
pub mod validity;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::{any, env, fs};

use nsm_attest::danger::{self, Relaxations};
use nsm_attest::{
    AttestationDocument, Error, PcrIndex, PcrValue, Policy, PolicyBuilder, TrustAnchor, UnixTime, UnverifiedDocument,
};
use serde::Deserialize;

/// An entry of `index.json`.
#[derive(Deserialize)]
pub struct Vector {
    pub file: String,
    pub bytes: usize,
    pub module_id: String,
    pub timestamp_ms: u64,
    pub pcr_count: usize,
    pub pcr0: PcrValue,
    pub pcr1: PcrValue,
    pub pcr2: PcrValue,
    pub pcr3: PcrValue,
    pub pcr4: PcrValue,
    pub pcr8: PcrValue,
    pub debug_mode: bool,
    pub public_key: Option<String>,
    pub user_data: Option<String>,
    pub nonce: Option<String>,
    pub leaf_not_before: Option<String>,
    pub leaf_not_after: Option<String>,
    pub verdict: String,
}

impl Vector {
    pub fn pcrs(&self) -> [(PcrIndex, PcrValue); 6] {
        [
            (PcrIndex::IMAGE, self.pcr0),
            (PcrIndex::KERNEL, self.pcr1),
            (PcrIndex::APPLICATION, self.pcr2),
            (PcrIndex::ROLE, self.pcr3),
            (PcrIndex::INSTANCE, self.pcr4),
            (PcrIndex::SIGNER, self.pcr8),
        ]
    }

    pub fn policy(&self) -> PolicyBuilder {
        self.pcrs().into_iter().fold(Policy::builder(), |policy, (index, value)| policy.pcr(index, [value]))
    }

    pub fn time(&self) -> UnixTime {
        UnixTime::from_millis(self.timestamp_ms)
    }

    pub fn document(&self, folder: &Path) -> UnverifiedDocument {
        let bytes = fs::read(folder.join(&self.file)).unwrap();
        assert_eq!(bytes.len(), self.bytes, "{}", self.file);
        UnverifiedDocument::from_bytes(&bytes).unwrap_or_else(|defect| panic!("{}: {defect}", self.file))
    }

    /// Verifies it as its mode allows.
    pub fn verify(
        &self,
        document: UnverifiedDocument,
        anchor: &TrustAnchor,
        policy: &Policy,
        now: UnixTime,
    ) -> Result<AttestationDocument, Error> {
        if self.debug_mode {
            let relaxations = Relaxations::none().accept_debug_mode();
            danger::verify(document, anchor, policy, now, relaxations).map(|document| (*document).clone())
        } else {
            document.verify(anchor, policy, now).map(nsm_attest::VerifiedDocument::into_document)
        }
    }
}

/// The folder and its index; `None` if no folder is named. A folder that is named must be readable.
pub fn vectors<T>(test: T) -> Option<(PathBuf, Vec<Vector>)> {
    let Some(folder) = env::var_os("NITRO_VECTORS") else {
        // Not `eprintln!`: the test harness swallows that of a test that passes.
        let skipped = writeln!(io::stderr(), "{} skipped: NITRO_VECTORS is not set", any::type_name_of_val(&test));
        skipped.expect("standard error is open");
        return None;
    };
    assert!(!folder.is_empty(), "NITRO_VECTORS is set, but names no folder");
    let folder = Path::new(&folder).join("attestation");
    let index = fs::read(folder.join("index.json")).expect("NITRO_VECTORS names a folder with attestation/index.json");
    let vectors: Vec<Vector> = serde_json::from_slice(&index).unwrap();
    assert!(vectors.iter().filter(|vector| vector.verdict == "REAL").count() >= 13);
    Some((folder, vectors))
}

pub fn real_vectors<T>(test: T) -> Vec<(Vector, UnverifiedDocument)> {
    let Some((folder, vectors)) = vectors(test) else { return Vec::new() };
    let real = vectors.into_iter().filter(|vector| vector.verdict == "REAL");
    real.map(|vector| {
        let document = vector.document(&folder);
        (vector, document)
    })
    .collect()
}
