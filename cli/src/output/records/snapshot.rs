//! A snapshot.

use es_snapshot::SnapshotInfo;
use es_snapshot::snapshot::ShardFailure;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::output::{Column, Moment, Record, left, printable, right, state, took};

/// How many failed shards a table shows.
const SHOWN: usize = 20;

#[derive(Debug, Serialize)]
pub(crate) struct SnapshotRecord<'a> {
    repository: &'a str,
    snapshot: &'a str,
    uuid: Option<&'a str>,
    state: &'a str,
    reason: Option<&'a str>,
    start_time: Option<Moment>,
    end_time: Option<Moment>,
    duration_millis: Option<u64>,
    indices: &'a [String],
    data_streams: &'a [String],
    shards: Option<Shards>,
    failures: Vec<FailedShard<'a>>,
    include_global_state: Option<bool>,
    server_version: Option<&'a str>,
    metadata: Option<&'a Map<String, Value>>,
}

#[derive(Debug, Serialize)]
struct Shards {
    total: u64,
    successful: u64,
    failed: u64,
}

#[derive(Debug, Serialize)]
struct FailedShard<'a> {
    index: &'a str,
    shard: Option<u32>,
    reason: Option<&'a str>,
}

impl<'a> SnapshotRecord<'a> {
    /// Returns the record of a snapshot in this repository.
    pub(crate) fn new(repository: &'a str, snapshot: &'a SnapshotInfo) -> Self {
        let failed = |failure: &'a ShardFailure| FailedShard {
            index: failure.index(),
            shard: failure.shard_id(),
            reason: failure.reason(),
        };
        Self {
            repository,
            snapshot: snapshot.name(),
            uuid: snapshot.uuid(),
            state: snapshot.state().as_str(),
            reason: snapshot.reason(),
            start_time: snapshot.start_time().and_then(Moment::of),
            end_time: snapshot.end_time().and_then(Moment::of),
            duration_millis: snapshot.duration().and_then(|duration| u64::try_from(duration.as_millis()).ok()),
            indices: snapshot.indices(),
            data_streams: snapshot.data_streams(),
            shards: snapshot.shards().map(|shards| Shards {
                total: shards.total(),
                successful: shards.successful(),
                failed: shards.failed(),
            }),
            failures: snapshot.failures().iter().map(failed).collect(),
            include_global_state: snapshot.include_global_state(),
            server_version: snapshot.version(),
            metadata: snapshot.metadata(),
        }
    }
}

impl Record for SnapshotRecord<'_> {
    const KIND: &'static str = "snapshot";
    const COLUMNS: &'static [Column] = &[
        left("NAME"),
        state("STATE"),
        left("STARTED"),
        right("TOOK"),
        right("INDICES"),
        right("SHARDS"),
        right("FAILED"),
    ];

    fn name(&self) -> &str {
        self.snapshot
    }

    fn cells(&self, zone: Option<&TimeZone>) -> Vec<String> {
        let unknown = || "-".to_owned();
        let shards =
            |count: fn(&Shards) -> u64| self.shards.as_ref().map_or_else(unknown, |all| count(all).to_string());
        vec![
            printable(self.snapshot),
            printable(self.state),
            self.start_time.map_or_else(unknown, |start| start.text(zone)),
            self.duration_millis.map_or_else(unknown, |millis| took(std::time::Duration::from_millis(millis))),
            self.indices.len().to_string(),
            shards(|all| all.total),
            shards(|all| all.failed),
        ]
    }

    fn remarks(&self) -> Vec<(&'static str, String)> {
        let mut remarks = Vec::new();
        remarks.extend(self.uuid.map(|uuid| ("UUID", printable(uuid))));
        remarks.extend(self.reason.map(|reason| ("REASON", printable(reason))));
        remarks.extend(self.indices.iter().map(|index| ("INDEX", printable(index))));
        for failure in self.failures.iter().take(SHOWN) {
            let shard = failure.shard.map(|shard| format!("[{shard}]")).unwrap_or_default();
            let reason = failure.reason.unwrap_or("no reason given");
            remarks.push(("FAILURE", printable(&format!("{}{shard}: {reason}", failure.index))));
        }
        if let Some(more) = self.failures.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            remarks.push(("FAILURE", format!("and {more} more, which `-o json` shows")));
        }
        remarks
    }
}
