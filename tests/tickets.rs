//! Tickets from calls, from errors and from a constructor, prepared restores, and handles with a
//! uuid.

#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

#[path = "support/movies.rs"]
mod movies;

use std::time::Duration;

use es_snapshot::error::Operation;
use es_snapshot::restore::PreparedRestore;
use es_snapshot::snapshot::SnapshotToken;
use es_snapshot::testing::{FakeDomain, FakeOutcome, Fault};
use es_snapshot::wait::{AnyOutcome, DeletionTicket, HowStarted, RestoreTicket, SnapshotTicket, TicketState};
use es_snapshot::{
    CloneSnapshot, CreateSnapshot, Error, ErrorKind, Outcome, RestoreSnapshot, Snapshot, SnapshotState, Ticket,
    Timeouts,
};
use movies::{backups, domain};

/// Takes the snapshot `s` and waits until it is complete.
async fn taken(domain: &FakeDomain) -> Snapshot {
    let started = backups(domain).create_snapshot("s", CreateSnapshot::new()).await.unwrap();
    started.wait().await.unwrap().into_complete().unwrap();
    backups(domain).snapshot("s").unwrap()
}

/// Serialises and deserialises a ticket, as when another process reads it.
fn kept(ticket: impl Into<Ticket>) -> Ticket {
    let text = serde_json::to_string(&ticket.into()).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn another_process_waits_for_a_snapshot_by_its_ticket() {
    let domain = domain().await;
    let started = backups(&domain).create_snapshot("s", CreateSnapshot::new()).await.unwrap();

    let outcome = domain.client().resume_any(kept(started.ticket().clone())).await.unwrap();

    let AnyOutcome::Snapshot(snapshot) = outcome else { panic!("{outcome:?}") };
    assert_eq!((snapshot.name(), snapshot.state()), ("s", &SnapshotState::Success));
}

#[tokio::test]
async fn another_process_waits_for_a_restore_by_its_ticket() {
    let domain = domain().await;
    let options = RestoreSnapshot::new().with_rename_prefix("restored-");
    let started = taken(&domain).await.restore(options).await.unwrap();

    let outcome = domain.client().resume_any(kept(started.ticket().clone())).await.unwrap();

    let AnyOutcome::Restore(report) = outcome else { panic!("{outcome:?}") };
    assert_eq!(report.into_complete().unwrap().indices(), ["restored-movies"]);
}

/// Makes the domain unreachable once a request with this method has arrived, so that the client
/// cannot determine its outcome.
fn black_out(domain: &FakeDomain, method: &'static str) {
    let arrived = std::sync::atomic::AtomicBool::new(false);
    let follows = move |actual: &str, _: &str| {
        arrived.fetch_or(actual == method, std::sync::atomic::Ordering::SeqCst) && actual == "GET"
    };
    domain.fault(Fault::drop_before().on(follows));
    domain.fault(Fault::drop_after().on_method(method));
}

#[tokio::test]
async fn the_error_of_an_unknown_create_contains_a_ticket_for_the_snapshot() {
    let domain = domain().await;
    black_out(&domain, "PUT");
    let error = backups(&domain).create_snapshot("s", CreateSnapshot::new()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    domain.clear_faults();

    let ticket = kept(error.ticket().unwrap().clone());

    assert!(error.elapsed().unwrap() >= Duration::from_secs(60));
    let outcome = domain.client().resume_any(ticket).await.unwrap();
    assert!(matches!(outcome, AnyOutcome::Snapshot(snapshot) if snapshot.is_complete()));
}

#[tokio::test]
async fn the_error_of_an_unknown_restore_contains_a_ticket_with_exactly_its_indices() {
    let domain = domain().await;
    let snapshot = taken(&domain).await;
    black_out(&domain, "POST");
    let error = snapshot.restore(RestoreSnapshot::new().with_rename_prefix("restored-")).await.unwrap_err();
    domain.clear_faults();

    let Some(Ticket::Restore(ticket)) = error.ticket().cloned() else { panic!("{error:?}") };

    assert_eq!(ticket.indices().collect::<Vec<_>>(), ["restored-movies"]);
    assert!(domain.client().resume(ticket).await.unwrap().is_complete());
}

#[tokio::test]
async fn the_error_of_an_unknown_deletion_contains_a_ticket_with_the_uuid() {
    let domain = domain().await;
    let snapshot = taken(&domain).await;
    let uuid = snapshot.info().await.unwrap().uuid().unwrap().to_owned();
    black_out(&domain, "DELETE");
    let error = snapshot.delete().await.unwrap_err();
    domain.clear_faults();

    let Some(Ticket::Deletion(ticket)) = error.ticket().cloned() else { panic!("{error:?}") };

    assert_eq!(ticket.uuid(), Some(uuid.as_str()));
    domain.client().resume(ticket).await.unwrap();
}

#[tokio::test]
async fn the_error_of_a_refused_create_contains_no_ticket() {
    let domain = domain().await;
    taken(&domain).await;

    let error = backups(&domain).create_snapshot("s", CreateSnapshot::new()).await.unwrap_err();

    assert_eq!((error.kind(), error.ticket()), (ErrorKind::SnapshotNameTaken, None));
}

#[tokio::test]
async fn the_error_of_a_wait_at_its_deadline_contains_ticket_elapsed_time_and_progress() {
    let domain = domain().await;
    domain.hold_snapshots(true);
    let started = backups(&domain).create_snapshot("s", CreateSnapshot::new()).await.unwrap();
    let uuid = domain.snapshots("backups")[0].uuid.clone();

    let error = started.wait().with_deadline(Duration::from_secs(120)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Deadline);
    let Some(Ticket::Snapshot(ticket)) = error.ticket() else { panic!("{error:?}") };
    assert_eq!((ticket.uuid(), ticket.token()), (Some(uuid.as_str()), started.ticket().token()));
    assert!(error.elapsed().unwrap() >= Duration::from_secs(120));
    assert_eq!(error.last_progress().unwrap().uuid(), Some(uuid.as_str()));
}

#[tokio::test]
async fn a_token_that_was_stored_before_the_create_finds_the_snapshot_of_a_killed_process() {
    let domain = domain().await;
    let token = SnapshotToken::random();
    let ticket = SnapshotTicket::new("backups", "s").unwrap().with_token(token.clone());
    let call = backups(&domain).create_snapshot("s", CreateSnapshot::new().with_token(token.clone()));
    // The process is killed before the response arrives.
    domain.fault(Fault::delay(Duration::from_secs(50)).on_method("PUT").times(1));
    let clock = domain.clock().unwrap();
    futures_util::future::select(call, es_snapshot::clock::Clock::sleep(&clock, Duration::from_secs(10))).await;

    let again = backups(&domain).create_snapshot("s", CreateSnapshot::new().with_token(token)).await.unwrap();
    let ended = domain.client().resume_any(kept(ticket)).await.unwrap();

    assert_eq!(again.how(), HowStarted::Adopted);
    assert!(matches!(ended, AnyOutcome::Snapshot(snapshot) if snapshot.is_complete()));
    assert_eq!(domain.snapshots("backups").len(), 1);
}

async fn check(domain: &FakeDomain, ticket: impl Into<Ticket>) -> TicketState {
    domain.client().check(ticket).await.unwrap()
}

#[tokio::test]
async fn one_check_shows_whether_a_snapshot_is_running_has_ended_or_is_missing() {
    let domain = domain().await;
    let ticket = || SnapshotTicket::new("backups", "s").unwrap();
    assert_eq!(check(&domain, ticket()).await, TicketState::NotFound);

    domain.hold_snapshots(true);
    backups(&domain).create_snapshot("s", CreateSnapshot::new()).await.unwrap();
    assert!(matches!(check(&domain, ticket()).await, TicketState::Running(now) if now.shards_total() == 2));

    domain.finish_snapshot("backups", "s", FakeOutcome::Success);
    let TicketState::Ended(AnyOutcome::Snapshot(snapshot)) = check(&domain, ticket()).await else {
        panic!("still running")
    };
    assert!(snapshot.is_complete());
    assert_eq!(check(&domain, ticket().with_uuid("another-uuid")).await, TicketState::NotFound);
}

#[tokio::test]
async fn one_check_shows_whether_a_restore_is_running_has_ended_or_is_missing() {
    let domain = domain().await;
    let snapshot = taken(&domain).await;
    let by_hand = || RestoreTicket::new("backups", "s").unwrap();
    assert_eq!(check(&domain, by_hand()).await, TicketState::NotFound);
    assert_eq!(check(&domain, by_hand().with_index("restored-movies")).await, TicketState::NotFound);

    domain.hold_restores(true);
    let started = snapshot.restore(RestoreSnapshot::new().with_rename_prefix("restored-")).await.unwrap();
    assert!(
        matches!(check(&domain, started.ticket().clone()).await, TicketState::Running(now) if now.shards_total() == 2)
    );

    domain.hold_restores(false);
    let state = check(&domain, started.ticket().clone()).await;
    let TicketState::Ended(AnyOutcome::Restore(report)) = state else { panic!("{state:?}") };
    assert!(report.is_complete());
}

#[tokio::test]
async fn one_check_reports_a_shard_that_failed_to_restore() {
    let domain = domain().await;
    let snapshot = taken(&domain).await;
    domain.fail_restore_shard("restored-movies", 1);
    let started = snapshot.restore(RestoreSnapshot::new().with_rename_prefix("restored-")).await.unwrap();
    domain.clock().unwrap().advance(Duration::from_secs(60));

    let state = check(&domain, started.ticket().clone()).await;

    let TicketState::Ended(AnyOutcome::Restore(report)) = state else { panic!("{state:?}") };
    assert_eq!(report.unrestored()[0].shard(), Some(1));
}

#[tokio::test]
async fn one_check_shows_whether_a_deletion_has_ended() {
    let domain = domain().await;
    let snapshot = taken(&domain).await;
    let uuid = snapshot.info().await.unwrap().uuid().unwrap().to_owned();
    let ticket = || DeletionTicket::new("backups", "s", uuid.clone()).unwrap();

    assert!(matches!(check(&domain, ticket()).await, TicketState::Running(now) if now.uuid() == Some(&uuid)));
    snapshot.delete().await.unwrap();
    assert_eq!(check(&domain, ticket()).await, TicketState::Ended(AnyOutcome::Deletion));
}

#[tokio::test]
async fn a_handle_with_a_uuid_refuses_another_snapshot_of_that_name() {
    let domain = domain().await;
    let snapshot = taken(&domain).await;
    let listed = snapshot.with_uuid(snapshot.info().await.unwrap().uuid().unwrap());
    assert!(listed.info().await.is_ok());
    domain.another_client_deletes("backups", "s");
    domain.another_client_creates("backups", "s");

    let refused: [Error; 5] = [
        listed.info().await.unwrap_err(),
        listed.status().await.unwrap_err(),
        listed.clone_to("t", CloneSnapshot::new(["*"])).await.unwrap_err(),
        listed.restore(RestoreSnapshot::new().with_rename_prefix("restored-")).await.unwrap_err(),
        listed.delete().await.unwrap_err(),
    ];

    for error in refused {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::SnapshotMissing, Outcome::NotSent), "{error}");
    }
    assert_eq!((domain.snapshots("backups").len(), domain.indices()), (1, vec!["movies".to_owned()]));
}

