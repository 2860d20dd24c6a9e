//! The handle for a snapshot.

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

/// A handle for one snapshot; returned by [`Repository::snapshot`].
///
/// A snapshot is a backup of indices in a repository. The handle consists of validated names and a
/// clone of the client, so cloning it is cheap. The snapshot need not exist yet:
/// [`Repository::create_snapshot`] creates it.
///
/// [`info`](Self::info) returns the description of the snapshot. [`restore`](Self::restore),
/// [`clone_to`](Self::clone_to) and [`delete`](Self::delete) change something at the server. The
/// methods `with_…` return a handle with other options for its calls.
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

    /// Returns a handle that is valid only for the snapshot with this uuid.
    ///
    /// The name of a deleted snapshot can be used again. Every call of this handle first checks
    /// that the snapshot with this name has the uuid. If it does not, the call fails with
    /// [`ErrorKind::SnapshotMissing`]. Only [`wait_for_deletion`](Self::wait_for_deletion) then
    /// succeeds, because the snapshot is gone. [`SnapshotInfo::uuid`] returns the uuid of a
    /// snapshot.
    ///
    /// One race remains, because the API addresses snapshots by name. If another snapshot takes the
    /// name between the check and the request, the request affects that snapshot.
    ///
    /// ```
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # let backups = domain.client().repository("backups")?;
    /// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    /// let info = backups.snapshot("monday")?.info().await?;
    /// if let Some(uuid) = info.uuid() {
    ///     let monday = backups.snapshot("monday")?.with_uuid(uuid);
    ///
    ///     // Another client replaces the snapshot.
    ///     domain.another_client_deletes("backups", "monday");
    ///     domain.another_client_creates("backups", "monday");
    ///     assert!(monday.info().await.unwrap_err().is_not_found());
    /// }
    /// # assert!(info.uuid().is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_uuid(&self, uuid: impl Into<String>) -> Self {
        Self { uuid: Some(uuid.into()), ..self.clone() }
    }

    /// Returns the name of the snapshot.
    #[must_use]
    pub fn name(&self) -> &SnapshotName {
        &self.name
    }

    /// Returns a handle for the repository of the snapshot.
    #[must_use]
    pub fn repository(&self) -> Repository {
        Repository::new(self.session.clone(), self.repository.clone())
    }

    /// Checks that the snapshot with this name has the uuid of this handle, if it has one.
    async fn check_uuid(&self, operation: Operation) -> Result<(), Error> {
        let Some(uuid) = &self.uuid else { return Ok(()) };
        let found =
            self.session.find_snapshot(&self.repository, &self.name, true).await.map_err(Error::before_sending)?;
        self.expect_uuid(uuid, &found, operation)
    }

    fn expect_uuid(&self, uuid: &str, found: &SnapshotInfo, operation: Operation) -> Result<(), Error> {
        if found.uuid() == Some(uuid) {
            return Ok(());
        }
        let text = format!(
            "snapshot {}:{} does not have the expected uuid {uuid}; another snapshot has taken its name",
            self.repository, self.name
        );
        Err(Error::new(ErrorKind::SnapshotMissing, Outcome::NotSent, text).during(operation, 0))
    }

    /// Returns the description of the snapshot. The snapshot may be running, or have ended.
    ///
    /// Sends `GET /_snapshot/{repository}/{snapshot}`.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::RepositoryMissing`] if the repository is not registered.
    /// * [`ErrorKind::SnapshotMissing`] if the snapshot does not exist, or if its file in the
    ///   repository is gone. In the second case [`Repository::list`] returns this error in
    ///   [`SnapshotList::unreadable`](crate::snapshot::SnapshotList::unreadable). A list [without
    ///   details](crate::ListSnapshots::with_verbose) does not need the file, so it contains the
    ///   snapshot.
    /// * See [`ErrorKind`] for others. The request is retried as described in [`RetryPolicy`].
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
            self.expect_uuid(uuid, &found, Operation::GetSnapshot)?;
        }
        Ok(found)
    }

    /// Returns how many shards, files and bytes of the snapshot were copied.
    ///
    /// Sends `GET /_snapshot/{repository}/{snapshot}/_status`. Use it for a running snapshot. For
    /// an ended one the request is slow, because the server reads a file for every shard.
    ///
    /// Do not use the state in the result: many versions report a `PARTIAL` snapshot as `SUCCESS`
    /// here. [`info`](Self::info) returns the correct state.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::SnapshotMissing`] if the snapshot does not exist.
    /// * [`ErrorKind::RepositoryMissing`] if the repository is not registered.
    /// * See [`ErrorKind`] for others. The request is retried as described in [`RetryPolicy`].
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

    /// Deletes the snapshot. A running snapshot is aborted first.
    ///
    /// Sends `DELETE /_snapshot/{repository}/{snapshot}` ([delete snapshot
    /// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-delete)).
    /// The server responds once the files are deleted. This can take longer than a gateway waits
    /// for a response.
    ///
    /// # After a lost response
    ///
    /// Before it sends the request, the client reads the uuid of the snapshot. After each of these
    /// failures, it checks whether the snapshot with this uuid still exists:
    ///
    /// * The response was lost: no usable response arrived.
    /// * The server reported a failure (HTTP 500). It may have deleted the snapshot before it
    ///   failed.
    ///
    /// The result of the check determines what follows:
    ///
    /// * **The snapshot is gone, or another snapshot has its name.** The call succeeds.
    /// * **The snapshot still exists.** The client checks again. Once three checks in a row, over
    ///   at least 10 s, have found the snapshot, it sends the request again. A long deletion may
    ///   still be running then. The second request does no harm, because it deletes the same
    ///   snapshot.
    ///
    /// The client sends the request at most three times, not counting requests that the server
    /// refused. [`RetryPolicy`](RetryPolicy#after-a-lost-response) describes the limits, and how
    /// the call ends if they are reached.
    ///
    /// The client reads the snapshot with `verbose=false`, so it can also delete a snapshot whose
    /// file is gone or broken.
    ///
    /// One race remains, because the API deletes by name. Another client may delete this snapshot
    /// and create one with the same name. If it does so after the last check, the request of this
    /// call can delete the new snapshot. A request whose response was lost can even reach the
    /// server after the call has returned.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::SnapshotMissing`] if the snapshot does not exist.
    /// * [`ErrorKind::RepositoryMissing`] if the repository is not registered.
    /// * [`ErrorKind::Busy`] if the snapshot is still being restored or cloned when the [queue
    ///   time](Self::with_queue_time) is over.
    /// * Any kind with [`Outcome::Unknown`] if the client could not determine in time whether the
    ///   snapshot is gone, or if the server refused five checks in a row. The deletion may still be
    ///   running: [`wait_for_deletion`](Self::wait_for_deletion) waits for its end.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the server finishes the deletion.
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
    ///     // The deletion may take hours. The wait only checks.
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

    /// Starts a clone of the snapshot, under another name in the same repository.
    ///
    /// Sends `PUT /_snapshot/{repository}/{snapshot}/_clone/{target}` ([clone snapshot
    /// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-clone)),
    /// and returns once the server has accepted the request. [`StartedSnapshot::wait`] then waits
    /// until the clone has ended.
    ///
    /// # After a lost response
    ///
    /// A clone has no metadata, so it has no [token](crate::snapshot::SnapshotToken) by which the
    /// client could recognise it. Instead, the client checks that no snapshot has the target's name
    /// before it sends the request. It checks again which snapshot has this name after each of
    /// these failures:
    ///
    /// * The response was lost: no usable response arrived.
    /// * The server reported a failure (HTTP 500). It may have started the clone before it failed.
    ///
    /// The result of the check determines what follows:
    ///
    /// * **The snapshot has no token.** The client assumes that this call has created it, and the
    ///   call succeeds. This is probable, but not certain: another client can have taken the name
    ///   in the meantime.
    /// * **The snapshot has a token.** The call fails with [`ErrorKind::SnapshotNameTaken`].
    /// * **No snapshot has the name.** The client checks again. Once three checks in a row, over at
    ///   least 10 s, have found no snapshot, it sends the request again.
    ///
    /// The client sends the request at most three times, not counting requests that the server
    /// refused. [`RetryPolicy`](RetryPolicy#after-a-lost-response) describes the limits, and how
    /// the call ends if they are reached.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`] if the target's name or the options are not valid. Nothing is
    ///   sent.
    /// * [`ErrorKind::SnapshotMissing`] if this snapshot does not exist.
    /// * [`ErrorKind::SnapshotNameTaken`] if another snapshot has the target's name.
    /// * [`ErrorKind::NotAllowed`] if an Amazon domain does not support the request ([Amazon's
    ///   guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/supported-operations.html)).
    /// * The others of [`Repository::create_snapshot`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the clone may have been started. The
    /// server then goes on with it.
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

    /// Starts a restore and returns once the server has accepted the request.
    ///
    /// Sends `POST /_snapshot/{repository}/{snapshot}/_restore` ([restore snapshot
    /// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-restore)).
    /// [`StartedRestore::wait`] then waits until the restore has ended.
    ///
    /// The global state of the cluster is restored only if the options request it. [Amazon's
    /// guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshot-restore.html)
    /// describes what can be restored on an Amazon domain.
    ///
    /// # After a lost response
    ///
    /// A second restore can overwrite data that was written after the first one. So the client
    /// sends the request again only if the first one had no effect. To determine this, it compares
    /// the state of the indices before and after:
    ///
    /// 1. Before it sends the request, the client determines which indices the restore writes. It
    ///    uses the snapshot's list of indices, and the patterns and the rename in the options.
    /// 2. It reads the state of these indices. This requires the permission
    ///    `cluster:monitor/state`.
    /// 3. After a lost response, it reads their state again. It does this also after a failure that
    ///    the server reported without a known reason (HTTP 500), because the server may have
    ///    started the restore before it failed. A refusal with a known reason, such as an open
    ///    index of the same name, ends the call at once.
    ///
    /// There are three cases:
    ///
    /// * **The restore had no effect.** When a restore starts, the server changes the state of all
    ///   its indices in one step. So a single unchanged index is enough to prove that the restore
    ///   had no effect. If no index existed before, all of them must still be missing. Three checks
    ///   in a row, over at least 10 s, must find this.
    ///   * The client sends the request again only if each index is still missing, or closed and
    ///     unchanged.
    ///   * Otherwise the client does not send it, because it could overwrite data. For example, the
    ///     server refuses to restore over an open index, but somebody may close the index before
    ///     the second request arrives. After a failure that the server reported (HTTP 500), the
    ///     call fails with [`Outcome::Rejected`]. After a lost response, the client checks until
    ///     the time of the call is over, because the first request may still arrive. The call then
    ///     fails with [`Outcome::Unknown`].
    /// * **A restore from this snapshot to exactly these indices was started after step 2.** The
    ///   call succeeds, and [`StartedRestore::how`] returns
    ///   [`HowStarted::Adopted`](crate::wait::HowStarted::Adopted). The client cannot distinguish
    ///   this restore from an identical one that another client has started at the same time.
    /// * **The indices have changed, and nothing shows that this restore has changed them.** If
    ///   five checks in a row find this, the call fails with [`Outcome::Unknown`].
    ///
    /// So a second request overwrites only what the first one would have overwritten, and nothing
    /// that was written later. The client sends the request at most three times, not counting
    /// requests that the server refused. [`RetryPolicy`](RetryPolicy#after-a-lost-response)
    /// describes the limits of the checks, and how the call ends if they are reached.
    ///
    /// # Restores that are sent only once
    ///
    /// The client sends the request again only if it can read the state of the indices, and if it
    /// can determine exactly which indices the restore writes. Otherwise it sends the request only
    /// once. There are these reasons:
    ///
    /// * The server does not return the state, for example because the permission
    ///   `cluster:monitor/state` is missing.
    /// * The client cannot read the snapshot, for example because it does not exist.
    /// * The options request the global state or feature states.
    /// * The options contain names with date math.
    /// * The pattern of the rename uses lookaround, backreferences or other syntax that the client
    ///   may not interpret as the server does.
    /// * The snapshot contains a system index of Elasticsearch, such as one of Kibana, and the
    ///   options do not name it: they use a wildcard that matches it, or name no indices at all.
    ///   Only the server knows whether it then restores the system index.
    /// * The snapshot contains both data streams and ordinary indices, and the options name no
    ///   indices, or begin with an exclusion such as `-logs-*`. OpenSearch then restores only the
    ///   data streams. Elasticsearch also restores the ordinary indices.
    /// * A data stream has failure indices, or its backing indices do not have the usual names.
    ///
    /// After a failure, the client checks whether such a restore was started. If a check finds it,
    /// the call succeeds. Otherwise the call fails, in most cases with [`Outcome::Unknown`]. It
    /// fails with [`Outcome::Rejected`] if the server reported the failure (HTTP 500) and three
    /// checks prove that the restore had no effect. They can prove that only if the client knows an
    /// index that the restore writes, and can read its state.
    ///
    /// Without the permission `cluster:monitor/state`, the client reads `_recovery` and
    /// `_cat/shards` instead. They show a restore only until its indices are closed, its shards are
    /// moved or its nodes are restarted. So a restore that they do not show may still have been
    /// started.
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`] if the options are not valid. Nothing is sent.
    /// * [`ErrorKind::SnapshotMissing`], [`ErrorKind::RepositoryMissing`] or
    ///   [`ErrorKind::IndexMissing`] if the snapshot, the repository or a named index does not
    ///   exist.
    /// * [`ErrorKind::Restore`] if the server refuses the restore: an open index has the name of a
    ///   restored one, aliases conflict, or the version or the state of the snapshot does not allow
    ///   it.
    /// * [`ErrorKind::Busy`] if another operation is still running when the [queue
    ///   time](Self::with_queue_time) is over.
    /// * Any kind with [`Outcome::Unknown`] if the client could not determine whether the restore
    ///   was started. [`Error::ticket`] then identifies the restore. There are these reasons:
    ///   * The time limit of the call is over.
    ///   * The server refused five checks in a row.
    ///   * Five checks in a row found a change that may have another cause.
    ///   * The server reported a failure (HTTP 500), and the checks could not prove that the
    ///     restore had no effect.
    ///   * The server permits the client to read neither the cluster state nor recoveries.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the restore may have been started. The
    /// server then goes on with it. To be able to start it again safely, use
    /// [`prepare_restore`](Self::prepare_restore) beforehand.
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
    /// // Restores beside the index in use. With aliases, searches would find both indices.
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

    /// Prepares a restore that can be started safely more than once. It starts nothing.
    ///
    /// A process can be killed while it starts a restore. Then nobody knows whether the server has
    /// received the request. To prevent this, store the result of this method, then give it to
    /// [`SnapshotClient::start`]. If the process is killed, another process can read the stored
    /// result and start the restore again. The client then compares the indices with their stored
    /// state, and sends the request only if the restore had no effect.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`] if the options are not valid, or if one of the reasons for
    ///   [sending a restore only once](#restores-that-are-sent-only-once) applies.
    /// * [`ErrorKind::RepositoryMissing`] or [`ErrorKind::SnapshotMissing`] if the repository or
    ///   the snapshot does not exist.
    /// * See [`ErrorKind`] for others. The reads are retried as described in [`RetryPolicy`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was started.
    ///
    /// [`SnapshotClient::start`]: crate::SnapshotClient::start
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
    /// // This can be another process.
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

    /// Returns a wait for the end of the snapshot.
    ///
    /// Any client may have started the snapshot. [`Wait`] describes the deadline and the errors.
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

    /// Returns a wait for the moment when the snapshot is gone. It deletes nothing.
    ///
    /// Without a [uuid](Self::with_uuid), it waits for the deletion of the snapshot that the first
    /// poll finds. [`Wait`] describes the deadline and the errors.
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
