//! Shards as the cluster shows them, including those that wait for their restore or could not be
//! restored. Recoveries do not list these.

use std::sync::Arc;

use serde::Deserialize;

use crate::pieces::{Array, Chunks, Elements, ReadError};
use crate::wire::{integer_or_text, null_as_default};

/// A row of the shard list. The request is `GET /_cat/shards?format=json` with
/// `h=index,shard,prirep,state,unassigned.reason,unassigned.details`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShardRow {
    pub(crate) index: Arc<str>,
    pub(crate) shard: Option<u32>,
    pub(crate) is_primary: bool,
    pub(crate) state: ShardState,
    /// Set if no node has the shard.
    pub(crate) unassigned: Option<Box<Unassigned>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum ShardState {
    Started,
    Initializing,
    Relocating,
    Unassigned,
    #[default]
    #[serde(other)]
    Other,
}

/// Why a shard is not assigned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unassigned {
    pub(crate) reason: Box<str>,
    pub(crate) details: Box<str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireRow {
    index: Box<str>,
    #[serde(deserialize_with = "integer_or_text")]
    shard: Option<u32>,
    prirep: Box<str>,
    #[serde(deserialize_with = "null_as_default")]
    state: ShardState,
    #[serde(rename = "unassigned.reason")]
    reason: Option<Box<str>>,
    #[serde(rename = "unassigned.details")]
    details: Option<Box<str>>,
}

impl ShardRow {
    /// Returns the row. The rows of one index follow one another and share its name, so `previous`
    /// is the name in the row before.
    fn new(row: WireRow, previous: &mut Arc<str>) -> Self {
        if **previous != *row.index {
            *previous = row.index.into();
        }
        let unassigned = (row.reason.is_some() || row.details.is_some()).then(|| {
            Box::new(Unassigned { reason: row.reason.unwrap_or_default(), details: row.details.unwrap_or_default() })
        });
        Self {
            index: Arc::clone(previous),
            shard: row.shard,
            is_primary: &*row.prirep == "p",
            state: row.state,
            unassigned,
        }
    }

    /// Returns why the shard is not assigned. Empty if the server gives no details.
    pub(crate) fn details(&self) -> &str {
        self.unassigned.as_ref().map_or("", |unassigned| &unassigned.details)
    }

    /// Returns whether the shard has no node because of a restore, so that it has not been restored
    /// since.
    pub(crate) fn waits_for_restore(&self) -> bool {
        const REASONS: [&str; 3] = ["NEW_INDEX_RESTORED", "EXISTING_INDEX_RESTORED", "ALLOCATION_FAILED"];
        self.state == ShardState::Unassigned
            && self.unassigned.as_ref().is_some_and(|one| REASONS.contains(&&*one.reason))
    }

    /// Returns whether nodes have tried to take the shard and failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.state == ShardState::Unassigned
            && self.unassigned.as_ref().is_some_and(|unassigned| &*unassigned.reason == "ALLOCATION_FAILED")
    }
}

/// The response of `GET /_cat/shards`, read row by row, because it contains every shard of the
/// cluster.
#[derive(Debug)]
pub(crate) struct ShardRows {
    rows: Array<WireRow>,
    index: Arc<str>,
}

impl ShardRows {
    pub(crate) fn new(chunks: Chunks) -> Self {
        Self { rows: Array::new(chunks), index: Arc::default() }
    }
}

impl Elements for ShardRows {
    type Element = ShardRow;

    async fn next(&mut self) -> Result<Option<ShardRow>, ReadError> {
        let row = self.rows.next().await?;
        Ok(row.map(|row| ShardRow::new(row, &mut self.index)))
    }

    fn position(&self) -> u64 {
        self.rows.position()
    }
}

/// The response of `POST /_cluster/allocation/explain`, as far as a restore needs it.
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
    deciders: Vec<DeciderResult>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DeciderResult {
    decider: String,
    decision: String,
    explanation: String,
}

impl AllocationExplanation {
    /// Returns why the server has given up restoring the shard, if it has. That happens if no node
    /// can take the shard when its restore should begin. The server does not retry by itself, even
    /// if a node could take the shard later.
    pub(crate) fn given_up(&self) -> Option<String> {
        const RESTORE: &str = "restore_in_progress";
        let refusals =
            || self.node_allocation_decisions.iter().flat_map(|node| &node.deciders).filter(|one| one.decision == "NO");
        let restore = refusals().find(|one| one.decider == RESTORE)?;
        let cause = refusals().find(|one| one.decider != RESTORE);
        Some(match cause {
            Some(cause) => format!("{}; {}", cause.explanation, restore.explanation),
            None => restore.explanation.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pieces::tests::read_all;

    #[test]
    fn reports_a_restore_as_given_up_if_its_decider_refuses() {
        let explain = |decision: &str| {
            let response = json!({"can_allocate": "no", "node_allocation_decisions": [
                {"deciders": [{"decider": "restore_in_progress", "decision": decision, "explanation": "failed to be restored"},
                              {"decider": "filter", "decision": "NO", "explanation": "no such node"}]}, {"deciders": null}]});
            serde_json::from_value::<AllocationExplanation>(response).unwrap().given_up()
        };

        assert_eq!(explain("NO").as_deref(), Some("no such node; failed to be restored"));
        assert_eq!(explain("YES"), None);
        assert_eq!(serde_json::from_str::<AllocationExplanation>("{}").unwrap().given_up(), None);
    }

    #[test]
    fn reads_rows_whose_values_are_text_or_null() {
        let response = r#"[{"index":"logs","shard":"2","prirep":"p","state":"UNASSIGNED","unassigned.reason":"NEW_INDEX_RESTORED","unassigned.details":"restore_source[r/s]"},
            {"index":"logs","shard":"0","prirep":"r","state":"STARTED","unassigned.reason":null,"unassigned.details":null},{"state":"DANCING"}]"#;
        let rows: Vec<ShardRow> = read_all(ShardRows::new, response).unwrap();
        assert_eq!((rows[0].shard, rows[0].is_primary, rows[0].state), (Some(2), true, ShardState::Unassigned));
        assert_eq!(rows[0].unassigned.as_ref().unwrap().reason.as_ref(), "NEW_INDEX_RESTORED");
        assert_eq!(rows[0].details(), "restore_source[r/s]");
        assert_eq!((&*rows[1].index, rows[1].is_primary, &rows[1].unassigned), ("logs", false, &None));
        assert!(Arc::ptr_eq(&rows[0].index, &rows[1].index));
        assert_eq!((&*rows[2].index, rows[2].state), ("", ShardState::Other));
    }
}
