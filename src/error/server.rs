//! A failed response of the domain: what it says, free of secrets.

use std::fmt;

use serde::Serialize;

use super::body::{Cause, ERROR_BODY, ErrorField, Said};
use super::classify::{self, Facts, Failure, lasting_words, unquoted};
use super::scrub::{cleaned, one_line, plain};
use super::{ErrorKind, LINE, Outcome};

/// The layer in front of or in the domain that wrote a response (on AWS there are five).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerLayer {
    /// Amazon's policy and allow-list layer: `{"Message":"…"}`. The engine never saw the request.
    Policy,
    /// Amazon's signature check: `{"message":"…"}` with one of its known texts. The engine never
    /// saw the request.
    Signature,
    /// The engine: `{"error":{"type":…,"reason":…},"status":…}`; or its security plugin's API:
    /// `{"status":"NOT_FOUND","message":…}`.
    Engine,
    /// The engine's security plugin: plain text `Unauthorized`. The request was not carried out.
    Authentication,
    /// A load balancer, proxy or API gateway: HTML, text, JSON of its own, or nothing. The engine
    /// may have seen the request.
    Gateway,
}

impl ServerLayer {
    /// Returns the name for logs and metrics, such as `policy`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Signature => "signature",
            Self::Engine => "engine",
            Self::Authentication => "authentication",
            Self::Gateway => "gateway",
        }
    }
}

impl fmt::Display for ServerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An exception type of the engine, such as `snapshot_missing_exception`: an open vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
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
    /// A snapshot cannot be taken, read or cloned.
    SNAPSHOT = "snapshot_exception";
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
        f.pad(&self.0)
    }
}

/// A failed response, as it came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FailedResponse<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    pub(crate) request_id: Option<&'a str>,
    /// Where a redirect leads.
    pub(crate) location: Option<&'a str>,
    /// Whether the request was signed.
    pub(crate) signed: bool,
    /// Texts that must not survive.
    pub(crate) secrets: &'a [&'a str],
}

/// A response of the domain that means failure, its texts free of echoed secrets.
///
/// The first 64 KiB of a body are read. [`Display`](fmt::Display) shows at most 2 KiB on one line.
/// The methods return all that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerError {
    status: u16,
    layer: ServerLayer,
    error_type: Option<ErrorType>,
    reason: String,
    causes: Vec<ServerCause>,
    causes_left_out: usize,
    #[serde(skip)]
    is_cut: bool,
    request_id: Option<String>,
    location: Option<String>,
    kind: ErrorKind,
    outcome: Outcome,
    #[serde(skip)]
    failure: Failure,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ServerCause {
    error_type: Option<ErrorType>,
    reason: String,
    /// Whether it is reached from the error by `caused_by` alone.
    #[serde(skip)]
    is_direct: bool,
}

impl ServerError {
    /// Reads the failure of a signed request, or one that is reported within a response.
    pub(crate) fn parse(status: u16, body: &[u8], request_id: Option<&str>, secrets: &[&str]) -> Self {
        Self::read(&FailedResponse { status, body, request_id, location: None, signed: true, secrets })
    }

    /// Reads a failed response, whatever layer it comes from.
    pub(crate) fn read(response: &FailedResponse<'_>) -> Self {
        let FailedResponse { status, signed, secrets, .. } = *response;
        let body = response.body.get(..ERROR_BODY).unwrap_or(response.body);
        let mut text = String::from_utf8_lossy(body).into_owned();
        text.truncate(text.floor_char_boundary(ERROR_BODY));
        let mut said = Said::read(&text);
        let layer = classify::layer(&said, &text, status, signed);
        let mut causes = std::mem::take(&mut said.causes).into_iter();
        let Cause { error_type, reason, .. } = own_words(layer, &mut said, causes.next(), &text);
        let causes: Vec<Cause> = if layer == ServerLayer::Engine { causes.collect() } else { Vec::new() };

        // By the server's own words: a password may be a part of them.
        let facts = Facts {
            status,
            layer,
            error_type: error_type.as_deref().unwrap_or_default(),
            reason: unquoted(&reason),
            causes: causes
                .iter()
                .map(|cause| (cause.error_type.as_deref().unwrap_or_default(), unquoted(&cause.reason)))
                .collect(),
            signed,
        };
        let kind = facts.kind();
        let outcome = facts.outcome(kind);
        let failure = facts.failure(outcome);

        let clean = |text: String| cleaned(&text, secrets);
        let clean_type = |name: Option<String>| name.map(|name| ErrorType(clean(name)));
        Self {
            status,
            layer,
            error_type: clean_type(error_type),
            reason: clean(reason),
            causes: causes
                .into_iter()
                .map(|Cause { error_type, reason, is_direct }| ServerCause {
                    error_type: clean_type(error_type),
                    reason: clean(reason),
                    is_direct,
                })
                .collect(),
            causes_left_out: said.left_out,
            is_cut: body.len() == ERROR_BODY,
            request_id: response.request_id.map(|id| cleaned(id, secrets)),
            location: response
                .location
                .filter(|_| (300..400).contains(&status))
                .map(|location| cleaned(&address(location), secrets)),
            kind,
            outcome,
            failure,
        }
    }

