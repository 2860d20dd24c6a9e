//! What may be sent again, and when: pure rules by operation, not by HTTP verb; the table is in
//! [`RetryPolicy`]'s docs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::config::RetryPolicy;
use crate::error::{Error, ErrorKind, Outcome, ServerLayer};
use crate::request::Replay;

/// The retries that all calls of one client, or of several, may make together.
///
/// The budget holds 500 retries. A retry takes one, and a success returns one. When none is left, a
/// failed request is not sent again. So a domain that is down meets no storm of retries. Each
/// client has a budget of its own unless
/// [`retry_budget`](crate::SnapshotClientBuilder::retry_budget) sets one.
///
/// Clones share the budget. Give one to the clients of a fleet whose domains fail together, for
/// example behind one gateway.
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
        // It fails where the budget is full.
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
    /// What the domain asked for.
    pub(crate) retry_after: Option<Duration>,
    /// The domain's answer told another offset of the clocks than the attempt was signed with.
    pub(crate) skew_learned: bool,
}

/// How often a name is looked up that does not resolve: a resolver may fail for a moment, but a
/// name is mostly mistyped.
const LOOK_UPS: u32 = 3;

/// What has been tried in this call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    attempts: u32,
    pause: Duration,
    unresolved: u32,
    resigned: bool,
    renewed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Stop,
    Retry { after: Duration, why: &'static str },
}

/// Decides about the next attempt. `left` is what remains of the call's time, `random` is in 0..1.
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
            history.resigned = true;
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
    // What a new signature mends comes once and is no storm.
    let signed_anew = matches!(error.kind(), ErrorKind::ClockSkew | ErrorKind::ExpiredToken);
    if history.attempts >= policy.attempts || after >= left || !(signed_anew || budget.take()) {
        return Verdict::Stop;
    }
    Verdict::Retry { after, why }
}

/// Why the request may be sent again, if it may.
fn reason(replay: Replay, failure: &Failure, history: &History) -> Option<&'static str> {
    let error = &failure.error;
    let repeatable = matches!(replay, Replay::Read | Replay::Repeat);
    match error.kind() {
        _ if error.is_lasting() => None,
        ErrorKind::Connect if error.is_unresolved() => (history.unresolved < LOOK_UPS).then_some("name not resolved"),
        ErrorKind::Connect if error.outcome() == Outcome::NotSent => Some("no connection"),
        ErrorKind::ClockSkew => (failure.skew_learned && !history.resigned).then_some("clock corrected"),
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

    fn again(replay: Replay, error: Error) -> bool {
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
    fn the_reason_of_a_repetition_is_the_failures_own() {
        let unsent = |text| Error::new(ErrorKind::Connect, Outcome::NotSent, text);
        let why = |error| reason(Replay::Probe, &failure(error), &History::default());

        assert_eq!(why(unsent("refused")), Some("no connection"));
        assert_eq!(why(unsent("no address").unresolved()), Some("name not resolved"));
        assert_eq!(why(Error::new(ErrorKind::Connect, Outcome::Unknown, "who knows")), None);
    }

    /// Each row of the table in [`RetryPolicy`]'s docs, for reads, repeatable writes and those that
    /// are probed.
    #[test]
    fn every_cell_of_the_table_holds() {
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
            for (replay, expected) in [Replay::Read, Replay::Repeat, Replay::Probe].into_iter().zip(expected) {
                let error = make();
                let shown = error.to_string();
                assert_eq!(again(replay, error), expected, "{replay:?} {shown}");
            }
        }
    }

    #[test]
    fn a_signature_is_renewed_once_and_only_for_a_new_offset() {
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
    fn credentials_are_renewed_once() {
        let expired =
            || failure(failed_response(403, r#"{"message":"The security token included in the request is invalid."}"#));
        let (policy, budget, mut history) = (RetryPolicy::default(), RetryBudget::default(), History::default());

        let first = classify(Replay::Probe, &expired(), &mut history, &policy, LEFT, &budget, 0.5);
        let second = classify(Replay::Probe, &expired(), &mut history, &policy, LEFT, &budget, 0.5);

        assert!(matches!(first, Verdict::Retry { .. }));
        assert_eq!(second, Verdict::Stop);
    }

    /// What is decided about a read that the gateway has lost.
    fn lost(history: &mut History, policy: &RetryPolicy, left: Duration, budget: &RetryBudget) -> Verdict {
        classify(Replay::Read, &failure(failed_response(503, "")), history, policy, left, budget, 0.0)
    }

    #[test]
    fn looks_a_name_up_three_times() {
        let (policy, budget, mut history) = (RetryPolicy::default(), RetryBudget::default(), History::default());
        let mut look_up = || {
            let unresolved = failure(Error::new(ErrorKind::Connect, Outcome::NotSent, "").unresolved());
            classify(Replay::Read, &unresolved, &mut history, &policy, LEFT, &budget, 1.0)
        };

        let verdicts = [look_up(), look_up(), look_up()];

        assert!(matches!(verdicts, [Verdict::Retry { .. }, Verdict::Retry { .. }, Verdict::Stop]), "{verdicts:?}");
    }

    #[test]
    fn the_policys_attempts_end_it() {
        let (policy, budget, mut history) =
            (RetryPolicy::default().with_max_attempts(2), RetryBudget::default(), History::default());

        assert_ne!(lost(&mut history, &policy, LEFT, &budget), Verdict::Stop);
        assert_eq!(lost(&mut history, &policy, LEFT, &budget), Verdict::Stop);
    }

    #[test]
    fn a_pause_that_is_longer_than_the_time_left_ends_it() {
        let short = Duration::from_millis(100);

        let verdict = lost(&mut History::default(), &RetryPolicy::default(), short, &RetryBudget::default());

        assert_eq!(verdict, Verdict::Stop);
    }

    #[test]
    fn the_shared_budget_ends_it_until_a_success_gives_back() {
        let (policy, budget) = (RetryPolicy::default(), RetryBudget::default());
        while budget.take() {}

        assert_eq!(lost(&mut History::default(), &policy, LEFT, &budget), Verdict::Stop);
        budget.succeeded();
        assert_ne!(lost(&mut History::default(), &policy, LEFT, &budget), Verdict::Stop);
    }

    #[test]
    fn a_success_does_not_enlarge_a_full_budget() {
        let budget = RetryBudget::default();

        budget.succeeded();

        assert_eq!(std::iter::repeat_with(|| budget.take()).take_while(|taken| *taken).count(), 500);
    }

    #[test]
    fn a_new_signature_takes_nothing_from_the_budget() {
        let budget = RetryBudget::default();
        while budget.take() {}
        let expired =
            failure(failed_response(403, r#"{"message":"The security token included in the request is expired"}"#));

        let policy = RetryPolicy::default();
        let verdict = classify(Replay::Read, &expired, &mut History::default(), &policy, LEFT, &budget, 0.0);

        assert_ne!(verdict, Verdict::Stop);
    }

    #[test]
    fn retry_after_is_honoured_up_to_the_cap() {
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
        fn pauses_stay_between_base_and_cap(before in 0_u64..100_000, random in 0.0..1.0_f64) {
            let policy = RetryPolicy::default();
            let pause = policy.pause(Duration::from_millis(before), random);
            prop_assert!(pause >= policy.base && pause <= policy.cap, "{pause:?}");
        }
    }
}
