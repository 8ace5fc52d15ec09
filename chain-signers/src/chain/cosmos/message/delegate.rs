//! `cosmos.staking.v1beta1.MsgDelegate`.

use super::super::{
    address::Address,
    amino::{self, Fields},
    coin,
    proto::MsgDelegate,
};
use crate::{Action, DecodeError};

impl MsgDelegate {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        let delegator = Address::parse("delegator_address", &self.delegator_address)?;
        Address::parse_beside("validator_address", &self.validator_address, &delegator, "valoper")?;
        coin::required("amount", self.amount.as_ref()).map(drop)
    }

    pub(super) fn from_amino(value: &str) -> Result<Self, DecodeError> {
        let fields = Fields::read("msgs.value", value, &["amount", "delegator_address", "validator_address"])?;
        Ok(Self {
            delegator_address: fields.text("delegator_address")?,
            validator_address: fields.text("validator_address")?,
            amount: Some(fields.coin("amount")?),
        })
    }

    pub(super) fn to_amino(&self) -> String {
        format!(
            r#"{{"amount":{},"delegator_address":{},"validator_address":{}}}"#,
            amino::coin(self.amount.as_ref()),
            amino::quote(&self.delegator_address),
            amino::quote(&self.validator_address)
        )
    }

    pub(super) fn describe(&self, actions: &mut Vec<Action>) -> Result<String, DecodeError> {
        let (coin, amount) = coin::required("amount", self.amount.as_ref())?;
        let validator = self.validator_address.clone();
        actions.push(Action::Stake { validator, token: Some(coin.denom.clone()), amount });
        Ok(format!("delegate {amount} {} to {}", coin.denom, self.validator_address))
    }
}

pub(super) const TYPE_URL: &str = "/cosmos.staking.v1beta1.MsgDelegate";
pub(super) const AMINO_NAME: &str = "cosmos-sdk/MsgDelegate";
