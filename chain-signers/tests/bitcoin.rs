//! Bitcoin against the BIPs' vectors, against libsecp256k1 on sighashes computed here, and what is refused.
#![cfg(feature = "bitcoin")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

#[path = "bitcoin/mod.rs"]
mod support;

use bitcoin::{
    Amount, OutPoint, Psbt, ScriptBuf, Sequence, TapSighashType, Transaction as BitcoinTransaction, TxOut, absolute,
    consensus::encode::deserialize,
    hashes::Hash,
    psbt::PsbtSighashType,
    secp256k1::{Secp256k1, SecretKey},
    sighash::EcdsaSighashType,
    transaction::Version,
};
use chain_signers::{
    Action, Chain, ChainId, ChangeKeys, Curve, DecodeError, Encoding, KeyError, Payload, SignError, Signature,
    SigningKey, VerifyingKey,
    bitcoin::{self as chain, AddressType, Bitcoin},
    hd::{ChangePaths, Mnemonic},
};
use support::*;

const ABOUT: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

#[test]
fn addresses_are_those_of_the_bips() {
    let seed = Mnemonic::from_phrase(ABOUT).unwrap().to_seed("");
    // BIP-84, BIP-86 and BIP-49 (test network); the first is what every wallet shows for BIP-44.
    for (path, network, address_type, expected) in [
        ("m/44'/0'/0'/0/0", MAIN, AddressType::P2pkh, "1LqBGSKuX5yYUonjxT5qGfpUsXKYYWeabA"),
        ("m/84'/0'/0'/0/0", MAIN, AddressType::P2wpkh, "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"),
        ("m/84'/0'/0'/0/1", MAIN, AddressType::P2wpkh, "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"),
        ("m/84'/0'/0'/1/0", MAIN, AddressType::P2wpkh, "bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el"),
        ("m/86'/0'/0'/0/0", MAIN, AddressType::P2tr, "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr"),
        ("m/86'/0'/0'/0/1", MAIN, AddressType::P2tr, "bc1p4qhjn9zdvkux4e44uhx8tc55attvtyu358kutcqkudyccelu0was9fqzwh"),
        ("m/86'/0'/0'/1/0", MAIN, AddressType::P2tr, "bc1p3qkhfews2uk44qtvauqyr2ttdsw7svhkl9nkm9s9c3x4ax5h60wqwruhk7"),
        ("m/49'/1'/0'/0/0", TEST, AddressType::P2shP2wpkh, "2Mww8dCYPUpKHofjgcXcBCEGmniw9CoaiD2"),
    ] {
        let key = SigningKey::derive(Curve::Secp256k1, &seed, &path.parse().unwrap()).unwrap().verifying_key();
        let chain_id = network.parse().unwrap();
        assert_eq!(chain::address(&key, &chain_id, address_type).as_deref(), Ok(expected), "{path}");
        let bitcoin = Bitcoin::with_address_type(address_type);
        assert_eq!(bitcoin.address_on(&key, &chain_id).as_deref(), Ok(expected));
        if network == MAIN {
            assert_eq!(bitcoin.address(&key).as_deref(), Ok(expected));
        }
    }
}

#[test]
fn a_network_decides_how_addresses_are_spelled() {
    let key = signer().verifying_key();
    let spelled = |network: &str| Bitcoin::default().address_on(&key, &network.parse().unwrap());
    for (network, prefix) in [
        (MAIN, "bc1q"),
        (TEST, "tb1q"),
        ("bip122:00000000da84f2bafbbc53dee25a72ae", "tb1q"),
        ("bip122:00000008819873e925422c1ff0f99f7c", "tb1q"),
        ("bip122:0f9188f13cb7b2c71f2a335e3a4fc328", "bcrt1q"),
    ] {
        assert!(spelled(network).unwrap().starts_with(prefix), "{network}");
    }
    let litecoin = "bip122:12a765e31ffd4059bada1e25190f6e98";
    assert_eq!(spelled(litecoin), Err(KeyError::UnknownChain { chain_id: litecoin.parse().unwrap() }));
    let ed25519 = SigningKey::from_secret_bytes(Curve::Ed25519, &[1; 32]).unwrap().verifying_key();
    assert!(matches!(Bitcoin::default().address(&ed25519), Err(KeyError::CurveMismatch { .. })));
}

