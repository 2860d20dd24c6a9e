//! Faults on the way to the server: the connection, the credentials, the permissions.

use std::net::TcpListener;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use es_snapshot::doctor::{self, CheckId, Examination, Status};
use es_snapshot::error::Cause;
use es_snapshot::{Auth, Error, RetryPolicy};
use serde_json::json;

use crate::live::LiveTest;
use crate::{Scene, assert_names, assert_only};

pub(crate) fn tests() -> Vec<LiveTest> {
    tests![
        a_name_that_does_not_resolve: [],
        a_port_on_which_nothing_listens: [],
        an_unknown_certificate_authority: [Tls],
        a_certificate_for_another_name: [Tls],
        http_to_a_port_that_speaks_tls: [Tls],
        https_to_a_port_that_does_not_speak_tls: [],
        a_load_balancer_that_cannot_reach_the_server: [],
        a_load_balancer_that_stops_waiting: [],
        a_clock_that_is_ten_minutes_behind: [SigV4],
        a_provider_that_finds_no_credentials: [SigV4],
        credentials_that_were_revoked: [SigV4],
        a_client_without_credentials: [SigV4],
        a_wrong_password: [Basic],
        a_wrong_secret_key: [SigV4],
        a_signature_for_another_region: [SigV4],
        a_policy_that_denies_reading: [],
        a_caller_who_is_not_mapped: [],
    ]
}

async fn a_name_that_does_not_resolve(scene: &Scene) -> Result<(), Error> {
    let report = scene.examine_with(scene.builder_of("https://no-such-domain.invalid").await).await?;

    let problem = assert_only(&report, CheckId::Endpoint, Status::Fail, Some(Cause::NameNotResolved));
    assert_names(&problem, &["no-such-domain.invalid"]);
    Ok(())
}

async fn a_port_on_which_nothing_listens(scene: &Scene) -> Result<(), Error> {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    let report = scene.examine_with(scene.builder_of(&format!("http://{free}")).await).await?;

    assert_only(&report, CheckId::Endpoint, Status::Fail, Some(Cause::ConnectionRefused));
    Ok(())
}

async fn an_unknown_certificate_authority(scene: &Scene) -> Result<(), Error> {
    let report = scene.examine_with(scene.builder_of(scene.live.given("endpoint")).await).await?;

    let problem = assert_only(&report, CheckId::Tls, Status::Fail, Some(Cause::CertificateNotTrusted));
    assert_names(&problem, &["ca_pem"]);
    Ok(())
}

async fn a_certificate_for_another_name(scene: &Scene) -> Result<(), Error> {
    let builder = scene.builder_of(&format!("https://other.example.org:{}", scene.port())).await;
    let builder = builder.connect_to(format!("127.0.0.1:{}", scene.port())).transport(scene.live.transport());

    let report = scene.examine_with(builder).await?;

    assert_only(&report, CheckId::Tls, Status::Fail, Some(Cause::CertificateForOtherName));
    Ok(())
}

async fn http_to_a_port_that_speaks_tls(scene: &Scene) -> Result<(), Error> {
    let report = scene.examine_with(scene.builder_of(&format!("http://127.0.0.1:{}", scene.port())).await).await?;

    // The gate closes the connection without a TLS alert.
    let problem = assert_only(&report, CheckId::Endpoint, Status::Fail, None);
    assert_names(&problem, &["if the port speaks TLS, use `https://`"]);
    Ok(())
}

async fn https_to_a_port_that_does_not_speak_tls(scene: &Scene) -> Result<(), Error> {
    let node = scene.live.given("node").replace("http://", "https://");

    let report = scene.examine_with(scene.builder_of(&node).await).await?;

    assert_only(&report, CheckId::Tls, Status::Fail, Some(Cause::WrongScheme));
    Ok(())
}

async fn a_load_balancer_that_cannot_reach_the_server(scene: &Scene) -> Result<(), Error> {
    let rule = json!([{ "action": "status", "status": 503, "body": "<html>503 Service Unavailable</html>",
        "content_type": "text/html" }]);
    scene.live.gate("faults", rule).await;

    let report = scene.examine().await;

    assert_only(&report, CheckId::Endpoint, Status::Fail, Some(Cause::BackendUnavailable));
    Ok(())
}

async fn a_load_balancer_that_stops_waiting(scene: &Scene) -> Result<(), Error> {
    scene.live.gate("faults", json!([{ "action": "status-after", "status": 504 }])).await;

    let report = scene.examine().await;

    assert_only(&report, CheckId::Endpoint, Status::Fail, Some(Cause::GatewayTimedOut));
    Ok(())
}

