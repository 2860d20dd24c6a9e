//! Restores of one index or several, while other clients close, hide, move or write to the restored
//! indices.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_snapshot::error::Operation;
use es_snapshot::name::IndexName;
use es_snapshot::restore::UnrestoredShard;
use es_snapshot::testing::{Event, FakeDomain, ManualClock};
use es_snapshot::wait::RestoreTicket;
use es_snapshot::{ErrorKind, Outcome, RestoreSnapshot};

use crate::round::{Round, is_ours, name, repository};
use crate::trouble::{Call, Trouble};
use crate::waits::end;
use crate::{BASE, MAIN, Tally};

/// The indices of [`BASE`] and their numbers of shards. The last one is hidden.
const SOURCES: [(&str, u32); 3] = [("movies", 2), ("books", 1), ("attic", 1)];

/// What another client does to the indices of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interference {
    Close,
    Hide,
    Relocate,
    RestartNodes,
    WriteAndClose,
    Delete,
    Alter,
    ElectMaster,
    /// Creates an index where the restore has none yet, writes to it and closes it.
    Occupy,
    /// Restores one of several indices under the names of this restore.
    RestoreOne,
    /// Restores the same snapshot under other names.
    RestoreElsewhere,
}

impl Interference {
    const ALL: [Self; 11] = [
        Self::Close,
        Self::Hide,
        Self::Relocate,
        Self::RestartNodes,
        Self::WriteAndClose,
        Self::Delete,
        Self::Alter,
        Self::ElectMaster,
        Self::Occupy,
        Self::RestoreOne,
        Self::RestoreElsewhere,
    ];

    /// Returns whether this can remove the evidence that a restore is the client's own.
    fn obscures(self) -> bool {
        !matches!(self, Self::Hide | Self::ElectMaster | Self::RestoreElsewhere)
    }
}

/// What the test records about a call.
#[derive(Debug, Default)]
struct Record {
    /// What another client did, if anything.
    done: Option<Interference>,
    /// Writes after the restore was sent: the index, its number of documents, and the number of
    /// events until then.
    written: Vec<(String, u64, usize)>,
    /// Whether another client has taken a name of this restore.
    is_taken: bool,
}

/// What an interference needs.
struct Scene {
    domain: FakeDomain,
    clock: ManualClock,
    targets: Vec<(String, u32)>,
    prefix: String,
    record: Arc<Mutex<Record>>,
    has_sent: bool,
}

impl Scene {
    fn run(&self, interference: Interference) {
        // Running restores end.
        self.clock.advance(Duration::from_secs(5));
        let domain = &self.domain;
        let open =
            |target: &&(String, u32)| domain.is_open(&target.0) == Some(true) && !domain.is_being_restored(&target.0);
        let opened: Vec<&(String, u32)> = self.targets.iter().filter(open).collect();
        let mut is_done = !opened.is_empty();
        match interference {
            Interference::Close => opened.iter().for_each(|(name, _)| domain.close_index(name)),
            Interference::Hide => opened.iter().for_each(|(name, _)| domain.hide_index(name)),
            Interference::Relocate => opened.iter().for_each(|(name, shards)| {
                (0..*shards).for_each(|shard| domain.relocate_shard(name, shard));
            }),
            Interference::RestartNodes => domain.restart_node(),
            Interference::WriteAndClose => opened.iter().for_each(|(name, _)| {
                self.write(name);
                domain.close_index(name);
            }),
            Interference::Delete => opened.iter().for_each(|(name, _)| domain.delete_index(name)),
            Interference::Alter => opened.iter().for_each(|(name, _)| {
                domain.add_field(name);
                domain.change_settings(name);
                domain.add_alias(name, "latest");
            }),
            Interference::ElectMaster => domain.elect_master(),
            Interference::Occupy => {
                let absent = self.targets.iter().find(|(name, _)| domain.is_open(name).is_none());
                is_done = absent.is_some();
                if let Some((name, shards)) = absent {
                    domain.create_index(name, *shards);
                    self.write(name);
                    domain.close_index(name);
                    self.record.lock().unwrap().is_taken = true;
                }
            }
            Interference::RestoreOne => {
                is_done = self.targets.len() > 1 && domain.is_open(&self.targets[0].0) != Some(true);
                if is_done {
                    self.restore(&format!("{}$1", self.prefix), 1);
                    self.record.lock().unwrap().is_taken = true;
                }
            }
            Interference::RestoreElsewhere => {
                is_done = true;
                self.restore(&format!("{}elsewhere-$1", self.prefix), 3);
            }
        }
        if is_done {
            self.record.lock().unwrap().done = Some(interference);
        }
    }

