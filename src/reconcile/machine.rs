//! After a lost response: a pure machine that takes what happened and returns what to do next.
//!
//! Creating, cloning, restoring and deleting are never repeated blindly. The machine is told how
//! each send ended and what each check found. It returns the next send, the next check, or a
//! verdict; the client only drives it. It knows neither names nor requests: what a check means for
//! an operation ([`Sighting`]), and whether a refusal may come from an own earlier
//! request ([`Sent::Echo`]), is decided before.
//!
//! The rules:
//!
//! * A response settles the matter, unless an earlier request is unaccounted for and the response
//!   may be its echo.
//! * After a loss the domain is checked until the deadline. Then nobody knows.
//! * The request is sent again only when [`CHECKS`] checks over at least [`PROOF`] found that
//!   nothing came of it. One check is enough where the connection broke and two requests cannot
//!   both take effect ([`Reconciler::resending_early`]), but not for the last repetition.
//! * At most [`SENDS`] requests may be unaccounted for. After that the machine only checks.
//! * A refusal of a repeated request is certain only of that request. The lost one is looked for
//!   until the deadline. One that failed instead has had its effect by then, so a check that finds
//!   nothing confirms the refusal.
//! * A failure that the engine reports is not a loss: it has had its effect, or none, when the
//!   response is sent. Two that are equal, with checks between and after them that found nothing,
//!   are a refusal. Where nothing may be sent again, one is; if the evidence may have vanished,
//!   nobody knows.
//! * Five refused checks in a row, or five that found a change which nobody can attribute, end the
//!   question.

use std::time::Duration;

/// How many checks in a row have to find nothing before a request is sent again.
pub(crate) const CHECKS: u32 = 3;
/// The time that these checks have to span.
pub(crate) const PROOF: Duration = Duration::from_secs(10);
/// How many requests may be unaccounted for at the most.
pub(crate) const SENDS: u32 = 3;
/// How many checks in a row may be refused, or find what cannot be attributed, before the machine
/// gives up.
pub(crate) const PATIENCE: u32 = 5;
/// The first pause before a check; later ones double.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause before a check.
const LONGEST: Duration = Duration::from_secs(15);

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sent {
    /// The domain responded that it was done or has begun.
    Done,
    /// No response came, or one that says nothing about the request. It may have been, or may still
    /// be, carried out.
    Lost(Loss),
    /// The engine reported a failure that is not known to be final. It may have been carried out
    /// before it failed, but will not be carried out later. `again`: the failure equals the one
    /// before it.
    Failed { again: bool },
    /// The request certainly did not reach the domain.
    Unsent,
    /// The domain refused it in words that an earlier request of ours could have caused: the name
    /// is taken, the snapshot is gone, the index is open, another operation is running. Or,
    /// after a loss, for a reason that passes.
    Echo,
    /// The domain refused it for another reason.
    Refused,
}

/// How a response was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Loss {
    /// The connection broke.
    Broken,
    /// A time-out, a gateway's status, or a cluster that is changing its master.
    NoResponse,
}

/// What a check of the domain found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sighting {
    /// What was asked for has happened, by a request of ours.
    Happened,
    /// Something of another client stands in its place.
    Foreign,
    /// Nothing came of it so far, by evidence that lasts.
    Nothing,
    /// As `Nothing`, but sending it again could do harm.
    Barred,
    /// Nothing was seen of it so far, by evidence that may have vanished.
    Unseen,
    /// Something changed, and nobody can tell whether our request did it.
    Unclear,
    /// The domain could not be checked, or its response shows nothing.
    Blind,
    /// The check itself was refused.
    Denied,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Send,
    Check { after: Duration },
    End(Verdict),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// By a response.
    Done,
    /// By a check: an own request was carried out although its response was lost.
    Adopted,
    /// Something of another client stands in its place; nothing of ours does.
    Foreign,
    /// The domain refused it, and no request is unaccounted for.
    Refused,
    /// It was never sent.
    NotSent,
    /// Nobody can tell: the time is over, or checks are refused or show what cannot be attributed.
    Unknown,
}

/// What failures of the engine have come so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Failures {
    None,
    /// One, or several that differ.
    Some,
    /// Two equal ones, or one and a refusal: if nothing came of the last, the question is answered.
    Enough,
}

