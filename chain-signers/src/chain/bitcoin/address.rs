use bitcoin::{
    Address, Network, PubkeyHash, Script, ScriptBuf, WPubkeyHash,
    hashes::{Hash, hash160},
};

use super::network::network;
use crate::{ChainId, KeyError, VerifyingKey};

/// The kinds of output that a key alone can spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AddressType {
    /// Pay to public key hash, `1…`; BIP-44.
    P2pkh,
    /// Pay to witness public key hash inside pay to script hash, `3…`; BIP-49.
    P2shP2wpkh,
    /// Pay to witness public key hash, `bc1q…`; BIP-84.
    #[default]
    P2wpkh,
    /// Pay to Taproot by key, without a script tree, `bc1p…`; BIP-86.
    P2tr,
}

/// The address of a key on one of the Bitcoin networks.
///
/// ```
/// use chain_signers::{Curve, SigningKey, bitcoin::{self, AddressType}};
///
/// let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[[0; 31].as_slice(), &[1]].concat())?.verifying_key();
/// let main = "bip122:000000000019d6689c085ae165831e93".parse()?;
/// let address = bitcoin::address(&key, &main, AddressType::P2wpkh)?;
/// assert_eq!(address, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"); // BIP-173's example
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`KeyError::CurveMismatch`] if the key is not on secp256k1; [`KeyError::UnknownChain`] if the chain is none of them.
pub fn address(key: &VerifyingKey, chain_id: &ChainId, address_type: AddressType) -> Result<String, KeyError> {
    let network = network(chain_id).ok_or_else(|| KeyError::UnknownChain { chain_id: chain_id.clone() })?;
    OwnScripts::new(key)?.address(address_type, network)
}

/// The outputs that one key can spend alone.
#[derive(Clone, Debug)]
pub(super) struct OwnScripts {
    /// 33 bytes.
    pub(super) public_key: Vec<u8>,
    pub(super) x_only: [u8; 32],
    p2pkh: ScriptBuf,
    p2sh_p2wpkh: ScriptBuf,
    p2wpkh: ScriptBuf,
    p2tr: ScriptBuf,
}

impl OwnScripts {
    pub(super) fn new(key: &VerifyingKey) -> Result<Self, KeyError> {
        let (x_only, output_key) = (key.to_x_only_bytes()?, key.taproot_output_key()?);
        let public_key = key.to_bytes();
        let hash = hash160::Hash::hash(&public_key).to_byte_array();
        let p2wpkh = ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array(hash));
        Ok(Self {
            public_key,
            x_only,
            p2pkh: ScriptBuf::new_p2pkh(&PubkeyHash::from_byte_array(hash)),
            p2sh_p2wpkh: p2wpkh.to_p2sh(),
            p2wpkh,
            p2tr: ScriptBuf::from_bytes([&[0x51, 0x20][..], &output_key].concat()), // OP_1 and 32 bytes
        })
    }

    pub(super) fn script(&self, address_type: AddressType) -> &Script {
        match address_type {
            AddressType::P2pkh => &self.p2pkh,
            AddressType::P2shP2wpkh => &self.p2sh_p2wpkh,
            AddressType::P2wpkh => &self.p2wpkh,
            AddressType::P2tr => &self.p2tr,
        }
    }

    /// What the P2SH output hashes.
    pub(super) fn redeem_script(&self) -> &Script {
        &self.p2wpkh
    }

    /// Which of the outputs `script` is, if it is one of them.
    pub(super) fn type_of(&self, script: &Script) -> Option<AddressType> {
        ADDRESS_TYPES.into_iter().find(|address_type| self.script(*address_type) == script)
    }

    pub(super) fn address(&self, address_type: AddressType, network: Network) -> Result<String, KeyError> {
        let address = Address::from_script(self.script(address_type), network);
        address.map(|address| address.to_string()).map_err(|_| KeyError::InvalidPublicKey {
            curve: crate::Curve::Secp256k1, // never: each of the four scripts has an address
        })
    }
}

const ADDRESS_TYPES: [AddressType; 4] =
    [AddressType::P2pkh, AddressType::P2shP2wpkh, AddressType::P2wpkh, AddressType::P2tr];
