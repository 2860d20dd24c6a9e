//! Credentials, connections and time limits, and what fails while a snapshot, restore or deletion
//! is started or waited for.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use bytes::Bytes;
use es_snapshot::clock::{BoxFuture, Clock as _};
use es_snapshot::registration::{EnsureRegistered, Registered};
use es_snapshot::restore::PreparedRestore;
use es_snapshot::testing::{CredentialTrouble, FakeDomain, FakeOutcome, Fault, ManualClock, response};
use es_snapshot::transport::{Body, ConnectTarget, Transport, TransportError};
use es_snapshot::wait::{RestoreTicket, SnapshotTicket};
use es_snapshot::{
    CloneSnapshot, CreateSnapshot, Error, FsSettings, ListSnapshots, RestoreSnapshot, RetryPolicy, S3Settings,
    Snapshot, SnapshotClient, Timeouts,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::{Value, json};

use super::failing::Failing;
use super::sheet::{Sheet, backups, call_with, clock, engine, monday, on_a_domain, seconds};

pub(crate) fn add(sheet: &mut Sheet) {
    providers(sheet);
    transports(sheet);
    time_limits(sheet);
    registrations(sheet);
    snapshots(sheet);
    waits(sheet);
    restores(sheet);
    shards(sheet);
}

/// Never returns credentials.
#[derive(Debug)]
struct Silent;

impl ProvideCredentials for Silent {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(std::future::pending())
    }
}

/// Returns the result of a call with this provider.
fn with(provider: impl ProvideCredentials + 'static, limit: Timeouts) -> Result<(), Error> {
    call_with(
        |_| Ok(response(200, "{}")),
        |builder| builder.region("eu-west-1").credentials(provider).timeouts(limit),
        async |client| client.repositories().await.map(drop),
    )
}

fn providers(sheet: &mut Sheet) {
    sheet.room("credentials providers");
    for (label, failure) in [
        ("nothing found", CredentialsError::not_loaded("no credentials found in chain")),
        ("metadata service disabled", CredentialsError::not_loaded("IMDS disabled")),
        ("failure", CredentialsError::provider_error("no such role")),
        ("failure of the metadata service", CredentialsError::provider_error("failed to load IMDS session token")),
        ("configuration", CredentialsError::invalid_configuration("no such profile")),
    ] {
        sheet.refused(label, with(Failing(Mutex::new(Some(failure))), Timeouts::new()));
    }
    sheet.refused("no response", with(Silent, Timeouts::new()));
    sheet.refused("no response within the limit of the call", with(Silent, Timeouts::new().with_call(seconds(2))));
    let panicked = on_a_domain(async |domain, _| {
        let provider = domain.credentials_provider();
        provider.set_trouble(CredentialTrouble::Panics);
        let client = domain.client_builder().credentials(provider).build().unwrap();
        client.repositories().await
    });
    sheet.refused("panic", panicked);
    sheet.refused("empty key", with(Credentials::new("", "secret", None, None, "test"), Timeouts::new()));
}

fn transports(sheet: &mut Sheet) {
    const WHY: &str = "the proxy needs a password: set PROXY_PASSWORD";
    sheet.room("transports of the caller");
    let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
    let failing = |fail: fn(io::Error) -> TransportError| {
        call_with(move |_| Err(fail(refused())), |builder| builder, async |client| backups(client).cleanup().await)
    };
    sheet.refused("not sent", failing(TransportError::not_sent));
    sheet.refused("unknown", failing(TransportError::unknown));
    sheet.refused("lasting", failing(|error| TransportError::lasting(WHY, error)));
    let repeated = call_with(
        move |_| Err(TransportError::not_sent(refused())),
        |builder| builder.retry(RetryPolicy::new()),
        async |client| client.repositories().await,
    );
    sheet.refused("not sent by any attempt", repeated);
}

/// A transport that never responds.
#[derive(Debug)]
struct NoResponse;

impl Transport for NoResponse {
    fn call<'a>(
        &'a self,
        _: http::Request<Bytes>,
        _: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<http::Response<Body>, TransportError>> {
        Box::pin(std::future::pending())
    }
}

