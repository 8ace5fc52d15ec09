//! Key policies asked a second time, by an evaluator that reads their JSON as IAM's documentation explains it, and
//! policies made from bytes, which are right by construction.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What a policy says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// With the `Sid` of the first Deny that applies.
    Denied(Option<String>),
    NotAllowed,
    LeftToIdentityPolicies,
    Allowed,
}

impl Verdict {
    /// The higher, the more is permitted.
    #[must_use]
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Denied(_) | Self::NotAllowed => 0,
            Self::LeftToIdentityPolicies => 1,
            Self::Allowed => 2,
        }
    }
}

/// A request as IAM sees it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The caller's ARN and, of a session, its role's.
    pub arns: Vec<&'static str>,
    pub account: &'static str,
    pub action: &'static str,
    /// By the names of condition keys in lower case; those of the encryption context apart.
    pub values: BTreeMap<&'static str, Vec<String>>,
    pub encryption_context: BTreeMap<String, String>,
}

impl Facts {
    fn is_root(&self) -> bool {
        self.arns.iter().any(|arn| arn.ends_with(":root"))
    }

    fn values_of(&self, key: &str) -> Vec<String> {
        let key = key.to_ascii_lowercase();
        if let Some(name) = key.strip_prefix("kms:encryptioncontext:") {
            let member = self.encryption_context.iter().find(|(member, _)| member.to_ascii_lowercase() == name);
            return member.map(|(_, value)| value.clone()).into_iter().collect();
        }
        let key = match key.as_str() {
            "kms:encryptioncontextkeys" => return self.encryption_context.keys().cloned().collect(),
            "kms:recipientattestation:imagesha384" => "kms:recipientattestation:pcr0",
            "kms:customermasterkeyspec" => "kms:keyspec",
            "kms:customermasterkeyusage" => "kms:keyusage",
            key => key,
        };
        self.values.get(key).cloned().unwrap_or_default()
    }
}

/// What a policy of a key in `account` says, if it is one; what it is not is not looked for.
#[must_use]
pub fn verdict(policy: &Value, account: &str, facts: &Facts) -> Verdict {
    let mut verdict = Verdict::NotAllowed;
    for statement in list(&policy["Statement"]) {
        let meant = meant(&statement["Principal"], facts);
        let is_about = meant.is_some() && includes_action(statement, facts) && conditions_hold(statement, facts);
        match (is_about.then_some(meant).flatten(), statement["Effect"].as_str()) {
            (None, _) => {}
            (Some(_), Some("Deny")) => return Verdict::Denied(statement["Sid"].as_str().map(str::to_owned)),
            (Some(Meant::ByName), _) if facts.account == account || facts.is_root() => verdict = Verdict::Allowed,
            (Some(_), _) if verdict == Verdict::NotAllowed => verdict = Verdict::LeftToIdentityPolicies,
            (Some(_), _) => {}
        }
        // Further on there may be a Deny.
    }
    verdict
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Meant {
    ByName,
    ByAccount,
}

fn meant(principal: &Value, facts: &Facts) -> Option<Meant> {
    let texts = principal.as_object().map_or(principal, |kinds| &kinds["AWS"]);
    let mut best = None;
    for text in list(texts).iter().filter_map(|text| text.as_str()) {
        let account = if text.len() == 12 { Some(text) } else { text.strip_suffix(":root").map(last_of) };
        let is_account = account.is_some_and(|account| account == facts.account);
        if text == "*" || facts.arns.contains(&text) || (is_account && facts.is_root()) {
            return Some(Meant::ByName);
        }
        if is_account {
            best = Some(Meant::ByAccount);
        }
    }
    best
}

fn last_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

fn includes_action(statement: &Value, facts: &Facts) -> bool {
    let matches = |patterns: &Value| {
        let action = facts.action.to_ascii_lowercase();
        list(patterns).iter().filter_map(|p| p.as_str()).any(|p| glob(&p.to_ascii_lowercase(), &action))
    };
    match (&statement["Action"], &statement["NotAction"]) {
        (Value::Null, not) => !matches(not),
        (action, _) => matches(action),
    }
}

fn conditions_hold(statement: &Value, facts: &Facts) -> bool {
    let none = Map::new();
    statement["Condition"].as_object().unwrap_or(&none).iter().all(|(operator, keys)| {
        keys.as_object().unwrap_or(&none).iter().all(|(key, texts)| holds(operator, &facts.values_of(key), texts))
    })
}

fn holds(operator: &str, values: &[String], texts: &Value) -> bool {
    let texts: Vec<String> =
        list(texts).iter().map(|text| text.as_str().map_or_else(|| text.to_string(), str::to_owned)).collect();
    let (quantifier, operator) = operator.split_once(':').unwrap_or(("", operator));
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    if operator == "Null" {
        return texts.iter().any(|text| text.eq_ignore_ascii_case(if values.is_empty() { "true" } else { "false" }));
    }
    if values.is_empty() && if_exists {
        return true;
    }
    let (is_negated, test) = match operator.split_once("Not") {
        Some((kind, test)) => (true, format!("{kind}{test}")),
        None => (false, operator.to_owned()),
    };
    let passes = |value: &String| texts.iter().any(|text| is_match(&test, text, value)) != is_negated;
    match quantifier {
        "ForAllValues" => values.iter().all(passes),
        "ForAnyValue" => values.iter().any(passes),
        // An absent key is like one with another value.
        _ => values.first().map_or(is_negated, passes),
    }
}

fn is_match(test: &str, text: &str, value: &str) -> bool {
    match test {
        "StringEquals" => text == value,
        "StringEqualsIgnoreCase" | "Bool" => text.eq_ignore_ascii_case(value),
        "StringLike" => glob(text, value),
        // ArnEquals and ArnLike are the same.
        _ => {
            let (texts, values): (Vec<_>, Vec<_>) = (text.splitn(6, ':').collect(), value.splitn(6, ':').collect());
            texts.len() == values.len() && texts.iter().zip(values).all(|(text, value)| glob(text, value))
        }
    }
}

/// By a table of which beginnings match which.
fn glob(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reachable = vec![false; text.len() + 1];
    reachable[0] = true;
    for part in pattern.chars() {
        let mut next = vec![false; text.len() + 1];
        for end in 0..=text.len() {
            next[end] = match part {
                '*' => reachable[end] || (end > 0 && next[end - 1]),
                part => end > 0 && reachable[end - 1] && (part == '?' || part == text[end - 1]),
            };
        }
        reachable = next;
    }
    reachable[text.len()]
}

/// One value stands for a list of it.
fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        Value::Null => &[],
        single => std::slice::from_ref(single),
    }
}

