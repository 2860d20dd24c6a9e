//! Snapshots as the server describes them.

use std::time::{Duration, SystemTime};

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Outcome};
use crate::open::{OpenFields, with_unknown_fields};
use crate::ticket::TOKEN_KEY;
use crate::wire::{duration_from_millis, integer_or_text, null_as_default, open_vocabulary, time_from_millis};

/// How a create or a clone was started.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "CreatedResponse")]
pub(crate) enum CreatedSnapshot {
    /// The server responded that the snapshot has started.
    Accepted,
    /// The server responded that the snapshot has ended.
    Finished(Box<SnapshotInfo>),
    /// A check found this call's snapshot, running or ended.
    Adopted(Box<SnapshotInfo>),
}

#[derive(Deserialize)]
struct CreatedResponse {
    accepted: Option<bool>,
    snapshot: Option<Box<SnapshotInfo>>,
}

impl TryFrom<CreatedResponse> for CreatedSnapshot {
    type Error = &'static str;

    fn try_from(response: CreatedResponse) -> Result<Self, Self::Error> {
        match (response.snapshot, response.accepted) {
            (Some(snapshot), _) => Ok(Self::Finished(snapshot)),
            (None, Some(true)) => Ok(Self::Accepted),
            (None, _) => Err("neither `accepted` nor `snapshot`"),
        }
    }
}

open_vocabulary! {
    /// The state of a snapshot, as `GET /_snapshot/{repository}/{snapshot}` reports it.
    ///
    /// Only a snapshot in the state [`Success`](Self::Success) is complete.
    ///
    /// ```
    /// use es_snapshot::SnapshotState;
    ///
    /// assert_eq!(SnapshotState::from("PARTIAL"), SnapshotState::Partial);
    /// assert_eq!(SnapshotState::Partial.to_string(), "PARTIAL");
    /// ```
    SnapshotState {
        /// The snapshot is being taken or aborted.
        InProgress = "IN_PROGRESS",
        /// The snapshot contains every shard.
        Success = "SUCCESS",
        /// The snapshot lacks some shards.
        Partial = "PARTIAL",
        /// The snapshot contains nothing that can be restored.
        Failed = "FAILED",
        /// The snapshot was written by a version that this server cannot read.
        Incompatible = "INCOMPATIBLE",
    }
}

/// A snapshot as the server describes it.
///
/// A listing [without details](crate::ListSnapshots::with_verbose) contains only name, uuid,
/// indices and state. The other methods then return `None` or an empty value.
///
/// ```
/// use es_snapshot::{SnapshotInfo, SnapshotState};
///
/// let snapshot: SnapshotInfo = serde_json::from_str(
///     r#"{"snapshot":"monday","state":"SUCCESS","indices":["movies"],"end_time_in_millis":1500}"#,
/// )?;
/// assert_eq!(snapshot.name(), "monday");
/// assert_eq!(*snapshot.state(), SnapshotState::Success);
/// assert_eq!(snapshot.indices(), ["movies"]);
/// assert!(snapshot.end_time().is_some());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "WireSnapshot")]
pub struct SnapshotInfo {
    snapshot: String,
    uuid: Option<String>,
    repository: Option<String>,
    indices: Vec<String>,
    data_streams: Vec<String>,
    state: SnapshotState,
    /// The fields that a listing without details lacks. They are boxed, so that each snapshot of
    /// such a listing takes little memory.
    details: Option<Box<Details>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Details {
    version_id: Option<i64>,
    version: Option<String>,
    include_global_state: Option<bool>,
    metadata: Option<OpenFields>,
    reason: Option<String>,
    start_time_in_millis: Option<i64>,
    end_time_in_millis: Option<i64>,
    duration_in_millis: Option<i64>,
    failures: Vec<ShardFailure>,
    shards: Option<ShardCounts>,
    feature_states: Vec<FeatureState>,
    other: OpenFields,
}

/// A snapshot in the form of the REST API.
#[derive(Serialize, Deserialize)]
struct WireSnapshot {
    snapshot: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    indices: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    data_streams: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    include_global_state: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<OpenFields>,
    #[serde(default)]
    state: SnapshotState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_time_in_millis: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end_time_in_millis: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration_in_millis: Option<i64>,
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    failures: Vec<ShardFailure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shards: Option<ShardCounts>,
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    feature_states: Vec<FeatureState>,
    // The times as text. They have fields here so that `other` does not keep them.
    #[serde(default, skip_serializing)]
    #[expect(dead_code, reason = "read and dropped")]
    start_time: IgnoredAny,
    #[serde(default, skip_serializing)]
    #[expect(dead_code, reason = "read and dropped")]
    end_time: IgnoredAny,
    #[serde(default, skip_serializing)]
    #[expect(dead_code, reason = "read and dropped")]
    duration: IgnoredAny,
    #[serde(flatten, skip_deserializing)]
    other: OpenFields,
}

impl<'de> Deserialize<'de> for SnapshotInfo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (wire, other): (WireSnapshot, _) = with_unknown_fields(deserializer)?;
        Ok(WireSnapshot { other, ..wire }.into())
    }
}

