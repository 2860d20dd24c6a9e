//! Any future or stream can be dropped at any await point, and the client still works.
//!
//! Time, credentials and the domain are in memory, and each step takes a few polls. So a test can
//! poll a future n times and drop it, for every n until the future ends. After each drop the same
//! client must still work.

use std::collections::BTreeMap;
use std::future::{Future, IntoFuture as _};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials};
use bytes::Bytes;
use es_snapshot::client::RawRequest;
use es_snapshot::clock::{BoxFuture, Clock as _};
use es_snapshot::repository::RegisterRepository;
use es_snapshot::testing::ManualClock;
use es_snapshot::transport::{Body, ConnectTarget, Transport, TransportError};
use es_snapshot::wait::RestoreTicket;
use es_snapshot::{
    CloneSnapshot, CreateSnapshot, ErrorKind, FsSettings, ListSnapshots, RestoreSnapshot, RetryPolicy, S3Settings,
    SnapshotClient, SnapshotPattern,
};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, poll};
use http::Method;
use http_body::Frame;
use serde_json::{Value, json};

/// How many polls each step takes.
const STEPS: u32 = 2;

/// A future that ends after some polls.
struct Steps(u32);

impl Future for Steps {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A body of one piece of JSON, which arrives after some polls.
struct SlowBody {
    steps: Steps,
    text: Option<String>,
}

impl http_body::Body for SlowBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        std::task::ready!(Pin::new(&mut self.steps).poll(cx));
        Poll::Ready(self.text.take().map(|text| Ok(Frame::data(text.into()))))
    }
}

/// A domain in memory. Its repository `r` contains the snapshot `s`, which ends, in some tests
/// `deleted_later`, which disappears, and those that clients add.
#[derive(Debug, Default)]
struct Domain {
    /// The metadata of the snapshots, and how often each was read. The first two reads find it
    /// running.
    snapshots: Mutex<BTreeMap<String, (Value, u32)>>,
    /// How many requests are in flight.
    in_flight: AtomicUsize,
    requests: AtomicUsize,
    /// How many responses to writes to lose.
    losses: AtomicUsize,
    /// How many requests to refuse with 503.
    outages: AtomicUsize,
    /// How many writes to refuse because another operation is running.
    busy: AtomicUsize,
    /// How many reads of the recoveries find the restore running.
    restoring: AtomicUsize,
    /// Whether the index that the restore writes exists.
    restored: AtomicBool,
}

