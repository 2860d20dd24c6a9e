//! Waits for snapshots, restores and deletions: their outcomes, their requests, and the failures
//! that they survive.

#[allow(dead_code, reason = "each test file uses only a part of it")]
#[path = "support/scene.rs"]
mod scene;

use std::error::Error as _;
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use es_snapshot::client::RawRequest;
use es_snapshot::clock::Clock as _;
use es_snapshot::error::Operation;
use es_snapshot::name::{IndexName, RepositoryName};
use es_snapshot::restore::UnrestoredShard;
use es_snapshot::snapshot::SnapshotToken;
use es_snapshot::testing::{FakeOutcome, Fault, Verdict};
use es_snapshot::transport::HyperTransport;
use es_snapshot::wait::{DeletionTicket, RestoreTicket, SnapshotTicket, WaitStream, WaitUpdate};
use es_snapshot::{
    CreateSnapshot, Error, ErrorKind, RestoreReport, RestoreSnapshot, RetryPolicy, S3Settings, SnapshotClient,
    SnapshotInfo, SnapshotState,
};
use futures_util::{StreamExt as _, TryStreamExt as _, join};
use scene::{ROLE, STEP, Scene, backups, repository, snapshot};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

const MISSING: &str = r#"{"error":{"type":"snapshot_missing_exception","reason":"[r:s] is missing"},"status":404}"#;
const OUTAGE: &str =
    r#"{"error":{"type":"repository_exception","reason":"[r] could not read repository data"},"status":500}"#;
const DENIED: &str =
    r#"{"error":{"type":"security_exception","reason":"no permissions for [indices:monitor/recovery]"},"status":403}"#;
const JSON: &str = "application/json";

/// A domain on which the snapshot `s` runs until the test finishes it.
async fn held() -> Scene {
    let scene = Scene::with(|domain| domain.hold_snapshots(true), |client| client).await;
    scene.prepare().await;
    scene.start_snapshot().await;
    scene
}

/// A domain on which the snapshot `s` runs for `duration`.
async fn running_for(duration: Duration) -> Scene {
    let scene = Scene::with(|domain| domain.snapshots_take(duration), |client| client).await;
    scene.prepare().await;
    scene.start_snapshot().await;
    scene
}

async fn wait(scene: &Scene) -> Result<SnapshotInfo, Error> {
    backups(&scene.client).snapshot(snapshot()).unwrap().wait().await
}

/// Waits for a snapshot that ends with the planned outcome.
async fn planned_snapshot(planned: FakeOutcome) -> SnapshotInfo {
    let scene = Scene::new().await;
    scene.prepare().await;
    scene.domain.plan_snapshot(planned);
    scene.start_snapshot().await;
    wait(&scene).await.unwrap()
}

// ---- outcomes of snapshots

#[tokio::test]
async fn a_wait_returns_the_complete_snapshot() {
    let ended = planned_snapshot(FakeOutcome::Success).await;

    assert_eq!((ended.name(), ended.state()), ("s", &SnapshotState::Success));
}

#[tokio::test]
async fn a_wait_returns_a_partial_snapshot_with_its_failed_shards() {
    let ended = planned_snapshot(FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 1)] }).await;

    assert_eq!(ended.state(), &SnapshotState::Partial);
    assert_eq!((ended.failures()[0].index(), ended.failures()[0].shard_id()), ("movies", Some(1)));
}

#[tokio::test]
async fn a_wait_returns_a_failed_snapshot_with_its_reason() {
    let ended = planned_snapshot(FakeOutcome::Failed { reason: "disk on fire".to_owned() }).await;

    assert_eq!((ended.state(), ended.reason()), (&SnapshotState::Failed, Some("disk on fire")));
}

#[tokio::test]
async fn into_complete_returns_an_error_for_a_partial_snapshot() {
    let ended = planned_snapshot(FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 1)] }).await;

    let error = ended.into_complete().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incomplete);
    assert!(error.to_string().contains("movies[1]"), "{error}");
}

// ---- snapshots that are missing, deleted or replaced

#[tokio::test]
async fn a_wait_tolerates_four_polls_that_do_not_find_a_new_snapshot() {
    let scene = running_for(Duration::from_secs(3)).await;
    scene.domain.fault(Fault::status(404, MISSING, JSON).on_path("/_snapshot/r/s").times(4));

    assert_eq!(wait(&scene).await.unwrap().state(), &SnapshotState::Success);
}

#[tokio::test]
async fn a_wait_reports_a_missing_snapshot_after_five_polls() {
    let scene = Scene::new().await;
    scene.prepare().await;
    let before = scene.domain.events().len();

    let error = wait(&scene).await.unwrap_err();

    assert_eq!((error.kind(), error.operation()), (ErrorKind::SnapshotMissing, Some(Operation::GetSnapshot)));
    assert_eq!(scene.events_since(before).len(), 5);
}

#[tokio::test]
async fn a_wait_reports_a_snapshot_that_was_deleted_as_missing() {
    let scene = held().await;
    let mut progress = backups(&scene.client).snapshot(snapshot()).unwrap().wait().progress();
    assert!(matches!(progress.next().await, Some(Ok(WaitUpdate::Progress(_)))));

    backups(&scene.client).snapshot(snapshot()).unwrap().delete().await.unwrap();

    assert_eq!(end(progress).await.unwrap_err().kind(), ErrorKind::SnapshotMissing);
}

#[tokio::test]
async fn a_wait_reports_a_snapshot_whose_name_another_has_taken_as_missing() {
    let scene = held().await;
    let mut progress = backups(&scene.client).snapshot(snapshot()).unwrap().wait().progress();
    assert!(matches!(progress.next().await, Some(Ok(WaitUpdate::Progress(_)))));

    backups(&scene.client).snapshot(snapshot()).unwrap().delete().await.unwrap();
    scene.domain.another_client_creates("r", "s");
    scene.domain.finish_snapshot("r", "s", FakeOutcome::Success);

    let error = end(progress).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SnapshotMissing);
    assert!(error.to_string().contains("another snapshot has taken its name"), "{error}");
}

/// Returns the outcome that ends a stream.
async fn end<O>(stream: WaitStream<O>) -> Result<O, Error> {
    let updates: Vec<_> = stream.try_collect().await?;
    match updates.into_iter().next_back() {
        Some(WaitUpdate::Ended(outcome)) => Ok(outcome),
        _ => panic!("the stream ended without an outcome"),
    }
}

