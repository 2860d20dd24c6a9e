//! Answers about the cluster and its indices.

use serde_json::{Map, Value, json};

use super::super::cluster::{Cluster, Index, Now, ShardState, select};
use super::fail::{Fail, Outcome};
use super::{Call, FORBIDDEN, acknowledged};

impl Cluster {
    pub(super) fn info(&self) -> Value {
        let engine = &self.engine;
        let (tagline, lucene) = if engine.opensearch {
            ("The OpenSearch Project: https://opensearch.org/", "9.12.3")
        } else {
            ("You Know, for Search", "8.7.0")
        };
        let mut version = json!({
            "number": engine.version,
            "build_type": "tar",
            "build_hash": "747e1cc71def077253878a59143c1f785afa92b9",
            "build_date": "2021-01-13T00:42:12.435326Z",
            "build_snapshot": false,
            "lucene_version": lucene,
            "minimum_wire_compatibility_version": "6.8.0",
            "minimum_index_compatibility_version": "6.0.0-beta1",
        });
        if let Some(version) = version.as_object_mut() {
            let (name, value) = if engine.opensearch { ("distribution", "opensearch") } else { ("build_flavor", "oss") };
            version.insert(name.to_owned(), value.into());
        }
        json!({ "name": "node-1", "cluster_name": "local", "cluster_uuid": self.node_id, "version": version, "tagline": tagline })
    }

    pub(super) fn health(&self, now: Now) -> Value {
        let count = |wanted: ShardState| {
            let of = |(name, index): (&String, &Index)| {
                (0..index.shards).filter(|shard| self.shard_state(name, index, *shard, now) == wanted).count()
            };
            self.indices.iter().map(of).sum::<usize>()
        };
        let (started, initializing, unassigned) =
            (count(ShardState::Started), count(ShardState::Initializing), count(ShardState::Unassigned));
        let all = started + initializing + unassigned;
        let percent = (started * 100).checked_div(all).and_then(|percent| u32::try_from(percent).ok()).map_or(100.0, f64::from);
        json!({
            "cluster_name": "local",
            "status": if started == all { "green" } else { "red" },
            "timed_out": false,
            "number_of_nodes": 1,
            "number_of_data_nodes": 1,
            "active_primary_shards": started,
            "active_shards": started,
            "relocating_shards": 0,
            "initializing_shards": initializing,
            "unassigned_shards": unassigned,
            "delayed_unassigned_shards": 0,
            "number_of_pending_tasks": 0,
            "number_of_in_flight_fetch": 0,
            "task_max_waiting_in_queue_millis": 0,
            "active_shards_percent_as_number": percent,
        })
    }

    /// The indices that a path names: all, or a list of names and patterns.
    pub(super) fn indices_in_path(&self, list: Option<&str>) -> Result<Vec<(&String, &Index)>, Fail> {
        let expressions: Vec<String> = list.map(|list| list.split(',').map(str::to_owned).collect()).unwrap_or_default();
        let names = select(&expressions, self.indices.keys(), false).map_err(|missing| Fail::index_not_found(&missing, true))?;
        Ok(names.iter().filter_map(|name| self.indices.get_key_value(name)).collect())
    }

