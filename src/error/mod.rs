//! The error type of this crate: what failed, and whether the request was carried out.
//!
//! Every call of the client returns an [`Error`] if it fails. [`Error::kind`] shows what failed.
//! Use [`Error::is_transient`] and [`Error::is_safe_to_repeat`] to decide whether to call again.
//!
//! ```
//! use es_snapshot::{Error, ErrorKind};
//!
//! /// Returns what a backup job does after an error.
//! fn next_step(error: &Error) -> &'static str {
//!     match error.kind() {
//!         ErrorKind::SnapshotNameTaken => "choose another name",
//!         _ if error.is_transient() => "call again later",
//!         _ if !error.is_safe_to_repeat() => "check the domain before calling again",
//!         _ => "stop, and report the error",
//!     }
//! }
//! # let error = "Not Lower".parse::<es_snapshot::name::SnapshotName>().unwrap_err();
//! # assert_eq!(next_step(&error), "stop, and report the error");
//! ```
//!
//! [`Error::diagnosis`] explains a failure to people: its cause, and what helps.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::progress::Progress;
use crate::ticket::Ticket;

mod body;
mod classify;
mod diagnosis;
mod kind;
mod scrub;
mod server;

pub(crate) use body::ERROR_BODY;
pub(crate) use classify::Failure;
pub use diagnosis::{Basis, Cause, Diagnosis};
pub(crate) use diagnosis::{Context, Storage};
pub use kind::{ErrorKind, Operation, Outcome};
use scrub::one_line;
pub(crate) use scrub::{cleaned, quoted};
pub(crate) use server::FailedResponse;
pub use server::{ErrorType, ServerError, ServerLayer};

/// The longest text that an error shows, in bytes.
const LINE: usize = 2048;

/// The error of a failed call.
///
/// In these docs, the server is Elasticsearch or OpenSearch. The domain is the Amazon domain or the
/// cluster that it runs in, with all gateways in front of it ([terms](crate#terms)).
///
/// | question | method |
/// | --- | --- |
/// | What failed? | [`kind`](Self::kind), [`operation`](Self::operation) |
/// | Was the request carried out? | [`outcome`](Self::outcome) |
/// | May the caller repeat the call? | [`is_transient`](Self::is_transient), [`is_safe_to_repeat`](Self::is_safe_to_repeat) |
/// | What did the server respond? | [`server`](Self::server) |
/// | Why did it fail, and what helps? | [`diagnosis`](Self::diagnosis) |
/// | How can the caller resume what was started? | [`ticket`](Self::ticket) |
/// | What should a log show? | [`report`](Self::report) |
///
/// # Texts
///
/// `Display` shows the error on one line of at most 2 KiB, with control characters escaped. It does
/// not show the causes. [`source`](std::error::Error::source) returns the next cause, and
/// [`report`](Self::report) returns all of them.
///
/// No text contains a secret. A server may repeat tokens and headers of the request in its
/// response. The client removes them, however they are encoded.
///
/// # Examples
///
/// ```
/// use es_snapshot::{ErrorKind, Outcome};
/// use es_snapshot::name::SnapshotName;
///
/// let error = "Not Lower".parse::<SnapshotName>().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// assert_eq!(error.outcome(), Outcome::NotSent);
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    operation: Option<Operation>,
    attempts: u32,
    message: String,
    garbled: bool,
    /// Whether the failure lasts, if it differs in this from other errors of its kind.
    lasting: Option<bool>,
    /// Whether this is a raw request that may change something.
    raw_write: bool,
    unresolved: bool,
    server: Option<ServerError>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    resume: Option<Box<Resume>>,
    /// The failed request. [`Error::diagnosis`] names its parts.
    context: Option<Box<Context>>,
}

