//! Plays the transcripts in `tests/transcripts`, each on a fake domain.
//!
//! `TRYCMD=overwrite cargo test -p es-snapshot-cli --test transcripts` writes what the program
//! writes now.

#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use es_snapshot::testing::{FakeDamage, FakeDomain, FakeOutcome};
use support::{at_real_time, domain, partial, variables};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Places a snapshot that was taken this many days before the domain's time.
fn place(domain: &FakeDomain, name: &str, days: u32, outcome: FakeOutcome) {
    let now = domain.client().now();
    domain.place_snapshot("backups", name, now - days * DAY, outcome);
}

/// Plays one transcript.
async fn play(name: &str, domain: &FakeDomain) {
    let cases = trycmd::TestCases::new();
    for (name, value) in variables(domain).await {
        cases.env(name, value);
    }
    let host = domain.endpoint().trim_start_matches("http://").to_owned();
    cases.insert_var("[HOST]", host).unwrap();
    cases.case(format!("tests/transcripts/{name}.md")).run();
}

#[test]
fn the_examples_of_the_readme_are_parts_of_the_transcripts() {
    let transcripts: String = fs::read_dir("tests/transcripts")
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    let readme = fs::read_to_string("README.md").unwrap();

    let examples: Vec<&str> = readme.split("```").filter(|block| block.starts_with("console\n")).collect();

    assert!(examples.len() >= 4);
    for example in examples {
        assert!(transcripts.contains(example), "{example}");
    }
}

#[test]
fn the_table_of_exit_codes_in_the_readme_is_that_of_the_help() {
    let help = fs::read_to_string("tests/transcripts/help.md").unwrap();
    let codes = help.lines().skip_while(|line| *line != "Exit codes:").skip(1).take_while(|line| !line.is_empty());
    let readme = fs::read_to_string("README.md").unwrap();

    for (code, meaning) in codes.map(|line| line.trim().split_once("  ").unwrap()) {
        let row = format!("| {code} | {meaning} |");
        assert!(readme.contains(&row), "{row}");
    }
}

#[test]
fn the_guide_shows_the_generated_documents() {
    let guide = fs::read_to_string("../docs/guide.md").unwrap();
    let arguments = [
        ["--bucket", "my-bucket-4-es"],
        ["--domain", "arn:aws:es:ap-northeast-1:123456789012:domain/logs"],
        ["--role-arn", "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot"],
    ];

    for name in ["role-trust", "bucket-access", "caller", "caller-trust"] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_es-snapshot"));
        let output = program.args(["iam", "--document", name]).args(arguments.as_flattened()).output().unwrap();
        let block = format!("```json {name}\n{}```\n", String::from_utf8(output.stdout).unwrap());
        assert!(guide.contains(&block), "the guide should contain\n{block}");
    }
}

#[tokio::test]
async fn the_help_of_every_command() {
    play("help", &domain().await).await;
}

#[tokio::test]
async fn repositories_are_registered_and_unregistered() {
    play("repositories", &domain().await).await;
}

#[tokio::test]
async fn snapshots_are_taken() {
    play("take", &domain().await).await;
}

#[tokio::test]
async fn a_partial_snapshot_names_the_failed_shards() {
    let domain = domain().await;
    domain.plan_snapshot(partial());

    play("partial", &domain).await;
}

#[tokio::test]
async fn snapshots_are_listed_and_shown() {
    let domain = domain().await;
    place(&domain, "weekly", 9, FakeOutcome::Success);
    place(&domain, "nightly-1", 2, FakeOutcome::Success);
    place(&domain, "nightly-2", 1, partial());

    play("list", &domain).await;
}

#[tokio::test]
async fn a_list_with_a_damaged_snapshot_is_not_complete() {
    let domain = domain().await;
    place(&domain, "nightly-1", 2, FakeOutcome::Success);
    place(&domain, "nightly-2", 1, FakeOutcome::Success);
    domain.damage_snapshot("backups", "nightly-1", FakeDamage::Lost);

    play("damaged", &domain).await;
}

#[tokio::test]
async fn snapshots_are_deleted() {
    let domain = domain().await;
    for (name, days) in [("weekly", 9), ("nightly-1", 3), ("nightly-2", 2), ("nightly-3", 1)] {
        place(&domain, name, days, FakeOutcome::Success);
    }

    play("delete", &domain).await;
}

#[tokio::test]
async fn snapshots_are_restored() {
    let domain = domain().await;
    place(&domain, "monday", 1, FakeOutcome::Success);

    play("restore", &domain).await;
}

#[tokio::test]
async fn what_was_started_is_awaited() {
    let domain = domain().await;
    place(&domain, "monday", 1, FakeOutcome::Success);

    play("waiting", &domain).await;
}

#[tokio::test]
async fn access_is_refused_with_a_remedy() {
    let domain = domain().await;
    domain.deny("es:ESHttpGet");

    play("access", &domain).await;
}

#[tokio::test]
async fn a_domain_is_examined() {
    // The examination compares the clocks.
    let domain = at_real_time(FakeDomain::builder()).await;
    place(&domain, "nightly", 2, FakeOutcome::Success);

    play("doctor", &domain).await;
}

#[tokio::test]
async fn the_iam_documents_are_printed() {
    play("iam", &domain().await).await;
}

#[tokio::test]
async fn the_demo_shows_the_procedure_on_a_fake_domain() {
    play("demo", &domain().await).await;
}
