//! What a caller may set for calls: plain data.

use std::time::Duration;

/// The time limits of calls.
/// [`SnapshotClient::with_timeouts`](crate::SnapshotClient::with_timeouts) returns a client with
/// other limits.
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
    /// Returns the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the limit of one attempt, from connecting to the last byte of the response. The default
    /// is longer than the minute after which a load balancer responds with 504, so that its
    /// response is seen. A stream has it for the first snapshot of a response, and for each that
    /// follows. Default: 75 s.
    #[must_use]
    pub fn with_attempt(mut self, limit: Duration) -> Self {
        self.attempt = limit;
        self
    }

    /// Sets the longest gap between two pieces of a response's body. Default: 30 s.
    #[must_use]
    pub fn with_read(mut self, limit: Duration) -> Self {
        self.read = limit;
        self
    }

    /// Sets the limit of a whole call with all its attempts, credentials included. A create, clone,
    /// restore or delete whose response was lost has at least 60 s to check the domain, from the
    /// first check on, whatever this limit is. The reads that come before it have a limit of their
    /// own. Default: 300 s.
    #[must_use]
    pub fn with_call(mut self, limit: Duration) -> Self {
        self.call = limit;
        self
    }

    /// Returns the limit of one attempt.
    #[must_use]
    pub fn attempt(&self) -> Duration {
        self.attempt
    }

    /// Returns the longest gap between two pieces of a response's body.
    #[must_use]
    pub fn read(&self) -> Duration {
        self.read
    }

    /// Returns the limit of a whole call.
    #[must_use]
    pub fn call(&self) -> Duration {
        self.call
    }
}

/// How often and how patiently a call is repeated where repeating is safe.
///
/// What is safe depends on the operation, not on the HTTP verb, and cannot be set:
///
/// | failure | reads | register, unregister, verify, clean up | create, clone, delete, restore, raw writes |
/// | --- | --- | --- | --- |
/// | no connection, nothing was sent | again | again | again |
/// | the domain's name does not resolve | again, twice | again, twice | again, twice |
/// | TLS that cannot work until a setting changes | no | no | no |
/// | the signature's time was refused, and the domain's `Date` showed a new offset | again, once | again, once | again, once |
/// | the token is expired or not known | again, once, with new credentials | again, once, with new credentials | again, once, with new credentials |
/// | throttled before the engine (403, 429 of the edge or a gateway) | again | again | again |
/// | throttled by the engine (429), or its state is not recovered yet (503) | again | again | no |
/// | connection lost, time-out, a gateway that gave up (408, 425, 499, 502, 503, 504 and their like), no elected master | again | again | check |
/// | a response that is not JSON | again | again | check |
/// | a failure whose response broke off before it contained a type | again | again | check |
/// | a failure within the engine (500) that may have come halfway | no | no | check |
/// | another operation is running | no | no | no |
/// | anything else | no | no | no |
///
/// "Again" is bounded by this policy, by the call's time limit, and by a
/// [`RetryBudget`](crate::client::RetryBudget) that all calls of a client and its clones share. So
/// a domain that is down meets no storm of retries.
///
/// "Check": the client checks the domain, and sends the request again only where nothing came of
/// it; see [`create_snapshot`](crate::Repository::create_snapshot),
/// [`delete`](crate::Snapshot::delete) and
/// [`restore`](crate::Snapshot::restore). At most three such requests may
/// be unaccounted for, whatever this policy is. A raw write is not checked: it ends with
/// [`Outcome::Unknown`](crate::Outcome::Unknown).
///
/// ```
/// use std::time::Duration;
/// use es_snapshot::RetryPolicy;
///
/// let brisk = RetryPolicy::new().with_max_attempts(3).with_min_pause(Duration::from_millis(100));
/// ```
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
    /// Returns the default policy.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a policy that disables retries. A lost response is still investigated, and a create,
    /// clone, restore or delete that had no effect may be sent again.
    #[must_use]
    pub fn never() -> Self {
        Self::default().with_max_attempts(1)
    }

    /// Sets how often a request is sent at most. The call's time limit applies as well. Polls of
    /// waits, and checks after a lost response, use at most 3 attempts, because another one
    /// follows. Default: 10.
    #[must_use]
    pub fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The policy of a request that others like it follow.
    pub(crate) fn for_polling(self) -> Self {
        Self { attempts: self.attempts.min(3), ..self }
    }

    /// Sets the shortest pause between two attempts. Default: 200 ms.
    #[must_use]
    pub fn with_min_pause(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// Sets the longest pause between two attempts, also where the domain requests a longer one by
    /// `Retry-After`. Default: 20 s.
    #[must_use]
    pub fn with_max_pause(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// Returns how often a request is sent at most.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns the shortest pause between two attempts.
    #[must_use]
    pub fn min_pause(&self) -> Duration {
        self.base
    }

    /// Returns the longest pause between two attempts.
    #[must_use]
    pub fn max_pause(&self) -> Duration {
        self.cap
    }

    /// Decorrelated jitter: between the base and three times the pause before, up to the cap.
    pub(crate) fn pause(&self, before: Duration, random: f64) -> Duration {
        let ceiling = before.saturating_mul(3).clamp(self.base, self.cap.max(self.base));
        (self.base + ceiling.saturating_sub(self.base).mul_f64(random)).min(self.cap)
    }
}
