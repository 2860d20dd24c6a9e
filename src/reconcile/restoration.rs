//! Restore: what is read before the request is sent, the request, and the checks.

use super::drive::{LAST_CHECK, Reconciled, reconcile};
use super::evidence::RestoreEvidence;
use super::machine::{Reconciler, Sighting};
use crate::call::Session;
use crate::config::RetryPolicy;
use crate::error::{Error, ErrorKind, Failure, Operation, Outcome};
use crate::name::{IndexName, RepositoryName, SnapshotName};
use crate::request::{self, Replay, Request};
use crate::restore::{
    EarlierRestores, IndexMark, Marks, PreparedRestore, RestoreResponse, RestoreSnapshot, ShardRow, Source, Targets,
};
use crate::snapshot::SnapshotInfo;
use crate::ticket::{RestoreTicket, Ticket};

/// A restore of a snapshot.
struct Restoration<'a> {
    request: &'a Request,
    repository: &'a RepositoryName,
    snapshot: &'a SnapshotName,
    /// The targets that requests can name.
    names: &'a [IndexName],
    evidence: &'a mut RestoreEvidence,
    snapshot_uuid: Option<&'a str>,
    /// Whether recoveries can be read. Only used if the cluster state cannot be read.
    sees_shards: bool,
}

impl Reconciled for Restoration<'_> {
    /// `None` if a check has shown that the restore was started.
    type Output = Option<RestoreResponse>;

    fn operation(&self) -> Operation {
        Operation::RestoreSnapshot
    }

    fn names(&self) -> (&RepositoryName, &SnapshotName) {
        (self.repository, self.snapshot)
    }

    async fn send(&self, session: &Session) -> Result<Self::Output, Error> {
        session.call(self.request).await.map(Some)
    }

    fn can_check(&self) -> bool {
        self.evidence.before().is_some() || self.sees_shards
    }

    async fn check(&mut self, session: &Session) -> Result<(Sighting, Option<Self::Output>), Error> {
        if self.evidence.before().is_none() {
            return Ok((self.check_shards(session).await?, Some(None)));
        }
        let now = session.index_marks(self.names).await?;
        let sighting = self.evidence.compare(&now);
        self.evidence.note(&now);
        if sighting != Sighting::Unclear {
            return Ok((sighting, None));
        }
        // For all indices, because a restore that also writes others is not this one. If one of the
        // two reads fails, the other may be enough.
        let source = self.evidence.source();
        let (running, not_running) = apart(session.running_restores().await);
        let (recoveries, no_recoveries) = apart(session.recoveries_where(&[], |recovery| source.has(recovery)).await);
        let sighting = self.evidence.attribute(&now, &running, &recoveries);
        match no_recoveries.filter(|error| !is_refusal(error)).or(not_running) {
            Some(error) if sighting != Sighting::Happened => Err(error),
            _ => Ok((sighting, Some(None))),
        }
    }

    async fn confirm(&mut self, session: &Session) -> Result<Sighting, Error> {
        if !self.evidence.can_prove_absence() {
            return Ok(Sighting::Barred);
        }
        let now = session.index_marks(self.names).await?;
        let sighting = self.evidence.compare(&now);
        self.evidence.note(&now);
        if sighting != Sighting::Nothing || !self.evidence.needs_tombstones() {
            return Ok(sighting);
        }
        Ok(self.evidence.compare_tombstones(&session.tombstones().await?))
    }

    fn ticket(&self) -> Ticket {
        let targets = self.evidence.targets();
        let mut ticket = RestoreTicket::named(self.repository.clone(), self.snapshot.clone());
        ticket.set_snapshot_uuid(self.snapshot_uuid);
        targets.certain().iter().for_each(|index| ticket.add(index.clone(), None, targets.source(index)));
        if targets.are_exact() {
            ticket.close_list();
        }
        ticket.into()
    }

    fn is_echo(&self, kind: ErrorKind) -> bool {
        kind == ErrorKind::Restore
    }
}

