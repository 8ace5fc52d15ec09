//! From [`EnvelopedData`] to plaintext, with one way to fail.

use std::ops::RangeInclusive;

use aws_lc_rs::cipher::{AES_256, AES_256_KEY_LEN, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater};
use zeroize::Zeroizing;

use super::{DecryptError, EnvelopedData, IV_LEN};
use crate::plaintext::Plaintext;
use crate::planted;
use crate::recipient::RecipientKeyPair;

/// Every check is made, whatever the earlier ones said, and the verdict falls once, at the end.
///
/// A content key that does not unwrap is replaced by a random one, so that the AES and the padding check still run: a
/// blob with a bad key cannot be told by the clock from one with bad padding.
pub(super) fn open(
    data: &EnvelopedData,
    recipient: &RecipientKeyPair,
    expected_len: &RangeInclusive<usize>,
) -> Result<Plaintext, DecryptError> {
    let is_addressed = is_addressed_to(data, recipient);
    let (content_key, is_unwrapped) = content_key(data, recipient);
    let mut buffer = Zeroizing::new(data.encrypted_content.clone());
    let is_decrypted = decrypt_cbc(&content_key, data.iv, &mut buffer);
    let (padding_len, is_padded) = padding(&buffer);
    let len = buffer.len().saturating_sub(padding_len.into());
    let is_expected = Choice::from(u8::from(expected_len.contains(&len)));
    if bool::from(is_addressed & is_unwrapped & is_decrypted & is_padded & is_expected) {
        buffer.truncate(len);
        Ok(Plaintext::from(std::mem::take(&mut *buffer)))
    } else {
        Err(DecryptError)
    }
}

/// A recipient named by issuer and serial number (KMS does not, its emulators do) cannot be compared: then only the key
/// itself decides.
fn is_addressed_to(data: &EnvelopedData, recipient: &RecipientKeyPair) -> Choice {
    match &data.subject_key_identifier {
        Some(identifier) if !planted::RID_NOT_COMPARED => identifier.as_slice().ct_eq(recipient.identifier()),
        _ => Choice::from(1),
    }
}

fn content_key(data: &EnvelopedData, recipient: &RecipientKeyPair) -> (Zeroizing<[u8; AES_256_KEY_LEN]>, Choice) {
    let mut key = Zeroizing::new([0; AES_256_KEY_LEN]);
    // Without random numbers the decoy is all zeros: the verdict is the same, and a decoy needs no secrecy to be useless.
    let _decoy_is_random = aws_lc_rs::rand::fill(&mut *key).is_ok();
    let is_unwrapped = match recipient.unwrap_key(&data.encrypted_key) {
        Some(unwrapped) if unwrapped.len() == AES_256_KEY_LEN => {
            key.copy_from_slice(&unwrapped);
            1
        }
        _ => 0,
    };
    (key, Choice::from(is_unwrapped))
}

fn decrypt_cbc(key: &[u8; AES_256_KEY_LEN], iv: [u8; IV_LEN], buffer: &mut [u8]) -> Choice {
    let decrypted = UnboundCipherKey::new(&AES_256, key)
        .and_then(DecryptingKey::cbc)
        .and_then(|key| key.decrypt(buffer, DecryptionContext::Iv128(FixedLength::from(iv))).map(drop));
    Choice::from(u8::from(decrypted.is_ok()))
}

/// The length of the PKCS #7 padding and whether it is right, in time that depends on neither.
fn padding(buffer: &[u8]) -> (u8, Choice) {
    let Some((_, last_block)) = buffer.split_last_chunk::<BLOCK_LEN>() else { return (0, Choice::from(0)) };
    let padding_len = last_block[BLOCK_LEN - 1];
    let is_some = padding_len.ct_gt(&0) | Choice::from(u8::from(planted::ZERO_PADDING));
    let mut is_right = is_some & !padding_len.ct_gt(&BLOCK_LEN_BYTE);
    for (from_end, byte) in (0..BLOCK_LEN_BYTE).zip(last_block.iter().rev()) {
        let is_padding = padding_len.ct_gt(&from_end);
        is_right &= u8::conditional_select(&padding_len, byte, is_padding).ct_eq(&padding_len);
    }
    (padding_len, is_right)
}

const BLOCK_LEN_BYTE: u8 = 16;
const BLOCK_LEN: usize = BLOCK_LEN_BYTE as usize;

#[cfg(test)]
mod tests {
    use super::*;

    fn padded(len: usize, padding: &[u8]) -> Vec<u8> {
        let mut block = vec![b'x'; len - padding.len()];
        block.extend(padding);
        block
    }

    #[test]
    fn accepts_each_padding_and_no_other() {
        for len in 1..=16_u8 {
            let right = padded(32, &vec![len; len.into()]);
            let (found, is_right) = padding(&right);
            assert_eq!((found, bool::from(is_right)), (len, true));
            for position in 1..usize::from(len) {
                let mut wrong = right.clone();
                wrong[32 - 1 - position] ^= 0x80;
                assert!(!bool::from(padding(&wrong).1), "{len} {position}");
            }
        }
        for last in [0, 17, 32, 255] {
            assert!(!bool::from(padding(&padded(32, &[last; 16])).1), "{last}");
        }
        assert!(!bool::from(padding(&[]).1));
        assert!(!bool::from(padding(&[1; 15]).1));
    }
}
