//! Restores that meet a lost response, other clients, or a server that retries a shard.

#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

#[allow(dead_code, reason = "each test file uses only a part of it")]
#[path = "support/scene.rs"]
mod scene;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_snapshot::clock::Clock as _;
use es_snapshot::name::SnapshotName;
use es_snapshot::restore::UnrestoredShard;
use es_snapshot::testing::{FakeDomain, FakeOutcome, Fault};
use es_snapshot::wait::{HowStarted, RestoreTicket};
use es_snapshot::{CreateSnapshot, ErrorKind, Outcome, RestoreSnapshot, RetryPolicy};
use scene::{Scene, backups, repository, settings};

const JSON: &str = "application/json";

/// A domain with the snapshot `one` of the indices `a` and `b`, which are deleted.
async fn two_indices_to_restore() -> Scene {
    let scene = two_indices().await;
    scene.domain.delete_index("a");
    scene.domain.delete_index("b");
    scene
}

/// A domain with the indices `a` and `b`, and the snapshot `one` of them.
async fn two_indices() -> Scene {
    let scene = Scene::new().await;
    backups(&scene.client).register(settings()).await.unwrap();
    scene.domain.create_index("a", 1);
    scene.domain.create_index("b", 1);
    backups(&scene.client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
    backups(&scene.client).snapshot(one()).unwrap().wait().await.unwrap().into_complete().unwrap();
    scene
}

fn one() -> SnapshotName {
    "one".parse().unwrap()
}

fn restores(domain: &FakeDomain) -> usize {
    domain.events().iter().filter(|event| event.path.ends_with("_restore")).count()
}

/// Runs `act` as another client, once, right before the first check after a restore was sent.
fn before_the_first_check(domain: &FakeDomain, act: impl Fn(&FakeDomain) + Send + Sync + 'static) {
    let (others, acted) = (domain.clone(), AtomicBool::new(false));
    let acts = move |method: &str, path: &str| {
        let checks = method == "GET" && path.starts_with("/_cluster/state/metadata");
        if checks && restores(&others) > 0 && !acted.swap(true, Ordering::SeqCst) {
            act(&others);
        }
        false
    };
    domain.fault(Fault::drop_before().on(acts));
}

async fn restore(scene: &Scene, options: &RestoreSnapshot) -> Result<es_snapshot::StartedRestore, es_snapshot::Error> {
    backups(&scene.client).snapshot(one()).unwrap().restore(options.clone()).await
}

#[tokio::test]
async fn does_not_restore_again_over_later_writes() {
    let scene = two_indices_to_restore().await;
    scene.domain.fault(Fault::drop_after().on_path("_restore").times(1));
    before_the_first_check(&scene.domain, |domain| {
        for index in ["a", "b"] {
            domain.write(index);
        }
    });

    let restored = restore(&scene, &RestoreSnapshot::new()).await;

    assert_eq!(restores(&scene.domain), 1, "{restored:?}");
}

#[tokio::test]
async fn resends_a_restore_that_never_arrived() {
    let scene = two_indices_to_restore().await;
    scene.domain.fault(Fault::drop_before().on_path("_restore").times(1));

    let restored = restore(&scene, &RestoreSnapshot::new()).await.unwrap();

    assert_eq!((restored.how(), restores(&scene.domain)), (HowStarted::Accepted, 2));
    assert_eq!(restored.ticket().indices().collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test]
async fn resends_over_closed_indices_despite_changes_other_than_a_restore() {
    for act in [FakeDomain::change_settings, FakeDomain::add_field, FakeDomain::hide_index] {
        let scene = two_indices().await;
        scene.domain.close_index("a");
        scene.domain.close_index("b");
        scene.domain.fault(Fault::drop_before().on_path("_restore").times(1));
        before_the_first_check(&scene.domain, move |domain| act(domain, "a"));

        restore(&scene, &RestoreSnapshot::new()).await.unwrap();

        assert_eq!((restores(&scene.domain), scene.domain.is_open("a")), (2, Some(true)));
    }
}

#[tokio::test]
async fn does_not_adopt_another_clients_restore_of_one_of_several_indices() {
    let scene = two_indices_to_restore().await;
    scene.domain.fault(Fault::drop_before().on_path("_restore").times(1));
    before_the_first_check(&scene.domain, |domain| domain.another_client_restores("r", "one", &["a"], None));

    let error = restore(&scene, &RestoreSnapshot::new()).await.unwrap_err();

    assert_eq!((error.outcome(), restores(&scene.domain)), (Outcome::Unknown, 1));
    assert_eq!(scene.domain.indices(), ["a"]);
}

#[tokio::test]
async fn does_not_adopt_another_clients_restore_to_other_names() {
    let scene = two_indices_to_restore().await;
    scene.domain.fault(Fault::drop_before().on_path("_restore").times(1));
    before_the_first_check(&scene.domain, |domain| {
        domain.another_client_restores("r", "one", &["a"], Some(("(.+)", "theirs-$1")));
    });

    restore(&scene, &RestoreSnapshot::new().with_indices(["a"]).with_rename("(.+)", "mine-$1")).await.unwrap();

    assert_eq!(scene.domain.indices(), ["mine-a", "theirs-a"]);
}

#[tokio::test]
async fn adopts_its_own_restore_although_the_index_is_hidden_or_its_shard_has_moved() {
    let hide = |domain: &FakeDomain| domain.hide_index("a");
    let relocate = |domain: &FakeDomain| domain.relocate_shard("a", 0);
    for (act, takes) in [(hide as fn(&FakeDomain), 3), (relocate, 600)] {
        let scene = Scene::with(|domain| domain.restores_take(Duration::from_secs(takes)), |client| client).await;
        backups(&scene.client).register(settings()).await.unwrap();
        scene.domain.create_index("a", 2);
        backups(&scene.client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
        backups(&scene.client).snapshot(one()).unwrap().wait().await.unwrap().into_complete().unwrap();
        scene.domain.delete_index("a");
        scene.domain.fault(Fault::drop_after().on_path("_restore").times(1));
        if takes == 3 {
            before_the_first_check(&scene.domain, act);
        }

        let restored = restore(&scene, &RestoreSnapshot::new()).await.unwrap();

        assert_eq!((restored.how(), restores(&scene.domain)), (HowStarted::Adopted, 1));
    }
}

#[tokio::test]
async fn does_not_restore_again_a_target_that_was_restored_and_deleted() {
    let scene = two_indices_to_restore().await;
    scene.domain.fault(Fault::drop_after().on_path("_restore").times(1));
    before_the_first_check(&scene.domain, |domain| {
        domain.delete_index("a");
        domain.delete_index("b");
    });

    let error = restore(&scene, &RestoreSnapshot::new()).await.unwrap_err();

    assert_eq!((error.outcome(), restores(&scene.domain)), (Outcome::Unknown, 1));
    assert_eq!(scene.domain.indices(), [""; 0]);
}

#[tokio::test]
async fn without_the_cluster_state_a_restore_is_adopted_by_its_shards_and_never_resent() {
    let scene = two_indices_to_restore().await;
    scene.domain.forbid("/_cluster/state");
    scene.domain.fault(Fault::drop_after().on_path("_restore").times(1));
    let adopted = restore(&scene, &RestoreSnapshot::new().with_indices(["a"])).await.unwrap();
    scene.domain.fault(Fault::drop_before().on_path("_restore").times(1));
    let lost = restore(&scene, &RestoreSnapshot::new().with_indices(["b"])).await.unwrap_err();

    assert_eq!((adopted.how(), lost.outcome(), restores(&scene.domain)), (HowStarted::Adopted, Outcome::Unknown, 2));
}

#[tokio::test]
async fn gives_up_after_five_refused_checks() {
    let scene = two_indices_to_restore().await;
    scene.domain.fault(Fault::drop_before().on_path("_restore").times(1));
    before_the_first_check(&scene.domain, |domain| domain.forbid("/_cluster/state"));
    let began = scene.clock.monotonic();

    let error = restore(&scene, &RestoreSnapshot::new()).await.unwrap_err();

    assert_eq!((error.outcome(), restores(&scene.domain)), (Outcome::Unknown, 1));
    assert!(scene.clock.monotonic() - began < Duration::from_secs(60));
}

#[tokio::test]
async fn two_equal_failures_are_a_refusal() {
    let body =
        r#"{"error":{"type":"null_pointer_exception","reason":"Cannot invoke \"x\"","root_cause":[]},"status":500}"#;
    let scene = two_indices_to_restore().await;
    scene.domain.fault(Fault::status(500, body, JSON).on_path("_restore"));
    let began = scene.clock.monotonic();

    let error = restore(&scene, &RestoreSnapshot::new()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome(), restores(&scene.domain)), (ErrorKind::Server, Outcome::Rejected, 2));
    assert!(scene.clock.monotonic() - began < Duration::from_secs(60));
}

#[tokio::test]
async fn a_failure_that_may_be_a_change_of_master_is_not_a_refusal() {
    let body =
        r#"{"error":{"type":"snapshot_exception","reason":"[r:one] no longer master","root_cause":[]},"status":500}"#;
    let scene = two_indices_to_restore().await;
    scene.domain.fault(Fault::status(500, body, JSON).on_path("_restore").times(2));

    let restored = restore(&scene, &RestoreSnapshot::new()).await.unwrap();

    assert_eq!((restored.how(), restores(&scene.domain)), (HowStarted::Accepted, 3));
}

/// Waits for a ticket, and returns the unrestored shards in the report.
async fn unrestored(scene: &Scene, ticket: &RestoreTicket) -> Vec<String> {
    let report = scene.client.resume(ticket.clone()).await.unwrap();
    report.unrestored().iter().map(UnrestoredShard::to_string).collect()
}

#[tokio::test]
async fn a_wait_with_a_ticket_ignores_other_restores() {
    let scene = two_indices_to_restore().await;
    scene.domain.fail_restore_shard("yesterday-a", 0);
    restore(&scene, &RestoreSnapshot::new().with_indices(["a"]).with_rename("(.+)", "yesterday-$1")).await.unwrap();

    let today = restore(&scene, &RestoreSnapshot::new().with_indices(["b"])).await.unwrap();

    assert_eq!(unrestored(&scene, today.ticket()).await, [""; 0]);
}

#[tokio::test]
async fn a_stored_ticket_can_be_resumed_after_its_recoveries_have_vanished() {
    for act in [
        FakeDomain::restart_node,
        |domain: &FakeDomain| domain.relocate_shard("a", 0),
        |domain: &FakeDomain| {
            domain.close_index("a");
            domain.open_index("a");
        },
    ] {
        let scene = two_indices_to_restore().await;
        let restored = restore(&scene, &RestoreSnapshot::new().with_indices(["a"])).await.unwrap();
        let kept = serde_json::to_string(restored.ticket()).unwrap();
        scene.clock.advance(Duration::from_secs(60));
        act(&scene.domain);

        let ticket: RestoreTicket = serde_json::from_str(&kept).unwrap();

        assert_eq!(unrestored(&scene, &ticket).await, [""; 0]);
    }
}

#[tokio::test]
async fn reports_a_target_whose_name_another_index_has_taken() {
    let scene = two_indices_to_restore().await;
    let restored = restore(&scene, &RestoreSnapshot::new().with_indices(["a"])).await.unwrap();
    scene.clock.advance(Duration::from_secs(60));
    scene.domain.delete_index("a");
    scene.domain.create_index("a", 1);
    scene.domain.restart_node();

    let unrestored = unrestored(&scene, restored.ticket()).await;

    assert_eq!(unrestored, ["[a] another index has its name now"]);
}

#[tokio::test]
async fn reports_a_shard_that_was_restored_empty_even_after_it_has_moved() {
    let scene = Scene::new().await;
    backups(&scene.client).register(settings()).await.unwrap();
    scene.domain.create_index("a", 2);
    scene.domain.plan_snapshot(FakeOutcome::Partial { failed_shards: vec![("a".to_owned(), 1)] });
    backups(&scene.client).create_snapshot(one(), CreateSnapshot::new().with_partial(true)).await.unwrap();
    backups(&scene.client).snapshot(one()).unwrap().wait().await.unwrap();
    scene.domain.delete_index("a");
    let restored = restore(&scene, &RestoreSnapshot::new().with_partial(true)).await.unwrap();
    scene.clock.advance(Duration::from_secs(60));
    scene.domain.relocate_shard("a", 1);

    let unrestored = unrestored(&scene, restored.ticket()).await;

    assert_eq!(unrestored, ["[a][1] nothing shows that it was restored from this snapshot"]);
}

#[tokio::test]
async fn a_wait_without_a_ticket_reports_a_shard_that_was_restored_empty() {
    let scene = Scene::new().await;
    backups(&scene.client).register(settings()).await.unwrap();
    scene.domain.create_index("a", 2);
    scene.domain.plan_snapshot(FakeOutcome::Partial { failed_shards: vec![("a".to_owned(), 1)] });
    backups(&scene.client).create_snapshot(one(), CreateSnapshot::new().with_partial(true)).await.unwrap();
    backups(&scene.client).snapshot(one()).unwrap().wait().await.unwrap();
    scene.domain.delete_index("a");
    restore(&scene, &RestoreSnapshot::new().with_partial(true)).await.unwrap();
    scene.clock.advance(Duration::from_secs(60));

    let report = scene.client.resume(RestoreTicket::new(repository(), one()).unwrap()).await.unwrap();

    let unrestored: Vec<_> = report.unrestored().iter().map(UnrestoredShard::to_string).collect();
    assert_eq!((unrestored.len(), report.shards_total()), (1, 2), "{unrestored:?}");
}

#[tokio::test]
async fn waits_for_a_shard_that_the_server_retries() {
    let scene = two_indices_to_restore().await;
    scene.domain.fail_restore_shard_times("a", 0, 2);

    let restored = restore(&scene, &RestoreSnapshot::new()).await.unwrap();

    assert_eq!(unrestored(&scene, restored.ticket()).await, [""; 0]);
}

#[tokio::test]
async fn waits_for_hidden_indices_and_backing_indices() {
    let scene = Scene::new().await;
    backups(&scene.client).register(settings()).await.unwrap();
    scene.domain.create_index("secret", 1);
    scene.domain.hide_index("secret");
    scene.domain.create_data_stream("logs", 2);
    backups(&scene.client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
    backups(&scene.client).snapshot(one()).unwrap().wait().await.unwrap().into_complete().unwrap();
    for index in scene.domain.indices() {
        scene.domain.delete_index(&index);
    }

    let restored = restore(&scene, &RestoreSnapshot::new()).await.unwrap();
    scene.clock.advance(Duration::from_secs(60));

    let targets: Vec<_> = restored.ticket().indices().map(str::to_owned).collect();
    assert_eq!(targets, scene.domain.indices());
    assert_eq!(unrestored(&scene, restored.ticket()).await, [""; 0]);
    let by_name = scene.client.resume(RestoreTicket::new(repository(), one()).unwrap()).await.unwrap();
    assert_eq!(by_name.into_complete().unwrap().indices().len(), 3);
}

/// A domain with a snapshot of the index `movies` and of two data streams with two backing indices
/// each. All of them are deleted.
async fn streams_to_restore() -> Scene {
    let scene = Scene::new().await;
    backups(&scene.client).register(settings()).await.unwrap();
    scene.domain.create_index("movies", 1);
    scene.domain.create_data_stream("logs", 2);
    scene.domain.create_data_stream("metrics", 2);
    backups(&scene.client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
    backups(&scene.client).snapshot(one()).unwrap().wait().await.unwrap().into_complete().unwrap();
    for index in scene.domain.indices() {
        scene.domain.delete_index(&index);
    }
    scene
}

#[tokio::test]
async fn a_wait_for_a_data_stream_reports_its_backing_indices() {
    for prefix in ["", "copy-"] {
        let scene = streams_to_restore().await;
        scene.domain.fail_restore_shard(&format!(".ds-{prefix}logs-000002"), 0);
        restore(&scene, &RestoreSnapshot::new().with_rename("^(.+)$", format!("{prefix}$1"))).await.unwrap();
        let any = RestoreTicket::new(repository(), one()).unwrap();
        let named = any.with_index(format!("{prefix}logs")).with_index(format!("{prefix}movies"));

        let report = scene.client.resume(named).await.unwrap();

        let expected = [".ds-PREFIXlogs-000001", ".ds-PREFIXlogs-000002", "PREFIXmovies"];
        assert_eq!(report.indices(), expected.map(|name| name.replace("PREFIX", prefix)));
        let unrestored: Vec<_> = report.unrestored().iter().map(UnrestoredShard::index).collect();
        assert_eq!(unrestored, [format!(".ds-{prefix}logs-000002")]);
    }
}

#[tokio::test]
async fn reports_a_name_that_is_neither_an_index_nor_a_data_stream() {
    let scene = streams_to_restore().await;
    restore(&scene, &RestoreSnapshot::new()).await.unwrap();
    let named = RestoreTicket::new(repository(), one()).unwrap().with_index("log");

    let report = scene.client.resume(named).await.unwrap();

    assert_eq!(report.unrestored()[0].reason(), "the index does not exist");
}

#[tokio::test]
async fn a_create_that_never_arrived_recovers_within_two_seconds() {
    let scene = two_indices().await;
    scene.domain.fault(Fault::drop_before().on_method("PUT").times(1));
    let began = scene.clock.monotonic();

    backups(&scene.client).create_snapshot("two", CreateSnapshot::new()).await.unwrap();

    assert!(scene.clock.monotonic() - began <= Duration::from_secs(2));
}

#[tokio::test]
async fn a_create_waits_for_proof_after_a_gateway_failure() {
    let scene = two_indices().await;
    scene.domain.fault(Fault::status(504, "", "text/html").on_method("PUT").times(1));
    let began = scene.clock.monotonic();

    backups(&scene.client).create_snapshot("two", CreateSnapshot::new()).await.unwrap();

    assert!(scene.clock.monotonic() - began >= Duration::from_secs(10));
}

const BROKEN: &str = r#"{"error":{"type":"null_pointer_exception","reason":"x is null"},"status":500}"#;

#[tokio::test]
async fn does_not_adopt_another_clients_restore_that_omits_a_hidden_index() {
    let scene = Scene::new().await;
    backups(&scene.client).register(settings()).await.unwrap();
    for index in ["movies", ".kibana_1"] {
        scene.domain.create_index(index, 1);
    }
    backups(&scene.client).create_snapshot(one(), CreateSnapshot::new()).await.unwrap();
    backups(&scene.client).snapshot(one()).unwrap().wait().await.unwrap().into_complete().unwrap();
    scene.domain.fault(Fault::drop_before().on_path("_restore").times(1));
    before_the_first_check(&scene.domain, |domain| {
        domain.another_client_restores("r", "one", &["movies"], Some(("(.+)", "r-$1")));
    });

    let error = restore(&scene, &RestoreSnapshot::new().with_rename("(.+)", "r-$1")).await.unwrap_err();

    assert_eq!((error.outcome(), restores(&scene.domain)), (Outcome::Unknown, 1));
}

#[tokio::test]
async fn does_not_adopt_another_clients_restore_of_another_index_to_the_same_name() {
    let scene = two_indices_to_restore().await;
    scene.domain.fault(Fault::drop_before().on_path("_restore").times(1));
    before_the_first_check(&scene.domain, |domain| {
        domain.another_client_restores("r", "one", &["b"], Some(("(.+)", "x")));
    });

    let error =
        restore(&scene, &RestoreSnapshot::new().with_indices(["a"]).with_rename("(.+)", "x")).await.unwrap_err();

    assert_eq!((error.outcome(), restores(&scene.domain)), (Outcome::Unknown, 1));
}

#[tokio::test]
async fn sends_a_restore_although_the_cluster_state_cannot_be_read() {
    for (status, body) in [(200, "<html>login</html>"), (200, "{}"), (500, BROKEN)] {
        let scene = two_indices_to_restore().await;
        scene.domain.fault(Fault::status(status, body, JSON).on_path("_cluster/state"));

        let restored = restore(&scene, &RestoreSnapshot::new()).await.unwrap();

        assert_eq!((restored.how(), restores(&scene.domain)), (HowStarted::Accepted, 1), "{status} {body}");
    }
}

#[tokio::test]
async fn sends_a_restore_although_its_snapshot_cannot_be_read() {
    let scene = two_indices_to_restore().await;
    scene.domain.fault(Fault::status(500, BROKEN, JSON).on_method("GET").on_path("/_snapshot/r/one"));

    let restored = restore(&scene, &RestoreSnapshot::new()).await.unwrap();

    assert_eq!((restored.how(), restores(&scene.domain)), (HowStarted::Accepted, 1));
}

#[tokio::test]
async fn gives_up_after_five_checks_with_the_same_failure() {
    let scene = two_indices().await;
    scene.domain.fault(Fault::status(500, BROKEN, JSON).on_path("/_snapshot/r/two"));
    let began = scene.clock.monotonic();

    let error = backups(&scene.client).create_snapshot("two", CreateSnapshot::new()).await.unwrap_err();

    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(scene.clock.monotonic() - began < Duration::from_secs(60));
}

#[tokio::test]
async fn a_failure_soon_ends_as_unknown_if_no_check_can_confirm_it() {
    let scene = two_indices_to_restore().await;
    scene.domain.fault(Fault::status(500, BROKEN, JSON).on_path("_restore"));
    scene.domain.fault(
        Fault::status(403, "{}", JSON)
            .on(|_: &str, path: &str| path.starts_with("/_cluster/state/metadata") && !path.contains("/a")),
    );
    let began = scene.clock.monotonic();

    let error = restore(&scene, &RestoreSnapshot::new()).await.unwrap_err();

    assert_eq!((error.outcome(), restores(&scene.domain)), (Outcome::Unknown, 1));
    assert!(scene.clock.monotonic() - began < Duration::from_secs(60));
}

#[tokio::test]
async fn adopts_a_running_restore_although_recoveries_cannot_be_read() {
    let scene = two_indices_to_restore().await;
    scene.domain.hold_restores(true);
    scene.domain.fault(Fault::drop_after().on_path("_restore").times(1));
    scene.domain.fault(Fault::status(500, BROKEN, JSON).on_path("_recovery"));

    let restored = restore(&scene, &RestoreSnapshot::new()).await.unwrap();

    assert_eq!((restored.how(), restores(&scene.domain)), (HowStarted::Adopted, 1));
}

#[tokio::test]
async fn reports_a_restored_index_that_was_closed_since_together_with_the_others() {
    let scene = two_indices_to_restore().await;
    let restored = restore(&scene, &RestoreSnapshot::new()).await.unwrap();
    assert_eq!(unrestored(&scene, restored.ticket()).await, [""; 0]);
    scene.domain.close_index("a");

    let report = scene.client.resume(restored.ticket().clone()).await.unwrap();

    assert_eq!(report.indices(), ["a", "b"]);
}

#[tokio::test]
async fn reports_an_index_that_is_complete_in_a_partial_snapshot_as_restored() {
    let scene = Scene::new().await;
    backups(&scene.client).register(settings()).await.unwrap();
    scene.domain.create_index("a", 1);
    scene.domain.create_index("b", 1);
    scene.domain.plan_snapshot(FakeOutcome::Partial { failed_shards: vec![("b".to_owned(), 0)] });
    backups(&scene.client).create_snapshot(one(), CreateSnapshot::new().with_partial(true)).await.unwrap();
    backups(&scene.client).snapshot(one()).unwrap().wait().await.unwrap();
    scene.domain.delete_index("a");
    let restored = restore(&scene, &RestoreSnapshot::new().with_indices(["a"])).await.unwrap();
    scene.clock.advance(Duration::from_secs(60));
    scene.domain.restart_node();

    assert_eq!(unrestored(&scene, restored.ticket()).await, [""; 0]);
}

#[tokio::test]
async fn a_restore_of_no_index_has_nothing_to_wait_for() {
    let scene = two_indices_to_restore().await;
    scene.domain.fail_restore_shard("yesterday-a", 0);
    restore(&scene, &RestoreSnapshot::new().with_indices(["a"]).with_rename("(.+)", "yesterday-$1")).await.unwrap();

    let nothing =
        restore(&scene, &RestoreSnapshot::new().with_indices(["none"]).with_ignore_unavailable(true)).await.unwrap();

    assert_eq!(unrestored(&scene, nothing.ticket()).await, [""; 0]);
}

#[test]
fn refuses_a_ticket_with_fields_of_a_later_version() {
    for more in [r#""version":9"#, r#""targets":{}"#] {
        let kept = format!(r#"{{"repository":"r","snapshot":"s",{more}}}"#);
        assert!(serde_json::from_str::<RestoreTicket>(&kept).is_err(), "{more}");
    }
}

#[tokio::test]
async fn a_restore_that_has_ended_is_adopted_once_its_recoveries_can_be_read() {
    let overloaded = r#"{"error":{"type":"es_rejected_execution_exception","reason":"queue full"},"status":429}"#;
    for (status, body) in [(504, ""), (429, overloaded)] {
        let scene = two_indices_to_restore().await;
        scene.domain.fault(Fault::drop_after().on_path("_restore").times(1));
        before_the_first_check(&scene.domain, |domain| domain.clock().unwrap().advance(Duration::from_secs(10)));
        scene.domain.fault(Fault::status(status, body, JSON).on_path("_recovery").times(6));
        let client = scene.client.with_retry(RetryPolicy::never());

        let restored = backups(&client).snapshot(one()).unwrap().restore(RestoreSnapshot::new()).await.unwrap();

        assert_eq!((restored.how(), restores(&scene.domain)), (HowStarted::Adopted, 1), "{status}");
    }
}

#[tokio::test]
async fn a_restore_whose_repetition_finds_the_index_open_is_checked_at_once() {
    let scene = two_indices_to_restore().await;
    scene.domain.fault(Fault::drop_before().on_path("_restore").times(1));
    let first = scene.domain.clone();
    let carried_out_before_the_second = move |_: &str, path: &str| {
        if path.ends_with("_restore") {
            first.another_client_restores("r", "one", &["a", "b"], None);
        }
        false
    };
    scene.domain.fault(Fault::drop_before().on(carried_out_before_the_second));
    let began = scene.clock.monotonic();

    let restored = restore(&scene, &RestoreSnapshot::new()).await.unwrap();

    assert_eq!((restored.how(), restores(&scene.domain)), (HowStarted::Adopted, 2));
    // The checks before the repetition take as long.
    assert_eq!(scene.clock.monotonic() - began, Duration::from_millis(15_500));
}

#[tokio::test]
async fn without_the_cluster_state_a_restore_whose_shards_wait_is_adopted() {
    let scene = two_indices_to_restore().await;
    scene.domain.forbid("/_cluster/state");
    scene.domain.throttle_restores(true);
    scene.domain.hold_restores(true);
    scene.domain.fault(Fault::drop_after().on_path("_restore").times(1));

    let restored = restore(&scene, &RestoreSnapshot::new()).await.unwrap();

    assert_eq!((restored.how(), restores(&scene.domain)), (HowStarted::Adopted, 1));
}

#[tokio::test]
async fn without_the_cluster_state_a_lost_restore_is_not_taken_for_an_earlier_one_whose_shards_wait() {
    let scene = two_indices_to_restore().await;
    scene.domain.forbid("/_cluster/state");
    scene.domain.throttle_restores(true);
    restore(&scene, &RestoreSnapshot::new()).await.unwrap();
    scene.domain.fault(Fault::drop_before().on_path("_restore").times(1));

    let error = restore(&scene, &RestoreSnapshot::new()).await.unwrap_err();

    assert_eq!((error.outcome(), restores(&scene.domain)), (Outcome::Unknown, 2));
}

#[tokio::test]
async fn a_restore_is_not_sent_while_the_cluster_state_cannot_be_reached() {
    let scene = two_indices_to_restore().await;
    scene.domain.fault(Fault::drop_before().on_path("_cluster/state"));

    let error = restore(&scene, &RestoreSnapshot::new()).await.unwrap_err();

    assert_eq!((error.outcome(), restores(&scene.domain)), (Outcome::NotSent, 0));
}

#[tokio::test]
async fn deleted_indices_are_read_only_where_a_target_does_not_exist() {
    for (delete, reads) in [(false, 0), (true, 1)] {
        let scene = two_indices().await;
        scene.domain.close_index("a");
        if delete {
            scene.domain.delete_index("a");
        }

        restore(&scene, &RestoreSnapshot::new().with_indices(["a"])).await.unwrap();

        let deletions = scene.domain.events().iter().filter(|event| event.path.contains("index-graveyard")).count();
        assert_eq!(deletions, reads);
    }
}

#[tokio::test]
async fn without_the_cluster_state_the_failure_of_another_snapshot_of_that_name_is_not_adopted() {
    let scene = two_indices_to_restore().await;
    scene.domain.forbid("/_cluster/state");
    scene.domain.fault(Fault::drop_before().on_path("_restore").times(1));
    let failed = r#"[{"index":"a","shard":"0","prirep":"p","state":"UNASSIGNED","unassigned.reason":"ALLOCATION_FAILED",
        "unassigned.details":"failed shard on node [n]: failed recovery, failed to restore snapshot [one/another]"}]"#;
    let others = scene.domain.clone();
    let once_sent = move |_: &str, path: &str| path.starts_with("/_cat/shards") && restores(&others) > 0;
    scene.domain.fault(Fault::status(200, failed, JSON).on(once_sent));

    let error = restore(&scene, &RestoreSnapshot::new().with_indices(["a"])).await.unwrap_err();

    assert_eq!((error.outcome(), restores(&scene.domain)), (Outcome::Unknown, 1));
}

#[tokio::test]
async fn a_ticket_names_the_targets_although_the_cluster_state_cannot_be_read_after_the_restore() {
    let scene = two_indices_to_restore().await;
    let others = scene.domain.clone();
    let once_sent = move |_: &str, path: &str| path.starts_with("/_cluster/state") && restores(&others) > 0;
    scene.domain.fault(Fault::status(403, "{}", JSON).on(once_sent));

    let restored = restore(&scene, &RestoreSnapshot::new()).await.unwrap();

    assert_eq!(restored.ticket().indices().collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test]
async fn a_ticket_leaves_out_an_index_that_is_only_a_possible_target_and_is_not_there() {
    let scene = streams_to_restore().await;
    let others = scene.domain.clone();
    let reads_running_restores = move |_: &str, path: &str| {
        let reads = path.starts_with("/_cluster/state/customs");
        if reads && others.is_open("movies").is_some() {
            others.delete_index("movies");
        }
        reads
    };
    scene.domain.fault(Fault::status(403, "{}", JSON).on(reads_running_restores));

    let restored = restore(&scene, &RestoreSnapshot::new()).await.unwrap();

    let targets: Vec<_> = restored.ticket().indices().map(str::to_owned).collect();
    assert_eq!((targets.len(), targets), (4, scene.domain.indices()));
}
