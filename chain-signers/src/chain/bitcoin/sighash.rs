//! What each signature covers: the original way for P2PKH, BIP-143 for witness version 0, BIP-341 for Taproot.

use bitcoin::{
    Transaction, TxOut,
    hashes::{Hash, sha256, sha256d},
    sighash::{EncodeSigningDataResult, Prevouts, SighashCache},
};

use super::{
    address::{AddressType, OwnScripts},
    input::{Spent, to_ecdsa},
    wire::{malformed, within},
};
use crate::{DecodeError, Sighash, SigningPayload};

/// One payload an input. What BIP-143 and BIP-341 let inputs share is hashed once.
pub(super) fn payloads(
    transaction: &Transaction,
    spent: &[Spent],
    own: &OwnScripts,
) -> Result<Vec<SigningPayload>, DecodeError> {
    let p2pkh = spent.iter().filter(|spent| spent.address_type == AddressType::P2pkh).count();
    within("what P2PKH inputs cover", "bytes", p2pkh * transaction.base_size(), MAX_P2PKH_LEN)?;
    let outputs: Vec<_> = spent.iter().map(|spent| &spent.output).collect();
    let mut cache = SighashCache::new(transaction);
    (0..spent.len()).map(|index| payload(&mut cache, index, &spent[index], &outputs, own)).collect()
}

fn payload(
    cache: &mut SighashCache<&Transaction>,
    index: usize,
    spent: &Spent,
    outputs: &[&TxOut],
    own: &OwnScripts,
) -> Result<SigningPayload, DecodeError> {
    if spent.is_taproot() {
        let bytes = taproot(cache, index, spent, outputs)?;
        let sighash = Sighash::new(sha256::Hash::hash(&bytes).to_byte_array());
        return Ok(SigningPayload::taproot(bytes, sighash));
    }
    let bytes = ecdsa(cache, index, spent, own)?;
    let sighash = Sighash::new(sha256d::Hash::hash(&bytes).to_byte_array());
    Ok(SigningPayload::hashed(bytes, sighash))
}

fn ecdsa(
    cache: &mut SighashCache<&Transaction>,
    index: usize,
    spent: &Spent,
    own: &OwnScripts,
) -> Result<Vec<u8>, DecodeError> {
    let mut bytes = Vec::new();
    let sighash_type = to_ecdsa(spent.sighash_type);
    let script_code = own.script(AddressType::P2pkh); // of the other two as well, says BIP-143
    if spent.address_type != AddressType::P2pkh {
        cache
            .segwit_v0_encode_signing_data_to(&mut bytes, index, script_code, spent.output.value, sighash_type)
            .map_err(malformed)?;
        return Ok(bytes);
    }
    match cache.legacy_encode_signing_data_to(&mut bytes, index, script_code, sighash_type.to_u32()) {
        EncodeSigningDataResult::WriteResult(result) => result.map_err(malformed).map(|()| bytes),
        EncodeSigningDataResult::SighashSingleBug => Err(malformed("SIGHASH_SINGLE without an output")),
    }
}

/// With the tag.
fn taproot(
    cache: &mut SighashCache<&Transaction>,
    index: usize,
    spent: &Spent,
    outputs: &[&TxOut],
) -> Result<Vec<u8>, DecodeError> {
    let tag = sha256::Hash::hash(b"TapSighash").to_byte_array();
    let mut bytes = [tag, tag].concat();
    let outputs = Prevouts::All(outputs);
    cache
        .taproot_encode_signing_data_to(&mut bytes, index, &outputs, None, None, spent.sighash_type)
        .map_err(malformed)?;
    Ok(bytes)
}

/// In bytes. Each of these inputs has the whole transaction hashed anew; 256 of them with as many outputs have 5 MB hashed.
const MAX_P2PKH_LEN: usize = 5 << 20;

#[cfg(test)]
mod tests {
    use bitcoin::{Amount, ScriptBuf, TapSighashType, consensus::encode::deserialize};

    use super::*;
    use crate::{Curve, SigningKey};

