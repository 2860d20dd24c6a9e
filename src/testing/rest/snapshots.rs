//! Responses to requests that create, clone, list and delete snapshots.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::cluster::{Cluster, Index, Now, Phase, Snapshot, SnapshotIndex, SnapshotOptions, matches, select};
use super::super::text::format_time;
use super::fail::{Fail, Outcome, gateway_timeout};
use super::{Call, FORBIDDEN, acknowledged, index_expressions, millis};

impl Cluster {
    pub(super) fn get_snapshots(&self, repositories: &str, names: &str, call: &Call<'_>) -> Outcome {
        let ignore_unavailable = call.flag("ignore_unavailable", false)?;
        let many = self.engine.es(7, 14);
        let detail = Detail {
            verbose: call.flag("verbose", true)?,
            repository: many && call.flag("include_repository", true)?,
            indices: call.flag("index_names", true)?,
        };
        let repositories: Vec<&str> = if many {
            let mut chosen = Vec::new();
            for pattern in repositories.split(',') {
                let fits = |name: &&String| pattern == "_all" || matches(pattern, name);
                let before = chosen.len();
                chosen.extend(self.repositories.keys().filter(fits).map(String::as_str));
                if chosen.len() == before && !pattern.contains('*') && pattern != "_all" {
                    return Err(Fail::repository_missing(pattern));
                }
            }
            chosen
        } else {
            vec![repositories]
        };
        let mut found: Vec<(&str, &Snapshot)> = Vec::new();
        for repository in repositories {
            let all = self.snapshots(repository).ok_or_else(|| Fail::repository_missing(repository))?;
            let mut wanted = BTreeSet::new();
            for name in names.split(',') {
                let fits = |snapshot: &&&Snapshot| match name {
                    "_all" => true,
                    "_current" => snapshot.is_running(),
                    name => matches(name, &snapshot.name),
                };
                let before = wanted.len();
                wanted.extend(all.iter().filter(fits).map(|snapshot| &snapshot.name));
                let may_miss = ["_all", "_current"].contains(&name) || ignore_unavailable || many && name.contains('*');
                let missed = wanted.len() == before && !all.iter().any(|snapshot| fits(&snapshot));
                if missed && !may_miss {
                    return Err(Fail::snapshot_missing(repository, name));
                }
            }
            // If nothing is found and that is not an error, older servers take the empty list for
            // all running snapshots.
            let shows_running =
                ignore_unavailable && wanted.is_empty() && names != "_current" && self.engine.shows_running();
            for snapshot in all {
                let is_shown = wanted.contains(&snapshot.name) || shows_running && snapshot.is_running();
                if !is_shown {
                    continue;
                }
                // Details are in a file of each snapshot, the rest in the repository's list.
                match Fail::unreadable(repository, snapshot).filter(|_| detail.verbose) {
                    None => found.push((repository, snapshot)),
                    Some(_) if ignore_unavailable => {}
                    Some(fail) => return Err(fail),
                }
            }
        }
        let total = found.len();
        let mut next = None;
        if many {
            next = page(&mut found, call)?;
        }
        let snapshots: Vec<Value> =
            found.iter().map(|(repository, snapshot)| self.snapshot_info(repository, snapshot, detail)).collect();
        let mut out = json!({ "snapshots": snapshots });
        if let (true, Some(out)) = (many, out.as_object_mut()) {
            out.insert("total".to_owned(), total.into());
            let remaining = next.as_ref().map_or(0, |(_, remaining)| *remaining);
            out.insert("remaining".to_owned(), remaining.into());
            if let Some((cursor, _)) = next {
                out.insert("next".to_owned(), cursor.into());
            }
        }
        Ok(out)
    }

