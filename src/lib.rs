//! Typed async client for Elasticsearch and OpenSearch snapshots.

mod auth;
mod client;
mod clock;
mod endpoint;
mod error;
mod name;
mod pipeline;
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
pub use client::wait::{Progress, ProgressStream, RestoreReport, UnrestoredShard, WaitForRestore, WaitForSnapshot, WaitUpdate};
pub use client::{RawReply, RawRequest, ServerInfo, SnapshotClient};
pub use clock::{BoxFuture, Clock, SystemClock};
pub use endpoint::ConnectTarget;
pub use error::{Error, ErrorKind, ErrorType, Operation, Outcome, ServerError, ServerLayer};
pub use pipeline::Timeouts;
pub use retry::RetryPolicy;
#[cfg(feature = "hyper")]
pub use transport::hyper::{HyperTransport, HyperTransportBuilder, TrustRoots};
pub use transport::{Body, Transport, TransportError};
