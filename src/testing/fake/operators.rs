//! What other clients and operators of the domain do to its indices, behind the back of the client
//! under test.

use std::time::SystemTime;

use serde_json::json;

use super::FakeDomain;
use crate::testing::cluster::{Cluster, FakeDamage, FakeOutcome, MAX_RETRIES, Now};

impl FakeDomain {
    /// Creates a data stream with so many backing indices of one shard each, named
    /// `.ds-NAME-000001` and so on, with the date before the number from Elasticsearch 7.11 on.
    ///
    /// The backing indices are hidden, but patterns that match the stream show them.
    pub fn create_data_stream(&self, name: &str, backing_indices: u32) {
        self.with_state(|state, now| state.cluster.create_data_stream(name, backing_indices, now));
    }

    /// Writes one document to an open index. Its metadata stays as it is.
    ///
    /// # Panics
    ///
    /// When there is no such open index.
    pub fn write(&self, index: &str) {
        self.expect(index, "written to", |cluster, _| cluster.write(index));
    }

    /// Returns how many documents an index has, or `None` if there is no such index. A restore over
    /// the index brings back the count of the snapshot.
    #[must_use]
    pub fn documents(&self, index: &str) -> Option<u64> {
        self.with_state(|state, _| state.cluster.indices.get(index).map(|index| index.docs))
    }

    /// Returns whether a shard of the index is still being restored: until then the index cannot be
    /// closed or deleted.
    #[must_use]
    pub fn is_being_restored(&self, index: &str) -> bool {
        self.with_state(|state, now| state.cluster.is_being_restored(index, now))
    }

    /// Returns whether an index is open; `None` if there is no such index.
    #[must_use]
    pub fn is_open(&self, index: &str) -> Option<bool> {
        self.with_state(|state, _| Some(state.cluster.indices.get(index)?.is_open))
    }

    /// Closes an open index. The recoveries of its shards then show as `EXISTING_STORE`, no longer
    /// as `SNAPSHOT`.
    ///
    /// # Panics
    ///
    /// When there is no such open index, or it is being restored.
    pub fn close_index(&self, index: &str) {
        self.expect(index, "closed", |cluster, now| {
            !cluster.is_being_restored(index, now) && cluster.close_index(index, now)
        });
    }

    /// Opens a closed index.
    ///
    /// # Panics
    ///
    /// When there is no such closed index.
    pub fn open_index(&self, index: &str) {
        self.expect(index, "opened", |cluster, now| cluster.open_index(index, now));
    }

    /// Sets `index.hidden` of an index.
    ///
    /// # Panics
    ///
    /// When there is no such index.
    pub fn hide_index(&self, index: &str) {
        self.expect(index, "hidden", |cluster, _| cluster.change_settings(index, Some(true)));
    }

    /// Changes some setting of an index, which only its metadata shows.
    ///
    /// # Panics
    ///
    /// When there is no such index.
    pub fn change_settings(&self, index: &str) {
        self.expect(index, "changed", |cluster, _| cluster.change_settings(index, None));
    }

    /// Adds a field to the mapping of an index.
    ///
    /// # Panics
    ///
    /// When there is no such index.
    pub fn add_field(&self, index: &str) {
        self.expect(index, "given a field", |cluster, _| cluster.add_field(index));
    }

    /// Adds an alias to an index.
    ///
    /// # Panics
    ///
    /// When there is no such index.
    pub fn add_alias(&self, index: &str, alias: &str) {
        self.expect(index, "given an alias", |cluster, _| cluster.add_alias(index, alias));
    }

    /// Deletes an index, which leaves a tombstone.
    ///
    /// # Panics
    ///
    /// When there is no such index.
    pub fn delete_index(&self, index: &str) {
        self.expect(index, "deleted", |cluster, now| {
            let existed = cluster.indices.contains_key(index);
            cluster.remove_index(index, now);
            existed
        });
    }

    /// Moves a started primary shard to the other of the domain's two nodes. Its recovery then
    /// shows as `PEER`.
    ///
    /// # Panics
    ///
    /// When there is no such started shard.
    pub fn relocate_shard(&self, index: &str, shard: u32) {
        self.expect(index, "relocated", |cluster, now| cluster.relocate_shard(index, shard, now));
    }

