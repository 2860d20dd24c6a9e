//! What the cluster says of shards: seen there are those that wait to be restored or could not be, which no recovery lists.

use serde::Deserialize;

use crate::wire::{integer_or_text, null_as_default};

/// A row of `GET /_cat/shards?format=json&h=index,shard,prirep,state,unassigned.reason,unassigned.details`: there a shard is seen
/// that could not be restored, which no recovery lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ShardRow {
    pub(crate) index: String,
    #[serde(deserialize_with = "integer_or_text")]
    pub(crate) shard: Option<u32>,
    /// `p` or `r`.
    pub(crate) prirep: String,
    /// `STARTED`, `INITIALIZING`, `RELOCATING` or `UNASSIGNED`.
    pub(crate) state: String,
    #[serde(rename = "unassigned.reason")]
    pub(crate) unassigned_reason: Option<String>,
    #[serde(rename = "unassigned.details")]
    pub(crate) unassigned_details: Option<String>,
}

impl ShardRow {
    /// Why it is not assigned; empty if that is not told.
    pub(crate) fn details(&self) -> &str {
        self.unassigned_details.as_deref().unwrap_or_default()
    }

    /// Whether nodes have tried to take the shard and could not.
    pub(crate) fn has_failed(&self) -> bool {
        self.state == "UNASSIGNED" && self.unassigned_reason.as_deref() == Some("ALLOCATION_FAILED")
    }
}

/// The reply of `POST /_cluster/allocation/explain`, as far as a restore is concerned.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AllocationExplanation {
    #[serde(deserialize_with = "null_as_default")]
    node_allocation_decisions: Vec<NodeDecision>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeDecision {
    #[serde(deserialize_with = "null_as_default")]
    deciders: Vec<Ruling>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ruling {
    decider: String,
    decision: String,
    explanation: String,
}

impl AllocationExplanation {
    /// Why the engine has given the shard's restore up, if it has: no node could take the shard when it was to begin. It does
    /// not try again by itself, even when a node can.
    pub(crate) fn given_up(&self) -> Option<String> {
        const RESTORE: &str = "restore_in_progress";
        let against = || self.node_allocation_decisions.iter().flat_map(|node| &node.deciders).filter(|one| one.decision == "NO");
        let verdict = against().find(|one| one.decider == RESTORE)?;
        let why = against().find(|one| one.decider != RESTORE);
        Some(match why {
            Some(why) => format!("{}; {}", why.explanation, verdict.explanation),
            None => verdict.explanation.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_restore_is_given_up_when_its_own_decider_says_so() {
        let explain = |decision: &str| {
            let reply = json!({"can_allocate": "no", "node_allocation_decisions": [
                {"deciders": [{"decider": "restore_in_progress", "decision": decision, "explanation": "failed to be restored"},
                              {"decider": "filter", "decision": "NO", "explanation": "no such node"}]}, {"deciders": null}]});
            serde_json::from_value::<AllocationExplanation>(reply).unwrap().given_up()
        };

        assert_eq!(explain("NO").as_deref(), Some("no such node; failed to be restored"));
        assert_eq!(explain("YES"), None);
        assert_eq!(serde_json::from_str::<AllocationExplanation>("{}").unwrap().given_up(), None);
    }

    #[test]
    fn rows_of_shards_are_text_and_null() {
        let rows: Vec<ShardRow> = serde_json::from_str(
            r#"[{"index":"logs","shard":"2","prirep":"p","state":"UNASSIGNED","unassigned.reason":"NEW_INDEX_RESTORED","unassigned.details":"restore_source[r/s]"},
                {"index":"logs","shard":"0","prirep":"r","state":"STARTED","unassigned.reason":null,"unassigned.details":null}]"#,
        )
        .unwrap();
        assert_eq!((rows[0].shard, rows[0].prirep.as_str(), rows[0].state.as_str()), (Some(2), "p", "UNASSIGNED"));
        assert_eq!(rows[0].unassigned_reason.as_deref(), Some("NEW_INDEX_RESTORED"));
        assert_eq!(rows[0].unassigned_details.as_deref(), Some("restore_source[r/s]"));
        assert_eq!((rows[1].index.as_str(), &rows[1].unassigned_reason), ("logs", &None));
    }
}
