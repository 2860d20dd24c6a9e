//! The transport over hyper, with the connection pool of hyper-util and TLS by rustls.

mod connect;
mod failure;
mod gunzip;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::uri::Scheme;
use http::{HeaderValue, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use connect::{Connector, Established};
use failure::transport_error;
use gunzip::Gunzip;

use crate::clock::{BoxFuture, Clock, NoRuntime, SystemClock};
use crate::endpoint::ConnectTarget;
use crate::error::Error;
use crate::transport::{Body, SendRecord, Transport, TransportError};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The certificate authorities that a [`HyperTransport`] trusts, apart from those given as PEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustRoots {
    /// Mozilla's list, compiled in (feature `webpki-roots`).
    #[cfg(feature = "webpki-roots")]
    Webpki,
    /// The store of the operating system, read when the transport is built (feature
    /// `native-roots`).
    #[cfg(feature = "native-roots")]
    Native,
    /// Only those set with [`ca_pem`](HyperTransportBuilder::ca_pem).
    OnlyGiven,
}

/// A builder for [`HyperTransport`].
///
/// ```
/// use std::time::Duration;
///
/// use es_snapshot::transport::HyperTransport;
///
/// let transport = HyperTransport::builder().connect_timeout(Duration::from_secs(3)).build()?;
/// # Ok::<(), es_snapshot::Error>(())
/// ```
#[derive(Clone)]
pub struct HyperTransportBuilder {
    roots: TrustRoots,
    ca: Vec<u8>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    connect_timeout: Duration,
    connection_age: Duration,
    idle_timeout: Duration,
    idle_per_host: usize,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for HyperTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransportBuilder")
            .field("roots", &self.roots)
            .field("connect_timeout", &self.connect_timeout)
            .field("connection_age", &self.connection_age)
            .field("idle_timeout", &self.idle_timeout)
            .field("idle_per_host", &self.idle_per_host)
            .finish_non_exhaustive()
    }
}

impl HyperTransportBuilder {
    /// Sets which certificate authorities the transport trusts.
    ///
    /// Default: `TrustRoots::Webpki`. Without the feature `webpki-roots`, `TrustRoots::Native`.
    /// Without both features, [`TrustRoots::OnlyGiven`].
    #[must_use]
    pub fn roots(mut self, roots: TrustRoots) -> Self {
        self.roots = roots;
        self
    }

    /// Adds certificate authorities to trust, as PEM text.
    ///
    /// The text may contain several certificates. Repeated calls add to each other.
    #[must_use]
    pub fn ca_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.ca.extend_from_slice(pem.as_ref());
        self.ca.push(b'\n');
        self
    }

    /// Sets a client certificate: its chain and its private key, both as PEM text. Default: none.
    #[must_use]
    pub fn client_certificate_pem(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some((chain.into(), key.into()));
        self
    }

    /// Sets the time limit for making a connection.
    ///
    /// It covers name resolution, TCP and TLS. Name resolution may take half of it. Default: 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets the age from which a connection receives no further request.
    ///
    /// The addresses of a domain change when it is reconfigured. AWS asks clients to resolve its
    /// name every minute. Default: 60 s.
    #[must_use]
    pub fn max_connection_age(mut self, age: Duration) -> Self {
        self.connection_age = age;
        self
    }

    /// Sets how long an idle connection is kept.
    ///
    /// Amazon's load balancers close idle connections after 60 s. Default: 45 s.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = limit;
        self
    }

    /// Sets how many idle connections to one host are kept. Default: 8.
    #[must_use]
    pub fn max_idle_per_host(mut self, connections: usize) -> Self {
        self.idle_per_host = connections;
        self
    }

    /// Sets the clock for connect timeouts and connection ages. Default: [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Parses the certificates and returns the transport. It opens no connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a PEM text contains no usable
    /// certificate or key.
    pub fn build(self) -> Result<HyperTransport, Error> {
        let is_given = !self.ca.is_empty() || self.identity.is_some();
        #[cfg(feature = "native-roots")]
        let is_given = is_given || self.roots == TrustRoots::Native;
        let base = Base { settings: self, tls: OnceLock::new() };
        if is_given {
            base.tls()?;
        }
        let base = Arc::new(base);
        let direct = base.pool(None);
        let (tunnels, connections) = (Mutex::default(), Mutex::default());
        Ok(HyperTransport { shared: Arc::new(Shared { base, direct, tunnels, connections }) })
    }

    fn tls(&self) -> Result<rustls::ClientConfig, Error> {
        let mut roots = rustls::RootCertStore::empty();
        match self.roots {
            #[cfg(feature = "webpki-roots")]
            TrustRoots::Webpki => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            #[cfg(feature = "native-roots")]
            TrustRoots::Native => {
                let found = rustls_native_certs::load_native_certs();
                for error in &found.errors {
                    tracing::warn!(%error, "some of the system's roots could not be read");
                }
                roots.add_parsable_certificates(found.certs);
            }
            TrustRoots::OnlyGiven => {}
        }
        let given = certificates(&self.ca, "CA")?;
        if given.is_empty() && !self.ca.is_empty() {
            return Err(Error::invalid(
                "the CA text contains no PEM certificate, expected `-----BEGIN CERTIFICATE-----`",
            ));
        }
        for certificate in given {
            roots
                .add(certificate)
                .map_err(|error| Error::invalid("the CA certificate cannot be used").with_source(error))?;
        }
        // Without an explicit provider, a crate that enables another one could change or break TLS.
        let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::invalid("the default TLS versions cannot be used").with_source(error))?
            .with_root_certificates(roots);
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some((chain, key)) => {
                let chain = certificates(chain, "client")?;
                if chain.is_empty() {
                    return Err(Error::invalid(
                        "the client certificate text contains no PEM certificate, expected `-----BEGIN CERTIFICATE-----`",
                    ));
                }
                // The parser's error is dropped, because it may quote the key.
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|_| Error::invalid("the key of the client certificate is not a PEM private key, expected one such as `-----BEGIN PRIVATE KEY-----`"))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    Error::invalid("the client certificate and its key cannot be used").with_source(error)
                })
            }
        }
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::invalid(format!("the {what} certificate is not valid PEM")).with_source(error))
}

