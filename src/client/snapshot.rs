//! A snapshot, and what can be done with it.

use std::fmt;
use std::time::Duration;

use super::repository::parsed;
use super::{Repository, StartedRestore, StartedSnapshot, with_call_options};
use crate::call::{CallOptions, Session};
use crate::clock::BoxFuture;
use crate::config::{RetryPolicy, Timeouts};
use crate::error::{Error, ErrorKind, Operation, Outcome};
use crate::name::{RepositoryName, SnapshotName};
use crate::restore::{PreparedRestore, RestoreSnapshot};
use crate::snapshot::{CloneSnapshot, SnapshotInfo, SnapshotStatus};
use crate::ticket::{DeletionTicket, SnapshotTicket};
use crate::wait::Wait;

/// A handle of one snapshot; returned by [`Repository::snapshot`].
///
/// Cheap to clone. It holds a clone of the client and names that were checked. The snapshot need
/// not exist.
///
/// ```
/// use es_snapshot::RestoreSnapshot;
/// # use es_snapshot::CreateSnapshot;
/// # use es_snapshot::testing::FakeDomain;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// # let domain = FakeDomain::with_repository("backups").await;
/// # domain.create_index("movies", 2);
/// # let client = domain.client();
/// # let backups = client.repository("backups")?;
/// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
/// let snapshot = client.repository("backups")?.snapshot("monday")?;
/// let options = RestoreSnapshot::new().with_rename_prefix("restored-");
/// let report = snapshot.restore(options).await?.wait().await?.into_complete()?;
/// assert_eq!(report.indices(), ["restored-movies"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Snapshot {
    session: Session,
    repository: RepositoryName,
    name: SnapshotName,
    uuid: Option<String>,
}

impl Snapshot {
    pub(super) fn new(session: Session, repository: RepositoryName, name: SnapshotName) -> Self {
        Self { session, repository, name, uuid: None }
    }

    fn with(&self, change: impl FnOnce(&mut CallOptions)) -> Self {
        Self { session: self.session.with(change), ..self.clone() }
    }

    with_call_options!("handle");

