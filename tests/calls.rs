//! A single call: signatures, clocks, credentials, resends, time limits, and the responses that it
//! accepts.

#[allow(dead_code, reason = "each test file uses only a part of it")]
#[path = "support/scene.rs"]
mod scene;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use bytes::Bytes;
use es_snapshot::auth::CredentialCache;
use es_snapshot::client::RawRequest;
use es_snapshot::clock::{BoxFuture, Clock as _};
use es_snapshot::error::Operation;
use es_snapshot::name::IndexName;
use es_snapshot::repository::{OtherSettings, UrlSettings};
use es_snapshot::restore::ShardRecovery;
use es_snapshot::snapshot::{SnapshotFailure, SnapshotStatusState};
use es_snapshot::testing::{
    Event, FakeAuth, FakeDamage, Fault, ManualClock, TransportFn, Verdict, response, transport_fn,
};
use es_snapshot::transport::{Body, ConnectTarget, HyperTransport, Transport, TransportError};
use es_snapshot::{
    Auth, CloneSnapshot, CreateSnapshot, Error, ErrorKind, ListSnapshots, Outcome, RepositorySettings, RestoreSnapshot,
    RetryPolicy, S3Settings, SnapshotClient, SnapshotClientBuilder, SnapshotInfo, SnapshotPattern, SnapshotState,
    Timeouts,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{FutureExt as _, StreamExt as _, join, poll};
use http_body::Frame;
use http_body_util::BodyExt as _;
use scene::{Scene, backups, settings};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// Every operation that a client offers.
const OPERATIONS: [Operation; 16] = [
    Operation::RegisterRepository,
    Operation::GetRepository,
    Operation::ListRepositories,
    Operation::VerifyRepository,
    Operation::CleanUpRepository,
    Operation::UnregisterRepository,
    Operation::CreateSnapshot,
    Operation::GetSnapshot,
    Operation::ListSnapshots,
    Operation::DeleteSnapshot,
    Operation::CloneSnapshot,
    Operation::RestoreSnapshot,
    Operation::SnapshotStatus,
    Operation::Recovery,
    Operation::ServerInfo,
    Operation::Raw,
];

/// Performs `operation` on a domain that contains the complete snapshot `s`.
async fn perform(client: &SnapshotClient, operation: Operation) -> Result<(), Error> {
    let backups = client.repository("r").unwrap();
    let snapshot = backups.snapshot("s").unwrap();
    match operation {
        Operation::RegisterRepository => backups.register(settings()).await.map(drop),
        Operation::GetRepository => backups.info().await.map(drop),
        Operation::ListRepositories => client.repositories().await.map(drop),
        Operation::VerifyRepository => backups.verify().await.map(drop),
        Operation::CleanUpRepository => backups.cleanup().await.map(drop),
        Operation::UnregisterRepository => backups.unregister().await.map(drop),
        Operation::CreateSnapshot => backups.create_snapshot("t", CreateSnapshot::new()).await.map(drop),
        Operation::GetSnapshot => snapshot.info().await.map(drop),
        Operation::ListSnapshots => backups.list(ListSnapshots::new()).await.map(drop),
        Operation::DeleteSnapshot => snapshot.delete().await,
        Operation::CloneSnapshot => snapshot.clone_to("u", CloneSnapshot::new(["movies"])).await.map(drop),
        Operation::RestoreSnapshot => {
            snapshot.restore(RestoreSnapshot::new().with_rename("(.+)", "restored_$1")).await.map(drop)
        }
        Operation::SnapshotStatus => snapshot.status().await.map(drop),
        Operation::Recovery => client.recovery([""; 0]).await.map(drop),
        Operation::ServerInfo => client.server_info().await.map(drop),
        _ => client.raw(RawRequest::get(["_snapshot"])).await.map(drop),
    }
}

async fn prepared() -> Scene {
    prepared_with(|client| client).await
}

async fn prepared_with(client: impl FnOnce(SnapshotClientBuilder) -> SnapshotClientBuilder) -> Scene {
    let scene = Scene::with(|domain| domain, client).await;
    scene.prepare().await;
    scene.take_snapshot().await;
    scene
}

fn denied(events: &[Event]) -> usize {
    events.iter().filter(|event| event.verdict == Verdict::Denied).count()
}

fn without_retries(builder: SnapshotClientBuilder) -> SnapshotClientBuilder {
    builder.retry(RetryPolicy::never())
}

fn unavailable() -> Fault {
    Fault::status(503, "no server", "text/plain")
}

// ---- signatures, clocks and credentials

#[tokio::test]
async fn dates_and_signs_every_attempt_separately() {
    let scene =
        Scene::with(|d| d, |client| client.retry(RetryPolicy::new().with_min_pause(Duration::from_secs(2)))).await;
    scene.domain.fault(unavailable().times(3));

    scene.client.repositories().await.unwrap();

    let events = scene.domain.events();
    let dates: BTreeSet<_> = events.iter().map(|event| event.amz_date.clone().unwrap()).collect();
    let signatures: BTreeSet<_> = events.iter().map(|event| event.signature.clone().unwrap()).collect();
    assert_eq!((events.len(), dates.len(), signatures.len()), (4, 4, 4));
}

/// Asserts that every operation is refused exactly once if the clock of the domain is off, and
/// exactly once after that clock is corrected.
async fn corrects_a_skew_of(seconds: i64) {
    for operation in OPERATIONS {
        let scene = prepared().await;
        let before = scene.domain.events().len();
        scene.domain.set_skew(seconds);
        perform(&scene.client, operation).await.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
        let events = scene.events_since(before);
        assert_eq!((denied(&events), events[0].verdict), (1, Verdict::Denied), "{operation}");

        let before = scene.domain.events().len();
        scene.domain.set_skew(0);
        scene.client.repositories().await.unwrap_or_else(|error| panic!("after {operation}: {error:?}"));
        scene.client.repositories().await.unwrap();
        assert_eq!(
            (denied(&scene.events_since(before)), scene.events_since(before).len()),
            (1, 3),
            "after {operation}"
        );
    }
}

#[tokio::test]
async fn corrects_its_time_after_one_refusal_by_a_domain_an_hour_ahead() {
    corrects_a_skew_of(3_600).await;
}

#[tokio::test]
async fn corrects_its_time_after_one_refusal_by_a_domain_an_hour_behind() {
    corrects_a_skew_of(-3_600).await;
}

#[tokio::test]
async fn corrects_its_time_after_one_refusal_by_a_domain_more_than_a_day_ahead() {
    corrects_a_skew_of(26 * 3_600).await;
}

#[tokio::test]
async fn corrects_its_time_after_one_refusal_by_a_domain_more_than_a_day_behind() {
    corrects_a_skew_of(-26 * 3_600).await;
}

#[tokio::test]
async fn corrects_its_time_after_one_refusal_when_the_hosts_clock_steps() {
    let scene = prepared().await;
    let before = scene.domain.events().len();

    scene.clock.step_wall(-7_200);
    scene.client.repositories().await.unwrap();
    scene.clock.step_wall(7_200);
    scene.client.repositories().await.unwrap();

    assert_eq!((denied(&scene.events_since(before)), scene.events_since(before).len()), (2, 4));
}

#[tokio::test]
async fn does_not_resend_after_clock_skew_if_the_clocks_agree() {
    let scene = Scene::new().await;
    let refusal = r#"{"message":"Signature expired: 20200101T000000Z is now earlier than 20200101T001000Z"}"#;
    scene.domain.fault(Fault::status(403, refusal, "application/json"));

    let error = scene.client.repositories().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome(), error.attempts()), (ErrorKind::ClockSkew, Outcome::Rejected, 1));
}

