//! The detailed status of snapshots: how far each shard is.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::byte_size::ByteSize;
use crate::wire::{count, moment, null_as_default, open_vocabulary, span};

open_vocabulary! {
    /// How a snapshot stands, as the status API tells it: other words than [`SnapshotState`](crate::SnapshotState), and not the final
    /// word: a snapshot that is `PARTIAL` reads [`Success`](Self::Success) here on Elasticsearch and OpenSearch 1.
    SnapshotStatusState {
        /// Not begun: old versions.
        Init = "INIT",
        /// Being taken.
        Started = "STARTED",
        /// Being aborted.
        Aborted = "ABORTED",
        /// Ended, perhaps without some shards.
        Success = "SUCCESS",
        /// Ended without some shards: OpenSearch 2 and later.
        Partial = "PARTIAL",
        /// Failed.
        Failed = "FAILED",
    }
}

open_vocabulary! {
    /// How far a shard of a snapshot is.
    ShardStage {
        /// Not begun.
        Init = "INIT",
        /// Files are being written.
        Started = "STARTED",
        /// The shard's metadata is being written.
        Finalize = "FINALIZE",
        /// In the snapshot.
        Done = "DONE",
        /// Not in the snapshot.
        Failure = "FAILURE",
    }
}

/// How far a snapshot is, shard by shard.
///
/// For progress, not for the outcome: only [`SnapshotInfo`](crate::SnapshotInfo) tells whether a
/// snapshot is complete.
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
    /// The snapshot's name as the domain wrote it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.snapshot
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> Option<&str> {
        self.repository.as_deref()
    }

    /// The snapshot's id.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.uuid.as_deref()
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> &SnapshotStatusState {
        &self.state
    }

    /// Whether the cluster state is taken in.
    #[must_use]
    pub fn include_global_state(&self) -> Option<bool> {
        self.include_global_state
    }

    /// The shards by stage.
    #[must_use]
    pub fn shards(&self) -> ShardStageCounts {
        self.shards_stats
    }

    /// Files and bytes of the whole snapshot.
    #[must_use]
    pub fn stats(&self) -> &SnapshotStats {
        &self.stats
    }

    /// Each index.
    #[must_use]
    pub fn indices(&self) -> &BTreeMap<String, IndexStatus> {
        &self.indices
    }
}

/// How far an index of a snapshot is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IndexStatus {
    shards_stats: ShardStageCounts,
    stats: SnapshotStats,
    // Not a map: most indices have one shard, and a map has room for eleven at once.
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
                f.write_str("shards by number")
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
    /// The shards by stage.
    #[must_use]
    pub fn shard_counts(&self) -> ShardStageCounts {
        self.shards_stats
    }

    /// Files and bytes of the index.
    #[must_use]
    pub fn stats(&self) -> &SnapshotStats {
        &self.stats
    }

    /// Each shard with its number, in the order of numbers.
    #[must_use]
    pub fn shards(&self) -> BTreeMap<u32, &ShardStatus> {
        self.shards.iter().filter_map(|(number, shard)| Some((number.parse().ok()?, shard))).collect()
    }
}

/// How far a shard of a snapshot is.
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
    /// How far it is.
    #[must_use]
    pub fn stage(&self) -> &ShardStage {
        &self.stage
    }

    /// Its files and bytes.
    #[must_use]
    pub fn stats(&self) -> &SnapshotStats {
        &self.stats
    }

    /// The node that writes it, while it does.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// Why it failed.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Why its numbers are not known: Elasticsearch 9.1 and later.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
}

/// Shards by stage; their sum is [`total`](Self::total).
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
    /// Not begun.
    initializing;
    /// Writing files.
    started;
    /// Writing metadata.
    finalizing;
    /// In the snapshot.
    done;
    /// Not in the snapshot.
    failed;
    /// All of them.
    total;
}

/// Files and bytes of a snapshot, an index or a shard, and the time spent.
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
    /// What has to be written, since no earlier snapshot has it.
    #[must_use]
    pub fn incremental(&self) -> FileStats {
        self.incremental
    }

    /// What has been written of [`incremental`](Self::incremental). A domain leaves it out once
    /// that is everything.
    #[must_use]
    pub fn processed(&self) -> FileStats {
        self.processed.unwrap_or(self.incremental)
    }

    /// What the snapshot refers to, whether written now or before.
    #[must_use]
    pub fn total(&self) -> FileStats {
        self.total
    }

    /// When the work began; `None` if it has not.
    #[must_use]
    pub fn start_time(&self) -> Option<SystemTime> {
        moment(self.start_time_in_millis)
    }

    /// How long the work has taken so far.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        span(self.time_in_millis)
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
    /// How many; `None` if the domain does not know, for example because the node has left.
    #[must_use]
    pub fn files(self) -> Option<u64> {
        count(Some(self.file_count))
    }

    /// How large; `None` if the domain does not know.
    #[must_use]
    pub fn size(self) -> Option<ByteSize> {
        count(Some(self.size_in_bytes)).map(ByteSize::from)
    }
}

/// The reply of `GET /_snapshot/{repository}/{snapshot}/_status` and its shorter forms.
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
    fn a_running_snapshot_is_read_to_the_last_field() {
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
    fn shards_come_in_the_order_of_their_numbers() {
        let status = running();
        let index = &status.indices()["logs"];
        assert_eq!(index.shard_counts().total(), 3);
        let shards = index.shards();
        assert_eq!(shards.keys().copied().collect::<Vec<_>>(), [2, 10]);
        assert_eq!((shards[&10].stage(), shards[&10].reason()), (&ShardStage::Failure, Some("disk full")));
        assert_eq!((shards[&2].node(), shards[&2].description()), (Some("x3yQ"), Some("node left")));
    }

    #[test]
    fn numbers_below_zero_are_not_known() {
        let status = running();
        let shards = status.indices()["logs"].shards();
        let incremental = shards[&2].stats().incremental();
        assert_eq!((incremental.files(), incremental.size()), (None, None));
        assert_eq!(shards[&2].stats().start_time(), None);
    }

    #[test]
    fn without_processed_everything_is_written() {
        assert_eq!(running().indices()["logs"].stats().processed().files(), Some(10));
    }

    #[test]
    fn only_the_name_is_needed() {
        let list: SnapshotStatusList =
            serde_json::from_str(r#"{"snapshots":[{"snapshot":"s","state":"THAWING","indices":null}]}"#).unwrap();
        assert_eq!(list.snapshots[0].state(), &SnapshotStatusState::from("THAWING"));
    }

    #[test]
    fn a_status_survives_being_written_and_read() {
        let again: SnapshotStatus = serde_json::from_value(serde_json::to_value(running()).unwrap()).unwrap();
        assert_eq!(again, running());
    }
}
