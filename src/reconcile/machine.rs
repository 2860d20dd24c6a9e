//! The rules after a lost response, as a pure state machine.
//!
//! Create, clone, restore and delete are never repeated blindly. The [`Reconciler`] receives how
//! each send ended ([`Sent`]) and what each check found ([`Sighting`]). It returns the next
//! [`Step`]: a send, a check, or the end with a [`Verdict`]. It knows neither names nor requests.
//! The modules that drive it determine what a check means for an operation, and whether an earlier
//! request of the same call may have caused a refusal ([`Sent::Echo`]).
//!
//! The rules:
//!
//! * A response ends the call, unless an earlier request is unaccounted for and may have caused the
//!   response.
//! * After a loss the domain is checked until the deadline. Then the outcome is unknown.
//! * The request is resent only after [`CHECKS`] checks in a row over at least [`PROOF`] found that
//!   it had no effect. One check is enough if the connection broke and only one of the requests can
//!   take effect ([`Reconciler::resending_early`]). The last resend always waits for all checks.
//! * At most [`SENDS`] requests may be unaccounted for. After that the machine only checks.
//! * A refusal of a resent request says nothing about the request before it. If that one was lost,
//!   the domain is checked until the deadline. If that one failed, it has had its effect already,
//!   so one check that finds nothing confirms the refusal.
//! * A failure that the server reports is not a loss: the request has had its effect, or none, when
//!   the response is sent. Two equal failures are a refusal if the checks between and after them
//!   found nothing. Where no resend is allowed, one failure and [`CHECKS`] such checks are enough.
//!   If the evidence may have vanished, the outcome is unknown.
//! * After [`PATIENCE`] checks in a row that were refused, or that found a change that cannot be
//!   attributed, the outcome is unknown.

use std::time::Duration;

/// How many checks in a row must find nothing before a request is resent.
pub(crate) const CHECKS: u32 = 3;
/// The least time that these checks must span.
pub(crate) const PROOF: Duration = Duration::from_secs(10);
/// How many requests may be unaccounted for.
pub(crate) const SENDS: u32 = 3;
/// The number of checks in a row that end the call as unknown, if they were refused or found a
/// change that cannot be attributed.
pub(crate) const PATIENCE: u32 = 5;
/// The pause before the first check. Each further pause is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause before a check.
const LONGEST: Duration = Duration::from_secs(15);

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sent {
    /// The response says that the operation is done or has begun.
    Done,
    /// No usable response arrived. The request may have been carried out, or may still be.
    Lost(Loss),
    /// The server reported a failure that is not known to be final. The request may have been
    /// carried out before it failed, but will not be carried out later. `again`: the failure equals
    /// the one before it.
    Failed { again: bool },
    /// The request certainly did not reach the domain.
    Unsent,
    /// A refusal that an earlier request of this call may have caused: the name is taken, the
    /// snapshot is missing, or a target index is open. Also a refusal whose response broke off,
    /// and, after a loss, one for a reason that passes, such as another running operation.
    Echo,
    /// Any other refusal.
    Refused,
}

/// How a response was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Loss {
    /// The connection broke.
    Broken,
    /// A time-out, a gateway's status, a cluster that is changing its master, or a response that
    /// cannot be decoded.
    NoResponse,
}

/// What a check of the domain found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sighting {
    /// A request of this call was carried out.
    Happened,
    /// Another client's snapshot has the name.
    Foreign,
    /// The request had no effect so far, by evidence that lasts.
    Nothing,
    /// As `Nothing`, but a resend could do harm.
    Barred,
    /// No effect was seen so far, but the evidence may have vanished.
    Unseen,
    /// Something changed, and nothing shows whether a request of this call did it.
    Unclear,
    /// The domain could not be checked, or its response is too old or too incomplete to use.
    Blind,
    /// The check was refused, or failed as the check before it did.
    Denied,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Send,
    Check { after: Duration },
    End(Verdict),
}

