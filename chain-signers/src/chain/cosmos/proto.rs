//! The messages of the Cosmos SDK and of ibc-go that are read here. A field that is not among these is unknown.

use prost::Message;

use crate::protobuf::Any;

/// `cosmos.tx.v1beta1.SignDoc`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct SignDoc {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) body_bytes: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) auth_info_bytes: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(super) chain_id: String,
    #[prost(uint64, tag = "4")]
    pub(super) account_number: u64,
}

/// `cosmos.tx.v1beta1.TxRaw`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct TxRaw {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) body_bytes: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) auth_info_bytes: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub(super) signatures: Vec<Vec<u8>>,
}

/// `cosmos.tx.v1beta1.TxBody`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct TxBody {
    #[prost(message, repeated, tag = "1")]
    pub(super) messages: Vec<Any>,
    #[prost(string, tag = "2")]
    pub(super) memo: String,
    #[prost(uint64, tag = "3")]
    pub(super) timeout_height: u64,
    #[prost(message, repeated, tag = "1023")]
    pub(super) extension_options: Vec<Any>,
    #[prost(message, repeated, tag = "2047")]
    pub(super) non_critical_extension_options: Vec<Any>,
}

/// `cosmos.tx.v1beta1.AuthInfo`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct AuthInfo {
    #[prost(message, repeated, tag = "1")]
    pub(super) signer_infos: Vec<SignerInfo>,
    #[prost(message, optional, tag = "2")]
    pub(super) fee: Option<Fee>,
}

/// `cosmos.tx.v1beta1.SignerInfo`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct SignerInfo {
    #[prost(message, optional, tag = "1")]
    pub(super) public_key: Option<Any>,
    #[prost(message, optional, tag = "2")]
    pub(super) mode_info: Option<ModeInfo>,
    #[prost(uint64, tag = "3")]
    pub(super) sequence: u64,
}

/// `cosmos.tx.v1beta1.ModeInfo`, of which the other choice, `multi`, is unknown here.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ModeInfo {
    #[prost(message, optional, tag = "1")]
    pub(super) single: Option<SingleModeInfo>,
}

/// `cosmos.tx.v1beta1.ModeInfo.Single`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct SingleModeInfo {
    #[prost(int32, tag = "1")]
    pub(super) mode: i32,
}

/// `cosmos.tx.v1beta1.Fee`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Fee {
    #[prost(message, repeated, tag = "1")]
    pub(super) amount: Vec<Coin>,
    #[prost(uint64, tag = "2")]
    pub(super) gas_limit: u64,
    #[prost(string, tag = "3")]
    pub(super) payer: String,
    #[prost(string, tag = "4")]
    pub(super) granter: String,
}

/// `cosmos.base.v1beta1.Coin`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Coin {
    #[prost(string, tag = "1")]
    pub(super) denom: String,
    #[prost(string, tag = "2")]
    pub(super) amount: String,
}

/// `cosmos.crypto.secp256k1.PubKey`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct PubKey {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
}

/// `cosmos.bank.v1beta1.MsgSend`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct MsgSend {
    #[prost(string, tag = "1")]
    pub(super) from_address: String,
    #[prost(string, tag = "2")]
    pub(super) to_address: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) amount: Vec<Coin>,
}

/// `cosmos.staking.v1beta1.MsgDelegate`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct MsgDelegate {
    #[prost(string, tag = "1")]
    pub(super) delegator_address: String,
    #[prost(string, tag = "2")]
    pub(super) validator_address: String,
    #[prost(message, optional, tag = "3")]
    pub(super) amount: Option<Coin>,
}

/// `ibc.applications.transfer.v1.MsgTransfer`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct MsgTransfer {
    #[prost(string, tag = "1")]
    pub(super) source_port: String,
    #[prost(string, tag = "2")]
    pub(super) source_channel: String,
    #[prost(message, optional, tag = "3")]
    pub(super) token: Option<Coin>,
    #[prost(string, tag = "4")]
    pub(super) sender: String,
    #[prost(string, tag = "5")]
    pub(super) receiver: String,
    #[prost(message, optional, tag = "6")]
    pub(super) timeout_height: Option<Height>,
    #[prost(uint64, tag = "7")]
    pub(super) timeout_timestamp: u64,
    #[prost(string, tag = "8")]
    pub(super) memo: String,
}

/// `ibc.core.client.v1.Height`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Height {
    #[prost(uint64, tag = "1")]
    pub(super) revision_number: u64,
    #[prost(uint64, tag = "2")]
    pub(super) revision_height: u64,
}