#[tokio::test]
async fn every_operation_renews_revoked_credentials_once() {
    for operation in OPERATIONS {
        let scene = prepared().await;
        let (before, loads) = (scene.domain.events().len(), scene.provider.loads());
        scene.domain.revoke();

        perform(&scene.client, operation).await.unwrap_or_else(|error| panic!("{operation}: {error:?}"));

        assert_eq!((denied(&scene.events_since(before)), scene.provider.loads() - loads), (1, 1), "{operation}");
    }
}

#[tokio::test]
async fn gives_up_when_the_server_refuses_credentials_twice() {
    let scene = Scene::new().await;
    let refusal = r#"{"message":"The security token included in the request is invalid."}"#;
    scene.domain.fault(Fault::status(403, refusal, "application/json"));

    let error = scene.client.repositories().await.unwrap_err();

    assert_eq!((error.kind(), error.attempts(), scene.domain.events().len()), (ErrorKind::ExpiredToken, 2, 2));
}

#[tokio::test]
async fn drops_refused_credentials_even_without_retries() {
    let scene = prepared_with(without_retries).await;
    scene.domain.revoke();
    scene.clock.advance(Duration::from_secs(2));
    let refused = scene.client.server_info().await.unwrap_err();

    let next = scene.client.server_info().await;

    assert_eq!(refused.kind(), ErrorKind::ExpiredToken);
    next.unwrap();
}

#[tokio::test]
async fn clients_that_share_a_cache_load_credentials_once() {
    let scene = Scene::new().await;
    let cache = CredentialCache::with_clock(scene.provider.clone(), Arc::new(scene.clock.clone()));
    let client = || {
        SnapshotClient::builder(scene.domain.endpoint())
            .region(scene.domain.region())
            .auth(Auth::sigv4_shared(cache.clone()))
            .clock(scene.clock.clone())
            .build()
            .unwrap()
    };
    let (first, second, third) = (client(), client(), client());

    let (a, b) = join!(first.repositories(), second.repositories());
    a.unwrap();
    b.unwrap();
    third.repositories().await.unwrap();

    assert_eq!(scene.provider.loads(), 1);
}

#[tokio::test]
async fn signs_only_the_registration_with_basic_authentication() {
    let auth = FakeAuth::Basic { user: "master".to_owned(), password: "pass:word".to_owned() };
    let scene = Scene::with(|domain| domain.auth(auth), |client| client).await;
    let auth = Auth::basic("master", "pass:word").unwrap().with_signed_registration(scene.provider.clone());
    let client = SnapshotClient::builder(scene.domain.endpoint())
        .region(scene.domain.region())
        .auth(auth)
        .clock(scene.clock.clone())
        .build()
        .unwrap();

    backups(&client).register(settings()).await.unwrap();
    client.repositories().await.unwrap();
    backups(&client).unregister().await.unwrap();

    let verdicts: Vec<_> = scene.domain.events().iter().map(|event| event.verdict).collect();
    assert_eq!(verdicts, [Verdict::Signed, Verdict::Basic, Verdict::Basic]);
}

// ---- resends

#[tokio::test]
async fn resends_a_read_after_a_temporary_failure() {
    for fault in [
        Fault::status(429, "Too Many Requests", "text/plain"),
        Fault::status(502, "<html>", "text/html"),
        unavailable(),
        Fault::status_after(504),
        Fault::garbage(),
        Fault::truncate(),
        Fault::drop_before(),
        Fault::drop_after(),
        Fault::restart(),
        Fault::delay(Duration::from_secs(76)),
    ] {
        let scene = Scene::new().await;
        let shown = format!("{fault:?}");
        scene.domain.fault(fault.times(2));

        scene.client.repositories().await.unwrap_or_else(|error| panic!("{shown}: {error:?}"));

        assert_eq!(scene.domain.events().len(), 3, "{shown}");
    }
}

#[tokio::test]
async fn does_not_resend_a_denied_call() {
    let scene = Scene::new().await;
    scene.domain.deny("es:ESHttpGet");

    let error = scene.client.repositories().await.unwrap_err();

    assert_eq!((error.kind(), error.attempts()), (ErrorKind::AccessDenied, 1));
    assert_eq!(scene.domain.events().len(), 1);
}

#[tokio::test]
async fn does_not_resend_a_call_for_a_missing_repository() {
    let scene = Scene::new().await;

    let error = backups(&scene.client).info().await.unwrap_err();

    assert_eq!((error.kind(), error.attempts()), (ErrorKind::RepositoryMissing, 1));
    assert_eq!(scene.domain.events().len(), 1);
}

#[tokio::test]
async fn sends_a_read_at_most_ten_times() {
    let scene = Scene::new().await;
    scene.domain.fault(unavailable());

    let error = scene.client.repositories().await.unwrap_err();

    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Unavailable, 10));
    assert_eq!(scene.domain.events().len(), 10);
}

#[tokio::test]
async fn sends_a_read_once_without_retries() {
    let scene = Scene::with(|domain| domain, without_retries).await;
    scene.domain.fault(unavailable());

    scene.client.repositories().await.unwrap_err();

    assert_eq!(scene.domain.events().len(), 1);
}

#[tokio::test]
async fn waits_for_the_seconds_in_retry_after() {
    let scene = Scene::new().await;
    scene.domain.fault(Fault::status(429, "Too Many Requests", "text/plain").header("retry-after", "7").times(1));

    scene.client.repositories().await.unwrap();

    assert_eq!(scene.clock.sleeps(), [Duration::from_secs(7)]);
}

#[tokio::test]
async fn waits_until_the_date_in_retry_after() {
    let scene = Scene::new().await;
    // Seven seconds after the start of the test.
    let date = "Tue, 14 Nov 2023 22:13:27 GMT";
    scene.domain.fault(Fault::status(503, "later", "text/plain").header("retry-after", date).times(1));

    scene.client.repositories().await.unwrap();

    assert_eq!(scene.clock.sleeps(), [Duration::from_secs(7)]);
}

#[tokio::test]
async fn limits_retry_after_to_the_longest_pause_of_the_policy() {
    let scene = Scene::new().await;
    scene.domain.fault(Fault::status(503, "later", "text/plain").header("retry-after", "3600").times(1));

    scene.client.repositories().await.unwrap();

    assert_eq!(scene.clock.sleeps(), [Duration::from_secs(20)]);
}

// ---- time limits

#[tokio::test]
async fn a_call_ends_at_its_time_limit_even_with_attempts_left() {
    let limit = Duration::from_secs(10);
    let impatient = |client: SnapshotClientBuilder| {
        client.timeouts(Timeouts::new().with_call(limit)).retry(RetryPolicy::new().with_max_attempts(1_000))
    };
    let scene = Scene::with(|domain| domain, impatient).await;
    scene.domain.fault(unavailable());

    let error = scene.client.repositories().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(scene.clock.sleeps().iter().sum::<Duration>() <= limit);
    assert!(error.attempts() > 1);
}

