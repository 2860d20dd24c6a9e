//! Connections through an HTTP proxy of the test's own.

#[allow(dead_code, reason = "each test file uses only a part of it")]
#[path = "support/authority.rs"]
mod authority;
#[path = "support/proxy.rs"]
mod proxy;
#[allow(dead_code, reason = "each test file uses only a part of it")]
#[path = "support/tls_server.rs"]
mod tls_server;

use std::env;
use std::process::Command;
use std::time::{Duration, SystemTime};

use authority::Authority;
use aws_credential_types::Credentials;
use es_snapshot::error::{Cause, Error};
use es_snapshot::testing::{FakeDomain, ManualClock};
use es_snapshot::transport::{HyperTransport, HyperTransportBuilder, TrustRoots};
use es_snapshot::{CreateSnapshot, ErrorKind, Outcome, RetryPolicy, SnapshotClient, SnapshotClientBuilder, Timeouts};
use proxy::{Behaviour, TestProxy};
use tls_server::{Received, server};

/// A name that only the proxy of a test can resolve.
const HOST: &str = "vpc-logs-x1y2.invalid";

fn builder(host: &str, transport: HyperTransport) -> SnapshotClientBuilder {
    let credentials = Credentials::new("AKIDEXAMPLE", "canary-secret", Some("canary-token".to_owned()), None, "test");
    SnapshotClient::builder(format!("https://{host}"))
        .region("ap-northeast-1")
        .credentials(credentials)
        .transport(transport)
        .retry(RetryPolicy::never())
}

