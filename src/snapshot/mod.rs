//! Options of creates, clones and listings, and what the server says of snapshots.

mod elements;
mod info;
mod list;
mod options;
mod status;
mod stream;

pub(crate) use elements::SnapshotElements;
pub(crate) use info::CreatedSnapshot;
pub use info::{FeatureState, ShardCounts, ShardFailure, SnapshotInfo, SnapshotState};
pub use list::{DeletionReport, SnapshotFailure, SnapshotList};
pub use options::{CloneSnapshot, CreateSnapshot, ExpandWildcards, ListSnapshots};
pub(crate) use status::SnapshotStatusList;
pub use status::{
    FileStats, IndexStatus, ShardStage, ShardStageCounts, ShardStatus, SnapshotStats, SnapshotStatus,
    SnapshotStatusState,
};

pub use stream::SnapshotStream;

pub use crate::ticket::SnapshotToken;
pub use crate::wire::OtherWord;