/// Decrements a counter. Returns false if it is zero.
fn take_one(counter: &AtomicUsize) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Domain {
    fn response(&self, method: &Method, path: &str, body: &[u8]) -> (u16, Value) {
        let mut snapshots = self.snapshots.lock().unwrap();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let accepted = (200, json!({"accepted": true}));
        let acknowledged = (200, json!({"acknowledged": true}));
        if method != Method::GET && take_one(&self.busy) {
            let error = json!({"type": "concurrent_snapshot_execution_exception", "reason": "[r:x] a snapshot is already running"});
            return (503, json!({"error": error, "status": 503}));
        }
        match (method.as_str(), segments.as_slice()) {
            ("GET", [""]) => (200, json!({"name": "node"})),
            ("GET", ["_snapshot"] | ["_snapshot", "r"]) => {
                (200, json!({"r": {"type": "fs", "settings": {"location": "r"}}}))
            }
            ("PUT" | "DELETE", ["_snapshot", "r"]) => acknowledged,
            ("POST", ["_snapshot", "r", "_verify"]) => (200, json!({"nodes": {}})),
            ("POST", ["_snapshot", "r", "_cleanup"]) => {
                (200, json!({"results": {"deleted_bytes": 0, "deleted_blobs": 0}}))
            }
            ("GET", ["_snapshot", "r", "_all" | "%2A"]) => {
                let list: Vec<Value> = snapshots.keys().map(|name| json!({"snapshot": name, "uuid": name})).collect();
                (200, json!({"snapshots": list}))
            }
            ("GET", ["_snapshot", "_status"]) => (200, json!({"snapshots": []})),
            ("GET", ["_snapshot", "r", name, "_status"]) => (
                200,
                json!({"snapshots": [{"snapshot": name, "state": "STARTED", "shards_stats": {"total": 2, "done": 1}}]}),
            ),
            ("GET", ["_snapshot", "r", name]) => {
                let Some((metadata, reads)) = snapshots.get_mut(*name) else {
                    let reason = format!("[r:{name}] is missing");
                    return (
                        404,
                        json!({"error": {"type": "snapshot_missing_exception", "reason": reason}, "status": 404}),
                    );
                };
                let state = if *reads < 2 { "IN_PROGRESS" } else { "SUCCESS" };
                *reads += 1;
                let response = json!({"snapshots": [{"snapshot": name, "uuid": name, "state": state, "metadata": metadata, "indices": ["i"]}]});
                if *name == "deleted_later" && *reads == 3 {
                    snapshots.remove(*name);
                }
                (200, response)
            }
            ("PUT", ["_snapshot", "r", name]) => {
                let body: Value = serde_json::from_slice(body).unwrap_or_default();
                snapshots.insert((*name).to_owned(), (body["metadata"].clone(), 0));
                accepted
            }
            ("PUT", ["_snapshot", "r", _, "_clone", name]) => {
                snapshots.insert((*name).to_owned(), (Value::Null, 0));
                acknowledged
            }
            ("DELETE", ["_snapshot", "r", name]) => {
                snapshots.remove(*name);
                acknowledged
            }
            ("POST", ["_snapshot", "r", _, "_restore"]) => {
                self.restored.store(true, Ordering::SeqCst);
                accepted
            }
            ("GET", ["_cluster", "state", "metadata%2Cversion", "i"]) => {
                let index = json!({"state": "open", "settings": {"index": {"uuid": "u"}},
                    "mapping_version": 1, "settings_version": 1, "aliases_version": 1});
                let indices = if self.restored.load(Ordering::SeqCst) { json!({"i": index}) } else { json!({}) };
                (200, json!({"version": 1, "metadata": {"cluster_uuid": "c", "indices": indices}}))
            }
            ("GET", ["_cluster", "state", "metadata%2Cversion"]) => {
                let metadata = json!({"cluster_uuid": "c", "index-graveyard": {"tombstones": []}});
                (200, json!({"version": 1, "metadata": metadata}))
            }
            ("GET", ["_cluster", "state", "customs"]) => (200, json!({})),
            ("GET", ["_cat", "shards"] | ["_cat", "shards", "i"]) => {
                let state = if self.restoring.load(Ordering::SeqCst) > 0 { "INITIALIZING" } else { "STARTED" };
                (200, json!([{"index": "i", "shard": "0", "prirep": "p", "state": state}]))
            }
            ("GET", ["_recovery"] | ["i", "_recovery"]) => {
                let stage = if take_one(&self.restoring) { "INDEX" } else { "DONE" };
                let source = json!({"repository": "r", "snapshot": "s", "index": "i"});
                let shard = json!({"id": 0, "type": "SNAPSHOT", "stage": stage, "primary": true, "source": source});
                (200, json!({"i": {"shards": [shard]}}))
            }
            _ => panic!("unexpected request: {method} {path}"),
        }
    }
}

/// Counts a request as in flight until this value is dropped.
struct InFlight<'a>(&'a Domain);

