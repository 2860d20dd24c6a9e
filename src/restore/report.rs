//! Reports of restores that have ended.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, Operation};

/// The result of a restore, with every shard that was not restored.
///
/// A [`Wait`](crate::Wait) for a restore returns it. A restore that has ended is not necessarily
/// complete: check [`is_complete`](Self::is_complete), or call
/// [`into_complete`](Self::into_complete).
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
#[must_use = "a restore that has ended is not necessarily complete"]
pub struct RestoreReport {
    pub(crate) indices: Vec<String>,
    pub(crate) shards_total: u64,
    pub(crate) unrestored: Vec<UnrestoredShard>,
}

impl RestoreReport {
    /// Returns a report, for tests of code that handles reports.
    ///
    /// `shards_total` is the number of primary shards that were expected.
    pub fn new(indices: Vec<String>, shards_total: u64, unrestored: Vec<UnrestoredShard>) -> Self {
        Self { indices, shards_total, unrestored }
    }

    /// Returns the indices that were restored, under their new names.
    #[must_use]
    pub fn indices(&self) -> &[String] {
        &self.indices
    }

    /// Returns how many primary shards were expected.
    #[must_use]
    pub fn shards_total(&self) -> u64 {
        self.shards_total
    }

    /// Returns the primary shards that are missing or do not come from the snapshot.
    ///
    /// Empty if the restore is complete.
    #[must_use]
    pub fn unrestored(&self) -> &[UnrestoredShard] {
        &self.unrestored
    }

    /// Returns whether every shard was restored.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unrestored.is_empty()
    }

    /// Returns the report if every shard was restored, and an error otherwise.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete) if a shard was not restored. Its
    /// text names the first three of them.
    ///
    /// ```
    /// use es_snapshot::restore::UnrestoredShard;
    /// use es_snapshot::{ErrorKind, RestoreReport};
    ///
    /// let missing = UnrestoredShard::new("movies", Some(0), "node left");
    /// let report = RestoreReport::new(vec!["movies".to_owned()], 2, vec![missing]);
    /// assert_eq!(report.into_complete().unwrap_err().kind(), ErrorKind::Incomplete);
    /// ```
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

/// A primary shard that a restore did not bring back, and the reason.
///
/// ```
/// use es_snapshot::restore::UnrestoredShard;
///
/// let shard = UnrestoredShard::new("movies", Some(0), "node left");
/// assert_eq!((shard.index(), shard.shard(), shard.reason()), ("movies", Some(0), "node left"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnrestoredShard {
    pub(crate) index: String,
    pub(crate) shard: Option<u32>,
    pub(crate) reason: String,
}

impl UnrestoredShard {
    /// Returns the primary shard with this number, or the whole index if the number is `None`.
    ///
    /// For tests of code that handles reports.
    #[must_use]
    pub fn new(index: impl Into<String>, shard: Option<u32>, reason: impl Into<String>) -> Self {
        Self { index: index.into(), shard, reason: reason.into() }
    }

    /// Returns the index, under its new name.
    #[must_use]
    pub fn index(&self) -> &str {
        &self.index
    }

    /// Returns the number of the shard.
    ///
    /// `None` if the whole index is missing or was replaced.
    #[must_use]
    pub fn shard(&self) -> Option<u32> {
        self.shard
    }

    /// Returns why the shard was not restored, in the server's words if it gave a reason.
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
