//! What must hold for every `cosmos` transaction.
#![cfg(feature = "cosmos")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod mutation;
mod protobuf;

use std::sync::Arc;

use chain_signers::{
    Chain, ChainSigner, Curve, DecodeError, Encoding, Payload, SigningKey, Transaction,
    cosmos::{self, Cosmos},
    hazmat,
};
use mutation::{mutated, mutations};
use proptest::{collection::vec, prelude::*};
use protobuf::{bytes, number, text};
use sha2::{Digest, Sha256};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn decoding_is_exact_and_signatures_are_right(fields: Fields) {
        for (encoding, payload) in [(Encoding::Binary, fields.binary()), (Encoding::Json, fields.json())] {
            let transaction = decode(encoding, &payload).unwrap();
            prop_assert_eq!(transaction.to_bytes(), &payload[..]);
            let signer = fields.signer();
            let signed = signer.sign(transaction.as_ref()).unwrap();
            prop_assert_eq!(signer.sign(transaction.as_ref()).unwrap(), signed.clone(), "deterministic");
            prop_assert_eq!(&signed.id, &hex::encode_upper(Sha256::digest(&signed.bytes)));
            let [(1, _), (2, _), (3, signature)] = &protobuf::fields(&signed.bytes)[..] else { panic!("not a TxRaw") };
            // Reading it refuses a high S.
            let signature = chain_signers::Signature::from_bytes(Curve::Secp256k1, signature, None).unwrap();
            let payload = &transaction.signing_payloads(signer.verifying_key()).unwrap()[0];
            prop_assert_eq!(signer.verifying_key().verify(payload, &signature), Ok(()));
            let sighash = *payload.sighash().unwrap().as_bytes();
            prop_assert_eq!(sighash, <[u8; 32]>::from(Sha256::digest(payload.as_bytes())));
            prop_assert_eq!(hazmat::verify_prehash(signer.verifying_key(), &sighash, &signature), Ok(()));
        }
    }

    #[test]
    fn both_modes_mean_the_same(fields: Fields) {
        let (direct, amino) = (decode(Encoding::Binary, &fields.binary()).unwrap(), decode(Encoding::Json, &fields.json()).unwrap());
        prop_assert_eq!(&direct.summary().actions, &amino.summary().actions);
        prop_assert_eq!(direct.summary().fee_ceiling, amino.summary().fee_ceiling);
        let words = |transaction: &dyn Transaction| {
            let text = transaction.summary().text.replacen("(direct,", "(amino,", 1);
            text.rsplit_once("; sighash ").unwrap().0.to_owned()
        };
        prop_assert_eq!(words(direct.as_ref()), words(amino.as_ref()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Twenty a case: ten thousand.
    #[test]
    fn a_mutated_transaction_is_refused_or_is_another(fields: Fields, all in vec(mutations(), 20), json: bool) {
        let (encoding, good) =
            if json { (Encoding::Json, fields.json()) } else { (Encoding::Binary, fields.binary()) };
        let original = decode(encoding, &good).unwrap();
        for mutations in all {
            let bytes = mutated(&good, &mutations);
            let Ok(transaction) = decode(encoding, &bytes) else { continue };
            let again = transaction.to_bytes();
            prop_assert!(json || again == bytes, "decoding is exact");
            let twice = decode(encoding, &again).unwrap();
            prop_assert_eq!(twice.summary(), transaction.summary());
            prop_assert_eq!(transaction.summary().text == original.summary().text, again == good);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn decoding_anything_never_panics(bytes in vec(any::<u8>(), 0..300)) {
        for encoding in [Encoding::Binary, Encoding::Json] {
            if let Ok(transaction) = decode(encoding, &bytes) {
                prop_assert!(!transaction.summary().text.is_empty());
            }
        }
    }
}

/// A valid transaction, to be written in both ways.
#[derive(Clone, Debug)]
struct Fields {
    secret: [u8; 32],
    sends: Vec<([u8; 20], u64)>,
    stake: Option<u64>,
    transfer: Option<(u64, u64, String)>,
    memo: String,
    timeout: u64,
    account: u64,
    sequence: u64,
    fee: Option<u64>,
    gas: u64,
}

impl Arbitrary for Fields {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let memo = "[ -~é\u{1f600}\\n]{0,40}";
        let transfer = proptest::option::of((1..u64::MAX, any::<u64>(), "[ -~]{0,20}"));
        let messages = (vec((any::<[u8; 20]>(), 1..u64::MAX), 1..4), proptest::option::of(1..u64::MAX), transfer);
        let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), proptest::option::of(any::<u64>()), any::<u64>());
        (1..=254_u8, messages, memo, numbers)
            .prop_map(|(secret, (sends, stake, transfer), memo, (timeout, account, sequence, fee, gas))| Self {
                secret: [secret; 32],
                sends,
                stake,
                transfer,
                memo,
                timeout,
                account,
                sequence,
                fee,
                gas,
            })
            .boxed()
    }
}

impl Fields {
    fn signer(&self) -> ChainSigner {
        let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &self.secret).unwrap();
        ChainSigner::new(Arc::new(Cosmos), key).unwrap()
    }

    fn validator(&self) -> String {
        cosmos::address("cosmosvaloper", self.signer().verifying_key()).unwrap()
    }

    fn binary(&self) -> Vec<u8> {
        let signer = self.signer();
        let from = signer.address();
        let any = |type_url: &str, value: Vec<u8>| bytes(1, &[text(1, type_url), bytes(2, &value)].concat());
        let mut body = Vec::new();
        for (to, amount) in &self.sends {
            let value = [text(1, from), text(2, &address(to)), coin(3, "uatom", *amount)].concat();
            body.extend(any("/cosmos.bank.v1beta1.MsgSend", value));
        }
        if let Some(amount) = self.stake {
            let value = [text(1, from), text(2, &self.validator()), coin(3, "uatom", amount)].concat();
            body.extend(any("/cosmos.staking.v1beta1.MsgDelegate", value));
        }
        if let Some((amount, time, memo)) = &self.transfer {
            let start = [text(1, "transfer"), text(2, "channel-0"), coin(3, "uatom", *amount), text(4, from)].concat();
            let height = bytes(6, &number(2, 7));
            let value = [start, text(5, "osmo1receiver"), height, number(7, *time), text(8, memo)].concat();
            body.extend(any("/ibc.applications.transfer.v1.MsgTransfer", value));
        }
        body.extend([text(2, &self.memo), number(3, self.timeout)].concat());
        let key = [text(1, "/cosmos.crypto.secp256k1.PubKey"), bytes(2, &bytes(1, &signer.verifying_key().to_bytes()))];
        let mode = bytes(2, &bytes(1, &number(1, 1)));
        let info = [bytes(1, &key.concat()), mode, number(3, self.sequence)].concat();
        let fee = self.fee.map_or_else(Vec::new, |amount| coin(1, "uatom", amount));
        let auth_info = [bytes(1, &info), bytes(2, &[fee, number(2, self.gas)].concat())].concat();
        [bytes(1, &body), bytes(2, &auth_info), text(3, "cosmoshub-4"), number(4, self.account)].concat()
    }

    fn json(&self) -> Vec<u8> {
        let signer = self.signer();
        let from = signer.address();
        let quote = |text: &str| {
            let quoted = serde_json::to_string(text).unwrap();
            quoted.replace('&', r"\u0026").replace('<', r"\u003c").replace('>', r"\u003e")
        };
        let coin = |amount: u64| format!(r#"{{"amount":"{amount}","denom":"uatom"}}"#);
        let mut messages = Vec::new();
        for (to, amount) in &self.sends {
            let (to, coin) = (address(to), coin(*amount));
            messages.push(format!(
                r#"{{"type":"cosmos-sdk/MsgSend","value":{{"amount":[{coin}],"from_address":"{from}","to_address":"{to}"}}}}"#
            ));
        }
        if let Some(amount) = self.stake {
            let (validator, coin) = (self.validator(), coin(amount));
            messages.push(format!(
                r#"{{"type":"cosmos-sdk/MsgDelegate","value":{{"amount":{coin},"delegator_address":"{from}","validator_address":"{validator}"}}}}"#
            ));
        }
        if let Some((amount, time, memo)) = &self.transfer {
            let memo = if memo.is_empty() { String::new() } else { format!(r#""memo":{},"#, quote(memo)) };
            let time = if *time == 0 { String::new() } else { format!(r#""timeout_timestamp":"{time}","#) };
            messages.push(format!(
                r#"{{"type":"cosmos-sdk/MsgTransfer","value":{{{memo}"receiver":"osmo1receiver","sender":"{from}","source_channel":"channel-0","source_port":"transfer","timeout_height":{{"revision_height":"7"}},{time}"token":{}}}}}"#,
                coin(*amount)
            ));
        }
        let timeout =
            if self.timeout == 0 { String::new() } else { format!(r#","timeout_height":"{}""#, self.timeout) };
        format!(
            r#"{{"account_number":"{}","chain_id":"cosmoshub-4","fee":{{"amount":[{}],"gas":"{}"}},"memo":{},"msgs":[{}],"sequence":"{}"{timeout}}}"#,
            self.account,
            self.fee.map_or_else(String::new, coin),
            self.gas,
            quote(&self.memo),
            messages.join(","),
            self.sequence,
        )
        .into_bytes()
    }
}

/// Of an account that no key is known of.
fn address(account: &[u8; 20]) -> String {
    bech32::encode::<bech32::Bech32>(bech32::Hrp::parse("cosmos").unwrap(), account).unwrap()
}

fn coin(tag: u64, denom: &str, amount: u64) -> Vec<u8> {
    bytes(tag, &[text(1, denom), text(2, &amount.to_string())].concat())
}

fn decode(encoding: Encoding, bytes: &[u8]) -> Result<Box<dyn Transaction>, DecodeError> {
    Cosmos.decode(&Payload::new(encoding, bytes))
}
