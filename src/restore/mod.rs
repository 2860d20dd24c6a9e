//! Options of restores, and what the server says of restored shards.

mod marks;
mod options;
mod prepared;
mod rename;
mod reply;
mod report;
mod running;
mod shards;
mod source;
mod targets;
mod view;

pub(crate) use marks::{IndexMark, Marks, Moment, Tombstones, Trace};
pub use options::RestoreSnapshot;
pub(crate) use prepared::Groundwork;
pub use prepared::PreparedRestore;
pub(crate) use reply::{Recoveries, RestoreReply};
pub use reply::{RecoveryStage, RecoveryType, RestoreSummary, ShardRecovery};
pub use report::{RestoreReport, UnrestoredShard};
pub(crate) use running::{RunningRestore, RunningRestores, ShardRestoreState};
pub(crate) use shards::{AllocationExplanation, ShardRow, ShardRows, ShardState};
pub(crate) use source::{EarlierRestores, Source};
pub(crate) use targets::Targets;
pub(crate) use view::{Look, RestoreView};
