//! `SIGN_MODE_LEGACY_AMINO_JSON`: a `StdSignDoc` in JSON.

use super::{
    MAX_LEN,
    amino::{self, Fields},
    document::{Document, MAX_MESSAGES},
    message::Message,
    proto::Fee,
    too_long,
};
use crate::DecodeError;

pub(super) fn decode(bytes: &[u8]) -> Result<Document, DecodeError> {
    if bytes.len() > MAX_LEN {
        return Err(too_long("the transaction", "bytes", bytes.len(), MAX_LEN));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| DecodeError::malformed("JSON", error))?;
    let fields = Fields::read("", text, &KEYS)?;
    let fee = fields.object("fee", &["amount", "gas", "granter", "payer"])?;
    let messages = fields.list::<MAX_MESSAGES>("msgs", "messages")?;
    Ok(Document {
        chain_id: fields.text("chain_id")?,
        account_number: fields.u64("account_number")?,
        sequence: fields.u64("sequence")?,
        fee: Fee {
            amount: fee.coins("amount")?,
            gas_limit: fee.u64("gas")?,
            payer: fee.optional_text("payer")?,
            granter: fee.optional_text("granter")?,
        },
        memo: fields.text("memo")?,
        messages: messages.iter().map(|it| message(it.get())).collect::<Result<_, _>>()?,
        timeout_height: fields.optional_u64("timeout_height")?,
    })
}

fn message(raw: &str) -> Result<Message, DecodeError> {
    let fields = Fields::read("msgs", raw, &["type", "value"])?;
    Message::from_amino(&fields.text("type")?, fields.raw("value")?)
}

/// The canonical form, which is signed: keys sorted, no white space.
pub(super) fn encode(document: &Document) -> Result<String, DecodeError> {
    let messages = document.messages.iter().map(Message::to_amino).collect::<Result<Vec<_>, _>>()?;
    let mut members = vec![
        format!(r#""account_number":"{}""#, document.account_number),
        format!(r#""chain_id":{}"#, amino::quote(&document.chain_id)),
        format!(r#""fee":{}"#, fee(&document.fee)),
        format!(r#""memo":{}"#, amino::quote(&document.memo)),
        format!(r#""msgs":[{}]"#, messages.join(",")),
        format!(r#""sequence":"{}""#, document.sequence),
    ];
    amino::push_u64(&mut members, "timeout_height", document.timeout_height);
    Ok(format!("{{{}}}", members.join(",")))
}

fn fee(fee: &Fee) -> String {
    let mut members =
        vec![format!(r#""amount":{}"#, amino::coins(&fee.amount)), format!(r#""gas":"{}""#, fee.gas_limit)];
    amino::push_text(&mut members, "granter", &fee.granter);
    amino::push_text(&mut members, "payer", &fee.payer);
    format!("{{{}}}", members.join(","))
}

const KEYS: [&str; 7] = ["account_number", "chain_id", "fee", "memo", "msgs", "sequence", "timeout_height"];
pub(super) const SIGN_MODE_LEGACY_AMINO_JSON: i32 = 127;
