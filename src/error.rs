//! What can go wrong, and what is then known about the domain.

use std::error::Error as StdError;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

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
            Self::ServerInfo => "server_info",
            Self::Raw => "raw",
        }
    }
}

impl Operation {
    /// Whether its endpoint is one of those of snapshots and repositories.
    pub(crate) fn takes_master_timeout(self) -> bool {
        !matches!(self, Self::Raw | Self::ServerInfo | Self::Recovery | Self::Shards)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known about the domain after a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The request did not reach the domain; nothing happened there.
    NotSent,
    /// The domain refused the request. Mind [`ErrorKind::RepositoryVerification`]: that repository may be registered all the same.
    Rejected,
    /// The request may have been carried out; ask the domain before repeating it.
    Unknown,
}

/// What kind of failure an [`Error`] is: stable, coarse, made to be matched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument or a setting was refused before anything was sent.
    InvalidInput,
    /// The credential provider gave no usable credentials.
    Credentials,
    /// No connection could be made: name, route, port or TLS.
    Connect,
    /// A time limit of this client ran out.
    Timeout,
    /// The connection broke after the request had been sent, wholly or in part.
    Interrupted,
    /// The reply was larger than the client accepts.
    ReplyTooLarge,
    /// The reply was not what this endpoint answers; the source names the JSON path.
    Decode,
    /// The signature was refused: wrong secret, service, region, or a request changed on its way.
    Signature,
    /// The signature's time was refused: this host's clock and the domain's differ too much.
    ClockSkew,
    /// The session token is expired or not known.
    ExpiredToken,
    /// User and password, API key or token were refused, or none was given where one is wanted.
    Unauthenticated,
    /// The caller is known and may not do this: IAM policy, `iam:PassRole`, or fine-grained access control.
    AccessDenied,
    /// Amazon's allow-list does not let this path or payload through (HTTP 401, which does not mean a wrong password).
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
    /// Another snapshot operation is in the way, or the repository is in use; later it may go.
    Busy,
    /// The domain sheds load; back off.
    Throttled,
    /// An index or the cluster is blocked, for example by the flood-stage watermark; waiting alone does not help.
    Blocked,
    /// The repository could not be verified on every node. Before Elasticsearch 8 it is registered all the same.
    RepositoryVerification,
    /// Another failure of the repository: name, type, settings, storage, read-only.
    Repository,
    /// The restore was refused: open index of that name, version, state of the snapshot.
    Restore,
    /// The server calls the request invalid.
    InvalidRequest,
    /// A gateway or the cluster is not able to answer now (502, 503, 504, no elected master).
    Unavailable,
    /// The snapshot ended without being complete (`PARTIAL`, `FAILED`).
    Incomplete,
    /// The thing waited for did not come to an end before the deadline; it goes on at the domain.
    Deadline,
    /// Another answer of the server that means failure.
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
            Self::Incomplete => "snapshot is not complete",
            Self::Deadline => "deadline passed",
            Self::Server => "server error",
        }
    }
}

/// Which layer in front of or in the domain gave an answer (AWS answers in five shapes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerLayer {
    /// Amazon's policy and allow-list layer: `{"Message":"…"}`. The engine never saw the request.
    Policy,
    /// Amazon's signature check: `{"message":"…"}`. The engine never saw the request.
    Signature,
    /// The engine: `{"error":{"type":…,"reason":…},"status":…}`.
    Engine,
    /// The engine's security plugin: plain text `Unauthorized`. The request was not carried out.
    Authentication,
    /// A load balancer or proxy: HTML, text or nothing. The engine may have seen the request.
    Gateway,
}

/// An exception type of the engine, such as `snapshot_missing_exception`: an open vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ErrorType(String);

