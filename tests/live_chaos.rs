//! Faults, steps of the clock and revoked credentials between the client and a real node.
//!
//! The tests compare the results of the client with the log of the gate and with the node itself.

#[allow(dead_code, reason = "each live suite uses only a part of it")]
#[path = "support/live.rs"]
mod live;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use es_snapshot::client::RawRequest;
use es_snapshot::clock::{Clock as _, SystemClock};
use es_snapshot::name::{IndexName, RepositoryName, SnapshotName};
use es_snapshot::wait::RestoreTicket;
use es_snapshot::{
    CreateSnapshot, Error, ErrorKind, ListSnapshots, RestoreSnapshot, RetryPolicy, SnapshotClient, Timeouts,
};
use futures_util::{FutureExt as _, StreamExt as _, future, stream};
use http::Method;
use live::{Live, LiveTest, Need, refused, unique};
use serde_json::{Value, json};

/// The time limit of a wait that should end soon.
const SOON: Duration = Duration::from_secs(90);
/// The faults of the gate. `delay` lasts longer than an attempt, so that the request arrives late.
const ACTIONS: [&str; 8] =
    ["drop-before", "drop-after", "status", "status-after", "truncate", "garbage", "delay", "trickle"];
/// How many stories run with each fault.
const TIMES: usize = 4;
/// How many stories run at a time.
const CONCURRENT: usize = 8;

fn main() -> ExitCode {
    live::main(vec![
        LiveTest {
            name: "no_fault_causes_a_duplicate_or_a_wrong_result",
            needs: &[Need::SigV4, Need::Gate],
            run: |live| Box::pin(no_fault_causes_a_duplicate(live)),
        },
        LiveTest {
            name: "every_operation_succeeds_after_a_step_of_the_clock",
            needs: &[Need::SigV4, Need::Gate],
            run: |live| Box::pin(every_operation_survives_a_step_of_the_clock(live)),
        },
        LiveTest {
            name: "a_wait_of_two_minutes_survives_many_changes_of_credentials",
            needs: &[Need::SigV4, Need::Gate, Need::Steering],
            run: |live| Box::pin(a_wait_survives_changes_of_credentials(live)),
        },
    ])
}

/// A snapshot from creation to deletion. The same fault occurs once in each step.
struct Story {
    action: &'static str,
    name: SnapshotName,
    extra: RepositoryName,
    restored: IndexName,
}

impl Story {
    fn rules(&self, repository: &RepositoryName) -> Vec<Value> {
        let Self { action, name, extra, .. } = self;
        let snapshot = format!("^/_snapshot/{repository}/{name}");
        [
            ("PUT", format!("^/_snapshot/{extra}$")),
            ("DELETE", format!("^/_snapshot/{extra}$")),
            ("PUT", format!("{snapshot}$")),
            ("GET", format!("{snapshot}$")),
            ("POST", format!("{snapshot}/_restore$")),
            ("DELETE", format!("{snapshot}$")),
        ]
        .into_iter()
        .map(|(method, path)| {
            let mut rule = json!({"method": method, "path": path, "times": 1, "action": action});
            match *action {
                "status" => rule["status"] = 503.into(),
                "status-after" => rule["status"] = 504.into(),
                "delay" => rule["seconds"] = 5.into(),
                _ => {}
            }
            rule
        })
        .collect()
    }

    /// Runs every step, and compares each result of the client with the node.
    async fn run(
        &self,
        live: &Live,
        client: &SnapshotClient,
        repository: &RepositoryName,
        index: &str,
    ) -> Result<(), Error> {
        let Self { name, extra, restored, action } = self;
        let node = live.node();
        client.repository(extra)?.register(live.s3(extra.as_str())).await?;
        assert_eq!(node.repository(extra)?.info().await?.name(), extra.as_str());

        let mark = json!({"story": name.as_str()}).as_object().cloned().unwrap();
        let options = CreateSnapshot::new().with_indices([index]).with_include_global_state(false).with_metadata(mark);
        client.repository(repository)?.create_snapshot(name, options).await?;
        let created = node.repository(repository)?.snapshot(name)?.info().await?;
        assert_eq!(
            created.metadata().and_then(|metadata| metadata.get("story")),
            Some(&json!(name.as_str())),
            "{action}"
        );

        let ended = client.repository(repository)?.snapshot(name)?.wait().with_deadline(SOON).await?.into_complete()?;
        assert_eq!(ended.uuid(), created.uuid(), "{action}");
        client.repository(repository)?.snapshot(name)?.info().await?;
        let listed = client.repository(repository)?.list(ListSnapshots::new()).await?;
        assert!(listed.snapshots().iter().any(|found| found.uuid() == created.uuid()), "{action}");

        let options = RestoreSnapshot::new().with_indices([index]).with_rename("(.+)", restored.as_str());
        client.repository(repository)?.snapshot(name)?.restore(options).await?;
        let report = client
            .resume(RestoreTicket::new(repository, name)?.with_index(restored.clone().as_str()))
            .with_deadline(SOON)
            .await?;
        assert_eq!(report.into_complete()?.indices(), [restored.as_str()], "{action}");
        let count = node.raw(RawRequest::get([restored.as_str(), "_count"])).await?;
        assert_eq!(count.body()["count"], 20, "{action}");

        client.repository(repository)?.snapshot(name)?.delete().await?;
        assert_eq!(
            refused(node.repository(repository)?.snapshot(name)?.info().await).kind(),
            ErrorKind::SnapshotMissing,
            "{action}"
        );
        client.repository(extra)?.unregister().await?;
        assert_eq!(refused(node.repository(extra)?.info().await).kind(), ErrorKind::RepositoryMissing, "{action}");
        Ok(())
    }

