//! The one contract of a transaction: what the others call an instruction or a message.

use prost::Message;

use super::{
    address::Address,
    proto::{self, OwnerFirst, OwnerSecond, TransferAssetContract, TransferContract, TriggerSmartContract},
};
use crate::{
    Amount, DecodeError,
    protobuf::{Any, decode_exact},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contract {
    Other { owner: Address, name: &'static str, data_len: usize },
    Transfer { owner: Address, to: Address, amount: Amount },
    TransferAsset { owner: Address, to: Address, token: String, amount: Amount },
    Trigger { owner: Address, contract: Address, value: Amount, token: Option<(String, Amount)>, data: Vec<u8> },
}

impl Contract {
    pub(super) fn decode(contract: proto::Contract) -> Result<Self, DecodeError> {
        if contract.permission_id != 0 {
            let expected = "0: the owner's own permission";
            return Err(DecodeError::invalid("contract.Permission_id", expected, contract.permission_id));
        }
        let name = name(contract.r#type)?;
        let Any { type_url, value } =
            contract.parameter.ok_or(DecodeError::Missing { field: "contract.parameter".into() })?;
        let expected = format!("{TYPE_URL_PREFIX}{name}");
        if type_url != expected {
            return Err(DecodeError::invalid("contract.parameter.type_url", expected, type_url));
        }
        match name {
            "TransferContract" => Self::transfer(&value),
            "TransferAssetContract" => Self::transfer_asset(&value),
            "TriggerSmartContract" => Self::trigger(&value),
            name => Ok(Self::Other { owner: owner(name, &value)?, name, data_len: value.len() }),
        }
    }

    fn transfer(bytes: &[u8]) -> Result<Self, DecodeError> {
        let TransferContract { owner_address, to_address, amount } = decode_exact(bytes, "a TransferContract")?;
        Ok(Self::Transfer {
            owner: Address::from_bytes("owner_address", &owner_address)?,
            to: Address::from_bytes("to_address", &to_address)?,
            amount: positive("amount", amount)?,
        })
    }

    fn transfer_asset(bytes: &[u8]) -> Result<Self, DecodeError> {
        let TransferAssetContract { asset_name, owner_address, to_address, amount } =
            decode_exact(bytes, "a TransferAssetContract")?;
        let token = std::str::from_utf8(&asset_name).ok().filter(|text| is_token_number(text));
        let token = token.ok_or_else(|| {
            let actual = format!("0x{}", hex::encode(&asset_name));
            DecodeError::invalid("asset_name", "the number of a token, in decimal digits", actual)
        })?;
        Ok(Self::TransferAsset {
            owner: Address::from_bytes("owner_address", &owner_address)?,
            to: Address::from_bytes("to_address", &to_address)?,
            token: token.to_owned(),
            amount: positive("amount", amount)?,
        })
    }

    fn trigger(bytes: &[u8]) -> Result<Self, DecodeError> {
        let TriggerSmartContract { owner_address, contract_address, call_value, data, call_token_value, token_id } =
            decode_exact(bytes, "a TriggerSmartContract")?;
        let token = match (token_id, call_token_value) {
            (0, 0) => None,
            (id, value) => Some((positive("token_id", id)?.to_string(), positive("call_token_value", value)?)),
        };
        Ok(Self::Trigger {
            owner: Address::from_bytes("owner_address", &owner_address)?,
            contract: Address::from_bytes("contract_address", &contract_address)?,
            value: natural("call_value", call_value)?,
            token,
            data,
        })
    }

    /// Whose account it acts for.
    pub(super) fn owner(&self) -> Address {
        match self {
            Self::Other { owner, .. }
            | Self::Transfer { owner, .. }
            | Self::TransferAsset { owner, .. }
            | Self::Trigger { owner, .. } => *owner,
        }
    }
}

/// The owner in a contract that is not decoded further.
fn owner(name: &'static str, bytes: &[u8]) -> Result<Address, DecodeError> {
    let owner = match name {
        "AccountUpdateContract" | "SetAccountIdContract" => OwnerSecond::decode(bytes).map(|it| it.owner_address),
        _ => OwnerFirst::decode(bytes).map(|it| it.owner_address),
    };
    Address::from_bytes("owner_address", &owner.map_err(|error| DecodeError::malformed(name, error))?)
}

pub(super) fn natural(field: &'static str, number: i64) -> Result<Amount, DecodeError> {
    let number = u64::try_from(number).map_err(|_| DecodeError::invalid(field, "no negative number", number))?;
    Ok(Amount::from(number))
}

fn positive(field: &'static str, number: i64) -> Result<Amount, DecodeError> {
    if number == 0 {
        return Err(DecodeError::invalid(field, "more than nothing", number));
    }
    natural(field, number)
}

/// Digits only: a token's name would be a second spelling.
fn is_token_number(text: &str) -> bool {
    text.parse().is_ok_and(|number: u64| number != 0 && number.to_string() == text)
}

/// The name of a contract's type, which is also that of its message.
fn name(number: i32) -> Result<&'static str, DecodeError> {
    let name = NAMES.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
    name.ok_or_else(|| DecodeError::UnsupportedType { found: format!("a contract of type {number}").into() })
}

const TYPE_URL_PREFIX: &str = "type.googleapis.com/protocol.";
/// `protocol.Transaction.Contract.ContractType`, without those that have no owner or are not executed.
const NAMES: [(i32, &str); 35] = [
    (0, "AccountCreateContract"),
    (1, "TransferContract"),
    (2, "TransferAssetContract"),
    (4, "VoteWitnessContract"),
    (5, "WitnessCreateContract"),
    (6, "AssetIssueContract"),
    (8, "WitnessUpdateContract"),
    (9, "ParticipateAssetIssueContract"),
    (10, "AccountUpdateContract"),
    (11, "FreezeBalanceContract"),
    (12, "UnfreezeBalanceContract"),
    (13, "WithdrawBalanceContract"),
    (14, "UnfreezeAssetContract"),
    (15, "UpdateAssetContract"),
    (16, "ProposalCreateContract"),
    (17, "ProposalApproveContract"),
    (18, "ProposalDeleteContract"),
    (19, "SetAccountIdContract"),
    (30, "CreateSmartContract"),
    (31, "TriggerSmartContract"),
    (33, "UpdateSettingContract"),
    (41, "ExchangeCreateContract"),
    (42, "ExchangeInjectContract"),
    (43, "ExchangeWithdrawContract"),
    (44, "ExchangeTransactionContract"),
    (45, "UpdateEnergyLimitContract"),
    (46, "AccountPermissionUpdateContract"),
    (48, "ClearABIContract"),
    (49, "UpdateBrokerageContract"),
    (54, "FreezeBalanceV2Contract"),
    (55, "UnfreezeBalanceV2Contract"),
    (56, "WithdrawExpireUnfreezeContract"),
    (57, "DelegateResourceContract"),
    (58, "UnDelegateResourceContract"),
    (59, "CancelAllUnfreezeV2Contract"),
];
