//! Collects what polls show of a restore, shard by shard. It sends no requests. It remembers
//! earlier polls, because the server forgets a recovery when the shard moves or its node restarts.

use std::collections::{BTreeMap, BTreeSet};

use super::targets::{backing_indices, is_backing_index};
use super::{
    RecoveryStage, RecoveryType, RestoreReport, RunningRestores, ShardRecovery, ShardRestoreState, ShardRow,
    ShardState, Source, UnrestoredShard,
};
use crate::byte_size::ByteSize;
use crate::progress::Counts;
use crate::snapshot::SnapshotInfo;
use crate::ticket::RestoreTicket;

/// The reason for a shard that the cluster state shows as given up. The cluster state contains no
/// reason.
const GIVEN_UP: &str = "the server gave up restoring the shard";

/// Where the data of a shard comes from, as a recovery, a row or the cluster state showed it last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Origin {
    #[default]
    Unknown,
    /// The data comes from the snapshot, or is being restored from it.
    Snapshot,
    /// The shard came back empty.
    Empty,
    /// The data comes from another snapshot.
    AnotherSnapshot,
    /// The data comes from another index of the snapshot.
    AnotherIndex,
}

impl Origin {
    /// Returns the origin that a recovery shows. `None` if it only shows that the shard has moved
    /// or that its node was restarted.
    fn shown_by(recovery: &ShardRecovery, source: &Source, index: Option<&str>) -> Option<Self> {
        let is_another = index.zip(recovery.source_index()).is_some_and(|(expected, found)| expected != found);
        match recovery.kind() {
            RecoveryType::Snapshot if source.has(recovery) && is_another => Some(Self::AnotherIndex),
            RecoveryType::Snapshot if source.has(recovery) => Some(Self::Snapshot),
            RecoveryType::Snapshot => Some(Self::AnotherSnapshot),
            RecoveryType::EmptyStore => Some(Self::Empty),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ShardView {
    origin: Origin,
    /// Whether a recovery has restored the shard.
    restored: bool,
    /// Set to the reason if the server gave up restoring the shard.
    given_up: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct IndexView {
    shards: BTreeMap<u32, ShardView>,
    /// Whether the index is known to be this restore's, and all of its shards to be in the
    /// snapshot.
    confirmed: bool,
    /// The index's uuid and its name in the snapshot, if the ticket contains them.
    uuid: Option<String>,
    source: Option<String>,
    /// Whether another index has the name now.
    replaced: bool,
}

impl IndexView {
    fn new(ticket: &RestoreTicket, index: &str) -> Self {
        let known = |text: Option<&str>| text.map(str::to_owned);
        Self { uuid: known(ticket.index_uuid(index)), source: known(ticket.source_index(index)), ..Self::default() }
    }
}

/// What polls have shown of a restore so far.
#[derive(Clone, Debug)]
pub(crate) struct RestoreView {
    source: Source,
    indices: BTreeMap<String, IndexView>,
    /// Whether the ticket names the indices. If not, every index counts that a poll has shown to
    /// come from the snapshot.
    is_named: bool,
    /// Names in the ticket that no poll has shown as indices so far. They may be data streams.
    unseen: BTreeSet<String>,
}

/// What one poll shows, together with the earlier ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Observation {
    pub(crate) counts: Counts,
    /// Shards that no node has, and that the server may still restore.
    pub(crate) unassigned: Vec<(String, u32)>,
    /// Shards that a node is restoring.
    pub(crate) under_way: Vec<(String, u32)>,
    /// Indices with started shards whose origin is not known.
    pub(crate) doubtful: Vec<String>,
    pub(crate) unrestored: Vec<UnrestoredShard>,
    /// The unrestored shards that only the cluster state shows as given up, so that the reason is
    /// not known.
    pub(crate) unexplained: Vec<(String, u32)>,
    /// Whether the cluster state shows a running restore that writes these indices.
    pub(crate) is_running: bool,
    /// Whether this poll shows an index for the first time.
    pub(crate) has_new_index: bool,
    /// Whether an index is shown without rows, so that it may have shards that the poll does not
    /// show.
    pub(crate) lacks_rows: bool,
}

impl RestoreView {
    pub(crate) fn new(ticket: &RestoreTicket) -> Self {
        let indices: BTreeMap<String, IndexView> =
            ticket.indices().map(|name| (name.to_owned(), IndexView::new(ticket, name))).collect();
        let source = Source::new(ticket.repository().clone(), ticket.snapshot().clone());
        let added_by_caller = indices.iter().filter(|(_, view)| view.uuid.is_none() && view.source.is_none());
        let unseen = added_by_caller.map(|(name, _)| name.clone()).collect();
        Self { source, is_named: ticket.knows_indices(), indices, unseen }
    }

    pub(crate) fn source_mut(&mut self) -> &mut Source {
        &mut self.source
    }

    pub(crate) fn is_named(&self) -> bool {
        self.is_named
    }

    pub(crate) fn indices(&self) -> impl ExactSizeIterator<Item = &str> {
        self.indices.keys().map(String::as_str)
    }

    /// Returns whether names remain that no poll, including this one, has shown as indices. They
    /// may be data streams.
    pub(crate) fn may_name_streams(&mut self, rows: Option<&[ShardRow]>, recoveries: &[ShardRecovery]) -> bool {
        let shown =
            rows.unwrap_or_default().iter().map(|row| &*row.index).chain(recoveries.iter().map(ShardRecovery::index));
        shown.for_each(|index| {
            self.unseen.remove(index);
        });
        !self.unseen.is_empty()
    }

    /// Replaces the names of data streams by their backing indices. Returns whether there was one.
    pub(crate) fn resolve_streams(&mut self, snapshot: &SnapshotInfo, recoveries: &[ShardRecovery]) -> bool {
        if snapshot.data_streams().is_empty() {
            self.unseen.clear();
            return false;
        }
        let ours: Vec<&ShardRecovery> = recoveries.iter().filter(|recovery| self.source.has(recovery)).collect();
        let backing: BTreeMap<String, Vec<(String, &str)>> = self
            .unseen
            .iter()
            .map(|name| (name.clone(), backing_indices(snapshot, name, &ours)))
            .filter(|(_, indices)| !indices.is_empty())
            .collect();
        for (stream, indices) in &backing {
            self.unseen.remove(stream);
            self.indices.remove(stream);
            for (index, source) in indices {
                let view = self.indices.entry(index.clone()).or_default();
                view.source = Some((*source).to_owned());
            }
        }
        !backing.is_empty()
    }

    /// Records that the server has given up restoring a shard.
    pub(crate) fn note_given_up(&mut self, index: &str, shard: u32, reason: String) {
        if let Some(view) = self.indices.get_mut(index) {
            view.shards.entry(shard).or_default().given_up = Some(reason);
        }
    }

    /// Returns whether a poll has shown that a shard of the index comes from the snapshot.
    pub(crate) fn has_restored(&self, index: &str) -> bool {
        self.indices.get(index).is_some_and(|view| view.shards.values().any(|shard| shard.origin == Origin::Snapshot))
    }

    /// Returns whether a poll has shown that the shard is restored.
    pub(crate) fn has_restored_shard(&self, index: &str, shard: u32) -> bool {
        self.indices.get(index).and_then(|view| view.shards.get(&shard)).is_some_and(|shard| shard.restored)
    }

    /// Records that the index is this restore's, and that the snapshot contains all of its shards.
    pub(crate) fn confirm_origin(&mut self, index: &str) {
        if let Some(view) = self.indices.get_mut(index) {
            view.confirmed = true;
        }
    }

    /// Records that another index has taken the name.
    pub(crate) fn note_replaced(&mut self, index: &str) {
        if let Some(view) = self.indices.get_mut(index) {
            view.replaced = true;
        }
    }

    /// Returns whether this row is needed.
    pub(crate) fn wants_row(&self, row: &ShardRow) -> bool {
        row.is_primary && (self.indices.contains_key(&*row.index) || !self.is_named && !row.details().is_empty())
    }

    /// Returns whether this recovery is needed.
    pub(crate) fn wants_recovery(&self, recovery: &ShardRecovery) -> bool {
        let may_be_ours = || !self.is_named || self.unseen.iter().any(|name| is_backing_index(recovery.index(), name));
        recovery.primary()
            && (self.indices.contains_key(recovery.index()) || self.source.has(recovery) && may_be_ours())
    }

    /// Adds what one poll has read, and returns what it shows. `None` stands for what cannot be
    /// read.
    pub(crate) fn observe(
        &mut self,
        rows: Option<&[ShardRow]>,
        recoveries: &[ShardRecovery],
        running: Option<&RunningRestores>,
    ) -> Observation {
        let mut observed = Observation::default();
        let known = self.indices.len();
        if !self.is_named {
            self.discover(rows.unwrap_or_default(), recoveries);
        }
        observed.has_new_index = self.indices.len() > known;
        self.note_rows(rows.unwrap_or_default());
        let recoveries = self.note_recoveries(recoveries, &mut observed.counts);
        if let Some(running) = running {
            observed.is_running = self.note_running(running);
        }
        let mut shards: BTreeMap<(&str, u32), Option<&ShardRow>> = BTreeMap::new();
        for row in rows.unwrap_or_default().iter().filter(|row| row.is_primary) {
            if let (Some((index, _)), Some(shard)) = (self.indices.get_key_value(&*row.index), row.shard) {
                shards.insert((index, shard), Some(row));
            }
        }
        let with_rows: BTreeSet<&str> = shards.keys().map(|(index, _)| *index).collect();
        // If no row shows an index, earlier polls and recoveries are all that shows its shards.
        for (index, view) in self.indices.iter().filter(|(index, _)| !with_rows.contains(index.as_str())) {
            let remembered = view.shards.keys().filter(|_| rows.is_none()).map(|shard| (index.as_str(), *shard));
            let recovered = recoveries
                .range((index.as_str(), 0)..=(index.as_str(), u32::MAX))
                .map(|((_, shard), _)| (index.as_str(), *shard));
            shards.extend(remembered.chain(recovered).map(|key| (key, None)));
        }
        let mut seen = BTreeSet::new();
        for (&(index, shard), row) in &shards {
            seen.insert(index);
            observed.lacks_rows |= row.is_none();
            if let Some(view) = self.indices.get(index).filter(|view| !view.replaced) {
                observed.add(
                    index,
                    shard,
                    classify(*row, recoveries.get(&(index, shard)).copied(), view.shards.get(&shard), view.confirmed),
                );
            }
        }
        for (index, view) in &self.indices {
            let reason = match () {
                () if !seen.contains(index.as_str()) => "the index does not exist",
                () if view.replaced => "another index has its name now",
                () => continue,
            };
            observed.unrestored.push(UnrestoredShard { index: index.clone(), shard: None, reason: reason.to_owned() });
        }
        observed
    }

    /// Returns the report, once nothing is left to wait for.
    pub(crate) fn report(&self, observed: Observation) -> RestoreReport {
        let indices = self.indices.keys().cloned().collect();
        RestoreReport { indices, shards_total: observed.counts.shards_total, unrestored: observed.unrestored }
    }

    /// Adds the indices that rows and recoveries show to come from the snapshot.
    fn discover(&mut self, rows: &[ShardRow], recoveries: &[ShardRecovery]) {
        let waiting = self.source.rows(rows).map(|row| &*row.index);
        let begun = recoveries.iter().filter(|shard| self.source.has(shard)).map(ShardRecovery::index);
        for index in waiting.chain(begun) {
            if !self.indices.contains_key(index) {
                self.indices.insert(index.to_owned(), IndexView::default());
            }
        }
    }

    /// Remembers the origin of shards that wait for their restore, because their rows name the
    /// snapshot. Forgets that a shard was given up if a node has it.
    fn note_rows(&mut self, rows: &[ShardRow]) {
        for row in rows.iter().filter(|row| row.is_primary && row.state != ShardState::Unassigned) {
            let shards = self.indices.get_mut(&*row.index).map(|view| &mut view.shards);
            if let Some(shard) = shards.zip(row.shard).and_then(|(shards, shard)| shards.get_mut(&shard)) {
                shard.given_up = None;
            }
        }
        for row in self.source.rows(rows) {
            if let (Some(view), Some(shard)) = (self.indices.get_mut(&*row.index), row.shard) {
                view.shards.entry(shard).or_default().origin = Origin::Snapshot;
            }
        }
    }

    /// Remembers the origins that recoveries show. Returns the recoveries of the primary shards.
    fn note_recoveries<'a>(
        &mut self,
        recoveries: &'a [ShardRecovery],
        counts: &mut Counts,
    ) -> BTreeMap<(&'a str, u32), &'a ShardRecovery> {
        let mut primaries = BTreeMap::new();
        for recovery in recoveries.iter().filter(|recovery| recovery.primary()) {
            let (Some(view), Some(shard)) = (self.indices.get_mut(recovery.index()), recovery.shard()) else {
                continue;
            };
            if let Some(origin) = Origin::shown_by(recovery, &self.source, view.source.as_deref()) {
                let view = view.shards.entry(shard).or_default();
                view.origin = origin;
                view.restored |= origin == Origin::Snapshot && *recovery.stage() == RecoveryStage::Done;
            }
            counts.bytes_total = counts.bytes_total.saturating_add(recovery.total_size().map_or(0, ByteSize::bytes));
            counts.bytes_done = counts.bytes_done.saturating_add(recovery.recovered_size().map_or(0, ByteSize::bytes));
            counts.files_total = counts.files_total.saturating_add(recovery.total_files().unwrap_or(0));
            counts.files_done = counts.files_done.saturating_add(recovery.recovered_files().unwrap_or(0));
            primaries.insert((recovery.index(), shard), recovery);
        }
        primaries
    }

    /// Remembers what running restores from the snapshot show. Returns whether one of them is still
    /// restoring a shard of these indices.
    fn note_running(&mut self, running: &RunningRestores) -> bool {
        let mut runs = false;
        for restore in running.of(&self.source) {
            for shard in restore.shards() {
                let Some(view) = self.indices.get_mut(shard.index()) else { continue };
                // An earlier restore, into an index that had the name before.
                if view.uuid.as_deref().is_some_and(|uuid| uuid != shard.index_uuid()) {
                    continue;
                }
                runs |= matches!(shard.state(), ShardRestoreState::Init | ShardRestoreState::Started);
                let view = view.shards.entry(shard.shard()).or_default();
                match shard.state() {
                    ShardRestoreState::Success if view.origin == Origin::Unknown => view.origin = Origin::Snapshot,
                    ShardRestoreState::Failure => {
                        view.given_up.get_or_insert_with(|| GIVEN_UP.to_owned());
                    }
                    _ => {}
                }
            }
        }
        runs
    }
}

impl Observation {
    pub(crate) fn pending(&self) -> impl Iterator<Item = &(String, u32)> {
        self.under_way.iter().chain(&self.unassigned)
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.under_way.is_empty() || !self.unassigned.is_empty()
    }

    fn add(&mut self, index: &str, shard: u32, finding: Finding) {
        self.counts.shards_total += 1;
        match finding {
            Finding::Done => self.counts.shards_done += 1,
            Finding::Unassigned => self.unassigned.push((index.to_owned(), shard)),
            Finding::UnderWay => self.under_way.push((index.to_owned(), shard)),
            Finding::Failed(reason) => {
                self.counts.shards_failed += 1;
                if reason == GIVEN_UP {
                    self.unexplained.push((index.to_owned(), shard));
                }
                self.unrestored.push(UnrestoredShard { index: index.to_owned(), shard: Some(shard), reason });
            }
            Finding::Doubtful => {
                if self.doubtful.last().is_none_or(|last| last != index) {
                    self.doubtful.push(index.to_owned());
                }
                let reason = "nothing shows that it was restored from this snapshot".to_owned();
                self.unrestored.push(UnrestoredShard { index: index.to_owned(), shard: Some(shard), reason });
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    Done,
    /// No node has it.
    Unassigned,
    /// A node is restoring it.
    UnderWay,
    Failed(String),
    /// It is started, but nothing shows where its data comes from.
    Doubtful,
}

/// Determines the state of one shard.
fn classify(
    row: Option<&ShardRow>,
    recovery: Option<&ShardRecovery>,
    view: Option<&ShardView>,
    confirmed: bool,
) -> Finding {
    if let Some(row) = row.filter(|row| row.state == ShardState::Unassigned) {
        return match view.and_then(|view| view.given_up.as_ref()) {
            Some(reason) => Finding::Failed(match row.details() {
                "" => reason.clone(),
                details if row.has_failed() => details.to_owned(),
                _ => reason.clone(),
            }),
            None => Finding::Unassigned,
        };
    }
    // If rows cannot be read, the cluster state has shown that the shard was given up.
    if let (None, None, Some(reason)) = (row, recovery, view.and_then(|view| view.given_up.as_ref())) {
        return Finding::Failed(reason.clone());
    }
    let started = match row {
        Some(row) => matches!(row.state, ShardState::Started | ShardState::Relocating),
        None => recovery.is_some_and(|shard| *shard.stage() == RecoveryStage::Done),
    };
    if !started {
        return Finding::UnderWay;
    }
    match view.map(|view| view.origin).unwrap_or_default() {
        Origin::Snapshot => Finding::Done,
        Origin::Empty => Finding::Failed("restored empty: the snapshot does not contain the shard".to_owned()),
        Origin::AnotherIndex => Finding::Failed("restored from another index of the snapshot".to_owned()),
        Origin::AnotherSnapshot => Finding::Failed("restored from another snapshot".to_owned()),
        Origin::Unknown if confirmed => Finding::Done,
        Origin::Unknown => Finding::Doubtful,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pieces::tests::read_all;
    use crate::restore::{Recoveries, ShardRows};

    fn view(indices: &[&str]) -> RestoreView {
        let ticket = RestoreTicket::new("r", "s").unwrap();
        RestoreView::new(&indices.iter().fold(ticket, |ticket, index| ticket.with_index(*index)))
    }

    fn first(rows: &Value) -> ShardRow {
        read_all(ShardRows::new, &rows.to_string()).unwrap().remove(0)
    }

    fn row(index: &str, shard: u32, state: &str) -> ShardRow {
        first(&json!([{"index": index, "shard": shard.to_string(), "prirep": "p", "state": state}]))
    }

    fn unassigned(index: &str, reason: &str, details: &str) -> ShardRow {
        first(&json!([{"index": index, "shard": "0", "prirep": "p", "state": "UNASSIGNED",
            "unassigned.reason": reason, "unassigned.details": details}]))
    }

    fn recovery(index: &str, kind: &str, snapshot: &str) -> Vec<ShardRecovery> {
        let source = json!({"repository": "r", "snapshot": snapshot, "index": index, "restoreUUID": "x"});
        let shard = json!({"id": 0, "type": kind, "stage": "DONE", "primary": true, "source": source});
        read_all(Recoveries::new, &json!({index: {"shards": [shard]}}).to_string()).unwrap()
    }

    fn running(state: &str) -> RunningRestores {
        let shard = json!({"index": {"index_name": "a", "index_uuid": "u"}, "shard": 0, "state": state});
        let restore: Value = json!({"snapshot": "s", "repository": "r", "indices": ["a"], "shards": [shard]});
        serde_json::from_value(json!({"restore": {"snapshots": [restore]}})).unwrap()
    }

    fn reasons(observed: &Observation) -> Vec<&str> {
        observed.unrestored.iter().map(UnrestoredShard::reason).collect()
    }

    #[test]
    fn remembers_an_empty_shard_until_it_is_restored_again() {
        let mut view = view(&["a"]);
        let started = [row("a", 0, "STARTED")];

        let empty = view.observe(Some(&started), &recovery("a", "EMPTY_STORE", ""), None);
        let moved = view.observe(Some(&started), &recovery("a", "PEER", ""), None);
        let restored = view.observe(Some(&started), &recovery("a", "SNAPSHOT", "s"), None);

        assert_eq!(reasons(&empty), ["restored empty: the snapshot does not contain the shard"]);
        assert_eq!(reasons(&moved), ["restored empty: the snapshot does not contain the shard"]);
        assert_eq!((restored.counts.shards_done, restored.unrestored), (1, vec![]));
    }

    #[test]
    fn remembers_that_a_shard_of_another_snapshot_was_restored_when_it_moves() {
        let mut view = view(&["a"]);
        let started = [row("a", 0, "STARTED")];

        view.observe(Some(&started), &recovery("a", "SNAPSHOT", "another"), None);
        let moved = view.observe(Some(&started), &recovery("a", "EXISTING_STORE", ""), None);

        assert_eq!(reasons(&moved), ["restored from another snapshot"]);
    }

    #[test]
    fn remembers_a_restored_shard_that_moves_or_whose_node_restarts() {
        for (state, kind) in [("STARTED", "PEER"), ("RELOCATING", "PEER"), ("STARTED", "EXISTING_STORE")] {
            let mut view = view(&["a"]);
            view.observe(Some(&[row("a", 0, "STARTED")]), &recovery("a", "SNAPSHOT", "s"), None);

            let moved = view.observe(Some(&[row("a", 0, state)]), &recovery("a", kind, ""), None);

            assert_eq!((moved.counts.shards_done, moved.unrestored.len()), (1, 0), "{state} {kind}");
        }
    }

    #[test]
    fn doubts_a_started_shard_of_unknown_origin_until_the_origin_is_confirmed() {
        let mut view = view(&["a"]);
        let (rows, moved) = ([row("a", 0, "STARTED")], recovery("a", "PEER", ""));

        let doubtful = view.observe(Some(&rows), &moved, None);
        view.confirm_origin("a");
        let confirmed = view.observe(Some(&rows), &moved, None);

        assert_eq!((doubtful.doubtful.as_slice(), doubtful.unrestored.len()), (["a".to_owned()].as_slice(), 1));
        assert_eq!((confirmed.counts.shards_done, confirmed.unrestored.len()), (1, 0));
    }

    #[test]
    fn counts_a_failed_shard_as_pending_until_the_server_gives_it_up() {
        let mut view = view(&["a"]);
        let rows = [unassigned("a", "ALLOCATION_FAILED", "failed to restore snapshot [s/u]")];

        let failed = view.observe(Some(&rows), &[], Some(&running("INIT")));
        view.note_given_up("a", 0, "maximum number of retries".to_owned());
        let given_up = view.observe(Some(&rows), &[], None);

        assert_eq!((failed.unassigned.len(), failed.unrestored.len(), failed.is_running), (1, 0, true));
        assert_eq!(reasons(&given_up), ["failed to restore snapshot [s/u]"]);
    }

    #[test]
    fn reports_shards_that_a_running_restore_shows_as_given_up() {
        let mut view = view(&["a"]);
        let rows = [unassigned("a", "NEW_INDEX_RESTORED", "restore_source[r/s]")];

        let observed = view.observe(Some(&rows), &[], Some(&running("FAILURE")));

        assert_eq!((reasons(&observed), observed.is_running), (vec!["the server gave up restoring the shard"], false));
    }

    #[test]
    fn counts_only_the_named_indices_if_some_are_named() {
        let mut view = view(&["b"]);
        let rows = [unassigned("a", "ALLOCATION_FAILED", "failed to restore snapshot [s/u]"), row("b", 0, "STARTED")];

        let observed = view.observe(Some(&rows), &recovery("b", "SNAPSHOT", "s"), None);

        assert_eq!((observed.counts.shards_total, observed.counts.shards_done, observed.has_pending()), (1, 1, false));
    }

    #[test]
    fn counts_every_index_from_the_snapshot_if_none_is_named() {
        let mut view = view(&[]);

        let first = view.observe(Some(&[unassigned("a", "NEW_INDEX_RESTORED", "restore_source[r/s]")]), &[], None);
        let second = view.observe(
            Some(&[row("a", 0, "STARTED"), row("other", 0, "STARTED")]),
            &recovery("a", "SNAPSHOT", "s"),
            None,
        );

        assert!(first.has_new_index && !second.has_new_index);
        assert_eq!(view.indices().collect::<Vec<_>>(), ["a"]);
        assert_eq!((second.counts.shards_total, second.counts.shards_done), (1, 1));
    }

    #[test]
    fn ignores_an_earlier_restore_in_the_cluster_state() {
        let mut ticket = RestoreTicket::new("r", "s").unwrap();
        ticket.add("a".to_owned(), Some("new".to_owned()), None);
        let mut view = RestoreView::new(&ticket);

        let observed = view.observe(Some(&[unassigned("a", "NEW_INDEX_RESTORED", "")]), &[], Some(&running("FAILURE")));

        assert_eq!((reasons(&observed), observed.unassigned.len()), (vec![""; 0], 1));
    }

    #[test]
    fn forgets_that_a_shard_was_given_up_once_a_node_has_it() {
        let mut view = view(&["a"]);
        view.observe(Some(&[unassigned("a", "ALLOCATION_FAILED", "")]), &[], Some(&running("FAILURE")));
        view.observe(Some(&[row("a", 0, "INITIALIZING")]), &[], None);

        let observed = view.observe(Some(&[unassigned("a", "NODE_LEFT", "")]), &[], None);

        assert_eq!((reasons(&observed), observed.unassigned.len()), (vec![""; 0], 1));
    }

    #[test]
    fn remembers_a_given_up_shard_without_rows() {
        let mut view = view(&["a"]);
        view.observe(None, &[], Some(&running("FAILURE")));

        let observed = view.observe(None, &[], Some(&RunningRestores::default()));

        assert_eq!(reasons(&observed), ["the server gave up restoring the shard"]);
    }

    #[test]
    fn reports_a_shard_with_data_of_another_index_as_unrestored() {
        let mut ticket = RestoreTicket::new("r", "s").unwrap();
        ticket.add("a".to_owned(), None, Some("movies"));

        let observed =
            RestoreView::new(&ticket).observe(Some(&[row("a", 0, "STARTED")]), &recovery("a", "SNAPSHOT", "s"), None);

        assert_eq!(reasons(&observed), ["restored from another index of the snapshot"]);
    }

    #[test]
    fn ignores_a_row_without_a_shard_number() {
        let nameless = first(&json!([{"index": "a", "prirep": "p", "state": "UNASSIGNED"}]));

        assert_eq!(reasons(&view(&["a"]).observe(Some(&[nameless]), &[], None)), ["the index does not exist"]);
    }

    #[test]
    fn counts_an_index_that_only_a_recovery_shows() {
        let observed = view(&["a"]).observe(Some(&[]), &recovery("a", "SNAPSHOT", "s"), None);

        assert_eq!((reasons(&observed), observed.counts.shards_done), (vec![""; 0], 1));
    }

    #[test]
    fn reports_a_named_index_that_does_not_exist() {
        let observed = view(&["absent"]).observe(Some(&[]), &[], None);

        assert_eq!(reasons(&observed), ["the index does not exist"]);
    }

    #[test]
    fn counts_shards_by_recoveries_if_there_are_no_rows() {
        let observed = view(&["a"]).observe(None, &recovery("a", "SNAPSHOT", "s"), None);

        assert_eq!((observed.counts.shards_total, observed.counts.shards_done), (1, 1));
    }

    fn replica(recovery: &str) -> ShardRecovery {
        let shard = json!({"id": 0, "type": "SNAPSHOT", "stage": "DONE", "primary": false,
            "source": {"repository": "r", "snapshot": "s", "index": recovery}});
        read_all(Recoveries::new, &json!({recovery: {"shards": [shard]}}).to_string()).unwrap().remove(0)
    }

    #[test]
    fn needs_only_primary_shards_of_named_indices() {
        let view = view(&["a"]);
        let mut replica_row = row("a", 0, "STARTED");
        replica_row.is_primary = false;

        assert!(view.is_named());
        assert!(view.wants_row(&row("a", 0, "STARTED")));
        assert!(!view.wants_row(&row("b", 0, "STARTED")));
        assert!(!view.wants_row(&replica_row));
        assert!(!view.wants_row(&unassigned("b", "NEW_INDEX_RESTORED", "restore_source[r/s]")));
        assert!(view.wants_recovery(&recovery("a", "PEER", "")[0]));
        assert!(!view.wants_recovery(&recovery("b", "SNAPSHOT", "s")[0]));
        assert!(!view.wants_recovery(&replica("a")));
    }

    #[test]
    fn needs_every_shard_that_may_come_from_the_snapshot_if_no_index_is_named() {
        let view = view(&[]);

        assert!(!view.is_named());
        assert!(view.wants_row(&unassigned("b", "NEW_INDEX_RESTORED", "restore_source[r/s]")));
        assert!(!view.wants_row(&row("b", 0, "STARTED")));
        assert!(view.wants_recovery(&recovery("b", "SNAPSHOT", "s")[0]));
        assert!(!view.wants_recovery(&recovery("b", "SNAPSHOT", "another")[0]));
        assert!(!view.wants_recovery(&recovery("b", "EXISTING_STORE", "s")[0]));
    }

    #[test]
    fn considers_a_name_that_no_poll_has_shown_as_a_possible_data_stream() {
        let mut view = view(&["a", "logs"]);
        let backing = recovery(".ds-logs-2026.05.01-000001", "SNAPSHOT", "s");

        assert!(view.wants_recovery(&backing[0]));
        assert!(!view.wants_recovery(&recovery(".ds-other-2026.05.01-000001", "SNAPSHOT", "s")[0]));
        assert!(!view.wants_recovery(&recovery(".ds-logs-2026.05.01-000001", "SNAPSHOT", "another")[0]));
        assert!(view.may_name_streams(Some(&[row("a", 0, "STARTED")]), &[]));
        assert!(!view.may_name_streams(Some(&[]), &recovery("logs", "SNAPSHOT", "s")));
    }

    #[test]
    fn replaces_a_data_stream_by_its_backing_indices() {
        let index = ".ds-logs-2026.05.01-000001";
        let snapshot: SnapshotInfo =
            serde_json::from_value(json!({"snapshot": "s", "indices": [index, "a"], "data_streams": ["logs"]}))
                .unwrap();
        let mut view = view(&["a", "logs", "absent"]);

        let resolved = view.resolve_streams(&snapshot, &recovery(index, "SNAPSHOT", "s"));

        assert!(resolved);
        assert_eq!(view.indices().collect::<Vec<_>>(), [index, "a", "absent"]);
        assert!(view.may_name_streams(None, &[]), "`a` and `absent` are still unseen");
        assert!(!view.resolve_streams(&snapshot, &[]), "nothing else is a data stream");
    }

    #[test]
    fn finds_no_data_stream_if_the_snapshot_has_none() {
        let snapshot: SnapshotInfo = serde_json::from_value(json!({"snapshot": "s", "indices": ["a"]})).unwrap();
        let mut view = view(&["a"]);

        assert!(!view.resolve_streams(&snapshot, &[]));
        assert!(!view.may_name_streams(None, &[]));
        assert_eq!(view.indices().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn remembers_that_a_shard_was_restored() {
        let mut view = view(&["a", "b"]);
        assert!(!view.has_restored("a") && !view.has_restored_shard("a", 0));

        view.observe(None, &recovery("a", "SNAPSHOT", "s"), None);
        view.observe(None, &recovery("b", "SNAPSHOT", "another"), None);
        view.observe(None, &recovery("a", "EXISTING_STORE", ""), None);

        assert!(view.has_restored("a") && view.has_restored_shard("a", 0));
        assert!(!view.has_restored_shard("a", 1));
        assert!(!view.has_restored("b") && !view.has_restored_shard("b", 0));
    }

    #[test]
    fn counts_a_shard_as_pending_while_its_recovery_is_running() {
        let mut view = view(&["a"]);
        let source = json!({"repository": "r", "snapshot": "s", "index": "a"});
        let shard = json!({"id": 0, "type": "SNAPSHOT", "stage": "INDEX", "primary": true, "source": source,
            "index": {"size": {"total_in_bytes": 10, "recovered_in_bytes": 4}, "files": {"total": 3, "recovered": 1}}});
        let begun = read_all(Recoveries::new, &json!({"a": {"shards": [shard]}}).to_string()).unwrap();

        let observed = view.observe(None, &begun, None);

        assert!(view.has_restored("a") && !view.has_restored_shard("a", 0));
        let counts = observed.counts;
        assert_eq!((counts.bytes_total, counts.bytes_done, counts.files_total, counts.files_done), (10, 4, 3, 1));
        assert!(observed.has_pending() && observed.lacks_rows && !observed.has_new_index && !observed.is_running);
        assert_eq!(observed.pending().collect::<Vec<_>>(), [&("a".to_owned(), 0)]);
    }

    #[test]
    fn reports_an_index_that_was_replaced_as_unrestored() {
        let mut view = view(&["a", "b"]);
        view.note_replaced("a");
        let rows = [row("a", 0, "STARTED"), row("b", 0, "STARTED")];

        let observed = view.observe(Some(&rows), &recovery("b", "SNAPSHOT", "s"), None);

        assert_eq!(reasons(&observed), ["another index has its name now"]);
        assert_eq!((observed.counts.shards_total, observed.counts.shards_done), (1, 1));
        assert!(!observed.lacks_rows);
    }

    #[test]
    fn reports_a_new_index_only_once() {
        let mut view = view(&[]);

        let first = view.observe(None, &recovery("a", "SNAPSHOT", "s"), None);
        let second = view.observe(None, &recovery("a", "SNAPSHOT", "s"), None);

        assert!(first.has_new_index && !second.has_new_index);
    }

    #[test]
    fn is_running_while_a_shard_of_a_target_is_waiting_or_being_restored() {
        for (state, runs) in [("INIT", true), ("STARTED", true), ("SUCCESS", false), ("FAILURE", false)] {
            assert_eq!(view(&["a"]).observe(None, &[], Some(&running(state))).is_running, runs, "{state}");
            assert!(!view(&["b"]).observe(None, &[], Some(&running(state))).is_running, "{state}");
        }
    }

    #[test]
    fn does_not_doubt_a_shard_that_the_cluster_state_shows_as_restored() {
        let mut view = view(&["a"]);
        let started = [row("a", 0, "STARTED")];

        let before = view.observe(Some(&started), &[], None);
        let after = view.observe(Some(&started), &[], Some(&running("SUCCESS")));

        assert_eq!((before.doubtful, after.doubtful), (vec!["a".to_owned()], vec![]));
        assert_eq!(after.counts.shards_done, 1);
    }

    #[test]
    fn prefers_the_origin_that_a_recovery_has_shown_to_the_cluster_state() {
        let mut view = view(&["a"]);
        let started = [row("a", 0, "STARTED")];

        view.observe(Some(&started), &recovery("a", "EMPTY_STORE", ""), None);
        let observed = view.observe(Some(&started), &[], Some(&running("SUCCESS")));

        assert_eq!(reasons(&observed), ["restored empty: the snapshot does not contain the shard"]);
    }

    #[test]
    fn names_each_index_with_doubtful_shards_once() {
        let rows = [row("a", 0, "STARTED"), row("a", 1, "STARTED"), row("b", 0, "STARTED")];

        let observed = view(&["a", "b"]).observe(Some(&rows), &[], None);

        assert_eq!(observed.doubtful, ["a", "b"]);
        assert_eq!(observed.unrestored.len(), 3);
    }

    #[test]
    fn keeps_the_known_reason_if_a_row_has_no_details() {
        let mut view = view(&["a"]);
        view.note_given_up("a", 0, "no space".to_owned());

        let observed = view.observe(Some(&[unassigned("a", "ALLOCATION_FAILED", "")]), &[], None);

        assert_eq!(reasons(&observed), ["no space"]);
    }

    #[test]
    fn lists_a_shard_as_unexplained_until_its_reason_is_known() {
        let mut view = view(&["a"]);
        let waiting = [unassigned("a", "NEW_INDEX_RESTORED", "")];

        let given_up = view.observe(Some(&waiting), &[], Some(&running("FAILURE")));
        view.note_given_up("a", 0, "no space".to_owned());
        let explained = view.observe(Some(&waiting), &[], None);

        assert_eq!((given_up.unexplained, given_up.counts.shards_failed), (vec![("a".to_owned(), 0)], 1));
        assert_eq!((explained.unexplained.len(), reasons(&explained)), (0, vec!["no space"]));
    }
}
