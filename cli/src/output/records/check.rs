//! A check of the examination.

use es_snapshot::doctor::{Check, CheckId, Status};
use es_snapshot::error::Cause;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::output::{Column, Record, left, printable, state};
use crate::words::in_flags;

#[derive(Debug, Serialize)]
pub(crate) struct CheckRecord<'a> {
    check: CheckId,
    repository: Option<&'a str>,
    status: Status,
    cause: Option<Cause>,
    evidence: String,
    remedy: Option<String>,
}

impl<'a> CheckRecord<'a> {
    pub(crate) fn new(check: &'a Check) -> Self {
        Self {
            check: check.id(),
            repository: check.repository(),
            status: check.status(),
            cause: check.cause(),
            evidence: in_flags(check.evidence()),
            remedy: check.remedy().map(in_flags),
        }
    }
}

impl Record for CheckRecord<'_> {
    const KIND: &'static str = "check";
    const COLUMNS: &'static [Column] =
        &[state("STATUS"), left("CHECK"), left("REPOSITORY"), left("EVIDENCE AND REMEDY")];

    fn name(&self) -> &str {
        self.check.as_str()
    }

    fn cells(&self, _: Option<&TimeZone>) -> Vec<String> {
        let remedy = self.remedy.as_ref().map(|remedy| format!(". {remedy}")).unwrap_or_default();
        vec![
            self.status.to_string(),
            self.check.to_string(),
            printable(self.repository.unwrap_or("-")),
            printable(&format!("{}{remedy}", self.evidence)),
        ]
    }
}
