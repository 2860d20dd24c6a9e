//! Polls for the end of a restore.

use super::polling::{POLLS_IN_A_ROW, Permission};
use super::{AnyOutcome, Checked, DETAILS_LIMIT};
use crate::call::Session;
use crate::error::{Error, ErrorKind, Failure, Operation, Outcome, ServerError};
use crate::name::IndexName;
use crate::request;
use crate::restore::{
    AllocationExplanation, IndexMark, Observation, RestoreView, RunningRestores, ShardRecovery, ShardRow,
};
use crate::snapshot::SnapshotState;
use crate::ticket::RestoreTicket;

pub(super) struct RestoreWatch {
    pub(super) ticket: RestoreTicket,
    view: RestoreView,
    /// How many polls in a row found the end of the restore, but need to be confirmed: an index may
    /// not exist yet, and without rows a shard that no node has begun is not shown.
    unconfirmed: u32,
    /// How many polls in a row found every shard done, but the restore still running.
    still_running: u32,
    /// Whether the server allows `_cat/shards`, `_recovery`, the cluster state and explanations.
    rows: Permission,
    recoveries: Permission,
    state: Permission,
    explanations: Permission,
    /// Whether the reasons were requested for the shards that only the cluster state shows as lost.
    has_explained: bool,
    /// Whether no poll follows the first one.
    is_single_check: bool,
    /// Whether all indices of the restore are known: the last poll found no further one.
    has_all_indices: bool,
    shards: u64,
    /// The shards that were not restored yet at the last poll.
    pending: Vec<(String, u32)>,
}

/// What one poll has read. `None` for a part that the server does not allow.
struct Reading {
    rows: Option<Vec<ShardRow>>,
    recoveries: Vec<ShardRecovery>,
    running: Option<RunningRestores>,
}

impl RestoreWatch {
    pub(super) fn new(ticket: RestoreTicket) -> Self {
        let view = RestoreView::new(&ticket);
        Self {
            has_all_indices: view.is_named(),
            view,
            ticket,
            unconfirmed: 0,
            still_running: 0,
            rows: Permission::default(),
            recoveries: Permission::default(),
            state: Permission::default(),
            explanations: Permission::default(),
            has_explained: false,
            is_single_check: false,
            shards: 0,
            pending: Vec::new(),
        }
    }

    /// Makes the first poll final, without others to confirm it.
    pub(super) fn check_only_once(&mut self) {
        self.is_single_check = true;
    }

    /// Returns the indices to request. Empty, which requests all indices, until those of the
    /// restore are known, or if their names are too long for one request.
    fn names_to_request(&self, session: &Session) -> Vec<IndexName> {
        if !self.has_all_indices {
            return Vec::new();
        }
        let names: Vec<IndexName> = self.view.indices().map(str::parse).collect::<Result<_, _>>().unwrap_or_default();
        if request::fits_one_request(session.core.endpoint.prefix(), &names) { names } else { Vec::new() }
    }

    async fn read(&mut self, session: &Session, indices: &[IndexName]) -> Result<Reading, Error> {
        // Requested even after refusals: permissions may change, and only rows show failed shards.
        let rows = self.rows.tolerate(session.shards_where(indices, |row| self.view.wants_row(row)).await)?;
        // The server must allow at least one of the two requests.
        let recoveries = session.recoveries_where(indices, |recovery| self.view.wants_recovery(recovery)).await;
        let recoveries =
            if rows.is_some() { self.recoveries.tolerate(recoveries)?.unwrap_or_default() } else { recoveries? };
        Ok(Reading { rows, recoveries, running: None })
    }

    /// Replaces names of data streams in the ticket by their backing indices. Returns whether there
    /// was one.
    async fn resolve_streams(&mut self, session: &Session, reading: &Reading) -> bool {
        if !self.view.may_name_streams(reading.rows.as_deref(), &reading.recoveries) {
            return false;
        }
        let snapshot = session
            .with_limit(DETAILS_LIMIT)
            .find_snapshot(self.ticket.repository(), self.ticket.snapshot(), false)
            .await;
        snapshot.is_ok_and(|snapshot| self.view.resolve_streams(&snapshot, &reading.recoveries))
    }

