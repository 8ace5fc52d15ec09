//! A server's connection, driven by frames and splits, gates and time: every request that it accepts is answered once, with
//! its own answer; what breaks a rule is told which, and what is slow or idle, that; never is more at work, or in memory,
//! than the bounds say. See `fuzz::rpc`.
#![no_main]

use fuzz::rpc::run_server;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    run_server(data, |run| {
        let info = allocation_counter::measure(run);
        (info.bytes_current, info.bytes_max)
    });
});
