//! After a lost answer: a pure machine that takes what happened and says what to do next.
//!
//! Creating, cloning, restoring and deleting are never repeated blindly. The machine is told of each send and each look at
//! the domain, and answers with the next send, the next look, or a verdict; the client only drives it. It knows neither
//! names nor requests: what a look means for an operation ([`Sighting`]) and whether a refusal may be an echo of an own
//! earlier request ([`Sent::Echo`]) is told to it.
//!
//! The rules:
//!
//! * An answer settles the matter, unless an earlier request is unaccounted for and the answer may be its echo.
//! * After a loss the domain is asked, and asked again if it cannot be asked, until the deadline; then nobody knows.
//! * Only when [`PROBES`] looks over at least [`PROOF`] found that nothing had come of it is the request sent again. A late
//!   first request is harmless then: create and clone find the name taken (and the token says by whom), a restore finds
//!   its index open, a delete finds nothing.
//! * A refusal of a repeated request is certain only of that request: the lost one is looked for until the deadline, and
//!   if what refused the repetition passes, it is sent again on new proof.
//! * An engine that says that it failed counts as a lost answer: it may have carried the request out, and after a change of
//!   master another node may still do so.

use std::time::Duration;

/// How many looks in a row have to find nothing before a request is sent again.
pub(crate) const PROBES: u32 = 3;
/// The time that these looks have to span.
pub(crate) const PROOF: Duration = Duration::from_secs(10);
/// The first pause before a look; later ones double.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause before a look.
const LONGEST: Duration = Duration::from_secs(15);

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sent {
    /// The domain answered that it was done or has begun.
    Done,
    /// No answer came, or one that tells nothing; the request may have been, or may still be, carried out.
    Lost,
    /// The request certainly did not reach the domain.
    Unsent,
    /// The domain refused it in words that an earlier request of ours could have caused: the name is taken, the snapshot
    /// is gone, the index is open, another operation is in the way. Or, after a loss, for a reason that passes.
    Echo,
    /// The domain refused it for another reason.
    Refused,
}

/// What a look at the domain found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sighting {
    /// What was asked for has happened, by a request of ours.
    Happened,
    /// Somebody else's doing stands in its place.
    Foreign,
    /// Nothing has come of it so far.
    Nothing,
    /// The domain could not be asked, or its answer does not tell.
    Blind,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Send,
    Look { after: Duration },
    End(Verdict),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// By an answer.
    Done,
    /// By a look: an own request had been carried out although its answer was lost.
    Adopted,
    /// Somebody else's stands in its place; nothing of ours does.
    Foreign,
    /// The domain refused it, and no request is unaccounted for.
    Refused,
    /// It was never sent.
    NotSent,
    /// The time was over while the machine was still looking.
    Unknown,
}

/// The state of one operation.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and the search over all sequences covers their combinations"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reconciler {
    /// Whether a first refusal is looked into as well: an earlier process may have sent the same request.
    doubts_first_refusal: bool,
    /// Whether the request may be sent again at all.
    resends: bool,
    /// An earlier request is unaccounted for.
    lost: bool,
    /// A refusal waits for a look.
    echo: bool,
    /// Looks in a row that found nothing, and when the first of them was.
    nothing: u32,
    since: Duration,
    pause: Duration,
}

impl Reconciler {
    pub(crate) fn new() -> Self {
        Self {
            doubts_first_refusal: false,
            resends: true,
            lost: false,
            echo: false,
            nothing: 0,
            since: Duration::ZERO,
            pause: FIRST,
        }
    }

    /// Looks into a first refusal too: for requests that carry a token an earlier process may have used.
    pub(crate) fn doubting_first_refusal(self) -> Self {
        Self { doubts_first_refusal: true, ..self }
    }

    /// Never sends again after a loss, for operations of which a look cannot prove that nothing came.
    pub(crate) fn without_resend(self) -> Self {
        Self { resends: false, ..self }
    }

    /// Whether an earlier request is unaccounted for.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// A send has ended.
    pub(crate) fn sent(&mut self, sent: Sent) -> Step {
        match sent {
            Sent::Done => Step::End(Verdict::Done),
            Sent::Lost => {
                self.lost = true;
                self.look_anew()
            }
            Sent::Unsent if self.lost => self.look_anew(),
            Sent::Unsent => Step::End(Verdict::NotSent),
            Sent::Echo if self.lost || self.doubts_first_refusal => {
                self.echo = true;
                self.nothing = 0;
                Step::Look { after: Duration::ZERO }
            }
            // Of the lost request that says nothing, and another one would be refused like this.
            Sent::Refused if self.lost => {
                self.resends = false;
                self.look_anew()
            }
            Sent::Echo | Sent::Refused => Step::End(Verdict::Refused),
        }
    }

    /// A look has ended, at this time since the operation began.
    pub(crate) fn saw(&mut self, sighting: Sighting, at: Duration) -> Step {
        match sighting {
            Sighting::Happened => Step::End(Verdict::Adopted),
            Sighting::Foreign => Step::End(Verdict::Foreign),
            // Meanwhile another node may have become the master, which a look before says nothing of.
            Sighting::Blind => {
                self.nothing = 0;
                self.look_on()
            }
            // What refused it is gone again, and nothing of ours was ever under way.
            Sighting::Nothing if self.echo && !self.lost => Step::End(Verdict::Refused),
            Sighting::Nothing => {
                if self.nothing == 0 {
                    self.since = at;
                }
                self.nothing += 1;
                let proven = self.nothing >= PROBES && at.saturating_sub(self.since) >= PROOF;
                if proven && self.resends { Step::Send } else { self.look_on() }
            }
        }
    }

    fn look_anew(&mut self) -> Step {
        self.echo = false;
        self.nothing = 0;
        self.pause = FIRST;
        Step::Look { after: self.pause }
    }

    fn look_on(&mut self) -> Step {
        self.pause = (self.pause * 2).min(LONGEST);
        Step::Look { after: self.pause }
    }
}
