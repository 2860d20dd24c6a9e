//! Checks the snapshots of many domains at once. A domain that is down does not hide the others.
//!
//! `cargo run --example fleet -- REPOSITORY ENDPOINT...` prints the newest complete snapshot of
//! each domain with its age, and the running snapshots. The exit code is 1 if a domain could not be
//! checked.

use std::process::ExitCode;

use es_snapshot::auth::CredentialCache;
use es_snapshot::client::RetryBudget;
use es_snapshot::transport::HyperTransport;
use es_snapshot::{Auth, Error, ListSnapshots, SnapshotClient, SnapshotClientBuilder, SnapshotInfo};
use futures_util::future::{join_all, try_join};

/// Returns the builder of a client that shares connections, credentials and the retry budget with
/// the other clients.
pub(crate) fn client(
    endpoint: &str,
    transport: &HyperTransport,
    credentials: &CredentialCache,
    retries: &RetryBudget,
) -> SnapshotClientBuilder {
    let auth = Auth::sigv4_shared(credentials.clone());
    SnapshotClient::builder(endpoint).transport(transport.clone()).auth(auth).retry_budget(retries.clone())
}

/// The result of checking one domain.
#[derive(Debug)]
pub(crate) struct Overview {
    /// The newest complete snapshot and its age in hours.
    pub(crate) newest: Option<(String, u64)>,
    pub(crate) running: Vec<String>,
}

/// Checks all domains at once. Returns the results in the order of the clients.
pub(crate) async fn check_all(
    clients: Vec<Result<SnapshotClient, Error>>,
    repository: &str,
) -> Vec<Result<Overview, Error>> {
    join_all(clients.into_iter().map(async |client| check(&client?, repository).await)).await
}

async fn check(client: &SnapshotClient, repository: &str) -> Result<Overview, Error> {
    let backups = client.repository(repository)?;
    let (snapshots, running) = try_join(backups.list(ListSnapshots::new()), client.running_snapshots()).await?;
    let newest = snapshots.into_iter().rfind(SnapshotInfo::is_complete).and_then(|newest| {
        let age = client.now().duration_since(newest.end_time()?);
        Some((newest.name().to_owned(), age.unwrap_or_default().as_secs() / 3600))
    });
    Ok(Overview { newest, running: running.iter().map(|snapshot| snapshot.name().to_owned()).collect() })
}

#[tokio::main]
async fn main() -> ExitCode {
    run().await.unwrap_or_else(|error| {
        eprintln!("error: {}", error.report());
        ExitCode::FAILURE
    })
}

async fn run() -> Result<ExitCode, Error> {
    let repository = std::env::args().nth(1).unwrap_or_default();
    let endpoints: Vec<String> = std::env::args().skip(2).collect();
    let (transport, retries) = (HyperTransport::builder().build()?, RetryBudget::new());
    let credentials = CredentialCache::new(es_snapshot::default_credentials().await);
    let clients = endpoints.iter().map(|endpoint| client(endpoint, &transport, &credentials, &retries).build());

    let overviews = check_all(clients.collect(), &repository).await;
    for (endpoint, overview) in endpoints.iter().zip(&overviews) {
        match overview {
            Ok(Overview { newest: Some((name, hours)), running }) => {
                println!("{endpoint}: {name} is {hours} h old; running: {running:?}");
            }
            Ok(Overview { newest: None, running }) => {
                println!("{endpoint}: no complete snapshot; running: {running:?}");
            }
            Err(error) => println!("{endpoint}: {}", error.report()),
        }
    }
    Ok(if overviews.iter().all(Result::is_ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