/// Returns a body that begins with this text. A space follows every 20 seconds.
fn slow(clock: &ManualClock, first: &'static str) -> Body {
    let clock = clock.clone();
    let rest = stream::unfold((), move |()| {
        let clock = clock.clone();
        async move {
            clock.sleep(seconds(20)).await;
            Some((Bytes::from_static(b" "), ()))
        }
    });
    let chunks = stream::iter([Bytes::from_static(first.as_bytes())]).chain(rest);
    Body::new(StreamBody::new(chunks.map(|chunk| Ok::<_, TransportError>(Frame::data(chunk)))))
}

fn time_limits(sheet: &mut Sheet) {
    sheet.room("time limits");
    let call = |timeouts: Timeouts| {
        call_with(
            |_| Ok(response(200, "{}")),
            |builder| builder.transport(NoResponse).timeouts(timeouts),
            async |client| backups(client).cleanup().await,
        )
    };
    sheet.refused("before the request is sent", call(Timeouts::new().with_call(seconds(0))));
    sheet.refused("no response", call(Timeouts::new()));
    let time = clock();
    let slow_clock = time.clone();
    let client = SnapshotClient::builder("https://search.example.org")
        .transport(es_snapshot::testing::transport_fn(move |_| {
            Ok(response(200, slow(&slow_clock, r#"{"snapshots":[{"snapshot":"a"},"#)))
        }))
        .clock(time.clone())
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    let info = |timeouts: Timeouts| time.block_on(client.with_timeouts(timeouts).server_info());
    sheet.refused("long pause within a response", info(Timeouts::new().with_read(seconds(5))));
    let listing = backups(&client).snapshots(ListSnapshots::new()).try_for_each(async |_| Ok(()));
    sheet.refused("next snapshot of a listing", time.block_on(listing));
}

/// Returns the result of a registration by a domain that responds by a script.
fn ensured(
    script: Vec<(u16, Value)>,
    options: impl FnOnce(EnsureRegistered) -> EnsureRegistered,
) -> Result<Registered, Error> {
    let script = Mutex::new(script.into_iter());
    call_with(
        move |_| {
            let (status, body) = script.lock().unwrap().next().unwrap();
            Ok(response(status, body.to_string()))
        },
        |builder| builder,
        async |client| options(backups(client).ensure_registered(FsSettings::new("/mnt/new"))).await,
    )
}

fn registrations(sheet: &mut Sheet) {
    const ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
    sheet.room("registrations");
    let found = |settings: Value| (200, json!({"backups": {"type": "fs", "settings": settings}}));
    let (old, ours) = (|| found(json!({"location": "/mnt/old"})), || found(json!({"location": "/mnt/new"})));
    let missing = || (404, engine(404, "repository_missing_exception", "[backups] missing"));
    let done = || (200, json!({"acknowledged": true}));
    let unverified = || (500, engine(500, "repository_verification_exception", "[backups] store location is wrong"));
    let overwriting = |one: EnsureRegistered| one.with_overwrite(true);
    let undoing = |one: EnsureRegistered| one.with_overwrite(true).with_rollback(true);

    let many = json!({"a": 1, "b": 2, "compress": "true", "secret_key": "x", "z": [1]});
    sheet.refused("other settings", ensured(vec![found(many)], |one| one));
    let encrypted =
        json!({"backups": {"type": "fs", "settings": {"location": "/mnt/new"}, "crypto_metadata": {"settings": {}}}});
    sheet.refused("encrypted", ensured(vec![(200, encrypted)], overwriting));
    sheet.refused("replaced by another client", ensured(vec![missing(), done(), old()], |one| one));
    for (label, before) in [("stays", missing()), ("stays with new settings", old())] {
        sheet.refused(label, ensured(vec![before, unverified(), ours()], overwriting));
    }
    sheet.refused("not registered", ensured(vec![missing(), unverified(), missing()], |one| one));
    sheet.refused("not registered yet", ensured(vec![missing(), (500, json!({})), missing()], |one| one));
    sheet.refused("as before", ensured(vec![old(), unverified(), old()], overwriting));
    sheet.refused("registered by another client", ensured(vec![missing(), unverified(), old()], |one| one));
    sheet.refused("cannot be read", ensured(vec![missing(), unverified(), (500, json!({}))], |one| one));
    sheet.refused("rolled back", ensured(vec![missing(), unverified(), ours(), done()], undoing));
    sheet.refused("not rolled back", ensured(vec![missing(), unverified(), ours(), (500, json!({}))], undoing));
    sheet.refused("restored", ensured(vec![old(), unverified(), ours(), done()], undoing));
    sheet.refused("not restored", ensured(vec![old(), unverified(), ours(), unverified()], undoing));
    let denied = on_a_domain(async |domain, client| {
        let body =
            r#"{"Message":"User: arn:aws:iam::123456789012:role/Backup is not authorized to perform: iam:PassRole"}"#;
        domain.fault(Fault::status(403, body, "application/json").on_method("PUT"));
        client.repository("logs").unwrap().ensure_registered(S3Settings::new("logs").with_role_arn(ROLE)).await
    });
    sheet.refused("permission that is never granted", denied);
}

/// Makes the domain unreachable once a request with this method has arrived, so that the client
/// cannot determine its outcome.
fn black_out(domain: &FakeDomain, method: &'static str) {
    let arrived = AtomicBool::new(false);
    let follows = move |actual: &str, _: &str| arrived.fetch_or(actual == method, Ordering::SeqCst) && actual == "GET";
    domain.fault(Fault::drop_before().on(follows));
    domain.fault(Fault::drop_after().on_method(method));
}

async fn taken(client: &SnapshotClient) -> Snapshot {
    let started = backups(client).create_snapshot("monday", CreateSnapshot::new()).await.unwrap();
    started.wait().await.unwrap().into_complete().unwrap();
    monday(client)
}

/// Runs a call on a domain with the snapshot `monday`.
fn with_monday<T>(
    call: impl AsyncFnOnce(&FakeDomain, &SnapshotClient, Snapshot) -> Result<T, Error>,
) -> Result<T, Error> {
    on_a_domain(async |domain, client| {
        let monday = taken(client).await;
        call(domain, client, monday).await
    })
}

fn snapshots(sheet: &mut Sheet) {
    sheet.room("creates, clones and deletes");
    let again = with_monday(async |_, client, _| {
        backups(client).create_snapshot("monday", CreateSnapshot::new().without_token()).await
    });
    sheet.refused("create, name taken", again);
    let cloned = with_monday(async |_, _, monday| monday.clone_to("monday", CloneSnapshot::new(["*"])).await);
    sheet.refused("clone, name taken", cloned);
    let unknown = on_a_domain(async |domain, client| {
        black_out(domain, "PUT");
        backups(client).create_snapshot("monday", CreateSnapshot::new()).await
    });
    sheet.refused("create, unknown", unknown);
    let foreign = on_a_domain(async |domain, client| {
        let is_create = |method: &str, _: &str| method == "PUT";
        domain.fault(Fault::drop_before().on(is_create).times(1));
        domain.another_client_creates("backups", "monday");
        backups(client).create_snapshot("monday", CreateSnapshot::new()).await
    });
    sheet.refused("create, another client's snapshot", foreign);
    let deleted = with_monday(async |domain, _, monday| {
        black_out(domain, "DELETE");
        monday.delete().await
    });
    sheet.refused("delete, unknown", deleted);
    let replaced = with_monday(async |_, _, monday| monday.with_uuid("another-uuid").info().await);
    sheet.refused("handle with another uuid", replaced);
    let refused = with_monday(async |_, _, monday| monday.with_uuid("another-uuid").delete().await);
    sheet.refused("delete with another uuid", refused);
    let running = on_a_domain(async |domain, client| {
        domain.hold_snapshots(true);
        backups(client).create_snapshot("monday", CreateSnapshot::new()).await.unwrap();
        backups(client).unregister().await
    });
    sheet.refused("busy, running snapshot", running);
    let many = call_with(
        |request| {
            let running: Vec<Value> = (0..7)
                .map(|n| json!({"snapshot": format!("s{n}"), "repository": "backups", "state": "STARTED"}))
                .collect();
            if *request.method() == Method::GET {
                return Ok(response(200, json!({"snapshots": running}).to_string()));
            }
            let reason = "trying to modify or unregister repository that is currently used";
            Ok(response(500, engine(500, "illegal_state_exception", reason).to_string()))
        },
        |builder| builder,
        async |client| backups(client).unregister().await,
    );
    sheet.refused("busy, many running snapshots", many);
}

fn waits(sheet: &mut Sheet) {
    sheet.room("waits");
    let held = |fault: Option<Fault>| {
        on_a_domain(async |domain, client| {
            domain.hold_snapshots(true);
            let started = backups(client).create_snapshot("monday", CreateSnapshot::new()).await.unwrap();
            if let Some(fault) = fault {
                domain.fault(fault);
            }
            started.wait().with_deadline(seconds(120)).await
        })
    };
    sheet.refused("deadline", held(None));
    sheet.refused("deadline after a failed poll", held(Some(Fault::status(503, "no server", "text/plain"))));
    sheet.refused("deadline during a poll", held(Some(Fault::delay(seconds(1000)))));
    let missing = on_a_domain(async |_, client| monday(client).wait().await);
    sheet.refused("snapshot that does not exist", missing);
    let replaced = with_monday(async |_, client, _| {
        client.resume(SnapshotTicket::new("backups", "monday").unwrap().with_uuid("another-uuid")).await
    });
    sheet.refused("snapshot whose name another has taken", replaced);
    let undeleted = with_monday(async |_, _, monday| monday.wait_for_deletion().with_deadline(seconds(120)).await);
    sheet.refused("deletion that did not happen", undeleted);
    let restored = with_monday(async |domain, _, monday| {
        domain.hold_restores(true);
        let started = monday.restore(RestoreSnapshot::new().with_rename_prefix("restored-")).await.unwrap();
        started.wait().with_deadline(seconds(120)).await
    });
    sheet.refused("deadline of a restore", restored);
    let nothing =
        with_monday(async |_, client, _| client.resume(RestoreTicket::new("backups", "monday").unwrap()).await);
    sheet.refused("restore that did not happen", nothing);
}

fn renamed() -> RestoreSnapshot {
    RestoreSnapshot::new().with_rename_prefix("restored-")
}

fn restores(sheet: &mut Sheet) {
    sheet.room("restores");
    let open = with_monday(async |_, _, monday| monday.restore(RestoreSnapshot::new()).await);
    sheet.refused("over an open index", open);
    let unknown = with_monday(async |domain, _, monday| {
        black_out(domain, "POST");
        monday.restore(renamed()).await
    });
    sheet.refused("unknown", unknown);
    let inexact = with_monday(async |_, _, monday| {
        monday.prepare_restore(RestoreSnapshot::new().with_include_global_state(true)).await
    });
    sheet.refused("prepared, indices not known", inexact);
    let replace = |domain: &FakeDomain| {
        domain.another_client_deletes("backups", "monday");
        domain.another_client_creates("backups", "monday");
        domain.clock().unwrap().advance(seconds(10));
    };
    let gone = with_monday(async |domain, client, monday| {
        let prepared = monday.prepare_restore(renamed()).await.unwrap();
        replace(domain);
        client.start(prepared).await
    });
    sheet.refused("prepared, another snapshot", gone);
    let stored = with_monday(async |domain, client, monday| {
        let prepared = monday.prepare_restore(renamed()).await.unwrap();
        let stored = serde_json::to_string(&prepared).unwrap();
        replace(domain);
        client.start(serde_json::from_str::<PreparedRestore>(&stored).unwrap()).await
    });
    sheet.refused("prepared by another process, another snapshot", stored);
    let blind = with_monday(async |domain, _, monday| {
        domain.fault(Fault::drop_before().on_path("_cluster/state"));
        monday.restore(renamed()).await
    });
    sheet.refused("cluster state that cannot be read", blind);
    let failed = with_monday(async |domain, _, monday| {
        domain.fail_restore_shard("restored-movies", 1);
        let report = monday.restore(renamed()).await.unwrap().wait().await.unwrap();
        report.into_complete()
    });
    sheet.refused("failed shard", failed);
    let planned = on_a_domain(async |domain, client| {
        domain.plan_snapshot(FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 1)] });
        let options = CreateSnapshot::new().with_partial(true);
        let started = backups(client).create_snapshot("monday", options).await.unwrap();
        started.wait().await.unwrap().into_complete()
    });
    sheet.refused("partial snapshot", planned);
}

