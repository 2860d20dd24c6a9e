//! Lost responses. Each case once led to a wrong result.

#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

#[allow(dead_code, reason = "each test file uses only a part of it")]
#[path = "support/scene.rs"]
mod scene;

use std::time::Duration;

use es_snapshot::client::RawRequest;
use es_snapshot::clock::Clock as _;
use es_snapshot::name::SnapshotName;
use es_snapshot::snapshot::SnapshotToken;
use es_snapshot::testing::{FakeDomain, Fault};
use es_snapshot::wait::HowStarted;
use es_snapshot::{CreateSnapshot, ErrorKind, Outcome, RestoreSnapshot, RetryPolicy, S3Settings, Timeouts};
use scene::{ROLE, Scene, backups, settings};

/// A domain with the repository `r`.
async fn registered() -> Scene {
    let scene = Scene::new().await;
    backups(&scene.client).register(settings()).await.unwrap();
    scene
}

fn one() -> SnapshotName {
    "one".parse().unwrap()
}

#[tokio::test]
async fn a_repository_that_is_gone_after_a_lost_response_was_unregistered() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_after().on_method("DELETE").times(1));

    backups(&client).unregister().await.unwrap();

    assert_eq!(domain.repositories(), [""; 0]);
}

#[tokio::test]
async fn unregister_reports_a_missing_repository_if_no_response_was_lost() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::status(429, "", "text/plain").on_method("DELETE").times(1));

    let error = client.repository("other").unwrap().unregister().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RepositoryMissing, Outcome::Rejected));
}

#[tokio::test]
async fn a_registration_refused_after_a_lost_response_has_an_unknown_outcome() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_after().on_method("PUT").times(1));
    domain.fault(Fault::status(400, "", "text/plain").on_method("PUT").times(1));

    let error = backups(&client).register(settings()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Server, Outcome::Unknown));
}

#[tokio::test]
async fn reports_a_failed_verification_of_a_registration_even_after_a_lost_response() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_after().on_method("PUT").times(1));
    let settings = S3Settings::new("no-such-bucket").with_role_arn(ROLE);

    let error = client.repository("other").unwrap().register(settings).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RepositoryVerification, Outcome::Rejected));
}

#[tokio::test]
async fn the_last_response_alone_determines_the_outcome_of_a_verification() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_after().on_method("POST").times(1));

    let error = client.repository("other").unwrap().verify().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RepositoryMissing, Outcome::Rejected));
}

#[tokio::test]
async fn a_create_without_a_token_adopts_its_own_snapshot_although_the_clocks_differ() {
    for skew in [-3600, 3600] {
        let Scene { domain, client, .. } = registered().await;
        domain.set_skew(skew);
        domain.fault(Fault::drop_after().on_method("PUT").times(2));

        let created = backups(&client).create_snapshot(one(), CreateSnapshot::new().without_token()).await.unwrap();

        assert_eq!(created.how(), HowStarted::Adopted);
    }
}

#[tokio::test]
async fn a_create_without_a_token_adopts_its_own_snapshot_although_the_clock_is_not_known() {
    let Scene { domain, client, .. } = registered().await;
    domain.set_skew(-3600);
    let missing = r#"{"error":{"type":"snapshot_missing_exception","reason":"[r:one] is missing"},"status":404}"#;
    domain.fault(Fault::status(404, missing, JSON).header("age", "1").on_method("GET").times(1));
    domain.fault(Fault::drop_after().on_method("PUT").times(2));

    let created = backups(&client).create_snapshot(one(), CreateSnapshot::new().without_token()).await.unwrap();

    assert_eq!(created.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn a_create_without_a_token_does_not_adopt_an_earlier_snapshot() {
    let Scene { domain, client, .. } = registered().await;
    let options = CreateSnapshot::new().without_token();
    backups(&client).create_snapshot(one(), options.clone()).await.unwrap();
    domain.fault(Fault::drop_after().on_method("PUT").times(1));

    let error = backups(&client).create_snapshot(one(), options).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::SnapshotNameTaken, Outcome::NotSent));
}

#[tokio::test]
async fn a_create_without_a_token_does_not_adopt_a_snapshot_with_a_token() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_before().on_method("PUT").times(1));
    let another = async {
        while requests(&domain, "PUT") == 0 {
            tokio::task::yield_now().await;
        }
        backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
    };
    let options = CreateSnapshot::new().without_token();

    let (created, ()) = futures_util::future::join(backups(&client).create_snapshot(one(), options), another).await;

    assert_eq!(created.unwrap_err().kind(), ErrorKind::SnapshotNameTaken);
}

