//! Restores: what is asked for, and how far the domain is.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::name::{IndexPattern, matches_wildcard};
use crate::snapshot::ShardCounts;
use crate::units::{ByteSize, count, integer_or_text, laid_over, moment, null_as_default, open_vocabulary};

/// What is restored from a snapshot, and under which names. Only what is set is sent, except that
/// [`include_global_state`](Self::include_global_state) always is.
///
/// Elasticsearch/OpenSearch REST API, restore snapshot.
///
/// ```
/// use es_snapshot::RestoreSnapshot;
///
/// let options = RestoreSnapshot::new().indices(["movies"]).rename("(.+)", "restored-$1");
/// assert_eq!(
///     serde_json::to_value(&options).unwrap(),
///     serde_json::json!({"indices": ["movies"], "include_global_state": false, "rename_pattern": "(.+)", "rename_replacement": "restored-$1"}),
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct RestoreSnapshot {
    #[serde(flatten)]
    typed: Typed,
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// The options that have a method of their own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Typed {
    #[serde(skip_serializing_if = "Option::is_none")]
    indices: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_unavailable: Option<bool>,
    include_global_state: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_aliases: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature_states: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rename_pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rename_replacement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index_settings: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_index_settings: Option<Vec<String>>,
}

impl RestoreSnapshot {
    /// Every index and data stream of the snapshot, under their names, without the cluster state.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The indices and data streams to restore: names, wildcards, `-exclusions`. Each is checked as an [`IndexPattern`] before
    /// anything is sent. Server's default, and the meaning of an empty list: all.
    ///
    /// On a domain with fine-grained access control prefer a list of names: patterns that exclude system indices may be refused all the same.
    #[must_use]
    pub fn indices<I>(mut self, patterns: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.typed.indices = Some(patterns.into_iter().map(|pattern| pattern.as_ref().to_owned()).collect());
        self
    }

    /// Whether named indices that are not in the snapshot are passed over. Server's default: no, they make the call fail.
    #[must_use]
    pub fn ignore_unavailable(mut self, ignore: bool) -> Self {
        self.typed.ignore_unavailable = Some(ignore);
        self
    }

    /// Whether the cluster state is restored, which overwrites templates and persistent settings. Default: no, and said so to the
    /// server. Domains with fine-grained access control refuse it.
    #[must_use]
    pub fn include_global_state(mut self, include: bool) -> Self {
        self.typed.include_global_state = include;
        self
    }

    /// Whether aliases are restored with their indices. Server's default: yes.
    #[must_use]
    pub fn include_aliases(mut self, include: bool) -> Self {
        self.typed.include_aliases = Some(include);
        self
    }

    /// Whether an index may be restored that is not wholly in the snapshot; its missing shards come back empty. Server's default: no.
    #[must_use]
    pub fn partial(mut self, partial: bool) -> Self {
        self.typed.partial = Some(partial);
        self
    }

    /// The features whose state is restored, or `none` alone. Elasticsearch 7.12 and later; other servers refuse it.
    #[must_use]
    pub fn feature_states<I>(mut self, features: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.typed.feature_states = Some(features.into_iter().map(Into::into).collect());
        self
    }

    /// Renames what is restored: a Java regular expression, and the replacement with `$1` for its first group.
    #[must_use]
    pub fn rename(mut self, pattern: impl Into<String>, replacement: impl Into<String>) -> Self {
        self.typed.rename_pattern = Some(pattern.into());
        self.typed.rename_replacement = Some(replacement.into());
        self
    }

    /// Settings that every restored index gets in place of its own, such as `index.number_of_replicas`.
    #[must_use]
    pub fn index_settings(mut self, settings: Map<String, Value>) -> Self {
        self.typed.index_settings = Some(settings);
        self
    }

    /// Settings that are not restored, so that the cluster's defaults hold. Wildcards are allowed.
    #[must_use]
    pub fn ignore_index_settings<I>(mut self, settings: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.typed.ignore_index_settings = Some(settings.into_iter().map(Into::into).collect());
        self
    }

