//! Solana: a transfer of the cluster's own coin.

use chain_signers::solana::Solana;
use chain_signers::{Curve, Encoding, SigningKey};

use super::{Request, SECRET};
use crate::attested::Failure;

/// A legacy message with one instruction of the System program.
///
/// # Errors
/// If it is not signed.
pub fn transfer() -> Result<Request, Failure> {
    let payer = SigningKey::from_secret_bytes(Curve::Ed25519, &SECRET)?.verifying_key().to_bytes();
    let lamports = 1_500_000_000_u64.to_le_bytes();
    let message = [
        &[1, 0, 1, 3], // one signer, one account that nobody writes, three accounts
        payer.as_slice(),
        &[9; 32],             // the receiver
        &[0; 32],             // the System program
        &[3; 32],             // a recent blockhash
        &[1, 2, 2, 0, 1, 12], // one instruction, of the third account, with two accounts and 12 bytes
        &[2, 0, 0, 0],        // a transfer
        lamports.as_slice(),
    ];
    Request::new(Solana, (Encoding::Binary, message.concat()), MAIN)
}

const MAIN: &str = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp";
