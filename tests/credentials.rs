//! The credential cache.

#[path = "support/failing.rs"]
mod failing;
#[allow(dead_code, reason = "each test file uses only a part of it")]
#[path = "support/scene.rs"]
mod scene;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use es_snapshot::auth::CredentialCache;
use es_snapshot::clock::Clock as _;
use es_snapshot::testing::{FakeCredentials, FakeDomain, Fault, ManualClock};
use es_snapshot::{Auth, ErrorKind, Outcome, SnapshotClient, Timeouts};
use failing::Failing;
use futures_util::{FutureExt as _, join, poll};
use scene::Scene;

const LIFE: Duration = Duration::from_secs(3600);

/// Returns the keys `AKID0`, `AKID1`, … for an hour each, or follows its script.
#[derive(Clone, Debug)]
struct Provider {
    clock: ManualClock,
    loads: Arc<AtomicUsize>,
    script: Arc<Mutex<VecDeque<Script>>>,
}

#[derive(Clone, Copy, Debug)]
enum Script {
    Fail,
    Panic,
    Hang,
    /// Succeeds after several polls.
    Slow,
    Life(Duration),
    /// Returns the first key again.
    First,
}

impl Provider {
    fn new(clock: &ManualClock) -> Self {
        Self { clock: clock.clone(), loads: Arc::default(), script: Arc::default() }
    }

