//! Connections of the default transport: refused ones, names, and TLS with certificates that the
//! cases create. All servers are on loopback.

use std::net::SocketAddr;
use std::sync::Arc;

use es_snapshot::testing::ManualClock;
use es_snapshot::transport::HyperTransport;
use es_snapshot::{Error, RetryPolicy, SnapshotClient, SnapshotClientBuilder, Timeouts};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, RootCertStore, server::WebPkiClientVerifier};

use super::authority::Authority;
use super::sheet::{Sheet, backups, clock, joined, seconds};

const HOST: &str = "search.example.org";

pub(crate) fn add(sheet: &mut Sheet) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(connections(sheet));
    runtime.block_on(proxies(sheet));
    runtime.block_on(tls(sheet));
}

/// Adds an error without what depends on the machine and the time.
fn add_portable(sheet: &mut Sheet, label: &str, error: &Error) {
    let text = joined(error);
    let words: Vec<String> = text.split(' ').map(portable).collect();
    sheet.add_text(label, &words.join(" "));
}

/// Replaces ports of loopback addresses, numbers of the operating system, and times.
fn portable(word: &str) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if let Some((_, after)) = word.split_once("127.0.0.1:") {
        let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        return format!("127.0.0.1:<port>{rest}");
    }
    let number = word.trim_matches(['(', ')', ',', ':']);
    if is_number(number) && number.len() > 5 || word.ends_with(')') && is_number(number) {
        return word.replace(number, "<number>");
    }
    word.to_owned()
}

fn client(builder: SnapshotClientBuilder, transport: HyperTransport, clock: &ManualClock) -> SnapshotClient {
    builder.transport(transport).clock(clock.clone()).retry(RetryPolicy::never()).build().unwrap()
}

async fn connections(sheet: &mut Sheet) {
    sheet.room("connections");
    let clock = clock();
    let transport = || HyperTransport::builder().clock(clock.clone()).build().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = client(SnapshotClient::builder(format!("http://{closed}")), transport(), &clock);
    add_portable(sheet, "refused", &refused.repositories().await.unwrap_err());

    // A label of more than 63 bytes is not sent to a name server.
    let long = SnapshotClient::builder(format!("http://{}.example.org", "x".repeat(64)));
    let error = client(long, transport(), &clock).repositories().await.unwrap_err();
    let text = joined(&error);
    let (text, _) = text.split_once("failed to lookup address information").unwrap();
    sheet.add_text("name that does not resolve", &format!("{text}<the resolver's reason>"));

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limit = seconds(2);
    let slow = client(
        SnapshotClient::builder(format!("https://{}", silent.local_addr().unwrap()))
            .timeouts(Timeouts::new().with_attempt(limit).with_call(limit)),
        transport(),
        &clock,
    );
    let limit_ends = async {
        let connection = silent.accept().await.unwrap();
        clock.advance(limit);
        connection
    };
    let repository = backups(&slow);
    let (cleaned, _connection) = futures_util::join!(repository.cleanup(), limit_ends);
    add_portable(sheet, "no connection within the limit of the attempt", &cleaned.unwrap_err());

    let connecting = HyperTransport::builder().clock(clock.clone()).connect_timeout(limit).build().unwrap();
    let slow = client(SnapshotClient::builder(format!("https://{}", silent.local_addr().unwrap())), connecting, &clock);
    let limit_ends = async {
        let connection = silent.accept().await.unwrap();
        clock.advance(limit);
        connection
    };
    let (listed, _connection) = futures_util::join!(slow.repositories(), limit_ends);
    add_portable(sheet, "no connection within the limit of the transport", &listed.unwrap_err());

    let closing = server_of_bytes(b"").await;
    let lost = client(SnapshotClient::builder(format!("http://{closing}")), transport(), &clock);
    add_portable(sheet, "closed without a response", &lost.repositories().await.unwrap_err());
}

