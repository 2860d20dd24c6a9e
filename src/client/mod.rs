//! The client for one domain or cluster, and its handles for repositories and snapshots.
//!
//! A [`SnapshotClient`] has the operations that concern the whole domain. A [`Repository`] is its
//! handle for one repository, and a [`Snapshot`] the handle for one snapshot. The handles have a
//! method for each operation of the snapshot API. A method that starts an operation returns a
//! [`StartedSnapshot`] or a [`StartedRestore`], with which to wait for its end.
//!
//! ```
//! use es_snapshot::{CreateSnapshot, ListSnapshots};
//! # use es_snapshot::testing::FakeDomain;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), es_snapshot::Error> {
//! # let domain = FakeDomain::with_repository("backups").await;
//! let client = domain.client_builder().user_agent("nightly-backup/1.4").build()?;
//! let backups = client.repository("backups")?;
//!
//! let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
//! started.wait().await?.into_complete()?;
//!
//! backups.snapshot("monday")?.delete().await?;
//! assert!(backups.list(ListSnapshots::new()).await?.snapshots().is_empty());
//! # Ok(())
//! # }
//! ```

mod builder;
mod info;
mod raw;
mod repository;
mod snapshot;
mod started;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::Value;

pub use builder::SnapshotClientBuilder;
pub use info::ServerInfo;
pub use raw::{RawRequest, RawResponse};
pub use repository::Repository;
pub use snapshot::Snapshot;
pub use started::{StartedRestore, StartedSnapshot};

pub use crate::retry::RetryBudget;

use crate::call::{CallOptions, Core, Session};
use crate::clock::BoxFuture;
use crate::config::{RetryPolicy, Timeouts};
use crate::error::{Error, Operation};
use crate::name::IndexName;
use crate::repository::RepositoryInfo;
use crate::request;
use crate::restore::{PreparedRestore, ShardRecovery};
use crate::snapshot::SnapshotStatus;
use crate::ticket::Ticket;
use crate::wait::{self, AnyOutcome, TicketState, TypedTicket, Wait};

/// The methods that change the options of calls, for the client and its handles.
macro_rules! with_call_options {
    ($handle:literal) => {
        #[doc = concat!("Returns a ", $handle, " with these time limits. Default: [`Timeouts::new`].")]
        #[doc(alias = "request_timeout")]
        #[must_use]
        pub fn with_timeouts(&self, timeouts: Timeouts) -> Self {
            self.with(|options| options.timeouts = timeouts)
        }

        #[doc = concat!("Returns a ", $handle, " with this retry policy. Default: [`RetryPolicy::new`].")]
        #[doc(alias = "max_retries")]
        #[must_use]
        pub fn with_retry(&self, retry: RetryPolicy) -> Self {
            self.with(|options| options.retry = retry)
        }

        #[doc = concat!("Returns a ", $handle, " that retries for up to `queue` while another operation is running.")]
        ///
        /// The server refuses some requests while a snapshot, deletion, clone, restore or clean-up
        /// is running. With 0 s, such a call fails at once with
        /// [`ErrorKind::Busy`](crate::ErrorKind::Busy). Default: 0 s.
        #[doc(alias = "concurrent_snapshot_execution_exception")]
        #[must_use]
        pub fn with_queue_time(&self, queue: Duration) -> Self {
            self.with(|options| options.queue = queue)
        }

        #[doc = concat!("Returns a ", $handle, " that sets how long the server waits for an elected master.")]
        ///
        /// The client sends the limit as `master_timeout`, with requests about snapshots and
        /// repositories. After the limit the server returns an error, but it may still apply the
        /// change. In milliseconds. Server default: 30 s.
        #[doc(alias = "master_timeout")]
        #[doc(alias = "cluster_manager_timeout")]
        #[must_use]
        pub fn with_master_timeout(&self, limit: Duration) -> Self {
            self.with(|options| options.master_timeout = Some(limit))
        }

        #[doc = concat!("Returns a ", $handle, " that sends this text as the header `X-Opaque-Id`.")]
        ///
        /// The server shows it in its tasks and slow logs. Calls fail with
        /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the text contains a
        /// character that is not allowed in a header. Default: none.
        #[doc(alias = "X-Opaque-Id")]
        #[must_use]
        pub fn with_opaque_id(&self, id: impl Into<String>) -> Self {
            let id = id.into();
            self.with(|options| options.opaque_id = Some(id))
        }
    };
}