/// How the call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// The response says that the operation is done or has begun.
    Done,
    /// A check found that a request of this call was carried out, although its response was lost.
    Adopted,
    /// Another client's snapshot has the name, and no request of this call took effect.
    Foreign,
    /// The request was refused or failed, and no request of this call took effect.
    Refused,
    /// No request reached the domain.
    NotSent,
    /// The time is over, or the checks were refused, found a change that cannot be attributed, or
    /// relied on evidence that may have vanished.
    Unknown,
}

/// Which failures the server has reported so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Failures {
    None,
    /// One failure, or several that differ.
    Some,
    /// Two equal failures, or a refusal of a resent request. If the last request had no effect, the
    /// call ends as refused.
    Enough,
}

/// What is known about the requests of one call.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact, and the search over all sequences covers their combinations"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reconciler {
    /// Whether a first refusal is checked too, because an earlier process may have sent the same
    /// request.
    doubts_first_refusal: bool,
    /// Whether the request may be resent at all.
    resends: bool,
    /// Whether one check is enough for a resend after the connection broke.
    resends_early: bool,
    /// How many requests are unaccounted for.
    unaccounted: u32,
    /// Whether one of them was lost, so that it may still be carried out.
    lost: bool,
    /// Whether the last request was lost because the connection broke.
    broken: bool,
    failures: Failures,
    /// Whether the last send ended with a refusal that a check must confirm.
    echo: bool,
    /// How many checks in a row found nothing, and when the first of them ended.
    nothing: u32,
    since: Duration,
    /// How many checks in a row were refused, and how many found a change that cannot be
    /// attributed.
    denied: u32,
    unclear: u32,
    pause: Duration,
}

impl Reconciler {
    pub(crate) fn new() -> Self {
        Self {
            doubts_first_refusal: false,
            resends: true,
            resends_early: false,
            unaccounted: 0,
            lost: false,
            broken: false,
            failures: Failures::None,
            echo: false,
            nothing: 0,
            since: Duration::ZERO,
            denied: 0,
            unclear: 0,
            pause: FIRST,
        }
    }

    /// Checks after a first refusal too. For requests with a token that an earlier process may have
    /// used.
    pub(crate) fn doubting_first_refusal(self) -> Self {
        Self { doubts_first_refusal: true, ..self }
    }

    /// Resends after one check if the connection broke. For operations where only one request can
    /// take effect, and a check shows for certain whose effect it is.
    pub(crate) fn resending_early(self) -> Self {
        Self { resends_early: true, ..self }
    }

    /// Never resends. For operations where a check cannot prove that a request had no effect.
    pub(crate) fn without_resend(self) -> Self {
        Self { resends: false, ..self }
    }

    /// Begins with a request that an earlier process may have sent. Time has passed since then, so
    /// one check that finds nothing is enough to send it.
    pub(crate) fn resuming(self) -> Self {
        Self { unaccounted: 1, lost: true, broken: true, resends_early: true, ..self }
    }

    /// Returns the first step.
    pub(crate) fn begin(&self) -> Step {
        if self.is_unaccounted() { Step::Check { after: Duration::ZERO } } else { Step::Send }
    }

    /// Returns whether an earlier request is unaccounted for.
    pub(crate) fn is_unaccounted(&self) -> bool {
        self.unaccounted > 0
    }

