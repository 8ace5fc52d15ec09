//! Transactions of Trust Wallet Core's tests (`rust/tw_tests/tests/chains/solana/solana_sign.rs`, and for lookups
//! `solana_transaction_ffi.rs` beside it): their keys, and what their code, which is not ours, signed.

use super::*;

/// `test_solana_sign_transfer`.
#[test]
fn a_legacy_transfer() {
    let transaction = signs_the_same(
        &from_base58("A7psj2GW7ZMdY4E5hJq14KMeYg7HFjULSsWSrTXZLvYr"),
        "3p2kzZ1DvquqC6LApPuxpTg5CCDVPqJFokGSnGhnBHrta4uq7S2EyehV1XNUVXp51D69GxGzQZUjikfDzbWBG2aFtG3gHT1QfLzyFKHM4HQt\
         MQMNXqay1NAeiiYZjNhx9UvMX4uAQZ4Q6rx6m2AYfQ7aoMUrejq298q1wBFdtS9XVB5QTiStnzC7zs97FUEK2T4XapjF1519EyFBViTfHpGp\
         nf5bfizDzsW9kYUtRDW1UC2LgHr7npgq5W9TBmHf9hSmRgM9XXucjXLqubNWE7HUMhbKjuBqkirRM",
    );
    let to = "EN2sCsJ1WDV8UFqsiTXHcUPUxQ4juE71eCknHYYMifkd".to_owned();
    assert_eq!(transaction.summary().actions, [Action::Transfer { to, amount: Amount::from(42_u64) }]);
}

/// `test_solana_sign_transfer_v0`, sent to the test network.
#[test]
fn a_version_0_transfer() {
    let transaction = signs_the_same(
        &hex::decode("833a053c59e78138a3ed090459bc6743cca6a9cbc2809a7bf5dbc7939b8775c8").unwrap(),
        "6NijVxwQoDjqt6A41HXCK9kXwNDp48uLgvRyE8uz6NY5dEzaEDLzjzuMnc5TGatHZZUXehKrzUGzbg9jPSdn6pVsMc9TXNH6JGe5RJLmHwWe\
         y3MC1p8Hs2zhjw5P439P57NToatraDX9ZwvBtK4EzZzRjWbyGdicheTPjeYKCzvPCLxDkTFtPCM9VZGGXSN2Bne92NLDvf6ntNm5pxsPkZGx\
         Pe4w9Eq26gkE83hZyrYXKaiDh8TbqbHatSkw",
    );
    let to = "6pEfiZjMycJY4VA2FtAbKgYvRwzXDpxY58Xp4b7FQCz9".to_owned();
    assert_eq!(transaction.summary().actions, [Action::Transfer { to, amount: Amount::from(5000_u64) }]);
}

/// `test_solana_sign_transfer_with_durable_nonce`.
#[test]
fn a_transfer_with_a_durable_nonce() {
    let transaction = signs_the_same(
        &hex::decode("044014463e2ee3cc9c67a6f191dbac82288eb1d5c1111d21245bdc6a855082a1").unwrap(),
        "6zRqmNP5waeyartbf8GuQrWxdSy4SCYBTEmGhiXfYNxQTuUrvrBjia18YoCM367AQZWZ5yTjcN6FaXuaPWju7aVZNFjyqpuMZLNEbpm8ZNmK\
         P4Na2VzR59iAdSPEZGTPuesZEniNMAD7ZSux6fayxgwrEwMWjeiskFQEwdvFzKNHfNLbjoVpdSTxhKiqfbwxnFBpBxNE4nqMj3bUR37cYJAF\
         oDFokxy23HGpV93V9mbGG89aLBNQnd9LKTjpYFv49VMd48mptUd7uyrRwZLMneew2Bxq3PLsj9SaJyCWbsnqYj6bBahhsErz67PJTJepx4BE\
         hqRxHGUSbpeNiL7qyERri1GZsXhN8fgU3nPiYr7tMMxuLAoUFRMJ79HCex7vxhf7SapvcP",
    );
    let to = "3UVYmECPPMZSCqWKfENfuoTv51fTDTWicX9xmBD2euKe".to_owned();
    let nonce = Action::Exception { name: "durable_nonce".into() };
    assert_eq!(transaction.summary().actions, [nonce, Action::Transfer { to, amount: Amount::from(1000_u64) }]);
    let text = &transaction.summary().text;
    assert!(text.contains("the durable nonce of account ALAaqqt4Cc8hWH22GT2L16xKNAn6gv7XCTF7JkbfWsc"), "{text}");
}

