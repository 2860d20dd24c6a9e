//! Typed async client for Elasticsearch and OpenSearch snapshots.

mod clock;
mod endpoint;
mod error;
mod name;
mod repository;
mod restore;
mod snapshot;
mod status;
mod units;

#[cfg(feature = "testing")]
pub mod testing;

pub use clock::{BoxFuture, Clock, SystemClock};
pub use error::{Error, ErrorKind, ErrorType, Operation, Outcome, ServerError, ServerLayer};
pub use name::{DateMathName, IndexName, IndexPattern, RepositoryName, SnapshotName, SnapshotPattern};
pub use repository::{
    Acknowledged, CleanUp, FsSettings, OtherSettings, Repository, RepositorySettings, RoleArn, S3Location, S3Settings,
    UrlSettings, VerifiedNode,
};
pub use restore::{RecoveryStage, RecoveryType, RestoreSnapshot, RestoreSummary, ShardRecovery, StartedRestore};
pub use snapshot::{
    CreateSnapshot, CreatedSnapshot, ExpandWildcards, FeatureState, ListSnapshots, ShardCounts, ShardFailure, SnapshotInfo,
    SnapshotState,
};
pub use status::{
    FileStats, IndexStatus, ShardStage, ShardStageCounts, ShardStatus, SnapshotStats, SnapshotStatus, SnapshotStatusState,
};
pub use units::ByteSize;
