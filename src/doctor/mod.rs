//! Examines a domain and its repositories: a checklist that changes no setting and no snapshot.
//!
//! [`examine`] runs the checks that an operator runs when snapshots fail, or before one is needed.
//! It returns a [`Report`], which can be printed and serialised. A failed check is not
//! an error: it is a line of the report, with its evidence and its remedy.
//!
//! ```
//! use es_snapshot::doctor::{self, CheckId, Examination, Status};
//! # use es_snapshot::CreateSnapshot;
//! # use es_snapshot::testing::FakeDomain;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), es_snapshot::Error> {
//! # let domain = FakeDomain::with_repository("backups").await;
//! # let client = domain.client();
//! # let started = client.repository("backups")?.create_snapshot("monday", CreateSnapshot::new()).await?;
//! # started.wait().await?;
//! let report = doctor::examine(&client, &Examination::new()).await;
//! println!("{report}");
//! assert_eq!(report.worst(), Status::Pass);
//!
//! domain.deny("es:ESHttpGet");
//! let report = doctor::examine(&client, &Examination::new()).await;
//! let problems: Vec<CheckId> = report.problems().map(|check| check.id()).collect();
//! assert_eq!(problems, [CheckId::Repositories]);
//! # Ok(())
//! # }
//! ```
//!
//! # The checks
//!
//! | check | passes if | otherwise |
//! | --- | --- | --- |
//! | `endpoint` | the name resolves, a connection is made, and the server responds to `GET /` | fails |
//! | `tls` | the connection is encrypted, and the certificate is trusted and valid for the name | fails; warns for `http://` to another machine; skipped for `http://` to this machine |
//! | `clock` | this machine's clock and the domain's differ by 60 s or less | warns; fails if signatures are refused |
//! | `credentials` | the provider returns credentials, and the domain accepts them | fails; warns if they have expired or could not be renewed |
//! | `signature` | the domain accepts a signed request | fails |
//! | `server` | the crate supports the version | warns |
//! | `signer` | the security plugin returns the name and the roles of the user | skipped without a security plugin |
//! | `repositories` | the caller may list repositories, and the repository to examine, if one is set, is registered | fails; warns if none is registered |
//! | `shared_storage` | no two writable repositories of the domain have the same bucket and base path, or the same folder | fails |
//! | `running_snapshots` | no snapshot is running | warns |
//! | `repository_settings` | the settings fit this domain | warns |
//! | `snapshot_list` | the server can list and read the snapshots | fails: such a repository can also block a version upgrade |
//! | `verification` | every node can write to the repository and read from it | fails; skipped for a read-only repository |
//! | `newest_snapshot` | the newest snapshot is complete and recent | warns |
//!
//! The last four checks run for each repository. On Amazon domains, the repositories of the
//! service, whose names start with `cs-`, are examined only if [`Examination::with_repository`]
//! names one. On all domains, `repository_settings` warns about settings that cannot work, and
//! about secrets. On Amazon domains it also warns about a missing `role_arn`, a type other than
//! `s3`, and a `region` or `endpoint` that does not fit ([Amazon's guide]).
//!
//! If a check fails, those that depend on it are skipped, so one fault causes one problem. A check
//! is also skipped if the domain refuses its request (Amazon may refuse the verification), or if
//! the responses do not show what it needs. The evidence contains the reason.
//!
//! The settings of other domains cannot be read from this one. If two domains write to one bucket
//! and base path, the server may detect it. `snapshot_list` then fails with
//! [`Cause::RepositoryChangedByOthers`](crate::error::Cause::RepositoryChangedByOthers), and the
//! remedy is `readonly` on all domains except one.
//!
//! # Requests
//!
//! All requests are reads, except that the verification makes each node write a small file to the
//! bucket and delete it again ([verify API]). [`Examination::with_verify`] turns it off.
//!
//! There are at most 5 requests for the domain, and 2 for each of at most 50 repositories, one
//! after the other. A retried request counts once. Listings are read as streams, so the memory does
//! not depend on their length. If the server cannot list the snapshots of a repository in one
//! response, the client reads their names, and then up to 20 of them one by one, with at most 41
//! more requests. The client's [`Timeouts`](crate::Timeouts) limit each request.
//!
//! [Amazon's guide]:
//! https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshot-registerdirectory.html
//! [verify API]:
//! https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-snapshot-verify-repository

mod domain;
mod facts;
mod report;
mod repository;
mod text;

use std::time::Duration;

pub use report::{Check, CheckId, Report, Status};

use crate::client::SnapshotClient;
use crate::name::RepositoryName;

/// What [`examine`] checks, and what it expects.
///
/// ```
/// use std::time::Duration;
///
/// use es_snapshot::doctor::Examination;
///
/// let weekly = Duration::from_secs(8 * 24 * 60 * 60);
/// let examination = Examination::new()
///     .with_repository("backups".parse()?)
///     .with_verify(false)
///     .with_max_age(weekly);
/// # let _ = examination;
/// # Ok::<(), es_snapshot::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    repository: Option<RepositoryName>,
    verify: bool,
    max_age: Duration,
}

impl Default for Examination {
    fn default() -> Self {
        Self { repository: None, verify: true, max_age: Duration::from_secs(25 * 60 * 60) }
    }
}

impl Examination {
    /// Returns an examination of the domain and of its own repositories.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Examines only this repository. Default: the first 50 by name, without Amazon's.
    #[must_use]
    pub fn with_repository(mut self, name: RepositoryName) -> Self {
        self.repository = Some(name);
        self
    }

    /// Sets whether the nodes verify writable repositories, which writes test files. Default: true.
    #[must_use]
    pub fn with_verify(mut self, verify: bool) -> Self {
        self.verify = verify;
        self
    }

    /// Sets how old the newest complete snapshot may be. Default: 25 h.
    #[must_use]
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }
}

/// Examines a domain and its repositories, and returns what was found.
///
/// [The module](self) lists the checks and the requests. A problem is not an error, but a check of
/// the report: [`Report::worst`] and [`Report::problems`] show whether there are any.
///
/// # Cancel safety
///
/// If the future is dropped, the client stops. The server still finishes a verification that has
/// begun, and deletes its files.
///
/// # Examples
///
/// ```
/// use es_snapshot::doctor::{self, CheckId, Examination, Status};
/// # use es_snapshot::testing::FakeDomain;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// # let client = FakeDomain::with_repository("backups").await.client();
/// let examination = Examination::new().with_repository("nightly".parse()?);
/// let report = doctor::examine(&client, &examination).await;
///
/// assert_eq!(report.worst(), Status::Fail);
/// for check in report.problems() {
///     assert_eq!(check.id(), CheckId::Repositories);
///     println!("{}: {}", check.evidence(), check.remedy().unwrap_or_default());
/// }
/// # Ok(())
/// # }
/// ```
pub async fn examine(client: &SnapshotClient, examination: &Examination) -> Report {
    let facts = facts::gather(client, examination).await;
    let mut checks = domain::checks(&facts, examination);
    checks.extend(repository::checks(&facts, examination));
    Report::new(facts.endpoint.to_string(), checks)
}
