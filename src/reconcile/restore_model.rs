//! An exhaustive search for restores: every sequence of events, against a small model of the
//! server.
//!
//! The model has two indices, the targets of a restore:
//!
//! * A restore is one update of both. It is refused if one of them is open. It creates an absent
//!   one, and overwrites a closed one.
//! * Between two events other clients may close, delete or restore one of them, or both.
//! * A recovery may vanish, as it does when an index is closed, hidden or moved, or its node
//!   restarts.
//! * The running restore may end, and is then no longer shown.
//! * A request with a lost response was carried out, was not, or will be later.
//! * A request that the server reports as failed was carried out before that, or not at all.
//!
//! The evidence and the machine under test are those that the client uses.

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

/// The number of events in a sequence, and how many of them other clients may cause.
const DEPTH: u32 = 9;
const MOVES: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Slot {
    Absent,
    Index {
        uuid: u8,
        open: bool,
        /// How often it was restored over and how often it was closed, as its counters show.
        restored_over: u8,
        closed: u8,
        /// The id of the restore that its recovery shows.
        recovery: Option<u8>,
        /// Whether its data comes from a restore by this call.
        ours: bool,
    },
}

#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct World {
    slots: [Slot; 2],
    /// Which of the two indices the running restore writes.
    running: Option<[bool; 2]>,
    /// How many indices of each name were deleted.
    deleted: [u8; 2],
    next_id: u8,
    moves_left: u8,
    under_way: u8,
    effect: bool,
    /// Whether another client has made an identical restore since the first send. It cannot be
    /// distinguished from this call's.
    identical_restore: bool,
    /// Whether a resent request was carried out although an earlier one had been.
    done_twice: bool,
    /// Whether a target was open before the first send, so that it has another client's data.
    was_open: bool,
    /// Whether a resent request restored over that target.
    open_overwritten: bool,
    unaccounted: u8,
    /// Whether an earlier process prepared the restore, and may have sent the first request.
    resumed: bool,
    failed: bool,
    /// Whether the check before a resend did not allow it.
    unconfirmed: bool,
    checks: u32,
    first_check: u64,
    /// How many checks in a row were refused, and how many found a change that cannot be
    /// attributed.
    refused: u32,
    unclear: u32,
    now: u64,
}

