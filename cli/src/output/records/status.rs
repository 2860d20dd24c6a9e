//! How far a snapshot has come.

use es_snapshot::snapshot::SnapshotStatus;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::output::{Column, Moment, Record, amount, left, printable, right, state};

#[derive(Debug, Serialize)]
pub(crate) struct StatusRecord<'a> {
    repository: Option<&'a str>,
    snapshot: &'a str,
    uuid: Option<&'a str>,
    state: &'a str,
    start_time: Option<Moment>,
    shards_total: u64,
    shards_done: u64,
    shards_failed: u64,
    bytes_total: Option<u64>,
    bytes_done: Option<u64>,
}

impl<'a> StatusRecord<'a> {
    /// Returns the record of a status. `repository` stands for one that the server does not report.
    pub(crate) fn new(repository: Option<&'a str>, status: &'a SnapshotStatus) -> Self {
        let counts = status.stats();
        Self {
            repository: status.repository().or(repository),
            snapshot: status.name(),
            uuid: status.uuid(),
            state: status.state().as_str(),
            start_time: counts.start_time().and_then(Moment::of),
            shards_total: status.shards().total(),
            shards_done: status.shards().done(),
            shards_failed: status.shards().failed(),
            bytes_total: counts.incremental().size().map(es_snapshot::repository::ByteSize::bytes),
            bytes_done: counts.processed().size().map(es_snapshot::repository::ByteSize::bytes),
        }
    }
}

impl Record for StatusRecord<'_> {
    const KIND: &'static str = "status";
    const COLUMNS: &'static [Column] = &[
        left("REPOSITORY"),
        left("NAME"),
        state("STATE"),
        left("STARTED"),
        right("SHARDS"),
        right("FAILED"),
        right("SIZE"),
    ];

    fn name(&self) -> &str {
        self.snapshot
    }

    fn cells(&self, zone: Option<&TimeZone>) -> Vec<String> {
        let unknown = || "-".to_owned();
        let size = self.bytes_done.zip(self.bytes_total);
        vec![
            self.repository.map_or_else(unknown, printable),
            printable(self.snapshot),
            printable(self.state),
            self.start_time.map_or_else(unknown, |start| start.text(zone)),
            format!("{}/{}", self.shards_done, self.shards_total),
            self.shards_failed.to_string(),
            size.map_or_else(unknown, |(done, total)| format!("{}/{}", amount(done), amount(total))),
        ]
    }
}
