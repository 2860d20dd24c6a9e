//! An exhaustive search for create, clone and delete: every sequence of events, against a small
//! model of the server.
//!
//! The model has one name, and follows what the servers do:
//!
//! * A create or clone is refused if the name is taken. A delete removes any snapshot with the
//!   name, and is refused if there is none.
//! * A request with a lost response was carried out, was not, or will be later. The same holds
//!   while a cluster changes its master.
//! * A request that the server reports as failed was carried out before that, or not at all.
//! * Other clients take and free the name at any time.
//! * An earlier process may have created the snapshot with the same token.
//!
//! The machine and the evidence under test are those that the client uses.
//!
//! A clone is recognised by its name and the missing token. So the model's other clients use
//! tokens: a snapshot without one cannot be distinguished from the clone, as the docs of
//! `Snapshot::clone_to` say.

use std::collections::HashSet;
use std::time::Duration;

use super::evidence::{Evidence, Found};
use super::machine::{Loss, Reconciler, Sent, Sighting, Step, Verdict};

/// What the docs promise for a resend: the number of checks in a row that find nothing, the
/// milliseconds that they span, and the number of requests that may be unaccounted for. Repeated
/// here, so that the machine's own constants are tested too.
const CHECKS: u32 = 3;
const SPAN: u64 = 10_000;
const SENDS: u8 = 3;
const REFUSED_CHECKS: u32 = 5;

/// The number of events in a sequence.
const DEPTH: u32 = 12;

/// Who holds the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Nobody,
    /// A snapshot that a request of this call created. For a delete, the snapshot to delete.
    Ours,
    Another,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Operation {
    /// A create with a token.
    Create,
    /// A clone, recognised by its name, which was free.
    Clone,
    Delete,
}

#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct World {
    operation: Operation,
    holder: Holder,
    /// How many lost requests may still be carried out.
    under_way: u8,
    /// Whether a request of this call took effect.
    effect: bool,
    /// Who held the name at the last check that could read it.
    last_seen: Option<Holder>,
    /// How many checks in a row since the last send could read the name, and the time of the first
    /// one, in milliseconds.
    checks: u32,
    first_check: u64,
    /// How many checks in a row were refused.
    refused: u32,
    /// How many requests are unaccounted for.
    unaccounted: u8,
    /// Whether the last send was lost because the connection broke.
    broken: bool,
    /// Whether the last send was reported as failed.
    failed: bool,
    /// Whether a refusal may be due to a snapshot that an earlier process created.
    doubted: bool,
    /// Whether an earlier process created the snapshot with the same token.
    earlier: bool,
    now: u64,
    /// Whether a request deleted another client's snapshot although a check had shown whose it was.
    deleted_foreign: bool,
}

/// What happens to a request, and to its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Environment {
    Responded,
    ResponseLost(Loss),
    NeverArrives(Loss),
    ArrivesLater(Loss),
    /// The server reports a failure after it has carried out the request, or instead of doing so.
    FailedAfter,
    FailedBefore,
    NotSent,
    Refused,
    /// Refused for a reason that passes, such as an overload.
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
            deleted_foreign: false,
        }
    }

    /// The server carries out a request of this call. Returns whether the server refused it.
    fn carry_out(&mut self) -> bool {
        match (self.operation, self.holder) {
            (Operation::Delete, Holder::Ours) => self.holder = Holder::Nobody,
            (Operation::Delete, Holder::Another) => {
                self.deleted_foreign |= self.last_seen == Some(Holder::Another);
                self.holder = Holder::Nobody;
                return false;
            }
            (Operation::Delete, Holder::Nobody) | (_, Holder::Ours | Holder::Another) => return true,
            (_, Holder::Nobody) => self.holder = Holder::Ours,
        }
        self.effect = true;
        false
    }

    /// Returns the states that other clients and late requests can lead to between two events.
    fn moves(self) -> Vec<Self> {
        let mut all = self.late_moves();
        let taken = if self.holder == Holder::Nobody { Holder::Another } else { Holder::Nobody };
        all.push(Self { holder: taken, ..self });
        all
    }

    /// Returns the states that late requests alone can lead to.
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

    fn check(mut self, after: Duration, visibility: Visibility) -> (Self, Sighting) {
        self.now += u64::try_from(after.as_millis()).unwrap();
        self.refused = if visibility == Visibility::Refused { self.refused + 1 } else { 0 };
        if visibility != Visibility::Clear {
            self.checks = 0;
            return (self, if visibility == Visibility::Refused { Sighting::Denied } else { Sighting::Blind });
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

    /// Returns an error if this send is a resend without enough checks before it.
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
            _ if self.deleted_foreign => Err("deleted a snapshot that a check had shown to be another client's"),
            (_, Verdict::Unknown) if self.refused < REFUSED_CHECKS => Err("gave up although it could still check"),
            (_, Verdict::Unknown) => Ok(()),
            (Operation::Delete, Verdict::Adopted) if self.holder == Holder::Ours => Err("false success"),
            (Operation::Delete, _) if failure && self.effect => Err("false failure"),
            (Operation::Delete, Verdict::NotSent | Verdict::Refused) if self.under_way > 0 => {
                Err("certain of a failure that may still become a success")
            }
            (Operation::Delete, _) => Ok(()),
            (_, Verdict::Done) if !self.effect => Err("false success"),
            (_, Verdict::Adopted) if !self.effect && !self.earlier => Err("false success"),
            // A check found the token of this call, so the snapshot must be adopted.
            (_, Verdict::Foreign) if self.last_seen == Some(Holder::Ours) => Err("took its own snapshot for another's"),
            (_, Verdict::Adopted) if self.last_seen != Some(Holder::Ours) => Err("adopted another client's snapshot"),
            _ if failure && self.holder == Holder::Ours && self.effect => Err("false failure"),
            (_, Verdict::NotSent | Verdict::Refused) if self.under_way > 0 => {
                Err("certain of a failure that may still become a success")
            }
            _ => Ok(()),
        }
    }
}