    /// Returns the HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the layer that responded.
    #[must_use]
    pub fn layer(&self) -> ServerLayer {
        self.layer
    }

    /// Returns the engine's exception type, where the engine responded with one.
    #[must_use]
    pub fn error_type(&self) -> Option<&ErrorType> {
        self.error_type.as_ref()
    }

    /// Returns the reason in the server's words, cut to 2 KiB.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the causes below the reason, outermost first: at most 32, each cut to 2 KiB.
    pub fn causes(&self) -> impl Iterator<Item = (Option<&ErrorType>, &str)> {
        self.causes.iter().map(|cause| (cause.error_type.as_ref(), cause.reason.as_str()))
    }

    /// Returns how many further causes the server sent, as far as its response was read.
    #[must_use]
    pub fn causes_left_out(&self) -> usize {
        self.causes_left_out
    }

    /// Returns Amazon's request id, for a support case.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns where a redirect leads, without query, fragment, user and password. The client
    /// follows no redirect.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What is known about the domain after this response.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// What this failure says about the request that it answers.
    pub(crate) fn failure(&self) -> Failure {
        self.failure
    }

    /// Whether the engine reported the same failure twice: equal status, type and root cause. Ids,
    /// numbers and quoted names do not count.
    pub(crate) fn is_same_failure(&self, other: &Self) -> bool {
        let engine = |error: &Self| error.layer == ServerLayer::Engine;
        let (own_type, own_reason) = self.root();
        let (other_type, other_reason) = other.root();
        engine(self)
            && engine(other)
            && (self.status, &self.error_type, own_type) == (other.status, &other.error_type, other_type)
            && lasting_words(own_reason) == lasting_words(other_reason)
    }

    /// Type and reason of the innermost cause, or of the error itself.
    fn root(&self) -> (Option<&ErrorType>, &str) {
        let own = (self.error_type.as_ref(), self.reason.as_str());
        self.causes
            .iter()
            .rfind(|cause| cause.is_direct)
            .map_or(own, |cause| (cause.error_type.as_ref(), cause.reason.as_str()))
    }

    /// The error on one line of at most so many bytes: the reason, the root cause, and of the other
    /// causes what fits.
    pub(super) fn line(&self, limit: usize) -> String {
        /// The longest type, request id and address that are shown, in bytes.
        const SHORT: usize = 256;
        /// What the count of the causes that are not shown may take.
        const COUNT: usize = 64;
        let mut line = format!("HTTP {}", self.status);
        if let Some(error_type) = &self.error_type {
            line = format!("{line} {}", one_line(error_type.as_str(), SHORT));
        }
        if let Some(location) = &self.location {
            line = format!("{line}: redirects to {}, which is not followed", one_line(location, SHORT));
        }
        let id = self.request_id.as_ref().map(|id| format!("request id {}", one_line(id, SHORT)));
        let mut left = limit.saturating_sub(line.len() + id.as_ref().map_or(0, String::len) + COUNT);

        // Each text, and whether it is shown whatever the others take.
        let root = self.causes.iter().rposition(|cause| cause.is_direct);
        let causes =
            self.causes.iter().enumerate().filter(|(_, cause)| !cause.reason.is_empty() && cause.reason != self.reason);
        let causes = causes.map(|(at, cause)| ("; caused by: ", &cause.reason, Some(at) == root));
        let reason = Some((": ", &self.reason, true)).filter(|_| !self.reason.is_empty());
        let texts: Vec<_> = reason.into_iter().chain(causes).collect();
        let show = |limit: usize| {
            texts.iter().map(move |&(lead, text, wanted)| (format!("{lead}{}", one_line(text, limit)), wanted))
        };
        let fits = texts.len() == 1 || show(left).map(|(text, _)| text.len()).sum::<usize>() <= left;
        let shown: Vec<_> = show(if fits { left } else { left / 3 }).collect();
        left = left.saturating_sub(shown.iter().filter(|(_, wanted)| *wanted).map(|(text, _)| text.len()).sum());
        let mut hidden = self.causes_left_out;
        for (text, wanted) in shown {
            if !wanted && text.len() > left {
                hidden += 1;
                continue;
            }
            left -= if wanted { 0 } else { text.len() };
            line.push_str(&text);
        }
        let more = match (hidden, self.is_cut) {
            (0, false) => None,
            (0, true) => Some("cut at 64 KiB".to_owned()),
            (hidden, false) => Some(format!("{hidden} more causes left out")),
            (hidden, true) => Some(format!("at least {hidden} more causes left out")),
        };
        let notes: Vec<String> = more.into_iter().chain(id).collect();
        if notes.is_empty() { line } else { format!("{line} ({})", notes.join("; ")) }
    }
}

