//! Failed responses: their kind, their outcome and their message, and how much of them the client
//! reads.

#[allow(dead_code, reason = "each test file uses only a part of it")]
#[path = "support/scene.rs"]
mod scene;

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use es_snapshot::client::RawRequest;
use es_snapshot::error::ServerLayer;
use es_snapshot::testing::{Fault, ManualClock, TransportFn, response, transport_fn};
use es_snapshot::transport::Body;
use es_snapshot::wait::HowStarted;
use es_snapshot::{
    Auth, CreateSnapshot, ErrorKind, Outcome, RestoreSnapshot, SnapshotClient, SnapshotClientBuilder, SnapshotState,
};
use http::{Method, Response};
use http_body::Frame;
use scene::{Scene, backups};
use serde_json::{Value, json};

/// A client that receives these responses, and the transport that records its requests.
fn client_with(
    respond: impl Fn(&http::Request<Bytes>) -> Response<Body> + Send + Sync + 'static,
    build: impl FnOnce(SnapshotClientBuilder) -> SnapshotClientBuilder,
) -> (SnapshotClient, TransportFn) {
    let transport = transport_fn(move |request| Ok(respond(request)));
    let builder = SnapshotClient::builder("https://search.example.org")
        .transport(transport.clone())
        .clock(ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
    (build(builder).build().unwrap(), transport)
}

fn signing(builder: SnapshotClientBuilder) -> SnapshotClientBuilder {
    builder.region("eu-west-1").credentials(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
}

fn with_password(builder: SnapshotClientBuilder) -> SnapshotClientBuilder {
    builder.auth(Auth::basic("u", "passw0rd").unwrap())
}

// ---- how much of a body is read

/// An endless body in pieces of 16 KiB. It counts them.
struct Endless(Arc<AtomicUsize>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16 << 10])))))
    }
}

#[tokio::test]
async fn reads_only_64_kib_of_an_endless_error() {
    let pieces = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pieces);
    let endless = move |_: &_| response(403, Body::new(Endless(Arc::clone(&count))));
    let (client, _) = client_with(endless, |builder| builder);

    let error = client.repositories().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::AccessDenied, Outcome::Rejected));
    assert_eq!(pieces.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn an_error_over_the_size_limit_keeps_its_kind() {
    let reason = "x".repeat(10_000);
    let body = json!({"error": {"type": "repository_missing_exception", "reason": reason}, "status": 404}).to_string();
    let (client, _) = client_with(move |_| response(404, body.clone()), |builder| builder.max_response_bytes(1000));

    let error = client.repositories().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::RepositoryMissing);
}

// ---- the layer that responds

