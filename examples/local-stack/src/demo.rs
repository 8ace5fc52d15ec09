//! The whole story: a key is born, signs what it may, and a hostile parent gets nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use chain_signers::{Chain, Encoding, VerifyingKey, evm};
use nsm_attest::{Clock, PcrIndex, PcrValue, Policy};
use serde::Serialize;
use sha3::{Digest, Keccak256};
use signer_protocol::birth::{Asked, BornKey, verify_birth};
use signer_protocol::client::{ClientError, KeyAnswer};
use signer_protocol::code;
use signer_protocol::method::{ExpectedKey, SetCredentials, Sign, SignRequest};
use signer_protocol::record::{KeyId, Record, SpkiDigest};
use signerctl::session::{ClientKey, EnclaveSession, NitroEvidence, Transaction};
use vsock_rpc::{Addr, CallError, Client};

use crate::every_chain::Specimen;
use crate::hardware::{Hardware, MEMORY_MIB, Site};
use crate::narrator::Narrator;
use crate::outage::{Outage, survive};
use crate::role::Principal;
use crate::stack::{
    ACCOUNT, Enclave, Ground, Kms, POLICY, Parent, REFERENCE_REQUEST, REGION, SESSION_RELAY, Stack, configuration,
};
use crate::unsigned::{UnsignedEvidence, accept_birth};

/// What `demo --json` prints.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    /// The key's Ethereum address, EIP-55.
    pub(crate) address: String,
    /// 33 bytes, SEC1 compressed, in hexadecimal.
    pub(crate) public_key: String,
    /// The signed transaction, EIP-2718, in hexadecimal with `0x`.
    pub(crate) transaction_signed: String,
    /// Its Keccak-256, in hexadecimal with `0x`.
    pub(crate) transaction_hash: String,
    /// The KMS key that the record is sealed under.
    pub(crate) kms_key_arn: String,
    /// The enclave's measurement, 48 bytes in hexadecimal.
    pub(crate) pcr0: String,
    /// What the changed enclave was answered.
    pub(crate) refused_enclave_error: String,
    /// Keccak-256 of the transaction that was signed over a session, in hexadecimal with `0x`.
    pub(crate) session_transaction_hash: String,
    /// Chain families that the enclave signed for.
    pub(crate) families: Vec<String>,
    /// What the emulated enclave took; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) emulated: Option<Emulated>,
    /// The whole run, in milliseconds.
    pub(crate) elapsed_ms: u64,
}

/// What an emulated enclave took. It computes many times slower than a real one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Emulated {
    /// From the machine's start to the first signature, with the key's creation, in milliseconds.
    pub(crate) boot_to_first_signature_ms: u64,
    /// Bytes of the image beside its kernel.
    pub(crate) image_without_kernel_len: u64,
    /// The guest's memory, in MiB.
    pub(crate) guest_memory_mib: u32,
    /// A signature whose record KMS has to open first, in milliseconds: the slowest of the families.
    pub(crate) cold_ms: u64,
    /// The same again, in milliseconds.
    pub(crate) cached_ms: u64,
    /// What became of those who were served while the enclave was killed.
    pub(crate) outage: Outage,
}

