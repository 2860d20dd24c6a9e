//! The whole procedure on a real domain: register, create, list, restore, delete, unregister.

#[allow(dead_code, reason = "each live suite uses only a part of it")]
#[path = "support/live.rs"]
mod live;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use es_snapshot::client::RawRequest;
use es_snapshot::name::{DateMathName, RepositoryName, SnapshotName};
use es_snapshot::snapshot::SnapshotToken;
use es_snapshot::wait::{HowStarted, RestoreTicket, SnapshotTicket, WaitUpdate};
use es_snapshot::{
    CloneSnapshot, CreateSnapshot, ErrorKind, ListSnapshots, RepositorySettings, RestoreSnapshot, SnapshotPattern,
    SnapshotState,
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::Method;
use live::{Live, LiveTest, Need, Outcome, refused, take, unique};
use serde_json::json;

fn main() -> ExitCode {
    live::main(vec![
        LiveTest {
            name: "the_whole_procedure_succeeds",
            needs: &[],
            run: |live| Box::pin(the_whole_procedure_succeeds(live)),
        },
        LiveTest {
            name: "every_request_is_signed_with_credentials_of_the_metadata_service",
            needs: &[Need::SigV4, Need::Gate],
            run: every_request_is_signed,
        },
        LiveTest {
            name: "date_math_names_resolve_as_on_the_server",
            needs: &[Need::Gate],
            run: date_math_names_resolve_as_on_the_server,
        },
        LiveTest {
            name: "streams_snapshots_in_pages_if_the_server_supports_them",
            needs: &[],
            run: |live| Box::pin(snapshots_are_streamed(live)),
        },
        LiveTest {
            name: "unusual_names_reach_the_right_snapshots",
            needs: &[],
            run: unusual_names_reach_the_right_snapshots,
        },
        LiveTest { name: "a_held_snapshot_runs_until_it_is_released", needs: &[Need::Steering], run: a_held_snapshot },
        LiveTest {
            name: "a_partial_snapshot_is_reported_as_partial",
            needs: &[Need::Steering],
            run: a_partial_snapshot,
        },
        LiveTest { name: "a_clone_contains_the_named_indices", needs: &[], run: a_clone },
        LiveTest { name: "a_queued_call_waits_for_the_running_snapshot", needs: &[Need::Steering], run: a_queue },
        LiveTest {
            name: "a_create_with_the_same_token_adopts_an_earlier_snapshot",
            needs: &[],
            run: an_earlier_process,
        },
        LiveTest {
            name: "reports_the_shards_of_a_restore_that_no_node_accepts",
            needs: &[],
            run: a_restore_to_nowhere,
        },
        LiveTest { name: "reports_the_shards_of_a_failed_restore", needs: &[Need::Steering], run: a_failed_restore },
        LiveTest {
            name: "deletes_a_snapshot_whose_file_in_the_bucket_is_gone",
            needs: &[Need::Steering],
            run: a_snapshot_without_its_file,
        },
    ])
}

async fn the_whole_procedure_succeeds(live: Arc<Live>) -> Result<(), es_snapshot::Error> {
    let client = live.client().await;
    let server = client.server_info().await?;
    assert!(!server.version().is_empty());
    let index = live.index("story", 2).await?;

    let repository = live.repository(&client, "story").await?;
    let registered = client.repository(&repository)?.info().await?;
    let RepositorySettings::S3(settings) = registered.settings() else { panic!("{registered:?}") };
    assert_eq!(settings.bucket(), Some(live.bucket().0));
    assert!(client.repositories().await?.iter().any(|found| found.name() == repository.as_str()));
    assert!(!client.repository(&repository)?.verify().await?.is_empty());

    let name: SnapshotName = unique("snap").parse()?;
    let metadata = json!({"purpose": "story"}).as_object().cloned().unwrap();
    let options =
        CreateSnapshot::new().with_indices([index.as_str()]).with_include_global_state(false).with_metadata(metadata);
    client.repository(&repository)?.create_snapshot(&name, options).await?;
    let mut progress =
        client.repository(&repository)?.snapshot(&name)?.wait().with_deadline(Duration::from_secs(60)).progress();
    let mut ended = None;
    while let Some(update) = progress.try_next().await? {
        if let WaitUpdate::Ended(snapshot) = update {
            ended = Some(snapshot);
        }
    }
    let snapshot = ended.expect("the stream must end with the outcome").into_complete()?;
    assert_eq!(snapshot.indices(), [index.as_str()]);
    assert_eq!(snapshot.shards().map(es_snapshot::snapshot::ShardCounts::successful), Some(2));
    assert_eq!(snapshot.metadata().and_then(|metadata| metadata.get("purpose")), Some(&json!("story")));
    assert!(snapshot.duration().is_some() && snapshot.end_time() >= snapshot.start_time());

    let listed = client.repository(&repository)?.list(ListSnapshots::new()).await?;
    assert_eq!(listed.snapshots().iter().map(es_snapshot::SnapshotInfo::name).collect::<Vec<_>>(), [name.as_str()]);
    let pattern: SnapshotPattern = "snap-*".parse()?;
    let short =
        client.repository(&repository)?.list(ListSnapshots::new().with_pattern(pattern).with_verbose(false)).await?;
    assert_eq!(*short.snapshots()[0].state(), SnapshotState::Success);
    let status = client.repository(&repository)?.snapshot(&name)?.status().await?;
    assert_eq!((status.shards().total(), status.shards().done()), (2, 2));
    assert_eq!(client.running_snapshots().await?, []);

    let restored = format!("restored-{index}");
    let options = RestoreSnapshot::new().with_indices([index.as_str()]).with_rename("(.+)", "restored-$1");
    client.repository(&repository)?.snapshot(&name)?.restore(options).await?;
    let report = client
        .resume(RestoreTicket::new(&repository, &name)?.with_index(restored.as_str()))
        .with_deadline(Duration::from_secs(60))
        .await?
        .into_complete()?;
    assert_eq!((report.indices(), report.shards_total()), ([format!("restored-{index}")].as_slice(), 2));
    let count = live.node().raw(RawRequest::get([format!("restored-{index}"), "_count".to_owned()])).await?;
    assert_eq!(count.body()["count"], 20);

    client.repository(&repository)?.snapshot(&name)?.delete().await?;
    assert_eq!(
        refused(client.repository(&repository)?.snapshot(&name)?.info().await).kind(),
        ErrorKind::SnapshotMissing
    );
    client.repository(&repository)?.cleanup().await?;
    client.repository(&repository)?.unregister().await?;
    assert_eq!(refused(client.repository(&repository)?.info().await).kind(), ErrorKind::RepositoryMissing);
    Ok(())
}

async fn snapshots_are_streamed(live: Arc<Live>) -> Result<(), es_snapshot::Error> {
    let client = live.client().await;
    let index = live.index("streamed", 1).await?;
    let repository = live.repository(&client, "streamed").await?;
    for name in ["a", "b", "c"] {
        take(&client, &repository, &name.parse()?, &index).await?.into_complete()?;
    }
    let backups = client.repository(&repository)?;
    let names = async |options| {
        let snapshots: Vec<_> = backups.snapshots(options).try_collect().await?;
        Ok::<_, es_snapshot::Error>(snapshots.iter().map(|snapshot| snapshot.name().to_owned()).collect::<String>())
    };

    let whole = names(ListSnapshots::new()).await?;
    let short = names(ListSnapshots::new().with_verbose(false)).await?;
    let paged = names(ListSnapshots::new().with_page_size(2)).await;

    assert_eq!((whole.as_str(), short.len()), ("abc", 3));
    let server = client.server_info().await?;
    let is_elasticsearch = live.text("engine") == Some("elasticsearch");
    if is_elasticsearch && !server.version().starts_with("7.10") {
        assert_eq!(paged?, "abc");
    } else {
        assert_eq!(refused(paged).kind(), ErrorKind::InvalidRequest);
    }
    Ok(())
}

fn every_request_is_signed(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        the_whole_procedure_succeeds(Arc::clone(&live)).await?;

        let log = live.log().await;

        assert!(log.len() > 15, "the procedure must send more than {} requests", log.len());
        for entry in &log {
            assert_eq!(entry["verdict"], "signed", "{entry}");
        }
        Ok(())
    })
}

