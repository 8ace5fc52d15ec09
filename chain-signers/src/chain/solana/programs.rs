//! The programs that are known by name, and the names of their instructions.

use crate::chain::SOLANA_SYSTEM_PROGRAM;

/// Such as ` (System, Assign)`; nothing if the program or the instruction is not known.
pub(super) fn instruction_name(program: &str, data: &[u8]) -> String {
    let (family, name) = match program {
        SYSTEM => ("System", data.first_chunk().and_then(|tag| nth(&SYSTEM_INSTRUCTIONS, u32::from_le_bytes(*tag)))),
        TOKEN => ("Token", tag(data).and_then(|tag| nth(&TOKEN_INSTRUCTIONS[..TOKEN_LEGACY_LEN], tag))),
        TOKEN_2022 => ("Token-2022", tag(data).and_then(|tag| nth(&TOKEN_INSTRUCTIONS, tag))),
        ASSOCIATED_TOKEN => {
            ("Associated Token Account", nth(&ASSOCIATED_TOKEN_INSTRUCTIONS, tag(data).unwrap_or_default()))
        }
        _ => return String::new(),
    };
    format!(" ({family}, {})", name.unwrap_or("unknown instruction"))
}

fn tag(data: &[u8]) -> Option<u32> {
    data.first().copied().map(u32::from)
}

fn nth(names: &[&'static str], tag: u32) -> Option<&'static str> {
    names.get(usize::try_from(tag).ok()?).copied()
}

pub(super) const SYSTEM: &str = SOLANA_SYSTEM_PROGRAM;
pub(super) const COMPUTE_BUDGET: &str = "ComputeBudget111111111111111111111111111111";
pub(super) const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
pub(super) const TOKEN_2022: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";
pub(super) const ASSOCIATED_TOKEN: &str = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL";
pub(super) const MEMO: &str = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";
pub(super) const RECENT_BLOCKHASHES: &str = "SysvarRecentB1ockHashes11111111111111111111";
/// Programs that verify signatures, each of which the fee counts: the first byte of their data says how many.
pub(super) const SIGNATURE_VERIFIERS: [&str; 3] = [
    "Ed25519SigVerify111111111111111111111111111",
    "KeccakSecp256k11111111111111111111111111111",
    "Secp256r1SigVerify1111111111111111111111111",
];

/// In the order of their numbers, here and below.
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
/// Token-2022 has them all.
const TOKEN_INSTRUCTIONS: [&str; 45] = [
    "InitializeMint",
    "InitializeAccount",
    "InitializeMultisig",
    "Transfer",
    "Approve",
    "Revoke",
    "SetAuthority",
    "MintTo",
    "Burn",
    "CloseAccount",
    "FreezeAccount",
    "ThawAccount",
    "TransferChecked",
    "ApproveChecked",
    "MintToChecked",
    "BurnChecked",
    "InitializeAccount2",
    "SyncNative",
    "InitializeAccount3",
    "InitializeMultisig2",
    "InitializeMint2",
    "GetAccountDataSize",
    "InitializeImmutableOwner",
    "AmountToUiAmount",
    "UiAmountToAmount",
    "InitializeMintCloseAuthority",
    "TransferFeeExtension",
    "ConfidentialTransferExtension",
    "DefaultAccountStateExtension",
    "Reallocate",
    "MemoTransferExtension",
    "CreateNativeMint",
    "InitializeNonTransferableMint",
    "InterestBearingMintExtension",
    "CpiGuardExtension",
    "InitializePermanentDelegate",
    "TransferHookExtension",
    "ConfidentialTransferFeeExtension",
    "WithdrawExcessLamports",
    "MetadataPointerExtension",
    "GroupPointerExtension",
    "GroupMemberPointerExtension",
    "ConfidentialMintBurnExtension",
    "ScaledUiAmountExtension",
    "PausableExtension",
];
/// How many of them the Token program has.
const TOKEN_LEGACY_LEN: usize = 25;
/// No data at all is `Create` too.
const ASSOCIATED_TOKEN_INSTRUCTIONS: [&str; 3] = ["Create", "CreateIdempotent", "RecoverNested"];
