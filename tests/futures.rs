//! What every public type can do: futures and streams move between threads, and what a server
//! returns can be kept, compared and stored.

use std::fmt::{Debug, Display};

use es_snapshot::auth::CredentialCache;
use es_snapshot::client::{RawRequest, RawResponse, RetryBudget, ServerInfo};
use es_snapshot::error::{ErrorType, Operation, ServerError, ServerLayer};
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

/// The calls that end up in a task of their own, as in a request handler.
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
async fn what_a_name_or_a_ticket_goes_into_does_not_borrow_it() {
    let client = FakeDomain::with_repository("backups").await.client();
    let backups = client.repository("backups").unwrap();
    let name = String::from("s");

    movable(backups.create_snapshot(&name, CreateSnapshot::new()));
    movable(backups.snapshot(&name).unwrap().clone_to(&name, CloneSnapshot::new(["*"])));
    movable(backups.snapshot(&name).unwrap().wait().into_future());
    movable(client.resume(RestoreTicket::new("backups", &name).unwrap()).into_future());
}

#[test]
fn waits_and_their_streams_can_be_kept_and_moved() {
    send_type::<Wait<SnapshotInfo>>();
    send_type::<Wait<()>>();
    send_type::<WaitStream<RestoreReport>>();
    send_type::<SnapshotStream>();
}

/// Checks one property of each of these types.
macro_rules! each {
    ($property:ident: $($type:ty),+ $(,)?) => { $($property::<$type>();)+ };
}

fn crosses_threads<T: Debug + Send + Sync + 'static>() {}

fn moves_between_threads<T: Debug + Send + 'static>() {}

fn comes_back<T: Serialize + Clone + Debug + Send + Sync + 'static>() {}

fn word<T: Serialize + Display + Clone + Debug + PartialEq + Eq + std::hash::Hash>() {}

#[test]
fn clients_handles_and_errors_can_be_shared_between_threads() {
    each!(crosses_threads: SnapshotClient, Repository, Snapshot, Wait<SnapshotInfo>, Auth, CredentialCache, HyperTransport);
    each!(crosses_threads: Error, TransportError, RetryBudget, RetryPolicy, Timeouts, RawRequest);
    each!(moves_between_threads: WaitStream<SnapshotInfo>, SnapshotStream, Body);
}

#[test]
fn what_a_server_returns_can_be_kept_and_stored() {
    each!(comes_back: ServerInfo, RawResponse, RepositoryInfo, VerifiedNode, CleanUp, StartedSnapshot, StartedRestore);
    each!(comes_back: SnapshotInfo, ShardCounts, ShardFailure, FeatureState, SnapshotList, DeletionReport, SnapshotFailure);
    each!(comes_back: SnapshotStatus, IndexStatus, ShardStatus, ShardStageCounts, SnapshotStats, FileStats);
    each!(comes_back: PreparedRestore, RestoreSummary, ShardRecovery, RestoreReport, UnrestoredShard);
    each!(comes_back: Progress, AnyOutcome, TicketState, WaitUpdate<SnapshotInfo>, ServerError);
    each!(comes_back: Ticket, SnapshotTicket, RestoreTicket, DeletionTicket);
}

#[test]
fn kinds_and_states_are_words_that_can_be_shown_and_counted() {
    each!(word: ErrorKind, Outcome, Operation, ServerLayer, ErrorType, HowStarted);
    each!(word: SnapshotState, SnapshotStatusState, ShardStage, RecoveryStage, RecoveryType, OtherWord);
}

#[test]
fn reports_can_be_built_for_a_test_of_other_code() {
    let shard = UnrestoredShard::new("movies", Some(0), "node left");
    let report = RestoreReport::new(vec!["movies".to_owned()], 1, vec![shard]);
    assert_eq!(report.into_complete().unwrap_err().kind(), ErrorKind::Incomplete);
    assert!(RestoreReport::new(vec!["movies".to_owned()], 1, Vec::new()).is_complete());
}
