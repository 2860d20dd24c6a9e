//! Restores indices of the newest complete snapshot under the names `staging-…`, without replicas.
//!
//! `cargo run --example restore_to_staging -- ENDPOINT REPOSITORY [INDEX...]` restores all indices
//! if none is named. The original indices stay in use. The program stores the prepared restore in
//! the file `staging.json` before it sends it. Kill it at any time and run it again: it continues
//! with that restore, and restores nothing twice.
//!
//! Delete the `staging-…` indices of an earlier restore first, because the server does not restore
//! over an open index.

use std::error::Error as StdError;
use std::path::Path;
use std::process::ExitCode;

use es_snapshot::restore::PreparedRestore;
use es_snapshot::wait::WaitUpdate;
use es_snapshot::{
    Error, ListSnapshots, Outcome, Repository, RestoreReport, RestoreSnapshot, SnapshotClient, SnapshotInfo,
    StartedRestore,
};
use futures_util::TryStreamExt as _;

/// Restores the indices and returns the report. `file` contains the prepared restore until the end.
pub(crate) async fn restore(
    backups: &Repository,
    indices: &[String],
    file: &Path,
) -> Result<RestoreReport, Box<dyn StdError>> {
    let prepared: PreparedRestore = if file.exists() {
        serde_json::from_slice(&std::fs::read(file)?)?
    } else {
        let prepared = prepare(backups, indices).await.map_err(|error| error.report())?;
        let prepared = prepared.ok_or("the repository has no complete snapshot")?;
        // The rename makes sure that the file is always complete.
        std::fs::write(file.with_extension("part"), serde_json::to_vec(&prepared)?)?;
        std::fs::rename(file.with_extension("part"), file)?;
        prepared
    };
    let started = backups.client().start(prepared).await;
    if started.as_ref().is_err_and(|error| error.outcome() != Outcome::Unknown) {
        // Nothing was started, so the next run must prepare a new restore.
        std::fs::remove_file(file)?;
    }
    let report = watch(&started.map_err(|error| error.report())?).await.map_err(|error| error.report())?;
    std::fs::remove_file(file)?;
    report.ok_or_else(|| "the wait ended early".into())
}

/// Prepares the restore of the newest complete snapshot. Returns `None` if there is none.
async fn prepare(backups: &Repository, indices: &[String]) -> Result<Option<PreparedRestore>, Error> {
    let mut snapshots = backups.list(ListSnapshots::new()).await?.into_iter();
    let Some(newest) = snapshots.rfind(SnapshotInfo::is_complete) else { return Ok(None) };
    let options = RestoreSnapshot::new()
        .with_indices(indices)
        .with_rename_prefix("staging-")
        // An alias would lead to the original index and to the restored one.
        .with_include_aliases(false)
        .with_index_settings([("index.number_of_replicas", 0)]);
    backups.snapshot(newest.name())?.prepare_restore(options).await.map(Some)
}

/// Prints the progress of the restore until it ends.
async fn watch(restore: &StartedRestore) -> Result<Option<RestoreReport>, Error> {
    println!("{} ({})", restore.ticket().snapshot(), restore.how());
    let mut updates = restore.wait().progress();
    while let Some(update) = updates.try_next().await? {
        match update {
            WaitUpdate::Progress(now) => println!("{} of {} shards", now.shards_done(), now.shards_total()),
            WaitUpdate::Ended(report) => return Ok(Some(report)),
            _ => {}
        }
    }
    Ok(None)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run().await.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

async fn run() -> Result<ExitCode, Box<dyn StdError>> {
    let [endpoint, repository] = [1, 2].map(|position| std::env::args().nth(position).unwrap_or_default());
    let indices: Vec<String> = std::env::args().skip(3).collect();
    let client = SnapshotClient::builder(endpoint).credentials(es_snapshot::default_credentials().await).build();
    let backups = client.and_then(|client| client.repository(repository)).map_err(|error| error.report())?;
    let report = restore(&backups, &indices, Path::new("staging.json")).await?;
    println!("restored {}", report.indices().join(", "));
    report.unrestored().iter().for_each(|shard| println!("not restored: {shard}"));
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
