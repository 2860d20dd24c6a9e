//! Decides whether and when a failed request is sent again. The rules depend on the operation, not
//! on the HTTP method. The docs of [`RetryPolicy`] contain them as a table.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::config::RetryPolicy;
use crate::error::{Error, ErrorKind, Outcome, ServerLayer};
use crate::request::Replay;

/// A limit on the retries of all calls of one client, or of several clients.
///
/// The budget begins with 500 retries. Each retry takes one, and each successful request returns
/// one, up to 500. While the budget is empty, the client does not retry. So retries cannot flood a
/// domain that is down. Retries with a new signature or with new credentials take nothing.
///
/// Each client has its own budget by default. Clones of a `RetryBudget` share it. Give one to all
/// clients of a fleet whose domains can fail together, for example because they are behind one
/// gateway. [`retry_budget`](crate::SnapshotClientBuilder::retry_budget) sets it.
///
/// ```
/// use es_snapshot::SnapshotClient;
/// use es_snapshot::client::RetryBudget;
///
/// # fn main() -> Result<(), es_snapshot::Error> {
/// let budget = RetryBudget::new();
/// let clients = ["http://localhost:9200", "http://localhost:9201"]
///     .map(|node| SnapshotClient::builder(node).retry_budget(budget.clone()).build());
/// # clients.map(|client| client.map(drop)).into_iter().collect()
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RetryBudget(Arc<AtomicU32>);

impl RetryBudget {
    const ALL: u32 = 500;

    /// Returns a full budget.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(AtomicU32::new(Self::ALL)))
    }

    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    pub(crate) fn succeeded(&self) {
        // The update fails if the budget is full.
        let _ =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| (left < Self::ALL).then_some(left + 1));
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new()
    }
}

/// One failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// The pause that the domain requested with `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// The response showed another clock offset than the one with which the attempt was signed.
    pub(crate) skew_learned: bool,
}

/// How often a host name that does not resolve is looked up. The resolver may have failed for a
/// moment, but usually the name is mistyped.
const LOOKUPS: u32 = 3;

/// What this call has tried so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    attempts: u32,
    pause: Duration,
    unresolved: u32,
    signed_again: bool,
    renewed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Stop,
    Retry { after: Duration, why: &'static str },
}

/// Decides whether another attempt follows, and when. `left` is the rest of the call's time limit.
/// `random` is in 0..1.
pub(crate) fn classify(
    replay: Replay,
    failure: &Failure,
    history: &mut History,
    policy: &RetryPolicy,
    left: Duration,
    budget: &RetryBudget,
    random: f64,
) -> Verdict {
    let error = &failure.error;
    history.attempts += 1;
    history.unresolved += u32::from(error.is_unresolved());
    let Some(why) = reason(replay, failure, history) else { return Verdict::Stop };
    let after = match error.kind() {
        ErrorKind::ClockSkew => {
            history.signed_again = true;
            Duration::ZERO
        }
        ErrorKind::ExpiredToken => {
            history.renewed = true;
            Duration::ZERO
        }
        _ => {
            history.pause = policy.pause(history.pause, random);
            history.pause.max(failure.retry_after.unwrap_or_default().min(policy.cap))
        }
    };
    // A new signature helps at most once for each cause, so these retries cannot flood the domain.
    let needs_new_signature = matches!(error.kind(), ErrorKind::ClockSkew | ErrorKind::ExpiredToken);
    if history.attempts >= policy.attempts || after >= left || !(needs_new_signature || budget.take()) {
        return Verdict::Stop;
    }
    Verdict::Retry { after, why }
}

