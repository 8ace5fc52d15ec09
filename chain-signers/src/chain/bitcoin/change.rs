//! Which outputs return to the signer.

use bitcoin::{Network, Psbt, Script, bip32::DerivationPath, psbt::Output};

use super::address::OwnScripts;
use crate::{DecodeError, chain::ChangeKeys};

/// For each output, its address if it is the signer's own.
pub(super) fn own_outputs(
    psbt: &Psbt,
    own: &OwnScripts,
    change_keys: Option<&dyn ChangeKeys>,
    network: Network,
) -> Result<Vec<Option<String>>, DecodeError> {
    let outputs = psbt.unsigned_tx.output.iter().zip(&psbt.outputs);
    let address = |script: &Script, own: &OwnScripts| {
        let address = own.type_of(script).map(|address_type| own.address(address_type, network)).transpose();
        address.map_err(|error| DecodeError::invalid("signer", "a key with addresses", error))
    };
    outputs
        .map(|(output, fields)| match (address(&output.script_pubkey, own)?, change_keys) {
            (None, Some(keys)) => {
                derived(fields, keys).map_or(Ok(None), |derived| address(&output.script_pubkey, &derived))
            }
            (own, _) => Ok(own),
        })
        .collect()
}

/// What the key at the one path that an output names can spend. An output with several is several people's, and a key is
/// not looked up for each.
fn derived(fields: &Output, keys: &dyn ChangeKeys) -> Option<OwnScripts> {
    let ecdsa = fields.bip32_derivation.values().map(|(_, path)| path);
    let taproot = fields.tap_key_origins.values().map(|(_, (_, path))| path);
    let mut paths = ecdsa.chain(taproot);
    let (path, None): (&DerivationPath, _) = (paths.next()?, paths.next()) else { return None };
    OwnScripts::new(&keys.key_at(&path.to_u32_vec())?).ok()
}