/// Whether a check can read the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visibility {
    Clear,
    None,
    Refused,
}

struct Search {
    seen: HashSet<(Reconciler, Step, World, bool, u32)>,
    verdicts: HashSet<Verdict>,
}

impl Search {
    /// Visits every state that can follow within `left` more events.
    fn explore(&mut self, machine: Reconciler, step: Step, world: World, first: bool, left: u32) {
        if !self.seen.insert((machine, step, world, first, left)) {
            return;
        }
        let fail = |why: &str| -> ! { panic!("{why}: {machine:?} {step:?} {world:?}") };
        match step {
            Step::End(verdict) => {
                self.verdicts.insert(verdict);
                if let Err(why) = world.check_verdict(verdict) {
                    fail(why);
                }
            }
            _ if left == 0 => {
                // The deadline: the verdict is unknown, and needs a reason.
                if world.unaccounted == 0 && !world.doubted {
                    fail("unknown at the deadline without a loss");
                }
            }
            Step::Send => {
                if let Err(why) = world.may_send(first) {
                    fail(why);
                }
                // A resend follows its check at once. The docs describe the race with other clients
                // between the two.
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
                    for visibility in [Visibility::Clear, Visibility::None, Visibility::Refused] {
                        let (world, sighting) = world.check(after, visibility);
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
fn create_with_a_token_reports_no_false_outcome_in_any_sequence_of_events() {
    let machine = Reconciler::new().doubting_first_refusal().resending_early();

    let search = explore(machine, Operation::Create, &[Holder::Nobody, Holder::Another, Holder::Ours]);

    for verdict in
        [Verdict::Done, Verdict::Adopted, Verdict::Foreign, Verdict::Refused, Verdict::NotSent, Verdict::Unknown]
    {
        assert!(search.verdicts.contains(&verdict), "{verdict:?} was never reached");
    }
}

#[test]
fn clone_reports_no_false_outcome_in_any_sequence_of_events() {
    let search = explore(Reconciler::new(), Operation::Clone, &[Holder::Nobody]);

    for verdict in [Verdict::Done, Verdict::Adopted, Verdict::Foreign, Verdict::Refused, Verdict::NotSent] {
        assert!(search.verdicts.contains(&verdict), "{verdict:?} was never reached");
    }
}

#[test]
fn delete_reports_no_false_outcome_in_any_sequence_of_events() {
    let search = explore(Reconciler::new(), Operation::Delete, &[Holder::Ours]);

    for verdict in [Verdict::Done, Verdict::Adopted, Verdict::Refused, Verdict::NotSent] {
        assert!(search.verdicts.contains(&verdict), "{verdict:?} was never reached");
    }
}

#[test]
fn adopts_a_snapshot_that_an_earlier_process_created_with_the_same_token() {
    let mut machine = Reconciler::new().doubting_first_refusal();

    assert_eq!(machine.sent(Sent::Echo), Step::Check { after: Duration::ZERO });
    assert_eq!(machine.saw(Sighting::Happened, Duration::ZERO), Step::End(Verdict::Adopted));
}

#[test]
fn does_not_resend_after_a_loss_if_resends_are_disabled() {
    let mut machine = Reconciler::new().without_resend();
    assert!(matches!(machine.sent(Sent::Lost(Loss::Broken)), Step::Check { .. }));

    for second in 0..100 {
        let step = machine.saw(Sighting::Nothing, Duration::from_secs(second * 15));
        assert!(matches!(step, Step::Check { .. }), "{step:?}");
    }
}

/// Runs checks that find this until another step is due. Returns that step and the seconds that
/// passed.
fn check_until(machine: &mut Reconciler, mut step: Step, sighting: Sighting) -> (Step, u64) {
    let mut now = Duration::ZERO;
    while let Step::Check { after } = step {
        now += after;
        step = machine.saw(sighting, now);
        assert!(now < Duration::from_secs(600), "it checks without end");
    }
    (step, now.as_secs())
}

#[test]
fn counts_two_equal_failures_as_a_refusal() {
    let mut machine = Reconciler::new();

    let step = machine.sent(Sent::Failed { again: false });
    let (second, took) = check_until(&mut machine, step, Sighting::Nothing);
    assert_eq!(second, Step::Send);
    let step = machine.sent(Sent::Failed { again: true });
    let (end, more) = check_until(&mut machine, step, Sighting::Nothing);

    assert_eq!((end, took + more < 20), (Step::End(Verdict::Refused), true));
}

#[test]
fn keeps_checking_after_two_different_failures() {
    let mut machine = Reconciler::new();
    let step = machine.sent(Sent::Failed { again: false });
    check_until(&mut machine, step, Sighting::Nothing);
    machine.sent(Sent::Failed { again: false });

    let step = machine.saw(Sighting::Nothing, Duration::from_secs(60));

    assert!(matches!(step, Step::Check { .. }), "{step:?}");
}

#[test]
fn confirms_a_refusal_after_a_failure_once_a_check_finds_nothing() {
    let mut machine = Reconciler::new();
    let step = machine.sent(Sent::Failed { again: false });
    check_until(&mut machine, step, Sighting::Nothing);

    let check = machine.sent(Sent::Echo);
    let end = machine.saw(Sighting::Nothing, Duration::from_secs(30));

    assert_eq!((check, end), (Step::Check { after: Duration::ZERO }, Step::End(Verdict::Refused)));
}

#[test]
fn ends_after_one_failure_and_checks_over_ten_seconds_if_no_resend_is_allowed() {
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
fn resends_a_lost_create_within_two_seconds_if_the_connection_broke() {
    for (loss, least, most) in [(Loss::Broken, 0, 2), (Loss::NoResponse, 10, 20)] {
        let mut machine = Reconciler::new().doubting_first_refusal().resending_early();
        let step = machine.sent(Sent::Lost(loss));

        let (again, took) = check_until(&mut machine, step, Sighting::Nothing);

        assert_eq!((again, (least..most).contains(&took)), (Step::Send, true), "{loss:?} {took}");
    }
}

#[test]
fn checks_for_ten_seconds_before_the_last_resend_of_a_create() {
    let mut machine = Reconciler::new().doubting_first_refusal().resending_early();
    machine.sent(Sent::Lost(Loss::Broken));
    assert_eq!(machine.saw(Sighting::Nothing, Duration::ZERO), Step::Send);

    let step = machine.sent(Sent::Lost(Loss::Broken));
    let (again, took) = check_until(&mut machine, step, Sighting::Nothing);

    assert_eq!((again, took >= 10), (Step::Send, true), "{took}");
}

#[test]
fn does_not_resend_while_three_requests_are_unaccounted_for() {
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
fn does_not_resend_if_evidence_may_have_vanished_or_a_resend_could_do_harm() {
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
fn ends_as_unknown_after_five_checks_that_are_refused_or_unclear() {
    for sighting in [Sighting::Denied, Sighting::Unclear] {
        let mut machine = Reconciler::new();
        let step = machine.sent(Sent::Lost(Loss::NoResponse));

        let (end, took) = check_until(&mut machine, step, sighting);

        assert_eq!((end, took < 30), (Step::End(Verdict::Unknown), true), "{sighting:?} {took}");
    }
}

#[test]
fn a_restore_that_another_process_may_have_sent_is_sent_after_one_check_that_finds_nothing() {
    let mut machine = Reconciler::new().resuming();

    let step = machine.saw(Sighting::Nothing, Duration::ZERO);

    assert_eq!(step, Step::Send);
}

#[test]
fn pauses_between_checks_double_up_to_fifteen_seconds() {
    let mut machine = Reconciler::new();

    let first = machine.sent(Sent::Lost(Loss::NoResponse));
    let later = [(); 6].map(|()| machine.saw(Sighting::Blind, Duration::ZERO));

    let pauses = [1000, 2000, 4000, 8000, 15_000, 15_000].map(Duration::from_millis);
    assert_eq!(first, Step::Check { after: Duration::from_millis(500) });
    assert_eq!(later, pauses.map(|after| Step::Check { after }));
}
