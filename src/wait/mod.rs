//! Waits for what was started, their progress, and the tickets by which another process goes on
//! with them.

mod deletion;
mod restore;
mod snapshot;

use std::fmt;
use std::future::IntoFuture;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;

pub use crate::progress::{HowStarted, Progress};
pub use crate::ticket::{DeletionTicket, RestoreTicket, SnapshotTicket, Ticket};

use crate::call::Session;
use crate::clock::{BoxFuture, within};
use crate::error::{Error, ErrorKind, Outcome, ServerLayer};
use crate::progress::Counts;
use crate::restore::RestoreReport;
use crate::snapshot::SnapshotInfo;

use deletion::DeletionWatch;
use restore::RestoreWatch;
use snapshot::SnapshotWatch;

/// How long a wait lasts by default: a day.
const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);
/// The first pause between two polls, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// How many polls in a row have to miss the thing waited for, or have to be refused, before the
/// wait believes it.
const PATIENCE: u32 = 5;
/// How long responses have to be failures of the engine (HTTP 5xx), or nothing of the API at all,
/// before the wait believes that they stay.
const OUTAGE: Duration = Duration::from_secs(120);
/// How much of a poll may be spent on what the verdict does not need: figures, and why shards wait.
const ASIDE: Duration = Duration::from_secs(5);
/// How long the poll at the deadline may take.
const LAST_POLL: Duration = Duration::from_secs(5);

/// How something that a [`Ticket`] names has ended.
///
/// It converts into the outcome of its kind by `TryFrom`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnyOutcome {
    /// A snapshot has ended, not necessarily well: see [`SnapshotInfo::into_complete`].
    Snapshot(Box<SnapshotInfo>),
    /// A restore has ended. Shards may have failed: see [`RestoreReport::into_complete`].
    Restore(RestoreReport),
    /// The snapshot is gone.
    Deletion,
}

impl TryFrom<AnyOutcome> for SnapshotInfo {
    type Error = AnyOutcome;

    fn try_from(outcome: AnyOutcome) -> Result<Self, AnyOutcome> {
        match outcome {
            AnyOutcome::Snapshot(snapshot) => Ok(*snapshot),
            other => Err(other),
        }
    }
}

impl TryFrom<AnyOutcome> for RestoreReport {
    type Error = AnyOutcome;

    fn try_from(outcome: AnyOutcome) -> Result<Self, AnyOutcome> {
        match outcome {
            AnyOutcome::Restore(report) => Ok(report),
            other => Err(other),
        }
    }
}

impl TryFrom<AnyOutcome> for () {
    type Error = AnyOutcome;

    fn try_from(outcome: AnyOutcome) -> Result<Self, AnyOutcome> {
        match outcome {
            AnyOutcome::Deletion => Ok(()),
            other => Err(other),
        }
    }
}

/// What a [`Ticket`] names, as one check found it; returned by
/// [`SnapshotClient::check`](crate::SnapshotClient::check).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TicketState {
    /// It is running.
    Running(Progress),
    /// It has ended.
    Ended(AnyOutcome),
    /// The domain has nothing of it: the snapshot does not exist, or no shard is restored from it.
    NotFound,
}

/// A ticket whose kind is known, and with it the outcome of a wait: [`SnapshotTicket`],
/// [`RestoreTicket`] and [`DeletionTicket`].
///
/// No other type can implement it.
pub trait TypedTicket: Into<Ticket> + sealed::Sealed {
    /// What a wait for it ends with.
    type Outcome: TryFrom<AnyOutcome> + Send + 'static;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! typed_tickets {
    ($($ticket:ty => $outcome:ty)*) => {$(
        impl sealed::Sealed for $ticket {}

        impl TypedTicket for $ticket {
            type Outcome = $outcome;
        }
    )*};
}

typed_tickets! {
    SnapshotTicket => SnapshotInfo
    RestoreTicket => RestoreReport
    DeletionTicket => ()
}

