//! Determines which indices a restore writes, by the rules of the server.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::rename::Rename;
use super::{RecoveryType, RestoreSnapshot, ShardRecovery};
use crate::name::{IndexName, matches_wildcard};
use crate::snapshot::{FeatureState, SnapshotInfo};

/// The indices that one restore writes, under the names that it gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Targets {
    /// Indices that the restore certainly writes.
    certain: BTreeSet<String>,
    /// Indices that it may write. Only the server knows whether it does.
    possible: BTreeSet<String>,
    /// Whether it may write other indices too.
    open_ended: bool,
    /// The name that each index has in the snapshot.
    sources: BTreeMap<String, String>,
}

impl Targets {
    /// Returns targets that are exactly these indices.
    #[cfg(test)]
    pub(crate) fn exactly(names: impl IntoIterator<Item = String>) -> Self {
        Self { certain: names.into_iter().collect(), ..Self::default() }
    }

    /// Returns unknown targets: the restore may write any index.
    pub(crate) fn unknown() -> Self {
        Self { open_ended: true, ..Self::default() }
    }

    /// Returns the targets of a restore with these options from this snapshot ([restore snapshot
    /// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-restore)).
    pub(crate) fn of(snapshot: &SnapshotInfo, options: &RestoreSnapshot) -> Self {
        let selection = options.selection();
        let rename = match options.rename_pair() {
            None => None,
            Some((pattern, replacement)) => match Rename::new(pattern, replacement) {
                Some(rename) => Some(rename),
                None => return Self::unknown(),
            },
        };
        let mut targets =
            Self { open_ended: options.restores_global_state() || selection.has_date_math(), ..Self::default() };
        let streams: Vec<&str> =
            snapshot.data_streams().iter().map(String::as_str).filter(|stream| selection.selects(stream)).collect();
        let is_all = selection.is_all();
        let selection = selection.with_streams_resolved(&streams, snapshot.indices());
        // OpenSearch then restores only backing indices. Elasticsearch 8 also restores the others.
        let may_be_backing_only = !streams.is_empty() && (is_all || selection.begins_with_an_exclusion());
        let of_features: BTreeSet<&str> =
            snapshot.feature_states().iter().flat_map(FeatureState::indices).map(String::as_str).collect();
        for index in snapshot.indices() {
            let owners = streams.iter().filter(|stream| is_backing_index(index, stream)).count();
            let by_stream = owners > 0;
            let by_name = selection.selects(index);
            // Two streams could own this backing index, or its stream is not restored as a stream.
            let doubtful = owners > 1 || index.starts_with(".ds-") && !by_stream && rename.is_some() && by_name;
            // Elasticsearch skips the indices of features unless they are selected by name.
            let of_feature = of_features.contains(index.as_str()) && !selection.names(index);
            let may_be_skipped = !by_stream && (may_be_backing_only || of_feature);
            if !by_stream && !by_name {
                continue;
            }
            let renamed = match &rename {
                None => Some(index.clone()),
                Some(rename) => match index.strip_prefix(".ds-").filter(|_| by_stream) {
                    Some(rest) => rename.apply(rest).map(|name| format!(".ds-{name}")),
                    None => rename.apply(index),
                },
            };
            if let Some(name) = &renamed {
                targets.sources.insert(name.clone(), index.clone());
            }
            match renamed {
                None => targets.open_ended = true,
                Some(name) if doubtful || may_be_skipped => {
                    targets.possible.insert(name);
                    targets.open_ended |= doubtful;
                }
                Some(name) => {
                    targets.certain.insert(name);
                }
            }
        }
        // A stream may have failure indices, or backing indices with other names.
        targets.open_ended |= streams.iter().any(|stream| {
            let failures = format!(".fs-{stream}-");
            !snapshot.indices().iter().any(|index| is_backing_index(index, stream))
                || snapshot.indices().iter().any(|index| index.starts_with(&failures))
        });
        targets.possible.retain(|name| !targets.certain.contains(name));
        targets
    }

    /// Removes the targets that no request can name, and returns the names of the others.
    pub(crate) fn retain_valid_names(&mut self) -> Vec<IndexName> {
        let (is_valid, known) =
            (|name: &String| name.parse::<IndexName>().is_ok(), self.certain.len() + self.possible.len());
        self.certain.retain(is_valid);
        self.possible.retain(is_valid);
        let names: Vec<IndexName> = self.iter().filter_map(|name| name.parse().ok()).collect();
        self.open_ended |= names.len() < known;
        names
    }

    /// Returns the name that a target has in the snapshot, if it is known.
    pub(crate) fn source(&self, target: &str) -> Option<&str> {
        self.sources.get(target).map(String::as_str)
    }

