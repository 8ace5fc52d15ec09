//! [`ClockSkew`]: by how much KMS's clock differs from the enclave's, where signatures are concerned.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::DATE;
use nsm_attest::UnixTime;

/// What is added to the enclave's time before it dates a signature.
///
/// Nothing else uses it: certificates, documents and the expiry of credentials are judged by the enclave's own clock.
#[derive(Debug, Default)]
pub(crate) struct ClockSkew {
    millis: AtomicI64,
}

impl ClockSkew {
    /// The time by KMS's clock, as far as it is known, when the enclave's says `now`.
    pub(crate) fn corrected(&self, now: UnixTime) -> UnixTime {
        let millis = self.millis.load(Ordering::Relaxed);
        UnixTime::from_millis(now.as_millis().saturating_add_signed(millis))
    }

    /// Believes the `Date` of a reply that says that a signature dated `signed_at` is out of time.
    ///
    /// Gives whether there is a point in signing anew. There is none if the date agrees with the signature's (then
    /// something else is wrong with it), and a date more than a day from the enclave's `now` is not believed.
    pub(crate) fn learn(&self, headers: &HeaderMap, signed_at: UnixTime, now: UnixTime) -> bool {
        let Some(date) = date(headers) else { return false };
        let is_another_time = millis_between(signed_at, date).unsigned_abs() >= MIN_DIFFERENCE_MILLIS;
        let skew = millis_between(now, date);
        if !is_another_time || skew.unsigned_abs() > MAX_SKEW_MILLIS {
            return false;
        }
        self.millis.store(skew, Ordering::Relaxed);
        true
    }
}

/// The one `Date` of a reply.
fn date(headers: &HeaderMap) -> Option<UnixTime> {
    let mut dates = headers.get_all(DATE).iter();
    let date = httpdate::parse_http_date(dates.next()?.to_str().ok()?).ok()?;
    let since_epoch: Duration = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let millis = u64::try_from(since_epoch.as_millis()).ok()?;
    dates.next().is_none().then(|| UnixTime::from_millis(millis))
}

fn millis_between(from: UnixTime, to: UnixTime) -> i64 {
    let difference = i128::from(to.as_millis()) - i128::from(from.as_millis());
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}

const MAX_SKEW_MILLIS: u64 = 24 * 3600 * 1000;
/// KMS allows minutes; a `Date` is exact to a second, and the reply was some seconds on its way.
const MIN_DIFFERENCE_MILLIS: u64 = 60 * 1000;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_440_938_160); // Sun, 30 Aug 2015 12:36:00 GMT

    fn headers(dates: &[&str]) -> HeaderMap {
        dates.iter().map(|date| (DATE, HeaderValue::from_str(date).unwrap())).collect()
    }

    #[test]
    fn a_date_moves_the_time_of_signatures_both_ways() {
        for (date, seconds) in [
            ("Sun, 30 Aug 2015 12:56:00 GMT", 1_440_939_360),
            ("Sun, 30 Aug 2015 12:16:00 GMT", 1_440_936_960),
            ("Mon, 31 Aug 2015 12:36:00 GMT", 1_441_024_560),
        ] {
            let skew = ClockSkew::default();
            assert_eq!(skew.corrected(NOW), NOW);
            assert!(skew.learn(&headers(&[date]), NOW, NOW));
            assert_eq!(skew.corrected(NOW), UnixTime::from_secs(seconds));
        }
    }

    #[test]
    fn a_date_that_is_missing_ambiguous_unreadable_too_far_off_or_no_news_moves_nothing() {
        for dates in [
            &[][..],
            &["Sun, 30 Aug 2015 12:56:00 GMT", "Sun, 30 Aug 2015 12:56:00 GMT"],
            &["20150830T125600Z"],
            &["Mon, 31 Aug 2015 12:36:01 GMT"],
            &["Sat, 29 Aug 2015 12:35:59 GMT"],
            &["Thu, 01 Jan 1970 00:00:00 GMT"],
            &["Sun, 30 Aug 2015 12:36:59 GMT"],
        ] {
            let skew = ClockSkew::default();
            assert!(!skew.learn(&headers(dates), NOW, NOW), "{dates:?}");
            assert_eq!(skew.corrected(NOW), NOW);
        }
    }

    #[test]
    fn what_was_learnt_is_no_reason_to_sign_again_with_it() {
        let (skew, date) = (ClockSkew::default(), headers(&["Sun, 30 Aug 2015 12:56:00 GMT"]));
        assert!(skew.learn(&date, NOW, NOW));
        assert!(!skew.learn(&date, skew.corrected(NOW), NOW));
        // A call that was signed before it was learnt is worth repeating, though.
        assert!(skew.learn(&date, NOW, NOW));
    }
}
