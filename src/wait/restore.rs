//! Waiting for the end of a restore.

use std::future::IntoFuture;
use std::time::Duration;

use crate::call::Session;
use crate::clock::BoxFuture;
use crate::error::{Error, ErrorKind, Failure, Operation, Outcome, ServerError};
use crate::name::IndexName;
use crate::progress::Progress;
use crate::request;
use crate::restore::{
    AllocationExplanation, IndexMark, Look as View, RestoreReport, RestoreView, RunningRestores, ShardRecovery, ShardRow,
};
use crate::snapshot::SnapshotState;
use crate::ticket::RestoreTicket;
use crate::wait::{ASIDE, DEADLINE, Look, PATIENCE, Permission, ProgressStream, Watched, outcome, progress};

/// A wait for the end of a restore; returned by
/// [`SnapshotClient::resume_wait_for_restore`](crate::SnapshotClient::resume_wait_for_restore) and
/// [`SnapshotClient::wait_for_restore`](crate::SnapshotClient::wait_for_restore).
///
/// Await it for a [`RestoreReport`], which names every shard that was not restored.
/// [`RestoreReport::into_complete`] makes those an error. [`progress`](Self::progress) shows how
/// far the restore has come.
///
/// # What counts
///
/// The wait judges exactly the indices of its ticket and those added by [`indices`](Self::indices).
/// The name of a data stream means its backing indices.
/// Where none are known, it judges every index of which a shard names this snapshot as its source,
/// whichever restore that was. So prefer the ticket of
/// [`StartedRestore`](crate::StartedRestore::ticket). Each primary has to be started and to come
/// from the snapshot. Replicas are not waited for.
///
/// * The server shows a shard's origin until the shard moves or its node restarts. The wait
///   remembers what it saw, also that a shard came back empty or from another snapshot.
/// * If it never saw the origin, an index counts that still has the uuid of the ticket, or of which
///   other shards come from the snapshot, provided that the snapshot has all of the index's shards.
/// * An index that has another uuid than the ticket says, or the data of another index of the
///   snapshot, is reported as not restored.
/// * A named index of which nothing shows that this snapshot was its source is reported as not
///   restored.
/// * A shard that failed counts as lost only when the server has given it up, as
///   `_cluster/allocation/explain` or the cluster state shows. Until then the server tries it
///   again.
///
/// # Requests
///
/// Polls and limits are those of [`WaitForSnapshot`](crate::WaitForSnapshot), with three requests a
/// poll: `_cat/shards`, `_recovery` and the running restores of the cluster state. There are more
/// while shards rest unassigned, and once a shard has failed or shows no origin. Once the indices
/// are known, only they are asked for, unless their names are too long for one request.
///
/// A request that is refused five times in a row is done without:
///
/// * `_cat/shards`: shards that failed, or that no node has begun, are not seen. The wait then ends
///   only when five polls in a row found the same shards and all of them done.
/// * `_recovery`: a shard counts if it was seen waiting to be restored from the snapshot, even if
///   it came back empty. One of `_cat/shards` and `_recovery` has to be allowed.
/// * The explanation (`cluster:monitor/allocation/explain`): a shard that waits for its restore
///   counts as given up when the cluster state shows no restore that writes its index.
/// * The cluster state (`cluster:monitor/state`) as well: a shard that the server has given up is
///   waited for until the deadline.
///
/// # Errors
///
/// Those of [`WaitForSnapshot`](crate::WaitForSnapshot), and [`ErrorKind::IndexMissing`] if no
/// index was named and five polls found no shard that is restored from this snapshot.
///
/// # Cancel safety
///
/// Dropping the wait stops watching. The restore goes on.
///
/// # Examples
///
/// ```no_run
/// # use es_snapshot::{RestoreTicket, SnapshotClient};
/// use std::time::Duration;
///
/// # async fn run(client: SnapshotClient, kept: &str) -> Result<(), Box<dyn std::error::Error>> {
/// // Another process has started the restore and kept its ticket.
/// let ticket: RestoreTicket = serde_json::from_str(kept)?;
/// let hours = Duration::from_secs(6 * 60 * 60);
/// let report = client.resume_wait_for_restore(ticket).within(hours).await?;
/// for shard in report.unrestored() {
///     println!("{shard}");
/// }
/// report.into_complete()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until it is awaited"]
pub struct WaitForRestore {
    session: Session,
    ticket: RestoreTicket,
    limit: Duration,
}

impl WaitForRestore {
    pub(crate) fn resume(session: Session, ticket: RestoreTicket) -> Self {
        Self { session, ticket, limit: DEADLINE }
    }

