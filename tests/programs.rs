//! The programs of `examples/`, run against a fake domain.

#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials as _;
use es_snapshot::auth::CredentialCache;
use es_snapshot::client::RetryBudget;
use es_snapshot::clock::Clock as _;
use es_snapshot::error::Operation;
use es_snapshot::testing::{Event, FakeDomain, FakeOutcome, FakeTransport, Fault, ManualClock};
use es_snapshot::transport::HyperTransport;
use es_snapshot::wait::{AnyOutcome, HowStarted, TicketState};
use es_snapshot::{CreateSnapshot, ErrorKind, SnapshotClient};
use futures_util::future::select;
use http::StatusCode;

#[path = "../examples/backup_service.rs"]
#[expect(dead_code, reason = "its `main` is not run")]
mod backup_service;
#[path = "../examples/doctor.rs"]
#[expect(dead_code, reason = "its `main` is not run")]
mod doctor;
#[path = "../examples/fleet.rs"]
#[expect(dead_code, reason = "its `main` is not run")]
mod fleet;
#[path = "../examples/nightly_job.rs"]
#[expect(dead_code, reason = "its `main` is not run")]
mod nightly_job;
#[path = "../examples/register_repository.rs"]
#[expect(dead_code, reason = "its `main` is not run")]
mod register_repository;
#[path = "../examples/restore_to_staging.rs"]
#[expect(dead_code, reason = "its `main` is not run")]
mod restore_to_staging;
#[path = "../examples/vault_and_metrics.rs"]
#[expect(dead_code, reason = "its `main` is not run")]
mod vault_and_metrics;

#[path = "support/movies.rs"]
mod movies;

use movies::{backups, domain};
use vault_and_metrics::{Lease, Metrics, Vault};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn names(domain: &FakeDomain) -> Vec<String> {
    domain.snapshots("backups").into_iter().map(|snapshot| snapshot.name).collect()
}

/// Returns how many requests of this operation the domain has carried out.
fn executed(domain: &FakeDomain, operation: Operation) -> usize {
    domain.events().iter().filter(|event| event.operation == Some(operation) && event.executed).count()
}

/// Runs a future until this time has passed on the clock of the domain, then drops it.
async fn drop_after<F: Future>(domain: &FakeDomain, time: Duration, future: F) {
    select(Box::pin(future), domain.clock().unwrap().sleep(time)).await;
}

mod the_backup_service {
    use super::*;
    use backup_service::{check_backup, finish, new_ticket, start_backup};

    #[tokio::test]
    async fn finishes_by_the_stored_ticket_with_a_separate_client() {
        let domain = domain().await;
        let ticket = new_ticket(&backups(&domain), "monday").unwrap();
        start_backup(&domain.client(), &ticket).await.unwrap();

        let outcome = finish(&domain.client(), &ticket).await.unwrap();

        assert!(
            matches!(outcome, AnyOutcome::Snapshot(snapshot) if snapshot.name() == "monday" && snapshot.is_complete())
        );
    }

    #[tokio::test]
    async fn shows_the_progress_of_a_running_backup() {
        let domain = domain().await;
        domain.hold_snapshots(true);
        let ticket = new_ticket(&backups(&domain), "monday").unwrap();
        start_backup(&domain.client(), &ticket).await.unwrap();

        let state = check_backup(&domain.client(), &ticket).await.unwrap();

        assert!(matches!(state, TicketState::Running(now) if now.shards_total() == 2));
    }

    #[tokio::test]
    async fn reports_a_backup_that_was_not_started_as_not_found() {
        let domain = domain().await;
        let ticket = new_ticket(&backups(&domain), "monday").unwrap();

        let state = check_backup(&domain.client(), &ticket).await.unwrap();

        assert_eq!(state, TicketState::NotFound);
    }

