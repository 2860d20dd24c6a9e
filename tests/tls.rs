//! TLS with certificates of this test's own: the name that is verified, signed and sent may differ
//! from the address that is connected to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use es_snapshot::testing::ManualClock;
use es_snapshot::transport::{HyperTransport, TrustRoots};
use es_snapshot::{ErrorKind, Outcome, RetryPolicy, SnapshotClient, SnapshotClientBuilder};
use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, RootCertStore, server::WebPkiClientVerifier};

const HOST: &str = "vpc-logs-x1y2.ap-northeast-1.es.amazonaws.com";

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key of a server or client, both PEM.
    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        self.issue_with(name, usage, |_| {})
    }

    fn issue_with(
        &self,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

/// What one request showed the server.
#[derive(Clone, Debug, Default)]
struct Seen {
    server_name: Option<String>,
    head: String,
    client_certificate: bool,
}

/// A TLS server for `HOST` that answers every request with an empty object.
async fn server(authority: &Authority, asks_for_certificate: bool) -> (SocketAddr, Arc<Mutex<Vec<Seen>>>) {
    server_with(authority, authority.issue(HOST, ExtendedKeyUsagePurpose::ServerAuth), asks_for_certificate).await
}

async fn server_with(
    authority: &Authority,
    (certificate, key): (String, String),
    asks_for_certificate: bool,
) -> (SocketAddr, Arc<Mutex<Vec<Seen>>>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if asks_for_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap(),
        )
    } else {
        builder.with_no_client_auth()
    };
    let config = builder
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    #[expect(clippy::disallowed_methods, reason = "the server of this test")]
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let (_, session) = stream.get_ref();
            let mut entry = Seen {
                server_name: session.server_name().map(str::to_owned),
                client_certificate: session.peer_certificates().is_some(),
                head: String::new(),
            };
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap_or_default();
            entry.head = String::from_utf8_lossy(&buffer[..read]).into_owned();
            log.lock().unwrap().push(entry);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await;
            let _ = stream.shutdown().await;
        }
    });
    (address, seen)
}

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

fn trusting(authority: &Authority) -> HyperTransport {
    HyperTransport::builder().roots(TrustRoots::OnlyGiven).ca_pem(authority.pem()).build().unwrap()
}

#[tokio::test]
async fn a_tunnel_is_shown_the_domains_own_name_in_tls_host_and_signature() {
    let authority = Authority::new();
    let (address, seen) = server(&authority, false).await;
    let client = through_a_tunnel(address, trusting(&authority)).build().unwrap();

    client.repositories().await.unwrap();

    let seen = seen.lock().unwrap()[0].clone();
    assert_eq!(seen.server_name.as_deref(), Some(HOST));
    assert!(seen.head.to_lowercase().contains(&format!("host: {HOST}\r\n")), "{}", seen.head);
    assert!(seen.head.contains("/ap-northeast-1/es/aws4_request"), "{}", seen.head);
}

#[tokio::test]
async fn one_transport_leads_two_endpoints_of_one_name_to_their_own_addresses() {
    let authority = Authority::new();
    let (first, seen_by_first) = server(&authority, false).await;
    let (second, seen_by_second) = server(&authority, false).await;
    let transport = trusting(&authority);

    through_a_tunnel(first, transport.clone()).build().unwrap().repositories().await.unwrap();
    through_a_tunnel(second, transport).build().unwrap().repositories().await.unwrap();

    assert_eq!((seen_by_first.lock().unwrap().len(), seen_by_second.lock().unwrap().len()), (1, 1));
}

/// A server of plain TCP that sends these bytes once it has read something, and counts its
/// connections.
async fn canned(response: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
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

/// The failure of a call that may be repeated ten times and was not, with its text.
async fn told_at_once(builder: SnapshotClientBuilder) -> String {
    let clock = manual_clock();
    let client = builder.retry(RetryPolicy::default()).clock(clock.clone()).build().unwrap();

    let error = client.repositories().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Outcome::NotSent), "{error:?}");
    assert!(!error.is_transient(), "{error:?}");
    assert_eq!((error.attempts(), clock.sleeps()), (1, vec![]), "{error:?}");
    error.to_string()
}