// ---- the deadline

#[tokio::test]
async fn a_deadline_ends_the_wait_but_not_the_snapshot() {
    let scene = held().await;

    let error = backups(&scene.client)
        .snapshot(snapshot())
        .unwrap()
        .wait()
        .with_deadline(Duration::from_secs(10))
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(error.source().is_none(), "{error:?}");
    assert_eq!(scene.domain.snapshots("r")[0].state, "IN_PROGRESS");
}

#[tokio::test]
async fn the_last_poll_happens_at_the_deadline() {
    let scene = held().await;
    let (began, before) = (scene.clock.wall(), scene.domain.events().len());

    let wait = backups(&scene.client).snapshot(snapshot()).unwrap().wait().with_deadline(Duration::from_secs(10));
    wait.await.unwrap_err();

    let polls: Vec<f64> = scene.events_since(before).iter().map(|event| seconds(event.time, began)).collect();
    assert_eq!(polls, [0.0, 1.0, 2.5, 4.75, 8.125, 10.0]);
}

fn seconds(time: SystemTime, since: SystemTime) -> f64 {
    time.duration_since(since).unwrap().as_secs_f64()
}

#[tokio::test]
async fn the_deadline_error_has_the_last_failure_as_its_source() {
    let scene = held().await;
    scene.domain.fault(Fault::status(503, "no server", "text/plain"));

    let error = backups(&scene.client)
        .snapshot(snapshot())
        .unwrap()
        .wait()
        .with_deadline(Duration::from_mins(1))
        .await
        .unwrap_err();

    let source = error.source().and_then(|source| source.downcast_ref::<Error>()).map(Error::kind);
    assert_eq!((error.kind(), source), (ErrorKind::Deadline, Some(ErrorKind::Unavailable)));
}

#[tokio::test]
async fn the_deadline_error_omits_a_failure_that_has_passed() {
    let scene = held().await;
    scene.domain.fault(Fault::status(503, "no server", "text/plain").times(3));

    let error = backups(&scene.client)
        .snapshot(snapshot())
        .unwrap()
        .wait()
        .with_deadline(Duration::from_mins(10))
        .await
        .unwrap_err();

    assert!(error.source().is_none(), "{error:?}");
}

#[tokio::test]
async fn a_step_of_the_wall_clock_does_not_move_the_deadline() {
    let scene = held().await;
    let wait = backups(&scene.client).snapshot(snapshot()).unwrap().wait().with_deadline(Duration::from_secs(10));
    let began = scene.clock.monotonic();

    scene.clock.step_wall(7200);

    assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::Deadline);
    assert_eq!(scene.clock.monotonic().checked_sub(began), Some(Duration::from_secs(10)));
}

// ---- failures that a wait survives

/// Asserts that a wait for a snapshot of one minute succeeds although this fault occurs ten times.
async fn survives(fault: Fault) {
    let scene = running_for(Duration::from_mins(1)).await;
    scene.domain.fault(fault.times(10));

    assert_eq!(wait(&scene).await.unwrap().state(), &SnapshotState::Success);

    let faults = scene.domain.events().iter().filter(|event| event.fault.is_some()).count();
    assert_eq!(faults, 10);
}

#[tokio::test]
async fn a_wait_survives_an_unavailable_domain() {
    survives(Fault::status(503, "<html><title>503</title></html>", "text/html")).await;
}

#[tokio::test]
async fn a_wait_survives_gateway_timeouts() {
    survives(Fault::status_after(504)).await;
}

#[tokio::test]
async fn a_wait_survives_throttling() {
    survives(Fault::status(429, "Too Many Requests", "text/plain").header("retry-after", "1")).await;
}

#[tokio::test]
async fn a_wait_survives_lost_connections() {
    survives(Fault::drop_before()).await;
}

#[tokio::test]
async fn a_wait_survives_truncated_responses() {
    survives(Fault::truncate()).await;
}

#[tokio::test]
async fn a_wait_survives_responses_that_are_not_json() {
    survives(Fault::garbage()).await;
}

#[tokio::test]
async fn a_wait_survives_a_restart_of_the_front_end() {
    survives(Fault::restart()).await;
}

#[tokio::test]
async fn a_wait_survives_responses_that_arrive_too_late() {
    survives(Fault::delay(Duration::from_secs(100))).await;
}

#[tokio::test]
async fn a_wait_survives_revoked_credentials() {
    let scene = held().await;
    let mut progress = backups(&scene.client).snapshot(snapshot()).unwrap().wait().progress();
    assert!(matches!(progress.next().await, Some(Ok(WaitUpdate::Progress(_)))));

    scene.domain.revoke();
    scene.domain.finish_snapshot("r", "s", FakeOutcome::Success);

    assert_eq!(end(progress).await.unwrap().state(), &SnapshotState::Success);
    let denied = scene.domain.events().iter().filter(|event| event.verdict == Verdict::Denied).count();
    assert_eq!(denied, 1);
}

#[tokio::test]
async fn a_wait_renews_its_credentials_before_the_domain_refuses_them() {
    let short = Duration::from_secs(20);
    let long = Duration::from_mins(10);
    let scene = Scene::with(|domain| domain.credential_life(short).snapshots_take(long), |client| client).await;
    scene.prepare().await;
    scene.start_snapshot().await;

    assert_eq!(wait(&scene).await.unwrap().state(), &SnapshotState::Success);

    assert!(scene.provider.loads() > 10, "{}", scene.provider.loads());
    assert!(scene.domain.events().iter().all(|event| event.verdict == Verdict::Signed));
}

