//! Time that a test drives.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use crate::clock::{BoxFuture, Clock};

/// A [`Clock`] that stands still until a test, or a sleep, moves it. Clones share one time.
///
/// * [`sleep`](Clock::sleep) moves both times on by its duration and yields once, so that back-off and polls cost no real
///   time. [`set_auto_advance(false)`](Self::set_auto_advance) makes sleeps wait for [`advance`](Self::advance) instead.
/// * [`timeout`](Clock::timeout) never moves the clock: it ends when somebody else's sleep or `advance` reaches its end. A time
///   limit that is set while a real socket answers therefore never fires by itself.
///
/// Several tasks that sleep at the same time each move the clock: their sleeps add up.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use es_snapshot::Clock;
/// use es_snapshot::testing::ManualClock;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
/// clock.sleep(Duration::from_secs(3600)).await; // no real time passes
/// assert_eq!(clock.monotonic(), Duration::from_secs(3600));
/// clock.step_wall(-60); // as a time server would
/// assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH + Duration::from_secs(3540));
/// assert_eq!(clock.sleeps(), [Duration::from_secs(3600)]);
/// # });
/// ```
#[derive(Clone)]
pub struct ManualClock {
    times: Arc<Mutex<Times>>,
}

struct Times {
    wall: SystemTime,
    monotonic: Duration,
    auto_advance: bool,
    sleeps: Vec<Duration>,
    /// Who waits, and until when.
    waiters: BTreeMap<u64, (Duration, Waker)>,
    next: u64,
}

impl ManualClock {
    /// A clock that shows this wall time; its monotonic time starts at zero.
    #[must_use]
    pub fn new(wall: SystemTime) -> Self {
        let times =
            Times { wall, monotonic: Duration::ZERO, auto_advance: true, sleeps: Vec::new(), waiters: BTreeMap::new(), next: 0 };
        Self { times: Arc::new(Mutex::new(times)) }
    }

    /// Moves both times on and ends the waits that this reaches.
    pub fn advance(&self, by: Duration) {
        self.advance_and_count(by);
    }

    /// As [`advance`](Self::advance); tells how many waits ended.
    pub(super) fn advance_and_count(&self, by: Duration) -> usize {
        let mut times = self.lock();
        times.wall = times.wall.checked_add(by).unwrap_or(times.wall);
        times.monotonic = times.monotonic.saturating_add(by);
        let now = times.monotonic;
        let ended: Vec<Waker> = times.waiters.extract_if(.., |_, (due, _)| *due <= now).map(|(_, (_, waker))| waker).collect();
        // A waker may run what it wakes, and that may ask for the time.
        drop(times);
        let count = ended.len();
        for waker in ended {
            waker.wake();
        }
        count
    }

    /// Sets the wall time alone; the monotonic time stays.
    pub fn set_wall(&self, wall: SystemTime) {
        self.lock().wall = wall;
    }

    /// Moves the wall time alone by so many seconds, as a time server corrects a host's clock.
    pub fn step_wall(&self, seconds: i64) {
        let mut times = self.lock();
        let step = Duration::from_secs(seconds.unsigned_abs());
        let stepped = if seconds < 0 { times.wall.checked_sub(step) } else { times.wall.checked_add(step) };
        times.wall = stepped.unwrap_or(times.wall);
    }

    /// Whether a sleep moves the clock by itself. Default: it does.
    pub fn set_auto_advance(&self, auto_advance: bool) {
        self.lock().auto_advance = auto_advance;
    }

