//! `policy check`.

use std::io::Read;
use std::time::Duration;

use chain_signers::policy::{Meter, Policy, Usage, Warning};
use serde::Serialize;
use signer_protocol::record::MAX_POLICY_LEN;

use super::arguments::{CheckArguments, PolicyCommand};
use super::payload::{NamedChain, PayloadFile};
use crate::failure::Failure;
use crate::files;
use crate::output::Output;
use crate::terminal::escaped_whole;

pub(crate) fn execute(command: PolicyCommand, stdin: &mut dyn Read, output: &mut Output<'_>) -> Result<(), Failure> {
    let PolicyCommand::Check(arguments) = command;
    files::at_most_one_stdin([Some(&arguments.policy), arguments.transaction.as_ref()].into_iter().flatten())?;
    let bytes = files::read(&arguments.policy, stdin, MAX_POLICY_LEN as u64)?;
    let malformed = |error: chain_signers::policy::PolicyError| Failure::Malformed {
        path: arguments.policy.clone(),
        detail: error.to_string(),
    };
    let policy = Policy::from_json(&bytes).map_err(malformed)?;
    let warnings = policy.lint();
    let judged = judge(&arguments, &policy, stdin)?;
    let object = Checked { judged: judged.as_ref(), warnings: warnings.iter().map(WarningObject::new).collect() };
    output.result(&object, || {
        let mut lines = vec![
            judged.as_ref().map_or_else(|| "the policy is well formed".to_owned(), |it| escaped_whole(&it.reason)),
        ];
        lines.extend(warnings.iter().map(|warning| format!("warning: {}", escaped_whole(&warning.to_string()))));
        lines.join("\n")
    })
}

/// What `policy check --json` prints.
#[derive(Serialize)]
struct Checked<'a> {
    #[serde(flatten)]
    judged: Option<&'a Judged>,
    warnings: Vec<WarningObject>,
}

#[derive(Serialize)]
struct Judged {
    allowed: bool,
    rule: Option<String>,
    reason: String,
    summary: String,
}

#[derive(Serialize)]
struct WarningObject {
    rule: String,
    message: String,
}

impl WarningObject {
    fn new(warning: &Warning) -> Self {
        Self { rule: warning.rule.clone(), message: warning.lint.to_string() }
    }
}

/// The decision, as for a caller who has signed nothing yet. A denial is a failure.
fn judge(arguments: &CheckArguments, policy: &Policy, stdin: &mut dyn Read) -> Result<Option<Judged>, Failure> {
    let (Some(chain), Some(transaction)) = (&arguments.chain, &arguments.transaction) else { return Ok(None) };
    let chain = NamedChain::parse(chain)?;
    let signer = arguments.public_key.as_deref().map(|text| chain.public_key(text)).transpose()?;
    let transaction = PayloadFile::read(transaction, arguments.encoding, stdin)?.decode(&chain, signer.as_ref())?;
    policy
        .check_family(chain.chain.namespace())
        .map_err(|error| Failure::Malformed { path: arguments.policy.clone(), detail: error.to_string() })?;
    let meter = Meter::new(FRESH);
    let usage = Usage { meter: &meter, key: &[], caller: &[], now: Duration::ZERO };
    let decision = policy.evaluate_metered(transaction.summary(), usage);
    if !decision.allowed {
        return Err(Failure::Denied { reason: decision.reason, rule: decision.rule });
    }
    let summary = transaction.summary().text.clone();
    Ok(Some(Judged { allowed: true, rule: decision.rule, reason: decision.reason, summary }))
}

/// More than one rule has limits.
const FRESH: usize = 8;