/// The default transport: HTTP/1.1 over hyper with a connection pool, and TLS by rustls with ring.
///
/// It is cheap to clone, and clones share the pool. Clients of several endpoints can share one
/// transport. It requests gzip and decodes it. It does not compress requests and follows no
/// redirect.
///
/// It needs a tokio runtime. Without one, a call returns
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
///
/// ```
/// use es_snapshot::SnapshotClient;
/// use es_snapshot::transport::HyperTransport;
///
/// let transport = HyperTransport::builder().build()?;
/// let first = SnapshotClient::builder("http://localhost:9200").transport(transport.clone()).build()?;
/// let second = SnapshotClient::builder("http://localhost:9201").transport(transport).build()?;
/// # Ok::<(), es_snapshot::Error>(())
/// ```
///
/// # Panics
///
/// Connecting panics on a tokio runtime that has I/O disabled. Build the runtime with `enable_io`
/// or `enable_all`. The transport cannot detect this beforehand.
#[derive(Clone)]
pub struct HyperTransport {
    shared: Arc<Shared>,
}

/// The settings for new connections.
struct Base {
    settings: HyperTransportBuilder,
    tls: OnceLock<Arc<rustls::ClientConfig>>,
}

impl Base {
    /// Returns the TLS configuration. It is built on first use, because `http://` never needs it.
    fn tls(&self) -> Result<Arc<rustls::ClientConfig>, Error> {
        if let Some(tls) = self.tls.get() {
            return Ok(Arc::clone(tls));
        }
        let tls = Arc::new(self.settings.tls()?);
        // Another connection may have set it in the meantime.
        Ok(Arc::clone(self.tls.get_or_init(|| tls)))
    }

    fn pool(self: &Arc<Self>, tunnel: Option<&ConnectTarget>) -> Pool {
        let pool = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.settings.idle_timeout)
            .pool_max_idle_per_host(self.settings.idle_per_host)
            // Bodies are small, so copying one behind its head costs less than a vectored write.
            .http1_writev(false)
            .build(Connector::new(Arc::clone(self), tunnel.cloned()));
        Arc::new(pool)
    }
}

struct Shared {
    base: Arc<Base>,
    /// The pool for all requests that connect to the host in their URI.
    direct: Pool,
    /// One pool for each address of a tunnel, because a pool distinguishes connections only by URI.
    tunnels: Mutex<HashMap<ConnectTarget, Pool>>,
    /// The connections that are not retired yet, with the time when they were made, oldest first.
    connections: Mutex<VecDeque<(Duration, CaptureConnection)>>,
}

type Pool = Arc<Client<Connector, Full<Bytes>>>;

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").field("settings", &self.shared.base.settings).finish_non_exhaustive()
    }
}

