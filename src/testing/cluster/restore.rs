//! Restores: the indices that they write, and their progress.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::index::{Counters, Index, Origin, Shard, ShardState};
use super::{Cluster, Now, Snapshot, Work};

/// The restore from which an index comes.
#[derive(Clone)]
pub(in crate::testing) struct Restored {
    pub(in crate::testing) work: Work,
    pub(in crate::testing) repository: String,
    pub(in crate::testing) snapshot: String,
    pub(in crate::testing) snapshot_uuid: String,
    pub(in crate::testing) index: String,
    pub(in crate::testing) uuid: String,
    /// Whether it was restored over a closed index.
    pub(in crate::testing) is_over_closed: bool,
    /// The shards that the snapshot lacks. They start empty.
    pub(in crate::testing) missing: BTreeSet<u32>,
}

impl Restored {
    /// Returns the server's text for a shard that this restore could not bring back.
    pub(in crate::testing) fn shard_failure(&self, index: &str, shard: u32) -> String {
        format!(
            "failed shard on node: failed recovery, failure RecoveryFailedException[[{index}][{shard}]: Recovery failed]; nested: \
             IndexShardRestoreFailedException[failed to restore snapshot [{}/{}]]",
            self.snapshot, self.snapshot_uuid
        )
    }

    /// Returns when a shard was started that fails this many times, if it is. All failing attempts
    /// together take the time of a restore, and so does the one that succeeds.
    pub(in crate::testing) fn shard_ended(&self, failures: u32, now: Now) -> Option<SystemTime> {
        if failures == 0 { self.work.ended(now) } else { self.work.ended_twice(now) }
    }
}

/// A running restore.
#[derive(Clone)]
pub(in crate::testing) struct Restore {
    pub(in crate::testing) uuid: String,
    pub(in crate::testing) repository: String,
    place: String,
    pub(in crate::testing) snapshot: String,
    snapshot_uuid: String,
    /// The indices that it writes, with uuid and number of shards.
    pub(in crate::testing) targets: BTreeMap<String, (String, u32)>,
}

/// One index of a restore.
pub(in crate::testing) struct Target {
    /// Its name in the snapshot.
    pub(in crate::testing) index: String,
    /// Its name after the restore.
    pub(in crate::testing) name: String,
    /// The data stream to which it belongs after the restore.
    pub(in crate::testing) stream: Option<String>,
}

/// The options of a restore that change the restored indices.
#[derive(Clone, Copy)]
pub(in crate::testing) struct RestoreOptions {
    pub(in crate::testing) include_aliases: bool,
    pub(in crate::testing) is_filtered: bool,
    pub(in crate::testing) is_hidden: Option<bool>,
}

impl Cluster {
    /// Starts a restore of these indices, in one update of the cluster state.
    pub(in crate::testing) fn start_restore(
        &mut self,
        repository: &str,
        snapshot: &Snapshot,
        targets: &[Target],
        options: RestoreOptions,
        now: Now,
    ) {
        let Some(place) = self.repositories.get(repository).map(|registered| registered.place.clone()) else { return };
        let streams: BTreeSet<&String> = targets.iter().filter_map(|target| target.stream.as_ref()).collect();
        for index in
            self.indices.values_mut().filter(|index| index.stream.as_ref().is_some_and(|name| streams.contains(name)))
        {
            // A restored data stream replaces the one with its name. The old backing indices stay
            // as plain indices.
            index.stream = None;
        }
        let uuid = self.new_uuid();
        let mut written = BTreeMap::new();
        for target in targets {
            let Some(copy) = snapshot.indices.get(&target.index) else { continue };
            let restored = Restored {
                work: Work::new(now, self.restores_take, self.hold_restores),
                repository: repository.to_owned(),
                snapshot: snapshot.name.clone(),
                snapshot_uuid: snapshot.uuid.clone(),
                index: target.index.clone(),
                uuid: uuid.clone(),
                is_over_closed: self.indices.contains_key(&target.name),
                missing: copy.failed.keys().copied().collect(),
            };
            let shard = Shard { origin: Origin::Restore, since: now.wall, node: 0 };
            let new_uuid = self.new_uuid();
            let closed = self.indices.get(&target.name);
            let counters = |closed: &Index| closed.counters.restored_over(copy.counters);
            let fresh = Counters { metadata: copy.counters.metadata + 3, ..copy.counters };
            let index = Index {
                uuid: closed.map_or(new_uuid, |closed| closed.uuid.clone()),
                created: copy.created,
                docs: copy.docs,
                is_open: true,
                is_hidden: options.is_hidden.unwrap_or(copy.is_hidden),
                aliases: if options.include_aliases { copy.aliases.clone() } else { BTreeSet::new() },
                stream: target.stream.clone(),
                counters: closed.map_or(fresh, counters),
                primaries: (0..copy.shards).map(|_| shard).collect(),
                restored: Some(restored),
                is_filtered: options.is_filtered,
            };
            written.insert(target.name.clone(), (index.uuid.clone(), copy.shards));
            self.indices.insert(target.name.clone(), index);
        }
        if written.is_empty() {
            return;
        }
        self.version += 1;
        self.restores.get_or_insert_default().push(Restore {
            uuid,
            repository: repository.to_owned(),
            place,
            snapshot: snapshot.name.clone(),
            snapshot_uuid: snapshot.uuid.clone(),
            targets: written,
        });
    }

