//! Indices: their metadata and its counters, their shards, and the changes that clients and
//! operators make.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::super::text::format_time;
use super::restore::Restored;
use super::{Cluster, Now};

/// How many deleted indices the servers remember.
const TOMBSTONES: usize = 500;

/// How often a server tries to allocate a shard before it gives up
/// (`index.allocation.max_retries`).
pub(in crate::testing) const MAX_RETRIES: u32 = 5;

/// The version counters in the metadata of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::testing) struct Counters {
    pub(in crate::testing) metadata: u64,
    pub(in crate::testing) mapping: u64,
    pub(in crate::testing) settings: u64,
    pub(in crate::testing) aliases: u64,
}

impl Counters {
    const NEW: Self = Self { metadata: 4, mapping: 1, settings: 1, aliases: 1 };

    /// Returns the counters of an index after a restore over it. Each is higher than before, and at
    /// least as high as in the snapshot.
    pub(super) fn restored_over(self, snapshot: Self) -> Self {
        Self {
            metadata: snapshot.metadata.max(self.metadata + 1),
            mapping: snapshot.mapping.max(self.mapping + 1),
            settings: snapshot.settings.max(self.settings + 1),
            aliases: snapshot.aliases.max(self.aliases + 1),
        }
    }
}

/// How a shard was recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::testing) enum Origin {
    /// It was created empty.
    Empty,
    /// It was opened from its own disk, after a restart or when its index was closed or opened.
    Existing,
    /// It was restored from a snapshot. It is empty if the snapshot lacks the shard.
    Restore,
    /// It was moved to another node.
    Peer,
}

/// A primary shard.
#[derive(Clone, Copy, Debug)]
pub(in crate::testing) struct Shard {
    pub(in crate::testing) origin: Origin,
    pub(in crate::testing) since: SystemTime,
    /// The number of its node: 0 or 1.
    pub(in crate::testing) node: usize,
}

#[derive(Clone)]
pub(in crate::testing) struct Index {
    pub(in crate::testing) uuid: String,
    pub(in crate::testing) created: SystemTime,
    pub(in crate::testing) docs: u64,
    pub(in crate::testing) is_open: bool,
    pub(in crate::testing) is_hidden: bool,
    pub(in crate::testing) aliases: BTreeSet<String>,
    /// The data stream to which it belongs.
    pub(in crate::testing) stream: Option<String>,
    pub(in crate::testing) counters: Counters,
    pub(in crate::testing) primaries: Vec<Shard>,
    /// The last restore of it.
    pub(in crate::testing) restored: Option<Restored>,
    /// Whether its settings require nodes that do not exist.
    pub(in crate::testing) is_filtered: bool,
}

impl Index {
    pub(in crate::testing) fn shards(&self) -> u32 {
        u32::try_from(self.primaries.len()).unwrap_or(u32::MAX)
    }

    pub(in crate::testing) fn shard(&self, number: u32) -> Option<&Shard> {
        self.primaries.get(usize::try_from(number).ok()?)
    }
}

/// An index that was deleted.
#[derive(Clone)]
pub(in crate::testing) struct Tombstone {
    pub(in crate::testing) name: String,
    pub(in crate::testing) uuid: String,
    pub(in crate::testing) deleted: SystemTime,
}

/// The state of a primary shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::testing) enum ShardState {
    Started,
    Initializing,
    Unassigned(Unassigned),
}

/// Why a shard is on no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::testing) enum Unassigned {
    /// It failed this many times. After [`MAX_RETRIES`] failures the server gives up.
    Failed(u32),
    /// No node may hold it.
    Filtered,
    /// It waits until fewer other shards are recovering.
    Throttled,
}

impl ShardState {
    pub(in crate::testing) fn is_unassigned(self) -> bool {
        matches!(self, Self::Unassigned(_))
    }

