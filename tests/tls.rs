//! TLS with certificates that the tests create. The client can connect to an address other than the
//! name that it verifies, signs and sends.

#[path = "support/authority.rs"]
mod authority;
#[path = "support/tls_server.rs"]
mod tls_server;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use authority::Authority;
use aws_credential_types::Credentials;
use es_snapshot::testing::ManualClock;
use es_snapshot::transport::{HyperTransport, TrustRoots};
use es_snapshot::{ErrorKind, Outcome, RetryPolicy, SnapshotClient, SnapshotClientBuilder};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};
use tls_server::{server, server_with};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const HOST: &str = "vpc-logs-x1y2.ap-northeast-1.es.amazonaws.com";

fn through_a_tunnel(address: SocketAddr, transport: HyperTransport) -> SnapshotClientBuilder {
    SnapshotClient::builder(format!("https://{HOST}"))
        .connect_to(address.to_string())
        .transport(transport)
        .credentials(credentials())
        .retry(RetryPolicy::never())
}

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret", None, None, "test")
}

#[tokio::test]
async fn tls_host_header_and_signature_keep_the_domains_name_through_a_tunnel() {
    let authority = Authority::new();
    let (address, received) = server(HOST, &authority, false).await;
    let client = through_a_tunnel(address, authority.trusted()).build().unwrap();

    client.repositories().await.unwrap();

    let received = received.lock().unwrap()[0].clone();
    assert_eq!(received.server_name.as_deref(), Some(HOST));
    assert!(received.head.to_lowercase().contains(&format!("host: {HOST}\r\n")), "{}", received.head);
    assert!(received.head.contains("/ap-northeast-1/es/aws4_request"), "{}", received.head);
}

#[tokio::test]
async fn host_header_and_signature_keep_an_ipv6_address_in_brackets_and_tls_sends_no_name() {
    let authority = Authority::new();
    let (address, received) = server("2001:db8::1", &authority, false).await;
    let client = SnapshotClient::builder("https://[2001:DB8::1]:9200")
        .connect_to(address.to_string())
        .transport(authority.trusted())
        .credentials(credentials())
        .region("ap-northeast-1")
        .build()
        .unwrap();

    client.repositories().await.unwrap();

    let received = received.lock().unwrap()[0].clone();
    assert_eq!(received.server_name, None);
    assert!(received.head.to_lowercase().contains("host: [2001:db8::1]:9200\r\n"), "{}", received.head);
    assert!(received.head.contains("SignedHeaders=host;"), "{}", received.head);
}

#[tokio::test]
async fn one_transport_connects_two_endpoints_of_one_name_to_their_own_addresses() {
    let authority = Authority::new();
    let (first, received_by_first) = server(HOST, &authority, false).await;
    let (second, received_by_second) = server(HOST, &authority, false).await;
    let transport = authority.trusted();

    through_a_tunnel(first, transport.clone()).build().unwrap().repositories().await.unwrap();
    through_a_tunnel(second, transport).build().unwrap().repositories().await.unwrap();

    assert_eq!((received_by_first.lock().unwrap().len(), received_by_second.lock().unwrap().len()), (1, 1));
}

/// Starts a plain TCP server that sends these bytes after it has read some. It counts its
/// connections.
async fn server_of_bytes(response: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    #[expect(clippy::disallowed_methods, reason = "the server of this test")]
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut buffer = [0; 4096];
            let _ = socket.read(&mut buffer).await;
            let _ = socket.write_all(response).await;
            let _ = socket.shutdown().await;
        }
    });
    (address, connections)
}

fn manual_clock() -> ManualClock {
    ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

/// Makes a call with the default retry policy. Asserts that it fails without a retry, and returns
/// the message.
async fn message_of_failure_without_retry(builder: SnapshotClientBuilder) -> String {
    let clock = manual_clock();
    let client = builder.retry(RetryPolicy::default()).clock(clock.clone()).build().unwrap();

    let error = client.repositories().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Outcome::NotSent), "{error:?}");
    assert!(!error.is_transient(), "{error:?}");
    assert_eq!((error.attempts(), clock.sleeps()), (1, vec![]), "{error:?}");
    error.to_string()
}

/// Returns the message of a call to a server with this certificate.
async fn message_for_certificate(
    name: &str,
    usage: ExtendedKeyUsagePurpose,
    change: impl FnOnce(&mut CertificateParams),
) -> String {
    let authority = Authority::new();
    let (address, received) = server_with(&authority, authority.issue(name, usage, change), false).await;
    let message = message_of_failure_without_retry(through_a_tunnel(address, authority.trusted())).await;
    assert!(received.lock().unwrap().is_empty());
    assert!(message.contains(HOST), "{message}");
    message
}

