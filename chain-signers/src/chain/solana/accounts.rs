use solana_message::{VersionedMessage, compiled_instruction::CompiledInstruction};

use crate::DecodeError;

/// A message's accounts, in the order of the indices that instructions have for them. Decoding checked every index.
pub(super) struct Accounts {
    /// In base58, or `lookup:<table>[<index>]`.
    names: Vec<String>,
    /// How many of them the message itself names; the others are looked up in tables when it runs.
    in_message: usize,
    /// How many of those are read-only; they are the last ones.
    readonly: usize,
}

impl Accounts {
    pub(super) fn of(message: &VersionedMessage) -> Self {
        let keys = message.static_account_keys();
        let lookups = message.address_table_lookups().unwrap_or_default();
        let writable = lookups.iter().map(|lookup| (&lookup.account_key, &lookup.writable_indexes));
        let read_only = lookups.iter().map(|lookup| (&lookup.account_key, &lookup.readonly_indexes));
        let looked_up = writable.chain(read_only).flat_map(|(table, indexes)| {
            let table = bs58::encode(table).into_string();
            indexes.iter().map(move |index| format!("lookup:{table}[{index}]"))
        });
        let names = keys.iter().map(|key| bs58::encode(key).into_string()).chain(looked_up).collect();
        let readonly = usize::from(message.header().num_readonly_unsigned_accounts);
        Self { names, in_message: keys.len(), readonly }
    }

    pub(super) fn signer(&self) -> &str {
        self.name(SIGNER)
    }

    pub(super) fn program(&self, instruction: &CompiledInstruction) -> &str {
        self.name(instruction.program_id_index)
    }

    pub(super) fn name(&self, index: u8) -> &str {
        &self.names[usize::from(index)]
    }

    pub(super) fn names(&self, indices: &[u8]) -> Vec<String> {
        indices.iter().map(|index| self.name(*index).to_owned()).collect()
    }

    /// The account, which the message itself must name: what a table holds is not known when it is signed.
    pub(super) fn named(&self, index: u8, role: &'static str) -> Result<String, DecodeError> {
        let name = self.name(index);
        if usize::from(index) < self.in_message {
            Ok(name.to_owned())
        } else {
            Err(DecodeError::invalid(role, "an account that the message itself names", name))
        }
    }

    /// Whether the message names the account and lets it be written to.
    pub(super) fn is_named_and_writable(&self, index: u8) -> bool {
        usize::from(index) + self.readonly < self.in_message
    }
}

/// Index of the one signer, who pays the fee.
pub(super) const SIGNER: u8 = 0;
