//! The enums by which an error is classified: operation, outcome and kind.

use std::fmt;

use serde::Serialize;

#[cfg(doc)]
use super::Error;

/// What a request does.
///
/// This enum is wider than the [term](crate#terms) operation, which means only a snapshot, clone,
/// deletion or restore. It also contains reads, changes of repositories, and raw requests.
///
/// Errors and tracing spans contain this value. A [`Transport`](crate::transport::Transport) finds
/// it in the extensions of each request.
///
/// ```
/// use es_snapshot::error::Operation;
///
/// assert_eq!(Operation::CreateSnapshot.as_str(), "create_snapshot");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operation {
    /// Registers a repository: `PUT /_snapshot/{repository}`.
    RegisterRepository,
    /// Reads one repository: `GET /_snapshot/{repository}`.
    GetRepository,
    /// Reads all repositories: `GET /_snapshot`.
    ListRepositories,
    /// Verifies a repository: `POST /_snapshot/{repository}/_verify`.
    VerifyRepository,
    /// Cleans up a repository: `POST /_snapshot/{repository}/_cleanup`.
    #[serde(rename = "cleanup_repository")]
    CleanUpRepository,
    /// Unregisters a repository: `DELETE /_snapshot/{repository}`.
    UnregisterRepository,
    /// Creates a snapshot: `PUT /_snapshot/{repository}/{snapshot}`.
    CreateSnapshot,
    /// Reads one snapshot: `GET /_snapshot/{repository}/{snapshot}`.
    GetSnapshot,
    /// Lists snapshots: `GET /_snapshot/{repository}/{pattern}`.
    ListSnapshots,
    /// Deletes a snapshot: `DELETE /_snapshot/{repository}/{snapshot}`.
    DeleteSnapshot,
    /// Clones a snapshot: `PUT /_snapshot/{repository}/{snapshot}/_clone/{target_snapshot}`.
    CloneSnapshot,
    /// Restores a snapshot: `POST /_snapshot/{repository}/{snapshot}/_restore`.
    RestoreSnapshot,
    /// Reads the status of one snapshot or of the running ones.
    ///
    /// `GET /_snapshot/{repository}/{snapshot}/_status`, `GET /_snapshot/{repository}/_status` or
    /// `GET /_snapshot/_status`.
    SnapshotStatus,
    /// Reads the recoveries of shards: `GET /_recovery` or `GET /{indices}/_recovery`.
    Recovery,
    /// Reads the states of shards: `GET /_cat/shards` or `GET /_cat/shards/{indices}`.
    Shards,
    /// Reads why a shard is not assigned to a node: `POST /_cluster/allocation/explain`.
    AllocationExplain,
    /// Reads parts of the cluster state: `GET /_cluster/state`.
    ClusterState,
    /// Reads the name and the version of the server: `GET /`.
    ServerInfo,
    /// Sends a request of the caller's own: [`raw`](crate::SnapshotClient::raw).
    Raw,
}

impl Operation {
    /// Returns the name for logs and metrics, such as `create_snapshot`.
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
    /// Whether the operation changes the domain. Raw requests are not counted.
    pub(super) fn changes(self) -> bool {
        self.happens_once()
            || matches!(self, Self::RegisterRepository | Self::UnregisterRepository | Self::CleanUpRepository)
    }

    /// Whether a second request collides with the effect of the first one.
    pub(super) fn happens_once(self) -> bool {
        matches!(self, Self::CreateSnapshot | Self::CloneSnapshot | Self::RestoreSnapshot | Self::DeleteSnapshot)
    }