    /// An option of certain versions, such as OpenSearch's `storage_type`. Servers refuse options they do not know. Where a method
    /// of this type sets the same key, the method's value holds.
    #[must_use]
    pub fn setting(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.other.insert(key.into(), value.into());
        self
    }

    /// Whether it may restore what no open index would keep from being restored twice.
    pub(crate) fn restores_global_state(&self) -> bool {
        self.typed.include_global_state || self.sets("feature_states", self.typed.feature_states.is_some())
    }

    fn renames(&self) -> bool {
        self.sets("rename_pattern", self.typed.rename_pattern.is_some())
    }

    /// Whether an option is set, by its own method or by [`setting`](Self::setting).
    fn sets(&self, key: &str, typed: bool) -> bool {
        typed || self.other.contains_key(key)
    }

    /// Whether these options can have restored an index of this name in the snapshot (if that is known) to one of that name.
    pub(crate) fn can_restore(&self, source: Option<&str>, target: &str) -> bool {
        match source {
            Some(source) => self.selects(source) && (self.renames() || source == target),
            None if self.renames() => self.starts_from_all() || self.patterns().iter().any(|name| self.renamed(name, target)),
            None => self.selects(target),
        }
    }

    /// The patterns of the indices asked for, however they are set: the server takes a list, and a text with commas.
    fn patterns(&self) -> Vec<&str> {
        let patterns: Vec<&str> = match (&self.typed.indices, self.other.get("indices")) {
            (Some(patterns), _) => patterns.iter().map(String::as_str).collect(),
            (None, Some(Value::Array(patterns))) => patterns.iter().filter_map(Value::as_str).collect(),
            (None, Some(Value::String(patterns))) => patterns.split(',').collect(),
            (None, _) => Vec::new(),
        };
        patterns.into_iter().map(|pattern| pattern.strip_prefix('+').unwrap_or(pattern)).collect()
    }

    fn starts_from_all(&self) -> bool {
        self.patterns().first().is_none_or(|first| first.starts_with('-'))
    }

    /// Whether an index of the snapshot can be among those asked for, of which the last that fits decides. Indices of data
    /// streams and features, which go by other names, always can.
    fn selects(&self, index: &str) -> bool {
        let selected = self.patterns().into_iter().fold(self.starts_from_all(), |selected, pattern| {
            let (adds, pattern) = pattern.strip_prefix('-').map_or((true, pattern), |excluded| (false, excluded));
            match pattern {
                "_all" => adds,
                // Only the server can work a date out.
                _ if pattern.starts_with('<') => selected || adds,
                _ if matches_wildcard(pattern, index) => adds,
                _ => selected,
            }
        });
        selected || index.starts_with('.') || index.contains(".ds-")
    }

    /// Whether the target is what renaming makes of indices of this pattern, each of its groups being all of the name.
    /// A regular expression of other groups is known by nothing but the shards' sources.
    fn renamed(&self, pattern: &str, target: &str) -> bool {
        let other = || self.other.get("rename_replacement").and_then(Value::as_str);
        let Some(replacement) = self.typed.rename_replacement.as_deref().or_else(other) else { return false };
        let mut pieces = replacement.split('$');
        let mut name = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let behind = match piece.strip_prefix('{') {
                Some(named) => named.split_once('}').map(|(_, behind)| behind),
                None => Some(piece.trim_start_matches(|c: char| c.is_ascii_digit())).filter(|behind| behind.len() < piece.len()),
            };
            match behind {
                Some(behind) => name.extend([pattern, behind]),
                None => name.extend(["$", piece]),
            }
        }
        matches_wildcard(&name, target)
    }

    /// What can be told to be wrong before anything is sent.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        for pattern in self.typed.indices.iter().flatten() {
            pattern.parse::<IndexPattern>()?;
        }
        match (&self.typed.rename_pattern, &self.typed.rename_replacement) {
            (None, None) => Ok(()),
            (Some(pattern), Some(_)) if !pattern.is_empty() => Ok(()),
            _ => Err(Error::invalid("renaming needs both a pattern that is not empty and a replacement")),
        }
    }
}

