//! The builder of clients. It refuses settings that cannot work or that would expose credentials.

use std::fmt;
use std::sync::Arc;

use aws_credential_types::provider::ProvideCredentials;
use http::HeaderValue;

use crate::auth::Auth;
use crate::call::{CallOptions, ClockSkew, Core};
use crate::client::SnapshotClient;
use crate::clock::{Clock, SystemClock};
use crate::config::{RetryPolicy, Timeouts};
use crate::endpoint::Endpoint;
use crate::entropy::Entropy;
use crate::error::Error;
use crate::region::is_amazon_region;
use crate::retry::RetryBudget;
use crate::transport::Transport;

/// The default limit for a decompressed response: 256 MiB, enough for a list of several hundred
/// thousand snapshots.
const RESPONSE_LIMIT: usize = 256 << 20;

/// A builder for a [`SnapshotClient`]; returned by [`SnapshotClient::builder`].
///
/// Only the endpoint is required. A client for an Amazon domain usually needs
/// [`credentials`](Self::credentials) as well. A client for another cluster usually needs
/// [`auth`](Self::auth). [`build`](Self::build) checks all settings together.
///
/// ```
/// use std::time::Duration;
///
/// use es_snapshot::{RetryPolicy, Timeouts};
/// # use es_snapshot::testing::FakeDomain;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// # let domain = FakeDomain::with_repository("backups").await;
/// # let builder = domain.client_builder();
/// let client = builder
///     .timeouts(Timeouts::new().with_call(Duration::from_secs(120)))
///     .retry(RetryPolicy::new().with_max_attempts(4))
///     .user_agent("nightly-backup/1.4")
///     .build()?;
/// assert_eq!(client.repositories().await?.len(), 1);
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct SnapshotClientBuilder {
    endpoint: String,
    connect_to: Option<String>,
    region: Option<String>,
    /// The region of an AWS configuration. It is used if the host name does not contain one.
    fallback_region: Option<String>,
    auth: Auth,
    unencrypted: bool,
    transport: Option<Arc<dyn Transport>>,
    clock: Arc<dyn Clock>,
    user_agent: Option<String>,
    timeouts: Timeouts,
    retry: RetryPolicy,
    budget: RetryBudget,
    response_limit: usize,
    entropy: Entropy,
}

