//! Delete: the request, and the check whether the snapshot is gone.

use std::sync::OnceLock;

use super::creation::as_found;
use super::drive::{Reconciled, reconcile};
use super::evidence::Evidence;
use super::machine::{Reconciler, Sighting};
use crate::call::Session;
use crate::error::{Error, ErrorKind, Operation, Outcome};
use crate::name::{RepositoryName, SnapshotName};
use crate::repository::Acknowledged;
use crate::request::{self, Replay};
use crate::ticket::{DeletionTicket, Ticket};

/// A delete of a snapshot.
struct Deletion<'a> {
    repository: &'a RepositoryName,
    name: &'a SnapshotName,
    evidence: Evidence,
}

impl Reconciled for Deletion<'_> {
    type Output = ();

    fn operation(&self) -> Operation {
        Operation::DeleteSnapshot
    }

    fn names(&self) -> (&RepositoryName, &SnapshotName) {
        (self.repository, self.name)
    }

    async fn send(&self, session: &Session) -> Result<(), Error> {
        session.call::<Acknowledged>(&request::delete_snapshot(self.repository, self.name)).await.map(|_| ())
    }

    async fn check(&mut self, session: &Session) -> Result<(Sighting, Option<()>), Error> {
        let found = session.find_snapshot_opt(self.repository, self.name, true).await?;
        Ok((self.evidence.classify(found.as_ref().map(as_found)), Some(())))
    }

    fn ticket(&self) -> Ticket {
        let uuid = match &self.evidence {
            Evidence::Deletes(uuid) => uuid.clone(),
            Evidence::Token(_) | Evidence::WasFree => None,
        };
        DeletionTicket::named(self.repository.clone(), self.name.clone(), uuid).into()
    }

    fn is_echo(&self, kind: ErrorKind) -> bool {
        kind == ErrorKind::SnapshotMissing
    }
}

impl Session {
    /// Deletes the snapshot with this uuid. Without a uuid, deletes the snapshot that the first
    /// read finds under the name.
    pub(crate) async fn delete_snapshot(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        uuid: Option<&str>,
    ) -> Result<(), Error> {
        let wanted: OnceLock<String> = uuid.map(str::to_owned).map(OnceLock::from).unwrap_or_default();
        self.queued(Replay::CheckFirst, repository, async || {
            let found = self.find_snapshot(repository, name, true).await.map_err(Error::before_sending)?;
            if let Some(uuid) = found.uuid()
                && wanted.get_or_init(|| uuid.to_owned()) != uuid
            {
                let text = format!("snapshot {repository}:{name} is gone, and another snapshot has taken its name");
                let error = Error::new(ErrorKind::SnapshotMissing, Outcome::NotSent, text);
                return Err(error.during(Operation::DeleteSnapshot, 0));
            }
            let evidence = Evidence::Deletes(wanted.get().cloned());
            reconcile(self, Reconciler::new(), Deletion { repository, name, evidence }).await
        })
        .await
    }
}
