//! Answers on how far shards have come: recoveries, and the status of snapshots.

use serde_json::{Map, Value, json};

use super::super::cluster::{Cluster, Index, Now, Phase, ShardState, Snapshot};
use super::fail::{Fail, Outcome};
use super::{Call, millis};

impl Cluster {
    pub(super) fn recovery(&self, index: Option<&str>, call: &Call<'_>) -> Outcome {
        let active_only = call.flag("active_only", false)?;
        let mut out = Map::new();
        for (name, index) in self.indices_in_path(index)? {
            let shards: Vec<Value> = (0..index.shards)
                .filter_map(|shard| match self.shard_state(name, index, shard, call.now) {
                    ShardState::Unassigned => None,
                    ShardState::Started if active_only => None,
                    _ => Some(self.shard_recovery(index, shard, call.now)),
                })
                .collect();
            if !shards.is_empty() {
                out.insert(name.clone(), json!({ "shards": shards }));
            }
        }
        Ok(out.into())
    }

    fn shard_recovery(&self, index: &Index, shard: u32, now: Now) -> Value {
        let from_snapshot = index.restored.as_ref().filter(|restored| !restored.missing.contains(&shard));
        let files = if from_snapshot.is_some() { FILES } else { 0 };
        let done = index.restored.as_ref().map_or(files, |restored| restored.work.done_of(files, now));
        let ended = match &index.restored {
            Some(restored) => restored.work.ended(now),
            None => Some(index.created.wall),
        };
        let began = millis(index.created.wall);
        let percent = format!("{}.0%", (done * 100).checked_div(files).unwrap_or(0));
        let mut out = json!({
            "id": shard,
            "type": if from_snapshot.is_some() { "SNAPSHOT" } else { "EMPTY_STORE" },
            "stage": if ended.is_some() { "DONE" } else { "INDEX" },
            "primary": true,
            "start_time_in_millis": began,
            "total_time_in_millis": millis(ended.unwrap_or(now.wall)).saturating_sub(began),
            "source": from_snapshot.map_or_else(|| json!({}), |restored| json!({
                "repository": restored.repository,
                "snapshot": restored.snapshot,
                "version": self.engine.version,
                "index": restored.index,
                "restoreUUID": restored.uuid,
            })),
            "target": {
                "id": self.node_id, "host": "127.0.0.1", "transport_address": "127.0.0.1:9300", "ip": "127.0.0.1", "name": "node-1",
            },
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

    pub(super) fn status(&self, repository: Option<&str>, names: Option<&str>, call: &Call<'_>) -> Outcome {
        let ignore_unavailable = call.flag("ignore_unavailable", false)?;
        let mut out = Vec::new();
        match (repository, names.filter(|names| *names != "_all")) {
            (Some(repository), Some(names)) => {
                self.repository(repository)?;
                for name in names.split(',') {
                    match self.snapshot(repository, name) {
                        Some(snapshot) => out.push(self.snapshot_status(repository, snapshot, call.now)),
                        None if ignore_unavailable => {}
                        None => return Err(Fail::snapshot_missing(repository, name)),
                    }
                }
            }
            (repository, _) => {
                let wanted = self.running().filter(|(name, _)| repository.is_none_or(|repository| repository == *name));
                out.extend(wanted.map(|(name, snapshot)| self.snapshot_status(name, snapshot, call.now)));
            }
        }
        Ok(json!({ "snapshots": out }))
    }

    fn snapshot_status(&self, repository: &str, snapshot: &Snapshot, now: Now) -> Value {
        let all = u64::from(snapshot.shards());
        let (mut done_left, ended) = match &snapshot.phase {
            Phase::Running { work, .. } => (work.done_of(all, now), None),
            Phase::Ended { at, .. } => (all, Some(*at)),
        };
        let began = millis(snapshot.began.wall);
        let time = millis(ended.unwrap_or(now.wall)).saturating_sub(began);
        let (mut whole, mut indices) = (Tally::default(), Map::new());
        for (name, index) in &snapshot.indices {
            let (mut tally, mut shards) = (Tally::default(), Map::new());
            for shard in 0..index.shards {
                let mut one = Tally::default();
                let stage = if let Some(reason) = index.failed.get(&shard) {
                    one.failed = 1;
                    Stage::Failed(reason)
                } else if done_left > 0 {
                    one.done = 1;
                    Stage::Done
                } else {
                    one.started = 1;
                    Stage::Started
                };
                done_left = done_left.saturating_sub(1);
                let mut entry = json!({ "stage": stage.name(), "stats": one.stats(ended.is_some(), began, time) });
                if let Some(entry) = entry.as_object_mut() {
                    match stage {
                        Stage::Failed(reason) => {
                            entry.insert("reason".to_owned(), reason.into());
                        }
                        Stage::Started => {
                            entry.insert("node".to_owned(), self.node_id.clone().into());
                        }
                        Stage::Done => {}
                    }
                }
                shards.insert(shard.to_string(), entry);
                tally.add(&one);
            }
            let stats = tally.stats(ended.is_some(), began, time);
            indices.insert(name.clone(), json!({ "shards_stats": tally.shards(), "stats": stats, "shards": shards }));
            whole.add(&tally);
        }
        let state = match snapshot.state() {
            "IN_PROGRESS" => "STARTED",
            "PARTIAL" if !self.engine.os(2, 0) => "SUCCESS",
            state => state,
        };
        json!({
            "snapshot": snapshot.name,
            "repository": repository,
            "uuid": snapshot.uuid,
            "state": state,
            "include_global_state": snapshot.include_global_state,
            "shards_stats": whole.shards(),
            "stats": whole.stats(ended.is_some(), began, time),
            "indices": indices,
        })
    }
}

enum Stage<'a> {
    Started,
    Done,
    Failed(&'a str),
}

impl Stage<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Done => "DONE",
            Self::Failed(_) => "FAILURE",
        }
    }
}

/// Files and their size of each shard.
const FILES: u64 = 4;
const FILE_SIZE: u64 = 16_384;

/// Shards by stage.
#[derive(Default)]
struct Tally {
    started: u64,
    done: u64,
    failed: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.started += other.started;
        self.done += other.done;
        self.failed += other.failed;
    }

    fn shards(&self) -> Value {
        let total = self.started + self.done + self.failed;
        json!({
            "initializing": 0, "started": self.started, "finalizing": 0, "done": self.done, "failed": self.failed, "total": total,
        })
    }

    fn stats(&self, ended: bool, began: u64, time: u64) -> Value {
        let files = |shards: u64| json!({ "file_count": shards * FILES, "size_in_bytes": shards * FILES * FILE_SIZE });
        let all = files(self.started + self.done);
        let mut out = json!({ "incremental": all, "total": all, "start_time_in_millis": began, "time_in_millis": time });
        if let (false, Some(out)) = (ended || self.started == 0, out.as_object_mut()) {
            out.insert("processed".to_owned(), files(self.done));
        }
        out
    }
}
