//! Instructions of the System program that are understood.

use solana_message::compiled_instruction::CompiledInstruction;

use super::{
    accounts::{Accounts, SIGNER},
    programs::RECENT_BLOCKHASHES,
    summary::{Described, units},
};
use crate::{Action, Amount, DecodeError};

pub(super) fn describe(
    instruction: &CompiledInstruction,
    is_first: bool,
    accounts: &Accounts,
) -> Result<Option<Described>, DecodeError> {
    let CompiledInstruction { accounts: indices, data, .. } = instruction;
    if is_first && data.starts_with(&ADVANCE_NONCE_ACCOUNT) {
        return durable_nonce(instruction, accounts).map(Some);
    }
    match (transfer_amount(data), &indices[..]) {
        (Some(lamports), [source, to]) => transfer(accounts, *source, *to, lamports).map(Some),
        _ => Ok(None),
    }
}

fn transfer(accounts: &Accounts, source: u8, to: u8, lamports: u64) -> Result<Described, DecodeError> {
    if source != SIGNER {
        let actual = accounts.name(source);
        return Err(DecodeError::invalid("the source of a transfer", "the signer's account", actual));
    }
    let amount = Amount::from(lamports);
    let to = accounts.named(to, "the destination of a transfer")?;
    let text = format!("transfer {} to {to}", units(amount));
    Ok((Some(Action::Transfer { to, amount }), text))
}

/// The lamports of a `Transfer`, which is exactly this long: a longer one is not called a transfer here.
fn transfer_amount(data: &[u8]) -> Option<u64> {
    let lamports = data.strip_prefix(&[2, 0, 0, 0])?;
    Some(u64::from_le_bytes(lamports.try_into().ok()?))
}

/// The runtime takes whatever starts with this as the mark of a durable nonce, so nothing like it may pass as less.
fn durable_nonce(instruction: &CompiledInstruction, accounts: &Accounts) -> Result<Described, DecodeError> {
    if let [nonce, blockhashes, SIGNER] = instruction.accounts[..]
        && instruction.data == ADVANCE_NONCE_ACCOUNT
        && nonce != SIGNER
        && accounts.is_named_and_writable(nonce)
        && accounts.name(blockhashes) == RECENT_BLOCKHASHES
    {
        let action = Action::Exception { name: "durable_nonce".into() };
        return Ok((Some(action), format!("never expire, by the durable nonce of account {}", accounts.name(nonce))));
    }
    let expected = "a writable nonce account of the message, the recent blockhashes and the signer";
    let seen = accounts.names(&instruction.accounts).join(" ");
    let actual = format!("data {} and accounts [{seen}]", hex::encode(&instruction.data));
    Err(DecodeError::invalid("AdvanceNonceAccount", expected, actual))
}

const ADVANCE_NONCE_ACCOUNT: [u8; 4] = [4, 0, 0, 0];
