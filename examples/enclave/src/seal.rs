//! Making and opening records: the enclave's side of what `signer_protocol::record` defines.

use std::sync::Arc;

use chain_signers::policy::Policy;
use chain_signers::{Chain, ChainSigner, SigningKey};
use kms_enclave_client::{DataKey as KmsDataKey, DecryptRequest, GenerateDataKeyRequest, KeyArn, KmsClient};
use nsm_attest::{AttestationRequest, Nsm, NsmRng, Purpose, UserData};
use signer_protocol::method::KeyDescription;
use signer_protocol::record::{
    ContentKey, Creator, DataKey, KeyId, Origin, Record, RecordDigest, RecordHeader, SpkiDigest,
};

use crate::configuration::KmsConfiguration;
use crate::error::ServiceError;
use crate::workshop::Workshop;

/// A key that was unsealed from its record, with what was sealed beside it.
#[derive(Debug)]
pub(crate) struct UnsealedKey {
    pub(crate) signer: ChainSigner,
    pub(crate) policy: Policy,
    pub(crate) description: KeyDescription,
}

/// What a new key is made with, beside its chain.
pub(crate) struct Terms {
    pub(crate) policy: Vec<u8>,
    pub(crate) callers: Vec<SpkiDigest>,
}

/// A key that was drawn but not yet sealed.
struct NewKey {
    header: RecordHeader,
    signing_key: SigningKey,
    content_key: ContentKey,
}

/// A record that was just made.
pub(crate) struct NewRecord {
    pub(crate) record: Record,
    pub(crate) description: KeyDescription,
    pub(crate) birth_document: Vec<u8>,
}

/// Draws a key for `chain`, seals it under `kms`'s first permitted key, and has its birth attested.
pub(crate) async fn generate(
    workshop: &Workshop,
    nsm: &Arc<dyn Nsm>,
    kms: &KmsClient,
    configuration: &KmsConfiguration,
    chain: &Arc<dyn Chain>,
    terms: Terms,
) -> Result<NewRecord, ServiceError> {
    let read = Policy::from_json(&terms.policy).map_err(ServiceError::MalformedPolicy)?;
    read.check_family(chain.namespace()).map_err(ServiceError::MalformedPolicy)?;
    let new = {
        let (chain, nsm) = (Arc::clone(chain), Arc::clone(nsm));
        workshop.run(move || draw(&*chain, &nsm, terms)).await?
    };
    let key_arn = configuration.primary_key().clone();
    let request = GenerateDataKeyRequest::new(&key_arn).encryption_context(new.header.encryption_context());
    let data_key = kms.generate_data_key(request).await?;
    let (chain, nsm) = (Arc::clone(chain), Arc::clone(nsm));
    workshop.run(move || finish(&*chain, &nsm, new, &key_arn, &data_key)).await
}

/// Opens `record` through KMS and checks that it holds what its header says.
pub(crate) async fn unseal(
    kms: &KmsClient,
    configuration: &KmsConfiguration,
    chain: &Arc<dyn Chain>,
    record: &Record,
) -> Result<UnsealedKey, ServiceError> {
    let permitted = |name: &str| configuration.key_arns.iter().find(|arn| arn.as_str() == name);
    let (index, wrap, key_arn) = record
        .wraps()
        .iter()
        .enumerate()
        .find_map(|(index, wrap)| Some((index, wrap, permitted(&wrap.key_arn)?)))
        .ok_or(ServiceError::RecordRejected)?;
    let context = record.header().encryption_context();
    let request = DecryptRequest::new(key_arn, &wrap.data_key).encryption_context(context);
    let data_key = kms.decrypt(request).await?.plaintext;
    let data_key = DataKey::from_bytes(data_key.as_bytes()).map_err(|_| ServiceError::RecordRejected)?;
    let secret = record.open(index, &data_key).map_err(|_| ServiceError::RecordRejected)?;
    let signing_key = SigningKey::from_secret_bytes(record.header().curve, secret.as_bytes())
        .map_err(|_| ServiceError::RecordRejected)?;
    checked(chain, record, signing_key)
}

/// The last checks before a key may be used: curve, public key and policy are those of the header.
fn checked(chain: &Arc<dyn Chain>, record: &Record, signing_key: SigningKey) -> Result<UnsealedKey, ServiceError> {
    let header = record.header();
    let public_key = signing_key.verifying_key().to_bytes();
    if header.curve != chain.curve() || header.family != chain.namespace() || header.public_key != public_key {
        return Err(ServiceError::RecordRejected);
    }
    let policy = Policy::from_json(&header.policy).map_err(|_| ServiceError::RecordRejected)?;
    let description = describe(&**chain, header, record.digest(), &signing_key)?;
    Ok(UnsealedKey { signer: ChainSigner::new(Arc::clone(chain), signing_key)?, policy, description })
}

fn draw(chain: &dyn Chain, nsm: &Arc<dyn Nsm>, terms: Terms) -> Result<NewKey, ServiceError> {
    let mut rng = NsmRng::new(Arc::clone(nsm));
    let mut key_id = [0; 16];
    nsm.random(&mut key_id)?;
    let signing_key = SigningKey::generate(chain.curve(), &mut rng).map_err(|_| ServiceError::Randomness)?;
    let header = RecordHeader {
        key_id: KeyId::from_bytes(key_id),
        family: chain.namespace().to_owned(),
        curve: chain.curve(),
        public_key: signing_key.verifying_key().to_bytes(),
        policy: terms.policy,
        callers: terms.callers,
        administrators: Vec::new(),
        origin: Origin::Generated,
        creator: Creator::Parent,
        revision: 0,
    };
    Ok(NewKey { header, signing_key, content_key: ContentKey::generate(&mut rng)? })
}

fn finish(
    chain: &dyn Chain,
    nsm: &Arc<dyn Nsm>,
    new: NewKey,
    key_arn: &KeyArn,
    data_key: &KmsDataKey,
) -> Result<NewRecord, ServiceError> {
    let mut rng = NsmRng::new(Arc::clone(nsm));
    let NewKey { header, signing_key, content_key } = new;
    let opened = DataKey::from_bytes(data_key.plaintext.as_bytes()).map_err(|_| ServiceError::RecordRejected)?;
    let wrap = content_key.wrap(&header, key_arn.as_str(), &opened, data_key.ciphertext_blob.clone(), &mut rng)?;
    let record = Record::seal(header, vec![wrap], &signing_key.secret_bytes(), content_key, &mut rng)?;
    let description = describe(chain, record.header(), record.digest(), &signing_key)?;
    let birth_document = nsm.attest(&birth_request(record.digest()))?;
    Ok(NewRecord { record, description, birth_document })
}

/// Asks for a birth document: it names the record's digest and, on purpose, carries no public key.
fn birth_request(digest: RecordDigest) -> AttestationRequest {
    let user_data = UserData { purpose: Purpose::Birth, digest: *digest.as_bytes() };
    AttestationRequest::new().with_user_data(user_data.encode())
}

fn describe(
    chain: &dyn Chain,
    header: &RecordHeader,
    record_digest: RecordDigest,
    key: &SigningKey,
) -> Result<KeyDescription, ServiceError> {
    Ok(KeyDescription {
        key_id: header.key_id,
        family: header.family.clone(),
        curve: header.curve,
        public_key: header.public_key.clone(),
        address: chain.address(&key.verifying_key()).map_err(|_| ServiceError::RecordRejected)?,
        revision: header.revision,
        record_digest,
        callers: header.callers.clone(),
    })
}
