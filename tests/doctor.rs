//! Examinations of a fake domain: each fault causes one finding.

use std::time::Duration;

use aws_credential_types::Credentials;
use es_snapshot::client::RawRequest;
use es_snapshot::doctor::{self, Check, CheckId, Examination, Report, Status};
use es_snapshot::error::{Cause, Operation};
use es_snapshot::testing::{
    CredentialTrouble, FakeAuth, FakeDamage, FakeDomain, FakeOutcome, Fault, ManualClock, response, transport_fn,
};
use es_snapshot::{Auth, CreateSnapshot, RetryPolicy, S3Settings, SnapshotClient};
use http::Method;
use serde_json::json;

const HOUR: Duration = Duration::from_secs(3600);
const ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";

/// Starts a domain whose repository `backups` contains a complete snapshot that is an hour old.
async fn domain() -> FakeDomain {
    let domain = FakeDomain::with_repository("backups").await;
    place(&domain, "backups", "nightly", HOUR, FakeOutcome::Success);
    domain
}

fn place(domain: &FakeDomain, repository: &str, name: &str, age: Duration, outcome: FakeOutcome) {
    domain.place_snapshot(repository, name, domain.client().now() - age, outcome);
}

/// Registers a repository with a snapshot that is an hour old.
async fn register(domain: &FakeDomain, name: &str, settings: S3Settings) {
    domain.client().repository(name).unwrap().register(settings).await.unwrap();
    place(domain, name, &format!("nightly-{name}"), HOUR, FakeOutcome::Success);
}

fn s3(base_path: &str) -> S3Settings {
    S3Settings::new("my-bucket-4-es").with_base_path(base_path).with_role_arn(ROLE)
}

/// Examines the whole domain without repeating requests.
async fn examine(client: &SnapshotClient) -> Report {
    doctor::examine(&client.with_retry(RetryPolicy::never()), &Examination::new()).await
}

#[track_caller]
fn only(report: &Report) -> &Check {
    let problems: Vec<&Check> = report.problems().collect();
    let [problem] = *problems else { panic!("expected one problem:\n{report}") };
    problem
}

/// Asserts that the report contains one problem, and returns it.
#[track_caller]
fn assert_only(report: &Report, id: CheckId, status: Status, cause: Option<Cause>) -> &Check {
    let problem = only(report);
    assert_eq!((problem.id(), problem.status(), problem.cause()), (id, status, cause), "\n{report}");
    problem
}

#[track_caller]
fn find(report: &Report, id: CheckId) -> &Check {
    report.checks().iter().find(|check| check.id() == id).unwrap_or_else(|| panic!("no check {id}:\n{report}"))
}

#[tokio::test]
async fn a_healthy_domain_has_no_problem() {
    let domain = domain().await;

    let report = examine(&domain.client()).await;

    assert_eq!(report.worst(), Status::Pass, "{report}");
    domain.assert_no_unexpected_calls();
}

#[tokio::test]
async fn an_examination_only_reads_and_verifies() {
    let domain = domain().await;

    drop(examine(&domain.client()).await);

    let changes: Vec<_> = domain.events().into_iter().filter(|event| event.method != "GET").collect();
    assert!(matches!(&*changes, [event] if event.operation == Some(Operation::VerifyRepository)), "{changes:?}");
}

#[tokio::test]
async fn an_examination_without_verification_sends_only_gets() {
    let domain = domain().await;

    let report = doctor::examine(&domain.client(), &Examination::new().with_verify(false)).await;

    assert!(domain.events().iter().all(|event| event.method == "GET"));
    assert_eq!(find(&report, CheckId::Verification).status(), Status::Skipped);
}

#[tokio::test]
async fn the_evidence_names_the_provider_and_the_expiry_of_the_credentials() {
    let domain = domain().await;

    let report = examine(&domain.client()).await;

    let evidence = find(&report, CheckId::Credentials).evidence();
    assert!(evidence.contains("which expire in ") && evidence.contains('"'), "{evidence}");
}

