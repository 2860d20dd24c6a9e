//! Single cases of a lost answer, each of which once led to a wrong verdict.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::time::{Duration, SystemTime};

use es_snapshot::testing::{FakeDomain, Fault, ManualClock};
use es_snapshot::{
    CreateSnapshot, CreatedSnapshot, ErrorKind, Outcome, RepositoryName, RepositorySettings, S3Settings, SnapshotClient,
};

struct Scene {
    domain: FakeDomain,
    client: SnapshotClient,
    repository: RepositoryName,
}

fn settings() -> RepositorySettings {
    let role = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
    S3Settings::new("my-bucket-4-es").role_arn(role.parse().unwrap()).into()
}

impl Scene {
    /// A domain with the repository `nightly`.
    async fn new() -> Self {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let domain = FakeDomain::builder().clock(clock.clone()).start().await;
        let client = SnapshotClient::builder(domain.endpoint())
            .region(domain.region())
            .credentials(domain.credentials_provider())
            .clock(clock)
            .build()
            .unwrap();
        let repository: RepositoryName = "nightly".parse().unwrap();
        client.register_repository(&repository, &settings()).await.unwrap();
        Self { domain, client, repository }
    }
}

#[tokio::test]
async fn a_repository_that_is_gone_after_a_lost_answer_was_unregistered() {
    let Scene { domain, client, repository } = Scene::new().await;
    domain.fault(Fault::drop_after().on_method("DELETE").times(1));

    client.unregister_repository(&repository).await.unwrap();

    assert_eq!(domain.repositories(), [""; 0]);
}

#[tokio::test]
async fn a_repository_that_never_was_is_missing_when_no_answer_was_lost() {
    let Scene { domain, client, .. } = Scene::new().await;
    domain.fault(Fault::status(429, "", "text/plain").on_method("DELETE").times(1));

    let error = client.unregister_repository(&"other".parse().unwrap()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RepositoryMissing, Outcome::Rejected));
}

#[tokio::test]
async fn a_registration_that_is_refused_after_a_lost_answer_may_have_happened() {
    let Scene { domain, client, repository } = Scene::new().await;
    domain.fault(Fault::drop_after().on_method("PUT").times(1));
    domain.fault(Fault::status(400, "", "text/plain").on_method("PUT").times(1));

    let error = client.register_repository(&repository, &settings()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Server, Outcome::Unknown));
}

#[tokio::test]
async fn a_verification_is_judged_by_its_last_answer_alone() {
    let Scene { domain, client, .. } = Scene::new().await;
    domain.fault(Fault::drop_after().on_method("POST").times(1));

    let error = client.verify_repository(&"other".parse().unwrap()).await.unwrap_err();

    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RepositoryMissing, Outcome::Rejected));
}

#[tokio::test]
async fn a_create_without_a_token_knows_its_own_snapshot_though_the_clocks_differ() {
    for skew in [-3600, 3600] {
        let Scene { domain, client, repository } = Scene::new().await;
        domain.set_skew(skew);
        domain.fault(Fault::drop_after().on_method("PUT").times(2));

        let created =
            client.create_snapshot(&repository, &"one".parse().unwrap(), &CreateSnapshot::new().without_token()).await.unwrap();

        assert!(matches!(created, CreatedSnapshot::Adopted(_)), "{created:?}");
    }
}
