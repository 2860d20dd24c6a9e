//! Passwords, configuration, tickets, and the commands that need no domain.

#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod support;

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use es_snapshot::testing::{FakeAuth, FakeDomain};
use support::{domain, exit, program, started, variables};

const PASSWORD: &str = "hunter2-hunter2";

/// Starts a domain with passwords.
async fn with_password() -> FakeDomain {
    let auth = FakeAuth::Basic { user: "admin".to_owned(), password: PASSWORD.to_owned() };
    started(FakeDomain::builder().auth(auth)).await
}

/// Writes a file of these permissions, and returns its path.
fn file(name: &str, text: &str, mode: u32) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

fn alone(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_es-snapshot")).args(arguments).env_clear().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn reads_the_password_from_standard_input() {
    let domain = with_password().await;
    let mut command = program(&domain, &["repo", "list", "--user", "admin", "--password-stdin"]).await;

    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();

    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn reads_the_password_from_a_private_file() {
    let domain = with_password().await;
    let private = file("private", &format!("{PASSWORD}\n"), 0o600);
    let exposed = file("exposed", &format!("{PASSWORD}\n"), 0o640);
    let arguments = ["repo", "list", "--user", "admin", "--password-file"];

    let accepted = exit(&domain, &[&arguments[..], &[private.to_str().unwrap()]].concat()).await;
    let refused = exit(&domain, &[&arguments[..], &[exposed.to_str().unwrap()]].concat()).await;

    assert_eq!((accepted.0, refused.0), (0, 2), "{accepted:?} {refused:?}");
    assert!(refused.1.contains("chmod 600") && !refused.1.contains(PASSWORD), "{refused:?}");
}

#[tokio::test]
async fn refuses_a_configuration_with_a_password_that_others_can_read() {
    let domain = with_password().await;
    let context = format!(
        "default = \"here\"\n[contexts.here]\nendpoint = \"{}\"\nuser = \"admin\"\npassword = \"{PASSWORD}\"\n",
        domain.endpoint()
    );
    let mut codes = Vec::new();

    for (name, mode) in [("private.toml", 0o600), ("exposed.toml", 0o644)] {
        let path = file(name, &context, mode);
        let mut command = program(&domain, &["repo", "list", "--config", path.to_str().unwrap()]).await;
        let status = command.env_remove("ES_SNAPSHOT_ENDPOINT").stdout(Stdio::null()).stderr(Stdio::null()).status();
        codes.push(status.unwrap().code());
    }

    assert_eq!(codes, [Some(0), Some(2)]);
}

#[tokio::test]
async fn signs_the_registration_with_a_role_also_with_a_password() {
    let domain = with_password().await;
    let role = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
    let arguments = ["repo", "register", "logs", "--bucket", "my-bucket-4-es", "--role-arn", role, "--user", "admin"];

    let mut command = program(&domain, &arguments).await;
    let output = command.env("ES_SNAPSHOT_PASSWORD", PASSWORD).output().unwrap();

    assert!(output.status.success(), "{output:?}");
    assert_eq!(domain.repositories(), ["backups", "logs"]);
}

#[tokio::test]
async fn the_log_of_debug_shows_requests_and_no_secret() {
    let domain = domain().await;

    let (code, text) = exit(&domain, &["take", "backups", "monday", "--debug"]).await;

    assert_eq!(code, 0, "{text}");
    assert!(text.contains("create_snapshot") && text.contains("attempt"), "{text}");
    for (name, secret) in variables(&domain).await.iter().filter(|(name, _)| name.starts_with("AWS_")) {
        assert!(!text.contains(secret), "{name}");
    }
}

#[tokio::test]
async fn resumes_with_the_ticket_that_it_has_written() {
    let domain = domain().await;
    let ticket = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("ticket.json");
    let ticket = ticket.to_str().unwrap();

    let taken = exit(&domain, &["take", "backups", "monday", "--detach", "--ticket", ticket]).await;
    let waited = exit(&domain, &["wait", "--ticket", ticket, "-o", "name"]).await;

    assert_eq!((taken.0, waited), (0, (0, "monday\n".to_owned())), "{taken:?}");
}

#[tokio::test]
async fn a_wait_does_not_accept_another_snapshot_of_the_name_in_its_ticket() {
    let domain = domain().await;
    let ticket = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("replaced.json");
    let ticket = ticket.to_str().unwrap();
    exit(&domain, &["take", "backups", "monday", "--ticket", ticket]).await;
    domain.another_client_deletes("backups", "monday");
    domain.another_client_creates("backups", "monday");

    let (code, text) = exit(&domain, &["wait", "--ticket", ticket]).await;

    assert_eq!(code, 6, "{text}");
}

#[test]
fn completions_exist_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let script = alone(&["completions", shell]);
        assert!(script.contains("unregister") && script.contains("ignore-index-setting"), "{shell}");
    }
}

