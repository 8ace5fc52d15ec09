//! EIP-712 typed data against published hashes and signatures, what it lets others take, and what is refused.
#![cfg(feature = "evm")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::sync::Arc;

use chain_signers::{
    Action, Amount, Chain, ChainSigner, Curve, DecodeError, Encoding, Payload, SigningKey, Transaction,
    evm::{self, Evm},
};
use serde_json::{Value, json};

/// Keccak-256 of `cow`, the key of EIP-712's example.
const COW: &str = "c85ef7d79691fe79573b1a7064c19c1a9819ebdbd1faaab1a8ec92344438aaf4";
const BOB: &str = "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB";
const ALICE: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
/// Uniswap's Permit2, the same on every chain.
const PERMIT2: &str = "0x000000000022D473030F116dDEE9F6B43aC78BA3";
const USDC: &str = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";
const DAI: &str = "0x6B175474E89094C44Da98b954EedeAC495271d0F";

#[test]
fn signs_the_example_of_eip_712() {
    // <https://eips.ethereum.org/EIPS/eip-712>, `Example.js` beside it: hashes, key, signature.
    let data = decode(&mail()).unwrap();
    let domain_separator = "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f";
    let hash_struct = "c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e";
    let signer = signer(COW);
    let payloads = data.signing_payloads(signer.verifying_key()).unwrap();
    assert_eq!(hex::encode(payloads[0].as_bytes()), format!("1901{domain_separator}{hash_struct}"));
    let signed = signer.sign(data.as_ref()).unwrap();
    assert_eq!(signed.id, "0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
    assert_eq!(
        hex::encode(&signed.bytes),
        "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d\
         07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b915621c"
    );
    assert_eq!(signer.address(), "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826");
    assert_eq!(evm::recover_typed_data_signer(mail().to_string().as_bytes(), &signed.bytes).unwrap(), signer.address());
}

#[test]
fn signs_the_lists_of_eth_sig_util() {
    // MetaMask's eth-sig-util, `src/index.test.ts`, signedTypeData_v4. There, `types` has a Group that is not used, which
    // does not change the hash, and is refused here.
    let data = decode(&lists()).unwrap();
    let signed = signer(COW).sign(data.as_ref()).unwrap();
    assert_eq!(signed.id, "0xa85c2e2b118698e88db68a8105b794a8cc7cec074e89ef991cb4f5f533819cc2");
    assert_eq!(
        hex::encode(&signed.bytes),
        "65cbd956f2fae28a601bebc9b906cea0191744bd4c4247bcd27cd08f8eb6b71c\
         78efdf7a31dc9abee78f492292721f362d296cf86b4538e07b51303b67f749061b"
    );
    let mut unused = lists();
    unused["types"]["Group"] = fields(&["string name", "Person[] members"]);
    assert_refused(&unused, "types: expected only types that the primary type leads to, found Group");
}

#[test]
fn hashes_as_other_wallets_do() {
    // `rust/tw_evm/tests/data/eip712_with_custom_array.json` of Trust Wallet's wallet-core, and its hash in
    // `rust/tw_evm/tests/message_signer.rs` there: structures in lists in structures, the chain id in hex.
    let mut nested = lists();
    nested["types"]["Group"] = fields(&["string name", "Person[] members"]);
    nested["types"]["Mail"] = fields(&["Person from", "Group to", "string contents"]);
    nested["domain"]["chainId"] = json!("0x1");
    nested["message"]["to"] = json!({ "name": "Farmers", "members": lists()["message"]["to"] });
    assert_eq!(id(&nested), "0xcd8b34cd09c541cfc0a2fcd147e47809b98b335649c2aa700db0b0c4501a02a0");

    // eth-sig-util's `should hash a typed message with data`, with a zero contract, as ethers-rs and foundry have it.
    let data = json!({
        "types": { "EIP712Domain": mail()["types"]["EIP712Domain"], "Message": fields(&["string data"]) },
        "primaryType": "Message",
        "domain": { "name": "example.metamask.io", "version": "1", "chainId": "1",
            "verifyingContract": "0x0000000000000000000000000000000000000000" },
        "message": { "data": "Hello!" },
    });
    assert_eq!(id(&data), "0x232cd3ec058eb935a709f093e3536ce26cc9e8e193584b0881992525f6236eef");
}

#[test]
fn says_what_is_signed() {
    let data = decode(&mail()).unwrap();
    let summary = data.summary();
    assert_eq!(summary.chain_id.as_str(), "eip155:1");
    assert_eq!(summary.fee_ceiling, Some(Amount::ZERO));
    let cow = "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826";
    let values = [
        ("from.name", "Cow"),
        ("from.wallet", cow),
        ("to.name", "Bob"),
        ("to.wallet", BOB),
        ("contents", "Hello, Bob!"),
    ];
    assert_eq!(
        summary.actions,
        [Action::TypedData {
            verifying_contract: Some("0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC".to_owned()),
            primary_type: "Mail".to_owned(),
            type_hash: "0xa0cedeb2dc280ba39b857546d74f5549c3a1d7bdc2dd96bf881f76108e23dac2".to_owned(), // of the EIP
            fields: values.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect(),
        }]
    );
    assert_eq!(
        summary.text,
        "sign the typed data Mail for 0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC on eip155:1 (EIP-712, name \"Ether \
         Mail\", version \"1\"); from.name = Cow; from.wallet = 0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826; to.name = Bob; \
         to.wallet = 0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB; contents = \"Hello, Bob!\"; hash \
         be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    );
}

#[test]
fn canonical_json_has_one_spelling() {
    let json = r#" {"message": {"b": ["0x0A", "7"], "a": {"x": true, "y": "\u0041\n"}},
        "domain": {"salt": "0xABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB", "chainId": 0},
        "primaryType": "P", "types": {"B": [{"type": "bool", "name": "x"}, {"type": "string", "name": "y"}],
        "P": [{"name": "a", "type": "B"}, {"name": "b", "type": "int16[2]"}],
        "EIP712Domain": [{"name": "chainId", "type": "uint256"}, {"name": "salt", "type": "bytes32"}]}}"#;
    let json = json.replace(r#""chainId": 0"#, r#""chainId": 10"#);
    let data = decode_bytes(json.as_bytes()).unwrap();
    let canonical = concat!(
        r#"{"types":{"EIP712Domain":[{"name":"chainId","type":"uint256"},{"name":"salt","type":"bytes32"}],"#,
        r#""P":[{"name":"a","type":"B"},{"name":"b","type":"int16[2]"}],"#,
        r#""B":[{"name":"x","type":"bool"},{"name":"y","type":"string"}]},"primaryType":"P","#,
        r#""domain":{"chainId":"10","salt":"0xabababababababababababababababababababababababababababababababab"},"#,
        r#""message":{"a":{"x":true,"y":"A\n"},"b":["10","7"]}}"#
    );
    assert_eq!(String::from_utf8(data.to_bytes()).unwrap(), canonical);
    let again = decode_bytes(canonical.as_bytes()).unwrap();
    assert_eq!((again.summary(), again.to_bytes()), (data.summary(), data.to_bytes()));
}

#[test]
fn the_caller_may_name_the_chain_too() {
    let json = mail().to_string();
    let decode = |chain_id: &str| {
        let chain_id = chain_id.parse().unwrap();
        Evm.decode(&Payload::new(Encoding::TypedData, json.as_bytes()).on_chain(&chain_id)).map(drop)
    };
    assert_eq!(decode("eip155:1"), Ok(()));
    assert!(matches!(decode("eip155:5").unwrap_err(), DecodeError::ChainIdMismatch { .. }));
}

#[test]
fn permits_are_approvals() {
    let eip_2612 = ["address owner", "address spender", "uint256 value", "uint256 nonce", "uint256 deadline"];
    let message = json!({ "owner": ALICE, "spender": BOB, "value": "5000000", "nonce": 0, "deadline": 2_000_000_000 });
    assert_eq!(takes(&single("Permit", &eip_2612, USDC, &message)), [approval(USDC, Amount::from(5_000_000_u64))]);

    let dai = ["address holder", "address spender", "uint256 nonce", "uint256 expiry", "bool allowed"];
    for (allowed, amount) in [(true, Amount::from_be_bytes([0xff; 32])), (false, Amount::ZERO)] {
        let message = json!({ "holder": ALICE, "spender": BOB, "nonce": 0, "expiry": 0, "allowed": allowed });
        assert_eq!(takes(&single("Permit", &dai, DAI, &message)), [approval(DAI, amount)]);
    }

    let named_alike = ["address owner", "address spender", "uint128 value", "uint256 nonce", "uint256 deadline"];
    let message = json!({ "owner": ALICE, "spender": BOB, "value": 5, "nonce": 0, "deadline": 0 });
    assert_eq!(takes(&single("Permit", &named_alike, USDC, &message)), [], "another type");
}

#[test]
fn a_permit_for_no_contract_is_unknown() {
    let eip_2612 = ["address owner", "address spender", "uint256 value", "uint256 nonce", "uint256 deadline"];
    let message = json!({ "owner": ALICE, "spender": BOB, "value": 1, "nonce": 0, "deadline": 0 });
    let mut data = single("Permit", &eip_2612, USDC, &message);
    data["domain"] = json!({ "chainId": 1 });
    data["types"]["EIP712Domain"] = fields(&["uint256 chainId"]);
    assert!(matches!(&takes(&data)[..], [Action::Unknown { .. }]));
}

#[test]
fn authorizations_are_transfers() {
    let eip_3009 =
        ["address from", "address to", "uint256 value", "uint256 validAfter", "uint256 validBefore", "bytes32 nonce"];
    let nonce = format!("0x{}", "07".repeat(32));
    let message =
        json!({ "from": ALICE, "to": BOB, "value": "0x4c4b40", "validAfter": 0, "validBefore": 1, "nonce": nonce });
    for name in ["TransferWithAuthorization", "ReceiveWithAuthorization"] {
        let amount = Amount::from(5_000_000_u64);
        let transfer = Action::TokenTransfer { token: USDC.to_owned(), to: BOB.to_owned(), amount, selector: None };
        assert_eq!(takes(&single(name, &eip_3009, USDC, &message)), [transfer]);
    }
}

#[test]
fn permit2_allowances_are_approvals() {
    let details = fields(&["address token", "uint160 amount", "uint48 expiration", "uint48 nonce"]);
    let detail = |token: &str, amount: &str| json!({ "token": token, "amount": amount, "expiration": 1, "nonce": 0 });
    let max = "0xffffffffffffffffffffffffffffffffffffffff";
    let everything = Amount::from_be_bytes([0xff; 32]);

    let message = json!({ "details": detail(USDC, max), "spender": BOB, "sigDeadline": 9 });
    let mut one =
        single("PermitSingle", &["PermitDetails details", "address spender", "uint256 sigDeadline"], PERMIT2, &message);
    one["types"]["PermitDetails"] = details.clone();
    assert_eq!(takes(&one), [approval(USDC, everything)]);

    let message = json!({ "details": [detail(USDC, "5"), detail(DAI, max)], "spender": BOB, "sigDeadline": 9 });
    let mut batch = single(
        "PermitBatch",
        &["PermitDetails[] details", "address spender", "uint256 sigDeadline"],
        PERMIT2,
        &message,
    );
    batch["types"]["PermitDetails"] = details;
    assert_eq!(takes(&batch), [approval(USDC, Amount::from(5_u64)), approval(DAI, everything)]);
}

#[test]
fn permit2_transfers_are_approvals_with_a_witness_or_without() {
    let permissions = fields(&["address token", "uint256 amount"]);
    let permitted = json!({ "token": USDC, "amount": "5" });
    for (name, is_batch, has_witness) in [
        ("PermitTransferFrom", false, false),
        ("PermitBatchTransferFrom", true, false),
        ("PermitWitnessTransferFrom", false, true),
        ("PermitBatchWitnessTransferFrom", true, true),
    ] {
        let kind = if is_batch { "TokenPermissions[] permitted" } else { "TokenPermissions permitted" };
        let mut types = vec![kind, "address spender", "uint256 nonce", "uint256 deadline"];
        let list = json!([permitted, { "token": DAI, "amount": 6 }]);
        let permitted = if is_batch { &list } else { &permitted };
        let mut message = json!({ "permitted": permitted, "spender": BOB, "nonce": 0, "deadline": 1 });
        if has_witness {
            types.push("Order order");
            message["order"] = json!({ "to": ALICE });
        }
        let mut data = single(name, &types, PERMIT2, &message);
        data["types"]["TokenPermissions"] = permissions.clone();
        if has_witness {
            data["types"]["Order"] = fields(&["address to"]);
        }
        let mut expected = vec![approval(USDC, Amount::from(5_u64))];
        if is_batch {
            expected.push(approval(DAI, Amount::from(6_u64)));
        }
        assert_eq!(takes(&data), expected, "{name}");
    }
}

#[test]
fn refuses_other_keys_at_every_level() {
    for pointer in ["", "/domain", "/message", "/message/from", "/types/Mail/0"] {
        let mut data = mail();
        data.pointer_mut(pointer).unwrap()["extra"] = json!(1);
        assert!(matches!(decode(&data).map(drop), Err(DecodeError::UnknownKey { .. })), "{pointer}");
    }
    for (pointer, key) in [
        ("", "types"),
        ("", "primaryType"),
        ("", "domain"),
        ("", "message"),
        ("/domain", "name"),
        ("/domain", "chainId"),
        ("/message", "from"),
        ("/message/from", "wallet"),
        ("/types/Mail/0", "name"),
        ("/types/Mail/0", "type"),
    ] {
        let mut data = mail();
        data.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key);
        assert!(matches!(decode(&data).map(drop), Err(DecodeError::Missing { .. })), "{pointer} {key}");
    }
    let json = mail().to_string();
    for (once, twice) in [
        (r#""contents":"Hello, Bob!""#, r#""contents":"Hello, Bob!","contents":"Hello, Bob!""#),
        (r#""primaryType":"Mail""#, r#""primaryType":"Mail","primaryType":"Mail""#),
        (r#""version":"1""#, r#""version":"1","version":"1""#),
        (r#""name":"contents""#, r#""name":"contents","name":"contents""#),
        (r#"{"name":"contents","type":"string"}"#, r#"{"name":"from","type":"string"}"#),
        (r#""types":{"#, r#""types":{"Mail":[{"name":"a","type":"bool"}],"#),
    ] {
        assert!(json.contains(once), "{once}");
        let error = decode_bytes(json.replacen(once, twice, 1).as_bytes()).unwrap_err();
        assert!(matches!(error, DecodeError::DuplicateKey { .. }), "{twice}: {error}");
    }
    for bytes in [&b""[..], b"[]", b"{", b"\xff", b"null", b"{} {}"] {
        assert!(decode_bytes(bytes).is_err());
    }
}

#[test]
fn refuses_a_domain_out_of_the_standard() {
    for (declared, error) in [
        (&["string version", "string name", "uint256 chainId"][..], "in this order"),
        (&["string name", "uint64 chainId"], "in this order"),
        (&["uint256 chainId", "string salt"], "in this order"),
        (&["uint256 chainId", "uint256 chainId"], "twice"),
        (&["uint256 chainId", "string color"], "in this order"),
        (&["string name"], "unknown key domain."),
    ] {
        let mut data = mail();
        data["types"]["EIP712Domain"] = fields(declared);
        assert_refused(&data, error);
    }
    let mut nameless = mail();
    nameless["types"]["EIP712Domain"] = fields(&["string name"]);
    nameless["domain"] = json!({ "name": "a" });
    assert_refused(&nameless, "domain.chainId is missing");
    for chain_id in [json!(0), json!("0"), json!("0x0"), json!(18_446_744_073_709_551_616.0), json!(-1), json!(null)] {
        let mut data = mail();
        data["domain"]["chainId"] = chain_id;
        assert_refused(&data, "domain.chainId");
    }
    let mut undeclared = mail();
    undeclared["types"].as_object_mut().unwrap().remove("EIP712Domain");
    assert_refused(&undeclared, "types: expected the definition of EIP712Domain");
}

#[test]
fn refuses_types_that_are_none() {
    for (name, kind, error) in [
        ("x", "uint", "types.Mail[0].type: expected a type of EIP-712 or one that is defined, found uint"),
        ("x", "Nobody", "types.Mail[0].type"),
        ("x", "EIP712Domain", "types: expected types other than the domain's"),
        ("x", "string ", "types.Mail[0].type"),
        ("x y", "string", "types.Mail[0].name"),
        ("x,address y", "string", "types.Mail[0].name"),
        ("", "string", "types.Mail[0].name"),
    ] {
        let mut data = mail();
        data["types"]["Mail"] = json!([{ "name": name, "type": kind }]);
        assert_refused(&data, error);
    }
    let mut renamed = mail();
    renamed["types"]["Mail)Evil(a"] = renamed["types"]["Mail"].clone();
    renamed["primaryType"] = json!("Mail)Evil(a");
    assert_refused(&renamed, "identifiers");
    for primary in ["Nothing", "EIP712Domain", ""] {
        let mut data = mail();
        data["primaryType"] = json!(primary);
        assert_refused(&data, "types: expected the definition of EIP712Domain and of another primaryType");
    }
    let mut empty = mail();
    empty["types"]["Person"] = json!([]);
    assert_refused(&empty, "types.Person: expected at least one field");
}

#[test]
fn refuses_values_out_of_their_type() {
    let long = format!("0x{}", "00".repeat(33));
    for (kind, values) in [
        (
            "uint8",
            vec![
                json!(256),
                json!("256"),
                json!("0x100"),
                json!(-1),
                json!(1.0),
                json!("1e2"),
                json!(true),
                json!(null),
            ],
        ),
        ("int8", vec![json!(128), json!(-129), json!("-0"), json!("-0x1"), json!("+1"), json!(""), json!([])]),
        ("bool", vec![json!(1), json!("true"), json!(null)]),
        (
            "address",
            vec![
                json!("CD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"),
                json!("0x0"),
                json!(0),
                json!("0xcD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"),
            ],
        ),
        ("bytes", vec![json!("0x1"), json!("00"), json!("0xzz"), json!([0])]),
        ("bytes4", vec![json!("0x000000"), json!("0x0000000000"), json!("0x"), json!("abcd")]),
        ("bytes32", vec![json!(long), json!("0x0")]),
        ("string", vec![json!(1), json!(null), json!(["a"])]),
        ("bool[]", vec![json!(true), json!([1]), json!({}), json!(null)]),
        ("bool[2]", vec![json!([true]), json!([true, true, true])]),
        ("bool[2][]", vec![json!([true, true]), json!([[true]])]),
    ] {
        for value in values {
            let shown = format!("{kind} {value}");
            let error =
                decode(&single("T", &[&format!("{kind} x")], USDC, &json!({ "x": value }))).map(drop).unwrap_err();
            assert!(error.to_string().starts_with('x'), "{shown}: {error}");
        }
    }
    let lone_surrogate = single("T", &["string x"], USDC, &json!({ "x": "?" })).to_string().replace('?', r"\ud800");
    assert!(decode_bytes(lone_surrogate.as_bytes()).is_err());
}

#[test]
fn integers_are_never_rounded() {
    // Beyond 2^53, where a JSON reader with floats would round; as JSON integers and as strings.
    let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    let data = |value: &str| {
        let json = single("T", &["uint256 x"], USDC, &json!({ "x": "?" })).to_string().replace("\"?\"", value);
        decode_bytes(json.as_bytes()).unwrap()
    };
    for (value, text) in [("9007199254740993", "9007199254740993"), (max, max)] {
        let number = data(value);
        assert_eq!(number.summary(), data(&format!("\"{value}\"")).summary());
        let Action::TypedData { fields, .. } = &number.summary().actions[0] else { panic!("{number:?}") };
        assert_eq!(fields, &[("x".to_owned(), text.to_owned())]);
    }
    assert_eq!(data(max).summary(), data(&format!("\"0x{}\"", "f".repeat(64))).summary());
}

#[test]
fn recursion_ends_in_an_empty_list() {
    let nested = |depth: usize| {
        let mut node = json!({ "name": "leaf", "children": [] });
        for _ in 0..depth {
            node = json!({ "name": "node", "children": [node] });
        }
        single("Tree", &["string name", "Tree[] children"], USDC, &node)
    };
    assert!(decode(&nested(7)).is_ok(), "8 structures and 8 lists");
    assert_refused(&nested(8), "levels of nesting, more than 16");
    let mut endless =
        single("Person", &["string name", "Person mother"], USDC, &json!({ "name": "a", "mother": null }));
    assert_refused(&endless, "mother: expected an object");
    endless["message"]["mother"] = json!({ "name": "b" });
    assert_refused(&endless, "mother.mother is missing");
    let deep = format!("{}{}", "[".repeat(100_000 / 2), "]".repeat(100_000 / 2));
    let json = single("T", &["bool[][][][][][][][][][][][][][][][] x"], USDC, &json!({ "x": "?" })).to_string();
    assert!(decode_bytes(json.replace("\"?\"", &deep).as_bytes()).is_err());
}

#[test]
fn has_limits() {
    let bools = |len: usize| single("T", &["bool[] x"], USDC, &json!({ "x": vec![true; len] }));
    assert!(decode(&bools(1024)).is_ok());
    assert_refused(&bools(1025), "x has 1025 items, more than 1024");
    let lists = single("T", &["bool[][] x"], USDC, &json!({ "x": vec![vec![true; 513]; 2] }));
    assert_refused(&lists, "typed data has 1025 values, more than 1024");

    let text = |len: usize| single("T", &["string x"], USDC, &json!({ "x": "a".repeat(len) })).to_string();
    let room = 128 * 1024 - text(0).len() - 2; // canonically, the chain id is a string
    assert!(decode_bytes(text(room).as_bytes()).is_ok());
    assert!(decode_bytes(text(room + 1).as_bytes()).unwrap_err().to_string().contains("more than 131072"));

    let types = |count: usize| {
        let mut data = single("T0", &["bool x"], USDC, &json!({ "x": true }));
        for i in 1..=count {
            data["types"][format!("T{i}")] = fields(&["bool x"]);
        }
        data
    };
    assert_refused(&types(62), "only types that the primary type leads to");
    assert_refused(&types(63), "types: expected an object of at most 64 keys");
    let names: Vec<_> = (0..65).map(|i| format!("bool x{i}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert_refused(&single("T", &names, USDC, &json!({})), "types.T has 65 fields, more than 64");
}

#[test]
fn a_name_may_have_a_colon() {
    // As Hyperliquid's types have.
    let data = single("HyperliquidTransaction:UsdSend", &["string destination"], USDC, &json!({ "destination": BOB }));
    assert!(
        decode(&data).unwrap().summary().text.starts_with("sign the typed data HyperliquidTransaction:UsdSend for ")
    );
}

/// EIP-712's example.
fn mail() -> Value {
    json!({
        "types": {
            "EIP712Domain":
                fields(&["string name", "string version", "uint256 chainId", "address verifyingContract"]),
            "Person": fields(&["string name", "address wallet"]),
            "Mail": fields(&["Person from", "Person to", "string contents"]),
        },
        "primaryType": "Mail",
        "domain": { "name": "Ether Mail", "version": "1", "chainId": 1,
            "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC" },
        "message": {
            "from": { "name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826" },
            "to": { "name": "Bob", "wallet": BOB },
            "contents": "Hello, Bob!",
        },
    })
}

fn lists() -> Value {
    let mut data = mail();
    data["types"]["Person"] = fields(&["string name", "address[] wallets"]);
    data["types"]["Mail"] = fields(&["Person from", "Person[] to", "string contents"]);
    data["message"]["from"] = json!({ "name": "Cow",
        "wallets": ["0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826", "0xDeaDbeefdEAdbeefdEadbEEFdeadbeEFdEaDbeeF"] });
    data["message"]["to"] = json!([{ "name": "Bob", "wallets": [BOB,
        "0xB0BdaBea57B0BDABeA57b0bdABEA57b0BDabEa57", "0xB0B0b0b0b0b0B000000000000000000000000000"] }]);
    data
}

/// Typed data for a contract on chain 1, of one type.
fn single(name: &str, types: &[&str], contract: &str, message: &Value) -> Value {
    json!({
        "types": { "EIP712Domain": fields(&["uint256 chainId", "address verifyingContract"]), name: fields(types) },
        "primaryType": name,
        "domain": { "chainId": 1, "verifyingContract": contract },
        "message": message,
    })
}

/// Definitions of fields, each a type and a name.
fn fields(fields: &[&str]) -> Value {
    let field = |field: &&str| {
        let (kind, name) = field.split_once(' ').unwrap();
        json!({ "name": name, "type": kind })
    };
    fields.iter().map(field).collect()
}

/// What it does beside being typed data.
fn takes(data: &Value) -> Vec<Action> {
    let actions = decode(data).unwrap().summary().actions.clone();
    assert!(matches!(actions[0], Action::TypedData { .. }));
    actions[1..].to_vec()
}

fn approval(token: &str, amount: Amount) -> Action {
    Action::TokenApproval { token: token.to_owned(), spender: BOB.to_owned(), amount, selector: None }
}

fn id(data: &Value) -> String {
    signer(COW).sign(decode(data).unwrap().as_ref()).unwrap().id
}

fn assert_refused(data: &Value, expected: &str) {
    let error = decode(data).map(drop).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

fn decode(data: &Value) -> Result<Box<dyn Transaction>, DecodeError> {
    decode_bytes(data.to_string().as_bytes())
}

fn decode_bytes(json: &[u8]) -> Result<Box<dyn Transaction>, DecodeError> {
    Evm.decode(&Payload::new(Encoding::TypedData, json))
}

fn signer(secret: &str) -> ChainSigner {
    let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &hex::decode(secret).unwrap()).unwrap();
    ChainSigner::new(Arc::new(Evm), key).unwrap()
}