#[test]
fn reads_the_psbts_of_bip_174_and_bip_371_and_says_why_none_is_signed() {
    let mut seen = 0;
    for line in include_str!("vectors/bip-0174.txt").lines().filter(|line| !line.starts_with('#')) {
        let (_, rest) = line.split_once(' ').unwrap();
        let (bytes, reason) = rest.split_once(' ').unwrap();
        let error = decode(&hex::decode(bytes).unwrap()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error} for {line}");
        seen += 1;
    }
    assert_eq!(seen, 27);
}

#[test]
fn signs_every_kind_of_input_and_libsecp256k1_agrees() {
    let psbt = psbt(&ALL_TYPES.map(|kind| (kind, 100_000)), vec![pay(390_000)]);
    let signed = sign(&psbt);
    let raw = chain::extract(&signed.bytes).unwrap();
    let transaction: BitcoinTransaction = deserialize(&raw).unwrap();
    assert_eq!(signed.id, transaction.compute_txid().to_string());
    assert_eq!(verify(&transaction, &spent(&psbt)), 4);
    let last = Psbt::deserialize(&signed.bytes).unwrap();
    assert_eq!(last.inputs[0].non_witness_utxo, psbt.inputs[0].non_witness_utxo, "what is spent stays");
    assert_eq!((&last.inputs[1].redeem_script, last.inputs[3].tap_internal_key), (&None, None), "the rest goes");
    assert_eq!(sign(&psbt), signed, "signing again gives the same bytes");
}

