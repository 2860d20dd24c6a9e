//! What is asked for.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::name::{IndexPattern, matches_wildcard};
use crate::wire::laid_over;

/// What is restored from a snapshot, and under which names. Only what is set is sent, except that
/// [`include_global_state`](Self::include_global_state) always is.
///
/// Elasticsearch/OpenSearch REST API, restore snapshot.
///
/// ```
/// use es_snapshot::RestoreSnapshot;
///
/// // Beside the index in use, whose aliases would lead to both.
/// let options = RestoreSnapshot::new().indices(["movies"]).rename("(.+)", "restored-$1").include_aliases(false);
/// assert_eq!(
///     serde_json::to_value(&options).unwrap(),
///     serde_json::json!({"indices": ["movies"], "include_global_state": false, "include_aliases": false,
///                        "rename_pattern": "(.+)", "rename_replacement": "restored-$1"}),
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

    /// Renames what is restored: a Java regular expression, and the replacement with `$1` for its first group. Aliases keep their
    /// names: see [`include_aliases`](Self::include_aliases).
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

#[cfg(test)]
mod tests {
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
}
