//! What the cluster state shows of the indices that a restore writes. This evidence lasts, unlike
//! recoveries.
//!
//! A restore over a closed index raises its `mapping_version`, `settings_version` and
//! `aliases_version` in one update of the cluster state. So if an index still has its uuid, and any
//! of the three is unchanged, it was not restored over, whatever else happened to it. A restore is
//! one update of all its targets. So one such index proves that nothing of the request happened.
//!
//! This was measured on Elasticsearch 7.10 and 8.19 and on OpenSearch 1.3, 2.19 and 3.8. `version`
//! and the primary terms are not used, because they also change for other reasons.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Targets;
use crate::wire::null_as_default;

/// The state of one index, as far as a restore changes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct IndexMark {
    state: String,
    settings: MarkSettings,
    mapping_version: Option<i64>,
    settings_version: Option<i64>,
    aliases_version: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct MarkSettings {
    index: MarkIndexSettings,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct MarkIndexSettings {
    uuid: String,
}

impl IndexMark {
    pub(crate) fn uuid(&self) -> &str {
        &self.settings.index.uuid
    }

    fn is_open(&self) -> bool {
        self.state != "close"
    }

    /// Returns the three counters. `None` if the response lacks one of them.
    fn counters(&self) -> Option<[i64; 3]> {
        Some([self.mapping_version?, self.settings_version?, self.aliases_version?])
    }

    fn is_usable(&self) -> bool {
        !self.uuid().is_empty() && self.counters().is_some()
    }

    /// Returns whether this proves that nothing was restored over the index since the earlier mark.
    fn is_untouched_since(&self, earlier: &Self) -> bool {
        let same_uuid = !self.uuid().is_empty() && self.uuid() == earlier.uuid();
        let Some((now, before)) = self.counters().zip(earlier.counters()) else { return false };
        same_uuid && now.iter().zip(&before).any(|(now, before)| now == before)
    }
}

/// The age of a cluster state: the elected master's term, and the version.
pub(crate) type Moment = (i64, i64);

/// The states of some indices at one moment, as `GET
/// /_cluster/state/metadata,version/{indices}?filter_path=…` returns them. An absent index is left
/// out. For an alias or a data stream, the response contains the indices behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Marks {
    version: i64,
    #[serde(deserialize_with = "null_as_default")]
    metadata: MarkMetadata,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct MarkMetadata {
    cluster_uuid: String,
    #[serde(deserialize_with = "null_as_default")]
    cluster_coordination: Coordination,
    #[serde(deserialize_with = "null_as_default")]
    indices: BTreeMap<String, IndexMark>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Coordination {
    term: i64,
}

impl Marks {
    /// Adds the marks of further indices. The older of the two moments then counts for all.
    pub(crate) fn extend(&mut self, more: Self) {
        if self.moment() > more.moment() {
            self.version = more.version;
            self.metadata.cluster_coordination.term = more.metadata.cluster_coordination.term;
        }
        if self.metadata.cluster_uuid != more.metadata.cluster_uuid {
            self.metadata.cluster_uuid.clear();
        }
        self.metadata.indices.extend(more.metadata.indices);
    }

    pub(crate) fn moment(&self) -> Moment {
        (self.metadata.cluster_coordination.term, self.version)
    }

    pub(crate) fn cluster_uuid(&self) -> &str {
        &self.metadata.cluster_uuid
    }

    /// Returns whether the response contains everything that a comparison needs.
    pub(crate) fn are_usable(&self) -> bool {
        !self.metadata.cluster_uuid.is_empty() && self.metadata.indices.values().all(IndexMark::is_usable)
    }

    pub(crate) fn get(&self, index: &str) -> Option<&IndexMark> {
        self.metadata.indices.get(index)
    }

    /// Compares the targets with their states now.
    pub(crate) fn compare(&self, now: &Self, targets: &Targets) -> Trace {
        if now.cluster_uuid() != self.cluster_uuid() {
            return Trace::AnotherCluster;
        }
        if now.moment() < self.moment() {
            return Trace::Stale;
        }
        let fate = |name: &str| Fate::of(self.get(name), now.get(name));
        // One untouched target proves it for the whole request, but only if the request certainly
        // writes it.
        if targets.certain().iter().any(|name| fate(name) == Fate::Untouched) {
            let free = |name: &str| match fate(name) {
                Fate::Absent => true,
                // An open index may have been written to since, and makes the server refuse the
                // restore.
                Fate::Untouched => [self.get(name), now.get(name)].into_iter().flatten().all(|mark| !mark.is_open()),
                Fate::Touched => false,
            };
            return Trace::None { resend: targets.are_exact() && targets.iter().all(free) };
        }
        if targets.is_empty() {
            return Trace::None { resend: false };
        }
        if targets.iter().any(|name| fate(name) == Fate::Touched) {
            return Trace::Some;
        }
        Trace::None { resend: targets.are_exact() }
    }

    /// Returns whether the index was created, deleted, replaced, or may have been restored over,
    /// since these marks.
    pub(crate) fn is_changed(&self, now: &Self, index: &str) -> bool {
        Fate::of(self.get(index), now.get(index)) == Fate::Touched
    }

    /// Returns the targets that did not exist.
    pub(crate) fn absent<'a>(&self, targets: &'a Targets) -> impl Iterator<Item = &'a str> {
        targets.iter().filter(|name| self.get(name).is_none())
    }
}

