//! What must hold for every `eip155` transaction.
#![cfg(feature = "evm")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod mutation;

use std::sync::{Arc, LazyLock};

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy};
use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, TxKind, U256};
use chain_signers::{
    Chain, ChainId, ChainSigner, Curve, Encoding, Payload, SigningKey, Transaction,
    evm::{self, Evm},
    hazmat,
};
use mutation::{mutated, mutations};
use proptest::{collection::vec, prelude::*};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn json_in_both_styles_and_binary_are_the_same_transaction(fields: Fields) {
        let binary = decode(Encoding::Binary, &fields.binary()).unwrap();
        let encodings = [fields.json_rpc(), fields.reference()];
        for json in encodings {
            let transaction = decode(Encoding::Json, json.as_bytes()).unwrap();
            prop_assert_eq!(transaction.to_bytes(), binary.to_bytes(), "{}", json);
            prop_assert_eq!(transaction.summary(), binary.summary());
        }
    }

    #[test]
    fn what_alloy_encodes_decodes_to_the_same_bytes(fields: Fields) {
        let bytes = fields.binary();
        prop_assert_eq!(decode(Encoding::Binary, &bytes).unwrap().to_bytes(), bytes);
    }

    #[test]
    fn the_signer_is_recovered(fields: Fields, secret: [u8; 32]) {
        let Ok(key) = SigningKey::from_secret_bytes(Curve::Secp256k1, &secret) else { return Ok(()) };
        let signer = ChainSigner::new(Arc::new(Evm), key).unwrap();
        let transaction = decode(Encoding::Binary, &fields.binary()).unwrap();
        let signed = signer.sign(transaction.as_ref()).unwrap();
        prop_assert_eq!(evm::recover_sender(&signed.bytes).unwrap(), signer.address());
        prop_assert_eq!(signer.sign(transaction.as_ref()).unwrap(), signed, "deterministic");
    }

    #[test]
    fn a_changed_signed_transaction_is_refused_or_has_another_sender(fields: Fields, at: prop::sample::Index, bit in 0..8_u8) {
        let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[0x46; 32]).unwrap();
        let signer = ChainSigner::new(Arc::new(Evm), key).unwrap();
        let mut bytes = signer.sign(decode(Encoding::Binary, &fields.binary()).unwrap().as_ref()).unwrap().bytes;
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(sender) = evm::recover_sender(&bytes) {
            prop_assert_ne!(sender, signer.address());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn decoding_anything_never_panics(bytes in vec(any::<u8>(), 0..300), kind in 0..7_u8) {
        let bytes = match kind {
            1..=5 => [&[kind][..], &bytes].concat(),
            6 => [&[0xf8, u8::try_from(bytes.len().min(255)).unwrap()][..], &bytes].concat(),
            _ => bytes,
        };
        for encoding in [Encoding::Binary, Encoding::Json] {
            if let Ok(transaction) = decode(encoding, &bytes) {
                let again = decode(Encoding::Binary, &transaction.to_bytes()).unwrap();
                prop_assert_eq!(again.summary(), transaction.summary());
            }
        }
        let _ = evm::recover_sender(&bytes);
        let _ = evm::recover_authority(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn authorizations_are_the_same_in_all_encodings_and_their_signer_is_recovered(it: Unsigned, secret: [u8; 32]) {
        let Ok(key) = SigningKey::from_secret_bytes(Curve::Secp256k1, &secret) else { return Ok(()) };
        let signer = ChainSigner::new(Arc::new(Evm), key).unwrap();
        let binary = it.decode(Encoding::Binary, &it.binary()).unwrap();
        prop_assert_eq!(binary.to_bytes(), it.binary());
        for json in [it.json_rpc(), it.reference()] {
            let decoded = it.decode(Encoding::Json, json.as_bytes()).unwrap();
            prop_assert_eq!(decoded.summary(), binary.summary());
        }
        let signed = signer.sign(binary.as_ref()).unwrap();
        prop_assert_eq!(evm::recover_authority(&signed.bytes).unwrap(), signer.address());
        prop_assert_eq!(signer.sign(binary.as_ref()).unwrap(), signed, "deterministic");
    }

    #[test]
    fn a_changed_signed_authorization_is_refused_or_somebody_elses(it: Unsigned, at: prop::sample::Index, bit in 0..8_u8) {
        let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[0x46; 32]).unwrap();
        let signer = ChainSigner::new(Arc::new(Evm), key).unwrap();
        let mut bytes = signer.sign(it.decode(Encoding::Binary, &it.binary()).unwrap().as_ref()).unwrap().bytes;
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(authority) = evm::recover_authority(&bytes) {
            prop_assert_ne!(authority, signer.address());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// 10,000 in all: what takes the time is to make up a transaction.
    #[test]
    fn mutated_rlp_is_refused_or_is_another_transaction(fields: Fields, all in vec(mutations(), 20)) {
        let good = fields.binary();
        let original = decode(Encoding::Binary, &good).unwrap();
        for mutations in all {
            let bytes = mutated(&good, &mutations);
            let Ok(transaction) = decode(Encoding::Binary, &bytes) else { continue };
            prop_assert_eq!(transaction.to_bytes(), &bytes[..], "decoding is exact");
            prop_assert_eq!(transaction.summary().text == original.summary().text, bytes == good);
        }
    }

    #[test]
    fn decoding_mutated_json_never_panics(fields: Fields, all in vec(mutations(), 20), rpc: bool) {
        let json = if rpc { fields.json_rpc() } else { fields.reference() };
        for mutations in all {
            let Ok(transaction) = decode(Encoding::Json, &mutated(json.as_bytes(), &mutations)) else { continue };
            let again = decode(Encoding::Binary, &transaction.to_bytes()).unwrap();
            prop_assert_eq!(again.summary(), transaction.summary());
        }
    }

    #[test]
    fn a_mutated_authorization_is_refused_or_another_one(it: Unsigned, all in vec(mutations(), 20)) {
        let good = it.binary();
        let original = it.decode(Encoding::Binary, &good).unwrap();
        for mutations in all {
            let bytes = mutated(&good, &mutations);
            let Ok(authorization) = it.decode(Encoding::Binary, &bytes) else { continue };
            prop_assert_eq!(authorization.to_bytes(), &bytes[..], "decoding is exact");
            prop_assert_eq!(authorization.summary().text == original.summary().text, bytes == good);
        }
    }
}

/// A valid authorization that is not signed.
#[derive(Clone, Debug)]
struct Unsigned {
    chain_id: u64,
    address: [u8; 20],
    nonce: u64,
}

impl Arbitrary for Unsigned {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let chain_id = prop_oneof![Just(0), 1..u64::MAX / 2 - 36];
        (chain_id, any::<[u8; 20]>(), 0..u64::MAX)
            .prop_map(|(chain_id, address, nonce)| Self { chain_id, address, nonce })
            .boxed()
    }
}

impl Unsigned {
    /// For its own chain; for the main network if it is for all.
    fn decode(&self, encoding: Encoding, bytes: &[u8]) -> Result<Box<dyn Transaction>, chain_signers::DecodeError> {
        let chain_id: ChainId = format!("eip155:{}", self.chain_id.max(1)).parse().unwrap();
        Evm.decode(&Payload::new(encoding, bytes).on_chain(&chain_id))
    }

    fn binary(&self) -> Vec<u8> {
        let Self { chain_id, address, nonce } = *self;
        let authorization = Authorization { chain_id: U256::from(chain_id), address: address.into(), nonce };
        [vec![5], alloy_rlp::encode(authorization)].concat()
    }

    fn json_rpc(&self) -> String {
        let Self { chain_id, address, nonce } = self;
        let address = hex::encode(address);
        format!(r#"{{"chainId":"{chain_id:#x}","address":"0x{address}","nonce":"{nonce:#x}"}}"#)
    }

    fn reference(&self) -> String {
        let Self { chain_id, address, nonce } = self;
        format!(r#"{{"chainId":{chain_id},"address":"0x{}","nonce":{nonce}}}"#, hex::encode(address))
    }
}

fn decode(encoding: Encoding, bytes: &[u8]) -> Result<Box<dyn Transaction>, chain_signers::DecodeError> {
    Evm.decode(&Payload::new(encoding, bytes))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Legacy,
    Eip2930,
    Eip1559,
    Eip4844,
    Eip7702,
}

/// A valid transaction of any type.
#[derive(Clone, Debug)]
struct Fields {
    kind: Kind,
    /// Empty in a legacy transaction.
    access_list: AccessList,
    blob_hashes: Vec<B256>,
    authorizations: Vec<SignedAuthorization>,
    chain_id: u64,
    nonce: u64,
    gas: u64,
    max_fee: u128,
    priority_fee: u128,
    to: [u8; 20],
    value: u128,
    data: Vec<u8>,
}

impl Arbitrary for Fields {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let quantities = (1..u64::MAX / 2 - 36, 0..u64::MAX, any::<u64>(), any::<u128>(), any::<u128>());
        let kind = prop_oneof![
            Just(Kind::Legacy),
            Just(Kind::Eip2930),
            Just(Kind::Eip1559),
            Just(Kind::Eip4844),
            Just(Kind::Eip7702)
        ];
        let lists = (access_list(), blob_hashes(), prop::sample::subsequence(&AUTHORIZATIONS[..], 1..3));
        ((kind, lists), quantities, any::<[u8; 20]>(), any::<u128>(), data())
            .prop_map(|((kind, lists), (chain_id, nonce, gas, one, two), to, value, data)| Self {
                kind,
                access_list: if kind == Kind::Legacy { AccessList::default() } else { lists.0 },
                blob_hashes: lists.1,
                authorizations: lists.2,
                chain_id,
                nonce,
                gas,
                max_fee: one.max(two),
                priority_fee: one.min(two),
                to,
                value: if data.len() > MAX_RANDOM_DATA { 0 } else { value },
                data,
            })
            .boxed()
    }
}

impl Fields {
    fn binary(&self) -> Vec<u8> {
        let Self { chain_id, nonce, gas: gas_limit, max_fee: gas_price, .. } = *self;
        let (to, value, input) = (TxKind::Call(self.to.into()), U256::from(self.value), self.data.clone().into());
        let access_list = self.access_list.clone();
        match self.kind {
            Kind::Legacy => TxLegacy { chain_id: Some(chain_id), nonce, gas_price, gas_limit, to, value, input }
                .encoded_for_signing(),
            Kind::Eip2930 => {
                TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input }.encoded_for_signing()
            }
            Kind::Eip1559 => TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: gas_price,
                max_priority_fee_per_gas: self.priority_fee,
                to,
                value,
                access_list,
                input,
            }
            .encoded_for_signing(),
            Kind::Eip4844 => TxEip4844 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: gas_price,
                max_priority_fee_per_gas: self.priority_fee,
                to: self.to.into(),
                value,
                access_list,
                blob_versioned_hashes: self.blob_hashes.clone(),
                max_fee_per_blob_gas: self.priority_fee,
                input,
            }
            .encoded_for_signing(),
            Kind::Eip7702 => TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: gas_price,
                max_priority_fee_per_gas: self.priority_fee,
                to: self.to.into(),
                value,
                access_list,
                authorization_list: self.authorizations.clone(),
                input,
            }
            .encoded_for_signing(),
        }
    }

    /// As JSON keys and values, each preceded by a comma; nothing for a legacy transaction.
    fn lists_json(&self) -> String {
        let item = |AccessListItem { address, storage_keys }: &AccessListItem| {
            let keys: Vec<_> = storage_keys.iter().map(|key| format!("\"{key}\"")).collect();
            format!(r#"{{"address":"{address:#x}","storageKeys":[{}]}}"#, keys.join(","))
        };
        match self.kind {
            Kind::Legacy => String::new(),
            kind => {
                let access = self.access_list.iter().map(item).collect::<Vec<_>>().join(",");
                let own = match kind {
                    Kind::Eip4844 => {
                        let hashes: Vec<_> = self.blob_hashes.iter().map(|hash| format!("\"{hash}\"")).collect();
                        format!(r#","blobVersionedHashes":[{}]"#, hashes.join(","))
                    }
                    Kind::Eip7702 => {
                        let items: Vec<_> = self.authorizations.iter().map(authorization_json).collect();
                        format!(r#","authorizationList":[{}]"#, items.join(","))
                    }
                    _ => String::new(),
                };
                format!(r#","accessList":[{access}]{own}"#)
            }
        }
    }

    fn json_rpc(&self) -> String {
        let Self { chain_id, nonce, gas, value, max_fee, priority_fee, .. } = self;
        let fees = match self.kind {
            Kind::Legacy | Kind::Eip2930 => format!(r#""gasPrice":"{max_fee:#x}""#),
            Kind::Eip1559 | Kind::Eip7702 => {
                format!(r#""maxFeePerGas":"{max_fee:#x}","maxPriorityFeePerGas":"{priority_fee:#x}""#)
            }
            Kind::Eip4844 => format!(
                r#""maxFeePerGas":"{max_fee:#x}","maxPriorityFeePerGas":"{priority_fee:#x}",
                    "maxFeePerBlobGas":"{priority_fee:#x}""#
            ),
        };
        format!(
            r#"{{"chainId":"{chain_id:#x}","nonce":"{nonce:#x}","gas":"{gas:#x}","value":"{value:#x}",{fees},
                "to":"0x{}","input":"0x{}"{}}}"#,
            hex::encode(self.to),
            hex::encode(&self.data),
            self.lists_json()
        )
    }

    fn reference(&self) -> String {
        let Self { chain_id, nonce, gas, max_fee, priority_fee, .. } = self;
        let fees = match self.kind {
            Kind::Legacy => format!(r#""type":0,"gasPrice":{max_fee}"#),
            Kind::Eip2930 => format!(r#""type":1,"gasPrice":{max_fee}"#),
            Kind::Eip1559 => format!(r#""type":2,"maxFeePerGas":{max_fee},"maxPriorityFeePerGas":{priority_fee}"#),
            Kind::Eip4844 => format!(
                r#""type":3,"maxFeePerGas":{max_fee},"maxPriorityFeePerGas":{priority_fee},"maxFeePerBlobGas":{priority_fee}"#
            ),
            Kind::Eip7702 => format!(r#""type":4,"maxFeePerGas":{max_fee},"maxPriorityFeePerGas":{priority_fee}"#),
        };
        let ether = 10_u128.pow(18);
        let value = format!("{}.{:018}", self.value / ether, self.value % ether);
        let (to, data) = (Address::from(self.to).to_checksum(None), hex::encode(&self.data));
        format!(
            r#"{{"chainId":{chain_id},"nonce":{nonce},"gas":{gas},"value":{value},{fees},"to":"{to}","data":"0x{data}"{}}}"#,
            self.lists_json()
        )
    }
}

fn access_list() -> impl Strategy<Value = AccessList> {
    let item = (any::<[u8; 20]>(), vec(any::<[u8; 32]>(), 0..4)).prop_map(|(address, keys)| AccessListItem {
        address: address.into(),
        storage_keys: keys.into_iter().map(B256::from).collect(),
    });
    vec(item, 0..4).prop_map(AccessList)
}

fn blob_hashes() -> impl Strategy<Value = Vec<B256>> {
    vec(any::<[u8; 32]>(), 1..=6).prop_map(|hashes| {
        let version_1 = |mut hash: [u8; 32]| {
            hash[0] = 1;
            B256::from(hash)
        };
        hashes.into_iter().map(version_1).collect()
    })
}

/// Anything, or a call of a token.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let word = |len: usize| vec(any::<u8>(), len).prop_map(move |bytes| [vec![0; 32 - len], bytes].concat());
    let transfer = (word(20), word(32)).prop_map(|(to, amount)| [&[0xa9, 0x05, 0x9c, 0xbb][..], &to, &amount].concat());
    let safe_transfer =
        (word(20), word(20), word(32), word(32), vec(any::<u8>(), 0..40)).prop_map(|(from, to, id, amount, data)| {
            let number = |number: usize| U256::from(number).to_be_bytes::<32>();
            let padding = vec![0; data.len().next_multiple_of(32) - data.len()];
            let tail = [&number(160)[..], &number(data.len()), &data, &padding].concat();
            [&[0xf2, 0x42, 0x43, 0x2a][..], &from, &to, &id, &amount, &tail].concat()
        });
    prop_oneof![3 => vec(any::<u8>(), 0..MAX_RANDOM_DATA), 1 => transfer, 1 => safe_transfer.boxed()]
}

/// Authorizations for every chain: recovering a key is what takes the time, making one takes more.
static AUTHORIZATIONS: LazyLock<Vec<SignedAuthorization>> = LazyLock::new(|| {
    let signed = |byte: u8| {
        let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[byte; 32]).unwrap();
        let (address, nonce) = (Address::repeat_byte(byte % 3), byte.into());
        let authorization = Authorization { chain_id: U256::ZERO, address, nonce };
        let signature = hazmat::sign_prehash(&key, &authorization.signature_hash()).unwrap();
        let parity = signature.recovery_id().unwrap().is_y_odd();
        authorization.into_signed(alloy_primitives::Signature::from_bytes_and_parity(&signature.to_bytes(), parity))
    };
    (1..8).map(signed).collect()
});

fn authorization_json(it: &SignedAuthorization) -> String {
    let (chain_id, address, nonce, y_parity) = (it.chain_id, it.address, it.nonce, it.y_parity());
    format!(
        r#"{{"chainId":"{chain_id:#x}","address":"{address:#x}","nonce":"{nonce:#x}","yParity":"{y_parity:#x}",
            "r":"{:#x}","s":"{:#x}"}}"#,
        it.r(),
        it.s()
    )
}

/// Below a call of a token.
const MAX_RANDOM_DATA: usize = 67;
