//! What is understood of the programs that are known, and how the rest of them is named.

use super::*;

const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
const TOKEN_2022: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";
const SOURCE: [u8; 32] = [6; 32];
const MINT: [u8; 32] = [5; 32];

/// `test_instruction_packing` of spl-token: `TransferChecked { amount: 1, decimals: 2 }` and its like for `ApproveChecked`.
const TRANSFER_CHECKED: [u8; 10] = [12, 1, 0, 0, 0, 0, 0, 0, 0, 2];
const APPROVE_CHECKED: [u8; 10] = [13, 1, 0, 0, 0, 0, 0, 0, 0, 2];

#[test]
fn a_checked_token_transfer_says_which_token_goes_where() {
    for name in [TOKEN, TOKEN_2022] {
        let (actions, text) = summary(&[token(name, &TRANSFER_CHECKED)]).unwrap();
        let (token, to, amount) = (base58(MINT), base58(RECEIVER), Amount::from(1_u64));
        let expected = format!(
            "transfer 0.01 (2 decimals) of token {token} to token account {to} from token account {}",
            base58(SOURCE)
        );
        assert_eq!(actions, [Action::TokenTransfer { token, to, amount, selector: None }]);
        assert!(text.starts_with(&expected), "{text}");
    }
}

#[test]
fn a_checked_token_approval_says_who_may_take_what() {
    for name in [TOKEN, TOKEN_2022] {
        let (actions, text) = summary(&[token(name, &APPROVE_CHECKED)]).unwrap();
        let (token, spender, amount) = (base58(MINT), base58(RECEIVER), Amount::from(1_u64));
        let expected =
            format!("let {spender} take 0.01 (2 decimals) of token {token} from token account {}", base58(SOURCE));
        assert_eq!(actions, [Action::TokenApproval { token, spender, amount, selector: None }]);
        assert!(text.starts_with(&expected), "{text}");
    }
}

/// The layout of Token-2022's documentation: 26, 1, amount, decimals, fee.
#[test]
fn a_transfer_with_fee_is_a_transfer_for_token_2022_alone() {
    let data = [&[26, 1][..], &24_u64.to_le_bytes(), &[1], &23_u64.to_le_bytes()].concat();
    let (actions, text) = summary(&[token(TOKEN_2022, &data)]).unwrap();
    assert!(matches!(&actions[..], [Action::TokenTransfer { amount, .. }] if *amount == Amount::from(24_u64)));
    assert!(text.contains(", of which 2.3 are withheld as the token's fee on "), "{text}");
    let (actions, text) = summary(&[token(TOKEN, &data)]).unwrap();
    assert!(matches!(&actions[..], [Action::ProgramCall { .. }]), "{actions:?}");
    assert!(text.contains("(Token, unknown instruction)"), "{text}");
}

#[test]
fn what_is_not_exactly_a_checked_instruction_is_a_program_call() {
    let good = token(TOKEN, &TRANSFER_CHECKED);
    let edited = |edit: &dyn Fn(&mut Instruction)| {
        let mut instruction = good.clone();
        edit(&mut instruction);
        instruction
    };
    for (what, instruction) in [
        ("a byte more", edited(&|it| it.data.push(0))),
        ("a byte less", edited(&|it| it.data.truncate(9))),
        ("a signer of a multisignature", edited(&|it| it.accounts.push(AccountMeta::new(payer_key(), true)))),
        ("another's authority", edited(&|it| it.accounts[3] = AccountMeta::new_readonly([9; 32].into(), false))),
        ("no authority", edited(&|it| it.accounts.truncate(3))),
    ] {
        let (actions, text) = summary(&[instruction]).unwrap();
        assert!(matches!(&actions[..], [Action::ProgramCall { program, .. }] if program == TOKEN), "{what}");
        assert!(text.contains(" (Token, TransferChecked) with accounts ["), "{what}: {text}");
    }
}

#[test]
fn other_instructions_are_called_by_their_names() {
    let associated = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL";
    let payer = base58(payer_key().to_bytes());
    for (name, data, words) in [
        (TOKEN, &[3, 1, 0, 0, 0, 0, 0, 0, 0][..], "(Token, Transfer)"),
        (TOKEN, &[4, 1, 0, 0, 0, 0, 0, 0, 0], "(Token, Approve)"),
        (TOKEN, &[6, 2, 0], "(Token, SetAuthority)"),
        (TOKEN, &[9], "(Token, CloseAccount)"),
        (TOKEN, &[24], "(Token, UiAmountToAmount)"),
        (TOKEN, &[25], "(Token, unknown instruction)"),
        (TOKEN, &[], "(Token, unknown instruction)"),
        (TOKEN_2022, &[25], "(Token-2022, InitializeMintCloseAuthority)"),
        (TOKEN_2022, &[36, 1], "(Token-2022, TransferHookExtension)"),
        (TOKEN_2022, &[44, 1], "(Token-2022, PausableExtension)"),
        (TOKEN_2022, &[45], "(Token-2022, unknown instruction)"),
        (associated, &[], "(Associated Token Account, Create)"),
        (associated, &[0], "(Associated Token Account, Create)"),
        (associated, &[1], "(Associated Token Account, CreateIdempotent)"),
        (associated, &[3], "(Associated Token Account, unknown instruction)"),
        (&"1".repeat(32), &[1, 0, 0, 0], "(System, Assign)"),
        (&"1".repeat(32), &[99, 0, 0, 0], "(System, unknown instruction)"),
    ] {
        let accounts = vec![AccountMeta::new(payer_key(), true)];
        let instruction = Instruction { program_id: program(name), accounts, data: data.to_vec() };
        let (actions, text) = summary(&[instruction]).unwrap();
        assert!(matches!(&actions[..], [Action::ProgramCall { program, .. }] if program == name), "{words}");
        assert!(text.starts_with(&format!("call program {name} {words} with accounts [{payer}]")), "{text}");
        assert_eq!(text.contains(&format!(", rent paid by {payer} on ")), name == associated, "{text}");
    }
}

