//! What a test can set up in the fake domain: accounts and policies, other clients, earlier and
//! damaged snapshots, and the log of requests.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use es_snapshot::testing::{Engine, FakeDamage, FakeDomain, FakeOutcome};
use serde_json::{Value, json};

use super::Scene;

/// A domain whose snapshot `s` contains the index `movies` with two shards.
async fn backed_up() -> Scene {
    let scene = Scene::registered().await;
    assert_eq!(scene.call("PUT", "/_snapshot/r/s?wait_for_completion=true", None).await.status, 200);
    scene
}

/// Runs `act`, which must panic, and returns the message.
fn panic_message(act: impl FnOnce() + Send + 'static) -> String {
    let panic = std::thread::spawn(act).join().expect_err("a panic");
    *panic.downcast::<String>().unwrap()
}

// ---- accounts and policies

#[tokio::test]
async fn domains_of_one_account_accept_the_same_keys() {
    let scene = Scene::new().await;
    let sister = FakeDomain::builder().clock(scene.clock.clone()).account_of(&scene.domain).start().await;
    let stranger = FakeDomain::builder().clock(scene.clock.clone()).start().await;
    let keys = async |domain: &FakeDomain| domain.credentials_provider().provide_credentials().await.unwrap();
    assert_eq!(keys(&sister).await, keys(&scene.domain).await);
    assert_ne!(keys(&stranger).await.access_key_id(), keys(&scene.domain).await.access_key_id());

    let here = Scene { domain: sister.clone(), clock: scene.clock.clone(), provider: scene.provider.clone() };
    assert_eq!(here.call("GET", "/_snapshot", None).await.status, 200);
    scene.domain.revoke();
    assert_eq!(here.call("GET", "/_snapshot", None).await.status, 200, "the sister domain accepts the new keys");
    let there = Scene { domain: stranger, clock: scene.clock.clone(), provider: scene.provider.clone() };
    assert_eq!(there.call("GET", "/_snapshot", None).await.status, 403);
}

#[tokio::test]
async fn denies_actions_by_name_or_pattern_and_rejects_misspelt_ones() {
    let scene = Scene::new().await;
    let domain = scene.domain.clone();
    assert_eq!(
        panic_message(move || domain.deny("es:ESHttpGett")),
        "unknown action `es:ESHttpGett`, expected one such as `es:ESHttpGet`"
    );
    assert_eq!(scene.call("GET", "/_snapshot", None).await.status, 200);

    scene.domain.deny("iam:PassRole");
    let body = json!({"type": "s3", "settings": {"bucket": "my-bucket-4-es", "role_arn": super::ROLE}});
    let refused = scene.call("PUT", "/_snapshot/r", Some(body)).await;
    assert!(refused.text().contains("is not authorized to perform: iam:PassRole on resource"), "{}", refused.text());
    scene.domain.deny("es:ESHttp*");
    assert_eq!(scene.call("GET", "/_snapshot", None).await.status, 403);
}

// ---- other clients

#[tokio::test]
async fn a_restore_by_another_client_follows_the_rules_of_the_server() {
    let scene = backed_up().await;
    scene.domain.another_client_restores("r", "s", &["movies"], Some(("(.+)", "their-$1")));
    scene.clock.advance(Duration::from_secs(3));
    assert_eq!(scene.domain.indices(), ["movies", "their-movies"]);
    let recovery = scene.call("GET", "/their-movies/_recovery", None).await.json();
    assert_eq!(recovery["their-movies"]["shards"][0]["source"]["snapshot"], "s");

    let domain = scene.domain.clone();
    let message = panic_message(move || domain.another_client_restores("r", "s", &[], None));
    assert!(message.contains("because an open index with same name already exists"), "{message}");
}

// ---- earlier and damaged snapshots

#[tokio::test]
async fn places_a_snapshot_with_a_start_time_and_an_outcome() {
    let scene = Scene::registered().await;
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    scene.domain.plan_snapshot(FakeOutcome::Failed { reason: "for a later one".to_owned() });
    scene.domain.place_snapshot(
        "r",
        "old",
        start,
        FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 1)] },
    );
    scene.domain.place_snapshot("r", "older", start - Duration::from_secs(60), FakeOutcome::Success);

    let listed = scene.call(
        "GET",
        "/_snapshot/r/_all?filter_path=snapshots.snapshot,snapshots.state,snapshots.start_time,snapshots.duration_in_millis",
        None,
    );
    assert_eq!(
        listed.await.json(),
        json!({"snapshots": [
            {"snapshot": "older", "state": "SUCCESS", "start_time": "2020-09-13T12:25:40.000Z", "duration_in_millis": 3000},
            {"snapshot": "old", "state": "PARTIAL", "start_time": "2020-09-13T12:26:40.000Z", "duration_in_millis": 3000},
        ]})
    );
    let domain = scene.domain.clone();
    let message = panic_message(move || domain.place_snapshot("r", "old", start, FakeOutcome::Success));
    assert_eq!(message, "[r:old] cannot be placed: no such repository, or the name is taken");
}

