//! Faults of repositories: their settings, their storage, their snapshots.

use std::fs;
use std::time::{Duration, SystemTime};

use es_snapshot::client::RawRequest;
use es_snapshot::clock::{BoxFuture, Clock, SystemClock};
use es_snapshot::doctor::{self, CheckId, Examination, Status};
use es_snapshot::error::Cause;
use es_snapshot::name::{RepositoryName, SnapshotName};
use es_snapshot::{CreateSnapshot, Error, RepositorySettings, SnapshotState};
use http::Method;
use serde_json::json;

use crate::live::{LiveTest, take, unique};
use crate::{Scene, assert_names, assert_only, unregister_all};

pub(crate) fn tests() -> Vec<LiveTest> {
    tests![
        a_repository_that_is_not_registered: [],
        a_domain_without_repositories: [],
        two_writable_repositories_in_one_folder: [],
        a_running_snapshot: [],
        a_setting_that_has_no_effect: [],
        a_repository_in_another_region: [],
        a_bucket_that_denies_access: [],
        a_bucket_in_another_region: [],
        a_bucket_that_was_deleted: [],
        a_snapshot_whose_file_was_deleted: [],
        a_bucket_that_cannot_be_written: [],
        a_repository_without_snapshots: [],
        a_newest_snapshot_that_is_partial: [],
        a_newest_snapshot_that_is_a_day_too_old: [],
    ]
}

async fn a_repository_that_is_not_registered(scene: &Scene) -> Result<(), Error> {
    let examination = Examination::new().with_repository("missing".parse()?);

    let report = doctor::examine(&scene.client, &examination).await;

    let problem = assert_only(&report, CheckId::Repositories, Status::Fail, Some(Cause::RepositoryMissing));
    assert_names(&problem, &["missing", scene.repository.as_str()]);
    Ok(())
}

async fn a_domain_without_repositories(scene: &Scene) -> Result<(), Error> {
    unregister_all(&scene.live).await?;

    let report = scene.examine().await;

    assert_only(&report, CheckId::Repositories, Status::Warn, None);
    Ok(())
}

async fn two_writable_repositories_in_one_folder(scene: &Scene) -> Result<(), Error> {
    let second: RepositoryName = unique("second").parse()?;
    scene.client.repository(&second)?.register(scene.live.s3(scene.repository.as_str())).await?;

    let report = scene.examine().await;

    let problem = assert_only(&report, CheckId::SharedStorage, Status::Fail, None);
    assert_names(&problem, &[second.as_str(), scene.repository.as_str(), "`readonly`"]);
    Ok(())
}

async fn a_running_snapshot(scene: &Scene) -> Result<(), Error> {
    let index = scene.live.index("running", 1).await?;
    let hold = scene.live.steer(".hold", "");
    let options = CreateSnapshot::new().with_indices([index.as_str()]);
    scene.client.repository(&scene.repository)?.create_snapshot("held", options).await?;

    let report = scene.examine().await;

    drop(hold);
    scene.client.repository(&scene.repository)?.snapshot("held")?.wait().await?.into_complete()?;
    scene.live.node().raw(RawRequest::new(Method::DELETE, [index.as_str()])).await?;
    let problem = assert_only(&report, CheckId::RunningSnapshots, Status::Warn, None);
    assert_names(&problem, &["held"]);
    Ok(())
}

async fn a_setting_that_has_no_effect(scene: &Scene) -> Result<(), Error> {
    let settings = scene.live.s3(scene.repository.as_str()).with_setting("read_only", "true");
    register_unchecked(scene, settings.into()).await?;

    let report = scene.examine().await;

    let problem = assert_only(&report, CheckId::RepositorySettings, Status::Warn, None);
    assert_names(&problem, &["`read_only` has no effect", "`readonly`"]);
    Ok(())
}

async fn a_repository_in_another_region(scene: &Scene) -> Result<(), Error> {
    let elsewhere = scene.live.steer(".region", "us-west-2");
    let settings = scene.live.s3(scene.repository.as_str()).with_region("us-west-2");
    register_unchecked(scene, settings.into()).await?;

    let report = scene.examine().await;

    drop(elsewhere);
    let problem = assert_only(&report, CheckId::RepositorySettings, Status::Warn, None);
    assert_names(&problem, &["us-west-2", scene.live.given("region"), "s3.amazonaws.com"]);
    Ok(())
}

/// Registers the repository of the scene with settings that the client would refuse.
async fn register_unchecked(scene: &Scene, settings: RepositorySettings) -> Result<(), Error> {
    let body = serde_json::to_value(settings).unwrap();
    let request = RawRequest::new(Method::PUT, ["_snapshot", scene.repository.as_str()]).with_body(body);
    scene.live.node().raw(request).await.map(drop)
}

async fn a_bucket_that_denies_access(scene: &Scene) -> Result<(), Error> {
    let deny = scene.live.steer(".deny", "");

    let report = scene.examine().await;

    drop(deny);
    let problem = assert_only(&report, CheckId::SnapshotList, Status::Fail, Some(Cause::StorageAccessDenied));
    assert_names(&problem, &[scene.live.bucket().0, "s3:ListBucket", "version upgrade"]);
    Ok(())
}

