//! The rows, one file a subject.

mod attestation;
mod kms;
mod rpc;

use crate::row::Row;

/// All of them, in the order of the table.
pub(crate) fn all() -> Vec<Row> {
    attestation::rows().into_iter().chain(kms::rows()).chain(rpc::rows()).collect()
}
