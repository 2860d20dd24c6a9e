//! A failed response: its layer, type, reason and causes, without secrets.

use std::fmt;

use serde::Serialize;

use super::body::{Cause, ERROR_BODY, ErrorField, ParsedBody};
use super::classify::{self, Facts, Failure, stable_words, unquoted};
use super::scrub::{cleaned, one_line, plain};
use super::{ErrorKind, LINE, Outcome};

/// The layer that wrote a failed response: a part of the domain, or a gateway in front of it.
///
/// | layer | did the request reach the server? |
/// | --- | --- |
/// | [`Policy`](Self::Policy), [`Signature`](Self::Signature) | no |
/// | [`Engine`](Self::Engine), [`Authentication`](Self::Authentication) | yes |
/// | [`Gateway`](Self::Gateway) | unknown |
///
/// ```
/// use es_snapshot::error::ServerLayer;
///
/// assert_eq!(ServerLayer::Policy.as_str(), "policy");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerLayer {
    /// Amazon's check of policies and supported operations.
    ///
    /// It writes `{"Message":"…"}`. The request did not reach the server.
    Policy,
    /// Amazon's check of signatures.
    ///
    /// It writes `{"message":"…"}` with one of several known texts. The request did not reach the
    /// server.
    Signature,
    /// The server: Elasticsearch or OpenSearch itself.
    ///
    /// It writes `{"error":{"type":…,"reason":…},"status":…}`. The API of OpenSearch's security
    /// plugin writes `{"status":"NOT_FOUND","message":…}`.
    Engine,
    /// The authentication of the server's security plugin.
    ///
    /// It writes the plain text `Unauthorized`. The request was not carried out.
    Authentication,
    /// A load balancer, a proxy or an API gateway.
    ///
    /// It writes HTML, text, JSON of another form, or nothing. The request may have reached the
    /// server.
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

/// An exception type of the server, such as `snapshot_missing_exception`.
///
/// Servers have many types, and new versions add more. The constants name those that concern
/// snapshots. To handle failures, match on [`ErrorKind`], which covers the types of all versions.
///
/// ```
/// use es_snapshot::Error;
/// use es_snapshot::error::ErrorType;
///
/// /// Returns whether the server responded that the repository is in use.
/// fn is_in_use(error: &Error) -> bool {
///     let error_type = error.server().and_then(|server| server.error_type());
///     error_type.is_some_and(|found| found == ErrorType::REPOSITORY_CONFLICT)
/// }
/// # let error = "Not Lower".parse::<es_snapshot::name::SnapshotName>().unwrap_err();
/// # assert!(!is_in_use(&error));
/// ```
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
    /// The snapshot's name is invalid, or taken (before Elasticsearch 8.2).
    INVALID_SNAPSHOT_NAME = "invalid_snapshot_name_exception";
    /// The snapshot's name is taken (Elasticsearch 8.2 and later).
    SNAPSHOT_NAME_IN_USE = "snapshot_name_already_in_use_exception";
    /// Another snapshot operation is already running.
    CONCURRENT_SNAPSHOT = "concurrent_snapshot_execution_exception";
    /// The repository is in use (Elasticsearch 8 and later).
    REPOSITORY_CONFLICT = "repository_conflict_exception";
    /// The verification of the repository failed.
    REPOSITORY_VERIFICATION = "repository_verification_exception";
    /// The repository failed in another way.
    REPOSITORY = "repository_exception";
    /// A snapshot cannot be created, read or cloned.
    SNAPSHOT = "snapshot_exception";
    /// The server refused the restore.
    SNAPSHOT_RESTORE = "snapshot_restore_exception";
}

impl ErrorType {
    /// Returns the type as the server wrote it.
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

/// A failed response as it arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FailedResponse<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    pub(crate) request_id: Option<&'a str>,
    /// The target of a redirect.
    pub(crate) location: Option<&'a str>,
    /// Whether the request was signed.
    pub(crate) signed: bool,
    /// Texts that must be removed.
    pub(crate) secrets: &'a [&'a str],
}

