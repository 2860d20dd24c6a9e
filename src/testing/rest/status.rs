//! Responses about the progress of snapshots.

use serde_json::{Map, Value, json};

use super::super::cluster::{Cluster, Now, Phase, Snapshot};
use super::fail::{Fail, Outcome};
use super::{Call, millis};

impl Cluster {
    pub(super) fn status(&self, repository: Option<&str>, names: Option<&str>, call: &Call<'_>) -> Outcome {
        let ignore_unavailable = call.flag("ignore_unavailable", false)?;
        let mut out = Vec::new();
        match (repository, names.filter(|names| *names != "_all")) {
            (Some(repository), Some(names)) => {
                self.repository(repository)?;
                for name in names.split(',') {
                    match self.snapshot(repository, name) {
                        Some(snapshot) => match Fail::unreadable(repository, snapshot) {
                            None => out.push(self.snapshot_status(repository, snapshot, call.now)),
                            Some(_) if ignore_unavailable => {}
                            Some(fail) => return Err(fail),
                        },
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
            Phase::Running { work, .. } => (work.parts_done(all, now), None),
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

/// The number of files of each shard.
pub(super) const FILES: u64 = 4;
/// The size of a file. In bytes.
pub(super) const FILE_SIZE: u64 = 16_384;

/// Numbers of shards by stage.
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
        let mut out =
            json!({ "incremental": all, "total": all, "start_time_in_millis": began, "time_in_millis": time });
        if let (false, Some(out)) = (ended || self.started == 0, out.as_object_mut()) {
            out.insert("processed".to_owned(), files(self.done));
        }
        out
    }
}