    #[tokio::test]
    async fn adopts_the_backup_whose_handler_was_dropped_midway() {
        let domain = domain().await;
        let ticket = new_ticket(&backups(&domain), "monday").unwrap();
        domain.fault(Fault::delay(Duration::from_secs(50)).on_method("PUT").times(1));
        drop_after(&domain, Duration::from_secs(10), start_backup(&domain.client(), &ticket)).await;

        let how = start_backup(&domain.client(), &ticket).await.unwrap();

        assert_eq!((how, names(&domain)), (HowStarted::Adopted, vec!["monday".to_owned()]));
    }

    #[tokio::test]
    async fn responds_with_a_conflict_to_a_name_that_is_taken() {
        let domain = domain().await;
        let first = new_ticket(&backups(&domain), "monday").unwrap();
        start_backup(&domain.client(), &first).await.unwrap();
        let second = new_ticket(&backups(&domain), "monday").unwrap();

        let failure = start_backup(&domain.client(), &second).await.unwrap_err();

        assert_eq!(failure.0, 409, "{failure:?}");
    }
}

mod the_nightly_job {
    use super::*;
    use nightly_job::run;

    const KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// Places a snapshot that started this many days ago.
    fn place(domain: &FakeDomain, name: &str, days: u32, outcome: FakeOutcome) {
        domain.place_snapshot("backups", name, domain.clock().unwrap().wall() - days * DAY, outcome);
    }

    /// Places three complete snapshots of the last three nights.
    fn place_recent(domain: &FakeDomain) {
        (1..=3).for_each(|days| place(domain, &format!("nightly-recent-{days}"), days, FakeOutcome::Success));
    }

    #[tokio::test]
    async fn names_the_snapshot_by_the_date() {
        let domain = domain().await;

        let code = run(&backups(&domain), KEEP).await.unwrap();

        assert_eq!((code, names(&domain)), (0, vec!["nightly-2026.05.01".to_owned()]));
    }

    #[tokio::test]
    async fn deletes_only_its_own_old_snapshots_and_tolerates_an_invalid_name_of_another() {
        let domain = domain().await;
        place(&domain, "%2e%2e weekly", 90, FakeOutcome::Success);
        place(&domain, "nightly-old", 31, FakeOutcome::Success);
        place(&domain, "nightly-older", 60, FakeOutcome::Success);
        place_recent(&domain);

        let code = run(&backups(&domain), KEEP).await.unwrap();

        let kept = ["%2e%2e weekly", "nightly-recent-3", "nightly-recent-2", "nightly-recent-1", "nightly-2026.05.01"];
        assert_eq!((code, names(&domain)), (0, kept.map(str::to_owned).to_vec()));
    }

    #[tokio::test]
    async fn keeps_the_newest_complete_snapshots_however_old_they_are() {
        let domain = domain().await;
        place(&domain, "nightly-a", 90, FakeOutcome::Success);
        place(&domain, "nightly-b", 80, FakeOutcome::Success);
        place(&domain, "nightly-c", 70, FakeOutcome::Success);
        place(&domain, "nightly-failed", 60, FakeOutcome::Failed { reason: "out of memory".to_owned() });

        run(&backups(&domain), KEEP).await.unwrap();

        assert_eq!(names(&domain), ["nightly-b", "nightly-c", "nightly-2026.05.01"]);
    }

    #[tokio::test]
    async fn deletes_the_others_when_one_of_its_own_has_an_invalid_name() {
        let domain = domain().await;
        place(&domain, "nightly-%2e%2e", 90, FakeOutcome::Success);
        place(&domain, "nightly-old", 60, FakeOutcome::Success);
        place_recent(&domain);

        let code = run(&backups(&domain), KEEP).await.unwrap();

        assert_eq!(code, 3);
        assert!(!names(&domain).contains(&"nightly-old".to_owned()));
    }

