#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Here rather than in the manifest: tests, benches and examples may panic and print.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, clippy::print_stderr)]

mod auth;
mod client;
mod clock;
mod endpoint;
mod error;
mod name;
mod pipeline;
mod reconcile;
mod repository;
mod request;
mod restore;
mod retry;
mod snapshot;
mod status;
mod transport;
mod units;

#[cfg(feature = "testing")]
pub mod testing;

pub use auth::Auth;
#[cfg(feature = "aws-config")]
pub use auth::aws_config::default_credentials;
pub use auth::credentials::CredentialCache;
pub use client::builder::SnapshotClientBuilder;
pub use client::wait::{
    Progress, ProgressStream, RestoreReport, UnrestoredShard, WaitForDeletion, WaitForRestore, WaitForSnapshot, WaitUpdate,
};
pub use client::{RawReply, RawRequest, ServerInfo, SnapshotClient};
pub use clock::{BoxFuture, Clock, SystemClock};
pub use endpoint::ConnectTarget;
pub use error::{Error, ErrorKind, ErrorType, Operation, Outcome, ServerError, ServerLayer};
pub use name::{DateMathName, IndexName, IndexPattern, RepositoryName, SnapshotName, SnapshotPattern};
pub use pipeline::Timeouts;
pub use repository::{
    Acknowledged, CleanUp, FsSettings, OtherSettings, Repository, RepositorySettings, RoleArn, S3Location, S3Settings,
    UrlSettings, VerifiedNode,
};
pub use restore::{RecoveryStage, RecoveryType, RestoreSnapshot, RestoreSummary, ShardRecovery, StartedRestore};
pub use retry::RetryPolicy;
pub use snapshot::{
    CloneSnapshot, CreateSnapshot, CreatedSnapshot, ExpandWildcards, FeatureState, ListSnapshots, ShardCounts, ShardFailure,
    SnapshotInfo, SnapshotState, SnapshotToken,
};
pub use status::{
    FileStats, IndexStatus, ShardStage, ShardStageCounts, ShardStatus, SnapshotStats, SnapshotStatus, SnapshotStatusState,
};
#[cfg(feature = "hyper")]
pub use transport::hyper::{HyperTransport, HyperTransportBuilder, TrustRoots};
pub use transport::{Body, Transport, TransportError};
pub use units::ByteSize;
