//! Waiting for another operation that is already running.

use std::time::Duration;

use crate::call::Session;
use crate::config::RetryPolicy;
use crate::error::{Error, ErrorKind, Outcome, ServerError};
use crate::name::RepositoryName;
use crate::request::Replay;
use crate::snapshot::SnapshotStatus;

/// The first pause before a request that met another operation in its way is sent again, and the
/// longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// How long asking what is already running may take.
const ASKING: Duration = Duration::from_secs(5);

impl Session {
    /// Does something, and again while another operation is running, for as long as the client
    /// queues. What distinguishes an own doing from another's has to be read each time: much
    /// may happen in the queue.
    ///
    /// It is not begun anew with a request of its own unaccounted for, as that could do it twice,
    /// unless `replay` says that doing it twice does no harm.
    pub(crate) async fn queued<T, F: Future<Output = Result<T, Error>> + Send>(
        &self,
        replay: Replay,
        repository: &RepositoryName,
        mut act: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let clock = self.clock();
        let deadline = clock.monotonic().saturating_add(self.options.queue);
        let mut pause = FIRST;
        let mut lost = false;
        loop {
            let result = act().await.map_err(|error| if lost { error.after_a_loss() } else { error });
            match result {
                Err(error)
                    if error.kind() == ErrorKind::Busy
                        && (replay == Replay::Repeat || error.outcome() != Outcome::Unknown) =>
                {
                    let left = deadline.saturating_sub(clock.monotonic());
                    if left.is_zero() {
                        let running = self.in_the_way_of(&error, repository).await;
                        return Err(if running.is_empty() { error } else { error.with_message(running) });
                    }
                    lost |= error.outcome() == Outcome::Unknown;
                    tracing::info!(wait_ms = u64::try_from(pause.as_millis()).ok(), "another operation is running");
                    clock.sleep(pause.min(left)).await;
                    pause = (pause * 2).min(LONGEST);
                }
                result => return result,
            }
        }
    }

    /// The running snapshots that a refusal is about, in words; nothing if there are none or they
    /// cannot be asked for.
    async fn in_the_way_of(&self, error: &Error, repository: &RepositoryName) -> String {
        let repository = match error.server().and_then(Blockers::of) {
            None => return String::new(),
            Some(Blockers::OfTheRepository) => Some(repository),
            Some(Blockers::OfAll) => None,
        };
        let asking = self.with(|options| options.retry = RetryPolicy::never()).with_limit(ASKING);
        listed(&asking.running_snapshots(repository).await.unwrap_or_default())
    }
}

/// Which running snapshots a refusal is about. A restore, a deletion, a clone or a clean-up that
/// is running is named by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blockers {
    OfTheRepository,
    OfAll,
}

impl Blockers {
    /// By the server's words. No name that a caller gives can be taken for them, since names have
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
            // Elasticsearch 8 and later add why.
            (why.trim().is_empty() || why.contains("(snapshot is in progress)")).then_some(Self::OfTheRepository)
        })
    }
}

/// Names the first few of them.
fn listed(running: &[SnapshotStatus]) -> String {
    const NAMED: usize = 5;
    if running.is_empty() {
        return String::new();
    }
    let name = |one: &SnapshotStatus| format!("{}:{}", one.repository().unwrap_or_default(), one.name());
    let mut names: Vec<String> = running.iter().take(NAMED).map(name).collect();
    if running.len() > NAMED {
        names.push(format!("{} more", running.len() - NAMED));
    }
    format!("running: {}", names.join(", "))
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
    fn running_snapshots_are_named_only_where_the_refusal_is_about_them() {
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
    fn many_running_snapshots_are_named_by_the_first_few() {
        let running: Vec<SnapshotStatus> = (0..7)
            .map(|n| serde_json::from_value(json!({"snapshot": format!("s{n}"), "repository": "r"})).unwrap())
            .collect();

        assert_eq!(listed(&running), "running: r:s0, r:s1, r:s2, r:s3, r:s4, 2 more");
        assert_eq!(listed(&[]), "");
    }
}
