//! Responses about restores: how a restore began or ended, and how far its shards are.

use std::sync::Arc;
use std::time::SystemTime;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::byte_size::ByteSize;
use crate::pieces::{Chunks, Elements, Open, Pieces, ReadError};
use crate::snapshot::ShardCounts;
use crate::wire::{count, integer_or_text, null_as_default, open_vocabulary, time_from_millis};

/// The response to a restore. The server may send either form.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "StartedResponse")]
pub(crate) enum RestoreResponse {
    Accepted,
    Finished(RestoreSummary),
}

#[derive(Deserialize)]
struct StartedResponse {
    accepted: Option<bool>,
    snapshot: Option<RestoreSummary>,
}

impl TryFrom<StartedResponse> for RestoreResponse {
    type Error = &'static str;

    fn try_from(response: StartedResponse) -> Result<Self, Self::Error> {
        match (response.snapshot, response.accepted) {
            (Some(summary), _) => Ok(Self::Finished(summary)),
            (None, Some(true)) => Ok(Self::Accepted),
            (None, _) => Err("neither `accepted: true` nor `snapshot`"),
        }
    }
}

/// The server's own summary of a restore that has finished.
///
/// [`StartedRestore::summary`](crate::StartedRestore::summary) returns it, if the server sent one.
/// Shards may have failed: see [`ShardCounts::failed`].
///
/// ```
/// use es_snapshot::restore::RestoreSummary;
///
/// let response = r#"{"snapshot": "monday", "indices": ["movies"],
///     "shards": {"total": 2, "failed": 0, "successful": 2}}"#;
/// let summary: RestoreSummary = serde_json::from_str(response)?;
/// assert_eq!(summary.indices(), ["movies"]);
/// assert_eq!(summary.shards().failed(), 0);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreSummary {
    snapshot: String,
    #[serde(default, deserialize_with = "null_as_default")]
    indices: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    shards: ShardCounts,
}

impl RestoreSummary {
    /// Returns the snapshot's name as the server wrote it.
    #[must_use]
    pub fn snapshot(&self) -> &str {
        &self.snapshot
    }

    /// Returns the restored indices, under their new names.
    #[must_use]
    pub fn indices(&self) -> &[String] {
        &self.indices
    }

    /// Returns the counts of the restored primary shards.
    #[must_use]
    pub fn shards(&self) -> ShardCounts {
        self.shards
    }
}

open_vocabulary! {
    /// Where the data of a shard comes from.
    ///
    /// ```
    /// use es_snapshot::restore::RecoveryType;
    ///
    /// assert_eq!(RecoveryType::from("SNAPSHOT"), RecoveryType::Snapshot);
    /// assert_eq!(RecoveryType::Peer.as_str(), "PEER");
    /// ```
    RecoveryType {
        /// Nowhere: the shard is new and empty.
        EmptyStore = "EMPTY_STORE",
        /// The disk of the node itself.
        ExistingStore = "EXISTING_STORE",
        /// Other shards on the same node, as in a shrink.
        LocalShards = "LOCAL_SHARDS",
        /// The primary shard on another node.
        Peer = "PEER",
        /// A snapshot, by a restore.
        Snapshot = "SNAPSHOT",
    }
}

open_vocabulary! {
    /// How far the recovery of a shard is.
    ///
    /// ```
    /// use es_snapshot::restore::RecoveryStage;
    ///
    /// assert_eq!(RecoveryStage::from("DONE"), RecoveryStage::Done);
    /// assert_eq!(RecoveryStage::Index.as_str(), "INDEX");
    /// ```
    RecoveryStage {
        /// The recovery has not begun.
        Init = "INIT",
        /// Files are being copied.
        Index = "INDEX",
        /// The copied files are being verified.
        VerifyIndex = "VERIFY_INDEX",
        /// Operations are being replayed.
        Translog = "TRANSLOG",
        /// The shard is being cleaned up.
        Finalize = "FINALIZE",
        /// The recovery is done.
        Done = "DONE",
    }
}