impl Restoration<'_> {
    async fn check_shards(&self, session: &Session) -> Result<Sighting, Error> {
        let by_rows = self.evidence.earlier().by_rows;
        let mut source = self.evidence.source().clone();
        let rows = if by_rows {
            session.shards_where(&[], |row| row.is_primary && !row.details().is_empty()).await?
        } else {
            Vec::new()
        };
        let recoveries = session.recoveries_where(&[], |recovery| source.has(recovery)).await?;
        session.identify(&mut source, &rows).await;
        Ok(self.evidence.shards_show(&source, &rows, &recoveries))
    }
}

/// Splits a result into a value and an error, because one of two values may be enough.
fn apart<T: Default>(result: Result<T, Error>) -> (T, Option<Error>) {
    match result {
        Ok(result) => (result, None),
        Err(error) => (T::default(), Some(error)),
    }
}

fn is_refusal(error: &Error) -> bool {
    error.outcome() == Outcome::Rejected && !error.may_pass()
}

/// Returns the result of an optional read. `None` if the server refuses the read or fails, or if
/// the response cannot be used.
fn spared<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    unless(result, |error| {
        let fails = error.server().is_some_and(|server| server.status() >= 500);
        is_refusal(error) || error.is_garbled() || error.kind() == ErrorKind::ResponseTooLarge || fails
    })
}

/// Returns the result of the first, optional read. `None` if the server itself refuses the read or
/// fails. Any other error ends the call, so nothing is sent to a domain that is down.
fn permitted<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    unless(result, |error| is_refusal(error) || error.server().is_some_and(|server| server.failure() == Failure::Other))
}

