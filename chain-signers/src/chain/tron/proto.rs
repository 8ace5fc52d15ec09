//! The messages of java-tron that are read here. A field that is not among these is unknown.

use prost::Message;

use crate::protobuf::Any;

/// `protocol.Transaction`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Transaction {
    #[prost(message, optional, tag = "1")]
    pub(super) raw_data: Option<Raw>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(super) signature: Vec<Vec<u8>>,
}

/// `protocol.Transaction.raw`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Raw {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) ref_block_bytes: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) ref_block_hash: Vec<u8>,
    #[prost(int64, tag = "8")]
    pub(super) expiration: i64,
    /// What people call the memo.
    #[prost(bytes = "vec", tag = "10")]
    pub(super) data: Vec<u8>,
    #[prost(message, repeated, tag = "11")]
    pub(super) contract: Vec<Contract>,
    #[prost(int64, tag = "14")]
    pub(super) timestamp: i64,
    #[prost(int64, tag = "18")]
    pub(super) fee_limit: i64,
}

/// `protocol.Transaction.Contract`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Contract {
    #[prost(int32, tag = "1")]
    pub(super) r#type: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) parameter: Option<Any>,
    #[prost(int32, tag = "5")]
    pub(super) permission_id: i32,
}

/// `protocol.TransferContract`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct TransferContract {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) owner_address: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) to_address: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub(super) amount: i64,
}

/// `protocol.TransferAssetContract`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct TransferAssetContract {
    /// The number of the token, in decimal digits.
    #[prost(bytes = "vec", tag = "1")]
    pub(super) asset_name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) owner_address: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) to_address: Vec<u8>,
    #[prost(int64, tag = "4")]
    pub(super) amount: i64,
}

/// `protocol.TriggerSmartContract`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct TriggerSmartContract {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) owner_address: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) contract_address: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub(super) call_value: i64,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) data: Vec<u8>,
    #[prost(int64, tag = "5")]
    pub(super) call_token_value: i64,
    #[prost(int64, tag = "6")]
    pub(super) token_id: i64,
}

/// Of the contracts that are not decoded further, the owner, where it is the first field.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct OwnerFirst {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) owner_address: Vec<u8>,
}

/// The same, where it is the second field.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct OwnerSecond {
    #[prost(bytes = "vec", tag = "2")]
    pub(super) owner_address: Vec<u8>,
}
