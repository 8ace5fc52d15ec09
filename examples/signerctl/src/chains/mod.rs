//! `tx`, `policy check` and `keys address`: what chains and policies say, without a parent and without an enclave.

mod address;
pub(crate) mod arguments;
mod key_file;
mod payload;
mod policy;
mod tx;

pub(crate) use address::address;
pub(crate) use policy::execute as execute_policy;
pub(crate) use tx::execute as execute_tx;
