//! The rows, one file a subject.

mod attestation;

use crate::row::Row;

/// All of them, in the order of the table.
pub(crate) fn all() -> Vec<Row> {
    attestation::rows()
}
