//! Runs an operation through the reconciler: sends and checks as the machine says.

use std::time::Duration;

use futures_util::future::{Either, select};
use tracing::Instrument as _;

use super::machine::{Loss, Reconciler, Sent, Sighting, Step, Verdict};
use crate::call::{Session, record_outcome};
use crate::error::{Error, ErrorKind, Failure, Operation, Outcome, ServerError};
use crate::name::{RepositoryName, SnapshotName};
use crate::ticket::Ticket;

/// How much time a call has at least to check the domain, and to send again, from when it first has
/// to.
const CHECKING_TIME: Duration = Duration::from_secs(60);
/// How long the check after a send that ended at the deadline may take, and the least time that a
/// repetition is given.
pub(super) const LAST_CHECK: Duration = Duration::from_secs(5);

/// An operation that is never repeated blindly.
pub(super) trait Reconciled: Send {
    type Output: Send;

    fn operation(&self) -> Operation;

    fn names(&self) -> (&RepositoryName, &SnapshotName);

    /// Sends the request once (and again only where it certainly was not carried out).
    fn send(&self, session: &Session) -> impl Future<Output = Result<Self::Output, Error>> + Send;

    /// Whether the domain can be checked at all.
    fn can_check(&self) -> bool {
        true
    }

    /// Checks what came of it; what is found goes to the caller if it has happened.
    fn check(
        &mut self,
        session: &Session,
    ) -> impl Future<Output = Result<(Sighting, Option<Self::Output>), Error>> + Send;

    /// Checks, right before the request is sent again, what is too costly for each check.
    fn confirm(&mut self, _session: &Session) -> impl Future<Output = Result<Sighting, Error>> + Send {
        std::future::ready(Ok(Sighting::Nothing))
    }

    /// With what a caller can come back to it, if nobody knows what became of it.
    fn ticket(&self) -> Ticket;

    /// Whether an earlier request of ours could be what made the domain refuse this one.
    fn is_echo(&self, kind: ErrorKind) -> bool;
}

/// Sends, checks and sends again as the machine says, until it comes to a verdict or the call's
/// time is over.
pub(super) async fn reconcile<R: Reconciled>(
    session: &Session,
    machine: Reconciler,
    mut subject: R,
) -> Result<R::Output, Error> {
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
    let result = drive(session, machine, &mut subject, &mut sends).instrument(span.clone()).await;
    span.record("sends", sends);
    record_outcome(&span, &result);
    result
}

