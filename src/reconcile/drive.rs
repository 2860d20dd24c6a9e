//! Runs an operation through the reconciler: sends requests and checks the domain as it says.

use std::time::Duration;

use futures_util::future::{Either, select};
use tracing::Instrument as _;

use super::machine::{Loss, Reconciler, Sent, Sighting, Step, Verdict};
use crate::call::{Session, record_outcome};
use crate::error::{Error, ErrorKind, Failure, Operation, Outcome, ServerError};
use crate::name::{RepositoryName, SnapshotName};
use crate::ticket::Ticket;

/// The least time that a call has for checks and resends, from its first check on.
const CHECKING_TIME: Duration = Duration::from_secs(60);
/// The time limit of a check after a send that ended at the deadline, and the least time that must
/// be left for the response to a resend.
pub(super) const LAST_CHECK: Duration = Duration::from_secs(5);

/// An operation that is never repeated blindly.
pub(super) trait Reconciled: Send {
    type Output: Send;

    fn operation(&self) -> Operation;

    fn names(&self) -> (&RepositoryName, &SnapshotName);

    /// Sends the request. Retries it only if it certainly was not carried out.
    fn send(&self, session: &Session) -> impl Future<Output = Result<Self::Output, Error>> + Send;

    /// Returns whether the domain can be checked at all.
    fn can_check(&self) -> bool {
        true
    }

    /// Checks whether the request took effect. If it did, the caller gets the output.
    fn check(
        &mut self,
        session: &Session,
    ) -> impl Future<Output = Result<(Sighting, Option<Self::Output>), Error>> + Send;

    /// Checks, right before a resend, what is too costly for every check.
    fn confirm(&mut self, _session: &Session) -> impl Future<Output = Result<Sighting, Error>> + Send {
        std::future::ready(Ok(Sighting::Nothing))
    }

    /// Returns the ticket with which the caller can come back if the outcome is unknown.
    fn ticket(&self) -> Ticket;

    /// Returns whether an earlier request of this call may have caused a refusal of this kind.
    fn is_echo(&self, kind: ErrorKind) -> bool;
}

/// Sends, checks and resends as the machine says, until it returns a verdict or the call's time is
/// over.
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
    let started = clock.monotonic();
    let checking = session.for_polling();
    let mut deadline = started.saturating_add(session.options.timeouts.call);
    let mut checking_time = Some(CHECKING_TIME);
    let mut checked = true;
    let mut attempts = 0;
    let mut send_error: Option<Error> = None;
    let mut output: Option<R::Output> = None;
    // Set if the last check failed.
    let mut check_error: Option<Error> = None;
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
                        step = machine.may_not_resend(sighting, clock.monotonic().saturating_sub(started));
                        continue;
                    }
                    tracing::info!(
                        attempt = *sends,
                        reason = "the request had no effect",
                        wait_ms = 0,
                        "repeating a request"
                    );
                }
                let left = deadline.saturating_sub(clock.monotonic());
                // Without time for the response, the outcome of a resend would be unknown.
                if machine.is_unaccounted() && left < LAST_CHECK {
                    break Verdict::Unknown;
                }
                *sends += 1;
                checked = false;
                match subject.send(&session.with_limit(left)).await {
                    Ok(done) => {
                        output = Some(done);
                        machine.sent(Sent::Done)
                    }
                    Err(error) => {
                        attempts += error.attempts();
                        let sent = classify(&error, send_error.as_ref(), subject, machine.is_unaccounted());
                        send_error = Some(error);
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
                // Half of the time, so that a check that hangs leaves time for another.
                let limit = (left.saturating_sub(after) / 2).max(LAST_CHECK);
                let limited = checking.with_limit(limit);
                let sighting = match within(&limited, limit, subject.check(&limited)).await {
                    Ok((sighting, found)) => {
                        (output, check_error) = (found, None);
                        sighting
                    }
                    Err(error) => {
                        let sighting = sighting_of(&error, check_error.as_ref());
                        check_error = Some(error);
                        sighting
                    }
                };
                tracing::info!(?sighting, "checked the domain after a lost response");
                machine.saw(sighting, clock.monotonic().saturating_sub(started))
            }
            Step::End(verdict) => break verdict,
        };
    };
    let error = match (verdict, output) {
        (Verdict::Adopted | Verdict::Done, Some(output)) => return Ok(output),
        (Verdict::Foreign, _) => {
            let (repository, name) = subject.names();
            let text = format!("another client's snapshot has the name {repository}:{name}; choose another name");
            let error = Error::new(ErrorKind::SnapshotNameTaken, Outcome::Rejected, text);
            match send_error {
                Some(source) => error.with_source(source),
                None => error,
            }
        }
        (Verdict::NotSent, _) => send_error.unwrap_or_else(unsettled),
        // Also after a reported failure, if checks have shown that the request had no effect.
        (Verdict::Refused, _) => send_error.unwrap_or_else(unsettled).with_outcome(Outcome::Rejected),
        _ => send_error.unwrap_or_else(unsettled).with_outcome(Outcome::Unknown),
    };
    let error = error.during(subject.operation(), attempts.max(1));
    let elapsed = clock.monotonic().saturating_sub(started);
    Err(if error.outcome() == Outcome::Unknown { error.resumable(subject.ticket(), elapsed, None) } else { error })
}