    /// Restarts the nodes. The recoveries of all started shards then show as `EXISTING_STORE`.
    /// Running restores go on.
    pub fn restart_node(&self) {
        self.with_state(|state, now| state.cluster.restart_node(now));
    }

    /// Elects a master anew: a new term, with nothing changed otherwise.
    pub fn elect_master(&self) {
        self.with_state(|state, _| state.cluster.elect_master());
    }

    /// While on, `_cluster/state` shows the past, as a node that lags behind does.
    pub fn lag_cluster_state(&self, lag: bool) {
        self.with_state(|state, now| state.cluster.lag(lag, now));
    }

    /// Replaces the domain's cluster by a new one, which has another uuid, the same repositories,
    /// and no indices.
    pub fn replace_cluster(&self) {
        self.with_state(|state, _| state.cluster.replace());
    }

    /// Lets the restore of a primary shard fail `times` times before it succeeds. `index` is its
    /// name after the restore.
    ///
    /// Between the attempts the shard is `UNASSIGNED` with the reason `ALLOCATION_FAILED`. After
    /// five failures the engine gives up, as with
    /// [`fail_restore_shard`](Self::fail_restore_shard).
    pub fn fail_restore_shard_times(&self, index: &str, shard: u32, times: u32) {
        self.with_state(|state, _| {
            state.cluster.failing_shards.insert((index.to_owned(), shard), times.min(MAX_RETRIES))
        });
    }

    /// While on, shards that are to be restored wait for their turn: they are `UNASSIGNED`, and the
    /// engine has not given them up.
    pub fn throttle_restores(&self, throttle: bool) {
        self.with_state(|state, _| state.cluster.throttle_restores = throttle);
    }

    /// Starts a restore as another client of the domain would. An empty list means all indices of
    /// the snapshot; `rename` is a pattern and its replacement.
    ///
    /// # Panics
    ///
    /// When the engine refuses it.
    pub fn another_client_restores(
        &self,
        repository: &str,
        snapshot: &str,
        indices: &[&str],
        rename: Option<(&str, &str)>,
    ) {
        let mut body = json!({ "indices": indices });
        if let (Some((pattern, replacement)), Some(body)) = (rename, body.as_object_mut()) {
            body.insert("rename_pattern".to_owned(), pattern.into());
            body.insert("rename_replacement".to_owned(), replacement.into());
        }
        let response = self.with_state(|state, now| state.cluster.restore_as_asked(repository, snapshot, &body, now));
        if let Err(refusal) = response {
            panic!("[{repository}:{snapshot}] cannot be restored: {refusal}");
        }
    }

    /// Places a snapshot of all open indices in a repository. It began at `start`, took as long as
    /// snapshots take, and ended with this outcome.
    ///
    /// # Panics
    ///
    /// When the repository is missing or has a snapshot of that name.
    pub fn place_snapshot(&self, repository: &str, name: &str, start: SystemTime, outcome: FakeOutcome) {
        let placed = self.with_state(|state, now| state.cluster.place_snapshot(repository, name, start, outcome, now));
        assert!(placed, "[{repository}:{name}] cannot be placed");
    }

    /// Damages the file that describes a snapshot. `None` repairs it.
    ///
    /// Listings without details still show the snapshot, and it can be deleted. Reading it in full,
    /// reading its status and restoring it fail.
    ///
    /// # Panics
    ///
    /// When there is no such snapshot.
    pub fn damage_snapshot(&self, repository: &str, name: &str, damage: impl Into<Option<FakeDamage>>) {
        let damaged = self.with_state(|state, _| state.cluster.damage_snapshot(repository, name, damage.into()));
        assert!(damaged, "no snapshot [{repository}:{name}] to damage");
    }

    fn expect(&self, index: &str, what: &str, act: impl FnOnce(&mut Cluster, Now) -> bool) {
        let done = self.with_state(|state, now| act(&mut state.cluster, now));
        assert!(done, "[{index}] cannot be {what}");
    }
}
