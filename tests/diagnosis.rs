//! Diagnoses of failed calls: the cause, and a remedy with the names of the call.

use std::io;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use es_snapshot::client::RawRequest;
use es_snapshot::error::{Basis, Cause, Diagnosis};
use es_snapshot::repository::RegisterRepository;
use es_snapshot::testing::{CredentialTrouble, FakeDomain, ManualClock, TransportFn, response, transport_fn};
use es_snapshot::transport::TransportError;
use es_snapshot::{
    CreateSnapshot, Error, ListSnapshots, RestoreSnapshot, RetryPolicy, S3Settings, SnapshotClient, SnapshotInfo,
};
use http::Method;
use serde_json::{Value, json};

const HOST: &str = "search-logs-abcdefghijklmnopqrstuvwxyz.eu-west-1.es.amazonaws.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/TheSnapshotRole";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/Backup/i-0abc";
const CALLER: &str = "arn:aws:iam::123456789012:role/Backup";

fn client_of(host: &str, transport: TransportFn) -> SnapshotClient {
    SnapshotClient::builder(format!("https://{host}"))
        .region("eu-west-1")
        .credentials(Credentials::new("AKIDEXAMPLE", "secret-key-1", Some("token-token".to_owned()), None, "test"))
        .transport(transport)
        .retry(RetryPolicy::never())
        .clock(ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)))
        .build()
        .unwrap()
}

fn client(status: u16, body: impl Into<String>) -> SnapshotClient {
    let body = body.into();
    client_of(HOST, transport_fn(move |_| Ok(response(status, body.clone()))))
}

fn settings() -> RegisterRepository {
    S3Settings::new("my-bucket").with_region("us-east-1").with_role_arn(ROLE).into()
}

async fn registration(status: u16, body: impl Into<String>) -> Error {
    client(status, body).repository("backups").unwrap().register(settings()).await.unwrap_err()
}

async fn listing(status: u16, body: impl Into<String>) -> Error {
    client(status, body).repository("backups").unwrap().list(ListSnapshots::new()).await.unwrap_err()
}

async fn status(status: u16, body: impl Into<String>) -> Error {
    client(status, body).repository("backups").unwrap().snapshot("monday").unwrap().status().await.unwrap_err()
}

fn policy(text: &str) -> String {
    json!({ "Message": text }).to_string()
}

fn signature(text: &str) -> String {
    json!({ "message": text }).to_string()
}

fn engine(error_type: &str, reason: &str) -> String {
    json!({ "error": { "root_cause": [], "type": error_type, "reason": reason } }).to_string()
}

fn caused(error_type: &str, reason: &str, causes: &[(&str, &str)]) -> String {
    let cause = causes.iter().rev().fold(Value::Null, |inner, (name, reason)| {
        let mut cause = json!({ "type": name, "reason": reason });
        if !inner.is_null() {
            cause["caused_by"] = inner;
        }
        cause
    });
    json!({ "error": { "type": error_type, "reason": reason, "caused_by": cause } }).to_string()
}

#[track_caller]
fn assert_cause(error: &Error, cause: Cause, named: &[&str]) -> Diagnosis {
    let Some(diagnosis) = error.diagnosis() else { panic!("no diagnosis: {error}") };
    assert_eq!(diagnosis.cause(), cause, "{error}\n{diagnosis}");
    for name in named {
        let shown = diagnosis.to_string();
        assert!(shown.contains(name), "{name:?} is not in:\n{shown}");
    }
    for text in [diagnosis.symptom(), diagnosis.impact(), diagnosis.explanation(), diagnosis.action()] {
        assert!(!text.is_empty() && !text.contains(['{', '}', '\n']), "{text}");
    }
    assert!(!diagnosis.to_string().contains("token-token"), "{diagnosis}");
    diagnosis
}

// ---- Amazon's check of policies

#[tokio::test]
async fn names_the_action_and_the_resource_that_a_policy_lacks() {
    let domain = "arn:aws:es:eu-west-1:123456789012:domain/logs/*";
    for suffix in [
        "",
        " on resource: logs",
        " because no identity-based policy allows the es:ESHttpPut action",
        " because no resource-based policy allows the es:ESHttpPut action",
        " on resource: arn:aws:es:eu-west-1:123456789012:domain/logs/_snapshot/backups because no identity-based \
         policy",
    ] {
        let text = format!("User: {SESSION} is not authorized to perform: es:ESHttpPut{suffix}");
        let error = registration(403, policy(&text)).await;
        let diagnosis = assert_cause(&error, Cause::CallerNotAllowed, &["es:ESHttpPut", domain, CALLER]);
        assert!(diagnosis.action().contains(domain) && diagnosis.action().contains(CALLER), "{diagnosis}");
    }
    let text = format!(
        "User: {SESSION} is not authorized to perform: es:ESHttpDelete with an explicit deny in an identity-based \
         policy"
    );
    assert_cause(&registration(403, policy(&text)).await, Cause::ExplicitDeny, &["es:ESHttpDelete", CALLER]);
}

#[tokio::test]
async fn distinguishes_anonymous_requests_from_callers_without_permission() {
    for suffix in ["", " because no resource-based policy allows the es:ESHttpPut action"] {
        let text = format!("User: anonymous is not authorized to perform: es:ESHttpPut{suffix}");
        assert_cause(
            &registration(403, policy(&text)).await,
            Cause::AnonymousRequest,
            &["es:ESHttpPut", "domain/logs/*"],
        );
    }
    for suffix in ["", " because no resource-based policy allows the iam:PassRole action"] {
        let text = format!("User: anonymous is not authorized to perform: iam:PassRole on resource: {ROLE}{suffix}");
        assert_cause(&registration(403, policy(&text)).await, Cause::UnsignedRegistration, &[ROLE, "iam:PassRole"]);
    }
}