macro_rules! error_types {
    ($($(#[$doc:meta])* $method:ident = $text:literal;)*) => {
        impl ErrorType {
            $($(#[$doc])* pub const $method: &'static str = $text;)*
        }
    };
}

error_types! {
    /// The repository is not registered.
    REPOSITORY_MISSING = "repository_missing_exception";
    /// The snapshot does not exist.
    SNAPSHOT_MISSING = "snapshot_missing_exception";
    /// An index does not exist.
    INDEX_NOT_FOUND = "index_not_found_exception";
    /// The snapshot's name is bad or, before Elasticsearch 8.2, taken.
    INVALID_SNAPSHOT_NAME = "invalid_snapshot_name_exception";
    /// The snapshot's name is taken (Elasticsearch 8.2 and later).
    SNAPSHOT_NAME_IN_USE = "snapshot_name_already_in_use_exception";
    /// Another snapshot operation is in the way.
    CONCURRENT_SNAPSHOT = "concurrent_snapshot_execution_exception";
    /// The repository is in use (Elasticsearch 8 and later).
    REPOSITORY_CONFLICT = "repository_conflict_exception";
    /// Verification of the repository failed.
    REPOSITORY_VERIFICATION = "repository_verification_exception";
    /// Another failure of the repository.
    REPOSITORY = "repository_exception";
    /// The restore was refused.
    SNAPSHOT_RESTORE = "snapshot_restore_exception";
}

impl ErrorType {
    /// The type as the engine wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for ErrorType {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest server text that an error keeps, in bytes.
const EXCERPT: usize = 2048;

/// An answer of the domain that means failure, its texts free of echoed secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    status: u16,
    layer: ServerLayer,
    error_type: Option<ErrorType>,
    reason: String,
    causes: Vec<(Option<ErrorType>, String)>,
    request_id: Option<String>,
}

impl ServerError {
    /// Reads a failed answer, whatever layer gave it; `secrets` are texts that must not survive.
    pub(crate) fn parse(status: u16, body: &[u8], request_id: Option<&str>, secrets: &[&str]) -> Self {
        let clean = |text: &str| cleaned(text, secrets);
        let mut this = Self {
            status,
            layer: ServerLayer::Gateway,
            error_type: None,
            reason: String::new(),
            causes: Vec::new(),
            request_id: request_id.map(clean),
        };
        if let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(body) {
            if let Some(error) = object.get("error") {
                this.layer = ServerLayer::Engine;
                this.read_engine(error, &clean);
            } else if let Some(text) = object.get("Message").and_then(Value::as_str) {
                this.layer = ServerLayer::Policy;
                this.reason = clean(text);
            } else if let Some(text) = object.get("message").and_then(Value::as_str) {
                this.layer = ServerLayer::Signature;
                this.reason = clean(text);
            } else {
                this.reason = clean(&String::from_utf8_lossy(body));
            }
        } else {
            if status == 401 {
                this.layer = ServerLayer::Authentication;
            }
            this.reason = clean(&plain(&String::from_utf8_lossy(body)));
        }
        this
    }

    fn read_engine(&mut self, error: &Value, clean: &dyn Fn(&str) -> String) {
        #[derive(Deserialize)]
        struct Cause {
            #[serde(rename = "type")]
            error_type: Option<String>,
            reason: Option<String>,
            caused_by: Option<Box<Cause>>,
            #[serde(default)]
            suppressed: Vec<Cause>,
        }
        fn collect(cause: Cause, clean: &dyn Fn(&str) -> String, into: &mut Vec<(Option<ErrorType>, String)>) {
            let reason = cause.reason.as_deref().map(clean).unwrap_or_default();
            into.push((cause.error_type.map(|text| ErrorType(clean(&text))), reason));
            for inner in cause.caused_by.into_iter().map(|boxed| *boxed).chain(cause.suppressed) {
                collect(inner, clean, into);
            }
        }
        if let Value::String(text) = error {
            self.reason = clean(text);
        } else if let Ok(cause) = Cause::deserialize(error) {
            let mut all = Vec::new();
            collect(cause, clean, &mut all);
            let mut all = all.into_iter();
            if let Some((error_type, reason)) = all.next() {
                self.error_type = error_type;
                self.reason = reason;
            }
            self.causes = all.collect();
        } else {
            self.reason = clean(&error.to_string());
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The layer that answered.
    #[must_use]
    pub fn layer(&self) -> ServerLayer {
        self.layer
    }

    /// The engine's exception type, where the engine answered with one.
    #[must_use]
    pub fn error_type(&self) -> Option<&ErrorType> {
        self.error_type.as_ref()
    }

    /// The reason in the server's words, cut to 2 KiB.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The causes below the reason, outermost first.
    pub fn causes(&self) -> impl Iterator<Item = (Option<&ErrorType>, &str)> {
        self.causes.iter().map(|(error_type, reason)| (error_type.as_ref(), reason.as_str()))
    }

    /// Amazon's request id, for a support case.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Whether the reason or any cause contains the text.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        self.reason.contains(text) || self.causes.iter().any(|(_, reason)| reason.contains(text))
    }

    fn is_type(&self, text: &str) -> bool {
        self.error_type.as_ref().is_some_and(|known| known == text)
    }

    /// The kind of failure: by the engine's type and text first, by status only where nothing better is there,
    /// since one condition has several statuses by version (`snapshot-api.md` §12, `amazon-domains.md` §5).
    pub(crate) fn kind(&self) -> ErrorKind {
        match self.layer {
            ServerLayer::Policy => self.policy_kind(),
            ServerLayer::Signature => self.signature_kind(),
            ServerLayer::Authentication => ErrorKind::Unauthenticated,
            ServerLayer::Engine => self.engine_kind(),
            ServerLayer::Gateway => match self.status {
                429 => ErrorKind::Throttled,
                502..=504 => ErrorKind::Unavailable,
                403 if self.mentions("throttled") => ErrorKind::Throttled,
                401 => ErrorKind::Unauthenticated,
                403 => ErrorKind::AccessDenied,
                _ => ErrorKind::Server,
            },
        }
    }

    fn policy_kind(&self) -> ErrorKind {
        if self.mentions("role_arn is needed") {
            ErrorKind::MissingRoleArn
        } else if self.mentions("throttled") || self.status == 429 {
            ErrorKind::Throttled
        } else if self.mentions("is not allowed") {
            ErrorKind::NotAllowed
        } else if self.mentions("not authorized") || matches!(self.status, 401 | 403) {
            ErrorKind::AccessDenied
        } else if matches!(self.status, 502..=504) {
            ErrorKind::Unavailable
        } else {
            ErrorKind::InvalidRequest
        }
    }

    fn signature_kind(&self) -> ErrorKind {
        if self.mentions("Signature expired") || self.mentions("Signature not yet current") {
            ErrorKind::ClockSkew
        } else if self.mentions("security token included in the request is") {
            ErrorKind::ExpiredToken
        } else if self.mentions("throttled") || self.status == 429 {
            ErrorKind::Throttled
        } else if matches!(self.status, 502..=504) {
            ErrorKind::Unavailable
        } else if self.mentions("Authorization header requires") || self.mentions("Missing Authentication Token") {
            ErrorKind::Unauthenticated
        } else {
            ErrorKind::Signature
        }
    }

    fn engine_kind(&self) -> ErrorKind {
        let text = self.error_type.as_ref().map_or("", ErrorType::as_str);
        match text {
            ErrorType::REPOSITORY_MISSING => ErrorKind::RepositoryMissing,
            ErrorType::SNAPSHOT_MISSING => ErrorKind::SnapshotMissing,
            ErrorType::INDEX_NOT_FOUND => ErrorKind::IndexMissing,
            ErrorType::SNAPSHOT_NAME_IN_USE => ErrorKind::SnapshotNameTaken,
            ErrorType::INVALID_SNAPSHOT_NAME if self.mentions("already") => ErrorKind::SnapshotNameTaken,
            ErrorType::CONCURRENT_SNAPSHOT
            | ErrorType::REPOSITORY_CONFLICT
            | "snapshot_in_progress_exception"
            | "snapshot_in_use_deletion_exception" => ErrorKind::Busy,
            "illegal_state_exception"
                if self.mentions("currently used")
                    || self.mentions("Cannot cleanup")
                    || self.mentions("cleanup is already in-progress")
                    || self.mentions("currently being deleted") =>
            {
                ErrorKind::Busy
            }
            ErrorType::REPOSITORY_VERIFICATION => ErrorKind::RepositoryVerification,
            ErrorType::REPOSITORY => ErrorKind::Repository,
            ErrorType::SNAPSHOT_RESTORE if self.mentions("snapshot does not exist") => ErrorKind::SnapshotMissing,
            ErrorType::SNAPSHOT_RESTORE => ErrorKind::Restore,
            "cluster_block_exception" => ErrorKind::Blocked,
            "security_exception" if self.status == 401 => ErrorKind::Unauthenticated,
            "security_exception" => ErrorKind::AccessDenied,
            "es_rejected_execution_exception" | "rejected_execution_exception" | "circuit_breaking_exception" => {
                ErrorKind::Throttled
            }
            "process_cluster_event_timeout_exception"
            | "cluster_manager_throttling_exception"
            | "master_not_discovered_exception"
            | "cluster_manager_not_discovered_exception" => ErrorKind::Unavailable,
            _ => match self.status {
                429 => ErrorKind::Throttled,
                502..=504 => ErrorKind::Unavailable,
                401 => ErrorKind::Unauthenticated,
                403 => ErrorKind::AccessDenied,
                400..=499 => ErrorKind::InvalidRequest,
                _ => ErrorKind::Server,
            },
        }
    }

    /// What is known after this answer: a gateway's 5xx says nothing about the engine behind it.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.layer {
            ServerLayer::Gateway if self.status >= 500 => Outcome::Unknown,
            // A cluster event may still be applied after its time-out, and a node that lost its master may have passed the
            // request on before; only a throttled one certainly was not.
            ServerLayer::Engine
                if self.kind() == ErrorKind::Unavailable && !self.is_type("cluster_manager_throttling_exception") =>
            {
                Outcome::Unknown
            }
            ServerLayer::Policy | ServerLayer::Signature if matches!(self.status, 502..=504) => Outcome::Unknown,
            _ => Outcome::Rejected,
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if let Some(error_type) = &self.error_type {
            write!(f, " {error_type}")?;
        }
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        for (_, cause) in self.causes.iter().filter(|(_, cause)| !cause.is_empty() && *cause != self.reason) {
            write!(f, "; caused by: {cause}")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request id {id})")?;
        }
        Ok(())
    }
}

/// A failed call of this crate.
///
/// One word on the stack. [`kind`](Self::kind) says what it is, [`outcome`](Self::outcome) what is known about the domain,
/// [`server`](Self::server) what the domain answered. `Display` tells this level only; the causes follow by
/// [`source`](std::error::Error::source). Neither contains secrets: server texts are scrubbed of echoed tokens and headers.
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
    lasting: bool,
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
            lasting: false,
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

    pub(crate) fn during(mut self, operation: Operation, attempts: u32) -> Self {
        self.0.operation = Some(operation);
        self.0.attempts = attempts;
        self
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed; `None` for input that was refused outside of a call.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// What is known about the domain.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// How many times the request was tried; 0 if never.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The domain's answer, if it was one that made the call fail.
    #[must_use]
    pub fn server(&self) -> Option<&ServerError> {
        self.0.server.as_ref()
    }

    /// Whether a repository, snapshot or index that was named does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.0.kind, ErrorKind::RepositoryMissing | ErrorKind::SnapshotMissing | ErrorKind::IndexMissing)
    }

    /// Marks a verdict of a wait's own, which no further poll will change.
    pub(crate) fn lasting(mut self) -> Self {
        self.0.lasting = true;
        self
    }

    pub(crate) fn is_lasting(&self) -> bool {
        self.0.lasting
    }

    /// Whether the answer was no whole JSON, which a repetition may mend.
    pub(crate) fn is_garbled(&self) -> bool {
        self.0.garbled
    }

    /// Whether a time limit of this client ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Timeout | ErrorKind::Deadline)
    }

    /// Whether the same call may well succeed later without any change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::Busy
                | ErrorKind::Connect
                | ErrorKind::Interrupted
                | ErrorKind::Throttled
                | ErrorKind::Timeout
                | ErrorKind::Unavailable
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.0.operation {
            write!(f, "{operation}: ")?;
        }
        f.write_str(self.0.kind.words())?;
        if !self.0.message.is_empty() {
            write!(f, ": {}", self.0.message)?;
        }
        if let Some(server) = &self.0.server {
            write!(f, ": {server}")?;
        }
        if self.0.attempts > 1 {
            write!(f, " (after {} attempts)", self.0.attempts)?;
        }
        Ok(())
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

/// Text without what may be a secret: the given texts, and whatever stands behind the names of headers that carry one.
fn scrub(text: &str, secrets: &[&str]) -> String {
    const MARK: &str = "[redacted]";
    let mut out = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        out = hide(&out, secret, MARK);
    }
    for name in ["x-amz-security-token", "authorization"] {
        out = scrub_after(&out, name, MARK);
    }
    out
}

/// Replaces a secret, and a beginning of it: who quotes an excerpt may quote nearly all of it.
fn hide(text: &str, secret: &str, mark: &str) -> String {
    const TELLING: usize = 8;
    let beginning = secret.get(..TELLING).unwrap_or(secret);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, found)) = rest.find(beginning).and_then(|at| rest.split_at_checked(at)) {
        let common = found.bytes().zip(secret.bytes()).take_while(|(a, b)| a == b).count();
        out.push_str(before);
        out.push_str(mark);
        rest = found.get(found.floor_char_boundary(common)..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Replaces the value behind `name:` or `name=`, in any case, up to the end of its line or the closing quote.
fn scrub_after(text: &str, name: &str, mark: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = lower.get(at..).and_then(|rest| rest.find(name)) {
        let end_of_name = at + found + name.len();
        let Some(rest) = text.get(end_of_name..) else { break };
        out.push_str(text.get(at..end_of_name).unwrap_or_default());
        at = end_of_name;
        let separator = rest.len() - rest.trim_start_matches(['"', '\'', ' ']).len();
        if rest.get(separator..).is_some_and(|value| value.starts_with([':', '='])) {
            let value = rest.get(separator + 1..).unwrap_or_default();
            let lead = value.len() - value.trim_start_matches(['"', '\'', ' ']).len();
            let body = value.get(lead..).unwrap_or_default();
            // A header's value runs to the end of its line, in a canonical request and in an echoed header alike.
            let length = body.find(['\n', '\r', '"', '\'', '\\', '<']).unwrap_or(body.len());
            out.push_str(rest.get(..separator + 1 + lead).unwrap_or_default());
            out.push_str(mark);
            at = end_of_name + separator + 1 + lead + length;
        }
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// The words of an HTML page or a text, on one line.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut tag = false;
    for c in text.chars() {
        match c {
            '<' => {
                tag = true;
                out.push(' ');
            }
            '>' if tag => tag = false,
            _ if tag => {}
            c => out.push(c),
        }
    }
    if tag {
        // An unclosed bracket: this was no markup.
        text.clone_into(&mut out);
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text from outside as an error shows it: escaped, and cut to a length that a log can bear.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 64;
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{:?}…", text.get(..cut).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Text of the domain as an error keeps it: without secrets, and cut to a length that a log can bear.
pub(crate) fn cleaned(text: &str, secrets: &[&str]) -> String {
    excerpt(&scrub(text, secrets))
}

fn excerpt(text: &str) -> String {
    if text.len() <= EXCERPT {
        return text.to_owned();
    }
    let cut = (0..=EXCERPT).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{}…", text.get(..cut).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(status: u16, body: &str) -> ServerError {
        ServerError::parse(status, body.as_bytes(), None, &[])
    }

    #[test]
    fn an_error_is_one_word_and_crosses_threads() {
        fn assert_send_sync<T: Send + Sync + 'static>() {}
        assert_send_sync::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn the_five_shapes_are_told_apart() {
        let cases = [
            (401, r#"{"Message":"settings.role_arn is needed for snapshot registration."}"#, ServerLayer::Policy),
            (403, r#"{"message":"Credential should be scoped to correct service: 'es'. "}"#, ServerLayer::Signature),
            (
                404,
                r#"{"error":{"type":"snapshot_missing_exception","reason":"[r:s] is missing"},"status":404}"#,
                ServerLayer::Engine,
            ),
            (401, "Unauthorized", ServerLayer::Authentication),
            (504, "", ServerLayer::Gateway),
        ];
        for (status, body, layer) in cases {
            assert_eq!(parse(status, body).layer(), layer, "{body}");
        }
    }

    #[test]
    fn kinds_follow_type_and_text_rather_than_status() {
        let engine = |error_type: &str, reason: &str| format!(r#"{{"error":{{"type":"{error_type}","reason":"{reason}"}}}}"#);
        let cases = [
            (
                401,
                r#"{"Message":"settings.role_arn is needed for snapshot registration."}"#.to_owned(),
                ErrorKind::MissingRoleArn,
            ),
            (401, r#"{"Message":"Your request: '/x' is not allowed."}"#.to_owned(), ErrorKind::NotAllowed),
            (
                403,
                r#"{"Message":"User: x is not authorized to perform: iam:PassRole on resource: y"}"#.to_owned(),
                ErrorKind::AccessDenied,
            ),
            (403, r#"{"Message":"Request throttled due to too many requests"}"#.to_owned(), ErrorKind::Throttled),
            (403, r#"{"message":"The security token included in the request is expired"}"#.to_owned(), ErrorKind::ExpiredToken),
            (403, r#"{"message":"Signature expired: 1 is now earlier than 2 (3 - 5 min.)"}"#.to_owned(), ErrorKind::ClockSkew),
            (503, engine("concurrent_snapshot_execution_exception", "a snapshot is already running"), ErrorKind::Busy),
            (409, engine("concurrent_snapshot_execution_exception", ""), ErrorKind::Busy),
            (429, engine("concurrent_snapshot_execution_exception", ""), ErrorKind::Busy),
            (429, engine("cluster_block_exception", "TOO_MANY_REQUESTS/12/flood-stage"), ErrorKind::Blocked),
            (500, engine("snapshot_restore_exception", "[r:s] snapshot does not exist"), ErrorKind::SnapshotMissing),
            (500, engine("repository_exception", "[a b] must not contain"), ErrorKind::Repository),
            (
                400,
                engine("invalid_snapshot_name_exception", "snapshot with the same name already exists"),
                ErrorKind::SnapshotNameTaken,
            ),
            (400, engine("invalid_snapshot_name_exception", "must be lowercase"), ErrorKind::InvalidRequest),
            (
                500,
                engine("illegal_state_exception", "trying to modify or unregister repository that is currently used"),
                ErrorKind::Busy,
            ),
            (502, "<html><title>502 Bad Gateway</title></html>".to_owned(), ErrorKind::Unavailable),
        ];
        for (status, body, kind) in cases {
            assert_eq!(parse(status, &body).kind(), kind, "{body}");
        }
    }

    #[test]
    fn a_gateway_page_yields_its_status_and_words() {
        let error = parse(502, "<html><head><title>502 Bad Gateway</title></head>\n<body>nginx</body></html>");
        assert_eq!(error.to_string(), "HTTP 502: 502 Bad Gateway nginx");
        assert_eq!(error.outcome(), Outcome::Unknown);
    }

    #[test]
    fn causes_are_kept_to_the_innermost() {
        let error = parse(
            500,
            r#"{"error":{"type":"repository_verification_exception","reason":"[r] path  is not accessible on master node",
               "caused_by":{"type":"i_o_exception","reason":"Unable to upload","caused_by":{"type":"amazon_s3_exception","reason":"Access Denied"}}},"status":500}"#,
        );
        let causes: Vec<_> = error.causes().map(|(_, reason)| reason).collect();
        assert_eq!(causes, ["Unable to upload", "Access Denied"]);
        assert_eq!(error.kind(), ErrorKind::RepositoryVerification);
    }

    #[test]
    fn echoed_secrets_do_not_survive() {
        let echo = "Canonical String should have been\n'PUT\n/x\n\nhost:h\nx-amz-security-token:TOKEN123==\n\nhost'\n Authorization=Basic Og==";
        let text = scrub(echo, &[]);
        assert!(!text.contains("TOKEN123") && !text.contains("Og=="), "{text}");
        assert!(text.contains("host:h"), "{text}");
    }

    #[test]
    fn a_given_secret_is_replaced_wherever_it_stands() {
        assert_eq!(scrub("a s3cr3t b s3cr3t", &["s3cr3t"]), "a [redacted] b [redacted]");
    }

    #[test]
    fn the_beginning_of_a_secret_is_replaced_as_far_as_it_goes() {
        assert_eq!(scrub("'0123456789ab', 0123456é, 01234567é", &["0123456789abcdef"]), "'[redacted]', 0123456é, [redacted]é");
    }

    #[test]
    fn display_does_not_repeat_the_source() {
        let error = Error::new(ErrorKind::Connect, Outcome::NotSent, "").with_source("the cause");
        assert_eq!(error.to_string(), "cannot connect");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("the cause"));
    }

    #[test]
    fn a_long_text_is_cut_on_a_character() {
        let text = "ü".repeat(EXCERPT);
        assert!(parse(500, &text).reason().len() <= EXCERPT + 3);
    }

    #[test]
    fn a_long_text_is_cut_and_escaped_in_errors() {
        let shown = quoted(&format!("a\n{}", "ü".repeat(500)));
        assert!(shown.starts_with("\"a\\n") && shown.chars().count() < 80, "{shown}");
    }
}