use with_call_options;

/// A client for the snapshots of one domain: an Amazon domain or a self-managed cluster.
///
/// [`SnapshotClient::builder`] creates a client. [`repository`](Self::repository) returns a handle
/// for a repository, which has most of the operations.
///
/// Cloning a client is cheap. Clones share the connections, the credentials, the measured clock
/// offset of the domain, and the [`RetryBudget`]. Calls may run concurrently.
///
/// # Options
///
/// The methods `with_…` return a client with other options. They leave this client as it is. A
/// handle has the options of the client that returned it, and it has the same `with_…` methods.
///
/// # Operations and tickets
///
/// A snapshot, a restore or a deletion can take hours. The server goes on with it after the request
/// has ended, and after the program has ended. A [`Ticket`] is data that identifies such an
/// operation. It can be stored, so that another process can continue:
///
/// * [`resume`](Self::resume) and [`resume_any`](Self::resume_any) return a [`Wait`], which polls
///   until the operation has ended.
/// * [`check`](Self::check) checks the operation once.
///
/// # Runtime
///
/// By default, a client needs a tokio runtime. [`SystemClock`](crate::clock::SystemClock) uses the
/// timers of the runtime, and `HyperTransport` its sockets. Without a runtime, calls fail with
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput). If the runtime has no timers or no
/// I/O, calls panic, because tokio does: build the runtime with `enable_all`.
///
/// A client with another clock and another transport runs on any executor.
///
/// # Cancel safety
///
/// Any future of this crate may be dropped at any time, and the client remains usable. A request
/// that was sent may still be carried out: dropping a future cancels nothing at the server.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use es_snapshot::{CreateSnapshot, SnapshotState};
/// # use es_snapshot::testing::FakeDomain;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// # let domain = FakeDomain::with_repository("backups").await;
/// # let client = domain.client();
/// // Retries for up to ten minutes while another snapshot operation is running.
/// let patient = client.with_queue_time(Duration::from_secs(600)).with_opaque_id("nightly");
///
/// let backups = patient.repository("backups")?;
/// let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
/// let snapshot = started.wait().await?.into_complete()?;
/// assert_eq!(*snapshot.state(), SnapshotState::Success);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SnapshotClient {
    session: Session,
}

impl SnapshotClient {
    /// Returns a builder for a client of the domain at this URL.
    ///
    /// The URL of an Amazon domain has the form `https://vpc-NAME-ID.REGION.es.amazonaws.com`.
    ///
    /// ```
    /// use es_snapshot::{Auth, SnapshotClient};
    ///
    /// # fn main() -> Result<(), es_snapshot::Error> {
    /// let client = SnapshotClient::builder("http://localhost:9200")
    ///     .auth(Auth::basic("admin", "secret")?)
    ///     .user_agent("nightly-backup/1.4")
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(endpoint: impl Into<String>) -> SnapshotClientBuilder {
        SnapshotClientBuilder::new(endpoint.into())
    }

    pub(crate) fn new(core: Core, options: CallOptions) -> Self {
        Self { session: Session { core: Arc::new(core), options } }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    fn with(&self, change: impl FnOnce(&mut CallOptions)) -> Self {
        Self { session: self.session.with(change) }
    }

    with_call_options!("client");

    /// Returns a handle for the repository with this name. It sends nothing.
    ///
    /// The repository need not be registered yet: [`Repository::register`] does that.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the name is not a valid
    /// [`RepositoryName`](crate::name::RepositoryName).
    ///
    /// # Examples
    ///
    /// ```
    /// # use es_snapshot::SnapshotClient;
    /// # fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = SnapshotClient::builder("http://localhost:9200").build()?;
    /// assert_eq!(client.repository("backups")?.name().as_str(), "backups");
    /// assert!(client.repository("backups/../_all").is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn repository(&self, name: impl AsRef<str>) -> Result<Repository, Error> {
        Ok(Repository::new(self.session.clone(), name.as_ref().parse()?))
    }

