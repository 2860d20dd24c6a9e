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

/// What an operation of ours would leave behind, to tell it from other clients' doings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The token in the snapshot's metadata. Certain: it is random, or the caller's own.
    Token(String),
    /// The name itself, which was free before, on a snapshot that carries no token. Probable: another client may have taken
    /// it meanwhile. The clocks are no help: one that begins earlier would have been found.
    WasFree,
    /// The uuid of the snapshot that is to be deleted. Certain, if the domain tells uuids.
    Deletes(Option<String>),
}

/// The snapshot that a look found under the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    pub(crate) uuid: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
}

impl Evidence {
    /// What it means that this was found under the name, or nothing.
    pub(crate) fn judge(&self, found: Option<Found<'_>>) -> Sighting {
        let ours = match (self, found) {
            // It is gone, whatever has its name now.
            (Self::Deletes(_), None) => return Sighting::Happened,
            (Self::Deletes(uuid), Some(found)) => {
                return match (uuid.as_deref(), found.uuid) {
                    (Some(wanted), Some(found)) if wanted == found => Sighting::Nothing,
                    (Some(_), Some(_)) => Sighting::Happened,
                    _ => Sighting::Blind,
                };
            }
            (_, None) => return Sighting::Nothing,
            (Self::Token(token), Some(found)) => found.token == Some(token),
            (Self::WasFree, Some(found)) => found.token.is_none(),
        };
        if ours { Sighting::Happened } else { Sighting::Foreign }
    }
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

#[cfg(test)]
mod tests {
    //! Every sequence of events against a small model of the server.
    //!
    //! The model knows one name. It is written from what the engines do: a create, clone or restore is refused where the
    //! name (or the open index) is taken; a delete removes whatever has the name, and is refused where nothing has it; a
    //! request whose answer is lost, or tells of a failure in the engine, was carried out, was not, or will be later; other
    //! clients take and free the name at any time; an earlier process may have made the snapshot with the same token. The
    //! machine under test is the one that the client drives.
    //!
    //! A clone is known by its name and the lack of a token, so the model's other clients use tokens: one that takes the
    //! name without cannot be told from it, as the docs of `clone_snapshot` say.

    use std::collections::HashSet;

    use super::*;

    /// What the docs promise of a repetition: so many looks in a row that found nothing, over so many milliseconds. Written
    /// here anew, so that the machine's own figures are judged too.
    const LOOKS: u32 = 3;
    const SPAN: u64 = 10_000;

    /// Who holds the name.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Holder {
        Nobody,
        /// A request of ours; for a delete, the snapshot that is to go.
        Ours,
        Another,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Operation {
        /// With a token.
        Create,
        /// By its name, which was free.
        Clone,
        /// By what is restored from the snapshot; a look does not see who else holds the index.
        Restore,
        Delete,
    }

    #[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    struct World {
        operation: Operation,
        holder: Holder,
        /// Requests of ours that are lost and may yet be carried out.
        under_way: u8,
        /// How often a request of ours was carried out with effect.
        effects: u8,
        /// What the last look found to hold the name, if it could look.
        last_seen: Option<Holder>,
        /// Truthful looks in a row since the last send, and the time of the first, in milliseconds.
        looks: u32,
        first_look: u64,
        lost: bool,
        /// A refusal may come from what an earlier process made.
        doubted: bool,
        /// What holds the name was made by an earlier process with the same token.
        earlier: bool,
        now: u64,
        /// A snapshot of another client was removed by a request that was sent after a look had seen that client's.
        struck: bool,
    }

    #[derive(Clone, Copy, Debug)]
    enum Environment {
        Answered,
        AnswerLost,
        NeverArrives,
        ArrivesLater,
        NotSent,
        Refused,
        /// By an overload, say: for a reason that passes.
        RefusedForNow,
    }

    impl Environment {
        const SENDS: [Self; 7] = [
            Self::Answered,
            Self::AnswerLost,
            Self::NeverArrives,
            Self::ArrivesLater,
            Self::NotSent,
            Self::Refused,
            Self::RefusedForNow,
        ];
    }