    fn then(self, script: impl IntoIterator<Item = Script>) -> Self {
        self.script.lock().unwrap().extend(script);
        self
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    async fn load(&self) -> provider::Result {
        let mut number = self.loads.fetch_add(1, Ordering::SeqCst);
        let script = self.script.lock().unwrap().pop_front();
        let life = match script {
            Some(Script::Fail) => return Err(CredentialsError::provider_error("the service is down")),
            Some(Script::Panic) => panic!("the provider panics"),
            Some(Script::Hang) => std::future::pending().await,
            Some(Script::Slow) => {
                for _ in 0..5 {
                    yield_once().await;
                }
                LIFE
            }
            Some(Script::Life(life)) => life,
            Some(Script::First) => {
                number = 0;
                LIFE
            }
            None => LIFE,
        };
        let expiry = self.clock.wall() + life;
        Ok(Credentials::new(
            format!("AKID{number}"),
            format!("secret{number}"),
            Some(format!("token{number}")),
            Some(expiry),
            "test",
        ))
    }
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}

async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn scene(script: impl IntoIterator<Item = Script>) -> (ManualClock, Provider, CredentialCache) {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let provider = Provider::new(&clock).then(script);
    let cache = CredentialCache::with_clock(provider.clone(), Arc::new(clock.clone()));
    (clock, provider, cache)
}

async fn key(cache: &CredentialCache) -> Result<String, CredentialsError> {
    cache.provide_credentials().await.map(|credentials| credentials.access_key_id().to_owned())
}

#[tokio::test]
async fn credentials_are_used_until_five_minutes_before_they_expire() {
    let (clock, provider, cache) = scene([]);
    assert_eq!(key(&cache).await.unwrap(), "AKID0");

    clock.advance(LIFE - Duration::from_secs(301));
    assert_eq!((key(&cache).await.unwrap(), provider.loads()), ("AKID0".to_owned(), 1));
    clock.advance(Duration::from_secs(2));
    assert_eq!((key(&cache).await.unwrap(), provider.loads()), ("AKID1".to_owned(), 2));
}

#[tokio::test]
async fn short_lived_credentials_are_used_for_four_fifths_of_their_life() {
    let (clock, provider, cache) = scene([Script::Life(Duration::from_secs(100))]);
    key(&cache).await.unwrap();

    clock.advance(Duration::from_secs(79));
    assert_eq!((key(&cache).await.unwrap(), provider.loads()), ("AKID0".to_owned(), 1));
    clock.advance(Duration::from_secs(2));
    assert_eq!(key(&cache).await.unwrap(), "AKID1");
}

#[tokio::test]
async fn concurrent_callers_share_one_refresh() {
    let (_, provider, cache) = scene([Script::Slow]);

    let (a, b, c) = join!(key(&cache), key(&cache), key(&cache));

    assert_eq!([a.unwrap(), b.unwrap(), c.unwrap()], ["AKID0", "AKID0", "AKID0"]);
    assert_eq!(provider.loads(), 1);
}

#[tokio::test]
async fn keeps_a_valid_key_after_a_failed_refresh() {
    let (clock, provider, cache) = scene([Script::Life(LIFE), Script::Fail]);
    key(&cache).await.unwrap();
    clock.advance(LIFE - Duration::from_secs(100));

    assert_eq!((key(&cache).await.unwrap(), provider.loads()), ("AKID0".to_owned(), 2));
    clock.advance(Duration::from_secs(2));
    assert_eq!((key(&cache).await.unwrap(), provider.loads()), ("AKID2".to_owned(), 3));
}

#[tokio::test]
async fn keeps_a_valid_key_after_the_provider_panics() {
    let (clock, _, cache) = scene([Script::Life(LIFE), Script::Panic]);
    key(&cache).await.unwrap();
    clock.advance(LIFE - Duration::from_secs(200));

    assert_eq!(key(&cache).await.unwrap(), "AKID0");
    clock.advance(Duration::from_secs(1));
    assert_eq!(key(&cache).await.unwrap(), "AKID2");
}

#[tokio::test]
async fn treats_a_panic_of_the_provider_as_a_failure_and_calls_it_again() {
    let (clock, _, cache) = scene([Script::Panic]);

    assert!(key(&cache).await.is_err());
    clock.advance(Duration::from_secs(1));
    assert_eq!(key(&cache).await.unwrap(), "AKID1");
}

#[tokio::test]
async fn calls_a_failing_provider_at_most_once_a_second() {
    let (clock, provider, cache) = scene([Script::Fail, Script::Fail]);

    for _ in 0..5 {
        assert!(key(&cache).await.is_err());
    }
    assert_eq!(provider.loads(), 1);
    clock.advance(Duration::from_millis(1001));
    assert!(key(&cache).await.is_err());
    assert_eq!(provider.loads(), 2);
}

#[tokio::test]
async fn a_provider_that_hangs_fails_at_the_time_limit() {
    let (clock, provider, cache) = scene([Script::Hang]);
    let cache = cache.time_limit(Duration::from_secs(3));
    let mut first = Box::pin(key(&cache));
    assert!(poll!(&mut first).is_pending());

    clock.advance(Duration::from_secs(3));

    let error = first.await.unwrap_err();
    let shown = format!("{error:?}");
    assert!(shown.contains("did not respond in time"), "{shown}");
    clock.advance(Duration::from_secs(2));
    assert_eq!((key(&cache).await.unwrap(), provider.loads()), ("AKID1".to_owned(), 2));
}

#[tokio::test]
async fn other_callers_use_the_valid_key_while_one_renews_it() {
    let (clock, provider, cache) = scene([Script::Life(LIFE), Script::Hang]);
    key(&cache).await.unwrap();
    clock.advance(LIFE - Duration::from_secs(100));
    let mut renewing = Box::pin(key(&cache));
    assert!(poll!(&mut renewing).is_pending());

    assert_eq!(key(&cache).now_or_never().expect("the caller must not wait").unwrap(), "AKID0");
    assert_eq!(provider.loads(), 2);
}

#[tokio::test]
async fn dropping_the_caller_that_refreshes_does_not_block_the_others() {
    let (_, provider, cache) = scene([Script::Slow]);
    let mut first = Box::pin(key(&cache));
    let mut second = Box::pin(key(&cache));
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut second).is_pending());

    drop(first);

    assert_eq!((second.await.unwrap(), provider.loads()), ("AKID0".to_owned(), 1));
}

#[tokio::test]
async fn the_next_caller_continues_an_abandoned_refresh() {
    let (_, provider, cache) = scene([Script::Slow]);
    let mut only = Box::pin(key(&cache));
    assert!(poll!(&mut only).is_pending());
    drop(only);

    assert_eq!((key(&cache).await.unwrap(), provider.loads()), ("AKID0".to_owned(), 1));
}

#[tokio::test]
async fn an_abandoned_refresh_continues_while_the_old_key_is_used() {
    let (clock, provider, cache) = scene([Script::Life(LIFE), Script::Slow]);
    key(&cache).await.unwrap();
    clock.advance(LIFE - Duration::from_secs(100));
    let mut renewing = Box::pin(key(&cache));
    assert!(poll!(&mut renewing).is_pending());
    drop(renewing);

    let mut keys = Vec::new();
    for _ in 0..6 {
        keys.push(key(&cache).await.unwrap());
    }

    assert_eq!((keys[0].as_str(), keys[5].as_str(), provider.loads()), ("AKID0", "AKID1", 2));
}

