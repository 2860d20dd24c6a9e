//! A cache before a credential provider: one refresh for many callers, early, and never at the cost of a valid key.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use futures_util::future::{Either, FutureExt as _, Shared, select};

use crate::clock::{BoxFuture, Clock, SystemClock};
use crate::error::{Error, ErrorKind, Outcome};

/// Credentials are renewed this long before their expiry, or a fifth of their life before it if that is less.
const EARLY: Duration = Duration::from_secs(300);
/// The provider is not asked more often.
const SPACING: Duration = Duration::from_secs(1);
/// How long the provider may take by default.
const LIMIT: Duration = Duration::from_secs(10);

/// Keeps the credentials of a provider and renews them in time.
///
/// * Key, secret and token are always of one and the same refresh.
/// * They are renewed 5 minutes before they expire, or when a fifth of their life is left if that is less.
/// * Any number of callers make one refresh, at most one a second, and one at once when a domain refused the key, but for
///   one that has just come in the place of another refused. While a key is still valid only the caller that began the
///   refresh waits for it, for half of its call's time at most, and if nothing comes of it, that key goes on being used. A
///   key that a domain refused is waited for by all, and goes on being used as well if no other can be had: another domain
///   may take it.
/// * Expiry is judged by the domain's clock where the client knows it.
/// * The provider has 10 s by default ([`time_limit`](Self::time_limit)); one that panics has failed.
///
/// Clones share the cache; give one cache to the clients of many endpoints by
/// [`Auth::sigv4_shared`](crate::Auth::sigv4_shared).
///
/// # Cancel safety
///
/// Dropping the caller that began a refresh strands nobody: whoever waits for it carries it on, or the next caller does.
///
/// # Examples
///
/// ```
/// use aws_credential_types::Credentials;
/// use es_snapshot::{Auth, CredentialCache, SnapshotClient};
///
/// # fn main() -> Result<(), es_snapshot::Error> {
/// let cache = CredentialCache::new(Credentials::new("AKIDEXAMPLE", "secret", None, None, "example"));
/// for domain in ["https://vpc-a-1.eu-west-1.es.amazonaws.com", "https://vpc-b-2.eu-west-1.es.amazonaws.com"] {
///     let client = SnapshotClient::builder(domain).auth(Auth::sigv4_shared(cache.clone()));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CredentialCache {
    shared: Arc<Inner>,
}

struct Inner {
    provider: SharedCredentialsProvider,
    clock: Arc<dyn Clock>,
    limit: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Current>,
    refresh: Option<Refresh>,
    /// When the last refresh ended, and how if it failed.
    ended: Option<(Duration, Option<Arc<CredentialsError>>)>,
}

#[derive(Clone)]
struct Current {
    credentials: Credentials,
    /// When to renew them, in wall time; `None` if they do not expire.
    renew_at: Option<SystemTime>,
    /// A domain refused them.
    rejected: bool,
    /// They came in the place of some that a domain had refused.
    after_refusal: bool,
}

impl Current {
    /// Whether a refresh is not due yet by their age.
    fn is_fresh(&self, now: SystemTime) -> bool {
        !self.rejected && self.renew_at.is_none_or(|at| now < at)
    }

    fn is_valid(&self, now: SystemTime) -> bool {
        self.credentials.expiry().is_none_or(|expiry| now < expiry)
    }
}

fn is_same_key(one: &Credentials, other: &Credentials) -> bool {
    one.access_key_id() == other.access_key_id() && one.session_token() == other.session_token()
}

#[derive(Clone)]
struct Refresh {
    began: Duration,
    future: Shared<BoxFuture<'static, Result<Credentials, Arc<CredentialsError>>>>,
}

/// What a look at the cache leads to.
enum Step {
    Use(Credentials),
    /// Carry the refresh on, without waiting for it where these credentials will do.
    Push(Refresh, Credentials),
    /// Join the refresh; the credentials to fall back on if it fails.
    Join(Refresh, Option<Credentials>),
    Fail(Arc<CredentialsError>),
}

impl CredentialCache {
    /// A cache before this provider, on the system's clock.
    pub fn new(provider: impl ProvideCredentials + 'static) -> Self {
        Self::with_clock(provider, Arc::new(SystemClock))
    }

    /// A cache before this provider, on a clock of the caller's.
    pub fn with_clock(provider: impl ProvideCredentials + 'static, clock: Arc<dyn Clock>) -> Self {
        let provider = SharedCredentialsProvider::new(provider);
        Self { shared: Arc::new(Inner { provider, clock, limit: LIMIT, state: Mutex::default() }) }
    }

    /// An empty cache with another time limit on the provider.
    #[must_use]
    pub fn time_limit(self, limit: Duration) -> Self {
        let Inner { provider, clock, .. } = &*self.shared;
        Self { shared: Arc::new(Inner { provider: provider.clone(), clock: Arc::clone(clock), limit, state: Mutex::default() }) }
    }

    /// Credentials for a request at this time, which may wait so long for them. Where a valid key is at hand, no more than
    /// half of that is spent on a newer one.
    pub(crate) async fn get(&self, now: SystemTime, patience: Duration) -> Result<Credentials, Error> {
        let (refresh, fallback, result) = match self.step(now) {
            Step::Use(credentials) => return Ok(credentials),
            Step::Fail(error) => return Err(failed(error)),
            Step::Push(refresh, current) => match refresh.future.clone().now_or_never() {
                Some(result) => (refresh, Some(current), result),
                None => return Ok(current),
            },
            Step::Join(refresh, Some(fallback)) => {
                match select(refresh.future.clone(), self.shared.clock.timeout(patience / 2)).await {
                    Either::Left((result, _)) => (refresh, Some(fallback), result),
                    Either::Right(_) => return Ok(fallback),
                }
            }
            Step::Join(refresh, None) => {
                let result = refresh.future.clone().await;
                (refresh, None, result)
            }
        };
        self.end(&refresh, &result, fallback.is_some(), now);
        match (result, fallback) {
            (Ok(credentials), _) | (Err(_), Some(credentials)) => Ok(credentials),
            (Err(error), None) => Err(failed(error)),
        }
    }

