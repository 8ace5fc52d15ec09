//! RPC: calls, what sessions add to them, and relays.

use std::rc::Rc;

use benches::echo::everyone::Everyone;
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

/// One call at a time.
fn round_trip(everyone: Everyone, unit: Unit) -> Result<Contest, Failure> {
    let everyone = Rc::new(everyone);
    let contestant = |work| contestant(&everyone, work);
    Ok(Contest {
        unit,
        ours: contestant(Everyone::call_ours),
        limit: Some(Limit { name: "bare round trip", times: 1.0, contestant: contestant(Everyone::call_bare) }),
        peers: vec![
            Peer { name: TARPC, contestant: contestant(Everyone::call_tarpc) },
            Peer { name: TONIC, contestant: contestant(Everyone::call_tonic) },
        ],
        bars: vec![Bar::TimesLimit(1.3), Bar::PeerTakes { peer: TARPC, times: 2.0 }],
    })
}

/// Many tasks with one call each at a time, over one connection.
fn in_flight() -> Result<Contest, Failure> {
    let everyone = Rc::new(Everyone::here()?);
    let contestant = |work| contestant(&everyone, work);
    Ok(Contest {
        unit: Unit::CpuTime,
        ours: contestant(|everyone| everyone.ours_in_flight(CALLS)),
        limit: None,
        peers: vec![
            Peer { name: TARPC, contestant: contestant(|everyone| everyone.tarpc_in_flight(CALLS)) },
            Peer { name: TONIC, contestant: contestant(|everyone| everyone.tonic_in_flight(CALLS)) },
        ],
        bars: vec![Bar::PeerTakes { peer: TARPC, times: 2.0 }, Bar::PeerTakes { peer: TONIC, times: 10.0 }],
    })
}

/// What one call allocates on both sides.
fn allocations() -> Result<Contest, Failure> {
    let everyone = Rc::new(Everyone::here()?);
    let contestant = |work| contestant(&everyone, work);
    Ok(Contest {
        unit: Unit::Bytes,
        ours: contestant(Everyone::call_ours),
        limit: None,
        peers: vec![
            Peer { name: TARPC, contestant: contestant(Everyone::call_tarpc) },
            Peer { name: TONIC, contestant: contestant(Everyone::call_tonic) },
        ],
        bars: Vec::new(),
    })
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
const TARPC: &str = "tarpc";
const TONIC: &str = "tonic";
