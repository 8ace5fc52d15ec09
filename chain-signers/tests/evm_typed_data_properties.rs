//! What must hold for all typed data; alloy's EIP-712 is the second opinion.
#![cfg(feature = "evm")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod mutation;

use std::{collections::BTreeMap, sync::Arc};

use alloy_dyn_abi::TypedData;
use chain_signers::{
    Action, Chain, ChainSigner, Curve, DecodeError, Encoding, Payload, SigningKey, Transaction,
    evm::{self, Evm},
};
use mutation::{mutated, mutations};
use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn alloy_hashes_it_the_same(dice: Dice) {
        let data = dice.typed_data();
        let ours = decode(data.to_string().as_bytes()).unwrap();
        let theirs: TypedData = serde_json::from_value(data.clone()).unwrap();
        let hash = theirs.eip712_signing_hash().unwrap();
        prop_assert!(ours.summary().text.ends_with(&format!("; hash {}", hex::encode(hash))), "{}", data);
        let Action::TypedData { type_hash, .. } = &ours.summary().actions[0] else { panic!("{ours:?}") };
        let their_type: [u8; 32] = alloy_primitives::keccak256(theirs.encode_type().unwrap()).into();
        prop_assert_eq!(type_hash, &format!("0x{}", hex::encode(their_type)));
    }

    #[test]
    fn canonical_json_means_the_same(dice: Dice) {
        let first = decode(dice.typed_data().to_string().as_bytes()).unwrap();
        let again = decode(&first.to_bytes()).unwrap();
        prop_assert_eq!(again.summary(), first.summary());
        prop_assert_eq!(again.to_bytes(), first.to_bytes());
        let theirs: TypedData = serde_json::from_slice(&first.to_bytes()).unwrap();
        let hash = hex::encode(theirs.eip712_signing_hash().unwrap());
        prop_assert!(first.summary().text.ends_with(&hash));
    }

    #[test]
    fn the_signer_is_recovered(dice: Dice, secret: [u8; 32]) {
        let Ok(key) = SigningKey::from_secret_bytes(Curve::Secp256k1, &secret) else { return Ok(()) };
        let signer = ChainSigner::new(Arc::new(Evm), key).unwrap();
        let json = dice.typed_data().to_string();
        let data = decode(json.as_bytes()).unwrap();
        let signed = signer.sign(data.as_ref()).unwrap();
        prop_assert_eq!(evm::recover_typed_data_signer(json.as_bytes(), &signed.bytes).unwrap(), signer.address());
        prop_assert_eq!(signer.sign(data.as_ref()).unwrap(), signed, "deterministic");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn decoding_anything_never_panics(bytes in vec(any::<u8>(), 0..200), text in "[\\[\\]{}\":,a-f0-9]{0,100}") {
        let _ = decode(&bytes);
        let _ = decode(text.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// 10,000 in all: what takes the time is to make up typed data.
    #[test]
    fn mutated_json_is_refused_or_is_what_its_canonical_form_says(dice: Dice, all in vec(mutations(), 20)) {
        let good = dice.typed_data().to_string();
        let original = decode(good.as_bytes()).unwrap();
        for mutations in all {
            let bytes = mutated(good.as_bytes(), &mutations);
            let Ok(data) = decode(&bytes) else { continue };
            let again = decode(&data.to_bytes()).unwrap();
            prop_assert_eq!(again.summary(), data.summary());
            prop_assert_eq!(original.summary() == data.summary(), original.to_bytes() == data.to_bytes());
            if let Ok(theirs) = serde_json::from_slice::<TypedData>(&bytes)
                && let Ok(hash) = theirs.eip712_signing_hash()
            {
                prop_assert!(data.summary().text.ends_with(&hex::encode(hash)), "{}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}

fn decode(json: &[u8]) -> Result<Box<dyn Transaction>, DecodeError> {
    Evm.decode(&Payload::new(Encoding::TypedData, json))
}

/// Chooses types and values of them.
#[derive(Clone, Debug)]
struct Dice(Vec<u8>);

impl Arbitrary for Dice {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        vec(any::<u8>(), 1..120).prop_map(Self).boxed()
    }
}

impl Dice {
    fn typed_data(mut self) -> Value {
        let mut types = BTreeMap::new();
        let message = self.structure(&mut types, "Primary", 0);
        let standard = [
            ("name", "string", json!(self.text())),
            ("version", "string", json!("1")),
            ("chainId", "uint256", json!(u64::from(self.roll(250)) + 1)),
            ("verifyingContract", "address", self.hex(20)),
            ("salt", "bytes32", self.hex(32)),
        ];
        let (mut domain, mut declared) = (Map::new(), Vec::new());
        for (name, kind, value) in standard {
            if name == "chainId" || self.roll(3) > 0 {
                declared.push(json!({ "name": name, "type": kind }));
                domain.insert(name.to_owned(), value);
            }
        }
        types.insert("EIP712Domain".to_owned(), declared);
        json!({ "types": types, "primaryType": "Primary", "domain": domain, "message": message })
    }

    /// From 0 to `sides` - 1, until the bytes are used up: 0 from then on.
    fn roll(&mut self, sides: u8) -> u8 {
        self.0.pop().unwrap_or(0) % sides
    }

    fn structure(&mut self, types: &mut BTreeMap<String, Vec<Value>>, name: &str, depth: u8) -> Value {
        let mut fields = Vec::new();
        let mut value = Map::new();
        types.insert(name.to_owned(), Vec::new());
        for i in 0..=self.roll(4) {
            let field = format!("f{i}");
            let (kind, item) = self.field(types, depth);
            fields.push(json!({ "name": field, "type": kind }));
            value.insert(field, item);
        }
        types.insert(name.to_owned(), fields);
        Value::Object(value)
    }

    fn field(&mut self, types: &mut BTreeMap<String, Vec<Value>>, depth: u8) -> (String, Value) {
        let (mut kind, mut value) = if depth < 3 && self.roll(4) == 1 {
            let name = format!("T{}{}", self.roll(10), types.len());
            let value = self.structure(types, &name, depth + 1);
            (name, value)
        } else {
            self.leaf()
        };
        for _ in 0..self.roll(5).saturating_sub(2) {
            let len = self.roll(4);
            value = Value::Array(vec![value; len.into()]);
            let dimension = if len > 0 && self.roll(2) == 1 { format!("[{len}]") } else { "[]".to_owned() };
            kind.push_str(&dimension);
        }
        (kind, value)
    }

    fn leaf(&mut self) -> (String, Value) {
        let size = self.roll(32) + 1;
        let byte = self.roll(255);
        match self.roll(8) {
            0 => ("string".to_owned(), json!(self.text())),
            1 => ("bool".to_owned(), json!(byte > 100)),
            2 => ("address".to_owned(), self.hex(20)),
            3 => (format!("bytes{size}"), self.hex(size)),
            4 => ("bytes".to_owned(), self.hex(byte % 70)),
            5 => (format!("uint{}", u16::from(size) * 8), self.hex(size)),
            6 => (format!("uint{}", u16::from(size) * 8), json!(byte.to_string())),
            _ => {
                let number = i32::from(byte) - 128;
                (format!("int{}", u16::from(size) * 8), json!(number.to_string()))
            }
        }
    }

    fn hex(&mut self, len: u8) -> Value {
        let bytes: Vec<_> = (0..len).map(|_| self.roll(255)).collect();
        json!(format!("0x{}", hex::encode(bytes)))
    }

    fn text(&mut self) -> String {
        (0..self.roll(6)).map(|_| char::from(self.roll(255))).collect()
    }
}