    impl World {
        fn new(operation: Operation, holder: Holder) -> Self {
            Self {
                operation,
                holder,
                under_way: 0,
                effects: 0,
                last_seen: None,
                looks: 0,
                first_look: 0,
                lost: false,
                doubted: false,
                earlier: operation == Operation::Create && holder == Holder::Ours,
                now: 0,
                struck: false,
            }
        }

        /// The server carries out a request of ours; gives whether it refused it.
        fn carry_out(&mut self) -> bool {
            match (self.operation, self.holder) {
                (Operation::Delete, Holder::Ours) => self.holder = Holder::Nobody,
                (Operation::Delete, Holder::Another) => {
                    self.struck |= self.last_seen == Some(Holder::Another);
                    self.holder = Holder::Nobody;
                    return false;
                }
                (Operation::Delete, Holder::Nobody) | (_, Holder::Ours | Holder::Another) => return true,
                (_, Holder::Nobody) => self.holder = Holder::Ours,
            }
            self.effects += 1;
            false
        }

        /// What other clients and late requests may do between two events.
        fn moves(self) -> Vec<Self> {
            let mut all = self.late_moves();
            let taken = if self.holder == Holder::Nobody { Holder::Another } else { Holder::Nobody };
            all.push(Self { holder: taken, ..self });
            all
        }

        /// What late requests alone may do.
        fn late_moves(self) -> Vec<Self> {
            let mut all = vec![self];
            if self.under_way > 0 {
                let mut later = Self { under_way: self.under_way - 1, ..self };
                later.carry_out();
                all.push(later);
            }
            all
        }

        fn send(mut self, environment: Environment) -> (Self, Sent) {
            let refused = match environment {
                Environment::Answered | Environment::AnswerLost => self.carry_out(),
                _ => false,
            };
            let sent = match environment {
                Environment::Answered if refused => Sent::Echo,
                Environment::Answered => Sent::Done,
                Environment::NotSent => Sent::Unsent,
                Environment::RefusedForNow if self.lost => Sent::Echo,
                Environment::Refused | Environment::RefusedForNow => Sent::Refused,
                _ => Sent::Lost,
            };
            if matches!(environment, Environment::ArrivesLater) {
                self.under_way += 1;
            }
            if sent == Sent::Lost {
                self.lost = true;
            }
            self.doubted |= sent == Sent::Echo && self.operation == Operation::Create;
            self.looks = 0;
            (self, sent)
        }

        fn look(mut self, after: Duration, blind: bool) -> (Self, Sighting) {
            self.now += u64::try_from(after.as_millis()).unwrap();
            if blind {
                self.looks = 0;
                return (self, Sighting::Blind);
            }
            self.last_seen = Some(self.holder);
            if self.looks == 0 {
                self.first_look = self.now;
            }
            self.looks += 1;
            let marked = self.operation != Operation::Clone;
            let found = match self.holder {
                Holder::Nobody => None,
                Holder::Ours => Some(Found { uuid: Some("our uuid"), token: marked.then_some("our token") }),
                Holder::Another => Some(Found { uuid: Some("another"), token: Some("another") }),
            };
            let evidence = match self.operation {
                Operation::Create => Evidence::Token("our token".to_owned()),
                Operation::Clone => Evidence::WasFree,
                Operation::Restore if self.holder == Holder::Ours => return (self, Sighting::Happened),
                Operation::Restore => return (self, Sighting::Nothing),
                Operation::Delete => Evidence::Deletes(Some("our uuid".to_owned())),
            };
            (self, evidence.judge(found))
        }

        /// A send after a loss rests on enough looks; a first send on nothing.
        fn may_send(&self, first: bool) -> Result<(), &'static str> {
            let span = self.now - self.first_look;
            match () {
                () if first => Ok(()),
                () if !self.lost => Err("sent again without a loss"),
                () if self.looks < LOOKS || span < SPAN => Err("sent again without proof"),
                () => Ok(()),
            }
        }

