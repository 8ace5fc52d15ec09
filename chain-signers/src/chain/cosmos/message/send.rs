//! `cosmos.bank.v1beta1.MsgSend`.

use super::super::{
    address::Address,
    amino::{self, Fields},
    coin,
    proto::MsgSend,
};
use crate::{Action, DecodeError};

impl MsgSend {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        let from = Address::parse("from_address", &self.from_address)?;
        Address::parse_beside("to_address", &self.to_address, &from, "")?;
        if self.amount.is_empty() {
            return Err(DecodeError::Missing { field: "amount".into() });
        }
        coin::check_sorted("amount", &self.amount)?;
        self.amount.iter().try_for_each(|coin| coin.check_positive("amount").map(drop))
    }

    pub(super) fn from_amino(value: &str) -> Result<Self, DecodeError> {
        let fields = Fields::read("msgs.value", value, &["amount", "from_address", "to_address"])?;
        Ok(Self {
            from_address: fields.text("from_address")?,
            to_address: fields.text("to_address")?,
            amount: fields.coins("amount")?,
        })
    }

    pub(super) fn to_amino(&self) -> String {
        let (from, to) = (amino::quote(&self.from_address), amino::quote(&self.to_address));
        format!(r#"{{"amount":{},"from_address":{from},"to_address":{to}}}"#, amino::coins(&self.amount))
    }

    pub(super) fn describe(&self, actions: &mut Vec<Action>) -> Result<String, DecodeError> {
        for coin in &self.amount {
            let amount = coin.check("amount")?;
            let (token, to) = (coin.denom.clone(), self.to_address.clone());
            actions.push(Action::TokenTransfer { token, to, amount, selector: None });
        }
        Ok(format!("send {} to {}", coin::text(&self.amount), self.to_address))
    }
}

pub(super) const TYPE_URL: &str = "/cosmos.bank.v1beta1.MsgSend";
pub(super) const AMINO_NAME: &str = "cosmos-sdk/MsgSend";
