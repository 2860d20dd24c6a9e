//! Single cases of a lost answer, each of which once led to a wrong verdict.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[allow(dead_code, reason = "each of the suites uses a part of it")]
#[path = "support/scene.rs"]
mod scene;

use std::time::Duration;

use es_snapshot::client::RawRequest;
use es_snapshot::clock::Clock as _;
use es_snapshot::name::SnapshotName;
use es_snapshot::snapshot::SnapshotToken;
use es_snapshot::testing::{FakeDomain, Fault};
use es_snapshot::wait::HowStarted;
use es_snapshot::{CreateSnapshot, ErrorKind, Outcome, RestoreSnapshot, S3Settings, Timeouts};
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
async fn a_repository_that_is_gone_after_a_lost_answer_was_unregistered() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_after().on_method("DELETE").times(1));

    backups(&client).unregister().await.unwrap();

    assert_eq!(domain.repositories(), [""; 0]);
}

#[tokio::test]
async fn a_repository_that_never_was_is_missing_when_no_answer_was_lost() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::status(429, "", "text/plain").on_method("DELETE").times(1));

    let error = client.repository("other").unwrap().unregister().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RepositoryMissing, Outcome::Rejected));
}

#[tokio::test]
async fn a_registration_that_is_refused_after_a_lost_answer_may_have_happened() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_after().on_method("PUT").times(1));
    domain.fault(Fault::status(400, "", "text/plain").on_method("PUT").times(1));

    let error = backups(&client).register(settings()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Server, Outcome::Unknown));
}

#[tokio::test]
async fn a_registration_that_cannot_be_verified_is_told_as_such_after_a_lost_answer_too() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_after().on_method("PUT").times(1));
    let settings = S3Settings::new("no-such-bucket").with_role_arn(ROLE);

    let error = client.repository("other").unwrap().register(settings).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RepositoryVerification, Outcome::Rejected));
}

#[tokio::test]
async fn a_verification_is_judged_by_its_last_answer_alone() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_after().on_method("POST").times(1));

    let error = client.repository("other").unwrap().verify().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RepositoryMissing, Outcome::Rejected));
}

#[tokio::test]
async fn a_create_without_a_token_knows_its_own_snapshot_though_the_clocks_differ() {
    for skew in [-3600, 3600] {
        let Scene { domain, client, .. } = registered().await;
        domain.set_skew(skew);
        domain.fault(Fault::drop_after().on_method("PUT").times(2));

        let created = backups(&client).create_snapshot(one(), CreateSnapshot::new().without_token()).await.unwrap();

        assert_eq!(created.how(), HowStarted::Adopted);
    }
}

#[tokio::test]
async fn a_create_without_a_token_knows_its_own_snapshot_though_the_clock_was_not_told() {
    let Scene { domain, client, .. } = registered().await;
    domain.set_skew(-3600);
    let missing = r#"{"error":{"type":"snapshot_missing_exception","reason":"[r:one] is missing"},"status":404}"#;
    domain.fault(Fault::status(404, missing, JSON).header("age", "1").on_method("GET").times(1));
    domain.fault(Fault::drop_after().on_method("PUT").times(2));

    let created = backups(&client).create_snapshot(one(), CreateSnapshot::new().without_token()).await.unwrap();

    assert_eq!(created.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn a_create_without_a_token_does_not_take_a_snapshot_for_its_own_that_was_there_before() {
    let Scene { domain, client, .. } = registered().await;
    let options = CreateSnapshot::new().without_token();
    backups(&client).create_snapshot(one(), options.clone()).await.unwrap();
    domain.fault(Fault::drop_after().on_method("PUT").times(1));

    let error = backups(&client).create_snapshot(one(), options).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::SnapshotNameTaken, Outcome::NotSent));
}