const NO_LONGER_MASTER: &str =
    r#"{"error":{"type":"snapshot_exception","reason":"[r:one] no longer master"},"status":500}"#;
const ALREADY_RUNNING: &str = r#"{"error":{"type":"concurrent_snapshot_execution_exception","reason":"a snapshot is already running"},"status":503}"#;
const JSON: &str = "application/json";

fn requests(domain: &FakeDomain, method: &str) -> usize {
    domain.events().iter().filter(|event| event.method == method && event.path == "/_snapshot/r/one").count()
}

#[tokio::test]
async fn a_call_checks_the_domain_even_if_the_lost_response_used_up_its_time_limit() {
    let Scene { domain, client, .. } = registered().await;
    let limit = Duration::from_secs(10);
    let client = client.with_timeouts(Timeouts::new().with_attempt(limit).with_call(limit));
    domain.fault(Fault::delay(limit * 2).on_method("PUT").times(1));

    let created = backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();

    assert_eq!(created.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn a_create_is_resent_after_the_server_failed_before_it_started() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::status(500, NO_LONGER_MASTER, JSON).on_method("PUT").times(1));

    backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();

    assert_eq!((requests(&domain, "PUT"), domain.snapshots("r").len()), (2, 1));
}

#[tokio::test]
async fn a_deletion_that_the_next_master_carries_out_succeeds() {
    let Scene { domain, client, .. } = registered().await;
    backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
    backups(&client).snapshot(one()).unwrap().wait().await.unwrap().into_complete().unwrap();
    domain.fault(Fault::status(500, NO_LONGER_MASTER, JSON).on_method("DELETE"));
    // The second request follows the checks that show that the first had no effect.
    let next_master = async {
        while requests(&domain, "DELETE") < 2 {
            tokio::task::yield_now().await;
        }
        domain.another_client_deletes("r", "one");
    };

    let (deleted, ()) =
        futures_util::future::join(backups(&client).snapshot(one()).unwrap().delete(), next_master).await;

    deleted.unwrap();
    assert_eq!(domain.snapshots("r").len(), 0);
}

#[tokio::test]
async fn a_failed_restore_of_only_the_global_state_has_an_unknown_outcome() {
    let Scene { domain, client, .. } = registered().await;
    backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
    backups(&client).snapshot(one()).unwrap().wait().await.unwrap().into_complete().unwrap();
    domain.fault(Fault::status(500, NO_LONGER_MASTER, JSON).on_method("POST"));
    let options = RestoreSnapshot::new().with_indices(["-*"]).with_include_global_state(true);

    let error = backups(&client).snapshot(one()).unwrap().restore(options).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Server, Outcome::Unknown));
}

#[tokio::test]
async fn a_taken_name_has_an_unknown_outcome_if_no_check_shows_who_took_it() {
    let Scene { domain, client, .. } = registered().await;
    let options = CreateSnapshot::new().with_token(SnapshotToken::random());
    backups(&client).create_snapshot(one(), options.clone()).await.unwrap();
    domain.fault(Fault::status(504, "", "text/html").on_method("GET"));

    let error = backups(&client).create_snapshot(one(), options).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::SnapshotNameTaken, Outcome::Unknown));
}

#[tokio::test]
async fn a_resend_that_ends_at_the_time_limit_is_investigated() {
    let Scene { domain, client, .. } = registered().await;
    let limit = Duration::from_secs(10);
    let client = client.with_timeouts(Timeouts::new().with_attempt(Duration::from_secs(100)).with_call(limit));
    domain.fault(Fault::drop_before().on_method("PUT").times(1));
    domain.fault(Fault::delay(Duration::from_secs(100)).on_method("PUT").times(1));

    let created = backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();

    assert_eq!(created.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn a_clean_up_keeps_queueing_after_a_lost_response() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_after().on_path("_cleanup").times(1));
    domain.fault(Fault::status(503, ALREADY_RUNNING, JSON).on_path("_cleanup").times(3));

    backups(&client.with_queue_time(Duration::from_secs(600))).cleanup().await.unwrap();
}

#[tokio::test]
async fn an_unregistration_keeps_queueing_after_a_lost_response() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_after().on_method("DELETE").times(1));
    domain.fault(Fault::status(503, ALREADY_RUNNING, JSON).on_method("DELETE").times(3));

    backups(&client.with_queue_time(Duration::from_secs(600))).unregister().await.unwrap();
}

