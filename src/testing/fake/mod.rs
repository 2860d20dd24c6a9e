//! The fake domain: front end, engine, faults and log in one.

mod builder;
mod credentials;
mod operators;
mod ready;
mod reply;
mod storm;
mod transport;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::clock::Clock;
use crate::error::Operation;
use crate::testing::clock::ManualClock;
use crate::testing::cluster::{Cluster, FakeOutcome, Now, Phase, Snapshot, SnapshotOptions};
use crate::testing::edge::{Arrival, Edge, Entry};
use crate::testing::fault::{Action, Effect, Fault, apply};
use crate::testing::relay::{Order, Spoil};
use crate::testing::rest;
use crate::testing::text::random_text;

pub use builder::FakeDomainBuilder;
pub use credentials::{CredentialTrouble, FakeCredentials};
use reply::Reply;
pub use transport::FakeTransport;

/// A stateful stand-in of an Amazon domain on loopback; see [the module](super). Clones share it; it runs until the last is dropped.
#[derive(Clone)]
pub struct FakeDomain {
    shared: Arc<Shared>,
    /// None in process.
    sockets: Option<Sockets>,
}

/// The port of a domain and the way to its relay, which ends when the last sender is dropped.
#[derive(Clone)]
struct Sockets {
    address: SocketAddr,
    orders: UnboundedSender<Order>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    /// The same clock, if it is one that a test drives.
    manual: Option<ManualClock>,
    /// Told when the connections of calls in process are closed.
    hung_up: Notify,
    state: Mutex<State>,
}

struct State {
    edge: Edge,
    cluster: Cluster,
    faults: Vec<Fault>,
    random: fastrand::Rng,
    /// Requests whose client is gone and that the engine has not seen yet.
    late: Vec<Late>,
    events: Vec<Event>,
    /// The wall time at the clock's monotonic zero.
    origin: SystemTime,
    skew: i64,
    /// Whether headers and bodies go to the log.
    keep_requests: bool,
    is_stopped: bool,
}

struct Late {
    due: Duration,
    arrival: Arrival,
    entry: Entry,
}

/// One request as the fake domain saw it: what tests judge by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// When it came to the engine, or was refused before it, by the domain's clock.
    pub time: SystemTime,
    /// The method.
    pub method: String,
    /// Path and query, byte for byte as they arrived.
    pub path: String,
    /// What the front end made of it.
    pub verdict: Verdict,
    /// The status of the answer as the engine or the front end gave it; a fault may have kept it from the client. None where a
    /// fault answered or dropped it first, unless it answered as an engine that does nothing for now.
    pub status: Option<u16>,
    /// The status of the response that was sent to the client, whole and at once. None where there was no such response.
    pub response: Option<u16>,
    /// The endpoint that it went to, where this crate has a name for it.
    pub operation: Option<Operation>,
    /// Whether the engine carried it out: it answered with success, or changed its state all the same.
    pub executed: bool,
    /// The fault that struck, such as `drop_after`.
    pub fault: Option<&'static str>,
    /// The header `x-amz-date`.
    pub amz_date: Option<String>,
    /// The signature in the header `authorization`.
    pub signature: Option<String>,
    /// The header `user-agent`.
    pub user_agent: Option<String>,
    /// The header `x-opaque-id`.
    pub opaque_id: Option<String>,
    /// All headers as they arrived, secrets included. Empty unless requests are [kept](FakeDomain::keep_requests).
    pub headers: HeaderMap,
    /// The body as it arrived. Empty unless requests are [kept](FakeDomain::keep_requests).
    pub body: Bytes,
}

/// What the front end made of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Let in: the signature is right.
    Signed,
    /// Let in: user and password are right.
    Basic,
    /// Let in without a proof of who it is.
    Open,
    /// Refused.
    Denied,
    /// Not judged: a fault answered or dropped it first.
    Fault,
    /// Let in, but a call that the fake domain does not know.
    Unexpected,
}

/// A snapshot as the fake domain has it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FakeSnapshot {
    /// Its name.
    pub name: String,
    /// Its uuid, new for each snapshot.
    pub uuid: String,
    /// `IN_PROGRESS`, `SUCCESS`, `PARTIAL`, `FAILED`, or the state that it was [given](FakeOutcome::Other).
    pub state: String,
    /// Its indices, by name.
    pub indices: Vec<String>,
    /// The metadata that it was created with.
    pub metadata: Option<Value>,
    /// When it began, by the domain's clock.
    pub start: SystemTime,
    /// When it ended, if it has.
    pub end: Option<SystemTime>,
}

