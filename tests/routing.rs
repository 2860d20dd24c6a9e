//! A request with an accepted name always reaches the right operation, with exactly that name.
//!
//! A router in this file checks that. It treats a path as servers do: it splits it at slashes,
//! decodes each segment and matches the method. Before that, it does what a client library or a
//! proxy may do: it resolves dot segments, or decodes the path once more.

use std::time::SystemTime;

use bytes::Bytes;
use es_snapshot::name::{IndexName, RepositoryName, SnapshotName};
use es_snapshot::repository::RegisterRepository;
use es_snapshot::testing::{ManualClock, TransportFn, response, transport_fn};
use es_snapshot::transport::Body;
use es_snapshot::{
    CloneSnapshot, CreateSnapshot, ListSnapshots, RestoreSnapshot, RetryPolicy, S3Settings, SnapshotClient,
    SnapshotPattern,
};
use http::{Method, Request, Response};
use proptest::prelude::*;
use serde_json::json;

/// Responds like the operation that the request reaches.
fn respond(prefix: &str, request: &Request<Bytes>) -> Response<Body> {
    let body = match route(prefix, request.method(), &target(request)) {
        Some(("get", names)) if names[1].ends_with(CLONE) => {
            return response(404, json!({"error": {"type": "snapshot_missing_exception"}, "status": 404}).to_string());
        }
        Some(("get", names)) => json!({"snapshots": [{"snapshot": names[1], "uuid": "u", "state": "SUCCESS"}]}),
        Some(("shards", _)) => json!([]),
        Some(("create" | "restore", _)) => json!({"accepted": true}),
        Some(("register" | "unregister" | "delete" | "clone", _)) => json!({"acknowledged": true}),
        _ => json!({}),
    };
    response(200, body.to_string())
}

fn target(request: &Request<Bytes>) -> String {
    request.uri().path_and_query().unwrap().to_string()
}

/// The end of the name of a clone. A snapshot with such a name does not exist yet.
const CLONE: &str = "~clone~";

/// Returns the operation that a server would carry out and the names in its path, or `None` if the
/// server has no handler.
fn route(prefix: &str, method: &Method, target: &str) -> Option<(&'static str, Vec<String>)> {
    let path = target.split('?').next()?.strip_prefix(prefix)?;
    let segments: Vec<String> =
        path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect::<Option<_>>()?;
    handler(method, &segments)
}

/// Returns the operation of a server for these segments.
fn handler(method: &Method, segments: &[String]) -> Option<(&'static str, Vec<String>)> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    // A literal segment takes precedence over a variable one.
    let found = match (method.as_str(), segments.as_slice()) {
        ("GET", []) => ("server_info", own(&[])),
        ("GET", ["_recovery"]) => ("recovery", own(&[])),
        ("GET", [index, "_recovery"]) => ("recovery", own(&[index])),
        ("GET", ["_cat", "shards"]) => ("shards", own(&[])),
        ("GET", ["_snapshot"]) => ("list_repositories", own(&[])),
        ("GET", ["_snapshot", "_status"]) => ("running", own(&[])),
        ("GET", ["_snapshot", repository]) => ("get_repository", own(&[repository])),
        ("PUT" | "POST", ["_snapshot", repository]) => ("register", own(&[repository])),
        ("DELETE", ["_snapshot", repository]) => ("unregister", own(&[repository])),
        ("POST", ["_snapshot", repository, "_verify"]) => ("verify", own(&[repository])),
        ("POST", ["_snapshot", repository, "_cleanup"]) => ("cleanup", own(&[repository])),
        ("GET", ["_snapshot", repository, "_status"]) => ("running", own(&[repository])),
        ("GET", ["_snapshot", repository, snapshot]) => ("get", own(&[repository, snapshot])),
        ("PUT" | "POST", ["_snapshot", repository, snapshot]) => ("create", own(&[repository, snapshot])),
        ("DELETE", ["_snapshot", repository, snapshot]) => ("delete", own(&[repository, snapshot])),
        ("PUT", ["_snapshot", repository, snapshot, "_clone", target]) => {
            ("clone", own(&[repository, snapshot, target]))
        }
        ("POST", ["_snapshot", repository, snapshot, "_restore"]) => ("restore", own(&[repository, snapshot])),
        ("GET", ["_snapshot", repository, snapshot, "_status"]) => ("status", own(&[repository, snapshot])),
        ("PUT" | "POST" | "DELETE", [index]) => ("index", own(&[index])),
        _ => return None,
    };
    Some(found)
}

/// Decodes like a lenient proxy: invalid escapes stay unchanged.
fn decode_leniently(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Resolves dot segments as URL libraries do (RFC 3986 §5.2.4), including encoded dots.
fn without_dots(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for segment in path.trim_start_matches('/').split('/') {
        match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
            "." => {}
            ".." => {
                out.pop();
            }
            _ => out.push(segment),
        }
    }
    format!("/{}", out.join("/"))
}

