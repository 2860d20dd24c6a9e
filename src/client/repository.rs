//! A repository, and what can be done in it.

use std::fmt;
use std::time::Duration;

use super::snapshot::Snapshot;
use super::{SnapshotClient, StartedSnapshot, with_call_options};
use crate::call::{CallOptions, Session};
use crate::clock::BoxFuture;
use crate::config::{RetryPolicy, Timeouts};
use crate::error::{Error, ErrorKind, Operation, Outcome};
#[cfg(feature = "date-math")]
use crate::name::DateMathName;
use crate::name::{RepositoryName, SnapshotName, SnapshotPattern};
use crate::repository::{
    Acknowledged, CleanUp, RegisterRepository, RepositoryInfo, RepositorySettings, S3Settings, VerifiedNode,
    VerifiedNodes,
};
use crate::request;
use crate::snapshot::{CreateSnapshot, DeletionReport, ListSnapshots, SnapshotFailure, SnapshotList, SnapshotStream};

/// A handle of one repository; returned by
/// [`SnapshotClient::repository`](crate::SnapshotClient::repository).
///
/// Cheap to clone. It holds a clone of the client and a name that was checked. The repository need
/// not exist.
///
/// ```
/// use es_snapshot::{CreateSnapshot, ListSnapshots};
/// # use es_snapshot::testing::FakeDomain;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// # let client = FakeDomain::with_repository("backups").await.client();
/// let backups = client.repository("backups")?;
/// backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
///
/// let snapshots = backups.list(ListSnapshots::new()).await?;
/// assert_eq!(snapshots.snapshots()[0].name(), "monday");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Repository {
    session: Session,
    name: RepositoryName,
}

impl Repository {
    pub(super) fn new(session: Session, name: RepositoryName) -> Self {
        Self { session, name }
    }

    fn with(&self, change: impl FnOnce(&mut CallOptions)) -> Self {
        Self { session: self.session.with(change), name: self.name.clone() }
    }

    with_call_options!("handle");

    /// Returns the repository's name.
    #[must_use]
    pub fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// Returns a client with the options of this handle.
    #[must_use]
    pub fn client(&self) -> SnapshotClient {
        SnapshotClient { session: self.session.clone() }
    }