#[tokio::test]
async fn an_attempt_that_times_out_has_an_unknown_outcome() {
    let scene = Scene::with(|domain| domain, without_retries).await;
    scene.domain.fault(Fault::delay(Duration::from_secs(76)));

    let error = scene.client.repositories().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
    assert!(error.is_timeout());
}

/// Returns the error of a call whose time limit ends while the transport still waits for the TLS
/// handshake.
async fn timed_out_before_a_connection(transport: impl FnOnce(HyperTransport) -> Arc<dyn Transport>) -> Error {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limit = Duration::from_secs(2);
    let client = SnapshotClient::builder(format!("https://{}", silent.local_addr().unwrap()))
        .transport(transport(HyperTransport::builder().clock(clock.clone()).build().unwrap()))
        .timeouts(Timeouts::new().with_attempt(limit).with_call(limit))
        .retry(RetryPolicy::never())
        .clock(clock.clone())
        .build()
        .unwrap();
    let limit_ends = async {
        let connection = silent.accept().await.unwrap();
        clock.advance(limit);
        connection
    };
    let repository = backups(&client);
    let (cleaned, _connection) = join!(repository.cleanup(), limit_ends);
    cleaned.unwrap_err()
}

#[tokio::test]
async fn reports_not_sent_if_the_time_limit_ends_before_a_connection_is_made() {
    let error = timed_out_before_a_connection(|transport| Arc::new(transport)).await;

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Outcome::NotSent));
}

/// A transport whose calls continue in their own tasks after the caller has dropped them.
#[derive(Debug)]
struct Detached(HyperTransport);

impl Transport for Detached {
    fn call<'a>(
        &'a self,
        request: http::Request<Bytes>,
        target: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<http::Response<Body>, TransportError>> {
        let (inner, target) = (self.0.clone(), target.clone());
        #[expect(clippy::disallowed_methods, reason = "a caller's transport may start tasks")]
        let call = tokio::spawn(async move { inner.call(request, &target).await });
        Box::pin(async move { call.await.map_err(TransportError::unknown)? })
    }
}

#[tokio::test]
async fn reports_unknown_if_the_request_may_still_get_its_connection() {
    let error = timed_out_before_a_connection(|transport| Arc::new(Detached(transport))).await;

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
}

/// A transport that has a second way to the domain. It takes that way if it cannot connect, and
/// never returns from it.
#[derive(Debug)]
struct Detour(HyperTransport, Arc<Notify>);

impl Transport for Detour {
    fn call<'a>(
        &'a self,
        request: http::Request<Bytes>,
        target: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<http::Response<Body>, TransportError>> {
        Box::pin(async move {
            let result = self.0.call(request, target).await;
            if result.is_err() {
                self.1.notify_one();
                std::future::pending::<()>().await;
            }
            result
        })
    }
}

#[tokio::test]
async fn reports_unknown_if_the_transport_may_have_sent_the_request_elsewhere() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let (limit, refused) = (Duration::from_secs(2), Arc::<Notify>::default());
    // A port on which no one listens.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = SnapshotClient::builder(format!("http://{closed}"))
        .transport(Detour(HyperTransport::builder().clock(clock.clone()).build().unwrap(), Arc::clone(&refused)))
        .timeouts(Timeouts::new().with_attempt(limit).with_call(limit))
        .clock(clock.clone())
        .build()
        .unwrap();
    let limit_ends = async {
        refused.notified().await;
        clock.advance(limit);
    };

    let repository = backups(&client);
    let (cleaned, ()) = join!(repository.cleanup(), limit_ends);

    let error = cleaned.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
}

/// A credentials provider that never responds. It counts how often it is called.
#[derive(Debug)]
struct SilentProvider(Arc<AtomicUsize>);

impl ProvideCredentials for SilentProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.0.fetch_add(1, Ordering::SeqCst);
        future::ProvideCredentials::new(std::future::pending())
    }
}

#[tokio::test]
async fn the_time_limit_of_a_call_includes_the_credentials_provider() {
    let (clock, calls) = (ManualClock::new(SystemTime::UNIX_EPOCH), Arc::<AtomicUsize>::default());
    let limit = Duration::from_secs(2);
    let client = SnapshotClient::builder("http://localhost:1")
        .region("eu-west-1")
        .credentials(SilentProvider(Arc::clone(&calls)))
        .timeouts(Timeouts::new().with_call(limit))
        .clock(clock.clone())
        .build()
        .unwrap();
    let mut listing = Box::pin(client.repositories());
    assert!(poll!(&mut listing).is_pending());
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    clock.advance(limit);

    let error = listing.now_or_never().expect("the call must end at its limit").unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotSent));
}

#[tokio::test]
async fn accepts_a_response_within_the_time_limit() {
    let scene = Scene::with(|domain| domain, without_retries).await;
    scene.domain.fault(Fault::delay(Duration::from_secs(74)));

    scene.client.repositories().await.unwrap();
}

#[tokio::test]
async fn other_time_limits_apply_only_to_the_client_that_has_them() {
    let scene = Scene::with(|domain| domain, without_retries).await;
    scene.domain.fault(Fault::delay(Duration::from_secs(10)));
    let impatient = scene.client.with_timeouts(Timeouts::new().with_attempt(Duration::from_secs(9)));

    assert_eq!(impatient.repositories().await.unwrap_err().kind(), ErrorKind::Timeout);
    scene.client.repositories().await.unwrap();
}

/// An endless body of spaces, with a pause after each.
#[derive(Clone, Debug)]
struct Dripping {
    clock: ManualClock,
    pause: Duration,
    drips: bool,
}

impl http_body::Body for Dripping {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        self.drips = !self.drips;
        if self.drips {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b" ")))));
        }
        self.clock.advance(self.pause);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Returns the error of a call whose response never ends, and how long the call took.
async fn after_drips(pause: Duration) -> (Error, Duration) {
    let clock = ManualClock::new(std::time::SystemTime::UNIX_EPOCH);
    let body = Dripping { clock: clock.clone(), pause, drips: false };
    let transport = transport_fn(move |_| Ok(response(200, Body::new(body.clone()))));
    let client = without_retries(SnapshotClient::builder("http://localhost:9200"))
        .transport(transport)
        .clock(clock.clone())
        .build()
        .unwrap();
    (client.server_info().await.unwrap_err(), clock.monotonic())
}

#[tokio::test]
async fn a_long_pause_within_the_response_ends_the_attempt() {
    let (error, took) = after_drips(Duration::from_secs(31)).await;

    assert_eq!((error.kind(), error.outcome(), took), (ErrorKind::Timeout, Outcome::Unknown, Duration::from_secs(31)));
    assert!(error.to_string().contains("no further data of the response arrived within 30s"), "{error}");
}

#[tokio::test]
async fn a_slow_response_without_long_pauses_ends_at_the_limit_of_the_attempt() {
    let (error, took) = after_drips(Duration::from_secs(1)).await;

    assert_eq!((error.kind(), error.outcome(), took), (ErrorKind::Timeout, Outcome::Unknown, Duration::from_secs(75)));
    assert!(error.to_string().contains("no complete response within 75s"), "{error}");
}

// ---- accepted and refused responses

#[tokio::test]
async fn refuses_a_response_over_the_size_limit_and_does_not_resend() {
    let scene = Scene::with(|domain| domain, |client| client.max_response_bytes(100)).await;

    let error = scene.client.server_info().await.unwrap_err();

    assert_eq!((error.kind(), scene.domain.events().len()), (ErrorKind::ResponseTooLarge, 1));
}

