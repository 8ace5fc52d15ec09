//! A simulated KMS with one key, and files that `signerctl kms` needs to use it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use kms_enclave_client::sim::{AdminClient, KmsSimulator};
use kms_enclave_client::{Credentials, KeyArn, TcpTransport};
use nsm_attest::sim::{Authority, pcr0};
use nsm_attest::{Clock, PcrValue};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Run, pem, run_with};

pub const REGION: &str = "eu-west-1";
/// AWS's documented example secret: fake.
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub const ACCESS_KEY_ID: &str = "ASIAIOSFODNN7EXAMPLE";
pub const SESSION_TOKEN: &str = "FakeSessionTokenForTests";
const OPERATOR_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const ACCOUNT: &str = "111122223333";
const OPERATOR: &str = "arn:aws:iam::111122223333:role/operator";
const PARENT: &str = "arn:aws:iam::111122223333:role/parent";

pub struct Kms {
    pub folder: TempDir,
    pub simulator: KmsSimulator,
    pub key: KeyArn,
    admin: AdminClient,
}

impl Kms {
    /// Its key is for the enclave that `signerctl --nsm simulated` simulates, and for its own administrator.
    pub async fn start() -> Self {
        let authority = Authority::generate(Clock::system().now()).unwrap();
        let operator = Credentials::new(OPERATOR_KEY_ID, SECRET, None, None).unwrap();
        let parent = Credentials::new(ACCESS_KEY_ID, SECRET, Some(SESSION_TOKEN.to_owned()), None).unwrap();
        let simulator = KmsSimulator::builder(REGION, ACCOUNT)
            .attestation_anchor(authority.trust_anchor())
            .administrator(operator.clone(), OPERATOR)
            .principal_with_policy(parent, PARENT, allow(&json!(["kms:GenerateRandom"])).to_string())
            .start()
            .await
            .unwrap();
        let transport = Arc::new(TcpTransport::new(simulator.local_addr()));
        let admin = AdminClient::new(REGION, transport, &simulator.tls_roots(), Clock::system(), operator).unwrap();
        let key = admin.create_key().await.unwrap();
        let kms = Self { folder: tempfile::tempdir().unwrap(), simulator, key, admin };
        kms.admit(pcr0(b"signerctl", b"simulated")).await;
        kms.write("root.pem", pem(kms.simulator.tls_root_der()));
        kms.write("authority", &*authority.to_bytes());
        let session = format!("aws_session_token = {SESSION_TOKEN}\n");
        kms.write(
            "credentials",
            format!("[default]\n{}{session}[operator]\n{}", pair(ACCESS_KEY_ID), pair(OPERATOR_KEY_ID)),
        );
        kms
    }

    /// A key that nobody asked for.
    pub async fn other_key(&self) -> KeyArn {
        self.admin.create_key().await.unwrap()
    }

    /// Lets the parent use the key from this image, and from no other.
    pub async fn admit(&self, image: PcrValue) {
        let statement = |principal: &str, actions: &serde_json::Value| {
            let mut statement = allow(actions)["Statement"][0].clone();
            statement["Principal"] = json!({"AWS": principal});
            statement
        };
        let mut parent = statement(PARENT, &json!(["kms:Decrypt", "kms:GenerateDataKey"]));
        parent["Condition"] =
            json!({"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": image.to_string()}});
        let operator = statement(OPERATOR, &json!(["kms:PutKeyPolicy", "kms:GetKeyPolicy", "kms:Encrypt"]));
        let policy = json!({"Version": "2012-10-17", "Statement": [operator, parent]});
        self.admin.put_key_policy(&self.key, &policy.to_string()).await.unwrap();
    }

    /// Where a file of the folder is.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).into_os_string().into_string().unwrap()
    }

    /// A file that only its owner can read.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The options that lead to this KMS.
    pub fn way(&self) -> Vec<String> {
        ["--ca", &self.path("root.pem"), "--via", &format!("tcp:{}", self.simulator.local_addr())]
            .map(str::to_owned)
            .into()
    }

    /// `kms` with words separated by single spaces, as the parent, with simulated evidence that this KMS believes.
    pub async fn run(&self, line: &str) -> Run {
        self.run_with(line, std::io::empty()).await
    }

    pub async fn run_with(&self, line: &str, stdin: impl Read) -> Run {
        let evidence = ["--nsm", "simulated", "--simulated-authority", &self.path("authority")].map(str::to_owned);
        let credentials = ["--credentials", &self.path("credentials")].map(str::to_owned);
        self.run_as(line, &[&evidence[..], &credentials].concat(), stdin).await
    }

    /// `kms encrypt` and the like: as the operator, without evidence.
    pub async fn run_as_operator(&self, line: &str, stdin: impl Read) -> Run {
        let credentials = ["--credentials", &self.path("credentials"), "--profile", "operator"].map(str::to_owned);
        self.run_as(line, &credentials, stdin).await
    }

    /// A whole command line but for the way to this KMS. Nothing that a run says repeats a credential.
    pub async fn run_as(&self, line: &str, options: &[String], stdin: impl Read) -> Run {
        let words: Vec<_> = ["kms"].into_iter().chain(line.split(' ')).map(str::to_owned).collect();
        let run = run_with(&[words, self.way(), options.to_vec()].concat(), stdin).await;
        for secret in [SECRET, SESSION_TOKEN, ACCESS_KEY_ID, OPERATOR_KEY_ID] {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{run:?}");
        }
        run
    }
}

fn allow(actions: &serde_json::Value) -> serde_json::Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})
}

fn pair(access_key_id: &str) -> String {
    format!("aws_access_key_id = {access_key_id}\naws_secret_access_key = {SECRET}\n")
}
