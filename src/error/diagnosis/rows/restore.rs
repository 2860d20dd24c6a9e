//! What a server reports of restores and of the cluster.

use super::super::{Basis, Cause};
use super::{ANY, Row, Source};

pub(super) const ROWS: &[Row] = &[
    Row {
        cause: Cause::SnapshotNotRestorable,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_restore_exception"],
        texts: &["unsupported snapshot state"],
        why: "{snapshot} has {state}, from which nothing can be restored",
        action: "restore another snapshot, or wait for the end of this one if it is running",
        ..ANY
    },
    Row {
        cause: Cause::SnapshotTooNew,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_restore_exception"],
        texts: &["which is higher than the version of this node"],
        why: "{snapshot} was created by a later version than that of this server",
        action: "restore it on a server of its version or a later one, within the next major version",
        ..ANY
    },
    Row {
        cause: Cause::IndexTooOld,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_restore_exception"],
        texts: &["because it cannot be upgraded", "the index was created with version"],
        why: "{index} was created by a version that this server cannot read",
        action: "restore it on an older version, reindex it there, and create another snapshot; or leave it out",
        ..ANY
    },
    Row {
        cause: Cause::IndexOpen,
        basis: Basis::Observed,
        source: Source::Engine,
        types: &["snapshot_restore_exception"],
        texts: &["because an open index with same name already exists in the cluster", "because it's open"],
        why: "{index} exists and is open",
        action: "close or delete it first, or restore under another name with `RestoreSnapshot::with_rename`",
        ..ANY
    },
    Row {
        cause: Cause::PartialIndexExists,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_restore_exception"],
        texts: &["cannot restore partial index […] because such index already exists"],
        why: "{index} is incomplete in the snapshot, and an index of that name exists",
        action: "delete the existing index, or restore under another name",
        ..ANY
    },
    Row {
        cause: Cause::ShardCountDiffers,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_restore_exception"],
        texts: &["cannot restore index […] with […] shards from a snapshot of index […] with […] shards"],
        why: "{index} exists with another number of shards than in the snapshot",
        action: "delete the existing index, or restore under another name",
        ..ANY
    },
    Row {
        cause: Cause::IndexIncomplete,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_restore_exception"],
        texts: &["wasn't fully snapshotted - cannot restore"],
        why: "the snapshot does not contain all shards of {index}",
        action: "restore another snapshot; or set `partial`, which leaves the missing shards empty",
        ..ANY
    },
    Row {
        cause: Cause::RenameCollision,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_restore_exception"],
        texts: &["are renamed into the same index"],
        why: "the rename pattern gives two indices one name",
        action: "change the pattern or the replacement, for example with `$1`",
        ..ANY
    },
    Row {
        cause: Cause::AliasConflict,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_restore_exception"],
        texts: &["cannot rename index […] into […] because of conflict with an alias with the same name"],
        why: "an alias has the name under which an index would be restored",
        action: "delete the alias, or restore under another name, or without aliases",
        ..ANY
    },
    Row {
        cause: Cause::SettingNotRestorable,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_restore_exception"],
        texts: &[
            "cannot remove setting […] on restore",
            "cannot modify setting […] on restore",
            "cannot disable setting […] on restore",
        ],
        why: "a restore cannot change {setting}",
        action: "leave it out of the index settings and of the ignored settings of the restore",
        ..ANY
    },
    Row {
        cause: Cause::GlobalStateMissing,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_restore_exception"],
        texts: &["cannot restore global state since the snapshot was created without global state"],
        why: "{snapshot} does not contain the global state",
        action: "restore without the global state",
        ..ANY
    },
    Row {
        cause: Cause::FeatureStateMissing,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_restore_exception"],
        texts: &["requested feature states … are not present in snapshot"],
        why: "{snapshot} does not contain a feature state that the restore names",
        action: "list the feature states of the snapshot with `GET {snapshot_path}`, and name only those",
        ..ANY
    },
    Row {
        cause: Cause::FeatureNotInstalled,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["snapshot_restore_exception"],
        texts: &["requested feature states … are present in snapshot but those features are not installed"],
        why: "{snapshot} contains a feature state that the restore names, and the server does not have the feature",
        action: "restore without these feature states, or install the features on this server",
        ..ANY
    },
    Row {
        cause: Cause::ShardLimit,
        basis: Basis::Documented,
        source: Source::Cause,
        texts: &["maximum shards open", "maximum normal shards open"],
        why: "the cluster would have more shards than its limit permits",
        action: "delete indices, restore fewer at once, or add nodes; `cluster.max_shards_per_node` is the limit",
        ..ANY
    },
    Row {
        cause: Cause::DiskFull,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["cluster_block_exception"],
        when: |seen| seen.block().is_some_and(|block| block.contains("flood-stage watermark")),
        shown: &["index […] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, …]"],
        why: "a disk is above the flood-stage watermark, so the server blocks writes to its indices",
        action: "free space on the nodes or add some; waiting alone does not help; before OpenSearch and \
              Elasticsearch 7.4 also reset `index.blocks.read_only_allow_delete`",
        ..ANY
    },
    Row {
        cause: Cause::ClusterStarting,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["cluster_block_exception"],
        when: |seen| seen.block().is_some_and(|block| block.contains("state not recovered")),
        shown: &["blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized]"],
        why: "the cluster has just started and has not recovered its state yet",
        action: "call again later",
        ..ANY
    },
    Row {
        cause: Cause::Blocked,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["cluster_block_exception"],
        when: |seen| seen.block().is_some(),
        shown: &["blocked by: […]"],
        why: "an index or the cluster has {block}, for example because disks are nearly full",
        action: "remove its reason, such as full disks, and then the block, in the setting `index.blocks.*` or \
              `cluster.blocks.*`",
        ..ANY
    },
    Row {
        cause: Cause::MasterBusy,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &[
            "process_cluster_event_timeout_exception",
            "cluster_manager_throttling_exception",
            "receive_timeout_transport_exception",
        ],
        why: "the elected master did not process the request in time, and may still apply it",
        action: "check with {check} whether it took effect, and call again later; \
              `SnapshotClient::with_master_timeout` raises the limit",
        ..ANY
    },
    Row {
        cause: Cause::MasterMissing,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["master_not_discovered_exception", "cluster_manager_not_discovered_exception"],
        why: "the cluster has no elected master now",
        action: "call again later; if it lasts, check the nodes that may become master",
        ..ANY
    },
    Row {
        cause: Cause::Overloaded,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["es_rejected_execution_exception", "rejected_execution_exception", "circuit_breaking_exception"],
        why: "a node is overloaded: a queue is full, or memory is short",
        action: "call again later, and send fewer requests at a time",
        ..ANY
    },
    Row {
        cause: Cause::IndexNameInvalid,
        basis: Basis::Observed,
        source: Source::Engine,
        types: &["invalid_index_name_exception"],
        why: "the request names an index with a name that the server does not accept; a restore may give it by its \
              rename",
        action: "read the reason in the error, and choose a name in lower case that it permits; in a restore, correct \
              the pattern or the replacement of `RestoreSnapshot::with_rename`",
        ..ANY
    },
    Row {
        cause: Cause::RequestInvalid,
        basis: Basis::Observed,
        source: Source::Engine,
        statuses: &[400],
        types: &[
            "illegal_argument_exception",
            "action_request_validation_exception",
            "validation_exception",
            "parse_exception",
            "parsing_exception",
            "x_content_parse_exception",
            "json_parse_exception",
            "json_e_o_f_exception",
            "not_x_content_exception",
        ],
        why: "the server does not accept a parameter, a setting or the body of {request}",
        action: "read the reason in the error, which names it; another version of the server may accept it",
        ..ANY
    },
];
