//! What a chain must know: how its transactions are read, what they do, what is signed, and how they are put together.
//!
//! The traits know no chain, and each chain knows only the traits.

#[cfg(feature = "aptos")]
pub mod aptos;
#[cfg(feature = "bitcoin")]
pub mod bitcoin;
#[cfg(feature = "cosmos")]
pub mod cosmos;
#[cfg(feature = "evm")]
pub mod evm;
#[cfg(feature = "near")]
pub mod near;
#[cfg(feature = "solana")]
pub mod solana;
#[cfg(feature = "stellar")]
pub mod stellar;
#[cfg(feature = "sui")]
pub mod sui;
#[cfg(feature = "tron")]
pub mod tron;

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use crate::{Amount, ChainId, Curve, DecodeError, KeyError, SignError, Signature, SigningPayload, VerifyingKey};

/// One kind of chain's rules, without keys. Object-safe: an enclave picks a `&dyn Chain` at run time.
pub trait Chain: fmt::Debug + Send + Sync {
    /// The CAIP-2 namespace, such as `eip155`.
    fn namespace(&self) -> &str;

    /// The curve its keys are on.
    fn curve(&self) -> Curve;

    /// The address of a key, as the chain's users write it.
    ///
    /// # Errors
    /// [`KeyError::CurveMismatch`] if the key is on another curve.
    fn address(&self, key: &VerifyingKey) -> Result<String, KeyError>;

    /// The address of a key on one chain of this kind. Chains that spell addresses differently from network to network
    /// (Bitcoin, Cosmos) override it; elsewhere it is [`address`](Self::address).
    ///
    /// # Errors
    /// [`KeyError::CurveMismatch`] if the key is on another curve; [`KeyError::UnknownChain`] if an override does not know
    /// the chain.
    fn address_on(&self, key: &VerifyingKey, chain_id: &ChainId) -> Result<String, KeyError> {
        let _ = chain_id;
        self.address(key)
    }

    /// Decodes exactly: what would re-encode differently, has an unknown field or is not understood is refused.
    ///
    /// # Errors
    /// [`DecodeError`] names the field, what was expected and what was found.
    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError>;
}

/// A transaction that was decoded and understood.
pub trait Transaction: fmt::Debug + Send + Sync {
    /// What it does. [`Policy`](crate::policy::Policy) judges this.
    fn summary(&self) -> &Summary;

    /// The canonical encoding of what is not yet signed, binary if it has a binary one (typed data and amino documents are
    /// JSON, messages are themselves): decoding it as that yields this transaction again.
    fn to_bytes(&self) -> Vec<u8>;

    /// What `signer` must sign, one payload a signature.
    ///
    /// # Errors
    /// [`SignError::NotTheSigner`] if the transaction names another signer.
    fn signing_payloads(&self, signer: &VerifyingKey) -> Result<Vec<SigningPayload>, SignError>;

    /// Joins the transaction and `signatures`, given in the order of [`signing_payloads`](Self::signing_payloads).
    /// It does not verify them; [`ChainSigner`](crate::ChainSigner) did.
    ///
    /// # Errors
    /// [`SignError::SignatureCount`], [`SignError::CurveMismatch`] or [`SignError::UnrepresentableRecoveryId`] if the
    /// signatures do not fit the format.
    fn assemble(&self, signer: &VerifyingKey, signatures: &[Signature]) -> Result<SignedTransaction, SignError>;
}

const _: Option<(&dyn Chain, &dyn ChangeKeys, &dyn Transaction)> = None; // stops compiling if object safety is lost

