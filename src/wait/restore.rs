//! Waiting for the end of a restore.

use super::{ASIDE, AnyOutcome, Checked, PATIENCE, Permission};
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
    /// Polls in a row that would end the wait, but may be wrong: an index may not be there yet, and
    /// without rows a shard that no node has begun is not seen.
    unstable: u32,
    /// Polls in a row that found every shard done and the restore running.
    lingering: u32,
    /// Whether `_cat/shards`, `_recovery`, the cluster state and explanations may be read.
    rows: Permission,
    recoveries: Permission,
    state: Permission,
    explanations: Permission,
    /// Whether it was asked why the engine gave up the shards that only the cluster state shows as
    /// such.
    has_asked: bool,
    /// No poll follows the first one.
    once: bool,
    /// Whether the last poll found no further index.
    complete: bool,
    shards: u64,
    /// The shards that the last poll found not yet restored.
    pending: Vec<(String, u32)>,
}

/// What one poll has read.
struct Reading {
    rows: Option<Vec<ShardRow>>,
    recoveries: Vec<ShardRecovery>,
    running: Option<RunningRestores>,
}

impl RestoreWatch {
    pub(super) fn new(ticket: RestoreTicket) -> Self {
        let view = RestoreView::new(&ticket);
        Self {
            complete: view.is_named(),
            view,
            ticket,
            unstable: 0,
            lingering: 0,
            rows: Permission::default(),
            recoveries: Permission::default(),
            state: Permission::default(),
            explanations: Permission::default(),
            has_asked: false,
            once: false,
            shards: 0,
            pending: Vec::new(),
        }
    }

    /// Takes what the first poll finds for the whole truth.
    pub(super) fn checks_once(&mut self) {
        self.once = true;
    }

    /// The indices to ask for: all of the cluster's until those of the restore are known, or if
    /// they are too many for one request.
    fn narrowed(&self, session: &Session) -> Vec<IndexName> {
        if !self.complete {
            return Vec::new();
        }
        let names: Vec<IndexName> = self.view.indices().map(str::parse).collect::<Result<_, _>>().unwrap_or_default();
        if request::is_one_list(session.core.endpoint.prefix(), &names) { names } else { Vec::new() }
    }

    async fn read(&mut self, session: &Session, indices: &[IndexName]) -> Result<Reading, Error> {
        // Also after refusals: rights may be given late, and only rows show shards that failed.
        let rows = self.rows.tolerate(session.shards_where(indices, |row| self.view.wants_row(row)).await)?;
        // One of the two has to be allowed.
        let recoveries = session.recoveries_where(indices, |recovery| self.view.wants_recovery(recovery)).await;
        let recoveries =
            if rows.is_some() { self.recoveries.tolerate(recoveries)?.unwrap_or_default() } else { recoveries? };
        Ok(Reading { rows, recoveries, running: None })
    }

    /// Takes names that no index has for data streams of the snapshot; gives whether one is.
    async fn resolve_streams(&mut self, session: &Session, reading: &Reading) -> bool {
        if !self.view.may_name_streams(reading.rows.as_deref(), &reading.recoveries) {
            return false;
        }
        let snapshot =
            session.with_limit(ASIDE).find_snapshot(self.ticket.repository(), self.ticket.snapshot(), false).await;
        snapshot.is_ok_and(|snapshot| self.view.resolve_streams(&snapshot, &reading.recoveries))
    }

    /// Asks of the shards that no node has, one after the other, whether the engine has given them
    /// up, until one has a future or the time for it is over. Where that may not be asked, a
    /// restore that no longer runs has given them up.
    async fn ask_why(&mut self, session: &Session, shards: &[(String, u32)], reading: &Reading) {
        let waits = |index: &str, shard: u32| {
            let mut rows = reading.rows.iter().flatten();
            rows.any(|row| {
                row.is_primary && &*row.index == index && row.shard == Some(shard) && row.waits_for_its_restore()
            })
        };
        let clock = session.clock();
        let deadline = clock.monotonic().saturating_add(ASIDE);
        let session = session.with_limit(ASIDE);
        for (index, shard) in shards {
            if self.explanations.is_denied() {
                let ended = reading.running.as_ref().is_some_and(|running| !running.write(index));
                if ended && waits(index, *shard) && !self.view.has_restored_shard(index, *shard) {
                    self.view.give_up(index, *shard, "the restore has ended without it".to_owned());
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
                    Some(reason) => self.view.give_up(index, *shard, reason),
                    None => return,
                },
                Ok(None) => {}
                // The state is known; the reason can wait for the next poll.
                Err(error) => {
                    let refused =
                        error.outcome() == Outcome::Rejected && !error.passes() && !Permission::counts(&error);
                    if refused || error.server().is_some_and(|server| server.failure() == Failure::Other) {
                        self.explanations.refuse();
                    }
                    return tracing::debug!(kind = ?error.kind(), "no explanation");
                }
            }
        }
    }