/// What is told of a server with this certificate.
async fn told_of_certificate(
    name: &str,
    usage: ExtendedKeyUsagePurpose,
    change: impl FnOnce(&mut CertificateParams),
) -> String {
    let authority = Authority::new();
    let (address, seen) = server_with(&authority, authority.issue_with(name, usage, change), false).await;
    let told = told_at_once(through_a_tunnel(address, trusting(&authority))).await;
    assert!(seen.lock().unwrap().is_empty());
    assert!(told.contains(HOST), "{told}");
    told
}

#[tokio::test]
async fn tells_at_once_that_an_authority_is_not_trusted() {
    let authority = Authority::new();
    let (address, seen) = server(&authority, false).await;

    let told = told_at_once(through_a_tunnel(address, trusting(&Authority::new()))).await;

    assert!(told.contains(HOST) && told.contains("HyperTransportBuilder::ca_pem"), "{told}");
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn tells_at_once_that_a_certificate_is_for_another_name() {
    let told = told_of_certificate("elsewhere.example", ExtendedKeyUsagePurpose::ServerAuth, |_| {}).await;

    assert!(told.contains("is for another name") && told.contains("connect_to"), "{told}");
}

#[tokio::test]
async fn tells_at_once_that_a_certificate_has_expired() {
    let expired = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2001, 1, 1);

    let told = told_of_certificate(HOST, ExtendedKeyUsagePurpose::ServerAuth, expired).await;

    assert!(told.contains("has expired"), "{told}");
}

#[tokio::test]
async fn tells_at_once_that_a_certificate_is_not_valid_yet() {
    let early = |params: &mut CertificateParams| params.not_before = rcgen::date_time_ymd(3000, 1, 1);

    let told = told_of_certificate(HOST, ExtendedKeyUsagePurpose::ServerAuth, early).await;

    assert!(told.contains("not valid yet") && told.contains("clock"), "{told}");
}

#[tokio::test]
async fn tells_at_once_that_a_certificate_is_not_for_servers() {
    let told = told_of_certificate(HOST, ExtendedKeyUsagePurpose::ClientAuth, |_| {}).await;

    assert!(told.contains("not one for servers"), "{told}");
}

#[tokio::test]
async fn ends_a_wait_at_the_first_poll_if_the_certificate_does_not_verify() {
    let authority = Authority::new();
    let (address, _) = server(&authority, false).await;
    let clock = manual_clock();
    let client = through_a_tunnel(address, trusting(&Authority::new())).clock(clock.clone()).build().unwrap();

    let error = client.repository("r").unwrap().snapshot("s").unwrap().wait().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("HyperTransportBuilder::ca_pem"), "{error}");
    assert!(clock.sleeps().is_empty());
}

