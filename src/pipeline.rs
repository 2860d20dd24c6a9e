//! One call: attempts, signing, time limits, decoding, and what an answer means.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use http::header::{AGE, CONTENT_TYPE, DATE, HOST, HeaderMap, RETRY_AFTER, USER_AGENT};
use http::{HeaderName, HeaderValue, StatusCode};
use http_body::Body as _;
use serde::de::DeserializeOwned;
use tracing::{Instrument as _, Span};

use crate::auth::{Authorizer, Signable};
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Outcome, ServerError, cleaned};
use crate::request::{Replay, Request};
use crate::retry::{self, Failure, RetryPolicy, RetryTokens, Verdict};
use crate::transport::{Body, Departure, Transport, TransportError};

const OPAQUE_ID: HeaderName = HeaderName::from_static("x-opaque-id");
const REQUEST_ID: &str = "x-amzn-requestid";
const JSON: &str = "application/json";

/// The time limits of calls. Each has its default; a client of other limits is made by
/// [`SnapshotClient::with_timeouts`](crate::SnapshotClient::with_timeouts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    attempt: Duration,
    read: Duration,
    call: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { attempt: Duration::from_secs(75), read: Duration::from_secs(30), call: Duration::from_secs(300) }
    }
}

impl Timeouts {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One attempt, from connecting to the last byte of the answer. Default 75 s: longer than the minute after which a
    /// load balancer answers 504, so that its answer is seen.
    #[must_use]
    pub fn attempt(mut self, limit: Duration) -> Self {
        self.attempt = limit;
        self
    }

    /// The gap between two pieces of an answer's body. Default 30 s.
    #[must_use]
    pub fn read(mut self, limit: Duration) -> Self {
        self.read = limit;
        self
    }

    /// A whole call with all its attempts, the credential provider among them. Default 300 s. A create, clone, restore or delete whose answer was lost has at
    /// least 60 s from then on to ask the domain in, whatever this limit; the reads that come before it have it for themselves.
    #[must_use]
    pub fn call(mut self, limit: Duration) -> Self {
        self.call = limit;
        self
    }
}

impl Timeouts {
    /// The limit of a whole call.
    pub(crate) fn whole(&self) -> Duration {
        self.call
    }
}

/// What is the same for all calls of a client, and shared by its clones.
pub(crate) struct Core {
    pub(crate) endpoint: Endpoint,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) authorizer: Authorizer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) skew: ClockSkew,
    pub(crate) tokens: RetryTokens,
    pub(crate) user_agent: HeaderValue,
    pub(crate) reply_limit: usize,
}

impl Core {
    /// The domain's time, as far as its answers have told it.
    pub(crate) fn now(&self) -> SystemTime {
        self.skew.apply(self.clock.wall())
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("endpoint", &self.endpoint.to_string())
            .field("connects_to", &self.endpoint.target().to_string())
            .field("transport", &self.transport)
            .field("authorizer", &self.authorizer)
            .finish_non_exhaustive()
    }
}

/// What one call may set for itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallOptions {
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: RetryPolicy,
    pub(crate) opaque_id: Option<HeaderValue>,
    /// How long to wait for another operation that is in the way.
    pub(crate) queue: Duration,
    /// How long the server may wait for an elected master, if it is told.
    pub(crate) master_timeout: Option<Duration>,
}

/// How far the domain's clock is ahead of this host's, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct ClockSkew(AtomicI64);

impl ClockSkew {
    /// Answers slower than this tell too little about the time in between.
    const SLOWEST: Duration = Duration::from_secs(60);

    fn millis(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn apply(&self, local: SystemTime) -> SystemTime {
        let skew = self.millis();
        let by = Duration::from_millis(skew.unsigned_abs());
        let corrected = if skew >= 0 { local.checked_add(by) } else { local.checked_sub(by) };
        corrected.unwrap_or(local)
    }

    /// Learns from an answer that was received whole at local time `received`, `took` after its request was sent.
    ///
    /// The midpoint of the two is compared with the server's `Date`, which is cut to the second. Every trusted answer
    /// overwrites what was known, so that a corrected clock heals.
    fn learn(&self, headers: &HeaderMap, received: SystemTime, took: Duration) {
        if took > Self::SLOWEST || headers.contains_key(AGE) {
            return;
        }
        let Some(server) = headers.get(DATE).and_then(|value| value.to_str().ok()).and_then(parse_date) else { return };
        let Some(midpoint) = received.checked_sub(took / 2) else { return };
        let server = server + Duration::from_millis(500);
        let (sign, apart) = match server.duration_since(midpoint) {
            Ok(ahead) => (1, ahead),
            Err(behind) => (-1, behind.duration()),
        };
        // Within the second that `Date` cannot tell, the clocks agree.
        let millis = if apart <= Duration::from_secs(1) { 0 } else { i64::try_from(apart.as_millis()).unwrap_or(i64::MAX) };
        self.0.store(sign * millis, Ordering::Relaxed);
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let seconds = text.trim().parse().ok().map(Duration::from_secs);
    seconds.or_else(|| parse_date(text)?.duration_since(now).ok())
}

fn parse_date(text: &str) -> Option<SystemTime> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp().into())
}

