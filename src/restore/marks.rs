//! What the cluster state shows of the indices that a restore writes: evidence that outlasts the
//! network.
//!
//! A restore over a closed index raises its `mapping_version`, `settings_version` and
//! `aliases_version` in its one state update. So an index of the same uuid with any of the three
//! unchanged was not restored over, whatever else happened to it; and since a restore is one update
//! of all its targets, one such index shows that none of the request happened. Measured on
//! Elasticsearch 7.10 and 8.19 and on OpenSearch 1.3, 2.19 and 3.8. `version` and the primary terms
//! also move for other reasons.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Targets;
use crate::wire::null_as_default;

/// One index, as far as a restore changes it.
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

    /// The three counters; `None` unless the response has them all.
    fn counters(&self) -> Option<[i64; 3]> {
        Some([self.mapping_version?, self.settings_version?, self.aliases_version?])
    }

    fn is_usable(&self) -> bool {
        !self.uuid().is_empty() && self.counters().is_some()
    }

    /// Whether this proves that nothing was restored over the index since the earlier mark.
    fn is_untouched_since(&self, earlier: &Self) -> bool {
        let same_uuid = !self.uuid().is_empty() && self.uuid() == earlier.uuid();
        let Some((now, before)) = self.counters().zip(earlier.counters()) else { return false };
        same_uuid && now.iter().zip(&before).any(|(now, before)| now == before)
    }
}

/// A moment of the cluster state: the elected master's term, and the version.
pub(crate) type Moment = (i64, i64);

/// The marks of some indices at one moment: the response of
/// `GET /_cluster/state/metadata,version/{indices}?filter_path=…`. An absent index is left out; a
/// name that is an alias or a data stream brings others.
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
    /// Adds the marks of further indices, read after these. The earlier moment holds for all.
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

    /// Whether a response shows what marks are for at all.
    pub(crate) fn are_usable(&self) -> bool {
        !self.metadata.cluster_uuid.is_empty() && self.metadata.indices.values().all(IndexMark::is_usable)
    }

    pub(crate) fn get(&self, index: &str) -> Option<&IndexMark> {
        self.metadata.indices.get(index)
    }

    /// What became of the targets since these marks were taken.
    pub(crate) fn compare(&self, now: &Self, targets: &Targets) -> Trace {
        if now.cluster_uuid() != self.cluster_uuid() {
            return Trace::AnotherCluster;
        }
        if now.moment() < self.moment() {
            return Trace::Stale;
        }
        let fate = |name: &str| Fate::of(self.get(name), now.get(name));
        // One proven target proves it for the whole request, but only if the request would have written it
        // for sure.
        if targets.certain().iter().any(|name| fate(name) == Fate::Untouched) {
            let free = |name: &str| match fate(name) {
                Fate::Absent => true,
                // What was open then would have been refused, and may have been written to.
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

    /// Whether the index is absent now, or another than before, or restored over since these marks.
    pub(crate) fn is_changed(&self, now: &Self, index: &str) -> bool {
        Fate::of(self.get(index), now.get(index)) == Fate::Touched
    }

    /// The names of those targets that do not exist.
    pub(crate) fn absent<'a>(&self, targets: &'a Targets) -> impl Iterator<Item = &'a str> {
        targets.iter().filter(|name| self.get(name).is_none())
    }
}

/// What became of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It did not exist and does not now.
    Absent,
    /// It is proven that nothing was restored over it.
    Untouched,
    /// It appeared, went, or may have been restored over.
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

/// What marks show about a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    /// Nothing of it happened. `resend`: as far as marks show, it may be sent again.
    None { resend: bool },
    /// It may have happened.
    Some,
    /// The response shows the past.
    Stale,
    /// Another cluster responds.
    AnotherCluster,
}

/// The last 500 deleted indices of a cluster, by name and uuid, at one moment: the response of
/// `GET /_cluster/state/metadata,version?filter_path=…`. They show only without index names in the
/// path.
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
    /// `None` in a response that does not show it, which is not the same as an empty one.
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
    index: Buried,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
struct Buried {
    index_name: String,
    index_uuid: String,
}

impl Tombstones {
    fn all(&self) -> impl Iterator<Item = &Buried> {
        self.metadata.graveyard.iter().flat_map(|graveyard| &graveyard.tombstones).map(|stone| &stone.index)
    }

    /// Whether the response shows the deletions of this cluster, no earlier than that moment.
    pub(crate) fn show(&self, cluster_uuid: &str, not_before: Moment) -> bool {
        let moment = (self.metadata.cluster_coordination.term, self.version);
        self.metadata.graveyard.is_some() && self.metadata.cluster_uuid == cluster_uuid && moment >= not_before
    }