impl HyperTransport {
    /// Returns a builder with the default settings.
    #[must_use]
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder {
            #[cfg(feature = "webpki-roots")]
            roots: TrustRoots::Webpki,
            #[cfg(all(feature = "native-roots", not(feature = "webpki-roots")))]
            roots: TrustRoots::Native,
            #[cfg(not(any(feature = "webpki-roots", feature = "native-roots")))]
            roots: TrustRoots::OnlyGiven,
            ca: Vec::new(),
            identity: None,
            connect_timeout: Duration::from_secs(5),
            connection_age: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(45),
            idle_per_host: 8,
            clock: Arc::new(SystemClock),
        }
    }

    fn pool(&self, uri: &Uri, target: &ConnectTarget) -> Pool {
        let uri_port = uri.port_u16().or(if uri.scheme() == Some(&Scheme::HTTPS) { Some(443) } else { Some(80) });
        let uri_host = uri.host().map(|host| host.trim_matches(['[', ']']));
        let shared = &self.shared;
        if uri_host == Some(target.host()) && uri_port == Some(target.port()) {
            return Arc::clone(&shared.direct);
        }
        let tunnels = || shared.tunnels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = tunnels().get(target) {
            return Arc::clone(pool);
        }
        let pool = shared.base.pool(Some(target));
        // Another call may have inserted one in the meantime.
        Arc::clone(tunnels().entry(target.clone()).or_insert(pool))
    }

    /// Begins a call. This part is not `async`, so that its variables do not enlarge the future.
    fn begin(&self, mut request: http::Request<Bytes>, target: &ConnectTarget) -> Result<Call, TransportError> {
        NoRuntime::check().map_err(TransportError::not_sent)?;
        let pool = self.pool(request.uri(), target);
        request.headers_mut().entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip"));
        let uri = request.uri().clone();
        let mut request = request.map(Full::new);
        let connection = capture_connection(&mut request);
        let send_record = request.extensions().get().cloned().inspect(SendRecord::begin);
        self.retire_old();
        Ok(Call { response: pool.request(request), uri, connection, send_record })
    }

    async fn finish(&self, mut call: Call) -> Result<http::Response<Body>, TransportError> {
        let response = (&mut call.response).await;
        call.send_record = None;
        let mut response = response.map_err(|error| transport_error(error, &call.uri))?;
        if let Some(established) = response.extensions_mut().remove() {
            self.remember(established, &call.connection);
        }
        let (mut head, body) = response.into_parts();
        let gzip = head.headers.get(CONTENT_ENCODING).is_some_and(|value| {
            [&b"gzip"[..], b"x-gzip"].iter().any(|name| value.as_bytes().eq_ignore_ascii_case(name))
        });
        // The response to HEAD names an encoding but has no body.
        let body = if gzip && !http_body::Body::is_end_stream(&body) {
            head.headers.remove(CONTENT_ENCODING);
            head.headers.remove(CONTENT_LENGTH);
            Body::new(Gunzip::new(body))
        } else {
            Body::new(body)
        };
        Ok(http::Response::from_parts(head, body))
    }

    /// Prevents connections that are too old, idle ones included, from receiving another request.
    fn retire_old(&self) {
        let settings = &self.shared.base.settings;
        let now = settings.clock.monotonic();
        let old: Vec<_> = {
            let mut connections = self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
            let count = connections.partition_point(|(at, _)| now.saturating_sub(*at) >= settings.connection_age);
            connections.drain(..count).collect()
        };
        // Outside of the lock, because hyper emits trace events here.
        for (_, connection) in old {
            if let Some(connected) = connection.connection_metadata().as_ref() {
                connected.poison();
            }
        }
    }

    /// Adds a connection to the list of those to retire, at its first response.
    fn remember(&self, Established { at, is_remembered }: Established, connection: &CaptureConnection) {
        if !is_remembered.swap(true, Ordering::Relaxed) {
            let mut connections = self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
            let index = connections.partition_point(|(other, _)| *other <= at);
            connections.insert(index, (at, connection.clone()));
        }
    }
}

/// A call that has no response yet.
struct Call {
    response: ResponseFuture,
    uri: Uri,
    connection: CaptureConnection,
    /// Records a drop of the call before it had a connection. `None` once the call has ended.
    send_record: Option<SendRecord>,
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(send_record) = &self.send_record
            && self.connection.connection_metadata().is_none()
        {
            send_record.dropped_unsent();
        }
    }
}

impl Transport for HyperTransport {
    fn call<'a>(
        &'a self,
        request: http::Request<Bytes>,
        target: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<http::Response<Body>, TransportError>> {
        match self.begin(request, target) {
            Ok(call) => Box::pin(self.finish(call)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}
