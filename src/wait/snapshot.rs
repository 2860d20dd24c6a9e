//! Polls for the end of a snapshot.

use std::time::SystemTime;

use super::polling::Permission;
use super::{AnyOutcome, Checked, DETAILS_LIMIT};
use crate::byte_size::ByteSize;
use crate::call::Session;
use crate::error::{Error, ErrorKind, Operation, Outcome};
use crate::progress::Counts;
use crate::snapshot::{FileStats, ShardCounts, SnapshotInfo, SnapshotState, SnapshotStatus};
use crate::ticket::SnapshotTicket;

pub(super) struct SnapshotWatch {
    pub(super) ticket: SnapshotTicket,
    /// Whether the server allows `_status`.
    status: Permission,
    /// The last figures from `_status`.
    figures: Option<Counts>,
}

impl SnapshotWatch {
    pub(super) fn new(ticket: SnapshotTicket) -> Self {
        Self { ticket, status: Permission::default(), figures: None }
    }

    pub(super) fn description(&self) -> String {
        format!("snapshot {}:{}", self.ticket.repository(), self.ticket.snapshot())
    }

    pub(super) async fn check(&mut self, session: &Session, details: bool) -> Result<Checked, Error> {
        // The wait tolerates a few 404s: the snapshot may be missing right after its start.
        let snapshot = session.find_snapshot(self.ticket.repository(), self.ticket.snapshot(), false).await?;
        if !self.ticket.matches(snapshot.uuid(), snapshot.token()) {
            let text = format!("{} is gone, and another snapshot has taken its name", self.description());
            let error = Error::new(ErrorKind::SnapshotMissing, Outcome::Rejected, text);
            return Err(error.during(Operation::GetSnapshot, 1).lasting());
        }
        self.ticket.set_uuid(snapshot.uuid());
        if *snapshot.state() != SnapshotState::InProgress {
            tracing::info!(
                repository = %self.ticket.repository(),
                snapshot = %self.ticket.snapshot(),
                state = snapshot.state().as_str(),
                ended_ms = snapshot.end_time().and_then(epoch_millis),
                "snapshot ended"
            );
            return Ok(Checked::Ended(AnyOutcome::Snapshot(Box::new(snapshot))));
        }
        if details && !self.status.is_denied() {
            let status = session
                .with_limit(DETAILS_LIMIT)
                .snapshot_status(self.ticket.repository(), self.ticket.snapshot())
                .await;
            match self.status.tolerate(status) {
                Ok(Some(status)) => self.figures = Some(status_counts(&status)),
                Ok(None) => {}
                // The next poll can request the figures again.
                Err(error) => tracing::debug!(kind = ?error.kind(), "could not read the figures of the snapshot"),
            }
        }
        let counts = self.figures.unwrap_or_else(|| shard_counts(&snapshot));
        Ok(Checked::Running(counts))
    }
}

fn shard_counts(snapshot: &SnapshotInfo) -> Counts {
    let shards = snapshot.shards();
    Counts {
        shards_total: shards.map_or(0, ShardCounts::total),
        shards_done: shards.map_or(0, ShardCounts::successful),
        shards_failed: shards.map_or(0, ShardCounts::failed),
        ..Counts::default()
    }
}

fn epoch_millis(time: SystemTime) -> Option<u64> {
    u64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis()).ok()
}

fn status_counts(status: &SnapshotStatus) -> Counts {
    let (shards, files) = (status.shards(), status.stats());
    // Before the first shard has begun, the figures contain no files.
    let begun = shards.total() > 0 && shards.initializing() < shards.total();
    let copied = if begun { files.processed() } else { FileStats::default() };
    Counts {
        shards_total: shards.total(),
        shards_done: shards.done(),
        shards_failed: shards.failed(),
        bytes_total: files.incremental().size().map_or(0, ByteSize::bytes),
        bytes_done: copied.size().map_or(0, ByteSize::bytes),
        files_total: files.incremental().files().unwrap_or(0),
        files_done: copied.files().unwrap_or(0),
    }
}
