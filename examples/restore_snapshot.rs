//! Restores a snapshot's indices under other names and waits until every shard is back.
//!
//! `cargo run --example restore_snapshot -- ENDPOINT REPOSITORY SNAPSHOT INDEX [REGION]`

use std::process::ExitCode;
use std::time::Duration;

use es_snapshot::{Error, IndexName, RepositoryName, RestoreSnapshot, SnapshotClient, SnapshotName, default_credentials};

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
    let index: IndexName = index.parse()?;
    let restored: IndexName = format!("restored-{index}").parse()?;
    let mut builder = SnapshotClient::builder(endpoint).credentials(default_credentials().await);
    if let Some(region) = region {
        builder = builder.region(region);
    }
    let client = builder.build()?;

    // An alias that the index in use has as well would lead to both.
    let options = RestoreSnapshot::new().indices([index.as_str()]).rename("(.+)", "restored-$1").include_aliases(false);
    client.restore_snapshot(&repository, &snapshot, &options).await?;
    let report = client
        .wait_for_restore(&repository, &snapshot)
        .indices([restored])
        .within(Duration::from_secs(6 * 60 * 60))
        .await?
        .into_complete()?;

    println!("restored {} with {} shards", report.indices().join(", "), report.shards_total());
    Ok(())
}

/// The error and what it comes of; by itself it tells its own level only.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