/// A snapshot, read without the fields that this crate does not know.
#[derive(Deserialize)]
#[serde(from = "WireSnapshot")]
pub(super) struct WithoutUnknownFields(pub(super) SnapshotInfo);

impl From<WireSnapshot> for WithoutUnknownFields {
    fn from(wire: WireSnapshot) -> Self {
        Self(wire.into())
    }
}

impl From<WireSnapshot> for SnapshotInfo {
    fn from(wire: WireSnapshot) -> Self {
        let details = Details {
            version_id: wire.version_id,
            version: wire.version,
            include_global_state: wire.include_global_state,
            metadata: wire.metadata,
            reason: wire.reason,
            start_time_in_millis: wire.start_time_in_millis,
            end_time_in_millis: wire.end_time_in_millis,
            duration_in_millis: wire.duration_in_millis,
            failures: wire.failures,
            shards: wire.shards,
            feature_states: wire.feature_states,
            other: wire.other,
        };
        Self {
            snapshot: wire.snapshot,
            uuid: wire.uuid,
            repository: wire.repository,
            indices: wire.indices,
            data_streams: wire.data_streams,
            state: wire.state,
            details: (details != Details::default()).then(|| Box::new(details)),
        }
    }
}

impl From<SnapshotInfo> for WireSnapshot {
    fn from(snapshot: SnapshotInfo) -> Self {
        let details = snapshot.details.map(|details| *details).unwrap_or_default();
        Self {
            snapshot: snapshot.snapshot,
            uuid: snapshot.uuid,
            repository: snapshot.repository,
            indices: snapshot.indices,
            data_streams: snapshot.data_streams,
            state: snapshot.state,
            version_id: details.version_id,
            version: details.version,
            include_global_state: details.include_global_state,
            metadata: details.metadata,
            reason: details.reason,
            start_time_in_millis: details.start_time_in_millis,
            end_time_in_millis: details.end_time_in_millis,
            duration_in_millis: details.duration_in_millis,
            failures: details.failures,
            shards: details.shards,
            feature_states: details.feature_states,
            other: details.other,
            start_time: IgnoredAny,
            end_time: IgnoredAny,
            duration: IgnoredAny,
        }
    }
}

impl SnapshotInfo {
    pub(crate) fn without_unknown_fields(mut self) -> Self {
        if let Some(details) = &mut self.details {
            details.other = OpenFields::NONE;
        }
        self
    }

