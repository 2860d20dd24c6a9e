//! What can go wrong, and what is then known about the domain.

use std::error::Error as StdError;
use std::fmt;

mod body;
mod classify;
mod scrub;
mod server;

pub(crate) use body::ERROR_BODY;
pub(crate) use classify::Failure;
use scrub::one_line;
pub(crate) use scrub::{cleaned, quoted};
pub(crate) use server::FailedResponse;
pub use server::{ErrorType, ServerError, ServerLayer};

/// The longest text that an error shows, in bytes.
const LINE: usize = 2048;

/// The operation that an error, a span or a transport wrapper speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operation {
    /// `PUT /_snapshot/{repository}`
    RegisterRepository,
    /// `GET /_snapshot/{repository}`
    GetRepository,
    /// `GET /_snapshot`
    ListRepositories,
    /// `POST /_snapshot/{repository}/_verify`
    VerifyRepository,
    /// `POST /_snapshot/{repository}/_cleanup`
    CleanUpRepository,
    /// `DELETE /_snapshot/{repository}`
    UnregisterRepository,
    /// `PUT /_snapshot/{repository}/{snapshot}`
    CreateSnapshot,
    /// `GET /_snapshot/{repository}/{snapshot}` for one name
    GetSnapshot,
    /// `GET /_snapshot/{repository}/{pattern}`
    ListSnapshots,
    /// `DELETE /_snapshot/{repository}/{snapshot}`
    DeleteSnapshot,
    /// `PUT /_snapshot/{repository}/{snapshot}/_clone/{target_snapshot}`
    CloneSnapshot,
    /// `POST /_snapshot/{repository}/{snapshot}/_restore`
    RestoreSnapshot,
    /// `GET /_snapshot/{repository}/{snapshot}/_status` and its shorter forms
    SnapshotStatus,
    /// `GET /_recovery`
    Recovery,
    /// `GET /_cat/shards`
    Shards,
    /// `POST /_cluster/allocation/explain`
    AllocationExplain,
    /// `GET /_cluster/state`
    ClusterState,
    /// `GET /`
    ServerInfo,
    /// A call of [`raw`](crate::SnapshotClient::raw).
    Raw,
}

impl Operation {
    /// The name that spans and errors use, such as `create_snapshot`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RegisterRepository => "register_repository",
            Self::GetRepository => "get_repository",
            Self::ListRepositories => "list_repositories",
            Self::VerifyRepository => "verify_repository",
            Self::CleanUpRepository => "cleanup_repository",
            Self::UnregisterRepository => "unregister_repository",
            Self::CreateSnapshot => "create_snapshot",
            Self::GetSnapshot => "get_snapshot",
            Self::ListSnapshots => "list_snapshots",
            Self::DeleteSnapshot => "delete_snapshot",
            Self::CloneSnapshot => "clone_snapshot",
            Self::RestoreSnapshot => "restore_snapshot",
            Self::SnapshotStatus => "snapshot_status",
            Self::Recovery => "recovery",
            Self::Shards => "shards",
            Self::AllocationExplain => "allocation_explain",
            Self::ClusterState => "cluster_state",
            Self::ServerInfo => "server_info",
            Self::Raw => "raw",
        }
    }
}

impl Operation {
    /// Whether it changes something in the domain. A raw request may, too.
    fn changes(self) -> bool {
        self.happens_once() || matches!(self, Self::RegisterRepository | Self::UnregisterRepository | Self::CleanUpRepository)
    }

    /// Whether a second request collides with what the first one did.
    fn happens_once(self) -> bool {
        matches!(self, Self::CreateSnapshot | Self::CloneSnapshot | Self::RestoreSnapshot | Self::DeleteSnapshot)
    }

