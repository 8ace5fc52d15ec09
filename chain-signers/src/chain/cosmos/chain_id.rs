//! A chain's own id and its CAIP-2 id (<https://namespaces.chainagnostic.org/cosmos/caip2>).

use sha2::{Digest, Sha256};

use super::{NAMESPACE, too_long};
use crate::{ChainId, DecodeError};

/// The CAIP-2 id of the chain that calls itself `chain_id`.
pub(super) fn from_native(chain_id: &str) -> Result<ChainId, DecodeError> {
    if chain_id.is_empty() {
        return Err(DecodeError::Missing { field: "chain_id".into() });
    }
    if chain_id.len() > MAX_CHAIN_ID_LEN {
        return Err(too_long("chain_id", "bytes", chain_id.len(), MAX_CHAIN_ID_LEN));
    }
    ChainId::new(NAMESPACE, &reference(chain_id))
        .map_err(|error| DecodeError::invalid("chain_id", error.to_string(), chain_id))
}

fn reference(chain_id: &str) -> String {
    let is_plain = chain_id.len() <= 32 && chain_id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    if is_plain && !chain_id.starts_with(HASHED) {
        return chain_id.to_owned();
    }
    format!("{HASHED}{}", hex::encode(&Sha256::digest(chain_id)[..8]))
}

/// What is known of a chain beforehand.
#[derive(Debug)]
pub(super) struct WellKnown {
    native: &'static str,
    /// What its addresses start with.
    pub(super) prefix: &'static str,
    /// The coin that its fees are paid in, unless something else is said.
    pub(super) fee_denom: &'static str,
}

pub(super) fn well_known(chain_id: &ChainId) -> Option<&'static WellKnown> {
    WELL_KNOWN.iter().find(|chain| reference(chain.native) == chain_id.reference())
}

const fn chain(native: &'static str, prefix: &'static str, fee_denom: &'static str) -> WellKnown {
    WellKnown { native, prefix, fee_denom }
}

/// Chains whose addresses are made of secp256k1 keys as here: not those of Ethereum's kind, such as Injective.
const WELL_KNOWN: [WellKnown; 13] = [
    chain("cosmoshub-4", "cosmos", "uatom"),
    chain("theta-testnet-001", "cosmos", "uatom"),
    chain("osmosis-1", "osmo", "uosmo"),
    chain("osmo-test-5", "osmo", "uosmo"),
    chain("juno-1", "juno", "ujuno"),
    chain("noble-1", "noble", "uusdc"),
    chain("grand-1", "noble", "uusdc"),
    chain("celestia", "celestia", "utia"),
    chain("mocha-4", "celestia", "utia"),
    chain("dydx-mainnet-1", "dydx", "adydx"),
    chain("neutron-1", "neutron", "untrn"),
    chain("stargaze-1", "stars", "ustars"),
    chain("kava_2222-10", "kava", "ukava"),
];
const HASHED: &str = "hashed-";
/// In bytes; more than Tendermint's 50 characters of ASCII.
const MAX_CHAIN_ID_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// The test cases of <https://namespaces.chainagnostic.org/cosmos/caip2>.
    #[test]
    fn matches_the_published_references() {
        for (native, reference) in [
            ("cosmoshub-3", "cosmoshub-3"),
            ("Binance-Chain-Tigris", "Binance-Chain-Tigris"),
            ("iov-mainnet", "iov-mainnet"),
            ("x", "x"),
            ("hash-", "hash-"),
            ("hashed", "hashed"),
            ("hashed-", "hashed-c904589232422def"),
            ("hashed-123", "hashed-99df5cd68192b33e"),
            ("123456789012345678901234567890123456789012345678", "hashed-0204c92a0388779d"),
            (" ", "hashed-36a9e7f1c95b82ff"),
            ("wonderland🧝\u{200d}♂\u{fe0f}", "hashed-843d2fc87f40eeb9"),
        ] {
            assert_eq!(from_native(native).unwrap().reference(), reference, "{native}");
        }
    }

    #[test]
    fn refuses_none_and_long_ones() {
        assert!(matches!(from_native(""), Err(DecodeError::Missing { .. })));
        assert!(matches!(from_native(&"a".repeat(65)), Err(DecodeError::TooLong { .. })));
    }

    #[test]
    fn a_chain_with_a_hashed_reference_is_found() {
        let kava = from_native("kava_2222-10").unwrap();
        assert!(kava.reference().starts_with("hashed-"));
        assert_eq!(well_known(&kava).unwrap().prefix, "kava");
    }
}
