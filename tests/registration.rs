//! Registering a repository until it works: what is compared, repeated, rolled back and reported.

use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use es_snapshot::client::RawRequest;
use es_snapshot::registration::RegistrationChange;
use es_snapshot::repository::RegisterRepository;
use es_snapshot::testing::{Engine, FakeDomain, Fault, ManualClock, TransportFn, response, transport_fn};
use es_snapshot::transport::TransportError;
use es_snapshot::{
    ErrorKind, FsSettings, Outcome, Repository, RepositorySettings, RetryPolicy, S3Settings, SnapshotClient,
};
use http::Method;
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
const DENIED: &str = "Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied; Request ID: 1)";
const SEVEN: &str = "7.10.2";
const EIGHT: &str = "8.19.5";

/// Starts a domain in `ap-northeast-1`, with a bucket in `us-east-2` as well.
async fn domain(version: &str) -> FakeDomain {
    FakeDomain::builder()
        .engine(Engine::elasticsearch(version))
        .clock(ManualClock::at("2026-05-01T00:00:00Z"))
        .bucket_in("far", "us-east-2")
        .in_process()
        .seed(1)
        .start()
        .await
}

fn logs(domain: &FakeDomain) -> Repository {
    domain.client().repository("logs").unwrap()
}

fn in_bucket(bucket: &str) -> S3Settings {
    S3Settings::new(bucket).with_role_arn(ROLE)
}

fn settings() -> S3Settings {
    in_bucket("my-bucket-4-es")
}

/// Settings whose verification fails, and goes on failing.
fn unusable() -> S3Settings {
    in_bucket("no-such-bucket")
}

/// Fails requests with this method as Amazon's front end does.
fn denied(method: &str, action: &str) -> Fault {
    let text =
        format!("User: arn:aws:sts::123456789012:assumed-role/Backup/i-0abc is not authorized to perform: {action}");
    Fault::status(403, json!({ "Message": text }).to_string(), "application/json").on_method(method)
}

/// Fails a registration as a server does whose role may not use the bucket yet.
fn bucket_denied() -> Fault {
    let (status, body) = unverified(DENIED);
    Fault::status(status, body.to_string(), "application/json").on_method("PUT")
}

/// Returns the methods of the requests after the first `count`. A verification is the only `POST`.
fn methods(domain: &FakeDomain, count: usize) -> Vec<String> {
    domain.events_since(count).into_iter().map(|event| event.method).collect()
}

fn pauses(domain: &FakeDomain) -> Vec<u64> {
    domain.clock().unwrap().sleeps().iter().map(Duration::as_secs).collect()
}

/// Returns a handle of a self-managed cluster that responds by a script, one entry for each
/// request, and the transport that records the requests.
fn recorded(script: Vec<(u16, Value)>) -> (Repository, TransportFn) {
    let next = AtomicUsize::new(0);
    let transport = transport_fn(move |_| {
        let (status, body) = &script[next.fetch_add(1, Ordering::SeqCst)];
        Ok(response(*status, body.to_string()))
    });
    let client = SnapshotClient::builder("http://localhost:9200")
        .transport(transport.clone())
        .clock(ManualClock::at("2026-05-01T00:00:00Z"))
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    (client.repository("logs").unwrap(), transport)
}

fn scripted(script: Vec<(u16, Value)>) -> Repository {
    recorded(script).0
}

/// A failed verification with this cause, as a server responds.
fn unverified(cause: &str) -> (u16, Value) {
    let cause = json!({"type": "amazon_s3_exception", "reason": cause});
    let error = json!({"type": "repository_verification_exception",
        "reason": "[logs] path  is not accessible on master node", "caused_by": cause});
    (500, json!({"error": error, "status": 500}))
}

fn registered_at(location: &str) -> (u16, Value) {
    (200, json!({"logs": {"type": "fs", "settings": {"location": location}}}))
}

fn missing() -> (u16, Value) {
    (404, json!({"error": {"type": "repository_missing_exception", "reason": "[logs] missing"}, "status": 404}))
}