impl Serialize for RestoreSnapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        laid_over(&self.other, &self.typed).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

/// The answer to a restore. Either form may come, whether or not one waits for the end.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "StartedReply")]
#[non_exhaustive]
pub enum StartedRestore {
    /// The restore has begun.
    Accepted,
    /// The restore has ended, or there was nothing to do; shards may have failed.
    Finished(RestoreSummary),
    /// The answer was lost, and the domain was asked: an index that these options can mean is being or has been restored
    /// from the snapshot, by a restore that was not there before. Probable, not certain, to be this call's doing: the API has
    /// no mark for a restore.
    Adopted,
}

#[derive(Deserialize)]
struct StartedReply {
    accepted: Option<bool>,
    snapshot: Option<RestoreSummary>,
}

impl TryFrom<StartedReply> for StartedRestore {
    type Error = &'static str;

    fn try_from(reply: StartedReply) -> Result<Self, Self::Error> {
        match (reply.snapshot, reply.accepted) {
            (Some(summary), _) => Ok(Self::Finished(summary)),
            (None, Some(true)) => Ok(Self::Accepted),
            (None, _) => Err("neither `accepted` nor `snapshot`"),
        }
    }
}

/// How a restore ended.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RestoreSummary {
    snapshot: String,
    #[serde(default, deserialize_with = "null_as_default")]
    indices: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    shards: ShardCounts,
}

impl RestoreSummary {
    /// The snapshot's name as the domain wrote it.
    #[must_use]
    pub fn snapshot(&self) -> &str {
        &self.snapshot
    }

    /// The restored indices, under their new names.
    #[must_use]
    pub fn indices(&self) -> &[String] {
        &self.indices
    }

    /// The restored primary shards.
    #[must_use]
    pub fn shards(&self) -> ShardCounts {
        self.shards
    }
}

open_vocabulary! {
    /// Where a shard's data comes from.
    RecoveryType {
        /// Nowhere: a new index.
        EmptyStore = "EMPTY_STORE",
        /// The node's own disk.
        ExistingStore = "EXISTING_STORE",
        /// Shards on the same node, as in a shrink.
        LocalShards = "LOCAL_SHARDS",
        /// The primary shard on another node.
        Peer = "PEER",
        /// A snapshot: a restore.
        Snapshot = "SNAPSHOT",
    }
}

open_vocabulary! {
    /// How far the recovery of a shard is.
    RecoveryStage {
        /// Not begun.
        Init = "INIT",
        /// Files are being copied.
        Index = "INDEX",
        /// The files are being checked.
        VerifyIndex = "VERIFY_INDEX",
        /// Operations are being replayed.
        Translog = "TRANSLOG",
        /// The last touches.
        Finalize = "FINALIZE",
        /// Done.
        Done = "DONE",
    }
}

/// The recovery of one shard, of a restore or of anything else.
///
/// A restore is finished when all primary shards of its indices whose [`kind`](Self::kind) is [`Snapshot`](RecoveryType::Snapshot) are
/// [`Done`](RecoveryStage::Done). A shard that failed or waits is not listed.
#[derive(Clone, Debug, PartialEq)]
pub struct ShardRecovery {
    index: String,
    shard: WireRecovery,
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
    /// The index, under its new name.
    #[must_use]
    pub fn index(&self) -> &str {
        &self.index
    }

    /// The number of the shard.
    #[must_use]
    pub fn shard(&self) -> Option<u32> {
        self.shard.id
    }

    /// Where the data comes from.
    #[must_use]
    pub fn kind(&self) -> &RecoveryType {
        &self.shard.r#type
    }

