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
    change,
    input::{self, Spent},
    sighash, summary,
    wire::{FORMAT, Stage, malformed, scan_psbt},
};
use crate::{
    ChainId, DecodeError, SignError, Signature, SignedTransaction, SigningPayload, Summary, VerifyingKey,
    chain::{Payload, Transaction},
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
        payload: &Payload<'_>,
        chain_id: &ChainId,
        network: Network,
        signer: &VerifyingKey,
    ) -> Result<Self, DecodeError> {
        let bytes = payload.bytes;
        let psbt = read(bytes, Stage::Unsigned)?;
        let version = psbt.unsigned_tx.version;
        if version != Version::ONE && version != Version::TWO {
            return Err(DecodeError::invalid("the transaction's version", "1 or 2", version.0));
        }
        let own = OwnScripts::new(signer).map_err(|error| DecodeError::invalid("signer", "a Bitcoin key", error))?;
        let spent = input::spent(&psbt, &own)?;
        let owned = change::own_outputs(&psbt, &own, payload.change_keys, network)?;
        let summary = summary::summarise(&psbt.unsigned_tx, &spent, &owned, chain_id, network, bytes)?;
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

#[cfg(test)]
mod tests {
    use bitcoin::{
        Amount, Transaction, TxOut,
        consensus::encode::{deserialize, serialize_hex},
    };

    use super::*;
    use crate::{Curve, SigningKey};

    const BIP_143_P2SH_P2WPKH: &str = "0100000001db6b1b20aa0fd7b23880be2ecbd4a98130974cf4748fb66092ac4d3ceb1a5477\
        0100000000feffffff02b8b4eb0b000000001976a914a457b684d7f0d539a46a45bbc043f35b59d0d96388ac\
        0008af2f000000001976a914fd270b1ee6abcaea97fea7ad0402e8bd8ad6d77c88ac92040000";
    const BIP_143_P2SH_P2WPKH_SIGNED: &str = "01000000000101db6b1b20aa0fd7b23880be2ecbd4a98130974cf4748fb66092ac4d3ceb1a5477\
        010000001716001479091972186c449eb1ded22b78e40d009bdf0089feffffff\
        02b8b4eb0b000000001976a914a457b684d7f0d539a46a45bbc043f35b59d0d96388ac\
        0008af2f000000001976a914fd270b1ee6abcaea97fea7ad0402e8bd8ad6d77c88ac\
        02473044022047ac8e878352d3ebbde1c94ce3a10d057c24175747116f8288e5d794d12d482f\
        0220217f36a485cae903c713331d877c1f64677e3622ad4010726870540656fe9dcb01\
        2103ad1d8e89212f0b92c74d23bb710c00662ad1470198ac48c43f7d6f93a2a2687392040000";
    const BIP_143_P2WPKH: &str = "0100000002fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f\
        0000000000eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff\
        02202cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac\
        9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac11000000";

    /// The example "P2SH-P2WPKH" of BIP-143.
    #[test]
    fn signs_bip_143s_p2sh_p2wpkh_example() {
        let (key, own) = key("eb696a065ef48a2192da5b28b694f87544b30fae8327c4510137a922f32c6dcf");
        let spent = spent("a9144733f37cf4db86fbc2efed2500b4f4e49f31202387", 1_000_000_000);
        assert_eq!(own.type_of(&spent.script_pubkey), Some(AddressType::P2shP2wpkh));
        let spent = Spent::proven(spent, AddressType::P2shP2wpkh, TapSighashType::All);
        let mut transaction: Transaction = deserialize(&hex::decode(BIP_143_P2SH_P2WPKH).unwrap()).unwrap();
        let payloads = sighash::payloads(&transaction, std::slice::from_ref(&spent), &own).unwrap();
        let expected = "64f3b0f4dd2bb3aa1ce8566d220cc74dda9df97d8490cc81d89d735c92e59fb6";
        assert_eq!(payloads[0].sighash().unwrap().to_string(), expected);
        let (script_sig, witness) = finish(&spent, &key.sign(&payloads[0]).unwrap(), &own).unwrap();
        transaction.input[0].script_sig = script_sig.unwrap();
        transaction.input[0].witness = witness.unwrap();
        assert_eq!(serialize_hex(&transaction), BIP_143_P2SH_P2WPKH_SIGNED);
    }

    /// The second input of the example "Native P2WPKH" of BIP-143; the first is of a kind that is not signed here.
    #[test]
    fn signs_bip_143s_p2wpkh_example() {
        let (key, own) = key("619c335025c7f4012e556c2a58b2506e30b8511b53ade95ea316fd8c3286feb9");
        let output = spent("00141d0f172a0ecb48aee1be1f2687d2963ae33f71a1", 600_000_000);
        assert_eq!(own.type_of(&output.script_pubkey), Some(AddressType::P2wpkh));
        let spent = Spent::proven(output, AddressType::P2wpkh, TapSighashType::All);
        let transaction: Transaction = deserialize(&hex::decode(BIP_143_P2WPKH).unwrap()).unwrap();
        let payloads = sighash::payloads(&transaction, &[spent.clone(), spent.clone()], &own).unwrap();
        let expected = "c37af31116d1b27caf68aae9e3ac82f1477929014d5b917657d0eb49478cb670";
        assert_eq!(payloads[1].sighash().unwrap().to_string(), expected);
        assert!(
            hex::encode(payloads[1].as_bytes()).starts_with("0100000096b827c8483d4e9b96712b6713a7b68d6e8003a781feba36")
        );
        let (script_sig, witness) = finish(&spent, &key.sign(&payloads[1]).unwrap(), &own).unwrap();
        assert_eq!(script_sig, None);
        let witness: Vec<_> = witness.unwrap().iter().map(hex::encode).collect();
        let signature = "304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a\
            0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee01";
        let public_key = "025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee6357";
        assert_eq!(witness, [signature, public_key]);
    }

    #[test]
    fn a_signature_of_another_scheme_is_refused() {
        let (key, own) = key("619c335025c7f4012e556c2a58b2506e30b8511b53ade95ea316fd8c3286feb9");
        let sighash = crate::Sighash::new([1; 32]);
        let ecdsa = key.sign(&SigningPayload::hashed(vec![], sighash)).unwrap();
        let schnorr = key.sign(&SigningPayload::taproot(vec![], sighash)).unwrap();
        let ed25519 = Signature::from_bytes(Curve::Ed25519, &[1; 64], None).unwrap();
        for (kind, sighash_type, right, wrong) in [
            (AddressType::P2wpkh, TapSighashType::All, ecdsa, schnorr),
            (AddressType::P2tr, TapSighashType::Default, schnorr, ecdsa),
        ] {
            let spent = Spent::proven(spent("51", 1), kind, sighash_type);
            assert!(finish(&spent, &right, &own).is_ok());
            assert_eq!(finish(&spent, &wrong, &own), Err(SignError::SignatureScheme));
            assert!(matches!(finish(&spent, &ed25519, &own), Err(SignError::CurveMismatch { .. })));
        }
    }

    fn key(secret: &str) -> (SigningKey, OwnScripts) {
        let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &hex::decode(secret).unwrap()).unwrap();
        let own = OwnScripts::new(&key.verifying_key()).unwrap();
        (key, own)
    }

    fn spent(script: &str, satoshi: u64) -> TxOut {
        TxOut { value: Amount::from_sat(satoshi), script_pubkey: ScriptBuf::from_hex(script).unwrap() }
    }
}
