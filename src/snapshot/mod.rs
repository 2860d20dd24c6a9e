//! Snapshots: what is asked for, and what the domain says of them.

mod elements;
mod info;
mod list;
mod options;
mod status;

pub(crate) use elements::SnapshotElements;
pub(crate) use info::CreatedSnapshot;
pub use info::{FeatureState, ShardCounts, ShardFailure, SnapshotInfo, SnapshotState};
pub use list::{SnapshotFailure, SnapshotList};
pub use options::{CloneSnapshot, CreateSnapshot, ExpandWildcards, ListSnapshots};
pub(crate) use status::SnapshotStatusList;
pub use status::{
    FileStats, IndexStatus, ShardStage, ShardStageCounts, ShardStatus, SnapshotStats, SnapshotStatus, SnapshotStatusState,
};
