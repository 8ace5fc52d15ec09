use super::wire::{Argument, Command, Expiration, Input, MoveCall, Transaction};
use crate::{
    Action, Amount, ChainId, Summary,
    move_types::{Address, generics},
};

pub(super) fn summarise(transaction: &Transaction, chain_id: &ChainId, digest: &[u8; 32]) -> Summary {
    let (actions, words): (Vec<_>, Vec<_>) = describe(transaction).into_iter().unzip();
    let fee_ceiling = Amount::from(transaction.gas_budget);
    let expiration = match transaction.expiration {
        Expiration::None => "never expires".to_owned(),
        Expiration::Epoch(epoch) => format!("expires after epoch {epoch}"),
    };
    // The digest makes the text of two different transactions differ, whatever the words leave out.
    let text = format!(
        "{} on {chain_id}; sender {}, fee at most {} at a gas price of {}, {expiration}; intent message BLAKE2b-256 {}",
        words.join(", then "),
        transaction.sender,
        units(fee_ceiling),
        transaction.gas_price,
        hex::encode(digest),
    );
    Summary { chain_id: chain_id.clone(), actions, fee_ceiling: Some(fee_ceiling), text }
}

fn describe(transaction: &Transaction) -> Vec<(Action, String)> {
    let is_plain = transaction.commands.iter().all(|command| is_plain(command, transaction));
    let mut described = Vec::with_capacity(transaction.commands.len());
    for command in &transaction.commands {
        match command {
            Command::SplitCoins(..) if is_plain => {}
            Command::TransferObjects(objects, to) if is_plain => {
                described.extend(objects.iter().map(|object| transfer(transaction, *object, *to)));
            }
            _ => described.push(call(transaction, command)),
        }
    }
    described
}

/// Whether the command leaves inputs and coins as they are, apart from splitting known amounts off the gas coin.
fn is_plain(command: &Command, transaction: &Transaction) -> bool {
    match command {
        Command::SplitCoins(Argument::GasCoin, amounts) => {
            amounts.iter().all(|amount| pure::<8>(transaction, *amount).is_some())
        }
        Command::TransferObjects(_, to) => pure::<32>(transaction, *to).is_some(),
        _ => false,
    }
}

/// Of one object in a plain transaction.
fn transfer(transaction: &Transaction, object: Argument, to: Argument) -> (Action, String) {
    let to = pure(transaction, to).map_or_else(|| argument(transaction, to), |bytes| Address(bytes).to_string());
    if let Some(amount) = split_amount(transaction, object) {
        let text = format!("transfer {} to {to}", units(amount));
        return (Action::Transfer { to, amount }, text);
    }
    let text = format!("transfer_objects ({}) to {to}", argument(transaction, object));
    let accounts = account(transaction, object).into_iter().chain([to]).collect();
    (Action::ProgramCall { program: "transfer_objects".to_owned(), accounts, data_len: 0 }, text)
}

/// How much a coin has that was split off the gas coin.
fn split_amount(transaction: &Transaction, coin: Argument) -> Option<Amount> {
    let (command, at) = match coin {
        Argument::NestedResult(command, at) => (command, usize::from(at)),
        Argument::Result(command) => (command, 0),
        _ => return None,
    };
    let Command::SplitCoins(Argument::GasCoin, amounts) = transaction.commands.get(usize::from(command))? else {
        return None;
    };
    if matches!(coin, Argument::Result(_)) && amounts.len() != 1 {
        return None;
    }
    pure(transaction, *amounts.get(at)?).map(u64::from_le_bytes).map(Amount::from)
}

fn call(transaction: &Transaction, command: &Command) -> (Action, String) {
    let (program, what, data_len) = match command {
        Command::MoveCall(call) => (path(call), generics(&call.type_arguments), 0),
        Command::TransferObjects(..) => ("transfer_objects".to_owned(), String::new(), 0),
        Command::SplitCoins(..) => ("split_coins".to_owned(), String::new(), 0),
        Command::MergeCoins(..) => ("merge_coins".to_owned(), String::new(), 0),
        Command::MakeMoveVec(item, _) => {
            ("make_move_vec".to_owned(), item.as_ref().map(|item| format!("<{item}>")).unwrap_or_default(), 0)
        }
        Command::Publish(modules, _) => ("publish".to_owned(), String::new(), total_len(modules)),
        Command::Upgrade(modules, _, package, _) => {
            ("upgrade".to_owned(), format!(" of {package}"), total_len(modules))
        }
    };
    let arguments = command.arguments();
    let mut accounts: Vec<_> = arguments.iter().filter_map(|it| account(transaction, **it)).collect();
    if let Command::Upgrade(_, _, package, _) = command {
        accounts.push(package.to_string());
    }
    let words: Vec<_> = arguments.iter().map(|it| argument(transaction, **it)).collect();
    let data_len = data_len + arguments.iter().map(|it| pure_len(transaction, **it)).sum::<usize>();
    let text = format!("call {program}{what} with ({})", words.join(", "));
    (Action::ProgramCall { program, accounts, data_len }, text)
}

fn path(call: &MoveCall) -> String {
    format!("{}::{}::{}", call.package, call.module, call.function)
}

fn total_len(modules: &[Vec<u8>]) -> usize {
    modules.iter().map(Vec::len).sum()
}

/// An object, or what may be an address.
fn account(transaction: &Transaction, argument: Argument) -> Option<String> {
    match input(transaction, argument)? {
        Input::Object(object) => Some(object.id().to_string()),
        Input::Pure(bytes) => Some(Address(bytes[..].try_into().ok()?).to_string()),
    }
}

fn argument(transaction: &Transaction, argument: Argument) -> String {
    match (argument, input(transaction, argument)) {
        (_, Some(Input::Object(object))) => format!("object {}", object.id()),
        (_, Some(Input::Pure(bytes))) => hex::encode(bytes),
        (Argument::Result(command), _) => format!("the result of command {command}"),
        (Argument::NestedResult(command, at), _) => format!("result {at} of command {command}"),
        _ => "the gas coin".to_owned(),
    }
}

fn pure<const N: usize>(transaction: &Transaction, argument: Argument) -> Option<[u8; N]> {
    match input(transaction, argument)? {
        Input::Pure(bytes) => bytes[..].try_into().ok(),
        Input::Object(_) => None,
    }
}

fn pure_len(transaction: &Transaction, argument: Argument) -> usize {
    match input(transaction, argument) {
        Some(Input::Pure(bytes)) => bytes.len(),
        _ => 0,
    }
}

fn input(transaction: &Transaction, argument: Argument) -> Option<&Input> {
    match argument {
        Argument::Input(at) => transaction.inputs.get(usize::from(at)),
        _ => None,
    }
}

fn units(mist: Amount) -> String {
    mist.to_units(DECIMALS)
}

/// Of SUI: 10^9 MIST are one.
const DECIMALS: u8 = 9;
