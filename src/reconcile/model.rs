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
use std::time::Duration;

use super::evidence::{Evidence, Found};
use super::machine::{Reconciler, Sent, Sighting, Step, Verdict};

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
fn without_resend_a_loss_never_leads_to_another_send() {
    let mut machine = Reconciler::new().without_resend();
    assert!(matches!(machine.sent(Sent::Lost), Step::Look { .. }));

    for second in 0..100 {
        let step = machine.saw(Sighting::Nothing, Duration::from_secs(second * 15));
        assert!(matches!(step, Step::Look { .. }), "{step:?}");
    }
}
