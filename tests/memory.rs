//! What hostile responses cost in memory. A binary of its own, and one test, because the allocator counts for the whole process.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use es_snapshot::{Body, BoxFuture, ConnectTarget, Error, RetryPolicy, SnapshotClient, Transport, TransportError};
use http_body_util::Full;

#[global_allocator]
static PEAK: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// Gives the same response to everything. Its body lives outside of the measurement.
struct Canned(u16, Bytes);

impl fmt::Debug for Canned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canned")
    }
}

impl Transport for Canned {
    fn call<'a>(
        &'a self,
        _: http::Request<Bytes>,
        _: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<http::Response<Body>, TransportError>> {
        let response = http::Response::builder().status(self.0).body(Body::new(Full::new(self.1.clone()))).unwrap();
        Box::pin(async move { Ok(response) })
    }
}

/// A response, and what a client's call costs that receives it.
struct Cost {
    peak_kib: usize,
    took: Duration,
    error: Error,
}

async fn cost_of_failure(status: u16, body: Vec<u8>) -> Cost {
    let client = SnapshotClient::builder("http://localhost:9200")
        .transport(Canned(status, body.into()))
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    PEAK.reset_peak_usage();
    let before = PEAK.current_usage();
    #[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
    let began = Instant::now();
    let error = client.list_repositories().await.unwrap_err();
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
        ("bytes that are no text", 502, vec![0xff; SIZE]),
        ("tags", 502, repeated("", "<a>", "")),
        ("an array", 502, repeated("[", "0,", "0]")),
        ("brackets", 500, repeated("", "[", "")),
        ("objects", 500, repeated("", r#"{"error":"#, "")),
        (
            "causes beside each other",
            500,
            repeated(&format!(r#"{engine},"suppressed":["#), r#"{"type":"t","reason":"r"},"#, "{}]}}"),
        ),
        ("empty causes", 500, repeated(&format!(r#"{engine},"suppressed":["#), "{},", "{}]}}")),
        ("causes below each other", 500, repeated(&format!(r#"{engine},"caused_by":"#), r#"{"caused_by":"#, "")),
        ("causes in lists", 500, repeated(&format!(r#"{engine},"suppressed":["#), r#"{"suppressed":["#, "")),
        ("root causes first", 500, repeated(r#"{"error":{"root_cause":["#, r#"{"type":"repository_exception"},"#, "{}]}}")),
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
    for (name, status, body) in hostile_failures() {
        let cost = cost_of_failure(status, body).await;
        println!("{name}: {} KiB, {:?}", cost.peak_kib, cost.took);
        assert!(cost.peak_kib <= 1024, "{name}: {} KiB", cost.peak_kib);
        // A debug build is some thirty times slower than what users run.
        assert!(cost.took < Duration::from_secs(2), "{name}: {:?}", cost.took);
        assert_eq!(cost.error.server().map(es_snapshot::ServerError::status), Some(status), "{name}");
    }
}
