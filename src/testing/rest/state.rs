//! Responses of `_cluster/state`.

use serde_json::{Map, Value, json};

use super::super::cluster::{Cluster, Index, Now, Restore};
use super::fail::{Fail, Outcome};
use super::indices::Expand;
use super::{Call, millis};

impl Cluster {
    pub(super) fn cluster_state(&self, metrics: Option<&str>, names: Option<&str>, call: &Call<'_>) -> Outcome {
        let (seen, now) = self.past.as_ref().map_or((self, call.now), |(past, now)| (past, *now));
        let metrics: Vec<&str> = metrics.unwrap_or("_all").split(',').collect();
        if let Some(unknown) = metrics.iter().find(|metric| metric.starts_with("routing")) {
            return Err(Fail::not_modelled(&format!("the metric [{unknown}] of the cluster state")));
        }
        if let Some((waits, _)) = call.query.iter().find(|(name, _)| name.starts_with("wait_for")) {
            return Err(Fail::not_modelled(&format!("the parameter [{waits}] of the cluster state")));
        }
        let wants = |metric: &str| metrics.contains(&"_all") || metrics.contains(&metric);
        let mut out = Map::new();
        out.insert("cluster_name".to_owned(), "local".into());
        out.insert("cluster_uuid".to_owned(), seen.uuid.clone().into());
        if wants("version") {
            out.insert("version".to_owned(), seen.version.into());
            out.insert("state_uuid".to_owned(), format!("{:022}", seen.version).into());
        }
        if wants("master_node") {
            out.insert("master_node".to_owned(), seen.node_id.clone().into());
        }
        if seen.engine.os(2, 0) && wants("cluster_manager_node") {
            out.insert("cluster_manager_node".to_owned(), seen.node_id.clone().into());
        }
        if wants("metadata") {
            out.insert("metadata".to_owned(), seen.metadata(names, call)?);
        }
        if wants("customs") {
            // This part appears with the first restore, and stays.
            if let Some(restores) = &seen.restores {
                out.insert("restore".to_owned(), json!({ "snapshots": seen.running_restores(restores, now) }));
            }
            out.insert("snapshot_deletions".to_owned(), json!({ "snapshot_deletions": [] }));
        }
        Ok(out.into())
    }

    fn metadata(&self, names: Option<&str>, call: &Call<'_>) -> Outcome {
        let expand = Expand::from_parameters(call, Expand::OPEN.lenient())?;
        let found = match names {
            Some(_) => self.indices_in_path(names, expand)?,
            None => self.indices.iter().collect(),
        };
        let indices: Map<String, Value> =
            found.into_iter().map(|(name, index)| (name.clone(), self.index_metadata(index))).collect();
        // With names, the servers leave out the deleted indices.
        let tombstones: Vec<Value> = self
            .tombstones
            .iter()
            .filter(|_| names.is_none())
            .map(|tombstone| {
                json!({
                    "index": { "index_name": tombstone.name, "index_uuid": tombstone.uuid },
                    "delete_date_in_millis": millis(tombstone.deleted),
                })
            })
            .collect();
        Ok(json!({
            "cluster_uuid": self.uuid,
            "cluster_uuid_committed": true,
            "cluster_coordination": {
                "term": self.term,
                "last_committed_config": [self.node_id],
                "last_accepted_config": [self.node_id],
                "voting_config_exclusions": [],
            },
            "templates": {},
            "indices": indices,
            "index-graveyard": { "tombstones": tombstones },
        }))
    }

    fn index_metadata(&self, index: &Index) -> Value {
        let mut settings = json!({
            "creation_date": millis(index.created).to_string(),
            "number_of_shards": index.shards().to_string(),
            "number_of_replicas": "0",
            "uuid": index.uuid,
            "version": { "created": self.engine.snapshot_version().0.to_string() },
        });
        if let (true, Some(settings)) = (index.is_hidden, settings.as_object_mut()) {
            settings.insert("hidden".to_owned(), "true".into());
        }
        let counters = index.counters;
        json!({
            "version": counters.metadata,
            "mapping_version": counters.mapping,
            "settings_version": counters.settings,
            "aliases_version": counters.aliases,
            "state": if index.is_open { "open" } else { "close" },
            "settings": { "index": settings },
            "mappings": {},
            "aliases": index.aliases.iter().collect::<Vec<_>>(),
        })
    }

    fn running_restores(&self, restores: &[Restore], now: Now) -> Vec<Value> {
        let restore = |restore: &Restore| {
            let shards: Vec<Value> = self
                .restore_shards(restore, now)
                .map(|(name, uuid, shard, state)| {
                    json!({ "index": { "index_name": name, "index_uuid": uuid }, "shard": shard, "state": state })
                })
                .collect();
            let begun = shards.iter().any(|shard| shard.get("state") != Some(&json!("INIT")));
            json!({
                "snapshot": restore.snapshot,
                "repository": restore.repository,
                "state": if begun { "STARTED" } else { "INIT" },
                "indices": restore.targets.keys().collect::<Vec<_>>(),
                "shards": shards,
            })
        };
        restores.iter().map(restore).collect()
    }
}
