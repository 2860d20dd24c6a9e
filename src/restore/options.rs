//! Options of a restore.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::targets::Selection;
use crate::error::Error;
use crate::name::IndexPattern;
use crate::wire::{is_same_setting, merged};

/// Options of a restore: what is restored from a snapshot, and under which names.
///
/// Only options that are set are sent, except for
/// [`include_global_state`](Self::with_include_global_state), which is always sent. See the
/// [restore snapshot
/// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-restore).
///
/// The options also decide whether the request may be resent after a lost response. This requires
/// that the client can determine exactly which indices the restore writes. See
/// [`Snapshot::restore`](crate::Snapshot::restore).
///
/// ```
/// use es_snapshot::RestoreSnapshot;
///
/// // A copy next to the live index. With aliases, searches would find both.
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

/// The options that have their own method.
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
    /// Returns the default options.
    ///
    /// They restore every index and data stream of the snapshot under its own name, without the
    /// cluster state.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the indices and data streams to restore: names, wildcards and `-exclusions`.
    ///
    /// Each is checked as an [`IndexPattern`] before anything is sent. An empty list selects all.
    ///
    /// On an Amazon domain with fine-grained access control use a list of names, because patterns
    /// that exclude system indices may be refused. See also [Amazon's
    /// guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshot-restore.html).
    /// Server default: all.
    #[must_use]
    pub fn with_indices<I>(mut self, patterns: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.typed.indices = Some(patterns.into_iter().map(|pattern| pattern.as_ref().to_owned()).collect());
        self
    }

    /// Sets whether named indices that are not in the snapshot are skipped.
    ///
    /// If they are not skipped, the call fails. Server default: false.
    #[must_use]
    pub fn with_ignore_unavailable(mut self, ignore: bool) -> Self {
        self.typed.ignore_unavailable = Some(ignore);
        self
    }

    /// Sets whether the cluster state is restored.
    ///
    /// It overwrites templates and persistent settings. Amazon domains with fine-grained access
    /// control refuse it. The client sends this option even if it is not set. Default: false.
    #[must_use]
    pub fn with_include_global_state(mut self, include: bool) -> Self {
        self.typed.include_global_state = include;
        self
    }

    /// Sets whether aliases are restored with their indices.
    ///
    /// Server default: true.
    #[must_use]
    pub fn with_include_aliases(mut self, include: bool) -> Self {
        self.typed.include_aliases = Some(include);
        self
    }

    /// Sets whether indices are restored that the snapshot contains only in part.
    ///
    /// Their missing shards come back empty. Server default: false.
    #[must_use]
    pub fn with_partial(mut self, partial: bool) -> Self {
        self.typed.partial = Some(partial);
        self
    }

    /// Sets which feature states are restored, by the names of their features.
    ///
    /// The single value `none` restores no feature state. Only Elasticsearch 7.12 and later accept
    /// this option; other servers refuse it.
    #[must_use]
    pub fn with_feature_states<I>(mut self, features: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.typed.feature_states = Some(features.into_iter().map(Into::into).collect());
        self
    }

    /// Sets how the names of indices and data streams change: a pattern and a replacement.
    ///
    /// The pattern is a Java regular expression. The server replaces every match in each name. In
    /// the replacement, `$1` stands for the first group ([Java's
    /// rules](https://docs.oracle.com/en/java/javase/11/docs/api/java.base/java/util/regex/Matcher.html#appendReplacement(java.lang.StringBuffer,java.lang.String))).
    /// Aliases keep their names. See [`with_include_aliases`](Self::with_include_aliases).
    ///
    /// ```
    /// use es_snapshot::RestoreSnapshot;
    ///
    /// // `logs-2024` becomes `old-2024`.
    /// let options = RestoreSnapshot::new().with_rename("logs-(.+)", "old-$1");
    /// assert_eq!(options.rename(), Some(("logs-(.+)", "old-$1")));
    /// ```
    #[doc(alias = "rename_pattern")]
    #[doc(alias = "rename_replacement")]
    #[must_use]
    pub fn with_rename(mut self, pattern: impl Into<String>, replacement: impl Into<String>) -> Self {
        self.typed.rename_pattern = Some(pattern.into());
        self.typed.rename_replacement = Some(replacement.into());
        self
    }

    /// Sets a rename that puts this text before every name.
    ///
    /// ```
    /// use es_snapshot::RestoreSnapshot;
    ///
    /// let options = RestoreSnapshot::new().with_rename_prefix("staging-");
    /// assert_eq!(options.rename(), Some(("^(.+)$", "staging-$1")));
    /// ```
    #[must_use]
    pub fn with_rename_prefix(self, prefix: impl AsRef<str>) -> Self {
        // Both characters have a special meaning in a Java replacement.
        let literal = prefix.as_ref().replace('\\', "\\\\").replace('$', "\\$");
        self.with_rename("^(.+)$", format!("{literal}$1"))
    }

    /// Sets index settings that replace those in the snapshot, such as `index.number_of_replicas`.
    ///
    /// They apply to every restored index.
    ///
    /// ```
    /// use es_snapshot::RestoreSnapshot;
    ///
    /// let options = RestoreSnapshot::new().with_index_settings([("index.number_of_replicas", 0)]);
    /// assert_eq!(options.index_settings().map(|settings| settings.len()), Some(1));
    /// ```
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

    /// Sets the index settings that are not restored.
    ///
    /// The cluster's defaults apply to them. Wildcards are allowed.
    #[must_use]
    pub fn with_ignore_index_settings<I>(mut self, settings: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.typed.ignore_index_settings = Some(settings.into_iter().map(Into::into).collect());
        self
    }

    /// Sets an option that has no method of its own, such as OpenSearch's `storage_type`.
    ///
    /// Servers refuse options that they do not know. The restore fails with
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the key also has a method of its own,
    /// and that method or its default gives it another value.
    #[must_use]
    pub fn with_setting(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.other.insert(key.into(), value.into());
        self
    }

    /// Returns the indices and data streams to restore, if set.
    #[must_use]
    pub fn indices(&self) -> Option<&[String]> {
        self.typed.indices.as_deref()
    }

    /// Returns whether named indices that are not in the snapshot are skipped, if set.
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

    /// Returns whether indices are restored that the snapshot contains only in part, if set.
    #[must_use]
    pub fn partial(&self) -> Option<bool> {
        self.typed.partial
    }

    /// Returns the names of the features to restore the state of, if set.
    #[must_use]
    pub fn feature_states(&self) -> Option<&[String]> {
        self.typed.feature_states.as_deref()
    }

    /// Returns the pattern and the replacement of the rename, if set.
    #[must_use]
    pub fn rename(&self) -> Option<(&str, &str)> {
        self.typed.rename_pattern.as_deref().zip(self.typed.rename_replacement.as_deref())
    }

    /// Returns the index settings that replace those in the snapshot, if set.
    #[must_use]
    pub fn index_settings(&self) -> Option<&Map<String, Value>> {
        self.typed.index_settings.as_ref()
    }

    /// Returns the index settings that are not restored, if set.
    #[must_use]
    pub fn ignore_index_settings(&self) -> Option<&[String]> {
        self.typed.ignore_index_settings.as_deref()
    }

    /// Returns the options that have no method of their own.
    ///
    /// [`with_setting`](Self::with_setting) sets them, or they were read from JSON.
    #[must_use]
    pub fn other(&self) -> &Map<String, Value> {
        &self.other
    }

    /// Returns whether the restore may write cluster state or feature states. Unlike an open index,
    /// these do not make the server refuse a second restore.
    pub(crate) fn restores_global_state(&self) -> bool {
        self.typed.include_global_state || self.sets("feature_states", self.typed.feature_states.is_some())
    }

    /// Returns the pattern and the replacement, however they are set.
    pub(super) fn rename_pair(&self) -> Option<(&str, &str)> {
        let text = |key: &str| self.other.get(key).and_then(Value::as_str);
        let pattern = self.typed.rename_pattern.as_deref().or_else(|| text("rename_pattern"))?;
        let replacement = self.typed.rename_replacement.as_deref().or_else(|| text("rename_replacement"))?;
        Some((pattern, replacement))
    }

    /// Returns the selected indices, however they are set. The server accepts a list, and a text
    /// with commas.
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

    /// Returns whether an option is set, by its own method or by
    /// [`with_setting`](Self::with_setting).
    fn sets(&self, key: &str, typed: bool) -> bool {
        typed || self.other.contains_key(key)
    }

    /// Returns an error if the options cannot work, before anything is sent.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        for pattern in self.typed.indices.iter().flatten() {
            pattern.parse::<IndexPattern>()?;
        }
        let body =
            self.body().map_err(|error| Error::invalid("options cannot be written as JSON").with_source(error))?;
        let differs = |key: &str, open: &Value| body.get(key).is_some_and(|sent| !is_same_setting(sent, open));
        if let Some((key, _)) = self.other.iter().find(|(key, open)| differs(key, open)) {
            return Err(Error::invalid(format!(
                "`{key}` has two values: one set by `with_setting`, another by its own method or that method's default; \
                 use only the method"
            )));
        }
        let text = |key: &str| body.get(key).filter(|value| !value.is_null());
        match (text("rename_pattern"), text("rename_replacement")) {
            (None, None) => Ok(()),
            (Some(pattern), Some(_)) if pattern != "" => Ok(()),
            _ => Err(Error::invalid(
                "a rename needs a pattern that is not empty and a replacement; set both with `with_rename`",
            )),
        }
    }

    fn body(&self) -> Result<Map<String, Value>, serde_json::Error> {
        merged(&self.other, &self.typed)
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
    fn sends_include_global_state_even_if_it_is_not_set() {
        assert_eq!(serde_json::to_value(RestoreSnapshot::new()).unwrap(), json!({"include_global_state": false}));
        let wanted = RestoreSnapshot::new().with_include_global_state(true);
        assert_eq!(serde_json::to_value(wanted).unwrap(), json!({"include_global_state": true}));
    }

    #[test]
    fn refuses_an_option_with_two_values() {
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
    fn refuses_an_incomplete_rename_however_it_is_set() {
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
    fn serialises_and_deserialises_every_option() {
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
    fn refuses_options_that_cannot_work() {
        assert!(RestoreSnapshot::new().with_indices(["a,b"]).validate().is_err());
        assert!(RestoreSnapshot::new().with_rename("", "x").validate().is_err());
        let half: RestoreSnapshot = serde_json::from_str(r#"{"rename_pattern":"(.+)"}"#).unwrap();
        assert!(half.validate().is_err());
    }

    #[test]
    fn recognises_feature_states_however_they_are_set() {
        assert!(RestoreSnapshot::new().with_setting("feature_states", json!(["kibana"])).restores_global_state());
        assert!(RestoreSnapshot::new().with_feature_states(["kibana"]).restores_global_state());
        assert!(!RestoreSnapshot::new().restores_global_state());
    }
}