#[tokio::test]
async fn a_create_without_a_token_does_not_take_a_snapshot_for_its_own_that_carries_one() {
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
const IN_THE_WAY: &str = r#"{"error":{"type":"concurrent_snapshot_execution_exception","reason":"a snapshot is already running"},"status":503}"#;
const JSON: &str = "application/json";

fn requests(domain: &FakeDomain, method: &str) -> usize {
    domain.events().iter().filter(|event| event.method == method && event.path == "/_snapshot/r/one").count()
}

#[tokio::test]
async fn a_call_whose_time_is_used_up_by_a_lost_answer_still_asks_the_domain() {
    let Scene { domain, client, .. } = registered().await;
    let limit = Duration::from_secs(10);
    let client = client.with_timeouts(Timeouts::new().with_attempt(limit).with_call(limit));
    domain.fault(Fault::delay(limit * 2).on_method("PUT").times(1));

    let created = backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();

    assert_eq!(created.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn an_engine_that_failed_before_it_began_is_asked_and_then_asked_again_to_begin() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::status(500, NO_LONGER_MASTER, JSON).on_method("PUT").times(1));

    backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();

    assert_eq!((requests(&domain, "PUT"), domain.snapshots("r").len()), (2, 1));
}

#[tokio::test]
async fn a_deletion_that_the_next_master_carries_out_is_done() {
    let Scene { domain, client, .. } = registered().await;
    backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
    backups(&client).snapshot(one()).unwrap().wait().await.unwrap().into_complete().unwrap();
    domain.fault(Fault::status(500, NO_LONGER_MASTER, JSON).on_method("DELETE"));
    // After the looks that prove that nothing came of the first.
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
async fn a_restore_of_the_global_state_alone_is_never_known_to_have_failed_halfway() {
    let Scene { domain, client, .. } = registered().await;
    backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
    backups(&client).snapshot(one()).unwrap().wait().await.unwrap().into_complete().unwrap();
    domain.fault(Fault::status(500, NO_LONGER_MASTER, JSON).on_method("POST"));
    let options = RestoreSnapshot::new().with_indices(["-*"]).with_include_global_state(true);

    let error = backups(&client).snapshot(one()).unwrap().restore(options).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Server, Outcome::Unknown));
}

#[tokio::test]
async fn a_name_that_an_earlier_process_may_have_taken_is_not_called_anothers_before_a_look() {
    let Scene { domain, client, .. } = registered().await;
    let options = CreateSnapshot::new().with_token(SnapshotToken::random());
    backups(&client).create_snapshot(one(), options.clone()).await.unwrap();
    domain.fault(Fault::status(504, "", "text/html").on_method("GET"));

    let error = backups(&client).create_snapshot(one(), options).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::SnapshotNameTaken, Outcome::Unknown));
}

#[tokio::test]
async fn a_repetition_that_ends_at_the_deadline_is_looked_into() {
    let Scene { domain, client, .. } = registered().await;
    let limit = Duration::from_secs(10);
    let client = client.with_timeouts(Timeouts::new().with_attempt(Duration::from_secs(100)).with_call(limit));
    domain.fault(Fault::drop_before().on_method("PUT").times(1));
    domain.fault(Fault::delay(Duration::from_secs(100)).on_method("PUT").times(1));

    let created = backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();

    assert_eq!(created.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn a_clean_up_that_lost_its_answer_queues_on() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_after().on_path("_cleanup").times(1));
    domain.fault(Fault::status(503, IN_THE_WAY, JSON).on_path("_cleanup").times(3));

    backups(&client.with_queue_time(Duration::from_secs(600))).cleanup().await.unwrap();
}

#[tokio::test]
async fn an_unregistration_that_lost_its_answer_queues_on() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_after().on_method("DELETE").times(1));
    domain.fault(Fault::status(503, IN_THE_WAY, JSON).on_method("DELETE").times(3));

    backups(&client.with_queue_time(Duration::from_secs(600))).unregister().await.unwrap();
}

#[tokio::test]
async fn a_registration_that_lost_its_answer_before_it_queued_may_have_happened() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::drop_after().on_method("PUT").times(1));
    domain.fault(Fault::status(503, IN_THE_WAY, JSON).on_method("PUT").times(1));
    let denied = r#"{"Message":"User: x is not authorized to perform: es:ESHttpPut"}"#;
    domain.fault(Fault::status(403, denied, JSON).on_method("PUT").times(1));
    let client = client.with_queue_time(Duration::from_secs(60));

    let error = backups(&client).register(settings()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::AccessDenied, Outcome::Unknown));
}

#[tokio::test]
async fn a_snapshot_whose_file_in_the_bucket_is_gone_can_be_deleted() {
    let gone = r#"{"error":{"type":"snapshot_missing_exception","reason":"[r:one/x1] is missing"},"status":404}"#;
    let unreadable =
        r#"{"error":{"type":"snapshot_exception","reason":"[r:one/x1] failed to get snapshots"},"status":500}"#;
    for (status, body) in [(404, gone), (500, unreadable)] {
        let Scene { domain, client, .. } = registered().await;
        backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
        // Only the repository's index is left to tell of it, which is all that is read if not asked for
        // more.
        let file_is_read = |method: &str, path: &str| method == "GET" && path == "/_snapshot/r/one";
        domain.fault(Fault::status(status, body, JSON).on(file_is_read));

        backups(&client).snapshot(one()).unwrap().delete().await.unwrap();

        assert_eq!(domain.snapshots("r").len(), 0);
    }
}

#[tokio::test]
async fn a_read_that_fails_before_a_deletion_says_that_nothing_was_sent() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::status(504, "", "text/html").on_method("GET"));

    let error = backups(&client).snapshot(one()).unwrap().delete().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::NotSent));
}

