//! Calls about repositories, and reads.

use std::collections::BTreeSet;

use es_snapshot::error::Operation;
use es_snapshot::{Error, ErrorKind, ListSnapshots, Outcome};

use crate::round::{Round, name, repository, settings};
use crate::trouble::{Act, Trouble};
use crate::{MAIN, Tally};

impl Round {
    pub(crate) async fn register(&mut self, trouble: Trouble, tally: &mut Tally) {
        let extra = repository(&format!("extra-{}", self.number));
        let bucket = if self.chance(40) { "missing-bucket" } else { "my-bucket-4-es" };
        let is_known = self.chance(3);
        if is_known {
            self.janitor.repository(&extra).unwrap().register(settings("my-bucket-4-es", &extra)).await.unwrap();
        }
        let meddles = self.chance(40);
        if meddles {
            let extra = extra.clone();
            self.meddle(move |domain| {
                if domain.repositories().iter().any(|known| known == extra.as_str()) {
                    domain.another_client_creates(extra.as_str(), "in-the-way");
                }
            });
        }
        self.begin(Act::Register, trouble, &format!("/_snapshot/{extra}"));

        let result = self.client.repository(&extra).unwrap().register(settings(bucket, &extra)).await;

        self.settle();
        Self::note(tally, &result, false);
        let executed = self.executed(Operation::RegisterRepository);
        match &result {
            Ok(()) if executed == 0 || !self.domain.repositories().contains(&extra.to_string()) => {
                self.broken("a false success", &result);
            }
            Ok(()) => {}
            Err(error) if bucket == "missing-bucket" && error.kind() == ErrorKind::RepositoryVerification => {}
            Err(error) if meddles && error.kind() == ErrorKind::Busy => {
                if executed > 0 && error.outcome() != Outcome::Unknown {
                    self.broken("a false failure", &result);
                }
            }
            Err(_) => self.broken("a needless failure", &result),
        }
    }

    pub(crate) async fn unregister(&mut self, trouble: Trouble, tally: &mut Tally) {
        let extra = repository(&format!("extra-{}", self.number));
        let is_missing = self.chance(8);
        if !is_missing {
            self.janitor.repository(&extra).unwrap().register(settings("my-bucket-4-es", &extra)).await.unwrap();
        }
        self.begin(Act::Unregister, trouble, &format!("/_snapshot/{extra}"));

        let result = self.client.repository(&extra).unwrap().unregister().await;

        self.settle();
        Self::note(tally, &result, false);
        let executed = self.executed(Operation::UnregisterRepository);
        match &result {
            Ok(()) if self.domain.repositories().contains(&extra.to_string()) => {
                self.broken("a false success", &result)
            }
            Ok(()) => {}
            Err(_) if executed > 0 => self.broken("a false failure", &result),
            Err(error)
                if is_missing
                    && error.kind() == ErrorKind::RepositoryMissing
                    && error.outcome() == Outcome::Rejected => {}
            Err(_) => self.broken("a needless failure", &result),
        }
    }

    pub(crate) async fn clean_up(&mut self, trouble: Trouble, tally: &mut Tally) {
        let is_busy = self.chance(40);
        self.domain.hold_snapshots(is_busy);
        if is_busy {
            self.domain.another_client_creates(MAIN, "in-the-way");
        }
        self.begin(Act::CleanUp, trouble, &format!("/_snapshot/{MAIN}/_cleanup"));

        let result = self.client.repository(repository(MAIN)).unwrap().cleanup().await;

        self.domain.hold_snapshots(false);
        self.settle();
        Self::note(tally, &result, false);
        match &result {
            Ok(_) if is_busy || self.executed(Operation::CleanUpRepository) == 0 => {
                self.broken("a false success", &result)
            }
            Ok(_) => {}
            Err(error) if is_busy && error.kind() == ErrorKind::Busy => {}
            Err(_) => self.broken("a needless failure", &result),
        }
    }

    pub(crate) async fn read_repositories(&mut self, act: Act, trouble: Trouble, tally: &mut Tally) {
        let is_missing = self.chance(8);
        let asked = repository(if is_missing { "missing" } else { MAIN });
        let result: Result<BTreeSet<String>, Error> = match act {
            Act::GetRepository => {
                self.begin(act, trouble, &format!("/_snapshot/{asked}"));
                self.client.repository(&asked).unwrap().info().await.map(|found| [found.name().to_owned()].into())
            }
            Act::ListRepositories => {
                self.begin(act, trouble, "/_snapshot");
                let list = self.client.repositories().await;
                list.map(|list| list.into_iter().map(|found| found.name().to_owned()).collect())
            }
            _ => {
                self.begin(act, trouble, &format!("/_snapshot/{asked}/_verify"));
                self.client.repository(&asked).unwrap().verify().await.map(|nodes| {
                    assert_eq!(nodes.len(), 1);
                    [asked.to_string()].into()
                })
            }
        };
        self.settle();
        Self::note(tally, &result, false);
        let is_missing = is_missing && act != Act::ListRepositories;
        self.check_read(&result, &[MAIN.to_owned()].into(), is_missing.then_some(ErrorKind::RepositoryMissing));
    }

    pub(crate) async fn read_snapshots(&mut self, act: Act, trouble: Trouble, tally: &mut Tally) {
        let other = self.other_snapshot();
        let is_missing = self.chance(8);
        let asked = if is_missing { name("missing") } else { other };
        let main = repository(MAIN);
        let result: Result<BTreeSet<String>, Error> = match act {
            Act::Get => {
                self.begin(act, trouble, &format!("/_snapshot/{MAIN}/{asked}"));
                self.client
                    .repository(&main)
                    .unwrap()
                    .snapshot(&asked)
                    .unwrap()
                    .info()
                    .await
                    .map(|found| [found.name().to_owned()].into())
            }
            Act::Status => {
                self.begin(act, trouble, &format!("/_snapshot/{MAIN}/{asked}/_status"));
                self.client
                    .repository(&main)
                    .unwrap()
                    .snapshot(&asked)
                    .unwrap()
                    .status()
                    .await
                    .map(|found| [found.name().to_owned()].into())
            }
            _ => {
                self.begin(act, trouble, &format!("/_snapshot/{MAIN}/_all"));
                let list = self.client.repository(&main).unwrap().list(ListSnapshots::new()).await;
                list.map(|list| list.into_iter().map(|found| found.name().to_owned()).collect())
            }
        };
        self.settle();
        Self::note(tally, &result, false);
        let (truth, missing) = match act {
            Act::List => (self.domain.snapshots(MAIN).into_iter().map(|found| found.name).collect(), None),
            _ => ([asked.to_string()].into(), is_missing.then_some(ErrorKind::SnapshotMissing)),
        };
        self.check_read(&result, &truth, missing);
    }

    /// A read tells what is there, or that it is missing, through every trouble that passes.
    fn check_read(
        &self,
        result: &Result<BTreeSet<String>, Error>,
        truth: &BTreeSet<String>,
        missing: Option<ErrorKind>,
    ) {
        match (result, missing) {
            (Ok(found), None) if found == truth => {}
            (Err(error), Some(kind)) if error.kind() == kind && error.outcome() == Outcome::Rejected => {}
            _ => self.broken("a wrong response", result),
        }
    }
}
