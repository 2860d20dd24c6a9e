//! The client: one method for each operation of the snapshot API.

pub(crate) mod builder;
mod info;
mod raw;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use serde_json::Value;

pub use info::ServerInfo;
pub use raw::{RawReply, RawRequest};

use crate::call::read::asked_for;
use crate::call::{CallOptions, Core, Session};
use crate::client::builder::SnapshotClientBuilder;
use crate::config::{RetryPolicy, Timeouts};
use crate::error::{Error, ErrorKind, Operation, Outcome};
use crate::name::{DateMathName, IndexName, RepositoryName, SnapshotName, SnapshotPattern};
use crate::repository::{
    Acknowledged, CleanUp, Repository, RepositoryMap, RepositorySettings, S3Settings, VerifiedNode, VerifiedNodes,
};
use crate::request;
use crate::restore::{RestoreSnapshot, ShardRecovery, StartedRestore};
use crate::snapshot::SnapshotStatus;
use crate::snapshot::{CloneSnapshot, CreateSnapshot, CreatedSnapshot, ListSnapshots, SnapshotInfo};
use crate::ticket::{RestoreTicket, SnapshotTicket};
use crate::wait::restore::WaitForRestore;
use crate::wait::snapshot::{WaitForDeletion, WaitForSnapshot};

/// A client of one domain or cluster.
///
/// Cheap to clone; clones share connections, credentials, what was learned of the domain's clock, and the budget of
/// retries. Calls may run concurrently.
///
/// # Runtime
///
/// By default a client needs a tokio runtime: for the timers of [`SystemClock`](crate::SystemClock) and the sockets of
/// `HyperTransport`. A call outside of one ends with [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput). On a
/// runtime whose timers or I/O are disabled the call panics, as tokio itself does: build it with `enable_all`. A client
/// with another clock and transport runs on any executor.
///
/// # Cancel safety
///
/// Any future of this crate may be dropped at any time and leaves nothing half-done in the client. What a request has
/// already set off at the domain goes on there; nothing is cancelled or deleted by dropping.
///
/// # Examples
///
/// ```no_run
/// use es_snapshot::{CreateSnapshot, RepositoryName, S3Settings, SnapshotClient, SnapshotName};
///
/// # async fn run(provider: impl aws_credential_types::provider::ProvideCredentials + 'static) -> Result<(), es_snapshot::Error> {
/// let client = SnapshotClient::builder("https://vpc-logs-x1y2.ap-northeast-1.es.amazonaws.com")
///     .credentials(provider)
///     .build()?;
///
/// let repository: RepositoryName = "my-snapshot-repo".parse()?;
/// let settings = S3Settings::new("my-bucket-4-es")
///     .region("ap-northeast-1")
///     .role_arn("arn:aws:iam::123456789012:role/TestRole".parse()?);
/// client.register_repository(&repository, &settings.into()).await?;
///
/// let name: SnapshotName = "my-first-snapshot".parse()?;
/// client.create_snapshot(&repository, &name, &CreateSnapshot::new().indices(["movies"])).await?;
/// let snapshot = client.wait_for_snapshot(&repository, &name).await?.into_complete()?;
/// println!("{} {} {:?}", snapshot.name(), snapshot.state(), snapshot.duration());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SnapshotClient {
    session: Session,
}

impl SnapshotClient {
    /// Starts a client of the domain at this URL, such as `https://vpc-NAME-ID.REGION.es.amazonaws.com`.
    pub fn builder(endpoint: impl Into<String>) -> SnapshotClientBuilder {
        SnapshotClientBuilder::new(endpoint.into())
    }

    pub(crate) fn new(core: Core, options: CallOptions) -> Self {
        Self { session: Session { core: Arc::new(core), options } }
    }

    fn with(&self, change: impl FnOnce(&mut CallOptions)) -> Self {
        Self { session: self.session.with(change) }
    }

