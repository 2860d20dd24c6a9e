//! The clock from which a client reads the time and with which it waits.
//!
//! A client uses [`SystemClock`] unless
//! [`SnapshotClientBuilder::clock`](crate::SnapshotClientBuilder::clock) sets another one. Tests
//! use `testing::ManualClock` (feature `testing`), with which waiting takes no real time.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use es_snapshot::SnapshotClient;
//! use es_snapshot::testing::ManualClock;
//!
//! let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
//! let client = SnapshotClient::builder("http://localhost:9200").clock(clock.clone()).build()?;
//! clock.advance(Duration::from_secs(60));
//! assert_eq!(client.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(60));
//! # Ok::<(), es_snapshot::Error>(())
//! ```

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

/// A boxed future, which [`Clock`] and [`Transport`](crate::transport::Transport) return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A source of wall time and monotonic time, and the way to wait.
///
/// The client has no other source of time. It uses the wall time to date signatures, and together
/// with the domain's time to determine when credentials are due for renewal. It measures deadlines
/// by the monotonic time, so that a change of the wall clock does not shorten or extend them.
///
/// [`SystemClock`] is the real clock. `testing::ManualClock` is for tests.
///
/// # Examples
///
/// A clock that is an hour ahead of the system's clock:
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use es_snapshot::clock::{BoxFuture, Clock, SystemClock};
///
/// #[derive(Debug)]
/// struct HourAhead;
///
/// impl Clock for HourAhead {
///     fn wall(&self) -> SystemTime {
///         SystemClock.wall() + Duration::from_secs(3600)
///     }
///
///     fn monotonic(&self) -> Duration {
///         SystemClock.monotonic()
///     }
///
///     fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
///         SystemClock.sleep(duration)
///     }
///
///     fn timeout(&self, duration: Duration) -> BoxFuture<'static, ()> {
///         SystemClock.timeout(duration)
///     }
/// }
///
/// assert!(HourAhead.wall() > SystemClock.wall());
/// ```
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the wall time.
    fn wall(&self) -> SystemTime;

    /// Returns the time since an arbitrary fixed moment. It must never decrease.
    fn monotonic(&self) -> Duration;

    /// Returns a future that ends after this duration.
    ///
    /// The client uses it for the pauses between attempts and between polls.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Returns whether this clock can wait on the current thread.
    ///
    /// The client checks this at the start of each call. If the clock cannot wait, the call fails
    /// before anything is sent. [`SystemClock`] can wait only on a thread with a tokio runtime.
    /// Default: `true`.
    fn can_wait(&self) -> bool {
        true
    }

    /// Returns a future that ends after this duration.
    ///
    /// The client uses it for time limits. It is separate from [`sleep`](Self::sleep), so that the
    /// clock of a test can distinguish limits from pauses.
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

/// Waits for a future for at most this long. Returns `None` after that time.
///
/// Most futures are ready at the first poll, so the timer is created only if the future is pending.
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

/// The error for a thread without a tokio runtime.
#[derive(Debug, thiserror::Error)]
#[error(
    "no tokio runtime on this thread, which `SystemClock` and `HyperTransport` need; make the call within one, or set \
     another clock and transport for the client"
)]
pub(crate) struct NoRuntime;

impl NoRuntime {
    /// Returns this error outside of a runtime. It cannot detect a runtime that has timers or I/O
    /// disabled.
    pub(crate) fn check() -> Result<(), Self> {
        tokio::runtime::Handle::try_current().map(drop).map_err(|_| Self)
    }
}

/// The clock of the operating system, with the timers of tokio.
///
/// A call without a tokio runtime returns
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
///
/// # Panics
///
/// Waiting panics on a tokio runtime that has timers disabled. Build the runtime with `enable_time`
/// or `enable_all`. The clock cannot detect this beforehand.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[expect(clippy::disallowed_methods, reason = "this is the only place that reads the operating system's clock")]
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
        // Without a runtime, tokio's timer would panic.
        if self.can_wait() { Box::pin(tokio::time::sleep(duration)) } else { Box::pin(std::future::ready(())) }
    }

    fn timeout(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.sleep(duration)
    }
}
