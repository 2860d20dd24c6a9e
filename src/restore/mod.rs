//! Restores: what is asked for, and how far the domain is.

mod options;
mod reply;
mod shards;
mod signs;

pub use options::RestoreSnapshot;
pub(crate) use reply::RecoveryMap;
pub use reply::{RecoveryStage, RecoveryType, RestoreSummary, ShardRecovery, StartedRestore};
pub(crate) use shards::{AllocationExplanation, ShardRow, waiting_rows};
pub(crate) use signs::EarlierRestores;
