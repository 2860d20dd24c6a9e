//! The builder of a domain, and the thread in which a domain runs.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, mpsc, oneshot};
use wiremock::{Mock, MockServer, matchers};

use super::response::Responder;
use super::{FakeDomain, Shared, Sockets, State};
use crate::clock::{Clock, SystemClock};
use crate::testing::clock::ManualClock;
use crate::testing::cluster::Cluster;
use crate::testing::edge::{Account, Edge, FakeAuth};
use crate::testing::engine::Engine;
use crate::testing::relay::{self, Command};

/// The role that callers may pass by default.
pub(super) const PASS_ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
/// The bucket that every domain has.
pub(super) const BUCKET: &str = "my-bucket-4-es";

/// The seed of the next domain without a seed of its own.
static STARTED: AtomicU64 = AtomicU64::new(1);

/// A builder for a [`FakeDomain`]. [`FakeDomain::builder`] returns it.
///
/// ```
/// use std::time::Duration;
///
/// use es_snapshot::CreateSnapshot;
/// use es_snapshot::clock::Clock as _;
/// use es_snapshot::testing::{Engine, FakeDomain, ManualClock};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// let clock = ManualClock::at("2026-05-01T00:00:00Z");
/// let hour = Duration::from_secs(3600);
/// let domain = FakeDomain::builder()
///     .engine(Engine::elasticsearch("8.19.5"))
///     .clock(clock.clone())
///     .snapshots_take(hour)
///     .in_process()
///     .start()
///     .await;
/// domain.create_repository("backups");
///
/// let backups = domain.client().repository("backups")?;
/// backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
/// assert!(clock.monotonic() >= hour);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `start`"]
pub struct FakeDomainBuilder {
    engine: Engine,
    clock: Option<ManualClock>,
    auth: FakeAuth,
    region: String,
    pass_roles: BTreeSet<String>,
    credential_life: Duration,
    buckets: Vec<(String, Option<String>)>,
    snapshots_take: Duration,
    restores_take: Duration,
    hold_snapshots: bool,
    hold_restores: bool,
    seed: Option<u64>,
    in_process: bool,
    account: Option<Account>,
}

impl Default for FakeDomainBuilder {
    fn default() -> Self {
        Self {
            engine: Engine::elasticsearch("7.10.2"),
            clock: None,
            auth: FakeAuth::SigV4,
            region: "ap-northeast-1".to_owned(),
            pass_roles: BTreeSet::new(),
            credential_life: Duration::from_hours(6),
            buckets: vec![(BUCKET.to_owned(), None)],
            snapshots_take: Duration::from_secs(3),
            restores_take: Duration::from_secs(3),
            hold_snapshots: false,
            hold_restores: false,
            seed: None,
            in_process: false,
            account: None,
        }
    }
}

impl FakeDomainBuilder {
    /// Sets the engine and version to imitate. Default: Elasticsearch 7.10.2.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Sets the clock that determines how snapshots progress and when credentials expire.
    ///
    /// The domain's wall time starts at that of the clock, and then follows the clock's monotonic
    /// time. So a step of the clock's wall time makes the client's time wrong, not the domain's.
    /// Default: real time.
    pub fn clock(mut self, clock: ManualClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets which requests the domain lets in. Default: [`FakeAuth::SigV4`].
    pub fn auth(mut self, auth: FakeAuth) -> Self {
        self.auth = auth;
        self
    }

    /// Sets the region that signatures must be scoped to. Default: `ap-northeast-1`.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// Adds a role that callers may pass to the domain (`iam:PassRole`).
    ///
    /// The first call replaces the default.
    /// Default: `arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot`.
    pub fn pass_role(mut self, arn: impl Into<String>) -> Self {
        self.pass_roles.insert(arn.into());
        self
    }

    /// Sets how long credentials are valid.
    ///
    /// In the last fifth of this time, the domain issues new ones to providers that ask.
    /// Default: 6 h.
    pub fn credential_life(mut self, life: Duration) -> Self {
        self.credential_life = life;
        self
    }

    /// Adds a bucket that accepts repositories with any region.
    ///
    /// Default: only `my-bucket-4-es`, which every domain has.
    pub fn bucket(mut self, name: impl Into<String>) -> Self {
        self.buckets.push((name.into(), None));
        self
    }

    /// Adds a bucket in this region.
    ///
    /// The verification of a repository fails if its settings name another region.
    pub fn bucket_in(mut self, name: impl Into<String>, region: impl Into<String>) -> Self {
        self.buckets.push((name.into(), Some(region.into())));
        self
    }

    /// Sets how long a snapshot takes on the domain's clock.
    ///
    /// With the default, a client that waits first sees the snapshot running and then ended.
    /// Default: 3 s.
    pub fn snapshots_take(mut self, duration: Duration) -> Self {
        self.snapshots_take = duration;
        self
    }

    /// Sets how long a restore takes on the domain's clock. Default: 3 s.
    pub fn restores_take(mut self, duration: Duration) -> Self {
        self.restores_take = duration;
        self
    }

    /// Sets whether the domain starts with [`FakeDomain::hold_snapshots`] on. Default: off.
    pub fn hold_snapshots(mut self, hold: bool) -> Self {
        self.hold_snapshots = hold;
        self
    }

    /// Sets whether the domain starts with [`FakeDomain::hold_restores`] on. Default: off.
    pub fn hold_restores(mut self, hold: bool) -> Self {
        self.hold_restores = hold;
        self
    }

    /// Sets the seed of everything random in this domain.
    ///
    /// These are the probabilities of faults, uuids, credentials and request ids. Default: a
    /// different seed for each domain that the process starts, counted from 1.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Puts the domain into the same account as another domain.
    ///
    /// Both issue and accept the same credentials. They need the same clock. Default: an account of
    /// its own.
    ///
    /// ```
    /// use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// let logs = FakeDomain::with_repository("backups").await;
    /// let builder = FakeDomain::builder().clock(logs.clock().unwrap()).in_process();
    /// let metrics = builder.account_of(&logs).start().await;
    ///
    /// let client = metrics.client_builder().credentials(logs.credentials_provider()).build()?;
    /// assert!(client.repositories().await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn account_of(mut self, other: &FakeDomain) -> Self {
        self.account = Some(other.with_state(|state, _| state.edge.account.clone()));
        self
    }

