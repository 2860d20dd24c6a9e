//! Registering a repository on a real server until it works.

#[allow(dead_code, reason = "each live suite uses only a part of it")]
#[path = "support/live.rs"]
mod live;

use std::process::ExitCode;
use std::sync::Arc;

use es_snapshot::iam::RoleMapping;
use es_snapshot::registration::RegistrationChange;
use es_snapshot::repository::OtherSettings;
use es_snapshot::{ErrorKind, Outcome as Known, Repository, S3Settings};
use live::{Live, LiveTest, Need, Outcome, refused, unique};
use serde_json::{Value, json};

fn main() -> ExitCode {
    live::main(vec![
        LiveTest {
            name: "a_registration_is_created_once_and_then_unchanged",
            needs: &[Need::Steering],
            run: created_then_unchanged,
        },
        LiveTest {
            name: "the_form_of_a_setting_does_not_matter",
            needs: &[Need::Steering],
            run: the_form_of_a_setting,
        },
        LiveTest {
            name: "other_settings_are_replaced_only_with_consent",
            needs: &[Need::Steering],
            run: other_settings,
        },
        LiveTest {
            name: "another_type_of_repository_is_a_difference",
            needs: &[Need::Steering],
            run: another_type_of_repository,
        },
        LiveTest {
            name: "a_registration_waits_for_access_to_the_bucket",
            needs: &[Need::Gate, Need::Steering],
            run: access_to_the_bucket,
        },
        LiveTest {
            name: "a_registration_waits_for_the_permission_to_pass_the_role",
            needs: &[Need::Gate, Need::Steering],
            run: permission_to_pass_the_role,
        },
        LiveTest {
            name: "an_unchanged_registration_is_verified_where_verify_is_not_allowed",
            needs: &[Need::Gate, Need::Steering],
            run: verify_is_not_allowed,
        },
        LiveTest {
            name: "a_bucket_in_another_region_is_registered_by_the_global_endpoint",
            needs: &[Need::Gate, Need::Steering],
            run: a_bucket_in_another_region,
        },
        LiveTest {
            name: "a_failed_registration_reports_whether_it_stays",
            needs: &[Need::Steering],
            run: a_failed_registration,
        },
        LiveTest { name: "a_rollback_leaves_nothing_registered", needs: &[Need::Steering], run: a_rollback },
        LiveTest {
            name: "a_rollback_restores_the_settings_that_were_replaced",
            needs: &[Need::Steering],
            run: a_rollback_of_a_replacement,
        },
        LiveTest {
            name: "a_caller_is_mapped_once_and_the_mapping_keeps_its_users",
            needs: &[Need::NodeUser],
            run: a_caller_is_mapped,
        },
    ])
}

async fn repository(live: &Live, test: &str) -> Repository {
    live.client().await.repository(unique(test)).unwrap()
}

/// Whether a failed verification leaves nothing registered.
fn verifies_first(live: &Live) -> bool {
    live.text("engine") == Some("elasticsearch")
        && live.text("version").is_some_and(|version| !version.starts_with('7'))
}

fn created_then_unchanged(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let repository = repository(&live, "fresh").await;
        let settings = live.s3(repository.name().as_str());

        let first = repository.ensure_registered(settings.clone()).await?;
        let second = repository.ensure_registered(settings.clone()).await?;

        assert_eq!((first.change(), second.change()), (RegistrationChange::Created, RegistrationChange::Unchanged));
        assert_eq!(*second.settings(), settings.into());
        repository.unregister().await
    })
}

