//! What a signer commits to, whichever of the two ways it was written in.

use prost::Message as _;

use super::{
    MAX_MEMO_LEN,
    address::{ACCOUNT_LEN, Address},
    chain_id, coin,
    message::Message,
    proto::{AuthInfo, Fee, ModeInfo, PubKey, SignerInfo, SingleModeInfo, TxBody},
    too_long,
};
use crate::{ChainId, DecodeError, VerifyingKey, protobuf::Any};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// As the chain calls itself.
    pub(super) chain_id: String,
    pub(super) account_number: u64,
    pub(super) sequence: u64,
    pub(super) fee: Fee,
    pub(super) memo: String,
    pub(super) messages: Vec<Message>,
    /// Zero if there is none.
    pub(super) timeout_height: u64,
}

impl Document {
    /// Checks what no message can check for itself, and says for which chain it is and who must sign, if a message says so.
    pub(super) fn check(&self) -> Result<(ChainId, Option<Sender>), DecodeError> {
        match self.messages.len() {
            0 => return Err(DecodeError::Missing { field: "messages".into() }),
            1..=MAX_MESSAGES => {}
            len => return Err(too_long("the transaction", "messages", len, MAX_MESSAGES)),
        }
        if self.memo.len() > MAX_MEMO_LEN {
            return Err(too_long("the memo", "bytes", self.memo.len(), MAX_MEMO_LEN));
        }
        coin::check_sorted("fee", &self.fee.amount)?;
        self.fee.amount.iter().try_for_each(|coin| coin.check("fee").map(drop))?;
        Ok((chain_id::from_native(&self.chain_id)?, self.sender()?))
    }

    fn sender(&self) -> Result<Option<Sender>, DecodeError> {
        let mut senders = self.messages.iter().filter_map(Message::sender);
        let Some(text) = senders.next() else { return Ok(None) };
        if let Some(other) = senders.find(|other| *other != text) {
            return Err(DecodeError::invalid("the sender of a message", format!("{text}, as before"), other));
        }
        let Address { prefix, bytes } = Address::parse("the sender of a message", text)?;
        let expected = "an account of 20 bytes, which a key can have";
        let account = bytes.try_into().map_err(|_| DecodeError::invalid("the sender of a message", expected, text))?;
        Ok(Some(Sender { text: text.to_owned(), prefix, account }))
    }

    /// Checks that nobody but the signer pays the fee: `payer` and `granter` are empty or an address of the account.
    pub(super) fn check_payer(&self, signer: &[u8; ACCOUNT_LEN]) -> Result<(), DecodeError> {
        for (field, text) in [("fee.payer", &self.fee.payer), ("fee.granter", &self.fee.granter)] {
            if !text.is_empty() && Address::parse(field, text)?.bytes != signer {
                return Err(DecodeError::invalid(field, "nothing, or the signer", text));
            }
        }
        Ok(())
    }

    pub(super) fn to_body(&self) -> Vec<u8> {
        TxBody {
            messages: self.messages.iter().map(Message::to_any).collect(),
            memo: self.memo.clone(),
            timeout_height: self.timeout_height,
            extension_options: Vec::new(),
            non_critical_extension_options: Vec::new(),
        }
        .encode_to_vec()
    }

    pub(super) fn to_auth_info(&self, key: &VerifyingKey, mode: i32) -> Vec<u8> {
        let public_key =
            Any { type_url: PUBLIC_KEY_TYPE.to_owned(), value: PubKey { key: key.to_bytes() }.encode_to_vec() };
        let signer_info = SignerInfo {
            public_key: Some(public_key),
            mode_info: Some(ModeInfo { single: Some(SingleModeInfo { mode }) }),
            sequence: self.sequence,
        };
        AuthInfo { signer_infos: vec![signer_info], fee: Some(self.fee.clone()) }.encode_to_vec()
    }
}

/// Who sends the messages that are understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) text: String,
    pub(super) prefix: String,
    pub(super) account: [u8; ACCOUNT_LEN],
}

pub(super) const PUBLIC_KEY_TYPE: &str = "/cosmos.crypto.secp256k1.PubKey";
pub(super) const MAX_MESSAGES: usize = 64;
