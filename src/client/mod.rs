//! The client and its handles, with a thin method for each operation of the snapshot API.

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

/// The five ways in which a handle may change how its calls are made.
macro_rules! with_call_options {
    ($handle:literal) => {
        #[doc = concat!("Returns a ", $handle, " with other time limits. Default: [`Timeouts::new`].")]
        #[doc(alias = "request_timeout")]
        #[must_use]
        pub fn with_timeouts(&self, timeouts: Timeouts) -> Self {
            self.with(|options| options.timeouts = timeouts)
        }

        #[doc = concat!("Returns a ", $handle, " with another retry policy. Default: [`RetryPolicy::new`].")]
        #[doc(alias = "max_retries")]
        #[must_use]
        pub fn with_retry(&self, retry: RetryPolicy) -> Self {
            self.with(|options| options.retry = retry)
        }

        #[doc = concat!("Returns a ", $handle, " that keeps trying for up to `queue` while another snapshot operation is")]
        /// running, such as a snapshot, a deletion, a clone or a clean-up. Default: 0 s. Such calls
        /// then fail at once with [`ErrorKind::Busy`](crate::ErrorKind::Busy).
        #[doc(alias = "concurrent_snapshot_execution_exception")]
        #[must_use]
        pub fn with_queue_time(&self, queue: Duration) -> Self {
            self.with(|options| options.queue = queue)
        }

        #[doc = concat!("Returns a ", $handle, " that sets how long the server waits for an elected master")]
        /// (`master_timeout`, in milliseconds), on the endpoints of snapshots and repositories. A
        /// change may still be applied after the server gave up. Server default: 30 s.
        #[doc(alias = "master_timeout")]
        #[doc(alias = "cluster_manager_timeout")]
        #[must_use]
        pub fn with_master_timeout(&self, limit: Duration) -> Self {
            self.with(|options| options.master_timeout = Some(limit))
        }

        #[doc = concat!("Returns a ", $handle, " that sends this `X-Opaque-Id`, which the server shows in its tasks and")]
        /// slow logs. A call fails with [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput)
        /// if no header can carry the text. Default: none.
        #[doc(alias = "X-Opaque-Id")]
        #[must_use]
        pub fn with_opaque_id(&self, id: impl Into<String>) -> Self {
            let id = id.into();
            self.with(|options| options.opaque_id = Some(id))
        }
    };
}

use with_call_options;

/// A client of one domain or cluster.
///
/// Cheap to clone. Clones share connections, credentials, the learned clock of the domain, and the
/// budget of retries. Calls may run concurrently.
///
/// The methods `with_…` return a client with other options and leave this one as it is. Handles
/// take over the options of the client that made them.
///
/// # Runtime
///
/// By default a client needs a tokio runtime: for the timers of
/// [`SystemClock`](crate::clock::SystemClock) and the sockets of `HyperTransport`. A call outside
/// of one fails with [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput). On a runtime
/// whose timers or I/O are disabled the call panics, as tokio itself does: build it with
/// `enable_all`. A client with another clock and transport runs on any executor.
///
/// # Cancel safety
///
/// Any future of this crate may be dropped at any time and leaves nothing half-done in the client.
/// A read changes nothing. What a request has already started at the domain goes on there. Dropping
/// cancels and deletes nothing.
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
/// // Waits for up to ten minutes if another snapshot operation is running.
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
    /// Returns a builder for a client of the domain at this URL, such as
    /// `https://vpc-NAME-ID.REGION.es.amazonaws.com`.
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

    fn with(&self, change: impl FnOnce(&mut CallOptions)) -> Self {
        Self { session: self.session.with(change) }
    }

    with_call_options!("client");

    /// Returns a handle of the repository with this name. It sends nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the name is not a
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

    /// Returns all repositories (`GET /_snapshot`) in the order of their names. Amazon's own, whose
    /// names start with `cs-`, are among them ([Amazon's
    /// guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshots.html)).
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind). Reads are repeated where that can help.
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

    /// Returns the snapshots that are running now, in all repositories (`GET /_snapshot/_status`).
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind). Reads are repeated where that can help.
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
    /// * [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if one is not an
    ///   [`IndexName`].
    /// * [`ErrorKind::IndexMissing`](crate::ErrorKind::IndexMissing) if a named index does not
    ///   exist.
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

    /// Returns name and version of the server (`GET /`).
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind). Reads are repeated where that can help.
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

    /// Returns the time by the domain's clock, as far as its responses have shown how that differs
    /// from this machine's. It sends nothing. Compare it with the times in a [`SnapshotInfo`].
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
    /// // The response shows it.
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

    /// Returns a wait for what the ticket names, whichever process started it. See [`Wait`] for its
    /// errors and its deadline.
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

    /// Returns a wait for what a ticket of any kind names. See [`Wait`] for its errors and its
    /// deadline.
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

    /// Checks once what a ticket names.
    ///
    /// A wait is more patient: it polls again where a single check may mislead, such as right after
    /// the start, or while shards of a restore show no origin.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RepositoryMissing`](crate::ErrorKind::RepositoryMissing). See
    /// [`ErrorKind`](crate::ErrorKind) for others. Reads are repeated where that can help.
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
    ///     TicketState::NotFound => println!("the domain has nothing of it"),
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

    /// Starts a restore that was [prepared](Snapshot::prepare_restore), by this process or by one
    /// that is gone.
    ///
    /// If it was read back from where it was stored, it may have been sent already. The client then
    /// first compares its indices with what they were. If the restore is running or done, the
    /// result is [`HowStarted::Adopted`](crate::wait::HowStarted::Adopted). If nothing of it
    /// happened, it is sent. If something else changed them, nothing is sent.
    ///
    /// # Errors
    ///
    /// Those of [`Snapshot::restore`]. With [`Outcome::Unknown`](crate::Outcome::Unknown) the
    /// indices have changed, and nothing shows that this restore did it.
    ///
    /// # Cancel safety
    ///
    /// That of [`Snapshot::restore`]. Starting it again from the stored form is safe.
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

    /// Sends a request that this crate has no type for. It is signed, timed and classified like the
    /// others.
    ///
    /// A request other than GET and HEAD is sent again only where it certainly was not carried out.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a path segment that would
    ///   be dropped, split or resolved on its way. The length is not checked: the engines refuse a
    ///   request line of more than 4,096 bytes, encoded, unless `http.max_initial_line_length` is
    ///   set.
    /// * [`ErrorKind::Decode`](crate::ErrorKind::Decode) for a response that is not JSON. It is not
    ///   requested again. Endpoints that respond in text take `format=json`.
    /// * [`ErrorKind::NotAllowed`](crate::ErrorKind::NotAllowed) for a path that an Amazon domain
    ///   does not support ([Amazon's
    ///   guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/supported-operations.html)).
    /// * Any kind with [`Outcome::Unknown`](crate::Outcome::Unknown): the response was lost. The
    ///   client does not check what came of the request.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after the request was sent, it may be carried out.
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
                    if response.body.is_empty() { Value::Null } else { response.decode().map_err(Error::meant)? };
                Ok(RawResponse { status: response.status, body })
            })
            .await
    }
}