#[test]
fn a_durable_nonce_is_an_exception_where_the_runtime_looks_for_it() {
    let (actions, text) = summary(&[advance(), transfer(1)]).unwrap();
    assert_eq!(actions[0], Action::Exception { name: "durable_nonce".into() });
    assert!(matches!(actions[1], Action::Transfer { .. }));
    let expected = format!("never expire, by the durable nonce of account {}, then transfer ", base58([4; 32]));
    assert!(text.starts_with(&expected), "{text}");
    let (actions, text) = summary(&[transfer(1), advance()]).unwrap();
    assert!(matches!(actions[1], Action::ProgramCall { .. }), "elsewhere it is an instruction like others");
    assert!(text.contains("(System, AdvanceNonceAccount)"), "{text}");
}

#[test]
fn nothing_else_passes_for_a_durable_nonce() {
    let edited = |edit: &dyn Fn(&mut Instruction)| {
        let mut instruction = advance();
        edit(&mut instruction);
        instruction
    };
    for (what, instruction) in [
        ("more data", edited(&|it| it.data.push(0))),
        ("another account", edited(&|it| it.accounts.push(AccountMeta::new(RECEIVER.into(), false)))),
        ("no authority", edited(&|it| it.accounts.truncate(2))),
        ("no accounts", edited(&|it| it.accounts.clear())),
        ("another's authority", edited(&|it| it.accounts[2] = AccountMeta::new([9; 32].into(), false))),
        ("another sysvar", edited(&|it| it.accounts[1] = AccountMeta::new([9; 32].into(), false))),
        ("the signer's account", edited(&|it| it.accounts[0] = AccountMeta::new(payer_key(), true))),
        ("a read-only nonce", edited(&|it| it.accounts[0] = AccountMeta::new_readonly([4; 32].into(), false))),
    ] {
        let error = summary(&[instruction, transfer(1)]).unwrap_err();
        assert!(matches!(&error, DecodeError::Invalid { field, .. } if field == "AdvanceNonceAccount"), "{what}");
    }
}

#[test]
fn a_memo_is_an_exception_and_is_quoted() {
    let memo = |accounts: &[AccountMeta], data: &[u8]| Instruction {
        program_id: program("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"),
        accounts: accounts.to_vec(),
        data: data.to_vec(),
    };
    let (own, other) = (AccountMeta::new(payer_key(), true), AccountMeta::new(RECEIVER.into(), false));
    for accounts in [&[][..], std::slice::from_ref(&own)] {
        let (actions, text) = summary(&[transfer(1), memo(accounts, "é\n\"1\"".as_bytes())]).unwrap();
        assert_eq!(actions[1], Action::Exception { name: "memo".into() });
        assert!(text.contains(", then add the memo \"é\\n\\\"1\\\"\" on solana:"), "{text}");
    }
    for instruction in [memo(std::slice::from_ref(&other), b"1"), memo(&[own, other], b"1"), memo(&[], &[0xff])] {
        let (actions, _) = summary(&[instruction]).unwrap();
        assert!(matches!(actions[..], [Action::ProgramCall { .. }]), "{actions:?}");
    }
}

/// Of the accounts that a checked transfer or approval has.
fn token(name: &str, data: &[u8]) -> Instruction {
    let accounts = vec![
        AccountMeta::new(SOURCE.into(), false),
        AccountMeta::new_readonly(MINT.into(), false),
        AccountMeta::new(RECEIVER.into(), false),
        AccountMeta::new_readonly(payer_key(), true),
    ];
    Instruction { program_id: program(name), accounts, data: data.to_vec() }
}

fn advance() -> Instruction {
    let accounts = vec![
        AccountMeta::new([4; 32].into(), false),
        AccountMeta::new_readonly(program("SysvarRecentB1ockHashes11111111111111111111"), false),
        AccountMeta::new_readonly(payer_key(), true),
    ];
    Instruction { program_id: SYSTEM, accounts, data: vec![4, 0, 0, 0] }
}
