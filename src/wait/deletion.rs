//! Polls for the end of a deletion.

use super::{AnyOutcome, Checked};
use crate::call::Session;
use crate::error::{Error, ErrorKind};
use crate::progress::Counts;
use crate::ticket::DeletionTicket;

pub(super) struct DeletionWatch {
    pub(super) ticket: DeletionTicket,
}

impl DeletionWatch {
    pub(super) fn new(ticket: DeletionTicket) -> Self {
        Self { ticket }
    }

    pub(super) fn description(&self) -> String {
        format!("deletion of snapshot {}:{}", self.ticket.repository(), self.ticket.snapshot())
    }

    pub(super) async fn check(&mut self, session: &Session) -> Result<Checked, Error> {
        // Without details, because the file of the snapshot may be deleted first.
        let found = match session.find_snapshot(self.ticket.repository(), self.ticket.snapshot(), true).await {
            Err(error) if error.kind() == ErrorKind::SnapshotMissing => {
                return Ok(Checked::Ended(AnyOutcome::Deletion));
            }
            found => found?,
        };
        let is_another = self.ticket.uuid().zip(found.uuid()).is_some_and(|(ours, now)| ours != now);
        if is_another {
            return Ok(Checked::Ended(AnyOutcome::Deletion));
        }
        self.ticket.learn_uuid(found.uuid());
        Ok(Checked::Running(Counts::default()))
    }
}