#[tokio::test]
async fn no_text_contains_a_part_of_the_credentials() {
    let domain = domain().await;
    let credentials = Credentials::new("AKIDEXAMPLE", "the-secret", Some("the-token".to_owned()), None, "test");
    let client = domain.client_builder().credentials(credentials).build().unwrap();

    let report = examine(&client).await;

    let texts = format!("{report}\n{report:?}\n{}", serde_json::to_string(&report).unwrap());
    for secret in ["AKIDEXAMPLE", "the-secret", "the-token"] {
        assert!(!texts.contains(secret), "{secret}: {texts}");
    }
}

#[tokio::test]
async fn a_provider_without_credentials_is_the_only_problem() {
    let domain = domain().await;
    let provider = domain.credentials_provider();
    provider.set_trouble(CredentialTrouble::Fails);
    let client = domain.client_builder().credentials(provider).build().unwrap();

    let report = examine(&client).await;

    assert_only(&report, CheckId::Credentials, Status::Fail, Some(Cause::CredentialsUnavailable));
    assert!(domain.events().is_empty());
}

#[tokio::test]
async fn credentials_that_could_not_be_renewed_are_a_warning() {
    let clock = ManualClock::at("2026-05-01T00:00:00Z");
    let domain = FakeDomain::builder().in_process().clock(clock.clone()).credential_life(HOUR).start().await;
    domain.create_repository("backups");
    place(&domain, "backups", "nightly", HOUR, FakeOutcome::Success);
    let provider = domain.credentials_provider();
    let client = domain.client_builder().credentials(provider.clone()).build().unwrap();
    client.server_info().await.unwrap();
    provider.set_trouble(CredentialTrouble::Fails);
    clock.advance(Duration::from_secs(58 * 60));

    let report = examine(&client).await;

    let problem = assert_only(&report, CheckId::Credentials, Status::Warn, None);
    assert!(problem.evidence().contains("should be renewed"), "{report}");
}

#[tokio::test]
async fn a_clock_that_differs_by_more_than_a_minute_is_a_warning() {
    let domain = domain().await;
    domain.set_skew(-200);

    let report = examine(&domain.client()).await;

    let problem = assert_only(&report, CheckId::Clock, Status::Warn, None);
    assert!(problem.evidence().contains("3 min 19 s behind"), "{report}");
}

#[tokio::test]
async fn a_clock_that_differs_by_half_a_minute_passes() {
    let domain = domain().await;
    domain.set_skew(30);

    let report = examine(&domain.client()).await;

    assert_eq!(report.worst(), Status::Pass, "{report}");
}

#[tokio::test]
async fn a_gateway_that_does_not_reach_the_server_is_a_problem_of_the_endpoint() {
    let domain = domain().await;
    domain.fault(Fault::status(503, "Service Unavailable", "text/plain"));

    let report = examine(&domain.client()).await;

    assert_only(&report, CheckId::Endpoint, Status::Fail, Some(Cause::BackendUnavailable));
    assert_eq!(find(&report, CheckId::Clock).status(), Status::Pass);
    assert_eq!(domain.events().len(), 1, "other requests are pointless");
}

#[tokio::test]
async fn a_response_that_is_not_of_a_server_is_a_problem_of_the_endpoint() {
    let transport = transport_fn(|_| Ok(response(200, "<html>Welcome</html>")));
    let client = SnapshotClient::builder("https://example.org").transport(transport).build().unwrap();

    let report = examine(&client).await;

    assert_only(&report, CheckId::Endpoint, Status::Fail, None);
}

#[tokio::test]
async fn a_denied_method_is_a_problem_of_the_list_of_repositories() {
    let domain = domain().await;
    domain.deny("es:ESHttpGet");

    let report = examine(&domain.client()).await;

    let problem = assert_only(&report, CheckId::Repositories, Status::Fail, Some(Cause::ExplicitDeny));
    assert!(problem.remedy().unwrap().contains("es:ESHttpGet"), "{report}");
    assert_eq!(find(&report, CheckId::Signature).status(), Status::Pass);
}

