//! Restores a snapshot's indices under other names and waits until every shard is back.
//!
//! `cargo run --example restore_snapshot -- ENDPOINT REPOSITORY SNAPSHOT INDEX [REGION]`

use std::process::ExitCode;
use std::time::Duration;

use es_snapshot::name::{RepositoryName, SnapshotName};
use es_snapshot::{Error, RestoreSnapshot, SnapshotClient, default_credentials};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (endpoint, repository, snapshot, index, region) = match args.as_slice() {
        [endpoint, repository, snapshot, index] => (endpoint, repository, snapshot, index, None),
        [endpoint, repository, snapshot, index, region] => (endpoint, repository, snapshot, index, Some(region.as_str())),
        _ => {
            println!(
                "usage: restore_snapshot ENDPOINT REPOSITORY SNAPSHOT INDEX [REGION]\n\nRestores INDEX as restored-INDEX and waits for it."
            );
            return if args.iter().any(|arg| arg == "--help") { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    };
    match restore(endpoint, repository, snapshot, index, region).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn restore(endpoint: &str, repository: &str, snapshot: &str, index: &str, region: Option<&str>) -> Result<(), Error> {
    let repository: RepositoryName = repository.parse()?;
    let snapshot: SnapshotName = snapshot.parse()?;
    let mut builder = SnapshotClient::builder(endpoint).credentials(default_credentials().await);
    if let Some(region) = region {
        builder = builder.region(region);
    }
    let client = builder.build()?;

    // Without aliases: one that the index in use has as well would lead to both.
    let options = RestoreSnapshot::new().with_indices([index]).with_rename("(.+)", "restored-$1").with_include_aliases(false);
    let restore = client.repository(&repository)?.snapshot(&snapshot)?.restore(options).await?;
    // The ticket names the indices of this restore. Kept as JSON, it lets another process wait.
    let wait = client.resume(restore.ticket().clone());
    let report = wait.with_deadline(Duration::from_secs(6 * 60 * 60)).await?.into_complete()?;

    println!("restored {} with {} shards", report.indices().join(", "), report.shards_total());
    Ok(())
}

/// The error and its causes; its own `Display` shows one level only.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
