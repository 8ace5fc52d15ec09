//! What the targets share: second opinions on documents and envelopes, inputs made from templates.

pub mod ber;
mod cms;
mod neighbour;
mod policy;
mod reading;
mod reply;
pub mod rpc;
mod template;

pub use self::cms::{CmsReading, read_cms, write_cms};
pub use self::neighbour::{flip_a_bit, hash, restructure};
pub use self::policy::{Facts, Verdict, Words, policy_from, verdict};
pub use self::reading::{Reading, read, read_user_data};
pub use self::reply::{Members, base64, expand};
pub use self::template::{Names, Style, edit, substitute};

/// An untagged COSE_Sign1 with ES384 and a signature of zeros.
#[must_use]
pub fn enveloped(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0];
    // The wrapper's lengths have one spelling, the shortest.
    let len = u16::try_from(payload.len()).expect("a payload of at most 64 KiB");
    match len.to_be_bytes() {
        [0, len @ ..24] => bytes.push(0x40 + len),
        [0, len] => bytes.extend([0x58, len]),
        [high, low] => bytes.extend([0x59, high, low]),
    }
    bytes.extend(payload);
    bytes.extend([0x58, 96]);
    bytes.extend([0; 96]);
    bytes
}