/// Denies `GET /`, as to a user who may only manage snapshots.
fn deny_version(domain: &FakeDomain) {
    let refusal = json!({ "error": { "type": "security_exception", "reason":
        "no permissions for [cluster:monitor/main] and User [name=backup, backend_roles=[], requestedTenant=null]" } });
    domain.fault(Fault::status(403, refusal.to_string(), "application/json").on(|_, path| path == "/"));
}

/// Responds as the security plugin at this path.
fn show_user(domain: &FakeDomain, path: &str) {
    let user = json!({ "user_name": "arn:aws:iam::123456789012:role/Backup", "roles": ["manage_snapshots"] });
    domain.fault(Fault::status(200, user.to_string(), "application/json").on_path(path));
}

#[tokio::test]
async fn a_caller_who_may_not_read_the_version_can_still_be_examined() {
    let domain = domain().await;
    deny_version(&domain);

    let report = examine(&domain.client()).await;

    assert_eq!(report.worst(), Status::Pass, "{report}");
    assert_eq!(find(&report, CheckId::Server).status(), Status::Skipped);
}

#[tokio::test]
async fn the_user_of_the_security_plugin_is_shown() {
    let domain = domain().await;
    show_user(&domain, "/_opendistro/_security/authinfo");

    let report = examine(&domain.client()).await;

    let evidence = find(&report, CheckId::Signer).evidence();
    assert!(evidence.contains(":role/Backup") && evidence.contains("manage_snapshots"), "{evidence}");
}

#[tokio::test]
async fn the_user_is_shown_even_if_the_version_is_not_known() {
    for path in ["/_plugins/_security/authinfo", "/_opendistro/_security/authinfo"] {
        let domain = domain().await;
        deny_version(&domain);
        show_user(&domain, path);

        let report = examine(&domain.client()).await;

        assert_eq!(find(&report, CheckId::Signer).status(), Status::Pass, "{report}");
    }
}

#[tokio::test]
async fn a_server_of_another_version_is_a_warning() {
    let clock = ManualClock::at("2026-05-01T00:00:00Z");
    let domain = FakeDomain::builder().in_process().clock(clock).start().await;
    domain.create_repository("backups");
    place(&domain, "backups", "nightly", HOUR, FakeOutcome::Success);
    let old = json!({ "name": "node", "version": { "number": "6.8.0" } });
    domain.fault(Fault::status(200, old.to_string(), "application/json").on(|_, path| path == "/"));

    let report = examine(&domain.client()).await;

    assert_only(&report, CheckId::Server, Status::Warn, None);
}

#[tokio::test]
async fn a_repository_that_is_not_registered_is_the_only_problem() {
    let domain = domain().await;

    let examination = Examination::new().with_repository("nightly".parse().unwrap());
    let report = doctor::examine(&domain.client(), &examination).await;

    let problem = assert_only(&report, CheckId::Repositories, Status::Fail, Some(Cause::RepositoryMissing));
    assert!(problem.evidence().contains("\"backups\""), "the evidence shows the registered ones: {report}");
    let skipped = report.checks().iter().filter(|check| check.repository() == Some("nightly"));
    assert!(skipped.clone().all(|check| check.status() == Status::Skipped) && skipped.count() == 4, "{report}");
}

#[tokio::test]
async fn a_domain_without_repositories_is_a_warning() {
    let clock = ManualClock::at("2026-05-01T00:00:00Z");
    let domain = FakeDomain::builder().in_process().clock(clock).start().await;

    let report = examine(&domain.client()).await;

    assert_only(&report, CheckId::Repositories, Status::Warn, None);
}

#[tokio::test]
async fn two_writable_repositories_in_one_folder_are_one_problem() {
    let domain = domain().await;
    register(&domain, "again", s3("backups/")).await;

    let report = examine(&domain.client()).await;

    let problem = assert_only(&report, CheckId::SharedStorage, Status::Fail, None);
    assert!(problem.evidence().contains("\"again\", \"backups\""), "{report}");
}