/// A policy whose every part some byte chooses; at the end of the bytes zeros follow.
#[must_use]
pub fn policy_from(bytes: &[u8], words: &Words) -> Value {
    let mut choose = Chooser(bytes);
    let statements = (0..=choose.below(4)).map(|number| statement(&mut choose, words, number)).collect();
    json!({ "Version": "2012-10-17", "Statement": Value::Array(statements) })
}

/// What policies are made of.
#[derive(Clone, Debug)]
pub struct Words {
    pub principals: Vec<String>,
    pub actions: Vec<&'static str>,
    /// Condition keys and values that are worth comparing with.
    pub texts: Vec<(&'static str, Vec<String>)>,
    pub arns: (&'static str, Vec<String>),
    pub booleans: Vec<&'static str>,
    /// A key with several values.
    pub sets: (&'static str, Vec<String>),
}

fn statement(choose: &mut Chooser<'_>, words: &Words, number: usize) -> Value {
    let mut statement = Map::new();
    if choose.below(2) == 1 {
        statement.insert("Sid".to_owned(), format!("Statement{number}").into());
    }
    statement.insert("Effect".to_owned(), if choose.below(3) == 0 { "Deny" } else { "Allow" }.into());
    let principals = some(choose, &words.principals);
    let everyone = Value::from("*");
    let principal = if principals == everyone { everyone } else { json!({ "AWS": principals }) };
    statement.insert("Principal".to_owned(), principal);
    let actions: Vec<String> = words.actions.iter().map(ToString::to_string).collect();
    let element = if choose.below(8) == 7 { "NotAction" } else { "Action" };
    statement.insert(element.to_owned(), some(choose, &actions));
    statement.insert("Resource".to_owned(), "*".into());
    let mut conditions = Map::new();
    for _ in 0..choose.below(3) {
        let (operator, key, texts) = condition(choose, words);
        let keys = conditions.entry(operator).or_insert_with(|| Map::new().into());
        if let Some(keys) = keys.as_object_mut() {
            keys.insert(key.to_owned(), texts);
        }
    }
    if !conditions.is_empty() {
        statement.insert("Condition".to_owned(), conditions.into());
    }
    statement.into()
}

fn condition(choose: &mut Chooser<'_>, words: &Words) -> (String, &'static str, Value) {
    const STRINGS: [&str; 6] = [
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
    ];
    const ARNS: [&str; 4] = ["ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike"];
    let booleans = [true, false].map(|value| value.to_string());
    let (mut operator, key, texts) = match choose.below(8) {
        0 => ("Bool".to_owned(), *choose.one(&words.booleans), some(choose, &booleans)),
        1 => return ("Null".to_owned(), choose.one(&words.texts).0, some(choose, &booleans)),
        2 => (choose.one(&ARNS).to_string(), words.arns.0, some(choose, &words.arns.1)),
        3 => {
            let quantifier = choose.one(&["ForAllValues", "ForAnyValue"]);
            (format!("{quantifier}:{}", choose.one(&STRINGS)), words.sets.0, some(choose, &words.sets.1))
        }
        _ => {
            let (key, texts) = choose.one(&words.texts);
            (choose.one(&STRINGS).to_string(), *key, some(choose, texts))
        }
    };
    if choose.below(4) == 3 {
        operator.push_str("IfExists");
    }
    (operator, key, texts)
}

/// One of them, or a list of one or two.
fn some(choose: &mut Chooser<'_>, texts: &[String]) -> Value {
    let one = Value::from(choose.one(texts).as_str());
    match choose.below(3) {
        0 => one,
        1 => json!([one]),
        _ => json!([one, choose.one(texts)]),
    }
}

struct Chooser<'a>(&'a [u8]);

impl Chooser<'_> {
    fn below(&mut self, end: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % end
    }

    fn one<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}
