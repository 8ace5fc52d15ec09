//! Bitcoin: a PSBT that gathers many outputs into one.

use bitcoin::hashes::Hash;
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::{
    Amount, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness, absolute,
    transaction::Version,
};
use chain_signers::bitcoin::{self as chain, AddressType, Bitcoin};
use chain_signers::{Curve, Encoding, SigningKey, VerifyingKey};

use super::{Request, SECRET};
use crate::attested::Failure;

/// A PSBT of [`INPUTS`] inputs, which spend outputs of one type. The transactions that they are from are in it, but for
/// Taproot, whose signatures commit to all amounts.
///
/// # Errors
/// If it is not signed.
pub fn spend(address_type: AddressType) -> Result<Request, Failure> {
    let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &SECRET)?.verifying_key();
    let output = TxOut { value: Amount::from_sat(100_000), script_pubkey: script(&key, address_type)? };
    let previous: Vec<_> = (0..INPUTS).map(|n| funding(n, &output)).collect::<Result<_, _>>()?;
    let input = previous.iter().map(|it| input(OutPoint { txid: it.compute_txid(), vout: 0 })).collect();
    let paid = TxOut { value: Amount::from_sat(9_900_000), script_pubkey: receiver()? };
    let mut psbt = Psbt::from_unsigned_tx(transaction(0, input, paid)?)?;
    for (input, previous) in psbt.inputs.iter_mut().zip(previous) {
        if address_type == AddressType::P2tr {
            input.tap_internal_key = Some(XOnlyPublicKey::from_slice(&key.to_x_only_bytes()?)?);
            input.witness_utxo = Some(output.clone());
        } else {
            input.non_witness_utxo = Some(previous);
        }
    }
    Request::new(Bitcoin::default(), (Encoding::Binary, psbt.serialize()), MAIN)
}

/// Where an output that is spent comes from.
fn funding(n: usize, output: &TxOut) -> Result<Transaction, Failure> {
    let spent = OutPoint { txid: Txid::from_byte_array([7; 32]), vout: u32::try_from(n)? };
    transaction(n, vec![input(spent)], output.clone())
}

fn transaction(lock_time: usize, input: Vec<TxIn>, output: TxOut) -> Result<Transaction, Failure> {
    let lock_time = absolute::LockTime::from_consensus(u32::try_from(lock_time)?);
    Ok(Transaction { version: Version::TWO, lock_time, input, output: vec![output] })
}

fn input(previous_output: OutPoint) -> TxIn {
    TxIn { previous_output, script_sig: ScriptBuf::new(), sequence: Sequence::MAX, witness: Witness::new() }
}

fn script(key: &VerifyingKey, address_type: AddressType) -> Result<ScriptBuf, Failure> {
    script_of(&chain::address(key, &MAIN.parse()?, address_type)?)
}

/// BIP-173's example.
fn receiver() -> Result<ScriptBuf, Failure> {
    script_of("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
}

fn script_of(address: &str) -> Result<ScriptBuf, Failure> {
    Ok(address.parse::<bitcoin::Address<_>>()?.assume_checked().script_pubkey())
}

/// How many outputs are spent.
pub const INPUTS: usize = 100;
const MAIN: &str = "bip122:000000000019d6689c085ae165831e93";
