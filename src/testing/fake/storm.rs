//! Finds changes that were resent too often while their earlier sends were unaccounted for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Event, Verdict};

/// How often a change may be sent while its earlier sends are unaccounted for.
pub(super) const LIMIT: usize = 3;

/// Returns the first change that was sent more than [`LIMIT`] times while its earlier sends were
/// unaccounted for.
pub(super) fn find(events: &[Event]) -> Option<String> {
    let mut unaccounted: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for event in events {
        let (method, path) = (event.method.as_str(), event.path.as_str());
        if !is_change(method, path) || is_refused_for_now(event) {
            continue;
        }
        let sent = unaccounted.entry((method, path)).or_default();
        if *sent >= LIMIT {
            return Some(format!("{method} {path}"));
        }
        let is_known = event.response.is_some_and(|status| status < 500 && ![408, 425, 499].contains(&status));
        *sent = if is_known { 0 } else { *sent + 1 };
    }
    None
}

/// Returns whether this is a create, clone, restore or delete of a snapshot.
fn is_change(method: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default().trim_matches('/');
    match *path.split('/').collect::<Vec<_>>() {
        ["_snapshot", _, name] => match method {
            "PUT" | "POST" => !name.starts_with('_'),
            _ => method == "DELETE",
        },
        ["_snapshot", _, _, "_clone", _] => method == "PUT",
        ["_snapshot", _, _, "_restore"] => method == "POST",
        _ => false,
    }
}

/// Returns whether a body is a server's refusal for a reason that may pass: another operation is
/// running, or the cluster is blocked because it has just started.
pub(super) fn refuses_for_now(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = body.pointer("/error/type").and_then(Value::as_str).unwrap_or_default();
    ["concurrent_snapshot_execution_exception", "cluster_block_exception"].contains(&name)
}

/// Returns whether the response shows that the request had no effect, for a reason that may pass.
/// Such sends have limits of their own.
fn is_refused_for_now(event: &Event) -> bool {
    match event.response {
        Some(429) => true,
        // The server reports that another operation is running.
        Some(503) => event.status == Some(503) && !event.executed,
        Some(_) => event.verdict == Verdict::Denied || event.fault == Some("status") && event.response == Some(403),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn sent(method: &str, path: &str, response: Option<u16>) -> Event {
        Event {
            time: SystemTime::UNIX_EPOCH,
            method: method.to_owned(),
            path: path.to_owned(),
            verdict: Verdict::Signed,
            status: response,
            response,
            operation: None,
            executed: false,
            fault: None,
            amz_date: None,
            signature: None,
            user_agent: None,
            opaque_id: None,
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
        }
    }

    #[test]
    fn finds_a_fourth_send_after_three_unaccounted_ones() {
        for (method, path) in [
            ("PUT", "/_snapshot/r/s"),
            ("PUT", "/_snapshot/r/s/_clone/t?master_timeout=1m"),
            ("POST", "/_snapshot/r/s/_restore"),
            ("DELETE", "/_snapshot/r/s"),
        ] {
            let three = vec![sent(method, path, None), sent(method, path, Some(504)), sent(method, path, Some(500))];
            assert_eq!(find(&three), None);
            let four = [three, vec![sent(method, path, Some(200))]].concat();
            assert_eq!(find(&four), Some(format!("{method} {path}")));
        }
    }

    #[test]
    fn does_not_count_sends_that_are_accounted_for_or_refused_for_now() {
        let path = "/_snapshot/r/s";
        let lost = || sent("PUT", path, None);
        assert_eq!(find(&[lost(), lost(), sent("PUT", path, Some(200)), lost(), lost()]), None);
        let busy: Vec<Event> =
            [429, 503].into_iter().cycle().take(20).map(|status| sent("PUT", path, Some(status))).collect();
        assert_eq!(find(&[busy, vec![lost(), lost()]].concat()), None);
    }

    #[test]
    fn allows_any_number_of_reads_and_registrations() {
        for (method, path) in [("GET", "/_snapshot/r/s"), ("PUT", "/_snapshot/r"), ("POST", "/_snapshot/r/_verify")] {
            assert_eq!(find(&vec![sent(method, path, None); 20]), None);
        }
    }
}