    #[tokio::test]
    async fn exits_with_a_separate_code_when_shards_are_missing() {
        let domain = domain().await;
        domain.plan_snapshot(FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 1)] });

        let code = run(&backups(&domain), KEEP).await.unwrap();

        assert_eq!(code, 2);
    }

    #[tokio::test]
    async fn fails_when_the_snapshot_takes_longer_than_its_deadline() {
        let domain = domain().await;
        domain.hold_snapshots(true);

        let error = run(&backups(&domain), KEEP).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Deadline);
        assert!(error.elapsed().unwrap() < Duration::from_secs(7 * 3600), "{error:?}");
    }

    #[tokio::test]
    async fn continues_the_snapshot_of_a_run_that_was_killed() {
        let domain = domain().await;
        domain.hold_snapshots(true);
        drop_after(&domain, Duration::from_secs(600), run(&backups(&domain), KEEP)).await;
        assert_eq!(executed(&domain, Operation::CreateSnapshot), 1);
        domain.hold_snapshots(false);

        let code = run(&backups(&domain), KEEP).await.unwrap();

        assert_eq!((code, executed(&domain, Operation::CreateSnapshot)), (0, 1));
    }
}

mod the_registration {
    use super::*;
    use es_snapshot::S3Settings;
    use register_repository::back_up;

    #[tokio::test]
    async fn restores_the_visible_indices_under_the_prefix() {
        let domain = domain().await;
        domain.create_index(".kibana_1", 1);
        let settings = S3Settings::new("my-bucket-4-es")
            .with_role_arn("arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot");

        back_up(&domain.client(), settings, "restored").await.unwrap();

        assert_eq!(domain.indices(), [".kibana_1", "movies", "restored-movies"]);
    }
}

mod the_restore_to_staging {
    use super::*;
    use restore_to_staging::restore;

    /// Takes a snapshot with this name. It ends as planned, or with success.
    async fn take(domain: &FakeDomain, name: &str) {
        backups(domain).create_snapshot(name, CreateSnapshot::new()).await.unwrap().wait().await.unwrap();
    }

    /// Returns a path for the prepared restore of one test.
    fn file(test: &str) -> PathBuf {
        let file = std::env::temp_dir().join(format!("es-snapshot-{}-{test}.json", std::process::id()));
        drop(std::fs::remove_file(&file));
        file
    }

    /// Returns the request that started the restore.
    fn sent(domain: &FakeDomain) -> Event {
        domain.events().into_iter().find(|event| event.operation == Some(Operation::RestoreSnapshot)).unwrap()
    }

    fn movies() -> Vec<String> {
        vec!["movies".to_owned()]
    }

    #[tokio::test]
    async fn restores_the_named_indices_under_a_prefix() {
        let domain = domain().await;
        domain.create_index("books", 1);
        take(&domain, "monday").await;

        let report = restore(&backups(&domain), &movies(), &file("prefix")).await.unwrap();

        assert!(report.is_complete());
        assert_eq!(domain.indices(), ["books", "movies", "staging-movies"]);
    }

    #[tokio::test]
    async fn restores_the_newest_complete_snapshot() {
        let domain = domain().await;
        take(&domain, "monday").await;
        take(&domain, "tuesday").await;
        domain.plan_snapshot(FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 1)] });
        take(&domain, "wednesday").await;

        drop(restore(&backups(&domain), &movies(), &file("newest")).await.unwrap());

        assert!(sent(&domain).path.starts_with("/_snapshot/backups/tuesday/_restore"));
    }

    #[tokio::test]
    async fn restores_without_replicas() {
        let domain = domain().await;
        take(&domain, "monday").await;

        drop(restore(&backups(&domain), &movies(), &file("replicas")).await.unwrap());

        let sent: serde_json::Value = serde_json::from_slice(&sent(&domain).body).unwrap();
        assert_eq!(sent["index_settings"]["index.number_of_replicas"], 0);
    }

    #[tokio::test]
    async fn reports_a_shard_that_was_not_restored() {
        let domain = domain().await;
        take(&domain, "monday").await;
        domain.fail_restore_shard("staging-movies", 1);

        let report = restore(&backups(&domain), &movies(), &file("shard")).await.unwrap();

        let unrestored: Vec<_> = report.unrestored().iter().map(|shard| (shard.index(), shard.shard())).collect();
        assert_eq!(unrestored, [("staging-movies", Some(1))]);
    }

    #[tokio::test]
    async fn continues_the_restore_of_a_process_that_was_killed() {
        let (domain, file) = (domain().await, file("killed"));
        take(&domain, "monday").await;
        domain.hold_restores(true);
        drop_after(&domain, Duration::from_secs(600), restore(&backups(&domain), &movies(), &file)).await;
        assert!(domain.is_being_restored("staging-movies"));
        domain.hold_restores(false);

        let report = restore(&backups(&domain), &movies(), &file).await.unwrap();

        assert!(report.is_complete());
        assert_eq!(executed(&domain, Operation::RestoreSnapshot), 1);
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn forgets_a_restore_that_the_server_refused() {
        let (domain, file) = (domain().await, file("refused"));
        take(&domain, "monday").await;
        domain.create_index("staging-movies", 2);

        let error = restore(&backups(&domain), &movies(), &file).await.unwrap_err();

        assert!(error.to_string().contains("restore refused"), "{error}");
        assert!(!file.exists());
    }
}

