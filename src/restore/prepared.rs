//! A restore that is prepared, stored, and started later, perhaps by another process.

use serde::{Deserialize, Serialize};

use super::{EarlierRestores, Marks, RestoreSnapshot, Targets, Tombstones};
use crate::name::{RepositoryName, SnapshotName};
use crate::ticket::RestoreTicket;

/// A restore that has been prepared, but not sent; returned by
/// [`Snapshot::prepare_restore`](crate::Snapshot::prepare_restore).
///
/// It contains the options, the indices that the restore writes, and what the cluster state showed
/// of them. Store it, then give it to [`SnapshotClient::start`](crate::SnapshotClient::start). If
/// the process is killed during that call, another process reads it back and starts it again: the
/// client compares the indices with what is stored, so nothing is restored twice.
///
/// It serialises with a version. Secrets are not in it, unless they are in the options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreparedRestore {
    version: Version,
    repository: RepositoryName,
    snapshot: SnapshotName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot_uuid: Option<String>,
    options: RestoreSnapshot,
    pub(crate) targets: Targets,
    /// The targets in the cluster state before the first send.
    pub(crate) marks: Marks,
    /// The deletions before the first send; `None` where every target exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tombstones: Option<Tombstones>,
    pub(crate) earlier: EarlierRestores,
    /// It was not read back, so nobody can have sent it.
    #[serde(skip)]
    is_new: bool,
}

/// The version of the stored form that this version of the crate writes, and the only one that it
/// reads.
const VERSION: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
struct Version;

impl TryFrom<u32> for Version {
    type Error = String;

    fn try_from(version: u32) -> Result<Self, String> {
        if version == VERSION {
            return Ok(Self);
        }
        Err(format!(
            "a prepared restore of version {version} was made by another release; this one reads version {VERSION}"
        ))
    }
}

impl From<Version> for u32 {
    fn from(_: Version) -> Self {
        VERSION
    }
}

/// What is known before a restore is sent.
pub(crate) struct Groundwork {
    pub(crate) snapshot_uuid: Option<String>,
    pub(crate) targets: Targets,
    pub(crate) marks: Marks,
    pub(crate) tombstones: Option<Tombstones>,
    pub(crate) earlier: EarlierRestores,
}

impl PreparedRestore {
    pub(crate) fn new(
        repository: RepositoryName,
        snapshot: SnapshotName,
        options: RestoreSnapshot,
        ground: Groundwork,
    ) -> Self {
        let Groundwork { snapshot_uuid, targets, marks, tombstones, earlier } = ground;
        let version = Version;
        Self {
            version,
            repository,
            snapshot,
            snapshot_uuid,
            options,
            targets,
            marks,
            tombstones,
            earlier,
            is_new: true,
        }
    }

    /// Returns the repository.
    #[must_use]
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Returns the snapshot's name.
    #[must_use]
    pub fn snapshot(&self) -> &SnapshotName {
        &self.snapshot
    }

    /// Returns the snapshot's uuid, if the server shows one.
    #[must_use]
    pub fn snapshot_uuid(&self) -> Option<&str> {
        self.snapshot_uuid.as_deref()
    }

    /// Returns the options.
    #[must_use]
    pub fn options(&self) -> &RestoreSnapshot {
        &self.options
    }

    /// Returns the indices that the restore writes, under their new names.
    pub fn indices(&self) -> impl Iterator<Item = &str> {
        self.targets.iter()
    }

    /// Returns the ticket that the restore has once it is started.
    #[must_use]
    pub fn ticket(&self) -> RestoreTicket {
        let mut ticket = RestoreTicket::named(self.repository.clone(), self.snapshot.clone());
        ticket.set_snapshot_uuid(self.snapshot_uuid());
        self.targets.iter().for_each(|index| ticket.add(index.to_owned(), None, self.targets.source(index)));
        ticket.close_list();
        ticket
    }

    /// Whether a process that is gone may have sent it already.
    pub(crate) fn may_have_been_sent(&self) -> bool {
        !self.is_new
    }
}
