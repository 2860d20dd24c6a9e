//! Making connections, and knowing their age.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{Either, select};
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use tower_service::Service;

use super::{BoxError, Shared};
use crate::clock::{BoxFuture, Clock};
use crate::endpoint::ConnectTarget;

/// When a connection was made, by the transport's clock.
#[derive(Clone, Debug)]
pub(super) struct Established {
    pub(super) at: Duration,
    pub(super) noted: Arc<AtomicBool>,
}

/// Makes connections: the name in the URI goes to TLS, the bytes go to the detour if there is one.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<Detour>,
    limit: Duration,
    clock: Arc<dyn Clock>,
}

impl Connector {
    pub(super) fn new(shared: &Shared, detour: Option<&ConnectTarget>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self {
            https: HttpsConnector::from((Detour { tcp, to: detour.cloned() }, Arc::clone(&shared.tls))),
            limit: shared.settings.connect_timeout,
            clock: Arc::clone(&shared.settings.clock),
        }
    }
}

impl Service<Uri> for Connector {
    type Response = Timed<<HttpsConnector<Detour> as Service<Uri>>::Response>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connect = self.https.call(uri);
        let (clock, limit) = (Arc::clone(&self.clock), self.limit);
        Box::pin(async move {
            match select(connect, clock.timeout(limit)).await {
                Either::Left((connected, _)) => {
                    Ok(Timed { stream: connected?, established: Established { at: clock.monotonic(), noted: Arc::default() } })
                }
                Either::Right(((), _)) => {
                    Err(format!("no connection within {limit:?}; a domain in a VPC does not answer from outside of it").into())
                }
            }
        })
    }
}

/// Connects to another address than the URI names.
#[derive(Clone)]
pub(super) struct Detour {
    tcp: HttpConnector,
    to: Option<ConnectTarget>,
}

impl Service<Uri> for Detour {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let uri = match &self.to {
            Some(target) => match format!("http://{target}").parse() {
                Ok(uri) => uri,
                Err(error) => return Box::pin(std::future::ready(Err(BoxError::from(error)))),
            },
            None => uri,
        };
        let connect = self.tcp.call(uri);
        Box::pin(async move { connect.await.map_err(Into::into) })
    }
}

/// A connection that knows when it was made.
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
