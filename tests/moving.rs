//! A domain whose name resolves to other addresses during a wait, as after a change of its
//! configuration.
//!
//! The C library resolves names for a whole process. So each test runs in a child process, which
//! uses the `getaddrinfo` of this file.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

#[allow(dead_code, reason = "each test file uses only a part of it")]
#[path = "support/scene.rs"]
mod scene;

use std::env;
use std::fs;
use std::future::IntoFuture as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_snapshot::clock::Clock as _;
use es_snapshot::testing::{FakeOutcome, ManualClock};
use es_snapshot::transport::HyperTransport;
use es_snapshot::{
    ErrorKind, Outcome, RetryPolicy, SnapshotClient, SnapshotClientBuilder, SnapshotInfo, SnapshotState, Wait,
};
use scene::{STEP, Scene, backups, drive, snapshot};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

const NAME: &str = "domain.test";
/// The variable with the path of the file that contains the addresses of the name.
const FILE: &str = "ES_SNAPSHOT_TEST_ADDRESS";
const OLD: Ipv4Addr = Ipv4Addr::LOCALHOST;
const NEW: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

const RESOLVER: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each line of the file contains an address. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!name || strcmp(name, "domain.test") != 0) return next(name, service, hints, found);
    FILE *file = fopen(getenv("ES_SNAPSHOT_TEST_ADDRESS"), "r");
    if (!file) return EAI_NONAME;
    int result = EAI_NONAME;
    char address[64];
    while (fgets(address, sizeof address, file)) {
        address[strcspn(address, "\n")] = 0;
        result = next(address, service, hints, found);
        if (result) break;
        while (*found) found = &(*found)->ai_next;
    }
    fclose(file);
    return result;
}
"#;

/// The name of the domain. A test can change its addresses.
struct Name(PathBuf);

impl Name {
    /// Returns the name in a child process. In the parent, runs that child and returns `None`.
    fn in_a_child(test: &str) -> Option<Self> {
        if let Some(file) = env::var_os(FILE) {
            return Some(Self(file.into()));
        }
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("moving-{}-{test}", std::process::id()));
        let (source, library) = (folder.join("resolver.c"), folder.join("resolver.so"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(&source, RESOLVER).unwrap();
        // Rust uses the same linker on this platform.
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl").status().unwrap();
        assert!(built.success());

        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", test])
            .env("LD_PRELOAD", &library)
            .env(FILE, folder.join("address"))
            .output()
            .unwrap();

        fs::remove_dir_all(&folder).unwrap();
        let output = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && output.contains("1 passed"),
            "{output}{}",
            String::from_utf8_lossy(&child.stderr)
        );
        None
    }

    /// Makes the name resolve to this address.
    fn resolve_to(&self, address: Ipv4Addr) {
        self.resolve_to_all(&[address]);
    }

    /// Makes the name resolve to these addresses, in this order.
    fn resolve_to_all(&self, addresses: &[Ipv4Addr]) {
        // The file is replaced in one step, because it may be read at any time.
        let next = self.0.with_extension("next");
        let lines: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        fs::write(&next, lines.join("\n")).unwrap();
        fs::rename(&next, &self.0).unwrap();
    }

    fn stop_resolving(&self) {
        fs::remove_file(&self.0).unwrap();
    }
}

/// An address of the domain. It is shut down when this value is dropped.
struct FrontEnd {
    port: u16,
    /// The times of the requests on the monotonic clock.
    arrivals: Arc<Mutex<Vec<Duration>>>,
    task: JoinHandle<()>,
}

impl FrontEnd {
    async fn open(address: Ipv4Addr, port: u16, scene: &Scene) -> Self {
        let listener = TcpListener::bind((address, port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let domain = scene.domain.endpoint().strip_prefix("http://").unwrap().to_owned();
        let arrivals: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let (log, clock) = (Arc::clone(&arrivals), scene.clock.clone());
        #[expect(clippy::disallowed_methods, reason = "the server of this test")]
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let domain = TcpStream::connect(&domain).await.unwrap();
                connections.spawn(forward(client, domain, Arc::clone(&log), clock.clone()));
            }
        });
        Self { port, arrivals, task }
    }

    fn arrivals(&self) -> Vec<Duration> {
        self.arrivals.lock().unwrap().clone()
    }
}

