//! A transport that is one function.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};

use crate::clock::BoxFuture;
use crate::endpoint::ConnectTarget;
use crate::transport::{Body, Transport, TransportError};

/// Returns a transport that passes each request to a function, and keeps the requests.
///
/// For canned responses, and for what no domain would do. [`FakeDomain`](super::FakeDomain) is
/// better at everything that has a state. Clones share the log.
///
/// ```
/// use es_snapshot::SnapshotClient;
/// use es_snapshot::testing::transport_fn;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// let transport = transport_fn(|_| Ok(http::Response::new("{}".into())));
/// let client =
///     SnapshotClient::builder("http://localhost:9200").transport(transport.clone()).build()?;
///
/// assert!(client.repositories().await?.is_empty());
/// assert_eq!(transport.requests()[0].uri().path(), "/_snapshot");
/// # Ok(())
/// # }
/// ```
pub fn transport_fn<F>(respond: F) -> TransportFn
where
    F: Fn(&Request<Bytes>) -> Result<Response<Bytes>, TransportError> + Send + Sync + 'static,
{
    TransportFn { respond: Arc::new(respond), requests: Arc::default() }
}

type Respond = dyn Fn(&Request<Bytes>) -> Result<Response<Bytes>, TransportError> + Send + Sync;

/// A transport made by [`transport_fn`].
#[derive(Clone)]
pub struct TransportFn {
    respond: Arc<Respond>,
    requests: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl TransportFn {
    /// Returns the requests that have arrived, the first one first.
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
        let response = (self.respond)(&request).map(|response| response.map(Body::from));
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        Box::pin(std::future::ready(response))
    }
}
