//! How far the domain's clock is from this host's, as its responses show it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use http::header::{AGE, DATE, HeaderMap};

/// How far the domain's clock is ahead of this host's, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct ClockSkew(AtomicI64);

impl ClockSkew {
    /// Answers slower than this tell too little about the time in between.
    const SLOWEST: Duration = Duration::from_secs(60);

    pub(super) fn millis(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn apply(&self, local: SystemTime) -> SystemTime {
        let skew = self.millis();
        let by = Duration::from_millis(skew.unsigned_abs());
        let corrected = if skew >= 0 { local.checked_add(by) } else { local.checked_sub(by) };
        corrected.unwrap_or(local)
    }

    /// Learns from an answer that was received whole at local time `received`, `took` after its request was sent.
    ///
    /// The midpoint of the two is compared with the server's `Date`, which is cut to the second. Every trusted answer
    /// overwrites what was known, so that a corrected clock heals.
    pub(super) fn learn(&self, headers: &HeaderMap, received: SystemTime, took: Duration) {
        if took > Self::SLOWEST || headers.contains_key(AGE) {
            return;
        }
        let Some(server) = headers.get(DATE).and_then(|value| value.to_str().ok()).and_then(parse_date) else { return };
        let Some(midpoint) = received.checked_sub(took / 2) else { return };
        let server = server + Duration::from_millis(500);
        let (sign, apart) = match server.duration_since(midpoint) {
            Ok(ahead) => (1, ahead),
            Err(behind) => (-1, behind.duration()),
        };
        // Within the second that `Date` cannot tell, the clocks agree.
        let millis = if apart <= Duration::from_secs(1) { 0 } else { i64::try_from(apart.as_millis()).unwrap_or(i64::MAX) };
        self.0.store(sign * millis, Ordering::Relaxed);
    }
}

pub(super) fn parse_date(text: &str) -> Option<SystemTime> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp().into())
}
