//! `SIGN_MODE_DIRECT`: a `SignDoc` in Protocol Buffers.

use super::{
    MAX_LEN,
    document::{Document, PUBLIC_KEY_TYPE},
    message::Message,
    proto::{AuthInfo, ModeInfo, PubKey, SignDoc, SignerInfo, SingleModeInfo, TxBody},
    too_long,
};
use crate::{Curve, DecodeError, VerifyingKey, protobuf::decode_exact};

/// A `SignDoc`, and what it says.
#[derive(Debug)]
pub(super) struct Direct {
    pub(super) document: Document,
    pub(super) body: Vec<u8>,
    pub(super) auth_info: Vec<u8>,
    /// The key that `auth_info` says will sign.
    pub(super) key: VerifyingKey,
}

impl Direct {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_LEN {
            return Err(too_long("the transaction", "bytes", bytes.len(), MAX_LEN));
        }
        let SignDoc { body_bytes, auth_info_bytes, chain_id, account_number } = decode_exact(bytes, "a SignDoc")?;
        let body: TxBody = decode_exact(&body_bytes, "a TxBody of known fields")?;
        check_extensions(&body)?;
        let auth_info: AuthInfo = decode_exact(&auth_info_bytes, "an AuthInfo of known fields")?;
        let (key, sequence) = signer(auth_info.signer_infos)?;
        let document = Document {
            chain_id,
            account_number,
            sequence,
            fee: auth_info.fee.ok_or(DecodeError::Missing { field: "auth_info.fee".into() })?,
            memo: body.memo,
            messages: body.messages.into_iter().map(Message::from_any).collect::<Result<_, _>>()?,
            timeout_height: body.timeout_height,
        };
        Ok(Self { document, body: body_bytes, auth_info: auth_info_bytes, key })
    }
}

fn check_extensions(body: &TxBody) -> Result<(), DecodeError> {
    let mut options = body.extension_options.iter().chain(&body.non_critical_extension_options);
    match options.next() {
        Some(option) => Err(DecodeError::invalid("body.extension_options", "none", &option.type_url)),
        None => Ok(()),
    }
}

/// The one signer's key and sequence.
fn signer(infos: Vec<SignerInfo>) -> Result<(VerifyingKey, u64), DecodeError> {
    let len = infos.len();
    let Ok([SignerInfo { public_key, mode_info, sequence }]) = <[SignerInfo; 1]>::try_from(infos) else {
        return Err(DecodeError::invalid("auth_info.signer_infos", "one signer", len));
    };
    let Some(ModeInfo { single: Some(SingleModeInfo { mode }) }) = mode_info else {
        return Err(DecodeError::Missing { field: "auth_info.signer_infos.mode_info.single".into() });
    };
    if mode != SIGN_MODE_DIRECT {
        return Err(DecodeError::invalid("auth_info.signer_infos.mode_info.single.mode", "1, direct", mode));
    }
    let any = public_key.ok_or(DecodeError::Missing { field: KEY.into() })?;
    if any.type_url != PUBLIC_KEY_TYPE {
        return Err(DecodeError::invalid(KEY, PUBLIC_KEY_TYPE, any.type_url));
    }
    let PubKey { key } = decode_exact(&any.value, "a PubKey")?;
    let key = VerifyingKey::from_bytes(Curve::Secp256k1, &key)
        .map_err(|error| DecodeError::invalid(KEY, error.to_string(), hex::encode(&key)))?;
    Ok((key, sequence))
}

const KEY: &str = "auth_info.signer_infos.public_key";
const SIGN_MODE_DIRECT: i32 = 1;
