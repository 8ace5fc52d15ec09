use bitcoin::{
    Address, Network, Sequence, TapSighashType, Transaction, TxOut, absolute,
    hashes::{Hash, sha256},
    relative,
    transaction::{InputWeightPrediction, predict_weight},
};

use super::{address::AddressType, input::Spent};
use crate::{Action, Amount, ChainId, DecodeError, Summary, error::excerpt};

pub(super) fn summarise(
    transaction: &Transaction,
    spent: &[Spent],
    owned: &[Option<String>],
    chain_id: &ChainId,
    network: Network,
    bytes: &[u8],
) -> Result<Summary, DecodeError> {
    let amounts = Amounts::of(transaction, spent)?;
    let mut described = Vec::with_capacity(transaction.output.len());
    for (output, own) in transaction.output.iter().zip(owned) {
        described.push(describe(output, own.as_deref(), network));
    }
    let actions = actions(spent, &described);
    let outputs: Vec<_> = described.into_iter().map(|output| output.text).collect();
    // The digest makes the text of two different PSBTs differ, whatever the words leave out.
    let text = format!(
        "{} on {chain_id}; {}{}; version {}; PSBT SHA-256 {}",
        outputs.join(", "),
        amounts.text(spent.len()),
        conditions(transaction, spent),
        transaction.version.0,
        hex::encode(sha256::Hash::hash(bytes)),
    );
    Ok(Summary { chain_id: chain_id.clone(), actions, fee_ceiling: Some(amounts.ceiling(spent)), text })
}

fn actions(spent: &[Spent], outputs: &[Described]) -> Vec<Action> {
    let mut actions = exceptions(spent);
    let (to_signer, to_others): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| output.is_own);
    let pays = to_others.iter().any(|output| !matches!(output.action, Action::Exception { .. }));
    actions.extend(to_others.into_iter().map(|output| output.action.clone()));
    match (pays, to_signer.is_empty()) {
        (true, _) => {}
        // What only moves between the signer's own outputs must be permitted too.
        (false, false) => actions.extend(to_signer.into_iter().map(|output| output.action.clone())),
        (false, true) => actions.push(Action::Unknown { description: "pays nobody but the miners".to_owned() }),
    }
    actions
}

/// In satoshi.
struct Amounts {
    spent: u64,
    fee: u64,
    /// Of the signed transaction, at most.
    virtual_len: u64,
}

impl Amounts {
    fn of(transaction: &Transaction, spent: &[Spent]) -> Result<Self, DecodeError> {
        let inputs = total("the inputs", spent.iter().map(|spent| &spent.output))?;
        let outputs = total("the outputs", &transaction.output)?;
        let fee = inputs.checked_sub(outputs).ok_or_else(|| {
            let expected = format!("at most the {inputs} satoshi of the inputs");
            DecodeError::invalid("the sum of the outputs", expected, outputs)
        })?;
        let weight = predict_weight(spent.iter().map(weight), transaction.script_pubkey_lens());
        let virtual_len = weight.to_vbytes_ceil();
        let highest = MAX_FEE_RATE.saturating_mul(virtual_len);
        if fee > highest {
            let expected = format!("at most {highest} satoshi, {MAX_FEE_RATE} a virtual byte");
            return Err(DecodeError::invalid("the fee", expected, fee));
        }
        Ok(Self { spent: inputs, fee, virtual_len })
    }

    /// The fee, or all that is spent if a signature leaves outputs to whoever gets hold of it.
    fn ceiling(&self, spent: &[Spent]) -> Amount {
        Amount::from(if spent.iter().all(Spent::covers_all) { self.fee } else { self.spent })
    }

    fn text(&self, inputs: usize) -> String {
        let (fee, rate) = (units(self.fee), self.fee / self.virtual_len.max(1));
        format!("spends {} of {inputs} outputs of the signer's; fee {fee} (about {rate} sat/vB)", units(self.spent))
    }
}

fn total<'a>(what: &'static str, outputs: impl IntoIterator<Item = &'a TxOut>) -> Result<u64, DecodeError> {
    let max = bitcoin::Amount::MAX_MONEY.to_sat();
    outputs.into_iter().try_fold(0_u64, |sum, output| {
        let sum = sum.checked_add(output.value.to_sat()).filter(|sum| *sum <= max);
        sum.ok_or_else(|| {
            let expected = format!("at most {max} satoshi in all");
            DecodeError::invalid(what, expected, format!("more, with one of {}", output.value.to_sat()))
        })
    })
}

/// Of the longest signature.
fn weight(spent: &Spent) -> InputWeightPrediction {
    match (spent.address_type, spent.sighash_type) {
        (AddressType::P2pkh, _) => InputWeightPrediction::P2PKH_COMPRESSED_MAX,
        (AddressType::P2shP2wpkh, _) => InputWeightPrediction::new(REDEEM_SCRIPT_PUSH_LEN, [72, 33]),
        (AddressType::P2wpkh, _) => InputWeightPrediction::P2WPKH_MAX,
        (AddressType::P2tr, TapSighashType::Default) => InputWeightPrediction::P2TR_KEY_DEFAULT_SIGHASH,
        (AddressType::P2tr, _) => InputWeightPrediction::P2TR_KEY_NON_DEFAULT_SIGHASH,
    }
}

