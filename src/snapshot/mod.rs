//! Options for creating, cloning and listing snapshots, and the types that describe snapshots.
//!
//! The operations are methods of [`Repository`](crate::Repository) and
//! [`Snapshot`](crate::Snapshot).
//!
//! * [`CreateSnapshot`], [`CloneSnapshot`] and [`ListSnapshots`] are the options.
//! * [`SnapshotInfo`] describes a snapshot, and [`SnapshotState`] is its state.
//! * [`SnapshotStatus`] contains the progress of every shard.
//! * [`SnapshotList`], [`SnapshotStream`] and [`DeletionReport`] are the results for several
//!   snapshots.
//!
//! ```
//! use es_snapshot::snapshot::{CreateSnapshot, ListSnapshots, SnapshotState};
//! # use es_snapshot::testing::FakeDomain;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), es_snapshot::Error> {
//! # let domain = FakeDomain::with_repository("backups").await;
//! # domain.create_index("movies", 1);
//! # let backups = domain.client().repository("backups")?;
//! let options = CreateSnapshot::new().with_indices(["movies"]).with_include_global_state(false);
//! backups.create_snapshot("monday", options).await?.wait().await?.into_complete()?;
//!
//! for snapshot in backups.list(ListSnapshots::new()).await? {
//!     assert_eq!(*snapshot.state(), SnapshotState::Success);
//!     assert_eq!(snapshot.indices(), ["movies"]);
//! }
//! # Ok(())
//! # }
//! ```

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
