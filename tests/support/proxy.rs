//! An HTTP proxy that a test starts. It keeps every byte that it receives from the client.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct TestProxy {
    address: SocketAddr,
    /// The bytes of each connection.
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// What a proxy does with a request.
#[derive(Clone, Copy)]
pub(crate) enum Behaviour {
    /// Opens a tunnel to this address, whatever host the client names.
    TunnelTo(SocketAddr),
    /// Sends these bytes and closes the connection.
    Respond(&'static [u8]),
    /// Sends this header line without end.
    Endless(&'static [u8]),
    /// Reads on, and does not respond.
    Silent,
}

impl TestProxy {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let log = Arc::clone(&received);
        #[expect(clippy::disallowed_methods, reason = "the proxy of a test")]
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, behaviour, Arc::clone(&log)));
            }
        });
        Self { address, received }
    }

    /// Returns the URL without a user.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the proxy has received the request of a connection.
    pub(crate) async fn receives_a_request(&self) {
        while self.received().first().is_none_or(Vec::is_empty) {
            tokio::task::yield_now().await;
        }
    }

    /// Returns the bytes of each connection, as far as they have arrived.
    pub(crate) fn received(&self) -> Vec<Vec<u8>> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve(mut client: TcpStream, behaviour: Behaviour, log: Arc<Mutex<Vec<Vec<u8>>>>) {
    let index = {
        let mut log = log.lock().unwrap();
        log.push(Vec::new());
        log.len() - 1
    };
    let keep = |bytes: &[u8]| log.lock().unwrap()[index].extend_from_slice(bytes);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    keep(&head);
    match behaviour {
        Behaviour::TunnelTo(address) => {
            let mut domain = TcpStream::connect(address).await.unwrap();
            let _ = client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
            let (mut from_client, mut to_client) = client.split();
            let (mut from_domain, mut to_domain) = domain.split();
            let forwards = async {
                let mut buffer = [0; 8192];
                while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
                    keep(&buffer[..length]);
                    let _ = to_domain.write_all(&buffer[..length]).await;
                }
            };
            let backwards = tokio::io::copy(&mut from_domain, &mut to_client);
            tokio::select! {
                () = forwards => {}
                _ = backwards => {}
            }
        }
        Behaviour::Respond(bytes) => {
            let _ = client.write_all(bytes).await;
        }
        Behaviour::Endless(line) => {
            let _ = client.write_all(b"HTTP/1.1 200 OK\r\n").await;
            while client.write_all(line).await.is_ok() {}
        }
        Behaviour::Silent => while let Ok(1..) = client.read(&mut [0; 64]).await {},
    }
}
