//! Options of restores, and what the server says of restored shards.

mod marks;
mod options;
mod prepared;
mod rename;
mod report;
mod response;
mod running;
mod shards;
mod source;
mod targets;
mod view;

pub(crate) use marks::{IndexMark, Marks, Moment, Tombstones, Trace};
pub use options::RestoreSnapshot;
pub(crate) use prepared::Groundwork;
pub use prepared::PreparedRestore;
pub use report::{RestoreReport, UnrestoredShard};
pub(crate) use response::{Recoveries, RestoreResponse};
pub use response::{RecoveryStage, RecoveryType, RestoreSummary, ShardRecovery};
pub(crate) use running::{RunningRestore, RunningRestores, ShardRestoreState};
pub(crate) use shards::{AllocationExplanation, ShardRow, ShardRows, ShardState};
pub(crate) use source::{EarlierRestores, Source};
pub(crate) use targets::Targets;
pub(crate) use view::{Observation, RestoreView};
