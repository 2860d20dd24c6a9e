//! Every sequence of events against a small model of the server, for restores.
//!
//! The model knows two indices, the targets of a restore. A restore is one update of both: it is
//! refused where one is open, creates what is absent, and overwrites what is closed. Between any
//! two events other clients may close, delete or restore one of them, or restore both under the
//! same names; recoveries vanish, as they do when an index is closed, hidden or moved, or its
//! node restarts; the running restore ends and is no longer shown. A request whose response is lost
//! was carried out, was not, or will be later. One that the engine reports as failed was carried
//! out before that or not at all. The evidence and the machine under test are those that the client
//! drives.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::evidence::RestoreEvidence;
use super::machine::{Loss, Reconciler, Sent, Sighting, Step, Verdict};
use crate::pieces::tests::read_all;
use crate::restore::{EarlierRestores, Marks, Recoveries, RunningRestores, ShardRecovery, Source, Targets, Tombstones};

const NAMES: [&str; 2] = ["a", "b"];
const CHECKS: u32 = 3;
const SPAN: u64 = 10_000;
const SENDS: u8 = 3;
const PATIENCE: u32 = 5;

/// How many events a sequence has, and how many of them are other clients' doings.
const DEPTH: u32 = 9;
const MOVES: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Slot {
    Absent,
    Index {
        uuid: u8,
        open: bool,
        /// How often it was restored over, and how often it was closed: what its counters show.
        restored_over: u8,
        closed: u8,
        /// The restore that its recovery shows.
        recovery: Option<u8>,
        /// Its data comes from a restore of ours.
        ours: bool,
    },
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct World {
    slots: [Slot; 2],
    /// The running restore: which of the two it writes.
    running: Option<[bool; 2]>,
    /// How many indices of each name were deleted.
    buried: [u8; 2],
    next: u8,
    moves_left: u8,
    under_way: u8,
    effect: bool,
    /// Another client restored both under the same names since the first send: nobody can tell that
    /// from ours.
    twin: bool,
    /// A repeated request was carried out although an earlier one had been.
    done_twice: bool,
    /// A target was open before the first send, so that its data is another's work.
    was_open: bool,
    /// A repeated request restored over it.
    open_overwritten: bool,
    unaccounted: u8,
    /// The first request is that of a process which is gone, and which may not have sent it.
    resumed: bool,
    failed: bool,
    /// What was checked before a repetition did not allow it.
    unconfirmed: bool,
    checks: u32,
    first_check: u64,
    /// Checks in a row that were refused, or that found a change without a sign of who did it.
    refused: u32,
    unclear: u32,
    now: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Environment {
    Responded,
    ResponseLost,
    NeverArrives,
    ArrivesLater,
    FailedAfter,
    FailedBefore,
    NotSent,
    Refused,
}

const ENVIRONMENTS: [Environment; 8] = [
    Environment::Responded,
    Environment::ResponseLost,
    Environment::NeverArrives,
    Environment::ArrivesLater,
    Environment::FailedAfter,
    Environment::FailedBefore,
    Environment::NotSent,
    Environment::Refused,
];

impl World {
    fn new(slots: [Slot; 2], next: u8) -> Self {
        Self {
            slots,
            running: None,
            buried: [0; 2],
            next,
            moves_left: MOVES,
            under_way: 0,
            effect: false,
            twin: false,
            done_twice: false,
            was_open: slots.iter().any(|slot| matches!(slot, Slot::Index { open: true, .. })),
            open_overwritten: false,
            unaccounted: 0,
            resumed: false,
            failed: false,
            unconfirmed: false,
            checks: 0,
            first_check: 0,
            refused: 0,
            unclear: 0,
            now: 0,
        }
    }

    /// Restores these of the two, unless one of them is open.
    fn restore(&mut self, which: [bool; 2], by_us: bool) -> bool {
        let wanted = || (0..2).filter(|at| which[*at]);
        if wanted().any(|at| matches!(self.slots[at], Slot::Index { open: true, .. })) {
            return false;
        }
        let id = self.next;
        self.next += 1;
        for at in wanted() {
            self.slots[at] = match self.slots[at] {
                Slot::Absent => {
                    self.next += 1;
                    Slot::Index {
                        uuid: self.next,
                        open: true,
                        restored_over: 0,
                        closed: 0,
                        recovery: Some(id),
                        ours: by_us,
                    }
                }
                Slot::Index { uuid, restored_over, closed, .. } => Slot::Index {
                    uuid,
                    open: true,
                    restored_over: restored_over + 1,
                    closed,
                    recovery: Some(id),
                    ours: by_us,
                },
            };
        }
        self.running = Some(which);
        true
    }

    /// The server carries out a request of ours; gives whether it did.
    fn carry_out(&mut self, again: bool) -> bool {
        let held = self.slots.iter().any(|slot| matches!(slot, Slot::Index { ours: true, .. }));
        let done = self.restore([true; 2], true);
        self.done_twice |= done && again && held;
        self.open_overwritten |= done && again && self.was_open;
        self.effect |= done;
        done
    }

    fn late_moves(self) -> Vec<Self> {
        let mut all = vec![self];
        if self.under_way > 0 {
            let mut later = Self { under_way: self.under_way - 1, ..self };
            later.carry_out(false);
            all.push(later);
        }
        all
    }

    /// What other clients and late requests may do between two events.
    fn moves(self) -> Vec<Self> {
        let mut all = self.late_moves();
        if self.moves_left == 0 {
            return all;
        }
        let budget = Self { moves_left: self.moves_left - 1, ..self };
        for at in 0..2 {
            let Slot::Index { uuid, open, restored_over, closed, ours, .. } = self.slots[at] else { continue };
            let mut changed = budget;
            changed.slots[at] = Slot::Index { uuid, open, restored_over, closed, ours, recovery: None };
            all.push(changed);
            if open {
                changed.slots[at] =
                    Slot::Index { uuid, open: false, restored_over, closed: closed + 1, ours, recovery: None };
                all.push(changed);
                // Both at once, so that a repeated restore would find nothing in its way.
                let other = 1 - at;
                if let Slot::Index { uuid, open: true, restored_over, closed, ours, .. } = changed.slots[other] {
                    changed.slots[other] =
                        Slot::Index { uuid, open: false, restored_over, closed: closed + 1, ours, recovery: None };
                    all.push(Self { running: None, ..changed });
                }
            }
            let mut deleted = budget;
            deleted.slots[at] = Slot::Absent;
            deleted.buried[at] += 1;
            if matches!(deleted.slots[1 - at], Slot::Index { .. }) {
                let mut both = deleted;
                both.slots[1 - at] = Slot::Absent;
                both.buried[1 - at] += 1;
                all.push(Self { running: None, ..both });
            }
            all.push(deleted);
        }
        if self.running.is_some() {
            all.push(Self { running: None, ..budget });
        }
        for which in [[true, false], [false, true], [true, true]] {
            let mut theirs = budget;
            if theirs.restore(which, false) {
                theirs.twin |= which == [true; 2];
                all.push(theirs);
            }
        }
        all
    }

    fn send(mut self, environment: Environment, first: bool) -> (Self, Sent) {
        let carried =
            matches!(environment, Environment::Responded | Environment::ResponseLost | Environment::FailedAfter)
                .then(|| self.carry_out(!first));
        let sent = match environment {
            Environment::Responded if carried == Some(true) => Sent::Done,
            Environment::Responded => Sent::Echo,
            Environment::NotSent => Sent::Unsent,
            Environment::Refused => Sent::Refused,
            Environment::FailedAfter | Environment::FailedBefore => Sent::Failed { again: self.failed },
            _ => Sent::Lost(Loss::Broken),
        };
        if environment == Environment::ArrivesLater {
            self.under_way += 1;
        }
        self.failed = matches!(sent, Sent::Failed { .. });
        if self.failed || matches!(sent, Sent::Lost(_)) {
            self.unaccounted += 1;
        }
        (self.checks, self.refused, self.unclear) = (0, 0, 0);
        (self, sent)
    }

    fn marks(&self) -> Marks {
        let index = |slot: &Slot| match slot {
            Slot::Absent => None,
            Slot::Index { uuid, open, restored_over, closed, .. } => Some(json!({
                "state": if *open { "open" } else { "close" },
                "settings": {"index": {"uuid": uuid.to_string()}},
                "mapping_version": restored_over, "settings_version": restored_over + closed, "aliases_version": restored_over,
            })),
        };
        let indices: Map<String, Value> =
            NAMES.iter().zip(&self.slots).filter_map(|(name, slot)| Some(((*name).to_owned(), index(slot)?))).collect();
        serde_json::from_value(json!({"version": 1, "metadata": {"cluster_uuid": "c", "indices": indices}})).unwrap()
    }

    fn tombstones(&self) -> Tombstones {
        let stones: Vec<Value> = NAMES
            .iter()
            .zip(self.buried)
            .flat_map(|(name, count)| {
                (0..count).map(move |n| json!({"index": {"index_name": name, "index_uuid": n.to_string()}}))
            })
            .collect();
        let metadata = json!({"cluster_uuid": "c", "index-graveyard": {"tombstones": stones}});
        serde_json::from_value(json!({"version": 1, "metadata": metadata})).unwrap()
    }

    fn running(&self) -> RunningRestores {
        let Some(which) = self.running else { return RunningRestores::default() };
        let written = || {
            NAMES
                .iter()
                .zip(&self.slots)
                .zip(which)
                .filter(|(_, written)| *written)
                .map(|((name, slot), _)| (name, slot))
        };
        let indices: Vec<&&str> = written().map(|(name, _)| name).collect();
        let shards: Vec<Value> = written()
            .filter_map(|(name, slot)| match slot {
                Slot::Index { uuid, .. } => Some(
                    json!({"index": {"index_name": name, "index_uuid": uuid.to_string()}, "shard": 0, "state": "INIT"}),
                ),
                Slot::Absent => None,
            })
            .collect();
        let restore = json!({"snapshot": "s", "repository": "r", "indices": indices, "shards": shards});
        serde_json::from_value(json!({"restore": {"snapshots": [restore]}})).unwrap()
    }

    fn recoveries(&self) -> Vec<ShardRecovery> {
        let shard = |id: u8| {
            json!({"id": 0, "type": "SNAPSHOT", "stage": "DONE", "primary": true,
            "source": {"repository": "r", "snapshot": "s", "index": "x", "restoreUUID": id.to_string()}})
        };
        let indices: Map<String, Value> = NAMES
            .iter()
            .zip(&self.slots)
            .filter_map(|(name, slot)| match slot {
                Slot::Index { recovery: Some(id), .. } => Some(((*name).to_owned(), json!({"shards": [shard(*id)]}))),
                _ => None,
            })
            .collect();
        read_all(Recoveries::new, &Value::from(indices).to_string()).unwrap()
    }

    fn evidence(&self, lasting: bool) -> RestoreEvidence {
        let source = Source::new("r".parse().unwrap(), "s".parse().unwrap());
        let targets = Targets::exactly(NAMES.map(str::to_owned));
        let earlier = EarlierRestores::new(&source, None, &self.recoveries());
        let (before, tombstones) = if lasting { (Some(self.marks()), Some(self.tombstones())) } else { (None, None) };
        RestoreEvidence::new(source, targets, before, tombstones, earlier)
    }

    /// What a check finds that can see.
    fn observe(&self, before: &World, lasting: bool) -> Sighting {
        let mut evidence = before.evidence(lasting);
        if !lasting {
            let source = evidence.source().clone();
            return evidence.shards_show(&source, &[], &self.recoveries());
        }
        let marks = self.marks();
        match evidence.compare(&marks) {
            Sighting::Unclear => evidence.attribute(&marks, &self.running(), &self.recoveries()),
            sighting => sighting,
        }
    }

    fn check(mut self, after: Duration, sighting: Sighting) -> (Self, Sighting) {
        self.now += u64::try_from(after.as_millis()).unwrap();
        let nothing = matches!(sighting, Sighting::Nothing | Sighting::Barred | Sighting::Unseen);
        if self.checks == 0 {
            self.first_check = self.now;
        }
        self.checks = if nothing { self.checks + 1 } else { 0 };
        self.refused = if sighting == Sighting::Denied { self.refused + 1 } else { 0 };
        self.unclear = if sighting == Sighting::Unclear { self.unclear + 1 } else { 0 };
        (self, sighting)
    }

    /// What is checked right before a repetition.
    fn confirm(&self, before: &World) -> Sighting {
        let mut evidence = before.evidence(true);
        match evidence.compare(&self.marks()) {
            Sighting::Nothing if evidence.needs_tombstones() => evidence.compare_tombstones(&self.tombstones()),
            sighting => sighting,
        }
    }

    fn may_send(&self, first: bool, lasting: bool) -> Result<(), &'static str> {
        match () {
            () if first => Ok(()),
            () if !lasting => Err("sent again on evidence that does not last"),
            () if self.unaccounted == 0 => Err("sent again without a loss"),
            () if self.unaccounted >= SENDS => Err("sent again with too many requests unaccounted for"),
            // Time has passed since that process was there.
            () if self.resumed && self.unaccounted == 1 && self.checks >= 1 => Ok(()),
            () if self.checks < CHECKS || self.now - self.first_check < SPAN => Err("sent again without proof"),
            () => Ok(()),
        }
    }

    fn check_verdict(&self, verdict: Verdict, lasting: bool) -> Result<(), &'static str> {
        match verdict {
            Verdict::Unknown if self.failed && (!lasting || self.unconfirmed) => Ok(()),
            Verdict::Unknown if self.refused < PATIENCE && self.unclear < PATIENCE => {
                Err("gave up although it could still ask")
            }
            Verdict::Done if !self.effect => Err("false success"),
            Verdict::Adopted if !self.effect && !self.twin => Err("adopted another's"),
            Verdict::Refused | Verdict::NotSent
                if self.effect && self.slots.iter().any(|slot| matches!(slot, Slot::Index { ours: true, .. })) =>
            {
                Err("false failure")
            }
            Verdict::Refused | Verdict::NotSent if self.under_way > 0 => {
                Err("certain of a failure that may yet become a success")
            }
            _ => Ok(()),
        }
    }
}

