//! Signatures: whole requests, policies, derived keys.

use std::rc::Rc;

use benches::peers::alloy::Alloy;
use benches::peers::bip32::Bip32;
use benches::signing::derived::Derived;
use benches::signing::policies::Appraisal;
use benches::signing::{Request, bitcoin, evm, solana};
use chain_signers::bitcoin::AddressType;

use crate::row::{Bar, Contest, Contestant, Failure, Limit, Peer, Row, Unit};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row { name: "signing-eip1559", setup: eip1559 },
        Row { name: "signing-permit", setup: || request(evm::permit()?, ECDSA) },
        Row { name: "signing-solana", setup: || request(solana::transfer()?, "ed25519 sign + verify_strict") },
        Row {
            name: "signing-bitcoin-p2wpkh",
            setup: || request(bitcoin::spend(AddressType::P2wpkh)?, "100 × (SHA-256d + k256 sign + verify)"),
        },
        Row {
            name: "signing-bitcoin-p2tr",
            setup: || request(bitcoin::spend(AddressType::P2tr)?, "100 × (SHA-256 + k256 Schnorr sign + verify)"),
        },
        Row { name: "signing-policy", setup: || policy(Appraisal::usual()?, vec![Bar::Below(5e3)]) },
        Row { name: "signing-policy-largest", setup: || policy(Appraisal::largest()?, Vec::new()) },
        Row { name: "signing-derive", setup: derive },
    ]
}

/// Held against what can be left out least, and against alloy, which does less.
fn eip1559() -> Result<Contest, Failure> {
    let request = Rc::new(evm::transfer()?);
    let alloy = |name, sign: fn(&Alloy) -> Result<Vec<u8>, Failure>| {
        let (alloy, request) = (Alloy::new()?, Rc::clone(&request));
        let work = move || if sign(&alloy)? == request.signed_bytes() { Ok(()) } else { Err("other bytes".into()) };
        Ok::<_, Failure>(Peer { name, contestant: Contestant::run(work) })
    };
    let peers =
        vec![alloy("alloy, unverified", Alloy::sign)?, alloy("alloy, sender recovered", Alloy::sign_and_recover)?];
    Ok(Contest { peers, bars: vec![Bar::TimesLimit(1.15)], ..against_bare(&request, ECDSA) })
}

/// From bytes to bytes.
fn request(request: Request, limit: &'static str) -> Result<Contest, Failure> {
    Ok(against_bare(&Rc::new(request), limit))
}

fn against_bare(request: &Rc<Request>, limit: &'static str) -> Contest {
    Contest {
        unit: Unit::CpuTime,
        ours: contestant(request, Request::sign),
        limit: Some(Limit { name: limit, times: 1.0, contestant: contestant(request, Request::sign_bare) }),
        peers: Vec::new(),
        bars: Vec::new(),
    }
}

/// The verdict on a decoded transaction, with its reason in words, and limits counted.
fn policy(appraisal: Appraisal, bars: Vec<Bar>) -> Result<Contest, Failure> {
    let ours = Contestant::run(move || appraisal.evaluate());
    Ok(Contest { unit: Unit::CpuTime, ours, limit: None, peers: Vec::new(), bars })
}

/// From the seed to the key.
fn derive() -> Result<Contest, Failure> {
    let derived = Rc::new(Derived::new()?);
    let (peer, theirs) = (Bip32::new()?, Rc::clone(&derived));
    Ok(Contest {
        unit: Unit::CpuTime,
        ours: contestant(&derived, Derived::derive),
        limit: Some(Limit {
            name: "6 HMAC-SHA-512 + 3 public keys",
            times: 1.0,
            contestant: contestant(&derived, Derived::derive_bare),
        }),
        peers: vec![Peer { name: "bip32", contestant: Contestant::run(move || peer.derive(&theirs)) }],
        bars: Vec::new(),
    })
}

fn contestant<T: 'static>(shared: &Rc<T>, work: fn(&T) -> Result<(), Failure>) -> Contestant {
    let shared = Rc::clone(shared);
    Contestant::run(move || work(&shared))
}

const ECDSA: &str = "keccak + k256 sign + verify";
