//! The memory that large and hostile responses take. This is a separate test binary, because the
//! allocator counts for the whole process.
//!
//! With `--nocapture` the tests print the figures that CONTRIBUTING.md contains.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use es_snapshot::testing::{ManualClock, response, transport_fn};
use es_snapshot::transport::{Body, TransportError};
use es_snapshot::wait::RestoreTicket;
use es_snapshot::{Error, ListSnapshots, RetryPolicy, SnapshotClient};
use futures_util::{StreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::{Value, json};
use tokio::sync::Mutex;

#[global_allocator]
static PEAK: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// Lets only one test run at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// The cost of a call that receives a failed response.
struct Cost {
    peak_kib: usize,
    took: Duration,
    error: Error,
}

/// A client that receives this response to every request. The body is not part of the measurement.
fn client(status: u16, body: Vec<u8>) -> SnapshotClient {
    let body = Bytes::from(body);
    SnapshotClient::builder("http://localhost:9200")
        .transport(transport_fn(move |_| Ok(response(status, body.clone()))))
        .retry(RetryPolicy::never())
        .build()
        .unwrap()
}

async fn cost_of_failure(status: u16, body: Vec<u8>) -> Cost {
    let client = client(status, body);
    PEAK.reset_peak_usage();
    let before = PEAK.current_usage();
    #[expect(clippy::disallowed_methods, reason = "the test measures real time")]
    let began = Instant::now();
    let error = client.repositories().await.unwrap_err();
    let shown = error.to_string();
    let took = began.elapsed();
    assert!(shown.len() <= 2048 && !shown.contains(char::is_control), "{shown}");
    Cost { peak_kib: PEAK.peak_usage().saturating_sub(before) >> 10, took, error }
}

const SIZE: usize = 16 << 20;

fn repeated(start: &str, piece: &str, end: &str) -> Vec<u8> {
    format!("{start}{}{end}", piece.repeat(SIZE / piece.len())).into_bytes()
}

fn hostile_failures() -> Vec<(&'static str, u16, Vec<u8>)> {
    let engine = r#"{"error":{"type":"repository_exception","reason":"[r] could not read repository data""#;
    vec![
        ("words", 502, repeated("", "a ", "")),
        ("bytes that are not text", 502, vec![0xff; SIZE]),
        ("tags", 502, repeated("", "<a>", "")),
        ("an array", 502, repeated("[", "0,", "0]")),
        ("brackets", 500, repeated("", "[", "")),
        ("objects", 500, repeated("", r#"{"error":"#, "")),
        (
            "sibling causes",
            500,
            repeated(&format!(r#"{engine},"suppressed":["#), r#"{"type":"t","reason":"r"},"#, "{}]}}"),
        ),
        ("empty causes", 500, repeated(&format!(r#"{engine},"suppressed":["#), "{},", "{}]}}")),
        ("nested causes", 500, repeated(&format!(r#"{engine},"caused_by":"#), r#"{"caused_by":"#, "")),
        ("causes in lists", 500, repeated(&format!(r#"{engine},"suppressed":["#), r#"{"suppressed":["#, "")),
        (
            "root causes first",
            500,
            repeated(r#"{"error":{"root_cause":["#, r#"{"type":"repository_exception"},"#, "{}]}}"),
        ),
        ("a long reason", 500, repeated(&engine[..engine.len() - 1], "x", r#""}}"#)),
        ("escapes", 500, repeated(&engine[..engine.len() - 1], "\\u001b", r#""}}"#)),
        ("layers of escapes", 500, repeated(&engine[..engine.len() - 1], "%252525255c", r#""}}"#)),
        ("names of secrets", 500, repeated(&engine[..engine.len() - 1], " authorization: x", r#""}}"#)),
        ("quotes", 500, repeated(&engine[..engine.len() - 1], " [' (", r#""}}"#)),
        ("fields", 500, repeated(r#"{"a":1"#, r#","b":{"c":[1]}"#, "}")),
        ("a long message", 403, repeated(r#"{"message":""#, "Signature expired: ", r#""}"#)),
    ]
}

#[tokio::test]
async fn hostile_responses_cost_a_bounded_amount_of_memory_and_time() {
    let _alone = ALONE.lock().await;
    for (name, status, body) in hostile_failures() {
        let cost = cost_of_failure(status, body).await;
        println!("{name}: {} KiB, {:?}", cost.peak_kib, cost.took);
        assert!(cost.peak_kib <= 1024, "{name}: {} KiB", cost.peak_kib);
        // A debug build is about thirty times slower than a release build.
        assert!(cost.took < Duration::from_secs(2), "{name}: {:?}", cost.took);
        assert_eq!(cost.error.server().map(es_snapshot::error::ServerError::status), Some(status), "{name}");
    }
}

const LISTING: usize = 1 << 20;

/// An array of as many elements as a large response holds.
fn array(start: &str, end: &str, element: impl Fn(usize) -> Value) -> Vec<u8> {
    let elements = (0..).map(|number| element(number).to_string());
    let mut body = start.to_owned();
    for element in elements {
        if body.len() > LISTING {
            break;
        }
        let comma = if body.ends_with(['[', '{', ',']) { "" } else { "," };
        body.push_str(comma);
        body.push_str(&element);
    }
    body.push_str(end);
    body.into_bytes()
}

fn entries(start: &str, end: &str, entry: impl Fn(usize) -> (String, Value)) -> Vec<u8> {
    let mut body = start.to_owned();
    for (key, value) in (0..).map(entry) {
        if body.len() > LISTING {
            break;
        }
        let comma = if body.ends_with(['{', ',']) { "" } else { "," };
        body.extend([comma, &Value::from(key).to_string(), ":", &value.to_string()]);
    }
    body.push_str(end);
    body.into_bytes()
}

fn recovery(shard: usize) -> Value {
    json!({"id": shard, "type": "SNAPSHOT", "stage": "DONE", "primary": true, "start_time_in_millis": 1_714_557_600_123_u64,
        "stop_time_in_millis": 1_714_557_600_223_u64, "total_time_in_millis": 100,
        "source": {"repository": "r", "snapshot": "s", "version": "7.10.2", "index": "logs-2024.05.01", "restoreUUID": "x9XwYq3GRIy1PzqF8kR5rA"},
        "target": {"id": "vB3xK9mDQ2yQ5pX1oR4e7g", "host": "10.0.0.1", "transport_address": "10.0.0.1:9300", "ip": "10.0.0.1", "name": "node-1"},
        "index": {"size": {"total_in_bytes": 100, "reused_in_bytes": 0, "recovered_in_bytes": 87, "percent": "87.0%"},
            "files": {"total": 4, "reused": 0, "recovered": 3, "percent": "75.0%"}, "total_time_in_millis": 90,
            "source_throttle_time_in_millis": 0, "target_throttle_time_in_millis": 0},
        "translog": {"recovered": 0, "total": 0, "percent": "100.0%", "total_on_start": 0, "total_time_in_millis": 5},
        "verify_index": {"check_index_time_in_millis": 0, "total_time_in_millis": 0}})
}

fn snapshot(number: usize) -> Value {
    json!({"snapshot": format!("nightly-{number:05}"), "uuid": format!("lw31y3buT1iJyV-{number:07}"), "repository": "nightly",
        "version_id": 7_100_299, "version": "7.10.2",
        "indices": (0..20).map(|index| format!(".ds-logs-nginx.access-default-2024.05.{index:02}-000001")).collect::<Vec<_>>(),
        "data_streams": [], "include_global_state": true, "state": "SUCCESS",
        "start_time": "2021-06-04T07:43:34.170Z", "start_time_in_millis": 1_622_792_614_170_u64,
        "end_time": "2021-06-04T07:43:34.770Z", "end_time_in_millis": 1_622_792_614_770_u64, "duration_in_millis": 600,
        "failures": [], "shards": {"total": 20, "failed": 0, "successful": 20}})
}

fn shard_status() -> Value {
    json!({"stage": "DONE", "stats": {"incremental": {"file_count": 4, "size_in_bytes": 4000},
        "total": {"file_count": 4, "size_in_bytes": 4000}, "start_time_in_millis": 1_622_792_614_170_u64, "time_in_millis": 60}})
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Repositories,
    Snapshots,
    Recovery,
    Status,
}

impl Call {
    async fn make(self, client: &SnapshotClient) -> Result<usize, Error> {
        match self {
            Self::Repositories => client.repositories().await.map(|found| found.len()),
            Self::Snapshots => client
                .repository("nightly")
                .unwrap()
                .list(ListSnapshots::new())
                .await
                .map(|found| found.snapshots().len()),
            Self::Recovery => client.recovery([""; 0]).await.map(|found| found.len()),
            Self::Status => client
                .repository("nightly")
                .unwrap()
                .snapshot("s")
                .unwrap()
                .status()
                .await
                .map(|found| found.indices().len()),
        }
    }
}

/// Listings as servers write them, and listings that are made to be expensive.
#[expect(clippy::too_many_lines, reason = "a table")]
fn listings() -> Vec<(Call, &'static str, Vec<u8>)> {
    let long = "k".repeat(200 << 10);
    vec![
        (
            Call::Recovery,
            "of a shard for each index",
            entries("{", "}", |n| (format!("logs-of-a-service-{n:06}"), json!({"shards": [recovery(0)]}))),
        ),
        (
            Call::Recovery,
            "of many shards of an index with a long name",
            array(&format!(r#"{{"{long}":{{"shards":["#), "]}}", recovery),
        ),
        (
            Call::Recovery,
            "of short shards of an index with a long name",
            array(&format!(r#"{{"{long}":{{"shards":["#), "]}}", |n| json!({"id": n, "type": "SNAPSHOT"})),
        ),
        (Call::Recovery, "of empty shards", array(r#"{"a":{"shards":["#, "]}}", |_| json!({}))),
        (Call::Recovery, "of shards without end in an id", array(r#"{"a":{"shards":[{"id":["#, "]}]}}", |_| json!(0))),
        (Call::Recovery, "of indices without shards", entries("{", "}", |n| (n.to_string(), json!({"shards": []})))),
        (Call::Snapshots, "of 20 indices each", array(r#"{"snapshots":["#, "]}", snapshot)),
        (
            Call::Snapshots,
            "without details",
            array(
                r#"{"snapshots":["#,
                "]}",
                |n| json!({"snapshot": format!("nightly-{n:05}"), "uuid": format!("lw31y3buT1iJyV-{n:07}"), "repository": "nightly", "indices": [], "data_streams": [], "state": "SUCCESS"}),
            ),
        ),
        (
            Call::Snapshots,
            "with metadata",
            array(r#"{"snapshots":["#, "]}", |number| {
                let mut snapshot = snapshot(number);
                snapshot["metadata"] = json!({"taken_by": "cron", "es-snapshot-token": "lw31y3buT1iJyV-09Gy85Q"});
                snapshot
            }),
        ),
        (
            Call::Snapshots,
            "with metadata without end",
            array(r#"{"snapshots":[{"snapshot":"s","metadata":{"a":["#, "]}}]}", |_| json!(0)),
        ),
        (
            Call::Snapshots,
            "with unknown fields",
            entries(r#"{"snapshots":[{"snapshot":"s","#, "}]}", |n| (format!("field-{n}"), json!(n))),
        ),
        (
            Call::Snapshots,
            "with short unknown lists",
            array(r#"{"snapshots":[{"snapshot":"s","other":["#, "]}]}", |_| json!([])),
        ),
        (
            Call::Snapshots,
            "of many indices",
            array(r#"{"snapshots":[{"snapshot":"s","indices":["#, "]}]}", |n| json!(format!("logs-2024.05-{n}"))),
        ),
        (
            Call::Snapshots,
            "with failed shards",
            array(
                r#"{"snapshots":[{"snapshot":"s","failures":["#,
                "]}]}",
                |n| json!({"index": "logs", "index_uuid": "logs", "shard_id": n, "reason": "node shutdown", "node_id": "vB3xK9mDQ2yQ5pX1oR4e7g", "status": "INTERNAL_SERVER_ERROR"}),
            ),
        ),
        (
            Call::Snapshots,
            "with empty failures",
            array(r#"{"snapshots":[{"snapshot":"s","failures":["#, "]}]}", |_| json!({})),
        ),
        (Call::Snapshots, "of names alone", array(r#"{"snapshots":["#, "]}", |_| json!({"snapshot": ""}))),
        (
            Call::Status,
            "of a shard for each index",
            entries(r#"{"snapshots":[{"snapshot":"s","indices":{"#, "}}]}", |n| {
                (
                    format!("logs-of-a-service-{n:06}"),
                    json!({"shards_stats": {"initializing": 0, "started": 0, "finalizing": 0, "done": 1, "failed": 0, "total": 1}, "stats": {"incremental": {"file_count": 4, "size_in_bytes": 4000}, "total": {"file_count": 4, "size_in_bytes": 4000}, "start_time_in_millis": 1_622_792_614_170_u64, "time_in_millis": 60}, "shards": {"0": shard_status()}}),
                )
            }),
        ),
        (
            Call::Status,
            "of many shards of an index",
            entries(r#"{"snapshots":[{"snapshot":"s","indices":{"logs":{"shards":{"#, "}}}}]}", |n| {
                (n.to_string(), shard_status())
            }),
        ),
        (
            Call::Status,
            "of empty indices",
            entries(r#"{"snapshots":[{"snapshot":"s","indices":{"#, "}}]}", |n| (n.to_string(), json!({}))),
        ),
        (
            Call::Repositories,
            "of a bucket each",
            entries("{", "}", |n| {
                (
                    format!("nightly-{n:05}"),
                    json!({"type": "s3", "uuid": "lw31y3buT1iJyV-09Gy85Q", "settings": {"bucket": "my-bucket-4-es", "region": "ap-northeast-1", "role_arn": "arn:aws:iam::123456789012:role/TestRole", "base_path": "a/b"}}),
                )
            }),
        ),
        (
            Call::Repositories,
            "with settings under a long key",
            entries(&format!(r#"{{"r":{{"type":"fs","settings":{{"{long}":{{"#), "}}}}", |n| (n.to_string(), json!(1))),
        ),
        (
            Call::Repositories,
            "with settings under keys that share a long beginning",
            entries(r#"{"r":{"type":"fs","settings":{"#, "}}}", |n| {
                (format!("{n}{}", "k".repeat(2000)), json!({"a": 1, "b": {"c": 2, "d": 3}, "e": 4}))
            }),
        ),
        (
            Call::Repositories,
            "with many settings",
            entries(r#"{"r":{"type":"fs","settings":{"#, "}}}", |n| (format!("setting-{n}"), json!(n.to_string()))),
        ),
        (
            Call::Repositories,
            "with lists without end",
            array(r#"{"r":{"type":"fs","settings":{"a":["#, "]}}}", |_| json!(0)),
        ),
    ]
}

/// Responses of hardly anything but brackets and commas, which no server writes.
const REFUSED: [&str; 9] = [
    "of short shards of an index with a long name",
    "of empty shards",
    "of shards without end in an id",
    "with metadata without end",
    "with short unknown lists",
    "with empty failures",
    "of names alone",
    "of empty indices",
    "with lists without end",
];

#[tokio::test]
async fn listings_cost_at_most_four_times_their_size() {
    let _alone = ALONE.lock().await;
    let mut too_expensive = Vec::new();
    for (call, name, body) in listings() {
        let size = body.len();
        let client = client(200, body);
        PEAK.reset_peak_usage();
        let before = PEAK.current_usage();
        #[expect(clippy::disallowed_methods, reason = "the test measures real time")]
        let began = Instant::now();

        let found = call.make(&client).await;

        let took = began.elapsed();
        #[expect(clippy::cast_precision_loss, reason = "only printed and compared roughly")]
        let factor = (PEAK.peak_usage() - before) as f64 / size as f64;
        let found = found.map_err(|error| error.kind());
        println!("{call:?} {name}: {} MiB, {factor:.1} times that in memory, {took:?}, {found:?}", size >> 20);
        assert_eq!(found.is_err(), REFUSED.contains(&name), "{call:?} {name}");
        assert_eq!(found == Ok(0), name == "of indices without shards", "{call:?} {name}");
        if factor > 4.0 {
            too_expensive.push(format!("{call:?} {name}: {factor:.1}"));
        }
    }
    assert!(too_expensive.is_empty(), "{too_expensive:#?}");
}

/// A listing of this many snapshots, which is generated while it is read. `written` counts its
/// bytes.
fn long_listing(snapshots: usize, written: Arc<AtomicUsize>) -> Body {
    let template = snapshot(0).to_string();
    let chunks = (0..=snapshots).map(move |number| {
        let text = match number {
            0 => r#"{"snapshots":["#.to_owned(),
            _ if number == snapshots => format!("{template}]}}"),
            _ => format!("{template},"),
        };
        written.fetch_add(text.len(), Ordering::Relaxed);
        Ok::<_, TransportError>(Frame::data(Bytes::from(text)))
    });
    Body::new(StreamBody::new(stream::iter(chunks)))
}

#[tokio::test]
async fn the_memory_of_a_streamed_listing_does_not_depend_on_its_length() {
    let _alone = ALONE.lock().await;
    let mut peaks = Vec::new();
    for count in [1_000, 50_000] {
        let written = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&written);
        let transport = transport_fn(move |_| Ok(response(200, long_listing(count, Arc::clone(&counter)))));
        let client = SnapshotClient::builder("http://localhost:9200").transport(transport).build().unwrap();
        let nightly = client.repository("nightly").unwrap();
        PEAK.reset_peak_usage();
        let before = PEAK.current_usage();

        let mut snapshots = nightly.snapshots(ListSnapshots::new());
        let (mut found, mut before_first) = (0, 0);
        while let Some(snapshot) = snapshots.next().await {
            snapshot.unwrap();
            found += 1;
            if found == 1 {
                before_first = written.load(Ordering::Relaxed);
            }
        }

        let peak = PEAK.peak_usage() - before;
        let size = written.load(Ordering::Relaxed);
        println!(
            "stream of {found}: {} MiB, {} KiB in memory, first after {before_first} bytes",
            size >> 20,
            peak >> 10
        );
        assert_eq!(found, count);
        assert!(peak <= 1 << 20, "{peak}");
        assert!(before_first * 100 <= size, "{before_first} of {size}");
        peaks.push(peak);
    }
    assert!(peaks[0].abs_diff(peaks[1]) <= 64 << 10, "{peaks:?}");
}

#[tokio::test]
async fn polls_a_restore_of_16_000_indices() {
    let _alone = ALONE.lock().await;
    let row = |n: u32| {
        json!({"index": format!("logs-of-some-service-{n:06}"), "shard": "0", "prirep": "p", "state": "UNASSIGNED",
            "unassigned.reason": "NEW_INDEX_RESTORED", "unassigned.details": "restore_source[r/s]"})
    };
    let rows: Bytes = (0..16_000).map(row).collect::<Value>().to_string().into();
    let is_poll = |request: &http::Request<Bytes>| request.uri().path().starts_with("/_cat");
    let transport = transport_fn(move |request| {
        let body = if is_poll(request) { rows.clone() } else { Bytes::from_static(b"{}") };
        Ok(response(200, body))
    });
    let client = SnapshotClient::builder("http://localhost:9200")
        .clock(ManualClock::new(SystemTime::UNIX_EPOCH))
        .transport(transport.clone())
        .build()
        .unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test measures real time")]
    let began = Instant::now();

    let ended = client.resume(RestoreTicket::new("r", "s").unwrap()).with_deadline(Duration::from_millis(1)).await;

    let took = began.elapsed();
    let polls = transport.requests().iter().filter(|request| is_poll(request)).count();
    assert!(ended.is_err() && polls > 0, "{ended:?}");
    println!("a wait for 16,000 indices: {polls} polls in {took:?}");
}
