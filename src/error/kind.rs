//! The operations, the kinds of failure, and what is known after one.

use std::fmt;

use serde::Serialize;

#[cfg(doc)]
use super::Error;

/// The operation that an error, a span or a transport wrapper speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
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
    #[serde(rename = "cleanup_repository")]
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
    pub(super) fn changes(self) -> bool {
        self.happens_once()
            || matches!(self, Self::RegisterRepository | Self::UnregisterRepository | Self::CleanUpRepository)
    }

    /// Whether a second request collides with what the first one did.
    pub(super) fn happens_once(self) -> bool {
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
        f.pad(self.as_str())
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
/// # let error = "Not Lower".parse::<es_snapshot::name::SnapshotName>().unwrap_err();
/// # assert!(may_repeat(&error));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The request did not reach the domain. Nothing happened there.
    NotSent,
    /// The domain refused the request, or the engine reported a failure and checks showed that
    /// it had no effect. Two kinds differ: after [`ErrorKind::RepositoryVerification`] the
    /// repository may be registered, and with [`ErrorKind::Incomplete`] what the request began has
    /// ended, though not well.
    Rejected,
    /// The response was lost or leaves the question open, and the client could not determine in
    /// time whether the request was carried out. Check the domain before repeating it, unless
    /// [`is_safe_to_repeat`](Error::is_safe_to_repeat) is true.
    Unknown,
}

impl Outcome {
    /// Returns the name for logs and metrics: `not_sent`, `rejected` or `unknown`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The kind of a failure: stable, coarse, made to be matched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
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
    /// [`max_response_bytes`](crate::SnapshotClientBuilder::max_response_bytes), or one snapshot,
    /// repository or shard in it larger than 16 MiB.
    ResponseTooLarge,
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
    /// Another failure of the repository: name, type, settings, storage, read-only, full, disabled,
    /// or a snapshot in it that cannot be read.
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
    /// Returns the name for logs and metrics, such as `snapshot_missing`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::Credentials => "credentials",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::ResponseTooLarge => "response_too_large",
            Self::Decode => "decode",
            Self::Signature => "signature",
            Self::ClockSkew => "clock_skew",
            Self::ExpiredToken => "expired_token",
            Self::Unauthenticated => "unauthenticated",
            Self::AccessDenied => "access_denied",
            Self::NotAllowed => "not_allowed",
            Self::MissingRoleArn => "missing_role_arn",
            Self::RepositoryMissing => "repository_missing",
            Self::SnapshotMissing => "snapshot_missing",
            Self::IndexMissing => "index_missing",
            Self::SnapshotNameTaken => "snapshot_name_taken",
            Self::Busy => "busy",
            Self::Throttled => "throttled",
            Self::Blocked => "blocked",
            Self::RepositoryVerification => "repository_verification",
            Self::Repository => "repository",
            Self::Restore => "restore",
            Self::InvalidRequest => "invalid_request",
            Self::Unavailable => "unavailable",
            Self::Incomplete => "incomplete",
            Self::Deadline => "deadline",
            Self::Server => "server",
        }
    }

    /// What this kind means, as the first words of an error's text.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid input",
            Self::Credentials => "no usable credentials",
            Self::Connect => "cannot connect",
            Self::Timeout => "timed out",
            Self::Interrupted => "connection lost",
            Self::ResponseTooLarge => "response too large",
            Self::Decode => "unexpected response",
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
            Self::Busy => "another operation is running",
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

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_outcomes_and_operations_serialise_as_their_names() {
        assert_eq!(json!(ErrorKind::SnapshotNameTaken), json!(ErrorKind::SnapshotNameTaken.as_str()));
        assert_eq!(json!(Outcome::NotSent), json!(Outcome::NotSent.to_string()));
        assert_eq!(json!(Operation::CleanUpRepository), json!(Operation::CleanUpRepository.as_str()));
    }
}
