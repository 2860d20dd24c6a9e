//! What a test sees of a domain: the log of requests, and snapshots.

use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::error::Operation;
use crate::testing::cluster::{Phase, Snapshot};
use crate::testing::edge::Entry;

/// One request as the fake domain saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// When it came to the engine, or was refused before it, by the domain's clock.
    pub time: SystemTime,
    /// The method.
    pub method: String,
    /// Path and query, byte for byte as they arrived.
    pub path: String,
    /// What the front end made of it.
    pub verdict: Verdict,
    /// The status of the response of the engine or the front end; a fault may have kept it from the
    /// client. `None` where a fault responded or dropped the request first, unless it responded
    /// as an engine that does nothing for now.
    pub status: Option<u16>,
    /// The status of the response that was sent to the client, whole and at once. `None` where
    /// there was no such response.
    pub response: Option<u16>,
    /// The endpoint that it went to, where this crate has a name for it.
    pub operation: Option<Operation>,
    /// Whether the engine carried it out: it responded with success, or changed its state although
    /// it did not.
    pub executed: bool,
    /// The fault that struck, such as `drop_after`.
    pub fault: Option<&'static str>,
    /// The header `x-amz-date`.
    pub amz_date: Option<String>,
    /// The signature in the header `authorization`.
    pub signature: Option<String>,
    /// The header `user-agent`.
    pub user_agent: Option<String>,
    /// The header `x-opaque-id`.
    pub opaque_id: Option<String>,
    /// All headers as they arrived, secrets included. Empty unless requests are
    /// [kept](super::FakeDomain::keep_requests).
    pub headers: HeaderMap,
    /// The body as it arrived. Empty unless requests are [kept](super::FakeDomain::keep_requests).
    pub body: Bytes,
}

/// What the front end made of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Let in: the signature is right.
    Signed,
    /// Let in: user and password are right.
    Basic,
    /// Let in without a proof of who it is.
    Open,
    /// Refused.
    Denied,
    /// Not determined: a fault responded or dropped it first.
    Fault,
    /// Let in, but a call that the fake domain does not know.
    Unexpected,
}

/// A snapshot as the fake domain has it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FakeSnapshot {
    /// Its name.
    pub name: String,
    /// Its uuid, new for each snapshot.
    pub uuid: String,
    /// `IN_PROGRESS`, `SUCCESS`, `PARTIAL`, `FAILED`, or the state that it was
    /// [given](crate::testing::FakeOutcome::Other).
    pub state: String,
    /// Its indices, by name.
    pub indices: Vec<String>,
    /// The metadata that it was created with.
    pub metadata: Option<Value>,
    /// When it began, by the domain's clock.
    pub start: SystemTime,
    /// When it ended, if it has.
    pub end: Option<SystemTime>,
}

impl FakeSnapshot {
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        Self {
            name: snapshot.name.clone(),
            uuid: snapshot.uuid.clone(),
            state: snapshot.state().to_owned(),
            indices: snapshot.indices.keys().cloned().collect(),
            metadata: snapshot.metadata.clone(),
            start: snapshot.began.wall,
            end: match snapshot.phase {
                Phase::Running { .. } => None,
                Phase::Ended { at, .. } => Some(at),
            },
        }
    }
}

impl From<Entry> for Verdict {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Signed => Self::Signed,
            Entry::Basic => Self::Basic,
            Entry::Open => Self::Open,
        }
    }
}
