//! Create and clone: the requests, and the check that looks for the snapshot by its name.

use super::drive::{Reconciled, reconcile};
use super::evidence::{Evidence, Found};
use super::machine::{Reconciler, Sighting};
use crate::call::Session;
use crate::error::{Error, ErrorKind, Operation, Outcome};
use crate::name::{RepositoryName, SnapshotName};
use crate::repository::Acknowledged;
use crate::request::{self, Replay, Request};
use crate::snapshot::{CloneSnapshot, CreateSnapshot, CreatedSnapshot, SnapshotInfo};
use crate::ticket::{SnapshotTicket, Ticket};

/// A create or clone of a snapshot.
struct Creation<'a> {
    repository: &'a RepositoryName,
    name: &'a SnapshotName,
    request: &'a Request,
    evidence: Evidence,
    ticket: &'a SnapshotTicket,
}

impl Reconciled for Creation<'_> {
    type Output = CreatedSnapshot;

    fn operation(&self) -> Operation {
        self.request.operation
    }

    fn names(&self) -> (&RepositoryName, &SnapshotName) {
        (self.repository, self.name)
    }

    async fn send(&self, session: &Session) -> Result<CreatedSnapshot, Error> {
        if self.request.operation == Operation::CloneSnapshot {
            return session.call::<Acknowledged>(self.request).await.map(|_| CreatedSnapshot::Accepted);
        }
        session.call(self.request).await
    }

    async fn check(&mut self, session: &Session) -> Result<(Sighting, Option<CreatedSnapshot>), Error> {
        let found = session.find_snapshot_opt(self.repository, self.name, false).await?;
        let sighting = self.evidence.classify(found.as_ref().map(as_found));
        Ok((sighting, found.map(|found| CreatedSnapshot::Adopted(Box::new(found)))))
    }

    fn ticket(&self) -> Ticket {
        self.ticket.clone().into()
    }

    fn is_echo(&self, kind: ErrorKind) -> bool {
        kind == ErrorKind::SnapshotNameTaken
    }
}

pub(super) fn as_found(snapshot: &SnapshotInfo) -> Found<'_> {
    Found { uuid: snapshot.uuid(), token: snapshot.token() }
}

impl Session {
    /// Starts a snapshot. Returns how it was started, and its ticket.
    pub(crate) async fn create_snapshot(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        options: &CreateSnapshot,
    ) -> Result<(CreatedSnapshot, SnapshotTicket), Error> {
        let refuse = |error: Error| error.during(Operation::CreateSnapshot, 0);
        let token = options.choose_token(|| self.core.entropy.token()).map_err(refuse)?;
        let body = options.request_body(token.as_ref()).map_err(refuse)?;
        let request =
            request::create_snapshot(repository, name, &body, options.wait_for_completion()).map_err(refuse)?;
        let ticket = SnapshotTicket::named(repository.clone(), name.clone());
        let ticket = match token.clone() {
            Some(token) => ticket.with_token(token),
            None => ticket,
        };
        let created = self.queued(Replay::CheckFirst, repository, async || {
            let (machine, evidence) = if let Some(token) = &token {
                (
                    Reconciler::new().doubting_first_refusal().resending_early(),
                    Evidence::Token(token.as_str().to_owned()),
                )
            } else {
                self.find_free(Operation::CreateSnapshot, repository, name).await?;
                (Reconciler::new(), Evidence::WasFree)
            };
            reconcile(self, machine, Creation { repository, name, request: &request, evidence, ticket: &ticket }).await
        });
        Ok((created.await?, ticket))
    }

    /// Returns an error if a snapshot with this name exists. For a snapshot without a token, the
    /// name is the only evidence that this call created it.
    async fn find_free(
        &self,
        operation: Operation,
        repository: &RepositoryName,
        name: &SnapshotName,
    ) -> Result<(), Error> {
        if self.find_snapshot_opt(repository, name, true).await.map_err(Error::before_sending)?.is_some() {
            let text = format!("snapshot {repository}:{name} already exists; choose another name");
            return Err(Error::new(ErrorKind::SnapshotNameTaken, Outcome::NotSent, text).during(operation, 0));
        }
        Ok(())
    }

    /// Starts a clone of a snapshot. Returns how it was started, and its ticket.
    pub(crate) async fn clone_snapshot(
        &self,
        repository: &RepositoryName,
        source: &SnapshotName,
        target: &SnapshotName,
        options: &CloneSnapshot,
    ) -> Result<(CreatedSnapshot, SnapshotTicket), Error> {
        let refuse = |error: Error| error.during(Operation::CloneSnapshot, 0);
        options.validate().map_err(refuse)?;
        let request = request::clone_snapshot(repository, source, target, options).map_err(refuse)?;
        let ticket = SnapshotTicket::named(repository.clone(), target.clone());
        let created = self.queued(Replay::CheckFirst, repository, async || {
            self.find_free(Operation::CloneSnapshot, repository, target).await?;
            let creation =
                Creation { repository, name: target, request: &request, evidence: Evidence::WasFree, ticket: &ticket };
            reconcile(self, Reconciler::new(), creation).await
        });
        Ok((created.await?, ticket))
    }
}
