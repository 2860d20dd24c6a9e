//! The status of snapshots: the progress of each shard.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::byte_size::ByteSize;
use crate::wire::{count, duration_from_millis, null_as_default, open_vocabulary, time_from_millis};

open_vocabulary! {
    /// The state of a snapshot, as the status API reports it.
    ///
    /// It is not the final state. Elasticsearch and OpenSearch 1 report
    /// [`Success`](Self::Success) for a snapshot that is `PARTIAL`.
    /// [`SnapshotState`](crate::SnapshotState) is the final state, with other words.
    ///
    /// ```
    /// use es_snapshot::snapshot::SnapshotStatusState;
    ///
    /// assert_eq!(SnapshotStatusState::from("STARTED"), SnapshotStatusState::Started);
    /// ```
    SnapshotStatusState {
        /// The snapshot has not started. Only old versions.
        Init = "INIT",
        /// The snapshot is being taken.
        Started = "STARTED",
        /// The snapshot is being aborted.
        Aborted = "ABORTED",
        /// The snapshot has ended. It may lack some shards.
        Success = "SUCCESS",
        /// The snapshot has ended and lacks some shards. OpenSearch 2 and later.
        Partial = "PARTIAL",
        /// The snapshot has failed.
        Failed = "FAILED",
    }
}

open_vocabulary! {
    /// The stage of a shard of a snapshot.
    ShardStage {
        /// The shard has not started.
        Init = "INIT",
        /// The shard's files are being written.
        Started = "STARTED",
        /// The shard's metadata is being written.
        Finalize = "FINALIZE",
        /// The shard is in the snapshot.
        Done = "DONE",
        /// The shard has failed, and is not in the snapshot.
        Failure = "FAILURE",
    }
}

/// The progress of a snapshot, shard by shard.
///
/// [`Snapshot::status`](crate::Snapshot::status) returns it, and has an example. It does not show
/// whether the snapshot is complete. [`SnapshotInfo`](crate::SnapshotInfo) does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotStatus {
    snapshot: String,
    #[serde(default)]
    repository: Option<String>,
    #[serde(default)]
    uuid: Option<String>,
    #[serde(default)]
    state: SnapshotStatusState,
    #[serde(default)]
    include_global_state: Option<bool>,
    #[serde(default, deserialize_with = "null_as_default")]
    shards_stats: ShardStageCounts,
    #[serde(default, deserialize_with = "null_as_default")]
    stats: SnapshotStats,
    #[serde(default, deserialize_with = "null_as_default")]
    indices: BTreeMap<String, IndexStatus>,
}

impl SnapshotStatus {
    /// Returns the snapshot's name as the server wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.snapshot
    }

    /// Returns the repository's name.
    #[must_use]
    pub fn repository(&self) -> Option<&str> {
        self.repository.as_deref()
    }

    /// Returns the snapshot's id.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.uuid.as_deref()
    }

    /// Returns the state. It is not the snapshot's final state.
    #[must_use]
    pub fn state(&self) -> &SnapshotStatusState {
        &self.state
    }

    /// Returns whether the snapshot includes the cluster state.
    #[must_use]
    pub fn include_global_state(&self) -> Option<bool> {
        self.include_global_state
    }

    /// Returns how many shards are in each stage.
    #[must_use]
    pub fn shards(&self) -> ShardStageCounts {
        self.shards_stats
    }

    /// Returns the files and bytes of the whole snapshot.
    #[must_use]
    pub fn stats(&self) -> &SnapshotStats {
        &self.stats
    }

    /// Returns the status of each index, by its name.
    #[must_use]
    pub fn indices(&self) -> &BTreeMap<String, IndexStatus> {
        &self.indices
    }
}

/// The progress of an index of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IndexStatus {
    shards_stats: ShardStageCounts,
    stats: SnapshotStats,
    // Not a map, because most indices have one shard and a map allocates room for eleven.
    #[serde(with = "shards_by_number")]
    shards: Vec<(Box<str>, ShardStatus)>,
}

mod shards_by_number {
    use std::fmt;

    use serde::de::{MapAccess, Visitor};
    use serde::{Deserializer, Serializer};

    use super::ShardStatus;

    type Shards = Vec<(Box<str>, ShardStatus)>;