    fn snapshot_info(&self, repository: &str, snapshot: &Snapshot, detail: Detail) -> Value {
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        put("snapshot", snapshot.name.clone().into());
        put("uuid", snapshot.uuid.clone().into());
        if detail.repository {
            put("repository", repository.into());
        }
        if detail.indices {
            put("indices", snapshot.indices.keys().cloned().collect::<Vec<_>>().into());
        }
        // The servers fill this in only with `verbose`.
        let streams: Vec<String> = snapshot.streams.keys().filter(|_| detail.verbose).cloned().collect();
        put("data_streams", streams.into());
        put("state", snapshot.state().into());
        if !detail.verbose {
            return out.into();
        }
        let (version_id, version) = self.engine.snapshot_version();
        put("version_id", version_id.into());
        put("version", version.into());
        put("include_global_state", snapshot.include_global_state.into());
        // A clone without metadata has an empty object, other snapshots have no field.
        if let Some(metadata) = snapshot.metadata.clone().or_else(|| snapshot.is_clone.then(|| json!({}))) {
            put("metadata", metadata);
        }
        if self.engine.os(2, 9) {
            put("remote_store_index_shallow_copy", false.into());
        }
        if self.engine.es(7, 12) {
            put("feature_states", json!([]));
        }
        let ended = match &snapshot.phase {
            Phase::Ended { at, reason, .. } => {
                if let Some(reason) = reason {
                    put("reason", reason.clone().into());
                }
                Some(*at)
            }
            Phase::Running { .. } => None,
        };
        let (began, end) = (millis(snapshot.began.wall), ended.map_or(0, millis));
        put("start_time", iso(snapshot.began.wall).into());
        put("start_time_in_millis", began.into());
        put("end_time", iso(ended.unwrap_or(std::time::SystemTime::UNIX_EPOCH)).into());
        put("end_time_in_millis", end.into());
        put("duration_in_millis", end.saturating_sub(began).into());
        let failures: Vec<Value> = snapshot
            .indices
            .iter()
            .flat_map(|(name, index)| {
                let uuid = if self.engine.es(8, 0) { &index.uuid } else { name };
                index.failed.iter().map(move |(shard, reason)| {
                    json!({
                        "index": name,
                        "index_uuid": uuid,
                        "shard_id": shard,
                        "reason": reason,
                        "node_id": self.node_id,
                        "status": "INTERNAL_SERVER_ERROR",
                    })
                })
            })
            .collect();
        let failed = failures.len();
        put("failures", failures.into());
        let (total, done) = match ended {
            // Older servers do not count the shards of a clone.
            Some(_) if snapshot.is_clone && !self.engine.es(8, 0) => (0, 0),
            Some(_) => (snapshot.shards() as usize, (snapshot.shards() as usize).saturating_sub(failed)),
            None if self.engine.es(8, 0) => (snapshot.shards() as usize, 0),
            None => (0, 0),
        };
        put("shards", json!({ "total": total, "failed": failed, "successful": done }));
        out.into()
    }

    fn check_snapshot_name(&self, repository: &str, name: &str) -> Result<(), Fail> {
        let problem = if name.is_empty() {
            "cannot be empty".to_owned()
        } else if name.contains(char::is_whitespace) {
            "must not contain whitespace".to_owned()
        } else if name.contains(',') {
            "must not contain ','".to_owned()
        } else if name.contains('#') {
            "must not contain '#'".to_owned()
        } else if name.starts_with('_') {
            "must not start with '_'".to_owned()
        } else if name.to_lowercase() != name {
            "must be lowercase".to_owned()
        } else if name.contains(FORBIDDEN) {
            self.forbidden_letters()
        } else {
            return Ok(());
        };
        Err(invalid_snapshot_name(repository, name, &problem))
    }

    fn check_name_is_free(&self, repository: &str, name: &str) -> Result<(), Fail> {
        let Some(existing) = self.snapshot(repository, name) else { return Ok(()) };
        let problem = if existing.is_running() {
            "snapshot with the same name is already in-progress"
        } else {
            "snapshot with the same name already exists"
        };
        if self.engine.es(8, 2) {
            let reason = format!("[{repository}:{name}] Invalid snapshot name [{name}], {problem}");
            return Err(Fail::new(400, "snapshot_name_already_in_use_exception", reason));
        }
        Err(invalid_snapshot_name(repository, name, problem))
    }

