//! When to poll, when to stop, and what a failed poll means.

use std::time::Duration;

use crate::call::Session;
use crate::clock::Clock as _;
use crate::error::{Error, ErrorKind, Outcome, ServerLayer};
use crate::progress::{Counts, Progress};

/// The first pause between two polls, and the longest one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How many polls in a row must fail or find nothing before the wait takes that as final.
pub(super) const POLLS_IN_A_ROW: u32 = 5;
/// How long the server must fail (HTTP 5xx), or respond with something else than the API does,
/// before the wait takes that as final.
const OUTAGE_LIMIT: Duration = Duration::from_secs(120);
/// The time limit for the poll at the deadline.
const LAST_POLL: Duration = Duration::from_secs(5);

/// Whether the server allows a request. It counts as denied after several refusals in a row.
#[derive(Default)]
pub(super) struct Permission {
    refusals: u32,
}

impl Permission {
    pub(super) fn is_denied(&self) -> bool {
        self.refusals >= POLLS_IN_A_ROW
    }

    pub(super) fn is_refusal(error: &Error) -> bool {
        matches!(error.kind(), ErrorKind::NotAllowed | ErrorKind::AccessDenied)
    }

    /// Counts a response without use as a refusal.
    pub(super) fn count_refusal(&mut self) {
        self.refusals += 1;
    }

    /// Returns the response, or `None` once the request counts as denied.
    pub(super) fn tolerate<T>(&mut self, response: Result<T, Error>) -> Result<Option<T>, Error> {
        let refused = matches!(&response, Err(error) if Self::is_refusal(error));
        self.refusals = if refused { self.refusals + 1 } else { 0 };
        if self.is_denied() { Ok(None) } else { response.map(Some) }
    }
}

/// The state of the polling: when to poll next, and when to stop.
pub(super) struct Polling {
    pub(super) session: Session,
    began: Duration,
    deadline: Duration,
    /// `None` before the first poll.
    pause: Option<Duration>,
    /// Whether this poll is the last one.
    is_last: bool,
    /// How many polls in a row have failed in the same way: with HTTP 5xx (`outage`), or with
    /// another refusal.
    refusals: u32,
    outage: bool,
    refused_since: Duration,
    /// The last failed poll, unless a later one has succeeded.
    last_error: Option<Error>,
    /// The last progress that was reported.
    reported: Option<(Counts, Option<String>)>,
    /// How many bytes were copied when the number of bytes was first known, and when that was.
    first_bytes: Option<(u64, Duration)>,
    pub(super) has_ended: bool,
}

impl Polling {
    pub(super) fn new(session: &Session, limit: Duration) -> Self {
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
            last_error: None,
            reported: None,
            first_bytes: None,
            has_ended: false,
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.session.core.clock.monotonic().saturating_sub(self.began)
    }

    /// The time limit for a poll. A poll that hangs must not outlast the deadline.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.session.core.clock.monotonic()).max(LAST_POLL)
    }

    /// Pauses until the next poll. The last poll begins at the deadline, or right after a poll that
    /// hung until then.
    pub(super) async fn next_poll(&mut self, description: &str) -> Result<(), Error> {
        let clock = &self.session.core.clock;
        if self.is_last {
            let limit = self.deadline.saturating_sub(self.began);
            let is_unseen = self.reported.is_none() && self.last_error.is_some();
            let state = if is_unseen { "could not be read" } else { "has not ended" };
            let rest = if is_unseen { "may go on" } else { "goes on" };
            let text = format!("{description} {state} within {limit:?} and {rest}; its ticket can resume the wait");
            let error = Error::new(ErrorKind::Deadline, Outcome::Unknown, text);
            return Err(match self.last_error.take() {
                Some(last) => error.with_source(last),
                None => error,
            });
        }
        match self.pause {
            None => self.pause = Some(FIRST_PAUSE),
            Some(pause) => {
                let left = self.deadline.saturating_sub(clock.monotonic());
                clock.sleep(pause.min(left)).await;
                self.pause = Some(pause.mul_f64(1.5).min(LONGEST_PAUSE));
            }
        }
        self.is_last = clock.monotonic() >= self.deadline;
        Ok(())
    }

    /// Returns the error of a failed poll if the wait must end with it.
    pub(super) fn tolerate(&mut self, error: Error) -> Result<(), Error> {
        let is_passing = error.may_pass()
            || error.server().is_some_and(|server| server.status() >= 500 && server.layer() != ServerLayer::Engine);
        let now = self.elapsed();
        let outage = error.is_garbled() || error.server().is_some_and(|server| server.status() >= 500);
        if self.refusals == 0 || self.outage != outage {
            (self.refusals, self.outage, self.refused_since) = (0, outage, now);
        }
        self.refusals = if is_passing { 0 } else { self.refusals + 1 };
        let span = if outage { OUTAGE_LIMIT } else { Duration::ZERO };
        let refused = self.refusals >= POLLS_IN_A_ROW && now.saturating_sub(self.refused_since) >= span;
        if error.is_lasting() || error.kind() == ErrorKind::InvalidInput || refused {
            return Err(error);
        }
        tracing::debug!(kind = ?error.kind(), "poll failed");
        self.last_error = Some(error);
        Ok(())
    }

    /// Returns the last progress, with the time that has passed until now.
    pub(super) fn last_progress(&self) -> Progress {
        let (counts, uuid) = self.reported.clone().unwrap_or_default();
        Progress { counts, uuid, elapsed: self.elapsed(), rate: None }
    }

    /// Notes a successful poll. Returns the progress if it differs from the one before.
    pub(super) fn changed(&mut self, counts: Counts, uuid: Option<&str>) -> Option<Progress> {
        self.refusals = 0;
        self.last_error = None;
        let now = (counts, uuid.map(str::to_owned));
        if self.reported.as_ref() == Some(&now) {
            return None;
        }
        self.reported = Some(now);
        let elapsed = self.elapsed();
        if self.first_bytes.is_none() && counts.bytes_total > 0 {
            self.first_bytes = Some((counts.bytes_done, elapsed));
        }
        let rate = self.first_bytes.and_then(|(bytes, when)| {
            let (copied, took) = (counts.bytes_done.saturating_sub(bytes), elapsed.saturating_sub(when));
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let rate = copied as f64 / took.as_secs_f64();
            (copied > 0 && !took.is_zero()).then_some(rate)
        });
        Some(Progress { counts, uuid: uuid.map(str::to_owned), elapsed, rate })
    }
}