impl SnapshotClientBuilder {
    pub(crate) fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            connect_to: None,
            region: None,
            fallback_region: None,
            auth: Auth::none(),
            unencrypted: false,
            transport: None,
            clock: Arc::new(SystemClock),
            user_agent: None,
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
            budget: RetryBudget::default(),
            response_limit: RESPONSE_LIMIT,
            entropy: Entropy::os(),
        }
    }

    /// Signs every request with credentials from this provider.
    ///
    /// The client keeps the credentials and renews them before they expire. Any
    /// [`ProvideCredentials`] works. `es_snapshot::default_credentials` (feature `aws-config`)
    /// returns the default chain of the AWS SDK. This method is a short form of
    /// [`auth`](Self::auth) with [`Auth::sigv4`].
    pub fn credentials(self, provider: impl ProvideCredentials + 'static) -> Self {
        self.auth(Auth::sigv4(provider))
    }

    /// Signs every request with the credentials of an AWS configuration.
    ///
    /// The client signs for the region of the configuration, unless the host name of the endpoint
    /// contains a region or [`region`](Self::region) sets one. Feature `aws-config`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the configuration has no
    /// credentials provider.
    #[cfg(feature = "aws-config")]
    pub fn sdk_config(mut self, config: &aws_types::SdkConfig) -> Result<Self, Error> {
        let provider = config.credentials_provider().ok_or_else(|| {
            Error::invalid(
                "the AWS configuration has no credentials provider; set one with `SdkConfig::builder`, or use \
                 `SnapshotClientBuilder::credentials`",
            )
        })?;
        self.fallback_region = config.region().map(|region| region.as_ref().to_owned());
        Ok(self.credentials(provider))
    }

    /// Sets how requests are authenticated. Default: [`Auth::none`].
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Sets the AWS region to sign for, such as `eu-west-1`.
    ///
    /// It is needed if requests are signed and the host name does not contain the region. Default:
    /// the region in the host name of an Amazon domain, or else the region of an AWS configuration.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Connects to this `host:port` instead of the host in the endpoint.
    ///
    /// Use it for a tunnel, for example with the local end of an SSH tunnel. The docs of
    /// [`transport`](crate::transport#reach-the-domain) have the commands. Only the connection
    /// changes: requests are still signed for the host in the endpoint and have it in the header
    /// `Host`, and TLS verifies its certificate. Connections to this address use no proxy.
    /// [`build`](Self::build) parses the address. Default: the host and the port of the endpoint.
    pub fn connect_to(mut self, address: impl Into<String>) -> Self {
        self.connect_to = Some(address.into());
        self
    }

    /// Allows the client to send secrets over `http://` to a host other than this machine.
    ///
    /// Secrets are credentials, and passwords or keys in the settings of a repository. Anyone on
    /// the network path can read them and use them. Connections to this machine, such as
    /// `http://localhost:9200`, are always allowed. If [`connect_to`](Self::connect_to) is set, its
    /// address decides. Default: not allowed.
    pub fn danger_send_credentials_unencrypted(mut self) -> Self {
        self.unencrypted = true;
        self
    }

    /// Sets the transport, which sends the requests.
    ///
    /// Clients may share a transport. Default: a new `HyperTransport` for this client.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Sets the clock for the time, pauses and time limits. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Adds a product to the header `User-Agent`, such as `nightly-backup/1.4`.
    ///
    /// The header always begins with the name and version of this crate. Default: no product.
    pub fn user_agent(mut self, product: impl Into<String>) -> Self {
        self.user_agent = Some(product.into());
        self
    }

    /// Sets the time limits of calls. Default: [`Timeouts::new`].
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets how often a failed request is sent again, and after which pauses.
    ///
    /// Default: [`RetryPolicy::new`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets the budget that limits the retries of all calls of this client together.
    ///
    /// Clients may share a budget. Default: a new budget for this client.
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.budget = budget;
        self
    }

    /// Sets the size of the largest response that the client accepts.
    ///
    /// The size counts after decompression. A larger response fails with
    /// [`ErrorKind::ResponseTooLarge`](crate::ErrorKind::ResponseTooLarge). Streams of snapshots
    /// have no such limit. In bytes. Default: 256 MiB.
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.response_limit = bytes;
        self
    }

    /// Seeds the random numbers of the client, so that a test can repeat a run.
    ///
    /// The client uses random numbers for tokens and for the length of pauses. Clients with the
    /// same seed create the same tokens, so use a seed only in tests. Feature `testing`. Default:
    /// random numbers of the operating system.
    #[cfg(feature = "testing")]
    pub fn seed(mut self, seed: u64) -> Self {
        self.entropy = Entropy::seeded(seed);
        self
    }

    /// Checks the settings and returns the client. It sends nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) in the following cases:
    ///
    /// * The endpoint is not the URL of a domain. It has a user, a query or a fragment, or it is
    ///   the URL of a dashboard.
    /// * Requests are to be signed, and no region is known.
    /// * [`region`](Self::region) differs from the region in the host name.
    /// * Credentials would be sent over `http://` to a host other than this machine, and
    ///   [`danger_send_credentials_unencrypted`](Self::danger_send_credentials_unencrypted) does
    ///   not allow it.
    /// * The address of [`connect_to`](Self::connect_to) does not have the form `host:port`.
    /// * [`user_agent`](Self::user_agent) contains a character that is not allowed in a header.
    /// * No [`transport`](Self::transport) is set, and the feature `hyper` is off.
    ///
    /// ```
    /// use es_snapshot::{Auth, ErrorKind, SnapshotClient};
    ///
    /// # fn main() -> Result<(), es_snapshot::Error> {
    /// let auth = Auth::basic("admin", "secret")?;
    /// let error = SnapshotClient::builder("http://example.com").auth(auth).build().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput);
    /// # Ok(())
    /// # }
    /// ```
    pub fn build(self) -> Result<SnapshotClient, Error> {
        let mut endpoint = Endpoint::parse(&self.endpoint)?;
        if let Some(address) = &self.connect_to {
            endpoint = endpoint.with_target(address.parse()?);
        }
        let given = self.region.or_else(|| self.fallback_region.filter(|_| endpoint.region().is_none()));
        let region = region(&endpoint, given, self.auth.signs())?;
        let is_confidential = endpoint.is_https() || endpoint.target().is_loopback() || self.unencrypted;
        if !self.auth.is_none() && !is_confidential {
            return Err(Error::invalid(format!(
                "endpoint {endpoint} is not encrypted, and credentials would be sent to it; use https://, or consent \
                 with `SnapshotClientBuilder::danger_send_credentials_unencrypted`"
            )));
        }
        let user_agent = user_agent(self.user_agent.as_deref())?;
        let transport = match self.transport {
            Some(transport) => transport,
            None => default_transport(&self.clock)?,
        };
        let core = Core {
            endpoint,
            is_confidential,
            transport,
            authorizer: self.auth.into_authorizer(region, &self.clock),
            clock: self.clock,
            entropy: self.entropy,
            skew: ClockSkew::default(),
            budget: self.budget,
            user_agent,
            response_limit: self.response_limit,
        };
        let options = CallOptions { timeouts: self.timeouts, retry: self.retry, ..CallOptions::default() };
        Ok(SnapshotClient::new(core, options))
    }
}

