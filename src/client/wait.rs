//! Waiting for snapshots, restores and deletions: polls that outlive credentials, gateways and moving domains.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures_core::Stream;
use futures_util::stream::{self, StreamExt as _};

use crate::client::SnapshotClient;
use crate::clock::BoxFuture;
use crate::error::{Error, ErrorKind, Operation, Outcome};
use crate::name::{IndexName, RepositoryName, SnapshotName};
use crate::request;
use crate::restore::{RecoveryStage, RecoveryType, ShardRecovery, ShardRow};
use crate::retry::RetryPolicy;
use crate::snapshot::{ShardCounts, SnapshotInfo, SnapshotState, SnapshotTicket, SnapshotToken};
use crate::status::{FileStats, SnapshotStatus};
use crate::units::ByteSize;

/// How long a wait lasts if it is not told otherwise: a day.
const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);
/// The first pause between two polls, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// How many polls in a row have to miss the thing waited for, or have to be refused, before the wait believes it.
const PATIENCE: u32 = 5;

/// What a progress stream yields: any number of changes, then the end.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WaitUpdate<P, O> {
    /// Something has changed.
    Progress(P),
    /// It has ended; nothing follows.
    Ended(O),
}

/// A stream of [`WaitUpdate`]s; see [`WaitForSnapshot::progress`].
///
/// # Cancel safety
///
/// Dropping it stops watching. It cancels and deletes nothing on the domain.
pub struct ProgressStream<P, O>(Pin<Box<dyn Updates<P, O>>>);

trait Updates<P, O>: Stream<Item = Result<WaitUpdate<P, O>, Error>> + Send {}

impl<P, O, S: Stream<Item = Result<WaitUpdate<P, O>, Error>> + Send> Updates<P, O> for S {}

impl<P, O> Stream for ProgressStream<P, O> {
    type Item = Result<WaitUpdate<P, O>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl<P, O> fmt::Debug for ProgressStream<P, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgressStream(..)")
    }
}

/// How far a snapshot or a restore is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    counts: Counts,
    uuid: Option<String>,
    elapsed: Duration,
    rate: Option<f64>,
}

/// The part of a [`Progress`] whose change is worth telling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    shards_total: u64,
    shards_done: u64,
    shards_failed: u64,
    bytes_total: u64,
    bytes_done: u64,
    files_total: u64,
    files_done: u64,
}

impl Progress {
    /// Shards in all; 0 while not known.
    #[must_use]
    pub fn shards_total(&self) -> u64 {
        self.counts.shards_total
    }

    /// Shards that are done.
    #[must_use]
    pub fn shards_done(&self) -> u64 {
        self.counts.shards_done
    }

    /// Shards that have failed.
    #[must_use]
    pub fn shards_failed(&self) -> u64 {
        self.counts.shards_failed
    }

    /// Bytes to copy; 0 while not known. A snapshot copies what the repository does not hold yet.
    #[must_use]
    pub fn bytes_total(&self) -> u64 {
        self.counts.bytes_total
    }

    /// Bytes copied.
    #[must_use]
    pub fn bytes_done(&self) -> u64 {
        self.counts.bytes_done
    }

    /// Files to copy; 0 while not known.
    #[must_use]
    pub fn files_total(&self) -> u64 {
        self.counts.files_total
    }

    /// Files copied.
    #[must_use]
    pub fn files_done(&self) -> u64 {
        self.counts.files_done
    }

    /// The snapshot's uuid, once known; `None` for a restore.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.uuid.as_deref()
    }

    /// How long this wait has been watching.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Bytes a second since this wait began to watch; `None` until there is anything to tell it by.
    #[must_use]
    pub fn bytes_per_second(&self) -> Option<f64> {
        self.rate
    }

    /// How long the rest takes at that rate.
    #[must_use]
    pub fn eta(&self) -> Option<Duration> {
        let left = self.counts.bytes_total.saturating_sub(self.counts.bytes_done);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        self.rate.and_then(|rate| Duration::try_from_secs_f64(left as f64 / rate).ok())
    }
}

/// When to poll, and when to stop.
struct Pace {
    client: SnapshotClient,
    began: Duration,
    deadline: Duration,
    pause: Option<Duration>,
    /// Refusals in a row, and the last trouble.
    refusals: u32,
    trouble: Option<Error>,
    last: Option<(Counts, u64)>,
    over: bool,
}

