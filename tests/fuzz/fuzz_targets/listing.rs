//! A listing of any bytes, in pieces of any length, is read as what it says, or ends with an error.
//!
//! The first byte is the length of the pieces, the rest is the body.
#![no_main]

use bytes::Bytes;
use es_snapshot::testing::{ManualClock, response, transport_fn};
use es_snapshot::transport::{Body, TransportError};
use es_snapshot::{ListSnapshots, RetryPolicy, SnapshotClient};
use futures_util::{StreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Some((length, json)) = data.split_first() else { return };
    let chunks: Vec<Bytes> = json.chunks(usize::from(*length).max(1)).map(Bytes::copy_from_slice).collect();
    let transport = transport_fn(move |request| {
        // Other requests follow a page, and a failure of one snapshot: they find nothing.
        let is_first = request.uri().query().is_none();
        let chunks = if is_first { chunks.clone() } else { Vec::new() };
        let frames = chunks.into_iter().map(|chunk| Ok::<_, TransportError>(Frame::data(chunk)));
        Ok(response(200, Body::new(StreamBody::new(stream::iter(frames)))))
    });
    let clock = ManualClock::at("2026-05-01T00:00:00Z");
    let builder = SnapshotClient::builder("http://localhost:9200").transport(transport).clock(clock.clone());
    let client = builder.retry(RetryPolicy::never()).build().unwrap();

    let snapshots = client.repository("backups").unwrap().snapshots(ListSnapshots::new());
    let listed: Vec<_> = clock.block_on(snapshots.collect());

    // Only the last item may be an error: nothing in the body names a snapshot that cannot be read.
    let whole: Option<Value> = serde_json::from_slice(json).ok();
    let count = listed.len();
    for (place, item) in listed.into_iter().enumerate() {
        match item {
            Ok(snapshot) if whole.is_some() => {
                let whole = whole.as_ref().unwrap().to_string();
                let name = Value::from(snapshot.name()).to_string();
                assert!(whole.contains(&name), "{name} is not in {whole}");
            }
            Ok(_) => {}
            Err(error) => assert_eq!(place + 1, count, "{error}"),
        }
    }
});
