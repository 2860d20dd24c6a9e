//! The results of operations on several snapshots: what succeeded, and what failed.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::SnapshotInfo;
use crate::error::{Error, Operation};

/// The snapshots of a repository, returned by [`Repository::list`](crate::Repository::list).
///
/// Its iterator returns the snapshots that the server could read.
///
/// ```
/// use es_snapshot::snapshot::SnapshotList;
///
/// let monday = serde_json::from_str(r#"{"snapshot":"monday","state":"SUCCESS"}"#)?;
/// let list = SnapshotList::new(vec![monday], Vec::new());
/// assert!(list.is_complete());
/// assert_eq!(list.snapshots()[0].name(), "monday");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, Serialize)]
#[must_use = "some of the snapshots may not be readable"]
pub struct SnapshotList {
    snapshots: Vec<SnapshotInfo>,
    unreadable: Vec<SnapshotFailure>,
}

impl SnapshotList {
    /// Returns a list of these snapshots, for use in tests.
    pub fn new(snapshots: Vec<SnapshotInfo>, unreadable: Vec<SnapshotFailure>) -> Self {
        Self { snapshots, unreadable }
    }

    /// Returns the snapshots that the server could read.
    ///
    /// The oldest is first, unless they were requested without details.
    #[must_use]
    pub fn snapshots(&self) -> &[SnapshotInfo] {
        &self.snapshots
    }

    /// Returns the snapshots that are in the repository, but that the server could not read.
    ///
    /// The file of such a snapshot is gone or broken.
    #[must_use]
    pub fn unreadable(&self) -> &[SnapshotFailure] {
        &self.unreadable
    }

    /// Returns whether the server could read every snapshot.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unreadable.is_empty()
    }

    /// Returns the snapshots if the server could read all of them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete) if it could not. The error names the
    /// first three that it could not read.
    pub fn into_complete(self) -> Result<Vec<SnapshotInfo>, Error> {
        if self.is_complete() {
            return Ok(self.snapshots);
        }
        let total = self.unreadable.len() + self.snapshots.len();
        Err(Error::incomplete(Operation::ListSnapshots, &self.unreadable, total as u64, "snapshots cannot be read"))
    }
}

impl IntoIterator for SnapshotList {
    type Item = SnapshotInfo;
    type IntoIter = std::vec::IntoIter<SnapshotInfo>;

    fn into_iter(self) -> Self::IntoIter {
        self.snapshots.into_iter()
    }
}

/// The result of deleting several snapshots: which are deleted, and which are not.
///
/// [`Repository::delete_snapshots`](crate::Repository::delete_snapshots) returns it.
///
/// ```
/// use es_snapshot::snapshot::DeletionReport;
///
/// let report = DeletionReport::new(vec!["nightly-2024.05.01".to_owned()], Vec::new());
/// assert!(report.is_complete());
/// assert_eq!(report.deleted(), ["nightly-2024.05.01"]);
/// ```
#[derive(Clone, Debug, Default, Serialize)]
#[must_use = "some of the snapshots may not be deleted"]
pub struct DeletionReport {
    deleted: Vec<String>,
    failed: Vec<SnapshotFailure>,
}

impl DeletionReport {
    /// Returns a report of these snapshots, for use in tests.
    pub fn new(deleted: Vec<String>, failed: Vec<SnapshotFailure>) -> Self {
        Self { deleted, failed }
    }

    /// Returns the names of the snapshots that are deleted, in the order of their deletion.
    #[must_use]
    pub fn deleted(&self) -> &[String] {
        &self.deleted
    }

    /// Returns the snapshots that could not be deleted, and why.
    #[must_use]
    pub fn failed(&self) -> &[SnapshotFailure] {
        &self.failed
    }

    /// Returns whether every snapshot is deleted.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty()
    }

    /// Returns the report if every snapshot is deleted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete) if one is not. The error names the
    /// first three that failed.
    pub fn into_complete(self) -> Result<Self, Error> {
        if self.is_complete() {
            return Ok(self);
        }
        let total = self.failed.len() + self.deleted.len();
        Err(Error::incomplete(Operation::DeleteSnapshot, &self.failed, total as u64, "snapshots were not deleted"))
    }
}

/// A snapshot that could not be read or deleted, and why.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotFailure {
    name: String,
    #[serde(serialize_with = "shared")]
    error: Arc<Error>,
}

fn shared<S: Serializer>(error: &Arc<Error>, serializer: S) -> Result<S::Ok, S::Error> {
    error.as_ref().serialize(serializer)
}

impl SnapshotFailure {
    /// Returns the failure of the snapshot with this name.
    pub fn new(name: impl Into<String>, error: Error) -> Self {
        Self { name: name.into(), error: Arc::new(error) }
    }

    /// Returns the snapshot's name as the server wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns why the snapshot could not be read or deleted.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }
}

impl fmt::Display for SnapshotFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.error)
    }
}
