//! A chain that `chain-signers` has never heard of, written with what the crate exports.

use chain_signers::{
    Action, Amount, Chain, ChainId, Curve, DecodeError, Encoding, KeyError, Payload, SignError, Signature,
    SignedTransaction, SigningPayload, Summary, Transaction, VerifyingKey,
};

/// A ledger on which accounts are named by one byte. A transaction is a tag, a receiver and an amount.
#[derive(Clone, Copy, Debug)]
pub struct Toy;

impl Chain for Toy {
    fn namespace(&self) -> &str {
        "toy"
    }

    fn curve(&self) -> Curve {
        Curve::Ed25519
    }

    fn address(&self, key: &VerifyingKey) -> Result<String, KeyError> {
        match key.curve() {
            Curve::Ed25519 => Ok(format!("toy-{:02x}", key.to_bytes()[0])),
            actual => Err(KeyError::CurveMismatch { expected: Curve::Ed25519, actual }),
        }
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        if payload.encoding != Encoding::Binary {
            return Err(DecodeError::UnsupportedEncoding { namespace: "toy".into(), encoding: payload.encoding });
        }
        let [TAG, to, amount @ ..] = payload.bytes else {
            return Err(DecodeError::malformed("a toy transaction", "it does not start with the tag and a receiver"));
        };
        let amount: [u8; 8] = amount.try_into().map_err(|_| DecodeError::invalid("amount", "8 bytes", amount.len()))?;
        let chain_id = payload.chain_id.ok_or(DecodeError::ChainIdRequired { namespace: "toy".into() })?;
        Ok(Box::new(ToyTransaction::new(chain_id.clone(), *to, u64::from_be_bytes(amount))))
    }
}

#[derive(Debug)]
struct ToyTransaction {
    bytes: Vec<u8>,
    summary: Summary,
}

impl ToyTransaction {
    fn new(chain_id: ChainId, to: u8, amount: u64) -> Self {
        let mut bytes = vec![TAG, to];
        bytes.extend(amount.to_be_bytes());
        let to = format!("toy-{to:02x}");
        let text = format!("{amount} to {to}");
        let actions = vec![Action::Transfer { to, amount: Amount::from(amount) }];
        Self { bytes, summary: Summary { chain_id, actions, fee_ceiling: Some(Amount::from(0_u64)), text } }
    }
}

impl Transaction for ToyTransaction {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    fn signing_payloads(&self, _: &VerifyingKey) -> Result<Vec<SigningPayload>, SignError> {
        Ok(vec![SigningPayload::message([DOMAIN, &self.bytes].concat())])
    }

    fn assemble(&self, _: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError> {
        let [signature] = signatures else {
            return Err(SignError::SignatureCount { expected: 1, actual: signatures.len() });
        };
        let signature = signature.to_bytes();
        let id = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(SignedTransaction { bytes: [self.bytes.as_slice(), &signature].concat(), id })
    }
}

/// Signed before the transaction, so that no other protocol's message is one of ours.
pub const DOMAIN: &[u8] = b"toy transaction v1";
const TAG: u8 = 0x74;
