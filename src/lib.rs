#![doc = include_str!("../README.md")]
//!
//! # Where to find what
//!
//! | module | contains |
//! | --- | --- |
//! | [`client`] | [`SnapshotClient`] and its handles [`Repository`] and [`Snapshot`], which have every operation |
//! | [`repository`] | settings for [`Repository::register`], and what the server returns of repositories |
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
//! # Recipes
//!
//! Each is the core of a program that [Try it](#try-it) lists.
//!
//! ## A request handler that is dropped midway
//!
//! An HTTP framework drops a handler when its caller hangs up, and a process can be killed at any
//! time. The domain goes on with what was sent. So choose the name and the token of the snapshot
//! first, and store them as a [`SnapshotTicket`](wait::SnapshotTicket). A later call with the same
//! name and token adopts the snapshot that the first one started, and sends nothing twice. For a
//! restore, store what [`Snapshot::prepare_restore`] returns. A handler that only has to outlive
//! its caller can give the call to `tokio::spawn` instead. The program is `backup_service`.
//!
//! ```
//! use es_snapshot::snapshot::SnapshotToken;
//! use es_snapshot::wait::{HowStarted, SnapshotTicket};
//! use es_snapshot::CreateSnapshot;
//! use futures_util::FutureExt as _;
//! # use es_snapshot::testing::FakeDomain;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let domain = FakeDomain::with_repository("backups").await;
//! # let client = domain.client();
//! # let backups = client.repository("backups")?;
//! let token = SnapshotToken::try_random()?;
//! let ticket = SnapshotTicket::new("backups", "monday")?.with_token(token.clone());
//! let stored = serde_json::to_string(&ticket)?;
//!
//! // The handler is dropped while the call waits for the domain.
//! let options = CreateSnapshot::new().with_token(token);
//! let _ = backups.create_snapshot("monday", options.clone()).now_or_never();
//!
//! // The caller comes back, perhaps to another process that reads the ticket.
//! let ticket: SnapshotTicket = serde_json::from_str(&stored)?;
//! let started = backups.create_snapshot(ticket.snapshot(), options).await?;
//! assert_eq!(started.how(), HowStarted::Adopted);
//! client.resume(ticket).await?.into_complete()?;
//! # assert_eq!(domain.snapshots("backups").len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! ## A nightly job
//!
//! Name the snapshot by the date, and derive the token from the name. Then every run of one night
//! has the same token, and a run that is started again after a crash adopts the snapshot that it
//! finds. [`with_queue_time`](Repository::with_queue_time) waits while another operation is
//! running. [`with_deadline`](Wait::with_deadline) ends the wait before the next night.
//! [`into_complete`](SnapshotInfo::into_complete) makes a partial snapshot an error, so old
//! snapshots are deleted only after a good one. Names by date need the feature `date-math`. The
//! program is `nightly_job`.
//!
//! ```
//! use std::time::Duration;
//!
//! use es_snapshot::name::DateMathName;
//! use es_snapshot::snapshot::SnapshotToken;
//! use es_snapshot::{CreateSnapshot, ListSnapshots, SnapshotPattern};
//! # use es_snapshot::testing::{FakeDomain, FakeOutcome};
//!
//! const HOUR: Duration = Duration::from_secs(60 * 60);
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), es_snapshot::Error> {
//! # let domain = FakeDomain::with_repository("backups").await;
//! # let client = domain.client();
//! # let long_ago = client.now() - 31 * 24 * HOUR;
//! # domain.place_snapshot("backups", "nightly-2026.03.31", long_ago, FakeOutcome::Success);
//! let backups = client.repository("backups")?.with_queue_time(HOUR);
//! let name = backups.resolve(DateMathName::try_from("<nightly-{now/d}>")?)?;
//! let options = CreateSnapshot::new().with_token(SnapshotToken::try_from(name.to_string())?);
//! let started = backups.create_snapshot(&name, options).await?;
//! started.wait().with_deadline(6 * HOUR).await?.into_complete()?;
//!
//! let expiry = client.now() - 30 * 24 * HOUR;
//! let nightly = SnapshotPattern::new(["nightly-*"])?;
//! let list = backups.list(ListSnapshots::new().with_pattern(nightly)).await?;
//! for snapshot in list.snapshots() {
//!     if snapshot.end_time().is_some_and(|end| end < expiry) {
//!         backups.snapshot(snapshot.name())?.delete().await?;
//!     }
//! }
//! let left = backups.list(ListSnapshots::new()).await?;
//! assert_eq!(left.snapshots()[0].name(), "nightly-2026.05.01");
//! # Ok(())
//! # }
//! ```
//!
//! ## A fleet of clients
//!
//! Clients of many domains can share three things. One transport has one pool of connections. One
//! [`CredentialCache`](auth::CredentialCache) renews the credentials once for all of them. One
//! [`RetryBudget`](client::RetryBudget) bounds the retries where the domains fail together. Each is
//! cheap to clone. Each client keeps the offset of its own domain's clock. Run the calls at once
//! and keep every result, so that a domain that is down hides no other. The program is `fleet`.
//!
//! ```
//! use es_snapshot::auth::CredentialCache;
//! use es_snapshot::client::RetryBudget;
//! use es_snapshot::transport::HyperTransport;
//! use es_snapshot::{Auth, SnapshotClient};
//! use futures_util::future::join_all;
//! # use es_snapshot::testing::FakeDomain;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), es_snapshot::Error> {
//! # let logs = FakeDomain::start().await;
//! # let metrics = FakeDomain::builder().account_of(&logs).start().await;
//! # let provider = logs.credentials_provider();
//! # let region = logs.region();
//! let transport = HyperTransport::builder().build()?;
//! let credentials = CredentialCache::new(provider.clone());
//! let retries = RetryBudget::new();
//! let clients: Result<Vec<SnapshotClient>, _> = [logs.endpoint(), metrics.endpoint()]
//!     .into_iter()
//!     .map(|endpoint| {
//!         SnapshotClient::builder(endpoint)
//!             .region(&region)
//!             .transport(transport.clone())
//!             .auth(Auth::sigv4_shared(credentials.clone()))
//!             .retry_budget(retries.clone())
//!             .build()
//!     })
//!     .collect();
//!
//! let clients = clients?;
//! let results = join_all(clients.iter().map(SnapshotClient::repositories)).await;
//! assert!(results.iter().all(Result::is_ok));
//! assert_eq!(provider.loads(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Cancel safety
//!
//! Every future and stream may be dropped at any time and leaves nothing half-done in the client.
//! Requests that were sent go on at the domain. Dropping cancels and deletes nothing. Each method
//! describes what the domain may then have done.
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
//! `operation` is [`Operation::as_str`](error::Operation::as_str). `outcome` is `done` or an
//! [`ErrorKind`]. A `sighting` other than `Happened` and `Foreign` shows a call that goes on
//! checking: `Nothing` and `Barred` prove that the request had no effect so far, `Unseen` proves
//! nothing, `Unclear` is a change that nobody can attribute, and after `Blind` and `Denied` the
//! client knows nothing.
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
