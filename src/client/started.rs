//! What a call has started.

use serde::Serialize;

use crate::call::Session;
use crate::progress::HowStarted;
use crate::restore::{RestoreReply, RestoreReport, RestoreSummary};
use crate::snapshot::{CreatedSnapshot, SnapshotInfo};
use crate::ticket::{RestoreTicket, SnapshotTicket};
use crate::wait::Wait;

/// A snapshot that has been started; returned by
/// [`Repository::create_snapshot`](crate::Repository::create_snapshot) and
/// [`Snapshot::clone_to`](crate::Snapshot::clone_to).
///
/// It need not have ended: [`wait`](Self::wait) for it. Serialises without the client.
#[derive(Clone, Debug, Serialize)]
pub struct StartedSnapshot {
    #[serde(skip)]
    session: Session,
    how: HowStarted,
    ticket: SnapshotTicket,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Box<SnapshotInfo>>,
}

impl StartedSnapshot {
    pub(super) fn new(session: Session, created: CreatedSnapshot, ticket: SnapshotTicket) -> Self {
        let (how, info) = match created {
            CreatedSnapshot::Accepted => (HowStarted::Accepted, None),
            CreatedSnapshot::Finished(info) => (HowStarted::Finished, Some(info)),
            CreatedSnapshot::Adopted(info) => (HowStarted::Adopted, Some(info)),
        };
        let mut ticket = ticket;
        ticket.set_uuid(info.as_ref().and_then(|info| info.uuid()));
        Self { session, how, ticket, info }
    }

    /// Returns how the client knows that the snapshot was started.
    #[must_use]
    pub fn how(&self) -> HowStarted {
        self.how
    }

    /// Returns the snapshot as the server has shown it: where it was adopted, or has finished, not
    /// necessarily well.
    #[must_use]
    pub fn info(&self) -> Option<&SnapshotInfo> {
        self.info.as_deref()
    }

    /// Returns the ticket with which any process can come back to this snapshot.
    #[must_use]
    pub fn ticket(&self) -> &SnapshotTicket {
        &self.ticket
    }

    /// Returns a wait for the end of this snapshot.
    pub fn wait(&self) -> Wait<SnapshotInfo> {
        Wait::new(self.session.clone(), self.ticket.clone().into())
    }
}

/// A restore that has been started; returned by [`Snapshot::restore`](crate::Snapshot::restore).
///
/// It need not have ended: [`wait`](Self::wait) for it. Serialises without the client.
#[derive(Clone, Debug, Serialize)]
pub struct StartedRestore {
    #[serde(skip)]
    session: Session,
    how: HowStarted,
    ticket: RestoreTicket,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<RestoreSummary>,
}

impl StartedRestore {
    pub(super) fn new(session: Session, reply: Option<RestoreReply>, ticket: RestoreTicket) -> Self {
        let (how, summary) = match reply {
            None => (HowStarted::Adopted, None),
            Some(RestoreReply::Accepted) => (HowStarted::Accepted, None),
            Some(RestoreReply::Finished(summary)) => (HowStarted::Finished, Some(summary)),
        };
        Self { session, how, ticket, summary }
    }

    /// Returns how the client knows that the restore was started.
    #[must_use]
    pub fn how(&self) -> HowStarted {
        self.how
    }

    /// Returns what the server reports of a restore that has finished. Shards may have failed.
    #[must_use]
    pub fn summary(&self) -> Option<&RestoreSummary> {
        self.summary.as_ref()
    }

    /// Returns the ticket with which any process can come back to this restore.
    ///
    /// It names exactly the indices of this restore, as the server shows them right after the
    /// response, or as the client determined them before. It names none where neither was possible:
    /// a wait then considers every index that is restored from the snapshot.
    #[must_use]
    pub fn ticket(&self) -> &RestoreTicket {
        &self.ticket
    }

    /// Returns a wait for the end of this restore.
    pub fn wait(&self) -> Wait<RestoreReport> {
        Wait::new(self.session.clone(), self.ticket.clone().into())
    }
}
