//! Waiting for the end of a snapshot, and for a snapshot to be gone.

use std::future::IntoFuture;
use std::time::{Duration, SystemTime};

use crate::byte_size::ByteSize;
use crate::call::Session;
use crate::clock::BoxFuture;
use crate::error::{Error, ErrorKind, Operation, Outcome};
use crate::progress::{Counts, Progress};
use crate::snapshot::{FileStats, SnapshotStatus};
use crate::snapshot::{ShardCounts, SnapshotInfo, SnapshotState};
use crate::ticket::{SnapshotTicket, SnapshotToken};
use crate::wait::{ASIDE, DEADLINE, Look, Permission, ProgressStream, Watched, outcome, progress};

/// A wait for the end of a snapshot; returned by
/// [`SnapshotClient::wait_for_snapshot`](crate::SnapshotClient::wait_for_snapshot).
///
/// Await it for the [`SnapshotInfo`] with the final state, which may be `PARTIAL` or `FAILED`: look
/// at [`SnapshotInfo::state`] or use [`SnapshotInfo::into_complete`]. [`progress`](Self::progress)
/// shows how far it has come.
///
/// It polls at once, after 1 s and then less and less often, down to every 30 s. A wait of one hour
/// makes 128 requests (255 with `progress`), one after the other and so over one connection at a
/// time. It survives, for as long as they last, throttling, gateway errors, lost connections, and
/// credentials that have expired or cannot be had. It survives failures of the server's own (HTTP
/// 500, such as a repository that cannot be read) and responses that are not the API's (such as the
/// page of a login) for two minutes, and a 404 shortly after the snapshot was created. The state is that of `GET _snapshot/{repository}/{snapshot}`, never that
/// of `_status`, where many versions call a partial snapshot `SUCCESS`.
///
/// # Errors
///
/// * [`ErrorKind::Deadline`] if the snapshot is still running at the deadline. The last failed
///   poll, if any, is the source. The poll at the deadline may take 5 s more.
/// * [`ErrorKind::SnapshotMissing`] if it is gone, or another snapshot has taken its name.
/// * [`ErrorKind::Connect`] at once if TLS cannot work until a setting changes, such as a
///   certificate that does not verify.
/// * Another kind if five polls in a row are refused for a reason that does not pass.
///
/// # Cancel safety
///
/// Dropping the wait stops watching. The snapshot goes on.
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until it is awaited"]
pub struct WaitForSnapshot {
    session: Session,
    ticket: SnapshotTicket,
    limit: Duration,
}

impl WaitForSnapshot {
    pub(crate) fn resume(session: Session, ticket: SnapshotTicket) -> Self {
        Self { session, ticket, limit: DEADLINE }
    }

    /// Waits only for the snapshot that was created with this token.
    pub fn token(mut self, token: SnapshotToken) -> Self {
        self.ticket = self.ticket.with_token(token);
        self
    }

    /// Returns the ticket with which another process can resume the wait, by
    /// [`SnapshotClient::resume_wait`](crate::SnapshotClient::resume_wait). [`Progress::uuid`]
    /// returns the uuid to add to it, once that is known.
    #[must_use]
    pub fn ticket(&self) -> SnapshotTicket {
        self.ticket.clone()
    }

    /// Sets how long to wait at most, on the monotonic clock. Default: 24 hours.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Returns a stream with a [`WaitUpdate::Progress`](crate::WaitUpdate::Progress) for every
    /// change, then [`WaitUpdate::Ended`](crate::WaitUpdate::Ended).
    ///
    /// It also requests `_status`. Where that is refused, the stream does without.
    ///
    /// ```no_run
    /// # use es_snapshot::{RepositoryName, SnapshotClient, SnapshotName, WaitUpdate};
    /// use futures_util::TryStreamExt as _;
    ///
    /// # type Result<T> = std::result::Result<T, es_snapshot::Error>;
    /// # async fn run(client: SnapshotClient, repository: RepositoryName, name: SnapshotName)
    /// # -> Result<()> {
    /// let mut progress = client.wait_for_snapshot(&repository, &name).progress();
    /// while let Some(update) = progress.try_next().await? {
    ///     match update {
    ///         WaitUpdate::Progress(now) => {
    ///             println!("{} of {} shards", now.shards_done(), now.shards_total());
    ///         }
    ///         WaitUpdate::Ended(snapshot) => println!("{}", snapshot.state()),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn progress(self) -> ProgressStream<Progress, SnapshotInfo> {
        let Self { session, ticket, limit } = self;
        progress(&session, limit, SnapshotWatch::new(ticket))
    }
}

impl IntoFuture for WaitForSnapshot {
    type Output = Result<SnapshotInfo, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { session, ticket, limit } = self;
        outcome(session, limit, SnapshotWatch::new(ticket))
    }
}

struct SnapshotWatch {
    ticket: SnapshotTicket,
    /// Whether `_status` may be asked for, and what it told last.
    status: Permission,
    figures: Option<Counts>,
}

impl SnapshotWatch {
    fn new(ticket: SnapshotTicket) -> Self {
        Self { ticket, status: Permission::default(), figures: None }
    }
}

impl Watched for SnapshotWatch {
    type Outcome = SnapshotInfo;

