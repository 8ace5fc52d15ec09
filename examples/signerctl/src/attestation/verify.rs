//! `attestation verify`: whether a document is genuine and what was asked for.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use nsm_attest::danger::{self, Relaxations};
use nsm_attest::{
    AttestationDocument, Clock, Error, Misuse, PcrIndex, Policy, TrustAnchor, UnixTime, UnverifiedDocument,
};
use serde::Serialize;

use super::Refusal;
use super::arguments::{TimeSource, VerifyArguments};
use super::input::{self, Spelling};
use super::measurements;
use super::text;
use super::view::DocumentView;
use crate::birth;
use crate::failure::Failure;
use crate::output::Output;

/// The result. `lib.rs` documents its fields.
#[derive(Debug, Serialize)]
struct Verdict {
    verified: bool,
    danger: Vec<&'static str>,
    freshness: Freshness,
    /// What was held against the document's age, if anything was.
    max_age_seconds: Option<u64>,
    trust_anchor: String,
    is_trust_anchor_aws_nitro_g1: bool,
    compared_pcrs: Vec<PcrIndex>,
    compared_fields: Vec<&'static str>,
    encoding: Spelling,
    len: usize,
    #[serde(flatten)]
    document: DocumentView,
}

/// Whether the document's age was looked at, and by which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Freshness {
    /// Against this computer's clock.
    Checked,
    /// Against a time that was given.
    CheckedAtGivenTime,
    /// The document's own time was taken for now, at which it is never old.
    NotChecked,
}

pub(crate) fn execute(
    arguments: &VerifyArguments,
    stdin: &mut dyn Read,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    check_usage(arguments)?;
    let (policy, compared_pcrs) = policy(arguments, stdin)?;
    let anchor = birth::trust_anchor(arguments.trust_anchor.as_deref(), stdin)?;
    let (encoding, document) = input::read(&arguments.document, stdin)?;
    let (now, freshness) = time(arguments.time, &document);
    let len = document.as_bytes().len();
    let document = verify(document, arguments, &anchor, &policy, now)?;
    let danger = dangers(arguments);
    let verdict = Verdict {
        verified: danger.is_empty(),
        danger,
        freshness,
        max_age_seconds: (freshness != Freshness::NotChecked).then(|| max_age(arguments).as_secs()),
        trust_anchor: anchor.fingerprint().to_string(),
        is_trust_anchor_aws_nitro_g1: anchor == TrustAnchor::aws_nitro_g1(),
        compared_pcrs,
        compared_fields: compared_fields(arguments),
        encoding,
        len,
        document: DocumentView::new(&document, now),
    };
    output.result(&verdict, || describe(&verdict))
}

/// The time to verify at, and what that says about the document's age.
fn time(source: TimeSource, document: &UnverifiedDocument) -> (UnixTime, Freshness) {
    match source {
        TimeSource::Now => (Clock::system().now(), Freshness::Checked),
        TimeSource::Document => (document.unverified().timestamp, Freshness::NotChecked),
        TimeSource::Given(time) => (time, Freshness::CheckedAtGivenTime),
    }
}

/// What can be known to be wrong before any file is read.
fn check_usage(arguments: &VerifyArguments) -> Result<(), Failure> {
    let VerifyArguments { document, pcr_file, trust_anchor, .. } = arguments;
    let files = [Some(document), pcr_file.as_ref(), trust_anchor.as_ref()];
    if files.into_iter().flatten().filter(|path| path.as_path() == Path::new("-")).count() > 1 {
        return Err(Failure::StandardInputTwice);
    }
    if arguments.time == TimeSource::Document && arguments.max_age.is_some() {
        return Err(Failure::AgeAtOwnTime);
    }
    if arguments.pcrs.is_empty() && pcr_file.is_none() && !arguments.danger_allow_any_pcrs {
        return Err(Failure::Policy(Misuse::ImageNotPinned));
    }
    Ok(())
}

fn max_age(arguments: &VerifyArguments) -> Duration {
    arguments.max_age.map_or(Policy::DEFAULT_MAX_AGE, |age| age.0)
}

/// The policy, and the registers that it names.
fn policy(arguments: &VerifyArguments, stdin: &mut dyn Read) -> Result<(Policy, Vec<PcrIndex>), Failure> {
    let mut policy = Policy::builder().max_age(max_age(arguments));
    let mut named = Vec::new();
    for pcr in &arguments.pcrs {
        policy = policy.pcr(pcr.index, [pcr.value]);
        named.push(pcr.index);
    }
    if let Some(path) = &arguments.pcr_file {
        for (index, value) in measurements::read(path, stdin)?.iter() {
            policy = policy.pcr(index, [*value]);
            named.push(index);
        }
    }
    if let Some(nonce) = &arguments.nonce {
        policy = policy.nonce(nonce.0.clone());
    }
    if let Some(purpose) = arguments.purpose {
        policy = policy.purpose(purpose);
    }
    if let Some(user_data) = &arguments.user_data {
        policy = policy.user_data(user_data.0.clone());
    }
    if let Some(public_key) = &arguments.public_key {
        policy = policy.public_key(public_key.0.clone());
    }
    named.sort_unstable();
    named.dedup();
    Ok((policy.build(), named))
}

