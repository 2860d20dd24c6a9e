//! A TLS server that a test starts in place of a domain.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::ExtendedKeyUsagePurpose;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, RootCertStore, server::WebPkiClientVerifier};

use crate::authority::Authority;

/// A request as the server received it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReceivedRequest {
    pub(crate) server_name: Option<String>,
    pub(crate) head: String,
    pub(crate) client_certificate: bool,
}

/// The requests that a server has received, in order.
pub(crate) type Received = Arc<Mutex<Vec<ReceivedRequest>>>;

/// Starts a server with a certificate for this name.
pub(crate) async fn server(name: &str, authority: &Authority, requires_certificate: bool) -> (SocketAddr, Received) {
    let certificate = authority.issue(name, ExtendedKeyUsagePurpose::ServerAuth, |_| {});
    server_with(authority, certificate, requires_certificate).await
}

/// Starts a server on a free port of 127.0.0.1. It responds to every request with an empty object.
pub(crate) async fn server_with(
    authority: &Authority,
    (certificate, key): (String, String),
    requires_certificate: bool,
) -> (SocketAddr, Received) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if requires_certificate {
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
    let received = Received::default();
    let log = Arc::clone(&received);
    #[expect(clippy::disallowed_methods, reason = "the server of a test")]
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(acceptor.clone(), socket, Arc::clone(&log)));
        }
    });
    (address, received)
}

/// Serves one connection. Each request must arrive in one piece.
async fn serve(acceptor: TlsAcceptor, socket: TcpStream, log: Received) {
    let Ok(mut stream) = acceptor.accept(socket).await else { return };
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let (_, session) = stream.get_ref();
        log.lock().unwrap().push(ReceivedRequest {
            server_name: session.server_name().map(str::to_owned),
            client_certificate: session.peer_certificates().is_some(),
            head: String::from_utf8_lossy(&buffer[..length]).into_owned(),
        });
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    }
}
