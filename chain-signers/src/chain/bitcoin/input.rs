//! What each input spends: whose it is, how much it holds, and how that is known.

use std::collections::BTreeSet;

use bitcoin::{OutPoint, Psbt, TapSighashType, Transaction, TxOut, psbt::Input, sighash::EcdsaSighashType};

use super::address::{AddressType, OwnScripts};
use crate::DecodeError;

/// An output of the signer's that an input spends.
#[derive(Clone, Debug)]
pub(super) struct Spent {
    pub(super) output: TxOut,
    pub(super) address_type: AddressType,
    /// `Default` for Taproot alone.
    pub(super) sighash_type: TapSighashType,
    /// Whether the transaction that made the output is there, so that the amount is known and not only said.
    is_proven: bool,
}

impl Spent {
    pub(super) fn proven(output: TxOut, address_type: AddressType, sighash_type: TapSighashType) -> Self {
        Self { output, address_type, sighash_type, is_proven: true }
    }

    pub(super) fn is_taproot(&self) -> bool {
        self.address_type == AddressType::P2tr
    }

    /// Whether the signature covers all inputs and all outputs.
    pub(super) fn covers_all(&self) -> bool {
        matches!(self.sighash_type, TapSighashType::Default | TapSighashType::All)
    }
}

/// What the inputs spend, in order.
pub(super) fn spent(psbt: &Psbt, own: &OwnScripts) -> Result<Vec<Spent>, DecodeError> {
    let transaction = &psbt.unsigned_tx;
    require_distinct(transaction)?;
    let inputs = transaction.input.iter().zip(&psbt.inputs).enumerate();
    let spent = inputs
        .map(|(index, (outpoint, input))| one(index, &outpoint.previous_output, input, own))
        .collect::<Result<Vec<_>, _>>()?;
    // Signatures of Taproot inputs commit to all amounts, those of others to their own at most. So amounts that are only
    // said may be believed if every signature is of the first kind: were one wrong, none would be valid.
    let is_committed_to = spent.iter().all(|spent| spent.is_taproot() && spent.covers_all());
    if let Some(index) = spent.iter().position(|spent| !spent.is_proven && !is_committed_to) {
        return Err(DecodeError::Missing { field: format!("the non_witness_utxo of input {index}").into() });
    }
    let beyond = spent.iter().enumerate().find(|(index, spent)| {
        let is_single = matches!(spent.sighash_type, TapSighashType::Single | TapSighashType::SinglePlusAnyoneCanPay);
        is_single && *index >= transaction.output.len()
    });
    match beyond {
        Some((index, _)) => {
            let field = format!("the sighash type of input {index}");
            Err(DecodeError::invalid(field, "an output of the same index, for SIGHASH_SINGLE", "none"))
        }
        None => Ok(spent),
    }
}

fn require_distinct(transaction: &Transaction) -> Result<(), DecodeError> {
    let mut seen = BTreeSet::new();
    for (index, input) in transaction.input.iter().enumerate() {
        let outpoint = input.previous_output;
        if outpoint.is_null() || !seen.insert(outpoint) {
            let field = format!("the outpoint of input {index}");
            return Err(DecodeError::invalid(field, "an output that no other input spends", outpoint));
        }
    }
    Ok(())
}

fn one(index: usize, outpoint: &OutPoint, input: &Input, own: &OwnScripts) -> Result<Spent, DecodeError> {
    let (output, is_proven) = output(index, outpoint, input)?;
    let address_type = own.type_of(&output.script_pubkey).ok_or_else(|| {
        let field = format!("the script that input {index} spends");
        DecodeError::invalid(field, "one of the signer's own", output.script_pubkey.to_hex_string())
    })?;
    check_scripts(index, input, address_type, own)?;
    let sighash_type = sighash_type(index, input, address_type)?;
    Ok(Spent { output: output.clone(), address_type, sighash_type, is_proven })
}

/// The output that is spent, and whether the transaction that made it is there.
fn output<'a>(index: usize, outpoint: &OutPoint, input: &'a Input) -> Result<(&'a TxOut, bool), DecodeError> {
    let Some(previous) = &input.non_witness_utxo else {
        let missing = || DecodeError::Missing { field: format!("the non_witness_utxo of input {index}").into() };
        return input.witness_utxo.as_ref().map(|output| (output, false)).ok_or_else(missing);
    };
    let txid = previous.compute_txid();
    if txid != outpoint.txid {
        let field = format!("the txid of the non_witness_utxo of input {index}");
        return Err(DecodeError::invalid(field, outpoint.txid.to_string(), txid));
    }
    let output = usize::try_from(outpoint.vout).ok().and_then(|vout| previous.output.get(vout)).ok_or_else(|| {
        let expected = format!("less than {}", previous.output.len());
        DecodeError::invalid(format!("the output index of input {index}"), expected, outpoint.vout)
    })?;
    match &input.witness_utxo {
        Some(said) if said != output => {
            let field = format!("the witness_utxo of input {index}");
            let expected = "the output of the non_witness_utxo";
            Err(DecodeError::invalid(field, expected, format!("another one, of {} satoshi", said.value.to_sat())))
        }
        _ => Ok((output, true)),
    }
}

/// Fields that belong to another kind of output, or contradict the signer's key, are refused.
fn check_scripts(index: usize, input: &Input, kind: AddressType, own: &OwnScripts) -> Result<(), DecodeError> {
    let invalid = |what: &str, expected: &'static str, actual: String| {
        Err(DecodeError::invalid(format!("the {what} of input {index}"), expected, actual))
    };
    match &input.redeem_script {
        Some(script) if kind != AddressType::P2shP2wpkh || **script != *own.redeem_script() => {
            return invalid("redeem script", "the signer's P2WPKH script, in P2SH only", script.to_hex_string());
        }
        _ => {}
    }
    match &input.tap_internal_key {
        Some(key) if kind != AddressType::P2tr || key.serialize() != own.x_only => {
            return invalid("internal key", "the signer's key, in P2TR only", key.to_string());
        }
        _ => {}
    }
    if kind != AddressType::P2tr && !input.tap_key_origins.is_empty() {
        return invalid("Taproot derivation", "none, except in P2TR", "one".to_owned());
    }
    Ok(())
}

fn sighash_type(index: usize, input: &Input, kind: AddressType) -> Result<TapSighashType, DecodeError> {
    let is_taproot = kind == AddressType::P2tr;
    let Some(given) = input.sighash_type else {
        return Ok(if is_taproot { TapSighashType::Default } else { TapSighashType::All });
    };
    given.taproot_hash_ty().ok().filter(|known| is_taproot || *known != TapSighashType::Default).ok_or_else(|| {
        let expected = "a sighash type of this kind of output";
        DecodeError::invalid(format!("the sighash type of input {index}"), expected, format!("{:#x}", given.to_u32()))
    })
}

/// The same type for ECDSA, which has no `Default`: decoding saw to it.
pub(super) fn to_ecdsa(sighash_type: TapSighashType) -> EcdsaSighashType {
    EcdsaSighashType::from_consensus(u32::from(sighash_type as u8))
}
