//! Every sequence of events against a small model of the server, for creates, clones and deletes.
//!
//! The model knows one name. It is written from what the engines do: a create or clone is refused
//! where the name is taken; a delete removes whatever has the name, and is refused where nothing
//! has it. A request whose response is lost was carried out, was not, or will be later; an engine
//! that is changing its master is no better. A request that the engine reports as failed was
//! carried out before that or not at all. Other clients take and free the name at any time, and an
//! earlier process may have made the snapshot with the same token. The machine under test is the
//! one that the client drives.
//!
//! A clone is known by its name and the lack of a token, so the model's other clients use tokens:
//! one that takes the name without cannot be told from it, as the docs of `clone_snapshot` say.

use std::collections::HashSet;
use std::time::Duration;

use super::evidence::{Evidence, Found};
use super::machine::{Loss, Reconciler, Sent, Sighting, Step, Verdict};

/// What the docs promise of a repetition: so many checks in a row that found nothing, over so many
/// milliseconds, and so many requests unaccounted for at the most. Written here anew, so that the
/// machine's own figures are tested too.
const CHECKS: u32 = 3;
const SPAN: u64 = 10_000;
const SENDS: u8 = 3;
const REFUSED_CHECKS: u32 = 5;

/// How many events a sequence has.
const DEPTH: u32 = 12;

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
    Delete,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct World {
    operation: Operation,
    holder: Holder,
    /// Requests of ours that are lost and may yet be carried out.
    under_way: u8,
    /// Whether a request of ours was carried out with effect.
    effect: bool,
    /// What the last check found to hold the name, if it could see.
    last_seen: Option<Holder>,
    /// Truthful checks in a row since the last send, and the time of the first, in milliseconds.
    checks: u32,
    first_check: u64,
    /// Refused checks in a row.
    refused: u32,
    /// Sends without a response that settles what became of them.
    unaccounted: u8,
    /// The last send was lost because the connection broke.
    broken: bool,
    /// The last send was reported as failed.
    failed: bool,
    /// A refusal may come from what an earlier process made.
    doubted: bool,
    /// What holds the name was made by an earlier process with the same token.
    earlier: bool,
    now: u64,
    /// A snapshot of another client was removed by a request that was sent after a check had seen
    /// that client's.
    struck: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Environment {
    Responded,
    ResponseLost(Loss),
    NeverArrives(Loss),
    ArrivesLater(Loss),
    /// The engine reports a failure, after it has done everything or nothing.
    FailedAfter,
    FailedBefore,
    NotSent,
    Refused,
    /// By an overload, say: for a reason that passes.
    RefusedForNow,
}

impl Environment {
    const SENDS: [Self; 11] = [
        Self::Responded,
        Self::ResponseLost(Loss::Broken),
        Self::NeverArrives(Loss::Broken),
        Self::ArrivesLater(Loss::Broken),
        Self::ResponseLost(Loss::NoResponse),
        Self::ArrivesLater(Loss::NoResponse),
        Self::FailedAfter,
        Self::FailedBefore,
        Self::NotSent,
        Self::Refused,
        Self::RefusedForNow,
    ];

    fn is_carried_out(self) -> bool {
        matches!(self, Self::Responded | Self::ResponseLost(_) | Self::FailedAfter)
    }
}

impl World {
    fn new(operation: Operation, holder: Holder) -> Self {
        Self {
            operation,
            holder,
            under_way: 0,
            effect: false,
            last_seen: None,
            checks: 0,
            first_check: 0,
            refused: 0,
            unaccounted: 0,
            broken: false,
            failed: false,
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
        self.effect = true;
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
        let refused = environment.is_carried_out() && self.carry_out();
        let sent = match environment {
            Environment::Responded if refused => Sent::Echo,
            Environment::Responded => Sent::Done,
            Environment::NotSent => Sent::Unsent,
            Environment::RefusedForNow if self.unaccounted > 0 => Sent::Echo,
            Environment::Refused | Environment::RefusedForNow => Sent::Refused,
            Environment::FailedAfter | Environment::FailedBefore => Sent::Failed { again: self.failed },
            Environment::ResponseLost(loss) | Environment::NeverArrives(loss) | Environment::ArrivesLater(loss) => {
                Sent::Lost(loss)
            }
        };
        if matches!(environment, Environment::ArrivesLater(_)) {
            self.under_way += 1;
        }
        self.broken = sent == Sent::Lost(Loss::Broken);
        self.failed = matches!(sent, Sent::Failed { .. });
        if self.failed || matches!(sent, Sent::Lost(_)) {
            self.unaccounted += 1;
        }
        self.doubted |= sent == Sent::Echo && self.operation == Operation::Create;
        (self.checks, self.refused) = (0, 0);
        (self, sent)
    }

    fn check(mut self, after: Duration, sight: Sight) -> (Self, Sighting) {
        self.now += u64::try_from(after.as_millis()).unwrap();
        self.refused = if sight == Sight::Refused { self.refused + 1 } else { 0 };
        if sight != Sight::Clear {
            self.checks = 0;
            return (self, if sight == Sight::Refused { Sighting::Denied } else { Sighting::Blind });
        }
        self.last_seen = Some(self.holder);
        if self.checks == 0 {
            self.first_check = self.now;
        }
        self.checks += 1;
        let marked = self.operation != Operation::Clone;
        let found = match self.holder {
            Holder::Nobody => None,
            Holder::Ours => Some(Found { uuid: Some("our uuid"), token: marked.then_some("our token") }),
            Holder::Another => Some(Found { uuid: Some("another"), token: Some("another") }),
        };
        let evidence = match self.operation {
            Operation::Create => Evidence::Token("our token".to_owned()),
            Operation::Clone => Evidence::WasFree,
            Operation::Delete => Evidence::Deletes(Some("our uuid".to_owned())),
        };
        (self, evidence.classify(found))
    }

    /// A send after a loss rests on enough checks; a first send on nothing.
    fn may_send(&self, first: bool) -> Result<(), &'static str> {
        let span = self.now - self.first_check;
        let early = self.operation == Operation::Create && self.broken && self.checks > 0;
        match () {
            () if first => Ok(()),
            () if self.unaccounted == 0 => Err("sent again without a loss"),
            () if self.unaccounted >= SENDS => Err("sent again with too many requests unaccounted for"),
            () if !early && (self.checks < CHECKS || span < SPAN) => Err("sent again without proof"),
            () => Ok(()),
        }
    }

    fn check_verdict(&self, verdict: Verdict) -> Result<(), &'static str> {
        let failure = matches!(verdict, Verdict::Foreign | Verdict::NotSent | Verdict::Refused);
        match (self.operation, verdict) {
            _ if self.struck => Err("removed what another client was seen to have made"),
            (_, Verdict::Unknown) if self.refused < REFUSED_CHECKS => Err("gave up although it could still ask"),
            (_, Verdict::Unknown) => Ok(()),
            (Operation::Delete, Verdict::Adopted) if self.holder == Holder::Ours => Err("false success"),
            (Operation::Delete, _) if failure && self.effect => Err("false failure"),
            (Operation::Delete, Verdict::NotSent | Verdict::Refused) if self.under_way > 0 => {
                Err("certain of a failure that may yet become a success")
            }
            (Operation::Delete, _) => Ok(()),
            (_, Verdict::Done) if !self.effect => Err("false success"),
            (_, Verdict::Adopted) if !self.effect && !self.earlier => Err("false success"),
            // The name is taken by what the same token made: a refusal that was checked has to say so.
            (_, Verdict::Foreign) if self.last_seen == Some(Holder::Ours) => Err("disowned its own"),
            (_, Verdict::Adopted) if self.last_seen != Some(Holder::Ours) => Err("adopted another's"),
            _ if failure && self.holder == Holder::Ours && self.effect => Err("false failure"),
            (_, Verdict::NotSent | Verdict::Refused) if self.under_way > 0 => {
                Err("certain of a failure that may yet become a success")
            }
            _ => Ok(()),
        }
    }
}

