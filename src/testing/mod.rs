//! A fake domain and a manual clock for tests of code that uses this crate.
//!
//! [`FakeDomain`] imitates an Amazon domain. By default it is an HTTP server on loopback. It
//! consists of two parts:
//!
//! * The front end behaves as Amazon's does. It recomputes the signature of each request from the
//!   bytes that arrived. It issues temporary credentials and refuses them once they have expired.
//!   A test can deny actions ([`FakeDomain::deny`]) and paths ([`FakeDomain::forbid`]). Refusals
//!   have Amazon's wording.
//! * The server behind it keeps repositories, snapshots, indices and restores. It responds as
//!   Elasticsearch or OpenSearch in the version that [`Engine`] names.
//!
//! A [`Fault`] makes a request fail or a response get lost. [`ManualClock`] makes hours pass
//! without waiting.
//!
//! Base assertions on what the domain saw, not on what the client reports:
//!
//! * [`FakeDomain::events`] returns the log of all requests as they arrived. Methods such as
//!   [`FakeDomain::snapshots`] return the state.
//! * [`FakeDomain::assert_no_unexpected_calls`] panics if a request used an endpoint or an option
//!   that the fake domain does not support. Such a request is refused.
//! * [`FakeDomain::assert_no_storm`] panics if a create, clone, restore or delete was sent more
//!   than three times while nobody could know whether the earlier requests took effect.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use es_snapshot::testing::{FakeDomain, FakeOutcome, Fault, ManualClock};
//! use es_snapshot::{CreateSnapshot, Error, ErrorKind, Repository, S3Settings, SnapshotClient};
//!
//! // The code under test: what a service does each night.
//! async fn back_up(backups: &Repository, name: &str) -> Result<(), Error> {
//!     let options = CreateSnapshot::new().with_indices(["movies"]);
//!     let started = backups.create_snapshot(name, options).await?;
//!     started.wait().await?.into_complete()?;
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
//! let domain = FakeDomain::builder()
//!     .clock(clock.clone())
//!     .snapshots_take(Duration::from_secs(3600))
//!     .start()
//!     .await;
//! domain.create_index("movies", 2);
//! let client = SnapshotClient::builder(domain.endpoint())
//!     .region(domain.region())
//!     .credentials(domain.credentials_provider())
//!     .clock(clock)
//!     .build()?;
//! let backups = client.repository("my-snapshot-repo")?;
//! let role = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
//! backups.register(S3Settings::new("my-bucket-4-es").with_role_arn(role)).await?;
//!
//! // The response to the create is lost, and the snapshot takes an hour. The test does not wait
//! // for either.
//! domain.fault(Fault::drop_after().on_method("PUT").times(1));
//! back_up(&backups, "monday").await?;
//! assert_eq!(domain.snapshots("my-snapshot-repo").len(), 1);
//!
//! // A shard fails. The service must not take this snapshot for a backup.
//! domain.plan_snapshot(FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 1)] });
//! let error = back_up(&backups, "tuesday").await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Incomplete);
//!
//! domain.assert_no_unexpected_calls();
//! # Ok(())
//! # }
//! ```
//!
//! # Without sockets
//!
//! [`FakeDomainBuilder::in_process`] starts a domain without a port and without a thread. Clients
//! reach it through [`FakeDomain::transport`]. This [`Transport`](crate::transport::Transport)
//! passes each request directly to the domain. [`ManualClock::block_on`] runs such a test without a
//! runtime. Whenever no future can make progress, it moves the time to the end of the earliest
//! wait.
//!
//! To make runs repeatable, give a seed to the domain ([`FakeDomainBuilder::seed`]) and one to the
//! client ([`SnapshotClientBuilder::seed`](crate::SnapshotClientBuilder::seed)). Every run then
//! produces the same log, byte for byte. This includes faults with a probability.
//!
//! Dropping a call that was polled does not cancel its request: the domain has carried it out, or
//! still will.
//!
//! # Clocks and held snapshots
//!
//! A domain runs on real time unless it gets a [`ManualClock`]. Give the same clock to the domain
//! and to the client, as [`FakeDomain::client`] does. What moves the clock depends on how the test
//! runs:
//!
//! | the test runs | the clock moves |
//! | --- | --- |
//! | under a runtime | when the client pauses between two attempts or polls: by the whole pause, at once |
//! | in [`ManualClock::block_on`] | when no future can make progress: to the end of the earliest pause or time limit |
//! | after [`set_auto_advance(false)`](ManualClock::set_auto_advance) under a runtime | when the test calls [`advance`](ManualClock::advance) |
//!
//! So a test does not wait for a snapshot that takes an hour. By default, a snapshot takes 3 s on
//! the domain's clock. [`FakeDomainBuilder::snapshots_take`] sets another time.
//!
//! While [`FakeDomain::hold_snapshots`] is on, snapshots that start stay `IN_PROGRESS`, however far
//! the clock moves. A held snapshot ends when the test turns the hold off or calls
//! [`FakeDomain::finish_snapshot`]. Until then a wait polls up to its deadline.
//! [`FakeDomain::hold_restores`] does the same for restores.
//!
//! ```
//! use es_snapshot::testing::{FakeDomain, FakeOutcome};
//! use es_snapshot::wait::WaitUpdate;
//! use es_snapshot::{CreateSnapshot, SnapshotState};
//! use futures_util::TryStreamExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), es_snapshot::Error> {
//! let domain = FakeDomain::with_repository("backups").await;
//! domain.hold_snapshots(true);
//! let backups = domain.client().repository("backups")?;
//! let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
//!
//! let mut updates = started.wait().progress();
//! assert!(matches!(updates.try_next().await?, Some(WaitUpdate::Progress(_))));
//!
//! let reason = "no space left".to_owned();
//! domain.finish_snapshot("backups", "monday", FakeOutcome::Failed { reason });
//! while let Some(update) = updates.try_next().await? {
//!     if let WaitUpdate::Ended(snapshot) = update {
//!         assert_eq!(*snapshot.state(), SnapshotState::Failed);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # When a test hangs
//!
//! Look for one of these causes:
//!
//! * The client has no [`ManualClock`], but the domain has. The client's pauses then take real
//!   time, and the domain's time does not move.
//! * Pauses wait for [`advance`](ManualClock::advance), and no task calls it.
//! * A response never arrives. Under a runtime a time limit does not move the clock, so it does not
//!   fire by itself. Advance the clock, or run the test in [`ManualClock::block_on`].
//!
//! [`ManualClock::block_on`] panics if a future can never end. It needs a domain that is [in
//! process](FakeDomainBuilder::in_process), because it does not wait for sockets: time limits fire
//! at once, or it panics.
//!
//! [`FakeDomain::events`] shows the last request. [`ManualClock::sleeps`] shows the pauses so far.
//!
//! # Other clients and operators
//!
//! Methods of [`FakeDomain`] do what other clients and operators of the domain could do. They
//! close, hide, write to and delete indices, move shards, restart nodes, elect a master, restore
//! snapshots, and place and damage snapshots. The client does not notice until it sends the next
//! request.
//!
//! The effects were compared with real nodes of Elasticsearch 7.10 and 8.19 and of OpenSearch 1.3,
//! 2.19 and 3.8. For example, once an index was closed, the recovery that restored it is no longer
//! listed.
//!
//! # Limits
//!
//! The fake domain is neither a search engine nor Amazon:
//!
//! * Nothing is stored. An index has shards and a number of documents, but no documents.
//! * No role is assumed, and IAM consists of a few rules.
//! * The fake has no TLS, HTTP/2 or compression. In process there are no connections either, so
//!   test connection pools, name resolution and TLS errors over sockets.
//! * Some requests are refused as unexpected: date math in names, `human`, `flat_settings`, and a
//!   `rename_pattern` with lookaround or backreferences.
//! * The error for an unknown query parameter does not suggest a similar one.
//! * A path with a segment `.` or `..` is routed as it was sent. Its signature must cover the
//!   normalised path, because AWS's own signers normalise it.
//!
//! # Stability
//!
//! This module is exempt from semantic versioning. Its items and its responses may change in any
//! release, to follow the servers and the needs of tests.

mod clock;
mod cluster;
mod edge;
mod engine;
mod fake;
mod fault;
mod function;
mod relay;
mod rest;
mod text;

pub use clock::ManualClock;
pub use cluster::{FakeDamage, FakeOutcome};
pub use edge::FakeAuth;
pub use engine::Engine;
pub use fake::{
    CredentialTrouble, Event, FakeCredentials, FakeDomain, FakeDomainBuilder, FakeSnapshot, FakeTransport, Verdict,
};
pub use fault::Fault;
pub use function::{TransportFn, response, transport_fn};
