//! `doctor`: examines a domain and its repositories.

use es_snapshot::doctor::{Examination, Status, examine};

use super::Domain;
use crate::args::Doctor;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Console;
use crate::output::records::CheckRecord;

pub(super) async fn run(args: Doctor, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let mut examination = Examination::new().with_verify(!args.no_verify).with_max_age(args.max_age);
    if let Some(repository) = args.repository {
        examination = examination.with_repository(repository);
    }
    let report = examine(&domain.client, &examination).await;
    console.all(&report.checks().iter().map(CheckRecord::new).collect::<Vec<_>>())?;
    let exit = match report.worst() {
        Status::Fail => Exit::Failed,
        Status::Warn => Exit::Partly,
        _ => return Ok(()),
    };
    let (problems, all) = (report.problems().count(), report.checks().len());
    Err(Failure::Stopped(exit, format!("{problems} of {all} checks found a problem")))
}