fn date_math_names_resolve_as_on_the_server(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let index = live.index("math", 1).await?;
        let repository = live.repository(&client, "math").await?;
        let expressions = [
            "<snap-{now/d}>",
            "<snap-{now/M{yyyy.MM}}>",
            "<snap-{now/d{yyyy-MM-dd|+09:00}}-x>",
            "<snap-{now-1M/M{yyyy.MM.dd}}-y>",
            "<snap-{now+36h/d{dd.MM.uuuu|-11:00}}>",
            "<snap-{now/w{yyyy.MM.dd}}-week>",
            "<snap-{now/y{yyyy}}-{now/d{MM}}>",
            "<snap-{now/h{yyyy.MM.dd-HH|Asia/Tokyo}}>",
            "<snap-{now-400d{yyyy.DDD|America/New_York}}>",
        ];
        for expression in expressions {
            let name: DateMathName = expression.parse()?;
            let before = client.repository(&repository)?.resolve(name.clone())?;

            let body = json!({"indices": index.as_str(), "include_global_state": false});
            let response = live
                .put_on_node(&["_snapshot", repository.as_str(), expression], "?wait_for_completion=true", &body)
                .await;
            let chosen = response["snapshot"]["snapshot"].clone();

            let after = client.repository(&repository)?.resolve(name.clone())?;
            assert!(
                chosen == before.as_str() || chosen == after.as_str(),
                "{expression}: the server chose {chosen}, the client {before}"
            );
            client.repository(&repository)?.snapshot(chosen.as_str().unwrap())?.delete().await?;
        }
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}