/// A transaction as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// How `bytes` are to be read.
    pub encoding: Encoding,
    /// The bytes, untouched since the caller wrote them.
    pub bytes: &'a [u8],
    /// The chain that the caller says it is for. Chains whose transactions carry no chain id (Bitcoin, NEAR, Solana,
    /// Stellar, Sui, TRON) require it, and so do messages; others refuse one that differs from the transaction's own.
    pub chain_id: Option<&'a ChainId>,
    /// The key that is to sign. A chain whose transactions pay change back to their signer (Bitcoin) requires it, so that
    /// change is told from payments; Ethereum's tell by it whose tokens are moved and whose account is delegated; others do
    /// not look at it.
    pub signer: Option<&'a VerifyingKey>,
    /// The signer's other keys that change may be paid to. Only Bitcoin looks at them; without them, change is what
    /// returns to the key that signs.
    pub change_keys: Option<&'a dyn ChangeKeys>,
}

impl<'a> Payload<'a> {
    /// A payload that names its own chain.
    pub fn new(encoding: Encoding, bytes: &'a [u8]) -> Self {
        Self { encoding, bytes, chain_id: None, signer: None, change_keys: None }
    }

    /// The same payload, said to be for `chain_id`.
    #[must_use]
    pub fn on_chain(self, chain_id: &'a ChainId) -> Self {
        Self { chain_id: Some(chain_id), ..self }
    }

    /// The same payload, to be signed by `signer`.
    #[must_use]
    pub fn for_signer(self, signer: &'a VerifyingKey) -> Self {
        Self { signer: Some(signer), ..self }
    }

    /// The same payload, whose change may also be paid to `change_keys`.
    #[must_use]
    pub fn with_change_keys(self, change_keys: &'a dyn ChangeKeys) -> Self {
        Self { change_keys: Some(change_keys), ..self }
    }
}

/// Keys of the signer that change may be paid to, by their path from the master key (BIP-32).
///
/// With the feature `hd`, `hd::ChangePaths` is one.
pub trait ChangeKeys: fmt::Debug + Send + Sync {
    /// The key at a path, given as child numbers with the top bit set for hardened ones; `None` if no change may go there.
    /// The path is what the payload says, and nothing else is believed of it: the output must pay to the key given here.
    fn key_at(&self, path: &[u32]) -> Option<VerifyingKey>;
}

/// How a transaction is written.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// The chain's own encoding of an unsigned transaction.
    Binary,
    /// JSON, where the chain has one.
    Json,
    /// Not a transaction: the bytes of a message that people read and sign (EIP-191, BIP-322), where the chain has such.
    Message,
    /// Not a transaction: 32 bytes that are already a hash. See [`hazmat`](crate::hazmat).
    Prehash,
    /// Not a transaction: typed data in JSON (EIP-712), where the chain has it.
    TypedData,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Binary => "binary",
            Self::Json => "json",
            Self::Message => "message",
            Self::Prehash => "prehash",
            Self::TypedData => "typed_data",
        })
    }
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The chain it is for.
    pub chain_id: ChainId,
    /// Everything it does, in order. A transaction without any is never permitted.
    pub actions: Vec<Action>,
    /// The most it can cost in fees, in the chain's smallest unit; `None` if that cannot be told.
    pub fee_ceiling: Option<Amount>,
    /// All of it in words, for people and logs. Long values may be cut short: a digest of what is signed stands at its
    /// end, so that what differs has another text.
    pub text: String,
}

impl Summary {
    /// The program that carries out a plain transfer, on chains where a program does.
    pub(crate) fn transfer_program(&self) -> Option<&'static str> {
        (self.chain_id.namespace() == "solana").then_some(SOLANA_SYSTEM_PROGRAM)
    }
}

