//! The least that a program without a client needs: one connection of hyper, with `aws-sigv4` or
//! `serde_json`.

use std::error::Error;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use stub::{Args, Start};
use tokio::net::TcpStream;

fn main() {
    let args = Args::read();
    let start = Start::new();
    let count = stub::on_one_thread(run(&args)).unwrap();
    start.report(count, start.micros());
}

async fn run(args: &Args) -> Result<usize, Box<dyn Error>> {
    let stream = TcpStream::connect(&args.address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    match args.task.as_str() {
        "signed" | "unsigned" => register(&mut sender, args).await,
        "collect" => collect(&mut sender, args).await,
        other => panic!("unknown task {other:?}, expected `signed`, `unsigned` or `collect`"),
    }
}

async fn register(sender: &mut SendRequest<Full<Bytes>>, args: &Args) -> Result<usize, Box<dyn Error>> {
    let identity: Identity = Credentials::new(stub::KEY, stub::SECRET, Some(stub::token()), None, "peers").into();
    let url = format!("http://{}/_snapshot/{}", args.address, stub::REPOSITORY);
    let body = Bytes::from(
        json!({"type": "s3", "settings": {"bucket": stub::BUCKET, "region": stub::REGION, "role_arn": stub::ROLE}})
            .to_string(),
    );
    for _ in 0..args.calls {
        let mut request = Request::builder()
            .method(Method::PUT)
            .uri(&url)
            .header(HOST, &args.address)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body.clone()))?;
        if args.task == "signed" {
            let params = SigningParams::builder()
                .identity(&identity)
                .region(stub::REGION)
                .name("es")
                .time(SystemTime::now())
                .settings(SigningSettings::default())
                .build()?;
            let headers = [("content-type", "application/json")].into_iter();
            let signable = SignableRequest::new("PUT", &url, headers, SignableBody::Bytes(&body))?;
            let (instructions, _) = sign(signable, &params.into())?.into_parts();
            instructions.apply_to_request_http1x(&mut request);
        }
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let body = response.into_body().collect().await?.to_bytes();
        assert!(serde_json::from_slice::<Acknowledged>(&body)?.acknowledged);
    }
    Ok(args.calls)
}

#[derive(Deserialize)]
struct Acknowledged {
    acknowledged: bool,
}

/// The listing, as a program with its own types would decode it.
#[derive(Deserialize)]
struct Listing {
    snapshots: Vec<Snapshot>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "a program would decode all fields and read some of them")]
struct Snapshot {
    snapshot: String,
    uuid: String,
    version_id: u64,
    version: String,
    indices: Vec<String>,
    data_streams: Vec<String>,
    include_global_state: bool,
    state: String,
    start_time: String,
    start_time_in_millis: u64,
    end_time: String,
    end_time_in_millis: u64,
    duration_in_millis: u64,
    failures: Vec<serde_json::Value>,
    shards: Shards,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "a program would decode all fields and read some of them")]
struct Shards {
    total: u64,
    failed: u64,
    successful: u64,
}

async fn collect(sender: &mut SendRequest<Full<Bytes>>, args: &Args) -> Result<usize, Box<dyn Error>> {
    let request = Request::builder()
        .uri(format!("http://{}/_snapshot/{}/_all", args.address, stub::REPOSITORY))
        .header(HOST, &args.address)
        .body(Full::default())?;
    sender.ready().await?;
    let body = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
    Ok(serde_json::from_slice::<Listing>(&body)?.snapshots.len())
}
