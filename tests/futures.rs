//! The traits that public types implement. Futures and streams can move between threads, and data
//! from a server can be cloned, displayed and serialised.

use std::fmt::{Debug, Display};

use es_snapshot::auth::CredentialCache;
use es_snapshot::client::{RawRequest, RawResponse, RetryBudget, ServerInfo};
use es_snapshot::doctor::{self, Check, CheckId, Examination, Report, Status};
use es_snapshot::error::{ErrorType, Operation, ServerError, ServerLayer};
use es_snapshot::registration::{EnsureRegistered, Registered, RegistrationChange};
use es_snapshot::repository::{CleanUp, RepositoryInfo, VerifiedNode};
use es_snapshot::restore::{
    PreparedRestore, RecoveryStage, RecoveryType, RestoreSummary, ShardRecovery, UnrestoredShard,
};
use es_snapshot::snapshot::{
    DeletionReport, FeatureState, FileStats, IndexStatus, OtherWord, ShardCounts, ShardFailure, ShardStage,
    ShardStageCounts, ShardStatus, SnapshotFailure, SnapshotList, SnapshotStats, SnapshotStatus, SnapshotStatusState,
};
use es_snapshot::testing::FakeDomain;
use es_snapshot::transport::{Body, HyperTransport, TransportError};
use es_snapshot::wait::{
    AnyOutcome, DeletionTicket, HowStarted, Progress, RestoreTicket, SnapshotTicket, TicketState, WaitStream,
    WaitUpdate,
};
use es_snapshot::{
    Auth, CloneSnapshot, CreateSnapshot, Error, ErrorKind, FsSettings, ListSnapshots, Outcome, Repository,
    RestoreReport, RestoreSnapshot, RetryPolicy, Snapshot, SnapshotClient, SnapshotInfo, SnapshotPattern,
    SnapshotState, SnapshotStream, StartedRestore, StartedSnapshot, Ticket, Timeouts, Wait,
};
use serde::Serialize;

fn send<F: Future + Send>(_: F) {}

fn send_type<T: Send + Unpin + 'static>() {}

/// Accepts futures that can run in their own task, as in a request handler.
fn movable<F: Future + Send + 'static>(_: F) {}

#[tokio::test]
async fn every_call_can_be_awaited_on_any_thread() {
    let client = FakeDomain::with_repository("backups").await.client();
    let backups = client.repository("backups").unwrap();
    let snapshot = backups.snapshot("s").unwrap();
    let ticket = || RestoreTicket::new("backups", "s").unwrap();

    send(client.repositories());
    send(client.running_snapshots());
    send(client.recovery(["movies"]));
    send(client.server_info());
    send(doctor::examine(&client, &Examination::new()));
    send(client.raw(RawRequest::get(["_snapshot"])));
    send(client.check(ticket()));
    send(backups.register(FsSettings::new("/mnt/backups")));
    send(backups.info());
    send(backups.verify());
    send(backups.cleanup());
    send(backups.unregister());
    send(backups.create_snapshot("s", CreateSnapshot::new()));
    send(backups.list(ListSnapshots::new()));
    send(backups.delete_snapshots(SnapshotPattern::all()));
    send(snapshot.info());
    send(snapshot.status());
    send(snapshot.delete());
    send(snapshot.clone_to("t", CloneSnapshot::new(["*"])));
    send(snapshot.restore(RestoreSnapshot::new()));
}

#[tokio::test]
async fn calls_and_waits_do_not_borrow_their_names() {
    let client = FakeDomain::with_repository("backups").await.client();
    let backups = client.repository("backups").unwrap();
    let name = String::from("s");

    movable(backups.ensure_registered(FsSettings::new(&name)).into_future());
    movable(backups.create_snapshot(&name, CreateSnapshot::new()));
    movable(backups.snapshot(&name).unwrap().clone_to(&name, CloneSnapshot::new(["*"])));
    movable(backups.snapshot(&name).unwrap().wait().into_future());
    movable(client.resume(RestoreTicket::new("backups", &name).unwrap()).into_future());
}

#[test]
fn waits_and_streams_can_be_stored_and_moved_between_threads() {
    send_type::<Wait<SnapshotInfo>>();
    send_type::<Wait<()>>();
    send_type::<WaitStream<RestoreReport>>();
    send_type::<SnapshotStream>();
}

/// Checks that each of these types has a property.
macro_rules! each {
    ($property:ident: $($type:ty),+ $(,)?) => { $($property::<$type>();)+ };
}

fn is_shareable<T: Debug + Send + Sync + 'static>() {}

fn is_movable<T: Debug + Send + 'static>() {}

fn is_data<T: Serialize + Clone + Debug + Send + Sync + 'static>() {}

fn is_word<T: Serialize + Display + Clone + Debug + PartialEq + Eq + std::hash::Hash>() {}

#[test]
fn clients_handles_and_errors_can_be_shared_between_threads() {
    each!(is_shareable: SnapshotClient, Repository, Snapshot, Wait<SnapshotInfo>, EnsureRegistered, Auth, CredentialCache, HyperTransport);
    each!(is_shareable: Error, TransportError, RetryBudget, RetryPolicy, Timeouts, RawRequest);
    each!(is_movable: WaitStream<SnapshotInfo>, SnapshotStream, Body);
}

#[test]
fn data_from_a_server_can_be_cloned_and_serialised() {
    each!(is_data: ServerInfo, RawResponse, RepositoryInfo, VerifiedNode, CleanUp, Registered, StartedSnapshot, StartedRestore);
    each!(is_data: SnapshotInfo, ShardCounts, ShardFailure, FeatureState, SnapshotList, DeletionReport, SnapshotFailure);
    each!(is_data: SnapshotStatus, IndexStatus, ShardStatus, ShardStageCounts, SnapshotStats, FileStats);
    each!(is_data: PreparedRestore, RestoreSummary, ShardRecovery, RestoreReport, UnrestoredShard);
    each!(is_data: Progress, AnyOutcome, TicketState, WaitUpdate<SnapshotInfo>, ServerError);
    each!(is_data: Ticket, SnapshotTicket, RestoreTicket, DeletionTicket);
    each!(is_data: Report, Check);
}

#[test]
fn kinds_and_states_can_be_displayed_compared_and_hashed() {
    each!(is_word: ErrorKind, Outcome, Operation, ServerLayer, ErrorType, HowStarted, RegistrationChange);
    each!(is_word: CheckId, Status);
    each!(is_word: SnapshotState, SnapshotStatusState, ShardStage, RecoveryStage, RecoveryType, OtherWord);
}

#[test]
fn a_report_can_be_constructed_for_tests_of_other_code() {
    let shard = UnrestoredShard::new("movies", Some(0), "node left");
    let report = RestoreReport::new(vec!["movies".to_owned()], 1, vec![shard]);
    assert_eq!(report.into_complete().unwrap_err().kind(), ErrorKind::Incomplete);
    assert!(RestoreReport::new(vec!["movies".to_owned()], 1, Vec::new()).is_complete());
}
