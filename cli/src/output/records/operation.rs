//! What has been started, how far it has come, how it ended, and what would happen.

use es_snapshot::wait::{HowStarted, Progress};
use es_snapshot::{RestoreReport, Ticket};
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::output::{Column, Record, describe, left, printable, right, state};

/// An operation that was started and is not awaited.
#[derive(Debug, Serialize)]
pub(crate) struct StartedRecord {
    repository: String,
    snapshot: String,
    how: HowStarted,
    ticket: Ticket,
}

impl StartedRecord {
    pub(crate) fn new(how: HowStarted, ticket: Ticket) -> Self {
        Self { repository: ticket.repository().to_string(), snapshot: ticket.snapshot().to_string(), how, ticket }
    }
}

impl Record for StartedRecord {
    const KIND: &'static str = "started";
    const COLUMNS: &'static [Column] = &[left("REPOSITORY"), left("NAME"), left("STARTED")];

    fn name(&self) -> &str {
        &self.snapshot
    }

    fn cells(&self, _: Option<&TimeZone>) -> Vec<String> {
        vec![self.repository.clone(), self.snapshot.clone(), self.how.to_string()]
    }
}

/// How far a snapshot, restore or deletion has come.
#[derive(Debug, Serialize)]
pub(crate) struct ProgressRecord<'a> {
    repository: &'a str,
    snapshot: &'a str,
    shards_total: u64,
    shards_done: u64,
    shards_failed: u64,
    bytes_total: u64,
    bytes_done: u64,
    bytes_per_second: Option<f64>,
    eta_millis: Option<u64>,
    #[serde(skip)]
    text: String,
}

impl<'a> ProgressRecord<'a> {
    pub(crate) fn new(ticket: &'a Ticket, progress: &Progress) -> Self {
        Self {
            repository: ticket.repository().as_str(),
            snapshot: ticket.snapshot().as_str(),
            shards_total: progress.shards_total(),
            shards_done: progress.shards_done(),
            shards_failed: progress.shards_failed(),
            bytes_total: progress.bytes_total(),
            bytes_done: progress.bytes_done(),
            bytes_per_second: progress.bytes_per_second(),
            eta_millis: progress.eta().and_then(|eta| u64::try_from(eta.as_millis()).ok()),
            text: describe(progress),
        }
    }
}

impl Record for ProgressRecord<'_> {
    const KIND: &'static str = "progress";
    const COLUMNS: &'static [Column] = &[left("PROGRESS")];

    fn name(&self) -> &str {
        self.snapshot
    }

    fn cells(&self, _: Option<&TimeZone>) -> Vec<String> {
        vec![self.text.clone()]
    }
}

/// A restore that has ended.
#[derive(Debug, Serialize)]
pub(crate) struct RestoreRecord<'a> {
    repository: &'a str,
    snapshot: &'a str,
    indices: &'a [String],
    shards_total: u64,
    unrestored: Vec<Unrestored<'a>>,
}

#[derive(Debug, Serialize)]
struct Unrestored<'a> {
    index: &'a str,
    shard: Option<u32>,
    reason: &'a str,
}

impl<'a> RestoreRecord<'a> {
    pub(crate) fn new(ticket: &'a Ticket, report: &'a RestoreReport) -> Self {
        let unrestored = report.unrestored().iter();
        Self {
            repository: ticket.repository().as_str(),
            snapshot: ticket.snapshot().as_str(),
            indices: report.indices(),
            shards_total: report.shards_total(),
            unrestored: unrestored
                .map(|shard| Unrestored { index: shard.index(), shard: shard.shard(), reason: shard.reason() })
                .collect(),
        }
    }
}

impl Record for RestoreRecord<'_> {
    const KIND: &'static str = "restore";
    const COLUMNS: &'static [Column] =
        &[left("REPOSITORY"), left("NAME"), right("INDICES"), right("SHARDS"), right("UNRESTORED")];

    fn name(&self) -> &str {
        self.snapshot
    }

    fn cells(&self, _: Option<&TimeZone>) -> Vec<String> {
        vec![
            self.repository.to_owned(),
            self.snapshot.to_owned(),
            self.indices.len().to_string(),
            self.shards_total.to_string(),
            self.unrestored.len().to_string(),
        ]
    }

    fn remarks(&self) -> Vec<(&'static str, String)> {
        let indices = self.indices.iter().map(|index| ("INDEX", printable(index)));
        let unrestored = self.unrestored.iter().map(|failed| {
            let shard = failed.shard.map(|shard| format!("[{shard}]")).unwrap_or_default();
            ("MISSING", printable(&format!("{}{shard}: {}", failed.index, failed.reason)))
        });
        indices.chain(unrestored).collect()
    }
}

/// The deletion of one snapshot.
#[derive(Debug, Serialize)]
pub(crate) struct DeletionRecord {
    pub(crate) repository: String,
    pub(crate) snapshot: String,
    pub(crate) uuid: Option<String>,
    /// `deleted`, `failed`, `unknown`, or `planned` for a dry run.
    pub(crate) result: &'static str,
    pub(crate) error: Option<String>,
}

impl Record for DeletionRecord {
    const KIND: &'static str = "deletion";
    const COLUMNS: &'static [Column] = &[left("NAME"), left("UUID"), state("RESULT"), left("ERROR")];

    fn name(&self) -> &str {
        &self.snapshot
    }

    fn cells(&self, _: Option<&TimeZone>) -> Vec<String> {
        vec![
            printable(&self.snapshot),
            printable(self.uuid.as_deref().unwrap_or("-")),
            self.result.to_owned(),
            printable(self.error.as_deref().unwrap_or_default()),
        ]
    }
}

/// What a dry run has found: the change that would be made.
#[derive(Debug, Serialize)]
pub(crate) struct PlanRecord {
    /// `register`, `replace`, `unregister`, `cleanup`, `take`, `restore`, or `none`.
    pub(crate) change: &'static str,
    pub(crate) repository: String,
    pub(crate) snapshot: Option<String>,
    /// The indices that a restore would write. `None` if they are not known.
    pub(crate) indices: Option<Vec<String>>,
}

impl Record for PlanRecord {
    const KIND: &'static str = "plan";
    const COLUMNS: &'static [Column] = &[left("WOULD"), left("REPOSITORY"), left("NAME")];

    fn name(&self) -> &str {
        self.snapshot.as_deref().unwrap_or(&self.repository)
    }

    fn cells(&self, _: Option<&TimeZone>) -> Vec<String> {
        let name = self.snapshot.as_deref().unwrap_or("-");
        vec![self.change.to_owned(), self.repository.clone(), name.to_owned()]
    }

    fn remarks(&self) -> Vec<(&'static str, String)> {
        self.indices.iter().flatten().map(|index| ("INDEX", printable(index))).collect()
    }
}
