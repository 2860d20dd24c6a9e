//! Options of calls: time limits and retries.

use std::time::Duration;

/// The time limits of calls.
///
/// | limit | applies to | default |
/// | --- | --- | --- |
/// | [`call`](Self::with_call) | a call with all its attempts | 300 s |
/// | [`attempt`](Self::with_attempt) | one attempt, until the response is complete | 75 s |
/// | [`read`](Self::with_read) | the wait for the next piece of a response's body | 30 s |
///
/// An attempt that exceeds a limit fails with [`ErrorKind::Timeout`](crate::ErrorKind::Timeout), or
/// with [`ErrorKind::Connect`](crate::ErrorKind::Connect) if it had no connection yet. The
/// [`RetryPolicy`] determines whether another attempt follows.
///
/// ```
/// use std::time::Duration;
///
/// use es_snapshot::{SnapshotClient, Timeouts};
///
/// # fn main() -> Result<(), es_snapshot::Error> {
/// let timeouts = Timeouts::new().with_call(Duration::from_secs(600));
/// let client = SnapshotClient::builder("http://localhost:9200").timeouts(timeouts).build()?;
///
/// // One client can have variants with other limits.
/// let hasty = client.with_timeouts(timeouts.with_call(Duration::from_secs(10)));
/// # Ok(())
/// # }
/// ```
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

    /// Sets the limit of one attempt, from connecting to the last byte of the response.
    ///
    /// A load balancer typically gives up after a minute and responds with 504. The default is
    /// longer, so that the client receives this response.
    ///
    /// A stream of snapshots has no limit for the whole response. Instead, each snapshot of the
    /// stream must arrive within this time after the one before it. Default: 75 s.
    #[must_use]
    pub fn with_attempt(mut self, limit: Duration) -> Self {
        self.attempt = limit;
        self
    }

    /// Sets how long the client waits for the next piece of a response's body. Default: 30 s.
    #[must_use]
    pub fn with_read(mut self, limit: Duration) -> Self {
        self.read = limit;
        self
    }

    /// Sets the limit of a whole call.
    ///
    /// It includes the attempts, the pauses between them, and the requests for credentials. The
    /// [queue time](crate::SnapshotClient::with_queue_time) is not included.
    ///
    /// Some calls can take longer:
    ///
    /// * After a lost response, a create, clone, restore or delete has at least 60 s for its
    ///   checks, counted from the first check.
    /// * A read before such a change is a call of its own with this limit. For example, a delete
    ///   first reads the uuid of the snapshot.
    /// * If a [list](crate::Repository::list) needs several requests, each of them has this limit.
    ///
    /// Default: 300 s.
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

    /// Returns how long the client waits for the next piece of a response's body.
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

