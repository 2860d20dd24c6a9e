//! The entry point without sockets.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;

use super::Shared;
use super::response::FakeResponse;
use crate::clock::BoxFuture;
use crate::endpoint::ConnectTarget;
use crate::testing::edge::Arrival;
use crate::testing::relay::Disruption;
use crate::transport::{Body, Transport, TransportError};

/// A [`Transport`] that passes requests to a [`FakeDomain`](super::FakeDomain) without sockets.
///
/// [`FakeDomain::transport`](super::FakeDomain::transport) returns it. Clones lead to the same
/// domain.
///
/// A request arrives when its call is first polled. A [`Fault`](crate::testing::Fault) acts on it
/// as over sockets, but time passes on the domain's clock only. Dropping the call then does not
/// cancel the request: the domain has carried it out, or still will.
#[derive(Clone)]
pub struct FakeTransport(pub(super) Arc<Shared>);

impl fmt::Debug for FakeTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeTransport(..)")
    }
}

impl Transport for FakeTransport {
    fn call<'a>(
        &'a self,
        request: Request<Bytes>,
        _target: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<Response<Body>, TransportError>> {
        Box::pin(exchange(&self.0, request))
    }
}

async fn exchange(shared: &Arc<Shared>, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
    let (head, body) = request.into_parts();
    let arrival = Arrival {
        method: head.method.as_str().to_owned(),
        target: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: head.headers,
        body: body.to_vec(),
    };
    if shared.is_stopped() {
        return Err(TransportError::not_sent("connection refused"));
    }
    let mut response = shared.serve(&arrival);
    if head.method == Method::HEAD {
        response.body.clear();
    }
    let whole = Bytes::from(std::mem::take(&mut response.body));
    match response.disruption {
        None => into_http(response, whole.len(), whole.into()),
        Some(Disruption::Drop) => Err(closed()),
        Some(Disruption::Restart) => {
            shared.close_connections();
            Err(closed())
        }
        Some(Disruption::Delay(by)) => {
            hold(shared, by).await?;
            into_http(response, whole.len(), whole.into())
        }
        Some(Disruption::Truncate) => {
            let half = whole.slice(..whole.len() / 2);
            let pieces = stream::iter([Ok(Frame::data(half)), Err(closed())]);
            into_http(response, whole.len(), Body::new(StreamBody::new(pieces)))
        }
        Some(Disruption::Trickle(pause)) => {
            let length = whole.len();
            let pieces = stream::unfold((Arc::clone(shared), whole), move |(shared, mut rest)| async move {
                if rest.is_empty() {
                    return None;
                }
                let first = rest.split_to(1);
                // The pause precedes each byte. Over sockets it follows each one. The sum is equal.
                Some((hold(&shared, pause).await.map(|()| Frame::data(first)), (shared, rest)))
            });
            into_http(response, length, Body::new(StreamBody::new(pieces)))
        }
    }
}

/// Lets time pass on the domain's clock. Fails if the connections are closed before that.
async fn hold(shared: &Shared, by: Duration) -> Result<(), TransportError> {
    match select(pin!(shared.connections_closed.notified()), pin!(shared.hold(by))).await {
        Either::Left(_) => Err(closed()),
        Either::Right(_) => Ok(()),
    }
}

fn closed() -> TransportError {
    TransportError::unknown("connection closed before the response was complete")
}

fn into_http(response: FakeResponse, length: usize, body: Body) -> Result<Response<Body>, TransportError> {
    let head = Response::builder()
        .status(response.status)
        .header(CONTENT_TYPE, response.content_type)
        .header(CONTENT_LENGTH, length);
    let head = response.headers.into_iter().fold(head, |head, (name, value)| head.header(name, value));
    head.body(body).map_err(TransportError::unknown)
}
