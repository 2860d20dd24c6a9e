//! Snapshots: what is asked for, and what the domain says of them.

mod create;
mod info;
mod ticket;

pub use create::{CloneSnapshot, CreateSnapshot, ExpandWildcards};
pub(crate) use info::SnapshotList;
pub use info::{CreatedSnapshot, FeatureState, ListSnapshots, ShardCounts, ShardFailure, SnapshotInfo, SnapshotState};
pub use ticket::{SnapshotTicket, SnapshotToken};
