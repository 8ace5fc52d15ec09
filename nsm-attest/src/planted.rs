//! Bugs that the fuzz targets must find, so that they are known to reach what they test.
//!
//! Every constant here is false in every build but the fuzzer's own: that takes `--cfg fuzzing` and, beside it,
//! `--cfg planted_bug="…"`, neither of which is a feature that a dependent could enable, and the feature `sim`, which no
//! enclave's image has. `.ci/invariants` holds the name of the flag to such files, and them to this form.

#[cfg(feature = "verify")]
use crate::time::UnixTime;

/// A field that appears twice is accepted; the last one counts.
pub(crate) const DUPLICATE_FIELD: bool = cfg!(all(fuzzing, feature = "sim", planted_bug = "duplicate_field"));
/// A field may be one byte longer than its limit.
pub(crate) const FIELD_LENGTH: bool = cfg!(all(fuzzing, feature = "sim", planted_bug = "field_length"));
/// The last digit of a hexadecimal value is ignored if there is an odd number of them.
pub(crate) const ODD_HEX: bool = cfg!(all(fuzzing, feature = "sim", planted_bug = "odd_hex"));
/// Registers of 48 bytes that differ in the last one alone are equal.
pub(crate) const PCR_LAST_BYTE: bool = cfg!(all(fuzzing, feature = "sim", planted_bug = "pcr_last_byte"));
/// Timestamps are compared in 32 bits.
#[cfg(feature = "verify")]
pub(crate) const TIMESTAMP_WRAPS: bool = cfg!(all(fuzzing, feature = "sim", planted_bug = "timestamp_wraps"));

/// What [`TIMESTAMP_WRAPS`] makes of `time`: its low 32 bits under the high ones of `now`.
#[cfg(feature = "verify")]
pub(crate) const fn wrap(time: UnixTime, now: UnixTime) -> UnixTime {
    let low = 0xffff_ffff;
    UnixTime::from_millis(now.as_millis() & !low | time.as_millis() & low)
}

#[cfg(all(
    not(all(fuzzing, feature = "sim")),
    any(
        planted_bug = "duplicate_field",
        planted_bug = "field_length",
        planted_bug = "odd_hex",
        planted_bug = "pcr_last_byte",
        planted_bug = "timestamp_wraps",
    )
))]
compile_error!("planted bugs are for the fuzzer alone");
