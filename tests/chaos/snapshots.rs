//! Creates, clones and deletes, each with what has to be true of its result.

use std::borrow::Borrow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_snapshot::error::Operation;
use es_snapshot::snapshot::SnapshotFailure;
use es_snapshot::wait::HowStarted;
use es_snapshot::{CloneSnapshot, CreateSnapshot, Error, ErrorKind, Outcome, SnapshotPattern};
use serde_json::json;

use crate::round::{Proof, Round, is_unsettled, name, proven, repository};
use crate::trouble::{Act, Trouble};
use crate::{BASE, MAIN, Tally};

/// Whether the error says that nobody knows, which a client may say where it could read nothing.
fn is_unknown<T, E: Borrow<Error>>(result: &Result<T, E>) -> bool {
    result.as_ref().is_err_and(|error| error.borrow().outcome() == Outcome::Unknown)
}

impl Round {
    pub(crate) async fn create(&mut self, trouble: Trouble, tally: &mut Tally, marked: bool) {
        let snapshot = name(&format!("snap-{}", self.number));
        let metadata = json!({"call": self.number}).as_object().cloned().unwrap();
        let mut options = CreateSnapshot::new().with_indices(["movies"]).with_metadata(metadata);
        let deletions = Arc::new(Mutex::new(0_usize));
        let mut is_earlier = false;
        if !marked {
            options = options.without_token();
        } else if self.chance(2) {
            options = options.with_token(format!("chaos-token-{}", self.number).parse().unwrap());
            is_earlier = self.chance(8);
        }
        if is_earlier {
            // A process that crashed had sent this already.
            self.janitor.repository(MAIN).unwrap().create_snapshot(&snapshot, options.clone()).await.unwrap();
        }
        match self.random.u32(..6) {
            0 if !marked => {
                self.domain.another_client_creates(MAIN, snapshot.as_str());
                self.clock.advance(Duration::from_secs(30));
            }
            0 => {
                let snapshot = snapshot.clone();
                self.meddle(move |domain| {
                    if !domain.snapshots(MAIN).iter().any(|found| found.name == snapshot.as_str()) {
                        domain.another_client_creates(MAIN, snapshot.as_str());
                    }
                });
            }
            1 if !is_earlier => {
                let (snapshot, deletions) = (snapshot.clone(), Arc::clone(&deletions));
                self.meddle(move |domain| {
                    if domain.snapshots(MAIN).iter().any(|found| found.name == snapshot.as_str()) {
                        domain.another_client_deletes(MAIN, snapshot.as_str());
                        *deletions.lock().unwrap() += 1;
                    }
                });
            }
            _ => {}
        }
        let act = if marked { Act::Create } else { Act::CreateUnmarked };
        let path = format!("/_snapshot/{MAIN}/{snapshot}");
        self.begin(act, trouble, &path);
        if !marked && self.snapshot(snapshot.as_str()).is_some() {
            // Nothing but the first look will be sent.
            self.arm(trouble, "GET", &path);
        }

        let hold = self.chance(4);
        let repository = repository(MAIN);
        let result = if hold {
            self.client
                .repository(&repository)
                .unwrap()
                .create_snapshot(&snapshot, options.clone().with_wait_for_completion(true))
                .await
        } else {
            self.client.repository(&repository).unwrap().create_snapshot(&snapshot, options).await
        };

        let is_excused = is_unknown(&result) && self.is_unsettled();
        self.settle();
        Self::note(tally, &result, is_excused);
        let deletions = *deletions.lock().unwrap();
        let sent = if hold { format!("{path}?wait_for_completion=true") } else { path };
        if !proven(&self.events(), "PUT", &sent, Proof::QUICK) {
            self.broken("sent again without proof", &result);
        }
        let executed = self.executed(Operation::CreateSnapshot) + usize::from(is_earlier);
        let ours = self.ours();
        let is_foreign = self.snapshot(snapshot.as_str()).is_some() && ours.is_empty();
        if executed > 1 + deletions {
            self.broken("a duplicate", &result);
        }
        match &result {
            Ok(_) if executed == 0 => self.broken("a false success", &result),
            Ok(_) if ours.is_empty() && deletions == 0 => self.broken("a lost snapshot", &result),
            Ok(started) if started.how() == HowStarted::Adopted => {
                let Some(found) = started.info() else { self.broken("adopted what it does not show", &result) };
                let mark = found.metadata().and_then(|metadata| metadata.get("call"));
                if mark != Some(&json!(self.number)) {
                    self.broken("adopted another's", &result);
                }
                if deletions == 0 && found.uuid() != ours.first().map(|ours| ours.uuid.as_str()) {
                    self.broken("adopted by a wrong uuid", &result);
                }
            }
            Ok(_) if is_earlier => self.broken("made anew what an earlier process had made", &result),
            Ok(_) => {}
            Err(_) if is_excused => {}
            Err(error) => {
                if !ours.is_empty() {
                    self.broken("a false failure", &result);
                }
                // One that is held is told that another client stopped it.
                let is_stopped = hold && deletions > 0;
                let is_taken = is_foreign && error.kind() == ErrorKind::SnapshotNameTaken;
                let is_broken = trouble.excuses(error);
                if !(is_taken || is_stopped || is_broken) || error.outcome() == Outcome::Unknown {
                    self.broken("a needless failure", &result);
                }
            }
        }
    }