#[tokio::test]
async fn a_wait_survives_four_refusals_in_a_row() {
    let refusals = [
        (400, r#"{"error":{"type":"task_cancelled_exception","reason":"task cancelled"},"status":400}"#),
        (403, DENIED),
    ];
    for (status, body) in refusals {
        let scene = running_for(Duration::from_secs(3)).await;
        scene.domain.fault(Fault::status(status, body, JSON).on_path("/_snapshot/r/s").times(4));

        assert_eq!(wait(&scene).await.unwrap().state(), &SnapshotState::Success);
    }
}

#[tokio::test]
async fn five_refusals_in_a_row_end_a_wait() {
    let scene = held().await;
    let before = scene.domain.events().len();
    scene.domain.deny("es:ESHttpGet");

    assert_eq!(wait(&scene).await.unwrap_err().kind(), ErrorKind::AccessDenied);
    assert_eq!(scene.events_since(before).len(), 5);
}

#[tokio::test]
async fn a_wait_survives_a_server_that_fails_for_a_minute() {
    let scene = running_for(Duration::from_secs(3)).await;
    scene.domain.fault(Fault::status(500, OUTAGE, JSON).times(8));

    assert_eq!(wait(&scene).await.unwrap().state(), &SnapshotState::Success);
}

#[tokio::test]
async fn a_server_that_fails_for_several_minutes_ends_a_wait() {
    let scene = held().await;
    scene.domain.fault(Fault::status(500, OUTAGE, JSON));
    let began = scene.clock.monotonic();

    assert_eq!(wait(&scene).await.unwrap_err().kind(), ErrorKind::Repository);
    let lasted = scene.clock.monotonic() - began;
    assert!((Duration::from_mins(2)..Duration::from_mins(4)).contains(&lasted), "{lasted:?}");
}

#[tokio::test]
async fn a_wait_survives_one_refusal_after_failures_of_the_server() {
    let scene = running_for(Duration::from_secs(3)).await;
    scene.domain.fault(Fault::status(500, OUTAGE, JSON).times(6));
    let denied = r#"{"error":{"type":"security_exception","reason":"no permissions"},"status":403}"#;
    scene.domain.fault(Fault::status(403, denied, JSON).times(1));

    assert_eq!(wait(&scene).await.unwrap().state(), &SnapshotState::Success);
}

#[tokio::test]
async fn a_wait_survives_a_gateway_that_fails_for_longer_than_a_server_may() {
    let scene = running_for(Duration::from_secs(3)).await;
    scene.domain.fault(Fault::status(520, "<html></html>", "text/html").times(20));

    assert_eq!(wait(&scene).await.unwrap().state(), &SnapshotState::Success);
}

#[tokio::test]
async fn a_poll_that_hangs_ends_at_the_deadline() {
    let scene = running_for(Duration::ZERO).await;
    scene.domain.fault(Fault::delay(Duration::from_secs(40)));

    let wait = backups(&scene.client).snapshot(snapshot()).unwrap().wait().with_deadline(Duration::from_secs(10));

    assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::Deadline);
}

#[tokio::test]
async fn a_wait_polls_once_more_after_a_poll_that_hung_until_the_deadline() {
    let scene = running_for(Duration::from_mins(1)).await;
    let polls = AtomicUsize::new(0);
    // The ninth poll, after 49 s.
    let ninth = move |_: &str, path: &str| path == "/_snapshot/r/s" && polls.fetch_add(1, Ordering::SeqCst) == 8;
    scene.domain.fault(Fault::delay(Duration::from_mins(10)).on(ninth));

    let wait = backups(&scene.client).snapshot(snapshot()).unwrap().wait().with_deadline(Duration::from_secs(100));

    assert_eq!(wait.await.unwrap().state(), &SnapshotState::Success);
}

// ---- progress

#[tokio::test]
async fn progress_yields_only_changes_and_ends_with_the_outcome() {
    let scene = running_for(Duration::from_mins(10)).await;
    let before = scene.domain.events().len();

    let progress = backups(&scene.client).snapshot(snapshot()).unwrap().wait().progress();
    let updates: Vec<_> = progress.try_collect().await.unwrap();

    let (last, changes) = updates.split_last().unwrap();
    assert!(matches!(last, WaitUpdate::Ended(ended) if *ended.state() == SnapshotState::Success));
    let counts: Vec<_> =
        changes.iter().map(|update| matches!(update, WaitUpdate::Progress(_)).then(|| figures(update))).collect();
    assert!(counts.iter().all(Option::is_some), "{updates:?}");
    assert!(counts.windows(2).all(|pair| pair[0] != pair[1]), "{updates:?}");
    let polls =
        scene.events_since(before).iter().filter(|event| event.operation == Some(Operation::GetSnapshot)).count();
    assert!(updates.len() < polls, "{} updates of {polls} polls", updates.len());
}

fn figures(update: &WaitUpdate<SnapshotInfo>) -> Option<[u64; 7]> {
    let WaitUpdate::Progress(now) = update else { return None };
    Some([
        now.shards_total(),
        now.shards_done(),
        now.shards_failed(),
        now.bytes_total(),
        now.bytes_done(),
        now.files_total(),
        now.files_done(),
    ])
}

#[tokio::test]
async fn progress_computes_the_rate_and_the_remaining_time_from_observed_figures() {
    let scene = held().await;
    let status = |copied: u32| {
        json!({"snapshots": [{"snapshot": "s", "repository": "r", "state": "STARTED",
            "shards_stats": {"initializing": 0, "started": 1, "finalizing": 0, "done": 0, "failed": 0, "total": 1},
            "stats": {"incremental": {"file_count": 9, "size_in_bytes": 1000}, "processed": {"file_count": 5, "size_in_bytes": copied}}}]})
        .to_string()
    };
    // Polls at 0, 1 and 2.5 s. The first has no figures, so the rate is that of the time after the
    // second.
    for (code, body) in [(400, "{}".to_owned()), (200, status(600)), (200, status(750))] {
        scene.domain.fault(Fault::status(code, body, JSON).on_path("_status").times(1));
    }

    let progress = backups(&scene.client).snapshot(snapshot()).unwrap().wait().progress();
    let updates: Vec<_> = progress.take(3).try_collect().await.unwrap();

    let reported: Vec<_> = updates
        .iter()
        .map(|update| {
            let WaitUpdate::Progress(now) = update else { panic!("{update:?}") };
            (now.elapsed().as_millis(), now.bytes_done(), now.bytes_per_second(), now.eta())
        })
        .collect();
    let remaining = Some(Duration::from_millis(2_500));
    assert_eq!(reported, [(0, 0, None, None), (1_000, 600, None, None), (2_500, 750, Some(100.0), remaining)]);
}

