//! Makes connections and records when they were made.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower_service::Service;

use super::failure::{SpeaksTls, Unresolved, is_lasting};
use super::proxy::Proxy;
use super::{Base, BoxError};
use crate::clock::{BoxFuture, Clock};
use crate::endpoint::ConnectTarget;

/// The time between connection attempts to different addresses of a name
/// ([RFC 8305](https://www.rfc-editor.org/rfc/rfc8305), section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(300);

/// When a connection was made.
#[derive(Clone, Debug)]
pub(super) struct Established {
    /// By the transport's clock.
    pub(super) at: Duration,
    /// The connection is in the list of those to retire.
    pub(super) is_remembered: Arc<AtomicBool>,
}

/// Makes connections. TLS verifies the name in the URI, also if the bytes go through a tunnel.
#[derive(Clone)]
pub(super) struct Connector(Arc<Route>);

struct Route {
    base: Arc<Base>,
    /// Where to connect, if not to the host in the URI.
    tunnel: Option<ConnectTarget>,
}

type Stream = <HttpsConnector<Dial> as Service<Uri>>::Response;

impl Connector {
    pub(super) fn new(base: Arc<Base>, tunnel: Option<ConnectTarget>) -> Self {
        Self(Arc::new(Route { base, tunnel }))
    }
}

impl Route {
    fn limit(&self) -> Duration {
        self.base.settings.connect_timeout
    }

    fn clock(&self) -> &dyn Clock {
        &*self.base.settings.clock
    }

    async fn connect(&self, uri: Uri) -> Result<Timed<Stream>, BoxError> {
        let proxy = if self.tunnel.is_some() { None } else { self.base.proxies.proxy_for(&uri)? };
        let proxy = proxy.as_ref();
        let mut failures = Vec::new();
        let connected = {
            let connect = pin!(async {
                let addresses = self.resolve(&uri, proxy).await?;
                Ok::<_, BoxError>(self.race(addresses, &uri, proxy, &mut failures).await)
            });
            match select(connect, self.clock().timeout(self.limit())).await {
                Either::Left((connected, _)) => connected?,
                Either::Right(((), _)) => None,
            }
        };
        match connected {
            Some(stream) => {
                let established = Established { at: self.clock().monotonic(), is_remembered: Arc::default() };
                Ok(Timed { stream, established })
            }
            None => Err(self.error_of(failures, proxy)),
        }
    }

    /// Connects to the address that is ready first, TLS included. An address that does not respond
    /// does not delay the others, even if it accepts TCP and is then silent.
    async fn race(
        &self,
        addresses: Vec<SocketAddr>,
        uri: &Uri,
        proxy: Option<&Arc<Proxy>>,
        failures: &mut Vec<BoxError>,
    ) -> Option<Stream> {
        let mut addresses = addresses.into_iter();
        let mut attempts = FuturesUnordered::new();
        loop {
            if let Some(address) = addresses.next() {
                attempts.push(self.dial(address, uri, proxy));
            } else if attempts.is_empty() {
                return None;
            }
            let has_next = !addresses.as_slice().is_empty();
            let next_is_due = self.clock().timeout(if has_next { ATTEMPT_DELAY } else { self.limit() });
            match select(attempts.next(), next_is_due).await {
                Either::Left((Some(Ok(stream)), _)) => return Some(stream),
                Either::Left((Some(Err(error)), _)) => failures.push(error),
                Either::Left((None, _)) | Either::Right(_) => {}
            }
        }
    }

    async fn dial(&self, address: SocketAddr, uri: &Uri, proxy: Option<&Arc<Proxy>>) -> Result<Stream, BoxError> {
        let mut dial = Dial { address, proxy: proxy.cloned() };
        if uri.scheme() == Some(&Scheme::HTTPS) {
            HttpsConnector::from((dial, self.base.tls()?)).call(uri.clone()).await
        } else {
            Ok(Stream::Http(dial.call(uri.clone()).await?))
        }
    }

    async fn resolve(&self, uri: &Uri, proxy: Option<&Arc<Proxy>>) -> Result<Vec<SocketAddr>, BoxError> {
        let other = proxy.map(|proxy| proxy.address()).or(self.tunnel.as_ref());
        let (host, port) = if let Some(target) = other {
            (target.host(), target.port())
        } else {
            let default = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
            (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(default))
        };
        let host = host.trim_matches(['[', ']']);
        let unresolved =
            |source| -> BoxError { Box::new(Unresolved { host: host.to_owned(), is_proxy: proxy.is_some(), source }) };
        // The other half of the limit is left for connecting.
        let limit = self.limit() / 2;
        let found: Vec<SocketAddr> =
            match select(pin!(tokio::net::lookup_host((host, port))), self.clock().timeout(limit)).await {
                Either::Left((found, _)) => found.map_err(|error| unresolved(error.into()))?.collect(),
                Either::Right(((), _)) => {
                    return Err(unresolved(format!("no response from the resolver within {limit:?}").into()));
                }
            };
        if found.is_empty() {
            return Err(unresolved("the resolver returned no address".into()));
        }
        Ok(interleave(found))
    }