#[tokio::test]
async fn fails_without_retry_if_the_authority_is_not_trusted() {
    let authority = Authority::new();
    let (address, received) = server(HOST, &authority, false).await;

    let message = message_of_failure_without_retry(through_a_tunnel(address, Authority::new().trusted())).await;

    assert!(message.contains(HOST) && message.contains("HyperTransportBuilder::ca_pem"), "{message}");
    assert!(received.lock().unwrap().is_empty());
}

#[tokio::test]
async fn fails_without_retry_if_the_certificate_is_for_another_name() {
    let message = message_for_certificate("elsewhere.example", ExtendedKeyUsagePurpose::ServerAuth, |_| {}).await;

    assert!(message.contains("is for another name") && message.contains("connect_to"), "{message}");
}

#[tokio::test]
async fn fails_without_retry_if_the_certificate_has_expired() {
    let expired = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2001, 1, 1);

    let message = message_for_certificate(HOST, ExtendedKeyUsagePurpose::ServerAuth, expired).await;

    assert!(message.contains("has expired"), "{message}");
}

#[tokio::test]
async fn fails_without_retry_if_the_certificate_is_not_valid_yet() {
    let early = |params: &mut CertificateParams| params.not_before = rcgen::date_time_ymd(3000, 1, 1);

    let message = message_for_certificate(HOST, ExtendedKeyUsagePurpose::ServerAuth, early).await;

    assert!(message.contains("not valid yet") && message.contains("clock"), "{message}");
}

#[tokio::test]
async fn fails_without_retry_if_the_certificate_is_not_for_servers() {
    let message = message_for_certificate(HOST, ExtendedKeyUsagePurpose::ClientAuth, |_| {}).await;

    assert!(message.contains("not a server certificate"), "{message}");
}

#[tokio::test]
async fn ends_a_wait_at_the_first_poll_if_the_certificate_does_not_verify() {
    let authority = Authority::new();
    let (address, _) = server(HOST, &authority, false).await;
    let clock = manual_clock();
    let client = through_a_tunnel(address, Authority::new().trusted()).clock(clock.clone()).build().unwrap();

    let error = client.repository("r").unwrap().snapshot("s").unwrap().wait().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("HyperTransportBuilder::ca_pem"), "{error}");
    assert!(clock.sleeps().is_empty());
}

