//! The data that commands write. `schema.json` describes it.

mod check;
mod document;
mod operation;
mod repository;
mod snapshot;
mod status;

pub(crate) use check::CheckRecord;
pub(crate) use document::DocumentRecord;
pub(crate) use operation::{DeletionRecord, PlanRecord, ProgressRecord, RestoreRecord, StartedRecord};
pub(crate) use repository::{CleanUpRecord, NodeRecord, RegistrationRecord, RepositoryRecord};
pub(crate) use snapshot::SnapshotRecord;
pub(crate) use status::StatusRecord;