fn acknowledged() -> (u16, Value) {
    (200, json!({"acknowledged": true}))
}

// ---- what is registered before

#[tokio::test]
async fn creates_a_registration_and_reads_it_back() {
    let domain = domain(SEVEN).await;

    let registered = logs(&domain).ensure_registered(settings().with_compress(true)).await.unwrap();

    assert_eq!((registered.change(), registered.previous()), (RegistrationChange::Created, None));
    assert_eq!(*registered.settings(), RepositorySettings::from(settings().with_compress(true)));
    assert_eq!(methods(&domain, 0), ["GET", "PUT", "GET"]);
}

#[tokio::test]
async fn only_verifies_a_registration_with_the_same_settings() {
    let domain = domain(SEVEN).await;
    logs(&domain).register(settings().with_compress(true)).await.unwrap();
    let before = domain.event_count();

    let registered = logs(&domain).ensure_registered(settings().with_compress(true)).await.unwrap();

    assert_eq!(registered.change(), RegistrationChange::Unchanged);
    assert_eq!(methods(&domain, before), ["GET", "POST"]);
}

#[tokio::test]
async fn sends_only_a_read_if_nothing_changes_and_the_verification_is_off() {
    let domain = domain(SEVEN).await;
    logs(&domain).register(settings()).await.unwrap();
    let before = domain.event_count();

    let unverified = RegisterRepository::new(settings()).with_verify(false);
    let registered = logs(&domain).ensure_registered(unverified).await.unwrap();

    assert_eq!(registered.change(), RegistrationChange::Unchanged);
    assert_eq!(methods(&domain, before), ["GET"]);
}

#[tokio::test]
async fn refuses_to_overwrite_other_settings_and_names_both_values() {
    let domain = domain(SEVEN).await;
    logs(&domain).register(settings().with_base_path("prod")).await.unwrap();
    let before = domain.event_count();

    let error = logs(&domain).ensure_registered(settings().with_base_path("logs")).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RepositoryDiffers, Outcome::NotSent));
    assert!(error.to_string().contains(r#""base_path" is "prod", expected "logs""#), "{error}");
    assert_eq!(methods(&domain, before), ["GET"]);
}

#[tokio::test]
async fn a_setting_that_a_registration_would_remove_is_a_difference() {
    let domain = domain(SEVEN).await;
    logs(&domain).register(settings().with_readonly(true)).await.unwrap();

    let error = logs(&domain).ensure_registered(settings()).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::RepositoryDiffers);
    assert!(error.to_string().contains(r#""readonly" is "true", expected none"#), "{error}");
}

#[tokio::test]
async fn replaces_other_settings_if_the_caller_permits_it() {
    let domain = domain(SEVEN).await;
    logs(&domain).register(settings().with_base_path("prod")).await.unwrap();

    let registered = logs(&domain).ensure_registered(settings()).with_overwrite(true).await.unwrap();

    assert_eq!(registered.change(), RegistrationChange::Replaced);
    assert_eq!(registered.previous(), Some(&settings().with_base_path("prod").into()));
    assert_eq!(*logs(&domain).info().await.unwrap().settings(), settings().into());
}

#[tokio::test]
async fn never_replaces_an_encrypted_repository() {
    let encrypted = json!({"logs": {"type": "fs", "settings": {"location": "/a"}, "crypto_metadata": {}}});
    let logs = scripted(vec![(200, encrypted)]);

    let error = logs.ensure_registered(FsSettings::new("/a")).with_overwrite(true).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RepositoryDiffers, Outcome::NotSent));
    assert!(error.to_string().contains("crypto_metadata"), "{error}");
}

#[tokio::test]
async fn does_not_send_a_hidden_secret_again_unless_the_caller_permits_it() {
    let wanted = FsSettings::new("/a").with_setting("secret_key", "x");
    let verified = (200, json!({"nodes": {}}));

    let kept = scripted(vec![registered_at("/a"), verified]).ensure_registered(wanted.clone()).await.unwrap();
    let sent = scripted(vec![registered_at("/a"), acknowledged(), registered_at("/a")])
        .ensure_registered(wanted)
        .with_overwrite(true)
        .await
        .unwrap();

    assert_eq!((kept.change(), sent.change()), (RegistrationChange::Unchanged, RegistrationChange::Unchanged));
}