    /// Returns whether a recovery shows that a target has the data of another index.
    pub(crate) fn are_contradicted_by(&self, recovery: &ShardRecovery) -> bool {
        let source = recovery.source_index().zip(self.source(recovery.index()));
        *recovery.kind() == RecoveryType::Snapshot && source.is_some_and(|(found, expected)| found != expected)
    }

    /// Returns whether the restore certainly writes these indices, and no others.
    pub(crate) fn are_exact(&self) -> bool {
        self.possible.is_empty() && !self.open_ended
    }

    /// Returns whether the restore may write indices that are not known.
    pub(crate) fn are_open_ended(&self) -> bool {
        self.open_ended
    }

    /// Returns all known targets: first the certain ones, then the possible ones.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        self.certain.iter().chain(&self.possible).map(String::as_str)
    }

    pub(crate) fn certain(&self) -> &BTreeSet<String> {
        &self.certain
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.certain.is_empty() && self.possible.is_empty()
    }

    /// Returns whether a restore that writes exactly these indices can be this one.
    pub(crate) fn match_exactly<'a>(&self, found: impl IntoIterator<Item = &'a str>) -> bool {
        let found: BTreeSet<&str> = found.into_iter().collect();
        !found.is_empty()
            && self.certain.iter().all(|name| found.contains(name.as_str()))
            && (self.open_ended
                || found.iter().all(|name| self.certain.contains(*name) || self.possible.contains(*name)))
            && !(self.open_ended && self.certain.is_empty())
    }
}

/// Returns whether an index has the name of a backing index of this data stream. The server names
/// it `.ds-STREAM-yyyy.MM.dd-000001`, or without the date before Elasticsearch 7.11 and on
/// OpenSearch.
pub(super) fn is_backing_index(index: &str, stream: &str) -> bool {
    backing_suffix(index, stream).is_some()
}

/// Returns the part of the backing index's name that follows the name of the data stream.
fn backing_suffix<'a>(index: &'a str, stream: &str) -> Option<&'a str> {
    let suffix = index.strip_prefix(".ds-")?.strip_prefix(stream)?.strip_prefix('-')?;
    let generation = |text: &str| text.len() >= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_backing =
        generation(suffix) || suffix.split_once('-').is_some_and(|(date, rest)| is_date(date) && generation(rest));
    is_backing.then_some(suffix)
}

/// Returns the backing indices of a restored data stream, each with its name in the snapshot. Empty
/// if the snapshot has no such stream. After a rename, recoveries from the snapshot show which
/// stream it was.
pub(super) fn backing_indices<'a>(
    snapshot: &'a SnapshotInfo,
    stream: &str,
    recoveries: &[&ShardRecovery],
) -> Vec<(String, &'a str)> {
    let streams = snapshot.data_streams();
    let renamed = || {
        let of_stream = recoveries.iter().filter(|recovery| is_backing_index(recovery.index(), stream));
        let mut sources = of_stream.filter_map(|recovery| recovery.source_index());
        sources.find_map(|source| streams.iter().find(|stream| is_backing_index(source, stream)))
    };
    let Some(original) = streams.iter().find(|name| *name == stream).or_else(renamed) else { return Vec::new() };
    let indices = snapshot.indices().iter().map(String::as_str);
    indices.filter_map(|index| Some((format!(".ds-{stream}-{}", backing_suffix(index, original)?), index))).collect()
}

fn is_date(text: &str) -> bool {
    let shape = b"dddd.dd.dd";
    text.len() == shape.len()
        && text
            .bytes()
            .zip(shape)
            .all(|(byte, shape)| if *shape == b'd' { byte.is_ascii_digit() } else { byte == *shape })
}

/// The `indices` of a restore: names, wildcards and exclusions. An empty list selects all.
#[derive(Debug)]
pub(crate) struct Selection<'a>(pub(super) Vec<&'a str>);

impl<'a> Selection<'a> {
    fn is_all(&self) -> bool {
        self.0.is_empty() || self.0 == ["_all"]
    }

    fn begins_with_an_exclusion(&self) -> bool {
        self.0.first().is_some_and(|first| first.starts_with('-'))
    }

