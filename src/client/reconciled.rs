//! Drives the [`Reconciler`](crate::reconcile::Reconciler): creates, clones, restores and deletes that tell the truth after a lost answer.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::Instrument as _;

use crate::client::SnapshotClient;
use crate::client::wait::restore::{comes_from, waiting_rows};
use crate::error::{Error, ErrorKind, Operation, Outcome};
use crate::name::{RepositoryName, SnapshotName};
use crate::reconcile::{Evidence, Found, Reconciler, Sent, Sighting, Step, Verdict};
use crate::repository::Acknowledged;
use crate::request::{self, Request};
use crate::restore::{RestoreSnapshot, ShardRecovery, ShardRow, StartedRestore};
use crate::retry::RetryPolicy;
use crate::snapshot::{CreatedSnapshot, SnapshotInfo};

/// How much time a call has at least to ask the domain in, and to send again, from when it first has to.
const RECOVERY: Duration = Duration::from_secs(60);
/// How long the look after a send that ended at the deadline may take, and the least time that a repetition is given.
const LAST_LOOK: Duration = Duration::from_secs(5);
/// The first pause before a request that met another operation in its way is sent again, and the longest.
const QUEUE_FIRST: Duration = Duration::from_secs(1);
const QUEUE_LONGEST: Duration = Duration::from_secs(30);

/// An operation that is never repeated blindly.
pub(crate) trait Reconciled: Sync {
    type Answer: Send;

    fn operation(&self) -> Operation;

    fn names(&self) -> (&RepositoryName, &SnapshotName);

    /// Sends the request once (and again only where it certainly was not carried out).
    fn send(&self, client: &SnapshotClient) -> impl Future<Output = Result<Self::Answer, Error>> + Send;

    /// Whether the domain may be asked at all.
    fn can_look(&self) -> bool {
        true
    }

    /// Asks the domain what has come of it; the answer goes to the caller if it has happened.
    fn look(&self, client: &SnapshotClient) -> impl Future<Output = Result<(Sighting, Option<Self::Answer>), Error>> + Send;

    /// Whether an earlier request of ours could be what made the domain refuse this one.
    fn is_echo(&self, kind: ErrorKind) -> bool;

    /// The error for the case that somebody else's doing stands in the place of this.
    fn foreign(&self) -> Error;
}

/// Sends, looks and sends again as the machine says, until it comes to a verdict or the call's time is over.
pub(crate) async fn reconcile<R: Reconciled>(
    client: &SnapshotClient,
    machine: Reconciler,
    subject: &R,
) -> Result<R::Answer, Error> {
    let (repository, snapshot) = subject.names();
    let span = tracing::info_span!(
        "es_snapshot.operation",
        operation = subject.operation().as_str(),
        %repository,
        %snapshot,
        outcome = tracing::field::Empty,
    );
    async {
        let result = drive(client, machine, subject).await;
        match &result {
            Ok(_) => tracing::Span::current().record("outcome", "done"),
            Err(error) => tracing::Span::current().record("outcome", tracing::field::debug(error.kind())),
        };
        result
    }
    .instrument(span)
    .await
}

