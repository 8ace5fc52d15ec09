#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod accepting;
mod alarm;
mod byte_queue;
mod cbor;
pub mod client;
pub mod codec;
mod fairness;
pub mod frame;
mod frame_io;
mod gauge;
mod goaway;
mod limits;
mod method;
#[cfg(feature = "tower")]
pub mod middleware;
mod planted;
pub mod relay;
mod remote_error;
mod request_place;
mod router;
mod seldom;
pub mod server;
#[cfg(feature = "session")]
pub mod session;
mod spare;
mod tasks;
pub mod transport;

pub use self::cbor::CborError;
pub use self::client::{CallError, Client};
pub use self::goaway::reason;
pub use self::method::{CallContext, MAX_METHOD_NAME_LEN, Method};
pub use self::remote_error::{RemoteError, code};
pub use self::router::Router;
pub use self::server::{Server, ServerHandle};
pub use self::transport::{Addr, HostPort, Listener, ParseAddrError, Peer, PeerAddr, PeerIdentity, Stream};
