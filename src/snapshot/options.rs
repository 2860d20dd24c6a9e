//! What is asked for: the options of a creation, a clone and a listing.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::name::{IndexPattern, SnapshotPattern};
use crate::ticket::{SnapshotToken, TOKEN_KEY};

/// The largest `metadata` in bytes of compact JSON; the server counts the same way.
const MAX_METADATA_BYTES: usize = 1024;

/// Which kinds of indices a wildcard may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExpandWildcards {
    /// Open indices.
    Open,
    /// Closed indices.
    Closed,
    /// Hidden indices, together with `Open` or `Closed`.
    Hidden,
    /// All indices.
    All,
    /// None: wildcards are not expanded.
    None,
}

impl ExpandWildcards {
    /// Returns the word as the REST API has it.
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

/// What goes into a new snapshot. Only what is set is sent; without `indices` that is every index.
///
/// Elasticsearch/OpenSearch REST API, create snapshot.
///
/// ```
/// use es_snapshot::CreateSnapshot;
///
/// let options = CreateSnapshot::new().with_indices(["movies"]).with_include_global_state(false);
/// assert_eq!(serde_json::to_string(&options)?, r#"{"indices":["movies"],"include_global_state":false}"#);
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
    /// Every index and data stream, with the server's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The indices and data streams to take in: names, wildcards, `-exclusions`, date math. Each is
    /// checked as an [`IndexPattern`] before anything is sent. Server's default, and the
    /// meaning of an empty list: all.
    #[must_use]
    pub fn with_indices<I>(mut self, patterns: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.indices = Some(patterns.into_iter().map(|pattern| pattern.as_ref().to_owned()).collect());
        self
    }

    /// Which kinds of indices the wildcards stand for. Server's default: open and hidden ones, from
    /// Elasticsearch 8 all.
    #[must_use]
    pub fn with_expand_wildcards(mut self, kinds: impl IntoIterator<Item = ExpandWildcards>) -> Self {
        self.expand_wildcards = Some(kinds.into_iter().collect());
        self
    }

    /// Whether named indices that are missing or closed are passed over. Server's default: no, they
    /// make the call fail.
    #[must_use]
    pub fn with_ignore_unavailable(mut self, ignore: bool) -> Self {
        self.ignore_unavailable = Some(ignore);
        self
    }

    /// Whether the cluster state (templates, persistent settings…) is taken in. Server's default:
    /// yes.
    #[must_use]
    pub fn with_include_global_state(mut self, include: bool) -> Self {
        self.include_global_state = Some(include);
        self
    }

    /// Whether the snapshot may start while a primary shard is not available. Server's default: no.
    /// Even then a snapshot can end as [`Partial`](crate::SnapshotState::Partial), if a shard
    /// fails on the way.
    #[must_use]
    pub fn with_partial(mut self, partial: bool) -> Self {
        self.partial = Some(partial);
        self
    }

    /// The features whose state is taken in, or `none` alone. Elasticsearch 7.12 and later; other
    /// servers ignore it.
    #[must_use]
    pub fn with_feature_states<I>(mut self, features: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.feature_states = Some(features.into_iter().map(Into::into).collect());
        self
    }

    /// Anything to be kept with the snapshot: at most 1024 bytes of JSON together with the token,
    /// which takes 55 of them if it is random. The keys `policy` and `sm_policy` belong to the
    /// servers' own schedulers.
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

    /// Returns the token that the caller has set.
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

    /// Sets the token that marks the snapshot, instead of a random one. A process that lost its
    /// memory can then find the snapshot again: creating with the same name and token adopts what
    /// an earlier call has made.
    #[must_use]
    pub fn with_token(mut self, token: SnapshotToken) -> Self {
        self.token = TokenChoice::Given(token);
        self
    }

    /// Puts no token into the metadata, for those who must not.
    ///
    /// The client then looks for the name before it sends the request. After a lost response a
    /// snapshot of this name counts as this call's unless it carries a token. That is probable, not
    /// certain: another client may have taken the name meanwhile.
    #[must_use]
    pub fn without_token(mut self) -> Self {
        self.token = TokenChoice::None;
        self
    }

