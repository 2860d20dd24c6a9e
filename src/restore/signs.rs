//! What tells a restore from those that there were before: the API has no mark for one.

use std::collections::BTreeSet;

use super::{RestoreSnapshot, ShardRecovery, ShardRow, waiting_rows};
use crate::name::{RepositoryName, SnapshotName};

/// The restores from a snapshot that there were before a new one was asked for.
#[derive(Debug)]
pub(crate) struct EarlierRestores {
    marks: BTreeSet<Mark>,
    /// Whether rows of shards have told of them too; otherwise a row is no sign of a new one.
    pub(crate) by_rows: bool,
}

impl EarlierRestores {
    pub(crate) fn new(
        rows: Option<&[ShardRow]>,
        recoveries: &[ShardRecovery],
        repository: &RepositoryName,
        name: &SnapshotName,
    ) -> Self {
        let signs = Sign::all(rows.unwrap_or_default(), recoveries, repository, name);
        Self { marks: signs.map(|sign| sign.mark).collect(), by_rows: rows.is_some() }
    }

    /// Whether these are signs of another restore from the snapshot, of an index that the options can mean.
    pub(crate) fn are_outdone(
        &self,
        rows: &[ShardRow],
        recoveries: &[ShardRecovery],
        repository: &RepositoryName,
        name: &SnapshotName,
        options: &RestoreSnapshot,
    ) -> bool {
        Sign::all(rows, recoveries, repository, name).any(|sign| self.lack(&sign) && options.can_restore(sign.source, sign.index))
    }

    /// Whether the sign is of none of them. One whose shards waited then has its id by now, or has failed.
    fn lack(&self, sign: &Sign) -> bool {
        !self.marks.contains(&sign.mark) && !self.marks.contains(&Mark::Waiting(sign.index.to_owned()))
    }
}

/// What is the same for all signs of a restore, as far as they tell.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    /// The restore's id.
    Restore(String),
    /// The index, of which a shard waits: it has no id yet.
    Waiting(String),
    /// The index, of which a shard has failed: it has no id any more.
    Failed(String),
}

/// One sign of a restore from a snapshot: the index, and its name in the snapshot where that is told.
struct Sign<'a> {
    index: &'a str,
    source: Option<&'a str>,
    mark: Mark,
}

impl<'a> Sign<'a> {
    /// All signs of restores from this snapshot: rows of shards that wait or have failed, and recoveries.
    fn all(
        rows: &'a [ShardRow],
        recoveries: &'a [ShardRecovery],
        repository: &RepositoryName,
        name: &SnapshotName,
    ) -> impl Iterator<Item = Self> {
        let rows = waiting_rows(rows, repository, name).map(|row| {
            let mark = if row.has_failed() { Mark::Failed } else { Mark::Waiting };
            Self { index: &row.index, source: None, mark: mark(row.index.clone()) }
        });
        let recoveries = recoveries.iter().filter(|shard| shard.comes_from(repository, name)).map(|shard| Self {
            index: shard.index(),
            source: shard.source_index(),
            mark: match shard.restore_uuid() {
                Some(id) => Mark::Restore(id.to_owned()),
                None => Mark::Waiting(shard.index().to_owned()),
            },
        });
        rows.chain(recoveries)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::RecoveryMap;

    fn row(index: &str, reason: &str, details: &str) -> ShardRow {
        serde_json::from_value(json!({"index": index, "shard": "0", "prirep": "p", "state": "UNASSIGNED",
            "unassigned.reason": reason, "unassigned.details": details}))
        .unwrap()
    }

    fn waiting(index: &str) -> ShardRow {
        row(index, "NEW_INDEX_RESTORED", "restore_source[r/s]")
    }

    fn failed(index: &str) -> ShardRow {
        row(index, "ALLOCATION_FAILED", "failed shard, failed to restore snapshot [s/x1], details")
    }

    fn recovery(index: &str, restore: &str) -> Vec<ShardRecovery> {
        let source = json!({"repository": "r", "snapshot": "s", "index": index, "restoreUUID": restore});
        let reply =
            json!({index: {"shards": [{"id": 0, "type": "SNAPSHOT", "stage": "DONE", "primary": true, "source": source}]}});
        serde_json::from_value::<RecoveryMap>(reply).unwrap().0
    }

    fn outdone(before: (&[ShardRow], &[ShardRecovery]), after: (&[ShardRow], &[ShardRecovery])) -> bool {
        let (repository, name) = ("r".parse().unwrap(), "s".parse().unwrap());
        let earlier = EarlierRestores::new(Some(before.0), before.1, &repository, &name);
        earlier.are_outdone(after.0, after.1, &repository, &name, &RestoreSnapshot::new().indices(["logs"]))
    }

    #[test]
    fn a_restore_of_another_id_is_new() {
        assert!(outdone((&[], &recovery("logs", "first")), (&[], &recovery("logs", "second"))));
        assert!(!outdone((&[], &recovery("logs", "first")), (&[], &recovery("logs", "first"))));
    }

    #[test]
    fn a_shard_that_waits_is_new_where_none_of_its_index_did() {
        assert!(outdone((&[], &[]), (&[waiting("logs")], &[])));
        assert!(!outdone((&[waiting("logs")], &[]), (&[waiting("logs")], &[])));
    }

    #[test]
    fn a_restore_that_waited_before_is_not_new_when_it_has_its_id_or_has_failed() {
        assert!(!outdone((&[waiting("logs")], &[]), (&[], &recovery("logs", "first"))));
        assert!(!outdone((&[waiting("logs")], &[]), (&[failed("logs")], &[])));
    }

    #[test]
    fn a_failed_restore_hides_no_later_one_of_its_index() {
        assert!(!outdone((&[failed("logs")], &[]), (&[failed("logs")], &[])));
        assert!(outdone((&[failed("logs")], &[]), (&[waiting("logs")], &[])));
    }

    #[test]
    fn a_restore_of_an_index_that_was_not_asked_for_is_another_clients() {
        assert!(!outdone((&[], &[]), (&[waiting("books")], &[])));
        assert!(!outdone((&[], &[]), (&[], &recovery("books", "first"))));
    }
}