#[tokio::test]
async fn fails_without_retry_if_the_port_does_not_speak_tls() {
    let responses: [&[u8]; 3] =
        [b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", b"<html></html>", b"SSH-2.0-OpenSSH_9.6\r\n"];
    for response in responses {
        let (address, connections) = server_of_bytes(response).await;

        let message = message_of_failure_without_retry(through_a_tunnel(address, Authority::new().trusted())).await;

        assert!(message.contains("does not speak TLS") && message.contains("http://"), "{message}");
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn fails_without_retry_if_an_http_endpoint_speaks_tls() {
    let authority = Authority::new();
    let (address, _) = server(HOST, &authority, false).await;

    let message = message_of_failure_without_retry(SnapshotClient::builder(format!("http://{address}"))).await;

    assert!(message.contains("speaks TLS") && message.contains("https://"), "{message}");
}

#[tokio::test]
async fn fails_without_retry_if_the_server_refuses_the_handshake() {
    // protocol_version, handshake_failure, unrecognized_name
    let cases: [(&[u8], &str); 3] = [
        (&[0x15, 3, 3, 0, 2, 2, 70], "version of TLS"),
        (&[0x15, 3, 3, 0, 2, 2, 40], "refused the TLS handshake"),
        (&[0x15, 3, 3, 0, 2, 2, 112], "refused the TLS handshake"),
    ];
    for (alert, expected) in cases {
        let (address, connections) = server_of_bytes(alert).await;

        let message = message_of_failure_without_retry(through_a_tunnel(address, Authority::new().trusted())).await;

        assert!(message.contains(expected), "{message}");
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn retries_after_a_temporary_failure_of_the_handshake() {
    // internal_error, and a connection that closes without data
    for response in [&[0x15, 3, 3, 0, 2, 2, 80][..], b""] {
        let (address, connections) = server_of_bytes(response).await;
        let builder =
            through_a_tunnel(address, Authority::new().trusted()).retry(RetryPolicy::default().with_max_attempts(3));
        let client = builder.clock(manual_clock()).build().unwrap();

        let error = client.repositories().await.unwrap_err();

        assert!(error.is_transient(), "{error:?}");
        assert_eq!(connections.load(Ordering::SeqCst), 3);
    }
}

#[tokio::test]
async fn fails_without_retry_if_the_server_requires_a_client_certificate() {
    let authority = Authority::new();
    let (address, received) = server(HOST, &authority, true).await;

    let message = message_of_failure_without_retry(through_a_tunnel(address, authority.trusted())).await;

    assert!(message.contains("HyperTransportBuilder::client_certificate_pem"), "{message}");
    assert!(received.lock().unwrap().is_empty());
}

#[tokio::test]
async fn fails_without_retry_if_the_server_does_not_trust_the_client_certificate() {
    let authority = Authority::new();
    let (address, received) = server(HOST, &authority, true).await;
    let (certificate, key) = Authority::new().issue("client", ExtendedKeyUsagePurpose::ClientAuth, |_| {});
    let transport = HyperTransport::builder()
        .roots(TrustRoots::OnlyGiven)
        .ca_pem(authority.pem())
        .client_certificate_pem(certificate, key)
        .build()
        .unwrap();

    let message = message_of_failure_without_retry(through_a_tunnel(address, transport)).await;

    assert!(message.contains("client certificate"), "{message}");
    assert!(received.lock().unwrap().is_empty());
}

#[tokio::test]
async fn sends_a_client_certificate_if_the_server_requests_one() {
    let authority = Authority::new();
    let (address, received) = server(HOST, &authority, true).await;
    let (certificate, key) = authority.issue("client", ExtendedKeyUsagePurpose::ClientAuth, |_| {});
    let transport = HyperTransport::builder()
        .roots(TrustRoots::OnlyGiven)
        .ca_pem(authority.pem())
        .client_certificate_pem(certificate, key)
        .build()
        .unwrap();

    through_a_tunnel(address, transport).build().unwrap().repositories().await.unwrap();

    assert!(received.lock().unwrap()[0].client_certificate);
}

#[test]
fn refuses_a_pem_text_without_a_certificate() {
    let error = HyperTransport::builder().ca_pem("no certificate").build().unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// The certificate store of the operating system. Environment variables of the process can replace
/// it, so each client runs in a child process.
#[cfg(feature = "native-roots")]
mod native_roots {
    use std::env;
    use std::fs;
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    /// The variable with the address to which a child connects.
    const ADDRESS: &str = "ES_SNAPSHOT_TEST_ADDRESS";

    /// Makes one call and prints its outcome.
    #[tokio::test]
    #[ignore = "run by the other tests, in a child process"]
    async fn child() {
        let Some(address) = env::var(ADDRESS).ok().and_then(|address| address.parse().ok()) else { return };
        let transport = HyperTransport::builder().roots(TrustRoots::Native).build().unwrap();

        match through_a_tunnel(address, transport).build().unwrap().repositories().await {
            Ok(_) => println!("\noutcome: done"),
            Err(error) => println!("\noutcome: {:?}, {:?}", error.kind(), error.outcome()),
        }
    }

    /// Returns the outcome of a client whose `SSL_CERT_FILE` contains this authority.
    fn child_outcome(address: SocketAddr, authority: &Authority) -> String {
        let name = format!("native-roots-{}-{}.pem", std::process::id(), address.port());
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&file, authority.pem()).unwrap();

        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "native_roots::child", "--ignored", "--nocapture"])
            .env_clear()
            .env(ADDRESS, address.to_string())
            .env("SSL_CERT_FILE", &file)
            .output()
            .unwrap();

        fs::remove_file(&file).unwrap();
        let output = String::from_utf8(child.stdout).unwrap();
        let outcome = output.lines().find_map(|line| line.strip_prefix("outcome: "));
        outcome.unwrap_or_else(|| panic!("{output}{}", String::from_utf8_lossy(&child.stderr))).to_owned()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn trusts_an_authority_in_ssl_cert_file() {
        let authority = Authority::new();
        let (address, received) = server(HOST, &authority, false).await;

        assert_eq!(child_outcome(address, &authority), "done");

        assert_eq!(received.lock().unwrap().len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn does_not_trust_an_authority_that_is_not_in_ssl_cert_file() {
        let authority = Authority::new();
        let (address, received) = server(HOST, &authority, false).await;

        assert_eq!(child_outcome(address, &Authority::new()), "Connect, NotSent");

        assert!(received.lock().unwrap().is_empty());
    }
}