/// A wait for the end of a snapshot, a restore or a deletion.
///
/// Await it for its outcome:
///
/// | a wait for | returned by | outcome |
/// | --- | --- | --- |
/// | a snapshot or a clone | [`StartedSnapshot::wait`](crate::StartedSnapshot::wait), [`Snapshot::wait`](crate::Snapshot::wait) | [`SnapshotInfo`] |
/// | a restore | [`StartedRestore::wait`](crate::StartedRestore::wait) | [`RestoreReport`] |
/// | a deletion | [`Snapshot::wait_for_deletion`](crate::Snapshot::wait_for_deletion) | `()` |
/// | what a ticket names | [`SnapshotClient::resume`](crate::SnapshotClient::resume) | that of its kind |
/// | what any ticket names | [`SnapshotClient::resume_any`](crate::SnapshotClient::resume_any) | [`AnyOutcome`] |
///
/// [`progress`](Self::progress) shows how far it has come. `tokio::spawn` and `join!` take futures:
/// give them [`into_future`](IntoFuture::into_future) or an `async move` block.
///
/// # Requests
///
/// A wait polls at once, after 1 s and then less and less often, down to every 30 s. A wait of one
/// hour makes 128 polls, one after the other and so over one connection at a time. It survives, for
/// as long as they last, throttling, gateway errors, lost connections, and credentials that have
/// expired or cannot be had. It survives failures of the server's own (HTTP 500, such as a
/// repository that cannot be read) and responses that are not the API's (such as the page of a
/// login) for two minutes, and a 404 shortly after the snapshot was created.
///
/// A poll of a snapshot is one request, two with [`progress`](Self::progress). The state is that of
/// `GET _snapshot/{repository}/{snapshot}`, never that of `_status`, where many versions call a
/// partial snapshot `SUCCESS`. A poll of a deletion is one request.
///
/// A poll of a restore is three requests: `_cat/shards`, `_recovery` and the running restores of
/// the cluster state. There are more while shards rest unassigned, and once a shard has failed or
/// shows no origin. Once the indices are known, only they are requested, unless their names are too
/// long for one request.
///
/// # What counts in a restore
///
/// A wait considers exactly the indices of its [`RestoreTicket`]. The name of a data stream means
/// its backing indices. Where none are known, it considers every index that has a shard from this
/// snapshot, whichever restore that was. So prefer the ticket of
/// [`StartedRestore`](crate::StartedRestore::ticket). Each primary has to be started and to come
/// from the snapshot. Replicas are not waited for.
///
/// * The server shows a shard's origin until the shard moves or its node restarts. The wait
///   remembers what it saw, also that a shard came back empty or from another snapshot.
/// * If the wait never saw the origin, an index counts if it still has the uuid of the ticket, or
///   if other shards of it come from the snapshot. The snapshot must have all shards of the index.
/// * An index that has another uuid than the ticket says, or the data of another index of the
///   snapshot, is reported as not restored.
/// * A named index is reported as not restored if nothing shows that it comes from this snapshot.
/// * A shard that failed counts as lost only when the server has given it up, as
///   `_cluster/allocation/explain` or the cluster state shows. Until then the server tries it
///   again.
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
/// * [`ErrorKind::Deadline`] if it has not ended at the deadline. The last failed poll, if any, is
///   the source. The poll at the deadline may take 5 s more.
/// * [`ErrorKind::SnapshotMissing`] if a snapshot is gone, or another one has taken its name.
/// * [`ErrorKind::IndexMissing`] if a restore's ticket names no index, and five polls found no
///   shard that is restored from the snapshot.
/// * [`ErrorKind::RepositoryMissing`]. A missing repository is an error, not a deletion.
/// * [`ErrorKind::Connect`] at once if TLS cannot work until a setting changes, such as a
///   certificate that does not verify.
/// * Another kind if five polls in a row are refused for a reason that does not pass.
///
/// Each carries the [ticket](Error::ticket), the [elapsed time](Error::elapsed) and the
/// [last progress](Error::last_progress). So the caller can resume the wait.
///
/// # Cancel safety
///
/// Dropping the wait stops watching. What it waits for goes on.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use es_snapshot::RestoreSnapshot;
/// use es_snapshot::wait::RestoreTicket;
/// # use es_snapshot::CreateSnapshot;
/// # use es_snapshot::testing::FakeDomain;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let domain = FakeDomain::with_repository("backups").await;
/// # domain.create_index("movies", 2);
/// # let client = domain.client();
/// # let backups = client.repository("backups")?;
/// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
/// let options = RestoreSnapshot::new().with_rename_prefix("restored-");
/// let restore = backups.snapshot("monday")?.restore(options).await?;
/// let stored = serde_json::to_string(restore.ticket())?;
///
/// // Another process reads the ticket.
/// let ticket: RestoreTicket = serde_json::from_str(&stored)?;
/// let hours = Duration::from_secs(6 * 60 * 60);
/// let report = client.resume(ticket).with_deadline(hours).await?;
/// for shard in report.unrestored() {
///     println!("{shard}");
/// }
/// assert_eq!(report.into_complete()?.indices(), ["restored-movies"]);
/// # Ok(())
/// # }
/// ```
#[must_use = "a wait does nothing until it is awaited"]
pub struct Wait<O> {
    session: Session,
    ticket: Ticket,
    limit: Duration,
    outcome: Extract<O>,
}