async fn drive<R: Reconciled>(client: &SnapshotClient, mut machine: Reconciler, subject: &R) -> Result<R::Answer, Error> {
    let clock = &client.core.clock;
    let began = clock.monotonic();
    let looking = client.with_retry(RetryPolicy::new().attempts(3));
    let mut deadline = began.saturating_add(client.options.timeouts.whole());
    let mut recovery = Some(RECOVERY);
    let mut looked = true;
    let mut attempts = 0;
    let mut trouble: Option<Error> = None;
    let mut answer: Option<R::Answer> = None;
    let mut step = Step::Send;
    let verdict = loop {
        step = match step {
            Step::Send => {
                let left = deadline.saturating_sub(clock.monotonic());
                // Without time for its answer it would be one more request of which nobody knows.
                if machine.is_lost() && left < LAST_LOOK {
                    break Verdict::Unknown;
                }
                looked = false;
                match subject.send(&client.with_limit(left)).await {
                    Ok(done) => {
                        answer = Some(done);
                        machine.sent(Sent::Done)
                    }
                    Err(error) => {
                        attempts += error.attempts();
                        let sent = classify(&error, subject, machine.is_lost());
                        trouble = Some(error);
                        machine.sent(sent)
                    }
                }
            }
            Step::Look { .. } if !subject.can_look() => break Verdict::Unknown,
            Step::Look { after } => {
                if let Some(recovery) = recovery.take() {
                    deadline = deadline.max(clock.monotonic().saturating_add(recovery));
                }
                let left = deadline.saturating_sub(clock.monotonic());
                if left.is_zero() && looked {
                    break Verdict::Unknown;
                }
                looked = true;
                clock.sleep(after.min(left)).await;
                // One that hangs leaves time for another.
                let looking = looking.with_limit((left.saturating_sub(after) / 2).max(LAST_LOOK));
                let sighting = match subject.look(&looking).await {
                    Ok((sighting, found)) => {
                        answer = found;
                        sighting
                    }
                    Err(error) => {
                        tracing::debug!(kind = ?error.kind(), "the domain could not be asked");
                        Sighting::Blind
                    }
                };
                tracing::info!(?sighting, "asked the domain after a lost answer");
                machine.saw(sighting, clock.monotonic().saturating_sub(began))
            }
            Step::End(verdict) => break verdict,
        };
    };
    let last = || Error::new(ErrorKind::Interrupted, Outcome::Unknown, "");
    let error = match (verdict, answer) {
        (Verdict::Adopted | Verdict::Done, Some(answer)) => return Ok(answer),
        (Verdict::Foreign, _) => match trouble {
            Some(trouble) => subject.foreign().with_source(trouble),
            None => subject.foreign(),
        },
        (Verdict::Refused | Verdict::NotSent, _) => trouble.unwrap_or_else(last),
        _ => trouble.unwrap_or_else(last).with_outcome(Outcome::Unknown),
    };
    Err(error.during(subject.operation(), attempts.max(1)))
}

fn classify(error: &Error, subject: &impl Reconciled, lost: bool) -> Sent {
    // What is in the way of a repetition may be the lost request; and what keeps it off for now says nothing of another.
    let for_now = lost && error.outcome() == Outcome::Rejected && error.passes();
    if subject.is_echo(error.kind()) || for_now {
        return Sent::Echo;
    }
    match error.outcome() {
        Outcome::NotSent => Sent::Unsent,
        Outcome::Rejected => Sent::Refused,
        Outcome::Unknown => Sent::Lost,
    }
}

/// A snapshot being created, or cloned from another.
pub(crate) struct Creation<'a> {
    pub(crate) repository: &'a RepositoryName,
    pub(crate) name: &'a SnapshotName,
    pub(crate) request: &'a Request,
    pub(crate) evidence: Evidence,
}

impl Reconciled for Creation<'_> {
    type Answer = CreatedSnapshot;

    fn operation(&self) -> Operation {
        self.request.operation
    }

    fn names(&self) -> (&RepositoryName, &SnapshotName) {
        (self.repository, self.name)
    }

    async fn send(&self, client: &SnapshotClient) -> Result<CreatedSnapshot, Error> {
        if self.request.operation == Operation::CloneSnapshot {
            return client.call::<Acknowledged>(self.request).await.map(|_| CreatedSnapshot::Accepted);
        }
        client.call(self.request).await
    }

    async fn look(&self, client: &SnapshotClient) -> Result<(Sighting, Option<CreatedSnapshot>), Error> {
        let found = find(client, self.repository, self.name).await?;
        let sighting = self.evidence.judge(found.as_ref().map(as_found));
        Ok((sighting, found.map(|found| CreatedSnapshot::Adopted(Box::new(found)))))
    }

    fn is_echo(&self, kind: ErrorKind) -> bool {
        kind == ErrorKind::SnapshotNameTaken
    }

    fn foreign(&self) -> Error {
        let text = format!("snapshot {}:{} is not the one that this call was to make", self.repository, self.name);
        Error::new(ErrorKind::SnapshotNameTaken, Outcome::Rejected, text)
    }
}

fn as_found(snapshot: &SnapshotInfo) -> Found<'_> {
    Found { uuid: snapshot.uuid(), token: snapshot.token() }
}

/// The snapshot of that name, if there is one. Without its repository nobody can tell: that is an error.
async fn find(client: &SnapshotClient, repository: &RepositoryName, name: &SnapshotName) -> Result<Option<SnapshotInfo>, Error> {
    match client.get_snapshot(repository, name).await {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(error) if error.kind() == ErrorKind::SnapshotMissing => Ok(None),
        Err(error) => Err(error),
    }
}

