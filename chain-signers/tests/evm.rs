//! The `eip155` chains against published transactions, and what is refused.
#![cfg(feature = "evm")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::sync::Arc;

use chain_signers::{
    Action, Amount, Chain, ChainId, ChainSigner, Curve, DecodeError, Encoding, Payload, SigningKey, Transaction,
    evm::{self, Evm},
};

/// The worked example of EIP-155, <https://eips.ethereum.org/EIPS/eip-155>.
mod eip_155 {
    pub(crate) const SECRET: [u8; 32] = [0x46; 32];
    pub(crate) const ADDRESS: &str = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F";
    pub(crate) const SIGNING_DATA: &str =
        "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080";
    pub(crate) const SIGNING_HASH: &str = "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53";
    pub(crate) const SIGNED: &str = "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400\
         008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800cc\
         f555c9f3dc64214b297fb1966a3b6d83";
}

/// `packages/tx/test/json/eip1559.json` of ethereumjs-monorepo, without the outer RLP string header there: nonce, value,
/// gas, priority fee, maximum fee, signed transaction. All have chain id 7822 and the same key and receiver.
mod ethereumjs {
    pub(crate) const SECRET: &str = "8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63";
    pub(crate) const CASES: [(u64, u64, u64, u64, u64, &str); 4] = [
        (
            819,
            43_203_529,
            35_552,
            75_853,
            121_212,
            "02f870821e8e8203338301284d8301d97c828ae094000000000000000000000000000000000000aaaa8402933bc980c080a0d067f2\
             167008c59219652f91cbf8788dbca5f771f6e91e2b7657e85b78b472e0a01d305af9fe81fdba43f0dfcd400ed24dcace0a7e30d4e8\
             5701dcaaf484cd079e",
        ),
        (
            353,
            61_901_619,
            32_593,
            38_850,
            136_295,
            "02f86f821e8e8201618297c283021467827f5194000000000000000000000000000000000000aaaa8403b08b3380c001a004205678\
             f13fc1d7b10feea6513dfa76e24418b6e08097d95c6f93a3b64e536da01d45ad61bfece43862de2cce7d2575a8c1d08c26c87f3cb5\
             f26d7b0be54a91b2",
        ),
        (
            985,
            32_531_825,
            68_541,
            66_377,
            136_097,
            "02f871821e8e8203d983010349830213a183010bbd94000000000000000000000000000000000000aaaa8401f0657180c001a0e6d2\
             3c5ecc0f388a4d41a9523c3ad171e98083a61288c340b968dfe0903a6741a07319e8d54a4fd8f0c081d3ce093d869f9df598481991\
             c8534bfd8f2c163884b4",
        ),
        (
            900,
            30_402_257,
            76_053,
            8_714,
            112_705,
            "02f870821e8e82038482220a8301b8418301291594000000000000000000000000000000000000aaaa8401cfe6d180c080a06e1bc9\
             e4645de8bdad2c60424539c2dd93aacbc06ae94e440629b133a99e9ba7a03d23fdfdd9934c77fe5385a6b4b6c69e84cdec7814a19d\
             81e648b5852ee5f7eb",
        ),
    ];
}

#[test]
fn signs_the_eip_155_example_from_binary_and_from_both_json_styles() {
    let signer = signer(&eip_155::SECRET);
    assert_eq!(signer.address(), eip_155::ADDRESS);
    let reference = r#"{"nonce": 9, "gasPrice": 20000000000, "gas": 21000, "value": 1, "chainId": 1,
        "to": "0x3535353535353535353535353535353535353535"}"#;
    let json_rpc = r#"{"nonce": "0x9", "gasPrice": "0x4a817c800", "gas": "0x5208", "value": "0xde0b6b3a7640000",
        "chainId": "0x1", "type": "0x0", "input": "0x", "to": "0x3535353535353535353535353535353535353535"}"#;
    let binary = hex::decode(eip_155::SIGNING_DATA).unwrap();
    for transaction in [decode_binary(&binary), decode_json(reference), decode_json(json_rpc)] {
        let transaction = transaction.unwrap();
        assert_eq!(hex::encode(transaction.to_bytes()), eip_155::SIGNING_DATA);
        let payloads = transaction.signing_payloads(signer.verifying_key()).unwrap();
        assert_eq!(payloads[0].sighash().unwrap().to_string(), eip_155::SIGNING_HASH);
        let signed = signer.sign(transaction.as_ref()).unwrap();
        assert_eq!(hex::encode(&signed.bytes), eip_155::SIGNED);
        assert_eq!(evm::recover_sender(&signed.bytes).unwrap(), eip_155::ADDRESS);
    }
}