#[tokio::test]
async fn progress_does_not_decrease_when_a_poll_fails() {
    let scene =
        Scene::with(|domain| domain.snapshots_take(Duration::from_mins(10)).seed(1), |client| client.seed(3)).await;
    scene.prepare().await;
    scene.start_snapshot().await;
    for path in ["_status", "/_snapshot/r/s"] {
        scene.domain.fault(Fault::status(503, "", "text/html").on_path(path).probability(0.3));
        scene.domain.fault(Fault::status(404, MISSING, JSON).on_path(path).probability(0.1));
    }

    let progress = backups(&scene.client).snapshot(snapshot()).unwrap().wait().progress();
    let updates: Vec<_> = progress.try_collect().await.unwrap();

    let figures: Vec<_> = updates.iter().filter_map(figures).collect();
    assert!(figures.is_sorted() && figures.len() > 2, "{figures:?}");
}

#[tokio::test]
async fn progress_contains_the_uuid_as_soon_as_it_is_known() {
    let scene = held().await;
    let unknown =
        r#"{"snapshots":[{"snapshot":"s","state":"IN_PROGRESS","shards":{"total":0,"failed":0,"successful":0}}]}"#;
    scene.domain.fault(Fault::status(200, unknown, JSON).on_path("/_snapshot/r/s").times(3));
    let known = unknown.replace("IN_PROGRESS\"", "IN_PROGRESS\",\"uuid\":\"u1\"");
    scene.domain.fault(Fault::status(200, known, JSON).on_path("/_snapshot/r/s"));

    let progress = backups(&scene.client).snapshot(snapshot()).unwrap().wait().progress();
    let updates: Vec<_> = progress.take(2).try_collect().await.unwrap();

    let uuids: Vec<_> =
        updates.iter().map(|update| if let WaitUpdate::Progress(now) = update { now.uuid() } else { None }).collect();
    assert_eq!(uuids, [None, Some("u1")]);
}

#[tokio::test]
async fn progress_stops_requesting_a_status_that_was_forbidden_five_times() {
    let scene = running_for(Duration::from_mins(10)).await;
    scene.domain.forbid("/_snapshot/r/s/_status");

    let ended = end(backups(&scene.client).snapshot(snapshot()).unwrap().wait().progress()).await.unwrap();

    assert_eq!(ended.state(), &SnapshotState::Success);
    let requests = scene.domain.events().iter().filter(|event| event.path.contains("_status")).count();
    assert_eq!(requests, 5);
}

#[tokio::test]
async fn progress_does_not_resend_a_status_request_that_hangs() {
    let scene = running_for(Duration::from_secs(10)).await;
    scene.domain.fault(Fault::delay(Duration::from_secs(80)).on_path("_status"));

    end(backups(&scene.client).snapshot(snapshot()).unwrap().wait().progress()).await.unwrap();

    let requests = scene.domain.events().iter().filter(|event| event.path.contains("_status")).count();
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn a_progress_stream_that_has_ended_stays_ended() {
    let scene = Scene::new().await;
    scene.prepare().await;
    scene.take_snapshot().await;
    let mut progress = backups(&scene.client).snapshot(snapshot()).unwrap().wait().progress();

    assert!(matches!(progress.next().await, Some(Ok(WaitUpdate::Ended(_)))));
    assert!(progress.next().await.is_none());
    assert!(progress.next().await.is_none());
}

// ---- pauses and requests

#[tokio::test]
async fn the_pauses_between_polls_grow_by_half_from_one_to_thirty_seconds() {
    let scene = held().await;
    let before = scene.clock.sleeps().len();

    let wait = backups(&scene.client).snapshot(snapshot()).unwrap().wait().with_deadline(Duration::from_secs(200));
    wait.await.unwrap_err();

    let pauses: Vec<f64> = scene.clock.sleeps()[before..].iter().map(Duration::as_secs_f64).collect();
    let growing =
        [1.0, 1.5, 2.25, 3.375, 5.062_5, 7.593_75, 11.390_625, 17.085_937_5, 25.628_906_25, 30.0, 30.0, 30.0, 30.0];
    assert_eq!(pauses[..13], growing);
    assert_eq!(pauses[13..], [200.0 - growing.iter().sum::<f64>()]);
}

#[tokio::test]
async fn a_poll_is_resent_after_the_pause_of_the_callers_policy() {
    let scene = running_for(Duration::from_secs(3)).await;
    scene.domain.fault(Fault::status(503, "", JSON).on_path("/_snapshot/r/s").times(1));
    let before = scene.clock.sleeps().len();
    let base = Duration::from_secs(7);

    let client = scene.client.with_retry(RetryPolicy::new().with_min_pause(base));
    backups(&client).snapshot(snapshot()).unwrap().wait().await.unwrap();

    assert!(scene.clock.sleeps()[before] >= base, "{:?}", &scene.clock.sleeps()[before..]);
}

#[tokio::test]
async fn without_retries_the_next_poll_follows_a_failed_one() {
    let scene = running_for(Duration::from_secs(3)).await;
    scene.domain.fault(Fault::status(503, "", JSON).on_path("/_snapshot/r/s").times(1));
    let before = scene.clock.sleeps().len();

    let client = scene.client.with_retry(RetryPolicy::never());
    backups(&client).snapshot(snapshot()).unwrap().wait().await.unwrap();

    assert_eq!(scene.clock.sleeps()[before], Duration::from_secs(1));
}

#[tokio::test]
async fn a_wait_of_one_hour_sends_128_requests_over_one_connection() {
    let scene = running_for(Duration::from_hours(1)).await;
    let (address, accepted) = counting_relay(scene.domain.endpoint().strip_prefix("http://").unwrap().to_owned()).await;
    let client = SnapshotClient::builder(format!("http://{address}"))
        .region(scene.domain.region())
        .credentials(scene.provider.clone())
        .clock(scene.clock.clone())
        // On the system's clock. The manual clock advances by an hour at once, after which every
        // connection would be too old.
        .transport(HyperTransport::builder().build().unwrap())
        .build()
        .unwrap();
    let before = scene.domain.events().len();

    backups(&client).snapshot(snapshot()).unwrap().wait().await.unwrap().into_complete().unwrap();

    assert_eq!(scene.events_since(before).len(), 128);
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_wait_of_one_hour_with_progress_sends_255_requests() {
    let scene = running_for(Duration::from_hours(1)).await;
    let before = scene.domain.events().len();

    end(backups(&scene.client).snapshot(snapshot()).unwrap().wait().progress()).await.unwrap();

    assert_eq!(scene.events_since(before).len(), 255);
}

/// Starts a relay that forwards connections to this address and counts them.
async fn counting_relay(to: String) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    #[expect(clippy::disallowed_methods, reason = "the server of this test")]
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut domain = TcpStream::connect(&to).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut domain).await });
        }
    });
    (address, accepted)
}