/// Takes the outcome of one kind from any.
type Extract<O> = fn(AnyOutcome) -> Option<O>;

impl<O: TryFrom<AnyOutcome>> Wait<O> {
    pub(crate) fn new(session: Session, ticket: Ticket) -> Self {
        Self { session, ticket, limit: DEADLINE, outcome: |any| any.try_into().ok() }
    }
}

impl<O> Wait<O> {
    /// Sets how long to wait at most, on the monotonic clock. The wait then ends with
    /// [`ErrorKind::Deadline`]. Default: 24 h.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use es_snapshot::ErrorKind;
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # let backups = domain.client().repository("backups")?;
    /// domain.hold_snapshots(true); // Snapshots do not end.
    /// let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
    ///
    /// let hour = Duration::from_secs(60 * 60);
    /// let error = started.wait().with_deadline(hour).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Deadline);
    /// // The snapshot goes on, and the ticket finds it.
    /// assert!(error.ticket().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_deadline(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Returns the ticket with which another process can resume the wait.
    #[must_use]
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }
}

impl<O: Send + 'static> Wait<O> {
    /// Returns a stream with a [`WaitUpdate::Progress`] for every change, then
    /// [`WaitUpdate::Ended`].
    ///
    /// The stream of a snapshot also requests `_status`. Where that is refused, the stream does
    /// without. The stream of a deletion reports only the uuid and the time.
    ///
    /// # Errors
    ///
    /// Those of the wait. After one the stream ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use es_snapshot::wait::WaitUpdate;
    /// use futures_util::TryStreamExt as _;
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// # let backups = client.repository("backups")?;
    /// # let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
    /// let mut updates = started.wait().progress();
    /// let mut snapshot = None;
    /// while let Some(update) = updates.try_next().await? {
    ///     match update {
    ///         WaitUpdate::Progress(now) => {
    ///             println!("{} of {} shards", now.shards_done(), now.shards_total());
    ///         }
    ///         WaitUpdate::Ended(ended) => snapshot = Some(ended),
    ///         _ => {}
    ///     }
    /// }
    /// assert!(snapshot.is_some_and(|snapshot| snapshot.is_complete()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn progress(self) -> WaitStream<O> {
        let Self { session, ticket, limit, outcome } = self;
        let state = (Pace::new(&session, limit), Watch::new(ticket));
        let updates = stream::unfold(state, move |(mut pace, mut watch)| async move {
            if pace.over {
                return None;
            }
            let update = advance(&mut pace, &mut watch, true, outcome).await;
            pace.over = !matches!(update, Ok(WaitUpdate::Progress(_)));
            Some((update, (pace, watch)))
        });
        // An unfolded stream panics when it is polled after its end.
        WaitStream(Box::pin(updates.fuse()))
    }
}

