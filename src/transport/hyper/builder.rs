//! The settings of the transport over hyper.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::HyperTransport;
use super::proxy::ProxySetting;
use super::tls::TrustRoots;
use crate::clock::{Clock, SystemClock};
use crate::error::Error;

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
    pub(super) roots: TrustRoots,
    pub(super) ca: Vec<u8>,
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
    pub(super) proxy: ProxySetting,
    pub(super) connect_timeout: Duration,
    pub(super) connection_age: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) idle_per_host: usize,
    pub(super) clock: Arc<dyn Clock>,
}

impl fmt::Debug for HyperTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransportBuilder")
            .field("roots", &self.roots)
            .field("proxy", &self.proxy)
            .field("connect_timeout", &self.connect_timeout)
            .field("connection_age", &self.connection_age)
            .field("idle_timeout", &self.idle_timeout)
            .field("idle_per_host", &self.idle_per_host)
            .finish_non_exhaustive()
    }
}

impl HyperTransportBuilder {
    pub(super) fn new() -> Self {
        Self {
            #[cfg(feature = "webpki-roots")]
            roots: TrustRoots::Webpki,
            #[cfg(all(feature = "native-roots", not(feature = "webpki-roots")))]
            roots: TrustRoots::Native,
            #[cfg(not(any(feature = "webpki-roots", feature = "native-roots")))]
            roots: TrustRoots::OnlyGiven,
            ca: Vec::new(),
            identity: None,
            proxy: ProxySetting::Environment,
            connect_timeout: Duration::from_secs(5),
            connection_age: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(45),
            idle_per_host: 8,
            clock: Arc::new(SystemClock),
        }
    }

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

    /// Sets the HTTP proxy for `https://` endpoints, as `http://user:password@host:port`.
    ///
    /// User, password and port may be left out. In the user and the password, characters other than
    /// letters, digits and `-._~` must be percent-encoded. They go to the proxy unencrypted.
    ///
    /// [`HyperTransport`](HyperTransport#proxies) describes which hosts are still reached directly.
    /// With this setting the transport reads no environment variable, not even `NO_PROXY`.
    /// [`build`](Self::build) parses the URL. Default port: 80. Default proxy: the one in the
    /// environment variables.
    ///
    /// ```
    /// use es_snapshot::transport::HyperTransport;
    ///
    /// let transport = HyperTransport::builder().proxy("http://proxy.example.org:3128").build()?;
    /// # Ok::<(), es_snapshot::Error>(())
    /// ```
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = ProxySetting::Url(url.into());
        self
    }

    /// Connects without a proxy, whatever the environment variables contain.
    #[must_use]
    pub fn no_proxy(mut self) -> Self {
        self.proxy = ProxySetting::Direct;
        self
    }

    /// Sets the time limit for making a connection.
    ///
    /// It covers name resolution, TCP, the response of a proxy, and TLS. Name resolution may take
    /// half of it. Default: 5 s.
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

    /// Parses the certificates and the proxy, and returns the transport. It opens no connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a PEM text contains no usable
    /// certificate or key, or if the URL set with [`proxy`](Self::proxy) is not valid. A URL in an
    /// environment variable that is not valid fails only the calls that need the proxy.
    pub fn build(self) -> Result<HyperTransport, Error> {
        HyperTransport::new(self)
    }
}
