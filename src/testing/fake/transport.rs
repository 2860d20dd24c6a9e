//! The way in without sockets.

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
use crate::testing::relay::Spoil;
use crate::transport::{Body, Transport, TransportError};

/// A [`Transport`] that calls a [`FakeDomain`](super::FakeDomain) directly, without sockets; see
/// [`FakeDomain::transport`](super::FakeDomain::transport). Clones lead to the same domain.
///
/// A request arrives when its call is first polled. What a [`Fault`](crate::testing::Fault) does to
/// it is the same as over sockets, except that time passes by the domain's clock alone. Dropping a
/// call takes nothing back: the domain has carried the request out, or will.
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
    match response.spoil {
        None => into_http(response, whole.len(), whole.into()),
        Some(Spoil::Drop) => Err(closed()),
        Some(Spoil::Restart) => {
            shared.hang_up();
            Err(closed())
        }
        Some(Spoil::Delay(by)) => {
            hold(shared, by).await?;
            into_http(response, whole.len(), whole.into())
        }
        Some(Spoil::Truncate) => {
            let half = whole.slice(..whole.len() / 2);
            let pieces = stream::iter([Ok(Frame::data(half)), Err(closed())]);
            into_http(response, whole.len(), Body::new(StreamBody::new(pieces)))
        }
        Some(Spoil::Trickle(pause)) => {
            let length = whole.len();
            let pieces = stream::unfold((Arc::clone(shared), whole), move |(shared, mut rest)| async move {
                if rest.is_empty() {
                    return None;
                }
                let first = rest.split_to(1);
                // The pause comes after a byte; the client waits for it before the next one, or for the end.
                Some((hold(&shared, pause).await.map(|()| Frame::data(first)), (shared, rest)))
            });
            into_http(response, length, Body::new(StreamBody::new(pieces)))
        }
    }
}

/// Lets time pass on the domain's clock, unless the connections are closed meanwhile.
async fn hold(shared: &Shared, by: Duration) -> Result<(), TransportError> {
    match select(pin!(shared.hung_up.notified()), pin!(shared.hold(by))).await {
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
