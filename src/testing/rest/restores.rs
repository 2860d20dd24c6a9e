//! Answers to restores.

use serde_json::{Value, json};

use super::super::cluster::{Cluster, ShardState, select};
use super::cluster::check_index_name;
use super::fail::{Fail, Outcome, gateway_timeout};
use super::{Call, index_expressions};

impl Cluster {
    pub(super) fn restore(&mut self, repository: &str, name: &str, call: &Call<'_>) -> Outcome {
        let wait = call.flag("wait_for_completion", false)?;
        let body = call.object()?;
        let expressions = index_expressions(&body)?;
        if let Some(unknown) = body.keys().find(|key| !self.knows_restore_key(key)) {
            return Err(Fail::illegal(format!("Unknown parameter {unknown}")));
        }
        self.repository(repository)?;
        let flag = |key: &str| body.get(key).is_some_and(|value| value == &json!(true) || value == &json!("true"));
        let snapshot = self.snapshot(repository, name).filter(|snapshot| !snapshot.is_running()).cloned();
        let Some(snapshot) = snapshot else {
            return Err(restore_failure(format!("[{repository}:{name}] snapshot does not exist")));
        };
        let label = format!("[{repository}:{name}/{}]", snapshot.uuid);
        if snapshot.state() == "FAILED" {
            return Err(restore_failure(format!("{label} unsupported snapshot state [FAILED]")));
        }
        let names = select(&expressions, snapshot.indices.keys(), flag("ignore_unavailable"))
            .map_err(|missing| Fail::index_not_found(&missing, false))?;
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        let mut targets: Vec<(String, String)> = Vec::new();
        for index in names {
            let target = match text("rename_pattern") {
                "" => index.clone(),
                pattern => rename(&index, pattern, text("rename_replacement"))
                    .ok_or_else(|| Fail::not_modelled("this rename_pattern; it takes letters and one group (.+) or (.*)"))?,
            };
            check_index_name(&target)?;
            if let Some((other, _)) = targets.iter().find(|(_, taken)| *taken == target) {
                let reason = format!("{label} indices [{index}] and [{other}] are renamed into the same index [{target}]");
                return Err(restore_failure(reason));
            }
            if self.indices.contains_key(&target) {
                return Err(restore_failure(format!(
                    "{label} cannot restore index [{target}] because an open index with same name already exists in the cluster. Either \
                     close or delete the existing index or restore the index under a different name by providing a rename pattern and \
                     replacement name"
                )));
            }
            let whole = snapshot.indices.get(&index).is_none_or(|copy| copy.failed.is_empty());
            if !whole && !flag("partial") {
                return Err(restore_failure(format!("{label} index [{index}] wasn't fully snapshotted - cannot restore")));
            }
            targets.push((index, target));
        }
        let restore_uuid = self.new_uuid();
        for (index, target) in &targets {
            self.start_restore(target.clone(), repository, &snapshot, index, &restore_uuid, call.now);
        }
        let targets: Vec<String> = targets.into_iter().map(|(_, target)| target).collect();
        if !wait && !targets.is_empty() {
            return Ok(json!({ "accepted": true }));
        }
        if wait && self.hold_restores {
            return Err(gateway_timeout());
        }
        self.end_restores(&targets, call.now);
        let (mut total, mut failed) = (0, 0);
        for (name, index) in targets.iter().filter_map(|name| self.indices.get_key_value(name)) {
            total += index.shards;
            let missing = |shard: &u32| {
                index.restored.as_ref().is_some_and(|restored| restored.missing.contains(shard))
                    || self.shard_state(name, index, *shard, call.now) == ShardState::Unassigned
            };
            failed += u32::try_from((0..index.shards).filter(missing).count()).unwrap_or(0);
        }
        let shards = json!({ "total": total, "failed": failed, "successful": total - failed });
        Ok(json!({ "snapshot": { "snapshot": name, "indices": targets, "shards": shards } }))
    }

