//! An IAM document.

use es_snapshot::iam::PolicyDocument;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::output::{Column, Record, left};

#[derive(Debug, Serialize)]
pub(crate) struct DocumentRecord {
    pub(crate) document: String,
    pub(crate) policy: PolicyDocument,
}

impl Record for DocumentRecord {
    const KIND: &'static str = "document";
    const COLUMNS: &'static [Column] = &[left("DOCUMENT"), left("POLICY")];

    fn name(&self) -> &str {
        &self.document
    }

    fn cells(&self, _: Option<&TimeZone>) -> Vec<String> {
        vec![self.document.clone(), self.policy.to_string()]
    }
}