mod the_doctor {
    use super::*;
    use doctor::{code, examine_fake_domain};
    use es_snapshot::doctor::Examination;

    #[tokio::test]
    async fn exits_with_1_after_a_warning() {
        let report = examine_fake_domain(&Examination::new()).await.unwrap();

        assert_eq!(code(&report), 1, "{report}");
    }

    #[tokio::test]
    async fn exits_with_0_without_a_problem() {
        let report = examine_fake_domain(&Examination::new().with_max_age(3 * DAY)).await.unwrap();

        assert_eq!(code(&report), 0, "{report}");
    }

    #[tokio::test]
    async fn exits_with_2_after_a_failure() {
        let missing = Examination::new().with_repository("nightly".parse().unwrap());

        let report = examine_fake_domain(&missing).await.unwrap();

        assert_eq!(code(&report), 2, "{report}");
    }
}

mod the_fleet {
    use super::*;
    use fleet::{check_all, client};

    #[tokio::test]
    async fn shows_the_other_domains_when_one_is_broken() {
        let (good, broken) = (domain().await, domain().await);
        let midnight = good.clock().unwrap().wall() - DAY;
        good.place_snapshot("backups", "older", midnight - DAY, FakeOutcome::Success);
        good.place_snapshot("backups", "nightly", midnight, FakeOutcome::Success);
        good.hold_snapshots(true);
        good.another_client_creates("backups", "manual");
        broken.stop();

        let overviews = check_all(vec![Ok(broken.client()), Ok(good.client())], "backups").await;

        let [Err(error), Ok(overview)] = &*overviews else { panic!("{overviews:?}") };
        assert_eq!(error.kind(), ErrorKind::Connect);
        // It ended 3 s after midnight.
        assert_eq!(
            (&overview.newest, &*overview.running),
            (&Some(("nightly".to_owned(), 23)), &["manual".to_owned()][..])
        );
    }

    #[tokio::test]
    async fn shows_the_domains_whose_client_could_be_built() {
        let domain = domain().await;

        let overviews =
            check_all(vec![SnapshotClient::builder("nowhere").build(), Ok(domain.client())], "backups").await;

        assert!(matches!(&*overviews, [Err(_), Ok(overview)] if overview.newest.is_none()), "{overviews:?}");
    }

    // Over sockets, because only there one transport can reach several domains.
    #[tokio::test]
    async fn fetches_credentials_once_for_all_domains() {
        let clock = ManualClock::at("2026-05-01T00:00:00Z");
        let first = FakeDomain::builder().clock(clock.clone()).start().await;
        let second = FakeDomain::builder().clock(clock.clone()).account_of(&first).start().await;
        let provider = first.credentials_provider();
        let credentials = CredentialCache::with_clock(provider.clone(), Arc::new(clock.clone()));
        let (transport, retries) =
            (HyperTransport::builder().clock(clock.clone()).build().unwrap(), RetryBudget::new());
        let clients = [&first, &second].map(|domain| {
            domain.create_repository("backups");
            let builder = client(&domain.endpoint(), &transport, &credentials, &retries);
            builder.region(domain.region()).clock(clock.clone()).build()
        });

        let overviews = check_all(clients.into(), "backups").await;

        assert!(overviews.iter().all(Result::is_ok), "{overviews:?}");
        assert_eq!(provider.loads(), 1);
    }
}

