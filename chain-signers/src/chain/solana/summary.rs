use solana_message::{Message, compiled_instruction::CompiledInstruction};

use crate::{Action, Amount, ChainId, DecodeError, Summary, chain::SOLANA_SYSTEM_PROGRAM as SYSTEM_PROGRAM};

pub(super) fn summarise(message: &Message, chain_id: &ChainId, digest: &[u8; 32]) -> Result<Summary, DecodeError> {
    let accounts = Accounts::of(message);
    let mut actions = Vec::with_capacity(message.instructions.len());
    let mut words = Vec::with_capacity(message.instructions.len());
    for instruction in &message.instructions {
        let (action, text) = accounts.describe(instruction)?;
        actions.push(action);
        words.push(text);
    }
    let fee_ceiling = accounts.fee_ceiling(message);
    let fee = fee_ceiling.map_or_else(|| "of unknown height".to_owned(), |fee| format!("at most {}", units(fee)));
    // The digest makes the text of two different messages differ, whatever the words leave out.
    let text = format!(
        "{} on {chain_id}; {} signs and pays the fee, {fee}; recent blockhash {}; message SHA-256 {}",
        words.join(", then "),
        accounts.0[0],
        bs58::encode(message.recent_blockhash.as_bytes()).into_string(),
        hex::encode(digest),
    );
    Ok(Summary { chain_id: chain_id.clone(), actions, fee_ceiling, text })
}

/// The message's account keys in base58. Decoding checked every index into them.
struct Accounts(Vec<String>);

impl Accounts {
    fn of(message: &Message) -> Self {
        Self(message.account_keys.iter().map(|key| bs58::encode(key).into_string()).collect())
    }

    fn program(&self, instruction: &CompiledInstruction) -> &str {
        &self.0[usize::from(instruction.program_id_index)]
    }

    fn describe(&self, instruction: &CompiledInstruction) -> Result<(Action, String), DecodeError> {
        if self.program(instruction) == SYSTEM_PROGRAM
            && let Some(lamports) = transfer_amount(&instruction.data)
            && let [source, to] = instruction.accounts[..]
        {
            return self.transfer(source, to, lamports);
        }
        let program = self.program(instruction).to_owned();
        let accounts: Vec<_> = instruction.accounts.iter().map(|index| self.0[usize::from(*index)].clone()).collect();
        let text = format!(
            "call program {program}{} with accounts [{}] and data {}",
            system_instruction_name(&program, &instruction.data),
            accounts.join(" "),
            hex::encode(&instruction.data)
        );
        Ok((Action::ProgramCall { program, accounts, data_len: instruction.data.len() }, text))
    }

    fn transfer(&self, source: u8, to: u8, lamports: u64) -> Result<(Action, String), DecodeError> {
        if source != SIGNER {
            let actual = &self.0[usize::from(source)];
            return Err(DecodeError::invalid("the source of a transfer", "the signer's account", actual));
        }
        let amount = Amount::from(lamports);
        let to = self.0[usize::from(to)].clone();
        let text = format!("transfer {} to {to}", units(amount));
        Ok((Action::Transfer { to, amount }, text))
    }

    /// What the signature and the compute budget cost. Another program may charge fees that we do not know of (the
    /// signature precompiles do), so there the ceiling is unknown.
    fn fee_ceiling(&self, message: &Message) -> Option<Amount> {
        let (mut price, mut limit) = (0_u64, None::<u32>);
        for instruction in &message.instructions {
            match self.program(instruction) {
                COMPUTE_BUDGET_PROGRAM => match instruction.data.split_first() {
                    Some((2, rest)) => limit = limit.max(le_bytes(rest).map(u32::from_le_bytes)),
                    Some((3, rest)) => price = price.max(le_bytes(rest).map_or(0, u64::from_le_bytes)),
                    _ => {}
                },
                SYSTEM_PROGRAM => {}
                _ => return None,
            }
        }
        let units = u128::from(limit.unwrap_or(MAX_COMPUTE_UNITS).min(MAX_COMPUTE_UNITS));
        let priority = (u128::from(price) * units).div_ceil(MICROLAMPORTS_PER_LAMPORT);
        Some(Amount::from(LAMPORTS_PER_SIGNATURE + priority))
    }
}

/// The lamports of a System program `Transfer`, which is exactly this long: a longer one is not called a transfer here.
fn transfer_amount(data: &[u8]) -> Option<u64> {
    let lamports = data.strip_prefix(&[2, 0, 0, 0])?;
    Some(u64::from_le_bytes(lamports.try_into().ok()?))
}

/// The first bytes as an array, as the runtime reads them: it ignores what follows.
fn le_bytes<const N: usize>(data: &[u8]) -> Option<[u8; N]> {
    data.first_chunk().copied()
}

fn system_instruction_name(program: &str, data: &[u8]) -> String {
    let number = if program == SYSTEM_PROGRAM { le_bytes(data).map(u32::from_le_bytes) } else { None };
    let name = number.and_then(|number| SYSTEM_INSTRUCTIONS.get(usize::try_from(number).ok()?));
    name.map_or_else(String::new, |name| format!(" (System, {name})"))
}

fn units(lamports: Amount) -> String {
    lamports.to_units(DECIMALS)
}

/// Index of the one signer, who pays the fee.
const SIGNER: u8 = 0;
const COMPUTE_BUDGET_PROGRAM: &str = "ComputeBudget111111111111111111111111111111";
/// In the order of their numbers.
const SYSTEM_INSTRUCTIONS: [&str; 14] = [
    "CreateAccount",
    "Assign",
    "Transfer",
    "CreateAccountWithSeed",
    "AdvanceNonceAccount",
    "WithdrawNonceAccount",
    "InitializeNonceAccount",
    "AuthorizeNonceAccount",
    "Allocate",
    "AllocateWithSeed",
    "AssignWithSeed",
    "TransferWithSeed",
    "UpgradeNonceAccount",
    "CreateAccountAllowPrefund",
];
const LAMPORTS_PER_SIGNATURE: u128 = 5000;
const MICROLAMPORTS_PER_LAMPORT: u128 = 1_000_000;
/// The most that a transaction may use, and so pay for.
const MAX_COMPUTE_UNITS: u32 = 1_400_000;
/// Of SOL: 10^9 lamports are one.
const DECIMALS: u8 = 9;
