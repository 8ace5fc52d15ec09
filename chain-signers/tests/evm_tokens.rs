//! Calls of ERC-20, ERC-721 and ERC-1155: published ones mean what their publishers say, others than canonical ones nothing.
#![cfg(feature = "evm")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::sync::LazyLock;

use alloy_consensus::{SignableTransaction, TxEip1559, transaction::RlpEcdsaEncodableTx};
use alloy_primitives::TxKind;
use chain_signers::{
    Action, Amount, Chain, Curve, DecodeError, Encoding, Payload, SigningKey, Summary, Transaction,
    evm::{self, Evm},
    hazmat,
    policy::Policy,
};
use proptest::prelude::*;
use serde_json::json;

/// `suite-common/wallet-utils/src/__fixtures__/sendFormUtils.ts` of Trezor Suite, `prepareEthereumTransaction`.
mod trezor {
    pub(crate) const TO: &str = "0xA6ABB480640d6D27D2FB314196D94463ceDcB31e";
    pub(crate) const FROM: &str = "0x9eA3721B5Bf3b64b4418c38B603154d2D597FAE3";
    pub(crate) const ERC20: &str = "a9059cbb000000000000000000000000a6abb480640d6d27d2fb314196d94463cedcb31e\
        0000000000000000000000000000000000000000000000000011c37937e08000";
    pub(crate) const ERC721: &str = "42842e0e0000000000000000000000009ea3721b5bf3b64b4418c38b603154d2d597fae3\
        000000000000000000000000a6abb480640d6d27d2fb314196d94463cedcb31e\
        000000000000000000000000000000000000000000000000000000000000002a";
    pub(crate) const ERC1155: &str = "f242432a0000000000000000000000009ea3721b5bf3b64b4418c38b603154d2d597fae3\
        000000000000000000000000a6abb480640d6d27d2fb314196d94463cedcb31e\
        0000000000000000000000000000000000000000000000000000000000000007\
        0000000000000000000000000000000000000000000000000000000000000005\
        00000000000000000000000000000000000000000000000000000000000000a0\
        0000000000000000000000000000000000000000000000000000000000000000";
}

/// `test/data/confirmations/set-approval-for-all.ts` of MetaMask's extension.
mod metamask {
    pub(crate) const SPENDER: &str = "0x2e0D7E8c45221FcA00d74a3609A0f7097035d09B";
    pub(crate) const INCREASE_ALLOWANCE: &str = "395093510000000000000000000000002e0d7e8c45221fca00d74a3609a0f7097035d09b\
        0000000000000000000000000000000000000000000000000000000000000123";
    pub(crate) const SET_APPROVAL_FOR_ALL: &str = "a22cb4650000000000000000000000002e0d7e8c45221fca00d74a3609a0f7097035d09b\
        0000000000000000000000000000000000000000000000000000000000000001";
}

/// `src/nonfungiblePositionManager.test.ts` of Uniswap's v3-sdk, `safeTransferFrom` with data.
const UNISWAP: &str = "b88d4fde0000000000000000000000000000000000000000000000000000000000000004\
    0000000000000000000000000000000000000000000000000000000000000003\
    0000000000000000000000000000000000000000000000000000000000000001\
    0000000000000000000000000000000000000000000000000000000000000080\
    0000000000000000000000000000000000000000000000000000000000000014\
    0000000000000000000000000000000000009004000000000000000000000000";

/// The tests of 0xsequence's go-sequence (`intents`): 5 of number 2 and 1 of number 500 in a batch, with three bytes of data.
mod sequence {
    pub(crate) const TO: &str = "0x91E8aC543C5fEDf9F3Ef8b9dA1500dB84305681F";
    pub(crate) const BATCH: &str = "2eb2c2d6000000000000000000000000d67fc48b298b09ed3d03403d930769c527186c4e\
        00000000000000000000000091e8ac543c5fedf9f3ef8b9da1500db84305681f\
        00000000000000000000000000000000000000000000000000000000000000a0\
        0000000000000000000000000000000000000000000000000000000000000100\
        0000000000000000000000000000000000000000000000000000000000000160\
        0000000000000000000000000000000000000000000000000000000000000002\
        0000000000000000000000000000000000000000000000000000000000000002\
        00000000000000000000000000000000000000000000000000000000000001f4\
        0000000000000000000000000000000000000000000000000000000000000002\
        0000000000000000000000000000000000000000000000000000000000000005\
        0000000000000000000000000000000000000000000000000000000000000001\
        0000000000000000000000000000000000000000000000000000000000000003\
        2233440000000000000000000000000000000000000000000000000000000000";
}