fn unusual_names_reach_the_right_snapshots(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let index = live.index("odd", 1).await?;
        let repository: RepositoryName = unique("odd.~(re'po)!@$&+;=:ü").parse()?;
        client.repository(&repository)?.register(live.s3(&unique("odd"))).await?;
        let names =
            ["a+b", "x:y", "semi;colon", "a=b&c", "(x)'!$@", "~t.-", "ünï", "日本", "trailing.", "a..b", "[x]{y}^`"];
        for text in names {
            let name: SnapshotName = text.parse()?;

            let snapshot = take(&client, &repository, &name, &index).await?;

            assert_eq!((snapshot.name(), snapshot.state()), (text, &SnapshotState::Success));
        }
        let listed = client.repository(&repository)?.list(ListSnapshots::new()).await?;
        assert_eq!(listed.snapshots().len(), names.len());
        for text in names {
            client.repository(&repository)?.snapshot(text)?.delete().await?;
        }
        assert_eq!(client.repository(&repository)?.list(ListSnapshots::new()).await?.into_complete()?, []);
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}

fn a_held_snapshot(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let index = live.index("held", 1).await?;
        let repository = live.repository(&client, "held").await?;
        let name: SnapshotName = "held".parse()?;
        let hold = live.steer(".hold", "");
        client
            .repository(&repository)?
            .create_snapshot(&name, CreateSnapshot::new().with_indices([index.as_str()]))
            .await?;

        let running = client.repository(&repository)?.snapshot(&name)?.info().await?;
        assert_eq!((running.state(), running.end_time(), running.duration()), (&SnapshotState::InProgress, None, None));
        assert_eq!(client.running_snapshots().await?.len(), 1);
        let wait = client.repository(&repository)?.snapshot(&name)?.wait().with_deadline(Duration::from_secs(2));
        assert_eq!(refused(wait.await).kind(), ErrorKind::Deadline);
        assert_eq!(refused(client.repository(&repository)?.unregister().await).kind(), ErrorKind::Busy);
        let again = client
            .repository(&repository)?
            .create_snapshot(&name, CreateSnapshot::new().with_indices([index.as_str()]))
            .await;
        assert_eq!(refused(again).kind(), ErrorKind::SnapshotNameTaken);
        let restore = client.repository(&repository)?.snapshot(&name)?.restore(RestoreSnapshot::new()).await;
        assert_eq!(refused(restore).kind(), ErrorKind::SnapshotMissing);

        drop(hold);
        let snapshot = client
            .repository(&repository)?
            .snapshot(&name)?
            .wait()
            .with_deadline(Duration::from_secs(60))
            .await?
            .into_complete()?;
        assert!(snapshot.end_time().is_some_and(|end| end > SystemTime::UNIX_EPOCH));
        client.repository(&repository)?.snapshot(&name)?.delete().await?;
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}