/// What happens to a request, and to its response.
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
    fn new(slots: [Slot; 2], next_id: u8) -> Self {
        Self {
            slots,
            running: None,
            deleted: [0; 2],
            next_id,
            moves_left: MOVES,
            under_way: 0,
            effect: false,
            identical_restore: false,
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

    /// Restores the chosen indices, unless one of them is open. Returns whether it did.
    fn restore(&mut self, which: [bool; 2], by_us: bool) -> bool {
        let wanted = || (0..2).filter(|at| which[*at]);
        if wanted().any(|at| matches!(self.slots[at], Slot::Index { open: true, .. })) {
            return false;
        }
        let id = self.next_id;
        self.next_id += 1;
        for at in wanted() {
            self.slots[at] = match self.slots[at] {
                Slot::Absent => {
                    self.next_id += 1;
                    Slot::Index {
                        uuid: self.next_id,
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

    /// The server carries out a request of this call, unless it refuses it. Returns whether it did.
    fn carry_out(&mut self, again: bool) -> bool {
        let has_own_data = self.slots.iter().any(|slot| matches!(slot, Slot::Index { ours: true, .. }));
        let done = self.restore([true; 2], true);
        self.done_twice |= done && again && has_own_data;
        self.open_overwritten |= done && again && self.was_open;
        self.effect |= done;
        done
    }

    /// Returns the states that late requests alone can lead to.
    fn late_moves(self) -> Vec<Self> {
        let mut all = vec![self];
        if self.under_way > 0 {
            let mut later = Self { under_way: self.under_way - 1, ..self };
            later.carry_out(false);
            all.push(later);
        }
        all
    }

    /// Returns the states that other clients and late requests can lead to between two events.
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
                // Both at once, so that a resent restore would not be refused.
                let other = 1 - at;
                if let Slot::Index { uuid, open: true, restored_over, closed, ours, .. } = changed.slots[other] {
                    changed.slots[other] =
                        Slot::Index { uuid, open: false, restored_over, closed: closed + 1, ours, recovery: None };
                    all.push(Self { running: None, ..changed });
                }
            }
            let mut one = budget;
            one.slots[at] = Slot::Absent;
            one.deleted[at] += 1;
            if matches!(one.slots[1 - at], Slot::Index { .. }) {
                let mut both = one;
                both.slots[1 - at] = Slot::Absent;
                both.deleted[1 - at] += 1;
                all.push(Self { running: None, ..both });
            }
            all.push(one);
        }
        if self.running.is_some() {
            all.push(Self { running: None, ..budget });
        }
        for which in [[true, false], [false, true], [true, true]] {
            let mut theirs = budget;
            if theirs.restore(which, false) {
                theirs.identical_restore |= which == [true; 2];
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
            .zip(self.deleted)
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

    /// Returns what a check finds if nothing keeps it from reading the state.
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

    /// Returns what the check right before a resend finds.
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
            // Time has passed since the earlier process ran.
            () if self.resumed && self.unaccounted == 1 && self.checks >= 1 => Ok(()),
            () if self.checks < CHECKS || self.now - self.first_check < SPAN => Err("sent again without proof"),
            () => Ok(()),
        }
    }

    fn check_verdict(&self, verdict: Verdict, lasting: bool) -> Result<(), &'static str> {
        match verdict {
            Verdict::Unknown if self.failed && (!lasting || self.unconfirmed) => Ok(()),
            Verdict::Unknown if self.refused < PATIENCE && self.unclear < PATIENCE => {
                Err("gave up although it could still check")
            }
            Verdict::Done if !self.effect => Err("false success"),
            Verdict::Adopted if !self.effect && !self.identical_restore => Err("adopted another client's restore"),
            Verdict::Refused | Verdict::NotSent
                if self.effect && self.slots.iter().any(|slot| matches!(slot, Slot::Index { ours: true, .. })) =>
            {
                Err("false failure")
            }
            Verdict::Refused | Verdict::NotSent if self.under_way > 0 => {
                Err("certain of a failure that may still become a success")
            }
            _ => Ok(()),
        }
    }
}

/// Everything that the finding of a check depends on.
type FindingKey = ([Slot; 2], Option<[bool; 2]>, [u8; 2], [Slot; 2], bool);

struct Search {
    lasting: bool,
    seen: HashSet<(Reconciler, Step, World, World, bool, u32)>,
    verdicts: HashSet<Verdict>,
    /// What checks have found so far.
    found: HashMap<FindingKey, Sighting>,
}

impl Search {
    fn find(&mut self, world: &World, before: &World, confirming: bool) -> Sighting {
        let key = (world.slots, world.running, world.deleted, before.slots, confirming);
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
        let fail = |why: &str| -> ! { panic!("{why}: {machine:?} {step:?} {world:?} {before:?}") };
        if world.done_twice {
            fail("a resend restored over what an earlier request had restored");
        }
        if world.open_overwritten {
            fail("a resend restored over an index that was open");
        }
        match step {
            Step::End(verdict) => {
                self.verdicts.insert(verdict);
                if let Err(why) = world.check_verdict(verdict, self.lasting) {
                    fail(why);
                }
            }
            _ if left == 0 => {
                if world.unaccounted == 0 {
                    fail("unknown at the deadline without a loss");
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
                    fail(why);
                }
                // A resend follows its check at once. The docs describe the race with other clients
                // between the two.
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
fn restore_reports_no_false_outcome_and_overwrites_nothing_in_any_sequence_of_events() {
    let search = explore(Reconciler::new(), true);

    for verdict in [Verdict::Done, Verdict::Adopted, Verdict::Refused, Verdict::NotSent, Verdict::Unknown] {
        assert!(search.verdicts.contains(&verdict), "{verdict:?} was never reached");
    }
}

/// An earlier process has prepared the restore. It has not sent the request, or the request was
/// carried out, or it may still be.
#[test]
fn restarting_a_prepared_restore_reports_no_false_outcome_and_overwrites_nothing() {
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
fn restore_without_lasting_evidence_sends_once_and_reports_no_false_outcome() {
    let search = explore(Reconciler::new().without_resend(), false);

    assert!(search.seen.iter().all(|(_, step, .., first, _)| *first || *step != Step::Send));
}
