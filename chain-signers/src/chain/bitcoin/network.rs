use bitcoin::Network;

use super::NAMESPACE;
use crate::ChainId;

/// The network of a chain id: CAIP-2's `bip122` names it by the first 32 hex digits of its first block's hash.
pub(super) fn network(chain_id: &ChainId) -> Option<Network> {
    let (_, network) = NETWORKS.iter().find(|(reference, _)| *reference == chain_id.reference())?;
    (chain_id.namespace() == NAMESPACE).then_some(*network)
}

const NETWORKS: [(&str, Network); 5] = [
    ("000000000019d6689c085ae165831e93", Network::Bitcoin),
    ("000000000933ea01ad0ee984209779ba", Network::Testnet),
    ("00000000da84f2bafbbc53dee25a72ae", Network::Testnet4),
    ("00000008819873e925422c1ff0f99f7c", Network::Signet),
    ("0f9188f13cb7b2c71f2a335e3a4fc328", Network::Regtest),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_is_named_by_its_first_block() {
        for (reference, network) in NETWORKS {
            let block = bitcoin::constants::genesis_block(network);
            assert_eq!(block.block_hash().to_string()[..32], *reference);
            assert_eq!(super::network(&format!("bip122:{reference}").parse().unwrap()), Some(network));
            assert_eq!(super::network(&format!("other:{reference}").parse().unwrap()), None);
        }
        let litecoin = "bip122:12a765e31ffd4059bada1e25190f6e98".parse().unwrap(); // CAIP-4's example
        assert_eq!(network(&litecoin), None);
    }
}
