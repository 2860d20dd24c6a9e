//! Authentication of requests: AWS signatures, passwords, API keys and bearer tokens.
//!
//! [`Auth`] selects how a client authenticates. For AWS Signature Version 4, a [`CredentialCache`]
//! keeps the credentials of a provider and renews them before they expire. Clients of several
//! domains can share one cache.
//!
//! ```
//! use aws_credential_types::Credentials;
//! use es_snapshot::SnapshotClient;
//! use es_snapshot::auth::Auth;
//!
//! let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
//! let client = SnapshotClient::builder("https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com")
//!     .auth(Auth::sigv4(credentials))
//!     .build()?;
//! # Ok::<(), es_snapshot::Error>(())
//! ```

#[cfg(feature = "aws-config")]
pub(crate) mod aws_config;
pub(crate) mod credentials;
mod provider_failure;
pub(crate) mod sigv4;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_types::base64;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

#[cfg(feature = "aws-config")]
pub use aws_config::default_credentials;
pub use credentials::CredentialCache;

use crate::auth::credentials::Grant;
use crate::auth::sigv4::Key;
use crate::clock::Clock;
use crate::error::{Error, Operation};

/// The way in which a client authenticates its requests.
///
/// ```
/// use es_snapshot::{Auth, SnapshotClient};
///
/// let client = SnapshotClient::builder("http://localhost:9200")
///     .auth(Auth::basic("backup", "secret")?)
///     .build()?;
/// # Ok::<(), es_snapshot::Error>(())
/// ```
#[derive(Clone)]
pub struct Auth {
    all: Scheme,
    registration: Option<CredentialCache>,
}

/// How a request is authenticated.
#[derive(Clone)]
pub(crate) enum Scheme {
    None,
    /// The complete `Authorization` header, and its parts that errors must not contain.
    Header(HeaderValue, Arc<[String]>),
    SigV4(CredentialCache),
}

impl Auth {
    /// Returns an `Auth` that sends no credentials.
    #[must_use]
    pub fn none() -> Self {
        Self { all: Scheme::None, registration: None }
    }

    /// Returns an `Auth` that signs with AWS Signature Version 4 and this provider's credentials.
    ///
    /// Each client has a [`CredentialCache`] of its own, which uses the client's clock.
    pub fn sigv4(provider: impl ProvideCredentials + 'static) -> Self {
        Self { all: Scheme::SigV4(CredentialCache::for_client(provider)), registration: None }
    }

    /// Returns an `Auth` that signs with credentials from a cache, which clients can share.
    #[must_use]
    pub fn sigv4_shared(cache: CredentialCache) -> Self {
        Self { all: Scheme::SigV4(cache), registration: None }
    }

    /// Returns an `Auth` that sends a user and a password (HTTP basic authentication).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the user contains a colon. In
    /// the header, a colon separates the user from the password (RFC 7617).
    pub fn basic(user: &str, password: &str) -> Result<Self, Error> {
        if user.contains(':') {
            // The user is not shown, because it may contain a password after the colon.
            return Err(Error::invalid("the user of basic authentication must not contain a colon"));
        }
        let encoded = base64::encode(format!("{user}:{password}"));
        Self::header("Basic", &encoded, vec![encoded.clone(), password.to_owned()])
    }

    /// Returns an `Auth` that sends an Elasticsearch API key.
    ///
    /// Pass the field `encoded` of the response of `POST /_security/api_key`.
    ///
    /// ```
    /// let auth = es_snapshot::Auth::api_key("aWQ6c2VjcmV0")?;
    /// # Ok::<(), es_snapshot::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the key contains a character
    /// that a header must not contain.
    pub fn api_key(encoded: &str) -> Result<Self, Error> {
        Self::header("ApiKey", encoded, vec![encoded.to_owned()])
    }

    /// Returns an `Auth` that sends a bearer token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the token contains a
    /// character that a header must not contain.
    pub fn bearer(token: &str) -> Result<Self, Error> {
        Self::header("Bearer", token, vec![token.to_owned()])
    }

    fn header(scheme: &str, value: &str, secrets: Vec<String>) -> Result<Self, Error> {
        // The source error is dropped, so that no part of a secret is repeated.
        let mut header = HeaderValue::try_from(format!("{scheme} {value}")).map_err(|_| {
            Error::invalid(format!(
                "the value for {scheme} authentication contains a character that a header must not contain, such as a \
                 line break"
            ))
        })?;
        header.set_sensitive(true);
        Ok(Self { all: Scheme::Header(header, secrets.into()), registration: None })
    }

