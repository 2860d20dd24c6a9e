//! `restore`: shows the indices that are written, asks, and waits.

use es_snapshot::restore::PreparedRestore;
use es_snapshot::wait::RestoreTicket;
use es_snapshot::{Error, ErrorKind, RestoreSnapshot, Snapshot, SnapshotInfo};

use super::Domain;
use super::wait::{finish, note_uncertain, store};
use crate::args::Restore;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::records::PlanRecord;
use crate::output::{Console, counted, printable};
use crate::words::in_flags;

pub(super) async fn run(args: Restore, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let client = domain.client.with_queue_time(args.patience.queue);
    let snapshot = client.repository(&args.target.repository)?.snapshot(&args.name)?;
    let info = snapshot.info().await?;
    let snapshot = pinned(snapshot, &info);
    let prepared = prepared(&snapshot, options(&args), console).await?;
    let targets: Option<Vec<String>> =
        prepared.as_ref().map(|prepared| prepared.indices().map(str::to_owned).collect());
    if args.consent.dry_run {
        return console.one(&PlanRecord {
            change: "restore",
            repository: args.target.repository.to_string(),
            snapshot: Some(args.name.to_string()),
            indices: targets,
        });
    }
    let count = match &targets {
        Some(targets) => {
            for target in targets {
                console.note(format!("  {}", printable(target)));
            }
            counted(targets.len(), "index", "indices")
        }
        None => "indices whose names are not known".to_owned(),
    };
    let (repository, name) = (&args.target.repository, &args.name);
    let question =
        format!("Restore {count} from {repository}:{name} on {}? Closed indices are overwritten.", domain.name);
    confirm(console, args.consent, &question).await?;

    let ticket = match &prepared {
        Some(prepared) => prepared.ticket(),
        None => RestoreTicket::new(repository, name)?,
    };
    let ticket = ticket.into();
    store(&ticket, &args.waiting, console)?;
    note_uncertain(&ticket, "may have been started", console);
    let started = match prepared {
        Some(prepared) => client.start(prepared).await?,
        None => snapshot.restore(options(&args)).await?,
    };
    finish(&client, started.ticket().clone().into(), started.how(), &args.waiting, console).await
}

/// Returns a handle that is valid only for the snapshot that was read.
fn pinned(snapshot: Snapshot, info: &SnapshotInfo) -> Snapshot {
    match info.uuid() {
        Some(uuid) => snapshot.with_uuid(uuid),
        None => snapshot,
    }
}

/// Returns the prepared restore, or `None` if the names of its indices cannot be determined.
async fn prepared(
    snapshot: &Snapshot,
    options: RestoreSnapshot,
    console: &Console,
) -> Result<Option<PreparedRestore>, Error> {
    match snapshot.prepare_restore(options).await {
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            console.note(format!(
                "warning: the names of the restored indices are not known: {}",
                in_flags(&error.to_string())
            ));
            Ok(None)
        }
        prepared => prepared.map(Some),
    }
}

fn options(args: &Restore) -> RestoreSnapshot {
    let mut options = RestoreSnapshot::new();
    if !args.indices.is_empty() {
        options = options.with_indices(args.indices.iter().map(ToString::to_string));
    }
    if let [pattern, replacement] = args.rename.as_slice() {
        options = options.with_rename(pattern, replacement);
    }
    if !args.index_settings.is_empty() {
        options = options
            .with_index_settings(args.index_settings.iter().cloned().map(|setting| (setting.key, setting.value)));
    }
    if !args.ignored_settings.is_empty() {
        options = options.with_ignore_index_settings(args.ignored_settings.iter().cloned());
    }
    if args.ignore_unavailable {
        options = options.with_ignore_unavailable(true);
    }
    if args.no_aliases {
        options = options.with_include_aliases(false);
    }
    if args.partial {
        options = options.with_partial(true);
    }
    options
}
