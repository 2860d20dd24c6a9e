//! Classifies a failed response by its layer, status, exception type and fixed phrases.
//!
//! Servers quote names that callers chose, and a name may look like an error text. So quoted text
//! is left out. And each phrase contains white space, which no name of a repository, snapshot or
//! index contains.

use super::body::{ErrorField, ParsedBody};
use super::{ErrorKind, ErrorType, Outcome, ServerLayer};

/// What a failed response shows about the effect of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request was refused and had no effect. The client need not check.
    Final,
    /// The request may still take effect: the master is changing, the cluster lost track of the
    /// request, or a layer in front of the engine gave up.
    ChangingMaster,
    /// The engine failed in another way. The request may have had an effect, but none will follow.
    Other,
}

/// The parts of a failed response by which it is classified.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) status: u16,
    pub(super) layer: ServerLayer,
    pub(super) error_type: &'a str,
    /// The reason without quoted text.
    pub(super) reason: String,
    /// The types of the causes, and their reasons without quoted text.
    pub(super) causes: Vec<(&'a str, String)>,
    /// Whether the request was signed.
    pub(super) signed: bool,
}

/// Statuses of gateways that gave up waiting, whatever the engine did. 408: request time-out. 425:
/// too early. 444 and 499: nginx or its client closed the connection. 460: the client of a load
/// balancer did.
const GAVE_UP: [u16; 5] = [408, 425, 444, 460, 499];

/// Exception types of a cluster that lost its master or a node, or ran out of time. Elasticsearch
/// and OpenSearch use different names.
const CHANGING_MASTER: [&str; 12] = [
    "not_master_exception",
    "not_cluster_manager_exception",
    "master_not_discovered_exception",
    "cluster_manager_not_discovered_exception",
    "failed_to_commit_cluster_state_exception",
    "process_cluster_event_timeout_exception",
    "node_closed_exception",
    "node_disconnected_exception",
    "node_not_connected_exception",
    "receive_timeout_transport_exception",
    "timeout_exception",
    "connect_transport_exception",
];

/// Exception types of failures of the storage.
const STORAGE: [&str; 13] = [
    "amazon_s3_exception",
    "s3_exception",
    "no_such_bucket_exception",
    "no_such_key_exception",
    "sdk_client_exception",
    "amazon_client_exception",
    "no_such_file_exception",
    "file_not_found_exception",
    "i_o_exception",
    "e_o_f_exception",
    "corrupt_index_exception",
    "corrupt_state_exception",
    "index_format_too_new_exception",
];

/// Exception types of an invalid request, whatever the status.
const INVALID: [&str; 8] = [
    "validation_exception",
    "action_request_validation_exception",
    "illegal_argument_exception",
    "invalid_index_name_exception",
    "invalid_alias_name_exception",
    "resource_already_exists_exception",
    "index_closed_exception",
    "settings_exception",
];

/// Exception types of Amazon's security token service. It grants the engine a repository's role.
const TOKEN_SERVICE: [&str; 3] =
    ["a_w_s_security_token_service_exception", "aws_security_token_service_exception", "sts_exception"];

/// Determines which layer wrote a body.
pub(super) fn layer(body: &ParsedBody, text: &str, status: u16, signed: bool) -> ServerLayer {
    let only_message = body.error.is_none() && !body.has_others;
    match &body.error {
        Some(ErrorField::Object) if is_engine_object(body) => ServerLayer::Engine,
        Some(ErrorField::Text(_)) if is_engine_text(body, status) => ServerLayer::Engine,
        None if only_message && body.policy.is_some() && !body.has_status => ServerLayer::Policy,
        None if only_message && body.message.is_some() && has_status_name(body) => ServerLayer::Engine,
        _ if body.message.as_ref().is_some_and(|message| is_signature_check(message, signed)) => ServerLayer::Signature,
        None if !body.is_object && status == 401 && !text.contains('<') => ServerLayer::Authentication,
        _ => ServerLayer::Gateway,
    }
}

/// Whether `error` is an exception of the engine. Its type is in snake case. Other servers write
/// other fields, or types of another form.
fn is_engine_object(body: &ParsedBody) -> bool {
    let is_snake =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    match body.causes.first().or(body.root.as_ref()).and_then(|error| error.error_type.as_deref()) {
        Some(name) => is_snake(name),
        None => body.message.is_none(),
    }
}

/// Whether the text `error` is an exception of the engine. The engine adds the field `status`,
/// except for an unknown path or method.
fn is_engine_text(body: &ParsedBody, status: u16) -> bool {
    !body.has_others && body.message.is_none() && (body.has_status || matches!(status, 200 | 400 | 405 | 406 | 415))
}

/// Whether a message comes from the API of OpenSearch's security plugin. It adds the name of the
/// status.
fn has_status_name(body: &ParsedBody) -> bool {
    body.status.as_ref().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
}

