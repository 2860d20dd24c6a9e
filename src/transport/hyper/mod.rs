//! The transport over hyper, hyper-util's pool and rustls.

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
use crate::transport::{Body, Departure, Transport, TransportError};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Which certificate authorities a [`HyperTransport`] trusts, apart from those given as PEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustRoots {
    /// Mozilla's list, compiled in (feature `webpki-roots`).
    #[cfg(feature = "webpki-roots")]
    Webpki,
    /// The operating system's store, read when the transport is built (feature `native-roots`).
    #[cfg(feature = "native-roots")]
    Native,
    /// None but those given by [`ca_pem`](HyperTransportBuilder::ca_pem).
    OnlyGiven,
}

/// Settings of a [`HyperTransport`].
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
    /// Chooses the roots. Default: webpki where that feature is on, else native, else only the
    /// given ones.
    #[must_use]
    pub fn roots(mut self, roots: TrustRoots) -> Self {
        self.roots = roots;
        self
    }

    /// Trusts the certificate authorities in this PEM text as well.
    #[must_use]
    pub fn ca_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.ca.extend_from_slice(pem.as_ref());
        self.ca.push(b'\n');
        self
    }

    /// Shows a client certificate: its chain and its private key, both PEM.
    #[must_use]
    pub fn client_certificate_pem(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some((chain.into(), key.into()));
        self
    }

    /// How long name look-up, TCP and TLS may take together. Default 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How old a connection may be and still get a request. Default 60 s: the addresses behind a
    /// domain change when it is reconfigured, and AWS asks clients to resolve its name every
    /// minute.
    #[must_use]
    pub fn max_connection_age(mut self, age: Duration) -> Self {
        self.connection_age = age;
        self
    }

    /// How long an idle connection is kept. Default 45 s, below the load balancer's own minute.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = limit;
        self
    }

    /// How many idle connections to one host are kept. Default 8.
    #[must_use]
    pub fn max_idle_per_host(mut self, connections: usize) -> Self {
        self.idle_per_host = connections;
        self
    }

    /// The clock for connect time-outs and connection ages. Default [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Reads the certificates and makes the transport. Opens no connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a PEM text holds no usable
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
        let (detours, connections) = (Mutex::default(), Mutex::default());
        Ok(HyperTransport { shared: Arc::new(Shared { base, direct, detours, connections }) })
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
            return Err(Error::invalid("CA file holds no certificate"));
        }
        for certificate in given {
            roots
                .add(certificate)
                .map_err(|error| Error::invalid("CA certificate is not usable").with_source(error))?;
        }
        // The provider is named, so that another crate which turns on a second one cannot change or break
        // this.
        let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::invalid("TLS versions are not usable").with_source(error))?
            .with_root_certificates(roots);
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some((chain, key)) => {
                let chain = certificates(chain, "client")?;
                if chain.is_empty() {
                    return Err(Error::invalid("client certificate file holds no certificate"));
                }
                // The parser's own words may quote the key, so they are not kept.
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|_| Error::invalid("client certificate's key is not a PEM private key"))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| Error::invalid("client certificate and key are not usable").with_source(error))
            }
        }
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::invalid(format!("{what} certificate is not PEM")).with_source(error))
}

/// The transport that clients use by default: HTTP/1.1 over hyper, a pool, and rustls with the ring
/// provider.
///
/// Cheap to clone; clones share the pool, and clients of any number of endpoints may share one. It
/// asks for gzip and decodes it, compresses no request, and follows no redirect.
///
/// It needs a tokio runtime. Without one a call ends with
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
///
/// # Panics
///
/// Connecting panics on a tokio runtime whose I/O is disabled, which cannot be found out
/// beforehand: build it with `enable_io` or `enable_all`.
#[derive(Clone)]
pub struct HyperTransport {
    shared: Arc<Shared>,
}

/// What connections are made with.
struct Base {
    settings: HyperTransportBuilder,
    tls: OnceLock<Arc<rustls::ClientConfig>>,
}

impl Base {
    /// The configuration of TLS. It is made when it is first needed, which over `http://` is never.
    fn tls(&self) -> Result<Arc<rustls::ClientConfig>, Error> {
        if let Some(tls) = self.tls.get() {
            return Ok(Arc::clone(tls));
        }
        let tls = Arc::new(self.settings.tls()?);
        // Another connection may have been first.
        Ok(Arc::clone(self.tls.get_or_init(|| tls)))
    }

