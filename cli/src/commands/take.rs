//! `take`: creates a snapshot and waits for its end.

use es_snapshot::name::SnapshotName;
use es_snapshot::snapshot::SnapshotToken;
use es_snapshot::wait::SnapshotTicket;
use es_snapshot::{CreateSnapshot, Repository};

use super::Domain;
use super::wait::{finish, note_uncertain, store};
use crate::args::{NewName, Take};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Console;
use crate::output::records::PlanRecord;

pub(super) async fn run(args: Take, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let client = domain.client.with_queue_time(args.patience.queue);
    let repository = client.repository(&args.target.repository)?;
    let name = resolved(&args.name, &repository).await?;
    if args.dry_run {
        return console.one(&plan(&repository, name).await?);
    }
    // Chosen here, so that the ticket identifies the snapshot before the request is sent.
    let token = SnapshotToken::try_random()?;
    let ticket = SnapshotTicket::new(repository.name(), &name)?.with_token(token.clone()).into();
    store(&ticket, &args.waiting, console)?;
    note_uncertain(&ticket, "may have been started", console);
    let started = repository.create_snapshot(&name, options(&args).with_token(token)).await?;
    finish(&client, started.ticket().clone().into(), started.how(), &args.waiting, console).await
}

/// Returns the name, with date math resolved by the clock of the domain.
async fn resolved(name: &NewName, repository: &Repository) -> Result<SnapshotName, Failure> {
    match name {
        NewName::Literal(name) => Ok(name.clone()),
        NewName::DateMath(name) => {
            // Any response shows the time of the domain. If this fails, the create fails too.
            let _ = repository.info().await;
            Ok(repository.resolve(name.as_ref().clone())?)
        }
    }
}

fn options(args: &Take) -> CreateSnapshot {
    let mut options = CreateSnapshot::new();
    if !args.indices.is_empty() {
        options = options.with_indices(&args.indices);
    }
    if args.ignore_unavailable {
        options = options.with_ignore_unavailable(true);
    }
    if args.no_global_state {
        options = options.with_include_global_state(false);
    }
    if args.partial {
        options = options.with_partial(true);
    }
    if !args.metadata.is_empty() {
        options = options.with_metadata(args.metadata.iter().cloned().map(|pair| (pair.key, pair.value)).collect());
    }
    options
}

/// Checks that the repository is registered and that no snapshot has the name.
async fn plan(repository: &Repository, name: SnapshotName) -> Result<PlanRecord, Failure> {
    repository.info().await?;
    match repository.snapshot(&name)?.info().await {
        Err(error) if error.is_not_found() => Ok(PlanRecord {
            change: "take",
            repository: repository.name().to_string(),
            snapshot: Some(name.to_string()),
            indices: None,
        }),
        Err(error) => Err(error.into()),
        Ok(_) => {
            let text = format!("the snapshot {}:{name} exists already; choose another name", repository.name());
            Err(Failure::Stopped(Exit::Failed, text))
        }
    }
}
