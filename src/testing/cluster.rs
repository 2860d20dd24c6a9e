//! What the engine behind the front end knows: repositories, snapshots, indices, and how they change as time passes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::edge::random_text;
use super::engine::Engine;

/// How a snapshot of the fake domain ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FakeOutcome {
    /// All shards are done: `SUCCESS`.
    #[default]
    Success,
    /// Some shards failed: `PARTIAL`.
    Partial {
        /// Index and number of each shard that fails. Where none is of this snapshot, the first shard of its first index fails.
        failed_shards: Vec<(String, u32)>,
    },
    /// Nothing of it can be used: `FAILED`.
    Failed {
        /// The reason that the snapshot and each of its shards give.
        reason: String,
    },
}

/// The time of one look at the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Now {
    /// The domain's own wall clock.
    pub(super) wall: SystemTime,
    pub(super) monotonic: Duration,
}

/// Work that takes time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) began: Now,
    /// When it is done, on the monotonic clock; none while it is held.
    due: Option<Duration>,
}

impl Work {
    fn new(began: Now, takes: Duration, held: bool) -> Self {
        Self { began, due: (!held).then(|| began.monotonic.saturating_add(takes)) }
    }

    fn release(&mut self, now: Now) {
        self.due.get_or_insert(now.monotonic);
    }

    /// The wall time at which it was done, if it is.
    pub(super) fn ended(&self, now: Now) -> Option<SystemTime> {
        let due = self.due.filter(|due| *due <= now.monotonic)?;
        self.began.wall.checked_add(due.saturating_sub(self.began.monotonic))
    }

    /// How many of so many parts are done.
    pub(super) fn done_of(&self, parts: u64, now: Now) -> u64 {
        let Some(due) = self.due else { return 0 };
        let whole = due.saturating_sub(self.began.monotonic).as_millis();
        let passed = now.monotonic.saturating_sub(self.began.monotonic).as_millis();
        if passed >= whole { parts } else { u64::try_from(u128::from(parts) * passed / whole).unwrap_or(parts) }
    }
}

pub(super) struct Repository {
    pub(super) kind: String,
    /// As it comes back: all scalars are strings.
    pub(super) settings: Map<String, Value>,
    /// Where its snapshots are; two registrations of one place see the same ones.
    pub(super) place: String,
}

impl Repository {
    pub(super) fn is_readonly(&self) -> bool {
        self.settings.get("readonly").and_then(Value::as_str) == Some("true")
    }
}

#[derive(Clone)]
pub(super) struct SnapshotIndex {
    pub(super) uuid: String,
    pub(super) shards: u32,
    pub(super) docs: u64,
    /// Reasons of the shards that failed.
    pub(super) failed: BTreeMap<u32, String>,
}

#[derive(Clone)]
pub(super) struct Snapshot {
    pub(super) name: String,
    pub(super) uuid: String,
    pub(super) indices: BTreeMap<String, SnapshotIndex>,
    pub(super) include_global_state: bool,
    pub(super) metadata: Option<Value>,
    pub(super) is_clone: bool,
    pub(super) began: Now,
    pub(super) phase: Phase,
}

#[derive(Clone)]
pub(super) enum Phase {
    Running { work: Work, outcome: FakeOutcome },
    Ended { at: SystemTime, state: &'static str, reason: Option<String> },
}

impl Snapshot {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    pub(super) fn state(&self) -> &'static str {
        match &self.phase {
            Phase::Running { .. } => "IN_PROGRESS",
            Phase::Ended { state, .. } => state,
        }
    }

    pub(super) fn shards(&self) -> u32 {
        self.indices.values().map(|index| index.shards).sum()
    }

    pub(super) fn failed_shards(&self) -> usize {
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
        };
        self.phase = Phase::Ended { at, state, reason };
    }
}

const SHARD_FAILURE: &str = "UncategorizedExecutionException[Failed execution]; nested: ExecutionException[java.io.IOException: \
                             Unable to upload object using a single upload]";

pub(super) struct Index {
    pub(super) uuid: String,
    pub(super) shards: u32,
    pub(super) docs: u64,
    pub(super) created: Now,
    pub(super) restored: Option<Restored>,
}