#[tokio::test]
async fn refuses_invalid_settings_before_anything_is_sent() {
    let domain = domain(SEVEN).await;

    let error = logs(&domain).ensure_registered(settings().with_base_path("/logs")).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotSent));
    assert_eq!(domain.event_count(), 0);
}

// ---- what is repeated

#[tokio::test]
async fn repeats_a_registration_until_the_permissions_are_in_effect() {
    for (fault, gets) in [
        (denied("PUT", "iam:PassRole on resource: x"), 4),
        (denied("PUT", "es:ESHttpPut because no policy allows it"), 4),
        (bucket_denied(), 4),
        (denied("GET", "es:ESHttpGet because no policy allows it"), 4),
    ] {
        let domain = domain(SEVEN).await;
        domain.fault(fault.times(2));

        let registered = logs(&domain).ensure_registered(settings()).await.unwrap();

        assert_eq!(registered.change(), RegistrationChange::Created);
        assert_eq!(pauses(&domain), [1, 2]);
        assert_eq!(methods(&domain, 0).iter().filter(|method| *method == "GET").count(), gets);
    }
}

#[tokio::test]
async fn repeats_a_failed_verification_of_an_unchanged_registration() {
    let domain = domain(SEVEN).await;
    logs(&domain).register(settings()).await.unwrap();
    let body = json!({"error": {"type": "security_exception", "reason": "no permissions for \
        [cluster:admin/repository/verify] and User [name=a, backend_roles=[], requestedTenant=null]"}, "status": 403});
    domain.fault(Fault::status(403, body.to_string(), "application/json").on_method("POST").times(1));

    let registered = logs(&domain).ensure_registered(settings()).await.unwrap();

    assert_eq!(registered.change(), RegistrationChange::Unchanged);
    assert_eq!(pauses(&domain), [1]);
}

#[tokio::test]
async fn registers_again_what_a_failed_verification_has_left_registered() {
    let script = vec![missing(), unverified(DENIED), registered_at("/a"), acknowledged(), registered_at("/a")];
    let (logs, transport) = recorded(script);

    let registered = logs.ensure_registered(FsSettings::new("/a")).await.unwrap();

    assert_eq!(registered.change(), RegistrationChange::Created);
    let methods: Vec<String> = transport.requests().iter().map(|request| request.method().to_string()).collect();
    assert_eq!(methods, ["GET", "PUT", "GET", "PUT", "GET"]);
}

#[tokio::test]
async fn gives_up_after_the_propagation_time_with_growing_pauses() {
    let domain = domain(SEVEN).await;
    domain.fault(denied("PUT", "iam:PassRole on resource: x"));
    let limit = Duration::from_secs(50);

    let error = logs(&domain).ensure_registered(settings()).with_propagation_time(limit).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::AccessDenied, Outcome::Rejected));
    assert!(error.to_string().contains("the failure has not passed within 50s"), "{error}");
    assert_eq!(pauses(&domain), [1, 2, 4, 8, 15, 15, 5]);
}

#[tokio::test]
async fn sends_a_registration_once_without_propagation_time() {
    let domain = domain(SEVEN).await;
    domain.fault(denied("PUT", "iam:PassRole on resource: x"));

    let error = logs(&domain).ensure_registered(settings()).with_propagation_time(Duration::ZERO).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert!(!error.to_string().contains("within"), "{error}");
    assert_eq!(methods(&domain, 0), ["GET", "PUT"]);
}

