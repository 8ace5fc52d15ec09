//! Ethereum: a transfer of ether, a transfer of tokens, and a permit.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, U256, address, hex};
use chain_signers::Encoding;
use chain_signers::evm::Evm;

use super::Request;
use crate::attested::Failure;

/// A transfer of ether (EIP-1559), in the binary encoding.
///
/// # Errors
/// If it is not signed.
pub fn transfer() -> Result<Request, Failure> {
    Request::new(Evm, (Encoding::Binary, eip1559().encoded_for_signing()), MAIN)
}

/// A transfer of USDC.
///
/// # Errors
/// If it is not signed.
pub fn token_transfer() -> Result<Request, Failure> {
    let arguments = [[0; 12].as_slice(), RECEIVER.as_slice(), &U256::from(25_000_000).to_be_bytes::<32>()].concat();
    let input = [hex!("a9059cbb").as_slice(), &arguments].concat().into();
    let transaction = TxEip1559 { to: USDC.into(), value: U256::ZERO, input, ..eip1559() };
    Request::new(Evm, (Encoding::Binary, transaction.encoded_for_signing()), MAIN)
}

/// A permit for USDC (EIP-2612), as typed data (EIP-712).
///
/// # Errors
/// If it is not signed.
pub fn permit() -> Result<Request, Failure> {
    Request::new(Evm, (Encoding::TypedData, PERMIT.to_vec()), MAIN)
}

/// The transfer of ether.
#[must_use]
pub fn eip1559() -> TxEip1559 {
    TxEip1559 {
        chain_id: 1,
        nonce: 7,
        gas_limit: 100_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 3_000_000_000,
        to: RECEIVER.into(),
        value: U256::from(10_000_000_000_000_000_u64),
        ..TxEip1559::default()
    }
}

/// The main network.
pub const MAIN: &str = "eip155:1";
/// Who receives the ether and the tokens.
pub const RECEIVER: Address = address!("0xa5D3241A1591061F2a4bB69CA0215F66520E67cf");
/// A token.
pub const USDC: Address = address!("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48");

const PERMIT: &[u8] = br#"{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},
    {"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],"Permit":[
    {"name":"owner","type":"address"},{"name":"spender","type":"address"},{"name":"value","type":"uint256"},
    {"name":"nonce","type":"uint256"},{"name":"deadline","type":"uint256"}]},"primaryType":"Permit",
    "domain":{"name":"USD Coin","version":"2","chainId":1,
    "verifyingContract":"0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"},
    "message":{"owner":"0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F","spender":"0xa5D3241A1591061F2a4bB69CA0215F66520E67cf",
    "value":"25000000","nonce":0,"deadline":2000000000}}"#;
