//! One transaction of each chain family that the enclave carries, and a check of what it signed that shares nothing with
//! the enclave but the chain's rules.

use anyhow::{Context, ensure};
use bitcoin::secp256k1::{Message, PublicKey, Secp256k1, ecdsa};
use bitcoin::sighash::{EcdsaSighashType, SighashCache};
use bitcoin::{Amount, OutPoint, Psbt, ScriptBuf, Transaction, TxIn, TxOut, absolute, transaction};
use chain_signers::{Curve, Encoding, Signature, SigningPayload, VerifyingKey, hazmat};
use sha2::{Digest, Sha256};
use signer_protocol::client::{KeyAnswer, SignAnswer};

/// A chain family beside Ethereum, whose turn the story's reference request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Specimen {
    Bitcoin,
    Cosmos,
    Solana,
}

impl Specimen {
    pub(crate) const ALL: [Self; 3] = [Self::Bitcoin, Self::Cosmos, Self::Solana];

    /// CAIP-2 namespace.
    pub(crate) const fn family(self) -> &'static str {
        match self {
            Self::Bitcoin => "bip122",
            Self::Cosmos => "cosmos",
            Self::Solana => "solana",
        }
    }

    /// CAIP-2 chain id of the main network.
    pub(crate) const fn chain_id(self) -> &'static str {
        match self {
            Self::Bitcoin => "bip122:000000000019d6689c085ae165831e93",
            Self::Cosmos => "cosmos:cosmoshub-4",
            Self::Solana => "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
        }
    }

    pub(crate) const fn encoding(self) -> Encoding {
        match self {
            Self::Bitcoin | Self::Solana => Encoding::Binary,
            Self::Cosmos => Encoding::Json,
        }
    }

    /// A policy that permits [`transaction`](Self::transaction)'s chain and destination, and nothing else.
    pub(crate) fn policy(self) -> String {
        let (chain, destination) = (self.chain_id(), self.destination());
        let tokens = match self {
            Self::Cosmos => r#","tokens":[{"token":"uatom","max_amount":"1234567"}]"#,
            Self::Bitcoin | Self::Solana => "",
        };
        format!(
            r#"{{"version":1,"rules":[{{"name":"{}","effect":"allow","chains":["{chain}"],"destinations":["{destination}"]{tokens}}}]}}"#,
            self.family()
        )
    }

    /// An unsigned transaction out of the account of `key`.
    ///
    /// # Errors
    /// If the key's answer is not such as the family has.
    pub(crate) fn transaction(self, key: &KeyAnswer) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Bitcoin => Ok(psbt(key)?.serialize()),
            Self::Cosmos => Ok(std_sign_doc(&key.address).into_bytes()),
            Self::Solana => solana_message(&key.public_key),
        }
    }

    /// Checks the signature on what was signed.
    ///
    /// # Errors
    /// What does not hold.
    pub(crate) fn check(self, key: &KeyAnswer, transaction: &[u8], answer: &SignAnswer) -> anyhow::Result<()> {
        let verifying_key = VerifyingKey::from_bytes(key.curve, &key.public_key)?;
        let signed = &answer.signed_transaction;
        match self {
            Self::Bitcoin => check_psbt(key, signed),
            // The signature is the last field of TxRaw; what is signed is the document, which is canonical as it was sent.
            Self::Cosmos => {
                let signature = signed.last_chunk::<64>().context("no signature")?;
                let signature = Signature::from_bytes(Curve::Secp256k1, signature, None)?;
                Ok(hazmat::verify_prehash(&verifying_key, &Sha256::digest(transaction).into(), &signature)?)
            }
            // A count of one, the signature, the message.
            Self::Solana => {
                let (signature, message) =
                    signed.get(1..).and_then(|s| s.split_first_chunk::<64>()).context("short")?;
                ensure!(message == transaction, "another message was signed");
                let signature = Signature::from_bytes(Curve::Ed25519, signature, None)?;
                Ok(verifying_key.verify(&SigningPayload::message(message.to_vec()), &signature)?)
            }
        }
    }

    const fn destination(self) -> &'static str {
        match self {
            Self::Bitcoin => "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", // BIP-173
            Self::Cosmos => "cosmos1pkptre7fdkl6gfrzlesjjvhxhlc3r4gmmk8rs6", // CosmJS's faucet
            Self::Solana => "83astBRguLMdt2h5U1Tpdq5tjFoJ6noeGwaY3mDLVcri", // solana-docs
        }
    }
}

