//! The report of an examination: checks, each with its status, evidence and remedy.

use std::fmt;

use serde::Serialize;

use super::text::shown;
use crate::error::{Cause, Error};
use crate::text::named_values;

named_values! {
    /// What a check examines. [The module](super) lists when each passes.
    ///
    /// ```
    /// use es_snapshot::doctor::CheckId;
    ///
    /// assert_eq!(CheckId::NewestSnapshot.as_str(), "newest_snapshot");
    /// ```
    pub enum CheckId, "newest_snapshot" {
        /// The name of the host resolves, and the server responds.
        Endpoint = "endpoint",
        /// The connection is encrypted, and the certificate is trusted.
        Tls = "tls",
        /// The clocks of this machine and of the domain agree.
        Clock = "clock",
        /// There are credentials, and the domain accepts them.
        Credentials = "credentials",
        /// The domain accepts the client's signatures.
        Signature = "signature",
        /// The server and its version.
        Server = "server",
        /// The user that the security plugin assigns to the caller.
        Signer = "signer",
        /// The caller may list repositories.
        Repositories = "repositories",
        /// No two writable repositories of the domain share their storage.
        SharedStorage = "shared_storage",
        /// Which snapshots are running.
        RunningSnapshots = "running_snapshots",
        /// The settings of a repository make sense on this domain.
        RepositorySettings = "repository_settings",
        /// The server can list the snapshots of a repository.
        SnapshotList = "snapshot_list",
        /// The nodes can write to a repository and read from it.
        Verification = "verification",
        /// The newest snapshot of a repository is complete and recent.
        NewestSnapshot = "newest_snapshot",
    }
}

named_values! {
    /// The result of a check, from the least to the most severe.
    ///
    /// ```
    /// use es_snapshot::doctor::Status;
    ///
    /// assert!(Status::Skipped < Status::Pass && Status::Pass < Status::Warn && Status::Warn < Status::Fail);
    /// ```
    pub enum Status, "warn" {
        /// The check was not made. The evidence contains the reason.
        Skipped = "skipped",
        /// The check found no problem.
        Pass = "pass",
        /// Something is unusual or may fail later.
        Warn = "warn",
        /// Something does not work.
        Fail = "fail",
    }
}

/// One check of a [`Report`].
///
/// Programs should match on [`id`](Self::id), [`status`](Self::status) and [`cause`](Self::cause).
/// The texts are for people, and may change. No text contains a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    id: CheckId,
    repository: Option<String>,
    status: Status,
    cause: Option<Cause>,
    evidence: String,
    remedy: Option<String>,
}

impl Check {
    fn new(id: CheckId, status: Status, evidence: impl Into<String>) -> Self {
        Self { id, repository: None, status, cause: None, evidence: evidence.into(), remedy: None }
    }

    pub(super) fn skipped(id: CheckId, reason: impl Into<String>) -> Self {
        Self::new(id, Status::Skipped, reason)
    }

    pub(super) fn pass(id: CheckId, evidence: impl Into<String>) -> Self {
        Self::new(id, Status::Pass, evidence)
    }

    pub(super) fn warn(id: CheckId, evidence: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..Self::new(id, Status::Warn, evidence) }
    }

    pub(super) fn fail(id: CheckId, evidence: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status: Status::Fail, ..Self::warn(id, evidence, remedy) }
    }

    /// A check whose request failed. The diagnosis of the error supplies cause and remedy.
    pub(super) fn of_error(id: CheckId, failure: &Error) -> Self {
        let what = failure.report().replace("\ncaused by: ", "; caused by: ");
        match failure.diagnosis() {
            Some(diagnosis) => {
                let evidence = format!("{} ({what})", diagnosis.explanation());
                Self::fail(id, evidence, diagnosis.action()).with_cause(diagnosis.cause())
            }
            None if failure.is_transient() => Self::fail(id, what, "Examine again later: the failure may be temporary"),
            None => Self::fail(id, what, "Read the evidence: the cause of this failure is not known"),
        }
    }

    pub(super) fn with_cause(self, cause: Cause) -> Self {
        Self { cause: Some(cause), ..self }
    }

    /// Adds a clause to the remedy.
    pub(super) fn with_advice(mut self, advice: &str) -> Self {
        self.remedy = Some(self.remedy.map_or_else(|| advice.to_owned(), |remedy| format!("{remedy}; {advice}")));
        self
    }

    pub(super) fn of_repository(self, name: &str) -> Self {
        Self { repository: Some(name.to_owned()), ..self }
    }

    /// Returns what was examined.
    #[must_use]
    pub fn id(&self) -> CheckId {
        self.id
    }

    /// Returns the repository that was examined, as the server wrote its name.
    ///
    /// `None` if the check concerns the whole domain.
    #[must_use]
    pub fn repository(&self) -> Option<&str> {
        self.repository.as_deref()
    }

    /// Returns the result.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Returns the cause of a failed request, if this crate knows it.
    ///
    /// It is that of [`Error::diagnosis`](crate::Error::diagnosis).
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// Returns what was found, or why the check was skipped.
    #[must_use]
    pub fn evidence(&self) -> &str {
        &self.evidence
    }

    /// Returns what to do. `None` if the check found no problem.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }
}

