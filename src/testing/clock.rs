//! A clock that a test drives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};

use crate::clock::{BoxFuture, Clock};

/// A [`Clock`] that does not move until a test or a sleep moves it.
///
/// It has a wall time and a monotonic time. Clones share both. There are three ways to let time
/// pass:
///
/// * [`block_on`](Self::block_on) runs a future to its end. Whenever the future cannot make
///   progress, both times move to the end of the earliest sleep or time limit. Parallel sleeps
///   overlap, time limits fire in order, and all runs are identical. Use it with a domain that is
///   [in process](super::FakeDomainBuilder::in_process).
/// * Under a runtime, a [`sleep`](Clock::sleep) moves both times by its duration and yields once.
///   So pauses between attempts and polls take no real time. If several tasks sleep at the same
///   time, their sleeps add up. A [`timeout`](Clock::timeout) never moves the clock. It ends when a
///   sleep or `advance` reaches its end, so a time limit on a response over a socket does not fire
///   by itself. This is the default.
/// * After [`set_auto_advance(false)`](Self::set_auto_advance), sleeps wait for
///   [`advance`](Self::advance).
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use es_snapshot::clock::Clock;
/// use es_snapshot::testing::ManualClock;
///
/// let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
/// clock.block_on(async {
///     clock.sleep(Duration::from_secs(3600)).await; // no real time passes
/// });
/// assert_eq!(clock.monotonic(), Duration::from_secs(3600));
/// clock.step_wall(-60); // as if a time server had corrected it
/// assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH + Duration::from_secs(3540));
/// assert_eq!(clock.sleeps(), [Duration::from_secs(3600)]);
/// ```
#[derive(Clone)]
pub struct ManualClock {
    times: Arc<Mutex<Times>>,
}

/// When a wait ends, and its number in the order in which waits began.
type Due = (Duration, u64);

struct Times {
    wall: SystemTime,
    monotonic: Duration,
    auto_advance: bool,
    /// Whether [`ManualClock::block_on`] moves the time.
    is_driven: bool,
    sleeps: Vec<Duration>,
    waiters: BTreeMap<Due, Waker>,
    /// Waits that have ended and were not polled since.
    ended: BTreeSet<Due>,
    next: u64,
}

impl Times {
    fn advance(&mut self, by: Duration) {
        self.wall = self.wall.checked_add(by).unwrap_or(self.wall);
        self.monotonic = self.monotonic.saturating_add(by);
    }

    /// Removes a wait. The caller drops its waker after releasing the lock.
    fn forget(&mut self, waiter: Due) -> Option<Waker> {
        self.ended.remove(&waiter);
        self.waiters.remove(&waiter)
    }

    /// Moves the time to the end of the earliest wait, if it is before `limit`. Ends only that
    /// wait.
    fn end_earliest(&mut self, limit: Duration) -> Option<(Due, Waker)> {
        let due = *self.waiters.first_key_value()?.0;
        let (due, waker) = if due.0 < limit { self.waiters.pop_first()? } else { return None };
        self.advance(due.0.saturating_sub(self.monotonic));
        self.ended.insert(due);
        Some((due, waker))
    }
}

impl ManualClock {
    /// Returns a clock with this wall time. Its monotonic time starts at zero.
    #[must_use]
    pub fn new(wall: SystemTime) -> Self {
        let times = Times {
            wall,
            monotonic: Duration::ZERO,
            auto_advance: true,
            is_driven: false,
            sleeps: Vec::new(),
            waiters: BTreeMap::new(),
            ended: BTreeSet::new(),
            next: 0,
        };
        Self { times: Arc::new(Mutex::new(times)) }
    }

    /// Returns a clock with this wall time, in the format of RFC 3339.
    ///
    /// Its monotonic time starts at zero.
    ///
    /// ```
    /// use es_snapshot::clock::Clock;
    /// use es_snapshot::testing::ManualClock;
    ///
    /// let clock = ManualClock::at("2026-05-01T00:00:00Z");
    /// assert_eq!(clock.wall(), ManualClock::at("2026-05-01T02:00:00+02:00").wall());
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the text is not a time in this format.
    #[must_use]
    pub fn at(time: &str) -> Self {
        match time.parse::<jiff::Timestamp>() {
            Ok(time) => Self::new(time.into()),
            Err(error) => panic!("invalid time `{time}`, expected one such as `2026-05-01T00:00:00Z`: {error}"),
        }
    }

