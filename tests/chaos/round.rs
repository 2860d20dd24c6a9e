//! A domain with its clients, and the beginning and end that all calls share.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use es_snapshot::error::Operation;
use es_snapshot::name::{RepositoryName, SnapshotName};
use es_snapshot::testing::{Engine, Event, FakeDomain, FakeSnapshot, Fault, ManualClock, Verdict};
use es_snapshot::transport::{HyperTransport, Transport};
use es_snapshot::{Error, Outcome, S3Settings, SnapshotClient};
use serde_json::json;

use crate::trouble::{Call, Trouble};
use crate::wire::Wire;
use crate::{BASE, LONG, MAIN, Tally};

const ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
/// The user agent of the client that is not under test.
const JANITOR: &str = "janitor/1";

/// How the client reaches the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    InProcess,
    Sockets,
}

pub(crate) struct Round {
    pub(crate) random: fastrand::Rng,
    pub(crate) clock: ManualClock,
    pub(crate) domain: FakeDomain,
    pub(crate) wire: Arc<Wire>,
    pub(crate) client: SnapshotClient,
    /// A client that cleans up between calls.
    pub(crate) janitor: SnapshotClient,
    pub(crate) number: u32,
    /// By how many seconds the clock of the domain is ahead: now, and at the start of the call.
    pub(crate) skew: i64,
    pub(crate) skew_before: i64,
    /// The position in the log of the first event of the current call.
    pub(crate) first_event: usize,
    /// The path that the trouble of the current call should affect.
    pub(crate) path: String,
    pub(crate) label: String,
}

pub(crate) fn name(text: &str) -> SnapshotName {
    text.parse().unwrap()
}