mod the_vault_and_the_metrics {
    use super::*;

    /// A domain whose credentials are valid for an hour, a client that uses the vault and the
    /// metrics, the number of leases that were fetched, and the metrics.
    async fn scene() -> (FakeDomain, SnapshotClient, Arc<AtomicUsize>, Metrics<FakeTransport>) {
        let clock = ManualClock::at("2026-05-01T00:00:00Z");
        let hour = Duration::from_secs(3600);
        let domain = FakeDomain::builder().in_process().clock(clock.clone()).credential_life(hour).start().await;
        domain.create_repository("backups");
        let (provider, fetches) = (domain.credentials_provider(), Arc::new(AtomicUsize::new(0)));
        let vault = {
            let fetches = Arc::clone(&fetches);
            Vault(move || {
                fetches.fetch_add(1, Ordering::SeqCst);
                lease(provider.clone())
            })
        };
        let metrics = Metrics { inner: domain.transport(), clock: Arc::new(clock), figures: Arc::default() };
        let client = domain.client_builder().credentials(vault).transport(metrics.clone()).build().unwrap();
        (domain, client, fetches, metrics)
    }

    /// Returns the current credentials of the domain as a lease of the vault.
    async fn lease(provider: es_snapshot::testing::FakeCredentials) -> std::io::Result<Lease> {
        let found = provider.provide_credentials().await.map_err(std::io::Error::other)?;
        let expires = found.expiry().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        Ok(Lease {
            access_key: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            session_token: found.session_token().map(str::to_owned),
            expires,
        })
    }

    #[tokio::test]
    async fn fetch_a_lease_once_while_it_is_valid() {
        let (_domain, client, fetches, _) = scene().await;

        client.repositories().await.unwrap();
        client.repositories().await.unwrap();

        assert_eq!(fetches.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn fetch_another_lease_shortly_before_it_expires() {
        let (domain, client, fetches, _) = scene().await;
        client.repositories().await.unwrap();

        domain.clock().unwrap().advance(Duration::from_secs(56 * 60));
        client.repositories().await.unwrap();

        assert_eq!(fetches.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn count_requests_by_operation_and_status() {
        let (domain, client, _, metrics) = scene().await;
        domain.fault(Fault::status(503, "Service Unavailable", "text/plain").times(1));

        client.repositories().await.unwrap();
        client.server_info().await.unwrap();

        let counts: BTreeMap<_, u64> =
            metrics.figures.lock().unwrap().iter().map(|(label, (requests, _))| (*label, *requests)).collect();
        let expected = [
            ((Operation::ListRepositories, Some(StatusCode::OK)), 1),
            ((Operation::ListRepositories, Some(StatusCode::SERVICE_UNAVAILABLE)), 1),
            ((Operation::ServerInfo, Some(StatusCode::OK)), 1),
        ];
        assert_eq!(counts, BTreeMap::from(expected));
    }

    #[tokio::test]
    async fn count_a_request_without_a_response() {
        let (domain, client, _, metrics) = scene().await;
        domain.fault(Fault::drop_before().times(1));

        client.repositories().await.unwrap();

        assert_eq!(metrics.figures.lock().unwrap()[&(Operation::ListRepositories, None)].0, 1);
    }

    #[tokio::test]
    async fn measure_the_time_until_a_response_begins() {
        let (domain, client, _, metrics) = scene().await;
        let second = Duration::from_secs(1);
        domain.fault(Fault::delay(second).times(1));

        client.repositories().await.unwrap();

        assert_eq!(metrics.figures.lock().unwrap()[&(Operation::ListRepositories, Some(StatusCode::OK))], (1, second));
    }
}
