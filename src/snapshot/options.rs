//! The options for creating, cloning and listing snapshots.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::name::{IndexPattern, SnapshotPattern};
use crate::ticket::{SnapshotToken, TOKEN_KEY};

/// The largest `metadata` that the server accepts. In bytes of compact JSON.
const MAX_METADATA_BYTES: usize = 1024;

/// A kind of index that wildcards match.
///
/// ```
/// use es_snapshot::CreateSnapshot;
/// use es_snapshot::snapshot::ExpandWildcards;
///
/// let options = CreateSnapshot::new().with_expand_wildcards([ExpandWildcards::Open]);
/// assert_eq!(serde_json::to_string(&options)?, r#"{"expand_wildcards":["open"]}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExpandWildcards {
    /// Open indices.
    Open,
    /// Closed indices.
    Closed,
    /// Hidden indices. Only together with `Open` or `Closed`.
    Hidden,
    /// All indices.
    All,
    /// No indices: wildcards are not expanded.
    None,
}

impl ExpandWildcards {
    /// Returns the word that the REST API uses, such as `open`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Hidden => "hidden",
            Self::All => "all",
            Self::None => "none",
        }
    }
}

impl fmt::Display for ExpandWildcards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Options of a create: what a new snapshot contains.
///
/// Only the options that are set are sent. Without [`with_indices`](Self::with_indices), the
/// snapshot contains every index. See the [create snapshot
/// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-create).
///
/// ```
/// use es_snapshot::CreateSnapshot;
///
/// let options = CreateSnapshot::new().with_indices(["movies"]).with_include_global_state(false);
/// assert_eq!(
///     serde_json::to_string(&options)?,
///     r#"{"indices":["movies"],"include_global_state":false}"#,
/// );
/// assert_eq!(serde_json::to_string(&CreateSnapshot::new())?, "{}");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CreateSnapshot {
    #[serde(skip_serializing_if = "Option::is_none")]
    indices: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expand_wildcards: Option<Vec<ExpandWildcards>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_unavailable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_global_state: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature_states: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "TokenChoice::is_random")]
    token: TokenChoice,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    wait_for_completion: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TokenChoice {
    #[default]
    Random,
    Given(SnapshotToken),
    None,
}

impl TokenChoice {
    fn is_random(&self) -> bool {
        *self == Self::Random
    }
}

impl CreateSnapshot {
    /// Returns the default options: every index and data stream, and the server's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the indices and data streams to include.
    ///
    /// Each is a name, a pattern with wildcards, an exclusion such as `-logs-*`, or date math. The
    /// client checks each as an [`IndexPattern`] before it sends anything. An empty list means all.
    /// Server default: all.
    #[must_use]
    pub fn with_indices<I>(mut self, patterns: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.indices = Some(patterns.into_iter().map(|pattern| pattern.as_ref().to_owned()).collect());
        self
    }

    /// Sets which indices wildcards match.
    ///
    /// Server default: open and hidden; all since Elasticsearch 8.
    #[must_use]
    pub fn with_expand_wildcards(mut self, kinds: impl IntoIterator<Item = ExpandWildcards>) -> Self {
        self.expand_wildcards = Some(kinds.into_iter().collect());
        self
    }

    /// Sets whether named indices that are missing or closed are skipped.
    ///
    /// If not, they make the call fail. Server default: no.
    #[must_use]
    pub fn with_ignore_unavailable(mut self, ignore: bool) -> Self {
        self.ignore_unavailable = Some(ignore);
        self
    }

    /// Sets whether the cluster state is included, such as templates and persistent settings.
    ///
    /// Server default: yes.
    #[must_use]
    pub fn with_include_global_state(mut self, include: bool) -> Self {
        self.include_global_state = Some(include);
        self
    }

    /// Sets whether the snapshot may start while a primary shard is not available.
    ///
    /// With or without this option, the snapshot ends as
    /// [`Partial`](crate::SnapshotState::Partial) if a shard fails while it runs. Server default:
    /// no.
    #[must_use]
    pub fn with_partial(mut self, partial: bool) -> Self {
        self.partial = Some(partial);
        self
    }

    /// Sets the features whose state is included, or only `none`.
    ///
    /// Elasticsearch 7.12 and later. Other servers ignore it.
    #[must_use]
    pub fn with_feature_states<I>(mut self, features: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.feature_states = Some(features.into_iter().map(Into::into).collect());
        self
    }

