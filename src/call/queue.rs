//! Queues behind an operation that is already running: tries again until it has ended.

use std::time::Duration;

use crate::call::Session;
use crate::config::RetryPolicy;
use crate::error::{Error, ErrorKind, Outcome, ServerError};
use crate::name::RepositoryName;
use crate::request::Replay;
use crate::snapshot::SnapshotStatus;

/// The first and the longest pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The time limit for reading what is already running.
const READ_LIMIT: Duration = Duration::from_secs(5);

impl Session {
    /// Runs `act`, and runs it again while another operation is running, until the queue time is
    /// over. `act` must gather its evidence each time, because much may happen in the queue.
    ///
    /// After [`Outcome::Unknown`] it is not run again: the change could happen twice. `replay` may
    /// permit that.
    pub(crate) async fn queued<T, F: Future<Output = Result<T, Error>> + Send>(
        &self,
        replay: Replay,
        repository: &RepositoryName,
        mut act: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let clock = self.clock();
        let deadline = clock.monotonic().saturating_add(self.options.queue);
        let mut pause = FIRST_PAUSE;
        let mut lost = false;
        loop {
            let result = act().await.map_err(|error| if lost { error.after_lost_response() } else { error });
            match result {
                Err(error)
                    if error.kind() == ErrorKind::Busy
                        && (replay == Replay::Repeat || error.outcome() != Outcome::Unknown) =>
                {
                    let left = deadline.saturating_sub(clock.monotonic());
                    if left.is_zero() {
                        let running = self.describe_running(&error, repository).await;
                        return Err(if running.is_empty() { error } else { error.with_message(running) });
                    }
                    lost |= error.outcome() == Outcome::Unknown;
                    tracing::info!(wait_ms = u64::try_from(pause.as_millis()).ok(), "another operation is running");
                    clock.sleep(pause.min(left)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                result => return result,
            }
        }
    }

    /// Describes the running snapshots that made the server refuse a request. Empty if there are
    /// none, or if they cannot be read.
    async fn describe_running(&self, error: &Error, repository: &RepositoryName) -> String {
        let repository = match error.server().and_then(Blockers::of) {
            None => return String::new(),
            Some(Blockers::OfTheRepository) => Some(repository),
            Some(Blockers::OfAll) => None,
        };
        let session = self.with(|options| options.retry = RetryPolicy::never()).with_limit(READ_LIMIT);
        describe(&session.running_snapshots(repository).await.unwrap_or_default())
    }
}

/// The running snapshots that made the server refuse a request. The server itself names a running
/// restore, deletion, clone or clean-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blockers {
    OfTheRepository,
    OfAll,
}

impl Blockers {
    /// Determines them by phrases of the server. A name cannot look like one, because names contain
    /// no white space.
    fn of(server: &ServerError) -> Option<Self> {
        const OF_ALL: [&str; 3] = [
            "snapshot is already running",
            "snapshot is currently running",
            "Cannot start another operation, already running",
        ];
        std::iter::once(server.reason()).chain(server.causes().map(|(_, reason)| reason)).find_map(|reason| {
            if OF_ALL.iter().any(|words| reason.contains(words)) {
                return Some(Self::OfAll);
            }
            let (_, why) = reason.split_once("repository that is currently used")?;
            // Elasticsearch 8 and later add the reason.
            (why.trim().is_empty() || why.contains("(snapshot is in progress)")).then_some(Self::OfTheRepository)
        })
    }
}

/// Names the first few running snapshots.
fn describe(running: &[SnapshotStatus]) -> String {
    const NAMED: usize = 5;
    if running.is_empty() {
        return String::new();
    }
    let name = |one: &SnapshotStatus| format!("{}:{}", one.repository().unwrap_or_default(), one.name());
    let mut names: Vec<String> = running.iter().take(NAMED).map(name).collect();
    if running.len() > NAMED {
        names.push(format!("{} more", running.len() - NAMED));
    }
    format!("snapshots running: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn blockers(error_type: &str, reason: &str) -> Option<Blockers> {
        let body = json!({"error": {"type": error_type, "reason": reason}, "status": 503}).to_string();
        Blockers::of(&ServerError::parse(503, body.as_bytes(), None, &[]))
    }

    #[test]
    fn names_running_snapshots_only_if_they_caused_the_refusal() {
        let used = "trying to modify or unregister repository that is currently used";
        for (error_type, reason, expected) in [
            ("illegal_state_exception", used, Some(Blockers::OfTheRepository)),
            (
                "repository_conflict_exception",
                &format!("[r] {used} (snapshot is in progress)"),
                Some(Blockers::OfTheRepository),
            ),
            ("repository_conflict_exception", &format!("[r] {used} (snapshot deletion is in progress)"), None),
            ("repository_conflict_exception", &format!("[r] {used} (snapshot restore is in progress)"), None),
            ("repository_conflict_exception", &format!("[r] {used} (found 1 searchable snapshots indices)"), None),
            (
                "illegal_state_exception",
                "Cannot cleanup [r] - a snapshot is currently running in [x]",
                Some(Blockers::OfAll),
            ),
            (
                "illegal_state_exception",
                "Cannot cleanup [r] - a repository cleanup is already in-progress in [x]",
                None,
            ),
            ("illegal_state_exception", "Cannot cleanup [r] - a snapshot is currently being deleted in [x]", None),
            ("concurrent_snapshot_execution_exception", "[r:s] a snapshot is already running", Some(Blockers::OfAll)),
            (
                "concurrent_snapshot_execution_exception",
                "[r:s] Cannot start another operation, already running [1000] operations and the current limit",
                Some(Blockers::OfAll),
            ),
            (
                "concurrent_snapshot_execution_exception",
                "[r:s] cannot delete snapshot during a restore in progress in [x]",
                None,
            ),
            ("concurrent_snapshot_execution_exception", "[r:s] cannot delete snapshot while it is being cloned", None),
            (
                "concurrent_snapshot_execution_exception",
                "[r:s] cannot snapshot while a repository cleanup is in-progress",
                None,
            ),
            (
                "concurrent_snapshot_execution_exception",
                "cannot restore a snapshot while a snapshot deletion is in-progress",
                None,
            ),
        ] {
            assert_eq!(blockers(error_type, reason), expected, "{reason}");
        }
    }

    #[test]
    fn names_the_first_few_running_snapshots_and_counts_the_rest() {
        let running: Vec<SnapshotStatus> = (0..7)
            .map(|n| serde_json::from_value(json!({"snapshot": format!("s{n}"), "repository": "r"})).unwrap())
            .collect();

        assert_eq!(describe(&running), "snapshots running: r:s0, r:s1, r:s2, r:s3, r:s4, 2 more");
        assert_eq!(describe(&[]), "");
    }
}