    pub(super) fn create_snapshot(&mut self, repository: &str, name: &str, call: &Call<'_>) -> Outcome {
        let wait = call.flag("wait_for_completion", false)?;
        let body = call.object()?;
        let expressions = index_expressions(&body)?;
        let flag = |key: &str, default: bool| {
            body.get(key).map_or(default, |value| value == &json!(true) || value == &json!("true"))
        };
        let metadata = match body.get("metadata") {
            None | Some(Value::Null) => None,
            Some(object @ Value::Object(_)) => Some(object.clone()),
            Some(_) => return Err(Fail::illegal("malformed metadata, should be an object")),
        };
        if let Some(size) = metadata.as_ref().map(|metadata| metadata.to_string().len())
            && size > 1024
        {
            return Err(Fail::validation(&format!("metadata must be smaller than 1024 bytes, but was [{size}]")));
        }
        if name.starts_with('<') && name.ends_with('>') {
            return Err(Fail::not_modelled("names with date math"));
        }
        self.check_snapshot_name(repository, name)?;
        self.check_writable(repository, "cannot create snapshot in a readonly repository")?;
        self.check_name_is_free(repository, name)?;
        let names = self.snapshot_indices(&expressions, flag("ignore_unavailable", false))?;
        if let Some(broken) = names.iter().find(|name| self.lacks_primaries(name, call.now))
            && !flag("partial", false)
        {
            let reason = format!("[{repository}:{name}] Indices don't have primary shards [{broken}]");
            return Err(Fail::new(500, "snapshot_exception", reason));
        }
        let options =
            SnapshotOptions { include_global_state: flag("include_global_state", true), metadata, is_clone: false };
        let copies = self.index_copies(&names);
        let _ = self.start_snapshot(repository, name, copies, options, call.now);
        if !wait {
            return Ok(json!({ "accepted": true }));
        }
        if self.hold_snapshots {
            return Err(gateway_timeout());
        }
        self.end_snapshot(repository, name, None, call.now);
        let detail = Detail { verbose: true, repository: self.engine.es(7, 14), indices: true };
        let info = self.snapshot(repository, name).map(|snapshot| self.snapshot_info(repository, snapshot, detail));
        Ok(json!({ "snapshot": info }))
    }

    /// Returns the indices that a list of names, aliases, data streams and patterns selects for a
    /// snapshot. Patterns do not select closed indices.
    fn snapshot_indices(&self, expressions: &[String], ignore_unavailable: bool) -> Result<Vec<String>, Fail> {
        let mut listed = Vec::new();
        for expression in expressions {
            let is_named =
                |index: &Index| index.aliases.iter().chain(&index.stream).any(|name| matches(expression, name));
            let found: Vec<String> =
                self.indices.iter().filter(|(_, index)| is_named(index)).map(|(name, _)| name.clone()).collect();
            if found.is_empty() || expression.contains('*') {
                listed.push(expression.clone());
            }
            listed.extend(found);
        }
        let is_shown =
            |name: &&String| self.indices.get(*name).is_some_and(|index| index.is_open) || listed.contains(name);
        select(&listed, self.indices.keys().filter(is_shown), ignore_unavailable)
            .map_err(|missing| Fail::index_not_found(&missing, true))
    }

    fn lacks_primaries(&self, name: &str, now: Now) -> bool {
        self.indices.get(name).is_some_and(|index| {
            (0..index.shards()).any(|shard| self.shard_state(name, index, shard, now).is_unassigned())
        })
    }

    pub(super) fn delete_snapshots(&mut self, repository: &str, list: &str, now: Now) -> Outcome {
        self.check_writable(repository, "cannot delete snapshot from a readonly repository")?;
        let mut names = Vec::new();
        for pattern in list.split(',') {
            let found: Vec<&Snapshot> = self
                .snapshots(repository)
                .unwrap_or_default()
                .into_iter()
                .filter(|snapshot| matches(pattern, &snapshot.name))
                .collect();
            if found.is_empty() && !pattern.contains('*') {
                return Err(Fail::snapshot_missing(repository, pattern));
            }
            let used = found.iter().find_map(|snapshot| Some((snapshot, self.restore_from(snapshot, now)?)));
            if let Some((used, restore)) = used {
                // The status depends on the engine and its version.
                let status = match &self.engine {
                    engine if engine.os(3, 8) => 409,
                    engine if engine.os(3, 0) => 429,
                    _ => 503,
                };
                let reason = format!(
                    "[{repository}:{}/{}] cannot delete snapshot during a restore in progress in \
                     [RestoreInProgress[{{{}}}{{{}:{}/{}}}]]",
                    used.name, used.uuid, restore.uuid, restore.repository, used.name, used.uuid
                );
                return Err(Fail::new(status, "concurrent_snapshot_execution_exception", reason));
            }
            names.extend(found.into_iter().map(|snapshot| snapshot.name.clone()));
        }
        self.remove_snapshots(repository, &names);
        Ok(acknowledged())
    }