#[tokio::test]
async fn does_not_repeat_a_failure_that_does_not_pass() {
    for (fault, kind) in [
        (denied("PUT", "iam:PassRole with an explicit deny in a policy"), ErrorKind::AccessDenied),
        (Fault::status(401, "Unauthorized", "text/plain").on_method("PUT"), ErrorKind::Unauthenticated),
        (
            Fault::status(
                400,
                json!({"error": {"type": "illegal_argument_exception"}}).to_string(),
                "application/json",
            )
            .on_method("PUT"),
            ErrorKind::InvalidRequest,
        ),
    ] {
        let domain = domain(SEVEN).await;
        domain.fault(fault);

        let error = logs(&domain).ensure_registered(settings()).await.unwrap_err();

        assert_eq!(error.kind(), kind);
        assert_eq!(methods(&domain, 0).iter().filter(|method| *method == "PUT").count(), 1);
        assert!(pauses(&domain).is_empty());
    }
}

#[tokio::test]
async fn registers_again_if_amazon_does_not_support_the_verification() {
    let domain = domain(SEVEN).await;
    logs(&domain).register(settings()).await.unwrap();
    domain.forbid("/_snapshot/logs/_verify");
    let before = domain.event_count();

    let registered = logs(&domain).ensure_registered(settings()).await.unwrap();

    assert_eq!(registered.change(), RegistrationChange::Unchanged);
    assert_eq!(methods(&domain, before), ["GET", "POST", "PUT", "GET"]);
}

#[tokio::test]
async fn a_lost_response_of_the_registration_does_not_fail_the_call() {
    let domain = domain(SEVEN).await;
    domain.fault(Fault::drop_after().on_method("PUT").times(1));

    let registered = logs(&domain).ensure_registered(settings()).await.unwrap();

    assert_eq!(registered.change(), RegistrationChange::Created);
}

// ---- another Region

#[tokio::test]
async fn registers_a_bucket_in_another_region_by_the_global_endpoint() {
    let domain = domain(SEVEN).await;

    let registered = logs(&domain).ensure_registered(in_bucket("far").with_region("ap-northeast-1")).await.unwrap();

    assert_eq!(registered.change(), RegistrationChange::Created);
    assert_eq!(*registered.settings(), in_bucket("far").with_endpoint("s3.amazonaws.com").into());
}

#[tokio::test]
async fn accepts_the_alternative_when_it_is_called_again() {
    let domain = domain(SEVEN).await;
    let wanted = in_bucket("far").with_region("ap-northeast-1");
    logs(&domain).ensure_registered(wanted.clone()).await.unwrap();
    let before = domain.event_count();

    let registered = logs(&domain).ensure_registered(wanted).await.unwrap();

    assert_eq!(registered.change(), RegistrationChange::Unchanged);
    assert_eq!(*registered.settings(), in_bucket("far").with_endpoint("s3.amazonaws.com").into());
    assert_eq!(methods(&domain, before), ["GET", "POST"]);
}

#[tokio::test]
async fn replaces_a_registration_with_the_wanted_region_that_never_worked() {
    let domain = domain(SEVEN).await;
    let wanted = in_bucket("far").with_region("ap-northeast-1");
    logs(&domain).register(wanted.clone()).await.unwrap_err();

    let registered = logs(&domain).ensure_registered(wanted).await.unwrap();

    assert_eq!(registered.change(), RegistrationChange::Replaced);
    assert_eq!(*registered.settings(), in_bucket("far").with_endpoint("s3.amazonaws.com").into());
}

#[tokio::test]
async fn keeps_a_region_and_an_endpoint_that_the_caller_has_set() {
    let domain = domain(SEVEN).await;
    let both = in_bucket("far").with_region("ap-northeast-1").with_endpoint("s3.amazonaws.com");

    let error = logs(&domain).ensure_registered(both).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::RepositoryVerification);
    assert_eq!(methods(&domain, 0), ["GET", "PUT", "GET"]);
}

#[tokio::test]
async fn tries_one_alternative_at_most() {
    let elsewhere = |region| unverified(&format!("The bucket is in this region: {region}. Please use this region"));
    let script = vec![missing(), elsewhere("us-east-2"), missing(), elsewhere("eu-west-1"), missing()];

    let error = scripted(script).ensure_registered(settings().with_region("us-east-1")).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::RepositoryVerification);
    assert!(error.to_string().contains("eu-west-1"), "{error}");
    assert!(error.source().unwrap().to_string().contains("us-east-2"), "{}", error.report());
}

