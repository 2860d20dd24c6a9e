//! Waiting for the end of a restore, judged shard by shard.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use crate::byte_size::ByteSize;
use crate::call::Session;
use crate::clock::BoxFuture;
use crate::error::{Error, ErrorKind, Operation, Outcome};
use crate::name::{IndexName, RepositoryName, SnapshotName};
use crate::progress::{Counts, Progress};
use crate::request;
use crate::restore::{AllocationExplanation, RecoveryStage, RecoveryType, ShardRecovery, ShardRow, Source};
use crate::wait::{ASIDE, DEADLINE, Look, PATIENCE, Permission, ProgressStream, Watched, outcome, progress};

/// The wait for the end of a restore; made by [`SnapshotClient::wait_for_restore`].
///
/// Await it for a [`RestoreReport`], which names every shard that was not restored;
/// [`RestoreReport::into_complete`] makes those an error. [`progress`](Self::progress) tells the way there.
///
/// A restore is judged by shards. The indices are those of which a shard names this snapshot as its source (in
/// `_cat/shards` while it is not started, in `_recovery` then), and those given by [`indices`](Self::indices). Each primary
/// of theirs has to be started and restored from this snapshot; one that has moved to another node since shows a peer
/// recovery, and then counts by its state. Replicas are not waited for.
///
/// A shard that no node could take when its turn came, since the index's allocation settings do not fit this cluster, say, is
/// one that the engine never tries again. While nothing but unassigned shards is left, `_cluster/allocation/explain` is
/// asked for that, where it is allowed.
///
/// Polls and limits are those of [`WaitForSnapshot`](crate::WaitForSnapshot), with two requests a poll, one more while
/// unassigned shards rest, and one for the snapshot's uuid once a shard has failed, since it tells no repository; once the
/// indices are known, only they are asked for. Where one of the two is refused five times in
/// a row, the other has to do until it is no longer refused: without `_cat/shards`, shards that failed or that no node has
/// begun are not seen, so that the wait ends only when five polls in a row found the same shards and all of them done;
/// without `_recovery`, shards that were started before the first poll are not seen unless their indices are given, and one
/// that came back empty counts as restored.
///
/// # Errors
///
/// As [`WaitForSnapshot`](crate::WaitForSnapshot); [`ErrorKind::IndexMissing`] if five polls found no shard that is restored from this snapshot.
///
/// # Cancel safety
///
/// Dropping the wait stops watching. The restore goes on.
#[derive(Clone, Debug)]
#[must_use = "a wait does nothing until it is awaited"]
pub struct WaitForRestore {
    session: Session,
    repository: RepositoryName,
    name: SnapshotName,
    indices: Vec<IndexName>,
    limit: Duration,
}

impl WaitForRestore {
    pub(crate) fn new(session: Session, repository: RepositoryName, name: SnapshotName) -> Self {
        Self { session, repository, name, indices: Vec::new(), limit: DEADLINE }
    }

    /// How long to wait at most, on the monotonic clock. Default 24 hours.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Indices that have to be there in the end, by the names they are restored under; one that never appears is then told.
    ///
    /// A started shard of theirs whose recovery does not tell where it came from, since it has moved or its node was
    /// restarted, counts as restored: the name is the caller's word that it was.
    pub fn indices(mut self, indices: impl IntoIterator<Item = IndexName>) -> Self {
        self.indices.extend(indices);
        self
    }

    /// The way to the end: a [`WaitUpdate::Progress`](crate::WaitUpdate::Progress) for every change, then [`WaitUpdate::Ended`](crate::WaitUpdate::Ended).
    pub fn progress(self) -> ProgressStream<Progress, RestoreReport> {
        let (session, limit, watch) = self.watch();
        progress(&session, limit, watch)
    }

    fn watch(self) -> (Session, Duration, RestoreWatch) {
        let expected = self.indices.iter().map(|index| index.as_str().to_owned()).collect();
        let Self { session, repository, name, limit, .. } = self;
        let watch = RestoreWatch {
            source: Source::new(repository, name),
            indices: expected,
            unstable: 0,
            rows: Permission::default(),
            recoveries: Permission::default(),
            given_up: BTreeMap::new(),
            complete: false,
            shards: 0,
            pending: Vec::new(),
        };
        (session, limit, watch)
    }
}