async fn proxies(sheet: &mut Sheet) {
    sheet.room("proxies");
    let clock = clock();
    let failure = async |url: &str| {
        let transport = HyperTransport::builder().proxy(url).clock(clock.clone()).build().unwrap();
        client(SnapshotClient::builder(format!("https://{HOST}")), transport, &clock).repositories().await.unwrap_err()
    };
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    add_portable(sheet, "refused", &failure(&format!("http://{closed}")).await);
    let endless: &[u8] = &[b'x'; 9000];
    let cases: [(&str, &[u8]); 6] = [
        ("login", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
        ("forbidden", b"HTTP/1.1 403 Forbidden\r\n\r\n"),
        ("no route to the domain", b"HTTP/1.1 503 Service Unavailable\r\n\r\n"),
        ("closed without a response", b""),
        ("another protocol", b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        ("long head", endless),
    ];
    for (label, response) in cases {
        let proxy = server_of_bytes(response).await;
        add_portable(sheet, label, &failure(&format!("http://{proxy}")).await);
    }

    let text = joined(&failure(&format!("http://{}.example.org:3128", "x".repeat(64))).await);
    let (text, _) = text.split_once("failed to lookup address information").unwrap();
    sheet.add_text("name that does not resolve", &format!("{text}<the resolver's reason>"));

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limit_ends = async {
        let connection = silent.accept().await.unwrap();
        clock.advance(seconds(5));
        connection
    };
    let url = format!("http://{}", silent.local_addr().unwrap());
    let (error, _connection) = futures_util::join!(failure(&url), limit_ends);
    add_portable(sheet, "no response", &error);
}

/// Starts a TLS server with this certificate. It closes each connection after the handshake.
async fn server((certificate, key): (String, String), client_authority: Option<&Authority>) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match client_authority {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the server of this case")]
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let _ = acceptor.accept(socket).await;
        }
    });
    address
}

/// Starts a server that sends these bytes after it has read some.
async fn server_of_bytes(response: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the server of this case")]
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(response).await;
            let _ = socket.shutdown().await;
        }
    });
    address
}

async fn tls(sheet: &mut Sheet) {
    sheet.room("TLS");
    let clock = clock();
    let authority = Authority::new();
    let tunnel = |address: SocketAddr, transport: HyperTransport| {
        let builder = SnapshotClient::builder(format!("https://{HOST}")).connect_to(address.to_string());
        client(builder, transport, &clock)
    };
    let issue = |name: &str, usage: ExtendedKeyUsagePurpose, change: fn(&mut CertificateParams)| {
        authority.issue(name, usage, change)
    };
    let usage = || ExtendedKeyUsagePurpose::ServerAuth;
    let early: fn(&mut CertificateParams) = |params| params.not_before = rcgen::date_time_ymd(3000, 1, 1);
    let late: fn(&mut CertificateParams) = |params| params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    for (label, certificate) in [
        ("another name", issue("elsewhere.example", usage(), |_| {})),
        ("expired", issue(HOST, usage(), late)),
        ("not valid yet", issue(HOST, usage(), early)),
        ("not for servers", issue(HOST, ExtendedKeyUsagePurpose::ClientAuth, |_| {})),
    ] {
        let client = tunnel(server(certificate, None).await, authority.trusted());
        add_portable(sheet, label, &client.repositories().await.unwrap_err());
    }
    let valid = || issue(HOST, usage(), |_| {});
    let stranger = tunnel(server(valid(), None).await, Authority::new().trusted());
    add_portable(sheet, "unknown authority", &stranger.repositories().await.unwrap_err());
    let strict = tunnel(server(valid(), Some(&authority)).await, authority.trusted());
    add_portable(sheet, "client certificate", &strict.repositories().await.unwrap_err());
    let plain = SnapshotClient::builder(format!("http://{}", server(valid(), None).await));
    let error = client(plain, authority.trusted(), &clock).repositories().await.unwrap_err();
    add_portable(sheet, "http to a port with TLS", &error);
    let cases: [(&str, &[u8]); 4] = [
        ("https to a port without TLS", b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"),
        ("version of TLS", &[0x15, 3, 3, 0, 2, 2, 70]),
        ("handshake refused", &[0x15, 3, 3, 0, 2, 2, 40]),
        // The message `server_hello_done`, which must not be the first one.
        ("wrong order of messages", &[0x16, 3, 3, 0, 4, 14, 0, 0, 0]),
    ];
    for (label, bytes) in cases {
        let client = tunnel(server_of_bytes(bytes).await, authority.trusted());
        add_portable(sheet, label, &client.repositories().await.unwrap_err());
    }
}
