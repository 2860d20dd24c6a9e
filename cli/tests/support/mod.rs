//! A fake domain on loopback, and commands of the program that use it. Each test uses a part.

#![allow(dead_code, reason = "each test uses a part")]

use std::process::{Command, Stdio};
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials as _;
use es_snapshot::testing::{FakeDomain, FakeDomainBuilder, FakeOutcome, ManualClock};

/// Starts a domain that checks signatures.
pub(crate) async fn domain() -> FakeDomain {
    started(FakeDomain::builder()).await
}

/// Starts a domain with the repository `backups` and an index. Its clock stands still, and what is
/// started ends at once.
pub(crate) async fn started(builder: FakeDomainBuilder) -> FakeDomain {
    at_real_time(builder.clock(ManualClock::at("2026-05-01T00:00:00Z"))).await
}

/// Starts such a domain, whose clock goes unless the builder has another one.
pub(crate) async fn at_real_time(builder: FakeDomainBuilder) -> FakeDomain {
    let builder = builder.seed(7);
    let domain = builder.snapshots_take(Duration::ZERO).restores_take(Duration::ZERO).start().await;
    domain.create_repository("backups");
    domain.create_index("movies", 2);
    domain
}

/// Returns the outcome of a snapshot that lacks a shard of the index.
pub(crate) fn partial() -> FakeOutcome {
    FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 1)] }
}

/// Returns the variables with which the program reaches the domain, and signs for it.
pub(crate) async fn variables(domain: &FakeDomain) -> Vec<(&'static str, String)> {
    let credentials = domain.credentials_provider().provide_credentials().await.unwrap();
    vec![
        ("ES_SNAPSHOT_ENDPOINT", domain.endpoint()),
        ("ES_SNAPSHOT_REGION", domain.region()),
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id().to_owned()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key().to_owned()),
        ("AWS_SESSION_TOKEN", credentials.session_token().unwrap_or_default().to_owned()),
        ("HOME", "/nonexistent".to_owned()),
    ]
}

/// Returns the program with these arguments. It inherits nothing of the environment.
pub(crate) async fn program(domain: &FakeDomain, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_es-snapshot"));
    command.args(arguments).env_clear().envs(variables(domain).await).stdin(Stdio::null());
    command
}

/// Runs the program, and returns its exit code with both streams.
pub(crate) async fn exit(domain: &FakeDomain, arguments: &[&str]) -> (i32, String) {
    let output = program(domain, arguments).await.output().unwrap();
    let text = [output.stdout, output.stderr].map(|stream| String::from_utf8(stream).unwrap()).concat();
    (output.status.code().unwrap(), text)
}
