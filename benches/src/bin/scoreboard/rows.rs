//! The rows, one file a subject.

mod attestation;
mod hostile;
mod kms;
mod rpc;
mod signing;

use crate::row::Row;

/// All of them, in the order of the table.
pub(crate) fn all() -> Vec<Row> {
    let subjects = [attestation::rows(), kms::rows(), rpc::rows(), signing::rows(), hostile::rows()];
    subjects.into_iter().flatten().collect()
}