    /// Asserts by the log of the gate: each fault occurred, and each change happened at most once.
    fn check_log(&self, log: &[Value], repository: &RepositoryName) {
        let Self { name, action, .. } = self;
        let path = format!("/_snapshot/{repository}/{name}");
        for (method, path) in [("PUT", path.clone()), ("DELETE", path.clone()), ("POST", format!("{path}/_restore"))] {
            let entries: Vec<&Value> =
                log.iter().filter(|entry| entry["method"] == method && entry["path"] == path).collect();
            let has_fault = entries.iter().any(|entry| {
                entry["fault"] == *action
                    || entry["verdict"].as_str().is_some_and(|verdict| verdict.starts_with("fault:"))
            });
            assert!(has_fault, "{action} did not occur on {method} {path}: {entries:?}");
            // Successful responses of the node, whether or not they reached the client.
            let done = entries.iter().filter(|entry| entry["verdict"] == "signed" && entry["status"] == 200).count();
            assert!(done <= 1, "{action}: {method} {path} was carried out {done} times: {entries:?}");
        }
    }
}

async fn no_fault_causes_a_duplicate(live: Arc<Live>) -> Result<(), Error> {
    // The time-outs that faults cause pass in real time, so they are short.
    let client = live
        .builder()
        .await
        .timeouts(
            Timeouts::new()
                .with_attempt(Duration::from_secs(4))
                .with_read(Duration::from_secs(3))
                .with_call(Duration::from_secs(90)),
        )
        .retry(RetryPolicy::new().with_min_pause(Duration::from_millis(50)).with_max_pause(Duration::from_millis(500)))
        .build()?
        .with_queue_time(Duration::from_secs(60));
    let index = live.index("chaos", 1).await?;
    let repository = live.repository(&client, "chaos").await?;
    let stories: Vec<Story> = ACTIONS
        .into_iter()
        .flat_map(|action| [action; TIMES])
        .map(|action| Story {
            action,
            name: unique("story").parse().unwrap(),
            extra: unique("extra").parse().unwrap(),
            restored: unique("restored").parse().unwrap(),
        })
        .collect();
    let rules: Vec<Value> = stories.iter().flat_map(|story| story.rules(&repository)).collect();
    live.gate("faults", rules.into()).await;

    let results: Vec<Result<(), Error>> = stream::iter(&stories)
        .map(|story| story.run(&live, &client, &repository, index.as_str()))
        .buffer_unordered(CONCURRENT)
        .collect()
        .await;

    live.gate("faults", json!([])).await;
    for result in results {
        result?;
    }
    let log = live.log().await;
    for story in &stories {
        story.check_log(&log, &repository);
    }
    let left = live.node().repository(&repository)?.list(ListSnapshots::new().with_ignore_unavailable(true)).await?;
    assert_eq!(left.into_complete()?, []);
    client.repository(&repository)?.unregister().await?;
    Ok(())
}

/// Moves the clock of the gate away and back before successive calls.
struct Moved {
    live: Arc<Live>,
    seconds: i64,
    away: bool,
}

impl Moved {
    /// Moves the clock, then makes a call. Asserts that the call was refused once for its date.
    async fn call<T>(&mut self, what: &str, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.away = !self.away;
        let skew = if self.away { self.seconds } else { 0 };
        self.live.gate("clock", json!({ "skew_s": skew })).await;
        let before = self.live.log().await.len();

        let result = call.await?;

        let log = self.live.log().await.split_off(before);
        let denied: Vec<&Value> = log.iter().take_while(|entry| entry["verdict"] == "denied").collect();
        let is_denied = |text: &str| denied.iter().filter(|entry| entry.to_string().contains(text)).count();
        // Credentials that were loaded while the clock was behind have expired once it is correct
        // again. That costs one more attempt.
        assert_eq!(
            is_denied("Signature expired") + is_denied("Signature not yet current"),
            1,
            "{what} at {skew}: {log:?}"
        );
        assert!(is_denied("security token") <= 1 && denied.len() <= 2, "{what} at {skew}: {log:?}");
        Ok(result)
    }
}

