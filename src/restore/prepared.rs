//! Restores that are prepared, stored and started later, possibly by another process.

use serde::{Deserialize, Serialize};

use super::{EarlierRestores, Marks, RestoreSnapshot, Targets, Tombstones};
use crate::name::{RepositoryName, SnapshotName};
use crate::ticket::RestoreTicket;

/// A restore that has been prepared but not sent.
///
/// [`Snapshot::prepare_restore`](crate::Snapshot::prepare_restore) returns it. It contains the
/// options, the indices that the restore writes, and what the cluster state showed of them. Store
/// it, then pass it to [`SnapshotClient::start`](crate::SnapshotClient::start).
///
/// If the process is killed during that call, another process can read the stored form and start it
/// again. The client compares the indices with what is stored, so nothing is restored twice.
///
/// The stored form has a version. It contains no secrets, unless the options do.
///
/// ```
/// use es_snapshot::RestoreSnapshot;
/// use es_snapshot::restore::PreparedRestore;
/// # use es_snapshot::CreateSnapshot;
/// # use es_snapshot::testing::FakeDomain;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let domain = FakeDomain::with_repository("backups").await;
/// # domain.create_index("movies", 2);
/// # let client = domain.client();
/// # let backups = client.repository("backups")?;
/// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
/// let options = RestoreSnapshot::new().with_rename_prefix("restored-");
/// let prepared = backups.snapshot("monday")?.prepare_restore(options).await?;
/// let stored = serde_json::to_string(&prepared)?;
///
/// // In this process or another one.
/// let prepared: PreparedRestore = serde_json::from_str(&stored)?;
/// assert!(prepared.indices().eq(["restored-movies"]));
/// client.start(prepared).await?.wait().await?.into_complete()?;
/// # Ok(())
/// # }
/// ```
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
    /// The last deleted indices before the first send. `None` if every target exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tombstones: Option<Tombstones>,
    pub(crate) earlier: EarlierRestores,
    /// Whether it was prepared here rather than read from its stored form, so that it cannot have
    /// been sent before.
    #[serde(skip)]
    is_new: bool,
}

/// The version of the stored form. This release of the crate writes and reads no other.
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
            "prepared restore has version {version}, expected {VERSION}; it was written by another release of this crate"
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

    /// Returns the repository's name.
    #[must_use]
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Returns the snapshot's name.
    #[must_use]
    pub fn snapshot(&self) -> &SnapshotName {
        &self.snapshot
    }

    /// Returns the snapshot's uuid, if the server reports one.
    #[must_use]
    pub fn snapshot_uuid(&self) -> Option<&str> {
        self.snapshot_uuid.as_deref()
    }

    /// Returns the options of the restore.
    #[must_use]
    pub fn options(&self) -> &RestoreSnapshot {
        &self.options
    }

    /// Returns the indices that the restore writes, under their new names.
    pub fn indices(&self) -> impl Iterator<Item = &str> {
        self.targets.iter()
    }

    /// Returns the ticket with which any process can wait for the restore once it is started.
    #[must_use]
    pub fn ticket(&self) -> RestoreTicket {
        let mut ticket = RestoreTicket::named(self.repository.clone(), self.snapshot.clone());
        ticket.set_snapshot_uuid(self.snapshot_uuid());
        self.targets.iter().for_each(|index| ticket.add(index.to_owned(), None, self.targets.source(index)));
        ticket.close_list();
        ticket
    }

    /// Returns whether an earlier process may have sent it already.
    pub(crate) fn may_have_been_sent(&self) -> bool {
        !self.is_new
    }
}