    /// Signs the registration of repositories with this provider's credentials.
    ///
    /// All other calls keep their authentication. Use this for Amazon domains that you access with
    /// a password. They check `iam:PassRole` for the signer of a
    /// [registration](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshot-registerdirectory.html),
    /// so that request must be signed.
    ///
    /// ```
    /// use aws_credential_types::Credentials;
    /// use es_snapshot::{Auth, SnapshotClient};
    ///
    /// let signer = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
    /// let client = SnapshotClient::builder("https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com")
    ///     .auth(Auth::basic("backup", "secret")?.with_signed_registration(signer))
    ///     .build()?;
    /// # Ok::<(), es_snapshot::Error>(())
    /// ```
    #[must_use]
    pub fn with_signed_registration(mut self, provider: impl ProvideCredentials + 'static) -> Self {
        self.registration = Some(CredentialCache::for_client(provider));
        self
    }

    /// Returns whether any call is signed. Signing needs a region.
    pub(crate) fn signs(&self) -> bool {
        matches!(self.all, Scheme::SigV4(_)) || self.registration.is_some()
    }

    /// Returns whether no call carries credentials.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self.all, Scheme::None) && self.registration.is_none()
    }

    pub(crate) fn into_authorizer(self, region: Option<String>, clock: &Arc<dyn Clock>) -> Authorizer {
        let all = match self.all {
            Scheme::SigV4(cache) => Scheme::SigV4(cache.with_client_clock(clock)),
            other => other,
        };
        let registration = self.registration.map(|cache| Scheme::SigV4(cache.with_client_clock(clock)));
        Authorizer { all, registration, region: region.unwrap_or_default() }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.all {
            Scheme::None => "none",
            Scheme::Header(..) => "header [redacted]",
            Scheme::SigV4(_) => "sigv4",
        };
        f.debug_struct("Auth").field("all", &name).field("signs_registration", &self.registration.is_some()).finish()
    }
}

/// The parts of a request that authentication needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signable<'a> {
    pub(crate) operation: Operation,
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// The result of authenticating one attempt.
#[derive(Default)]
pub(crate) struct Authorization {
    /// The headers to add to the request.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The texts that errors about the response must not contain.
    pub(crate) secrets: Secrets,
    /// The credentials that signed the request. If the domain refuses them, they are rejected.
    pub(crate) signed_with: Option<Grant>,
}

/// The secrets that a request carried. Errors about its response must not repeat them.
#[derive(Clone, Default)]
pub(crate) enum Secrets {
    #[default]
    None,
    Header(Arc<[String]>),
    /// The key, and the `Authorization` header that contains the signature.
    Signature(Arc<Key>, Option<HeaderValue>),
}

impl Secrets {
    /// Returns the secrets as texts. Only an error needs them, so they are not kept as texts.
    pub(crate) fn texts(&self) -> Vec<&str> {
        match self {
            Self::None => Vec::new(),
            Self::Header(texts) => texts.iter().map(String::as_str).collect(),
            Self::Signature(key, header) => {
                key.secrets().chain(header.as_ref().and_then(|header| header.to_str().ok())).collect()
            }
        }
    }
}

/// Authenticates the attempts of one client.
pub(crate) struct Authorizer {
    all: Scheme,
    registration: Option<Scheme>,
    region: String,
}

impl Authorizer {
    /// Returns the Region of the domain, if it is known: that for which requests are signed.
    pub(crate) fn region(&self) -> Option<&str> {
        Some(self.region.as_str()).filter(|region| !region.is_empty())
    }

    pub(crate) fn scheme(&self, operation: Operation) -> &Scheme {
        match &self.registration {
            Some(scheme) if operation == Operation::RegisterRepository => scheme,
            _ => &self.all,
        }
    }

    /// Authenticates one attempt. `now` is the domain's time as far as it is known, `time_left` the
    /// time left for the call.
    pub(crate) async fn authorize(
        &self,
        request: Signable<'_>,
        now: SystemTime,
        time_left: Duration,
    ) -> Result<Authorization, Error> {
        match self.scheme(request.operation) {
            Scheme::None => Ok(Authorization::default()),
            Scheme::Header(header, secrets) => Ok(Authorization {
                headers: vec![(AUTHORIZATION, header.clone())],
                secrets: Secrets::Header(Arc::clone(secrets)),
                signed_with: None,
            }),
            Scheme::SigV4(cache) => {
                let grant = cache.get(now, time_left).await?;
                let headers = sigv4::sign(request, &grant.key, &self.region, now)?;
                let signature = headers.iter().find(|(name, _)| name == AUTHORIZATION).map(|(_, value)| value.clone());
                let secrets = Secrets::Signature(Arc::clone(&grant.key), signature);
                Ok(Authorization { headers, secrets, signed_with: Some(grant) })
            }
        }
    }

    /// Marks credentials that the domain refused as expired or unknown.
    pub(crate) fn reject(&self, operation: Operation, credentials: &Credentials) {
        if let Scheme::SigV4(cache) = self.scheme(operation) {
            cache.reject(credentials);
        }
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer").field("region", &self.region).finish_non_exhaustive()
    }
}