    /// Whether the endpoint accepts `master_timeout`: all of snapshots and repositories do.
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

/// Whether a failed request was carried out, as far as the client knows.
///
/// | outcome | the request |
/// | --- | --- |
/// | [`NotSent`](Self::NotSent) | did not reach the [domain](crate#terms) |
/// | [`Rejected`](Self::Rejected) | had no effect, with two exceptions |
/// | [`Unknown`](Self::Unknown) | may have been carried out |
///
/// [`Error::outcome`] returns the outcome. To decide whether to repeat a call, use
/// [`Error::is_safe_to_repeat`]. It also considers what the call does: repeating a failed read, for
/// example, does no harm.
///
/// ```
/// use es_snapshot::{Error, ErrorKind, Outcome};
///
/// /// Describes what a failed call did to the domain.
/// fn effect(error: &Error) -> &'static str {
///     match (error.outcome(), error.kind()) {
///         (Outcome::NotSent, _) => "none: the request was not sent",
///         // The two exceptions.
///         (Outcome::Rejected, ErrorKind::RepositoryVerification) => "perhaps registered",
///         (Outcome::Rejected, ErrorKind::Incomplete) => "carried out in part",
///         (Outcome::Rejected, _) => "none: the request was refused, or failed without effect",
///         // The snapshot may exist, or the restore may be running.
///         _ => "unknown: check the domain",
///     }
/// }
/// # let error = "Not Lower".parse::<es_snapshot::name::SnapshotName>().unwrap_err();
/// # assert_eq!(effect(&error), "none: the request was not sent");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The request did not reach the domain. Nothing changed there.
    NotSent,
    /// The domain refused the request, or the request failed without any effect.
    ///
    /// Two kinds are exceptions:
    ///
    /// * [`ErrorKind::RepositoryVerification`]: the repository may be registered.
    /// * [`ErrorKind::Incomplete`]: the call has succeeded, but its result is incomplete.
    Rejected,
    /// The request may have been carried out, and the client could not determine whether it was.
    ///
    /// The response was lost, or it does not show what happened. Check the domain before you repeat
    /// the call, unless [`is_safe_to_repeat`](Error::is_safe_to_repeat) returns true.
    ///
    /// A wait that reaches its deadline also has this outcome. The snapshot, restore or deletion
    /// that it waits for goes on.
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

/// The kind of failure that an [`Error`] reports.
///
/// Kinds are coarse and stable, so that programs can match on them. The HTTP status alone does not
/// determine the kind, because servers use several statuses for one failure. For example, a
/// concurrent snapshot is reported with 503, 409 or 429, depending on the server's version. The
/// kind is [`Busy`](Self::Busy) for all of them.
///
/// To determine whether the request was carried out, use [`Error::outcome`].
///
/// ```
/// use es_snapshot::{CreateSnapshot, ErrorKind};
/// # use es_snapshot::testing::FakeDomain;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// # let client = FakeDomain::with_repository("backups").await.client();
/// let backups = client.repository("backups")?;
/// backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
///
/// let error = backups.create_snapshot("monday", CreateSnapshot::new()).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::SnapshotNameTaken);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client refused an argument, an option or a setting, and did not send the request.
    ///
    /// A call returns it too if the client needs a [tokio runtime](crate::SnapshotClient#runtime)
    /// and there is none. [`prepare_restore`](crate::Snapshot::prepare_restore) can return it after
    /// it has read the snapshot and the indices.
    InvalidInput,
    /// The credential provider returned no usable credentials.
    Credentials,
    /// The client could not connect to the domain, so nothing was sent.
    ///
    /// Possible causes: the host name, the route, the port or TLS.
    Connect,
    /// A time limit of this client ran out. [`Timeouts`](crate::Timeouts) sets the limits.
    ///
    /// If the limit ran out while the client was connecting, the kind is
    /// [`Connect`](Self::Connect).
    Timeout,
    /// The connection broke after the request was sent, completely or in part.
    Interrupted,
    /// The response is larger than the client accepts.
    ///
    /// [`max_response_bytes`](crate::SnapshotClientBuilder::max_response_bytes) limits the whole
    /// response, except in a [stream](crate::Repository::snapshots) of snapshots. A single
    /// snapshot, repository or shard in a response may have at most 16 MiB.
    ResponseTooLarge,
    /// The response is not what this endpoint returns.
    ///
    /// The error's text contains the JSON path of the unexpected value, if there is one.
    Decode,
    /// The signature was refused.
    ///
    /// Possible causes: a wrong secret, service or region, or a request that changed on its way.
    Signature,
    /// The time of the signature was refused: the clocks of client and domain differ too much.
    ClockSkew,
    /// The session token is expired or unknown.
    ExpiredToken,
    /// The password, API key or token was refused, or none was sent where one is required.
    Unauthenticated,
    /// The caller is known but not permitted to do this.
    ///
    /// An IAM policy, `iam:PassRole` or fine-grained access control denies the request. The kind is
    /// the same if the domain is not permitted to assume the repository's role.
    AccessDenied,
    /// The Amazon domain does not support this path or this request body.
    ///
    /// Amazon returns HTTP 401 for it, although the password is not the cause. Amazon lists the
    /// [supported
    /// operations](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/supported-operations.html).
    NotAllowed,
    /// The settings of an S3 repository on an Amazon domain lack `role_arn`.
    ///
    /// [`S3Settings::with_role_arn`](crate::S3Settings::with_role_arn) sets it. [Amazon's
    /// guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshot-registerdirectory.html)
    /// describes the role.
    MissingRoleArn,
    /// The repository is not registered.
    RepositoryMissing,
    /// The repository is registered with other settings than the call requires.
    ///
    /// Only [`ensure_registered`](crate::Repository::ensure_registered) returns it. The text names
    /// the settings that differ. If the outcome is [`Unknown`](Outcome::Unknown), another client
    /// changed the registration during the call.
    RepositoryDiffers,
    /// The snapshot does not exist, or its own file in the repository is gone.
    ///
    /// Calls through a handle [with a uuid](crate::Snapshot::with_uuid) also fail with this kind if
    /// another snapshot has taken the name.
    SnapshotMissing,
    /// A named index does not exist.
    ///
    /// A [`Wait`](crate::Wait) for a restore can fail with this kind although no index was named.
    /// Both must be true:
    ///
    /// * Its ticket contains no indices.
    /// * Five polls in a row have found no shard that is restored from the snapshot.
    IndexMissing,
    /// A snapshot with this name exists or is being created.
    SnapshotNameTaken,
    /// Another snapshot operation is running, or the repository is in use.
    ///
    /// The call may succeed once the other operation has ended. With
    /// [`with_queue_time`](crate::SnapshotClient::with_queue_time) the client keeps trying.
    Busy,
    /// The domain is overloaded or limits the rate of requests. Call again later, and less often.
    Throttled,
    /// The server refuses the request until someone removes the cause. Waiting alone does not help.
    ///
    /// There are two causes:
    ///
    /// * A block on an index or on the cluster, for example because a disk is above the flood-stage
    ///   watermark.
    /// * An index that reads from the snapshot (a searchable snapshot), so that the snapshot cannot
    ///   be deleted. An operation that uses a snapshot only for a limited time leads to
    ///   [`Busy`](Self::Busy) instead.
    Blocked,
    /// The repository could not be verified on every node.
    ///
    /// If this is the error of a registration, the repository is registered nevertheless, except on
    /// Elasticsearch 8 and later.
    RepositoryVerification,
    /// The server cannot use the repository.
    ///
    /// Possible causes: its name, type, settings or storage is wrong; it is read-only, full or
    /// disabled; or it contains a snapshot that cannot be read.
    Repository,
    /// The server refused the restore.
    ///
    /// Possible causes: an open index has the same name; indices or aliases conflict; or the
    /// snapshot's version or state does not permit a restore.
    Restore,
    /// The server refused the request as invalid.
    InvalidRequest,
    /// A gateway or the cluster cannot respond now.
    ///
    /// * The HTTP status is 502, 503 or 504, and the response names no failure that has another
    ///   kind.
    /// * A gateway gave up waiting for the server: HTTP 408, 425, 444, 460 or 499, or a status of
    ///   content delivery networks such as 524.
    /// * The cluster has no elected master, or the server reports a time-out of its own.
    /// * The security plugin is not initialised.
    Unavailable,
    /// The result of a snapshot, restore, listing or deletion is incomplete.
    ///
    /// The methods named `into_complete` return it:
    ///
    /// * [`SnapshotInfo::into_complete`](crate::SnapshotInfo::into_complete): the state is not
    ///   `SUCCESS`.
    /// * [`RestoreReport::into_complete`](crate::RestoreReport::into_complete): shards were not
    ///   restored.
    /// * [`SnapshotList::into_complete`](crate::snapshot::SnapshotList::into_complete): the server
    ///   cannot read some snapshots.
    /// * [`DeletionReport::into_complete`](crate::snapshot::DeletionReport::into_complete): some
    ///   snapshots were not deleted.
    Incomplete,
    /// A wait reached its deadline. What it waits for goes on at the domain.
    Deadline,
    /// The server returned a failure that has no kind of its own.
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
            Self::RepositoryDiffers => "repository_differs",
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

    /// The words with which the text of an error of this kind begins.
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
            Self::ClockSkew => "signature time refused, clocks differ too much",
            Self::ExpiredToken => "session token expired or unknown",
            Self::Unauthenticated => "not authenticated",
            Self::AccessDenied => "access denied",
            Self::NotAllowed => "not on Amazon's list of supported operations",
            Self::MissingRoleArn => "role_arn is missing, `S3Settings::with_role_arn` sets it",
            Self::RepositoryMissing => "no such repository",
            Self::RepositoryDiffers => "registered with other settings",
            Self::SnapshotMissing => "no such snapshot",
            Self::IndexMissing => "no such index",
            Self::SnapshotNameTaken => "snapshot name already in use",
            Self::Busy => "another operation is running",
            Self::Throttled => "throttled",
            Self::Blocked => "blocked",
            Self::RepositoryVerification => "repository verification failed",
            Self::Repository => "repository failure",
            Self::Restore => "restore refused",
            Self::InvalidRequest => "request refused as invalid",
            Self::Unavailable => "domain unavailable",
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