impl fmt::Debug for SnapshotClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the endpoint, because it may contain a password until it is parsed.
        f.debug_struct("SnapshotClientBuilder")
            .field("auth", &self.auth)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

fn region(endpoint: &Endpoint, given: Option<String>, signs: bool) -> Result<Option<String>, Error> {
    if let Some(given) = given.as_deref().filter(|given| !is_amazon_region(given)) {
        return Err(Error::invalid(format!("region {given:?} is not an AWS region such as `eu-west-1`")));
    }
    match (given, endpoint.region()) {
        (Some(given), Some(own)) if given != own => Err(Error::invalid(format!(
            "region {given:?} differs from {own:?} in the endpoint's host; the domain would refuse the signature"
        ))),
        (None, None) if signs => Err(Error::invalid(format!(
            "the host of endpoint {endpoint} does not contain the region to sign for; set it with \
             `SnapshotClientBuilder::region`"
        ))),
        (given, own) => Ok(given.or_else(|| own.map(str::to_owned))),
    }
}

fn user_agent(product: Option<&str>) -> Result<HeaderValue, Error> {
    let own = concat!("es-snapshot/", env!("CARGO_PKG_VERSION"));
    let text = product.map_or_else(|| own.to_owned(), |product| format!("{own} {product}"));
    HeaderValue::try_from(text).map_err(|_| {
        let product = product.unwrap_or_default();
        Error::invalid(format!("user agent {product:?} cannot be sent in a header, expected visible ASCII and spaces"))
    })
}

#[cfg(feature = "hyper")]
fn default_transport(clock: &Arc<dyn Clock>) -> Result<Arc<dyn Transport>, Error> {
    let transport = crate::transport::HyperTransport::builder().clock(Arc::clone(clock)).build()?;
    Ok(Arc::new(transport))
}

#[cfg(not(feature = "hyper"))]
fn default_transport(_: &Arc<dyn Clock>) -> Result<Arc<dyn Transport>, Error> {
    Err(Error::invalid(
        "no transport is set, and the feature `hyper` is off; enable it, or set one with \
         `SnapshotClientBuilder::transport`",
    ))
}