    /// Sets whether the server responds only when the snapshot has ended. Default: no.
    ///
    /// For small snapshots on self-managed clusters. The limits of the client
    /// ([`Timeouts`](crate::Timeouts)) or of a gateway (Amazon's: about a minute) cut the request
    /// off. The snapshot is then adopted, and may still be running. A
    /// [wait](crate::StartedSnapshot::wait) has no such limit.
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

    /// The token that a call with these options marks the snapshot with: the caller's, or a new
    /// one.
    pub(crate) fn mark(
        &self,
        random: impl FnOnce() -> Result<SnapshotToken, Error>,
    ) -> Result<Option<SnapshotToken>, Error> {
        match &self.token {
            TokenChoice::Random => random().map(Some),
            TokenChoice::Given(token) => Ok(Some(token.clone())),
            TokenChoice::None => Ok(None),
        }
    }

    /// The request's body: these options with the token among the metadata, once nothing is found
    /// wrong with them.
    pub(crate) fn marked(&self, token: Option<&SnapshotToken>) -> Result<Self, Error> {
        let mut body = Self { token: TokenChoice::Random, wait_for_completion: false, ..self.clone() };
        if body.metadata.as_ref().is_some_and(|metadata| metadata.contains_key(TOKEN_KEY)) {
            return Err(Error::invalid(format!(
                "metadata must not have the key {TOKEN_KEY:?}; give CreateSnapshot::token a token"
            )));
        }
        if let Some(token) = token {
            body.metadata.get_or_insert_default().insert(TOKEN_KEY.to_owned(), Value::from(token.as_str()));
        }
        body.validate()?;
        Ok(body)
    }

    /// What can be seen to be wrong before anything is sent.
    fn validate(&self) -> Result<(), Error> {
        for pattern in self.indices.iter().flatten() {
            pattern.parse::<IndexPattern>()?;
        }
        let metadata = self.metadata.as_ref().map(|metadata| Value::Object(metadata.clone()).to_string().len());
        match metadata.filter(|bytes| *bytes > MAX_METADATA_BYTES) {
            Some(bytes) => Err(Error::invalid(format!(
                "the metadata with its token is {bytes} bytes of JSON; at most {MAX_METADATA_BYTES} are allowed"
            ))),
            None => Ok(()),
        }
    }
}

/// Which indices of a snapshot go into its clone.
///
/// Elasticsearch/OpenSearch REST API, clone snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloneSnapshot {
    indices: Vec<String>,
}

impl CloneSnapshot {
    /// The indices to take over: names, wildcards, `-exclusions`. `["*"]` is all.
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

    /// What can be seen to be wrong before anything is sent.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.indices.is_empty() {
            return Err(Error::invalid("a clone needs at least one index pattern"));
        }
        self.indices.iter().try_for_each(|pattern| pattern.parse::<IndexPattern>().map(|_| ()))
    }
}

