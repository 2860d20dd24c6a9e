//! Waiting for another operation that is in the way.

use std::time::Duration;

use crate::call::Session;
use crate::config::RetryPolicy;
use crate::error::{Error, ErrorKind, Outcome};
use crate::request::Replay;

/// The first pause before a request that met another operation in its way is sent again, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// How long asking what is already running may take.
const ASKING: Duration = Duration::from_secs(5);

impl Session {
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
        let clock = self.clock();
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
        let asking = self.with(|options| options.retry = RetryPolicy::never()).with_limit(ASKING);
        let running = asking.running_snapshots(None).await.unwrap_or_default();
        let names: Vec<String> =
            running.iter().map(|one| format!("{}:{}", one.repository().unwrap_or_default(), one.name())).collect();
        if names.is_empty() { String::new() } else { format!("running: {}", names.join(", ")) }
    }
}