    /// Determines which of the unassigned shards the server has given up. It stops after a time
    /// limit, or at the first shard that the server will try again: then the wait goes on anyway.
    ///
    /// If the server does not allow the request, a shard counts as lost once its restore has ended.
    async fn explain_unassigned(&mut self, session: &Session, shards: &[(String, u32)], reading: &Reading) {
        let waits = |index: &str, shard: u32| {
            let mut rows = reading.rows.iter().flatten();
            rows.any(|row| {
                row.is_primary && &*row.index == index && row.shard == Some(shard) && row.waits_for_restore()
            })
        };
        let clock = session.clock();
        let deadline = clock.monotonic().saturating_add(DETAILS_LIMIT);
        let session = session.with_limit(DETAILS_LIMIT);
        for (index, shard) in shards {
            if self.explanations.is_denied() {
                let ended = reading.running.as_ref().is_some_and(|running| !running.write(index));
                if ended && waits(index, *shard) && !self.view.has_restored_shard(index, *shard) {
                    self.view.note_given_up(index, *shard, "the restore has ended without this shard".to_owned());
                }
                continue;
            }
            if clock.monotonic() >= deadline {
                return;
            }
            let explained =
                async { session.call::<AllocationExplanation>(&request::allocation_explain(index, *shard)?).await };
            match self.explanations.tolerate(explained.await) {
                Ok(Some(explanation)) => match explanation.given_up() {
                    Some(reason) => self.view.note_given_up(index, *shard, reason),
                    None => return,
                },
                Ok(None) => {}
                // The next poll can request the explanation again.
                Err(error) => {
                    let refused =
                        error.outcome() == Outcome::Rejected && !error.may_pass() && !Permission::is_refusal(&error);
                    if refused || error.server().is_some_and(|server| server.failure() == Failure::Other) {
                        self.explanations.count_refusal();
                    }
                    return tracing::debug!(kind = ?error.kind(), "could not read why a shard is unassigned");
                }
            }
        }
    }

    /// Notes which indices have another uuid than in the ticket, and confirms doubtful indices.
    ///
    /// An index is doubtful if a started shard shows no origin. It is confirmed if it has the uuid
    /// in the ticket, or if other shards of it come from the snapshot. The snapshot must also
    /// contain all of its shards, so that none came back empty.
    async fn compare_uuids(&mut self, session: &Session, doubtful: &[String]) {
        let session = session.with_limit(DETAILS_LIMIT);
        let has_uuid = self.ticket.indices().filter(|index| self.ticket.index_uuid(index).is_some());
        let names: Vec<IndexName> = has_uuid.filter_map(|index| index.parse().ok()).collect();
        let marks = if names.is_empty() { None } else { session.index_marks(&names).await.ok() };
        for index in self.ticket.indices() {
            let uuids = self
                .ticket
                .index_uuid(index)
                .zip(marks.as_ref().and_then(|marks| marks.get(index)).map(IndexMark::uuid));
            if uuids.is_some_and(|(expected, found)| !found.is_empty() && expected != found) {
                self.view.note_replaced(index);
            }
        }
        let ours: Vec<&String> = doubtful
            .iter()
            .filter(|index| {
                let uuid = self.ticket.index_uuid(index);
                let has_uuid = marks.as_ref().and_then(|marks| marks.get(index)).map(IndexMark::uuid);
                uuid.is_some() && uuid == has_uuid || self.view.has_restored(index)
            })
            .collect();
        if ours.is_empty() {
            return;
        }
        let Ok(snapshot) = session.find_snapshot(self.ticket.repository(), self.ticket.snapshot(), false).await else {
            return;
        };
        if self.ticket.snapshot_uuid().is_some() && self.ticket.snapshot_uuid() != snapshot.uuid() {
            return;
        }
        for index in ours {
            let has_all = match snapshot.state() {
                SnapshotState::Success => true,
                SnapshotState::Partial => self.ticket.source_index(index).is_some_and(|source| {
                    !snapshot.failures().is_empty()
                        && snapshot.failures().iter().all(|failure| failure.index() != source)
                }),
                _ => false,
            };
            if has_all {
                self.view.confirm_origin(index);
            }
        }
    }
}

