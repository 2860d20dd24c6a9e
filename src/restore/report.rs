//! How a restore ended, shard by shard.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, Operation};

/// How a restore ended, shard by shard.
///
/// ```
/// use es_snapshot::RestoreReport;
/// use es_snapshot::restore::UnrestoredShard;
///
/// let missing = UnrestoredShard::new("movies", Some(0), "node left");
/// let report = RestoreReport::new(vec!["movies".to_owned()], 1, vec![missing]);
/// assert!(!report.is_complete());
/// assert_eq!(report.unrestored()[0].to_string(), "[movies][0] node left");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use = "a restore that has ended need not be complete"]
pub struct RestoreReport {
    pub(crate) indices: Vec<String>,
    pub(crate) shards_total: u64,
    pub(crate) unrestored: Vec<UnrestoredShard>,
}

impl RestoreReport {
    /// Returns a report of these indices, of so many expected primaries, and of those that were not
    /// restored.
    pub fn new(indices: Vec<String>, shards_total: u64, unrestored: Vec<UnrestoredShard>) -> Self {
        Self { indices, shards_total, unrestored }
    }

    /// Returns the indices that were restored, under their new names.
    #[must_use]
    pub fn indices(&self) -> &[String] {
        &self.indices
    }

    /// Returns how many primaries were expected.
    #[must_use]
    pub fn shards_total(&self) -> u64 {
        self.shards_total
    }

    /// Returns the primaries that are missing or do not come from the snapshot. Empty if the
    /// restore is complete.
    #[must_use]
    pub fn unrestored(&self) -> &[UnrestoredShard] {
        &self.unrestored
    }

    /// Returns whether every shard was restored.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unrestored.is_empty()
    }

    /// Returns the report if every shard was restored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete), which names the first three of the
    /// other shards.
    pub fn into_complete(self) -> Result<Self, Error> {
        if self.is_complete() {
            return Ok(self);
        }
        Err(Error::incomplete(
            Operation::RestoreSnapshot,
            &self.unrestored,
            self.shards_total,
            "shards were not restored",
        ))
    }
}

/// A primary that a restore did not bring back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnrestoredShard {
    pub(crate) index: String,
    pub(crate) shard: Option<u32>,
    pub(crate) reason: String,
}

impl UnrestoredShard {
    /// Returns the primary with this number of an index, or all of an index with `None`, and why it
    /// was not restored.
    #[must_use]
    pub fn new(index: impl Into<String>, shard: Option<u32>, reason: impl Into<String>) -> Self {
        Self { index: index.into(), shard, reason: reason.into() }
    }

    /// Returns the index.
    #[must_use]
    pub fn index(&self) -> &str {
        &self.index
    }

    /// Returns the shard's number. `None` if the whole index is missing.
    #[must_use]
    pub fn shard(&self) -> Option<u32> {
        self.shard
    }

    /// Returns why it was not restored, in the server's words where it gave any.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for UnrestoredShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shard {
            Some(shard) => write!(f, "[{}][{shard}] {}", self.index, self.reason),
            None => write!(f, "[{}] {}", self.index, self.reason),
        }
    }
}
