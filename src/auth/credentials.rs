//! The credential cache: callers share one early refresh, and a failed one keeps the usable key.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use futures_util::future::{Either, FutureExt as _, Shared, select};

use crate::auth::provider_failure::{causes, credentials_error};
use crate::auth::sigv4::Key;
use crate::clock::{BoxFuture, Clock, SystemClock};
use crate::error::Error;

/// Credentials are renewed this long before they expire, or when a fifth of their lifetime is left
/// if that is shorter.
const RENEWAL_MARGIN: Duration = Duration::from_secs(300);
/// The shortest time between the end of a refresh and the next one, except after a refusal.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// The default time limit of the provider.
const DEFAULT_LIMIT: Duration = Duration::from_secs(10);

/// A cache that keeps the credentials of a provider and renews them before they expire.
///
/// Clones share the cache. To share one among the clients of several endpoints, use
/// [`Auth::sigv4_shared`](crate::Auth::sigv4_shared). Access key, secret key and session token
/// always come from the same refresh.
///
/// # When credentials are renewed
///
/// * Credentials are renewed 5 minutes before they expire, or when a fifth of their lifetime is
///   left if that is shorter.
/// * The renewal is due only when both this host's clock and the domain's clock show it. So a
///   domain with a wrong clock causes no early renewal for the other clients of the cache. If this
///   host's clock is behind, the domain refuses the key, and that causes the renewal.
/// * Concurrent callers share one refresh. At least one second passes before the next one.
/// * When a domain refuses a key, the next refresh starts without that pause. It keeps the pause if
///   the last refresh failed, or if the key had just replaced another refused one.
///
/// # What callers use during a refresh
///
/// * While the current key is valid, only the caller that started the refresh waits for it. The
///   others use the current key.
/// * If a domain refused the current key, or the key is expired, all callers wait.
/// * A caller that can fall back on the current key waits for at most half of the time that is left
///   for its call.
///
/// # When a refresh fails
///
/// * The current key stays in use, even if it is expired. The domain determines whether it accepts
///   the key.
/// * A refused key that is not expired stays in use too, because another domain may accept it.
/// * Only a key that was refused and is expired is not used again.
/// * A provider that panics, or that exceeds its [`time_limit`](Self::time_limit), has failed.
///
/// # Cancel safety
///
/// Dropping the caller that started a refresh does not lose the refresh. Another caller that waits
/// for it continues it, or the next caller does.
///
/// # Examples
///
/// ```
/// use aws_credential_types::Credentials;
/// use es_snapshot::auth::CredentialCache;
/// use es_snapshot::{Auth, SnapshotClient};
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
    /// The cache belongs to one client and must use the clock of that client.
    is_for_client: bool,
    /// The time limit of the provider.
    limit: Duration,
    /// Under this lock, only pointers are compared and exchanged. Foreign code runs outside of it:
    /// clocks, futures of providers, subscribers, and the clone and drop of credentials.
    state: Mutex<Arc<State>>,
}

#[derive(Clone, Default)]
struct State {
    current: Option<Current>,
    refresh: Option<Refresh>,
    ended: Option<Ended>,
}

/// The end of the last refresh.
#[derive(Clone)]
struct Ended {
    /// By the monotonic clock.
    at: Duration,
    failure: Option<Arc<CredentialsError>>,
}

#[derive(Clone)]
struct Current {
    key: Arc<Key>,
    /// When to renew the key, by the wall clock. `None` if it does not expire.
    renew_at: Option<SystemTime>,
    /// A domain refused the key.
    rejected: bool,
    /// The key replaced one that a domain had refused.
    after_refusal: bool,
}

impl Current {
    /// Returns whether no refresh is due.
    fn is_fresh(&self, now: SystemTime) -> bool {
        !self.rejected && self.renew_at.is_none_or(|at| now < at)
    }

