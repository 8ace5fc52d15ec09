//! A PSBT that was understood, signed and made final.

use bitcoin::{
    Network, Psbt, ScriptBuf, TapSighashType, Witness,
    consensus::encode::serialize,
    psbt::Input,
    script::{Builder, PushBytesBuf},
    transaction::Version,
};

use super::{
    address::{AddressType, OwnScripts},
    input::{self, Spent},
    sighash, summary,
    wire::{FORMAT, Stage, malformed, scan_psbt},
};
use crate::{
    ChainId, DecodeError, SignError, Signature, SignedTransaction, SigningPayload, Summary, VerifyingKey,
    chain::Transaction,
};

/// The network's own encoding of the transaction in a PSBT that was made final by
/// [`ChainSigner::sign`](crate::ChainSigner::sign): the bytes to be sent.
///
/// What the PSBT says beside it (the outputs that are spent, above all) lets whoever sends it check amounts and fee once
/// more; this is without it. No signature is verified here.
///
/// # Errors
/// [`DecodeError`] if it is not a version 0 PSBT in its one encoding, each of whose inputs is final.
pub fn extract(psbt: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let psbt = read(psbt, Stage::Final)?;
    let unfinished =
        psbt.inputs.iter().position(|input| input.final_script_sig.is_none() && input.final_script_witness.is_none());
    match unfinished {
        Some(index) => Err(DecodeError::Missing { field: format!("the final script of input {index}").into() }),
        None => Ok(serialize(&psbt.extract_tx_unchecked_fee_rate())),
    }
}

/// Our own reader goes first, the `bitcoin` crate's is the second opinion, and must write the same bytes again.
fn read(bytes: &[u8], stage: Stage) -> Result<Psbt, DecodeError> {
    scan_psbt(bytes, stage)?;
    let psbt = Psbt::deserialize(bytes).map_err(malformed)?;
    if psbt.serialize() == bytes { Ok(psbt) } else { Err(DecodeError::NotCanonical { format: FORMAT.into() }) }
}

#[derive(Debug)]
pub(super) struct PsbtTransaction {
    bytes: Vec<u8>,
    psbt: Psbt,
    network: Network,
    signer: VerifyingKey,
    own: OwnScripts,
    spent: Vec<Spent>,
    payloads: Vec<SigningPayload>,
    summary: Summary,
}

impl PsbtTransaction {
    pub(super) fn new(
        bytes: &[u8],
        chain_id: &ChainId,
        network: Network,
        signer: &VerifyingKey,
    ) -> Result<Self, DecodeError> {
        let own = OwnScripts::new(signer).map_err(|error| DecodeError::invalid("signer", "a Bitcoin key", error))?;
        let psbt = read(bytes, Stage::Unsigned)?;
        let version = psbt.unsigned_tx.version;
        if version != Version::ONE && version != Version::TWO {
            return Err(DecodeError::invalid("the transaction's version", "1 or 2", version.0));
        }
        let spent = input::spent(&psbt, &own)?;
        let summary = summary::summarise(&psbt.unsigned_tx, &spent, &own, chain_id, network, bytes)?;
        let payloads = sighash::payloads(&psbt.unsigned_tx, &spent, &own)?;
        Ok(Self { bytes: bytes.to_vec(), psbt, network, signer: *signer, own, spent, payloads, summary })
    }

    fn require_signer(&self, signer: &VerifyingKey) -> Result<(), SignError> {
        if *signer == self.signer {
            return Ok(());
        }
        let address = |own: &OwnScripts| own.address(AddressType::P2wpkh, self.network);
        Err(SignError::NotTheSigner { expected: address(&self.own)?, actual: address(&OwnScripts::new(signer)?)? })
    }

    /// As BIP-174 has it: of an input's fields, only what it spends stays beside the final scripts.
    fn finish(&self, index: usize, signature: &Signature) -> Result<Input, SignError> {
        let (input, spent) = (&self.psbt.inputs[index], &self.spent[index]);
        let (script_sig, witness) = finish(spent, signature, &self.own)?;
        Ok(Input {
            non_witness_utxo: input.non_witness_utxo.clone(),
            witness_utxo: input.witness_utxo.clone(),
            final_script_sig: script_sig,
            final_script_witness: witness,
            ..Input::default()
        })
    }
}

impl Transaction for PsbtTransaction {
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

    fn assemble(&self, signer: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError> {
        self.require_signer(signer)?;
        if signatures.len() != self.spent.len() {
            return Err(SignError::SignatureCount { expected: self.spent.len(), actual: signatures.len() });
        }
        let inputs = signatures.iter().enumerate().map(|(index, signature)| self.finish(index, signature));
        let psbt = Psbt { inputs: inputs.collect::<Result<_, _>>()?, ..self.psbt.clone() };
        let bytes = psbt.serialize();
        Ok(SignedTransaction { bytes, id: psbt.extract_tx_unchecked_fee_rate().compute_txid().to_string() })
    }
}

/// The script and the witness that spend an output.
pub(super) fn finish(
    spent: &Spent,
    signature: &Signature,
    own: &OwnScripts,
) -> Result<(Option<ScriptBuf>, Option<Witness>), SignError> {
    let signature = encode(spent, signature)?;
    let witness = || Some(Witness::from_slice(&[&signature[..], &own.public_key]));
    Ok(match spent.address_type {
        AddressType::P2pkh => (Some(pushes(&[&signature, &own.public_key])), None),
        AddressType::P2shP2wpkh => (Some(pushes(&[own.redeem_script().as_bytes()])), witness()),
        AddressType::P2wpkh => (None, witness()),
        AddressType::P2tr => (None, Some(Witness::from_slice(&[&signature]))),
    })
}

/// ECDSA in DER, or Schnorr as it is, then the sighash type, which Taproot leaves out if it is `Default`.
fn encode(spent: &Spent, signature: &Signature) -> Result<Vec<u8>, SignError> {
    if signature.curve() != crate::Curve::Secp256k1 {
        return Err(SignError::CurveMismatch { expected: crate::Curve::Secp256k1, actual: signature.curve() });
    }
    if signature.is_schnorr() != spent.is_taproot() {
        return Err(SignError::SignatureScheme);
    }
    let mut bytes = match k256::ecdsa::Signature::from_slice(&signature.to_bytes()) {
        Ok(ecdsa) if !spent.is_taproot() => ecdsa.to_der().as_bytes().to_vec(),
        _ => signature.to_bytes().to_vec(),
    };
    if spent.sighash_type != TapSighashType::Default {
        bytes.push(spent.sighash_type as u8);
    }
    Ok(bytes)
}

fn pushes(items: &[&[u8]]) -> ScriptBuf {
    let push = |builder: Builder, item: &&[u8]| {
        let mut bytes = PushBytesBuf::new();
        // Never refused: signatures, keys and scripts have less than 2^32 bytes.
        if bytes.extend_from_slice(item).is_ok() { builder.push_slice(bytes) } else { builder }
    };
    items.iter().fold(Builder::new(), push).into_script()
}