/// A whole answer that means success.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// What the request carried and no error about this answer may repeat.
    secrets: Vec<String>,
}

impl Reply {
    /// Decodes the body. The error names the JSON path and shows nothing else of the body, so serde's own words are left out.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let mut json = serde_json::Deserializer::from_slice(&self.body);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            // Names of fields are the domain's text too.
            let path = cleaned(&error.path().to_string(), &self.secrets());
            let at = format!("at {path} (line {}, column {})", error.inner().line(), error.inner().column());
            if error.inner().is_data() {
                Error::new(ErrorKind::Decode, Outcome::Unknown, at)
            } else {
                Error::garbled(format!("no whole JSON {at}"))
            }
        })?;
        json.end().map_err(|_| Error::garbled("more than one JSON value"))?;
        Ok(value)
    }

    pub(crate) fn secrets(&self) -> Vec<&str> {
        self.secrets.iter().map(String::as_str).collect()
    }
}

/// Sends a request until its answer is known or may not be sought any further, and decodes that answer.
pub(crate) async fn call<T: DeserializeOwned>(core: &Core, options: &CallOptions, request: &Request) -> Result<T, Error> {
    call_with(core, options, request, |reply| reply.decode()).await
}

/// [`call`] with a decoding of the caller's own.
pub(crate) async fn call_with<T>(
    core: &Core,
    options: &CallOptions,
    request: &Request,
    decode: impl Fn(Reply) -> Result<T, Error>,
) -> Result<T, Error> {
    let span = tracing::debug_span!(
        "es_snapshot.call",
        operation = request.operation.as_str(),
        repository = request.repository.as_ref().map(tracing::field::display),
        snapshot = request.snapshot.as_ref().map(tracing::field::display),
        attempts = tracing::field::Empty,
        outcome = tracing::field::Empty,
    );
    let timed = options.master_timeout.map(|limit| request.with_master_timeout(limit));
    let mut attempts = 0;
    let run = attempts_of(core, options, timed.as_ref().unwrap_or(request), &decode, &mut attempts);
    let result = run.instrument(span.clone()).await;
    span.record("attempts", attempts);
    record_outcome(&span, &result);
    result.map_err(|error| error.during(request.operation, attempts))
}

/// Records what came of something in its span. The current span may be another, if nobody wants that one.
pub(crate) fn record_outcome<T>(span: &Span, result: &Result<T, Error>) {
    match result {
        Ok(_) => span.record("outcome", "done"),
        Err(error) => span.record("outcome", tracing::field::debug(error.kind())),
    };
}

async fn attempts_of<T>(
    core: &Core,
    options: &CallOptions,
    request: &Request,
    decode: &impl Fn(Reply) -> Result<T, Error>,
    attempts: &mut u32,
) -> Result<T, Error> {
    let deadline = core.clock.monotonic().saturating_add(options.timeouts.call);
    let mut history = retry::History::default();
    let mut lost = false;
    loop {
        let left = deadline.saturating_sub(core.clock.monotonic());
        *attempts += 1;
        let attempt = attempt(core, options, request, left).await;
        let failure = match attempt.result.and_then(decode) {
            Ok(value) => {
                core.tokens.succeeded();
                return Ok(value);
            }
            Err(error) => {
                let skew_learned = core.skew.millis().abs_diff(attempt.skew_used) > 1000;
                Failure { error, retry_after: attempt.retry_after, skew_learned }
            }
        };
        // Also where this call may not be repeated: the next one would be refused alike.
        if let (ErrorKind::ExpiredToken, Some(credentials)) = (failure.error.kind(), &attempt.signed_with) {
            core.authorizer.reject(request.operation, credentials);
        }
        let left = deadline.saturating_sub(core.clock.monotonic());
        match retry::classify(request.replay, &failure, &mut history, &options.retry, left, &core.tokens, fastrand::f64()) {
            Verdict::Stop => return Err(if lost { failure.error.after_a_loss() } else { failure.error }),
            Verdict::Retry { after, why } => {
                lost |= request.replay != Replay::Read && failure.error.outcome() == Outcome::Unknown;
                tracing::info!(
                    attempt = *attempts,
                    reason = why,
                    wait_ms = u64::try_from(after.as_millis()).ok(),
                    "repeating a request"
                );
                core.clock.sleep(after).await;
            }
        }
    }
}

struct Attempt {
    result: Result<Reply, Error>,
    retry_after: Option<Duration>,
    /// The offset, in milliseconds, that this attempt's signature was dated with.
    skew_used: i64,
    signed_with: Option<aws_credential_types::Credentials>,
}

impl Attempt {
    fn unsent(error: Error) -> Self {
        Self { result: Err(error), retry_after: None, skew_used: 0, signed_with: None }
    }
}

