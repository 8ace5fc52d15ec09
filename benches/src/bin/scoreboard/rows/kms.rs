//! The KMS client: envelopes opened, and whole calls.

use std::rc::Rc;

use benches::enveloped::Enveloped;
use benches::kms::{Recipients, Threads, World};
use benches::peers::enveloped::RustCrypto;

use crate::row::{Bar, Contest, Contestant, Failure, Limit, Peer, Row, Unit};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row { name: "kms-open", setup: open },
        Row { name: "kms-decrypt-warm", setup: || warm(World::here(Threads::Own, Recipients::Usual)?) },
        Row { name: "kms-client-warm", setup: || warm(World::elsewhere(Threads::Own, Recipients::Usual)?) },
        Row { name: "kms-decrypt-cold", setup: cold },
        Row {
            name: "kms-decrypt-concurrent",
            setup: || concurrent(World::here(Threads::Two, Recipients::Lasting)?, Unit::WallTime),
        },
        Row {
            name: "kms-client-concurrent",
            setup: || concurrent(World::elsewhere(Threads::Two, Recipients::Lasting)?, Unit::ProcessTime),
        },
        Row { name: "kms-memory", setup: memory },
    ]
}

/// `CiphertextForRecipient`, from bytes to plaintext: one RSA decryption is the expensive part.
fn open() -> Result<Contest, Failure> {
    let enveloped = Rc::new(Enveloped::new()?);
    let peer = RustCrypto::of(&enveloped)?;
    let (ours, limit, theirs) = (Rc::clone(&enveloped), Rc::clone(&enveloped), Rc::clone(&enveloped));
    let theirs = Contestant::run(move || match peer.open(&theirs.bytes)? {
        plaintext if plaintext == theirs.plaintext => Ok(()),
        _ => Err("another plaintext".into()),
    });
    Ok(Contest {
        unit: Unit::CpuTime,
        ours: Contestant::run(move || ours.open()),
        limit: Some(Limit {
            name: "RSA-2048 OAEP decrypt",
            times: 1.0,
            contestant: Contestant::run(move || decrypt(&limit)),
        }),
        peers: vec![Peer { name: RUST_CRYPTO, contestant: theirs }],
        bars: vec![Bar::TimesLimit(1.2), Bar::PeerTakes { peer: RUST_CRYPTO, times: 4.0 }],
    })
}

fn decrypt(enveloped: &Enveloped) -> Result<(), Failure> {
    if enveloped.oaep.decrypt() == Some(32) { Ok(()) } else { Err("the key does not decrypt".into()) }
}

/// A whole call: request, signature, TLS, reply, envelope. The recipient and the connection are there already.
fn warm(world: World) -> Result<Contest, Failure> {
    let limit = |world: &Rc<World>| Limit {
        name: "RSA + bare exchange",
        times: 1.0,
        contestant: contestant(world, World::least),
    };
    world.decrypt()?;
    let world = Rc::new(world);
    Ok(Contest {
        unit: Unit::ProcessTime,
        ours: contestant(&world, World::decrypt),
        limit: Some(limit(&world)),
        peers: Vec::new(),
        bars: vec![Bar::TimesLimit(1.5)],
    })
}

/// A client's first call, with neither recipient nor connection.
fn cold() -> Result<Contest, Failure> {
    let world = Rc::new(World::here(Threads::Own, Recipients::Usual)?);
    Ok(Contest {
        unit: Unit::ProcessTime,
        ours: contestant(&world, World::decrypt_cold),
        limit: Some(Limit {
            name: "RSA-2048 key generation",
            times: 1.0,
            contestant: Contestant::run(benches::kms::generate_rsa),
        }),
        peers: Vec::new(),
        bars: vec![Bar::TimesLimit(2.0)],
    })
}

/// As many calls as tasks, on two processors.
fn concurrent(world: World, unit: Unit) -> Result<Contest, Failure> {
    world.decrypt_at_once(CALLS)?;
    let world = Rc::new(world);
    Ok(Contest {
        unit,
        ours: contestant(&world, |world| world.decrypt_at_once(CALLS)),
        limit: Some(Limit {
            name: "the RSA of 100 calls at once",
            times: 1.0,
            contestant: contestant(&world, |world| world.rsa_at_once(CALLS)),
        }),
        peers: Vec::new(),
        bars: vec![Bar::TimesLimit(1.3)],
    })
}

/// What is left of each call after it: nothing.
fn memory() -> Result<Contest, Failure> {
    let world = Rc::new(World::here(Threads::Own, Recipients::Usual)?);
    Ok(Contest {
        unit: Unit::Growth,
        ours: contestant(&world, World::decrypt),
        limit: None,
        peers: Vec::new(),
        bars: vec![Bar::Below(2.0 * 1024.0 * 1024.0), Bar::AllocatesBelow(64.0 * 1024.0)],
    })
}

fn contestant(world: &Rc<World>, work: fn(&World) -> Result<(), Failure>) -> Contestant {
    let world = Rc::clone(world);
    Contestant::run(move || work(&world))
}

const CALLS: usize = 100;
const RUST_CRYPTO: &str = "rsa + cms + cbc";
