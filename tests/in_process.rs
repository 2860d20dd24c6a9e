//! The fake domain without sockets. Every fault has the same effect on the client as over sockets,
//! and time limits end in order.

use std::time::{Duration, SystemTime};

use es_snapshot::clock::Clock as _;
use es_snapshot::name::RepositoryName;
use es_snapshot::testing::{Event, FakeDomain, FakeDomainBuilder, Fault, ManualClock};
use es_snapshot::{CreateSnapshot, Error, ErrorKind, Outcome, RetryPolicy, S3Settings, SnapshotClient};
use futures_util::future::{join, select};

const ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";

fn clock() -> ManualClock {
    ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

/// Starts a domain with a repository, and returns it with a client. Both use sockets only if the
/// builder does.
async fn prepare(builder: FakeDomainBuilder, clock: &ManualClock) -> (FakeDomain, SnapshotClient, RepositoryName) {
    let domain = builder.clock(clock.clone()).start().await;
    let builder = SnapshotClient::builder(domain.endpoint())
        .region(domain.region())
        .credentials(domain.credentials_provider())
        .clock(clock.clone());
    let in_process = domain.endpoint().ends_with(":1");
    let client = if in_process { builder.transport(domain.transport()) } else { builder }.build().unwrap();
    let repository: RepositoryName = "r".parse().unwrap();
    let settings = S3Settings::new("my-bucket-4-es").with_role_arn(ROLE);
    client.repository(&repository).unwrap().register(settings).await.unwrap();
    (domain, client, repository)
}

fn in_process() -> FakeDomainBuilder {
    FakeDomain::builder().in_process().seed(7)
}

/// Makes one read with a fault. Returns its result, its duration and its events.
fn read_with(fault: Fault) -> (Result<usize, Error>, Duration, Vec<Event>) {
    let clock = clock();
    clock.block_on(async {
        let (domain, client, _) = prepare(in_process(), &clock).await;
        domain.fault(fault);
        let (began, before) = (clock.monotonic(), domain.event_count());
        let read = client.with_retry(RetryPolicy::never()).repositories().await.map(|list| list.len());
        (read, clock.monotonic() - began, domain.events_since(before))
    })
}

#[test]
fn checks_signatures_without_sockets() {
    let clock = clock();
    clock.block_on(async {
        let (domain, client, _) = prepare(in_process(), &clock).await;
        domain.revoke();
        client.repositories().await.unwrap();
        let statuses: Vec<_> = domain.events().into_iter().map(|event| event.response).collect();
        assert_eq!(statuses, [Some(200), Some(403), Some(200)]);
    });
}

#[test]
fn a_response_that_never_arrives_leaves_the_outcome_unknown() {
    for fault in [
        Fault::drop_before(),
        Fault::drop_after(),
        Fault::restart(),
        Fault::truncate(),
        Fault::late(Duration::from_secs(1)),
    ] {
        let (read, took, _) = read_with(fault.clone());
        let error = read.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Interrupted, Outcome::Unknown), "{fault:?}");
        assert_eq!(took, Duration::ZERO, "{fault:?}");
    }
}

