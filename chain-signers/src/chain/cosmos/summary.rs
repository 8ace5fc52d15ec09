use sha2::{Digest, Sha256};

use super::{chain_id, coin, document::Document, proto::Coin};
use crate::{Action, Amount, ChainId, DecodeError, Sighash, Summary};

pub(super) fn summarise(
    document: &Document,
    mode: &str,
    chain_id: ChainId,
    signer: &str,
    sighash: &Sighash,
) -> Result<Summary, DecodeError> {
    let mut actions = Vec::with_capacity(document.messages.len());
    let words =
        document.messages.iter().map(|it| it.describe(&mut actions)).collect::<Result<Vec<_>, _>>()?.join(", then ");
    let own_denom = chain_id::well_known(&chain_id).map(|chain| chain.fee_denom);
    if !document.memo.is_empty() {
        actions.push(Action::Exception { name: "memo".into() });
    }
    let foreign = document.fee.amount.iter().filter(|coin| Some(coin.denom.as_str()) != own_denom);
    actions.extend(foreign.map(|coin| Action::Exception { name: fee_exception(&coin.denom).into() }));
    let Document { account_number, sequence, fee, memo, timeout_height, .. } = document;
    let mut text = format!("{words} on {chain_id} ({mode}, account {account_number}, sequence {sequence}");
    if chain_id.reference() != document.chain_id {
        text += &format!(", chain {:?}", document.chain_id);
    }
    text += &format!("); {signer} signs; fee {} ({} gas)", coin::text(&fee.amount), fee.gas_limit);
    if !memo.is_empty() {
        text += &format!("; memo {memo:?}");
    }
    if *timeout_height != 0 {
        text += &format!("; until block {timeout_height}");
    }
    // The sighash at the end makes the text of two different transactions differ, whatever the words leave out.
    text += &format!("; sighash {sighash}");
    Ok(Summary { chain_id, actions, fee_ceiling: fee_ceiling(&fee.amount)?, text })
}

/// What names a fee in another denomination than the chain's own. A policy's names are short and in lower case, so a
/// denomination that is not has its hash there: 128 bits, as anybody can make denominations on some chains.
fn fee_exception(denom: &str) -> String {
    let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
    if denom.len() <= MAX_PLAIN_LEN && denom.bytes().all(is_plain) && !denom.starts_with(HASHED) {
        return format!("{FEE_EXCEPTION}{denom}");
    }
    format!("{FEE_EXCEPTION}{HASHED}{}", hex::encode(&Sha256::digest(denom)[..16]))
}

/// The one coin's amount. Amounts of several coins have no sum.
fn fee_ceiling(coins: &[Coin]) -> Result<Option<Amount>, DecodeError> {
    match coins {
        [] => Ok(Some(Amount::ZERO)),
        [coin] => coin.check("fee").map(Some),
        _ => Ok(None),
    }
}

const FEE_EXCEPTION: &str = "fee_denom_";
const HASHED: &str = "hashed-";
/// In bytes, so that the whole name has at most 64.
const MAX_PLAIN_LEN: usize = 54;
