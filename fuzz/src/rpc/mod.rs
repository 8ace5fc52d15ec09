//! What the targets of `vsock-rpc` share: a reading of frames of its own, a pipe that holds nothing back, an input taken
//! apart, and for each peer a run with a judgement.

mod client;
mod input;
mod pipe;
mod reading;
mod server;
mod server_model;

pub use self::client::run_client;
pub use self::reading::{Next, RawFrame, next_frame};
pub use self::server::{Measure, run_server};