// ---- restores

/// A domain with the complete snapshot `s` of the index `movies`.
async fn taken() -> Scene {
    let scene = Scene::new().await;
    scene.prepare().await;
    scene.take_snapshot().await;
    scene
}

fn renamed() -> RestoreSnapshot {
    RestoreSnapshot::new().with_indices(["movies"]).with_rename("(.+)", "restored_$1")
}

async fn restore(scene: &Scene, options: &RestoreSnapshot) -> RestoreReport {
    backups(&scene.client).snapshot(snapshot()).unwrap().restore(options.clone()).await.unwrap();
    scene.client.resume(RestoreTicket::new(repository(), snapshot()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_complete_restore_reports_its_indices_and_no_unrestored_shard() {
    let scene = taken().await;
    scene.client.raw(RawRequest::new(http::Method::DELETE, ["movies"])).await.unwrap();

    let report = restore(&scene, &RestoreSnapshot::new().with_indices(["movies"])).await.into_complete().unwrap();

    assert_eq!((report.indices(), report.shards_total()), (["movies".to_owned()].as_slice(), 2));
}

#[tokio::test]
async fn finds_a_renamed_restore_by_its_source() {
    let scene = taken().await;

    let report = restore(&scene, &renamed()).await.into_complete().unwrap();

    assert_eq!(report.indices(), ["restored_movies"]);
}

#[tokio::test]
async fn requests_only_the_indices_of_a_restore_once_they_are_known() {
    let scene = Scene::with(|domain| domain.restores_take(Duration::from_secs(60)), |client| client).await;
    scene.prepare().await;
    scene.take_snapshot().await;
    backups(&scene.client).snapshot(snapshot()).unwrap().restore(renamed()).await.unwrap();
    let before = scene.domain.events().len();

    let report = scene.client.resume(RestoreTicket::new(repository(), snapshot()).unwrap()).await.unwrap();

    assert_eq!(report.unrestored(), []);
    let paths: Vec<_> = scene.events_since(before).into_iter().map(|event| event.path).collect();
    let all = paths.iter().filter(|path| path.starts_with("/_recovery")).count();
    let restored = paths.iter().filter(|path| path.starts_with("/restored_movies/_recovery")).count();
    assert!(all == 2 && restored > 2 && paths.len() == 3 * (all + restored), "{paths:?}");
}

#[tokio::test]
async fn reports_a_shard_that_failed_to_restore() {
    let scene = taken().await;
    scene.domain.fail_restore_shard("restored_movies", 1);

    let report = restore(&scene, &renamed()).await;

    let shards: Vec<_> = report.unrestored().iter().map(|shard| (shard.index(), shard.shard())).collect();
    assert_eq!((shards.as_slice(), report.shards_total()), ([("restored_movies", Some(1))].as_slice(), 2));
    let error = report.into_complete().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incomplete);
    assert!(error.to_string().contains("[restored_movies][1]"), "{error}");
}

#[tokio::test]
async fn ignores_a_failed_restore_of_a_snapshot_of_that_name_in_another_repository() {
    let scene = taken().await;
    let other: RepositoryName = "other".parse().unwrap();
    let settings = S3Settings::new("my-bucket-4-es").with_base_path("other").with_role_arn(ROLE);
    scene.client.repository(&other).unwrap().register(settings).await.unwrap();
    scene.client.repository(&other).unwrap().create_snapshot(snapshot(), CreateSnapshot::new()).await.unwrap();
    scene
        .client
        .repository(&other)
        .unwrap()
        .snapshot(snapshot())
        .unwrap()
        .wait()
        .await
        .unwrap()
        .into_complete()
        .unwrap();
    scene.domain.fail_restore_shard("broken_movies", 1);
    let broken = RestoreSnapshot::new().with_indices(["movies"]).with_rename("(.+)", "broken_$1");
    scene.client.repository(&other).unwrap().snapshot(snapshot()).unwrap().restore(broken).await.unwrap();
    scene.client.resume(RestoreTicket::new(&other, snapshot()).unwrap()).await.unwrap().into_complete().unwrap_err();

    let report = restore(&scene, &renamed()).await;

    assert_eq!(report.into_complete().unwrap().indices(), ["restored_movies"]);
}

#[tokio::test]
async fn reports_an_expected_index_that_does_not_appear() {
    let scene = taken().await;
    let absent: IndexName = "absent".parse().unwrap();
    backups(&scene.client).snapshot(snapshot()).unwrap().restore(renamed()).await.unwrap();

    let report = scene
        .client
        .resume(RestoreTicket::new(repository(), snapshot()).unwrap().with_index(absent.as_str()))
        .await
        .unwrap();

    let missing: Vec<_> = report.unrestored().iter().map(|shard| (shard.index(), shard.shard())).collect();
    assert_eq!(missing, [("absent", None)]);
}

/// Waits for a named index of one shard, with this row of `_cat/shards` and this recovery.
async fn report_on(row: Value, recovery: Value) -> RestoreReport {
    let scene = Scene::new().await;
    respond_with(&scene, &row, &recovery);
    wait_for_restored_movies(&scene).await
}

fn respond_with(scene: &Scene, row: &Value, recovery: &Value) {
    let rows = json!([row]).to_string();
    let recoveries = json!({"restored_movies": {"shards": [recovery]}}).to_string();
    scene.domain.fault(Fault::status(200, rows, JSON).on_path("/_cat/shards"));
    scene.domain.fault(Fault::status(200, recoveries, JSON).on_path("_recovery"));
}

async fn wait_for_restored_movies(scene: &Scene) -> RestoreReport {
    let restored: IndexName = "restored_movies".parse().unwrap();
    scene
        .client
        .resume(RestoreTicket::new(repository(), snapshot()).unwrap().with_index(restored.as_str()))
        .await
        .unwrap()
}

fn row_in(state: &str) -> Value {
    json!({"index": "restored_movies", "shard": "0", "prirep": "p", "state": state})
}

#[tokio::test]
async fn counts_a_restored_primary_whose_recovery_was_replaced_by_a_later_one() {
    for (state, stage, kind) in
        [("STARTED", "DONE", "PEER"), ("RELOCATING", "INDEX", "PEER"), ("STARTED", "DONE", "EXISTING_STORE")]
    {
        let scene = Scene::new().await;
        let waiting = json!([{"index": "restored_movies", "shard": "0", "prirep": "p", "state": "INITIALIZING",
            "unassigned.reason": "NEW_INDEX_RESTORED", "unassigned.details": "restore_source[r/s]"}]);
        scene.domain.fault(Fault::status(200, waiting.to_string(), JSON).on_path("/_cat/shards").times(1));
        respond_with(&scene, &row_in(state), &json!({"id": 0, "type": kind, "stage": stage, "primary": true}));

        let report = wait_for_restored_movies(&scene).await;

        assert_eq!((report.shards_total(), report.unrestored()), (1, [].as_slice()), "{state} {kind}");
    }
}

#[tokio::test]
async fn reports_a_named_index_without_evidence_of_a_restore() {
    for kind in ["PEER", "EXISTING_STORE"] {
        let report =
            report_on(row_in("STARTED"), json!({"id": 0, "type": kind, "stage": "DONE", "primary": true})).await;

        let reasons: Vec<_> = report.unrestored().iter().map(UnrestoredShard::reason).collect();
        assert_eq!(reasons, ["nothing shows that it was restored from this snapshot"], "{kind}");
    }
}

#[tokio::test]
async fn reports_a_primary_that_was_restored_from_another_snapshot() {
    let source = json!({"repository": "r", "snapshot": "another", "index": "movies"});
    let recovery = json!({"id": 0, "type": "SNAPSHOT", "stage": "DONE", "primary": true, "source": source});

    let report = report_on(row_in("STARTED"), recovery).await;

    assert_eq!(report.unrestored()[0].reason(), "restored from another snapshot");
}

#[tokio::test]
async fn a_wait_ends_by_cat_shards_alone_if_recovery_is_forbidden() {
    let scene = taken().await;
    backups(&scene.client).snapshot(snapshot()).unwrap().restore(renamed()).await.unwrap();
    scene.domain.forbid("/_recovery");
    let restored: IndexName = "restored_movies".parse().unwrap();

    let report = scene
        .client
        .resume(RestoreTicket::new(repository(), snapshot()).unwrap().with_index(restored.as_str()))
        .await
        .unwrap();

    assert_eq!((report.indices(), report.shards_total()), (["restored_movies".to_owned()].as_slice(), 2));
    assert_eq!(report.unrestored(), []);
}

#[tokio::test]
async fn a_wait_fails_if_both_recovery_and_cat_shards_are_forbidden() {
    let scene = taken().await;
    backups(&scene.client).snapshot(snapshot()).unwrap().restore(renamed()).await.unwrap();
    scene.domain.forbid("/_recovery");
    scene.domain.forbid("/_cat/shards");

    let error = scene.client.resume(RestoreTicket::new(repository(), snapshot()).unwrap()).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::NotAllowed);
}

#[tokio::test]
async fn a_wait_ends_by_recovery_alone_if_cat_shards_is_forbidden() {
    let scene = taken().await;
    scene.domain.forbid("/_cat/shards");

    let report = restore(&scene, &renamed()).await.into_complete().unwrap();

    assert_eq!((report.indices(), report.shards_total()), (["restored_movies".to_owned()].as_slice(), 2));
}

#[tokio::test]
async fn requests_all_recoveries_if_cat_shards_is_forbidden() {
    let scene = Scene::with(|domain| domain.restores_take(Duration::from_secs(60)), |client| client).await;
    scene.prepare().await;
    scene.take_snapshot().await;
    scene.domain.forbid("/_cat/shards");
    backups(&scene.client).snapshot(snapshot()).unwrap().restore(renamed()).await.unwrap();
    let before = scene.domain.events().len();

    let report = scene.client.resume(RestoreTicket::new(repository(), snapshot()).unwrap()).await.unwrap();

    let paths: Vec<_> = scene.events_since(before).into_iter().map(|event| event.path).collect();
    assert_eq!(report.unrestored(), []);
    let without_index = ["/_cat/shards?", "/_recovery?", "/_cluster/state/customs?"];
    assert!(paths.iter().all(|path| without_index.iter().any(|start| path.starts_with(start))), "{paths:?}");
}

#[tokio::test]
async fn one_refusal_of_cat_shards_does_not_hide_a_failed_shard() {
    let scene = taken().await;
    scene.domain.fail_restore_shard("restored_movies", 1);
    backups(&scene.client).snapshot(snapshot()).unwrap().restore(renamed()).await.unwrap();
    scene.domain.fault(Fault::status(403, DENIED, JSON).on_path("/_cat/shards").times(1));

    let report = scene.client.resume(RestoreTicket::new(repository(), snapshot()).unwrap()).await.unwrap();

    assert_eq!(report.unrestored().len(), 1);
}

#[tokio::test]
async fn one_refusal_of_recovery_does_not_hide_a_shard_that_was_restored_empty() {
    let scene = Scene::new().await;
    scene.prepare().await;
    scene.domain.plan_snapshot(FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 1)] });
    scene.start_snapshot().await;
    wait(&scene).await.unwrap();
    backups(&scene.client).snapshot(snapshot()).unwrap().restore(renamed().with_partial(true)).await.unwrap();
    scene.clock.advance(STEP);
    scene.domain.fault(Fault::status(403, DENIED, JSON).on_path("_recovery").times(1));
    let restored: IndexName = "restored_movies".parse().unwrap();

    let report = scene
        .client
        .resume(RestoreTicket::new(repository(), snapshot()).unwrap().with_index(restored.as_str()))
        .await
        .unwrap();

    assert_eq!(report.unrestored().len(), 1);
}