#[test]
fn signs_the_eip_1559_transactions_of_ethereumjs() {
    let signer = signer(&hex::decode(ethereumjs::SECRET).unwrap());
    for (nonce, value, gas, priority, max, expected) in ethereumjs::CASES {
        let json = format!(
            r#"{{"nonce":"{nonce:#x}","value":"{value:#x}","gas":"{gas:#x}","maxPriorityFeePerGas":"{priority:#x}",
                "maxFeePerGas":"{max:#x}","chainId":"0x1e8e","to":"0x000000000000000000000000000000000000aaaa"}}"#
        );
        let transaction = decode_json(&json).unwrap();
        let signed = signer.sign(transaction.as_ref()).unwrap();
        assert_eq!(hex::encode(&signed.bytes), expected);
        assert_eq!(evm::recover_sender(&signed.bytes).unwrap(), signer.address());
        assert_eq!(decode_binary(&transaction.to_bytes()).unwrap().summary(), transaction.summary());
    }
}

/// A transaction of Ethereum's main network, as alloy-consensus's own tests give it (`transaction/eip1559.rs`,
/// `encode_decode_eip1559`): its signing hash, signature, transaction hash and sender are known, its key is not.
#[test]
fn agrees_with_a_main_network_transaction() {
    let json = r#"{"chainId":"0x1","nonce":"0x42","gas":"0xad62","to":"0x6069a6c32cf691f5982febae4faf8a6f3ab2f0f6",
        "value":"0x0","maxFeePerGas":"0x4a817c800","maxPriorityFeePerGas":"0x3b9aca00","data":"0xa22cb465\
        0000000000000000000000005eee75727d804a2b13038928d36f8b188945a57a\
        0000000000000000000000000000000000000000000000000000000000000000"}"#
        .replace("\\\n        ", "");
    let transaction = decode_json(&json).unwrap();
    let any_key = signer(&[1; 32]);
    let payloads = transaction.signing_payloads(any_key.verifying_key()).unwrap();
    let sighash = "0d5688ac3897124635b6cf1bc0e29d6dfebceebdc10a54d74f2ef8b56535b682";
    assert_eq!(payloads[0].sighash().unwrap().to_string(), sighash);
    let scalars = hex::decode(
        "840cfc572845f5786e702984c2a582528cad4b49b2a10b9db1be7fca90058565\
         25e7109ceb98168d95b09b18bbf6b685130e0562f233877d492b94eee0c5b6d1",
    )
    .unwrap();
    let id = chain_signers::RecoveryId::from_byte(0);
    let signature = chain_signers::Signature::from_bytes(Curve::Secp256k1, &scalars, id).unwrap();
    let signed = transaction.assemble(any_key.verifying_key(), &[signature]).unwrap();
    assert_eq!(signed.id, "0x0ec0b6a2df4d87424e5f6ad2a654e27aaeb7dac20ae9e8385cc09087ad532ee0");
    let sender = evm::recover_sender(&signed.bytes).unwrap();
    assert_eq!(sender.to_lowercase(), "0xdd6b8b3dc6b7ad97db52f08a275ff4483e024cea");
    assert_eq!(
        transaction.summary().actions,
        [Action::TokenApproval {
            token: "0x6069a6C32cf691F5982FEbAe4fAf8a6f3AB2F0F6".to_owned(),
            spender: "0x5eee75727D804A2b13038928D36F8b188945A57a".to_owned(),
            amount: Amount::ZERO,
            selector: Some("0xa22cb465".to_owned()),
        }]
    );
}

#[test]
fn reads_the_reference_request() {
    let transaction = decode_json(&reference("")).unwrap();
    let summary = transaction.summary();
    let to = "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf".to_owned();
    assert_eq!(summary.chain_id.as_str(), "eip155:4");
    assert_eq!(summary.actions, [Action::Transfer { to, amount: Amount::from(10_u64.pow(16)) }]);
    assert_eq!(summary.fee_ceiling, Some(Amount::from(10_u64.pow(16))));
    let words = "transfer 0.01 to 0xa5D3241A1591061F2a4bB69CA0215F66520E67cf on eip155:4 (EIP-1559, nonce 0); \
                 fee at most 0.01 (100000 gas at 100000000000 wei); sighash ";
    assert!(summary.text.starts_with(words), "{}", summary.text);
}

