//! Limits over time: what was done lately, counted apart for each key, caller and limit.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{
    destination::Destination,
    evaluate::{coins, tokens},
    objection::Objection,
    rule::{Limit, LimitOf, Permissions, Rule},
};
use crate::{Amount, Summary};

/// Counts what was permitted, for rules with `limits`. One for all keys and callers of a process; shared by reference.
///
/// A time is cut into sixteen equal parts, and what was done counts until the whole part that it was done in is over:
/// never more than the limit in any such time, and now and then a sixteenth of it longer than it had to. What was
/// permitted counts, whether it was signed and sent or not, and each time.
///
/// ```
/// use std::time::Duration;
/// use chain_signers::policy::{Meter, Policy, Usage};
/// use chain_signers::{Action, Amount, Summary};
///
/// let policy = Policy::from_json(br#"{"version": 1, "rules": [{"name": "petty cash", "effect": "allow",
///     "chains": ["eip155:1"], "destinations": ["*"], "limits": [{"seconds": 3600, "amount": "10"}]}]}"#)?;
/// let summary = Summary {
///     chain_id: "eip155:1".parse()?,
///     actions: vec![Action::Transfer { to: "0x52908400098527886E0F7030069857D2E4169EE7".into(), amount: 6_u64.into() }],
///     fee_ceiling: None,
///     text: String::new(),
/// };
/// let meter = Meter::new(1000);
/// let at = |seconds| Usage { meter: &meter, key: b"key", caller: b"caller", now: Duration::from_secs(seconds) };
/// assert!(policy.evaluate_metered(&summary, at(0)).allowed);
/// assert!(!policy.evaluate_metered(&summary, at(60)).allowed, "12 in an hour");
/// assert!(policy.evaluate_metered(&summary, at(4000)).allowed);
/// assert!(!policy.evaluate(&summary).allowed, "nobody counts");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Meter {
    windows: Mutex<HashMap<[u8; 32], Window>>,
    max_windows: usize,
    max_windows_of_key: usize,
}

impl Meter {
    /// A meter that counts for at most so many combinations of key, caller and limit at a time, each taking at most about
    /// 1 KiB. When all are taken and none of them is empty again, rules with limits permit nothing more.
    pub fn new(max_windows: usize) -> Self {
        Self { windows: Mutex::default(), max_windows, max_windows_of_key: max_windows }
    }

    /// Lets no key have more than so many of them, by default all. Whoever writes a policy chooses how many combinations one
    /// key has, and for how long they are taken: with a share of its own, a key that has used it up is in nobody else's way.
    #[must_use]
    pub fn max_windows_of_key(mut self, max: usize) -> Self {
        self.max_windows_of_key = max;
        self
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter")
            .field("max_windows", &self.max_windows)
            .field("max_windows_of_key", &self.max_windows_of_key)
            .finish_non_exhaustive()
    }
}

/// Who asks for a signature, with which key, and when.
#[derive(Clone, Copy, Debug)]
pub struct Usage<'a> {
    /// What counts.
    pub meter: &'a Meter,
    /// What identifies the key, such as its public half.
    pub key: &'a [u8],
    /// What identifies the caller, such as the digest of its public key. Limits hold for each caller alone.
    pub caller: &'a [u8],
    /// The time since a fixed moment. It must come from a clock that the caller does not govern; a time before one that
    /// was seen counts as that one.
    pub now: Duration,
}

/// Whether the limits of a rule leave room.
pub(super) trait Count {
    fn admit(&mut self, rule: &Rule, permissions: &Permissions, summary: &Summary) -> Result<(), Objection>;
}

/// Nobody counts, so a rule with limits permits nothing.
pub(super) struct Unmetered;

impl Count for Unmetered {
    fn admit(&mut self, _: &Rule, permissions: &Permissions, _: &Summary) -> Result<(), Objection> {
        if permissions.limits.is_empty() { Ok(()) } else { Err(Objection::Unmetered) }
    }
}

impl Count for Usage<'_> {
    /// All limits or none count.
    fn admit(&mut self, rule: &Rule, permissions: &Permissions, summary: &Summary) -> Result<(), Objection> {
        if permissions.limits.is_empty() {
            return Ok(());
        }
        let mut windows = self.meter.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut adding = Vec::with_capacity(permissions.limits.len());
        for limit in &permissions.limits {
            let id = self.window_id(rule, limit);
            let amount = check(limit, windows.get(&id), self.now, summary)?;
            adding.push((id, limit, amount));
        }
        if !self.has_room(&windows, &adding) {
            windows.retain(|_, window| !window.is_over(self.now));
            // What was there may have gone, but a window that is over counts nothing.
            if !self.has_room(&windows, &adding) {
                return Err(Objection::NoRoom);
            }
        }
        for (id, limit, amount) in adding {
            windows.entry(id).or_insert_with(|| Window::new(self.key_digest(), limit.seconds)).add(self.now, amount);
        }
        Ok(())
    }
}

