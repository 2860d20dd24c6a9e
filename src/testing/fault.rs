//! Rules that make requests or responses fail.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

type Matches = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// A rule that makes requests or responses fail.
///
/// [`FakeDomain::fault`](super::FakeDomain::fault) adds a rule to a domain. At most one rule acts
/// on a request. Rules are tried in the order in which they were added, until one matches and acts.
/// A matching rule does not act if it has acted [often enough](Self::times), or if chance decides
/// against its [probability](Self::probability).
///
/// Without conditions a rule acts on every request, any number of times. These rules are narrower:
///
/// ```
/// use es_snapshot::testing::Fault;
///
/// let lost_response = Fault::drop_after().on_method("PUT").on_path("/_snapshot/").times(1);
/// let overload = Fault::status(429, "Too Many Requests", "text/plain")
///     .header("retry-after", "7")
///     .probability(0.3);
/// # drop((lost_response, overload));
/// ```
#[derive(Clone)]
#[must_use = "a rule does nothing until it is given to `FakeDomain::fault`"]
pub struct Fault {
    pub(super) action: Action,
    /// Also identifies the rule, because its clones share this `Arc`.
    matches: Arc<Vec<Matches>>,
    times: Option<u32>,
    probability: f64,
    headers: Vec<(String, String)>,
}

/// The effect of a rule on a request.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Status { status: u16, body: Vec<u8>, content_type: String },
    DropBefore,
    DropAfter,
    StatusAfter { status: u16 },
    Truncate,
    Trickle { pause: Duration },
    Delay { by: Duration },
    Late { by: Duration },
    Restart,
}

impl Action {
    /// Returns the name for [`Event::fault`](super::Event::fault).
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::DropBefore => "drop_before",
            Self::DropAfter => "drop_after",
            Self::StatusAfter { .. } => "status_after",
            Self::Truncate => "truncate",
            Self::Trickle { .. } => "trickle",
            Self::Delay { .. } => "delay",
            Self::Late { .. } => "late",
            Self::Restart => "restart",
        }
    }

    /// Returns whether the request does not reach the server at all.
    pub(super) fn is_before_server(&self) -> bool {
        matches!(self, Self::Status { .. } | Self::DropBefore | Self::Restart)
    }
}

impl Fault {
    fn new(action: Action) -> Self {
        Self { action, matches: Arc::default(), times: None, probability: 1.0, headers: Vec::new() }
    }

    /// Returns a rule that sends this response before the request reaches the server.
    pub fn status(status: u16, body: impl Into<Vec<u8>>, content_type: impl Into<String>) -> Self {
        Self::new(Action::Status { status, body: body.into(), content_type: content_type.into() })
    }

    /// Returns a rule that responds with 200 and HTML before the request reaches the server.
    ///
    /// A client cannot decode this response.
    pub fn garbage() -> Self {
        Self::status(200, "<html>nope</html>", "text/html")
    }

    /// Returns a rule that closes the connection before the request reaches the server.
    pub fn drop_before() -> Self {
        Self::new(Action::DropBefore)
    }