async fn a_clock_that_is_ten_minutes_behind(scene: &Scene) -> Result<(), Error> {
    scene.live.gate("clock", json!({ "skew_s": 600 })).await;

    // The second attempt is signed with the corrected clock.
    let report = doctor::examine(&scene.client.with_retry(RetryPolicy::new()), &Examination::new()).await;

    let problem = assert_only(&report, CheckId::Clock, Status::Warn, None);
    assert_names(&problem, &["ahead of this machine's", "Synchronise"]);
    Ok(())
}

/// Finds no credentials.
#[derive(Debug)]
struct Empty;

impl ProvideCredentials for Empty {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("no credentials in the chain")))
    }
}

async fn a_provider_that_finds_no_credentials(scene: &Scene) -> Result<(), Error> {
    let report = scene.examine_with(scene.live.plain_builder().credentials(Empty)).await?;

    let problem = assert_only(&report, CheckId::Credentials, Status::Fail, Some(Cause::CredentialsUnavailable));
    assert_names(&problem, &["no credentials in the chain", "instance profile"]);
    Ok(())
}

async fn credentials_that_were_revoked(scene: &Scene) -> Result<(), Error> {
    let known = scene.live.credentials().await;
    scene.live.gate("rotate", json!({ "revoke": true })).await;

    let report = scene.examine_with(scene.live.plain_builder().credentials(known)).await?;

    assert_only(&report, CheckId::Credentials, Status::Fail, Some(Cause::TokenExpired));
    Ok(())
}

async fn a_client_without_credentials(scene: &Scene) -> Result<(), Error> {
    let report = scene.examine_with(scene.live.plain_builder()).await?;

    assert_only(&report, CheckId::Credentials, Status::Fail, Some(Cause::AnonymousRequest));
    Ok(())
}

async fn a_wrong_password(scene: &Scene) -> Result<(), Error> {
    let report = scene.examine_with(scene.live.plain_builder().auth(Auth::basic("master", "wrong")?)).await?;

    assert_only(&report, CheckId::Credentials, Status::Fail, Some(Cause::LoginRefused));
    Ok(())
}

async fn a_wrong_secret_key(scene: &Scene) -> Result<(), Error> {
    let known = scene.live.credentials().await;
    let token = known.session_token().map(str::to_owned);
    let wrong = Credentials::new(known.access_key_id(), "wrong-secret", token, None, "test");

    let report = scene.examine_with(scene.live.plain_builder().credentials(wrong)).await?;

    let problem = assert_only(&report, CheckId::Signature, Status::Fail, Some(Cause::SignatureMismatch));
    assert!(!problem.to_string().contains("wrong-secret"));
    Ok(())
}

async fn a_signature_for_another_region(scene: &Scene) -> Result<(), Error> {
    let report = scene.examine_with(scene.live.builder().await.region("eu-north-1")).await?;

    let problem = assert_only(&report, CheckId::Signature, Status::Fail, Some(Cause::WrongRegion));
    assert_names(&problem, &["eu-north-1"]);
    Ok(())
}

async fn a_policy_that_denies_reading(scene: &Scene) -> Result<(), Error> {
    let text = "User: arn:aws:sts::123456789012:assumed-role/Backup/i-0abc is not authorized to perform: es:ESHttpGet \
                because no identity-based policy allows the es:ESHttpGet action";
    scene.respond("^/", 403, &json!({ "Message": text })).await;

    let report = scene.examine().await;

    let problem = assert_only(&report, CheckId::Repositories, Status::Fail, Some(Cause::CallerNotAllowed));
    assert_names(&problem, &["es:ESHttpGet", "role/Backup"]);
    Ok(())
}

async fn a_caller_who_is_not_mapped(scene: &Scene) -> Result<(), Error> {
    let text = "no permissions for [cluster:admin/repository/get] and User \
                [name=arn:aws:iam::123456789012:role/Backup, backend_roles=[], requestedTenant=null]";
    let body = json!({ "error": { "root_cause": [], "type": "security_exception", "reason": text }, "status": 403 });
    scene.respond("^/_snapshot", 403, &body).await;

    let report = scene.examine().await;

    let problem = assert_only(&report, CheckId::Repositories, Status::Fail, Some(Cause::CallerNotMapped));
    assert_names(&problem, &["manage_snapshots", "arn:aws:iam::123456789012:role/Backup"]);
    Ok(())
}