/// Which snapshots of a repository are listed, and how much of each.
///
/// ```
/// use es_snapshot::{ListSnapshots, SnapshotPattern};
///
/// let nightly = ListSnapshots::new().with_pattern(SnapshotPattern::new(["nightly-*"])?).with_verbose(false);
/// assert_eq!(nightly.pattern().map(ToString::to_string).as_deref(), Some("nightly-*"));
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
    /// Every snapshot, in full.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these. Default: all.
    #[must_use]
    pub fn with_pattern(mut self, pattern: impl Into<SnapshotPattern>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// Whether everything is read of each snapshot, one object of the repository for each. Server's
    /// default: yes. If not, only name, uuid, indices and state are returned.
    #[must_use]
    pub fn with_verbose(mut self, verbose: bool) -> Self {
        self.verbose = Some(verbose);
        self
    }

    /// Sets whether names without a snapshot are passed over. Server's default: no, they make the
    /// call fail.
    ///
    /// The server then also passes over a snapshot that it cannot read, and does not say so.
    #[must_use]
    pub fn with_ignore_unavailable(mut self, ignore: bool) -> Self {
        self.ignore_unavailable = Some(ignore);
        self
    }

    /// Sets how many snapshots the server puts into one response (`size`): the client requests the
    /// next page when it has read one to its end. Without it, one response contains all of them.
    ///
    /// Elasticsearch 7.14 and later have pages, of snapshots with all details. Other servers refuse
    /// the request.
    #[must_use]
    pub fn with_page_size(mut self, snapshots: u32) -> Self {
        self.page_size = Some(snapshots);
        self
    }

    /// Sets whether [`SnapshotInfo::other`](crate::SnapshotInfo::other) keeps the fields that this
    /// crate does not know. Default: no.
    #[must_use]
    pub fn with_unknown_fields(mut self, keep: bool) -> Self {
        self.unknown_fields = keep;
        self
    }

    /// The pattern, if set.
    #[must_use]
    pub fn pattern(&self) -> Option<&SnapshotPattern> {
        self.pattern.as_ref()
    }

    /// Whether a snapshot of this name is asked for.
    pub(crate) fn selects(&self, name: &str) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.matches(name))
    }

    /// Whether there are only wildcards, and no name of which a snapshot has to exist.
    pub(crate) fn names_none(&self) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.parts().all(|part| part.contains('*')))
    }

    /// Whether everything is read, if set.
    #[must_use]
    pub fn verbose(&self) -> Option<bool> {
        self.verbose
    }

    /// Whether missing names are passed over, if set.
    #[must_use]
    pub fn ignore_unavailable(&self) -> Option<bool> {
        self.ignore_unavailable
    }

    /// Returns how many snapshots one response has, if set.
    #[must_use]
    pub fn page_size(&self) -> Option<u32> {
        self.page_size
    }

    /// Returns whether fields that this crate does not know are kept.
    #[must_use]
    pub fn unknown_fields(&self) -> bool {
        self.unknown_fields
    }

    /// The same snapshots, without what only their own files contain.
    pub(crate) fn without_details(self) -> Self {
        Self { verbose: Some(false), page_size: None, ..self }
    }

    /// What can be seen to be wrong before anything is sent.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        match self.page_size {
            Some(0) => Err(Error::invalid("a page has at least one snapshot")),
            Some(_) if self.verbose == Some(false) => Err(Error::invalid(
                "a listing without details has no pages: the server refuses `size` with `verbose=false`",
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
    fn kinds_of_indices_are_shown_as_they_are_sent() {
        use ExpandWildcards::{All, Closed, Hidden, None, Open};
        for kind in [Open, Closed, Hidden, All, None] {
            assert_eq!(json!(kind), json!(kind.to_string()));
        }
    }

    #[test]
    fn only_what_was_set_is_sent() {
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
    fn an_option_that_is_not_known_is_not_dropped_without_a_word() {
        for read in [
            serde_json::from_value::<CreateSnapshot>(json!({"ignore_unavailble": true})).map(drop),
            serde_json::from_value::<CloneSnapshot>(json!({"indices": ["*"], "partial": true})).map(drop),
            serde_json::from_value::<ListSnapshots>(json!({"patern": ["a-*"]})).map(drop),
        ] {
            assert!(read.unwrap_err().to_string().contains("unknown field"));
        }
    }

    #[test]
    fn an_odd_index_pattern_is_refused_before_sending() {
        for pattern in ["a,b", "", "_all", "a b"] {
            assert!(CreateSnapshot::new().with_indices([pattern]).validate().is_err(), "{pattern}");
        }
    }

    #[test]
    fn metadata_may_have_1024_bytes_and_no_more() {
        let options =
            |length| CreateSnapshot::new().with_metadata(Map::from_iter([("k".to_owned(), json!("x".repeat(length)))]));
        assert!(options(1016).validate().is_ok());
        assert!(options(1017).validate().is_err());
    }

    #[test]
    fn the_token_counts_among_the_metadatas_bytes() {
        let options =
            |length| CreateSnapshot::new().with_metadata(Map::from_iter([("k".to_owned(), json!("x".repeat(length)))]));
        let token = SnapshotToken::random();
        assert!(options(1016 - 55).marked(Some(&token)).is_ok());
        assert!(options(1017 - 55).marked(Some(&token)).is_err());
    }

    #[test]
    fn the_key_of_the_token_is_not_the_callers() {
        let options = CreateSnapshot::new().with_metadata(Map::from_iter([(TOKEN_KEY.to_owned(), json!("mine"))]));
        assert_eq!(options.marked(None).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