/// The strict verification, unless a danger was asked for by name.
fn verify(
    document: UnverifiedDocument,
    arguments: &VerifyArguments,
    anchor: &TrustAnchor,
    policy: &Policy,
    now: UnixTime,
) -> Result<AttestationDocument, Failure> {
    let unverified = document.unverified().clone();
    let verified = match relaxations(arguments) {
        None => document.verify(anchor, policy, now).map(nsm_attest::VerifiedDocument::into_document),
        Some(relaxations) => {
            danger::verify(document, anchor, policy, now, relaxations).map(|document| (*document).clone())
        }
    };
    verified.map_err(|error| match error {
        Error::Malformed(defect) => Failure::Document { path: arguments.document.clone(), defect },
        Error::Misuse(misuse) => Failure::Policy(misuse),
        Error::Rejected(rejection) => Failure::Rejected(Box::new(Refusal::new(rejection, arguments, &unverified))),
        other => Failure::Malformed { path: arguments.document.clone(), detail: other.to_string() },
    })
}

fn relaxations(arguments: &VerifyArguments) -> Option<Relaxations> {
    let mut relaxations = Relaxations::none();
    if arguments.danger_allow_debug {
        relaxations = relaxations.accept_debug_mode();
    }
    if arguments.danger_allow_any_pcrs {
        relaxations = relaxations.accept_any_pcrs();
    }
    Some(relaxations).filter(|relaxations| *relaxations != Relaxations::none())
}

fn dangers(arguments: &VerifyArguments) -> Vec<&'static str> {
    let dangers =
        [(arguments.danger_allow_debug, "debug mode accepted"), (arguments.danger_allow_any_pcrs, "any PCRs accepted")];
    dangers.into_iter().filter(|(is_accepted, _)| *is_accepted).map(|(_, danger)| danger).collect()
}

fn compared_fields(arguments: &VerifyArguments) -> Vec<&'static str> {
    let fields = [
        (arguments.nonce.is_some(), "nonce"),
        (arguments.purpose.is_some(), "purpose"),
        (arguments.user_data.is_some(), "user_data"),
        (arguments.public_key.is_some(), "public_key"),
    ];
    fields.into_iter().filter(|(is_compared, _)| *is_compared).map(|(_, field)| field).collect()
}

fn describe(verdict: &Verdict) -> String {
    let view = &verdict.document;
    let age = match verdict.freshness {
        // It would always be none.
        Freshness::NotChecked => String::new(),
        Freshness::Checked | Freshness::CheckedAtGivenTime => text::age(view, "before", "after"),
    };
    let pcrs = verdict.compared_pcrs.iter().map(|index| format!("PCR{index}"));
    let compared: Vec<_> = pcrs.chain(verdict.compared_fields.iter().map(|field| (*field).to_owned())).collect();
    let lines = vec![
        headline(&verdict.danger, verdict.freshness),
        format!("as of        {}", view.now),
        format!("root         {}", root(verdict)),
        format!("freshness    {}", freshness(verdict)),
        format!("compared     {}", if compared.is_empty() { "nothing".to_owned() } else { compared.join(", ") }),
    ];
    [lines, text::origin(view, &age), text::pcrs(view), text::fields(view)].concat().join("\n")
}

fn root(verdict: &Verdict) -> String {
    match verdict.is_trust_anchor_aws_nitro_g1 {
        true => "AWS's Nitro root G1".to_owned(),
        false => format!("the root of --trust-anchor, NOT AWS's Nitro root G1: {}", verdict.trust_anchor),
    }
}

fn freshness(verdict: &Verdict) -> String {
    let max_age = format!("at most {} s old", verdict.max_age_seconds.unwrap_or_default());
    match verdict.freshness {
        Freshness::Checked => max_age,
        Freshness::CheckedAtGivenTime => format!("{max_age} at the time given, which is not this computer's"),
        Freshness::NotChecked => {
            "NOT CHECKED: the document's own timestamp was taken for the time now, so it may be of any age".to_owned()
        }
    }
}

/// A strict verification, one with dangers, and one that says nothing about the time now must not look alike.
fn headline(danger: &[&str], freshness: Freshness) -> String {
    match (danger, freshness) {
        ([], Freshness::NotChecked) => "verified, AGE NOT CHECKED".to_owned(),
        ([], _) => "verified".to_owned(),
        _ => format!("DANGER, accepted with checks waived: {}", danger.join("; ")),
    }
}