#[test]
fn a_manual_page_exists_for_each_command() {
    assert!(alone(&["man"]).contains("Exit codes:"));
    assert!(alone(&["man", "restore"]).contains("ignore\\-index\\-setting"));
    assert!(alone(&["man", "repo register"]).contains("bucket\\-region"));
}

#[tokio::test]
async fn a_dry_run_refuses_what_the_command_would_refuse() {
    let domain = domain().await;
    for arguments in [
        &["restore", "backups", "monday", "--indices", "", "--dry-run"][..],
        &["repo", "register", "logs", "--bucket", "Bad_Bucket!!", "--dry-run"],
        &["repo", "register", "logs", "--bucket", "b", "--base-path", "/x", "--dry-run"],
    ] {
        let (code, text) = exit(&domain, arguments).await;

        assert_eq!(code, 2, "{text}");
    }
    assert_eq!(domain.event_count(), 0);
}

#[tokio::test]
async fn a_dry_run_of_a_registration_names_the_change() {
    let domain = domain().await;
    let role = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
    for (name, path, change) in
        [("logs", "logs", "register"), ("backups", "backups", "none"), ("backups", "x", "replace")]
    {
        let flags = ["--bucket", "my-bucket-4-es", "--base-path", path, "--role-arn", role, "--dry-run", "-o", "json"];

        let (code, text) = exit(&domain, &[&["repo", "register", name][..], &flags].concat()).await;

        assert_eq!(code, 0, "{text}");
        assert!(text.contains(&format!(r#""change":"{change}""#)), "{text}");
    }
    assert_eq!(domain.repositories(), ["backups"]);
}

#[tokio::test]
async fn a_secret_of_a_repository_is_read_from_a_file_and_not_from_the_command_line() {
    let domain = domain().await;
    let secret = file("secret-key", PASSWORD, 0o600);
    let role = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
    let register = ["repo", "register", "logs", "--bucket", "my-bucket-4-es", "--role-arn", role, "--dry-run"];

    let refused = exit(&domain, &[&register[..], &["--setting", "secret_key=hunter2"]].concat()).await;
    let from_file = format!("secret_key={}", secret.display());
    let accepted = exit(&domain, &[&register[..], &["--setting-file", &from_file]].concat()).await;

    assert!(refused.0 == 2 && refused.1.contains("--setting-file") && !refused.1.contains("hunter2"), "{refused:?}");
    assert!(!accepted.1.contains(PASSWORD), "{accepted:?}");
}

#[tokio::test]
async fn flags_of_s3_are_refused_for_another_type() {
    let domain = domain().await;
    let flags = [
        &["--role-arn", "arn:aws:iam::123456789012:role/Snapshots"][..],
        &["--base-path", "logs"],
        &["--bucket-region", "eu-west-1"],
        &["--bucket-endpoint", "s3.amazonaws.com"],
        &["--server-side-encryption"],
    ];
    for flag in flags {
        for storage in [&["--location", "/mnt"][..], &["--type", "azure"]] {
            let (code, text) = exit(&domain, &[&["repo", "register", "logs"][..], storage, flag].concat()).await;

            assert_eq!(code, 2, "{text}");
        }
    }
    assert_eq!(domain.event_count(), 0);
}
