//! A server that acknowledges every PUT, and responds to every GET with a listing. The argument is
//! the number of snapshots in it.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

fn main() {
    let snapshots = std::env::args().nth(1).map_or(0, |count| count.parse().expect("the argument must be a number"));
    let listing: &[u8] = response(&listing(snapshots)).leak();
    stub::on_one_thread(LocalSet::new().run_until(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        while let Ok((stream, _)) = listener.accept().await {
            spawn_local(serve(stream, listing));
        }
    }));
}

async fn serve(mut stream: TcpStream, listing: &'static [u8]) {
    let acknowledged = response(r#"{"acknowledged":true}"#);
    let mut request = Vec::with_capacity(16 << 10);
    while let Ok(1..) = stream.read_buf(&mut request).await {
        let Some(head) = request.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let text = str::from_utf8(&request[..head]).unwrap().to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
        if request.len() < head + 4 + length {
            continue;
        }
        let response = if request.starts_with(b"GET") { listing } else { &acknowledged };
        request.clear();
        if stream.write_all(response).await.is_err() {
            return;
        }
    }
}

fn response(body: &str) -> Vec<u8> {
    let date = "Tue, 24 Nov 2026 10:00:00 GMT";
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nDate: {date}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn listing(snapshots: usize) -> String {
    let indices: Vec<String> =
        (0..20).map(|number| format!(".ds-logs-nginx.access-default-2024.05.{number:02}-000001")).collect();
    let snapshots = (0..snapshots).map(|number| {
        let snapshot = json!({
            "snapshot": format!("nightly-{number:05}"), "uuid": format!("lw31y3buT1iJyV-{number:07}"),
            "version_id": 7_100_299, "version": "7.10.2", "indices": indices, "data_streams": [],
            "include_global_state": true, "state": "SUCCESS",
            "start_time": "2021-06-04T07:43:34.170Z", "start_time_in_millis": 1_622_792_614_170_u64,
            "end_time": "2021-06-04T07:43:34.770Z", "end_time_in_millis": 1_622_792_614_770_u64,
            "duration_in_millis": 600, "failures": [], "shards": {"total": 20, "failed": 0, "successful": 20}
        });
        snapshot.to_string()
    });
    format!(r#"{{"snapshots":[{}]}}"#, snapshots.collect::<Vec<_>>().join(","))
}