/// A failed response of the domain.
///
/// [`Error::server`](super::Error::server) returns it. The client reads the first 64 KiB of the
/// body, and removes secrets that the server repeats in it. [`Display`](fmt::Display) shows at most
/// 2 KiB on one line. The methods return more.
///
/// ```
/// use es_snapshot::error::ServerLayer;
/// # use es_snapshot::testing::FakeDomain;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// # let client = FakeDomain::with_repository("backups").await.client();
/// let error = client.repository("nightly")?.info().await.unwrap_err();
///
/// if let Some(server) = error.server() {
///     assert_eq!((server.status(), server.layer()), (404, ServerLayer::Engine));
///     println!("HTTP {}: {}", server.status(), server.reason());
/// }
/// # Ok(())
/// # }
/// ```
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
    /// Whether only `caused_by` leads from the error to it.
    #[serde(skip)]
    is_direct: bool,
}

impl ServerError {
    /// Parses the failure of a signed request, or a failure that a successful response contains.
    pub(crate) fn parse(status: u16, body: &[u8], request_id: Option<&str>, secrets: &[&str]) -> Self {
        Self::read(&FailedResponse { status, body, request_id, location: None, signed: true, secrets })
    }

    /// Parses a failed response of any layer.
    pub(crate) fn read(response: &FailedResponse<'_>) -> Self {
        let FailedResponse { status, signed, secrets, .. } = *response;
        let body = response.body.get(..ERROR_BODY).unwrap_or(response.body);
        let mut text = String::from_utf8_lossy(body).into_owned();
        text.truncate(text.floor_char_boundary(ERROR_BODY));
        let mut parsed = ParsedBody::parse(&text);
        let layer = classify::layer(&parsed, &text, status, signed);
        let mut causes = std::mem::take(&mut parsed.causes).into_iter();
        let Cause { error_type, reason, .. } = main_failure(layer, &mut parsed, causes.next(), &text);
        let causes: Vec<Cause> = if layer == ServerLayer::Engine { causes.collect() } else { Vec::new() };

        // Classified before secrets are removed: a secret may be a part of the server's phrases.
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
            causes_left_out: parsed.left_out,
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

    /// Returns the layer that wrote the response.
    #[must_use]
    pub fn layer(&self) -> ServerLayer {
        self.layer
    }

    /// Returns the server's exception type, if the response contains one.
    #[must_use]
    pub fn error_type(&self) -> Option<&ErrorType> {
        self.error_type.as_ref()
    }

    /// Returns the server's reason, cut to 2 KiB.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the types and reasons of the causes, outermost first.
    ///
    /// At most 32 causes are kept. Each reason is cut to 2 KiB.
    pub fn causes(&self) -> impl Iterator<Item = (Option<&ErrorType>, &str)> {
        self.causes.iter().map(|cause| (cause.error_type.as_ref(), cause.reason.as_str()))
    }

    /// Returns how many causes were not kept, within the first 64 KiB of the response.
    #[must_use]
    pub fn causes_left_out(&self) -> usize {
        self.causes_left_out
    }

    /// Returns Amazon's request id, for a support case.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns the target of a redirect, without query, fragment, user and password.
    ///
    /// The client does not follow redirects.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the request was carried out, as far as this response shows.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// What this response shows about the effect of the request.
    pub(crate) fn failure(&self) -> Failure {
        self.failure
    }

    /// Whether the engine reported the same failure twice: with equal status, type and root cause.
    /// Ids, numbers and quoted names are ignored.
    pub(crate) fn is_same_failure(&self, other: &Self) -> bool {
        let engine = |error: &Self| error.layer == ServerLayer::Engine;
        let (own_type, own_reason) = self.root();
        let (other_type, other_reason) = other.root();
        engine(self)
            && engine(other)
            && (self.status, &self.error_type, own_type) == (other.status, &other.error_type, other_type)
            && stable_words(own_reason) == stable_words(other_reason)
    }

    /// The type and the reason of the innermost cause, or of the error itself.
    fn root(&self) -> (Option<&ErrorType>, &str) {
        let own = (self.error_type.as_ref(), self.reason.as_str());
        self.causes
            .iter()
            .rfind(|cause| cause.is_direct)
            .map_or(own, |cause| (cause.error_type.as_ref(), cause.reason.as_str()))
    }

    /// The error on one line of at most `limit` bytes: the reason, the root cause, and the other
    /// causes that fit.
    pub(super) fn line(&self, limit: usize) -> String {
        /// How much of a type, request id or address is shown, in bytes.
        const SHORT: usize = 256;
        /// The room for the count of causes that are not shown, in bytes.
        const COUNT: usize = 64;
        let mut line = format!("HTTP {}", self.status);
        if let Some(error_type) = &self.error_type {
            line = format!("{line} {}", one_line(error_type.as_str(), SHORT));
        }
        if let Some(location) = &self.location {
            line = format!("{line}: redirects to {}, which the client does not follow", one_line(location, SHORT));
        }
        let id = self.request_id.as_ref().map(|id| format!("request id {}", one_line(id, SHORT)));
        let mut left = limit.saturating_sub(line.len() + id.as_ref().map_or(0, String::len) + COUNT);

        // Each text, and whether it must be shown.
        let root = self.causes.iter().rposition(|cause| cause.is_direct);
        let causes =
            self.causes.iter().enumerate().filter(|(_, cause)| !cause.reason.is_empty() && cause.reason != self.reason);
        let causes = causes.map(|(at, cause)| ("; caused by: ", &cause.reason, Some(at) == root));
        let reason = Some((": ", &self.reason, true)).filter(|_| !self.reason.is_empty());
        let texts: Vec<_> = reason.into_iter().chain(causes).collect();
        let show = |limit: usize| {
            texts.iter().map(move |&(lead, text, required)| (format!("{lead}{}", one_line(text, limit)), required))
        };
        let fits = texts.len() == 1 || show(left).map(|(text, _)| text.len()).sum::<usize>() <= left;
        let shown: Vec<_> = show(if fits { left } else { left / 3 }).collect();
        left = left.saturating_sub(shown.iter().filter(|(_, required)| *required).map(|(text, _)| text.len()).sum());
        let mut hidden = self.causes_left_out;
        for (text, required) in shown {
            if !required && text.len() > left {
                hidden += 1;
                continue;
            }
            left -= if required { 0 } else { text.len() };
            line.push_str(&text);
        }
        let more = match (hidden, self.is_cut) {
            (0, false) => None,
            (0, true) => Some("response cut at 64 KiB".to_owned()),
            (hidden, false) => Some(format!("{hidden} more causes left out")),
            (hidden, true) => Some(format!("at least {hidden} more causes left out")),
        };
        let notes: Vec<String> = more.into_iter().chain(id).collect();
        if notes.is_empty() { line } else { format!("{line} ({})", notes.join("; ")) }
    }
}

/// The type and the reason of the failure itself. The reason is the whole text if no known field
/// contains it.
fn main_failure(layer: ServerLayer, body: &mut ParsedBody, error: Option<Cause>, text: &str) -> Cause {
    let of_reason = |reason: Option<String>| reason.map(|reason| Cause { reason, ..Cause::default() });
    let found = match (layer, body.error.take()) {
        (ServerLayer::Engine, Some(ErrorField::Text(text))) => Some(split_exception(&text)),
        (ServerLayer::Engine, Some(ErrorField::Object)) => {
            let is_filled = |cause: &Cause| cause.error_type.is_some() || !cause.reason.is_empty();
            error.filter(is_filled).or(body.root.take()).or(Some(Cause::default()))
        }
        (ServerLayer::Policy, _) => of_reason(body.policy.take()),
        _ => of_reason(body.message.take().or(body.policy.take())),
    };
    found.unwrap_or_else(|| Cause {
        reason: if body.is_object { text.to_owned() } else { plain(text) },
        ..Cause::default()
    })
}

/// An address without the parts that may be secret: user, password, query and fragment.
fn address(location: &str) -> String {
    let end = location.find(['?', '#']).unwrap_or(location.len());
    let (shown, _) = location.split_at(end);
    let Some((scheme, rest)) = shown.split_once("//") else { return shown.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}//{host}{path}")
}

/// The type and the reason of an error that is a text, such as `SnapshotMissingException[[r:s] is
/// missing]`. Servers write this form if `http.detailed_errors.enabled` is off. A node that
/// forwarded the request to the master writes only `RemoteTransportException`.
fn split_exception(text: &str) -> Cause {
    let untyped = || Cause { reason: text.to_owned(), ..Cause::default() };
    let Some((class, reason)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) else { return untyped() };
    let name = ["Elasticsearch", "OpenSearch"].iter().find_map(|engine| class.strip_prefix(engine)).unwrap_or(class);
    if !name.ends_with("Exception") || !name.chars().all(|letter| letter.is_ascii_alphanumeric()) {
        return untyped();
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
    fn recognises_the_layer_by_the_form_of_the_body() {
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
    fn classifies_by_type_and_text_before_the_status() {
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
    fn the_outcome_is_unknown_if_the_failure_may_have_come_after_an_effect() {
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
    fn classifies_before_it_removes_secrets() {
        let body = r#"{"error":{"type":"snapshot_missing_exception","reason":"[r:s] is missing"},"status":404}"#;

        let error = ServerError::parse(404, body.as_bytes(), None, &["snapshot2024!", "missing"]);

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::SnapshotMissing, Outcome::Rejected));
        assert!(!error.to_string().contains("missing"), "{error}");
    }

    #[test]
    fn other_messages_are_not_attributed_to_the_signature_check() {
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
    fn a_time_out_within_the_cluster_has_an_unknown_outcome_with_any_status() {
        for (status, name) in
            [(429, "timeout_exception"), (500, "timeout_exception"), (429, "receive_timeout_transport_exception")]
        {
            let error = parse(status, &format!(r#"{{"error":{{"type":"{name}","reason":"r"}},"status":{status}}}"#));
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unavailable, Outcome::Unknown), "{status} {name}");
        }
    }

    #[test]
    fn a_snapshot_used_by_a_searchable_snapshot_index_is_blocked() {
        let body = r#"{"error":{"type":"snapshot_in_use_deletion_exception","reason":"r"},"status":409}"#;
        assert_eq!(parse(409, body).kind(), ErrorKind::Blocked);
    }

    #[test]
    fn shows_the_status_and_the_text_of_a_gateways_page() {
        let error = parse(502, "<html><head><title>502 Bad Gateway</title></head>\n<body>nginx</body></html>");
        assert_eq!(error.to_string(), "HTTP 502: 502 Bad Gateway nginx");
        assert_eq!(error.outcome(), Outcome::Unknown);
    }

    #[test]
    fn keeps_all_causes_down_to_the_innermost() {
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
    fn parses_the_type_from_the_text_without_detailed_errors() {
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
    fn fields_of_an_unexpected_type_do_not_hide_the_others() {
        let error = parse(
            500,
            r#"{"error":{"type":"snapshot_exception","reason":7,"suppressed":null,"caused_by":{"type":null,"reason":"disk on fire"}}}"#,
        );

        assert_eq!(error.error_type().map(ErrorType::as_str), Some("snapshot_exception"));
        assert_eq!(error.causes().map(|(_, reason)| reason).collect::<Vec<_>>(), ["disk on fire"]);
    }

    #[test]
    fn cuts_a_long_reason_between_characters() {
        let text = "ü".repeat(EXCERPT);
        assert!(parse(500, &text).reason().len() <= EXCERPT + 3);
    }

    #[test]
    fn shows_the_root_cause_on_one_line_and_counts_the_causes_left_out() {
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
        assert!(error.causes().any(|(_, reason)| reason.len() > 800), "the methods return more than the line shows");
    }

    #[test]
    fn counts_the_causes_that_are_not_kept() {
        let many: Vec<_> = (0..500).map(|n| json!({"type": "x", "reason": n.to_string()})).collect();
        let error = parse(500, &json!({"error": {"type": "t", "reason": "r", "suppressed": many}}).to_string());
        assert_eq!(error.causes().count() + error.causes_left_out(), 500);
        assert!(error.to_string().contains("468 more causes left out"), "{error}");
    }

    #[test]
    fn returns_type_and_reason_of_a_body_that_is_cut_off() {
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
    fn shows_the_target_of_a_redirect_without_secrets() {
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