    /// Writes a document. If the restore was sent before, records that a resend must not remove it.
    fn write(&self, index: &str) {
        self.domain.write(index);
        if self.has_sent {
            let documents = self.domain.documents(index).unwrap();
            self.record.lock().unwrap().written.push((index.to_owned(), documents, self.domain.event_count()));
        }
    }

    /// Restores the sources of the first `count` targets as another client.
    fn restore(&self, replacement: &str, count: usize) {
        let sources: Vec<&str> =
            self.targets.iter().take(count).filter_map(|(name, _)| name.rsplit('-').next()).collect();
        self.domain.another_client_restores(MAIN, BASE, &sources, Some(("(.+)", replacement)));
    }
}

impl Round {
    /// Restores to targets that do not exist, or with `over_closed` to closed indices.
    pub(crate) async fn restore(&mut self, trouble: Trouble, tally: &mut Tally, over_closed: bool) {
        let prefix = format!("restored-{}-", self.number);
        let mut sources = SOURCES.to_vec();
        self.random.shuffle(&mut sources);
        sources.truncate(self.random.usize(1..=3));
        let targets: Vec<(String, u32)> =
            sources.iter().map(|(name, shards)| (format!("{prefix}{name}"), *shards)).collect();
        let was_taken = self.chance(40);
        if was_taken {
            self.domain.create_index(&targets[0].0, targets[0].1);
        }
        for (target, shards) in targets.iter().skip(usize::from(was_taken)).filter(|_| over_closed) {
            self.domain.create_index(target, *shards);
            self.domain.write(target);
            self.domain.close_index(target);
        }
        if self.chance(2) {
            // A restore of the same snapshot under other names is already running.
            let elsewhere = format!("{prefix}earlier-$1");
            self.domain.another_client_restores(MAIN, BASE, &[], Some(("(.+)", &elsewhere)));
        }
        let record = Arc::new(Mutex::new(Record::default()));
        if self.chance(2) {
            self.plan_interference(&prefix, &targets, &record);
        }
        let call = if over_closed { Call::RestoreOverClosed } else { Call::Restore };
        self.begin(call, trouble, &format!("/_snapshot/{MAIN}/{BASE}/_restore"));

        let names = sources.iter().map(|(name, _)| *name);
        let options = RestoreSnapshot::new().with_indices(names).with_rename("(.+)", format!("{prefix}$1"));
        let result =
            self.client.repository(repository(MAIN)).unwrap().snapshot(name(BASE)).unwrap().restore(options).await;

        let executed_in_time = self.executed(Operation::RestoreSnapshot);
        let is_unsettled = self.is_unsettled();
        self.settle();
        let record = std::mem::take(&mut *record.lock().unwrap());
        let is_obscured = record.done.is_some_and(Interference::obscures) || was_taken;
        Self::count_call(tally, &result, is_unsettled || is_obscured);
        self.check_effects(&record, &result);
        match &result {
            Ok(_) if executed_in_time == 0 => self.fail("a false success", &(&result, &record)),
            Ok(_) => {}
            Err(error) if error.outcome() == Outcome::Unknown => {}
            Err(_) if self.executed(Operation::RestoreSnapshot) > 0 => {
                self.fail("a false failure", &(&result, &record))
            }
            Err(error) if trouble.explains(error) => {}
            Err(error) if (was_taken || record.is_taken) && error.kind() == ErrorKind::Restore => {}
            Err(_) => self.fail("a needless failure", &(&result, &record)),
        }
    }

