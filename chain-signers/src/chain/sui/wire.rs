//! The transaction's bytes.

use serde::{Deserialize, Serialize};

use crate::{
    DecodeError,
    error::too_long,
    move_types::{Address, Identifier, TypeTag},
};

/// Decodes a transaction all of whose indices are in range and whose names are identifiers.
pub(super) fn decode(bytes: &[u8]) -> Result<Transaction, DecodeError> {
    if bytes.len() > MAX_LEN {
        return Err(too_long("the transaction", "bytes", bytes.len(), MAX_LEN));
    }
    match bytes {
        [0, 0, ..] => {}
        [0, kind, ..] => {
            return Err(DecodeError::UnsupportedType { found: format!("a transaction of kind {kind}").into() });
        }
        [version, ..] => {
            let found = format!("a transaction of version {}", u16::from(*version) + 1).into();
            return Err(DecodeError::UnsupportedType { found });
        }
        [] => return Err(DecodeError::malformed(FORMAT, "it is empty")),
    }
    let transaction: Transaction =
        bcs::from_bytes_with_limit(bytes, MAX_DEPTH).map_err(|error| DecodeError::malformed(FORMAT, error))?;
    transaction.check()?;
    let again = bcs::to_bytes(&transaction).map_err(|error| DecodeError::malformed(FORMAT, error))?;
    if again == bytes { Ok(transaction) } else { Err(DecodeError::NotCanonical { format: FORMAT.into() }) }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Transaction {
    /// Variants of enumerations, which below 128 are a byte: version 1, a programmable transaction.
    version: u8,
    kind: u8,
    pub(super) inputs: Vec<Input>,
    pub(super) commands: Vec<Command>,
    pub(super) sender: Address,
    gas_coins: Vec<ObjectRef>,
    gas_owner: Address,
    pub(super) gas_price: u64,
    pub(super) gas_budget: u64,
    pub(super) expiration: Expiration,
}

impl Transaction {
    fn check(&self) -> Result<(), DecodeError> {
        if self.gas_owner != self.sender {
            let expected = "the sender, whose signature is enough";
            return Err(DecodeError::invalid("the gas coins' owner", expected, self.gas_owner));
        }
        if self.commands.is_empty() {
            return Err(DecodeError::Missing { field: "commands".into() });
        }
        if self.commands.len() > MAX_COMMANDS {
            return Err(too_long("the transaction", "commands", self.commands.len(), MAX_COMMANDS));
        }
        self.gas_coins.iter().try_for_each(ObjectRef::check)?;
        self.inputs.iter().try_for_each(Input::check)?;
        self.commands.iter().enumerate().try_for_each(|(at, command)| {
            command.check()?;
            command.arguments().into_iter().try_for_each(|argument| argument.check(self.inputs.len(), at))
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Expiration {
    None,
    Epoch(u64),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Input {
    /// In BCS.
    Pure(Vec<u8>),
    Object(Object),
}

impl Input {
    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Object(Object::Owned(object) | Object::Receiving(object)) => object.check(),
            Self::Object(Object::Shared { .. }) | Self::Pure(_) => Ok(()),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Object {
    /// Or immutable.
    Owned(ObjectRef),
    Shared {
        id: Address,
        initial_version: u64,
        is_mutable: bool,
    },
    Receiving(ObjectRef),
}

impl Object {
    pub(super) fn id(&self) -> Address {
        match self {
            Self::Owned(object) | Self::Receiving(object) => object.id,
            Self::Shared { id, .. } => *id,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ObjectRef {
    id: Address,
    version: u64,
    /// Has its length in front, though there is but one.
    digest: Vec<u8>,
}

impl ObjectRef {
    fn check(&self) -> Result<(), DecodeError> {
        match self.digest.len() {
            32 => Ok(()),
            len => Err(DecodeError::invalid("an object's digest", "32 bytes", len)),
        }
    }
}

/// In the order of the variants' numbers, as below.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Command {
    MoveCall(MoveCall),
    TransferObjects(Vec<Argument>, Argument),
    SplitCoins(Argument, Vec<Argument>),
    MergeCoins(Argument, Vec<Argument>),
    /// Modules, and the packages that they use.
    Publish(Vec<Vec<u8>>, Vec<Address>),
    MakeMoveVec(Option<TypeTag>, Vec<Argument>),
    /// The same, the package, and the ticket that permits it.
    Upgrade(Vec<Vec<u8>>, Vec<Address>, Address, Argument),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MoveCall {
    pub(super) package: Address,
    pub(super) module: Identifier,
    pub(super) function: Identifier,
    pub(super) type_arguments: Vec<TypeTag>,
    pub(super) arguments: Vec<Argument>,
}

impl Command {
    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::MoveCall(call) => {
                call.module.check("the module's name")?;
                call.function.check("the function's name")?;
                call.type_arguments.iter().try_for_each(TypeTag::check)
            }
            Self::MakeMoveVec(Some(item), _) => item.check(),
            _ => Ok(()),
        }
    }

    pub(super) fn arguments(&self) -> Vec<&Argument> {
        match self {
            Self::MoveCall(call) => call.arguments.iter().collect(),
            Self::TransferObjects(objects, to) => objects.iter().chain([to]).collect(),
            Self::SplitCoins(coin, others) | Self::MergeCoins(coin, others) => {
                [coin].into_iter().chain(others).collect()
            }
            Self::MakeMoveVec(_, items) => items.iter().collect(),
            Self::Upgrade(_, _, _, ticket) => vec![ticket],
            Self::Publish(..) => Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Argument {
    GasCoin,
    Input(u16),
    /// Of a command that has one result.
    Result(u16),
    NestedResult(u16, u16),
}

impl Argument {
    /// Inputs must be there, and results of an earlier command.
    fn check(self, inputs: usize, command: usize) -> Result<(), DecodeError> {
        let is_there = match self {
            Self::GasCoin => true,
            Self::Input(at) => usize::from(at) < inputs,
            Self::Result(at) | Self::NestedResult(at, _) => usize::from(at) < command,
        };
        if is_there {
            Ok(())
        } else {
            Err(DecodeError::invalid("an argument", "one that is there", format!("{self:?}")))
        }
    }
}

const FORMAT: &str = "a Sui transaction";
/// The chain's own limits, here and below.
const MAX_LEN: usize = 128 * 1024;
const MAX_COMMANDS: usize = 1024;
/// Of containers in one another.
const MAX_DEPTH: usize = 32;