/// Why the request may be sent again. `None` if it must not.
fn reason(replay: Replay, failure: &Failure, history: &History) -> Option<&'static str> {
    let error = &failure.error;
    let repeatable = matches!(replay, Replay::Read | Replay::Repeat);
    match error.kind() {
        _ if error.is_lasting() => None,
        ErrorKind::Connect if error.is_unresolved() => (history.unresolved < LOOKUPS).then_some("name not resolved"),
        ErrorKind::Connect if error.outcome() == Outcome::NotSent => Some("no connection"),
        ErrorKind::ClockSkew => (failure.skew_learned && !history.signed_again).then_some("clock corrected"),
        ErrorKind::ExpiredToken => (!history.renewed).then_some("credentials renewed"),
        ErrorKind::Throttled => {
            let before_engine = error.server().is_some_and(|server| server.layer() != ServerLayer::Engine);
            (repeatable || before_engine).then_some("throttled")
        }
        ErrorKind::Interrupted if repeatable => Some("connection lost"),
        ErrorKind::Timeout if repeatable => Some("timed out"),
        ErrorKind::Unavailable if repeatable => Some("domain not available"),
        ErrorKind::Decode if repeatable && error.is_garbled() => Some("response garbled"),
        _ if repeatable && error.is_cut_off() => Some("response cut off"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ServerError;

    const LEFT: Duration = Duration::from_secs(300);

    fn failure(error: Error) -> Failure {
        Failure { error, retry_after: None, skew_learned: true }
    }

    fn failed_response(status: u16, body: &str) -> Error {
        Error::from_server(ServerError::parse(status, body.as_bytes(), None, &[]))
    }

    fn engine(status: u16, error_type: &str) -> Error {
        failed_response(status, &format!(r#"{{"error":{{"type":"{error_type}","reason":"r"}},"status":{status}}}"#))
    }

    fn cut_off(error: Error) -> Error {
        error.with_source(Error::new(ErrorKind::Interrupted, Outcome::Unknown, ""))
    }

    fn is_retried(replay: Replay, error: Error) -> bool {
        let verdict = classify(
            replay,
            &failure(error),
            &mut History::default(),
            &RetryPolicy::default(),
            LEFT,
            &RetryBudget::default(),
            0.5,
        );
        verdict != Verdict::Stop
    }

    #[test]
    fn returns_a_reason_that_matches_the_failure() {
        let unsent = |text| Error::new(ErrorKind::Connect, Outcome::NotSent, text);
        let why = |error| reason(Replay::CheckFirst, &failure(error), &History::default());

        assert_eq!(why(unsent("refused")), Some("no connection"));
        assert_eq!(why(unsent("no address").unresolved()), Some("name not resolved"));
        assert_eq!(why(Error::new(ErrorKind::Connect, Outcome::Unknown, "who knows")), None);
    }

    /// The table in the docs of [`RetryPolicy`], for reads, for repeatable writes, and for writes
    /// whose effect is checked.
    #[test]
    fn retries_as_the_documented_table_says() {
        type Row = (Box<dyn Fn() -> Error>, [bool; 3]);
        let lost = |kind| Error::new(kind, Outcome::Unknown, "");
        let edge = |status, text: &str| failed_response(status, &format!(r#"{{"message":"{text}"}}"#));
        let rows: Vec<Row> = vec![
            (Box::new(|| Error::new(ErrorKind::Connect, Outcome::NotSent, "")), [true, true, true]),
            (Box::new(|| Error::new(ErrorKind::Connect, Outcome::NotSent, "").unresolved()), [true, true, true]),
            (Box::new(|| Error::new(ErrorKind::Connect, Outcome::NotSent, "").lasting()), [false, false, false]),
            (Box::new(move || edge(403, "Signature expired: 1 is now earlier than 2")), [true, true, true]),
            (Box::new(move || edge(403, "The security token included in the request is expired")), [true, true, true]),
            (
                Box::new(|| failed_response(403, r#"{"Message":"Request throttled due to too many requests"}"#)),
                [true, true, true],
            ),
            (Box::new(|| failed_response(429, "Too Many Requests")), [true, true, true]),
            (Box::new(|| engine(429, "es_rejected_execution_exception")), [true, true, false]),
            (Box::new(move || lost(ErrorKind::Interrupted)), [true, true, false]),
            (Box::new(move || lost(ErrorKind::Timeout)), [true, true, false]),
            (Box::new(|| failed_response(502, "<html></html>")), [true, true, false]),
            (Box::new(|| failed_response(503, "")), [true, true, false]),
            (Box::new(|| failed_response(504, "")), [true, true, false]),
            (Box::new(|| engine(503, "master_not_discovered_exception")), [true, true, false]),
            (Box::new(|| engine(503, "process_cluster_event_timeout_exception")), [true, true, false]),
            (Box::new(|| engine(503, "cluster_block_exception")), [true, true, false]),
            (Box::new(|| failed_response(408, "stream timeout")), [true, true, false]),
            (Box::new(|| failed_response(499, "")), [true, true, false]),
            (Box::new(|| failed_response(524, "")), [true, true, false]),
            (Box::new(|| Error::garbled("")), [true, true, false]),
            (Box::new(|| cut_off(failed_response(400, ""))), [true, true, false]),
            (Box::new(|| cut_off(engine(400, "illegal_argument_exception"))), [false, false, false]),
            (Box::new(|| engine(503, "concurrent_snapshot_execution_exception")), [false, false, false]),
            (Box::new(|| engine(429, "cluster_block_exception")), [false, false, false]),
            (Box::new(|| engine(500, "repository_exception")), [false, false, false]),
            (Box::new(|| engine(500, "security_exception")), [false, false, false]),
            (Box::new(|| engine(404, "snapshot_missing_exception")), [false, false, false]),
            (Box::new(|| failed_response(400, "")), [false, false, false]),
            (Box::new(|| failed_response(307, "")), [false, false, false]),
            (Box::new(|| Error::invalid("")), [false, false, false]),
            (Box::new(|| Error::new(ErrorKind::Credentials, Outcome::NotSent, "")), [false, false, false]),
            (Box::new(move || lost(ErrorKind::ResponseTooLarge)), [false, false, false]),
            (Box::new(move || lost(ErrorKind::Decode)), [false, false, false]),
        ];
        for (make, expected) in rows {
            for (replay, expected) in [Replay::Read, Replay::Repeat, Replay::CheckFirst].into_iter().zip(expected) {
                let error = make();
                let shown = error.to_string();
                assert_eq!(is_retried(replay, error), expected, "{replay:?} {shown}");
            }
        }
    }

    #[test]
    fn signs_again_once_and_only_for_a_new_clock_offset() {
        let skewed = || failed_response(403, r#"{"message":"Signature not yet current: 1 is still later than 2"}"#);
        let (policy, budget) = (RetryPolicy::default(), RetryBudget::default());
        let mut history = History::default();
        let stale = Failure { skew_learned: false, ..failure(skewed()) };
        assert_eq!(classify(Replay::Read, &stale, &mut History::default(), &policy, LEFT, &budget, 0.5), Verdict::Stop);

        let first = classify(Replay::Read, &failure(skewed()), &mut history, &policy, LEFT, &budget, 0.5);
        let second = classify(Replay::Read, &failure(skewed()), &mut history, &policy, LEFT, &budget, 0.5);

        assert_eq!(first, Verdict::Retry { after: Duration::ZERO, why: "clock corrected" });
        assert_eq!(second, Verdict::Stop);
    }

    #[test]
    fn renews_credentials_once() {
        let expired =
            || failure(failed_response(403, r#"{"message":"The security token included in the request is invalid."}"#));
        let (policy, budget, mut history) = (RetryPolicy::default(), RetryBudget::default(), History::default());

        let first = classify(Replay::CheckFirst, &expired(), &mut history, &policy, LEFT, &budget, 0.5);
        let second = classify(Replay::CheckFirst, &expired(), &mut history, &policy, LEFT, &budget, 0.5);

        assert!(matches!(first, Verdict::Retry { .. }));
        assert_eq!(second, Verdict::Stop);
    }

    /// The verdict on a read to which a gateway responded with 503.
    fn lost(history: &mut History, policy: &RetryPolicy, left: Duration, budget: &RetryBudget) -> Verdict {
        classify(Replay::Read, &failure(failed_response(503, "")), history, policy, left, budget, 0.0)
    }

    #[test]
    fn looks_up_a_host_name_three_times() {
        let (policy, budget, mut history) = (RetryPolicy::default(), RetryBudget::default(), History::default());
        let mut look_up = || {
            let unresolved = failure(Error::new(ErrorKind::Connect, Outcome::NotSent, "").unresolved());
            classify(Replay::Read, &unresolved, &mut history, &policy, LEFT, &budget, 1.0)
        };

        let verdicts = [look_up(), look_up(), look_up()];

        assert!(matches!(verdicts, [Verdict::Retry { .. }, Verdict::Retry { .. }, Verdict::Stop]), "{verdicts:?}");
    }

    #[test]
    fn stops_after_the_maximum_number_of_attempts() {
        let (policy, budget, mut history) =
            (RetryPolicy::default().with_max_attempts(2), RetryBudget::default(), History::default());

        assert_ne!(lost(&mut history, &policy, LEFT, &budget), Verdict::Stop);
        assert_eq!(lost(&mut history, &policy, LEFT, &budget), Verdict::Stop);
    }

    #[test]
    fn stops_if_the_pause_would_exceed_the_time_limit() {
        let short = Duration::from_millis(100);

        let verdict = lost(&mut History::default(), &RetryPolicy::default(), short, &RetryBudget::default());

        assert_eq!(verdict, Verdict::Stop);
    }

    #[test]
    fn stops_while_the_budget_is_empty_and_goes_on_after_a_success() {
        let (policy, budget) = (RetryPolicy::default(), RetryBudget::default());
        while budget.take() {}

        assert_eq!(lost(&mut History::default(), &policy, LEFT, &budget), Verdict::Stop);
        budget.succeeded();
        assert_ne!(lost(&mut History::default(), &policy, LEFT, &budget), Verdict::Stop);
    }

    #[test]
    fn a_success_does_not_raise_a_full_budget() {
        let budget = RetryBudget::default();

        budget.succeeded();

        assert_eq!(std::iter::repeat_with(|| budget.take()).take_while(|taken| *taken).count(), 500);
    }

    #[test]
    fn retries_with_a_new_signature_even_if_the_budget_is_empty() {
        let budget = RetryBudget::default();
        while budget.take() {}
        let expired =
            failure(failed_response(403, r#"{"message":"The security token included in the request is expired"}"#));

        let policy = RetryPolicy::default();
        let verdict = classify(Replay::Read, &expired, &mut History::default(), &policy, LEFT, &budget, 0.0);

        assert_ne!(verdict, Verdict::Stop);
    }

    #[test]
    fn honours_retry_after_up_to_the_maximum_pause() {
        let policy = RetryPolicy::default();
        for (asked, expected) in [(5, 5), (3600, 20)] {
            let busy = Failure { retry_after: Some(Duration::from_secs(asked)), ..failure(failed_response(503, "")) };
            let verdict =
                classify(Replay::Read, &busy, &mut History::default(), &policy, LEFT, &RetryBudget::default(), 0.0);
            assert_eq!(verdict, Verdict::Retry { after: Duration::from_secs(expected), why: "domain not available" });
        }
    }

    proptest! {
        #[test]
        fn pauses_stay_between_the_minimum_and_the_maximum(before in 0_u64..100_000, random in 0.0..1.0_f64) {
            let policy = RetryPolicy::default();
            let pause = policy.pause(Duration::from_millis(before), random);
            prop_assert!(pause >= policy.base && pause <= policy.cap, "{pause:?}");
        }
    }
}