/// What is to be added where.
type Adding<'a> = ([u8; 32], &'a Limit, Amount);

impl Usage<'_> {
    /// Whether there is room for those of `adding` that have none yet, in all and for this key.
    fn has_room(&self, windows: &HashMap<[u8; 32], Window>, adding: &[Adding<'_>]) -> bool {
        let new = adding.iter().filter(|(id, _, _)| !windows.contains_key(id)).count();
        if new == 0 {
            return true; // As nearly always: what a key does goes on in windows that are there.
        }
        let key = self.key_digest();
        let of_key = windows.values().filter(|window| window.key == key).count();
        windows.len() + new <= self.meter.max_windows && of_key + new <= self.meter.max_windows_of_key
    }

    fn key_digest(&self) -> [u8; 32] {
        Sha256::digest(self.key).into()
    }

    /// Of the key, the caller, the rule's name and everything that the limit says: a policy that is replaced by one with
    /// the same limit goes on counting.
    fn window_id(&self, rule: &Rule, limit: &Limit) -> [u8; 32] {
        let (of, token): (u8, &[u8]) = match &limit.of {
            LimitOf::Coin => (0, &[]),
            LimitOf::Signatures => (1, &[]),
            LimitOf::Token(Destination::Evm(address)) => (2, address),
            LimitOf::Token(Destination::Text(text)) => (3, text.as_bytes()),
        };
        let mut hash = Sha256::new();
        for part in [self.key, self.caller, rule.name.as_bytes(), token] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update([of]);
        hash.update(limit.seconds.to_be_bytes());
        hash.update(limit.max.to_be_bytes());
        hash.finalize().into()
    }
}

/// How much `summary` adds, if the limit leaves room for it.
fn check(limit: &Limit, window: Option<&Window>, now: Duration, summary: &Summary) -> Result<Amount, Objection> {
    let adding = match &limit.of {
        LimitOf::Coin => coins(&summary.actions),
        LimitOf::Signatures => Some(Amount::from(1_u64)),
        LimitOf::Token(token) => tokens(&summary.actions, |it| token.is(it)),
    };
    let used = window.map_or(Some(Amount::ZERO), |window| window.used(now)).unwrap_or(Amount::MAX);
    let adding = adding.unwrap_or(Amount::MAX);
    match used.checked_add(adding) {
        Some(total) if total <= limit.max => Ok(adding),
        _ => {
            let what = match &limit.of {
                LimitOf::Coin => "coins".to_owned(),
                LimitOf::Signatures => "signatures".to_owned(),
                LimitOf::Token(token) => format!("of token {token}"),
            };
            Err(Objection::Limit { what, used, adding, max: limit.max, seconds: limit.seconds })
        }
    }
}

/// What was done in the last so many seconds.
#[derive(Debug)]
struct Window {
    /// SHA-256 of what identifies the key.
    key: [u8; 32],
    /// In milliseconds.
    part_len: u64,
    /// By the number of their part of time, the latest last.
    parts: VecDeque<(u64, Amount)>,
}

impl Window {
    fn new(key: [u8; 32], seconds: u32) -> Self {
        let part_len = (u64::from(seconds) * 1000).div_ceil(PARTS);
        Self { key, part_len, parts: VecDeque::with_capacity(MAX_COUNTED) }
    }

    /// The part of time that `now` is in, or the latest that was seen.
    fn part(&self, now: Duration) -> u64 {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX) / self.part_len;
        self.parts.back().map_or(now, |(latest, _)| now.max(*latest))
    }

    fn used(&self, now: Duration) -> Option<Amount> {
        let now = self.part(now);
        let recent = self.parts.iter().filter(|(part, _)| now - part <= PARTS);
        recent.map(|(_, amount)| *amount).try_fold(Amount::ZERO, Amount::checked_add)
    }

    fn is_over(&self, now: Duration) -> bool {
        let now = self.part(now);
        self.parts.iter().all(|(part, _)| now - part > PARTS)
    }

    /// That the sum does not overflow was checked.
    fn add(&mut self, now: Duration, amount: Amount) {
        let now = self.part(now);
        while self.parts.front().is_some_and(|(part, _)| now - part > PARTS) {
            self.parts.pop_front();
        }
        match self.parts.back_mut() {
            Some((part, sum)) if *part == now => *sum = sum.checked_add(amount).unwrap_or(Amount::MAX),
            _ => self.parts.push_back((now, amount)),
        }
    }
}

/// Into how many parts a time is cut. What was done counts in its own part and in as many after it.
const PARTS: u64 = 16;
/// Parts that count at a time. Room for them is reserved at once: growing would take twice as much.
const MAX_COUNTED: usize = 17;
