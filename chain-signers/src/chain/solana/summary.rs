use solana_message::{VersionedMessage, compiled_instruction::CompiledInstruction};

use super::{
    accounts::{Accounts, SIGNER},
    fee::{self, ComputeBudget},
    programs::{self, ASSOCIATED_TOKEN, COMPUTE_BUDGET, MEMO, SYSTEM, TOKEN, TOKEN_2022},
    system, token,
};
use crate::{Action, Amount, ChainId, DecodeError, Summary};

pub(super) fn summarise(
    message: &VersionedMessage,
    chain_id: &ChainId,
    digest: &[u8; 32],
) -> Result<Summary, DecodeError> {
    let accounts = Accounts::of(message);
    let instructions = message.instructions();
    let fee_ceiling = fee::ceiling(instructions, &accounts)?;
    let mut actions = Vec::with_capacity(instructions.len());
    let mut words = Vec::with_capacity(instructions.len());
    for (at, instruction) in instructions.iter().enumerate() {
        let (action, text) = describe(instruction, at == 0, &accounts)?;
        actions.extend(action);
        words.push(text);
    }
    // The digest makes the text of two different messages differ, whatever the words leave out.
    let text = format!(
        "{} on {chain_id}; {} signs and pays the fee, at most {}; recent blockhash {}; message SHA-256 {}",
        words.join(", then "),
        accounts.signer(),
        units(fee_ceiling),
        bs58::encode(message.recent_blockhash().as_bytes()).into_string(),
        hex::encode(digest),
    );
    Ok(Summary { chain_id: chain_id.clone(), actions, fee_ceiling: Some(fee_ceiling), text })
}

/// An instruction's action, unless it only sets what the fee ceiling counts, and the same in words.
pub(super) type Described = (Option<Action>, String);

fn describe(instruction: &CompiledInstruction, is_first: bool, accounts: &Accounts) -> Result<Described, DecodeError> {
    let understood = match accounts.program(instruction) {
        COMPUTE_BUDGET => Some((None, ComputeBudget::read(instruction)?.words())),
        MEMO => memo(instruction),
        SYSTEM => system::describe(instruction, is_first, accounts)?,
        TOKEN | TOKEN_2022 => token::describe(instruction, accounts)?,
        _ => None,
    };
    Ok(understood.unwrap_or_else(|| call(instruction, accounts)))
}

/// A text that nobody but the signer vouches for. It may tell the receiver whom a payment is for.
fn memo(instruction: &CompiledInstruction) -> Option<Described> {
    if !matches!(instruction.accounts[..], [] | [SIGNER]) {
        return None;
    }
    let text = std::str::from_utf8(&instruction.data).ok()?;
    Some((Some(Action::Exception { name: "memo".into() }), format!("add the memo {text:?}")))
}

fn call(instruction: &CompiledInstruction, accounts: &Accounts) -> Described {
    let CompiledInstruction { accounts: indices, data, .. } = instruction;
    let program = accounts.program(instruction).to_owned();
    let rent = match indices.first() {
        Some(payer) if program == ASSOCIATED_TOKEN => format!(", rent paid by {}", accounts.name(*payer)),
        _ => String::new(),
    };
    let names = accounts.names(indices);
    let text = format!(
        "call program {program}{} with accounts [{}] and data {}{rent}",
        programs::instruction_name(&program, data),
        names.join(" "),
        hex::encode(data)
    );
    (Some(Action::ProgramCall { program, accounts: names, data_len: data.len() }), text)
}

pub(super) fn units(lamports: Amount) -> String {
    lamports.to_units(DECIMALS)
}

/// Of SOL: 10^9 lamports are one.
const DECIMALS: u8 = 9;