/// Checks that a request reaches the expected operation, however its path is treated in transit.
fn arrives(prefix: &str, method: &Method, target: &str, expected: &(&'static str, Vec<String>)) -> Result<(), String> {
    let normal = without_dots(target);
    for (how, target) in [("as sent", target), ("normalised", normal.as_str())] {
        let found = route(prefix, method, target);
        if found.as_ref() != Some(expected) {
            return Err(format!("{how}: {method} {target} reaches {found:?}, not {expected:?}"));
        }
    }
    // A proxy that decodes without encoding again, and a server that leaves invalid escapes
    // unchanged.
    let decoded =
        target.split('?').next().and_then(|path| path.strip_prefix(prefix)).map(decode_leniently).unwrap_or_default();
    let segments: Vec<String> =
        decoded.split('/').filter(|segment| !segment.is_empty()).map(decode_leniently).collect();
    let found = handler(method, &segments);
    if found.as_ref() != Some(expected) {
        return Err(format!("decoded twice: {method} {target} reaches {found:?}, not {expected:?}"));
    }
    Ok(())
}

fn client(prefix: &'static str) -> (SnapshotClient, TransportFn) {
    let transport = transport_fn(move |request| Ok(respond(prefix, request)));
    let client = SnapshotClient::builder(format!("http://localhost:9200{prefix}"))
        .transport(transport.clone())
        .clock(ManualClock::new(SystemTime::UNIX_EPOCH))
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    (client, transport)
}

/// Unusual strings that matter for paths, and arbitrary strings.
fn text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "",
        ".",
        "..",
        "/",
        "//",
        "a/b",
        "../x",
        "%2F",
        "%2e%2e",
        "%252F",
        "_all",
        "_status",
        "_verify",
        "_current",
        "*",
        "a*",
        "a,b",
        ",",
        "?",
        "a?b",
        "#",
        "a#b",
        "\\",
        "a b",
        " ",
        "\t",
        "\n",
        "\0",
        "\u{7f}",
        "\u{a0}",
        "\u{2028}",
        "a|b",
        "<x>",
        "\"",
        "-x",
        "+x",
        "A",
        "É",
        "ß",
        "a%",
        "%",
        "%zz",
        "snap-100%",
        "a%4",
        "%%",
        "%%41",
        "a%2541",
        "%{[@x]}",
        "%u002f",
        "a;b",
        "a:b",
        "a=b&c",
        "a+b",
        "a..b",
        "...",
        ".x",
        "x.",
        "~",
        "ü",
        "日本",
        "😀",
        "a\u{301}",
    ])
    .prop_map(str::to_owned);
    prop_oneof![
        odd,
        "[a-z0-9._~+:;=&@!$'()-]{1,12}",
        "[a-f0-9%]{1,6}",
        any::<String>(),
        prop::collection::vec(any::<char>(), 1..6).prop_map(String::from_iter)
    ]
}

fn accepted<T: std::str::FromStr + std::fmt::Debug>() -> impl Strategy<Value = T> {
    text().prop_filter_map("refused", |text| text.parse().ok())
}