#[tokio::test]
async fn names_the_role_that_the_caller_may_not_pass() {
    let user = "arn:aws:iam::123456789012:user/alice";
    for (principal, shown) in [(user, "the user \"arn:aws:iam::123456789012:user/alice\""), (SESSION, CALLER)] {
        let text = format!("User: {principal} is not authorized to perform: iam:PassRole on resource: {ROLE}");
        let error = registration(403, policy(&text)).await;
        let diagnosis = assert_cause(&error, Cause::PassRoleMissing, &[ROLE, "`iam:PassRole`"]);
        assert!(diagnosis.action().contains(shown), "{diagnosis}");
        assert_eq!(diagnosis.impact(), "The repository \"backups\" was not registered or changed");
        assert_eq!(diagnosis.basis(), Basis::Documented);
    }
}

#[tokio::test]
async fn explains_the_other_refusals_of_amazons_front_end() {
    let none = "settings.role_arn is needed for snapshot registration.";
    assert_cause(&registration(401, policy(none)).await, Cause::RoleArnMissing, &["role_arn", "with_role_arn"]);
    let error = status(401, policy("Your request: '/_snapshot/backups/monday/_status' is not allowed.")).await;
    assert_cause(&error, Cause::OperationNotSupported, &["GET \"/_snapshot/backups/monday/_status\""]);
    let error = registration(401, policy("Your request: '/_snapshot/backups' payload is not allowed.")).await;
    assert_cause(&error, Cause::SettingNotSupported, &["PUT \"/_snapshot/backups\""]);
    let error = registration(413, policy("Request size exceeded 10485760 bytes")).await;
    assert_cause(&error, Cause::RequestTooLarge, &["10 MiB"]);
    assert_cause(&registration(413, "Request size exceeded 10485760 bytes").await, Cause::RequestTooLarge, &[]);
    for body in [policy("Invalid Host Header"), "Invalid Host Header".to_owned()] {
        assert_cause(&registration(400, body).await, Cause::HostHeaderInvalid, &[HOST, "connect_to"]);
    }
    let error = registration(403, policy("Request throttled due to too many requests")).await;
    assert_cause(&error, Cause::Overloaded, &[]);
}

#[tokio::test]
async fn explains_what_the_client_refuses_before_it_sends() {
    let error = client(200, "{}").repository("cs-mine").unwrap().register(settings()).await.unwrap_err();
    let diagnosis = assert_cause(&error, Cause::ReservedName, &["\"cs-mine\""]);
    assert_eq!(diagnosis.basis(), Basis::Observed);
    let without_role = S3Settings::new("my-bucket").with_region("eu-west-1");
    let error = client(200, "{}").repository("backups").unwrap().register(without_role).await.unwrap_err();
    assert_cause(&error, Cause::RoleArnMissing, &["\"backups\"", "with_role_arn"]);
}

// ---- Amazon's check of signatures

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS \
                        Secret Access Key and signing method. Consult the service documentation for details.";

fn mismatch(method: &str, path: &str, query: &str, host: &str) -> String {
    format!(
        "{MISMATCH}\n\nThe Canonical String for this request should have been\n'{method}\n{path}\n{query}\n\
         host:{host}\nx-amz-date:20231114T221320Z\nx-amz-security-token:token-token\n\n\
         host;x-amz-date;x-amz-security-token\n\
         e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'\n\nThe String-to-Sign should have been\n\
         'AWS4-HMAC-SHA256\n20231114T221320Z\n20231114/eu-west-1/es/aws4_request\nabc'\n"
    )
}

#[tokio::test]
async fn names_the_line_of_the_canonical_request_that_differs() {
    let path = "/_snapshot/backups/monday/_status";
    for (text, cause, named) in [
        (mismatch("GET", path, "", HOST), Cause::SignatureMismatch, "secret access key"),
        (mismatch("GET", "/_snapshot/backups/monday/_status/", "", HOST), Cause::RequestChanged, "path"),
        (mismatch("GET", path, "pretty=", HOST), Cause::RequestChanged, "query"),
        (mismatch("GET", path, "", "localhost:9200"), Cause::RequestChanged, "host"),
        (mismatch("POST", path, "", HOST), Cause::RequestChanged, "method"),
    ] {
        for text in [text.clone(), text.replace('\n', "\\n")] {
            assert_cause(&status(403, signature(&text)).await, cause, &[named]);
        }
    }
    assert_cause(&status(403, signature(MISMATCH)).await, Cause::SignatureMismatch, &[]);
    // Names with special characters are encoded twice in the canonical request.
    let echo = signature(&mismatch("GET", "/_snapshot/backups/a%252Bb/_status", "", HOST));
    let error = client(403, echo).repository("backups").unwrap().snapshot("a+b").unwrap().status().await.unwrap_err();
    assert_cause(&error, Cause::SignatureMismatch, &[]);
}

#[tokio::test]
async fn explains_the_other_refusals_of_signatures() {
    let basic = "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' \
                 parameter. \
                 Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of \
                 either a 'X-Amz-Date' or a 'Date' header. Authorization=Basic dTpw";
    for (text, cause, named) in [
        ("Credential should be scoped to correct service: 'es'. ", Cause::WrongService, "`es`"),
        ("Credential should be scoped to correct service: 'es'", Cause::WrongService, "`es`"),
        ("Credential should be scoped to a valid region, not 'us-east-1'. ", Cause::WrongRegion, "\"us-east-1\""),
        ("Credential should be scoped to a valid region.", Cause::WrongRegion, "SnapshotClientBuilder::region"),
        (
            "Signature expired: 20231114T221320Z is now earlier than 20231114T222000Z (20231114T222500Z - 5 min.)",
            Cause::SignatureTooOld,
            "clock",
        ),
        (
            "Signature not yet current: 20231114T221320Z is still later than 20231114T220000Z (20231114T215500Z + 5 \
             min.)",
            Cause::SignatureFromFuture,
            "clock",
        ),
        ("The security token included in the request is expired", Cause::TokenExpired, "session"),
        ("The security token included in the request is invalid.", Cause::TokenInvalid, "session token"),
        (basic, Cause::SignatureRequired, "SnapshotClientBuilder::credentials"),
    ] {
        assert_cause(&status(403, signature(text)).await, cause, &[named]);
    }
    let text = "request [/_snapshot/backups] contains unrecognized parameters: [X-Amz-Algorithm], [X-Amz-Credential]";
    assert_cause(&registration(400, engine("illegal_argument_exception", text)).await, Cause::SignedByQuery, &[]);
}