impl<O: Send + 'static> IntoFuture for Wait<O> {
    type Output = Result<O, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { session, ticket, limit, outcome } = self;
        Box::pin(async move {
            let (mut pace, mut watch) = (Pace::new(&session, limit), Watch::new(ticket));
            loop {
                if let WaitUpdate::Ended(outcome) = advance(&mut pace, &mut watch, false, outcome).await? {
                    return Ok(outcome);
                }
            }
        })
    }
}

impl<O> Clone for Wait<O> {
    fn clone(&self) -> Self {
        Self { session: self.session.clone(), ticket: self.ticket.clone(), limit: self.limit, outcome: self.outcome }
    }
}

impl<O> fmt::Debug for Wait<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("ticket", &self.ticket).field("deadline", &self.limit).finish_non_exhaustive()
    }
}

/// An item of a [`WaitStream`]: any number of changes, then the end.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WaitUpdate<O> {
    /// Something has changed.
    Progress(Progress),
    /// It has ended. Nothing follows.
    Ended(O),
}

/// A stream of [`WaitUpdate`]s; returned by [`Wait::progress`].
///
/// # Cancel safety
///
/// Dropping it stops watching. It cancels and deletes nothing on the domain.
pub struct WaitStream<O>(Pin<Box<dyn Stream<Item = Result<WaitUpdate<O>, Error>> + Send>>);

impl<O> Stream for WaitStream<O> {
    type Item = Result<WaitUpdate<O>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl<O> fmt::Debug for WaitStream<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitStream(..)")
    }
}

/// Whether an endpoint may be asked: not after [`PATIENCE`] refusals in a row.
#[derive(Default)]
struct Permission {
    refusals: u32,
}

impl Permission {
    fn is_denied(&self) -> bool {
        self.refusals >= PATIENCE
    }

    fn counts(error: &Error) -> bool {
        matches!(error.kind(), ErrorKind::NotAllowed | ErrorKind::AccessDenied)
    }

    /// Notes a response that is of no use, as if it were a refusal.
    fn refuse(&mut self) {
        self.refusals += 1;
    }

    /// The response; `None` if the endpoint may not be asked.
    fn tolerate<T>(&mut self, response: Result<T, Error>) -> Result<Option<T>, Error> {
        let refused = matches!(&response, Err(error) if Self::counts(error));
        self.refusals = if refused { self.refusals + 1 } else { 0 };
        if self.is_denied() { Ok(None) } else { response.map(Some) }
    }
}

/// When to poll, and when to stop.
struct Pace {
    session: Session,
    began: Duration,
    deadline: Duration,
    /// `None` before the first poll.
    pause: Option<Duration>,
    /// No poll follows this one.
    is_last: bool,
    /// Refusals of one sort in a row, whether they are the engine's failures, when the first of
    /// them was, and the last trouble.
    refusals: u32,
    outage: bool,
    refused_since: Duration,
    trouble: Option<Error>,
    /// The last progress that was reported; and how many bytes were done at the first report with
    /// figures, and when that was.
    reported: Option<(Counts, Option<String>)>,
    at_first: Option<(u64, Duration)>,
    over: bool,
}

impl Pace {
    fn new(session: &Session, limit: Duration) -> Self {
        let began = session.core.clock.monotonic();
        let session = session.for_polling();
        let deadline = began.saturating_add(limit);
        Self {
            session,
            began,
            deadline,
            pause: None,
            is_last: false,
            refusals: 0,
            outage: false,
            refused_since: began,
            trouble: None,
            reported: None,
            at_first: None,
            over: false,
        }
    }

    fn elapsed(&self) -> Duration {
        self.session.core.clock.monotonic().saturating_sub(self.began)
    }

