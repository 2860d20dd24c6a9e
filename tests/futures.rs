//! Every public future and stream can move between threads.

use es_snapshot::client::RawRequest;
use es_snapshot::testing::FakeDomain;
use es_snapshot::wait::{RestoreTicket, WaitStream};
use es_snapshot::{
    CloneSnapshot, CreateSnapshot, FsSettings, ListSnapshots, RestoreReport, RestoreSnapshot, SnapshotInfo, SnapshotPattern,
    SnapshotStream, Wait,
};

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
