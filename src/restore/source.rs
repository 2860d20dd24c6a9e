//! What tells shards that are restored from a snapshot from others, and a restore from those that
//! there were before: the API has no mark for one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{RecoveryType, ShardRecovery, ShardRow, Targets};
use crate::name::{RepositoryName, SnapshotName};

/// The snapshot that shards are restored from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    repository: RepositoryName,
    name: SnapshotName,
    uuid: Option<String>,
}

impl Source {
    pub(crate) fn new(repository: RepositoryName, name: SnapshotName) -> Self {
        Self { repository, name, uuid: None }
    }

    pub(crate) fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    pub(crate) fn name(&self) -> &SnapshotName {
        &self.name
    }

    pub(crate) fn set_uuid(&mut self, uuid: Option<&str>) {
        self.uuid = uuid.map(str::to_owned);
    }

    /// Whether the snapshot's uuid is wanted to tell these rows from those of another: shards that
    /// failed tell no repository.
    pub(crate) fn wants_uuid(&self, rows: &[ShardRow]) -> bool {
        let failed = self.failure();
        self.uuid.is_none() && rows.iter().any(|row| row.details().contains(&failed))
    }

    /// The primaries that wait to be restored from this snapshot, or could not be.
    pub(crate) fn rows<'a>(&self, rows: &'a [ShardRow]) -> impl Iterator<Item = &'a ShardRow> + use<'a> {
        let waiting = format!("restore_source[{}/{}]", self.repository, self.name);
        let failed = self.failure();
        rows.iter()
            .filter(|row| row.is_primary)
            .filter(move |row| row.details() == waiting || row.details().contains(&failed))
    }

    fn failure(&self) -> String {
        match &self.uuid {
            Some(uuid) => format!("failed to restore snapshot [{}/{uuid}]", self.name),
            None => format!("failed to restore snapshot [{}/", self.name),
        }
    }

    /// Whether this is the snapshot of that name in that repository.
    pub(crate) fn is(&self, repository: &str, snapshot: &str) -> bool {
        self.repository.as_str() == repository && self.name.as_str() == snapshot
    }

    /// Whether the shard was or is restored from this snapshot.
    pub(crate) fn has(&self, shard: &ShardRecovery) -> bool {
        *shard.kind() == RecoveryType::Snapshot
            && shard
                .source_repository()
                .zip(shard.source_snapshot())
                .is_some_and(|(repository, name)| self.is(repository, name))
    }
}

/// The restores from a snapshot that there were before a new one was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EarlierRestores {
    marks: BTreeSet<Mark>,
    /// Whether rows of shards showed them too; otherwise a row is no sign of a new one.
    pub(crate) by_rows: bool,
}

impl EarlierRestores {
    pub(crate) fn new(source: &Source, rows: Option<&[ShardRow]>, recoveries: &[ShardRecovery]) -> Self {
        let signs = Sign::all(source, rows.unwrap_or_default(), recoveries);
        Self { marks: signs.map(|sign| sign.mark).collect(), by_rows: rows.is_some() }
    }

    /// Whether these are signs of one new restore from the snapshot that writes exactly these
    /// targets.
    ///
    /// A shard that waits has no id yet, so those that have one decide: they must share it, and
    /// nothing else may have it.
    pub(crate) fn are_outdone(
        &self,
        source: &Source,
        rows: &[ShardRow],
        recoveries: &[ShardRecovery],
        targets: &Targets,
    ) -> bool {
        // Another client's, of another index under our target's name.
        if recoveries.iter().any(|recovery| source.has(recovery) && targets.contradict(recovery)) {
            return false;
        }
        let (mut indices, mut ids) = (BTreeSet::new(), BTreeSet::new());
        let known: BTreeSet<&str> = targets.iter().collect();
        for sign in Sign::all(source, rows, recoveries).filter(|sign| self.lack(sign)) {
            let ours = known.contains(sign.index);
            match sign.mark {
                Mark::Restore(id) if ours => {
                    ids.insert(id);
                    indices.insert(sign.index);
                }
                _ if ours => {
                    indices.insert(sign.index);
                }
                _ => {}
            }
        }
        let strangers = Sign::all(source, rows, recoveries).filter(|sign| !known.contains(sign.index));
        let wider = strangers.into_iter().any(|sign| matches!(&sign.mark, Mark::Restore(id) if ids.contains(id)));
        ids.len() <= 1 && (!wider || targets.are_open_ended()) && targets.match_exactly(indices)
    }

    /// Whether the sign is of none of them. One whose shards waited then has its id by now, or has
    /// failed.
    fn lack(&self, sign: &Sign) -> bool {
        !self.marks.contains(&sign.mark) && !self.marks.contains(&Mark::Waiting(sign.index.to_owned()))
    }
}