    fn is_valid(&self, now: SystemTime) -> bool {
        self.key.credentials().expiry().is_none_or(|expiry| now < expiry)
    }

    /// Returns whether these credentials have the same key and session token.
    fn matches(&self, other: &Credentials) -> bool {
        let own = self.key.credentials();
        own.access_key_id() == other.access_key_id() && own.session_token() == other.session_token()
    }
}

type Refreshed = Result<Arc<Key>, Arc<CredentialsError>>;

#[derive(Clone)]
struct Refresh {
    /// By the monotonic clock.
    began: Duration,
    future: Shared<BoxFuture<'static, Refreshed>>,
}

/// Credentials to sign with.
pub(crate) struct Grant {
    pub(crate) key: Arc<Key>,
    /// Why the provider returned no newer credentials, if a renewal was due.
    pub(crate) failure: Option<Arc<CredentialsError>>,
}

/// The next step of a caller that needs credentials.
enum Step {
    Use(Grant),
    /// Poll the refresh once without waiting for it, because this key is still valid.
    Poll(Refresh, Arc<Key>),
    /// Wait for the refresh. The key is the fallback if the refresh fails.
    Join(Refresh, Option<Arc<Key>>),
    /// Begin a refresh and wait for it. The key is the fallback if the refresh fails.
    Begin(Option<Arc<Key>>),
    Fail(Arc<CredentialsError>),
}

impl State {
    /// Returns the next step at this wall time and this monotonic time. A refresh that is older
    /// than the limit is abandoned: nobody polls it any more.
    fn step(&self, now: SystemTime, monotonic: Duration, limit: Duration) -> Step {
        let current = self.current.as_ref();
        if let Some(current) = current.filter(|current| current.is_fresh(now)) {
            return Step::Use(Grant { key: Arc::clone(&current.key), failure: None });
        }
        let fallback =
            current.filter(|current| !current.rejected || current.is_valid(now)).map(|it| Arc::clone(&it.key));
        if let Some(refresh) = self.refresh.clone().filter(|refresh| monotonic.saturating_sub(refresh.began) <= limit) {
            return match current.filter(|current| !current.rejected && current.is_valid(now)) {
                Some(current) => Step::Poll(refresh, Arc::clone(&current.key)),
                None => Step::Join(refresh, fallback),
            };
        }
        let recent = self.ended.as_ref().filter(|ended| monotonic.saturating_sub(ended.at) < MIN_INTERVAL);
        let Some(Ended { failure, .. }) = recent else { return Step::Begin(fallback) };
        // The last refresh ended a moment ago, so its result is used. Expired credentials are used
        // too: some providers return them on purpose while their service is down.
        match (failure, current) {
            (Some(failure), _) => match fallback {
                Some(key) => Step::Use(Grant { key, failure: Some(Arc::clone(failure)) }),
                None => Step::Fail(Arc::clone(failure)),
            },
            (None, Some(current)) if !current.rejected || current.after_refusal => {
                Step::Use(Grant { key: Arc::clone(&current.key), failure: None })
            }
            // The provider may have returned the refused key from a cache of its own.
            (None, _) => Step::Begin(fallback),
        }
    }

    /// Returns the state after a refresh that had this result.
    fn with_result(&self, result: &Refreshed, clocks: [SystemTime; 2], at: Duration) -> Self {
        let current = match result {
            Err(_) => self.current.clone(),
            Ok(key) => Some(Current {
                key: Arc::clone(key),
                renew_at: renewal(key.credentials(), clocks),
                rejected: false,
                after_refusal: self.current.as_ref().is_some_and(|before| before.rejected),
            }),
        };
        Self { current, refresh: None, ended: Some(Ended { at, failure: result.as_ref().err().cloned() }) }
    }
}

impl CredentialCache {
    /// Returns a cache for this provider that uses the system's clock.
    pub fn new(provider: impl ProvideCredentials + 'static) -> Self {
        Self::with_clock(provider, Arc::new(SystemClock))
    }

