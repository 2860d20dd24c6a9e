//! Snapshots: their contents, and how they run and end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde_json::Value;

use super::index::Counters;
use super::{Cluster, Index, Now, Work};

/// How a snapshot of a [`FakeDomain`](crate::testing::FakeDomain) ends.
///
/// [`FakeDomain::plan_snapshot`](crate::testing::FakeDomain::plan_snapshot),
/// [`finish_snapshot`](crate::testing::FakeDomain::finish_snapshot) and
/// [`place_snapshot`](crate::testing::FakeDomain::place_snapshot) take it. Default:
/// [`Success`](Self::Success).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FakeOutcome {
    /// All shards succeed. The state is `SUCCESS`.
    #[default]
    Success,
    /// Some shards fail. The state is `PARTIAL`.
    Partial {
        /// The index and number of each shard that fails. If the snapshot contains none of them,
        /// the first shard of its first index fails.
        failed_shards: Vec<(String, u32)>,
    },
    /// All shards fail. The state is `FAILED`.
    Failed {
        /// The reason that is reported for the snapshot and for each of its shards.
        reason: String,
    },
    /// The snapshot gets any other state, such as one that no server has yet.
    Other {
        /// The state.
        state: String,
        /// The index, number and reason of each shard that fails.
        failures: Vec<(String, u32, String)>,
    },
}

/// The damage to the file that describes a snapshot.
///
/// [`FakeDomain::damage_snapshot`](crate::testing::FakeDomain::damage_snapshot) takes it.
///
/// ```
/// use es_snapshot::CreateSnapshot;
/// use es_snapshot::testing::{FakeDamage, FakeDomain};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// let domain = FakeDomain::with_repository("backups").await;
/// let backups = domain.client().repository("backups")?;
/// backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
///
/// domain.damage_snapshot("backups", "monday", FakeDamage::Corrupt);
/// assert!(backups.snapshot("monday")?.info().await.is_err());
///
/// domain.damage_snapshot("backups", "monday", None);
/// assert!(backups.snapshot("monday")?.info().await.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FakeDamage {
    /// The file is missing. Requests that need it get 404.
    Lost,
    /// The file cannot be read. Requests that need it get 500.
    Corrupt,
}

#[derive(Clone)]
pub(in crate::testing) struct SnapshotIndex {
    pub(in crate::testing) uuid: String,
    pub(in crate::testing) created: SystemTime,
    pub(in crate::testing) shards: u32,
    pub(in crate::testing) docs: u64,
    pub(in crate::testing) is_hidden: bool,
    pub(in crate::testing) aliases: BTreeSet<String>,
    pub(in crate::testing) counters: Counters,
    /// The shards that failed, with the reason.
    pub(in crate::testing) failed: BTreeMap<u32, String>,
}

impl SnapshotIndex {
    fn new(index: &Index) -> Self {
        Self {
            uuid: index.uuid.clone(),
            created: index.created,
            shards: index.shards(),
            docs: index.docs,
            is_hidden: index.is_hidden,
            aliases: index.aliases.clone(),
            counters: index.counters,
            failed: BTreeMap::new(),
        }
    }
}

#[derive(Clone)]
pub(in crate::testing) struct Snapshot {
    pub(in crate::testing) name: String,
    pub(in crate::testing) uuid: String,
    pub(in crate::testing) indices: BTreeMap<String, SnapshotIndex>,
    /// The data streams with their backing indices.
    pub(in crate::testing) streams: BTreeMap<String, BTreeSet<String>>,
    pub(in crate::testing) include_global_state: bool,
    pub(in crate::testing) metadata: Option<Value>,
    pub(in crate::testing) is_clone: bool,
    pub(in crate::testing) began: Now,
    pub(in crate::testing) phase: Phase,
    pub(in crate::testing) damage: Option<FakeDamage>,
}

#[derive(Clone)]
pub(in crate::testing) enum Phase {
    Running { work: Work, outcome: FakeOutcome },
    Ended { at: SystemTime, state: String, reason: Option<String> },
}

