//! Restores on a real node. The client detects a restore that took effect and resends one that was
//! lost. Its tickets name what the server restored.

#[allow(dead_code, reason = "each live suite uses only a part of it")]
#[path = "support/live.rs"]
mod live;

use std::collections::BTreeSet;
use std::fmt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use es_snapshot::client::RawRequest;
use es_snapshot::clock::{BoxFuture, Clock as _, SystemClock};
use es_snapshot::name::{RepositoryName, SnapshotName};
use es_snapshot::snapshot::ExpandWildcards;
use es_snapshot::testing::ManualClock;
use es_snapshot::transport::{Body, ConnectTarget, HyperTransport, Transport, TransportError};
use es_snapshot::wait::{HowStarted, RestoreTicket};
use es_snapshot::{
    CreateSnapshot, Error, Outcome, RestoreReport, RestoreSnapshot, SnapshotClient, SnapshotInfo, SnapshotState,
};
use http::Method;
use live::{Live, LiveTest, Need, refused, unique};
use serde_json::{Value, json};

/// The time limit of a wait that should end soon.
const SOON: Duration = Duration::from_secs(60);

/// Defines a test that has the name of its function.
macro_rules! live_test {
    ($test:ident, $($need:ident),*) => {
        LiveTest { name: stringify!($test), needs: &[$(Need::$need),*], run: |live| Box::pin($test(live)) }
    };
}

fn main() -> ExitCode {
    live::main(vec![
        live_test!(a_wait_covers_a_restore_of_a_hidden_index, Gate),
        live_test!(a_wait_that_starts_late_reports_a_restored_hidden_index_as_complete, Gate),
        live_test!(reports_a_shard_of_a_hidden_index_that_was_restored_empty, Gate, Steering),
        live_test!(does_not_resend_a_restore_that_took_effect_before_an_outage, Gate),
        live_test!(resends_a_restore_that_never_arrived, Gate),
        live_test!(does_not_adopt_a_running_restore_of_another_client, Gate),
        live_test!(does_not_adopt_an_ended_restore_of_another_client, Gate),
        live_test!(does_not_adopt_another_clients_restore_of_one_of_several_targets, Gate),
        live_test!(the_ticket_names_the_indices_that_the_server_restored, Gate),
        live_test!(waits_for_sixty_indices_with_long_names, Gate),
        live_test!(the_ticket_names_the_indices_as_the_server_renames_them, Gate),
        live_test!(an_earlier_failed_restore_does_not_affect_a_later_one, Gate, Steering),
        live_test!(another_process_resumes_a_ticket, Gate),
        live_test!(sends_a_prepared_restore_once_although_two_processes_start_it, Gate),
        live_test!(restores_once_over_a_closed_target_that_was_changed, Gate),
        live_test!(does_not_restore_over_a_target_that_was_opened, Gate),
        live_test!(does_not_resend_a_restore_that_the_server_refuses, Gate),
    ])
}

/// What is lost of the first restore that a client sends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lost {
    Nothing,
    /// The request never arrives, which the client cannot know.
    Request,
    /// The request is carried out.
    Response,
}

/// A transport that may lose the first restore of a client.
struct LossyTransport {
    inner: HyperTransport,
    lost: Lost,
    /// Runs before the client receives the error.
    before_error: Mutex<Option<BoxFuture<'static, Result<(), Error>>>>,
    /// How many requests fail after the first restore.
    outage: AtomicUsize,
    /// Whether requests for the running restores fail.
    hides_running: bool,
    sent: AtomicUsize,
    arrived: AtomicUsize,
}

impl LossyTransport {
    fn new(live: &Live, lost: Lost) -> Self {
        Self {
            inner: live.transport(),
            lost,
            before_error: Mutex::default(),
            outage: AtomicUsize::default(),
            hides_running: false,
            sent: AtomicUsize::default(),
            arrived: AtomicUsize::default(),
        }
    }

    fn before_error(self, action: impl Future<Output = Result<(), Error>> + Send + 'static) -> Self {
        Self { before_error: Mutex::new(Some(Box::pin(action))), ..self }
    }

    fn outage(self, requests: usize) -> Self {
        Self { outage: requests.into(), ..self }
    }

    fn hiding_running_restores(self) -> Self {
        Self { hides_running: true, ..self }
    }

    /// Returns how many restores were sent, and how many of them arrived.
    fn restores(&self) -> (usize, usize) {
        (self.sent.load(Ordering::SeqCst), self.arrived.load(Ordering::SeqCst))
    }

    fn is_out(&self) -> bool {
        let count_down = |left: usize| left.checked_sub(1);
        self.restores().0 > 0 && self.outage.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count_down).is_ok()
    }
}

