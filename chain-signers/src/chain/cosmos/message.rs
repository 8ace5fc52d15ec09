//! The messages that are understood, and what is said of the others.

mod delegate;
mod send;
mod transfer;

use prost::Message as _;

use super::proto::{MsgDelegate, MsgSend, MsgTransfer};
use crate::{
    Action, DecodeError,
    protobuf::{Any, decode_exact},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Delegate(MsgDelegate),
    Other(Any),
    Send(MsgSend),
    Transfer(MsgTransfer),
}

impl Message {
    pub(super) fn from_any(any: Any) -> Result<Self, DecodeError> {
        let message = match any.type_url.as_str() {
            delegate::TYPE_URL => decode_exact(&any.value, "a MsgDelegate").map(Self::Delegate)?,
            send::TYPE_URL => decode_exact(&any.value, "a MsgSend").map(Self::Send)?,
            transfer::TYPE_URL => decode_exact(&any.value, "a MsgTransfer").map(Self::Transfer)?,
            other if is_type_url(other) => Self::Other(any),
            other => {
                let expected = "a slash and a type's name: letters, digits, dots and low lines";
                return Err(DecodeError::invalid("messages.type_url", expected, other));
            }
        };
        message.check()?;
        Ok(message)
    }

    pub(super) fn to_any(&self) -> Any {
        let (type_url, value) = match self {
            Self::Delegate(message) => (delegate::TYPE_URL, message.encode_to_vec()),
            Self::Other(any) => return any.clone(),
            Self::Send(message) => (send::TYPE_URL, message.encode_to_vec()),
            Self::Transfer(message) => (transfer::TYPE_URL, message.encode_to_vec()),
        };
        Any { type_url: type_url.to_owned(), value }
    }

    /// Reads the amino JSON of a message of the named type.
    pub(super) fn from_amino(name: &str, value: &str) -> Result<Self, DecodeError> {
        let message = match name {
            delegate::AMINO_NAME => MsgDelegate::from_amino(value).map(Self::Delegate)?,
            send::AMINO_NAME => MsgSend::from_amino(value).map(Self::Send)?,
            transfer::AMINO_NAME => MsgTransfer::from_amino(value).map(Self::Transfer)?,
            other => {
                let found = format!("the amino message {}", crate::error::excerpt(other));
                return Err(DecodeError::UnsupportedType { found: found.into() });
            }
        };
        message.check()?;
        Ok(message)
    }

    /// The canonical amino JSON.
    pub(super) fn to_amino(&self) -> Result<String, DecodeError> {
        let (name, value) = match self {
            Self::Delegate(message) => (delegate::AMINO_NAME, message.to_amino()),
            Self::Other(any) => {
                let found = format!("{} in amino JSON", any.type_url);
                return Err(DecodeError::UnsupportedType { found: found.into() });
            }
            Self::Send(message) => (send::AMINO_NAME, message.to_amino()),
            Self::Transfer(message) => (transfer::AMINO_NAME, message.to_amino()),
        };
        Ok(format!(r#"{{"type":"{name}","value":{value}}}"#))
    }

    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Delegate(message) => message.check(),
            Self::Other(_) => Ok(()),
            Self::Send(message) => message.check(),
            Self::Transfer(message) => message.check(),
        }
    }

    /// Who must sign it, if that is known.
    pub(super) fn sender(&self) -> Option<&str> {
        match self {
            Self::Delegate(message) => Some(&message.delegator_address),
            Self::Other(_) => None,
            Self::Send(message) => Some(&message.from_address),
            Self::Transfer(message) => Some(&message.sender),
        }
    }

    /// Appends what it does, and says it in words.
    pub(super) fn describe(&self, actions: &mut Vec<Action>) -> Result<String, DecodeError> {
        match self {
            Self::Delegate(message) => message.describe(actions),
            Self::Other(Any { type_url, value }) => {
                actions.push(Action::ProgramCall {
                    program: type_url.clone(),
                    accounts: Vec::new(),
                    data_len: value.len(),
                });
                Ok(format!("{type_url} with {} bytes that are not decoded", value.len()))
            }
            Self::Send(message) => message.describe(actions),
            Self::Transfer(message) => message.describe(actions),
        }
    }
}

fn is_type_url(text: &str) -> bool {
    text.len() <= MAX_TYPE_URL_LEN
        && text.strip_prefix('/').is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'.' || c == b'_')
        })
}

/// In bytes.
const MAX_TYPE_URL_LEN: usize = 256;