    /// Returns the patterns that the server applies to indices. The server removes the names of
    /// data streams, and adds their backing indices at the end.
    fn with_streams_resolved(self, streams: &[&'a str], indices: &'a [String]) -> Self {
        if self.is_all() {
            return self;
        }
        let others = self.0.into_iter().filter(|pattern| !streams.contains(pattern));
        let backing = indices
            .iter()
            .map(String::as_str)
            .filter(|index| streams.iter().any(|stream| is_backing_index(index, stream)));
        // The names of the streams select no index. They only keep the list from being empty if no
        // backing index is known.
        Self(others.chain(backing).chain(streams.iter().copied()).collect())
    }

    fn has_date_math(&self) -> bool {
        self.0.iter().any(|pattern| pattern.trim_start_matches(['+', '-']).starts_with('<'))
    }

    /// Returns whether the list selects this index or data stream. The last pattern that matches
    /// decides.
    pub(crate) fn selects(&self, name: &str) -> bool {
        if self.is_all() {
            return true;
        }
        let from_all = self.0.first().is_some_and(|first| first.starts_with('-') && *first != name);
        self.0.iter().fold(from_all, |selected, pattern| {
            // A name may begin with `-` or `+` itself.
            if *pattern == name {
                return true;
            }
            let (adds, pattern) = match pattern.strip_prefix('-') {
                Some(excluded) => (false, excluded),
                None => (true, pattern.strip_prefix('+').unwrap_or(pattern)),
            };
            if matches_wildcard(pattern, name) { adds } else { selected }
        })
    }

    /// Returns whether the list contains the name of the index, without wildcards.
    fn names(&self, index: &str) -> bool {
        self.0.iter().any(|pattern| pattern.strip_prefix('+').unwrap_or(pattern) == index)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pieces::tests::read_all;
    use crate::restore::Recoveries;

    fn snapshot(indices: &[&str], streams: &[&str]) -> SnapshotInfo {
        serde_json::from_value(json!({"snapshot": "s", "indices": indices, "data_streams": streams})).unwrap()
    }

    fn certain(indices: &[&str], streams: &[&str], options: &RestoreSnapshot) -> Vec<String> {
        let targets = Targets::of(&snapshot(indices, streams), options);
        assert!(targets.are_exact(), "{targets:?}");
        targets.certain.into_iter().collect()
    }

    #[test]
    fn selects_by_the_last_pattern_that_matches() {
        let all = ["books", "logs-1", "logs-2", "movies"];
        for (patterns, expected) in [
            (vec![], vec!["books", "logs-1", "logs-2", "movies"]),
            (vec!["*"], vec!["books", "logs-1", "logs-2", "movies"]),
            (vec!["logs-*", "movies", "-logs-1"], vec!["logs-2", "movies"]),
            (vec!["-movies"], vec!["books", "logs-1", "logs-2"]),
            (vec!["logs-*", "-logs-1", "logs-1"], vec!["logs-1", "logs-2"]),
            (vec!["-logs-*", "+logs-1"], vec!["books", "logs-1", "movies"]),
            (vec!["movies", "absent"], vec!["movies"]),
        ] {
            assert_eq!(certain(&all, &[], &RestoreSnapshot::new().with_indices(&patterns)), expected, "{patterns:?}");
        }
    }

    #[test]
    fn reads_indices_however_they_are_set() {
        for indices in [json!(["movies", "books"]), json!("movies,books")] {
            let options = RestoreSnapshot::new().with_setting("indices", indices);
            assert_eq!(certain(&["books", "logs", "movies"], &[], &options), ["books", "movies"]);
        }
    }

    #[test]
    fn returns_targets_under_their_new_names() {
        let options = RestoreSnapshot::new().with_indices(["logs-*"]).with_rename("logs-(.+)", "old-$1");
        assert_eq!(certain(&["logs-1", "logs-2", "movies"], &[], &options), ["old-1", "old-2"]);
    }

    #[test]
    fn returns_the_backing_indices_of_a_named_data_stream() {
        let indices = [".ds-logs-2024.05.01-000001", ".ds-logs-000002", ".ds-metrics-000001", "movies"];
        let options = RestoreSnapshot::new().with_indices(["logs"]);
        assert_eq!(
            certain(&indices, &["logs", "metrics"], &options),
            [".ds-logs-000002", ".ds-logs-2024.05.01-000001"]
        );
    }

    #[test]
    fn keeps_the_prefix_of_a_backing_index_when_its_stream_is_renamed() {
        let options = RestoreSnapshot::new().with_indices(["logs"]).with_rename("(.+)", "old-$1");
        assert_eq!(certain(&[".ds-logs-000001"], &["logs"], &options), [".ds-old-logs-000001"]);
    }

    /// Returns a snapshot of `movies` and of an index that a feature owns.
    fn snapshot_with_a_feature() -> SnapshotInfo {
        let features = json!([{"feature_name": "kibana", "indices": [".kibana_1"]}]);
        serde_json::from_value(json!({"snapshot": "s", "indices": [".kibana_1", "movies"], "feature_states": features}))
            .unwrap()
    }

    #[test]
    fn treats_hidden_indices_without_a_feature_like_others() {
        assert_eq!(certain(&[".kibana_1", "movies"], &[], &RestoreSnapshot::new()), [".kibana_1", "movies"]);
    }

    #[test]
    fn applies_patterns_as_if_a_stream_were_its_backing_indices() {
        let (indices, streams) = ([".ds-logs-000001", "books", "movies"], ["logs"]);
        for (patterns, expected) in [
            (vec!["*"], vec![".ds-logs-000001", "books", "movies"]),
            (vec!["movies", "logs"], vec![".ds-logs-000001", "movies"]),
            (vec!["movies"], vec!["movies"]),
        ] {
            assert_eq!(
                certain(&indices, &streams, &RestoreSnapshot::new().with_indices(&patterns)),
                expected,
                "{patterns:?}"
            );
        }
    }

    #[test]
    fn counts_unnamed_indices_as_possible_if_a_data_stream_is_restored() {
        let snapshot = snapshot(&[".ds-logs-000001", "books", "movies"], &["logs"]);
        let all = RestoreSnapshot::new();
        for options in [all.clone(), all.clone().with_indices(["-books"]), all.with_indices(["logs", "-books"])] {
            let targets = Targets::of(&snapshot, &options);

            assert!(!targets.are_exact());
            assert_eq!(targets.certain().iter().collect::<Vec<_>>(), [".ds-logs-000001"]);
            assert!(targets.iter().any(|name| name == "movies"));
        }
    }

    #[test]
    fn removes_a_target_that_no_request_can_name() {
        let mut targets = Targets::of(&snapshot(&["50%ab", "movies"], &[]), &RestoreSnapshot::new());

        let names: Vec<String> = targets.retain_valid_names().iter().map(ToString::to_string).collect();

        assert_eq!((names, targets.are_open_ended()), (vec!["movies".to_owned()], true));
    }

    #[test]
    fn is_contradicted_by_a_recovery_from_another_index() {
        let options = RestoreSnapshot::new().with_indices(["movies"]).with_rename("movies", "x");
        let targets = Targets::of(&snapshot(&["movies", "books"], &[]), &options);
        let recovery = |source: &str| {
            let source = json!({"repository": "r", "snapshot": "s", "index": source});
            let shard = json!({"id": 0, "type": "SNAPSHOT", "stage": "DONE", "primary": true, "source": source});
            read_all(Recoveries::new, &json!({"x": {"shards": [shard]}}).to_string()).unwrap().remove(0)
        };

        assert!(!targets.are_contradicted_by(&recovery("movies")));
        assert!(targets.are_contradicted_by(&recovery("books")));
    }

    #[test]
    fn counts_indices_of_features_as_possible_unless_they_are_named() {
        let all = Targets::of(&snapshot_with_a_feature(), &RestoreSnapshot::new());
        assert!(!all.are_exact());
        assert_eq!((all.certain().len(), all.iter().collect::<Vec<_>>()), (1, vec!["movies", ".kibana_1"]));

        let named = RestoreSnapshot::new().with_indices([".kibana_1"]);
        assert_eq!(certain(&[".kibana_1", "movies"], &[], &named), [".kibana_1"]);
    }

    #[test]
    fn is_not_exact_if_only_the_server_can_determine_the_targets() {
        let movies = snapshot(&["movies"], &[]);
        for options in [
            RestoreSnapshot::new().with_rename("(?=m)", "x"),
            RestoreSnapshot::new().with_include_global_state(true),
            RestoreSnapshot::new().with_feature_states(["kibana"]),
            RestoreSnapshot::new().with_indices(["<movies-{now/d}>"]),
        ] {
            assert!(!Targets::of(&movies, &options).are_exact(), "{options:?}");
        }
        let strange = snapshot(&["renamed-by-hand"], &["logs"]);
        assert!(!Targets::of(&strange, &RestoreSnapshot::new()).are_exact());
    }

    #[test]
    fn matches_only_a_restore_of_all_targets_and_no_others() {
        let targets = Targets::exactly(["a".to_owned(), "b".to_owned()]);

        assert!(targets.match_exactly(["a", "b"]));
        assert!(!targets.match_exactly(["a"]));
        assert!(!targets.match_exactly(["a", "b", "c"]));
        assert!(!targets.match_exactly([]));
    }

    #[test]
    fn matches_with_and_without_possible_targets() {
        let targets = Targets::of(&snapshot_with_a_feature(), &RestoreSnapshot::new());

        assert!(targets.match_exactly(["movies"]));
        assert!(targets.match_exactly(["movies", ".kibana_1"]));
        assert!(!targets.match_exactly([".kibana_1"]));
        assert!(!targets.match_exactly(["movies", "books"]));
    }
}