/// The recovery of one shard, by a restore or for another reason.
///
/// [`SnapshotClient::recovery`](crate::SnapshotClient::recovery) returns it. See the [recovery
/// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-recovery).
///
/// A shard is restored when it is primary, its [`kind`](Self::kind) is
/// [`Snapshot`](RecoveryType::Snapshot) and its [`stage`](Self::stage) is
/// [`Done`](RecoveryStage::Done). Recoveries do not show shards that failed, or that wait for a
/// node. So use [`StartedRestore::wait`](crate::StartedRestore::wait) to wait for the end of a
/// restore: it handles these cases.
///
/// It serialises as an object with a field for each getter, such as `kind` and `total_bytes`.
/// Unknown values are left out. Times are in milliseconds since 1970, sizes in bytes.
///
/// ```
/// use es_snapshot::restore::{RecoveryStage, RecoveryType};
/// # use es_snapshot::testing::FakeDomain;
/// # use es_snapshot::{CreateSnapshot, RestoreSnapshot};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// # let domain = FakeDomain::with_repository("backups").await;
/// # domain.create_index("movies", 1);
/// # let client = domain.client();
/// # let backups = client.repository("backups")?;
/// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
/// let options = RestoreSnapshot::new().with_rename_prefix("restored-");
/// backups.snapshot("monday")?.restore(options).await?.wait().await?.into_complete()?;
///
/// let shards = client.recovery(["restored-movies"]).await?;
/// assert_eq!(*shards[0].kind(), RecoveryType::Snapshot);
/// assert_eq!(*shards[0].stage(), RecoveryStage::Done);
/// assert_eq!(shards[0].source_index(), Some("movies"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ShardRecovery {
    // A response has one for every shard of the cluster, so this is packed. Unknown counts are
    // negative, and unknown times are at most 0.
    index: Arc<str>,
    source: Option<Box<WireSource>>,
    r#type: RecoveryType,
    stage: RecoveryStage,
    id: Option<u32>,
    primary: bool,
    start_millis: i64,
    stop_millis: i64,
    bytes: [i64; 2],
    files: [i64; 2],
}

impl ShardRecovery {
    fn new(index: &Arc<str>, shard: WireRecovery) -> Self {
        let WireIndex { size, files } = shard.index;
        let packed = |value: Option<i64>| value.unwrap_or(-1);
        Self {
            index: Arc::clone(index),
            source: (shard.source != WireSource::default()).then(|| Box::new(shard.source)),
            r#type: shard.r#type,
            stage: shard.stage,
            id: shard.id,
            primary: shard.primary,
            start_millis: shard.start_time_in_millis.unwrap_or(0),
            stop_millis: shard.stop_time_in_millis.unwrap_or(0),
            bytes: [size.total_in_bytes, size.recovered_in_bytes].map(packed),
            files: [files.total, files.recovered].map(packed),
        }
    }
}