impl<'a> InFlight<'a> {
    fn new(domain: &'a Domain) -> Self {
        domain.in_flight.fetch_add(1, Ordering::SeqCst);
        domain.requests.fetch_add(1, Ordering::SeqCst);
        Self(domain)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Transport for Domain {
    fn call<'a>(
        &'a self,
        request: http::Request<Bytes>,
        _target: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<http::Response<Body>, TransportError>> {
        Box::pin(async move {
            let _in_flight = InFlight::new(self);
            Steps(STEPS).await;
            if take_one(&self.outages) {
                return Ok(http::Response::builder().status(503).body(Body::from("no server")).unwrap());
            }
            let (status, response) = self.response(request.method(), request.uri().path(), request.body());
            Steps(STEPS).await;
            if request.method() != Method::GET && take_one(&self.losses) {
                return Err(TransportError::unknown("the connection broke"));
            }
            let body = SlowBody { steps: Steps(STEPS), text: Some(response.to_string()) };
            Ok(http::Response::builder().status(status).body(Body::new(body)).unwrap())
        })
    }
}

/// A slow provider that counts its calls.
#[derive(Debug)]
struct Provider {
    clock: ManualClock,
    loads: Arc<AtomicUsize>,
}

impl Provider {
    async fn load(&self) -> provider::Result {
        self.loads.fetch_add(1, Ordering::SeqCst);
        Steps(STEPS).await;
        let expiry = self.clock.wall() + Duration::from_hours(100);
        Ok(Credentials::new("AKIDEXAMPLE", "secret", Some("token".to_owned()), Some(expiry), "test"))
    }
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provider::future::ProvideCredentials::new(self.load())
    }
}

struct World {
    domain: Arc<Domain>,
    loads: Arc<AtomicUsize>,
    client: SnapshotClient,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let domain = Arc::new(Domain::default());
        domain.snapshots.lock().unwrap().insert("s".to_owned(), (Value::Null, 0));
        domain.restoring.store(2, Ordering::SeqCst);
        let loads = Arc::default();
        let client = SnapshotClient::builder("http://localhost:9200")
            .region("eu-west-1")
            .credentials(Provider { clock: clock.clone(), loads: Arc::clone(&loads) })
            .transport(Arc::clone(&domain))
            .clock(clock)
            .build()
            .unwrap();
        Self { domain, loads, client }
    }

    fn losing(responses: usize) -> Self {
        let world = Self::new();
        world.domain.losses.store(responses, Ordering::SeqCst);
        world
    }

    fn failing(requests: usize) -> Self {
        let world = Self::new();
        world.domain.outages.store(requests, Ordering::SeqCst);
        world
    }

    fn deleted_later() -> Self {
        let world = Self::new();
        world.domain.snapshots.lock().unwrap().insert("deleted_later".to_owned(), (Value::Null, 0));
        world
    }

    fn busy(writes: usize) -> Self {
        let world = Self::new();
        world.domain.busy.store(writes, Ordering::SeqCst);
        world
    }

    /// Asserts that the client still works.
    async fn assert_works(&self, context: &str) {
        assert_eq!(self.domain.in_flight.load(Ordering::SeqCst), 0, "{context}: a request outlives its future");
        self.domain.losses.store(0, Ordering::SeqCst);
        self.domain.outages.store(0, Ordering::SeqCst);
        self.domain.busy.store(0, Ordering::SeqCst);
        let backups = self.client.repository("r").unwrap();
        let created = backups.create_snapshot("afterwards", CreateSnapshot::new()).await;
        created.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        let ended = backups.snapshot("afterwards").unwrap().wait().await;
        let ended = ended.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        ended.into_complete().unwrap_or_else(|error| panic!("{context}: {error:?}"));
        assert_eq!(
            self.loads.load(Ordering::SeqCst),
            1,
            "{context}: credentials must be loaded once, and that load must continue"
        );
    }
}

/// Polls the future of `begin` n times and drops it, for every n until the future ends. Each n uses
/// a new world.
async fn drop_after_every_number_of_polls<F: Future<Output = ()>>(
    world: fn() -> World,
    begin: impl Fn(SnapshotClient) -> F,
) {
    for polls in 0.. {
        let world = world();
        let mut future = Box::pin(begin(world.client.clone()));
        let mut ended = false;
        for _ in 0..polls {
            ended = poll!(&mut future).is_ready();
        }
        drop(future);
        world.assert_works(&format!("dropped after {polls} polls")).await;
        if ended {
            assert!(polls > STEPS, "it ended after {polls} polls, so it was never dropped in flight");
            return;
        }
    }
}

macro_rules! can_be_dropped_anywhere {
    ($($name:ident($world:expr): |$client:ident| $call:expr;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                drop_after_every_number_of_polls($world, |$client| async move {
                    let _done = $call.await.unwrap();
                })
                .await;
            }
        )*
    };
}