pub(crate) fn repository(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

pub(crate) fn settings(bucket: &str, repository: &RepositoryName) -> es_snapshot::RepositorySettings {
    S3Settings::new(bucket).with_base_path(repository.as_str()).with_role_arn(ROLE).into()
}

impl Round {
    pub(crate) async fn new(seed: u64, connection: Connection, clock: &ManualClock) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let engine = match random.u32(..4) {
            0 => Engine::opensearch("2.19.6"),
            1 => Engine::opensearch("3.1.0"),
            2 => Engine::elasticsearch("8.19.5"),
            _ => Engine::elasticsearch("7.10.2"),
        };
        let domain = FakeDomain::builder().engine(engine).clock(clock.clone()).seed(random.u64(..));
        let domain = if connection == Connection::InProcess { domain.in_process() } else { domain }.start().await;
        domain.keep_requests(false);
        let transport = || -> Box<dyn Transport> {
            match connection {
                Connection::InProcess => Box::new(domain.transport()),
                Connection::Sockets => Box::new(HyperTransport::builder().clock(clock.clone()).build().unwrap()),
            }
        };
        let inner = transport();
        let wire = Arc::new(Wire::new(inner));
        let builder = |seed| {
            SnapshotClient::builder(domain.endpoint())
                .region(domain.region())
                .credentials(domain.credentials_provider())
                .clock(clock.clone())
                .seed(seed)
        };
        let client = builder(random.u64(..)).transport(Arc::clone(&wire)).build().unwrap();
        let janitor = builder(random.u64(..))
            .user_agent(JANITOR)
            .transport(Arc::<dyn Transport>::from(transport()))
            .build()
            .unwrap();
        domain.create_index("movies", 2);
        domain.create_index("books", 1);
        domain.create_index("attic", 1);
        domain.hide_index("attic");
        janitor
            .repository(repository(MAIN))
            .unwrap()
            .register(settings("my-bucket-4-es", &repository(MAIN)))
            .await
            .unwrap();
        domain.another_client_creates(MAIN, BASE);
        clock.advance(LONG);
        let (path, label) = (String::new(), String::new());
        let clock = clock.clone();
        Self {
            random,
            clock,
            domain,
            wire,
            client,
            janitor,
            number: 0,
            skew: 0,
            skew_before: 0,
            first_event: 0,
            path,
            label,
        }
    }

    pub(crate) fn chance(&mut self, of: u32) -> bool {
        self.random.u32(..of) == 0
    }

    /// Fails the test, and prints the events of the current call.
    pub(crate) fn fail(&self, reason: &str, result: &dyn fmt::Debug) -> ! {
        let events: Vec<String> = self.events().iter().map(|event| format!("  {}", describe(event))).collect();
        panic!("{reason}: {}\n{result:?}\n{}", self.label, events.join("\n"));
    }

    /// Returns the events of the current call.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.domain.events_since(self.first_event)
    }

    pub(crate) fn executed(&self, operation: Operation) -> usize {
        self.events()
            .iter()
            .filter(|event| event.executed && event.operation == Some(operation) && is_ours(event))
            .count()
    }

    /// Returns whether nothing that the client may read could determine the outcome of its change.
    pub(crate) fn is_unsettled(&self) -> bool {
        is_unsettled(&self.events())
    }

    /// Returns the snapshots with the number of the current call in their metadata.
    pub(crate) fn ours(&self) -> Vec<FakeSnapshot> {
        let mine = json!(self.number);
        let is_ours =
            |found: &FakeSnapshot| found.metadata.as_ref().is_some_and(|metadata| metadata.get("call") == Some(&mine));
        self.domain.snapshots(MAIN).into_iter().filter(is_ours).collect()
    }

    pub(crate) fn snapshot(&self, name: &str) -> Option<FakeSnapshot> {
        self.domain.snapshots(MAIN).into_iter().find(|found| found.name == name)
    }

    /// Adds a complete snapshot of another client.
    pub(crate) fn other_snapshot(&mut self) -> SnapshotName {
        let other = name(&format!("other-{}", self.number));
        self.domain.another_client_creates(MAIN, other.as_str());
        self.clock.advance(Duration::from_secs(5));
        other
    }

    /// Sets up the trouble for requests with this method and path.
    pub(crate) fn arm(&mut self, trouble: Trouble, method: &'static str, path: &str) {
        let path = path.to_owned();
        let times = self.random.u32(1..=3);
        let on_target = move |fault: Fault| {
            let path = path.clone();
            fault.on(move |actual, target| actual == method && has_path(target, &path))
        };
        let seconds = |random: &mut fastrand::Rng, range: Range<u64>| Duration::from_secs(random.u64(range));
        let fault = match trouble {
            Trouble::None => return,
            Trouble::DropBefore => Fault::drop_before().times(times),
            Trouble::DropAfter => Fault::drop_after().times(times),
            Trouble::StatusAfter => Fault::status_after(self.random.u16(502..=504)).times(times),
            Trouble::Truncate => Fault::truncate().times(times),
            Trouble::Garbage => Fault::garbage().times(times),
            // Longer than an attempt may take, which is 75 s.
            Trouble::Delay => Fault::delay(seconds(&mut self.random, 76..120)).times(times.min(2)),
            // Exceeds the limit of an attempt, the one between two pieces (30 s), or neither.
            Trouble::Trickle => {
                Fault::trickle(Duration::from_millis(*self.random.choice(&[20, 4000, 31_000]).unwrap())).times(1)
            }
            Trouble::ExpiredToken => return self.domain.revoke(),
            Trouble::Skew => {
                let steps = [0, 3600, -3600, 93_600, -93_600];
                let others: Vec<i64> =
                    steps.into_iter().filter(|step| ![self.skew, self.skew_before].contains(step)).collect();
                self.skew = *self.random.choice(&others).unwrap();
                return self.domain.set_skew(self.skew);
            }
            Trouble::Throttled if self.random.bool() => {
                let body = r#"{"Message":"Request throttled due to too many requests"}"#;
                Fault::status(403, body, "application/json").times(times + 1)
            }
            Trouble::Throttled => {
                Fault::status(429, "Too Many Requests", "text/plain").header("retry-after", "7").times(times + 1)
            }
            Trouble::Late => Fault::late(seconds(&mut self.random, 1..100)).times(1),
            Trouble::Restart => Fault::restart().times(times),
            Trouble::Broken => {
                let cause = json!({"type": "null_pointer_exception", "reason": "Cannot read field \"a\" because \"b\" is null"});
                let body = json!({"error": {"root_cause": [cause], "type": cause["type"], "reason": cause["reason"]}, "status": 500});
                Fault::status(500, body.to_string(), "application/json")
            }
            Trouble::Unreadable => {
                let has_sent = self.wire.has_sent();
                let cause =
                    json!({"type": "security_exception", "reason": "no permissions for [cluster:admin/snapshot/get]"});
                let body = json!({"error": {"root_cause": [cause], "type": cause["type"], "reason": cause["reason"]}, "status": 403});
                let refused = Fault::status(403, body.to_string(), "application/json");
                self.domain.fault(refused.on(move |method, _| method == "GET" && has_sent.load(Ordering::Relaxed)));
                Fault::drop_after().times(times)
            }
        };
        self.domain.fault(on_target(fault));
        if method != "GET" && self.chance(4) {
            // Some of the checks that follow fail, too.
            self.domain.fault(Fault::drop_before().on_method("GET").probability(0.5).times(3));
        }
    }

    /// Runs an action of another client before one of the next requests, or between the change and
    /// the first check.
    pub(crate) fn interfere(&mut self, action: impl FnOnce(&FakeDomain) + Send + 'static) {
        let domain = self.domain.clone();
        if self.random.bool() {
            self.wire.before_check(move || action(&domain));
        } else {
            self.wire.before_request(self.random.u32(1..=6), move || action(&domain));
        }
    }

    /// Ends a call: removes its faults, and lets delayed requests arrive.
    pub(crate) fn settle(&mut self) {
        self.wire.reset();
        self.domain.clear_faults();
        self.clock.advance(LONG);
    }

    /// Counts a call. With `excused` it may end with an unknown outcome, because nothing that the
    /// client may read could determine it.
    pub(crate) fn count_call<T, E: Borrow<Error>>(tally: &mut Tally, result: &Result<T, E>, excused: bool) {
        tally.calls += 1;
        match result {
            Err(error) if error.borrow().outcome() == Outcome::Unknown => {
                let error = error.borrow();
                if excused {
                    tally.excused += 1;
                } else {
                    *tally.unknown.entry(error.operation().unwrap()).or_default() += 1;
                }
            }
            _ => tally.definite += 1,
        }
    }
}

