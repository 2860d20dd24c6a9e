//! A cache before a credential provider: one refresh for many callers, early, and never at the cost
//! of a usable key.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use futures_util::future::{Either, FutureExt as _, Shared, select};

use crate::auth::provider_failure::{causes, failed};
use crate::auth::sigv4::Key;
use crate::clock::{BoxFuture, Clock, SystemClock};
use crate::error::Error;

/// Credentials are renewed this long before their expiry, or a fifth of their life before it if
/// that is less.
const EARLY: Duration = Duration::from_secs(300);
/// The provider is not asked more often.
const SPACING: Duration = Duration::from_secs(1);
/// How long the provider may take by default.
const LIMIT: Duration = Duration::from_secs(10);

/// Keeps the credentials of a provider and renews them in time.
///
/// * Key, secret and token are always of one and the same refresh.
/// * They are renewed 5 minutes before they expire, or when a fifth of their life is left if that
///   is less.
/// * They are due when both this host's clock and the domain's say so. So a domain whose clock is
///   wrong causes no early renewal for other clients of the cache. On a host whose clock is behind,
///   the domain's refusal causes the renewal.
/// * Any number of callers make one refresh, at most one a second. One follows at once when a
///   domain refused the key, except if that key has just replaced another refused one. While a key
///   is still valid only the caller that began the refresh waits for it, for half of its call's
///   time at most.
/// * If a refresh fails, the current key stays in use, and the domain decides whether it is
///   expired. Only a key that was refused and is expired is not used again. A key that was refused
///   and is not expired is waited for by all, and stays in use as well if no other can be had:
///   another domain may take it.
/// * The provider has 10 s by default ([`time_limit`](Self::time_limit)); one that panics has
///   failed.
///
/// Clones share the cache; give one cache to the clients of many endpoints by
/// [`Auth::sigv4_shared`](crate::Auth::sigv4_shared).
///
/// # Cancel safety
///
/// Dropping the caller that began a refresh strands nobody: whoever waits for it carries it on, or
/// the next caller does.
///
/// # Examples
///
/// ```
/// use aws_credential_types::Credentials;
/// use es_snapshot::{Auth, SnapshotClient};
/// use es_snapshot::auth::CredentialCache;
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
    /// Whether it is for one client, whose clock it is to have.
    is_of_a_client: bool,
    limit: Duration,
    /// Only pointers are compared and exchanged under this lock. What may run foreign code (clocks,
    /// providers' futures, the clone and drop of credentials, events) happens outside of it.
    state: Mutex<Arc<State>>,
}

#[derive(Clone, Default)]
struct State {
    current: Option<Current>,
    refresh: Option<Refresh>,
    ended: Option<Ended>,
}

/// How the last refresh ended, and when by the monotonic clock.
#[derive(Clone)]
struct Ended {
    at: Duration,
    failure: Option<Arc<CredentialsError>>,
}

#[derive(Clone)]
struct Current {
    key: Arc<Key>,
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
        self.key.credentials().expiry().is_none_or(|expiry| now < expiry)
    }

    /// Whether they are of the same key as these.
    fn matches(&self, other: &Credentials) -> bool {
        let own = self.key.credentials();
        own.access_key_id() == other.access_key_id() && own.session_token() == other.session_token()
    }
}

type Refreshed = Result<Arc<Key>, Arc<CredentialsError>>;

#[derive(Clone)]
struct Refresh {
    began: Duration,
    future: Shared<BoxFuture<'static, Refreshed>>,
}

/// Credentials to sign with.
pub(crate) struct Grant {
    pub(crate) key: Arc<Key>,
    /// Why the provider gave no newer ones, if they were due.
    pub(crate) failure: Option<Arc<CredentialsError>>,
}

/// What a caller does next.
enum Step {
    Use(Grant),
    /// Carry the refresh on, without waiting for it: these credentials will do.
    Push(Refresh, Arc<Key>),
    /// Join the refresh; the credentials to fall back on if it fails.
    Join(Refresh, Option<Arc<Key>>),
    /// Begin a refresh and join it.
    Begin(Option<Arc<Key>>),
    Fail(Arc<CredentialsError>),
}

impl State {
    /// The next step at this wall time and this monotonic time. A refresh older than the limit has
    /// been abandoned.
    fn step(&self, now: SystemTime, monotonic: Duration, limit: Duration) -> Step {
        let current = self.current.as_ref();
        if let Some(current) = current.filter(|current| current.is_fresh(now)) {
            return Step::Use(Grant { key: Arc::clone(&current.key), failure: None });
        }
        let fallback =
            current.filter(|current| !current.rejected || current.is_valid(now)).map(|it| Arc::clone(&it.key));
        if let Some(refresh) = self.refresh.clone().filter(|refresh| monotonic.saturating_sub(refresh.began) <= limit) {
            return match current.filter(|current| !current.rejected && current.is_valid(now)) {
                Some(current) => Step::Push(refresh, Arc::clone(&current.key)),
                None => Step::Join(refresh, fallback),
            };
        }
        let recent = self.ended.as_ref().filter(|ended| monotonic.saturating_sub(ended.at) < SPACING);
        let Some(Ended { failure, .. }) = recent else { return Step::Begin(fallback) };
        // Asked a moment ago: what came of it has to do. A provider may stretch expired credentials on
        // purpose when its service is down, so expired ones are tried rather than not.
        match (failure, current) {
            (Some(failure), _) => match fallback {
                Some(key) => Step::Use(Grant { key, failure: Some(Arc::clone(failure)) }),
                None => Step::Fail(Arc::clone(failure)),
            },
            (None, Some(current)) if !current.rejected || current.after_refusal => {
                Step::Use(Grant { key: Arc::clone(&current.key), failure: None })
            }
            // The provider's own cache may have given an old one.
            (None, _) => Step::Begin(fallback),
        }
    }

