//! The sheet of error texts, and what the cases need to provoke errors without a network.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use aws_credential_types::Credentials;
use bytes::Bytes;
use es_snapshot::testing::{FakeDomain, ManualClock, response, transport_fn};
use es_snapshot::transport::{Body, TransportError};
use es_snapshot::{Error, Repository, RetryPolicy, Snapshot, SnapshotClient, SnapshotClientBuilder};
use http::{Request, Response};
use serde_json::{Value, json};

/// All texts, grouped by room.
#[derive(Default)]
pub(crate) struct Sheet(pub(crate) String);

impl Sheet {
    /// Begins a room.
    pub(crate) fn room(&mut self, heading: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        write!(self.0, "{gap}# {heading}\n\n").unwrap();
    }

    /// Adds an error and its causes.
    pub(crate) fn add(&mut self, label: impl Display, error: &Error) {
        self.add_text(label, &joined(error));
    }

    /// Adds the error of a call that must fail.
    pub(crate) fn refused<T>(&mut self, label: impl Display, result: Result<T, Error>) {
        match result {
            Ok(_) => panic!("{label}: the call succeeded"),
            Err(error) => self.add(label, &error),
        }
    }

    /// Adds a text of another type of error.
    pub(crate) fn add_text(&mut self, label: impl Display, text: &str) {
        writeln!(self.0, "{label}: {}", collapsed(text)).unwrap();
    }
}

/// Returns the text of an error and its causes, on one line.
pub(crate) fn joined(error: &Error) -> String {
    error.report().replace("\ncaused by: ", ": ")
}

/// Cuts runs of one character, so that texts that must be long stay readable.
fn collapsed(text: &str) -> String {
    const SHOWN: usize = 12;
    let mut out = String::new();
    let (mut previous, mut count) = (None, 0);
    for letter in text.chars() {
        count = if previous == Some(letter) { count + 1 } else { 1 };
        previous = Some(letter);
        match count {
            ..=SHOWN => out.push(letter),
            count if count == SHOWN + 1 => out.push_str("<more>"),
            _ => {}
        }
    }
    out
}

pub(crate) fn clock() -> ManualClock {
    ManualClock::at("2026-05-01T00:00:00Z")
}

pub(crate) fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret", None, None, "test")
}

pub(crate) fn signing(builder: SnapshotClientBuilder) -> SnapshotClientBuilder {
    builder.region("eu-west-1").credentials(credentials())
}

/// Runs a call of a client that gets these responses, and returns its result. The client sends each
/// request once, unless `build` changes that.
pub(crate) fn call_with<T>(
    respond: impl Fn(&Request<Bytes>) -> Result<Response<Body>, TransportError> + Send + Sync + 'static,
    build: impl FnOnce(SnapshotClientBuilder) -> SnapshotClientBuilder,
    call: impl AsyncFnOnce(&SnapshotClient) -> Result<T, Error>,
) -> Result<T, Error> {
    let clock = clock();
    let builder = SnapshotClient::builder("https://search.example.org")
        .transport(transport_fn(respond))
        .clock(clock.clone())
        .retry(RetryPolicy::never())
        .seed(1);
    let client = build(builder).build()?;
    clock.block_on(call(&client))
}

/// Returns the result of a read to which the domain responds with this status and body.
pub(crate) fn read(status: u16, body: impl Display) -> Result<(), Error> {
    let body = body.to_string();
    call_with(
        move |_| Ok(response(status, body.clone())),
        |builder| builder,
        async |client| client.repositories().await.map(drop),
    )
}

/// Returns the body of a failure of the engine.
pub(crate) fn engine(status: u16, error_type: &str, reason: &str) -> Value {
    json!({"error": {"type": error_type, "reason": reason}, "status": status})
}

pub(crate) fn backups(client: &SnapshotClient) -> Repository {
    client.repository("backups").unwrap()
}

pub(crate) fn monday(client: &SnapshotClient) -> Snapshot {
    backups(client).snapshot("monday").unwrap()
}

/// Runs a scene on a domain without sockets, which has the index `movies` and the repository
/// `backups`. All its runs are identical.
pub(crate) fn on_a_domain<T>(scene: impl AsyncFnOnce(&FakeDomain, &SnapshotClient) -> T) -> T {
    let clock = clock();
    clock.block_on(async {
        let domain = FakeDomain::builder().in_process().seed(1).clock(clock.clone()).start().await;
        domain.create_repository("backups");
        domain.create_index("movies", 2);
        let client = domain.client_builder().seed(1).build().unwrap();
        scene(&domain, &client).await
    })
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