/// Returns whether nothing that the client may read could determine the outcome of the change.
///
/// That is so if it could read nothing after it sent the change. It is also so if all three sends
/// that it may make were lost and none was carried out, because each may still arrive.
pub(crate) fn is_unsettled(events: &[Event]) -> bool {
    let is_change = |event: &&Event| event.method != "GET" && is_ours(event);
    let is_read = |event: &Event| event.method == "GET" && is_ours(event) && matches!(event.response, Some(200 | 404));
    let is_lost = |event: &&Event| event.verdict == Verdict::Fault || event.response.is_none_or(|status| status >= 500);
    let changes = || events.iter().filter(is_change);
    let is_spent = changes().filter(is_lost).count() >= 3 && !changes().any(|event| event.executed);
    is_spent || !events.iter().skip_while(|event| !is_change(event)).any(is_read)
}

/// Returns whether a request comes from the client under test.
pub(crate) fn is_ours(event: &Event) -> bool {
    event.user_agent.as_ref().is_none_or(|agent| !agent.contains(JANITOR))
}

/// Returns whether a request has this path. `/_recovery` and `/_cat` also match longer paths.
fn has_path(target: &str, path: &str) -> bool {
    let actual = target.split('?').next().unwrap_or_default();
    actual == path
        || path.starts_with("/_recovery") && actual.ends_with(path)
        || path.starts_with("/_cat") && actual.starts_with(path)
}

/// The checks that must precede a resend.
#[derive(Clone, Copy)]
pub(crate) struct Proof {
    checks: usize,
    span: Duration,
}

impl Proof {
    /// For a create whose connection broke: its name and token show whether it took effect.
    pub(crate) const QUICK: Self = Self { checks: 1, span: Duration::ZERO };
    pub(crate) const SLOW: Self = Self { checks: 3, span: Duration::from_secs(10) };
}