/// What a caller needs to resume what the call started, or may have started.
struct Resume {
    ticket: Ticket,
    elapsed: Duration,
    progress: Option<Progress>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, outcome: Outcome, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            outcome,
            operation: None,
            attempts: 0,
            message: message.into(),
            garbled: false,
            lasting: None,
            raw_write: false,
            unresolved: false,
            server: None,
            source: None,
            resume: None,
            context: None,
        }))
    }

    /// The error of an argument that is refused before anything is sent.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, Outcome::NotSent, message)
    }

    /// The error of an operation on several parts, some of which failed. `what` describes the
    /// failure. The text names the first three failed parts.
    pub(crate) fn incomplete<T: fmt::Display>(operation: Operation, failed: &[T], total: u64, what: &str) -> Self {
        let first: Vec<String> = failed.iter().take(3).map(ToString::to_string).collect();
        // A missing index counts as one part, whose shards are not known.
        let total = total.max(failed.len() as u64);
        let text = format!("{} of {total} {what}: {}", failed.len(), first.join("; "));
        Self::new(ErrorKind::Incomplete, Outcome::Rejected, text).during(operation, 1)
    }

    /// The error of a response with a success status that is not JSON, or only a part of it. It may
    /// be a gateway's page.
    pub(crate) fn garbled(message: impl Into<String>) -> Self {
        let mut this = Self::new(ErrorKind::Decode, Outcome::Unknown, message);
        this.0.garbled = true;
        this
    }

    /// The error of a failed response.
    pub(crate) fn from_server(server: ServerError) -> Self {
        let mut this = Self::new(server.kind(), server.outcome(), "");
        this.0.server = Some(server);
        this
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Adds to the message.
    pub(crate) fn with_note(self, note: &str) -> Self {
        let message = &self.0.message;
        let message = if message.is_empty() { note.to_owned() } else { format!("{message}; {note}") };
        self.with_message(message)
    }

    pub(crate) fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// Marks the refusal of a request that was repeated after a lost response. The refusal does not
    /// show what the earlier request did. A failed verification does, because both requests carried
    /// the same settings.
    pub(crate) fn after_lost_response(self) -> Self {
        if self.0.kind == ErrorKind::RepositoryVerification { self } else { self.with_outcome(Outcome::Unknown) }
    }

    /// Marks the failure of a read that precedes a change. The change was not sent.
    pub(crate) fn before_sending(self) -> Self {
        if self.outcome() == Outcome::Unknown { self.with_outcome(Outcome::NotSent) } else { self }
    }

    pub(crate) fn during(mut self, operation: Operation, attempts: u32) -> Self {
        self.0.operation = Some(operation);
        self.0.attempts = attempts;
        self
    }

    /// Adds what is known of the failed request.
    pub(crate) fn with_context(mut self, context: Context) -> Self {
        self.0.context = Some(Box::new(context));
        self
    }

    /// Adds the repository that a failed registration concerns, and its storage.
    pub(crate) fn with_storage(mut self, repository: &str, storage: Option<Storage>) -> Self {
        let context = self.0.context.get_or_insert_default();
        context.repository.get_or_insert_with(|| repository.to_owned());
        context.storage = storage;
        self
    }

    /// Marks the failure of a raw request that may change something.
    pub(crate) fn of_raw_write(mut self) -> Self {
        self.0.raw_write = true;
        self
    }

    /// Returns what kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the operation that failed.
    ///
    /// `None` if no request failed: for example,
    /// [`Repository::snapshot`](crate::Repository::snapshot) got an invalid name, or a wait reached
    /// its deadline.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// Returns whether the request was carried out, as far as the client knows.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Returns how many times the client tried to send the request. 0 if it never tried.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Returns the response that made the call fail, if there is one.
    #[must_use]
    pub fn server(&self) -> Option<&ServerError> {
        self.0.server.as_ref()
    }

    /// Returns a ticket for what the call started, or may have started.
    ///
    /// Two groups of errors have a ticket:
    ///
    /// * errors of a create, clone, restore or delete with [`Outcome::Unknown`]
    /// * all errors of a [`Wait`](crate::Wait)
    ///
    /// [`SnapshotClient::check`](crate::SnapshotClient::check) shows the state of what the ticket
    /// names. [`SnapshotClient::resume_any`](crate::SnapshotClient::resume_any) waits for its end.
    #[must_use]
    pub fn ticket(&self) -> Option<&Ticket> {
        self.0.resume.as_ref().map(|resume| &resume.ticket)
    }

    /// Returns how long the call or the wait took, if the error has a [`ticket`](Self::ticket).
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        self.0.resume.as_ref().map(|resume| resume.elapsed)
    }

    /// Returns the last progress that the wait saw, for errors of a [`Wait`](crate::Wait).
    #[must_use]
    pub fn last_progress(&self) -> Option<&Progress> {
        self.0.resume.as_ref()?.progress.as_ref()
    }

    pub(crate) fn resumable(mut self, ticket: Ticket, elapsed: Duration, progress: Option<Progress>) -> Self {
        self.0.resume = Some(Box::new(Resume { ticket, elapsed, progress }));
        self
    }

    /// Returns this error and all its causes, one line each.
    ///
    /// ```
    /// use es_snapshot::SnapshotClient;
    ///
    /// let error = SnapshotClient::builder("nowhere").build().unwrap_err();
    /// eprintln!("{}", error.report());
    /// ```
    #[must_use]
    pub fn report(&self) -> String {
        let mut report = self.to_string();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            report.push_str("\ncaused by: ");
            report.push_str(&one_line(&error.to_string(), LINE));
            cause = error.source();
        }
        report
    }

    /// Returns whether a repository, snapshot or index does not exist.
    ///
    /// True for [`RepositoryMissing`](ErrorKind::RepositoryMissing),
    /// [`SnapshotMissing`](ErrorKind::SnapshotMissing) and
    /// [`IndexMissing`](ErrorKind::IndexMissing).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.0.kind, ErrorKind::RepositoryMissing | ErrorKind::SnapshotMissing | ErrorKind::IndexMissing)
    }

    /// Marks a failure that neither another attempt nor another poll can change: a wait's own
    /// verdict, or TLS that can never work.
    pub(crate) fn lasting(mut self) -> Self {
        self.0.lasting = Some(true);
        self
    }

    pub(crate) fn is_lasting(&self) -> bool {
        self.0.lasting == Some(true)
    }

    /// Marks a failure that may pass, although others of its kind do not.
    pub(crate) fn transient(mut self) -> Self {
        self.0.lasting = Some(false);
        self
    }

    /// Marks a host name that does not resolve. It is mistyped more often than the resolver fails.
    pub(crate) fn unresolved(mut self) -> Self {
        self.0.unresolved = true;
        self
    }

    pub(crate) fn is_unresolved(&self) -> bool {
        self.0.unresolved
    }

    /// Marks a response that is not JSON as intended by the server, so that it is not requested
    /// again.
    pub(crate) fn intended(mut self) -> Self {
        self.0.garbled = false;
        self
    }

    /// Whether the response broke off before it named the type of the failure.
    pub(crate) fn is_cut_off(&self) -> bool {
        let cause = StdError::source(self).and_then(|source| source.downcast_ref::<Self>());
        let broke_off = cause.is_some_and(|cause| matches!(cause.kind(), ErrorKind::Interrupted | ErrorKind::Timeout));
        broke_off && self.server().is_some_and(|server| server.error_type().is_none())
    }

    /// Whether the response was not complete JSON. A repeated request may get a complete one.
    pub(crate) fn is_garbled(&self) -> bool {
        self.0.garbled
    }

    /// Returns whether a time limit of this client ran out, or the deadline of a wait.
    ///
    /// True for [`Timeout`](ErrorKind::Timeout) and [`Deadline`](ErrorKind::Deadline). False for
    /// [`Connect`](ErrorKind::Connect), even if the limit ran out while the client was connecting.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Timeout | ErrorKind::Deadline)
    }

    /// Whether the same request may succeed later, by itself or with new credentials or a new date.
    pub(crate) fn may_pass(&self) -> bool {
        self.may_pass_unchanged()
            || matches!(self.0.kind, ErrorKind::ClockSkew | ErrorKind::Credentials | ErrorKind::ExpiredToken)
    }

    fn may_pass_unchanged(&self) -> bool {
        let kind_passes = matches!(
            self.0.kind,
            ErrorKind::Busy
                | ErrorKind::Connect
                | ErrorKind::Interrupted
                | ErrorKind::Throttled
                | ErrorKind::Timeout
                | ErrorKind::Unavailable
        );
        match self.0.lasting {
            Some(lasting) => !lasting,
            None => kind_passes,
        }
    }

    /// Returns whether the same call may succeed later without any change.
    ///
    /// If so, the caller can pause and then repeat the call.
    ///
    /// True for the kinds [`Busy`](ErrorKind::Busy), [`Connect`](ErrorKind::Connect),
    /// [`Interrupted`](ErrorKind::Interrupted), [`Throttled`](ErrorKind::Throttled),
    /// [`Timeout`](ErrorKind::Timeout) and [`Unavailable`](ErrorKind::Unavailable). Also true for
    /// [`Credentials`](ErrorKind::Credentials) if the provider timed out or lost its connection.
    ///
    /// Even for these kinds it is false in two cases:
    ///
    /// * Repeating the call is not [safe](Self::is_safe_to_repeat).
    /// * Only a changed setting can help, for example if a TLS certificate does not verify.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.may_pass_unchanged() && self.is_safe_to_repeat()
    }

    /// Returns whether the caller can repeat the call without harm.
    ///
    /// It always returns false for [`ErrorKind::Incomplete`], the error of `into_complete`. The
    /// call itself has succeeded, and repeating a create or a restore would collide with the
    /// incomplete snapshot or indices.
    ///
    /// For all other kinds, the failed call and its outcome determine the result:
    ///
    /// | failed call | [`NotSent`](Outcome::NotSent), [`Rejected`](Outcome::Rejected) | [`Unknown`](Outcome::Unknown) |
    /// | --- | --- | --- |
    /// | create, clone, restore or delete a snapshot | true | false |
    /// | [`raw`](crate::SnapshotClient::raw), except for GET and HEAD | true | false |
    /// | every other call: reads, waits, and register, unregister, verify or clean up a repository | true | true |
    ///
    /// If this method returns false, check the domain before you repeat the call: the snapshot may
    /// exist, or the restore may be running.
    ///
    /// A call that is safe to repeat may fail again for the same reason.
    /// [`is_transient`](Self::is_transient) returns whether it may succeed.
    ///
    /// ```
    /// use es_snapshot::name::SnapshotName;
    ///
    /// let error = "Not Lower".parse::<SnapshotName>().unwrap_err();
    /// assert!(error.is_safe_to_repeat() && !error.is_transient());
    /// ```
    #[must_use]
    pub fn is_safe_to_repeat(&self) -> bool {
        let happens_once = self.0.raw_write || self.0.operation.is_some_and(Operation::happens_once);
        self.0.kind != ErrorKind::Incomplete && !(happens_once && self.0.outcome == Outcome::Unknown)
    }

    /// Whether this call may have changed the domain.
    fn may_have_changed(&self) -> bool {
        self.0.outcome == Outcome::Unknown && (self.0.raw_write || self.0.operation.is_some_and(Operation::changes))
    }
}