    fn plan_interference(&mut self, prefix: &str, targets: &[(String, u32)], record: &Arc<Mutex<Record>>) {
        let interference = *self.random.choice(&Interference::ALL).unwrap();
        let sent = self.wire.has_sent();
        let clock = self.clock.clone();
        let (prefix, targets, record) = (prefix.to_owned(), targets.to_vec(), Arc::clone(record));
        self.interfere(move |domain| {
            let has_sent = sent.load(Ordering::Relaxed);
            Scene { domain: domain.clone(), clock, targets, prefix, record, has_sent }.run(interference);
        });
    }

    /// Asserts that nothing was restored twice, and that no resend overwrote later documents.
    fn check_effects(&self, record: &Record, result: &dyn std::fmt::Debug) {
        let events = self.events();
        let done =
            |event: &&Event| event.executed && event.operation == Some(Operation::RestoreSnapshot) && is_ours(event);
        let restores: Vec<&Event> = events.iter().filter(done).collect();
        // The client cannot prevent a lost request from arriving after its resend.
        if restores.iter().skip(1).any(|event| event.fault != Some("late")) {
            self.fail("a duplicate", &(result, record));
        }
        for (index, documents, at) in &record.written {
            let is_lost = self.domain.documents(index) != Some(*documents);
            let after = self.domain.events_since(*at);
            if is_lost && after.iter().filter(done).any(|event| event.fault != Some("late")) {
                self.fail("overwrote what was written after the restore", &(result, record));
            }
        }
    }

    pub(crate) async fn wait_for_restore(&mut self, trouble: Trouble, tally: &mut Tally) {
        let source = self.other_snapshot();
        let target: IndexName = format!("restored-{}-movies", self.number).parse().unwrap();
        let failing = self.chance(3).then(|| self.random.u32(..2));
        if let Some(shard) = failing {
            self.domain.fail_restore_shard(target.as_str(), shard);
        } else if self.chance(3) {
            // The server retries these by itself.
            self.domain.fail_restore_shard_times(target.as_str(), self.random.u32(..2), self.random.u32(1..=4));
        }
        let restore = |round: &Self, prefix: &str| {
            let replacement = format!("{prefix}$1");
            round.domain.another_client_restores(MAIN, source.as_str(), &["movies"], Some(("(.+)", &replacement)));
        };
        if self.chance(3) {
            // An earlier restore of the same snapshot has failed.
            let prefix = format!("restored-{}-earlier-", self.number);
            self.domain.fail_restore_shard(&format!("{prefix}movies"), 0);
            restore(self, &prefix);
        }
        restore(self, &format!("restored-{}-", self.number));
        if self.chance(3) {
            let target = target.to_string();
            self.interfere(move |domain| domain.hide_index(&target));
        }
        let path = if self.random.bool() { "/_cat/shards" } else { "/_recovery" };
        self.begin(Call::WaitForRestore, trouble, path);

        let wait = self
            .client
            .resume(RestoreTicket::new(repository(MAIN), &source).unwrap().with_index(target.clone().as_str()));
        let result = if self.chance(3) { end(wait.progress()).await } else { wait.await };

        self.settle();
        Self::count_call(tally, &result, false);
        let Ok(report) = &result else { self.fail("a needless failure", &result) };
        let unrestored: Vec<Option<u32>> = report.unrestored().iter().map(UnrestoredShard::shard).collect();
        let expected: Vec<Option<u32>> = failing.into_iter().map(Some).collect();
        if report.indices() != [target.as_str()] || unrestored != expected {
            self.fail("a wrong report", &result);
        }
    }
}
