//! Puts a client together and refuses what cannot work or would leak.

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

/// The largest response that is read by default, decoded: 256 MiB, a listing of some hundred
/// thousand snapshots.
const REPLY_LIMIT: usize = 256 << 20;

/// Settings of a [`SnapshotClient`]; returned by [`SnapshotClient::builder`].
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
    /// The region of an AWS configuration, for hosts whose name does not contain one.
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
            response_limit: REPLY_LIMIT,
            entropy: Entropy::os(),
        }
    }

    /// Signs every request with the credentials of this provider. It calls [`auth`](Self::auth)
    /// with [`Auth::sigv4`].
    pub fn credentials(self, provider: impl ProvideCredentials + 'static) -> Self {
        self.auth(Auth::sigv4(provider))
    }

    /// Signs every request with the credentials of a loaded AWS configuration, and for its region
    /// where the endpoint's host does not contain another. Feature `aws-config`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the configuration has no
    /// credentials provider.
    #[cfg(feature = "aws-config")]
    pub fn sdk_config(mut self, config: &aws_types::SdkConfig) -> Result<Self, Error> {
        let provider = config
            .credentials_provider()
            .ok_or_else(|| Error::invalid("AWS configuration has no credentials provider"))?;
        self.fallback_region = config.region().map(|region| region.as_ref().to_owned());
        Ok(self.credentials(provider))
    }

    /// Sets how requests are authenticated. Default: [`Auth::none`].
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Sets the region to sign for, such as `eu-west-1`. It is used instead of the region of an AWS
    /// configuration. Default: the region in the host name of an Amazon domain.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Connects to this `host:port` instead of the endpoint's host, for example to the near end of
    /// an SSH tunnel. [`build`](Self::build) parses it. Default: the endpoint's host and port.
    ///
    /// The endpoint stays what is signed, sent as `Host` and verified by TLS.
    pub fn connect_to(mut self, address: impl Into<String>) -> Self {
        self.connect_to = Some(address.into());
        self
    }

    /// Allows the client to send credentials, and secrets among the settings of repositories, over
    /// `http://` to a host that is not this one. Anybody on the way can read or replay them.
    /// Default: not allowed.
    pub fn danger_send_credentials_unencrypted(mut self) -> Self {
        self.unencrypted = true;
        self
    }

    /// Sets the transport. Clients may share one. Default: a `HyperTransport` of this client's own.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Sets the clock. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Adds a product to the `User-Agent`, such as `nightly-backup/1.4`. Default: the name and
    /// version of this crate alone.
    pub fn user_agent(mut self, product: impl Into<String>) -> Self {
        self.user_agent = Some(product.into());
        self
    }

    /// Sets the time limits of calls. Default: [`Timeouts::new`].
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets how often and how patiently calls are repeated where that is safe. Default:
    /// [`RetryPolicy::new`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets the budget from which the retries of this client are taken. Clients may share one.
    /// Default: one of this client's own.
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.budget = budget;
        self
    }

    /// Sets the largest response that is read, in bytes after decompression. Streams have no such
    /// limit. Default: 256 MiB.
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.response_limit = bytes;
        self
    }

    /// Seeds the client's randomness (tokens, pauses), so that a test can replay a run. Feature
    /// `testing`. Default: the randomness of the operating system.
    ///
    /// Clients of one seed make the same tokens: never use it outside of a test.
    #[cfg(feature = "testing")]
    pub fn seed(mut self, seed: u64) -> Self {
        self.entropy = Entropy::seeded(seed);
        self
    }

    /// Checks everything and returns the client. It sends nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if
    ///
    /// * the endpoint is not the URL of a domain, has a user, query or fragment, or has no snapshot
    ///   API, such as the address of a dashboard;
    /// * requests are to be signed and no region is known, or another than the host's own is given;
    /// * credentials would travel over `http://` to another host, without
    ///   [consent](Self::danger_send_credentials_unencrypted);
    /// * the address of [`connect_to`](Self::connect_to) is not of the form `host:port`;
    /// * no header can carry the [`user_agent`](Self::user_agent);
    /// * there is no transport (without the feature `hyper`).
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
                "endpoint {endpoint} is not encrypted and credentials would be sent to it; use https://"
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
        // Not the endpoint: until it is parsed it may hold a password.
        f.debug_struct("SnapshotClientBuilder")
            .field("auth", &self.auth)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

fn region(endpoint: &Endpoint, given: Option<String>, signs: bool) -> Result<Option<String>, Error> {
    if let Some(given) = given.as_deref().filter(|given| !is_amazon_region(given)) {
        return Err(Error::invalid(format!("region {given:?} is not of a form such as eu-west-1")));
    }
    match (given, endpoint.region()) {
        (Some(given), Some(own)) if given != own => Err(Error::invalid(format!(
            "region {given:?} is not the one in the endpoint's host, {own:?}; the domain would refuse the signature"
        ))),
        (None, None) if signs => Err(Error::invalid(
            "endpoint does not contain the region to sign for; give it by SnapshotClientBuilder::region",
        )),
        (given, own) => Ok(given.or_else(|| own.map(str::to_owned))),
    }
}

fn user_agent(product: Option<&str>) -> Result<HeaderValue, Error> {
    let own = concat!("es-snapshot/", env!("CARGO_PKG_VERSION"));
    let text = product.map_or_else(|| own.to_owned(), |product| format!("{own} {product}"));
    HeaderValue::try_from(text)
        .map_err(|_| Error::invalid(format!("user agent {product:?} contains a character that no header may have")))
}

#[cfg(feature = "hyper")]
fn default_transport(clock: &Arc<dyn Clock>) -> Result<Arc<dyn Transport>, Error> {
    let transport = crate::transport::HyperTransport::builder().clock(Arc::clone(clock)).build()?;
    Ok(Arc::new(transport))
}

#[cfg(not(feature = "hyper"))]
fn default_transport(_: &Arc<dyn Clock>) -> Result<Arc<dyn Transport>, Error> {
    Err(Error::invalid("no transport is given, and the feature `hyper`, which brings one, is off"))
}