    /// How far it is.
    #[must_use]
    pub fn stage(&self) -> &RecoveryStage {
        &self.shard.stage
    }

    /// Whether it is the primary shard.
    #[must_use]
    pub fn primary(&self) -> bool {
        self.shard.primary
    }

    /// The repository it is restored from.
    #[must_use]
    pub fn source_repository(&self) -> Option<&str> {
        self.shard.source.repository.as_deref()
    }

    /// The snapshot it is restored from.
    #[must_use]
    pub fn source_snapshot(&self) -> Option<&str> {
        self.shard.source.snapshot.as_deref()
    }

    /// The index's name in the snapshot.
    #[must_use]
    pub fn source_index(&self) -> Option<&str> {
        self.shard.source.index.as_deref()
    }

    /// The id of the restore, the same for all its shards.
    #[must_use]
    pub fn restore_uuid(&self) -> Option<&str> {
        self.shard.source.restore_uuid.as_deref()
    }

    /// The size of all files; `None` if not known yet.
    #[must_use]
    pub fn total_size(&self) -> Option<ByteSize> {
        count(self.shard.index.size.total_in_bytes).map(ByteSize::from)
    }

    /// The size of what has been copied.
    #[must_use]
    pub fn recovered_size(&self) -> Option<ByteSize> {
        count(self.shard.index.size.recovered_in_bytes).map(ByteSize::from)
    }

    /// The number of all files; `None` if not known yet.
    #[must_use]
    pub fn total_files(&self) -> Option<u64> {
        count(self.shard.index.files.total)
    }

    /// The number of files that have been copied.
    #[must_use]
    pub fn recovered_files(&self) -> Option<u64> {
        count(self.shard.index.files.recovered)
    }

    /// When it began.
    #[must_use]
    pub fn start_time(&self) -> Option<SystemTime> {
        moment(self.shard.start_time_in_millis)
    }

    /// When it ended; `None` while it runs.
    #[must_use]
    pub fn stop_time(&self) -> Option<SystemTime> {
        moment(self.shard.stop_time_in_millis)
    }
}

/// The reply of `GET /_recovery`, in the order of indices.
#[derive(Debug)]
pub(crate) struct RecoveryMap(pub(crate) Vec<ShardRecovery>);

impl<'de> Deserialize<'de> for RecoveryMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Shards {
            #[serde(default, deserialize_with = "null_as_default")]
            shards: Vec<WireRecovery>,
        }
        let mut all = Vec::new();
        for (index, Shards { shards }) in BTreeMap::<String, Shards>::deserialize(deserializer)? {
            all.extend(shards.into_iter().map(|shard| ShardRecovery { index: index.clone(), shard }));
        }
        Ok(Self(all))
    }
}

/// A row of `GET /_cat/shards?format=json&h=index,shard,prirep,state,unassigned.reason,unassigned.details`: there a shard is seen
/// that could not be restored, which no recovery lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ShardRow {
    pub(crate) index: String,
    #[serde(deserialize_with = "integer_or_text")]
    pub(crate) shard: Option<u32>,
    /// `p` or `r`.
    pub(crate) prirep: String,
    /// `STARTED`, `INITIALIZING`, `RELOCATING` or `UNASSIGNED`.
    pub(crate) state: String,
    #[serde(rename = "unassigned.reason")]
    pub(crate) unassigned_reason: Option<String>,
    #[serde(rename = "unassigned.details")]
    pub(crate) unassigned_details: Option<String>,
}

impl ShardRow {
    /// Whether nodes have tried to take the shard and could not.
    pub(crate) fn has_failed(&self) -> bool {
        self.state == "UNASSIGNED" && self.unassigned_reason.as_deref() == Some("ALLOCATION_FAILED")
    }
}

