//! Lists the snapshots of every repository of a domain.
//!
//! `cargo run --example list_snapshots -- ENDPOINT [REGION]`; credentials come from the AWS default chain.

use std::process::ExitCode;

use es_snapshot::name::RepositoryName;
use es_snapshot::{Error, ListSnapshots, SnapshotClient, default_credentials};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (endpoint, region) = match args.as_slice() {
        [endpoint] if endpoint != "--help" => (endpoint, None),
        [endpoint, region] => (endpoint, Some(region.as_str())),
        _ => {
            println!("usage: list_snapshots ENDPOINT [REGION]\n\nLists the snapshots of every repository of the domain.");
            return if args.iter().any(|arg| arg == "--help") { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    };
    match list(endpoint, region).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// Whether every repository could be listed.
async fn list(endpoint: &str, region: Option<&str>) -> Result<bool, Error> {
    let mut builder = SnapshotClient::builder(endpoint).credentials(default_credentials().await);
    if let Some(region) = region {
        builder = builder.region(region);
    }
    let client = builder.build()?;

    let mut complete = true;
    for repository in client.repositories().await? {
        println!("{} ({})", repository.name(), repository.settings().repository_type());
        // A name in a reply may be one that cannot be asked for; it is shown, and that is all.
        let Ok(name) = repository.name().parse::<RepositoryName>() else { continue };
        match client.repository(&name)?.list(ListSnapshots::new()).await {
            Ok(snapshots) => {
                for snapshot in snapshots {
                    let indices = snapshot.indices().len();
                    println!("  {:40} {:12} {indices} indices", snapshot.name(), snapshot.state().to_string());
                }
            }
            // Its bucket may be gone; the others are listed all the same.
            Err(error) => {
                complete = false;
                eprintln!("  cannot be listed: {}", chain(&error));
            }
        }
    }
    Ok(complete)
}

/// The error and its causes; its own `Display` shows one level only.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