// ---- load balancers, limits, network

#[tokio::test]
async fn explains_responses_of_load_balancers_and_limits() {
    let flood = "index [movies] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has \
                 read-only-allow-delete block];";
    for (code, body, cause) in [
        (504, String::new(), Cause::GatewayTimedOut),
        (502, "<html><title>502 Bad Gateway</title></html>".to_owned(), Cause::BackendUnavailable),
        (503, "503 Service Unavailable: Back-end server is at capacity".to_owned(), Cause::BackendUnavailable),
        (429, "Too Many Requests".to_owned(), Cause::Overloaded),
        (429, engine("rejected_execution_exception", "rejected execution of x"), Cause::Overloaded),
        (429, engine("circuit_breaking_exception", "[parent] Data too large"), Cause::Overloaded),
        (429, engine("cluster_block_exception", flood), Cause::DiskFull),
        (
            503,
            engine("cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];"),
            Cause::ClusterStarting,
        ),
        (
            403,
            engine("cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];"),
            Cause::Blocked,
        ),
        (401, "Unauthorized".to_owned(), Cause::LoginRefused),
        (
            401,
            engine("security_exception", "missing authentication credentials for REST request [/]"),
            Cause::LoginRefused,
        ),
    ] {
        assert_cause(&status(code, body).await, cause, &[]);
    }
    let redirect = transport_fn(|_| {
        let mut found = response(301, "");
        found.headers_mut().insert("location", "https://elsewhere.example.org/_snapshot".parse().unwrap());
        Ok(found)
    });
    let error = client_of(HOST, redirect).repository("backups").unwrap().info().await.unwrap_err();
    assert_cause(&error, Cause::Redirected, &["https://elsewhere.example.org/_snapshot"]);
}

#[tokio::test]
async fn a_gateway_that_gave_up_leaves_open_whether_a_snapshot_was_started() {
    let transport = transport_fn(|_| Ok(response(504, "")));
    let repository = client_of(HOST, transport).repository("backups").unwrap();
    let error = repository.create_snapshot("monday", CreateSnapshot::new()).await.unwrap_err();
    let diagnosis = assert_cause(&error, Cause::GatewayTimedOut, &["check with `GET /_snapshot/backups/monday`"]);
    assert_eq!(diagnosis.impact(), "The snapshot \"monday\" may have been started");
}

#[tokio::test]
async fn a_domain_in_a_vpc_that_does_not_respond_is_unreachable_from_outside() {
    let timed_out = || TransportError::not_sent(io::Error::other("no connection within 5s"));
    let vpc = "vpc-logs-abcdefghijklmnopqrstuvwxyz.eu-west-1.es.amazonaws.com";
    for (host, cause) in [(vpc, Some(Cause::VpcUnreachable)), (HOST, None)] {
        let client = client_of(host, transport_fn(move |_| Err(timed_out())));
        let error = client.repositories().await.unwrap_err();
        assert_eq!(error.diagnosis().map(|found| found.cause()), cause, "{error}");
    }
    let tunnelled = SnapshotClient::builder(format!("https://{vpc}"))
        .connect_to("localhost:8443")
        .transport(transport_fn(move |_| Err(timed_out())))
        .retry(RetryPolicy::never())
        .clock(ManualClock::new(SystemTime::UNIX_EPOCH))
        .build()
        .unwrap();
    assert_eq!(tunnelled.repositories().await.unwrap_err().diagnosis(), None);
}

#[tokio::test]
async fn explains_failures_of_tls() {
    for (why, cause) in [
        (
            "the certificate of h is for another name: use a name from the certificate in the endpoint, and set \
             `SnapshotClientBuilder::connect_to` if that name leads to another host",
            Cause::CertificateForOtherName,
        ),
        (
            "the certificate of h is not signed by a trusted authority: add its authority with \
             `HyperTransportBuilder::ca_pem`",
            Cause::CertificateNotTrusted,
        ),
        ("the certificate of h has expired: renew it, or correct the clock of this host", Cause::CertificateOutOfDate),
        ("h speaks TLS: use https:// in the endpoint", Cause::WrongScheme),
        (
            "h requires a client certificate that it trusts: set one with \
             `HyperTransportBuilder::client_certificate_pem`",
            Cause::ClientCertificateRequired,
        ),
    ] {
        let transport = transport_fn(move |_| Err(TransportError::lasting(why, "refused")));
        assert_cause(&client_of(HOST, transport).repositories().await.unwrap_err(), cause, &[HOST]);
    }
}

#[cfg(feature = "hyper")]
#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    let transport = es_snapshot::transport::HyperTransport::builder().no_proxy().build().unwrap();
    let client = SnapshotClient::builder("https://no-such-host.invalid").transport(transport);
    let client = client.retry(RetryPolicy::never()).build().unwrap();
    assert_cause(&client.repositories().await.unwrap_err(), Cause::NameNotResolved, &["no-such-host.invalid"]);
}

#[tokio::test]
async fn a_port_on_which_nothing_listens_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let client = SnapshotClient::builder(endpoint).retry(RetryPolicy::never()).build().unwrap();

    let error = client.repositories().await.unwrap_err();

    assert_cause(&error, Cause::ConnectionRefused, &[&port.to_string()]);
}

#[tokio::test]
async fn a_provider_that_returns_no_credentials_is_named() {
    let domain = FakeDomain::with_repository("backups").await;
    let provider = domain.credentials_provider();
    provider.set_trouble(CredentialTrouble::Fails);
    let client = domain.client_builder().credentials(provider).retry(RetryPolicy::never()).build().unwrap();

    let error = client.repositories().await.unwrap_err();

    assert_cause(&error, Cause::CredentialsUnavailable, &["instance profile"]);
}

