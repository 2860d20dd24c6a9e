//! Each exit code, provoked.

#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use es_snapshot::testing::{FakeDomain, FakeOutcome, Fault};
use support::{domain, exit, partial, program};

async fn with_snapshots(names: &[&str]) -> FakeDomain {
    let domain = domain().await;
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_777_000_000);
    for name in names {
        domain.place_snapshot("backups", name, start, FakeOutcome::Success);
    }
    domain
}

#[tokio::test]
async fn exits_with_0_after_a_complete_snapshot() {
    let domain = domain().await;

    let (code, text) = exit(&domain, &["take", "backups", "monday"]).await;

    assert_eq!(code, 0, "{text}");
    assert_eq!(domain.snapshots("backups").len(), 1);
}

#[tokio::test]
async fn exits_with_1_if_the_name_is_taken() {
    let domain = with_snapshots(&["monday"]).await;

    let (code, text) = exit(&domain, &["take", "backups", "monday"]).await;

    assert_eq!(code, 1, "{text}");
}

#[tokio::test]
async fn exits_with_1_after_a_failed_snapshot() {
    let domain = domain().await;
    domain.plan_snapshot(FakeOutcome::Failed { reason: "no space left".to_owned() });

    let (code, text) = exit(&domain, &["take", "backups", "monday"]).await;

    assert_eq!(code, 1, "{text}");
}

#[tokio::test]
async fn exits_with_2_if_a_name_is_not_valid_and_sends_nothing() {
    let domain = domain().await;

    let (code, text) = exit(&domain, &["delete", "..", "myindex", "--yes"]).await;

    assert_eq!(code, 2, "{text}");
    assert_eq!(domain.event_count(), 0);
}

#[tokio::test]
async fn exits_with_3_after_a_partial_snapshot() {
    let domain = domain().await;
    domain.plan_snapshot(partial());

    let (code, text) = exit(&domain, &["take", "backups", "monday"]).await;

    assert_eq!(code, 3, "{text}");
}

#[tokio::test]
async fn exits_with_3_if_a_shard_was_not_restored() {
    let domain = with_snapshots(&["monday"]).await;
    domain.fail_restore_shard("restored-movies", 1);

    let arguments = ["restore", "backups", "monday", "--rename", "(.+)", "restored-$1", "--yes"];
    let (code, text) = exit(&domain, &arguments).await;

    assert_eq!(code, 3, "{text}");
    assert!(text.contains("restored-movies[1]"), "{text}");
}

#[tokio::test]
async fn exits_with_4_if_the_response_is_lost_and_the_domain_cannot_be_checked() {
    let domain = domain().await;
    // The first request is refused for its time, and corrects the clock. The second is carried out.
    domain.fault(Fault::drop_after().on_method("PUT").times(2));
    domain.fault(Fault::status(403, r#"{"Message":"not allowed"}"#, "application/json").on_method("GET"));

    let (code, text) = exit(&domain, &["take", "backups", "monday"]).await;

    assert_eq!(code, 4, "{text}");
    assert!(text.contains("resume: printf %s '{"), "{text}");
    assert!(text.contains("| es-snapshot wait --ticket - "), "{text}");
}

#[tokio::test]
async fn exits_with_5_without_a_confirmation_and_deletes_nothing() {
    let domain = with_snapshots(&["monday"]).await;

    let (code, text) = exit(&domain, &["delete", "backups", "monday"]).await;

    assert_eq!(code, 5, "{text}");
    assert_eq!(domain.snapshots("backups").len(), 1);
}

#[tokio::test]
async fn exits_with_6_if_a_named_snapshot_is_missing_and_deletes_none() {
    let domain = with_snapshots(&["monday"]).await;

    let (code, text) = exit(&domain, &["delete", "backups", "monday", "tuesday", "--yes"]).await;

    assert_eq!(code, 6, "{text}");
    assert_eq!(domain.snapshots("backups").len(), 1);
}

#[tokio::test]
async fn exits_with_7_if_a_policy_denies_the_request() {
    let domain = domain().await;
    domain.deny("es:ESHttpGet");

    let (code, text) = exit(&domain, &["list", "backups"]).await;

    assert_eq!(code, 7, "{text}");
    assert!(text.contains("remedy: ") && text.contains("es:ESHttpGet"), "{text}");
}

#[tokio::test]
async fn exits_with_8_if_the_deadline_passes_and_shows_how_to_resume() {
    let domain = domain().await;
    domain.hold_snapshots(true);

    let (code, text) = exit(&domain, &["take", "backups", "monday", "--deadline", "1s"]).await;

    assert_eq!(code, 8, "{text}");
    assert!(text.contains("resume: es-snapshot wait backups monday"), "{text}");
}

#[tokio::test]
async fn exits_with_8_if_a_started_snapshot_can_no_longer_be_read() {
    let domain = domain().await;
    domain.hold_snapshots(true);
    domain.deny("es:ESHttpGet");

    let (code, text) = exit(&domain, &["take", "backups", "monday"]).await;

    assert_eq!(code, 8, "{text}");
    assert!(text.contains("resume: es-snapshot wait backups monday"), "{text}");
    assert_eq!(domain.snapshots("backups").len(), 1);
}

#[tokio::test]
async fn exits_with_6_if_what_is_awaited_does_not_exist_until_the_deadline() {
    let domain = domain().await;

    let (code, text) = exit(&domain, &["wait", "backups", "monday", "--deadline", "1s"]).await;

    assert_eq!(code, 6, "{text}");
    assert!(!text.contains("goes on"), "{text}");
}

#[tokio::test]
async fn exits_with_7_if_the_domain_of_a_wait_cannot_be_read() {
    let domain = domain().await;
    domain.deny("es:ESHttpGet");

    let (code, text) = exit(&domain, &["wait", "backups", "monday"]).await;

    assert_eq!(code, 7, "{text}");
}

#[tokio::test]
async fn exits_with_7_if_a_wait_has_no_credentials() {
    let domain = domain().await;
    let mut command = program(&domain, &["wait", "backups", "monday"]).await;
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
        command.env_remove(name);
    }

    let output = command.env("AWS_EC2_METADATA_DISABLED", "true").output().unwrap();

    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(domain.event_count(), 0);
}

#[tokio::test]
async fn exits_with_130_at_ctrl_c_and_the_snapshot_goes_on() {
    let domain = domain().await;
    domain.hold_snapshots(true);
    let mut child = program(&domain, &["take", "backups", "monday"]).await.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().unwrap();

    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());

    assert_eq!(child.wait().unwrap().code(), Some(130));
    let rest: Vec<String> = lines.collect();
    let endpoint = domain.endpoint();
    let resume = format!("es-snapshot wait backups monday --endpoint {endpoint} --region {}", domain.region());
    assert!(first.contains("monday"), "{first}");
    assert!(rest.iter().any(|line| line.contains("goes on") && line.ends_with(&resume)), "{rest:?}");
    assert_eq!(domain.snapshots("backups")[0].state, "IN_PROGRESS");
}
