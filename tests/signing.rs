//! Compares signatures with an independent computation from the request as it is sent.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use es_snapshot::client::RawRequest;
use es_snapshot::testing::{ManualClock, TransportFn, response, transport_fn};
use es_snapshot::{RetryPolicy, SnapshotClient};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Method, Request};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn encode(bytes: &[u8], keep: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || keep.contains(&byte);
    bytes.iter().map(|&byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn decode(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let pair = [bytes.next().unwrap(), bytes.next().unwrap()];
            out.push(u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap());
        } else {
            out.push(byte);
        }
    }
    out
}

/// Computes Signature Version 4 for the service `es` as AWS describes it. The path is encoded once
/// more than in the request.
fn signature(request: &Request<Bytes>, secret: &str, region: &str) -> String {
    let header = |name: &str| request.headers()[name].to_str().unwrap().trim().to_owned();
    let authorization = header("authorization");
    let signed = authorization.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let path = encode(request.uri().path().as_bytes(), b"/");
    let mut query: Vec<(String, String)> = request
        .uri()
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encode(&decode(name), b""), encode(&decode(value), b"")))
        .collect();
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let headers: Vec<String> = signed.split(';').map(|name| format!("{name}:{}\n", header(name))).collect();
    let headers = headers.concat();
    let canonical = format!(
        "{}\n{path}\n{}\n{headers}\n{signed}\n{}",
        request.method(),
        query.join("&"),
        hex(&Sha256::digest(request.body()))
    );
    let stamp = header("x-amz-date");
    let day = &stamp[..8];
    let to_sign =
        format!("AWS4-HMAC-SHA256\n{stamp}\n{day}/{region}/es/aws4_request\n{}", hex(&Sha256::digest(canonical)));
    let key = [day, region, "es", "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part));
    hex(&hmac(&key, &to_sign))
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9_.~-]{1,10}", "[ -~]{1,10}", any::<String>()].prop_filter("refused", |text| {
        !matches!(text.as_str(), "" | "." | "..")
            && !text.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | '%'))
    })
}

fn body() -> impl Strategy<Value = Option<Value>> {
    prop::option::of(prop::collection::hash_map(any::<String>(), any::<String>(), 0..4).prop_map(|map| json!(map)))
}

/// A transport that accepts every request.
fn accepting() -> TransportFn {
    transport_fn(|_| Ok(response(200, "{}")))
}

fn client(transport: &TransportFn, credentials: Credentials, at: Duration) -> SnapshotClient {
    SnapshotClient::builder("https://vpc-x-1.eu-west-1.es.amazonaws.com")
        .credentials(credentials)
        .clock(ManualClock::new(SystemTime::UNIX_EPOCH + at))
        .transport(transport.clone())
        .retry(RetryPolicy::never())
        .build()
        .unwrap()
}

fn run<T>(call: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(call)
}

#[test]
fn signing_installs_no_tracing_subscriber() {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");

    run(client(&accepting(), credentials, Duration::from_secs(1_700_000_000)).repositories()).unwrap();

    // No test in this file subscribes. Once a subscriber is set, tracing no longer writes to `log`.
    assert!(!tracing::dispatcher::has_been_set());
}

proptest! {
    #[test]
    fn signatures_agree_with_an_independent_computation(
        segments in prop::collection::vec(segment(), 0..5),
        query in prop::collection::vec((any::<String>(), any::<String>()), 0..4),
        body in body(),
        token in prop::option::of("[!-~]{1,300}"),
        secret in "[!-~]{1,60}",
        at in 0_u64..4_000_000_000,
    ) {
        let transport = accepting();
        let credentials = Credentials::new("AKIDEXAMPLE", &secret, token.clone(), None, "test");
        let client = client(&transport, credentials, Duration::from_secs(at));
        let mut raw = RawRequest::new(Method::POST, segments);
        for (name, value) in query {
            raw = raw.with_query(name, value);
        }
        if let Some(body) = body {
            raw = raw.with_body(body);
        }

        run(client.raw(raw)).unwrap();

        let request = transport.requests().pop().unwrap();
        let authorization = request.headers()["authorization"].to_str().unwrap();
        let sent = authorization.split("Signature=").nth(1).unwrap();
        prop_assert_eq!(sent, signature(&request, &secret, "eu-west-1"));
        prop_assert_eq!(request.headers().get("x-amz-security-token").map(|value| value.to_str().unwrap().to_owned()), token.clone());
        prop_assert_eq!(authorization.contains("x-amz-security-token"), token.is_some());
        prop_assert_eq!(authorization.contains("content-type"), !request.body().is_empty());
    }
}
