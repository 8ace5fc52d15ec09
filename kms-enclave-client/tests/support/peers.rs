//! The peers that the stage `peers` of `.ci/run` started, as the folder named by `NITRO_PEERS` describes them.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::{any, env, fs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kms_enclave_client::{Credentials, Endpoint, KeyArn, KmsClient, RecipientKeyPair, TcpTransport, TlsRoots};
use nsm_attest::sim::{Authority, SimulatedNsm};
use nsm_attest::{AttestationRequest, Clock, Nsm};
use serde_json::Value;

use crate::support::AttestsSo;

#[derive(Debug)]
pub(crate) struct Peers {
    folder: PathBuf,
    described: Value,
}

impl Peers {
    /// The peers, or `None`, with a word that `test` is skipped, if there are none.
    pub(crate) fn find<T>(test: T) -> Option<Self> {
        let Some(folder) = env::var_os("NITRO_PEERS") else {
            // Not `eprintln!`: the test harness swallows that of a test that passes.
            let skipped = writeln!(io::stderr(), "{} skipped: NITRO_PEERS is not set", any::type_name_of_val(&test));
            skipped.expect("standard error is open");
            return None;
        };
        let folder = PathBuf::from(folder);
        let described = fs::read(folder.join("peers.json")).expect("NITRO_PEERS names a folder with peers.json");
        Some(Self { described: serde_json::from_slice(&described).unwrap(), folder })
    }

    pub(crate) fn localstack_keys(&self) -> [KeyArn; 2] {
        [0, 1].map(|index| arn(&self.described["localstack"]["keys"][index]))
    }

    /// A key for DeriveSharedSecret.
    pub(crate) fn agreement_key(&self) -> KeyArn {
        arn(&self.described["localstack"]["agreement_key"])
    }

    /// Whose credentials are anybody's: LocalStack does not look at them.
    pub(crate) fn localstack(&self) -> KmsClient {
        let [first, second] = self.localstack_keys();
        self.localstack_with_keys(&[first, second, self.agreement_key()])
    }

    pub(crate) fn localstack_with_keys(&self, keys: &[KeyArn]) -> KmsClient {
        self.client("localstack", Arc::new(nsm()), self.anybody(), keys)
    }

    /// As [`localstack`](Self::localstack), with attestation documents that RFC 9052 allows and LocalStack does not read.
    pub(crate) fn localstack_with_tagged_documents(&self) -> KmsClient {
        let nsm = nsm();
        // Tag 18 of CBOR.
        let tagged = move |request: &AttestationRequest| Ok([&[0xd2][..], &nsm.attest(request)?].concat());
        self.client("localstack", Arc::new(AttestsSo(tagged)), self.anybody(), &self.localstack_keys())
    }

    pub(crate) fn moto_key(&self) -> KeyArn {
        arn(&self.described["moto"]["key"])
    }

    pub(crate) fn moto(&self, credentials: Credentials) -> KmsClient {
        self.client("moto", Arc::new(nsm()), credentials, &[self.moto_key()])
    }

    /// Those of `permitted`, `session` or `stranger`.
    pub(crate) fn credentials(&self, principal: &str) -> Credentials {
        credentials(&self.described["moto"][principal])
    }

    /// The same with the last letter or digit of one part changed.
    pub(crate) fn altered(&self, principal: &str, part: &str) -> Credentials {
        let mut parts = self.described["moto"][principal].clone();
        let mut text = parts[part].as_str().unwrap().to_owned();
        let at = text.rfind(|c: char| c.is_ascii_alphanumeric()).unwrap();
        let other = if text[at..].starts_with('Q') { "R" } else { "Q" };
        text.replace_range(at..=at, other);
        parts[part] = text.into();
        credentials(&parts)
    }

    pub(crate) fn without_token(&self, principal: &str) -> Credentials {
        let mut parts = self.described["moto"][principal].clone();
        parts.as_object_mut().unwrap().remove("SessionToken").unwrap();
        credentials(&parts)
    }

    fn anybody(&self) -> Credentials {
        // AWS's documented example.
        Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None).unwrap()
    }

    fn client(&self, peer: &str, nsm: Arc<dyn Nsm>, credentials: Credentials, keys: &[KeyArn]) -> KmsClient {
        let address: std::net::SocketAddr = self.described[peer]["address"].as_str().unwrap().parse().unwrap();
        let root = fs::read(self.folder.join("ca.der")).unwrap();
        let builder = KmsClient::builder()
            .region("us-east-1")
            .endpoint(Endpoint::custom(&address.ip().to_string(), address.port()).unwrap())
            .transport(Arc::new(TcpTransport::new(address)))
            .tls_roots(TlsRoots::from_der([root.as_slice()]).unwrap())
            .nsm(nsm)
            .clock(Clock::system())
            .credentials(credentials);
        keys.iter().cloned().fold(builder, |builder, key| builder.permit_key(key)).build().unwrap()
    }
}

fn arn(value: &Value) -> KeyArn {
    value.as_str().unwrap().parse().unwrap()
}

fn credentials(parts: &Value) -> Credentials {
    let part = |name: &str| parts[name].as_str().map(str::to_owned);
    let (id, secret) = (part("AccessKeyId").unwrap(), part("SecretAccessKey").unwrap());
    Credentials::new(id, secret, part("SessionToken"), None).unwrap()
}

fn nsm() -> SimulatedNsm {
    let authority = Authority::generate(Clock::system().now()).unwrap();
    SimulatedNsm::builder(authority).measure(b"executable", b"configuration").build().unwrap()
}

/// `openssl cms` with the recipient's key that the stage made.
pub(crate) struct Openssl {
    key: PathBuf,
    certificate: PathBuf,
}

impl Openssl {
    pub(crate) fn new(peers: &Peers) -> Self {
        Self { key: peers.folder.join("recipient.key"), certificate: peers.folder.join("recipient.pem") }
    }

    /// The recipient's key as this crate reads it.
    pub(crate) fn recipient(&self) -> RecipientKeyPair {
        let pem = fs::read_to_string(&self.key).unwrap();
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        RecipientKeyPair::from_pkcs8_der(&STANDARD.decode(base64).unwrap()).unwrap()
    }

    pub(crate) fn open(&self, enveloped: &[u8]) -> Vec<u8> {
        run(Command::new("openssl").args(["cms", "-decrypt", "-inform", "DER", "-inkey"]).arg(&self.key), enveloped)
    }

    pub(crate) fn envelop(&self, plaintext: &[u8]) -> Vec<u8> {
        let cms = ["cms", "-encrypt", "-binary", "-outform", "DER", "-aes-256-cbc", "-recip"];
        let oaep = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"];
        let mut command = Command::new("openssl");
        command.args(cms).arg(&self.certificate);
        for option in oaep {
            command.args(["-keyopt", option]);
        }
        run(&mut command, plaintext)
    }
}

/// What a program that must succeed writes when it reads `input`.
fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Less than a pipe holds, so that it need not be read meanwhile.
    assert!(input.len() < 16 * 1024);
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    output.stdout
}