#[tokio::test]
async fn key_secret_and_token_come_from_one_refresh() {
    let (clock, _, cache) = scene([]);
    for number in 0..5 {
        let credentials = cache.provide_credentials().await.unwrap();
        assert_eq!(
            (credentials.access_key_id(), credentials.secret_access_key(), credentials.session_token()),
            (
                format!("AKID{number}").as_str(),
                format!("secret{number}").as_str(),
                Some(format!("token{number}").as_str())
            )
        );
        clock.advance(LIFE);
    }
}

/// A domain that accepts every key, or none, and a client of it with this cache.
async fn domain(accepts: bool, clock: &ManualClock, cache: &CredentialCache) -> (FakeDomain, SnapshotClient) {
    let domain = FakeDomain::builder().clock(clock.clone()).start().await;
    let refused = r#"{"message":"The security token included in the request is invalid."}"#;
    let (status, body) = if accepts { (200, "{}") } else { (403, refused) };
    domain.fault(Fault::status(status, body, "application/json"));
    let client = SnapshotClient::builder(domain.endpoint())
        .region(domain.region())
        .auth(Auth::sigv4_shared(cache.clone()))
        .clock(clock.clone())
        .build()
        .unwrap();
    (domain, client)
}

#[tokio::test]
async fn a_key_that_one_domain_refuses_serves_the_others_until_it_can_be_renewed() {
    let (clock, _, cache) = scene([Script::Life(LIFE), Script::Fail, Script::Fail]);
    let (_refusing, refused) = domain(false, &clock, &cache).await;
    let (_accepting, accepted) = domain(true, &clock, &cache).await;

    for _ in 0..2 {
        assert_eq!(refused.repositories().await.unwrap_err().kind(), ErrorKind::ExpiredToken);
        accepted.repositories().await.unwrap();
    }
}

#[tokio::test]
async fn a_domain_that_refuses_the_only_key_causes_one_refresh() {
    let (clock, provider, cache) = scene([Script::First; 20]);
    let (_refusing, refused) = domain(false, &clock, &cache).await;

    for _ in 0..5 {
        assert_eq!(refused.repositories().await.unwrap_err().kind(), ErrorKind::ExpiredToken);
    }

    assert_eq!(provider.loads(), 2);
}

#[tokio::test]
async fn a_first_key_that_is_refused_is_renewed_at_once() {
    let (clock, provider, cache) = scene([]);
    let (refusing, client) = domain(false, &clock, &cache).await;
    refusing.clear_faults();
    let refused = r#"{"message":"The security token included in the request is expired"}"#;
    refusing.fault(Fault::status(403, refused, "application/json").times(1));
    refusing.fault(Fault::status(200, "{}", "application/json"));

    client.repositories().await.unwrap();

    assert_eq!(provider.loads(), 2);
}

#[tokio::test]
async fn a_domain_that_refuses_every_key_causes_one_refresh() {
    let (clock, provider, cache) = scene([]);
    let (_refusing, client) = domain(false, &clock, &cache).await;

    for _ in 0..5 {
        assert_eq!(client.repositories().await.unwrap_err().kind(), ErrorKind::ExpiredToken);
    }

    assert_eq!(provider.loads(), 2);
}

#[tokio::test]
async fn a_call_uses_a_valid_key_if_the_provider_is_slower_than_its_time_limit() {
    let (clock, provider, cache) = scene([Script::Life(LIFE), Script::Hang]);
    let (_accepting, client) = domain(true, &clock, &cache).await;
    key(&cache).await.unwrap();
    clock.advance(LIFE - Duration::from_secs(100));
    let limit = Duration::from_secs(4);
    let client = client.with_timeouts(Timeouts::new().with_call(limit));
    let mut listing = Box::pin(client.repositories());
    assert!(poll!(&mut listing).is_pending());

    clock.advance(limit / 2);

    assert_eq!((listing.await.unwrap().len(), provider.loads()), (0, 2));
}

/// A domain whose clock is this many seconds ahead, and a client of it with this cache.
async fn skewed(seconds: i64, clock: &ManualClock, cache: &CredentialCache) -> (FakeDomain, SnapshotClient) {
    let (domain, client) = domain(true, clock, cache).await;
    domain.set_skew(seconds);
    (domain, client)
}

