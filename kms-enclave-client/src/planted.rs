//! Bugs that the fuzz targets must find, so that they are known to reach what they test.
//!
//! Every constant here is false in every build but the fuzzer's own: that takes `--cfg fuzzing` and, beside it,
//! `--cfg planted_bug="…"`, neither of which is a feature that a dependent could enable, and the feature `sim`, which no
//! enclave's image has. `.ci/invariants` holds the name of the flag to such files, and them to this form.

/// A negated operator is not fulfilled by an absent condition key.
#[cfg(feature = "sim")]
pub(crate) const ABSENT_KEY: bool = cfg!(all(fuzzing, feature = "sim", planted_bug = "absent_key"));
/// The parameters of RSAES-OAEP may name another hash for the mask generator than SHA-256.
pub(crate) const MASK_HASH: bool = cfg!(all(fuzzing, feature = "sim", planted_bug = "mask_hash"));
/// A reply may carry the secret outside the envelope, too.
pub(crate) const PLAINTEXT_IN_REPLY: bool = cfg!(all(fuzzing, feature = "sim", planted_bug = "plaintext_in_reply"));
/// An envelope for another recipient opens, if its key does.
pub(crate) const RID_NOT_COMPARED: bool = cfg!(all(fuzzing, feature = "sim", planted_bug = "rid_not_compared"));
/// Something may follow the envelope.
pub(crate) const TRAILING_BYTES: bool = cfg!(all(fuzzing, feature = "sim", planted_bug = "trailing_bytes"));
/// A last byte of zero is padding of no bytes.
pub(crate) const ZERO_PADDING: bool = cfg!(all(fuzzing, feature = "sim", planted_bug = "zero_padding"));

#[cfg(all(
    not(all(fuzzing, feature = "sim")),
    any(
        planted_bug = "absent_key",
        planted_bug = "mask_hash",
        planted_bug = "plaintext_in_reply",
        planted_bug = "rid_not_compared",
        planted_bug = "trailing_bytes",
        planted_bug = "zero_padding",
    )
))]
compile_error!("planted bugs are for the fuzzer alone");
