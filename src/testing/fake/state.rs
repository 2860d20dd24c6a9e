//! The state of a domain, and how it handles a request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::Notify;

use super::event::{Event, Verdict};
use super::response::FakeResponse;
use super::storm;
use crate::clock::Clock;
use crate::testing::clock::ManualClock;
use crate::testing::cluster::{Cluster, Now};
use crate::testing::edge::{Access, Arrival, Edge};
use crate::testing::fault::{Action, Effect, Fault, apply};
use crate::testing::relay::Disruption;
use crate::testing::rest;
use crate::testing::text::random_text;

pub(super) struct Shared {
    pub(super) clock: Arc<dyn Clock>,
    /// The same clock, if a test drives it.
    pub(super) manual: Option<ManualClock>,
    /// Notifies calls in process that their connections are closed.
    pub(super) connections_closed: Notify,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) edge: Edge,
    pub(super) cluster: Cluster,
    pub(super) faults: Vec<Fault>,
    pub(super) random: fastrand::Rng,
    /// Requests that have not reached the server yet. Their clients received no response.
    pub(super) late: Vec<Late>,
    pub(super) events: Vec<Event>,
    /// The wall time at the clock's monotonic zero.
    pub(super) origin: SystemTime,
    pub(super) skew: i64,
    /// Whether the log keeps headers and bodies.
    pub(super) keep_requests: bool,
    pub(super) is_stopped: bool,
}

pub(super) struct Late {
    due: Duration,
    arrival: Arrival,
    access: Access,
}

impl Shared {
    /// Returns the effect of the first rule that acts on a request. The state is not locked while
    /// the conditions of rules run, because they are code of the test.
    pub(super) fn fault_on(&self, arrival: &Arrival) -> Option<Effect> {
        let state = || self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = state().faults.clone();
        let mut matching = rules.iter().enumerate().filter(|(_, rule)| rule.matches(&arrival.method, &arrival.target));
        matching.find_map(|(position, rule)| {
            let state = &mut *state();
            apply(&mut state.faults, position, rule, &mut state.random)
        })
    }

    /// Locks the state and brings it up to the present.
    pub(super) fn enter(&self) -> (MutexGuard<'_, State>, Now) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let monotonic = self.clock.monotonic();
        let now = state.at(monotonic);
        state.catch_up(now);
        (state, now)
    }

    /// Handles a request that has arrived.
    pub(super) fn serve(&self, arrival: &Arrival) -> FakeResponse {
        let fault = self.fault_on(arrival);
        let (mut state, now) = self.enter();
        let response = state.handle(arrival, now, fault);
        if response.disruption.is_none()
            && let Some(event) = state.events.last_mut()
        {
            event.response = Some(response.status);
        }
        response.dated(now.wall)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.enter().0.is_stopped
    }

    /// Closes the connections of all calls in process.
    pub(super) fn close_connections(&self) {
        self.connections_closed.notify_waiters();
    }

    /// Lets time pass on the domain's clock.
    pub(super) async fn hold(&self, by: Duration) {
        match &self.manual {
            Some(clock) => clock.hold(by).await,
            None => self.clock.sleep(by).await,
        }
    }
}

impl State {
    /// Returns the domain's time at this monotonic time.
    pub(super) fn at(&self, monotonic: Duration) -> Now {
        let wall = self.origin.checked_add(monotonic).unwrap_or(self.origin);
        let skew = Duration::from_secs(self.skew.unsigned_abs());
        let skewed = if self.skew < 0 { wall.checked_sub(skew) } else { wall.checked_add(skew) };
        Now { wall: skewed.unwrap_or(wall), monotonic }
    }

    /// Handles everything that has become due since the last call, in order of time.
    pub(super) fn catch_up(&mut self, now: Now) {
        let (mut due, rest): (Vec<Late>, Vec<Late>) = self.late.drain(..).partition(|late| late.due <= now.monotonic);
        self.late = rest;
        due.sort_by_key(|late| late.due);
        for late in due {
            let then = self.at(late.due);
            self.cluster.finish_due_work(then);
            let response = rest::response(&mut self.cluster, &late.arrival, then);
            self.log(&late.arrival, then, late.access.into(), Some(&response), Some("late"));
        }
        self.cluster.finish_due_work(now);
    }