#[test]
fn says_what_it_does() {
    let change = TxOut { value: Amount::from_sat(70_000), script_pubkey: script(AddressType::P2tr) };
    let mut psbt = psbt(&[(AddressType::P2wpkh, 100_000)], vec![pay(10_000), change, pay(15_000)]);
    psbt.unsigned_tx.lock_time = absolute::LockTime::from_height(800_000).unwrap();
    psbt.unsigned_tx.input[0].sequence = Sequence::from_height(10);
    let transaction = decode(&psbt.serialize()).unwrap();
    let summary = transaction.summary();
    let to = |satoshi: u64| Action::Transfer { to: RECEIVER.to_owned(), amount: satoshi.into() };
    assert_eq!(summary.actions, [to(10_000), to(15_000)]);
    assert_eq!(summary.fee_ceiling, Some(5_000_u64.into()));
    let change = chain::address(&signer().verifying_key(), &MAIN.parse().unwrap(), AddressType::P2tr).unwrap();
    let text = &summary.text;
    assert!(
        text.starts_with(&format!(
            "transfer 0.0001 to {RECEIVER}, change 0.0007 to {change}, transfer 0.00015 to {RECEIVER} on {MAIN}; spends \
             0.001 of 1 outputs of the signer's; fee 0.00005 (about "
        )),
        "{text}"
    );
    for words in
        ["valid after block 800000", "replaceable (BIP-125)", "input 0 waits 10 blocks", "version 2; PSBT SHA-256"]
    {
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(transaction.to_bytes(), psbt.serialize());
}

#[test]
fn what_only_returns_to_the_signer_is_a_transfer_to_the_signer() {
    let own = TxOut { value: Amount::from_sat(90_000), script_pubkey: script(AddressType::P2wpkh) };
    let actions = actions(&psbt(&[(AddressType::P2wpkh, 100_000)], vec![own]));
    let to = chain::address(&signer().verifying_key(), &MAIN.parse().unwrap(), AddressType::P2wpkh).unwrap();
    assert_eq!(actions, [Action::Transfer { to, amount: 90_000_u64.into() }]);
}

/// BIP-84's and BIP-86's first change addresses.
#[test]
fn change_is_recognised_by_permitted_paths_and_nothing_else() {
    let seed = Mnemonic::from_phrase(ABOUT).unwrap().to_seed("");
    let parents = ["m/84'/0'/0'/1", "m/86'/0'/0'/1"].map(|path| path.parse().unwrap());
    let change_keys = ChangePaths::new(&seed, parents, 5).unwrap();
    let judge = |psbt: &Psbt, change_keys: Option<&dyn ChangeKeys>| {
        let (key, main, bytes) = (signer().verifying_key(), MAIN.parse().unwrap(), psbt.serialize());
        let payload =
            Payload { change_keys, ..Payload::new(Encoding::Binary, &bytes).on_chain(&main).for_signer(&key) };
        Bitcoin::default().decode(&payload).unwrap().summary().clone()
    };
    for (address, path, is_change) in [
        ("bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el", "m/84'/0'/0'/1/0", true),
        ("bc1p3qkhfews2uk44qtvauqyr2ttdsw7svhkl9nkm9s9c3x4ax5h60wqwruhk7", "m/86'/0'/0'/1/0", true),
        ("bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g", "m/84'/0'/0'/0/1", false), // where payments are received
        ("bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el", "m/84'/0'/0'/1/1", false), // another path than the script's
        ("bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el", "m/84'/0'/0'/1/0'", false),
        ("bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el", "m/84'/0'/0'/1", false),
        (RECEIVER, "m/84'/0'/0'/1/0", false), // what an output says of itself is not believed
    ] {
        let psbt = change_psbt(address, &[path]);
        let summary = judge(&psbt, Some(&change_keys));
        let to_others = [Action::Transfer { to: RECEIVER.to_owned(), amount: 10_000_u64.into() }];
        let everything = [&to_others[..], &[Action::Transfer { to: address.to_owned(), amount: 80_000_u64.into() }]];
        let expected = if is_change { to_others.to_vec() } else { everything.concat() };
        assert_eq!(summary.actions, expected, "{address} {path}");
        assert_eq!(summary.text.contains(&format!("change 0.0008 to {address}")), is_change, "{}", summary.text);
        assert_eq!(judge(&psbt, None).actions, everything.concat(), "without change keys");
    }
    let far = ChangePaths::new(&seed, ["m/84'/0'/0'/1".parse().unwrap()], 0).unwrap();
    let second = SigningKey::derive(Curve::Secp256k1, &seed, &"m/84'/0'/0'/1/1".parse().unwrap()).unwrap();
    let second = chain::address(&second.verifying_key(), &MAIN.parse().unwrap(), AddressType::P2wpkh).unwrap();
    let psbt = change_psbt(&second, &["m/84'/0'/0'/1/1"]);
    assert_eq!(judge(&psbt, Some(&change_keys)).actions.len(), 1);
    assert_eq!(judge(&psbt, Some(&far)).actions.len(), 2, "beyond the highest index");
    let shared = change_psbt("bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el", &["m/84'/0'/0'/1/0", "m/84'/0'/0'/1/1"]);
    assert_eq!(judge(&shared, Some(&change_keys)).actions.len(), 2, "an output of several keys");
    assert_eq!(format!("{change_keys:?}"), "ChangePaths { max_index: 5, .. }");
}

/// Pays 10,000 satoshi to somebody and 80,000 to `address`, which is said to belong to the keys at `paths`.
fn change_psbt(address: &str, paths: &[&str]) -> Psbt {
    let script = address.parse::<bitcoin::Address<_>>().unwrap().assume_checked().script_pubkey();
    let is_taproot = script.is_p2tr();
    let change = TxOut { value: Amount::from_sat(80_000), script_pubkey: script };
    let mut psbt = psbt(&[(AddressType::P2wpkh, 100_000)], vec![pay(10_000), change]);
    for (salt, path) in (1_u8..).zip(paths) {
        let source = (bitcoin::bip32::Fingerprint::default(), path.parse().unwrap());
        let key = SecretKey::from_slice(&[salt; 32]).unwrap().public_key(&Secp256k1::new()); // not believed either
        if is_taproot {
            psbt.outputs[1].tap_key_origins.insert(key.x_only_public_key().0, (Vec::new(), source));
        } else {
            psbt.outputs[1].bip32_derivation.insert(key, source);
        }
    }
    psbt
}

#[test]
fn data_and_scripts_without_an_address_are_told_apart() {
    let output = |satoshi, script: &str| TxOut {
        value: Amount::from_sat(satoshi),
        script_pubkey: ScriptBuf::from_hex(script).unwrap(),
    };
    let data = output(0, "6a0568656c6c6f");
    let one = &[(AddressType::P2wpkh, 20_000)];
    let exception = Action::Exception { name: "op_return".into() };
    let with_payment = actions(&psbt(one, vec![data.clone(), pay(10_000)]));
    assert_eq!(with_payment[0], exception);
    assert!(matches!(with_payment[1..], [Action::Transfer { .. }]));
    let text = decode(&psbt(one, vec![data.clone(), pay(10_000)]).serialize()).unwrap().summary().text.clone();
    assert!(text.contains("data in script 6a0568656c6c6f"), "{text}");
    let own = TxOut { value: Amount::from_sat(10_000), script_pubkey: script(AddressType::P2pkh) };
    assert!(matches!(actions(&psbt(one, vec![data.clone(), own]))[..], [_, Action::Transfer { .. }]));
    assert!(matches!(actions(&psbt(one, vec![data]))[..], [_, Action::Unknown { .. }]), "all of it is fee");
    for unknown in [
        output(1, "6a0568656c6c6f"),                                                         // burns
        output(1, ""),                                                                       // anyone's
        output(1, "51"),                                                                     // anyone's
        output(1, "210279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798ac"), // P2PK
        output(1, "000301020304"),                                                           // no program of version 0
    ] {
        let actions = actions(&psbt(one, vec![unknown]));
        assert!(matches!(actions[..], [Action::Unknown { .. }]), "{actions:?}");
    }
}

#[test]
fn a_signature_that_leaves_something_open_is_an_exception_by_name() {
    for (sighash_type, name) in [
        (TapSighashType::None, Some("sighash_none")),
        (TapSighashType::Single, Some("sighash_single")),
        (TapSighashType::AllPlusAnyoneCanPay, Some("sighash_anyonecanpay")),
        (TapSighashType::NonePlusAnyoneCanPay, Some("sighash_none_anyonecanpay")),
        (TapSighashType::SinglePlusAnyoneCanPay, Some("sighash_single_anyonecanpay")),
        (TapSighashType::All, None),
    ] {
        for kind in ALL_TYPES {
            let mut psbt = psbt(&[(kind, 100_000), (AddressType::P2wpkh, 50_000)], vec![pay(149_000)]);
            psbt.inputs[0].sighash_type = Some(sighash_type.into());
            let transaction = decode(&psbt.serialize()).unwrap();
            let summary = transaction.summary();
            let exceptions: Vec<_> =
                summary.actions.iter().filter(|action| matches!(action, Action::Exception { .. })).cloned().collect();
            let expected = name.map(|name| Action::Exception { name: name.into() });
            assert_eq!(exceptions, Vec::from_iter(expected));
            let ceiling = if name.is_some() { 150_000_u64 } else { 1_000 };
            assert_eq!(summary.fee_ceiling, Some(ceiling.into()));
            let last: BitcoinTransaction = deserialize(&chain::extract(&sign(&psbt).bytes).unwrap()).unwrap();
            let signature = match kind {
                AddressType::P2pkh => last.input[0].script_sig.as_bytes()[1..].to_vec(),
                _ => last.input[0].witness.nth(0).unwrap().to_vec(),
            };
            let len = if kind == AddressType::P2tr { 64 } else { usize::from(signature[1]) + 2 };
            assert_eq!(signature[len], sighash_type as u8);
        }
    }
}

/// Two PSBTs, each of which says that the other's input holds less than it does: together their signatures would pay the
/// difference as a fee. So an amount that the signatures do not all commit to must be proven.
#[test]
fn amounts_that_another_signature_does_not_commit_to_must_be_proven() {
    let is_missing = |psbt: &Psbt, index: usize| {
        let error = decode(&psbt.serialize()).unwrap_err();
        assert_eq!(error, DecodeError::Missing { field: format!("the non_witness_utxo of input {index}").into() });
    };
    for kind in [AddressType::P2shP2wpkh, AddressType::P2wpkh] {
        let mut psbt = psbt(&[(kind, 100_000), (kind, 100_000)], vec![pay(199_000)]);
        let proof = psbt.inputs[1].non_witness_utxo.take();
        psbt.inputs[1].witness_utxo = Some(TxOut { value: Amount::from_sat(100_000), script_pubkey: script(kind) });
        is_missing(&psbt, 1);
        // With a proof beside it, a lie shows.
        psbt.inputs[1].non_witness_utxo = proof;
        decode(&psbt.serialize()).unwrap();
        psbt.inputs[1].witness_utxo.as_mut().unwrap().value = Amount::from_sat(99_999);
        assert!(refusal(&psbt).contains("witness_utxo of input 1"), "{}", refusal(&psbt));
    }
    let taproot = |kind| {
        let mut psbt = psbt(&[(AddressType::P2tr, 100_000), (kind, 100_000)], vec![pay(199_000)]);
        psbt.inputs[0].witness_utxo =
            Some(TxOut { value: Amount::from_sat(100_000), script_pubkey: script(AddressType::P2tr) });
        psbt.inputs[0].non_witness_utxo = None;
        psbt
    };
    decode(&taproot(AddressType::P2tr).serialize()).unwrap();
    is_missing(&taproot(AddressType::P2wpkh), 0);
    is_missing(&taproot(AddressType::P2pkh), 0);
    for index in [0, 1] {
        let mut psbt = taproot(AddressType::P2tr);
        psbt.inputs[index].sighash_type = Some(TapSighashType::All.into());
        decode(&psbt.serialize()).unwrap();
        psbt.inputs[index].sighash_type = Some(TapSighashType::AllPlusAnyoneCanPay.into());
        is_missing(&psbt, 0); // whichever of the two it is
    }
    // A lie about a Taproot input makes every signature worthless: none is valid for what is really spent.
    let mut lie = taproot(AddressType::P2tr);
    lie.inputs[0].witness_utxo.as_mut().unwrap().value = Amount::from_sat(100_001);
    let last: BitcoinTransaction = deserialize(&chain::extract(&sign(&lie).bytes).unwrap()).unwrap();
    assert_eq!(verify(&last, &spent(&psbt(&[(AddressType::P2tr, 100_000); 2], vec![pay(199_000)]))), 0);
}

#[test]
fn refuses_what_breaks_the_rules() {
    let good = psbt(&ALL_TYPES.map(|kind| (kind, 100_000)), vec![pay(390_000)]);
    decode(&good.serialize()).unwrap();
    let cases: [(&str, &str, Edit<'_>); 25] = [
        ("another previous transaction", "txid of the non_witness_utxo of input 0", &|p| {
            p.inputs[0].non_witness_utxo = p.inputs[1].non_witness_utxo.clone();
        }),
        ("no previous transaction", "non_witness_utxo of input 2 is missing", &|p| p.inputs[2].non_witness_utxo = None),
        ("an output that is not there", "output index of input 0", &|p| {
            p.unsigned_tx.input[0].previous_output.vout = 9
        }),
        ("somebody else's input", "script that input 0 spends", &|p| foreign(p, 0)),
        ("the same outpoint twice", "outpoint of input 1", &|p| {
            p.unsigned_tx.input[1] = p.unsigned_tx.input[0].clone();
            p.inputs[1] = p.inputs[0].clone();
        }),
        ("the null outpoint", "outpoint of input 0", &|p| p.unsigned_tx.input[0].previous_output = OutPoint::null()),
        ("more out than in", "sum of the outputs", &|p| p.unsigned_tx.output[0].value = Amount::from_sat(400_001)),
        ("more than all bitcoin", "the outputs: expected at most 2100000000000000", &|p| {
            p.unsigned_tx.output[0].value = Amount::from_sat(u64::MAX);
        }),
        ("version 3", "version: expected 1 or 2, found 3", &|p| p.unsigned_tx.version = Version(3)),
        ("version 0", "version: expected 1 or 2, found 0", &|p| p.unsigned_tx.version = Version(0)),
        ("no outputs", "no outputs", &|p| {
            p.unsigned_tx.output.clear();
            p.outputs.clear();
        }),
        ("a redeem script where none belongs", "redeem script of input 2", &|p| {
            p.inputs[2].redeem_script = p.inputs[1].redeem_script.clone();
        }),
        ("another redeem script", "redeem script of input 1", &|p| p.inputs[1].redeem_script = Some(ScriptBuf::new())),
        ("another internal key", "internal key of input 3", &|p| {
            p.inputs[3].tap_internal_key = Some(other_key().x_only_public_key(&Secp256k1::new()).0);
        }),
        ("an internal key where none belongs", "internal key of input 2", &|p| {
            p.inputs[2].tap_internal_key = p.inputs[3].tap_internal_key;
        }),
        ("DEFAULT for ECDSA", "sighash type of input 2", &|p| {
            p.inputs[2].sighash_type = Some(TapSighashType::Default.into());
        }),
        ("an unheard sighash type", "sighash type of input 3", &|p| {
            p.inputs[3].sighash_type = Some(PsbtSighashType::from_u32(4));
        }),
        ("a sighash type beyond a byte", "sighash type of input 2: expected", &|p| {
            p.inputs[2].sighash_type = Some(PsbtSighashType::from_u32(0x101));
        }),
        ("SINGLE without an output", "SIGHASH_SINGLE", &|p| {
            p.inputs[1].sighash_type = Some(EcdsaSighashType::Single.into());
        }),
        ("SINGLE without an output, P2PKH", "SIGHASH_SINGLE", &|p| {
            p.inputs.swap(0, 1);
            p.unsigned_tx.input.swap(0, 1);
            p.inputs[1].sighash_type = Some(EcdsaSighashType::SinglePlusAnyoneCanPay.into());
        }),
        ("a witness script", "a witness script (key type 0x05 of input 2)", &|p| {
            p.inputs[2].witness_script = Some(ScriptBuf::new());
        }),
        ("a merkle root", "a script tree (key type 0x18 of input 3)", &|p| {
            p.inputs[3].tap_merkle_root = Some(bitcoin::taproot::TapNodeHash::from_byte_array([1; 32]));
        }),
        ("a final script", "an input that is final already (key type 0x07 of input 0)", &|p| {
            p.inputs[0].final_script_sig = Some(ScriptBuf::new());
        }),
        ("a proprietary field", "key type 0xfc of output 0", &|p| {
            let key = bitcoin::psbt::raw::ProprietaryKey { prefix: b"x".to_vec(), subtype: 0, key: vec![] };
            p.outputs[0].proprietary.insert(key, vec![]);
        }),
        ("an unknown field", "key type 0xf0 of the global map", &|p| {
            p.unknown.insert(bitcoin::psbt::raw::Key { type_value: 0xf0, key: vec![] }, vec![]);
        }),
    ];
    for (what, words, edit) in cases {
        let mut bad = good.clone();
        edit(&mut bad);
        let error = refusal(&bad);
        assert!(error.contains(words), "{what}: {error}");
    }
}

#[test]
fn refuses_an_absurd_fee_and_takes_a_high_one() {
    let fee = |satoshi: u64| refusable(&psbt(&[(AddressType::P2tr, 10_000_000)], vec![pay(10_000_000 - satoshi)]));
    // 99 virtual bytes: one P2TR input, one P2WPKH output.
    assert_eq!(fee(25_000 * 99), Ok(()));
    assert!(fee(25_000 * 99 + 1).unwrap_err().contains("the fee: expected at most 2475000 satoshi"));
}

#[test]
fn refuses_other_encodings_of_the_same() {
    let good = psbt(&[(AddressType::P2wpkh, 100_000)], vec![pay(99_000)]).serialize();
    decode(&good).unwrap();
    let at = 5 + 2 + 1; // magic, the first key, then the length of the transaction
    let padded = [&good[..7], &[0xfd, good[7], 0], &good[at..]].concat();
    let end = good.len() - 2; // the ends of the input's and the output's map
    let cases = [
        ("nothing", vec![], "does not start"),
        ("the magic alone", b"psbt\xff".to_vec(), "ends early"),
        ("a padded length", padded, "shortest form"),
        ("a trailing byte", [&good[..], &[0]].concat(), "left over"),
        ("cut short", good[..good.len() - 1].to_vec(), "ends early"),
        ("an explicit version", [&good[..at + 82], &[1, 0xfb, 4, 0, 0, 0, 0], &good[at + 82..]].concat(), "version"),
        ("a field twice", [&good[..end], &[1, 3, 4, 1, 0, 0, 0, 1, 3, 4, 1, 0, 0, 0], &good[end..]].concat(), "twice"),
        ("fields out of order", [&good[..at + 83], &[1, 3, 4, 1, 0, 0, 0], &good[at + 83..]].concat(), "canonical"),
        (
            "a count beyond the bytes",
            [&good[..12], &[0xfe, 0xff, 0xff, 0xff, 0x7f], &good[13..]].concat(),
            "ends early",
        ),
    ];
    for (what, bytes, words) in cases {
        let error = decode(&bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{what}: {error}");
    }
}

#[test]
fn counts_and_lengths_are_limited() {
    let many = |inputs: usize, outputs: usize| {
        let inputs = vec![(AddressType::P2tr, 100_000); inputs];
        refusable(&psbt(&inputs, vec![pay(300); outputs]))
    };
    assert_eq!(many(256, 256), Ok(()));
    assert!(many(257, 1).unwrap_err().contains("257 inputs, more than 256"));
    assert!(many(1, 257).unwrap_err().contains("257 outputs, more than 256"));
    let error = decode(&vec![0; (1 << 20) + 1]).unwrap_err();
    assert!(matches!(error, DecodeError::TooLong { len: 1_048_577, max: 1_048_576, .. }), "{error}");
}

/// The original way of hashing covers all of a transaction once for each input, and the bytes are kept until they are signed.
#[test]
fn what_p2pkh_inputs_cover_again_and_again_is_limited() {
    let data = |len: usize| TxOut {
        value: Amount::ZERO,
        script_pubkey: ScriptBuf::from_bytes([&[0x6a][..], &vec![0; len]].concat()),
    };
    let inputs = |kind, count| vec![(kind, 100_000); count];
    assert_eq!(refusable(&psbt(&inputs(AddressType::P2pkh, 256), vec![pay(99_000); 256])), Ok(()));
    let large = psbt(&inputs(AddressType::P2pkh, 256), vec![pay(99_000), data(20_000)]);
    assert!(refusal(&large).contains("what P2PKH inputs cover has "), "{}", refusal(&large));
    assert_eq!(refusable(&psbt(&inputs(AddressType::P2wpkh, 256), vec![pay(99_000), data(20_000)])), Ok(()));
    let largest = |len| psbt(&inputs(AddressType::P2wpkh, 1), vec![pay(99_000), data(len)]);
    let other_len = largest(0).unsigned_tx.base_size() + 4; // the length of the data has five bytes then
    assert_eq!(refusable(&largest(100_000 - other_len)), Ok(()));
    let error = refusal(&largest(100_001 - other_len));
    assert!(error.contains("the transaction has 100001 bytes, more than 100000"), "{error}");
}

#[test]
fn the_caller_names_network_and_signer() {
    let bytes = psbt(&[(AddressType::P2wpkh, 100_000)], vec![pay(99_000)]).serialize();
    let (key, main) = (signer().verifying_key(), MAIN.parse().unwrap());
    let payload = Payload::new(Encoding::Binary, &bytes);
    let decode = |payload: &Payload<'_>| Bitcoin::default().decode(payload).map(drop);
    let required = DecodeError::ChainIdRequired { namespace: "bip122".into() };
    assert_eq!(decode(&payload.for_signer(&key)), Err(required));
    assert_eq!(decode(&payload.on_chain(&main)), Err(DecodeError::Missing { field: "signer".into() }));
    for other in ["eip155:1", "bip122:12a765e31ffd4059bada1e25190f6e98"] {
        let other: ChainId = other.parse().unwrap();
        let error = decode(&payload.for_signer(&key).on_chain(&other)).unwrap_err();
        assert!(matches!(&error, DecodeError::Invalid { field, .. } if field == "chain_id"), "{error}");
    }
    let ed25519 = SigningKey::from_secret_bytes(Curve::Ed25519, &[1; 32]).unwrap().verifying_key();
    assert!(decode(&payload.for_signer(&ed25519).on_chain(&main)).is_err());
    let json = Payload::new(Encoding::Json, b"{}").for_signer(&key).on_chain(&main);
    assert!(matches!(decode(&json), Err(DecodeError::UnsupportedEncoding { .. })));
}

#[test]
fn only_the_named_signer_signs() {
    let transaction = decode(&psbt(&[(AddressType::P2wpkh, 100_000)], vec![pay(99_000)]).serialize()).unwrap();
    let other = SigningKey::from_secret_bytes(Curve::Secp256k1, &[9; 32]).unwrap().verifying_key();
    let error = transaction.signing_payloads(&other).unwrap_err();
    let address = |key: &VerifyingKey| Bitcoin::default().address(key).unwrap();
    let own = signer().verifying_key();
    assert_eq!(error, SignError::NotTheSigner { expected: address(&own), actual: address(&other) });
    let none = transaction.assemble(&own, &[]).unwrap_err();
    assert_eq!(none, SignError::SignatureCount { expected: 1, actual: 0 });
    let schnorr = Signature::from_schnorr_bytes(&[&[1; 32][..], &[1; 32]].concat()).unwrap();
    assert_eq!(transaction.assemble(&own, &[schnorr]), Err(SignError::SignatureScheme));
}

#[test]
fn extracts_only_what_is_final() {
    let psbt = psbt(&[(AddressType::P2wpkh, 100_000), (AddressType::P2tr, 100_000)], vec![pay(199_000)]);
    let refused = |psbt: &Psbt| chain::extract(&psbt.serialize()).unwrap_err().to_string();
    assert!(refused(&psbt).contains("0x17 of input 1"), "{}", refused(&psbt));
    let mut last = Psbt::deserialize(&sign(&psbt).bytes).unwrap();
    last.inputs[0].final_script_witness = None;
    assert!(refused(&last).contains("the final script of input 0 is missing"));
    assert!(chain::extract(&sign(&psbt).bytes[1..]).is_err());
}

type Edit<'a> = &'a dyn Fn(&mut Psbt);

/// Makes input `index` spend an output that the signer has no key for.
fn foreign(psbt: &mut Psbt, index: usize) {
    let input = &mut psbt.inputs[index];
    let previous = input.non_witness_utxo.as_mut().unwrap();
    let vout = usize::try_from(psbt.unsigned_tx.input[index].previous_output.vout).unwrap();
    previous.output[vout].script_pubkey = pay(0).script_pubkey;
    input.witness_utxo = None;
    psbt.unsigned_tx.input[index].previous_output.txid = previous.compute_txid();
}

fn other_key() -> SecretKey {
    SecretKey::from_slice(&[9; 32]).unwrap()
}

fn actions(psbt: &Psbt) -> Vec<Action> {
    decode(&psbt.serialize()).unwrap().summary().actions.clone()
}

fn refusal(psbt: &Psbt) -> String {
    refusable(psbt).unwrap_err()
}

fn refusable(psbt: &Psbt) -> Result<(), String> {
    decode(&psbt.serialize()).map(drop).map_err(|error| error.to_string())
}