    /// Whether its endpoint is one of those of snapshots and repositories.
    pub(crate) fn takes_master_timeout(self) -> bool {
        !matches!(
            self,
            Self::Raw | Self::ServerInfo | Self::Recovery | Self::Shards | Self::AllocationExplain | Self::ClusterState
        )
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known about the domain after a failed call.
///
/// ```
/// use es_snapshot::{Error, Outcome};
///
/// /// Whether the caller may simply try again.
/// fn may_repeat(error: &Error) -> bool {
///     match error.outcome() {
///         Outcome::NotSent | Outcome::Rejected => true,
///         // The snapshot may exist, or the restore may be running: check first.
///         _ => error.is_safe_to_repeat(),
///     }
/// }
/// # let error = "Not Lower".parse::<es_snapshot::SnapshotName>().unwrap_err();
/// # assert!(may_repeat(&error));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The request did not reach the domain. Nothing happened there.
    NotSent,
    /// The domain refused the request, or the engine reported a failure and checks showed that
    /// nothing came of it. Two kinds differ: after [`ErrorKind::RepositoryVerification`] the
    /// repository may be registered, and with [`ErrorKind::Incomplete`] what the request began has
    /// ended, though not well.
    Rejected,
    /// The response was lost or leaves the question open, and the client could not determine in
    /// time whether the request was carried out. Check the domain before repeating it, unless
    /// [`is_safe_to_repeat`](Error::is_safe_to_repeat) is true.
    Unknown,
}

/// The kind of a failure: stable, coarse, made to be matched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument or a setting was refused before anything was sent.
    InvalidInput,
    /// The credential provider returned no usable credentials.
    Credentials,
    /// No connection could be made: name, route, port or TLS. Nothing was sent.
    Connect,
    /// A time limit of this client ran out.
    Timeout,
    /// The connection broke after the request had been sent, wholly or in part.
    Interrupted,
    /// The response was larger than
    /// [`max_reply_bytes`](crate::SnapshotClientBuilder::max_reply_bytes).
    ReplyTooLarge,
    /// The response was not what this endpoint returns. The error's text contains the JSON path.
    Decode,
    /// The signature was refused: wrong secret, service, region, or a request changed on its way.
    Signature,
    /// The signature's time was refused: this host's clock and the domain's differ too much.
    ClockSkew,
    /// The session token is expired or not known.
    ExpiredToken,
    /// User and password, API key or token were refused, or none was given where one is wanted.
    Unauthenticated,
    /// The caller is known and may not do this: IAM policy, `iam:PassRole`, or fine-grained access
    /// control. Or the domain may not assume the repository's role.
    AccessDenied,
    /// Amazon's allow-list does not let this path or payload through (HTTP 401, which does not mean
    /// a wrong password).
    NotAllowed,
    /// `settings.role_arn` is missing in the registration of an S3 repository on an Amazon domain.
    MissingRoleArn,
    /// The repository is not registered.
    RepositoryMissing,
    /// The snapshot does not exist.
    SnapshotMissing,
    /// An index that was named does not exist.
    IndexMissing,
    /// A snapshot of that name exists or is being taken.
    SnapshotNameTaken,
    /// Another snapshot operation is running, or the repository is in use. The call may succeed
    /// later; see [`with_queue_time`](crate::SnapshotClient::with_queue_time).
    Busy,
    /// The domain sheds load. Try again later, and less often.
    Throttled,
    /// An index or the cluster is blocked, for example by the flood-stage watermark, or the
    /// snapshot by an index that is searched in it. Waiting alone does not help.
    Blocked,
    /// The repository could not be verified on every node. It stays registered, except on
    /// Elasticsearch 8 and later.
    RepositoryVerification,
    /// Another failure of the repository: name, type, settings, storage, read-only, full, disabled, or a snapshot in it that
    /// cannot be read.
    Repository,
    /// The restore was refused: an open index of that name, a conflict of indices or aliases, the
    /// version, or the state of the snapshot.
    Restore,
    /// The server calls the request invalid.
    InvalidRequest,
    /// A gateway or the cluster cannot respond now: 502, 503, 504, a gateway that gave up waiting
    /// (408, 425, 444, 460, 499), no elected master, or security that is not initialized.
    Unavailable,
    /// A snapshot ended as `PARTIAL` or `FAILED`, or a restore without all of its shards.
    Incomplete,
    /// What was waited for did not end before the deadline. It goes on at the domain.
    Deadline,
    /// Another response of the server that means failure.
    Server,
}