    /// Returns the name as the server wrote it.
    ///
    /// Use `parse` to get a [`SnapshotName`](crate::name::SnapshotName).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.snapshot
    }

    /// Returns the id. A later snapshot of the same name has another one.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.uuid.as_deref()
    }

    /// Returns the repository's name. Elasticsearch 7.14 and later.
    #[must_use]
    pub fn repository(&self) -> Option<&str> {
        self.repository.as_deref()
    }

    /// Returns the version of the server that took the snapshot.
    ///
    /// It may differ from the server's version number. Elasticsearch 8.10 and later write ranges
    /// such as `8.11.0-8.12.0`. An Amazon domain with Elasticsearch 7.10 writes `7.9.1`.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.details.as_ref()?.version.as_deref()
    }

    /// Returns the version as a number. Elasticsearch and OpenSearch encode it differently.
    #[must_use]
    pub fn version_id(&self) -> Option<i64> {
        self.details.as_ref()?.version_id
    }

    /// Returns the indices in the snapshot, including the backing indices of data streams.
    #[must_use]
    pub fn indices(&self) -> &[String] {
        &self.indices
    }

    /// Returns the data streams in the snapshot.
    #[must_use]
    pub fn data_streams(&self) -> &[String] {
        &self.data_streams
    }

    /// Returns whether the snapshot contains the cluster state.
    #[must_use]
    pub fn include_global_state(&self) -> Option<bool> {
        self.details.as_ref()?.include_global_state
    }

    /// Returns the metadata that was stored with the snapshot, including the client's token.
    ///
    /// [`CreateSnapshot::with_metadata`](crate::CreateSnapshot::with_metadata) sets it.
    #[must_use]
    pub fn metadata(&self) -> Option<&Map<String, Value>> {
        self.details.as_ref()?.metadata.as_ref().map(OpenFields::get)
    }

    /// Returns the state. It is the empty [`Other`](SnapshotState::Other) if the server sent none.
    #[must_use]
    pub fn state(&self) -> &SnapshotState {
        &self.state
    }

    /// Returns why the snapshot failed, if the server reports a reason.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.details.as_ref()?.reason.as_deref()
    }

    /// Returns when the snapshot started.
    #[must_use]
    pub fn start_time(&self) -> Option<SystemTime> {
        time_from_millis(self.details.as_ref()?.start_time_in_millis)
    }

    /// Returns when the snapshot ended. `None` while it runs.
    #[must_use]
    pub fn end_time(&self) -> Option<SystemTime> {
        time_from_millis(self.details.as_ref()?.end_time_in_millis)
    }

    /// Returns how long the snapshot took. `None` while it runs.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.end_time()?;
        duration_from_millis(self.details.as_ref()?.duration_in_millis)
    }

    /// Returns the shards that are not in the snapshot, and why. Empty while it runs.
    #[must_use]
    pub fn failures(&self) -> &[ShardFailure] {
        self.details.as_ref().map_or(&[], |details| &details.failures)
    }

    /// Returns the shard counts.
    ///
    /// All are 0 while the snapshot runs, except on Elasticsearch 8 and later.
    #[must_use]
    pub fn shards(&self) -> Option<ShardCounts> {
        self.details.as_ref()?.shards
    }

    /// Returns the feature states in the snapshot. Elasticsearch 7.12 and later.
    #[must_use]
    pub fn feature_states(&self) -> &[FeatureState] {
        self.details.as_ref().map_or(&[], |details| &details.feature_states)
    }

    /// Returns the fields of the response that this crate does not know.
    ///
    /// A listing keeps them only if
    /// [`with_unknown_fields`](crate::ListSnapshots::with_unknown_fields) is set.
    #[must_use]
    pub fn other(&self) -> &Map<String, Value> {
        static NOTHING: OpenFields = OpenFields::NONE;
        self.details.as_ref().map_or(&NOTHING, |details| &details.other).get()
    }

    /// Returns the [token](crate::snapshot::SnapshotToken) in the snapshot's metadata.
    ///
    /// The client recognises the snapshot of a call by it.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.metadata()?.get(TOKEN_KEY)?.as_str()
    }

    /// Returns whether the snapshot contains every shard.
    ///
    /// Its state is then [`Success`](SnapshotState::Success).
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == SnapshotState::Success
    }

    /// Returns the snapshot if it [is complete](Self::is_complete).
    ///
    /// # Errors
    ///
    /// [`Incomplete`](ErrorKind::Incomplete) in any other state. The error contains the number of
    /// failed shards and the first three reasons.
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::{ErrorKind, SnapshotInfo};
    ///
    /// let snapshot: SnapshotInfo =
    ///     serde_json::from_str(r#"{"snapshot":"monday","state":"PARTIAL"}"#)?;
    /// assert_eq!(snapshot.into_complete().unwrap_err().kind(), ErrorKind::Incomplete);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn into_complete(self) -> Result<Self, Error> {
        if self.is_complete() {
            return Ok(self);
        }
        Err(Error::new(ErrorKind::Incomplete, Outcome::Rejected, self.incomplete_message()))
    }

    fn incomplete_message(&self) -> String {
        const SHOWN: usize = 3;
        let mut text = format!(
            "snapshot {:?} is {}",
            self.snapshot,
            if self.state.as_str().is_empty() { "without a state" } else { self.state.as_str() }
        );
        if let Some(reason) = self.reason() {
            text = format!("{text}: {reason}");
        }
        if let Some(shards) = self.shards().filter(|shards| shards.failed > 0) {
            text = format!("{text}; {} of {} shards failed", shards.failed, shards.total);
        }
        for failure in self.failures().iter().take(SHOWN) {
            let shard = failure.shard_id.map(|id| format!("[{id}]")).unwrap_or_default();
            text = format!("{text}; {}{shard}: {}", failure.index, failure.reason().unwrap_or("no reason given"));
        }
        match self.failures().len().checked_sub(SHOWN) {
            None | Some(0) => text,
            Some(more) => format!("{text}; and {more} more"),
        }
    }
}