/// Whether a message comes from Amazon's signature check. For an unsigned request, that check only
/// reports that the signature is missing.
fn is_signature_check(message: &str, signed: bool) -> bool {
    const ANY: [&str; 4] = [
        "Authorization header requires ",
        "Missing Authentication Token",
        "missing authentication token",
        "(missing equal-sign) in Authorization header",
    ];
    const SIGNED: [&str; 10] = [
        "request signature we calculated does not match",
        "Canonical String for this request should have been",
        "Credential should be scoped ",
        "Date in Credential scope does not match",
        "Signature expired: ",
        "Signature not yet current: ",
        "security token included in the request is ",
        "must be a 'SignedHeader'",
        "Date must be in ISO-8601",
        "AWS Access Key Id ",
    ];
    let words = unquoted(message);
    // This phrase is in quotes itself.
    let signed_header = message.contains("must be a 'SignedHeader'");
    ANY.iter().any(|text| words.contains(text))
        || (signed && (signed_header || SIGNED.iter().any(|text| words.contains(text))))
}

impl Facts<'_> {
    fn mentions(&self, text: &str) -> bool {
        self.reason.contains(text)
    }

    fn mentions_any(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.mentions(text))
    }

    fn is_throttled(&self) -> bool {
        let reason = self.reason.to_ascii_lowercase();
        ["request throttled", "too many requests", "rate exceeded"].iter().any(|text| reason.contains(text))
    }

    /// Classifies by type and text first, and by status last. Versions use several statuses for one
    /// condition, such as 503, 409 and 429 for a concurrent snapshot.
    pub(super) fn kind(&self) -> ErrorKind {
        match self.layer {
            _ if GAVE_UP.contains(&self.status) => ErrorKind::Unavailable,
            ServerLayer::Policy => self.policy_kind(),
            ServerLayer::Signature => self.signature_kind(),
            ServerLayer::Authentication => ErrorKind::Unauthenticated,
            ServerLayer::Engine => self.engine_kind(),
            ServerLayer::Gateway => self.gateway_kind(),
        }
    }

    /// The kind by the status alone. `refused` is the kind of other refusals (4xx).
    fn kind_by_status(&self, refused: ErrorKind) -> ErrorKind {
        match self.status {
            429 => ErrorKind::Throttled,
            502..=504 => ErrorKind::Unavailable,
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::AccessDenied,
            413 => ErrorKind::InvalidRequest,
            400..=499 => refused,
            _ => ErrorKind::Server,
        }
    }

    fn gateway_kind(&self) -> ErrorKind {
        match self.status {
            403 if self.is_throttled() => ErrorKind::Throttled,
            // Content delivery networks and proxies could not reach the server in time.
            520..=527 | 529 | 530 | 598 | 599 => ErrorKind::Unavailable,
            _ => self.kind_by_status(ErrorKind::Server),
        }
    }

    fn policy_kind(&self) -> ErrorKind {
        if self.mentions("role_arn is needed for snapshot registration") {
            ErrorKind::MissingRoleArn
        } else if self.mentions("is not authorized to perform") {
            ErrorKind::AccessDenied
        } else if self.mentions("is not allowed") {
            ErrorKind::NotAllowed
        } else if self.is_throttled() {
            ErrorKind::Throttled
        } else if self.status == 401 {
            ErrorKind::AccessDenied
        } else {
            self.kind_by_status(ErrorKind::InvalidRequest)
        }
    }

    fn signature_kind(&self) -> ErrorKind {
        if !self.signed || self.mentions_any(&["Authorization header requires", "issing Authentication Token"]) {
            ErrorKind::Unauthenticated
        } else if self.mentions_any(&["Signature expired:", "Signature not yet current:"]) {
            ErrorKind::ClockSkew
        } else if self.mentions("security token included in the request is") {
            ErrorKind::ExpiredToken
        } else if matches!(self.status, 400..=403) {
            ErrorKind::Signature
        } else {
            self.kind_by_status(ErrorKind::InvalidRequest)
        }
    }

    fn engine_kind(&self) -> ErrorKind {
        if self.is_name_conflict() {
            return ErrorKind::Restore;
        }
        match self.error_type {
            ErrorType::REPOSITORY_MISSING => ErrorKind::RepositoryMissing,
            ErrorType::SNAPSHOT_MISSING => ErrorKind::SnapshotMissing,
            ErrorType::INDEX_NOT_FOUND => ErrorKind::IndexMissing,
            ErrorType::SNAPSHOT_NAME_IN_USE => ErrorKind::SnapshotNameTaken,
            ErrorType::INVALID_SNAPSHOT_NAME if self.mentions("snapshot with the same name") => {
                ErrorKind::SnapshotNameTaken
            }
            ErrorType::CONCURRENT_SNAPSHOT | ErrorType::REPOSITORY_CONFLICT | "snapshot_in_progress_exception" => {
                ErrorKind::Busy
            }
            // A searchable-snapshot index uses the snapshot until the index is deleted.
            "snapshot_in_use_deletion_exception" => ErrorKind::Blocked,
            "illegal_state_exception"
                if self.mentions_any(&[
                    "repository that is currently used",
                    "Cannot cleanup [",
                    "repository cleanup is already in-progress",
                    "snapshot is currently being deleted",
                ]) =>
            {
                ErrorKind::Busy
            }
            ErrorType::REPOSITORY_VERIFICATION => ErrorKind::RepositoryVerification,
            _ if self.is_role_refused() && !self.is_changing_master() => ErrorKind::AccessDenied,
            ErrorType::REPOSITORY | "unsupported_version_exception" => ErrorKind::Repository,
            ErrorType::SNAPSHOT if self.is_unreadable() => ErrorKind::Repository,
            // The server parses files of the repository in this way, never a request of this crate.
            "parsing_exception" | "parse_exception" | "x_content_parse_exception"
                if self.mentions_any(&["Failed to parse object", "Failed to derive xcontent"]) =>
            {
                ErrorKind::Repository
            }
            name if STORAGE.contains(&name) => ErrorKind::Repository,
            ErrorType::SNAPSHOT_RESTORE if self.mentions("snapshot does not exist") => ErrorKind::SnapshotMissing,
            ErrorType::SNAPSHOT_RESTORE => ErrorKind::Restore,
            // The cluster has just started and has not recovered its state yet.
            "cluster_block_exception" if self.status == 503 => ErrorKind::Unavailable,
            "cluster_block_exception" => ErrorKind::Blocked,
            // With 500 and 503 the plugin reports its own state: it is not ready, or it failed.
            "security_exception" if self.status == 401 => ErrorKind::Unauthenticated,
            "security_exception" if self.status == 403 => ErrorKind::AccessDenied,
            "security_exception" if self.status >= 500 && self.mentions("not initialized") => ErrorKind::Unavailable,
            "es_rejected_execution_exception" | "rejected_execution_exception" | "circuit_breaking_exception" => {
                ErrorKind::Throttled
            }
            "process_cluster_event_timeout_exception"
            | "timeout_exception"
            | "receive_timeout_transport_exception"
            | "cluster_manager_throttling_exception"
            | "master_not_discovered_exception"
            | "cluster_manager_not_discovered_exception" => ErrorKind::Unavailable,
            name if self.status >= 500 && (INVALID.contains(&name) || self.exceeds_shard_limit()) => {
                ErrorKind::InvalidRequest
            }
            _ => self.kind_by_status(ErrorKind::InvalidRequest),
        }
    }

    /// Whether the cluster lost its master, or lost track of the request. Causes count only below a
    /// general exception: a specific one, such as a refused restore, has its own meaning.
    fn is_changing_master(&self) -> bool {
        const TEXTS: [&str; 5] = [
            "no longer master",
            "no longer cluster manager",
            "no longer cluster-manager",
            "no longer the elected",
            "Failed to update cluster state",
        ];
        let is_snapshots = matches!(self.error_type, ErrorType::SNAPSHOT | ErrorType::REPOSITORY);
        CHANGING_MASTER.contains(&self.error_type)
            || (is_snapshots
                && (self.mentions_any(&TEXTS) || self.causes.iter().any(|(name, _)| CHANGING_MASTER.contains(name)))
                && !self.is_unreadable())
    }

    /// Whether the indices of a restore conflict with existing ones. The server reports these
    /// conflicts with other types than `snapshot_restore_exception`.
    fn is_name_conflict(&self) -> bool {
        self.mentions_any(&[
            "has more than one write index",
            "has is_hidden set to",
            "names need to be unique, but the following duplicates were found",
            "an index exists with the same name as the alias",
            "an index or data stream exists with the same name as the alias",
            "conflicts with existing backing indices",
        ])
    }

    /// Whether the cluster would exceed its limit of shards.
    fn exceeds_shard_limit(&self) -> bool {
        self.mentions_any(&["maximum shards open", "maximum normal shards open"])
    }

    /// Whether the domain may not assume the repository's role.
    fn is_role_refused(&self) -> bool {
        const REFUSED: &str = "is not authorized to perform: sts:AssumeRole";
        TOKEN_SERVICE.contains(&self.error_type)
            || self.mentions(REFUSED)
            || self.causes.iter().any(|(name, reason)| TOKEN_SERVICE.contains(name) || reason.contains(REFUSED))
    }

    /// Whether the repository contains a snapshot that cannot be read.
    fn is_unreadable(&self) -> bool {
        self.mentions_any(&["napshot could not be read", "failed to get snapshot info", "Failed to get snapshot info"])
    }

    /// Whether the storage reports that the bucket does not exist.
    fn is_bucket_missing(&self) -> bool {
        const TEXTS: [&str; 2] = ["specified bucket does not exist", "Error Code: NoSuchBucket"];
        let matches = |name: &str, reason: &str| {
            name == "no_such_bucket_exception" || TEXTS.iter().any(|text| reason.contains(text))
        };
        matches(self.error_type, &self.reason) || self.causes.iter().any(|(name, reason)| matches(name, reason))
    }

    /// Whether the request had no effect although the engine failed (500). Either the engine failed
    /// before it did anything, or another client deleted the snapshot.
    fn had_no_effect(&self) -> bool {
        const REPOSITORY: [&str; 15] = [
            "must not ",
            "cannot be empty",
            "repository type [",
            "failed to create repository",
            "cannot create blob store",
            "readonly repository",
            "repository is readonly",
            "No bucket defined",
            "Could not determine repository generation",
            "could not read repository data",
            "exception when loading repository data",
            "Could not read repository data",
            "do not match its expected state",
            "repository has been disabled",
            "Cannot add another snapshot to this repository",
        ];
        const SNAPSHOT: [&str; 5] = [
            "Indices don't have primary shards",
            "have unassigned primary shards",
            "matched requested pattern",
            "because its snapshot was not successful",
            "aborted by deletion",
        ];
        match self.error_type {
            // The causes do not count: the storage may fail before or after the effect.
            ErrorType::REPOSITORY if self.mentions_any(&REPOSITORY) => true,
            ErrorType::SNAPSHOT if self.is_unreadable() || self.mentions_any(&SNAPSHOT) => true,
            "unsupported_version_exception" => true,
            _ => self.is_bucket_missing(),
        }
    }

    /// Whether the request was carried out, given the kind of the failure. A gateway's 5xx shows
    /// nothing about the engine.
    pub(super) fn outcome(&self, kind: ErrorKind) -> Outcome {
        match self.layer {
            _ if GAVE_UP.contains(&self.status) => Outcome::Unknown,
            ServerLayer::Gateway if self.status >= 500 => Outcome::Unknown,
            // A cluster event may be applied after its time-out, and a node may have forwarded the
            // request before it lost its master. Only throttled and blocked requests had no effect.
            ServerLayer::Engine if kind == ErrorKind::Unavailable => match self.error_type {
                "cluster_manager_throttling_exception" | "cluster_block_exception" => Outcome::Rejected,
                _ => Outcome::Unknown,
            },
            // The engine reports a failure halfway in the same way as a failure before it began.
            ServerLayer::Engine if self.status >= 500 => match kind {
                ErrorKind::Server | ErrorKind::Repository if self.is_changing_master() || !self.had_no_effect() => {
                    Outcome::Unknown
                }
                _ => Outcome::Rejected,
            },
            ServerLayer::Policy | ServerLayer::Signature
                if matches!(kind, ErrorKind::Unavailable | ErrorKind::Server) =>
            {
                Outcome::Unknown
            }
            _ => Outcome::Rejected,
        }
    }

    /// What the response shows about the effect of the request, given its outcome.
    pub(super) fn failure(&self, outcome: Outcome) -> Failure {
        match outcome {
            Outcome::Rejected | Outcome::NotSent => Failure::Final,
            Outcome::Unknown if self.layer != ServerLayer::Engine || GAVE_UP.contains(&self.status) => {
                Failure::ChangingMaster
            }
            Outcome::Unknown if self.is_changing_master() => Failure::ChangingMaster,
            Outcome::Unknown => Failure::Other,
        }
    }
}

