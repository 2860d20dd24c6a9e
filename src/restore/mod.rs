//! Restores: what is asked for, and how far the domain is.

mod options;
mod reply;
mod shards;
mod source;

pub use options::RestoreSnapshot;
pub(crate) use reply::RecoveryMap;
pub use reply::{RecoveryStage, RecoveryType, RestoreSummary, ShardRecovery, StartedRestore};
pub(crate) use shards::{AllocationExplanation, ShardRow};
pub(crate) use source::{EarlierRestores, Source};
