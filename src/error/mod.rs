//! What can go wrong, and what is then known of the domain.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::progress::Progress;
use crate::ticket::Ticket;

mod body;
mod classify;
mod kind;
mod scrub;
mod server;

pub(crate) use body::ERROR_BODY;
pub(crate) use classify::Failure;
pub use kind::{ErrorKind, Operation, Outcome};
use scrub::one_line;
pub(crate) use scrub::{cleaned, quoted};
pub(crate) use server::FailedResponse;
pub use server::{ErrorType, ServerError, ServerLayer};

/// The longest text that an error shows, in bytes.
const LINE: usize = 2048;

/// A failed call of this crate.
///
/// One word on the stack. [`kind`](Self::kind) returns the kind of failure,
/// [`outcome`](Self::outcome) what is known about the domain, and [`server`](Self::server) the
/// domain's response. `Display` shows this level only, on one line of at most 2 KiB with control
/// characters escaped. The causes follow by [`source`](std::error::Error::source). Neither contains
/// secrets: server texts are scrubbed of echoed tokens and headers, however they are encoded.
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
    /// Whether it lasts, where that is not as with others of its kind.
    lasting: Option<bool>,
    /// Whether this is a raw request that may change something.
    raw_write: bool,
    unresolved: bool,
    server: Option<ServerError>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    resume: Option<Box<Resume>>,
}

