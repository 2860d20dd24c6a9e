//! Processes that are killed during a create or a restore on a real node. Another process continues
//! with what they stored.
//!
//! The process to kill is this binary, started with the variable `ES_SNAPSHOT_VICTIM`. It prints
//! what a real process would store, and then makes its call. The processes share nothing else.

#[allow(dead_code, reason = "each live suite uses only a part of it")]
#[path = "support/live.rs"]
mod live;

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use es_snapshot::client::RawRequest;
use es_snapshot::clock::{Clock as _, SystemClock};
use es_snapshot::name::{IndexName, RepositoryName};
use es_snapshot::restore::PreparedRestore;
use es_snapshot::snapshot::SnapshotToken;
use es_snapshot::wait::{HowStarted, RestoreTicket, SnapshotTicket, TicketState};
use es_snapshot::{CreateSnapshot, Error, RestoreSnapshot, SnapshotClient};
use http::Method;
use live::{Live, LiveTest, Need, take};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const VICTIM: &str = "ES_SNAPSHOT_VICTIM";
const SNAPSHOT: &str = "whole";
/// The time limit of a wait that should end soon.
const SOON: Duration = Duration::from_secs(60);
/// Longer than a request takes to reach the gate, and shorter than the gate holds it.
const MIDWAY: Duration = Duration::from_millis(1500);

/// What the process does before it is killed.
#[derive(Debug, Serialize, Deserialize)]
enum Task {
    Create { repository: RepositoryName, index: IndexName },
    Restore { repository: RepositoryName },
}

/// Defines a test that has the name of its function.
macro_rules! live_test {
    ($test:ident) => {
        LiveTest { name: stringify!($test), needs: &[Need::Gate], run: |live| Box::pin($test(live)) }
    };
}

fn main() -> ExitCode {
    if let Ok(task) = env::var(VICTIM) {
        return victim(&serde_json::from_str(&task).unwrap());
    }
    live::main(vec![
        live_test!(a_create_happens_once_if_the_process_dies_before_the_request_arrives),
        live_test!(a_create_is_adopted_if_the_process_dies_before_the_response_arrives),
        live_test!(another_process_waits_for_the_snapshot_of_a_killed_process),
        live_test!(a_restore_happens_once_if_the_process_dies_before_the_request_arrives),
        live_test!(a_restore_is_adopted_if_the_process_dies_before_the_response_arrives),
        live_test!(another_process_waits_for_the_restore_of_a_killed_process),
    ])
}

