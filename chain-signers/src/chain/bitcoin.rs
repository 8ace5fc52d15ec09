//! Bitcoin (`bip122`): PSBTs whose inputs are all the signer's own, and messages.
//!
//! # Binary
//! A version 0 PSBT (BIP-174, with BIP-371's Taproot fields), unsigned, in the encoding that the `bitcoin` crate writes:
//! fields in ascending order, each once, lengths in their shortest form, no explicit version. There is no JSON encoding.
//! At most 1 MiB, 256 inputs and 256 outputs; the transaction in it at most 100 000 bytes, and 5 MiB if it is counted once
//! for each P2PKH input, whose signature hashes all of it again.
//!
//! What comes out is the same PSBT with its inputs made final, as BIP-174 has it: [`extract`] takes the network's
//! transaction from it. It is not extracted at once, because what the PSBT says about the outputs that are spent lets the
//! next in line check amounts and fee again. The id is the final transaction's.
//!
//! # What it does not say
//! A PSBT names no network, so [`Payload::chain_id`] is required: `bip122:` and the first 32 hex digits of the first
//! block's hash, of one of the networks below. It decides how addresses are spelled, and the
//! policy judges what the caller said: use separate keys for separate networks. Nor does a PSBT name its signer, without
//! whom change cannot be told from payments: [`Payload::signer`] is required too.
//!
//! | network | chain id |
//! |---|---|
//! | main | `bip122:000000000019d6689c085ae165831e93` |
//! | testnet3 | `bip122:000000000933ea01ad0ee984209779ba` |
//! | testnet4 | `bip122:00000000da84f2bafbbc53dee25a72ae` |
//! | signet | `bip122:00000008819873e925422c1ff0f99f7c` |
//! | regtest | `bip122:0f9188f13cb7b2c71f2a335e3a4fc328` |
//!
//! # What is understood
//! Inputs that spend P2PKH, P2SH-P2WPKH, P2WPKH, or P2TR by key (BIP-86: no script tree), mixed as one likes, of the
//! signer's key. An output to another address is [`Action::Transfer`](crate::Action::Transfer). An output to one of the
//! signer's own four scripts is change, no action, but said in the text; if nothing is paid to anyone else, it is a
//! transfer, so that a rule must permit it.
//!
//! Change to another key is a payment, even to one derived from the same seed, unless [`Payload::change_keys`] has that
//! key: an output with exactly one derivation field (BIP-174's or BIP-371's) is change if the key *they* have at the
//! field's path, and not what the field says, is one that the output's script pays to.
//!
//! Data outputs are the exception `op_return`. A signature that does not cover all inputs and outputs is an exception as
//! well, by the name of what it is: `sighash_none`, `sighash_single`, `sighash_anyonecanpay`, `sighash_none_anyonecanpay`,
//! `sighash_single_anyonecanpay`; the fee ceiling is then all that is spent. Other scripts without an address are
//! [`Action::Unknown`](crate::Action::Unknown).
//!
//! # Amounts
//! An input's amount is believed if the transaction that it spends from is there (`non_witness_utxo`) and has the id that
//! the outpoint names; a `witness_utxo` beside it must say the same. A `witness_utxo` alone is enough if every input is
//! Taproot and signed with `SIGHASH_DEFAULT` or `SIGHASH_ALL`, since each signature then commits to all amounts.
//! Otherwise two PSBTs, each with a lie about another input, would yield signatures that together pay a fee nobody saw.
//!
//! # Messages
//! BIP-322's simple form, for P2WPKH, or P2TR by [`Bitcoin::with_address_type`], of at most 16 KiB; what comes out is the
//! witness, which people exchange in base64. What is itself a PSBT or a transaction, also in hex, is refused.
//!
//! # The C library
//! The `bitcoin` crate brings libsecp256k1 in C, which reads the public keys among a PSBT's fields. It sees no secret:
//! what signs is what signs on every other chain of this curve.
//!
//! # What is refused
//! Inputs of anyone else's, fields that are unknown, proprietary or of another kind of output, script trees, signatures
//! that are there already, duplicate fields and outpoints, transactions of another version than 1 and 2, outputs beyond
//! the inputs, amounts beyond 21 million bitcoin, and fees beyond 25 000 satoshi a virtual byte.

mod address;
mod change;
mod input;
mod message;
mod network;
mod sighash;
mod summary;
mod transaction;
mod wire;

use bitcoin::Network;

pub use address::{AddressType, address};
pub use transaction::extract;

use crate::{
    ChainId, Curve, DecodeError, KeyError, VerifyingKey,
    chain::{Chain, Encoding, Payload, Transaction},
    require,
};
use message::Message;
use network::network;
use transaction::PsbtTransaction;

/// The `bip122` chains.
///
/// ```
/// use chain_signers::{Chain, DecodeError, Encoding, Payload, bitcoin::Bitcoin};
///
/// let refused = Bitcoin::default().decode(&Payload::new(Encoding::Binary, b"psbt\xff"));
/// assert!(matches!(refused, Err(DecodeError::ChainIdRequired { .. })));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Bitcoin {
    address_type: AddressType,
}

impl Bitcoin {
    /// With another address than P2WPKH as the one that [`Chain::address`] gives and that signs messages. Transactions
    /// spend from all four whichever it is.
    pub const fn with_address_type(address_type: AddressType) -> Self {
        Self { address_type }
    }
}

impl Chain for Bitcoin {
    fn namespace(&self) -> &str {
        NAMESPACE
    }

    fn curve(&self) -> Curve {
        Curve::Secp256k1
    }

    /// On the main network.
    fn address(&self, key: &VerifyingKey) -> Result<String, KeyError> {
        address::OwnScripts::new(key)?.address(self.address_type, Network::Bitcoin)
    }

    fn address_on(&self, key: &VerifyingKey, chain_id: &ChainId) -> Result<String, KeyError> {
        address(key, chain_id, self.address_type)
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        let chain_id = require::chain_id(payload, NAMESPACE)?;
        let network = network(chain_id).ok_or_else(|| {
            DecodeError::invalid("chain_id", "bip122: and the first block of a Bitcoin network", chain_id)
        })?;
        let signer = payload.signer.ok_or(DecodeError::Missing { field: "signer".into() })?;
        match payload.encoding {
            Encoding::Binary => PsbtTransaction::new(payload, chain_id, network, signer).map(|it| Box::new(it) as _),
            Encoding::Message => {
                Message::new(payload.bytes, chain_id, network, signer, self.address_type).map(|it| Box::new(it) as _)
            }
            encoding => Err(DecodeError::UnsupportedEncoding { namespace: NAMESPACE.into(), encoding }),
        }
    }
}

const NAMESPACE: &str = "bip122";
