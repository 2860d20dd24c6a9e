//! The fake domain: its handle, and what tests do with it.

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
use crate::testing::relay::Command;

pub use builder::FakeDomainBuilder;
pub use credentials::{CredentialTrouble, FakeCredentials};
pub use event::{Event, FakeSnapshot, Verdict};
use state::{Shared, State};
pub use transport::FakeTransport;

/// A stateful imitation of an Amazon domain to test against.
///
/// [The module](super) describes what it can do. Clones share one domain. It runs until the last
/// clone is dropped.
///
/// ```
/// use es_snapshot::CreateSnapshot;
/// use es_snapshot::testing::FakeDomain;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// let domain = FakeDomain::with_repository("backups").await;
/// domain.create_index("movies", 2);
///
/// let backups = domain.client().repository("backups")?;
/// backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
///
/// assert_eq!(domain.snapshots("backups")[0].indices, ["movies"]);
/// assert_eq!(domain.events()[0].method, "PUT");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FakeDomain {
    shared: Arc<Shared>,
    /// `None` in process.
    sockets: Option<Sockets>,
}

/// The address of a domain, and the channel to its relay. The relay ends when the last sender is
/// dropped.
#[derive(Clone)]
struct Sockets {
    address: SocketAddr,
    commands: UnboundedSender<Command>,
}

impl FakeDomain {
    /// Starts a domain with the defaults of [`FakeDomainBuilder`].
    ///
    /// # Panics
    ///
    /// Panics if no port or no thread is available.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Returns a builder for a domain with other settings.
    pub fn builder() -> FakeDomainBuilder {
        FakeDomainBuilder::default()
    }

