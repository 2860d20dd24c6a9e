//! Responses to restores.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::cluster::{Cluster, Index, Now, RestoreOptions, Snapshot, Target, select};
use super::fail::{Fail, Outcome, gateway_timeout};
use super::indices::{check_index_name, setting};
use super::rename::replace_all;
use super::{Body, Call, index_expressions};

impl Cluster {
    pub(super) fn restore(&mut self, repository: &str, name: &str, call: &Call<'_>) -> Outcome {
        let wait = call.flag("wait_for_completion", false)?;
        let body = call.object()?;
        let expressions = index_expressions(&body)?;
        if let Some(unknown) = body.keys().find(|key| !self.accepts_restore_key(key)) {
            return Err(Fail::illegal(format!("Unknown parameter {unknown}")));
        }
        self.repository(repository)?;
        let snapshot = self.snapshot(repository, name).filter(|snapshot| !snapshot.is_running()).cloned();
        let Some(snapshot) = snapshot else {
            return Err(restore_failure(format!("[{repository}:{name}] snapshot does not exist")));
        };
        if let Some(fail) = Fail::unreadable(repository, &snapshot) {
            return Err(fail);
        }
        let label = format!("[{repository}:{name}/{}]", snapshot.uuid);
        if snapshot.state() == "FAILED" {
            return Err(restore_failure(format!("{label} unsupported snapshot state [FAILED]")));
        }
        let targets = self.restore_targets(&snapshot, expressions, &body, &label)?;
        let options = RestoreOptions {
            include_aliases: body
                .get("include_aliases")
                .is_none_or(|value| value != &json!(false) && value != &json!("false")),
            is_filtered: is_filtered(&body),
            is_hidden: overridden(&body, "hidden").map(|hidden| hidden == "true"),
        };
        self.start_restore(repository, &snapshot, &targets, options, call.now);
        let targets: Vec<String> = targets.into_iter().map(|target| target.name).collect();
        if !wait && !targets.is_empty() {
            return Ok(json!({ "accepted": true }));
        }
        if wait && self.hold_restores {
            return Err(gateway_timeout());
        }
        self.end_restores(&targets, call.now);
        let (mut total, mut failed) = (0, 0);
        for (name, index) in targets.iter().filter_map(|name| self.indices.get_key_value(name)) {
            total += index.shards();
            let missing = |shard: &u32| {
                index.restored.as_ref().is_some_and(|restored| restored.missing.contains(shard))
                    || self.shard_state(name, index, *shard, call.now).is_unassigned()
            };
            failed += u32::try_from((0..index.shards()).filter(missing).count()).unwrap_or(0);
        }
        let shards = json!({ "total": total, "failed": failed, "successful": total - failed });
        Ok(json!({ "snapshot": { "snapshot": name, "indices": targets, "shards": shards } }))
    }

    /// Starts a restore with this request body. Returns the refusal as text.
    pub(in crate::testing) fn restore_with_body(
        &mut self,
        repository: &str,
        name: &str,
        body: &Value,
        now: Now,
    ) -> Result<(), String> {
        let body = body.to_string();
        let call = Call { path: "", query: Vec::new(), body: body.as_bytes(), now };
        self.restore(repository, name, &call).map(drop).map_err(|fail| match fail.body {
            Body::Json(body) => body.to_string(),
            Body::Empty | Body::GatewayPage => fail.status.to_string(),
        })
    }

    /// Returns the indices to restore with their new names, or the reason why that is not possible.
    fn restore_targets(
        &self,
        snapshot: &Snapshot,
        mut expressions: Vec<String>,
        body: &Map<String, Value>,
        label: &str,
    ) -> Result<Vec<Target>, Fail> {
        let flag = |key: &str| body.get(key).is_some_and(|value| value == &json!(true) || value == &json!("true"));
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        let renamed = |name: &str| match (text("rename_pattern"), text("rename_replacement")) {
            ("", _) => Ok(name.to_owned()),
            (pattern, replacement) => replace_all(name, pattern, replacement),
        };
        // A data stream in the list selects its backing indices.
        let streams = select(&expressions, snapshot.streams.keys(), true).unwrap_or_default();
        let backing = |stream: &String| snapshot.streams.get(stream).into_iter().flatten();
        let in_streams: BTreeMap<&String, &String> =
            streams.iter().flat_map(|stream| backing(stream).map(move |index| (index, stream))).collect();
        if !expressions.is_empty() {
            expressions.retain(|expression| !streams.contains(expression));
            expressions.extend(in_streams.keys().map(|index| (*index).clone()));
        }
        let names = select(&expressions, snapshot.indices.keys(), flag("ignore_unavailable"))
            .map_err(|missing| Fail::index_not_found(&missing, false))?;
        let mut targets: Vec<Target> = Vec::new();
        for index in names {
            let stream = in_streams.get(&index).map(|stream| renamed(stream)).transpose()?;
            let name = match index.strip_prefix(".ds-").filter(|_| stream.is_some()) {
                Some(rest) => format!(".ds-{}", renamed(rest)?),
                None => renamed(&index)?,
            };
            check_index_name(&name)?;
            if let Some(other) = targets.iter().find(|target| target.name == name).map(|target| &target.index) {
                let reason =
                    format!("{label} indices [{index}] and [{other}] are renamed into the same index [{name}]");
                return Err(restore_failure(reason));
            }
            let (shards, is_whole) =
                snapshot.indices.get(&index).map_or((0, true), |copy| (copy.shards, copy.failed.is_empty()));
            if !is_whole && !flag("partial") {
                return Err(restore_failure(format!(
                    "{label} index [{index}] wasn't fully snapshotted - cannot restore"
                )));
            }
            self.check_existing(&index, shards, is_whole, &name, label)?;
            targets.push(Target { index, name, stream });
        }
        Ok(targets)
    }

    /// Checks that an existing index with the new name, if there is one, can be restored over.
    fn check_existing(&self, index: &str, shards: u32, is_whole: bool, name: &str, label: &str) -> Result<(), Fail> {
        let is_alias = |index: &Index| index.aliases.contains(name) || index.stream.as_deref() == Some(name);
        if self.indices.values().any(is_alias) {
            return Err(Fail::invalid_index_name(name, "already exists as alias"));
        }
        let Some(existing) = self.indices.get(name) else { return Ok(()) };
        let problem = if existing.is_open {
            format!(
                "cannot restore index [{name}] because an open index with same name already exists in the cluster. Either close or \
                 delete the existing index or restore the index under a different name by providing a rename pattern and replacement \
                 name"
            )
        } else if !is_whole {
            format!("cannot restore partial index [{name}] because such index already exists")
        } else if existing.shards() != shards {
            format!(
                "cannot restore index [{name}] with [{}] shards from a snapshot of index [{index}] with [{shards}] shards",
                existing.shards()
            )
        } else {
            return Ok(());
        };
        Err(restore_failure(format!("{label} {problem}")))
    }

    fn accepts_restore_key(&self, key: &str) -> bool {
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

/// Returns a setting that the restore overrides.
fn overridden(body: &Map<String, Value>, name: &str) -> Option<String> {
    setting(body.get("index_settings")?.as_object()?, name)
}

/// Returns whether the settings require a node that does not exist.
fn is_filtered(body: &Map<String, Value>) -> bool {
    ["require", "include"].iter().any(|rule| {
        overridden(body, &format!("routing.allocation.{rule}._name"))
            .is_some_and(|node| !["node-1", "node-2"].contains(&node.as_str()))
    })
}
