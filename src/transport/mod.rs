//! The layer that sends requests: the trait [`Transport`] and an implementation with hyper.
//!
//! A client uses `HyperTransport` (feature `hyper`) unless
//! [`SnapshotClientBuilder::transport`](crate::SnapshotClientBuilder::transport) sets another one.
//! Configure it for certificate authorities of your own, for client certificates, or to share its
//! connections among clients. Implement [`Transport`] to use another HTTP client, or to wrap
//! `HyperTransport`, for example for metrics.
//!
//! ```
//! use std::time::Duration;
//!
//! use es_snapshot::SnapshotClient;
//! use es_snapshot::transport::HyperTransport;
//!
//! let transport = HyperTransport::builder().connect_timeout(Duration::from_secs(3)).build()?;
//! let client = SnapshotClient::builder("http://localhost:9200").transport(transport).build()?;
//! # Ok::<(), es_snapshot::Error>(())
//! ```

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

/// A transport, which sends HTTP requests and returns their responses.
///
/// One transport can serve the clients of several endpoints.
///
/// # The request
///
/// * The URI is absolute. Its authority was signed. The header `Host` already contains it, and TLS
///   must use its host as the server name.
/// * The transport must connect to `target`. That is another address than the URI's if a tunnel
///   leads to the domain.
/// * The extensions of the request contain the [`Operation`](crate::error::Operation).
///
/// # What a transport may change
///
/// If the client [signs](crate::Auth::sigv4), the request is already signed when the transport
/// receives it. The domain computes the signature again from the request that arrives. The
/// signature covers:
///
/// * the method, the path and the query, byte for byte;
/// * the body, by its hash;
/// * the headers `host` and `x-amz-date`; `content-type` if there is a body;
///   `x-amz-security-token` if the credentials are temporary; and `x-amz-content-sha256` if it is
///   present. The list `SignedHeaders` in `authorization` is complete.
///
/// So a transport must follow these rules:
///
/// * Send the path and the query as they are, without decoding, normalising or reordering.
/// * Do not compress the body.
/// * Do not replace a signed header, and do not add a second value to it.
/// * Do not follow redirects and do not resend. The client resends, each time with a new signature.
///
/// A transport may add or change other headers, for example `connection`, `user-agent`,
/// `x-opaque-id` and those of distributed tracing. A transport that adds `accept-encoding` must
/// decode the body of the response, because the client does not. `HyperTransport` does so for gzip.
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
/// // The domain still accepts the signature.
/// client.repositories().await?;
/// assert_eq!(domain.events()[0].headers["x-trace-id"], "a1b2c3");
/// # Ok(())
/// # }
/// ```
///
/// A transport that returns a fixed response, for a test:
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
    /// Sends the request and returns the head of the response. The body follows as a stream.
    ///
    /// # Errors
    ///
    /// A [`TransportError`], which shows whether the request can have reached the domain. Where
    /// that is not certain, return [`TransportError::unknown`].
    ///
    /// # Cancel safety
    ///
    /// The client may drop the future at any time, for example when a time limit ends. The domain
    /// may have carried out the request nevertheless.
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

/// An extension of a request that records whether `HyperTransport` can have sent it.
///
/// It counts the calls that were begun, and those that were dropped before they had a connection.
/// There may be several calls, because a caller's transport may wrap `HyperTransport`. That
/// transport may also let a call continue after its own future was dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct SendRecord(Arc<Calls>);

#[derive(Debug, Default)]
struct Calls {
    begun: AtomicUsize,
    unsent: AtomicUsize,
}

