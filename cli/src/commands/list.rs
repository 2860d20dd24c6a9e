//! `list`: streams the snapshots of a repository.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, SystemTime};

use es_snapshot::{Error, ListSnapshots, SnapshotInfo, SnapshotPattern};
use futures_util::StreamExt as _;

use super::Domain;
use crate::args::List;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Console;
use crate::output::records::SnapshotRecord;
use crate::words::in_flags;

pub(super) async fn run(args: List, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let repository = domain.client.repository(&args.target.repository)?;
    let name = repository.name().as_str();
    let mut options = ListSnapshots::new();
    if let Some(prefix) = &args.prefix {
        options = options.with_pattern(SnapshotPattern::new([format!("{prefix}*")])?);
    }
    let mut snapshots = repository.snapshots(options);
    let mut listing = console.listing::<SnapshotRecord<'_>>();
    let mut newest = args.limit.map(Newest::new);
    let (mut count, mut errors): (usize, Vec<Error>) = (0, Vec::new());
    while let Some(snapshot) = snapshots.next().await {
        match snapshot {
            // The response has shown the domain's time by now.
            Ok(snapshot) if selects(&args, &snapshot, domain.client.now()) => {
                if let Some(newest) = &mut newest {
                    newest.push(snapshot);
                } else {
                    count += 1;
                    listing.push(&SnapshotRecord::new(name, &snapshot))?;
                }
            }
            Ok(_) => {}
            Err(error) => errors.push(error),
        }
    }
    for snapshot in newest.into_iter().flat_map(Newest::in_order) {
        count += 1;
        listing.push(&SnapshotRecord::new(name, &snapshot))?;
    }
    // A domain without any snapshot that matches is an empty list, not an error.
    let is_empty = args.prefix.is_some() && count == 0 && errors.iter().all(is_nothing_found);
    if is_empty || errors.is_empty() {
        return listing.finish::<SnapshotRecord<'_>>();
    }
    incomplete(count, errors, || listing.finish::<SnapshotRecord<'_>>(), console)
}

pub(super) fn is_nothing_found(error: &Error) -> bool {
    error.kind() == es_snapshot::ErrorKind::SnapshotMissing
}

/// Returns the failure of a listing that lacks some snapshots, or all.
fn incomplete(
    count: usize,
    mut errors: Vec<Error>,
    finish: impl FnOnce() -> Result<(), Failure>,
    console: &Console,
) -> Result<(), Failure> {
    if count == 0 && errors.len() == 1 {
        return errors.pop().map_or(Ok(()), |error| Err(error.into()));
    }
    finish()?;
    for error in &errors {
        console.note(in_flags(&format!("warning: {error}")));
    }
    Err(Failure::Stopped(Exit::Partly, "the list is not complete".to_owned()))
}

fn selects(args: &List, snapshot: &SnapshotInfo, now: SystemTime) -> bool {
    let has_state = args.state.is_empty() || args.state.iter().any(|state| is_state(state, snapshot));
    has_state && args.older_than.is_none_or(|age| is_older(snapshot, age, now))
}

fn is_state(state: &str, snapshot: &SnapshotInfo) -> bool {
    state.eq_ignore_ascii_case(snapshot.state().as_str())
}

/// Whether the snapshot started longer ago than this. False if its start is not known.
pub(super) fn is_older(snapshot: &SnapshotInfo, age: Duration, now: SystemTime) -> bool {
    let limit = now.checked_sub(age);
    snapshot.start_time().zip(limit).is_some_and(|(start, limit)| start < limit)
}

/// The newest snapshots of those that were pushed. It keeps no others.
struct Newest {
    limit: usize,
    pushed: u64,
    kept: BinaryHeap<Reverse<Aged>>,
}

impl Newest {
    fn new(limit: usize) -> Self {
        Self { limit, pushed: 0, kept: BinaryHeap::new() }
    }

    fn push(&mut self, snapshot: SnapshotInfo) {
        self.pushed += 1;
        self.kept.push(Reverse(Aged { order: (snapshot.start_time(), self.pushed), snapshot }));
        if self.kept.len() > self.limit {
            self.kept.pop();
        }
    }

    /// Returns the snapshots, the newest last.
    fn in_order(self) -> impl Iterator<Item = SnapshotInfo> {
        let mut kept: Vec<Aged> = self.kept.into_iter().map(|Reverse(aged)| aged).collect();
        kept.sort();
        kept.into_iter().map(|aged| aged.snapshot)
    }
}

/// A snapshot, ordered by its start and then by its place in the list.
struct Aged {
    order: (Option<SystemTime>, u64),
    snapshot: SnapshotInfo,
}

impl PartialEq for Aged {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Aged {}

impl PartialOrd for Aged {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Aged {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(name: &str, start: u64) -> SnapshotInfo {
        let json = serde_json::json!({"snapshot": name, "state": "SUCCESS", "start_time_in_millis": start});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn keeps_the_newest_and_returns_the_newest_last() {
        let mut newest = Newest::new(2);

        for (name, start) in [("b", 2), ("d", 4), ("a", 1), ("c", 3)] {
            newest.push(snapshot(name, start));
            assert!(newest.kept.len() <= 2);
        }

        let names: Vec<String> = newest.in_order().map(|snapshot| snapshot.name().to_owned()).collect();
        assert_eq!(names, ["c", "d"]);
    }

    #[test]
    fn keeps_nothing_with_a_limit_of_zero() {
        let mut newest = Newest::new(0);

        newest.push(snapshot("a", 1));

        assert_eq!(newest.in_order().count(), 0);
    }

    #[test]
    fn a_snapshot_is_older_than_a_time_only_if_it_started_before() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let is_older = |start| is_older(&snapshot("a", start), Duration::from_secs(60), now);

        assert!(is_older(39_999) && !is_older(40_000) && !is_older(99_000));
    }

    #[test]
    fn accepts_states_in_any_case() {
        assert!(is_state("success", &snapshot("a", 1)) && !is_state("PARTIAL", &snapshot("a", 1)));
    }
}
