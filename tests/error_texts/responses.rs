//! Failed, unexpected and incomplete responses.

use std::io;

use aws_credential_types::Credentials;
use bytes::Bytes;
use es_snapshot::client::RawRequest;
use es_snapshot::error::Operation;
use es_snapshot::name::SnapshotName;
use es_snapshot::restore::UnrestoredShard;
use es_snapshot::snapshot::{DeletionReport, SnapshotFailure, SnapshotList};
use es_snapshot::testing::{FakeDamage, FakeDomain, Fault, response};
use es_snapshot::transport::{Body, TransportError};
use es_snapshot::{
    CloneSnapshot, CreateSnapshot, Error, ErrorKind, FsSettings, ListSnapshots, RestoreReport, RestoreSnapshot,
    RetryPolicy, S3Settings, SnapshotClient, SnapshotInfo, Timeouts,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Response;
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::{Value, json};

use super::sheet::{Sheet, backups, call_with, engine, joined, monday, on_a_domain, read, seconds, signing};

pub(crate) fn add(sheet: &mut Sheet) {
    kinds(sheet);
    operations(sheet);
    failures(sheet);
    unexpected(sheet);
    listings(sheet);
    incomplete(sheet);
}

/// Adds an error with its kind and outcome as the label.
fn add_kind(sheet: &mut Sheet, kind: ErrorKind, result: Result<(), Error>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    sheet.add(format!("{kind}, {}", error.outcome()), &error);
}

fn kinds(sheet: &mut Sheet) {
    sheet.room("kinds and outcomes");
    let reset = || io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer");
    let signed = |status: u16, message: &str| {
        let body = json!({"message": message}).to_string();
        call_with(
            move |_| Ok(response(status, body.clone())),
            signing,
            async |client| client.repositories().await.map(drop),
        )
    };
    let policy = |status: u16, message: &str| read(status, json!({"Message": message}));
    add_kind(sheet, ErrorKind::InvalidInput, "Monday".parse::<SnapshotName>().map(drop));
    let unusable = call_with(
        |_| Ok(response(200, "{}")),
        |builder| builder.region("eu-west-1").credentials(Credentials::new("", "secret", None, None, "test")),
        async |client| client.repositories().await.map(drop),
    );
    add_kind(sheet, ErrorKind::Credentials, unusable);
    let unsent = call_with(
        |_| Err(TransportError::not_sent("no route to the host")),
        |builder| builder,
        async |client| client.repositories().await.map(drop),
    );
    add_kind(sheet, ErrorKind::Connect, unsent);
    let late = call_with(
        |_| Ok(response(200, "{}")),
        |builder| builder.timeouts(Timeouts::new().with_call(seconds(0))),
        async |client| client.repositories().await.map(drop),
    );
    add_kind(sheet, ErrorKind::Timeout, late);
    let lost = call_with(
        move |_| Err(TransportError::unknown(reset())),
        |builder| builder,
        async |client| client.repositories().await.map(drop),
    );
    add_kind(sheet, ErrorKind::Interrupted, lost);
    let large = call_with(
        |_| Ok(response(200, "[".repeat(2000))),
        |builder| builder.max_response_bytes(1000),
        async |client| client.server_info().await.map(drop),
    );
    add_kind(sheet, ErrorKind::ResponseTooLarge, large);
    add_kind(sheet, ErrorKind::Decode, read(200, "<html></html>"));
    add_kind(
        sheet,
        ErrorKind::Signature,
        signed(403, "The request signature we calculated does not match the signature you provided"),
    );
    add_kind(sheet, ErrorKind::ClockSkew, signed(403, "Signature expired: 20260501T000000Z is now earlier than it"));
    add_kind(sheet, ErrorKind::ExpiredToken, signed(403, "The security token included in the request is expired"));
    add_kind(sheet, ErrorKind::Unauthenticated, read(401, "Unauthorized"));
    let denied = "User: anonymous is not authorized to perform: es:ESHttpGet";
    add_kind(sheet, ErrorKind::AccessDenied, policy(403, denied));
    add_kind(sheet, ErrorKind::NotAllowed, policy(401, "Your request: '/_snapshot' is not allowed"));
    let no_role = "settings.role_arn is needed for snapshot registration";
    add_kind(sheet, ErrorKind::MissingRoleArn, policy(400, no_role));
    engine_kinds(sheet);
    let differs = on_a_domain(async |_, client| {
        backups(client).ensure_registered(FsSettings::new("/mnt/backups")).await.map(drop)
    });
    add_kind(sheet, ErrorKind::RepositoryDiffers, differs);
    let running: SnapshotInfo = serde_json::from_value(json!({"snapshot": "monday", "state": "IN_PROGRESS"})).unwrap();
    add_kind(sheet, ErrorKind::Incomplete, running.into_complete().map(drop));
    let waited = on_a_domain(async |domain, client| {
        domain.hold_snapshots(true);
        let started = backups(client).create_snapshot("monday", CreateSnapshot::new()).await.unwrap();
        started.wait().with_deadline(seconds(60)).await.map(drop)
    });
    add_kind(sheet, ErrorKind::Deadline, waited);
    add_kind(sheet, ErrorKind::Server, read(500, engine(500, "null_pointer_exception", "this is null")));
}

fn engine_kinds(sheet: &mut Sheet) {
    for (kind, status, error_type, reason) in [
        (ErrorKind::RepositoryMissing, 404, "repository_missing_exception", "[backups] missing"),
        (ErrorKind::SnapshotMissing, 404, "snapshot_missing_exception", "[backups:monday] is missing"),
        (ErrorKind::IndexMissing, 404, "index_not_found_exception", "no such index [movies]"),
        (
            ErrorKind::SnapshotNameTaken,
            400,
            "invalid_snapshot_name_exception",
            "[backups:monday] invalid snapshot name [monday], snapshot with the same name already exists",
        ),
        (
            ErrorKind::Busy,
            503,
            "concurrent_snapshot_execution_exception",
            "[backups:monday] cannot delete snapshot while it is being cloned",
        ),
        (ErrorKind::Throttled, 429, "circuit_breaking_exception", "[parent] data too large"),
        (ErrorKind::Blocked, 403, "cluster_block_exception", "blocked by: [FORBIDDEN/13/cluster create-index blocked]"),
        (
            ErrorKind::RepositoryVerification,
            500,
            "repository_verification_exception",
            "[backups] path is not accessible on master node",
        ),
        (ErrorKind::Repository, 500, "repository_exception", "[backups] repository type [s3] does not exist"),
        (
            ErrorKind::Restore,
            500,
            "snapshot_restore_exception",
            "[backups:monday] cannot restore index [movies] because an open index with same name already exists",
        ),
        (ErrorKind::InvalidRequest, 400, "illegal_argument_exception", "unknown setting"),
        (ErrorKind::Unavailable, 503, "master_not_discovered_exception", ""),
    ] {
        add_kind(sheet, kind, read(status, engine(status, error_type, reason)));
    }
}

/// Fails the requests with this method and path.
fn deny(domain: &FakeDomain, method: &'static str, end: &'static str) {
    let matches = move |actual: &str, path: &str| {
        actual == method && path.split('?').next().is_some_and(|path| path.ends_with(end))
    };
    domain.clear_faults();
    domain.fault(Fault::status(403, r#"{"Message":"denied by the test"}"#, "application/json").on(matches));
}

fn operations(sheet: &mut Sheet) {
    sheet.room("operations");
    on_a_domain(async |domain, client| {
        let backups = backups(client);
        let monday = monday(client);
        backups.create_snapshot("monday", CreateSnapshot::new()).await.unwrap().wait().await.unwrap();
        let copy = || CloneSnapshot::new(["*"]);
        let mut add = |operation: Operation, result: Result<(), Error>| {
            let error = result.unwrap_err();
            assert_eq!(error.operation(), Some(operation), "{error}");
            sheet.add(operation, &error);
        };
        deny(domain, "PUT", "/backups");
        add(Operation::RegisterRepository, backups.register(S3Settings::new("my-bucket-4-es")).await);
        deny(domain, "GET", "/backups");
        add(Operation::GetRepository, backups.info().await.map(drop));
        deny(domain, "GET", "/_snapshot");
        add(Operation::ListRepositories, client.repositories().await.map(drop));
        deny(domain, "POST", "/_verify");
        add(Operation::VerifyRepository, backups.verify().await.map(drop));
        deny(domain, "POST", "/_cleanup");
        add(Operation::CleanUpRepository, backups.cleanup().await.map(drop));
        deny(domain, "DELETE", "/backups");
        add(Operation::UnregisterRepository, backups.unregister().await);
        deny(domain, "PUT", "/tuesday");
        add(Operation::CreateSnapshot, backups.create_snapshot("tuesday", CreateSnapshot::new()).await.map(drop));
        deny(domain, "GET", "/monday");
        add(Operation::GetSnapshot, monday.info().await.map(drop));
        deny(domain, "GET", "/_all");
        add(Operation::ListSnapshots, backups.list(ListSnapshots::new()).await.map(drop));
        deny(domain, "DELETE", "/monday");
        add(Operation::DeleteSnapshot, monday.delete().await);
        deny(domain, "PUT", "/copy");
        add(Operation::CloneSnapshot, monday.clone_to("copy", copy()).await.map(drop));
        deny(domain, "POST", "/_restore");
        add(Operation::RestoreSnapshot, monday.restore(RestoreSnapshot::new()).await.map(drop));
        deny(domain, "GET", "/_status");
        add(Operation::SnapshotStatus, monday.status().await.map(drop));
        deny(domain, "GET", "/_recovery");
        add(Operation::Recovery, client.recovery(Vec::<&str>::new()).await.map(drop));
        deny(domain, "GET", "/");
        add(Operation::ServerInfo, client.server_info().await.map(drop));
        deny(domain, "GET", "/_cat");
        add(Operation::Raw, client.raw(RawRequest::get(["_cat"])).await.map(drop));
    });
    for (label, status) in [("a read", 504), ("a read that is refused for now", 429)] {
        let repeated = call_with(
            move |_| Ok(response(status, "")),
            |builder| builder.retry(RetryPolicy::new()),
            async |client| client.repositories().await,
        );
        sheet.refused(format!("every attempt of {label}"), repeated);
    }
    let changed = call_with(
        |_| Ok(response(504, "")),
        |builder| builder.retry(RetryPolicy::new()),
        async |client| backups(client).register(S3Settings::new("logs")).await,
    );
    sheet.refused("every attempt of a registration", changed);
}

fn respond(response: impl Fn() -> Response<Body> + Send + Sync + 'static) -> Result<(), Error> {
    call_with(move |_| Ok(response()), |builder| builder, async |client| client.repositories().await.map(drop))
}

fn body(chunks: Vec<Result<Bytes, &'static str>>) -> Body {
    Body::new(StreamBody::new(stream::iter(chunks).map(|chunk| chunk.map(Frame::data))))
}

fn failures(sheet: &mut Sheet) {
    sheet.room("what a failed response shows");
    let redirect = || {
        let to = "https://login.example.org/start";
        Response::builder().status(302).header("location", to).body(Body::from("")).unwrap()
    };
    sheet.refused("redirect", respond(redirect));
    let with_id = || {
        let denied = Body::from(r#"{"Message":"denied by the test"}"#);
        Response::builder().status(403).header("x-amzn-requestid", "1-2-3").body(denied).unwrap()
    };
    sheet.refused("request id", respond(with_id));
    sheet.refused("page of a gateway", read(502, "<html><title>502 Bad Gateway</title></html>"));
    let cause = json!({"type": "i_o_exception", "reason": "disk on fire"});
    let caused = json!({"type": "repository_exception", "reason": "[backups] cannot be used", "caused_by": cause});
    sheet.refused("cause", read(500, json!({"error": caused, "status": 500})));
    let suppressed = |count: usize| {
        let entries = vec![json!({"type": "x", "reason": "y".repeat(900)}); count];
        json!({"error": {"type": "t", "reason": "w".repeat(3000), "suppressed": entries}, "status": 500}).to_string()
    };
    sheet.refused("causes that do not fit", read(500, suppressed(20)));
    sheet.refused("more causes than are read", read(500, suppressed(100)));
    sheet.refused("long text of a gateway", read(502, "x".repeat(100_000)));
    let broken = || response(500, body(vec![Ok("{".into()), Err("connection reset")]));
    sheet.refused("response that breaks off", respond(broken));
}

fn unexpected(sheet: &mut Sheet) {
    sheet.room("unexpected responses");
    let whole = |text: String| {
        call_with(
            move |_| Ok(response(200, text.clone())),
            |builder| builder,
            async |client| client.server_info().await.map(drop),
        )
    };
    let gathered = |text: &str| read(200, text);
    sheet.refused("value", whole(r#"{"version":7}"#.to_owned()));
    sheet.refused("no JSON", whole("<html></html>".to_owned()));
    sheet.refused("two values", whole("{} {}".to_owned()));
    sheet.refused("too many values", whole(format!("[{}0]", "[],".repeat(400_000))));
    sheet.refused("value in a list", gathered(r#"{"backups":{"type":7}}"#));
    sheet.refused("no JSON in a list", gathered(r#"{"backups":{"#));
    let rows = r#"{"primary":true},"#.repeat(100_000);
    let dense = call_with(
        move |_| Ok(response(200, format!(r#"{{"movies":{{"shards":[{rows}{{}}]}}}}"#))),
        |builder| builder,
        async |client| client.recovery(Vec::<&str>::new()).await.map(drop),
    );
    // The numbers depend on the layout that the compiler chooses.
    let words = joined(&dense.unwrap_err());
    let is_number = |word: &str| word.bytes().all(|c| c.is_ascii_digit());
    let words: Vec<&str> = words.split(' ').map(|word| if is_number(word) { "<number>" } else { word }).collect();
    sheet.add_text("too many elements", &words.join(" "));
    let broken = || response(200, body(vec![Ok("{".into()), Err("connection reset")]));
    sheet.refused("response that breaks off", respond(broken));
    let empty = |call: fn(SnapshotClient) -> futures_util::future::BoxFuture<'static, Result<(), Error>>| {
        call_with(
            |request| {
                let is_repository = request.uri().path().ends_with("/backups");
                Ok(response(200, if is_repository { "{}" } else { r#"{"snapshots":[]}"# }))
            },
            |builder| builder,
            async |client| call(client.clone()).await,
        )
    };
    sheet.refused("no repository", empty(|client| Box::pin(async move { backups(&client).info().await.map(drop) })));
    sheet.refused("no snapshot", empty(|client| Box::pin(async move { monday(&client).info().await.map(drop) })));
    sheet.refused("no status", empty(|client| Box::pin(async move { monday(&client).status().await.map(drop) })));
}

/// Returns the error that ends a stream of snapshots from these bodies. The last one repeats.
fn listed(bodies: Vec<Value>) -> Result<(), Error> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    call_with(
        move |_| {
            let at = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst).min(bodies.len() - 1);
            Ok(response(200, bodies[at].to_string()))
        },
        |builder| builder,
        async |client| backups(client).snapshots(ListSnapshots::new()).try_for_each(async |_| Ok(())).await,
    )
}

fn listings(sheet: &mut Sheet) {
    sheet.room("listings");
    let page = |name: &str, next: &str| json!({"snapshots": [{"snapshot": name}], "next": next});
    sheet.refused("pages without an end", listed(vec![page("a", "c1"), page("b", "c1")]));
    sheet.refused("long cursor", listed(vec![page("a", &"x".repeat(5000))]));
    let failure = json!({"backups": {"type": "repository_exception", "reason": "[backups] cannot be read"}});
    sheet.refused("failure with status 200", listed(vec![json!({"snapshots": [], "failures": failure})]));
    let piece = Bytes::from(vec![b'x'; 1 << 20]);
    let endless = call_with(
        move |_| {
            let first = stream::iter([Ok(Bytes::from_static(br#"{"snapshots":[{"snapshot":""#))]);
            let rest = stream::repeat(piece.clone()).map(Ok::<_, TransportError>);
            Ok(response(200, Body::new(StreamBody::new(first.chain(rest).map(|chunk| chunk.map(Frame::data))))))
        },
        |builder| builder,
        async |client| backups(client).snapshots(ListSnapshots::new()).try_for_each(async |_| Ok(())).await,
    );
    sheet.refused("element of more than 16 MiB", endless);
    let unreadable = on_a_domain(async |domain, client| {
        backups(client).create_snapshot("monday", CreateSnapshot::new()).await.unwrap().wait().await.unwrap();
        domain.damage_snapshot("backups", "monday", FakeDamage::Corrupt);
        backups(client).list(ListSnapshots::new()).await.unwrap()
    });
    sheet.add("snapshot that cannot be read", unreadable.unreadable()[0].error());
    sheet.refused("list with a snapshot that cannot be read", unreadable.into_complete());
}

fn incomplete(sheet: &mut Sheet) {
    sheet.room("incomplete results");
    let info = |json: Value| serde_json::from_value::<SnapshotInfo>(json).unwrap();
    sheet.refused("snapshot without a state", info(json!({"snapshot": "monday"})).into_complete());
    let running = info(json!({"snapshot": "monday", "state": "IN_PROGRESS"}));
    sheet.refused("snapshot that is running", running.into_complete());
    let failure = |shard: u32| json!({"index": "movies", "shard_id": shard, "reason": "disk on fire"});
    let failed = info(json!({
        "snapshot": "monday", "state": "FAILED", "reason": "no node has the shards",
        "shards": {"total": 5, "failed": 5, "successful": 0},
        "failures": [failure(0), {"index": "movies"}, failure(2), failure(3), failure(4)],
    }));
    sheet.refused("snapshot that failed", failed.into_complete());
    let lost = |shard: Option<u32>| UnrestoredShard::new("movies", shard, "node left");
    let shards = vec![lost(Some(0)), lost(None)];
    sheet.refused("restore", RestoreReport::new(vec!["movies".to_owned()], 3, shards).into_complete());
    let missing = || read(404, engine(404, "snapshot_missing_exception", "[backups:monday] is missing")).unwrap_err();
    let failures = || vec![SnapshotFailure::new("monday", missing())];
    sheet.refused("list", SnapshotList::new(Vec::new(), failures()).into_complete());
    sheet.refused("deletion", DeletionReport::new(vec!["tuesday".to_owned()], failures()).into_complete());
}
