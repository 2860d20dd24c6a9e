//! The checks of `doctor`.

use es_snapshot::doctor::Check;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::output::{Column, Record, left, printable};

#[derive(Debug, Serialize)]
pub(crate) struct CheckRecord<'a> {
    check: &'static str,
    repository: Option<&'a str>,
    status: &'static str,
    cause: Option<&'static str>,
    evidence: &'a str,
    remedy: Option<&'a str>,
}

impl<'a> CheckRecord<'a> {
    pub(crate) fn new(check: &'a Check) -> Self {
        Self {
            check: check.id().as_str(),
            repository: check.repository(),
            status: check.status().as_str(),
            cause: check.cause().map(es_snapshot::error::Cause::as_str),
            evidence: check.evidence(),
            remedy: check.remedy(),
        }
    }
}

impl Record for CheckRecord<'_> {
    const KIND: &'static str = "check";
    const COLUMNS: &'static [Column] = &[left("STATUS"), left("CHECK"), left("EVIDENCE")];

    fn name(&self) -> &str {
        self.check
    }

    fn cells(&self, _: Option<&TimeZone>) -> Vec<String> {
        [self.status, self.check, self.evidence].map(printable).to_vec()
    }
}