async fn every_operation_survives_a_step_of_the_clock(live: Arc<Live>) -> Result<(), Error> {
    let client = live.client().await;
    let index = live.index("moved", 1).await?;
    for seconds in [3600, -3600, 93_600, -93_600] {
        // Each operation runs once after the clock moved away, and once after it moved back.
        for away in [false, true] {
            live.gate("clock", json!({ "skew_s": if away { seconds } else { 0 } })).await;
            client.server_info().await?;
            let mut moved = Moved { live: Arc::clone(&live), seconds, away };
            Box::pin(every_operation(&live, &client, &index, &mut moved)).await?;
        }
    }
    live.gate("clock", json!({"skew_s": 0})).await;
    Ok(())
}

async fn every_operation(
    live: &Live,
    client: &SnapshotClient,
    index: &IndexName,
    moved: &mut Moved,
) -> Result<(), Error> {
    let repository: RepositoryName = unique("moved").parse()?;
    let (name, target): (SnapshotName, SnapshotName) = ("one".parse()?, "two".parse()?);
    let restored: IndexName = unique("restored").parse()?;
    moved.call("info", client.server_info()).await?;
    moved.call("register", client.repository(&repository)?.register(live.s3(repository.as_str()))).await?;
    moved.call("get repository", client.repository(&repository)?.info()).await?;
    moved.call("list repositories", client.repositories()).await?;
    moved.call("verify", client.repository(&repository)?.verify()).await?;
    let options = CreateSnapshot::new().with_indices([index.as_str()]).with_include_global_state(false);
    moved.call("create", client.repository(&repository)?.create_snapshot(&name, options)).await?;
    let ended = moved
        .call("wait", client.repository(&repository)?.snapshot(&name)?.wait().with_deadline(SOON).into_future())
        .await?;
    ended.into_complete()?;
    moved.call("get", client.repository(&repository)?.snapshot(&name)?.info()).await?;
    moved.call("list", client.repository(&repository)?.list(ListSnapshots::new())).await?.into_complete()?;
    moved.call("status", client.repository(&repository)?.snapshot(&name)?.status()).await?;
    let clone = es_snapshot::CloneSnapshot::new([index.as_str()]);
    moved.call("clone", client.repository(&repository)?.snapshot(&name)?.clone_to(&target, clone)).await?;
    moved
        .call("wait", client.repository(&repository)?.snapshot(&target)?.wait().with_deadline(SOON).into_future())
        .await?;
    let options = RestoreSnapshot::new().with_indices([index.as_str()]).with_rename("(.+)", restored.as_str());
    moved.call("restore", client.repository(&repository)?.snapshot(&name)?.restore(options)).await?;
    let wait = client
        .resume(RestoreTicket::new(&repository, &name)?.with_index(restored.as_str()))
        .with_deadline(SOON)
        .into_future();
    let report = moved.call("wait", wait).await?.into_complete()?;
    assert_eq!(report.shards_total(), 1);
    moved.call("delete", client.repository(&repository)?.snapshot(&name)?.delete()).await?;
    moved
        .call(
            "wait",
            client.repository(&repository)?.snapshot(&name)?.wait_for_deletion().with_deadline(SOON).into_future(),
        )
        .await?;
    client.repository(&repository)?.snapshot(&target)?.delete().await?;
    moved.call("clean up", client.repository(&repository)?.cleanup()).await?;
    moved.call("unregister", client.repository(&repository)?.unregister()).await?;
    Ok(())
}

async fn a_wait_survives_changes_of_credentials(live: Arc<Live>) -> Result<(), Error> {
    let client = live.client().await;
    let index = live.index("rotated", 1).await?;
    let repository = live.repository(&client, "rotated").await?;
    let name: SnapshotName = "held".parse()?;
    let hold = live.steer(".hold", "");
    client
        .repository(&repository)?
        .create_snapshot(&name, CreateSnapshot::new().with_indices([index.as_str()]))
        .await?;
    // Credentials that do not expire soon are revoked instead.
    let soon = SystemClock.wall() + Duration::from_secs(60);
    let expire = live.credentials().await.expiry().is_some_and(|expiry| expiry < soon);
    let rotate = async {
        for _ in 0..6 {
            SystemClock.sleep(Duration::from_secs(20)).await;
            if !expire {
                live.gate("rotate", json!({"revoke": true})).await;
            }
        }
        drop(hold);
    };

    let wait =
        client.repository(&repository)?.snapshot(&name)?.wait().with_deadline(Duration::from_secs(200)).into_future();
    let (ended, ()) = future::join(wait, rotate.boxed_local()).await;

    ended?.into_complete()?;
    let log = live.log().await;
    let polls: Vec<&Value> = log
        .iter()
        .filter(|entry| entry["method"] == Method::GET.as_str() && entry["path"].to_string().contains("held"))
        .collect();
    let keys: std::collections::BTreeSet<String> = polls.iter().map(|entry| entry["access_key"].to_string()).collect();
    assert!(keys.len() > 3, "polls were signed with {keys:?}");
    let denied = polls.iter().any(|entry| entry["verdict"] == "denied");
    assert_ne!(denied, expire, "only revoked credentials are refused: expiring ones are renewed in time");
    client.repository(&repository)?.snapshot(&name)?.delete().await?;
    client.repository(&repository)?.unregister().await?;
    Ok(())
}
