//! Tokens, which mark snapshots, and tickets, which identify operations.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, quoted};
use crate::name::{RepositoryName, SnapshotName};

/// The key of the token in a snapshot's metadata.
pub(crate) const TOKEN_KEY: &str = "es_snapshot_token";

/// A text in a snapshot's metadata by which a client recognises its own snapshot.
///
/// Every call that creates a snapshot stores a token in it. After a lost response, the client reads
/// the snapshot of that name. If it has the token of the call, the call has created it. A later
/// process can do this as well, if it knows the token. A clone has no metadata and so no token.
///
/// Default: a new random token for each call. [`CreateSnapshot::with_token`] sets one, and
/// [`CreateSnapshot::without_token`] leaves it out. A token consists of 8 to 64 ASCII letters,
/// digits and characters of `-_.:`. No other snapshot may have the same token.
///
/// ```
/// use es_snapshot::CreateSnapshot;
/// use es_snapshot::snapshot::SnapshotToken;
///
/// let token = SnapshotToken::new("nightly-2024.05.01")?;
/// let options = CreateSnapshot::new().with_token(token);
/// assert_eq!(options.token().map(SnapshotToken::as_str), Some("nightly-2024.05.01"));
/// # Ok::<(), es_snapshot::Error>(())
/// ```
///
/// [`CreateSnapshot::with_token`]: crate::CreateSnapshot::with_token
/// [`CreateSnapshot::without_token`]: crate::CreateSnapshot::without_token
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotToken(String);

impl SnapshotToken {
    /// Returns the token of these random bytes, as 32 hexadecimal digits.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// Returns the token with this text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the text does not consist of
    /// 8 to 64 ASCII letters, digits and characters of `-_.:`.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Error> {
        text.as_ref().parse()
    }

    /// Returns the text of the token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SnapshotToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if !(8..=64).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b)) {
            let text = quoted(text);
            return Err(Error::invalid(format!(
                "snapshot token {text} is not valid, expected 8 to 64 ASCII letters, digits and characters of `-_.:`"
            )));
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

/// Data that identifies an operation, so that any process can wait for it.
///
/// A ticket names a snapshot and what happens to it: it is created, restored or deleted. It is
/// plain data: store it as JSON, and read it back in another process.
/// [`SnapshotClient::resume_any`](crate::SnapshotClient::resume_any) then waits for the operation,
/// and [`SnapshotClient::check`](crate::SnapshotClient::check) checks it once.
///
/// The methods that start an operation return the ticket of its kind: [`SnapshotTicket`] or
/// [`RestoreTicket`]. Errors can contain a ticket too, see [`Error::ticket`]. The stored form
/// contains the kind and a version. So text that was stored from a `Ticket` reads back as the
/// ticket of its kind, and the other way round.
///
/// ```
/// use es_snapshot::Ticket;
/// use es_snapshot::wait::SnapshotTicket;
///
/// let ticket: Ticket = SnapshotTicket::new("nightly", "2024.05.01")?.into();
/// let stored = serde_json::to_string(&ticket)?;
/// assert_eq!(
///     stored,
///     r#"{"kind":"snapshot","version":1,"repository":"nightly","snapshot":"2024.05.01"}"#
/// );
/// assert_eq!(serde_json::from_str::<Ticket>(&stored)?, ticket);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
#[non_exhaustive]
pub enum Ticket {
    /// The creation of a snapshot, or a clone.
    Snapshot(SnapshotTicket),
    /// A restore.
    Restore(RestoreTicket),
    /// A deletion.
    Deletion(DeletionTicket),
}