    pub(super) fn serialize<S: Serializer>(shards: &Shards, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(shards.iter().map(|(number, shard)| (number, shard)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Shards, D::Error> {
        struct ByNumber;

        impl<'de> Visitor<'de> for ByNumber {
            type Value = Shards;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of shards by number")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shards, A::Error> {
                let mut shards = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    if shards.len() == shards.capacity() {
                        shards.reserve_exact(1 + shards.len() / 2);
                    }
                    shards.push(entry);
                }
                Ok(shards)
            }
        }

        deserializer.deserialize_map(ByNumber)
    }
}

impl IndexStatus {
    /// Returns how many shards are in each stage.
    #[must_use]
    pub fn shard_counts(&self) -> ShardStageCounts {
        self.shards_stats
    }

    /// Returns the files and bytes of the index.
    #[must_use]
    pub fn stats(&self) -> &SnapshotStats {
        &self.stats
    }

    /// Returns the status of each shard, by its number.
    #[must_use]
    pub fn shards(&self) -> BTreeMap<u32, &ShardStatus> {
        self.shards.iter().filter_map(|(number, shard)| Some((number.parse().ok()?, shard))).collect()
    }
}

/// The progress of a shard of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardStatus {
    stage: ShardStage,
    stats: SnapshotStats,
    node: Option<String>,
    reason: Option<String>,
    description: Option<String>,
}

impl ShardStatus {
    /// Returns the stage of the shard.
    #[must_use]
    pub fn stage(&self) -> &ShardStage {
        &self.stage
    }

    /// Returns the files and bytes of the shard.
    #[must_use]
    pub fn stats(&self) -> &SnapshotStats {
        &self.stats
    }

    /// Returns the id of the node that writes the shard. `None` when no node does.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// Returns why the shard failed.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Returns why the shard's figures are unknown. Elasticsearch 9.1 and later.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
}

/// How many shards of a snapshot or an index are in each stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardStageCounts {
    initializing: i64,
    started: i64,
    finalizing: i64,
    done: i64,
    failed: i64,
    total: i64,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        impl ShardStageCounts {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(self) -> u64 {
                u64::try_from(self.$name).unwrap_or(0)
            })*
        }
    };
}

counters! {
    /// Returns the number of shards that have not started.
    initializing;
    /// Returns the number of shards that write their files.
    started;
    /// Returns the number of shards that write their metadata.
    finalizing;
    /// Returns the number of shards that are in the snapshot.
    done;
    /// Returns the number of shards that have failed.
    failed;
    /// Returns the number of all shards.
    total;
}

/// The files and bytes of a snapshot, an index or a shard, and the time spent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SnapshotStats {
    incremental: FileStats,
    #[serde(skip_serializing_if = "Option::is_none")]
    processed: Option<FileStats>,
    total: FileStats,
    start_time_in_millis: Option<i64>,
    time_in_millis: Option<i64>,
}

impl SnapshotStats {
    /// Returns the number and size of the files to write, which no earlier snapshot contains.
    #[must_use]
    pub fn incremental(&self) -> FileStats {
        self.incremental
    }

    /// Returns how much of [`incremental`](Self::incremental) is written.
    ///
    /// The server omits this figure once all files are written. It then equals `incremental`.
    #[must_use]
    pub fn processed(&self) -> FileStats {
        self.processed.unwrap_or(self.incremental)
    }

    /// Returns the number and size of all files, including those of earlier snapshots.
    #[must_use]
    pub fn total(&self) -> FileStats {
        self.total
    }

    /// Returns when the work started. `None` if it has not.
    #[must_use]
    pub fn start_time(&self) -> Option<SystemTime> {
        time_from_millis(self.start_time_in_millis)
    }

    /// Returns how long the work has taken so far.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        duration_from_millis(self.time_in_millis)
    }
}

/// A number of files and their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileStats {
    file_count: i64,
    size_in_bytes: i64,
}

impl FileStats {
    /// Returns the number of files. `None` if unknown, for example because the node has left.
    #[must_use]
    pub fn files(self) -> Option<u64> {
        count(Some(self.file_count))
    }

    /// Returns the size of the files. `None` if unknown.
    #[must_use]
    pub fn size(self) -> Option<ByteSize> {
        count(Some(self.size_in_bytes)).map(ByteSize::from)
    }
}

