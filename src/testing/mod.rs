//! A stand-in of an Amazon domain to test against, and a clock that a test drives. Feature `testing`.
//!
//! [`FakeDomain`] is an HTTP server on loopback. In front it does what Amazon's front end does: it recomputes the signature of
//! each request from the bytes that arrived, knows temporary credentials and their end, refuses what its policy and its
//! allow-list do not let through, and words its refusals as Amazon does. Behind that it keeps repositories, snapshots, indices and
//! restores, and answers as Elasticsearch or OpenSearch of the version that was asked for. [`Fault`] makes requests and answers
//! go wrong; [`ManualClock`] lets hours pass at once.
//!
//! What a test judges by is [`FakeDomain::events`], the log of all that arrived, and the state, such as
//! [`FakeDomain::snapshots`]: not what the client says about itself. A call that the fake does not know is answered with 400 and
//! makes [`FakeDomain::assert_no_unexpected_calls`] panic.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use es_snapshot::testing::{FakeDomain, FakeOutcome, Fault, ManualClock};
//! use es_snapshot::{CreateSnapshot, ErrorKind, RepositoryName, S3Settings, SnapshotClient, SnapshotName};
//!
//! // What a service does each night, and what its test is about.
//! async fn back_up(client: &SnapshotClient, repository: &RepositoryName, name: &SnapshotName) -> Result<(), es_snapshot::Error> {
//!     client.create_snapshot(repository, name, &CreateSnapshot::new().indices(["movies"])).await?;
//!     client.wait_for_snapshot(repository, name).await?.into_complete()?;
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), es_snapshot::Error> {
//! let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
//! let domain = FakeDomain::builder().clock(clock.clone()).snapshots_take(Duration::from_secs(3600)).start().await;
//! domain.create_index("movies", 2);
//! let client = SnapshotClient::builder(domain.endpoint())
//!     .region(domain.region())
//!     .credentials(domain.credentials_provider())
//!     .clock(clock)
//!     .build()?;
//! let repository: RepositoryName = "my-snapshot-repo".parse()?;
//! let role = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot".parse()?;
//! client.register_repository(&repository, &S3Settings::new("my-bucket-4-es").role_arn(role).into()).await?;
//!
//! // The answer to the create is lost, and the domain has an hour's work; neither costs the test any time.
//! domain.fault(Fault::drop_after().on_method("PUT").times(1));
//! back_up(&client, &repository, &"monday".parse()?).await?;
//! assert_eq!(domain.snapshots("my-snapshot-repo").len(), 1);
//!
//! // A shard fails: no backup, and the service has to notice.
//! domain.plan_snapshot(FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 1)] });
//! let error = back_up(&client, &repository, &"tuesday".parse()?).await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Incomplete);
//!
//! domain.assert_no_unexpected_calls();
//! # Ok(())
//! # }
//! ```
//!
//! # Behind the client's back
//!
//! Other clients and operators act through methods of [`FakeDomain`]: they close, hide, write to and delete indices, move shards,
//! restart nodes and restore snapshots. [`Event`] shows each request as it arrived. What the engines show of all that, such as a recovery
//! that is gone once its index was closed, was compared with real nodes of Elasticsearch 7.10 and 8.19, OpenSearch 1.3, 2.19 and 3.8.
//!
//! # What it is not
//!
//! It is no engine and no Amazon: nothing is stored, a role is not assumed, IAM is a few rules, and there is neither TLS, HTTP/2
//! nor compression. Names with date math, `human` and `flat_settings` are refused as unexpected; an unknown query
//! parameter gets no "did you mean". A `rename_pattern` that looks around or back is refused as unexpected. A path with `.` or `..` as a
//! segment is signed as AWS's signers normalise it, and routed as it stands.
//!
//! # Stability
//!
//! This module is exempt from semantic versioning: its items and its answers may change in any release, to follow the engines
//! and the needs of tests.

mod clock;
mod cluster;
mod edge;
mod engine;
mod fake;
mod fault;
mod relay;
mod rest;

pub use clock::ManualClock;
pub use cluster::{FakeDamage, FakeOutcome};
pub use edge::FakeAuth;
pub use engine::Engine;
pub use fake::{Event, FakeCredentials, FakeDomain, FakeDomainBuilder, FakeSnapshot, FakeTransport, Verdict};
pub use fault::Fault;
