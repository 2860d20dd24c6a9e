//! Calls about repositories, and reads of snapshots.

use std::collections::BTreeSet;

use es_snapshot::error::Operation;
use es_snapshot::{Error, ErrorKind, ListSnapshots, Outcome};

use crate::round::{Round, name, repository, settings};
use crate::trouble::{Call, Trouble};
use crate::{MAIN, Tally};

impl Round {
    pub(crate) async fn register(&mut self, trouble: Trouble, tally: &mut Tally) {
        let extra = repository(&format!("extra-{}", self.number));
        let bucket = if self.chance(40) { "missing-bucket" } else { "my-bucket-4-es" };
        let is_registered = self.chance(3);
        if is_registered {
            self.janitor.repository(&extra).unwrap().register(settings("my-bucket-4-es", &extra)).await.unwrap();
        }
        let interferes = self.chance(40);
        if interferes {
            let extra = extra.clone();
            self.interfere(move |domain| {
                if domain.repositories().iter().any(|known| known == extra.as_str()) {
                    domain.another_client_creates(extra.as_str(), "running");
                }
            });
        }
        self.begin(Call::Register, trouble, &format!("/_snapshot/{extra}"));

        let result = self.client.repository(&extra).unwrap().register(settings(bucket, &extra)).await;

        self.settle();
        Self::count_call(tally, &result, false);
        let executed = self.executed(Operation::RegisterRepository);
        match &result {
            Ok(()) if executed == 0 || !self.domain.repositories().contains(&extra.to_string()) => {
                self.fail("a false success", &result);
            }
            Ok(()) => {}
            Err(error) if bucket == "missing-bucket" && error.kind() == ErrorKind::RepositoryVerification => {}
            Err(error) if interferes && error.kind() == ErrorKind::Busy => {
                if executed > 0 && error.outcome() != Outcome::Unknown {
                    self.fail("a false failure", &result);
                }
            }
            Err(_) => self.fail("a needless failure", &result),
        }
    }

    pub(crate) async fn unregister(&mut self, trouble: Trouble, tally: &mut Tally) {
        let extra = repository(&format!("extra-{}", self.number));
        let is_missing = self.chance(8);
        if !is_missing {
            self.janitor.repository(&extra).unwrap().register(settings("my-bucket-4-es", &extra)).await.unwrap();
        }
        self.begin(Call::Unregister, trouble, &format!("/_snapshot/{extra}"));

        let result = self.client.repository(&extra).unwrap().unregister().await;

        self.settle();
        Self::count_call(tally, &result, false);
        let executed = self.executed(Operation::UnregisterRepository);
        match &result {
            Ok(()) if self.domain.repositories().contains(&extra.to_string()) => self.fail("a false success", &result),
            Ok(()) => {}
            Err(_) if executed > 0 => self.fail("a false failure", &result),
            Err(error)
                if is_missing
                    && error.kind() == ErrorKind::RepositoryMissing
                    && error.outcome() == Outcome::Rejected => {}
            Err(_) => self.fail("a needless failure", &result),
        }
    }

    pub(crate) async fn clean_up(&mut self, trouble: Trouble, tally: &mut Tally) {
        let is_busy = self.chance(40);
        self.domain.hold_snapshots(is_busy);
        if is_busy {
            self.domain.another_client_creates(MAIN, "running");
        }
        self.begin(Call::CleanUp, trouble, &format!("/_snapshot/{MAIN}/_cleanup"));

        let result = self.client.repository(repository(MAIN)).unwrap().cleanup().await;

        self.domain.hold_snapshots(false);
        self.settle();
        Self::count_call(tally, &result, false);
        match &result {
            Ok(_) if is_busy || self.executed(Operation::CleanUpRepository) == 0 => {
                self.fail("a false success", &result)
            }
            Ok(_) => {}
            Err(error) if is_busy && error.kind() == ErrorKind::Busy => {}
            Err(_) => self.fail("a needless failure", &result),
        }
    }

    pub(crate) async fn read_repositories(&mut self, call: Call, trouble: Trouble, tally: &mut Tally) {
        let is_missing = self.chance(8);
        let requested = repository(if is_missing { "missing" } else { MAIN });
        let result: Result<BTreeSet<String>, Error> = match call {
            Call::GetRepository => {
                self.begin(call, trouble, &format!("/_snapshot/{requested}"));
                self.client.repository(&requested).unwrap().info().await.map(|found| [found.name().to_owned()].into())
            }
            Call::ListRepositories => {
                self.begin(call, trouble, "/_snapshot");
                let list = self.client.repositories().await;
                list.map(|list| list.into_iter().map(|found| found.name().to_owned()).collect())
            }
            _ => {
                self.begin(call, trouble, &format!("/_snapshot/{requested}/_verify"));
                self.client.repository(&requested).unwrap().verify().await.map(|nodes| {
                    assert_eq!(nodes.len(), 1);
                    [requested.to_string()].into()
                })
            }
        };
        self.settle();
        Self::count_call(tally, &result, false);
        let is_missing = is_missing && call != Call::ListRepositories;
        self.check_read(&result, &[MAIN.to_owned()].into(), is_missing.then_some(ErrorKind::RepositoryMissing));
    }

    pub(crate) async fn read_snapshots(&mut self, call: Call, trouble: Trouble, tally: &mut Tally) {
        let other = self.other_snapshot();
        let is_missing = self.chance(8);
        let requested = if is_missing { name("missing") } else { other };
        let main = repository(MAIN);
        let result: Result<BTreeSet<String>, Error> = match call {
            Call::Get => {
                self.begin(call, trouble, &format!("/_snapshot/{MAIN}/{requested}"));
                self.client
                    .repository(&main)
                    .unwrap()
                    .snapshot(&requested)
                    .unwrap()
                    .info()
                    .await
                    .map(|found| [found.name().to_owned()].into())
            }
            Call::Status => {
                self.begin(call, trouble, &format!("/_snapshot/{MAIN}/{requested}/_status"));
                self.client
                    .repository(&main)
                    .unwrap()
                    .snapshot(&requested)
                    .unwrap()
                    .status()
                    .await
                    .map(|found| [found.name().to_owned()].into())
            }
            _ => {
                self.begin(call, trouble, &format!("/_snapshot/{MAIN}/_all"));
                let list = self.client.repository(&main).unwrap().list(ListSnapshots::new()).await;
                list.map(|list| list.into_iter().map(|found| found.name().to_owned()).collect())
            }
        };
        self.settle();
        Self::count_call(tally, &result, false);
        let (expected, missing) = match call {
            Call::List => (self.domain.snapshots(MAIN).into_iter().map(|found| found.name).collect(), None),
            _ => ([requested.to_string()].into(), is_missing.then_some(ErrorKind::SnapshotMissing)),
        };
        self.check_read(&result, &expected, missing);
    }

    /// Asserts that a read returned the expected names, or reported what is missing.
    fn check_read(
        &self,
        result: &Result<BTreeSet<String>, Error>,
        expected: &BTreeSet<String>,
        missing: Option<ErrorKind>,
    ) {
        match (result, missing) {
            (Ok(found), None) if found == expected => {}
            (Err(error), Some(kind)) if error.kind() == kind && error.outcome() == Outcome::Rejected => {}
            _ => self.fail("a wrong response", result),
        }
    }
}