    /// Sets metadata that the server stores with the snapshot.
    ///
    /// It may have at most 1024 bytes of JSON, including the token. A random token takes 55. The
    /// keys `policy` and `sm_policy` are used by the servers' own schedulers.
    ///
    /// ```
    /// use es_snapshot::CreateSnapshot;
    /// use serde_json::{Map, Value};
    ///
    /// let metadata = Map::from_iter([("taken_by".to_owned(), Value::from("nightly job"))]);
    /// let options = CreateSnapshot::new().with_metadata(metadata);
    /// assert!(options.metadata().is_some());
    /// ```
    #[must_use]
    pub fn with_metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// Returns the indices and data streams, if set.
    #[must_use]
    pub fn indices(&self) -> Option<&[String]> {
        self.indices.as_deref()
    }

    /// Returns which indices wildcards match, if set.
    #[must_use]
    pub fn expand_wildcards(&self) -> Option<&[ExpandWildcards]> {
        self.expand_wildcards.as_deref()
    }

    /// Returns whether missing or closed indices are skipped, if set.
    #[must_use]
    pub fn ignore_unavailable(&self) -> Option<bool> {
        self.ignore_unavailable
    }

    /// Returns whether the cluster state is included, if set.
    #[must_use]
    pub fn include_global_state(&self) -> Option<bool> {
        self.include_global_state
    }

    /// Returns whether the snapshot may start while a primary shard is not available, if set.
    #[must_use]
    pub fn partial(&self) -> Option<bool> {
        self.partial
    }

    /// Returns the features whose state is included, if set.
    #[must_use]
    pub fn feature_states(&self) -> Option<&[String]> {
        self.feature_states.as_deref()
    }

    /// Returns the token, if set.
    #[must_use]
    pub fn token(&self) -> Option<&SnapshotToken> {
        match &self.token {
            TokenChoice::Given(token) => Some(token),
            TokenChoice::Random | TokenChoice::None => None,
        }
    }

    /// Returns the metadata, if set.
    #[must_use]
    pub fn metadata(&self) -> Option<&Map<String, Value>> {
        self.metadata.as_ref()
    }

    /// Sets the token in the snapshot's metadata, instead of a random one.
    ///
    /// A process that was restarted can then find the snapshot again. A create with the same name
    /// and token adopts the snapshot of an earlier call.
    ///
    /// ```
    /// use es_snapshot::CreateSnapshot;
    /// use es_snapshot::snapshot::SnapshotToken;
    ///
    /// let token = SnapshotToken::new("nightly-2024.05.01")?;
    /// let options = CreateSnapshot::new().with_token(token.clone());
    /// assert_eq!(options.token(), Some(&token));
    /// # Ok::<(), es_snapshot::Error>(())
    /// ```
    #[must_use]
    pub fn with_token(mut self, token: SnapshotToken) -> Self {
        self.token = TokenChoice::Given(token);
        self
    }

    /// Stores no token in the snapshot's metadata.
    ///
    /// The client then checks that the name is free before it sends the request. After a lost
    /// response, it adopts a snapshot of this name, unless that snapshot has a token. The adopted
    /// snapshot is probably the one of this call. This is not certain, because another client may
    /// have taken the name. Before the client sends the request again, it always makes three
    /// checks.
    #[must_use]
    pub fn without_token(mut self) -> Self {
        self.token = TokenChoice::None;
        self
    }

    /// Sets whether the server responds only when the snapshot has ended.
    ///
    /// Use it only for small snapshots on self-managed clusters. The request ends at the time
    /// limits of the client ([`Timeouts`](crate::Timeouts)) or of a gateway (about a minute for
    /// Amazon's). The client then adopts the snapshot, which may still be running. A
    /// [wait](crate::StartedSnapshot::wait) has no such limit. Default: no.
    #[must_use]
    pub fn with_wait_for_completion(mut self, wait: bool) -> Self {
        self.wait_for_completion = wait;
        self
    }

    /// Returns whether the server responds only when the snapshot has ended.
    #[must_use]
    pub fn wait_for_completion(&self) -> bool {
        self.wait_for_completion
    }

    /// Returns the token for one call with these options: the caller's, or a new random one.
    pub(crate) fn choose_token(
        &self,
        random: impl FnOnce() -> Result<SnapshotToken, Error>,
    ) -> Result<Option<SnapshotToken>, Error> {
        match &self.token {
            TokenChoice::Random => random().map(Some),
            TokenChoice::Given(token) => Ok(Some(token.clone())),
            TokenChoice::None => Ok(None),
        }
    }

