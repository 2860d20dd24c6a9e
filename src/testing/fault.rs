//! What goes wrong between a client and the domain.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

type Matches = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// A rule that makes requests go wrong; see [`FakeDomain::fault`](super::FakeDomain::fault). Rules
/// are tried in the order in which they were given; the first that matches acts.
///
/// A rule matches every request, any number of times, unless it is narrowed:
///
/// ```
/// use es_snapshot::testing::Fault;
///
/// let lost_answer = Fault::drop_after().on_method("PUT").on_path("/_snapshot/").times(1);
/// let overload = Fault::status(429, "Too Many Requests", "text/plain").header("retry-after", "7").probability(0.3);
/// # drop((lost_answer, overload));
/// ```
#[derive(Clone)]
#[must_use = "a rule does nothing until it is given to a domain"]
pub struct Fault {
    pub(super) action: Action,
    /// Clones of a rule are recognised by this.
    matches: Arc<Vec<Matches>>,
    times: Option<u32>,
    probability: f64,
    headers: Vec<(String, String)>,
}

/// What a rule does.
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
    /// The name that the log of events uses.
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

    /// Whether the request never comes to the engine.
    pub(super) fn is_before_engine(&self) -> bool {
        matches!(self, Self::Status { .. } | Self::DropBefore | Self::Restart)
    }
}

impl Fault {
    fn new(action: Action) -> Self {
        Self { action, matches: Arc::default(), times: None, probability: 1.0, headers: Vec::new() }
    }

    /// Answers this; the engine never sees the request.
    pub fn status(status: u16, body: impl Into<Vec<u8>>, content_type: impl Into<String>) -> Self {
        Self::new(Action::Status { status, body: body.into(), content_type: content_type.into() })
    }

    /// Answers 200 with a body that is no JSON; the engine never sees the request.
    pub fn garbage() -> Self {
        Self::status(200, "<html>nope</html>", "text/html")
    }

    /// Closes the connection; the engine never sees the request.
    pub fn drop_before() -> Self {
        Self::new(Action::DropBefore)
    }

    /// Lets the engine carry the request out, then closes the connection without an answer.
    pub fn drop_after() -> Self {
        Self::new(Action::DropAfter)
    }

    /// Lets the engine carry the request out, then answers this status with a page, as a load
    /// balancer does with 504.
    pub fn status_after(status: u16) -> Self {
        Self::new(Action::StatusAfter { status })
    }

    /// Lets the engine carry the request out, then sends half of the answer's body and closes the
    /// connection.
    pub fn truncate() -> Self {
        Self::new(Action::Truncate)
    }

    /// Lets the engine carry the request out, then sends the answer's body byte by byte with this
    /// pause after each.
    pub fn trickle(pause: Duration) -> Self {
        Self::new(Action::Trickle { pause })
    }

    /// Lets the engine carry the request out, and answers this much later.
    ///
    /// On a [`ManualClock`](super::ManualClock) the clock is moved on by `by`. If that ended a
    /// time-out or a sleep that was pending, the answer is held back until the client has
    /// closed the connection (or, were it not the client's, for a fifth of a real second): so
    /// the client's time-out comes first. [In process](super::FakeDomainBuilder::in_process) no
    /// real time passes.
    pub fn delay(by: Duration) -> Self {
        Self::new(Action::Delay { by })
    }

    /// Closes the connection at once; the request stays in a queue and comes to the engine when the
    /// domain's clock has moved on by `by`. The hardest case for whoever repeats a request.
    pub fn late(by: Duration) -> Self {
        Self::new(Action::Late { by })
    }

    /// The domain's front end restarts: every open connection is closed. The engine does not see
    /// this request.
    pub fn restart() -> Self {
        Self::new(Action::Restart)
    }

    /// Only requests of this method.
    pub fn on_method(self, method: impl Into<String>) -> Self {
        let wanted = method.into();
        self.on(move |method, _| method == wanted)
    }

    /// Only requests whose raw path and query contain this.
    pub fn on_path(self, part: impl Into<String>) -> Self {
        let part = part.into();
        self.on(move |_, path| path.contains(&part))
    }

    /// Only requests for which this is true; it gets the method and the raw path with its query.
    pub fn on(mut self, matches: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.matches).push(Arc::new(matches));
        self
    }

    /// Acts so many times, then no more. Default: no limit.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Acts with this probability, from 0 to 1, by the domain's seed. Default: 1.
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// Adds a header to the answer of [`status`](Self::status), [`garbage`](Self::garbage) or
    /// [`status_after`](Self::status_after), such as `retry-after`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Whether this rule is about a request. It runs a test's own code, so no lock may be held.
    pub(super) fn matches(&self, method: &str, path: &str) -> bool {
        self.times != Some(0) && self.matches.iter().all(|matches| matches(method, path))
    }

    /// Whether this rule acts on a request that it matches; counts it if so.
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

/// What a rule does, and the headers it adds.
pub(super) type Effect = (Action, Vec<(String, String)>);

/// What the rule at this place, which matches a request, does to it, if it is still there and acts.
pub(super) fn apply(faults: &mut [Fault], place: usize, rule: &Fault, random: &mut fastrand::Rng) -> Option<Effect> {
    let fault = faults.get_mut(place).filter(|fault| Arc::ptr_eq(&fault.matches, &rule.matches))?;
    let fault = fault.acts(random).then_some(fault)?;
    Some((fault.action.clone(), fault.headers.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(faults: &mut [Fault], method: &str, path: &str, random: &mut fastrand::Rng) -> Option<Effect> {
        let rules = faults.to_vec();
        let mut matching = rules.iter().enumerate().filter(|(_, rule)| rule.matches(method, path));
        matching.find_map(|(place, rule)| apply(faults, place, rule, random))
    }

    fn picked(faults: &mut [Fault], method: &str, path: &str) -> Option<&'static str> {
        pick(faults, method, path, &mut fastrand::Rng::with_seed(1)).map(|(action, _)| action.name())
    }

    #[test]
    fn the_first_rule_that_matches_acts_and_a_spent_one_gives_way() {
        let mut faults =
            [Fault::drop_after().on_method("PUT").on_path("/_snapshot/").times(1), Fault::restart().on_path("/r")];
        assert_eq!(picked(&mut faults, "GET", "/_cat/shards"), None);
        assert_eq!(picked(&mut faults, "PUT", "/_snapshot/r/s"), Some("drop_after"));
        assert_eq!(picked(&mut faults, "PUT", "/_snapshot/r/s"), Some("restart"));
    }

    #[test]
    fn a_probability_is_kept_and_replayed_by_its_seed() {
        let run = || {
            let (mut faults, mut random) = ([Fault::drop_before().probability(0.25)], fastrand::Rng::with_seed(7));
            (0..1000).map(|_| pick(&mut faults, "GET", "/", &mut random).is_some()).collect::<Vec<_>>()
        };
        let hits = run().into_iter().filter(|hit| *hit).count();
        assert!((200..300).contains(&hits), "{hits}");
        assert_eq!(run(), run());
    }
}
