//! A nightly job: takes a snapshot named by the date, waits for it, and deletes old ones.
//!
//! `cargo run --example nightly_job -- ENDPOINT REPOSITORY` waits for at most 6 hours. If a run was
//! killed, start it again on the same day. It continues with the snapshot of the first run.
//!
//! | exit code | meaning |
//! | --- | --- |
//! | 0 | the snapshot is complete, and the old snapshots are deleted |
//! | 1 | the snapshot failed, or another error occurred, which is printed |
//! | 2 | the snapshot is `PARTIAL`: it does not contain all shards |
//! | 3 | the snapshot is complete, but another snapshot could not be read or deleted |

use std::process::ExitCode;
use std::time::Duration;

use es_snapshot::name::DateMathName;
use es_snapshot::snapshot::{DeletionReport, SnapshotFailure, SnapshotToken};
use es_snapshot::{
    CreateSnapshot, Error, ListSnapshots, Repository, SnapshotClient, SnapshotInfo, SnapshotPattern, SnapshotState,
};

const HOUR: Duration = Duration::from_secs(60 * 60);
const KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The number of complete snapshots to keep, however old they are.
const KEEP_COMPLETE: usize = 3;

/// Takes tonight's snapshot, deletes what is older than `keep`, and returns the exit code.
pub(crate) async fn run(backups: &Repository, keep: Duration) -> Result<u8, Error> {
    let backups = backups.with_queue_time(HOUR);
    let snapshot = take_snapshot(&backups).await?;
    println!("{} ended as {} after {:?}", snapshot.name(), snapshot.state(), snapshot.duration().unwrap_or_default());
    for shard in snapshot.failures() {
        println!("missing shard: [{}] {}", shard.index(), shard.reason().unwrap_or("no reason given"));
    }
    let report = prune(&backups, keep).await?;
    println!("deleted {} old snapshots", report.deleted().len());
    for failure in report.failed() {
        println!("not deleted: {failure}");
    }
    Ok(match snapshot.state() {
        SnapshotState::Success if report.is_complete() => 0,
        SnapshotState::Success => 3,
        SnapshotState::Partial => 2,
        _ => 1,
    })
}

async fn take_snapshot(backups: &Repository) -> Result<SnapshotInfo, Error> {
    let name = backups.resolve(DateMathName::try_from("<nightly-{now/d}>")?)?;
    // All runs of one night have the same token, so a later run adopts the snapshot of an earlier
    // one.
    let options = CreateSnapshot::new().with_token(SnapshotToken::new(&name)?);
    backups.create_snapshot(name, options).await?.wait().with_deadline(6 * HOUR).await
}

/// Deletes the nightly snapshots that ended longer than `keep` ago, except the newest complete
/// ones.
async fn prune(backups: &Repository, keep: Duration) -> Result<DeletionReport, Error> {
    let nightly = SnapshotPattern::new(["nightly-*"])?;
    let found = backups.list(ListSnapshots::new().with_pattern(nightly)).await?;
    let newest_complete: Vec<&str> = found
        .snapshots()
        .iter()
        .rev()
        .filter(|s| s.is_complete())
        .take(KEEP_COMPLETE)
        .map(SnapshotInfo::name)
        .collect();
    let expiry = backups.client().now() - keep;
    let is_old =
        |s: &&SnapshotInfo| s.end_time().is_some_and(|end| end < expiry) && !newest_complete.contains(&s.name());

    let (mut deleted, mut failed) = (Vec::new(), found.unreadable().to_vec());
    for snapshot in found.snapshots().iter().filter(is_old) {
        match delete(backups, snapshot).await {
            Ok(()) => deleted.push(snapshot.name().to_owned()),
            // For example, the name is not valid in a request. The others are deleted nevertheless.
            Err(error) => failed.push(SnapshotFailure::new(snapshot.name(), error)),
        }
    }
    Ok(DeletionReport::new(deleted, failed))
}

/// Deletes this snapshot, but not another one that has received its name in the meantime.
async fn delete(backups: &Repository, snapshot: &SnapshotInfo) -> Result<(), Error> {
    let handle = backups.snapshot(snapshot.name())?;
    match snapshot.uuid() {
        Some(uuid) => handle.with_uuid(uuid).delete().await,
        None => handle.delete().await,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let [endpoint, repository] = [1, 2].map(|position| std::env::args().nth(position).unwrap_or_default());
    let client = SnapshotClient::builder(endpoint).credentials(es_snapshot::default_credentials().await).build();
    let code = async { run(&client?.repository(repository)?, KEEP).await }.await;
    ExitCode::from(code.unwrap_or_else(|error| {
        eprintln!("error: {}", error.report());
        1
    }))
}
