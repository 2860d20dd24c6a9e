//! Measures one process that watches 1,000 snapshots on 1,000 endpoints: the memory for each watch,
//! and the credential refreshes.
//!
//! Run it with `cargo bench --bench fleet`. A thousand host names lead to four servers. The servers
//! run in a child process, so that the allocator counts only the client. The benchmark runs over
//! plain HTTP and over TLS.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use es_snapshot::auth::CredentialCache;
use es_snapshot::clock::{Clock as _, SystemClock};
use es_snapshot::transport::{HyperTransport, TrustRoots};
use es_snapshot::{Auth, SnapshotClient};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use peak_alloc::PeakAlloc;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const WATCHES: usize = 1000;
const SERVERS: usize = 4;
/// The lifetime of the credentials. They are renewed when a fifth of it is left, so every 8 s.
const LIFETIME: Duration = Duration::from_secs(10);
/// The duration of the measurement.
const WATCHED: Duration = Duration::from_secs(20);
/// The watches begin one after the other within this time, so that polls fall into every lifetime
/// of the credentials.
const RAMP_UP: Duration = Duration::from_secs(10);
const DOMAIN: &str = "ap-northeast-1.es.amazonaws.com";

fn main() {
    if std::env::args().any(|arg| arg == "serve-plain") {
        return serve(None);
    }
    if std::env::args().any(|arg| arg == "serve-tls") {
        let authority = authority();
        let tls = acceptor(&authority);
        println!("{}", authority.pem().replace('\n', "|"));
        return serve(Some(&tls));
    }
    measure("http", "serve-plain");
    measure("https", "serve-tls");
}

fn measure(scheme: &str, servers: &str) {
    let mut child = Servers::start(servers);
    let mut transport = HyperTransport::builder().roots(TrustRoots::OnlyGiven).connect_timeout(Duration::from_secs(60));
    if scheme == "https" {
        transport = transport.ca_pem(child.line().replace('|', "\n"));
    }
    let transport = transport.build().unwrap();
    let ports: Vec<String> = (0..SERVERS).map(|_| child.line()).collect();
    let provider = Counting::default();
    let cache = CredentialCache::new(provider.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let before = ALLOCATOR.current_usage();
    let mut peak = 0;
    runtime.block_on(async {
        let mut watches: FuturesUnordered<_> = (0..WATCHES)
            .map(|number| {
                SnapshotClient::builder(format!("{scheme}://vpc-domain-{number:04}.{DOMAIN}"))
                    .connect_to(format!("127.0.0.1:{}", ports[number % SERVERS]))
                    .auth(Auth::sigv4_shared(cache.clone()))
                    .transport(transport.clone())
                    .build()
                    .unwrap()
                    .repository("nightly")
                    .unwrap()
                    .snapshot("running")
                    .unwrap()
                    .wait()
            })
            .enumerate()
            .map(|(number, wait)| async move {
                SystemClock.sleep(RAMP_UP * u32::try_from(number).unwrap() / u32::try_from(WATCHES).unwrap()).await;
                wait.await
            })
            .collect();
        let began = SystemClock.monotonic();
        while SystemClock.monotonic().saturating_sub(began) < WATCHED {
            tokio::select! {
                ended = watches.next() => panic!("the watch of a running snapshot has ended: {ended:?}"),
                () = SystemClock.sleep(Duration::from_millis(250)) => peak = peak.max(ALLOCATOR.current_usage()),
            }
        }
    });

    let per_watch = peak.saturating_sub(before) / WATCHES;
    let (loads, rotations) = (provider.0.load(Ordering::Relaxed), WATCHED.as_secs() / (LIFETIME.as_secs() * 4 / 5) + 1);
    println!("{scheme:5}  {WATCHES} watches, {SERVERS} servers, {} s", WATCHED.as_secs());
    println!("       at most {} KiB for each watch, connection included", per_watch.div_ceil(1024));
    println!("       {loads} credential refreshes in {rotations} rotations");
    assert_eq!(u64::try_from(loads).unwrap(), rotations, "expected one refresh for each rotation");
    if scheme == "http" {
        assert!(per_watch < 64 << 10, "more than 64 KiB for each watch");
    }
}

/// A provider of temporary credentials that counts its calls.
#[derive(Clone, Debug, Default)]
struct Counting(Arc<AtomicUsize>);

impl ProvideCredentials for Counting {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let expiry: SystemTime = SystemClock.wall() + LIFETIME;
        let result: provider::Result =
            Ok(Credentials::new(format!("AKID{number}"), "secret", Some("t".repeat(736)), Some(expiry), "bench"));
        future::ProvideCredentials::ready(result)
    }
}

/// The child process with the servers, and its output.
struct Servers(Child, BufReader<std::process::ChildStdout>);

impl Servers {
    fn start(kind: &str) -> Self {
        let mut child =
            Command::new(std::env::current_exe().unwrap()).arg(kind).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self(child, out)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the servers. They respond to every request with a running snapshot.
fn serve(tls: Option<&TlsAcceptor>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let accepting = FuturesUnordered::new();
        for _ in 0..SERVERS {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            println!("{}", listener.local_addr().unwrap().port());
            accepting.push(accept(listener, tls.cloned()));
        }
        std::io::stdout().flush().unwrap();
        accepting.collect::<Vec<()>>().await;
    });
}

#[expect(clippy::disallowed_methods, reason = "the servers of this benchmark")]
async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>) {
    while let Ok((socket, _)) = listener.accept().await {
        let tls = tls.clone();
        tokio::spawn(async move {
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(socket).await {
                        respond(stream).await;
                    }
                }
                None => respond(socket).await,
            }
        });
    }
}

async fn respond(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let body = r#"{"snapshots":[{"snapshot":"running","uuid":"u","state":"IN_PROGRESS","indices":["movies"],"start_time_in_millis":1622792614170,"end_time_in_millis":0,"duration_in_millis":0,"failures":[],"shards":{"total":0,"failed":0,"successful":0}}]}"#;
    let response =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut buffer = [0; 4096];
    let mut request = Vec::new();
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        request.extend_from_slice(&buffer[..read]);
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            if stream.write_all(response.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn acceptor(authority: &CertifiedIssuer<'static, KeyPair>) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![format!("*.{DOMAIN}")]).unwrap().signed_by(&key, authority).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