/// Returns the error of a call that sent nothing itself, because an earlier process may have.
fn unsettled() -> Error {
    let text = "an earlier process may have sent the request, and no check showed whether it was carried out";
    Error::new(ErrorKind::Interrupted, Outcome::Unknown, text)
}

/// Runs a check, which may take several requests, within one time limit.
async fn within<T>(
    session: &Session,
    limit: Duration,
    check: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    // On the heap, because the large future of a check would enlarge that of every call.
    match select(Box::pin(check), session.clock().timeout(limit)).await {
        Either::Left((result, _)) => result,
        Either::Right(((), _)) => {
            Err(Error::new(ErrorKind::Timeout, Outcome::Unknown, format!("the check did not end within {limit:?}")))
        }
    }
}

/// Returns what a failed check means. `before` is the error of the check before it, if that failed
/// too: a failure that the server reports twice in a row counts as a refusal.
fn sighting_of(error: &Error, before: Option<&Error>) -> Sighting {
    tracing::debug!(kind = ?error.kind(), "the domain could not be checked");
    let refused = error.outcome() == Outcome::Rejected && !error.may_pass();
    let again = error
        .server()
        .zip(before.and_then(Error::server))
        .is_some_and(|(now, before)| now.failure() == Failure::Other && before.is_same_failure(now));
    if refused || again { Sighting::Denied } else { Sighting::Blind }
}

/// Classifies how a failed send ended. `before` is the error of the send before it.
fn classify(error: &Error, before: Option<&Error>, subject: &impl Reconciled, unaccounted: bool) -> Sent {
    // The lost request may have caused the refusal. A refusal that passes says nothing about the
    // lost request, and the reason of one that broke off is not known.
    let for_now = unaccounted && error.outcome() == Outcome::Rejected && error.may_pass();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(error_type: &str, reason: &str) -> Error {
        let body = format!(r#"{{"error":{{"type":"{error_type}","reason":"{reason}"}},"status":500}}"#);
        Error::from_server(ServerError::parse(500, body.as_bytes(), None, &[]))
    }

    #[test]
    fn does_not_count_a_check_whose_response_is_not_json_as_refused() {
        let error = Error::garbled("the response is not JSON");

        assert_eq!(sighting_of(&error, None), Sighting::Blind);
    }

    #[test]
    fn does_not_count_checks_that_fail_in_different_ways_as_refused() {
        let (before, now) = (failed("null_pointer_exception", "x"), failed("illegal_state_exception", "y"));

        assert_eq!(sighting_of(&now, Some(&before)), Sighting::Blind);
    }

    #[test]
    fn does_not_count_checks_that_fail_while_the_master_changes_as_refused() {
        let error = failed("snapshot_exception", "no longer master");

        assert_eq!(sighting_of(&error, Some(&error)), Sighting::Blind);
    }
}
