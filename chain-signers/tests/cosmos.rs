//! Cosmos transactions against CosmJS's and wallet-core's fixtures, and what is refused.
#![cfg(feature = "cosmos")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod protobuf;

use std::sync::Arc;

use chain_signers::{
    Action, Amount, Chain, ChainId, ChainSigner, Curve, DecodeError, Encoding, KeyError, Payload, SignError,
    SigningKey, Transaction, VerifyingKey,
    cosmos::{self, Cosmos},
    hd::{Mnemonic, standard},
};
use protobuf::{bytes, number, text};

/// CosmJS, `packages/proto-signing/src/testutils.spec.ts`: the faucet's mnemonic, and transactions that differ in sequence.
mod cosmjs {
    pub(crate) const MNEMONIC: &str = "economy stock theory fatal elder harbor betray wasp final emotion task crumble \
                                       siren bottom lizard educate guess current outdoor pair theory focus wife stone";
    pub(crate) const ADDRESS: &str = "cosmos1pkptre7fdkl6gfrzlesjjvhxhlc3r4gmmk8rs6";
    pub(crate) const BODY: &str = "0a90010a1c2f636f736d6f732e62616e6b2e763162657461312e4d736753656e6412700a2d636f736d\
        6f7331706b707472653766646b6c366766727a6c65736a6a766878686c63337234676d6d6b38727336122d636f736d6f73317179707178\
        70713971637273737a673270767871367273307a716733797963356c7a763778751a100a0575636f736d120731323334353637";
    /// What comes before the sequence in `AuthInfo`, and after it.
    pub(crate) const AUTH_INFO: (&str, &str) = (
        "0a460a1f2f636f736d6f732e63727970746f2e736563703235366b312e5075624b657912230a21034f04181eeba35391b858633a765c4a\
         0c189697b40d216354d50890d350c7029012040a020801",
        "12130a0d0a0575636f736d12043230303010c09a0c",
    );
    /// The first transaction's, whole.
    pub(crate) const SIGN_DOC: &str = "0a93010a90010a1c2f636f736d6f732e62616e6b2e763162657461312e4d736753656e6412700a\
        2d636f736d6f7331706b707472653766646b6c366766727a6c65736a6a766878686c63337234676d6d6b38727336122d636f736d6f7331\
        717970717870713971637273737a673270767871367273307a716733797963356c7a763778751a100a0575636f736d1207313233343536\
        3712650a4e0a460a1f2f636f736d6f732e63727970746f2e736563703235366b312e5075624b657912230a21034f04181eeba35391b858\
        633a765c4a0c189697b40d216354d50890d350c7029012040a02080112130a0d0a0575636f736d12043230303010c09a0c1a0c73696d64\
        2d74657374696e672001";
    /// By sequence.
    pub(crate) const SIGNATURES: [&str; 3] = [
        "c9dd20e07464d3a688ff4b710b1fbc027e495e797cfa0b4804da2ed117959227772de059808f765aa29b8f92edf30f4c2c5a438e30d3fe\
         6897daa7141e3ce6f9",
        "525adc7e61565a509c60497b798c549fbf217bb5cd31b24cc9b419d098cc95330c99ecc4bc72448f85c365a4e3f91299a3d40412fb3751\
         bab82f1940a83a0a4c",
        "f3f2ca73806f2abbf6e0fe85f9b8af66f0e9f7f79051fdb8abe5bb8633b17da132e82d577b9d5f7a6dae57a144efc9ccc6eef15167b44b\
         3b22a57240109762af",
    ];
}

