//! Requests that a real domain refuses, and the kinds of error that the client returns.

#[allow(dead_code, reason = "each live suite uses only a part of it")]
#[path = "support/live.rs"]
mod live;

use std::process::ExitCode;
use std::sync::Arc;

use aws_credential_types::Credentials;
use es_snapshot::client::RawRequest;
use es_snapshot::error::ServerLayer;
use es_snapshot::name::{RepositoryName, SnapshotName};
use es_snapshot::snapshot::SnapshotStatusState;
use es_snapshot::{
    Auth, CloneSnapshot, CreateSnapshot, ErrorKind, ListSnapshots, Outcome as Known, RestoreSnapshot, S3Settings,
    SnapshotClient, SnapshotInfo, SnapshotState,
};
use http::Method;
use live::{Live, LiveTest, Need, Outcome, refused, take, unique};
use serde_json::json;

fn main() -> ExitCode {
    live::main(vec![
        LiveTest {
            name: "a_wrong_secret_is_reported_as_a_refused_signature",
            needs: &[Need::SigV4, Need::Gate],
            run: a_wrong_secret,
        },
        LiveTest {
            name: "a_wrong_region_is_reported_as_a_refused_signature",
            needs: &[Need::SigV4, Need::Gate],
            run: a_wrong_region,
        },
        LiveTest {
            name: "an_unknown_token_is_reported_as_an_expired_token",
            needs: &[Need::SigV4, Need::Gate],
            run: an_unknown_token,
        },
        LiveTest { name: "an_unsigned_request_is_denied", needs: &[Need::SigV4], run: an_unsigned_request },
        LiveTest {
            name: "a_registration_with_a_role_that_may_not_be_passed_is_denied",
            needs: &[Need::Gate],
            run: a_role_that_may_not_be_passed,
        },
        LiveTest { name: "a_missing_role_is_reported", needs: &[Need::SigV4, Need::Gate], run: a_missing_role },
        LiveTest { name: "a_missing_bucket_fails_verification", needs: &[Need::Steering], run: a_missing_bucket },
        LiveTest {
            name: "a_bucket_in_another_region_fails_verification",
            needs: &[Need::Steering],
            run: a_bucket_in_another_region,
        },
        LiveTest { name: "every_operation_reports_a_missing_repository", needs: &[], run: a_missing_repository },
        LiveTest { name: "every_operation_reports_a_missing_snapshot", needs: &[], run: a_missing_snapshot },
        LiveTest { name: "a_create_reports_a_name_that_is_taken", needs: &[], run: a_taken_name },
        LiveTest { name: "a_create_reports_a_missing_index", needs: &[], run: a_missing_index },
        LiveTest { name: "a_create_is_rejected_if_an_index_has_no_primary", needs: &[], run: a_missing_primary },
        LiveTest { name: "a_clone_of_no_index_is_rejected", needs: &[], run: a_clone_of_no_index },
        LiveTest {
            name: "a_create_whose_snapshot_is_deleted_is_not_resent",
            needs: &[Need::Steering],
            run: a_deleted_create,
        },
        LiveTest { name: "a_restore_over_an_open_index_is_rejected", needs: &[], run: an_open_index },
        LiveTest { name: "a_wrong_password_is_reported", needs: &[Need::Basic], run: a_wrong_password },
        LiveTest {
            name: "an_unknown_authority_is_reported_as_a_failed_connection",
            needs: &[Need::Tls],
            run: an_unknown_authority,
        },
    ])
}

fn a_wrong_secret(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let known = live.credentials().await;
        let token = known.session_token().map(str::to_owned);
        let wrong = Credentials::new(known.access_key_id(), "not-the-secret", token.clone(), None, "test");
        let client = live.plain_builder().credentials(wrong).build()?;

        let error = refused(client.repositories().await);

        assert_eq!((error.kind(), error.outcome(), error.attempts()), (ErrorKind::Signature, Known::Rejected, 1));
        assert_eq!(error.server().map(es_snapshot::error::ServerError::layer), Some(ServerLayer::Signature));
        // The gate echoes the canonical request, token included.
        assert!(!format!("{error:?}").contains(&token.unwrap()), "the error must not contain the token");
        Ok(())
    })
}

fn a_wrong_region(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.plain_builder().region("eu-north-1").credentials(live.credentials().await).build()?;

        assert_eq!(refused(client.repositories().await).kind(), ErrorKind::Signature);
        Ok(())
    })
}

