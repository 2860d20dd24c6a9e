//! A listing read snapshot by snapshot.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::SnapshotInfo;
use crate::pieces::{Elements, Malformed, Open, Pieces};

/// The response of `GET /_snapshot/{repository}/{snapshot}`, snapshot by snapshot.
#[derive(Debug)]
pub(crate) struct SnapshotElements {
    pieces: Pieces,
    document: Option<Open>,
    /// The list that has been stepped into.
    snapshots: Option<Open>,
    count: usize,
    is_over: bool,
    failure: Option<Value>,
    /// What is left of `responses`.
    others: VecDeque<SnapshotInfo>,
}

/// A shape that never left development builds, and is still in the published specification.
#[derive(Deserialize)]
struct RepositoryReply {
    snapshots: Option<Vec<SnapshotInfo>>,
    error: Option<Value>,
}

impl SnapshotElements {
    pub(crate) fn new(json: Bytes) -> Self {
        let (pieces, others) = (Pieces::new(json), VecDeque::new());
        Self { pieces, document: None, snapshots: None, count: 0, is_over: false, failure: None, others }
    }

    /// The error of a repository that could not be listed: Elasticsearch 7.14 to 8.14, with HTTP 200.
    pub(crate) fn into_failure(self) -> Option<Value> {
        self.failure
    }

    fn advance(&mut self) -> Result<Option<SnapshotInfo>, Malformed> {
        if self.document.is_none() {
            self.document = self.pieces.open(b'{')?;
        }
        loop {
            if let Some(snapshot) = self.others.pop_front() {
                return Ok(Some(snapshot));
            } else if let Some(snapshots) = &mut self.snapshots {
                if self.pieces.next_in(snapshots)? {
                    let place = format_args!("snapshots[{}]", self.count);
                    let snapshot = self.pieces.value().map_err(|error| error.within(place))?;
                    self.count += 1;
                    return Ok(Some(snapshot));
                }
                self.snapshots = None;
            } else if let Some(document) = &mut self.document
                && self.pieces.next_in(document)?
            {
                match self.pieces.key()?.as_str() {
                    "snapshots" => self.snapshots = self.pieces.open(b'[').map_err(|error| error.within("snapshots"))?,
                    "failures" => {
                        let failures: Option<BTreeMap<String, Value>> =
                            self.pieces.value().map_err(|error| error.within("failures"))?;
                        self.failure = failures.and_then(|failures| failures.into_values().next()).or(self.failure.take());
                    }
                    "responses" => {
                        let replies: Option<Vec<RepositoryReply>> =
                            self.pieces.value().map_err(|error| error.within("responses"))?;
                        for reply in replies.into_iter().flatten() {
                            self.others.extend(reply.snapshots.into_iter().flatten());
                            self.failure = self.failure.take().or(reply.error);
                        }
                    }
                    _ => self.pieces.ignore()?,
                }
            } else {
                return self.pieces.end().map(|()| None);
            }
        }
    }
}

impl Iterator for SnapshotElements {
    type Item = Result<SnapshotInfo, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.advance().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl Elements for SnapshotElements {
    type Element = SnapshotInfo;

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }
}