impl IntoFuture for WaitForRestore {
    type Output = Result<RestoreReport, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let (session, limit, watch) = self.watch();
        outcome(session, limit, watch)
    }
}

/// How a restore ended, shard by shard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a restore that has ended need not be complete"]
pub struct RestoreReport {
    indices: Vec<String>,
    shards_total: u64,
    unrestored: Vec<UnrestoredShard>,
}

impl RestoreReport {
    /// The indices that were restored, by the names they have now.
    #[must_use]
    pub fn indices(&self) -> &[String] {
        &self.indices
    }

    /// The primaries that were expected.
    #[must_use]
    pub fn shards_total(&self) -> u64 {
        self.shards_total
    }

    /// The primaries that are not there or do not come from the snapshot.
    #[must_use]
    pub fn unrestored(&self) -> &[UnrestoredShard] {
        &self.unrestored
    }

    /// The report, if every shard was restored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Incomplete`], naming the shards.
    pub fn into_complete(self) -> Result<Self, Error> {
        if self.unrestored.is_empty() {
            return Ok(self);
        }
        let first: Vec<String> = self.unrestored.iter().take(3).map(ToString::to_string).collect();
        let text = format!("{} of {} shards were not restored: {}", self.unrestored.len(), self.shards_total, first.join("; "));
        Err(Error::new(ErrorKind::Incomplete, Outcome::Rejected, text).during(Operation::RestoreSnapshot, 1))
    }
}

/// A primary that a restore did not bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnrestoredShard {
    index: String,
    shard: Option<u32>,
    reason: String,
}

impl UnrestoredShard {
    /// The index.
    #[must_use]
    pub fn index(&self) -> &str {
        &self.index
    }

    /// The shard's number; `None` if the whole index is missing.
    #[must_use]
    pub fn shard(&self) -> Option<u32> {
        self.shard
    }

    /// Why, in the server's words where it gave any.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for UnrestoredShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shard {
            Some(shard) => write!(f, "[{}][{shard}] {}", self.index, self.reason),
            None => write!(f, "[{}] {}", self.index, self.reason),
        }
    }
}

struct RestoreWatch {
    source: Source,
    /// All that were ever seen to come from the snapshot, and those that the caller named.
    indices: BTreeSet<String>,
    /// Polls in a row that would end the wait, but may be wrong: the server tries a failed shard again, and without rows a
    /// shard that no node has begun is not seen.
    unstable: u32,
    /// Whether `_cat/shards` and `_recovery` may be asked for.
    rows: Permission,
    recoveries: Permission,
    /// Shards of which the engine has said that it tries no longer, and why.
    given_up: BTreeMap<(String, u32), String>,
    /// Whether the last poll found no further index, and how many shards.
    complete: bool,
    shards: u64,
    /// The shards that the last poll found not yet restored.
    pending: Vec<(String, u32)>,
}

impl RestoreWatch {
    /// The indices to ask for: all of the cluster's until those of the restore are known, or if they are many.
    fn narrowed(&self) -> Vec<IndexName> {
        const LONGEST_LIST: usize = 2000;
        let fits = self.indices.iter().map(|index| index.len() + 1).sum::<usize>() < LONGEST_LIST;
        if !self.complete || !fits {
            return Vec::new();
        }
        self.indices.iter().map(|index| index.parse()).collect::<Result<_, _>>().unwrap_or_default()
    }

    /// The shards' rows, if they may be asked for, and their recoveries.
    async fn ask(
        &mut self,
        session: &Session,
        indices: &[IndexName],
    ) -> Result<(Option<Vec<ShardRow>>, Vec<ShardRecovery>), Error> {
        // Also after refusals: rights may be given late, and only rows show shards that failed.
        let rows = self.rows.judge(session.call::<Vec<ShardRow>>(&request::shards(indices)).await)?;
        // One of the two has to be allowed.
        let recoveries = session.recovery(indices).await;
        let recoveries = if rows.is_some() { self.recoveries.judge(recoveries)?.unwrap_or_default() } else { recoveries? };
        Ok((rows, recoveries))
    }

