//! The transaction's bytes.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{DecodeError, error::too_long};

/// Decodes a transaction and the ed25519 key that is to sign it.
pub(super) fn decode(bytes: &[u8]) -> Result<(Transaction, [u8; 32]), DecodeError> {
    if bytes.len() > MAX_LEN {
        return Err(too_long("the transaction", "bytes", bytes.len(), MAX_LEN));
    }
    // Where later versions have their number, version 0 has the length of a name, which is below 256.
    if let [version, second, ..] = bytes
        && *second != 0
    {
        return Err(DecodeError::UnsupportedType { found: format!("a version {version} transaction").into() });
    }
    let transaction: Transaction = borsh::from_slice(bytes).map_err(|error| DecodeError::malformed(FORMAT, error))?;
    check(&transaction)?;
    let PublicKey::Ed25519(key) = transaction.public_key else {
        return Err(DecodeError::UnsupportedType { found: "a secp256k1 key".into() });
    };
    let again = borsh::to_vec(&transaction).map_err(|error| DecodeError::malformed(FORMAT, error))?;
    if again == bytes { Ok((transaction, key)) } else { Err(DecodeError::NotCanonical { format: FORMAT.into() }) }
}

fn check(transaction: &Transaction) -> Result<(), DecodeError> {
    check_account("signer_id", &transaction.signer_id)?;
    check_account("receiver_id", &transaction.receiver_id)?;
    let actions = &transaction.actions;
    if actions.is_empty() {
        return Err(DecodeError::Missing { field: "actions".into() });
    }
    if actions.len() > MAX_ACTIONS {
        return Err(too_long("the transaction", "actions", actions.len(), MAX_ACTIONS));
    }
    actions.iter().try_for_each(|action| match action {
        Action::FunctionCall { method_name, .. } => check_method(method_name),
        Action::AddKey { access_key: AccessKey { permission: Permission::FunctionCall(granted), .. }, .. } => {
            check_account("receiver_id of a key", &granted.receiver_id)?;
            granted.method_names.iter().try_for_each(|name| check_method(name))
        }
        Action::DeleteAccount { beneficiary_id } => check_account("beneficiary_id", beneficiary_id),
        _ => Ok(()),
    })
}

/// Lower case letters and digits, between which one of `-_.` may stand.
fn check_account(field: &'static str, name: &str) -> Result<(), DecodeError> {
    let is_part = |part: &str| part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) && !part.is_empty();
    if (2..=64).contains(&name.len()) && name.split(['-', '_', '.']).all(is_part) {
        Ok(())
    } else {
        Err(DecodeError::invalid(field, "an account of 2 to 64 characters", name))
    }
}

fn check_method(name: &str) -> Result<(), DecodeError> {
    if (1..=256).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(DecodeError::invalid("method_name", "1 to 256 printable characters", name))
    }
}

#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct Transaction {
    pub(super) signer_id: String,
    pub(super) public_key: PublicKey,
    pub(super) nonce: u64,
    pub(super) receiver_id: String,
    pub(super) block_hash: [u8; 32],
    pub(super) actions: Vec<Action>,
}

/// In the order of the variants' numbers, as below.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(super) enum PublicKey {
    Ed25519([u8; 32]),
    Secp256k1([u8; 64]),
}

#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(super) enum Action {
    CreateAccount,
    DeployContract { code: Vec<u8> },
    FunctionCall { method_name: String, args: Vec<u8>, gas: u64, deposit: u128 },
    Transfer { deposit: u128 },
    Stake { stake: u128, public_key: PublicKey },
    AddKey { public_key: PublicKey, access_key: AccessKey },
    DeleteKey { public_key: PublicKey },
    DeleteAccount { beneficiary_id: String },
}

#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct AccessKey {
    nonce: u64,
    pub(super) permission: Permission,
}

#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(super) enum Permission {
    FunctionCall(FunctionCallPermission),
    FullAccess,
}

#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct FunctionCallPermission {
    /// What the key may spend on gas; without, as much as there is.
    pub(super) allowance: Option<u128>,
    pub(super) receiver_id: String,
    /// If there are none, all.
    pub(super) method_names: Vec<String>,
}

const FORMAT: &str = "a NEAR transaction";
/// The chain takes more, which only code to be deployed needs.
const MAX_LEN: usize = 64 * 1024;
/// The chain's own limit.
const MAX_ACTIONS: usize = 100;