fn the_form_of_a_setting(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let repository = repository(&live, "form").await;
        let name = repository.name().as_str();
        let settings = live
            .s3(&format!("{name}/"))
            .with_compress(true)
            .with_readonly(false)
            .with_chunk_size((64 << 20).into())
            .with_max_restore_bytes_per_sec("40mb".parse()?)
            .with_setting("max_number_of_snapshots", 500)
            .with_setting("throttled_delete_retry.delay_increment", "50ms")
            .with_setting("list", json!(["a", 1, true]))
            .with_setting("nothing", Value::Null);
        repository.ensure_registered(settings.clone()).await?;

        let same = repository.ensure_registered(settings).await?;
        let otherwise = live
            .s3(name)
            .with_setting("compress", "true")
            .with_setting("chunk_size", "65536kb")
            .with_setting("max_restore_bytes_per_sec", "40960kb")
            .with_setting("max_number_of_snapshots", "500")
            .with_setting("throttled_delete_retry", json!({"delay_increment": "50ms"}))
            .with_setting("list", json!(["a", "1", "true"]));
        let equal = repository.ensure_registered(otherwise).await?;

        assert_eq!((same.change(), equal.change()), (RegistrationChange::Unchanged, RegistrationChange::Unchanged));
        repository.unregister().await
    })
}

fn other_settings(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let repository = repository(&live, "differs").await;
        let (old, new) = (live.s3("old").with_compress(true), live.s3("new"));
        repository.register(old.clone()).await?;

        let error = refused(repository.ensure_registered(new.clone()).await);
        let untouched = repository.info().await?;
        let replaced = repository.ensure_registered(new.clone()).with_overwrite(true).await?;

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::RepositoryDiffers, Known::NotSent));
        let named = [r#""base_path" is "old", expected "new""#, r#""compress" is "true", expected none"#];
        assert!(named.iter().all(|part| error.to_string().contains(part)), "{error}");
        assert_eq!(*untouched.settings(), old.clone().into());
        assert_eq!(replaced.change(), RegistrationChange::Replaced);
        assert_eq!((replaced.settings(), replaced.previous()), (&new.into(), Some(&old.into())));
        repository.unregister().await
    })
}

fn another_type_of_repository(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let repository = repository(&live, "type").await;
        repository.register(live.s3(repository.name().as_str())).await?;

        let files = OtherSettings::new("fs").with_setting("location", repository.name().as_str());
        let error = refused(repository.ensure_registered(files).await);

        assert_eq!(error.kind(), ErrorKind::RepositoryDiffers);
        assert!(error.to_string().contains(r#""type" is "s3", expected "fs""#), "{error}");
        repository.unregister().await
    })
}

/// Returns the statuses of the registrations of this repository so far.
async fn statuses(live: &Live, repository: &Repository) -> Vec<u64> {
    let is_registration = |entry: &Value| {
        let path = entry["path"].as_str().unwrap_or_default().split('?').next().unwrap_or_default();
        entry["method"] == "PUT" && path == format!("/_snapshot/{}", repository.name())
    };
    live.log()
        .await
        .iter()
        .filter(|entry| is_registration(entry))
        .filter_map(|entry| entry["status"].as_u64())
        .collect()
}

fn access_to_the_bucket(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let repository = repository(&live, "denied").await;
        let settings = live.s3(repository.name().as_str());
        let denied = live.steer(".deny", "");

        let allow = async {
            while statuses(&live, &repository).await.is_empty() {}
            drop(denied);
        };
        let (registered, ()) = futures_util::join!(repository.ensure_registered(settings).into_future(), allow);

        assert_eq!(registered?.change(), RegistrationChange::Created);
        assert_eq!(statuses(&live, &repository).await, [500, 200]);
        repository.unregister().await
    })
}

fn permission_to_pass_the_role(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let repository = repository(&live, "passed").await;
        let settings = live.s3(repository.name().as_str());
        let text = "User: arn:aws:sts::123456789012:assumed-role/Backup/i-0abc is not authorized to perform: \
                    iam:PassRole on resource: arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
        live.gate(
            "faults",
            json!([{"method": "PUT", "path": "^/_snapshot/", "times": 2, "action": "status", "status": 403,
                    "body": json!({"Message": text}).to_string(), "content_type": "application/json"}]),
        )
        .await;

        let registered = repository.ensure_registered(settings).await?;

        assert_eq!(registered.change(), RegistrationChange::Created);
        assert_eq!(statuses(&live, &repository).await, [403, 403, 200]);
        repository.unregister().await
    })
}

