//! Lists the snapshots of every repository of a domain.
//!
//! If one repository cannot be listed, the others are listed nevertheless, and the exit code is 1.
//!
//! `cargo run --example list_snapshots -- ENDPOINT` uses credentials from the AWS default chain.

use std::process::ExitCode;

use es_snapshot::{Error, ListSnapshots, SnapshotClient, default_credentials};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run().await.unwrap_or_else(|error| {
        eprintln!("error: {}", error.report());
        ExitCode::FAILURE
    })
}

async fn run() -> Result<ExitCode, Error> {
    let endpoint = std::env::args().nth(1).unwrap_or_default();
    let client = SnapshotClient::builder(endpoint).credentials(default_credentials().await).build()?;
    let mut code = ExitCode::SUCCESS;
    for repository in client.repositories().await? {
        let listed = async { client.repository(repository.name())?.list(ListSnapshots::new()).await }.await;
        match listed {
            Ok(list) => {
                for found in list {
                    println!("{}: {} {}", repository.name(), found.name(), found.state());
                }
            }
            Err(error) => {
                println!("{}: {}", repository.name(), error.report());
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