/// trustwallet/wallet-core, `tests/chains/Cosmos`: signed transactions (`TxRaw`), from `SignerTests.cpp` unless it says
/// otherwise, and the secret keys of their signers.
mod wallet_core {
    pub(crate) const GAIA_SECRET: &str = "80e81ea269e66a0a05b11236df7919fb7fbeedba87452d667489d7403a02f005";
    pub(crate) const HUB_SECRET: &str = "8bbec3772ddb4df68f3186440380c301af116d1422001c1877d6f5e4dba8c8af";
    pub(crate) const VOTE_SECRET: &str = "a498a9ee41af9bab5ef2a8be63d5c970135c3c109e70efc8c56c534e6636b433";
    pub(crate) const MEMO_SECRET: &str = "c9b0a273831931aa4a5f8d1a570d5021dda91d3319bd3819becdaabfb7b44e3b";
    /// `SignTxProtobuf`.
    pub(crate) const SEND: &str = "\
        0a8c010a89010a1c2f636f736d6f732e62616e6b2e763162657461312e4d736753656e6412690a2d636f736d6f733168736b366a727979\
        716a6668703564686335357463396a74636b796778306570683664643032122d636f736d6f73317a743530617a7570616e716c66616d35\
        6166687633686578777975746e756b656834633537331a090a046d756f6e12013112650a500a460a1f2f636f736d6f732e63727970746f\
        2e736563703235366b312e5075624b657912230a210257286ec3f37d33557bbbaa000b27744ac9023aa9967cae75a181d1ff91fa9dc512\
        040a020801180812110a0b0a046d756f6e120332303010c09a0c1a40f9e1f4001657a42009c4eb6859625d2e41e961fc72efd2842909c8\
        98e439fc1f549916e4ecac676ee353c7d54c5ae30a29b4210b8bff0ebfdcb375e105002f47";
    /// `TWAnySignerTests.cpp`, `SignTx`: main-network transaction 85392373F545…6411.
    pub(crate) const HUB_SEND: &str = "\
        0a92010a8f010a1c2f636f736d6f732e62616e6b2e763162657461312e4d736753656e64126f0a2d636f736d6f73316d6b793639636e38\
        656b74777930383435766563397570736470686b7478743033676b776c78122d636f736d6f733138733068646e736c6c6763636c776575\
        3961796d77346e676b7472326b30726b7967647a64701a0f0a057561746f6d120634303030303012650a4e0a460a1f2f636f736d6f732e\
        63727970746f2e736563703235366b312e5075624b657912230a2102ecef5ce437a302c67f95468de4b31f36e911f467d7e6a52b41c1e1\
        3e1d56364912040a02080112130a0d0a057561746f6d12043130303010c09a0c1a40afbd513a776f4fdf470ef7f9675f21ae9d630fc4d6\
        35d8dbaa0dc0a716434cd07e02510765d4673dfa880825bae8e67cb367396ff6b976fc6b19a31fc95e8097";
    /// `SignIbcTransferProtobuf_817101`: main-network transaction 817101F3D963…096B.
    pub(crate) const IBC_TRANSFER: &str = "\
        0abe010abb010a292f6962632e6170706c69636174696f6e732e7472616e736665722e76312e4d73675472616e73666572128d010a0874\
        72616e73666572120b6368616e6e656c2d3134311a0f0a057561746f6d1206313030303030222d636f736d6f73316d6b793639636e3865\
        6b74777930383435766563397570736470686b7478743033676b776c782a2b6f736d6f3138733068646e736c6c6763636c776575396179\
        6d77346e676b7472326b30726b766e376a6d6e3207080110808e990412680a500a460a1f2f636f736d6f732e63727970746f2e73656370\
        3235366b312e5075624b657912230a2102ecef5ce437a302c67f95468de4b31f36e911f467d7e6a52b41c1e13e1d56364912040a020801\
        180212140a0e0a057561746f6d1205313235303010a0c21e1a40ad07216745324f82e868b5286fef10b7b57df71cd5a116508ab3dadfd9\
        870a8d347c54512a76ef0b5e8ae80710c55310838186cf38b76808713fe70ffd7228e5";
    /// `StakingTests.cpp`, `Staking`.
    pub(crate) const DELEGATE: &str = "\
        0a9b010a98010a232f636f736d6f732e7374616b696e672e763162657461312e4d736744656c656761746512710a2d636f736d6f733168\
        736b366a727979716a6668703564686335357463396a74636b7967783065706836646430321234636f736d6f7376616c6f706572317a6b\
        757072383368727a6b6e33757035656c6b747a63713374756674386e78736d77647167701a0a0a046d756f6e1202313012660a500a460a\
        1f2f636f736d6f732e63727970746f2e736563703235366b312e5075624b657912230a210257286ec3f37d33557bbbaa000b27744ac902\
        3aa9967cae75a181d1ff91fa9dc512040a020801180712120a0c0a046d756f6e12043130313810d99a061a40f0ef499bf90be996b6237a\
        680ece6fa4ca3060980dbd808905153fbf1023b3494d658b2ae34aa94dbc0e4db3918c903952343a6ae738d2feae0854f8ab8cfeb8";
    /// `MsgVote`: main-network transaction 2EFA054B842B…AA4C.
    pub(crate) const VOTE: &str = "\
        0a540a520a1b2f636f736d6f732e676f762e763162657461312e4d7367566f74651233084d122d636f736d6f73316d72793437706b6761\
        3574647377746c7579306d387465736c70616c6b647130377073777534180112650a4e0a460a1f2f636f736d6f732e63727970746f2e73\
        6563703235366b312e5075624b657912230a2102cbfdb5e472893322294e60cf0883d43df431e1089d29ecb447a9e6d55045aae512040a\
        02080112130a0d0a057561746f6d1204323431381091fb051a403e35bdcd50b737f2ab860b5c7ef195ebcb8c3d98c5f7200ef052315ba1\
        3bfb9153b03e595e21cf14a88b2356f2935059d4b96f1d946433351d4a92f6ef675340";
    /// `SignTxJson`: the document that its fields make, and the signature.
    pub(crate) const AMINO_SEND: (&str, &str) = (
        concat!(
            r#"{"account_number":"1037","chain_id":"gaia-13003","fee":{"amount":[{"amount":"200","#,
            r#""denom":"muon"}],"gas":"200000"},"memo":"","msgs":[{"type":"cosmos-sdk/MsgSend","#,
            r#""value":{"amount":[{"amount":"1","denom":"muon"}],"#,
            r#""from_address":"cosmos1hsk6jryyqjfhp5dhc55tc9jtckygx0eph6dd02","#,
            r#""to_address":"cosmos1zt50azupanqlfam5afhv3hexwyutnukeh4c573"}}],"sequence":"8"}"#,
        ),
        "fc3ef899d206c88077fec42f21ba0b4df4bd3fd115fdf606ae01d9136fef363f57e9e33a7b9ec6ddab658cd07e3c0067470d\
         e94e4e75b979a1085a29f0efd926",
    );
    /// `StakingTests.cpp`, `Staking`, the second part.
    pub(crate) const AMINO_DELEGATE: (&str, &str) = (
        concat!(
            r#"{"account_number":"1037","chain_id":"gaia-13003","fee":{"amount":[{"amount":"1018","#,
            r#""denom":"muon"}],"gas":"101721"},"memo":"","msgs":[{"type":"cosmos-sdk/MsgDelegate","#,
            r#""value":{"amount":{"amount":"10","denom":"muon"},"#,
            r#""delegator_address":"cosmos1hsk6jryyqjfhp5dhc55tc9jtckygx0eph6dd02","#,
            r#""validator_address":"cosmosvaloper1zkupr83hrzkn3up5elktzcq3tuft8nxsmwdqgp"}}],"sequence":"7"}"#,
        ),
        "c08bdf6c2b0b4428f37975e85d329f1cb19745b000994a743b5df81d57d573aa5f755349befcc848c1d1507818723b128859\
         4bc91df685e89aff22e0303b4861",
    );
    /// `TWAnySignerTests.cpp`, `SignJSON`.
    pub(crate) const AMINO_MEMO: (&str, &str) = (
        concat!(
            r#"{"account_number":"8733","chain_id":"cosmoshub-2","fee":{"amount":[{"amount":"5000","#,
            r#""denom":"uatom"}],"gas":"200000"},"memo":"Testing","msgs":[{"type":"cosmos-sdk/MsgSend","#,
            r#""value":{"amount":[{"amount":"995000","denom":"uatom"}],"#,
            r#""from_address":"cosmos1ufwv9ymhqaal6xz47n0jhzm2wf4empfqvjy575","#,
            r#""to_address":"cosmos135qla4294zxarqhhgxsx0sw56yssa3z0f78pm0"}}],"sequence":"0"}"#,
        ),
        "50b12952a373a009d8131db1db617700d0223d7aae014f7e9aa2d6a0003f64e5064ccb1d6fabebcb3b16e80297d8aaa3d691\
         8d76b4dc439f19d3d24fca3a6010",
    );
}

