//! Calls without a tokio runtime return an error that names the missing runtime.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use bytes::Bytes;
use es_snapshot::auth::CredentialCache;
use es_snapshot::clock::{BoxFuture, Clock, SystemClock};
use es_snapshot::testing::{ManualClock, TransportFn, response, transport_fn};
use es_snapshot::transport::{Body, ConnectTarget, HyperTransport, Transport, TransportError};
use es_snapshot::{Auth, CreateSnapshot, Error, ErrorKind, Outcome, SnapshotClient, SnapshotClientBuilder};

/// Polls a future on this thread, which has no runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the call must end");
}

fn builder() -> SnapshotClientBuilder {
    SnapshotClient::builder("http://127.0.0.1:1")
}

fn manual() -> ManualClock {
    ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

#[track_caller]
fn assert_names_the_runtime(error: &Error) {
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotSent), "{error:?}");
    assert!(error.to_string().contains("no tokio runtime") && !error.is_transient(), "{error}");
}

/// A transport that responds with an empty object and needs no runtime.
fn empty() -> TransportFn {
    transport_fn(|_| Ok(response(200, "{}")))
}

/// A transport that wraps another one, as a caller's own would.
#[derive(Debug)]
struct Layer(HyperTransport);

impl Transport for Layer {
    fn call<'a>(
        &'a self,
        request: http::Request<Bytes>,
        target: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<http::Response<Body>, TransportError>> {
        self.0.call(request, target)
    }
}

#[test]
fn a_default_client_returns_an_error() {
    let client = builder().build().unwrap();

    assert_names_the_runtime(&block_on(client.repositories()).unwrap_err());
}

#[test]
fn every_kind_of_call_returns_an_error() {
    let client = builder().build().unwrap();
    let (repository, snapshot) = ("r", "s");

    let created = block_on(client.repository(repository).unwrap().create_snapshot(snapshot, CreateSnapshot::new()));
    assert_names_the_runtime(&created.unwrap_err());
    assert_names_the_runtime(
        &block_on(client.repository(repository).unwrap().snapshot(snapshot).unwrap().delete()).unwrap_err(),
    );
    let waited = block_on(std::future::IntoFuture::into_future(
        client.repository(repository).unwrap().snapshot(snapshot).unwrap().wait(),
    ));
    assert_names_the_runtime(&waited.unwrap_err());
}

#[test]
fn a_client_with_the_system_clock_returns_an_error() {
    for client in [builder().transport(empty()), builder().transport(empty()).clock(Arc::new(SystemClock))] {
        let client = client.build().unwrap();

        assert_names_the_runtime(&block_on(client.repositories()).unwrap_err());
    }
}

#[test]
fn a_client_with_the_hyper_transport_returns_an_error() {
    let transport = || HyperTransport::builder().clock(manual()).build().unwrap();
    for client in [builder().transport(transport()), builder().transport(Layer(transport())), builder()] {
        let client = client.clock(manual()).build().unwrap();

        assert_names_the_runtime(&block_on(client.repositories()).unwrap_err());
    }
}

#[test]
fn a_client_with_another_clock_and_transport_needs_no_runtime() {
    let client = builder().transport(empty()).clock(manual()).build().unwrap();

    assert!(block_on(client.repositories()).unwrap().is_empty());
}

#[derive(Debug)]
struct Hanging;

impl ProvideCredentials for Hanging {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(std::future::pending())
    }
}

#[test]
fn a_shared_cache_with_the_system_clock_does_not_panic() {
    let ready = CredentialCache::new(Credentials::new("AKID", "secret", None, None, "test"));
    let hanging = CredentialCache::new(Hanging);
    let client = |cache| {
        let builder = builder().region("eu-west-1").auth(Auth::sigv4_shared(cache));
        builder.transport(empty()).clock(manual()).build().unwrap()
    };

    assert!(block_on(client(ready).repositories()).is_ok());
    assert_eq!(block_on(client(hanging).repositories()).unwrap_err().kind(), ErrorKind::Credentials);
}

#[test]
fn sleeping_on_the_system_clock_does_not_panic() {
    assert!(!SystemClock.can_wait());
    block_on(SystemClock.sleep(Duration::from_secs(1)));
    block_on(SystemClock.timeout(Duration::from_secs(1)));
}