impl Snapshot {
    pub(in crate::testing) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    pub(in crate::testing) fn state(&self) -> &str {
        match &self.phase {
            Phase::Running { .. } => "IN_PROGRESS",
            Phase::Ended { state, .. } => state,
        }
    }

    pub(in crate::testing) fn shards(&self) -> u32 {
        self.indices.values().map(|index| index.shards).sum()
    }

    pub(in crate::testing) fn failed_shards(&self) -> usize {
        self.indices.values().map(|index| index.failed.len()).sum()
    }

    fn end(&mut self, at: SystemTime, outcome: FakeOutcome) {
        let (state, reason) = match outcome {
            FakeOutcome::Success => ("SUCCESS", None),
            FakeOutcome::Partial { failed_shards } => {
                for (name, shard) in failed_shards {
                    if let Some(index) = self.indices.get_mut(&name).filter(|index| shard < index.shards) {
                        index.failed.insert(shard, SHARD_FAILURE.to_owned());
                    }
                }
                if self.failed_shards() == 0
                    && let Some(index) = self.indices.values_mut().next()
                {
                    index.failed.insert(0, SHARD_FAILURE.to_owned());
                }
                ("PARTIAL", None)
            }
            FakeOutcome::Failed { reason } => {
                for index in self.indices.values_mut() {
                    index.failed = (0..index.shards).map(|shard| (shard, reason.clone())).collect();
                }
                ("FAILED", Some(reason))
            }
            FakeOutcome::Other { state, failures } => {
                for (name, shard, reason) in failures {
                    if let Some(index) = self.indices.get_mut(&name) {
                        index.failed.insert(shard, reason);
                    }
                }
                self.phase = Phase::Ended { at, state, reason: None };
                return;
            }
        };
        self.phase = Phase::Ended { at, state: state.to_owned(), reason };
    }
}

const SHARD_FAILURE: &str = "UncategorizedExecutionException[Failed execution]; nested: ExecutionException[java.io.IOException: \
                             Unable to upload object using a single upload]";

/// The properties of a new snapshot apart from its indices.
#[derive(Default)]
pub(in crate::testing) struct SnapshotOptions {
    pub(in crate::testing) include_global_state: bool,
    pub(in crate::testing) metadata: Option<Value>,
    pub(in crate::testing) is_clone: bool,
}

impl Cluster {
    /// Ends the snapshots that are due.
    pub(super) fn end_due_snapshots(&mut self, now: Now) {
        for snapshot in self.places.values_mut().flatten() {
            if let Phase::Running { work, outcome } = &snapshot.phase
                && let Some(at) = work.ended(now)
            {
                let outcome = outcome.clone();
                snapshot.end(at, outcome);
                self.version += 1;
            }
        }
    }

    pub(in crate::testing) fn release_snapshots(&mut self, now: Now) {
        for snapshot in self.places.values_mut().flatten() {
            if let Phase::Running { work, .. } = &mut snapshot.phase {
                work.release(now);
            }
        }
    }

    /// Returns the snapshots of a registered repository, sorted by start and name.
    pub(in crate::testing) fn snapshots(&self, repository: &str) -> Option<Vec<&Snapshot>> {
        let repository = self.repositories.get(repository)?;
        let mut all: Vec<_> = self.places.get(&repository.place).into_iter().flatten().collect();
        all.sort_by_key(|snapshot| (snapshot.began.wall, &snapshot.name));
        Some(all)
    }

    pub(in crate::testing) fn snapshot(&self, repository: &str, name: &str) -> Option<&Snapshot> {
        self.snapshots(repository)?.into_iter().find(|snapshot| snapshot.name == name)
    }

    /// Returns all running snapshots, each with every repository that contains it.
    pub(in crate::testing) fn running(&self) -> impl Iterator<Item = (&str, &Snapshot)> {
        self.repositories.iter().flat_map(|(name, repository)| {
            let snapshots = self.places.get(&repository.place).into_iter().flatten();
            snapshots.filter(|snapshot| snapshot.is_running()).map(move |snapshot| (name.as_str(), snapshot))
        })
    }