    pub(crate) async fn clone_base(&mut self, trouble: Trouble, tally: &mut Tally) {
        let target = name(&format!("clone-{}", self.number));
        let is_foreign = self.chance(8);
        if is_foreign {
            self.domain.another_client_creates(MAIN, target.as_str());
            self.clock.advance(Duration::from_secs(30));
        }
        self.begin(Act::Clone, trouble, &format!("/_snapshot/{MAIN}/{BASE}/_clone/{target}"));
        if is_foreign {
            self.arm(trouble, "GET", &format!("/_snapshot/{MAIN}/{target}"));
        }

        let options = CloneSnapshot::new(["movies"]);
        let result = self
            .client
            .repository(repository(MAIN))
            .unwrap()
            .snapshot(name(BASE))
            .unwrap()
            .clone_to(&target, options)
            .await;

        let is_excused = is_unknown(&result) && self.is_unsettled();
        self.settle();
        Self::note(tally, &result, is_excused);
        let executed = self.executed(Operation::CloneSnapshot);
        match &result {
            _ if executed > 1 => self.broken("a duplicate", &result),
            Ok(_) if executed == 0 => self.broken("a false success", &result),
            Ok(_) => {}
            Err(_) if is_excused => {}
            Err(_) if executed > 0 => self.broken("a false failure", &result),
            Err(error) if trouble.excuses(error) => {}
            Err(error)
                if is_foreign
                    && error.kind() == ErrorKind::SnapshotNameTaken
                    && error.outcome() != Outcome::Unknown => {}
            Err(_) => self.broken("a needless failure", &result),
        }
    }

