//! What a caller may set for calls: plain data.

use std::time::Duration;

/// The time limits of calls. Each has its default; a client of other limits is made by
/// [`SnapshotClient::with_timeouts`](crate::SnapshotClient::with_timeouts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub(crate) attempt: Duration,
    pub(crate) read: Duration,
    pub(crate) call: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { attempt: Duration::from_secs(75), read: Duration::from_secs(30), call: Duration::from_secs(300) }
    }
}

impl Timeouts {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One attempt, from connecting to the last byte of the answer. Default 75 s: longer than the minute after which a
    /// load balancer answers 504, so that its answer is seen.
    #[must_use]
    pub fn attempt(mut self, limit: Duration) -> Self {
        self.attempt = limit;
        self
    }

    /// The gap between two pieces of an answer's body. Default 30 s.
    #[must_use]
    pub fn read(mut self, limit: Duration) -> Self {
        self.read = limit;
        self
    }

    /// A whole call with all its attempts, the credential provider among them. Default 300 s. A create, clone, restore or delete whose answer was lost has at
    /// least 60 s from then on to ask the domain in, whatever this limit; the reads that come before it have it for themselves.
    #[must_use]
    pub fn call(mut self, limit: Duration) -> Self {
        self.call = limit;
        self
    }
}

/// How often and how patiently a call is repeated where repeating is safe.
///
/// What is safe goes by operation, not by HTTP verb, and is not to be set:
///
/// | failure | reads | register, unregister, verify, clean up | create, clone, delete, restore, raw writes |
/// | --- | --- | --- | --- |
/// | no connection, nothing was sent | again | again | again |
/// | the domain's name does not resolve | again, twice | again, twice | again, twice |
/// | TLS that cannot work until a setting changes | no | no | no |
/// | signature's time refused, and the domain's `Date` told a new offset | again, once | again, once | again, once |
/// | token expired or not known, refused by the edge | again, once, with new credentials | same | same |
/// | throttled before the engine (403, 429 of the edge or a gateway) | again | again | again |
/// | throttled by the engine (429), or its state not recovered yet (503) | again | again | not again |
/// | connection lost, time-out, 408, 502, 503, 504 and their like, no elected master | again | again | the domain is asked |
/// | an answer that is no JSON | again | again | the domain is asked |
/// | a failure within the engine (500) that may have come halfway | no | no | the domain is asked |
/// | another operation in the way | no | no | no |
/// | anything else | no | no | no |
///
/// "Again" is bounded by this policy, by the call's time limit, and by a [`RetryBudget`](crate::RetryBudget) that all calls
/// of a client and its clones share, so that they do not storm a domain that is down.
///
/// Where the domain is asked, it goes on as [`create_snapshot`](crate::SnapshotClient::create_snapshot),
/// [`delete_snapshot`](crate::SnapshotClient::delete_snapshot) and
/// [`restore_snapshot`](crate::SnapshotClient::restore_snapshot) say; a raw write ends with
/// [`Outcome::Unknown`](crate::Outcome::Unknown).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    pub(crate) attempts: u32,
    pub(crate) base: Duration,
    pub(crate) cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 10, base: Duration::from_millis(200), cap: Duration::from_secs(20) }
    }
}

impl RetryPolicy {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends every request once. What was lost is looked into all the same, and a create, clone, restore or delete of which
    /// nothing came is sent again then.
    #[must_use]
    pub fn never() -> Self {
        Self::default().attempts(1)
    }

    /// How often a request is sent at most. Default 10; the call's time limit holds as well. The polls of waits, and the looks
    /// after a lost answer, are sent 3 times at most, since another follows.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The policy of a request that others like it follow.
    pub(crate) fn for_polling(self) -> Self {
        Self { attempts: self.attempts.min(3), ..self }
    }

    /// The shortest pause between two attempts. Default 200 ms.
    #[must_use]
    pub fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// The longest pause, also where the domain asks for a longer one by `Retry-After`. Default 20 s.
    #[must_use]
    pub fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// Decorrelated jitter: between the base and three times the pause before, up to the cap.
    pub(crate) fn pause(&self, before: Duration, random: f64) -> Duration {
        let ceiling = before.saturating_mul(3).clamp(self.base, self.cap.max(self.base));
        (self.base + ceiling.saturating_sub(self.base).mul_f64(random)).min(self.cap)
    }
}
