//! The handle for a repository.

use std::fmt;
use std::time::Duration;

use super::snapshot::Snapshot;
use super::{SnapshotClient, StartedSnapshot, with_call_options};
use crate::call::{CallOptions, Session};
use crate::clock::BoxFuture;
use crate::config::{RetryPolicy, Timeouts};
#[cfg(doc)]
use crate::error::Outcome;
use crate::error::{Error, ErrorKind, Operation};
#[cfg(feature = "date-math")]
use crate::name::DateMathName;
use crate::name::{RepositoryName, SnapshotName, SnapshotPattern};
use crate::registration::{self, EnsureRegistered};
use crate::repository::{CleanUp, RegisterRepository, RepositoryInfo, VerifiedNode, VerifiedNodes};
use crate::request;
use crate::snapshot::{CreateSnapshot, DeletionReport, ListSnapshots, SnapshotFailure, SnapshotList, SnapshotStream};

/// A handle for one repository.
///
/// [`SnapshotClient::repository`](crate::SnapshotClient::repository) returns it.
///
/// A repository is the place where a server stores snapshots, such as an S3 bucket. The server is
/// Elasticsearch or OpenSearch. The domain is the Amazon domain or the cluster that it runs in,
/// with all gateways in front of it ([terms](crate#terms)).
///
/// The handle consists of a validated name and a clone of the client, so cloning it is cheap. The
/// repository need not be registered yet: [`register`](Self::register) does that.
///
/// [`create_snapshot`](Self::create_snapshot) starts a snapshot, and [`list`](Self::list) returns
/// the existing ones. [`snapshot`](Self::snapshot) returns a handle for a single snapshot, which
/// can restore or delete it. The methods `with_…` return a handle with other options for its calls.
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

    /// Returns the name of the repository.
    #[must_use]
    pub fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// Returns a client with the options of this handle.
    #[must_use]
    pub fn client(&self) -> SnapshotClient {
        SnapshotClient { session: self.session.clone() }
    }

    /// Returns a handle for the snapshot with this name. It sends nothing.
    ///
    /// The snapshot need not exist.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the name is not a valid [`SnapshotName`].
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

    /// Resolves a date-math name such as `<nightly-{now/d}>` by the domain's clock. It sends
    /// nothing.
    ///
    /// The server can resolve such names too, but its response does not contain the result. So
    /// resolve the name with this method if the snapshot is needed later. The client learns the
    /// domain's time from responses, see [`SnapshotClient::now`]. Feature `date-math`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the result is not a valid [`SnapshotName`].
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

    /// Registers the repository, or replaces its settings.
    ///
    /// Sends `PUT /_snapshot/{repository}`. All nodes of the cluster then verify the repository,
    /// unless [`RegisterRepository::with_verify`] disables that. The argument can be a
    /// [`RegisterRepository`], or only the settings: [`S3Settings`](crate::S3Settings), or the
    /// [settings](crate::repository) of another type of repository.
    /// [`ensure_registered`](Self::ensure_registered) is the call that overwrites nothing and waits
    /// for new permissions.
    ///
    /// On an Amazon domain, this request must be signed. The service checks whether the signer, who
    /// owns the credentials, may pass the role in `role_arn` to the service ([Amazon's
    /// guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshot-registerdirectory.html)).
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`] if the settings cannot work. On an Amazon domain, also if the
    ///   name of the repository starts with `cs-`, which Amazon reserves. Nothing is sent.
    /// * [`ErrorKind::InvalidInput`] if a setting may be a secret, and the client would send it
    ///   over `http://` to a host other than this machine. Nothing is sent, unless the builder
    ///   [allows it](crate::SnapshotClientBuilder::danger_send_credentials_unencrypted). The client
    ///   recognises a secret by the name of the setting, such as `secret_key`. It also recognises a
    ///   URL that contains a password or a signature.
    /// * [`ErrorKind::MissingRoleArn`] if an S3 repository on an Amazon domain has no `role_arn`.
    ///   Nothing is sent if the host name shows that the domain is Amazon's.
    /// * [`ErrorKind::AccessDenied`] if the signer may not pass the role (`iam:PassRole`), or if a
    ///   policy or fine-grained access control refuses the request.
    /// * [`ErrorKind::RepositoryVerification`] if not all nodes can write to the repository. The
    ///   repository **stays registered**, except on Elasticsearch 8 and later.
    /// * [`ErrorKind::Busy`] if a repository of this name is registered already and still in use
    ///   when the [queue time](Self::with_queue_time) is over. For example, a snapshot is being
    ///   created in it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the repository may have been
    /// registered. Registering it again does no harm.
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
        Box::pin(async move { registration::register(&this.session, &this.name, &registration).await })
    }

    /// Makes sure that the repository is registered with these settings, and that the nodes can use
    /// it.
    ///
    /// This is the call for programs that set up a domain. [`register`](Self::register) sends only
    /// one request. This call reads the registration before and after it, and copes with what can
    /// go wrong at first:
    ///
    /// * **The repository is registered already.** With the same settings, the nodes only verify
    ///   it. With other settings, the call fails and changes nothing, unless
    ///   [`with_overwrite`](EnsureRegistered::with_overwrite) permits it.
    /// * **A permission was granted a moment ago.** A change of IAM takes effect after seconds or
    ///   minutes. The call repeats the registration for up to two minutes
    ///   ([`with_propagation_time`](EnsureRegistered::with_propagation_time)).
    /// * **The bucket is in another Region.** The call registers the repository once more, with the
    ///   Region or endpoint for such buckets ([Amazon's
    ///   guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshot-registerdirectory.html)).
    /// * **It fails in the end.** The error shows whether the repository stays registered.
    ///   [`with_rollback`](EnsureRegistered::with_rollback) undoes what the call did.
    ///
    /// It returns a builder. Awaiting that returns [`Registered`](crate::registration::Registered).
    /// [`EnsureRegistered`] describes the steps, the errors, and what happens if it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::S3Settings;
    /// use es_snapshot::registration::RegistrationChange;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// let role = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
    /// let settings = S3Settings::new("my-bucket-4-es").with_base_path("logs").with_role_arn(role);
    /// let logs = client.repository("logs")?;
    ///
    /// let first = logs.ensure_registered(settings.clone()).with_rollback(true).await?;
    /// assert_eq!(first.change(), RegistrationChange::Created);
    ///
    /// let second = logs.ensure_registered(settings).await?;
    /// assert_eq!(second.change(), RegistrationChange::Unchanged);
    /// # Ok(())
    /// # }
    /// ```
    pub fn ensure_registered(&self, registration: impl Into<RegisterRepository>) -> EnsureRegistered {
        EnsureRegistered::new(self.session.clone(), self.name.clone(), registration.into())
    }

    /// Returns the settings with which the repository is registered.
    ///
    /// Sends `GET /_snapshot/{repository}`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RepositoryMissing`] if the repository is not registered. See [`ErrorKind`] for
    /// others. The request is retried as described in [`RetryPolicy`].
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

    /// Makes every node write to the repository and read from it, and returns the nodes.
    ///
    /// Sends `POST /_snapshot/{repository}/_verify`. The server deletes the files that the nodes
    /// have written for this.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::RepositoryMissing`] if the repository is not registered.
    /// * [`ErrorKind::RepositoryVerification`] if a node cannot use the repository. The error
    ///   contains the messages of the nodes.
    /// * [`ErrorKind::NotAllowed`] if an Amazon domain does not support the request ([Amazon's
    ///   guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/supported-operations.html)).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the server finishes the verification
    /// and deletes its files. Verifying again does no harm.
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

    /// Deletes the files that no snapshot refers to, and returns their number and size.
    ///
    /// Sends `POST /_snapshot/{repository}/_cleanup`.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::RepositoryMissing`] if the repository is not registered.
    /// * [`ErrorKind::Busy`] if a snapshot, a deletion or another clean-up is still running when
    ///   the [queue time](Self::with_queue_time) is over.
    /// * [`ErrorKind::NotAllowed`] if an Amazon domain does not support the request ([Amazon's
    ///   guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/supported-operations.html)).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the server finishes the clean-up.
    /// Cleaning up again does no harm.
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
    /// assert_eq!(removed.deleted_blobs(), 0); // Every file belongs to a snapshot.
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

    /// Unregisters the repository. Its snapshots stay where they are stored.
    ///
    /// Sends `DELETE /_snapshot/{repository}`. [`register`](Self::register) makes the snapshots
    /// accessible again.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::RepositoryMissing`] if the repository is not registered. The call succeeds
    ///   instead if the response to an earlier attempt of it was lost: that attempt has probably
    ///   unregistered the repository.
    /// * [`ErrorKind::Busy`] if the repository is still in use when the [queue
    ///   time](Self::with_queue_time) is over.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the repository may have been
    /// unregistered. Unregistering it again then fails with [`ErrorKind::RepositoryMissing`].
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
        registration::unregister(&self.session, &self.name).await
    }

    /// Starts a snapshot and returns once the server has accepted the request.
    ///
    /// Sends `PUT /_snapshot/{repository}/{snapshot}` ([create snapshot
    /// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-create)).
    /// [`StartedSnapshot::wait`] then waits until the snapshot has ended.
    ///
    /// # After a lost response
    ///
    /// The client stores a [token](crate::snapshot::SnapshotToken) in the snapshot's metadata: a
    /// text by which it recognises the snapshot. Default: a random text.
    ///
    /// The client checks which snapshot has this name after each of these failures:
    ///
    /// * The response was lost: no usable response arrived, for example because the connection
    ///   broke.
    /// * The server reported a failure (HTTP 500). It may have started the snapshot before it
    ///   failed.
    /// * The server reported that the name is taken. An earlier request with this token may have
    ///   taken it.
    ///
    /// The result of the check determines what follows:
    ///
    /// * **The snapshot has the token of this call.** The call succeeds, and
    ///   [`StartedSnapshot::how`] returns
    ///   [`HowStarted::Adopted`](crate::wait::HowStarted::Adopted).
    /// * **The snapshot does not have the token.** The call fails with
    ///   [`ErrorKind::SnapshotNameTaken`].
    /// * **Another snapshot had the name, and is gone now.** The server refused the first request
    ///   of this call because the name was taken. The call fails with
    ///   [`ErrorKind::SnapshotNameTaken`], although the name is free again.
    /// * **No snapshot has the name, in all other cases.** The client checks again. Once three
    ///   checks in a row, over at least 10 s, have found no snapshot, it sends the request again
    ///   with the same token. There is one exception: if the connection broke, a single check is
    ///   enough before the second request.
    ///
    /// The client sends the request at most three times, not counting requests that the server
    /// refused. [`RetryPolicy`](RetryPolicy#after-a-lost-response) describes the limits, and how
    /// the call ends if they are reached.
    ///
    /// So the call creates at most one snapshot. If it fails with [`Outcome::Rejected`], it has
    /// created none. [`CreateSnapshot::without_token`] describes what changes without a token.
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`] if the name or the options are not valid, or if the operating
    ///   system has no random numbers for the token. Nothing is sent.
    /// * [`ErrorKind::SnapshotNameTaken`] if another snapshot has this name, or had it when the
    ///   request arrived.
    /// * [`ErrorKind::RepositoryMissing`] or [`ErrorKind::IndexMissing`] if the repository or a
    ///   named index does not exist.
    /// * [`ErrorKind::Busy`] if another operation is still running when the [queue
    ///   time](Self::with_queue_time) is over.
    /// * Any kind with [`Outcome::Unknown`] if the client could not determine in time whether the
    ///   snapshot was created, or if the server refused five checks in a row. [`Error::ticket`]
    ///   then identifies the snapshot.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the snapshot may have been started. The
    /// server then goes on with it. A later call with the same name and the same
    /// [token](CreateSnapshot::with_token) adopts it: the call succeeds and starts nothing.
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
    /// // Store the token before the call. Then the call can be repeated after a crash.
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

    /// Returns the snapshots of the repository as a stream, each as soon as it has arrived.
    ///
    /// Sends `GET /_snapshot/{repository}/{pattern}`. The stream contains only snapshots that match
    /// the pattern. The server returns the oldest first, except with
    /// [`with_verbose(false)`](ListSnapshots::with_verbose). The stream does not keep the snapshots
    /// that it has returned. [`list`](Self::list) returns them all at once.
    ///
    /// The servers accept request lines of up to 4,096 bytes, so the client splits a longer pattern
    /// into several requests. The oldest snapshot is then first within each request, not in the
    /// whole stream.
    ///
    /// # Snapshots that cannot be read
    ///
    /// If the file of even one snapshot is gone or broken, the server refuses the whole listing.
    /// The client then requests only the names (`verbose=false`), and reads the snapshots one by
    /// one, in the order in which the server lists the names. For each snapshot that cannot be
    /// read, the stream returns an error with its name, and goes on.
    ///
    /// # Time limits
    ///
    /// Until the first snapshot of a response has arrived, the request is retried as described in
    /// [`RetryPolicy`]. From then on, [`Timeouts::with_attempt`] limits the time for each snapshot,
    /// and [`Timeouts::with_read`] the time for each piece of the response. The time before the
    /// consumer polls for the next snapshot does not count. There is no limit for the size of a
    /// response.
    ///
    /// # Errors
    ///
    /// The stream ends after an error, except after that of a [snapshot that cannot be
    /// read](#snapshots-that-cannot-be-read).
    ///
    /// * [`ErrorKind::InvalidInput`] as the first item, if the options are not valid.
    /// * [`ErrorKind::RepositoryMissing`] if the repository is not registered.
    /// * [`ErrorKind::SnapshotMissing`] if a named snapshot does not exist. With OpenSearch and
    ///   older versions of Elasticsearch, also if no snapshot matches the pattern.
    /// * [`ErrorKind::ResponseTooLarge`] if the description of one snapshot has more than 16 MiB.
    /// * [`ErrorKind::Decode`], [`ErrorKind::Interrupted`] or [`ErrorKind::Timeout`] if the rest of
    ///   the list could not be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the stream stops reading. Nothing changes at the server.
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

    /// Returns the snapshots of the repository as a list, oldest first.
    ///
    /// The order is that of the start times. The server returns this order, and the client sorts
    /// the snapshots of several requests. With
    /// [`with_verbose(false)`](ListSnapshots::with_verbose), the order is not specified.
    ///
    /// The client sends the requests that [`snapshots`](Self::snapshots) describes.
    /// [`SnapshotList::unreadable`] returns the snapshots that the server could not read.
    ///
    /// A request is retried as described in [`RetryPolicy`] until its whole response has arrived.
    /// If the list needs several requests, [`Timeouts::with_call`] limits each of them, not the
    /// whole list.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::ResponseTooLarge`] if a response is larger than
    ///   [`max_response_bytes`](crate::SnapshotClientBuilder::max_response_bytes). With a [page
    ///   size](ListSnapshots::with_page_size), the sizes of the pages are added up.
    /// * Those of [`snapshots`](Self::snapshots).
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

    /// Deletes every snapshot that matches the pattern now, and reports the result for each.
    ///
    /// The client first lists the snapshots that match. It then deletes exactly these, and
    /// identifies each by its name and its uuid. So a snapshot that is created later is not
    /// deleted, except for the race that [`Snapshot::delete`] describes. A name in the pattern is
    /// skipped if no snapshot has it. If nothing matches, the report is empty.
    ///
    /// The client deletes the snapshots one after the other, as [`Snapshot::delete`] does. Each
    /// deletion has its own time limits.
    ///
    /// # Errors
    ///
    /// If the snapshots cannot be listed, nothing is deleted, and the call fails with an error of
    /// [`list`](Self::list), except [`ErrorKind::SnapshotMissing`]. The error of a single deletion
    /// does not make the call fail: [`DeletionReport::failed`] returns it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the snapshots that the call has already deleted stay deleted. The
    /// one that it was deleting may be deleted. The others are kept.
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
        // Without `ignore_unavailable`, one missing name would make the whole listing fail.
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

/// Parses a snapshot name. The error names the operation.
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