impl Ticket {
    /// Returns the name of the repository.
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

/// The snapshot that a ticket names.
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

macro_rules! snapshot_accessors {
    () => {
        /// Returns the name of the repository.
        #[must_use]
        pub fn repository(&self) -> &RepositoryName {
            &self.subject.repository
        }

        /// Returns the name of the snapshot.
        #[must_use]
        pub fn snapshot(&self) -> &SnapshotName {
            &self.subject.snapshot
        }
    };
}

/// The ticket of a snapshot that is being created or cloned.
///
/// [`StartedSnapshot::ticket`](crate::StartedSnapshot::ticket) returns one. Names can be reused, so
/// the ticket also contains the uuid and the [token](SnapshotToken), as far as they are known. They
/// distinguish the snapshot from another one with the same name.
///
/// ```
/// use es_snapshot::snapshot::SnapshotToken;
/// use es_snapshot::wait::SnapshotTicket;
///
/// let token = SnapshotToken::try_random()?;
/// let ticket = SnapshotTicket::new("nightly", "2024.05.01")?.with_token(token);
/// let stored = serde_json::to_string(&ticket)?;
/// assert_eq!(serde_json::from_str::<SnapshotTicket>(&stored)?, ticket);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Ticket", into = "Ticket")]
pub struct SnapshotTicket {
    subject: Subject,
    token: Option<SnapshotToken>,
}

impl SnapshotTicket {
    /// Returns a ticket that identifies a snapshot only by its name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if one of the names is not
    /// valid.
    pub fn new(repository: impl AsRef<str>, snapshot: impl AsRef<str>) -> Result<Self, Error> {
        Ok(Self { subject: Subject::parse(repository, snapshot)?, token: None })
    }

    pub(crate) fn named(repository: RepositoryName, snapshot: SnapshotName) -> Self {
        Self { subject: Subject { repository, snapshot, uuid: None }, token: None }
    }

    /// Sets the snapshot's uuid. A wait then accepts only the snapshot with this uuid.
    ///
    /// [`SnapshotInfo::uuid`](crate::SnapshotInfo::uuid) and
    /// [`Progress::uuid`](crate::wait::Progress::uuid) return it.
    #[must_use]
    pub fn with_uuid(mut self, uuid: impl Into<String>) -> Self {
        self.subject.uuid = Some(uuid.into());
        self
    }

    /// Sets the snapshot's token. A wait then accepts only the snapshot with this token.
    ///
    /// If the uuid is known too, the wait compares only the uuid.
    #[must_use]
    pub fn with_token(mut self, token: SnapshotToken) -> Self {
        self.token = Some(token);
        self
    }

    snapshot_accessors!();

    /// Returns the uuid of the snapshot, if it is known.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.subject.uuid.as_deref()
    }

    /// Returns the token, if it is known.
    #[must_use]
    pub fn token(&self) -> Option<&SnapshotToken> {
        self.token.as_ref()
    }

    /// Stores the uuid of the snapshot once a response contains it.
    pub(crate) fn set_uuid(&mut self, uuid: Option<&str>) {
        if let Some(uuid) = uuid {
            self.subject.uuid = Some(uuid.to_owned());
        }
    }

    /// Returns whether a snapshot with this uuid and token is the one of this ticket.
    pub(crate) fn matches(&self, uuid: Option<&str>, token: Option<&str>) -> bool {
        let same =
            |expected: Option<&str>, found: Option<&str>| expected.is_none() || found.is_none() || expected == found;
        let matches_by_token = self.subject.uuid.is_none() && self.token.is_some();
        same(self.uuid(), uuid) && (!matches_by_token || self.token.as_ref().map(SnapshotToken::as_str) == token)
    }
}

/// The ticket of a deletion that may still be running.
///
/// A deletion can take hours, which is longer than a gateway waits for the response. A wait with
/// this ticket ends when no snapshot with this name and uuid exists. The wait itself deletes
/// nothing.
///
/// ```
/// use es_snapshot::wait::DeletionTicket;
///
/// let ticket = DeletionTicket::new("nightly", "2024.05.01", "9QhTPPpQQgqmmUtwOIDfvA")?;
/// let stored = serde_json::to_string(&ticket)?;
/// assert_eq!(serde_json::from_str::<DeletionTicket>(&stored)?, ticket);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Ticket", into = "Ticket")]
pub struct DeletionTicket {
    subject: Subject,
}