    /// Records the end of a refresh, once.
    fn end(&self, refresh: &Refresh, result: &Result<Credentials, Arc<CredentialsError>>, kept: bool, now: SystemTime) {
        let mut state = self.state();
        if !state.refresh.as_ref().is_some_and(|running| running.future.ptr_eq(&refresh.future)) {
            return;
        }
        state.refresh = None;
        let ended = self.shared.clock.monotonic();
        match result {
            Ok(credentials) => {
                state.ended = Some((ended, None));
                state.current = Some(Current {
                    credentials: credentials.clone(),
                    renew_at: renewal(credentials, now),
                    rejected: false,
                    after_refusal: state.current.as_ref().is_some_and(|before| before.rejected),
                });
            }
            Err(error) => {
                tracing::warn!(kept, "credentials could not be renewed");
                state.ended = Some((ended, Some(Arc::clone(error))));
            }
        }
    }

    fn step(&self, now: SystemTime) -> Step {
        let clock = &self.shared.clock;
        let mut state = self.state();
        let monotonic = clock.monotonic();
        let current = state.current.clone();
        let valid = current.clone().filter(|current| current.is_valid(now));
        if let Some(current) = valid.as_ref().filter(|current| current.is_fresh(now)) {
            return Step::Use(current.credentials.clone());
        }
        // A refresh that every caller has abandoned is carried on, unless its time limit is long over.
        let running = state.refresh.clone().filter(|refresh| monotonic.saturating_sub(refresh.began) <= self.shared.limit);
        if let Some(refresh) = running {
            return match valid {
                Some(current) if !current.rejected => Step::Push(refresh, current.credentials),
                valid => Step::Join(refresh, valid.map(|current| current.credentials)),
            };
        }
        if let Some((ended, failure)) = &state.ended
            && monotonic.saturating_sub(*ended) < SPACING
        {
            // Asked a moment ago: what came of it has to do. A provider may stretch expired credentials on purpose when
            // its service is down, so expired ones are tried rather than not.
            match (current, failure) {
                // The provider's own cache may have given an old one.
                (Some(current), None) if current.rejected && !current.after_refusal => {}
                (Some(current), Some(error)) if current.rejected && !current.is_valid(now) => {
                    return Step::Fail(Arc::clone(error));
                }
                (Some(current), _) => return Step::Use(current.credentials),
                (None, Some(error)) => return Step::Fail(Arc::clone(error)),
                (None, None) => {}
            }
        }
        let refresh = Refresh { began: monotonic, future: self.refresh() };
        state.refresh = Some(refresh.clone());
        Step::Join(refresh, valid.map(|current| current.credentials))
    }

    fn refresh(&self) -> Shared<BoxFuture<'static, Result<Credentials, Arc<CredentialsError>>>> {
        let (provider, timeout, limit) =
            (self.shared.provider.clone(), self.shared.clock.timeout(self.shared.limit), self.shared.limit);
        let load = async move {
            match select(provider.provide_credentials(), timeout).await {
                Either::Left((result, _)) => result,
                Either::Right(((), _)) => Err(CredentialsError::provider_timed_out(limit)),
            }
        };
        // A shared future that panics does so for all that join it. A provider may have a fault, or may have been left in the
        // middle by a runtime that is no more.
        let refresh: BoxFuture<'static, _> = Box::pin(AssertUnwindSafe(load).catch_unwind().map(|ended| {
            let panicked = |_| Err(CredentialsError::provider_error("the provider panicked"));
            ended.unwrap_or_else(panicked).map_err(Arc::new)
        }));
        refresh.shared()
    }

    /// Marks credentials that the domain refused, so that the next caller asks the provider; later ones are left alone.
    pub(crate) fn reject(&self, refused: &Credentials) {
        if let Some(current) = self.state().current.as_mut()
            && is_same_key(&current.credentials, refused)
        {
            current.rejected = true;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CredentialCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialCache").field("credentials", &"[redacted]").finish_non_exhaustive()
    }
}

impl ProvideCredentials for CredentialCache {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            self.get(self.shared.clock.wall(), self.shared.limit.saturating_mul(2))
                .await
                .map_err(CredentialsError::provider_error)
        })
    }
}

/// When to renew credentials that were got at this time.
fn renewal(credentials: &Credentials, got: SystemTime) -> Option<SystemTime> {
    let expiry = credentials.expiry()?;
    let life = expiry.duration_since(got).unwrap_or_default();
    expiry.checked_sub(EARLY.min(life / 5))
}

fn failed(error: Arc<CredentialsError>) -> Error {
    let message = match &*error {
        CredentialsError::CredentialsNotLoaded(_) => "the provider found none",
        CredentialsError::ProviderTimedOut(_) => {
            "the provider did not answer in time; in a container the metadata service may need a hop limit of 2"
        }
        CredentialsError::InvalidConfiguration(_) => "the provider is configured wrongly",
        _ => "the provider failed",
    };
    Error::new(ErrorKind::Credentials, Outcome::NotSent, message).with_source(error)
}
