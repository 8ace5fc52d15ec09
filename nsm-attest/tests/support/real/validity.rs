//! When certificates are valid, read by hand: independently of the libraries that the crate uses.

use nsm_attest::{AttestationDocument, ChainPosition, Rejection, UnixTime};

/// A certificate's validity; both ends belong to it.
pub struct Period {
    pub position: ChainPosition,
    pub not_before: UnixTime,
    pub not_after: UnixTime,
}

/// The periods of a document's certificates, the root's first.
pub fn periods(document: &AttestationDocument) -> Vec<Period> {
    let authorities = document.cabundle.iter().enumerate().map(|(index, der)| (ChainPosition::Cabundle(index), der));
    authorities
        .chain([(ChainPosition::EndEntity, &document.certificate)])
        .map(|(position, der)| period(position, der))
        .collect()
}

/// What a verifier that looks from the root downwards says first.
pub fn first_rejection(periods: &[Period], now: UnixTime) -> Option<Rejection> {
    periods.iter().find_map(|&Period { position, not_before, not_after }| {
        if now < not_before {
            Some(Rejection::CertificateNotYetValid { position, not_before, now })
        } else if now > not_after {
            Some(Rejection::CertificateExpired { position, not_after, now })
        } else {
            None
        }
    })
}

/// `Certificate { tbsCertificate { [0] version, serialNumber, signature, issuer, validity { .. } .. } .. }`
fn period(position: ChainPosition, certificate: &[u8]) -> Period {
    let (_, certificate, _) = read(certificate);
    let (_, mut tbs, _) = read(certificate);
    for tag in [0xa0, 0x02, 0x30, 0x30] {
        let (actual, _, rest) = read(tbs);
        assert_eq!(actual, tag);
        tbs = rest;
    }
    let (_, validity, _) = read(tbs);
    let (first, not_before, rest) = read(validity);
    let (second, not_after, _) = read(rest);
    Period { position, not_before: time(first, not_before), not_after: time(second, not_after) }
}

/// UTCTime (until 2049) or GeneralizedTime, both to the second and in UTC.
fn time(tag: u8, text: &[u8]) -> UnixTime {
    let text = str::from_utf8(text).unwrap();
    let text = match tag {
        0x17 if &text[..2] < "50" => format!("20{text}"),
        0x18 => text.to_owned(),
        _ => panic!("tag {tag:#x} with {text}"),
    };
    let part = |from: usize, len: usize| &text[from..from + len];
    let (date, time) = ([part(0, 4), part(4, 2), part(6, 2)], [part(8, 2), part(10, 2), part(12, 3)]);
    format!("{}T{}", date.join("-"), time.join(":")).parse().unwrap()
}

/// The first value: its tag, its content, and what follows it.
fn read(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (len, head) = match der[1] {
        short @ ..=0x7f => (usize::from(short), 2),
        0x81 => (usize::from(der[2]), 3),
        0x82 => (usize::from(u16::from_be_bytes([der[2], der[3]])), 4),
        other => panic!("length {other:#x}"),
    };
    (der[0], &der[head..head + len], &der[head + len..])
}