#[test]
fn signs_the_fixtures_of_cosmjs() {
    let seed = Mnemonic::from_phrase(cosmjs::MNEMONIC).unwrap().to_seed("");
    let key = SigningKey::derive(Curve::Secp256k1, &seed, &standard::cosmos(0).unwrap()).unwrap();
    let signer = ChainSigner::new(Arc::new(Cosmos), key).unwrap();
    assert_eq!(signer.address(), cosmjs::ADDRESS);
    for (sequence, signature) in (0..).zip(cosmjs::SIGNATURES) {
        let doc = cosmjs_doc(sequence);
        if sequence == 0 {
            assert_eq!(hex::encode(&doc), cosmjs::SIGN_DOC);
        }
        let signed = signer.sign(decode(Encoding::Binary, &doc).unwrap().as_ref()).unwrap();
        let raw = tx_raw(&signed.bytes);
        assert_eq!(hex::encode(&raw.signature), signature);
        assert_eq!(sign_doc(&raw.body, &raw.auth_info, "simd-testing", 1), doc);
    }
}

#[test]
fn signs_the_fixtures_of_wallet_core() {
    for (signed, secret, chain_id, account) in [
        (wallet_core::SEND, wallet_core::GAIA_SECRET, "gaia-13003", 1037),
        (wallet_core::DELEGATE, wallet_core::GAIA_SECRET, "gaia-13003", 1037),
        (wallet_core::HUB_SEND, wallet_core::HUB_SECRET, "cosmoshub-4", 546_179),
        (wallet_core::IBC_TRANSFER, wallet_core::HUB_SECRET, "cosmoshub-4", 546_179),
        (wallet_core::VOTE, wallet_core::VOTE_SECRET, "cosmoshub-4", 1_366_160),
    ] {
        let expected = hex::decode(signed).unwrap();
        let raw = tx_raw(&expected);
        let transaction = decode(Encoding::Binary, &sign_doc(&raw.body, &raw.auth_info, chain_id, account)).unwrap();
        assert_eq!(transaction.summary().chain_id.as_str(), format!("cosmos:{chain_id}"));
        let signed = signer(secret).sign(transaction.as_ref()).unwrap();
        assert_eq!(signed.bytes, expected);
    }
}

/// The hashes under which explorers know the two main-network transactions.
#[test]
fn the_id_is_the_hash_of_the_signed_bytes() {
    for (signed, id) in [
        (wallet_core::HUB_SEND, "85392373F54577562067030BF0D61596C91188AA5E6CA8FFE731BD0349296411"),
        (wallet_core::IBC_TRANSFER, "817101F3D96314AD028733248B28BAFAD535024D7D2C8875D3FE31DC159F096B"),
    ] {
        let transaction = hub(signed);
        assert_eq!(signer(wallet_core::HUB_SECRET).sign(transaction.as_ref()).unwrap().id, id);
    }
}

#[test]
fn signs_amino_json_as_wallet_core_does() {
    for ((json, signature), secret) in [
        (wallet_core::AMINO_SEND, wallet_core::GAIA_SECRET),
        (wallet_core::AMINO_DELEGATE, wallet_core::GAIA_SECRET),
        (wallet_core::AMINO_MEMO, wallet_core::MEMO_SECRET),
    ] {
        let transaction = decode(Encoding::Json, json.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(transaction.to_bytes()).unwrap(), json, "canonical already");
        let signed = signer(secret).sign(transaction.as_ref()).unwrap();
        assert_eq!(hex::encode(tx_raw(&signed.bytes).signature), signature);
    }
}

/// An amino transaction is, but for the mode and the signature, the direct one of the same content.
#[test]
fn an_amino_transaction_goes_out_in_protocol_buffers() {
    let transaction = decode(Encoding::Json, wallet_core::AMINO_SEND.0.as_bytes()).unwrap();
    let amino = tx_raw(&signer(wallet_core::GAIA_SECRET).sign(transaction.as_ref()).unwrap().bytes);
    let direct = tx_raw(&hex::decode(wallet_core::SEND).unwrap());
    assert_eq!(amino.body, direct.body);
    assert_eq!(hex::encode(amino.auth_info), hex::encode(direct.auth_info).replace("040a0208011808", "040a02087f1808"));
}