impl Pace {
    fn new(client: &SnapshotClient, limit: Duration) -> Self {
        let began = client.core.clock.monotonic();
        // A poll repeats what a new signature mends; for the rest there is the next poll.
        let client = client.with_retry(RetryPolicy::new().attempts(3));
        let deadline = began.saturating_add(limit);
        Self { client, began, deadline, pause: None, refusals: 0, trouble: None, last: None, over: false }
    }

    fn elapsed(&self) -> Duration {
        self.client.core.clock.monotonic().saturating_sub(self.began)
    }

    /// Waits for the next poll; the last one is at the deadline.
    async fn next_poll(&mut self, what: &str) -> Result<(), Error> {
        let clock = &self.client.core.clock;
        let Some(pause) = self.pause else {
            self.pause = Some(FIRST);
            return Ok(());
        };
        let left = self.deadline.saturating_sub(clock.monotonic());
        if left.is_zero() {
            let text =
                format!("{what} has not ended within {:?}; it goes on at the domain", self.deadline.saturating_sub(self.began));
            let error = Error::new(ErrorKind::Deadline, Outcome::Unknown, text);
            return Err(match self.trouble.take() {
                Some(trouble) => error.with_source(trouble),
                None => error,
            });
        }
        clock.sleep(pause.min(left)).await;
        self.pause = Some(pause.mul_f64(1.5).min(LONGEST));
        Ok(())
    }

    /// Puts a failed poll down as passing trouble, or gives it back if it is not.
    fn endure(&mut self, error: Error) -> Result<(), Error> {
        let passing = error.is_transient()
            || error.is_garbled()
            || matches!(error.kind(), ErrorKind::ClockSkew | ErrorKind::Credentials | ErrorKind::ExpiredToken);
        self.refusals = if passing { 0 } else { self.refusals + 1 };
        let lasting = error.is_lasting()
            || matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::ReplyTooLarge | ErrorKind::InvalidRequest);
        if lasting || self.refusals >= PATIENCE {
            return Err(error);
        }
        tracing::debug!(kind = ?error.kind(), "poll failed");
        self.trouble = Some(error);
        Ok(())
    }

    /// The progress, if it differs from the one before.
    fn changed(&mut self, counts: Counts, uuid: Option<&str>) -> Option<Progress> {
        self.refusals = 0;
        self.trouble = None;
        let (before, at_first) = self.last.map_or((None, counts.bytes_done), |(before, at_first)| (Some(before), at_first));
        self.last = Some((counts, at_first));
        if before == Some(counts) {
            return None;
        }
        let elapsed = self.elapsed();
        let copied = counts.bytes_done.saturating_sub(at_first);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let rate = (copied > 0 && !elapsed.is_zero()).then(|| copied as f64 / elapsed.as_secs_f64());
        Some(Progress { counts, uuid: uuid.map(str::to_owned), elapsed, rate })
    }
}

/// What one look at the domain tells.
enum Look<O> {
    Running(Counts),
    Ended(O),
}

/// A thing that is waited for.
trait Watched: Send + 'static {
    type Outcome: Send + 'static;

    fn what(&self) -> String;

    /// The uuid of the snapshot that is waited for, once known.
    fn uuid(&self) -> Option<&str> {
        None
    }

    fn look(&mut self, client: &SnapshotClient, details: bool)
    -> impl Future<Output = Result<Look<Self::Outcome>, Error>> + Send;
}

/// The next change or the end.
async fn advance<W: Watched>(pace: &mut Pace, watched: &mut W, details: bool) -> Result<WaitUpdate<Progress, W::Outcome>, Error> {
    loop {
        pace.next_poll(&watched.what()).await?;
        match watched.look(&pace.client, details).await {
            Ok(Look::Ended(outcome)) => return Ok(WaitUpdate::Ended(outcome)),
            Ok(Look::Running(counts)) => {
                if let Some(progress) = pace.changed(counts, watched.uuid()) {
                    return Ok(WaitUpdate::Progress(progress));
                }
            }
            Err(error) => pace.endure(error)?,
        }
    }
}

