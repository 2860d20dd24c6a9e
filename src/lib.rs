#![doc = include_str!("../README.md")]
//!
//! # Cancel safety
//!
//! Every future and stream may be dropped at any time and leaves nothing half-done in the client.
//! Requests that were sent go on at the domain. Dropping cancels and deletes nothing. Each method
//! says what the domain may then have done.
//!
//! # Observability
//!
//! The crate reports through [`tracing`](https://docs.rs/tracing), never bodies, headers or
//! secrets. Build counters and the age of the last good snapshot on these:
//!
//! | what | level | fields |
//! | --- | --- | --- |
//! | span `es_snapshot.operation`: a create, clone, restore or delete with all its sends and checks | info | `operation`, `repository`, `snapshot`, `sends`, `outcome` |
//! | span `es_snapshot.call`: one request with its attempts | debug | `operation`, `repository`, `snapshot`, `attempts`, `outcome` |
//! | event `repeating a request` | info | `attempt`: the attempt or send that failed; `reason`; `wait_ms` |
//! | event `checked the domain after a lost response` | info | `sighting`: `Happened`, `Foreign`, `Nothing`, `Barred`, `Unseen`, `Unclear`, `Blind` or `Denied` |
//! | event `another operation is running` | info | `wait_ms` |
//! | event `snapshot ended`, from a wait | info | `repository`, `snapshot`, `state`, `ended_ms` (since the epoch) |
//! | event `credentials could not be renewed` | warn | `kept`: whether a valid key is left; `error`: the provider's failure and its causes |
//! | event `some of the system's roots could not be read` (feature `native-roots`) | warn | `error` |
//!
//! `operation` is [`Operation::as_str`]. `outcome` is `done` or an [`ErrorKind`]. A `sighting`
//! other than `Happened` and `Foreign` shows a call that is still looking: `Nothing` and `Barred`
//! prove that the request had no effect so far, `Unseen` proves nothing, `Unclear` is a change that
//! nobody can attribute, and after `Blind` and `Denied` the client knows nothing.
//!
//! Events of level debug are not listed. They show attempts, and polls and checks that failed.
//!
//! # Stability
//!
//! Public types come from `http`, `http-body`, `bytes`, `serde`, `serde_json`, `futures-core` and
//! `aws-credential-types`, and with the feature `aws-config` from `aws-types`. Not promised:
//! default values, texts of errors, spans and events beyond the table above, and the module
//! `testing`.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Here rather than in the manifest: tests, benches and examples may panic and print.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, clippy::print_stderr)]

mod auth;
mod byte_size;
mod call;
mod client;
mod clock;
mod config;
mod endpoint;
mod entropy;
mod error;
mod name;
mod open;
mod pieces;
mod progress;
mod reconcile;
mod repository;
mod request;
mod restore;
mod retry;
mod snapshot;
mod ticket;
mod transport;
mod wait;
mod wire;

#[cfg(feature = "testing")]
pub mod testing;

pub use auth::Auth;
#[cfg(feature = "aws-config")]
pub use auth::aws_config::default_credentials;
pub use auth::credentials::CredentialCache;
pub use byte_size::ByteSize;
pub use client::builder::SnapshotClientBuilder;
pub use client::{
    DeletionReport, RawRequest, RawResponse, Repository, ServerInfo, Snapshot, SnapshotClient, StartedRestore, StartedSnapshot,
};
pub use clock::{BoxFuture, Clock, SystemClock};
pub use config::{RetryPolicy, Timeouts};
pub use endpoint::ConnectTarget;
pub use error::{Error, ErrorKind, ErrorType, Operation, Outcome, ServerError, ServerLayer};
pub use name::{DateMathName, IndexName, IndexPattern, RepositoryName, SnapshotName, SnapshotPattern};
pub use progress::{HowStarted, Progress};
pub use repository::{
    CleanUp, FsSettings, OtherSettings, RegisterRepository, RepositoryInfo, RepositorySettings, S3Settings, UrlSettings,
    VerifiedNode,
};
pub use restore::{
    PreparedRestore, RecoveryStage, RecoveryType, RestoreReport, RestoreSnapshot, RestoreSummary, ShardRecovery, UnrestoredShard,
};
pub use retry::RetryBudget;
pub use snapshot::{
    CloneSnapshot, CreateSnapshot, ExpandWildcards, FeatureState, ListSnapshots, ShardCounts, ShardFailure, SnapshotFailure,
    SnapshotInfo, SnapshotList, SnapshotState,
};
pub use snapshot::{
    FileStats, IndexStatus, ShardStage, ShardStageCounts, ShardStatus, SnapshotStats, SnapshotStatus, SnapshotStatusState,
};
pub use ticket::{DeletionTicket, RestoreTicket, SnapshotTicket, SnapshotToken, Ticket};
#[cfg(feature = "hyper")]
pub use transport::hyper::{HyperTransport, HyperTransportBuilder, TrustRoots};
pub use transport::{Body, Transport, TransportError};
pub use wait::{AnyOutcome, TicketState, TypedTicket, Wait, WaitStream, WaitUpdate};
pub use wire::OtherWord;