    /// Returns a handle that stands for the snapshot with this uuid only, as
    /// [`SnapshotInfo::uuid`] returns it. Every call first checks that the name still has this
    /// uuid, and fails with [`ErrorKind::SnapshotMissing`] if another snapshot has taken the name.
    ///
    /// The API works by name. So a snapshot that takes the name in the instant between the check
    /// and the request is hit.
    ///
    /// ```
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # let backups = domain.client().repository("backups")?;
    /// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    /// let monday = backups.snapshot("monday")?;
    /// let uuid = monday.info().await?.uuid().unwrap_or_default().to_owned();
    /// let monday = monday.with_uuid(uuid);
    ///
    /// // Another client replaces the snapshot.
    /// domain.another_client_deletes("backups", "monday");
    /// domain.another_client_creates("backups", "monday");
    /// assert!(monday.info().await.unwrap_err().is_not_found());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_uuid(&self, uuid: impl Into<String>) -> Self {
        Self { uuid: Some(uuid.into()), ..self.clone() }
    }

    /// Returns the snapshot's name.
    #[must_use]
    pub fn name(&self) -> &SnapshotName {
        &self.name
    }

    /// Returns a handle of the repository.
    #[must_use]
    pub fn repository(&self) -> Repository {
        Repository::new(self.session.clone(), self.repository.clone())
    }

    /// Makes sure that the name has the uuid that this handle stands for.
    async fn check_uuid(&self, operation: Operation) -> Result<(), Error> {
        let Some(uuid) = &self.uuid else { return Ok(()) };
        let found =
            self.session.find_snapshot(&self.repository, &self.name, true).await.map_err(Error::before_sending)?;
        self.is_meant(uuid, &found, operation)
    }

    fn is_meant(&self, uuid: &str, found: &SnapshotInfo, operation: Operation) -> Result<(), Error> {
        if found.uuid() == Some(uuid) {
            return Ok(());
        }
        let text = format!(
            "{}:{} is not the snapshot of uuid {uuid}; another one has taken its name",
            self.repository, self.name
        );
        Err(Error::new(ErrorKind::SnapshotMissing, Outcome::NotSent, text).during(operation, 0))
    }

    /// Returns the snapshot (`GET /_snapshot/{repository}/{snapshot}`), running or ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RepositoryMissing`], [`ErrorKind::SnapshotMissing`]. The latter also if the
    /// repository lists it, but its own file is gone. A listing that is not
    /// [`verbose`](crate::ListSnapshots::with_verbose) still contains it then. Reads are repeated
    /// where that can help.
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::SnapshotState;
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # domain.create_index("movies", 2);
    /// # let client = domain.client();
    /// # let backups = client.repository("backups")?;
    /// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    /// let snapshot = backups.snapshot("monday")?.info().await?;
    /// assert_eq!(*snapshot.state(), SnapshotState::Success);
    /// assert_eq!(snapshot.indices(), ["movies"]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "get_snapshot")]
    #[doc(alias = "snapshot.get")]
    pub async fn info(&self) -> Result<SnapshotInfo, Error> {
        let found = self.session.find_snapshot(&self.repository, &self.name, false).await?;
        if let Some(uuid) = &self.uuid {
            self.is_meant(uuid, &found, Operation::GetSnapshot)?;
        }
        Ok(found)
    }

    /// Returns shards and bytes of a snapshot (`GET /_snapshot/{repository}/{snapshot}/_status`).
    ///
    /// The state in it is not the snapshot's final state: many versions show a `PARTIAL` one as
    /// `SUCCESS` here. [`info`](Self::info) returns the final state. The request is costly for
    /// ended snapshots, because the server reads every shard's file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SnapshotMissing`], [`ErrorKind::RepositoryMissing`]. Reads are repeated where
    /// that can help.
    ///
    /// # Examples
    ///
    /// ```
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # domain.create_index("movies", 2);
    /// # let client = domain.client();
    /// # let backups = client.repository("backups")?;
    /// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    /// let status = backups.snapshot("monday")?.status().await?;
    /// assert_eq!(status.shards().done(), status.shards().total());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "_status")]
    #[doc(alias = "snapshot.status")]
    #[doc(alias = "snapshot_status")]
    pub async fn status(&self) -> Result<SnapshotStatus, Error> {
        self.check_uuid(Operation::SnapshotStatus).await?;
        self.session.snapshot_status(&self.repository, &self.name).await
    }

    /// Deletes the snapshot (`DELETE /_snapshot/{repository}/{snapshot}`, [delete snapshot
    /// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-delete)),
    /// and aborts it if it is running.
    ///
    /// The server responds when the files are gone, which may take longer than a gateway waits. So
    /// the client reads the snapshot's uuid first, without details, so that a snapshot whose own
    /// file is gone or broken can be deleted. After a lost response the client checks. A snapshot
    /// that is gone, or replaced by one of another uuid, is deleted. If it is still there after
    /// three checks in a row over at least 10 s, the request is sent again. At most three requests
    /// may be unaccounted for. The call has at least 60 s for this, from the first check on,
    /// whatever [`Timeouts::with_call`] is.
    ///
    /// One race remains, since the API deletes by name: a snapshot that another client makes under
    /// this name after the last check, or while a lost request is still on its way, can be deleted.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::SnapshotMissing`], [`ErrorKind::RepositoryMissing`].
    /// * [`ErrorKind::Busy`] while it is being restored or cloned, for longer than
    ///   [`with_queue_time`](Self::with_queue_time) allows.
    /// * Any kind with [`Outcome::Unknown`]: the client could not determine in time whether the
    ///   snapshot is gone, or five checks in a row were refused. See
    ///   [`wait_for_deletion`](Self::wait_for_deletion).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the deletion goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::Outcome;
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # domain.create_index("movies", 2);
    /// # let client = domain.client();
    /// # let backups = client.repository("backups")?;
    /// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    /// let monday = backups.snapshot("monday")?;
    /// match monday.delete().await {
    ///     // The deletion may take hours. Waiting sends nothing again.
    ///     Err(error) if error.outcome() == Outcome::Unknown => monday.wait_for_deletion().await?,
    ///     deleted => deleted?,
    /// }
    /// assert!(monday.info().await.unwrap_err().is_not_found());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "delete_snapshot")]
    #[doc(alias = "snapshot.delete")]
    pub async fn delete(&self) -> Result<(), Error> {
        self.session.delete_snapshot(&self.repository, &self.name, self.uuid.as_deref()).await
    }

    /// Starts a clone of the snapshot within its repository
    /// (`PUT /_snapshot/{repository}/{snapshot}/_clone/{target}`, [clone snapshot
    /// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-clone)).
    /// [`StartedSnapshot::wait`] waits for its end.
    ///
    /// A clone carries no metadata, so no token. The client reads the target's name first, and
    /// after a lost response counts a snapshot of that name as this call's unless it carries a
    /// token. That is probable, not certain: another client may have taken the name meanwhile.
    ///
    /// If the target does not exist, the request is sent again after three checks in a row over at
    /// least 10 s. Otherwise the rules are those of
    /// [`create_snapshot`](Repository::create_snapshot).
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`], before anything is sent.
    /// * [`ErrorKind::SnapshotMissing`]: the source. [`ErrorKind::SnapshotNameTaken`]: the target.
    /// * [`ErrorKind::NotAllowed`] where an Amazon domain does not support the request ([Amazon's guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/supported-operations.html)).
    /// * The others of [`create_snapshot`](Repository::create_snapshot).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the clone may have been started and
    /// goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::CloneSnapshot;
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # domain.create_index("movies", 2);
    /// # let client = domain.client();
    /// # let backups = client.repository("backups")?;
    /// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    /// let options = CloneSnapshot::new(["movies"]);
    /// let clone = backups.snapshot("monday")?.clone_to("keep-monday", options).await?;
    /// let snapshot = clone.wait().await?.into_complete()?;
    /// assert_eq!(snapshot.name(), "keep-monday");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "_clone")]
    #[doc(alias = "clone_snapshot")]
    #[doc(alias = "snapshot.clone")]
    #[doc(alias = "snapshot_clone")]
    pub fn clone_to(
        &self,
        target: impl AsRef<str>,
        options: CloneSnapshot,
    ) -> BoxFuture<'static, Result<StartedSnapshot, Error>> {
        let (this, target) = (self.clone(), parsed(target, Operation::CloneSnapshot));
        Box::pin(async move {
            let target = target?;
            this.check_uuid(Operation::CloneSnapshot).await?;
            let (created, ticket) =
                this.session.clone_snapshot(&this.repository, &this.name, &target, &options).await?;
            Ok(StartedSnapshot::new(this.session, created, ticket))
        })
    }

    /// Starts a restore (`POST /_snapshot/{repository}/{snapshot}/_restore`, [restore snapshot
    /// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-restore))
    /// and returns once it is running. [`StartedRestore::wait`] waits for its end.
    ///
    /// The cluster's global state is restored only if the options request it. [Amazon's
    /// guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshot-restore.html)
    /// says what an Amazon domain restores.
    ///
    /// Before it sends anything, the client determines the indices that the request writes: from
    /// the snapshot's own list, the patterns and the rename. It reads their state, which takes the
    /// permission `cluster:monitor/state`. After a lost response it compares:
    ///
    /// * **Nothing happened**: the state proves it. After three checks in a row over at least 10 s
    ///   the request is sent again, if every target is absent, or closed and untouched. So nothing
    ///   that was restored, or written since, is overwritten. At most three requests may be
    ///   unaccounted for. If the engine itself reported a failure, and reports it again or nothing
    ///   may be sent again, the call fails with [`Outcome::Rejected`].
    /// * **This restore is running or done**, of exactly these indices:
    ///   [`HowStarted::Adopted`](crate::wait::HowStarted::Adopted). An identical restore by another
    ///   client at that moment cannot be distinguished from this one.
    /// * **Something else changed**: [`Outcome::Unknown`].
    ///
    /// The request is sent only once if the indices cannot be determined exactly. That is so with
    /// the global state or feature states, with date math among the names, with a rename that uses
    /// lookaround or backreferences, with indices whose names begin with a dot unless they are
    /// named or belong to a data stream, and where the snapshot cannot be read. A lost response
    /// then ends as adopted or as [`Outcome::Unknown`].
    ///
    /// Where `cluster:monitor/state` is refused, the client reads `_recovery` and `_cat/shards`
    /// instead. They show a restore that is running or has just ended. They do not show one whose
    /// index was closed or moved, or whose node was restarted. So the request is sent only once,
    /// and a lost response or a reported failure ends as adopted or as [`Outcome::Unknown`].
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`], before anything is sent.
    /// * [`ErrorKind::SnapshotMissing`], [`ErrorKind::RepositoryMissing`],
    ///   [`ErrorKind::IndexMissing`].
    /// * [`ErrorKind::Restore`]: an open index of that name exists, aliases conflict, or version or
    ///   state do not allow it.
    /// * [`ErrorKind::Busy`]: another operation is running, for longer than
    ///   [`with_queue_time`](Self::with_queue_time) allows.
    /// * Any kind with [`Outcome::Unknown`]: the client could not determine in time whether the
    ///   restore was started, five checks in a row were refused or showed a change that cannot be
    ///   attributed, or neither the state nor recoveries may be read.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the restore may have been started and
    /// goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::RestoreSnapshot;
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # domain.create_index("movies", 2);
    /// # let client = domain.client();
    /// # let backups = client.repository("backups")?;
    /// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    /// // Beside the index in use, whose aliases would lead to both.
    /// let options = RestoreSnapshot::new()
    ///     .with_indices(["movies"])
    ///     .with_rename_prefix("restored-")
    ///     .with_include_aliases(false);
    /// let restore = backups.snapshot("monday")?.restore(options).await?;
    ///
    /// let report = restore.wait().await?.into_complete()?;
    /// assert_eq!(report.indices(), ["restored-movies"]);
    /// assert_eq!(report.shards_total(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "_restore")]
    #[doc(alias = "restore_snapshot")]
    #[doc(alias = "snapshot.restore")]
    #[doc(alias = "snapshot_restore")]
    pub async fn restore(&self, options: RestoreSnapshot) -> Result<StartedRestore, Error> {
        self.check_uuid(Operation::RestoreSnapshot).await?;
        let (response, ticket) = self.session.restore_snapshot(&self.repository, &self.name, &options).await?;
        Ok(StartedRestore::new(self.session.clone(), response, ticket))
    }

    /// Prepares a restore and sends nothing but reads, for a caller who must survive being killed
    /// while it is started. Store the result, then give it to
    /// [`SnapshotClient::start`](crate::SnapshotClient::start).
    ///
    /// # Errors
    ///
    /// Those of [`restore`](Self::restore), and [`ErrorKind::InvalidInput`] if the indices that the
    /// restore writes cannot be determined exactly, or their state cannot be read.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was started.
    ///
    /// # Examples
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
    /// assert!(prepared.indices().eq(["restored-movies"]));
    /// let stored = serde_json::to_string(&prepared)?;
    ///
    /// // The same process, or the next one.
    /// let prepared: PreparedRestore = serde_json::from_str(&stored)?;
    /// client.start(prepared).await?.wait().await?.into_complete()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "_restore")]
    #[doc(alias = "snapshot.restore")]
    pub async fn prepare_restore(&self, options: RestoreSnapshot) -> Result<PreparedRestore, Error> {
        self.check_uuid(Operation::RestoreSnapshot).await?;
        self.session.prepare_restore(&self.repository, &self.name, options).await
    }

    /// Returns a wait for the end of the snapshot, whoever started it. See [`Wait`] for its errors
    /// and its deadline.
    ///
    /// ```
    /// # use es_snapshot::testing::FakeDomain;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # let backups = domain.client().repository("backups")?;
    /// domain.another_client_creates("backups", "monday");
    ///
    /// let ended = backups.snapshot("monday")?.wait().await?.into_complete()?;
    /// assert_eq!(ended.name(), "monday");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "wait_for_completion")]
    pub fn wait(&self) -> Wait<SnapshotInfo> {
        let ticket = SnapshotTicket::named(self.repository.clone(), self.name.clone());
        let ticket = match &self.uuid {
            Some(uuid) => ticket.with_uuid(uuid),
            None => ticket,
        };
        Wait::new(self.session.clone(), ticket.into())
    }

    /// Returns a wait until the snapshot is gone. It deletes nothing itself. Without a
    /// [uuid](Self::with_uuid) it waits for the snapshot that the first poll finds under the name.
    /// See [`Wait`] for its errors and its deadline.
    ///
    /// ```
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # let backups = domain.client().repository("backups")?;
    /// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    /// let monday = backups.snapshot("monday")?;
    /// domain.another_client_deletes("backups", "monday");
    ///
    /// monday.wait_for_deletion().await?;
    /// assert!(monday.info().await.unwrap_err().is_not_found());
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_deletion(&self) -> Wait<()> {
        let ticket = DeletionTicket::named(self.repository.clone(), self.name.clone(), self.uuid.clone());
        Wait::new(self.session.clone(), ticket.into())
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("repository", &self.repository.as_str())
            .field("name", &self.name.as_str())
            .field("uuid", &self.uuid)
            .field("endpoint", &self.session.core.endpoint.to_string())
            .finish_non_exhaustive()
    }
}
