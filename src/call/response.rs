//! The response to one attempt. A success is decoded while it arrives or when it is complete. A
//! failure becomes an error.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use http::header::LOCATION;
use http_body::Body as _;
use serde::de::DeserializeOwned;

use super::{CallOptions, Core};
use crate::auth::Secrets;
use crate::call::skew::parse_date;
use crate::clock::within;
use crate::error::{ERROR_BODY, Error, ErrorKind, FailedResponse, Outcome, ServerError, cleaned};
use crate::pieces::{Chunks, consists_of_too_many_values, pause};
use crate::transport::{Body, TransportError};

const REQUEST_ID: &str = "x-amzn-requestid";

/// A successful response while its body arrives.
pub(crate) struct Response {
    status: StatusCode,
    core: Arc<Core>,
    /// How long the client waits for each piece of the body.
    gap: Duration,
    body: Body,
    /// The length of the body, if it is known.
    pub(super) length: Option<usize>,
    /// How long a body may be that is kept in memory.
    pub(super) limit: usize,
    pub(super) secrets: Secrets,
}

impl Response {
    pub(super) fn new(
        core: &Arc<Core>,
        options: &CallOptions,
        status: StatusCode,
        body: Body,
        secrets: Secrets,
    ) -> Self {
        let length = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        let (gap, limit) = (options.timeouts.read, core.response_limit);
        Self { status, core: Arc::clone(core), gap, body, length, limit, secrets }
    }

    /// Returns the body as a stream of pieces.
    pub(super) fn into_chunks(self) -> Chunks {
        let Self { core, gap, body, .. } = self;
        Box::pin(stream::try_unfold((core, body), move |(core, mut body)| async move {
            Ok(next_data(&core, gap, &mut body).await?.map(|data| (data, (core, body))))
        }))
    }

    /// Returns the body as a stream of pieces. It fails if the body has more bytes than this.
    pub(super) fn into_chunks_up_to(self, limit: usize) -> Chunks {
        let mut read = 0_usize;
        Box::pin(self.into_chunks().map(move |chunk| {
            let chunk = chunk?;
            read = read.saturating_add(chunk.len());
            if read > limit { Err(too_large(limit)) } else { Ok(chunk) }
        }))
    }

    /// Waits for the whole body.
    pub(crate) async fn whole(mut self) -> Result<WholeResponse, Error> {
        let mut whole = Vec::new();
        while let Some(data) = next_data(&self.core, self.gap, &mut self.body).await? {
            if whole.len() + data.len() > self.limit {
                return Err(too_large(self.limit));
            }
            make_room(&mut whole, data.len(), self.length);
            whole.extend_from_slice(&data);
        }
        whole.shrink_to_fit();
        Ok(WholeResponse { status: self.status, body: whole.into(), secrets: self.secrets })
    }
}

pub(super) fn too_large(limit: usize) -> Error {
    let message = format!("more than {limit} bytes; `SnapshotClientBuilder::max_response_bytes` raises the limit");
    Error::new(ErrorKind::ResponseTooLarge, Outcome::Unknown, message)
}

/// Waits for the next data of a body. Ignores trailers.
async fn next_data(core: &Core, limit: Duration, body: &mut Body) -> Result<Option<Bytes>, Error> {
    while !body.is_end_stream() {
        let Some(frame) = next_frame(core, limit, body).await? else { break };
        match frame.into_data() {
            Ok(data) if !data.is_empty() => return Ok(Some(data)),
            // Empty frames may follow one another without end, so other tasks get a turn.
            _ => pause().await,
        }
    }
    Ok(None)
}

async fn next_frame(core: &Core, limit: Duration, body: &mut Body) -> Result<Option<http_body::Frame<Bytes>>, Error> {
    let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
    // A frame that has arrived is returned even if the consumer asks for it late.
    if let Some(frame) = within(&*core.clock, limit, pin!(frame)).await {
        return frame.transpose().map_err(TransportError::into_error);
    }
    let message = format!("no further data of the response arrived within {limit:?}; `Timeouts::with_read` raises it");
    Err(Error::new(ErrorKind::Timeout, Outcome::Unknown, message))
}

/// Doubles the capacity, but not beyond the length of the whole body.
fn make_room(bytes: &mut Vec<u8>, now: usize, whole: Option<usize>) {
    let needed = bytes.len() + now;
    if needed > bytes.capacity() {
        let doubled = needed.max(2 * bytes.capacity());
        let room = whole.map_or(doubled, |whole| whole.clamp(needed, doubled));
        bytes.reserve_exact(room - bytes.len());
    }
}

/// A successful response that has arrived completely.
pub(crate) struct WholeResponse {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    secrets: Secrets,
}

impl WholeResponse {
    /// Decodes the body. Of the body the error shows only the JSON path. So it does not include
    /// serde's text, which quotes values.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        if consists_of_too_many_values(&self.body) {
            return Err(too_dense());
        }
        // Tracking paths costs time and memory, so it is done only for a malformed response.
        if let Ok(value) = serde_json::from_slice(&self.body) {
            return Ok(value);
        }
        let mut json = serde_json::Deserializer::from_slice(&self.body);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            // The domain may also put secrets into names of fields.
            let path = cleaned(&error.path().to_string(), &self.secrets.texts());
            let at = format!("at {path} (line {}, column {})", error.inner().line(), error.inner().column());
            if error.inner().is_data() {
                Error::new(ErrorKind::Decode, Outcome::Unknown, format!("unexpected value {at}"))
            } else {
                Error::garbled(format!("incomplete or malformed JSON {at}"))
            }
        })?;
        json.end().map_err(|_| Error::garbled("expected one JSON value, and more follows it"))?;
        Ok(value)
    }
}

pub(super) fn too_dense() -> Error {
    let text = "the response has more JSON values for its length than any server writes";
    Error::new(ErrorKind::Decode, Outcome::Unknown, text)
}

/// Reads a failed response as far as an error keeps it. If the body breaks off, the error still
/// contains the status and what has arrived.
pub(super) async fn failure(
    core: &Core,
    options: &CallOptions,
    head: &http::response::Parts,
    mut body: Body,
    signed: bool,
    secrets: &Secrets,
) -> Error {
    let mut bytes = Vec::new();
    let cut = loop {
        let data = match next_data(core, options.timeouts.read, &mut body).await {
            Ok(Some(data)) => data,
            Ok(None) => break None,
            Err(error) => break Some(error),
        };
        let room = ERROR_BODY - bytes.len();
        bytes.extend_from_slice(data.get(..room).unwrap_or(&data));
        if data.len() >= room {
            break None;
        }
    };
    let header = |name: &str| head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let error = Error::from_server(ServerError::read(&FailedResponse {
        status: head.status.as_u16(),
        body: &bytes,
        request_id: header(REQUEST_ID).as_deref(),
        location: header(LOCATION.as_str()).as_deref(),
        signed,
        secrets: &secrets.texts(),
    }));
    match cut {
        Some(cut) => error.with_message("the response could not be read to its end").with_source(cut),
        None => error,
    }
}

/// Parses a number of seconds or a date (RFC 9110, section 10.2.3).
pub(super) fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let seconds = text.trim().parse().ok().map(Duration::from_secs);
    seconds.or_else(|| parse_date(text)?.duration_since(now).ok())
}
