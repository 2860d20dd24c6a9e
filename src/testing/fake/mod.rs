//! The fake domain: front end, engine, faults and log in one.

mod builder;
mod credentials;
mod event;
mod operators;
mod ready;
mod response;
mod state;
mod storm;
mod transport;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};

use tokio::sync::mpsc::UnboundedSender;

use crate::testing::cluster::{FakeOutcome, Now, SnapshotOptions};
use crate::testing::fault::Fault;
use crate::testing::relay::Order;

pub use builder::FakeDomainBuilder;
pub use credentials::{CredentialTrouble, FakeCredentials};
pub use event::{Event, FakeSnapshot, Verdict};
use state::{Shared, State};
pub use transport::FakeTransport;

/// A stateful stand-in of an Amazon domain on loopback; see [the module](super). Clones share it;
/// it runs until the last is dropped.
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

impl FakeDomain {
    /// Starts a domain with all defaults; see [`FakeDomainBuilder`] for them, and for when it
    /// panics.
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

    /// Stops the domain's front end: open connections are closed, new ones are refused. The state
    /// is kept, time passes, and requests that are [late](Fault::late) still arrive.
    pub fn stop(&self) {
        self.with_state(|state, _| state.is_stopped = true);
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
        self.with_state(|state, _| state.is_stopped = false);
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
        self.with_state(|state, _| state.edge.region.clone())
    }

    /// A source of the domain's current credentials, with a count of its own of how often it was
    /// asked.
    #[must_use]
    pub fn credentials_provider(&self) -> FakeCredentials {
        FakeCredentials { shared: Arc::clone(&self.shared), loads: Arc::default(), trouble: Arc::default() }
    }

    /// Gives out new credentials; older ones stay good until they expire.
    pub fn rotate(&self) {
        self.with_state(|state, now| drop(state.edge.rotate(now.monotonic)));
    }

    /// Lets all credentials that were given out so far expire now, and gives out new ones.
    pub fn revoke(&self) {
        self.with_state(|state, now| {
            state.edge.revoke(now.monotonic);
            state.edge.rotate(now.monotonic);
        });
    }

    /// Puts the domain's clock this many seconds ahead of, or with a negative number behind, the
    /// time it was started with.
    pub fn set_skew(&self, seconds: i64) {
        self.with_state(|state, _| state.skew = seconds);
    }

    /// Takes paths with this beginning off the allow-list: they are answered with 401.
    pub fn forbid(&self, path_prefix: impl Into<String>) {
        self.with_state(|state, _| state.edge.forbidden.push(path_prefix.into()));
    }

    /// Denies signers an action such as `es:ESHttpPut`, a pattern of actions such as `es:*`, or
    /// `iam:PassRole`.
    ///
    /// # Panics
    ///
    /// When there is no such action.
    pub fn deny(&self, action: impl AsRef<str>) {
        let action = action.as_ref();
        assert!(
            self.with_state(|state, _| state.edge.deny(action)),
            "unknown action `{action}`, expected one such as `es:ESHttpGet`"
        );
    }

    /// Adds a rule that makes requests go wrong, after those that are there.
    pub fn fault(&self, fault: Fault) {
        self.with_state(|state, _| state.faults.push(fault));
    }

    /// Removes all such rules.
    pub fn clear_faults(&self) {
        // Apart, because the rules' closures are dropped, and the lock is free by then.
        let cleared = self.with_state(|state, _| std::mem::take(&mut state.faults));
        drop(cleared);
    }

    /// While on, snapshots that are started stay `IN_PROGRESS`, and a create that waits is answered
    /// with 504 as by the load balancer. Turned off, those end, each as planned but not before
    /// its time.
    pub fn hold_snapshots(&self, hold: bool) {
        self.with_state(|state, now| {
            state.cluster.hold_snapshots = hold;
            if !hold {
                state.cluster.release_snapshots(now);
            }
        });
    }