/// Uses the cache when it is dropped.
#[derive(Clone, Debug, Default)]
struct UsesCacheOnDrop {
    cache: Arc<Mutex<Option<CredentialCache>>>,
    drops: Arc<AtomicUsize>,
}

impl Drop for UsesCacheOnDrop {
    fn drop(&mut self) {
        let cache = self.cache.lock().unwrap().take();
        if let Some(cache) = cache {
            let _ = cache.provide_credentials().now_or_never();
            self.drops.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A provider whose future hangs, and holds the value that uses the cache.
#[derive(Debug)]
struct HangingProvider(UsesCacheOnDrop);

impl ProvideCredentials for HangingProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let on_drop = self.0.clone();
        future::ProvideCredentials::new(async move {
            let _on_drop = on_drop;
            std::future::pending().await
        })
    }
}

#[test]
fn the_cache_can_be_used_while_an_abandoned_refresh_is_dropped() {
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let on_drop = UsesCacheOnDrop::default();
        let (slot, drops) = (Arc::clone(&on_drop.cache), Arc::clone(&on_drop.drops));
        let cache = CredentialCache::with_clock(HangingProvider(on_drop), Arc::new(clock.clone()));
        assert!(cache.provide_credentials().now_or_never().is_none());
        *slot.lock().unwrap() = Some(cache.clone());
        clock.advance(Duration::from_secs(11));

        assert!(cache.provide_credentials().now_or_never().is_none());

        done.send(drops.load(Ordering::SeqCst)).unwrap();
    });
    assert_eq!(ended.recv_timeout(Duration::from_secs(20)).expect("no lock may be held while a future is dropped"), 1);
}

#[tokio::test]
async fn a_domain_with_a_wrong_clock_causes_no_refresh() {
    for skew in [-3 * 86_400, -7200, 7200, 3 * 86_400] {
        let (clock, provider, cache) = scene([]);
        let (_right, right) = skewed(0, &clock, &cache).await;
        let (_wrong, wrong) = skewed(skew, &clock, &cache).await;

        for _ in 0..5 {
            clock.advance(Duration::from_secs(60));
            wrong.repositories().await.unwrap();
            right.repositories().await.unwrap();
        }

        assert_eq!(provider.loads(), 1, "{skew}");
    }
}

#[tokio::test]
async fn a_domain_with_a_wrong_clock_does_not_move_the_refresh_of_others() {
    for skew in [-3 * 86_400, 3 * 86_400] {
        let (clock, provider, cache) = scene([Script::Life(Duration::from_secs(100))]);
        let (_right, right) = skewed(0, &clock, &cache).await;
        let (_wrong, wrong) = skewed(skew, &clock, &cache).await;
        // This client learns the wrong time first, and then loads the key that both share.
        wrong.repositories().await.unwrap();
        cache.provide_credentials().await.unwrap();

        clock.advance(Duration::from_secs(79));
        right.repositories().await.unwrap();
        assert_eq!(provider.loads(), 1, "{skew}");
        clock.advance(Duration::from_secs(2));
        right.repositories().await.unwrap();
        assert_eq!(provider.loads(), 2, "{skew}");
    }
}

#[tokio::test]
async fn a_host_whose_clock_is_days_off_does_not_call_the_provider_too_often() {
    for skew in [-12 * 86_400, 12 * 86_400] {
        let scene = Scene::new().await;
        scene.domain.set_skew(skew);
        let provider = Counted(scene.domain.credentials_provider(), Arc::default());
        let client = scene.client_with(Auth::sigv4(provider.clone()));

        for _ in 0..10 {
            client.repositories().await.unwrap();
            scene.clock.advance(Duration::from_secs(60));
        }

        assert!(provider.1.load(Ordering::SeqCst) <= 2, "{skew}: {}", provider.1.load(Ordering::SeqCst));
    }
}

/// Counts its calls.
#[derive(Clone, Debug)]
struct Counted(FakeCredentials, Arc<AtomicUsize>);

impl ProvideCredentials for Counted {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.provide_credentials()
    }
}

#[tokio::test]
async fn uses_an_expired_key_if_there_is_no_other() {
    let (clock, provider, cache) = scene([Script::Life(LIFE), Script::Fail]);
    let (_accepting, client) = domain(true, &clock, &cache).await;
    client.repositories().await.unwrap();
    clock.advance(2 * LIFE);

    client.repositories().await.unwrap();

    assert_eq!(provider.loads(), 2);
}

