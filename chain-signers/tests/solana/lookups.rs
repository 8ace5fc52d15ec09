//! Version 0 messages, and accounts that come from lookup tables.

use solana_message::{AddressLookupTableAccount, VersionedMessage, v0};

use super::*;

const TABLE: [u8; 32] = [0xaa; 32];
const HELD: [u8; 32] = [0xbb; 32];
const OTHER_HELD: [u8; 32] = [0xcc; 32];

#[test]
fn a_version_0_message_without_lookups_means_what_a_legacy_one_does() {
    let bytes = compile(&[transfer(7)], &[]).serialize();
    let transaction = decode(&bytes).unwrap();
    assert_eq!(transaction.to_bytes(), bytes);
    let legacy = decode(&message(&[transfer(7)]).serialize()).unwrap();
    assert_eq!(transaction.summary().actions, legacy.summary().actions);
    assert_eq!(transaction.summary().fee_ceiling, legacy.summary().fee_ceiling);
    assert_ne!(transaction.summary().text, legacy.summary().text, "other bytes are signed");
    let signed = signer(&sdk::SECRET).sign(transaction.as_ref()).unwrap();
    assert_eq!(signed.bytes[65..], bytes);
}

#[test]
fn accounts_from_a_table_are_listed_by_table_and_index() {
    let bytes = with_one_of_each(1);
    let transaction = decode(&bytes).unwrap();
    let (table, second) = (base58(TABLE), base58([0xdd; 32]));
    let [Action::ProgramCall { accounts, .. }, Action::Transfer { .. }] = &transaction.summary().actions[..] else {
        panic!("{:?}", transaction.summary())
    };
    let expected = [
        base58(payer_key().to_bytes()),
        format!("lookup:{table}[1]"),
        format!("lookup:{table}[0]"),
        format!("lookup:{second}[0]"),
    ];
    assert_eq!(accounts[..], expected, "writable ones of all tables come first");
    assert!(transaction.summary().text.contains(&format!("lookup:{table}[1] ")), "{}", transaction.summary().text);
}

