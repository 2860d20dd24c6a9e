//! The parameter `filter_path`, which every endpoint has.

use serde_json::{Map, Value};

use super::super::cluster::matches;

/// Dotted paths, each as a list of segments.
type Paths<'a> = Vec<Vec<&'a str>>;

/// Returns the parts of a body that a list of dotted paths selects. A path that begins with `-`
/// excludes.
pub(super) fn filtered(body: Value, list: &str) -> Value {
    let (mut wanted, mut unwanted): (Paths<'_>, Paths<'_>) = (Vec::new(), Vec::new());
    for path in list.split(',').map(str::trim).filter(|path| !path.is_empty()) {
        match path.strip_prefix('-') {
            Some(path) => unwanted.push(path.split('.').collect()),
            None => wanted.push(path.split('.').collect()),
        }
    }
    let is_list = body.is_array();
    let kept = if wanted.is_empty() { Some(body) } else { keep(body, &wanted) };
    let kept = kept.and_then(|body| if unwanted.is_empty() { Some(body) } else { remove(body, &unwanted) });
    kept.unwrap_or_else(|| if is_list { Value::Array(Vec::new()) } else { Value::Object(Map::new()) })
}

/// Returns the rest of each path that matches this name first. `**` matches any number of names.
fn below<'a>(paths: &[Vec<&'a str>], name: &str) -> Paths<'a> {
    let mut rest = Vec::new();
    for path in paths {
        match path.split_first() {
            Some((&"**", tail)) => {
                rest.push(path.clone());
                rest.extend(below(&[tail.to_vec()], name));
            }
            Some((first, tail)) if matches(first, name) => rest.push(tail.to_vec()),
            _ => {}
        }
    }
    rest
}

/// Returns whether a path ends here, so that it selects everything below.
fn ends(paths: &[Vec<&str>]) -> bool {
    paths.iter().any(|path| path.is_empty() || path.as_slice() == ["**"])
}

fn keep(value: Value, paths: &[Vec<&str>]) -> Option<Value> {
    if ends(paths) {
        return Some(value);
    }
    match value {
        Value::Object(fields) => {
            let kept: Map<String, Value> = fields
                .into_iter()
                .filter_map(|(name, value)| {
                    let rest = below(paths, &name);
                    Some((name, keep(value, &rest)?))
                })
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(list) => {
            let kept: Vec<Value> = list.into_iter().filter_map(|value| keep(value, paths)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        _ => None,
    }
}

fn remove(value: Value, paths: &[Vec<&str>]) -> Option<Value> {
    if ends(paths) {
        return None;
    }
    Some(match value {
        Value::Object(fields) => {
            let left = fields.into_iter().filter_map(|(name, value)| {
                let rest = below(paths, &name);
                Some((name, remove(value, &rest)?))
            });
            Value::Object(left.collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().filter_map(|value| remove(value, paths)).collect()),
        scalar => scalar,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_the_fields_on_a_path_and_below_it() {
        let body = json!({"version": 7, "metadata": {"indices": {
            "a": {"state": "open", "settings": {"index": {"uuid": "u", "hidden": "true"}}},
            "b": {"state": "close", "settings": {"index": {"uuid": "v"}}},
        }, "index-graveyard": {"tombstones": []}}, "restore": {"snapshots": [{"shards": [1]}, {"other": 2}]}});
        for (list, expected) in [
            ("version", json!({"version": 7})),
            ("version,absent.x", json!({"version": 7})),
            ("version.x", json!({})),
            (
                "metadata.indices.*.state",
                json!({"metadata": {"indices": {"a": {"state": "open"}, "b": {"state": "close"}}}}),
            ),
            ("metadata.index-graveyard", json!({"metadata": {"index-graveyard": {"tombstones": []}}})),
            (
                "**.uuid",
                json!({"metadata": {"indices": {"a": {"settings": {"index": {"uuid": "u"}}}, "b": {"settings": {"index": {"uuid": "v"}}}}}}),
            ),
            ("restore.snapshots.sh*", json!({"restore": {"snapshots": [{"shards": [1]}]}})),
            ("metadata.indices.a,-**.settings", json!({"metadata": {"indices": {"a": {"state": "open"}}}})),
        ] {
            assert_eq!(filtered(body.clone(), list), expected, "{list}");
        }
    }
}