    /// Looks whether the indices are still those of the ticket; and, for those with started shards
    /// without an origin, for what shows that they come from this restore: the index has the
    /// uuid of the ticket, or other shards of it come from the snapshot; and the snapshot has
    /// all of its shards, so that none came back empty.
    async fn compare_uuids(&mut self, session: &Session, doubtful: &[String]) {
        let session = session.with_limit(ASIDE);
        let has_uuid = self.ticket.indices().filter(|index| self.ticket.index_uuid(index).is_some());
        let names: Vec<IndexName> = has_uuid.filter_map(|index| index.parse().ok()).collect();
        let marks = if names.is_empty() { None } else { session.index_marks(&names).await.ok() };
        for index in self.ticket.indices() {
            let uuids = self
                .ticket
                .index_uuid(index)
                .zip(marks.as_ref().and_then(|marks| marks.get(index)).map(IndexMark::uuid));
            if uuids.is_some_and(|(ours, now)| !now.is_empty() && ours != now) {
                self.view.replace(index);
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
                self.view.vouch(index);
            }
        }
    }
}

/// Whether a request was refused because it named a closed index.
fn is_closed(error: &Error) -> bool {
    let error_type = error.server().and_then(ServerError::error_type);
    error_type.is_some_and(|error_type| error_type.as_str() == "index_closed_exception")
}

impl RestoreWatch {
    pub(super) fn what(&self) -> String {
        let first: Vec<String> =
            self.pending.iter().take(3).map(|(index, shard)| format!("[{index}][{shard}]")).collect();
        let open =
            if first.is_empty() { String::new() } else { format!(", open shards such as {},", first.join(", ")) };
        format!("restore of {}:{}{open}", self.ticket.repository(), self.ticket.snapshot())
    }

    pub(super) async fn check(&mut self, session: &Session) -> Result<Checked, Error> {
        let narrowed = self.narrowed(session);
        let mut reading = match self.read(session, &narrowed).await {
            // An index is gone or closed, and with it the response for the others.
            Err(error) if error.kind() == ErrorKind::IndexMissing || is_closed(&error) => {
                self.read(session, &[]).await?
            }
            reading => reading?,
        };
        // Only for what shards do not show, so a failure of it does not fail the poll.
        reading.running = self.state.tolerate(session.with_limit(ASIDE).running_restores().await).unwrap_or_default();
        if self.resolve_streams(session, &reading).await {
            let indices = self.narrowed(session);
            let running = reading.running.take();
            reading = Reading { running, ..self.read(session, &indices).await? };
        }
        session.identify(self.view.source_mut(), reading.rows.as_deref().unwrap_or_default()).await;
        let mut view = self.observe(&reading);
        // All indices of a restore are there from its beginning; but only their rows show those that no
        // node has begun.
        self.complete =
            self.view.is_named() || self.view.indices().len() > 0 && reading.rows.is_some() && !view.is_wider;
        let pending: Vec<_> = view.pending().cloned().collect();
        let is_resting =
            view.under_way.is_empty() && !view.unassigned.is_empty() && (self.once || pending == self.pending);
        self.pending = pending;
        if is_resting {
            self.ask_why(session, &view.unassigned, &reading).await;
            view = self.observe(&reading);
        } else if !view.has_pending() {
            if !std::mem::replace(&mut self.has_asked, true) {
                self.ask_why(session, &view.unexplained, &reading).await;
            }
            self.compare_uuids(session, &view.doubtful).await;
            view = self.observe(&reading);
        }
        let more = std::mem::replace(&mut self.shards, view.counts.shards_total) != view.counts.shards_total;
        if self.view.is_named() && self.view.indices().len() == 0 {
            return Ok(Checked::Ended(AnyOutcome::Restore(self.view.report(view))));
        }
        // The cluster state may be behind the shards, but not for long.
        self.lingering = if view.is_running && !view.has_pending() { self.lingering + 1 } else { 0 };
        if view.has_pending() || (1..PATIENCE).contains(&self.lingering) {
            self.unstable = 0;
            return Ok(Checked::Running(view.counts));
        }
        if !view.unrestored.is_empty() || view.counts.shards_total == 0 || view.lacks_rows || reading.rows.is_none() {
            self.unstable = if more { 1 } else { self.unstable + 1 };
            if self.unstable < PATIENCE && !self.once {
                return Ok(Checked::Running(view.counts));
            }
        }
        if view.counts.shards_total == 0 && self.view.indices().len() == 0 {
            let text =
                format!("no shard is being restored from {}:{}", self.ticket.repository(), self.ticket.snapshot());
            let error = Error::new(ErrorKind::IndexMissing, Outcome::Rejected, text);
            return Err(error.during(Operation::Recovery, 1).lasting());
        }
        Ok(Checked::Ended(AnyOutcome::Restore(self.view.report(view))))
    }

    fn observe(&mut self, reading: &Reading) -> Observation {
        self.view.observe(reading.rows.as_deref(), &reading.recoveries, reading.running.as_ref())
    }
}
