//! Restoring snapshots.

use super::drive::{LAST_LOOK, Reconciled, permitted, reconcile};
use super::machine::{Reconciler, Sighting};
use crate::call::Session;
use crate::error::{Error, ErrorKind, Operation};
use crate::name::{RepositoryName, SnapshotName};
use crate::request::{self, Replay, Request};
use crate::restore::{EarlierRestores, RestoreSnapshot, ShardRow, Source, StartedRestore};

/// A snapshot being restored.
pub(crate) struct Restoration<'a> {
    pub(crate) repository: &'a RepositoryName,
    pub(crate) name: &'a SnapshotName,
    pub(crate) request: &'a Request,
    pub(crate) options: &'a RestoreSnapshot,
    /// `None` if it may not be asked for.
    pub(crate) earlier: Option<EarlierRestores>,
}

impl Reconciled for Restoration<'_> {
    type Answer = StartedRestore;

    fn operation(&self) -> Operation {
        Operation::RestoreSnapshot
    }

    fn names(&self) -> (&RepositoryName, &SnapshotName) {
        (self.repository, self.name)
    }

    async fn send(&self, session: &Session) -> Result<StartedRestore, Error> {
        session.call(self.request).await
    }

    fn can_look(&self) -> bool {
        self.earlier.is_some()
    }

    async fn look(&self, session: &Session) -> Result<(Sighting, Option<StartedRestore>), Error> {
        let Some(earlier) = &self.earlier else { return Ok((Sighting::Blind, None)) };
        let rows: Vec<ShardRow> = if earlier.by_rows { session.call(&request::shards(&[])).await? } else { Vec::new() };
        let recoveries = session.recovery(&[]).await?;
        let mut source = Source::new(self.repository.clone(), self.name.clone());
        session.identify(&mut source, &rows).await;
        let happened = earlier.are_outdone(&source, &rows, &recoveries, self.options);
        Ok(if happened { (Sighting::Happened, Some(StartedRestore::Adopted)) } else { (Sighting::Nothing, None) })
    }

    fn is_echo(&self, kind: ErrorKind) -> bool {
        kind == ErrorKind::Restore
    }
}

impl Session {
    /// Starts a restore.
    pub(crate) async fn restore_snapshot(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        options: &RestoreSnapshot,
    ) -> Result<StartedRestore, Error> {
        let refuse = |error: Error| error.during(Operation::RestoreSnapshot, 0);
        options.validate().map_err(refuse)?;
        let request = request::restore_snapshot(repository, name, options).map_err(refuse)?;
        let machine = if options.restores_global_state() { Reconciler::new().without_resend() } else { Reconciler::new() };
        self.queued(Replay::Probe, async || {
            let earlier = self.earlier_restores(repository, name).await?;
            reconcile(self, machine, &Restoration { repository, name, request: &request, options, earlier }).await
        })
        .await
    }

    /// All restores from a snapshot, to tell a new one from them; `None` if recoveries may not be asked for, without which
    /// those that have begun look new.
    pub(crate) async fn earlier_restores(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
    ) -> Result<Option<EarlierRestores>, Error> {
        // In this order one that begins meanwhile is seen by its rows.
        let Some(recoveries) = permitted(self.recovery(&[]).await)? else { return Ok(None) };
        let rows: Option<Vec<ShardRow>> = permitted(self.call(&request::shards(&[])).await)?;
        let mut source = Source::new(repository.clone(), name.clone());
        self.identify(&mut source, rows.as_deref().unwrap_or_default()).await;
        Ok(Some(EarlierRestores::new(&source, rows.as_deref(), &recoveries)))
    }

    /// Learns the snapshot's uuid, if it is wanted to tell these rows from those of another.
    pub(crate) async fn identify(&self, source: &mut Source, rows: &[ShardRow]) {
        if source.wants_uuid(rows) {
            match self.with_limit(LAST_LOOK).find_snapshot(source.repository(), source.name(), true).await {
                Ok(snapshot) => source.set_uuid(snapshot.uuid()),
                Err(error) => tracing::debug!(kind = ?error.kind(), "no uuid"),
            }
        }
    }
}