    /// Runs a future to its end on this thread, without a runtime.
    ///
    /// The future is polled until it cannot make progress. Then the time moves to the end of the
    /// earliest wait on this clock, and that wait ends. If several waits end at the same time, the
    /// one that began first ends first.
    ///
    /// All concurrency must be inside the future, for example with `join!` or `FuturesUnordered`.
    /// Sockets, `tokio::spawn` and everything else that needs a runtime do not work here.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use es_snapshot::clock::Clock;
    /// use es_snapshot::testing::ManualClock;
    ///
    /// let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    /// let second = Duration::from_secs(1);
    /// let sleeps = futures_util::future::join(clock.sleep(second * 5), clock.sleep(second * 3));
    /// clock.block_on(sleeps);
    /// assert_eq!(clock.monotonic(), second * 5);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the future can never end: it cannot make progress, and it does not wait on this
    /// clock. Also panics if another `block_on` already drives the clock.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _driving = Driving::begin(self);
        let mut future = pin!(future);
        let awake = Arc::new(Awake(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&awake));
        let mut context = Context::from_waker(&waker);
        loop {
            while awake.0.swap(false, Ordering::SeqCst) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                    return output;
                }
            }
            // A separate statement, so that the lock is released before the waker runs.
            let earliest = self.lock().end_earliest(Duration::MAX);
            match earliest {
                Some((_, waker)) => waker.wake(),
                None => panic!("deadlock: the future cannot make progress and does not wait on this clock"),
            }
        }
    }

    /// Moves both times forward, and ends the waits that are due by then.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use es_snapshot::clock::Clock as _;
    /// use es_snapshot::testing::ManualClock;
    ///
    /// let clock = ManualClock::at("2026-05-01T00:00:00Z");
    /// clock.advance(Duration::from_secs(3600));
    /// assert_eq!(clock.wall(), ManualClock::at("2026-05-01T01:00:00Z").wall());
    /// assert_eq!(clock.monotonic(), Duration::from_secs(3600));
    /// ```
    pub fn advance(&self, by: Duration) {
        self.advance_and_count(by);
    }

    /// Moves both times forward, and returns the number of waits that this ends.
    pub(super) fn advance_and_count(&self, by: Duration) -> usize {
        let mut times = self.lock();
        times.advance(by);
        let now = times.monotonic;
        let (ended, wakers): (Vec<Due>, Vec<Waker>) = times.waiters.extract_if(.., |(due, _), _| *due <= now).unzip();
        times.ended.extend(ended);
        // A waker may run the code that it wakes, and that code may read this clock.
        drop(times);
        let count = wakers.len();
        for waker in wakers {
            waker.wake();
        }
        count
    }

    /// Sets the wall time, and leaves the monotonic time as it is.
    pub fn set_wall(&self, wall: SystemTime) {
        self.lock().wall = wall;
    }

    /// Moves the wall time by this number of seconds, as if a time server had corrected it.
    ///
    /// A negative number moves it back. The monotonic time does not change.
    pub fn step_wall(&self, seconds: i64) {
        let mut times = self.lock();
        let step = Duration::from_secs(seconds.unsigned_abs());
        let stepped = if seconds < 0 { times.wall.checked_sub(step) } else { times.wall.checked_add(step) };
        times.wall = stepped.unwrap_or(times.wall);
    }

    /// Sets whether a sleep moves the clock by itself.
    ///
    /// This has no effect within [`block_on`](Self::block_on). Default: true.
    pub fn set_auto_advance(&self, auto_advance: bool) {
        self.lock().auto_advance = auto_advance;
    }

    /// Returns the durations of all sleeps so far, in the order in which they began.
    ///
    /// With the clock of a client, these are its pauses between attempts and polls. Time limits are
    /// not included.
    #[must_use]
    pub fn sleeps(&self) -> Vec<Duration> {
        self.lock().sleeps.clone()
    }

    /// Waits for this time on behalf of a domain that holds a response back. Other waits that end
    /// earlier end first.
    pub(super) async fn hold(&self, duration: Duration) {
        let due = self.monotonic().saturating_add(duration);
        // The client may start its time limit only after it has polled this future once.
        tokio::task::yield_now().await;
        while let Some(earliest) = self.auto_advance_towards(due) {
            // The task of that wait may be the one that polls this future, so it needs turns to
            // notice. The limit is for a wait that nobody polls.
            for _ in 0..TURNS {
                if !self.lock().ended.contains(&earliest) {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        self.until(due).await;
    }

    /// Ends the earliest wait before `target`, or moves the time to `target` if there is none. Does
    /// nothing unless sleeps move the clock.
    fn auto_advance_towards(&self, target: Duration) -> Option<Due> {
        let mut times = self.lock();
        if times.is_driven || !times.auto_advance {
            return None;
        }
        let earliest = times.end_earliest(target);
        if earliest.is_none() {
            let left = target.saturating_sub(times.monotonic);
            drop(times);
            self.advance(left);
            return None;
        }
        drop(times);
        earliest.map(|(due, waker)| {
            waker.wake();
            due
        })
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until(&self, due: Duration) -> Until {
        Until { due, clock: self.clone(), waiter: None }
    }
}

/// How often [`ManualClock::hold`] yields to a task whose wait has ended.
const TURNS: usize = 1000;

/// Whether the future of [`ManualClock::block_on`] was woken.
struct Awake(AtomicBool);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A guard: while it exists, [`ManualClock::block_on`] moves the time.
struct Driving<'a>(&'a ManualClock);

impl<'a> Driving<'a> {
    fn begin(clock: &'a ManualClock) -> Self {
        let was_driven = std::mem::replace(&mut clock.lock().is_driven, true);
        assert!(!was_driven, "this clock is already driven by another `block_on`");
        Self(clock)
    }
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        self.0.lock().is_driven = false;
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = self.lock();
        f.debug_struct("ManualClock")
            .field("wall", &times.wall)
            .field("monotonic", &times.monotonic)
            .finish_non_exhaustive()
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
            let (due, auto_advance) = {
                let mut times = clock.lock();
                times.sleeps.push(duration);
                (times.monotonic.saturating_add(duration), times.auto_advance && !times.is_driven)
            };
            if auto_advance {
                clock.advance(duration);
                // Other tasks get a turn, as they would during a real sleep.
                tokio::task::yield_now().await;
            } else if duration.is_zero() {
                tokio::task::yield_now().await;
            } else {
                clock.until(due).await;
            }
        })
    }

    fn timeout(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(self.until(self.monotonic().saturating_add(duration)))
    }
}