impl SendRecord {
    #[cfg(feature = "hyper")]
    pub(crate) fn begin(&self) {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that a call was dropped before it had a connection. A call that ended is not
    /// recorded: after it, a wrapping transport may have sent the request in another way.
    #[cfg(feature = "hyper")]
    pub(crate) fn dropped_unsent(&self) {
        self.0.unsent.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether certainly no byte of the request was sent.
    pub(crate) fn is_unsent(&self) -> bool {
        let (begun, unsent) = (self.0.begun.load(Ordering::Relaxed), self.0.unsent.load(Ordering::Relaxed));
        begun > 0 && begun == unsent
    }
}

/// The failure of a request, and whether the request can have reached the domain.
///
/// ```
/// use std::io;
///
/// use es_snapshot::transport::TransportError;
///
/// let error = TransportError::not_sent(io::Error::from(io::ErrorKind::ConnectionRefused));
/// assert!(error.is_not_sent() && !error.is_lasting());
/// ```
#[derive(Debug)]
pub struct TransportError {
    kind: Kind,
    source: Box<dyn StdError + Send + Sync>,
}

#[derive(Debug)]
enum Kind {
    NotSent,
    Unknown,
    /// Not sent, with the reason why resending cannot help.
    Lasting(String),
    /// Not sent, because the domain's name does not resolve.
    #[cfg_attr(not(feature = "hyper"), expect(dead_code, reason = "only the transport over hyper resolves names"))]
    Unresolved(String),
}

impl TransportError {
    /// Returns the error for a request that certainly did not reach the domain.
    ///
    /// No byte of it was sent, for example because no connection was made. The client may resend.
    pub fn not_sent(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind: Kind::NotSent, source: source.into() }
    }

    /// Returns the error for a request that may have reached the domain.
    ///
    /// The domain may have carried it out. In case of doubt, use this error.
    pub fn unknown(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind: Kind::Unknown, source: source.into() }
    }

    /// Returns the error for a request that cannot be sent until a setting is changed.
    ///
    /// No byte of it was sent, for example because a certificate cannot be verified. The client
    /// does not resend, and waits end. `why` must name the cause and the way out, because errors
    /// show it.
    pub fn lasting(why: impl Into<String>, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind: Kind::Lasting(why.into()), source: source.into() }
    }

    #[cfg(feature = "hyper")]
    pub(crate) fn unresolved(why: String, source: Box<dyn StdError + Send + Sync>) -> Self {
        Self { kind: Kind::Unresolved(why), source }
    }

    /// Returns whether the request certainly did not reach the domain.
    #[must_use]
    pub fn is_not_sent(&self) -> bool {
        !matches!(self.kind, Kind::Unknown)
    }

    /// Returns whether resending cannot help until a setting is changed.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(self.kind, Kind::Lasting(_))
    }

    /// Returns the error of a call that failed with this error.
    pub(crate) fn into_error(self) -> Error {
        let error = |kind, outcome, message| Error::new(kind, outcome, message);
        if self.source.is::<NoRuntime>() {
            return Error::invalid(NoRuntime.to_string());
        }
        match self.kind {
            Kind::NotSent => error(ErrorKind::Connect, Outcome::NotSent, String::new()).with_source(self),
            Kind::Unknown => error(ErrorKind::Interrupted, Outcome::Unknown, String::new()).with_source(self),
            Kind::Lasting(why) => error(ErrorKind::Connect, Outcome::NotSent, why).with_source(self.source).lasting(),
            Kind::Unresolved(why) => {
                error(ErrorKind::Connect, Outcome::NotSent, why).with_source(self.source).unresolved()
            }
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::NotSent => f.write_str("the request was not sent"),
            Kind::Unknown => f.write_str("the connection failed after the request may have been sent"),
            Kind::Lasting(why) | Kind::Unresolved(why) => f.write_str(why),
        }
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

/// The body of a response, read while it arrives.
///
/// For a body that is already complete, convert a [`Bytes`], a `String` or a `&'static str`.
pub struct Body(Pin<Box<dyn http_body::Body<Data = Bytes, Error = TransportError> + Send>>);

impl Body {
    /// Returns a body that reads from another body.
    ///
    /// Errors of that body become errors of the kind [`TransportError::unknown`].
    ///
    /// ```
    /// use bytes::Bytes;
    /// use es_snapshot::transport::Body;
    /// use http_body_util::Full;
    ///
    /// let body = Body::new(Full::new(Bytes::from_static(br#"{"acknowledged":true}"#)));
    /// ```
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