#[tokio::test]
async fn tells_at_once_that_a_port_speaks_plain_http() {
    let responses: [&[u8]; 3] =
        [b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", b"<html></html>", b"SSH-2.0-OpenSSH_9.6\r\n"];
    for response in responses {
        let (address, connections) = canned(response).await;

        let told = told_at_once(through_a_tunnel(address, trusting(&Authority::new()))).await;

        assert!(told.contains("does not speak TLS") && told.contains("http://"), "{told}");
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn tells_at_once_that_a_port_speaks_tls() {
    let authority = Authority::new();
    let (address, _) = server(&authority, false).await;

    let told = told_at_once(SnapshotClient::builder(format!("http://{address}"))).await;

    assert!(told.contains("speaks TLS") && told.contains("https://"), "{told}");
}

#[tokio::test]
async fn tells_at_once_that_a_server_refuses_the_handshake() {
    // protocol_version, handshake_failure, unrecognized_name
    let cases: [(&[u8], &str); 3] = [
        (&[0x15, 3, 3, 0, 2, 2, 70], "version of TLS"),
        (&[0x15, 3, 3, 0, 2, 2, 40], "refused the TLS handshake"),
        (&[0x15, 3, 3, 0, 2, 2, 112], "refused the TLS handshake"),
    ];
    for (alert, words) in cases {
        let (address, connections) = canned(alert).await;

        let told = told_at_once(through_a_tunnel(address, trusting(&Authority::new()))).await;

        assert!(told.contains(words), "{told}");
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn tries_again_after_a_handshake_that_may_work_later() {
    // internal_error, and a connection that ends without a word
    for response in [&[0x15, 3, 3, 0, 2, 2, 80][..], b""] {
        let (address, connections) = canned(response).await;
        let builder =
            through_a_tunnel(address, trusting(&Authority::new())).retry(RetryPolicy::default().with_max_attempts(3));
        let client = builder.clock(manual_clock()).build().unwrap();

        let error = client.repositories().await.unwrap_err();

        assert!(error.is_transient(), "{error:?}");
        assert_eq!(connections.load(Ordering::SeqCst), 3);
    }
}

#[tokio::test]
async fn tells_at_once_that_a_client_certificate_is_wanted() {
    let authority = Authority::new();
    let (address, seen) = server(&authority, true).await;

    let told = told_at_once(through_a_tunnel(address, trusting(&authority))).await;

    assert!(told.contains("HyperTransportBuilder::client_certificate_pem"), "{told}");
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn tells_at_once_that_the_client_certificate_is_not_trusted() {
    let authority = Authority::new();
    let (address, seen) = server(&authority, true).await;
    let (certificate, key) = Authority::new().issue("client", ExtendedKeyUsagePurpose::ClientAuth);
    let transport = HyperTransport::builder()
        .roots(TrustRoots::OnlyGiven)
        .ca_pem(authority.pem())
        .client_certificate_pem(certificate, key)
        .build()
        .unwrap();

    let told = told_at_once(through_a_tunnel(address, transport)).await;

    assert!(told.contains("client certificate"), "{told}");
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_certificate_is_shown_when_it_is_asked_for() {
    let authority = Authority::new();
    let (address, seen) = server(&authority, true).await;
    let (certificate, key) = authority.issue("client", ExtendedKeyUsagePurpose::ClientAuth);
    let transport = HyperTransport::builder()
        .roots(TrustRoots::OnlyGiven)
        .ca_pem(authority.pem())
        .client_certificate_pem(certificate, key)
        .build()
        .unwrap();

    through_a_tunnel(address, transport).build().unwrap().repositories().await.unwrap();

    assert!(seen.lock().unwrap()[0].client_certificate);
}

#[test]
fn a_pem_text_without_a_certificate_is_refused() {
    let error = HyperTransport::builder().ca_pem("no certificate").build().unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// The operating system's store, which the environment of a whole process may replace: each client
/// is in a child process.
#[cfg(feature = "native-roots")]
mod native_roots {
    use std::env;
    use std::fs;
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    /// The variable that tells a child where to connect.
    const ADDRESS: &str = "ES_SNAPSHOT_TEST_ADDRESS";

    /// Makes one call and tells what came of it.
    #[tokio::test]
    #[ignore = "run by the other tests, as a process of its own"]
    async fn child() {
        let Some(address) = env::var(ADDRESS).ok().and_then(|address| address.parse().ok()) else { return };
        let transport = HyperTransport::builder().roots(TrustRoots::Native).build().unwrap();

        match through_a_tunnel(address, transport).build().unwrap().repositories().await {
            Ok(_) => println!("\ntold: done"),
            Err(error) => println!("\ntold: {:?}, {:?}", error.kind(), error.outcome()),
        }
    }

    /// What a client tells whose `SSL_CERT_FILE` holds this authority.
    fn told(address: SocketAddr, authority: &Authority) -> String {
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
        let told = output.lines().find_map(|line| line.strip_prefix("told: "));
        told.unwrap_or_else(|| panic!("{output}{}", String::from_utf8_lossy(&child.stderr))).to_owned()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_authority_in_ssl_cert_file_is_trusted() {
        let authority = Authority::new();
        let (address, seen) = server(&authority, false).await;

        assert_eq!(told(address, &authority), "done");

        assert_eq!(seen.lock().unwrap().len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_authority_that_is_not_in_ssl_cert_file_is_not_trusted() {
        let authority = Authority::new();
        let (address, seen) = server(&authority, false).await;

        assert_eq!(told(address, &Authority::new()), "Connect, NotSent");

        assert!(seen.lock().unwrap().is_empty());
    }
}