/// Tells the story on `ground`; every step that does not hold is an error. What was started is `ground`'s to clear.
///
/// # Errors
/// The first step that did not hold.
pub(crate) async fn tell(narrator: &mut Narrator, ground: &Ground) -> anyhow::Result<Outcome> {
    let Stack { kms, kms_key, pcr0, image_len, booted_at, parent } = Stack::start(narrator, ground).await?;
    let key = parent.client.create_key("eip155", POLICY.as_bytes()).await.context("no key was made")?;
    narrator.step("a key is born inside the enclave and sealed to it");
    narrator.detail("address", &key.address);
    check_birth(ground, &pcr0, &key, &[])?;
    narrator.step("its birth document verifies: this key, this policy, this PCR0");

    let body = format!(r#"{{"transaction_payload":{REFERENCE_REQUEST},"secret_id":"{}"}}"#, key.id);
    let signed = parent.client.sign_reference(body).await.context("the reference request was not signed")?;
    narrator.step("the reference request is signed over HTTPS");
    narrator.detail("hash", &signed.transaction_hash);
    let first_signature = booted_at.elapsed();
    let hash = format!("0x{}", hex::encode(Keccak256::digest(&signed.transaction_signed)));
    ensure!(hash == signed.transaction_hash, "the transaction hashes to {hash}, not {}", signed.transaction_hash);
    let sender = evm::recover_sender(&signed.transaction_signed)?;
    ensure!(sender == key.address, "the transaction is from {sender}, not from {}", key.address);
    narrator.step("the sender recovered from the signed transaction is the key's address");

    refuse_other_destination(&parent, &key.id).await?;
    narrator.step("a transaction to another destination is refused by the key's policy");
    refuse_altered_record(ground, &key).await?;
    narrator.step("a record with a widened policy does not open");
    let session_transaction_hash = sign_over_session(narrator, ground, &parent, &pcr0).await?;
    let specimens = sign_for_every_family(narrator, &parent).await?;
    let emulated = match &ground.hardware {
        Hardware::Simulated | Hardware::Unsigned => None,
        Hardware::Emulated(emulation) => {
            let outage = survive(ground, emulation, &parent, &key.id, &signed).await?;
            narrator.step("the enclave was killed under load and booted again: all were served or told to come back");
            narrator
                .detail("requests", format!("{} answered, {} told to retry", outage.answered, outage.told_to_retry));
            let (cold_ms, cached_ms) = sign_again(narrator, &parent, &specimens).await?;
            Some(Emulated {
                boot_to_first_signature_ms: u64::try_from(first_signature.as_millis())?,
                image_without_kernel_len: image_len.context("an emulated enclave has an image")?,
                guest_memory_mib: MEMORY_MIB,
                cold_ms,
                cached_ms,
                outage,
            })
        }
    };
    let refused_enclave_error = refuse_changed_enclave(narrator, ground, &kms, &pcr0, &kms_key, &key).await?;
    narrator.detail("KMS", &refused_enclave_error);

    ground.stop_all().await?;
    narrator.step("every process has stopped");
    Ok(Outcome {
        address: key.address,
        public_key: hex::encode(&key.public_key),
        transaction_signed: format!("0x{}", hex::encode(&signed.transaction_signed)),
        transaction_hash: signed.transaction_hash,
        kms_key_arn: kms_key.to_string(),
        pcr0: pcr0.to_string(),
        refused_enclave_error,
        session_transaction_hash,
        families: specimens
            .iter()
            .map(|signed| signed.specimen.family())
            .chain(["eip155"])
            .map(str::to_owned)
            .collect(),
        emulated,
        elapsed_ms: narrator.elapsed_ms(),
    })
}

/// A caller has a key made that it alone may sign with, and signs over a session that the parent can only carry.
async fn sign_over_session(
    narrator: &mut Narrator,
    ground: &Ground,
    parent: &Parent,
    pcr0: &PcrValue,
) -> anyhow::Result<String> {
    let caller = ClientKey::generate_p256()?;
    let callers = [SpkiDigest::from_bytes(*caller.identity().as_bytes())];
    let key = parent.client.create_key_for("eip155", POLICY.as_bytes(), &callers).await.context("no key was made")?;
    let born = check_birth(ground, pcr0, &key, &callers)?;
    narrator.step("a second key is born for one caller, who is known by a key of its own");
    narrator.detail("caller", caller.identity());

    let expected = ExpectedKey { public_key: born.header.public_key, record_digest: born.record_digest };
    let transaction = Transaction { encoding: Encoding::Json, payload: REFERENCE_REQUEST.as_bytes(), chain_id: None };
    let session = session(ground, &caller, pcr0)?;
    let signed = session.sign(record_of(&key)?, &expected, transaction).await.context("no signature over a session")?;
    let sender = evm::recover_sender(&signed.signed_transaction)?;
    ensure!(sender == key.address, "the transaction is from {sender}, not from {}", key.address);
    narrator.step("the caller signs over a session that ends in the enclave; the parent relays what it cannot read");
    narrator.detail("hash", &signed.transaction_id);

    let body = format!(r#"{{"transaction_payload":{REFERENCE_REQUEST},"secret_id":"{}"}}"#, key.id);
    match parent.client.sign_reference(body).await {
        Err(ClientError::Problem(problem)) if problem.kind == "/problems/not-permitted" => {}
        Err(error) => return Err(error).context("refused, but not because the parent is no caller"),
        Ok(_) => bail!("the parent signed with a key that names another caller"),
    }
    narrator.step("the parent itself gets no signature of that key");
    Ok(signed.transaction_id)
}

/// A transaction of another chain family, and what it was signed as.
struct SignedSpecimen {
    specimen: Specimen,
    key: KeyId,
    transaction: Vec<u8>,
    signed: Vec<u8>,
}

/// A key and a signature of each family beside Ethereum's.
async fn sign_for_every_family(narrator: &mut Narrator, parent: &Parent) -> anyhow::Result<Vec<SignedSpecimen>> {
    let mut all = Vec::new();
    for specimen in Specimen::ALL {
        let family = specimen.family();
        let made = parent.client.create_key(family, specimen.policy().as_bytes()).await;
        let key = made.with_context(|| format!("no key of {family} was made"))?;
        let transaction = specimen.transaction(&key)?;
        let answer = parent.client.sign(&key.id, specimen.encoding(), &transaction, Some(specimen.chain_id())).await;
        let answer = answer.with_context(|| format!("the transaction of {family} was not signed"))?;
        specimen.check(&key, &transaction, &answer).with_context(|| format!("the signature of {family}"))?;
        narrator.step(&format!("a key of {family} signs, and an independent check of the signature passes"));
        narrator.detail("summary", &answer.summary);
        all.push(SignedSpecimen { specimen, key: key.id, transaction, signed: answer.signed_transaction });
    }
    Ok(all)
}

/// Signs with keys that this boot has not opened yet, then with the same from the cache: milliseconds of the slowest.
async fn sign_again(
    narrator: &mut Narrator,
    parent: &Parent,
    specimens: &[SignedSpecimen],
) -> anyhow::Result<(u64, u64)> {
    let mut slowest = [0, 0];
    for SignedSpecimen { specimen, key, transaction, signed } in specimens {
        for taken in &mut slowest {
            let began = Instant::now();
            let answer = parent.client.sign(key, specimen.encoding(), transaction, Some(specimen.chain_id())).await?;
            *taken = u64::try_from(began.elapsed().as_millis())?.max(*taken);
            ensure!(answer.signed_transaction == *signed, "the same transaction was signed otherwise after the reboot");
        }
    }
    narrator.step("keys of before the reboot give the same signatures, cold and from the cache");
    let [cold, cached] = slowest;
    narrator.detail("slowest", format!("{cold} ms cold, {cached} ms from the cache"));
    Ok((cold, cached))
}

/// A session through the parent's relay.
fn session(ground: &Ground, caller: &ClientKey, pcr0: &PcrValue) -> anyhow::Result<EnclaveSession> {
    let (relay, pcrs) = (ground.socket(SESSION_RELAY)?, Policy::builder().pcr(PcrIndex::IMAGE, [*pcr0]));
    Ok(if ground.hardware.signs() {
        EnclaveSession::new(relay, caller, NitroEvidence::new(ground.attestation_root, pcrs))
    } else {
        EnclaveSession::new(relay, caller, UnsignedEvidence::new(pcrs))
    })
}

/// What a client checks that does not trust the parent: the enclave itself says that it made this record, for this
/// policy and these callers, and the address is that of the record's key.
fn check_birth(ground: &Ground, pcr0: &PcrValue, key: &KeyAnswer, callers: &[SpkiDigest]) -> anyhow::Result<BornKey> {
    let document = key.birth_document.as_deref().context("the parent withholds the birth document")?;
    let asked = Asked { family: "eip155", policy: POLICY.as_bytes(), callers };
    let pcrs = Policy::builder().pcr(PcrIndex::IMAGE, [*pcr0]);
    let record = record_of(key)?;
    let born = if ground.hardware.signs() {
        verify_birth(record, document, &asked, &ground.attestation_root, pcrs, Clock::system().now())?
    } else {
        accept_birth(record, document, &asked, pcrs)?
    };
    let verifying_key = VerifyingKey::from_bytes(born.header.curve, &born.header.public_key)?;
    let address = evm::Evm.address(&verifying_key)?;
    ensure!(address == key.address, "the parent says {}, the record holds the key of {address}", key.address);
    Ok(born)
}

fn record_of(key: &KeyAnswer) -> anyhow::Result<&[u8]> {
    key.record.as_deref().context("the parent withholds the record")
}

async fn refuse_other_destination(parent: &Parent, id: &KeyId) -> anyhow::Result<()> {
    let body = format!(
        r#"{{"transaction_payload":{},"secret_id":"{id}"}}"#,
        REFERENCE_REQUEST.replace("0xa5D3241A1591061F2a4bB69CA0215F66520E67cf", OTHER_DESTINATION)
    );
    match parent.client.sign_reference(body).await {
        Err(ClientError::Problem(problem)) if problem.status == 403 => Ok(()),
        Err(error) => Err(error).context("refused, but not by the policy"),
        Ok(_) => bail!("a transaction was signed that the policy does not allow"),
    }
}

/// The parent holds the record: it changes the policy inside and asks the enclave directly.
async fn refuse_altered_record(ground: &Ground, key: &KeyAnswer) -> anyhow::Result<()> {
    let (allowed, wanted) = (b"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf", OTHER_DESTINATION.as_bytes());
    let mut record = record_of(key)?.to_vec();
    let at = record.windows(allowed.len()).position(|w| w == allowed).context("the record has no destination")?;
    record[at..at + allowed.len()].copy_from_slice(wanted);
    let altered = Record::from_bytes(&record)?;
    let expected = ExpectedKey { public_key: altered.header().public_key.clone(), record_digest: altered.digest() };
    let answer = ask(ground.host_side(Site::Genuine)?.parent_port, &ground.parent_role, record, expected).await;
    let error = refusal(answer)?;
    ensure!(error.starts_with(code::RECORD_REJECTED), "refused, but with {error}");
    Ok(())
}

/// The parent starts another enclave and hands it the stolen record: the same program with a configuration of its own, or,
/// of the emulator, the same configuration for a program of which one byte is another.
async fn refuse_changed_enclave(
    narrator: &mut Narrator,
    ground: &Ground,
    kms: &Kms,
    pcr0: &PcrValue,
    kms_key: &kms_enclave_client::KeyArn,
    key: &KeyAnswer,
) -> anyhow::Result<String> {
    let mut key_arns = vec![kms_key.clone()];
    if let Hardware::Simulated | Hardware::Unsigned = ground.hardware {
        key_arns.push(format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-4000-8000-00000000fa4e").parse()?);
    }
    let changed = ground.measure(Site::Changed, configuration(ground, kms, key_arns, Site::Changed)?)?;
    ensure!(changed.pcr0 != *pcr0, "a changed enclave was measured alike");
    let enclave = Enclave::start(ground, kms, &changed).await?;
    let stolen = record_of(key)?.to_vec();
    let record = Record::from_bytes(&stolen)?;
    let expected = ExpectedKey { public_key: record.header().public_key.clone(), record_digest: record.digest() };
    let answer = ask(ground.host_side(Site::Changed)?.parent_port, &ground.parent_role, stolen, expected).await;
    enclave.stop(ground).await?;
    let error = refusal(answer)?;
    ensure!(error.starts_with(code::KMS_REFUSED) && error.contains("AccessDenied"), "refused, but with {error}");
    narrator.step(match ground.hardware {
        Hardware::Simulated | Hardware::Unsigned => {
            "an enclave that also admits the attacker's own KMS key is refused by KMS"
        }
        Hardware::Emulated(_) => "an enclave whose program differs in one byte is refused by KMS",
    });
    Ok(error)
}

/// Asks an enclave to sign the reference request, as its parent.
async fn ask(enclave: Addr, role: &Principal, record: Vec<u8>, expected: ExpectedKey) -> Result<(), CallError> {
    let client = Client::builder(enclave).build();
    client.call::<SetCredentials>(&role.aws_credentials(), DEADLINE).await?;
    let payload = REFERENCE_REQUEST.as_bytes().to_vec();
    let request = SignRequest { record, expected, chain_id: None, encoding: Encoding::Json, payload };
    client.call::<Sign>(&request, DEADLINE).await.map(drop)
}

/// The error of a request that must have been refused, as `code: message`.
fn refusal(answer: Result<(), CallError>) -> anyhow::Result<String> {
    match answer {
        Err(CallError::Remote(error)) => Ok(format!("{}: {}", error.code(), error.message())),
        Err(error) => Err(error).context("the enclave could not be asked"),
        Ok(()) => bail!("the enclave signed with a record that it must not open"),
    }
}

/// An address that the policy does not name.
const OTHER_DESTINATION: &str = "0x000000000000000000000000000000000000dEaD";

const DEADLINE: Duration = Duration::from_secs(30);
