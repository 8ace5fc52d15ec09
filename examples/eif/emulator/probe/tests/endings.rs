//! However init's program ends, the console says why, and the enclave is powered off.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use emulator_probe::{Ending, LAST_WORDS};
use support::Guest;

#[tokio::test]
async fn an_error_and_a_panic_are_on_the_console_before_the_power_is_off() {
    for (ending, said) in
        [(Ending::Cleanly, "ending"), (Ending::Failing, LAST_WORDS), (Ending::Panicking, "panicked at")]
    {
        let Some(guest) = Guest::boot(128).await else { return };
        let console = guest.end(ending).await;
        assert!(console.contains(said), "{ending:?}: {console}");
        assert_eq!(console.contains(LAST_WORDS), ending != Ending::Cleanly, "{ending:?}: {console}");
    }
}
