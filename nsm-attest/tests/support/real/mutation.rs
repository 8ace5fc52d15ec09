//! Every byte of a real document changed in turn.

use std::collections::BTreeMap;
use std::fmt;
use std::thread;

use nsm_attest::{ChainCache, Error, PcrIndex, Policy, Rejection, TrustAnchor, UnixTime, UnverifiedDocument};

use super::Vector;

/// A part of a signed document. Of these the signature covers `ProtectedHeader` and `Payload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `84`
    ArrayHead,
    /// `44`
    ProtectedHead,
    /// `a1 01 38 22`
    ProtectedHeader,
    /// `a0`
    UnprotectedHeader,
    /// `59 xx xx`
    PayloadHead,
    Payload,
    /// `58 60`
    SignatureHead,
    Signature,
}

/// A real document, and how to verify it.
pub struct Subject<'a> {
    bytes: Vec<u8>,
    anchor: TrustAnchor,
    policy: Policy,
    now: UnixTime,
    debug_mode: bool,
    cache: Option<&'a ChainCache>,
}

impl<'a> Subject<'a> {
    /// A document to be verified with a cache or, in twice the time, without.
    pub fn new(vector: &Vector, document: &UnverifiedDocument, cache: Option<&'a ChainCache>) -> Self {
        let policy = if vector.debug_mode {
            // Any image: that it is in debug mode comes first.
            Policy::builder().pcr(PcrIndex::IMAGE, [[1; 48].into()])
        } else {
            vector.policy()
        };
        let anchor = TrustAnchor::aws_nitro_g1();
        let subject = Self {
            bytes: document.to_bytes(),
            anchor,
            policy: policy.build(),
            now: vector.time(),
            debug_mode: vector.debug_mode,
            cache,
        };
        assert_eq!(subject.verify(&subject.bytes), Ok(()), "{}", vector.file);
        subject
    }

    /// Whether `bytes` are genuine. Debug mode is the first demand of the policy that a document of now can fail, and
    /// comes after path and signature, so that of a document in debug mode it says that it is genuine.
    fn verify(&self, bytes: &[u8]) -> Result<(), Error> {
        let document = UnverifiedDocument::from_bytes(bytes)?;
        let outcome = match self.cache {
            Some(cache) => document.verify_cached(&self.anchor, &self.policy, self.now, cache),
            None => document.verify(&self.anchor, &self.policy, self.now),
        };
        match outcome {
            Err(Error::Rejected(Rejection::DebugMode)) if self.debug_mode => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    /// Changes each byte to two other values, and says of each change why it is refused.
    pub fn alter_every_byte(&self) -> Vec<(Part, Error)> {
        thread::scope(|scope| {
            let threads = [0, 1].map(|first| scope.spawn(move || self.alter_every_second_byte(first)));
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        })
    }

    fn alter_every_second_byte(&self, first: usize) -> Vec<(Part, Error)> {
        let mut refusals = Vec::new();
        let mut bytes = self.bytes.clone();
        for at in (first..bytes.len()).step_by(2) {
            for change in [0x01, 0x80] {
                bytes[at] ^= change;
                match self.verify(&bytes) {
                    Err(error) => refusals.push((self.part(at), error)),
                    Ok(()) => panic!("byte {at} changed by {change:#04x} is still genuine"),
                }
                bytes[at] ^= change;
            }
        }
        refusals
    }

    /// Which part a byte belongs to, by the one shape that real documents have.
    fn part(&self, at: usize) -> Part {
        assert_eq!(&self.bytes[..8], b"\x84\x44\xa1\x01\x38\x22\xa0\x59");
        let payload = 10..10 + usize::from(u16::from_be_bytes([self.bytes[8], self.bytes[9]]));
        assert_eq!(&self.bytes[payload.end..payload.end + 2], b"\x58\x60");
        assert_eq!(self.bytes.len(), payload.end + 2 + 96);
        match at {
            0 => Part::ArrayHead,
            1 => Part::ProtectedHead,
            2..6 => Part::ProtectedHeader,
            6 => Part::UnprotectedHeader,
            7..10 => Part::PayloadHead,
            _ if payload.contains(&at) => Part::Payload,
            _ if at < payload.end + 2 => Part::SignatureHead,
            _ => Part::Signature,
        }
    }
}

/// How often which part was refused for which reason.
#[derive(Default)]
pub struct Tally(BTreeMap<(Part, String), usize>);

impl Tally {
    pub fn count(&mut self, part: Part, error: &Error) {
        let error = match error {
            Error::Malformed(malformed) => format!("Malformed::{malformed:?}"),
            other => format!("{other:?}").replace("Rejected(", "Rejection::"),
        };
        let variant = error.split([' ', ')']).next().unwrap_or_default();
        *self.0.entry((part, variant.to_owned())).or_default() += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((part, error), count) in &self.0 {
            writeln!(f, "{count:8}  {part:?}: {error}")?;
        }
        writeln!(f, "{:8}  in all", self.0.values().sum::<usize>())
    }
}