/// `test_solana_sign_transfer_with_priority_fee`: 2000 units at 2 micro-lamports.
#[test]
fn a_transfer_with_a_priority_fee() {
    let transaction = signs_the_same(
        &hex::decode("1eb5264f82747294e7481ecae700bd1d21e50db620bcf0d2af7582f712c71b40").unwrap(),
        "4WReC2rmup9nZjtFQbBbha5uADkVb54CRd6a3vbAoptbuzYvdud2Xau2tkzCejZsfsUC2ppqhMqbXXzaoiSpYH8XEDo6QtUV8EGXcE3GFxVj\
         jtBT2U8abtC2qcBMDGAghtzpsmKWfWMxmQj8wWKjpmzamiU6PjfMbuAyAX5VPhQxZQ84Ay2HtQJBK8LA9CJ9qva9ehmu7g41wKBXLPq22NGj\
         eSHq6ubjcNLQrFx34sKGtPJ68Z2oZgrju7XjKFhtnKzqUCWcgVUjUsyHyyBJ3awaExYHEw2uKq9NVoKmf9JDkjf2LBjNpUJ3EGzFHrfwnVEQ\
         7B5XCX4nQRPir7eLuunLwVKhrdATKDbxin3ANe5D",
    );
    let to = "HwHDGHYeYfXdzwvCZu7zm21SzQ7ZLBGTLNkuscyFdpvZ".to_owned();
    assert_eq!(transaction.summary().actions, [Action::Transfer { to, amount: Amount::from(1001_u64) }]);
    assert_eq!(transaction.summary().fee_ceiling, Some(Amount::from(5001_u64)));
}

/// `test_solana_sign_token_transfer`, sent to the main network.
#[test]
fn a_token_transfer() {
    let transaction = signs_the_same(
        &from_base58("9YtuoD4sH4h88CVM8DSnkfoAaLY7YeGC2TarDJ8eyMS5"),
        "PGfKqEaH2zZXDMZLcU6LUKdBSzU1GJWJ1CJXtRYCxaCH7k8uok38WSadZfrZw3TGejiau7nSpan2GvbK26hQim24jRe2AupmcYJFrgsdaCt1\
         Aqs5kpGjPqzgj9krgxTZwwob3xgC1NdHK5BcNwhxwRtrCphGEH7zUFpGFrFrHzgpf2KY8FvPiPELQyxzTBuyNtjLjMMreehSKShEjD9Xzp1Q\
         eC1pEF8JL6vUKzxMXuveoEYem8q8JiWszYzmTMfDk13JPgv7pXFGMqDV3yNGCLsWccBeSFKN4UKECre6x2QbUEiKGkHkMc4zQwwyD8tGmEMB\
         AGm339qdANssEMNpDeJp2LxLDStSoWShHnotcrH7pUa94xCVvCPPaomF",
    );
    assert_eq!(transaction.summary().actions, [token_transfer("3WUX9wASxyScbA7brDipioKfXS1XEYkQ4vo3Kej9bKei", 4000)]);
    let expected = "transfer 0.004 (6 decimals) of token SRMuApVNdxXokk5GT7XD5cUUgXMBCoAz2LHeuAoKWRt";
    assert!(transaction.summary().text.starts_with(expected), "{}", transaction.summary().text);
}