fn outcome<W: Watched>(client: SnapshotClient, limit: Duration, mut watched: W) -> BoxFuture<'static, Result<W::Outcome, Error>> {
    Box::pin(async move {
        let mut pace = Pace::new(&client, limit);
        loop {
            if let WaitUpdate::Ended(outcome) = advance(&mut pace, &mut watched, false).await? {
                return Ok(outcome);
            }
        }
    })
}

fn progress<W: Watched>(client: &SnapshotClient, limit: Duration, watched: W) -> ProgressStream<Progress, W::Outcome> {
    let state = (Pace::new(client, limit), watched);
    let updates = stream::unfold(state, |(mut pace, mut watched)| async move {
        if pace.over {
            return None;
        }
        let update = advance(&mut pace, &mut watched, true).await;
        pace.over = !matches!(update, Ok(WaitUpdate::Progress(_)));
        Some((update, (pace, watched)))
    });
    // An unfolded stream panics when it is polled after its end.
    ProgressStream(Box::pin(updates.fuse()))
}

/// The wait for the end of a snapshot; made by [`SnapshotClient::wait_for_snapshot`].
///
/// Await it for the [`SnapshotInfo`] with the final state, which may be `PARTIAL` or `FAILED`: look at
/// [`SnapshotInfo::state`] or use [`SnapshotInfo::into_complete`]. [`progress`](Self::progress) tells the way there.
///
/// It polls at once, after 1 s and then ever less often, down to every 30 s: a wait of one hour makes 128 requests (255 with
/// `progress`), one after the other and so over one connection at a time. It survives expired credentials, throttling,
/// gateway errors, lost connections, and a 404 shortly after the snapshot was created. The state is that of `GET
/// _snapshot/{repository}/{snapshot}`, never that of `_status`, which calls a partial snapshot `SUCCESS` on many versions.
///
/// # Errors
///
/// * [`ErrorKind::Deadline`] if it runs on; the last trouble, if any, is the source.
/// * [`ErrorKind::SnapshotMissing`] if it is gone, or another snapshot has taken its name.
/// * another kind if five polls in a row are refused for a reason that does not pass.
///
/// # Cancel safety
///
/// Dropping the wait stops watching. The snapshot goes on.
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until it is awaited"]
pub struct WaitForSnapshot {
    client: SnapshotClient,
    ticket: SnapshotTicket,
    limit: Duration,
}

impl WaitForSnapshot {
    pub(crate) fn new(client: SnapshotClient, repository: RepositoryName, name: SnapshotName) -> Self {
        Self::resume(client, SnapshotTicket::new(repository, name))
    }

    pub(crate) fn resume(client: SnapshotClient, ticket: SnapshotTicket) -> Self {
        Self { client, ticket, limit: DEADLINE }
    }

    /// Waits only for the snapshot that was created with this token.
    pub fn token(mut self, token: SnapshotToken) -> Self {
        self.ticket = self.ticket.token(token);
        self
    }

    /// What another process can take the wait up with, by [`SnapshotClient::resume_wait`]. [`Progress::uuid`] tells the uuid
    /// to add to it, once that is known.
    #[must_use]
    pub fn ticket(&self) -> SnapshotTicket {
        self.ticket.clone()
    }

    /// How long to wait at most, on the monotonic clock. Default 24 hours.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The way to the end: a [`WaitUpdate::Progress`] for every change, then [`WaitUpdate::Ended`].
    ///
    /// Asks for `_status` besides; where that is not allowed, the stream makes do without.
    ///
    /// ```no_run
    /// # use es_snapshot::{RepositoryName, SnapshotClient, SnapshotName, WaitUpdate};
    /// use futures_util::TryStreamExt as _;
    ///
    /// # async fn run(client: SnapshotClient, repository: RepositoryName, name: SnapshotName) -> Result<(), es_snapshot::Error> {
    /// let mut progress = client.wait_for_snapshot(&repository, &name).progress();
    /// while let Some(update) = progress.try_next().await? {
    ///     match update {
    ///         WaitUpdate::Progress(now) => println!("{} of {} shards", now.shards_done(), now.shards_total()),
    ///         WaitUpdate::Ended(snapshot) => println!("{}", snapshot.state()),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn progress(self) -> ProgressStream<Progress, SnapshotInfo> {
        let Self { client, ticket, limit } = self;
        progress(&client, limit, SnapshotWatch { ticket, missing: 0, status: true })
    }
}