impl DeletionTicket {
    /// Returns a ticket for the deletion of the snapshot with this uuid.
    ///
    /// [`SnapshotInfo::uuid`](crate::SnapshotInfo::uuid) returns the uuid.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if one of the names is not
    /// valid.
    pub fn new(repository: impl AsRef<str>, snapshot: impl AsRef<str>, uuid: impl Into<String>) -> Result<Self, Error> {
        let subject = Subject { uuid: Some(uuid.into()), ..Subject::parse(repository, snapshot)? };
        Ok(Self { subject })
    }

    /// Returns a ticket for the deletion of a snapshot. Without a uuid, the first check determines
    /// it.
    pub(crate) fn named(repository: RepositoryName, snapshot: SnapshotName, uuid: Option<String>) -> Self {
        Self { subject: Subject { repository, snapshot, uuid } }
    }

    snapshot_accessors!();

    /// Returns the uuid of the snapshot, if it is known.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.subject.uuid.as_deref()
    }

    /// Stores the uuid of the snapshot that was found, unless one is known.
    pub(crate) fn learn_uuid(&mut self, uuid: Option<&str>) {
        self.subject.uuid = self.subject.uuid.take().or_else(|| uuid.map(str::to_owned));
    }
}

/// The ticket of a restore.
///
/// [`StartedRestore::ticket`](crate::StartedRestore::ticket) returns one. It contains the indices
/// that the restore writes, under their new names; for a data stream, its backing indices. A wait
/// considers only these indices, even if other restores from the same snapshot are running.
///
/// For each index, the ticket also contains the uuid and the name in the snapshot, as far as they
/// are known. They distinguish the index from another one that takes its name later.
///
/// A ticket from [`new`](Self::new) contains no indices. A wait then considers every index that is
/// restored from the snapshot, until [`with_index`](Self::with_index) adds some.
///
/// ```
/// use es_snapshot::wait::RestoreTicket;
///
/// let ticket = RestoreTicket::new("nightly", "2024.05.01")?.with_index("restored-movies");
/// let stored = serde_json::to_string(&ticket)?;
/// assert_eq!(serde_json::from_str::<RestoreTicket>(&stored)?, ticket);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Ticket", into = "Ticket")]
pub struct RestoreTicket {
    subject: Subject,
    /// The indices that the restore writes. `None` if they are not known.
    indices: Option<BTreeMap<String, RestoredIndex>>,
}

/// What is known about an index that a restore writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RestoredIndex {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    /// The name that the index has in the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

impl RestoreTicket {
    /// Returns a ticket for all restores from this snapshot.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if one of the names is not
    /// valid.
    pub fn new(repository: impl AsRef<str>, snapshot: impl AsRef<str>) -> Result<Self, Error> {
        Ok(Self { subject: Subject::parse(repository, snapshot)?, indices: None })
    }

    pub(crate) fn named(repository: RepositoryName, snapshot: SnapshotName) -> Self {
        Self { subject: Subject { repository, snapshot, uuid: None }, indices: None }
    }

    /// Adds an index or a data stream that the restore writes, under its new name.
    ///
    /// A wait then considers only the indices that were added.
    #[must_use]
    pub fn with_index(mut self, name: impl Into<String>) -> Self {
        self.add(name.into(), None, None);
        self
    }

    /// Adds an index. For an index that is already known, arguments of `None` change nothing.
    pub(crate) fn add(&mut self, name: String, uuid: Option<String>, source: Option<&str>) {
        let index = self.indices.get_or_insert_default().entry(name).or_default();
        index.uuid = uuid.or(index.uuid.take());
        index.source = source.map(str::to_owned).or(index.source.take());
    }

    /// Notes that the restore writes no other indices than those that were added.
    pub(crate) fn close_list(&mut self) {
        self.indices.get_or_insert_default();
    }

    /// Returns whether the indices that the restore writes are known.
    pub(crate) fn knows_indices(&self) -> bool {
        self.indices.is_some()
    }

    pub(crate) fn set_snapshot_uuid(&mut self, uuid: Option<&str>) {
        self.subject.uuid = uuid.map(str::to_owned);
    }

    snapshot_accessors!();