    /// Records how a send ended, and returns the next step.
    pub(crate) fn sent(&mut self, sent: Sent) -> Step {
        self.broken = matches!(sent, Sent::Lost(Loss::Broken));
        match sent {
            Sent::Done => Step::End(Verdict::Done),
            Sent::Lost(_) => {
                self.unaccounted += 1;
                self.lost = true;
                self.restart_checks()
            }
            Sent::Failed { again } => {
                self.unaccounted += 1;
                self.failures =
                    if again && self.failures != Failures::None { Failures::Enough } else { Failures::Some };
                self.restart_checks()
            }
            Sent::Unsent if self.is_unaccounted() => self.restart_checks(),
            Sent::Unsent => Step::End(Verdict::NotSent),
            Sent::Echo if self.is_unaccounted() || self.doubts_first_refusal => {
                self.restart_checks();
                self.echo = true;
                Step::Check { after: Duration::ZERO }
            }
            // Says nothing about the earlier request, and a resend would be refused too.
            Sent::Refused if self.is_unaccounted() => {
                self.resends = false;
                self.failures = Failures::Enough;
                self.restart_checks()
            }
            Sent::Echo | Sent::Refused => Step::End(Verdict::Refused),
        }
    }

    /// Records what a check found, and returns the next step. `at` is the time since the operation
    /// began.
    pub(crate) fn saw(&mut self, sighting: Sighting, at: Duration) -> Step {
        match sighting {
            Sighting::Happened => return Step::End(Verdict::Adopted),
            Sighting::Foreign => return Step::End(Verdict::Foreign),
            Sighting::Nothing | Sighting::Barred | Sighting::Unseen => {
                if self.nothing == 0 {
                    self.since = at;
                }
                (self.nothing, self.denied, self.unclear) = (self.nothing + 1, 0, 0);
                return self.found_nothing(sighting, at);
            }
            // Another node may have become the master, and earlier checks say nothing about it.
            Sighting::Blind => (self.denied, self.unclear) = (0, 0),
            Sighting::Denied => (self.denied, self.unclear) = (self.denied + 1, 0),
            Sighting::Unclear => (self.denied, self.unclear) = (0, self.unclear + 1),
        }
        self.nothing = 0;
        if self.denied >= PATIENCE || self.unclear >= PATIENCE { Step::End(Verdict::Unknown) } else { self.check_on() }
    }

    /// Records that the check right before a resend did not allow it, and returns the next step. No
    /// later resend is allowed either, unless the domain could not be checked for now.
    pub(crate) fn may_not_resend(&mut self, sighting: Sighting, at: Duration) -> Step {
        match sighting {
            Sighting::Nothing | Sighting::Blind | Sighting::Happened | Sighting::Foreign => self.saw(sighting, at),
            Sighting::Barred => {
                self.resends = false;
                self.found_nothing(sighting, at)
            }
            Sighting::Unseen | Sighting::Unclear | Sighting::Denied => {
                self.resends = false;
                self.found_nothing(Sighting::Unseen, at)
            }
        }
    }

    fn found_nothing(&mut self, sighting: Sighting, at: Duration) -> Step {
        let lasting = sighting != Sighting::Unseen;
        // No request of this call is under way, so none of them caused the refusal.
        if self.echo && (!self.is_unaccounted() || !self.lost && lasting) {
            return Step::End(Verdict::Refused);
        }
        // A request has no further effect once the server has reported its failure.
        let failed = !self.lost && self.failures != Failures::None;
        if failed && lasting && self.failures == Failures::Enough {
            return Step::End(Verdict::Refused);
        }
        let proven = self.nothing >= CHECKS && at.saturating_sub(self.since) >= PROOF;
        // The last resend is kept until the domain is more likely to be healthy.
        let early = self.resends_early && self.broken && self.unaccounted + 1 < SENDS;
        if sighting == Sighting::Nothing && (proven || early) && self.resends && self.unaccounted < SENDS {
            return Step::Send;
        }
        if failed && proven {
            return Step::End(if lasting { Verdict::Refused } else { Verdict::Unknown });
        }
        self.check_on()
    }

    fn restart_checks(&mut self) -> Step {
        self.echo = false;
        (self.nothing, self.denied, self.unclear) = (0, 0, 0);
        self.pause = FIRST;
        Step::Check { after: self.pause }
    }

    fn check_on(&mut self) -> Step {
        self.pause = (self.pause * 2).min(LONGEST);
        Step::Check { after: self.pause }
    }
}