    fn what(&self) -> String {
        format!("snapshot {}:{}", self.ticket.repository(), self.ticket.snapshot())
    }

    fn uuid(&self) -> Option<&str> {
        self.ticket.uuid()
    }

    async fn look(&mut self, session: &Session, details: bool) -> Result<Look<SnapshotInfo>, Error> {
        // Right after create it may be missing for a moment, as any refusal may pass.
        let snapshot = session.find_snapshot(self.ticket.repository(), self.ticket.snapshot(), false).await?;
        if !self.ticket.matches(snapshot.uuid(), snapshot.token()) {
            let text = format!("{} is gone, and another snapshot has taken its name", self.what());
            let error = Error::new(ErrorKind::SnapshotMissing, Outcome::Rejected, text);
            return Err(error.during(Operation::GetSnapshot, 1).lasting());
        }
        if let Some(uuid) = snapshot.uuid() {
            self.ticket = self.ticket.clone().with_uuid(uuid);
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
        if details && !self.status.is_denied() {
            let status = session.with_limit(ASIDE).snapshot_status(self.ticket.repository(), self.ticket.snapshot()).await;
            match self.status.judge(status) {
                Ok(Some(status)) => self.figures = Some(status_counts(&status)),
                Ok(None) => {}
                // The state is known; the figures can wait for the next poll.
                Err(error) => tracing::debug!(kind = ?error.kind(), "no status"),
            }
        }
        let counts = self.figures.unwrap_or_else(|| shard_counts(&snapshot));
        Ok(Look::Running(counts))
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

/// A wait until a snapshot is gone; returned by
/// [`SnapshotClient::wait_for_deletion`](crate::SnapshotClient::wait_for_deletion).
///
/// For a deletion whose end could not be awaited: a gateway gives up after a minute, and a deletion
/// may take hours. It deletes nothing itself. The snapshot is gone when the domain says so, or when
/// its name belongs to another uuid.
///
/// Polls, limits and errors are those of [`WaitForSnapshot`]. A missing repository is an error, not
/// a deletion. [`ticket`](Self::ticket) and
/// [`SnapshotClient::resume_wait_for_deletion`](crate::SnapshotClient::resume_wait_for_deletion)
/// resume the wait in another process.
///
/// # Cancel safety
///
/// Dropping the wait stops watching. The deletion goes on.
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until it is awaited"]
pub struct WaitForDeletion {
    session: Session,
    ticket: SnapshotTicket,
    limit: Duration,
}

impl WaitForDeletion {
    pub(crate) fn resume(session: Session, ticket: SnapshotTicket) -> Self {
        Self { session, ticket, limit: DEADLINE }
    }

    /// Waits for the end of the snapshot of this uuid. Another one that has its name means that it
    /// is gone. Default: the first one that is found.
    pub fn uuid(mut self, uuid: impl Into<String>) -> Self {
        self.ticket = self.ticket.with_uuid(uuid);
        self
    }

    /// Returns the ticket with which another process can resume the wait. [`Progress::uuid`]
    /// returns the uuid to add to it, once that is known.
    #[must_use]
    pub fn ticket(&self) -> SnapshotTicket {
        self.ticket.clone()
    }

    /// Sets how long to wait at most, on the monotonic clock. Default: 24 hours.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Returns a stream with a [`WaitUpdate::Progress`](crate::WaitUpdate::Progress) for every
    /// change, then [`WaitUpdate::Ended`](crate::WaitUpdate::Ended). The only figures are the uuid
    /// and the time.
    pub fn progress(self) -> ProgressStream<Progress, ()> {
        let Self { session, ticket, limit } = self;
        progress(&session, limit, DeletionWatch { ticket })
    }
}

impl IntoFuture for WaitForDeletion {
    type Output = Result<(), Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { session, ticket, limit } = self;
        outcome(session, limit, DeletionWatch { ticket })
    }
}

struct DeletionWatch {
    ticket: SnapshotTicket,
}

impl Watched for DeletionWatch {
    type Outcome = ();

    fn what(&self) -> String {
        format!("deletion of snapshot {}:{}", self.ticket.repository(), self.ticket.snapshot())
    }

    fn uuid(&self) -> Option<&str> {
        self.ticket.uuid()
    }

    async fn look(&mut self, session: &Session, _details: bool) -> Result<Look<()>, Error> {
        let (repository, name) = (self.ticket.repository(), self.ticket.snapshot());
        let missing = |error: &Error| error.kind() == ErrorKind::SnapshotMissing;
        // In brief: its own file may be the first of it that is gone.
        let mut found = match session.find_snapshot(repository, name, true).await {
            Err(error) if missing(&error) => return Ok(Look::Ended(())),
            found => found?,
        };
        if self.ticket.goes_by_token() {
            // That, only its file tells.
            found = match session.find_snapshot(repository, name, false).await {
                Err(error) if missing(&error) => return Ok(Look::Running(Counts::default())),
                found => found?,
            };
        }
        if !self.ticket.matches(found.uuid(), found.token()) {
            return Ok(Look::Ended(()));
        }
        if let Some(uuid) = found.uuid() {
            self.ticket = self.ticket.clone().with_uuid(uuid);
        }
        Ok(Look::Running(Counts::default()))
    }
}