async fn a_bucket_in_another_region(scene: &Scene) -> Result<(), Error> {
    let elsewhere = scene.live.steer(".region", "us-west-2");

    let report = scene.examine().await;

    drop(elsewhere);
    let problem = assert_only(&report, CheckId::SnapshotList, Status::Fail, Some(Cause::BucketInOtherRegion));
    assert_names(&problem, &["us-west-2"]);
    Ok(())
}

async fn a_bucket_that_was_deleted(scene: &Scene) -> Result<(), Error> {
    let bucket = scene.live.bucket().1.unwrap();
    let away = bucket.with_extension("gone");
    fs::rename(&bucket, &away).unwrap();

    let report = scene.examine().await;

    // The server may have created the folder again.
    drop(fs::remove_dir_all(&bucket));
    fs::rename(&away, &bucket).unwrap();
    let problem = assert_only(&report, CheckId::SnapshotList, Status::Fail, Some(Cause::BucketMissing));
    assert_names(&problem, &[scene.live.bucket().0, "unregister"]);
    Ok(())
}

async fn a_snapshot_whose_file_was_deleted(scene: &Scene) -> Result<(), Error> {
    let second: SnapshotName = "second".parse()?;
    let lost = take(&scene.client, &scene.repository, &second, &scene.index).await?;
    let file = scene.folder().join(format!("snap-{}.dat", lost.uuid().unwrap()));
    fs::remove_file(file).unwrap();

    let report = scene.examine().await;

    let problem = assert_only(&report, CheckId::SnapshotList, Status::Fail, None);
    assert_names(&problem, &["1 snapshot can be read, and 1 cannot", "second"]);
    Ok(())
}

async fn a_bucket_that_cannot_be_written(scene: &Scene) -> Result<(), Error> {
    let name = scene.repository.as_str();
    let denied = json!({ "type": "amazon_s3_exception", "reason": "Access Denied (Service: Amazon S3; Status Code: 403; \
        Error Code: AccessDenied; Request ID: x; S3 Extended Request ID: y)" });
    let cause = json!({ "type": "i_o_exception", "reason": "Unable to upload object [tests-x/master.dat] using a single \
        upload", "caused_by": denied });
    let error = json!({ "type": "repository_verification_exception",
        "reason": format!("[{name}] path [{name}] is not accessible on master node"), "caused_by": cause });
    let body = json!({ "error": error, "status": 500 }).to_string();
    let rule = json!([{ "method": "POST", "path": "_verify", "action": "status", "status": 500, "body": body,
        "content_type": "application/json" }]);
    scene.live.gate("faults", rule).await;

    let report = scene.examine().await;

    let problem = assert_only(&report, CheckId::Verification, Status::Fail, Some(Cause::StorageAccessDenied));
    assert_names(&problem, &[scene.live.bucket().0, "s3:PutObject"]);
    Ok(())
}

async fn a_repository_without_snapshots(scene: &Scene) -> Result<(), Error> {
    scene.client.repository(&scene.repository)?.snapshot("good")?.delete().await?;

    let report = scene.examine().await;

    assert_only(&report, CheckId::NewestSnapshot, Status::Warn, None);
    Ok(())
}

async fn a_newest_snapshot_that_is_partial(scene: &Scene) -> Result<(), Error> {
    let index = scene.live.index("partial", 2).await?;
    let failing = scene.live.steer(".fail-shard-1", "");
    let partial = take(&scene.client, &scene.repository, &"later".parse()?, &index).await?;
    drop(failing);
    assert_eq!(*partial.state(), SnapshotState::Partial);

    let report = scene.examine().await;

    scene.live.node().raw(RawRequest::new(Method::DELETE, [index.as_str()])).await?;
    let problem = assert_only(&report, CheckId::NewestSnapshot, Status::Warn, None);
    assert_names(&problem, &["PARTIAL", "later", "good"]);
    Ok(())
}

/// The system's clock, this far ahead.
#[derive(Debug)]
struct Ahead(Duration);

impl Clock for Ahead {
    fn wall(&self) -> SystemTime {
        SystemClock.wall() + self.0
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(duration)
    }

    fn timeout(&self, limit: Duration) -> BoxFuture<'static, ()> {
        SystemClock.timeout(limit)
    }
}

async fn a_newest_snapshot_that_is_a_day_too_old(scene: &Scene) -> Result<(), Error> {
    let two_days = Duration::from_secs(2 * 24 * 60 * 60);
    scene.live.gate("clock", json!({ "skew_s": two_days.as_secs() })).await;

    let report = scene.examine_with(scene.live.builder().await.clock(Ahead(two_days))).await?;

    let problem = assert_only(&report, CheckId::NewestSnapshot, Status::Warn, None);
    assert_names(&problem, &["\"good\", 2 d 0 h old"]);
    Ok(())
}
