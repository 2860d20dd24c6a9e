//! How requests leave: the trait [`Transport`], which a caller may implement, and the transport
//! over hyper (feature `hyper`).

#[cfg(feature = "hyper")]
mod hyper;

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt as _;

#[cfg(feature = "hyper")]
pub use hyper::{HyperTransport, HyperTransportBuilder, TrustRoots};

pub use crate::endpoint::ConnectTarget;

use crate::clock::{BoxFuture, NoRuntime};
use crate::error::{Error, ErrorKind, Outcome};

/// Sends one request and returns the head of its response. The body follows as a stream.
///
/// The request's URI is absolute. Its authority is what was signed: send it as `Host` (it is set
/// already) and show its host to TLS as the server name. Connect to `target`, which is another
/// address when a tunnel leads to the domain. The [`Operation`](crate::error::Operation) is in the
/// request's extensions.
///
/// One transport may serve clients of many endpoints.
///
/// # What may be added after signing
///
/// The request is signed when the transport receives it, if the client [signs](crate::Auth::sigv4).
/// The domain recomputes the signature from what arrives. Signed are
///
/// * the method, the path and the query, byte for byte;
/// * the body, by its hash;
/// * the headers `host` and `x-amz-date`, with a body `content-type`, with temporary credentials
///   `x-amz-security-token`, and `x-amz-content-sha256` where it is present. The list
///   `SignedHeaders` in `authorization` is complete.
///
/// Change nothing of this. So:
///
/// * Send path and query as they are: decode, normalise or reorder nothing.
/// * Do not compress the body.
/// * Neither replace a signed header nor add a second value to it.
/// * Follow no redirect and repeat nothing. The client repeats requests, each with a new signature.
///
/// Headers that are not signed may be added or changed, for example `connection`, `user-agent`,
/// `x-opaque-id`, and those of distributed tracing. A transport that adds `accept-encoding` has to
/// decode the response's body, because the client does not. `HyperTransport` does so with gzip.
///
/// # Examples
///
/// A transport that adds a header to the requests of another one:
///
/// ```
/// use bytes::Bytes;
/// use es_snapshot::clock::BoxFuture;
/// use es_snapshot::transport::{Body, ConnectTarget, Transport, TransportError};
/// use http::HeaderValue;
/// # use es_snapshot::testing::FakeDomain;
///
/// #[derive(Debug)]
/// struct Traced<T>(T);
///
/// impl<T: Transport> Transport for Traced<T> {
///     fn call<'a>(
///         &'a self,
///         mut request: http::Request<Bytes>,
///         target: &'a ConnectTarget,
///     ) -> BoxFuture<'a, Result<http::Response<Body>, TransportError>> {
///         request.headers_mut().insert("x-trace-id", HeaderValue::from_static("a1b2c3"));
///         self.0.call(request, target)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// # let domain = FakeDomain::with_repository("backups").await;
/// let transport = Traced(domain.transport());
/// let client = domain.client_builder().transport(transport).build()?;
/// // The signature is still right.
/// client.repositories().await?;
/// assert_eq!(domain.events()[0].headers["x-trace-id"], "a1b2c3");
/// # Ok(())
/// # }
/// ```
///
/// A transport that responds by itself:
///
/// ```
/// use bytes::Bytes;
/// use es_snapshot::SnapshotClient;
/// use es_snapshot::clock::BoxFuture;
/// use es_snapshot::transport::{Body, ConnectTarget, Transport, TransportError};
///
/// #[derive(Debug)]
/// struct Canned;
///
/// impl Transport for Canned {
///     fn call<'a>(
///         &'a self,
///         request: http::Request<Bytes>,
///         _target: &'a ConnectTarget,
///     ) -> BoxFuture<'a, Result<http::Response<Body>, TransportError>> {
///         Box::pin(async move {
///             assert_eq!(request.uri().path(), "/_snapshot");
///             let body = r#"{"nightly":{"type":"fs","settings":{"location":"n"}}}"#;
///             Ok(http::Response::new(Body::from(body)))
///         })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// let client = SnapshotClient::builder("http://localhost:9200").transport(Canned).build()?;
/// assert_eq!(client.repositories().await?.len(), 1);
/// # Ok(())
/// # }
/// ```
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends the request.
    ///
    /// # Errors
    ///
    /// A [`TransportError`] that shows whether the request can have reached the domain. When in
    /// doubt, it can.
    ///
    /// # Cancel safety
    ///
    /// The client may drop the future at any time, for example when a time limit ends. The domain
    /// may then have carried out the request.
    fn call<'a>(
        &'a self,
        request: http::Request<Bytes>,
        target: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<http::Response<Body>, TransportError>>;
}

impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn call<'a>(
        &'a self,
        request: http::Request<Bytes>,
        target: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<http::Response<Body>, TransportError>> {
        (**self).call(request, target)
    }
}

/// Among a request's extensions: how many calls of this crate's own transport were begun, and how
/// many of them were dropped without a connection.
///
/// A caller's transport may be around that one. It may make several calls of one, or let them go on
/// when its own is dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Departure(Arc<Calls>);

#[derive(Debug, Default)]
struct Calls {
    begun: AtomicUsize,
    unsent: AtomicUsize,
}

impl Departure {
    #[cfg(feature = "hyper")]
    pub(crate) fn begin(&self) {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a call was dropped and never had a connection. One that has ended does not count:
    /// the transport around it may have gone another way since.
    #[cfg(feature = "hyper")]
    pub(crate) fn dropped_unsent(&self) {
        self.0.unsent.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether no byte can have left.
    pub(crate) fn is_unsent(&self) -> bool {
        let (begun, unsent) = (self.0.begun.load(Ordering::Relaxed), self.0.unsent.load(Ordering::Relaxed));
        begun > 0 && begun == unsent
    }
}

/// The failure of a request that got no whole response, and whether the request can have arrived.
#[derive(Debug)]
pub struct TransportError {
    what: What,
    source: Box<dyn StdError + Send + Sync>,
}

#[derive(Debug)]
enum What {
    NotSent,
    Unknown,
    /// Not sent, and why no repetition can help.
    Lasting(String),
    /// Not sent, since the domain's name has no address.
    #[cfg_attr(not(feature = "hyper"), expect(dead_code, reason = "only that transport resolves names"))]
    Unresolved(String),
}

impl TransportError {
    /// Returns an error of a request of which no byte can have reached the domain, for example
    /// because no connection was made. The client may send it again.
    pub fn not_sent(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { what: What::NotSent, source: source.into() }
    }

    /// Returns an error of a request that may have reached the domain and may have been carried
    /// out. When in doubt, use this one.
    pub fn unknown(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { what: What::Unknown, source: source.into() }
    }

    /// Returns an error of a request of which no byte can have reached the domain, and none will
    /// until somebody changes a setting: for example because a certificate does not verify. The
    /// client sends nothing again, and waits end. Let `why` name the cause and the way out, because
    /// errors show it.
    pub fn lasting(why: impl Into<String>, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { what: What::Lasting(why.into()), source: source.into() }
    }

    #[cfg(feature = "hyper")]
    pub(crate) fn unresolved(why: String, source: Box<dyn StdError + Send + Sync>) -> Self {
        Self { what: What::Unresolved(why), source }
    }

    /// Returns whether the request certainly did not reach the domain.
    #[must_use]
    pub fn is_not_sent(&self) -> bool {
        !matches!(self.what, What::Unknown)
    }

    /// Returns whether no repetition can help until somebody changes a setting.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(self.what, What::Lasting(_))
    }

    /// Returns the error of a call that ends with this one.
    pub(crate) fn into_error(self) -> Error {
        let error = |kind, outcome, message| Error::new(kind, outcome, message);
        if self.source.is::<NoRuntime>() {
            return Error::invalid(NoRuntime.to_string());
        }
        match self.what {
            What::NotSent => error(ErrorKind::Connect, Outcome::NotSent, String::new()).with_source(self),
            What::Unknown => error(ErrorKind::Interrupted, Outcome::Unknown, String::new()).with_source(self),
            What::Lasting(why) => error(ErrorKind::Connect, Outcome::NotSent, why).with_source(self.source).lasting(),
            What::Unresolved(why) => {
                error(ErrorKind::Connect, Outcome::NotSent, why).with_source(self.source).unresolved()
            }
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::NotSent => f.write_str("request was not sent"),
            What::Unknown => f.write_str("connection failed after the request was sent"),
            What::Lasting(why) | What::Unresolved(why) => f.write_str(why),
        }
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

/// The body of a response, as it arrives.
pub struct Body(Pin<Box<dyn http_body::Body<Data = Bytes, Error = TransportError> + Send>>);

impl Body {
    /// Returns a body that reads from another one. Its errors become those of
    /// [`TransportError::unknown`].
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self(Box::pin(body.map_err(TransportError::unknown)))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::new(http_body_util::Full::new(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from(text).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(..)")
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        self.0.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.size_hint()
    }
}