/// Starts a proxy on loopback that responds with this status line, and returns its URL.
#[cfg(feature = "hyper")]
async fn proxy_with_status(line: &'static str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "the proxy of this test")]
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await;
        let _ = socket.write_all(format!("HTTP/1.1 {line}\r\n\r\n").as_bytes()).await;
    });
    url
}

#[cfg(feature = "hyper")]
#[tokio::test]
async fn explains_failures_of_a_proxy() {
    for (line, cause, shown) in [
        ("407 Proxy Authentication Required", Cause::ProxyLoginRefused, &["`HTTPS_PROXY`", HOST][..]),
        ("403 Forbidden", Cause::ProxyRefused, &["`NO_PROXY`", HOST]),
        ("503 Service Unavailable", Cause::ProxyCannotConnect, &["inside the VPC", HOST]),
        ("no status", Cause::ProxyFailed, &["`HyperTransportBuilder::no_proxy`", HOST]),
    ] {
        let transport = es_snapshot::transport::HyperTransport::builder().proxy(proxy_with_status(line).await);
        let client = SnapshotClient::builder(format!("https://{HOST}")).transport(transport.build().unwrap());
        let client = client.retry(RetryPolicy::never()).build().unwrap();

        assert_cause(&client.repositories().await.unwrap_err(), cause, shown);
    }
}

// ---- the engine's own exceptions

#[tokio::test]
async fn names_the_arn_to_map_and_the_list_to_add_it_to() {
    for (name, list, shown) in [
        (CALLER, "`backend_roles`", CALLER),
        (SESSION, "`backend_roles`", CALLER),
        ("arn:aws-cn:iam::123456789012:user/alice", "`users`", "arn:aws-cn:iam::123456789012:user/alice"),
        ("admin", "`users`", "the user \"admin\""),
    ] {
        for action in ["cluster:admin/repository/put", "cluster:admin/snapshot/get"] {
            let text = format!(
                "no permissions for [{action}] and User [name={name}, backend_roles=[x], requestedTenant=null]"
            );
            let error = registration(403, engine("security_exception", &text)).await;
            let diagnosis = assert_cause(&error, Cause::CallerNotMapped, &[action]);
            for named in [list, shown, "`GET _plugins/_security/api/rolesmapping/manage_snapshots`"] {
                assert!(diagnosis.action().contains(named), "{named}: {diagnosis}");
            }
        }
    }
    let text = "no permissions for [] and User [name=admin, backend_roles=[], requestedTenant=null]";
    let error = status(403, engine("security_exception", text)).await;
    assert_cause(&error, Cause::RestoreOfSecurityIndex, &["with_indices"]);
    let text =
        "no permissions for [indices:data/write/index] and User [name=admin, backend_roles=[], requestedTenant=null]";
    let error = status(403, engine("security_exception", text)).await;
    assert_cause(&error, Cause::SecurityRoleLacksAction, &["\"indices:data/write/index\"", "\"admin\""]);
}

#[tokio::test]
async fn names_the_role_that_the_domain_may_not_assume() {
    let text = format!(
        "User: arn:aws:sts::999999999999:assumed-role/cp-sts-grant-role/swift-eu-west-1-prod-123456789012 is not \
         authorized to \
         perform: sts:AssumeRole on resource: {ROLE} (Service: AWSSecurityTokenService; Status Code: 403; Error Code: \
         AccessDenied; Request ID: 1; Proxy: null)"
    );
    for body in [
        engine("a_w_s_security_token_service_exception", &text),
        caused("repository_exception", "[backups] x", &[("a_w_s_security_token_service_exception", &text)]),
    ] {
        let error = registration(500, body).await;
        let domain = "\"arn:aws:es:eu-west-1:123456789012:domain/logs\"";
        assert_cause(&error, Cause::RoleNotAssumable, &[ROLE, "es.amazonaws.com", domain]);
    }
}

fn verification(path: &str, s3: &str) -> String {
    let upload = "Unable to upload object [tests-5Ii3kNkSSAu4xDzdRMVzWg/master.dat] using a single upload";
    let reason = format!("[backups] path {path} is not accessible on master node");
    caused("repository_verification_exception", &reason, &[("i_o_exception", upload), ("amazon_s3_exception", s3)])
}

#[tokio::test]
async fn names_the_bucket_and_the_role_that_s3_refuses() {
    let arn = "arn:aws:s3:::my-bucket";
    for text in [
        "Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied; Request ID: 1; S3 Extended \
         Request ID: 2)",
        "Access Denied (Service: S3, Status Code: 403, Request ID: 1)",
        "All access to this object has been disabled (Service: Amazon S3; Status Code: 403; Error Code: \
         AllAccessDisabled; Request ID: 1)",
    ] {
        for path in ["", "[a][b]"] {
            let error = registration(500, verification(path, text)).await;
            let diagnosis =
                assert_cause(&error, Cause::StorageAccessDenied, &["\"my-bucket\"", arn, ROLE, "s3:PutObject"]);
            assert!(diagnosis.impact().contains("may be registered"), "{diagnosis}");
        }
    }
    let text = "User: arn:aws:sts::123456789012:assumed-role/TheSnapshotRole/x is not authorized to perform: \
                s3:PutObject on \
                resource: \"arn:aws:s3:::my-bucket/x\" because no identity-based policy allows the s3:PutObject action";
    assert_cause(
        &registration(500, verification("", text)).await,
        Cause::StorageAccessDenied,
        &["`s3:PutObject`", ROLE],
    );
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let text = format!(
        "User: arn:aws:sts::123456789012:assumed-role/TheSnapshotRole/x is not authorized to perform: \
         kms:GenerateDataKey on \
         resource: {key} because no identity-based policy allows the kms:GenerateDataKey action"
    );
    assert_cause(
        &registration(500, verification("", &text)).await,
        Cause::KeyAccessDenied,
        &[key, "`kms:GenerateDataKey`", ROLE],
    );
    let error = registration(
        500,
        engine("repository_verification_exception", "[backups] path  is not accessible on cluster-manager node"),
    )
    .await;
    assert_cause(&error, Cause::StorageNotAccessible, &["\"backups\""]);
}