/// Dates, signs and sends the request once.
async fn attempt(core: &Core, options: &CallOptions, request: &Request, left: Duration) -> Attempt {
    let no_time = || Attempt::unsent(Error::new(ErrorKind::Timeout, Outcome::NotSent, "no time is left for this call"));
    if left.is_zero() {
        return no_time();
    }
    let began = core.clock.monotonic();
    let skew_used = core.skew.millis();
    let now = core.now();
    let uri = core.endpoint.uri(&request.target);
    let content_type = (!request.body.is_empty()).then_some(JSON);
    let signable =
        Signable { operation: request.operation, method: request.method.as_str(), uri: &uri, content_type, body: &request.body };
    let authorization = match select(pin!(core.authorizer.authorize(signable, now, left)), core.clock.timeout(left)).await {
        Either::Left((Ok(authorization), _)) => authorization,
        Either::Left((Err(error), _)) => return Attempt { skew_used, ..Attempt::unsent(error) },
        Either::Right(_) => return no_time(),
    };
    let mut wire = http::Request::builder().method(request.method.clone()).uri(&uri).header(HOST, core.endpoint.authority());
    if let Some(content_type) = content_type {
        wire = wire.header(CONTENT_TYPE, content_type);
    }
    wire = wire.header(USER_AGENT, &core.user_agent);
    if let Some(id) = &options.opaque_id {
        wire = wire.header(OPAQUE_ID, id);
    }
    for (name, value) in authorization.headers {
        wire = wire.header(name, value);
    }
    let mut wire = match wire.body(request.body.clone()) {
        Ok(wire) => wire,
        Err(error) => return Attempt::unsent(Error::invalid("request cannot be put together").with_source(error)),
    };
    wire.extensions_mut().insert(request.operation);
    let departure = Departure::default();
    wire.extensions_mut().insert(departure.clone());

    let sent = core.clock.monotonic();
    let limit = options.timeouts.attempt.min(left.saturating_sub(sent.saturating_sub(began)));
    if limit.is_zero() {
        return no_time();
    }
    let mut received = None;
    let mut retry_after = None;
    // One that is over time is dropped here, so that it is known what became of it.
    let exchanged = match select(pin!(exchange(core, options, wire)), core.clock.timeout(limit)).await {
        Either::Left((exchanged, _)) => Some(exchanged),
        Either::Right(_) => None,
    };
    let result = match exchanged {
        Some(Ok((head, body))) => {
            core.skew.learn(&head.headers, core.clock.wall(), core.clock.monotonic().saturating_sub(sent));
            retry_after = head.headers.get(RETRY_AFTER).and_then(|value| parse_retry_after(value.to_str().ok()?, core.now()));
            received = Some(head.status.as_u16());
            judge(&head, Reply { status: head.status, body, secrets: authorization.secrets })
        }
        Some(Err(error)) => Err(error),
        None if departure.is_unsent() => {
            Err(Error::new(ErrorKind::Connect, Outcome::NotSent, format!("no connection within {limit:?}")))
        }
        None => Err(Error::new(ErrorKind::Timeout, Outcome::Unknown, format!("no whole answer within {limit:?}"))),
    };
    tracing::debug!(status = received, "attempt");
    Attempt { result, retry_after, skew_used, signed_with: authorization.signed_with }
}

/// The answer of one attempt, received whole.
async fn exchange(
    core: &Core,
    options: &CallOptions,
    wire: http::Request<Bytes>,
) -> Result<(http::response::Parts, Bytes), Error> {
    let response = core.transport.call(wire, core.endpoint.target()).await.map_err(broken_off)?;
    let (head, mut body) = response.into_parts();
    let mut bytes = BytesMut::new();
    loop {
        let frame = match select(next_frame(&mut body), core.clock.timeout(options.timeouts.read)).await {
            Either::Left((None, _)) => return Ok((head, bytes.freeze())),
            Either::Left((Some(frame), _)) => frame.map_err(broken_off)?,
            Either::Right(((), _)) => {
                let message = format!("nothing more of the answer came within {:?}", options.timeouts.read);
                return Err(Error::new(ErrorKind::Timeout, Outcome::Unknown, message));
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > core.reply_limit {
            let message =
                format!("more than {} bytes; SnapshotClientBuilder::max_reply_bytes raises the limit", core.reply_limit);
            return Err(Error::new(ErrorKind::ReplyTooLarge, Outcome::Unknown, message));
        }
        bytes.extend_from_slice(&data);
    }
}

fn next_frame(
    body: &mut Body,
) -> impl Future<Output = Option<Result<http_body::Frame<Bytes>, TransportError>>> + Unpin + use<'_> {
    std::future::poll_fn(move |cx| Pin::new(&mut *body).poll_frame(cx))
}

fn broken_off(error: TransportError) -> Error {
    if error.is_not_sent() {
        Error::new(ErrorKind::Connect, Outcome::NotSent, "").with_source(error)
    } else {
        Error::new(ErrorKind::Interrupted, Outcome::Unknown, "").with_source(error)
    }
}

/// What a whole answer means, by its status.
fn judge(head: &http::response::Parts, reply: Reply) -> Result<Reply, Error> {
    if head.status.is_success() {
        return Ok(reply);
    }
    let request_id = head.headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let server = ServerError::parse(head.status.as_u16(), &reply.body, request_id, &reply.secrets());
    Err(Error::from_server(server))
}