    pub(crate) async fn delete(&mut self, trouble: Trouble, tally: &mut Tally, is_queued: bool) {
        let target = self.other_snapshot();
        let uuid = self.snapshot(target.as_str()).unwrap().uuid;
        let is_missing = self.chance(8);
        if is_missing {
            self.domain.another_client_deletes(MAIN, target.as_str());
        }
        let remade = Arc::new(Mutex::new(false));
        let mut meddles = false;
        if trouble != Trouble::Late {
            let (target, remade) = (target.clone(), Arc::clone(&remade));
            match self.random.u32(..4) {
                0 => {
                    meddles = true;
                    self.meddle(move |domain| {
                        if domain.snapshots(MAIN).iter().any(|found| found.name == target.as_str()) {
                            domain.another_client_deletes(MAIN, target.as_str());
                        }
                    });
                }
                1 if !is_missing => self.meddle(move |domain| {
                    if !domain.snapshots(MAIN).iter().any(|found| found.name == target.as_str()) {
                        domain.another_client_creates(MAIN, target.as_str());
                        *remade.lock().unwrap() = true;
                    }
                }),
                _ => {}
            }
        }
        if is_queued && !is_missing {
            // A snapshot that is being restored cannot be deleted yet.
            let elsewhere = format!("restored-{}-$1", self.number);
            self.domain.another_client_restores(MAIN, target.as_str(), &["books"], Some(("(.+)", &elsewhere)));
        }
        let path = format!("/_snapshot/{MAIN}/{target}");
        self.begin(if is_queued { Act::DeleteQueued } else { Act::Delete }, trouble, &path);
        if is_missing {
            self.arm(trouble, "GET", &path);
        }

        let queue = Duration::from_secs(if is_queued { 120 } else { 0 });
        let result = self
            .client
            .with_queue_time(queue)
            .repository(repository(MAIN))
            .unwrap()
            .snapshot(&target)
            .unwrap()
            .delete()
            .await;

        let is_excused = is_unknown(&result) && self.is_unsettled();
        self.settle();
        Self::note(tally, &result, is_excused);
        if !proven(&self.events(), "DELETE", &path, Proof::SLOW) {
            self.broken("sent again without proof", &result);
        }
        let executed = self.executed(Operation::DeleteSnapshot);
        let now = self.snapshot(target.as_str());
        if *remade.lock().unwrap() && now.is_none() {
            self.broken("deleted another's", &result);
        }
        match &result {
            _ if executed > 1 => self.broken("deleted twice", &result),
            Ok(()) if now.as_ref().is_some_and(|now| now.uuid == uuid) => self.broken("a false success", &result),
            Ok(()) => {}
            Err(_) if is_excused => {}
            Err(_) if executed > 0 => self.broken("a false failure", &result),
            Err(error) if trouble.excuses(error) => {}
            Err(error)
                if (is_missing || meddles)
                    && error.kind() == ErrorKind::SnapshotMissing
                    && error.outcome() != Outcome::Unknown
                    && now.is_none() => {}
            Err(_) => self.broken("a needless failure", &result),
        }
    }

    pub(crate) async fn delete_matching(&mut self, trouble: Trouble, tally: &mut Tally) {
        let main = repository(MAIN);
        let prefix = format!("old-{}-", self.number);
        let mut targets: Vec<String> = (1..=3).map(|at| format!("{prefix}{at}")).collect();
        for target in &targets {
            self.domain.another_client_creates(MAIN, target);
        }
        // Neither matches.
        let neighbour = self.other_snapshot();
        if self.chance(4) {
            let gone = targets.pop().unwrap();
            self.meddle(move |domain| {
                if domain.snapshots(MAIN).iter().any(|found| found.name == gone) {
                    domain.another_client_deletes(MAIN, &gone);
                }
            });
        }
        let struck = self.random.choice(&targets).unwrap().clone();
        self.begin(Act::DeleteMatching, trouble, &format!("/_snapshot/{MAIN}/{struck}"));

        let pattern: SnapshotPattern = format!("{prefix}*").parse().unwrap();
        let result = self.client.repository(&main).unwrap().delete_snapshots(pattern).await;

        let events = self.events();
        let left = |round: &Self, name: &str| round.snapshot(name).is_some();
        let there: Vec<bool> = targets.iter().map(|target| left(self, target)).collect();
        self.settle();
        if !left(self, neighbour.as_str()) || !left(self, BASE) {
            self.broken("deleted what does not match", &result);
        }
        let Ok(report) = &result else {
            Self::note(tally, &result, false);
            self.broken("a needless failure", &result)
        };
        for (target, was_there) in targets.iter().zip(there) {
            let failed = report.failed().iter().find(|failed| failed.name() == target).map(SnapshotFailure::error);
            if failed.is_none() && !report.deleted().contains(target) {
                self.broken("left one out", &result);
            }
            let of_it = &failed.map_or(Ok(()), Err);
            let events = events.iter().filter(|event| event.path.split(['/', '?']).any(|segment| segment == target));
            let is_excused = is_unknown(of_it) && is_unsettled(&events.cloned().collect::<Vec<_>>());
            Self::note(tally, of_it, is_excused);
            match of_it {
                Ok(()) if was_there => self.broken("a false success", &result),
                Ok(()) => {}
                Err(_) if is_excused => {}
                Err(_) if !left(self, target) => self.broken("a false failure", &result),
                Err(error) if trouble.excuses(error) => {}
                // What may not be read may not be told apart, so it is not deleted either.
                Err(error) if trouble == Trouble::Unreadable && error.outcome() != Outcome::Unknown => {}
                Err(_) => self.broken("a needless failure", &result),
            }
        }
    }
}
