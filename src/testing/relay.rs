//! Forwards requests to the mock server, and disrupts responses in ways that the mock server
//! cannot.
//!
//! The mock server gets each request under the path `/`. A header carries the target as the client
//! wrote it, so nothing on the way can normalise a path that was signed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::clock::ManualClock;
use crate::clock::{Clock, SystemClock};

/// The request header that carries the target as the client wrote it.
pub(super) const TARGET: &str = "x-relay-target";
/// The response header that names the disruption.
pub(super) const DISRUPTION: &str = "x-relay-disruption";

/// The largest head of a message. In bytes.
const HEAD: usize = 256 * 1024;
/// How long a response is held back, in real time, so that a client with a time-out can hang up.
const GRACE: Duration = Duration::from_millis(200);

/// What the relay does to a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disruption {
    Drop,
    Truncate,
    Restart,
    Trickle(Duration),
    Delay(Duration),
}

impl Disruption {
    pub(super) fn to_header(self) -> String {
        match self {
            Self::Drop => "drop".to_owned(),
            Self::Truncate => "truncate".to_owned(),
            Self::Restart => "restart".to_owned(),
            Self::Trickle(pause) => format!("trickle={}", pause.as_nanos()),
            Self::Delay(by) => format!("delay={}", by.as_nanos()),
        }
    }

    fn from_header(value: &str) -> Option<Self> {
        let (name, nanos) = value.split_once('=').unwrap_or((value, "0"));
        let duration = Duration::from_nanos(nanos.parse().ok()?);
        match name {
            "drop" => Some(Self::Drop),
            "truncate" => Some(Self::Truncate),
            "restart" => Some(Self::Restart),
            "trickle" => Some(Self::Trickle(duration)),
            "delay" => Some(Self::Delay(duration)),
            _ => None,
        }
    }
}

/// A command of a domain to its relay. The relay drops the sender once the command is carried out.
pub(super) enum Command {
    /// Closes the port and every connection.
    Stop(std::sync::mpsc::Sender<()>),
    /// Listens on the same port again.
    Start(std::sync::mpsc::Sender<()>),
}

/// Serves until the other end of `commands` is dropped, or until the port cannot be bound again.
pub(super) async fn serve(
    listener: TcpListener,
    server: SocketAddr,
    clock: Option<ManualClock>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let mut listener = Some(listener);
    let (restart, _) = watch::channel(());
    let mut connections = JoinSet::new();
    loop {
        let accept = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = commands.recv() => match command {
                None => return Ok(()),
                Some(Command::Stop(done)) => {
                    listener = None;
                    connections.shutdown().await;
                    drop(done);
                }
                Some(Command::Start(done)) => {
                    if listener.is_none() {
                        listener = Some(TcpListener::bind(address).await?);
                    }
                    drop(done);
                }
            },
            accepted = accept => {
                let Ok((client, _)) = accepted else { continue };
                let (restart, clock) = (restart.clone(), clock.clone());
                connections.spawn(async move {
                    let mut restarted = restart.subscribe();
                    tokio::select! {
                        // A client may close its connection at any time, so errors do not matter.
                        _ = connection(client, server, clock, &restart) => {}
                        _ = restarted.changed() => {}
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection, one request after the other.
async fn connection(
    mut client: TcpStream,
    server: SocketAddr,
    clock: Option<ManualClock>,
    restart: &watch::Sender<()>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut upstream = TcpStream::connect(server).await?;
    upstream.set_nodelay(true)?;
    let (mut from_client, mut from_server) = (Vec::new(), Vec::new());
    while let Some(request) = Message::read(&mut client, &mut from_client, true).await? {
        let Some((method, rest)) = request.head.split_once(' ') else { return Ok(()) };
        let Some((target, rest)) = rest.split_once(' ') else { return Ok(()) };
        let Some((version, headers)) = rest.split_once("\r\n") else { return Ok(()) };
        if request.header("transfer-encoding").is_some() {
            client.write_all(b"HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
            return Ok(());
        }
        upstream.write_all(format!("{method} / {version}\r\n{TARGET}: {target}\r\n{headers}").as_bytes()).await?;
        upstream.write_all(&request.body).await?;

        let Some(response) = Message::read(&mut upstream, &mut from_server, method != "HEAD").await? else {
            return Ok(());
        };
        let disruption = response.header(DISRUPTION).and_then(Disruption::from_header);
        let head: String = response.head.split_inclusive("\r\n").filter(|line| !line.starts_with(DISRUPTION)).collect();
        match disruption {
            None => {}
            Some(Disruption::Drop) => return Ok(()),
            Some(Disruption::Restart) => {
                restart.send_replace(());
                return Ok(());
            }
            Some(Disruption::Truncate) => {
                client.write_all(head.as_bytes()).await?;
                let half = response.body.get(..response.body.len() / 2).unwrap_or_default();
                client.write_all(half).await?;
                return client.shutdown().await;
            }
            Some(Disruption::Trickle(pause)) => {
                client.write_all(head.as_bytes()).await?;
                for byte in response.body {
                    client.write_all(&[byte]).await?;
                    pass_time(&mut client, clock.as_ref(), pause).await?;
                }
                continue;
            }
            Some(Disruption::Delay(by)) => pass_time(&mut client, clock.as_ref(), by).await?,
        }
        let mut whole = head.into_bytes();
        whole.extend_from_slice(&response.body);
        client.write_all(&whole).await?;
    }
    Ok(())
}

/// Lets time pass on the domain's clock. If this ends a wait, the client gets the chance to close
/// the connection before the response is sent.
async fn pass_time(client: &mut TcpStream, clock: Option<&ManualClock>, by: Duration) -> io::Result<()> {
    let Some(clock) = clock else {
        SystemClock.sleep(by).await;
        return Ok(());
    };
    if clock.advance_and_count(by) > 0 {
        tokio::select! {
            // Clients do not pipeline, so the socket is readable only if the client has closed it.
            ready = client.readable() => {
                ready?;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            () = SystemClock.sleep(GRACE) => {}
        }
    }
    Ok(())
}

/// A request or a response.
struct Message {
    /// The first line and the headers, including the empty line after them.
    head: String,
    body: Vec<u8>,
}

impl Message {
    /// Reads one message, or returns `None` if the peer closes the connection before its end. Bytes
    /// after the message stay in `buffer`.
    async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>, with_body: bool) -> io::Result<Option<Self>> {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if buffer.len() > HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if stream.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        };
        let head = String::from_utf8(buffer.drain(..end).collect())
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let mut this = Self { head, body: Vec::new() };
        let length = this.header("content-length").filter(|_| with_body).map_or(Ok(0), str::parse::<usize>);
        let length = length.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        while buffer.len() < length {
            if stream.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        }
        this.body = buffer.drain(..length).collect();
        Ok(Some(this))
    }

    fn header(&self, wanted: &str) -> Option<&str> {
        self.head.split("\r\n").skip(1).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    }
}