async fn drive<R: Reconciled>(
    session: &Session,
    mut machine: Reconciler,
    subject: &mut R,
    sends: &mut u32,
) -> Result<R::Output, Error> {
    let clock = session.clock();
    let began = clock.monotonic();
    let checking = session.for_polling();
    let mut deadline = began.saturating_add(session.options.timeouts.call);
    let mut checking_time = Some(CHECKING_TIME);
    let mut checked = true;
    let mut attempts = 0;
    let mut trouble: Option<Error> = None;
    let mut found: Option<R::Output> = None;
    // What kept the last check from a finding.
    let mut blinded: Option<Error> = None;
    let mut step = machine.begin();
    let verdict = loop {
        let left = deadline.saturating_sub(clock.monotonic());
        step = match step {
            Step::Send => {
                if machine.is_unaccounted() {
                    let limited = checking.with_limit(left);
                    let confirmed = within(&limited, left, subject.confirm(&limited)).await;
                    let sighting = confirmed.unwrap_or_else(|error| sighting_of(&error, None));
                    if sighting != Sighting::Nothing {
                        step = machine.may_not_resend(sighting, clock.monotonic().saturating_sub(began));
                        continue;
                    }
                    tracing::info!(attempt = *sends, reason = "nothing came of it", wait_ms = 0, "repeating a request");
                }
                let left = deadline.saturating_sub(clock.monotonic());
                // Without time for its response, nobody would know what it did.
                if machine.is_unaccounted() && left < LAST_CHECK {
                    break Verdict::Unknown;
                }
                *sends += 1;
                checked = false;
                match subject.send(&session.with_limit(left)).await {
                    Ok(done) => {
                        found = Some(done);
                        machine.sent(Sent::Done)
                    }
                    Err(error) => {
                        attempts += error.attempts();
                        let sent = classify(&error, trouble.as_ref(), subject, machine.is_unaccounted());
                        trouble = Some(error);
                        machine.sent(sent)
                    }
                }
            }
            Step::Check { .. } if !subject.can_check() => break Verdict::Unknown,
            Step::Check { after } => {
                if let Some(time) = checking_time.take() {
                    deadline = deadline.max(clock.monotonic().saturating_add(time));
                }
                let left = deadline.saturating_sub(clock.monotonic());
                if left.is_zero() && checked {
                    break Verdict::Unknown;
                }
                checked = true;
                clock.sleep(after.min(left)).await;
                // One that hangs leaves time for another.
                let limit = (left.saturating_sub(after) / 2).max(LAST_CHECK);
                let limited = checking.with_limit(limit);
                let sighting = match within(&limited, limit, subject.check(&limited)).await {
                    Ok((sighting, output)) => {
                        (found, blinded) = (output, None);
                        sighting
                    }
                    Err(error) => {
                        let sighting = sighting_of(&error, blinded.as_ref());
                        blinded = Some(error);
                        sighting
                    }
                };
                tracing::info!(?sighting, "checked the domain after a lost response");
                machine.saw(sighting, clock.monotonic().saturating_sub(began))
            }
            Step::End(verdict) => break verdict,
        };
    };
    let last = || Error::new(ErrorKind::Interrupted, Outcome::Unknown, "");
    let error = match (verdict, found) {
        (Verdict::Adopted | Verdict::Done, Some(output)) => return Ok(output),
        (Verdict::Foreign, _) => {
            let (repository, name) = subject.names();
            let text = format!("snapshot {repository}:{name} is not the one that this call was to make");
            let error = Error::new(ErrorKind::SnapshotNameTaken, Outcome::Rejected, text);
            match trouble {
                Some(trouble) => error.with_source(trouble),
                None => error,
            }
        }
        (Verdict::NotSent, _) => trouble.unwrap_or_else(last),
        // Also where the engine failed: nothing came of it, as checks have shown.
        (Verdict::Refused, _) => trouble.unwrap_or_else(last).with_outcome(Outcome::Rejected),
        _ => trouble.unwrap_or_else(last).with_outcome(Outcome::Unknown),
    };
    let error = error.during(subject.operation(), attempts.max(1));
    let elapsed = clock.monotonic().saturating_sub(began);
    Err(if error.outcome() == Outcome::Unknown { error.resumable(subject.ticket(), elapsed, None) } else { error })
}

/// Runs a check of however many requests within one limit.
async fn within<T>(
    session: &Session,
    limit: Duration,
    check: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    // On the heap: checks are rare and large, and would enlarge every call's future.
    match select(Box::pin(check), session.clock().timeout(limit)).await {
        Either::Left((result, _)) => result,
        Either::Right(((), _)) => Err(Error::new(ErrorKind::Timeout, Outcome::Unknown, "a check took too long")),
    }
}

/// What the end of a check means if it brought no finding. `before` is what kept the one before it
/// from one: a failure that the engine reports again and again is as final as a refusal.
fn sighting_of(error: &Error, before: Option<&Error>) -> Sighting {
    tracing::debug!(kind = ?error.kind(), "the domain could not be checked");
    let refused = error.outcome() == Outcome::Rejected && !error.passes();
    let again = error
        .server()
        .zip(before.and_then(Error::server))
        .is_some_and(|(now, before)| now.failure() == Failure::Other && before.is_same_failure(now));
    if refused || again { Sighting::Denied } else { Sighting::Blind }
}

/// How a send ended. `before` is the trouble of the one before it.
fn classify(error: &Error, before: Option<&Error>, subject: &impl Reconciled, unaccounted: bool) -> Sent {
    // What stops a repetition may be the lost request; and what keeps it off for now says nothing about
    // another. A refusal that broke off may be any.
    let for_now = unaccounted && error.outcome() == Outcome::Rejected && error.passes();
    if subject.is_echo(error.kind()) || for_now || error.is_cut_off() && error.outcome() == Outcome::Rejected {
        return Sent::Echo;
    }
    match (error.outcome(), error.server()) {
        (Outcome::NotSent, _) => Sent::Unsent,
        (Outcome::Rejected, _) => Sent::Refused,
        (Outcome::Unknown, Some(server)) if server.failure() == Failure::Other => Sent::Failed {
            again: before.and_then(Error::server).is_some_and(|before: &ServerError| before.is_same_failure(server)),
        },
        (Outcome::Unknown, _) if error.kind() == ErrorKind::Interrupted => Sent::Lost(Loss::Broken),
        (Outcome::Unknown, _) => Sent::Lost(Loss::NoResponse),
    }
}