#[tokio::test]
async fn keeps_the_message_of_a_gateway_and_does_not_report_a_bad_signature() {
    for (status, body, kind) in [
        (403, json!({"code": 403, "message": "Cluster is read-only for maintenance"}), ErrorKind::AccessDenied),
        (
            401,
            json!({"statusCode": 401, "error": "Unauthorized", "message": "for maintenance"}),
            ErrorKind::Unauthenticated,
        ),
        (403, json!({"message": "Closed for maintenance"}), ErrorKind::AccessDenied),
    ] {
        for build in [signing, with_password, |builder| builder] {
            let body = body.to_string();
            let (client, transport) = client_with(move |_| response(status, body.clone()), build);

            let error = client.repositories().await.unwrap_err();

            assert_eq!((error.kind(), error.server().unwrap().layer()), (kind, ServerLayer::Gateway), "{error}");
            assert!(error.server().unwrap().reason().ends_with("for maintenance"), "{error}");
            assert_eq!(transport.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn reports_a_bad_signature_only_for_a_signed_request() {
    let body = json!({"message": "The request signature we calculated does not match the signature you provided."})
        .to_string();
    for (build, kind) in [
        (signing as fn(SnapshotClientBuilder) -> SnapshotClientBuilder, ErrorKind::Signature),
        (with_password, ErrorKind::AccessDenied),
    ] {
        let body = body.clone();
        let (client, _) = client_with(move |_| response(403, body.clone()), build);

        let error = client.repositories().await.unwrap_err();

        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn a_repository_name_that_contains_throttled_does_not_cause_a_resend() {
    let refuse = |request: &http::Request<Bytes>| {
        response(
            401,
            json!({"Message": format!("Your request: '{}' is not allowed.", request.uri().path())}).to_string(),
        )
    };
    let (client, transport) = client_with(refuse, |builder| builder);

    let error = client.repository("unthrottled").unwrap().verify().await.unwrap_err();

    assert_eq!((error.kind(), transport.requests().len()), (ErrorKind::NotAllowed, 1));
}

#[tokio::test]
async fn the_error_of_a_redirect_names_its_target_and_shows_no_secret() {
    let redirect = |_: &_| {
        let to = "https://me:passw0rd@login.example.org/start?state=passw0rd";
        Response::builder().status(302).header("location", to).body(Body::from("")).unwrap()
    };
    let (client, transport) = client_with(redirect, with_password);

    let error = client.repositories().await.unwrap_err();

    assert!(
        error.to_string().contains("redirects to https://login.example.org/start, which the client does not follow"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("passw0rd"), "{error:?}");
    assert_eq!(transport.requests().len(), 1);
}

// ---- the outcome

#[tokio::test]
async fn adopts_a_snapshot_that_started_although_the_gateway_timed_out() {
    for status in [408, 425, 499] {
        let started: Mutex<Option<Value>> = Mutex::default();
        let domain = move |request: &http::Request<Bytes>| {
            let mut started = started.lock().unwrap();
            if request.method() == Method::PUT {
                let sent: Value = serde_json::from_slice(request.body()).unwrap();
                let found = json!({"snapshot": "s", "uuid": "u", "state": "IN_PROGRESS", "metadata": sent["metadata"]});
                *started = Some(json!({"snapshots": [found]}));
                return response(status, "stream timeout");
            }
            response(200, started.as_ref().map(Value::to_string).unwrap_or_default())
        };
        let (client, _) = client_with(domain, |builder| builder);

        let created = backups(&client).create_snapshot("s", CreateSnapshot::new()).await;

        assert_eq!(created.unwrap().how(), HowStarted::Adopted, "{status}");
    }
}

#[tokio::test]
async fn a_raw_write_with_an_unknown_outcome_is_not_safe_to_repeat() {
    let (client, transport) = client_with(|_| response(504, ""), |builder| builder);

    let error = client.raw(RawRequest::new(Method::PUT, ["_snapshot", "r", "s"])).await.unwrap_err();

    assert_eq!((error.outcome(), transport.requests().len()), (Outcome::Unknown, 1));
    assert!(!error.is_transient() && !error.is_safe_to_repeat());
    assert!(error.to_string().contains("the request may have been carried out"), "{error}");
    assert!(client.raw(RawRequest::get(["_snapshot"])).await.unwrap_err().is_transient(), "a read can be repeated");
}

#[tokio::test]
async fn a_restore_that_conflicts_with_an_alias_is_rejected_at_once() {
    let scene = Scene::new().await;
    scene.prepare().await;
    scene.take_snapshot().await;
    let reason = "alias [movies-write] has more than one write index [movies-1,movies-2]";
    let error = json!({"type": "illegal_state_exception", "reason": reason});
    let body = json!({"error": error, "status": 500}).to_string();
    scene.domain.fault(Fault::status(500, body, "application/json").on_path("_restore"));
    let before = scene.domain.events().len();

    let error = backups(&scene.client).snapshot("s").unwrap().restore(RestoreSnapshot::new()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Restore, Outcome::Rejected));
    assert_eq!(scene.events_since(before).iter().filter(|event| event.path.contains("_restore")).count(), 1);
}

#[tokio::test]
async fn a_wait_survives_nodes_whose_security_is_not_ready() {
    let scene = Scene::with(|domain| domain.snapshots_take(Duration::from_hours(1)), |client| client).await;
    scene.prepare().await;
    scene.start_snapshot().await;
    let error =
        json!({"type": "security_exception", "reason": "OpenSearch Security not initialized for cluster:admin/x"});
    let body = json!({"error": error, "status": 503}).to_string();
    scene
        .domain
        .fault(Fault::status(503, body, "application/json").on_method("GET").on_path("/_snapshot/r/s").times(8));

    let ended = backups(&scene.client).snapshot("s").unwrap().wait().await.unwrap();

    assert_eq!(ended.state(), &SnapshotState::Success);
}