/// How often the client retries a failed request, and how long it pauses before each retry.
///
/// # Which requests are retried
///
/// This depends on the failure and on the operation. The policy sets only how often the client
/// retries, and after which pauses.
///
/// The server is Elasticsearch or OpenSearch itself. A gateway is a proxy or a load balancer in
/// front of it. Numbers are HTTP statuses.
///
/// | failure | reads; register, unregister, verify, clean up | create, clone, restore, delete |
/// | --- | --- | --- |
/// | no connection, so nothing was sent | retry | retry |
/// | the host name of the endpoint does not resolve | retry twice | retry twice |
/// | TLS that cannot work until a setting changes | no retry | no retry |
/// | the time of the signature was refused, and the header `Date` of the response showed how far the clocks differ | retry once | retry once |
/// | the session token is expired or unknown | retry once, with new credentials | retry once, with new credentials |
/// | Amazon or a gateway limits the rate of requests: 403 or 429 | retry | retry |
/// | the server is overloaded or limits the rate of requests: 429 | retry | no retry |
/// | the cluster has not recovered its state after its start: 503 | retry | no retry |
/// | the connection broke, or the response did not arrive in time | retry | check |
/// | a gateway gave up: 408, 425, 499, 502, 503, 504 and similar | retry | check |
/// | the cluster has no elected master, its security plugin is not ready, or the server reports a time-out of its own | retry | check |
/// | the response is not JSON, or is only the beginning of it | retry | check |
/// | the response is JSON of an unexpected form, or is too large | no retry | check |
/// | an error response (5xx) broke off before it named the failure | retry | check |
/// | an error response (4xx) broke off before it named the failure | retry | a create with a token: check, because the failure may be that the name is taken; others: no retry |
/// | the server failed (500) and may have done a part of the work | no retry | check |
/// | the name of the snapshot is taken | no retry | a create with a token: check; others: no retry |
/// | another operation is running, see [`with_queue_time`](crate::SnapshotClient::with_queue_time) | no retry | no retry |
/// | any other failure | no retry | no retry |
///
/// **Retry**: the client sends the request again after a pause. It stops when one of these is used
/// up: the attempts of this policy, the time limit of the call, or the
/// [`RetryBudget`](crate::client::RetryBudget).
///
/// **Check**: the client checks whether the request took effect, and sends it again only if it did
/// not. The [next section](#after-a-lost-response) has the rules.
///
/// For a [raw](crate::SnapshotClient::raw) GET or HEAD, the column of reads applies. For other raw
/// requests, the last column applies, except that the client cannot check them: they fail with
/// [`Outcome::Unknown`](crate::Outcome::Unknown) instead. Some endpoints return text, so the client
/// does not retry a raw request only because its response is not JSON.
///
/// # After a lost response
///
/// These rules apply to a create, clone, restore or delete after each failure for which the table
/// says "check": after a lost response, and after a failure that the server reported (HTTP 500).
/// [`create_snapshot`](crate::Repository::create_snapshot),
/// [`clone_to`](crate::Snapshot::clone_to), [`delete`](crate::Snapshot::delete) and
/// [`restore`](crate::Snapshot::restore) describe what is checked.
///
/// * **Success.** If a check finds that the request took effect, the call succeeds.
/// * **Sending again.** The client sends the request again once three checks in a row, over at
///   least 10 s, have found no effect. There is one exception: if the connection broke, a create
///   with a token needs only one check before the second sending.
/// * **Number of requests.** The client sends the request at most three times. Requests that did
///   not reach the server do not count, and neither do requests that the server refused.
///   [`with_max_attempts`](Self::with_max_attempts) does not limit this number. It limits what the
///   table calls "retry".
/// * **The same failure twice.** The server can report a failure (HTTP 500) for the first request,
///   and the same failure again for the second one. If the checks find no effect, the call then
///   fails with [`Outcome::Rejected`](crate::Outcome::Rejected). The client sends no third request.
/// * **Restores that are sent only once.** [`restore`](crate::Snapshot::restore) lists them. Such a
///   restore fails with `Rejected` if the server reported the failure (HTTP 500), and three checks
///   find that the restore had no effect.
/// * **Name taken.** If a check finds another client's snapshot under the name, the call fails with
///   [`ErrorKind::SnapshotNameTaken`](crate::ErrorKind::SnapshotNameTaken). The request is not sent
///   again.
/// * **End.** In all other cases, the client checks until the time limit of the call, and for at
///   least 60 s from the first check. The call then fails with
///   [`Outcome::Unknown`](crate::Outcome::Unknown). It fails earlier if the server refuses five
///   checks in a row. A restore also fails earlier if five checks in a row find that its indices
///   have changed, but do not show what has changed them.
///
/// If the client sends a request a second time, the server can refuse it because of the first one.
/// For example, the first one has taken the name of the snapshot. So after a refusal of a second or
/// third request, the client checks even where the table says "no retry".
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use es_snapshot::RetryPolicy;
///
/// let brisk = RetryPolicy::new().with_max_attempts(3).with_min_pause(Duration::from_millis(100));
/// assert_eq!(brisk.max_attempts(), 3);
/// assert_eq!(brisk.max_pause(), Duration::from_secs(20)); // the default
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

    /// Returns a policy that disables retries.
    ///
    /// After a lost response, the client still checks whether a create, clone, restore or delete
    /// took effect. If it had no effect, the client may send it again.
    #[must_use]
    pub fn never() -> Self {
        Self::default().with_max_attempts(1)
    }

    /// Sets the maximum number of attempts to send a request, the first one included.
    ///
    /// It does not limit how often a create, clone, restore or delete is sent again [after a lost
    /// response](#after-a-lost-response).
    ///
    /// The call's time limit also applies. Each request of a [`Wait`](crate::Wait) has at most 3
    /// attempts, because the wait polls again. Each request of a check after a lost response also
    /// has at most 3, because another check follows. 0 counts as 1. Default: 10.
    #[must_use]
    pub fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The policy for polls and checks. It has fewer attempts, because another one follows.
    pub(crate) fn for_polling(self) -> Self {
        Self { attempts: self.attempts.min(3), ..self }
    }

    /// Sets the shortest pause between two attempts.
    ///
    /// Pauses are random, and each is at most three times as long as the one before. If a response
    /// requests a longer pause with the header `Retry-After`, the client waits for that long, but
    /// not longer than [`with_max_pause`](Self::with_max_pause). Default: 200 ms.
    #[must_use]
    pub fn with_min_pause(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// Sets the longest pause between two attempts.
    ///
    /// It also limits the pause that a response requests with the header `Retry-After`. Default:
    /// 20 s.
    #[must_use]
    pub fn with_max_pause(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// Returns the maximum number of attempts to send a request.
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

    /// Decorrelated jitter: a random pause between the base and three times the previous pause, but
    /// at most the cap.
    pub(crate) fn pause(&self, before: Duration, random: f64) -> Duration {
        let ceiling = before.saturating_mul(3).clamp(self.base, self.cap.max(self.base));
        (self.base + ceiling.saturating_sub(self.base).mul_f64(random)).min(self.cap)
    }
}
