//! The table of causes: by what each is recognised, and what helps. The first row that matches
//! counts.

use super::seen::{Seen, Text};
use super::{Basis, Cause, ErrorKind, ServerLayer};
use crate::error::ServerError;

/// A cause, by what it is recognised, and what helps. An empty list permits everything.
pub(super) struct Row {
    pub(super) cause: Cause,
    pub(super) basis: Basis,
    source: Source,
    kinds: &'static [ErrorKind],
    statuses: &'static [u16],
    /// The types of the server's exceptions.
    types: &'static [&'static str],
    /// Phrases, one of which the text contains. `…` stands for any text. Quoted text is left out on
    /// both sides. Each phrase has white space, which no name of a repository, snapshot or index
    /// has.
    texts: &'static [&'static str],
    when: fn(&Seen<'_>) -> bool,
    /// Texts that the documentation shows instead of `texts`.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares the documentation with it"))]
    shown: &'static [&'static str],
    /// What the documentation adds to the texts.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares the documentation with it"))]
    note: &'static str,
    /// The cause in one sentence. `{…}` is a name: see `Seen::value`.
    pub(super) why: &'static str,
    /// What helps.
    pub(super) action: &'static str,
}

/// Where the text of a row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Any text.
    Any,
    /// This client, without a response.
    Client,
    Policy,
    Signature,
    Authentication,
    Gateway,
    /// The engine's own exception.
    Engine,
    /// The engine's exception, or one of its causes.
    Cause,
}

const ANY: Row = Row {
    cause: Cause::Blocked,
    basis: Basis::Documented,
    source: Source::Any,
    kinds: &[],
    statuses: &[],
    types: &[],
    texts: &[],
    when: |_| true,
    shown: &[],
    note: "",
    why: "",
    action: "",
};

impl Row {
    pub(super) fn matches(&self, seen: &Seen<'_>) -> bool {
        let status = seen.server.map_or(0, ServerError::status);
        self.source.matches(seen.server.map(ServerError::layer))
            && (self.kinds.is_empty() || self.kinds.contains(&seen.error.kind()))
            && (self.statuses.is_empty() || self.statuses.contains(&status))
            && self.texts_of(seen).any(|text| self.fits(text))
            && (self.when)(seen)
    }

    /// The texts that may have the type and the phrases of the row.
    fn texts_of<'s>(&self, seen: &'s Seen<'_>) -> impl Iterator<Item = &'s Text<'s>> {
        let count = match self.source {
            Source::Cause | Source::Client => seen.texts().len(),
            _ => 1,
        };
        seen.texts().iter().take(count)
    }

    fn fits(&self, text: &Text<'_>) -> bool {
        (self.types.is_empty() || self.types.contains(&text.error_type))
            && (self.texts.is_empty() || self.texts.iter().any(|phrase| contains(&text.words, phrase)))
    }
}

impl Source {
    fn matches(self, layer: Option<ServerLayer>) -> bool {
        match self {
            Self::Any => true,
            Self::Client => layer.is_none(),
            Self::Policy => layer == Some(ServerLayer::Policy),
            Self::Signature => layer == Some(ServerLayer::Signature),
            Self::Authentication => layer == Some(ServerLayer::Authentication),
            Self::Gateway => layer == Some(ServerLayer::Gateway),
            Self::Engine | Self::Cause => layer == Some(ServerLayer::Engine),
        }
    }
}

