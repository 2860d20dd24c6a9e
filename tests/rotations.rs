//! Waits that last longer than their credentials: their outcomes, and the number of calls of the
//! provider.

#[allow(dead_code, reason = "each test file uses only a part of it")]
#[path = "support/scene.rs"]
mod scene;

use std::future::{Future, IntoFuture as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use es_snapshot::auth::CredentialCache;
use es_snapshot::testing::{FakeCredentials, FakeOutcome, Fault, Verdict};
use es_snapshot::transport::HyperTransport;
use es_snapshot::wait::RestoreTicket;
use es_snapshot::{Auth, Error, RestoreSnapshot, SnapshotClient, SnapshotInfo, SnapshotState};
use futures_util::future::join_all;
use scene::{Scene, backups, drive, repository, snapshot};

const ROTATIONS: usize = 4;
const WAITS: usize = 50;

/// A slow metadata service, so that several callers need credentials at the same time. It can be
/// down.
#[derive(Clone, Debug)]
struct Service {
    credentials: FakeCredentials,
    down: Arc<AtomicBool>,
}

impl Service {
    fn of(scene: &Scene) -> Self {
        Self { credentials: scene.domain.credentials_provider(), down: Arc::default() }
    }

    fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }
}

impl ProvideCredentials for Service {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            if self.down.load(Ordering::SeqCst) {
                return Err(CredentialsError::provider_error("the service is down"));
            }
            self.credentials.provide_credentials().await
        })
    }
}

/// A domain on which the snapshot `s` runs until the test finishes it. Its credentials expire after
/// `life`.
async fn held(life: Duration) -> Scene {
    let scene = Scene::with(|domain| domain.credential_life(life).hold_snapshots(true), |client| client).await;
    scene.prepare().await;
    scene.start_snapshot().await;
    scene
}

fn denied(scene: &Scene) -> usize {
    scene.domain.events().iter().filter(|event| event.verdict == Verdict::Denied).count()
}

/// Returns a closure that revokes all credentials each time, and at last finishes the snapshot.
fn revoking(scene: &Scene) -> impl Fn(usize) {
    |time| {
        if time > ROTATIONS {
            scene.domain.finish_snapshot("r", "s", FakeOutcome::Success);
        } else {
            scene.domain.revoke();
        }
    }
}

#[tokio::test]
async fn a_wait_survives_four_revocations_with_one_refusal_and_one_refresh_each() {
    let scene = held(Duration::from_hours(6)).await;
    let provider = scene.domain.credentials_provider();
    let wait = backups(&scene.client_with(Auth::sigv4(provider.clone()))).snapshot(snapshot()).unwrap().wait();

    let ended = drive(&scene.clock, 1, ROTATIONS + 1, revoking(&scene), wait.into_future()).await;

    assert_eq!(ended.unwrap().state(), &SnapshotState::Success);
    assert_eq!((denied(&scene), provider.loads()), (ROTATIONS, 1 + ROTATIONS));
}

#[tokio::test]
async fn a_wait_for_a_restore_survives_four_revocations_with_one_refresh_each() {
    let scene = Scene::with(|domain| domain.hold_restores(true), |client| client).await;
    scene.prepare().await;
    scene.take_snapshot().await;
    let provider = scene.domain.credentials_provider();
    let client = scene.client_with(Auth::sigv4(provider.clone()));
    let options = RestoreSnapshot::new().with_indices(["movies"]).with_rename("(.+)", "restored_$1");
    backups(&client).snapshot(snapshot()).unwrap().restore(options).await.unwrap();
    let between = |time| {
        if time > ROTATIONS {
            scene.domain.hold_restores(false);
        } else {
            scene.domain.revoke();
        }
    };

    let wait = client.resume(RestoreTicket::new(repository(), snapshot()).unwrap()).into_future();
    let report = drive(&scene.clock, 1, ROTATIONS + 1, between, wait).await;

    assert_eq!(report.unwrap().into_complete().unwrap().indices(), ["restored_movies"]);
    assert_eq!((denied(&scene), provider.loads()), (ROTATIONS, 1 + ROTATIONS));
}

