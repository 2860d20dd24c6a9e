//! Who signs a request: credentials, their cache, and the ways to authenticate.

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

/// How requests are authenticated.
///
/// [`with_signed_registration`](Self::with_signed_registration) is for Amazon domains that are used
/// with a password and still want the registration of a repository signed: there the service checks
/// `iam:PassRole` for the signer.
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

#[derive(Clone)]
enum Scheme {
    None,
    /// A ready `Authorization`, and the texts in it that must not be shown.
    Header(HeaderValue, Arc<[String]>),
    SigV4(CredentialCache),
}

impl Auth {
    /// No authentication.
    #[must_use]
    pub fn none() -> Self {
        Self { all: Scheme::None, registration: None }
    }

    /// AWS Signature Version 4 with what the provider gives, behind a [`CredentialCache`] of this
    /// client.
    pub fn sigv4(provider: impl ProvideCredentials + 'static) -> Self {
        Self { all: Scheme::SigV4(CredentialCache::of_a_client(provider)), registration: None }
    }

    /// AWS Signature Version 4 with credentials from a cache that other clients may share.
    #[must_use]
    pub fn sigv4_shared(cache: CredentialCache) -> Self {
        Self { all: Scheme::SigV4(cache), registration: None }
    }

    /// User and password.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the user contains a colon,
    /// which would end it (RFC 7617).
    pub fn basic(user: &str, password: &str) -> Result<Self, Error> {
        if user.contains(':') {
            return Err(Error::invalid("user of basic authentication must not contain a colon"));
        }
        let encoded = base64::encode(format!("{user}:{password}"));
        Self::header("Basic", &encoded, vec![encoded.clone(), password.to_owned()])
    }

    /// An Elasticsearch API key, as `POST /_security/api_key` gives it in `encoded`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if it holds a character that no
    /// header may have.
    pub fn api_key(encoded: &str) -> Result<Self, Error> {
        Self::header("ApiKey", encoded, vec![encoded.to_owned()])
    }

    /// A bearer token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if it holds a character that no
    /// header may have.
    pub fn bearer(token: &str) -> Result<Self, Error> {
        Self::header("Bearer", token, vec![token.to_owned()])
    }

    fn header(scheme: &str, value: &str, secrets: Vec<String>) -> Result<Self, Error> {
        // The converter's own error is left out: nothing of a secret is to be repeated.
        let mut header = HeaderValue::try_from(format!("{scheme} {value}")).map_err(|_| {
            Error::invalid(format!("{scheme} authentication contains a character that no header may have"))
        })?;
        header.set_sensitive(true);
        Ok(Self { all: Scheme::Header(header, secrets.into()), registration: None })
    }

    /// Signs the registration of repositories with these credentials, and leaves all other calls as
    /// they are.
    #[must_use]
    pub fn with_signed_registration(mut self, provider: impl ProvideCredentials + 'static) -> Self {
        self.registration = Some(CredentialCache::of_a_client(provider));
        self
    }

    /// Whether any call is signed, which needs a region.
    pub(crate) fn signs(&self) -> bool {
        matches!(self.all, Scheme::SigV4(_)) || self.registration.is_some()
    }

    /// Whether there is anything to lose on an unencrypted connection.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self.all, Scheme::None) && self.registration.is_none()
    }

    pub(crate) fn into_authorizer(self, region: Option<String>, clock: &Arc<dyn Clock>) -> Authorizer {
        let all = match self.all {
            Scheme::SigV4(cache) => Scheme::SigV4(cache.on(clock)),
            other => other,
        };
        let registration = self.registration.map(|cache| Scheme::SigV4(cache.on(clock)));
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

/// What a signature covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signable<'a> {
    pub(crate) operation: Operation,
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// What to add to one attempt, and which texts errors about its response must not contain.
#[derive(Default)]
pub(crate) struct Authorization {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) secrets: Secrets,
    /// The credentials that signed, to be dropped if the domain calls them expired.
    pub(crate) signed_with: Option<Grant>,
}

/// What a request carried and no error about its response may repeat.
#[derive(Clone, Default)]
pub(crate) enum Secrets {
    #[default]
    None,
    Header(Arc<[String]>),
    /// The key, and the header with the signature.
    Signature(Arc<Key>, Option<HeaderValue>),
}

impl Secrets {
    /// The texts. Only an error needs them.
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
    fn scheme(&self, operation: Operation) -> &Scheme {
        match &self.registration {
            Some(scheme) if operation == Operation::RegisterRepository => scheme,
            _ => &self.all,
        }
    }

    /// The headers of one attempt, for which so much time is left. `now` is the domain's time as
    /// far as it is known.
    pub(crate) async fn authorize(
        &self,
        request: Signable<'_>,
        now: SystemTime,
        left: Duration,
    ) -> Result<Authorization, Error> {
        match self.scheme(request.operation) {
            Scheme::None => Ok(Authorization::default()),
            Scheme::Header(header, secrets) => Ok(Authorization {
                headers: vec![(AUTHORIZATION, header.clone())],
                secrets: Secrets::Header(Arc::clone(secrets)),
                signed_with: None,
            }),
            Scheme::SigV4(cache) => {
                let grant = cache.get(now, left).await?;
                let headers = sigv4::sign(request, &grant.key, &self.region, now)?;
                let signature = headers.iter().find(|(name, _)| name == AUTHORIZATION).map(|(_, value)| value.clone());
                let secrets = Secrets::Signature(Arc::clone(&grant.key), signature);
                Ok(Authorization { headers, secrets, signed_with: Some(grant) })
            }
        }
    }

    /// Drops credentials that the domain called expired or unknown.
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