    /// Validates the options, and returns them with the token in the metadata.
    pub(crate) fn request_body(&self, token: Option<&SnapshotToken>) -> Result<Self, Error> {
        let mut body = Self { token: TokenChoice::Random, wait_for_completion: false, ..self.clone() };
        if body.metadata.as_ref().is_some_and(|metadata| metadata.contains_key(TOKEN_KEY)) {
            return Err(Error::invalid(format!(
                "metadata has the reserved key `{TOKEN_KEY}`; set a token by `CreateSnapshot::with_token`"
            )));
        }
        if let Some(token) = token {
            body.metadata.get_or_insert_default().insert(TOKEN_KEY.to_owned(), Value::from(token.as_str()));
        }
        body.validate()?;
        Ok(body)
    }

    /// Checks the options before anything is sent.
    fn validate(&self) -> Result<(), Error> {
        for pattern in self.indices.iter().flatten() {
            pattern.parse::<IndexPattern>()?;
        }
        let metadata = self.metadata.as_ref().map(|metadata| Value::Object(metadata.clone()).to_string().len());
        match metadata.filter(|bytes| *bytes > MAX_METADATA_BYTES) {
            Some(bytes) => Err(Error::invalid(format!(
                "metadata with its token has {bytes} bytes of JSON, expected at most {MAX_METADATA_BYTES}"
            ))),
            None => Ok(()),
        }
    }
}

/// Options of a clone: which indices of the snapshot it contains.
///
/// See the [clone snapshot
/// API](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-clone).
///
/// ```
/// use es_snapshot::CloneSnapshot;
///
/// let options = CloneSnapshot::new(["logs-*", "-logs-debug"]);
/// assert_eq!(options.indices(), ["logs-*", "-logs-debug"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloneSnapshot {
    indices: Vec<String>,
}

impl CloneSnapshot {
    /// Returns the options to clone these indices.
    ///
    /// Each is a name, a pattern with wildcards, or an exclusion such as `-logs-*`. `["*"]` means
    /// all.
    #[must_use]
    pub fn new<I>(patterns: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        Self { indices: patterns.into_iter().map(|pattern| pattern.as_ref().to_owned()).collect() }
    }

    /// Returns the indices to clone.
    #[must_use]
    pub fn indices(&self) -> &[String] {
        &self.indices
    }

    /// Checks the options before anything is sent.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.indices.is_empty() {
            return Err(Error::invalid("a clone has no index pattern, expected at least one, such as `*`"));
        }
        self.indices.iter().try_for_each(|pattern| pattern.parse::<IndexPattern>().map(|_| ()))
    }
}

/// Options of a listing: which snapshots it contains, and with which details.
///
/// ```
/// use es_snapshot::{ListSnapshots, SnapshotPattern};
///
/// let nightly = SnapshotPattern::new(["nightly-*"])?;
/// let options = ListSnapshots::new().with_pattern(nightly).with_verbose(false);
/// assert_eq!(options.pattern().map(ToString::to_string).as_deref(), Some("nightly-*"));
/// # Ok::<(), es_snapshot::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListSnapshots {
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<SnapshotPattern>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbose: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_unavailable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_size: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unknown_fields: bool,
}

