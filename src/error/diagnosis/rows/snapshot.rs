//! What a server reports of repositories and snapshots.

use super::super::{Basis, Cause, ErrorKind};
use super::{ANY, Row, Source};

pub(super) const ROWS: &[Row] = &[
    Row {
        cause: Cause::RepositoryTooNew,
        basis: Basis::Documented,
        source: Source::Engine,
        when: |seen| seen.has_field_of_later_version(),
        shown: &["unknown field [uuid]", "unknown field [cluster_id]"],
        why: "{repository} was written by Elasticsearch 7.12 or later, in a format that this server does not know",
        action: "read it on such a server; take the snapshots for this one with Elasticsearch 7.11 or earlier, or with \
              OpenSearch, into another repository",
        ..ANY
    },
    Row {
        cause: Cause::SnapshotNameTaken,
        basis: Basis::Observed,
        source: Source::Any,
        kinds: &[ErrorKind::SnapshotNameTaken],
        shown: &[
            "[…] Invalid snapshot name […], snapshot with the same name already exists",
            "[…] Invalid snapshot name […], snapshot with the same name is already in-progress",
        ],
        why: "a snapshot with the name of {snapshot} exists or is being created, perhaps by an earlier attempt",
        action: "choose another name, or check with `GET {snapshot_path}` whether the snapshot is the one that you \
              want",
        ..ANY
    },
    Row {
        cause: Cause::SnapshotUnreadable,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_missing_exception"],
        when: |seen| seen.names_uuid(),
        shown: &["[repository:snapshot/uuid] is missing"],
        why: "the file of {snapshot} is gone, although the repository lists it: a lifecycle rule or another program \
              may have deleted it",
        action: "check the bucket for rules that delete objects; if the file cannot be brought back, delete the \
              snapshot with `DELETE {snapshot_path}`",
        ..ANY
    },
    Row {
        cause: Cause::SnapshotUnreadable,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_exception"],
        texts: &[
            "Snapshot could not be read",
            "snapshot could not be read",
            "failed to get snapshot info",
            "Failed to get snapshot info",
            "failed to get snapshots",
        ],
        why: "a file of a snapshot in {repository} cannot be read: the storage may fail for a while, another version \
              may have written the file, or it may be damaged or deleted",
        action: "read the causes in the error, and find the snapshot with `SnapshotList::unreadable`; read it again \
              later, and on a server of the version that wrote it; delete it only if its files are gone",
        ..ANY
    },
    Row {
        cause: Cause::SnapshotMissing,
        basis: Basis::Observed,
        source: Source::Any,
        kinds: &[ErrorKind::SnapshotMissing],
        shown: &["[…] is missing", "[…] snapshot does not exist"],
        why: "{snapshot} does not exist in {repository}: the name may be mistyped, or the snapshot may be deleted \
              already",
        action: "list the snapshots with `GET {repository_path}/_all`; after a delete, nothing is left to do",
        ..ANY
    },
    Row {
        cause: Cause::RepositoryMissing,
        basis: Basis::Observed,
        source: Source::Any,
        kinds: &[ErrorKind::RepositoryMissing],
        shown: &["[…] missing"],
        why: "{repository} is not registered on this domain",
        action: "register {repository}, or list the registered ones with `GET /_snapshot`; a repository is registered \
              on each domain separately",
        ..ANY
    },
    Row {
        cause: Cause::IndexMissing,
        basis: Basis::Observed,
        source: Source::Engine,
        types: &["index_not_found_exception"],
        texts: &["no such index"],
        why: "{index} does not exist, or the snapshot does not contain it",
        action: "list the indices of the snapshot with `GET {snapshot_path}`; name indices in full, because \
              exclusions such as `-.kibana*` can fail for data streams; or set `ignore_unavailable`",
        ..ANY
    },
    Row {
        cause: Cause::TooManyOperations,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["concurrent_snapshot_execution_exception"],
        texts: &["Cannot start another operation, already running … operations"],
        why: "the cluster runs as many snapshot operations as `snapshot.max_concurrent_operations` permits",
        action: "wait for some of them to end; `GET /_snapshot/_status` shows those that are running",
        ..ANY
    },
    Row {
        cause: Cause::SnapshotRunning,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["concurrent_snapshot_execution_exception"],
        texts: &["a snapshot is already running", "a snapshot is currently running"],
        why: "another snapshot is running, which may be one of Amazon's hourly ones",
        action: "wait for it: `GET /_snapshot/_status` shows it, and `SnapshotClient::with_queue_time` makes the \
              client wait",
        ..ANY
    },
    Row {
        cause: Cause::RestoreRunning,
        basis: Basis::Observed,
        source: Source::Engine,
        types: &["concurrent_snapshot_execution_exception"],
        texts: &["cannot delete snapshot during a restore"],
        why: "a restore of a snapshot in {repository} is running",
        action: "wait for it: `GET /_recovery?active_only=true` shows it, and `SnapshotClient::with_queue_time` makes \
              the client wait",
        ..ANY
    },
    Row {
        cause: Cause::CloneRunning,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["concurrent_snapshot_execution_exception"],
        texts: &["cannot delete snapshot while it is being cloned"],
        why: "a clone of {snapshot} is running",
        action: "wait for it: `GET /_snapshot/_status` shows it, and `SnapshotClient::with_queue_time` makes the \
              client wait",
        ..ANY
    },
    Row {
        cause: Cause::CleanUpRunning,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["concurrent_snapshot_execution_exception", "illegal_state_exception"],
        texts: &["repository cleanup is in-progress", "repository cleanup is already in-progress"],
        why: "a clean-up of a repository is running",
        action: "wait for it; `SnapshotClient::with_queue_time` makes the client wait",
        ..ANY
    },
    Row {
        cause: Cause::DeletionRunning,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["concurrent_snapshot_execution_exception"],
        texts: &[
            "while a snapshot deletion is in-progress",
            "another snapshot is currently being deleted",
            "cannot clone from snapshot that is being deleted",
        ],
        why: "a deletion of snapshots is running",
        action: "wait for it; `SnapshotClient::with_queue_time` makes the client wait",
        ..ANY
    },
    Row {
        cause: Cause::RepositoryInUse,
        basis: Basis::Observed,
        source: Source::Engine,
        types: &["repository_conflict_exception", "illegal_state_exception"],
        texts: &["trying to modify or unregister repository that is currently used"],
        why: "a snapshot, restore or mounted index uses {repository}",
        action: "wait for its end, or delete the mounted indices: `GET {repository_path}/_status` shows running \
              snapshots, and `SnapshotClient::with_queue_time` makes the client wait",
        ..ANY
    },
    Row {
        cause: Cause::IndexBeingSnapshotted,
        basis: Basis::Observed,
        source: Source::Engine,
        types: &["snapshot_in_progress_exception"],
        texts: &["that are being snapshotted", "that is being snapshotted"],
        why: "a snapshot of the index is running, so it cannot be deleted or closed",
        action: "wait for the end of the snapshot, which `GET /_snapshot/_status` shows, and send the request again",
        ..ANY
    },
    Row {
        cause: Cause::SnapshotMounted,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_in_use_deletion_exception"],
        why: "a searchable-snapshot index uses {snapshot}",
        action: "delete the indices that use the snapshot, and then the snapshot",
        ..ANY
    },
    Row {
        cause: Cause::RepositoryNotListable,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["repository_exception"],
        texts: &["Could not determine repository generation from root blobs"],
        why: "the server cannot list the objects of {repository}: a permission may be missing, or the Region may be \
              wrong",
        action: "allow `s3:ListBucket` on {bucket_arn} to {storage_identity}, and check the Region of the repository",
        ..ANY
    },
    Row {
        cause: Cause::RepositoryChangedByOthers,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["repository_exception"],
        texts: &[
            "concurrent modification of the index-N file",
            "do not match its expected state",
            "repository has been disabled",
        ],
        why: "the contents of {repository} changed while the server used it: another cluster may write to the same \
              folder",
        action: "let only one cluster write to it: register it with `readonly` on the others, or give each another \
              folder than {base_path}; then register {repository} again",
        ..ANY
    },
    Row {
        cause: Cause::RepositoryReadOnly,
        basis: Basis::Observed,
        source: Source::Engine,
        types: &["repository_exception"],
        texts: &["readonly repository", "repository is readonly"],
        why: "{repository} is read-only",
        action: "use another repository, or register {repository} again without `readonly` if no other cluster writes \
              to it",
        ..ANY
    },
    Row {
        cause: Cause::SnapshotLimit,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["repository_exception"],
        texts: &["Cannot add another snapshot to this repository"],
        why: "{repository} contains as many snapshots as the server permits",
        action: "delete old snapshots, or use another repository",
        ..ANY
    },
    Row {
        cause: Cause::RepositoryTypeUnknown,
        basis: Basis::Documented,
        source: Source::Cause,
        types: &["repository_exception"],
        texts: &["repository type […] does not exist"],
        why: "the server does not know this type of repository: the plugin may not be installed on every node",
        action: "use the type `s3` on Amazon domains; on others, install the plugin of the type, or correct the type",
        ..ANY
    },
    Row {
        cause: Cause::RepositoryUnreadable,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["repository_exception"],
        texts: &[
            "could not read repository data",
            "Could not read repository data",
            "exception when loading repository data",
        ],
        why: "the server cannot read the index of {repository}: the storage may be unavailable, or files may be \
              deleted or damaged",
        action: "read the causes in the error, and check that the bucket or folder contains `index.latest` and \
              `index-N`",
        ..ANY
    },
    Row {
        cause: Cause::RepositorySettingsRefused,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["repository_exception"],
        texts: &["failed to create repository", "cannot create blob store", "No bucket defined"],
        why: "the server does not accept the settings of {repository}, or cannot reach its storage",
        action: "read the causes in the error, which name the setting, and register {repository} again",
        ..ANY
    },
    Row {
        cause: Cause::RepositoryNameInvalid,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["repository_exception"],
        texts: &["[…] must not contain", "[…] cannot be empty"],
        why: "the server does not accept the name of {repository}",
        action: "choose a name of lower-case letters, digits, hyphens and underscores",
        ..ANY
    },
    Row {
        cause: Cause::SnapshotNameInvalid,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["invalid_snapshot_name_exception"],
        texts: &["Invalid snapshot name […], must ", "Invalid snapshot name […], cannot "],
        why: "the server does not accept the name of {snapshot}",
        action: "choose a name of lower-case letters, digits, hyphens, underscores and dots",
        ..ANY
    },
    Row {
        cause: Cause::PrimariesUnassigned,
        basis: Basis::Observed,
        source: Source::Engine,
        types: &["snapshot_exception"],
        texts: &["Indices don't have primary shards", "have unassigned primary shards"],
        why: "primary shards of an index in the snapshot are not assigned to a node",
        action: "find them with `GET /_cat/shards?v` and `POST /_cluster/allocation/explain`; leave out the index, or \
              set `partial`",
        ..ANY
    },
    Row {
        cause: Cause::AbortedByDeletion,
        basis: Basis::Observed,
        source: Source::Engine,
        types: &["snapshot_exception"],
        texts: &["aborted by deletion"],
        why: "{snapshot} was deleted while it was running",
        action: "create it again, if its deletion was not intended",
        ..ANY
    },
    Row {
        cause: Cause::CloneMatchesNothing,
        basis: Basis::Observed,
        source: Source::Engine,
        types: &["snapshot_exception"],
        texts: &["No indices in the source snapshot […] matched requested pattern"],
        why: "no index of the source snapshot matches the pattern of the clone",
        action: "list the indices of the source with `GET {snapshot_path}`, and correct the pattern",
        ..ANY
    },
    Row {
        cause: Cause::CloneOfIncomplete,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_exception"],
        texts: &["because its snapshot was not successful"],
        why: "the source snapshot does not contain all shards of an index",
        action: "clone only complete indices, or another snapshot",
        ..ANY
    },
    Row {
        cause: Cause::MasterChanged,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_exception", "repository_exception"],
        texts: &["no longer master", "no longer cluster manager", "no longer cluster-manager", "no longer the elected"],
        why: "the elected master changed during the operation",
        action: "check with {check} whether the request took effect, before you send it again",
        ..ANY
    },
    Row {
        cause: Cause::StatusTooLarge,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["too_many_shards_in_snapshots_status_exception"],
        why: "the status of more shards was requested than the server returns at once",
        action: "request the status of fewer snapshots, or only of some indices",
        ..ANY
    },
    Row {
        cause: Cause::StatusTooLarge,
        basis: Basis::Documented,
        source: Source::Engine,
        statuses: &[413],
        types: &["snapshot_exception"],
        why: "the status of more shards was requested than the server returns at once",
        action: "request the status of fewer snapshots, or only of some indices",
        ..ANY
    },
    Row {
        cause: Cause::SnapshotNotWritten,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_creation_exception"],
        why: "the server could not write the first files of {snapshot} to {repository}",
        action: "read the causes in the error, and verify the repository with `POST {repository_path}/_verify`",
        ..ANY
    },
    Row {
        cause: Cause::SnapshotReplaced,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_restore_exception"],
        texts: &["snapshot UUID mismatch"],
        why: "another snapshot has taken the name of {snapshot}",
        action: "read it with `GET {snapshot_path}`, and restore it if it is the one that you want",
        ..ANY
    },
];