const PREFIXES: [&str; 3] = ["", "/es", "/a/b.c~d"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_accepted_name_reaches_its_operation(
        repository in accepted::<RepositoryName>(),
        snapshot in accepted::<SnapshotName>(),
        index in accepted::<IndexName>(),
        prefix in prop::sample::select(PREFIXES.to_vec()),
    ) {
        let (client, transport) = client(prefix);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let settings = S3Settings::new("bucket");
        let clone = format!("{snapshot}{CLONE}");
        let backups = client.repository(&repository).unwrap();
        let taken = backups.snapshot(&snapshot).unwrap();
        let restore = runtime.block_on(async {
            let _ = client.server_info().await;
            let _ = backups.register(settings.clone()).await;
            let _ = backups.register(RegisterRepository::new(settings.clone()).with_verify(false)).await;
            let _ = backups.info().await;
            let _ = client.repositories().await;
            let _ = backups.verify().await;
            let _ = backups.cleanup().await;
            let _ = backups.unregister().await;
            let _ = backups.create_snapshot(&snapshot, CreateSnapshot::new().with_wait_for_completion(true)).await;
            let _ = taken.info().await;
            let _ = backups.list(ListSnapshots::new().with_pattern(SnapshotPattern::from(snapshot.clone()))).await;
            let before = transport.requests().len();
            let _ = taken.restore(RestoreSnapshot::new()).await;
            let restore = before..transport.requests().len();
            let _ = taken.status().await;
            let _ = client.running_snapshots().await;
            let _ = client.recovery(std::slice::from_ref(&index)).await;
            let _ = client.recovery([""; 0]).await;
            let _ = taken.clone_to(&clone, CloneSnapshot::new(["*"])).await;
            let _ = taken.delete().await;
            restore
        });

        let (r, s) = (repository.to_string(), snapshot.to_string());
        let both = || vec![r.clone(), s.clone()];
        let expected = vec![
            ("server_info", vec![]),
            ("register", vec![r.clone()]),
            ("register", vec![r.clone()]),
            ("get_repository", vec![r.clone()]),
            ("list_repositories", vec![]),
            ("verify", vec![r.clone()]),
            ("cleanup", vec![r.clone()]),
            ("unregister", vec![r.clone()]),
            ("create", both()),
            ("get", both()),
            ("get", both()),
            ("restore", both()),
            ("status", both()),
            ("running", vec![]),
            ("recovery", vec![index.to_string()]),
            ("recovery", vec![]),
            // A clone first checks its target, and a deletion first reads the uuid.
            ("get", vec![r.clone(), clone.clone()]),
            ("clone", vec![r.clone(), s.clone(), clone]),
            ("get", both()),
            ("delete", both()),
        ];
        // The reads of a restore depend on what they find, so they are left out.
        let is_read_of_restore = |at: usize, request: &Request<Bytes>| restore.contains(&at) && request.method() == Method::GET;
        let sent: Vec<_> =
            transport.requests().into_iter().enumerate().filter(|(at, request)| !is_read_of_restore(*at, request)).collect();
        prop_assert_eq!(sent.len(), expected.len());
        for ((_, request), expected) in sent.iter().zip(&expected) {
            if let Err(why) = arrives(prefix, request.method(), &target(request), expected) {
                prop_assert!(false, "{}", why);
            }
        }
    }

    #[test]
    fn every_list_of_accepted_names_arrives_complete(
        snapshots in prop::collection::vec(accepted::<SnapshotName>(), 1..8),
        indices in prop::collection::vec(accepted::<IndexName>(), 1..8),
        prefix in prop::sample::select(PREFIXES.to_vec()),
    ) {
        let (client, transport) = client(prefix);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let pattern = SnapshotPattern::from_names(snapshots.clone()).unwrap();
        runtime.block_on(async {
            client.repository("r").unwrap().list(ListSnapshots::new().with_pattern(pattern)).await.unwrap().into_complete().unwrap();
            client.recovery(&indices).await.unwrap();
        });

        let (mut listed, mut recovered) = (Vec::new(), Vec::new());
        for request in transport.requests() {
            let (method, target) = (request.method(), target(&request));
            let found = route(prefix, method, &target).unwrap();
            prop_assert_eq!(arrives(prefix, method, &target, &found), Ok(()));
            match found {
                ("get", names) => listed.extend(names[1].split(',').map(str::to_owned)),
                (operation, names) => {
                    prop_assert_eq!(operation, "recovery");
                    recovered.extend(names[0].split(',').map(str::to_owned));
                }
            }
        }
        prop_assert_eq!(listed, snapshots.iter().map(ToString::to_string).collect::<Vec<_>>());
        prop_assert_eq!(recovered, indices.iter().map(ToString::to_string).collect::<Vec<_>>());
    }

    #[test]
    fn refuses_only_repository_names_that_would_be_altered_or_refused_elsewhere(text in text()) {
        if text.parse::<RepositoryName>().is_err() {
            prop_assert!(would_be_altered(&text) || server_refuses(&text) || text.starts_with('_'), "{:?} could have been accepted", text);
        }
    }

    #[test]
    fn refuses_only_snapshot_names_that_would_be_altered_or_refused_elsewhere(text in text()) {
        if text.parse::<SnapshotName>().is_err() {
            // In a list, a leading dash means an exclusion.
            let refused = server_refuses(&text) || text.starts_with(['_', '-']) || text.to_lowercase() != text;
            prop_assert!(would_be_altered(&text) || refused, "{:?} could have been accepted", text);
        }
    }
}

/// Returns whether this name is too long, or a path with it could be altered in transit.
fn would_be_altered(text: &str) -> bool {
    let encoded: Vec<String> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let encoded = encoded.concat();
    let twice = decode_leniently(text) != text;
    let expected = ("get_repository", vec![text.to_owned()]);
    twice || text.len() > 255 || arrives("", &Method::GET, &format!("/_snapshot/{encoded}"), &expected).is_err()
}

/// Returns whether a server refuses this name by its own rules, or the name contains control
/// characters or white space.
fn server_refuses(text: &str) -> bool {
    text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace() || "\\/*?\"<>|,#".contains(c))
}

#[test]
fn the_router_of_this_test_distinguishes_operations() {
    let cases = [
        ("DELETE", "/_snapshot/repo/", Some(("unregister", vec!["repo".to_owned()]))),
        ("DELETE", "/_snapshot/repo/x%2Fy", Some(("delete", vec!["repo".to_owned(), "x/y".to_owned()]))),
        ("DELETE", "/myindex", Some(("index", vec!["myindex".to_owned()]))),
        ("GET", "/_snapshot/_status", Some(("running", vec![]))),
        ("PATCH", "/_snapshot/repo", None),
    ];
    for (method, target, expected) in cases {
        assert_eq!(route("", &method.parse().unwrap(), target), expected, "{method} {target}");
    }
    assert_eq!(without_dots("/_snapshot/../myindex"), "/myindex");
}
