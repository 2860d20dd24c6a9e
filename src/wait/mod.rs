//! Waiting for operations: waits, their progress, and tickets.
//!
//! A snapshot, a restore or a deletion can take hours. A [`Wait`] polls the server until it has
//! ended. A [`Ticket`] is data that identifies the operation. It can be stored, so that another
//! process can wait for the operation, or check it once.
//!
//! ```
//! use std::time::Duration;
//!
//! use es_snapshot::CreateSnapshot;
//! use es_snapshot::wait::SnapshotTicket;
//! # use es_snapshot::testing::FakeDomain;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let client = FakeDomain::with_repository("backups").await.client();
//! # let backups = client.repository("backups")?;
//! let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
//! let stored = serde_json::to_string(started.ticket())?;
//!
//! // Another process reads the ticket.
//! let ticket: SnapshotTicket = serde_json::from_str(&stored)?;
//! let six_hours = Duration::from_secs(6 * 60 * 60);
//! let snapshot = client.resume(ticket).with_deadline(six_hours).await?.into_complete()?;
//! assert_eq!(snapshot.name(), "monday");
//! # Ok(())
//! # }
//! ```

mod deletion;
mod polling;
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
use crate::error::{Error, ErrorKind, Outcome};
use crate::progress::Counts;
use crate::restore::RestoreReport;
use crate::snapshot::SnapshotInfo;

use deletion::DeletionWatch;
use polling::Polling;
use restore::RestoreWatch;
use snapshot::SnapshotWatch;

/// The default deadline of a wait.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);
/// The time limit for each request that a poll can do without, such as one for figures or reasons.
const DETAILS_LIMIT: Duration = Duration::from_secs(5);

/// How an operation has ended; the result of a wait for a [`Ticket`] of any kind.
///
/// It converts into the result of its kind by `TryFrom`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnyOutcome {
    /// A snapshot or a clone has ended. It may be partial or failed: see
    /// [`SnapshotInfo::into_complete`].
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

/// The state of an operation; returned by [`SnapshotClient::check`](crate::SnapshotClient::check).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TicketState {
    /// The operation is running.
    Running(Progress),
    /// The operation has ended.
    Ended(AnyOutcome),
    /// Nothing of the operation was found. The snapshot does not exist, or no shard is restored
    /// from it.
    NotFound,
}