/// Returns the error of a restore of `movies` of which the domain shows this.
fn restored(rows: Value, recovery: Value, running: Value) -> Result<(), Error> {
    let ticket = RestoreTicket::new("backups", "monday").unwrap().with_index("movies");
    restored_by(ticket, rows, recovery, running)
}

fn restored_by(ticket: RestoreTicket, rows: Value, recovery: Value, running: Value) -> Result<(), Error> {
    call_with(
        move |request| {
            let path = request.uri().path();
            Ok(match () {
                () if path.starts_with("/_cat/shards") => response(200, rows.to_string()),
                () if path.ends_with("_recovery") => response(200, recovery.to_string()),
                () if path.ends_with("/customs") => response(200, running.to_string()),
                () if path.ends_with("allocation/explain") => response(403, r#"{"Message":"denied by the test"}"#),
                () => response(404, "{}"),
            })
        },
        |builder| builder,
        async |client| client.resume(ticket).await?.into_complete().map(drop),
    )
}

fn shards(sheet: &mut Sheet) {
    sheet.room("shards that a restore did not bring back");
    let row = |state: &str| json!([{"index": "movies", "shard": "0", "prirep": "p", "state": state}]);
    let recovery = |kind: &str, source: Value| {
        let shard = json!({"id": 0, "type": kind, "stage": "DONE", "primary": true, "source": source});
        json!({"movies": {"shards": [shard]}})
    };
    let source = |snapshot: &str, index: &str| json!({"repository": "backups", "snapshot": snapshot, "index": index});
    let started = row("STARTED");
    sheet.refused("no index", restored(json!([]), json!({}), json!({})));
    sheet.refused("empty", restored(started.clone(), recovery("EMPTY_STORE", json!({})), json!({})));
    sheet.refused(
        "another snapshot",
        restored(started.clone(), recovery("SNAPSHOT", source("sunday", "movies")), json!({})),
    );
    let ticket = json!({
        "kind": "restore", "version": 1, "repository": "backups", "snapshot": "monday",
        "indices": {"movies": {"source": "movies"}},
    });
    let of_books = recovery("SNAPSHOT", source("monday", "books"));
    let renamed_movies = serde_json::from_value(ticket).unwrap();
    sheet.refused("another index", restored_by(renamed_movies, started.clone(), of_books, json!({})));
    sheet.refused("unknown origin", restored(started, json!({}), json!({})));
    let unassigned = json!([{
        "index": "movies", "shard": "0", "prirep": "p", "state": "UNASSIGNED",
        "unassigned.reason": "NEW_INDEX_RESTORED", "unassigned.details": "restore_source[backups/monday]",
    }]);
    sheet.refused("restore that has ended without it", restored(unassigned.clone(), json!({}), json!({})));
    let shard = json!({"index": {"index_name": "movies", "index_uuid": "u"}, "shard": 0, "state": "FAILURE"});
    let running = json!({"restore": {"snapshots": [
        {"snapshot": "monday", "repository": "backups", "indices": ["movies"], "shards": [shard]}
    ]}});
    sheet.refused("given up", restored(unassigned, json!({}), running));
    let other = with_monday(async |domain, _, monday| {
        let started = monday.restore(renamed()).await.unwrap();
        domain.clock().unwrap().advance(seconds(60));
        domain.delete_index("restored-movies");
        domain.create_index("restored-movies", 2);
        domain.restart_node();
        started.wait().await.unwrap().into_complete()
    });
    sheet.refused("another index of that name", other);
}