/// The calldata of transaction 0x34869de5… of the main network, as LightDotSo has it
/// (`crates/interpreter/tests/it/transfer/erc1155_transfer.rs`): a marketplace's mark is after the end.
const WITH_A_MARK: &str = "f242432a0000000000000000000000004fd9d0ee6d6564e80a9ee00c0163fc952d0a45ed\
    0000000000000000000000002af8ddab77a7c90a38cf26f29763365d0028cfef\
    2af8ddab77a7c90a38cf26f29763365d0028cfef000000000000010000000001\
    0000000000000000000000000000000000000000000000000000000000000001\
    00000000000000000000000000000000000000000000000000000000000000a0\
    0000000000000000000000000000000000000000000000000000000000000000\
    00000000360c6ebe";

const TOKEN: &str = "0xBC4CA0EdA7647A8aB7C2061c2E118A18a936f13D";

#[test]
fn transfers_of_erc_20_have_receiver_and_amount() {
    let transaction = call(trezor::ERC20).unwrap();
    assert_eq!(transaction.summary().actions, [transfer(trezor::TO, 5_000_000_000_000_000, "0xa9059cbb")]);
    let words =
        format!("transfer 5000000000000000 of token {TOKEN} to {} on eip155:1 (EIP-1559, nonce 3); ", trezor::TO);
    assert!(transaction.summary().text.starts_with(&words), "{}", transaction.summary().text);
    let from = trezor::ERC721.replace("42842e0e", "23b872dd");
    let transaction = call(&from).unwrap();
    assert_eq!(transaction.summary().actions, [transfer(trezor::TO, 42, "0x23b872dd"), of_another()]);
    let words = format!(
        "transfer 42 of token {TOKEN} from {} to {} (an amount, or the number of an ERC-721 token) on ",
        trezor::FROM,
        trezor::TO
    );
    assert!(transaction.summary().text.starts_with(&words), "{}", transaction.summary().text);
}

#[test]
fn approvals_have_spender_and_amount() {
    let transaction = call(metamask::INCREASE_ALLOWANCE).unwrap();
    assert_eq!(transaction.summary().actions, [approval(0x123_u64.into(), "0x39509351")]);
    let words = format!("let {} take 291 more of token {TOKEN} on ", metamask::SPENDER);
    assert!(transaction.summary().text.starts_with(&words), "{}", transaction.summary().text);
    let approve = metamask::INCREASE_ALLOWANCE.replace("39509351", "095ea7b3");
    assert_eq!(call(&approve).unwrap().summary().actions, [approval(0x123_u64.into(), "0x095ea7b3")]);
    let unlimited = format!("{}{}", &approve[..72], "f".repeat(64));
    let transaction = call(&unlimited).unwrap();
    assert_eq!(transaction.summary().actions, [approval(ALL, "0x095ea7b3")]);
    let words = format!("let {} take 2^256 - 1 of token {TOKEN} (an amount, or ", metamask::SPENDER);
    assert!(transaction.summary().text.starts_with(&words), "{}", transaction.summary().text);
}

#[test]
fn an_operator_may_take_all_or_nothing() {
    let transaction = call(metamask::SET_APPROVAL_FOR_ALL).unwrap();
    assert_eq!(transaction.summary().actions, [approval(ALL, "0xa22cb465")]);
    let words = format!("let {} take all of token {TOKEN} on ", metamask::SPENDER);
    assert!(transaction.summary().text.starts_with(&words), "{}", transaction.summary().text);
    let not = with_last_byte(metamask::SET_APPROVAL_FOR_ALL, 0);
    let transaction = call(&not).unwrap();
    assert_eq!(transaction.summary().actions, [approval(Amount::ZERO, "0xa22cb465")]);
    assert!(transaction.summary().text.starts_with("no longer let "), "{}", transaction.summary().text);
}

