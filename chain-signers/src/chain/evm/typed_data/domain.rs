//! The `domain` of typed data: what it is for.

use super::{DecodeError, reader::Reader, types::Types};
use crate::{ChainId, chain::evm::NAMESPACE};

#[derive(Debug)]
pub(super) struct Domain {
    pub(super) chain_id: ChainId,
    pub(super) verifying_contract: Option<String>,
    /// What it calls itself: `name` and `version`.
    pub(super) labels: Vec<(String, String)>,
    /// `domainSeparator`.
    pub(super) separator: [u8; 32],
    /// Canonical.
    pub(super) json: String,
}

impl Domain {
    pub(super) fn read(types: &Types, raw: &str) -> Result<Self, DecodeError> {
        check_type(types)?;
        let mut reader = Reader::new(types);
        let separator = reader.structure("domain", types.domain(), raw, 0)?;
        let value = |path: &str| reader.fields.iter().find(|(name, _)| name == path).map(|(_, text)| text.clone());
        let chain_id = value("domain.chainId").ok_or(DecodeError::Missing { field: "domain.chainId".into() })?;
        let chain_id = ChainId::new(NAMESPACE, &chain_id)
            .map_err(|error| DecodeError::invalid("domain.chainId", error.to_string(), &chain_id))?;
        let labels = ["name", "version"]
            .iter()
            .filter_map(|label| Some(((*label).to_owned(), value(&format!("domain.{label}"))?)));
        Ok(Self {
            chain_id,
            verifying_contract: value("domain.verifyingContract"),
            labels: labels.collect(),
            separator,
            json: reader.json,
        })
    }
}

/// Some of the standard fields, in the standard order.
fn check_type(types: &Types) -> Result<(), DecodeError> {
    let mut standard = STANDARD.iter();
    for field in &types.definition(types.domain()).fields {
        if !standard.any(|(name, kind)| *name == field.name && *kind == field.written) {
            return Err(DecodeError::invalid(
                "types.EIP712Domain",
                "string name, string version, uint256 chainId, address verifyingContract, bytes32 salt, in this order",
                format_args!("{} {}", field.written, field.name),
            ));
        }
    }
    Ok(())
}

const STANDARD: [(&str, &str); 5] = [
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
    ("salt", "bytes32"),
];