    /// The state after a refresh.
    fn after(&self, result: &Refreshed, clocks: [SystemTime; 2], at: Duration) -> Self {
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
    /// A cache before this provider, on the system's clock.
    pub fn new(provider: impl ProvideCredentials + 'static) -> Self {
        Self::with_clock(provider, Arc::new(SystemClock))
    }

    /// A cache before this provider, on the clock of the client that it is for.
    pub(super) fn of_a_client(provider: impl ProvideCredentials + 'static) -> Self {
        let provider = SharedCredentialsProvider::new(provider);
        let clock = Arc::new(SystemClock);
        Self {
            shared: Arc::new(Inner { provider, clock, is_of_a_client: true, limit: LIMIT, state: Mutex::default() }),
        }
    }

    /// The cache for a client with this clock: one that clients share keeps its own.
    pub(super) fn on(self, clock: &Arc<dyn Clock>) -> Self {
        if self.shared.is_of_a_client {
            Self::with_clock(self.shared.provider.clone(), Arc::clone(clock))
        } else {
            self
        }
    }

    /// A cache before this provider, on a clock of the caller's.
    pub fn with_clock(provider: impl ProvideCredentials + 'static, clock: Arc<dyn Clock>) -> Self {
        let provider = SharedCredentialsProvider::new(provider);
        Self {
            shared: Arc::new(Inner { provider, clock, is_of_a_client: false, limit: LIMIT, state: Mutex::default() }),
        }
    }

    /// An empty cache with another time limit on the provider.
    #[must_use]
    pub fn time_limit(self, limit: Duration) -> Self {
        let (provider, clock) = (self.shared.provider.clone(), Arc::clone(&self.shared.clock));
        Self { shared: Arc::new(Inner { provider, clock, is_of_a_client: false, limit, state: Mutex::default() }) }
    }

    /// Credentials for a request at this time of the domain's, which may wait so long for them.
    /// Where there are some to fall back on, no more than half of that is spent on newer ones.
    pub(crate) async fn get(&self, domain: SystemTime, patience: Duration) -> Result<Grant, Error> {
        let clocks = [self.shared.clock.wall(), domain];
        let now = clocks[0].min(clocks[1]);
        let (refresh, fallback, is_waiting) = loop {
            let (state, monotonic) = (self.load(), self.shared.clock.monotonic());
            match state.step(now, monotonic, self.shared.limit) {
                Step::Use(grant) => return Ok(grant),
                Step::Fail(error) => return Err(failed(error)),
                Step::Push(refresh, key) => break (refresh, Some(key), false),
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
                let limit = patience / 2;
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
        self.end(&refresh, &result, fallback.is_some(), clocks);
        match (result, fallback) {
            (Ok(key), _) => Ok(Grant { key, failure: None }),
            (Err(failure), Some(key)) => Ok(Grant { key, failure: Some(failure) }),
            (Err(error), None) => Err(failed(error)),
        }
    }

    /// Records the end of a refresh, once.
    fn end(&self, refresh: &Refresh, result: &Refreshed, kept: bool, clocks: [SystemTime; 2]) {
        let at = self.shared.clock.monotonic();
        let is_first = self.update(|state| {
            let running = state.refresh.as_ref()?;
            running.future.ptr_eq(&refresh.future).then(|| state.after(result, clocks, at))
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
        // A shared future that panics does so for all that join it. A provider may have a fault, or may
        // have been left in the middle by a runtime that is no more.
        let refresh: BoxFuture<'static, _> = Box::pin(AssertUnwindSafe(load).catch_unwind().map(|ended| {
            let panicked = |_| Err(CredentialsError::provider_error("the provider panicked"));
            ended.unwrap_or_else(panicked).map(|credentials| Arc::new(Key::new(credentials))).map_err(Arc::new)
        }));
        refresh.shared()
    }

    /// Marks credentials that the domain refused, so that the next caller asks the provider; later
    /// ones are left alone.
    pub(crate) fn reject(&self, refused: &Credentials) {
        self.update(|state| {
            let current = state.current.as_ref().filter(|current| current.matches(refused))?;
            Some(State { current: Some(Current { rejected: true, ..current.clone() }), ..state.clone() })
        });
    }

    fn load(&self) -> Arc<State> {
        Arc::clone(&self.shared.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state, unless the change says that there is nothing to change; returns whether
    /// it did.
    fn update(&self, change: impl Fn(&State) -> Option<State>) -> bool {
        loop {
            let before = self.load();
            let Some(after) = change(&before) else { return false };
            if self.replace(&before, after) {
                return true;
            }
        }
    }

    /// Puts a new state in the place of this one; returns whether it was still there.
    fn replace(&self, before: &Arc<State>, after: State) -> bool {
        let after = Arc::new(after);
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = Arc::ptr_eq(&state, before);
        if is_current {
            // The caller holds the old one, so nothing is dropped here.
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

/// When to renew credentials that were got at these times. Of two clocks that disagree, the one
/// that gives them the shorter life is right more often: a wrong one would have them live for days,
/// or never.
fn renewal(credentials: &Credentials, got: [SystemTime; 2]) -> Option<SystemTime> {
    let expiry = credentials.expiry()?;
    let lives = got.into_iter().filter_map(|got| expiry.duration_since(got).ok());
    let life = lives.filter(|life| !life.is_zero()).min().unwrap_or_default();
    expiry.checked_sub(EARLY.min(life / 5))
}