#[tokio::test]
async fn a_second_repository_in_one_folder_may_be_read_only() {
    let domain = domain().await;
    register(&domain, "reader", s3("backups").with_readonly(true)).await;

    let report = examine(&domain.client()).await;

    assert_eq!(report.worst(), Status::Pass, "{report}");
}

#[tokio::test]
async fn an_examination_of_one_repository_makes_no_check_of_another() {
    let domain = domain().await;
    register(&domain, "empty", s3("empty")).await;
    domain.client().repository("empty").unwrap().snapshot("nightly-empty").unwrap().delete().await.unwrap();

    let examination = Examination::new().with_repository("backups".parse().unwrap());
    let report = doctor::examine(&domain.client(), &examination).await;

    assert_eq!(report.worst(), Status::Pass, "{report}");
    assert!(report.checks().iter().all(|check| check.repository() != Some("empty")));
}

#[tokio::test]
async fn an_unknown_setting_that_looks_like_the_role_is_a_warning_about_the_settings() {
    let domain = domain().await;
    let settings = s3("mistaken").with_setting("iam_role_arn", ROLE);
    let body = serde_json::to_value(es_snapshot::RepositorySettings::from(settings)).unwrap();
    let request = RawRequest::new(Method::PUT, ["_snapshot", "mistaken"]).with_body(body);
    domain.client().raw(request).await.unwrap();
    place(&domain, "mistaken", "nightly", HOUR, FakeOutcome::Success);

    let report = examine(&domain.client()).await;

    let problem = assert_only(&report, CheckId::RepositorySettings, Status::Warn, None);
    assert_eq!(problem.repository(), Some("mistaken"));
}

#[tokio::test]
async fn a_repository_without_snapshots_is_a_warning() {
    let domain = FakeDomain::with_repository("backups").await;

    let report = examine(&domain.client()).await;

    assert_only(&report, CheckId::NewestSnapshot, Status::Warn, None);
}

#[tokio::test]
async fn a_newest_snapshot_that_is_partial_is_a_warning() {
    let domain = domain().await;
    let outcome = FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 1)] };
    place(&domain, "backups", "later", HOUR / 2, outcome);

    let report = examine(&domain.client()).await;

    let problem = assert_only(&report, CheckId::NewestSnapshot, Status::Warn, None);
    assert!(problem.evidence().contains("PARTIAL") && problem.evidence().contains("nightly"), "{report}");
}

#[tokio::test]
async fn a_newest_snapshot_older_than_25_hours_is_a_warning() {
    let domain = FakeDomain::with_repository("backups").await;
    place(&domain, "backups", "old", 26 * HOUR, FakeOutcome::Success);

    let report = examine(&domain.client()).await;

    assert_only(&report, CheckId::NewestSnapshot, Status::Warn, None);
}

#[tokio::test]
async fn the_age_of_the_newest_snapshot_may_be_raised() {
    let domain = FakeDomain::with_repository("backups").await;
    place(&domain, "backups", "old", 26 * HOUR, FakeOutcome::Success);

    let report = doctor::examine(&domain.client(), &Examination::new().with_max_age(27 * HOUR)).await;

    assert_eq!(report.worst(), Status::Pass, "{report}");
}

#[tokio::test]
async fn a_running_snapshot_is_a_warning() {
    let domain = domain().await;
    domain.hold_snapshots(true);
    domain.client().repository("backups").unwrap().create_snapshot("slow", CreateSnapshot::new()).await.unwrap();

    let report = examine(&domain.client()).await;

    let problem = assert_only(&report, CheckId::RunningSnapshots, Status::Warn, None);
    assert!(problem.evidence().contains("\"backups:slow\""), "{report}");
}

