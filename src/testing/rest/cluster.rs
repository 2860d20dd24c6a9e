//! Responses about the server, the cluster's health and its shards.

use serde_json::{Map, Value, json};

use super::super::cluster::{Cluster, Index, Now, ShardState, Unassigned};
use super::Call;
use super::fail::{Fail, Outcome};
use super::indices::Expand;

impl Cluster {
    pub(super) fn info(&self) -> Value {
        let engine = &self.engine;
        let (tagline, lucene) = if engine.opensearch {
            ("The OpenSearch Project: https://opensearch.org/", "9.12.3")
        } else {
            ("You Know, for Search", "8.7.0")
        };
        let mut version = json!({
            "number": engine.version,
            "build_type": "tar",
            "build_hash": "747e1cc71def077253878a59143c1f785afa92b9",
            "build_date": "2021-01-13T00:42:12.435326Z",
            "build_snapshot": false,
            "lucene_version": lucene,
            "minimum_wire_compatibility_version": "6.8.0",
            "minimum_index_compatibility_version": "6.0.0-beta1",
        });
        if let Some(version) = version.as_object_mut() {
            let (name, value) =
                if engine.opensearch { ("distribution", "opensearch") } else { ("build_flavor", "oss") };
            version.insert(name.to_owned(), value.into());
        }
        json!({ "name": "node-1", "cluster_name": "local", "cluster_uuid": self.uuid, "version": version, "tagline": tagline })
    }

    pub(super) fn health(&self, now: Now) -> Value {
        let states = |(name, index): (&String, &Index)| -> Vec<ShardState> {
            (0..index.shards()).map(|shard| self.shard_state(name, index, shard, now)).collect()
        };
        let states: Vec<ShardState> = self.indices.iter().flat_map(states).collect();
        let count = |wanted: fn(&ShardState) -> bool| states.iter().filter(|state| wanted(state)).count();
        let started = count(|state| *state == ShardState::Started);
        let unassigned = count(|state| state.is_unassigned());
        let all = states.len();
        let initializing = all - started - unassigned;
        let percent =
            (started * 100).checked_div(all).and_then(|percent| u32::try_from(percent).ok()).map_or(100.0, f64::from);
        json!({
            "cluster_name": "local",
            "status": if started == all { "green" } else { "red" },
            "timed_out": false,
            "number_of_nodes": 1,
            "number_of_data_nodes": 1,
            "active_primary_shards": started,
            "active_shards": started,
            "relocating_shards": 0,
            "initializing_shards": initializing,
            "unassigned_shards": unassigned,
            "delayed_unassigned_shards": 0,
            "number_of_pending_tasks": 0,
            "number_of_in_flight_fetch": 0,
            "task_max_waiting_in_queue_millis": 0,
            "active_shards_percent_as_number": percent,
        })
    }

    pub(super) fn cat_shards(&self, list: Option<&str>, call: &Call<'_>) -> Outcome {
        if call.parameter("format") != Some("json") {
            return Err(Fail::not_modelled("_cat without format=json"));
        }
        let columns = call.parameter("h").unwrap_or("index,shard,prirep,state,docs,store,ip,node");
        // Older servers refuse a closed index that is named. They show hidden and closed indices
        // without statistics.
        let is_older = !self.engine.es(8, 0);
        let expand = if is_older { Expand::ALL.refusing_closed() } else { Expand::ALL };
        let indices = self.indices_in_path(list, expand)?;
        let mut rows = Vec::new();
        for (name, index) in indices {
            let is_shown = list.is_some() || !index.is_hidden || index.stream.is_some();
            let has_statistics = !is_older || index.is_open && is_shown;
            for shard in 0..index.shards() {
                let row = self.shard_row(name, index, shard, call.now);
                let row: Map<String, Value> = columns
                    .split(',')
                    .filter_map(|column| {
                        let value = row.get(column)?.clone();
                        let is_statistic = ["docs", "store"].contains(&column);
                        Some((column.to_owned(), if is_statistic && !has_statistics { Value::Null } else { value }))
                    })
                    .collect();
                rows.push(Value::Object(row));
            }
        }
        Ok(rows.into())
    }

    /// Returns a shard with all columns that the fake domain supports.
    fn shard_row(&self, name: &str, index: &Index, number: u32, now: Now) -> Value {
        let state = self.shard_state(name, index, number, now);
        let waiting = state != ShardState::Started;
        let (reason, details) = self.unassigned_reason(name, index, number, now);
        let node = (!state.is_unassigned()).then(|| node_name(index, number));
        json!({
            "index": name,
            "shard": number.to_string(),
            "prirep": "p",
            "state": match state {
                ShardState::Started => "STARTED",
                ShardState::Initializing => "INITIALIZING",
                ShardState::Unassigned(_) => "UNASSIGNED",
            },
            "docs": (state == ShardState::Started).then(|| (index.docs / u64::from(index.shards().max(1))).to_string()),
            "store": (state == ShardState::Started).then_some("64kb"),
            "ip": node.as_ref().map(|_| "127.0.0.1"),
            "node": node,
            "unassigned.reason": waiting.then_some(reason),
            "unassigned.details": waiting.then_some(details),
        })
    }

    /// Returns why a shard that has not started is or was unassigned.
    pub(super) fn unassigned_reason(&self, name: &str, index: &Index, shard: u32, now: Now) -> (&'static str, String) {
        let Some(from) = &index.restored else { return ("INDEX_CREATED", String::new()) };
        let has_failed = match self.shard_state(name, index, shard, now) {
            ShardState::Unassigned(why) => matches!(why, Unassigned::Failed(_)),
            _ => self.failing_shards.contains_key(&(name.to_owned(), shard)),
        };
        if has_failed {
            return ("ALLOCATION_FAILED", from.shard_failure(name, shard));
        }
        let reason = if from.is_over_closed { "EXISTING_INDEX_RESTORED" } else { "NEW_INDEX_RESTORED" };
        (reason, format!("restore_source[{}/{}]", from.repository, from.snapshot))
    }
}

/// Returns the name of a shard's node.
pub(super) fn node_name(index: &Index, shard: u32) -> String {
    format!("node-{}", index.shard(shard).map_or(0, |shard| shard.node) + 1)
}
