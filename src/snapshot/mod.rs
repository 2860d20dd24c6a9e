//! Snapshots: what is asked for, and what the domain says of them.

mod info;
mod options;
mod ticket;

pub(crate) use info::SnapshotList;
pub use info::{CreatedSnapshot, FeatureState, ShardCounts, ShardFailure, SnapshotInfo, SnapshotState};
pub use options::{CloneSnapshot, CreateSnapshot, ExpandWildcards, ListSnapshots};
pub use ticket::{SnapshotTicket, SnapshotToken};