#[tokio::test]
async fn a_running_snapshot_of_another_repository_does_not_concern_an_examination_of_one() {
    let domain = domain().await;
    domain.create_repository("other");
    domain.hold_snapshots(true);
    domain.client().repository("other").unwrap().create_snapshot("slow", CreateSnapshot::new()).await.unwrap();

    let examination = Examination::new().with_repository("backups".parse().unwrap());
    let report = doctor::examine(&domain.client(), &examination).await;

    assert_eq!(report.worst(), Status::Pass, "{report}");
}

#[tokio::test]
async fn one_damaged_snapshot_is_a_problem_of_the_listing_only() {
    let domain = domain().await;
    place(&domain, "backups", "damaged", 2 * HOUR, FakeOutcome::Success);
    domain.damage_snapshot("backups", "damaged", FakeDamage::Corrupt);

    let report = examine(&domain.client()).await;

    let problem = assert_only(&report, CheckId::SnapshotList, Status::Fail, None);
    assert!(problem.evidence().starts_with("1 snapshot can be read, and 1 cannot"), "{report}");
    assert_eq!(find(&report, CheckId::Verification).status(), Status::Pass);
}

#[tokio::test]
async fn reads_at_most_twenty_snapshots_one_by_one() {
    for damaged in [1, 30] {
        let domain = domain().await;
        for number in 0..30 {
            let name = format!("nightly-{number:02}");
            place(&domain, "backups", &name, 2 * HOUR, FakeOutcome::Success);
            if number < damaged {
                domain.damage_snapshot("backups", &name, FakeDamage::Corrupt);
            }
        }

        let report = examine(&domain.client()).await;

        assert_only(&report, CheckId::SnapshotList, Status::Fail, find(&report, CheckId::SnapshotList).cause());
        let reads = domain.events().iter().filter(|event| event.operation == Some(Operation::GetSnapshot)).count();
        assert_eq!(reads, 20, "{damaged} damaged");
    }
}