    /// Whether a target may have been there and been deleted since these were read: a new one has
    /// its name, or the oldest is gone, so that others may have gone with it.
    pub(crate) fn hide_a_target(&self, now: &Self, targets: &Targets) -> bool {
        let before: BTreeSet<&Buried> = self.all().collect();
        let present: BTreeSet<&Buried> = now.all().collect();
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
    fn a_restore_over_a_closed_index_raises_all_three_counters() {
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
    fn a_response_without_one_of_the_counters_is_not_used() {
        for absent in ["mapping_version", "settings_version", "aliases_version"] {
            let mut index = index("close", "u", [2, 5, 1]);
            index.as_object_mut().unwrap().remove(absent);
            let before = marks(10, json!({"a": index}));

            assert!(!before.are_usable(), "{absent}");
            assert_eq!(before.compare(&before, &targets(&["a"])), Trace::Some, "{absent}");
        }
    }

    #[test]
    fn one_untouched_target_shows_that_none_of_the_request_happened() {
        let before = marks(10, json!({"a": index("close", "u", [2, 5, 1])}));
        let now = marks(11, json!({"a": index("close", "u", [2, 5, 1]), "b": index("open", "v", [1, 1, 1])}));

        assert_eq!(before.compare(&now, &targets(&["a", "b"])), Trace::None { resend: false });
    }

    #[test]
    fn a_target_that_is_or_was_open_is_never_restored_over_again() {
        for (before, now) in [("close", "open"), ("open", "close"), ("open", "open")] {
            let before = marks(10, json!({"a": index(before, "u", [2, 5, 1])}));
            let now = marks(11, json!({"a": index(now, "u", [2, 6, 1])}));

            assert_eq!(before.compare(&now, &targets(&["a"])), Trace::None { resend: false });
        }
    }

    #[test]
    fn a_target_that_appeared_or_went_or_is_another_may_be_the_restores_doing() {
        let present = json!({"a": index("close", "u", [2, 5, 1])});
        let another = json!({"a": index("close", "v", [2, 5, 1])});
        for (before, now) in [(json!({}), present.clone()), (present.clone(), json!({})), (present, another)] {
            assert_eq!(marks(10, before).compare(&marks(11, now), &targets(&["a"])), Trace::Some);
        }
    }

    #[test]
    fn targets_that_cannot_be_worked_out_are_never_resent() {
        let (before, now) = (marks(10, json!({})), marks(11, json!({})));

        assert_eq!(before.compare(&now, &targets(&["a"])), Trace::None { resend: true });
        assert_eq!(before.compare(&now, &Targets::unknown()), Trace::None { resend: false });
    }

    #[test]
    fn an_older_state_and_another_cluster_show_nothing() {
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
    fn lists_that_were_read_apart_are_as_old_as_the_oldest() {
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
    fn tombstones_show_nothing_of_another_cluster_or_of_a_later_moment() {
        let empty = tombstones(&[]);

        assert!(empty.show("c", (3, 10)));
        assert!(!empty.show("c", (3, 11)));
        assert!(!empty.show("d", (3, 10)));
    }

    #[test]
    fn a_response_without_the_graveyard_is_not_an_empty_graveyard() {
        let response = json!({"version": 10, "metadata": {"cluster_uuid": "c", "cluster_coordination": {"term": 3}}});

        assert!(!serde_json::from_value::<Tombstones>(response).unwrap().show("c", (3, 10)));
    }

    #[test]
    fn a_target_that_came_and_went_has_left_a_tombstone() {
        let before = tombstones(&[("old", "u0"), ("a", "u1")]);

        assert!(!before.hide_a_target(&before, &targets(&["a"])));
        assert!(!before.hide_a_target(&tombstones(&[("old", "u0"), ("a", "u1"), ("b", "u2")]), &targets(&["a"])));
        assert!(before.hide_a_target(&tombstones(&[("old", "u0"), ("a", "u1"), ("a", "u2")]), &targets(&["a"])));
    }

    #[test]
    fn tombstones_that_were_pushed_out_may_have_been_a_targets() {
        let before = tombstones(&[("old", "u0"), ("other", "u1")]);

        assert!(before.hide_a_target(&tombstones(&[("other", "u1"), ("b", "u2")]), &targets(&["a"])));
        assert!(!tombstones(&[]).hide_a_target(&tombstones(&[]), &targets(&["a"])));
    }

    #[test]
    fn a_response_without_what_marks_need_is_not_used() {
        assert!(marks(1, json!({})).are_usable());
        assert!(!serde_json::from_value::<Marks>(json!({})).unwrap().are_usable());
        assert!(!marks(1, json!({"a": {"state": "open"}})).are_usable());
    }
}
