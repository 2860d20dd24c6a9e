//! One attempt: dates, signs and sends a request, and decodes the response.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderName, HeaderValue, Uri};

use super::response::{Response, failure, parse_retry_after};
use super::{CallOptions, Core};
use crate::auth::Signable;
use crate::auth::credentials::Grant;
use crate::clock::within;
use crate::error::{Error, ErrorKind, Outcome};
use crate::request::Request;
use crate::transport::{SendRecord, TransportError};

const OPAQUE_ID: HeaderName = HeaderName::from_static("x-opaque-id");
const JSON: &str = "application/json";
/// The usual number of headers of a request, including those that transports add.
const HEADERS: usize = 10;

pub(super) struct Attempt<T> {
    pub(super) result: Result<T, Error>,
    pub(super) retry_after: Option<Duration>,
    /// The clock offset with which the signature was dated, in milliseconds.
    pub(super) skew_used: i64,
    pub(super) signed_with: Option<Grant>,
}

impl<T> Attempt<T> {
    fn unsent(error: Error) -> Self {
        Self { result: Err(error), retry_after: None, skew_used: 0, signed_with: None }
    }

    fn out_of_time(options: &CallOptions) -> Self {
        let message = format!(
            "the call's limit of {:?} ran out before the request was sent; `Timeouts::with_call` raises it",
            options.timeouts.call
        );
        Self::unsent(Error::new(ErrorKind::Timeout, Outcome::NotSent, message))
    }
}

/// Dates, signs and sends the request once, and decodes the response. The attempt began at `began`
/// on the monotonic clock. `left` is the rest of the call's limit.
pub(super) async fn attempt<T, F>(
    core: &Arc<Core>,
    options: &CallOptions,
    request: &Request,
    decode: &impl Fn(Response) -> F,
    began: Duration,
    left: Duration,
) -> Attempt<T>
where
    F: Future<Output = Result<T, Error>>,
{
    if left.is_zero() {
        return Attempt::out_of_time(options);
    }
    let skew_used = core.skew.millis();
    let now = core.now();
    let uri = core.endpoint.uri(&request.target);
    let content_type = (!request.body.is_empty()).then_some(JSON);
    let signable = Signable {
        operation: request.operation,
        method: request.method.as_str(),
        uri: &uri,
        content_type,
        body: &request.body,
    };
    let authorization = match within(&*core.clock, left, pin!(core.authorizer.authorize(signable, now, left))).await {
        Some(Ok(authorization)) => authorization,
        Some(Err(error)) => return Attempt { skew_used, ..Attempt::unsent(error) },
        None => {
            let message =
                format!("the credential provider did not respond within {left:?}, the rest of the call's limit");
            return Attempt::unsent(Error::new(ErrorKind::Timeout, Outcome::NotSent, message));
        }
    };
    let uri = match Uri::try_from(uri) {
        Ok(uri) => uri,
        Err(error) => return Attempt::unsent(Error::invalid("the URL of the request is not valid").with_source(error)),
    };
    let mut wire = http::Request::new(request.body.clone());
    *wire.method_mut() = request.method.clone();
    *wire.uri_mut() = uri;
    let headers = wire.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(HOST, core.endpoint.host_header().clone());
    if content_type.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    }
    headers.insert(USER_AGENT, core.user_agent.clone());
    if let Some(id) = &options.opaque_id {
        let Ok(id) = HeaderValue::from_str(id) else {
            let message = format!("opaque id {id:?} cannot be sent in a header, expected visible ASCII and spaces");
            return Attempt::unsent(Error::invalid(message));
        };
        headers.insert(OPAQUE_ID, id);
    }
    for (name, value) in authorization.headers {
        headers.insert(name, value);
    }
    wire.extensions_mut().insert(request.operation);
    let send_record = SendRecord::default();
    wire.extensions_mut().insert(send_record.clone());

    let sent = core.clock.monotonic();
    let limit = options.timeouts.attempt.min(left.saturating_sub(sent.saturating_sub(began)));
    if limit.is_zero() {
        return Attempt::out_of_time(options);
    }
    let mut status = None;
    let mut retry_after = None;
    let signed = authorization.signed_with.is_some();
    let exchange = async {
        let response = core.transport.call(wire, core.endpoint.target()).await.map_err(TransportError::into_error)?;
        // Before the body is read, because that can take long and would distort the offset.
        core.skew.learn(response.headers(), core.clock.wall(), core.clock.monotonic().saturating_sub(sent));
        let (head, body) = response.into_parts();
        status = Some(head.status.as_u16());
        retry_after =
            head.headers.get(RETRY_AFTER).and_then(|value| parse_retry_after(value.to_str().ok()?, core.now()));
        if head.status.is_success() {
            decode(Response::new(core, options, head.status, body, authorization.secrets)).await
        } else {
            Err(failure(core, options, &head, body, signed, &authorization.secrets).await)
        }
    };
    // An exchange over the limit is dropped here, so `send_record` shows whether it was sent.
    let exchanged = within(&*core.clock, limit, pin!(exchange)).await;
    let result = match exchanged {
        Some(result) => result,
        None if send_record.is_unsent() => {
            Err(Error::new(ErrorKind::Connect, Outcome::NotSent, format!("no connection within {limit:?}")))
        }
        None => Err(Error::new(ErrorKind::Timeout, Outcome::Unknown, format!("no complete response within {limit:?}"))),
    };
    tracing::debug!(status, "attempt");
    Attempt { result, retry_after, skew_used, signed_with: authorization.signed_with }
}
