//! How a snapshot or a restore is known again: tokens, and the tickets of waits.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::name::{RepositoryName, SnapshotName};

/// The key under which a snapshot's metadata carries its token.
pub(crate) const TOKEN_KEY: &str = "es_snapshot_token";

/// A mark in a snapshot's metadata by which it is recognized: after a lost response, and by a later
/// process.
///
/// Every create carries one. It is random unless the caller gives one, which may be anything of 8
/// to 64 letters, digits and `-_.:` that no other snapshot has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotToken(String);

impl SnapshotToken {
    /// The token of these random bytes, as 32 hexadecimal digits.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// The token's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SnapshotToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if !(8..=64).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b)) {
            return Err(Error::invalid("a snapshot token has 8 to 64 letters, digits and characters of `-_.:`"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for SnapshotToken {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<SnapshotToken> for String {
    fn from(token: SnapshotToken) -> Self {
        token.0
    }
}

/// A snapshot that is waited for: plain data with which another process can resume the wait.
///
/// The uuid and the token, as far as they are known, distinguish it from another snapshot of the
/// same name.
///
/// ```
/// use es_snapshot::{SnapshotTicket, SnapshotToken};
///
/// let token = SnapshotToken::try_random()?;
/// let ticket = SnapshotTicket::new("nightly".parse()?, "2024.05.01".parse()?).with_token(token);
/// let kept = serde_json::to_string(&ticket).unwrap();
/// assert_eq!(serde_json::from_str::<SnapshotTicket>(&kept).unwrap(), ticket);
/// # Ok::<(), es_snapshot::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotTicket {
    repository: RepositoryName,
    snapshot: SnapshotName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<SnapshotToken>,
}

impl SnapshotTicket {
    /// Returns a ticket of a snapshot by name alone.
    #[must_use]
    pub fn new(repository: RepositoryName, snapshot: SnapshotName) -> Self {
        Self { repository, snapshot, uuid: None, token: None }
    }

    /// Sets the uuid, as [`SnapshotInfo::uuid`](crate::SnapshotInfo::uuid) or a wait's progress
    /// returns it. Only the snapshot with this uuid is waited for.
    #[must_use]
    pub fn with_uuid(mut self, uuid: impl Into<String>) -> Self {
        self.uuid = Some(uuid.into());
        self
    }

    /// Sets the token. Only the snapshot that was created with it is waited for.
    #[must_use]
    pub fn with_token(mut self, token: SnapshotToken) -> Self {
        self.token = Some(token);
        self
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// The snapshot's name.
    #[must_use]
    pub fn snapshot(&self) -> &SnapshotName {
        &self.snapshot
    }

    /// The uuid, once known.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.uuid.as_deref()
    }

    /// Whether only the token tells which snapshot is meant.
    pub(crate) fn goes_by_token(&self) -> bool {
        self.uuid.is_none() && self.token.is_some()
    }

    /// Whether a snapshot that was found under the name is the one that is meant.
    pub(crate) fn matches(&self, uuid: Option<&str>, token: Option<&str>) -> bool {
        let same = |expected: Option<&str>, found: Option<&str>| expected.is_none() || found.is_none() || expected == found;
        same(self.uuid.as_deref(), uuid) && (!self.goes_by_token() || self.token.as_ref().map(SnapshotToken::as_str) == token)
    }
}

/// A restore that is waited for: plain data with which another process can resume the wait.
///
/// It names the indices that this restore writes, under their new names; for a data stream, its
/// backing indices. A wait judges exactly those, whatever else is or was restored from the same
/// snapshot. The uuids distinguish an index of this restore from another that takes its name later,
/// and the names in the snapshot one that another client restores from another index.
///
/// [`StartedRestore::ticket`](crate::StartedRestore::ticket) returns the one of a restore that was
/// started.
/// [`SnapshotClient::resume_wait_for_restore`](crate::SnapshotClient::resume_wait_for_restore)
/// waits.
///
/// ```
/// use es_snapshot::RestoreTicket;
///
/// let nightly = RestoreTicket::new("nightly".parse()?, "2024.05.01".parse()?);
/// let ticket = nightly.with_index("restored-movies");
/// let kept = serde_json::to_string(&ticket).unwrap();
/// assert_eq!(serde_json::from_str::<RestoreTicket>(&kept).unwrap(), ticket);
/// # Ok::<(), es_snapshot::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreTicket {
    repository: RepositoryName,
    snapshot: SnapshotName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot_uuid: Option<String>,
    /// The target indices; `None` if they are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    indices: Option<BTreeMap<String, RestoredIndex>>,
}

/// One index that a restore writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RestoredIndex {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    /// Its name in the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

impl RestoreTicket {
    /// Returns a ticket of a restore of this snapshot. As long as no index is [added](Self::with_index),
    /// a wait judges every index that is restored from the snapshot.
    #[must_use]
    pub fn new(repository: RepositoryName, snapshot: SnapshotName) -> Self {
        Self { repository, snapshot, snapshot_uuid: None, indices: None }
    }

    /// Adds an index that the restore writes, under its new name.
    #[must_use]
    pub fn with_index(mut self, name: impl Into<String>) -> Self {
        self.add(name.into(), None, None);
        self
    }

    /// Adds an index; what is known of it already stays.
    pub(crate) fn add(&mut self, name: String, uuid: Option<String>, source: Option<&str>) {
        let index = self.indices.get_or_insert_default().entry(name).or_default();
        index.uuid = uuid.or(index.uuid.take());
        index.source = source.map(str::to_owned).or(index.source.take());
    }

    /// Notes that the restore writes no other indices than those that are added, and none if none is.
    pub(crate) fn close_list(&mut self) {
        self.indices.get_or_insert_default();
    }

    /// Whether it is known which indices the restore writes.
    pub(crate) fn knows_indices(&self) -> bool {
        self.indices.is_some()
    }

    pub(crate) fn set_snapshot_uuid(&mut self, uuid: Option<&str>) {
        self.snapshot_uuid = uuid.map(str::to_owned);
    }

    /// Returns the repository.
    #[must_use]
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Returns the snapshot's name.
    #[must_use]
    pub fn snapshot(&self) -> &SnapshotName {
        &self.snapshot
    }

    /// Returns the snapshot's uuid, once known.
    #[must_use]
    pub fn snapshot_uuid(&self) -> Option<&str> {
        self.snapshot_uuid.as_deref()
    }

    /// Returns the indices that the restore writes, under their new names. Empty if they could not
    /// be determined: a wait then looks for every index that is restored from the snapshot.
    pub fn indices(&self) -> impl Iterator<Item = &str> {
        self.indices.iter().flat_map(BTreeMap::keys).map(String::as_str)
    }

    /// Returns the uuid of a target index, once known.
    #[must_use]
    pub fn index_uuid(&self, index: &str) -> Option<&str> {
        self.restored(index)?.uuid.as_deref()
    }

    /// Returns the name that a target index has in the snapshot, once known.
    #[must_use]
    pub fn source_index(&self, index: &str) -> Option<&str> {
        self.restored(index)?.source.as_deref()
    }

    fn restored(&self, index: &str) -> Option<&RestoredIndex> {
        self.indices.as_ref()?.get(index)
    }
}