/// Where a restored index is from.
pub(super) struct Restored {
    pub(super) work: Work,
    pub(super) repository: String,
    place: String,
    pub(super) snapshot: String,
    snapshot_uuid: String,
    pub(super) index: String,
    pub(super) uuid: String,
    /// Shards that the snapshot does not have: they start empty.
    pub(super) missing: BTreeSet<u32>,
}

impl Restored {
    /// What an engine says of a shard of this restore that it could not bring back.
    pub(super) fn shard_failure(&self, index: &str, shard: u32) -> String {
        format!(
            "failed shard on node: failed recovery, failure RecoveryFailedException[[{index}][{shard}]: Recovery failed]; nested: \
             IndexShardRestoreFailedException[failed to restore snapshot [{}/{}]]",
            self.snapshot, self.snapshot_uuid
        )
    }
}

/// The state of a primary shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShardState {
    Started,
    Initializing,
    Unassigned,
}

/// All that the engine knows.
pub(super) struct Cluster {
    pub(super) engine: Engine,
    random: fastrand::Rng,
    pub(super) node_id: String,
    pub(super) repositories: BTreeMap<String, Repository>,
    places: BTreeMap<String, Vec<Snapshot>>,
    pub(super) indices: BTreeMap<String, Index>,
    /// The buckets there are, with the region of those whose region matters.
    pub(super) buckets: BTreeMap<String, Option<String>>,
    pub(super) snapshots_take: Duration,
    pub(super) restores_take: Duration,
    pub(super) hold_snapshots: bool,
    pub(super) hold_restores: bool,
    pub(super) next_outcomes: VecDeque<FakeOutcome>,
    pub(super) failing_shards: BTreeSet<(String, u32)>,
}

impl Cluster {
    pub(super) fn new(engine: Engine, mut random: fastrand::Rng) -> Self {
        let node_id = new_uuid(&mut random);
        Self {
            engine,
            random,
            node_id,
            repositories: BTreeMap::new(),
            places: BTreeMap::new(),
            indices: BTreeMap::new(),
            buckets: BTreeMap::new(),
            snapshots_take: Duration::from_secs(3),
            restores_take: Duration::from_secs(3),
            hold_snapshots: false,
            hold_restores: false,
            next_outcomes: VecDeque::new(),
            failing_shards: BTreeSet::new(),
        }
    }

    /// An id in the manner of the engines: 22 letters of URL-safe base64.
    pub(super) fn new_uuid(&mut self) -> String {
        new_uuid(&mut self.random)
    }

    /// Ends what has come to its end.
    pub(super) fn settle(&mut self, now: Now) {
        for snapshot in self.places.values_mut().flatten() {
            if let Phase::Running { work, outcome } = &snapshot.phase
                && let Some(at) = work.ended(now)
            {
                let outcome = outcome.clone();
                snapshot.end(at, outcome);
            }
        }
    }

    pub(super) fn release_snapshots(&mut self, now: Now) {
        for snapshot in self.places.values_mut().flatten() {
            if let Phase::Running { work, .. } = &mut snapshot.phase {
                work.release(now);
            }
        }
    }

    pub(super) fn release_restores(&mut self, now: Now) {
        for restored in self.indices.values_mut().filter_map(|index| index.restored.as_mut()) {
            restored.work.release(now);
        }
    }

    /// The snapshots of a registered repository, by time of start and name.
    pub(super) fn snapshots(&self, repository: &str) -> Option<Vec<&Snapshot>> {
        let repository = self.repositories.get(repository)?;
        let mut all: Vec<_> = self.places.get(&repository.place).into_iter().flatten().collect();
        all.sort_by_key(|snapshot| (snapshot.began.wall, &snapshot.name));
        Some(all)
    }

    pub(super) fn snapshot(&self, repository: &str, name: &str) -> Option<&Snapshot> {
        self.snapshots(repository)?.into_iter().find(|snapshot| snapshot.name == name)
    }