impl IntoFuture for WaitForSnapshot {
    type Output = Result<SnapshotInfo, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { client, ticket, limit } = self;
        outcome(client, limit, SnapshotWatch { ticket, missing: 0, status: true })
    }
}

struct SnapshotWatch {
    ticket: SnapshotTicket,
    missing: u32,
    /// Whether `_status` may be asked for.
    status: bool,
}

impl Watched for SnapshotWatch {
    type Outcome = SnapshotInfo;

    fn what(&self) -> String {
        format!("snapshot {}:{}", self.ticket.repository(), self.ticket.snapshot())
    }

    fn uuid(&self) -> Option<&str> {
        self.ticket.get_uuid()
    }

    async fn look(&mut self, client: &SnapshotClient, details: bool) -> Result<Look<SnapshotInfo>, Error> {
        let snapshot = match client.get_snapshot(self.ticket.repository(), self.ticket.snapshot()).await {
            Ok(snapshot) => snapshot,
            // Right after create, or while a master is elected, it may be missing for a moment.
            Err(error) if error.kind() == ErrorKind::SnapshotMissing => {
                self.missing += 1;
                return if self.missing < PATIENCE { Ok(Look::Running(Counts::default())) } else { Err(error.lasting()) };
            }
            Err(error) => return Err(error),
        };
        self.missing = 0;
        if !self.ticket.means(&snapshot) {
            let text = format!("{} is gone, and another snapshot has taken its name", self.what());
            let error = Error::new(ErrorKind::SnapshotMissing, Outcome::Rejected, text);
            return Err(error.during(Operation::GetSnapshot, 1).lasting());
        }
        if let Some(uuid) = snapshot.uuid() {
            self.ticket = self.ticket.clone().uuid(uuid);
        }
        if *snapshot.state() != SnapshotState::InProgress {
            tracing::info!(
                repository = %self.ticket.repository(),
                snapshot = %self.ticket.snapshot(),
                state = snapshot.state().as_str(),
                ended_ms = snapshot.end_time().and_then(epoch_millis),
                "snapshot ended"
            );
            return Ok(Look::Ended(snapshot));
        }
        let shards = snapshot.shards();
        let mut counts = Counts {
            shards_total: shards.map_or(0, ShardCounts::total),
            shards_done: shards.map_or(0, ShardCounts::successful),
            shards_failed: shards.map_or(0, ShardCounts::failed),
            ..Counts::default()
        };
        if details && self.status {
            match client.snapshot_status(self.ticket.repository(), self.ticket.snapshot()).await {
                Ok(status) => counts = status_counts(&status),
                Err(error) if matches!(error.kind(), ErrorKind::NotAllowed | ErrorKind::AccessDenied) => self.status = false,
                // The state is known; the figures can wait for the next poll.
                Err(error) => tracing::debug!(kind = ?error.kind(), "no status"),
            }
        }
        Ok(Look::Running(counts))
    }
}

fn epoch_millis(time: SystemTime) -> Option<u64> {
    u64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis()).ok()
}

