//! Creates, clones and deletes, with the checks of their results.

use std::borrow::Borrow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_snapshot::error::Operation;
use es_snapshot::snapshot::SnapshotFailure;
use es_snapshot::wait::HowStarted;
use es_snapshot::{CloneSnapshot, CreateSnapshot, Error, ErrorKind, Outcome, SnapshotPattern};
use serde_json::json;

use crate::round::{Proof, Round, is_proven, is_unsettled, name, repository};
use crate::trouble::{Call, Trouble};
use crate::{BASE, MAIN, Tally};

/// Returns whether the result is an error with an unknown outcome.
fn is_unknown<T, E: Borrow<Error>>(result: &Result<T, E>) -> bool {
    result.as_ref().is_err_and(|error| error.borrow().outcome() == Outcome::Unknown)
}

impl Round {
    pub(crate) async fn create(&mut self, trouble: Trouble, tally: &mut Tally, has_token: bool) {
        let snapshot = name(&format!("snap-{}", self.number));
        let metadata = json!({"call": self.number}).as_object().cloned().unwrap();
        let mut options = CreateSnapshot::new().with_indices(["movies"]).with_metadata(metadata);
        let deletions = Arc::new(Mutex::new(0_usize));
        let mut is_earlier = false;
        if !has_token {
            options = options.without_token();
        } else if self.chance(2) {
            options = options.with_token(format!("chaos-token-{}", self.number).parse().unwrap());
            is_earlier = self.chance(8);
        }
        if is_earlier {
            // As if a process had sent this create and then crashed.
            self.janitor.repository(MAIN).unwrap().create_snapshot(&snapshot, options.clone()).await.unwrap();
        }
        match self.random.u32(..6) {
            0 if !has_token => {
                self.domain.another_client_creates(MAIN, snapshot.as_str());
                self.clock.advance(Duration::from_secs(30));
            }
            0 => {
                let snapshot = snapshot.clone();
                self.interfere(move |domain| {
                    if !domain.snapshots(MAIN).iter().any(|found| found.name == snapshot.as_str()) {
                        domain.another_client_creates(MAIN, snapshot.as_str());
                    }
                });
            }
            1 if !is_earlier => {
                let (snapshot, deletions) = (snapshot.clone(), Arc::clone(&deletions));
                self.interfere(move |domain| {
                    if domain.snapshots(MAIN).iter().any(|found| found.name == snapshot.as_str()) {
                        domain.another_client_deletes(MAIN, snapshot.as_str());
                        *deletions.lock().unwrap() += 1;
                    }
                });
            }
            _ => {}
        }
        let call = if has_token { Call::Create } else { Call::CreateWithoutToken };
        let path = format!("/_snapshot/{MAIN}/{snapshot}");
        self.begin(call, trouble, &path);
        if !has_token && self.snapshot(snapshot.as_str()).is_some() {
            // The client sends only the first check, so that request has the trouble, too.
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
        Self::count_call(tally, &result, is_excused);
        let deletions = *deletions.lock().unwrap();
        let sent = if hold { format!("{path}?wait_for_completion=true") } else { path };
        if !is_proven(&self.events(), "PUT", &sent, Proof::QUICK) {
            self.fail("resent without the promised checks", &result);
        }
        let executed = self.executed(Operation::CreateSnapshot) + usize::from(is_earlier);
        let ours = self.ours();
        let is_foreign = self.snapshot(snapshot.as_str()).is_some() && ours.is_empty();
        if executed > 1 + deletions {
            self.fail("a duplicate", &result);
        }
        match &result {
            Ok(_) if executed == 0 => self.fail("a false success", &result),
            Ok(_) if ours.is_empty() && deletions == 0 => self.fail("a lost snapshot", &result),
            Ok(started) if started.how() == HowStarted::Adopted => {
                let Some(found) = started.info() else { self.fail("adopted a snapshot without returning it", &result) };
                let number = found.metadata().and_then(|metadata| metadata.get("call"));
                if number != Some(&json!(self.number)) {
                    self.fail("adopted another client's snapshot", &result);
                }
                if deletions == 0 && found.uuid() != ours.first().map(|ours| ours.uuid.as_str()) {
                    self.fail("adopted a snapshot with another uuid", &result);
                }
            }
            Ok(_) if is_earlier => self.fail("created again what an earlier process had created", &result),
            Ok(_) => {}
            Err(_) if is_excused => {}
            Err(error) => {
                if !ours.is_empty() {
                    self.fail("a false failure", &result);
                }
                // A create that waits for completion fails if another client deletes the snapshot.
                let is_stopped = hold && deletions > 0;
                let is_taken = is_foreign && error.kind() == ErrorKind::SnapshotNameTaken;
                let is_broken = trouble.explains(error);
                if !(is_taken || is_stopped || is_broken) || error.outcome() == Outcome::Unknown {
                    self.fail("a needless failure", &result);
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
        self.begin(Call::Clone, trouble, &format!("/_snapshot/{MAIN}/{BASE}/_clone/{target}"));
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
        Self::count_call(tally, &result, is_excused);
        let executed = self.executed(Operation::CloneSnapshot);
        match &result {
            _ if executed > 1 => self.fail("a duplicate", &result),
            Ok(_) if executed == 0 => self.fail("a false success", &result),
            Ok(_) => {}
            Err(_) if is_excused => {}
            Err(_) if executed > 0 => self.fail("a false failure", &result),
            Err(error) if trouble.explains(error) => {}
            Err(error)
                if is_foreign
                    && error.kind() == ErrorKind::SnapshotNameTaken
                    && error.outcome() != Outcome::Unknown => {}
            Err(_) => self.fail("a needless failure", &result),
        }
    }

    pub(crate) async fn delete(&mut self, trouble: Trouble, tally: &mut Tally, is_queued: bool) {
        let target = self.other_snapshot();
        let uuid = self.snapshot(target.as_str()).unwrap().uuid;
        let is_missing = self.chance(8);
        if is_missing {
            self.domain.another_client_deletes(MAIN, target.as_str());
        }
        let recreated = Arc::new(Mutex::new(false));
        let mut interferes = false;
        if trouble != Trouble::Late {
            let (target, recreated) = (target.clone(), Arc::clone(&recreated));
            match self.random.u32(..4) {
                0 => {
                    interferes = true;
                    self.interfere(move |domain| {
                        if domain.snapshots(MAIN).iter().any(|found| found.name == target.as_str()) {
                            domain.another_client_deletes(MAIN, target.as_str());
                        }
                    });
                }
                1 if !is_missing => self.interfere(move |domain| {
                    if !domain.snapshots(MAIN).iter().any(|found| found.name == target.as_str()) {
                        domain.another_client_creates(MAIN, target.as_str());
                        *recreated.lock().unwrap() = true;
                    }
                }),
                _ => {}
            }
        }
        if is_queued && !is_missing {
            // A snapshot cannot be deleted while it is being restored.
            let elsewhere = format!("restored-{}-$1", self.number);
            self.domain.another_client_restores(MAIN, target.as_str(), &["books"], Some(("(.+)", &elsewhere)));
        }
        let path = format!("/_snapshot/{MAIN}/{target}");
        self.begin(if is_queued { Call::DeleteQueued } else { Call::Delete }, trouble, &path);
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
        Self::count_call(tally, &result, is_excused);
        if !is_proven(&self.events(), "DELETE", &path, Proof::SLOW) {
            self.fail("resent without the promised checks", &result);
        }
        let executed = self.executed(Operation::DeleteSnapshot);
        let now = self.snapshot(target.as_str());
        if *recreated.lock().unwrap() && now.is_none() {
            self.fail("deleted another client's snapshot", &result);
        }
        match &result {
            _ if executed > 1 => self.fail("deleted twice", &result),
            Ok(()) if now.as_ref().is_some_and(|now| now.uuid == uuid) => self.fail("a false success", &result),
            Ok(()) => {}
            Err(_) if is_excused => {}
            Err(_) if executed > 0 => self.fail("a false failure", &result),
            Err(error) if trouble.explains(error) => {}
            Err(error)
                if (is_missing || interferes)
                    && error.kind() == ErrorKind::SnapshotMissing
                    && error.outcome() != Outcome::Unknown
                    && now.is_none() => {}
            Err(_) => self.fail("a needless failure", &result),
        }
    }

    pub(crate) async fn delete_matching(&mut self, trouble: Trouble, tally: &mut Tally) {
        let main = repository(MAIN);
        let prefix = format!("old-{}-", self.number);
        let mut targets: Vec<String> = (1..=3).map(|at| format!("{prefix}{at}")).collect();
        for target in &targets {
            self.domain.another_client_creates(MAIN, target);
        }
        // This snapshot and the base do not match.
        let neighbour = self.other_snapshot();
        if self.chance(4) {
            let deleted = targets.pop().unwrap();
            self.interfere(move |domain| {
                if domain.snapshots(MAIN).iter().any(|found| found.name == deleted) {
                    domain.another_client_deletes(MAIN, &deleted);
                }
            });
        }
        let affected = self.random.choice(&targets).unwrap().clone();
        self.begin(Call::DeleteMatching, trouble, &format!("/_snapshot/{MAIN}/{affected}"));

        let pattern: SnapshotPattern = format!("{prefix}*").parse().unwrap();
        let result = self.client.repository(&main).unwrap().delete_snapshots(pattern).await;

        let events = self.events();
        let left = |round: &Self, name: &str| round.snapshot(name).is_some();
        let were_there: Vec<bool> = targets.iter().map(|target| left(self, target)).collect();
        self.settle();
        if !left(self, neighbour.as_str()) || !left(self, BASE) {
            self.fail("deleted what does not match", &result);
        }
        let Ok(report) = &result else {
            Self::count_call(tally, &result, false);
            self.fail("a needless failure", &result)
        };
        for (target, was_there) in targets.iter().zip(were_there) {
            let failed = report.failed().iter().find(|failed| failed.name() == target).map(SnapshotFailure::error);
            if failed.is_none() && !report.deleted().contains(target) {
                self.fail("omitted a snapshot", &result);
            }
            let of_it = &failed.map_or(Ok(()), Err);
            let events = events.iter().filter(|event| event.path.split(['/', '?']).any(|segment| segment == target));
            let is_excused = is_unknown(of_it) && is_unsettled(&events.cloned().collect::<Vec<_>>());
            Self::count_call(tally, of_it, is_excused);
            match of_it {
                Ok(()) if was_there => self.fail("a false success", &result),
                Ok(()) => {}
                Err(_) if is_excused => {}
                Err(_) if !left(self, target) => self.fail("a false failure", &result),
                Err(error) if trouble.explains(error) => {}
                // The client does not delete what it may not read, because it cannot identify it.
                Err(error) if trouble == Trouble::Unreadable && error.outcome() != Outcome::Unknown => {}
                Err(_) => self.fail("a needless failure", &result),
            }
        }
    }
}