    /// Asks of the shards that wait, one after the other, whether the engine has given them up, until one has a future or the
    /// time for it is over.
    async fn ask_why(&mut self, session: &Session) {
        let clock = &session.core.clock;
        let deadline = clock.monotonic().saturating_add(ASIDE);
        let session = session.with_limit(ASIDE);
        for shard in &self.pending {
            if self.given_up.contains_key(shard) {
                continue;
            }
            if clock.monotonic() >= deadline {
                return;
            }
            let explained =
                async { session.call::<AllocationExplanation>(&request::allocation_explain(&shard.0, shard.1)?).await };
            match explained.await {
                Ok(explanation) => match explanation.given_up() {
                    Some(reason) => self.given_up.insert(shard.clone(), reason),
                    None => return,
                },
                // The state is known; the reason can wait for the next poll.
                Err(error) => return tracing::debug!(kind = ?error.kind(), "no explanation"),
            };
        }
    }

    /// Judges every expected primary by its row and its recovery.
    fn view(&self, rows: Option<&[ShardRow]>, recoveries: &[ShardRecovery]) -> View {
        let indices = &self.indices;
        let recoveries: BTreeMap<(&str, u32), &ShardRecovery> = recoveries
            .iter()
            .filter(|shard| shard.primary() && indices.contains(shard.index()))
            .filter_map(|shard| Some(((shard.index(), shard.shard()?), shard)))
            .collect();
        let mut view = View::default();
        for shard in recoveries.values() {
            let counts = &mut view.counts;
            counts.bytes_total = counts.bytes_total.saturating_add(shard.total_size().map_or(0, ByteSize::bytes));
            counts.bytes_done = counts.bytes_done.saturating_add(shard.recovered_size().map_or(0, ByteSize::bytes));
            counts.files_total = counts.files_total.saturating_add(shard.total_files().unwrap_or(0));
            counts.files_done = counts.files_done.saturating_add(shard.recovered_files().unwrap_or(0));
        }
        // Without rows, what has a recovery is all there is to see.
        let primaries: BTreeMap<(&str, u32), Option<&ShardRow>> = match rows {
            Some(rows) => rows
                .iter()
                .filter(|row| row.prirep == "p" && indices.contains(&row.index))
                .filter_map(|row| Some(((row.index.as_str(), row.shard?), Some(row))))
                .collect(),
            None => recoveries.keys().map(|&key| (key, None)).collect(),
        };
        for (&(index, number), row) in &primaries {
            view.counts.shards_total += 1;
            match self.judge(*row, recoveries.get(&(index, number)).copied()) {
                Judgement::Done => view.counts.shards_done += 1,
                Judgement::Unassigned => view.pending.push((index.to_owned(), number)),
                Judgement::UnderWay => {
                    view.under_way = true;
                    view.pending.push((index.to_owned(), number));
                }
                Judgement::Failed(reason) => {
                    view.counts.shards_failed += 1;
                    view.unrestored.push(UnrestoredShard { index: index.to_owned(), shard: Some(number), reason });
                }
            }
        }
        for index in indices.iter().filter(|index| !primaries.keys().any(|(known, _)| known == index)) {
            view.unrestored.push(UnrestoredShard {
                index: index.clone(),
                shard: None,
                reason: "the index does not exist".to_owned(),
            });
        }
        view
    }

    fn judge(&self, row: Option<&ShardRow>, recovery: Option<&ShardRecovery>) -> Judgement {
        if let Some(row) = row.filter(|row| row.state == "UNASSIGNED") {
            return if row.has_failed() {
                Judgement::Failed(row.unassigned_details.clone().unwrap_or_else(|| "failed".to_owned()))
            } else {
                Judgement::Unassigned
            };
        }
        let started = match row {
            Some(row) => matches!(row.state.as_str(), "STARTED" | "RELOCATING"),
            None => recovery.is_some_and(|shard| *shard.stage() == RecoveryStage::Done),
        };
        if !started {
            return Judgement::UnderWay;
        }
        match recovery {
            Some(shard) if self.source.has(shard) => Judgement::Done,
            // A partial snapshot's missing shards come back empty; another source means another restore or another index.
            Some(shard) if *shard.kind() == RecoveryType::EmptyStore => {
                Judgement::Failed("restored empty: it is not in the snapshot".to_owned())
            }
            Some(shard) if *shard.kind() == RecoveryType::Snapshot => {
                Judgement::Failed("restored from another snapshot".to_owned())
            }
            // It has moved or its node was restarted since; being started is what counts then.
            _ => Judgement::Done,
        }
    }
}

