//! `wait` and `watch`, and the waiting of commands that start something.

use std::error::Error as _;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use es_snapshot::clock::{Clock as _, SystemClock};
use es_snapshot::wait::{AnyOutcome, HowStarted, Progress, RestoreTicket, SnapshotTicket, WaitUpdate};
use es_snapshot::{Error, ErrorKind, SnapshotClient, SnapshotState, Ticket};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};

use super::Domain;
use crate::args::{Awaited, Wait, Waiting};
use crate::config::MAX_BYTES;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::records::{DeletionRecord, ProgressRecord, RestoreRecord, SnapshotRecord, StartedRecord};
use crate::output::{Console, describe};

/// The pause between two lines of progress without a terminal.
const MINUTE: Duration = Duration::from_mins(1);

pub(super) async fn run(args: Wait, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let ticket = ticket(&args, &domain.client, console)?;
    reach(&domain.client, &ticket, console).await?;
    let outcome = until_end(&domain.client, &ticket, args.limit.deadline, console).await?;
    report(&ticket, outcome, console)
}

pub(super) async fn watch(args: Wait, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let ticket = ticket(&args, &domain.client, console)?;
    reach(&domain.client, &ticket, console).await?;
    note_ongoing(&ticket, "goes on", console);
    let mut updates = domain.client.resume_any(ticket.clone()).with_deadline(args.limit.deadline).progress();
    while let Some(update) = updates.next().await {
        match update? {
            WaitUpdate::Progress(progress) => console.line(&ProgressRecord::new(&ticket, &progress))?,
            WaitUpdate::Ended(outcome) => return report(&ticket, outcome, console),
            _ => {}
        }
    }
    Ok(())
}

/// Waits for what a command has started, and writes the result. Without waiting, writes the ticket.
pub(super) async fn finish(
    client: &SnapshotClient,
    ticket: Ticket,
    how: HowStarted,
    waiting: &Waiting,
    console: &Console,
) -> Result<(), Failure> {
    if let Err(failure) = store(&ticket, waiting, console) {
        // Not the end: the operation has been started.
        failure.lines(false, &console.resume()).iter().for_each(|line| console.note(line));
    }
    if waiting.detach {
        return console.one(&StartedRecord::new(how, ticket));
    }
    match until_end(client, &ticket, waiting.limit.deadline, console).await {
        Ok(outcome) => report(&ticket, outcome, console),
        Err(failure) => Err(failure.of_wait()),
    }
}

/// Writes the ticket to its file, if there is one.
pub(super) fn store(ticket: &Ticket, waiting: &Waiting, console: &Console) -> Result<(), Failure> {
    let Some(path) = &waiting.ticket else { return Ok(()) };
    let written = serde_json::to_string(ticket).map_err(io::Error::from).and_then(|text| replace(path, &(text + "\n")));
    written.map_err(|error| Failure::usage(format!("the ticket cannot be written to {}: {error}", path.display())))?;
    console.set_ticket_file(path.display().to_string());
    Ok(())
}

/// Writes a file as a whole. If that fails, the file has its old content.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let is_special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let (false, Some(name)) = (is_special, path.file_name()) else { return fs::write(path, text) };
    let mut new = name.to_owned();
    new.push(".new");
    let new = path.with_file_name(new);
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

/// Fails at once if the domain cannot be read: a wait would go on until its deadline. A failure
/// that may pass is only shown.
async fn reach(client: &SnapshotClient, ticket: &Ticket, console: &Console) -> Result<(), Failure> {
    match client.check(ticket.clone()).await {
        Err(error) if error.is_transient() => {
            console.note(format!("the domain cannot be read yet: {error}"));
            Ok(())
        }
        // The wait decides whether it is missing: it may not be visible yet.
        Err(error) if error.is_not_found() => Ok(()),
        checked => Ok(checked.map(drop)?),
    }
}

/// Waits for the end of the operation, and shows its progress on standard error.
async fn until_end(
    client: &SnapshotClient,
    ticket: &Ticket,
    deadline: Duration,
    console: &Console,
) -> Result<AnyOutcome, Failure> {
    note_ongoing(ticket, "goes on", console);
    let meter = console.meter();
    let mut updates = client.resume_any(ticket.clone()).with_deadline(deadline).progress();
    let mut latest: Option<Progress> = None;
    let mut minute = SystemClock.sleep(MINUTE);
    loop {
        match select(updates.next(), minute).await {
            Either::Left((Some(Ok(WaitUpdate::Ended(outcome))), _)) => return Ok(outcome),
            Either::Left((Some(Ok(WaitUpdate::Progress(progress))), rest)) => {
                if !meter.show(&progress) && latest.is_none() {
                    console.note(format!("{}: {}", described(ticket), describe(&progress)));
                }
                latest = Some(progress);
                minute = rest;
            }
            Either::Left((Some(Err(error)), _)) => return Err(ended(error, latest.is_some())),
            Either::Left((_, rest)) => minute = rest,
            Either::Right(_) => {
                match &latest {
                    Some(progress) if meter.show(progress) => {}
                    Some(progress) => console.note(format!("{}: {}", described(ticket), describe(progress))),
                    None => console.note(format!("{}: no progress is known yet", described(ticket))),
                }
                minute = SystemClock.sleep(MINUTE);
            }
        }
    }
}