/// A shard that is not in a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardFailure {
    #[serde(deserialize_with = "null_as_default")]
    index: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    index_uuid: Option<String>,
    #[serde(deserialize_with = "integer_or_text", skip_serializing_if = "Option::is_none")]
    shard_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
}

impl ShardFailure {
    /// Returns the name of the index.
    #[must_use]
    pub fn index(&self) -> &str {
        &self.index
    }

    /// Returns the id of the index. Elasticsearch 7 and OpenSearch write the name here.
    #[must_use]
    pub fn index_uuid(&self) -> Option<&str> {
        self.index_uuid.as_deref()
    }

    /// Returns the number of the shard within its index.
    #[must_use]
    pub fn shard_id(&self) -> Option<u32> {
        self.shard_id
    }

    /// Returns why the shard failed.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Returns the id of the node that should have written the shard.
    #[must_use]
    pub fn node_id(&self) -> Option<&str> {
        self.node_id.as_deref()
    }

    /// Returns the name of the HTTP status, such as `INTERNAL_SERVER_ERROR`.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }
}

/// How many shards of a snapshot or a restore succeeded and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardCounts {
    total: u64,
    failed: u64,
    successful: u64,
}

impl ShardCounts {
    /// Returns the number of all shards.
    #[must_use]
    pub fn total(self) -> u64 {
        self.total
    }

    /// Returns the number of shards that failed.
    #[must_use]
    pub fn failed(self) -> u64 {
        self.failed
    }

    /// Returns the number of shards that succeeded.
    #[must_use]
    pub fn successful(self) -> u64 {
        self.successful
    }
}

/// The state of a feature in a snapshot: the feature and its system indices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeatureState {
    feature_name: String,
    #[serde(deserialize_with = "null_as_default")]
    indices: Vec<String>,
}

impl FeatureState {
    /// Returns the name of the feature, such as `kibana`.
    #[must_use]
    pub fn feature_name(&self) -> &str {
        &self.feature_name
    }