#[test]
fn ether_is_exact() {
    for (value, wei) in [
        ("0", "0"),
        ("0.0", "0"),
        ("0e999999999", "0"),
        ("1", "1000000000000000000"),
        ("0.01", "10000000000000000"),
        ("1e-05", "10000000000000"),
        ("1.5E+3", "1500000000000000000000"),
        ("0.1", "100000000000000000"),
        ("0.30000000000000004", "300000000000000040"),
        ("9007199254740993.000000000000000001", "9007199254740993000000000000000001"),
        ("0.000000000000000001", "1"),
    ] {
        let json = reference("").replace(r#""value":0.01"#, &format!(r#""value":{value}"#));
        let transaction = decode_json(&json).unwrap();
        let [Action::Transfer { amount, .. }] = &transaction.summary().actions[..] else { panic!("{value}") };
        assert_eq!(amount.to_string(), wei, "{value}");
    }
}

#[test]
fn refuses_values_that_are_no_amount_of_wei() {
    for value in [
        "-1",
        "-0",
        "0.0000000000000000001",
        "1e-19",
        "100e-20",
        "1e60",
        "1e999999999999",
        "1e-999999999999",
        "\"0.01\"",
        "null",
        "true",
        "[]",
        "{}",
        "115792089237316195423570985008687907853269984665640564039458",
        &"9".repeat(101),
    ] {
        let error = decode_json(&reference("").replace("0.01", value)).unwrap_err();
        let expected = if value == "\"0.01\"" { "mixed" } else { "value" };
        assert_eq!(field(&error), expected, "{value}: {error}");
    }
}

#[test]
fn refuses_numbers_that_are_not_plain() {
    for (key, good) in
        [("nonce", "0"), ("gas", "100000"), ("chainId", "4"), ("type", "2"), ("maxFeePerGas", "100000000000")]
    {
        for bad in ["1e5", "1.0", "-1", "18446744073709551616000000000000000000000", "null", "[1]", "true"] {
            let json = reference("").replace(&format!("\"{key}\":{good},"), &format!("\"{key}\":{bad},"));
            assert_ne!(json, reference(""), "{key}");
            let error = decode_json(&json).unwrap_err();
            assert_eq!(field(&error), key, "{bad}: {error}");
        }
    }
}

#[test]
fn refuses_mixed_styles() {
    for (from, to) in [
        (r#""chainId":4"#, r#""chainId":"0x4""#),
        (r#""value":0.01"#, r#""value":"0x1""#),
        (r#""type":2"#, r#""type":"0x2""#),
    ] {
        let error = decode_json(&reference("").replace(from, to)).unwrap_err();
        assert!(matches!(error, DecodeError::MixedStyles { .. }), "{error}");
    }
}

#[test]
fn refuses_duplicate_unknown_and_missing_keys() {
    let duplicate = decode_json(&reference(r#","nonce":0"#)).unwrap_err();
    assert_eq!(duplicate, DecodeError::DuplicateKey { key: "nonce".to_owned() });
    let escaped = decode_json(&reference(r#","\u006eonce":1"#)).unwrap_err();
    assert_eq!(escaped, DecodeError::DuplicateKey { key: "nonce".to_owned() });
    for key in ["from", "gasLimit", "accesslist", "Nonce", "blobs", "authorizations", "input "] {
        let error = decode_json(&reference(&format!(r#","{key}":[]"#))).unwrap_err();
        assert_eq!(error, DecodeError::UnknownKey { key: key.to_owned() });
    }
    let input = decode_json(&reference(r#","input":"0x""#)).unwrap_err();
    assert_eq!(input, DecodeError::UnknownKey { key: "input".to_owned() }, "not in the reference style");
    for (key, text) in [
        ("to", r#","to":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf""#),
        ("nonce", r#","nonce":0"#),
        ("chainId", r#","chainId":4"#),
        ("gas", r#","gas":100000"#),
        ("maxFeePerGas", r#","maxFeePerGas":100000000000"#),
        ("maxPriorityFeePerGas", r#","maxPriorityFeePerGas":3000000000"#),
    ] {
        let json = reference("").replace(text, "");
        assert_ne!(json, reference(""), "{key}");
        assert_eq!(decode_json(&json).unwrap_err(), DecodeError::Missing { field: key.into() });
    }
}

#[test]
fn infers_the_type_only_where_the_fees_tell_it() {
    let without_type = reference("").replace(r#""type":2,"#, "");
    assert_eq!(decode_json(&without_type).unwrap().to_bytes()[0], 2);
    let legacy = reference("")
        .replace(r#","maxFeePerGas":100000000000,"maxPriorityFeePerGas":3000000000"#, r#","gasPrice":100000000000"#);
    assert_eq!(field(&decode_json(&legacy).unwrap_err()), "gasPrice", "type 2 says otherwise");
    let legacy = legacy.replace(r#""type":2,"#, "");
    assert!(decode_json(&legacy).unwrap().to_bytes()[0] >= 0xc0);
    let both = without_type.replace('}', r#","gasPrice":1}"#);
    assert_eq!(field(&decode_json(&both).unwrap_err()), "gasPrice");
    let zero = reference("").replace(r#""type":2"#, r#""type":0"#);
    assert_eq!(field(&decode_json(&zero).unwrap_err()), "maxFeePerGas");
    for (number, name) in [(5, "type 5"), (6, "type 6"), (255, "type 255")] {
        let error = decode_json(&reference("").replace(r#""type":2"#, &format!(r#""type":{number}"#))).unwrap_err();
        assert!(matches!(&error, DecodeError::UnsupportedType { found } if found.contains(name)), "{error}");
    }
    for (byte, name) in [(6, "type 6"), (0, "type 0"), (0xbf, "type 191")] {
        let error = decode_binary(&[byte, 0xc0]).unwrap_err();
        assert!(matches!(&error, DecodeError::UnsupportedType { found } if found.contains(name)), "{error}");
    }
}

#[test]
fn a_wrong_checksum_is_refused_and_an_absent_one_is_not() {
    let address = "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf";
    for good in [address.to_lowercase(), format!("0x{}", address[2..].to_uppercase())] {
        let transaction = decode_json(&reference("").replace(address, &good)).unwrap();
        assert!(matches!(&transaction.summary().actions[..], [Action::Transfer { to, .. }] if to == address));
    }
    for bad in [address.replace("cf", "CF"), address[2..].to_owned(), address.replace("0x", "0X"), String::new()] {
        let error = decode_json(&reference("").replace(address, &bad)).unwrap_err();
        assert_eq!(field(&error), "to", "{bad}");
    }
}

#[test]
fn contract_creation_is_explicit_and_has_code() {
    let to = r#""0xa5D3241A1591061F2a4bB69CA0215F66520E67cf""#;
    let creation = reference(r#","data":"0x6000""#).replace(to, "null");
    let transaction = decode_json(&creation).unwrap();
    let amount = Amount::from(10_u64.pow(16));
    assert_eq!(transaction.summary().actions, [Action::ContractCreation { amount, init_code_len: 2 }]);
    assert_eq!(decode_binary(&transaction.to_bytes()).unwrap().summary(), transaction.summary());
    let empty = decode_json(&reference("").replace(to, "null")).unwrap_err();
    assert!(matches!(empty, DecodeError::Missing { .. }), "{empty}");
    let long = reference(&format!(r#","data":"0x{}""#, "00".repeat(49_153))).replace(to, "null");
    assert!(matches!(decode_json(&long), Err(DecodeError::TooLong { len: 49_153, max: 49_152, .. })));
}

#[test]
fn refuses_what_breaks_the_rules_of_the_chain() {
    for (from, to, name) in [
        (r#""chainId":4"#, r#""chainId":0"#, "chain_id"),
        (r#""chainId":4"#, r#""chainId":9223372036854775772"#, "chain_id"),
        (r#""nonce":0"#, r#""nonce":18446744073709551615"#, "nonce"),
        (r#"Gas":3000000000"#, r#"Gas":100000000001"#, "max_priority_fee_per_gas"),
        (
            r#""value":0.01"#,
            r#""value":115792089237316195423570985008687907853269984665640564039457.584007913129639935"#,
            "value",
        ),
    ] {
        let json = reference("").replace(from, to);
        assert_ne!(json, reference(""));
        assert_eq!(field(&decode_json(&json).unwrap_err()), name, "{to}");
    }
    for (from, to) in [
        (r#""chainId":4"#, r#""chainId":9223372036854775771"#),
        (r#""nonce":0"#, r#""nonce":18446744073709551614"#),
        (r#"Gas":3000000000"#, r#"Gas":100000000000"#),
    ] {
        decode_json(&reference("").replace(from, to)).unwrap();
    }
}

#[test]
fn data_is_bounded_and_well_formed() {
    let most = reference(&format!(r#","data":"0x{}""#, "00".repeat(128 * 1024)));
    let transaction = decode_json(&most).unwrap();
    decode_binary(&transaction.to_bytes()).unwrap();
    let more = reference(&format!(r#","data":"0x{}""#, "00".repeat(128 * 1024 + 1)));
    assert!(matches!(decode_json(&more), Err(DecodeError::TooLong { max: 131_072, .. })));
    assert!(matches!(decode_json(&" ".repeat(1 << 20)), Err(DecodeError::TooLong { .. })));
    assert!(matches!(decode_binary(&[0xc0; 1 << 20]), Err(DecodeError::TooLong { .. })));
    for bad in ["", "0", "00", "0x0", "0xzz", "0X00"] {
        assert_eq!(field(&decode_json(&reference(&format!(r#","data":"{bad}""#))).unwrap_err()), "data", "{bad}");
    }
    let quantities = |json: String| json.replace("null", "\"0x1\"");
    let both = quantities(
        r#"{"to":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf","nonce":null,"gas":null,"gasPrice":null,"chainId":null,
            "data":"0x00","input":"0x00"}"#
            .to_owned(),
    );
    assert_eq!(field(&decode_json(&both).unwrap_err()), "input");
}

#[test]
fn refuses_hex_quantities_with_another_spelling() {
    let good = r#"{"to":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf","nonce":"0x1","gas":"0x5208","gasPrice":"0x1",
        "chainId":"0x1"}"#;
    decode_json(good).unwrap();
    for bad in ["", "0x", "0x01", "1", "0X1", "0xg", "-0x1", "0x1_0", "0x10000000000000000"] {
        let error = decode_json(&good.replace(r#""nonce":"0x1""#, &format!(r#""nonce":"{bad}""#))).unwrap_err();
        assert_eq!(field(&error), "nonce", "{bad}");
    }
}

#[test]
fn refuses_json_that_is_not_one_object() {
    for json in ["", "null", "[]", "{", "{}x", "{} {}", "\u{feff}{}", "\"{}\"", "{\"nonce\":01}", "{\"nonce\":0,}"] {
        let error = decode_json(json).unwrap_err();
        assert!(matches!(error, DecodeError::Malformed { .. }), "{json}: {error}");
    }
    assert!(matches!(decode_json("{}"), Err(DecodeError::Missing { .. })));
    let invalid_utf8 = Evm.decode(&Payload::new(Encoding::Json, b"{\"to\":\"\xff\"}"));
    assert!(matches!(invalid_utf8, Err(DecodeError::Malformed { .. })));
    let deep = format!("{{\"nonce\":{}}}", "[".repeat(100_000));
    assert!(decode_json(&deep).is_err());
    let many: Vec<_> = (0..40).map(|i| format!("\"k{i}\":1")).collect();
    assert!(decode_json(&format!("{{{}}}", many.join(","))).is_err());
}

#[test]
fn refuses_rlp_that_the_reader_would_let_pass() {
    let good = hex::decode(eip_155::SIGNING_DATA).unwrap();
    let mut cases = vec![("nothing", Vec::new()), ("trailing byte", [&good[..], &[0]].concat())];
    let mut edited = good.clone();
    *edited.last_mut().unwrap() = 1;
    cases.push(("an EIP-155 field that is not zero", edited));
    // The same fields without chain id and zeros: a transaction valid on every chain.
    let mut chainless = vec![0xe9];
    chainless.extend_from_slice(&good[1..good.len() - 3]);
    cases.push(("no chain id", chainless));
    let mut zero_chain = good.clone();
    let len = zero_chain.len();
    zero_chain[len - 3] = 0x80;
    cases.push(("chain id 0", zero_chain));
    cases.push(("a long header for a short list", [&[0xf8, 0x2c], &good[1..]].concat()));
    cases.push(("cut short", good[..good.len() - 1].to_vec()));
    cases.push(("already signed", hex::decode(eip_155::SIGNED).unwrap()));
    cases.push(("already signed, type 2", hex::decode(ethereumjs::CASES[0].5).unwrap()));
    for (what, bytes) in cases {
        assert!(decode_binary(&bytes).is_err(), "{what}");
    }
}

#[test]
fn access_lists_are_signed_and_bounded() {
    let with_list = |entries: &[Vec<u8>]| {
        let list = list(&entries.concat());
        let head = "82".to_owned() + "1e8e" + "80" + "01" + "02" + "825208" + "94" + &"11".repeat(20) + "80" + "80";
        [vec![2], self::list(&[hex::decode(head).unwrap(), list].concat())].concat()
    };
    let entry = |keys: usize| {
        let keys = list(&[&[0xa0][..], &[7; 32]].concat().repeat(keys));
        list(&[&[0x94][..], &[0x22; 20], &keys].concat())
    };
    let transaction = decode_binary(&with_list(&[entry(2), entry(0)])).unwrap();
    assert!(
        transaction.summary().text.contains("access list of 2 addresses and 2 keys"),
        "{:?}",
        transaction.summary()
    );
    let signer = signer(&[5; 32]);
    let signed = signer.sign(transaction.as_ref()).unwrap();
    assert_eq!(evm::recover_sender(&signed.bytes).unwrap(), signer.address());
    decode_binary(&with_list(&vec![entry(16); 256])).unwrap();
    for (entries, unit) in [(vec![entry(0); 257], "addresses"), (vec![entry(17); 241], "keys")] {
        let error = decode_binary(&with_list(&entries)).unwrap_err();
        assert!(matches!(error, DecodeError::TooLong { unit: found, .. } if found == unit), "{error}");
    }
}

#[test]
fn a_named_chain_must_be_the_transactions_own() {
    let json = reference("");
    let right: ChainId = "eip155:4".parse().unwrap();
    let payload = Payload::new(Encoding::Json, json.as_bytes());
    Evm.decode(&payload.on_chain(&right)).unwrap();
    let wrong: ChainId = "eip155:1".parse().unwrap();
    let error = Evm.decode(&payload.on_chain(&wrong)).unwrap_err();
    assert_eq!(error, DecodeError::ChainIdMismatch { expected: wrong, actual: right });
}

#[test]
fn recovering_refuses_what_is_not_canonically_signed() {
    let signed = hex::decode(eip_155::SIGNED).unwrap();
    evm::recover_sender(&signed).unwrap();
    assert!(evm::recover_sender(&[]).is_err());
    assert!(evm::recover_sender(&signed[..signed.len() - 1]).is_err());
    assert!(evm::recover_sender(&[&signed[..], &[0]].concat()).is_err());
    assert!(evm::recover_sender(&hex::decode(eip_155::SIGNING_DATA).unwrap()).is_err());
}

fn decode_binary(bytes: &[u8]) -> Result<Box<dyn Transaction>, DecodeError> {
    Evm.decode(&Payload::new(Encoding::Binary, bytes))
}

fn decode_json(json: &str) -> Result<Box<dyn Transaction>, DecodeError> {
    Evm.decode(&Payload::new(Encoding::Json, json.as_bytes()))
}

/// The request that AWS's sample wallet sends, with `more` before the closing brace.
fn reference(more: &str) -> String {
    format!(
        r#"{{"value":0.01,"to":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf","nonce":0,"type":2,"chainId":4,"gas":100000,"maxFeePerGas":100000000000,"maxPriorityFeePerGas":3000000000{more}}}"#
    )
}

fn signer(secret: &[u8]) -> ChainSigner {
    let key = SigningKey::from_secret_bytes(Curve::Secp256k1, secret).unwrap();
    ChainSigner::new(Arc::new(Evm), key).unwrap()
}

/// The field that an error is about.
fn field(error: &DecodeError) -> &str {
    match error {
        DecodeError::Invalid { field, .. } | DecodeError::Missing { field } => field,
        DecodeError::MixedStyles { .. } => "mixed",
        other => panic!("{other}"),
    }
}

/// An RLP list around `content`.
fn list(content: &[u8]) -> Vec<u8> {
    let len = content.len().to_be_bytes();
    let len: Vec<u8> = len.into_iter().skip_while(|byte| *byte == 0).collect();
    let header = match content.len() {
        short @ 0..=55 => vec![0xc0 + u8::try_from(short).unwrap()],
        _ => [vec![0xf7 + u8::try_from(len.len()).unwrap()], len].concat(),
    };
    [header, content.to_vec()].concat()
}
