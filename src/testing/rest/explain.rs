//! Responses of `_cluster/allocation/explain`.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::super::cluster::{Cluster, Index, MAX_RETRIES, ShardState, Unassigned};
use super::super::text::format_time;
use super::Call;
use super::cluster::node_name;
use super::fail::{Fail, Outcome};

impl Cluster {
    /// Explains the primary shard that the body names. Without a body, it explains the first
    /// unassigned shard.
    pub(super) fn explain(&self, call: &Call<'_>) -> Outcome {
        let body = call.object()?;
        if body.is_empty() {
            let numbered = |(name, index): (_, &Index)| (0..index.shards()).map(move |shard| (name, shard));
            let unassigned =
                self.indices.iter().flat_map(|(name, index)| numbered((name, index)).map(move |at| (at, index)));
            let mut unassigned = unassigned
                .filter(|((name, shard), index)| self.shard_state(name, index, *shard, call.now).is_unassigned());
            let none = "unable to find any unassigned shards to explain [ClusterAllocationExplainRequest[useAnyUnassignedShard=true,\
                        includeYesDecisions?=false]";
            let ((name, shard), index) = unassigned.next().ok_or_else(|| Fail::illegal(none))?;
            return Ok(self.explain_shard(name, index, shard, call));
        }
        let problems: Vec<&str> =
            ["index", "shard", "primary"].into_iter().filter(|key| !body.contains_key(*key)).collect();
        if !problems.is_empty() {
            let list: Vec<String> =
                problems.iter().zip(1..).map(|(key, number)| format!("{number}: {key} must be specified;")).collect();
            let reason = format!("Validation Failed: {}", list.concat());
            return Err(Fail::new(400, "action_request_validation_exception", reason));
        }
        let name = body.get("index").and_then(Value::as_str).unwrap_or_default();
        let index = self.indices.get(name).ok_or_else(|| Fail::index_not_found(name, false))?;
        let shard = body.get("shard").and_then(Value::as_u64).and_then(|shard| u32::try_from(shard).ok());
        let Some(shard) = shard.filter(|shard| index.shard(*shard).is_some()) else {
            let shard = body.get("shard").map(Value::to_string).unwrap_or_default();
            let more = [("index", name), ("shard", &shard), ("index_uuid", &index.uuid)];
            let more: Map<String, Value> =
                more.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
            return Err(Fail::with(404, "shard_not_found_exception", "no such shard", more));
        };
        if body.get("primary") != Some(&json!(true)) {
            return Err(Fail::not_modelled("the explanation of a replica"));
        }
        Ok(self.explain_shard(name, index, shard, call))
    }

    fn explain_shard(&self, name: &str, index: &Index, shard: u32, call: &Call<'_>) -> Value {
        let node =
            json!({ "id": self.node_id, "name": node_name(index, shard), "transport_address": "127.0.0.1:9300" });
        let mut out = json!({ "index": name, "shard": shard, "primary": true });
        let add = |out: &mut Value, more: Value| {
            if let (Some(out), Value::Object(more)) = (out.as_object_mut(), more) {
                out.extend(more);
            }
        };
        let why = match self.shard_state(name, index, shard, call.now) {
            ShardState::Started => {
                let more = json!({
                    "current_state": "started",
                    "current_node": node,
                    "can_remain_on_current_node": "yes",
                    "can_rebalance_cluster": "no",
                    "can_rebalance_to_other_node": "no",
                    "rebalance_explanation": "rebalancing is not allowed",
                });
                add(&mut out, more);
                return out;
            }
            ShardState::Initializing => {
                let explanation = "the shard is in the process of initializing on node [node-1], wait until initialization has completed";
                let mut info = json!({ "reason": self.unassigned_reason(name, index, shard, call.now).0 });
                if let Some(failures) = self.failing_shards.get(&(name.to_owned(), shard)) {
                    add(&mut info, json!({ "failed_allocation_attempts": failures }));
                }
                let more = json!({
                    "current_state": "initializing",
                    "unassigned_info": info,
                    "current_node": node,
                    "explanation": explanation,
                });
                add(&mut out, more);
                return out;
            }
            ShardState::Unassigned(why) => why,
        };
        let (reason, details) = self.unassigned_reason(name, index, shard, call.now);
        let (can_allocate, explanation) = match why {
            Unassigned::Throttled => ("throttled", "allocation temporarily throttled"),
            Unassigned::Failed(attempts) if attempts < MAX_RETRIES => ("yes", "can allocate the shard"),
            Unassigned::Failed(_) | Unassigned::Filtered => {
                ("no", "cannot allocate because allocation is not permitted to any of the nodes")
            }
        };
        let since = index.shard(shard).map_or(SystemTime::UNIX_EPOCH, |shard| shard.since);
        let mut info = json!({
            "reason": reason,
            "at": format_time(since, "%Y-%m-%dT%H:%M:%S.%3fZ"),
            "details": details,
            "last_allocation_status": if can_allocate == "yes" { "awaiting_info" } else { can_allocate },
        });
        if let Unassigned::Failed(attempts) = why {
            add(&mut info, json!({ "failed_allocation_attempts": attempts }));
        }
        let more = json!({
            "current_state": "unassigned",
            "unassigned_info": info,
            "can_allocate": can_allocate,
            "allocate_explanation": explanation,
            "node_allocation_decisions": [{
                "node_id": self.node_id,
                "node_name": "node-1",
                "transport_address": "127.0.0.1:9300",
                "node_decision": can_allocate,
                "weight_ranking": 1,
                "deciders": deciders(name, index, why, &details),
            }],
        });
        add(&mut out, more);
        out
    }
}

/// Returns the deciders that do not allow the shard on the node now.
fn deciders(name: &str, index: &Index, why: Unassigned, details: &str) -> Vec<Value> {
    let decider = |decider: &str, decision: &str, explanation: String| json!({ "decider": decider, "decision": decision, "explanation": explanation });
    let from = index.restored.as_ref();
    let label =
        from.map(|from| format!("{}:{}/{}", from.repository, from.snapshot, from.snapshot_uuid)).unwrap_or_default();
    let restore = decider(
        "restore_in_progress",
        "NO",
        format!(
            "shard has failed to be restored from the snapshot [{label}] because of [{details}] - manually close or delete the \
             index [{name}] in order to retry to restore the snapshot again or use the reroute API to force the allocation of an \
             empty primary shard"
        ),
    );
    match why {
        Unassigned::Throttled => vec![decider(
            "throttling",
            "THROTTLE",
            "reached the limit of ongoing initial primary recoveries [4], cluster setting \
             [cluster.routing.allocation.node_initial_primaries_recoveries=4]"
                .to_owned(),
        )],
        Unassigned::Filtered => vec![
            restore,
            decider(
                "filter",
                "NO",
                "node does not match index setting [index.routing.allocation.require] filters [_name:\"nobody\"]"
                    .to_owned(),
            ),
        ],
        Unassigned::Failed(attempts) if attempts < MAX_RETRIES => Vec::new(),
        Unassigned::Failed(attempts) => vec![
            decider(
                "max_retry",
                "NO",
                format!(
                    "shard has exceeded the maximum number of retries [{MAX_RETRIES}] on failed allocation attempts - manually call \
                     [/_cluster/reroute?retry_failed=true] to retry, [unassigned_info[[reason=ALLOCATION_FAILED], \
                     failed_attempts[{attempts}], delayed=false, details[{details}], allocation_status[deciders_no]]]"
                ),
            ),
            restore,
        ],
    }
}