    /// Returns the system indices of the feature.
    #[must_use]
    pub fn indices(&self) -> &[String] {
        &self.indices
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::SnapshotElements;
    use super::*;
    use crate::pieces::tests::read_all;

    /// The response of an Amazon domain with Elasticsearch 7.10.
    const FINISHED: &str = r#"{"snapshots":[{"snapshot":"my-first-snapshot","uuid":"lw31y3buT1iJyV-09Gy85Q","version_id":7090199,"version":"7.9.1",
        "indices":["movies",".kibana_1"],"data_streams":[],"include_global_state":true,"state":"SUCCESS","start_time":"2021-06-04T07:43:34.170Z",
        "start_time_in_millis":1622792614170,"end_time":"2021-06-04T07:43:34.770Z","end_time_in_millis":1622792614770,"duration_in_millis":600,
        "failures":[],"shards":{"total":6,"failed":0,"successful":6}}]}"#;

    const RUNNING: &str = r#"{"snapshots":[{"snapshot":"s1","uuid":"bT3","version_id":7100299,"version":"7.10.2","indices":["logs"],"data_streams":[],
        "include_global_state":true,"state":"IN_PROGRESS","start_time":"2024-05-01T10:00:00.123Z","start_time_in_millis":1714557600123,
        "end_time":"1970-01-01T00:00:00.000Z","end_time_in_millis":0,"duration_in_millis":0,"failures":[],
        "shards":{"total":0,"failed":0,"successful":0}}]}"#;

    const PARTIAL: &str = r#"{"snapshot":"s2","state":"PARTIAL","shards":{"total":5,"failed":4,"successful":1},"failures":[
        {"index":"logs","index_uuid":"logs","shard_id":1,"reason":"disk full","node_id":"n1","status":"INTERNAL_SERVER_ERROR"},
        {"index":"logs","shard_id":"2","reason":null,"status":"INTERNAL_SERVER_ERROR"},{"index":"a"},{"index":"b"}]}"#;

    fn list(response: &str) -> Vec<SnapshotInfo> {
        read_all(|chunks| SnapshotElements::new(chunks, true), response).unwrap()
    }

    fn millis(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn reads_every_field_of_a_finished_snapshot() {
        let response = list(FINISHED);
        let snapshot = &response[0];
        assert_eq!(snapshot.name(), "my-first-snapshot");
        assert_eq!(snapshot.uuid(), Some("lw31y3buT1iJyV-09Gy85Q"));
        assert_eq!((snapshot.version(), snapshot.version_id()), (Some("7.9.1"), Some(7_090_199)));
        assert_eq!(snapshot.indices(), ["movies", ".kibana_1"]);
        assert!(snapshot.data_streams().is_empty());
        assert_eq!(snapshot.include_global_state(), Some(true));
        assert_eq!(snapshot.state(), &SnapshotState::Success);
        assert_eq!(snapshot.start_time(), Some(millis(1_622_792_614_170)));
        assert_eq!(snapshot.end_time(), Some(millis(1_622_792_614_770)));
        assert_eq!(snapshot.duration(), Some(Duration::from_millis(600)));
        assert!(snapshot.failures().is_empty());
        assert_eq!(snapshot.shards(), Some(ShardCounts { total: 6, failed: 0, successful: 6 }));
        assert!(snapshot.other().is_empty());
        assert!(snapshot.metadata().is_none() && snapshot.reason().is_none() && snapshot.repository().is_none());
    }

    #[test]
    fn returns_neither_end_nor_duration_of_a_running_snapshot() {
        let response = list(RUNNING);
        let snapshot = &response[0];
        assert_eq!(snapshot.state(), &SnapshotState::InProgress);
        assert_eq!(snapshot.start_time(), Some(millis(1_714_557_600_123)));
        assert_eq!((snapshot.end_time(), snapshot.duration()), (None, None));
    }

    #[test]
    fn reads_a_listing_without_details() {
        let response = list(
            r#"{"snapshots":[{"snapshot":"s0","uuid":"aa","indices":["logs"],"data_streams":[],"state":"SUCCESS"}]}"#,
        );
        let snapshot = &response[0];
        assert_eq!((snapshot.state(), snapshot.shards()), (&SnapshotState::Success, None));
        assert_eq!((snapshot.start_time(), snapshot.duration()), (None, None));
    }

    #[test]
    fn reads_the_additional_fields_of_elasticsearch_8() {
        let response = list(
            r#"{"snapshots":[{"snapshot":"s","uuid":"u","repository":"r","version_id":8505000,"version":"8.11.0-8.12.0","indices":[],"data_streams":["d"],
            "feature_states":[{"feature_name":"kibana","indices":[".kibana_1"]}],"metadata":{"policy":"nightly"},"state":"PAUSED","index_details":{}}],
            "total":3,"remaining":2,"next":"c3Vy"}"#,
        );
        let snapshot = &response[0];
        assert_eq!((snapshot.repository(), snapshot.data_streams()), (Some("r"), &["d".to_owned()][..]));
        assert_eq!(snapshot.feature_states()[0].feature_name(), "kibana");
        assert_eq!(snapshot.feature_states()[0].indices(), [".kibana_1"]);
        assert_eq!(snapshot.metadata().and_then(|metadata| metadata.get("policy")), Some(&json!("nightly")));
        assert_eq!(snapshot.state(), &SnapshotState::from("PAUSED"));
        assert_eq!(snapshot.other().get("index_details"), Some(&json!({})));
    }

    #[test]
    fn requires_only_the_name_and_reads_null_as_absent() {
        let snapshot: SnapshotInfo = serde_json::from_str(
            r#"{"snapshot":"Odd Name","state":null,"indices":null,"failures":null,"shards":null,"uuid":null,"metadata":null,"end_time_in_millis":null}"#,
        )
        .unwrap();
        let bare: SnapshotInfo = serde_json::from_str(r#"{"snapshot":"Odd Name"}"#).unwrap();
        assert_eq!(snapshot, bare);
        assert_eq!(bare.name(), "Odd Name");
        assert_eq!(bare.state().as_str(), "");
    }

    #[test]
    fn returns_each_failed_shard() {
        let snapshot: SnapshotInfo = serde_json::from_str(PARTIAL).unwrap();
        let [first, second, ..] = snapshot.failures() else { panic!("{snapshot:?}") };
        assert_eq!((first.index(), first.shard_id(), first.reason()), ("logs", Some(1), Some("disk full")));
        assert_eq!(
            (first.node_id(), first.index_uuid(), first.status()),
            (Some("n1"), Some("logs"), Some("INTERNAL_SERVER_ERROR"))
        );
        assert_eq!((second.shard_id(), second.reason()), (Some(2), None));
    }

    #[test]
    fn treats_only_success_as_complete() {
        for state in ["IN_PROGRESS", "PARTIAL", "FAILED", "INCOMPATIBLE", "PAUSED", ""] {
            let snapshot: SnapshotInfo = serde_json::from_value(json!({"snapshot": "s", "state": state})).unwrap();
            let error = snapshot.into_complete().unwrap_err();
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Incomplete, Outcome::Rejected), "{state}");
        }
        let [snapshot] = <[SnapshotInfo; 1]>::try_from(list(FINISHED)).unwrap();
        assert!(snapshot.into_complete().is_ok());
    }

    #[test]
    fn reports_state_and_failed_shards_of_an_incomplete_snapshot() {
        let snapshot: SnapshotInfo = serde_json::from_str(PARTIAL).unwrap();
        assert_eq!(
            snapshot.into_complete().unwrap_err().to_string(),
            r#"not complete: snapshot "s2" is PARTIAL; 4 of 5 shards failed; logs[1]: disk full; logs[2]: no reason given; a: no reason given; and 1 more"#
        );
    }

    #[test]
    fn reads_both_responses_to_a_create() {
        assert_eq!(serde_json::from_str::<CreatedSnapshot>(r#"{"accepted":true}"#).unwrap(), CreatedSnapshot::Accepted);
        let finished: CreatedSnapshot = serde_json::from_str(&format!(r#"{{"snapshot":{PARTIAL}}}"#)).unwrap();
        assert!(matches!(finished, CreatedSnapshot::Finished(snapshot) if snapshot.state() == &SnapshotState::Partial));
        assert!(serde_json::from_str::<CreatedSnapshot>("{}").is_err());
        assert!(serde_json::from_str::<CreatedSnapshot>(r#"{"accepted":false}"#).is_err());
    }

    fn arbitrary_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[A-Z_a-z0-9]{0,6}".prop_map(Value::from),
        ];
        let key = "snapshots?|state|indices|shards|failures|total|responses|start_time_in_millis|end_time_in_millis|duration_in_millis|shard_id|[a-z]{1,3}";
        leaf.prop_recursive(4, 32, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(key, inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn never_panics_on_any_json(value in arbitrary_json()) {
            let mut named = value.clone();
            if let Value::Object(map) = &mut named {
                map.insert("snapshot".to_owned(), json!("s"));
            }
            if let Ok(snapshot) = serde_json::from_value::<SnapshotInfo>(named) {
                let _ = (snapshot.start_time(), snapshot.end_time(), snapshot.duration(), snapshot.into_complete());
            }
            let _ = read_all(|chunks| SnapshotElements::new(chunks, true), &value.to_string());
            let _ = serde_json::from_value::<CreatedSnapshot>(value);
        }

        #[test]
        fn reads_the_snapshot_that_it_has_written(
            name in ".{0,8}",
            state in "IN_PROGRESS|SUCCESS|[A-Z]{0,4}",
            times in any::<(Option<i64>, Option<i64>, Option<i64>)>(),
            indices in proptest::collection::vec("[a-z]{1,4}", 0..3),
            shard in any::<Option<u32>>(),
            extra in any::<bool>(),
        ) {
            let snapshot: SnapshotInfo = serde_json::from_value(json!({"snapshot": name, "state": state, "start_time_in_millis": times.0,
                "end_time_in_millis": times.1, "duration_in_millis": times.2, "start_time": "2024", "indices": indices,
                "failures": [{"index": "i", "shard_id": shard}], "pinned_timestamp": extra})).unwrap();
            let again: SnapshotInfo = serde_json::from_value(serde_json::to_value(&snapshot).unwrap()).unwrap();
            prop_assert_eq!(again, snapshot);
        }
    }
}
