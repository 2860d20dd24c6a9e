//! What the server may not reach or do: the snapshot role, the bucket, and the permissions of the
//! caller.

use super::super::{Basis, Cause};
use super::{ANY, Row, Source};

pub(super) const ROWS: &[Row] = &[
    Row {
        cause: Cause::ExplicitDeny,
        basis: Basis::Documented,
        source: Source::Cause,
        texts: &["is not authorized to perform: … with an explicit deny"],
        why: "a policy explicitly denies {denied}, which the server needs for the storage",
        action: "find the statement with the effect `Deny` that covers {denied}, and change it: it takes precedence \
              over every permission; it may be in a policy of the role, the bucket, the key, a VPC endpoint or the \
              organization, and the response names the kind",
        ..ANY
    },
    Row {
        cause: Cause::RoleNotAssumable,
        basis: Basis::Documented,
        source: Source::Cause,
        texts: &["is not authorized to perform: sts:AssumeRole"],
        why: "the domain may not assume {role}: its trust policy may lack `es.amazonaws.com` or have other conditions \
              than this domain, or the role may not exist",
        action: "let the trust policy of {role} allow `sts:AssumeRole` to the service `es.amazonaws.com`; a condition \
              on `aws:SourceArn` must match the domain, such as {source_arn}, and such conditions need service \
              software R20211203 or later",
        ..ANY
    },
    Row {
        cause: Cause::KeyAccessDenied,
        basis: Basis::Documented,
        source: Source::Cause,
        texts: &["is not authorized to perform: kms:"],
        why: "{storage_identity} may not use {key}, with which the bucket encrypts its objects",
        action: "allow {denied} on {key} to {storage_identity}, in its policy and in the policy of the key; writing \
              needs `kms:GenerateDataKey`, reading `kms:Decrypt`",
        ..ANY
    },
    Row {
        cause: Cause::StorageAccessDenied,
        basis: Basis::Documented,
        source: Source::Cause,
        texts: &["is not authorized to perform: s3:"],
        why: "S3 denied {denied} to {storage_identity}",
        action: "allow {denied} to {storage_identity}; {bucket} needs `s3:ListBucket` on {bucket_arn}, and \
              `s3:GetObject`, `s3:PutObject` and `s3:DeleteObject` on its objects; then register again",
        ..ANY
    },
    Row {
        cause: Cause::BucketInOtherRegion,
        basis: Basis::Documented,
        source: Source::Cause,
        texts: &["The bucket is in this region: ", "the region '…' is wrong; expecting '…'"],
        why: "{bucket} is in {bucket_region}, and the registration has {set_region}",
        action: "register again with {bucket_region} (`S3Settings::with_region`); if the domain is in another Region \
              and refuses that, set `S3Settings::with_endpoint(\"s3.amazonaws.com\")` instead of a Region, which does \
              not work for Regions that must be enabled, for China and for GovCloud",
        ..ANY
    },
    Row {
        cause: Cause::BucketInOtherRegion,
        basis: Basis::Documented,
        source: Source::Cause,
        texts: &["must be addressed using the specified endpoint"],
        why: "{bucket} is in another Region than {set_region} or {set_endpoint} names",
        action: "register again with the Region of the bucket (`S3Settings::with_region`); `aws s3api \
              get-bucket-location` returns it",
        ..ANY
    },
    Row {
        cause: Cause::RegionNotAccepted,
        basis: Basis::Documented,
        source: Source::Cause,
        texts: &["The specified location-constraint is not valid", "Error Code: InvalidLocationConstraint"],
        why: "S3 does not accept {set_region} as a location at this endpoint, as old servers send it for us-east-1",
        action: "register again with `S3Settings::with_endpoint(\"s3.amazonaws.com\")` and without a Region",
        ..ANY
    },
    Row {
        cause: Cause::RegionNotAccepted,
        basis: Basis::Documented,
        source: Source::Cause,
        texts: &[
            "location constraint is incompatible for the region specific endpoint",
            "Error Code: IllegalLocationConstraintException",
        ],
        why: "{bucket} is in {bucket_region}, which the endpoint of S3 does not serve: the global endpoint serves no \
              Region that must be enabled",
        action: "register again with {bucket_region}, and with {s3_host} as `S3Settings::with_endpoint`",
        ..ANY
    },
    Row {
        cause: Cause::BucketMissing,
        basis: Basis::Documented,
        source: Source::Cause,
        texts: &["The specified bucket does not exist"],
        why: "{bucket} does not exist: its name may be mistyped, or it may be deleted",
        action: "create {bucket} or correct its name, and register {repository} again",
        ..ANY
    },
    Row {
        cause: Cause::ObjectArchived,
        basis: Basis::Documented,
        source: Source::Cause,
        texts: &["The operation is not valid for the object's storage class", "Error Code: InvalidObjectState"],
        why: "objects of {repository} are archived: a lifecycle rule may have moved them to Glacier, or \
              Intelligent-Tiering to an archive tier",
        action: "remove the rule from the bucket, restore the archived objects, copy them to a new bucket, and \
              register that one",
        ..ANY
    },
    Row {
        cause: Cause::StorageAccessDenied,
        basis: Basis::Documented,
        source: Source::Cause,
        texts: &[
            "Access Denied (Service: ",
            "Error Code: AccessDenied",
            "Error Code: AllAccessDisabled",
            "All access to this object has been disabled",
        ],
        why: "S3 denied {storage_identity} access to {bucket}: a permission may be missing, or the policy of the \
              bucket, its key or its owner may deny access",
        action: "allow `s3:ListBucket` on {bucket_arn}, and `s3:GetObject`, `s3:PutObject` and `s3:DeleteObject` on \
              its objects to {storage_identity}; then check the policy of the bucket, its KMS key and its owner, and \
              register again",
        ..ANY
    },
    Row {
        cause: Cause::NodesNotUpdated,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["repository_verification_exception"],
        when: |seen| seen.has_node_without_repository(),
        shown: &["[…, 'RemoteTransportException[…]; nested: RepositoryMissingException[[…] missing]']"],
        why: "some nodes do not know {repository} yet: they may be busy, or the domain may be in a configuration \
              change",
        action: "call again later; `POST {repository_path}/_verify` shows whether all nodes can use the repository",
        ..ANY
    },
    Row {
        cause: Cause::StorageNotAccessible,
        basis: Basis::Documented,
        source: Source::Engine,
        types: &["repository_verification_exception"],
        texts: &[
            "path … is not accessible on master node",
            "path … is not accessible on cluster-manager node",
            "store location […] is not accessible on the node",
        ],
        why: "the nodes cannot read and write the storage of {repository}: permissions may be missing, settings may \
              be wrong, or the nodes may not share the folder",
        action: "read the causes in the error; correct the storage or the settings, and register {repository} again; \
              it may be registered already",
        ..ANY
    },
    Row {
        cause: Cause::RestoreOfSecurityIndex,
        basis: Basis::Observed,
        source: Source::Engine,
        statuses: &[403],
        types: &["security_exception"],
        texts: &["no permissions for […] and User"],
        when: |seen| seen.denied_permission() == Some(""),
        note: "with empty brackets",
        why: "the restore contains the global state or the security index, which nobody may restore, administrators \
              included",
        action: "restore with `RestoreSnapshot::with_indices` and the names of your own indices, without patterns, \
              and without the global state",
        ..ANY
    },
    Row {
        cause: Cause::CallerNotMapped,
        basis: Basis::Observed,
        source: Source::Engine,
        statuses: &[403],
        types: &["security_exception"],
        texts: &["no permissions for […] and User"],
        when: |seen| {
            seen.denied_permission().is_some_and(|action| {
                action.starts_with("cluster:admin/snapshot/") || action.starts_with("cluster:admin/repository/")
            })
        },
        note: "with `cluster:admin/snapshot/…` or `cluster:admin/repository/…` in the first brackets",
        why: "fine-grained access control does not permit {permission} to {user}, who may not be mapped to the role \
              `manage_snapshots`",
        action: "as a user with `all_access`, add {user} to {mapping_list} of the role mapping `manage_snapshots`: \
              `GET _plugins/_security/api/rolesmapping/manage_snapshots` reads it, and `PUT` replaces it as a whole \
              (on Elasticsearch `_opendistro` instead of `_plugins`); `iam::RoleMapping` builds the requests; map the \
              caller, not the snapshot role",
        ..ANY
    },
    Row {
        cause: Cause::SecurityRoleLacksAction,
        basis: Basis::Documented,
        source: Source::Engine,
        statuses: &[403],
        types: &["security_exception"],
        texts: &["no permissions for […] and User"],
        when: |seen| seen.denied_permission().is_some_and(|action| !action.is_empty()),
        why: "no role of {user} in the security plugin has {permission}",
        action: "add {permission} to a role of {user}, or map {user} to a role that has it",
        ..ANY
    },
];