/// With what a caller can come back to what the call has started, or may have.
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
        }))
    }

    /// An argument that is refused before anything is sent.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, Outcome::NotSent, message)
    }

    /// The error of a whole whose parts have failed in part: `what` says how, and the first three
    /// are named.
    pub(crate) fn incomplete<T: fmt::Display>(operation: Operation, failed: &[T], total: u64, what: &str) -> Self {
        let first: Vec<String> = failed.iter().take(3).map(ToString::to_string).collect();
        let text = format!("{} of {total} {what}: {}", failed.len(), first.join("; "));
        Self::new(ErrorKind::Incomplete, Outcome::Rejected, text).during(operation, 1)
    }

    /// A response that is not JSON, or only a part of it: a gateway's page under a status of
    /// success.
    pub(crate) fn garbled(message: impl Into<String>) -> Self {
        let mut this = Self::new(ErrorKind::Decode, Outcome::Unknown, message);
        this.0.garbled = true;
        this
    }

    /// A failed response of the domain.
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

    pub(crate) fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// The refusal of a repetition: it says nothing of the earlier request whose response was lost.
    /// But a verification that fails is about the settings, which every request carried alike.
    pub(crate) fn after_a_loss(self) -> Self {
        if self.0.kind == ErrorKind::RepositoryVerification { self } else { self.with_outcome(Outcome::Unknown) }
    }

    /// The failure of a read that comes before a change: of the change nothing was sent.
    pub(crate) fn before_sending(self) -> Self {
        if self.outcome() == Outcome::Unknown { self.with_outcome(Outcome::NotSent) } else { self }
    }

    pub(crate) fn during(mut self, operation: Operation, attempts: u32) -> Self {
        self.0.operation = Some(operation);
        self.0.attempts = attempts;
        self
    }

    /// Marks the failure of a raw request that may change something.
    pub(crate) fn of_raw_write(mut self) -> Self {
        self.0.raw_write = true;
        self
    }

    /// Returns the kind of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the operation that failed. `None` for input that was refused outside of a call.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// Returns what is known about the domain.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Returns how often the request was sent or tried; 0 if never.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Returns the domain's response, if it was one that made the call fail.
    #[must_use]
    pub fn server(&self) -> Option<&ServerError> {
        self.0.server.as_ref()
    }

    /// Returns the ticket of what the call has started, or may have started, so that a later call
    /// can come back to it. Errors with [`Outcome::Unknown`] of a create, clone, restore or delete
    /// carry one, and all errors of a [`Wait`](crate::Wait).
    #[must_use]
    pub fn ticket(&self) -> Option<&Ticket> {
        self.0.resume.as_ref().map(|resume| &resume.ticket)
    }

    /// Returns how long the call or the wait took, for errors with a [`ticket`](Self::ticket).
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        self.0.resume.as_ref().map(|resume| resume.elapsed)
    }

    /// Returns how far it had come when the wait ended.
    #[must_use]
    pub fn last_progress(&self) -> Option<&Progress> {
        self.0.resume.as_ref()?.progress.as_ref()
    }

    pub(crate) fn resumable(mut self, ticket: Ticket, elapsed: Duration, progress: Option<Progress>) -> Self {
        self.0.resume = Some(Box::new(Resume { ticket, elapsed, progress }));
        self
    }

    /// Returns the whole chain of causes, one line each.
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

    /// Returns whether a named repository, snapshot or index does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.0.kind, ErrorKind::RepositoryMissing | ErrorKind::SnapshotMissing | ErrorKind::IndexMissing)
    }

    /// Marks what neither another attempt nor another poll will change: a wait's own verdict, or
    /// TLS that can never work.
    pub(crate) fn lasting(mut self) -> Self {
        self.0.lasting = Some(true);
        self
    }

    pub(crate) fn is_lasting(&self) -> bool {
        self.0.lasting == Some(true)
    }

    /// Marks a failure that may well pass, though others of its kind do not.
    pub(crate) fn transient(mut self) -> Self {
        self.0.lasting = Some(false);
        self
    }

    /// Marks a domain's name that does not resolve, which is wrong more often than it passes.
    pub(crate) fn unresolved(mut self) -> Self {
        self.0.unresolved = true;
        self
    }

    pub(crate) fn is_unresolved(&self) -> bool {
        self.0.unresolved
    }

    /// Takes a response that is not JSON for what the server meant to say.
    pub(crate) fn meant(mut self) -> Self {
        self.0.garbled = false;
        self
    }

    /// Whether the response broke off before it said of which type the failure is.
    pub(crate) fn is_cut_off(&self) -> bool {
        let cut = StdError::source(self).and_then(|source| source.downcast_ref::<Self>());
        let passes = cut.is_some_and(|cut| matches!(cut.kind(), ErrorKind::Interrupted | ErrorKind::Timeout));
        passes && self.server().is_some_and(|server| server.error_type().is_none())
    }

    /// Whether the response was not whole JSON, which a repetition may mend.
    pub(crate) fn is_garbled(&self) -> bool {
        self.0.garbled
    }

    /// Returns whether a time limit of this client ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Timeout | ErrorKind::Deadline)
    }

    /// Whether the same request may well be let through later: what passes by itself, or is mended
    /// by new credentials or a new date.
    pub(crate) fn passes(&self) -> bool {
        self.passes_by_itself()
            || matches!(self.0.kind, ErrorKind::ClockSkew | ErrorKind::Credentials | ErrorKind::ExpiredToken)
    }

    fn passes_by_itself(&self) -> bool {
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

    /// Returns whether the same call may succeed later without any change, and may be repeated.
    ///
    /// False for a create, clone, restore, delete or raw write with [`Outcome::Unknown`], whatever
    /// the kind: see [`is_safe_to_repeat`](Self::is_safe_to_repeat).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.passes_by_itself() && self.is_safe_to_repeat()
    }

    /// Returns whether repeating the call cannot collide with what this call may have done.
    ///
    /// False for a create, clone, restore, delete or raw write with [`Outcome::Unknown`]: check the
    /// domain first, because the snapshot may exist, or the restore may be running. Also false for
    /// [`ErrorKind::Incomplete`], since what the call began is there. True for reads and
    /// registrations, for whatever was not sent, and for what the domain refused.
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

    /// Whether the domain may have changed by this call.
    fn may_have_changed(&self) -> bool {
        self.0.outcome == Outcome::Unknown && (self.0.raw_write || self.0.operation.is_some_and(Operation::changes))
    }
}

/// As `kind`, `outcome`, `operation`, `attempts` and `message`; and `server` and `ticket`, if there
/// are any.
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
    fn an_error_is_one_word_and_crosses_threads() {
        fn assert_send_sync<T: Send + Sync + 'static>() {}
        assert_send_sync::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn display_does_not_repeat_the_source() {
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
    fn a_change_of_which_nobody_knows_is_neither_transient_nor_safe_to_repeat() {
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
    fn what_was_refused_or_not_sent_may_be_repeated() {
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
    fn reads_and_registrations_may_be_repeated_whatever_became_of_them() {
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
    fn what_ended_incomplete_is_there_and_not_to_be_repeated() {
        assert!(!Error::new(ErrorKind::Incomplete, Outcome::Rejected, "").is_safe_to_repeat());
    }

    #[test]
    fn an_error_is_one_line_of_at_most_two_kibibytes() {
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