/// Removes the text in quotes and brackets: `alias [a] has` becomes `alias [] has`.
///
/// A name may itself contain a bracket or an apostrophe. So an opening mark counts only at the
/// beginning of a word, and a closing mark only at the end of one.
pub(super) fn unquoted(text: &str) -> String {
    // Quotes around the whole text do not enclose a name.
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let mut out = String::with_capacity(text.len());
    // Closing marks that do not occur in the rest. Without this list, time would be quadratic.
    let mut exhausted = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['[', '"', '\'']) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let begins_a_word = out.is_empty() || out.ends_with(|before: char| before.is_whitespace() || before == '(');
        let mut letters = found.chars();
        let opening = letters.next().unwrap_or_default();
        let closing = if opening == '[' { ']' } else { opening };
        out.push(opening);
        rest = letters.as_str();
        if begins_a_word && !exhausted.contains(closing) {
            let mut behind = rest.match_indices(closing).map(|(end, _)| rest.get(end + 1..).unwrap_or_default());
            match behind.find(|behind| starts_at_word_end(behind)) {
                Some(behind) => {
                    out.push(closing);
                    rest = behind;
                }
                None => exhausted.push(closing),
            }
        }
    }
    out.push_str(rest);
    out
}

/// Whether a word ends here: only a few punctuation marks precede the next white space.
fn starts_at_word_end(text: &str) -> bool {
    /// How many punctuation marks may follow a quote.
    const MARKS: usize = 4;
    let marks = text.bytes().take(MARKS).take_while(u8::is_ascii_punctuation).count();
    text.get(marks..).is_some_and(|text| text.is_empty() || text.starts_with(char::is_whitespace))
}