/// Returns `None` instead of an error that does not matter.
fn unless<T>(result: Result<T, Error>, is_spared: impl FnOnce(&Error) -> bool) -> Result<Option<T>, Error> {
    match result {
        Ok(result) => Ok(Some(result)),
        Err(error) if is_spared(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is known before a restore is sent.
struct Prepared {
    snapshot_uuid: Option<String>,
    names: Vec<IndexName>,
    evidence: RestoreEvidence,
    sees_shards: bool,
}

impl Session {
    /// Starts a restore. The response is `None` if a check has shown that the restore was started.
    pub(crate) async fn restore_snapshot(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        options: &RestoreSnapshot,
    ) -> Result<(Option<RestoreResponse>, RestoreTicket), Error> {
        let refuse = |error: Error| error.during(Operation::RestoreSnapshot, 0);
        options.validate().map_err(refuse)?;
        let request = request::restore_snapshot(repository, name, options).map_err(refuse)?;
        self.queued(Replay::CheckFirst, repository, async || {
            // The server may be able to restore a snapshot that the client cannot read.
            let info = permitted(self.find_snapshot(repository, name, false).await).map_err(Error::before_sending)?;
            // On the heap, because this large future would enlarge that of the caller.
            let prepared =
                Box::pin(self.prepare(repository, name, options, info)).await.map_err(Error::before_sending)?;
            let machine = if prepared.evidence.can_prove_absence() {
                Reconciler::new()
            } else {
                Reconciler::new().without_resend()
            };
            Box::pin(self.send_restore(machine, &request, (repository, name), prepared)).await
        })
        .await
    }

    /// Prepares a restore that this or another process can start. See [`PreparedRestore`].
    pub(crate) async fn prepare_restore(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        options: RestoreSnapshot,
    ) -> Result<PreparedRestore, Error> {
        let refuse = |error: Error| error.during(Operation::RestoreSnapshot, 0);
        options.validate().map_err(refuse)?;
        let refuse_read = |error: Error| refuse(error.before_sending());
        let info = match self.find_snapshot(repository, name, false).await {
            Err(error) if error.is_not_found() => return Err(refuse_read(error)),
            found => permitted(found).map_err(refuse_read)?,
        };
        let prepared = self.prepare(repository, name, &options, info).await.map_err(refuse_read)?;
        let snapshot_uuid = prepared.snapshot_uuid;
        let Some(ground) = prepared.evidence.into_groundwork(snapshot_uuid) else {
            let text = "the indices that this restore writes cannot be determined exactly, or their state cannot be \
                        read (permission `cluster:monitor/state`); use `Snapshot::restore` instead";
            return Err(refuse(Error::invalid(text)));
        };
        Ok(PreparedRestore::new(repository.clone(), name.clone(), options, ground))
    }

    /// Starts a prepared restore, unless it has been started already.
    pub(crate) async fn start_restore(
        &self,
        restore: &PreparedRestore,
    ) -> Result<(Option<RestoreResponse>, RestoreTicket), Error> {
        let refuse = |error: Error| error.during(Operation::RestoreSnapshot, 0);
        let (repository, name, options) = (restore.repository(), restore.snapshot(), restore.options());
        options.validate().map_err(refuse)?;
        let request = request::restore_snapshot(repository, name, options).map_err(refuse)?;
        self.queued(Replay::CheckFirst, repository, async || {
            let found = self.find_snapshot_opt(repository, name, true).await.map_err(Error::before_sending)?;
            let is_there =
                found.is_some_and(|found| restore.snapshot_uuid().is_none_or(|uuid| found.uuid() == Some(uuid)));
            let machine = match (restore.may_have_been_sent(), is_there) {
                (false, true) => Reconciler::new(),
                (true, true) => Reconciler::new().resuming(),
                // A check may find the restore, but a snapshot that has taken the name since is not
                // restored.
                (true, false) => Reconciler::new().resuming().without_resend(),
                (false, false) => {
                    let text = format!(
                        "the snapshot that the restore was prepared for is gone: {repository}:{name} does not exist, \
                         or another snapshot has taken its name"
                    );
                    return Err(refuse(Error::new(ErrorKind::SnapshotMissing, Outcome::NotSent, text)));
                }
            };
            let mut targets = restore.targets.clone();
            let names = targets.retain_valid_names();
            let source = Source::new(repository.clone(), name.clone());
            let (before, tombstones) = (Some(restore.marks.clone()), restore.tombstones.clone());
            let evidence = RestoreEvidence::new(source, targets, before, tombstones, restore.earlier.clone());
            let snapshot_uuid = restore.snapshot_uuid().map(str::to_owned);
            let prepared = Prepared { snapshot_uuid, names, evidence, sees_shards: false };
            // On the heap, because this large future would enlarge that of the caller.
            Box::pin(self.send_restore(machine, &request, (repository, name), prepared)).await
        })
        .await
    }

    async fn send_restore(
        &self,
        machine: Reconciler,
        request: &Request,
        (repository, name): (&RepositoryName, &SnapshotName),
        mut prepared: Prepared,
    ) -> Result<(Option<RestoreResponse>, RestoreTicket), Error> {
        let restoration = Restoration {
            request,
            repository,
            snapshot: name,
            names: &prepared.names,
            evidence: &mut prepared.evidence,
            snapshot_uuid: prepared.snapshot_uuid.as_deref(),
            sees_shards: prepared.sees_shards,
        };
        let response = reconcile(self, machine, restoration).await?;
        let ticket = self.restore_ticket(repository, name, &prepared, response.as_ref()).await;
        Ok((response, ticket))
    }

    /// Determines the targets, and reads what distinguishes this restore from others.
    async fn prepare(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        options: &RestoreSnapshot,
        info: Option<SnapshotInfo>,
    ) -> Result<Prepared, Error> {
        let source = Source::new(repository.clone(), name.clone());
        let mut targets = info.as_ref().map_or_else(Targets::unknown, |info| Targets::of(info, options));
        let names = targets.retain_valid_names();
        let before = match names.as_slice() {
            [] => None,
            names => spared(self.index_marks(names).await)?.filter(Marks::are_usable),
        };
        let snapshot_uuid = info.as_ref().and_then(SnapshotInfo::uuid).map(str::to_owned);
        let Some(before) = before else {
            // In this order: the rows show a restore that begins between the two reads.
            let recoveries = spared(self.recoveries_where(&[], |recovery| source.has(recovery)).await)?;
            let rows = spared(self.shards_where(&[], |row| row.is_primary && !row.details().is_empty()).await)?;
            let mut identified = source.clone();
            self.identify(&mut identified, rows.as_deref().unwrap_or_default()).await;
            let sees_shards = recoveries.is_some();
            let earlier = EarlierRestores::new(&identified, rows.as_deref(), &recoveries.unwrap_or_default());
            let evidence = RestoreEvidence::new(source, targets, None, None, earlier);
            return Ok(Prepared { snapshot_uuid, names, evidence, sees_shards });
        };
        let present: Vec<IndexName> =
            names.iter().filter(|name| before.get(name.as_str()).is_some()).cloned().collect();
        let recoveries = spared(self.recoveries_of(&present).await)?.unwrap_or_default();
        let tombstones = if present.len() < names.len() { spared(self.tombstones().await)? } else { None };
        let earlier = EarlierRestores::new(&source, None, &recoveries);
        let evidence = RestoreEvidence::new(source, targets, Some(before), tombstones, earlier);
        Ok(Prepared { snapshot_uuid, names, evidence, sees_shards: false })
    }

    /// Returns the ticket of a restore that has been started. Its indices are those that the server
    /// shows, or else those that the client determined. A read that fails is not an error, because
    /// the restore has been started.
    async fn restore_ticket(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        prepared: &Prepared,
        response: Option<&RestoreResponse>,
    ) -> RestoreTicket {
        let session = self.with(|options| options.retry = RetryPolicy::never()).with_limit(LAST_CHECK);
        let Prepared { evidence, .. } = prepared;
        let mut ticket = RestoreTicket::named(repository.clone(), name.clone());
        ticket.set_snapshot_uuid(prepared.snapshot_uuid.as_deref());
        let targets = evidence.targets();
        let mut add = |index: &str, uuid: Option<&str>| {
            ticket.add(index.to_owned(), uuid.map(str::to_owned), targets.source(index));
        };
        if let Some(RestoreResponse::Finished(summary)) = response {
            summary.indices().iter().for_each(|index| add(index, None));
        }
        if targets.is_empty() && targets.are_exact() {
            ticket.close_list();
            return ticket;
        }
        if let Ok(running) = session.running_restores().await
            && let Some(restore) = running.find(evidence.source(), targets)
        {
            restore.indices().iter().for_each(|index| add(index, None));
            restore.shards().iter().for_each(|shard| add(shard.index(), Some(shard.index_uuid())));
            return ticket;
        }
        // The restore has ended already, or running restores cannot be read.
        let Some(before) = evidence.before() else {
            targets.certain().iter().for_each(|index| add(index, None));
            return ticket;
        };
        let now = session.index_marks(&prepared.names).await.unwrap_or_default();
        for index in targets.iter() {
            let certain = targets.certain().contains(index);
            if certain || now.are_usable() && before.is_changed(&now, index) {
                add(index, now.get(index).map(IndexMark::uuid));
            }
        }
        ticket
    }

    /// Reads the snapshot's uuid into the source, if it is needed to distinguish these rows from
    /// those of another snapshot.
    pub(crate) async fn identify(&self, source: &mut Source, rows: &[ShardRow]) {
        if source.needs_uuid(rows) {
            match self.with_limit(LAST_CHECK).find_snapshot(source.repository(), source.name(), true).await {
                Ok(snapshot) => source.set_uuid(snapshot.uuid()),
                Err(error) => tracing::debug!(kind = ?error.kind(), "the uuid of the snapshot could not be read"),
            }
        }
    }
}
