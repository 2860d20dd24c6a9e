//! A stand-in for an Amazon domain to test against, and a clock that a test drives. Feature
//! `testing`.
//!
//! [`FakeDomain`] is an HTTP server on loopback. Its front does what Amazon's does: it recomputes
//! the signature of each request from the bytes that arrived, knows temporary credentials and when
//! they expire, refuses what its policy and its allow-list do not let through, and words its
//! refusals as Amazon does. Behind that it keeps repositories, snapshots, indices and restores, and
//! responds as Elasticsearch or OpenSearch of the requested version. [`Fault`] makes requests and
//! responses go wrong. [`ManualClock`] lets hours pass at once.
//!
//! A test goes by [`FakeDomain::events`], the log of all that arrived, and by the state, such as
//! [`FakeDomain::snapshots`]: not by what the client says about itself.
//! [`FakeDomain::assert_no_unexpected_calls`] panics if there was a call that the fake does not
//! know; such a call gets a 400. [`FakeDomain::assert_no_storm`] panics if a create, clone, restore
//! or delete was sent more than 3 times while its earlier sends were unaccounted for.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use es_snapshot::testing::{FakeDomain, FakeOutcome, Fault, ManualClock};
//! use es_snapshot::{CreateSnapshot, Error, ErrorKind, Repository, S3Settings, SnapshotClient};
//!
//! // What a service does each night, and what its test is about.
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
//! // The response to the create is lost, and the domain has an hour's work. Neither costs the test
//! // any time.
//! domain.fault(Fault::drop_after().on_method("PUT").times(1));
//! back_up(&backups, "monday").await?;
//! assert_eq!(domain.snapshots("my-snapshot-repo").len(), 1);
//!
//! // A shard fails: that is no backup, and the service has to notice.
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
//! A domain can run [in process](FakeDomainBuilder::in_process): no port, no thread. Clients reach
//! it by [`FakeDomain::transport`], a [`Transport`](crate::transport::Transport) that calls the
//! same rules directly. [`ManualClock::block_on`] runs the test without a runtime. It moves time to
//! the end of the earliest wait once nothing else can go on. With a seed for the domain
//! ([`FakeDomainBuilder::seed`]) and one for the client
//! ([`SnapshotClientBuilder::seed`](crate::SnapshotClientBuilder::seed)) a run replays to the same
//! log byte for byte, faults by chance included.
//!
//! Dropping a call takes nothing back there either: the domain has carried the request out, or
//! will.
//!
//! # Clocks and held snapshots
//!
//! A domain goes by real time unless it gets a [`ManualClock`]. Give the domain and the client the
//! same one, as [`FakeDomain::client`] does. What moves that clock depends on how the test runs:
//!
//! | the test runs | the clock moves |
//! | --- | --- |
//! | under a runtime | when the client pauses between two attempts or polls: by the whole pause, at once |
//! | in [`ManualClock::block_on`] | when nothing can go on: to the end of the earliest pause or time limit |
//! | after [`set_auto_advance(false)`](ManualClock::set_auto_advance) under a runtime | when the test calls [`advance`](ManualClock::advance) |
//!
//! So a wait for a snapshot that takes an hour costs a test no time. A snapshot takes 3 s by the
//! domain's clock, unless the builder sets [another time](FakeDomainBuilder::snapshots_take).
//!
//! While [`FakeDomain::hold_snapshots`] is on, snapshots that were started stay `IN_PROGRESS`,
//! however far the clock moves. A snapshot ends when the test turns that off, or calls
//! [`FakeDomain::finish_snapshot`]. Until then a wait polls up to its deadline.
//! [`FakeDomain::hold_restores`] does this for restores.
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
//! * The client has no [`ManualClock`]: its pauses take real time, and meanwhile the domain's time
//!   stands still.
//! * Pauses wait for [`advance`](ManualClock::advance), and no task calls it.
//! * A response never comes. Under a runtime a time limit does not move the clock, so it does not
//!   end by itself. Advance the clock, or run the test in [`ManualClock::block_on`]. There, a
//!   future that can never end panics instead.
//! * In [`ManualClock::block_on`] the domain is not [in process](FakeDomainBuilder::in_process).
//!   Nothing waits for sockets there, so time limits end at once, or it panics.
//!
//! [`FakeDomain::events`] shows the last request, and [`ManualClock::sleeps`] the pauses so far.
//!
//! # Behind the client's back
//!
//! Other clients and operators act through methods of [`FakeDomain`]. They close, hide, write to
//! and delete indices, move shards, restart nodes, elect a master, restore snapshots, and place and
//! damage them. [`Event`] shows each request as it arrived. What the engines show after that, such
//! as a recovery that is gone once its index was closed, was compared with real nodes of
//! Elasticsearch 7.10 and 8.19 and of OpenSearch 1.3, 2.19 and 3.8.
//!
//! # What it is not
//!
//! It is neither an engine nor Amazon:
//!
//! * Nothing is stored. An index has shards and a count of documents, but no documents.
//! * A role is not assumed, and IAM is a few rules.
//! * There is no TLS, HTTP/2 or compression. In process there are no connections at all, so what
//!   depends on them (pools, name resolution, TLS errors) needs sockets.
//! * Date math in names, `human`, `flat_settings`, and a `rename_pattern` with lookaround or
//!   backreferences are refused as unexpected. An unknown query parameter gets no "did you mean".
//! * A path with `.` or `..` as a segment is signed as AWS's signers normalise it, and routed as it
//!   stands.
//!
//! # Stability
//!
//! This module is exempt from semantic versioning. Its items and its responses may change in any
//! release, to follow the engines and the needs of tests.

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