/// A ticket of a known kind, which determines the type of a wait's result.
///
/// The trait is sealed. Only [`SnapshotTicket`], [`RestoreTicket`] and [`DeletionTicket`] implement
/// it.
pub trait TypedTicket: Into<Ticket> + sealed::Sealed {
    /// The result of a wait for this ticket.
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

/// A wait for the end of a snapshot, a clone, a restore or a deletion.
///
/// Awaiting it returns the result:
///
/// | a wait for | returned by | result |
/// | --- | --- | --- |
/// | a snapshot or a clone | [`StartedSnapshot::wait`](crate::StartedSnapshot::wait), [`Snapshot::wait`](crate::Snapshot::wait) | [`SnapshotInfo`] |
/// | a restore | [`StartedRestore::wait`](crate::StartedRestore::wait) | [`RestoreReport`] |
/// | a deletion | [`Snapshot::wait_for_deletion`](crate::Snapshot::wait_for_deletion) | `()` |
/// | a ticket of a known kind | [`SnapshotClient::resume`](crate::SnapshotClient::resume) | one of these, by the kind of the ticket |
/// | a ticket of any kind | [`SnapshotClient::resume_any`](crate::SnapshotClient::resume_any) | [`AnyOutcome`] |
///
/// A snapshot can end as partial or failed, and a restore without some shards. The wait returns
/// these results like others. [`SnapshotInfo::into_complete`] and [`RestoreReport::into_complete`]
/// turn them into errors.
///
/// [`progress`](Self::progress) returns a stream that also shows how far the operation has come. A
/// wait is not itself a future. To pass one to `tokio::spawn` or `join!`, call
/// [`into_future`](IntoFuture::into_future) or write an `async move` block.
///
/// # Polling
///
/// A wait polls at once and then after 1 s. The following pauses grow to 30 s. So a wait of one
/// hour makes 128 polls, one after the other. Each poll sends these requests:
///
/// * **Snapshot:** `GET _snapshot/{repository}/{snapshot}`, and with [`progress`](Self::progress)
///   also `_status`. The result always has the state of the former. In `_status`, many versions
///   report a partial snapshot as `SUCCESS`.
/// * **Deletion:** `GET _snapshot/{repository}/{snapshot}`.
/// * **Restore:** `_cat/shards`, `_recovery`, and the running restores in the cluster state. The
///   wait sends more requests if shards stay unassigned, if a shard has failed, or if nothing shows
///   where its data comes from. Once the restored indices are known, it requests only these, unless
///   their names are too long for one request.
///
/// # Failed polls
///
/// | failure | the wait |
/// | --- | --- |
/// | throttling, a gateway's error, a lost connection, expired or missing credentials | continues until the deadline |
/// | HTTP 500 from the server, for example because it cannot read the repository | ends after two minutes |
/// | a response that is not from the API, such as a login page | ends after two minutes |
/// | another refusal, such as a 404 right after the start of a snapshot | ends after five in a row |
/// | TLS that cannot work until a setting changes, such as an untrusted certificate | ends at once |
///
/// # When a restore counts as complete
///
/// A wait considers exactly the indices in its [`RestoreTicket`]. The name of a data stream stands
/// for its backing indices. If the ticket contains no indices, the wait considers every index with
/// a shard from this snapshot, even if another restore has written it. So use the ticket of
/// [`StartedRestore::ticket`](crate::StartedRestore::ticket) if you can.
///
/// Each primary shard must be started, and its data must come from the snapshot. Replicas do not
/// count.
///
/// * The server shows the origin of a shard only until the shard is moved or its node is restarted.
///   The wait remembers what it has seen, for example that a shard came back empty.
/// * If the wait has never seen the origin of a shard, the shard counts as restored under two
///   conditions. The index must have the uuid in the ticket, or other shards of it must come from
///   the snapshot. And the snapshot must contain all shards of the index.
/// * An index is reported as not restored if its uuid differs from the one in the ticket, if its
///   data comes from another index of the snapshot, or if nothing shows that it comes from this
///   snapshot.
/// * A failed shard counts as lost only after the server has given it up. Until then, the server
///   tries again. `_cluster/allocation/explain` or the cluster state shows when it has given up.
///
/// # Restores with missing permissions
///
/// If the server refuses one of the requests five times in a row, the wait continues without it:
///
/// * **`_cat/shards`:** The wait does not see shards that have failed, or that no node has begun.
///   It ends only after five polls in a row have found the same shards, all of them restored.
/// * **`_recovery`:** A shard counts as restored if it was waiting for its restore before, even if
///   it came back empty. `_cat/shards` or `_recovery` must be allowed.
/// * **`_cluster/allocation/explain`** (`cluster:monitor/allocation/explain`): A shard that waits
///   for its restore counts as lost once the cluster state shows no restore that writes its index.
/// * **The cluster state** (`cluster:monitor/state`), if the explanation is refused too: The wait
///   does not notice when the server has given a shard up. It then lasts until the deadline.
///
/// # Errors
///
/// * [`ErrorKind::Deadline`] if the operation has not ended at the deadline. The source is the
///   error of the last poll, if it failed. The last poll may take 5 s longer.
/// * [`ErrorKind::SnapshotMissing`] if the snapshot is gone, or another snapshot has taken its
///   name. A wait for a deletion succeeds instead.
/// * [`ErrorKind::IndexMissing`] if the ticket of a restore contains no indices, and five polls in
///   a row have found no shard that is restored from the snapshot.
/// * [`ErrorKind::RepositoryMissing`] if the repository is not registered, even for a deletion.
/// * [`ErrorKind::Connect`] if TLS cannot work until a setting changes.
/// * [`ErrorKind::InvalidInput`] if the clock or the transport needs a tokio runtime and there is
///   none.
/// * The kind of the last error, if the wait ends because of [failed polls](#failed-polls).
///
/// Each error contains the [ticket](Error::ticket), the [elapsed time](Error::elapsed) and the
/// [last progress](Error::last_progress). With the ticket, the caller can resume the wait.
///
/// # Cancel safety
///
/// Dropping the wait stops the polling. The operation goes on.
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

/// Converts the result of a wait into the type that the caller expects.
type Extract<O> = fn(AnyOutcome) -> Option<O>;

impl<O: TryFrom<AnyOutcome>> Wait<O> {
    pub(crate) fn new(session: Session, ticket: Ticket) -> Self {
        Self { session, ticket, limit: DEFAULT_DEADLINE, outcome: |any| any.try_into().ok() }
    }
}

impl<O> Wait<O> {
    /// Sets how long the wait lasts at most.
    ///
    /// After that it ends with [`ErrorKind::Deadline`], and the operation goes on. The time is
    /// measured by the monotonic clock. Default: 24 h.
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
    /// domain.hold_snapshots(true); // In this example, snapshots do not end.
    /// let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
    ///
    /// let hour = Duration::from_secs(60 * 60);
    /// let error = started.wait().with_deadline(hour).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Deadline);
    /// // The snapshot goes on. Its ticket can resume the wait.
    /// assert!(error.ticket().is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_deadline(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Returns the ticket, by which another process can resume the wait.
    #[must_use]
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }
}

