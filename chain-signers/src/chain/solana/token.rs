//! Instructions of the Token and Token-2022 programs that are understood: those that name the token's mint.

use solana_message::compiled_instruction::CompiledInstruction;

use super::{
    accounts::{Accounts, SIGNER},
    programs::TOKEN_2022,
    summary::Described,
};
use crate::{Action, Amount, DecodeError};

pub(super) fn describe(
    instruction: &CompiledInstruction,
    accounts: &Accounts,
) -> Result<Option<Described>, DecodeError> {
    // A fifth account would be a signer of a multisignature authority, or meant for a transfer hook.
    let [source, mint, other, SIGNER] = instruction.accounts[..] else { return Ok(None) };
    let Some(order) = Order::read(&instruction.data, accounts.program(instruction)) else { return Ok(None) };
    let token = accounts.named(mint, "the mint of a token transfer or approval")?;
    let (amount, units) = (Amount::from(order.amount), order.units(order.amount));
    let what = format!("{units} ({} decimals) of token {token}", order.decimals);
    let source = accounts.name(source);
    let (action, text) = match order.kind {
        Kind::Approve => {
            let spender = accounts.named(other, "the delegate of a token approval")?;
            let text = format!("let {spender} take {what} from token account {source}");
            (Action::TokenApproval { token, spender, amount, selector: None }, text)
        }
        Kind::Transfer { fee } => {
            let to = accounts.named(other, "the destination of a token transfer")?;
            let fee = fee.map(|fee| format!(", of which {} are withheld as the token's fee", order.units(fee)));
            let text =
                format!("transfer {what} to token account {to} from token account {source}{}", fee.unwrap_or_default());
            (Action::TokenTransfer { token, to, amount, selector: None }, text)
        }
    };
    Ok(Some((Some(action), text)))
}

struct Order {
    kind: Kind,
    amount: u64,
    decimals: u8,
}

enum Kind {
    Approve,
    Transfer { fee: Option<u64> },
}

impl Order {
    /// The programs would not look at bytes left over; here such an instruction is not understood.
    fn read(data: &[u8], program: &str) -> Option<Self> {
        let (kind, rest) = match data {
            [12, rest @ ..] => (Kind::Transfer { fee: None }, rest),
            [13, rest @ ..] => (Kind::Approve, rest),
            [26, 1, rest @ ..] if program == TOKEN_2022 => {
                let (rest, fee) = rest.split_last_chunk()?;
                (Kind::Transfer { fee: Some(u64::from_le_bytes(*fee)) }, rest)
            }
            _ => return None,
        };
        let (amount, decimals) = rest.split_first_chunk()?;
        let [decimals] = decimals else { return None };
        Some(Self { kind, amount: u64::from_le_bytes(*amount), decimals: *decimals })
    }

    fn units(&self, amount: u64) -> String {
        Amount::from(amount).to_units(self.decimals)
    }
}