#[tokio::test]
async fn nodes_that_do_not_know_the_repository_are_distinguished_from_denied_access() {
    let text = "[backups] [[n1, 'RemoteTransportException[[node][10.0.0.1:9300][internal:admin/repository/verify]]; \
                nested: \
                RepositoryMissingException[[backups] missing]']]";
    let error = registration(500, engine("repository_verification_exception", text)).await;
    assert_cause(&error, Cause::NodesNotUpdated, &["POST /_snapshot/backups/_verify"]);
}

#[tokio::test]
async fn names_the_region_of_the_bucket() {
    for (text, cause, named) in [
        (
            "The bucket is in this region: us-east-2. Please use this region to retry the request (Service: Amazon \
             S3; Status \
             Code: 301; Error Code: PermanentRedirect; Request ID: 1)",
            Cause::BucketInOtherRegion,
            "the Region \"us-east-2\"",
        ),
        (
            "The authorization header is malformed; the region 'eu-central-1' is wrong; expecting 'us-east-2' \
             (Service: S3)",
            Cause::BucketInOtherRegion,
            "the Region \"us-east-2\"",
        ),
        (
            "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all \
             future \
             requests to this endpoint.",
            Cause::BucketInOtherRegion,
            "the setting `region` \"us-east-1\"",
        ),
        (
            "The specified location-constraint is not valid (Service: Amazon S3; Status Code: 400; Error Code: \
             InvalidLocationConstraint; Request ID: 1)",
            Cause::RegionNotAccepted,
            "with_endpoint(\"s3.amazonaws.com\")",
        ),
        (
            "The me-south-1 location constraint is incompatible for the region specific endpoint this request was \
             sent to. \
             (Service: Amazon S3; Status Code: 400; Error Code: IllegalLocationConstraintException; Request ID: 1)",
            Cause::RegionNotAccepted,
            "\"s3.me-south-1.amazonaws.com\"",
        ),
        (
            "The specified bucket does not exist (Service: Amazon S3; Status Code: 404; Error Code: NoSuchBucket; \
             Request ID: 1)",
            Cause::BucketMissing,
            "\"my-bucket\"",
        ),
        (
            "The operation is not valid for the object's storage class (Service: Amazon S3; Status Code: 403; Error \
             Code: \
             InvalidObjectState; Request ID: 1)",
            Cause::ObjectArchived,
            "Glacier",
        ),
    ] {
        assert_cause(&registration(500, verification("", text)).await, cause, &[named]);
        let causes = [("amazon_s3_exception", text)];
        let body = caused("repository_exception", "[backups] could not read repository data from index blob", &causes);
        assert_cause(&registration(500, body).await, cause, &[named]);
    }
}

/// Checks the cause of each exception: its status, type and reason.
async fn assert_causes(exceptions: &[(u16, &str, &str, Cause)]) {
    for &(code, name, reason, cause) in exceptions {
        assert_cause(&status(code, engine(name, reason)).await, cause, &[]);
    }
}

#[tokio::test]
async fn explains_exceptions_of_repositories() {
    assert_causes(&[
        (
            500,
            "repository_exception",
            "[backups] Could not determine repository generation from root blobs",
            Cause::RepositoryNotListable,
        ),
        (
            500,
            "repository_exception",
            "[backups] could not read repository data from index blob",
            Cause::RepositoryUnreadable,
        ),
        (
            500,
            "repository_exception",
            "[backups] concurrent modification of the index-N file, expected current generation [2]",
            Cause::RepositoryChangedByOthers,
        ),
        (
            500,
            "repository_exception",
            "[backups] cannot delete snapshot from a readonly repository",
            Cause::RepositoryReadOnly,
        ),
        (
            500,
            "repository_exception",
            "[backups] Cannot add another snapshot to this repository as it already contains [500]",
            Cause::SnapshotLimit,
        ),
        (500, "repository_exception", "[backups] repository type [gcs] does not exist", Cause::RepositoryTypeUnknown),
        (500, "repository_exception", "[backups] failed to create repository", Cause::RepositorySettingsRefused),
        (500, "repository_exception", "[backups] cannot create blob store", Cause::RepositorySettingsRefused),
        (500, "repository_exception", "[a#b] must not contain '#'", Cause::RepositoryNameInvalid),
        (404, "repository_missing_exception", "[backups] missing", Cause::RepositoryMissing),
    ])
    .await;
}

#[tokio::test]
async fn explains_exceptions_of_snapshots() {
    assert_causes(&[
        (404, "snapshot_missing_exception", "[backups:monday] is missing", Cause::SnapshotMissing),
        (
            404,
            "snapshot_missing_exception",
            "[backups:monday/dZ9yWqNvT9eCkKXbBBsC4A] is missing",
            Cause::SnapshotUnreadable,
        ),
        (500, "snapshot_exception", "[backups:monday/u] Snapshot could not be read", Cause::SnapshotUnreadable),
        (500, "snapshot_exception", "[backups:monday/u] failed to get snapshot info", Cause::SnapshotUnreadable),
        (
            400,
            "invalid_snapshot_name_exception",
            "[backups:monday] Invalid snapshot name [monday], snapshot with the same name already exists",
            Cause::SnapshotNameTaken,
        ),
        (
            400,
            "invalid_snapshot_name_exception",
            "[backups:monday] Invalid snapshot name [monday], snapshot with the same name is already in-progress",
            Cause::SnapshotNameTaken,
        ),
        (
            400,
            "snapshot_name_already_in_use_exception",
            "[backups:monday] Invalid snapshot name [monday], snapshot with the same name already exists",
            Cause::SnapshotNameTaken,
        ),
        (
            400,
            "invalid_snapshot_name_exception",
            "[backups:M] Invalid snapshot name [M], must be lowercase",
            Cause::SnapshotNameInvalid,
        ),
        (404, "index_not_found_exception", "no such index [movies]", Cause::IndexMissing),
        (
            500,
            "snapshot_exception",
            "[backups:monday/u] Indices don't have primary shards [movies]",
            Cause::PrimariesUnassigned,
        ),
        (
            500,
            "snapshot_exception",
            "[backups:monday/u] the following indices have unassigned primary shards and cannot be snapshotted: \
             [movies]",
            Cause::PrimariesUnassigned,
        ),
        (500, "snapshot_exception", "[backups:monday/u] Snapshot was aborted by deletion", Cause::AbortedByDeletion),
        (
            500,
            "snapshot_exception",
            "[backups:c/u] No indices in the source snapshot [monday/u] matched requested pattern [x*]",
            Cause::CloneMatchesNothing,
        ),
        (
            500,
            "snapshot_exception",
            "[backups:c/u] Can't clone index [[movies/x]] because its snapshot was not successful.",
            Cause::CloneOfIncomplete,
        ),
        (500, "snapshot_creation_exception", "[backups:monday] failed to create snapshot", Cause::SnapshotNotWritten),
    ])
    .await;
}

