//! Recognises shards that are restored from a snapshot, and distinguishes a new restore from
//! earlier ones. The API has no field for either.

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

    /// Returns whether the snapshot's uuid is needed to distinguish these rows from those of
    /// another snapshot. The row of a failed shard does not contain the repository.
    pub(crate) fn needs_uuid(&self, rows: &[ShardRow]) -> bool {
        let failed = self.failure();
        self.uuid.is_none() && rows.iter().any(|row| row.details().contains(&failed))
    }

    /// Returns the primary shards that wait for their restore from this snapshot, or that failed.
    pub(crate) fn rows<'a>(&self, rows: &'a [ShardRow]) -> impl Iterator<Item = &'a ShardRow> + use<'a> {
        let waiting = format!("restore_source[{}/{}]", self.repository, self.name);
        let failed = self.failure();
        rows.iter()
            .filter(|row| row.is_primary)
            .filter(move |row| row.details() == waiting || row.details().contains(&failed))
    }

    /// Returns the text by which the row of a failed shard names this snapshot.
    fn failure(&self) -> String {
        match &self.uuid {
            Some(uuid) => format!("failed to restore snapshot [{}/{uuid}]", self.name),
            None => format!("failed to restore snapshot [{}/", self.name),
        }
    }

    /// Returns whether this is the snapshot with that name in that repository.
    pub(crate) fn is(&self, repository: &str, snapshot: &str) -> bool {
        self.repository.as_str() == repository && self.name.as_str() == snapshot
    }

    /// Returns whether the shard is or was restored from this snapshot.
    pub(crate) fn has(&self, shard: &ShardRecovery) -> bool {
        *shard.kind() == RecoveryType::Snapshot
            && shard
                .source_repository()
                .zip(shard.source_snapshot())
                .is_some_and(|(repository, name)| self.is(repository, name))
    }
}

/// The restores from a snapshot that existed before a new one was requested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EarlierRestores {
    marks: BTreeSet<Mark>,
    /// Whether rows of shards were read too. If not, a row does not show that a restore is new.
    pub(crate) by_rows: bool,
}

impl EarlierRestores {
    pub(crate) fn new(source: &Source, rows: Option<&[ShardRow]>, recoveries: &[ShardRecovery]) -> Self {
        let signs = Sign::all(source, rows.unwrap_or_default(), recoveries);
        Self { marks: signs.map(|sign| sign.mark).collect(), by_rows: rows.is_some() }
    }

    /// Returns whether rows and recoveries show one new restore from the snapshot, of exactly these
    /// targets.
    ///
    /// A shard that waits has no restore id yet. All shards that have one must have the same one,
    /// and no other index may have it.
    pub(crate) fn is_new_restore(
        &self,
        source: &Source,
        rows: &[ShardRow],
        recoveries: &[ShardRecovery],
        targets: &Targets,
    ) -> bool {
        // Another client has restored another index under the name of a target.
        if recoveries.iter().any(|recovery| source.has(recovery) && targets.are_contradicted_by(recovery)) {
            return false;
        }
        let (mut indices, mut ids) = (BTreeSet::new(), BTreeSet::new());
        let known: BTreeSet<&str> = targets.iter().collect();
        for sign in Sign::all(source, rows, recoveries).filter(|sign| self.is_new(sign)) {
            let is_target = known.contains(sign.index);
            match sign.mark {
                Mark::Restore(id) if is_target => {
                    ids.insert(id);
                    indices.insert(sign.index);
                }
                _ if is_target => {
                    indices.insert(sign.index);
                }
                _ => {}
            }
        }
        let others = Sign::all(source, rows, recoveries).filter(|sign| !known.contains(sign.index));
        let writes_more = others.into_iter().any(|sign| matches!(&sign.mark, Mark::Restore(id) if ids.contains(id)));
        ids.len() <= 1 && (!writes_more || targets.are_open_ended()) && targets.match_exactly(indices)
    }

    /// Returns whether the sign belongs to none of the earlier restores. One that waited then may
    /// have an id now, or have failed.
    fn is_new(&self, sign: &Sign) -> bool {
        !self.marks.contains(&sign.mark) && !self.marks.contains(&Mark::Waiting(sign.index.to_owned()))
    }
}

/// What identifies the restore that a sign belongs to, as far as the response shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mark {
    /// The restore's id.
    Restore(String),
    /// The index of a shard that waits, which has no restore id yet.
    Waiting(String),
    /// The index of a shard that has failed, which has no restore id any more.
    Failed(String),
}