    /// Returns a cache for one client. It receives the client's clock when the client is built.
    pub(super) fn for_client(provider: impl ProvideCredentials + 'static) -> Self {
        let provider = SharedCredentialsProvider::new(provider);
        let clock = Arc::new(SystemClock);
        Self {
            shared: Arc::new(Inner {
                provider,
                clock,
                is_for_client: true,
                limit: DEFAULT_LIMIT,
                state: Mutex::default(),
            }),
        }
    }

    /// Returns the cache for a client that has this clock. A shared cache keeps its own clock.
    pub(super) fn with_client_clock(self, clock: &Arc<dyn Clock>) -> Self {
        if self.shared.is_for_client { Self::with_clock(self.shared.provider.clone(), Arc::clone(clock)) } else { self }
    }

    /// Returns a cache for this provider that uses another clock.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::SystemTime;
    ///
    /// use aws_credential_types::Credentials;
    /// use es_snapshot::auth::CredentialCache;
    /// use es_snapshot::testing::ManualClock;
    ///
    /// let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
    /// let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    /// let cache = CredentialCache::with_clock(credentials, Arc::new(clock));
    /// ```
    pub fn with_clock(provider: impl ProvideCredentials + 'static, clock: Arc<dyn Clock>) -> Self {
        let provider = SharedCredentialsProvider::new(provider);
        Self {
            shared: Arc::new(Inner {
                provider,
                clock,
                is_for_client: false,
                limit: DEFAULT_LIMIT,
                state: Mutex::default(),
            }),
        }
    }

    /// Returns an empty cache with this time limit for the provider. Default: 10 s.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use aws_credential_types::Credentials;
    /// use es_snapshot::auth::CredentialCache;
    ///
    /// let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
    /// let cache = CredentialCache::new(credentials).time_limit(Duration::from_secs(30));
    /// ```
    #[must_use]
    pub fn time_limit(self, limit: Duration) -> Self {
        let (provider, clock) = (self.shared.provider.clone(), Arc::clone(&self.shared.clock));
        Self { shared: Arc::new(Inner { provider, clock, is_for_client: false, limit, state: Mutex::default() }) }
    }

    /// Returns credentials for a request. `domain` is the domain's time. If there is a key to fall
    /// back on, at most half of `time_left` is spent on a newer one.
    pub(crate) async fn get(&self, domain: SystemTime, time_left: Duration) -> Result<Grant, Error> {
        let clocks = [self.shared.clock.wall(), domain];
        let now = clocks[0].min(clocks[1]);
        let (refresh, fallback, is_waiting) = loop {
            let (state, monotonic) = (self.load(), self.shared.clock.monotonic());
            match state.step(now, monotonic, self.shared.limit) {
                Step::Use(grant) => return Ok(grant),
                Step::Fail(error) => return Err(credentials_error(error)),
                Step::Poll(refresh, key) => break (refresh, Some(key), false),
                Step::Join(refresh, fallback) => break (refresh, fallback, true),
                Step::Begin(fallback) => {
                    let refresh = Refresh { began: monotonic, future: self.refresh() };
                    let begun = State { refresh: Some(refresh.clone()), ..State::clone(&state) };
                    if self.replace(&state, begun) {
                        break (refresh, fallback, true);
                    }
                }
            }
        };
        let result = match &fallback {
            None => refresh.future.clone().await,
            Some(key) if is_waiting => {
                let limit = time_left / 2;
                match select(refresh.future.clone(), self.shared.clock.timeout(limit)).await {
                    Either::Left((result, _)) => result,
                    Either::Right(_) => {
                        let failure = Some(Arc::new(CredentialsError::provider_timed_out(limit)));
                        return Ok(Grant { key: Arc::clone(key), failure });
                    }
                }
            }
            Some(key) => match refresh.future.clone().now_or_never() {
                Some(result) => result,
                None => return Ok(Grant { key: Arc::clone(key), failure: None }),
            },
        };
        self.record(&refresh, &result, fallback.is_some(), clocks);
        match (result, fallback) {
            (Ok(key), _) => Ok(Grant { key, failure: None }),
            (Err(failure), Some(key)) => Ok(Grant { key, failure: Some(failure) }),
            (Err(error), None) => Err(credentials_error(error)),
        }
    }

