//! Records for tests, sealed with keys that are obviously fake.
#![allow(dead_code, reason = "each test program uses a part")]

use std::convert::Infallible;

use chain_signers::Curve;
use rand_core::{TryCryptoRng, TryRng};
use signer_protocol::record::{ContentKey, Creator, DataKey, KeyId, Origin, Record, RecordHeader, SealError};

/// Deterministic bytes; for tests only.
pub(crate) struct Counter(pub(crate) u64);

impl TryRng for Counter {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        for chunk in buffer.chunks_mut(8) {
            let word = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Counter {}

pub(crate) fn header() -> RecordHeader {
    RecordHeader {
        key_id: KeyId::from_bytes([1; 16]),
        family: "eip155".into(),
        curve: Curve::Secp256k1,
        public_key: vec![2; 33],
        policy: br#"{"version":1,"rules":[]}"#.to_vec(),
        callers: Vec::new(),
        administrators: Vec::new(),
        origin: Origin::Generated,
        creator: Creator::Parent,
        revision: 0,
    }
}

pub(crate) fn data_key() -> DataKey {
    DataKey::from_bytes(&[7; 32]).unwrap()
}

pub(crate) fn sealed(header: RecordHeader) -> Record {
    try_seal(header, 1).unwrap()
}

pub(crate) fn try_seal(header: RecordHeader, wraps: usize) -> Result<Record, SealError> {
    let content_key = ContentKey::generate(&mut Counter(1))?;
    let wrap = content_key.wrap(&header, ARN, &data_key(), vec![1; 64], &mut Counter(2))?;
    Record::seal(header, vec![wrap; wraps], &SECRET, content_key, &mut Counter(3))
}

/// Obviously fake.
pub(crate) const SECRET: [u8; 32] = [0x42; 32];
pub(crate) const ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