/// Returns whether the promised checks precede each resend after a dropped connection.
pub(crate) fn is_proven(events: &[Event], method: &str, path: &str, proof: Proof) -> bool {
    let (mut is_lost, mut checks) = (false, Vec::new());
    for event in events {
        match event.fault {
            // The log contains it when it arrives, not when it was sent.
            Some("late") => {}
            _ if event.method == method && event.path == path => {
                let span = checks
                    .last()
                    .zip(checks.first())
                    .map(|(last, first): (&SystemTime, &SystemTime)| last.duration_since(*first).unwrap());
                if is_lost && (checks.len() < proof.checks || span.is_none_or(|span| span < proof.span)) {
                    return false;
                }
                checks.clear();
                is_lost = event.verdict != Verdict::Denied
                    && matches!(event.fault, Some("drop_before" | "drop_after" | "restart"));
            }
            None if event.method == "GET" && is_ours(event) => checks.push(event.time),
            _ => {}
        }
    }
    true
}

pub(crate) fn describe(event: &Event) -> String {
    let executed = if event.executed { "executed" } else { "-" };
    let (method, path, status) = (&event.method, &event.path, event.status);
    let client = if is_ours(event) { "" } else { " by another client" };
    format!("{method} {path} {:?} {status:?} {executed} {:?}{client}", event.verdict, event.fault)
}

/// The calls, with the checks of their results.
impl Round {
    pub(crate) async fn play(&mut self, call: Call, trouble: Trouble, tally: &mut Tally) {
        self.number += 1;
        match call {
            Call::Register => self.register(trouble, tally).await,
            Call::GetRepository | Call::ListRepositories | Call::Verify => {
                self.read_repositories(call, trouble, tally).await;
            }
            Call::CleanUp => self.clean_up(trouble, tally).await,
            Call::Unregister => self.unregister(trouble, tally).await,
            Call::Create => self.create(trouble, tally, true).await,
            Call::CreateWithoutToken => self.create(trouble, tally, false).await,
            Call::Get | Call::List | Call::Status => self.read_snapshots(call, trouble, tally).await,
            Call::Delete => self.delete(trouble, tally, false).await,
            Call::DeleteQueued => self.delete(trouble, tally, true).await,
            Call::DeleteMatching => self.delete_matching(trouble, tally).await,
            Call::Clone => self.clone_base(trouble, tally).await,
            Call::Restore => self.restore(trouble, tally, false).await,
            Call::RestoreOverClosed => self.restore(trouble, tally, true).await,
            Call::WaitForSnapshot => self.wait_for_snapshot(trouble, tally).await,
            Call::WaitForRestore => self.wait_for_restore(trouble, tally).await,
            Call::WaitForDeletion => self.wait_for_deletion(trouble, tally).await,
        }
        let (method, path) = (call.method(), self.path.as_str());
        let is_affected = trouble == Trouble::None
            || self.events().iter().any(|event| match trouble.fault() {
                None => event.verdict == Verdict::Denied,
                fault => event.fault == fault && event.method == method && has_path(&event.path, path),
            });
        if is_affected {
            *tally.affected.entry((call, trouble)).or_default() += 1;
        }
        self.tidy().await;
    }

    /// Begins a call: marks its first event, and sets up its trouble.
    pub(crate) fn begin(&mut self, call: Call, trouble: Trouble, path: &str) {
        self.first_event = self.domain.event_count();
        self.skew_before = self.skew;
        self.label = format!("{} ({call:?} under {trouble:?} of {path})", self.label.split(" (").next().unwrap());
        path.clone_into(&mut self.path);
        if self.chance(8) && (trouble == Trouble::None || trouble.fault().is_some()) {
            // Two troubles in one call, for example a wrong clock and then a lost response.
            let first = *self.random.choice(&[Trouble::Skew, Trouble::ExpiredToken]).unwrap();
            self.arm(first, call.method(), path);
        }
        self.arm(trouble, call.method(), path);
    }

    /// Removes what a call has left, so that a round does not get slower and slower.
    pub(crate) async fn tidy(&mut self) {
        for snapshot in self.domain.snapshots(MAIN) {
            if snapshot.name != BASE {
                self.domain.another_client_deletes(MAIN, &snapshot.name);
            }
        }
        for index in self.domain.indices() {
            if index.starts_with("restored-") {
                self.domain.delete_index(&index);
            }
        }
        for extra in self.domain.repositories() {
            if extra != MAIN {
                for snapshot in self.domain.snapshots(&extra) {
                    self.domain.another_client_deletes(&extra, &snapshot.name);
                }
                self.janitor.repository(repository(&extra)).unwrap().unregister().await.unwrap();
            }
        }
    }
}
