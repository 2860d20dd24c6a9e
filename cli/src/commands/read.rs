//! `show` and `status`.

use super::Domain;
use crate::args::{Show, Status};
use crate::failure::Failure;
use crate::output::Console;
use crate::output::records::{SnapshotRecord, StatusRecord};

pub(super) async fn show(args: Show, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let repository = &args.target.repository;
    let snapshot = domain.client.repository(repository)?.snapshot(args.name)?.info().await?;
    console.one(&SnapshotRecord::new(repository.as_str(), &snapshot))
}

pub(super) async fn status(args: Status, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let statuses = match (&args.repository, &args.name) {
        (Some(repository), Some(name)) => {
            vec![domain.client.repository(repository)?.snapshot(name)?.status().await?]
        }
        _ => domain.client.running_snapshots().await?,
    };
    let repository = args.repository.as_ref().map(AsRef::as_ref);
    let records: Vec<StatusRecord<'_>> = statuses.iter().map(|status| StatusRecord::new(repository, status)).collect();
    console.all(&records)
}
