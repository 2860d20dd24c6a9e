//! What a failed response means to a caller: its kind, its outcome, its words, and how much of it
//! is read.

#[allow(dead_code, reason = "each of the suites uses a part of it")]
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

/// A client whose requests get these responses, and the transport that keeps them.
fn client_of(
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

/// A body without end, in pieces of 16 KiB.
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
async fn reads_64_kib_of_an_error_that_never_ends() {
    let pieces = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pieces);
    let endless = move |_: &_| response(403, Body::new(Endless(Arc::clone(&count))));
    let (client, _) = client_of(endless, |builder| builder);

    let error = client.repositories().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::AccessDenied, Outcome::Rejected));
    assert_eq!(pieces.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn an_error_over_the_limit_of_replies_is_still_the_servers_error() {
    let reason = "x".repeat(10_000);
    let body = json!({"error": {"type": "repository_missing_exception", "reason": reason}, "status": 404}).to_string();
    let (client, _) = client_of(move |_| response(404, body.clone()), |builder| builder.max_response_bytes(1000));

    let error = client.repositories().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::RepositoryMissing);
}

// ---- who says it

#[tokio::test]
async fn a_message_of_another_front_end_is_kept_and_is_no_signature_check() {
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
            let (client, transport) = client_of(move |_| response(status, body.clone()), build);

            let error = client.repositories().await.unwrap_err();

            assert_eq!((error.kind(), error.server().unwrap().layer()), (kind, ServerLayer::Gateway), "{error}");
            assert!(error.server().unwrap().reason().ends_with("for maintenance"), "{error}");
            assert_eq!(transport.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn only_what_was_signed_can_have_a_bad_signature() {
    let body = json!({"message": "The request signature we calculated does not match the signature you provided."})
        .to_string();
    for (build, kind) in [
        (signing as fn(SnapshotClientBuilder) -> SnapshotClientBuilder, ErrorKind::Signature),
        (with_password, ErrorKind::AccessDenied),
    ] {
        let body = body.clone();
        let (client, _) = client_of(move |_| response(403, body.clone()), build);

        let error = client.repositories().await.unwrap_err();

        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn a_repository_whose_name_reads_like_a_throttle_is_refused_once() {
    let refuse = |request: &http::Request<Bytes>| {
        response(
            401,
            json!({"Message": format!("Your request: '{}' is not allowed.", request.uri().path())}).to_string(),
        )
    };
    let (client, transport) = client_of(refuse, |builder| builder);

    let error = client.repository("unthrottled").unwrap().verify().await.unwrap_err();

    assert_eq!((error.kind(), transport.requests().len()), (ErrorKind::NotAllowed, 1));
}

#[tokio::test]
async fn a_redirect_says_where_to_and_shows_no_secret() {
    let redirect = |_: &_| {
        let to = "https://me:passw0rd@login.example.org/start?state=passw0rd";
        Response::builder().status(302).header("location", to).body(Body::from("")).unwrap()
    };
    let (client, transport) = client_of(redirect, with_password);

    let error = client.repositories().await.unwrap_err();

    assert!(
        error.to_string().contains("redirects to https://login.example.org/start, which is not followed"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("passw0rd"), "{error:?}");
    assert_eq!(transport.requests().len(), 1);
}

// ---- what is known after it

#[tokio::test]
async fn a_snapshot_that_began_behind_a_gateway_that_gave_up_waiting_is_found() {
    for status in [408, 425, 499] {
        let begun: Mutex<Option<Value>> = Mutex::default();
        let domain = move |request: &http::Request<Bytes>| {
            let mut begun = begun.lock().unwrap();
            if request.method() == Method::PUT {
                let sent: Value = serde_json::from_slice(request.body()).unwrap();
                let found = json!({"snapshot": "s", "uuid": "u", "state": "IN_PROGRESS", "metadata": sent["metadata"]});
                *begun = Some(json!({"snapshots": [found]}));
                return response(status, "stream timeout");
            }
            response(200, begun.as_ref().map(Value::to_string).unwrap_or_default())
        };
        let (client, _) = client_of(domain, |builder| builder);

        let created = backups(&client).create_snapshot("s", CreateSnapshot::new()).await;

        assert_eq!(created.unwrap().how(), HowStarted::Adopted, "{status}");
    }
}

#[tokio::test]
async fn a_raw_write_of_which_nobody_knows_is_not_to_be_repeated() {
    let (client, transport) = client_of(|_| response(504, ""), |builder| builder);

    let error = client.raw(RawRequest::new(Method::PUT, ["_snapshot", "r", "s"])).await.unwrap_err();

    assert_eq!((error.outcome(), transport.requests().len()), (Outcome::Unknown, 1));
    assert!(!error.is_transient() && !error.is_safe_to_repeat());
    assert!(error.to_string().contains("the request may have been carried out"), "{error}");
    assert!(client.raw(RawRequest::get(["_snapshot"])).await.unwrap_err().is_transient(), "a read");
}

#[tokio::test]
async fn a_restore_that_conflicts_with_an_alias_is_refused_at_once() {
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
async fn a_wait_outlives_nodes_whose_security_is_not_ready() {
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