#[tokio::test]
async fn a_redirect_is_an_error_and_is_not_followed() {
    let scene = Scene::new().await;
    let elsewhere = format!("{}/elsewhere", scene.domain.endpoint());
    scene.domain.fault(Fault::status(307, "", "text/plain").header("location", elsewhere));

    let error = scene.client.repositories().await.unwrap_err();

    assert_eq!(error.server().map(es_snapshot::error::ServerError::status), Some(307));
    assert_eq!(scene.domain.events().len(), 1);
}

/// Starts a server that sends `response` to every request, keeps its connections open and counts
/// them.
async fn server(response: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    let response = Arc::new(response);
    #[expect(clippy::disallowed_methods, reason = "the server of this test")]
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let response = Arc::clone(&response);
            tokio::spawn(async move {
                let mut request = Vec::new();
                while client.read_buf(&mut request).await.is_ok_and(|count| count > 0) {
                    if request.ends_with(b"\r\n\r\n") {
                        request.clear();
                        let _ = client.write_all(&response).await;
                    }
                }
            });
        }
    });
    (address, accepted)
}

fn raw_response(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    response.extend_from_slice(body);
    response
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

const GZIP: &str = "content-encoding: gzip\r\n";

fn plain_client(address: SocketAddr) -> SnapshotClientBuilder {
    without_retries(SnapshotClient::builder(format!("http://{address}")))
}

#[tokio::test]
async fn decodes_a_gzip_response() {
    let (address, _) = server(raw_response(GZIP, &gzip(br#"{"name":"node","version":{"number":"7.10.2"}}"#))).await;

    let info = plain_client(address).build().unwrap().server_info().await.unwrap();

    assert_eq!((info.node_name(), info.version()), ("node", "7.10.2"));
}

#[tokio::test]
async fn streams_snapshots_from_a_chunked_gzip_response() {
    let names: Vec<String> = (0..500).map(|number| format!("nightly-{number}")).collect();
    let snapshots: Vec<_> = names.iter().map(|name| json!({"snapshot": name})).collect();
    let encoded = gzip(json!({ "snapshots": snapshots }).to_string().as_bytes());
    let mut response = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{GZIP}\r\n").into_bytes();
    for chunk in encoded.chunks(100).chain([&b""[..]]) {
        response.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        response.extend_from_slice(chunk);
        response.extend_from_slice(b"\r\n");
    }
    let (address, _) = server(response).await;
    let client = plain_client(address).build().unwrap();

    let snapshots = client.repository("r").unwrap().snapshots(ListSnapshots::new());
    let listed: Vec<String> = snapshots.map(|snapshot| snapshot.unwrap().name().to_owned()).collect().await;

    assert_eq!(listed, names);
}

#[tokio::test]
async fn accepts_a_content_encoding_in_a_response_to_head() {
    let (address, _) = server(raw_response(GZIP, b"")).await;

    let response =
        plain_client(address).build().unwrap().raw(RawRequest::new(http::Method::HEAD, ["movies"])).await.unwrap();

    assert_eq!((response.status().as_u16(), response.body()), (200, &serde_json::Value::Null));
}

#[tokio::test]
async fn decodes_a_response_of_several_gzip_members() {
    let members = [gzip(br#"{"name":"no"#), gzip(br#"de"}"#)].concat();
    let (address, _) = server(raw_response(GZIP, &members)).await;

    assert_eq!(plain_client(address).build().unwrap().server_info().await.unwrap().node_name(), "node");
}

#[tokio::test]
async fn a_gzip_response_that_is_cut_off_anywhere_is_an_error() {
    let whole = gzip(br#"{"name":"node"}"#);
    for length in 1..whole.len() {
        let (address, _) = server(raw_response(GZIP, &whole[..length])).await;

        let error = plain_client(address).build().unwrap().server_info().await.unwrap_err();

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Interrupted, Outcome::Unknown), "{length} bytes");
    }
}

#[tokio::test]
async fn a_response_that_only_claims_to_be_gzip_is_an_error() {
    let (address, _) = server(raw_response(GZIP, br#"{"name":"node"}"#)).await;

    assert_eq!(plain_client(address).build().unwrap().server_info().await.unwrap_err().kind(), ErrorKind::Interrupted);
}

#[tokio::test]
async fn keeps_the_status_of_a_failure_with_an_empty_gzip_body() {
    for headers in [
        "content-encoding: gzip\r\ncontent-length: 0",
        "content-encoding: gzip\r\ntransfer-encoding: chunked",
        "content-encoding: x-gzip\r\ntransfer-encoding: chunked",
        "content-encoding: GZIP\r\ntransfer-encoding: chunked",
    ] {
        let end = if headers.ends_with("chunked") { "0\r\n\r\n" } else { "" };
        let (address, _) = server(format!("HTTP/1.1 403 Forbidden\r\n{headers}\r\n\r\n{end}").into_bytes()).await;

        let error = plain_client(address).build().unwrap().repositories().await.unwrap_err();

        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::AccessDenied, Outcome::Rejected),
            "{headers}: {error:?}"
        );
    }
}

#[tokio::test]
async fn keeps_the_status_of_a_failure_whose_gzip_body_is_broken() {
    let text = br#"{"error":{"type":"snapshot_missing_exception","reason":"[r:s] is missing"},"status":404}"#;
    let whole = gzip(text);
    let mut bodies: Vec<Vec<u8>> = (1..whole.len()).map(|length| whole[..length].to_vec()).collect();
    bodies.extend([text.to_vec(), vec![0xff; 100], [&whole[..], b"and more"].concat()]);
    for body in bodies {
        let head = format!("HTTP/1.1 404 Not Found\r\n{GZIP}content-length: {}\r\n\r\n", body.len());
        let (address, _) = server([head.as_bytes(), &body].concat()).await;

        let error = plain_client(address).build().unwrap().repositories().await.unwrap_err();

        assert_eq!(
            error.server().map(es_snapshot::error::ServerError::status),
            Some(404),
            "{} bytes: {error:?}",
            body.len()
        );
        assert!(error.to_string().contains("could not be read to its end"), "{error}");
    }
}

#[tokio::test]
async fn keeps_what_could_be_decoded_of_a_failure_whose_gzip_body_is_cut_off() {
    let whole = gzip(br#"{"error":{"type":"snapshot_missing_exception","reason":"[r:s] is missing"},"status":404}"#);
    let cut = &whole[..whole.len() - 4];
    let head = format!("HTTP/1.1 404 Not Found\r\n{GZIP}content-length: {}\r\n\r\n", cut.len());
    let (address, _) = server([head.as_bytes(), cut].concat()).await;

    let error = plain_client(address).build().unwrap().repositories().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::SnapshotMissing, "{error:?}");
}

/// Starts a server that sends `response` over every connection and then closes it.
async fn ending_server(response: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the server of this test")]
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.read(&mut [0; 4096]).await;
            let _ = client.write_all(&response).await;
        }
    });
    address
}

#[tokio::test]
async fn keeps_the_status_of_a_failure_whose_connection_breaks_within_the_body() {
    let body = br#"{"error":{"type":"snapshot_missing_exception","reason":"[r:s] is missing"},"status":404}"#;
    let head = format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n", body.len() + 1);
    let address = ending_server([head.as_bytes(), body].concat()).await;

    let error = plain_client(address).build().unwrap().repositories().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::SnapshotMissing, "{error:?}");
}

#[tokio::test]
async fn a_success_whose_connection_breaks_within_the_body_has_an_unknown_outcome() {
    let address = ending_server(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}".to_vec()).await;

    let error = plain_client(address).build().unwrap().repositories().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Interrupted, Outcome::Unknown));
}

