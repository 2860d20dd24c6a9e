//! What is asked for.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::targets::Selection;
use crate::error::Error;
use crate::name::IndexPattern;
use crate::wire::{is_same, laid_over};

/// Options of a restore: what is restored from a snapshot, and under which names.
///
/// Only what is set is sent, except that
/// [`with_include_global_state`](Self::with_include_global_state) always is. See the [restore
/// snapshot API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-restore).
///
/// The options also decide whether a restore may be sent again after a lost response: only if the
/// client can determine exactly which indices it writes; see
/// [`Snapshot::restore`](crate::Snapshot::restore).
///
/// ```
/// use es_snapshot::RestoreSnapshot;
///
/// // Beside the index in use, whose aliases would lead to both.
/// let options = RestoreSnapshot::new()
///     .with_indices(["movies"])
///     .with_rename("(.+)", "restored-$1")
///     .with_include_aliases(false);
/// assert_eq!(
///     serde_json::to_value(&options)?,
///     serde_json::json!({
///         "indices": ["movies"], "include_global_state": false, "include_aliases": false,
///         "rename_pattern": "(.+)", "rename_replacement": "restored-$1",
///     }),
/// );
/// # Ok::<(), serde_json::Error>(())
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
    /// Returns the default options: every index and data stream of the snapshot, under their own
    /// names, without the cluster state.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the indices and data streams to restore: names, wildcards, `-exclusions`. Each is
    /// checked as an [`IndexPattern`] before anything is sent. On a domain with fine-grained access
    /// control use a list of names, because patterns that exclude system indices may be refused.
    /// Server default, and the meaning of an empty list: all.
    #[must_use]
    pub fn with_indices<I>(mut self, patterns: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.typed.indices = Some(patterns.into_iter().map(|pattern| pattern.as_ref().to_owned()).collect());
        self
    }

    /// Sets whether named indices that are not in the snapshot are skipped. Server default: no. The
    /// call then fails.
    #[must_use]
    pub fn with_ignore_unavailable(mut self, ignore: bool) -> Self {
        self.typed.ignore_unavailable = Some(ignore);
        self
    }

    /// Sets whether the cluster state is restored, which overwrites templates and persistent
    /// settings. Domains with fine-grained access control refuse it. Default: no; the client sends
    /// this to the server.
    #[must_use]
    pub fn with_include_global_state(mut self, include: bool) -> Self {
        self.typed.include_global_state = include;
        self
    }

    /// Sets whether aliases are restored with their indices. Server default: yes.
    #[must_use]
    pub fn with_include_aliases(mut self, include: bool) -> Self {
        self.typed.include_aliases = Some(include);
        self
    }

    /// Sets whether an index may be restored that is not wholly in the snapshot. Its missing shards
    /// come back empty. Server default: no.
    #[must_use]
    pub fn with_partial(mut self, partial: bool) -> Self {
        self.typed.partial = Some(partial);
        self
    }

    /// Sets the features whose state is restored, or `none` alone. Elasticsearch 7.12 and later;
    /// other servers refuse it.
    #[must_use]
    pub fn with_feature_states<I>(mut self, features: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.typed.feature_states = Some(features.into_iter().map(Into::into).collect());
        self
    }

    /// Sets how names change: a Java regular expression, and the replacement with `$1` for its
    /// first group. The server replaces every match in each name. Aliases keep their names: see
    /// [`with_include_aliases`](Self::with_include_aliases).
    #[must_use]
    pub fn with_rename(mut self, pattern: impl Into<String>, replacement: impl Into<String>) -> Self {
        self.typed.rename_pattern = Some(pattern.into());
        self.typed.rename_replacement = Some(replacement.into());
        self
    }

    /// Restores every index under its own name with this text before it.
    ///
    /// ```
    /// use es_snapshot::RestoreSnapshot;
    ///
    /// let options = RestoreSnapshot::new().with_rename_prefix("staging-");
    /// assert_eq!(options.rename(), Some(("^(.+)$", "staging-$1")));
    /// ```
    #[must_use]
    pub fn with_rename_prefix(self, prefix: impl AsRef<str>) -> Self {
        // Both characters mean something in a replacement of Java's.
        let literal = prefix.as_ref().replace('\\', "\\\\").replace('$', "\\$");
        self.with_rename("^(.+)$", format!("{literal}$1"))
    }

    /// Sets settings that every restored index gets instead of its own, such as
    /// `index.number_of_replicas`.
    #[must_use]
    pub fn with_index_settings<I, K, V>(mut self, settings: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: Into<String>,
        V: Into<Value>,
    {
        self.typed.index_settings = Some(settings.into_iter().map(|(key, value)| (key.into(), value.into())).collect());
        self
    }

    /// Sets the settings that are not restored, so that the cluster's defaults apply. Wildcards are
    /// allowed.
    #[must_use]
    pub fn with_ignore_index_settings<I>(mut self, settings: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.typed.ignore_index_settings = Some(settings.into_iter().map(Into::into).collect());
        self
    }

    /// Sets an option of certain versions, such as OpenSearch's `storage_type`. Servers refuse
    /// options they do not know. Restoring fails with
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if a method of this type, or its default,
    /// gives the same key another value.
    #[must_use]
    pub fn with_setting(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.other.insert(key.into(), value.into());
        self
    }

    /// Returns the indices and data streams, if set by [`with_indices`](Self::with_indices).
    #[must_use]
    pub fn indices(&self) -> Option<&[String]> {
        self.typed.indices.as_deref()
    }

    /// Returns whether indices that are not in the snapshot are skipped, if set.
    #[must_use]
    pub fn ignore_unavailable(&self) -> Option<bool> {
        self.typed.ignore_unavailable
    }

    /// Returns whether the cluster state is restored.
    #[must_use]
    pub fn include_global_state(&self) -> bool {
        self.typed.include_global_state
    }

    /// Returns whether aliases are restored, if set.
    #[must_use]
    pub fn include_aliases(&self) -> Option<bool> {
        self.typed.include_aliases
    }

    /// Returns whether an index may be restored that is not wholly in the snapshot, if set.
    #[must_use]
    pub fn partial(&self) -> Option<bool> {
        self.typed.partial
    }

    /// Returns the features whose state is restored, if set.
    #[must_use]
    pub fn feature_states(&self) -> Option<&[String]> {
        self.typed.feature_states.as_deref()
    }

    /// Returns the pattern and the replacement of the rename, if set.
    #[must_use]
    pub fn rename(&self) -> Option<(&str, &str)> {
        self.typed.rename_pattern.as_deref().zip(self.typed.rename_replacement.as_deref())
    }

    /// Returns the settings that every restored index gets, if set.
    #[must_use]
    pub fn index_settings(&self) -> Option<&Map<String, Value>> {
        self.typed.index_settings.as_ref()
    }

    /// Returns the settings that are not restored, if set.
    #[must_use]
    pub fn ignore_index_settings(&self) -> Option<&[String]> {
        self.typed.ignore_index_settings.as_deref()
    }

    /// Returns the options that have no method of their own.
    #[must_use]
    pub fn other(&self) -> &Map<String, Value> {
        &self.other
    }

    /// Whether it may restore what no open index would keep from being restored twice.
    pub(crate) fn restores_global_state(&self) -> bool {
        self.typed.include_global_state || self.sets("feature_states", self.typed.feature_states.is_some())
    }

    /// Pattern and replacement, if the restore renames.
    pub(super) fn rename_pair(&self) -> Option<(&str, &str)> {
        let text = |key: &str| self.other.get(key).and_then(Value::as_str);
        let pattern = self.typed.rename_pattern.as_deref().or_else(|| text("rename_pattern"))?;
        let replacement = self.typed.rename_replacement.as_deref().or_else(|| text("rename_replacement"))?;
        Some((pattern, replacement))
    }

    /// The indices asked for, however they are set: the server takes a list, and a text with
    /// commas.
    pub(super) fn selection(&self) -> Selection<'_> {
        Selection(match (&self.typed.indices, self.other.get("indices")) {
            (Some(patterns), _) => patterns.iter().map(String::as_str).collect(),
            (None, Some(Value::Array(patterns))) => patterns.iter().filter_map(Value::as_str).collect(),
            (None, Some(Value::String(patterns))) => {
                patterns.split(',').filter(|pattern| !pattern.is_empty()).collect()
            }
            (None, _) => Vec::new(),
        })
    }

    /// Whether an option is set, by its own method or by [`with_setting`](Self::with_setting).
    fn sets(&self, key: &str, typed: bool) -> bool {
        typed || self.other.contains_key(key)
    }

    /// What can be seen to be wrong before anything is sent.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        for pattern in self.typed.indices.iter().flatten() {
            pattern.parse::<IndexPattern>()?;
        }
        let body =
            self.body().map_err(|error| Error::invalid("options cannot be written as JSON").with_source(error))?;
        let differs = |key: &str, open: &Value| body.get(key).is_some_and(|sent| !is_same(sent, open));
        if let Some((key, _)) = self.other.iter().find(|(key, open)| differs(key, open)) {
            return Err(Error::invalid(format!(
                "`{key}` has two values, one by its own method or that method's default and another by `with_setting`; use the method"
            )));
        }
        let text = |key: &str| body.get(key).filter(|value| !value.is_null());
        match (text("rename_pattern"), text("rename_replacement")) {
            (None, None) => Ok(()),
            (Some(pattern), Some(_)) if pattern != "" => Ok(()),
            _ => Err(Error::invalid("renaming needs both a pattern that is not empty and a replacement")),
        }
    }

    fn body(&self) -> Result<Map<String, Value>, serde_json::Error> {
        laid_over(&self.other, &self.typed)
    }
}