    /// Returns the URL of the domain, `http://127.0.0.1:PORT`.
    ///
    /// [In process](FakeDomainBuilder::in_process) it is `http://127.0.0.1:1`, where nothing
    /// listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        match &self.sockets {
            Some(Sockets { address, .. }) => format!("http://{address}"),
            None => "http://127.0.0.1:1".to_owned(),
        }
    }

    /// Returns a transport that passes requests to this domain without sockets.
    ///
    /// Clients of a domain that is [in process](FakeDomainBuilder::in_process) need it.
    #[must_use]
    pub fn transport(&self) -> FakeTransport {
        FakeTransport(Arc::clone(&self.shared))
    }

    /// Stops the domain's front end: closes open connections and refuses new ones.
    ///
    /// The state is kept, and time passes. Requests that a rule made [late](Fault::late) still
    /// arrive. [`start_again`](Self::start_again) ends this.
    ///
    /// ```
    /// use es_snapshot::testing::FakeDomain;
    /// use es_snapshot::{ErrorKind, RetryPolicy};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// let domain = FakeDomain::with_repository("backups").await;
    /// let client = domain.client().with_retry(RetryPolicy::never());
    ///
    /// domain.stop();
    /// assert_eq!(client.repositories().await.unwrap_err().kind(), ErrorKind::Connect);
    ///
    /// domain.start_again();
    /// assert_eq!(client.repositories().await?.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stop(&self) {
        self.with_state(|state, _| state.is_stopped = true);
        self.shared.close_connections();
        self.command(Command::Stop);
    }

    /// Starts a domain again that was [stopped](Self::stop), on the same port.
    ///
    /// # Panics
    ///
    /// Panics if another process took the port while the domain was stopped.
    pub fn start_again(&self) {
        self.command(Command::Start);
        self.with_state(|state, _| state.is_stopped = false);
    }

    /// Has the relay, if there is one, carry out a command.
    fn command(&self, command: impl FnOnce(mpsc::Sender<()>) -> Command) {
        let Some(Sockets { commands, .. }) = &self.sockets else { return };
        let (done, is_done) = mpsc::channel();
        let sent = commands.send(command(done)).is_ok();
        // The relay sends nothing. It drops its end once it is done.
        let _ = is_done.recv();
        assert!(sent && !commands.is_closed(), "the fake domain's port was taken while the domain was stopped");
    }

    /// Returns the region that signatures must be scoped to.
    #[must_use]
    pub fn region(&self) -> String {
        self.with_state(|state, _| state.edge.region.clone())
    }

    /// Returns a provider of the domain's current credentials.
    ///
    /// Each provider has its own [count](FakeCredentials::loads) of how often it was asked.
    #[must_use]
    pub fn credentials_provider(&self) -> FakeCredentials {
        FakeCredentials { shared: Arc::clone(&self.shared), loads: Arc::default(), trouble: Arc::default() }
    }

    /// Issues new credentials. Older ones stay valid until they expire.
    pub fn rotate(&self) {
        self.with_state(|state, now| drop(state.edge.rotate(now.monotonic)));
    }

    /// Makes all credentials that were issued so far expire now, and issues new ones.
    pub fn revoke(&self) {
        self.with_state(|state, now| {
            state.edge.revoke(now.monotonic);
            state.edge.rotate(now.monotonic);
        });
    }

    /// Sets how far the domain's wall clock is ahead, or behind if negative. In seconds.
    ///
    /// The offset is relative to the clock that the domain was started with. Default: 0.
    pub fn set_skew(&self, seconds: i64) {
        self.with_state(|state, _| state.skew = seconds);
    }

    /// Refuses all requests to paths with this prefix, with 401.
    ///
    /// This is Amazon's response to [operations that it does not
    /// support](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/supported-operations.html).
    ///
    /// ```
    /// use es_snapshot::ErrorKind;
    /// use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let domain = FakeDomain::with_repository("backups").await;
    /// domain.forbid("/_snapshot");
    ///
    /// let error = domain.client().repositories().await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotAllowed);
    /// # }
    /// ```
    pub fn forbid(&self, path_prefix: impl Into<String>) {
        self.with_state(|state, _| state.edge.forbidden.push(path_prefix.into()));
    }

    /// Denies an action to all signed requests.
    ///
    /// The action is one such as `es:ESHttpPut` or `iam:PassRole`, or a pattern such as `es:*`.
    ///
    /// ```
    /// use es_snapshot::ErrorKind;
    /// use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let domain = FakeDomain::with_repository("backups").await;
    /// domain.deny("es:ESHttpGet");
    ///
    /// let error = domain.client().repositories().await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::AccessDenied);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the action does not exist.
    pub fn deny(&self, action: impl AsRef<str>) {
        let action = action.as_ref();
        assert!(
            self.with_state(|state, _| state.edge.deny(action)),
            "unknown action `{action}`, expected one such as `es:ESHttpGet`"
        );
    }

    /// Adds a rule that makes requests or responses fail.
    ///
    /// Rules that were added earlier are tried first.
    ///
    /// ```
    /// use es_snapshot::testing::{FakeDomain, Fault};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// let domain = FakeDomain::with_repository("backups").await;
    /// domain.fault(Fault::status_after(504).times(1));
    ///
    /// assert_eq!(domain.client().repositories().await?.len(), 1);
    /// let faults: Vec<_> = domain.events().into_iter().map(|event| event.fault).collect();
    /// assert_eq!(faults, [Some("status_after"), None]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn fault(&self, fault: Fault) {
        self.with_state(|state, _| state.faults.push(fault));
    }

    /// Removes all rules that [`fault`](Self::fault) added.
    pub fn clear_faults(&self) {
        // Dropped after the lock is released, because dropping a rule may run code of the test.
        let cleared = self.with_state(|state, _| std::mem::take(&mut state.faults));
        drop(cleared);
    }

    /// Sets whether snapshots that start from now on stay `IN_PROGRESS`.
    ///
    /// While the hold is on, a create with `wait_for_completion` gets 504, as from a load balancer
    /// that gives up. Turning the hold off ends the held snapshots at once, each with its
    /// [planned](Self::plan_snapshot) outcome. Snapshots that started before the hold are not
    /// affected. Default: off.
    pub fn hold_snapshots(&self, hold: bool) {
        self.with_state(|state, now| {
            state.cluster.hold_snapshots = hold;
            if !hold {
                state.cluster.release_snapshots(now);
            }
        });
    }

    /// Sets whether restores that start from now on keep running.
    ///
    /// While the hold is on, a restore with `wait_for_completion` gets 504, as from a load balancer
    /// that gives up. Turning the hold off ends the held restores at once. Restores that started
    /// before the hold are not affected. Default: off.
    pub fn hold_restores(&self, hold: bool) {
        self.with_state(|state, now| {
            state.cluster.hold_restores = hold;
            if !hold {
                state.cluster.release_restores(now);
            }
        });
    }

    /// Ends a running snapshot now, with this outcome.
    ///
    /// # Panics
    ///
    /// Panics if no such snapshot is running.
    pub fn finish_snapshot(&self, repository: &str, name: &str, outcome: FakeOutcome) {
        let was_running =
            self.with_state(|state, now| state.cluster.end_snapshot(repository, name, Some(outcome), now));
        assert!(was_running, "no snapshot [{repository}:{name}] is running");
    }

    /// Sets how the next snapshot that starts will end.
    ///
    /// Each further call plans one more snapshot, in the order in which they start. Clones count as
    /// snapshots. Snapshots without a plan end in success.
    ///
    /// ```
    /// use es_snapshot::testing::{FakeDomain, FakeOutcome};
    /// use es_snapshot::{CreateSnapshot, ErrorKind};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// let domain = FakeDomain::with_repository("backups").await;
    /// domain.create_index("movies", 1);
    /// domain.plan_snapshot(FakeOutcome::Failed { reason: "no space left".to_owned() });
    ///
    /// let backups = domain.client().repository("backups")?;
    /// let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
    /// let error = started.wait().await?.into_complete().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Incomplete);
    /// # Ok(())
    /// # }
    /// ```
    pub fn plan_snapshot(&self, outcome: FakeOutcome) {
        self.with_state(|state, _| state.cluster.next_outcomes.push_back(outcome));
    }

    /// Makes the restore of a primary shard fail.
    ///
    /// `index` is the name that the index has after the restore. The shard stays unassigned until
    /// the index is deleted.
    ///
    /// ```
    /// use es_snapshot::testing::FakeDomain;
    /// use es_snapshot::{CreateSnapshot, RestoreSnapshot};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// let domain = FakeDomain::with_repository("backups").await;
    /// domain.create_index("movies", 2);
    /// let client = domain.client();
    /// let backups = client.repository("backups")?;
    /// backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    ///
    /// domain.fail_restore_shard("restored-movies", 1);
    /// let options = RestoreSnapshot::new().with_rename_prefix("restored-");
    /// let restore = backups.snapshot("monday")?.restore(options).await?;
    /// let report = restore.wait().await?;
    /// assert_eq!(report.unrestored()[0].shard(), Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn fail_restore_shard(&self, index: &str, shard: u32) {
        self.fail_restore_shard_times(index, shard, u32::MAX);
    }

    /// Starts a snapshot of all open indices, as another client of the domain would.
    ///
    /// # Panics
    ///
    /// Panics if the repository is missing or has a snapshot of this name.
    pub fn another_client_creates(&self, repository: &str, name: &str) {
        let started = self.with_state(|state, now| {
            let cluster = &mut state.cluster;
            let copies = cluster.index_copies(&cluster.open_names());
            let free = cluster.snapshot(repository, name).is_none();
            let options = SnapshotOptions { include_global_state: true, ..SnapshotOptions::default() };
            free && cluster.start_snapshot(repository, name, copies, options, now).is_some()
        });
        assert!(started, "[{repository}:{name}] cannot be created: no such repository, or the name is taken");
    }

    /// Deletes a snapshot, as another client of the domain would.
    ///
    /// # Panics
    ///
    /// Panics if the snapshot does not exist.
    pub fn another_client_deletes(&self, repository: &str, name: &str) {
        let existed = self.with_state(|state, _| {
            let existed = state.cluster.snapshot(repository, name).is_some();
            state.cluster.remove_snapshots(repository, &[name.to_owned()]);
            existed
        });
        assert!(existed, "no snapshot [{repository}:{name}] to delete");
    }

    /// Creates an open index with this number of primary shards and no replicas.
    pub fn create_index(&self, name: &str, shards: u32) {
        self.with_state(|state, now| state.cluster.create_index(name, shards, now));
    }

    /// Returns the names of the registered repositories, sorted.
    #[must_use]
    pub fn repositories(&self) -> Vec<String> {
        self.with_state(|state, _| state.cluster.repositories.keys().cloned().collect())
    }

    /// Returns the snapshots of a repository, oldest first.
    ///
    /// The list is empty if the repository does not exist.
    #[must_use]
    pub fn snapshots(&self, repository: &str) -> Vec<FakeSnapshot> {
        self.with_state(|state, _| {
            state.cluster.snapshots(repository).into_iter().flatten().map(FakeSnapshot::new).collect()
        })
    }

    /// Returns the names of the indices, sorted.
    #[must_use]
    pub fn indices(&self) -> Vec<String> {
        self.with_state(|state, _| state.cluster.indices.keys().cloned().collect())
    }

    /// Returns all requests so far, in the order in which the domain handled them.
    ///
    /// ```
    /// use es_snapshot::testing::{FakeDomain, Verdict};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// let domain = FakeDomain::with_repository("backups").await;
    /// domain.client().repositories().await?;
    ///
    /// let events = domain.events();
    /// assert_eq!((events[0].method.as_str(), events[0].path.as_str()), ("GET", "/_snapshot"));
    /// assert_eq!((events[0].verdict, events[0].response), (Verdict::Signed, Some(200)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.with_state(|state, _| state.events.clone())
    }

    /// Sets whether the log keeps the headers and bodies of requests.
    ///
    /// Turn this off to keep a log of many thousand requests small. Default: on.
    pub fn keep_requests(&self, keep: bool) {
        self.with_state(|state, _| state.keep_requests = keep);
    }

    /// Returns all requests except the first `count`.
    ///
    /// Their order is that of [`events`](Self::events).
    #[must_use]
    pub fn events_since(&self, count: usize) -> Vec<Event> {
        self.with_state(|state, _| state.events.get(count..).unwrap_or_default().to_vec())
    }

    /// Returns the number of requests so far.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.with_state(|state, _| state.events.len())
    }

    /// Checks that no create, clone, restore or delete was resent too often.
    ///
    /// Such a request may be sent three times while its earlier sends are unaccounted for. A send
    /// is accounted for if the client received a complete response that shows whether the request
    /// was carried out. Sends that were refused for now do not count: by the front end, with 429,
    /// or because another operation was running.
    ///
    /// The log does not show where one call ends and the next one begins. So a test that repeats a
    /// call itself may exceed the limit.
    ///
    /// # Panics
    ///
    /// Panics if a request was sent more often. The message names it.
    pub fn assert_no_storm(&self) {
        if let Some(storm) = self.with_state(|state, _| storm::find(&state.events)) {
            panic!("sent more than {} times while the earlier sends were unaccounted for: {storm}", storm::LIMIT);
        }
    }

    /// Checks that the fake domain supports every request that it received.
    ///
    /// # Panics
    ///
    /// Panics if it received a request with the verdict [`Verdict::Unexpected`]. The message names
    /// all such requests.
    pub fn assert_no_unexpected_calls(&self) {
        let unexpected: Vec<String> = self
            .events()
            .into_iter()
            .filter(|event| event.verdict == Verdict::Unexpected)
            .map(|event| format!("{} {}", event.method, event.path))
            .collect();
        assert!(unexpected.is_empty(), "unexpected calls of the fake domain: {}", unexpected.join(", "));
    }

    /// Calls a function with the state, brought up to the present.
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
