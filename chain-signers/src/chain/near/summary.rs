use sha2::{Digest, Sha256};

use super::wire::{Action as NearAction, Permission, PublicKey, Transaction};
use crate::{Action, Amount, ChainId, Summary};

pub(super) fn summarise(transaction: &Transaction, key: &[u8; 32], chain_id: &ChainId, hash: &[u8; 32]) -> Summary {
    let mut actions = Vec::with_capacity(transaction.actions.len());
    let mut words = Vec::with_capacity(transaction.actions.len());
    for action in &transaction.actions {
        words.push(describe(action, &transaction.receiver_id, &mut actions));
    }
    // The hash makes the text of two different transactions differ, whatever the words leave out.
    let text = format!(
        "{} on {chain_id}; account {} pays for gas at the chain's price, by key {}, nonce {}; block hash {}; SHA-256 {}",
        words.join(", then "),
        transaction.signer_id,
        base58_key(key),
        transaction.nonce,
        bs58::encode(transaction.block_hash).into_string(),
        hex::encode(hash),
    );
    Summary { chain_id: chain_id.clone(), actions, fee_ceiling: None, text }
}

/// Adds what the action does to `actions`, and says it.
fn describe(action: &NearAction, receiver: &str, actions: &mut Vec<Action>) -> String {
    let (name, text) = match action {
        NearAction::Transfer { deposit } => return transfer(*deposit, receiver, actions),
        NearAction::FunctionCall { method_name, args, gas, deposit } => {
            let deposit = (*deposit > 0).then(|| format!("{}, and ", transfer(*deposit, receiver, actions)));
            return deposit.unwrap_or_default() + &function_call(method_name, args, *gas, receiver, actions);
        }
        NearAction::CreateAccount => ("create_account", format!("create account {receiver}")),
        NearAction::DeployContract { code } => {
            let hash = hex::encode(Sha256::digest(code));
            ("deploy_contract", format!("deploy {} bytes of code, SHA-256 {hash}, at {receiver}", code.len()))
        }
        NearAction::Stake { stake, public_key } => {
            ("stake", format!("stake {} as {receiver} by validator key {}", units(*stake), key(public_key)))
        }
        NearAction::AddKey { public_key, access_key } => {
            let (name, grant) = permission(&access_key.permission);
            (name, format!("let key {} act for {receiver}: {grant}", key(public_key)))
        }
        NearAction::DeleteKey { public_key } => ("delete_key", format!("take key {} from {receiver}", key(public_key))),
        NearAction::DeleteAccount { beneficiary_id } => {
            ("delete_account", format!("delete account {receiver} and give what it has to {beneficiary_id}"))
        }
    };
    actions.push(Action::Exception { name: name.into() });
    text
}

fn transfer(deposit: u128, receiver: &str, actions: &mut Vec<Action>) -> String {
    actions.push(Action::Transfer { to: receiver.to_owned(), amount: Amount::from(deposit) });
    format!("transfer {} to {receiver}", units(deposit))
}

fn function_call(method_name: &str, args: &[u8], gas: u64, receiver: &str, actions: &mut Vec<Action>) -> String {
    let program = format!("{receiver}#{method_name}");
    let text = format!("call {program} with {gas} gas and arguments {}", arguments(args));
    actions.push(Action::ProgramCall { program, accounts: Vec::new(), data_len: args.len() });
    text
}

fn permission(permission: &Permission) -> (&'static str, String) {
    let Permission::FunctionCall(granted) = permission else {
        return ("add_full_access_key", "in everything".to_owned());
    };
    let methods = match &granted.method_names[..] {
        [] => "any method".to_owned(),
        names => format!("methods {}", names.join(", ")),
    };
    let gas = granted.allowance.map_or_else(|| "any amount".to_owned(), units);
    ("add_function_call_key", format!("in calls of {methods} of {}, for {gas} of gas", granted.receiver_id))
}

/// As text if they are, which they are as a rule: JSON.
fn arguments(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| hex::encode(bytes), |text| format!("{text:?}"))
}

fn key(key: &PublicKey) -> String {
    match key {
        PublicKey::Ed25519(bytes) => base58_key(bytes),
        PublicKey::Secp256k1(bytes) => format!("secp256k1:{}", bs58::encode(bytes).into_string()),
    }
}

fn base58_key(bytes: &[u8; 32]) -> String {
    format!("ed25519:{}", bs58::encode(bytes).into_string())
}

fn units(yocto: u128) -> String {
    Amount::from(yocto).to_units(DECIMALS)
}

/// Of NEAR: 10^24 yoctoNEAR are one.
const DECIMALS: u8 = 24;