#[tokio::test]
async fn explains_exceptions_of_running_operations() {
    let busy = "concurrent_snapshot_execution_exception";
    assert_causes(&[
        (
            409,
            "repository_conflict_exception",
            "[backups] trying to modify or unregister repository that is currently used (snapshot is in progress)",
            Cause::RepositoryInUse,
        ),
        (
            500,
            "illegal_state_exception",
            "trying to modify or unregister repository that is currently used",
            Cause::RepositoryInUse,
        ),
        (503, busy, "[backups:monday]  a snapshot is already running", Cause::SnapshotRunning),
        (
            503,
            busy,
            "[backups:monday] cannot snapshot while a snapshot deletion is in-progress in \
             [SnapshotDeletionsInProgress[]]",
            Cause::DeletionRunning,
        ),
        (
            409,
            busy,
            "[backups:monday] cannot snapshot while a repository cleanup is in-progress in \
             [RepositoryCleanupInProgress[]]",
            Cause::CleanUpRunning,
        ),
        (
            503,
            busy,
            "[backups:monday] cannot delete - another snapshot is currently being deleted",
            Cause::DeletionRunning,
        ),
        (
            503,
            busy,
            "[backups] cannot delete snapshots while a repository cleanup is in-progress",
            Cause::CleanUpRunning,
        ),
        (
            429,
            busy,
            "[backups:monday/u] cannot delete snapshot during a restore in progress in [RestoreInProgress[{x}]]",
            Cause::RestoreRunning,
        ),
        (503, busy, "[backups:monday] cannot delete snapshot while it is being cloned", Cause::CloneRunning),
        (503, busy, "[backups:monday] cannot clone from snapshot that is being deleted", Cause::DeletionRunning),
        (
            503,
            busy,
            "[backups:monday] cannot restore a snapshot while a snapshot deletion is in-progress [x]",
            Cause::DeletionRunning,
        ),
        (
            503,
            busy,
            "[backups:monday] Cannot start another operation, already running [1000] operations and the current limit \
             for concurrent snapshot operations is set to [1000] by setting [snapshot.max_concurrent_operations]",
            Cause::TooManyOperations,
        ),
        (
            400,
            "snapshot_in_progress_exception",
            "Cannot delete indices that are being snapshotted: [[movies/u]]. Try again after snapshot finishes or \
             cancel the currently running snapshot.",
            Cause::IndexBeingSnapshotted,
        ),
        (409, "snapshot_in_use_deletion_exception", "[backups:monday] in use", Cause::SnapshotMounted),
    ])
    .await;
}

#[tokio::test]
async fn explains_exceptions_of_the_cluster() {
    assert_causes(&[
        (500, "snapshot_exception", "[backups:monday/u] no longer master", Cause::MasterChanged),
        (413, "too_many_shards_in_snapshots_status_exception", "[backups:monday] x", Cause::StatusTooLarge),
        (413, "snapshot_exception", "[backups:monday] Total shard count exceeds the limit", Cause::StatusTooLarge),
        (
            503,
            "process_cluster_event_timeout_exception",
            "failed to process cluster event (put_repository [backups]) within 30s",
            Cause::MasterBusy,
        ),
        (
            429,
            "process_cluster_event_timeout_exception",
            "failed to process cluster event (put_repository [backups]) within 30s",
            Cause::MasterBusy,
        ),
        (
            500,
            "receive_timeout_transport_exception",
            "[node][127.0.0.1:9300][cluster:admin/repository/put] request_id [7] timed out after [30000ms]",
            Cause::MasterBusy,
        ),
        (503, "master_not_discovered_exception", "", Cause::MasterMissing),
        (503, "cluster_manager_not_discovered_exception", "", Cause::MasterMissing),
    ])
    .await;
}