/// Returns the failure of a wait. If the wait has seen nothing until its deadline, the reason
/// counts.
fn ended(error: Error, has_seen: bool) -> Failure {
    let reason = error.source().and_then(|source| source.downcast_ref::<Error>()).map(Exit::of);
    match reason {
        Some(exit @ (Exit::NotFound | Exit::Denied)) if !has_seen && error.kind() == ErrorKind::Deadline => {
            Failure::Call(exit, error)
        }
        _ => error.into(),
    }
}

/// Notes what is true of the operation if the command is interrupted now.
pub(super) fn note_ongoing(ticket: &Ticket, state: &str, console: &Console) {
    note_ongoing_by(ticket, state, &console.resume().command(ticket), console);
}

/// Notes that the operation may have been started, in case that the command is interrupted before
/// it knows.
pub(super) fn note_uncertain(ticket: &Ticket, state: &str, console: &Console) {
    note_ongoing_by(ticket, state, &console.resume().exact(ticket), console);
}

fn note_ongoing_by(ticket: &Ticket, state: &str, command: &str, console: &Console) {
    console.set_ongoing(Some(format!("{} {state}; to wait for it: {command}", described(ticket))));
}

fn described(ticket: &Ticket) -> String {
    let what = match ticket {
        Ticket::Restore(_) => "the restore of ",
        Ticket::Deletion(_) => "the deletion of ",
        _ => "snapshot ",
    };
    format!("{what}{}:{}", ticket.repository(), ticket.snapshot())
}

/// Writes how the operation has ended. An incomplete result is a failure.
fn report(ticket: &Ticket, outcome: AnyOutcome, console: &Console) -> Result<(), Failure> {
    console.set_ongoing(None);
    match outcome {
        AnyOutcome::Snapshot(snapshot) => {
            console.one(&SnapshotRecord::new(ticket.repository().as_str(), &snapshot))?;
            let exit = if *snapshot.state() == SnapshotState::Partial { Exit::Partly } else { Exit::Failed };
            snapshot.into_complete().map(drop).map_err(|error| Failure::Call(exit, error))
        }
        AnyOutcome::Restore(report) => {
            console.one(&RestoreRecord::new(ticket, &report))?;
            let lost = report.unrestored().len() as u64;
            let exit = if lost < report.shards_total() { Exit::Partly } else { Exit::Failed };
            report.into_complete().map(drop).map_err(|error| Failure::Call(exit, error))
        }
        _ => console.one(&DeletionRecord {
            repository: ticket.repository().to_string(),
            snapshot: ticket.snapshot().to_string(),
            uuid: None,
            result: "deleted",
            error: None,
        }),
    }
}

/// Returns the ticket that the arguments contain or name.
fn ticket(args: &Wait, client: &SnapshotClient, console: &Console) -> Result<Ticket, Failure> {
    if let Some(path) = &args.ticket {
        let text = read_ticket(path)
            .map_err(|error| Failure::usage(format!("the ticket {} cannot be read: {error}", path.display())))?;
        // Standard input cannot be read again.
        if path.as_os_str() != "-" {
            console.set_ticket_file(path.display().to_string());
        }
        return serde_json::from_str(&text)
            .map_err(|error| Failure::usage(format!("{} is not a ticket: {error}", path.display())));
    }
    let (Some(repository), Some(snapshot)) = (&args.repository, &args.snapshot) else {
        return Err(Failure::usage("a repository and a snapshot, or --ticket, must be given"));
    };
    Ok(match args.awaited {
        Awaited::Snapshot => SnapshotTicket::new(repository, snapshot)?.into(),
        Awaited::Restore => RestoreTicket::new(repository, snapshot)?.into(),
        Awaited::Deletion => client.repository(repository)?.snapshot(snapshot)?.wait_for_deletion().ticket().clone(),
    })
}

fn read_ticket(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    if path.as_os_str() == "-" {
        io::stdin().lock().take(MAX_BYTES).read_to_string(&mut text)?;
    } else {
        fs::File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_replaced_keeps_its_content() {
        let folder = std::env::temp_dir().join(format!("es-snapshot-ticket-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("t.json");
        replace(&path, "old").unwrap();
        fs::create_dir_all(folder.join("t.json.new")).unwrap();

        let result = replace(&path, "new");

        assert!(result.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        fs::remove_dir_all(&folder).unwrap();
    }
}
