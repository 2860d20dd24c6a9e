//! The spans and events of calls, retry budgets, and calls that wait for other operations.

#[allow(dead_code, reason = "each test file uses only a part of it")]
#[path = "support/scene.rs"]
mod scene;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use es_snapshot::auth::CredentialCache;
use es_snapshot::client::RetryBudget;
use es_snapshot::testing::{Fault, ManualClock, response, transport_fn};
use es_snapshot::transport::HyperTransport;
use es_snapshot::{CreateSnapshot, ErrorKind, SnapshotClient, SnapshotClientBuilder};
use futures_util::FutureExt as _;
use scene::{Scene, backups, want_every_trace};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Instrument as _, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

type Fields = BTreeMap<String, String>;

/// A layer that records spans by id, and events, with their fields.
#[derive(Clone, Debug, Default)]
struct Recorder {
    spans: Arc<Mutex<BTreeMap<u64, (String, Fields)>>>,
    events: Arc<Mutex<Vec<Fields>>>,
}

impl Recorder {
    fn spans(&self, name: &str) -> Vec<Fields> {
        self.spans
            .lock()
            .unwrap()
            .values()
            .filter(|(known, _)| known == name)
            .map(|(_, fields)| fields.clone())
            .collect()
    }

    fn events(&self, message: &str) -> Vec<Fields> {
        self.events.lock().unwrap().iter().filter(|fields| fields["message"] == message).cloned().collect()
    }
}

struct FieldVisitor<'a>(&'a mut Fields);

impl Visit for FieldVisitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut FieldVisitor(&mut fields));
        self.spans.lock().unwrap().insert(id.into_u64(), (attributes.metadata().name().to_owned(), fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some((_, fields)) = self.spans.lock().unwrap().get_mut(&id.into_u64()) {
            values.record(&mut FieldVisitor(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("es_snapshot") {
            let mut fields = Fields::new();
            event.record(&mut FieldVisitor(&mut fields));
            self.events.lock().unwrap().push(fields);
        }
    }
}

/// Records the spans and events of this thread until the guard is dropped.
fn observe() -> (Recorder, tracing::subscriber::DefaultGuard) {
    let seen = Recorder::default();
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(seen.clone()));
    (seen, guard)
}

#[tokio::test]
async fn a_call_is_a_span_with_its_operation_names_attempts_and_outcome() {
    let scene = Scene::new().await;
    scene.prepare().await;
    scene.take_snapshot().await;
    scene.domain.fault(Fault::drop_before().on_method("GET").times(2));
    let (seen, _guard) = observe();

    backups(&scene.client).snapshot("s").unwrap().info().await.unwrap();

    let spans = seen.spans("es_snapshot.call");
    let expected =
        [("attempts", "3"), ("operation", "get_snapshot"), ("outcome", "done"), ("repository", "r"), ("snapshot", "s")];
    assert_eq!(
        spans,
        [expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect::<Fields>()]
    );
}

#[tokio::test]
async fn a_disabled_span_does_not_record_fields_in_the_callers_span() {
    let scene = Scene::new().await;
    let seen = Recorder::default();
    let subscriber = tracing_subscriber::registry().with(LevelFilter::INFO).with(seen.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let own = tracing::info_span!("backup", outcome = "begun", attempts = 7);

    scene.client.repositories().instrument(own).await.unwrap();

    let backup = &seen.spans("backup")[0];
    assert_eq!((backup["outcome"].as_str(), backup["attempts"].as_str()), ("begun", "7"));
}

#[tokio::test]
async fn every_resend_is_an_event_with_its_reason() {
    let scene = Scene::new().await;
    scene.domain.fault(Fault::status(503, "", "text/html").on_method("GET").times(2));
    let (seen, _guard) = observe();

    scene.client.repositories().await.unwrap();

    let reasons: Vec<_> =
        seen.events("repeating a request").into_iter().map(|fields| fields["reason"].clone()).collect();
    assert_eq!(reasons, ["domain not available", "domain not available"]);
}

/// A layer that runs an action during each event whose message contains a text.
struct OnEvent<F>(&'static str, F);

impl<S: Subscriber, F: Fn() + 'static> Layer<S> for OnEvent<F> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut FieldVisitor(&mut fields));
        if fields.get("message").is_some_and(|message| message.contains(self.0)) {
            self.1();
        }
    }
}

/// Asserts that `test` ends on a separate thread although a subscriber runs `action` during an
/// event. It would not end if a lock were held.
fn assert_ends_with_action_during_event(
    message: &'static str,
    action: impl Fn() + Send + Sync + 'static,
    test: impl Future<Output = ()> + Send + 'static,
) {
    want_every_trace();
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let subscriber = tracing_subscriber::registry().with(OnEvent(message, action));
        tracing::subscriber::with_default(subscriber, || runtime.block_on(test));
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(20)).expect("no lock may be held during an event");
}

#[derive(Debug)]
struct Failing;

impl ProvideCredentials for Failing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::provider_error(io::Error::other(
            "the service is unavailable",
        ))))
    }
}

