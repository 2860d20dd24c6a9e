//! Time that a test drives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};

use crate::clock::{BoxFuture, Clock};

/// A [`Clock`] that stands still until a test, or a sleep, moves it. Clones share one time.
///
/// There are three ways to let time pass:
///
/// * [`block_on`](Self::block_on) runs a future to its end. Whenever nothing in it can go on, time
///   moves to the end of the earliest sleep or time limit. Parallel sleeps overlap, time limits
///   fire in order, and every run is the same. Use it with a domain that is [in
///   process](super::FakeDomainBuilder::in_process).
/// * By default, and under a runtime, a [`sleep`](Clock::sleep) moves both times on by its duration
///   and yields once, so that back-off and polls cost no real time. Several tasks that sleep at the
///   same time each move the clock: their sleeps add up. A [`timeout`](Clock::timeout) never moves
///   the clock. It ends when another sleep or `advance` reaches its end, so a time limit on a
///   response over a real socket does not fire by itself.
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
/// clock.step_wall(-60); // as a time server would
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
    /// [`ManualClock::block_on`] moves the time.
    is_driven: bool,
    sleeps: Vec<Duration>,
    waiters: BTreeMap<Due, Waker>,
    /// Waits that have ended and that nobody has polled since.
    ended: BTreeSet<Due>,
    next: u64,
}

impl Times {
    fn advance(&mut self, by: Duration) {
        self.wall = self.wall.checked_add(by).unwrap_or(self.wall);
        self.monotonic = self.monotonic.saturating_add(by);
    }

    /// Forgets a wait; its waker is the caller's to drop once nothing is locked.
    fn forget(&mut self, waiter: Due) -> Option<Waker> {
        self.ended.remove(&waiter);
        self.waiters.remove(&waiter)
    }

    /// Moves the time to the earliest wait that ends before `limit`, and ends that one alone.
    fn end_earliest(&mut self, limit: Duration) -> Option<(Due, Waker)> {
        let due = *self.waiters.first_key_value()?.0;
        let (due, waker) = if due.0 < limit { self.waiters.pop_first()? } else { return None };
        self.advance(due.0.saturating_sub(self.monotonic));
        self.ended.insert(due);
        Some((due, waker))
    }
}

impl ManualClock {
    /// Creates a clock that shows this wall time; its monotonic time starts at zero.
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

    /// Creates a clock that shows this time, in the form of RFC 3339; its monotonic time starts at
    /// zero.
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
    /// When the text is not such a time.
    #[must_use]
    pub fn at(time: &str) -> Self {
        match time.parse::<jiff::Timestamp>() {
            Ok(time) => Self::new(time.into()),
            Err(error) => panic!("{time:?} is not a time such as 2026-05-01T00:00:00Z: {error}"),
        }
    }