impl Drop for FrontEnd {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(client: TcpStream, domain: TcpStream, log: Arc<Mutex<Vec<Duration>>>, clock: ManualClock) {
    let ((mut requests, mut to_client), (mut responses, mut to_domain)) = (client.into_split(), domain.into_split());
    let forward_requests = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = requests.read(&mut buffer).await {
            log.lock().unwrap().push(clock.monotonic());
            to_domain.write_all(&buffer[..count]).await.unwrap();
        }
    };
    let forward_responses = tokio::io::copy(&mut responses, &mut to_client);
    tokio::select! {
        () = forward_requests => {}
        _ = forward_responses => {}
    }
}

/// A domain at `OLD` on which the snapshot `s` runs until the test finishes it.
async fn held(name: &Name) -> (Scene, FrontEnd) {
    let scene = Scene::with(|domain| domain.hold_snapshots(true), |client| client).await;
    scene.prepare().await;
    scene.start_snapshot().await;
    name.resolve_to(OLD);
    let front_end = FrontEnd::open(OLD, 0, &scene).await;
    (scene, front_end)
}

/// Returns a wait of a client that connects by the name of the domain.
fn wait(scene: &Scene, port: u16) -> Wait<SnapshotInfo> {
    backups(
        &SnapshotClient::builder(format!("http://{NAME}:{port}"))
            .danger_send_credentials_unencrypted()
            .region(scene.domain.region())
            .credentials(scene.provider.clone())
            .clock(scene.clock.clone())
            .build()
            .unwrap(),
    )
    .snapshot(snapshot())
    .unwrap()
    .wait()
}

#[tokio::test]
async fn a_wait_leaves_a_former_address_after_a_minute_although_it_still_responds() {
    let Some(name) = Name::in_a_child("a_wait_leaves_a_former_address_after_a_minute_although_it_still_responds")
    else {
        return;
    };
    let (scene, old) = held(&name).await;
    let new = FrontEnd::open(NEW, old.port, &scene).await;
    let began = scene.clock.monotonic();
    let between = |time| match time {
        1 => name.resolve_to(NEW),
        4 => scene.domain.finish_snapshot("r", "s", FakeOutcome::Success),
        _ => {}
    };

    let ended = drive(&scene.clock, 1, 4, between, wait(&scene, old.port).into_future()).await;

    assert_eq!(ended.unwrap().state(), &SnapshotState::Success);
    assert_eq!(old.arrivals(), [began, began + STEP]);
    assert_eq!(new.arrivals(), [began + 2 * STEP, began + 3 * STEP, began + 4 * STEP]);
}

#[tokio::test]
async fn a_wait_keeps_an_address_that_the_name_still_has() {
    let Some(name) = Name::in_a_child("a_wait_keeps_an_address_that_the_name_still_has") else { return };
    let (scene, old) = held(&name).await;
    let new = FrontEnd::open(NEW, old.port, &scene).await;
    let finish = |time| {
        if time == 4 {
            scene.domain.finish_snapshot("r", "s", FakeOutcome::Success);
        }
    };

    drive(&scene.clock, 1, 4, finish, wait(&scene, old.port).into_future()).await.unwrap();

    assert_eq!((old.arrivals().len(), new.arrivals().len()), (5, 0));
}

#[tokio::test]
async fn a_wait_follows_a_domain_whose_old_address_is_shut_down() {
    let Some(name) = Name::in_a_child("a_wait_follows_a_domain_whose_old_address_is_shut_down") else { return };
    let (scene, old) = held(&name).await;
    let port = old.port;
    let new = FrontEnd::open(NEW, port, &scene).await;
    let old = Mutex::new(Some(old));
    let between = |time| match time {
        1 => drop(old.lock().unwrap().take()),
        // Until then no one listens at the address of the name.
        9 => name.resolve_to(NEW),
        15 => scene.domain.finish_snapshot("r", "s", FakeOutcome::Success),
        _ => {}
    };

    let ended = drive(&scene.clock, 1, 15, between, wait(&scene, port).into_future()).await;

    assert_eq!(ended.unwrap().state(), &SnapshotState::Success);
    assert!(!new.arrivals().is_empty());
}