#[test]
fn a_subscriber_can_use_the_credential_cache_during_an_event_of_its_failure() {
    let (cache, calls) = (CredentialCache::new(Failing), Arc::new(AtomicUsize::new(0)));
    let (own, count) = (cache.clone(), Arc::clone(&calls));
    let action = move || {
        count.fetch_add(1, Ordering::SeqCst);
        let _ = own.provide_credentials().now_or_never();
    };

    assert_ends_with_action_during_event("credentials could not be renewed", action, async move {
        cache.provide_credentials().await.unwrap_err();
    });

    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_subscriber_can_use_the_transport_during_an_event_of_a_retired_connection() {
    let transport = HyperTransport::builder().max_connection_age(Duration::ZERO).build().unwrap();
    let (own, calls) = (transport.clone(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&calls);
    let action = move || {
        count.fetch_add(1, Ordering::SeqCst);
        let client = SnapshotClient::builder("http://localhost:9").transport(own.clone()).build().unwrap();
        let _ = client.repositories().now_or_never();
    };

    assert_ends_with_action_during_event("connection was poisoned", action, async move {
        let scene = Scene::with(|domain| domain, |client| client.transport(transport)).await;
        for _ in 0..3 {
            scene.client.repositories().await.unwrap();
        }
    });

    assert!(calls.load(Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn a_failed_renewal_is_an_event_with_its_causes() {
    let (seen, _guard) = observe();

    CredentialCache::new(Failing).provide_credentials().await.unwrap_err();

    let event = &seen.events("credentials could not be renewed")[0];
    assert!(event["error"].ends_with(": the service is unavailable"), "{event:?}");
}

/// Returns how many requests three clients send that make a hundred calls each.
async fn sent_by_a_fleet(own: impl Fn(SnapshotClientBuilder) -> SnapshotClientBuilder) -> usize {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let unavailable = transport_fn(|_| Ok(response(503, "")));
    for _ in 0..3 {
        let builder =
            SnapshotClient::builder("http://localhost:9200").transport(unavailable.clone()).clock(clock.clone());
        let client = own(builder).build().unwrap();
        for _ in 0..100 {
            client.repositories().await.unwrap_err();
        }
    }
    unavailable.requests().len()
}

#[tokio::test]
async fn clients_can_share_a_retry_budget() {
    let budget = RetryBudget::new();

    let shared = sent_by_a_fleet(|client| client.retry_budget(budget.clone())).await;
    let separate = sent_by_a_fleet(|client| client).await;

    assert_eq!((shared, separate), (300 + 500, 300 + 3 * 500));
}

#[tokio::test]
async fn a_failed_call_records_its_kind_as_its_outcome() {
    let scene = Scene::new().await;
    scene.prepare().await;
    let (seen, _guard) = observe();

    backups(&scene.client).snapshot("s").unwrap().info().await.unwrap_err();

    assert_eq!(seen.spans("es_snapshot.call")[0]["outcome"], "SnapshotMissing");
}

#[tokio::test]
async fn a_create_whose_response_is_lost_is_one_operation_of_several_calls() {
    let scene = Scene::new().await;
    scene.prepare().await;
    scene.domain.fault(Fault::drop_after().on_method("PUT").times(1));
    let (seen, _guard) = observe();

    scene.start_snapshot().await;

    let operations = seen.spans("es_snapshot.operation");
    assert_eq!((operations.len(), operations[0]["operation"].as_str()), (1, "create_snapshot"));
    assert_eq!(operations[0]["outcome"], "done");
    assert_eq!(seen.spans("es_snapshot.call").len(), 2);
    assert_eq!(seen.events("checked the domain after a lost response")[0]["sighting"], "Happened");
}

#[tokio::test]
async fn a_create_that_is_resent_is_an_event_and_is_counted() {
    let scene = Scene::new().await;
    scene.prepare().await;
    scene.domain.fault(Fault::drop_before().on_method("PUT").times(1));
    let (seen, _guard) = observe();

    scene.start_snapshot().await;

    assert_eq!(seen.events("repeating a request")[0]["reason"], "the request had no effect");
    let operation = &seen.spans("es_snapshot.operation")[0];
    assert_eq!((operation["sends"].as_str(), operation["outcome"].as_str()), ("2", "done"));
}

#[tokio::test]
async fn the_end_of_a_snapshot_is_an_event_with_its_state_and_time() {
    let scene = Scene::new().await;
    scene.prepare().await;
    let (seen, _guard) = observe();

    scene.take_snapshot().await;

    let ended = &seen.events("snapshot ended")[0];
    assert_eq!((ended["snapshot"].as_str(), ended["state"].as_str()), ("s", "SUCCESS"));
    assert!(ended["ended_ms"].parse::<u64>().unwrap() > 1_700_000_000_000);
}

#[tokio::test]
async fn a_busy_error_names_the_running_snapshot() {
    let scene = Scene::with(|domain| domain.hold_snapshots(true), |client| client).await;
    scene.prepare().await;
    scene.start_snapshot().await;

    let error = backups(&scene.client).unregister().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("running: r:s"), "{error}");
}

#[tokio::test]
async fn a_queued_call_is_resent_until_its_queue_time_is_over() {
    let scene = Scene::with(|domain| domain.hold_snapshots(true), |client| client).await;
    scene.prepare().await;
    scene.start_snapshot().await;
    let slept = scene.clock.sleeps().len();

    let queued = scene.client.with_queue_time(Duration::from_secs(10));
    let error = backups(&queued).unregister().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(scene.clock.sleeps().split_off(slept), [1, 2, 4, 3].map(Duration::from_secs));
}

#[tokio::test]
async fn a_queued_call_succeeds_once_the_running_snapshot_has_ended() {
    let scene = Scene::with(|domain| domain.snapshots_take(Duration::from_secs(20)), |client| client).await;
    scene.prepare().await;
    scene.start_snapshot().await;

    backups(&scene.client.with_queue_time(Duration::from_secs(60))).unregister().await.unwrap();

    assert!(scene.domain.repositories().is_empty());
}

#[tokio::test]
async fn sends_the_master_timeout_only_to_endpoints_that_accept_it() {
    let scene = Scene::new().await;
    scene.prepare().await;
    let client = scene.client.with_master_timeout(Duration::from_millis(1500));
    let before = scene.domain.events().len();

    backups(&client).create_snapshot("s", CreateSnapshot::new()).await.unwrap();
    backups(&client).info().await.unwrap();
    client.server_info().await.unwrap();

    let paths: Vec<_> = scene.events_since(before).into_iter().map(|event| event.path).collect();
    assert_eq!(paths, ["/_snapshot/r/s?master_timeout=1500ms", "/_snapshot/r?master_timeout=1500ms", "/"]);
}