fn status_counts(status: &SnapshotStatus) -> Counts {
    let (shards, files) = (status.shards(), status.stats());
    // Until a shard has begun, its files are not counted.
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

/// The wait until a snapshot is gone; made by [`SnapshotClient::wait_for_deletion`].
///
/// For a deletion whose end could not be awaited: a gateway gives up after a minute, and deleting may take hours. It asks
/// for nothing to be deleted. The snapshot is gone when the domain says so, or when the name belongs to another uuid.
///
/// Polls, limits and errors are those of [`WaitForSnapshot`]; a missing repository is an error, not a deletion.
///
/// # Cancel safety
///
/// Dropping the wait stops watching. The deletion goes on.
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until it is awaited"]
pub struct WaitForDeletion {
    client: SnapshotClient,
    repository: RepositoryName,
    name: SnapshotName,
    limit: Duration,
}

impl WaitForDeletion {
    pub(crate) fn new(client: SnapshotClient, repository: RepositoryName, name: SnapshotName) -> Self {
        Self { client, repository, name, limit: DEADLINE }
    }

    /// How long to wait at most, on the monotonic clock. Default 24 hours.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

impl IntoFuture for WaitForDeletion {
    type Output = Result<(), Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { client, repository, name, limit } = self;
        outcome(client, limit, DeletionWatch { repository, name, uuid: None })
    }
}

struct DeletionWatch {
    repository: RepositoryName,
    name: SnapshotName,
    uuid: Option<String>,
}

impl Watched for DeletionWatch {
    type Outcome = ();

    fn what(&self) -> String {
        format!("deletion of snapshot {}:{}", self.repository, self.name)
    }

    async fn look(&mut self, client: &SnapshotClient, _details: bool) -> Result<Look<()>, Error> {
        match client.get_snapshot(&self.repository, &self.name).await {
            Ok(snapshot) => {
                let uuid = snapshot.uuid().map(str::to_owned);
                let replaced = self.uuid.is_some() && self.uuid != uuid;
                self.uuid = uuid;
                Ok(if replaced { Look::Ended(()) } else { Look::Running(Counts::default()) })
            }
            Err(error) if error.kind() == ErrorKind::SnapshotMissing => Ok(Look::Ended(())),
            Err(error) => Err(error),
        }
    }
}

/// The wait for the end of a restore; made by [`SnapshotClient::wait_for_restore`].
///
/// Await it for a [`RestoreReport`], which names every shard that was not restored;
/// [`RestoreReport::into_complete`] makes those an error. [`progress`](Self::progress) tells the way there.
///
/// A restore is judged by shards. The indices are those of which a shard names this snapshot as its source (in
/// `_cat/shards` while it is not started, in `_recovery` then), and those given by [`indices`](Self::indices). Each primary
/// of theirs has to be started and restored from this snapshot; one that has moved to another node since shows a peer
/// recovery, and then counts by its state. Replicas are not waited for.
///
/// Polls and limits are those of [`WaitForSnapshot`], with two requests a poll. Where `_cat/shards` is not allowed,
/// `_recovery` alone has to do, and shards that no node has begun are then not seen.
///
/// # Errors
///
/// As [`WaitForSnapshot`]; [`ErrorKind::IndexMissing`] if five polls found no shard that is restored from this snapshot.
///
/// # Cancel safety
///
/// Dropping the wait stops watching. The restore goes on.
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until it is awaited"]
pub struct WaitForRestore {
    client: SnapshotClient,
    repository: RepositoryName,
    name: SnapshotName,
    indices: Vec<IndexName>,
    limit: Duration,
}

impl WaitForRestore {
    pub(crate) fn new(client: SnapshotClient, repository: RepositoryName, name: SnapshotName) -> Self {
        Self { client, repository, name, indices: Vec::new(), limit: DEADLINE }
    }

    /// How long to wait at most, on the monotonic clock. Default 24 hours.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Indices that have to be there in the end, by the names they are restored under; one that never appears is then told.
    pub fn indices(mut self, indices: impl IntoIterator<Item = IndexName>) -> Self {
        self.indices.extend(indices);
        self
    }

    /// The way to the end: a [`WaitUpdate::Progress`] for every change, then [`WaitUpdate::Ended`].
    pub fn progress(self) -> ProgressStream<Progress, RestoreReport> {
        let (client, limit, watch) = self.watch();
        progress(&client, limit, watch)
    }

    fn watch(self) -> (SnapshotClient, Duration, RestoreWatch) {
        let expected = self.indices.iter().map(|index| index.as_str().to_owned()).collect();
        let Self { client, repository, name, limit, .. } = self;
        (client, limit, RestoreWatch { repository, name, indices: expected, unstable: 0, cat: true })
    }
}

impl IntoFuture for WaitForRestore {
    type Output = Result<RestoreReport, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let (client, limit, watch) = self.watch();
        outcome(client, limit, watch)
    }
}

/// How a restore ended, shard by shard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a restore that has ended need not be complete"]
pub struct RestoreReport {
    indices: Vec<String>,
    shards_total: u64,
    unrestored: Vec<UnrestoredShard>,
}

impl RestoreReport {
    /// The indices that were restored, by the names they have now.
    #[must_use]
    pub fn indices(&self) -> &[String] {
        &self.indices
    }

    /// The primaries that were expected.
    #[must_use]
    pub fn shards_total(&self) -> u64 {
        self.shards_total
    }