impl FakeSnapshot {
    fn new(snapshot: &Snapshot) -> Self {
        Self {
            name: snapshot.name.clone(),
            uuid: snapshot.uuid.clone(),
            state: snapshot.state().to_owned(),
            indices: snapshot.indices.keys().cloned().collect(),
            metadata: snapshot.metadata.clone(),
            start: snapshot.began.wall,
            end: match snapshot.phase {
                Phase::Running { .. } => None,
                Phase::Ended { at, .. } => Some(at),
            },
        }
    }
}

impl FakeDomain {
    /// Starts a domain with all defaults; see [`FakeDomainBuilder`] for them, and for when it panics.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Sets up a domain.
    pub fn builder() -> FakeDomainBuilder {
        FakeDomainBuilder::default()
    }

    /// Returns the URL to connect to, `http://127.0.0.1:PORT`. In process it is `http://127.0.0.1:1`, where nobody listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        match &self.sockets {
            Some(Sockets { address, .. }) => format!("http://{address}"),
            None => "http://127.0.0.1:1".to_owned(),
        }
    }

    /// Returns a transport that leads into this domain without sockets. Clients of a domain that is
    /// [in process](FakeDomainBuilder::in_process) need it.
    #[must_use]
    pub fn transport(&self) -> FakeTransport {
        FakeTransport(Arc::clone(&self.shared))
    }

    /// Stops the domain's front end: open connections are closed, new ones are refused. The state is kept, time passes, and
    /// requests that are [late](Fault::late) still arrive.
    pub fn stop(&self) {
        self.look(|state, _| state.is_stopped = true);
        self.shared.hang_up();
        self.order(Order::Stop);
    }

    /// Starts a domain that was [stopped](Self::stop), on the same port.
    ///
    /// # Panics
    ///
    /// When the port was taken meanwhile.
    pub fn start_again(&self) {
        self.order(Order::Start);
        self.look(|state, _| state.is_stopped = false);
    }

    /// Has the relay, if there is one, carry out an order.
    fn order(&self, order: impl FnOnce(mpsc::Sender<()>) -> Order) {
        let Some(Sockets { orders, .. }) = &self.sockets else { return };
        let (obeyed, done) = mpsc::channel();
        let sent = orders.send(order(obeyed)).is_ok();
        // It says nothing and drops its end.
        let _ = done.recv();
        assert!(sent && !orders.is_closed(), "the fake domain's port was taken while the domain was stopped");
    }

    /// The region that signatures must be scoped to.
    #[must_use]
    pub fn region(&self) -> String {
        self.look(|state, _| state.edge.region.clone())
    }

    /// A source of the domain's current credentials, with a count of its own of how often it was asked.
    #[must_use]
    pub fn credentials_provider(&self) -> FakeCredentials {
        FakeCredentials { shared: Arc::clone(&self.shared), loads: Arc::default(), trouble: Arc::default() }
    }

    /// Gives out new credentials; older ones stay good until they expire.
    pub fn rotate(&self) {
        self.look(|state, now| drop(state.edge.rotate(now.monotonic)));
    }

    /// Lets all credentials that were given out so far expire now, and gives out new ones.
    pub fn revoke(&self) {
        self.look(|state, now| {
            state.edge.revoke(now.monotonic);
            state.edge.rotate(now.monotonic);
        });
    }

    /// Puts the domain's clock this many seconds ahead of, or with a negative number behind, the time it was started with.
    pub fn set_skew(&self, seconds: i64) {
        self.look(|state, _| state.skew = seconds);
    }

    /// Takes paths with this beginning off the allow-list: they are answered with 401.
    pub fn forbid(&self, path_prefix: impl Into<String>) {
        self.look(|state, _| state.edge.forbidden.push(path_prefix.into()));
    }

    /// Denies signers an action such as `es:ESHttpPut`, a pattern of actions such as `es:*`, or `iam:PassRole`.
    ///
    /// # Panics
    ///
    /// When there is no such action.
    pub fn deny(&self, action: impl AsRef<str>) {
        let action = action.as_ref();
        assert!(self.look(|state, _| state.edge.deny(action)), "unknown action `{action}`, expected one such as `es:ESHttpGet`");
    }

    /// Adds a rule that makes requests go wrong, after those that are there.
    pub fn fault(&self, fault: Fault) {
        self.look(|state, _| state.faults.push(fault));
    }

    /// Removes all such rules.
    pub fn clear_faults(&self) {
        // Apart, because the rules' closures are dropped, and the lock is free by then.
        let cleared = self.look(|state, _| std::mem::take(&mut state.faults));
        drop(cleared);
    }

    /// While on, snapshots that are started stay `IN_PROGRESS`, and a create that waits is answered with 504 as by the load
    /// balancer. Turned off, those end, each as planned but not before its time.
    pub fn hold_snapshots(&self, hold: bool) {
        self.look(|state, now| {
            state.cluster.hold_snapshots = hold;
            if !hold {
                state.cluster.release_snapshots(now);
            }
        });
    }

    /// While on, restores that are started stay under way; otherwise as [`hold_snapshots`](Self::hold_snapshots).
    pub fn hold_restores(&self, hold: bool) {
        self.look(|state, now| {
            state.cluster.hold_restores = hold;
            if !hold {
                state.cluster.release_restores(now);
            }
        });
    }

    /// Ends a running snapshot now.
    ///
    /// # Panics
    ///
    /// When no such snapshot is running: the test expects what is not so.
    pub fn finish_snapshot(&self, repository: &str, name: &str, outcome: FakeOutcome) {
        let was_running = self.look(|state, now| state.cluster.end_snapshot(repository, name, Some(outcome), now));
        assert!(was_running, "no snapshot [{repository}:{name}] is running");
    }

    /// How the next snapshot that is started will end. More than once for those after it; beyond them all end in success.
    pub fn plan_snapshot(&self, outcome: FakeOutcome) {
        self.look(|state, _| state.cluster.next_outcomes.push_back(outcome));
    }

    /// Lets the restore of this primary shard fail, under the name that the index has after the restore: it is unassigned until
    /// the index is deleted.
    pub fn fail_restore_shard(&self, index: &str, shard: u32) {
        self.fail_restore_shard_times(index, shard, u32::MAX);
    }

    /// Starts a snapshot of all open indices as another client of the domain would.
    ///
    /// # Panics
    ///
    /// When the repository is missing or has a snapshot of that name.
    pub fn another_client_creates(&self, repository: &str, name: &str) {
        let started = self.look(|state, now| {
            let cluster = &mut state.cluster;
            let copies = cluster.index_copies(&cluster.open_names());
            let free = cluster.snapshot(repository, name).is_none();
            let options = SnapshotOptions { include_global_state: true, ..SnapshotOptions::default() };
            free && cluster.start_snapshot(repository, name, copies, options, now).is_some()
        });
        assert!(started, "[{repository}:{name}] cannot be created");
    }

    /// Deletes a snapshot as another client of the domain would.
    ///
    /// # Panics
    ///
    /// When there is no such snapshot.
    pub fn another_client_deletes(&self, repository: &str, name: &str) {
        let existed = self.look(|state, _| {
            let existed = state.cluster.snapshot(repository, name).is_some();
            state.cluster.remove_snapshots(repository, &[name.to_owned()]);
            existed
        });
        assert!(existed, "no snapshot [{repository}:{name}] to delete");
    }

    /// Creates an index with so many primary shards and no replicas.
    pub fn create_index(&self, name: &str, shards: u32) {
        self.look(|state, now| state.cluster.create_index(name, shards, now));
    }

    /// The names of the registered repositories, sorted.
    #[must_use]
    pub fn repositories(&self) -> Vec<String> {
        self.look(|state, _| state.cluster.repositories.keys().cloned().collect())
    }

    /// The snapshots of a repository by time of start; none where there is no such repository.
    #[must_use]
    pub fn snapshots(&self, repository: &str) -> Vec<FakeSnapshot> {
        self.look(|state, _| state.cluster.snapshots(repository).into_iter().flatten().map(FakeSnapshot::new).collect())
    }

    /// The names of the indices, sorted.
    #[must_use]
    pub fn indices(&self) -> Vec<String> {
        self.look(|state, _| state.cluster.indices.keys().cloned().collect())
    }

    /// Every request so far, in the order in which the domain dealt with them.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.look(|state, _| state.events.clone())
    }

    /// Sets whether the log keeps the headers and bodies of requests. Default: on. Off, a log of many thousand requests stays small.
    pub fn keep_requests(&self, keep: bool) {
        self.look(|state, _| state.keep_requests = keep);
    }

    /// Returns the requests after the first `count`, as [`events`](Self::events) does.
    #[must_use]
    pub fn events_since(&self, count: usize) -> Vec<Event> {
        self.look(|state, _| state.events.get(count..).unwrap_or_default().to_vec())
    }

    /// Returns how many requests there were so far.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.look(|state, _| state.events.len())
    }

    /// Checks that no create, clone, restore or delete was sent more than three times while nobody could know what became of
    /// the earlier sends.
    ///
    /// A send is accounted for by a response that reached the client whole and says whether the request was carried out. The
    /// log does not show where one call ends and the next begins, so a test that repeats a call by itself may exceed the limit.
    ///
    /// # Panics
    ///
    /// When one was; the message names the request.
    pub fn assert_no_storm(&self) {
        if let Some(storm) = self.look(|state, _| storm::find(&state.events)) {
            panic!("sent more than {} times without knowing what became of it: {storm}", storm::LIMIT);
        }
    }

    /// Checks that the domain knew every call.
    ///
    /// # Panics
    ///
    /// When it did not; the message names those calls.
    pub fn assert_no_unexpected_calls(&self) {
        let unexpected: Vec<String> = self
            .events()
            .into_iter()
            .filter(|event| event.verdict == Verdict::Unexpected)
            .map(|event| format!("{} {}", event.method, event.path))
            .collect();
        assert!(unexpected.is_empty(), "unexpected calls of the fake domain: {}", unexpected.join(", "));
    }

    /// The state as it is at this moment.
    fn look<T>(&self, look: impl FnOnce(&mut State, Now) -> T) -> T {
        let (mut state, now) = self.shared.enter();
        look(&mut state, now)
    }
}