/// A future that ends when the monotonic time reaches `due`.
struct Until {
    clock: ManualClock,
    due: Duration,
    waiter: Option<Due>,
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        // The lock is not held while a waker is cloned or dropped, because both may run foreign
        // code.
        let waker = context.waker().clone();
        let mut times = clock.lock();
        if times.monotonic >= self.due {
            let before = self.waiter.take().and_then(|waiter| times.forget(waiter));
            drop(times);
            drop(before);
            return Poll::Ready(());
        }
        let due = self.due;
        let waiter = *self.waiter.get_or_insert_with(|| {
            times.next += 1;
            (due, times.next)
        });
        let before = times.waiters.insert(waiter, waker);
        drop(times);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            // The lock is released before the waker is dropped.
            let waker = self.clock.lock().forget(waiter);
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::future::{Either, join, join3, select};

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
    fn sleep_moves_the_clock_and_yields_once() {
        let (clock, count) = (ManualClock::new(SystemTime::UNIX_EPOCH), Arc::new(Count::default()));
        let mut sleep = clock.sleep(second(30));
        assert_eq!(clock.monotonic(), Duration::ZERO, "a sleep that was not polled takes no time");

        assert!(!poll(&mut sleep, &count));
        assert_eq!((clock.monotonic(), clock.wall()), (second(30), SystemTime::UNIX_EPOCH + second(30)));
        assert!(poll(&mut sleep, &count));
        assert_eq!(clock.sleeps(), [second(30)]);
    }

    #[test]
    fn timeout_ends_with_the_sleep_of_another_task_and_wakes_its_task_once() {
        let (clock, waiting, other) =
            (ManualClock::new(SystemTime::UNIX_EPOCH), Arc::new(Count::default()), Arc::default());
        let mut timeout = clock.timeout(second(10));
        assert!(!poll(&mut timeout, &waiting));

        assert!(!poll(&mut clock.sleep(second(9)), &other));
        assert_eq!(waiting.0.load(Ordering::SeqCst), 0);
        assert!(!poll(&mut timeout, &waiting));

        assert!(!poll(&mut clock.sleep(second(1)), &other));
        assert_eq!(waiting.0.load(Ordering::SeqCst), 1);
        assert!(poll(&mut timeout, &waiting));
        assert_eq!(clock.sleeps(), [second(9), second(1)], "a time-out does not count as a sleep");
    }

