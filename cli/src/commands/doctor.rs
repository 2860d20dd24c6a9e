//! `doctor`: a checklist of the domain and its repositories.

use es_snapshot::doctor::{Examination, Report, Status, examine};

use super::Domain;
use crate::args::{Doctor, Format};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Console;
use crate::output::records::CheckRecord;

pub(super) async fn run(args: Doctor, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let examination = Examination::new().with_verify(!args.no_verify).with_max_age(args.max_age);
    let examination = match args.repository {
        Some(repository) => examination.with_repository(repository),
        None => examination,
    };
    let report = examine(&domain.client, &examination).await;
    if console.format() == Format::Table {
        // Evidence and remedies are sentences, which a table would make too wide.
        console.text(format!("{report}\n").as_bytes())?;
    } else {
        console.all(&report.checks().iter().map(CheckRecord::new).collect::<Vec<_>>())?;
    }
    verdict(&report)
}

/// Fails with the exit code of the worst check.
fn verdict(report: &Report) -> Result<(), Failure> {
    let exit = match report.worst() {
        Status::Fail => Exit::Failed,
        Status::Warn => Exit::Partly,
        _ => return Ok(()),
    };
    let found = report.problems().count();
    Err(Failure::Stopped(exit, format!("{found} of {} checks found a problem", report.checks().len())))
}
