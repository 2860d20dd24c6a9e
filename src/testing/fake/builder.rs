//! Setting a domain up, and the thread that it runs in.

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
use crate::testing::relay::{self, Order};

/// The role that a domain may be given unless the builder says otherwise.
pub(super) const PASS_ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
/// The bucket that is always there.
pub(super) const BUCKET: &str = "my-bucket-4-es";

/// The seed of the next domain that is given none.
static STARTED: AtomicU64 = AtomicU64::new(1);

/// Sets up a [`FakeDomain`].
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
    /// The engine to answer as. Default: Elasticsearch 7.10.2.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// The clock by which snapshots proceed and credentials expire. Default: real time.
    ///
    /// The domain's wall time starts as the clock's and follows its monotonic time: a step of the
    /// clock's wall time puts the client's time wrong, not the domain's.
    pub fn clock(mut self, clock: ManualClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Whom to let in. Default: [`FakeAuth::SigV4`].
    pub fn auth(mut self, auth: FakeAuth) -> Self {
        self.auth = auth;
        self
    }

    /// The region that signatures must be scoped to. Default: `ap-northeast-1`.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// A role that callers may pass; more than once for more. Default:
    /// `arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot`.
    pub fn pass_role(mut self, arn: impl Into<String>) -> Self {
        self.pass_roles.insert(arn.into());
        self
    }

    /// How long credentials live; in the last fifth of it new ones are given out. Default: six
    /// hours.
    pub fn credential_life(mut self, life: Duration) -> Self {
        self.credential_life = life;
        self
    }

    /// A bucket that exists beside `my-bucket-4-es`, and does not mind which region it is asked in.
    pub fn bucket(mut self, name: impl Into<String>) -> Self {
        self.buckets.push((name.into(), None));
        self
    }

    /// A bucket that exists in this region, and refuses a repository with another.
    pub fn bucket_in(mut self, name: impl Into<String>, region: impl Into<String>) -> Self {
        self.buckets.push((name.into(), Some(region.into())));
        self
    }

    /// How long a snapshot takes by the domain's clock. Default: 3 s, so that a client that waits
    /// sees it running, then ended.
    pub fn snapshots_take(mut self, duration: Duration) -> Self {
        self.snapshots_take = duration;
        self
    }

    /// How long a restore takes by the domain's clock. Default: 3 s.
    pub fn restores_take(mut self, duration: Duration) -> Self {
        self.restores_take = duration;
        self
    }

    /// Starts with [`FakeDomain::hold_snapshots`] on. Default: off.
    pub fn hold_snapshots(mut self, hold: bool) -> Self {
        self.hold_snapshots = hold;
        self
    }

    /// Starts with [`FakeDomain::hold_restores`] on. Default: off.
    pub fn hold_restores(mut self, hold: bool) -> Self {
        self.hold_restores = hold;
        self
    }

    /// Sets the seed of all that is by chance in this domain: faults' probabilities, uuids, keys
    /// and request ids. Default: another one for each domain that a process starts, counted
    /// from 1.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Puts the domain into the account of another one: both give out and accept the same
    /// credentials. They need the same clock. Default: an account of its own.
    pub fn account_of(mut self, other: &FakeDomain) -> Self {
        self.account = Some(other.with_state(|state, _| state.edge.account.clone()));
        self
    }

    /// Starts no server: no port and no thread. Clients reach the domain by
    /// [`FakeDomain::transport`].
    ///
    /// With [`ManualClock::block_on`] and a [seed](Self::seed) a test is deterministic to the byte,
    /// and a hundred times faster than over sockets.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use es_snapshot::SnapshotClient;
    /// use es_snapshot::testing::{FakeDomain, Fault, ManualClock};
    ///
    /// let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    /// clock.block_on(async {
    ///     let domain = FakeDomain::builder().clock(clock.clone()).in_process().seed(7).start().await;
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

    /// Starts the domain on a free port of loopback, in a thread of its own, unless it is [in
    /// process](Self::in_process).
    ///
    /// # Panics
    ///
    /// When there is no port or no thread to be had.
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
        let hung_up = Notify::new();
        let shared = Arc::new(Shared { clock, manual: self.clock.clone(), hung_up, state: Mutex::new(state) });
        if self.in_process {
            return FakeDomain { shared, sockets: None };
        }
        let (started, address) = oneshot::channel();
        let (orders, received) = mpsc::unbounded_channel();
        let responder = Responder(Arc::clone(&shared));
        let manual = self.clock;
        std::thread::spawn(move || run(responder, manual, received, started));
        match address.await {
            Ok(Ok(address)) => FakeDomain { shared, sockets: Some(Sockets { address, orders }) },
            Ok(Err(error)) => panic!("the fake domain cannot listen: {error}"),
            Err(ended) => panic!("the fake domain's thread has ended: {ended}"),
        }
    }
}

/// Runs server and relay until the domain is dropped. A thread of their own keeps them apart from
/// the runtime of the test, which may have one thread only, or block it.
fn run(
    responder: Responder,
    manual: Option<ManualClock>,
    orders: mpsc::UnboundedReceiver<Order>,
    started: oneshot::Sender<std::io::Result<SocketAddr>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        // Nobody listens any more: whoever started this has been dropped.
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
            let _ = relay::serve(listener, *server.address(), manual, orders).await;
        }
    });
}