#[tokio::test]
async fn a_started_snapshot_is_serialised_without_the_client() {
    let domain = domain().await;

    let started = backups(&domain).create_snapshot("s", CreateSnapshot::new()).await.unwrap();

    let shown = serde_json::to_value(&started).unwrap();
    assert_eq!(shown["how"], "accepted");
    assert_eq!(shown["ticket"], serde_json::to_value(started.ticket()).unwrap());
    assert_eq!(shown.as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn a_deletion_of_several_snapshots_reports_each() {
    let domain = domain().await;
    for name in ["a", "b"] {
        domain.another_client_creates("backups", name);
        domain.clock().unwrap().advance(Duration::from_secs(10));
    }
    let denied = r#"{"error":{"type":"security_exception","reason":"no permissions"},"status":403}"#;
    domain.fault(Fault::status(403, denied, "application/json").on_method("DELETE").on_path("/a"));

    let backups = backups(&domain).with_timeouts(Timeouts::new().with_call(Duration::from_secs(30)));
    let report = backups.delete_snapshots("*".parse().unwrap()).await.unwrap();

    assert_eq!(report.deleted(), ["b"]);
    assert_eq!((report.failed()[0].name(), report.failed()[0].error().kind()), ("a", ErrorKind::AccessDenied));
    assert_eq!(serde_json::to_value(&report).unwrap()["failed"][0]["error"]["kind"], "access_denied");
    assert_eq!(report.into_complete().unwrap_err().kind(), ErrorKind::Incomplete);
}

/// Prepares a restore of `movies` as `restored-movies`, and serialises it.
async fn stored(domain: &FakeDomain) -> String {
    let options = RestoreSnapshot::new().with_rename_prefix("restored-");
    let prepared = taken(domain).await.prepare_restore(options).await.unwrap();
    serde_json::to_string(&prepared).unwrap()
}

fn sent_restores(domain: &FakeDomain) -> usize {
    domain.events().iter().filter(|event| event.path.ends_with("/_restore")).count()
}

fn read_back(stored: &str) -> PreparedRestore {
    serde_json::from_str(stored).unwrap()
}

#[tokio::test]
async fn preparing_a_restore_sends_only_reads_and_determines_its_indices() {
    let domain = domain().await;

    let prepared = read_back(&stored(&domain).await);

    assert_eq!(prepared.indices().collect::<Vec<_>>(), ["restored-movies"]);
    assert_eq!((sent_restores(&domain), domain.indices()), (0, vec!["movies".to_owned()]));
}

#[tokio::test]
async fn another_process_starts_a_prepared_restore() {
    let domain = domain().await;
    let stored = stored(&domain).await;

    let started = domain.client().start(read_back(&stored)).await.unwrap();

    assert_eq!(started.how(), HowStarted::Accepted);
    assert!(started.wait().await.unwrap().is_complete());
}

#[tokio::test]
async fn a_restore_that_a_killed_process_started_is_adopted_and_not_resent() {
    let domain = domain().await;
    let stored = stored(&domain).await;
    assert!(domain.client().start(read_back(&stored)).await.unwrap().wait().await.unwrap().is_complete());

    let again = domain.client().start(read_back(&stored)).await.unwrap();

    assert_eq!((again.how(), sent_restores(&domain)), (HowStarted::Adopted, 1));
    assert!(again.wait().await.unwrap().is_complete());
}

#[tokio::test]
async fn does_not_restore_over_later_writes_to_what_a_killed_process_restored() {
    let domain = domain().await;
    let stored = stored(&domain).await;
    assert!(domain.client().start(read_back(&stored)).await.unwrap().wait().await.unwrap().is_complete());
    domain.write("restored-movies");
    domain.close_index("restored-movies");
    let documents = domain.documents("restored-movies");

    let error = domain.client().start(read_back(&stored)).await.unwrap_err();

    assert_eq!((error.outcome(), sent_restores(&domain)), (Outcome::Unknown, 1));
    assert_eq!(domain.documents("restored-movies"), documents);
    assert!(matches!(error.ticket(), Some(Ticket::Restore(_))));
}

#[tokio::test]
async fn a_restore_runs_once_although_its_first_process_is_killed_while_starting_it() {
    let domain = domain().await;
    let stored = stored(&domain).await;
    domain.fault(Fault::delay(Duration::from_secs(50)).on_method("POST").times(1));
    let clock = domain.clock().unwrap();
    let call = domain.client().start(read_back(&stored));
    futures_util::future::select(call, es_snapshot::clock::Clock::sleep(&clock, Duration::from_secs(10))).await;

    let started = domain.client().start(read_back(&stored)).await.unwrap();

    assert_eq!((started.how(), sent_restores(&domain)), (HowStarted::Adopted, 1));
    assert!(started.wait().await.unwrap().is_complete());
}

#[tokio::test]
async fn prepare_reports_that_the_snapshot_does_not_exist() {
    let domain = domain().await;

    let error = backups(&domain).snapshot("s").unwrap().prepare_restore(RestoreSnapshot::new()).await.unwrap_err();

    assert_eq!((error.kind(), error.operation()), (ErrorKind::SnapshotMissing, Some(Operation::RestoreSnapshot)));
}

#[tokio::test]
async fn prepare_refuses_a_restore_whose_indices_cannot_be_determined() {
    let domain = domain().await;
    let snapshot = taken(&domain).await;

    let error = snapshot.prepare_restore(RestoreSnapshot::new().with_include_global_state(true)).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotSent));
}

#[tokio::test]
async fn a_prepared_restore_refuses_another_snapshot_that_took_the_name() {
    let domain = domain().await;
    let options = RestoreSnapshot::new().with_rename_prefix("restored-");
    let prepared = taken(&domain).await.prepare_restore(options).await.unwrap();
    let stored = serde_json::to_string(&prepared).unwrap();
    domain.another_client_deletes("backups", "s");
    domain.another_client_creates("backups", "s");
    domain.clock().unwrap().advance(Duration::from_secs(10));

    let here = domain.client().start(prepared).await.unwrap_err();
    let elsewhere = domain.client().start(read_back(&stored)).await.unwrap_err();

    assert_eq!((here.kind(), here.outcome()), (ErrorKind::SnapshotMissing, Outcome::NotSent));
    assert_eq!((elsewhere.outcome(), sent_restores(&domain)), (Outcome::Unknown, 0));
}
