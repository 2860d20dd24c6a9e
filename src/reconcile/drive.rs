//! Drives the [`Reconciler`](crate::reconcile::machine::Reconciler): creates, clones, restores and deletes that tell the truth after a lost answer.

use std::time::Duration;

use tracing::Instrument as _;

use crate::call::{Session, record_outcome};
use crate::error::{Error, ErrorKind, Operation, Outcome};
use crate::name::{RepositoryName, SnapshotName};
use crate::reconcile::evidence::Found;
use crate::reconcile::machine::{Reconciler, Sent, Sighting, Step, Verdict};
use crate::snapshot::SnapshotInfo;

/// How much time a call has at least to ask the domain in, and to send again, from when it first has to.
const LOOKING_TIME: Duration = Duration::from_secs(60);
/// How long the look after a send that ended at the deadline may take, and the least time that a repetition is given.
pub(crate) const LAST_LOOK: Duration = Duration::from_secs(5);

/// An operation that is never repeated blindly.
pub(crate) trait Reconciled: Sync {
    type Answer: Send;

    fn operation(&self) -> Operation;

    fn names(&self) -> (&RepositoryName, &SnapshotName);

    /// Sends the request once (and again only where it certainly was not carried out).
    fn send(&self, session: &Session) -> impl Future<Output = Result<Self::Answer, Error>> + Send;

    /// Whether the domain may be asked at all.
    fn can_look(&self) -> bool {
        true
    }

    /// Asks the domain what has come of it; the answer goes to the caller if it has happened.
    fn look(&self, session: &Session) -> impl Future<Output = Result<(Sighting, Option<Self::Answer>), Error>> + Send;

    /// Whether an earlier request of ours could be what made the domain refuse this one.
    fn is_echo(&self, kind: ErrorKind) -> bool;
}

/// Sends, looks and sends again as the machine says, until it comes to a verdict or the call's time is over.
pub(crate) async fn reconcile<R: Reconciled>(session: &Session, machine: Reconciler, subject: &R) -> Result<R::Answer, Error> {
    let (repository, snapshot) = subject.names();
    let span = tracing::info_span!(
        "es_snapshot.operation",
        operation = subject.operation().as_str(),
        %repository,
        %snapshot,
        sends = tracing::field::Empty,
        outcome = tracing::field::Empty,
    );
    let mut sends = 0;
    let result = drive(session, machine, subject, &mut sends).instrument(span.clone()).await;
    span.record("sends", sends);
    record_outcome(&span, &result);
    result
}

async fn drive<R: Reconciled>(
    session: &Session,
    mut machine: Reconciler,
    subject: &R,
    sends: &mut u32,
) -> Result<R::Answer, Error> {
    let clock = session.clock();
    let began = clock.monotonic();
    let looking = session.for_polling();
    let mut deadline = began.saturating_add(session.options.timeouts.call);
    let mut looking_time = Some(LOOKING_TIME);
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
                if machine.is_lost() {
                    tracing::info!(attempt = *sends, reason = "nothing came of it", wait_ms = 0, "repeating a request");
                }
                *sends += 1;
                looked = false;
                match subject.send(&session.with_limit(left)).await {
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
                if let Some(time) = looking_time.take() {
                    deadline = deadline.max(clock.monotonic().saturating_add(time));
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
        (Verdict::Foreign, _) => {
            let (repository, name) = subject.names();
            let text = format!("snapshot {repository}:{name} is not the one that this call was to make");
            let error = Error::new(ErrorKind::SnapshotNameTaken, Outcome::Rejected, text);
            match trouble {
                Some(trouble) => error.with_source(trouble),
                None => error,
            }
        }
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

pub(super) fn as_found(snapshot: &SnapshotInfo) -> Found<'_> {
    Found { uuid: snapshot.uuid(), token: snapshot.token() }
}

/// The snapshot of that name, if there is one. Without its repository nobody can tell: that is an error.
pub(super) async fn find(
    session: &Session,
    repository: &RepositoryName,
    name: &SnapshotName,
    brief: bool,
) -> Result<Option<SnapshotInfo>, Error> {
    match session.find_snapshot(repository, name, brief).await {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(error) if error.kind() == ErrorKind::SnapshotMissing => Ok(None),
        Err(error) => Err(error),
    }
}

/// The failure of a read that comes before a change: of the change nothing was sent.
pub(crate) fn unsent(error: Error) -> Error {
    if error.outcome() == Outcome::Unknown { error.with_outcome(Outcome::NotSent) } else { error }
}

/// The answer to a read that comes before a change; `None` if it may not be had.
pub(super) fn permitted<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::NotAllowed) => Ok(None),
        Err(error) => Err(unsent(error)),
    }
}
