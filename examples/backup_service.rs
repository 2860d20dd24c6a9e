//! The core of a backup service: functions for the handlers of any HTTP framework.
//!
//! # A request handler that is dropped midway
//!
//! A framework drops a handler when its caller disconnects, and a process can be killed at any
//! time. The domain continues with the requests that were sent. So store the ticket before you send
//! anything. Later, the ticket finds the backup, and starting the backup again adopts it.
//!
//! `cargo run --example backup_service -- ENDPOINT REPOSITORY NAME` makes one backup, and keeps its
//! ticket in the file `NAME.json` until the end. Kill it midway and run it again to see this.

use std::fmt::Display;
use std::process::ExitCode;

use es_snapshot::snapshot::SnapshotToken;
use es_snapshot::wait::{AnyOutcome, HowStarted, SnapshotTicket, TicketState};
use es_snapshot::{CreateSnapshot, Error, ErrorKind, Repository, SnapshotClient, Ticket, default_credentials};

/// The failure of a handler: the status to respond with, and the text for the log.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) u16, pub(crate) String);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            ErrorKind::InvalidInput => 400,
            ErrorKind::RepositoryMissing | ErrorKind::SnapshotMissing => 404,
            ErrorKind::SnapshotNameTaken => 409,
            ErrorKind::Busy | ErrorKind::Throttled => 503,
            _ => 502,
        };
        Self(status, error.report())
    }
}

/// Returns the failure of the store for tickets.
fn store_failure(error: impl Display) -> Failure {
    Failure(500, format!("cannot use the store of tickets: {error}"))
}

/// Returns the ticket of a new backup as JSON, and sends nothing.
///
/// Store the ticket, then call [`start_backup`].
pub(crate) fn new_ticket(backups: &Repository, name: &str) -> Result<String, Failure> {
    let ticket = SnapshotTicket::new(backups.name(), name)?.with_token(SnapshotToken::try_random()?);
    serde_json::to_string(&ticket).map_err(store_failure)
}

/// `PUT /backups/{id}`: starts the backup of a stored ticket, or adopts it if it was already
/// started.
pub(crate) async fn start_backup(client: &SnapshotClient, ticket: &str) -> Result<HowStarted, Failure> {
    let ticket: SnapshotTicket = serde_json::from_str(ticket).map_err(store_failure)?;
    let options = ticket.token().cloned().map(|token| CreateSnapshot::new().with_token(token)).unwrap_or_default();
    Ok(client.repository(ticket.repository())?.create_snapshot(ticket.snapshot(), options).await?.how())
}

/// `GET /backups/{id}`: checks the backup of a stored ticket once. The result serialises as JSON.
pub(crate) async fn check_backup(client: &SnapshotClient, ticket: &str) -> Result<TicketState, Failure> {
    Ok(client.check(serde_json::from_str::<Ticket>(ticket).map_err(store_failure)?).await?)
}

/// Waits for the end of the backup of a stored ticket. Call it for each ticket after a restart.
pub(crate) async fn finish(client: &SnapshotClient, ticket: &str) -> Result<AnyOutcome, Failure> {
    Ok(client.resume_any(serde_json::from_str(ticket).map_err(store_failure)?).await?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Err(Failure(status, report)) = run().await else { return ExitCode::SUCCESS };
    eprintln!("error {status}: {report}");
    ExitCode::FAILURE
}

async fn run() -> Result<(), Failure> {
    let [endpoint, repository, name] = [1, 2, 3].map(|position| std::env::args().nth(position).unwrap_or_default());
    let client = SnapshotClient::builder(endpoint).credentials(default_credentials().await).build()?;
    let file = format!("{name}.json");
    if !std::fs::exists(&file).map_err(store_failure)? {
        std::fs::write(&file, new_ticket(&client.repository(repository)?, &name)?).map_err(store_failure)?;
    }
    let ticket = std::fs::read_to_string(&file).map_err(store_failure)?;
    println!("{}", start_backup(&client, &ticket).await?);
    println!("{:?}\n{:?}", check_backup(&client, &ticket).await?, finish(&client, &ticket).await?);
    std::fs::remove_file(file).map_err(store_failure)
}
