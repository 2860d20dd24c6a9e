#![doc = include_str!("../README.md")]
//!
//! # Where to find what
//!
//! | module | contains |
//! | --- | --- |
//! | [`client`] | [`SnapshotClient`] and its handles [`Repository`] and [`Snapshot`], which have every operation |
//! | [`repository`] | settings for [`Repository::register`], and what the server says of repositories |
//! | [`snapshot`] | options of creates, clones and listings; [`SnapshotInfo`], states, shard figures |
//! | [`restore`] | options of restores, [`RestoreReport`], shard recoveries |
//! | [`wait`] | [`Wait`], its progress, and the tickets by which another process goes on |
//! | [`name`] | validated names and patterns |
//! | [`auth`] | credentials, their cache, SigV4 and passwords |
//! | [`error`] | [`Error`], its kinds, and what is known of the domain after one |
//! | [`transport`] | the hyper transport, and the trait for another |
//! | [`clock`] | the clock that the client reads and waits by |
//! | `testing` (feature `testing`) | a fake domain, a manual clock, canned responses |
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
//! `operation` is [`Operation::as_str`](error::Operation::as_str). `outcome` is `done` or an [`ErrorKind`]. A `sighting`
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

pub mod auth;
mod byte_size;
mod call;
pub mod client;
pub mod clock;
mod config;
mod endpoint;
mod entropy;
pub mod error;
pub mod name;
mod open;
mod pieces;
mod progress;
mod reconcile;
mod region;
pub mod repository;
mod request;
pub mod restore;
mod retry;
pub mod snapshot;
#[cfg(feature = "testing")]
pub mod testing;
mod ticket;
pub mod transport;
pub mod wait;
mod wire;

#[doc(inline)]
pub use auth::Auth;
#[cfg(feature = "aws-config")]
#[doc(inline)]
pub use auth::default_credentials;
#[doc(inline)]
pub use client::{Repository, Snapshot, SnapshotClient, SnapshotClientBuilder, StartedRestore, StartedSnapshot};
#[doc(inline)]
pub use config::{RetryPolicy, Timeouts};
#[doc(inline)]
pub use error::{Error, ErrorKind, Outcome};
#[doc(inline)]
pub use name::SnapshotPattern;
#[doc(inline)]
pub use repository::{FsSettings, RepositorySettings, S3Settings};
#[doc(inline)]
pub use restore::{RestoreReport, RestoreSnapshot};
#[doc(inline)]
pub use snapshot::{CloneSnapshot, CreateSnapshot, ListSnapshots, SnapshotInfo, SnapshotState, SnapshotStream};
#[doc(inline)]
pub use wait::{Ticket, Wait};