    /// Records the result of a refresh. Only the first caller that has it does so.
    fn record(&self, refresh: &Refresh, result: &Refreshed, kept: bool, clocks: [SystemTime; 2]) {
        let at = self.shared.clock.monotonic();
        let is_first = self.update(|state| {
            let running = state.refresh.as_ref()?;
            running.future.ptr_eq(&refresh.future).then(|| state.with_result(result, clocks, at))
        });
        if let (true, Err(error)) = (is_first, result) {
            tracing::warn!(kept, error = causes(error), "credentials could not be renewed");
        }
    }

    fn refresh(&self) -> Shared<BoxFuture<'static, Refreshed>> {
        let (provider, timeout, limit) =
            (self.shared.provider.clone(), self.shared.clock.timeout(self.shared.limit), self.shared.limit);
        let load = async move {
            match select(provider.provide_credentials(), timeout).await {
                Either::Left((result, _)) => result,
                Either::Right(((), _)) => Err(CredentialsError::provider_timed_out(limit)),
            }
        };
        // A panic in a shared future would reach every caller that joined it. A provider may panic
        // because the runtime that it began on has ended.
        let refresh: BoxFuture<'static, _> = Box::pin(AssertUnwindSafe(load).catch_unwind().map(|ended| {
            let panicked = |_| Err(CredentialsError::provider_error("the provider panicked"));
            ended.unwrap_or_else(panicked).map(|credentials| Arc::new(Key::new(credentials))).map_err(Arc::new)
        }));
        refresh.shared()
    }

    /// Marks credentials that a domain refused, so that the next caller starts a refresh. Newer
    /// credentials are not affected.
    pub(crate) fn reject(&self, refused: &Credentials) {
        self.update(|state| {
            let current = state.current.as_ref().filter(|current| current.matches(refused))?;
            Some(State { current: Some(Current { rejected: true, ..current.clone() }), ..state.clone() })
        });
    }

    fn load(&self) -> Arc<State> {
        Arc::clone(&self.shared.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the state by the one that `change` returns, and returns whether it returned one.
    fn update(&self, change: impl Fn(&State) -> Option<State>) -> bool {
        loop {
            let before = self.load();
            let Some(after) = change(&before) else { return false };
            if self.replace(&before, after) {
                return true;
            }
        }
    }

    /// Replaces the state if it is still `before`, and returns whether it was.
    fn replace(&self, before: &Arc<State>, after: State) -> bool {
        let after = Arc::new(after);
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = Arc::ptr_eq(&state, before);
        if is_current {
            // The caller holds the old state, so nothing is dropped under the lock.
            *state = after;
        }
        is_current
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
            let granted = self.get(self.shared.clock.wall(), self.shared.limit.saturating_mul(2)).await;
            granted.map(|grant| grant.key.credentials().clone()).map_err(CredentialsError::provider_error)
        })
    }
}

/// Returns when to renew credentials that were loaded at this time by two clocks.
///
/// If the clocks disagree, the shorter lifetime counts. A wrong clock could show a lifetime of
/// several days, or none.
fn renewal(credentials: &Credentials, loaded_at: [SystemTime; 2]) -> Option<SystemTime> {
    let expiry = credentials.expiry()?;
    let lifetimes = loaded_at.into_iter().filter_map(|time| expiry.duration_since(time).ok());
    let lifetime = lifetimes.filter(|lifetime| !lifetime.is_zero()).min().unwrap_or_default();
    expiry.checked_sub(RENEWAL_MARGIN.min(lifetime / 5))
}