#[tokio::test]
async fn explains_requests_that_the_server_does_not_accept() {
    assert_causes(&[
        (
            400,
            "illegal_argument_exception",
            "request [/_snapshot/backups] contains unrecognized parameter: [wait]",
            Cause::RequestInvalid,
        ),
        (
            400,
            "action_request_validation_exception",
            "Validation Failed: 1: indices is missing;",
            Cause::RequestInvalid,
        ),
        (400, "validation_exception", "Validation Failed: 1: something else;", Cause::RequestInvalid),
        (400, "parse_exception", "request body is required", Cause::RequestInvalid),
        (400, "x_content_parse_exception", "[1:2] Unexpected token", Cause::RequestInvalid),
        (400, "json_parse_exception", "Unexpected character ('x' (code 120))", Cause::RequestInvalid),
        (400, "json_e_o_f_exception", "Unexpected end-of-input", Cause::RequestInvalid),
        (
            400,
            "not_x_content_exception",
            "Compressor detection can only be called on some bytes",
            Cause::RequestInvalid,
        ),
        (
            400,
            "invalid_index_name_exception",
            "Invalid index name [Restored-movies], must be lowercase",
            Cause::IndexNameInvalid,
        ),
    ])
    .await;
    for (code, text) in [
        (400, r#"{"error":"no handler found for uri [/_snapshot/backups/x/y] and method [PUT]"}"#),
        (
            405,
            r#"{"error":"Incorrect HTTP method for uri [/_snapshot] and method [PATCH], allowed: [GET]","status":405}"#,
        ),
        (406, r#"{"error":"Content-Type header [text/plain] is not supported","status":406}"#),
    ] {
        assert_cause(&status(code, text).await, Cause::RequestNotSupported, &["GET \"/_snapshot/backups/monday"]);
    }
}

#[tokio::test]
async fn the_check_after_a_lost_response_reads_what_the_request_changes() {
    let found = json!({"snapshots": [{"snapshot": "monday", "uuid": "u", "state": "SUCCESS"}]}).to_string();
    let transport = transport_fn(move |request| match *request.method() {
        Method::GET => Ok(response(200, found.clone())),
        _ => Ok(response(503, "")),
    });
    let repository = client_of(HOST, transport).repository("backups").unwrap();
    let unregistration = repository.unregister().await.unwrap_err();
    let deletion = repository.snapshot("monday").unwrap().delete().await.unwrap_err();

    assert_cause(&registration(503, "").await, Cause::BackendUnavailable, &["check with `GET /_snapshot/backups` "]);
    assert_cause(&unregistration, Cause::BackendUnavailable, &["check with `GET /_snapshot/backups` "]);
    assert_cause(&deletion, Cause::BackendUnavailable, &["check with `GET /_snapshot/backups/monday` "]);
}

#[tokio::test]
async fn an_explicit_deny_of_the_storage_is_distinguished_from_a_missing_permission() {
    let deny = |action: &str| {
        format!(
            "User: arn:aws:sts::123456789012:assumed-role/TheSnapshotRole/x is not authorized to perform: {action} on \
             resource: \"arn:aws:s3:::my-bucket/a\" with an explicit deny in a resource-based policy (Service: Amazon \
             S3; Status Code: 403; Error Code: AccessDenied; Request ID: 1)"
        )
    };
    for action in ["s3:PutObject", "kms:GenerateDataKey", "sts:AssumeRole"] {
        let error = registration(500, verification("", &deny(action))).await;
        assert_cause(&error, Cause::ExplicitDeny, &[action, "`Deny`"]);
    }
}

#[tokio::test]
async fn a_repository_of_a_later_elasticsearch_is_recognised_by_its_fields() {
    for field in ["uuid", "cluster_id"] {
        let text = format!("Failed to parse object: unknown field [{field}] found");
        let body =
            caused("repository_exception", "[backups] could not read repository data", &[("parsing_exception", &text)]);
        assert_cause(&listing(500, body).await, Cause::RepositoryTooNew, &["7.12"]);
    }
}

#[tokio::test]
async fn a_registration_may_have_been_made_if_the_role_was_refused() {
    let text = "User: x is not authorized to perform: sts:AssumeRole on resource: y";
    let error = registration(500, engine("a_w_s_security_token_service_exception", text)).await;

    let diagnosis = assert_cause(&error, Cause::RoleNotAssumable, &[]);

    assert_eq!(diagnosis.impact(), "The repository \"backups\" may be registered, but the nodes cannot use it");
}

#[tokio::test]
async fn explains_refused_restores() {
    for (reason, cause, named) in [
        ("snapshot does not exist", Cause::SnapshotMissing, "\"monday\""),
        ("snapshot UUID mismatch: expected [a] but got [b]", Cause::SnapshotReplaced, "GET /_snapshot/backups/monday"),
        ("unsupported snapshot state [FAILED]", Cause::SnapshotNotRestorable, "\"FAILED\""),
        (
            "the snapshot was created with Elasticsearch version [8.1.0] which is higher than the version of this \
             node [7.10.2]",
            Cause::SnapshotTooNew,
            "\"monday\"",
        ),
        (
            "the snapshot was created with OpenSearch version [2.11.0] which is higher than the version of this node \
             [1.3.0]",
            Cause::SnapshotTooNew,
            "\"monday\"",
        ),
        ("cannot restore index [movies] because it cannot be upgraded", Cause::IndexTooOld, "\"movies\""),
        ("the index was created with version [2.3.0] but the minimum is [5.0.0]", Cause::IndexTooOld, "reindex"),
        (
            "cannot restore index [movies] because an open index with same name already exists in the cluster. Either \
             close or delete the existing index or restore the index under a different name by providing a rename \
             pattern and replacement name",
            Cause::IndexOpen,
            "\"movies\"",
        ),
        ("cannot restore index [movies] because it's open", Cause::IndexOpen, "\"movies\""),
        (
            "cannot restore partial index [movies] because such index already exists",
            Cause::PartialIndexExists,
            "\"movies\"",
        ),
        (
            "cannot restore index [movies] with [1] shards from a snapshot of index [movies] with [5] shards",
            Cause::ShardCountDiffers,
            "\"movies\"",
        ),
        ("index [movies] wasn't fully snapshotted - cannot restore", Cause::IndexIncomplete, "\"movies\""),
        ("indices [a] and [b] are renamed into the same index [c]", Cause::RenameCollision, "pattern"),
        (
            "cannot rename index [a] into [b] because of conflict with an alias with the same name",
            Cause::AliasConflict,
            "alias",
        ),
        (
            "cannot remove setting [index.number_of_shards] on restore",
            Cause::SettingNotRestorable,
            "\"index.number_of_shards\"",
        ),
        (
            "cannot modify setting [index.version.created] on restore",
            Cause::SettingNotRestorable,
            "\"index.version.created\"",
        ),
        (
            "cannot disable setting [index.soft_deletes.enabled] on restore",
            Cause::SettingNotRestorable,
            "\"index.soft_deletes.enabled\"",
        ),
        (
            "cannot restore global state since the snapshot was created without global state",
            Cause::GlobalStateMissing,
            "global state",
        ),
        (
            "requested feature states [[security]] are not present in snapshot",
            Cause::FeatureStateMissing,
            "feature states",
        ),
        (
            "requested feature states [[kibana]] are present in snapshot but those features are not installed on the \
             current master node",
            Cause::FeatureNotInstalled,
            "feature state",
        ),
    ] {
        let body = engine("snapshot_restore_exception", &format!("[backups:monday/u] {reason}"));
        assert_cause(&status(500, body).await, cause, &[named]);
    }
    let text = "Validation Failed: 1: this action would add [10] total shards, but this cluster currently has \
                [995]/[1000] maximum shards open;";
    assert_cause(
        &status(400, engine("validation_exception", text)).await,
        Cause::ShardLimit,
        &["cluster.max_shards_per_node"],
    );
}

#[test]
fn an_incomplete_snapshot_is_explained_although_its_creation_succeeded() {
    for state in ["PARTIAL", "FAILED"] {
        let info: SnapshotInfo = serde_json::from_value(json!({
            "snapshot": "monday", "uuid": "u", "state": state, "shards": {"total": 2, "failed": 1, "successful": 1},
        }))
        .unwrap();
        assert_cause(&info.into_complete().unwrap_err(), Cause::SnapshotIncomplete, &["SnapshotInfo::failures"]);
    }
}

// ---- what stays unknown

#[tokio::test]
async fn similar_texts_have_no_cause() {
    for (code, body) in [
        (403, policy("User is not allowed to perform es:ESHttpPut")),
        (403, policy("Forbidden")),
        (400, policy("Invalid Header")),
        (403, signature("The request signature is invalid.")),
        (403, signature("Access Denied (Service: Amazon S3)")),
        (403, engine("security_exception", "no permissions")),
        (
            500,
            engine(
                "security_exception",
                "no permissions for [cluster:admin/snapshot/get] and User [name=a, backend_roles=[]]",
            ),
        ),
        (500, engine("illegal_state_exception", "something else")),
        (500, engine("repository_exception", "[backups] something else")),
        (500, engine("repository_verification_exception", "[backups] something else")),
        (500, engine("snapshot_restore_exception", "[backups:monday] something else")),
        (503, engine("concurrent_snapshot_execution_exception", "[backups:monday] something else")),
        (403, engine("snapshot_deletion_exception", "[backups:monday] x")),
        (500, engine("illegal_argument_exception", "something else")),
        (500, engine("null_pointer_exception", "a snapshot is already running")),
        (500, "<html>no permissions for [] and User</html>".to_owned()),
    ] {
        let error = status(code, body).await;
        assert_eq!(error.diagnosis(), None, "{error}");
    }
    assert_eq!("Not Lower".parse::<es_snapshot::name::SnapshotName>().unwrap_err().diagnosis(), None);
}

#[tokio::test]
async fn names_that_contain_the_words_of_a_row_do_not_match() {
    for name in [
        "a snapshot is already running",
        "Access Denied (Service: ",
        "The bucket is in this region: x. ",
        "is not authorized to perform: sts:AssumeRole",
        "repository cleanup is in-progress",
        "because it cannot be upgraded",
        "maximum shards open",
        "trying to modify or unregister repository that is currently used",
        "RepositoryMissingException[[x] missing]",
    ] {
        for (error_type, reason) in [
            ("concurrent_snapshot_execution_exception", format!("[{name}] something else")),
            ("repository_exception", format!("[{name}] something else")),
            ("snapshot_restore_exception", format!("[backups:monday] the index [{name}] is odd")),
            ("illegal_state_exception", format!("alias [{name}] has two of them")),
            ("i_o_exception", format!("folder '{name}' is odd")),
        ] {
            let error = status(500, engine(error_type, &reason)).await;
            assert_eq!(error.diagnosis(), None, "{error}");
        }
        let text =
            format!("no permissions for [cluster:admin/snapshot/get] and User [name={name}, backend_roles=[], x=y]");
        assert_cause(&status(403, engine("security_exception", &text)).await, Cause::CallerNotMapped, &[]);
    }
}

#[tokio::test]
async fn hostile_and_huge_texts_neither_panic_nor_break_the_lines() {
    let denied = "User: x is not authorized to perform: es:ESHttpPut on resource: ";
    let echoed = "The request signature we calculated does not match the signature you provided.\n\nThe Canonical \
                  String for \
                  this request should have been\n'";
    let unmapped = "no permissions for [cluster:admin/snapshot/get] and User [name=";
    for piece in ["[", "'", "User: ", " is not authorized to perform: ", "…", "é\u{202e}\n", "\\n'", "{repository}"]
    {
        let hostile = piece.repeat(20 * 1024 / piece.len());
        for body in [
            hostile.clone(),
            policy(&format!("{denied}{hostile}")),
            signature(&format!("{echoed}{hostile}")),
            engine("security_exception", &format!("{unmapped}{hostile}")),
            engine("cluster_block_exception", &format!("index [x] blocked by: [{hostile}")),
        ] {
            if let Some(diagnosis) = status(403, body).await.diagnosis() {
                let shown = diagnosis.to_string();
                assert!(shown.len() < 8 * 1024 && shown.lines().count() == 4, "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn keeps_no_secret_and_serialises() {
    let request = RawRequest::get(["_cluster", "state"]).with_query("password", "hunter2-hunter2");
    let text = mismatch("GET", "/_cluster/state", "password=hunter2-hunter2", HOST);
    let error = client(403, signature(&text)).raw(request).await.unwrap_err();
    let diagnosis = assert_cause(&error, Cause::SignatureMismatch, &[]);
    assert!(!diagnosis.to_string().contains("hunter2"), "{diagnosis}");

    let error = listing(404, engine("repository_missing_exception", "[backups] missing")).await;
    let diagnosis = assert_cause(&error, Cause::RepositoryMissing, &["\"backups\""]);
    let shown = serde_json::to_value(&diagnosis).unwrap();
    assert_eq!((&shown["cause"], &shown["basis"]), (&json!("repository_missing"), &json!("observed")));
    assert_eq!(shown["impact"], "Nothing could be read");
    let restore = client(404, engine("repository_missing_exception", "[backups] missing"));
    let repository = restore.repository("backups").unwrap();
    let error = repository.snapshot("monday").unwrap().restore(RestoreSnapshot::new()).await.unwrap_err();
    assert_cause(&error, Cause::RepositoryMissing, &[]);
}
