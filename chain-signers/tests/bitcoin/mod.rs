//! PSBTs to be signed, and a verifier that shares nothing with the signer but the transaction's encoding.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::{Arc, LazyLock};

use bitcoin::{
    Amount, OutPoint, Psbt, ScriptBuf, Sequence, Transaction as BitcoinTransaction, TxIn, TxOut, Txid, Witness,
    absolute,
    consensus::encode::serialize,
    hashes::Hash,
    secp256k1::{self, Message, Secp256k1, XOnlyPublicKey},
    transaction::Version,
};
use chain_signers::{
    Chain, ChainSigner, Curve, DecodeError, Encoding, Payload, SignedTransaction, SigningKey, Transaction,
    VerifyingKey,
    bitcoin::{self as chain, AddressType, Bitcoin},
};
use sha2::{Digest, Sha256};

pub(crate) const MAIN: &str = "bip122:000000000019d6689c085ae165831e93";
pub(crate) const TEST: &str = "bip122:000000000933ea01ad0ee984209779ba";
/// BIP-173's example.
pub(crate) const RECEIVER: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
pub(crate) const ALL_TYPES: [AddressType; 4] =
    [AddressType::P2pkh, AddressType::P2shP2wpkh, AddressType::P2wpkh, AddressType::P2tr];