/// What happened to one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It did not exist before, and does not exist now.
    Absent,
    /// Its counters prove that nothing was restored over it.
    Untouched,
    /// It was created, deleted or replaced, or may have been restored over.
    Touched,
}

impl Fate {
    fn of(before: Option<&IndexMark>, now: Option<&IndexMark>) -> Self {
        match (before, now) {
            (None, None) => Self::Absent,
            (Some(before), Some(now)) if now.is_untouched_since(before) => Self::Untouched,
            _ => Self::Touched,
        }
    }
}

/// What marks show of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    /// Nothing of it happened. `resend`: whether the marks allow a resend.
    None { resend: bool },
    /// It may have happened.
    Some,
    /// The response is older than the marks.
    Stale,
    /// Another cluster sent the response.
    AnotherCluster,
}

/// The last 500 deleted indices of a cluster, as `GET
/// /_cluster/state/metadata,version?filter_path=…` returns them. The server leaves them out if the
/// path contains index names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Tombstones {
    version: i64,
    #[serde(deserialize_with = "null_as_default")]
    metadata: TombstoneMetadata,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct TombstoneMetadata {
    cluster_uuid: String,
    #[serde(deserialize_with = "null_as_default")]
    cluster_coordination: Coordination,
    /// `None` if the response does not contain it, which differs from an empty one.
    #[serde(rename = "index-graveyard")]
    graveyard: Option<Graveyard>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Graveyard {
    #[serde(deserialize_with = "null_as_default")]
    tombstones: Vec<Tombstone>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Tombstone {
    index: DeletedIndex,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
struct DeletedIndex {
    index_name: String,
    index_uuid: String,
}

impl Tombstones {
    fn all(&self) -> impl Iterator<Item = &DeletedIndex> {
        self.metadata.graveyard.iter().flat_map(|graveyard| &graveyard.tombstones).map(|stone| &stone.index)
    }

    /// Returns whether the response contains the deletions of this cluster, and is not older than
    /// that moment.
    pub(crate) fn show(&self, cluster_uuid: &str, not_before: Moment) -> bool {
        let moment = (self.metadata.cluster_coordination.term, self.version);
        self.metadata.graveyard.is_some() && self.metadata.cluster_uuid == cluster_uuid && moment >= not_before
    }

    /// Returns whether a target may have been created and deleted since these were read. That is so
    /// if a new tombstone has its name. It is also so if the oldest tombstone is gone, because
    /// tombstones that were added since may be gone too.
    pub(crate) fn deletion_possible(&self, now: &Self, targets: &Targets) -> bool {
        let before: BTreeSet<&DeletedIndex> = self.all().collect();
        let present: BTreeSet<&DeletedIndex> = now.all().collect();
        let names: BTreeSet<&str> = targets.iter().collect();
        let oldest_gone = self.all().next().is_some_and(|oldest| !present.contains(oldest));
        oldest_gone
            || present.iter().any(|buried| !before.contains(*buried) && names.contains(buried.index_name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn marks(version: i64, indices: impl Into<Value>) -> Marks {
        let indices = indices.into();
        let response = json!({"version": version, "metadata": {"cluster_uuid": "c", "cluster_coordination": {"term": 3}, "indices": indices}});
        serde_json::from_value(response).unwrap()
    }

    fn index(state: &str, uuid: &str, counters: [i64; 3]) -> Value {
        let [mapping, settings, aliases] = counters;
        json!({"state": state, "settings": {"index": {"uuid": uuid}}, "mapping_version": mapping, "settings_version": settings, "aliases_version": aliases})
    }

    fn targets(names: &[&str]) -> Targets {
        Targets::exactly(names.iter().map(ToString::to_string))
    }

    #[test]
    fn recognises_a_restore_over_a_closed_index_only_if_all_three_counters_rose() {
        let before = marks(10, json!({"a": index("close", "u", [2, 5, 1])}));
        for (counters, trace) in [
            ([3, 6, 2], Trace::Some),
            ([2, 6, 2], Trace::None { resend: true }),
            ([3, 5, 2], Trace::None { resend: true }),
            ([3, 6, 1], Trace::None { resend: true }),
            ([2, 5, 1], Trace::None { resend: true }),
        ] {
            let now = marks(11, json!({"a": index("close", "u", counters)}));
            assert_eq!(before.compare(&now, &targets(&["a"])), trace, "{counters:?}");
        }
    }

    #[test]
    fn does_not_use_a_response_that_lacks_a_counter() {
        for absent in ["mapping_version", "settings_version", "aliases_version"] {
            let mut index = index("close", "u", [2, 5, 1]);
            index.as_object_mut().unwrap().remove(absent);
            let before = marks(10, json!({"a": index}));

            assert!(!before.are_usable(), "{absent}");
            assert_eq!(before.compare(&before, &targets(&["a"])), Trace::Some, "{absent}");
        }
    }

    #[test]
    fn concludes_from_one_untouched_target_that_nothing_happened() {
        let before = marks(10, json!({"a": index("close", "u", [2, 5, 1])}));
        let now = marks(11, json!({"a": index("close", "u", [2, 5, 1]), "b": index("open", "v", [1, 1, 1])}));

        assert_eq!(before.compare(&now, &targets(&["a", "b"])), Trace::None { resend: false });
    }

    #[test]
    fn does_not_allow_a_resend_if_a_target_is_or_was_open() {
        for (before, now) in [("close", "open"), ("open", "close"), ("open", "open")] {
            let before = marks(10, json!({"a": index(before, "u", [2, 5, 1])}));
            let now = marks(11, json!({"a": index(now, "u", [2, 6, 1])}));

            assert_eq!(before.compare(&now, &targets(&["a"])), Trace::None { resend: false });
        }
    }

    #[test]
    fn suspects_a_restore_if_a_target_was_created_deleted_or_replaced() {
        let present = json!({"a": index("close", "u", [2, 5, 1])});
        let another = json!({"a": index("close", "v", [2, 5, 1])});
        for (before, now) in [(json!({}), present.clone()), (present.clone(), json!({})), (present, another)] {
            assert_eq!(marks(10, before).compare(&marks(11, now), &targets(&["a"])), Trace::Some);
        }
    }

    #[test]
    fn does_not_allow_a_resend_if_the_targets_are_unknown() {
        let (before, now) = (marks(10, json!({})), marks(11, json!({})));

        assert_eq!(before.compare(&now, &targets(&["a"])), Trace::None { resend: true });
        assert_eq!(before.compare(&now, &Targets::unknown()), Trace::None { resend: false });
    }

    #[test]
    fn detects_an_older_state_and_another_cluster() {
        let before = marks(10, json!({}));
        let mut elsewhere = marks(11, json!({}));
        elsewhere.metadata.cluster_uuid = "d".to_owned();
        let mut later_term = marks(1, json!({}));
        later_term.metadata.cluster_coordination.term = 4;

        assert_eq!(before.compare(&marks(9, json!({})), &targets(&["a"])), Trace::Stale);
        assert_eq!(before.compare(&elsewhere, &targets(&["a"])), Trace::AnotherCluster);
        assert_eq!(before.compare(&later_term, &targets(&["a"])), Trace::None { resend: true });
    }

    #[test]
    fn uses_the_oldest_moment_for_marks_of_several_responses() {
        let mut first = marks(10, json!({"a": index("open", "u", [1, 1, 1])}));
        first.extend(marks(8, json!({"b": index("open", "v", [1, 1, 1])})));

        assert_eq!(first.moment(), (3, 8));
        assert!(first.get("a").is_some() && first.get("b").is_some());
    }

    fn tombstones(stones: &[(&str, &str)]) -> Tombstones {
        let stones: Vec<Value> = stones
            .iter()
            .map(|(name, uuid)| json!({"index": {"index_name": name, "index_uuid": uuid}, "delete_date_in_millis": 1}))
            .collect();
        let metadata = json!({"cluster_uuid": "c", "cluster_coordination": {"term": 3}, "index-graveyard": {"tombstones": stones}});
        serde_json::from_value(json!({"version": 10, "metadata": metadata})).unwrap()
    }

    #[test]
    fn does_not_use_tombstones_of_another_cluster_or_an_older_state() {
        let empty = tombstones(&[]);

        assert!(empty.show("c", (3, 10)));
        assert!(!empty.show("c", (3, 11)));
        assert!(!empty.show("d", (3, 10)));
    }

    #[test]
    fn distinguishes_a_missing_graveyard_from_an_empty_one() {
        let response = json!({"version": 10, "metadata": {"cluster_uuid": "c", "cluster_coordination": {"term": 3}}});

        assert!(!serde_json::from_value::<Tombstones>(response).unwrap().show("c", (3, 10)));
    }

    #[test]
    fn finds_the_tombstone_of_a_target_that_was_created_and_deleted() {
        let before = tombstones(&[("old", "u0"), ("a", "u1")]);

        assert!(!before.deletion_possible(&before, &targets(&["a"])));
        assert!(!before.deletion_possible(&tombstones(&[("old", "u0"), ("a", "u1"), ("b", "u2")]), &targets(&["a"])));
        assert!(before.deletion_possible(&tombstones(&[("old", "u0"), ("a", "u1"), ("a", "u2")]), &targets(&["a"])));
    }

    #[test]
    fn suspects_a_deleted_target_if_old_tombstones_are_gone() {
        let before = tombstones(&[("old", "u0"), ("other", "u1")]);

        assert!(before.deletion_possible(&tombstones(&[("other", "u1"), ("b", "u2")]), &targets(&["a"])));
        assert!(!tombstones(&[]).deletion_possible(&tombstones(&[]), &targets(&["a"])));
    }

    #[test]
    fn does_not_use_a_response_without_the_fields_of_a_mark() {
        assert!(marks(1, json!({})).are_usable());
        assert!(!serde_json::from_value::<Marks>(json!({})).unwrap().are_usable());
        assert!(!marks(1, json!({"a": {"state": "open"}})).are_usable());
    }
}
