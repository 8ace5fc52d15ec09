//! The simulator's envelopes against those of the real KMS, from the folder that `NITRO_VECTORS` names.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "support/vectors.rs"]
mod vectors;

use kms_enclave_client::RecipientKeyPair;
use kms_enclave_client::cms::EnvelopedData;
use vectors::{blob, is_sha1, vectors};

/// The part of a real blob that does not depend on keys or content, against the simulator's.
#[test]
fn the_simulator_envelops_byte_for_byte_like_the_real_kms() {
    let Some(vectors) = vectors(the_simulator_envelops_byte_for_byte_like_the_real_kms) else { return };
    let recipient = RecipientKeyPair::generate().unwrap();
    for (name, vector) in vectors.iter().filter(|(name, _)| !is_sha1(name) && !name.contains("primitive")) {
        let real = blob(vector);
        let data = EnvelopedData::from_bytes(&real).unwrap();
        // Any plaintext that pads to the same number of blocks.
        let plaintext = vec![0; data.encrypted_content().len() - 1];
        let ours = kms_enclave_client::sim::envelop(&plaintext, recipient.public_key_der()).unwrap();
        let mask = |bytes: &[u8]| {
            let data = EnvelopedData::from_bytes(bytes).unwrap();
            let mut masked = bytes.to_vec();
            let variable =
                [data.subject_key_identifier().unwrap(), data.encrypted_key(), data.iv(), data.encrypted_content()];
            for part in variable {
                let start = masked.windows(part.len()).position(|window| window == part).unwrap();
                masked[start..start + part.len()].fill(0xee);
            }
            masked
        };
        assert_eq!(hex::encode(mask(&real)), hex::encode(mask(&ours)), "{name}");
        if data.encrypted_content().len() == 48 {
            assert_eq!(ours.len(), 493, "{name}");
        }
    }
}
