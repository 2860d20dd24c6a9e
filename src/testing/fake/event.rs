//! What a domain shows to a test: its log of requests, and its snapshots.

use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::error::Operation;
use crate::testing::cluster::{Phase, Snapshot};
use crate::testing::edge::Access;

/// A request in the log of a fake domain.
///
/// [`FakeDomain::events`](super::FakeDomain::events) returns the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// When it reached the server, or was refused or dropped before that. By the domain's clock.
    pub time: SystemTime,
    /// The method.
    pub method: String,
    /// The path and query, byte for byte as they arrived.
    pub path: String,
    /// How the front end treated it.
    pub verdict: Verdict,
    /// The status with which the server or the front end responded. A fault may have kept the
    /// response from the client.
    ///
    /// `None` if a fault responded or dropped the request first. Exception: if a fault sends the
    /// error of a server for another running operation or for a blocked cluster, this is its
    /// status.
    pub status: Option<u16>,
    /// The status of the response that was sent to the client.
    ///
    /// `None` if no response was sent, or if a fault delayed, slowed or cut it.
    pub response: Option<u16>,
    /// The operation of this crate that uses the endpoint. `None` if there is none, or if the
    /// request did not reach the server.
    pub operation: Option<Operation>,
    /// Whether the server carried it out. This is also true if its state changed although the
    /// response was a failure.
    pub executed: bool,
    /// The name of the fault that acted on it: `status` (also for [`Fault::garbage`]),
    /// `drop_before`, `drop_after`, `status_after`, `truncate`, `trickle`, `delay`, `late` or
    /// `restart`.
    ///
    /// [`Fault::garbage`]: crate::testing::Fault::garbage
    pub fault: Option<&'static str>,
    /// The value of the header `x-amz-date`.
    pub amz_date: Option<String>,
    /// The signature from the header `authorization`.
    pub signature: Option<String>,
    /// The value of the header `user-agent`.
    pub user_agent: Option<String>,
    /// The value of the header `x-opaque-id`.
    pub opaque_id: Option<String>,
    /// All headers as they arrived, including secrets.
    ///
    /// Empty if [`keep_requests`](super::FakeDomain::keep_requests) is off.
    pub headers: HeaderMap,
    /// The body as it arrived.
    ///
    /// Empty if [`keep_requests`](super::FakeDomain::keep_requests) is off.
    pub body: Bytes,
}

/// How the front end of a fake domain treated a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It was let in, because its signature is right.
    Signed,
    /// It was let in, because its user and password are right.
    Basic,
    /// It was let in without authentication.
    Open,
    /// It was refused.
    Denied,
    /// A fault responded to it or dropped it before the front end checked it.
    Fault,
    /// It was let in, but the fake domain does not support it.
    Unexpected,
}

/// A snapshot in a repository of a fake domain.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FakeSnapshot {
    /// Its name.
    pub name: String,
    /// Its uuid, new for each snapshot.
    pub uuid: String,
    /// Its state: `IN_PROGRESS`, `SUCCESS`, `PARTIAL`, `FAILED`, or that of
    /// [`FakeOutcome::Other`](crate::testing::FakeOutcome::Other).
    pub state: String,
    /// The names of its indices, sorted.
    pub indices: Vec<String>,
    /// The metadata that it was created with.
    pub metadata: Option<Value>,
    /// When it started, by the domain's clock.
    pub start: SystemTime,
    /// When it ended, by the domain's clock. `None` while it is running.
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

impl From<Access> for Verdict {
    fn from(access: Access) -> Self {
        match access {
            Access::Signed => Self::Signed,
            Access::Basic => Self::Basic,
            Access::Open => Self::Open,
        }
    }
}