#[tokio::test]
async fn a_wait_survives_a_name_that_does_not_resolve_for_a_while() {
    let Some(name) = Name::in_a_child("a_wait_survives_a_name_that_does_not_resolve_for_a_while") else { return };
    let (scene, front_end) = held(&name).await;
    let before = front_end.arrivals().len();
    let between = |time| match time {
        1 => name.stop_resolving(),
        20 => name.resolve_to(OLD),
        25 => scene.domain.finish_snapshot("r", "s", FakeOutcome::Success),
        _ => {}
    };

    let ended = drive(&scene.clock, 1, 25, between, wait(&scene, front_end.port).into_future()).await;

    assert_eq!(ended.unwrap().state(), &SnapshotState::Success);
    let polls = front_end.arrivals().len() - before;
    assert!(polls < 20, "{polls} polls: some lookups must fail");
}

/// An address that does not respond to connections, because its queue is full.
struct BlackHole {
    _listener: TcpListener,
    _waiting: [TcpStream; 2],
}

impl BlackHole {
    async fn open(address: Ipv4Addr, port: u16) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, port).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let connect = || async { TcpStream::connect((address, port)).await.unwrap() };
        Self { _listener: listener, _waiting: [connect().await, connect().await] }
    }
}

/// Returns a builder for a client without retries that connects in real time.
fn client(scene: &Scene, endpoint: String) -> SnapshotClientBuilder {
    SnapshotClient::builder(endpoint)
        .danger_send_credentials_unencrypted()
        .region(scene.domain.region())
        .credentials(scene.provider.clone())
        .clock(scene.clock.clone())
        .transport(HyperTransport::builder().build().unwrap())
        .retry(RetryPolicy::never())
}

#[tokio::test]
async fn tries_the_next_addresses_while_the_first_ones_do_not_respond() {
    let Some(name) = Name::in_a_child("tries_the_next_addresses_while_the_first_ones_do_not_respond") else { return };
    let scene = Scene::new().await;
    scene.prepare().await;
    let front_end = FrontEnd::open(NEW, 0, &scene).await;
    let port = front_end.port;
    let _black_holes = (BlackHole::open(OLD, port).await, BlackHole::open(Ipv4Addr::new(127, 0, 0, 3), port).await);
    name.resolve_to_all(&[OLD, Ipv4Addr::new(127, 0, 0, 3), NEW]);

    let direct = client(&scene, format!("http://{NAME}:{port}")).build().unwrap().repositories().await;
    let detour = client(&scene, "http://elsewhere.test:9200".to_owned()).connect_to(format!("{NAME}:{port}"));
    let through_connect_to = detour.build().unwrap().repositories().await;

    direct.unwrap();
    through_connect_to.unwrap();
}

#[tokio::test]
async fn tries_the_next_address_after_one_that_refuses() {
    let Some(name) = Name::in_a_child("tries_the_next_address_after_one_that_refuses") else { return };
    let scene = Scene::new().await;
    scene.prepare().await;
    let front_end = FrontEnd::open(NEW, 0, &scene).await;
    name.resolve_to_all(&[OLD, NEW]);

    let listed = client(&scene, format!("http://{NAME}:{}", front_end.port)).build().unwrap().repositories().await;

    listed.unwrap();
}

#[tokio::test]
async fn gives_up_after_three_lookups_of_a_name_that_does_not_resolve() {
    let Some(_unresolved) = Name::in_a_child("gives_up_after_three_lookups_of_a_name_that_does_not_resolve") else {
        return;
    };
    let scene = Scene::new().await;
    let client = client(&scene, format!("http://{NAME}:9200")).retry(RetryPolicy::default());
    let began = scene.clock.monotonic();

    let error = client.build().unwrap().repositories().await.unwrap_err();

    assert_eq!((error.kind(), error.outcome(), error.attempts()), (ErrorKind::Connect, Outcome::NotSent, 3));
    assert!(error.to_string().contains("domain.test does not resolve"), "{error}");
    assert!(scene.clock.monotonic() - began < Duration::from_secs(5));
}
