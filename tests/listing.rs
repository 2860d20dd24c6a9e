//! Listings as streams: when snapshots arrive, pages, snapshots that cannot be read, and servers
//! that stop, break off or never end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use es_snapshot::clock::Clock as _;
use es_snapshot::snapshot::SnapshotFailure;
use es_snapshot::testing::{Engine, FakeDamage, FakeDomain, ManualClock, TransportFn, response, transport_fn};
use es_snapshot::transport::{Body, TransportError};
use es_snapshot::{
    Error, ErrorKind, ListSnapshots, Outcome, Repository, RetryPolicy, SnapshotClient, SnapshotInfo, SnapshotPattern,
    SnapshotStream, Timeouts,
};
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

type Chunk = Result<Bytes, TransportError>;

fn body(chunks: impl Stream<Item = Chunk> + Send + 'static) -> Body {
    Body::new(StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))))
}

fn backups(transport: &TransportFn) -> Repository {
    client(transport, ManualClock::at("2026-05-01T00:00:00Z")).repository("backups").unwrap()
}

fn client(transport: &TransportFn, clock: ManualClock) -> SnapshotClient {
    SnapshotClient::builder("http://localhost:9200").transport(transport.clone()).clock(clock).build().unwrap()
}

/// A repository with a single response, whose body the test sends piece by piece.
fn fed(clock: &ManualClock) -> (Repository, UnboundedSender<Chunk>, TransportFn) {
    let (sender, mut receiver) = unbounded_channel();
    let chunks = Mutex::new(Some(stream::poll_fn(move |cx| receiver.poll_recv(cx))));
    let transport = transport_fn(move |_| Ok(response(200, body(chunks.lock().unwrap().take().expect("one request")))));
    (client(&transport, clock.clone()).repository("backups").unwrap(), sender, transport)
}

fn feed(sender: &UnboundedSender<Chunk>, text: &str) {
    sender.send(Ok(Bytes::copy_from_slice(text.as_bytes()))).unwrap();
}

fn broken() -> Chunk {
    Err(TransportError::unknown("the connection broke"))
}

/// A transport that responds with each of these bodies in turn, and then repeats the last one.
fn scripted(bodies: Vec<Value>) -> TransportFn {
    let next = AtomicUsize::new(0);
    transport_fn(move |_| {
        let at = next.fetch_add(1, Ordering::SeqCst).min(bodies.len() - 1);
        Ok(response(200, bodies[at].to_string()))
    })
}

async fn names(snapshots: SnapshotStream) -> Vec<String> {
    snapshots
        .map(|snapshot| snapshot.map_or_else(|error| error.to_string(), |snapshot| snapshot.name().to_owned()))
        .collect()
        .await
}

async fn all(snapshots: SnapshotStream) -> Vec<Result<String, ErrorKind>> {
    snapshots
        .map(|one| one.map(|snapshot| snapshot.name().to_owned()).map_err(|error: Error| error.kind()))
        .collect()
        .await
}

/// An Elasticsearch 8 domain with snapshots of these names, oldest first.
async fn domain_with(names: &[&str]) -> FakeDomain {
    let clock = ManualClock::at("2026-05-01T00:00:00Z");
    let domain =
        FakeDomain::builder().in_process().engine(Engine::elasticsearch("8.19.0")).clock(clock.clone()).start().await;
    domain.create_repository("backups");
    for name in names {
        domain.another_client_creates("backups", name);
        clock.advance(Duration::from_secs(60));
    }
    domain
}

fn listings(domain: &FakeDomain) -> usize {
    domain.events().iter().filter(|event| event.path.starts_with("/_snapshot/backups/_all")).count()
}