/// Shows the check on one line, and its remedy on the next.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8}{}", self.status, self.id)?;
        if let Some(repository) = &self.repository {
            write!(f, " of {}", shown(repository))?;
        }
        write!(f, ": {}", self.evidence)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n        remedy: {remedy}"),
            None => Ok(()),
        }
    }
}

/// The result of [`examine`](super::examine): the checks, in the order in which they were made.
///
/// `Display` shows one check after the other. The serialised form is
/// `{"endpoint":…,"checks":[…]}`, and a check is
/// `{"id":…,"repository":…,"status":…,"cause":…,"evidence":…,"remedy":…}`. `repository`, `cause`
/// and `remedy` may be null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use = "the report shows whether there are problems"]
pub struct Report {
    endpoint: String,
    checks: Vec<Check>,
}

impl Report {
    pub(super) fn new(endpoint: String, checks: Vec<Check>) -> Self {
        Self { endpoint, checks }
    }

    /// Returns the endpoint that was examined.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Returns all checks, also those that were skipped.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Returns the checks that warn or fail.
    pub fn problems(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.status >= Status::Warn)
    }

    /// Returns the most severe status, for example for the exit code of a program.
    #[must_use]
    pub fn worst(&self) -> Status {
        self.checks.iter().map(Check::status).max().unwrap_or(Status::Skipped)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.endpoint)?;
        self.checks.iter().try_for_each(|check| write!(f, "\n{check}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_serialises_under_the_name_that_it_displays() {
        for id in CheckId::ALL {
            assert_eq!(serde_json::to_value(id).unwrap(), id.as_str());
        }
    }

    #[test]
    fn the_docs_list_each_check() {
        for id in CheckId::ALL {
            assert!(include_str!("mod.rs").contains(&format!("//! | `{id}` |")), "{id}");
        }
    }

    #[test]
    fn the_worst_status_of_a_report_is_that_of_its_most_severe_check() {
        let pass = Check::pass(CheckId::Tls, "");
        let skipped = Check::skipped(CheckId::Signer, "");
        let warn = Check::warn(CheckId::Clock, "", "");
        let fail = Check::fail(CheckId::Endpoint, "", "");
        let worst =
            |checks: &[&Check]| Report::new(String::new(), checks.iter().map(|&check| check.clone()).collect()).worst();

        assert_eq!(worst(&[&pass, &skipped]), Status::Pass);
        assert_eq!(worst(&[&warn, &pass]), Status::Warn);
        assert_eq!(worst(&[&pass, &fail, &warn]), Status::Fail);
        assert_eq!(worst(&[]), Status::Skipped);
    }

    #[test]
    fn a_report_shows_each_check_on_a_line_and_its_remedy_below() {
        let checks = vec![
            Check::pass(CheckId::Tls, "The certificate is trusted"),
            Check::warn(CheckId::NewestSnapshot, "It is old", "Take one").of_repository("a\nb"),
        ];

        let text = Report::new("https://example.org".to_owned(), checks).to_string();

        let expected = "https://example.org\npass    tls: The certificate is trusted\n\
                        warn    newest_snapshot of \"a\\nb\": It is old\n        remedy: Take one";
        assert_eq!(text, expected);
    }
}