    /// The primaries that are not there or do not come from the snapshot.
    #[must_use]
    pub fn unrestored(&self) -> &[UnrestoredShard] {
        &self.unrestored
    }

    /// The report, if every shard was restored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Incomplete`], naming the shards.
    pub fn into_complete(self) -> Result<Self, Error> {
        if self.unrestored.is_empty() {
            return Ok(self);
        }
        let first: Vec<String> = self.unrestored.iter().take(3).map(ToString::to_string).collect();
        let text = format!("{} of {} shards were not restored: {}", self.unrestored.len(), self.shards_total, first.join("; "));
        Err(Error::new(ErrorKind::Incomplete, Outcome::Rejected, text).during(Operation::RestoreSnapshot, 1))
    }
}

/// A primary that a restore did not bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnrestoredShard {
    index: String,
    shard: Option<u32>,
    reason: String,
}

impl UnrestoredShard {
    /// The index.
    #[must_use]
    pub fn index(&self) -> &str {
        &self.index
    }

    /// The shard's number; `None` if the whole index is missing.
    #[must_use]
    pub fn shard(&self) -> Option<u32> {
        self.shard
    }

    /// Why, in the server's words where it gave any.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for UnrestoredShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shard {
            Some(shard) => write!(f, "[{}][{shard}] {}", self.index, self.reason),
            None => write!(f, "[{}] {}", self.index, self.reason),
        }
    }
}

struct RestoreWatch {
    repository: RepositoryName,
    name: SnapshotName,
    /// All that were ever seen to come from the snapshot, and those that the caller named.
    indices: BTreeSet<String>,
    /// Polls in a row that saw nothing, or nothing but failed shards: the server tries a failed shard again.
    unstable: u32,
    /// Whether `_cat/shards` may be asked for.
    cat: bool,
}

impl Watched for RestoreWatch {
    type Outcome = RestoreReport;

    fn what(&self) -> String {
        format!("restore of {}:{}", self.repository, self.name)
    }

    async fn look(&mut self, client: &SnapshotClient, _details: bool) -> Result<Look<RestoreReport>, Error> {
        let rows = if self.cat {
            match client.call::<Vec<ShardRow>>(&request::shards()).await {
                Ok(rows) => Some(rows),
                Err(error) if matches!(error.kind(), ErrorKind::NotAllowed | ErrorKind::AccessDenied) => {
                    self.cat = false;
                    None
                }
                Err(error) => return Err(error),
            }
        } else {
            None
        };
        let recoveries = client.recovery(&[]).await?;
        self.indices.extend(restored_indices(rows.as_deref().unwrap_or_default(), &recoveries, &self.repository, &self.name));
        let view = view(&self.indices, rows.as_deref(), &recoveries, &self.repository, &self.name);
        if !view.pending.is_empty() {
            self.unstable = 0;
            return Ok(Look::Running(view.counts));
        }
        if !view.unrestored.is_empty() || view.counts.shards_total == 0 {
            self.unstable += 1;
            if self.unstable < PATIENCE {
                return Ok(Look::Running(view.counts));
            }
        }
        if view.counts.shards_total == 0 && self.indices.is_empty() {
            let text = format!("no shard is being restored from {}:{}", self.repository, self.name);
            let error = Error::new(ErrorKind::IndexMissing, Outcome::Rejected, text);
            return Err(error.during(Operation::Recovery, 1).lasting());
        }
        Ok(Look::Ended(RestoreReport {
            indices: self.indices.iter().cloned().collect(),
            shards_total: view.counts.shards_total,
            unrestored: view.unrestored,
        }))
    }
}

/// The indices of which a shard names this snapshot as its source.
pub(crate) fn restored_indices(
    rows: &[ShardRow],
    recoveries: &[ShardRecovery],
    repository: &RepositoryName,
    name: &SnapshotName,
) -> BTreeSet<String> {
    let waiting = format!("restore_source[{repository}/{name}]");
    let failed = format!("failed to restore snapshot [{name}/");
    let by_row = rows
        .iter()
        .filter(|row| row.prirep == "p")
        .filter(|row| row.unassigned_details.as_ref().is_some_and(|details| *details == waiting || details.contains(&failed)))
        .map(|row| row.index.clone());
    let by_recovery = recoveries.iter().filter(|shard| comes_from(shard, repository, name)).map(|shard| shard.index().to_owned());
    by_row.chain(by_recovery).collect()
}

