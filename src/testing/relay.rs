//! Forwards requests to the HTTP server and spoils its answers as the server cannot do itself.
//!
//! The server gets each request under the path `/`, with what the client wrote in a header: so
//! nothing between the two can normalise a path that has been signed.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::clock::ManualClock;
use crate::clock::{Clock, SystemClock};

/// The request header with the target as the client wrote it.
pub(super) const TARGET: &str = "x-relay-target";
/// The answer header that says how to spoil the answer.
pub(super) const SPOIL: &str = "x-relay-spoil";

/// The largest head of a message.
const HEAD: usize = 256 * 1024;
/// How long an answer is held back, in real time, for a client whose time-out has fired.
const GRACE: Duration = Duration::from_millis(200);

/// How to spoil an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoil {
    Drop,
    Truncate,
    Restart,
    Trickle(Duration),
    Delay(Duration),
}

impl Spoil {
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

/// What a domain that is stopped, or started again, asks of its relay. The relay drops the sender
/// inside when it has obeyed.
pub(super) enum Order {
    /// Close the port and every connection.
    Stop(std::sync::mpsc::Sender<()>),
    /// Listen again on the same port.
    Start(std::sync::mpsc::Sender<()>),
}

/// Serves until the other end of `orders` is dropped, or until the port cannot be had again.
pub(super) async fn serve(
    listener: TcpListener,
    server: SocketAddr,
    clock: Option<ManualClock>,
    mut orders: mpsc::UnboundedReceiver<Order>,
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
            order = orders.recv() => match order {
                None => return Ok(()),
                Some(Order::Stop(obeyed)) => {
                    listener = None;
                    connections.shutdown().await;
                    drop(obeyed);
                }
                Some(Order::Start(obeyed)) => {
                    if listener.is_none() {
                        listener = Some(TcpListener::bind(address).await?);
                    }
                    drop(obeyed);
                }
            },
            accepted = accept => {
                let Ok((client, _)) = accepted else { continue };
                let (restart, clock) = (restart.clone(), clock.clone());
                connections.spawn(async move {
                    let mut restarted = restart.subscribe();
                    tokio::select! {
                        // A client that goes away in the middle is no news to anybody.
                        _ = connection(client, server, clock, &restart) => {}
                        _ = restarted.changed() => {}
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection of a client, request by request.
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
        let spoil = response.header(SPOIL).and_then(Spoil::from_header);
        let head: String = response.head.split_inclusive("\r\n").filter(|line| !line.starts_with(SPOIL)).collect();
        match spoil {
            None => {}
            Some(Spoil::Drop) => return Ok(()),
            Some(Spoil::Restart) => {
                restart.send_replace(());
                return Ok(());
            }
            Some(Spoil::Truncate) => {
                client.write_all(head.as_bytes()).await?;
                let half = response.body.get(..response.body.len() / 2).unwrap_or_default();
                client.write_all(half).await?;
                return client.shutdown().await;
            }
            Some(Spoil::Trickle(pause)) => {
                client.write_all(head.as_bytes()).await?;
                for byte in response.body {
                    client.write_all(&[byte]).await?;
                    pass_time(&mut client, clock.as_ref(), pause).await?;
                }
                continue;
            }
            Some(Spoil::Delay(by)) => pass_time(&mut client, clock.as_ref(), by).await?,
        }
        let mut whole = head.into_bytes();
        whole.extend_from_slice(&response.body);
        client.write_all(&whole).await?;
    }
    Ok(())
}

/// Lets time pass by the domain's clock. Where that ended somebody's wait, the client gets the
/// chance to hang up first.
async fn pass_time(client: &mut TcpStream, clock: Option<&ManualClock>, by: Duration) -> io::Result<()> {
    let Some(clock) = clock else {
        SystemClock.sleep(by).await;
        return Ok(());
    };
    if clock.advance_and_count(by) > 0 {
        tokio::select! {
            // No client pipelines: what can be read here is the end.
            ready = client.readable() => {
                ready?;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            () = SystemClock.sleep(GRACE) => {}
        }
    }
    Ok(())
}

/// A request or an answer.
struct Message {
    /// The first line and the headers, up to and with the empty line.
    head: String,
    body: Vec<u8>,
}

impl Message {
    /// Reads one message; none when the peer has closed the connection before it. What was read
    /// beyond it stays in `buffer`.
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
