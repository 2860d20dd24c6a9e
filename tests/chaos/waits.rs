//! Waits, and calls that have to end unknown.

use std::sync::atomic::Ordering;

use es_snapshot::error::Operation;
use es_snapshot::testing::{FakeOutcome, Fault};
use es_snapshot::wait::{WaitStream, WaitUpdate};
use es_snapshot::{CloneSnapshot, CreateSnapshot, Error, ErrorKind, Outcome, RestoreSnapshot};
use futures_util::TryStreamExt as _;
use serde_json::json;

use crate::round::{Round, name, repository};
use crate::trouble::{Act, Trouble};
use crate::{BASE, MAIN, Tally};

/// What a wait comes to that is watched on its way.
pub(crate) async fn end<O>(mut progress: WaitStream<O>) -> Result<O, Error> {
    while let Some(update) = progress.try_next().await? {
        if let WaitUpdate::Ended(outcome) = update {
            return Ok(outcome);
        }
    }
    panic!("the stream ended without an outcome");
}

/// The waits: each comes to its end, and to the right one.
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
        let meddles = self.chance(8);
        if meddles {
            let (target, makes) = (target.clone(), self.random.bool());
            self.meddle(move |domain| {
                domain.another_client_deletes(MAIN, target.as_str());
                if makes {
                    domain.another_client_creates(MAIN, target.as_str());
                }
            });
        }
        self.begin(Act::WaitForSnapshot, trouble, &path);
        // Not under a moved clock, which that answer would tell.
        if trouble != Trouble::Skew && self.chance(3) {
            // As right after a create, before every node knows of it.
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
        Self::note(tally, &result, false);
        match (&result, now) {
            (Ok(found), Some(now)) => {
                if found.uuid() != Some(now.uuid.as_str()) || found.state().as_str() != now.state || now.end.is_none() {
                    self.broken("a wrong end", &result);
                }
                if found.clone().into_complete().is_ok() != (now.state == "SUCCESS") {
                    self.broken("took for complete what is not", &result);
                }
            }
            (Ok(_), None) => self.broken("a false success", &result),
            (Err(error), now) if meddles && error.kind() == ErrorKind::SnapshotMissing => {
                if now.is_some_and(|now| now.uuid == uuid) {
                    self.broken("a false failure", &result);
                }
            }
            (Err(_), _) => self.broken("a needless failure", &result),
        }
    }

    pub(crate) async fn wait_for_deletion(&mut self, trouble: Trouble, tally: &mut Tally) {
        let target = self.other_snapshot();
        let uuid = self.snapshot(target.as_str()).unwrap().uuid;
        let (gone, makes, domain) = (target.clone(), self.random.bool(), self.domain.clone());
        let deed = move || {
            domain.another_client_deletes(MAIN, gone.as_str());
            if makes {
                domain.another_client_creates(MAIN, gone.as_str());
            }
        };
        // Not before the second poll where it is made anew, so that the wait knows whom it waits for.
        self.wire.before_request(if makes { 12 } else { self.random.u32(1..=4) }, deed);
        self.begin(Act::WaitForDeletion, trouble, &format!("/_snapshot/{MAIN}/{target}"));

        let wait = self.client.repository(repository(MAIN)).unwrap().snapshot(&target).unwrap().wait_for_deletion();
        let result = if self.chance(3) { end(wait.progress()).await } else { wait.await };

        let now = self.snapshot(target.as_str());
        self.settle();
        Self::note(tally, &result, false);
        match &result {
            Ok(()) if now.as_ref().is_some_and(|now| now.uuid == uuid) => self.broken("a false success", &result),
            Ok(()) => {}
            Err(_) => self.broken("a needless failure", &result),
        }
    }

    /// The domain is out of reach until the deadline: nobody knows what became of the request, and
    /// the client says so.
    pub(crate) async fn black_out(&mut self, tally: &mut Tally) {
        self.number += 1;
        let (main, snapshot) = (repository(MAIN), name(&format!("snap-{}", self.number)));
        let restored = format!("restored-{}-$1", self.number);
        let kind = self.random.u32(..4);
        if kind == 3 {
            self.domain.another_client_creates(MAIN, snapshot.as_str());
        }
        let (act, method, operation) = match kind {
            0 => (Act::Create, "PUT", Operation::CreateSnapshot),
            1 => (Act::Clone, "PUT", Operation::CloneSnapshot),
            2 => (Act::Restore, "POST", Operation::RestoreSnapshot),
            _ => (Act::Delete, "DELETE", Operation::DeleteSnapshot),
        };
        self.begin(act, Trouble::None, "everything");
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
        Self::note(tally, &result, true);
        match &result {
            _ if self.executed(operation) > 1 => self.broken("a duplicate", &result),
            Err(error) if error.outcome() == Outcome::Unknown => {}
            _ => self.broken("claims to know", &result),
        }
        self.tidy().await;
    }
}
