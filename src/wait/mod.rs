//! Waiting: polls that outlive credentials, gateways and moving domains.

pub(crate) mod restore;
pub(crate) mod snapshot;

use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt as _};

use crate::call::Session;
use crate::clock::BoxFuture;
use crate::error::{Error, ErrorKind, Outcome, ServerLayer};
use crate::progress::{Counts, Progress};

/// How long a wait lasts if it is not told otherwise: a day.
const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);
/// The first pause between two polls, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// How many polls in a row have to miss the thing waited for, or have to be refused, before the wait believes it.
const PATIENCE: u32 = 5;
/// How long polls have to be answered with failures of the engine (HTTP 5xx), or with what is no answer at all, before the wait
/// believes that they stay.
const OUTAGE: Duration = Duration::from_secs(120);
/// How much of a poll may be spent on what the verdict does not need: figures, and why shards wait.
const ASIDE: Duration = Duration::from_secs(5);
/// How long the poll at the deadline may take.
const LAST_POLL: Duration = Duration::from_secs(5);

/// An item of a progress stream: any number of changes, then the end.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WaitUpdate<P, O> {
    /// Something has changed.
    Progress(P),
    /// It has ended; nothing follows.
    Ended(O),
}

/// A stream of [`WaitUpdate`]s; see
/// [`WaitForSnapshot::progress`](crate::WaitForSnapshot::progress).
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

/// Whether an endpoint may be asked: not after [`PATIENCE`] refusals in a row.
#[derive(Default)]
struct Permission {
    refusals: u32,
}

impl Permission {
    fn is_denied(&self) -> bool {
        self.refusals >= PATIENCE
    }

    fn counts(error: &Error) -> bool {
        matches!(error.kind(), ErrorKind::NotAllowed | ErrorKind::AccessDenied)
    }

    /// Notes an answer with which nothing can be begun, as if it were a refusal.
    fn refuse(&mut self) {
        self.refusals += 1;
    }

    /// The answer; `None` if it is believed that it may not be had.
    fn judge<T>(&mut self, answer: Result<T, Error>) -> Result<Option<T>, Error> {
        let refused = matches!(&answer, Err(error) if Self::counts(error));
        self.refusals = if refused { self.refusals + 1 } else { 0 };
        if self.is_denied() { Ok(None) } else { answer.map(Some) }
    }
}

/// When to poll, and when to stop.
struct Pace {
    session: Session,
    began: Duration,
    deadline: Duration,
    /// `None` before the first poll.
    pause: Option<Duration>,
    /// No poll follows this one.
    is_last: bool,
    /// Refusals of one sort in a row, whether they are the engine's failures, when the first of them was, and the last trouble.
    refusals: u32,
    outage: bool,
    refused_since: Duration,
    trouble: Option<Error>,
    /// What the last progress told, and how many bytes were done when figures were first told, that long after the beginning.
    told: Option<(Counts, Option<String>)>,
    at_first: Option<(u64, Duration)>,
    over: bool,
}

impl Pace {
    fn new(session: &Session, limit: Duration) -> Self {
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
            trouble: None,
            told: None,
            at_first: None,
            over: false,
        }
    }

    fn elapsed(&self) -> Duration {
        self.session.core.clock.monotonic().saturating_sub(self.began)
    }

    /// What a poll may take, so that one that hangs does not outlast the deadline.
    fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.session.core.clock.monotonic()).max(LAST_POLL)
    }

    /// Waits for the next poll; the last one begins at the deadline, or when one that hung until then is over.
    async fn next_poll(&mut self, what: &str) -> Result<(), Error> {
        let clock = &self.session.core.clock;
        if self.is_last {
            let limit = self.deadline.saturating_sub(self.began);
            let text = format!("{what} has not ended within {limit:?}; it goes on at the domain");
            let error = Error::new(ErrorKind::Deadline, Outcome::Unknown, text);
            return Err(match self.trouble.take() {
                Some(trouble) => error.with_source(trouble),
                None => error,
            });
        }
        match self.pause {
            None => self.pause = Some(FIRST),
            Some(pause) => {
                let left = self.deadline.saturating_sub(clock.monotonic());
                clock.sleep(pause.min(left)).await;
                self.pause = Some(pause.mul_f64(1.5).min(LONGEST));
            }
        }
        self.is_last = clock.monotonic() >= self.deadline;
        Ok(())
    }

    /// Puts a failed poll down as passing trouble, or gives it back if it is not.
    fn endure(&mut self, error: Error) -> Result<(), Error> {
        let passing = error.passes()
            || error.server().is_some_and(|server| server.status() >= 500 && server.layer() != ServerLayer::Engine);
        let now = self.elapsed();
        let outage = error.is_garbled() || error.server().is_some_and(|server| server.status() >= 500);
        if self.refusals == 0 || self.outage != outage {
            (self.refusals, self.outage, self.refused_since) = (0, outage, now);
        }
        self.refusals = if passing { 0 } else { self.refusals + 1 };
        let span = if outage { OUTAGE } else { Duration::ZERO };
        let refused = self.refusals >= PATIENCE && now.saturating_sub(self.refused_since) >= span;
        if error.is_lasting() || error.kind() == ErrorKind::InvalidInput || refused {
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
        let now = (counts, uuid.map(str::to_owned));
        if self.told.as_ref() == Some(&now) {
            return None;
        }
        self.told = Some(now);
        let elapsed = self.elapsed();
        if self.at_first.is_none() && counts.bytes_total > 0 {
            self.at_first = Some((counts.bytes_done, elapsed));
        }
        let rate = self.at_first.and_then(|(bytes, when)| {
            let (copied, took) = (counts.bytes_done.saturating_sub(bytes), elapsed.saturating_sub(when));
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let rate = copied as f64 / took.as_secs_f64();
            (copied > 0 && !took.is_zero()).then_some(rate)
        });
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

    fn look(&mut self, session: &Session, details: bool) -> impl Future<Output = Result<Look<Self::Outcome>, Error>> + Send;
}

/// The next change or the end.
async fn advance<W: Watched>(pace: &mut Pace, watched: &mut W, details: bool) -> Result<WaitUpdate<Progress, W::Outcome>, Error> {
    loop {
        pace.next_poll(&watched.what()).await?;
        let look = match select(pin!(watched.look(&pace.session, details)), pace.session.core.clock.timeout(pace.left())).await {
            Either::Left((look, _)) => look,
            Either::Right(((), _)) => Err(Error::new(ErrorKind::Timeout, Outcome::Unknown, "no answer to a poll")),
        };
        match look {
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

fn outcome<W: Watched>(session: Session, limit: Duration, mut watched: W) -> BoxFuture<'static, Result<W::Outcome, Error>> {
    Box::pin(async move {
        let mut pace = Pace::new(&session, limit);
        loop {
            if let WaitUpdate::Ended(outcome) = advance(&mut pace, &mut watched, false).await? {
                return Ok(outcome);
            }
        }
    })
}

fn progress<W: Watched>(session: &Session, limit: Duration, watched: W) -> ProgressStream<Progress, W::Outcome> {
    let state = (Pace::new(session, limit), watched);
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