    /// Returns the failure to report. A lasting one comes first, because that address responded.
    fn error_of(&self, failures: Vec<BoxError>, proxy: Option<&Arc<Proxy>>) -> BoxError {
        let index = failures.iter().position(is_lasting).unwrap_or_default();
        failures.into_iter().nth(index).unwrap_or_else(|| {
            let limit = self.limit();
            if let Some(proxy) = proxy {
                return proxy.failure(format!("no tunnel within {limit:?}")).into();
            }
            format!("no connection within {limit:?}; a domain in a VPC can be reached only from inside the VPC").into()
        })
    }
}

/// Alternates between IPv4 and IPv6, starting with the family that the resolver prefers
/// ([RFC 8305](https://www.rfc-editor.org/rfc/rfc8305), section 4).
fn interleave(mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (mut first_count, mut second_count) = (0_usize, 0_usize);
    addresses.sort_by_cached_key(|address| {
        let is_second = address.is_ipv4() != first_is_v4;
        let count = if is_second { &mut second_count } else { &mut first_count };
        *count += 1;
        (*count, is_second)
    });
    addresses
}

impl Service<Uri> for Connector {
    type Response = Timed<Stream>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let route = Arc::clone(&self.0);
        Box::pin(async move { route.connect(uri).await })
    }
}

/// Connects to one address, regardless of the host in the URI. A proxy there connects to that host.
#[derive(Clone)]
pub(super) struct Dial {
    address: SocketAddr,
    proxy: Option<Arc<Proxy>>,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<Dialed>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { address, proxy } = self.clone();
        Box::pin(async move {
            let connected = connect_tcp(address).await;
            let stream = match proxy {
                Some(proxy) => {
                    let stream = connected.map_err(|error| proxy.failure(error))?;
                    proxy.open_tunnel(stream, &uri).await?
                }
                None => connected?,
            };
            Ok(TokioIo::new(Dialed { stream, is_check_due: uri.scheme() != Some(&Scheme::HTTPS) }))
        })
    }
}

async fn connect_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let with_address = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    let stream = TcpStream::connect(address).await.map_err(with_address)?;
    stream.set_nodelay(true).map_err(with_address)?;
    Ok(stream)
}

/// A TCP connection that detects a TLS server by its first bytes if plain HTTP is expected.
pub(super) struct Dialed {
    stream: TcpStream,
    /// Plain HTTP is expected, and nothing was read yet.
    is_check_due: bool,
}

impl Connection for Dialed {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl AsyncRead for Dialed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        // The start of an alert record or a handshake record, in any version since SSL 3.
        let read = buffer.filled().get(before..).unwrap_or_default();
        let is_tls = matches!(read, [0x15 | 0x16, 0x03, ..]);
        if std::mem::take(&mut self.is_check_due) && is_tls {
            return Poll::Ready(Err(io::Error::other(SpeaksTls)));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Dialed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}

/// A connection with the time when it was made.
pub(super) struct Timed<T> {
    stream: T,
    established: Established,
}

impl<T: Connection> Connection for Timed<T> {
    fn connected(&self) -> Connected {
        self.stream.connected().extra(self.established.clone())
    }
}

impl<T: Read + Unpin> Read for Timed<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<T: Write + Unpin> Write for Timed<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::transport::HyperTransport;

    #[test]
    fn alternates_between_the_address_families() {
        let addresses =
            |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };

        let interleaved = interleave(addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]));

        assert_eq!(interleaved, addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]));
    }

    #[tokio::test]
    async fn tries_the_next_address_while_one_accepts_tcp_but_is_silent() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = vec![silent.local_addr().unwrap(), other.local_addr().unwrap()];
        let transport = HyperTransport::builder().build().unwrap();
        let Connector(route) = Connector::new(Arc::clone(&transport.shared.base), None);
        let uri = Uri::from_static("https://domain.test");
        let mut failures = Vec::new();

        let attempt_at_second = async {
            let (mut socket, _) = other.accept().await.unwrap();
            socket.read_u8().await.unwrap()
        };
        let race = route.race(addresses, &uri, None, &mut failures);
        let (attempt_at_second, race) = (pin!(attempt_at_second), pin!(race));

        let Either::Left((first_byte, _)) = select(attempt_at_second, race).await else { panic!("the race ended") };

        assert_eq!(first_byte, 0x16, "a handshake");
    }
}