#[test]
fn amino_json_is_signed_in_its_canonical_form() {
    let (json, _) = wallet_core::AMINO_SEND;
    let spaced = json.replace(":", " : ").replace(",", "\n, ").replace("\"memo\"", "\"m\\u0065mo\"");
    let moved = json
        .replace(r#""account_number":"1037","#, "")
        .replace(r#""sequence":"8""#, r#""sequence":"8","account_number":"1037""#);
    for other in [spaced, moved] {
        let transaction = decode(Encoding::Json, other.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(transaction.to_bytes()).unwrap(), json);
        assert_eq!(transaction.summary(), decode(Encoding::Json, json.as_bytes()).unwrap().summary());
    }
}

/// The escapes of CosmJS's `escapeCharacters` tests, `packages/amino/src/signdoc.spec.ts`.
#[test]
fn amino_json_escapes_as_the_sdk_does() {
    let with_memo = |memo: &str| wallet_core::AMINO_SEND.0.replace(r#""memo":"""#, &format!(r#""memo":"{memo}""#));
    let transaction = decode(Encoding::Json, with_memo("with all: &<>").as_bytes()).unwrap();
    let canonical = String::from_utf8(transaction.to_bytes()).unwrap();
    assert_eq!(canonical, with_memo(r"with all: \u0026\u003c\u003e"));
    assert_eq!(decode(Encoding::Json, canonical.as_bytes()).unwrap().to_bytes(), transaction.to_bytes());
    for memo in [r"\b", r"\f", r"\u0000", r"\u2028", r"\u001f", "\u{2029}"] {
        let refused = decode(Encoding::Json, with_memo(memo).as_bytes());
        assert!(matches!(refused, Err(DecodeError::Invalid { .. })), "{memo}: {refused:?}");
    }
}

/// The form in ibc-go's `TestMsgTransferGetSignBytes`, and in CosmJS's tests of amino types where no height is given.
#[test]
fn an_ibc_transfer_has_the_amino_json_of_ibc_go() {
    let (sender, receiver) =
        ("cosmos1mky69cn8ektwy0845vec9upsdphktxt03gkwlx", "osmo18s0hdnsllgcclweu9aymw4ngktr2k0rkvn7jmn");
    for (height, rest) in [(r#"{"revision_height":"10"}"#, ""), ("{}", r#""timeout_timestamp":"1677512323000","#)] {
        let value = format!(
            r#"{{"receiver":"{receiver}","sender":"{sender}","source_channel":"testchannel","source_port":"testportid","timeout_height":{height},{rest}"token":{{"amount":"100","denom":"atom"}}}}"#
        );
        let json = amino(&format!(r#"{{"type":"cosmos-sdk/MsgTransfer","value":{value}}}"#));
        let transaction = decode(Encoding::Json, json.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(transaction.to_bytes()).unwrap(), json);
        let to = format!("testportid/testchannel/{receiver}");
        assert_eq!(transaction.summary().actions[0], token_transfer("atom", &to, 100));
    }
}

#[test]
fn says_what_a_send_does() {
    let transaction = hub(wallet_core::HUB_SEND);
    let summary = transaction.summary();
    let to = "cosmos18s0hdnsllgcclweu9aymw4ngktr2k0rkygdzdp";
    assert_eq!(summary.actions, [token_transfer("uatom", to, 400_000)]);
    assert_eq!(summary.fee_ceiling, Some(Amount::from(1000_u64)));
    let start = format!(
        "send 400000 uatom to {to} on cosmos:cosmoshub-4 (direct, account 546179, sequence 0); \
         cosmos1mky69cn8ektwy0845vec9upsdphktxt03gkwlx signs; fee 1000 uatom (200000 gas); sighash "
    );
    assert!(summary.text.starts_with(&start), "{}", summary.text);
}

#[test]
fn says_what_a_delegation_and_an_unknown_message_do() {
    let raw = tx_raw(&hex::decode(wallet_core::DELEGATE).unwrap());
    let transaction = decode(Encoding::Binary, &sign_doc(&raw.body, &raw.auth_info, "gaia-13003", 1037)).unwrap();
    let stake = Action::Stake {
        validator: "cosmosvaloper1zkupr83hrzkn3up5elktzcq3tuft8nxsmwdqgp".to_owned(),
        token: Some("muon".to_owned()),
        amount: Amount::from(10_u64),
    };
    assert_eq!(transaction.summary().actions, [stake, exception("fee_denom_muon")]);

    let raw = tx_raw(&hex::decode(wallet_core::VOTE).unwrap());
    let transaction = decode(Encoding::Binary, &sign_doc(&raw.body, &raw.auth_info, "cosmoshub-4", 1_366_160)).unwrap();
    let vote =
        Action::ProgramCall { program: "/cosmos.gov.v1beta1.MsgVote".to_owned(), accounts: Vec::new(), data_len: 51 };
    assert_eq!(transaction.summary().actions, [vote]);
}

#[test]
fn an_ibc_transfer_names_port_channel_and_receiver_and_its_memo_is_an_exception() {
    let to = "transfer/channel-141/osmo18s0hdnsllgcclweu9aymw4ngktr2k0rkvn7jmn";
    let transfer = token_transfer("uatom", to, 100_000);
    assert_eq!(hub(wallet_core::IBC_TRANSFER).summary().actions, std::slice::from_ref(&transfer));

    let raw = tx_raw(&hex::decode(wallet_core::IBC_TRANSFER).unwrap());
    let mut message = protobuf::fields(&protobuf::fields(&raw.body)[0].1)[1].1.clone();
    message.extend(text(8, r#"{"forward":{}}"#));
    let any = [text(1, "/ibc.applications.transfer.v1.MsgTransfer"), bytes(2, &message)].concat();
    let doc = sign_doc(&bytes(1, &any), &raw.auth_info, "cosmoshub-4", 546_179);
    let transaction = decode(Encoding::Binary, &doc).unwrap();
    assert_eq!(transaction.summary().actions, [transfer, exception("ibc_memo")]);
    assert!(transaction.summary().text.contains("forward"), "{}", transaction.summary().text);
}

/// The chain at the other end reads Bech32 in upper case too (Cosmos SDK, `types/bech32`), so a rule that denies an address
/// would not be about it. The same for the hash in a token's name, which ibc-go reads in lower case too (`TokenFromCoin`).
#[test]
fn an_ibc_transfer_has_one_spelling_of_receiver_and_token() {
    let receiver = "osmo18s0hdnsllgcclweu9aymw4ngktr2k0rkvn7jmn";
    let bech32m = "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx"; // of BIP-350
    let hash = "ibc/27394FB092D2ECCD56123C74F36E4C1F926001CEADA9CA97EA622B25F41E5EB2";
    for (receiver, denom, refused) in [
        (receiver, "uatom", None),
        (bech32m, "uatom", None),
        ("0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045", "uatom", None),
        (receiver, hash, None),
        (receiver, "ibc/Cafe", None),
        (&receiver.to_uppercase(), "uatom", Some("receiver")),
        (&bech32m.to_uppercase(), "uatom", Some("receiver")),
        (receiver, &format!("ibc/{}", hash[4..].to_lowercase()), Some("token.denom")),
        (receiver, &hash.replace('F', "f"), Some("token.denom")),
    ] {
        let value = format!(
            r#"{{"receiver":"{receiver}","sender":"{}","source_channel":"channel-141","source_port":"transfer","timeout_height":{{}},"token":{{"amount":"100","denom":"{denom}"}}}}"#,
            cosmjs::ADDRESS
        );
        let json = amino(&format!(r#"{{"type":"cosmos-sdk/MsgTransfer","value":{value}}}"#));
        match decode(Encoding::Json, json.as_bytes()) {
            Ok(_) => assert_eq!(refused, None, "{receiver} {denom}"),
            Err(DecodeError::Invalid { field, .. }) => assert_eq!(Some(&*field), refused, "{receiver} {denom}"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn several_messages_are_several_actions() {
    let seed = Parts::default();
    let twice = [seed.body.clone(), seed.body.clone(), text(2, "a \"memo\"\n"), number(3, 77)].concat();
    let transaction = Parts { body: twice, ..seed }.decode().unwrap();
    let one = token_transfer("ucosm", "cosmos1qypqxpq9qcrsszg2pvxq6rs0zqg3yyc5lzv7xu", 1_234_567);
    assert_eq!(transaction.summary().actions, [one.clone(), one, exception("memo"), exception("fee_denom_ucosm")]);
    let text = &transaction.summary().text;
    assert!(text.contains(r#"; memo "a \"memo\"\n"; until block 77; sighash "#), "{text}");
}

#[test]
fn each_coin_is_a_transfer_and_a_fee_of_several_has_no_ceiling() {
    let coins = [coin(3, "ibc/27394FB0", "5"), coin(3, "ucosm", "7")].concat();
    let fee = [coin(1, "ibc/27394FB0", "1"), coin(1, "ucosm", "2"), number(2, 9)].concat();
    let parts = Parts::default().with_send(cosmjs::ADDRESS, RECEIVER, &coins).with_fee(&fee);
    let transaction = parts.decode().unwrap();
    assert_eq!(
        transaction.summary().actions,
        [
            token_transfer("ibc/27394FB0", RECEIVER, 5),
            token_transfer("ucosm", RECEIVER, 7),
            exception("fee_denom_hashed-46a41e6aa9a44508303532cade4b6ecb"),
            exception("fee_denom_ucosm"),
        ]
    );
    assert_eq!(transaction.summary().fee_ceiling, None);
    let free = Parts::default().with_fee(&number(2, 9)).decode().unwrap();
    assert_eq!(free.summary().fee_ceiling, Some(Amount::ZERO));
}

/// A policy can name no others: 1 to 64 of `a-z`, `0-9`, `_` and `-`.
#[test]
fn names_of_exceptions_are_short_and_plain_and_differ() {
    let name = |denom: &str| {
        let transaction = Parts::default().with_fee(&[coin(1, denom, "1"), number(2, 9)].concat()).decode().unwrap();
        match transaction.summary().actions.last() {
            Some(Action::Exception { name }) => name.clone().into_owned(),
            other => panic!("{other:?}"),
        }
    };
    let long = "a".repeat(55);
    let names: Vec<_> = ["uatom", "uAtom", "u/atom", "u-atom", "hashed-0", &long, &"a".repeat(54)].map(name).to_vec();
    assert_eq!(names[0], "fee_denom_uatom");
    for (i, one) in names.iter().enumerate() {
        assert!(
            one.len() <= 64
                && !one.contains(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && !"_-".contains(c))
        );
        assert!(names[..i].iter().all(|other| other != one), "{one}");
    }
}

#[test]
fn refuses_messages_that_do_not_add_up() {
    let good = coin(3, "ucosm", "1");
    let unsorted = [coin(3, "ucosm", "1"), coin(3, "atom", "1")].concat();
    let twice = [good.clone(), good.clone()].concat();
    for (from, to, coins, field) in [
        (RECEIVER, cosmjs::ADDRESS, &good, "the sender of a message"),
        ("cosmos1pkptre7fdkl6gfrzlesjjvhxhlc3r4gmmk8rs7", RECEIVER, &good, "from_address"),
        (cosmjs::ADDRESS, "COSMOS1QYPQXPQ9QCRSSZG2PVXQ6RS0ZQG3YYC5LZV7XU", &good, "to_address"),
        (cosmjs::ADDRESS, "osmo18s0hdnsllgcclweu9aymw4ngktr2k0rkvn7jmn", &good, "to_address"),
        (cosmjs::ADDRESS, "", &good, "to_address"),
        (cosmjs::ADDRESS, RECEIVER, &unsorted, "amount"),
        (cosmjs::ADDRESS, RECEIVER, &twice, "amount"),
        (cosmjs::ADDRESS, RECEIVER, &coin(3, "ucosm", "0"), "amount.amount"),
        (cosmjs::ADDRESS, RECEIVER, &coin(3, "ucosm", "01"), "amount.amount"),
        (cosmjs::ADDRESS, RECEIVER, &coin(3, "ucosm", "-1"), "amount.amount"),
        (cosmjs::ADDRESS, RECEIVER, &coin(3, "u cosm", "1"), "amount.denom"),
        (cosmjs::ADDRESS, RECEIVER, &coin(3, "", "1"), "amount.denom"),
    ] {
        match Parts::default().with_send(from, to, coins).decode() {
            Err(DecodeError::Invalid { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{from} {to} {field}: {other:?}"),
        }
    }
    let nothing = Parts::default().with_send(cosmjs::ADDRESS, RECEIVER, &[]).decode();
    assert!(matches!(nothing, Err(DecodeError::Missing { .. })), "{nothing:?}");
}

#[test]
fn refuses_a_signer_that_is_not_the_one_key_in_direct_mode() {
    let key = text(1, "/cosmos.crypto.secp256k1.PubKey");
    let point = hex::decode("034f04181eeba35391b858633a765c4a0c189697b40d216354d50890d350c70290").unwrap();
    let good = bytes(1, &[key, bytes(2, &bytes(1, &point))].concat());
    let direct = bytes(2, &bytes(1, &number(1, 1)));
    let ethereum = text(1, "/ethermint.crypto.v1.ethsecp256k1.PubKey");
    let ethereum = bytes(1, &[ethereum, bytes(2, &bytes(1, &point))].concat());
    let short = bytes(1, &[text(1, "/cosmos.crypto.secp256k1.PubKey"), bytes(2, &bytes(1, &point[1..]))].concat());
    let info = |parts: &[&[u8]]| bytes(1, &parts.concat());
    assert!(Parts::default().with_signers(&info(&[&good, &direct])).decode().is_ok());
    for (signers, name) in [
        (Vec::new(), "none"),
        (info(&[&good, &direct]).repeat(2), "two"),
        (info(&[&direct]), "no key"),
        (info(&[&good]), "no mode"),
        (info(&[&ethereum, &direct]), "a key of another kind"),
        (info(&[&short, &direct]), "a short key"),
        (info(&[&good, &bytes(2, &bytes(1, &number(1, 127)))]), "amino"),
        (info(&[&good, &bytes(2, &bytes(1, &number(1, 2)))]), "textual"),
        (info(&[&good, &bytes(2, &bytes(2, &[]))]), "multi"),
        (info(&[&good, &direct, &number(4, 1)]), "an unknown field"),
    ] {
        assert!(Parts::default().with_signers(&signers).decode().is_err(), "{name}");
    }
}

#[test]
fn refuses_a_fee_that_somebody_else_pays() {
    for tag in [3, 4] {
        let fee = |payer: &str| [coin(1, "ucosm", "2"), number(2, 9), text(tag, payer)].concat();
        assert!(Parts::default().with_fee(&fee(cosmjs::ADDRESS)).decode().is_ok());
        assert!(Parts::default().with_fee(&fee(RECEIVER)).decode().is_err());
        assert!(Parts::default().with_fee(&fee("anybody")).decode().is_err());
    }
    for key in ["granter", "payer"] {
        let with = |address: &str| {
            wallet_core::AMINO_SEND.0.replace(r#""gas":"200000""#, &format!(r#""gas":"200000","{key}":"{address}""#))
        };
        let own = with("cosmos1hsk6jryyqjfhp5dhc55tc9jtckygx0eph6dd02");
        let transaction = decode(Encoding::Json, own.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(transaction.to_bytes()).unwrap(), own);
        assert!(decode(Encoding::Json, with(RECEIVER).as_bytes()).is_err());
        assert!(decode(Encoding::Json, with("").as_bytes()).is_err());
    }
}

#[test]
fn refuses_what_is_unknown_or_not_canonical_at_every_level() {
    let parts = Parts::default();
    let doc = parts.doc();
    let body = |extra: &[u8]| Parts { body: [&parts.body, extra].concat(), ..parts.clone() }.doc();
    let auth_info = |extra: &[u8]| Parts { fee: [&parts.fee, extra].concat(), ..parts.clone() }.doc();
    for (bad, name) in [
        ([&doc[..], &number(5, 1)].concat(), "an unknown field of the SignDoc"),
        ([&doc[..], &number(4, 1)].concat(), "a field twice"),
        ([&doc[..doc.len() - 1], &[0x81, 0x00]].concat(), "a long varint"),
        (body(&bytes(2, &[])), "an empty memo written out"),
        (body(&[0x18, 0]), "a zero written out"),
        (body(&number(4, 1)), "unordered"),
        (body(&bytes(1023, &text(1, "/a.B"))), "an extension"),
        (body(&bytes(2047, &text(1, "/a.B"))), "a non-critical extension"),
        (auth_info(&bytes(3, &[])), "a tip"),
        (body(&text(2, &"a".repeat(513))), "a long memo"),
        (body(&bytes(1, &text(1, "a.B"))), "a type URL without a slash"),
        (body(&bytes(1, &[])), "a message without a type"),
        (body(&parts.body.repeat(64)), "too many messages"),
        (Parts { body: Vec::new(), ..parts.clone() }.doc(), "no message"),
        (Parts { fee: Vec::new(), ..parts.clone() }.doc(), "no fee"),
        (vec![0; 128 * 1024 + 1], "a long one"),
        (Vec::new(), "nothing"),
    ] {
        assert!(decode(Encoding::Binary, &bad).is_err(), "{name}");
    }
}

#[test]
fn refuses_amino_json_that_is_not_strict() {
    let (good, _) = wallet_core::AMINO_SEND;
    for (from, to, name) in [
        (r#""memo":"","#, "", "no memo"),
        (r#""memo":"","#, r#""memo":"","memo":"","#, "a key twice"),
        (r#""memo":"","#, r#""memo":null,"#, "null"),
        (r#""memo":"","#, r#""memo":"","tip":"1","#, "an unknown key"),
        (r#""sequence":"8""#, r#""sequence":8"#, "a number"),
        (r#""sequence":"8""#, r#""sequence":"08""#, "a leading zero"),
        (r#""sequence":"8""#, r#""sequence":"+8""#, "a sign"),
        (r#""sequence":"8""#, r#""sequence":"18446744073709551616""#, "beyond 64 bits"),
        (r#""sequence":"8""#, r#""sequence":"8","timeout_height":"0""#, "no timeout written out"),
        (r#""gas":"200000""#, r#""gas":"200000","gas":"1""#, "a key of the fee twice"),
        (r#""denom":"muon"}],"gas""#, r#""denom":"muon","x":"y"}],"gas""#, "an unknown key of a coin"),
        ("cosmos-sdk/MsgSend", "cosmos-sdk/MsgVote", "a message of another type"),
        (r#""to_address""#, r#""to""#, "a key of another name"),
        ("gaia-13003", "", "no chain id"),
        ("gaia-13003", "a-chain-id-of-more-than-sixty-four-characters-that-nobody-would-ever-use", "a long chain id"),
        (r#""sequence":"8"}"#, r#""sequence":"8"}}"#, "something after it"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good, "{name}");
        assert!(decode(Encoding::Json, bad.as_bytes()).is_err(), "{name}");
    }
}

/// Escapes lengthen it, and what is signed must be readable again.
#[test]
fn refuses_amino_json_whose_canonical_form_is_too_long() {
    let message = |memo: &str| {
        format!(
            r#"{{"type":"cosmos-sdk/MsgTransfer","value":{{"memo":"{memo}","receiver":"a","sender":"{}","source_channel":"channel-0","source_port":"transfer","timeout_height":{{}},"token":{{"amount":"1","denom":"uatom"}}}}}}"#,
            cosmjs::ADDRESS
        )
    };
    let doc = |memo: &str| amino(&vec![message(memo); 64].join(","));
    assert!(decode(Encoding::Json, doc(&"a".repeat(512)).as_bytes()).is_ok());
    let refused = decode(Encoding::Json, doc(&"<".repeat(512)).as_bytes());
    assert!(matches!(refused, Err(DecodeError::TooLong { .. })), "{refused:?}");
}

#[test]
fn only_the_signer_signs() {
    let other = signer(&"11".repeat(32));
    for transaction in
        [hub(wallet_core::HUB_SEND), decode(Encoding::Json, wallet_core::AMINO_SEND.0.as_bytes()).unwrap()]
    {
        let refused = other.sign(transaction.as_ref());
        assert!(matches!(refused, Err(SignError::NotTheSigner { .. })), "{refused:?}");
    }
    // Nobody is named in a message that is not understood, but the public key is.
    let raw = tx_raw(&hex::decode(wallet_core::VOTE).unwrap());
    let vote = decode(Encoding::Binary, &sign_doc(&raw.body, &raw.auth_info, "cosmoshub-4", 1)).unwrap();
    assert!(matches!(other.sign(vote.as_ref()), Err(SignError::NotTheSigner { .. })));
}

#[test]
fn a_chain_id_other_than_the_callers_is_refused() {
    let doc = cosmjs_doc(0);
    let (own, other): (ChainId, ChainId) =
        ("cosmos:simd-testing".parse().unwrap(), "cosmos:cosmoshub-4".parse().unwrap());
    assert!(Cosmos.decode(&Payload::new(Encoding::Binary, &doc).on_chain(&own)).is_ok());
    let refused = Cosmos.decode(&Payload::new(Encoding::Binary, &doc).on_chain(&other));
    assert!(matches!(refused, Err(DecodeError::ChainIdMismatch { .. })));
    for encoding in [Encoding::Message, Encoding::TypedData] {
        let refused = Cosmos.decode(&Payload::new(encoding, &doc));
        assert!(matches!(refused, Err(DecodeError::UnsupportedEncoding { .. })));
    }
}

#[test]
fn a_chain_id_that_is_hashed_is_said_as_it_is() {
    let Parts { body, signers, fee } = Parts::default();
    let doc = sign_doc(&body, &[signers, fee].concat(), "kava_2222-10", 1);
    let transaction = decode(Encoding::Binary, &doc).unwrap();
    assert!(transaction.summary().chain_id.as_str().starts_with("cosmos:hashed-"));
    assert!(transaction.summary().text.contains(r#", chain "kava_2222-10")"#), "{}", transaction.summary().text);
}

/// The addresses of CosmJS's `packages/amino/src/addresses.spec.ts`, and of one account on other chains.
#[test]
fn addresses_are_those_of_cosmjs_and_depend_on_the_chain() {
    let key = hex::decode("02d41a0aa167b21699429eab224bc03f2cd386f0af5d20cefbd0336f1544aea24f").unwrap();
    let key = VerifyingKey::from_bytes(Curve::Secp256k1, &key).unwrap();
    assert_eq!(Cosmos.address(&key).unwrap(), "cosmos1h806c7khnvmjlywdrkdgk2vrayy2mmvf9rxk2r");
    let on = |chain_id: &str| Cosmos.address_on(&key, &chain_id.parse().unwrap());
    assert_eq!(on("cosmos:cosmoshub-4"), Cosmos.address(&key));
    assert_eq!(on("cosmos:osmosis-1"), cosmos::address("osmo", &key));
    assert!(on("cosmos:osmosis-1").unwrap().starts_with("osmo1h806c7khnvmjlywdrkdgk2vrayy2mmvf"));
    assert!(matches!(on("cosmos:injective-1"), Err(KeyError::UnknownChain { .. })));
    assert!(matches!(cosmos::address("", &key), Err(KeyError::InvalidPrefix { .. })));
    let ed25519 = SigningKey::from_secret_bytes(Curve::Ed25519, &[1; 32]).unwrap().verifying_key();
    assert!(matches!(Cosmos.address(&ed25519), Err(KeyError::CurveMismatch { .. })));
}

const RECEIVER: &str = "cosmos1qypqxpq9qcrsszg2pvxq6rs0zqg3yyc5lzv7xu";

/// A `SignDoc` of the faucet of CosmJS, in parts that tests replace.
#[derive(Clone, Debug)]
struct Parts {
    body: Vec<u8>,
    signers: Vec<u8>,
    fee: Vec<u8>,
}

impl Default for Parts {
    fn default() -> Self {
        let (before, fee) = cosmjs::AUTH_INFO;
        let signer = bytes(1, &hex::decode(before).unwrap());
        Self { body: hex::decode(cosmjs::BODY).unwrap(), signers: signer, fee: hex::decode(fee).unwrap() }
    }
}

impl Parts {
    fn with_send(self, from: &str, to: &str, coins: &[u8]) -> Self {
        let send = [text(1, from), text(2, to), coins.to_vec()].concat();
        let any = [text(1, "/cosmos.bank.v1beta1.MsgSend"), bytes(2, &send)].concat();
        Self { body: bytes(1, &any), ..self }
    }

    fn with_fee(self, fee: &[u8]) -> Self {
        Self { fee: bytes(2, fee), ..self }
    }

    fn with_signers(self, signers: &[u8]) -> Self {
        Self { signers: signers.to_vec(), ..self }
    }

    fn doc(&self) -> Vec<u8> {
        sign_doc(&self.body, &[&self.signers[..], &self.fee].concat(), "simd-testing", 1)
    }

    fn decode(&self) -> Result<Box<dyn Transaction>, DecodeError> {
        decode(Encoding::Binary, &self.doc())
    }
}

fn cosmjs_doc(sequence: u64) -> Vec<u8> {
    let mut signer = hex::decode(cosmjs::AUTH_INFO.0).unwrap();
    signer.extend(number(3, sequence));
    Parts::default().with_signers(&bytes(1, &signer)).doc()
}

fn coin(tag: u64, denom: &str, amount: &str) -> Vec<u8> {
    bytes(tag, &[text(1, denom), text(2, amount)].concat())
}

fn sign_doc(body: &[u8], auth_info: &[u8], chain_id: &str, account: u64) -> Vec<u8> {
    [bytes(1, body), bytes(2, auth_info), text(3, chain_id), number(4, account)].concat()
}

#[derive(Debug)]
struct TxRaw {
    body: Vec<u8>,
    auth_info: Vec<u8>,
    signature: Vec<u8>,
}

fn tx_raw(bytes: &[u8]) -> TxRaw {
    let [(1, body), (2, auth_info), (3, signature)] = &protobuf::fields(bytes)[..] else { panic!("not a TxRaw") };
    TxRaw { body: body.clone(), auth_info: auth_info.clone(), signature: signature.clone() }
}

fn hub(signed: &str) -> Box<dyn Transaction> {
    let raw = tx_raw(&hex::decode(signed).unwrap());
    decode(Encoding::Binary, &sign_doc(&raw.body, &raw.auth_info, "cosmoshub-4", 546_179)).unwrap()
}

fn amino(message: &str) -> String {
    format!(
        r#"{{"account_number":"1","chain_id":"simd-testing","fee":{{"amount":[],"gas":"1"}},"memo":"","msgs":[{message}],"sequence":"0"}}"#
    )
}

fn token_transfer(token: &str, to: &str, amount: u64) -> Action {
    Action::TokenTransfer { token: token.to_owned(), to: to.to_owned(), amount: Amount::from(amount), selector: None }
}

fn exception(name: &str) -> Action {
    Action::Exception { name: name.to_owned().into() }
}

fn signer(secret: &str) -> ChainSigner {
    let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &hex::decode(secret).unwrap()).unwrap();
    ChainSigner::new(Arc::new(Cosmos), key).unwrap()
}

fn decode(encoding: Encoding, bytes: &[u8]) -> Result<Box<dyn Transaction>, DecodeError> {
    Cosmos.decode(&Payload::new(encoding, bytes))
}