    /// Returns a handle of the snapshot with this name. It sends nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the name is not a [`SnapshotName`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use es_snapshot::SnapshotClient;
    /// # fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = SnapshotClient::builder("http://localhost:9200").build()?;
    /// # let backups = client.repository("backups")?;
    /// assert_eq!(backups.snapshot("monday")?.name().as_str(), "monday");
    /// assert!(backups.snapshot("monday,tuesday").is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn snapshot(&self, name: impl AsRef<str>) -> Result<Snapshot, Error> {
        Ok(Snapshot::new(self.session.clone(), self.name.clone(), name.as_ref().parse()?))
    }

    /// Resolves a date-math name such as `<nightly-{now/d}>` by the domain's clock, as far as it is
    /// known. It sends nothing.
    ///
    /// The server would resolve it too, but its response does not contain the resolved name. A name
    /// that was resolved here can be requested later. Feature `date-math`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the result is not a snapshot name.
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::name::DateMathName;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// # let backups = client.repository("backups")?;
    /// // The fake domain's clock starts at 2026-05-01T00:00:00Z.
    /// let name = backups.resolve(DateMathName::try_from("<nightly-{now/d}>")?)?;
    /// assert_eq!(name.as_str(), "nightly-2026.05.01");
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "date-math")]
    #[expect(clippy::needless_pass_by_value, reason = "an argument that `parse` can infer")]
    pub fn resolve(&self, name: DateMathName) -> Result<SnapshotName, Error> {
        name.resolve(self.session.core.now())
    }

    /// Registers the repository, or replaces its settings (`PUT /_snapshot/{repository}`). All
    /// nodes then verify it, unless [`RegisterRepository::with_verify`] disables that. The settings
    /// of any type convert into [`RegisterRepository`].
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
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::S3Settings;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// let role = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
    /// let settings = S3Settings::new("my-bucket-4-es").with_base_path("logs").with_role_arn(role);
    /// client.repository("logs")?.register(settings).await?;
    ///
    /// assert_eq!(client.repositories().await?.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "create_repository")]
    #[doc(alias = "put_repository")]
    #[doc(alias = "snapshot.create_repository")]
    pub fn register(&self, registration: impl Into<RegisterRepository>) -> BoxFuture<'static, Result<(), Error>> {
        let (this, registration) = (self.clone(), registration.into());
        Box::pin(async move { this.register_with(&registration).await })
    }

    async fn register_with(&self, registration: &RegisterRepository) -> Result<(), Error> {
        let (repository, settings) = (&self.name, registration.settings());
        let operation = Operation::RegisterRepository;
        let refuse = |error: Error| error.during(operation, 0);
        settings.validate().map_err(refuse)?;
        if !self.session.core.is_confidential
            && let Some(key) = settings.secret()
        {
            let text = format!(
                "setting {key:?} may be a secret and would be sent unencrypted to {}; use https://, or consent by \
                 SnapshotClientBuilder::danger_send_credentials_unencrypted",
                self.session.core.endpoint
            );
            return Err(refuse(Error::invalid(text)));
        }
        if self.session.core.endpoint.region().is_some() {
            if repository.as_str().starts_with("cs-") {
                let text = format!(
                    "repository name {:?} starts with `cs-`, which the service keeps for its own",
                    repository.as_str()
                );
                return Err(refuse(Error::invalid(text)));
            }
            let lacks_role = |s3: &S3Settings| s3.role_arn().is_none() && !s3.other().contains_key("role_arn");
            if matches!(settings, RepositorySettings::S3(s3) if lacks_role(s3)) {
                let text = "an Amazon domain needs the role that it is to read and write the bucket with";
                return Err(refuse(Error::new(ErrorKind::MissingRoleArn, Outcome::NotSent, text)));
            }
        }
        let request = request::register_repository(repository, settings, registration.verify()).map_err(refuse)?;
        self.session.queued(request.replay, repository, || self.session.call::<Acknowledged>(&request)).await.map(drop)
    }

    /// Returns the repository's definition (`GET /_snapshot/{repository}`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RepositoryMissing`] if it is not registered. See [`ErrorKind`] for others.
    /// Reads are repeated where that can help.
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::RepositorySettings;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// # let backups = client.repository("backups")?;
    /// let info = backups.info().await?;
    /// assert_eq!(info.name(), "backups");
    /// if let RepositorySettings::S3(s3) = info.settings() {
    ///     assert_eq!(s3.bucket(), Some("my-bucket-4-es"));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "get_repository")]
    #[doc(alias = "snapshot.get_repository")]
    pub async fn info(&self) -> Result<RepositoryInfo, Error> {
        self.session.find_repository(&self.name).await
    }

    /// Makes every node write to the repository and read from it
    /// (`POST /_snapshot/{repository}/_verify`), and returns the nodes.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::RepositoryMissing`] if it is not registered.
    /// * [`ErrorKind::RepositoryVerification`] with the nodes' texts.
    /// * [`ErrorKind::NotAllowed`] where an Amazon domain does not support the request ([Amazon's guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/supported-operations.html)).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the nodes finish the verification. It
    /// leaves nothing behind.
    ///
    /// # Examples
    ///
    /// ```
    /// # use es_snapshot::testing::FakeDomain;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// # let backups = client.repository("backups")?;
    /// let nodes = backups.verify().await?;
    /// assert!(!nodes.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "_verify")]
    #[doc(alias = "snapshot.verify_repository")]
    #[doc(alias = "verify_repository")]
    pub async fn verify(&self) -> Result<Vec<VerifiedNode>, Error> {
        let nodes: VerifiedNodes = self.session.call(&request::verify_repository(&self.name)).await?;
        Ok(nodes.0)
    }

    /// Deletes files that no snapshot refers to any more (`POST /_snapshot/{repository}/_cleanup`),
    /// and returns how many files and bytes that were.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::RepositoryMissing`] if it is not registered.
    /// * [`ErrorKind::Busy`] while a snapshot, deletion or clean-up is running, for longer than
    ///   [`with_queue_time`](Self::with_queue_time) allows.
    /// * [`ErrorKind::NotAllowed`] where an Amazon domain does not support the request ([Amazon's guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/supported-operations.html)).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the clean-up goes on. Cleaning up again
    /// does no harm.
    ///
    /// # Examples
    ///
    /// ```
    /// # use es_snapshot::testing::FakeDomain;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// # let backups = client.repository("backups")?;
    /// let removed = backups.cleanup().await?;
    /// assert_eq!(removed.deleted_blobs(), 0); // Every file belonged to a snapshot.
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "_cleanup")]
    #[doc(alias = "cleanup_repository")]
    #[doc(alias = "snapshot.cleanup_repository")]
    pub async fn cleanup(&self) -> Result<CleanUp, Error> {
        let request = request::clean_up_repository(&self.name);
        self.session.queued(request.replay, &self.name, || self.session.call(&request)).await
    }

    /// Unregisters the repository (`DELETE /_snapshot/{repository}`). Its snapshots stay in the
    /// bucket.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::RepositoryMissing`] if it is not registered. If an earlier response of the
    ///   same call was lost, that counts as success.
    /// * [`ErrorKind::Busy`] if it is in use, for longer than
    ///   [`with_queue_time`](Self::with_queue_time) allows.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the repository may be unregistered.
    /// Unregistering it again then fails with [`ErrorKind::RepositoryMissing`].
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::ErrorKind;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// # let backups = client.repository("backups")?;
    /// backups.unregister().await?;
    /// let error = backups.info().await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::RepositoryMissing);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "delete_repository")]
    #[doc(alias = "snapshot.delete_repository")]
    pub async fn unregister(&self) -> Result<(), Error> {
        let request = request::unregister_repository(&self.name);
        match self.session.queued(request.replay, &self.name, || self.session.call::<Acknowledged>(&request)).await {
            Err(error) if error.kind() == ErrorKind::RepositoryMissing && error.outcome() == Outcome::Unknown => Ok(()),
            result => result.map(drop),
        }
    }

    /// Starts a snapshot (`PUT /_snapshot/{repository}/{snapshot}`, [create snapshot
    /// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-create))
    /// and returns once it is running. [`StartedSnapshot::wait`] waits for its end.
    ///
    /// The snapshot's metadata carries a token. If a response is lost, a gateway fails, the engine
    /// reports a failure, or the name turns out to be taken, the client reads the snapshot of that
    /// name. The token shows whose it is: this call returns it as
    /// [`HowStarted::Adopted`](crate::wait::HowStarted::Adopted), or the error that the name is
    /// taken. No snapshot is made twice, and none that exists is reported as failed.
    ///
    /// If the snapshot does not exist, the request is sent again with the same token: after one
    /// check if the connection broke, otherwise after three checks in a row over at least 10 s. If
    /// the server reports the same failure twice and checks find nothing, the call fails with
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
    /// goes on. A later call with the same name and the same
    /// [token](CreateSnapshot::with_token) adopts it.
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::CreateSnapshot;
    /// use es_snapshot::snapshot::SnapshotToken;
    /// use es_snapshot::wait::HowStarted;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # domain.create_index("movies", 1);
    /// # let backups = domain.client().repository("backups")?;
    /// // Store the token first. It makes the call safe to repeat after a crash.
    /// let token = SnapshotToken::try_random()?;
    /// let options = CreateSnapshot::new().with_indices(["movies"]).with_token(token);
    /// let started = backups.create_snapshot("monday", options.clone()).await?;
    /// assert_eq!(started.how(), HowStarted::Accepted);
    ///
    /// let started = backups.create_snapshot("monday", options).await?;
    /// assert_eq!(started.how(), HowStarted::Adopted);
    /// started.wait().await?.into_complete()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "_snapshot")]
    #[doc(alias = "put_snapshot")]
    #[doc(alias = "snapshot.create")]
    #[doc(alias = "snapshot_create")]
    pub fn create_snapshot(
        &self,
        name: impl AsRef<str>,
        options: CreateSnapshot,
    ) -> BoxFuture<'static, Result<StartedSnapshot, Error>> {
        let (this, name) = (self.clone(), parsed(name, Operation::CreateSnapshot));
        Box::pin(async move {
            let (created, ticket) = this.session.create_snapshot(&this.name, &name?, &options).await?;
            Ok(StartedSnapshot::new(this.session, created, ticket))
        })
    }

    /// Returns the snapshots of the repository (`GET /_snapshot/{repository}/{pattern}`) one after
    /// the other, each as soon as it has arrived. The client keeps none of them; only with pages,
    /// or after a snapshot that cannot be read, it keeps their names.
    ///
    /// The order is the server's: oldest first, unless the snapshots are requested without details.
    /// Only those that match the pattern are returned. The engines accept a request line of 4,096
    /// bytes, so a longer pattern is split into several requests. Each of them has its own order.
    ///
    /// One whose own file is gone or broken makes the server refuse the whole listing. The client
    /// then lists the names without details, and reads the snapshots one by one, in the order of
    /// that list. The error of one that cannot be read names it, and the stream goes on.
    ///
    /// A request is repeated only before its first snapshot. Then each snapshot has the time limit
    /// of [`Timeouts::with_attempt`], and each piece of the response the one of
    /// [`Timeouts::with_read`]. The time until the stream is asked for the next snapshot does not
    /// count. A snapshot may have 16 MiB, the response any size.
    ///
    /// # Errors
    ///
    /// The first item is [`ErrorKind::InvalidInput`] if the options cannot be sent. Otherwise:
    ///
    /// * [`ErrorKind::RepositoryMissing`]. [`ErrorKind::SnapshotMissing`] for a name, and before
    ///   Elasticsearch 8 for a pattern, that matches nothing.
    /// * [`ErrorKind::Decode`], [`ErrorKind::Interrupted`] or [`ErrorKind::Timeout`], also after
    ///   the first snapshot: the list is not complete.
    ///
    /// # Cancel safety
    ///
    /// Dropping the stream stops reading. It changes nothing at the domain.
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::ListSnapshots;
    /// use futures_util::StreamExt as _;
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// # let backups = client.repository("backups")?;
    /// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    /// let mut names = Vec::new();
    /// let mut snapshots = backups.snapshots(ListSnapshots::new());
    /// while let Some(snapshot) = snapshots.next().await {
    ///     match snapshot {
    ///         Ok(snapshot) => names.push(snapshot.name().to_owned()),
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// }
    /// assert_eq!(names, ["monday"]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "get_snapshot")]
    #[doc(alias = "list_snapshots")]
    #[doc(alias = "snapshot.get")]
    pub fn snapshots(&self, options: ListSnapshots) -> SnapshotStream {
        self.session.snapshots(&self.name, options)
    }

    /// Returns the snapshots of the repository (`GET /_snapshot/{repository}/{pattern}`) as a list,
    /// oldest first unless they are requested without details. The requests are those of
    /// [`snapshots`](Self::snapshots). The snapshots that cannot be read are in
    /// [`SnapshotList::unreadable`].
    ///
    /// A request is repeated until its whole response has arrived, within the time limit of
    /// [`Timeouts::with_call`]. A response may have
    /// [`max_response_bytes`](crate::SnapshotClientBuilder::max_response_bytes).
    ///
    /// # Errors
    ///
    /// Those of [`snapshots`](Self::snapshots), and [`ErrorKind::ResponseTooLarge`].
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::{ListSnapshots, SnapshotPattern};
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// # let backups = client.repository("backups")?;
    /// # backups.create_snapshot("nightly-1", CreateSnapshot::new()).await?.wait().await?;
    /// let nightly = SnapshotPattern::new(["nightly-*"])?;
    /// let list = backups.list(ListSnapshots::new().with_pattern(nightly)).await?;
    ///
    /// assert_eq!(list.snapshots()[0].name(), "nightly-1");
    /// assert!(list.unreadable().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "cat.snapshots")]
    #[doc(alias = "get_snapshot")]
    #[doc(alias = "list_snapshots")]
    #[doc(alias = "snapshot.get")]
    pub async fn list(&self, options: ListSnapshots) -> Result<SnapshotList, Error> {
        self.session.list_snapshots(&self.name, options).await
    }

    /// Deletes every snapshot that matches now, one after the other, and reports each.
    ///
    /// The client resolves the pattern first, so that a snapshot which another client makes
    /// meanwhile is not deleted. It checks each name that comes back against the pattern again. A
    /// name in the pattern that has no snapshot is skipped. Each deletion follows the rules of
    /// [`Snapshot::delete`] and has time limits of its own.
    ///
    /// # Errors
    ///
    /// Those of [`list`](Self::list). The error of one snapshot is in
    /// [`DeletionReport::failed`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped on the way, the snapshots before are deleted, the current one may
    /// be, and the others are not.
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::SnapshotPattern;
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// # let backups = client.repository("backups")?;
    /// # for name in ["nightly-1", "nightly-2", "keep"] {
    /// #     backups.create_snapshot(name, CreateSnapshot::new()).await?.wait().await?;
    /// # }
    /// let report = backups.delete_snapshots(SnapshotPattern::new(["nightly-*"])?).await?;
    /// assert_eq!(report.deleted(), ["nightly-1", "nightly-2"]);
    /// assert!(report.failed().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "delete_snapshot")]
    #[doc(alias = "snapshot.delete")]
    pub async fn delete_snapshots(&self, pattern: SnapshotPattern) -> Result<DeletionReport, Error> {
        // Otherwise one name that is missing would hide all the others.
        let options = ListSnapshots::new().with_pattern(pattern).with_verbose(false).with_ignore_unavailable(true);
        let found = match self.session.list_snapshots(&self.name, options).await {
            Err(error) if error.kind() == ErrorKind::SnapshotMissing => SnapshotList::default(),
            found => found?,
        };
        let (mut deleted, mut failed) = (Vec::new(), Vec::new());
        for snapshot in found {
            let result = match snapshot.name().parse() {
                Ok(name) => self.session.delete_snapshot(&self.name, &name, snapshot.uuid()).await,
                Err(error) => Err(error),
            };
            let name = snapshot.name().to_owned();
            match result {
                Ok(()) => deleted.push(name),
                Err(error) => failed.push(SnapshotFailure::new(name, error)),
            }
        }
        Ok(DeletionReport::new(deleted, failed))
    }
}

/// The name, checked before anything is sent.
pub(super) fn parsed(name: impl AsRef<str>, operation: Operation) -> Result<SnapshotName, Error> {
    name.as_ref().parse().map_err(|error: Error| error.during(operation, 0))
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.session.core.endpoint.to_string();
        f.debug_struct("Repository")
            .field("name", &self.name.as_str())
            .field("endpoint", &endpoint)
            .finish_non_exhaustive()
    }
}
