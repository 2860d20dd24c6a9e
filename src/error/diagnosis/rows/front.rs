//! What the client itself, Amazon's front end and gateways report: names, policies, signatures,
//! overload.

use super::super::{Basis, Cause, ErrorKind};
use super::{ANY, Row, Source};

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
        cause: Cause::CredentialsUnavailable,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Credentials],
        shown: &["no usable credentials"],
        why: "the provider of the client returned no credentials that can sign",
        action: "read the causes in the error; attach an instance profile to this machine, or set \
              `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or a profile; in a container, allow the metadata \
              service a hop limit of 2",
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
        cause: Cause::RequestNotSupported,
        basis: Basis::Observed,
        source: Source::Engine,
        statuses: &[400, 405, 406, 415],
        texts: &[
            "no handler found for uri […] and method […]",
            "Incorrect HTTP method for uri […] and method […]",
            "Content-Type header […] is not supported",
        ],
        why: "the server does not know {request}: its version or distribution may not have this API",
        action: "compare the version of the server with the documentation of the API; a proxy may also have changed \
              the path or the header `content-type`",
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
        action: "do not repeat a change; check with {check} or `SnapshotClient::check` whether it took effect",
        ..ANY
    },
    Row {
        cause: Cause::BackendUnavailable,
        basis: Basis::Documented,
        source: Source::Gateway,
        statuses: &[502, 503],
        why: "a load balancer or proxy could not reach the server: nodes may be overloaded or down, or the domain may \
              be in a configuration change",
        action: "repeat a read later; after a change, first check with {check} whether it took effect",
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
];
