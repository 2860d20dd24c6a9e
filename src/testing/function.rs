//! A transport that passes each request to a function.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use crate::clock::BoxFuture;
use crate::endpoint::ConnectTarget;
use crate::transport::{Body, Transport, TransportError};

/// Returns a transport that passes each request to a function, and keeps the requests.
///
/// Use it for canned responses, and for responses that no domain would send. Use
/// [`FakeDomain`](super::FakeDomain) for everything that has a state.
///
/// The function returns a response, for example one made with [`response`]. To set headers, or to
/// send the [`Body`] in pieces, build the [`Response`] yourself. Clones share the list of requests.
///
/// ```
/// use es_snapshot::testing::{response, transport_fn};
/// use es_snapshot::{ErrorKind, SnapshotClient};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// let transport = transport_fn(|request| match request.uri().path() {
///     "/_snapshot" => Ok(response(200, "{}")),
///     _ => Ok(response(403, r#"{"Message":"not allowed"}"#)),
/// });
/// let client =
///     SnapshotClient::builder("http://localhost:9200").transport(transport.clone()).build()?;
///
/// assert!(client.repositories().await?.is_empty());
/// assert_eq!(client.server_info().await.unwrap_err().kind(), ErrorKind::AccessDenied);
/// assert_eq!(transport.requests()[0].uri().path(), "/_snapshot");
/// # Ok(())
/// # }
/// ```
pub fn transport_fn<F>(respond: F) -> TransportFn
where
    F: Fn(&Request<Bytes>) -> Result<Response<Body>, TransportError> + Send + Sync + 'static,
{
    TransportFn { respond: Arc::new(respond), requests: Arc::default() }
}

/// Returns a response with this status and body, and without headers.
///
/// ```
/// use es_snapshot::testing::response;
///
/// let throttled = response(429, r#"{"Message":"Rate exceeded"}"#);
/// assert_eq!(throttled.status(), 429);
/// ```
///
/// # Panics
///
/// Panics if the status is not between 100 and 999.
#[must_use]
pub fn response(status: u16, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or_else(|error| panic!("{error} `{status}`, expected 100 to 999"));
    response
}

type Respond = dyn Fn(&Request<Bytes>) -> Result<Response<Body>, TransportError> + Send + Sync;

/// A [`Transport`] made by [`transport_fn`].
#[derive(Clone)]
pub struct TransportFn {
    respond: Arc<Respond>,
    requests: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl TransportFn {
    /// Returns the requests that have arrived, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for TransportFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransportFn(..)")
    }
}

impl Transport for TransportFn {
    fn call<'a>(
        &'a self,
        request: Request<Bytes>,
        _target: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<Response<Body>, TransportError>> {
        let response = (self.respond)(&request);
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        Box::pin(std::future::ready(response))
    }
}
