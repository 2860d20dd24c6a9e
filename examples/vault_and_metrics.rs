//! Signs with credentials from a secret store, and counts the requests.
//!
//! `cargo run --example vault_and_metrics -- ENDPOINT FILE` lists the repositories. The file takes
//! the place of the secret store. A Vault agent could keep it up to date. It contains
//! `{"access_key": "…", "secret_key": "…", "session_token": "…", "expires": 1777593600}`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fmt, future::ready, io};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use bytes::Bytes;
use es_snapshot::clock::{BoxFuture, Clock, SystemClock};
use es_snapshot::error::Operation;
use es_snapshot::transport::{Body, ConnectTarget, HyperTransport, Transport, TransportError};
use es_snapshot::{Error, SnapshotClient};
use http::{Request, Response, StatusCode};

/// The credentials that the secret store returns.
#[derive(serde::Deserialize)]
pub(crate) struct Lease {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) session_token: Option<String>,
    /// In seconds since 1970.
    pub(crate) expires: u64,
}

/// A credential provider. The client calls it for its first request, and again shortly before the
/// credentials expire.
pub(crate) struct Vault<F>(pub(crate) F);

impl<F: Fn() -> R + Send + Sync, R: Future<Output = io::Result<Lease>> + Send> ProvideCredentials for Vault<F> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let lease = (self.0)().await.map_err(CredentialsError::provider_error)?;
            let expires = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(lease.expires));
            Ok(Credentials::new(lease.access_key, lease.secret_key, lease.session_token, expires, "vault"))
        })
    }
}

impl<F> fmt::Debug for Vault<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

/// For each operation and status: the number of requests, and the total time until their responses
/// began.
pub(crate) type Figures = BTreeMap<(Operation, Option<StatusCode>), (u64, Duration)>;

/// A transport that counts the requests of another one. It does not count a request that a time
/// limit ends.
#[derive(Clone, Debug)]
pub(crate) struct Metrics<T> {
    pub(crate) inner: T,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) figures: Arc<Mutex<Figures>>,
}

impl<T: Transport> Transport for Metrics<T> {
    fn call<'a>(
        &'a self,
        request: Request<Bytes>,
        target: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<Response<Body>, TransportError>> {
        Box::pin(async move {
            let (operation, began) = (request.extensions().get().copied(), self.clock.monotonic());
            let response = self.inner.call(request, target).await;
            let label = (operation.unwrap_or(Operation::Raw), response.as_ref().ok().map(Response::status));
            let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
            let (requests, time) = figures.entry(label).or_default();
            *requests += 1;
            *time += self.clock.monotonic() - began;
            response
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    eprintln!("error: {}", error.report());
    ExitCode::FAILURE
}

async fn run() -> Result<(), Error> {
    let [endpoint, file] = [1, 2].map(|position| std::env::args().nth(position).unwrap_or_default());
    let fetch = move || ready(std::fs::read(&file).and_then(|text| Ok(serde_json::from_slice(&text)?)));
    let metrics =
        Metrics { inner: HyperTransport::builder().build()?, clock: Arc::new(SystemClock), figures: Arc::default() };
    let client = SnapshotClient::builder(endpoint).credentials(Vault(fetch)).transport(metrics.clone()).build()?;
    let listed = client.repositories().await.map(|all| all.iter().for_each(|found| println!("{}", found.name())));
    println!("{:#?}", metrics.figures);
    listed
}