impl ErrorKind {
    /// What this kind means, as the first words of an error's text.
    fn words(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid input",
            Self::Credentials => "no usable credentials",
            Self::Connect => "cannot connect",
            Self::Timeout => "timed out",
            Self::Interrupted => "connection lost",
            Self::ReplyTooLarge => "reply too large",
            Self::Decode => "unexpected reply",
            Self::Signature => "signature refused",
            Self::ClockSkew => "signature's time refused",
            Self::ExpiredToken => "session token expired or not known",
            Self::Unauthenticated => "not authenticated",
            Self::AccessDenied => "access denied",
            Self::NotAllowed => "not on the service's allow-list",
            Self::MissingRoleArn => "role_arn is missing",
            Self::RepositoryMissing => "no such repository",
            Self::SnapshotMissing => "no such snapshot",
            Self::IndexMissing => "no such index",
            Self::SnapshotNameTaken => "snapshot name already in use",
            Self::Busy => "another operation is in the way",
            Self::Throttled => "throttled",
            Self::Blocked => "blocked",
            Self::RepositoryVerification => "repository verification failed",
            Self::Repository => "repository failure",
            Self::Restore => "restore refused",
            Self::InvalidRequest => "invalid request",
            Self::Unavailable => "domain not available",
            Self::Incomplete => "not complete",
            Self::Deadline => "deadline passed",
            Self::Server => "server error",
        }
    }
}

/// A failed call of this crate.
///
/// One word on the stack. [`kind`](Self::kind) returns the kind of failure,
/// [`outcome`](Self::outcome) what is known about the domain, and [`server`](Self::server) the
/// domain's response. `Display` shows this level only, on one line of at most 2 KiB with control
/// characters escaped. The causes follow by [`source`](std::error::Error::source). Neither contains
/// secrets: server texts are scrubbed of echoed tokens and headers, however they are encoded.
///
/// ```
/// use es_snapshot::{ErrorKind, Outcome, SnapshotName};
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
        }))
    }

    /// An argument that is refused before anything is sent.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, Outcome::NotSent, message)
    }

    /// An answer that is no JSON, or only a part of one: a gateway's page under a status of success.
    pub(crate) fn garbled(message: impl Into<String>) -> Self {
        let mut this = Self::new(ErrorKind::Decode, Outcome::Unknown, message);
        this.0.garbled = true;
        this
    }

    /// A failed answer of the domain.
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

    /// The refusal of a repetition: it says nothing of the earlier request whose answer was lost. But a verification that
    /// fails is about the settings, which every request carried alike.
    pub(crate) fn after_a_loss(self) -> Self {
        if self.0.kind == ErrorKind::RepositoryVerification { self } else { self.with_outcome(Outcome::Unknown) }
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

    /// Returns whether a named repository, snapshot or index does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.0.kind, ErrorKind::RepositoryMissing | ErrorKind::SnapshotMissing | ErrorKind::IndexMissing)
    }

    /// Marks what neither another attempt nor another poll will change: a wait's own verdict, or TLS that can never work.
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

    /// Takes an answer that is no JSON for what the server meant to say.
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

    /// Whether the answer was no whole JSON, which a repetition may mend.
    pub(crate) fn is_garbled(&self) -> bool {
        self.0.garbled
    }

    /// Returns whether a time limit of this client ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Timeout | ErrorKind::Deadline)
    }

    /// Whether the same request may well be let through later: what passes by itself, or is mended by new credentials or a new
    /// date.
    pub(crate) fn passes(&self) -> bool {
        self.passes_by_itself() || matches!(self.0.kind, ErrorKind::ClockSkew | ErrorKind::Credentials | ErrorKind::ExpiredToken)
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
    /// use es_snapshot::SnapshotName;
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
        for kind in [ErrorKind::Timeout, ErrorKind::Interrupted, ErrorKind::Unavailable, ErrorKind::Busy, ErrorKind::Decode] {
            for operation in ONCE {
                let error = failed(operation, kind, Outcome::Unknown);
                assert!(!error.is_transient() && !error.is_safe_to_repeat(), "{error}");
                assert!(error.to_string().contains("the request may have been carried out"), "{error}");
            }
            let raw = failed(Operation::Raw, kind, Outcome::Unknown).of_raw_write();
            assert!(!raw.is_transient() && !raw.is_safe_to_repeat() && raw.to_string().contains("carried out"), "{raw}");
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
            assert_eq!(error.to_string().contains("carried out"), operation == Operation::RegisterRepository, "{error}");
        }
    }

    #[test]
    fn what_ended_incomplete_is_there_and_not_to_be_repeated() {
        assert!(!Error::new(ErrorKind::Incomplete, Outcome::Rejected, "").is_safe_to_repeat());
    }

    #[test]
    fn an_error_is_one_line_of_at_most_two_kibibytes() {
        let body =
            format!(r#"{{"error":{{"type":"{0}","reason":"{0}","caused_by":{{"reason":"{0}"}}}}}}"#, "é\\n\\u001b".repeat(900));
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