    /// All running snapshots with the repository through which they are seen.
    pub(super) fn running(&self) -> impl Iterator<Item = (&str, &Snapshot)> {
        self.repositories.iter().flat_map(|(name, repository)| {
            let snapshots = self.places.get(&repository.place).into_iter().flatten();
            snapshots.filter(|snapshot| snapshot.is_running()).map(move |snapshot| (name.as_str(), snapshot))
        })
    }

    /// Starts a snapshot of these indices; gives its uuid.
    pub(super) fn start_snapshot(
        &mut self,
        repository: &str,
        name: &str,
        indices: BTreeMap<String, SnapshotIndex>,
        options: SnapshotOptions,
        now: Now,
    ) -> Option<String> {
        let place = self.repositories.get(repository)?.place.clone();
        let uuid = self.new_uuid();
        let outcome = self.next_outcomes.pop_front().unwrap_or_default();
        let work = Work::new(now, self.snapshots_take, self.hold_snapshots);
        self.places.entry(place).or_default().push(Snapshot {
            name: name.to_owned(),
            uuid: uuid.clone(),
            indices,
            include_global_state: options.include_global_state,
            metadata: options.metadata,
            is_clone: options.is_clone,
            began: now,
            phase: Phase::Running { work, outcome },
        });
        Some(uuid)
    }

    /// The indices of these names, as a snapshot keeps them.
    pub(super) fn index_copies(&self, names: &[String]) -> BTreeMap<String, SnapshotIndex> {
        let copy = |index: &Index| SnapshotIndex {
            uuid: index.uuid.clone(),
            shards: index.shards,
            docs: index.docs,
            failed: BTreeMap::new(),
        };
        names.iter().filter_map(|name| Some((name.clone(), copy(self.indices.get(name)?)))).collect()
    }

    /// Ends a running snapshot; whether there was one. With no outcome given it ends as planned.
    pub(super) fn end_snapshot(&mut self, repository: &str, name: &str, outcome: Option<FakeOutcome>, now: Now) -> bool {
        let Some(snapshot) = self.snapshot_mut(repository, name) else { return false };
        let Phase::Running { outcome: planned, .. } = &snapshot.phase else { return false };
        let outcome = outcome.unwrap_or_else(|| planned.clone());
        snapshot.end(now.wall, outcome);
        true
    }

    fn snapshot_mut(&mut self, repository: &str, name: &str) -> Option<&mut Snapshot> {
        let place = &self.repositories.get(repository)?.place;
        self.places.get_mut(place)?.iter_mut().find(|snapshot| snapshot.name == name)
    }

    pub(super) fn remove_snapshots(&mut self, repository: &str, names: &[String]) {
        if let Some(place) = self.repositories.get(repository).map(|repository| &repository.place)
            && let Some(snapshots) = self.places.get_mut(place)
        {
            snapshots.retain(|snapshot| !names.contains(&snapshot.name));
        }
    }

    /// Starts to restore one index.
    pub(super) fn start_restore(
        &mut self,
        target: String,
        repository: &str,
        snapshot: &Snapshot,
        index: &str,
        restore_uuid: &str,
        now: Now,
    ) {
        let (Some(copy), Some(registered)) = (snapshot.indices.get(index), self.repositories.get(repository)) else { return };
        let restored = Restored {
            work: Work::new(now, self.restores_take, self.hold_restores),
            repository: repository.to_owned(),
            place: registered.place.clone(),
            snapshot: snapshot.name.clone(),
            snapshot_uuid: snapshot.uuid.clone(),
            index: index.to_owned(),
            uuid: restore_uuid.to_owned(),
            missing: copy.failed.keys().copied().collect(),
        };
        let index = Index { uuid: self.new_uuid(), shards: copy.shards, docs: copy.docs, created: now, restored: Some(restored) };
        self.indices.insert(target, index);
    }

    /// Ends the restores of these indices at once.
    pub(super) fn end_restores(&mut self, targets: &[String], now: Now) {
        for name in targets {
            if let Some(restored) = self.indices.get_mut(name).and_then(|index| index.restored.as_mut()) {
                restored.work.due = Some(now.monotonic);
            }
        }
    }