    /// Returns all repositories, sorted by name.
    ///
    /// Sends `GET /_snapshot`. On an Amazon domain, the list includes the repositories of the
    /// service itself, whose names start with `cs-` ([Amazon's
    /// guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshots.html)).
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind). The request is retried as described in [`RetryPolicy`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use es_snapshot::testing::FakeDomain;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// let repositories = client.repositories().await?;
    /// assert_eq!(repositories[0].name(), "backups");
    /// assert_eq!(repositories[0].settings().repository_type(), "s3");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "_snapshot")]
    #[doc(alias = "get_repository")]
    #[doc(alias = "list_repositories")]
    #[doc(alias = "snapshot.get_repository")]
    pub async fn repositories(&self) -> Result<Vec<RepositoryInfo>, Error> {
        self.session.list_repositories().await
    }

    /// Returns the snapshots that are running now, in all repositories.
    ///
    /// Sends `GET /_snapshot/_status`.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind). The request is retried as described in [`RetryPolicy`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// client.repository("backups")?.create_snapshot("monday", CreateSnapshot::new()).await?;
    ///
    /// let running = client.running_snapshots().await?;
    /// assert_eq!(running[0].name(), "monday");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "_current")]
    #[doc(alias = "_status")]
    #[doc(alias = "snapshot.status")]
    #[doc(alias = "snapshot_status")]
    pub async fn running_snapshots(&self) -> Result<Vec<SnapshotStatus>, Error> {
        self.session.running_snapshots(None).await
    }

    /// Returns the shard recoveries of these indices, or of all indices if none is named.
    ///
    /// A recovery shows how far the restore of one shard has come. The server keeps it until the
    /// index is closed, the shard is moved or its node is restarted.
    ///
    /// Sends `GET /_recovery` ([recovery
    /// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-recovery)).
    /// Hidden indices are included. The servers accept request lines of up to 4,096 bytes, so the
    /// client splits longer lists of names into several requests.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if one of the names is not a
    ///   valid [`IndexName`].
    /// * [`ErrorKind::IndexMissing`](crate::ErrorKind::IndexMissing) if one of the indices does not
    ///   exist.
    /// * See [`ErrorKind`](crate::ErrorKind) for others. The requests are retried as described in
    ///   [`RetryPolicy`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use es_snapshot::testing::FakeDomain;
    /// # use es_snapshot::{CreateSnapshot, RestoreSnapshot};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # domain.create_index("movies", 2);
    /// # let client = domain.client();
    /// # let backups = client.repository("backups")?;
    /// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    /// let options = RestoreSnapshot::new().with_rename_prefix("restored-");
    /// backups.snapshot("monday")?.restore(options).await?;
    ///
    /// let shards = client.recovery(["restored-movies"]).await?;
    /// assert_eq!(shards.len(), 2);
    /// for shard in shards {
    ///     println!("{} {:?} {}", shard.index(), shard.shard(), shard.stage());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "_recovery")]
    #[doc(alias = "cat_recovery")]
    #[doc(alias = "indices.recovery")]
    pub fn recovery<I>(&self, indices: I) -> BoxFuture<'static, Result<Vec<ShardRecovery>, Error>>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let names: Result<Vec<IndexName>, Error> = indices.into_iter().map(|index| index.as_ref().parse()).collect();
        let session = self.session.clone();
        Box::pin(async move { session.recovery(&names.map_err(|error| error.during(Operation::Recovery, 0))?).await })
    }

    /// Returns the name and the version of the server.
    ///
    /// Sends `GET /`.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind). The request is retried as described in [`RetryPolicy`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use es_snapshot::testing::FakeDomain;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// let server = client.server_info().await?;
    /// assert_eq!(server.version(), "7.10.2");
    /// assert_eq!(server.distribution(), None); // Elasticsearch
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "info")]
    #[doc(alias = "ping")]
    #[doc(alias = "version")]
    pub async fn server_info(&self) -> Result<ServerInfo, Error> {
        self.session.call(&request::server_info()).await
    }

    /// Returns the current time by the domain's clock. It sends nothing.
    ///
    /// The result is this machine's time, corrected by the offset that earlier responses have
    /// shown. Compare it with the times in a [`SnapshotInfo`], which the server has set.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # use es_snapshot::testing::FakeDomain;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # let client = domain.client();
    /// let before = client.now();
    /// domain.set_skew(3600); // The domain's clock is an hour ahead.
    ///
    /// // The next response contains the domain's time.
    /// client.server_info().await?;
    /// assert!(client.now() >= before + Duration::from_secs(3600));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`SnapshotInfo`]: crate::SnapshotInfo
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.session.core.now()
    }

    /// Returns a wait for the operation that a ticket identifies.
    ///
    /// A [`Ticket`] is data that identifies an operation, such as a running snapshot. Any process
    /// may have started the operation. [`Wait`] describes the result, the deadline and the errors.
    ///
    /// ```
    /// use es_snapshot::wait::SnapshotTicket;
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// # let backups = client.repository("backups")?;
    /// let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
    /// let stored = serde_json::to_string(started.ticket())?;
    ///
    /// // Another process reads the ticket.
    /// let ticket: SnapshotTicket = serde_json::from_str(&stored)?;
    /// let snapshot = client.resume(ticket).await?.into_complete()?;
    /// assert_eq!(snapshot.name(), "monday");
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume<T: TypedTicket>(&self, ticket: T) -> Wait<T::Outcome> {
        Wait::new(self.session.clone(), ticket.into())
    }

    /// Returns a wait for the operation that a ticket of any kind identifies.
    ///
    /// Use it for a stored ticket whose kind is not known. For a ticket of a known kind,
    /// [`resume`](Self::resume) returns a typed result. [`Wait`] describes the deadline and the
    /// errors.
    ///
    /// ```
    /// use es_snapshot::Ticket;
    /// use es_snapshot::wait::AnyOutcome;
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// # let backups = client.repository("backups")?;
    /// # let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
    /// # let stored = serde_json::to_string(started.ticket())?;
    /// let ticket: Ticket = serde_json::from_str(&stored)?;
    /// match client.resume_any(ticket).await? {
    ///     AnyOutcome::Snapshot(snapshot) => assert!(snapshot.is_complete()),
    ///     AnyOutcome::Restore(report) => println!("{} shards", report.shards_total()),
    ///     other => println!("{other:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume_any(&self, ticket: Ticket) -> Wait<AnyOutcome> {
        Wait::new(self.session.clone(), ticket)
    }

    /// Checks once whether the operation of a ticket is running, has ended, or is not found.
    ///
    /// A [`Ticket`] is data that identifies an operation, such as a running snapshot. A [`Wait`] is
    /// more reliable than a single check, because it polls again in two cases. Right after the
    /// start, the server may not show the operation yet. Later, it may not show where the data of a
    /// restored shard comes from.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RepositoryMissing`](crate::ErrorKind::RepositoryMissing) if the repository is
    /// not registered. See [`ErrorKind`](crate::ErrorKind) for others. The requests are retried as
    /// described in [`RetryPolicy`].
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::wait::TicketState;
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// # let backups = client.repository("backups")?;
    /// let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
    /// let ticket = started.ticket().clone();
    ///
    /// match client.check(ticket.clone()).await? {
    ///     TicketState::Running(now) => println!("{} shards done", now.shards_done()),
    ///     TicketState::Ended(outcome) => println!("ended: {outcome:?}"),
    ///     TicketState::NotFound => println!("not found"),
    ///     other => println!("{other:?}"),
    /// }
    ///
    /// started.wait().await?;
    /// assert!(matches!(client.check(ticket).await?, TicketState::Ended(_)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn check(&self, ticket: impl Into<Ticket>) -> BoxFuture<'static, Result<TicketState, Error>> {
        let (session, ticket) = (self.session.clone(), ticket.into());
        Box::pin(async move { wait::check(&session, ticket).await })
    }

    /// Starts a restore that [`Snapshot::prepare_restore`] has prepared.
    ///
    /// If this process has prepared the restore, the client sends it. If the restore was read back
    /// from storage, a process that was killed may have sent it already. The client then compares
    /// the indices with their stored state first:
    ///
    /// * The restore is running or has ended: the client sends nothing. The call succeeds, and
    ///   [`StartedRestore::how`] returns
    ///   [`HowStarted::Adopted`](crate::wait::HowStarted::Adopted).
    /// * The restore had no effect: the client sends it.
    /// * The indices have changed, and nothing shows that this restore has changed them: the client
    ///   sends nothing. The call fails with [`Outcome::Unknown`](crate::Outcome::Unknown).
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::SnapshotMissing`](crate::ErrorKind::SnapshotMissing) if the snapshot is gone,
    ///   or another snapshot has taken its name.
    /// * Those of [`Snapshot::restore`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the restore may have been started. The
    /// server then goes on with it. Starting the restore again from its stored form is safe.
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::restore::PreparedRestore;
    /// use es_snapshot::wait::HowStarted;
    /// # use es_snapshot::testing::FakeDomain;
    /// # use es_snapshot::{CreateSnapshot, RestoreSnapshot};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # domain.create_index("movies", 1);
    /// # let client = domain.client();
    /// # let backups = client.repository("backups")?;
    /// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    /// let options = RestoreSnapshot::new().with_rename_prefix("restored-");
    /// let prepared = backups.snapshot("monday")?.prepare_restore(options).await?;
    /// let stored = serde_json::to_string(&prepared)?;
    /// client.start(prepared).await?;
    ///
    /// // The process was killed. The next one does not know whether the restore was sent.
    /// let prepared: PreparedRestore = serde_json::from_str(&stored)?;
    /// let restore = client.start(prepared).await?;
    /// assert_eq!(restore.how(), HowStarted::Adopted);
    /// restore.wait().await?.into_complete()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(&self, restore: PreparedRestore) -> BoxFuture<'static, Result<StartedRestore, Error>> {
        let session = self.session.clone();
        Box::pin(async move {
            let (response, ticket) = session.start_restore(&restore).await?;
            Ok(StartedRestore::new(session, response, ticket))
        })
    }

    /// Sends a request for which this crate has no method.
    ///
    /// The client signs it, limits its time and classifies its errors, as it does with other
    /// requests. A request other than GET and HEAD is sent again only if it was certainly not
    /// carried out.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a path segment is empty, or
    ///   if a proxy could split, decode or resolve it. The length of the path is not checked: the
    ///   servers refuse request lines of more than 4,096 bytes, unless
    ///   `http.max_initial_line_length` is set.
    /// * [`ErrorKind::Decode`](crate::ErrorKind::Decode) if the response is not JSON. The request
    ///   is not repeated. Endpoints that return text by default, such as `_cat`, take the parameter
    ///   `format=json`.
    /// * [`ErrorKind::NotAllowed`](crate::ErrorKind::NotAllowed) if an Amazon domain does not
    ///   support the path ([Amazon's
    ///   guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/supported-operations.html)).
    /// * Any kind with [`Outcome::Unknown`](crate::Outcome::Unknown) if the response was lost. The
    ///   client does not check whether the request took effect.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, the request may still be carried out.
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::client::RawRequest;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// let health = client.raw(RawRequest::get(["_cluster", "health"])).await?;
    /// assert_eq!(health.status(), 200);
    /// println!("{}", health.body()["status"]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "perform_request")]
    pub async fn raw(&self, request: RawRequest) -> Result<RawResponse, Error> {
        let RawRequest { method, segments, query, body } = request;
        let body = match body {
            Some(value) => Bytes::from(value.to_string()),
            None => Bytes::new(),
        };
        let request = request::raw(method, &segments, &query, body).map_err(|error| error.during(Operation::Raw, 0))?;
        self.session
            .call_with(&request, |response| {
                let body =
                    if response.body.is_empty() { Value::Null } else { response.decode().map_err(Error::intended)? };
                Ok(RawResponse { status: response.status, body })
            })
            .await
    }
}