/// Returns a future of the waits of fifty clients that share connections and a cache.
fn fleet(scene: &Scene, service: &Service) -> impl Future<Output = Vec<Result<SnapshotInfo, Error>>> + use<> {
    let cache = CredentialCache::with_clock(service.clone(), Arc::new(scene.clock.clone()));
    let transport = HyperTransport::builder().clock(scene.clock.clone()).build().unwrap();
    join_all((0..WAITS).map(|_| {
        backups(
            &SnapshotClient::builder(scene.domain.endpoint())
                .region(scene.domain.region())
                .auth(Auth::sigv4_shared(cache.clone()))
                .clock(scene.clock.clone())
                .transport(transport.clone())
                .build()
                .unwrap(),
        )
        .snapshot(snapshot())
        .unwrap()
        .wait()
        .into_future()
    }))
}

#[tokio::test]
async fn fifty_waits_survive_four_revocations_with_one_refresh_each() {
    let scene = held(Duration::from_hours(6)).await;
    let service = Service::of(&scene);

    let ended = drive(&scene.clock, WAITS, ROTATIONS + 1, revoking(&scene), fleet(&scene, &service)).await;

    for ended in ended {
        assert_eq!(ended.unwrap().state(), &SnapshotState::Success);
    }
    assert!(denied(&scene) >= ROTATIONS, "{} refusals", denied(&scene));
    assert_eq!(service.credentials.loads(), 1 + ROTATIONS);
}

#[tokio::test]
async fn fifty_waits_share_one_refresh_per_expiry_and_are_never_refused() {
    // Refreshes are due at 160 s, 340 s, 520 s and 700 s. The polls are 30 s apart.
    let scene = held(Duration::from_secs(200)).await;
    let service = Service::of(&scene);
    let finish_at_last = |time| {
        if time == 24 {
            scene.domain.finish_snapshot("r", "s", FakeOutcome::Success);
        }
    };

    let ended = drive(&scene.clock, WAITS, 24, finish_at_last, fleet(&scene, &service)).await;

    for ended in ended {
        assert_eq!(ended.unwrap().state(), &SnapshotState::Success);
    }
    assert_eq!((denied(&scene), service.credentials.loads()), (0, 5));
}

#[tokio::test]
async fn a_wait_survives_a_metadata_service_that_is_down_when_the_key_expires() {
    let scene = held(Duration::from_secs(200)).await;
    let service = Service::of(&scene);
    let wait = backups(&scene.client_with(Auth::sigv4(service.clone()))).snapshot(snapshot()).unwrap().wait();
    let before = scene.domain.events().len();
    let between = |time| match time {
        // The key expires at 200 s. After the domain has refused it, the client has no key.
        2 => service.set_down(true),
        18 => service.set_down(false),
        20 => scene.domain.finish_snapshot("r", "s", FakeOutcome::Success),
        _ => {}
    };

    let ended = drive(&scene.clock, 1, 20, between, wait.into_future()).await;

    assert_eq!(ended.unwrap().state(), &SnapshotState::Success);
    assert!(scene.events_since(before).len() < 20, "some polls must find no key");
    // One request uses the expired key, in case the domain still accepts it.
    assert_eq!((denied(&scene), service.credentials.loads()), (1, 2));
}

#[tokio::test]
async fn a_wait_survives_a_domain_that_does_not_accept_new_credentials_yet() {
    let scene = Scene::with(|domain| domain.snapshots_take(Duration::from_mins(1)), |client| client).await;
    scene.prepare().await;
    scene.start_snapshot().await;
    let refusal = r#"{"message":"The security token included in the request is invalid."}"#;
    scene.domain.fault(Fault::status(403, refusal, "application/json").times(10));

    let ended = backups(&scene.client).snapshot(snapshot()).unwrap().wait().await;

    assert_eq!(ended.unwrap().state(), &SnapshotState::Success);
    let refused = scene.domain.events().iter().filter(|event| event.fault.is_some()).count();
    assert_eq!(refused, 10);
}