    /// Runs the domain without a port and without a thread.
    ///
    /// Clients reach it through [`FakeDomain::transport`]. With [`ManualClock::block_on`] and a
    /// [seed](Self::seed), every run of a test has the same requests and responses, byte for byte.
    /// Such a test is about a hundred times faster than one over sockets.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use es_snapshot::SnapshotClient;
    /// use es_snapshot::testing::{FakeDomain, Fault, ManualClock};
    ///
    /// let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    /// clock.block_on(async {
    ///     let builder = FakeDomain::builder().clock(clock.clone()).in_process().seed(7);
    ///     let domain = builder.start().await;
    ///     let client = SnapshotClient::builder(domain.endpoint())
    ///         .transport(domain.transport())
    ///         .region(domain.region())
    ///         .credentials(domain.credentials_provider())
    ///         .clock(clock.clone())
    ///         .build()?;
    ///     domain.fault(Fault::drop_before().times(1));
    ///     assert!(client.repositories().await?.is_empty());
    ///     assert_eq!(domain.events().len(), 2);
    ///     Ok::<_, es_snapshot::Error>(())
    /// })
    /// # .unwrap();
    /// ```
    pub fn in_process(mut self) -> Self {
        self.in_process = true;
        self
    }

    /// Starts the domain.
    ///
    /// It listens on a free port on loopback, in a thread of its own, unless it runs [in
    /// process](Self::in_process).
    ///
    /// # Panics
    ///
    /// Panics if no port or no thread is available.
    pub async fn start(self) -> FakeDomain {
        let pass_roles = if self.pass_roles.is_empty() { [PASS_ROLE.to_owned()].into() } else { self.pass_roles };
        let seed = self.seed.unwrap_or_else(|| STARTED.fetch_add(1, Ordering::Relaxed));
        let mut random = fastrand::Rng::with_seed(seed);
        let mut cluster = Cluster::new(self.engine, random.fork());
        cluster.buckets = self.buckets.into_iter().collect();
        (cluster.snapshots_take, cluster.restores_take) = (self.snapshots_take, self.restores_take);
        (cluster.hold_snapshots, cluster.hold_restores) = (self.hold_snapshots, self.hold_restores);
        let clock: Arc<dyn Clock> = match &self.clock {
            Some(clock) => Arc::new(clock.clone()),
            None => Arc::new(SystemClock),
        };
        let mut edge = Edge::new(self.auth, self.region, pass_roles, self.credential_life, random.fork());
        edge.account = self.account.unwrap_or_default();
        let state = State {
            edge,
            cluster,
            faults: Vec::new(),
            random,
            late: Vec::new(),
            events: Vec::new(),
            origin: clock.wall().checked_sub(clock.monotonic()).unwrap_or(SystemTime::UNIX_EPOCH),
            skew: 0,
            keep_requests: true,
            is_stopped: false,
        };
        let connections_closed = Notify::new();
        let shared =
            Arc::new(Shared { clock, manual: self.clock.clone(), connections_closed, state: Mutex::new(state) });
        if self.in_process {
            return FakeDomain { shared, sockets: None };
        }
        let (started, address) = oneshot::channel();
        let (commands, received) = mpsc::unbounded_channel();
        let responder = Responder(Arc::clone(&shared));
        let manual = self.clock;
        std::thread::spawn(move || run(responder, manual, received, started));
        match address.await {
            Ok(Ok(address)) => FakeDomain { shared, sockets: Some(Sockets { address, commands }) },
            Ok(Err(error)) => panic!("the fake domain cannot listen: {error}"),
            Err(ended) => panic!("the fake domain's thread has ended: {ended}"),
        }
    }
}

/// Runs the mock server and the relay until the domain is dropped. They have a thread of their own
/// because the runtime of the test may have a single thread, which the test may block.
fn run(
    responder: Responder,
    manual: Option<ManualClock>,
    commands: mpsc::UnboundedReceiver<Command>,
    started: oneshot::Sender<std::io::Result<SocketAddr>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        // Sending fails only if the future of `start` was dropped.
        Err(error) => return drop(started.send(Err(error))),
    };
    runtime.block_on(async move {
        let listener = match tokio::net::TcpListener::bind("127.0.0.1:0").await {
            Ok(listener) => listener,
            Err(error) => return drop(started.send(Err(error))),
        };
        let server = MockServer::builder().disable_request_recording().start().await;
        Mock::given(matchers::any()).respond_with(responder).mount(&server).await;
        if started.send(listener.local_addr()).is_ok() {
            // `start_again` notices when this has ended.
            let _ = relay::serve(listener, *server.address(), manual, commands).await;
        }
    });
}