impl Watched for RestoreWatch {
    type Outcome = RestoreReport;

    fn what(&self) -> String {
        let first: Vec<String> = self.pending.iter().take(3).map(|(index, shard)| format!("[{index}][{shard}]")).collect();
        let open = if first.is_empty() { String::new() } else { format!(", open shards such as {},", first.join(", ")) };
        format!("restore of {}:{}{open}", self.source.repository(), self.source.name())
    }

    async fn look(&mut self, session: &Session, _details: bool) -> Result<Look<RestoreReport>, Error> {
        let known = self.indices.len();
        let narrowed = self.narrowed();
        let (rows, recoveries) = match self.ask(session, &narrowed).await {
            // An index is gone, and with it the answer for the others.
            Err(error) if error.kind() == ErrorKind::IndexMissing => self.ask(session, &[]).await?,
            answer => answer?,
        };
        session.identify(&mut self.source, rows.as_deref().unwrap_or_default()).await;
        let waiting = self.source.rows(rows.as_deref().unwrap_or_default()).map(|row| row.index.as_str());
        let begun = recoveries.iter().filter(|shard| self.source.has(shard)).map(ShardRecovery::index);
        let seen: BTreeSet<&str> = waiting.chain(begun).collect();
        // All indices of a restore are there from its beginning; but only their rows show those that no node has begun.
        let found = !seen.is_empty() && rows.is_some();
        self.indices.extend(seen.into_iter().map(str::to_owned));
        self.complete = found && self.indices.len() == known;
        let mut view = self.view(rows.as_deref(), &recoveries);
        let resting = !view.under_way && view.pending == self.pending;
        self.pending.clone_from(&view.pending);
        if resting {
            self.ask_why(session).await;
        } else {
            self.given_up.clear();
        }
        view.give_up(&self.given_up);
        let more = std::mem::replace(&mut self.shards, view.counts.shards_total) != view.counts.shards_total;
        if !view.pending.is_empty() {
            self.unstable = 0;
            return Ok(Look::Running(view.counts));
        }
        if !view.unrestored.is_empty() || view.counts.shards_total == 0 || rows.is_none() {
            self.unstable = if more { 1 } else { self.unstable + 1 };
            if self.unstable < PATIENCE {
                return Ok(Look::Running(view.counts));
            }
        }
        if view.counts.shards_total == 0 && self.indices.is_empty() {
            let text = format!("no shard is being restored from {}:{}", self.source.repository(), self.source.name());
            let error = Error::new(ErrorKind::IndexMissing, Outcome::Rejected, text);
            return Err(error.during(Operation::Recovery, 1).lasting());
        }
        Ok(Look::Ended(RestoreReport {
            indices: self.indices.iter().cloned().collect(),
            shards_total: view.counts.shards_total,
            unrestored: view.unrestored,
        }))
    }
}

#[derive(Debug, Default, PartialEq)]
struct View {
    counts: Counts,
    pending: Vec<(String, u32)>,
    /// Whether a node is at work on one of these.
    under_way: bool,
    unrestored: Vec<UnrestoredShard>,
}

impl View {
    /// Calls those failed that the engine has given up.
    fn give_up(&mut self, given_up: &BTreeMap<(String, u32), String>) {
        self.pending.retain(|shard| {
            let reason = given_up.get(shard);
            if let Some(reason) = reason {
                self.counts.shards_failed += 1;
                let (index, number) = shard.clone();
                self.unrestored.push(UnrestoredShard { index, shard: Some(number), reason: reason.clone() });
            }
            reason.is_none()
        });
    }
}

enum Judgement {
    Done,
    /// No node has it.
    Unassigned,
    /// A node is at work on it.
    UnderWay,
    Failed(String),
}
