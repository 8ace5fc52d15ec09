//! What must hold for every PSBT.
#![cfg(feature = "bitcoin")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

#[path = "bitcoin/mod.rs"]
mod support;

mod mutation;

use std::sync::LazyLock;

use bitcoin::{
    Psbt, Sequence, Transaction as BitcoinTransaction, TxOut, absolute, consensus::encode::deserialize,
    psbt::PsbtSighashType, transaction::Version,
};
use chain_signers::{
    Action,
    bitcoin::{self as chain, AddressType},
};
use mutation::{mutated, mutations};
use proptest::{collection::vec, prelude::*};
use support::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn libsecp256k1_finds_every_signature_right(psbt in psbts()) {
        let signed = sign(&psbt);
        let transaction: BitcoinTransaction = deserialize(&chain::extract(&signed.bytes).unwrap()).unwrap();
        prop_assert_eq!(verify(&transaction, &spent(&psbt)), psbt.inputs.len());
        prop_assert_eq!(&signed.id, &transaction.compute_txid().to_string());
        let mut unsigned = transaction;
        for input in &mut unsigned.input {
            input.script_sig = Default::default();
            input.witness = Default::default();
        }
        prop_assert_eq!(&unsigned, &psbt.unsigned_tx, "nothing else was changed");
        prop_assert_eq!(sign(&psbt), signed, "signing again gives the same bytes");
    }

    #[test]
    fn libsecp256k1_agrees_on_what_each_sighash_type_covers(
        mut psbt in psbts(), types in vec(prop::sample::select(vec![0_u32, 1, 2, 3, 0x81, 0x82, 0x83]), 20),
    ) {
        let outputs = psbt.unsigned_tx.output.len();
        let spent = spent(&psbt);
        for (index, (input, kind)) in psbt.inputs.iter_mut().zip(types).enumerate() {
            let is_possible = if kind == 0 { spent[index].script_pubkey.is_p2tr() } else { kind & 3 != 3 || index < outputs };
            input.sighash_type = is_possible.then(|| PsbtSighashType::from_u32(kind));
        }
        let signed = sign(&psbt);
        let transaction: BitcoinTransaction = deserialize(&chain::extract(&signed.bytes).unwrap()).unwrap();
        prop_assert_eq!(verify(&transaction, &spent), spent.len());
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same_and_adds_up(psbt in psbts()) {
        let bytes = psbt.serialize();
        let transaction = decode(&bytes).unwrap();
        prop_assert_eq!(transaction.to_bytes(), bytes);
        let summary = transaction.summary();
        let paid: u64 = summary.actions.iter().map(|action| match action {
            Action::Transfer { to, amount } if to == RECEIVER => amount.to_string().parse::<u64>().unwrap(),
            Action::Transfer { .. } => 0,
            other => panic!("{other:?}"),
        }).sum();
        let to_others = psbt.unsigned_tx.output.iter().filter(|output| output.script_pubkey == pay(0).script_pubkey);
        prop_assert_eq!(paid, to_others.map(|output| output.value.to_sat()).sum::<u64>());
        let total = |outputs: &[TxOut]| outputs.iter().map(|output| output.value.to_sat()).sum::<u64>();
        let fee = total(&spent(&psbt)) - total(&psbt.unsigned_tx.output);
        prop_assert_eq!(summary.fee_ceiling, Some(fee.into()));
        prop_assert_eq!(psbt.fee().unwrap().to_sat(), fee, "the bitcoin crate reckons the same");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_mutated_psbt_is_refused_or_another_one(
        mutations in mutations(), witness_only: bool,
    ) {
        let (good, text) = if witness_only { &*GOOD_TAPROOT } else { &*GOOD };
        let bytes = mutated(good, &mutations);
        let Ok(transaction) = decode(&bytes) else { return Ok(()) };
        prop_assert_eq!(transaction.to_bytes(), &bytes[..], "decoding is exact");
        prop_assert_eq!(&transaction.summary().text == text, &bytes == good);
    }

    #[test]
    fn decoding_anything_never_panics(bytes in vec(any::<u8>(), 0..200), head: bool) {
        let bytes = if head { [&b"psbt\xff\x01\x00"[..], &bytes].concat() } else { bytes };
        let _ = decode(&bytes);
        let _ = chain::extract(&bytes);
    }
}

/// A PSBT and its summary's text.
static GOOD: LazyLock<(Vec<u8>, String)> =
    LazyLock::new(|| with_text(psbt(&ALL_TYPES.map(|kind| (kind, 100_000)), vec![pay(390_000)])));

/// Amounts without proof, so that more mutations are accepted.
static GOOD_TAPROOT: LazyLock<(Vec<u8>, String)> = LazyLock::new(|| {
    let mut psbt = psbt(&[(AddressType::P2tr, 100_000); 2], vec![pay(190_000)]);
    let spent = spent(&psbt);
    for (input, output) in psbt.inputs.iter_mut().zip(spent) {
        input.non_witness_utxo = None;
        input.witness_utxo = Some(output);
    }
    with_text(psbt)
});

fn with_text(psbt: Psbt) -> (Vec<u8>, String) {
    let bytes = psbt.serialize();
    let text = decode(&bytes).unwrap().summary().text.clone();
    (bytes, text)
}

prop_compose! {
    /// Up to 20 inputs of all kinds, outputs to others and to the signer, and a fee that is not absurd.
    fn psbts()(
        inputs in vec((0..4_usize, 10_000..10_000_000_u64), 1..=20),
        weights in vec((0..6_usize, 1..100_u64), 1..6),
        fee in 0..5_000_u64,
        version in 1..=2_i32,
        lock_time in any::<u32>(),
        sequences in vec(prop_oneof![Just(u32::MAX), Just(u32::MAX - 1), any::<u32>()], 20),
    ) -> Psbt {
        let inputs: Vec<_> = inputs.into_iter().map(|(kind, satoshi)| (ALL_TYPES[kind], satoshi)).collect();
        let left = inputs.iter().map(|(_, satoshi)| satoshi).sum::<u64>() - fee;
        let whole: u64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut outputs: Vec<_> = weights.iter().map(|(to, weight)| {
            let mut output = pay(left / whole * weight);
            if let Some(kind) = ALL_TYPES.get(*to) {
                output.script_pubkey = script(*kind);
            }
            output
        }).collect();
        let rest = left - outputs.iter().map(|output| output.value.to_sat()).sum::<u64>();
        outputs[0].value += bitcoin::Amount::from_sat(rest);
        let mut psbt = psbt(&inputs, outputs);
        psbt.unsigned_tx.version = Version(version);
        psbt.unsigned_tx.lock_time = absolute::LockTime::from_consensus(lock_time);
        for (input, sequence) in psbt.unsigned_tx.input.iter_mut().zip(sequences) {
            input.sequence = Sequence::from_consensus(sequence);
        }
        psbt
    }
}
