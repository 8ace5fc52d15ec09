//! What must hold for every `eip155` transaction.
#![cfg(feature = "evm")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::sync::Arc;

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxLegacy};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, TxKind, U256};
use chain_signers::{
    Chain, ChainSigner, Curve, Encoding, Payload, SigningKey, Transaction,
    evm::{self, Evm},
};
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
    fn mutated_rlp_is_refused_or_is_another_transaction(fields: Fields, mutations in vec(mutation(), 1..4)) {
        let good = fields.binary();
        let mut bytes = good.clone();
        for mutation in mutations {
            mutation.apply(&mut bytes);
        }
        let Ok(transaction) = decode(Encoding::Binary, &bytes) else { return Ok(()) };
        prop_assert_eq!(transaction.to_bytes(), &bytes[..], "decoding is exact");
        let original = decode(Encoding::Binary, &good).unwrap();
        prop_assert_eq!(transaction.summary() == original.summary(), bytes == good);
    }

    #[test]
    fn decoding_anything_never_panics(bytes in vec(any::<u8>(), 0..300), kind in 0..4_u8) {
        let bytes = match kind {
            0 | 1 => [&[kind + 1][..], &bytes].concat(),
            2 => [&[0xf8, u8::try_from(bytes.len().min(255)).unwrap()][..], &bytes].concat(),
            _ => bytes,
        };
        for encoding in [Encoding::Binary, Encoding::Json] {
            if let Ok(transaction) = decode(encoding, &bytes) {
                let again = decode(Encoding::Binary, &transaction.to_bytes()).unwrap();
                prop_assert_eq!(again.summary(), transaction.summary());
            }
        }
        let _ = evm::recover_sender(&bytes);
    }

    #[test]
    fn decoding_mutated_json_never_panics(fields: Fields, mutations in vec(mutation(), 1..4), rpc: bool) {
        let json = if rpc { fields.json_rpc() } else { fields.reference() };
        let mut bytes = json.into_bytes();
        for mutation in mutations {
            mutation.apply(&mut bytes);
        }
        if let Ok(transaction) = decode(Encoding::Json, &bytes) {
            let again = decode(Encoding::Binary, &transaction.to_bytes()).unwrap();
            prop_assert_eq!(again.summary(), transaction.summary());
        }
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
}

/// A valid transaction of any type.
#[derive(Clone, Debug)]
struct Fields {
    kind: Kind,
    /// Empty in a legacy transaction.
    access_list: AccessList,
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
        let kind = prop_oneof![Just(Kind::Legacy), Just(Kind::Eip2930), Just(Kind::Eip1559)];
        ((kind, access_list()), quantities, any::<[u8; 20]>(), any::<u128>(), vec(any::<u8>(), 0..70))
            .prop_map(|((kind, access_list), (chain_id, nonce, gas, one, two), to, value, data)| Self {
                kind,
                access_list: if kind == Kind::Legacy { AccessList::default() } else { access_list },
                chain_id,
                nonce,
                gas,
                max_fee: one.max(two),
                priority_fee: one.min(two),
                to,
                value,
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
        }
    }

    /// As a JSON key and value, preceded by a comma; nothing for a legacy transaction.
    fn access_list_json(&self) -> String {
        let item = |AccessListItem { address, storage_keys }: &AccessListItem| {
            let keys: Vec<_> = storage_keys.iter().map(|key| format!("\"{key}\"")).collect();
            format!(r#"{{"address":"{address:#x}","storageKeys":[{}]}}"#, keys.join(","))
        };
        match self.kind {
            Kind::Legacy => String::new(),
            _ => format!(r#","accessList":[{}]"#, self.access_list.iter().map(item).collect::<Vec<_>>().join(",")),
        }
    }

    fn json_rpc(&self) -> String {
        let Self { chain_id, nonce, gas, value, max_fee, priority_fee, .. } = self;
        let fees = match self.kind {
            Kind::Legacy | Kind::Eip2930 => format!(r#""gasPrice":"{max_fee:#x}""#),
            Kind::Eip1559 => format!(r#""maxFeePerGas":"{max_fee:#x}","maxPriorityFeePerGas":"{priority_fee:#x}""#),
        };
        format!(
            r#"{{"chainId":"{chain_id:#x}","nonce":"{nonce:#x}","gas":"{gas:#x}","value":"{value:#x}",{fees},
                "to":"0x{}","input":"0x{}"{}}}"#,
            hex::encode(self.to),
            hex::encode(&self.data),
            self.access_list_json()
        )
    }

    fn reference(&self) -> String {
        let Self { chain_id, nonce, gas, max_fee, priority_fee, .. } = self;
        let fees = match self.kind {
            Kind::Legacy => format!(r#""type":0,"gasPrice":{max_fee}"#),
            Kind::Eip2930 => format!(r#""type":1,"gasPrice":{max_fee}"#),
            Kind::Eip1559 => format!(r#""type":2,"maxFeePerGas":{max_fee},"maxPriorityFeePerGas":{priority_fee}"#),
        };
        let ether = 10_u128.pow(18);
        let value = format!("{}.{:018}", self.value / ether, self.value % ether);
        let (to, data) = (Address::from(self.to).to_checksum(None), hex::encode(&self.data));
        format!(
            r#"{{"chainId":{chain_id},"nonce":{nonce},"gas":{gas},"value":{value},{fees},"to":"{to}","data":"0x{data}"{}}}"#,
            self.access_list_json()
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

#[derive(Clone, Debug)]
enum Mutation {
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Set(prop::sample::Index, u8),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << (bit % 8);
            }
            Self::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
            Self::Remove(at) => {
                bytes.remove(at.index(bytes.len()));
            }
            Self::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        at().prop_map(Mutation::Remove),
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
    ]
}
