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