// ---- how a failed call ends

#[tokio::test]
async fn reports_whether_the_repository_stays_registered() {
    for (version, stays, text) in
        [(SEVEN, true, "the repository stays registered; "), (EIGHT, false, "the repository is not registered")]
    {
        let domain = domain(version).await;

        let error = logs(&domain).ensure_registered(unusable()).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::RepositoryVerification);
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(!domain.repositories().is_empty(), stays);
    }
}

#[tokio::test]
async fn unregisters_what_it_has_created_if_the_caller_wants_a_rollback() {
    for (version, text) in
        [(SEVEN, "the repository was unregistered again"), (EIGHT, "the repository is not registered")]
    {
        let domain = domain(version).await;

        let error = logs(&domain).ensure_registered(unusable()).with_rollback(true).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::RepositoryVerification);
        assert!(error.to_string().contains(text), "{error}");
        assert!(domain.repositories().is_empty());
    }
}

#[tokio::test]
async fn restores_what_it_has_replaced_if_the_caller_wants_a_rollback() {
    for (version, text) in [
        (SEVEN, "the previous settings of the repository were restored"),
        (EIGHT, "the repository is registered as before"),
    ] {
        let domain = domain(version).await;
        logs(&domain).register(settings()).await.unwrap();

        let wanted = logs(&domain).ensure_registered(unusable());
        let error = wanted.with_overwrite(true).with_rollback(true).await.unwrap_err();

        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(*logs(&domain).info().await.unwrap().settings(), settings().into());
    }
}

#[tokio::test]
async fn restores_previous_settings_without_verifying_them() {
    let domain = domain(SEVEN).await;
    logs(&domain).register(in_bucket("no-bucket-either")).await.unwrap_err();

    let wanted = logs(&domain).ensure_registered(unusable());
    let error = wanted.with_overwrite(true).with_rollback(true).await.unwrap_err();

    assert!(error.to_string().contains("were restored"), "{error}");
    assert_eq!(domain.events().last().unwrap().path, "/_snapshot/logs?verify=false");
}

#[tokio::test]
async fn does_not_roll_back_what_was_registered_before() {
    let domain = domain(SEVEN).await;
    logs(&domain).register(unusable()).await.unwrap_err();
    let before = domain.event_count();

    let error = logs(&domain).ensure_registered(unusable()).with_rollback(true).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::RepositoryVerification);
    assert_eq!(methods(&domain, before), ["GET", "POST"]);
    assert_eq!(domain.repositories(), ["logs"]);
}

#[tokio::test]
async fn reports_a_rollback_that_fails() {
    let domain = domain(SEVEN).await;
    domain.deny("es:ESHttpDelete");

    let error = logs(&domain).ensure_registered(unusable()).with_rollback(true).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::RepositoryVerification);
    assert!(error.to_string().contains("may stay registered, because this failed: unregister_repository"), "{error}");
    assert_eq!(domain.repositories(), ["logs"]);
}

#[tokio::test]
async fn does_not_roll_back_what_another_client_has_registered() {
    let logs = scripted(vec![missing(), unverified(DENIED), registered_at("/theirs")]);

    let wanted = logs.ensure_registered(FsSettings::new("/ours")).with_propagation_time(Duration::ZERO);
    let error = wanted.with_rollback(true).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::RepositoryVerification);
    assert!(error.to_string().contains("another client has registered the repository"), "{error}");
}

#[tokio::test]
async fn does_not_undo_the_same_registration_of_another_client_if_its_own_was_refused() {
    let refused = (400, json!({"error": {"type": "illegal_argument_exception", "reason": "no"}, "status": 400}));
    let (logs, transport) = recorded(vec![missing(), refused, registered_at("/shared")]);

    let error = logs.ensure_registered(FsSettings::new("/shared")).with_rollback(true).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(transport.requests().iter().all(|request| request.method() != "DELETE"));
}

