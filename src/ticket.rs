//! How a snapshot or a restore is known again: tokens, and the tickets of waits.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, quoted};
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
    /// Returns the token of these random bytes: 32 hexadecimal digits.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// Returns the token with this text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if it does not have 8 to 64
    /// letters, digits and characters of `-_.:`.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Error> {
        text.as_ref().parse()
    }

    /// Returns the token's text.
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

/// What names something that was started, so that any process can come back to it.
///
/// A ticket is plain data. It serialises with its kind and a version, so text that was kept reads
/// back as a `Ticket` or as the ticket of its kind.
/// [`SnapshotClient::resume_any`](crate::SnapshotClient::resume_any) waits for whatever it names,
/// and [`SnapshotClient::check`](crate::SnapshotClient::check) checks it once.
///
/// ```
/// use es_snapshot::Ticket;
/// use es_snapshot::wait::SnapshotTicket;
///
/// let ticket: Ticket = SnapshotTicket::new("nightly", "2024.05.01")?.into();
/// let kept = serde_json::to_string(&ticket)?;
/// assert_eq!(
///     kept,
///     r#"{"kind":"snapshot","version":1,"repository":"nightly","snapshot":"2024.05.01"}"#
/// );
/// assert_eq!(serde_json::from_str::<Ticket>(&kept)?, ticket);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
#[non_exhaustive]
pub enum Ticket {
    /// A snapshot that is created or cloned.
    Snapshot(SnapshotTicket),
    /// A restore.
    Restore(RestoreTicket),
    /// A deletion.
    Deletion(DeletionTicket),
}

impl Ticket {
    /// Returns the repository.
    #[must_use]
    pub fn repository(&self) -> &RepositoryName {
        &self.subject().repository
    }

    /// Returns the name of the snapshot that is created, restored or deleted.
    #[must_use]
    pub fn snapshot(&self) -> &SnapshotName {
        &self.subject().snapshot
    }

    fn subject(&self) -> &Subject {
        match self {
            Self::Snapshot(ticket) => &ticket.subject,
            Self::Restore(ticket) => &ticket.subject,
            Self::Deletion(ticket) => &ticket.subject,
        }
    }
}

/// The snapshot that every ticket is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Subject {
    repository: RepositoryName,
    snapshot: SnapshotName,
    uuid: Option<String>,
}

impl Subject {
    fn parse(repository: impl AsRef<str>, snapshot: impl AsRef<str>) -> Result<Self, Error> {
        Ok(Self { repository: repository.as_ref().parse()?, snapshot: snapshot.as_ref().parse()?, uuid: None })
    }
}

macro_rules! subject_accessors {
    () => {
        /// Returns the repository.
        #[must_use]
        pub fn repository(&self) -> &RepositoryName {
            &self.subject.repository
        }

        /// Returns the snapshot's name.
        #[must_use]
        pub fn snapshot(&self) -> &SnapshotName {
            &self.subject.snapshot
        }
    };
}

/// A snapshot that is created or cloned.
///
/// The uuid and the token, as far as they are known, distinguish it from another snapshot of the
/// same name.
///
/// ```
/// use es_snapshot::snapshot::SnapshotToken;
/// use es_snapshot::wait::SnapshotTicket;
///
/// let token = SnapshotToken::try_random()?;
/// let ticket = SnapshotTicket::new("nightly", "2024.05.01")?.with_token(token);
/// let kept = serde_json::to_string(&ticket)?;
/// assert_eq!(serde_json::from_str::<SnapshotTicket>(&kept)?, ticket);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Ticket", into = "Ticket")]
pub struct SnapshotTicket {
    subject: Subject,
    token: Option<SnapshotToken>,
}

impl SnapshotTicket {
    /// Returns a ticket of a snapshot by name alone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a name is not valid.
    pub fn new(repository: impl AsRef<str>, snapshot: impl AsRef<str>) -> Result<Self, Error> {
        Ok(Self { subject: Subject::parse(repository, snapshot)?, token: None })
    }

    pub(crate) fn named(repository: RepositoryName, snapshot: SnapshotName) -> Self {
        Self { subject: Subject { repository, snapshot, uuid: None }, token: None }
    }

    /// Sets the uuid, as [`SnapshotInfo::uuid`](crate::SnapshotInfo::uuid) or a wait's progress
    /// returns it. Only the snapshot with this uuid is waited for.
    #[must_use]
    pub fn with_uuid(mut self, uuid: impl Into<String>) -> Self {
        self.subject.uuid = Some(uuid.into());
        self
    }

    /// Sets the token. Only the snapshot that was created with it is waited for.
    #[must_use]
    pub fn with_token(mut self, token: SnapshotToken) -> Self {
        self.token = Some(token);
        self
    }

    subject_accessors!();