/// The reply of `POST /_cluster/allocation/explain`, as far as a restore is concerned.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AllocationExplanation {
    #[serde(deserialize_with = "null_as_default")]
    node_allocation_decisions: Vec<NodeDecision>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeDecision {
    #[serde(deserialize_with = "null_as_default")]
    deciders: Vec<Ruling>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ruling {
    decider: String,
    decision: String,
    explanation: String,
}

impl AllocationExplanation {
    /// Why the engine has given the shard's restore up, if it has: no node could take the shard when it was to begin. It does
    /// not try again by itself, even when a node can.
    pub(crate) fn given_up(&self) -> Option<String> {
        const RESTORE: &str = "restore_in_progress";
        let against = || self.node_allocation_decisions.iter().flat_map(|node| &node.deciders).filter(|one| one.decision == "NO");
        let verdict = against().find(|one| one.decider == RESTORE)?;
        let why = against().find(|one| one.decider != RESTORE);
        Some(match why {
            Some(why) => format!("{}; {}", why.explanation, verdict.explanation),
            None => verdict.explanation.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_cluster_state_is_always_declined_unless_wanted() {
        assert_eq!(serde_json::to_value(RestoreSnapshot::new()).unwrap(), json!({"include_global_state": false}));
        let insisted = RestoreSnapshot::new().setting("include_global_state", true);
        assert_eq!(serde_json::to_value(insisted).unwrap(), json!({"include_global_state": false}));
        let wanted = RestoreSnapshot::new().include_global_state(true);
        assert_eq!(serde_json::to_value(wanted).unwrap(), json!({"include_global_state": true}));
    }

    #[test]
    fn every_option_is_sent_and_read_back() {
        let options = RestoreSnapshot::new()
            .indices(["movies", "-.kibana*"])
            .ignore_unavailable(true)
            .include_aliases(false)
            .partial(true)
            .feature_states(["none"])
            .rename("(.+)", "r-$1")
            .index_settings(Map::from_iter([("index.number_of_replicas".to_owned(), json!(0))]))
            .ignore_index_settings(["index.routing.*"])
            .setting("storage_type", "local");
        let body = serde_json::to_value(&options).unwrap();
        assert_eq!(
            body,
            json!({"indices": ["movies", "-.kibana*"], "ignore_unavailable": true, "include_global_state": false, "include_aliases": false,
                   "partial": true, "feature_states": ["none"], "rename_pattern": "(.+)", "rename_replacement": "r-$1",
                   "index_settings": {"index.number_of_replicas": 0}, "ignore_index_settings": ["index.routing.*"], "storage_type": "local"})
        );
        assert_eq!(serde_json::from_value::<RestoreSnapshot>(body).unwrap(), options);
        options.validate().unwrap();
    }

    #[test]
    fn options_that_cannot_work_are_refused_before_sending() {
        assert!(RestoreSnapshot::new().indices(["a,b"]).validate().is_err());
        assert!(RestoreSnapshot::new().rename("", "x").validate().is_err());
        let half: RestoreSnapshot = serde_json::from_str(r#"{"rename_pattern":"(.+)"}"#).unwrap();
        assert!(half.validate().is_err());
    }

    #[test]
    fn an_index_that_was_not_asked_for_cannot_have_been_restored() {
        let all = RestoreSnapshot::new();
        let some = RestoreSnapshot::new().indices(["logs-*", "movies", "-logs-1"]);
        let rest = RestoreSnapshot::new().indices(["-movies"]);
        for (options, source, expected) in [
            (&all, "movies", true),
            (&some, "movies", true),
            (&some, "logs-2", true),
            (&some, "logs-1", false),
            (&some, "books", false),
            (&some, ".ds-logs-2024.05.01-000001", true),
            (&rest, "movies", false),
            (&rest, "books", true),
        ] {
            assert_eq!(options.can_restore(Some(source), source), expected, "{source} of {options:?}");
            assert_eq!(options.can_restore(None, source), expected, "{source} of {options:?}");
        }
    }

    #[test]
    fn what_is_asked_for_last_decides() {
        for (patterns, expected) in [
            (vec!["logs-*", "-logs-1", "logs-1"], true),
            (vec!["-logs-*", "+logs-1"], true),
            (vec!["logs-1", "-<logs-{now/d}>"], true),
        ] {
            assert_eq!(RestoreSnapshot::new().indices(&patterns).can_restore(None, "logs-1"), expected, "{patterns:?}");
        }
    }

    #[test]
    fn backing_indices_of_data_streams_may_be_asked_for_by_another_name() {
        let some = RestoreSnapshot::new().indices(["movies"]);
        for index in [".ds-logs-1", "partial-.ds-logs-1", ".kibana_1"] {
            assert!(some.can_restore(None, index), "{index}");
        }
    }

    #[test]
    fn indices_count_however_they_are_set() {
        for indices in [json!(["movies", "books"]), json!("movies,books")] {
            let options = RestoreSnapshot::new().setting("indices", indices);
            assert!(options.can_restore(None, "books"));
            assert!(!options.can_restore(None, "logs"));
        }
    }

    #[test]
    fn an_index_of_another_name_can_only_have_been_restored_by_renaming() {
        let (kept, renamed) = (RestoreSnapshot::new(), RestoreSnapshot::new().rename("(.+)", "old-$1"));

        assert!(!kept.can_restore(Some("movies"), "old-movies"));
        assert!(renamed.can_restore(Some("movies"), "old-movies"));
        assert!(renamed.can_restore(None, "old-movies"));
        assert!(!renamed.indices(["books"]).can_restore(None, "old-movies"));
    }

    #[test]
    fn an_index_whose_origin_is_not_told_yet_is_known_by_its_new_name() {
        for (replacement, target, expected) in [
            ("old-$1", "old-movies", true),
            ("old-${name}", "old-movies", true),
            ("$1-$2", "movies-movies", true),
            ("old-$1", "old-books", false),
            ("old-$", "old-movies", false),
        ] {
            let options = RestoreSnapshot::new().indices(["movies", "-books"]).rename("(?<name>.+)", replacement);
            assert_eq!(options.can_restore(None, target), expected, "{replacement} {target}");
        }
    }

    #[test]
    fn an_option_counts_however_it_is_set() {
        assert!(RestoreSnapshot::new().setting("feature_states", json!(["kibana"])).restores_global_state());
        assert!(RestoreSnapshot::new().feature_states(["kibana"]).restores_global_state());
        assert!(!RestoreSnapshot::new().restores_global_state());
    }

    #[test]
    fn both_answers_to_a_restore_are_read() {
        assert_eq!(serde_json::from_str::<StartedRestore>(r#"{"accepted":true}"#).unwrap(), StartedRestore::Accepted);
        let reply = r#"{"snapshot":{"snapshot":"s1","indices":["logs"],"shards":{"total":3,"failed":1,"successful":2}}}"#;
        let StartedRestore::Finished(summary) = serde_json::from_str(reply).unwrap() else { panic!("not finished") };
        assert_eq!((summary.snapshot(), summary.indices()), ("s1", &["logs".to_owned()][..]));
        assert_eq!((summary.shards().total(), summary.shards().failed(), summary.shards().successful()), (3, 1, 2));
        assert!(serde_json::from_str::<StartedRestore>("{}").is_err());
    }

    #[test]
    fn a_recovery_is_read_with_its_source_and_progress() {
        let reply = r#"{"restored":{"shards":[{"id":1,"type":"SNAPSHOT","stage":"DONE","primary":true,"start_time_in_millis":1714557600123,
            "stop_time_in_millis":1714557600223,"total_time_in_millis":100,
            "source":{"repository":"r","snapshot":"s","version":"7.10.2","index":"logs","restoreUUID":"x9"},"target":{"id":"n"},
            "index":{"size":{"total_in_bytes":100,"reused_in_bytes":0,"recovered_in_bytes":87,"percent":"87.0%"},
                     "files":{"total":4,"reused":0,"recovered":3,"percent":"75.0%"}},"translog":{"total":-1}}]},
            "other":{"shards":[{"id":0,"type":"REMOTE_STORE","stage":"INDEX","primary":false,"source":{},"index":{"size":{"total_in_bytes":-1}}}]}}"#;
        let RecoveryMap(recoveries) = serde_json::from_str(reply).unwrap();
        let [other, restored] = &recoveries[..] else { panic!("{recoveries:?}") };
        assert_eq!((restored.index(), restored.shard(), restored.primary()), ("restored", Some(1), true));
        assert_eq!((restored.kind(), restored.stage()), (&RecoveryType::Snapshot, &RecoveryStage::Done));
        assert_eq!((restored.source_repository(), restored.source_snapshot()), (Some("r"), Some("s")));
        assert_eq!((restored.source_index(), restored.restore_uuid()), (Some("logs"), Some("x9")));
        assert_eq!((restored.total_size(), restored.recovered_size()), (Some(100.into()), Some(87.into())));
        assert_eq!((restored.total_files(), restored.recovered_files()), (Some(4), Some(3)));
        let (start, stop) = (restored.start_time().unwrap(), restored.stop_time().unwrap());
        assert_eq!(start, SystemTime::UNIX_EPOCH + Duration::from_millis(1_714_557_600_123));
        assert_eq!(stop.duration_since(start).unwrap(), Duration::from_millis(100));
        assert_eq!(other.kind(), &RecoveryType::Other("REMOTE_STORE".into()));
        assert_eq!((other.total_size(), other.stop_time(), other.source_repository()), (None, None, None));
    }

    #[test]
    fn a_restore_is_given_up_when_its_own_decider_says_so() {
        let explain = |decision: &str| {
            let reply = json!({"can_allocate": "no", "node_allocation_decisions": [
                {"deciders": [{"decider": "restore_in_progress", "decision": decision, "explanation": "failed to be restored"},
                              {"decider": "filter", "decision": "NO", "explanation": "no such node"}]}, {"deciders": null}]});
            serde_json::from_value::<AllocationExplanation>(reply).unwrap().given_up()
        };

        assert_eq!(explain("NO").as_deref(), Some("no such node; failed to be restored"));
        assert_eq!(explain("YES"), None);
        assert_eq!(serde_json::from_str::<AllocationExplanation>("{}").unwrap().given_up(), None);
    }

    #[test]
    fn rows_of_shards_are_text_and_null() {
        let rows: Vec<ShardRow> = serde_json::from_str(
            r#"[{"index":"logs","shard":"2","prirep":"p","state":"UNASSIGNED","unassigned.reason":"NEW_INDEX_RESTORED","unassigned.details":"restore_source[r/s]"},
                {"index":"logs","shard":"0","prirep":"r","state":"STARTED","unassigned.reason":null,"unassigned.details":null}]"#,
        )
        .unwrap();
        assert_eq!((rows[0].shard, rows[0].prirep.as_str(), rows[0].state.as_str()), (Some(2), "p", "UNASSIGNED"));
        assert_eq!(rows[0].unassigned_reason.as_deref(), Some("NEW_INDEX_RESTORED"));
        assert_eq!(rows[0].unassigned_details.as_deref(), Some("restore_source[r/s]"));
        assert_eq!((rows[1].index.as_str(), &rows[1].unassigned_reason), ("logs", &None));
    }

    proptest! {
        #[test]
        fn reading_recoveries_never_panics(stage in "[A-Z_]{0,6}", id in "-?[0-9]{0,12}", millis in any::<i64>()) {
            let reply = json!({"i": {"shards": [{"id": id, "stage": stage, "start_time_in_millis": millis, "stop_time_in_millis": millis}]}});
            let RecoveryMap(recoveries) = serde_json::from_value(reply).unwrap();
            let _ = (recoveries[0].start_time(), recoveries[0].stop_time(), recoveries[0].shard());
        }
    }
}
