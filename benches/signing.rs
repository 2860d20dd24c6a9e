//! Measures one registration: building, signing and passing it to a transport that only responds.

use aws_credential_types::Credentials;
use bytes::Bytes;
use es_snapshot::clock::BoxFuture;
use es_snapshot::transport::{Body, ConnectTarget, Transport, TransportError};
use es_snapshot::{S3Settings, SnapshotClient};
use http::{Request, Response};

fn main() {
    divan::main();
}

/// A transport that acknowledges every request. Unlike `transport_fn` it keeps no log, because that
/// would be part of the measurement.
#[derive(Debug)]
struct Acknowledge;

impl Transport for Acknowledge {
    fn call<'a>(
        &'a self,
        _: Request<Bytes>,
        _: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<Response<Body>, TransportError>> {
        Box::pin(std::future::ready(Ok(Response::new(Body::from(r#"{"acknowledged":true}"#)))))
    }
}

fn client(signed: bool) -> SnapshotClient {
    let builder =
        SnapshotClient::builder("https://vpc-logs-x1y2.ap-northeast-1.es.amazonaws.com").transport(Acknowledge);
    let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", Some("t".repeat(736)), None, "bench");
    if signed { builder.credentials(credentials) } else { builder }.build().unwrap()
}

#[divan::bench(args = [false, true])]
fn register_repository(bencher: divan::Bencher, signed: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let client = client(signed);
    let role = "arn:aws:iam::123456789012:role/TestRole";
    let settings = S3Settings::new("my-bucket-4-es").with_region("ap-northeast-1").with_role_arn(role);

    bencher.bench_local(|| {
        runtime.block_on(client.repository("my-snapshot-repo").unwrap().register(settings.clone())).unwrap();
    });
}