impl ListSnapshots {
    /// Returns the default options: every snapshot, with all details.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which snapshots are listed. Default: all.
    #[must_use]
    pub fn with_pattern(mut self, pattern: impl Into<SnapshotPattern>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// Sets whether the server returns all details of each snapshot.
    ///
    /// It then reads one file of the repository for each snapshot. Otherwise it returns only name,
    /// uuid, indices and state. Server default: yes.
    #[must_use]
    pub fn with_verbose(mut self, verbose: bool) -> Self {
        self.verbose = Some(verbose);
        self
    }

    /// Sets whether names that have no snapshot are skipped.
    ///
    /// If set, the server also skips every snapshot that it cannot read, and does not report it.
    /// If not, a name that has no snapshot makes the call fail. Server default: no.
    #[must_use]
    pub fn with_ignore_unavailable(mut self, ignore: bool) -> Self {
        self.ignore_unavailable = Some(ignore);
        self
    }

    /// Sets how many snapshots the server puts into one response (`size`).
    ///
    /// The client requests the next page when it has read one to its end. Pages require
    /// Elasticsearch 7.14 or later, and a listing with all details. Other servers refuse the
    /// request. Default: one response contains all snapshots.
    #[must_use]
    pub fn with_page_size(mut self, snapshots: u32) -> Self {
        self.page_size = Some(snapshots);
        self
    }

    /// Sets whether fields that this crate does not know are kept.
    ///
    /// [`SnapshotInfo::other`](crate::SnapshotInfo::other) returns them. Default: no.
    #[must_use]
    pub fn with_unknown_fields(mut self, keep: bool) -> Self {
        self.unknown_fields = keep;
        self
    }

    /// Returns which snapshots are listed, if set.
    #[must_use]
    pub fn pattern(&self) -> Option<&SnapshotPattern> {
        self.pattern.as_ref()
    }

    /// Returns whether the listing includes a snapshot of this name.
    pub(crate) fn selects(&self, name: &str) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.matches(name))
    }

    /// Returns whether every part of the pattern has a wildcard, so that no name has to exist.
    pub(crate) fn has_only_wildcards(&self) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.parts().all(|part| part.contains('*')))
    }

    /// Returns whether the server returns all details, if set.
    #[must_use]
    pub fn verbose(&self) -> Option<bool> {
        self.verbose
    }

    /// Returns whether names that have no snapshot are skipped, if set.
    #[must_use]
    pub fn ignore_unavailable(&self) -> Option<bool> {
        self.ignore_unavailable
    }

    /// Returns how many snapshots one response contains, if set.
    #[must_use]
    pub fn page_size(&self) -> Option<u32> {
        self.page_size
    }

    /// Returns whether fields that this crate does not know are kept.
    #[must_use]
    pub fn unknown_fields(&self) -> bool {
        self.unknown_fields
    }

    /// Returns the options for these snapshots without the details, which only their files contain.
    pub(crate) fn without_details(self) -> Self {
        Self { verbose: Some(false), page_size: None, ..self }
    }

    /// Checks the options before anything is sent.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        match self.page_size {
            Some(0) => Err(Error::invalid("invalid page size 0, expected at least 1")),
            Some(_) if self.verbose == Some(false) => Err(Error::invalid(
                "a listing without details cannot have a page size, because the server refuses `size` with \
                 `verbose=false`; leave out one of them",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn displays_kinds_of_indices_as_it_sends_them() {
        use ExpandWildcards::{All, Closed, Hidden, None, Open};
        for kind in [Open, Closed, Hidden, All, None] {
            assert_eq!(json!(kind), json!(kind.to_string()));
        }
    }

    #[test]
    fn sends_only_the_options_that_are_set() {
        let options = CreateSnapshot::new()
            .with_indices(["movies", "-.kibana*"])
            .with_expand_wildcards([ExpandWildcards::Open, ExpandWildcards::Hidden])
            .with_ignore_unavailable(true)
            .with_include_global_state(false)
            .with_partial(false)
            .with_feature_states(["none"])
            .with_metadata(Map::from_iter([("by".to_owned(), json!("ops"))]));
        let body = serde_json::to_value(&options).unwrap();
        assert_eq!(
            body,
            json!({"indices": ["movies", "-.kibana*"], "expand_wildcards": ["open", "hidden"], "ignore_unavailable": true,
                   "include_global_state": false, "partial": false, "feature_states": ["none"], "metadata": {"by": "ops"}})
        );
        assert_eq!(serde_json::from_value::<CreateSnapshot>(body).unwrap(), options);
        options.validate().unwrap();
    }

    #[test]
    fn refuses_unknown_options() {
        for read in [
            serde_json::from_value::<CreateSnapshot>(json!({"ignore_unavailble": true})).map(drop),
            serde_json::from_value::<CloneSnapshot>(json!({"indices": ["*"], "partial": true})).map(drop),
            serde_json::from_value::<ListSnapshots>(json!({"patern": ["a-*"]})).map(drop),
        ] {
            assert!(read.unwrap_err().to_string().contains("unknown field"));
        }
    }

    #[test]
    fn refuses_an_invalid_index_pattern() {
        for pattern in ["a,b", "", "_all", "a b"] {
            assert!(CreateSnapshot::new().with_indices([pattern]).validate().is_err(), "{pattern}");
        }
    }

    #[test]
    fn accepts_metadata_of_up_to_1024_bytes() {
        let options =
            |length| CreateSnapshot::new().with_metadata(Map::from_iter([("k".to_owned(), json!("x".repeat(length)))]));
        assert!(options(1016).validate().is_ok());
        assert!(options(1017).validate().is_err());
    }

    #[test]
    fn counts_the_token_as_part_of_the_metadata() {
        let options =
            |length| CreateSnapshot::new().with_metadata(Map::from_iter([("k".to_owned(), json!("x".repeat(length)))]));
        let token = SnapshotToken::random();
        assert!(options(1016 - 55).request_body(Some(&token)).is_ok());
        assert!(options(1017 - 55).request_body(Some(&token)).is_err());
    }

    #[test]
    fn refuses_metadata_with_the_key_of_the_token() {
        let options = CreateSnapshot::new().with_metadata(Map::from_iter([(TOKEN_KEY.to_owned(), json!("mine"))]));
        assert_eq!(options.request_body(None).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