#[test]
fn transfers_of_erc_721_are_of_one_token() {
    let transaction = call(trezor::ERC721).unwrap();
    assert_eq!(transaction.summary().actions, [transfer(trezor::TO, 1, "0x42842e0e"), of_another()]);
    let words = format!("transfer number 42 of token {TOKEN} from {} to {} on ", trezor::FROM, trezor::TO);
    assert!(transaction.summary().text.starts_with(&words), "{}", transaction.summary().text);
}

#[test]
fn data_for_the_receiver_is_a_call_of_the_receiver() {
    let transaction = call(UNISWAP).unwrap();
    let to = "0x0000000000000000000000000000000000000003";
    let hook = |to: &str, selector: &str, data_len| {
        let (to, selector) = (to.to_owned(), Some(selector.to_owned()));
        Action::ContractCall { to, selector, amount: Amount::ZERO, data_len }
    };
    assert_eq!(
        transaction.summary().actions,
        [transfer(to, 1, "0xb88d4fde"), hook(to, "0x150b7a02", 20), of_another()]
    );
    let words = format!(
        "transfer number 1 of token {TOKEN} from 0x0000000000000000000000000000000000000004 to {to}, which is called with \
         20 bytes of data on "
    );
    assert!(transaction.summary().text.starts_with(&words), "{}", transaction.summary().text);
    let without = format!("{}{}", &UNISWAP[..8 + 64 * 4], "0".repeat(64));
    assert_eq!(call(&without).unwrap().summary().actions, [transfer(to, 1, "0xb88d4fde"), of_another()]);
    let transaction = call(sequence::BATCH).unwrap();
    let (to, selector) = (sequence::TO, "0x2eb2c2d6");
    assert_eq!(
        transaction.summary().actions,
        [transfer(to, 5, selector), transfer(to, 1, selector), hook(to, "0xbc197c81", 3), of_another()]
    );
    let words = format!("transfer 5 of number 2, 1 of number 500 of token {TOKEN} from ");
    assert!(transaction.summary().text.starts_with(&words), "{}", transaction.summary().text);
}

#[test]
fn transfers_of_erc_1155_have_number_and_amount() {
    let transaction = call(trezor::ERC1155).unwrap();
    assert_eq!(transaction.summary().actions, [transfer(trezor::TO, 5, "0xf242432a"), of_another()]);
    let words = format!("transfer 5 of number 7 of token {TOKEN} from {} to {} on ", trezor::FROM, trezor::TO);
    assert!(transaction.summary().text.starts_with(&words), "{}", transaction.summary().text);
}

#[test]
fn a_batch_has_from_1_to_256_items() {
    assert_eq!(call(&batch(256, 256)).unwrap().summary().actions.len(), 257, "and that they are of another account");
    for (ids, amounts) in [(0, 0), (257, 257), (2, 1), (1, 2)] {
        let error = call(&batch(ids, amounts)).unwrap_err();
        assert!(error.to_string().contains("safeBatchTransferFrom"), "{error}");
    }
}

#[test]
fn a_call_with_value_or_of_another_function_is_a_call() {
    let data_len = trezor::ERC20.len() / 2;
    let contract_call = |selector: Option<&str>, amount: u64, data_len| Action::ContractCall {
        to: TOKEN.to_owned(),
        selector: selector.map(str::to_owned),
        amount: amount.into(),
        data_len,
    };
    let (paid, unpaid) = (call_with_value(trezor::ERC20, 1).unwrap(), call(trezor::ERC20).unwrap());
    let both = [contract_call(Some("0xa9059cbb"), 1, data_len), unpaid.summary().actions[0].clone()];
    assert_eq!(paid.summary().actions, both, "what the function does besides");
    assert!(call_with_value("a9059cbb", 1).is_err());
    let other = call(&trezor::ERC20.replace("a9059cbb", "a9059cbc")).unwrap();
    assert_eq!(other.summary().actions, [contract_call(Some("0xa9059cbc"), 0, data_len)]);
    assert_eq!(call("a9059c").unwrap().summary().actions, [contract_call(None, 0, 3)]);
}

