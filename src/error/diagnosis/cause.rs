//! The causes that a diagnosis names.

use crate::text::named_values;

named_values! {
    /// The cause of a failure, as far as the error shows it.
    ///
    /// [`Diagnosis::cause`](super::Diagnosis::cause) returns it. A cause is finer than an
    /// [`ErrorKind`](crate::ErrorKind): several causes belong to one kind, and each has its own
    /// remedy.
    ///
    /// ```
    /// use es_snapshot::error::Cause;
    ///
    /// assert_eq!(Cause::PassRoleMissing.as_str(), "pass_role_missing");
    /// ```
    pub enum Cause, "pass_role_missing" {
        /// The request was not signed, or its signature was removed on the way.
        AnonymousRequest = "anonymous_request",
        /// A registration was sent without the signature of an IAM role or user.
        UnsignedRegistration = "unsigned_registration",
        /// The caller lacks `iam:PassRole` on the snapshot role.
        PassRoleMissing = "pass_role_missing",
        /// No policy allows the caller this HTTP method.
        CallerNotAllowed = "caller_not_allowed",
        /// A policy explicitly denies this action to the caller, or to the server.
        ExplicitDeny = "explicit_deny",
        /// The registration has no `role_arn`.
        RoleArnMissing = "role_arn_missing",
        /// Amazon does not support this path or method.
        OperationNotSupported = "operation_not_supported",
        /// Amazon does not support a setting in the request body.
        SettingNotSupported = "setting_not_supported",
        /// The server does not know this path, method or content type.
        RequestNotSupported = "request_not_supported",
        /// The server does not accept a parameter, a setting or the body of the request.
        RequestInvalid = "request_invalid",
        /// The request body is larger than the domain accepts.
        RequestTooLarge = "request_too_large",
        /// The header `Host` does not name the domain.
        HostHeaderInvalid = "host_header_invalid",
        /// The name of the repository is reserved for Amazon's own repositories.
        ReservedName = "reserved_name",
        /// The domain received another request than the client signed.
        RequestChanged = "request_changed",
        /// The signature does not match.
        SignatureMismatch = "signature_mismatch",
        /// The signature is for another service than `es`.
        WrongService = "wrong_service",
        /// The signature is for another Region than the domain's.
        WrongRegion = "wrong_region",
        /// The signature is older than the domain accepts.
        SignatureTooOld = "signature_too_old",
        /// The signature has a time in the future.
        SignatureFromFuture = "signature_from_future",
        /// The provider of the client returned no usable credentials.
        CredentialsUnavailable = "credentials_unavailable",
        /// The session token has expired.
        TokenExpired = "token_expired",
        /// The domain does not know the session token.
        TokenInvalid = "token_invalid",
        /// The domain accepts only signed requests.
        SignatureRequired = "signature_required",
        /// The signature is in the query of the request.
        SignedByQuery = "signed_by_query",
        /// The server refused the password, API key or token, or received none.
        LoginRefused = "login_refused",
        /// A load balancer or proxy stopped waiting for the server.
        GatewayTimedOut = "gateway_timed_out",
        /// A load balancer or proxy could not reach the server.
        BackendUnavailable = "backend_unavailable",
        /// The server or a load balancer limits the rate of requests.
        Overloaded = "overloaded",
        /// A disk is above the flood-stage watermark.
        DiskFull = "disk_full",
        /// The cluster has not recovered its state yet.
        ClusterStarting = "cluster_starting",
        /// An index or the cluster is blocked.
        Blocked = "blocked",
        /// The domain redirects to another address.
        Redirected = "redirected",
        /// No connection to a domain in a VPC was made in time.
        VpcUnreachable = "vpc_unreachable",
        /// The proxy requires a user and password, or another one.
        ProxyLoginRefused = "proxy_login_refused",
        /// The proxy does not allow a tunnel to the domain.
        ProxyRefused = "proxy_refused",
        /// The proxy could not connect to the domain.
        ProxyCannotConnect = "proxy_cannot_connect",
        /// The client cannot reach the proxy, or the proxy does not respond as one.
        ProxyFailed = "proxy_failed",
        /// The name of the host does not resolve.
        NameNotResolved = "name_not_resolved",
        /// Nothing listens on the port of the endpoint.
        ConnectionRefused = "connection_refused",
        /// The certificate is for another name.
        CertificateForOtherName = "certificate_for_other_name",
        /// The certificate is not signed by an authority that the client trusts.
        CertificateNotTrusted = "certificate_not_trusted",
        /// The certificate has expired, or is not valid yet.
        CertificateOutOfDate = "certificate_out_of_date",
        /// The server requires a client certificate.
        ClientCertificateRequired = "client_certificate_required",
        /// The endpoint has `http://` instead of `https://`, or the reverse.
        WrongScheme = "wrong_scheme",
        /// Fine-grained access control does not map the caller to `manage_snapshots`.
        CallerNotMapped = "caller_not_mapped",
        /// A restore contains the security index or the global state.
        RestoreOfSecurityIndex = "restore_of_security_index",
        /// The caller's role in the security plugin lacks an action.
        SecurityRoleLacksAction = "security_role_lacks_action",
        /// The domain may not assume the snapshot role.
        RoleNotAssumable = "role_not_assumable",
        /// The storage denied access to the bucket.
        StorageAccessDenied = "storage_access_denied",
        /// The encryption key of the bucket may not be used.
        KeyAccessDenied = "key_access_denied",
        /// Some nodes do not know the repository yet.
        NodesNotUpdated = "nodes_not_updated",
        /// The bucket is in another Region than the setting names.
        BucketInOtherRegion = "bucket_in_other_region",
        /// S3 does not accept the Region at this endpoint.
        RegionNotAccepted = "region_not_accepted",
        /// The bucket does not exist.
        BucketMissing = "bucket_missing",
        /// An object is archived, for example in Glacier.
        ObjectArchived = "object_archived",
        /// The server cannot list the objects of the repository.
        RepositoryNotListable = "repository_not_listable",
        /// A later version of Elasticsearch has written the repository.
        RepositoryTooNew = "repository_too_new",
        /// The server cannot read the index of the repository.
        RepositoryUnreadable = "repository_unreadable",
        /// The nodes cannot access the storage of the repository.
        StorageNotAccessible = "storage_not_accessible",
        /// Another cluster writes to the repository, or its contents changed otherwise.
        RepositoryChangedByOthers = "repository_changed_by_others",
        /// The repository is read-only.
        RepositoryReadOnly = "repository_read_only",
        /// The repository contains as many snapshots as the server permits.
        SnapshotLimit = "snapshot_limit",
        /// The server does not know this type of repository.
        RepositoryTypeUnknown = "repository_type_unknown",
        /// The server does not accept the settings of the repository.
        RepositorySettingsRefused = "repository_settings_refused",
        /// The server does not accept the name of the repository.
        RepositoryNameInvalid = "repository_name_invalid",
        /// The repository is in use.
        RepositoryInUse = "repository_in_use",
        /// The repository is not registered.
        RepositoryMissing = "repository_missing",
        /// The snapshot does not exist.
        SnapshotMissing = "snapshot_missing",
        /// The snapshot is listed, but its file cannot be read.
        SnapshotUnreadable = "snapshot_unreadable",
        /// A snapshot of this name exists or is being created.
        SnapshotNameTaken = "snapshot_name_taken",
        /// The server does not accept the name of the snapshot.
        SnapshotNameInvalid = "snapshot_name_invalid",
        /// Another snapshot is running.
        SnapshotRunning = "snapshot_running",
        /// A deletion is running.
        DeletionRunning = "deletion_running",
        /// A clean-up of the repository is running.
        CleanUpRunning = "cleanup_running",
        /// A restore is running.
        RestoreRunning = "restore_running",
        /// A clone is running.
        CloneRunning = "clone_running",
        /// The cluster runs as many snapshot operations as its limit permits.
        TooManyOperations = "too_many_operations",
        /// An index cannot be deleted or closed while a snapshot of it is running.
        IndexBeingSnapshotted = "index_being_snapshotted",
        /// A searchable-snapshot index uses the snapshot.
        SnapshotMounted = "snapshot_mounted",
        /// The server does not accept the name of an index.
        IndexNameInvalid = "index_name_invalid",
        /// An index does not exist.
        IndexMissing = "index_missing",
        /// Primary shards of an index are not assigned to a node.
        PrimariesUnassigned = "primaries_unassigned",
        /// A deletion ended the running snapshot.
        AbortedByDeletion = "aborted_by_deletion",
        /// No index of the source snapshot matches the pattern of a clone.
        CloneMatchesNothing = "clone_matches_nothing",
        /// The source snapshot of a clone is incomplete.
        CloneOfIncomplete = "clone_of_incomplete",
        /// The first files of a snapshot could not be written.
        SnapshotNotWritten = "snapshot_not_written",
        /// The status of too many shards was requested at once.
        StatusTooLarge = "status_too_large",
        /// Another snapshot has taken the name.
        SnapshotReplaced = "snapshot_replaced",
        /// The snapshot has a state from which nothing can be restored.
        SnapshotNotRestorable = "snapshot_not_restorable",
        /// The snapshot comes from a later version than the server's.
        SnapshotTooNew = "snapshot_too_new",
        /// An index was created by a version that is too old for the server.
        IndexTooOld = "index_too_old",
        /// An open index has the name of an index to restore.
        IndexOpen = "index_open",
        /// A partial index has the name of an existing one.
        PartialIndexExists = "partial_index_exists",
        /// The existing index has another number of shards.
        ShardCountDiffers = "shard_count_differs",
        /// The snapshot does not contain all shards of an index.
        IndexIncomplete = "index_incomplete",
        /// Two indices would be restored under one name.
        RenameCollision = "rename_collision",
        /// An index would be restored under the name of an alias.
        AliasConflict = "alias_conflict",
        /// A restore cannot change this setting.
        SettingNotRestorable = "setting_not_restorable",
        /// The snapshot does not contain the global state.
        GlobalStateMissing = "global_state_missing",
        /// The server does not have a feature whose state the snapshot contains.
        FeatureNotInstalled = "feature_not_installed",
        /// The snapshot does not contain a feature state.
        FeatureStateMissing = "feature_state_missing",
        /// The cluster would have more shards than its limit permits.
        ShardLimit = "shard_limit",
        /// The master did not process the request in time.
        MasterBusy = "master_busy",
        /// The cluster has no elected master.
        MasterMissing = "master_missing",
        /// The elected master changed during the operation.
        MasterChanged = "master_changed",
        /// The snapshot ended incomplete.
        SnapshotIncomplete = "snapshot_incomplete",
    }
}

named_values! {
    /// How well a [`Diagnosis`](super::Diagnosis) is supported.
    ///
    /// ```
    /// use es_snapshot::error::Basis;
    ///
    /// assert_eq!(Basis::Documented.as_str(), "documented");
    /// ```
    pub enum Basis, "observed" {
        /// An engine or this client reported this failure in a test, for this cause.
        Observed = "observed",
        /// Documentation or public reports name this failure and its cause.
        Documented = "documented",
    }
}
