//! Responses about the recoveries of shards.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::super::cluster::{Cluster, Index, Now, Origin, ShardState};
use super::cluster::node_name;
use super::fail::Outcome;
use super::indices::Expand;
use super::status::{FILE_SIZE, FILES};
use super::{Call, millis};

/// The kind of a recovery, and its progress.
struct Progress {
    kind: &'static str,
    source: Value,
    files: u64,
    done: u64,
    began: SystemTime,
    ended: Option<SystemTime>,
}

impl Cluster {
    pub(super) fn recovery(&self, list: Option<&str>, call: &Call<'_>) -> Outcome {
        let active_only = call.flag("active_only", false)?;
        let mut out = Map::new();
        // Without names, hidden indices are not included.
        for (name, index) in self.indices_in_path(list, Expand::from_parameters(call, Expand::OPEN_AND_CLOSED)?)? {
            let shards: Vec<Value> = (0..index.shards())
                .filter_map(|shard| match self.shard_state(name, index, shard, call.now) {
                    ShardState::Unassigned(_) => None,
                    ShardState::Started if active_only => None,
                    state => Some(self.shard_recovery(index, shard, state, call.now)),
                })
                .collect();
            if !shards.is_empty() {
                out.insert(name.clone(), json!({ "shards": shards }));
            }
        }
        Ok(out.into())
    }

    fn progress(&self, index: &Index, number: u32, state: ShardState, now: Now) -> Progress {
        let (origin, since) =
            index.shard(number).map_or((Origin::Empty, now.wall), |shard| (shard.origin, shard.since));
        let whole =
            |kind, source, files| Progress { kind, source, files, done: files, began: since, ended: Some(since) };
        match (origin, &index.restored) {
            (Origin::Restore, Some(restored)) => {
                let ended = restored.work.ended(now).filter(|_| state == ShardState::Started);
                let began = restored.work.began.wall;
                if restored.missing.contains(&number) {
                    return Progress { kind: "EMPTY_STORE", source: json!({}), files: 0, done: 0, began, ended };
                }
                let mut source = json!({
                    "repository": restored.repository,
                    "snapshot": restored.snapshot,
                    "version": self.engine.version,
                    "index": restored.index,
                    "restoreUUID": restored.uuid,
                });
                if let (true, Some(source)) = (self.engine.os(2, 9), source.as_object_mut()) {
                    source.insert("isSearchableSnapshot".to_owned(), false.into());
                    source.insert("remoteStoreIndexShallowCopy".to_owned(), false.into());
                    source.insert("sourceRemoteStoreRepository".to_owned(), Value::Null);
                }
                Progress {
                    kind: "SNAPSHOT",
                    source,
                    files: FILES,
                    done: restored.work.parts_done(FILES, now),
                    began,
                    ended,
                }
            }
            (Origin::Existing, _) => whole("EXISTING_STORE", json!({ "bootstrap_new_history_uuid": false }), FILES),
            (Origin::Peer, _) => whole("PEER", node(&self.node_id, "node-1"), FILES),
            (Origin::Empty | Origin::Restore, _) => whole("EMPTY_STORE", json!({}), 0),
        }
    }

    fn shard_recovery(&self, index: &Index, number: u32, state: ShardState, now: Now) -> Value {
        let Progress { kind, source, files, done, began, ended } = self.progress(index, number, state, now);
        let percent = format!("{}.0%", (done * 100).checked_div(files).unwrap_or(0));
        let mut out = json!({
            "id": number,
            "type": kind,
            "stage": if ended.is_some() { "DONE" } else { "INDEX" },
            "primary": true,
            "start_time_in_millis": millis(began),
            "total_time_in_millis": millis(ended.unwrap_or(now.wall)).saturating_sub(millis(began)),
            "source": source,
            "target": node(&self.node_id, &node_name(index, number)),
            "index": {
                "size": {
                    "total_in_bytes": files * FILE_SIZE,
                    "reused_in_bytes": 0,
                    "recovered_in_bytes": done * FILE_SIZE,
                    "percent": percent,
                },
                "files": { "total": files, "reused": 0, "recovered": done, "percent": percent },
                "total_time_in_millis": 0,
                "source_throttle_time_in_millis": 0,
                "target_throttle_time_in_millis": 0,
            },
            "translog": { "recovered": 0, "total": 0, "percent": "100.0%", "total_on_start": 0, "total_time_in_millis": 0 },
            "verify_index": { "check_index_time_in_millis": 0, "total_time_in_millis": 0 },
        });
        if let (Some(ended), Some(out)) = (ended, out.as_object_mut()) {
            out.insert("stop_time_in_millis".to_owned(), millis(ended).into());
        }
        out
    }
}

fn node(id: &str, name: &str) -> Value {
    json!({ "id": id, "host": "127.0.0.1", "transport_address": "127.0.0.1:9300", "ip": "127.0.0.1", "name": name })
}