#[tokio::test]
async fn waits_for_shards_that_start_late_if_cat_shards_is_forbidden() {
    let scene = taken().await;
    scene.domain.forbid("/_cat/shards");
    backups(&scene.client).snapshot(snapshot()).unwrap().restore(renamed()).await.unwrap();
    let first = r#"{"restored_movies":{"shards":[{"id":0,"type":"SNAPSHOT","stage":"DONE","primary":true,
        "source":{"repository":"r","snapshot":"s","index":"movies"}}]}}"#;
    scene.domain.fault(Fault::status(200, first, JSON).on_path("_recovery").times(4));
    let before = scene.domain.events().len();

    let report = scene.client.resume(RestoreTicket::new(repository(), snapshot()).unwrap()).await.unwrap();

    // Four polls found one shard, the next five found both.
    let requests = scene.events_since(before).iter().filter(|event| event.path.starts_with("/_recovery")).count();
    assert_eq!((report.shards_total(), requests), (2, 9));
}

#[tokio::test]
async fn reports_a_failed_shard_even_if_cat_shards_is_allowed_late() {
    let scene = taken().await;
    scene.domain.fail_restore_shard("restored_movies", 1);
    backups(&scene.client).snapshot(snapshot()).unwrap().restore(renamed()).await.unwrap();
    scene.domain.fault(Fault::status(403, DENIED, JSON).on_path("/_cat/shards").times(7));

    let report = scene.client.resume(RestoreTicket::new(repository(), snapshot()).unwrap()).await.unwrap();

    assert_eq!(report.unrestored().len(), 1);
}