/// All that the finding of a check or a confirmation depends on.
type Scenery = ([Slot; 2], Option<[bool; 2]>, [u8; 2], [Slot; 2], bool);

struct Search {
    lasting: bool,
    seen: HashSet<(Reconciler, Step, World, World, bool, u32)>,
    verdicts: HashSet<Verdict>,
    /// What checks and confirmations find, by all that it depends on.
    found: HashMap<Scenery, Sighting>,
}

impl Search {
    fn find(&mut self, world: &World, before: &World, confirming: bool) -> Sighting {
        let key = (world.slots, world.running, world.buried, before.slots, confirming);
        let lasting = self.lasting;
        *self
            .found
            .entry(key)
            .or_insert_with(|| if confirming { world.confirm(before) } else { world.observe(before, lasting) })
    }

    fn explore(&mut self, machine: Reconciler, step: Step, world: World, before: World, first: bool, left: u32) {
        if !self.seen.insert((machine, step, world, before, first, left)) {
            return;
        }
        let broken = |why: &str| -> ! { panic!("{why}: {machine:?} {step:?} {world:?} {before:?}") };
        if world.done_twice {
            broken("restored again over what an earlier request had restored");
        }
        if world.open_overwritten {
            broken("a repetition restored over what was open");
        }
        match step {
            Step::End(verdict) => {
                self.verdicts.insert(verdict);
                if let Err(why) = world.check_verdict(verdict, self.lasting) {
                    broken(why);
                }
            }
            _ if left == 0 => {
                if world.unaccounted == 0 {
                    broken("unknown at the deadline without a loss");
                }
            }
            Step::Send => {
                if !first {
                    let sighting = self.find(&world, &before, true);
                    if sighting != Sighting::Nothing {
                        let mut machine = machine;
                        let step = machine.may_not_resend(sighting, Duration::from_millis(world.now));
                        let world = World { unconfirmed: true, ..world };
                        self.explore(machine, step, world, before, false, left - 1);
                        return;
                    }
                }
                if let Err(why) = world.may_send(first, self.lasting) {
                    broken(why);
                }
                // A send follows its check at once: other clients' moves in between are the race that the docs
                // describe.
                for world in world.late_moves() {
                    for environment in ENVIRONMENTS {
                        let (world, sent) = world.send(environment, first);
                        let mut machine = machine;
                        let step = machine.sent(sent);
                        self.explore(machine, step, world, before, false, left - 1);
                    }
                }
            }
            Step::Check { after } => {
                for world in world.moves() {
                    for sighting in [self.find(&world, &before, false), Sighting::Blind, Sighting::Denied] {
                        let (world, sighting) = world.check(after, sighting);
                        let mut machine = machine;
                        let step = machine.saw(sighting, Duration::from_millis(world.now));
                        self.explore(machine, step, world, before, false, left - 1);
                    }
                }
            }
        }
    }
}

