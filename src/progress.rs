//! How an operation was started, and how far it has come.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// How the client knows that an operation was started.
///
/// [`StartedSnapshot::how`](crate::StartedSnapshot::how) and
/// [`StartedRestore::how`](crate::StartedRestore::how) return it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HowStarted {
    /// The server responded that the operation has begun.
    Accepted,
    /// The server responded that the operation has ended, or that there was nothing to do.
    Finished,
    /// A check found the operation running or ended.
    ///
    /// An earlier request had started it: a request of this call whose response was lost, or a
    /// request of an earlier process.
    Adopted,
}

impl HowStarted {
    /// Returns the name for logs: `accepted`, `finished` or `adopted`.
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

/// How far a snapshot or a restore has come; the item of [`Wait::progress`](crate::Wait::progress).
///
/// Serialises with all figures: durations in milliseconds, sizes in bytes.
///
/// ```
/// use es_snapshot::wait::Progress;
///
/// let progress = Progress::default().with_shards(3, 10).with_bytes(512, 2048);
/// assert_eq!((progress.shards_done(), progress.shards_total()), (3, 10));
/// assert_eq!(progress.eta(), None); // The speed is not known.
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    pub(crate) counts: Counts,
    pub(crate) uuid: Option<String>,
    pub(crate) elapsed: Duration,
    pub(crate) rate: Option<f64>,
}

/// The figures of a [`Progress`]. A wait reports a new progress when one of them changes.
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
    /// Sets how many shards are done, and how many there are.
    ///
    /// For tests of code that shows progress. `Progress::default()` has no figures.
    #[must_use]
    pub fn with_shards(mut self, done: u64, total: u64) -> Self {
        (self.counts.shards_done, self.counts.shards_total) = (done, total);
        self
    }

    /// Sets how many bytes were copied, and how many there are to copy.
    ///
    /// For tests of code that shows progress.
    #[must_use]
    pub fn with_bytes(mut self, done: u64, total: u64) -> Self {
        (self.counts.bytes_done, self.counts.bytes_total) = (done, total);
        self
    }

    /// Returns the number of shards; 0 while it is not known.
    #[must_use]
    pub fn shards_total(&self) -> u64 {
        self.counts.shards_total
    }

    /// Returns the number of shards that are done.
    #[must_use]
    pub fn shards_done(&self) -> u64 {
        self.counts.shards_done
    }

    /// Returns the number of shards that have failed.
    #[must_use]
    pub fn shards_failed(&self) -> u64 {
        self.counts.shards_failed
    }

    /// Returns the number of bytes to copy; 0 while it is not known.
    ///
    /// A snapshot copies only what the repository does not contain yet.
    #[must_use]
    pub fn bytes_total(&self) -> u64 {
        self.counts.bytes_total
    }

    /// Returns the number of bytes that were copied.
    #[must_use]
    pub fn bytes_done(&self) -> u64 {
        self.counts.bytes_done
    }

    /// Returns the number of files to copy; 0 while it is not known.
    #[must_use]
    pub fn files_total(&self) -> u64 {
        self.counts.files_total
    }

    /// Returns the number of files that were copied.
    #[must_use]
    pub fn files_done(&self) -> u64 {
        self.counts.files_done
    }

    /// Returns the uuid of the snapshot, if it is known. `None` for a restore.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.uuid.as_deref()
    }

    /// Returns how long this wait has lasted so far.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns how many bytes were copied per second, on average over this wait.
    ///
    /// The average begins when the wait first sees the number of bytes to copy. `None` until bytes
    /// were copied since then.
    #[must_use]
    pub fn bytes_per_second(&self) -> Option<f64> {
        self.rate
    }

    /// Returns how long the rest takes at the average speed. `None` while the speed is not known.
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