    /// Runs a future to its end on this thread, without a runtime.
    ///
    /// The future is polled until nothing in it can go on. Then time moves to the end of the
    /// earliest wait on this clock, and that wait ends; of waits that end at the same time, the
    /// one that began first. All concurrency is inside the future, for example by `join!` or
    /// `FuturesUnordered`. Whatever needs a runtime, such as sockets or `tokio::spawn`, does not
    /// work here.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use es_snapshot::clock::Clock;
    /// use es_snapshot::testing::ManualClock;
    ///
    /// let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    /// let second = Duration::from_secs(1);
    /// clock.block_on(futures_util::future::join(clock.sleep(second * 5), clock.sleep(second * 3)));
    /// assert_eq!(clock.monotonic(), second * 5);
    /// ```
    ///
    /// # Panics
    ///
    /// When the future can never end, because nothing in it can go on and nothing waits on this
    /// clock, and when the clock is driven by another `block_on` already.
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
            // Apart, so that the lock is free when the wait's owner is woken.
            let earliest = self.lock().end_earliest(Duration::MAX);
            match earliest {
                Some((_, waker)) => waker.wake(),
                None => panic!("deadlock: the future cannot go on, and nothing in it waits on this clock"),
            }
        }
    }

    /// Moves both times on and ends the waits that this reaches.
    pub fn advance(&self, by: Duration) {
        self.advance_and_count(by);
    }

    /// As [`advance`](Self::advance); returns how many waits ended.
    pub(super) fn advance_and_count(&self, by: Duration) -> usize {
        let mut times = self.lock();
        times.advance(by);
        let now = times.monotonic;
        let (ended, wakers): (Vec<Due>, Vec<Waker>) = times.waiters.extract_if(.., |(due, _), _| *due <= now).unzip();
        times.ended.extend(ended);
        // A waker may run what it wakes, and that may ask for the time.
        drop(times);
        let count = wakers.len();
        for waker in wakers {
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

    /// Sets whether a sleep moves the clock by itself. It makes no difference within
    /// [`block_on`](Self::block_on). Default: true.
    pub fn set_auto_advance(&self, auto_advance: bool) {
        self.lock().auto_advance = auto_advance;
    }

    /// Returns the durations of all sleeps so far, in the order in which they began.
    #[must_use]
    pub fn sleeps(&self) -> Vec<Duration> {
        self.lock().sleeps.clone()
    }

    /// Lets a server on this clock hold a response back. Time limits of others that end before it
    /// fire before it.
    pub(super) async fn hold(&self, duration: Duration) {
        let due = self.monotonic().saturating_add(duration);
        // Time limits around this call begin when they are first polled, which may be after this.
        tokio::task::yield_now().await;
        while let Some(earliest) = self.auto_advance_towards(due) {
            // Whoever waits there may be in the task that polls this: it needs turns to notice. One that never
            // polls its wait holds nobody up for long.
            for _ in 0..TURNS {
                if !self.lock().ended.contains(&earliest) {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        self.until(due).await;
    }

    /// Where sleeps move the clock: ends the earliest wait that is due before this time, or else
    /// moves on to it.
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

/// How many turns a held response leaves to those whose time limit has ended before it.
const TURNS: usize = 1000;

/// Whether the future of [`ManualClock::block_on`] can go on.
struct Awake(AtomicBool);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// While this lives, [`ManualClock::block_on`] moves the time.
struct Driving<'a>(&'a ManualClock);

impl<'a> Driving<'a> {
    fn begin(clock: &'a ManualClock) -> Self {
        let was_driven = std::mem::replace(&mut clock.lock().is_driven, true);
        assert!(!was_driven, "this clock is driven by another `block_on` already");
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
                // Others get a turn, as they would during a real sleep.
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

/// Ends when the monotonic time has come to `due`.
struct Until {
    clock: ManualClock,
    due: Duration,
    waiter: Option<Due>,
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        // Wakers are cloned before the lock is taken, and dropped after it is free: both may run foreign
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
            // The lock is free again when the waker is dropped.
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

    /// A waker that asks for the time when it is dropped.
    struct Curious(ManualClock);

    impl Wake for Curious {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Curious {
        fn drop(&mut self) {
            let free = self.0.times.try_lock().is_ok();
            assert!(free || std::thread::panicking(), "the clock is locked while a waker is dropped");
        }
    }

    #[test]
    fn the_clock_can_be_asked_while_a_waker_is_dropped() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let mut timeouts = [clock.timeout(second(1)), clock.timeout(second(1))];
        for timeout in &mut timeouts {
            for _ in 0..2 {
                let waker = Waker::from(Arc::new(Curious(clock.clone())));
                assert!(timeout.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
        }
        let [mut ended, dropped] = timeouts;

        drop(dropped);
        clock.advance(second(1));

        assert!(ended.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }

    #[test]
    fn a_dropped_wait_leaves_nothing_behind() {
        let (clock, count) = (ManualClock::new(SystemTime::UNIX_EPOCH), Arc::new(Count::default()));
        let mut timeout = clock.timeout(second(1));
        assert!(!poll(&mut timeout, &count));
        drop(timeout);
        assert_eq!(clock.advance_and_count(second(2)), 0);
    }

    #[test]
    fn parallel_sleeps_overlap_and_end_in_the_order_of_their_ends() {
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
    fn a_time_limit_fires_before_a_longer_sleep_beside_it() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let first = clock.block_on(select(clock.sleep(second(80)), clock.timeout(second(75))));
        assert!(matches!(first, Either::Right(_)));
        assert_eq!(clock.monotonic(), second(75));
    }

    #[test]
    #[should_panic(expected = "deadlock")]
    fn a_future_that_can_never_end_is_reported() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        clock.block_on(join(clock.sleep(second(1)), std::future::pending::<()>()));
    }

    #[test]
    #[should_panic(expected = "driven by another")]
    fn a_clock_is_driven_by_one_only() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        clock.block_on(async { clock.block_on(async {}) });
    }

    #[test]
    fn a_sleep_of_nothing_lets_others_go_on() {
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
    async fn a_held_response_comes_after_the_time_limits_that_end_before_it() {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let mut held = pin!(clock.hold(second(80)));
        let first = select(held.as_mut(), clock.timeout(second(75))).await;
        assert!(matches!(first, Either::Right(_)));
        assert_eq!(clock.monotonic(), second(75));

        clock.hold(second(80)).await;
        assert_eq!(clock.monotonic(), second(155));
    }
}
