//! Bugs that the fuzz target must find, so that it is known to reach what it tests.
//!
//! Every constant here is false in every build but the fuzzer's own: that takes `--cfg fuzzing` and, beside it,
//! `--cfg planted_bug="…"`, neither of which is a feature that a dependent could enable, and debug assertions, which no
//! release has. `.ci/invariants` holds the name of the flag to such files, and them to this form.

/// Only the low half of the CRC is compared.
pub(crate) const HALF_CRC: bool = cfg!(all(fuzzing, debug_assertions, planted_bug = "checksum_half_compared"));
/// Where a section begins is not held against where the one before it ends.
pub(crate) const OFFSET_NOT_COMPARED: bool = cfg!(all(fuzzing, debug_assertions, planted_bug = "offset_not_compared"));
/// What the header says of sections that it does not count is not looked at.
pub(crate) const UNUSED_ENTRY: bool = cfg!(all(fuzzing, debug_assertions, planted_bug = "unused_entry_accepted"));

#[cfg(all(
    not(all(fuzzing, debug_assertions)),
    any(
        planted_bug = "checksum_half_compared",
        planted_bug = "offset_not_compared",
        planted_bug = "unused_entry_accepted",
    )
))]
compile_error!("planted bugs are for the fuzzer alone");
