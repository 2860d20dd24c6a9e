//! `delete`: shows snapshots, asks, and deletes exactly these.

use std::time::Duration;

use es_snapshot::name::SnapshotName;
use es_snapshot::{ErrorKind, ListSnapshots, Repository, SnapshotClient, SnapshotInfo, SnapshotPattern, Ticket};
use futures_util::StreamExt as _;

use super::Domain;
use super::list::{is_nothing_found, is_older};
use super::wait::note_uncertain;
use crate::args::{Delete, Format};
use crate::confirm::confirm;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::records::DeletionRecord;
use crate::output::{Console, counted, printable};
use crate::words::in_flags;

pub(super) async fn run(args: Delete, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let client = domain.client.with_queue_time(args.patience.queue);
    let repository = client.repository(&args.target.repository)?;
    let listed = match (&args.pattern, args.older_than) {
        (Some(pattern), Some(age)) => aged(&client, &repository, pattern.clone(), age, console).await?,
        _ => listed(&repository, &args).await?,
    };
    if args.consent.dry_run {
        let planned: Vec<DeletionRecord> = listed.iter().map(|listed| record(&repository, listed, "planned")).collect();
        return console.all(&planned);
    }
    if !listed.is_empty() {
        for snapshot in &listed {
            console.note(format!("  {}  {}", printable(snapshot.name()), printable(snapshot.state().as_str())));
        }
        let (count, name) = (listed.len(), repository.name());
        let question = format!("Delete {} of {name} on {}?", counted(count, "snapshot", "snapshots"), domain.name);
        confirm(console, args.consent, &question).await?;
    }
    delete(&repository, &listed, console).await
}

/// Returns the snapshots to delete, as they are now.
async fn listed(repository: &Repository, args: &Delete) -> Result<Vec<SnapshotInfo>, Failure> {
    let pattern = match &args.pattern {
        Some(pattern) => pattern.clone(),
        None => SnapshotPattern::from_names(args.names.iter().cloned())?,
    };
    let found = found(repository, pattern).await?;
    let is_listed = |name: &&SnapshotName| found.iter().any(|snapshot| snapshot.name() == name.as_str());
    let missing: Vec<&str> =
        args.names.iter().filter(|name| !is_listed(name)).map(es_snapshot::name::SnapshotName::as_str).collect();
    if missing.is_empty() {
        return Ok(found);
    }
    let text = format!("{} has no snapshot {}; nothing was deleted", repository.name(), missing.join(", "));
    Err(Failure::Stopped(Exit::NotFound, text))
}