        fn judge(&self, verdict: Verdict) -> Result<(), &'static str> {
            let failure = matches!(verdict, Verdict::Foreign | Verdict::NotSent | Verdict::Refused);
            match (self.operation, verdict) {
                _ if self.struck => Err("removed what another client was seen to have made"),
                (_, Verdict::Unknown) => Err("gave up although it could still ask"),
                (Operation::Delete, Verdict::Adopted) if self.holder == Holder::Ours => Err("false success"),
                (Operation::Delete, _) if failure && self.effects > 0 => Err("false failure"),
                (Operation::Delete, Verdict::NotSent | Verdict::Refused) if self.under_way > 0 => {
                    Err("certain of a failure that may yet become a success")
                }
                (Operation::Delete, _) => Ok(()),
                (_, Verdict::Done) if self.effects == 0 => Err("false success"),
                (_, Verdict::Adopted) if self.effects == 0 && !self.earlier => Err("false success"),
                // The name is taken by what the same token made: a refusal that was looked into has to say so.
                (_, Verdict::Foreign) if self.last_seen == Some(Holder::Ours) => Err("disowned its own"),
                (_, Verdict::Adopted) if self.last_seen != Some(Holder::Ours) => Err("adopted another's"),
                _ if failure && self.holder == Holder::Ours && self.effects > 0 => Err("false failure"),
                (_, Verdict::NotSent | Verdict::Refused) if self.under_way > 0 => {
                    Err("certain of a failure that may yet become a success")
                }
                _ => Ok(()),
            }
        }
    }

    struct Search {
        seen: HashSet<(Reconciler, Step, World, bool, u32)>,
        verdicts: HashSet<Verdict>,
    }

    impl Search {
        /// Goes through everything that can follow in so many more events.
        fn explore(&mut self, machine: Reconciler, step: Step, world: World, first: bool, left: u32) {
            if !self.seen.insert((machine, step, world, first, left)) {
                return;
            }
            let broken = |why: &str| -> ! { panic!("{why}: {machine:?} {step:?} {world:?}") };
            match step {
                Step::End(verdict) => {
                    self.verdicts.insert(verdict);
                    if let Err(why) = world.judge(verdict) {
                        broken(why);
                    }
                }
                _ if left == 0 => {
                    // The deadline: the verdict is unknown, which has to have a reason.
                    if !world.lost && !world.doubted {
                        broken("unknown at the deadline without a loss");
                    }
                }
                Step::Send => {
                    if let Err(why) = world.may_send(first) {
                        broken(why);
                    }
                    // A send follows its look at once: other clients' moves in between are the race that the docs tell of.
                    let moves = if first { world.moves() } else { world.late_moves() };
                    for world in moves {
                        for environment in Environment::SENDS {
                            let (world, sent) = world.send(environment);
                            let mut machine = machine;
                            let step = machine.sent(sent);
                            self.explore(machine, step, world, false, left - 1);
                        }
                    }
                }
                Step::Look { after } => {
                    for world in world.moves() {
                        for blind in [false, true] {
                            let (world, sighting) = world.look(after, blind);
                            let mut machine = machine;
                            let step = machine.saw(sighting, Duration::from_millis(world.now));
                            self.explore(machine, step, world, false, left - 1);
                        }
                    }
                }
            }
        }
    }

    fn explore(machine: Reconciler, operation: Operation, holders: &[Holder]) -> Search {
        let mut search = Search { seen: HashSet::new(), verdicts: HashSet::new() };
        for &holder in holders {
            search.explore(machine, Step::Send, World::new(operation, holder), true, 14);
        }
        println!("{operation:?}: {} states", search.seen.len());
        search
    }

    #[test]
    fn creating_with_a_token_tells_the_truth_in_every_sequence_of_events() {
        let machine = Reconciler::new().doubting_first_refusal();

        let search = explore(machine, Operation::Create, &[Holder::Nobody, Holder::Another, Holder::Ours]);

        for verdict in [Verdict::Done, Verdict::Adopted, Verdict::Foreign, Verdict::Refused, Verdict::NotSent] {
            assert!(search.verdicts.contains(&verdict), "{verdict:?} was never reached");
        }
    }

    #[test]
    fn an_earlier_processs_snapshot_of_the_same_token_is_adopted() {
        // The name is held by what the same token made before this process began.
        let mut machine = Reconciler::new().doubting_first_refusal();

        assert_eq!(machine.sent(Sent::Echo), Step::Look { after: Duration::ZERO });
        assert_eq!(machine.saw(Sighting::Happened, Duration::ZERO), Step::End(Verdict::Adopted));
    }

    #[test]
    fn cloning_tells_the_truth_in_every_sequence_of_events() {
        let search = explore(Reconciler::new(), Operation::Clone, &[Holder::Nobody]);

        for verdict in [Verdict::Done, Verdict::Adopted, Verdict::Foreign, Verdict::Refused, Verdict::NotSent] {
            assert!(search.verdicts.contains(&verdict), "{verdict:?} was never reached");
        }
    }

    #[test]
    fn restoring_tells_the_truth_in_every_sequence_of_events() {
        let search = explore(Reconciler::new(), Operation::Restore, &[Holder::Nobody, Holder::Another]);

        for verdict in [Verdict::Done, Verdict::Adopted, Verdict::Refused, Verdict::NotSent] {
            assert!(search.verdicts.contains(&verdict), "{verdict:?} was never reached");
        }
    }

    #[test]
    fn restoring_without_a_resend_tells_the_truth_and_sends_once_in_every_sequence_of_events() {
        let machine = Reconciler::new().without_resend();

        let search = explore(machine, Operation::Restore, &[Holder::Nobody, Holder::Another]);

        assert!(search.seen.iter().all(|(_, step, _, first, _)| *first || *step != Step::Send));
    }

    #[test]
    fn deleting_tells_the_truth_in_every_sequence_of_events() {
        let search = explore(Reconciler::new(), Operation::Delete, &[Holder::Ours]);

        for verdict in [Verdict::Done, Verdict::Adopted, Verdict::Refused, Verdict::NotSent] {
            assert!(search.verdicts.contains(&verdict), "{verdict:?} was never reached");
        }
    }

    #[test]
    fn without_uuids_a_deletion_is_seen_only_by_the_snapshots_absence() {
        let with = |uuid| Some(Found { uuid, ..Found::default() });
        let (known, unknown) = (Evidence::Deletes(Some("ours".to_owned())), Evidence::Deletes(None));

        assert_eq!(known.judge(with(None)), Sighting::Blind);
        assert_eq!(unknown.judge(with(None)), Sighting::Blind);
        assert_eq!(unknown.judge(with(Some("another"))), Sighting::Blind);
        assert_eq!(unknown.judge(None), Sighting::Happened);
    }

    #[test]
    fn a_snapshot_without_our_token_is_anothers() {
        let evidence = Evidence::Token("ours".to_owned());
        for token in [None, Some("theirs")] {
            assert_eq!(evidence.judge(Some(Found { token, ..Found::default() })), Sighting::Foreign);
        }
    }

    #[test]
    fn a_snapshot_under_a_name_that_was_free_is_ours_unless_it_carries_a_token() {
        for (token, sighting) in [(None, Sighting::Happened), (Some("theirs"), Sighting::Foreign)] {
            assert_eq!(Evidence::WasFree.judge(Some(Found { token, ..Found::default() })), sighting);
        }
    }

    #[test]
    fn without_resend_a_loss_never_leads_to_another_send() {
        let mut machine = Reconciler::new().without_resend();
        assert!(matches!(machine.sent(Sent::Lost), Step::Look { .. }));

        for second in 0..100 {
            let step = machine.saw(Sighting::Nothing, Duration::from_secs(second * 15));
            assert!(matches!(step, Step::Look { .. }), "{step:?}");
        }
    }
}