    pub(super) fn clone_snapshot(&mut self, repository: &str, source: &str, target: &str, call: &Call<'_>) -> Outcome {
        let expressions = index_expressions(&call.object()?)?;
        if expressions.is_empty() {
            return Err(Fail::validation("indices patterns are empty"));
        }
        self.check_snapshot_name(repository, target)?;
        self.check_writable(repository, "cannot create snapshot in a readonly repository")?;
        self.check_name_is_free(repository, target)?;
        let snapshot = self.snapshot(repository, source).filter(|snapshot| !snapshot.is_running());
        let snapshot = snapshot.ok_or_else(|| Fail::snapshot_missing(repository, source))?;
        let names = select(&expressions, snapshot.indices.keys(), false)
            .map_err(|missing| Fail::index_not_found(&missing, false))?;
        let copies: std::collections::BTreeMap<String, SnapshotIndex> =
            names.iter().filter_map(|name| Some((name.clone(), snapshot.indices.get(name)?.clone()))).collect();
        if let Some((broken, _)) = copies.iter().find(|(_, index)| !index.failed.is_empty()) {
            let reason = format!(
                "[{repository}:{source}/{}] Can't clone index [{broken}] because its snapshot was not successful.",
                snapshot.uuid
            );
            return Err(Fail::new(500, "snapshot_exception", reason));
        }
        let options = SnapshotOptions { include_global_state: true, metadata: None, is_clone: true };
        let streams = snapshot.streams.clone();
        let _ = self.start_snapshot(repository, target, (copies, streams), options, call.now);
        Ok(acknowledged())
    }
}

/// Which fields of a snapshot a listing contains.
#[derive(Clone, Copy)]
struct Detail {
    verbose: bool,
    repository: bool,
    indices: bool,
}

fn invalid_snapshot_name(repository: &str, name: &str, problem: &str) -> Fail {
    let reason = format!("[{repository}:{name}] Invalid snapshot name [{name}], {problem}");
    Fail::new(400, "invalid_snapshot_name_exception", reason)
}

/// Sorts a listing and cuts it to one page. Returns the cursor of the next page and how many
/// remain.
fn page(found: &mut Vec<(&str, &Snapshot)>, call: &Call<'_>) -> Result<Option<(String, usize)>, Fail> {
    match call.parameter("sort").unwrap_or("start_time") {
        "start_time" => found.sort_by_key(|(_, snapshot)| (snapshot.began.wall, &snapshot.name)),
        "name" => found.sort_by_key(|(_, snapshot)| &snapshot.name),
        other => return Err(Fail::not_modelled(&format!("the sort key [{other}]"))),
    }
    if call.parameter("order") == Some("desc") {
        found.reverse();
    }
    let after =
        call.parameter("after").map(|cursor| cursor.strip_prefix("page-").and_then(|at| at.parse::<usize>().ok()));
    let start = match after {
        Some(None) => return Err(Fail::illegal("invalid after parameter")),
        Some(Some(start)) => start,
        None => {
            usize::try_from(call.number("offset")?.unwrap_or(0)).map_err(|_| Fail::validation("offset must be >= 0"))?
        }
    };
    found.drain(..start.min(found.len()));
    let size = call.number("size")?.unwrap_or(-1);
    if size == 0 || size < -1 {
        return Err(Fail::validation("size must be -1 for no limit or greater than 0"));
    }
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let remaining = found.len().saturating_sub(size);
    found.truncate(size);
    Ok((remaining > 0).then(|| (format!("page-{}", start + size), remaining)))
}

fn iso(time: std::time::SystemTime) -> String {
    format_time(time, "%Y-%m-%dT%H:%M:%S.%3fZ")
}