/// Returns the snapshots that match and started longer ago than this.
async fn aged(
    client: &SnapshotClient,
    repository: &Repository,
    pattern: SnapshotPattern,
    age: Duration,
    console: &Console,
) -> Result<Vec<SnapshotInfo>, Failure> {
    let mut snapshots = repository.snapshots(ListSnapshots::new().with_pattern(pattern));
    let (mut aged, mut count, mut unreadable) = (Vec::new(), 0, Vec::new());
    while let Some(snapshot) = snapshots.next().await {
        match snapshot {
            // The response has shown the domain's time by now.
            Ok(snapshot) if is_older(&snapshot, age, client.now()) => aged.push(snapshot),
            Ok(_) => count += 1,
            // The rest of the list follows.
            Err(error) if matches!(error.kind(), ErrorKind::Repository | ErrorKind::SnapshotMissing) => {
                unreadable.push(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    if count + aged.len() == 0 && unreadable.len() == 1 {
        // Either nothing matches the pattern, or the server cannot list anything.
        let only = unreadable.remove(0);
        return if is_nothing_found(&only) { Ok(aged) } else { Err(only.into()) };
    }
    for error in &unreadable {
        console.note(in_flags(&format!("warning: kept, because its age is not known: {error}")));
    }
    Ok(aged)
}

/// Returns the snapshots that match. The server needs no file of them, so damaged ones are found.
async fn found(repository: &Repository, pattern: SnapshotPattern) -> Result<Vec<SnapshotInfo>, Failure> {
    let options = ListSnapshots::new().with_pattern(pattern).with_verbose(false).with_ignore_unavailable(true);
    match repository.list(options).await {
        Ok(list) => Ok(list.into_iter().collect()),
        Err(error) if error.kind() == ErrorKind::SnapshotMissing => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Deletes the snapshots one after the other, and writes the result of each. The reader of the
/// output may have gone: that does not end the deletions, which were agreed to.
async fn delete(repository: &Repository, listed: &[SnapshotInfo], console: &Console) -> Result<(), Failure> {
    let mut listing = console.listing::<DeletionRecord>();
    let (mut failures, mut written) = (Vec::new(), Ok(()));
    for snapshot in listed {
        let deleted = delete_one(repository, snapshot, console).await;
        let result = match &deleted {
            Ok(()) => "deleted",
            Err(failure) if failure.exit() == Exit::Unknown => "unknown",
            Err(_) => "failed",
        };
        let mut record = record(repository, snapshot, result);
        if let Err(failure) = deleted {
            record.error = failure.lines(false, &console.resume()).into_iter().next();
            failures.push(failure);
        }
        if record.error.is_none() || console.format() != Format::Name {
            // At once, because the command may be interrupted.
            let shown = listing.push(&record).and_then(|()| listing.flush());
            written = written.and(shown);
        }
    }
    console.set_ongoing(None);
    let written = written.and(listing.finish::<DeletionRecord>());
    let failed = failures.len();
    let Some(worst) = failures.iter().position(|failure| failure.exit() == Exit::Unknown).or((failed > 0).then_some(0))
    else {
        return written;
    };
    let worst = failures.swap_remove(worst);
    if failed == listed.len() || worst.exit() == Exit::Unknown {
        return Err(worst);
    }
    Err(Failure::partly(format!("{failed} of {} snapshots were not deleted", listed.len())))
}

/// Deletes a snapshot, unless another one has taken its name since it was listed.
async fn delete_one(repository: &Repository, listed: &SnapshotInfo, console: &Console) -> Result<(), Failure> {
    let name: SnapshotName = listed.name().parse()?;
    let uuid = listed.uuid().ok_or_else(|| {
        Failure::refused(format!(
            "the server reports no uuid for {}:{name}, so it may be another one",
            repository.name()
        ))
    })?;
    let snapshot = repository.snapshot(&name)?.with_uuid(uuid);
    let ticket: Ticket = snapshot.wait_for_deletion().ticket().clone();
    note_uncertain(&ticket, "may go on", console);
    match snapshot.delete().await {
        Err(error) if error.kind() == ErrorKind::SnapshotMissing => {
            let replaced = !found(repository, name.clone().into()).await?.is_empty();
            let text = format!("another snapshot has taken the name {}:{name} since it was listed", repository.name());
            Err(if replaced { Failure::refused(text) } else { error.into() })
        }
        result => Ok(result?),
    }
}

fn record(repository: &Repository, listed: &SnapshotInfo, result: &'static str) -> DeletionRecord {
    DeletionRecord {
        repository: repository.name().to_string(),
        snapshot: listed.name().to_owned(),
        uuid: listed.uuid().map(str::to_owned),
        result,
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use es_snapshot::CreateSnapshot;
    use es_snapshot::testing::{FakeDomain, Fault};

    use super::*;
    use crate::output::Streams;

    fn console() -> Console {
        let streams = Streams {
            out: Box::new(std::io::sink()),
            notes: Box::new(std::io::sink()),
            out_is_terminal: false,
            notes_are_terminal: false,
            can_ask: false,
            colours: false,
        };
        Console::new(Format::Table, streams)
    }

    async fn with_snapshot(name: &str) -> (FakeDomain, Repository) {
        let domain = FakeDomain::with_repository("backups").await;
        let repository = domain.client().repository("backups").unwrap();
        repository.create_snapshot(name, CreateSnapshot::new()).await.unwrap().wait().await.unwrap();
        (domain, repository)
    }

    #[tokio::test]
    async fn refuses_a_snapshot_that_has_taken_the_name_of_a_listed_one() {
        let (domain, repository) = with_snapshot("monday").await;
        let listed = found(&repository, SnapshotPattern::all()).await.unwrap();
        domain.another_client_deletes("backups", "monday");
        domain.another_client_creates("backups", "monday");

        let failure = delete(&repository, &listed, &console()).await.unwrap_err();

        assert_eq!(failure.exit(), Exit::Refused);
        assert_eq!(domain.snapshots("backups").len(), 1);
    }

    #[tokio::test]
    async fn reports_a_listed_snapshot_that_is_gone_as_not_found() {
        let (domain, repository) = with_snapshot("monday").await;
        let listed = found(&repository, SnapshotPattern::all()).await.unwrap();
        domain.another_client_deletes("backups", "monday");

        let failure = delete(&repository, &listed, &console()).await.unwrap_err();

        assert_eq!(failure.exit(), Exit::NotFound);
    }

    /// Matches the requests with this method whose number is in the range. The first is number 1.
    fn nth(method: &'static str, numbers: RangeInclusive<usize>) -> impl Fn(&str, &str) -> bool {
        let count = AtomicUsize::new(0);
        move |actual, _| actual == method && numbers.contains(&(count.fetch_add(1, Ordering::SeqCst) + 1))
    }

    #[tokio::test]
    async fn an_unknown_outcome_counts_more_than_the_deletions_that_are_known() {
        let (domain, repository) = with_snapshot("monday").await;
        for name in ["tuesday", "wednesday"] {
            repository.create_snapshot(name, CreateSnapshot::new()).await.unwrap().wait().await.unwrap();
        }
        let listed = found(&repository, SnapshotPattern::all()).await.unwrap();
        domain.fault(Fault::drop_after().on(nth("DELETE", 2..=2)));
        domain.fault(Fault::status(403, r#"{"Message":"no"}"#, "application/json").on(nth("GET", 3..=usize::MAX)));

        let failure = delete(&repository, &listed, &console()).await.unwrap_err();

        assert_eq!(failure.exit(), Exit::Unknown);
        assert_eq!(domain.snapshots("backups").len(), 1);
    }

    #[tokio::test]
    async fn fails_if_the_ages_cannot_be_read_at_all() {
        let (domain, repository) = with_snapshot("monday").await;
        let body = r#"{"error":{"type":"repository_exception","reason":"[backups] could not read repository data"}}"#;
        domain.fault(Fault::status(500, body, "application/json").on_method("GET"));

        let listed = aged(&domain.client(), &repository, SnapshotPattern::all(), Duration::ZERO, &console()).await;

        assert_eq!(listed.unwrap_err().exit(), Exit::Failed);
    }

    #[tokio::test]
    async fn deletes_the_others_if_one_is_refused() {
        let (domain, repository) = with_snapshot("monday").await;
        repository.create_snapshot("tuesday", CreateSnapshot::new()).await.unwrap().wait().await.unwrap();
        let listed = found(&repository, SnapshotPattern::all()).await.unwrap();
        domain.another_client_deletes("backups", "monday");
        domain.another_client_creates("backups", "monday");

        let failure = delete(&repository, &listed, &console()).await.unwrap_err();

        assert_eq!(failure.exit(), Exit::Partly);
        assert_eq!(domain.snapshots("backups")[0].name, "monday");
    }
}