/// The words of a reason that are equal when the same failure occurs again: without quoted text,
/// numbers and ids.
pub(super) fn stable_words(reason: &str) -> Vec<String> {
    let mut is_id = false;
    let mut words = Vec::new();
    for word in unquoted(reason).split_whitespace() {
        if !is_id && !word.bytes().any(|byte| byte.is_ascii_digit()) {
            words.push(word.to_owned());
        }
        is_id = ["ID:", "Id:", "id:"].iter().any(|label| word.ends_with(label));
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::error::server::{FailedResponse, ServerError};

    fn parse(status: u16, body: &str) -> ServerError {
        ServerError::parse(status, body.as_bytes(), None, &[])
    }

    fn unsigned(status: u16, body: &str) -> ServerError {
        ServerError::read(&FailedResponse { status, body: body.as_bytes(), ..FailedResponse::default() })
    }

    fn engine(status: u16, error_type: &str, reason: &str) -> ServerError {
        parse(status, &json!({"error": {"type": error_type, "reason": reason}, "status": status}).to_string())
    }

    fn caused(error_type: &str, reason: &str, cause_type: &str, cause: &str) -> ServerError {
        let cause = json!({"type": cause_type, "reason": cause});
        parse(
            500,
            &json!({"error": {"type": error_type, "reason": reason, "caused_by": cause}, "status": 500}).to_string(),
        )
    }

    #[test]
    fn classifies_failures_without_effect_as_final() {
        let alias = "alias [filebeat] has more than one write index [filebeat-1,filebeat-2]";
        let full = "[r] Cannot add another snapshot to this repository as it already contains [500] snapshots and is configured to \
                    hold up to [500] snapshots only.";
        let disabled = "[r] Could not read repository data because the contents of the repository do not match its expected \
                        state. The repository has been disabled to prevent corrupting its contents.";
        let duplicates = "index, alias, and data stream names need to be unique, but the following duplicates were found [a (alias of \
                          [[b/u]]) conflicts with index]";
        for (error, kind) in [
            (engine(500, "illegal_state_exception", alias), ErrorKind::Restore),
            (engine(500, "illegal_argument_exception", alias), ErrorKind::Restore),
            (engine(500, "illegal_state_exception", duplicates), ErrorKind::Restore),
            (engine(500, "snapshot_restore_exception", "[r:s] cannot rename index [a] into [b]"), ErrorKind::Restore),
            (engine(500, "repository_exception", full), ErrorKind::Repository),
            (engine(500, "repository_exception", disabled), ErrorKind::Repository),
            (engine(500, "repository_exception", "[r] cannot create blob store"), ErrorKind::Repository),
            (engine(500, "snapshot_exception", "[r:s/u] Snapshot could not be read"), ErrorKind::Repository),
            (engine(500, "snapshot_exception", "[r:s/u] failed to get snapshot info"), ErrorKind::Repository),
            (engine(500, "unsupported_version_exception", "Unsupported version [7.10.2]"), ErrorKind::Repository),
            (
                engine(500, "a_w_s_security_token_service_exception", "User: x is not authorized"),
                ErrorKind::AccessDenied,
            ),
            (
                caused(
                    "repository_exception",
                    "[r] x",
                    "sts_exception",
                    "User: x is not authorized to perform: sts:AssumeRole",
                ),
                ErrorKind::AccessDenied,
            ),
            (
                caused(
                    "repository_exception",
                    "[r] x",
                    "amazon_s3_exception",
                    "The specified bucket does not exist (Service: S3)",
                ),
                ErrorKind::Repository,
            ),
            (caused("repository_exception", "[r] x", "no_such_bucket_exception", "gone"), ErrorKind::Repository),
            (engine(400, "validation_exception", "this action would add [2] shards"), ErrorKind::InvalidRequest),
            (engine(500, "validation_exception", "this action would add [2] shards"), ErrorKind::InvalidRequest),
            (engine(500, "x", "this cluster currently has [9]/[9] maximum shards open"), ErrorKind::InvalidRequest),
            (engine(400, "parse_exception", "Failed to derive xcontent"), ErrorKind::Repository),
            (
                engine(500, "repository_exception", "[r] Unexpected exception when loading repository data"),
                ErrorKind::Repository,
            ),
            (
                caused("repository_verification_exception", "[r] path", "sts_exception", "no"),
                ErrorKind::RepositoryVerification,
            ),
        ] {
            assert_eq!(
                (error.kind(), error.outcome(), error.failure()),
                (kind, Outcome::Rejected, Failure::Final),
                "{error}"
            );
        }
    }

    #[test]
    fn a_changing_master_leaves_the_outcome_unknown() {
        for name in CHANGING_MASTER {
            for status in [500, 503] {
                let error = engine(status, name, "r");
                assert_eq!((error.outcome(), error.failure()), (Outcome::Unknown, Failure::ChangingMaster), "{name}");
            }
        }
        for (name, reason) in [
            ("snapshot_exception", "[r:s/u] no longer master"),
            ("snapshot_exception", "[r:s/u] no longer cluster-manager"),
            ("repository_exception", "[r] no longer cluster manager"),
            ("repository_exception", "[_all] Failed to update cluster state"),
        ] {
            assert_eq!(engine(500, name, reason).failure(), Failure::ChangingMaster, "{reason}");
        }
        let below = caused("snapshot_exception", "[r:s] failed", "not_master_exception", "no longer master");
        assert_eq!(below.failure(), Failure::ChangingMaster);
        // A cause in the storage does not make a failure of the cluster state final.
        let bucket =
            caused("repository_exception", "[_all] Failed to update cluster state", "no_such_bucket_exception", "gone");
        assert_eq!((bucket.outcome(), bucket.failure()), (Outcome::Unknown, Failure::ChangingMaster));
        let role = caused("repository_exception", "[_all] Failed to update cluster state", "sts_exception", "no");
        assert_eq!((role.outcome(), role.failure()), (Outcome::Unknown, Failure::ChangingMaster));
    }

    #[test]
    fn any_other_failure_of_the_engine_is_neither_final_nor_a_changing_master() {
        for error in [
            engine(500, "null_pointer_exception", "Cannot invoke \"x\" because the return value is null"),
            engine(500, "illegal_state_exception", "something odd"),
            engine(500, "repository_exception", "[r] concurrent modification of the index-N file"),
            engine(500, "snapshot_exception", "[r:s] failed to finalize"),
            engine(503, "security_exception", "OpenSearch Security not initialized for cluster:admin/snapshot/get"),
            caused("repository_exception", "[r] x", "amazon_s3_exception", "Slow down"),
        ] {
            assert_eq!((error.outcome(), error.failure()), (Outcome::Unknown, Failure::Other), "{error}");
        }
    }

    #[test]
    fn two_failures_of_a_gateway_are_never_the_same_failure() {
        for status in [408, 425, 444, 460, 499, 500, 502, 503, 504, 520, 524, 599] {
            for body in [
                "",
                "stream timeout",
                "<html>x</html>",
                r#"{"message":"Internal server error"}"#,
                r#"{"error":"Bad Gateway"}"#,
            ] {
                let error = parse(status, body);
                assert_eq!(error.outcome(), Outcome::Unknown, "{status} {body}");
                assert_eq!(error.failure(), Failure::ChangingMaster, "{status} {body}");
                assert!(!error.is_same_failure(&parse(status, body)), "{status} {body}");
            }
        }
    }

    #[test]
    fn classifies_a_gateway_that_gave_up_waiting_as_unavailable() {
        for status in GAVE_UP {
            for body in ["", r#"{"message":"Request Timeout"}"#, r#"{"error":{"type":"x_exception","reason":"r"}}"#] {
                let error = parse(status, body);
                assert_eq!(
                    (error.kind(), error.outcome()),
                    (ErrorKind::Unavailable, Outcome::Unknown),
                    "{status} {body}"
                );
            }
        }
    }

    #[test]
    fn a_security_exception_denies_access_only_with_401_and_403() {
        for (status, reason, kind) in [
            (401, "missing authentication credentials", ErrorKind::Unauthenticated),
            (403, "no permissions for [cluster:admin/snapshot/get]", ErrorKind::AccessDenied),
            (500, "Unexpected exception cluster:admin/snapshot/restore", ErrorKind::Server),
            (503, "OpenSearch Security not initialized for cluster:admin/snapshot/get", ErrorKind::Unavailable),
            (500, "OpenSearch Security not initialized", ErrorKind::Unavailable),
        ] {
            assert_eq!(engine(status, "security_exception", reason).kind(), kind, "{status} {reason}");
        }
    }

    #[test]
    fn attributes_messages_of_other_front_ends_to_a_gateway_and_keeps_them() {
        for (status, body, kind, message) in [
            (
                401,
                json!({"code": 401, "message": "Authentication required"}),
                ErrorKind::Unauthenticated,
                "Authentication required",
            ),
            (401, json!({"message": "Unauthorized"}), ErrorKind::Unauthenticated, "Unauthorized"),
            (403, json!({"message": "Forbidden"}), ErrorKind::AccessDenied, "Forbidden"),
            (
                403,
                json!({"statusCode": 403, "error": "Forbidden", "message": "not you"}),
                ErrorKind::AccessDenied,
                "not you",
            ),
            (
                404,
                json!({"statusCode": 404, "error": "Not Found", "message": "Not Found"}),
                ErrorKind::Server,
                "Not Found",
            ),
            (
                403,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "services is forbidden", "code": 403}),
                ErrorKind::AccessDenied,
                "services is forbidden",
            ),
            (
                429,
                json!({"message": "API rate limit exceeded", "request_id": "x"}),
                ErrorKind::Throttled,
                "API rate limit exceeded",
            ),
            (
                401,
                json!({"error": "invalid_token", "error_description": "expired"}),
                ErrorKind::Unauthenticated,
                "expired",
            ),
            (
                403,
                json!({"error": {"code": 403, "message": "denied", "status": "X"}}),
                ErrorKind::AccessDenied,
                "denied",
            ),
            (
                401,
                json!({"title": "Unauthorized", "status": 401, "detail": "no key"}),
                ErrorKind::Unauthenticated,
                "no key",
            ),
            (
                503,
                json!({"timestamp": 1, "status": 503, "error": "x", "message": "down"}),
                ErrorKind::Unavailable,
                "down",
            ),
            (502, json!({"status": 502, "message": "bad gateway"}), ErrorKind::Unavailable, "bad gateway"),
            (
                403,
                json!({"status": 403, "error": {"reason": "no", "type": "Forbidden"}}),
                ErrorKind::AccessDenied,
                "no",
            ),
        ] {
            for error in [parse(status, &body.to_string()), unsigned(status, &body.to_string())] {
                assert_eq!((error.layer(), error.kind()), (ServerLayer::Gateway, kind), "{body}");
                assert!(error.reason().contains(message), "{body}: {error}");
            }
        }
    }

    #[test]
    fn an_unsigned_request_never_has_a_bad_signature() {
        for message in [
            "The request signature we calculated does not match the signature you provided.",
            "Signature expired: 1 is now earlier than 2 (3 - 5 min.)",
            "The security token included in the request is expired",
            "Credential should be scoped to correct service: 'es'",
        ] {
            let body = json!({"message": message}).to_string();
            assert_eq!(parse(403, &body).layer(), ServerLayer::Signature, "{message}");
            let error = unsigned(403, &body);
            assert_eq!((error.layer(), error.kind()), (ServerLayer::Gateway, ErrorKind::AccessDenied), "{message}");
        }
        let body = json!({"message": "Authorization header requires 'Credential' parameter."}).to_string();
        let error = unsigned(403, &body);
        assert_eq!((error.layer(), error.kind()), (ServerLayer::Signature, ErrorKind::Unauthenticated));
    }

    #[test]
    fn removes_quoted_text_between_word_boundaries() {
        for (text, expected) in [
            ("alias [a] has more [b,c]", "alias [] has more []"),
            ("[[a/b]] because", "[]] because"),
            ("[a]b:s] is missing", "[] is missing"),
            ("alias []x'-] has [a'-,+]", "alias [] has []"),
            ("alias []'-] has []'-,+]", "alias []'-] has []"),
            ("a/['b is, c'] d", "a/['b is, c'] d"),
            ("[a[b:s] is missing", "[] is missing"),
            ("Your request: '/_snapshot/it's/x' is not allowed.", "Your request: '' is not allowed."),
            ("Indices don't have primary shards [don't]", "Indices don't have primary shards []"),
            ("no [ end, no ' end", "no [ end, no ' end"),
            ("\"all of it 'a b'\"", "all of it ''"),
            ("Cannot invoke \"a b\" because", "Cannot invoke \"\" because"),
            ("'ü' é['", "'' é['"),
        ] {
            assert_eq!(unquoted(text), expected);
        }
    }

    #[test]
    fn removes_quoted_text_in_linear_time() {
        for piece in ["[", "'", "\"", "'a", "['", "[]", "' '", "[['"] {
            let text = piece.repeat(64 * 1024 / piece.len());
            assert!(unquoted(&text).len() <= text.len());
        }
    }

    #[test]
    fn compares_failures_by_status_type_and_root_cause() {
        let s3 = |id: &str, extended: &str| {
            let text = format!(
                "Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied; Request ID: {id}; S3 Extended \
                 Request ID: {extended}; Proxy: null)"
            );
            caused("repository_exception", &format!("[r:s/{id}] failed"), "amazon_s3_exception", &text)
        };
        assert!(s3("A1B2C3", "abc/DEF+g=").is_same_failure(&s3("HIJKLM", "xyz/UVW+t=")));
        let npe =
            |status, uuid: &str| engine(status, "null_pointer_exception", &format!("index [movies/{uuid}] is null"));
        assert!(npe(500, "qX3").is_same_failure(&npe(500, "Zq")));
        assert!(!npe(500, "a").is_same_failure(&npe(503, "a")));
        assert!(!npe(500, "a").is_same_failure(&engine(500, "illegal_state_exception", "index [movies/a] is null")));
        assert!(!npe(500, "a").is_same_failure(&engine(500, "null_pointer_exception", "shard [movies/a] is null")));
        let deep = |cause: &str| caused("snapshot_exception", "[r:s] failed", "i_o_exception", cause);
        assert!(!deep("disk on fire").is_same_failure(&deep("disk is full")));
        assert!(!deep("x").is_same_failure(&engine(500, "snapshot_exception", "[r:s] failed")));
    }

    /// Bodies that quote the names of a repository, snapshot, index, role, bucket and user.
    fn bodies(names: &[String; 6]) -> Vec<(u16, String)> {
        let [r, s, i, role, bucket, user] = names;
        let edge = |text: String| json!({"Message": text}).to_string();
        let signature = |text: String| json!({"message": text}).to_string();
        let error = |name: &str, reason: String, cause: String| {
            let cause = json!({"type": "amazon_s3_exception", "reason": cause});
            json!({"error": {"type": name, "reason": reason, "caused_by": cause}}).to_string()
        };
        let storage = format!("Access Denied for [{bucket}]");
        let missing = format!("The specified bucket does not exist: {bucket}");
        let mut all = vec![
            (401, edge(format!("Your request: '/_snapshot/{r}/{s}' is not allowed."))),
            (401, edge(format!("Your request: '/_snapshot/{r}/{s}' payload is not allowed."))),
            (403, edge(format!("User: {role} is not authorized to perform: es:ESHttpPut on resource: {r}"))),
            (403, edge(format!("User: anonymous is not authorized to perform: iam:PassRole on resource: {role}"))),
            (403, edge("Request throttled due to too many requests".to_owned())),
            (403, signature(format!("The request signature we calculated does not match. '/_snapshot/{r}/{s}'"))),
            (403, signature(format!("Credential should be scoped to a valid region, not '{i}'."))),
            (403, signature(format!("/_snapshot/{r}/{s} is forbidden"))),
            (403, format!("<html>/_snapshot/{r}/{s} is forbidden</html>")),
            (404, format!("no route to /{r}/{s}")),
        ];
        for (name, reason) in [
            ("repository_missing_exception", format!("[{r}] missing")),
            ("snapshot_missing_exception", format!("[{r}:{s}] is missing")),
            ("index_not_found_exception", format!("no such index [{i}]")),
            ("invalid_snapshot_name_exception", format!("[{r}:{s}] Invalid snapshot name [{s}], must be lowercase")),
            (
                "invalid_snapshot_name_exception",
                format!("[{r}:{s}] Invalid snapshot name [{s}], snapshot with the same name already exists"),
            ),
            ("repository_exception", format!("[{r}] could not read repository data from index blob")),
            ("repository_exception", format!("[{r}] concurrent modification of the index-N file")),
            ("repository_exception", format!("[{r}] repository type [{i}] does not exist")),
            ("snapshot_exception", format!("[{r}:{s}/u] no longer master")),
            ("snapshot_exception", format!("[{r}:{s}/u] Snapshot could not be read")),
            ("snapshot_exception", format!("[{r}:{s}/u] failed to finalize [{i}]")),
            ("snapshot_exception", format!("[{r}:{s}/u] Indices don't have primary shards [{i}]")),
            (
                "snapshot_exception",
                format!("[{r}:{s}/u] Can't clone index [[{i}/x]] because its snapshot was not successful."),
            ),
            ("snapshot_restore_exception", format!("[{r}:{s}] snapshot does not exist")),
            (
                "snapshot_restore_exception",
                format!("[{r}:{s}] cannot restore index [{i}] because it cannot be upgraded"),
            ),
            ("illegal_state_exception", format!("alias [{i}] has more than one write index [{i},{r}]")),
            (
                "illegal_state_exception",
                format!("Cannot cleanup [{r}] - a repository cleanup is already in-progress in [{r}]"),
            ),
            ("illegal_state_exception", format!("cannot do this to [{i}] of {r}:{s}")),
            (
                "security_exception",
                format!("no permissions for [indices:x] and User [name={user}, backend_roles=[{role}]]"),
            ),
            ("security_exception", format!("Unexpected exception for [{user}]")),
        ] {
            all.push((500, error(name, reason.clone(), storage.clone())));
            all.push((500, error(name, reason, missing.clone())));
        }
        all
    }

    fn classified(error: &ServerError) -> (ServerLayer, ErrorKind, Outcome, Failure) {
        (error.layer(), error.kind(), error.outcome(), error.failure())
    }

    fn assert_names_change_nothing(names: &[String; 6]) {
        let plain = ["r", "s", "i", "arn:aws:iam::1:role/x", "bucket", "u"].map(str::to_owned);
        for ((status, expected), (_, body)) in bodies(&plain).into_iter().zip(bodies(names)) {
            assert_eq!(classified(&parse(status, &body)), classified(&parse(status, &expected)), "{status} {body}");
            if status < 500 {
                let (unsigned, expected) = (unsigned(status, &body), unsigned(status, &expected));
                assert_eq!(classified(&unsigned), classified(&expected), "unsigned {body}");
            }
        }
    }

    #[test]
    fn names_that_look_like_error_texts_do_not_change_the_kind() {
        for name in [
            "unthrottled",
            "request-throttled",
            "missing",
            "already",
            "already-exists",
            "same-name",
            "no-longer-master",
            "a]b",
            "a[b",
            "]",
            "[",
            "'",
            "it's",
            "'a'",
            "x].[y",
            "not-initialized",
            "nosuchbucket",
            "is-not-allowed",
            "role_arn",
            "timeout_exception",
            "has-more-than-one-write-index",
            "signature-expired:",
            "throttled'",
            "'throttled",
            "[throttled",
            "throttled]",
        ] {
            assert_names_change_nothing(&[(); 6].map(|()| name.to_owned()));
        }
        let user = "Request throttled: snapshot does not exist, not initialized, no longer master";
        let mut names = [(); 6].map(|()| "x".to_owned());
        names[5] = user.to_owned();
        assert_names_change_nothing(&names);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn no_name_changes_the_kind(
            file in prop::array::uniform3(r"[a-z0-9.@!$&'()+;=~^`{}\[\]-]{1,20}"),
            role in r"arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_-]{1,20}",
            bucket in "[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]",
            user in r"[a-zA-Z0-9 .:/@'_-]{1,40}",
        ) {
            let [repository, snapshot, index] = file;
            assert_names_change_nothing(&[repository, snapshot, index, role, bucket, user]);
        }
    }
}
