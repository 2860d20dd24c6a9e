//! `demo`: the whole procedure on a fake domain in this process.

use clap::Parser as _;
use es_snapshot::testing::FakeDomain;

use super::{Domain, run_on};
use crate::args::{Cli, Command};
use crate::failure::Failure;
use crate::output::Console;

const ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";

/// The command lines of the procedure.
const PROCEDURE: &[&[&str]] = &[
    &["repo", "register", "backups", "--bucket", "my-bucket-4-es", "--role-arn", ROLE],
    &["repo", "verify", "backups"],
    &["take", "backups", "my-first-snapshot", "--indices", "movies"],
    &["take", "backups", "<nightly-{now/d}>"],
    &["list", "backups"],
    &["doctor", "backups"],
    &["restore", "backups", "my-first-snapshot", "--rename", "(.+)", "restored-$1", "--yes"],
    &["delete", "backups", "my-first-snapshot", "--yes"],
    &["list", "backups"],
];

pub(super) async fn run(console: &Console) -> Result<(), Failure> {
    console.note("This is a fake domain in this process. Nothing is backed up.");
    // Its clock is moved by hand, so that nobody waits.
    let fake = FakeDomain::with_repository("other").await;
    fake.create_index("movies", 3);
    fake.create_index("books", 1);
    let domain = Domain { client: fake.client(), name: "the fake domain".to_owned() };
    for words in PROCEDURE {
        let quoted: Vec<String> = words.iter().map(|word| crate::resume::quoted(word)).collect();
        console.note(format!("\n> es-snapshot {}", quoted.join(" ")));
        let line = Cli::try_parse_from(["es-snapshot"].iter().chain(*words));
        if let Command::OnDomain(command) = line.map_err(|error| Failure::usage(error.to_string()))?.command {
            run_on(&domain, command, console).await?;
        }
    }
    console.note("\nThat was the fake domain. Pass --endpoint to use a real one.");
    Ok(())
}