can_be_dropped_anywhere! {
    reading_the_server_info_can_be_dropped_anywhere(World::new): |client| client.server_info();
    registering_can_be_dropped_anywhere(World::new): |client| {
        let role = "arn:aws:iam::123456789012:role/TestRole";
        let settings = S3Settings::new("my-bucket-4-es").with_role_arn(role);
        async move { client.repository("r").unwrap().register(settings).await }
    };
    registering_without_verification_can_be_dropped_anywhere(World::new): |client| {
        let settings = FsSettings::new("r");
        async move { client.repository("r").unwrap().register(RegisterRepository::new(settings.clone()).with_verify(false)).await }
    };
    reading_a_repository_can_be_dropped_anywhere(World::new): |client| client.repository("r").unwrap().info();
    listing_repositories_can_be_dropped_anywhere(World::new): |client| client.repositories();
    verifying_can_be_dropped_anywhere(World::new): |client| client.repository("r").unwrap().verify();
    cleaning_up_can_be_dropped_anywhere(World::new): |client| client.repository("r").unwrap().cleanup();
    unregistering_can_be_dropped_anywhere(World::new): |client| client.repository("r").unwrap().unregister();
    creating_can_be_dropped_anywhere(World::new): |client|
        client.repository("r").unwrap().create_snapshot("t", CreateSnapshot::new());
    creating_with_a_lost_response_can_be_dropped_anywhere(|| World::losing(1)): |client|
        client.repository("r").unwrap().create_snapshot("t", CreateSnapshot::new());
    creating_and_waiting_for_completion_can_be_dropped_anywhere(World::new): |client|
        client.repository("r").unwrap().create_snapshot("t", CreateSnapshot::new().with_wait_for_completion(true));
    creating_while_queued_can_be_dropped_anywhere(|| World::busy(3)): |client| {
        let client = client.with_queue_time(Duration::from_mins(5));
        async move { client.repository("r").unwrap().create_snapshot("t", CreateSnapshot::new()).await }
    };
    cloning_with_a_lost_response_can_be_dropped_anywhere(|| World::losing(1)): |client|
        client.repository("r").unwrap().snapshot("s").unwrap().clone_to("u", CloneSnapshot::new(["i"]));
    cloning_can_be_dropped_anywhere(World::new): |client|
        client.repository("r").unwrap().snapshot("s").unwrap().clone_to("u", CloneSnapshot::new(["i"]));
    reading_a_snapshot_can_be_dropped_anywhere(World::new): |client| client.repository("r").unwrap().snapshot("s").unwrap().info();
    listing_snapshots_can_be_dropped_anywhere(World::new): |client|
        client.repository("r").unwrap().list(ListSnapshots::new());
    deleting_can_be_dropped_anywhere(World::new): |client| client.repository("r").unwrap().snapshot("s").unwrap().delete();
    deleting_with_a_lost_response_can_be_dropped_anywhere(|| World::losing(1)): |client|
        client.repository("r").unwrap().snapshot("s").unwrap().delete();
    deleting_several_can_be_dropped_anywhere(World::new): |client|
        client.repository("r").unwrap().delete_snapshots(SnapshotPattern::all());
    restoring_can_be_dropped_anywhere(World::new): |client|
        client.repository("r").unwrap().snapshot("s").unwrap().restore(RestoreSnapshot::new());
    restoring_with_a_lost_response_can_be_dropped_anywhere(|| World::losing(1)): |client|
        client.repository("r").unwrap().snapshot("s").unwrap().restore(RestoreSnapshot::new());
    reading_a_status_can_be_dropped_anywhere(World::new): |client|
        client.repository("r").unwrap().snapshot("s").unwrap().status();
    listing_running_snapshots_can_be_dropped_anywhere(World::new): |client| client.running_snapshots();
    reading_recoveries_can_be_dropped_anywhere(World::new): |client| client.recovery([""; 0]);
    a_raw_request_can_be_dropped_anywhere(World::new): |client| client.raw(RawRequest::get(["_snapshot"]));
    a_call_that_is_resent_can_be_dropped_anywhere(|| World::failing(3)): |client| client.repositories();
    a_wait_for_a_snapshot_can_be_dropped_anywhere(World::new): |client|
        client.repository("r").unwrap().snapshot("s").unwrap().wait().into_future();
    a_wait_for_a_restore_can_be_dropped_anywhere(World::new): |client|
        client.resume(RestoreTicket::new("r", "s").unwrap()).into_future();
    a_wait_for_a_deletion_can_be_dropped_anywhere(World::deleted_later): |client|
        client.repository("r").unwrap().snapshot("deleted_later").unwrap().wait_for_deletion().into_future();
    a_wait_whose_polls_fail_can_be_dropped_anywhere(|| World::failing(8)): |client|
        client.repository("r").unwrap().snapshot("s").unwrap().wait().into_future();
    the_progress_of_a_snapshot_can_be_dropped_anywhere(World::new): |client|
        client.repository("r").unwrap().snapshot("s").unwrap().wait().progress().try_collect::<Vec<_>>();
    the_progress_of_a_restore_can_be_dropped_anywhere(World::new): |client|
        client.resume(RestoreTicket::new("r", "s").unwrap()).progress().try_collect::<Vec<_>>();
    the_progress_of_a_deletion_can_be_dropped_anywhere(World::deleted_later): |client|
        client
            .repository("r")
            .unwrap()
            .snapshot("deleted_later")
            .unwrap()
            .wait_for_deletion()
            .progress()
            .try_collect::<Vec<_>>();
}

