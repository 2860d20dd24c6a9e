//! The core of a backup service: functions for the handlers of any HTTP framework.
//!
//! # A request handler that is dropped midway
//!
//! Frameworks drop a handler when its caller hangs up, and a process can be killed at any time. The
//! domain goes on with what was sent. So store the ticket before you send anything: it finds the
//! backup whatever happens, and starting it once more adopts what is there.
//!
//! `cargo run --example backup_service -- ENDPOINT REPOSITORY NAME` makes one backup, with its
//! ticket in the file `NAME.json`. Kill it midway, and run it again.

use std::fmt::Display;
use std::process::ExitCode;

use es_snapshot::snapshot::SnapshotToken;
use es_snapshot::wait::{AnyOutcome, HowStarted, SnapshotTicket, TicketState};
use es_snapshot::{CreateSnapshot, Error, ErrorKind, Repository, SnapshotClient, Ticket, default_credentials};

/// A request that failed: the status to respond with, and the text for the log.
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

/// A failure of the service's own store.
fn store(error: impl Display) -> Failure {
    Failure(500, format!("store of tickets: {error}"))
}

/// Returns the ticket of a new backup as JSON. Sends nothing: store it, then call [`start_backup`].
pub(crate) fn new_ticket(backups: &Repository, name: &str) -> Result<String, Failure> {
    let ticket = SnapshotTicket::new(backups.name(), name)?.with_token(SnapshotToken::try_random()?);
    serde_json::to_string(&ticket).map_err(store)
}

/// `PUT /backups/{id}`: starts the backup of a stored ticket, or adopts it if it was started
/// before.
pub(crate) async fn start_backup(client: &SnapshotClient, ticket: &str) -> Result<HowStarted, Failure> {
    let ticket: SnapshotTicket = serde_json::from_str(ticket).map_err(store)?;
    let options = ticket.token().cloned().map(|token| CreateSnapshot::new().with_token(token)).unwrap_or_default();
    Ok(client.repository(ticket.repository())?.create_snapshot(ticket.snapshot(), options).await?.how())
}

/// `GET /backups/{id}`: checks the backup of a stored ticket once. The result serialises as JSON.
pub(crate) async fn look_at_backup(client: &SnapshotClient, ticket: &str) -> Result<TicketState, Failure> {
    Ok(client.check(serde_json::from_str::<Ticket>(ticket).map_err(store)?).await?)
}

/// After a restart, for each stored ticket: waits for the end of whatever it names.
pub(crate) async fn finish(client: &SnapshotClient, ticket: &str) -> Result<AnyOutcome, Failure> {
    Ok(client.resume_any(serde_json::from_str(ticket).map_err(store)?).await?)
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
    if !std::fs::exists(&file).map_err(store)? {
        std::fs::write(&file, new_ticket(&client.repository(repository)?, &name)?).map_err(store)?;
    }
    let ticket = std::fs::read_to_string(&file).map_err(store)?;
    println!("{}", start_backup(&client, &ticket).await?);
    println!("{:?}\n{:?}", look_at_backup(&client, &ticket).await?, finish(&client, &ticket).await?);
    std::fs::remove_file(file).map_err(store)
}
