//! Learns from responses how far the domain's clock differs from this host's.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http::header::{AGE, DATE, HeaderMap};

/// How far the domain's clock is ahead of this host's, in milliseconds. `UNKNOWN` until a response
/// shows it.
#[derive(Debug)]
pub(crate) struct ClockSkew(AtomicI64);

const UNKNOWN: i64 = i64::MIN;

impl Default for ClockSkew {
    fn default() -> Self {
        Self(AtomicI64::new(UNKNOWN))
    }
}

impl ClockSkew {
    /// A slower response does not show the time precisely enough.
    const SLOWEST: Duration = Duration::from_secs(60);
    /// A `Date` that differs more is wrong itself. With a clock that is so wrong, this host could
    /// not verify the domain's certificate.
    const FURTHEST: Duration = Duration::from_secs(366 * 86_400);

    /// Returns the skew. `None` if no response has had a usable `Date`.
    pub(crate) fn learned(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|skew| *skew != UNKNOWN)
    }

    pub(crate) fn millis(&self) -> i64 {
        self.learned().unwrap_or_default()
    }

    pub(super) fn apply(&self, local: SystemTime) -> SystemTime {
        let skew = self.millis();
        let by = Duration::from_millis(skew.unsigned_abs());
        let corrected = if skew >= 0 { local.checked_add(by) } else { local.checked_sub(by) };
        corrected.unwrap_or(local)
    }

    /// Learns from the head of a response that arrived at the local time `received`, `took` after
    /// its request was sent.
    pub(super) fn learn(&self, headers: &HeaderMap, received: SystemTime, took: Duration) {
        if took > Self::SLOWEST || headers.contains_key(AGE) {
            return;
        }
        let Some(date) = headers.get(DATE).and_then(|value| value.to_str().ok()).and_then(parse_date) else { return };
        let (sign, apart) = match date.duration_since(received) {
            Ok(ahead) => (1, ahead),
            Err(behind) => (-1, behind.duration()),
        };
        if apart > Self::FURTHEST {
            return;
        }
        let (Ok(apart), Ok(took)) = (i64::try_from(apart.as_millis()), i64::try_from(took.as_millis())) else { return };
        self.0.store(corrected(self.millis(), sign * apart, took), Ordering::Relaxed);
    }
}

/// The skew after a response, in milliseconds. Its `Date` is `date_from_receipt` ahead of its
/// arrival, and it arrived `took` after the request was sent.
///
/// The server wrote the `Date`, cut to the second, at some time between request and response. The
/// known skew stays if it is possible, so a slow response changes nothing. A new skew is computed
/// for the end of the exchange, because a slow server writes the `Date` when its work is done.
fn corrected(known: i64, date_from_receipt: i64, took: i64) -> i64 {
    let possible = date_from_receipt..=date_from_receipt + 1000 + took;
    [known, 0].into_iter().find(|skew| possible.contains(skew)).unwrap_or(date_from_receipt + 500)
}

pub(super) fn parse_date(text: &str) -> Option<SystemTime> {
    DateTime::from_str(text, Format::HttpDate).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn keeps_a_skew_that_a_slow_response_allows() {
        assert_eq!(corrected(0, 0, 58_000), 0, "dated at the end");
        assert_eq!(corrected(0, -58_000, 58_000), 0, "dated at the start");
        assert_eq!(corrected(HOUR, HOUR - 700, 58_000), HOUR);
        assert_eq!(corrected(-HOUR, -HOUR - 58_000, 58_000), -HOUR);
    }

    #[test]
    fn replaces_a_skew_that_a_response_contradicts() {
        assert_eq!(corrected(HOUR, -400, 20), 0);
        assert_eq!(corrected(HOUR, -HOUR - 500, 20), -HOUR);
    }

    #[test]
    fn takes_a_new_skew_from_the_end_of_a_slow_response() {
        for skew in [-12 * 24 * HOUR, -HOUR, HOUR, 12 * 24 * HOUR] {
            assert_eq!(corrected(0, skew - 500, 58_000), skew);
        }
    }

    #[test]
    fn ignores_an_absurd_date() {
        let received = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for date in [
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "Mon, 01 Jan 0001 00:00:00 GMT",
            "Mon, 14 Nov 2033 22:13:20 GMT",
            "Fri, 31 Dec 9999 23:59:59 GMT",
        ] {
            let skew = ClockSkew::default();
            let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_static(date))]);

            skew.learn(&headers, received, Duration::ZERO);

            assert_eq!((skew.millis(), skew.learned()), (0, None), "{date}");
        }
    }

    #[test]
    fn learns_a_clock_that_is_days_off() {
        let received = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for (date, days) in [("Thu, 02 Nov 2023 22:13:20 GMT", -12), ("Sun, 26 Nov 2023 22:13:20 GMT", 12)] {
            let skew = ClockSkew::default();
            let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_static(date))]);

            skew.learn(&headers, received, Duration::ZERO);

            assert_eq!(skew.millis(), days * 24 * HOUR + 500);
        }
    }
}
