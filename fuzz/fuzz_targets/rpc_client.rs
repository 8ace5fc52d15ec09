//! A client's connection, driven by whatever a server sends, cut anywhere: every call comes to its own answer or to an error
//! that is true; what breaks a rule is told which, and nothing is left behind. See `fuzz::rpc`.
#![no_main]

use fuzz::rpc::run_client;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| run_client(data));
