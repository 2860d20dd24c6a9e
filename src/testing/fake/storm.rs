//! Whether a change was sent again and again while nobody could know what had become of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Event, Verdict};

/// How often a change may be sent.
pub(super) const LIMIT: usize = 3;

/// The first change that was sent more often than [`LIMIT`] while all earlier sends were
/// unaccounted for.
pub(super) fn find(events: &[Event]) -> Option<String> {
    let mut unaccounted: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for event in events {
        let (method, path) = (event.method.as_str(), event.path.as_str());
        if !is_change(method, path) || is_put_off(event) {
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

/// Whether this is a create, clone, restore or delete of a snapshot.
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

/// Whether a body is the answer of an engine that does nothing for now: another operation is
/// running, or it has just started.
pub(super) fn puts_off(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = body.pointer("/error/type").and_then(Value::as_str).unwrap_or_default();
    ["concurrent_snapshot_execution_exception", "cluster_block_exception"].contains(&name)
}

/// Whether the response says that nothing was done for now: such attempts have limits of their own.
fn is_put_off(event: &Event) -> bool {
    match event.response {
        Some(429) => true,
        // The engine says that another operation is running.
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
    fn a_fourth_send_of_what_was_lost_three_times_is_a_storm() {
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
    fn a_send_that_is_accounted_for_or_put_off_is_not_counted() {
        let path = "/_snapshot/r/s";
        let lost = || sent("PUT", path, None);
        assert_eq!(find(&[lost(), lost(), sent("PUT", path, Some(200)), lost(), lost()]), None);
        let busy: Vec<Event> =
            [429, 503].into_iter().cycle().take(20).map(|status| sent("PUT", path, Some(status))).collect();
        assert_eq!(find(&[busy, vec![lost(), lost()]].concat()), None);
    }

    #[test]
    fn reads_and_registrations_may_be_repeated() {
        for (method, path) in [("GET", "/_snapshot/r/s"), ("PUT", "/_snapshot/r"), ("POST", "/_snapshot/r/_verify")] {
            assert_eq!(find(&vec![sent(method, path, None); 20]), None);
        }
    }
}
