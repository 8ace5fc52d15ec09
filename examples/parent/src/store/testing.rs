//! Sealed records for the tests of this module.

use std::convert::Infallible;

use chain_signers::Curve;
use rand_core::{TryCryptoRng, TryRng};
use signer_protocol::method::{GenerateKeyResponse, KeyDescription};
use signer_protocol::record::{ContentKey, Creator, DataKey, KeyId, Origin, Record, RecordHeader};

/// What an enclave could have answered. The secret is obviously fake.
pub(super) fn answer(id: u8) -> GenerateKeyResponse {
    let header = RecordHeader {
        key_id: KeyId::from_bytes([id; 16]),
        family: "eip155".into(),
        curve: Curve::Secp256k1,
        public_key: vec![2; 33],
        policy: b"{}".to_vec(),
        callers: Vec::new(),
        administrators: Vec::new(),
        origin: Origin::Generated,
        creator: Creator::Parent,
        revision: 0,
    };
    let arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let content_key = ContentKey::generate(&mut Zeros).unwrap();
    let data_key = DataKey::from_bytes(&[7; 32]).unwrap();
    let wrap = content_key.wrap(&header, arn, &data_key, vec![1; 64], &mut Zeros).unwrap();
    let record = Record::seal(header, vec![wrap], &[0x42; 32], content_key, &mut Zeros).unwrap();
    let header = record.header();
    GenerateKeyResponse {
        description: KeyDescription {
            key_id: header.key_id,
            family: header.family.clone(),
            curve: header.curve,
            public_key: header.public_key.clone(),
            address: "0xfake".into(),
            revision: header.revision,
            record_digest: record.digest(),
            callers: header.callers.clone(),
        },
        record: record.to_bytes(),
        birth_document: b"not a real attestation document".to_vec(),
    }
}

/// No randomness at all.
struct Zeros;

impl TryRng for Zeros {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        buffer.fill(0);
        Ok(())
    }
}

impl TryCryptoRng for Zeros {}