#[tokio::test]
async fn does_not_use_an_expired_key_again_after_it_was_refused() {
    let (clock, _, cache) = scene([Script::Life(LIFE), Script::Fail, Script::Fail]);
    let (_refusing, client) = domain(false, &clock, &cache).await;
    key(&cache).await.unwrap();
    clock.advance(2 * LIFE);

    let error = client.repositories().await.unwrap_err();

    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Credentials, 2));
    assert!(causes(&error).contains("the service is down"), "{}", causes(&error));
}

/// Formats an error and its causes.
fn causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn the_error_of_an_expired_token_has_the_providers_failure_as_its_cause() {
    let (clock, _, cache) = scene([Script::Life(LIFE), Script::Fail]);
    let (_refusing, client) = domain(false, &clock, &cache).await;
    key(&cache).await.unwrap();

    // The second call follows within a second, so the provider is not called again.
    for _ in 0..2 {
        let error = client.repositories().await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::ExpiredToken);
        assert!(causes(&error).ends_with("the service is down"), "{}", causes(&error));
    }
}

#[tokio::test]
async fn a_timeout_or_a_lost_connection_of_the_provider_is_transient() {
    for (failure, expected) in [
        (CredentialsError::provider_timed_out(Duration::from_secs(1)), true),
        (CredentialsError::provider_error(std::io::Error::from(std::io::ErrorKind::ConnectionReset)), true),
        (CredentialsError::provider_error("request has timed out"), true),
        (CredentialsError::provider_error(std::io::Error::from(std::io::ErrorKind::NotFound)), false),
        (CredentialsError::provider_error("no such role"), false),
        (CredentialsError::not_loaded("nothing found"), false),
        (CredentialsError::invalid_configuration("no such profile"), false),
    ] {
        let shown = format!("{failure:?}");
        let error = refused_by(failure).await;

        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Credentials, expected), "{shown}");
    }
}

#[tokio::test]
async fn names_the_hop_limit_if_the_metadata_service_may_be_unreachable() {
    let hint = "in a container the metadata service needs a hop limit of 2";
    for (failure, expected) in [
        (CredentialsError::not_loaded("no credentials found in chain"), true),
        (CredentialsError::not_loaded_no_source(), true),
        (CredentialsError::provider_timed_out(Duration::from_secs(1)), true),
        (CredentialsError::provider_error("failed to load IMDS session token"), true),
        (CredentialsError::unhandled("An IO error occurred while talking to IMDS"), true),
        (CredentialsError::not_loaded("IMDS disabled by AWS_EC2_METADATA_DISABLED env var set to `true`"), false),
        (CredentialsError::provider_error("credential_process ended with status 1"), false),
    ] {
        let shown = format!("{failure:?}");
        let error = refused_by(failure).await;

        assert_eq!(error.to_string().contains(hint), expected, "{shown}: {error}");
    }
}

/// Returns the error of a call whose provider fails with `failure`.
async fn refused_by(failure: CredentialsError) -> es_snapshot::Error {
    let scene = Scene::new().await;
    let client = scene.client_with(Auth::sigv4(Failing(Mutex::new(Some(failure)))));
    client.repositories().await.unwrap_err()
}

#[tokio::test]
async fn a_call_that_times_out_names_the_provider_that_it_waited_for() {
    let scene = Scene::new().await;
    let provider = Provider::new(&scene.clock).then([Script::Hang]);
    let client =
        scene.client_with(Auth::sigv4(provider)).with_timeouts(Timeouts::new().with_call(Duration::from_secs(4)));
    let mut listing = Box::pin(client.repositories());
    assert!(poll!(&mut listing).is_pending());

    scene.clock.advance(Duration::from_secs(4));

    let error = listing.await.unwrap_err();
    assert_eq!((error.kind(), error.outcome(), error.is_transient()), (ErrorKind::Timeout, Outcome::NotSent, true));
    assert!(error.to_string().contains("credential provider"), "{error}");
}

#[test]
fn the_debug_output_of_the_cache_contains_no_credentials() {
    let cache = CredentialCache::new(Credentials::new(
        "AKIDCANARY",
        "secretcanary",
        Some("tokencanary".to_owned()),
        None,
        "test",
    ));
    let shown = format!("{cache:?}");
    assert!(!shown.to_lowercase().contains("canary"), "{shown}");
}