    pub(super) fn log(
        &mut self,
        arrival: &Arrival,
        now: Now,
        verdict: Verdict,
        response: Option<&rest::Response>,
        fault: Option<&'static str>,
    ) {
        let authorization = arrival.header("authorization").unwrap_or_default();
        self.events.push(Event {
            time: now.wall,
            method: arrival.method.clone(),
            path: arrival.target.clone(),
            verdict: if response.is_some_and(|response| response.unexpected) { Verdict::Unexpected } else { verdict },
            status: response.map(|response| response.status),
            response: None,
            operation: response.and_then(|response| response.operation),
            executed: response.is_some_and(|response| response.executed),
            fault,
            amz_date: arrival.header("x-amz-date"),
            signature: authorization.split_once("Signature=").map(|(_, signature)| signature.to_owned()),
            user_agent: arrival.header("user-agent"),
            opaque_id: arrival.header("x-opaque-id"),
            headers: if self.keep_requests { arrival.headers.clone() } else { HeaderMap::new() },
            body: if self.keep_requests { arrival.body.clone().into() } else { Bytes::new() },
        });
    }

    /// Handles one request: faults before the server, front end, server, faults after the server.
    pub(super) fn handle(&mut self, arrival: &Arrival, now: Now, fault: Option<Effect>) -> FakeResponse {
        let name = fault.as_ref().map(|(action, _)| action.name());
        if let Some((action, headers)) = &fault
            && action.is_before_server()
        {
            self.log(arrival, now, Verdict::Fault, None, name);
            return match action {
                Action::Status { status, body, content_type } => {
                    if let Some(event) = self.events.last_mut().filter(|_| storm::refuses_for_now(body)) {
                        event.status = Some(*status);
                    }
                    FakeResponse::new(*status, body.clone(), content_type).with_headers(headers)
                }
                Action::Restart => FakeResponse::disrupted(Disruption::Restart),
                _ => FakeResponse::disrupted(Disruption::Drop),
            };
        }
        let access = match self.edge.authorize(arrival, now.wall, now.monotonic) {
            Ok(access) => access,
            Err(denial) => {
                self.log(arrival, now, Verdict::Denied, None, name);
                if let Some(event) = self.events.last_mut() {
                    event.status = Some(denial.status);
                }
                let request_id = random_text(&mut self.random, 32, b"0123456789abcdef");
                return FakeResponse::denied(&denial, request_id);
            }
        };
        if let Some((Action::Late { by }, _)) = &fault {
            self.late.push(Late { due: now.monotonic.saturating_add(*by), arrival: arrival.clone(), access });
            return FakeResponse::disrupted(Disruption::Drop);
        }
        let response = rest::response(&mut self.cluster, arrival, now);
        self.log(arrival, now, access.into(), Some(&response), name);
        let response = self.http_response(&response, arrival);
        match fault {
            Some((Action::StatusAfter { status }, headers)) => FakeResponse::gateway(status).with_headers(&headers),
            Some((Action::DropAfter, _)) => response.with_disruption(Disruption::Drop),
            Some((Action::Truncate, _)) => response.with_disruption(Disruption::Truncate),
            Some((Action::Trickle { pause }, _)) => response.with_disruption(Disruption::Trickle(pause)),
            Some((Action::Delay { by }, _)) => response.with_disruption(Disruption::Delay(by)),
            _ => response,
        }
    }

    /// Returns the server's response with its headers, as it is sent.
    pub(super) fn http_response(&self, response: &rest::Response, arrival: &Arrival) -> FakeResponse {
        let engine = &self.cluster.engine;
        let body = match &response.body {
            rest::Body::GatewayPage => return FakeResponse::gateway(response.status),
            rest::Body::Empty => String::new(),
            rest::Body::Json(body) if response.pretty => format!("{body:#}"),
            rest::Body::Json(body) => body.to_string(),
        };
        let content_type = if engine.es(8, 0) { "application/json" } else { "application/json; charset=UTF-8" };
        let mut response = FakeResponse::new(response.status, body, content_type);
        let mut add = |name: &str, value: String| response.headers.push((name.to_owned(), value));
        if engine.es(7, 14) {
            add("x-elastic-product", "Elasticsearch".to_owned());
        }
        if engine.os(3, 0) {
            add("x-opensearch-version", format!("OpenSearch/{} (opensearch)", engine.version));
        }
        if let Some(id) = arrival.header("x-opaque-id") {
            add("x-opaque-id", id);
        }
        response
    }
}