fn a_clone(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let index = live.index("clone", 1).await?;
        let repository = live.repository(&client, "clone").await?;
        let (source, target): (SnapshotName, SnapshotName) = ("source".parse()?, "target".parse()?);
        take(&client, &repository, &source, &index).await?.into_complete()?;

        client
            .repository(&repository)?
            .snapshot(&source)?
            .clone_to(&target, CloneSnapshot::new([index.as_str()]))
            .await?;

        let clone = client
            .repository(&repository)?
            .snapshot(&target)?
            .wait()
            .with_deadline(Duration::from_secs(60))
            .await?
            .into_complete()?;
        assert_eq!(clone.indices(), [index.as_str()]);
        assert_eq!(clone.token(), None);
        let again =
            client.repository(&repository)?.snapshot(&source)?.clone_to(&target, CloneSnapshot::new(["*"])).await;
        assert_eq!(refused(again).kind(), ErrorKind::SnapshotNameTaken);
        let pattern = SnapshotPattern::new(["source", "absent", "targ*"])?;
        let deleted = client.repository(&repository)?.delete_snapshots(pattern).await?;
        assert!(deleted.deleted().len() == 2 && deleted.is_complete(), "{deleted:?}");
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}

fn a_queue(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let index = live.index("queue", 1).await?;
        let repository = live.repository(&client, "queue").await?;
        let name: SnapshotName = "running".parse()?;
        let hold = live.steer(".hold", "");
        client
            .repository(&repository)?
            .create_snapshot(&name, CreateSnapshot::new().with_indices([index.as_str()]))
            .await?;
        let error = refused(client.repository(&repository)?.unregister().await);
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.to_string().contains(&format!("running: {repository}:{name}")), "{error}");

        let queued = client.with_queue_time(Duration::from_secs(60));
        let (queued, at_once) = (queued.repository(&repository)?, client.repository(&repository)?);
        let release = async {
            refused(at_once.unregister().await);
            drop(hold);
        };
        let (unregistered, ()) = futures_util::join!(queued.unregister(), release);

        unregistered?;
        Ok(())
    })
}

fn an_earlier_process(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let index = live.index("token", 1).await?;
        let repository = live.repository(&client, "token").await?;
        let name: SnapshotName = "once".parse()?;
        let token = SnapshotToken::random();
        let options = CreateSnapshot::new().with_indices([index.as_str()]).with_token(token.clone());
        client.repository(&repository)?.create_snapshot(&name, options.clone()).await?;

        let again = client.repository(&repository)?.create_snapshot(&name, options.clone()).await?;
        let another =
            client.repository(&repository)?.create_snapshot(&name, options.with_token(SnapshotToken::random())).await;

        assert_eq!(again.how(), HowStarted::Adopted);
        assert_eq!(again.info().unwrap().token(), Some(token.as_str()));
        assert_eq!(refused(another).kind(), ErrorKind::SnapshotNameTaken);
        let ticket = SnapshotTicket::new(&repository, &name)?.with_token(token);
        client.resume(ticket).with_deadline(Duration::from_secs(60)).await?.into_complete()?;
        client.repository(&repository)?.snapshot(&name)?.delete().await?;
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}

fn a_partial_snapshot(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let index = live.index("partial", 2).await?;
        let repository = live.repository(&client, "partial").await?;
        let failing = live.steer(".fail-shard-1", "");

        let snapshot = take(&client, &repository, &"partial".parse()?, &index).await?;

        drop(failing);
        assert_eq!(*snapshot.state(), SnapshotState::Partial);
        assert_eq!(
            snapshot.failures().iter().map(|failure| (failure.index(), failure.shard_id())).collect::<Vec<_>>(),
            [(index.as_str(), Some(1))]
        );
        let error = refused(snapshot.into_complete());
        assert_eq!(error.kind(), ErrorKind::Incomplete);
        assert!(error.to_string().contains("PARTIAL"), "{error}");
        client.repository(&repository)?.snapshot("partial")?.delete().await?;
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}

