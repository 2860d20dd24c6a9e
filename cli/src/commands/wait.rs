//! `wait` and `watch`, and the waiting of commands that start something.

use std::error::Error as _;
use std::time::Duration;

use es_snapshot::clock::{Clock as _, SystemClock};
use es_snapshot::wait::{AnyOutcome, HowStarted, Progress, RestoreTicket, SnapshotTicket, WaitUpdate};
use es_snapshot::{Error, ErrorKind, SnapshotClient, SnapshotState, Ticket, Timeouts};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};

use super::Domain;
use crate::args::{Awaited, Wait, Waiting};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::records::{DeletionRecord, ProgressRecord, RestoreRecord, SnapshotRecord, StartedRecord};
use crate::output::{Console, describe};
use crate::ticket_file;

/// The limit of the read before a wait.
const FIRST_READ: Duration = Duration::from_secs(5);

/// The pause between two lines of progress without a terminal.
const MINUTE: Duration = Duration::from_mins(1);

pub(super) async fn run(args: Wait, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let ticket = ticket(&args, &domain.client, console)?;
    note_ongoing(&ticket, "goes on", console);
    reach(&domain.client, &ticket, console).await?;
    let outcome = until_end(&domain.client, &ticket, args.limit.deadline, console).await?;
    report(&ticket, outcome, console)
}

pub(super) async fn watch(args: Wait, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let ticket = ticket(&args, &domain.client, console)?;
    note_ongoing(&ticket, "goes on", console);
    reach(&domain.client, &ticket, console).await?;
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
    ticket_file::write(path, ticket)?;
    console.set_ticket_file(path.display().to_string());
    Ok(())
}

/// Fails at once without credentials: the wait would look for them until its deadline. All other
/// failures are those of the wait, and the first one is shown.
async fn reach(client: &SnapshotClient, ticket: &Ticket, console: &Console) -> Result<(), Failure> {
    let hurried = client.with_timeouts(Timeouts::new().with_call(FIRST_READ));
    match hurried.check(ticket.clone()).await {
        Err(error) if error.kind() == ErrorKind::Credentials && !error.is_transient() => Err(error.into()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => {
            console.note(format!("the domain cannot be read yet: {error}"));
            Ok(())
        }
        Ok(_) => Ok(()),
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

/// Notes that the operation may have been started, in case the command is interrupted before
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
        let ticket = ticket_file::read(path)?;
        // Standard input cannot be read again.
        if path.as_os_str() != ticket_file::STANDARD_INPUT {
            console.set_ticket_file(path.display().to_string());
        }
        return Ok(ticket);
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
