//! Waiting for another operation that is in the way.

use std::time::Duration;

use crate::client::SnapshotClient;
use crate::client::reconciled::LAST_LOOK;
use crate::error::{Error, ErrorKind, Outcome};
use crate::request::Replay;
use crate::retry::RetryPolicy;

/// The first pause before a request that met another operation in its way is sent again, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

impl SnapshotClient {
    /// Does something, and again while another operation is in the way, for as long as the client queues. What tells an own
    /// doing from another's has to be gathered each time: much may happen in the queue.
    ///
    /// It is not begun anew with a request of its own unaccounted for, as that could do it twice, unless `replay` says that
    /// doing it twice does no harm.
    pub(crate) async fn queued<T, F: Future<Output = Result<T, Error>> + Send>(
        &self,
        replay: Replay,
        mut act: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let clock = &self.core.clock;
        let deadline = clock.monotonic().saturating_add(self.options.queue);
        let mut pause = FIRST;
        let mut lost = false;
        loop {
            let result = act().await.map_err(|error| if lost { error.after_a_loss() } else { error });
            match result {
                Err(error)
                    if error.kind() == ErrorKind::Busy && (replay == Replay::Repeat || error.outcome() != Outcome::Unknown) =>
                {
                    let left = deadline.saturating_sub(clock.monotonic());
                    if left.is_zero() {
                        let running = self.running_now().await;
                        return Err(if running.is_empty() { error } else { error.with_message(running) });
                    }
                    lost |= error.outcome() == Outcome::Unknown;
                    tracing::info!(wait_ms = u64::try_from(pause.as_millis()).ok(), "another operation is in the way");
                    clock.sleep(pause.min(left)).await;
                    pause = (pause * 2).min(LONGEST);
                }
                result => return result,
            }
        }
    }

    /// The snapshots that run, in words; nothing if that cannot be asked.
    async fn running_now(&self) -> String {
        let asking = self.with_retry(RetryPolicy::never()).with_limit(LAST_LOOK);
        let running = asking.running_snapshots(None).await.unwrap_or_default();
        let names: Vec<String> =
            running.iter().map(|one| format!("{}:{}", one.repository().unwrap_or_default(), one.name())).collect();
        if names.is_empty() { String::new() } else { format!("running: {}", names.join(", ")) }
    }
}