    /// Sets how long to wait at most, on the monotonic clock. Default: 24 hours.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Adds indices that have to be restored in the end, under their new names. The wait then
    /// judges the named indices only.
    pub fn indices(mut self, indices: impl IntoIterator<Item = IndexName>) -> Self {
        for index in indices {
            self.ticket = self.ticket.with_index(index.as_str());
        }
        self
    }

    /// Returns the ticket with which another process can resume the wait.
    #[must_use]
    pub fn ticket(&self) -> RestoreTicket {
        self.ticket.clone()
    }

    /// Returns a stream with a [`WaitUpdate::Progress`](crate::WaitUpdate::Progress) for every
    /// change, then [`WaitUpdate::Ended`](crate::WaitUpdate::Ended).
    pub fn progress(self) -> ProgressStream<Progress, RestoreReport> {
        let Self { session, ticket, limit } = self;
        progress(&session, limit, RestoreWatch::new(ticket))
    }
}

impl IntoFuture for WaitForRestore {
    type Output = Result<RestoreReport, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { session, ticket, limit } = self;
        outcome(session, limit, RestoreWatch::new(ticket))
    }
}

struct RestoreWatch {
    ticket: RestoreTicket,
    view: RestoreView,
    /// Polls in a row that would end the wait, but may be wrong: an index may not be there yet, and without rows a shard that
    /// no node has begun is not seen.
    unstable: u32,
    /// Polls in a row that found every shard done and the restore running.
    lingering: u32,
    /// Whether `_cat/shards`, `_recovery`, the cluster state and explanations may be read.
    rows: Permission,
    recoveries: Permission,
    state: Permission,
    explanations: Permission,
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
    fn new(ticket: RestoreTicket) -> Self {
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
            shards: 0,
            pending: Vec::new(),
        }
    }

    /// The indices to ask for: all of the cluster's until those of the restore are known, or if they are too many for one request.
    fn narrowed(&self, session: &Session) -> Vec<IndexName> {
        if !self.complete {
            return Vec::new();
        }
        let names: Vec<IndexName> = self.view.indices().map(str::parse).collect::<Result<_, _>>().unwrap_or_default();
        if request::is_one_list(session.core.endpoint.prefix(), &names) { names } else { Vec::new() }
    }

    async fn read(&mut self, session: &Session, indices: &[IndexName]) -> Result<Reading, Error> {
        // Also after refusals: rights may be given late, and only rows show shards that failed.
        let rows = self.rows.judge(session.shards_where(indices, |row| self.view.wants_row(row)).await)?;
        // One of the two has to be allowed.
        let recoveries = session.recoveries_where(indices, |recovery| self.view.wants_recovery(recovery)).await;
        let recoveries = if rows.is_some() { self.recoveries.judge(recoveries)?.unwrap_or_default() } else { recoveries? };
        Ok(Reading { rows, recoveries, running: None })
    }

    /// Takes names that no index has for data streams of the snapshot; gives whether one is.
    async fn resolve_streams(&mut self, session: &Session, reading: &Reading) -> bool {
        if !self.view.may_name_streams(reading.rows.as_deref(), &reading.recoveries) {
            return false;
        }
        let snapshot = session.with_limit(ASIDE).find_snapshot(self.ticket.repository(), self.ticket.snapshot(), false).await;
        snapshot.is_ok_and(|snapshot| self.view.resolve_streams(&snapshot, &reading.recoveries))
    }

    /// Asks of the shards that no node has, one after the other, whether the engine has given them up, until one has a future or
    /// the time for it is over. Where that may not be asked, a restore that no longer runs has given them up.
    async fn ask_why(&mut self, session: &Session, view: &View, reading: &Reading) {
        let waits = |index: &str, shard: u32| {
            let mut rows = reading.rows.iter().flatten();
            rows.any(|row| row.is_primary && &*row.index == index && row.shard == Some(shard) && row.waits_for_its_restore())
        };
        let clock = session.clock();
        let deadline = clock.monotonic().saturating_add(ASIDE);
        let session = session.with_limit(ASIDE);
        for (index, shard) in &view.unassigned {
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
            let explained = async { session.call::<AllocationExplanation>(&request::allocation_explain(index, *shard)?).await };
            match self.explanations.judge(explained.await) {
                Ok(Some(explanation)) => match explanation.given_up() {
                    Some(reason) => self.view.give_up(index, *shard, reason),
                    None => return,
                },
                Ok(None) => {}
                // The state is known; the reason can wait for the next poll.
                Err(error) => {
                    let refused = error.outcome() == Outcome::Rejected && !error.passes() && !Permission::counts(&error);
                    if refused || error.server().is_some_and(|server| server.failure() == Failure::Other) {
                        self.explanations.refuse();
                    }
                    return tracing::debug!(kind = ?error.kind(), "no explanation");
                }
            }
        }
    }

    /// Looks whether the indices are still those of the ticket; and, for those with started shards without an origin, for what
    /// shows that they come from this restore: the index has the uuid of the ticket, or other shards of it come from the
    /// snapshot; and the snapshot has all of its shards, so that none came back empty.
    async fn compare_uuids(&mut self, session: &Session, doubtful: &[String]) {
        let session = session.with_limit(ASIDE);
        let has_uuid = self.ticket.indices().filter(|index| self.ticket.index_uuid(index).is_some());
        let names: Vec<IndexName> = has_uuid.filter_map(|index| index.parse().ok()).collect();
        let marks = if names.is_empty() { None } else { session.index_marks(&names).await.ok() };
        for index in self.ticket.indices() {
            let uuids = self.ticket.index_uuid(index).zip(marks.as_ref().and_then(|marks| marks.get(index)).map(IndexMark::uuid));
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
        let Ok(snapshot) = session.find_snapshot(self.ticket.repository(), self.ticket.snapshot(), false).await else { return };
        if self.ticket.snapshot_uuid().is_some() && self.ticket.snapshot_uuid() != snapshot.uuid() {
            return;
        }
        for index in ours {
            let has_all = match snapshot.state() {
                SnapshotState::Success => true,
                SnapshotState::Partial => self.ticket.source_index(index).is_some_and(|source| {
                    !snapshot.failures().is_empty() && snapshot.failures().iter().all(|failure| failure.index() != source)
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

impl Watched for RestoreWatch {
    type Outcome = RestoreReport;

    fn what(&self) -> String {
        let first: Vec<String> = self.pending.iter().take(3).map(|(index, shard)| format!("[{index}][{shard}]")).collect();
        let open = if first.is_empty() { String::new() } else { format!(", open shards such as {},", first.join(", ")) };
        format!("restore of {}:{}{open}", self.ticket.repository(), self.ticket.snapshot())
    }

    async fn look(&mut self, session: &Session, _details: bool) -> Result<Look<RestoreReport>, Error> {
        let narrowed = self.narrowed(session);
        let mut reading = match self.read(session, &narrowed).await {
            // An index is gone or closed, and with it the response for the others.
            Err(error) if error.kind() == ErrorKind::IndexMissing || is_closed(&error) => self.read(session, &[]).await?,
            reading => reading?,
        };
        // Only for what shards do not show: its failure is no failure of the poll.
        reading.running = self.state.judge(session.with_limit(ASIDE).running_restores().await).unwrap_or_default();
        if self.resolve_streams(session, &reading).await {
            let indices = self.narrowed(session);
            let running = reading.running.take();
            reading = Reading { running, ..self.read(session, &indices).await? };
        }
        session.identify(self.view.source_mut(), reading.rows.as_deref().unwrap_or_default()).await;
        let mut view = self.observe(&reading);
        // All indices of a restore are there from its beginning; but only their rows show those that no node has begun.
        self.complete = self.view.is_named() || self.view.indices().len() > 0 && reading.rows.is_some() && !view.is_wider;
        let pending: Vec<_> = view.pending().cloned().collect();
        let is_resting = view.under_way.is_empty() && !view.unassigned.is_empty() && pending == self.pending;
        self.pending = pending;
        if is_resting {
            self.ask_why(session, &view, &reading).await;
            view = self.observe(&reading);
        } else if !view.has_pending() {
            self.compare_uuids(session, &view.doubtful).await;
            view = self.observe(&reading);
        }
        let more = std::mem::replace(&mut self.shards, view.counts.shards_total) != view.counts.shards_total;
        if self.view.is_named() && self.view.indices().len() == 0 {
            return Ok(Look::Ended(self.view.report(view)));
        }
        // The cluster state may be behind the shards, but not for long.
        self.lingering = if view.is_running && !view.has_pending() { self.lingering + 1 } else { 0 };
        if view.has_pending() || (1..PATIENCE).contains(&self.lingering) {
            self.unstable = 0;
            return Ok(Look::Running(view.counts));
        }
        if !view.unrestored.is_empty() || view.counts.shards_total == 0 || view.lacks_rows || reading.rows.is_none() {
            self.unstable = if more { 1 } else { self.unstable + 1 };
            if self.unstable < PATIENCE {
                return Ok(Look::Running(view.counts));
            }
        }
        if view.counts.shards_total == 0 && self.view.indices().len() == 0 {
            let text = format!("no shard is being restored from {}:{}", self.ticket.repository(), self.ticket.snapshot());
            let error = Error::new(ErrorKind::IndexMissing, Outcome::Rejected, text);
            return Err(error.during(Operation::Recovery, 1).lasting());
        }
        Ok(Look::Ended(self.view.report(view)))
    }
}

impl RestoreWatch {
    fn observe(&mut self, reading: &Reading) -> View {
        self.view.observe(reading.rows.as_deref(), &reading.recoveries, reading.running.as_ref())
    }
}