#[tokio::test]
async fn an_engine_that_cannot_read_the_bucket_is_believed_at_once() {
    let Scene { domain, client, .. } = registered().await;
    let no_bucket = r#"{"error":{"type":"repository_exception","reason":"[r] Could not determine repository generation from root blobs"},"status":500}"#;
    domain.fault(Fault::status(500, no_bucket, JSON).on_path("/_snapshot/r/one"));

    let error = backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Repository, Outcome::Rejected));
    assert_eq!((requests(&domain, "PUT"), requests(&domain, "GET")), (1, 0));
}

#[tokio::test]
async fn a_repetition_that_is_refused_leaves_the_lost_request_to_be_looked_for() {
    let Scene { domain, client, .. } = registered().await;
    domain.fault(Fault::late(Duration::from_secs(40)).on_method("PUT").times(1));
    domain.fault(Fault::status(400, "{}", JSON).on_method("PUT").times(1));

    let created = backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();

    assert_eq!(created.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn a_repetition_that_is_refused_for_a_while_is_sent_again() {
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
async fn a_queued_create_does_not_begin_anew_while_a_request_of_its_own_is_unaccounted_for() {
    let Scene { domain, client, clock, .. } = registered().await;
    domain.fault(Fault::drop_before().on_method("PUT").times(1));
    domain.fault(Fault::status(503, IN_THE_WAY, JSON).on_method("PUT"));
    let client = client.with_queue_time(Duration::from_secs(3000));

    let error = backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Busy, Outcome::Unknown));
    assert!(clock.sleeps().iter().sum::<Duration>() <= Duration::from_secs(300));
}

#[tokio::test]
async fn a_queued_delete_spares_the_snapshot_that_took_the_name_meanwhile() {
    let Scene { domain, client, clock, .. } = registered().await;
    backups(&client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
    backups(&client).snapshot(one()).unwrap().wait().await.unwrap().into_complete().unwrap();
    domain.fault(Fault::status(503, IN_THE_WAY, JSON).on_method("DELETE").times(1));
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

/// A domain with the indices `a` and `b` in the snapshot `one`, and no longer beside it.
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
async fn a_lost_restore_is_not_taken_for_an_earlier_one_of_the_same_snapshot() {
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
async fn a_lost_restore_is_not_taken_for_an_earlier_one_whose_shards_had_to_queue() {
    let Scene { domain, client, .. } = two_indices_to_restore().await;
    backups(&client).snapshot(one()).unwrap().restore(only("a")).await.unwrap();
    // No node has begun with it when the second restore looks around.
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
async fn a_lost_restore_is_not_taken_for_a_concurrent_one_of_another_index() {
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
async fn a_restore_whose_answer_was_lost_is_adopted_beside_an_earlier_one() {
    let Scene { domain, client, .. } = two_indices_to_restore().await;
    backups(&client).snapshot(one()).unwrap().restore(only("a")).await.unwrap();
    domain.fault(Fault::drop_after().on_method("POST").times(1));

    let restored = backups(&client).snapshot(one()).unwrap().restore(only("b")).await.unwrap();

    assert_eq!(restored.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn a_restore_whose_answer_was_lost_is_adopted_where_an_earlier_one_of_its_index_had_failed() {
    let Scene { domain, client, .. } = two_indices_to_restore().await;
    let failed = r#"[{"index":"a","shard":"0","prirep":"p","state":"UNASSIGNED","unassigned.reason":"ALLOCATION_FAILED",
        "unassigned.details":"failed shard on node [n]: failed recovery, failed to restore snapshot [one/u]"}]"#;
    domain.fault(Fault::status(200, failed, JSON).on_path("/_cat/shards").times(1));
    domain.fault(Fault::drop_after().on_method("POST").times(1));

    let restored = backups(&client).snapshot(one()).unwrap().restore(only("a")).await.unwrap();

    assert_eq!(restored.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn without_cat_shards_a_restore_whose_answer_was_lost_is_known_by_its_recoveries() {
    let Scene { domain, client, .. } = two_indices_to_restore().await;
    domain.forbid("/_cat/shards");
    domain.fault(Fault::drop_after().on_method("POST").times(1));

    let restored = backups(&client).snapshot(one()).unwrap().restore(only("a")).await.unwrap();

    assert_eq!(restored.how(), HowStarted::Adopted);
}

#[tokio::test]
async fn without_recoveries_a_restore_whose_answer_was_lost_is_not_waited_for_in_vain() {
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
async fn a_refusal_that_broke_off_may_be_the_echo_of_an_earlier_request() {
    let Scene { domain, client, .. } = registered().await;
    let options = CreateSnapshot::new().with_token(SnapshotToken::random());
    backups(&client).create_snapshot(one(), options.clone()).await.unwrap();
    domain.fault(Fault::truncate().on_method("PUT").times(1));

    let created = backups(&client).create_snapshot(one(), options).await.unwrap();

    assert_eq!(created.how(), HowStarted::Adopted);
}