/// Serialises the error as an object.
///
/// The fields `kind`, `outcome`, `attempts` and `message` are always present. `message` is the text
/// of `Display`. The fields `operation`, `server` and `ticket` are left out if the error has none.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            kind: ErrorKind,
            outcome: Outcome,
            #[serde(skip_serializing_if = "Option::is_none")]
            operation: Option<Operation>,
            attempts: u32,
            message: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            server: Option<&'a ServerError>,
            #[serde(skip_serializing_if = "Option::is_none")]
            ticket: Option<&'a Ticket>,
        }
        let shown = Shown {
            kind: self.kind(),
            outcome: self.outcome(),
            operation: self.operation(),
            attempts: self.attempts(),
            message: self.to_string(),
            server: self.server(),
            ticket: self.ticket(),
        };
        shown.serialize(serializer)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.0.operation.map_or_else(String::new, |operation| format!("{operation}: "));
        line.push_str(self.0.kind.words());
        let attempts = (self.0.attempts > 1).then(|| format!("after {} attempts", self.0.attempts));
        let changed = self.may_have_changed().then(|| "the request may have been carried out".to_owned());
        let notes: Vec<String> = attempts.into_iter().chain(changed).collect();
        let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };

        let room = LINE.saturating_sub(line.len() + notes.len() + 4);
        let message = one_line(&self.0.message, if self.0.server.is_some() { room / 2 } else { room });
        if !message.is_empty() {
            line = format!("{line}: {message}");
        }
        if let Some(server) = &self.0.server {
            line = format!("{line}: {}", server.line(room - message.len()));
        }
        write!(f, "{line}{notes}")
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("outcome", &self.0.outcome)
            .field("operation", &self.0.operation)
            .field("attempts", &self.0.attempts)
            .field("message", &self.0.message)
            .field("server", &self.0.server)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_size_of_a_pointer_and_can_be_sent_between_threads() {
        fn assert_send_sync<T: Send + Sync + 'static>() {}
        assert_send_sync::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn display_does_not_show_the_source() {
        let error = Error::new(ErrorKind::Connect, Outcome::NotSent, "").with_source("the cause");
        assert_eq!(error.to_string(), "cannot connect");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("the cause"));
    }

    fn failed(operation: Operation, kind: ErrorKind, outcome: Outcome) -> Error {
        Error::new(kind, outcome, "").during(operation, 1)
    }

    const ONCE: [Operation; 4] =
        [Operation::CreateSnapshot, Operation::CloneSnapshot, Operation::RestoreSnapshot, Operation::DeleteSnapshot];

    #[test]
    fn a_change_with_unknown_outcome_is_neither_transient_nor_safe_to_repeat() {
        for kind in
            [ErrorKind::Timeout, ErrorKind::Interrupted, ErrorKind::Unavailable, ErrorKind::Busy, ErrorKind::Decode]
        {
            for operation in ONCE {
                let error = failed(operation, kind, Outcome::Unknown);
                assert!(!error.is_transient() && !error.is_safe_to_repeat(), "{error}");
                assert!(error.to_string().contains("the request may have been carried out"), "{error}");
            }
            let raw = failed(Operation::Raw, kind, Outcome::Unknown).of_raw_write();
            assert!(
                !raw.is_transient() && !raw.is_safe_to_repeat() && raw.to_string().contains("carried out"),
                "{raw}"
            );
        }
    }

    #[test]
    fn a_change_that_was_refused_or_not_sent_is_safe_to_repeat() {
        for operation in ONCE {
            for (kind, outcome) in [
                (ErrorKind::Busy, Outcome::Rejected),
                (ErrorKind::Throttled, Outcome::Rejected),
                (ErrorKind::Connect, Outcome::NotSent),
                (ErrorKind::Timeout, Outcome::NotSent),
            ] {
                let error = failed(operation, kind, outcome);
                assert!(error.is_transient() && error.is_safe_to_repeat(), "{error}");
                assert!(!error.to_string().contains("carried out"), "{error}");
            }
        }
    }

    #[test]
    fn reads_and_registrations_are_safe_to_repeat_with_unknown_outcome() {
        for operation in [Operation::GetSnapshot, Operation::Recovery, Operation::Raw, Operation::RegisterRepository] {
            let error = failed(operation, ErrorKind::Timeout, Outcome::Unknown);
            assert!(error.is_transient() && error.is_safe_to_repeat(), "{error}");
            assert_eq!(
                error.to_string().contains("carried out"),
                operation == Operation::RegisterRepository,
                "{error}"
            );
        }
    }

    #[test]
    fn an_incomplete_result_is_not_safe_to_repeat() {
        assert!(!Error::new(ErrorKind::Incomplete, Outcome::Rejected, "").is_safe_to_repeat());
    }

    #[test]
    fn shows_one_line_of_at_most_two_kibibytes() {
        let body = format!(
            r#"{{"error":{{"type":"{0}","reason":"{0}","caused_by":{{"reason":"{0}"}}}}}}"#,
            "é\\n\\u001b".repeat(900)
        );
        for message in ["", "short\n", &"m\r\n".repeat(2000)] {
            let server = ServerError::parse(500, body.as_bytes(), Some(&"id\n".repeat(500)), &[]);
            let error = Error::from_server(server).with_message(message).during(Operation::RegisterRepository, 3);
            let shown = error.to_string();
            assert!(shown.len() <= LINE && !shown.contains(char::is_control), "{} {shown}", shown.len());
            let end = "(after 3 attempts; the request may have been carried out)";
            assert!(shown.ends_with(end), "{shown}");
        }
    }
}