#[tokio::test]
async fn stops_a_gzip_bomb_at_the_size_limit() {
    let bomb = gzip(&vec![b' '; 32 << 20]);
    assert!(bomb.len() < 100_000);
    let (address, _) = server(raw_response(GZIP, &bomb)).await;

    let error = plain_client(address).max_response_bytes(1 << 20).build().unwrap().server_info().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::ResponseTooLarge);
}

#[tokio::test]
async fn decodes_a_gzip_bomb_in_pieces_of_a_few_megabytes() {
    let (address, _) = server(raw_response(GZIP, &gzip(&vec![b' '; 64 << 20]))).await;
    let request = http::Request::get(format!("http://{address}/"))
        .header("host", address.to_string())
        .body(Bytes::new())
        .unwrap();
    let target: ConnectTarget = address.to_string().parse().unwrap();

    let transport = HyperTransport::builder().build().unwrap();
    let mut body = transport.call(request, &target).await.unwrap().into_body();

    let (mut whole, mut largest) = (0, 0);
    while let Some(frame) = body.frame().await {
        let piece = frame.unwrap().into_data().unwrap().len();
        (whole, largest) = (whole + piece, largest.max(piece));
    }
    assert_eq!(whole, 64 << 20);
    assert!(largest <= 8 << 20, "{largest} bytes at once");
}

// ---- connections

#[tokio::test]
async fn successive_calls_use_one_connection() {
    let (address, accepted) = server(raw_response("", b"{}")).await;
    let client = plain_client(address).build().unwrap();

    for _ in 0..5 {
        client.server_info().await.unwrap();
    }

    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn clients_that_share_a_transport_share_its_connections() {
    let (address, accepted) = server(raw_response("", b"{}")).await;
    let transport = HyperTransport::builder().build().unwrap();

    for _ in 0..3 {
        plain_client(address).transport(transport.clone()).build().unwrap().server_info().await.unwrap();
    }

    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_gets_no_request_after_its_maximum_age() {
    let (address, accepted) = server(raw_response("", b"{}")).await;
    let clock = ManualClock::new(std::time::SystemTime::UNIX_EPOCH);
    let transport =
        HyperTransport::builder().clock(clock.clone()).max_connection_age(Duration::from_mins(1)).build().unwrap();
    let client = plain_client(address).transport(transport).build().unwrap();
    client.server_info().await.unwrap();

    clock.advance(Duration::from_secs(59));
    client.server_info().await.unwrap();
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
    clock.advance(Duration::from_secs(1));
    client.server_info().await.unwrap();
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
}

// ---- headers

#[tokio::test]
async fn requests_carry_the_user_agent_and_the_opaque_id() {
    let scene = Scene::with(|domain| domain, |client| client.user_agent("nightly-backup/1.4")).await;

    scene.client.with_opaque_id("job-17").repositories().await.unwrap();

    let event = scene.domain.events().remove(0);
    let agent = concat!("es-snapshot/", env!("CARGO_PKG_VERSION"), " nightly-backup/1.4");
    assert_eq!((event.user_agent.as_deref(), event.opaque_id.as_deref()), (Some(agent), Some("job-17")));
}

#[tokio::test]
async fn only_the_client_with_an_opaque_id_sends_it() {
    let scene = Scene::new().await;
    let _with_id = scene.client.with_opaque_id("job-17");

    scene.client.repositories().await.unwrap();

    assert_eq!(scene.domain.events()[0].opaque_id, None);
}

#[tokio::test]
async fn refuses_an_opaque_id_that_is_not_a_valid_header_value() {
    let scene = Scene::new().await;

    let error = scene.client.with_opaque_id("a\r\nb").repositories().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotSent));
    assert_eq!(scene.domain.events().len(), 0);
}

// ---- validation by the builder

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret", None, None, "test")
}

fn refusal(builder: SnapshotClientBuilder) -> String {
    let error = builder.build().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotSent));
    error.to_string()
}

const AMAZON: &str = "https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com";

#[test]
fn refuses_to_send_credentials_over_http_to_another_host() {
    for auth in [
        Auth::sigv4(credentials()),
        Auth::basic("u", "p").unwrap(),
        Auth::api_key("k").unwrap(),
        Auth::bearer("t").unwrap(),
        Auth::none().with_signed_registration(credentials()),
    ] {
        let text = refusal(SnapshotClient::builder("http://logs.example.com:9200").region("eu-west-1").auth(auth));
        assert!(text.contains("is not encrypted"), "{text}");
    }
}

#[test]
fn allows_credentials_over_http_to_the_local_host() {
    for endpoint in ["http://localhost:9200", "http://127.0.0.1:9200", "http://[::1]:9200"] {
        SnapshotClient::builder(endpoint).region("eu-west-1").credentials(credentials()).build().unwrap();
    }
}

#[test]
fn allows_credentials_over_http_with_the_callers_consent() {
    SnapshotClient::builder("http://logs.example.com:9200")
        .auth(Auth::basic("u", "p").unwrap())
        .danger_send_credentials_unencrypted()
        .build()
        .unwrap();
}

#[test]
fn allows_http_to_another_host_without_credentials() {
    SnapshotClient::builder("http://logs.example.com:9200").build().unwrap();
}

#[test]
fn the_address_of_the_connection_decides_whether_http_is_allowed() {
    let basic = || Auth::basic("u", "p").unwrap();

    SnapshotClient::builder("http://logs.example.com").connect_to("127.0.0.1:9200").auth(basic()).build().unwrap();
    refusal(SnapshotClient::builder("http://localhost:9200").connect_to("10.0.0.1:9200").auth(basic()));
}

#[test]
fn reads_the_region_from_an_amazon_host() {
    SnapshotClient::builder(AMAZON).credentials(credentials()).build().unwrap();
    SnapshotClient::builder(AMAZON).region("eu-west-1").credentials(credentials()).build().unwrap();
}

#[test]
fn refuses_a_region_that_differs_from_the_hosts() {
    let text = refusal(SnapshotClient::builder(AMAZON).region("eu-west-2").credentials(credentials()));

    assert!(text.contains("eu-west-1") && text.contains("eu-west-2"), "{text}");
}

#[test]
fn a_signature_needs_a_region() {
    let text = refusal(SnapshotClient::builder("https://logs.example.com").credentials(credentials()));

    assert!(text.contains("region"), "{text}");
}

#[test]
fn basic_authentication_needs_no_region() {
    SnapshotClient::builder("https://logs.example.com").auth(Auth::basic("u", "p").unwrap()).build().unwrap();
}

#[test]
fn a_signed_registration_needs_a_region() {
    let auth = Auth::basic("u", "p").unwrap().with_signed_registration(credentials());

    refusal(SnapshotClient::builder("https://logs.example.com").auth(auth));
}

#[test]
fn refuses_an_invalid_region() {
    for region in ["", "EU-WEST-1", "eu west 1", "eu-west-1/es"] {
        refusal(SnapshotClient::builder("https://logs.example.com").region(region).credentials(credentials()));
    }
}