#[tokio::test]
async fn a_snapshot_can_have_any_state_and_failures() {
    let scene = Scene::registered().await;
    let failures = vec![("movies".to_owned(), 1, "the moon was full".to_owned())];
    scene.domain.plan_snapshot(FakeOutcome::Other { state: "FROZEN".to_owned(), failures });
    let created = scene.call("PUT", "/_snapshot/r/s?wait_for_completion=true", None).await.json();
    assert_eq!(created["snapshot"]["state"], "FROZEN");
    assert_eq!(created["snapshot"]["failures"][0]["reason"], "the moon was full");
    assert_eq!(scene.domain.snapshots("r")[0].state, "FROZEN");
    assert_eq!(scene.call("GET", "/_snapshot/r/s/_status", None).await.json()["snapshots"][0]["state"], "FROZEN");
}

/// Observed on Elasticsearch 7.10.2 and 8.19.5, OpenSearch 1.3.20 and 2.19.6.
#[tokio::test]
async fn a_damaged_snapshot_appears_only_in_listings_without_details() {
    let scene = backed_up().await;
    scene.call("PUT", "/_snapshot/r/whole?wait_for_completion=true", None).await;
    let uuid = scene.domain.snapshots("r").iter().find(|found| found.name == "s").unwrap().uuid.clone();
    let refusal = async |method, target: &str| {
        let response = scene.call(method, target, None).await;
        (response.status, response.error_type(), response.reason())
    };
    let names = async |query: &str| {
        let target = format!("/_snapshot/r/_all?filter_path=snapshots.snapshot&{query}");
        let found = scene.call("GET", &target, None).await.json();
        found["snapshots"].as_array().into_iter().flatten().map(|one| one["snapshot"].clone()).collect::<Vec<Value>>()
    };
    for (damage, status, error_type, reason) in [
        (FakeDamage::Lost, 404, "snapshot_missing_exception", "is missing"),
        (FakeDamage::Corrupt, 500, "snapshot_exception", "failed to get snapshots"),
    ] {
        scene.domain.damage_snapshot("r", "s", damage);
        let expected = (status, error_type.to_owned(), format!("[r:s/{uuid}] {reason}"));
        for (method, target) in [
            ("GET", "/_snapshot/r/s"),
            ("GET", "/_snapshot/r/_all"),
            ("GET", "/_snapshot/r/s/_status"),
            ("POST", "/_snapshot/r/s/_restore"),
        ] {
            assert_eq!(refusal(method, target).await, expected, "{method} {target}");
        }
        assert_eq!(names("verbose=false").await, ["s", "whole"]);
        assert_eq!(names("ignore_unavailable=true").await, ["whole"]);
    }
    scene.domain.damage_snapshot("r", "s", None);
    assert_eq!(names("ignore_unavailable=true").await, ["s", "whole"]);
    scene.domain.damage_snapshot("r", "s", FakeDamage::Lost);
    assert_eq!(scene.call("DELETE", "/_snapshot/r/s", None).await.status, 200);
}

/// Observed on Elasticsearch 7.10.2 and OpenSearch 1.3.20. Versions 8.19.5 and 2.19.6 do not.
#[tokio::test]
async fn older_servers_list_running_snapshots_if_nothing_else_matches() {
    for (engine, lists_running) in [
        (Engine::elasticsearch("7.10.2"), true),
        (Engine::opensearch("1.3.20"), true),
        (Engine::elasticsearch("8.19.5"), false),
        (Engine::opensearch("2.19.6"), false),
    ] {
        let scene = Scene::with(|builder| builder.engine(engine)).await;
        scene.prepare().await;
        scene.call("PUT", "/_snapshot/r/s?wait_for_completion=true", None).await;
        scene.call("PUT", "/_snapshot/r/running", None).await;
        let names = async |list: &str| {
            let target = format!("/_snapshot/r/{list}?ignore_unavailable=true&filter_path=snapshots.snapshot");
            scene.call("GET", &target, None).await.json()
        };
        let running = if lists_running { json!({"snapshots": [{"snapshot": "running"}]}) } else { json!({}) };
        assert_eq!(names("absent").await, running);
        assert_eq!(names("abs*").await, running);
        assert_eq!(
            names("s,absent").await,
            json!({"snapshots": [{"snapshot": "s"}]}),
            "a match hides the running snapshot"
        );
    }
}

// ---- the log

#[tokio::test]
async fn the_log_keeps_headers_and_bodies_unless_a_test_disables_it() {
    let scene = Scene::registered().await;
    let mut draft = scene.draft("PUT", "/_snapshot/r/s", Some(json!({"indices": "movies"}))).await;
    draft.extra.push(("x-opaque-id", "night-run".to_owned()));
    scene.send(&draft).await;
    let event = scene.last_event();
    assert_eq!(event.body, r#"{"indices":"movies"}"#);
    assert_eq!(event.headers["x-opaque-id"], "night-run");
    assert_eq!(event.headers["x-amz-security-token"], draft.credentials.session_token().unwrap());

    scene.domain.keep_requests(false);
    scene.send(&draft).await;
    let event = scene.last_event();
    assert!(event.headers.is_empty() && event.body.is_empty() && event.opaque_id.is_some());
}