impl fmt::Debug for LossyTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LossyTransport").field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl Transport for LossyTransport {
    fn call<'a>(
        &'a self,
        request: http::Request<Bytes>,
        target: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<http::Response<Body>, TransportError>> {
        Box::pin(async move {
            let path = request.uri().path();
            if !(request.method() == Method::POST && path.ends_with("/_restore")) {
                let is_hidden = self.hides_running && path == "/_cluster/state/customs";
                if is_hidden || self.is_out() {
                    return Err(TransportError::not_sent("no route to the host"));
                }
                return self.inner.call(request, target).await;
            }
            let lost = if self.sent.fetch_add(1, Ordering::SeqCst) == 0 { self.lost } else { Lost::Nothing };
            let response = match lost {
                Lost::Request => None,
                Lost::Nothing | Lost::Response => {
                    self.arrived.fetch_add(1, Ordering::SeqCst);
                    Some(self.inner.call(request, target).await)
                }
            };
            let before_error = self.before_error.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(before_error) = before_error {
                before_error.await.unwrap_or_else(|error| panic!("before the error of the restore: {error}"));
            }
            match response {
                Some(response) if lost == Lost::Nothing => response,
                _ => Err(TransportError::unknown("connection reset")),
            }
        })
    }
}

/// Another client, which connects to the node directly.
#[derive(Clone)]
struct Node(SnapshotClient);