/// Type and reason of the failure itself: what the layer that wrote the body says, or else all of
/// it.
fn own_words(layer: ServerLayer, said: &mut Said, error: Option<Cause>, text: &str) -> Cause {
    let words = |reason: Option<String>| reason.map(|reason| Cause { reason, ..Cause::default() });
    let found = match (layer, said.error.take()) {
        (ServerLayer::Engine, Some(ErrorField::Text(text))) => Some(named(&text)),
        (ServerLayer::Engine, Some(ErrorField::Object)) => {
            let has_words = |cause: &Cause| cause.error_type.is_some() || !cause.reason.is_empty();
            error.filter(has_words).or(said.root.take()).or(Some(Cause::default()))
        }
        (ServerLayer::Policy, _) => words(said.policy.take()),
        _ => words(said.message.take().or(said.policy.take())),
    };
    found.unwrap_or_else(|| Cause {
        reason: if said.is_object { text.to_owned() } else { plain(text) },
        ..Cause::default()
    })
}

/// An address without what may be secret in it: user and password, query and fragment.
fn address(location: &str) -> String {
    let end = location.find(['?', '#']).unwrap_or(location.len());
    let (shown, _) = location.split_at(end);
    let Some((scheme, rest)) = shown.split_once("//") else { return shown.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}//{host}{path}")
}