    /// Returns the uuid, once known.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.subject.uuid.as_deref()
    }

    /// Returns the token, if known.
    #[must_use]
    pub fn token(&self) -> Option<&SnapshotToken> {
        self.token.as_ref()
    }

    /// Notes the uuid of the snapshot, now that it was found.
    pub(crate) fn set_uuid(&mut self, uuid: Option<&str>) {
        if let Some(uuid) = uuid {
            self.subject.uuid = Some(uuid.to_owned());
        }
    }

    /// Whether a snapshot that was found under the name is the one that is meant.
    pub(crate) fn matches(&self, uuid: Option<&str>, token: Option<&str>) -> bool {
        let same =
            |expected: Option<&str>, found: Option<&str>| expected.is_none() || found.is_none() || expected == found;
        let goes_by_token = self.subject.uuid.is_none() && self.token.is_some();
        same(self.uuid(), uuid) && (!goes_by_token || self.token.as_ref().map(SnapshotToken::as_str) == token)
    }
}

/// A deletion that may still be going on.
///
/// Deleting can take hours, longer than a gateway waits. A wait for the deletion ends when no
/// snapshot of this name and uuid is left. It deletes nothing itself.
///
/// ```
/// use es_snapshot::wait::DeletionTicket;
///
/// let ticket = DeletionTicket::new("nightly", "2024.05.01", "9QhTPPpQQgqmmUtwOIDfvA")?;
/// let kept = serde_json::to_string(&ticket)?;
/// assert_eq!(serde_json::from_str::<DeletionTicket>(&kept)?, ticket);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Ticket", into = "Ticket")]
pub struct DeletionTicket {
    subject: Subject,
}

impl DeletionTicket {
    /// Returns a ticket for the deletion of the snapshot with this uuid, as
    /// [`SnapshotInfo::uuid`](crate::SnapshotInfo::uuid) returns it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a name is not valid.
    pub fn new(repository: impl AsRef<str>, snapshot: impl AsRef<str>, uuid: impl Into<String>) -> Result<Self, Error> {
        let subject = Subject { uuid: Some(uuid.into()), ..Subject::parse(repository, snapshot)? };
        Ok(Self { subject })
    }

    /// The deletion of what has the name; without a uuid, of the first snapshot that is found.
    pub(crate) fn named(repository: RepositoryName, snapshot: SnapshotName, uuid: Option<String>) -> Self {
        Self { subject: Subject { repository, snapshot, uuid } }
    }

    subject_accessors!();

    /// Returns the uuid, once known.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.subject.uuid.as_deref()
    }

    /// Takes the snapshot that was found first for the one that is meant.
    pub(crate) fn learn_uuid(&mut self, uuid: Option<&str>) {
        self.subject.uuid = self.subject.uuid.take().or_else(|| uuid.map(str::to_owned));
    }
}

/// A restore.
///
/// It names the indices that this restore writes, under their new names; for a data stream, its
/// backing indices. A wait considers exactly those, whatever else is or was restored from the same
/// snapshot. The uuids distinguish an index of this restore from another that takes its name later,
/// and the names in the snapshot one that another client restores from another index.
///
/// [`StartedRestore::ticket`](crate::StartedRestore::ticket) returns the one of a restore that was
/// started. One that is made by hand names no index. A wait then considers every index that is
/// restored from the snapshot, unless some are [added](Self::with_index).
///
/// ```
/// use es_snapshot::wait::RestoreTicket;
///
/// let ticket = RestoreTicket::new("nightly", "2024.05.01")?.with_index("restored-movies");
/// let kept = serde_json::to_string(&ticket)?;
/// assert_eq!(serde_json::from_str::<RestoreTicket>(&kept)?, ticket);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Ticket", into = "Ticket")]
pub struct RestoreTicket {
    subject: Subject,
    /// The target indices; `None` if they are not known.
    indices: Option<BTreeMap<String, RestoredIndex>>,
}

/// One index that a restore writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RestoredIndex {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    /// Its name in the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

impl RestoreTicket {
    /// Returns a ticket of every restore of this snapshot.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a name is not valid.
    pub fn new(repository: impl AsRef<str>, snapshot: impl AsRef<str>) -> Result<Self, Error> {
        Ok(Self { subject: Subject::parse(repository, snapshot)?, indices: None })
    }

    pub(crate) fn named(repository: RepositoryName, snapshot: SnapshotName) -> Self {
        Self { subject: Subject { repository, snapshot, uuid: None }, indices: None }
    }

    /// Adds an index, or a data stream, that the restore writes, under its new name. A wait then
    /// considers the added indices only.
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

    /// Notes that the restore writes no other indices than those that are added, and none if none
    /// is.
    pub(crate) fn close_list(&mut self) {
        self.indices.get_or_insert_default();
    }

    /// Whether it is known which indices the restore writes.
    pub(crate) fn knows_indices(&self) -> bool {
        self.indices.is_some()
    }

    pub(crate) fn set_snapshot_uuid(&mut self, uuid: Option<&str>) {
        self.subject.uuid = uuid.map(str::to_owned);
    }

    subject_accessors!();

    /// Returns the snapshot's uuid, once known.
    #[must_use]
    pub fn snapshot_uuid(&self) -> Option<&str> {
        self.subject.uuid.as_deref()
    }