fn a_restore_to_nowhere(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let index = live.index("nowhere", 2).await?;
        let repository = live.repository(&client, "nowhere").await?;
        let name: SnapshotName = "whole".parse()?;
        take(&client, &repository, &name, &index).await?.into_complete()?;
        // Like an index from a domain whose nodes have other attributes.
        let nowhere = json!({"index.routing.allocation.require._name": "nobody"}).as_object().cloned().unwrap();
        let options = RestoreSnapshot::new()
            .with_indices([index.as_str()])
            .with_rename("(.+)", "moved-$1")
            .with_index_settings(nowhere);

        client.repository(&repository)?.snapshot(&name)?.restore(options).await?;
        let report =
            client.resume(RestoreTicket::new(&repository, &name)?).with_deadline(Duration::from_secs(60)).await?;

        live.node().raw(RawRequest::new(Method::DELETE, [format!("moved-{index}")])).await?;
        assert_eq!((report.unrestored().len(), report.shards_total()), (2, 2));
        for shard in report.unrestored() {
            assert!(shard.reason().contains("nobody") && shard.reason().contains("failed to be restored"), "{shard}");
        }
        client.repository(&repository)?.snapshot(&name)?.delete().await?;
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}

fn a_failed_restore(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let index = live.index("broken", 2).await?;
        let repository = live.repository(&client, "broken").await?;
        let name: SnapshotName = "whole".parse()?;
        take(&client, &repository, &name, &index).await?.into_complete()?;
        let options = RestoreSnapshot::new().with_indices([index.as_str()]).with_rename("(.+)", "again-$1");
        client.repository(&repository)?.snapshot(&name)?.restore(options).await?;
        let report = client
            .resume(RestoreTicket::new(&repository, &name)?)
            .with_deadline(Duration::from_secs(60))
            .await?
            .into_complete()?;
        assert_eq!(report.shards_total(), 2);

        // Removes the files of the shards, but not the metadata that names them.
        let (_, folder) = live.bucket();
        let indices = folder.unwrap().join(repository.as_str()).join("indices");
        for entry in std::fs::read_dir(indices).unwrap() {
            std::fs::remove_dir_all(entry.unwrap().path().join("0")).unwrap();
        }
        let options = RestoreSnapshot::new().with_indices([index.as_str()]).with_rename("(.+)", "never-$1");
        client.repository(&repository)?.snapshot(&name)?.restore(options).await?;
        let never = format!("never-{index}");
        let report = client
            .resume(RestoreTicket::new(&repository, &name)?.with_index(never.as_str()))
            .with_deadline(Duration::from_secs(60))
            .await?;

        assert!(!report.unrestored().is_empty());
        for shard in report.unrestored() {
            assert_eq!((shard.index(), shard.shard()), (format!("never-{index}").as_str(), Some(0)), "{shard}");
        }
        assert_eq!(refused(report.into_complete()).kind(), ErrorKind::Incomplete);
        Ok(())
    })
}

fn a_snapshot_without_its_file(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let index = live.index("fileless", 1).await?;
        let repository = live.repository(&client, "fileless").await?;
        let name: SnapshotName = "fileless".parse()?;
        let snapshot = take(&client, &repository, &name, &index).await?.into_complete()?;
        let file = format!("snap-{}.dat", snapshot.uuid().unwrap());
        std::fs::remove_file(live.bucket().1.unwrap().join(repository.as_str()).join(file)).unwrap();
        assert_eq!(
            refused(client.repository(&repository)?.snapshot(&name)?.info().await).kind(),
            ErrorKind::SnapshotMissing
        );

        take(&client, &repository, &"other".parse()?, &index).await?.into_complete()?;
        let listed: Vec<_> = client.repository(&repository)?.snapshots(ListSnapshots::new()).collect().await;
        let errors: Vec<String> = listed.iter().filter_map(|one| one.as_ref().err().map(ToString::to_string)).collect();
        assert_eq!((listed.len(), errors.len()), (2, 1), "{listed:?}");
        assert!(errors[0].contains(r#"cannot read snapshot "fileless""#), "{errors:?}");

        client.repository(&repository)?.snapshot(&name)?.delete().await?;

        let left = client.repository(&repository)?.list(ListSnapshots::new().with_verbose(false)).await?;
        assert_eq!(left.snapshots().iter().map(es_snapshot::SnapshotInfo::name).collect::<Vec<_>>(), ["other"]);
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}