/// Runs as the process to kill: stores what another process needs to continue, makes its call,
/// stores the ticket and then waits to be killed.
fn victim(task: &Task) -> ExitCode {
    let store = |line: String| {
        println!("{line}");
        std::io::stdout().flush().unwrap();
    };
    let file = env::var_os("ES_SNAPSHOT_LIVE").unwrap();
    let live = Live::read(&fs::read_to_string(file).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime
        .block_on(async {
            let client = live.client().await;
            match task {
                Task::Create { repository, index } => {
                    let token = SnapshotToken::try_random()?;
                    store(json!(SnapshotTicket::new(repository, SNAPSHOT)?.with_token(token.clone())).to_string());
                    let started =
                        client.repository(repository)?.create_snapshot(SNAPSHOT, options(index, token)).await?;
                    store(json!(started.ticket()).to_string());
                }
                Task::Restore { repository } => {
                    let snapshot = client.repository(repository)?.snapshot(SNAPSHOT)?;
                    let prepared =
                        snapshot.prepare_restore(RestoreSnapshot::new().with_rename_prefix("again-")).await?;
                    store(json!(prepared).to_string());
                    store(json!(client.start(prepared).await?.ticket()).to_string());
                }
            }
            std::future::pending::<Result<ExitCode, Error>>().await
        })
        .unwrap_or_else(|error| {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        })
}

fn options(index: &IndexName, token: SnapshotToken) -> CreateSnapshot {
    CreateSnapshot::new().with_indices([index.as_str()]).with_include_global_state(false).with_token(token)
}

/// A process that is killed when this value is dropped.
struct Victim {
    child: Child,
    stored: std::io::Lines<BufReader<ChildStdout>>,
}

impl Victim {
    fn start(task: &Task) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        let mut child = command.env(VICTIM, json!(task).to_string()).stdout(Stdio::piped()).spawn().unwrap();
        let stored = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stored }
    }

    /// Returns the next value that the process stores.
    fn stored<T: DeserializeOwned>(&mut self) -> T {
        let line = self.stored.next().expect("the process must not end").unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Kills the process (SIGKILL) during its call.
    async fn kill_midway(mut self) {
        SystemClock.sleep(MIDWAY).await;
        assert!(self.child.try_wait().unwrap().is_none(), "the process must not end by itself");
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Scene {
    live: Arc<Live>,
    client: SnapshotClient,
    repository: RepositoryName,
    index: IndexName,
}

impl Scene {
    async fn new(live: Arc<Live>) -> Result<Self, Error> {
        let client = live.client().await;
        let repository = live.repository(&client, "killed").await?;
        let index = live.index("killed", 2).await?;
        Ok(Self { live, client, repository, index })
    }

    fn create(&self) -> Task {
        Task::Create { repository: self.repository.clone(), index: self.index.clone() }
    }

    async fn restore(&self) -> Result<Task, Error> {
        take(&self.client, &self.repository, &SNAPSHOT.parse()?, &self.index).await?.into_complete()?;
        self.live.gate("reset", json!({})).await;
        Ok(Task::Restore { repository: self.repository.clone() })
    }

    /// Makes the gate hold the next create or restore: with `delay` the request, with `trickle` the
    /// response.
    async fn hold(&self, action: &str) {
        let seconds = if action == "delay" { 4.0 } else { 0.5 };
        let path = format!("/_snapshot/{}/{SNAPSHOT}", self.repository);
        let rule = |method| json!({"method": method, "path": path, "times": 1, "action": action, "seconds": seconds});
        self.live.gate("faults", json!([rule("PUT"), rule("POST")])).await;
    }

    /// Returns the status of each create or restore, in order.
    async fn statuses(&self) -> Vec<Value> {
        let log = self.live.log().await;
        let changes = log.into_iter().filter(|entry| {
            let path = entry["path"].as_str().unwrap();
            path.starts_with(&format!("/_snapshot/{}/{SNAPSHOT}", self.repository)) && entry["method"] != "GET"
        });
        changes.map(|entry| entry["status"].clone()).collect()
    }

    /// Refreshes an index and returns the number of its documents.
    async fn documents(&self, index: &str) -> Result<Value, Error> {
        let node = self.live.node();
        node.raw(RawRequest::new(Method::POST, [index, "_refresh"])).await?;
        Ok(node.raw(RawRequest::get([index, "_count"])).await?.into_body()["count"].clone())
    }

    /// Asserts that the restore is complete, and deletes the restored index.
    async fn assert_restored(&self, ticket: RestoreTicket) -> Result<(), Error> {
        let restored = format!("again-{}", self.index);
        let report = self.client.resume(ticket).with_deadline(SOON).await?.into_complete()?;
        assert_eq!(report.indices(), std::slice::from_ref(&restored));
        assert_eq!(self.documents(&restored).await?, self.documents(self.index.as_str()).await?);
        self.live.node().raw(RawRequest::new(Method::DELETE, [restored])).await.map(drop)
    }
}

async fn a_create_happens_once_if_the_process_dies_before_the_request_arrives(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(live).await?;
    scene.hold("delay").await;
    let mut victim = Victim::start(&scene.create());
    let ticket: SnapshotTicket = victim.stored();
    victim.kill_midway().await;

    let before = scene.client.check(ticket.clone()).await?;
    let token = ticket.token().cloned().unwrap();
    let started =
        scene.client.repository(&scene.repository)?.create_snapshot(SNAPSHOT, options(&scene.index, token)).await?;
    let snapshot = scene.client.resume(ticket.clone()).with_deadline(SOON).await?.into_complete()?;

    // The create of the killed process arrives now.
    SystemClock.sleep(Duration::from_secs(4)).await;
    let statuses = scene.statuses().await;
    assert!(matches!(before, TicketState::NotFound), "{before:?}");
    assert_eq!(started.ticket().token(), ticket.token());
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.len(), 2, "{statuses:?}");
    let listed = scene.client.repository(&scene.repository)?.snapshot(SNAPSHOT)?.info().await?;
    assert_eq!(listed.uuid(), snapshot.uuid());
    Ok(())
}

async fn a_create_is_adopted_if_the_process_dies_before_the_response_arrives(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(live).await?;
    scene.hold("trickle").await;
    let mut victim = Victim::start(&scene.create());
    let ticket: SnapshotTicket = victim.stored();
    victim.kill_midway().await;

    let token = ticket.token().cloned().unwrap();
    let started =
        scene.client.repository(&scene.repository)?.create_snapshot(SNAPSHOT, options(&scene.index, token)).await?;
    scene.client.resume(ticket).with_deadline(SOON).await?.into_complete()?;

    assert_eq!(started.how(), HowStarted::Adopted);
    assert_eq!(scene.statuses().await.iter().filter(|status| **status == 200).count(), 1);
    Ok(())
}

async fn another_process_waits_for_the_snapshot_of_a_killed_process(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(live).await?;
    let mut victim = Victim::start(&scene.create());
    let _: SnapshotTicket = victim.stored();
    let started: SnapshotTicket = victim.stored();
    drop(victim);

    let snapshot = scene.client.resume(started).with_deadline(SOON).await?.into_complete()?;

    assert_eq!(snapshot.indices(), [scene.index.as_str()]);
    assert_eq!(scene.statuses().await, [200]);
    Ok(())
}

async fn a_restore_happens_once_if_the_process_dies_before_the_request_arrives(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(live).await?;
    let task = scene.restore().await?;
    scene.hold("delay").await;
    let mut victim = Victim::start(&task);
    let prepared: PreparedRestore = victim.stored();
    victim.kill_midway().await;

    let started = scene.client.start(prepared).await?;

    // The restore of the killed process arrives now.
    SystemClock.sleep(Duration::from_secs(4)).await;
    let statuses = scene.statuses().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.len(), 2, "{statuses:?}");
    scene.assert_restored(started.ticket().clone()).await
}

async fn a_restore_is_adopted_if_the_process_dies_before_the_response_arrives(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(live).await?;
    let task = scene.restore().await?;
    scene.hold("trickle").await;
    let mut victim = Victim::start(&task);
    let prepared: PreparedRestore = victim.stored();
    victim.kill_midway().await;

    let started = scene.client.start(prepared).await?;

    assert_eq!(started.how(), HowStarted::Adopted);
    assert_eq!(scene.statuses().await, [200]);
    scene.assert_restored(started.ticket().clone()).await
}

async fn another_process_waits_for_the_restore_of_a_killed_process(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(live).await?;
    let mut victim = Victim::start(&scene.restore().await?);
    let _: PreparedRestore = victim.stored();
    let started: RestoreTicket = victim.stored();
    drop(victim);

    scene.assert_restored(started).await?;

    assert_eq!(scene.statuses().await, [200]);
    Ok(())
}
