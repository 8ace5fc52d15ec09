//! Messages signed as BIP-322's "simple" form says: as if they were transactions, which no network would take.

use bitcoin::{
    Amount, Network, OutPoint, ScriptBuf, Sequence, TapSighashType, Transaction as BitcoinTransaction, TxIn, TxOut,
    Witness, absolute,
    consensus::encode::serialize,
    opcodes::{OP_0, all::OP_RETURN},
    script::Builder,
    transaction::Version,
};

use super::{
    address::{AddressType, OwnScripts},
    input::Spent,
    sighash,
    transaction::finish,
    wire::{MAGIC, scan_transaction},
};
use crate::{
    Action, ChainId, DecodeError, SignError, Signature, SignedTransaction, SigningPayload, Summary, VerifyingKey,
    chain::Transaction, error::too_long, key::taproot::tagged_hash,
};

#[derive(Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
    network: Network,
    signer: VerifyingKey,
    own: OwnScripts,
    address: String,
    address_type: AddressType,
    spent: Spent,
    /// Without its witness.
    to_sign: BitcoinTransaction,
    payloads: Vec<SigningPayload>,
    summary: Summary,
}

impl Message {
    pub(super) fn new(
        bytes: &[u8],
        chain_id: &ChainId,
        network: Network,
        signer: &VerifyingKey,
        address_type: AddressType,
    ) -> Result<Self, DecodeError> {
        check(bytes, address_type)?;
        let invalid = |error| DecodeError::invalid("signer", "a Bitcoin key", error);
        let own = OwnScripts::new(signer).map_err(invalid)?;
        let address = own.address(address_type, network).map_err(invalid)?;
        let (spent, to_sign) = to_sign(bytes, address_type, &own);
        let payloads = sighash::payloads(&to_sign, std::slice::from_ref(&spent), &own)?;
        let sighash = payloads.iter().filter_map(SigningPayload::sighash).map(ToString::to_string).collect::<String>();
        let text = format!("sign the message {} as {address} on {chain_id} (BIP-322); sighash {sighash}", shown(bytes));
        let summary = Summary {
            chain_id: chain_id.clone(),
            actions: vec![Action::Message { framing: "bip322".into(), len: bytes.len() }],
            fee_ceiling: Some(crate::Amount::ZERO),
            text,
        };
        let bytes = bytes.to_vec();
        Ok(Self { bytes, network, signer: *signer, own, address, address_type, spent, to_sign, payloads, summary })
    }

    fn require_signer(&self, signer: &VerifyingKey) -> Result<(), SignError> {
        if *signer == self.signer {
            return Ok(());
        }
        let actual = OwnScripts::new(signer)?.address(self.address_type, self.network)?;
        Err(SignError::NotTheSigner { expected: self.address.clone(), actual })
    }
}

impl Transaction for Message {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    fn signing_payloads(&self, signer: &VerifyingKey) -> Result<Vec<SigningPayload>, SignError> {
        self.require_signer(signer)?;
        Ok(self.payloads.clone())
    }

    /// The witness, which people exchange in base64, and the id of the transaction that it would spend with.
    fn assemble(&self, signer: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError> {
        self.require_signer(signer)?;
        let [signature] = signatures else {
            return Err(SignError::SignatureCount { expected: 1, actual: signatures.len() });
        };
        let (_, witness) = finish(&self.spent, signature, &self.own)?;
        let bytes = serialize(&witness.unwrap_or_default());
        Ok(SignedTransaction { bytes, id: self.to_sign.compute_txid().to_string() })
    }
}

fn check(bytes: &[u8], address_type: AddressType) -> Result<(), DecodeError> {
    if bytes.len() > MAX_MESSAGE_LEN {
        return Err(too_long("the message", "bytes", bytes.len(), MAX_MESSAGE_LEN));
    }
    if !matches!(address_type, AddressType::P2wpkh | AddressType::P2tr) {
        return Err(DecodeError::UnsupportedType { found: format!("a message signed as {address_type:?}").into() });
    }
    if is_transaction(bytes)
        || hex::decode(bytes).is_ok_and(|bytes| is_transaction(&bytes))
        || bytes.starts_with(BASE64)
    {
        return Err(DecodeError::UnsupportedType { found: "a message that is a transaction or a PSBT".into() });
    }
    Ok(())
}

fn is_transaction(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC) || scan_transaction(bytes).is_ok()
}

/// BIP-322's two transactions: what the second one spends, which is the first one's output, and the second one.
fn to_sign(message: &[u8], address_type: AddressType, own: &OwnScripts) -> (Spent, BitcoinTransaction) {
    let hash = tagged_hash("BIP0322-signed-message", &[message]);
    let script_sig = Builder::new().push_opcode(OP_0).push_slice(hash).into_script();
    let challenge = TxOut { value: Amount::ZERO, script_pubkey: own.script(address_type).to_owned() };
    let to_spend = virtual_transaction(OutPoint::null(), script_sig, challenge.clone());
    let op_return = TxOut { value: Amount::ZERO, script_pubkey: Builder::new().push_opcode(OP_RETURN).into_script() };
    let outpoint = OutPoint { txid: to_spend.compute_txid(), vout: 0 };
    let sighash_type = if address_type == AddressType::P2tr { TapSighashType::Default } else { TapSighashType::All };
    let spent = Spent::proven(challenge, address_type, sighash_type);
    (spent, virtual_transaction(outpoint, ScriptBuf::new(), op_return))
}

fn virtual_transaction(previous_output: OutPoint, script_sig: ScriptBuf, output: TxOut) -> BitcoinTransaction {
    let input = TxIn { previous_output, script_sig, sequence: Sequence::ZERO, witness: Witness::new() };
    BitcoinTransaction {
        version: Version(0),
        lock_time: absolute::LockTime::ZERO,
        input: vec![input],
        output: vec![output],
    }
}

/// The message itself, so that nobody signs words that were not read.
fn shown(message: &[u8]) -> String {
    match std::str::from_utf8(message) {
        Ok(text) => format!("\"{}\"", text.escape_debug()),
        Err(_) => format!("of bytes {}", hex::encode(message)),
    }
}

/// In bytes. Its words are in the summary, escaped.
const MAX_MESSAGE_LEN: usize = 16 << 10;
/// How a PSBT begins in base64.
const BASE64: &[u8] = b"cHNidP";
