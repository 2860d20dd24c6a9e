//! Snapshots: what they hold, and how they run and end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde_json::Value;

use super::index::Counters;
use super::{Cluster, Index, Now, Work};

/// How a snapshot of the fake domain ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FakeOutcome {
    /// All shards are done: `SUCCESS`.
    #[default]
    Success,
    /// Some shards failed: `PARTIAL`.
    Partial {
        /// Index and number of each shard that fails. If none is part of this snapshot, the first
        /// shard of its first index fails.
        failed_shards: Vec<(String, u32)>,
    },
    /// Nothing of it can be used: `FAILED`.
    Failed {
        /// The reason that the snapshot and each of its shards give.
        reason: String,
    },
    /// A state in the words of the test, such as one that no engine has yet.
    Other {
        /// The state.
        state: String,
        /// Index, number and reason of each shard that fails.
        failures: Vec<(String, u32, String)>,
    },
}

/// What is wrong with the file that describes a snapshot; see
/// [`FakeDomain::damage_snapshot`](crate::testing::FakeDomain::damage_snapshot).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FakeDamage {
    /// It is gone: 404.
    Lost,
    /// It is not what it was: 500.
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
    /// Reasons of the shards that failed.
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
    /// Data streams, with their backing indices.
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

/// What a snapshot is besides its indices.
#[derive(Default)]
pub(in crate::testing) struct SnapshotOptions {
    pub(in crate::testing) include_global_state: bool,
    pub(in crate::testing) metadata: Option<Value>,
    pub(in crate::testing) is_clone: bool,
}

impl Cluster {
    /// Ends the snapshots that have come to their end.
    pub(super) fn settle_snapshots(&mut self, now: Now) {
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

    /// The snapshots of a registered repository, by time of start and name.
    pub(in crate::testing) fn snapshots(&self, repository: &str) -> Option<Vec<&Snapshot>> {
        let repository = self.repositories.get(repository)?;
        let mut all: Vec<_> = self.places.get(&repository.place).into_iter().flatten().collect();
        all.sort_by_key(|snapshot| (snapshot.began.wall, &snapshot.name));
        Some(all)
    }

    pub(in crate::testing) fn snapshot(&self, repository: &str, name: &str) -> Option<&Snapshot> {
        self.snapshots(repository)?.into_iter().find(|snapshot| snapshot.name == name)
    }

    /// All running snapshots with the repository through which they are seen.
    pub(in crate::testing) fn running(&self) -> impl Iterator<Item = (&str, &Snapshot)> {
        self.repositories.iter().flat_map(|(name, repository)| {
            let snapshots = self.places.get(&repository.place).into_iter().flatten();
            snapshots.filter(|snapshot| snapshot.is_running()).map(move |snapshot| (name.as_str(), snapshot))
        })
    }

    /// Starts a snapshot of these indices; gives its uuid.
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

    /// Puts a snapshot of all open indices there that has begun at some time and ended with this
    /// outcome; whether it could.
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

    /// Damages or repairs the file that describes a snapshot; whether there is such a snapshot.
    pub(in crate::testing) fn damage_snapshot(
        &mut self,
        repository: &str,
        name: &str,
        damage: Option<FakeDamage>,
    ) -> bool {
        self.snapshot_mut(repository, name).map(|snapshot| snapshot.damage = damage).is_some()
    }

    /// The indices of these names, as a snapshot keeps them, and the data streams that it holds in
    /// full.
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

    /// Ends a running snapshot; whether there was one. With no outcome given it ends as planned.
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
