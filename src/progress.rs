//! How far a snapshot or a restore has come.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// How the client knows that something was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HowStarted {
    /// The server responded that it has begun.
    Accepted,
    /// The server responded that it has ended, or that there was nothing to do.
    Finished,
    /// The response was lost, or an earlier process sent the same request. A check found it running
    /// or done.
    Adopted,
}

impl HowStarted {
    /// Returns the word for logs: `accepted`, `finished` or `adopted`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Finished => "finished",
            Self::Adopted => "adopted",
        }
    }
}

impl fmt::Display for HowStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How far a snapshot or a restore is.
///
/// Serialises with all figures: times in milliseconds, sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    pub(crate) counts: Counts,
    pub(crate) uuid: Option<String>,
    pub(crate) elapsed: Duration,
    pub(crate) rate: Option<f64>,
}

/// The part of a [`Progress`] whose change is worth telling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) shards_total: u64,
    pub(crate) shards_done: u64,
    pub(crate) shards_failed: u64,
    pub(crate) bytes_total: u64,
    pub(crate) bytes_done: u64,
    pub(crate) files_total: u64,
    pub(crate) files_done: u64,
}

impl Progress {
    /// Returns this progress with so many shards done of all. For tests of code that shows
    /// progress; `Progress::default()` has no figures.
    #[must_use]
    pub fn with_shards(mut self, done: u64, total: u64) -> Self {
        (self.counts.shards_done, self.counts.shards_total) = (done, total);
        self
    }

    /// Returns this progress with so many bytes copied of all, as
    /// [`with_shards`](Self::with_shards).
    #[must_use]
    pub fn with_bytes(mut self, done: u64, total: u64) -> Self {
        (self.counts.bytes_done, self.counts.bytes_total) = (done, total);
        self
    }

    /// Shards in all; 0 while not known.
    #[must_use]
    pub fn shards_total(&self) -> u64 {
        self.counts.shards_total
    }

    /// Shards that are done.
    #[must_use]
    pub fn shards_done(&self) -> u64 {
        self.counts.shards_done
    }

    /// Shards that have failed.
    #[must_use]
    pub fn shards_failed(&self) -> u64 {
        self.counts.shards_failed
    }

    /// Bytes to copy; 0 while not known. A snapshot copies what the repository does not hold yet.
    #[must_use]
    pub fn bytes_total(&self) -> u64 {
        self.counts.bytes_total
    }

    /// Bytes copied.
    #[must_use]
    pub fn bytes_done(&self) -> u64 {
        self.counts.bytes_done
    }

    /// Files to copy; 0 while not known.
    #[must_use]
    pub fn files_total(&self) -> u64 {
        self.counts.files_total
    }

    /// Files copied.
    #[must_use]
    pub fn files_done(&self) -> u64 {
        self.counts.files_done
    }

    /// The snapshot's uuid, once known; `None` for a restore.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.uuid.as_deref()
    }

    /// How long this wait has been watching.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns the bytes per second since this wait first saw figures. `None` until some were
    /// copied.
    #[must_use]
    pub fn bytes_per_second(&self) -> Option<f64> {
        self.rate
    }

    /// How long the rest takes at that rate.
    #[must_use]
    pub fn eta(&self) -> Option<Duration> {
        let left = self.counts.bytes_total.saturating_sub(self.counts.bytes_done);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        self.rate.and_then(|rate| Duration::try_from_secs_f64(left as f64 / rate).ok())
    }
}

impl Serialize for Progress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Figures<'a> {
            #[serde(flatten)]
            counts: Counts,
            #[serde(skip_serializing_if = "Option::is_none")]
            uuid: Option<&'a str>,
            elapsed_millis: u128,
            #[serde(skip_serializing_if = "Option::is_none")]
            bytes_per_second: Option<f64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            eta_millis: Option<u128>,
        }
        let figures = Figures {
            counts: self.counts,
            uuid: self.uuid(),
            elapsed_millis: self.elapsed.as_millis(),
            bytes_per_second: self.rate,
            eta_millis: self.eta().map(|eta| eta.as_millis()),
        };
        figures.serialize(serializer)
    }
}
