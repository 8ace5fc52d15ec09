//! A transaction from a file, with the chain that it is for.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain_signers::{Chain, ChainId, DecodeError, Encoding, Payload, Registry, Transaction, VerifyingKey, hazmat};
use signer_protocol::method::MAX_TRANSACTION_LEN;

use crate::arguments::TransactionEncoding;
use crate::failure::Failure;
use crate::files;
use crate::sign::from_hex;

/// A chain that was named by its CAIP-2 id or namespace.
pub(crate) struct NamedChain {
    pub(crate) chain: Arc<dyn Chain>,
    /// Unless only the namespace was given.
    pub(crate) id: Option<ChainId>,
}

impl NamedChain {
    pub(crate) fn parse(name: &str) -> Result<Self, Failure> {
        let registry = Registry::with_enabled_chains();
        let unknown = |known: &Registry| {
            let known: Vec<_> = known.namespaces().collect();
            Failure::Chain { name: name.to_owned(), detail: format!("known namespaces are {}", known.join(", ")) }
        };
        if !name.contains(':') {
            let chain = registry.get(name).cloned().ok_or_else(|| unknown(&registry))?;
            return Ok(Self { chain, id: None });
        }
        let id: ChainId =
            name.parse().map_err(|error| Failure::Chain { name: name.to_owned(), detail: format!("{error}") })?;
        let chain = registry.for_chain_id(&id).cloned().ok_or_else(|| unknown(&registry))?;
        Ok(Self { chain, id: Some(id) })
    }

    /// A public key of the chain's curve, in hex.
    pub(crate) fn public_key(&self, text: &str) -> Result<VerifyingKey, Failure> {
        let invalid = |detail: String| Failure::PublicKey { detail };
        let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|error| invalid(error.to_string()))?;
        VerifyingKey::from_bytes(self.chain.curve(), &bytes).map_err(|error| invalid(error.to_string()))
    }

    /// The address of a key on this chain.
    pub(crate) fn address(&self, key: &VerifyingKey) -> Result<String, Failure> {
        let address = match &self.id {
            Some(id) => self.chain.address_on(key, id),
            None => self.chain.address(key),
        };
        address.map_err(|error| Failure::PublicKey { detail: error.to_string() })
    }
}

/// What a file holds, not yet decoded.
pub(crate) struct PayloadFile {
    path: PathBuf,
    encoding: Encoding,
    bytes: Vec<u8>,
}

impl PayloadFile {
    pub(crate) fn read(path: &Path, encoding: TransactionEncoding, stdin: &mut dyn Read) -> Result<Self, Failure> {
        // Room for a binary transaction written as hex.
        let bytes = files::read(path, stdin, 2 * MAX_TRANSACTION_LEN as u64 + 16)?;
        let encoding = Encoding::from(encoding);
        let bytes = match encoding {
            Encoding::Binary | Encoding::Prehash => from_hex(&bytes)
                .map_err(|error| Failure::Malformed { path: path.to_owned(), detail: error.to_string() })?
                .unwrap_or(bytes),
            _ => bytes,
        };
        Ok(Self { path: path.to_owned(), encoding, bytes })
    }

    pub(crate) fn decode(
        &self,
        chain: &NamedChain,
        signer: Option<&VerifyingKey>,
    ) -> Result<Box<dyn Transaction>, Failure> {
        let payload = Payload { chain_id: chain.id.as_ref(), signer, ..Payload::new(self.encoding, &self.bytes) };
        let decoded = match self.encoding {
            Encoding::Prehash => hazmat::decode_prehash(chain.chain.as_ref(), &payload),
            _ => chain.chain.decode(&payload),
        };
        decoded.map_err(|error| {
            let detail = format!("{error}{}", self.advice(&error));
            Failure::Malformed { path: self.path.clone(), detail }
        })
    }

    /// What on the command line would change it, if that is likely what was amiss.
    fn advice(&self, error: &DecodeError) -> String {
        let is_hex = !self.bytes.is_empty() && self.bytes.trim_ascii().iter().all(u8::is_ascii_hexdigit);
        match (error, self.encoding) {
            (DecodeError::ChainIdRequired { namespace }, _) => format!(" (--chain {namespace}:REFERENCE)"),
            (DecodeError::Missing { field }, _) if field == "signer" => " (--public-key HEX)".to_owned(),
            (_, Encoding::Binary | Encoding::Prehash) if is_hex => " (hex begins with 0x)".to_owned(),
            (
                DecodeError::Malformed { .. }
                | DecodeError::UnknownKey { .. }
                | DecodeError::UnsupportedEncoding { .. },
                encoding,
            ) => format!(" (read as {encoding}; see --encoding)"),
            _ => String::new(),
        }
    }
}