impl fmt::Debug for FakeDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeDomain").field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}

impl Shared {
    /// What the first rule that acts on a request does to it.
    fn fault_on(&self, arrival: &Arrival) -> Option<Effect> {
        let state = || self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = state().faults.clone();
        let mut matching = rules.iter().enumerate().filter(|(_, rule)| rule.matches(&arrival.method, &arrival.target));
        matching.find_map(|(place, rule)| {
            let state = &mut *state();
            apply(&mut state.faults, place, rule, &mut state.random)
        })
    }

    /// Takes the state and brings it up to the present.
    fn enter(&self) -> (MutexGuard<'_, State>, Now) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let monotonic = self.clock.monotonic();
        let now = state.at(monotonic);
        state.catch_up(now);
        (state, now)
    }

    /// Deals with a request that has arrived.
    fn serve(&self, arrival: &Arrival) -> Reply {
        let fault = self.fault_on(arrival);
        let (mut state, now) = self.enter();
        let reply = state.handle(arrival, now, fault);
        if reply.spoil.is_none()
            && let Some(event) = state.events.last_mut()
        {
            event.response = Some(reply.status);
        }
        reply.dated(now.wall)
    }

    fn is_stopped(&self) -> bool {
        self.enter().0.is_stopped
    }

    /// Closes the connections of all calls in process.
    fn hang_up(&self) {
        self.hung_up.notify_waiters();
    }