impl Serialize for ShardRecovery {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", self.index())?;
        map.serialize_entry("kind", self.kind())?;
        map.serialize_entry("stage", self.stage())?;
        map.serialize_entry("primary", &self.primary())?;
        let source = [
            ("source_repository", self.source_repository()),
            ("source_snapshot", self.source_snapshot()),
            ("source_index", self.source_index()),
            ("restore_uuid", self.restore_uuid()),
        ];
        for (key, text) in source {
            if let Some(text) = text {
                map.serialize_entry(key, text)?;
            }
        }
        let numbers = [
            ("shard", self.shard().map(u64::from)),
            ("total_bytes", self.total_size().map(ByteSize::bytes)),
            ("recovered_bytes", self.recovered_size().map(ByteSize::bytes)),
            ("total_files", self.total_files()),
            ("recovered_files", self.recovered_files()),
            ("start_time_in_millis", u64::try_from(self.start_millis).ok().filter(|millis| *millis > 0)),
            ("stop_time_in_millis", u64::try_from(self.stop_millis).ok().filter(|millis| *millis > 0)),
        ];
        for (key, number) in numbers {
            if let Some(number) = number {
                map.serialize_entry(key, &number)?;
            }
        }
        map.end()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct WireRecovery {
    #[serde(deserialize_with = "integer_or_text")]
    id: Option<u32>,
    r#type: RecoveryType,
    stage: RecoveryStage,
    #[serde(deserialize_with = "null_as_default")]
    primary: bool,
    start_time_in_millis: Option<i64>,
    stop_time_in_millis: Option<i64>,
    #[serde(deserialize_with = "null_as_default")]
    source: WireSource,
    #[serde(deserialize_with = "null_as_default")]
    index: WireIndex,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct WireSource {
    repository: Option<String>,
    snapshot: Option<String>,
    index: Option<String>,
    #[serde(rename = "restoreUUID")]
    restore_uuid: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct WireIndex {
    #[serde(deserialize_with = "null_as_default")]
    size: WireSize,
    #[serde(deserialize_with = "null_as_default")]
    files: WireFiles,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct WireSize {
    total_in_bytes: Option<i64>,
    recovered_in_bytes: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct WireFiles {
    total: Option<i64>,
    recovered: Option<i64>,
}

impl ShardRecovery {
    /// Returns the name of the index. After a rename, this is the new name.
    #[must_use]
    pub fn index(&self) -> &str {
        &self.index
    }

    /// Returns the number of the shard.
    #[must_use]
    pub fn shard(&self) -> Option<u32> {
        self.id
    }

    /// Returns where the data comes from.
    #[must_use]
    pub fn kind(&self) -> &RecoveryType {
        &self.r#type
    }

    /// Returns how far the recovery is.
    #[must_use]
    pub fn stage(&self) -> &RecoveryStage {
        &self.stage
    }

    /// Returns whether this is the primary shard.
    #[must_use]
    pub fn primary(&self) -> bool {
        self.primary
    }

    /// Returns the repository that the shard is restored from.
    ///
    /// `None` if the data does not come from a snapshot.
    #[must_use]
    pub fn source_repository(&self) -> Option<&str> {
        self.source.as_ref()?.repository.as_deref()
    }

    /// Returns the snapshot that the shard is restored from.
    ///
    /// `None` if the data does not come from a snapshot.
    #[must_use]
    pub fn source_snapshot(&self) -> Option<&str> {
        self.source.as_ref()?.snapshot.as_deref()
    }

    /// Returns the name that the index has in the snapshot.
    ///
    /// `None` if the data does not come from a snapshot.
    #[must_use]
    pub fn source_index(&self) -> Option<&str> {
        self.source.as_ref()?.index.as_deref()
    }

    /// Returns the id of the restore, which all its shards share.
    ///
    /// `None` if the data does not come from a snapshot.
    #[must_use]
    pub fn restore_uuid(&self) -> Option<&str> {
        self.source.as_ref()?.restore_uuid.as_deref()
    }

    /// Returns the size of all files.
    ///
    /// `None` if it is not known yet.
    #[must_use]
    pub fn total_size(&self) -> Option<ByteSize> {
        count(self.bytes.first().copied()).map(ByteSize::from)
    }

    /// Returns the size of the files that have been copied.
    ///
    /// `None` if it is not known yet.
    #[must_use]
    pub fn recovered_size(&self) -> Option<ByteSize> {
        count(self.bytes.last().copied()).map(ByteSize::from)
    }

    /// Returns the number of all files.
    ///
    /// `None` if it is not known yet.
    #[must_use]
    pub fn total_files(&self) -> Option<u64> {
        count(self.files.first().copied())
    }

    /// Returns the number of files that have been copied.
    ///
    /// `None` if it is not known yet.
    #[must_use]
    pub fn recovered_files(&self) -> Option<u64> {
        count(self.files.last().copied())
    }

    /// Returns when the recovery began.
    ///
    /// `None` if it has not begun.
    #[must_use]
    pub fn start_time(&self) -> Option<SystemTime> {
        time_from_millis(Some(self.start_millis))
    }

    /// Returns when the recovery ended.
    ///
    /// `None` while it is running.
    #[must_use]
    pub fn stop_time(&self) -> Option<SystemTime> {
        time_from_millis(Some(self.stop_millis))
    }
}

/// The response of `GET /_recovery`, read shard by shard. It contains every shard of the cluster,
/// and the client needs few of them.
#[derive(Debug)]
pub(crate) struct Recoveries {
    pieces: Pieces,
    /// The values that are being read: the document, in it an index, in that its list of shards.
    document: Option<Open>,
    index: Arc<str>,
    entry: Option<Open>,
    shards: Option<Open>,
    count: usize,
}

impl Recoveries {
    pub(crate) fn new(chunks: Chunks) -> Self {
        let (document, entry, shards) = (None, None, None);
        Self { pieces: Pieces::new(chunks), document, index: Arc::default(), entry, shards, count: 0 }
    }

    async fn advance(&mut self) -> Result<Option<ShardRecovery>, ReadError> {
        if self.document.is_none() {
            self.document = self.pieces.open(b'{').await?;
        }
        loop {
            if let Some(shards) = &mut self.shards {
                if self.pieces.next_in(shards).await? {
                    let shard = self.pieces.value().await?;
                    self.count += 1;
                    return Ok(Some(ShardRecovery::new(&self.index, shard)));
                }
                (self.shards, self.count) = (None, 0);
            } else if let Some(entry) = &mut self.entry {
                if !self.pieces.next_in(entry).await? {
                    self.entry = None;
                } else if self.pieces.key().await? == "shards" {
                    self.shards = self.pieces.open(b'[').await?;
                } else {
                    self.pieces.ignore().await?;
                }
            } else if let Some(document) = &mut self.document
                && self.pieces.next_in(document).await?
            {
                self.index = self.pieces.key().await?.into();
                self.entry = self.pieces.open(b'{').await?;
            } else {
                self.index = Arc::default();
                return self.pieces.end().await.map(|()| None);
            }
        }
    }

    /// Returns the JSON path of the value that is being read.
    fn path(&self) -> String {
        match (&self.entry, &self.shards) {
            (None, _) => self.index.to_string(),
            (Some(_), None) => format!("{}.shards", self.index),
            (Some(_), Some(_)) => format!("{}.shards[{}]", self.index, self.count),
        }
    }
}

impl Elements for Recoveries {
    type Element = ShardRecovery;

    async fn next(&mut self) -> Result<Option<ShardRecovery>, ReadError> {
        self.pieces.begin_element();
        self.advance().await.map_err(|error| error.within(self.path()))
    }

    fn position(&self) -> u64 {
        self.pieces.position()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::pieces::tests::{arriving, malformed, read_all};

    #[test]
    fn reads_both_responses_to_a_restore() {
        assert_eq!(serde_json::from_str::<RestoreResponse>(r#"{"accepted":true}"#).unwrap(), RestoreResponse::Accepted);
        let response =
            r#"{"snapshot":{"snapshot":"s1","indices":["logs"],"shards":{"total":3,"failed":1,"successful":2}}}"#;
        let RestoreResponse::Finished(summary) = serde_json::from_str(response).unwrap() else {
            panic!("not finished")
        };
        assert_eq!((summary.snapshot(), summary.indices()), ("s1", &["logs".to_owned()][..]));
        assert_eq!((summary.shards().total(), summary.shards().failed(), summary.shards().successful()), (3, 1, 2));
        assert!(serde_json::from_str::<RestoreResponse>("{}").is_err());
    }

    #[test]
    fn reads_a_recovery_with_its_source_and_progress() {
        let response = r#"{"restored":{"shards":[{"id":1,"type":"SNAPSHOT","stage":"DONE","primary":true,"start_time_in_millis":1714557600123,
            "stop_time_in_millis":1714557600223,"total_time_in_millis":100,
            "source":{"repository":"r","snapshot":"s","version":"7.10.2","index":"logs","restoreUUID":"x9"},"target":{"id":"n"},
            "index":{"size":{"total_in_bytes":100,"reused_in_bytes":0,"recovered_in_bytes":87,"percent":"87.0%"},
                     "files":{"total":4,"reused":0,"recovered":3,"percent":"75.0%"}},"translog":{"total":-1}}]},
            "other":{"shards":[{"id":0,"type":"REMOTE_STORE","stage":"INDEX","primary":false,"source":{},"index":{"size":{"total_in_bytes":-1}}}]}}"#;
        let recoveries: Vec<_> = read_all(Recoveries::new, response).unwrap();
        let [restored, other] = &recoveries[..] else { panic!("{recoveries:?}") };
        assert_eq!((restored.index(), restored.shard(), restored.primary()), ("restored", Some(1), true));
        assert_eq!((restored.kind(), restored.stage()), (&RecoveryType::Snapshot, &RecoveryStage::Done));
        assert_eq!((restored.source_repository(), restored.source_snapshot()), (Some("r"), Some("s")));
        assert_eq!((restored.source_index(), restored.restore_uuid()), (Some("logs"), Some("x9")));
        assert_eq!((restored.total_size(), restored.recovered_size()), (Some(100.into()), Some(87.into())));
        assert_eq!((restored.total_files(), restored.recovered_files()), (Some(4), Some(3)));
        let (start, stop) = (restored.start_time().unwrap(), restored.stop_time().unwrap());
        assert_eq!(start, SystemTime::UNIX_EPOCH + Duration::from_millis(1_714_557_600_123));
        assert_eq!(stop.duration_since(start).unwrap(), Duration::from_millis(100));
        assert_eq!(other.kind(), &RecoveryType::from("REMOTE_STORE"));
        assert_eq!((other.total_size(), other.stop_time(), other.source_repository()), (None, None, None));
    }

    #[test]
    fn reads_indices_without_shards_and_with_unknown_fields() {
        let read = |json| read_all(Recoveries::new, json);

        assert_eq!(read("{}").unwrap(), []);
        assert_eq!(read("null").unwrap(), []);
        let response =
            r#"{"a":{"shards":null},"b":null,"c":{"other":[{}],"shards":[]},"d":{"shards":[{"id":7}],"more":1}}"#;
        assert_eq!(
            read(response).unwrap().iter().map(|shard| (shard.index(), shard.shard())).collect::<Vec<_>>(),
            [("d", Some(7))]
        );
    }

    #[test]
    fn reports_the_path_of_a_malformed_recovery() {
        let failure = |json| malformed(Recoveries::new(arriving(json, 3)));

        assert_eq!(failure(r#"{"a":{"shards":[{},{"index":{"files":7}}]}}"#).path, "a.shards[1].index.files");
        assert_eq!(failure(r#"{"a":{"shards":{}}}"#).path, "a.shards");
        assert_eq!(failure(r#"{"a":[]}"#).path, "a");
        assert!(failure(r#"{"a":[]}"#).is_json && !failure(r#"{"a":{"shards":[{"#).is_json && !failure("{}{}").is_json);
    }

    proptest! {
        #[test]
        fn reading_recoveries_never_panics(stage in "[A-Z_]{0,6}", id in "-?[0-9]{0,12}", millis in any::<i64>()) {
            let response = json!({"i": {"shards": [{"id": id, "stage": stage, "start_time_in_millis": millis, "stop_time_in_millis": millis}]}});
            let recoveries: Vec<_> = read_all(Recoveries::new, &response.to_string()).unwrap();
            let _ = (recoveries[0].start_time(), recoveries[0].stop_time(), recoveries[0].shard());
        }
    }
}