fn an_unknown_token(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let known = live.credentials().await;
        let stale =
            Credentials::new(known.access_key_id(), known.secret_access_key(), Some("stale".to_owned()), None, "test");
        let client = live.plain_builder().credentials(stale).build()?;

        assert_eq!(refused(client.repositories().await).kind(), ErrorKind::ExpiredToken);
        Ok(())
    })
}

fn an_unsigned_request(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.plain_builder().build()?;

        let error = refused(client.repositories().await);

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::AccessDenied, Known::Rejected));
        Ok(())
    })
}

fn a_role_that_may_not_be_passed(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let settings = live.s3("x").with_role_arn(live.given("other_role_arn"));
        // The registration must be signed, whichever authentication the domain uses otherwise.
        let client = live.plain_builder().credentials(es_snapshot::default_credentials().await).build()?;

        let error = refused(client.repository(unique("denied"))?.register(settings).await);

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::AccessDenied, Known::Rejected));
        assert!(error.to_string().contains("iam:PassRole"), "{error}");
        Ok(())
    })
}

fn a_missing_role(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let settings = S3Settings::new(live.bucket().0);

        let error = refused(client.repository(unique("roleless"))?.register(settings).await);

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::MissingRoleArn, Known::Rejected));
        Ok(())
    })
}

fn a_missing_bucket(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let name: RepositoryName = unique("bucketless").parse()?;
        let settings = S3Settings::new("no-such-bucket").with_role_arn(live.given("role_arn"));

        let error = refused(client.repository(&name)?.register(settings).await);

        assert_eq!(error.kind(), ErrorKind::RepositoryVerification);
        assert!(error.to_string().contains("bucket does not exist"), "{error}");
        // The repository stays registered, except on Elasticsearch 8 and later.
        let _ = client.repository(&name)?.unregister().await;
        Ok(())
    })
}

fn a_bucket_in_another_region(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let name: RepositoryName = unique("elsewhere").parse()?;
        let elsewhere = live.steer(".region", "eu-west-1");

        let error = refused(client.repository(&name)?.register(live.s3("x")).await);

        drop(elsewhere);
        assert_eq!(error.kind(), ErrorKind::RepositoryVerification);
        assert!(error.to_string().contains("eu-west-1"), "{error}");
        let _ = client.repository(&name)?.unregister().await;
        Ok(())
    })
}

fn a_missing_repository(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let (none, name) = (unique("none"), "x");

        let errors = [
            refused(client.repository(&none)?.info().await),
            refused(client.repository(&none)?.verify().await),
            refused(client.repository(&none)?.cleanup().await),
            refused(client.repository(&none)?.unregister().await),
            refused(client.repository(&none)?.create_snapshot(name, CreateSnapshot::new()).await),
            refused(client.repository(&none)?.snapshot(name)?.info().await),
            refused(client.repository(&none)?.list(ListSnapshots::new()).await),
            refused(client.repository(&none)?.snapshot(name)?.status().await),
            refused(client.repository(&none)?.snapshot(name)?.delete().await),
            refused(client.repository(&none)?.snapshot(name)?.restore(RestoreSnapshot::new()).await),
        ];

        for error in errors {
            assert_eq!(error.kind(), ErrorKind::RepositoryMissing, "{error}");
            assert!(error.is_not_found() && error.outcome() == Known::Rejected);
        }
        Ok(())
    })
}

fn a_missing_snapshot(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let repository = live.repository(&client, "empty").await?;
        let name = "missing";

        let errors = [
            refused(client.repository(&repository)?.snapshot(name)?.info().await),
            refused(client.repository(&repository)?.snapshot(name)?.status().await),
            refused(client.repository(&repository)?.snapshot(name)?.delete().await),
        ];
        let restore = refused(
            client.repository(&repository)?.snapshot(name)?.restore(RestoreSnapshot::new().with_indices(["x"])).await,
        );

        // A security plugin first reads the indices of the snapshot. It denies access without them.
        let secured = live.text("node_user").is_some();
        assert!(
            restore.kind() == ErrorKind::SnapshotMissing || secured && restore.kind() == ErrorKind::AccessDenied,
            "{restore}"
        );
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::SnapshotMissing, "{error}");
        }
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}

fn a_taken_name(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let index = live.index("taken", 1).await?;
        let repository = live.repository(&client, "taken").await?;
        let name = "taken".parse()?;
        take(&client, &repository, &name, &index).await?.into_complete()?;

        let error = refused(client.repository(&repository)?.create_snapshot(&name, CreateSnapshot::new()).await);

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::SnapshotNameTaken, Known::Rejected));
        client.repository(&repository)?.snapshot(&name)?.delete().await?;
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}