    fn pool(self: &Arc<Self>, detour: Option<&ConnectTarget>) -> Pool {
        let pool = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.settings.idle_timeout)
            .pool_max_idle_per_host(self.settings.idle_per_host)
            // Bodies are small: to copy one behind its head costs less than to write the two from where they are.
            .http1_writev(false)
            .build(Connector::new(Arc::clone(self), detour.cloned()));
        Arc::new(pool)
    }
}

struct Shared {
    base: Arc<Base>,
    /// The pool of all that connect where their URI says.
    direct: Pool,
    /// One pool for each address that a tunnel leads through, because a pool distinguishes
    /// connections by URI alone.
    detours: Mutex<HashMap<ConnectTarget, Pool>>,
    /// Connections and when they were made, the oldest first, until they are retired.
    connections: Mutex<VecDeque<(Duration, CaptureConnection)>>,
}

type Pool = Arc<Client<Connector, Full<Bytes>>>;

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").field("settings", &self.shared.base.settings).finish_non_exhaustive()
    }
}

impl HyperTransport {
    /// Starts with the defaults.
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
        let own_port = uri.port_u16().or(if uri.scheme() == Some(&Scheme::HTTPS) { Some(443) } else { Some(80) });
        let own_host = uri.host().map(|host| host.trim_matches(['[', ']']));
        let shared = &self.shared;
        if own_host == Some(target.host()) && own_port == Some(target.port()) {
            return Arc::clone(&shared.direct);
        }
        let detours = || shared.detours.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = detours().get(target) {
            return Arc::clone(pool);
        }
        let pool = shared.base.pool(Some(target));
        // Another call may have been first.
        Arc::clone(detours().entry(target.clone()).or_insert(pool))
    }

    /// Begins a call. What it has done before it waits for the first time is not part of its
    /// future, which stays small.
    fn begin(&self, mut request: http::Request<Bytes>, target: &ConnectTarget) -> Result<Call, TransportError> {
        NoRuntime::check().map_err(TransportError::not_sent)?;
        let pool = self.pool(request.uri(), target);
        request.headers_mut().entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip"));
        let uri = request.uri().clone();
        let mut request = request.map(Full::new);
        let connection = capture_connection(&mut request);
        let departure = request.extensions().get().cloned().inspect(Departure::begin);
        self.retire_old();
        Ok(Call { response: pool.request(request), uri, connection, departure })
    }

    async fn finish(&self, mut call: Call) -> Result<http::Response<Body>, TransportError> {
        let response = (&mut call.response).await;
        call.departure = None;
        let mut response = response.map_err(|error| transport_error(error, &call.uri))?;
        if let Some(established) = response.extensions_mut().remove() {
            self.note(established, &call.connection);
        }
        let (mut head, body) = response.into_parts();
        let gzip = head.headers.get(CONTENT_ENCODING).is_some_and(|value| {
            [&b"gzip"[..], b"x-gzip"].iter().any(|name| value.as_bytes().eq_ignore_ascii_case(name))
        });
        // The response to HEAD names an encoding and has nothing that is encoded.
        let body = if gzip && !http_body::Body::is_end_stream(&body) {
            head.headers.remove(CONTENT_ENCODING);
            head.headers.remove(CONTENT_LENGTH);
            Body::new(Gunzip::new(body))
        } else {
            Body::new(body)
        };
        Ok(http::Response::from_parts(head, body))
    }

    /// Keeps connections that have grown old from getting another request, idle ones too.
    fn retire_old(&self) {
        let settings = &self.shared.base.settings;
        let now = settings.clock.monotonic();
        let old: Vec<_> = {
            let mut connections = self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
            let count = connections.partition_point(|(made, _)| now.saturating_sub(*made) >= settings.connection_age);
            connections.drain(..count).collect()
        };
        // Not under the lock, because hyper traces it.
        for (_, connection) in old {
            if let Some(connected) = connection.connection_metadata().as_ref() {
                connected.poison();
            }
        }
    }

    /// Remembers a connection with its first request.
    fn note(&self, Established { at, noted }: Established, connection: &CaptureConnection) {
        if !noted.swap(true, Ordering::Relaxed) {
            let mut connections = self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
            let place = connections.partition_point(|(made, _)| *made <= at);
            connections.insert(place, (at, connection.clone()));
        }
    }
}

/// A call under way.
struct Call {
    response: ResponseFuture,
    uri: Uri,
    connection: CaptureConnection,
    /// Where to note that the call was dropped before it had a connection; `None` once it has
    /// ended.
    departure: Option<Departure>,
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(departure) = &self.departure
            && self.connection.connection_metadata().is_none()
        {
            departure.dropped_unsent();
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
