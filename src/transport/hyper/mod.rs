//! The transport over hyper, with the connection pool of hyper-util and TLS by rustls.

mod builder;
mod connect;
mod failure;
mod gunzip;
mod proxy;
mod tls;

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

pub use builder::HyperTransportBuilder;
use connect::{Connector, Established};
use failure::transport_error;
use gunzip::Gunzip;
use proxy::Proxies;
pub use tls::TrustRoots;

use crate::clock::{BoxFuture, NoRuntime};
use crate::endpoint::ConnectTarget;
use crate::error::Error;
use crate::transport::{Body, SendRecord, Transport, TransportError};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The default transport: HTTP/1.1 over hyper with a connection pool, and TLS by rustls with ring.
///
/// It is cheap to clone, and clones share the pool. Clients of several endpoints can share one
/// transport. It requests gzip and decodes it. It does not compress requests and follows no
/// redirect.
///
/// # Proxies
///
/// Connections to `https://` endpoints lead through an HTTP proxy if
/// [`HyperTransportBuilder::proxy`] sets one, or if an environment variable names one and
/// [`no_proxy`](HyperTransportBuilder::no_proxy) is not set. The variables are `HTTPS_PROXY`,
/// `https_proxy`, `ALL_PROXY` and `all_proxy`. The first one that is not empty counts.
/// [`build`](HyperTransportBuilder::build) reads them.
///
/// The transport sends `CONNECT host:port` to the proxy, with the user and password of the proxy's
/// URL. Everything else, TLS included, goes through that tunnel to the domain. The proxy sees no
/// path and no credentials for the domain. The proxy also resolves the name of the domain.
///
/// The transport connects directly to:
///
/// * `http://` endpoints, because the proxy would see the credentials
/// * `localhost`, loopback and link-local addresses, and `fd00:ec2::/32`, in which the [metadata
///   service][imds] of an instance has its IPv6 address
/// * another address than the endpoint's, set with
///   [`SnapshotClientBuilder::connect_to`](crate::SnapshotClientBuilder::connect_to)
/// * hosts in the variable `NO_PROXY` or `no_proxy`, a list of [names, addresses and
///   networks](https://docs.rs/hyper-util/latest/hyper_util/client/proxy/matcher/struct.Builder.html#method.no),
///   if the proxy comes from a variable
///
/// Proxies of other kinds, such as SOCKS, and TLS to the proxy are not supported. If a variable
/// names such a proxy, calls that need it fail.
///
/// [imds]: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
///
/// # Runtime
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
    proxies: Proxies,
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
        f.debug_struct("HyperTransport")
            .field("settings", &self.shared.base.settings)
            .field("proxies", &self.shared.base.proxies)
            .finish_non_exhaustive()
    }
}

impl HyperTransport {
    fn new(settings: HyperTransportBuilder) -> Result<Self, Error> {
        let is_given = !settings.ca.is_empty() || settings.identity.is_some();
        #[cfg(feature = "native-roots")]
        let is_given = is_given || settings.roots == TrustRoots::Native;
        let proxies = Proxies::new(&settings.proxy)?;
        let base = Base { settings, proxies, tls: OnceLock::new() };
        if is_given {
            base.tls()?;
        }
        let base = Arc::new(base);
        let direct = base.pool(None);
        let (tunnels, connections) = (Mutex::default(), Mutex::default());
        Ok(Self { shared: Arc::new(Shared { base, direct, tunnels, connections }) })
    }

    /// Returns a builder with the default settings.
    #[must_use]
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::new()
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