#[test]
fn the_log_contains_both_the_servers_status_and_the_one_that_replaced_it() {
    let (read, _, events) = read_with(Fault::status_after(504));
    assert_eq!(read.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!((events[0].status, events[0].response), (Some(200), Some(504)));
}

#[test]
fn a_delayed_call_takes_the_delay_or_its_time_limit() {
    let (read, took, _) = read_with(Fault::delay(Duration::from_secs(70)));
    assert_eq!((read.unwrap(), took), (1, Duration::from_secs(70)));

    let (read, took, events) = read_with(Fault::delay(Duration::from_secs(80)));
    assert_eq!((read.unwrap_err().kind(), took), (ErrorKind::Timeout, Duration::from_secs(75)));
    assert!(events[0].executed, "the domain must carry out the request although the client gave up");
}

#[test]
fn a_trickling_response_ends_at_one_of_the_time_limits() {
    let (read, _, _) = read_with(Fault::trickle(Duration::from_millis(10)));
    read.unwrap();
    for (pause, expected) in [(2, 75), (31, 30)] {
        let (read, took, _) = read_with(Fault::trickle(Duration::from_secs(pause)));
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(took, Duration::from_secs(expected));
    }
}

#[test]
fn a_restart_interrupts_concurrent_calls() {
    let clock = clock();
    clock.block_on(async {
        let (domain, client, repository) = prepare(in_process(), &clock).await;
        let client = client.with_retry(RetryPolicy::never());
        domain.fault(Fault::delay(Duration::from_secs(60)).on_path("/_snapshot/r"));
        domain.fault(Fault::restart());
        let (delayed, restarting) = join(client.repository(&repository).unwrap().info(), async {
            clock.sleep(Duration::from_secs(1)).await;
            client.repositories().await
        })
        .await;
        assert_eq!(delayed.unwrap_err().kind(), ErrorKind::Interrupted);
        assert_eq!(restarting.unwrap_err().kind(), ErrorKind::Interrupted);
        assert_eq!(clock.sleeps(), [Duration::from_secs(1)]);
    });
}

#[test]
fn a_late_request_arrives_although_its_call_was_dropped() {
    let clock = clock();
    clock.block_on(async {
        let (domain, client, repository) = prepare(in_process(), &clock).await;
        domain.fault(Fault::late(Duration::from_secs(30)).on_method("PUT"));
        let name = "s";
        let create = CreateSnapshot::new();
        let call = Box::pin(client.repository(&repository).unwrap().create_snapshot(name, create));
        drop(select(call, clock.timeout(Duration::from_secs(5))).await);
        assert!(domain.snapshots("r").is_empty());
        clock.sleep(Duration::from_secs(26)).await;
        assert_eq!(domain.snapshots("r").len(), 1);
    });
}

#[test]
fn a_stopped_domain_refuses_connections_and_keeps_its_state() {
    let clock = clock();
    clock.block_on(async {
        let (domain, client, _) = prepare(in_process(), &clock).await;
        domain.stop();
        let error = client.with_retry(RetryPolicy::never()).repositories().await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Outcome::NotSent));
        domain.start_again();
        assert_eq!(client.repositories().await.unwrap().len(), 1);
    });
}

#[tokio::test]
async fn a_domain_with_sockets_restarts_on_its_port() {
    let clock = clock();
    let (domain, client, _) = prepare(FakeDomain::builder(), &clock).await;
    let endpoint = domain.endpoint();
    domain.stop();
    let once = client.with_retry(RetryPolicy::never());
    // The first request uses the connection that was just closed.
    once.repositories().await.unwrap_err();
    assert_eq!(once.repositories().await.unwrap_err().outcome(), Outcome::NotSent);
    domain.start_again();
    assert_eq!(once.repositories().await.unwrap().len(), 1);
    assert_eq!(domain.endpoint(), endpoint);
}

/// Summarises events without the fields that are random or depend on the address.
fn summary(events: &[Event]) -> Vec<String> {
    let summary = |event: &Event| {
        let Event { method, path, verdict, status, response, executed, fault, .. } = event;
        format!("{method} {path} {verdict:?} {status:?} {response:?} {executed} {fault:?}")
    };
    events.iter().map(summary).collect()
}

/// Takes and deletes a snapshot. The fault occurs in both calls.
async fn take_and_delete(builder: FakeDomainBuilder, clock: &ManualClock, fault: &Fault) -> Vec<String> {
    let (domain, client, repository) = prepare(builder, clock).await;
    let name = "s";
    domain.create_index("movies", 1);
    domain.fault(fault.clone().on_method("PUT").times(1));
    domain.fault(fault.clone().on_method("DELETE").times(1));
    client.repository(&repository).unwrap().create_snapshot(name, CreateSnapshot::new()).await.unwrap();
    clock.advance(Duration::from_secs(200));
    client.repository(&repository).unwrap().snapshot(name).unwrap().delete().await.unwrap();
    summary(&domain.events())
}

#[tokio::test]
async fn a_domain_behaves_the_same_with_and_without_sockets() {
    for fault in [
        Fault::drop_before(),
        Fault::drop_after(),
        Fault::restart(),
        Fault::truncate(),
        Fault::status_after(502),
        Fault::garbage(),
        Fault::status(429, "Too Many Requests", "text/plain"),
        Fault::delay(Duration::from_secs(80)),
        Fault::late(Duration::from_secs(5)),
    ] {
        let over_sockets = take_and_delete(FakeDomain::builder(), &clock(), &fault).await;
        let without = take_and_delete(in_process(), &clock(), &fault).await;
        let clock = clock();
        let on_blocking_clock = std::thread::spawn({
            let fault = fault.clone();
            move || clock.block_on(take_and_delete(in_process(), &clock, &fault))
        });
        assert_eq!(over_sockets, without, "{fault:?}");
        assert_eq!(over_sockets, on_blocking_clock.join().unwrap(), "{fault:?}");
    }
}