fn a_missing_index(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let repository = live.repository(&client, "indexless").await?;

        let options = CreateSnapshot::new().with_indices([unique("absent")]);
        let error = refused(client.repository(&repository)?.create_snapshot("x", options).await);

        assert_eq!(error.kind(), ErrorKind::IndexMissing);
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}

fn a_missing_primary(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let repository = live.repository(&client, "red").await?;
        let index = unique("red");
        let nowhere =
            json!({"settings": {"number_of_replicas": 0, "index.routing.allocation.require._name": "nobody"}});
        let create =
            RawRequest::new(Method::PUT, [&index]).with_query("wait_for_active_shards", "0").with_body(nowhere);
        live.node().raw(create).await?;

        let options = CreateSnapshot::new().with_indices([&index]);
        let error = refused(client.repository(&repository)?.create_snapshot("x", options).await);

        live.node().raw(RawRequest::new(Method::DELETE, [index])).await?;
        assert_eq!(
            (error.kind(), error.outcome(), error.attempts()),
            (ErrorKind::Server, Known::Rejected, 1),
            "{error}"
        );
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}

fn a_clone_of_no_index(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let index = live.index("nothing", 1).await?;
        let repository = live.repository(&client, "nothing").await?;
        let (name, target): (SnapshotName, _) = ("source".parse()?, "target");
        take(&client, &repository, &name, &index).await?.into_complete()?;

        let error = refused(
            client.repository(&repository)?.snapshot(&name)?.clone_to(target, CloneSnapshot::new(["absent*"])).await,
        );

        assert_eq!(
            (error.kind(), error.outcome(), error.attempts()),
            (ErrorKind::Server, Known::Rejected, 1),
            "{error}"
        );
        client.repository(&repository)?.snapshot(&name)?.delete().await?;
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}

/// Repeats a check until it returns true.
async fn wait_until(condition: impl AsyncFn() -> bool) {
    for _ in 0..5000 {
        if condition().await {
            return;
        }
    }
    panic!("the condition is still false after 5000 checks");
}

fn a_deleted_create(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let index = live.index("aborted", 1).await?;
        let repository = live.repository(&client, "aborted").await?;
        let name = "aborted";
        let snapshot = client.repository(&repository)?.snapshot(name)?;
        let hold = live.steer(".hold", "");

        let options = CreateSnapshot::new().with_indices([index.as_str()]);
        let delete = async {
            wait_until(async || snapshot.info().await.is_ok()).await;
            let release = async {
                let aborted = async || match snapshot.status().await {
                    Ok(status) => *status.state() == SnapshotStatusState::Aborted,
                    Err(_) => true,
                };
                wait_until(aborted).await;
                drop(hold);
            };
            futures_util::join!(snapshot.delete(), release).0
        };
        let (created, deleted) = futures_util::join!(
            client.repository(&repository)?.create_snapshot(name, options.clone().with_wait_for_completion(true)),
            delete
        );

        deleted?;
        // Once a shard has started, the server returns the failed snapshot; before that, an error.
        match created {
            Ok(created) => {
                assert_eq!(created.info().map(SnapshotInfo::state), Some(&SnapshotState::Failed));
            }
            Err(error) => assert_eq!((error.kind(), error.outcome()), (ErrorKind::Server, Known::Rejected), "{error}"),
        }
        assert_eq!(
            refused(client.repository(&repository)?.snapshot(name)?.info().await).kind(),
            ErrorKind::SnapshotMissing
        );
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}

fn an_open_index(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.client().await;
        let index = live.index("open", 1).await?;
        let repository = live.repository(&client, "open").await?;
        let name = "open".parse()?;
        take(&client, &repository, &name, &index).await?.into_complete()?;

        let options = RestoreSnapshot::new().with_indices([index.as_str()]);
        let error = refused(client.repository(&repository)?.snapshot(&name)?.restore(options).await);

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Restore, Known::Rejected));
        client.repository(&repository)?.snapshot(&name)?.delete().await?;
        client.repository(&repository)?.unregister().await?;
        Ok(())
    })
}

fn a_wrong_password(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        let client = live.plain_builder().auth(Auth::basic("master", "wrong")?).build()?;

        let error = refused(client.repositories().await);

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unauthenticated, Known::Rejected));
        Ok(())
    })
}

fn an_unknown_authority(live: Arc<Live>) -> Outcome {
    Box::pin(async move {
        // The compiled-in certificate authorities do not include the one of the domain.
        let client =
            SnapshotClient::builder(live.given("endpoint")).retry(es_snapshot::RetryPolicy::never()).build()?;

        let error = refused(client.repositories().await);

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Known::NotSent));
        Ok(())
    })
}
