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
    let foreign = document.fee.amount.iter().filter(|coin| Some(coin.denom.as_str()) != own_denom);
    actions.extend(foreign.map(|coin| Action::Exception { name: format!("fee_denom_{}", coin.denom).into() }));
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

/// The one coin's amount. Amounts of several coins have no sum.
fn fee_ceiling(coins: &[Coin]) -> Result<Option<Amount>, DecodeError> {
    match coins {
        [] => Ok(Some(Amount::ZERO)),
        [coin] => coin.check("fee").map(Some),
        _ => Ok(None),
    }
}
