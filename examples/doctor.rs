//! Examines a domain and its repositories, and prints the report.
//!
//! The exit code is 0 if all is well, 1 if something deserves attention, and 2 if something does
//! not work. Without `--endpoint` it examines a fake domain inside this process. See `--help`.

#![expect(clippy::doc_markdown, rustdoc::bare_urls, reason = "the comments of the arguments are shown as plain text")]

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use es_snapshot::doctor::{Examination, Report, Status, examine};
use es_snapshot::name::RepositoryName;
use es_snapshot::testing::{FakeDomain, FakeOutcome};
use es_snapshot::{Error, SnapshotClient, default_credentials};

/// Examines a domain and its repositories.
///
/// With --endpoint it examines that domain. Credentials come from the environment, the profile, the
/// container or the instance profile. Without --endpoint it examines a fake domain in this process.
#[derive(Parser)]
struct Args {
    /// The domain, such as https://vpc-logs-x1y2.ap-northeast-1.es.amazonaws.com
    #[arg(long)]
    endpoint: Option<String>,
    /// The region to sign for, if the endpoint's host does not contain it
    #[arg(long, requires = "endpoint")]
    region: Option<String>,
    /// Examine only this repository
    #[arg(long, requires = "endpoint")]
    repository: Option<RepositoryName>,
    /// Do not let the nodes write test files to the repositories
    #[arg(long)]
    no_verify: bool,
    /// How old the newest complete snapshot may be, in hours
    #[arg(long, default_value = "25")]
    max_age: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let report = run(Args::parse()).await;
    match &report {
        Ok(report) => println!("{report}"),
        Err(error) => eprintln!("error: {}", error.report()),
    }
    ExitCode::from(report.map_or(2, |report| code(&report)))
}

async fn run(args: Args) -> Result<Report, Error> {
    let max_age = Duration::from_secs(60 * 60) * args.max_age;
    let mut examination = Examination::new().with_verify(!args.no_verify).with_max_age(max_age);
    if let Some(repository) = args.repository {
        examination = examination.with_repository(repository);
    }
    let Some(endpoint) = args.endpoint else { return examine_fake_domain(&examination).await };
    let mut builder = SnapshotClient::builder(endpoint).credentials(default_credentials().await);
    if let Some(region) = args.region {
        builder = builder.region(region);
    }
    Ok(examine(&builder.build()?, &examination).await)
}

/// Examines a fake domain whose newest snapshot is two days old.
pub(crate) async fn examine_fake_domain(examination: &Examination) -> Result<Report, Error> {
    let domain = FakeDomain::with_repository("backups").await;
    let client = domain.client();
    let two_days_ago = client.now() - Duration::from_secs(48 * 60 * 60);
    domain.place_snapshot("backups", "nightly", two_days_ago, FakeOutcome::Success);
    Ok(examine(&client, examination).await)
}

/// Returns the exit code.
pub(crate) fn code(report: &Report) -> u8 {
    match report.worst() {
        Status::Fail => 2,
        Status::Warn => 1,
        _ => 0,
    }
}