/// A row or a recovery that shows a restore from a snapshot.
struct Sign<'a> {
    index: &'a str,
    mark: Mark,
}

impl<'a> Sign<'a> {
    /// Returns all signs of restores from this snapshot: rows of shards that wait or have failed,
    /// and recoveries.
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

    fn is_new(before: (&[ShardRow], &[ShardRecovery]), after: (&[ShardRow], &[ShardRecovery])) -> bool {
        writes(&["logs"], before, after)
    }

    fn writes(
        targets: &[&str],
        before: (&[ShardRow], &[ShardRecovery]),
        after: (&[ShardRow], &[ShardRecovery]),
    ) -> bool {
        let earlier = EarlierRestores::new(&source(), Some(before.0), before.1);
        earlier.is_new_restore(&source(), after.0, after.1, &Targets::exactly(targets.iter().map(ToString::to_string)))
    }

    #[test]
    fn recognises_a_new_restore_by_its_id() {
        assert!(is_new((&[], &recovery("logs", "first")), (&[], &recovery("logs", "second"))));
        assert!(!is_new((&[], &recovery("logs", "first")), (&[], &recovery("logs", "first"))));
    }

    #[test]
    fn recognises_a_new_restore_by_a_shard_that_did_not_wait_before() {
        assert!(is_new((&[], &[]), (&[waiting("logs")], &[])));
        assert!(!is_new((&[waiting("logs")], &[]), (&[waiting("logs")], &[])));
    }

    #[test]
    fn does_not_count_an_earlier_restore_as_new_when_it_gets_its_id_or_fails() {
        assert!(!is_new((&[waiting("logs")], &[]), (&[], &recovery("logs", "first"))));
        assert!(!is_new((&[waiting("logs")], &[]), (&[failed("logs")], &[])));
    }

    #[test]
    fn recognises_a_new_restore_of_an_index_whose_earlier_restore_failed() {
        assert!(!is_new((&[failed("logs")], &[]), (&[failed("logs")], &[])));
        assert!(is_new((&[failed("logs")], &[]), (&[waiting("logs")], &[])));
    }

    #[test]
    fn ignores_a_restore_of_an_index_that_is_not_a_target() {
        assert!(!is_new((&[], &[]), (&[waiting("books")], &[])));
        assert!(!is_new((&[], &[]), (&[], &recovery("books", "first"))));
    }

    #[test]
    fn ignores_a_restore_of_only_some_targets() {
        let (one, other) = (recovery("logs", "first"), recovery("movies", "first"));
        let both: Vec<_> = one.iter().chain(&other).cloned().collect();

        assert!(!writes(&["logs", "movies"], (&[], &[]), (&[], &one)));
        assert!(writes(&["logs", "movies"], (&[], &[]), (&[], &both)));
        assert!(!writes(&["logs", "movies"], (&[], &[]), (&[waiting("logs")], &[])));
    }

    #[test]
    fn ignores_a_restore_that_writes_more_than_the_targets() {
        let both: Vec<_> = recovery("logs", "first").into_iter().chain(recovery("movies", "first")).collect();

        assert!(!writes(&["logs"], (&[], &[]), (&[], &both)));
    }

    #[test]
    fn does_not_take_two_restores_for_one() {
        let both: Vec<_> = recovery("logs", "first").into_iter().chain(recovery("movies", "second")).collect();

        assert!(!writes(&["logs", "movies"], (&[], &[]), (&[], &both)));
    }

    #[test]
    fn distinguishes_failed_shards_of_other_repositories_by_the_snapshot_uuid() {
        let rows = [failed("logs")];
        let (mut ours, mut another) = (source(), source());
        assert!(ours.needs_uuid(&rows));

        ours.set_uuid(Some("x1"));
        another.set_uuid(Some("x2"));

        assert_eq!((ours.rows(&rows).count(), another.rows(&rows).count()), (1, 0));
        assert!(!another.needs_uuid(&rows));
    }

    #[test]
    fn distinguishes_waiting_shards_of_other_repositories_by_name() {
        let rows = [waiting("logs"), row("logs", "NEW_INDEX_RESTORED", "restore_source[another/s]")];

        assert_eq!(source().rows(&rows).count(), 1);
        assert!(!source().needs_uuid(&rows));
    }
}