impl Node {
    /// Sends a request. The path may end with a query.
    async fn send(&self, method: Method, path: &str, body: Value) -> Result<Value, Error> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut request = RawRequest::new(method, path.split('/'));
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            request = request.with_query(name, value);
        }
        if !body.is_null() {
            request = request.with_body(body);
        }
        Ok(self.0.raw(request).await?.into_body())
    }

    async fn post(&self, path: &str) -> Result<(), Error> {
        self.send(Method::POST, path, Value::Null).await.map(drop)
    }

    async fn put(&self, path: &str, body: Value) -> Result<(), Error> {
        self.send(Method::PUT, path, body).await.map(drop)
    }

    async fn delete(&self, path: &str) -> Result<(), Error> {
        self.send(Method::DELETE, path, Value::Null).await.map(drop)
    }

    /// Creates an index with the document `old`.
    async fn create(&self, index: &str, settings: Value) -> Result<(), Error> {
        let mut all = json!({"number_of_shards": 1, "number_of_replicas": 0}).as_object().cloned().unwrap();
        all.extend(settings.as_object().cloned().unwrap_or_default());
        self.put(index, json!({"settings": all})).await?;
        self.write(index, "old").await
    }

    async fn write(&self, index: &str, id: &str) -> Result<(), Error> {
        self.put(&format!("{index}/_doc/{id}?refresh=true"), json!({"text": unique("some text")})).await
    }

    /// Returns whether an index contains the documents `old` and `new`.
    async fn documents(&self, index: &str) -> Result<(bool, bool), Error> {
        let mut found = Vec::new();
        for id in ["old", "new"] {
            let query = json!({"query": {"ids": {"values": [id]}}});
            found.push(self.send(Method::POST, &format!("{index}/_count"), query).await?["count"] == 1);
        }
        Ok((found[0], found[1]))
    }

    async fn close(&self, index: &str) -> Result<(), Error> {
        self.post(&format!("{index}/_close")).await
    }

    async fn open(&self, index: &str) -> Result<(), Error> {
        self.post(&format!("{index}/_open")).await
    }

    async fn indices(&self) -> Result<BTreeSet<String>, Error> {
        let state =
            self.send(Method::GET, "_cluster/state/metadata?filter_path=metadata.indices.*.state", Value::Null).await?;
        let indices = state["metadata"]["indices"].as_object().cloned().unwrap_or_default();
        Ok(indices.into_iter().map(|(name, _)| name).collect())
    }

    async fn is_restoring(&self) -> Result<bool, Error> {
        let state = self.send(Method::GET, "_cluster/state/customs?filter_path=restore", Value::Null).await?;
        Ok(state["restore"]["snapshots"].as_array().is_some_and(|restores| !restores.is_empty()))
    }

    /// Waits until no restore is running.
    async fn settle(&self) -> Result<(), Error> {
        let deadline = SystemClock.monotonic() + SOON;
        while self.is_restoring().await? {
            assert!(SystemClock.monotonic() < deadline, "a restore did not end in time");
            SystemClock.sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

/// A repository for one test, a client that uses the gate, and one that does not.
struct Scene {
    live: Arc<Live>,
    client: SnapshotClient,
    node: Node,
    repository: RepositoryName,
    snapshot: SnapshotName,
}

impl Scene {
    async fn new(live: Arc<Live>, test: &str) -> Result<Self, Error> {
        let client = live.client().await;
        let repository = live.repository(&client, test).await?;
        let node = Node(live.node());
        Ok(Self { live, client, node, repository, snapshot: "whole".parse()? })
    }

    /// Takes the snapshot of these indices, including hidden ones.
    async fn take(&self, indices: &[&str]) -> Result<SnapshotInfo, Error> {
        let options = CreateSnapshot::new()
            .with_indices(indices)
            .with_include_global_state(false)
            .with_partial(true)
            .with_expand_wildcards([ExpandWildcards::All]);
        self.client.repository(&self.repository)?.create_snapshot(&self.snapshot, options).await?;
        self.client.repository(&self.repository)?.snapshot(&self.snapshot)?.wait().with_deadline(SOON).await
    }

    /// Returns a client that uses this transport, and whose pauses take no time.
    async fn client_on(&self, transport: &Arc<LossyTransport>) -> Result<SnapshotClient, Error> {
        let clock = ManualClock::new(SystemClock.wall());
        self.live.builder().await.clock(clock).transport(Arc::clone(transport)).build()
    }

    async fn restore(&self, client: &SnapshotClient, options: &RestoreSnapshot) -> Result<RestoreTicket, Error> {
        Ok(client
            .repository(&self.repository)?
            .snapshot(&self.snapshot)?
            .restore(options.clone())
            .await?
            .ticket()
            .clone())
    }

    async fn restore_on(
        &self,
        transport: &Arc<LossyTransport>,
        options: &RestoreSnapshot,
    ) -> Result<RestoreTicket, Error> {
        self.restore(&self.client_on(transport).await?, options).await
    }

    async fn wait(&self, ticket: &RestoreTicket) -> Result<RestoreReport, Error> {
        self.client.resume(ticket.clone()).with_deadline(SOON).await
    }

    async fn wait_by_name(&self) -> Result<RestoreReport, Error> {
        self.client.resume(RestoreTicket::new(&self.repository, &self.snapshot)?).with_deadline(SOON).await
    }

    /// Waits until the restore has ended, and returns its report. Its pauses take no time.
    async fn outcome(&self, ticket: &RestoreTicket) -> Result<RestoreReport, Error> {
        self.node.settle().await?;
        let client = self.client_on(&Arc::new(LossyTransport::new(&self.live, Lost::Nothing))).await?;
        client.resume(ticket.clone()).with_deadline(SOON).await
    }

    /// Returns a future that restores this snapshot as another client.
    fn restore_of_another_client(
        &self,
        options: &RestoreSnapshot,
        query: &str,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let (node, path) =
            (self.node.clone(), format!("_snapshot/{}/{}/_restore{query}", self.repository, self.snapshot));
        let body = serde_json::to_value(options).unwrap();
        async move { node.send(Method::POST, &path, body).await.map(drop) }
    }
}

fn names(ticket: &RestoreTicket) -> BTreeSet<String> {
    ticket.indices().map(str::to_owned).collect()
}

fn shards(report: &RestoreReport) -> Vec<(&str, Option<u32>)> {
    report.unrestored().iter().map(|shard| (shard.index(), shard.shard())).collect()
}

/// Takes a snapshot of a hidden index, and deletes the index.
async fn hidden_index(live: Arc<Live>) -> Result<(Scene, String), Error> {
    let scene = Scene::new(live, "hidden").await?;
    let index = unique("hidden");
    scene.node.create(&index, json!({"hidden": true, "number_of_shards": 2})).await?;
    scene.take(&[&index]).await?;
    scene.node.delete(&index).await?;
    Ok((scene, index))
}

async fn a_wait_covers_a_restore_of_a_hidden_index(live: Arc<Live>) -> Result<(), Error> {
    let (scene, index) = hidden_index(live).await?;

    let ticket = scene.restore(&scene.client, &RestoreSnapshot::new()).await?;
    let (by_ticket, by_name) = futures_util::join!(scene.wait(&ticket), scene.wait_by_name());

    for report in [by_ticket?.into_complete()?, by_name?.into_complete()?] {
        assert_eq!((report.indices(), report.shards_total()), ([index.clone()].as_slice(), 2));
    }
    assert_eq!(scene.node.documents(&index).await?, (true, false));
    scene.node.delete(&index).await
}

async fn a_wait_that_starts_late_reports_a_restored_hidden_index_as_complete(live: Arc<Live>) -> Result<(), Error> {
    let (scene, index) = hidden_index(live).await?;
    let ticket = scene.restore(&scene.client, &RestoreSnapshot::new()).await?;
    scene.node.settle().await?;

    let (by_ticket, by_name) = futures_util::join!(scene.wait(&ticket), scene.wait_by_name());

    for report in [by_ticket?.into_complete()?, by_name?.into_complete()?] {
        assert_eq!((report.indices(), report.shards_total()), ([index.clone()].as_slice(), 2));
    }
    scene.node.delete(&index).await
}

async fn reports_a_shard_of_a_hidden_index_that_was_restored_empty(live: Arc<Live>) -> Result<(), Error> {
    let failing = live.steer(".fail-shard-0", "");
    let (scene, index) = hidden_index(live).await?;
    drop(failing);
    let snapshot = scene.client.repository(&scene.repository)?.snapshot(&scene.snapshot)?.info().await?;
    assert_eq!(*snapshot.state(), SnapshotState::Partial);

    let ticket = scene.restore(&scene.client, &RestoreSnapshot::new().with_partial(true)).await?;
    scene.node.settle().await?;
    let (by_ticket, by_name) = futures_util::join!(scene.wait(&ticket), scene.wait_by_name());

    for report in [by_ticket?, by_name?] {
        assert_eq!((shards(&report), report.shards_total()), (vec![(index.as_str(), Some(0))], 2));
        assert!(report.unrestored()[0].reason().contains("empty"), "{report:?}");
    }
    scene.node.delete(&index).await
}

async fn does_not_resend_a_restore_that_took_effect_before_an_outage(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(Arc::clone(&live), "done").await?;
    let index = unique("done");
    scene.node.create(&index, json!({})).await?;
    scene.take(&[&index]).await?.into_complete()?;
    for is_over_a_closed_index in [false, true] {
        if is_over_a_closed_index {
            scene.node.close(&index).await?;
        } else {
            scene.node.delete(&index).await?;
        }
        let (node, target) = (scene.node.clone(), index.clone());
        let transport = LossyTransport::new(&live, Lost::Response).outage(8).before_error(async move {
            node.settle().await?;
            node.write(&target, "new").await?;
            node.close(&target).await
        });
        let transport = Arc::new(transport);

        let restored = scene.restore_on(&transport, &RestoreSnapshot::new()).await;

        assert_eq!(refused(restored).outcome(), Outcome::Unknown);
        assert_eq!(transport.restores(), (1, 1));
        scene.node.open(&index).await?;
        assert_eq!(scene.node.documents(&index).await?, (true, true), "over a closed index: {is_over_a_closed_index}");
    }
    scene.node.delete(&index).await
}

async fn resends_a_restore_that_never_arrived(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(Arc::clone(&live), "lost").await?;
    let index = unique("lost");
    scene.node.create(&index, json!({"number_of_shards": 2})).await?;
    scene.take(&[&index]).await?.into_complete()?;
    for is_over_a_closed_index in [false, true] {
        if is_over_a_closed_index {
            scene.node.write(&index, "new").await?;
            scene.node.close(&index).await?;
        } else {
            scene.node.delete(&index).await?;
        }
        let transport = Arc::new(LossyTransport::new(&live, Lost::Request));

        let ticket = scene.restore_on(&transport, &RestoreSnapshot::new()).await?;

        assert_eq!(transport.restores(), (2, 1));
        assert_eq!(scene.outcome(&ticket).await?.into_complete()?.indices(), [index.as_str()]);
        assert_eq!(scene.node.documents(&index).await?, (true, false), "over a closed index: {is_over_a_closed_index}");
    }
    scene.node.delete(&index).await
}

/// Takes a snapshot of two indices in a repository that restores slowly, and deletes the indices.
async fn two_in_slow_repository(live: Arc<Live>) -> Result<(Scene, [String; 2]), Error> {
    let mut scene = Scene::new(live, "two").await?;
    let name = unique("slow");
    scene.repository = name.parse()?;
    let settings = scene.live.s3(&name).with_setting("max_restore_bytes_per_sec", "2kb");
    scene.client.repository(&scene.repository)?.register(settings).await?;
    let indices = [unique("one"), unique("two")];
    for index in &indices {
        scene.node.create(index, json!({})).await?;
    }
    scene.take(&[&indices[0], &indices[1]]).await?.into_complete()?;
    for index in &indices {
        scene.node.delete(index).await?;
    }
    Ok((scene, indices))
}

/// Loses the restore of this client, while another client restores the snapshot under other names:
/// both indices, or one of them. Asserts that this client resends its own restore.
async fn not_adopted(live: Arc<Live>, has_ended: bool) -> Result<(), Error> {
    let (scene, indices) = two_in_slow_repository(Arc::clone(&live)).await?;
    let query = if has_ended { "?wait_for_completion=true" } else { "" };
    for theirs in [&indices[..], &indices[..1]] {
        let options = RestoreSnapshot::new().with_indices(theirs).with_rename("(.+)", "theirs-$1");
        let (foreign, node) = (scene.restore_of_another_client(&options, query), scene.node.clone());
        let transport = Arc::new(LossyTransport::new(&live, Lost::Request).before_error(async move {
            foreign.await?;
            assert_eq!(node.is_restoring().await?, !has_ended);
            Ok(())
        }));

        let ticket = scene.restore_on(&transport, &RestoreSnapshot::new()).await?;

        assert_eq!(transport.restores(), (2, 1), "{theirs:?}");
        assert_eq!(names(&ticket), BTreeSet::from(indices.clone()));
        assert_eq!(scene.outcome(&ticket).await?.into_complete()?.shards_total(), 2);
        scene.node.settle().await?;
        for index in indices.iter().cloned().chain(theirs.iter().map(|index| format!("theirs-{index}"))) {
            assert_eq!(scene.node.documents(&index).await?, (true, false), "{index}");
            scene.node.delete(&index).await?;
        }
    }
    Ok(())
}

async fn does_not_adopt_a_running_restore_of_another_client(live: Arc<Live>) -> Result<(), Error> {
    not_adopted(live, false).await
}

async fn does_not_adopt_an_ended_restore_of_another_client(live: Arc<Live>) -> Result<(), Error> {
    not_adopted(live, true).await
}

async fn does_not_adopt_another_clients_restore_of_one_of_several_targets(live: Arc<Live>) -> Result<(), Error> {
    let (scene, [one, two]) = two_in_slow_repository(Arc::clone(&live)).await?;
    for query in ["", "?wait_for_completion=true"] {
        let foreign = scene.restore_of_another_client(&RestoreSnapshot::new().with_indices([&one]), query);
        let transport = Arc::new(LossyTransport::new(&live, Lost::Request).before_error(foreign));

        let restored = scene.restore_on(&transport, &RestoreSnapshot::new()).await;

        assert_eq!(refused(restored).outcome(), Outcome::Unknown);
        assert_eq!(transport.restores(), (1, 0));
        scene.node.settle().await?;
        assert!(!scene.node.indices().await?.contains(&two));
        scene.node.delete(&one).await?;
    }
    Ok(())
}

async fn the_ticket_names_the_indices_that_the_server_restored(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(Arc::clone(&live), "stream").await?;
    let (stream, plain, dotted) = (unique("stream"), unique("plain"), unique(".dotted"));
    let template = json!({"index_patterns": [format!("*{stream}*")], "data_stream": {}, "priority": 1000,
                          "template": {"settings": {"number_of_replicas": 0}}});
    let has_streams = scene.node.put(&format!("_index_template/{stream}"), template).await.is_ok();
    let mut included = vec![plain.as_str(), dotted.as_str()];
    scene.node.create(&plain, json!({})).await?;
    scene.node.create(&dotted, json!({"hidden": true})).await?;
    let mut selections: Vec<Vec<&str>> =
        vec![vec![], vec!["*"], vec!["*", "-plain-*"], vec!["-plain-*"], vec![&dotted], vec!["p*", &dotted]];
    let (without_stream, backing) = (format!("-{stream}"), format!(".ds-{stream}-*"));
    if has_streams {
        included.push(&stream);
        for _ in 0..2 {
            let document = json!({"@timestamp": "2024-05-01T00:00:00Z"});
            scene.node.send(Method::POST, &format!("{stream}/_doc?refresh=true"), document).await?;
            scene.node.post(&format!("{stream}/_rollover")).await?;
        }
        selections.extend([
            vec![stream.as_str()],
            vec!["stream-*"],
            vec![&plain, &stream],
            vec![&stream, "-plain-*"],
            vec![&without_stream],
            vec!["*", "-.ds-*"],
            vec![&backing],
        ]);
    }
    let snapshot = scene.take(&included).await?.into_complete()?;
    assert_eq!(snapshot.data_streams().len(), usize::from(has_streams));
    assert_eq!(snapshot.indices().len(), if has_streams { 5 } else { 2 });
    for selection in &selections {
        for (number, hides_running) in [false, true].into_iter().enumerate() {
            let before = scene.node.indices().await?;
            let transport = LossyTransport::new(&live, Lost::Nothing);
            let transport = Arc::new(if hides_running { transport.hiding_running_restores() } else { transport });
            // Each restore uses new names, because some servers here cannot delete a data stream.
            let prefix = unique(&format!("r{number}"));
            let options = RestoreSnapshot::new().with_rename("^(.+)$", format!("{prefix}-$1"));
            let options = if selection.is_empty() { options } else { options.with_indices(selection) };

            let ticket = scene.restore_on(&transport, &options).await;

            let restored: BTreeSet<String> = scene.node.indices().await?.difference(&before).cloned().collect();
            let ticket = match ticket {
                Ok(ticket) => ticket,
                // Not every server accepts every selection.
                Err(error) => {
                    assert_eq!((error.outcome(), restored.len()), (Outcome::Rejected, 0), "{selection:?}: {error}");
                    continue;
                }
            };
            assert_eq!(names(&ticket), restored, "{selection:?}, running restores hidden: {hides_running}");
            assert_eq!(
                scene.outcome(&ticket).await?.into_complete()?.shards_total(),
                restored.len() as u64,
                "{selection:?}"
            );
            if *selection == [stream.as_str()] {
                let named =
                    RestoreTicket::new(&scene.repository, &scene.snapshot)?.with_index(format!("{prefix}-{stream}"));
                let wait = scene.client.resume(named);
                let report = wait.await?.into_complete()?;
                assert_eq!(
                    report.indices().iter().cloned().collect::<BTreeSet<_>>(),
                    restored,
                    "a ticket with the name of the data stream"
                );
            }
        }
    }
    Ok(())
}

async fn waits_for_sixty_indices_with_long_names(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(live, "cjk").await?;
    let prefix = unique("監査記録保管庫年次分");
    let indices: Vec<String> = (0..60).map(|number| format!("{prefix}-{number:02}")).collect();
    for index in &indices {
        scene.node.create(index, json!({})).await?;
    }
    scene.take(&[&format!("{prefix}*")]).await?.into_complete()?;
    for index in &indices {
        scene.node.delete(index).await?;
    }

    let ticket = scene.restore(&scene.client, &RestoreSnapshot::new()).await?;
    let report = scene.wait(&ticket).await?.into_complete()?;

    assert_eq!((report.indices(), report.shards_total()), (indices.as_slice(), 60));
    for index in &indices {
        scene.node.delete(index).await?;
    }
    Ok(())
}

async fn the_ticket_names_the_indices_as_the_server_renames_them(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(Arc::clone(&live), "rename").await?;
    let index = unique("vis-abc");
    scene.node.create(&index, json!({})).await?;
    scene.take(&[&index]).await?.into_complete()?;
    scene.node.delete(&index).await?;
    let before = scene.node.indices().await?;
    let determined = [
        ("(.+)", "new-$1"),
        ("(.*)", "x-$1"),
        ("^(.*)$", "x-$1"),
        ("(.+)", "$1_y"),
        ("(v)(is)", "$12"),
        ("(.+)", "a$1$1"),
        ("i", ""),
        ("", "-"),
        ("x*", "-"),
        ("x*", "e"),
        ("(x)?vis", "[$1]"),
        ("(?<all>.+)", "${all}-1"),
        ("(?i)VIS", "b"),
        ("(?i:V)IS|vi", "b"),
        ("nothing", "b"),
        ("v", r"\$1\\"),
        ("v", r"\$1\-"),
        ("(.+)", "$0-$1"),
        ("(.+)-(.+)", "$2-$1"),
        ("(.+?)-(.+)", "$2.$1"),
        ("(.+)-(.+)-(.+)", "$3$2$1"),
        ("[a-c]+", "q"),
        ("[^a-c-]+", "q"),
        ("[a-c]{2}", "q"),
        ("[]a]", "q"),
        ("^v", "w"),
        ("^", "pre-"),
        ("$", "-post"),
        (".$", "-end"),
        (r"\d+", "n"),
        (r"\w+", "w"),
        (r"\W", "_"),
        (r"\b", "_"),
        (r"\.", "-"),
        ("a|ab", "q"),
        ("(a)|(b)", "<$2"),
        ("(a)|(b)", "$2q$1"),
        ("(?:vis)-(abc)", "$1"),
        ("(?i)V[A-I]S", "q"),
        ("v(?i)I|A", "q"),
        ("((a)|b)+", "$1$2"),
        ("(a?)?b", "$1q"),
        ("a*?b", "q"),
        (r"[\w.]+", "q"),
        ("[v-]+", "q"),
        ("a{1,2}|b{1,}", "q"),
        ("V", "X"),
        ("v", "X"),
        ("vis", "日本"),
    ];
    let left_to_the_server = [
        ("v", "$"),
        ("(.+)", "$2"),
        ("(", "x"),
        ("a{,2}", "x"),
        ("a**", "x"),
        (r"v\Qi\E", "x"),
        (r"(\w)\1?", "$1"),
        ("v++", "x"),
        ("(?=vis)", "x"),
        ("(?s)v.", "x"),
        ("[a-z&&[^v]]+", "x"),
        ("[a[v]]", "x"),
        (r"\p{Lower}", "x"),
        (r"\x76", "x"),
        (r"\Av|c\z", "x"),
        ("(?x) v # the first", "x"),
    ];
    let pairs =
        determined.into_iter().map(|pair| (pair, true)).chain(left_to_the_server.into_iter().map(|pair| (pair, false)));
    for ((pattern, replacement), is_determined) in pairs {
        let transport = Arc::new(LossyTransport::new(&live, Lost::Nothing).hiding_running_restores());
        let options = RestoreSnapshot::new().with_rename(pattern, replacement);

        let restored = scene.restore_on(&transport, &options).await;

        let appeared: BTreeSet<String> = scene.node.indices().await?.difference(&before).cloned().collect();
        match restored {
            Ok(ticket) if is_determined => assert_eq!(names(&ticket), appeared, "{pattern} {replacement}"),
            Ok(ticket) => assert_eq!((names(&ticket).len(), appeared.len()), (0, 1), "{pattern} {replacement}"),
            Err(error) => assert!(appeared.is_empty(), "{pattern} {replacement}: {error}, but {appeared:?}"),
        }
        scene.node.settle().await?;
        for index in &appeared {
            scene.node.delete(index).await?;
        }
    }
    Ok(())
}

async fn an_earlier_failed_restore_does_not_affect_a_later_one(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(live, "earlier").await?;
    let index = unique("earlier");
    scene.node.create(&index, json!({"number_of_shards": 2})).await?;
    scene.take(&[&index]).await?.into_complete()?;
    let (_, bucket) = scene.live.bucket();
    let folder = bucket.unwrap().join(scene.repository.as_str()).join("indices");
    let folder = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    std::fs::rename(folder.join("0"), folder.join("aside")).unwrap();
    let failed = scene.restore(&scene.client, &RestoreSnapshot::new().with_rename("(.+)", "failed-$1")).await?;
    assert_eq!(shards(&scene.outcome(&failed).await?), [(format!("failed-{index}").as_str(), Some(0))]);
    std::fs::rename(folder.join("aside"), folder.join("0")).unwrap();

    let ticket = scene.restore(&scene.client, &RestoreSnapshot::new().with_rename("(.+)", "later-$1")).await?;
    let report = scene.outcome(&ticket).await?.into_complete()?;

    assert_eq!((report.indices(), report.shards_total()), ([format!("later-{index}")].as_slice(), 2));
    // A wait without a ticket does not distinguish the restores. It reports the failed one.
    assert_eq!(shards(&scene.wait_by_name().await?), [(format!("failed-{index}").as_str(), Some(0))]);
    for index in [index.clone(), format!("failed-{index}"), format!("later-{index}")] {
        scene.node.delete(&index).await?;
    }
    Ok(())
}

async fn sends_a_prepared_restore_once_although_two_processes_start_it(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(Arc::clone(&live), "prepared").await?;
    let index = unique("prepared");
    scene.node.create(&index, json!({"number_of_shards": 2})).await?;
    scene.take(&[&index]).await?.into_complete()?;
    let options = RestoreSnapshot::new().with_rename_prefix("started-");
    let prepared =
        scene.client.repository(&scene.repository)?.snapshot(&scene.snapshot)?.prepare_restore(options).await?;
    let kept = serde_json::to_string(&prepared).unwrap();
    let another = live.client().await;
    let start = async |client: &SnapshotClient| client.start(serde_json::from_str(&kept).unwrap()).await;

    let first = start(&scene.client).await?;
    let again = start(&another).await?;

    assert_eq!((first.how(), again.how()), (HowStarted::Accepted, HowStarted::Adopted));
    let report = again.wait().with_deadline(SOON).await?.into_complete()?;
    assert_eq!((report.indices(), report.shards_total()), ([format!("started-{index}")].as_slice(), 2));
    scene.node.close(&format!("started-{index}")).await?;
    // The target is closed now, so another restore would overwrite it.
    let third = start(&another).await;
    assert!(third.is_err_and(|error| error.outcome() == Outcome::Unknown));
    scene.node.delete(&format!("started-{index}")).await?;
    scene.node.delete(&index).await
}

async fn another_process_resumes_a_ticket(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(Arc::clone(&live), "ticket").await?;
    let index = unique("ticket");
    scene.node.create(&index, json!({"number_of_shards": 2})).await?;
    scene.take(&[&index]).await?.into_complete()?;
    let restored = format!("again-{index}");
    let ticket = scene.restore(&scene.client, &RestoreSnapshot::new().with_rename("(.+)", "again-$1")).await?;
    let kept = serde_json::to_string(&ticket).unwrap();
    let another = live.client().await;
    let resume =
        async || another.resume(serde_json::from_str::<RestoreTicket>(&kept).unwrap()).with_deadline(SOON).await;

    let at_once = resume().await?.into_complete()?;
    scene.node.close(&restored).await?;
    scene.node.open(&restored).await?;
    let later = resume().await?.into_complete()?;

    assert_eq!(at_once, later);
    assert_eq!((later.indices(), later.shards_total()), ([restored.clone()].as_slice(), 2));
    // After the close, only the uuid in the ticket shows that the index was restored.
    let by_name =
        scene.client.resume(RestoreTicket::new(&scene.repository, &scene.snapshot)?.with_index(restored.as_str()));
    assert_eq!(by_name.with_deadline(SOON).await?.unrestored().len(), 2);
    scene.node.delete(&restored).await?;
    scene.node.delete(&index).await
}

/// Makes these changes to a closed index as another client, and closes it again.
async fn change(node: &Node, index: &str, changes: &[&str]) -> Result<(), Error> {
    node.open(index).await?;
    for change in changes {
        match *change {
            "settings" => node.put(&format!("{index}/_settings"), json!({"index.max_result_window": 20_000})).await?,
            "field" => {
                node.put(&format!("{index}/_mapping"), json!({"properties": {"other": {"type": "keyword"}}})).await?;
            }
            "alias" => node.put(&format!("{index}/_alias/{}", unique("alias")), Value::Null).await?,
            "document" => node.write(index, "new").await?,
            other => panic!("{other}"),
        }
    }
    node.close(index).await
}

async fn restores_once_over_a_closed_target_that_was_changed(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(Arc::clone(&live), "marks").await?;
    let indices = [unique("marks"), unique("marks")];
    for index in &indices {
        scene.node.create(index, json!({})).await?;
    }
    scene.take(&[&indices[0], &indices[1]]).await?.into_complete()?;
    let settings_of_a_closed_index = &["settings of a closed index"][..];
    for changes in [
        &[][..],
        &["settings"],
        &["field"],
        &["alias"],
        &["document"],
        &["settings", "field", "document"],
        &["settings", "alias"],
        settings_of_a_closed_index,
    ] {
        for changed in [&indices[..1], &indices[..]] {
            for index in &indices {
                scene.node.close(index).await?;
            }
            let (node, changed) = (scene.node.clone(), changed.to_vec());
            let transport = Arc::new(LossyTransport::new(&live, Lost::Request).before_error(async move {
                for index in &changed {
                    if changes == settings_of_a_closed_index {
                        node.put(&format!("{index}/_settings"), json!({"index.codec": "best_compression"})).await?;
                    } else {
                        change(&node, index, changes).await?;
                    }
                }
                Ok(())
            }));

            let ticket = scene.restore_on(&transport, &RestoreSnapshot::new().with_include_aliases(false)).await?;

            assert_eq!(transport.restores(), (2, 1), "{changes:?}");
            assert_eq!(scene.outcome(&ticket).await?.into_complete()?.shards_total(), 2, "{changes:?}");
            for index in &indices {
                assert_eq!(scene.node.documents(index).await?, (true, false), "{changes:?}");
            }
        }
    }
    for index in &indices {
        scene.node.delete(index).await?;
    }
    Ok(())
}

async fn does_not_restore_over_a_target_that_was_opened(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(Arc::clone(&live), "opened").await?;
    let index = unique("opened");
    scene.node.create(&index, json!({})).await?;
    scene.take(&[&index]).await?.into_complete()?;
    scene.node.close(&index).await?;
    let (node, target) = (scene.node.clone(), index.clone());
    let transport =
        Arc::new(LossyTransport::new(&live, Lost::Request).before_error(async move { node.open(&target).await }));

    let restored = scene.restore_on(&transport, &RestoreSnapshot::new()).await;

    assert_eq!(refused(restored).outcome(), Outcome::Unknown);
    assert_eq!(transport.restores(), (1, 0));
    scene.node.delete(&index).await
}

async fn does_not_resend_a_restore_that_the_server_refuses(live: Arc<Live>) -> Result<(), Error> {
    let scene = Scene::new(Arc::clone(&live), "refused").await?;
    let (index, alias) = (unique("refused"), unique("alias"));
    scene.node.create(&index, json!({})).await?;
    scene.take(&[&index]).await?.into_complete()?;
    scene.node.put(&format!("{index}/_alias/{alias}"), Value::Null).await?;
    for options in [RestoreSnapshot::new(), RestoreSnapshot::new().with_rename(".+", &alias)] {
        let transport = Arc::new(LossyTransport::new(&live, Lost::Nothing));

        let error = refused(scene.restore_on(&transport, &options).await);

        assert_eq!(error.outcome(), Outcome::Rejected, "{error}");
        assert_eq!(transport.restores(), (1, 1), "{error}");
    }
    scene.node.delete(&index).await
}