/// What is the same for all signs of a restore, as far as they tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mark {
    /// The restore's id.
    Restore(String),
    /// The index, of which a shard waits: it has no id yet.
    Waiting(String),
    /// The index, of which a shard has failed: it has no id any more.
    Failed(String),
}

/// One sign of a restore from a snapshot.
struct Sign<'a> {
    index: &'a str,
    mark: Mark,
}

impl<'a> Sign<'a> {
    /// All signs of restores from this snapshot: rows of shards that wait or have failed, and
    /// recoveries.
    fn all(source: &Source, rows: &'a [ShardRow], recoveries: &'a [ShardRecovery]) -> impl Iterator<Item = Self> {
        let rows = source.rows(rows).map(|row| {
            let mark = if row.has_failed() { Mark::Failed } else { Mark::Waiting };
            Self { index: &row.index, mark: mark(row.index.to_string()) }
        });
        let recoveries = recoveries.iter().filter(|shard| source.has(shard)).map(|shard| Self {
            index: shard.index(),
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
    use crate::pieces::tests::read_all;
    use crate::restore::{Recoveries, ShardRows};

    fn source() -> Source {
        Source::new("r".parse().unwrap(), "s".parse().unwrap())
    }

    fn row(index: &str, reason: &str, details: &str) -> ShardRow {
        let rows = json!([{"index": index, "shard": "0", "prirep": "p", "state": "UNASSIGNED",
            "unassigned.reason": reason, "unassigned.details": details}]);
        read_all(ShardRows::new, &rows.to_string()).unwrap().remove(0)
    }

    fn waiting(index: &str) -> ShardRow {
        row(index, "NEW_INDEX_RESTORED", "restore_source[r/s]")
    }

    fn failed(index: &str) -> ShardRow {
        row(index, "ALLOCATION_FAILED", "failed shard, failed to restore snapshot [s/x1], details")
    }

    fn recovery(index: &str, restore: &str) -> Vec<ShardRecovery> {
        let source = json!({"repository": "r", "snapshot": "s", "index": index, "restoreUUID": restore});
        let response = json!({index: {"shards": [{"id": 0, "type": "SNAPSHOT", "stage": "DONE", "primary": true, "source": source}]}});
        read_all(Recoveries::new, &response.to_string()).unwrap()
    }

    fn outdone(before: (&[ShardRow], &[ShardRecovery]), after: (&[ShardRow], &[ShardRecovery])) -> bool {
        writes(&["logs"], before, after)
    }

    fn writes(
        targets: &[&str],
        before: (&[ShardRow], &[ShardRecovery]),
        after: (&[ShardRow], &[ShardRecovery]),
    ) -> bool {
        let earlier = EarlierRestores::new(&source(), Some(before.0), before.1);
        earlier.are_outdone(&source(), after.0, after.1, &Targets::exactly(targets.iter().map(ToString::to_string)))
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

    #[test]
    fn a_restore_of_some_of_the_targets_is_another_clients() {
        let (one, other) = (recovery("logs", "first"), recovery("movies", "first"));
        let both: Vec<_> = one.iter().chain(&other).cloned().collect();

        assert!(!writes(&["logs", "movies"], (&[], &[]), (&[], &one)));
        assert!(writes(&["logs", "movies"], (&[], &[]), (&[], &both)));
        assert!(!writes(&["logs", "movies"], (&[], &[]), (&[waiting("logs")], &[])));
    }

    #[test]
    fn a_restore_that_writes_more_than_the_targets_is_another_clients() {
        let both: Vec<_> = recovery("logs", "first").into_iter().chain(recovery("movies", "first")).collect();

        assert!(!writes(&["logs"], (&[], &[]), (&[], &both)));
    }

    #[test]
    fn two_restores_of_one_target_each_are_not_one_of_both() {
        let both: Vec<_> = recovery("logs", "first").into_iter().chain(recovery("movies", "second")).collect();

        assert!(!writes(&["logs", "movies"], (&[], &[]), (&[], &both)));
    }

    #[test]
    fn a_shard_that_failed_is_told_from_another_repositorys_by_the_uuid() {
        let rows = [failed("logs")];
        let (mut ours, mut another) = (source(), source());
        assert!(ours.wants_uuid(&rows));

        ours.set_uuid(Some("x1"));
        another.set_uuid(Some("x2"));

        assert_eq!((ours.rows(&rows).count(), another.rows(&rows).count()), (1, 0));
        assert!(!another.wants_uuid(&rows));
    }

    #[test]
    fn shards_that_wait_tell_their_repository() {
        let rows = [waiting("logs"), row("logs", "NEW_INDEX_RESTORED", "restore_source[another/s]")];

        assert_eq!(source().rows(&rows).count(), 1);
        assert!(!source().wants_uuid(&rows));
    }
}