    /// Returns the indices that the restore writes, under their new names. Empty if they could not
    /// be determined: a wait then considers every index that is restored from the snapshot.
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

/// The form in which tickets are kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    kind: Kind,
    version: u32,
    repository: RepositoryName,
    snapshot: SnapshotName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<SnapshotToken>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    indices: Option<BTreeMap<String, RestoredIndex>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Snapshot,
    Restore,
    Deletion,
}

/// The version of [`Stored`] that this version of the crate writes, and the only one that it reads.
const VERSION: u32 = 1;

impl From<Ticket> for Stored {
    fn from(ticket: Ticket) -> Self {
        let (kind, subject, token, indices) = match ticket {
            Ticket::Snapshot(SnapshotTicket { subject, token }) => (Kind::Snapshot, subject, token, None),
            Ticket::Restore(RestoreTicket { subject, indices }) => (Kind::Restore, subject, None, indices),
            Ticket::Deletion(DeletionTicket { subject }) => (Kind::Deletion, subject, None, None),
        };
        let Subject { repository, snapshot, uuid } = subject;
        Self { kind, version: VERSION, repository, snapshot, uuid, token, indices }
    }
}

impl TryFrom<Stored> for Ticket {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let Stored { kind, version, repository, snapshot, uuid, token, indices } = stored;
        if version != VERSION {
            return Err(format!(
                "a ticket of version {version} was made by another release; this one reads version {VERSION}"
            ));
        }
        let subject = Subject { repository, snapshot, uuid };
        match (kind, token, indices) {
            (Kind::Snapshot, token, None) => Ok(Self::Snapshot(SnapshotTicket { subject, token })),
            (Kind::Restore, None, indices) => Ok(Self::Restore(RestoreTicket { subject, indices })),
            (Kind::Deletion, None, None) => Ok(Self::Deletion(DeletionTicket { subject })),
            _ => Err("only the ticket of a snapshot has a token, and only that of a restore has indices".to_owned()),
        }
    }
}

macro_rules! kinds_of_tickets {
    ($($ticket:ident $kind:ident $what:literal)*) => {$(
        impl From<$ticket> for Ticket {
            fn from(ticket: $ticket) -> Self {
                Self::$kind(ticket)
            }
        }

        impl TryFrom<Ticket> for $ticket {
            type Error = Error;

            fn try_from(ticket: Ticket) -> Result<Self, Error> {
                match ticket {
                    Ticket::$kind(ticket) => Ok(ticket),
                    other => {
                        let name = quoted(other.snapshot().as_str());
                        Err(Error::invalid(format!(concat!("the ticket of {} is not that of ", $what), name)))
                    }
                }
            }
        }
    )*};
}

kinds_of_tickets! {
    SnapshotTicket Snapshot "a snapshot that is created"
    RestoreTicket Restore "a restore"
    DeletionTicket Deletion "a deletion"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn restore() -> RestoreTicket {
        let mut ticket = RestoreTicket::new("r", "s").unwrap();
        ticket.set_snapshot_uuid(Some("u"));
        ticket.add("b".to_owned(), Some("v".to_owned()), Some("a"));
        ticket
    }

    #[test]
    fn every_ticket_survives_being_kept() {
        let token: SnapshotToken = "a-token-of-ours".parse().unwrap();
        let tickets: [Ticket; 4] = [
            SnapshotTicket::new("r", "s").unwrap().with_uuid("u").with_token(token).into(),
            restore().into(),
            RestoreTicket::new("r", "s").unwrap().into(),
            DeletionTicket::new("r", "s", "u").unwrap().into(),
        ];
        for ticket in tickets {
            let kept = serde_json::to_string(&ticket).unwrap();
            assert_eq!(serde_json::from_str::<Ticket>(&kept).unwrap(), ticket);
        }
    }

    #[test]
    fn a_ticket_is_kept_alike_with_its_type_known_and_unknown() {
        let typed = restore();
        let any = Ticket::from(typed.clone());

        assert_eq!(serde_json::to_value(&typed).unwrap(), serde_json::to_value(&any).unwrap());
        assert_eq!(serde_json::from_value::<RestoreTicket>(serde_json::to_value(&any).unwrap()).unwrap(), typed);
    }

    #[test]
    fn what_cannot_be_understood_whole_is_no_ticket() {
        let kept = || json!({"kind": "restore", "version": 1, "repository": "r", "snapshot": "s"});
        assert!(serde_json::from_value::<Ticket>(kept()).is_ok());
        for (key, value) in [
            ("version", json!(2)),
            ("kind", json!("migration")),
            ("token", json!("a-token-of-ours")),
            ("colour", json!("red")),
        ] {
            let mut changed = kept();
            changed[key] = value;
            assert!(serde_json::from_value::<Ticket>(changed).is_err(), "{key}");
        }
    }

    #[test]
    fn the_ticket_of_another_kind_is_refused() {
        let kept = serde_json::to_string(&restore()).unwrap();

        let error = serde_json::from_str::<DeletionTicket>(&kept).unwrap_err().to_string();

        assert!(error.contains("is not that of a deletion"), "{error}");
    }
}
