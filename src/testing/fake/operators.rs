//! What other clients and operators of the domain do, without the client under test.

use std::time::SystemTime;

use serde_json::json;

use super::FakeDomain;
use crate::testing::cluster::{Cluster, FakeDamage, FakeOutcome, MAX_RETRIES, Now};

impl FakeDomain {
    /// Creates a data stream with this number of backing indices, of one shard each.
    ///
    /// The names of the backing indices are `.ds-NAME-000001` and so on. Since Elasticsearch
    /// 7.11 the date comes before the number. The backing indices are hidden, but a pattern that
    /// matches the stream matches them as well.
    pub fn create_data_stream(&self, name: &str, backing_indices: u32) {
        self.with_state(|state, now| state.cluster.create_data_stream(name, backing_indices, now));
    }

    /// Writes one document to an open index.
    ///
    /// The metadata of the index does not change.
    ///
    /// # Panics
    ///
    /// Panics if the index does not exist or is not open.
    pub fn write(&self, index: &str) {
        self.expect(index, "written to", |cluster, _| cluster.write(index));
    }

    /// Returns the number of documents in an index, or `None` if the index does not exist.
    ///
    /// A restore over the index sets this to the number in the snapshot.
    ///
    /// ```
    /// use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let domain = FakeDomain::with_repository("backups").await;
    /// domain.create_index("movies", 1);
    /// let before = domain.documents("movies").unwrap();
    ///
    /// domain.write("movies");
    /// assert_eq!(domain.documents("movies"), Some(before + 1));
    /// # }
    /// ```
    #[must_use]
    pub fn documents(&self, index: &str) -> Option<u64> {
        self.with_state(|state, _| state.cluster.indices.get(index).map(|index| index.docs))
    }

    /// Returns whether an index belongs to a running restore.
    ///
    /// Such an index cannot be closed.
    #[must_use]
    pub fn is_being_restored(&self, index: &str) -> bool {
        self.with_state(|state, now| state.cluster.is_being_restored(index, now))
    }

    /// Returns whether an index is open, or `None` if the index does not exist.
    #[must_use]
    pub fn is_open(&self, index: &str) -> Option<bool> {
        self.with_state(|state, _| Some(state.cluster.indices.get(index)?.is_open))
    }

    /// Closes an open index.
    ///
    /// The recoveries of its shards are then listed as `EXISTING_STORE` and no longer as
    /// `SNAPSHOT`.
    ///
    /// # Panics
    ///
    /// Panics if the index does not exist, is not open, or is being restored.
    pub fn close_index(&self, index: &str) {
        self.expect(index, "closed", |cluster, now| {
            !cluster.is_being_restored(index, now) && cluster.close_index(index, now)
        });
    }

    /// Opens a closed index.
    ///
    /// # Panics
    ///
    /// Panics if the index does not exist or is not closed.
    pub fn open_index(&self, index: &str) {
        self.expect(index, "opened", |cluster, now| cluster.open_index(index, now));
    }

    /// Sets `index.hidden` of an index to true.
    ///
    /// # Panics
    ///
    /// Panics if the index does not exist.
    pub fn hide_index(&self, index: &str) {
        self.expect(index, "hidden", |cluster, _| cluster.change_settings(index, Some(true)));
    }

    /// Changes a setting of an index.
    ///
    /// Only the counters in the index's metadata show the change.
    ///
    /// # Panics
    ///
    /// Panics if the index does not exist.
    pub fn change_settings(&self, index: &str) {
        self.expect(index, "changed", |cluster, _| cluster.change_settings(index, None));
    }

    /// Adds a field to the mapping of an index.
    ///
    /// # Panics
    ///
    /// Panics if the index does not exist.
    pub fn add_field(&self, index: &str) {
        self.expect(index, "given a field", |cluster, _| cluster.add_field(index));
    }

    /// Adds an alias to an index.
    ///
    /// # Panics
    ///
    /// Panics if the index does not exist.
    pub fn add_alias(&self, index: &str, alias: &str) {
        self.expect(index, "given an alias", |cluster, _| cluster.add_alias(index, alias));
    }

    /// Deletes an index and leaves a tombstone in the cluster state.
    ///
    /// # Panics
    ///
    /// Panics if the index does not exist.
    pub fn delete_index(&self, index: &str) {
        self.expect(index, "deleted", |cluster, now| {
            let existed = cluster.indices.contains_key(index);
            cluster.remove_index(index, now);
            existed
        });
    }

    /// Moves a started primary shard to the other one of the domain's two nodes.
    ///
    /// Its recovery is then listed as `PEER`.
    ///
    /// # Panics
    ///
    /// Panics if the shard does not exist or has not started.
    pub fn relocate_shard(&self, index: &str, shard: u32) {
        self.expect(index, "relocated", |cluster, now| cluster.relocate_shard(index, shard, now));
    }