fn verify_is_not_allowed(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let repository = repository(&live, "verify").await;
        let settings = live.s3(repository.name().as_str());
        repository.register(settings.clone()).await?;
        let refusal = json!({"Message": "Your request: '/_snapshot/r/_verify' is not allowed."});
        live.gate(
            "faults",
            json!([{"method": "POST", "path": "_verify$", "action": "status", "status": 401,
                    "body": refusal.to_string(), "content_type": "application/json"}]),
        )
        .await;

        let registered = repository.ensure_registered(settings).await?;

        assert_eq!(registered.change(), RegistrationChange::Unchanged);
        assert_eq!(statuses(&live, &repository).await, [200, 200]);
        repository.unregister().await
    })
}

fn a_bucket_in_another_region(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let repository = repository(&live, "elsewhere").await;
        let settings = live.s3(repository.name().as_str());
        let elsewhere = live.steer(".region", "us-east-2");

        let first = repository.ensure_registered(settings.clone()).await?;
        let second = repository.ensure_registered(settings).await?;

        drop(elsewhere);
        let (bucket, role) = (live.bucket().0, live.given("role_arn"));
        let in_force = S3Settings::new(bucket)
            .with_endpoint("s3.amazonaws.com")
            .with_base_path(repository.name().as_str())
            .with_role_arn(role);
        assert_eq!((first.change(), second.change()), (RegistrationChange::Created, RegistrationChange::Unchanged));
        assert_eq!(*first.settings(), in_force.into());
        repository.unregister().await
    })
}

fn missing_bucket(live: &Live) -> S3Settings {
    S3Settings::new("no-such-bucket").with_role_arn(live.given("role_arn"))
}

fn a_failed_registration(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let repository = repository(&live, "stays").await;

        let error = refused(repository.ensure_registered(missing_bucket(&live)).await);

        assert_eq!(error.kind(), ErrorKind::RepositoryVerification);
        let (text, is_registered) =
            if verifies_first(&live) { ("is not registered", false) } else { ("stays registered", true) };
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(repository.unregister().await.is_ok(), is_registered);
        Ok(())
    })
}

fn a_rollback(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let repository = repository(&live, "undone").await;

        let error = refused(repository.ensure_registered(missing_bucket(&live)).with_rollback(true).await);

        let text = if verifies_first(&live) { "is not registered" } else { "was unregistered again" };
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(refused(repository.info().await).kind(), ErrorKind::RepositoryMissing);
        Ok(())
    })
}

fn a_rollback_of_a_replacement(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let repository = repository(&live, "restored").await;
        let settings = live.s3(repository.name().as_str()).with_compress(true);
        repository.register(settings.clone()).await?;

        let wanted = repository.ensure_registered(missing_bucket(&live));
        let error = refused(wanted.with_overwrite(true).with_rollback(true).await);

        let text = if verifies_first(&live) { "is registered as before" } else { "were restored" };
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(*repository.info().await?.settings(), settings.into());
        repository.unregister().await
    })
}

fn a_caller_is_mapped(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let (node, caller) = (live.node(), format!("arn:aws:iam::123456789012:role/{}", unique("caller")));
        let mapping = RoleMapping::for_opensearch(caller.parse()?);
        let before = node.raw(mapping.read()).await?.into_body();

        node.raw(mapping.add(&before).unwrap()).await?;

        let after = node.raw(mapping.read()).await?.into_body();
        let list = |body: &Value, kind: &str| body["manage_snapshots"][kind].as_array().cloned().unwrap_or_default();
        assert_eq!(list(&after, "users"), list(&before, "users"));
        let expected = [list(&before, "backend_roles"), vec![json!(caller)]].concat();
        assert_eq!(list(&after, "backend_roles"), expected);
        assert!(mapping.add(&after).is_none());
        Ok(())
    })
}