    /// The durations of all sleeps so far, in the order in which they began.
    #[must_use]
    pub fn sleeps(&self) -> Vec<Duration> {
        self.lock().sleeps.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until(&self, duration: Duration) -> Until {
        Until { due: self.monotonic().saturating_add(duration), clock: self.clone(), waiter: None }
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = self.lock();
        f.debug_struct("ManualClock").field("wall", &times.wall).field("monotonic", &times.monotonic).finish_non_exhaustive()
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> SystemTime {
        self.lock().wall
    }

    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        Box::pin(async move {
            let auto_advance = {
                let mut times = clock.lock();
                times.sleeps.push(duration);
                times.auto_advance
            };
            if auto_advance {
                clock.advance(duration);
                // Others get a turn, as they would during a real sleep.
                tokio::task::yield_now().await;
            } else {
                clock.until(duration).await;
            }
        })
    }

    fn timeout(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(self.until(duration))
    }
}

/// Ends when the monotonic time has come to `due`.
struct Until {
    clock: ManualClock,
    due: Duration,
    waiter: Option<u64>,
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut times = clock.lock();
        if times.monotonic >= self.due {
            if let Some(id) = self.waiter.take() {
                times.waiters.remove(&id);
            }
            return Poll::Ready(());
        }
        let id = *self.waiter.get_or_insert_with(|| {
            times.next += 1;
            times.next
        });
        times.waiters.insert(id, (self.due, context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        if let Some(id) = self.waiter {
            self.clock.lock().waiters.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn poll(future: &mut BoxFuture<'static, ()>, count: &Arc<Count>) -> bool {
        let waker = Waker::from(Arc::clone(count));
        future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
    }

    fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_sleep_moves_the_clock_and_yields_once() {
        let (clock, count) = (ManualClock::new(SystemTime::UNIX_EPOCH), Arc::new(Count::default()));
        let mut sleep = clock.sleep(second(30));
        assert_eq!(clock.monotonic(), Duration::ZERO, "a sleep that nobody polls takes no time");

        assert!(!poll(&mut sleep, &count));
        assert_eq!((clock.monotonic(), clock.wall()), (second(30), SystemTime::UNIX_EPOCH + second(30)));
        assert!(poll(&mut sleep, &count));
        assert_eq!(clock.sleeps(), [second(30)]);
    }

    #[test]
    fn a_timeout_ends_by_the_sleep_of_another_and_wakes_its_task_once() {
        let (clock, waiting, other) = (ManualClock::new(SystemTime::UNIX_EPOCH), Arc::new(Count::default()), Arc::default());
        let mut timeout = clock.timeout(second(10));
        assert!(!poll(&mut timeout, &waiting));

        assert!(!poll(&mut clock.sleep(second(9)), &other));
        assert_eq!(waiting.0.load(Ordering::SeqCst), 0);
        assert!(!poll(&mut timeout, &waiting));

        assert!(!poll(&mut clock.sleep(second(1)), &other));
        assert_eq!(waiting.0.load(Ordering::SeqCst), 1);
        assert!(poll(&mut timeout, &waiting));
        assert_eq!(clock.sleeps(), [second(9), second(1)], "a time-out is no sleep");
    }

    #[test]
    fn without_auto_advance_a_sleep_waits_for_the_test() {
        let (clock, count) = (ManualClock::new(SystemTime::UNIX_EPOCH), Arc::new(Count::default()));
        clock.set_auto_advance(false);
        let mut sleep = clock.sleep(second(5));
        assert!(!poll(&mut sleep, &count));
        assert_eq!(clock.monotonic(), Duration::ZERO);

        clock.advance(second(5));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert!(poll(&mut sleep, &count));
    }

    #[test]
    fn a_step_of_the_wall_ends_no_wait() {
        let (clock, count) = (ManualClock::new(SystemTime::UNIX_EPOCH + second(100)), Arc::new(Count::default()));
        let mut timeout = clock.timeout(second(1));
        clock.step_wall(3600);
        assert!(!poll(&mut timeout, &count));
        clock.step_wall(-3700);
        assert_eq!((clock.wall(), clock.monotonic()), (SystemTime::UNIX_EPOCH, Duration::ZERO));
    }

    #[test]
    fn a_dropped_wait_leaves_nothing_behind() {
        let (clock, count) = (ManualClock::new(SystemTime::UNIX_EPOCH), Arc::new(Count::default()));
        let mut timeout = clock.timeout(second(1));
        assert!(!poll(&mut timeout, &count));
        drop(timeout);
        assert_eq!(clock.advance_and_count(second(2)), 0);
    }
}
