//! What `kms` commands answer: lines as `kmstool-enclave-cli` prints them, or JSON.

use std::fmt;
use std::path::Path;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use kms_enclave_client::{KeyArn, Plaintext};
use serde::{Serialize, Serializer};

use crate::failure::Failure;
use crate::files;
use crate::output::Output;

/// The results of a call, and where they go.
#[derive(Debug, Default)]
pub(crate) struct Answer<'a> {
    pub(crate) key_arn: Option<KeyArn>,
    pub(crate) ciphertext: Option<Vec<u8>>,
    pub(crate) plaintext: Option<Plaintext>,
    /// The new file for the plaintext or, where there is none, for the ciphertext.
    pub(crate) out: Option<&'a Path>,
    pub(crate) nsm: Option<&'static str>,
}

impl Answer<'_> {
    /// Writes the file first, so that what is printed is true.
    pub(crate) fn write(&self, output: &mut Output<'_>) -> Result<(), Failure> {
        let (ciphertext, plaintext) = (self.ciphertext.as_deref(), self.plaintext.as_ref().map(Plaintext::as_bytes));
        let (printed, written) = match self.out {
            None => ((ciphertext, plaintext), None),
            Some(path) => match plaintext {
                Some(bytes) => ((ciphertext, None), Some(Written { what: "plaintext", path, bytes })),
                None => ((None, None), ciphertext.map(|bytes| Written { what: "ciphertext", path, bytes })),
            },
        };
        if let Some(Written { path, bytes, .. }) = written {
            files::write_new(path, bytes)?;
        }
        let view = View {
            key_arn: self.key_arn.as_ref().map(KeyArn::as_str),
            ciphertext: printed.0.map(Base64),
            plaintext: printed.1.map(Base64),
            out: written.map(|written| written.path.display().to_string()),
            out_len: written.map(|written| written.bytes.len()),
            nsm: self.nsm,
        };
        output.result(&view, || Lines { view: &view, written })
    }
}

/// The fields of an answer. `lib.rs` documents them.
#[derive(Serialize)]
struct View<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext: Option<Base64<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<Base64<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_len: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nsm: Option<&'static str>,
}

/// What went into a file.
#[derive(Clone, Copy)]
struct Written<'a> {
    what: &'static str,
    path: &'a Path,
    bytes: &'a [u8],
}

/// The answer as text.
struct Lines<'a> {
    view: &'a View<'a>,
    written: Option<Written<'a>>,
}

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [("CIPHERTEXT", &self.view.ciphertext), ("PLAINTEXT", &self.view.plaintext)];
        let mut separator = "";
        for (label, base64) in lines.into_iter().filter_map(|(label, base64)| Some((label, base64.as_ref()?))) {
            write!(f, "{separator}{label}: {base64}")?;
            separator = "\n";
        }
        match self.written {
            Some(Written { what, path, bytes }) => {
                write!(f, "{separator}{what} of {} bytes is in {path:?}", bytes.len())
            }
            None => Ok(()),
        }
    }
}

/// Bytes that are written in base64 piece by piece: no copy of a secret is left in memory.
struct Base64<'a>(&'a [u8]);

impl fmt::Display for Base64<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Base64Display::new(self.0, &STANDARD).fmt(f)
    }
}

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