/// Type and reason of an error that is told as text, such as `SnapshotMissingException[[r:s] is
/// missing]`: the form where `http.detailed_errors.enabled` is off. A node that asked the elected
/// one for it tells `RemoteTransportException` instead, and leaves out what that one said.
fn named(text: &str) -> Cause {
    let unnamed = || Cause { reason: text.to_owned(), ..Cause::default() };
    let Some((class, reason)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) else { return unnamed() };
    let name = ["Elasticsearch", "OpenSearch"].iter().find_map(|engine| class.strip_prefix(engine)).unwrap_or(class);
    if !name.ends_with("Exception") || !name.chars().all(|letter| letter.is_ascii_alphanumeric()) {
        return unnamed();
    }
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    Cause { error_type: Some(snake), reason: reason.to_owned(), ..Cause::default() }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(LINE))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
            assert_eq!(json!(layer), json!(layer.to_string()));
        }
    }

    #[test]
    fn kinds_follow_type_and_text_rather_than_status() {
        let engine =
            |error_type: &str, reason: &str| format!(r#"{{"error":{{"type":"{error_type}","reason":"{reason}"}}}}"#);
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
            (
                403,
                r#"{"message":"The security token included in the request is expired"}"#.to_owned(),
                ErrorKind::ExpiredToken,
            ),
            (
                403,
                r#"{"message":"Signature expired: 1 is now earlier than 2 (3 - 5 min.)"}"#.to_owned(),
                ErrorKind::ClockSkew,
            ),
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
        let engine =
            |error_type: &str, reason: &str| format!(r#"{{"error":{{"type":"{error_type}","reason":"{reason}"}}}}"#);
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
            (413, r#"{"message":"Request Too Long"}"#, ServerLayer::Gateway, ErrorKind::InvalidRequest),
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
            (
                404,
                "SnapshotMissingException[[r:s] is missing]",
                "snapshot_missing_exception",
                ErrorKind::SnapshotMissing,
            ),
            (
                503,
                "ConcurrentSnapshotExecutionException[[r:s] a snapshot is already running]",
                "concurrent_snapshot_execution_exception",
                ErrorKind::Busy,
            ),
            (
                503,
                "OpenSearchRejectedExecutionException[queue full]",
                "rejected_execution_exception",
                ErrorKind::Throttled,
            ),
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

    #[test]
    fn an_error_is_one_short_line_that_shows_the_root_cause_and_counts_the_rest() {
        let nested = (0..100).rev().fold(
            json!({"type": "root", "reason": "the root of it"}),
            |inner, n| json!({"type": "x", "reason": format!("{n}\n{}", "y".repeat(300)), "caused_by": inner}),
        );
        let error = parse(
            500,
            &json!({"error": {"type": "t", "reason": "outer\r\n\u{1b}[31m", "suppressed": [nested]}}).to_string(),
        );
        let shown = error.to_string();
        assert!(
            shown.len() <= LINE && shown.starts_with(r"HTTP 500 t: outer\r\n\u{1b}[31m"),
            "{} {shown}",
            shown.len()
        );
        assert!(!shown.contains(char::is_control) && shown.ends_with("more causes left out)"), "{shown}");

        let causes: Vec<_> =
            (0..20).map(|n| json!({"type": "x", "reason": format!("{n} {}", "y".repeat(900))})).collect();
        let root = json!({"type": "root", "reason": "the root of it"});
        let cause = json!({"type": "i_o_exception", "reason": "z".repeat(900), "caused_by": root});
        let body =
            json!({"error": {"type": "t", "reason": "w".repeat(3000), "caused_by": cause, "suppressed": causes}});
        let error = parse(500, &body.to_string());
        let shown = error.to_string();
        assert!(shown.len() <= LINE && shown.contains("; caused by: the root of it"), "{shown}");
        let kept = error.causes().count();
        assert_eq!((kept, error.causes_left_out()), (22, 0));
        assert!(error.causes().any(|(_, reason)| reason.len() > 800), "the methods keep more than the line");
    }

    #[test]
    fn causes_that_are_not_kept_are_counted() {
        let many: Vec<_> = (0..500).map(|n| json!({"type": "x", "reason": n.to_string()})).collect();
        let error = parse(500, &json!({"error": {"type": "t", "reason": "r", "suppressed": many}}).to_string());
        assert_eq!(error.causes().count() + error.causes_left_out(), 500);
        assert!(error.to_string().contains("468 more causes left out"), "{error}");
    }

    #[test]
    fn a_body_that_is_cut_off_yields_type_and_reason() {
        let long = "x".repeat(2 * ERROR_BODY);
        let roots = vec![json!({"type": "repository_exception", "reason": "[r] could not read repository data"}); 2000];
        let reason = r#""type":"repository_exception","reason":"[r] could not read repository data"#;
        for body in [
            format!(r#"{{"error":{{{reason} {long}"#),
            format!(r#"{{"error":{{{reason}","caused_by":{{"type":"i_o_exception","reason":"{long}"#),
            json!({"error": {"root_cause": roots}}).to_string(),
            format!(r#"{{"error":{{"suppressed":[],{reason}","stack_trace":"{long}"#),
        ] {
            let error = parse(500, &body);
            assert_eq!(error.error_type().map(ErrorType::as_str), Some("repository_exception"));
            assert!(error.reason().starts_with("[r] could not read repository data"), "{error}");
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Repository, Outcome::Rejected));
        }
    }

    #[test]
    fn a_redirect_says_where_to_without_what_may_be_secret() {
        let to = |status, location| {
            let response =
                FailedResponse { status, location: Some(location), secrets: &["s3cr3t"], ..FailedResponse::default() };
            ServerError::read(&response)
        };
        for (location, expected) in [
            ("https://login.example.org/", "https://login.example.org/"),
            ("https://user:pass@login.example.org/a?token=x#y", "https://login.example.org/a"),
            ("/login?next=/x", "/login"),
            ("//other.example.org/s3cr3t/\u{1b}", "//other.example.org/[redacted]/\u{1b}"),
        ] {
            let error = to(302, location);
            assert_eq!(error.location(), Some(expected));
            assert!(!error.to_string().contains('\u{1b}') && error.to_string().contains("redirects to "), "{error}");
        }
        assert_eq!(to(500, "https://login.example.org/").location(), None);
        assert!(to(302, &"x".repeat(100_000)).to_string().len() <= LINE);
    }
}
