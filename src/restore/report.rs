//! How a restore ended, shard by shard.

use std::fmt;

use crate::error::{Error, ErrorKind, Operation, Outcome};

/// How a restore ended, shard by shard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a restore that has ended need not be complete"]
pub struct RestoreReport {
    pub(crate) indices: Vec<String>,
    pub(crate) shards_total: u64,
    pub(crate) unrestored: Vec<UnrestoredShard>,
}

impl RestoreReport {
    /// The indices that were restored, by the names they have now.
    #[must_use]
    pub fn indices(&self) -> &[String] {
        &self.indices
    }

    /// The primaries that were expected.
    #[must_use]
    pub fn shards_total(&self) -> u64 {
        self.shards_total
    }

    /// The primaries that are not there or do not come from the snapshot.
    #[must_use]
    pub fn unrestored(&self) -> &[UnrestoredShard] {
        &self.unrestored
    }

    /// The report, if every shard was restored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Incomplete`], naming the shards.
    pub fn into_complete(self) -> Result<Self, Error> {
        if self.unrestored.is_empty() {
            return Ok(self);
        }
        let first: Vec<String> = self.unrestored.iter().take(3).map(ToString::to_string).collect();
        let text = format!("{} of {} shards were not restored: {}", self.unrestored.len(), self.shards_total, first.join("; "));
        Err(Error::new(ErrorKind::Incomplete, Outcome::Rejected, text).during(Operation::RestoreSnapshot, 1))
    }
}

/// A primary that a restore did not bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnrestoredShard {
    pub(crate) index: String,
    pub(crate) shard: Option<u32>,
    pub(crate) reason: String,
}

impl UnrestoredShard {
    /// The index.
    #[must_use]
    pub fn index(&self) -> &str {
        &self.index
    }

    /// The shard's number; `None` if the whole index is missing.
    #[must_use]
    pub fn shard(&self) -> Option<u32> {
        self.shard
    }

    /// Why, in the server's words where it gave any.
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
