//! Shared by the tests against the fake domain: a domain, a client of it, and the manual clock that
//! both use.

use std::future::Future;
use std::ops::Deref;
use std::pin::pin;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use es_snapshot::name::{RepositoryName, SnapshotName};
use es_snapshot::testing::{Event, FakeCredentials, FakeDomain, FakeDomainBuilder, ManualClock};
use es_snapshot::{
    Auth, CreateSnapshot, Repository, RepositorySettings, S3Settings, SnapshotClient, SnapshotClientBuilder,
};
use futures_util::future::{Either, select};
use tracing::Dispatch;

pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";

/// The longest pause between two polls. After this time, every wait has polled.
pub(crate) const STEP: Duration = Duration::from_secs(30);

/// Returns the repository `r`.
pub(crate) fn backups(client: &SnapshotClient) -> Repository {
    client.repository(repository()).unwrap()
}

/// A fake domain and a client that signs requests for it, both on one manual clock.
pub(crate) struct Scene {
    pub(crate) domain: CheckedDomain,
    pub(crate) clock: ManualClock,
    pub(crate) provider: FakeCredentials,
    pub(crate) client: SnapshotClient,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(|domain| domain, |client| client).await
    }

    pub(crate) async fn with(
        domain: impl FnOnce(FakeDomainBuilder) -> FakeDomainBuilder,
        client: impl FnOnce(SnapshotClientBuilder) -> SnapshotClientBuilder,
    ) -> Self {
        want_every_trace();
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let domain = CheckedDomain(domain(FakeDomain::builder()).clock(clock.clone()).start().await);
        let provider = domain.credentials_provider();
        let builder = SnapshotClient::builder(domain.endpoint())
            .region(domain.region())
            .credentials(provider.clone())
            .clock(clock.clone())
            .seed(1);
        let client = client(builder).build().unwrap();
        Self { domain, clock, provider, client }
    }

    /// Returns another client of the domain that authenticates with `auth`.
    pub(crate) fn client_with(&self, auth: Auth) -> SnapshotClient {
        SnapshotClient::builder(self.domain.endpoint())
            .region(self.domain.region())
            .auth(auth)
            .clock(self.clock.clone())
            .build()
            .unwrap()
    }

    /// Creates the index `movies` of two shards and registers the repository `r`.
    pub(crate) async fn prepare(&self) {
        self.domain.create_index("movies", 2);
        backups(&self.client).register(settings()).await.unwrap();
    }

    /// Starts the snapshot `s`.
    pub(crate) async fn start_snapshot(&self) {
        backups(&self.client).create_snapshot(snapshot(), CreateSnapshot::new()).await.unwrap();
    }

    /// Takes the snapshot `s` and waits until it is complete.
    pub(crate) async fn take_snapshot(&self) {
        self.start_snapshot().await;
        backups(&self.client).snapshot(snapshot()).unwrap().wait().await.unwrap().into_complete().unwrap();
    }

    /// Returns the requests in the log of the domain after the first `count`.
    pub(crate) fn events_since(&self, count: usize) -> Vec<Event> {
        self.domain.events().split_off(count)
    }
}

/// A domain that asserts at the end of each test that no change was resent too often after lost
/// responses.
pub(crate) struct CheckedDomain(FakeDomain);

impl Deref for CheckedDomain {
    type Target = FakeDomain;

    fn deref(&self) -> &FakeDomain {
        &self.0
    }
}

impl Drop for CheckedDomain {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.assert_no_storm();
        }
    }
}

/// Installs a subscriber that is interested in every span and event.
///
/// `tracing` caches for each span and event whether a subscriber wants it. Without this subscriber,
/// one that is first reached just as another thread starts to subscribe could stay disabled for all
/// tests.
pub(crate) fn want_every_trace() {
    static SUBSCRIBER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
    LazyLock::force(&SUBSCRIBER);
}

pub(crate) fn repository() -> RepositoryName {
    "r".parse().unwrap()
}

pub(crate) fn snapshot() -> SnapshotName {
    "s".parse().unwrap()
}

pub(crate) fn settings() -> RepositorySettings {
    S3Settings::new("my-bucket-4-es").with_region("ap-northeast-1").with_role_arn(ROLE).into()
}

/// Runs `waits`, a future of `count` waits at a time.
///
/// `times` times, as soon as every wait has paused, it calls `between` and advances the clock by
/// [`STEP`].
pub(crate) async fn drive<T>(
    clock: &ManualClock,
    count: usize,
    times: usize,
    between: impl Fn(usize),
    waits: impl Future<Output = T>,
) -> T {
    clock.set_auto_advance(false);
    // Before it signs a request again, the client sleeps for zero seconds. Those do not count.
    let pauses = || clock.sleeps().iter().filter(|sleep| !sleep.is_zero()).count();
    let before = pauses();
    let advance = async {
        for time in 1..=times {
            while pauses() < before + time * count {
                tokio::task::yield_now().await;
            }
            between(time);
            clock.advance(STEP);
        }
    };
    match select(pin!(waits), pin!(advance)).await {
        // The waits ended early. The test decides whether that is a failure.
        Either::Left((ended, _)) => ended,
        Either::Right(((), waits)) => waits.await,
    }
}
