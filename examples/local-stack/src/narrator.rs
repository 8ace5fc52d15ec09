//! Prints the story as it happens.

use std::io::Write as _;
use std::time::Instant;

/// Says what happens and when, on standard output, or on standard error where standard output is for JSON.
#[derive(Debug)]
pub(crate) struct Narrator {
    start: Instant,
    step: Instant,
    json: bool,
}

impl Narrator {
    pub(crate) fn new(json: bool) -> Self {
        let now = Instant::now();
        Self { start: now, step: now, json }
    }

    /// One step that just held, with how long it took.
    pub(crate) fn step(&mut self, what: &str) {
        let now = Instant::now();
        let (total, step) = (now.duration_since(self.start), now.duration_since(self.step));
        self.step = now;
        self.say(&format!("{:>6} ms  +{:<5} {what}", total.as_millis(), format!("{} ms", step.as_millis())));
    }

    /// A fact that belongs to the last step.
    pub(crate) fn detail(&self, name: &str, value: impl std::fmt::Display) {
        self.say(&format!("{:19}{name}: {value}", ""));
    }

    pub(crate) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A reader that went away is no reason to stop: the exit code says how the story ended.
    fn say(&self, line: &str) {
        let _ = if self.json {
            writeln!(std::io::stderr().lock(), "{line}")
        } else {
            writeln!(std::io::stdout().lock(), "{line}")
        };
    }
}
