//! [`cut_to_max_timeout`]: what every timeout passes through that a user sets.

use std::time::Duration;

/// The timeout, or [`MAX_TIMEOUT`] if it is longer: a time that can be added to any instant.
pub(crate) fn cut_to_max_timeout(timeout: Duration) -> Duration {
    timeout.min(MAX_TIMEOUT)
}

/// The docs of the builders tell it.
const MAX_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn no_timeout_is_too_long_to_be_added() {
        let day = Duration::from_secs(86_400);
        for (asked, expected) in [
            (Duration::ZERO, Duration::ZERO),
            (29 * day, 29 * day),
            (30 * day, 30 * day),
            (30 * day + Duration::from_nanos(1), 30 * day),
            (Duration::MAX, 30 * day),
        ] {
            assert_eq!(cut_to_max_timeout(asked), expected);
            assert!(Instant::now().checked_add(cut_to_max_timeout(asked)).is_some());
        }
    }
}