    /// Starts a snapshot of these indices. Returns its uuid.
    pub(in crate::testing) fn start_snapshot(
        &mut self,
        repository: &str,
        name: &str,
        (indices, streams): (BTreeMap<String, SnapshotIndex>, BTreeMap<String, BTreeSet<String>>),
        options: SnapshotOptions,
        now: Now,
    ) -> Option<String> {
        let place = self.repositories.get(repository)?.place.clone();
        let uuid = self.new_uuid();
        let outcome = self.next_outcomes.pop_front().unwrap_or_default();
        let work = Work::new(now, self.snapshots_take, self.hold_snapshots);
        self.version += 1;
        self.places.entry(place).or_default().push(Snapshot {
            name: name.to_owned(),
            uuid: uuid.clone(),
            indices,
            streams,
            include_global_state: options.include_global_state,
            metadata: options.metadata,
            is_clone: options.is_clone,
            began: now,
            phase: Phase::Running { work, outcome },
            damage: None,
        });
        Some(uuid)
    }

    /// Adds a snapshot of all open indices that started at `start` and ended with this outcome.
    /// Returns whether that was possible.
    pub(in crate::testing) fn place_snapshot(
        &mut self,
        repository: &str,
        name: &str,
        start: SystemTime,
        outcome: FakeOutcome,
        now: Now,
    ) -> bool {
        let is_free = self.snapshot(repository, name).is_none();
        let copies = self.index_copies(&self.open_names());
        let options = SnapshotOptions { include_global_state: true, ..SnapshotOptions::default() };
        let planned = std::mem::take(&mut self.next_outcomes);
        let began = Now { wall: start, ..now };
        let is_placed = is_free && self.start_snapshot(repository, name, copies, options, began).is_some();
        self.next_outcomes = planned;
        let end = Now { wall: start.checked_add(self.snapshots_take).unwrap_or(start), ..now };
        is_placed && self.end_snapshot(repository, name, Some(outcome), end)
    }

    /// Damages or repairs the file that describes a snapshot. Returns whether the snapshot exists.
    pub(in crate::testing) fn damage_snapshot(
        &mut self,
        repository: &str,
        name: &str,
        damage: Option<FakeDamage>,
    ) -> bool {
        self.snapshot_mut(repository, name).map(|snapshot| snapshot.damage = damage).is_some()
    }

    /// Returns copies of these indices for a snapshot, and the data streams that it contains
    /// completely.
    pub(in crate::testing) fn index_copies(
        &self,
        names: &[String],
    ) -> (BTreeMap<String, SnapshotIndex>, BTreeMap<String, BTreeSet<String>>) {
        let copies: BTreeMap<String, SnapshotIndex> =
            names.iter().filter_map(|name| Some((name.clone(), SnapshotIndex::new(self.indices.get(name)?)))).collect();
        let streams =
            self.streams().into_iter().filter(|(_, backing)| backing.iter().all(|name| copies.contains_key(name)));
        let streams = streams.collect();
        (copies, streams)
    }

    /// Ends a running snapshot, as planned unless an outcome is given. Returns whether it was
    /// running.
    pub(in crate::testing) fn end_snapshot(
        &mut self,
        repository: &str,
        name: &str,
        outcome: Option<FakeOutcome>,
        now: Now,
    ) -> bool {
        let Some(snapshot) = self.snapshot_mut(repository, name) else { return false };
        let Phase::Running { outcome: planned, .. } = &snapshot.phase else { return false };
        let outcome = outcome.unwrap_or_else(|| planned.clone());
        snapshot.end(now.wall, outcome);
        self.version += 1;
        true
    }

    fn snapshot_mut(&mut self, repository: &str, name: &str) -> Option<&mut Snapshot> {
        let place = &self.repositories.get(repository)?.place;
        self.places.get_mut(place)?.iter_mut().find(|snapshot| snapshot.name == name)
    }

    pub(in crate::testing) fn remove_snapshots(&mut self, repository: &str, names: &[String]) {
        if let Some(place) = self.repositories.get(repository).map(|repository| &repository.place)
            && let Some(snapshots) = self.places.get_mut(place)
        {
            snapshots.retain(|snapshot| !names.contains(&snapshot.name));
            self.version += 1;
        }
    }
}