    /// Returns whether the server has given the shard up.
    pub(in crate::testing) fn is_given_up(self) -> bool {
        match self {
            Self::Unassigned(Unassigned::Failed(attempts)) => attempts >= MAX_RETRIES,
            Self::Unassigned(Unassigned::Filtered) => true,
            _ => false,
        }
    }
}

impl Cluster {
    pub(in crate::testing) fn create_index(&mut self, name: &str, shards: u32, now: Now) {
        let shard = Shard { origin: Origin::Empty, since: now.wall, node: 0 };
        let index = Index {
            uuid: self.new_uuid(),
            created: now.wall,
            docs: u64::from(shards) * 100,
            is_open: true,
            is_hidden: false,
            aliases: BTreeSet::new(),
            stream: None,
            counters: Counters::NEW,
            primaries: (0..shards).map(|_| shard).collect(),
            restored: None,
            is_filtered: false,
        };
        self.indices.insert(name.to_owned(), index);
        self.version += 1;
    }

    /// Creates a data stream with this number of backing indices, of one shard each.
    pub(in crate::testing) fn create_data_stream(&mut self, name: &str, backing: u32, now: Now) {
        let date = if self.engine.es(7, 11) { format_time(now.wall, "%Y.%m.%d-") } else { String::new() };
        for number in 1..=backing {
            let index = format!(".ds-{name}-{date}{number:06}");
            self.create_index(&index, 1, now);
            if let Some(index) = self.indices.get_mut(&index) {
                (index.stream, index.is_hidden) = (Some(name.to_owned()), true);
            }
        }
    }

    /// Returns the names of the open indices, which a snapshot of all indices contains.
    pub(in crate::testing) fn open_names(&self) -> Vec<String> {
        self.indices.iter().filter(|(_, index)| index.is_open).map(|(name, _)| name.clone()).collect()
    }