/// A snapshot being deleted.
pub(crate) struct Deletion<'a> {
    pub(crate) repository: &'a RepositoryName,
    pub(crate) name: &'a SnapshotName,
    pub(crate) evidence: Evidence,
}

impl Reconciled for Deletion<'_> {
    type Answer = ();

    fn operation(&self) -> Operation {
        Operation::DeleteSnapshot
    }

    fn names(&self) -> (&RepositoryName, &SnapshotName) {
        (self.repository, self.name)
    }

    async fn send(&self, client: &SnapshotClient) -> Result<(), Error> {
        client.call::<Acknowledged>(&request::delete_snapshot(self.repository, self.name)).await.map(|_| ())
    }

    async fn look(&self, client: &SnapshotClient) -> Result<(Sighting, Option<()>), Error> {
        let found = find(client, self.repository, self.name).await?;
        Ok((self.evidence.judge(found.as_ref().map(as_found)), Some(())))
    }

    fn is_echo(&self, kind: ErrorKind) -> bool {
        kind == ErrorKind::SnapshotMissing
    }

    fn foreign(&self) -> Error {
        Error::new(ErrorKind::SnapshotMissing, Outcome::Rejected, "")
    }
}

/// A snapshot being restored.
pub(crate) struct Restoration<'a> {
    pub(crate) repository: &'a RepositoryName,
    pub(crate) name: &'a SnapshotName,
    pub(crate) request: &'a Request,
    pub(crate) options: &'a RestoreSnapshot,
    /// `None` if it may not be asked for.
    pub(crate) earlier: Option<EarlierRestores>,
}

/// The restores from a snapshot that there were before, to tell a new one from them.
pub(crate) struct EarlierRestores {
    marks: BTreeSet<Mark>,
    /// Whether `_cat/shards` may be asked for.
    rows: bool,
}

/// What is the same for all signs of a restore, as far as they tell.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    /// The restore's id.
    Restore(String),
    /// The index, of which a shard waits: it has no id yet.
    Waiting(String),
    /// The index, of which a shard has failed: it has no id any more.
    Failed(String),
}

/// One sign of a restore from a snapshot: the index, and its name in the snapshot where that is told.
struct Sign<'a> {
    index: &'a str,
    source: Option<&'a str>,
    mark: Mark,
}

impl<'a> Sign<'a> {
    /// All signs of restores from this snapshot: rows of shards that wait or have failed, and recoveries.
    fn all(
        rows: &'a [ShardRow],
        recoveries: &'a [ShardRecovery],
        repository: &RepositoryName,
        name: &SnapshotName,
    ) -> impl Iterator<Item = Self> {
        let rows = waiting_rows(rows, repository, name).map(|row| {
            let mark = if row.has_failed() { Mark::Failed } else { Mark::Waiting };
            Self { index: &row.index, source: None, mark: mark(row.index.clone()) }
        });
        let recoveries = recoveries.iter().filter(|shard| comes_from(shard, repository, name)).map(|shard| Self {
            index: shard.index(),
            source: shard.source_index(),
            mark: match shard.restore_uuid() {
                Some(id) => Mark::Restore(id.to_owned()),
                None => Mark::Waiting(shard.index().to_owned()),
            },
        });
        rows.chain(recoveries)
    }

    /// Whether it is of a restore that was not there before. One whose shards waited then has its id by now, or has failed.
    fn is_new(&self, earlier: &EarlierRestores) -> bool {
        !earlier.marks.contains(&self.mark) && !earlier.marks.contains(&Mark::Waiting(self.index.to_owned()))
    }
}

