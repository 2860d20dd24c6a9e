//! How far a snapshot or a restore has come.

use std::time::Duration;

/// How far a snapshot or a restore is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    pub(crate) counts: Counts,
    pub(crate) uuid: Option<String>,
    pub(crate) elapsed: Duration,
    pub(crate) rate: Option<f64>,
}

/// The part of a [`Progress`] whose change is worth telling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

    /// Bytes a second since this wait first saw how many there are; `None` until there is anything to tell it by.
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
