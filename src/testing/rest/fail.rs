//! Failures in the wording of the servers.

use serde_json::{Map, Value, json};

use super::super::cluster::{FakeDamage, Snapshot};
use super::Body;

/// A request that failed, with the response to it.
pub(super) struct Fail {
    pub(super) status: u16,
    pub(super) body: Body,
    pub(super) executed: bool,
    pub(super) unexpected: bool,
}

pub(super) type Outcome = Result<Value, Fail>;

impl Fail {
    pub(super) fn new(status: u16, error_type: &str, reason: impl Into<String>) -> Self {
        Self::with(status, error_type, reason, Map::new())
    }

    /// Returns an error with further fields apart from type and reason, such as the index.
    pub(super) fn with(status: u16, error_type: &str, reason: impl Into<String>, more: Map<String, Value>) -> Self {
        let mut root = more;
        root.insert("type".to_owned(), error_type.into());
        root.insert("reason".to_owned(), reason.into().into());
        let mut error = root.clone();
        error.insert("root_cause".to_owned(), json!([root]));
        Self::plain(status, json!({ "error": error, "status": status }))
    }

    pub(super) fn plain(status: u16, body: Value) -> Self {
        Self { status, body: Body::Json(body), executed: false, unexpected: false }
    }

    pub(super) fn caused_by(mut self, cause: Value) -> Self {
        if let Body::Json(body) = &mut self.body
            && let Some(error) = body.get_mut("error").and_then(Value::as_object_mut)
        {
            error.insert("caused_by".to_owned(), cause);
        }
        self
    }

    pub(super) fn unexpected(mut self) -> Self {
        self.unexpected = true;
        self
    }

    pub(super) fn illegal(reason: impl Into<String>) -> Self {
        Self::new(400, "illegal_argument_exception", reason)
    }

    pub(super) fn validation(problem: &str) -> Self {
        Self::new(400, "action_request_validation_exception", format!("Validation Failed: 1: {problem};"))
    }

    pub(super) fn repository_missing(name: &str) -> Self {
        Self::new(404, "repository_missing_exception", format!("[{name}] missing"))
    }

    pub(super) fn snapshot_missing(repository: &str, name: &str) -> Self {
        Self::new(404, "snapshot_missing_exception", format!("[{repository}:{name}] is missing"))
    }

    /// Returns the error for a snapshot whose file is damaged, or `None` if it is not.
    pub(super) fn unreadable(repository: &str, snapshot: &Snapshot) -> Option<Self> {
        let (name, uuid) = (&snapshot.name, &snapshot.uuid);
        Some(match snapshot.damage? {
            FakeDamage::Lost => {
                Self::new(404, "snapshot_missing_exception", format!("[{repository}:{name}/{uuid}] is missing"))
                    .caused_by(json!({ "type": "no_such_file_exception", "reason": format!("/snap-{uuid}.dat") }))
            }
            FakeDamage::Corrupt => {
                let reason = format!(
                    "misplaced codec footer (file truncated?): length=7 but footerLength==16 \
                     (resource=ChecksumBlobStoreFormat.readBlob(blob=\"snap-{uuid}.dat\"))"
                );
                Self::new(500, "snapshot_exception", format!("[{repository}:{name}/{uuid}] failed to get snapshots"))
                    .caused_by(json!({
                        "type": "corrupt_state_exception",
                        "reason": format!("org.apache.lucene.index.CorruptIndexException: {reason}"),
                        "caused_by": { "type": "corrupt_index_exception", "reason": reason },
                    }))
            }
        })
    }

    pub(super) fn index_not_found(name: &str, resource: bool) -> Self {
        let mut more = Map::new();
        more.insert("index".to_owned(), name.into());
        more.insert("index_uuid".to_owned(), "_na_".into());
        if resource {
            more.insert("resource.type".to_owned(), "index_or_alias".into());
            more.insert("resource.id".to_owned(), name.into());
        }
        Self::with(404, "index_not_found_exception", format!("no such index [{name}]"), more)
    }

    pub(super) fn index_closed(name: &str, uuid: &str) -> Self {
        let more = [("index".to_owned(), name.into()), ("index_uuid".to_owned(), uuid.into())];
        Self::with(400, "index_closed_exception", "closed", more.into_iter().collect())
    }

    pub(super) fn invalid_index_name(name: &str, problem: &str) -> Self {
        let more = [("index".to_owned(), name.into()), ("index_uuid".to_owned(), "_na_".into())].into_iter().collect();
        Self::with(400, "invalid_index_name_exception", format!("Invalid index name [{name}], {problem}"), more)
    }

    /// Returns the error for a request that servers support but the fake domain does not.
    pub(super) fn not_modelled(what: &str) -> Self {
        Self::illegal(format!("the fake domain does not support {what}")).unexpected()
    }
}

/// Returns the response of a load balancer that gave up waiting. The server carries on.
pub(super) fn gateway_timeout() -> Fail {
    Fail { status: 504, body: Body::GatewayPage, executed: true, unexpected: false }
}
