//! Attestation documents: decoded and verified.

use std::rc::Rc;

use benches::attested::{Attested, P384Signature};
use benches::peers::attestation::{DECODERS, Limitation, PLAIN_P384, VERIFIERS, Verifier};

use crate::row::{Bar, Contest, Contestant, Failure, Limit, Peer, Row, Unit};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row { name: "attestation-verify-cold", setup: verify_cold },
        Row { name: "attestation-verify-cached", setup: verify_cached },
        Row { name: "attestation-verify-real", setup: verify_real },
        Row { name: "attestation-decode", setup: decode },
        Row { name: "attestation-allocations", setup: allocations },
    ]
}

/// A document whose issuers were never seen before: four certificates and the document itself are five signatures.
fn verify_cold() -> Result<Contest, Failure> {
    let attested = Rc::new(Attested::simulated()?);
    Ok(Contest {
        unit: Unit::CpuTime,
        ours: contestant(&attested, Attested::verify),
        limit: Some(signatures(&attested.signed_lens()?)?),
        peers: verifiers(&attested, under_simulated_root),
        bars: vec![Bar::TimesLimit(1.15), Bar::PeerTakes { peer: PLAIN_P384, times: 3.0 }],
    })
}

/// A document whose issuers are known: the end entity's certificate and the document itself are two signatures.
fn verify_cached() -> Result<Contest, Failure> {
    let attested = Attested::simulated()?;
    let lens = attested.signed_lens()?;
    let cache = attested.warm_cache()?;
    Ok(Contest {
        unit: Unit::CpuTime,
        ours: Contestant::run(move || attested.verify_cached(&cache)),
        limit: Some(signatures(lens.last_chunk::<2>().ok_or("no certificate was signed")?)?),
        peers: Vec::new(),
        bars: vec![Bar::TimesLimit(1.2)],
    })
}

/// The same as cold with a document of AWS's, for peers that know no other root.
fn verify_real() -> Result<Contest, Failure> {
    let Some(attested) = Attested::real()? else {
        let absent = || Contestant::unavailable("NITRO_VECTORS is not set");
        let peers = VERIFIERS.iter().map(|verifier| Peer { name: verifier.name, contestant: absent() }).collect();
        return Ok(Contest { unit: Unit::CpuTime, ours: absent(), limit: None, peers, bars: Vec::new() });
    };
    let attested = Rc::new(attested);
    Ok(Contest {
        unit: Unit::CpuTime,
        ours: contestant(&attested, Attested::verify),
        limit: Some(signatures(&attested.signed_lens()?)?),
        peers: verifiers(&attested, under_aws_root),
        bars: Vec::new(),
    })
}

/// Bytes to fields, nothing verified.
fn decode() -> Result<Contest, Failure> {
    let attested = Rc::new(Attested::simulated()?);
    let peer = |(name, decode)| Peer { name, contestant: contestant(&attested, decode) };
    Ok(Contest {
        unit: Unit::CpuTime,
        ours: contestant(&attested, Attested::decode),
        limit: None,
        peers: DECODERS.map(peer).into(),
        bars: Vec::new(),
    })
}

/// What one decoding and verification allocates in all. What AWS-LC allocates, in C, is not seen.
fn allocations() -> Result<Contest, Failure> {
    let attested = Rc::new(Attested::simulated()?);
    Ok(Contest {
        unit: Unit::Bytes,
        ours: contestant(&attested, Attested::verify),
        limit: None,
        peers: verifiers(&attested, under_simulated_root),
        bars: vec![Bar::Below(64.0 * 1024.0)],
    })
}

/// As many signatures as there are messages of these lengths.
fn signatures(lens: &[usize]) -> Result<Limit, Failure> {
    let signature = P384Signature::over_mean_of(lens)?;
    let verify = move || if signature.verifies() { Ok(()) } else { Err("the signature does not verify".into()) };
    let times = f64::from(u32::try_from(lens.len())?);
    Ok(Limit { name: "P-384 verify", times, contestant: Contestant::run(verify) })
}

fn contestant(attested: &Rc<Attested>, work: fn(&Attested) -> Result<(), Failure>) -> Contestant {
    let attested = Rc::clone(attested);
    Contestant::run(move || work(&attested))
}

/// All verifiers, but for those that `hindrance` gives a reason to leave out.
fn verifiers(attested: &Rc<Attested>, hindrance: fn(&Attested, &Verifier) -> Option<&'static str>) -> Vec<Peer> {
    let contestant = |verifier: &Verifier| match hindrance(attested, verifier) {
        Some(reason) => Contestant::unavailable(reason),
        None => contestant(attested, verifier.verify),
    };
    VERIFIERS.iter().map(|verifier| Peer { name: verifier.name, contestant: contestant(verifier) }).collect()
}

fn under_simulated_root(_: &Attested, verifier: &Verifier) -> Option<&'static str> {
    verifier.limitation.map(|_| "knows AWS's root only")
}

fn under_aws_root(attested: &Attested, verifier: &Verifier) -> Option<&'static str> {
    match verifier.limitation {
        // Unless the system's clock was set back for this run.
        Some(Limitation::RootAndClock) if (verifier.verify)(attested).is_err() => Some("no time argument"),
        _ => None,
    }
}