#[tokio::test]
async fn a_queued_registration_refused_after_a_lost_response_has_an_unknown_outcome() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_after().on_method("PUT").times(1));
    domain.fault(Fault::status(503, ALREADY_RUNNING, JSON).on_method("PUT").times(1));
    let denied = r#"{"Message":"User: x is not authorized to perform: es:ESHttpPut"}"#;
    domain.fault(Fault::status(403, denied, JSON).on_method("PUT").times(1));
    let client = client.with_queue_time(Duration::from_secs(60));

    let error = backups(&client).register(settings()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::AccessDenied, Outcome::Unknown));
}

#[tokio::test]
async fn deletes_a_snapshot_whose_file_in_the_bucket_is_gone() {
    let gone = r#"{"error":{"type":"snapshot_missing_exception","reason":"[r:one/x1] is missing"},"status":404}"#;
    let unreadable =
        r#"{"error":{"type":"snapshot_exception","reason":"[r:one/x1] failed to get snapshots"},"status":500}"#;
    for (status, body) in [(404, gone), (500, unreadable)] {
        let Scene { domain, client, .. } = registered().await;
        backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
        // Only the index of the repository still contains the snapshot. A listing without details
        // reads nothing else.
        let reads_file = |method: &str, path: &str| method == "GET" && path == "/_snapshot/r/one";
        domain.fault(Fault::status(status, body, JSON).on(reads_file));

        backups(&client).snapshot(one()).unwrap().delete().await.unwrap();

        assert_eq!(domain.snapshots("r").len(), 0);
    }
}

#[tokio::test]
async fn a_deletion_whose_first_read_fails_is_reported_as_not_sent() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::status(504, "", "text/html").on_method("GET"));

    let error = backups(&client).snapshot(one()).unwrap().delete().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotSent));
}

#[tokio::test]
async fn a_create_is_rejected_at_once_if_the_server_cannot_read_the_bucket() {
    let Scene { domain, client, .. } = registered().await;
    let no_bucket = r#"{"error":{"type":"repository_exception","reason":"[r] Could not determine repository generation from root blobs"},"status":500}"#;
    domain.fault(Fault::status(500, no_bucket, JSON).on_path("/_snapshot/r/one"));

    let error = backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Repository, Outcome::Rejected));
    assert_eq!((requests(&domain, "PUT"), requests(&domain, "GET")), (1, 0));
}

#[tokio::test]
async fn a_lost_request_is_still_investigated_after_its_resend_is_refused() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::late(Duration::from_secs(40)).on_method("PUT").times(1));
    domain.fault(Fault::status(400, "{}", JSON).on_method("PUT").times(1));

    let created = backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();

    assert_eq!(created.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn a_resend_that_is_refused_temporarily_is_sent_again() {
    let overloaded = r#"{"error":{"type":"es_rejected_execution_exception","reason":"queue full"},"status":429}"#;
    let starting = r#"{"error":{"type":"cluster_block_exception","reason":"state not recovered"},"status":503}"#;
    let expired = r#"{"message":"The security token included in the request is expired"}"#;
    for (status, body) in [(429, overloaded), (503, starting), (403, expired)] {
        let Scene { domain, client, .. } = registered().await;
        domain.fault(Fault::drop_before().on_method("PUT").times(1));
        domain.fault(Fault::status(status, body, JSON).on_method("PUT").times(2));

        backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();

        assert_eq!(domain.snapshots("r").len(), 1);
    }
}

#[tokio::test]
async fn a_queued_create_does_not_start_again_while_its_own_request_is_unaccounted_for() {
    let Scene { domain, client, clock, .. } = registered().await;
    domain.fault(Fault::drop_before().on_method("PUT").times(1));
    domain.fault(Fault::status(503, ALREADY_RUNNING, JSON).on_method("PUT"));
    let client = client.with_queue_time(Duration::from_secs(3000));

    let error = backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Busy, Outcome::Unknown));
    assert!(clock.sleeps().iter().sum::<Duration>() <= Duration::from_secs(300));
}

#[tokio::test]
async fn a_queued_delete_keeps_another_snapshot_that_took_the_name() {
    let Scene { domain, client, clock, .. } = registered().await;
    backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
    backups(&client).snapshot(one()).unwrap().wait().await.unwrap().into_complete().unwrap();
    domain.fault(Fault::status(503, ALREADY_RUNNING, JSON).on_method("DELETE").times(1));
    let client = client.with_queue_time(Duration::from_secs(60));
    clock.set_auto_advance(false);

    let replace = async {
        while requests(&domain, "DELETE") == 0 {
            tokio::task::yield_now().await;
        }
        domain.another_client_deletes("r", "one");
        domain.another_client_creates("r", "one");
        clock.set_auto_advance(true);
        clock.advance(Duration::from_secs(1));
    };
    let (deleted, ()) = futures_util::future::join(backups(&client).snapshot(one()).unwrap().delete(), replace).await;

    assert_eq!(deleted.unwrap_err().kind(), ErrorKind::SnapshotMissing);
    assert_eq!(domain.snapshots("r").len(), 1);
}