    /// What a poll may take, so that one that hangs does not outlast the deadline.
    fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.session.core.clock.monotonic()).max(LAST_POLL)
    }

    /// Waits for the next poll; the last one begins at the deadline, or when one that hung until
    /// then is over.
    async fn next_poll(&mut self, what: &str) -> Result<(), Error> {
        let clock = &self.session.core.clock;
        if self.is_last {
            let limit = self.deadline.saturating_sub(self.began);
            let text = format!("{what} has not ended within {limit:?}; it goes on at the domain");
            let error = Error::new(ErrorKind::Deadline, Outcome::Unknown, text);
            return Err(match self.trouble.take() {
                Some(trouble) => error.with_source(trouble),
                None => error,
            });
        }
        match self.pause {
            None => self.pause = Some(FIRST),
            Some(pause) => {
                let left = self.deadline.saturating_sub(clock.monotonic());
                clock.sleep(pause.min(left)).await;
                self.pause = Some(pause.mul_f64(1.5).min(LONGEST));
            }
        }
        self.is_last = clock.monotonic() >= self.deadline;
        Ok(())
    }

    /// Puts a failed poll down as passing trouble, or gives it back if it is not.
    fn tolerate(&mut self, error: Error) -> Result<(), Error> {
        let passing = error.passes()
            || error.server().is_some_and(|server| server.status() >= 500 && server.layer() != ServerLayer::Engine);
        let now = self.elapsed();
        let outage = error.is_garbled() || error.server().is_some_and(|server| server.status() >= 500);
        if self.refusals == 0 || self.outage != outage {
            (self.refusals, self.outage, self.refused_since) = (0, outage, now);
        }
        self.refusals = if passing { 0 } else { self.refusals + 1 };
        let span = if outage { OUTAGE } else { Duration::ZERO };
        let refused = self.refusals >= PATIENCE && now.saturating_sub(self.refused_since) >= span;
        if error.is_lasting() || error.kind() == ErrorKind::InvalidInput || refused {
            return Err(error);
        }
        tracing::debug!(kind = ?error.kind(), "poll failed");
        self.trouble = Some(error);
        Ok(())
    }

    /// How far it had come when it was last seen, and how long this has been watching by now.
    fn last_progress(&self) -> Progress {
        let (counts, uuid) = self.reported.clone().unwrap_or_default();
        Progress { counts, uuid, elapsed: self.elapsed(), rate: None }
    }

    /// The progress, if it differs from the one before.
    fn changed(&mut self, counts: Counts, uuid: Option<&str>) -> Option<Progress> {
        self.refusals = 0;
        self.trouble = None;
        let now = (counts, uuid.map(str::to_owned));
        if self.reported.as_ref() == Some(&now) {
            return None;
        }
        self.reported = Some(now);
        let elapsed = self.elapsed();
        if self.at_first.is_none() && counts.bytes_total > 0 {
            self.at_first = Some((counts.bytes_done, elapsed));
        }
        let rate = self.at_first.and_then(|(bytes, when)| {
            let (copied, took) = (counts.bytes_done.saturating_sub(bytes), elapsed.saturating_sub(when));
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let rate = copied as f64 / took.as_secs_f64();
            (copied > 0 && !took.is_zero()).then_some(rate)
        });
        Some(Progress { counts, uuid: uuid.map(str::to_owned), elapsed, rate })
    }
}

/// What one poll shows.
enum Checked {
    Running(Counts),
    Ended(AnyOutcome),
}

/// What is waited for, with what polls have shown of it.
enum Watch {
    Snapshot(SnapshotWatch),
    Restore(Box<RestoreWatch>),
    Deletion(DeletionWatch),
}

impl Watch {
    fn new(ticket: Ticket) -> Self {
        match ticket {
            Ticket::Snapshot(ticket) => Self::Snapshot(SnapshotWatch::new(ticket)),
            Ticket::Restore(ticket) => Self::Restore(Box::new(RestoreWatch::new(ticket))),
            Ticket::Deletion(ticket) => Self::Deletion(DeletionWatch::new(ticket)),
        }
    }

