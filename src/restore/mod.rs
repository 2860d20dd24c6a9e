//! Options, results and shard recoveries of restores.
//!
//! * [`RestoreSnapshot`] contains the options of [`Snapshot::restore`](crate::Snapshot::restore).
//! * [`RestoreReport`] is the result of a [`Wait`](crate::Wait) for a restore. It lists every shard
//!   that was not restored.
//! * [`RestoreSummary`] is the server's own summary of a restore, if it sends one.
//! * [`ShardRecovery`] shows how far the recovery of a shard is.
//! * [`PreparedRestore`] can be stored before it is started. Another process can then start it, or
//!   find out that it was started.
//!
//! ```
//! use es_snapshot::RestoreSnapshot;
//! # use es_snapshot::CreateSnapshot;
//! # use es_snapshot::testing::FakeDomain;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), es_snapshot::Error> {
//! # let domain = FakeDomain::with_repository("backups").await;
//! # domain.create_index("movies", 2);
//! # domain.create_index("books", 1);
//! # let client = domain.client();
//! # let backups = client.repository("backups")?;
//! # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
//! let options = RestoreSnapshot::new()
//!     .with_indices(["movies"])
//!     .with_rename_prefix("restored-")
//!     .with_include_aliases(false);
//! let restore = backups.snapshot("monday")?.restore(options).await?;
//!
//! let report = restore.wait().await?;
//! for shard in report.unrestored() {
//!     eprintln!("not restored: {shard}");
//! }
//! assert_eq!(report.indices(), ["restored-movies"]);
//! report.into_complete()?;
//! # Ok(())
//! # }
//! ```

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
