//! `attestation inspect`: what a document says.

use std::io::Read;

use nsm_attest::Clock;
use serde::Serialize;

use super::arguments::InspectArguments;
use super::input::{self, Spelling};
use super::text;
use super::view::DocumentView;
use crate::failure::Failure;
use crate::output::Output;

#[derive(Debug, Serialize)]
struct Inspection {
    verified: bool,
    warning: &'static str,
    encoding: Spelling,
    len: usize,
    #[serde(flatten)]
    document: DocumentView,
}

pub(crate) fn execute(
    arguments: &InspectArguments,
    stdin: &mut dyn Read,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let (encoding, document) = input::read(&arguments.document, stdin)?;
    let inspection = Inspection {
        verified: false,
        warning: NOTHING_VERIFIED,
        encoding,
        len: document.as_bytes().len(),
        document: DocumentView::new(document.unverified(), Clock::system().now()),
    };
    output.result(&inspection, || describe(&inspection.document))
}

fn describe(view: &DocumentView) -> String {
    // Twice, because terminals scroll.
    let warning = vec![format!("NOT VERIFIED: {NOTHING_VERIFIED}")];
    let age = text::age(view, "ago", "AHEAD of this computer's clock");
    [warning.clone(), text::origin(view, &age), text::pcrs(view), text::certificates(view), text::fields(view), warning]
        .concat()
        .join("\n")
}

const NOTHING_VERIFIED: &str =
    "this is what the document says, and anybody can write one; use attestation verify before trusting it";