#[tokio::test]
async fn a_rollback_restores_settings_that_a_call_would_refuse() {
    let domain = domain(SEVEN).await;
    let body = json!({"type": "s3", "settings": {"bucket": "my-bucket-4-es", "base_path": "/logs", "role_arn": ROLE}});
    domain.client().raw(RawRequest::new(Method::PUT, ["_snapshot", "logs"]).with_body(body)).await.unwrap();

    let wanted = logs(&domain).ensure_registered(unusable());
    let error = wanted.with_overwrite(true).with_rollback(true).await.unwrap_err();

    assert!(error.to_string().contains("were restored"), "{error}");
}

#[tokio::test]
async fn does_not_claim_that_nothing_is_registered_after_a_lost_response() {
    let logs = scripted(vec![missing(), (504, json!({})), missing()]);

    let error = logs.ensure_registered(FsSettings::new("/a")).await.unwrap_err();

    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(error.to_string().contains("is not registered, but the request may still take effect"), "{error}");
}

#[tokio::test]
async fn neither_reads_nor_rolls_back_if_amazon_refused_its_registration() {
    let denied = (403, json!({"Message": "User: x is not authorized to perform: iam:PassRole with an explicit deny"}));
    let (logs, transport) = recorded(vec![missing(), denied]);

    let error = logs.ensure_registered(FsSettings::new("/a")).with_rollback(true).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert_eq!(transport.requests().len(), 2);
}

#[tokio::test]
async fn a_registration_that_another_client_has_made_meanwhile_is_unchanged() {
    let denied = (403, json!({"Message": "User: x is not authorized to perform: iam:PassRole on resource: y"}));
    let logs = scripted(vec![missing(), denied, registered_at("/a"), (200, json!({"nodes": {}}))]);

    let registered = logs.ensure_registered(FsSettings::new("/a")).await.unwrap();

    assert_eq!(registered.change(), RegistrationChange::Unchanged);
}

#[tokio::test]
async fn reports_that_another_client_has_replaced_its_registration() {
    for now in [registered_at("/theirs"), missing()] {
        let logs = scripted(vec![missing(), acknowledged(), now]);

        let error = logs.ensure_registered(FsSettings::new("/ours")).with_rollback(true).await.unwrap_err();

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::RepositoryDiffers, Outcome::Unknown));
        assert!(error.to_string().contains("another client has changed the registration"), "{error}");
    }
}

#[tokio::test]
async fn does_not_overwrite_what_another_client_registers_between_two_tries() {
    let denied = (403, json!({"Message": "User: x is not authorized to perform: iam:PassRole on resource: y"}));
    let logs = scripted(vec![missing(), denied, registered_at("/theirs")]);

    let error = logs.ensure_registered(FsSettings::new("/ours")).with_overwrite(true).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::RepositoryDiffers);
}

#[tokio::test]
async fn accepts_settings_that_the_server_adds() {
    let added = (200, json!({"logs": {"type": "fs", "settings": {"location": "/a", "added": "x"}, "uuid": "u"}}));
    let logs = scripted(vec![missing(), acknowledged(), added]);

    let registered = logs.ensure_registered(FsSettings::new("/a")).await.unwrap();

    assert_eq!(*registered.settings(), FsSettings::new("/a").with_setting("added", "x").into());
}

#[tokio::test]
async fn a_registration_that_cannot_be_read_before_is_not_sent() {
    let domain = domain(SEVEN).await;
    domain.fault(Fault::drop_before().on_method("GET"));

    let error = logs(&domain).ensure_registered(settings()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Interrupted, Outcome::NotSent));
    assert!(methods(&domain, 0).iter().all(|method| method == "GET"));
}

#[tokio::test]
async fn does_not_read_after_a_registration_that_was_not_sent() {
    let count = AtomicUsize::new(0);
    let transport = transport_fn(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Ok(response(404, missing().1.to_string())),
        _ => Err(TransportError::not_sent("no route to the host")),
    });
    let builder = SnapshotClient::builder("http://localhost:9200").transport(transport.clone());
    let client = builder.clock(ManualClock::at("2026-05-01T00:00:00Z")).retry(RetryPolicy::never()).build().unwrap();

    let error = client.repository("logs").unwrap().ensure_registered(FsSettings::new("/a")).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Outcome::NotSent));
    assert_eq!(transport.requests().len(), 2);
}