/// Spends one P2WPKH output of the key.
fn psbt(key: &KeyAnswer) -> anyhow::Result<Psbt> {
    let spent = Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn { previous_output: OutPoint { vout: 0, ..OutPoint::null() }, ..TxIn::default() }],
        output: vec![TxOut { value: Amount::from_sat(100_000), script_pubkey: script(&key.address)? }],
    };
    let unsigned = Transaction {
        input: vec![TxIn { previous_output: OutPoint::new(spent.compute_txid(), 0), ..TxIn::default() }],
        output: vec![TxOut {
            value: Amount::from_sat(99_000),
            script_pubkey: script(Specimen::Bitcoin.destination())?,
        }],
        ..spent.clone()
    };
    let mut psbt = Psbt::from_unsigned_tx(unsigned)?;
    psbt.inputs[0].non_witness_utxo = Some(spent);
    Ok(psbt)
}

fn script(address: &str) -> anyhow::Result<ScriptBuf> {
    Ok(address.parse::<bitcoin::Address<_>>()?.require_network(bitcoin::Network::Bitcoin)?.script_pubkey())
}

/// The other library reads the transaction, computes the sighash (BIP-143) and verifies.
fn check_psbt(key: &KeyAnswer, psbt: &[u8]) -> anyhow::Result<()> {
    let transaction: Transaction = bitcoin::consensus::deserialize(&chain_signers::bitcoin::extract(psbt)?)?;
    let witness: Vec<_> = transaction.input[0].witness.iter().collect();
    let [signature, public_key] = witness[..] else { anyhow::bail!("the witness has {} items", witness.len()) };
    ensure!(public_key == key.public_key, "signed by another key");
    let (kind, signature) = signature.split_last().context("no signature")?;
    ensure!(u32::from(*kind) == EcdsaSighashType::All as u32, "the sighash type is {kind}");
    let sighash = SighashCache::new(&transaction).p2wpkh_signature_hash(
        0,
        &script(&key.address)?,
        Amount::from_sat(100_000),
        EcdsaSighashType::All,
    )?;
    let message = Message::from_digest(*AsRef::<[u8; 32]>::as_ref(&sighash));
    let signature = ecdsa::Signature::from_der(signature)?;
    Secp256k1::verification_only().verify_ecdsa(&message, &signature, &PublicKey::from_slice(public_key)?)?;
    Ok(())
}

/// A `MsgSend` in its canonical amino JSON.
fn std_sign_doc(address: &str) -> String {
    let destination = Specimen::Cosmos.destination();
    format!(
        r#"{{"account_number":"1","chain_id":"cosmoshub-4","fee":{{"amount":[{{"amount":"2000","denom":"uatom"}}],"gas":"200000"}},"memo":"","msgs":[{{"type":"cosmos-sdk/MsgSend","value":{{"amount":[{{"amount":"1234567","denom":"uatom"}}],"from_address":"{address}","to_address":"{destination}"}}}}],"sequence":"0"}}"#
    )
}

/// A legacy message with one System `Transfer`.
fn solana_message(payer: &[u8]) -> anyhow::Result<Vec<u8>> {
    let destination = bs58::decode(Specimen::Solana.destination()).into_vec()?;
    let system_program = [0; 32];
    let transfer = [&2_u32.to_le_bytes()[..], &1_000_000_u64.to_le_bytes()].concat();
    Ok([
        &[1, 0, 1, 3][..], // one signature, which is writable; one read-only account of the three
        payer,
        &destination,
        &system_program,
        &[0x11; 32], // a recent blockhash
        &[1, 2, 2, 0, 1, 12],
        &transfer,
    ]
    .concat())
}