/// `test_solana_sign_create_and_transfer_token`, sent to the main network.
#[test]
fn a_token_transfer_to_an_account_that_it_creates() {
    let transaction = signs_the_same(
        &from_base58("66ApBuKpo2uSzpjGBraHq7HP8UZMUJzp3um8FdEjkC9c"),
        "3Y2MVz2VVi7aEyC9q1awwdk1ModDBPHRSacKmTYnSgkmbbJeZ62Fub1bVPSHaTy4LUcQpzCQYhHAKtTKXUDYijEeLsMAUqPBEMAq1w8zCdqD\
         pdXy6M4PuwNtYVV1WgqeiEsiMWpPp4BGWKfcziwFbmYueUGituacJq4wTnt92fho8mFi49XW64gEG4iNGScDtJkY7Geq8PKiLh1E9JMJocei\
         HxKbmxzCmmLTxEHdhySYHcDUSXnXWogZskeZNBMtR9dNjEMkCzEjrxRpBtJPtUNshciY45mDPNmw4j3xyLCBTRikyfFLc5g11r3UgyVD4Yok\
         oPRvrEXsgt6W3yjBshropBm6mY2eJYvfY2eZz4Yq8kLcUatCHVKtjcb1mP9Ww57KisJ9bRhipC8sodFaMYhZARMEa4a1u9eH4MyNUATRGNXa\
         rwQSBY46PWS3nKP6QBK7Dw7Ppp9MmYkdPcXKaLScbyLF3jKu6dHWMkHw3WdXSsM1wwXjXnWF9LxdwaEVcDmySWybj6aKD9QCWTU5kdncqJU5\
         6f7SYNRTN289WdUFGNDmSh56tj2v1",
    );
    let [Action::ProgramCall { program, .. }, transfer] = &transaction.summary().actions[..] else {
        panic!("{:?}", transaction.summary())
    };
    assert_eq!(program, "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
    assert_eq!(*transfer, token_transfer("EF6L8yJT1SoRoDCkAZfSVmaweqMzfhxZiptKi7Tgj5XY", 2900));
    assert!(transaction.summary().text.contains(" (Associated Token Account, Create) "));
}

/// `test_solana_sign_transfer_with_memo_and_references`: the references are further accounts of the transfer, so that
/// it is more than a transfer here.
#[test]
fn a_transfer_with_a_memo_and_references() {
    let transaction = signs_the_same(
        &from_base58("AevJ4EWcvQ6dptBDvF2Ri5pU6QSBjkzSGHMfbLFKa746"),
        "NfNH76sST3nJ4FmFGTZJBUpJou7DRuHM3YNprT1HeEau699CQF65xNf21Hoi491bbtVKUXfqCJyeZhfTCEnABuXNC1JrhGBeCv2AbQdaS9gp\
         p9j4xHHomhCYdwYaBWFMcKkdMXrx9xHqL9Vkny4HezkwQfb3wGqcaE9XVRdkkNxsoJnVKddRnrQbjhsZGTcKdfmbTghoUeRECNPTm6nZTA1o\
         wWF1Dq6mfr6M3GZRh4ucqEquxKsQC2HQwNRrGZahsfyUvwspPWwMt78q5Jpjd9kHqkFDspZL6Pepv4dAA4uHhYDCHeP2bbDiFMBYxxWCVDDt\
         RKSh3H92xUgh1GCSgNcjGdbVfQUhSDPX3k9xuuszPTsVZ2GnsavAsRp6Vf6fFEikBX6pVV9zjW1cx94EepQ2aGEBSsVu4RzX7rJjCLCq87h8\
         cxxf1XnF8mvYGEK7wzF",
    );
    let memo = Action::Exception { name: "memo".into() };
    let actions = &transaction.summary().actions;
    assert!(matches!(&actions[..], [first, Action::ProgramCall { .. }] if *first == memo), "{actions:?}");
    let text = &transaction.summary().text;
    assert!(text.starts_with("add the memo \"HelloSolanaMemo\", then call program 1111"), "{text}");
}

/// `test_solana_transaction_set_priority_fee_transfer_with_address_lookup`: the receiver is in a table.
#[test]
fn a_transfer_to_an_account_from_a_table_is_refused() {
    let message = "80010002030105b85d3b6dbb9793812e4840818d190b843786119e099b841bad117f4cdd0200000000000000000000000000\
        000000000000000000000000000000000000000306466fe5211732ffecadba72c39be7bc8ce5bbc5f7126b2c439b3a400000\
        001413f6dd4f40254cdf26f88664adbcda4d4c47727a0a5b7599b9caaeee6b0899030200050210270000010200030c020000\
        00f40100000000000002000903e8030000000000000183ab9b8d75c30cb4f81c3208694413b36b5784cdc361bebd3389dde1\
        459a15d3010000";
    let error = decode(&hex::decode(message).unwrap()).unwrap_err().to_string();
    let expected = "the destination of a transfer: expected an account that the message itself names, found lookup:";
    assert!(error.starts_with(expected), "{error}");
}

fn signs_the_same(secret: &[u8], encoded: &str) -> Box<dyn Transaction> {
    let expected = from_base58(encoded);
    let transaction = decode(&expected[65..]).unwrap();
    let signed = signer(&secret.try_into().unwrap()).sign(transaction.as_ref()).unwrap();
    assert_eq!(signed.bytes, expected);
    transaction
}

fn token_transfer(to: &str, amount: u64) -> Action {
    let token = "SRMuApVNdxXokk5GT7XD5cUUgXMBCoAz2LHeuAoKWRt".to_owned();
    Action::TokenTransfer { token, to: to.to_owned(), amount: Amount::from(amount), selector: None }
}

fn from_base58(text: &str) -> Vec<u8> {
    bs58::decode(text).into_vec().unwrap()
}
