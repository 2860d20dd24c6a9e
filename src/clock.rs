//! The only door to time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

/// A boxed future, as the object-safe traits of this crate return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Wall time, monotonic time and waiting; the client asks nothing else for the time.
///
/// Wall time dates signatures and judges the expiry of credentials. Monotonic time measures deadlines, so that a step of
/// the wall clock neither cuts nor stretches one. [`SystemClock`] is the real one; `testing::ManualClock` is driven by a test.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock.
    fn wall(&self) -> SystemTime;

    /// Time since an arbitrary origin that never goes back.
    fn monotonic(&self) -> Duration;

    /// Waits between attempts and polls.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Ends when a time limit has run out. Apart from [`sleep`](Self::sleep) so that a driven clock can tell the two apart.
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
}

/// The clock of the operating system and the timer of tokio.
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

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn timeout(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