    /// Lets time pass.
    async fn hold(&self, by: Duration) {
        match &self.manual {
            Some(clock) => clock.hold(by).await,
            None => self.clock.sleep(by).await,
        }
    }
}

impl State {
    /// The domain's time at this monotonic time.
    fn at(&self, monotonic: Duration) -> Now {
        let wall = self.origin.checked_add(monotonic).unwrap_or(self.origin);
        let skew = Duration::from_secs(self.skew.unsigned_abs());
        let skewed = if self.skew < 0 { wall.checked_sub(skew) } else { wall.checked_add(skew) };
        Now { wall: skewed.unwrap_or(wall), monotonic }
    }

    /// Deals with what became due since the last look, in order of time.
    fn catch_up(&mut self, now: Now) {
        let (mut due, rest): (Vec<Late>, Vec<Late>) = self.late.drain(..).partition(|late| late.due <= now.monotonic);
        self.late = rest;
        due.sort_by_key(|late| late.due);
        for late in due {
            let then = self.at(late.due);
            self.cluster.settle(then);
            let answer = rest::answer(&mut self.cluster, &late.arrival, then);
            self.log(&late.arrival, then, late.entry.into(), Some(&answer), Some("late"));
        }
        self.cluster.settle(now);
    }

    fn log(&mut self, arrival: &Arrival, now: Now, verdict: Verdict, answer: Option<&rest::Answer>, fault: Option<&'static str>) {
        let authorization = arrival.header("authorization").unwrap_or_default();
        self.events.push(Event {
            time: now.wall,
            method: arrival.method.clone(),
            path: arrival.target.clone(),
            verdict: if answer.is_some_and(|answer| answer.unexpected) { Verdict::Unexpected } else { verdict },
            status: answer.map(|answer| answer.status),
            response: None,
            operation: answer.and_then(|answer| answer.operation),
            executed: answer.is_some_and(|answer| answer.executed),
            fault,
            amz_date: arrival.header("x-amz-date"),
            signature: authorization.split_once("Signature=").map(|(_, signature)| signature.to_owned()),
            user_agent: arrival.header("user-agent"),
            opaque_id: arrival.header("x-opaque-id"),
            headers: if self.keep_requests { arrival.headers.clone() } else { HeaderMap::new() },
            body: if self.keep_requests { arrival.body.clone().into() } else { Bytes::new() },
        });
    }

