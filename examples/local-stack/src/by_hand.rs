//! What `serve` prints: commands with which a person tries the stack, and the files that they name.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use nsm_attest::sim::pcr0;
use zeroize::Zeroizing;

use crate::stack::{Ground, Kms, POLICY, REFERENCE_REQUEST, SESSION_RELAY, Stack};

/// Writes the files and returns the commands, each with what it is for.
pub(crate) async fn commands(ground: &Ground, stack: &Stack) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut commands = of_parent(ground, stack)?;
    commands.extend(of_kms(ground, &stack.kms).await?);
    Ok(commands)
}

fn of_parent(ground: &Ground, stack: &Stack) -> anyhow::Result<Vec<(&'static str, String)>> {
    let policy = write(ground, "policy.json", POLICY.as_bytes())?;
    let transaction = write(ground, "transaction.json", REFERENCE_REQUEST.as_bytes())?;
    let root = write(ground, "attestation-root.der", &ground.attestation_root_der)?;
    let signerctl = format!(
        "cargo run --release -p signerctl -- --url https://localhost:{} --ca {}",
        stack.parent.addr.port(),
        ground.certificate().display()
    );
    let generate = format!(
        "{signerctl} keys generate --family eip155 --policy {} --pcr0 {} --trust-anchor {}",
        policy.display(),
        stack.pcr0,
        root.display()
    );
    let caller = ground.file("caller.pem");
    let sign = format!(
        "cargo run --release -p signerctl -- session sign --enclave {} --client-key {} --record RECORD --pcr0 {} \
         --trust-anchor {} {}",
        ground.socket(SESSION_RELAY)?,
        caller.display(),
        stack.pcr0,
        root.display(),
        transaction.display()
    );
    Ok(vec![
        ("health", format!("{signerctl} health")),
        ("a key", generate),
        ("a signature", format!("{signerctl} sign --key ID {}", transaction.display())),
        ("a caller", format!("cargo run --release -p signerctl -- session keygen --out {}", caller.display())),
        ("the caller's signature", sign),
    ])
}

/// A second KMS key, for the enclave that `signerctl kms --nsm simulated` simulates: the signing service's own stays its own.
async fn of_kms(ground: &Ground, kms: &Kms) -> anyhow::Result<[(&'static str, String); 2]> {
    let key = kms.admin.create_key().await.context("KMS made no key for signerctl")?;
    kms.admit(ground, &key, &pcr0(EXECUTABLE, CONFIGURATION)).await?;
    let root = write(ground, "kms.pem", pem(&hex::decode(&kms.tls_root)?).as_bytes())?;
    let authority = write(ground, "authority", &Zeroizing::new(hex::decode(&*ground.authority)?))?;
    let credentials = write(ground, "credentials", credentials(ground).as_bytes())?;
    let command = |name: &str| {
        format!(
            "cargo run --release -p signerctl --features sim -- --ca {} kms {name} --nsm simulated \
             --simulated-authority {} --credentials {} --via tcp:{} --key-arn {key} \
             --encryption-context purpose=record-v1",
            root.display(),
            authority.display(),
            credentials.display(),
            kms.addr
        )
    };
    Ok([
        ("a data key of KMS", command("generate-data-key")),
        ("the same, decrypted", format!("{} --ciphertext BLOB", command("decrypt"))),
    ])
}

/// A file that only its owner can read: `signerctl` takes credentials from no other.
fn write(ground: &Ground, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
    let path = ground.file(name);
    let create = |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = create(&path).and_then(|mut file| file.write_all(content));
    written.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// The parent's role, as AWS's tools keep it.
fn credentials(ground: &Ground) -> Zeroizing<String> {
    let role = &ground.parent_role;
    Zeroizing::new(format!(
        "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\naws_session_token = {}\n",
        role.access_key_id, role.secret_access_key, role.session_token
    ))
}

/// A certificate in PEM (RFC 7468), in lines of 64 characters.
fn pem(der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let (lines, rest) = base64.as_bytes().as_chunks::<64>();
    let lines = lines.iter().map(|line| &line[..]).chain((!rest.is_empty()).then_some(rest));
    let body: String = lines.map(|line| String::from_utf8_lossy(line) + "\n").collect();
    format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
}

/// What `signerctl` measures its simulated enclave as.
const EXECUTABLE: &[u8] = b"signerctl";
const CONFIGURATION: &[u8] = b"simulated";