    /// Returns the uuid of the snapshot, if it is known.
    #[must_use]
    pub fn snapshot_uuid(&self) -> Option<&str> {
        self.subject.uuid.as_deref()
    }

    /// Returns the indices that the restore writes, under their new names.
    ///
    /// The list can be empty because the indices are not known. A wait then considers every index
    /// that is restored from the snapshot.
    pub fn indices(&self) -> impl Iterator<Item = &str> {
        self.indices.iter().flat_map(BTreeMap::keys).map(String::as_str)
    }

    /// Returns the uuid of an index that the restore writes, if it is known.
    #[must_use]
    pub fn index_uuid(&self, index: &str) -> Option<&str> {
        self.restored(index)?.uuid.as_deref()
    }

    /// Returns the name that an index has in the snapshot, if it is known.
    #[must_use]
    pub fn source_index(&self, index: &str) -> Option<&str> {
        self.restored(index)?.source.as_deref()
    }

    fn restored(&self, index: &str) -> Option<&RestoredIndex> {
        self.indices.as_ref()?.get(index)
    }
}

/// The serialised form of a ticket.
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

/// The version of the serialised form. Tickets of another version are refused.
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
                "ticket has version {version}, expected {VERSION}; it was written by another release of this crate"
            ));
        }
        let subject = Subject { repository, snapshot, uuid };
        match (kind, token, indices) {
            (Kind::Snapshot, token, None) => Ok(Self::Snapshot(SnapshotTicket { subject, token })),
            (Kind::Restore, None, indices) => Ok(Self::Restore(RestoreTicket { subject, indices })),
            (Kind::Deletion, None, None) => Ok(Self::Deletion(DeletionTicket { subject })),
            _ => Err("`token` is only for the ticket of a snapshot, `indices` only for that of a restore".to_owned()),
        }
    }
}

macro_rules! ticket_kinds {
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
                        Err(Error::invalid(format!(
                            concat!("ticket for snapshot {} is of another kind, expected the ticket of ", $what),
                            name
                        )))
                    }
                }
            }
        }
    )*};
}

ticket_kinds! {
    SnapshotTicket Snapshot "a snapshot or a clone"
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
    fn reads_back_every_stored_ticket() {
        let token: SnapshotToken = "a-token-of-ours".parse().unwrap();
        let tickets: [Ticket; 4] = [
            SnapshotTicket::new("r", "s").unwrap().with_uuid("u").with_token(token).into(),
            restore().into(),
            RestoreTicket::new("r", "s").unwrap().into(),
            DeletionTicket::new("r", "s", "u").unwrap().into(),
        ];
        for ticket in tickets {
            let stored = serde_json::to_string(&ticket).unwrap();
            assert_eq!(serde_json::from_str::<Ticket>(&stored).unwrap(), ticket);
        }
    }

    #[test]
    fn stores_a_typed_ticket_like_an_untyped_one() {
        let typed = restore();
        let any = Ticket::from(typed.clone());

        assert_eq!(serde_json::to_value(&typed).unwrap(), serde_json::to_value(&any).unwrap());
        assert_eq!(serde_json::from_value::<RestoreTicket>(serde_json::to_value(&any).unwrap()).unwrap(), typed);
    }

    #[test]
    fn refuses_a_stored_ticket_that_it_cannot_read_completely() {
        let stored = || json!({"kind": "restore", "version": 1, "repository": "r", "snapshot": "s"});
        assert!(serde_json::from_value::<Ticket>(stored()).is_ok());
        for (key, value) in [
            ("version", json!(2)),
            ("kind", json!("migration")),
            ("token", json!("a-token-of-ours")),
            ("colour", json!("red")),
        ] {
            let mut changed = stored();
            changed[key] = value;
            assert!(serde_json::from_value::<Ticket>(changed).is_err(), "{key}");
        }
    }

    #[test]
    fn refuses_a_stored_ticket_of_another_kind() {
        let stored = serde_json::to_string(&restore()).unwrap();

        let error = serde_json::from_str::<DeletionTicket>(&stored).unwrap_err().to_string();

        assert!(error.contains("expected the ticket of a deletion"), "{error}");
    }
}