struct Described {
    is_own: bool,
    action: Action,
    text: String,
}

/// `own` is the output's address if it is the signer's.
fn describe(output: &TxOut, own: Option<&str>, network: Network) -> Described {
    let (script, satoshi) = (&output.script_pubkey, output.value.to_sat());
    let (amount, coins) = (Amount::from(satoshi), units(satoshi));
    if let Some(to) = own {
        let text = format!("change {coins} to {to}");
        return Described { is_own: true, action: Action::Transfer { to: to.to_owned(), amount }, text };
    }
    let (action, text) = match Address::from_script(script, network) {
        Ok(address) => {
            let to = address.to_string();
            let text = format!("transfer {coins} to {to}");
            (Action::Transfer { to, amount }, text)
        }
        Err(_) if script.is_op_return() && satoshi == 0 => {
            (Action::Exception { name: "op_return".into() }, format!("data in script {}", script.to_hex_string()))
        }
        Err(_) => {
            let script = script.to_hex_string();
            let description = format!("pay {coins} to script {}, which has no address", excerpt(&script));
            (Action::Unknown { description }, format!("pay {coins} to script {script}, which has no address"))
        }
    };
    Described { is_own: false, action, text }
}

/// One for each kind of signature that does not cover everything.
fn exceptions(spent: &[Spent]) -> Vec<Action> {
    let named = SIGHASH_NAMES.iter().filter(|(kind, ..)| spent.iter().any(|spent| spent.sighash_type == *kind));
    named.map(|(_, name, _)| Action::Exception { name: (*name).into() }).collect()
}

/// When it is valid, whether it can be replaced, and which signatures leave something open.
fn conditions(transaction: &Transaction, spent: &[Spent]) -> String {
    let mut text = match transaction.lock_time {
        lock_time if lock_time == absolute::LockTime::ZERO => String::new(),
        lock_time if !transaction.is_lock_time_enabled() => format!("; lock time {lock_time}, which has no effect"),
        absolute::LockTime::Blocks(height) => format!("; valid after block {height}"),
        absolute::LockTime::Seconds(time) => format!("; valid after Unix time {time}"),
    };
    if transaction.is_explicitly_rbf() {
        text.push_str("; replaceable (BIP-125)");
    }
    for (index, (input, spent)) in transaction.input.iter().zip(spent).enumerate() {
        if let Some(wait) = wait(transaction, input.sequence) {
            text.push_str(&format!("; input {index} waits {wait}"));
        }
        if let Some((.., words)) = SIGHASH_NAMES.iter().find(|(kind, ..)| *kind == spent.sighash_type) {
            text.push_str(&format!("; the signature of input {index} {words}"));
        }
    }
    text
}

/// BIP-68, in force from version 2 on.
fn wait(transaction: &Transaction, sequence: Sequence) -> Option<String> {
    match sequence.to_relative_lock_time().filter(|_| transaction.version.0 >= 2)? {
        relative::LockTime::Blocks(blocks) if blocks.value() == 0 => None,
        relative::LockTime::Blocks(blocks) => Some(format!("{} blocks", blocks.value())),
        relative::LockTime::Time(time) if time.value() == 0 => None,
        relative::LockTime::Time(time) => Some(format!("{} times 512 seconds", time.value())),
    }
}

fn units(satoshi: u64) -> String {
    Amount::from(satoshi).to_units(DECIMALS)
}

/// What the others are called in a policy, and what they leave open.
const SIGHASH_NAMES: [(TapSighashType, &str, &str); 5] = [
    (TapSighashType::None, "sighash_none", "lets anyone choose the outputs"),
    (TapSighashType::Single, "sighash_single", "covers one output, the others are anyone's to choose"),
    (TapSighashType::AllPlusAnyoneCanPay, "sighash_anyonecanpay", "lets anyone add inputs"),
    (
        TapSighashType::NonePlusAnyoneCanPay,
        "sighash_none_anyonecanpay",
        "lets anyone choose the outputs and the other inputs",
    ),
    (
        TapSighashType::SinglePlusAnyoneCanPay,
        "sighash_single_anyonecanpay",
        "covers one output, the others and the other inputs are anyone's to choose",
    ),
];
/// Of bitcoin: 10^8 satoshi are one.
const DECIMALS: u8 = 8;
/// In satoshi a virtual byte. More than ten times what the dearest hours have asked: a mistake, or a bribe.
const MAX_FEE_RATE: u64 = 25_000;
/// The script of 22 bytes and its length.
const REDEEM_SCRIPT_PUSH_LEN: usize = 23;