    /// The ticket, with what polls have added to it.
    fn ticket(&self) -> Ticket {
        match self {
            Self::Snapshot(watch) => watch.ticket.clone().into(),
            Self::Restore(watch) => watch.ticket.clone().into(),
            Self::Deletion(watch) => watch.ticket.clone().into(),
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Snapshot(watch) => watch.what(),
            Self::Restore(watch) => watch.what(),
            Self::Deletion(watch) => watch.what(),
        }
    }

    /// The uuid of the snapshot that is waited for, once known; `None` for a restore.
    fn uuid(&self) -> Option<&str> {
        match self {
            Self::Snapshot(watch) => watch.ticket.uuid(),
            Self::Restore(_) => None,
            Self::Deletion(watch) => watch.ticket.uuid(),
        }
    }

    async fn check(&mut self, session: &Session, details: bool) -> Result<Checked, Error> {
        match self {
            Self::Snapshot(watch) => watch.check(session, details).await,
            Self::Restore(watch) => watch.check(session).await,
            Self::Deletion(watch) => watch.check(session).await,
        }
    }
}

/// The next change or the end.
async fn advance<O>(
    pace: &mut Pace,
    watch: &mut Watch,
    details: bool,
    outcome: Extract<O>,
) -> Result<WaitUpdate<O>, Error> {
    let update = match poll(pace, watch, details).await {
        Ok(WaitUpdate::Progress(progress)) => return Ok(WaitUpdate::Progress(progress)),
        Ok(WaitUpdate::Ended(any)) => {
            outcome(any).ok_or_else(|| Error::invalid("the ticket is of another kind than the wait"))
        }
        Err(error) => Err(error),
    };
    update
        .map(WaitUpdate::Ended)
        .map_err(|error| error.resumable(watch.ticket(), pace.elapsed(), Some(pace.last_progress())))
}

async fn poll(pace: &mut Pace, watch: &mut Watch, details: bool) -> Result<WaitUpdate<AnyOutcome>, Error> {
    loop {
        pace.next_poll(&watch.what()).await?;
        let checked = within(pace.session.clock(), pace.left(), pin!(watch.check(&pace.session, details))).await;
        let checked =
            checked.unwrap_or_else(|| Err(Error::new(ErrorKind::Timeout, Outcome::Unknown, "no response to a poll")));
        match checked {
            Ok(Checked::Ended(outcome)) => return Ok(WaitUpdate::Ended(outcome)),
            Ok(Checked::Running(counts)) => {
                if let Some(progress) = pace.changed(counts, watch.uuid()) {
                    return Ok(WaitUpdate::Progress(progress));
                }
            }
            Err(error) => pace.tolerate(error)?,
        }
    }
}

/// Checks once what a ticket names.
pub(crate) async fn check(session: &Session, ticket: Ticket) -> Result<TicketState, Error> {
    let began = session.clock().monotonic();
    let mut watch = Watch::new(ticket);
    if let Watch::Restore(watch) = &mut watch {
        watch.checks_once();
    }
    match watch.check(session, true).await {
        Ok(Checked::Ended(AnyOutcome::Restore(report))) if report.shards_total() == 0 && !report.is_complete() => {
            Ok(TicketState::NotFound)
        }
        Ok(Checked::Ended(outcome)) => Ok(TicketState::Ended(outcome)),
        Ok(Checked::Running(counts)) => {
            let uuid = watch.uuid().map(str::to_owned);
            let elapsed = session.clock().monotonic().saturating_sub(began);
            Ok(TicketState::Running(Progress { counts, uuid, elapsed, rate: None }))
        }
        Err(error) if matches!(error.kind(), ErrorKind::SnapshotMissing | ErrorKind::IndexMissing) => {
            Ok(TicketState::NotFound)
        }
        Err(error) => Err(error),
    }
}