/// What a check can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    Clear,
    None,
    Refused,
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
                if let Err(why) = world.check_verdict(verdict) {
                    broken(why);
                }
            }
            _ if left == 0 => {
                // The deadline: the verdict is unknown, which has to have a reason.
                if world.unaccounted == 0 && !world.doubted {
                    broken("unknown at the deadline without a loss");
                }
            }
            Step::Send => {
                if let Err(why) = world.may_send(first) {
                    broken(why);
                }
                // A send follows its check at once: other clients' moves in between are the race that the docs
                // describe.
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
            Step::Check { after } => {
                for world in world.moves() {
                    for sight in [Sight::Clear, Sight::None, Sight::Refused] {
                        let (world, sighting) = world.check(after, sight);
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
        search.explore(machine, Step::Send, World::new(operation, holder), true, DEPTH);
    }
    println!("{operation:?}: {} states", search.seen.len());
    search
}

#[test]
fn creating_with_a_token_reports_the_truth_in_every_sequence_of_events() {
    let machine = Reconciler::new().doubting_first_refusal().resending_early();

    let search = explore(machine, Operation::Create, &[Holder::Nobody, Holder::Another, Holder::Ours]);

    for verdict in
        [Verdict::Done, Verdict::Adopted, Verdict::Foreign, Verdict::Refused, Verdict::NotSent, Verdict::Unknown]
    {
        assert!(search.verdicts.contains(&verdict), "{verdict:?} was never reached");
    }
}

#[test]
fn cloning_reports_the_truth_in_every_sequence_of_events() {
    let search = explore(Reconciler::new(), Operation::Clone, &[Holder::Nobody]);

    for verdict in [Verdict::Done, Verdict::Adopted, Verdict::Foreign, Verdict::Refused, Verdict::NotSent] {
        assert!(search.verdicts.contains(&verdict), "{verdict:?} was never reached");
    }
}

#[test]
fn deleting_reports_the_truth_in_every_sequence_of_events() {
    let search = explore(Reconciler::new(), Operation::Delete, &[Holder::Ours]);

    for verdict in [Verdict::Done, Verdict::Adopted, Verdict::Refused, Verdict::NotSent] {
        assert!(search.verdicts.contains(&verdict), "{verdict:?} was never reached");
    }
}

#[test]
fn an_earlier_processs_snapshot_of_the_same_token_is_adopted() {
    // The name is held by what the same token made before this process began.
    let mut machine = Reconciler::new().doubting_first_refusal();

    assert_eq!(machine.sent(Sent::Echo), Step::Check { after: Duration::ZERO });
    assert_eq!(machine.saw(Sighting::Happened, Duration::ZERO), Step::End(Verdict::Adopted));
}

#[test]
fn without_resend_a_loss_never_leads_to_another_send() {
    let mut machine = Reconciler::new().without_resend();
    assert!(matches!(machine.sent(Sent::Lost(Loss::Broken)), Step::Check { .. }));

    for second in 0..100 {
        let step = machine.saw(Sighting::Nothing, Duration::from_secs(second * 15));
        assert!(matches!(step, Step::Check { .. }), "{step:?}");
    }
}

/// Runs checks that find this until something else than a check is due; gives it and the seconds
/// that passed.
fn check_until(machine: &mut Reconciler, mut step: Step, sighting: Sighting) -> (Step, u64) {
    let mut now = Duration::ZERO;
    while let Step::Check { after } = step {
        now += after;
        step = machine.saw(sighting, now);
        assert!(now < Duration::from_secs(600), "it checks for ever");
    }
    (step, now.as_secs())
}

#[test]
fn two_equal_failures_of_the_engine_are_a_refusal() {
    let mut machine = Reconciler::new();

    let step = machine.sent(Sent::Failed { again: false });
    let (second, took) = check_until(&mut machine, step, Sighting::Nothing);
    assert_eq!(second, Step::Send);
    let step = machine.sent(Sent::Failed { again: true });
    let (end, more) = check_until(&mut machine, step, Sighting::Nothing);

    assert_eq!((end, took + more < 20), (Step::End(Verdict::Refused), true));
}

#[test]
fn two_failures_that_differ_are_not_a_refusal_at_once() {
    let mut machine = Reconciler::new();
    let step = machine.sent(Sent::Failed { again: false });
    check_until(&mut machine, step, Sighting::Nothing);
    machine.sent(Sent::Failed { again: false });

    let step = machine.saw(Sighting::Nothing, Duration::from_secs(60));

    assert!(matches!(step, Step::Check { .. }), "{step:?}");
}

#[test]
fn a_refusal_that_follows_a_failure_counts_once_a_check_finds_nothing() {
    let mut machine = Reconciler::new();
    let step = machine.sent(Sent::Failed { again: false });
    check_until(&mut machine, step, Sighting::Nothing);

    let check = machine.sent(Sent::Echo);
    let end = machine.saw(Sighting::Nothing, Duration::from_secs(30));

    assert_eq!((check, end), (Step::Check { after: Duration::ZERO }, Step::End(Verdict::Refused)));
}

#[test]
fn where_nothing_may_be_sent_again_one_failure_and_checks_over_ten_seconds_end_the_question() {
    for (mut machine, sighting, verdict) in [
        (Reconciler::new().without_resend(), Sighting::Nothing, Verdict::Refused),
        (Reconciler::new(), Sighting::Barred, Verdict::Refused),
        (Reconciler::new(), Sighting::Unseen, Verdict::Unknown),
    ] {
        let step = machine.sent(Sent::Failed { again: false });

        let (end, took) = check_until(&mut machine, step, sighting);

        assert_eq!((end, (10..20).contains(&took)), (Step::End(verdict), true), "{sighting:?} {took}");
    }
}

#[test]
fn a_lost_create_is_sent_again_within_two_seconds_if_the_connection_broke() {
    for (loss, least, most) in [(Loss::Broken, 0, 2), (Loss::NoResponse, 10, 20)] {
        let mut machine = Reconciler::new().doubting_first_refusal().resending_early();
        let step = machine.sent(Sent::Lost(loss));

        let (again, took) = check_until(&mut machine, step, Sighting::Nothing);

        assert_eq!((again, (least..most).contains(&took)), (Step::Send, true), "{loss:?} {took}");
    }
}

#[test]
fn the_last_repetition_of_a_create_waits_for_proof() {
    let mut machine = Reconciler::new().doubting_first_refusal().resending_early();
    machine.sent(Sent::Lost(Loss::Broken));
    assert_eq!(machine.saw(Sighting::Nothing, Duration::ZERO), Step::Send);

    let step = machine.sent(Sent::Lost(Loss::Broken));
    let (again, took) = check_until(&mut machine, step, Sighting::Nothing);

    assert_eq!((again, took >= 10), (Step::Send, true), "{took}");
}

#[test]
fn no_more_than_three_requests_are_unaccounted_for() {
    let mut machine = Reconciler::new();
    for _ in 1..SENDS {
        let step = machine.sent(Sent::Lost(Loss::Broken));
        assert_eq!(check_until(&mut machine, step, Sighting::Nothing).0, Step::Send);
    }
    machine.sent(Sent::Lost(Loss::Broken));

    for second in 0..100 {
        let step = machine.saw(Sighting::Nothing, Duration::from_secs(second * 15));
        assert!(matches!(step, Step::Check { .. }), "{step:?}");
    }
}

#[test]
fn evidence_that_may_have_vanished_never_leads_to_another_send() {
    for sighting in [Sighting::Unseen, Sighting::Barred] {
        let mut machine = Reconciler::new();
        machine.sent(Sent::Lost(Loss::Broken));

        for second in 0..100 {
            let step = machine.saw(sighting, Duration::from_secs(second * 15));
            assert!(matches!(step, Step::Check { .. }), "{step:?}");
        }
    }
}

#[test]
fn five_checks_that_are_refused_or_cannot_attribute_a_change_end_the_question() {
    for sighting in [Sighting::Denied, Sighting::Unclear] {
        let mut machine = Reconciler::new();
        let step = machine.sent(Sent::Lost(Loss::NoResponse));

        let (end, took) = check_until(&mut machine, step, sighting);

        assert_eq!((end, took < 30), (Step::End(Verdict::Unknown), true), "{sighting:?} {took}");
    }
}