    fn knows_restore_key(&self, key: &str) -> bool {
        match key {
            "indices"
            | "ignore_unavailable"
            | "expand_wildcards"
            | "allow_no_indices"
            | "include_global_state"
            | "include_aliases"
            | "partial"
            | "rename_pattern"
            | "rename_replacement"
            | "index_settings"
            | "ignore_index_settings" => true,
            "settings" => !self.engine.es(8, 0),
            "feature_states" => self.engine.es(7, 12),
            "storage_type" => self.engine.os(2, 4),
            "source_remote_store_repository" => self.engine.os(2, 10),
            "source_remote_translog_repository" => self.engine.os(2, 17),
            "rename_alias_pattern" | "rename_alias_replacement" => self.engine.os(2, 18),
            "alias_write_index_policy" => self.engine.os(3, 3),
            "attach_to_data_stream" => self.engine.os(3, 8),
            _ => false,
        }
    }
}

fn restore_failure(reason: String) -> Fail {
    Fail::new(500, "snapshot_restore_exception", reason)
}

/// Java's `replaceAll` for the patterns that people use: letters, one group `(.+)` or `(.*)`, anchors. None for another pattern.
fn rename(name: &str, pattern: &str, replacement: &str) -> Option<String> {
    let anchored_start = pattern.starts_with('^');
    let anchored_end = pattern.ends_with('$');
    let core = pattern.strip_prefix('^').unwrap_or(pattern);
    let core = core.strip_suffix('$').unwrap_or(core);
    let literal = |text: &str| !text.contains(['.', '*', '+', '(', ')', '[', ']', '{', '}', '?', '\\', '|', '^', '$']);
    let Some((group, head, tail)) =
        ["(.+)", "(.*)"].iter().find_map(|group| core.split_once(group).map(|(head, tail)| (*group, head, tail)))
    else {
        if !literal(core) || replacement.contains('$') {
            return None;
        }
        return Some(match (anchored_start, anchored_end) {
            (false, false) => name.replace(core, replacement),
            (true, false) => name.strip_prefix(core).map_or_else(|| name.to_owned(), |rest| format!("{replacement}{rest}")),
            (false, true) => name.strip_suffix(core).map_or_else(|| name.to_owned(), |rest| format!("{rest}{replacement}")),
            (true, true) if name == core => replacement.to_owned(),
            (true, true) => name.to_owned(),
        });
    };
    if !literal(head) || !literal(tail) {
        return None;
    }
    let Some(start) = name.find(head).filter(|at| !anchored_start || *at == 0) else { return Some(name.to_owned()) };
    let after_head = name.get(start + head.len()..)?;
    let end = if anchored_end { after_head.strip_suffix(tail).map(str::len) } else { after_head.rfind(tail) };
    let Some(captured) = end.and_then(|end| after_head.get(..end)).filter(|text| group == "(.*)" || !text.is_empty()) else {
        return Some(name.to_owned());
    };
    let whole = name.get(start..start + head.len() + captured.len() + tail.len())?;
    let replaced = replacement.replace("$1", captured).replace("$0", whole);
    let rest = name.get(start + whole.len()..)?;
    // Java finds the empty match at the end as well.
    let again = if group == "(.*)" && head.is_empty() && tail.is_empty() && !anchored_start && !name.is_empty() {
        replacement.replace("$1", "").replace("$0", "")
    } else {
        String::new()
    };
    Some(format!("{}{replaced}{rest}{again}", name.get(..start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renaming_follows_javas_replace_all() {
        for (name, pattern, replacement, expected) in [
            ("movies", "(.+)", "r_$1", Some("r_movies")),
            ("movies", "(.*)", "r_$1", Some("r_moviesr_")),
            ("movies", "^(.*)$", "r_$1", Some("r_movies")),
            ("logs-2024", "logs-(.+)", "old-$1", Some("old-2024")),
            ("movies", "logs-(.+)", "old-$1", Some("movies")),
            ("a-b-a", "a", "x", Some("x-b-x")),
            ("movies", "m[o]v", "x", None),
        ] {
            assert_eq!(rename(name, pattern, replacement).as_deref(), expected, "{pattern}");
        }
    }
}