#[test]
fn yields_each_snapshot_as_soon_as_it_has_arrived() {
    let (backups, sender, _) = fed(&ManualClock::at("2026-05-01T00:00:00Z"));
    let mut snapshots = backups.snapshots(ListSnapshots::new());

    feed(&sender, r#"{"snapshots":[{"snapshot":"a"}"#);
    let first = snapshots.next().now_or_never();
    feed(&sender, r#",{"snapshot":"b""#);
    let half = snapshots.next().now_or_never();
    feed(&sender, "}]}");
    let second = snapshots.next().now_or_never();
    drop(sender);
    let end = snapshots.next().now_or_never();

    assert_eq!(first.unwrap().unwrap().unwrap().name(), "a");
    assert!(half.is_none());
    assert_eq!(second.unwrap().unwrap().unwrap().name(), "b");
    assert!(end.unwrap().is_none());
}

#[test]
fn a_stream_that_breaks_off_ends_with_an_error_and_is_not_requested_again() {
    let transport = transport_fn(|_| {
        let chunks = [Ok(Bytes::from_static(br#"{"snapshots":[{"snapshot":"a"},"#)), broken()];
        Ok(response(200, body(stream::iter(chunks))))
    });

    let listed = all(backups(&transport).snapshots(ListSnapshots::new())).now_or_never().unwrap();

    assert_eq!(listed, [Ok("a".to_owned()), Err(ErrorKind::Interrupted)]);
    assert_eq!(transport.requests().len(), 1);
}

#[test]
fn a_stream_that_breaks_off_before_its_first_snapshot_is_requested_again() {
    let clock = ManualClock::at("2026-05-01T00:00:00Z");
    let count = AtomicUsize::new(0);
    let transport = transport_fn(move |_| {
        let last = if count.fetch_add(1, Ordering::SeqCst) < 2 { broken() } else { Ok(r#"{"snapshot":"a"}]}"#.into()) };
        Ok(response(200, body(stream::iter([Ok(Bytes::from_static(br#"{"snapshots":["#)), last]))))
    });
    let backups = client(&transport, clock.clone()).repository("backups").unwrap();

    let listed = clock.block_on(all(backups.snapshots(ListSnapshots::new())));

    assert_eq!(listed, [Ok("a".to_owned())]);
    assert_eq!(transport.requests().len(), 3);
}

#[test]
fn a_list_that_breaks_off_is_requested_again() {
    let clock = ManualClock::at("2026-05-01T00:00:00Z");
    let count = AtomicUsize::new(0);
    let transport = transport_fn(move |_| {
        let last = if count.fetch_add(1, Ordering::SeqCst) == 0 { broken() } else { Ok("]}".into()) };
        Ok(response(200, body(stream::iter([Ok(Bytes::from_static(br#"{"snapshots":[{"snapshot":"a"}"#)), last]))))
    });
    let backups = client(&transport, clock.clone()).repository("backups").unwrap();

    let listed = clock.block_on(backups.list(ListSnapshots::new())).unwrap();

    assert_eq!(listed.snapshots().len(), 1);
    assert_eq!(transport.requests().len(), 2);
}

#[test]
fn the_time_that_the_consumer_takes_does_not_count_towards_a_limit() {
    let clock = ManualClock::at("2026-05-01T00:00:00Z");
    let (backups, sender, _) = fed(&clock);
    let mut snapshots = backups.snapshots(ListSnapshots::new());
    feed(&sender, r#"{"snapshots":[{"snapshot":"a"},{"snapshot":"b"}]}"#);
    drop(sender);

    let first = clock.block_on(snapshots.next());
    clock.advance(Duration::from_secs(24 * 3600));
    let second = clock.block_on(snapshots.next());

    assert_eq!(first.unwrap().unwrap().name(), "a");
    assert_eq!(second.unwrap().unwrap().name(), "b");
}

#[test]
fn a_listing_fails_if_the_server_stops_sending() {
    let clock = ManualClock::at("2026-05-01T00:00:00Z");
    let (backups, sender, _) = fed(&clock);
    let backups = backups.with_timeouts(Timeouts::new().with_read(Duration::from_secs(30)));
    feed(&sender, r#"{"snapshots":[{"snapshot":"a"},"#);

    let listed = clock.block_on(all(backups.snapshots(ListSnapshots::new())));

    assert_eq!(listed, [Ok("a".to_owned()), Err(ErrorKind::Timeout)]);
    assert_eq!(clock.monotonic(), Duration::from_secs(30));
}

#[test]
fn a_listing_fails_if_the_server_sends_single_bytes() {
    let clock = ManualClock::at("2026-05-01T00:00:00Z");
    let slow = clock.clone();
    let transport = transport_fn(move |_| {
        let slow = slow.clone();
        let rest = stream::unfold((), move |()| {
            let slow = slow.clone();
            async move {
                slow.sleep(Duration::from_secs(20)).await;
                Some((Ok(Bytes::from_static(b" ")), ()))
            }
        });
        let first = stream::iter([Ok(Bytes::from_static(br#"{"snapshots":[{"snapshot":"a"},"#))]);
        Ok(response(200, body(first.chain(rest))))
    });
    let backups = client(&transport, clock.clone()).repository("backups").unwrap();

    let listed = clock.block_on(all(backups.snapshots(ListSnapshots::new())));

    assert_eq!(listed, [Ok("a".to_owned()), Err(ErrorKind::Timeout)]);
}

#[test]
fn refuses_a_snapshot_of_more_than_16_mib() {
    let piece = Bytes::from(vec![b'x'; 1 << 20]);
    let transport = transport_fn(move |_| {
        let first = stream::iter([Ok(Bytes::from_static(br#"{"snapshots":[{"snapshot":"a"},{"snapshot":""#))]);
        Ok(response(200, body(first.chain(stream::repeat(piece.clone()).map(Ok)))))
    });

    let mut listing = Box::pin(all(backups(&transport).snapshots(ListSnapshots::new())));
    let listed = loop {
        if let Some(listed) = listing.as_mut().now_or_never() {
            break listed;
        }
    };

    assert_eq!(listed, [Ok("a".to_owned()), Err(ErrorKind::ResponseTooLarge)]);
}

#[test]
fn a_failure_with_status_200_is_an_error_after_the_snapshots() {
    let failure =
        json!({"backups": {"type": "repository_exception", "reason": "[backups] could not read repository data"}});
    let transport = scripted(vec![json!({"snapshots": [{"snapshot": "a"}], "zz": 1, "failures": failure})]);

    let first = backups(&transport).with_retry(RetryPolicy::never()).snapshots(ListSnapshots::new());

    // The fields are in alphabetical order here, so the failure precedes the list.
    assert_eq!(all(first).now_or_never().unwrap(), [Ok("a".to_owned()), Err(ErrorKind::Repository)]);
}

#[test]
fn invalid_options_are_an_error_as_the_first_item() {
    let transport = scripted(vec![json!({})]);
    for options in [ListSnapshots::new().with_page_size(0), ListSnapshots::new().with_page_size(5).with_verbose(false)]
    {
        let mut snapshots = backups(&transport).snapshots(options);

        let error = snapshots.next().now_or_never().unwrap().unwrap().unwrap_err();

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotSent));
        assert!(snapshots.next().now_or_never().unwrap().is_none());
    }
    assert_eq!(transport.requests().len(), 0);
}

#[test]
fn endless_pages_are_an_error() {
    let page = |name: &str, next: &str| json!({"snapshots": [{"snapshot": name}], "next": next});
    for last in [page("b", "c1"), json!({"snapshots": [], "next": "c2"})] {
        let transport = scripted(vec![page("a", "c1"), last]);

        let listed = all(backups(&transport).snapshots(ListSnapshots::new())).now_or_never().unwrap();

        assert_eq!(listed.last(), Some(&Err(ErrorKind::Decode)));
        assert_eq!(transport.requests().len(), 2);
    }
}

#[test]
fn circular_pages_are_an_error() {
    let page = |name: &str, next: &str| json!({"snapshots": [{"snapshot": name}], "next": next});
    for options in [ListSnapshots::new(), ListSnapshots::new().with_page_size(1)] {
        let pages =
            vec![page("a", "c1"), page("b", "c2"), page("a", "c1"), page("b", "c2"), page("a", "c1"), page("b", "c2")];
        let transport = scripted(pages);

        let listed = all(backups(&transport).snapshots(options)).now_or_never().unwrap();

        assert_eq!(listed.last(), Some(&Err(ErrorKind::Decode)));
        assert_eq!(transport.requests().len(), 3);
    }
}

#[test]
fn a_cursor_that_is_too_long_for_a_request_is_a_decoding_error() {
    let transport = scripted(vec![json!({"snapshots": [{"snapshot": "a"}], "next": "x".repeat(100_000)})]);

    let listed = all(backups(&transport).snapshots(ListSnapshots::new())).now_or_never().unwrap();

    assert_eq!(listed, [Ok("a".to_owned()), Err(ErrorKind::Decode)]);
}

/// A server that cannot read the snapshot `d`, and returns the status `names` to a request without
/// details.
fn unreadable(names: u16) -> TransportFn {
    transport_fn(move |request| {
        let query = request.uri().query().unwrap_or_default();
        let page = json!({"snapshots": [{"snapshot": "a"}], "next": "c1"});
        Ok(match () {
            () if query.contains("verbose=false") => {
                response(names, r#"{"error":{"type":"security_exception","reason":"no"}}"#)
            }
            () if query.contains("size=1") && !query.contains("after") => response(200, page.to_string()),
            () => response(404, r#"{"error":{"type":"snapshot_missing_exception","reason":"[backups:d] is missing"}}"#),
        })
    })
}

#[test]
fn a_listing_fails_if_neither_snapshots_nor_their_names_can_be_read() {
    for options in [ListSnapshots::new(), ListSnapshots::new().with_page_size(1)] {
        let clock = ManualClock::at("2026-05-01T00:00:00Z");
        let backups = client(&unreadable(403), clock.clone()).repository("backups").unwrap();

        let listed = clock.block_on(all(backups.snapshots(options.clone())));
        let collected = clock.block_on(backups.list(options));

        assert_eq!(listed.last(), Some(&Err(ErrorKind::SnapshotMissing)));
        assert_eq!(collected.unwrap_err().kind(), ErrorKind::SnapshotMissing);
    }
}

#[test]
fn a_stream_that_has_ended_can_be_polled_again() {
    let transport = scripted(vec![json!({"snapshots": []})]);
    let mut snapshots = backups(&transport).snapshots(ListSnapshots::new());

    for _ in 0..3 {
        assert!(snapshots.next().now_or_never().unwrap().is_none());
    }
}

#[test]
fn empty_frames_do_not_block_the_thread() {
    let transport = transport_fn(|_| {
        let first = stream::iter([Ok(Bytes::from_static(br#"{"snapshots":["#))]);
        Ok(response(200, body(first.chain(stream::repeat_with(|| Ok(Bytes::new()))))))
    });
    let backups = backups(&transport);

    assert!(backups.snapshots(ListSnapshots::new()).next().now_or_never().is_none());
    assert!(backups.list(ListSnapshots::new()).now_or_never().is_none());
    assert!(backups.client().server_info().now_or_never().is_none());
}

#[test]
fn keeps_unknown_fields_of_snapshots_read_one_by_one_only_on_request() {
    let transport = transport_fn(|request| {
        Ok(match request.uri().path_and_query().unwrap().as_str() {
            "/_snapshot/backups/_all" => {
                response(404, r#"{"error":{"type":"snapshot_missing_exception","reason":"[backups:b]"}}"#)
            }
            _ => response(200, r#"{"snapshots":[{"snapshot":"a","new_field":7}]}"#),
        })
    });
    let other = |options| {
        let listed = backups(&transport).list(options).now_or_never().unwrap().unwrap();
        listed.snapshots()[0].other().len()
    };

    assert_eq!(other(ListSnapshots::new()), 0);
    assert_eq!(other(ListSnapshots::new().with_unknown_fields(true)), 1);
}

#[test]
fn keeps_unknown_fields_only_on_request() {
    let transport = scripted(vec![json!({"snapshots": [{"snapshot": "a", "new_field": 7}]})]);
    let other = |options| {
        let listed = backups(&transport).list(options).now_or_never().unwrap().unwrap();
        listed.snapshots()[0].other().clone()
    };

    assert!(other(ListSnapshots::new()).is_empty());
    assert_eq!(other(ListSnapshots::new().with_unknown_fields(true))["new_field"], 7);
}

#[test]
fn yields_a_snapshot_once_although_two_parts_of_a_long_pattern_match_it() {
    let transport = transport_fn(|_| {
        Ok(response(200, json!({"snapshots": [{"snapshot": "a-1"}, {"snapshot": "b-1"}]}).to_string()))
    });
    let long = (0..200).map(|number| format!("nothing-has-such-a-name-{number:03}-*"));
    let pattern =
        SnapshotPattern::new(["a-*".to_owned(), "b-1".to_owned()].into_iter().chain(long).chain(["*-1".to_owned()]));
    let snapshots = backups(&transport).snapshots(ListSnapshots::new().with_pattern(pattern.unwrap()));

    assert_eq!(names(snapshots).now_or_never().unwrap(), ["a-1", "b-1"]);
    assert!(transport.requests().len() > 1);
}

#[tokio::test]
async fn requests_pages_until_there_are_no_more() {
    let domain = domain_with(&["a", "b", "c", "d", "e"]).await;
    let backups = domain.client().repository("backups").unwrap();

    let streamed = names(backups.snapshots(ListSnapshots::new().with_page_size(2))).await;
    let requests = listings(&domain);
    let listed = backups.list(ListSnapshots::new().with_page_size(2)).await.unwrap();

    assert_eq!((streamed.join(""), requests), ("abcde".to_owned(), 3));
    assert_eq!(listed.snapshots().iter().map(SnapshotInfo::name).collect::<String>(), "abcde");
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_read_is_an_error_with_its_name_and_does_not_hide_the_others() {
    for damage in [FakeDamage::Lost, FakeDamage::Corrupt] {
        for options in [ListSnapshots::new(), ListSnapshots::new().with_page_size(2)] {
            let domain = domain_with(&["a", "b", "c", "d", "e"]).await;
            domain.damage_snapshot("backups", "d", damage);
            let backups = domain.client().repository("backups").unwrap();

            let mut listed = names(backups.snapshots(options.clone())).await;
            let report = backups.list(options).await.unwrap();

            listed.sort();
            assert_eq!(listed.iter().filter(|name| name.len() == 1).count(), 4, "{listed:?}");
            assert_eq!(
                listed.iter().filter(|name| name.contains(r#"cannot read snapshot "d""#)).count(),
                1,
                "{listed:?}"
            );
            assert_eq!(report.unreadable().iter().map(SnapshotFailure::name).collect::<Vec<_>>(), ["d"]);
            assert_eq!(report.snapshots().iter().map(SnapshotInfo::name).collect::<String>(), "abce");
        }
    }
}

#[tokio::test]
async fn a_missing_repository_is_an_error_as_the_only_item() {
    let domain = domain_with(&[]).await;
    let elsewhere = domain.client().repository("elsewhere").unwrap();

    assert_eq!(all(elsewhere.snapshots(ListSnapshots::new())).await, [Err(ErrorKind::RepositoryMissing)]);
}

#[tokio::test]
async fn a_dropped_stream_does_not_affect_the_client() {
    let domain = domain_with(&["a", "b", "c"]).await;
    let backups = domain.client().repository("backups").unwrap();

    let first = backups.snapshots(ListSnapshots::new()).next().await;
    let again = names(backups.snapshots(ListSnapshots::new())).await;

    assert_eq!(first.unwrap().unwrap().name(), "a");
    assert_eq!(again, ["a", "b", "c"]);
}

fn listing() -> impl Strategy<Value = (Vec<String>, Arc<Bytes>)> {
    prop::collection::vec((r#"[a-z\\"{}\[\],é]{1,6}"#, any::<bool>()), 0..6).prop_map(|snapshots| {
        let names = snapshots.iter().map(|(name, _)| name.clone()).collect();
        let infos: Vec<Value> = snapshots
            .iter()
            .map(|(name, is_short)| {
                if *is_short {
                    json!({"snapshot": name})
                } else {
                    json!({"snapshot": name, "indices": [name], "more": {"a": [null]}})
                }
            })
            .collect();
        (names, Arc::new(json!({"aa": [{}], "snapshots": infos, "total": 1}).to_string().into()))
    })
}

/// Runs a future to its end. A reader of many pieces pauses, so it is not ready at the first poll.
fn run<F: Future>(future: F) -> F::Output {
    ManualClock::at("2026-05-01T00:00:00Z").block_on(future)
}

fn in_pieces(json: &Bytes, length: usize) -> Body {
    let pieces: Vec<Chunk> = json.chunks(length).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    body(stream::iter(pieces))
}

proptest! {
    #[test]
    fn a_listing_is_the_same_in_pieces_of_any_length((expected, json) in listing(), length in 1..64_usize) {
        let transport = transport_fn(move |_| Ok(response(200, in_pieces(&json, length))));

        let listed = run(names(backups(&transport).snapshots(ListSnapshots::new())));

        prop_assert_eq!(listed, expected);
    }

    #[test]
    fn a_truncated_listing_ends_with_one_error((expected, json) in listing(), cut in 0..1000_usize, length in 1..64_usize) {
        let part = json.slice(..cut * json.len() / 1000);
        let transport = transport_fn(move |_| Ok(response(200, in_pieces(&part, length))));

        let stream = backups(&transport).with_retry(RetryPolicy::never()).snapshots(ListSnapshots::new());
        let mut listed = run(all(stream));

        prop_assert_eq!(listed.pop(), Some(Err(ErrorKind::Decode)));
        let count = listed.len();
        prop_assert!(listed.into_iter().eq(expected.into_iter().map(Ok).take(count)));
    }
}
