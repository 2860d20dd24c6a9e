//! The clock that the client reads and waits by.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

/// A boxed future, as the object-safe traits of this crate return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Wall time, monotonic time and waiting; the client asks nothing else for the time.
///
/// Wall time dates signatures and, together with the domain's, determines whether credentials are
/// due for renewal. Monotonic time measures deadlines, so that a step of the wall clock neither
/// cuts nor stretches one. [`SystemClock`] is the real one; `testing::ManualClock` is driven by a
/// test.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock.
    fn wall(&self) -> SystemTime;

    /// Time since an arbitrary origin that never goes back.
    fn monotonic(&self) -> Duration;

    /// Waits between attempts and polls.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Whether this clock can wait on the current thread. The client asks at the start of each
    /// call, and one without a clock that can wait fails before anything is sent. Default: it
    /// can. [`SystemClock`] needs a tokio runtime.
    fn can_wait(&self) -> bool {
        true
    }

    /// Ends when a time limit has run out. Apart from [`sleep`](Self::sleep) so that a driven clock
    /// can distinguish the two.
    fn timeout(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

impl<T: Clock + ?Sized> Clock for std::sync::Arc<T> {
    fn wall(&self) -> SystemTime {
        (**self).wall()
    }

    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        (**self).sleep(duration)
    }

    fn timeout(&self, duration: Duration) -> BoxFuture<'static, ()> {
        (**self).timeout(duration)
    }

    fn can_wait(&self) -> bool {
        (**self).can_wait()
    }
}

/// Waits for a future for at most this long. Returns `None` if the time has run out.
///
/// Most of what is waited for has happened already, so the timer is made only once the future is
/// pending.
pub(crate) fn within<F: Future>(
    clock: &dyn Clock,
    limit: Duration,
    mut future: Pin<&mut F>,
) -> impl Future<Output = Option<F::Output>> {
    let began = clock.monotonic();
    let mut timer = None;
    poll_fn(move |cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        let left = || limit.saturating_sub(clock.monotonic().saturating_sub(began));
        timer.get_or_insert_with(|| clock.timeout(left())).as_mut().poll(cx).map(|()| None)
    })
}

/// There is no tokio runtime on this thread.
#[derive(Debug, thiserror::Error)]
#[error(
    "no tokio runtime on this thread, which `SystemClock` and `HyperTransport` need; call from within one, or give the \
     client another clock and transport"
)]
pub(crate) struct NoRuntime;

impl NoRuntime {
    /// Returns this error unless there is a runtime. Whether its timers and I/O are enabled cannot
    /// be found out.
    pub(crate) fn check() -> Result<(), Self> {
        tokio::runtime::Handle::try_current().map(drop).map_err(|_| Self)
    }
}

/// The clock of the operating system and the timer of tokio.
///
/// A call without a tokio runtime ends with
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
///
/// # Panics
///
/// Waiting panics on a tokio runtime whose timers are disabled, which cannot be found out
/// beforehand: build it with `enable_time` or `enable_all`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the operating system for the time")]
impl Clock for SystemClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        static ORIGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        ORIGIN.get_or_init(std::time::Instant::now).elapsed()
    }

    fn can_wait(&self) -> bool {
        NoRuntime::check().is_ok()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        // Without a runtime, tokio would panic.
        if self.can_wait() { Box::pin(tokio::time::sleep(duration)) } else { Box::pin(std::future::ready(())) }
    }

    fn timeout(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.sleep(duration)
    }
}
