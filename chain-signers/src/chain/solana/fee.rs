//! What a message costs: its signatures, those that it has verified, and the price it sets for compute units.

use solana_message::compiled_instruction::CompiledInstruction;

use super::{
    accounts::Accounts,
    programs::{COMPUTE_BUDGET, SIGNATURE_VERIFIERS},
};
use crate::{Amount, DecodeError};

/// The most that the fee can be. Programs cannot raise it: what they take from the signer's account is no fee.
pub(super) fn ceiling(instructions: &[CompiledInstruction], accounts: &Accounts) -> Result<Amount, DecodeError> {
    let mut signatures = 1;
    let mut budget = Vec::new();
    for instruction in instructions {
        match accounts.program(instruction) {
            COMPUTE_BUDGET => budget.push(ComputeBudget::read(instruction)?),
            verifier if SIGNATURE_VERIFIERS.contains(&verifier) => {
                signatures += u128::from(instruction.data.first().copied().unwrap_or_default());
            }
            _ => {}
        }
    }
    for (at, instruction) in budget.iter().enumerate() {
        if budget[..at].iter().any(|earlier| earlier.kind() == instruction.kind()) {
            let expected = "each compute budget instruction once";
            return Err(DecodeError::invalid("instructions", expected, format!("{} twice", instruction.kind())));
        }
    }
    Ok(Amount::from(LAMPORTS_PER_SIGNATURE * signatures + priority(&budget)))
}

fn priority(budget: &[ComputeBudget]) -> u128 {
    let (mut price, mut limit) = (0, MAX_COMPUTE_UNITS);
    for instruction in budget {
        match instruction {
            ComputeBudget::UnitPrice(micro_lamports) => price = *micro_lamports,
            ComputeBudget::UnitLimit(units) => limit = MAX_COMPUTE_UNITS.min(*units),
            ComputeBudget::HeapFrame(_) | ComputeBudget::LoadedAccountsDataSizeLimit(_) => {}
        }
    }
    (u128::from(price) * u128::from(limit)).div_ceil(MICROLAMPORTS_PER_LAMPORT)
}

/// An instruction of the Compute Budget program: what the transaction may use, and what it pays for that.
#[derive(Clone, Copy)]
pub(super) enum ComputeBudget {
    HeapFrame(u32),
    UnitLimit(u32),
    /// In millionths of a lamport.
    UnitPrice(u64),
    LoadedAccountsDataSizeLimit(u32),
}

impl ComputeBudget {
    /// Exactly: the runtime would not look at accounts and at bytes left over.
    pub(super) fn read(instruction: &CompiledInstruction) -> Result<Self, DecodeError> {
        let u32_le = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_le_bytes);
        let read = match instruction.data.split_first() {
            Some((1, rest)) => u32_le(rest).map(Self::HeapFrame),
            Some((2, rest)) => u32_le(rest).map(Self::UnitLimit),
            Some((3, rest)) => rest.try_into().ok().map(u64::from_le_bytes).map(Self::UnitPrice),
            Some((4, rest)) => u32_le(rest).map(Self::LoadedAccountsDataSizeLimit),
            _ => None,
        };
        read.filter(|_| instruction.accounts.is_empty()).ok_or_else(|| {
            let actual = format!("{} accounts and data {}", instruction.accounts.len(), hex::encode(&instruction.data));
            DecodeError::invalid("a compute budget instruction", "no accounts and data of a known kind", actual)
        })
    }

    pub(super) fn words(self) -> String {
        match self {
            Self::HeapFrame(value) | Self::LoadedAccountsDataSizeLimit(value) => {
                format!("set {} to {value} bytes", self.kind())
            }
            Self::UnitLimit(units) => format!("set {} to {units}", self.kind()),
            Self::UnitPrice(price) => format!("set {} to {price} micro-lamports", self.kind()),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::HeapFrame(_) => "the heap frame",
            Self::UnitLimit(_) => "the compute unit limit",
            Self::UnitPrice(_) => "the compute unit price",
            Self::LoadedAccountsDataSizeLimit(_) => "the limit of loaded accounts' data",
        }
    }
}

const LAMPORTS_PER_SIGNATURE: u128 = 5000;
const MICROLAMPORTS_PER_LAMPORT: u128 = 1_000_000;
/// The most that a transaction may use, and so pay for. Without a limit of its own it may have less, but by rules that
/// have changed before.
const MAX_COMPUTE_UNITS: u32 = 1_400_000;