impl Serialize for RestoreSnapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.body().map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_cluster_state_is_always_declined_unless_wanted() {
        assert_eq!(serde_json::to_value(RestoreSnapshot::new()).unwrap(), json!({"include_global_state": false}));
        let wanted = RestoreSnapshot::new().with_include_global_state(true);
        assert_eq!(serde_json::to_value(wanted).unwrap(), json!({"include_global_state": true}));
    }

    #[test]
    fn an_option_with_two_values_is_refused() {
        for (options, key) in [
            (RestoreSnapshot::new().with_setting("include_global_state", true), "include_global_state"),
            (
                RestoreSnapshot::new().with_include_global_state(true).with_setting("include_global_state", false),
                "include_global_state",
            ),
            (RestoreSnapshot::new().with_indices(["a"]).with_setting("indices", json!(["b"])), "indices"),
            (RestoreSnapshot::new().with_setting("partial", true).with_partial(false), "partial"),
            (
                RestoreSnapshot::new().with_rename("(.+)", "a-$1").with_setting("rename_replacement", "b-$1"),
                "rename_replacement",
            ),
        ] {
            let error = options.validate().unwrap_err().to_string();
            assert!(error.contains(&format!("`{key}` has two values")), "{error}");
        }
        RestoreSnapshot::new()
            .with_setting("include_global_state", "false")
            .with_partial(true)
            .with_setting("partial", true)
            .validate()
            .unwrap();
    }

    #[test]
    fn half_a_renaming_is_refused_however_it_is_set() {
        for options in [
            RestoreSnapshot::new().with_setting("rename_pattern", "(.+)"),
            RestoreSnapshot::new().with_setting("rename_replacement", "b-$1"),
            RestoreSnapshot::new()
                .with_setting("rename_pattern", "(.+)")
                .with_setting("rename_replacement", Value::Null),
            RestoreSnapshot::new().with_setting("rename_pattern", "").with_setting("rename_replacement", "b"),
        ] {
            assert!(options.validate().is_err(), "{options:?}");
        }
        RestoreSnapshot::new()
            .with_setting("rename_pattern", "(.+)")
            .with_setting("rename_replacement", "b-$1")
            .validate()
            .unwrap();
    }

    #[test]
    fn every_option_is_sent_and_read_back() {
        let options = RestoreSnapshot::new()
            .with_indices(["movies", "-.kibana*"])
            .with_ignore_unavailable(true)
            .with_include_aliases(false)
            .with_partial(true)
            .with_feature_states(["none"])
            .with_rename("(.+)", "r-$1")
            .with_index_settings([("index.number_of_replicas", 0)])
            .with_ignore_index_settings(["index.routing.*"])
            .with_setting("storage_type", "local");
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
        assert!(RestoreSnapshot::new().with_indices(["a,b"]).validate().is_err());
        assert!(RestoreSnapshot::new().with_rename("", "x").validate().is_err());
        let half: RestoreSnapshot = serde_json::from_str(r#"{"rename_pattern":"(.+)"}"#).unwrap();
        assert!(half.validate().is_err());
    }

    #[test]
    fn an_option_counts_however_it_is_set() {
        assert!(RestoreSnapshot::new().with_setting("feature_states", json!(["kibana"])).restores_global_state());
        assert!(RestoreSnapshot::new().with_feature_states(["kibana"]).restores_global_state());
        assert!(!RestoreSnapshot::new().restores_global_state());
    }
}