impl<O: Send + 'static> Wait<O> {
    /// Returns a stream of the progress and of the result.
    ///
    /// The stream returns a [`WaitUpdate::Progress`] for each change, and [`WaitUpdate::Ended`] at
    /// the end. For a snapshot, each poll also requests `_status`. If the server refuses that, the
    /// stream contains no figures for bytes and files. For a deletion, the progress contains only
    /// the uuid and the time.
    ///
    /// # Errors
    ///
    /// Those of the [wait](Wait#errors). The stream ends after an error.
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
        let state = (Polling::new(&session, limit), Watch::new(ticket));
        let updates = stream::unfold(state, move |(mut polling, mut watch)| async move {
            if polling.has_ended {
                return None;
            }
            let update = advance(&mut polling, &mut watch, true, outcome).await;
            polling.has_ended = !matches!(update, Ok(WaitUpdate::Progress(_)));
            Some((update, (polling, watch)))
        });
        // Without `fuse`, polling the stream after its end would panic.
        WaitStream(Box::pin(updates.fuse()))
    }
}

impl<O: Send + 'static> IntoFuture for Wait<O> {
    type Output = Result<O, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { session, ticket, limit, outcome } = self;
        Box::pin(async move {
            let (mut polling, mut watch) = (Polling::new(&session, limit), Watch::new(ticket));
            loop {
                if let WaitUpdate::Ended(outcome) = advance(&mut polling, &mut watch, false, outcome).await? {
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

/// An item of a [`WaitStream`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WaitUpdate<O> {
    /// The progress has changed.
    Progress(Progress),
    /// The operation has ended. This is the last item.
    Ended(O),
}

/// A stream of [`WaitUpdate`]s; returned by [`Wait::progress`].
///
/// It returns any number of [`WaitUpdate::Progress`], then [`WaitUpdate::Ended`] or an error.
///
/// # Cancel safety
///
/// Dropping the stream stops the polling. The operation goes on.
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

/// The result of a poll.
enum Checked {
    Running(Counts),
    Ended(AnyOutcome),
}

/// The operation that a wait watches, and what polls have shown of it.
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

    /// Returns the ticket, with the uuid if a poll has found it.
    fn ticket(&self) -> Ticket {
        match self {
            Self::Snapshot(watch) => watch.ticket.clone().into(),
            Self::Restore(watch) => watch.ticket.clone().into(),
            Self::Deletion(watch) => watch.ticket.clone().into(),
        }
    }

    fn description(&self) -> String {
        match self {
            Self::Snapshot(watch) => watch.description(),
            Self::Restore(watch) => watch.description(),
            Self::Deletion(watch) => watch.description(),
        }
    }

    /// Returns the uuid of the snapshot, if it is known. `None` for a restore.
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

/// Polls until the progress changes or the operation ends.
async fn advance<O>(
    polling: &mut Polling,
    watch: &mut Watch,
    details: bool,
    outcome: Extract<O>,
) -> Result<WaitUpdate<O>, Error> {
    let update = match poll(polling, watch, details).await {
        Ok(WaitUpdate::Progress(progress)) => return Ok(WaitUpdate::Progress(progress)),
        Ok(WaitUpdate::Ended(any)) => {
            outcome(any).ok_or_else(|| Error::invalid("the kind of the ticket does not match the wait"))
        }
        Err(error) => Err(error),
    };
    update
        .map(WaitUpdate::Ended)
        .map_err(|error| error.resumable(watch.ticket(), polling.elapsed(), Some(polling.last_progress())))
}

async fn poll(polling: &mut Polling, watch: &mut Watch, details: bool) -> Result<WaitUpdate<AnyOutcome>, Error> {
    loop {
        polling.next_poll(&watch.description()).await?;
        let limit = polling.left();
        let checked = within(polling.session.clock(), limit, pin!(watch.check(&polling.session, details))).await;
        let checked = checked.unwrap_or_else(|| {
            let text = format!("the poll did not end within {limit:?}");
            Err(Error::new(ErrorKind::Timeout, Outcome::Unknown, text))
        });
        match checked {
            Ok(Checked::Ended(outcome)) => return Ok(WaitUpdate::Ended(outcome)),
            Ok(Checked::Running(counts)) => {
                if let Some(progress) = polling.changed(counts, watch.uuid()) {
                    return Ok(WaitUpdate::Progress(progress));
                }
            }
            Err(error) => polling.tolerate(error)?,
        }
    }
}

/// Checks the operation of a ticket once.
pub(crate) async fn check(session: &Session, ticket: Ticket) -> Result<TicketState, Error> {
    let began = session.clock().monotonic();
    let mut watch = Watch::new(ticket);
    if let Watch::Restore(watch) = &mut watch {
        watch.check_only_once();
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