    /// The same client with other time limits.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use es_snapshot::{SnapshotClient, Timeouts};
    /// # fn main() -> Result<(), es_snapshot::Error> {
    /// let client = SnapshotClient::builder("http://localhost:9200").build()?;
    /// let patient = client.with_timeouts(Timeouts::new().attempt(Duration::from_secs(600)).call(Duration::from_secs(900)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_timeouts(&self, timeouts: Timeouts) -> Self {
        self.with(|options| options.timeouts = timeouts)
    }

    /// The same client with another retry policy.
    #[must_use]
    pub fn with_retry(&self, retry: RetryPolicy) -> Self {
        self.with(|options| options.retry = retry)
    }

    /// The same client waiting this long when a snapshot, deletion, clone or clean-up is in the way of what it is to do, and
    /// trying again meanwhile. Default: not at all; the call then fails with [`ErrorKind::Busy`].
    #[must_use]
    pub fn with_queue_time(&self, queue: Duration) -> Self {
        self.with(|options| options.queue = queue)
    }

    /// The same client telling the server how long to wait for an elected master (`master_timeout`, in milliseconds), on the
    /// endpoints of snapshots and repositories. Default: not told; the server's own is 30 s. A change may still be applied
    /// after the server gave up.
    #[must_use]
    pub fn with_master_timeout(&self, limit: Duration) -> Self {
        self.with(|options| options.master_timeout = Some(limit))
    }

    /// The same client sending this `X-Opaque-Id`, which shows up in the server's tasks and slow logs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if no header can carry it.
    pub fn with_opaque_id(&self, id: &str) -> Result<Self, Error> {
        let id = HeaderValue::from_str(id).map_err(|_| Error::invalid(format!("opaque id {id:?} cannot be sent in a header")))?;
        Ok(self.with(|options| options.opaque_id = Some(id)))
    }

    /// Resolves a date-math name such as `<nightly-{now/d}>` by the domain's clock, as far as it is known.
    ///
    /// The server would resolve it too, but its answer does not say to what; a name that was resolved here can be asked for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the result is no snapshot name.
    pub fn resolve(&self, name: &DateMathName) -> Result<SnapshotName, Error> {
        name.resolve(self.session.core.now())
    }

    /// Name and version of the server (`GET /`).
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`]; reads are repeated where that can help.
    pub async fn server_info(&self) -> Result<ServerInfo, Error> {
        self.session.call(&request::server_info()).await
    }

    /// Registers a repository, or changes its settings (`PUT /_snapshot/{repository}`), and has all nodes verify it.
    ///
    /// On an Amazon domain this is the call that must be signed: the service checks `iam:PassRole` on `role_arn` for the
    /// signer (Amazon OpenSearch Service developer guide, "Registering a manual snapshot repository").
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`], before anything is sent: settings that cannot work; a setting
    ///   that may be a secret (by its key, or as the password in a URL) over `http://` to another host
    ///   without [consent](crate::SnapshotClientBuilder::danger_send_credentials_unencrypted); a name
    ///   starting with `cs-` on an Amazon domain, where it is reserved.
    /// * [`ErrorKind::MissingRoleArn`]: an S3 repository on an Amazon domain without `role_arn`; told without sending where
    ///   the endpoint's host is Amazon's.
    /// * [`ErrorKind::AccessDenied`]: `iam:PassRole`, a policy, or fine-grained access control.
    /// * [`ErrorKind::RepositoryVerification`]: the nodes cannot write to it. It **is registered** then, but for Elasticsearch 8
    ///   and later.
    /// * [`ErrorKind::Busy`]: it is registered and in use.
    ///
    /// # Cancel safety
    ///
    /// Dropped after the request was sent, the repository may be registered; doing it again does no harm.
    pub async fn register_repository(
        &self,
        repository: &RepositoryName,
        settings: &RepositorySettings,
    ) -> Result<Acknowledged, Error> {
        self.register(repository, settings, true).await
    }

    /// [`register_repository`](Self::register_repository) without the verification (`?verify=false`).
    ///
    /// # Errors
    ///
    /// As there, but for the verification: what is wrong with the storage shows up with the first snapshot.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn register_repository_unverified(
        &self,
        repository: &RepositoryName,
        settings: &RepositorySettings,
    ) -> Result<Acknowledged, Error> {
        self.register(repository, settings, false).await
    }

    async fn register(
        &self,
        repository: &RepositoryName,
        settings: &RepositorySettings,
        verify: bool,
    ) -> Result<Acknowledged, Error> {
        let operation = Operation::RegisterRepository;
        let refuse = |error: Error| error.during(operation, 0);
        settings.validate().map_err(refuse)?;
        if let Some(key) = settings.secret().filter(|_| !self.session.core.is_confidential) {
            let text = format!(
                "setting {key:?} may be a secret and would be sent unencrypted to {}; use https://, or consent by \
                 SnapshotClientBuilder::danger_send_credentials_unencrypted",
                self.session.core.endpoint
            );
            return Err(refuse(Error::invalid(text)));
        }
        if self.session.core.endpoint.region().is_some() {
            if repository.as_str().starts_with("cs-") {
                let text =
                    format!("repository name {:?} starts with `cs-`, which the service keeps for its own", repository.as_str());
                return Err(refuse(Error::invalid(text)));
            }
            let lacks_role = |s3: &S3Settings| s3.get_role_arn().is_none() && !s3.other().contains_key("role_arn");
            if matches!(settings, RepositorySettings::S3(s3) if lacks_role(s3)) {
                let text = "an Amazon domain needs the role that it is to read and write the bucket with";
                return Err(refuse(Error::new(ErrorKind::MissingRoleArn, Outcome::NotSent, text)));
            }
        }
        let request = request::register_repository(repository, settings, verify).map_err(refuse)?;
        self.session.queued(request.replay, repository, || self.session.call(&request)).await
    }

    /// One repository's definition (`GET /_snapshot/{repository}`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RepositoryMissing`] if it is not registered.
    pub async fn get_repository(&self, repository: &RepositoryName) -> Result<Repository, Error> {
        let request = request::get_repository(repository);
        self.session
            .call_with(&request, |reply| {
                let map: RepositoryMap = reply.decode()?;
                asked_for(map.0.into_iter().find(|found| found.name() == repository.as_str()))
            })
            .await
    }

    /// All repositories (`GET /_snapshot`), Amazon's own `cs-…` ones among them.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`].
    pub async fn list_repositories(&self) -> Result<Vec<Repository>, Error> {
        let map: RepositoryMap = self.session.call(&request::list_repositories()).await?;
        Ok(map.0)
    }

    /// Has every node write to the repository and read from it (`POST /_snapshot/{repository}/_verify`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RepositoryVerification`] with the nodes' words; [`ErrorKind::NotAllowed`] where Amazon's allow-list
    /// does not let it through.
    ///
    /// # Cancel safety
    ///
    /// Dropped after the request was sent, the nodes finish the check; it leaves nothing behind.
    pub async fn verify_repository(&self, repository: &RepositoryName) -> Result<Vec<VerifiedNode>, Error> {
        let nodes: VerifiedNodes = self.session.call(&request::verify_repository(repository)).await?;
        Ok(nodes.0)
    }

    /// Deletes what no snapshot refers to any more (`POST /_snapshot/{repository}/_cleanup`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`] while a snapshot, deletion or clean-up runs.
    ///
    /// # Cancel safety
    ///
    /// Dropped after the request was sent, the clean-up goes on; doing it again does no harm.
    pub async fn cleanup_repository(&self, repository: &RepositoryName) -> Result<CleanUp, Error> {
        let request = request::clean_up_repository(repository);
        self.session.queued(request.replay, repository, || self.session.call(&request)).await
    }

    /// Forgets a repository (`DELETE /_snapshot/{repository}`); its snapshots stay in the bucket.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RepositoryMissing`] if it is not registered, unless an earlier answer of the same call was lost: then it
    /// is taken as done. [`ErrorKind::Busy`] if it is in use.
    ///
    /// # Cancel safety
    ///
    /// Dropped after the request was sent, the repository may be unregistered; doing it again tells
    /// [`ErrorKind::RepositoryMissing`] then.
    #[doc(alias = "delete_repository")]
    pub async fn unregister_repository(&self, repository: &RepositoryName) -> Result<Acknowledged, Error> {
        let request = request::unregister_repository(repository);
        match self.session.queued(request.replay, repository, || self.session.call(&request)).await {
            Err(error) if error.kind() == ErrorKind::RepositoryMissing && error.outcome() == Outcome::Unknown => {
                Ok(Acknowledged::by_absence())
            }
            result => result,
        }
    }

    /// Starts a snapshot (`PUT /_snapshot/{repository}/{snapshot}`) and returns when it runs; see
    /// [`wait_for_snapshot`](Self::wait_for_snapshot) for its end.
    ///
    /// The snapshot's metadata carries a token. When an answer is lost, a gateway fails, or the name turns out to be taken,
    /// the domain is asked for the snapshot and the token tells whose it is: [`CreatedSnapshot::Adopted`], or the error
    /// that the name is taken. If nothing has come of the request, as seen by three looks in a row over at least ten seconds, it
    /// is sent again with the same token. An engine that answers that it failed (HTTP 500) may have begun, so that counts as
    /// a lost answer. No snapshot is made twice, and none that exists is called failed.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`], before anything is sent.
    /// * [`ErrorKind::SnapshotNameTaken`]: by a snapshot that is not this call's.
    /// * [`ErrorKind::RepositoryMissing`], [`ErrorKind::IndexMissing`].
    /// * [`ErrorKind::Busy`]: another operation is in the way, longer than [`with_queue_time`](Self::with_queue_time) allows.
    /// * any kind with [`Outcome::Unknown`]: an answer was lost, and until the call's time limit the domain could not be
    ///   asked, or refused a repetition and showed no snapshot; or the name is taken, and the domain could not be asked by whom.
    ///
    /// # Cancel safety
    ///
    /// Dropped after the request was sent, the snapshot may have been started and goes on. With a token of the caller's own
    /// ([`CreateSnapshot::token`]) the same call adopts it later.
    pub async fn create_snapshot(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        options: &CreateSnapshot,
    ) -> Result<CreatedSnapshot, Error> {
        self.session.create_snapshot(repository, name, options, false).await
    }

    /// Takes a snapshot and holds the request until it has ended (`?wait_for_completion=true`).
    ///
    /// For small snapshots on self-managed clusters: this client's own limits ([`Timeouts::attempt`], 75 s, and
    /// [`Timeouts::call`], 300 s) or a gateway's (Amazon's: about a minute) cut the request off, and the answer is then
    /// [`CreatedSnapshot::Adopted`] with a snapshot that runs. [`create_snapshot`](Self::create_snapshot) and a wait have no
    /// such end.
    ///
    /// # Errors
    ///
    /// As [`create_snapshot`](Self::create_snapshot). A snapshot that ended `PARTIAL` or `FAILED` is no error here: look at
    /// [`SnapshotInfo::state`], or make it one by [`SnapshotInfo::into_complete`].
    ///
    /// # Cancel safety
    ///
    /// As [`create_snapshot`](Self::create_snapshot).
    pub async fn create_snapshot_and_hold(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        options: &CreateSnapshot,
    ) -> Result<CreatedSnapshot, Error> {
        self.session.create_snapshot(repository, name, options, true).await
    }

    /// Starts the clone of a snapshot within its repository (`PUT /_snapshot/{repository}/{snapshot}/_clone/{target}`);
    /// [`wait_for_snapshot`](Self::wait_for_snapshot) on the target tells its end.
    ///
    /// A clone carries no metadata. The target is looked for first, and after a lost answer a snapshot of that name counts
    /// as this call's unless it carries a token: probable, not certain, since another client may have taken the name
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`], before anything is sent.
    /// * [`ErrorKind::SnapshotMissing`]: the source; [`ErrorKind::SnapshotNameTaken`]: the target.
    /// * [`ErrorKind::NotAllowed`] where Amazon's allow-list does not let it through.
    /// * others as [`create_snapshot`](Self::create_snapshot).
    ///
    /// # Cancel safety
    ///
    /// Dropped after the request was sent, the clone may have been started and goes on.
    pub async fn clone_snapshot(
        &self,
        repository: &RepositoryName,
        source: &SnapshotName,
        target: &SnapshotName,
        options: &CloneSnapshot,
    ) -> Result<CreatedSnapshot, Error> {
        self.session.clone_snapshot(repository, source, target, options).await
    }

    /// One snapshot (`GET /_snapshot/{repository}/{snapshot}`), running or ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RepositoryMissing`], [`ErrorKind::SnapshotMissing`]; the latter also if the repository knows of it, but
    /// its own file is gone: a listing that is not [`verbose`](ListSnapshots::verbose) still shows it then.
    pub async fn get_snapshot(&self, repository: &RepositoryName, name: &SnapshotName) -> Result<SnapshotInfo, Error> {
        self.session.find_snapshot(repository, name, false).await
    }

    /// The snapshots of a repository, oldest first unless they are asked for in brief (`GET /_snapshot/{repository}/{pattern}`).
    ///
    /// Only those that the pattern means are returned. A pattern that is too long for a request
    /// line, of which the engines accept 4,096 bytes, is asked for in several requests. Each of
    /// them has the time limit of a call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RepositoryMissing`]; [`ErrorKind::SnapshotMissing`] for a name, and before Elasticsearch 8 for a
    /// pattern, that matches nothing.
    pub async fn list_snapshots(&self, repository: &RepositoryName, options: &ListSnapshots) -> Result<Vec<SnapshotInfo>, Error> {
        self.session.list_snapshots(repository, options).await
    }

    /// Deletes one snapshot (`DELETE /_snapshot/{repository}/{snapshot}`), aborting it if it runs.
    ///
    /// The server answers when the files are gone, which may take longer than a gateway waits. So the snapshot's uuid is
    /// read first (in brief, so that one whose own file is gone or broken can be deleted), and after a lost answer the domain
    /// is asked: gone, or replaced by a snapshot of another uuid, is done; still there, as seen by three looks in a row over
    /// at least ten seconds, it is asked to be deleted again. One race remains, since the API deletes by name: a snapshot that
    /// another client makes under this name after the last look, or while a lost request is still on its way, can be hit.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::SnapshotMissing`], [`ErrorKind::RepositoryMissing`].
    /// * [`ErrorKind::Busy`] while it is restored or cloned, longer than [`with_queue_time`](Self::with_queue_time) allows.
    /// * any kind with [`Outcome::Unknown`]: an answer was lost, and the domain could not tell until the call's time limit;
    ///   see [`wait_for_deletion`](Self::wait_for_deletion).
    ///
    /// # Cancel safety
    ///
    /// Dropped after the request was sent, the deletion goes on.
    pub async fn delete_snapshot(&self, repository: &RepositoryName, name: &SnapshotName) -> Result<(), Error> {
        self.session.delete_snapshot(repository, name, None).await
    }

    /// Deletes every snapshot that matches now, one after the other, and tells of each what came of it.
    ///
    /// The pattern is resolved first, so that a snapshot which another client makes meanwhile is
    /// not hit, and each name that comes back is checked against the pattern again. A name in it of
    /// which there is no snapshot is passed over.
    ///
    /// # Errors
    ///
    /// Those of [`list_snapshots`](Self::list_snapshots). What goes wrong with one snapshot is in its place in the list.
    ///
    /// # Cancel safety
    ///
    /// Dropped on the way, the snapshots before are deleted, the one in hand may be, the others are not.
    pub async fn delete_snapshots(
        &self,
        repository: &RepositoryName,
        pattern: &SnapshotPattern,
    ) -> Result<Vec<(String, Result<(), Error>)>, Error> {
        // Otherwise one name that is missing would hide all the others.
        let options = ListSnapshots::new().pattern(pattern.clone()).verbose(false).ignore_unavailable(true);
        let found = match self.list_snapshots(repository, &options).await {
            Err(error) if error.kind() == ErrorKind::SnapshotMissing => Vec::new(),
            found => found?,
        };
        let mut deleted = Vec::with_capacity(found.len());
        for snapshot in found {
            let result = match snapshot.name().parse() {
                Ok(name) => self.session.delete_snapshot(repository, &name, snapshot.uuid()).await,
                Err(error) => Err(error),
            };
            deleted.push((snapshot.name().to_owned(), result));
        }
        Ok(deleted)
    }

    /// Starts a restore (`POST /_snapshot/{repository}/{snapshot}/_restore`); see
    /// [`wait_for_restore`](Self::wait_for_restore) for its end.
    ///
    /// The cluster's global state is restored only if the options ask for it.
    ///
    /// What is being restored from the snapshot is looked up first. After a lost answer the domain is asked for a restore of
    /// it that was not there before, of an index that these options can mean: then the restore runs
    /// ([`StartedRestore::Adopted`]). If none appears in three looks in a row over at least ten seconds, the request is sent again; a
    /// late first one would be refused by the open indices. A restore of the global state is never sent again.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`], before anything is sent.
    /// * [`ErrorKind::SnapshotMissing`], [`ErrorKind::RepositoryMissing`], [`ErrorKind::IndexMissing`].
    /// * [`ErrorKind::Restore`]: an open index of that name exists, or version or state do not allow it.
    /// * [`ErrorKind::Busy`]: another operation is in the way, longer than [`with_queue_time`](Self::with_queue_time) allows.
    /// * any kind with [`Outcome::Unknown`]: an answer was lost, and recoveries may not be asked for; or until the call's time
    ///   limit the domain could not be asked, or refused a repetition and showed no restore, or it was one of the global state
    ///   that cannot be sent again.
    ///
    /// # Cancel safety
    ///
    /// Dropped after the request was sent, the restore may have been started and goes on.
    pub async fn restore_snapshot(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        options: &RestoreSnapshot,
    ) -> Result<StartedRestore, Error> {
        self.session.restore_snapshot(repository, name, options).await
    }

    /// Shards and bytes of a snapshot (`GET /_snapshot/{repository}/{snapshot}/_status`).
    ///
    /// Its state is not the snapshot's verdict: a `PARTIAL` one shows as `SUCCESS` here on many versions. And it is costly
    /// for ended snapshots, of which every shard's file is read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SnapshotMissing`], [`ErrorKind::RepositoryMissing`].
    pub async fn snapshot_status(&self, repository: &RepositoryName, name: &SnapshotName) -> Result<SnapshotStatus, Error> {
        self.session.snapshot_status(repository, name).await
    }

    /// The snapshots that run now, in one repository or in all (`GET /_snapshot/_status`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotAllowed`] on Amazon domains of Elasticsearch 5.3 and before, unless a repository is given.
    pub async fn running_snapshots(&self, repository: Option<&RepositoryName>) -> Result<Vec<SnapshotStatus>, Error> {
        self.session.running_snapshots(repository).await
    }

    /// The recoveries of the shards of these indices, or of all (`GET /_recovery`): how far restores are.
    ///
    /// Names that are too many for a request line, of which the engines accept 4,096 bytes, are
    /// asked for in several requests.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::IndexMissing`] if a named index does not exist.
    pub async fn recovery(&self, indices: &[IndexName]) -> Result<Vec<ShardRecovery>, Error> {
        self.session.recovery(indices).await
    }

    /// Waits until a snapshot has ended; see [`WaitForSnapshot`].
    #[must_use = "a wait does nothing until it is awaited"]
    pub fn wait_for_snapshot(&self, repository: &RepositoryName, name: &SnapshotName) -> WaitForSnapshot {
        self.resume_wait(SnapshotTicket::new(repository.clone(), name.clone()))
    }

    /// Takes up a wait that another process began; see [`SnapshotTicket`].
    #[must_use = "a wait does nothing until it is awaited"]
    pub fn resume_wait(&self, ticket: SnapshotTicket) -> WaitForSnapshot {
        WaitForSnapshot::resume(self.session.clone(), ticket)
    }

    /// Waits until the restore of a snapshot has ended; see [`WaitForRestore`].
    #[must_use = "a wait does nothing until it is awaited"]
    pub fn wait_for_restore(&self, repository: &RepositoryName, name: &SnapshotName) -> WaitForRestore {
        self.resume_wait_for_restore(RestoreTicket::new(repository.clone(), name.clone()))
    }

    /// Resumes a wait for a restore that another process began; see [`RestoreTicket`].
    #[must_use = "a wait does nothing until it is awaited"]
    pub fn resume_wait_for_restore(&self, ticket: RestoreTicket) -> WaitForRestore {
        WaitForRestore::resume(self.session.clone(), ticket)
    }

    /// Waits until a snapshot is gone; see [`WaitForDeletion`].
    #[must_use = "a wait does nothing until it is awaited"]
    pub fn wait_for_deletion(&self, repository: &RepositoryName, name: &SnapshotName) -> WaitForDeletion {
        self.resume_wait_for_deletion(SnapshotTicket::new(repository.clone(), name.clone()))
    }

    /// Takes up a wait for a deletion that another process began; see [`SnapshotTicket`].
    #[must_use = "a wait does nothing until it is awaited"]
    pub fn resume_wait_for_deletion(&self, ticket: SnapshotTicket) -> WaitForDeletion {
        WaitForDeletion::resume(self.session.clone(), ticket)
    }

    /// Sends a request that this crate has no type for; signed, timed and judged like the rest.
    ///
    /// ```
    /// # use es_snapshot::{RawRequest, SnapshotClient};
    /// # async fn run(client: SnapshotClient) -> Result<(), es_snapshot::Error> {
    /// let health = client.raw(RawRequest::get(["_cluster", "health"]).query("level", "shards")).await?;
    /// println!("{}", health.body()["status"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a path segment that would be dropped, split or resolved on
    /// its way. The length is not checked: the engines refuse a request line of more than 4,096
    /// bytes, encoded, unless `http.max_initial_line_length` is set. A request other than GET and
    /// HEAD is sent again only where it certainly was not carried out. [`ErrorKind::Decode`] for an
    /// answer that is no JSON, which is not asked for again: endpoints that answer in text take
    /// `format=json`.
    ///
    /// # Cancel safety
    ///
    /// Dropped after the request was sent, it may be carried out.
    pub async fn raw(&self, request: RawRequest) -> Result<RawReply, Error> {
        let RawRequest { method, segments, query, body } = request;
        let body = match body {
            Some(value) => Bytes::from(value.to_string()),
            None => Bytes::new(),
        };
        let request = request::raw(method, &segments, &query, body).map_err(|error| error.during(Operation::Raw, 0))?;
        self.session
            .call_with(&request, |reply| {
                let body = if reply.body.is_empty() { Value::Null } else { reply.decode().map_err(Error::meant)? };
                Ok(RawReply { status: reply.status, body })
            })
            .await
    }
}
