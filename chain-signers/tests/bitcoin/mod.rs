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

/// How many inputs have a signature that libsecp256k1 finds right.
pub(crate) fn verify(transaction: &BitcoinTransaction, spent: &[TxOut]) -> usize {
    (0..spent.len()).filter(|index| verify_input(transaction, spent, *index)).count()
}

fn verify_input(transaction: &BitcoinTransaction, spent: &[TxOut], index: usize) -> bool {
    let (input, script) = (&transaction.input[index], &spent[index].script_pubkey);
    if script.is_p2tr() {
        assert!(input.script_sig.is_empty() && input.witness.len() == 1);
        let (signature, hash_type) = input.witness[0].split_at(64);
        let signature = secp256k1::schnorr::Signature::from_slice(signature).unwrap();
        let hash_type = hash_type.first().copied().unwrap_or(0);
        let output_key = XOnlyPublicKey::from_slice(&script.as_bytes()[2..]).unwrap();
        let message = Message::from_digest(taproot_sighash(transaction, spent, index, HashType(hash_type)));
        return Secp256k1::verification_only().verify_schnorr(&signature, &message, &output_key).is_ok();
    }
    let [signature, public_key] = if script.is_p2pkh() {
        assert!(input.witness.is_empty());
        let pushes = input.script_sig.instructions().map(|it| it.unwrap().push_bytes().unwrap().as_bytes().to_vec());
        pushes.collect::<Vec<_>>().try_into().unwrap()
    } else {
        assert_eq!(input.script_sig.is_empty(), script.is_p2wpkh());
        input.witness.to_vec().try_into().unwrap()
    };
    let (hash_type, der) = signature.split_last().unwrap();
    let sighash = match script.is_p2pkh() {
        true => original_sighash(transaction, script, index, HashType(*hash_type)),
        false => bip_143_sighash(transaction, &spent[index], index, HashType(*hash_type)),
    };
    let signature = secp256k1::ecdsa::Signature::from_der(der).unwrap();
    let mut low = signature;
    low.normalize_s();
    assert_eq!(signature, low);
    assert_eq!(public_key, signer().verifying_key().to_bytes());
    let public_key = secp256k1::PublicKey::from_slice(&public_key).unwrap();
    Secp256k1::verification_only().verify_ecdsa(&Message::from_digest(sighash), &signature, &public_key).is_ok()
}

#[derive(Clone, Copy)]
struct HashType(u8);

impl HashType {
    fn anyone_can_pay(self) -> bool {
        self.0 & 0x80 != 0
    }

    fn none(self) -> bool {
        self.0 & 3 == 2
    }

    fn single(self) -> bool {
        self.0 & 3 == 3
    }
}

/// The transaction with the script in the place of the input's own, without what the type leaves open, and the type.
fn original_sighash(transaction: &BitcoinTransaction, script: &ScriptBuf, index: usize, kind: HashType) -> [u8; 32] {
    let mut stripped = transaction.clone();
    for (at, input) in stripped.input.iter_mut().enumerate() {
        input.script_sig = if at == index { script.clone() } else { ScriptBuf::new() };
        input.witness = Witness::new();
        if at != index && (kind.none() || kind.single()) {
            input.sequence = Sequence::ZERO;
        }
    }
    if kind.none() {
        stripped.output.clear();
    }
    if kind.single() {
        stripped.output.truncate(index + 1);
        stripped.output[..index].fill(TxOut { value: Amount::from_sat(u64::MAX), script_pubkey: ScriptBuf::new() });
    }
    if kind.anyone_can_pay() {
        stripped.input = vec![stripped.input[index].clone()];
    }
    double_sha256(&[&serialize(&stripped)[..], &[kind.0, 0, 0, 0]].concat())
}

fn bip_143_sighash(transaction: &BitcoinTransaction, spent: &TxOut, index: usize, kind: HashType) -> [u8; 32] {
    let input = &transaction.input[index];
    let hash = script(AddressType::P2pkh).as_bytes()[3..23].to_vec();
    let hashed = |is_covered: bool, parts: Vec<Vec<u8>>| {
        if is_covered { double_sha256(&parts.concat()).to_vec() } else { vec![0; 32] }
    };
    let all_inputs = !kind.anyone_can_pay();
    let all_sequences = all_inputs && !kind.none() && !kind.single();
    let outputs = match kind.single() {
        true => vec![serialize(&transaction.output[index])],
        false => transaction.output.iter().map(serialize).collect(),
    };
    double_sha256(
        &[
            serialize(&transaction.version),
            hashed(all_inputs, transaction.input.iter().map(|input| serialize(&input.previous_output)).collect()),
            hashed(all_sequences, transaction.input.iter().map(|input| serialize(&input.sequence)).collect()),
            serialize(&input.previous_output),
            vec![0x19, 0x76, 0xa9, 0x14],
            hash,
            vec![0x88, 0xac],
            spent.value.to_sat().to_le_bytes().to_vec(),
            serialize(&input.sequence),
            hashed(!kind.none(), outputs),
            serialize(&transaction.lock_time),
            vec![kind.0, 0, 0, 0],
        ]
        .concat(),
    )
}

fn taproot_sighash(transaction: &BitcoinTransaction, spent: &[TxOut], index: usize, kind: HashType) -> [u8; 32] {
    let hashed = |is_covered: bool, parts: Vec<Vec<u8>>| {
        if is_covered { Sha256::digest(parts.concat()).to_vec() } else { vec![] }
    };
    let (tag, input) = (Sha256::digest("TapSighash").to_vec(), &transaction.input[index]);
    let amount = |output: &TxOut| output.value.to_sat().to_le_bytes().to_vec();
    let all_inputs = !kind.anyone_can_pay();
    let own = match all_inputs {
        true => u32::try_from(index).unwrap().to_le_bytes().to_vec(),
        false => [
            serialize(&input.previous_output),
            amount(&spent[index]),
            serialize(&spent[index].script_pubkey),
            serialize(&input.sequence),
        ]
        .concat(),
    };
    let message = [
        tag.clone(),
        tag,
        vec![0, kind.0],
        serialize(&transaction.version),
        serialize(&transaction.lock_time),
        hashed(all_inputs, transaction.input.iter().map(|input| serialize(&input.previous_output)).collect()),
        hashed(all_inputs, spent.iter().map(amount).collect()),
        hashed(all_inputs, spent.iter().map(|output| serialize(&output.script_pubkey)).collect()),
        hashed(all_inputs, transaction.input.iter().map(|input| serialize(&input.sequence)).collect()),
        hashed(!kind.none() && !kind.single(), transaction.output.iter().map(serialize).collect()),
        vec![0],
        own,
        hashed(kind.single(), transaction.output.get(index).map(serialize).into_iter().collect()),
    ];
    Sha256::digest(message.concat()).into()
}

fn double_sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}