    #[test]
    fn sleep_waits_for_advance_without_auto_advance() {
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
    fn stepping_the_wall_time_does_not_end_a_wait() {
        let (clock, count) = (ManualClock::new(SystemTime::UNIX_EPOCH + second(100)), Arc::new(Count::default()));
        let mut timeout = clock.timeout(second(1));
        clock.step_wall(3600);
        assert!(!poll(&mut timeout, &count));
        clock.step_wall(-3700);
        assert_eq!((clock.wall(), clock.monotonic()), (SystemTime::UNIX_EPOCH, Duration::ZERO));
    }

    /// A waker that locks the clock when it is dropped.
    struct LocksOnDrop(ManualClock);

    impl Wake for LocksOnDrop {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for LocksOnDrop {
        fn drop(&mut self) {
            let free = self.0.times.try_lock().is_ok();
            assert!(free || std::thread::panicking(), "the clock is locked while a waker is dropped");
        }
    }

    #[test]
    fn is_not_locked_while_a_waker_is_dropped() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let mut timeouts = [clock.timeout(second(1)), clock.timeout(second(1))];
        for timeout in &mut timeouts {
            for _ in 0..2 {
                let waker = Waker::from(Arc::new(LocksOnDrop(clock.clone())));
                assert!(timeout.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
        }
        let [mut ended, dropped] = timeouts;

        drop(dropped);
        clock.advance(second(1));

        assert!(ended.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }

    #[test]
    fn forgets_a_wait_that_is_dropped() {
        let (clock, count) = (ManualClock::new(SystemTime::UNIX_EPOCH), Arc::new(Count::default()));
        let mut timeout = clock.timeout(second(1));
        assert!(!poll(&mut timeout, &count));
        drop(timeout);
        assert_eq!(clock.advance_and_count(second(2)), 0);
    }

    #[test]
    fn block_on_overlaps_parallel_sleeps_and_ends_them_in_order() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let ended = Mutex::new(Vec::new());
        let nap = async |name, seconds| {
            clock.sleep(second(seconds)).await;
            ended.lock().unwrap().push((name, clock.monotonic()));
        };

        clock.block_on(join3(nap("long", 5), nap("short", 2), nap("also short", 2)));

        assert_eq!(*ended.lock().unwrap(), [("short", second(2)), ("also short", second(2)), ("long", second(5))]);
        assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH + second(5));
    }

    #[test]
    fn block_on_fires_a_time_limit_before_a_longer_parallel_sleep() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let first = clock.block_on(select(clock.sleep(second(80)), clock.timeout(second(75))));
        assert!(matches!(first, Either::Right(_)));
        assert_eq!(clock.monotonic(), second(75));
    }

    #[test]
    #[should_panic(expected = "deadlock")]
    fn block_on_panics_if_the_future_can_never_end() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        clock.block_on(join(clock.sleep(second(1)), std::future::pending::<()>()));
    }

    #[test]
    #[should_panic(expected = "driven by another")]
    fn block_on_panics_if_another_one_drives_the_clock() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        clock.block_on(async { clock.block_on(async {}) });
    }

    #[test]
    fn zero_sleep_lets_other_futures_make_progress() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let turns = Mutex::new(Vec::new());
        let walk = async |name| {
            for _ in 0..2 {
                turns.lock().unwrap().push(name);
                clock.sleep(Duration::ZERO).await;
            }
        };
        clock.block_on(join(walk("a"), walk("b")));
        assert_eq!(*turns.lock().unwrap(), ["a", "b", "a", "b"]);
    }

    #[tokio::test]
    async fn hold_lets_earlier_time_limits_fire_first() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let mut held = pin!(clock.hold(second(80)));
        let first = select(held.as_mut(), clock.timeout(second(75))).await;
        assert!(matches!(first, Either::Right(_)));
        assert_eq!(clock.monotonic(), second(75));

        clock.hold(second(80)).await;
        assert_eq!(clock.monotonic(), second(155));
    }
}