const EXPLAIN: &str = "/_cluster/allocation/explain";
const GIVEN_UP: &str = r#"{"can_allocate":"no","node_allocation_decisions":[{"deciders":[
    {"decider":"restore_in_progress","decision":"NO","explanation":"shard has failed to be restored"}]}]}"#;

/// A domain on which a restore has one unassigned shard, with this explanation.
async fn unassigned(explanation: &str) -> Scene {
    let scene = taken().await;
    backups(&scene.client).snapshot(snapshot()).unwrap().restore(renamed()).await.unwrap();
    let row = r#"[{"index":"restored_movies","shard":"0","prirep":"p","state":"UNASSIGNED","unassigned.reason":"NEW_INDEX_RESTORED",
        "unassigned.details":"restore_source[r/s]"}]"#;
    scene.domain.fault(Fault::status(200, row, JSON).on_path("_cat/shards"));
    scene.domain.fault(Fault::status(200, "{}", JSON).on_path("_recovery"));
    scene.domain.fault(Fault::status(200, explanation, JSON).on_path(EXPLAIN));
    scene
}

#[tokio::test]
async fn reports_a_shard_that_the_server_has_given_up() {
    let scene = unassigned(GIVEN_UP).await;

    let report = scene.client.resume(RestoreTicket::new(repository(), snapshot()).unwrap()).await.unwrap();

    let shards: Vec<_> = report.unrestored().iter().map(ToString::to_string).collect();
    assert_eq!(shards, ["[restored_movies][0] shard has failed to be restored"]);
    let requests = scene.domain.events().iter().filter(|event| event.path == EXPLAIN).count();
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn requests_the_explanation_of_a_shard_that_failed_according_to_the_cluster_state() {
    let scene = unassigned(GIVEN_UP).await;
    let shard = json!({"index": {"index_name": "restored_movies", "index_uuid": "u"}, "shard": 0, "state": "FAILURE"});
    let restore = json!({"snapshot": "s", "repository": "r", "indices": ["restored_movies"], "shards": [shard]});
    let state = json!({"restore": {"snapshots": [restore]}}).to_string();
    scene.domain.fault(Fault::status(200, state, JSON).on_path("_cluster/state/customs"));

    let report = scene.client.resume(RestoreTicket::new(repository(), snapshot()).unwrap()).await.unwrap();

    assert_eq!(report.unrestored()[0].reason(), "shard has failed to be restored");
}

#[tokio::test]
async fn a_poll_requests_only_a_few_slow_explanations() {
    let scene = unassigned(GIVEN_UP).await;
    let row = |shard: u32| {
        json!({"index": "restored_movies", "shard": shard.to_string(), "prirep": "p", "state": "UNASSIGNED",
               "unassigned.reason": "NEW_INDEX_RESTORED", "unassigned.details": "restore_source[r/s]"})
    };
    let rows = json!([row(0), row(1), row(2), row(3)]).to_string();
    let clock = scene.clock.clone();
    let takes_long = move |_: &str, path: &str| {
        let explains = path == EXPLAIN;
        if explains {
            clock.advance(Duration::from_secs(3));
        }
        explains
    };
    scene.domain.clear_faults();
    scene.domain.fault(Fault::status(200, rows, JSON).on_path("_cat/shards"));
    scene.domain.fault(Fault::status(200, "{}", JSON).on_path("_recovery"));
    scene.domain.fault(Fault::status(200, GIVEN_UP, JSON).on(takes_long));

    let report = scene.client.resume(RestoreTicket::new(repository(), snapshot()).unwrap()).await.unwrap();

    let events = scene.domain.events();
    let polls = events.split(|event| event.path.starts_with("/_cat/shards"));
    let most = polls.map(|poll| poll.iter().filter(|event| event.path == EXPLAIN).count()).max();
    assert_eq!((report.unrestored().len(), most), (4, Some(2)));
}

#[tokio::test]
async fn waits_for_a_throttled_shard() {
    let scene = unassigned(
        r#"{"can_allocate":"throttled","node_allocation_decisions":[{"deciders":[
        {"decider":"restore_in_progress","decision":"YES","explanation":"shard is currently being restored"},
        {"decider":"throttling","decision":"THROTTLE","explanation":"too many recoveries"}]}]}"#,
    )
    .await;

    let wait = scene
        .client
        .resume(RestoreTicket::new(repository(), snapshot()).unwrap())
        .with_deadline(Duration::from_mins(10));

    assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::Deadline);
}

#[tokio::test]
async fn a_wait_for_a_restore_that_was_not_started_fails() {
    let scene = taken().await;

    let error = scene.client.resume(RestoreTicket::new(repository(), snapshot()).unwrap()).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::IndexMissing);
}

#[tokio::test]
async fn a_deadline_ends_the_wait_but_not_the_restore() {
    let scene = taken().await;
    scene.domain.hold_restores(true);
    backups(&scene.client).snapshot(snapshot()).unwrap().restore(renamed()).await.unwrap();

    let wait = scene
        .client
        .resume(RestoreTicket::new(repository(), snapshot()).unwrap())
        .with_deadline(Duration::from_mins(1));

    let error = wait.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(error.to_string().contains("[restored_movies][0]"), "{error}");
    scene.domain.hold_restores(false);
    let report = scene.client.resume(RestoreTicket::new(repository(), snapshot()).unwrap()).await.unwrap();
    assert_eq!(report.unrestored(), []);
}