/// One thing that a transaction does. Addresses are in the chain's own canonical spelling.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Calls a contract with data that is not decoded further.
    ContractCall {
        /// The contract.
        to: String,
        /// The first four bytes of the data, in hex, if there are as many.
        selector: Option<String>,
        /// How much of the chain's coin goes with it, in the smallest unit.
        amount: Amount,
        /// How long the data is.
        data_len: usize,
    },
    /// Creates a contract.
    ContractCreation {
        /// How much of the chain's coin goes with it, in the smallest unit.
        amount: Amount,
        /// How long the code is that runs at once.
        init_code_len: usize,
    },
    /// Lets a contract's code act as the signer's account from now on (EIP-7702).
    Delegation {
        /// The contract.
        delegate: String,
        /// Whose account, if that can be told: the signer of the authorization.
        authority: Option<String>,
        /// On every chain, not only on the transaction's.
        on_every_chain: bool,
    },
    /// Something out of the ordinary that the whole transaction is subject to, beside its other actions. It must be
    /// permitted by this name in a rule's `exceptions`.
    Exception {
        /// Its name, in lower case and underscores, such as `durable_nonce`.
        name: Cow<'static, str>,
    },
    /// Signs a message that is no transaction, and is not decoded further.
    Message {
        /// How it is framed, such as `eip191`.
        framing: Cow<'static, str>,
        /// How many bytes it has.
        len: usize,
    },
    /// Signs a hash that nobody decoded, which can be the hash of anything.
    Prehash,
    /// Runs a program's instruction that is not decoded further.
    ProgramCall {
        /// The program.
        program: String,
        /// Every account that the program is handed.
        accounts: Vec<String>,
        /// How long the instruction's data is.
        data_len: usize,
    },
    /// Hands coins to a validator in the chain's own way, to be had back later.
    Stake {
        /// The validator.
        validator: String,
        /// Which coin, where the chain has several; the chain's own if `None`.
        token: Option<String>,
        /// How much, in the smallest unit.
        amount: Amount,
    },
    /// Lets another account take tokens of the signer's later on.
    TokenApproval {
        /// The token: its contract, mint or denomination.
        token: String,
        /// Who may take them.
        spender: String,
        /// How many, in the token's smallest unit; 2^256 - 1 for all there are and will be.
        amount: Amount,
        /// The first four bytes of the call's data, in hex, where it is a contract's function.
        selector: Option<String>,
    },
    /// Moves tokens, and does nothing else.
    TokenTransfer {
        /// The token: its contract, mint or denomination.
        token: String,
        /// Who receives them.
        to: String,
        /// How many, in the token's smallest unit; where a call does not tell an amount from the number of a single
        /// token (`transferFrom` of ERC-20 and of ERC-721), that number.
        amount: Amount,
        /// The first four bytes of the call's data, in hex, where it is a contract's function.
        selector: Option<String>,
    },
    /// Moves the chain's own coin, and does nothing else.
    Transfer {
        /// Who receives it.
        to: String,
        /// How much, in the smallest unit.
        amount: Amount,
    },
    /// Signs typed data (EIP-712), which a contract will take as an order.
    TypedData {
        /// The contract that it is for.
        verifying_contract: Option<String>,
        /// The name of the type that is signed.
        primary_type: String,
        /// Keccak-256 of the type's `encodeType`, `0x` and hex: the type, whatever its name.
        type_hash: String,
        /// Every value that is neither a struct nor a list, in order, by its path (`details.amount`, `witness[0].to`):
        /// addresses in EIP-55 spelling, numbers in decimal, `true` and `false`, bytes in hex, texts as they are.
        fields: Vec<(String, String)>,
    },
    /// Something decoded that no other action describes. No policy permits it.
    Unknown {
        /// What it is.
        description: String,
    },
}

/// A transaction ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTransaction {
    /// The bytes that the network takes; for Bitcoin the final PSBT that holds them, for a message the signature.
    pub bytes: Vec<u8>,
    /// The name by which the network will know it: the transaction hash, or Solana's first signature.
    pub id: String,
}

/// Here and not in the chain, because a policy must know it whatever features are on.
pub(crate) const SOLANA_SYSTEM_PROGRAM: &str = "11111111111111111111111111111111";
/// SPL Token and Token-2022: either may carry out a token transfer.
pub(crate) const SOLANA_TOKEN_PROGRAMS: [&str; 2] =
    ["TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"];