#[test]
fn what_matters_may_not_come_from_a_table() {
    let token = program("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
    let checked = |tag: u8, mint: [u8; 32], other: [u8; 32]| Instruction {
        program_id: token,
        accounts: vec![
            AccountMeta::new([6; 32].into(), false),
            AccountMeta::new_readonly(mint.into(), false),
            AccountMeta::new(other.into(), false),
            AccountMeta::new_readonly(payer_key(), true),
        ],
        data: vec![tag, 1, 0, 0, 0, 0, 0, 0, 0, 6],
    };
    let mut to_held = transfer(1);
    to_held.accounts[1] = AccountMeta::new(HELD.into(), false);
    for (role, instruction) in [
        ("the destination of a transfer", to_held),
        ("the mint of a token transfer or approval", checked(12, HELD, RECEIVER)),
        ("the destination of a token transfer", checked(12, [5; 32], HELD)),
        ("the mint of a token transfer or approval", checked(13, HELD, RECEIVER)),
        ("the delegate of a token approval", checked(13, [5; 32], HELD)),
    ] {
        let error = decode(&compile(&[instruction], &[table()]).serialize()).unwrap_err();
        assert!(matches!(&error, DecodeError::Invalid { field, .. } if field == role), "{role}: {error}");
    }
}

/// The SDK's compiler keeps the nonce of a first instruction in the message, so the order is changed afterwards.
#[test]
fn the_account_of_a_durable_nonce_may_not_come_from_a_table() {
    let advance = Instruction {
        program_id: SYSTEM,
        accounts: vec![
            AccountMeta::new(HELD.into(), false),
            AccountMeta::new_readonly(program("SysvarRecentB1ockHashes11111111111111111111"), false),
            AccountMeta::new_readonly(payer_key(), true),
        ],
        data: vec![4, 0, 0, 0],
    };
    let VersionedMessage::V0(mut message) = compile(&[transfer(1), advance], &[table()]) else {
        panic!("not version 0")
    };
    let transaction = decode(&message.serialize()).unwrap();
    assert!(matches!(transaction.summary().actions[1], Action::ProgramCall { .. }));
    message.instructions.swap(0, 1);
    let error = decode(&message.serialize()).unwrap_err();
    assert!(matches!(&error, DecodeError::Invalid { field, .. } if field == "AdvanceNonceAccount"), "{error}");
}

#[test]
fn refuses_programs_from_a_table_and_lookups_that_break_the_rules() {
    let VersionedMessage::V0(good) = one_of_each(1) else { panic!("not version 0") };
    decode(&good.serialize()).unwrap();
    let edited = |edit: &dyn Fn(&mut v0::Message)| {
        let mut message = good.clone();
        edit(&mut message);
        message.serialize()
    };
    let keys = u8::try_from(good.account_keys.len()).unwrap();
    let cases = [
        ("a program from a table", edited(&|m| m.instructions[0].program_id_index = keys)),
        ("an account out of range", edited(&|m| m.instructions[0].accounts[0] = keys + 3)),
        ("a table without indexes", edited(&|m| m.address_table_lookups[1].readonly_indexes.clear())),
        ("an account twice", edited(&|m| m.address_table_lookups[0].readonly_indexes.push(0))),
        ("a duplicate account", edited(&|m| m.account_keys[2] = m.account_keys[1])),
        ("too many accounts", edited(&|m| m.address_table_lookups[1].writable_indexes = (1..=255).collect())),
        ("two signers", edited(&|m| m.header.num_required_signatures = 2)),
        ("no lookups at all", {
            let mut bytes = edited(&|m| m.address_table_lookups.clear());
            bytes.pop();
            bytes
        }),
        ("a trailing byte", [&good.serialize()[..], &[0]].concat()),
    ];
    for (what, bytes) in cases {
        assert!(decode(&bytes).is_err(), "{what}");
    }
}

proptest! {
    #[test]
    fn what_the_sdk_compiles_decodes_to_the_same_bytes(
        instructions in vec((1..6_u8, vec(0..12_u8, 0..5), vec(any::<u8>(), 0..200)), 1..4), held in 0..12_u8,
    ) {
        let key = |n: u8| [n + 1; 32];
        let instructions: Vec<_> = instructions
            .into_iter()
            .map(|(program, accounts, data)| Instruction {
                program_id: key(program + 20).into(),
                accounts: accounts
                    .into_iter()
                    .map(|n| AccountMeta { pubkey: key(n).into(), is_signer: false, is_writable: n % 2 == 0 })
                    .collect(),
                data,
            })
            .collect();
        let addresses = (0..held).map(|n| key(n).into()).collect();
        let message = compile(&instructions, &[AddressLookupTableAccount { key: TABLE.into(), addresses }]);
        let bytes = message.serialize();
        let transaction = decode(&bytes).unwrap();
        prop_assert_eq!(transaction.to_bytes(), bytes);
        for (action, instruction) in transaction.summary().actions.iter().zip(&instructions) {
            let Action::ProgramCall { accounts, .. } = action else { panic!("{action:?}") };
            for (name, meta) in accounts.iter().zip(&instruction.accounts) {
                let number = meta.pubkey.to_bytes()[0] - 1;
                let looked_up = format!("lookup:{}[{number}]", base58(TABLE));
                prop_assert_eq!(name, &if number < held { looked_up } else { base58(key(number)) });
            }
        }
    }
}

/// A call with accounts of its own, and of two tables, and a transfer.
pub(crate) fn with_one_of_each(lamports: u64) -> Vec<u8> {
    one_of_each(lamports).serialize()
}

fn one_of_each(lamports: u64) -> VersionedMessage {
    let call = Instruction {
        program_id: [8; 32].into(),
        accounts: vec![
            AccountMeta::new_readonly(payer_key(), true),
            AccountMeta::new(OTHER_HELD.into(), false),
            AccountMeta::new_readonly(HELD.into(), false),
            AccountMeta::new_readonly([0xee; 32].into(), false),
        ],
        data: vec![1, 2, 3],
    };
    let second = AddressLookupTableAccount { key: [0xdd; 32].into(), addresses: vec![[0xee; 32].into()] };
    compile(&[call, transfer(lamports)], &[table(), second])
}

fn table() -> AddressLookupTableAccount {
    AddressLookupTableAccount { key: TABLE.into(), addresses: vec![HELD.into(), OTHER_HELD.into()] }
}

fn compile(instructions: &[Instruction], tables: &[AddressLookupTableAccount]) -> VersionedMessage {
    let blockhash = Hash::new_from_array([3; 32]);
    VersionedMessage::V0(v0::Message::try_compile(&payer_key(), instructions, tables, blockhash).unwrap())
}
