//! Policies: one that is understood means the same after its JSON was re-written, judges alike each time, and never
//! permits a transaction that does nothing or something nobody decoded.
#![no_main]

use std::sync::LazyLock;

use chain_signers::policy::Policy;
use chain_signers::{Action, Amount, Summary};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(policy) = Policy::from_json(data) else { return };
    let value: serde_json::Value = serde_json::from_slice(data).expect("a policy is JSON");
    let again = Policy::from_json(value.to_string().as_bytes()).expect("the same JSON is the same policy");
    assert_eq!(policy, again);
    for (summary, may_be_allowed) in SUMMARIES.iter() {
        let decision = policy.evaluate(summary);
        assert_eq!(decision, again.evaluate(summary));
        assert!(*may_be_allowed || !decision.allowed, "{decision:?}");
    }
});

/// Transactions, and whether any policy may permit them.
static SUMMARIES: LazyLock<Vec<(Summary, bool)>> = LazyLock::new(|| {
    let transfer =
        Action::Transfer { to: "0xa5D3241A1591061F2a4bB69CA0215F66520E67cf".to_owned(), amount: Amount::from(1_u64) };
    let unknown = Action::Unknown { description: "something".to_owned() };
    let summary = |actions| Summary {
        chain_id: "eip155:4".parse().expect("a chain id"),
        actions,
        fee_ceiling: None,
        text: String::new(),
    };
    vec![
        (summary(vec![transfer.clone()]), true),
        (summary(vec![]), false),
        (summary(vec![unknown.clone()]), false),
        (summary(vec![transfer, unknown]), false),
    ]
});