    /// Restores that have shards to do yet.
    fn restores(&self, now: Now) -> impl Iterator<Item = &Restored> {
        self.indices
            .values()
            .filter_map(|index| index.restored.as_ref())
            .filter(move |restored| restored.work.ended(now).is_none())
    }

    pub(super) fn is_restored_from(&self, snapshot: &Snapshot, now: Now) -> bool {
        self.restores(now).any(|restored| restored.snapshot_uuid == snapshot.uuid)
    }

    /// Whether a snapshot or a restore keeps a repository from being changed.
    pub(super) fn is_in_use(&self, repository: &str, now: Now) -> bool {
        let Some(place) = self.repositories.get(repository).map(|repository| &repository.place) else { return false };
        self.running().any(|(name, _)| name == repository) || self.restores(now).any(|restored| &restored.place == place)
    }

    pub(super) fn shard_state(&self, name: &str, index: &Index, shard: u32, now: Now) -> ShardState {
        match &index.restored {
            Some(_) if self.failing_shards.contains(&(name.to_owned(), shard)) => ShardState::Unassigned,
            Some(restored) if restored.work.ended(now).is_none() => ShardState::Initializing,
            _ => ShardState::Started,
        }
    }

    pub(super) fn create_index(&mut self, name: &str, shards: u32, now: Now) {
        let index = Index { uuid: self.new_uuid(), shards, docs: u64::from(shards) * 100, created: now, restored: None };
        self.indices.insert(name.to_owned(), index);
    }

    pub(super) fn remove_index(&mut self, name: &str) {
        self.indices.remove(name);
        self.failing_shards.retain(|(index, _)| index != name);
    }
}

/// What a snapshot is besides its indices.
#[derive(Default)]
pub(super) struct SnapshotOptions {
    pub(super) include_global_state: bool,
    pub(super) metadata: Option<Value>,
    pub(super) is_clone: bool,
}

fn new_uuid(random: &mut fastrand::Rng) -> String {
    random_text(random, 22, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
}

/// Whether a text matches a pattern with `*`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|text| {
            let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            starts.into_iter().any(|at| text.get(at..).is_some_and(|tail| matches(rest, tail)))
        }),
    }
}

/// The names that a list of names, patterns and exclusions means; the first concrete name that does not exist, unless such are ignored.
pub(super) fn select<'a>(
    expressions: &[String],
    existing: impl Iterator<Item = &'a String> + Clone,
    ignore_unavailable: bool,
) -> Result<Vec<String>, String> {
    let all = |expression: &str| expression == "_all" || expression == "*";
    if expressions.is_empty() {
        return Ok(existing.cloned().collect());
    }
    let mut chosen: Vec<String> = Vec::new();
    for (at, expression) in expressions.iter().enumerate() {
        if let Some(excluded) = expression.strip_prefix('-') {
            if at == 0 {
                chosen.extend(existing.clone().cloned());
            }
            chosen.retain(|name| !matches(excluded, name));
            continue;
        }
        let before = chosen.len();
        let fits = |name: &&String| all(expression) || matches(expression, name);
        chosen.extend(existing.clone().filter(fits).cloned());
        if chosen.len() == before && !expression.contains('*') && !all(expression) && !ignore_unavailable {
            return Err(expression.clone());
        }
    }
    let mut seen = BTreeSet::new();
    chosen.retain(|name| seen.insert(name.clone()));
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_run_of_letters() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "aXbYc", true),
            ("a*b", "abc", false),
            ("ü*", "üü", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn exclusions_take_away_and_missing_names_are_told() {
        let existing: Vec<String> = ["logs-1", "logs-2", "movies"].map(String::from).to_vec();
        let pick = |list: &[&str]| select(&list.iter().map(ToString::to_string).collect::<Vec<_>>(), existing.iter(), false);
        assert_eq!(pick(&["logs-*", "-logs-1"]).unwrap(), ["logs-2"]);
        assert_eq!(pick(&["-logs-*"]).unwrap(), ["movies"]);
        assert_eq!(pick(&["movies", "absent"]), Err("absent".to_owned()));
        assert_eq!(pick(&["absent*"]).unwrap(), [""; 0]);
    }
}