    /// Returns a rule that closes the connection after the server has carried the request out.
    ///
    /// The client receives no response.
    ///
    /// ```
    /// use es_snapshot::testing::{FakeDomain, Fault};
    /// use es_snapshot::wait::HowStarted;
    /// use es_snapshot::CreateSnapshot;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// let domain = FakeDomain::with_repository("backups").await;
    /// domain.fault(Fault::drop_after().on_method("PUT").times(1));
    ///
    /// let backups = domain.client().repository("backups")?;
    /// let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
    /// assert_eq!(started.how(), HowStarted::Adopted);
    /// assert_eq!(domain.snapshots("backups").len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn drop_after() -> Self {
        Self::new(Action::DropAfter)
    }

    /// Returns a rule that replaces the server's response with an HTML page of this status.
    ///
    /// The server has carried the request out by then. A load balancer does this with 504.
    pub fn status_after(status: u16) -> Self {
        Self::new(Action::StatusAfter { status })
    }

    /// Returns a rule that sends half of the response's body and then closes the connection.
    ///
    /// The server has carried the request out by then.
    pub fn truncate() -> Self {
        Self::new(Action::Truncate)
    }

    /// Returns a rule that sends the response's body byte by byte, with this pause for each byte.
    ///
    /// The server has carried the request out by then. Each pause passes on the domain's clock, as
    /// the delay of [`delay`](Self::delay) does.
    pub fn trickle(pause: Duration) -> Self {
        Self::new(Action::Trickle { pause })
    }

    /// Returns a rule that delays the response by this time.
    ///
    /// The server has carried the request out by then.
    ///
    /// On a [`ManualClock`](super::ManualClock) the domain advances the clock by `by`. If this ends
    /// a pending time limit or sleep, the domain holds the response back until the client has
    /// closed the connection, for at most 200 ms of real time. So a time limit of the client fires
    /// before the response arrives. [In process](super::FakeDomainBuilder::in_process) time limits
    /// fire in order, and no real time passes.
    pub fn delay(by: Duration) -> Self {
        Self::new(Action::Delay { by })
    }

    /// Returns a rule that closes the connection, and delivers the request to the server later.
    ///
    /// The front end checks the request at once. The server receives it when the domain's clock has
    /// advanced by `by`. If the client sends the request again before that, it may be carried out
    /// twice.
    pub fn late(by: Duration) -> Self {
        Self::new(Action::Late { by })
    }

    /// Returns a rule that closes every open connection, as a restart of the front end does.
    ///
    /// The request does not reach the server.
    pub fn restart() -> Self {
        Self::new(Action::Restart)
    }

    /// Limits the rule to requests with this method.
    pub fn on_method(self, method: impl Into<String>) -> Self {
        let wanted = method.into();
        self.on(move |method, _| method == wanted)
    }

    /// Limits the rule to requests with this text in the path and query, as they were sent.
    pub fn on_path(self, part: impl Into<String>) -> Self {
        let part = part.into();
        self.on(move |_, path| path.contains(&part))
    }

    /// Limits the rule to requests for which this function returns true.
    ///
    /// The function receives the method, and the path with its query as they were sent. If there
    /// are several conditions, a request must meet all of them.
    pub fn on(mut self, matches: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.matches).push(Arc::new(matches));
        self
    }

    /// Sets how many times the rule acts. Default: no limit.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Sets the probability that the rule acts on a request that matches, from 0 to 1.
    ///
    /// The [seed](super::FakeDomainBuilder::seed) of the domain makes the choices repeatable.
    /// Default: 1.
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// Adds a header, such as `retry-after`, to the response that the rule sends.
    ///
    /// It has an effect on [`status`](Self::status), [`garbage`](Self::garbage) and
    /// [`status_after`](Self::status_after).
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Returns whether a request meets the conditions of this rule. Hold no lock while calling
    /// this, because it runs code of the test.
    pub(super) fn matches(&self, method: &str, path: &str) -> bool {
        self.times != Some(0) && self.matches.iter().all(|matches| matches(method, path))
    }

    /// Decides whether this rule acts on a request that matches, and counts it if so.
    fn acts(&mut self, random: &mut fastrand::Rng) -> bool {
        let acts = self.times != Some(0) && (self.probability >= 1.0 || random.f64() < self.probability);
        if acts && let Some(times) = &mut self.times {
            *times -= 1;
        }
        acts
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, times, probability, .. } = self;
        f.debug_struct("Fault")
            .field("action", action)
            .field("times", times)
            .field("probability", probability)
            .finish_non_exhaustive()
    }
}

/// The action of a rule, and the headers that it adds.
pub(super) type Effect = (Action, Vec<(String, String)>);

/// Returns the effect of a rule on a request that matches it, or `None` if it does not act.
///
/// The test may have removed the rule after it matched, so `faults` must still have `rule` at
/// `position`.
pub(super) fn apply(faults: &mut [Fault], position: usize, rule: &Fault, random: &mut fastrand::Rng) -> Option<Effect> {
    let fault = faults.get_mut(position).filter(|fault| Arc::ptr_eq(&fault.matches, &rule.matches))?;
    let fault = fault.acts(random).then_some(fault)?;
    Some((fault.action.clone(), fault.headers.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(faults: &mut [Fault], method: &str, path: &str, random: &mut fastrand::Rng) -> Option<Effect> {
        let rules = faults.to_vec();
        let mut matching = rules.iter().enumerate().filter(|(_, rule)| rule.matches(method, path));
        matching.find_map(|(position, rule)| apply(faults, position, rule, random))
    }

    fn picked(faults: &mut [Fault], method: &str, path: &str) -> Option<&'static str> {
        pick(faults, method, path, &mut fastrand::Rng::with_seed(1)).map(|(action, _)| action.name())
    }

    #[test]
    fn applies_the_first_matching_rule_that_is_not_used_up() {
        let mut faults =
            [Fault::drop_after().on_method("PUT").on_path("/_snapshot/").times(1), Fault::restart().on_path("/r")];
        assert_eq!(picked(&mut faults, "GET", "/_cat/shards"), None);
        assert_eq!(picked(&mut faults, "PUT", "/_snapshot/r/s"), Some("drop_after"));
        assert_eq!(picked(&mut faults, "PUT", "/_snapshot/r/s"), Some("restart"));
    }

    #[test]
    fn acts_with_the_given_probability_and_repeats_itself_with_the_same_seed() {
        let run = || {
            let (mut faults, mut random) = ([Fault::drop_before().probability(0.25)], fastrand::Rng::with_seed(7));
            (0..1000).map(|_| pick(&mut faults, "GET", "/", &mut random).is_some()).collect::<Vec<_>>()
        };
        let hits = run().into_iter().filter(|hit| *hit).count();
        assert!((200..300).contains(&hits), "{hits}");
        assert_eq!(run(), run());
    }
}