    /// Restarts the nodes.
    ///
    /// The recoveries of all started shards are then listed as `EXISTING_STORE`. Running restores
    /// continue.
    pub fn restart_node(&self) {
        self.with_state(|state, now| state.cluster.restart_node(now));
    }

    /// Elects a master again.
    ///
    /// This starts a new term. Indices and shards do not change.
    pub fn elect_master(&self) {
        self.with_state(|state, _| state.cluster.elect_master());
    }

    /// Sets whether `_cluster/state` lags behind.
    ///
    /// While this is on, the endpoint shows the state of the moment when it was turned on. Default:
    /// off.
    pub fn lag_cluster_state(&self, lag: bool) {
        self.with_state(|state, now| state.cluster.lag(lag, now));
    }

    /// Replaces the domain's cluster with a new one.
    ///
    /// The new cluster has another uuid, the same repositories and no indices.
    pub fn replace_cluster(&self) {
        self.with_state(|state, _| state.cluster.replace());
    }

    /// Makes the restore of a primary shard fail `times` times before it succeeds.
    ///
    /// `index` is the name that the index has after the restore. Between the attempts the shard is
    /// `UNASSIGNED` with the reason `ALLOCATION_FAILED`. After five failures the server gives up,
    /// as with [`fail_restore_shard`](Self::fail_restore_shard).
    pub fn fail_restore_shard_times(&self, index: &str, shard: u32, times: u32) {
        self.with_state(|state, _| {
            state.cluster.failing_shards.insert((index.to_owned(), shard), times.min(MAX_RETRIES))
        });
    }

    /// Sets whether shards that are being restored have to wait.
    ///
    /// While this is on, such shards are `UNASSIGNED`, but the server has not given them up. Their
    /// restore still ends at its time, unless [`hold_restores`](Self::hold_restores) is on.
    /// Default: off.
    pub fn throttle_restores(&self, throttle: bool) {
        self.with_state(|state, _| state.cluster.throttle_restores = throttle);
    }

    /// Starts a restore, as another client of the domain would.
    ///
    /// An empty list of `indices` selects all indices of the snapshot. `rename` contains a pattern
    /// and its replacement.
    ///
    /// # Panics
    ///
    /// Panics if the server refuses the restore.
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
        let response = self.with_state(|state, now| state.cluster.restore_with_body(repository, snapshot, &body, now));
        if let Err(refusal) = response {
            panic!("[{repository}:{snapshot}] cannot be restored: {refusal}");
        }
    }

    /// Places a snapshot of all open indices in a repository, as if it had been taken in the past.
    ///
    /// The snapshot started at `start`, took as long as
    /// [`snapshots_take`](crate::testing::FakeDomainBuilder::snapshots_take) sets, and ended with
    /// this outcome.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use es_snapshot::testing::{FakeDomain, FakeOutcome};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// let domain = FakeDomain::with_repository("backups").await;
    /// let last_week = domain.client().now() - Duration::from_secs(7 * 24 * 60 * 60);
    /// domain.place_snapshot("backups", "old", last_week, FakeOutcome::Success);
    ///
    /// let old = domain.client().repository("backups")?.snapshot("old")?.info().await?;
    /// assert!(old.end_time() < Some(domain.client().now()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the repository is missing or has a snapshot of this name.
    pub fn place_snapshot(&self, repository: &str, name: &str, start: SystemTime, outcome: FakeOutcome) {
        let placed = self.with_state(|state, now| state.cluster.place_snapshot(repository, name, start, outcome, now));
        assert!(placed, "[{repository}:{name}] cannot be placed: no such repository, or the name is taken");
    }

    /// Damages the file that describes a snapshot, or repairs it with `None`.
    ///
    /// Listings without details still show the snapshot, and it can be deleted. Reading it with
    /// details, reading its status and restoring it fail.
    ///
    /// # Panics
    ///
    /// Panics if the snapshot does not exist.
    pub fn damage_snapshot(&self, repository: &str, name: &str, damage: impl Into<Option<FakeDamage>>) {
        let damaged = self.with_state(|state, _| state.cluster.damage_snapshot(repository, name, damage.into()));
        assert!(damaged, "no snapshot [{repository}:{name}] to damage");
    }

    /// Changes an index, and panics if that is not possible. `what` completes "cannot be …".
    fn expect(&self, index: &str, what: &str, act: impl FnOnce(&mut Cluster, Now) -> bool) {
        let done = self.with_state(|state, now| act(&mut state.cluster, now));
        assert!(done, "[{index}] cannot be {what}: no such index, or its state does not allow it");
    }
}
