//! Bugs that the fuzz targets must find, so that they are known to reach what they test.
//!
//! Every constant here is false in every build but the fuzzer's own: that takes `--cfg fuzzing` and, beside it,
//! `--cfg planted_bug="…"`, neither of which is a feature that a dependent could enable, and debug assertions, which no
//! enclave's image has. `.ci/invariants` holds the name of the flag to such files, and them to this form.

/// The last request that a GoAway names counts as disowned.
pub(crate) const DISOWNS_LAST: bool = cfg!(all(fuzzing, debug_assertions, planted_bug = "disowns_last"));
/// A request with the id of the last one is accepted.
pub(crate) const DUPLICATE_ID: bool = cfg!(all(fuzzing, debug_assertions, planted_bug = "duplicate_id"));
/// A payload may be one byte longer than its limit.
pub(crate) const LENGTH_OFF_BY_ONE: bool = cfg!(all(fuzzing, debug_assertions, planted_bug = "length_off_by_one"));
/// One more request of a connection may be in flight than its bound.
pub(crate) const ONE_TOO_MANY: bool = cfg!(all(fuzzing, debug_assertions, planted_bug = "one_too_many"));
/// A reply goes to the call whose id has the same last two bits and no others.
pub(crate) const SHORT_ID: bool = cfg!(all(fuzzing, debug_assertions, planted_bug = "short_id"));

#[cfg(all(
    not(all(fuzzing, debug_assertions)),
    any(
        planted_bug = "disowns_last",
        planted_bug = "duplicate_id",
        planted_bug = "length_off_by_one",
        planted_bug = "one_too_many",
        planted_bug = "short_id",
    )
))]
compile_error!("planted bugs are for the fuzzer alone");
