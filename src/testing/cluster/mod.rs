//! The state of the server behind the front end: repositories, snapshots and indices, and how they
//! change with time.

mod index;
mod restore;
mod select;
mod snapshot;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

pub(super) use self::index::{Index, MAX_RETRIES, Origin, ShardState, Tombstone, Unassigned};
pub(super) use self::restore::{Restore, RestoreOptions, Target};
pub(super) use self::select::{matches, select};
pub use self::snapshot::{FakeDamage, FakeOutcome};
pub(super) use self::snapshot::{Phase, Snapshot, SnapshotIndex, SnapshotOptions};
use super::engine::Engine;
use super::text::random_text;

/// The time at which the state is read or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Now {
    /// The wall time of the domain, which may differ from that of its clock.
    pub(super) wall: SystemTime,
    pub(super) monotonic: Duration,
}

/// Work that takes time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) began: Now,
    /// When it ends, on the monotonic clock. `None` while it is held.
    due: Option<Duration>,
}

impl Work {
    fn new(began: Now, takes: Duration, held: bool) -> Self {
        Self { began, due: (!held).then(|| began.monotonic.saturating_add(takes)) }
    }

    fn release(&mut self, now: Now) {
        self.due.get_or_insert(now.monotonic);
    }

    fn end(&mut self, now: Now) {
        // It takes no time, so that work that takes twice as long has ended as well.
        *self = Self::new(now, Duration::ZERO, false);
    }

    /// Returns the wall time at which it ended, if it has.
    pub(super) fn ended(&self, now: Now) -> Option<SystemTime> {
        self.ended_after(1, now)
    }

    /// Returns the wall time at which twice its duration had passed, if it has.
    fn ended_twice(&self, now: Now) -> Option<SystemTime> {
        self.ended_after(2, now)
    }

    fn ended_after(&self, times: u32, now: Now) -> Option<SystemTime> {
        let took = self.due?.saturating_sub(self.began.monotonic).saturating_mul(times);
        (self.began.monotonic.saturating_add(took) <= now.monotonic).then(|| self.began.wall.checked_add(took))?
    }

    /// Returns how many of `parts` equal parts are done.
    pub(super) fn parts_done(&self, parts: u64, now: Now) -> u64 {
        let Some(due) = self.due else { return 0 };
        let whole = due.saturating_sub(self.began.monotonic).as_millis();
        let passed = now.monotonic.saturating_sub(self.began.monotonic).as_millis();
        if passed >= whole { parts } else { u64::try_from(u128::from(parts) * passed / whole).unwrap_or(parts) }
    }
}

#[derive(Clone)]
pub(super) struct Repository {
    pub(super) kind: String,
    /// As the server returns them: all scalars are strings.
    pub(super) settings: Map<String, Value>,
    /// Where its snapshots are. Two repositories with the same place have the same snapshots.
    pub(super) place: String,
}

impl Repository {
    pub(super) fn is_readonly(&self) -> bool {
        self.settings.get("readonly").and_then(Value::as_str) == Some("true")
    }
}

/// The state of the server.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) engine: Engine,
    random: fastrand::Rng,
    pub(super) node_id: String,
    pub(super) uuid: String,
    /// The term of the cluster state.
    pub(super) term: u64,
    /// The version of the cluster state.
    pub(super) version: u64,
    /// The state that a lagging node shows, and the time at which it was current.
    pub(super) past: Option<(Box<Self>, Now)>,
    pub(super) repositories: BTreeMap<String, Repository>,
    /// The snapshots by [`Repository::place`].
    places: BTreeMap<String, Vec<Snapshot>>,
    pub(super) indices: BTreeMap<String, Index>,
    /// The last deleted indices, oldest first.
    pub(super) tombstones: Vec<Tombstone>,
    /// The running restores. `None` if there was no restore since the master started.
    pub(super) restores: Option<Vec<Restore>>,
    /// The buckets. One without a region accepts any.
    pub(super) buckets: BTreeMap<String, Option<String>>,
    pub(super) snapshots_take: Duration,
    pub(super) restores_take: Duration,
    pub(super) hold_snapshots: bool,
    pub(super) hold_restores: bool,
    pub(super) throttle_restores: bool,
    pub(super) next_outcomes: VecDeque<FakeOutcome>,
    /// How often the restore of a shard fails, by index and number.
    pub(super) failing_shards: BTreeMap<(String, u32), u32>,
}

impl Cluster {
    pub(super) fn new(engine: Engine, mut random: fastrand::Rng) -> Self {
        let (node_id, uuid) = (new_uuid(&mut random), new_uuid(&mut random));
        Self {
            engine,
            random,
            node_id,
            uuid,
            term: 1,
            version: 1,
            past: None,
            repositories: BTreeMap::new(),
            places: BTreeMap::new(),
            indices: BTreeMap::new(),
            tombstones: Vec::new(),
            restores: None,
            buckets: BTreeMap::new(),
            snapshots_take: Duration::from_secs(3),
            restores_take: Duration::from_secs(3),
            hold_snapshots: false,
            hold_restores: false,
            throttle_restores: false,
            next_outcomes: VecDeque::new(),
            failing_shards: BTreeMap::new(),
        }
    }

    /// Returns a random identifier like those of the servers: 22 characters of URL-safe base64.
    fn new_uuid(&mut self) -> String {
        new_uuid(&mut self.random)
    }

    /// Freezes the cluster state that is shown, or shows the current one again.
    pub(super) fn lag(&mut self, lag: bool, now: Now) {
        let past = self.past.take();
        if lag {
            self.past = past.or_else(|| Some((Box::new(self.clone()), now)));
        }
    }

    /// Becomes another cluster, which has only the repositories of this one.
    pub(super) fn replace(&mut self) {
        (self.node_id, self.uuid) = (self.new_uuid(), self.new_uuid());
        (self.term, self.version, self.past) = (1, 1, None);
        self.indices.clear();
        self.tombstones.clear();
        self.restores = None;
    }

    /// Ends the snapshots and restores that are due.
    pub(super) fn finish_due_work(&mut self, now: Now) {
        self.end_due_snapshots(now);
        self.remove_ended_restores(now);
    }
}

fn new_uuid(random: &mut fastrand::Rng) -> String {
    random_text(random, 22, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
}