fn comes_from(shard: &ShardRecovery, repository: &RepositoryName, name: &SnapshotName) -> bool {
    *shard.kind() == RecoveryType::Snapshot
        && shard.source_repository() == Some(repository.as_str())
        && shard.source_snapshot() == Some(name.as_str())
}

#[derive(Debug, Default, PartialEq)]
struct View {
    counts: Counts,
    pending: Vec<(String, u32)>,
    unrestored: Vec<UnrestoredShard>,
}

/// Judges every expected primary by its row and its recovery.
fn view(
    indices: &BTreeSet<String>,
    rows: Option<&[ShardRow]>,
    recoveries: &[ShardRecovery],
    repository: &RepositoryName,
    name: &SnapshotName,
) -> View {
    let recoveries: BTreeMap<(&str, u32), &ShardRecovery> = recoveries
        .iter()
        .filter(|shard| shard.primary() && indices.contains(shard.index()))
        .filter_map(|shard| Some(((shard.index(), shard.shard()?), shard)))
        .collect();
    let mut view = View::default();
    for shard in recoveries.values() {
        view.counts.bytes_total += shard.total_size().map_or(0, ByteSize::bytes);
        view.counts.bytes_done += shard.recovered_size().map_or(0, ByteSize::bytes);
        view.counts.files_total += shard.total_files().unwrap_or(0);
        view.counts.files_done += shard.recovered_files().unwrap_or(0);
    }
    // Without rows, what has a recovery is all there is to see.
    let primaries: BTreeMap<(&str, u32), Option<&ShardRow>> = match rows {
        Some(rows) => rows
            .iter()
            .filter(|row| row.prirep == "p" && indices.contains(&row.index))
            .filter_map(|row| Some(((row.index.as_str(), row.shard?), Some(row))))
            .collect(),
        None => recoveries.keys().map(|&key| (key, None)).collect(),
    };
    for (&(index, number), row) in &primaries {
        view.counts.shards_total += 1;
        match judge(*row, recoveries.get(&(index, number)).copied(), repository, name) {
            Judgement::Done => view.counts.shards_done += 1,
            Judgement::Pending => view.pending.push((index.to_owned(), number)),
            Judgement::Failed(reason) => {
                view.counts.shards_failed += 1;
                view.unrestored.push(UnrestoredShard { index: index.to_owned(), shard: Some(number), reason });
            }
        }
    }
    for index in indices.iter().filter(|index| !primaries.keys().any(|(known, _)| known == index)) {
        view.unrestored.push(UnrestoredShard {
            index: index.clone(),
            shard: None,
            reason: "the index does not exist".to_owned(),
        });
    }
    view
}

enum Judgement {
    Done,
    Pending,
    Failed(String),
}

fn judge(
    row: Option<&ShardRow>,
    recovery: Option<&ShardRecovery>,
    repository: &RepositoryName,
    name: &SnapshotName,
) -> Judgement {
    if let Some(row) = row.filter(|row| row.state == "UNASSIGNED") {
        return if row.unassigned_reason.as_deref() == Some("ALLOCATION_FAILED") {
            Judgement::Failed(row.unassigned_details.clone().unwrap_or_else(|| "failed".to_owned()))
        } else {
            Judgement::Pending
        };
    }
    let started = match row {
        Some(row) => matches!(row.state.as_str(), "STARTED" | "RELOCATING"),
        None => recovery.is_some_and(|shard| *shard.stage() == RecoveryStage::Done),
    };
    if !started {
        return Judgement::Pending;
    }
    match recovery {
        Some(shard) if comes_from(shard, repository, name) => Judgement::Done,
        // A partial snapshot's missing shards come back empty; another source means another restore or another index.
        Some(shard) if *shard.kind() == RecoveryType::EmptyStore => {
            Judgement::Failed("restored empty: it is not in the snapshot".to_owned())
        }
        Some(shard) if *shard.kind() == RecoveryType::Snapshot => Judgement::Failed("restored from another snapshot".to_owned()),
        // It has moved or its node was restarted since; being started is what counts then.
        _ => Judgement::Done,
    }
}