#[tokio::test]
async fn a_dropped_wait_sends_no_more_requests() {
    let world = World::new();
    let mut progress = world.client.repository("r").unwrap().snapshot("s").unwrap().wait().progress();
    assert!(progress.next().await.is_some());
    let requests = world.domain.requests.load(Ordering::SeqCst);

    drop(progress);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }

    assert_eq!(world.domain.requests.load(Ordering::SeqCst), requests);
}

#[tokio::test]
async fn a_dropped_deletion_of_several_snapshots_deletes_no_more() {
    let world = World::new();
    world.domain.snapshots.lock().unwrap().insert("t".to_owned(), (Value::Null, 0));
    let backups = world.client.repository("r").unwrap();
    let mut deleting = Box::pin(backups.delete_snapshots(SnapshotPattern::all()));
    while world.domain.snapshots.lock().unwrap().len() == 2 {
        assert!(poll!(&mut deleting).is_pending());
    }

    drop(deleting);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }

    assert_eq!(world.domain.snapshots.lock().unwrap().keys().collect::<Vec<_>>(), ["t"]);
}

#[tokio::test]
async fn dropped_calls_do_not_use_up_retries() {
    let world = World::new();
    for _ in 0..1_000 {
        let mut call = Box::pin(world.client.repositories());
        for _ in 0..STEPS {
            assert!(poll!(&mut call).is_pending());
        }
    }
    world.domain.outages.store(1, Ordering::SeqCst);

    world.client.repositories().await.unwrap();
}

#[tokio::test]
async fn successes_restore_retries_that_were_used_up() {
    let world = World::failing(usize::MAX);
    let stubborn = world.client.with_retry(RetryPolicy::new().with_max_attempts(100));
    for _ in 0..100 {
        assert_eq!(stubborn.repositories().await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    world.domain.outages.store(1, Ordering::SeqCst);
    assert_eq!(world.client.repositories().await.unwrap_err().attempts(), 1);

    world.client.repositories().await.unwrap();

    world.domain.outages.store(1, Ordering::SeqCst);
    world.client.repositories().await.unwrap();
}

#[tokio::test]
async fn a_future_that_is_never_polled_sends_nothing() {
    let world = World::new();

    drop(world.client.repositories());
    assert!(world.client.server_info().now_or_never().is_none());

    assert_eq!((world.domain.requests.load(Ordering::SeqCst), world.loads.load(Ordering::SeqCst)), (0, 1));
}