    /// `keyPathSpending` of BIP-341's wallet-test-vectors.json: the transaction, what it spends, and of each Taproot input
    /// the index, the hash type and the sighash.
    const TRANSACTION: &str = "02000000097de20cbff686da83a54981d2b9bab3586f4ca7e48f57f5b55963115f3b334e9c\
        010000000000000000d7b7cab57b1393ace2d064f4d4a2cb8af6def61273e127517d44759b6dafdd990000000000ffffffff\
        f8e1f583384333689228c5d28eac13366be082dc57441760d957275419a418420000000000ffffffff\
        f0689180aa63b30cb162a73c6d2a38b7eeda2a83ece74310fda0843ad604853b0100000000feffffff\
        aa5202bdf6d8ccd2ee0f0202afbbb7461d9264a25e5bfd3c5a52ee1239e0ba6c0000000000feffffff\
        956149bdc66faa968eb2be2d2faa29718acbfe3941215893a2a3446d32acd0500000000000000000\
        00e664b9773b88c09c32cb70a2a3e4da0ced63b7ba3b22f848531bbb1d5d5f4c94010000000000000000\
        e9aa6b8e6c9de67619e6a3924ae25696bb7b694bb677a632a74ef7eadfd4eabf0000000000ffffffff\
        a778eb6a263dc090464cd125c466b5a99667720b1c110468831d058aa1b82af10100000000ffffffff\
        0200ca9a3b000000001976a91406afd46bcdfd22ef94ac122aa11f241244a37ecc88ac\
        807840cb0000000020ac9a87f5594be208f8532db38cff670c450ed2fea8fcdefcc9a663f78bab962b0065cd1d";
    const SPENT: [(&str, u64); 9] = [
        ("512053a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343", 420_000_000),
        ("5120147c9c57132f6e7ecddba9800bb0c4449251c92a1e60371ee77557b6620f3ea3", 462_000_000),
        ("76a914751e76e8199196d454941c45d1b3a323f1433bd688ac", 294_000_000),
        ("5120e4d810fd50586274face62b8a807eb9719cef49c04177cc6b76a9a4251d5450e", 504_000_000),
        ("512091b64d5324723a985170e4dc5a0f84c041804f2cd12660fa5dec09fc21783605", 630_000_000),
        ("00147dd65592d0ab2fe0d0257d571abf032cd9db93dc", 378_000_000),
        ("512075169f4001aa68f15bbed28b218df1d0a62cbbcf1188c6665110c293c907b831", 672_000_000),
        ("5120712447206d7a5238acc7ff53fbe94a3b64539ad291c7cdbc490b7577e4b17df5", 546_000_000),
        ("512077e30a5522dd9f894c3f8b8bd4c4b2cf82ca7da8a3ea6a239655c39c050ab220", 588_000_000),
    ];
    const INPUTS: [(usize, u8, &str); 7] = [
        (0, 0x03, "2514a6272f85cfa0f45eb907fcb0d121b808ed37c6ea160a5a9046ed5526d555"),
        (1, 0x83, "325a644af47e8a5a2591cda0ab0723978537318f10e6a63d4eed783b96a71a4d"),
        (3, 0x01, "bf013ea93474aa67815b1b6cc441d23b64fa310911d991e713cd34c7f5d46669"),
        (4, 0x00, "4f900a0bae3f1446fd48490c2958b5a023228f01661cda3496a11da502a7f7ef"),
        (6, 0x02, "15f25c298eb5cdc7eb1d638dd2d45c97c4c59dcaec6679cfc16ad84f30876b85"),
        (7, 0x82, "cd292de50313804dabe4685e83f923d2969577191a3e1d2882220dca88cbeb10"),
        (8, 0x81, "cccb739eca6c13a8a89e6e5cd317ffe55669bbda23f2fd37b0f18755e008edd2"),
    ];
    /// What is hashed for input 0, without the tag.
    const MESSAGE: &str = "0003020000000065cd1de3b33bb4ef3a52ad1fffb555c0d82828eb22737036eaeb02a235d82b909c4c3f\
        58a6964a4f5f8f0b642ded0a8a553be7622a719da71d1f5befcefcdee8e0fde6\
        23ad0f61ad2bca5ba6a7693f50fce988e17c3780bf2b1e720cfbb38fbdd52e21\
        18959c7221ab5ce9e26c3cd67b22c24f8baa54bac281d8e6b05e400e6c3a957e\
        0000000000d0418f0e9a36245b9a50ec87f8bf5be5bcae434337b87139c3a5b1f56e33cba0";

    #[test]
    fn hashes_as_bip_341_says() {
        let transaction: Transaction = deserialize(&hex::decode(TRANSACTION).unwrap()).unwrap();
        let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[1; 32]).unwrap();
        let own = OwnScripts::new(&key.verifying_key()).unwrap();
        let mut spent: Vec<_> = SPENT
            .into_iter()
            .map(|(script, satoshi)| {
                let script_pubkey = ScriptBuf::from_hex(script).unwrap();
                let output = TxOut { value: Amount::from_sat(satoshi), script_pubkey };
                Spent::proven(output, AddressType::P2tr, TapSighashType::Default)
            })
            .collect();
        for (index, hash_type, _) in INPUTS {
            spent[index].sighash_type = TapSighashType::from_consensus_u8(hash_type).unwrap();
        }
        for index in [2, 5] {
            spent[index].address_type = AddressType::P2wpkh; // of no matter: only Taproot inputs are compared
            spent[index].sighash_type = TapSighashType::All;
        }
        let payloads = payloads(&transaction, &spent, &own).unwrap();
        for (index, _, sighash) in INPUTS {
            assert!(payloads[index].is_taproot());
            assert_eq!(payloads[index].sighash().unwrap().to_string(), sighash, "{index}");
        }
        assert_eq!(hex::encode(&payloads[0].as_bytes()[64..]), MESSAGE);
    }
}
