//! The response to one attempt: received whole, decoded, or turned into an error.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::StatusCode;
use http::header::LOCATION;
use http_body::Body as _;
use serde::de::DeserializeOwned;

use super::{CallOptions, Core};
use crate::call::skew::parse_date;
use crate::error::{ERROR_BODY, Error, ErrorKind, FailedResponse, Outcome, ServerError, cleaned};
use crate::transport::{Body, TransportError};

const REQUEST_ID: &str = "x-amzn-requestid";

/// A whole answer that means success.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// What the request carried and no error about this answer may repeat.
    pub(super) secrets: Vec<String>,
}

impl Reply {
    /// Decodes the body. The error names the JSON path and shows nothing else of the body, so serde's own words are left out.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.refuse_if_too_dense()?;
        // Paths cost time and memory, so only a response that is malformed gets one.
        if let Ok(value) = serde_json::from_slice(&self.body) {
            return Ok(value);
        }
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

    pub(super) fn refuse_if_too_dense(&self) -> Result<(), Error> {
        if is_too_dense(&self.body) {
            let text = "the response consists of more values than any server writes";
            return Err(Error::new(ErrorKind::Decode, Outcome::Unknown, text));
        }
        Ok(())
    }

    pub(crate) fn secrets(&self) -> Vec<&str> {
        self.secrets.iter().map(String::as_str).collect()
    }
}

/// Whether a document is large and consists of next to nothing but brackets, commas and digits, such as `[0,0,0]`. A decoded
/// value takes some thirty bytes however short it is, and no server writes values of fewer than six on average.
fn is_too_dense(json: &[u8]) -> bool {
    const SMALL: usize = 64 << 10;
    const SHORTEST: usize = 6;
    if json.len() <= SMALL {
        return false;
    }
    let (mut in_text, mut is_escaped, mut values) = (false, false, 0_usize);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => values += 1,
            _ => {}
        }
    }
    json.len() / SHORTEST < values
}

/// The response to one attempt.
pub(super) struct Received {
    pub(super) head: http::response::Parts,
    pub(super) body: Bytes,
    /// What kept the rest of the body from being read, if the status says enough without it.
    pub(super) cut: Option<Error>,
}

/// Sends the request, and receives the response: whole if it means success, or else as much of it as an error reads. A
/// failure whose body breaks off is still the failure that its status names.
pub(super) async fn exchange(core: &Core, options: &CallOptions, wire: http::Request<Bytes>) -> Result<Received, Error> {
    let sent = core.clock.monotonic();
    let response = core.transport.call(wire, core.endpoint.target()).await.map_err(TransportError::into_error)?;
    // Now, because a body may take its time and the `Date` is older than it.
    core.skew.learn(response.headers(), core.clock.wall(), core.clock.monotonic().saturating_sub(sent));
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    match read(core, options, &head, &mut body, &mut bytes).await {
        Err(error) if head.status.is_success() => Err(error),
        read => {
            bytes.shrink_to_fit();
            Ok(Received { head, body: bytes.into(), cut: read.err() })
        }
    }
}

async fn read(
    core: &Core,
    options: &CallOptions,
    head: &http::response::Parts,
    body: &mut Body,
    bytes: &mut Vec<u8>,
) -> Result<(), Error> {
    loop {
        let frame = match select(next_frame(body), core.clock.timeout(options.timeouts.read)).await {
            Either::Left((None, _)) => return Ok(()),
            Either::Left((Some(frame), _)) => frame.map_err(TransportError::into_error)?,
            Either::Right(((), _)) => {
                let message = format!("nothing more of the answer came within {:?}", options.timeouts.read);
                return Err(Error::new(ErrorKind::Timeout, Outcome::Unknown, message));
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        if !head.status.is_success() {
            let room = ERROR_BODY - bytes.len();
            bytes.extend_from_slice(data.get(..room).unwrap_or(&data));
            if data.len() >= room {
                return Ok(());
            }
            continue;
        }
        if bytes.len() + data.len() > core.reply_limit {
            let message =
                format!("more than {} bytes; SnapshotClientBuilder::max_response_bytes raises the limit", core.reply_limit);
            return Err(Error::new(ErrorKind::ResponseTooLarge, Outcome::Unknown, message));
        }
        make_room(bytes, data.len(), body.size_hint().upper());
        bytes.extend_from_slice(&data);
    }
}

/// Doubles the room, but for no more than is still to come.
fn make_room(bytes: &mut Vec<u8>, now: usize, later: Option<u64>) {
    let needed = bytes.len() + now;
    if needed > bytes.capacity() {
        let doubled = needed.max(2 * bytes.capacity());
        let whole = later.and_then(|later| needed.checked_add(usize::try_from(later).ok()?));
        let room = whole.map_or(doubled, |whole| whole.min(doubled));
        bytes.reserve_exact(room - bytes.len());
    }
}

fn next_frame(
    body: &mut Body,
) -> impl Future<Output = Option<Result<http_body::Frame<Bytes>, TransportError>>> + Unpin + use<'_> {
    std::future::poll_fn(move |cx| Pin::new(&mut *body).poll_frame(cx))
}

/// What a response means, by its status; `signed` says whether the request was.
pub(super) fn judge(head: &http::response::Parts, reply: Reply, cut: Option<Error>, signed: bool) -> Result<Reply, Error> {
    if head.status.is_success() {
        return Ok(reply);
    }
    let header = |name: &str| head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let error = Error::from_server(ServerError::read(&FailedResponse {
        status: head.status.as_u16(),
        body: &reply.body,
        request_id: header(REQUEST_ID).as_deref(),
        location: header(LOCATION.as_str()).as_deref(),
        signed,
        secrets: &reply.secrets(),
    }));
    Err(match cut {
        Some(cut) => error.with_message("the response could not be read to its end").with_source(cut),
        None => error,
    })
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
pub(super) fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let seconds = text.trim().parse().ok().map(Duration::from_secs);
    seconds.or_else(|| parse_date(text)?.duration_since(now).ok())
}
