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

use crate::call::{CallOptions, Core, Session};
use crate::client::builder::SnapshotClientBuilder;
use crate::config::{RetryPolicy, Timeouts};
use crate::error::{Error, ErrorKind, Operation, Outcome};
use crate::name::{DateMathName, IndexName, RepositoryName, SnapshotName, SnapshotPattern};
use crate::repository::{Acknowledged, CleanUp, Repository, RepositorySettings, S3Settings, VerifiedNode, VerifiedNodes};
use crate::request;
use crate::restore::{RestoreSnapshot, ShardRecovery, StartedRestore};
use crate::snapshot::SnapshotStatus;
use crate::snapshot::{CloneSnapshot, CreateSnapshot, CreatedSnapshot, ListSnapshots, SnapshotInfo};
use crate::ticket::{RestoreTicket, SnapshotTicket};
use crate::wait::restore::WaitForRestore;
use crate::wait::snapshot::{WaitForDeletion, WaitForSnapshot};

/// A client of one domain or cluster.
///
/// Cheap to clone. Clones share connections, credentials, the learned clock of the domain, and the
/// budget of retries. Calls may run concurrently.
///
/// # Runtime
///
/// By default a client needs a tokio runtime: for the timers of [`SystemClock`](crate::SystemClock)
/// and the sockets of `HyperTransport`. A call outside of one fails with
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput). On a runtime whose timers or I/O
/// are disabled the call panics, as tokio itself does: build it with `enable_all`. A client with
/// another clock and transport runs on any executor.
///
/// # Cancel safety
///
/// Any future of this crate may be dropped at any time and leaves nothing half-done in the client.
/// What a request has already started at the domain goes on there. Dropping cancels and deletes
/// nothing.
///
/// # Examples
///
/// ```no_run
/// use es_snapshot::{CreateSnapshot, RepositoryName, S3Settings, SnapshotClient, SnapshotName};
/// # use aws_credential_types::provider::ProvideCredentials;
///
/// # type Result<T> = std::result::Result<T, es_snapshot::Error>;
/// # async fn run(provider: impl ProvideCredentials + 'static) -> Result<()> {
/// let client = SnapshotClient::builder("https://vpc-logs-x1y2.ap-northeast-1.es.amazonaws.com")
///     .credentials(provider)
///     .build()?;
///
/// let repository: RepositoryName = "my-snapshot-repo".parse()?;
/// let settings = S3Settings::new("my-bucket-4-es")
///     .with_region("ap-northeast-1")
///     .with_role_arn("arn:aws:iam::123456789012:role/TestRole");
/// client.register_repository(&repository, &settings.into()).await?;
///
/// let name: SnapshotName = "my-first-snapshot".parse()?;
/// client.create_snapshot(&repository, &name, &CreateSnapshot::new().with_indices(["movies"])).await?;
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
    /// Returns a builder for a client of the domain at this URL, such as
    /// `https://vpc-NAME-ID.REGION.es.amazonaws.com`.
    pub fn builder(endpoint: impl Into<String>) -> SnapshotClientBuilder {
        SnapshotClientBuilder::new(endpoint.into())
    }

    pub(crate) fn new(core: Core, options: CallOptions) -> Self {
        Self { session: Session { core: Arc::new(core), options } }
    }

    fn with(&self, change: impl FnOnce(&mut CallOptions)) -> Self {
        Self { session: self.session.with(change) }
    }

    /// Returns a client with other time limits.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use es_snapshot::{SnapshotClient, Timeouts};
    /// # fn main() -> Result<(), es_snapshot::Error> {
    /// let client = SnapshotClient::builder("http://localhost:9200").build()?;
    /// let (attempt, call) = (Duration::from_secs(600), Duration::from_secs(900));
    /// let patient = client.with_timeouts(Timeouts::new().with_attempt(attempt).with_call(call));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_timeouts(&self, timeouts: Timeouts) -> Self {
        self.with(|options| options.timeouts = timeouts)
    }

    /// Returns a client with another retry policy.
    #[must_use]
    pub fn with_retry(&self, retry: RetryPolicy) -> Self {
        self.with(|options| options.retry = retry)
    }

    /// Returns a client that keeps trying for up to `queue` while another snapshot operation is
    /// running, such as a snapshot, a deletion, a clone or a clean-up. Default: 0. Such calls then
    /// fail at once with [`ErrorKind::Busy`].
    #[must_use]
    pub fn with_queue_time(&self, queue: Duration) -> Self {
        self.with(|options| options.queue = queue)
    }

    /// Returns a client that sets how long the server waits for an elected master
    /// (`master_timeout`), on the endpoints of snapshots and repositories. A change may still be
    /// applied after the server gave up. Server default: 30 s.
    #[must_use]
    pub fn with_master_timeout(&self, limit: Duration) -> Self {
        self.with(|options| options.master_timeout = Some(limit))
    }

    /// Returns a client that sends this `X-Opaque-Id`, which the server shows in its tasks and slow
    /// logs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if no header can carry it.
    pub fn with_opaque_id(&self, id: &str) -> Result<Self, Error> {
        let id = HeaderValue::from_str(id).map_err(|_| Error::invalid(format!("opaque id {id:?} cannot be sent in a header")))?;
        Ok(self.with(|options| options.opaque_id = Some(id)))
    }

    /// Resolves a date-math name such as `<nightly-{now/d}>` by the domain's clock, as far as it is
    /// known.
    ///
    /// The server would resolve it too, but its response does not contain the resolved name. A name
    /// that was resolved here can be requested later.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the result is not a snapshot name.
    pub fn resolve(&self, name: &DateMathName) -> Result<SnapshotName, Error> {
        name.resolve(self.session.core.now())
    }

    /// Returns name and version of the server (`GET /`).
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`]. Reads are repeated where that can help.
    pub async fn server_info(&self) -> Result<ServerInfo, Error> {
        self.session.call(&request::server_info()).await
    }

    /// Registers a repository, or changes its settings (`PUT /_snapshot/{repository}`). All nodes
    /// then verify it.
    ///
    /// An Amazon domain requires a signature on this call, because the service checks
    /// `iam:PassRole` on `role_arn` for the signer ([Amazon's
    /// guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshot-registerdirectory.html)).
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`], before anything is sent: settings that cannot work; a setting
    ///   that may be a secret (by its key, or as the password in a URL) over `http://` to another
    ///   host without [consent](crate::SnapshotClientBuilder::danger_send_credentials_unencrypted);
    ///   a name that starts with `cs-` on an Amazon domain, where it is reserved.
    /// * [`ErrorKind::MissingRoleArn`]: an S3 repository on an Amazon domain without `role_arn`.
    ///   Nothing is sent where the endpoint's host is Amazon's.
    /// * [`ErrorKind::AccessDenied`]: `iam:PassRole`, a policy, or fine-grained access control.
    /// * [`ErrorKind::RepositoryVerification`]: the nodes cannot write to it. The repository
    ///   **stays registered**, except on Elasticsearch 8 and later.
    /// * [`ErrorKind::Busy`]: it is registered and in use.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the repository may be registered.
    /// Registering it again does no harm.
    pub async fn register_repository(
        &self,
        repository: &RepositoryName,
        settings: &RepositorySettings,
    ) -> Result<Acknowledged, Error> {
        self.register(repository, settings, true).await
    }

    /// Registers the repository without verifying it (`?verify=false`). Storage problems then
    /// surface at the first snapshot.
    ///
    /// # Errors
    ///
    /// Those of [`register_repository`](Self::register_repository), except
    /// [`ErrorKind::RepositoryVerification`].
    ///
    /// # Cancel safety
    ///
    /// That of [`register_repository`](Self::register_repository).
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
            let lacks_role = |s3: &S3Settings| s3.role_arn().is_none() && !s3.other().contains_key("role_arn");
            if matches!(settings, RepositorySettings::S3(s3) if lacks_role(s3)) {
                let text = "an Amazon domain needs the role that it is to read and write the bucket with";
                return Err(refuse(Error::new(ErrorKind::MissingRoleArn, Outcome::NotSent, text)));
            }
        }
        let request = request::register_repository(repository, settings, verify).map_err(refuse)?;
        self.session.queued(request.replay, repository, || self.session.call(&request)).await
    }

    /// Returns one repository's definition (`GET /_snapshot/{repository}`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RepositoryMissing`] if it is not registered.
    pub async fn get_repository(&self, repository: &RepositoryName) -> Result<Repository, Error> {
        self.session.find_repository(repository).await
    }

    /// Returns all repositories (`GET /_snapshot`), Amazon's own `cs-…` ones among them.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`].
    pub async fn list_repositories(&self) -> Result<Vec<Repository>, Error> {
        self.session.list_repositories().await
    }

    /// Makes every node write to the repository and read from it
    /// (`POST /_snapshot/{repository}/_verify`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RepositoryVerification`] with the nodes' texts. [`ErrorKind::NotAllowed`] where
    /// Amazon's allow-list does not let it through.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the nodes finish the verification. It
    /// leaves nothing behind.
    pub async fn verify_repository(&self, repository: &RepositoryName) -> Result<Vec<VerifiedNode>, Error> {
        let nodes: VerifiedNodes = self.session.call(&request::verify_repository(repository)).await?;
        Ok(nodes.0)
    }

    /// Deletes files that no snapshot refers to any more (`POST /_snapshot/{repository}/_cleanup`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`] while a snapshot, deletion or clean-up is running.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the clean-up goes on. Cleaning up again
    /// does no harm.
    pub async fn cleanup_repository(&self, repository: &RepositoryName) -> Result<CleanUp, Error> {
        let request = request::clean_up_repository(repository);
        self.session.queued(request.replay, repository, || self.session.call(&request)).await
    }

    /// Unregisters a repository (`DELETE /_snapshot/{repository}`). Its snapshots stay in the
    /// bucket.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::RepositoryMissing`] if it is not registered. If an earlier response of the
    ///   same call was lost, that counts as success.
    /// * [`ErrorKind::Busy`] if it is in use.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the repository may be unregistered.
    /// Unregistering it again then fails with [`ErrorKind::RepositoryMissing`].
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

    /// Starts a snapshot (`PUT /_snapshot/{repository}/{snapshot}`, [create snapshot
    /// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-create))
    /// and returns once it is running. [`wait_for_snapshot`](Self::wait_for_snapshot) waits for its
    /// end.
    ///
    /// The snapshot's metadata carries a token. If a response is lost, a gateway fails, the engine
    /// reports a failure, or the name turns out to be taken, the client reads the snapshot of that
    /// name. The token shows whose it is: this call returns [`CreatedSnapshot::Adopted`], or the
    /// error that the name is taken. No snapshot is made twice, and none that exists is reported as
    /// failed.
    ///
    /// If there is no such snapshot, the request is sent again with the same token: after one check
    /// if the connection broke, otherwise after three checks in a row over at least 10 s. If the
    /// engine reports the same failure twice and checks find nothing, the call fails with
    /// [`Outcome::Rejected`]. At most three requests may be unaccounted for. The call has at least
    /// 60 s for this, from the first check on, whatever [`Timeouts::with_call`] is.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`], before anything is sent. Also if the operating system has no
    ///   randomness for the token.
    /// * [`ErrorKind::SnapshotNameTaken`]: by a snapshot that is not this call's.
    /// * [`ErrorKind::RepositoryMissing`], [`ErrorKind::IndexMissing`].
    /// * [`ErrorKind::Busy`]: another operation is running, for longer than
    ///   [`with_queue_time`](Self::with_queue_time) allows.
    /// * Any kind with [`Outcome::Unknown`]: the client could not determine in time whether the
    ///   snapshot was created, or five checks in a row were refused.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the snapshot may have been started and
    /// goes on. A later call with the same name and the same [`CreateSnapshot::with_token`] adopts it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use es_snapshot::{CreateSnapshot, RepositoryName, SnapshotClient, SnapshotToken};
    /// # type Result<T> = std::result::Result<T, es_snapshot::Error>;
    /// # async fn run(client: SnapshotClient, nightly: RepositoryName) -> Result<()> {
    /// // Kept somewhere, the token makes the call safe to repeat after a crash.
    /// let token = SnapshotToken::try_random()?;
    /// let options = CreateSnapshot::new().with_indices(["movies"]).with_token(token);
    /// let name = "2024.05.01".parse()?;
    /// client.create_snapshot(&nightly, &name, &options).await?;
    /// client.wait_for_snapshot(&nightly, &name).await?.into_complete()?;
    /// # Ok(())
    /// # }
    /// ```
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
    /// For small snapshots on self-managed clusters. The limits of this client
    /// ([`Timeouts::with_attempt`], [`Timeouts::with_call`]) or of a gateway (Amazon's: about a minute) cut
    /// the request off. The result is then [`CreatedSnapshot::Adopted`] with a snapshot that may
    /// still be running. [`create_snapshot`](Self::create_snapshot) and a wait have no such limit.
    ///
    /// # Errors
    ///
    /// Those of [`create_snapshot`](Self::create_snapshot). A snapshot that ended `PARTIAL` or
    /// `FAILED` is not an error here: look at [`SnapshotInfo::state`], or use
    /// [`SnapshotInfo::into_complete`].
    ///
    /// # Cancel safety
    ///
    /// That of [`create_snapshot`](Self::create_snapshot).
    pub async fn create_snapshot_and_hold(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        options: &CreateSnapshot,
    ) -> Result<CreatedSnapshot, Error> {
        self.session.create_snapshot(repository, name, options, true).await
    }

    /// Starts the clone of a snapshot within its repository
    /// (`PUT /_snapshot/{repository}/{snapshot}/_clone/{target}`, [clone snapshot
    /// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-clone)).
    /// [`wait_for_snapshot`](Self::wait_for_snapshot) on the target waits for its end.
    ///
    /// A clone carries no metadata, so no token. The client reads the target's name first, and
    /// after a lost response counts a snapshot of that name as this call's unless it carries a
    /// token. That is probable, not certain: another client may have taken the name meanwhile.
    ///
    /// If there is no such snapshot, the request is sent again after three checks in a row over at
    /// least 10 s. Otherwise the rules are those of [`create_snapshot`](Self::create_snapshot).
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`], before anything is sent.
    /// * [`ErrorKind::SnapshotMissing`]: the source. [`ErrorKind::SnapshotNameTaken`]: the target.
    /// * [`ErrorKind::NotAllowed`] where Amazon's allow-list does not let it through.
    /// * Others as [`create_snapshot`](Self::create_snapshot).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the clone may have been started and
    /// goes on.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use es_snapshot::{CloneSnapshot, RepositoryName, SnapshotClient};
    /// # type Result<T> = std::result::Result<T, es_snapshot::Error>;
    /// # async fn run(client: SnapshotClient, nightly: RepositoryName) -> Result<()> {
    /// let (source, target) = ("2024.05.01".parse()?, "keep-2024.05.01".parse()?);
    /// client.clone_snapshot(&nightly, &source, &target, &CloneSnapshot::new(["movies"])).await?;
    /// client.wait_for_snapshot(&nightly, &target).await?.into_complete()?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn clone_snapshot(
        &self,
        repository: &RepositoryName,
        source: &SnapshotName,
        target: &SnapshotName,
        options: &CloneSnapshot,
    ) -> Result<CreatedSnapshot, Error> {
        self.session.clone_snapshot(repository, source, target, options).await
    }

    /// Returns one snapshot (`GET /_snapshot/{repository}/{snapshot}`), running or ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RepositoryMissing`], [`ErrorKind::SnapshotMissing`]. The latter also if the
    /// repository lists it, but its own file is gone. A listing that is not
    /// [`verbose`](ListSnapshots::verbose) still contains it then.
    pub async fn get_snapshot(&self, repository: &RepositoryName, name: &SnapshotName) -> Result<SnapshotInfo, Error> {
        self.session.find_snapshot(repository, name, false).await
    }

    /// Returns the snapshots of a repository (`GET /_snapshot/{repository}/{pattern}`), oldest
    /// first unless they are requested without details.
    ///
    /// Only those that match the pattern are returned. The engines accept a request line of 4,096
    /// bytes, so a longer pattern is split into several requests. Each of them has the time limit
    /// of a call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RepositoryMissing`]. [`ErrorKind::SnapshotMissing`] for a name, and before
    /// Elasticsearch 8 for a pattern, that matches nothing.
    pub async fn list_snapshots(&self, repository: &RepositoryName, options: &ListSnapshots) -> Result<Vec<SnapshotInfo>, Error> {
        self.session.list_snapshots(repository, options).await
    }

    /// Deletes one snapshot (`DELETE /_snapshot/{repository}/{snapshot}`, [delete snapshot
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
    /// ```no_run
    /// # use es_snapshot::{Outcome, RepositoryName, SnapshotClient, SnapshotName};
    /// # type Result<T> = std::result::Result<T, es_snapshot::Error>;
    /// # async fn run(client: SnapshotClient, nightly: RepositoryName, name: SnapshotName)
    /// # -> Result<()> {
    /// let deleted = client.delete_snapshot(&nightly, &name).await;
    /// match deleted {
    ///     // It may take hours. This sends nothing again.
    ///     Err(error) if error.outcome() == Outcome::Unknown => {
    ///         client.wait_for_deletion(&nightly, &name).await
    ///     }
    ///     deleted => deleted,
    /// }
    /// # }
    /// ```
    pub async fn delete_snapshot(&self, repository: &RepositoryName, name: &SnapshotName) -> Result<(), Error> {
        self.session.delete_snapshot(repository, name, None).await
    }

    /// Deletes every snapshot that matches now, one after the other, and returns a result for each.
    ///
    /// The client resolves the pattern first, so that a snapshot which another client makes
    /// meanwhile is not deleted. It checks each name that comes back against the pattern again. A
    /// name in the pattern that has no snapshot is skipped.
    ///
    /// # Errors
    ///
    /// Those of [`list_snapshots`](Self::list_snapshots). The error of one snapshot is in its place
    /// in the list.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped on the way, the snapshots before are deleted, the current one may
    /// be, and the others are not.
    pub async fn delete_snapshots(
        &self,
        repository: &RepositoryName,
        pattern: &SnapshotPattern,
    ) -> Result<Vec<(String, Result<(), Error>)>, Error> {
        // Otherwise one name that is missing would hide all the others.
        let options = ListSnapshots::new().with_pattern(pattern.clone()).with_verbose(false).with_ignore_unavailable(true);
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

    /// Starts a restore (`POST /_snapshot/{repository}/{snapshot}/_restore`, [restore snapshot
    /// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-restore))
    /// and returns its [ticket](StartedRestore::ticket).
    /// [`resume_wait_for_restore`](Self::resume_wait_for_restore) waits for its end.
    ///
    /// The cluster's global state is restored only if the options request it.
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
    ///   [`HowStarted::Adopted`](crate::HowStarted::Adopted). An identical restore by another
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
    /// ```no_run
    /// # use es_snapshot::{RepositoryName, RestoreSnapshot, SnapshotClient, SnapshotName};
    /// # type Result<T> = std::result::Result<T, es_snapshot::Error>;
    /// # async fn run(client: SnapshotClient, nightly: RepositoryName, name: SnapshotName)
    /// # -> Result<()> {
    /// // Beside the index in use, whose aliases would lead to both.
    /// let options = RestoreSnapshot::new()
    ///     .with_indices(["movies"])
    ///     .with_rename("(.+)", "restored-$1")
    ///     .with_include_aliases(false);
    /// let restore = client.restore_snapshot(&nightly, &name, &options).await?;
    /// let wait = client.resume_wait_for_restore(restore.ticket().clone());
    /// let report = wait.await?.into_complete()?;
    /// println!("{} with {} shards", report.indices().join(", "), report.shards_total());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn restore_snapshot(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        options: &RestoreSnapshot,
    ) -> Result<StartedRestore, Error> {
        self.session.restore_snapshot(repository, name, options).await
    }

    /// Returns shards and bytes of a snapshot (`GET /_snapshot/{repository}/{snapshot}/_status`).
    ///
    /// Its state is not the snapshot's final state: many versions show a `PARTIAL` one as `SUCCESS`
    /// here. It is costly for ended snapshots, because the server reads every shard's file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SnapshotMissing`], [`ErrorKind::RepositoryMissing`].
    pub async fn snapshot_status(&self, repository: &RepositoryName, name: &SnapshotName) -> Result<SnapshotStatus, Error> {
        self.session.snapshot_status(repository, name).await
    }

    /// Returns the snapshots that are running now, in one repository or in all
    /// (`GET /_snapshot/_status`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotAllowed`] on Amazon domains of Elasticsearch 5.3 and before, unless a
    /// repository is given.
    pub async fn running_snapshots(&self, repository: Option<&RepositoryName>) -> Result<Vec<SnapshotStatus>, Error> {
        self.session.running_snapshots(repository).await
    }

    /// Returns the recoveries of the shards of these indices, or of all if none is named
    /// (`GET /_recovery`, [recovery
    /// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-recovery)):
    /// how far restores are. Hidden indices are included. A restore no longer shows here once its
    /// index was closed or moved, or its node was restarted.
    ///
    /// The engines accept a request line of 4,096 bytes, so longer lists of names are split into
    /// several requests.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::IndexMissing`] if a named index does not exist.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run(client: es_snapshot::SnapshotClient) -> Result<(), es_snapshot::Error> {
    /// for shard in client.recovery(&["restored-movies".parse()?]).await? {
    ///     println!("{} {:?} {}", shard.index(), shard.shard(), shard.stage());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recovery(&self, indices: &[IndexName]) -> Result<Vec<ShardRecovery>, Error> {
        self.session.recovery(indices).await
    }

    /// Returns a wait for the end of a snapshot; see [`WaitForSnapshot`].
    #[must_use = "a wait does nothing until it is awaited"]
    pub fn wait_for_snapshot(&self, repository: &RepositoryName, name: &SnapshotName) -> WaitForSnapshot {
        self.resume_wait(SnapshotTicket::new(repository.clone(), name.clone()))
    }

    /// Returns a wait that resumes another process's; see [`SnapshotTicket`].
    #[must_use = "a wait does nothing until it is awaited"]
    pub fn resume_wait(&self, ticket: SnapshotTicket) -> WaitForSnapshot {
        WaitForSnapshot::resume(self.session.clone(), ticket)
    }

    /// Returns a wait for the end of every restore of this snapshot; see [`WaitForRestore`].
    ///
    /// It judges whatever index shows this snapshot as its source, also from a restore of yesterday
    /// or of another client. To wait for one restore, use the ticket that
    /// [`restore_snapshot`](Self::restore_snapshot) returns, with
    /// [`resume_wait_for_restore`](Self::resume_wait_for_restore).
    ///
    /// ```no_run
    /// # use es_snapshot::{RepositoryName, SnapshotClient, SnapshotName};
    /// # type Result<T> = std::result::Result<T, es_snapshot::Error>;
    /// # async fn run(client: SnapshotClient, nightly: RepositoryName, name: SnapshotName)
    /// # -> Result<()> {
    /// let index = "restored-movies".parse()?;
    /// client.wait_for_restore(&nightly, &name).indices([index]).await?.into_complete()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "a wait does nothing until it is awaited"]
    pub fn wait_for_restore(&self, repository: &RepositoryName, name: &SnapshotName) -> WaitForRestore {
        self.resume_wait_for_restore(RestoreTicket::new(repository.clone(), name.clone()))
    }

    /// Returns a wait for the end of the restore that the ticket names, which this or another
    /// process has started; see [`RestoreTicket`].
    #[must_use = "a wait does nothing until it is awaited"]
    pub fn resume_wait_for_restore(&self, ticket: RestoreTicket) -> WaitForRestore {
        WaitForRestore::resume(self.session.clone(), ticket)
    }

    /// Returns a wait until a snapshot is gone; see [`WaitForDeletion`].
    #[must_use = "a wait does nothing until it is awaited"]
    pub fn wait_for_deletion(&self, repository: &RepositoryName, name: &SnapshotName) -> WaitForDeletion {
        self.resume_wait_for_deletion(SnapshotTicket::new(repository.clone(), name.clone()))
    }

    /// Returns a wait for a deletion that resumes another process's; see [`SnapshotTicket`].
    #[must_use = "a wait does nothing until it is awaited"]
    pub fn resume_wait_for_deletion(&self, ticket: SnapshotTicket) -> WaitForDeletion {
        WaitForDeletion::resume(self.session.clone(), ticket)
    }

    /// Sends a request that this crate has no type for. It is signed, timed and classified like the
    /// others.
    ///
    /// ```
    /// # use es_snapshot::{RawRequest, SnapshotClient};
    /// # async fn run(client: SnapshotClient) -> Result<(), es_snapshot::Error> {
    /// let request = RawRequest::get(["_cluster", "health"]).with_query("level", "shards");
    /// let health = client.raw(request).await?;
    /// println!("{}", health.body()["status"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`] for a path segment that would be dropped, split or resolved on
    ///   its way. The length is not checked: the engines refuse a request line of more than 4,096
    ///   bytes, encoded, unless `http.max_initial_line_length` is set.
    /// * [`ErrorKind::Decode`] for a response that is not JSON. It is not requested again.
    ///   Endpoints that respond in text take `format=json`.
    ///
    /// A request other than GET and HEAD is sent again only where it certainly was not carried out.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, it may be carried out.
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
