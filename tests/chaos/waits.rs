//! Waits, and calls that must end with an unknown outcome.

use std::sync::atomic::Ordering;

use es_snapshot::error::Operation;
use es_snapshot::testing::{FakeOutcome, Fault};
use es_snapshot::wait::{WaitStream, WaitUpdate};
use es_snapshot::{CloneSnapshot, CreateSnapshot, Error, ErrorKind, Outcome, RestoreSnapshot};
use futures_util::TryStreamExt as _;
use serde_json::json;

use crate::round::{Round, name, repository};
use crate::trouble::{Call, Trouble};
use crate::{BASE, MAIN, Tally};

/// Returns the outcome that ends a progress stream.
pub(crate) async fn end<O>(mut progress: WaitStream<O>) -> Result<O, Error> {
    while let Some(update) = progress.try_next().await? {
        if let WaitUpdate::Ended(outcome) = update {
            return Ok(outcome);
        }
    }
    panic!("the stream ended without an outcome");
}

/// Waits. Each must end with the right outcome.
impl Round {
    pub(crate) async fn wait_for_snapshot(&mut self, trouble: Trouble, tally: &mut Tally) {
        let target = name(&format!("waited-{}", self.number));
        let outcome = match self.random.u32(..4) {
            0 => FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 1)] },
            1 => FakeOutcome::Failed { reason: "no space".to_owned() },
            _ => FakeOutcome::Success,
        };
        self.domain.plan_snapshot(outcome);
        self.domain.another_client_creates(MAIN, target.as_str());
        let uuid = self.snapshot(target.as_str()).unwrap().uuid;
        let path = format!("/_snapshot/{MAIN}/{target}");
        let interferes = self.chance(8);
        if interferes {
            let (target, creates) = (target.clone(), self.random.bool());
            self.interfere(move |domain| {
                domain.another_client_deletes(MAIN, target.as_str());
                if creates {
                    domain.another_client_creates(MAIN, target.as_str());
                }
            });
        }
        self.begin(Call::WaitForSnapshot, trouble, &path);
        // Not with a moved clock, because this response would reveal it.
        if trouble != Trouble::Skew && self.chance(3) {
            // As right after a create, when not every node has the snapshot yet.
            let body = json!({"error": {"type": "snapshot_missing_exception", "reason": "is missing"}, "status": 404})
                .to_string();
            let times = self.random.u32(1..=4);
            let first = Fault::status(404, body, "application/json").on(move |_, target| target == path).times(times);
            self.domain.fault(first);
        }

        let wait = self.client.repository(repository(MAIN)).unwrap().snapshot(&target).unwrap().wait();
        let result = if self.chance(3) { end(wait.progress()).await } else { wait.await };

        let now = self.snapshot(target.as_str());
        self.settle();
        Self::count_call(tally, &result, false);
        match (&result, now) {
            (Ok(found), Some(now)) => {
                if found.uuid() != Some(now.uuid.as_str()) || found.state().as_str() != now.state || now.end.is_none() {
                    self.fail("a wrong outcome", &result);
                }
                if found.clone().into_complete().is_ok() != (now.state == "SUCCESS") {
                    self.fail("reported an incomplete snapshot as complete", &result);
                }
            }
            (Ok(_), None) => self.fail("a false success", &result),
            (Err(error), now) if interferes && error.kind() == ErrorKind::SnapshotMissing => {
                if now.is_some_and(|now| now.uuid == uuid) {
                    self.fail("a false failure", &result);
                }
            }
            (Err(_), _) => self.fail("a needless failure", &result),
        }
    }

    pub(crate) async fn wait_for_deletion(&mut self, trouble: Trouble, tally: &mut Tally) {
        let target = self.other_snapshot();
        let uuid = self.snapshot(target.as_str()).unwrap().uuid;
        let (gone, creates, domain) = (target.clone(), self.random.bool(), self.domain.clone());
        let action = move || {
            domain.another_client_deletes(MAIN, gone.as_str());
            if creates {
                domain.another_client_creates(MAIN, gone.as_str());
            }
        };
        // If a new snapshot follows, the first poll comes before, so that the wait knows the uuid.
        self.wire.before_request(if creates { 12 } else { self.random.u32(1..=4) }, action);
        self.begin(Call::WaitForDeletion, trouble, &format!("/_snapshot/{MAIN}/{target}"));

        let wait = self.client.repository(repository(MAIN)).unwrap().snapshot(&target).unwrap().wait_for_deletion();
        let result = if self.chance(3) { end(wait.progress()).await } else { wait.await };

        let now = self.snapshot(target.as_str());
        self.settle();
        Self::count_call(tally, &result, false);
        match &result {
            Ok(()) if now.as_ref().is_some_and(|now| now.uuid == uuid) => self.fail("a false success", &result),
            Ok(()) => {}
            Err(_) => self.fail("a needless failure", &result),
        }
    }

    /// Makes the domain unreachable after the change was sent, until the time limit. The call must
    /// end with an unknown outcome.
    pub(crate) async fn black_out(&mut self, tally: &mut Tally) {
        self.number += 1;
        let (main, snapshot) = (repository(MAIN), name(&format!("snap-{}", self.number)));
        let restored = format!("restored-{}-$1", self.number);
        let kind = self.random.u32(..4);
        if kind == 3 {
            self.domain.another_client_creates(MAIN, snapshot.as_str());
        }
        let (call, method, operation) = match kind {
            0 => (Call::Create, "PUT", Operation::CreateSnapshot),
            1 => (Call::Clone, "PUT", Operation::CloneSnapshot),
            2 => (Call::Restore, "POST", Operation::RestoreSnapshot),
            _ => (Call::Delete, "DELETE", Operation::DeleteSnapshot),
        };
        self.begin(call, Trouble::None, "everything");
        if self.chance(2) {
            self.domain.fault(Fault::drop_after().on_method(method).times(1));
        }
        let has_sent = self.wire.has_sent();
        self.domain.fault(Fault::drop_before().on(move |_, _| has_sent.load(Ordering::Relaxed)));

        let result: Result<(), Error> = match kind {
            0 => {
                self.client.repository(&main).unwrap().create_snapshot(&snapshot, CreateSnapshot::new()).await.map(drop)
            }
            1 => self
                .client
                .repository(&main)
                .unwrap()
                .snapshot(name(BASE))
                .unwrap()
                .clone_to(&snapshot, CloneSnapshot::new(["movies"]))
                .await
                .map(drop),
            2 => {
                let options = RestoreSnapshot::new().with_indices(["movies"]).with_rename("(.+)", restored);
                self.client.repository(&main).unwrap().snapshot(name(BASE)).unwrap().restore(options).await.map(drop)
            }
            _ => self.client.repository(&main).unwrap().snapshot(&snapshot).unwrap().delete().await,
        };

        self.settle();
        Self::count_call(tally, &result, true);
        match &result {
            _ if self.executed(operation) > 1 => self.fail("a duplicate", &result),
            Err(error) if error.outcome() == Outcome::Unknown => {}
            _ => self.fail("claims a known outcome", &result),
        }
        self.tidy().await;
    }
}