/// A token's contract runs all the same with blobs, and some do with value.
#[test]
fn neither_value_nor_blobs_hide_from_a_deny_rule_who_receives_the_tokens() {
    let rules = |receiver: &str| {
        let allow = json!({"name": "allow", "effect": "allow", "chains": ["eip155:1"], "destinations": [TOKEN],
            "calls": true, "selectors": ["0xa9059cbb"]});
        let deny = json!({"name": "deny", "effect": "deny", "chains": ["*"], "destinations": [receiver]});
        Policy::from_json(json!({"version": 1, "rules": [allow, deny]}).to_string().as_bytes()).unwrap()
    };
    let blobs = format!(r#""maxFeePerBlobGas":"0x1","blobVersionedHashes":["0x01{}"]"#, "8e".repeat(31));
    for (what, more) in [("nothing", r#""value":"0x0""#), ("value", r#""value":"0x1""#), ("blobs", &blobs)] {
        let paid_out = call_with(trezor::ERC20, more).unwrap();
        let denied = rules(trezor::TO).evaluate(paid_out.summary());
        assert_eq!(denied.rule.as_deref(), Some("deny"), "{what}: {}", denied.reason);
        let allowed = rules(trezor::FROM).evaluate(paid_out.summary());
        assert!(allowed.allowed, "{what}: {}", allowed.reason);
    }
}

#[test]
fn calldata_that_is_not_canonical_is_refused_by_the_name_of_its_function() {
    let offset = |call: &str, word: usize, value: u8| {
        let mut bytes = hex::decode(call).unwrap();
        bytes[4 + 32 * word + 31] = value;
        hex::encode(bytes)
    };
    for (calldata, name) in [
        ("a9059cbb".to_owned(), "to of transfer(address,uint256)"),
        (trezor::ERC20[..trezor::ERC20.len() - 2].to_owned(), "amount of transfer(address,uint256)"),
        (trezor::ERC20.to_owned() + "00", "the end of transfer(address,uint256)"),
        (trezor::ERC20.replacen("bb00", "bb01", 1), "to of transfer(address,uint256)"),
        (trezor::ERC20.replacen("00a6", "01a6", 1), "to of transfer(address,uint256)"),
        (trezor::ERC721.to_owned() + &"0".repeat(64), "the end of safeTransferFrom(address,address,uint256)"),
        (with_last_byte(metamask::SET_APPROVAL_FOR_ALL, 2), "approved of setApprovalForAll(address,bool)"),
        (offset(UNISWAP, 3, 0xa0), "data of safeTransferFrom(address,address,uint256,bytes)"),
        (offset(UNISWAP, 4, 0x21), "data of safeTransferFrom(address,address,uint256,bytes)"),
        (offset(UNISWAP, 4, 0x13), "data of safeTransferFrom(address,address,uint256,bytes)"),
        (with_last_byte(UNISWAP, 1), "data of safeTransferFrom(address,address,uint256,bytes)"),
        (offset(trezor::ERC1155, 4, 0x80), "data of safeTransferFrom(address,address,uint256,uint256,bytes)"),
        (WITH_A_MARK.to_owned(), "the end of safeTransferFrom(address,address,uint256,uint256,bytes)"),
        (offset(sequence::BATCH, 2, 0xc0), "ids of safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)"),
        (
            offset(sequence::BATCH, 3, 0xa0),
            "amounts of safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
        ),
        (offset(sequence::BATCH, 4, 0x00), "data of safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)"),
    ] {
        let error = call(&calldata).unwrap_err();
        assert!(matches!(&error, DecodeError::Invalid { field, .. } if field == name), "{name}: {error}");
    }
    let mut huge = hex::decode(UNISWAP).unwrap();
    huge[4 + 32 * 4..4 + 32 * 5].fill(0xff);
    assert!(call(&hex::encode(huge)).is_err());
}

#[test]
fn whatever_calldata_means_it_has_a_sender() {
    let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[7; 32]).unwrap();
    let (to, input) = (TOKEN.parse().unwrap(), hex::decode(WITH_A_MARK).unwrap().into());
    let transaction = TxEip1559 { chain_id: 1, to: TxKind::Call(to), input, ..TxEip1559::default() };
    let signature = hazmat::sign_prehash(&key, &transaction.signature_hash()).unwrap();
    let parity = signature.recovery_id().unwrap().is_y_odd();
    let signature = alloy_primitives::Signature::from_bytes_and_parity(&signature.to_bytes(), parity);
    let mut signed = Vec::new();
    transaction.eip2718_encode(&signature, &mut signed);
    assert_eq!(evm::recover_sender(&signed).unwrap(), Evm.address(&key.verifying_key()).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn changed_calldata_is_refused_or_says_something_else(which in 0..6_usize, at: prop::sample::Index, byte: u8) {
        let (good, original) = &CALLS[which];
        let mut bytes = good.clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let Ok(changed) = call(&hex::encode(&bytes)) else { return Ok(()) };
        prop_assert_eq!(changed.summary().text == original.text, bytes == *good);
        // Apart from numbers and data that actions leave out, another call is another action.
        if which < 1 && bytes != *good {
            prop_assert_ne!(&changed.summary().actions, &original.actions);
        }
    }
}

static CALLS: LazyLock<[(Vec<u8>, Summary); 6]> = LazyLock::new(|| {
    [trezor::ERC20, trezor::ERC721, trezor::ERC1155, metamask::SET_APPROVAL_FOR_ALL, UNISWAP, sequence::BATCH]
        .map(|data| (hex::decode(data).unwrap(), call(data).unwrap().summary().clone()))
});

const ALL: Amount = Amount::from_be_bytes([0xff; 32]);

fn call(calldata: &str) -> Result<Box<dyn Transaction>, DecodeError> {
    call_with_value(calldata, 0)
}

fn call_with_value(calldata: &str, value: u8) -> Result<Box<dyn Transaction>, DecodeError> {
    call_with(calldata, &format!(r#""value":"{value:#x}""#))
}

fn call_with(calldata: &str, more: &str) -> Result<Box<dyn Transaction>, DecodeError> {
    let json = format!(
        r#"{{"chainId":"0x1","nonce":"0x3","gas":"0x186a0","maxFeePerGas":"0x2","maxPriorityFeePerGas":"0x1",
            "to":"{TOKEN}","input":"0x{calldata}",{more}}}"#
    );
    Evm.decode(&Payload::new(Encoding::Json, json.as_bytes()))
}

fn transfer(to: &str, amount: u64, selector: &str) -> Action {
    let (token, to, selector) = (TOKEN.to_owned(), to.to_owned(), Some(selector.to_owned()));
    Action::TokenTransfer { token, to, amount: amount.into(), selector }
}

/// Nobody says here who signs.
fn of_another() -> Action {
    Action::Exception { name: "tokens_of_another".into() }
}

fn approval(amount: Amount, selector: &str) -> Action {
    let (token, spender) = (TOKEN.to_owned(), metamask::SPENDER.to_owned());
    Action::TokenApproval { token, spender, amount, selector: Some(selector.to_owned()) }
}

fn with_last_byte(calldata: &str, byte: u8) -> String {
    format!("{}{byte:02x}", &calldata[..calldata.len() - 2])
}

/// A batch without data of so many ids and amounts.
fn batch(ids: usize, amounts: usize) -> String {
    let word = |number: usize| format!("{number:064x}");
    let list = |len: usize| word(len) + &word(1).repeat(len);
    let offsets = [5, 6 + ids, 7 + ids + amounts].map(|words| word(words * 32)).concat();
    format!("{}{offsets}{}{}{}", &sequence::BATCH[..8 + 128], list(ids), list(amounts), word(0))
}
