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
//! use es_snapshot::testing::{Engine, FakeDomain, Fault, ManualClock};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
//! let domain = FakeDomain::builder().engine(Engine::opensearch("2.19.6")).clock(clock.clone()).start().await;
//! domain.create_index("movies", 2);
//! domain.fault(Fault::drop_after().on_method("PUT").on_path("/_snapshot/").times(1));
//! // … a client with domain.endpoint(), domain.region(), domain.credentials_provider() and the clock does its work …
//! domain.assert_no_unexpected_calls();
//! assert!(domain.events().is_empty());
//! # });
//! ```
//!
//! # What it is not
//!
//! It is no engine and no Amazon: nothing is stored, a role is not assumed, IAM is a few rules, and there is neither TLS, HTTP/2
//! nor compression. Names with date math, `filter_path`, `human` and `flat_settings` are refused as unexpected; an unknown query
//! parameter gets no "did you mean". `rename_pattern` takes letters and one group `(.+)` or `(.*)`. A path with `.` or `..` as a
//! segment is signed as AWS's signers normalise it, and routed as it stands.
//!
//! # Stability
//!
//! This module is exempt from semantic versioning: its items and its answers may change in any release, to follow the engines
//! and the needs of tests.

mod clock;
mod edge;
mod engine;
mod fake;
mod fault;
mod relay;
mod rest;

pub use clock::ManualClock;
pub use edge::FakeAuth;
pub use engine::{Engine, FakeOutcome};
pub use fake::{Event, FakeCredentials, FakeDomain, FakeDomainBuilder, FakeSnapshot, Verdict};
pub use fault::Fault;
