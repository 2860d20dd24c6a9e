//! A failed answer of the domain: which layer gave it, and what kind of failure it is.

use std::fmt;

use serde_json::Value;

use super::scrub::{cleaned, plain};
use super::{ErrorKind, Outcome};

/// Which layer in front of or in the domain gave an answer (AWS answers in five shapes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerLayer {
    /// Amazon's policy and allow-list layer: `{"Message":"…"}`. The engine never saw the request.
    Policy,
    /// Amazon's signature check: `{"message":"…"}`. The engine never saw the request.
    Signature,
    /// The engine: `{"error":{"type":…,"reason":…},"status":…}`; or its security plugin's API: `{"status":…,"message":…}`.
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

/// An answer of the domain that means failure, its texts free of echoed secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    status: u16,
    layer: ServerLayer,
    error_type: Option<ErrorType>,
    reason: String,
    causes: Vec<(Option<ErrorType>, String)>,
    request_id: Option<String>,
    kind: ErrorKind,
    outcome: Outcome,
}

/// What a failure that the engine itself reported says about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Final,
    ChangingMaster,
    Other,
}

impl ServerError {
    pub(crate) fn failure(&self) -> Failure {
        let changing = ["not_master_exception", "node_closed_exception", "process_cluster_event_timeout_exception"];
        if self.outcome != Outcome::Unknown {
            Failure::Final
        } else if self.layer != ServerLayer::Engine
            || self.kind == ErrorKind::Unavailable
            || changing.iter().any(|one| self.is_type(one))
            || self.mentions("no longer master")
            || self.mentions("Failed to update cluster state")
        {
            Failure::ChangingMaster
        } else {
            Failure::Other
        }
    }

    pub(crate) fn is_same_failure(&self, other: &Self) -> bool {
        self.status == other.status && self.error_type == other.error_type && self.reason == other.reason
    }

    /// Reads a failed answer, whatever layer gave it; `secrets` are texts that must not survive.
    pub(crate) fn parse(status: u16, body: &[u8], request_id: Option<&str>, secrets: &[&str]) -> Self {
        let mut this = Self {
            status,
            layer: ServerLayer::Gateway,
            error_type: None,
            reason: String::new(),
            causes: Vec::new(),
            request_id: request_id.map(str::to_owned),
            kind: ErrorKind::Server,
            outcome: Outcome::Unknown,
        };
        this.read(body);
        // By the server's own words: a password may be a part of them.
        this.kind = this.judge();
        this.outcome = this.judge_outcome();
        this.scrub(secrets);
        this
    }

    fn read(&mut self, body: &[u8]) {
        let text = String::from_utf8_lossy(body);
        let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(body) else {
            if self.status == 401 {
                self.layer = ServerLayer::Authentication;
            }
            self.reason = plain(&text);
            return;
        };
        let said = |field: &str| object.get(field).and_then(Value::as_str);
        if let Some(error) = object.get("error") {
            self.layer = ServerLayer::Engine;
            self.read_engine(error);
        } else if let Some(text) = said("Message") {
            self.layer = ServerLayer::Policy;
            text.clone_into(&mut self.reason);
        } else if let Some(text) = said("message") {
            // The API of OpenSearch's security plugin, and Elastic's proxy, tell more beside it.
            self.layer = match (object.get("status"), object.get("ok")) {
                (Some(_), _) => ServerLayer::Engine,
                (None, Some(_)) => ServerLayer::Gateway,
                (None, None) => ServerLayer::Signature,
            };
            text.clone_into(&mut self.reason);
        } else {
            self.reason = text.into_owned();
        }
    }

    fn read_engine(&mut self, error: &Value) {
        fn collect(cause: &Value, into: &mut Vec<(Option<ErrorType>, String)>) {
            let text = |field: &str| cause.get(field).and_then(Value::as_str).map(str::to_owned);
            into.push((text("type").map(ErrorType), text("reason").unwrap_or_default()));
            let suppressed = cause.get("suppressed").and_then(Value::as_array).into_iter().flatten();
            for inner in cause.get("caused_by").filter(|inner| inner.is_object()).into_iter().chain(suppressed) {
                collect(inner, into);
            }
        }
        match error {
            Value::String(text) => {
                let (error_type, reason) = named(text).map_or((None, text.as_str()), |(name, reason)| (Some(name), reason));
                self.error_type = error_type;
                reason.clone_into(&mut self.reason);
            }
            Value::Object(_) => {
                let mut all = Vec::new();
                collect(error, &mut all);
                let mut all = all.into_iter();
                if let Some((error_type, reason)) = all.next() {
                    self.error_type = error_type;
                    self.reason = reason;
                }
                self.causes = all.collect();
            }
            other => self.reason = other.to_string(),
        }
    }

