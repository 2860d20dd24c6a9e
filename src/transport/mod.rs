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
//!
//! # Reach the domain
//!
//! A domain in a VPC responds only inside the VPC. From outside, a client can use a proxy or a
//! tunnel. In both cases TLS still ends at the domain, and requests are signed for the domain's own
//! name.
//!
//! **A proxy.** `HyperTransport` uses the HTTP proxy in the environment variable `HTTPS_PROXY`, or
//! the one that `HyperTransportBuilder::proxy` sets:
//!
//! ```sh
//! export HTTPS_PROXY=http://user:password@proxy.example.org:3128
//! ```
//!
//! **An SSH tunnel** over a host in the VPC, here `bastion`:
//!
//! ```sh
//! ssh -N -L 9243:vpc-logs-x1y2.eu-west-1.es.amazonaws.com:443 bastion
//! ```
//!
//! The client connects to the near end:
//!
//! ```
//! use es_snapshot::SnapshotClient;
//!
//! let client = SnapshotClient::builder("https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com")
//!     .connect_to("127.0.0.1:9243")
//!     .build()?;
//! # Ok::<(), es_snapshot::Error>(())
//! ```
//!
//! **A tunnel by AWS Systems Manager**, over an instance in the VPC that needs no open port. The
//! client uses it like an SSH tunnel. Systems Manager describes it as [port forwarding to a remote
//! host](https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-sessions-start.html).
//!
//! ```sh
//! aws ssm start-session --target i-0123456789abcdef0 \
//!     --document-name AWS-StartPortForwardingSessionToRemoteHost \
//!     --parameters '{"host":["vpc-logs-x1y2.eu-west-1.es.amazonaws.com"],"portNumber":["443"],"localPortNumber":["9243"]}'
//! ```
//!
//! **A custom endpoint.** If the domain has a [name of your
//! own](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/customendpoint.html),
//! use that name in the endpoint. It does not contain the Region, so set it:
//!
//! ```
//! use es_snapshot::SnapshotClient;
//! # use aws_credential_types::Credentials;
//!
//! # let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
//! let client = SnapshotClient::builder("https://logs.example.org")
//!     .region("eu-west-1")
//!     .credentials(credentials)
//!     .build()?;
//! # Ok::<(), es_snapshot::Error>(())
//! ```

mod body;
#[cfg(feature = "hyper")]
mod hyper;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

pub use body::Body;
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
    /// Not sent, with the reason. Resending may help.
    #[cfg_attr(not(feature = "hyper"), expect(dead_code, reason = "only the transport over hyper uses proxies"))]
    Passing(String),
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
    pub(crate) fn passing(why: String, source: Box<dyn StdError + Send + Sync>) -> Self {
        Self { kind: Kind::Passing(why), source }
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
            Kind::Passing(why) => error(ErrorKind::Connect, Outcome::NotSent, why).with_source(self.source),
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
            Kind::Lasting(why) | Kind::Passing(why) | Kind::Unresolved(why) => f.write_str(why),
        }
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}