#[test]
fn refuses_a_user_agent_that_is_not_a_valid_header_value() {
    refusal(SnapshotClient::builder(AMAZON).user_agent("a\nb"));
}

// ---- responses of future versions

/// A client that receives this JSON for every request.
fn client_with_response(json: &'static str) -> SnapshotClient {
    let transport = transport_fn(move |_| Ok(response(200, json)));
    SnapshotClient::builder("http://localhost:9200").transport(transport).build().unwrap()
}

#[tokio::test]
async fn reads_a_snapshot_with_unknown_fields_and_an_unknown_state() {
    let client = client_with_response(
        r#"{"snapshots":[{"snapshot":"s","state":"FROZEN","colour":"blue","shards":{"total":1,"odd":2}}],"total":1}"#,
    );

    let found = backups(&client).snapshot("s").unwrap().info().await.unwrap();

    assert_eq!(found.state().as_str(), "FROZEN");
    assert!(!matches!(found.state(), SnapshotState::Success | SnapshotState::InProgress));
    assert_eq!(found.other().get("colour"), Some(&json!("blue")));
}

#[tokio::test]
async fn reads_a_snapshot_that_has_only_a_name() {
    let found = backups(&client_with_response(r#"{"snapshots":[{"snapshot":"s"}]}"#))
        .snapshot("s")
        .unwrap()
        .info()
        .await
        .unwrap();

    assert_eq!((found.name(), found.uuid(), found.start_time()), ("s", None, None));
}

#[tokio::test]
async fn reads_a_status_with_an_unknown_state() {
    let client = client_with_response(r#"{"snapshots":[{"snapshot":"s","state":"DREAMING","extra":{}}]}"#);

    let status = backups(&client).snapshot("s").unwrap().status().await.unwrap();

    assert_eq!(status.state().as_str(), "DREAMING");
    assert_ne!(status.state(), &SnapshotStatusState::Success);
}

#[tokio::test]
async fn reads_a_repository_of_an_unknown_type() {
    let found = client_with_response(r#"{"r":{"type":"hdfs","settings":{"uri":"hdfs://x"},"new":1}}"#)
        .repositories()
        .await
        .unwrap();

    assert_eq!(found[0].settings().repository_type(), "hdfs");
}

#[tokio::test]
async fn a_decoding_error_names_the_place_in_the_response() {
    let error = backups(&client_with_response(r#"{"snapshots":[{"snapshot":7}]}"#))
        .snapshot("s")
        .unwrap()
        .info()
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("snapshots[0]"), "{error}");
}

#[tokio::test]
async fn does_not_send_metadata_that_is_too_large_together_with_its_token() {
    let scene = Scene::new().await;
    let options = CreateSnapshot::new().with_metadata(json!({"note": "x".repeat(1000)}).as_object().unwrap().clone());

    let error = backups(&scene.client).create_snapshot("s", options).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotSent));
    assert_eq!(scene.domain.events().len(), 0);
}

#[tokio::test]
async fn deleting_by_names_skips_a_missing_one() {
    let scene = prepared().await;
    let pattern = SnapshotPattern::new(["s", "absent", "nightly-*"]).unwrap();

    let deleted = backups(&scene.client).delete_snapshots(pattern).await.unwrap();

    assert!(deleted.is_complete() && deleted.deleted() == ["s"], "{deleted:?}");
    assert_eq!(scene.domain.snapshots("r").len(), 0);
}

// ---- listings, deletions and recoveries

/// A client that receives the status and JSON of `respond`, and the transport that records its
/// requests.
fn scripted(
    endpoint: &str,
    respond: impl Fn(&http::Request<Bytes>) -> (u16, Value) + Send + Sync + 'static,
) -> (SnapshotClient, TransportFn) {
    let transport = transport_fn(move |request| {
        let (status, body) = respond(request);
        Ok(response(status, body.to_string()))
    });
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let client = SnapshotClient::builder(endpoint).transport(transport.clone()).clock(clock).build().unwrap();
    (client, transport)
}

/// The paths and queries that were requested.
fn targets(transport: &TransportFn) -> Vec<String> {
    transport.requests().iter().map(|request| request.uri().path_and_query().unwrap().to_string()).collect()
}

/// The segments of a request's path, decoded.
fn segments(request: &http::Request<Bytes>) -> Vec<String> {
    let decode = |segment: &str| percent_encoding::percent_decode_str(segment).decode_utf8().unwrap().into_owned();
    request.uri().path().split('/').skip(1).map(decode).collect()
}

const LOCAL: &str = "http://localhost:9200";

/// The longest request line that servers accept, in bytes.
const MAX_REQUEST_LINE: usize = 4096;

/// More names than one request line holds, some of them in a script that takes more bytes.
fn many_names() -> Vec<String> {
    (0..400)
        .map(|n| format!("nightly-{n:03}-of-the-year"))
        .chain((0..60).map(|n| format!("日次スナップショット-{n:02}")))
        .collect()
}

/// Responds to a listing with those requested names that exist. Each name in `existing` started
/// after the next one. If none exists, the response is 404. A deletion succeeds.
fn listing(existing: Vec<String>) -> impl Fn(&http::Request<Bytes>) -> (u16, Value) + Send + Sync {
    move |request| {
        let segments = segments(request);
        if request.method() == http::Method::DELETE {
            return (200, json!({"acknowledged": true}));
        }
        let names: Vec<&str> = segments[2].split(',').collect();
        let position = |name: &str| existing.iter().position(|existing| existing == name);
        let found: Vec<Value> = names
            .iter()
            .filter_map(|name| Some((name, position(name)?)))
            .map(|(name, at)| json!({"snapshot": name, "uuid": name, "state": "SUCCESS", "start_time_in_millis": 1_000_000 - at}))
            .collect();
        if found.is_empty() {
            let reason = format!("[r:{}] is missing", names[0]);
            return (404, json!({"error": {"type": "snapshot_missing_exception", "reason": reason}, "status": 404}));
        }
        (200, json!({"snapshots": found}))
    }
}

#[tokio::test]
async fn splits_a_listing_of_more_names_than_a_request_line_holds() {
    let names = many_names();
    let prefix = format!("/{}", "p".repeat(700));
    let long = "リポジトリ".repeat(17);
    for (prefix, repository) in [("", "r"), (prefix.as_str(), long.as_str())] {
        let existing = names.clone();
        let respond = listing(existing);
        let cut = prefix.len();
        let (client, transport) = scripted(&format!("{LOCAL}{prefix}"), move |request| {
            let path = request.uri().path().get(cut..).unwrap().to_owned();
            respond(&http::Request::builder().method(request.method()).uri(path).body(Bytes::new()).unwrap())
        });
        let pattern = SnapshotPattern::new(names.iter().chain(&names[..200])).unwrap();

        let listed = client
            .with_master_timeout(Duration::from_secs(30))
            .repository(repository)
            .unwrap()
            .list(ListSnapshots::new().with_pattern(pattern))
            .await
            .unwrap();

        let oldest_first: Vec<&str> = names.iter().rev().map(String::as_str).collect();
        assert_eq!(listed.snapshots().iter().map(SnapshotInfo::name).collect::<Vec<_>>(), oldest_first);
        let longest = targets(&transport).iter().map(String::len).max().unwrap();
        assert!(longest + "GET  HTTP/1.1".len() <= MAX_REQUEST_LINE && targets(&transport).len() > 5, "{longest}");
    }
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_read_does_not_hide_the_others() {
    for damage in [FakeDamage::Lost, FakeDamage::Corrupt] {
        let scene = prepared().await;
        for name in ["t", "u"] {
            scene.domain.another_client_creates("r", name);
            scene.clock.advance(Duration::from_secs(10));
        }
        scene.domain.damage_snapshot("r", "t", damage);

        let listed = backups(&scene.client).list(ListSnapshots::new()).await.unwrap();

        assert_eq!(listed.snapshots().iter().map(SnapshotInfo::name).collect::<Vec<_>>(), ["s", "u"], "{damage:?}");
        assert_eq!(listed.unreadable().iter().map(SnapshotFailure::name).collect::<Vec<_>>(), ["t"]);
        assert_eq!(listed.into_complete().unwrap_err().kind(), ErrorKind::Incomplete);
    }
}

#[tokio::test]
async fn a_listing_fails_if_a_named_snapshot_is_missing() {
    let scene = prepared().await;
    let absent = ListSnapshots::new().with_pattern(SnapshotPattern::new(["s", "absent"]).unwrap());

    let error = backups(&scene.client).list(absent).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::SnapshotMissing);
}

#[tokio::test]
async fn a_part_of_a_listing_that_matches_nothing_does_not_hide_the_others() {
    let (client, _) = scripted(LOCAL, listing(vec!["s".to_owned()]));
    let wildcards = (0..400).map(|n| format!("absent-{n}-*"));

    let some =
        ListSnapshots::new().with_pattern(SnapshotPattern::new(wildcards.clone().chain(["s".to_owned()])).unwrap());
    let none = ListSnapshots::new().with_pattern(SnapshotPattern::new(wildcards).unwrap());

    assert_eq!(backups(&client).list(some).await.unwrap().snapshots().len(), 1);
    assert_eq!(backups(&client).list(none).await.unwrap_err().kind(), ErrorKind::SnapshotMissing);
}

#[tokio::test]
async fn a_listing_fails_if_a_name_is_missing_in_one_part() {
    let (client, _) = scripted(LOCAL, listing(vec!["s".to_owned()]));
    let names = ["s".to_owned()].into_iter().chain((0..400).map(|n| format!("absent-{n}")));

    let error = backups(&client)
        .list(ListSnapshots::new().with_pattern(SnapshotPattern::new(names).unwrap()))
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::SnapshotMissing);
}

#[tokio::test]
async fn deletes_more_names_than_a_request_line_holds() {
    let names = many_names();
    let (client, transport) = scripted(LOCAL, listing(names.clone()));

    let deleted = backups(&client).delete_snapshots(SnapshotPattern::new(names.clone()).unwrap()).await.unwrap();

    assert!(deleted.is_complete() && deleted.deleted().len() == names.len(), "{deleted:?}");
    assert!(targets(&transport).iter().all(|target| target.len() < 3600));
}

#[tokio::test]
async fn splits_a_request_for_the_recoveries_of_more_indices_than_a_request_line_holds() {
    let names: Vec<IndexName> = (0..60).map(|n| format!("日次インデックス-{n:02}").parse().unwrap()).collect();
    let (client, transport) = scripted(LOCAL, |request| {
        // Every name is also an alias of `shared`.
        let segments = segments(request);
        let shards = || json!({"shards": [{"id": 0, "type": "SNAPSHOT", "stage": "DONE", "primary": true}]});
        (
            200,
            segments[0]
                .split(',')
                .chain(["shared"])
                .map(|index| (index.to_owned(), shards()))
                .collect::<Map<_, _>>()
                .into(),
        )
    });

    let recoveries = client.recovery(&names).await.unwrap();

    let expected: Vec<&str> = ["shared"].into_iter().chain(names.iter().map(IndexName::as_str)).collect();
    assert_eq!(recoveries.iter().map(ShardRecovery::index).collect::<Vec<_>>(), expected);
    assert!(targets(&transport).len() > 1 && targets(&transport).iter().all(|target| target.len() <= 3500));
}

#[tokio::test]
async fn a_listing_omits_snapshots_that_were_not_requested() {
    let (client, _) = scripted(LOCAL, |_| {
        let info = |repository: &str, name: &str| json!({"snapshot": name, "uuid": name, "repository": repository, "state": "SUCCESS"});
        (200, json!({"snapshots": [info("r", "weekly"), info("r", "old-1"), info("other", "old-2")]}))
    });
    let options =
        ListSnapshots::new().with_pattern("old-*".parse::<SnapshotPattern>().unwrap()).with_ignore_unavailable(true);

    let listed = backups(&client).list(options).await.unwrap();

    assert_eq!(listed.snapshots().iter().map(SnapshotInfo::name).collect::<Vec<_>>(), ["old-1"]);
}

#[tokio::test]
async fn deleting_by_pattern_keeps_snapshots_that_do_not_match() {
    let (client, transport) = scripted(LOCAL, |request| {
        let running = json!({"snapshot": "weekly", "uuid": "w1", "state": "IN_PROGRESS"});
        if request.method() == http::Method::GET {
            (200, json!({"snapshots": [running]}))
        } else {
            (200, json!({"acknowledged": true}))
        }
    });

    let deleted = backups(&client).delete_snapshots("old-*".parse().unwrap()).await.unwrap();

    assert!(deleted.deleted().is_empty() && deleted.is_complete() && targets(&transport).len() == 1, "{deleted:?}");
}

#[tokio::test]
async fn a_status_ignores_a_snapshot_of_that_name_in_another_repository() {
    let (client, _) = scripted(LOCAL, |_| {
        let running =
            |repository: &str| json!({"snapshot": "s", "repository": repository, "uuid": "u", "state": "STARTED"});
        (200, json!({"snapshots": [running("other"), running("r")]}))
    });

    assert_eq!(client.running_snapshots().await.unwrap().len(), 2);
    assert_eq!(backups(&client).snapshot("s").unwrap().status().await.unwrap().repository(), Some("r"));
}

#[tokio::test]
async fn deletes_a_snapshot_with_a_percent_sign_in_its_name() {
    let (client, transport) = scripted(LOCAL, listing(vec!["snap-100%".to_owned()]));

    let deleted = backups(&client).delete_snapshots("snap-100%".parse().unwrap()).await.unwrap();

    assert!(deleted.is_complete() && deleted.deleted().len() == 1, "{deleted:?}");
    assert_eq!(targets(&transport).last().unwrap(), "/_snapshot/r/snap-100%25");
}

// ---- operations that others block

/// A client whose every change is refused with this error. A snapshot of this repository and one of
/// another repository are running.
fn busy(error_type: &'static str, reason: &'static str) -> (SnapshotClient, TransportFn) {
    scripted(LOCAL, move |request| {
        let running = |repository: &str| json!({"snapshot": "running", "repository": repository, "uuid": "u", "state": "STARTED"});
        let is_status = request.uri().path().ends_with("_status");
        match (request.method().as_str(), is_status) {
            ("GET", true) => (200, json!({"snapshots": [running("r"), running("other")]})),
            ("GET", false) => (200, json!({"snapshots": [{"snapshot": "s", "uuid": "u1", "state": "SUCCESS"}]})),
            _ => (503, json!({"error": {"type": error_type, "reason": reason}, "status": 503})),
        }
    })
}

#[tokio::test]
async fn the_error_of_a_deletion_that_a_restore_blocks_names_no_running_snapshot() {
    let reason = "[r:s] cannot delete snapshot during a restore in progress in [r:s/u1]";
    let (client, transport) = busy("concurrent_snapshot_execution_exception", reason);

    let error = backups(&client).snapshot("s").unwrap().delete().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(!error.to_string().contains("running: r") && error.to_string().contains(reason), "{error}");
    assert!(!targets(&transport).iter().any(|target| target.contains("_status")));
}

#[tokio::test]
async fn the_error_of_a_repository_in_use_names_only_its_own_snapshots() {
    let (client, _) =
        busy("illegal_state_exception", "trying to modify or unregister repository that is currently used");

    let error = backups(&client).unregister().await.unwrap_err();

    assert!(error.to_string().contains("running: r:running: HTTP"), "{error}");
}

#[tokio::test]
async fn the_error_of_a_blocked_clean_up_names_the_snapshots_of_every_repository() {
    let (client, _) = busy("illegal_state_exception", "Cannot cleanup [r] - a snapshot is currently running in [x]");

    let error = backups(&client).cleanup().await.unwrap_err();

    assert!(error.to_string().contains("running: r:running, other:running"), "{error}");
}

// ---- settings

#[tokio::test]
async fn refuses_to_send_secrets_in_settings_over_http_to_another_host() {
    for settings in [
        S3Settings::new("b").with_setting("access_key", "AKIA").with_setting("secret_key", "x").into(),
        S3Settings::new("b").with_setting("client", json!({"Session-Token": "x"})).into(),
        S3Settings::new("b").with_endpoint("http://user:password@minio:9000").into(),
        UrlSettings::new("https://user:password@files.example.org/").into(),
        OtherSettings::new("gcs").with_setting("encryption_key", "x").into(),
        OtherSettings::new("azure").with_setting("endpoints", json!([{"sas-token": "x"}])).into(),
    ] {
        let settings: RepositorySettings = settings;
        let (client, transport) = scripted("http://logs.example.com:9200", |_| (200, json!({"acknowledged": true})));

        let error = backups(&client).register(settings).await.unwrap_err();

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotSent));
        assert!(
            error.to_string().contains("danger_send_credentials_unencrypted") && targets(&transport).is_empty(),
            "{error}"
        );
    }
}

