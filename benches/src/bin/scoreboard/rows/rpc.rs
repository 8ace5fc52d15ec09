//! RPC: calls, what sessions add to them, and relays.

use std::rc::Rc;

use benches::echo::everyone::{Everyone, Whose};
use benches::relayed::Relayed;
use benches::session::Sessions;

use crate::row::{Bar, Contest, Contestant, Failure, Limit, Peer, Row, Unit};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row { name: "rpc-round-trip", setup: || round_trip(Everyone::here()?, Unit::CpuTime) },
        Row { name: "rpc-round-trip-apart", setup: || round_trip(Everyone::apart()?, Unit::WallTime) },
        Row { name: "rpc-64-in-flight", setup: in_flight },
        Row { name: "rpc-allocations", setup: allocations },
        Row { name: "relay-throughput", setup: relay },
        Row { name: "session-handshake", setup: handshake },
        Row { name: "session-request", setup: request },
    ]
}

/// One call at a time, from a task: what ran the whole program's future would be woken through the I/O driver.
fn round_trip(everyone: Everyone, unit: Unit) -> Result<Contest, Failure> {
    let everyone = Rc::new(everyone);
    let limit = contestant(&everyone, |everyone| everyone.bare(CALLS));
    Ok(Contest {
        unit,
        ours: contestant(&everyone, |everyone| everyone.calls(Whose::Ours, 1, CALLS)),
        limit: Some(Limit { name: "bare round trips", times: 1.0, contestant: limit }),
        peers: peers(&everyone, |everyone, whose| everyone.calls(whose, 1, CALLS)),
        bars: vec![Bar::TimesLimit(1.3), Bar::PeerTakes { peer: TARPC, times: 2.0 }],
    })
}

/// Many tasks with one call each at a time, over one connection.
fn in_flight() -> Result<Contest, Failure> {
    let everyone = Rc::new(Everyone::here()?);
    Ok(Contest {
        unit: Unit::CpuTime,
        ours: contestant(&everyone, |everyone| everyone.calls(Whose::Ours, TASKS, CALLS)),
        limit: None,
        peers: peers(&everyone, |everyone, whose| everyone.calls(whose, TASKS, CALLS)),
        bars: vec![Bar::PeerTakes { peer: TARPC, times: 2.0 }, Bar::PeerTakes { peer: TONIC, times: 10.0 }],
    })
}

/// What one call allocates on both sides.
fn allocations() -> Result<Contest, Failure> {
    let everyone = Rc::new(Everyone::here()?);
    Ok(Contest {
        unit: Unit::Bytes,
        ours: contestant(&everyone, |everyone| everyone.call(Whose::Ours)),
        limit: None,
        peers: peers(&everyone, Everyone::call),
        bars: Vec::new(),
    })
}

fn peers(everyone: &Rc<Everyone>, work: fn(&Everyone, Whose) -> Result<(), Failure>) -> Vec<Peer> {
    let peer = |(name, whose)| {
        let everyone = Rc::clone(everyone);
        Peer { name, contestant: Contestant::run(move || work(&everyone, whose)) }
    };
    [(TARPC, Whose::Tarpc), (TONIC, Whose::Tonic)].map(peer).into()
}

/// Some MiB through an open connection.
fn relay() -> Result<Contest, Failure> {
    let relayed = Rc::new(Relayed::new()?);
    let limit = contestant(&relayed, Relayed::transfer_bare);
    Ok(Contest {
        unit: Unit::CpuTime,
        ours: contestant(&relayed, Relayed::transfer),
        limit: Some(Limit { name: "copy_bidirectional", times: 1.0, contestant: limit }),
        peers: Vec::new(),
        bars: vec![Bar::TimesLimit(1.0 / 0.8)],
    })
}

/// From connecting to the verdict on the evidence, which takes a round trip after TLS's own.
fn handshake() -> Result<Contest, Failure> {
    let sessions = Rc::new(Sessions::new()?);
    let limit = contestant(&sessions, Sessions::shake_hands);
    Ok(Contest {
        unit: Unit::CpuTime,
        ours: contestant(&sessions, Sessions::open),
        limit: Some(Limit { name: "bare TLS handshake", times: 1.0, contestant: limit }),
        peers: Vec::new(),
        bars: Vec::new(),
    })
}

/// What encryption adds to a call.
fn request() -> Result<Contest, Failure> {
    let sessions = Rc::new(Sessions::new()?);
    let limit = contestant(&sessions, Sessions::call_outside);
    Ok(Contest {
        unit: Unit::CpuTime,
        ours: contestant(&sessions, Sessions::call_inside),
        limit: Some(Limit { name: "call without a session", times: 1.0, contestant: limit }),
        peers: Vec::new(),
        bars: Vec::new(),
    })
}

fn contestant<T: 'static>(shared: &Rc<T>, work: fn(&T) -> Result<(), Failure>) -> Contestant {
    let shared = Rc::clone(shared);
    Contestant::run(move || work(&shared))
}

/// Of each task, in one iteration.
const CALLS: usize = 16;
const TASKS: usize = 64;
const TARPC: &str = "tarpc";
const TONIC: &str = "tonic";