    /// Deals with one request: faults before the engine, front end, engine, faults after it.
    fn handle(&mut self, arrival: &Arrival, now: Now, fault: Option<Effect>) -> Reply {
        let name = fault.as_ref().map(|(action, _)| action.name());
        if let Some((action, headers)) = &fault
            && action.is_before_engine()
        {
            self.log(arrival, now, Verdict::Fault, None, name);
            return match action {
                Action::Status { status, body, content_type } => {
                    if let Some(event) = self.events.last_mut().filter(|_| storm::puts_off(body)) {
                        event.status = Some(*status);
                    }
                    Reply::new(*status, body.clone(), content_type).with_headers(headers)
                }
                Action::Restart => Reply::spoiled(Spoil::Restart),
                _ => Reply::spoiled(Spoil::Drop),
            };
        }
        let entry = match self.edge.authorize(arrival, now.wall, now.monotonic) {
            Ok(entry) => entry,
            Err(denial) => {
                self.log(arrival, now, Verdict::Denied, None, name);
                if let Some(event) = self.events.last_mut() {
                    event.status = Some(denial.status);
                }
                let request_id = random_text(&mut self.random, 32, b"0123456789abcdef");
                return Reply::denied(&denial, request_id);
            }
        };
        if let Some((Action::Late { by }, _)) = &fault {
            self.late.push(Late { due: now.monotonic.saturating_add(*by), arrival: arrival.clone(), entry });
            return Reply::spoiled(Spoil::Drop);
        }
        let answer = rest::answer(&mut self.cluster, arrival, now);
        self.log(arrival, now, entry.into(), Some(&answer), name);
        let reply = self.engine_reply(&answer, arrival);
        match fault {
            Some((Action::StatusAfter { status }, headers)) => Reply::gateway(status).with_headers(&headers),
            Some((Action::DropAfter, _)) => reply.spoil(Spoil::Drop),
            Some((Action::Truncate, _)) => reply.spoil(Spoil::Truncate),
            Some((Action::Trickle { pause }, _)) => reply.spoil(Spoil::Trickle(pause)),
            Some((Action::Delay { by }, _)) => reply.spoil(Spoil::Delay(by)),
            _ => reply,
        }
    }

    fn engine_reply(&self, answer: &rest::Answer, arrival: &Arrival) -> Reply {
        let engine = &self.cluster.engine;
        let body = match &answer.body {
            rest::Body::GatewayPage => return Reply::gateway(answer.status),
            rest::Body::Empty => String::new(),
            rest::Body::Json(body) if answer.pretty => format!("{body:#}"),
            rest::Body::Json(body) => body.to_string(),
        };
        let content_type = if engine.es(8, 0) { "application/json" } else { "application/json; charset=UTF-8" };
        let mut reply = Reply::new(answer.status, body, content_type);
        let mut add = |name: &str, value: String| reply.headers.push((name.to_owned(), value));
        if engine.es(7, 14) {
            add("x-elastic-product", "Elasticsearch".to_owned());
        }
        if engine.os(3, 0) {
            add("x-opensearch-version", format!("OpenSearch/{} (opensearch)", engine.version));
        }
        if let Some(id) = arrival.header("x-opaque-id") {
            add("x-opaque-id", id);
        }
        reply
    }
}

impl From<Entry> for Verdict {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Signed => Self::Signed,
            Entry::Basic => Self::Basic,
            Entry::Open => Self::Open,
        }
    }
}