    /// While on, restores that are started stay under way; otherwise as
    /// [`hold_snapshots`](Self::hold_snapshots).
    pub fn hold_restores(&self, hold: bool) {
        self.with_state(|state, now| {
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
        let was_running =
            self.with_state(|state, now| state.cluster.end_snapshot(repository, name, Some(outcome), now));
        assert!(was_running, "no snapshot [{repository}:{name}] is running");
    }

    /// How the next snapshot that is started will end. More than once for those after it; beyond
    /// them all end in success.
    pub fn plan_snapshot(&self, outcome: FakeOutcome) {
        self.with_state(|state, _| state.cluster.next_outcomes.push_back(outcome));
    }

    /// Lets the restore of this primary shard fail, under the name that the index has after the
    /// restore: it is unassigned until the index is deleted.
    pub fn fail_restore_shard(&self, index: &str, shard: u32) {
        self.fail_restore_shard_times(index, shard, u32::MAX);
    }

    /// Starts a snapshot of all open indices as another client of the domain would.
    ///
    /// # Panics
    ///
    /// When the repository is missing or has a snapshot of that name.
    pub fn another_client_creates(&self, repository: &str, name: &str) {
        let started = self.with_state(|state, now| {
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
        let existed = self.with_state(|state, _| {
            let existed = state.cluster.snapshot(repository, name).is_some();
            state.cluster.remove_snapshots(repository, &[name.to_owned()]);
            existed
        });
        assert!(existed, "no snapshot [{repository}:{name}] to delete");
    }

    /// Creates an index with so many primary shards and no replicas.
    pub fn create_index(&self, name: &str, shards: u32) {
        self.with_state(|state, now| state.cluster.create_index(name, shards, now));
    }

    /// The names of the registered repositories, sorted.
    #[must_use]
    pub fn repositories(&self) -> Vec<String> {
        self.with_state(|state, _| state.cluster.repositories.keys().cloned().collect())
    }

    /// The snapshots of a repository by time of start; none where there is no such repository.
    #[must_use]
    pub fn snapshots(&self, repository: &str) -> Vec<FakeSnapshot> {
        self.with_state(|state, _| {
            state.cluster.snapshots(repository).into_iter().flatten().map(FakeSnapshot::new).collect()
        })
    }

    /// The names of the indices, sorted.
    #[must_use]
    pub fn indices(&self) -> Vec<String> {
        self.with_state(|state, _| state.cluster.indices.keys().cloned().collect())
    }

    /// Every request so far, in the order in which the domain dealt with them.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.with_state(|state, _| state.events.clone())
    }

    /// Sets whether the log keeps the headers and bodies of requests. Default: on. Off, a log of
    /// many thousand requests stays small.
    pub fn keep_requests(&self, keep: bool) {
        self.with_state(|state, _| state.keep_requests = keep);
    }

    /// Returns the requests after the first `count`, as [`events`](Self::events) does.
    #[must_use]
    pub fn events_since(&self, count: usize) -> Vec<Event> {
        self.with_state(|state, _| state.events.get(count..).unwrap_or_default().to_vec())
    }

    /// Returns how many requests there were so far.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.with_state(|state, _| state.events.len())
    }

    /// Checks that no create, clone, restore or delete was sent more than three times while nobody
    /// could know what became of the earlier sends.
    ///
    /// A send is accounted for by a response that reached the client whole and says whether the
    /// request was carried out. The log does not show where one call ends and the next begins,
    /// so a test that repeats a call by itself may exceed the limit.
    ///
    /// # Panics
    ///
    /// When one was; the message names the request.
    pub fn assert_no_storm(&self) {
        if let Some(storm) = self.with_state(|state, _| storm::find(&state.events)) {
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
    fn with_state<T>(&self, read: impl FnOnce(&mut State, Now) -> T) -> T {
        let (mut state, now) = self.shared.enter();
        read(&mut state, now)
    }
}

impl fmt::Debug for FakeDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeDomain").field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}