impl Reconciled for Restoration<'_> {
    type Answer = StartedRestore;

    fn operation(&self) -> Operation {
        Operation::RestoreSnapshot
    }

    fn names(&self) -> (&RepositoryName, &SnapshotName) {
        (self.repository, self.name)
    }

    async fn send(&self, client: &SnapshotClient) -> Result<StartedRestore, Error> {
        client.call(self.request).await
    }

    fn can_look(&self) -> bool {
        self.earlier.is_some()
    }

    async fn look(&self, client: &SnapshotClient) -> Result<(Sighting, Option<StartedRestore>), Error> {
        let Some(earlier) = &self.earlier else { return Ok((Sighting::Blind, None)) };
        let rows: Vec<ShardRow> = if earlier.rows { client.call(&request::shards(&[])).await? } else { Vec::new() };
        let recoveries = client.recovery(&[]).await?;
        let happened = Sign::all(&rows, &recoveries, self.repository, self.name)
            .any(|sign| sign.is_new(earlier) && self.options.can_restore(sign.source, sign.index));
        Ok(if happened { (Sighting::Happened, Some(StartedRestore::Adopted)) } else { (Sighting::Nothing, None) })
    }

    fn is_echo(&self, kind: ErrorKind) -> bool {
        kind == ErrorKind::Restore
    }

    fn foreign(&self) -> Error {
        Error::new(ErrorKind::Restore, Outcome::Rejected, "")
    }
}

/// Whether a request that met another operation in its way may be begun anew: not with one of its own unaccounted for, as
/// that could do it twice, unless doing it twice does no harm.
fn may_begin_anew(error: &Error) -> bool {
    let harmless = matches!(error.operation(), Some(Operation::RegisterRepository | Operation::CleanUpRepository));
    harmless || error.outcome() != Outcome::Unknown
}

/// The failure of a read that comes before a change: of the change nothing was sent.
pub(crate) fn unsent(error: Error) -> Error {
    if error.outcome() == Outcome::Unknown { error.with_outcome(Outcome::NotSent) } else { error }
}

/// The answer to a read that comes before a change; `None` if it may not be had.
fn permitted<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::NotAllowed) => Ok(None),
        Err(error) => Err(unsent(error)),
    }
}

impl SnapshotClient {
    /// All restores from a snapshot, to tell a new one from them; `None` if recoveries may not be asked for, without which
    /// those that have begun look new.
    pub(crate) async fn earlier_restores(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
    ) -> Result<Option<EarlierRestores>, Error> {
        // In this order one that begins meanwhile is seen by its rows.
        let Some(recoveries) = permitted(self.recovery(&[]).await)? else { return Ok(None) };
        let rows: Option<Vec<ShardRow>> = permitted(self.call(&request::shards(&[])).await)?;
        let signs = Sign::all(rows.as_deref().unwrap_or_default(), &recoveries, repository, name);
        Ok(Some(EarlierRestores { marks: signs.map(|sign| sign.mark).collect(), rows: rows.is_some() }))
    }

    /// The snapshots that run, in words; nothing if that cannot be asked.
    async fn running_now(&self) -> String {
        let asking = self.with_retry(RetryPolicy::never()).with_limit(LAST_LOOK);
        let running = asking.running_snapshots(None).await.unwrap_or_default();
        let names: Vec<String> =
            running.iter().map(|one| format!("{}:{}", one.repository().unwrap_or_default(), one.name())).collect();
        if names.is_empty() { String::new() } else { format!("running: {}", names.join(", ")) }
    }

    /// Does something, and again while another operation is in the way, for as long as the client queues. What tells an own
    /// doing from another's has to be gathered each time: much may happen in the queue.
    pub(crate) async fn queued<T, F: Future<Output = Result<T, Error>> + Send>(
        &self,
        mut act: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let clock = &self.core.clock;
        let deadline = clock.monotonic().saturating_add(self.options.queue);
        let mut pause = QUEUE_FIRST;
        let mut lost = false;
        loop {
            // What refuses a later try says nothing of an earlier one that lost its answer, but for a verification.
            let result = act().await.map_err(|error| match error.kind() {
                ErrorKind::RepositoryVerification => error,
                _ if lost => error.with_outcome(Outcome::Unknown),
                _ => error,
            });
            match result {
                Err(error) if error.kind() == ErrorKind::Busy && may_begin_anew(&error) => {
                    let left = deadline.saturating_sub(clock.monotonic());
                    if left.is_zero() {
                        let running = self.running_now().await;
                        return Err(if running.is_empty() { error } else { error.with_message(running) });
                    }
                    lost |= error.outcome() == Outcome::Unknown;
                    tracing::info!(wait_ms = u64::try_from(pause.as_millis()).ok(), "another operation is in the way");
                    clock.sleep(pause.min(left)).await;
                    pause = (pause * 2).min(QUEUE_LONGEST);
                }
                result => return result,
            }
        }
    }
}