    /// Returns the data streams with their backing indices.
    pub(in crate::testing) fn streams(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut streams: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, index) in &self.indices {
            if let Some(stream) = &index.stream {
                streams.entry(stream.clone()).or_default().insert(name.clone());
            }
        }
        streams
    }

    pub(in crate::testing) fn remove_index(&mut self, name: &str, now: Now) {
        if let Some(index) = self.indices.remove(name) {
            self.tombstones.push(Tombstone { name: name.to_owned(), uuid: index.uuid, deleted: now.wall });
            let excess = self.tombstones.len().saturating_sub(TOMBSTONES);
            self.tombstones.drain(..excess);
            self.version += 1;
        }
        self.failing_shards.retain(|(index, _), _| index != name);
    }

    /// Closes an index. Returns whether it was open.
    pub(in crate::testing) fn close_index(&mut self, name: &str, now: Now) -> bool {
        self.set_open(name, false, now)
    }

    /// Opens an index. Returns whether it was closed.
    pub(in crate::testing) fn open_index(&mut self, name: &str, now: Now) -> bool {
        self.set_open(name, true, now)
    }

    fn set_open(&mut self, name: &str, is_open: bool, now: Now) -> bool {
        let changed = self.change_index(name, |index| {
            let changes = index.is_open != is_open;
            index.is_open = is_open;
            index.counters.settings += u64::from(changes);
            index.counters.metadata += if changes { 2 } else { 0 };
            changes
        });
        if changed {
            self.reopen_shards(name, now);
        }
        changed
    }

    /// Changes a setting of an index. Returns whether the index exists.
    pub(in crate::testing) fn change_settings(&mut self, name: &str, is_hidden: Option<bool>) -> bool {
        self.change_index(name, |index| {
            index.is_hidden = is_hidden.unwrap_or(index.is_hidden);
            index.counters.settings += 1;
            index.counters.metadata += 1;
            true
        })
    }

    /// Adds a field to the mapping of an index. Returns whether the index exists.
    pub(in crate::testing) fn add_field(&mut self, name: &str) -> bool {
        self.change_index(name, |index| {
            index.counters.mapping += 1;
            index.counters.metadata += 1;
            true
        })
    }

    /// Adds an alias to an index. Returns whether the index exists.
    pub(in crate::testing) fn add_alias(&mut self, name: &str, alias: &str) -> bool {
        self.change_index(name, |index| {
            index.aliases.insert(alias.to_owned());
            index.counters.aliases += 1;
            index.counters.metadata += 1;
            true
        })
    }

    /// Writes a document, which changes no metadata. Returns whether the index exists and is open.
    pub(in crate::testing) fn write(&mut self, name: &str) -> bool {
        let open = self.indices.get_mut(name).filter(|index| index.is_open);
        open.map(|index| index.docs += 1).is_some()
    }

    /// Moves a started shard to the other node. Returns whether there is such a shard.
    pub(in crate::testing) fn relocate_shard(&mut self, name: &str, number: u32, now: Now) -> bool {
        let started = self
            .indices
            .get(name)
            .is_some_and(|index| self.shard_state(name, index, number, now) == ShardState::Started);
        started
            && self.change_index(name, |index| {
                let shard = usize::try_from(number).ok().and_then(|number| index.primaries.get_mut(number));
                let moved =
                    |shard: &mut Shard| *shard = Shard { origin: Origin::Peer, since: now.wall, node: 1 - shard.node };
                shard.map(moved).is_some()
            })
    }

    /// Restarts the nodes. All started shards are recovered from their own disks. Running restores
    /// continue.
    pub(in crate::testing) fn restart_node(&mut self, now: Now) {
        for name in self.indices.keys().cloned().collect::<Vec<_>>() {
            self.reopen_shards(&name, now);
        }
        self.restores.take_if(|running| running.is_empty());
        self.elect_master();
    }

    /// Recovers the started shards of an index from their own disks.
    fn reopen_shards(&mut self, name: &str, now: Now) {
        let Some(index) = self.indices.get(name) else { return };
        let is_up = |shard: u32| self.shard_state(name, index, shard, now) == ShardState::Started;
        let up: Vec<bool> = (0..index.shards()).map(is_up).collect();
        let shards = self.indices.get_mut(name).into_iter().flat_map(|index| &mut index.primaries);
        for (shard, _) in shards.zip(up).filter(|(_, is_up)| *is_up) {
            (shard.origin, shard.since) = (Origin::Existing, now.wall);
        }
    }

    /// Elects a master again, which starts a new term.
    pub(in crate::testing) fn elect_master(&mut self) {
        self.term += 1;
        self.version += 1;
    }

    fn change_index(&mut self, name: &str, change: impl FnOnce(&mut Index) -> bool) -> bool {
        let changed = self.indices.get_mut(name).is_some_and(change);
        self.version += u64::from(changed);
        changed
    }

    pub(in crate::testing) fn shard_state(&self, name: &str, index: &Index, number: u32, now: Now) -> ShardState {
        let Some(shard) = index.shard(number) else { return ShardState::Unassigned(Unassigned::Filtered) };
        let Some(restored) = index.restored.as_ref().filter(|_| shard.origin == Origin::Restore) else {
            return ShardState::Started;
        };
        if index.is_filtered {
            return ShardState::Unassigned(Unassigned::Filtered);
        }
        let failures = self.failing_shards.get(&(name.to_owned(), number)).copied().unwrap_or(0);
        if failures >= MAX_RETRIES {
            return ShardState::Unassigned(Unassigned::Failed(MAX_RETRIES));
        }
        if restored.shard_ended(failures, now).is_some() {
            ShardState::Started
        } else if self.throttle_restores {
            ShardState::Unassigned(Unassigned::Throttled)
        } else if failures > 0 && restored.work.ended(now).is_none() {
            let done = restored.work.parts_done(u64::from(failures), now);
            ShardState::Unassigned(Unassigned::Failed(failures.min(1 + u32::try_from(done).unwrap_or(u32::MAX))))
        } else {
            ShardState::Initializing
        }
    }
}