/// The state of one operation.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and the search over all sequences covers their combinations"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reconciler {
    /// Whether a first refusal is checked as well: an earlier process may have sent the same
    /// request.
    doubts_first_refusal: bool,
    /// Whether the request may be sent again at all.
    resends: bool,
    /// Whether one check is enough to send again after the connection broke.
    resends_early: bool,
    /// How many requests are unaccounted for.
    unaccounted: u32,
    /// One of them was lost, so that it may still be carried out.
    lost: bool,
    /// The last one was lost because the connection broke.
    broken: bool,
    failures: Failures,
    /// A refusal waits for a check.
    echo: bool,
    /// Checks in a row that found nothing, and when the first of them was.
    nothing: u32,
    since: Duration,
    /// Checks in a row that were refused, or that found what cannot be attributed.
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

    /// Checks after a first refusal too: for requests that carry a token an earlier process may
    /// have used.
    pub(crate) fn doubting_first_refusal(self) -> Self {
        Self { doubts_first_refusal: true, ..self }
    }

    /// Sends again after one check if the connection broke: for requests of which only one can take
    /// effect, and of which a check shows for certain whose effect it is.
    pub(crate) fn resending_early(self) -> Self {
        Self { resends_early: true, ..self }
    }

    /// Never sends again, for operations of which a check cannot prove that nothing came.
    pub(crate) fn without_resend(self) -> Self {
        Self { resends: false, ..self }
    }

    /// Begins with a request that a process which is gone may have sent. Since then time has
    /// passed, so one check that finds nothing is enough to send it.
    pub(crate) fn resuming(self) -> Self {
        Self { unaccounted: 1, lost: true, broken: true, resends_early: true, ..self }
    }

    /// What to do first.
    pub(crate) fn begin(&self) -> Step {
        if self.is_unaccounted() { Step::Check { after: Duration::ZERO } } else { Step::Send }
    }

    /// Whether an earlier request is unaccounted for.
    pub(crate) fn is_unaccounted(&self) -> bool {
        self.unaccounted > 0
    }

    /// A send has ended.
    pub(crate) fn sent(&mut self, sent: Sent) -> Step {
        self.broken = matches!(sent, Sent::Lost(Loss::Broken));
        match sent {
            Sent::Done => Step::End(Verdict::Done),
            Sent::Lost(_) => {
                self.unaccounted += 1;
                self.lost = true;
                self.check_anew()
            }
            Sent::Failed { again } => {
                self.unaccounted += 1;
                self.failures =
                    if again && self.failures != Failures::None { Failures::Enough } else { Failures::Some };
                self.check_anew()
            }
            Sent::Unsent if self.is_unaccounted() => self.check_anew(),
            Sent::Unsent => Step::End(Verdict::NotSent),
            Sent::Echo if self.is_unaccounted() || self.doubts_first_refusal => {
                self.check_anew();
                self.echo = true;
                Step::Check { after: Duration::ZERO }
            }
            // That says nothing about the earlier request, and another one would be refused as well.
            Sent::Refused if self.is_unaccounted() => {
                self.resends = false;
                self.failures = Failures::Enough;
                self.check_anew()
            }
            Sent::Echo | Sent::Refused => Step::End(Verdict::Refused),
        }
    }

    /// A check has ended, at this time since the operation began.
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
            // Meanwhile another node may have become the master, about which an earlier check says nothing.
            Sighting::Blind => (self.denied, self.unclear) = (0, 0),
            Sighting::Denied => (self.denied, self.unclear) = (self.denied + 1, 0),
            Sighting::Unclear => (self.denied, self.unclear) = (0, self.unclear + 1),
        }
        self.nothing = 0;
        if self.denied >= PATIENCE || self.unclear >= PATIENCE { Step::End(Verdict::Unknown) } else { self.check_on() }
    }

    /// What was checked right before a repetition forbids it, as far as anyone can tell. Asking
    /// again would not change that, unless it could not be read for now.
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
        // Nothing of ours is under way, so what refused it is another's, or is gone again.
        if self.echo && (!self.is_unaccounted() || !self.lost && lasting) {
            return Step::End(Verdict::Refused);
        }
        // No effect follows a failure that the engine has reported.
        let failed = !self.lost && self.failures != Failures::None;
        if failed && lasting && self.failures == Failures::Enough {
            return Step::End(Verdict::Refused);
        }
        let proven = self.nothing >= CHECKS && at.saturating_sub(self.since) >= PROOF;
        // The last repetition is kept for when the domain is well again.
        let early = self.resends_early && self.broken && self.unaccounted + 1 < SENDS;
        if sighting == Sighting::Nothing && (proven || early) && self.resends && self.unaccounted < SENDS {
            return Step::Send;
        }
        if failed && proven {
            return Step::End(if lasting { Verdict::Refused } else { Verdict::Unknown });
        }
        self.check_on()
    }

    fn check_anew(&mut self) -> Step {
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