    pub(super) fn cat_shards(&self, index: Option<&str>, call: &Call<'_>) -> Outcome {
        if call.parameter("format") != Some("json") {
            return Err(Fail::not_modelled("_cat without format=json"));
        }
        let columns = call.parameter("h").unwrap_or("index,shard,prirep,state,docs,store,ip,node");
        let mut rows = Vec::new();
        for (name, index) in self.indices_in_path(index)? {
            for shard in 0..index.shards {
                let state = self.shard_state(name, index, shard, call.now);
                let started = |value: String| if state == ShardState::Started { Value::from(value) } else { Value::Null };
                let assigned = |value: &str| if state == ShardState::Unassigned { Value::Null } else { Value::from(value) };
                let value_of = |column: &str| {
                    Some(match column {
                        "index" => name.clone().into(),
                        "shard" => shard.to_string().into(),
                        "prirep" => "p".into(),
                        "state" => match state {
                            ShardState::Started => "STARTED".into(),
                            ShardState::Initializing => "INITIALIZING".into(),
                            ShardState::Unassigned => "UNASSIGNED".into(),
                        },
                        "docs" => started((index.docs / u64::from(index.shards.max(1))).to_string()),
                        "store" => started("64kb".to_owned()),
                        "ip" => assigned("127.0.0.1"),
                        "node" => assigned("node-1"),
                        "unassigned.reason" => match state {
                            ShardState::Unassigned => "ALLOCATION_FAILED".into(),
                            ShardState::Initializing => "NEW_INDEX_RESTORED".into(),
                            ShardState::Started => Value::Null,
                        },
                        "unassigned.details" => match (&index.restored, state) {
                            (Some(from), ShardState::Initializing) => {
                                format!("restore_source[{}/{}]", from.repository, from.snapshot).into()
                            }
                            (Some(from), ShardState::Unassigned) => from.shard_failure(name, shard).into(),
                            _ => Value::Null,
                        },
                        _ => return None,
                    })
                };
                let row: Map<String, Value> =
                    columns.split(',').filter_map(|column| Some((column.to_owned(), value_of(column)?))).collect();
                rows.push(Value::Object(row));
            }
        }
        Ok(rows.into())
    }

    pub(super) fn put_index(&mut self, name: &str, call: &Call<'_>) -> Outcome {
        check_index_name(name)?;
        if let Some(existing) = self.indices.get(name) {
            let more = [("index".to_owned(), name.into()), ("index_uuid".to_owned(), existing.uuid.clone().into())];
            let reason = format!("index [{name}/{}] already exists", existing.uuid);
            return Err(Fail::with(400, "resource_already_exists_exception", reason, more.into_iter().collect()));
        }
        let body = Value::Object(call.object()?);
        let shards = ["/settings/number_of_shards", "/settings/index/number_of_shards"].iter().find_map(|at| body.pointer(at));
        let shards = shards.and_then(|value| value.as_str().map_or_else(|| value.as_u64(), |text| text.parse().ok()));
        let shards = shards.and_then(|shards| u32::try_from(shards).ok()).unwrap_or(1);
        self.create_index(name, shards, call.now);
        Ok(json!({ "acknowledged": true, "shards_acknowledged": true, "index": name }))
    }

    pub(super) fn delete_index(&mut self, list: &str) -> Outcome {
        let names: Vec<String> = self.indices_in_path(Some(list))?.into_iter().map(|(name, _)| name.clone()).collect();
        let busy = |name: &&String| self.running().any(|(_, snapshot)| snapshot.indices.contains_key(*name));
        let busy: Vec<String> =
            names.iter().filter(busy).filter_map(|name| Some(format!("[{name}/{}]", self.indices.get(name)?.uuid))).collect();
        if !busy.is_empty() {
            return Err(Fail::new(
                400,
                "snapshot_in_progress_exception",
                format!(
                    "Cannot delete indices that are being snapshotted: [{}]. Try again after snapshot finishes or cancel the currently \
                     running snapshot.",
                    busy.join(", ")
                ),
            ));
        }
        for name in &names {
            self.remove_index(name);
        }
        Ok(acknowledged())
    }
}

pub(super) fn check_index_name(name: &str) -> Result<(), Fail> {
    if name.to_lowercase() != name {
        return Err(Fail::invalid_index_name(name, "must be lowercase"));
    }
    if name.contains(FORBIDDEN) {
        return Err(Fail::invalid_index_name(
            name,
            r#"must not contain the following characters [ , ", *, \, <, |, ,, >, /, ?]"#,
        ));
    }
    Ok(())
}