/// A domain with the snapshot `one` of the indices `a` and `b`, which are deleted.
async fn two_indices_to_restore() -> Scene {
    let scene = registered().await;
    for index in ["a", "b"] {
        scene.domain.create_index(index, 1);
    }
    backups(&scene.client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
    backups(&scene.client).snapshot(one()).unwrap().wait().await.unwrap().into_complete().unwrap();
    for index in ["a", "b"] {
        scene.client.raw(RawRequest::new(http::Method::DELETE, [index])).await.unwrap();
    }
    scene
}

fn only(index: &str) -> RestoreSnapshot {
    RestoreSnapshot::new().with_indices([index])
}

#[tokio::test]
async fn a_lost_restore_does_not_adopt_an_earlier_one_of_the_same_snapshot() {
    let Scene { domain, client, .. } = two_indices_to_restore().await;
    backups(&client).snapshot(one()).unwrap().restore(only("a")).await.unwrap();
    domain.fault(Fault::drop_before().on_method("POST").times(1));

    backups(&client)
        .snapshot(one())
        .unwrap()
        .restore(RestoreSnapshot::new().with_rename("(.+)", "r-$1"))
        .await
        .unwrap();

    assert_eq!(domain.indices(), ["a", "r-a", "r-b"]);
}

#[tokio::test]
async fn a_lost_restore_does_not_adopt_an_earlier_one_whose_shards_were_queued() {
    let Scene { domain, client, .. } = two_indices_to_restore().await;
    backups(&client).snapshot(one()).unwrap().restore(only("a")).await.unwrap();
    // No node has started it when the second restore reads the recoveries.
    domain.fault(Fault::status(200, "{}", JSON).on_path("_recovery").times(1));
    domain.fault(Fault::drop_before().on_method("POST").times(1));

    backups(&client)
        .snapshot(one())
        .unwrap()
        .restore(RestoreSnapshot::new().with_rename("(.+)", "r-$1"))
        .await
        .unwrap();

    assert_eq!(domain.indices(), ["a", "r-a", "r-b"]);
}

#[tokio::test]
async fn a_lost_restore_does_not_adopt_a_concurrent_one_of_another_index() {
    let Scene { domain, client, .. } = two_indices_to_restore().await;
    domain.fault(Fault::drop_before().on_method("POST").times(1));
    let posts = || domain.events().iter().filter(|event| event.path.ends_with("_restore")).count();
    let concurrent = async {
        while posts() == 0 {
            tokio::task::yield_now().await;
        }
        backups(&client).snapshot(one()).unwrap().restore(only("a")).await.unwrap();
    };

    let (restored, ()) =
        futures_util::future::join(backups(&client).snapshot(one()).unwrap().restore(only("b")), concurrent).await;

    restored.unwrap();
    assert_eq!(domain.indices(), ["a", "b"]);
}

#[tokio::test]
async fn a_restore_whose_response_was_lost_is_adopted_although_an_earlier_one_ran() {
    let Scene { domain, client, .. } = two_indices_to_restore().await;
    backups(&client).snapshot(one()).unwrap().restore(only("a")).await.unwrap();
    domain.fault(Fault::drop_after().on_method("POST").times(1));

    let restored = backups(&client).snapshot(one()).unwrap().restore(only("b")).await.unwrap();

    assert_eq!(restored.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn a_restore_whose_response_was_lost_is_adopted_although_an_earlier_one_of_its_index_failed() {
    let Scene { domain, client, .. } = two_indices_to_restore().await;
    let failed = r#"[{"index":"a","shard":"0","prirep":"p","state":"UNASSIGNED","unassigned.reason":"ALLOCATION_FAILED",
        "unassigned.details":"failed shard on node [n]: failed recovery, failed to restore snapshot [one/u]"}]"#;
    domain.fault(Fault::status(200, failed, JSON).on_path("/_cat/shards").times(1));
    domain.fault(Fault::drop_after().on_method("POST").times(1));

    let restored = backups(&client).snapshot(one()).unwrap().restore(only("a")).await.unwrap();

    assert_eq!(restored.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn a_restore_whose_response_was_lost_is_adopted_although_cat_shards_is_forbidden() {
    let Scene { domain, client, .. } = two_indices_to_restore().await;
    domain.forbid("/_cat/shards");
    domain.fault(Fault::drop_after().on_method("POST").times(1));

    let restored = backups(&client).snapshot(one()).unwrap().restore(only("a")).await.unwrap();

    assert_eq!(restored.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn a_restore_whose_response_was_lost_ends_as_unknown_at_once_if_nothing_can_be_read() {
    let Scene { domain, client, clock, .. } = two_indices_to_restore().await;
    domain.forbid("/_cluster/state");
    domain.forbid("/_recovery");
    domain.fault(Fault::drop_after().on_method("POST").times(1));
    let began = clock.monotonic();

    let error = backups(&client).snapshot(one()).unwrap().restore(only("a")).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Interrupted, Outcome::Unknown));
    assert_eq!(clock.monotonic(), began);
}

#[tokio::test]
async fn a_truncated_refusal_can_be_the_effect_of_an_earlier_request() {
    let Scene { domain, client, .. } = registered().await;
    let options = CreateSnapshot::new().with_token(SnapshotToken::random());
    backups(&client).create_snapshot(one(), options.clone()).await.unwrap();
    domain.fault(Fault::truncate().on_method("PUT").times(1));

    let created = backups(&client).create_snapshot(one(), options).await.unwrap();

    assert_eq!(created.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn a_create_that_cannot_reach_the_domain_is_not_sent() {
    let Scene { domain, client, .. } = Scene::new().await;
    domain.stop();

    let error = backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome(), error.ticket()), (ErrorKind::Connect, Outcome::NotSent, None));
}

#[tokio::test]
async fn an_error_counts_the_attempts_of_every_send() {
    let Scene { domain, client, .. } = registered().await;
    let broken = r#"{"error":{"type":"null_pointer_exception","reason":"x is null"},"status":500}"#;
    domain.fault(Fault::status(500, broken, JSON).on_method("PUT"));

    let error = backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap_err();

    assert_eq!((error.outcome(), error.attempts()), (Outcome::Rejected, 2));
}

#[tokio::test]
async fn a_check_that_hangs_takes_half_of_the_time_that_is_left() {
    let Scene { domain, client, .. } = registered().await;
    let limit = Duration::from_secs(300);
    let client = client.with_timeouts(Timeouts::new().with_attempt(limit).with_call(limit));
    domain.fault(Fault::drop_after().on_method("PUT").times(1));
    domain.fault(Fault::delay(Duration::from_secs(160)).on_method("GET").times(1));

    let created = backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();

    assert_eq!((created.how(), requests(&domain, "GET")), (HowStarted::Adopted, 2));
}

#[tokio::test]
async fn a_request_is_sent_again_with_five_seconds_left_but_not_with_less() {
    let overloaded = r#"{"error":{"type":"es_rejected_execution_exception","reason":"queue full"},"status":429}"#;
    // The sixth request is due after 60.5 s: 0.5 s, and four times the 15 s of the checks after a
    // refusal.
    for (left, sent) in [(5000, 6), (4999, 5)] {
        let Scene { domain, client, .. } = registered().await;
        let limit = Duration::from_millis(60_500 + left);
        let client =
            client.with_retry(RetryPolicy::never()).with_timeouts(Timeouts::new().with_attempt(limit).with_call(limit));
        domain.fault(Fault::drop_before().on_method("PUT").times(1));
        domain.fault(Fault::status(429, overloaded, JSON).on_method("PUT").times(4));

        let created = backups(&client).create_snapshot(one(), CreateSnapshot::new()).await;

        assert_eq!((created.is_ok(), requests(&domain, "PUT")), (left == 5000, sent), "{created:?}");
    }
}

#[tokio::test]
async fn a_deletion_whose_repetition_finds_no_snapshot_is_checked_at_once() {
    let Scene { domain, client, clock, .. } = registered().await;
    backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
    backups(&client).snapshot(one()).unwrap().wait().await.unwrap().into_complete().unwrap();
    domain.fault(Fault::drop_before().on_method("DELETE").times(1));
    let first = domain.clone();
    let carried_out_before_the_second = move |method: &str, _: &str| {
        if method == "DELETE" {
            first.another_client_deletes("r", "one");
        }
        false
    };
    domain.fault(Fault::drop_before().on(carried_out_before_the_second));
    let began = clock.monotonic();

    backups(&client).snapshot(one()).unwrap().delete().await.unwrap();

    // The checks before the repetition take as long.
    assert_eq!((requests(&domain, "DELETE"), clock.monotonic() - began), (2, Duration::from_millis(15_500)));
}