pub(crate) fn signer() -> SigningKey {
    SigningKey::from_secret_bytes(Curve::Secp256k1, &[0x46; 32]).unwrap()
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Box<dyn Transaction>, DecodeError> {
    static SIGNER: LazyLock<VerifyingKey> = LazyLock::new(|| signer().verifying_key());
    let (key, main) = (*SIGNER, MAIN.parse().unwrap());
    Bitcoin::default().decode(&Payload::new(Encoding::Binary, bytes).on_chain(&main).for_signer(&key))
}

pub(crate) fn sign(psbt: &Psbt) -> SignedTransaction {
    let signer = ChainSigner::new(Arc::new(Bitcoin::default()), signer()).unwrap();
    signer.sign(decode(&psbt.serialize()).unwrap().as_ref()).unwrap()
}

/// The script of one of the signer's addresses, by way of its text.
pub(crate) fn script(address_type: AddressType) -> ScriptBuf {
    let text = chain::address(&signer().verifying_key(), &MAIN.parse().unwrap(), address_type).unwrap();
    text.parse::<bitcoin::Address<_>>().unwrap().assume_checked().script_pubkey()
}

/// An output to somebody else.
pub(crate) fn pay(satoshi: u64) -> TxOut {
    let receiver = RECEIVER.parse::<bitcoin::Address<_>>().unwrap().assume_checked();
    TxOut { value: Amount::from_sat(satoshi), script_pubkey: receiver.script_pubkey() }
}

/// Spends outputs of these types and amounts, each made by a transaction of its own.
pub(crate) fn psbt(inputs: &[(AddressType, u64)], outputs: Vec<TxOut>) -> Psbt {
    let previous: Vec<_> =
        (0_u8..=255).cycle().zip(inputs).enumerate().map(|(n, (salt, it))| funding(n, salt, *it)).collect();
    let input = previous
        .iter()
        .map(|previous| TxIn {
            previous_output: OutPoint { txid: previous.compute_txid(), vout: 1 },
            sequence: Sequence::MAX,
            ..TxIn::default()
        })
        .collect();
    let unsigned =
        BitcoinTransaction { version: Version::TWO, lock_time: absolute::LockTime::ZERO, input, output: outputs };
    let mut psbt = Psbt::from_unsigned_tx(unsigned).unwrap();
    for ((input, previous), (kind, _)) in psbt.inputs.iter_mut().zip(previous).zip(inputs) {
        match kind {
            AddressType::P2shP2wpkh => input.redeem_script = Some(script(AddressType::P2wpkh)),
            AddressType::P2tr => {
                let x_only = signer().verifying_key().to_x_only_bytes().unwrap();
                input.tap_internal_key = Some(XOnlyPublicKey::from_slice(&x_only).unwrap());
            }
            AddressType::P2pkh | AddressType::P2wpkh => {}
        }
        input.non_witness_utxo = Some(previous);
    }
    psbt
}

fn funding(n: usize, salt: u8, (kind, satoshi): (AddressType, u64)) -> BitcoinTransaction {
    let output = TxOut { value: Amount::from_sat(satoshi), script_pubkey: script(kind) };
    BitcoinTransaction {
        version: Version::TWO,
        lock_time: absolute::LockTime::from_consensus(u32::try_from(n).unwrap()),
        input: vec![TxIn {
            previous_output: OutPoint { txid: Txid::from_byte_array([salt; 32]), vout: 0 },
            witness: Witness::from_slice(&[[salt; 2]]),
            ..TxIn::default()
        }],
        output: vec![pay(1), output],
    }
}

/// What a PSBT spends, as its previous transactions say.
pub(crate) fn spent(psbt: &Psbt) -> Vec<TxOut> {
    psbt.inputs.iter().map(|input| input.non_witness_utxo.as_ref().unwrap().output[1].clone()).collect()
}

/// How many inputs have a signature that libsecp256k1 finds right, for `SIGHASH_ALL` and `SIGHASH_DEFAULT`.
pub(crate) fn verify(transaction: &BitcoinTransaction, spent: &[TxOut]) -> usize {
    (0..spent.len()).filter(|index| verify_input(transaction, spent, *index)).count()
}

fn verify_input(transaction: &BitcoinTransaction, spent: &[TxOut], index: usize) -> bool {
    let (input, script) = (&transaction.input[index], &spent[index].script_pubkey);
    if script.is_p2tr() {
        assert!(input.script_sig.is_empty() && input.witness.len() == 1);
        let signature = secp256k1::schnorr::Signature::from_slice(&input.witness[0]).unwrap();
        let output_key = XOnlyPublicKey::from_slice(&script.as_bytes()[2..]).unwrap();
        let message = Message::from_digest(taproot_sighash(transaction, spent, index));
        return Secp256k1::verification_only().verify_schnorr(&signature, &message, &output_key).is_ok();
    }
    let (signature, public_key, sighash) = if script.is_p2pkh() {
        assert!(input.witness.is_empty());
        let pushes: Vec<_> =
            input.script_sig.instructions().map(|it| it.unwrap().push_bytes().unwrap().as_bytes().to_vec()).collect();
        let [signature, public_key] = pushes.try_into().unwrap();
        (signature, public_key, original_sighash(transaction, script, index))
    } else {
        assert_eq!(input.script_sig.is_empty(), script.is_p2wpkh());
        assert_eq!(input.witness.len(), 2);
        let sighash = bip_143_sighash(transaction, &spent[index], index);
        (input.witness[0].to_vec(), input.witness[1].to_vec(), sighash)
    };
    let (hash_type, der) = signature.split_last().unwrap();
    assert_eq!(*hash_type, 1);
    let mut signature = secp256k1::ecdsa::Signature::from_der(der).unwrap();
    let low = signature;
    signature.normalize_s();
    assert_eq!(signature, low, "S is low");
    assert_eq!(public_key, signer().verifying_key().to_bytes());
    let public_key = secp256k1::PublicKey::from_slice(&public_key).unwrap();
    Secp256k1::verification_only().verify_ecdsa(&Message::from_digest(sighash), &signature, &public_key).is_ok()
}

/// The transaction with the script in the place of the input's own, none elsewhere, and the hash type.
fn original_sighash(transaction: &BitcoinTransaction, script: &ScriptBuf, index: usize) -> [u8; 32] {
    let mut stripped = transaction.clone();
    for (at, input) in stripped.input.iter_mut().enumerate() {
        input.script_sig = if at == index { script.clone() } else { ScriptBuf::new() };
        input.witness = Witness::new();
    }
    double_sha256(&[&serialize(&stripped)[..], &[1, 0, 0, 0]].concat())
}

fn bip_143_sighash(transaction: &BitcoinTransaction, spent: &TxOut, index: usize) -> [u8; 32] {
    let input = &transaction.input[index];
    let hash = {
        let script = script(AddressType::P2pkh);
        script.as_bytes()[3..23].to_vec()
    };
    let hashed = |parts: Vec<Vec<u8>>| double_sha256(&parts.concat()).to_vec();
    double_sha256(
        &[
            serialize(&transaction.version),
            hashed(transaction.input.iter().map(|input| serialize(&input.previous_output)).collect()),
            hashed(transaction.input.iter().map(|input| serialize(&input.sequence)).collect()),
            serialize(&input.previous_output),
            vec![0x19, 0x76, 0xa9, 0x14],
            hash,
            vec![0x88, 0xac],
            spent.value.to_sat().to_le_bytes().to_vec(),
            serialize(&input.sequence),
            hashed(transaction.output.iter().map(serialize).collect()),
            serialize(&transaction.lock_time),
            vec![1, 0, 0, 0],
        ]
        .concat(),
    )
}

/// For `SIGHASH_DEFAULT`.
fn taproot_sighash(transaction: &BitcoinTransaction, spent: &[TxOut], index: usize) -> [u8; 32] {
    let hashed = |parts: Vec<Vec<u8>>| Sha256::digest(parts.concat()).to_vec();
    let tag = Sha256::digest("TapSighash").to_vec();
    let message = [
        tag.clone(),
        tag,
        vec![0, 0],
        serialize(&transaction.version),
        serialize(&transaction.lock_time),
        hashed(transaction.input.iter().map(|input| serialize(&input.previous_output)).collect()),
        hashed(spent.iter().map(|output| output.value.to_sat().to_le_bytes().to_vec()).collect()),
        hashed(spent.iter().map(|output| serialize(&output.script_pubkey)).collect()),
        hashed(transaction.input.iter().map(|input| serialize(&input.sequence)).collect()),
        hashed(transaction.output.iter().map(serialize).collect()),
        vec![0],
        u32::try_from(index).unwrap().to_le_bytes().to_vec(),
    ];
    Sha256::digest(message.concat()).into()
}

fn double_sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}
