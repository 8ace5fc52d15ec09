//! What the fee ceiling counts, and which compute budgets are refused.

use super::*;

#[test]
fn the_fee_ceiling_includes_the_compute_budget() {
    let price = budget(&[&[3][..], &1_000_000_u64.to_le_bytes()].concat());
    let limit = budget(&[&[2][..], &300_001_u32.to_le_bytes()].concat());
    let ceiling = |instructions: &[Instruction]| {
        decode(&message(instructions).serialize()).unwrap().summary().fee_ceiling.unwrap().to_string()
    };
    assert_eq!(ceiling(&[transfer(1), limit.clone(), price.clone()]), "305001");
    assert_eq!(ceiling(&[price, transfer(1)]), "1405000", "no limit: the most there is");
    assert_eq!(ceiling(&[limit, transfer(1)]), "5000", "no price");
    let tiny = budget(&[&[3][..], &1_u64.to_le_bytes()].concat());
    assert_eq!(ceiling(&[tiny, transfer(1)]), "5002", "1.4 lamports are rounded up");
    let highest = budget(&[&[3][..], &u64::MAX.to_le_bytes()].concat());
    assert_eq!(ceiling(&[highest, transfer(1)]), (u128::from(u64::MAX) * 14 / 10 + 5000).to_string());
}

#[test]
fn the_compute_budget_is_no_action_and_is_in_the_text() {
    let limit = budget(&[2, 0xd0, 7, 0, 0]);
    let price = budget(&[3, 2, 0, 0, 0, 0, 0, 0, 0]);
    let heap = budget(&[1, 0, 0, 4, 0]);
    let data_size = budget(&[4, 0, 0, 1, 0]);
    let (actions, text) = summary(&[limit, price, heap, data_size, transfer(1)]).unwrap();
    assert!(matches!(actions[..], [Action::Transfer { .. }]), "{actions:?}");
    let expected = "set the compute unit limit to 2000, then set the compute unit price to 2 micro-lamports, \
        then set the heap frame to 262144 bytes, then set the limit of loaded accounts' data to 65536 bytes, \
        then transfer 0.000000001 to ";
    assert!(text.starts_with(expected), "{text}");
    let (nothing, _) = summary(&[budget(&[2, 1, 0, 0, 0])]).unwrap();
    assert_eq!(nothing, [], "such a message does nothing that a policy could permit");
}

#[test]
fn a_compute_budget_that_is_not_exact_is_refused() {
    let limit = || budget(&[2, 1, 0, 0, 0]);
    let mut with_account = limit();
    with_account.accounts.push(AccountMeta::new_readonly(RECEIVER.into(), false));
    let cases = [
        ("no data", vec![budget(&[])]),
        ("the kind that is no more", vec![budget(&[0, 1, 0, 0, 0, 1, 0, 0, 0])]),
        ("an unknown kind", vec![budget(&[5, 1, 0, 0, 0])]),
        ("a short limit", vec![budget(&[2, 1, 0, 0])]),
        ("a long limit", vec![budget(&[2, 1, 0, 0, 0, 0])]),
        ("a short price", vec![budget(&[3, 1, 0, 0, 0])]),
        ("an account", vec![with_account]),
        ("two limits", vec![limit(), budget(&[2, 2, 0, 0, 0])]),
    ];
    for (what, mut instructions) in cases {
        instructions.push(transfer(1));
        let error = summary(&instructions).unwrap_err();
        assert!(matches!(error, DecodeError::Invalid { .. }), "{what}: {error}");
    }
}

/// Solana's documentation, "Fees": the first byte of these programs' data says how many signatures they verify.
#[test]
fn signatures_that_programs_verify_are_paid_for() {
    for name in [
        "Ed25519SigVerify111111111111111111111111111",
        "KeccakSecp256k11111111111111111111111111111",
        "Secp256r1SigVerify1111111111111111111111111",
    ] {
        let verify = |data: &[u8]| Instruction { program_id: program(name), accounts: vec![], data: data.to_vec() };
        let instructions = [verify(&[3, 0]), verify(&[255]), verify(&[]), transfer(1)];
        let transaction = decode(&message(&instructions).serialize()).unwrap();
        assert_eq!(transaction.summary().fee_ceiling, Some(Amount::from(259_u64 * 5000)), "{name}");
        assert_eq!(transaction.summary().actions.len(), 4);
    }
}

fn budget(data: &[u8]) -> Instruction {
    let program_id = program("ComputeBudget111111111111111111111111111111");
    Instruction { program_id, accounts: vec![], data: data.to_vec() }
}