    /// Ends the restores of these indices now.
    pub(in crate::testing) fn end_restores(&mut self, targets: &[String], now: Now) {
        for name in targets {
            if let Some(restored) = self.indices.get_mut(name).and_then(|index| index.restored.as_mut()) {
                restored.work.end(now);
            }
        }
        self.remove_ended_restores(now);
    }

    pub(in crate::testing) fn release_restores(&mut self, now: Now) {
        for restored in self.indices.values_mut().filter_map(|index| index.restored.as_mut()) {
            restored.work.release(now);
        }
    }

    /// Removes the restores that have ended.
    pub(super) fn remove_ended_restores(&mut self, now: Now) {
        let Some(all) = self.restores.take() else { return };
        let (running, ended): (Vec<_>, Vec<_>) = all.into_iter().partition(|restore| self.is_running(restore, now));
        self.restores = Some(running);
        self.version += ended.len() as u64;
    }

    /// Returns the shards of a restore as index, uuid, number and state in the cluster state.
    pub(in crate::testing) fn restore_shards<'a>(
        &'a self,
        restore: &'a Restore,
        now: Now,
    ) -> impl Iterator<Item = (&'a str, &'a str, u32, &'static str)> {
        restore.targets.iter().flat_map(move |(name, (uuid, shards))| {
            let index = self.indices.get(name).filter(|index| {
                &index.uuid == uuid && index.restored.as_ref().is_some_and(|restored| restored.uuid == restore.uuid)
            });
            (0..*shards).map(move |shard| {
                let state = match index.map(|index| self.shard_state(name, index, shard, now)) {
                    Some(ShardState::Started) => "SUCCESS",
                    Some(state) if !state.is_given_up() => "INIT",
                    _ => "FAILURE",
                };
                (name.as_str(), uuid.as_str(), shard, state)
            })
        })
    }

    fn is_running(&self, restore: &Restore, now: Now) -> bool {
        self.restore_shards(restore, now).any(|(.., state)| state == "INIT")
    }

    /// Returns a running restore of a snapshot.
    pub(in crate::testing) fn restore_from(&self, snapshot: &Snapshot, now: Now) -> Option<&Restore> {
        self.restores
            .iter()
            .flatten()
            .find(|restore| restore.snapshot_uuid == snapshot.uuid && self.is_running(restore, now))
    }

    /// Returns whether an index belongs to a running restore.
    pub(in crate::testing) fn is_being_restored(&self, name: &str, now: Now) -> bool {
        self.restores
            .iter()
            .flatten()
            .any(|restore| restore.targets.contains_key(name) && self.is_running(restore, now))
    }

    /// Returns whether a running snapshot or restore uses a repository, which then cannot be
    /// changed.
    pub(in crate::testing) fn is_in_use(&self, repository: &str, now: Now) -> bool {
        let Some(place) = self.repositories.get(repository).map(|repository| &repository.place) else { return false };
        self.running().any(|(name, _)| name == repository)
            || self.restores.iter().flatten().any(|restore| &restore.place == place && self.is_running(restore, now))
    }
}