#[tokio::test]
async fn the_progress_of_a_restore_ends_with_its_report() {
    let scene = taken().await;
    backups(&scene.client).snapshot(snapshot()).unwrap().restore(renamed()).await.unwrap();

    let report =
        end(scene.client.resume(RestoreTicket::new(repository(), snapshot()).unwrap()).progress()).await.unwrap();

    assert_eq!(report.into_complete().unwrap().shards_total(), 2);
}

// ---- deletions

#[tokio::test]
async fn a_wait_for_a_deletion_ends_if_the_snapshot_is_missing() {
    let scene = Scene::new().await;
    scene.prepare().await;

    backups(&scene.client).snapshot(snapshot()).unwrap().wait_for_deletion().await.unwrap();
}

#[tokio::test]
async fn a_wait_for_a_deletion_ends_once_the_snapshot_is_deleted() {
    let scene = taken().await;
    let delete = async { backups(&scene.client).snapshot(snapshot()).unwrap().delete().await };

    let (waited, deleted) =
        join!(backups(&scene.client).snapshot(snapshot()).unwrap().wait_for_deletion().into_future(), delete);

    waited.unwrap();
    deleted.unwrap();
    assert!(scene.domain.snapshots("r").is_empty());
}

#[tokio::test]
async fn a_wait_for_a_deletion_ends_once_another_snapshot_has_the_name() {
    let scene = Scene::new().await;
    let found = |uuid: &str| format!(r#"{{"snapshots":[{{"snapshot":"s","uuid":"{uuid}","state":"SUCCESS"}}]}}"#);
    scene.domain.fault(Fault::status(200, found("first"), JSON).times(2));
    scene.domain.fault(Fault::status(200, found("second"), JSON));

    backups(&scene.client).snapshot(snapshot()).unwrap().wait_for_deletion().await.unwrap();

    assert_eq!(scene.domain.events().len(), 3);
}

#[tokio::test]
async fn a_wait_for_a_deletion_resumed_by_uuid_ignores_another_snapshot() {
    let scene = taken().await;
    let ticket = DeletionTicket::new(repository(), snapshot(), "another-uuid").unwrap();

    let updates: Vec<_> = scene.client.resume(ticket).progress().try_collect().await.unwrap();

    assert_eq!(updates, [WaitUpdate::Ended(())]);
}

/// Returns a stored ticket for the snapshot `s` with this token.
fn stored_ticket(token: &SnapshotToken) -> SnapshotTicket {
    let text = serde_json::to_string(&SnapshotTicket::new(repository(), snapshot()).unwrap().with_token(token.clone()))
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A domain that contains the snapshot `s`, created with this token.
async fn taken_with_token(token: &SnapshotToken) -> Scene {
    let scene = Scene::new().await;
    scene.prepare().await;
    let options = CreateSnapshot::new().with_token(token.clone());
    backups(&scene.client).create_snapshot(snapshot(), options).await.unwrap();
    scene
}

#[tokio::test]
async fn a_wait_for_a_deletion_resumed_by_uuid_lasts_as_long_as_its_snapshot() {
    let scene = taken().await;
    let info = backups(&scene.client).snapshot(snapshot()).unwrap().info().await.unwrap();
    let ticket = DeletionTicket::new(repository(), snapshot(), info.uuid().unwrap()).unwrap();

    let wait = scene.client.resume(ticket).with_deadline(Duration::from_mins(1));

    assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::Deadline);
}

#[tokio::test]
async fn a_wait_resumed_by_token_returns_its_own_snapshot() {
    let token = SnapshotToken::random();
    let scene = taken_with_token(&token).await;

    let ended = scene.client.resume(stored_ticket(&token)).await.unwrap();

    assert_eq!(ended.token(), Some(token.as_str()));
}

#[tokio::test]
async fn a_wait_resumed_by_token_ignores_another_clients_snapshot() {
    let scene = taken_with_token(&SnapshotToken::random()).await;

    let error = scene.client.resume(stored_ticket(&SnapshotToken::random())).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::SnapshotMissing);
}

#[tokio::test]
async fn the_progress_of_a_deletion_contains_the_uuid_to_resume_with() {
    let scene = taken().await;
    let uuid = backups(&scene.client).snapshot(snapshot()).unwrap().info().await.unwrap().uuid().map(str::to_owned);
    let mut progress = backups(&scene.client).snapshot(snapshot()).unwrap().wait_for_deletion().progress();

    let Some(Ok(WaitUpdate::Progress(first))) = progress.next().await else { panic!("no progress") };
    backups(&scene.client).snapshot(snapshot()).unwrap().delete().await.unwrap();

    assert_eq!(first.uuid(), uuid.as_deref());
    end(progress).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_whose_file_in_the_bucket_is_gone_does_not_count_as_deleted() {
    let scene = held().await;
    scene.domain.fault(Fault::status(404, MISSING, JSON).on(|_, path| path == "/_snapshot/r/s"));

    let wait =
        backups(&scene.client).snapshot(snapshot()).unwrap().wait_for_deletion().with_deadline(Duration::from_mins(1));

    assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::Deadline);
}

#[tokio::test]
async fn waiting_for_a_deletion_deletes_nothing() {
    let scene = taken().await;

    let wait =
        backups(&scene.client).snapshot(snapshot()).unwrap().wait_for_deletion().with_deadline(Duration::from_mins(1));

    assert_eq!(wait.await.unwrap_err().kind(), ErrorKind::Deadline);
    assert_eq!(scene.domain.snapshots("r").len(), 1);
}

#[tokio::test]
async fn a_wait_for_a_deletion_fails_if_the_repository_is_missing() {
    let scene = Scene::new().await;

    let error = backups(&scene.client).snapshot(snapshot()).unwrap().wait_for_deletion().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::RepositoryMissing);
}

#[tokio::test]
async fn two_waits_can_follow_one_snapshot() {
    let scene = Scene::new().await;
    scene.prepare().await;
    backups(&scene.client).create_snapshot(snapshot(), CreateSnapshot::new()).await.unwrap();

    let (first, second) = join!(wait(&scene), wait(&scene));

    assert_eq!(first.unwrap().uuid(), second.unwrap().uuid());
}
