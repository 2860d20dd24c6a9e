//! What the tests against the fake domain share: a domain, the clock of both sides, and a client of
//! it.

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

/// The longest pause between two polls: once it has passed, every wait has polled.
pub(crate) const STEP: Duration = Duration::from_secs(30);

/// The repository `r` of this client.
pub(crate) fn backups(client: &SnapshotClient) -> Repository {
    client.repository(repository()).unwrap()
}

/// A fake domain and a signing client of it, both on one manual clock.
pub(crate) struct Scene {
    pub(crate) domain: CalmDomain,
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
        let domain = CalmDomain(domain(FakeDomain::builder()).clock(clock.clone()).start().await);
        let provider = domain.credentials_provider();
        let builder = SnapshotClient::builder(domain.endpoint())
            .region(domain.region())
            .credentials(provider.clone())
            .clock(clock.clone())
            .seed(1);
        let client = client(builder).build().unwrap();
        Self { domain, clock, provider, client }
    }

    /// Another client of the domain, authorised in this way.
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

    /// Takes the snapshot `s`, to its end.
    pub(crate) async fn take_snapshot(&self) {
        self.start_snapshot().await;
        backups(&self.client).snapshot(snapshot()).unwrap().wait().await.unwrap().into_complete().unwrap();
    }

    /// The requests since that many, by the domain's log.
    pub(crate) fn events_since(&self, count: usize) -> Vec<Event> {
        self.domain.events().split_off(count)
    }
}

/// A domain that is held to it at the end of each test: nothing was sent again and again while
/// nobody could know what had become of it.
pub(crate) struct CalmDomain(FakeDomain);

impl Deref for CalmDomain {
    type Target = FakeDomain;

    fn deref(&self) -> &FakeDomain {
        &self.0
    }
}

impl Drop for CalmDomain {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.assert_no_storm();
        }
    }
}

/// Has somebody want every span and event before it is first met: one that is first met just when
/// another thread's test begins to watch could be taken for unwanted, for all tests.
pub(crate) fn want_every_trace() {
    static WANTED: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
    LazyLock::force(&WANTED);
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

/// Runs waits, as many as `count`; `between` happens so many times, each time when all of them
/// rest, and then a pause passes.
pub(crate) async fn drive<T>(
    clock: &ManualClock,
    count: usize,
    times: usize,
    between: impl Fn(usize),
    waits: impl Future<Output = T>,
) -> T {
    clock.set_auto_advance(false);
    // A request that is signed anew goes out after a pause of nothing.
    let pauses = || clock.sleeps().iter().filter(|sleep| !sleep.is_zero()).count();
    let before = pauses();
    let passing = async {
        for time in 1..=times {
            while pauses() < before + time * count {
                tokio::task::yield_now().await;
            }
            between(time);
            clock.advance(STEP);
        }
    };
    match select(pin!(waits), pin!(passing)).await {
        // Too early, which is for the test to judge.
        Either::Left((ended, _)) => ended,
        Either::Right(((), waits)) => waits.await,
    }
}
