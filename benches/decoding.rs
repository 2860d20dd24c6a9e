//! Measures decoding a listing of 1,000 snapshots of 20 indices each, about 1.1 MB of JSON.
//!
//! One benchmark collects the listing, the other one reads it as a stream.

use std::future::ready;

use bytes::Bytes;
use es_snapshot::testing::{response, transport_fn};
use es_snapshot::{ListSnapshots, Repository, SnapshotClient};
use futures_util::TryStreamExt as _;
use serde_json::json;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

fn listing(snapshots: usize) -> Bytes {
    let indices: Vec<String> =
        (0..20).map(|number| format!(".ds-logs-nginx.access-default-2024.05.{number:02}-000001")).collect();
    let snapshots: Vec<_> = (0..snapshots)
        .map(|number| {
            json!({
                "snapshot": format!("nightly-{number:05}"), "uuid": format!("lw31y3buT1iJyV-{number:07}"), "version_id": 7_100_299,
                "version": "7.10.2", "indices": indices, "data_streams": [], "include_global_state": true, "state": "SUCCESS",
                "start_time": "2021-06-04T07:43:34.170Z", "start_time_in_millis": 1_622_792_614_170_u64,
                "end_time": "2021-06-04T07:43:34.770Z", "end_time_in_millis": 1_622_792_614_770_u64, "duration_in_millis": 600,
                "failures": [], "shards": {"total": 20, "failed": 0, "successful": 20}
            })
        })
        .collect();
    Bytes::from(json!({ "snapshots": snapshots }).to_string())
}

fn repository() -> Repository {
    let body = listing(1000);
    let transport = transport_fn(move |_| Ok(response(200, body.clone())));
    SnapshotClient::builder("http://localhost:9200")
        .transport(transport)
        .build()
        .unwrap()
        .repository("nightly")
        .unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

#[divan::bench]
fn list_1000_snapshots(bencher: divan::Bencher) {
    let runtime = runtime();
    let repository = repository();

    bencher.bench_local(|| {
        let listed = runtime.block_on(repository.list(ListSnapshots::new())).unwrap();
        assert_eq!(listed.snapshots().len(), 1000);
        listed
    });
}

/// Each snapshot is dropped before the next one is read.
#[divan::bench]
fn stream_1000_snapshots(bencher: divan::Bencher) {
    let runtime = runtime();
    let repository = repository();

    bencher.bench_local(|| {
        let counted = repository.snapshots(ListSnapshots::new()).try_fold(0, |count, _| ready(Ok(count + 1)));
        assert_eq!(runtime.block_on(counted).unwrap(), 1000);
    });
}