/// Returns whether the server refused a request because it contains the name of a closed index.
fn is_closed(error: &Error) -> bool {
    let error_type = error.server().and_then(ServerError::error_type);
    error_type.is_some_and(|error_type| error_type.as_str() == "index_closed_exception")
}

impl RestoreWatch {
    pub(super) fn description(&self) -> String {
        let first: Vec<String> =
            self.pending.iter().take(3).map(|(index, shard)| format!("[{index}][{shard}]")).collect();
        let open =
            if first.is_empty() { String::new() } else { format!(" (open shards such as {})", first.join(", ")) };
        format!("restore of {}:{}{open}", self.ticket.repository(), self.ticket.snapshot())
    }

    pub(super) async fn check(&mut self, session: &Session) -> Result<Checked, Error> {
        let names = self.names_to_request(session);
        let mut reading = match self.read(session, &names).await {
            // One index that is gone or closed makes the request fail for all others too.
            Err(error) if error.kind() == ErrorKind::IndexMissing || is_closed(&error) => {
                self.read(session, &[]).await?
            }
            reading => reading?,
        };
        // The wait can do without it, so its failure does not make the poll fail.
        reading.running =
            self.state.tolerate(session.with_limit(DETAILS_LIMIT).running_restores().await).unwrap_or_default();
        if self.resolve_streams(session, &reading).await {
            let indices = self.names_to_request(session);
            let running = reading.running.take();
            reading = Reading { running, ..self.read(session, &indices).await? };
        }
        session.identify(self.view.source_mut(), reading.rows.as_deref().unwrap_or_default()).await;
        let mut view = self.observe(&reading);
        // A restore creates all its indices at its start, but only rows show those that no node has
        // begun.
        self.has_all_indices =
            self.view.is_named() || self.view.indices().len() > 0 && reading.rows.is_some() && !view.has_new_index;
        let pending: Vec<_> = view.pending().cloned().collect();
        let is_stalled = view.under_way.is_empty()
            && !view.unassigned.is_empty()
            && (self.is_single_check || pending == self.pending);
        self.pending = pending;
        if is_stalled {
            self.explain_unassigned(session, &view.unassigned, &reading).await;
            view = self.observe(&reading);
        } else if !view.has_pending() {
            if !std::mem::replace(&mut self.has_explained, true) {
                self.explain_unassigned(session, &view.unexplained, &reading).await;
            }
            self.compare_uuids(session, &view.doubtful).await;
            view = self.observe(&reading);
        }
        let has_changed = std::mem::replace(&mut self.shards, view.counts.shards_total) != view.counts.shards_total;
        if self.view.is_named() && self.view.indices().len() == 0 {
            return Ok(Checked::Ended(AnyOutcome::Restore(self.view.report(view))));
        }
        // The cluster state may lag behind the shards for a short time.
        self.still_running = if view.is_running && !view.has_pending() { self.still_running + 1 } else { 0 };
        if view.has_pending() || (1..POLLS_IN_A_ROW).contains(&self.still_running) {
            self.unconfirmed = 0;
            return Ok(Checked::Running(view.counts));
        }
        if !view.unrestored.is_empty() || view.counts.shards_total == 0 || view.lacks_rows || reading.rows.is_none() {
            self.unconfirmed = if has_changed { 1 } else { self.unconfirmed + 1 };
            if self.unconfirmed < POLLS_IN_A_ROW && !self.is_single_check {
                return Ok(Checked::Running(view.counts));
            }
        }
        if view.counts.shards_total == 0 && self.view.indices().len() == 0 {
            let text =
                format!("found no shard that is restored from {}:{}", self.ticket.repository(), self.ticket.snapshot());
            let error = Error::new(ErrorKind::IndexMissing, Outcome::Rejected, text);
            return Err(error.during(Operation::Recovery, 1).lasting());
        }
        Ok(Checked::Ended(AnyOutcome::Restore(self.view.report(view))))
    }

    fn observe(&mut self, reading: &Reading) -> Observation {
        self.view.observe(reading.rows.as_deref(), &reading.recoveries, reading.running.as_ref())
    }
}
