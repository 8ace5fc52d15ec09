//! A document for people: printable ASCII, whatever it holds.

use super::certificate::{CertificateView, Contents, Readable};
use super::public_key::KeyInfo;
use super::view::{BytesView, DocumentView, PcrView, PublicKeyView, UserDataView};
use crate::terminal::{escaped, shortened};

/// Where it comes from, and when; `age` follows the time of issue.
pub(crate) fn origin(view: &DocumentView, age: &str) -> Vec<String> {
    let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "(not in the usual form)".to_owned());
    vec![
        format!("module       {}", escaped(&view.module_id)),
        format!("  instance   {}", part(&view.instance_id)),
        format!("  enclave    {}", part(&view.enclave_id)),
        format!("issued       {}{age}", view.timestamp),
    ]
}

/// How long before the time in question the document was issued, or how long after it.
pub(crate) fn age(view: &DocumentView, before: &str, after: &str) -> String {
    let span = span(view.age_seconds.unsigned_abs());
    if view.age_seconds < 0 { format!(", {span} {after}") } else { format!(", {span} {before}") }
}

/// The registers; zeros in one line, debug mode so that nobody overlooks it.
pub(crate) fn pcrs(view: &DocumentView) -> Vec<String> {
    let mut lines = Vec::new();
    match view.debug_mode {
        Some(true) => lines.extend(DEBUG_MODE.map(str::to_owned)),
        Some(false) => {}
        None => lines.push("!!! PCR0 IS MISSING: nothing says which image runs".to_owned()),
    }
    lines.push(format!("PCRs         {}, {}", view.pcrs.len(), view.digest));
    for PcrView { index, meaning, value, .. } in view.pcrs.iter().filter(|pcr| !pcr.is_zero) {
        lines.push(format!("  {:<7}{:<25}{value}", format!("PCR{index}"), meaning.unwrap_or_default()));
    }
    let zero: Vec<_> = view.pcrs.iter().filter(|pcr| pcr.is_zero).map(|pcr| u64::from(pcr.index.as_u8())).collect();
    if !zero.is_empty() {
        lines.push(format!("  all zero: {}", ranges(&zero)));
    }
    lines
}

/// The certificates, and whose the root is.
pub(crate) fn certificates(view: &DocumentView) -> Vec<String> {
    let root = match view.is_root_aws_nitro_g1 {
        true => "the first is AWS's Nitro root G1",
        false => "the first is NOT AWS's Nitro root G1",
    };
    let lines = view.certificates.iter().flat_map(certificate);
    [format!("certificates {}, {root}", view.certificates.len())].into_iter().chain(lines).collect()
}

/// What the enclave put in.
pub(crate) fn fields(view: &DocumentView) -> Vec<String> {
    let mut lines = Vec::new();
    match &view.public_key {
        Some(key) => lines.extend(public_key(key)),
        None => lines.push("public key   none".to_owned()),
    }
    match &view.user_data {
        Some(data) => lines.extend(user_data(data)),
        None => lines.push("user data    none".to_owned()),
    }
    lines.push(format!("nonce        {}", view.nonce.as_ref().map_or("none".to_owned(), hex)));
    lines
}

fn certificate(certificate: &CertificateView) -> Vec<String> {
    let CertificateView { position, sha256, contents } = certificate;
    let mut lines = match contents {
        Contents::Readable(readable) => {
            let Readable { subject, serial, not_before, not_after, .. } = readable;
            vec![
                format!("  {position:<13}{}", escaped(subject)),
                format!("    serial     {serial}"),
                format!("    valid      {not_before} to {not_after}: {}", validity(readable)),
            ]
        }
        Contents::Unreadable { problem } => vec![format!("  {position:<13}{}", escaped(problem))],
    };
    lines.push(format!("    SHA-256    {sha256}"));
    lines
}

fn validity(certificate: &Readable) -> &'static str {
    match (certificate.is_valid_now, certificate.is_valid_at_timestamp) {
        (true, true) => "valid now and when the document was issued",
        (true, false) => "valid now, but NOT when the document was issued",
        (false, true) => "NOT valid now, but when the document was issued",
        (false, false) => "NOT valid now, nor when the document was issued",
    }
}

fn public_key(key: &PublicKeyView) -> Vec<String> {
    let PublicKeyView { bytes, sha256, spki } = key;
    let kind = match spki {
        Some(KeyInfo { algorithm, bits: Some(bits) }) => format!("{algorithm}, {bits} bits"),
        Some(KeyInfo { algorithm, bits: None }) => format!("{algorithm}, of unknown size"),
        None => "not a SubjectPublicKeyInfo".to_owned(),
    };
    vec![format!("public key   {kind}"), format!("  hex        {}", hex(bytes)), format!("  SHA-256    {sha256}")]
}

fn user_data(data: &UserDataView) -> Vec<String> {
    let hex = hex(&data.bytes);
    match data {
        UserDataView { purpose: Some(purpose), purpose_digest: Some(digest), .. } => {
            vec![format!("user data    purpose {purpose}"), format!("  digest     {digest}")]
        }
        UserDataView { text: Some(text), .. } => {
            vec![format!("user data    as text: {}", escaped(text)), format!("  hex        {hex}")]
        }
        _ => vec![format!("user data    {hex}")],
    }
}

fn hex(bytes: &BytesView) -> String {
    if bytes.len == 0 { "empty".to_owned() } else { shortened(&bytes.hex) }
}

/// The two largest units.
fn span(seconds: u64) -> String {
    let units = [("d", seconds / 86_400), ("h", seconds / 3_600 % 24), ("min", seconds / 60 % 60), ("s", seconds % 60)];
    let largest = units.iter().position(|(_, count)| *count > 0).unwrap_or(units.len() - 1);
    let shown = units.iter().skip(largest).take(2).filter(|(unit, count)| *count > 0 || *unit == "s");
    shown.map(|(unit, count)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

/// `PCR1, PCR3-PCR5`
fn ranges(sorted: &[u64]) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for &index in sorted {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => ranges.push((index, index)),
        }
    }
    let text = |(first, last): (u64, u64)| match last == first {
        true => format!("PCR{first}"),
        false => format!("PCR{first}-PCR{last}"),
    };
    ranges.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

const DEBUG_MODE: [&str; 2] = [
    "!!! DEBUG MODE: PCR0 is zero. The parent instance can read this enclave's console and memory, and the",
    "!!! measurements do not say what runs in it.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_their_two_largest_units() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (3_601, "1 h"),
            (7_320, "2 h 2 min"),
            (86_400, "1 d"),
            (90_061, "1 d 1 h"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn neighbouring_registers_are_one_range() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "PCR0-PCR2, PCR5, PCR7-PCR8");
    }
}