#[tokio::test]
async fn sends_secrets_in_settings_over_https_to_the_local_host_or_with_consent() {
    let settings: RepositorySettings = S3Settings::new("b").with_setting("secret_key", "x").into();
    let consent = |builder: SnapshotClientBuilder| builder.danger_send_credentials_unencrypted();
    let keep = |builder| builder;
    for (endpoint, change) in [
        ("https://logs.example.com", keep as fn(_) -> SnapshotClientBuilder),
        ("http://localhost:9200", keep),
        ("http://logs.example.com", consent),
    ] {
        let transport = transport_fn(|_| Ok(response(200, r#"{"acknowledged":true}"#)));
        let builder = SnapshotClient::builder(endpoint).transport(transport);

        backups(&change(builder).build().unwrap()).register(settings.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn refuses_a_setting_whose_value_would_be_ignored() {
    let (client, transport) = scripted(LOCAL, |_| (200, json!({"acknowledged": true})));
    let settings = S3Settings::new("b").with_region("eu-west-1").with_setting("region", "eu-west-2");
    let options = RestoreSnapshot::new().with_setting("include_global_state", true);

    let registration = backups(&client).register(settings).await.unwrap_err();
    let restore = backups(&client).snapshot("s").unwrap().restore(options).await.unwrap_err();

    for error in [registration, restore] {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotSent));
    }
    assert!(targets(&transport).is_empty());
}

#[tokio::test]
async fn accepts_a_role_that_is_given_as_a_plain_setting() {
    let transport = transport_fn(|_| Ok(response(200, r#"{"acknowledged":true}"#)));
    let client = SnapshotClient::builder("https://vpc-x-1.eu-west-1.es.amazonaws.com").transport(transport);
    let client = client.auth(Auth::none()).build().unwrap();
    let settings = S3Settings::new("b").with_setting("role_arn", "arn:aws:iam::123456789012:role/x");

    backups(&client).register(settings).await.unwrap();
}

// ---- raw requests

#[tokio::test]
async fn signs_a_raw_request_and_returns_its_json() {
    let scene = prepared().await;

    let response =
        scene.client.raw(RawRequest::get(["_snapshot", "r", "s"]).with_query("verbose", "false")).await.unwrap();

    assert_eq!((response.status().as_u16(), &response.body()["snapshots"][0]["snapshot"]), (200, &json!("s")));
    let event = scene.domain.events().pop().unwrap();
    assert_eq!((event.path.as_str(), event.verdict), ("/_snapshot/r/s?verbose=false", Verdict::Signed));
}

#[tokio::test]
async fn sends_the_body_of_a_raw_request() {
    let scene = Scene::new().await;
    let settings = json!({"type": "s3", "settings": {"bucket": "my-bucket-4-es", "role_arn": scene::ROLE}});

    let request = RawRequest::new(http::Method::PUT, ["_snapshot", "by-hand"]).with_body(settings);
    scene.client.raw(request).await.unwrap();

    assert_eq!(scene.domain.repositories(), ["by-hand"]);
}

#[tokio::test]
async fn refuses_a_text_response_to_a_raw_request_and_does_not_resend() {
    let scene = Scene::new().await;
    scene.domain.fault(Fault::status(200, "1700000000 green\n", "text/plain").on_path("/_cat/health"));

    let error = scene.client.raw(RawRequest::get(["_cat", "health"])).await.unwrap_err();

    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Decode, 1));
}

#[tokio::test]
async fn a_failed_raw_request_returns_a_typed_error() {
    let scene = Scene::new().await;

    let error = scene.client.raw(RawRequest::get(["_snapshot", "absent"])).await.unwrap_err();

    assert_eq!((error.kind(), error.operation()), (ErrorKind::RepositoryMissing, Some(Operation::Raw)));
}

#[tokio::test]
async fn does_not_resend_a_raw_write_after_a_lost_response() {
    let scene = Scene::new().await;
    scene.domain.fault(Fault::drop_after());

    let error = scene.client.raw(RawRequest::new(http::Method::PUT, ["movies"])).await.unwrap_err();

    assert_eq!((error.outcome(), scene.domain.events().len()), (Outcome::Unknown, 1));
}

#[tokio::test]
async fn refuses_a_raw_path_that_could_change_in_transit() {
    let scene = Scene::new().await;
    for segment in ["", ".", "..", "a/b", "a%2fb", "100%25", "a\\b", "a\nb"] {
        let error = scene.client.raw(RawRequest::get(["_snapshot", segment])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{segment:?}");
    }
    assert!(scene.domain.events().is_empty());
}

#[tokio::test]
async fn encodes_a_percent_sign_in_a_raw_path() {
    let (client, transport) = scripted(LOCAL, |_| (200, json!({})));

    client.raw(RawRequest::get(["_snapshot", "r", "snap-100%"])).await.unwrap();

    assert_eq!(targets(&transport), ["/_snapshot/r/snap-100%25"]);
}

#[tokio::test]
async fn returns_null_for_an_empty_response_to_a_raw_request() {
    let response = client_with_response("").raw(RawRequest::get(["x"])).await.unwrap();

    assert!(response.body().is_null());
}