/// Whether the text, without quoted names, contains the parts of the phrase in order.
fn contains(text: &str, phrase: &str) -> bool {
    let phrase = phrase.replace("[…]", "[]").replace("'…'", "''").replace("\"…\"", "\"\"");
    let mut rest = text;
    phrase.split('…').all(|part| match rest.split_once(part) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

pub(super) const ROWS: &[Row] = &[
    Row {
        cause: Cause::ReservedName,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::InvalidInput],
        texts: &["starts with `cs-`, which Amazon reserves"],
        why: "Amazon reserves names that start with `cs-` for its own repositories",
        action: "choose another name for {repository}",
        ..ANY
    },
    Row {
        cause: Cause::RoleArnMissing,
        basis: Basis::Documented,
        source: Source::Any,
        kinds: &[ErrorKind::MissingRoleArn],
        shown: &["settings.role_arn is needed for snapshot registration."],
        why: "the registration of {repository} has no `role_arn`, which an Amazon domain requires",
        action: "set the ARN of the snapshot role with `S3Settings::with_role_arn`, and register again; the setting \
              is named `role_arn`, not `iam_role_arn`, and the caller needs `iam:PassRole` on the role",
        ..ANY
    },
    Row {
        cause: Cause::VpcUnreachable,
        basis: Basis::Documented,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &["no connection within "],
        when: |seen| seen.is_direct_to_vpc(),
        note: "host `vpc-…`",
        why: "no route may lead to {host}, or a security group may drop the connection: a domain in a VPC does not \
              respond from outside the VPC",
        action: "call from inside the VPC, or through a tunnel whose address `SnapshotClientBuilder::connect_to` \
              sets; allow port 443 from the caller in the security group of the domain",
        ..ANY
    },
    Row {
        cause: Cause::NameNotResolved,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        when: |seen| seen.error.is_unresolved(),
        shown: &["the name … does not resolve: check the endpoint and the resolver of this host"],
        why: "{host} has no address: the endpoint may be mistyped, the resolver of this machine may have failed, or \
              the domain may be deleted",
        action: "check the endpoint, and resolve the name on this machine; if that fails only in a container with \
              musl (Alpine before 3.18), the response of the name server may be too large for it, as for VPC domains \
              with more than 20 nodes: use another image",
        ..ANY
    },
    Row {
        cause: Cause::CertificateForOtherName,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &["is for another name: use a name from the certificate in the endpoint"],
        why: "the certificate of the server does not contain the name of {host}",
        action: "use a name from the certificate in the endpoint (that of a domain is `*.REGION.es.amazonaws.com`), \
              and set the address of a tunnel with `SnapshotClientBuilder::connect_to`; an alias of your own needs a \
              custom endpoint of the domain with its own certificate",
        ..ANY
    },
    Row {
        cause: Cause::CertificateNotTrusted,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &["is not signed by a trusted authority: add its authority with"],
        why: "the certificate of {host} is not signed by an authority that the client trusts: the trusted roots may \
              be old, the cluster may have an authority of its own, or a proxy may intercept TLS",
        action: "add the authority with `HyperTransportBuilder::ca_pem`; Amazon domains need Amazon Root CA 1, \
              Starfield G2 or Starfield Class 2",
        ..ANY
    },
    Row {
        cause: Cause::CertificateOutOfDate,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &[
            "has expired: renew it, or correct the clock of this host",
            "is not valid yet: correct the clock of this host",
        ],
        why: "the certificate of {host} is not valid now, or the clock of this machine is wrong",
        action: "check the clock of this machine, and otherwise renew the certificate",
        ..ANY
    },
    Row {
        cause: Cause::ClientCertificateRequired,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &["requires a client certificate that it trusts: set one with"],
        why: "{host} requires a client certificate that it trusts",
        action: "set one with `HyperTransportBuilder::client_certificate_pem`",
        ..ANY
    },
    Row {
        cause: Cause::WrongScheme,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &[
            "speaks TLS: use https:// in the endpoint",
            "does not speak TLS: if the port serves plain HTTP, use http:// in the endpoint",
        ],
        why: "the endpoint has `http://` and the port speaks TLS, or the endpoint has `https://` and the port does not",
        action: "change the scheme of the endpoint for {host}; Amazon domains need `https://`",
        ..ANY
    },
    Row {
        cause: Cause::SnapshotIncomplete,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Incomplete],
        texts: &["snapshot \"…\" is PARTIAL", "snapshot \"…\" is FAILED"],
        why: "{snapshot} was accepted, but some shards could not be stored: primary shards may have been unassigned, \
              or a node may have left",
        action: "read the failures in the error or with `SnapshotInfo::failures`; create another snapshot when the \
              cluster is green",
        ..ANY
    },
    Row {
        cause: Cause::ExplicitDeny,
        basis: Basis::Documented,
        source: Source::Policy,
        texts: &["User: … is not authorized to perform: … with an explicit deny"],
        why: "a policy explicitly denies `{action}` to {caller}",
        action: "find the statement with the effect `Deny` that covers `{action}`, and change it: it takes precedence \
              over every permission; the response names the kind of the policy",
        ..ANY
    },
    Row {
        cause: Cause::UnsignedRegistration,
        basis: Basis::Documented,
        source: Source::Policy,
        texts: &["User: anonymous is not authorized to perform: iam:PassRole"],
        why: "the registration was not signed by an IAM role or user, so nobody passes {role}",
        action: "build the client with `SnapshotClientBuilder::credentials` of a role or user that has `iam:PassRole` \
              on {role}; other requests may keep `SnapshotClientBuilder::auth`",
        ..ANY
    },
    Row {
        cause: Cause::PassRoleMissing,
        basis: Basis::Documented,
        source: Source::Policy,
        texts: &["User: … is not authorized to perform: iam:PassRole"],
        why: "{caller} may not pass {role} to the domain",
        action: "add `iam:PassRole` on {role} to a policy of {caller}; if a policy contains it already, a permissions \
              boundary or a service control policy may deny it",
        ..ANY
    },
    Row {
        cause: Cause::AnonymousRequest,
        basis: Basis::Documented,
        source: Source::Policy,
        texts: &["User: anonymous is not authorized to perform: es:"],
        why: "the domain received no signature, and its access policy does not allow anonymous requests from this \
              address: the client may not sign, or a proxy may have removed the signature",
        action: "build the client with `SnapshotClientBuilder::credentials`; if it has them, look for a proxy or \
              redirect that removes the header `authorization`; otherwise allow `{action}` on {domain} in the access \
              policy of the domain",
        ..ANY
    },
    Row {
        cause: Cause::CallerNotAllowed,
        basis: Basis::Documented,
        source: Source::Policy,
        texts: &["User: … is not authorized to perform: es:"],
        why: "no policy allows `{action}` to {caller}: a permission may be missing, or the client may use the \
              credentials of another profile than intended",
        action: "add `{action}` on {domain} to a policy of {caller}, or to the access policy of the domain; each HTTP \
              method needs its own action, `es:ESHttpGet`, `es:ESHttpPut`, `es:ESHttpPost` and `es:ESHttpDelete`",
        ..ANY
    },
    Row {
        cause: Cause::SettingNotSupported,
        basis: Basis::Documented,
        source: Source::Policy,
        texts: &["Your request: '…' payload is not allowed."],
        why: "the domain does not support a setting in the body of {request}",
        action: "remove the settings that are only for self-managed clusters, and send the request again",
        ..ANY
    },
    Row {
        cause: Cause::OperationNotSupported,
        basis: Basis::Documented,
        source: Source::Policy,
        texts: &["Your request: '…' is not allowed."],
        why: "{request} is not on Amazon's list of supported operations for the version of this domain",
        action: "use another operation from Amazon's list of supported operations; registering a repository again \
              also verifies it",
        ..ANY
    },
    Row {
        cause: Cause::RequestTooLarge,
        basis: Basis::Documented,
        source: Source::Any,
        texts: &["Request size exceeded … bytes"],
        why: "the body of {request} is larger than the domain accepts, which is 10 MiB or 100 MiB by instance type",
        action: "send a smaller body, for example index patterns instead of many names",
        ..ANY
    },
    Row {
        cause: Cause::HostHeaderInvalid,
        basis: Basis::Documented,
        source: Source::Any,
        texts: &["Invalid Host Header"],
        why: "the domain does not know the name in the header `Host`, which is that of {host}",
        action: "use the domain's own endpoint; if a tunnel or proxy leads to it, set that address with \
              `SnapshotClientBuilder::connect_to`",
        ..ANY
    },
    Row {
        cause: Cause::Overloaded,
        basis: Basis::Documented,
        source: Source::Any,
        statuses: &[403],
        texts: &["Request throttled due to too many requests"],
        why: "the domain limits the rate of requests, because its memory may not suffice for more",
        action: "send fewer requests at a time, or choose larger instances; the client pauses and repeats by itself",
        ..ANY
    },
    Row {
        cause: Cause::RequestChanged,
        basis: Basis::Documented,
        source: Source::Signature,
        texts: &[
            "The request signature we calculated does not match",
            "Canonical String for this request should have been",
        ],
        when: |seen| seen.difference().is_some(),
        note: "with another method, path, query or host than the client signed",
        why: "the request was changed after the client had signed it, in {difference}",
        action: "look for a proxy, gateway or transport that changes this line, and let it pass the request unchanged",
        ..ANY
    },
    Row {
        cause: Cause::SignatureMismatch,
        basis: Basis::Documented,
        source: Source::Signature,
        texts: &["The request signature we calculated does not match the signature you provided."],
        why: "the secret access key may not belong to the access key id, or a proxy may have changed headers or the \
              body after the client had signed them",
        action: "check that the access key id and the secret access key belong together; if they do, let every proxy \
              on the way pass headers and body unchanged",
        ..ANY
    },
    Row {
        cause: Cause::WrongService,
        basis: Basis::Documented,
        source: Source::Signature,
        texts: &["Credential should be scoped to correct service: "],
        why: "the request was signed for another service than `es`",
        action: "sign for `es`, also for OpenSearch domains; this client does so by itself, so look for a proxy that \
              signs again",
        ..ANY
    },
    Row {
        cause: Cause::WrongRegion,
        basis: Basis::Documented,
        source: Source::Signature,
        texts: &["Credential should be scoped to a valid region"],
        why: "the request was signed for another Region than that of the domain",
        action: "set the Region of the domain with `SnapshotClientBuilder::region`: a custom endpoint does not show \
              it, and {refused_region} is not the domain's",
        ..ANY
    },
    Row {
        cause: Cause::SignatureTooOld,
        basis: Basis::Documented,
        source: Source::Signature,
        texts: &["Signature expired: "],
        why: "the signature was too old when it arrived: the clock of this machine may be slow, or the request may \
              have waited long on its way",
        action: "synchronise the clock of this machine; if it is right, look for a proxy that queues or repeats \
              requests",
        ..ANY
    },
    Row {
        cause: Cause::SignatureFromFuture,
        basis: Basis::Documented,
        source: Source::Signature,
        texts: &["Signature not yet current: "],
        why: "the signature has a time in the future: the clock of this machine may be fast",
        action: "synchronise the clock of this machine",
        ..ANY
    },
    Row {
        cause: Cause::TokenExpired,
        basis: Basis::Documented,
        source: Source::Signature,
        texts: &["The security token included in the request is expired"],
        why: "the session of the temporary credentials has ended",
        action: "renew the session, or give the client a provider that renews it, such as the default chain of the \
              feature `aws-config`",
        ..ANY
    },
    Row {
        cause: Cause::TokenInvalid,
        basis: Basis::Documented,
        source: Source::Signature,
        texts: &["The security token included in the request is invalid"],
        why: "the domain does not know the credentials: the session token may be missing or belong to another key, \
              the key may be deleted, or it may be from another partition, such as `aws-cn`",
        action: "use the access key, secret and session token of one session, from the partition of the domain",
        ..ANY
    },
    Row {
        cause: Cause::SignatureRequired,
        basis: Basis::Documented,
        source: Source::Signature,
        texts: &[
            "Authorization header requires '…' parameter.",
            "Authorization header requires existence of either a '…' or a '…' header.",
        ],
        why: "the domain accepts only requests that an IAM role or user has signed, and this one has a password or no \
              signature",
        action: "build the client with `SnapshotClientBuilder::credentials`, or change the access policy of the \
              domain so that it does not require IAM principals",
        ..ANY
    },
    Row {
        cause: Cause::SignedByQuery,
        basis: Basis::Documented,
        source: Source::Engine,
        statuses: &[400],
        texts: &["contains unrecognized parameter"],
        when: |seen| seen.refuses_signature_parameters(),
        note: "parameters `X-Amz-…`",
        why: "a proxy or the caller put the signature into the query, and the server takes it for parameters",
        action: "sign with the header `authorization`, as this client does",
        ..ANY
    },
    Row {
        cause: Cause::LoginRefused,
        basis: Basis::Observed,
        source: Source::Authentication,
        statuses: &[401],
        shown: &["Unauthorized"],
        why: "the user, password, API key or token may be wrong, or none was sent",
        action: "check `SnapshotClientBuilder::auth`; a caller with an IAM role needs \
              `SnapshotClientBuilder::credentials` instead",
        ..ANY
    },
    Row {
        cause: Cause::LoginRefused,
        basis: Basis::Documented,
        source: Source::Engine,
        statuses: &[401],
        types: &["security_exception"],
        why: "the user, password, API key or token may be wrong, or none was sent",
        action: "check `SnapshotClientBuilder::auth`; a caller with an IAM role needs \
              `SnapshotClientBuilder::credentials` instead",
        ..ANY
    },
    Row {
        cause: Cause::Redirected,
        basis: Basis::Documented,
        source: Source::Any,
        when: |seen| seen.server.is_some_and(|server| server.location().is_some()),
        shown: &["a redirect (HTTP 3xx)"],
        why: "{host} redirects to {location}, and the client does not follow redirects, because a signature is valid \
              for one host only",
        action: "use the address to which the domain redirects as the endpoint, with `https://`",
        ..ANY
    },
    Row {
        cause: Cause::GatewayTimedOut,
        basis: Basis::Documented,
        source: Source::Gateway,
        statuses: &[504],
        why: "a load balancer or proxy stopped waiting for the server, often after 60 s, and the server may continue",
        action: "do not repeat a change; check with `GET {repository_path}/_status` or `SnapshotClient::check` what \
              the server does",
        ..ANY
    },
    Row {
        cause: Cause::BackendUnavailable,
        basis: Basis::Documented,
        source: Source::Gateway,
        statuses: &[502, 503],
        why: "a load balancer or proxy could not reach the server: nodes may be overloaded or down, or the domain may \
              be in a configuration change",
        action: "repeat a read later; after a change, first check with `GET {repository_path}/_status` whether it \
              took effect",
        ..ANY
    },
    Row {
        cause: Cause::Overloaded,
        basis: Basis::Documented,
        source: Source::Gateway,
        statuses: &[429],
        why: "the domain or a proxy limits the rate of requests",
        action: "call again later, and send fewer requests at a time",
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
        action: "check the bucket for rules that delete objects; delete the snapshot with `DELETE {snapshot_path}`",
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
        why: "a file of a snapshot in {repository} cannot be read: it may be damaged or deleted",
        action: "find the snapshot with `SnapshotList::unreadable`, delete it, and check the storage for rules that \
              delete files",
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
        action: "check with `GET {snapshot_path}` whether the request took effect, before you send it again",
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
        types: &["process_cluster_event_timeout_exception", "cluster_manager_throttling_exception"],
        why: "the elected master did not process the request in time, and may still apply it",
        action: "check whether it took effect, and call again later; `SnapshotClient::with_master_timeout` raises the \
              limit",
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
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Outcome};

    const DOCS: &str = include_str!("../../../docs/errors.md");

    /// The rows as a Markdown table. Names that an error would show are general nouns.
    fn table() -> String {
        let nothing = Error::new(ErrorKind::Server, Outcome::Rejected, "");
        let seen = Seen::of(&nothing);
        let head = ["| recognised by | cause | why | what helps | basis |", "| --- | --- | --- | --- | --- |"];
        let rows = ROWS.iter().map(|row| {
            let (why, action) = (seen.sentence(row.why), seen.sentence(row.action));
            format!("| {} | `{}` | {why} | {action} | {} |", row.signs(), row.cause, row.basis)
        });
        let lines: Vec<String> = head.map(str::to_owned).into_iter().chain(rows).collect();
        lines.join("\n") + "\n"
    }

    impl Row {
        fn signs(&self) -> String {
            let texts = if self.shown.is_empty() { self.texts } else { self.shown };
            let code = |text: &&str| format!("`{}`", text.trim());
            let mut signs: Vec<String> = Vec::new();
            signs.extend(self.statuses.iter().map(|status| format!("HTTP {status}")));
            signs.extend(self.types.iter().map(code));
            signs.extend(texts.iter().map(code));
            signs.extend(Some(self.note.to_owned()).filter(|note| !note.is_empty()));
            signs.join("<br>")
        }
    }

    #[test]
    fn the_docs_contain_the_table_of_all_rows() {
        let table = table();
        assert!(DOCS.contains(&table), "docs/errors.md differs from the rows; replace its table by:\n\n{table}");
    }

    #[test]
    fn each_cause_has_a_row_and_occurs_in_the_docs() {
        for cause in Cause::ALL {
            assert!(ROWS.iter().any(|row| row.cause == *cause), "{cause:?} has no row");
            assert!(DOCS.contains(&format!("`{cause}`")), "{cause:?} is not in docs/errors.md");
        }
    }

    #[test]
    fn each_phrase_has_white_space_and_each_row_a_sign() {
        for row in ROWS {
            for phrase in row.texts {
                assert!(phrase.trim().contains(' '), "{phrase}");
            }
            assert!(!row.signs().is_empty(), "{:?}", row.cause);
        }
    }

    #[test]
    fn each_name_in_a_template_is_known() {
        let nothing = Error::new(ErrorKind::Server, Outcome::Rejected, "");
        let seen = Seen::of(&nothing);
        for template in ROWS.iter().flat_map(|row| [row.why, row.action]) {
            for name in template.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                assert!(!seen.sentence(&format!("{{{name}}}")).is_empty(), "{name}");
            }
        }
    }
}