fn index(uuid: u8, open: bool) -> Slot {
    Slot::Index { uuid, open, restored_over: 0, closed: u8::from(!open), recovery: None, ours: false }
}

fn explore(machine: Reconciler, lasting: bool) -> Search {
    let mut search = Search { lasting, seen: HashSet::new(), verdicts: HashSet::new(), found: HashMap::new() };
    let (absent, closed, open) = (Slot::Absent, |uuid| index(uuid, false), |uuid| index(uuid, true));
    for slots in
        [[absent, absent], [closed(1), absent], [closed(1), closed(2)], [open(1), absent], [open(1), closed(2)]]
    {
        let world = World::new(slots, 3);
        search.explore(machine, Step::Send, world, world, true, DEPTH);
    }
    println!("restores, lasting evidence {lasting}: {} states", search.seen.len());
    search
}

#[test]
fn restoring_reports_the_truth_and_overwrites_nothing_in_every_sequence_of_events() {
    let search = explore(Reconciler::new(), true);

    for verdict in [Verdict::Done, Verdict::Adopted, Verdict::Refused, Verdict::NotSent, Verdict::Unknown] {
        assert!(search.verdicts.contains(&verdict), "{verdict:?} was never reached");
    }
}

/// A process that is gone has prepared the restore. It has not sent it, its request was carried
/// out, or it may yet be.
#[test]
fn starting_a_prepared_restore_again_reports_the_truth_and_overwrites_nothing() {
    let machine = Reconciler::new().resuming();
    let mut search = Search { lasting: true, seen: HashSet::new(), verdicts: HashSet::new(), found: HashMap::new() };
    for slots in [[Slot::Absent, Slot::Absent], [index(1, false), Slot::Absent]] {
        let before = World { unaccounted: 1, resumed: true, ..World::new(slots, 3) };
        let (mut done, later) = (before, World { under_way: 1, ..before });
        done.carry_out(false);
        for world in [before, done, later] {
            // Enough for a check, a send, three checks and another send.
            search.explore(machine, machine.begin(), world, before, false, DEPTH - 2);
        }
    }
    println!("prepared restores: {} states", search.seen.len());

    for verdict in [Verdict::Done, Verdict::Adopted, Verdict::Unknown] {
        assert!(search.verdicts.contains(&verdict), "{verdict:?} was never reached");
    }
}

#[test]
fn restoring_without_lasting_evidence_reports_the_truth_and_sends_once_in_every_sequence_of_events() {
    let search = explore(Reconciler::new().without_resend(), false);

    assert!(search.seen.iter().all(|(_, step, .., first, _)| *first || *step != Step::Send));
}