fn manual_clock() -> ManualClock {
    ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

fn trusting(authority: &Authority) -> HyperTransportBuilder {
    HyperTransport::builder().roots(TrustRoots::OnlyGiven).ca_pem(authority.pem())
}

/// Starts a domain with a certificate for this name, and a proxy whose tunnels lead to it.
async fn proxied_domain(name: &str, authority: &Authority) -> (TestProxy, Received) {
    let (address, received) = server(name, authority, false).await;
    (TestProxy::start(Behaviour::TunnelTo(address)).await, received)
}

/// Returns the head of the request that opened the connection, and the bytes behind it.
fn split(connection: &[u8]) -> (&str, &[u8]) {
    let end = connection.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    (std::str::from_utf8(&connection[..end]).unwrap(), &connection[end..])
}

/// Asserts that the bytes are complete TLS records, and returns how many.
fn count_tls_records(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while !bytes.is_empty() {
        assert!(matches!(bytes, [0x14..=0x17, 3, 1 | 3, ..]), "not a TLS record: {:?}", &bytes[..bytes.len().min(8)]);
        bytes = &bytes[5 + usize::from(u16::from_be_bytes([bytes[3], bytes[4]]))..];
        count += 1;
    }
    count
}

#[tokio::test]
async fn the_proxy_sees_the_signed_host_and_nothing_else() {
    let authority = Authority::new();
    let (proxy, received) = proxied_domain(HOST, &authority).await;
    let client = builder(HOST, trusting(&authority).proxy(proxy.url()).build().unwrap()).build().unwrap();

    client.repositories().await.unwrap();

    let connections = proxy.received();
    let (head, rest) = split(&connections[0]);
    assert_eq!(head, format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n"));
    assert!(count_tls_records(rest) > 1);
    let text = String::from_utf8_lossy(rest).to_lowercase();
    for secret in ["akidexample", "canary-token", "authorization", "x-amz", "_snapshot"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let request = received.lock().unwrap()[0].clone();
    assert_eq!(request.server_name.as_deref(), Some(HOST));
    for part in [&format!("host: {HOST}\r\n"), "Credential=AKIDEXAMPLE/", "canary-token"] {
        assert!(request.head.contains(part), "{part}: {}", request.head);
    }
}

#[tokio::test]
async fn user_and_password_of_the_proxy_reach_the_proxy_only() {
    let authority = Authority::new();
    let (proxy, received) = proxied_domain(HOST, &authority).await;
    let url = format!("http://user:p%40ss@{}", proxy.address());
    let client = builder(HOST, trusting(&authority).proxy(url).build().unwrap()).build().unwrap();

    client.repositories().await.unwrap();

    let connections = proxy.received();
    let (head, _) = split(&connections[0]);
    // The value is that of the user `user` with the password `p@ss`.
    assert!(head.ends_with(":443\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n\r\n"), "{head}");
    assert!(!received.lock().unwrap()[0].head.to_lowercase().contains("proxy-authorization"));
}

#[tokio::test]
async fn a_connection_through_the_proxy_is_used_again_by_the_same_host_only() {
    let authority = Authority::new();
    let (address, _) = server("*.logs.invalid", &authority, false).await;
    let proxy = TestProxy::start(Behaviour::TunnelTo(address)).await;
    let transport = trusting(&authority).proxy(proxy.url()).build().unwrap();
    let first = builder("first.logs.invalid", transport.clone()).build().unwrap();
    let second = builder("second.logs.invalid", transport).build().unwrap();

    for client in [&first, &second, &first, &second] {
        client.repositories().await.unwrap();
    }

    let targets: Vec<String> =
        proxy.received().iter().map(|bytes| split(bytes).0.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(targets, ["first.logs.invalid:443", "second.logs.invalid:443"]);
}

#[tokio::test]
async fn an_ipv6_endpoint_is_named_in_brackets() {
    let authority = Authority::new();
    let (proxy, received) = proxied_domain("2001:db8::1", &authority).await;
    let transport = trusting(&authority).proxy(proxy.url()).build().unwrap();

    builder("[2001:db8::1]:9200", transport).build().unwrap().repositories().await.unwrap();

    assert!(proxy.received()[0].starts_with(b"CONNECT [2001:db8::1]:9200 HTTP/1.1\r\n"));
    assert_eq!(received.lock().unwrap()[0].server_name, None);
}

#[tokio::test]
async fn tls_verifies_the_name_of_the_domain_inside_the_tunnel() {
    let authority = Authority::new();
    let (proxy, received) = proxied_domain("elsewhere.invalid", &authority).await;
    let client = builder(HOST, trusting(&authority).proxy(proxy.url()).build().unwrap()).build().unwrap();

    let error = client.repositories().await.unwrap_err();

    assert!(error.to_string().contains("is for another name"), "{error}");
    assert!(received.lock().unwrap().is_empty());
}

// ---- connections without the proxy

#[tokio::test]
async fn a_loopback_address_is_reached_directly() {
    let authority = Authority::new();
    let (address, received) = server("127.0.0.1", &authority, false).await;
    let proxy = TestProxy::start(Behaviour::TunnelTo(address)).await;
    let transport = trusting(&authority).proxy(proxy.url()).build().unwrap();

    builder(&address.to_string(), transport).build().unwrap().repositories().await.unwrap();

    assert_eq!((received.lock().unwrap().len(), proxy.received().len()), (1, 0));
}

#[tokio::test]
async fn the_address_of_connect_to_is_reached_directly() {
    let authority = Authority::new();
    let (address, received) = server(HOST, &authority, false).await;
    let proxy = TestProxy::start(Behaviour::TunnelTo(address)).await;
    let transport = trusting(&authority).proxy(proxy.url()).build().unwrap();

    builder(HOST, transport).connect_to(address.to_string()).build().unwrap().repositories().await.unwrap();

    assert_eq!((received.lock().unwrap().len(), proxy.received().len()), (1, 0));
}

#[tokio::test]
async fn an_http_endpoint_is_reached_directly() {
    let domain = FakeDomain::start().await;
    let proxy = TestProxy::start(Behaviour::Silent).await;
    let transport = HyperTransport::builder().proxy(proxy.url()).build().unwrap();
    let port = domain.endpoint().rsplit_once(':').unwrap().1.to_owned();
    // This address is on loopback too, but the rule for loopback does not cover it.
    let client = SnapshotClient::builder(format!("http://0.0.0.0:{port}")).transport(transport).build().unwrap();

    let _ = client.repositories().await;

    assert_eq!((domain.events().len(), proxy.received().len()), (1, 0));
}

// ---- failures of the proxy

/// Makes a call with the default retry policy through a proxy that behaves in this way. Returns the
/// error and the number of connections to the proxy.
async fn failure(behaviour: Behaviour) -> (Error, usize) {
    let proxy = TestProxy::start(behaviour).await;
    let url = format!("http://user:canary-password@{}", proxy.address());
    let clock = manual_clock();
    let transport = HyperTransport::builder().proxy(url).clock(clock.clone()).build().unwrap();
    let retry = RetryPolicy::default().with_max_attempts(3);
    let client = builder(HOST, transport).clock(clock).retry(retry).build().unwrap();

    let error = client.repository("backups").unwrap().create_snapshot("s", CreateSnapshot::new()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Outcome::NotSent), "{error:?}");
    assert!(error.to_string().contains(&proxy.address().to_string()), "{error}");
    let texts = format!("{error:?} {} {}", error.report(), error.diagnosis().unwrap());
    assert!(!texts.contains("canary-password") && !texts.contains("user:canary"), "{texts}");
    (error, proxy.received().len())
}

#[tokio::test]
async fn a_refused_login_fails_without_retry_and_names_the_proxy_and_the_status() {
    let (error, connections) = failure(Behaviour::Respond(
        b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"x\"\r\n\r\n<html>",
    ))
    .await;

    assert!(error.to_string().contains("407"), "{error}");
    assert_eq!(error.diagnosis().unwrap().cause(), Cause::ProxyLoginRefused);
    assert_eq!((error.attempts(), connections, error.is_transient()), (1, 1, false));
}

#[tokio::test]
async fn a_tunnel_that_the_proxy_forbids_fails_without_retry() {
    let (error, connections) = failure(Behaviour::Respond(b"HTTP/1.0 403 Forbidden\r\n\r\n")).await;

    assert!(error.to_string().contains("403") && error.to_string().contains(HOST), "{error}");
    assert_eq!(error.diagnosis().unwrap().cause(), Cause::ProxyRefused);
    assert_eq!((error.attempts(), connections, error.is_transient()), (1, 1, false));
}

#[tokio::test]
async fn a_proxy_that_cannot_connect_is_tried_again() {
    for response in [&b"HTTP/1.1 503 Service Unavailable\r\n\r\n"[..], b"HTTP/1.1 429 Too Many Requests\r\n\r\n"] {
        let (error, connections) = failure(Behaviour::Respond(response)).await;

        assert_eq!(error.diagnosis().unwrap().cause(), Cause::ProxyCannotConnect);
        assert_eq!((error.attempts(), connections, error.is_transient()), (3, 3, true), "{error}");
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_respond_as_one_is_tried_again() {
    let behaviours = [
        Behaviour::Respond(b""),
        Behaviour::Respond(b"HTTP/1.1 200 OK\r\n"),
        Behaviour::Respond(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        Behaviour::Respond(b"HTTP/2.0 200 OK\r\n\r\n"),
        Behaviour::Respond(b"HTTP/1.1 2000 OK\r\n\r\n"),
        Behaviour::Respond(b"\x15\x03\x03\x00\x02\x02\x46\r\n\r\n"),
        Behaviour::Respond(b"HTTP/1.1 200 OK\r\n\r\nearly"),
    ];
    for behaviour in behaviours {
        let (error, connections) = failure(behaviour).await;

        assert_eq!(error.diagnosis().unwrap().cause(), Cause::ProxyFailed);
        assert_eq!((error.attempts(), connections, error.is_transient()), (3, 3, true), "{error}");
    }
}

#[tokio::test]
async fn a_response_without_end_is_not_read_to_its_end() {
    for line in [&b"x-filler: 1\r\n"[..], b"x"] {
        let (error, _) = failure(Behaviour::Endless(line)).await;

        assert!(error.report().contains("is longer than 8192 bytes"), "{}", error.report());
    }
}

/// Creates a snapshot through a proxy that does not respond. This time passes when the proxy has
/// received the request.
async fn failure_of_silent_proxy(limits: Timeouts, passes: Duration) -> Error {
    let proxy = TestProxy::start(Behaviour::Silent).await;
    let clock = manual_clock();
    let transport = HyperTransport::builder().proxy(proxy.url()).clock(clock.clone()).build().unwrap();
    let client = builder(HOST, transport).clock(clock.clone()).timeouts(limits).build().unwrap();
    let backups = client.repository("backups").unwrap();
    let limit_ends = async {
        proxy.receives_a_request().await;
        clock.advance(passes);
    };

    let (created, ()) = futures_util::join!(backups.create_snapshot("s", CreateSnapshot::new()), limit_ends);

    created.unwrap_err()
}

#[tokio::test]
async fn a_silent_proxy_is_given_up_after_the_connect_timeout() {
    let error = failure_of_silent_proxy(Timeouts::new(), Duration::from_secs(5)).await;

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Outcome::NotSent), "{error:?}");
    assert!(error.report().contains("no tunnel within 5s"), "{}", error.report());
}

#[tokio::test]
async fn an_attempt_that_ends_before_the_proxy_has_responded_was_not_sent() {
    let limit = Duration::from_secs(2);

    let error = failure_of_silent_proxy(Timeouts::new().with_attempt(limit).with_call(limit), limit).await;

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Outcome::NotSent), "{error:?}");
}

#[tokio::test]
async fn a_proxy_whose_name_does_not_resolve_is_named() {
    let transport = HyperTransport::builder().proxy("http://proxy.invalid:3128").build().unwrap();

    let error = builder(HOST, transport).build().unwrap().repositories().await.unwrap_err();

    assert!(error.to_string().contains("the name of the proxy proxy.invalid does not resolve"), "{error}");
    assert_eq!(error.diagnosis().unwrap().cause(), Cause::ProxyFailed);
}

// ---- settings

#[test]
fn the_url_of_a_proxy_is_checked_and_not_shown() {
    for url in [
        "",
        "socks5://proxy:1080",
        "https://canary:canary@proxy:3128",
        "http://canary:can/ary@proxy:3128",
        "http://canary:can#ary@proxy:3128",
        "http://canary:can?ary@proxy:3128",
        "http://canary:can@ary@proxy:3128",
        "http://proxy/canary.pac",
        "http://proxy:0",
        "http://proxy:99999",
        "http://proxy:",
        "http://:3128",
        "http://canary:canary@",
        "http://can ary@proxy:3128",
    ] {
        let error = HyperTransport::builder().proxy(url).build().unwrap_err();

        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
        assert!(!format!("{error:?} {}", error.report()).contains("canary"), "{error:?}");
    }
}

#[test]
fn debug_output_shows_the_address_of_the_proxy_without_its_password() {
    let builder = HyperTransport::builder().proxy("http://canary-user:canary-password@proxy.invalid:3128");

    let texts = format!("{builder:?} {:?}", builder.clone().build().unwrap());

    assert!(texts.contains("proxy.invalid") && !texts.contains("canary"), "{texts}");
}

/// Environment variables belong to a whole process, so these tests run the client in a child
/// process.
mod environment {
    use super::*;

    /// The variable with the authority that a child trusts.
    const AUTHORITY: &str = "ES_SNAPSHOT_TEST_AUTHORITY";
    /// The variable that makes a child set `no_proxy`.
    const DIRECT: &str = "ES_SNAPSHOT_TEST_DIRECT";

    /// Makes one call and prints its outcome.
    #[tokio::test]
    #[ignore = "run by the other tests, in a child process"]
    async fn child() {
        let Ok(pem) = env::var(AUTHORITY) else { return };
        let transport = HyperTransport::builder().roots(TrustRoots::OnlyGiven).ca_pem(pem);
        let transport = if env::var_os(DIRECT).is_some() { transport.no_proxy() } else { transport };

        match builder(HOST, transport.build().unwrap()).build().unwrap().repositories().await {
            Ok(_) => println!("\noutcome: done"),
            Err(error) => println!("\noutcome: {error}"),
        }
    }

    /// Returns the outcome of a child with these variables, and how many connections the proxy saw.
    /// In the values, `PROXY` stands for the proxy's URL.
    async fn outcome(variables: &[(&str, &str)]) -> (String, usize) {
        let authority = Authority::new();
        let (proxy, _) = proxied_domain(HOST, &authority).await;
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", "environment::child", "--ignored", "--nocapture"]);
        child.env_clear().env(AUTHORITY, authority.pem());
        child.envs(variables.iter().map(|(name, value)| (name, value.replace("PROXY", &proxy.url()))));

        let child = child.output().unwrap();

        let output = String::from_utf8(child.stdout).unwrap();
        let outcome = output.lines().find_map(|line| line.strip_prefix("outcome: "));
        let outcome = outcome.unwrap_or_else(|| panic!("{output}{}", String::from_utf8_lossy(&child.stderr)));
        (outcome.to_owned(), proxy.received().len())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_proxy_in_https_proxy_is_used() {
        assert_eq!(outcome(&[("HTTPS_PROXY", "PROXY")]).await, ("done".to_owned(), 1));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_host_in_no_proxy_is_reached_directly() {
        let (outcome, connections) = outcome(&[("HTTPS_PROXY", "PROXY"), ("NO_PROXY", HOST)]).await;

        assert!(outcome.contains(&format!("the name {HOST} does not resolve")), "{outcome}");
        assert_eq!(connections, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_setting_no_proxy_takes_precedence_over_the_environment() {
        let (outcome, connections) = outcome(&[("HTTPS_PROXY", "PROXY"), (DIRECT, "1")]).await;

        assert!(outcome.contains(&format!("the name {HOST} does not resolve")), "{outcome}");
        assert_eq!(connections, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_variable_that_names_an_unsupported_proxy_fails_the_call() {
        let (outcome, _) = outcome(&[("ALL_PROXY", "socks5://127.0.0.1:1080")]).await;

        assert!(outcome.contains("the environment variable ALL_PROXY must start with http://"), "{outcome}");
    }
}