#[tokio::test]
async fn a_clock_that_no_response_shows_is_not_compared() {
    let transport = transport_fn(|_| Ok(response(200, r#"{"version": {"number": "7.10.2"}}"#)));
    let client = SnapshotClient::builder("https://search.example.org").transport(transport).build().unwrap();

    let report = examine(&client).await;

    assert_eq!(find(&report, CheckId::Clock).status(), Status::Skipped, "{report}");
}

#[tokio::test]
async fn a_verification_that_amazon_does_not_support_is_skipped() {
    let domain = domain().await;
    domain.forbid("/_snapshot/backups/_verify");

    let report = examine(&domain.client()).await;

    assert_eq!(report.worst(), Status::Pass, "{report}");
    assert_eq!(find(&report, CheckId::Verification).status(), Status::Skipped);
}

#[tokio::test]
async fn storage_that_cannot_be_written_is_a_problem_of_the_verification_only() {
    let domain = domain().await;
    let refusal = json!({ "error": { "type": "repository_verification_exception",
        "reason": "[backups] path [backups] is not accessible on master node" }, "status": 500 });
    domain.fault(Fault::status(500, refusal.to_string(), "application/json").on_path("_verify"));

    let report = examine(&domain.client()).await;

    assert_only(&report, CheckId::Verification, Status::Fail, Some(Cause::StorageNotAccessible));
}

#[tokio::test]
async fn a_repository_whose_storage_is_gone_is_named_with_its_bucket() {
    let domain = domain().await;
    let refusal = json!({ "error": { "type": "repository_exception", "reason": "[backups] could not read repository data",
        "caused_by": { "type": "i_o_exception", "reason": "x", "caused_by": {
            "type": "amazon_s3_exception", "reason": "The specified bucket does not exist" } } }, "status": 500 });
    domain.fault(Fault::status(500, refusal.to_string(), "application/json").on_path("/_snapshot/backups/"));

    let report = examine(&domain.client()).await;

    let problem = assert_only(&report, CheckId::SnapshotList, Status::Fail, Some(Cause::BucketMissing));
    let remedy = problem.remedy().unwrap();
    assert!(remedy.contains("\"my-bucket-4-es\"") && remedy.contains("version upgrade"), "{report}");
    assert_eq!(problem.repository(), Some("backups"));
}

#[tokio::test]
async fn a_repository_that_another_cluster_changed_should_be_read_only() {
    let domain = domain().await;
    let refusal = json!({ "error": { "type": "repository_exception", "reason":
        "[backups] concurrent modification of the index-N file, expected current generation [1] but it was not found" } });
    domain.fault(Fault::status(500, refusal.to_string(), "application/json").on_path("/_snapshot/backups/"));

    let report = examine(&domain.client()).await;

    let problem = assert_only(&report, CheckId::SnapshotList, Status::Fail, Some(Cause::RepositoryChangedByOthers));
    assert!(problem.remedy().unwrap().contains("`readonly`"), "{report}");
}

#[tokio::test]
async fn amazons_own_repositories_are_listed_but_not_examined() {
    let domain = domain().await;
    domain.create_repository("cs-automated-enc");

    let report = examine(&domain.client()).await;

    assert_eq!(report.worst(), Status::Pass, "{report}");
    assert!(find(&report, CheckId::Repositories).evidence().contains("cs-automated-enc"));
}

#[tokio::test]
async fn an_amazon_repository_that_is_named_is_not_verified() {
    let domain = domain().await;
    domain.create_repository("cs-automated-enc");
    place(&domain, "cs-automated-enc", "hourly", HOUR, FakeOutcome::Success);

    let examination = Examination::new().with_repository("cs-automated-enc".parse().unwrap());
    let report = doctor::examine(&domain.client(), &examination).await;

    assert_eq!(report.worst(), Status::Pass, "{report}");
    assert!(domain.events().iter().all(|event| event.method == "GET"));
}

#[tokio::test]
async fn at_most_fifty_repositories_are_examined() {
    let domain = FakeDomain::builder().in_process().clock(ManualClock::at("2026-05-01T00:00:00Z")).start().await;
    for number in 0..60 {
        domain.create_repository(&format!("r-{number:02}"));
    }

    let report = examine(&domain.client()).await;

    let examined = report.checks().iter().filter(|check| check.id() == CheckId::SnapshotList).count();
    assert_eq!((examined, domain.events().len()), (50, 4 + 2 * 50));
    assert!(find(&report, CheckId::Repositories).evidence().contains("at most 50"));
}

#[tokio::test]
async fn an_unsigned_client_of_an_open_cluster_has_no_problem() {
    let domain =
        FakeDomain::builder().in_process().clock(ManualClock::at("2026-05-01T00:00:00Z")).auth(FakeAuth::Open).start();
    let domain = domain.await;
    domain.create_repository("backups");
    place(&domain, "backups", "nightly", HOUR, FakeOutcome::Success);
    let client = domain.client_builder().auth(Auth::none()).build().unwrap();

    let report = examine(&client).await;

    assert_eq!(report.worst(), Status::Pass, "{report}");
    for id in [CheckId::Credentials, CheckId::Signature, CheckId::Signer] {
        assert_eq!(find(&report, id).status(), Status::Skipped);
    }
}

#[tokio::test]
async fn a_client_without_credentials_on_a_domain_that_requires_them_is_the_only_problem() {
    let domain = domain().await;
    let client = domain.client_builder().auth(Auth::none()).build().unwrap();

    let report = examine(&client).await;

    assert_only(&report, CheckId::Credentials, Status::Fail, Some(Cause::AnonymousRequest));
}

#[tokio::test]
async fn a_report_serialises_under_fixed_names() {
    let domain = domain().await;
    domain.set_skew(90);

    let report = serde_json::to_value(examine(&domain.client()).await).unwrap();

    assert_eq!(report["endpoint"], domain.endpoint());
    let clock = report["checks"].as_array().unwrap().iter().find(|check| check["id"] == "clock").unwrap();
    assert_eq!((&clock["status"], &clock["cause"], &clock["repository"]), (&json!("warn"), &json!(null), &json!(null)));
    assert!(clock["evidence"].is_string() && clock["remedy"].is_string());
}
