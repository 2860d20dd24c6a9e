//! Determines the cause of a failed call, and what helps. [docs/errors.md] has all rows.
//!
//! [docs/errors.md]: https://docs.rs/crate/es-snapshot/latest/source/docs/errors.md

mod canonical;
mod cause;
mod context;
mod rows;
mod seen;

use std::fmt;

use serde::Serialize;

use super::{Error, ErrorKind, Operation, Outcome, ServerLayer};
pub use cause::{Basis, Cause};
pub(crate) use context::{Context, Storage};
use seen::Seen;

/// The cause of a failed call, and what helps.
///
/// [`Error::diagnosis`] returns it. It has the parts of [Elasticsearch's health
/// report](https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-health-report):
/// symptom, impact, cause and action. [docs/errors.md] lists all causes.
///
/// The texts are for people, and may change. Programs should match on [`cause`](Self::cause). No
/// text contains a secret.
///
/// ```
/// use es_snapshot::SnapshotClient;
/// use es_snapshot::error::Cause;
/// use es_snapshot::testing::{response, transport_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// let reason = "no permissions for [cluster:admin/snapshot/get] and User \
///     [name=arn:aws:iam::123456789012:role/Backup, backend_roles=[], requestedTenant=null]";
/// let refusal = format!(r#"{{"error":{{"type":"security_exception","reason":"{reason}"}}}}"#);
/// let transport = transport_fn(move |_| Ok(response(403, refusal.clone())));
/// let client = SnapshotClient::builder("https://search.example.org").transport(transport).build()?;
///
/// let error = client.repository("backups")?.list(Default::default()).await.unwrap_err();
/// let diagnosis = error.diagnosis().unwrap();
/// assert_eq!(diagnosis.cause(), Cause::CallerNotMapped);
/// assert!(diagnosis.action().contains("arn:aws:iam::123456789012:role/Backup"));
/// eprintln!("{diagnosis}");
/// # Ok(())
/// # }
/// ```
///
/// [docs/errors.md]: https://docs.rs/crate/es-snapshot/latest/source/docs/errors.md
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    cause: Cause,
    basis: Basis,
    symptom: String,
    impact: String,
    explanation: String,
    action: String,
}

impl Diagnosis {
    /// Returns the cause.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Returns what failed, and who reported it.
    #[must_use]
    pub fn symptom(&self) -> &str {
        &self.symptom
    }

    /// Returns what the failure means for the snapshot, restore or repository.
    #[must_use]
    pub fn impact(&self) -> &str {
        &self.impact
    }

    /// Returns the cause in one sentence.
    #[must_use]
    pub fn explanation(&self) -> &str {
        &self.explanation
    }

    /// Returns what to do.
    ///
    /// It names roles, actions, Regions and requests of the failed call where they are known.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Returns how well the diagnosis is supported.
    #[must_use]
    pub fn basis(&self) -> Basis {
        self.basis
    }
}

/// Shows symptom, impact, cause and action, one line each.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { symptom, impact, explanation, action, .. } = self;
        write!(f, "symptom: {symptom}\nimpact: {impact}\ncause: {explanation}\naction: {action}")
    }
}

impl Error {
    /// Returns the cause of the failure and what helps, if this crate knows them.
    ///
    /// The cause is determined from the operation, the HTTP status, the layer that wrote the
    /// response, the server's error type and fixed phrases of its text. Names that a user chose are
    /// not compared with these phrases. `None` if the cause is not known.
    ///
    /// ```
    /// use es_snapshot::error::Cause;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// let error = client.repository("nightly")?.info().await.unwrap_err();
    ///
    /// let diagnosis = error.diagnosis().unwrap();
    /// assert_eq!(diagnosis.cause(), Cause::RepositoryMissing);
    /// assert!(diagnosis.action().contains("nightly"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn diagnosis(&self) -> Option<Diagnosis> {
        let seen = Seen::of(self);
        let row = rows::all().find(|row| row.matches(&seen))?;
        Some(Diagnosis {
            cause: row.cause,
            basis: row.basis,
            symptom: symptom(self, &seen),
            impact: seen.sentence(impact(self)),
            explanation: seen.sentence(row.why),
            action: seen.sentence(row.action),
        })
    }
}

impl Error {
    /// Returns the Region of the bucket, if the storage reported it.
    pub(crate) fn region_of_bucket(&self) -> Option<String> {
        Seen::of(self).region_of_bucket().map(str::to_owned)
    }
}

fn symptom(error: &Error, seen: &Seen<'_>) -> String {
    let what = error.operation().map_or("the request", Operation::as_str);
    let place = seen.host().map(|host| format!(" on {host}")).unwrap_or_default();
    let how = match error.server() {
        Some(server) => format!("HTTP {} from {}", server.status(), author(server.layer())),
        None => error.kind().words().to_owned(),
    };
    format!("{what} failed{place}: {how}")
}

fn author(layer: ServerLayer) -> &'static str {
    match layer {
        ServerLayer::Policy => "Amazon's check of policies and supported operations",
        ServerLayer::Signature => "Amazon's check of signatures",
        ServerLayer::Engine => "the server",
        ServerLayer::Authentication => "the server's security plugin",
        ServerLayer::Gateway => "a load balancer or proxy",
    }
}

/// Whether the storage may have refused the server after it had registered the repository.
fn is_refused_by_storage(error: &Error) -> bool {
    let by_role = || error.server().is_some_and(|server| server.status() >= 500);
    match error.kind() {
        ErrorKind::RepositoryVerification => true,
        ErrorKind::AccessDenied => by_role(),
        _ => false,
    }
}

/// What the failure means, by the operation and its outcome.
fn impact(error: &Error) -> &'static str {
    let is_unknown = error.outcome() == Outcome::Unknown;
    let Some(operation) = error.operation() else {
        return if error.kind() == ErrorKind::Incomplete {
            "some data is not in {snapshot}"
        } else {
            "nothing was sent"
        };
    };
    match operation {
        Operation::RegisterRepository if is_refused_by_storage(error) => {
            "{repository} may be registered, but the nodes cannot use it"
        }
        Operation::RegisterRepository if is_unknown => "{repository} may be registered",
        Operation::RegisterRepository => "{repository} was not registered or changed",
        Operation::UnregisterRepository if is_unknown => "{repository} may be unregistered",
        Operation::UnregisterRepository => "{repository} was not unregistered",
        Operation::CleanUpRepository if is_unknown => "files may have been removed from {repository}",
        Operation::CleanUpRepository => "nothing was removed from {repository}",
        Operation::VerifyRepository => "the nodes may not be able to use {repository}",
        Operation::CreateSnapshot | Operation::CloneSnapshot if is_unknown => "{snapshot} may have been started",
        Operation::CreateSnapshot | Operation::CloneSnapshot => "{snapshot} was not started",
        Operation::DeleteSnapshot if is_unknown => "{snapshot} may have been deleted",
        Operation::DeleteSnapshot => "{snapshot} was not deleted",
        Operation::RestoreSnapshot if error.kind() == ErrorKind::Incomplete => "some shards were not restored",
        Operation::RestoreSnapshot if is_unknown => "the restore of {snapshot} may be running",
        Operation::RestoreSnapshot => "nothing of {snapshot} was restored",
        Operation::Raw if is_unknown => "the request may have been carried out",
        Operation::Raw => "the request had no effect",
        _ => "nothing could be read",
    }
}
