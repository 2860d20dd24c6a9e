//! Makes calls: attempts, signing, time limits and decoding. [`Session`] has a method for each.

mod attempt;
mod gather;
mod listing;
pub(crate) mod queue;
pub(crate) mod read;
mod response;
mod skew;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use serde::de::DeserializeOwned;
use tracing::{Instrument as _, Span};

use crate::auth::Authorizer;
use crate::call::attempt::attempt;
use crate::clock::{Clock, NoRuntime};
use crate::config::{RetryPolicy, Timeouts};
use crate::endpoint::Endpoint;
use crate::entropy::Entropy;
use crate::error::{Context, Error, ErrorKind, Operation, Outcome};
use crate::request::{Replay, Request};
use crate::retry::{self, Failure, RetryBudget, Verdict};
use crate::transport::Transport;

pub(crate) use response::{Response, WholeResponse};
pub(crate) use skew::ClockSkew;

/// What all calls of a client and of its clones share.
pub(crate) struct Core {
    pub(crate) endpoint: Endpoint,
    /// Whether secrets may be sent: the connection is confidential, or the caller has consented.
    pub(crate) is_confidential: bool,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) authorizer: Authorizer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Entropy,
    pub(crate) skew: ClockSkew,
    pub(crate) budget: RetryBudget,
    pub(crate) user_agent: HeaderValue,
    pub(crate) response_limit: usize,
}

impl Core {
    /// The domain's time, as far as its responses have shown it.
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

/// The options of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallOptions {
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: RetryPolicy,
    pub(crate) opaque_id: Option<String>,
    /// How long to wait for another operation that is already running.
    pub(crate) queue: Duration,
    /// How long the server waits for an elected master. `None` leaves its default.
    pub(crate) master_timeout: Option<Duration>,
}

/// A client's access to its domain, with the options of its calls. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) core: Arc<Core>,
    pub(crate) options: CallOptions,
}

impl Session {
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.core.clock
    }

    /// Returns a session with changed options.
    pub(crate) fn with(&self, change: impl FnOnce(&mut CallOptions)) -> Self {
        let mut this = self.clone();
        change(&mut this.options);
        this
    }

    /// Returns a session whose calls take at most this long, or less if their limit is shorter.
    pub(crate) fn with_limit(&self, limit: Duration) -> Self {
        self.with(|options| options.timeouts = options.timeouts.with_call(limit.min(options.timeouts.call)))
    }

    /// Returns a session for polls and checks. It has fewer attempts, because another one follows.
    pub(crate) fn for_polling(&self) -> Self {
        self.with(|options| options.retry = options.retry.for_polling())
    }

    /// Sends a request, retries it where that is permitted, and decodes the response.
    pub(crate) async fn call<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Error> {
        self.call_with(request, |response| response.decode()).await
    }

    /// Like [`call`](Self::call), with another decoder.
    pub(crate) async fn call_with<T>(
        &self,
        request: &Request,
        decode: impl Fn(WholeResponse) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let decode = &decode;
        self.call_decoding(request, |response| async move { decode(response.whole().await?) }).await
    }

    /// Like [`call_with`](Self::call_with), with a decoder that runs while the response arrives.
    pub(crate) async fn call_decoding<T, F>(
        &self,
        request: &Request,
        decode: impl Fn(Response) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let Self { core, options } = self;
        let span = tracing::debug_span!(
            "es_snapshot.call",
            operation = request.operation.as_str(),
            repository = request.repository.as_ref().map(tracing::field::display),
            snapshot = request.snapshot.as_ref().map(tracing::field::display),
            attempts = tracing::field::Empty,
            outcome = tracing::field::Empty,
        );
        let timed = options.master_timeout.map(|limit| request.with_master_timeout(limit));
        let request = timed.as_ref().unwrap_or(request);
        let mut attempts = 0;
        let run = run_attempts(core, options, request, &decode, &mut attempts);
        let result = run.instrument(span.clone()).await;
        span.record("attempts", attempts);
        record_outcome(&span, &result);
        result.map_err(|error| {
            let is_raw_write = request.operation == Operation::Raw && request.replay != Replay::Read;
            let error = error.during(request.operation, attempts).with_context(context(&core.endpoint, request));
            if is_raw_write { error.of_raw_write() } else { error }
        })
    }
}

/// What an error keeps of its request. The query of a raw request may contain secrets, so it is
/// left out.
fn context(endpoint: &Endpoint, request: &Request) -> Context {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let host = endpoint.host_header().to_str().unwrap_or_default();
    Context {
        host: host.to_owned(),
        region: endpoint.region().map(str::to_owned),
        is_tunnelled: endpoint.is_tunnelled(),
        method: request.method.clone(),
        prefix: endpoint.prefix().to_owned(),
        path: path.to_owned(),
        query: (request.operation != Operation::Raw).then(|| query.to_owned()),
        repository: request.repository.as_ref().map(ToString::to_string),
        snapshot: request.snapshot.as_ref().map(ToString::to_string),
        storage: None,
    }
}

/// Records the result of a call or an operation in its span. The span is an argument, because it is
/// not the current one if no subscriber enables it.
pub(crate) fn record_outcome<T>(span: &Span, result: &Result<T, Error>) {
    match result {
        Ok(_) => span.record("outcome", "done"),
        Err(error) => span.record("outcome", tracing::field::debug(error.kind())),
    };
}

async fn run_attempts<T, F>(
    core: &Arc<Core>,
    options: &CallOptions,
    request: &Request,
    decode: &impl Fn(Response) -> F,
    attempts: &mut u32,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    if !core.clock.can_wait() {
        return Err(Error::invalid(NoRuntime.to_string()));
    }
    let mut now = core.clock.monotonic();
    let deadline = now.saturating_add(options.timeouts.call);
    let mut history = retry::History::default();
    let mut lost = false;
    loop {
        *attempts += 1;
        let attempt = attempt(core, options, request, decode, now, deadline.saturating_sub(now)).await;
        let mut failure = match attempt.result {
            Ok(value) => {
                core.budget.succeeded();
                return Ok(value);
            }
            Err(error) => {
                let skew_learned = core.skew.millis().abs_diff(attempt.skew_used) > 1000;
                Failure { error, retry_after: attempt.retry_after, skew_learned }
            }
        };
        // Rejects the key even if this call is not retried, because the next call would fail too.
        if let (ErrorKind::ExpiredToken, Some(grant)) = (failure.error.kind(), attempt.signed_with) {
            core.authorizer.reject(request.operation, grant.key.credentials());
            if let Some(why_not_renewed) = grant.failure {
                failure.error = failure.error.with_source(why_not_renewed);
            }
        }
        let left = deadline.saturating_sub(core.clock.monotonic());
        match retry::classify(
            request.replay,
            &failure,
            &mut history,
            &options.retry,
            left,
            &core.budget,
            core.entropy.fraction(),
        ) {
            Verdict::Stop => return Err(if lost { failure.error.after_lost_response() } else { failure.error }),
            Verdict::Retry { after, why } => {
                lost |= request.replay != Replay::Read && failure.error.outcome() == Outcome::Unknown;
                tracing::info!(
                    attempt = *attempts,
                    reason = why,
                    wait_ms = u64::try_from(after.as_millis()).ok(),
                    "repeating a request"
                );
                core.clock.sleep(after).await;
                now = core.clock.monotonic();
            }
        }
    }
}