#[tokio::test]
async fn the_result_serialises_without_secrets() {
    let domain = domain(SEVEN).await;
    let wanted = settings().with_setting("api_key", "canary");

    let registered = logs(&domain).ensure_registered(wanted).await.unwrap();

    let shown = serde_json::to_value(&registered).unwrap();
    assert_eq!(shown["change"], "created");
    assert_eq!(shown["in_force"]["settings"]["api_key"], "[redacted]");
    assert!(!format!("{registered:?}").contains("canary"));
}

#[tokio::test]
async fn a_call_that_was_dropped_during_a_pause_can_be_made_again() {
    let domain = domain(SEVEN).await;
    domain.fault(bucket_denied().times(1));
    let clock = domain.clock().unwrap();
    clock.set_auto_advance(false);
    let mut dropped = logs(&domain).ensure_registered(settings()).into_future();
    assert!(futures_util::poll!(&mut dropped).is_pending());
    drop(dropped);
    assert_eq!(methods(&domain, 0), ["GET", "PUT"]);

    let registered = logs(&domain).ensure_registered(settings()).await.unwrap();

    assert_eq!(registered.change(), RegistrationChange::Created);
}

// ---- what a person has seen and agreed to

#[tokio::test]
async fn replaces_only_the_registration_that_was_shown() {
    let domain = domain(SEVEN).await;
    let (shown, other) = (settings().with_base_path("shown"), settings().with_base_path("other"));
    for (registered, is_replaced) in [(shown.clone(), true), (other, false)] {
        logs(&domain).register(registered.clone()).await.unwrap();

        let result = logs(&domain).ensure_registered(settings()).with_overwrite_of(shown.clone()).await;

        let expected = if is_replaced { settings() } else { registered };
        assert_eq!(result.map_err(|error| error.kind()).err(), (!is_replaced).then_some(ErrorKind::RepositoryDiffers));
        assert_eq!(*logs(&domain).info().await.unwrap().settings(), expected.into());
    }
}

#[tokio::test]
async fn a_plan_names_the_change_and_sends_only_reads() {
    let domain = domain(SEVEN).await;
    for (registered, change) in [
        (None, RegistrationChange::Created),
        (Some(settings()), RegistrationChange::Unchanged),
        (Some(settings().with_base_path("old")), RegistrationChange::Replaced),
    ] {
        if let Some(registered) = registered {
            logs(&domain).register(registered).await.unwrap();
        }
        let before = domain.event_count();

        let planned = logs(&domain).ensure_registered(settings()).plan().await.unwrap();

        assert_eq!(planned, change);
        assert_eq!(methods(&domain, before), ["GET"]);
    }
}

#[tokio::test]
async fn a_plan_keeps_an_alternative_that_an_earlier_call_has_found() {
    let domain = domain(SEVEN).await;
    let wanted = logs(&domain).ensure_registered(in_bucket("far").with_region("ap-northeast-1"));
    wanted.clone().await.unwrap();

    let planned = wanted.plan().await.unwrap();

    assert_eq!(planned, RegistrationChange::Unchanged);
}

#[tokio::test]
async fn a_plan_replaces_a_registration_whose_secret_the_server_does_not_return() {
    let logs = scripted(vec![(200, json!({"logs": {"type": "s3", "settings": {"bucket": "b"}}}))]);
    let wanted = S3Settings::new("b").with_setting("secret_key", "new");

    let planned = logs.ensure_registered(wanted).plan().await.unwrap();

    assert_eq!(planned, RegistrationChange::Replaced);
}

#[tokio::test]
async fn a_plan_refuses_settings_that_cannot_work() {
    let domain = domain(SEVEN).await;

    let error = logs(&domain).ensure_registered(settings().with_base_path("/logs")).plan().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(domain.event_count(), 0);
}
