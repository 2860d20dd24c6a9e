//! Examinations of a real node behind the gate. A healthy domain has no problem, and each injected
//! fault is the only problem of the report.

#[allow(dead_code, reason = "each live suite uses only a part of it")]
#[path = "support/live.rs"]
mod live;

/// Lists tests with what each needs besides the gate and the stand-in for S3.
macro_rules! tests {
    ($($name:ident: [$($need:ident),*],)*) => {
        vec![$(crate::LiveTest {
            name: stringify!($name),
            needs: &[crate::Need::Gate, crate::Need::Steering, $(crate::Need::$need),*],
            run: |live| Box::pin(async move {
                let scene = crate::Scene::new(live).await?;
                $name(&scene).await?;
                scene.end().await
            }),
        }),*]
    };
}

#[path = "live_doctor/repositories.rs"]
mod repositories;
#[path = "live_doctor/way.rs"]
mod way;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use es_snapshot::client::RawRequest;
use es_snapshot::doctor::{self, Check, CheckId, Examination, Report, Status};
use es_snapshot::error::Cause;
use es_snapshot::name::{IndexName, RepositoryName};
use es_snapshot::{Error, RetryPolicy, SnapshotClient, SnapshotClientBuilder};
use http::Method;
use live::{Live, LiveTest, Need, take};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let healthy = tests![
        a_healthy_domain_has_no_problem: [],
        a_healthy_repository_has_no_problem: [],
        opensearch_in_compatibility_mode_is_recognised: [CompatibilityMode],
    ];
    live::main([healthy, way::tests(), repositories::tests()].into_iter().flatten().collect())
}

/// A domain with one repository, which contains one complete snapshot.
struct Scene {
    live: Arc<Live>,
    client: SnapshotClient,
    repository: RepositoryName,
    index: IndexName,
}

impl Scene {
    async fn new(live: Arc<Live>) -> Result<Self, Error> {
        unregister_all(&live).await?;
        let client = live.client().await;
        let (repository, index) = (live.repository(&client, "doctor").await?, live.index("doctor", 2).await?);
        take(&client, &repository, &"good".parse()?, &index).await?.into_complete()?;
        let client = client.with_retry(RetryPolicy::never());
        Ok(Self { live, client, repository, index })
    }

    async fn end(&self) -> Result<(), Error> {
        self.live.reset().await;
        self.live.node().raw(RawRequest::new(Method::DELETE, [self.index.as_str()])).await?;
        unregister_all(&self.live).await
    }

    async fn examine(&self) -> Report {
        doctor::examine(&self.client, &Examination::new()).await
    }

    /// Examines the domain with another client.
    async fn examine_with(&self, builder: SnapshotClientBuilder) -> Result<Report, Error> {
        let client = builder.retry(RetryPolicy::never()).build()?;
        Ok(doctor::examine(&client, &Examination::new()).await)
    }

    /// Returns the builder of a client of another endpoint, with the authentication of the domain.
    async fn builder_of(&self, endpoint: &str) -> SnapshotClientBuilder {
        let builder = SnapshotClient::builder(endpoint).region(self.live.text("region").unwrap_or("eu-west-1"));
        self.live.authenticated(builder).await
    }

    /// Makes the gate respond to GET requests of these paths.
    async fn respond(&self, path: &str, status: u16, body: &Value) {
        let rule = json!([{ "method": "GET", "path": path, "action": "status", "status": status,
            "body": body.to_string(), "content_type": "application/json" }]);
        self.live.gate("faults", rule).await;
    }

    /// Returns the port of the endpoint.
    fn port(&self) -> &str {
        self.live.given("endpoint").rsplit(':').next().unwrap()
    }

    /// The folder of the repository in the stand-in bucket.
    fn folder(&self) -> PathBuf {
        self.live.bucket().1.unwrap().join(self.repository.as_str())
    }
}

async fn unregister_all(live: &Live) -> Result<(), Error> {
    let node = live.node();
    for repository in node.repositories().await? {
        node.repository(repository.name())?.unregister().await?;
    }
    Ok(())
}

/// Asserts that the report contains one problem, and returns it.
#[track_caller]
fn assert_only(report: &Report, id: CheckId, status: Status, cause: Option<Cause>) -> Check {
    let problems: Vec<&Check> = report.problems().collect();
    let [problem] = *problems else { panic!("expected one problem, found {}:\n{report}", problems.len()) };
    assert_eq!((problem.id(), problem.status(), problem.cause()), (id, status, cause), "\n{report}");
    assert!(problem.remedy().is_some_and(|remedy| !remedy.is_empty()), "no remedy:\n{report}");
    problem.clone()
}

/// Asserts that a text of the problem contains these words.
#[track_caller]
fn assert_names(problem: &Check, words: &[&str]) {
    let text = problem.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} are not in: {text}");
}

async fn a_healthy_domain_has_no_problem(scene: &Scene) -> Result<(), Error> {
    let report = scene.examine().await;

    assert_eq!(report.worst(), Status::Pass, "{report}");
    let passed = report.checks().iter().filter(|check| check.status() == Status::Pass).count();
    assert!(passed >= 10, "{report}");
    let signer = report.checks().iter().find(|check| check.id() == CheckId::Signer).unwrap();
    let is_known = scene.live.text("variant") == Some("os2-security");
    assert_eq!(signer.status() == Status::Pass && signer.evidence().contains("operator"), is_known, "{report}");
    Ok(())
}

async fn a_healthy_repository_has_no_problem(scene: &Scene) -> Result<(), Error> {
    let examination = Examination::new().with_repository(scene.repository.clone());

    let report = doctor::examine(&scene.client, &examination).await;

    assert_eq!(report.worst(), Status::Pass, "{report}");
    Ok(())
}

async fn opensearch_in_compatibility_mode_is_recognised(scene: &Scene) -> Result<(), Error> {
    let pretend = |value: Value| {
        let body = json!({ "persistent": { "compatibility.override_main_response_version": value } });
        RawRequest::new(Method::PUT, ["_cluster", "settings"]).with_body(body)
    };
    scene.live.node().raw(pretend(json!(true))).await?;

    let (report, server) = (scene.examine().await, scene.client.server_info().await);

    scene.live.node().raw(pretend(Value::Null)).await?;
    let server = server?;
    assert_eq!((server.version(), server.distribution()), ("7.10.2", Some("opensearch")));
    assert_eq!(report.worst(), Status::Pass, "{report}");
    let server = report.checks().iter().find(|check| check.id() == CheckId::Server).unwrap();
    assert!(server.evidence().starts_with("OpenSearch in compatibility mode"), "{report}");
    Ok(())
}
