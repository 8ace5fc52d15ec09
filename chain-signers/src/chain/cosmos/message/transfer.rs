//! `ibc.applications.transfer.v1.MsgTransfer` (ICS-20).

use super::super::{
    MAX_MEMO_LEN,
    address::{Address, is_respelled},
    amino::{self, Fields},
    coin,
    proto::{Height, MsgTransfer},
    too_long,
};
use crate::{Action, DecodeError};

impl MsgTransfer {
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        Address::parse("sender", &self.sender)?;
        coin::required("token", self.token.as_ref())?;
        check_identifier("source_port", &self.source_port, 2..=128)?;
        check_identifier("source_channel", &self.source_channel, 8..=64)?;
        if self.memo.len() > MAX_MEMO_LEN {
            return Err(too_long("the memo of a transfer", "bytes", self.memo.len(), MAX_MEMO_LEN));
        }
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-._".contains(&c);
        if !(1..=MAX_RECEIVER_LEN).contains(&self.receiver.len()) || !self.receiver.bytes().all(is_plain) {
            let expected = "an address of at most 256 letters, digits and -._";
            return Err(DecodeError::invalid("receiver", expected, &self.receiver));
        }
        if is_respelled(&self.receiver) {
            return Err(DecodeError::invalid("receiver", "Bech32 in lower case, its one spelling", &self.receiver));
        }
        Ok(())
    }

    pub(super) fn from_amino(value: &str) -> Result<Self, DecodeError> {
        let fields = Fields::read("msgs.value", value, &KEYS)?;
        let height = fields.object("timeout_height", &["revision_height", "revision_number"])?;
        let revision_number = height.optional_u64("revision_number")?;
        let revision_height = height.optional_u64("revision_height")?;
        Ok(Self {
            source_port: fields.text("source_port")?,
            source_channel: fields.text("source_channel")?,
            token: Some(fields.coin("token")?),
            sender: fields.text("sender")?,
            receiver: fields.text("receiver")?,
            timeout_height: Some(Height { revision_number, revision_height }),
            timeout_timestamp: fields.optional_u64("timeout_timestamp")?,
            memo: fields.optional_text("memo")?,
        })
    }

    pub(super) fn to_amino(&self) -> String {
        let mut members = Vec::with_capacity(KEYS.len());
        amino::push_text(&mut members, "memo", &self.memo);
        for (key, text) in [
            ("receiver", &self.receiver),
            ("sender", &self.sender),
            ("source_channel", &self.source_channel),
            ("source_port", &self.source_port),
        ] {
            amino::push_text(&mut members, key, text);
        }
        let mut height = Vec::with_capacity(2);
        amino::push_u64(&mut height, "revision_height", self.height().revision_height);
        amino::push_u64(&mut height, "revision_number", self.height().revision_number);
        members.push(format!(r#""timeout_height":{{{}}}"#, height.join(",")));
        amino::push_u64(&mut members, "timeout_timestamp", self.timeout_timestamp);
        members.push(format!(r#""token":{}"#, amino::coin(self.token.as_ref())));
        format!("{{{}}}", members.join(","))
    }

    pub(super) fn describe(&self, actions: &mut Vec<Action>) -> Result<String, DecodeError> {
        let (coin, amount) = coin::required("token", self.token.as_ref())?;
        let Self { source_port, source_channel, receiver, .. } = self;
        let to = format!("{source_port}/{source_channel}/{receiver}");
        actions.push(Action::TokenTransfer { token: coin.denom.clone(), to, amount, selector: None });
        let mut text = format!("transfer {amount} {} over {source_port}/{source_channel} to {receiver}", coin.denom);
        text += &format!(" ({})", self.timeout());
        if !self.memo.is_empty() {
            actions.push(Action::Exception { name: "ibc_memo".into() });
            text += &format!(" with the transfer memo {:?}", self.memo);
        }
        Ok(text)
    }

    fn timeout(&self) -> String {
        let Height { revision_number, revision_height } = self.height();
        let height = (revision_number, revision_height) != (0, 0);
        match (height, self.timeout_timestamp) {
            (false, 0) => "without a timeout".to_owned(),
            (false, time) => format!("until {time} ns"),
            (true, 0) => format!("until block {revision_number}-{revision_height}"),
            (true, time) => format!("until block {revision_number}-{revision_height} or {time} ns"),
        }
    }

    fn height(&self) -> Height {
        self.timeout_height.clone().unwrap_or_default()
    }
}

/// ICS-24, without the characters that would make `port/channel/receiver` mean two things.
fn check_identifier(
    field: &'static str,
    text: &str,
    lengths: std::ops::RangeInclusive<usize>,
) -> Result<(), DecodeError> {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"._+-#[]<>".contains(&c);
    if lengths.contains(&text.len()) && text.bytes().all(is_plain) {
        return Ok(());
    }
    let expected = format!("{} to {} letters, digits and ._+-#[]<>", lengths.start(), lengths.end());
    Err(DecodeError::invalid(field, expected, text))
}

const KEYS: [&str; 8] =
    ["memo", "receiver", "sender", "source_channel", "source_port", "timeout_height", "timeout_timestamp", "token"];
/// In bytes.
const MAX_RECEIVER_LEN: usize = 256;
pub(super) const TYPE_URL: &str = "/ibc.applications.transfer.v1.MsgTransfer";
pub(super) const AMINO_NAME: &str = "cosmos-sdk/MsgTransfer";