/// The response to `GET /_snapshot/{repository}/{snapshot}/_status` and its shorter forms.
#[derive(Debug, Deserialize)]
pub(crate) struct SnapshotStatusList {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) snapshots: Vec<SnapshotStatus>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: &str = r#"{"snapshots":[{"snapshot":"s1","repository":"r","uuid":"bT3","state":"STARTED","include_global_state":true,
        "shards_stats":{"initializing":0,"started":1,"finalizing":0,"done":2,"failed":0,"total":3},
        "stats":{"incremental":{"file_count":10,"size_in_bytes":4096},"processed":{"file_count":4,"size_in_bytes":1024},
                 "total":{"file_count":20,"size_in_bytes":9000},"start_time_in_millis":1714557600123,"time_in_millis":842},
        "indices":{"logs":{"shards_stats":{"initializing":0,"started":1,"finalizing":0,"done":2,"failed":0,"total":3},
            "stats":{"incremental":{"file_count":10,"size_in_bytes":4096},"total":{"file_count":20,"size_in_bytes":9000},
                     "start_time_in_millis":1714557600123,"time_in_millis":842},
            "shards":{"10":{"stage":"FAILURE","reason":"disk full"},
                      "2":{"stage":"STARTED","node":"x3yQ","stats":{"incremental":{"file_count":-1,"size_in_bytes":-1},
                           "total":{"file_count":1,"size_in_bytes":10},"start_time_in_millis":0,"time_in_millis":0},"description":"node left"}}}}}]}"#;

    fn running() -> SnapshotStatus {
        serde_json::from_str::<SnapshotStatusList>(RUNNING).unwrap().snapshots.remove(0)
    }

    #[test]
    fn reads_every_field_of_a_running_snapshot() {
        let status = running();
        assert_eq!((status.name(), status.repository(), status.uuid()), ("s1", Some("r"), Some("bT3")));
        assert_eq!((status.state(), status.include_global_state()), (&SnapshotStatusState::Started, Some(true)));
        let shards = status.shards();
        assert_eq!((shards.started(), shards.done(), shards.total()), (1, 2, 3));
        assert_eq!((shards.initializing(), shards.finalizing(), shards.failed()), (0, 0, 0));
        let work = status.stats();
        assert_eq!((work.incremental().files(), work.incremental().size()), (Some(10), Some(4096.into())));
        assert_eq!((work.processed().files(), work.total().files()), (Some(4), Some(20)));
        assert_eq!(work.start_time(), Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_714_557_600_123)));
        assert_eq!(work.elapsed(), Some(Duration::from_millis(842)));
    }

    #[test]
    fn returns_shards_in_the_order_of_their_numbers() {
        let status = running();
        let index = &status.indices()["logs"];
        assert_eq!(index.shard_counts().total(), 3);
        let shards = index.shards();
        assert_eq!(shards.keys().copied().collect::<Vec<_>>(), [2, 10]);
        assert_eq!((shards[&10].stage(), shards[&10].reason()), (&ShardStage::Failure, Some("disk full")));
        assert_eq!((shards[&2].node(), shards[&2].description()), (Some("x3yQ"), Some("node left")));
    }

    #[test]
    fn reads_negative_figures_as_unknown() {
        let status = running();
        let shards = status.indices()["logs"].shards();
        let incremental = shards[&2].stats().incremental();
        assert_eq!((incremental.files(), incremental.size()), (None, None));
        assert_eq!(shards[&2].stats().start_time(), None);
    }

    #[test]
    fn counts_all_files_as_written_without_processed() {
        assert_eq!(running().indices()["logs"].stats().processed().files(), Some(10));
    }

    #[test]
    fn requires_only_the_name() {
        let list: SnapshotStatusList =
            serde_json::from_str(r#"{"snapshots":[{"snapshot":"s","state":"THAWING","indices":null}]}"#).unwrap();
        assert_eq!(list.snapshots[0].state(), &SnapshotStatusState::from("THAWING"));
    }

    #[test]
    fn reads_the_status_that_it_has_written() {
        let again: SnapshotStatus = serde_json::from_value(serde_json::to_value(running()).unwrap()).unwrap();
        assert_eq!(again, running());
    }
}
