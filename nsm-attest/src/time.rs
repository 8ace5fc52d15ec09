//! Points in time, as attestation documents state them.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since the Unix epoch: the unit of a document's `timestamp`.
///
/// It says nothing about where the time came from; [`Clock`](crate::Clock) does.
///
/// ```
/// use nsm_attest::UnixTime;
///
/// let issued = UnixTime::from_millis(1_614_963_709_526);
/// assert_eq!(issued.to_string(), "2021-03-05T17:01:49.526Z");
/// assert_eq!("2021-03-05T17:01:49.526Z".parse(), Ok(issued));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The time so many milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The time so many seconds after the epoch; beyond the representable range it saturates.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(MILLIS_PER_SECOND))
    }

    /// Whole milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / MILLIS_PER_SECOND
    }

    /// This time and `duration` more, with fractions of a millisecond dropped; saturates.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(duration)))
    }

    /// This time less `duration`, with fractions of a millisecond dropped; stops at the epoch.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(duration)))
    }

    /// The time that passed since `earlier`, or `None` if `earlier` is in fact later.
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_millis)
    }
}

impl From<SystemTime> for UnixTime {
    /// Times before the epoch become the epoch, which no check accepts.
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).map_or(0, whole_millis))
    }
}

impl fmt::Display for UnixTime {
    /// RFC 3339 in UTC with milliseconds; times after the year 9999 as a count of milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(time) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * NANOS_PER_MILLI) else {
            return write!(f, "{} ms after 1970", self.0);
        };
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        let (hour, minute, second, milli) = (time.hour(), time.minute(), time.second(), time.millisecond());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

impl FromStr for UnixTime {
    type Err = InvalidTime;

    /// Reads RFC 3339; fractions of a millisecond are dropped, times before the epoch refused.
    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        // The library takes any character between date and time; RFC 3339 §5.6 has a T, or a space for people.
        if !matches!(text.as_bytes().get(DATE_LEN), Some(b'T' | b't' | b' ')) {
            return Err(InvalidTime);
        }
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTime)?;
        let millis = time.unix_timestamp_nanos().div_euclid(NANOS_PER_MILLI);
        u64::try_from(millis).map(Self).map_err(|_| InvalidTime)
    }
}

/// The text is not an RFC 3339 time after 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time after 1970")]
pub struct InvalidTime;

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Of `2021-03-05`.
const DATE_LEN: usize = 10;
const MILLIS_PER_SECOND: u64 = 1000;
const NANOS_PER_MILLI: i128 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_and_parses_rfc_3339() {
        let time = UnixTime::from_millis(1_755_506_509_491);
        assert_eq!(time.to_string(), "2025-08-18T08:41:49.491Z");
        assert_eq!("2025-08-18T10:41:49.491+02:00".parse(), Ok(time));
        assert_eq!("1969-12-31T23:59:59Z".parse::<UnixTime>(), Err(InvalidTime));
        assert_eq!("yesterday".parse::<UnixTime>(), Err(InvalidTime));
        assert_eq!("2025-08-18x08:41:49.491Z".parse::<UnixTime>(), Err(InvalidTime));
        assert_eq!("2025-08-18 08:41:49.491Z".parse(), Ok(time));
        assert_eq!(UnixTime::from_millis(u64::MAX).to_string(), "18446744073709551615 ms after 1970");
    }

    #[test]
    fn arithmetic_saturates() {
        let time = UnixTime::from_secs(10);
        assert_eq!(time.saturating_add(Duration::MAX), UnixTime::from_millis(u64::MAX));
        assert_eq!(time.saturating_sub(Duration::from_secs(11)), UnixTime::from_millis(0));
        assert_eq!(UnixTime::from_secs(u64::MAX).as_millis(), u64::MAX);
        assert_eq!(time.duration_since(UnixTime::from_secs(4)), Some(Duration::from_secs(6)));
        assert_eq!(time.duration_since(UnixTime::from_secs(11)), None);
    }
}