    /// Takes out of every text what must not survive.
    fn scrub(&mut self, secrets: &[&str]) {
        let clean = |text: &mut String| *text = cleaned(text, secrets);
        self.request_id.as_mut().map(clean);
        clean(&mut self.reason);
        for error_type in self.error_type.iter_mut().chain(self.causes.iter_mut().filter_map(|(name, _)| name.as_mut())) {
            clean(&mut error_type.0);
        }
        for (_, reason) in &mut self.causes {
            clean(reason);
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

    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What is known about the domain after this answer.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether the reason or any cause contains the text.
    fn mentions(&self, text: &str) -> bool {
        self.reason.contains(text) || self.causes.iter().any(|(_, reason)| reason.contains(text))
    }

    fn is_type(&self, text: &str) -> bool {
        self.error_type.as_ref().is_some_and(|known| known == text)
    }

    /// The kind of failure: by the engine's type and text first, by status only where nothing better is there,
    /// since one condition has several statuses by version: a concurrent snapshot is 503, 409 or 429.
    fn judge(&self) -> ErrorKind {
        match self.layer {
            ServerLayer::Policy => self.policy_kind(),
            ServerLayer::Signature => self.signature_kind(),
            ServerLayer::Authentication => ErrorKind::Unauthenticated,
            ServerLayer::Engine => self.engine_kind(),
            ServerLayer::Gateway if self.status == 403 && self.mentions("throttled") => ErrorKind::Throttled,
            ServerLayer::Gateway => self.kind_by_status(ErrorKind::Server),
        }
    }

    /// What the status alone tells; `refused` is what other refusals (4xx) mean.
    fn kind_by_status(&self, refused: ErrorKind) -> ErrorKind {
        match self.status {
            429 => ErrorKind::Throttled,
            502..=504 => ErrorKind::Unavailable,
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::AccessDenied,
            400..=499 => refused,
            _ => ErrorKind::Server,
        }
    }

    fn policy_kind(&self) -> ErrorKind {
        if self.mentions("role_arn is needed") {
            ErrorKind::MissingRoleArn
        } else if self.mentions("throttled") || self.status == 429 {
            ErrorKind::Throttled
        } else if self.mentions("is not allowed") {
            ErrorKind::NotAllowed
        } else if self.mentions("not authorized") || self.status == 401 {
            ErrorKind::AccessDenied
        } else {
            self.kind_by_status(ErrorKind::InvalidRequest)
        }
    }

    fn signature_kind(&self) -> ErrorKind {
        if self.mentions("Signature expired") || self.mentions("Signature not yet current") {
            ErrorKind::ClockSkew
        } else if self.mentions("security token included in the request is") {
            ErrorKind::ExpiredToken
        } else if self.mentions("throttled") {
            ErrorKind::Throttled
        } else if self.mentions("Authorization header requires") || self.mentions("Missing Authentication Token") {
            ErrorKind::Unauthenticated
        } else if matches!(self.status, 401 | 403) {
            ErrorKind::Signature
        } else {
            self.kind_by_status(ErrorKind::InvalidRequest)
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
            ErrorType::CONCURRENT_SNAPSHOT | ErrorType::REPOSITORY_CONFLICT | "snapshot_in_progress_exception" => ErrorKind::Busy,
            // An index is searched in the snapshot, for as long as there is that index.
            "snapshot_in_use_deletion_exception" => ErrorKind::Blocked,
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
            // A cluster that has just started and has not recovered its state says so with 503.
            "cluster_block_exception" if self.status == 503 => ErrorKind::Unavailable,
            "cluster_block_exception" => ErrorKind::Blocked,
            "security_exception" if self.status == 401 => ErrorKind::Unauthenticated,
            "security_exception" => ErrorKind::AccessDenied,
            "es_rejected_execution_exception" | "rejected_execution_exception" | "circuit_breaking_exception" => {
                ErrorKind::Throttled
            }
            "process_cluster_event_timeout_exception"
            | "timeout_exception"
            | "receive_timeout_transport_exception"
            | "cluster_manager_throttling_exception"
            | "master_not_discovered_exception"
            | "cluster_manager_not_discovered_exception" => ErrorKind::Unavailable,
            _ => self.kind_by_status(ErrorKind::InvalidRequest),
        }
    }

    /// Whether an engine's failure (500) is one that leaves nothing of the request behind: found before it did anything (a
    /// name, type or setting; what the repository holds; indices that cannot be had), or met by another client's deletion.
    fn leaves_nothing(&self) -> bool {
        const REPOSITORY: [&str; 8] = [
            "must not ",
            "cannot be empty",
            "repository type [",
            "failed to create repository",
            "readonly repository",
            "No bucket defined",
            "Could not determine repository generation",
            "could not read repository data",
        ];
        const SNAPSHOT: [&str; 5] = [
            "Indices don't have primary shards",
            "have unassigned primary shards",
            "matched requested pattern",
            "because its snapshot was not successful",
            "aborted by deletion",
        ];
        // The causes below are the storage's words, which it uses at any time.
        let says = |texts: &[&str]| texts.iter().any(|text| self.reason.contains(text));
        (self.is_type(ErrorType::REPOSITORY) && says(&REPOSITORY)) || (self.is_type("snapshot_exception") && says(&SNAPSHOT))
    }

    /// What is known after this answer: a gateway's 5xx says nothing about the engine behind it.
    fn judge_outcome(&self) -> Outcome {
        match self.layer {
            ServerLayer::Gateway if self.status >= 500 => Outcome::Unknown,
            // A cluster event may still be applied after its time-out, and a node that lost its master may have passed the
            // request on before; only a throttled or blocked one certainly was not.
            ServerLayer::Engine if self.kind == ErrorKind::Unavailable => {
                let before =
                    ["cluster_manager_throttling_exception", "cluster_block_exception"].iter().any(|name| self.is_type(name));
                if before { Outcome::Rejected } else { Outcome::Unknown }
            }
            // An engine that fails half-way ("no longer master") says so in the same way as one that never began.
            ServerLayer::Engine if self.status >= 500 => match self.kind {
                ErrorKind::Server | ErrorKind::Repository if !self.leaves_nothing() => Outcome::Unknown,
                _ => Outcome::Rejected,
            },
            ServerLayer::Policy | ServerLayer::Signature if matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Server) => {
                Outcome::Unknown
            }
            _ => Outcome::Rejected,
        }
    }
}

/// Type and reason of an error that is told as text, such as `SnapshotMissingException[[r:s] is missing]`: the form where
/// `http.detailed_errors.enabled` is off. A node that asked the elected one for it tells `RemoteTransportException` instead,
/// and leaves out what that one said.
fn named(text: &str) -> Option<(ErrorType, &str)> {
    let (class, reason) = text.strip_suffix(']')?.split_once('[')?;
    let name = ["Elasticsearch", "OpenSearch"].iter().find_map(|engine| class.strip_prefix(engine)).unwrap_or(class);
    if !name.ends_with("Exception") || !name.chars().all(|letter| letter.is_ascii_alphanumeric()) {
        return None;
    }
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    Some((ErrorType(snake), reason))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::scrub::EXCERPT;

    fn parse(status: u16, body: &str) -> ServerError {
        ServerError::parse(status, body.as_bytes(), None, &[])
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
    fn a_failure_of_which_nobody_knows_when_it_struck_is_unknown() {
        let engine = |error_type: &str, reason: &str| format!(r#"{{"error":{{"type":"{error_type}","reason":"{reason}"}}}}"#);
        let cases = [
            (500, engine("snapshot_exception", "no longer master"), Outcome::Unknown),
            (500, engine("node_closed_exception", "node closed"), Outcome::Unknown),
            (500, engine("repository_exception", "[r] concurrent modification of the index-N file"), Outcome::Unknown),
            (
                500,
                engine("repository_exception", "[r] Could not determine repository generation from root blobs"),
                Outcome::Rejected,
            ),
            (500, engine("repository_exception", "[r] could not read repository data from index blob"), Outcome::Rejected),
            (500, engine("repository_exception", "[r] repository type [s3] does not exist"), Outcome::Rejected),
            (500, engine("repository_exception", "[a b] must not contain"), Outcome::Rejected),
            (
                500,
                r#"{"error":{"type":"repository_exception","reason":"[_all] Failed to update cluster state","caused_by":
                   {"type":"no_such_key_exception","reason":"The specified key does not exist."}}}"#
                    .to_owned(),
                Outcome::Unknown,
            ),
            (503, engine("cluster_block_exception", "state not recovered"), Outcome::Rejected),
            (500, engine("snapshot_exception", "[r:s/u] Indices don't have primary shards [red]"), Outcome::Rejected),
            (
                500,
                engine("snapshot_exception", "[r:s/u] the following indices have unassigned primary shards and cannot"),
                Outcome::Rejected,
            ),
            (
                500,
                engine("snapshot_exception", "[r:s/u] No indices in the source snapshot [s/u] matched requested pattern [x*]"),
                Outcome::Rejected,
            ),
            (
                500,
                engine("snapshot_exception", "[r:c/u] Can't clone index [[x/y]] because its snapshot was not successful."),
                Outcome::Rejected,
            ),
            (500, engine("snapshot_exception", "[r:s/u] Snapshot was aborted by deletion"), Outcome::Rejected),
            (500, r#"{"Message":"Internal failure"}"#.to_owned(), Outcome::Unknown),
            (500, r#"{"message":"Internal server error"}"#.to_owned(), Outcome::Unknown),
            (503, engine("concurrent_snapshot_execution_exception", ""), Outcome::Rejected),
            (500, engine("snapshot_restore_exception", "cannot restore index"), Outcome::Rejected),
        ];
        for (status, body, outcome) in cases {
            assert_eq!(parse(status, &body).outcome(), outcome, "{body}");
        }
    }

    #[test]
    fn a_password_that_is_a_word_of_the_servers_hides_no_kind() {
        let body = r#"{"error":{"type":"snapshot_missing_exception","reason":"[r:s] is missing"},"status":404}"#;

        let error = ServerError::parse(404, body.as_bytes(), None, &["snapshot2024!", "missing"]);

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::SnapshotMissing, Outcome::Rejected));
        assert!(!error.to_string().contains("missing"), "{error}");
    }

    #[test]
    fn a_message_that_is_not_the_signature_checks_is_not_taken_for_it() {
        for (status, body, layer, kind) in [
            (
                404,
                r#"{"status":"NOT_FOUND","message":"Resource 'x' not found."}"#,
                ServerLayer::Engine,
                ErrorKind::InvalidRequest,
            ),
            (403, r#"{"status":"FORBIDDEN","message":"No permission"}"#, ServerLayer::Engine, ErrorKind::AccessDenied),
            (404, r#"{"ok":false,"message":"Unknown resource."}"#, ServerLayer::Gateway, ErrorKind::Server),
            (413, r#"{"message":"Request Too Long"}"#, ServerLayer::Signature, ErrorKind::InvalidRequest),
        ] {
            let error = parse(status, body);
            assert_eq!((error.layer(), error.kind()), (layer, kind), "{body}");
        }
    }

    #[test]
    fn a_time_out_within_the_cluster_says_nothing_of_the_request_whatever_its_status() {
        for (status, name) in
            [(429, "timeout_exception"), (500, "timeout_exception"), (429, "receive_timeout_transport_exception")]
        {
            let error = parse(status, &format!(r#"{{"error":{{"type":"{name}","reason":"r"}},"status":{status}}}"#));
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown), "{status} {name}");
        }
    }

    #[test]
    fn a_snapshot_that_is_searched_in_does_not_pass_by_itself() {
        let body = r#"{"error":{"type":"snapshot_in_use_deletion_exception","reason":"r"},"status":409}"#;
        assert_eq!(parse(409, body).kind(), ErrorKind::Blocked);
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
    fn an_engine_without_detailed_errors_tells_its_type_in_the_text() {
        for (status, text, error_type, kind) in [
            (404, "SnapshotMissingException[[r:s] is missing]", "snapshot_missing_exception", ErrorKind::SnapshotMissing),
            (
                503,
                "ConcurrentSnapshotExecutionException[[r:s] a snapshot is already running]",
                "concurrent_snapshot_execution_exception",
                ErrorKind::Busy,
            ),
            (503, "OpenSearchRejectedExecutionException[queue full]", "rejected_execution_exception", ErrorKind::Throttled),
        ] {
            let error = parse(status, &format!(r#"{{"error":"{text}","status":{status}}}"#));
            assert_eq!(error.error_type().map(ErrorType::as_str), Some(error_type));
            assert_eq!((error.kind(), text.contains(&format!("[{}]", error.reason()))), (kind, true), "{text}");
        }
        let error = parse(500, r#"{"error":"No ElasticsearchException found","status":500}"#);
        assert_eq!((error.error_type(), error.reason()), (None, "No ElasticsearchException found"));
    }

    #[test]
    fn fields_of_an_odd_form_do_not_hide_the_others() {
        let error = parse(
            500,
            r#"{"error":{"type":"snapshot_exception","reason":7,"suppressed":null,"caused_by":{"type":null,"reason":"disk on fire"}}}"#,
        );

        assert_eq!(error.error_type().map(ErrorType::as_str), Some("snapshot_exception"));
        assert_eq!(error.causes().map(|(_, reason)| reason).collect::<Vec<_>>(), ["disk on fire"]);
    }

    #[test]
    fn a_long_text_is_cut_on_a_character() {
        let text = "ü".repeat(EXCERPT);
        assert!(parse(500, &text).reason().len() <= EXCERPT + 3);
    }
}
