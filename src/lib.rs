//! A typed async client for the snapshot API of Elasticsearch and OpenSearch.
//!
//! It registers snapshot repositories, and it creates, lists, clones, deletes and restores
//! snapshots. It works with Amazon OpenSearch Service domains and with self-managed clusters.
//!
//! * It runs in subnets without internet access. The client needs only the domain and a source of
//!   credentials: it calls no AWS API, and the crate does not link OpenSSL.
//! * It signs requests with AWS Signature Version 4, and it renews temporary credentials.
//! * After a lost response, it determines whether the request took effect. So it does not create a
//!   snapshot twice, and it does not overwrite data with a second restore.
//! * It distinguishes partial snapshots and restores from complete ones.
//!
//! # Getting started
//!
//! ```toml
//! [dependencies]
//! es-snapshot = { version = "0.1", features = ["aws-config"] }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! This program registers a bucket, takes a snapshot and restores it:
//!
//! ```no_run
//! use es_snapshot::{CreateSnapshot, RestoreSnapshot, S3Settings, SnapshotClient};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), es_snapshot::Error> {
//!     let endpoint = "https://vpc-logs-x1y2.ap-northeast-1.es.amazonaws.com";
//!     let client = SnapshotClient::builder(endpoint)
//!         .credentials(es_snapshot::default_credentials().await)
//!         .build()?;
//!
//!     // Register an S3 bucket as a repository.
//!     let backups = client.repository("my-snapshot-repo")?;
//!     let settings = S3Settings::new("my-bucket-4-es")
//!         .with_region("ap-northeast-1")
//!         .with_role_arn("arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot");
//!     backups.register(settings).await?;
//!
//!     // Take a snapshot of one index, and wait until it has ended.
//!     let options = CreateSnapshot::new().with_indices(["movies"]);
//!     let started = backups.create_snapshot("my-first-snapshot", options).await?;
//!     let snapshot = started.wait().await?.into_complete()?;
//!     println!("{} took {:?}", snapshot.name(), snapshot.duration());
//!
//!     // Restore it beside the index in use, under another name.
//!     let options = RestoreSnapshot::new().with_rename_prefix("restored-");
//!     let restore = backups.snapshot("my-first-snapshot")?.restore(options).await?;
//!     restore.wait().await?.into_complete()?;
//!     Ok(())
//! }
//! ```
//!
//! For a cluster with a password, use [`auth`](SnapshotClientBuilder::auth) with [`Auth::basic`]
//! instead of credentials. To try the crate without a cluster, enable the feature `testing` and use
//! `testing::FakeDomain`. The other examples in these docs use it, mostly in lines that are not
//! shown.
//!
//! # Terms
//!
//! | term | meaning |
//! | --- | --- |
//! | domain | what a client talks to: an Amazon OpenSearch Service domain or a self-managed cluster, with all gateways in front of it |
//! | server | the software that runs in the domain: Elasticsearch or OpenSearch |
//! | repository | the place where a server stores snapshots, such as an S3 bucket; it is registered under a name |
//! | operation | a snapshot, clone, deletion or restore that the server carries out after a request has started it. The enum [`Operation`](error::Operation) has a variant for every request, also for reads |
//! | lost response | a request was sent, and no usable response arrived, so the request may have been carried out |
//! | [token](snapshot::SnapshotToken) | a text in a snapshot's metadata, by which a client recognises the snapshot that it has created |
//! | adopt | to find that an earlier request has already started the operation, and to return success |
//! | [outcome](Outcome) | what is known about a request after an error: it was not sent, it had no effect, or nobody knows |
//! | [ticket](Ticket) | data that identifies an operation; it can be stored, and read back by another process |
//! | [wait](Wait) | an object that polls the server until an operation has ended; awaiting it returns the result |
//!
//! # Modules
//!
//! | module | contains |
//! | --- | --- |
//! | [`client`] | [`SnapshotClient`] and its handles [`Repository`] and [`Snapshot`], which have a method for each operation |
//! | [`repository`] | settings for [`Repository::register`], and descriptions of registered repositories |
//! | [`registration`] | [`EnsureRegistered`](registration::EnsureRegistered), a registration that verifies, waits for new permissions, and overwrites nothing |
//! | [`snapshot`] | options for creating, cloning and listing snapshots, and [`SnapshotInfo`], which describes one |
//! | [`restore`] | options for restores, [`RestoreReport`], and recoveries of shards |
//! | [`wait`] | [`Wait`], the progress of an operation, and tickets |
//! | [`name`] | validated names and patterns |
//! | [`auth`] | credentials and their cache, AWS signatures, and passwords |
//! | [`doctor`] | an examination of a domain: a checklist with evidence and remedies |
//! | [`guide`] | the whole procedure, from an empty AWS account to a restored index |
//! | [`iam`] | the IAM documents of a manual snapshot, generated |
//! | [`error`] | [`Error`], its kinds and outcomes, and the server's response |
//! | [`transport`] | the HTTP transport, and the trait for a transport of your own |
//! | [`clock`] | the clock that the client uses for time and pauses |
//! | `testing` | a fake domain and a manual clock for your own tests (feature `testing`) |
//!
//! # Features
//!
//! | feature | default | adds |
//! | --- | --- | --- |
//! | `webpki-roots` | yes | `HyperTransport`, with Mozilla's certificate authorities compiled in |
//! | `native-roots` | no | `HyperTransport`, with the certificate authorities of the operating system |
//! | `hyper` | yes, through `webpki-roots` | `HyperTransport` itself: hyper, TLS by rustls and ring, a connection pool, gzip |
//! | `aws-config` | no | `default_credentials()`, which is the default chain of the AWS SDK, and the use of an `SdkConfig` |
//! | `date-math` | no | `name::DateMathName`, for snapshot names such as `<nightly-{now/d}>` |
//! | `testing` | no | the module `testing` |
//!
//! Features are additive. Without `hyper` the crate has no default transport, and
//! [`SnapshotClientBuilder::transport`] must set one.
//!
//! The crate needs Rust 1.94.1 or later. It supports Elasticsearch 7.10 and later, and OpenSearch
//! 1, 2 and 3.
//!
//! # How failures are handled
//!
//! **Retries.** A failed request is sent again if it was certainly not carried out. Reads and
//! registrations are also sent again if they may have been carried out, because repeating them does
//! no harm. [`RetryPolicy`] lists every case, and [`Timeouts`] limits each call.
//!
//! **Lost responses.** A create, clone, delete or restore is never repeated blindly. After a lost
//! response, the client checks the domain to determine whether the request took effect:
//!
//! * It took effect: the call succeeds.
//! * It had no effect: the client sends the request again, up to twice.
//! * The client cannot determine it in time: the call fails, and [`Error::outcome`] returns
//!   [`Outcome::Unknown`].
//!
//! [`Repository::create_snapshot`], [`Snapshot::delete`], [`Snapshot::clone_to`] and
//! [`Snapshot::restore`] describe what they check.
//! [`RetryPolicy`](RetryPolicy#after-a-lost-response) has the rules that they share.
//!
//! **Incomplete results.** A snapshot or a restore can end without some of its shards. A [`Wait`]
//! returns such a result like any other. [`SnapshotInfo::into_complete`] and
//! [`RestoreReport::into_complete`] turn it into an error.
//!
//! **Errors.** Every call returns the same [`Error`]. Match on its [`kind`](Error::kind) for the
//! cause. [`Error::is_transient`] returns whether the same call may succeed later.
//! [`Error::is_safe_to_repeat`] returns whether repeating it does no harm. If an operation may have
//! been started, [`Error::ticket`] identifies it:
//!
//! ```
//! use es_snapshot::{CreateSnapshot, ErrorKind, Outcome};
//! # use es_snapshot::testing::FakeDomain;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), es_snapshot::Error> {
//! # let client = FakeDomain::with_repository("backups").await.client();
//! # let backups = client.repository("backups")?;
//! match backups.create_snapshot("monday", CreateSnapshot::new()).await {
//!     Ok(started) => println!("started {}", started.ticket().snapshot()),
//!     Err(error) if error.kind() == ErrorKind::SnapshotNameTaken => println!("monday exists"),
//!     Err(error) if error.outcome() == Outcome::Unknown => {
//!         // The snapshot may have been started. Check again later.
//!         if let Some(ticket) = error.ticket() {
//!             println!("{:?}", client.check(ticket.clone()).await?);
//!         }
//!     }
//!     Err(error) => return Err(error),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Security
//!
//! * **Names** are validated before anything is sent. A repository, snapshot or index name cannot
//!   direct a request to another path. Wildcards and lists are accepted only where a pattern is
//!   expected.
//! * **Signatures** cover the bytes that are sent. Each attempt gets its own signature, made with
//!   the current credentials and the domain's time.
//! * **Credentials** are not sent over `http://` to a host other than this machine, unless [you
//!   allow it](SnapshotClientBuilder::danger_send_credentials_unencrypted). The client does not
//!   follow redirects.
//! * **Secrets** do not appear in `Debug` output, errors or events. The client removes them from
//!   the server's error texts too.
//! * **Memory** for a response is proportional to its size, and
//!   [`max_response_bytes`](SnapshotClientBuilder::max_response_bytes) limits that size, except for
//!   streams.
//!
//! # Recipes
//!
//! Each recipe is the core of a complete program. The programs are in the folder `examples` of the
//! source code.
//!
//! ## Handle requests that can be dropped
//!
//! A web framework drops a handler when its caller disconnects, and a process can be killed at any
//! time. The server still carries out the requests that it has received. So choose the name and the
//! [token](snapshot::SnapshotToken) of the snapshot first, and store both as a
//! [`SnapshotTicket`](wait::SnapshotTicket). A later call with the same name and token adopts the
//! snapshot that the first call started, and starts no second one.
//!
//! For a restore, store what [`Snapshot::prepare_restore`] returns. If the call only has to outlive
//! the handler, `tokio::spawn` is enough.
//!
//! Program: `backup_service`.
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
//! // The handler is dropped while the call waits for a response.
//! let options = CreateSnapshot::new().with_token(token);
//! let _ = backups.create_snapshot("monday", options.clone()).now_or_never();
//!
//! // The caller tries again. This may be another process, which reads the ticket.
//! let ticket: SnapshotTicket = serde_json::from_str(&stored)?;
//! let started = backups.create_snapshot(ticket.snapshot(), options).await?;
//! assert_eq!(started.how(), HowStarted::Adopted);
//! client.resume(ticket).await?.into_complete()?;
//! # assert_eq!(domain.snapshots("backups").len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! ## Take a snapshot every night
//!
//! Name the snapshot by the date, and derive the token from the name. Then every run of one night
//! uses the same token. A run that is started again after a crash adopts the snapshot of the
//! crashed run.
//!
//! * [`with_queue_time`](Repository::with_queue_time) retries while another operation is running.
//! * [`with_deadline`](Wait::with_deadline) ends the wait before the next night.
//! * [`into_complete`](SnapshotInfo::into_complete) makes a partial snapshot an error. So old
//!   snapshots are deleted only after a complete one.
//!
//! Names by date need the feature `date-math`.
//!
//! Program: `nightly_job`.
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
//! ## Share resources among many clients
//!
//! Clients of many domains can share three things:
//!
//! * a transport, with its connection pool;
//! * a [`CredentialCache`](auth::CredentialCache), which renews the credentials once for all
//!   clients;
//! * a [`RetryBudget`](client::RetryBudget), which limits the retries of all clients together.
//!
//! Each of them is cheap to clone. Run the calls concurrently and keep every result, so that the
//! error of one domain does not hide the results of the others.
//!
//! Program: `fleet`.
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
//! Every future and every stream may be dropped at any time. The client remains usable. The server
//! still carries out a request that it has received: dropping a future cancels nothing there. The
//! methods describe what the server may have done by then.
//!
//! # Observability
//!
//! The crate emits [`tracing`](https://docs.rs/tracing) spans and events. They contain no bodies,
//! no headers and no secrets. Use them for metrics, such as counters and the age of the last
//! complete snapshot:
//!
//! | span or event | level | fields |
//! | --- | --- | --- |
//! | span `es_snapshot.operation`: a create, clone, restore or delete, with all its requests and checks | info | `operation`, `repository`, `snapshot`, `sends` (how often the request was sent), `outcome` |
//! | span `es_snapshot.call`: one request with its attempts | debug | `operation`, `repository`, `snapshot`, `attempts`, `outcome` |
//! | event `repeating a request` | info | `attempt`: which attempt failed; `reason`; `wait_ms`: the pause before the next one |
//! | event `checked the domain after a lost response` | info | `sighting`: what the check found, see the next table |
//! | event `another operation is running` | info | `wait_ms`: the pause before the next try |
//! | event `registering a repository again`, from [`Repository::ensure_registered`] | info | `kind`: the failure; `wait_ms`: the pause before the next try |
//! | event `registering a repository in another Region`, from [`Repository::ensure_registered`] | info | |
//! | event `snapshot ended`, from a wait | info | `repository`, `snapshot`, `state`, `ended_ms` (milliseconds since 1970) |
//! | event `credentials could not be renewed` | warn | `kept`: whether a valid key remains; `error`: the provider's error and its causes |
//! | event `some of the system's roots could not be read` (feature `native-roots`) | warn | `error` |
//!
//! The field `operation` is [`Operation::as_str`](error::Operation::as_str). The field `outcome` is
//! `done` or the variant of [`ErrorKind`], such as `SnapshotMissing`. The field `sighting` is one
//! of:
//!
//! | sighting | what the check found | what follows |
//! | --- | --- | --- |
//! | `Happened` | the request took effect | the call succeeds |
//! | `Foreign` | another client's snapshot has the name | the call fails |
//! | `Nothing` | proof that the request had no effect so far | further checks; then the request may be sent again |
//! | `Barred` | the same proof, but sending again could do harm | further checks |
//! | `Unseen` | no sign of the request, but also no proof | further checks |
//! | `Unclear` | a change that may have another cause | further checks; the call fails after five in a row |
//! | `Blind` | no usable response to the check | further checks |
//! | `Denied` | the check was refused | further checks; the call fails after five in a row |
//!
//! Events of level debug are not listed here. They show attempts, and polls and checks that failed.
//!
//! # Stability
//!
//! The crate follows [Semantic Versioning](https://semver.org/spec/v2.0.0.html). Its public types
//! include types of `http`, `http-body`, `bytes`, `serde`, `serde_json`, `futures-core` and
//! `aws-credential-types`, and with the feature `aws-config` of `aws-types`. A new major version of
//! one of them is a breaking change of this crate.
//!
//! The following may change in any release: default values, error texts, spans and events that are
//! not listed above, and the module `testing`.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Not in the manifest, because tests, benches and examples may panic and print.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, clippy::print_stderr)]

mod arn;
pub mod auth;
mod byte_size;
mod call;
pub mod client;
pub mod clock;
mod config;
pub mod doctor;
mod endpoint;
mod entropy;
pub mod error;
pub mod guide;
pub mod iam;
pub mod name;
mod open;
mod pieces;
mod progress;
mod reconcile;
mod region;
pub mod registration;
pub mod repository;
mod request;
pub mod restore;
mod retry;
pub mod snapshot;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
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

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
