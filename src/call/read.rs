//! Reads that several procedures share.

use std::collections::HashSet;
use std::time::SystemTime;

use serde_json::json;

use super::{Reply, Session};
use crate::error::{Error, ErrorKind, Failure, Outcome, ServerError};
use crate::name::{IndexName, RepositoryName, SnapshotName};
use crate::repository::{Repositories, RepositoryInfo};
use crate::request;
use crate::restore::{Marks, Recoveries, RunningRestores, ShardRecovery, ShardRow, ShardRows, Tombstones};
use crate::snapshot::{
    ListSnapshots, SnapshotElements, SnapshotFailure, SnapshotInfo, SnapshotList, SnapshotStatus, SnapshotStatusList,
};

impl Session {
    /// The repository of that name.
    pub(crate) async fn find_repository(&self, repository: &RepositoryName) -> Result<RepositoryInfo, Error> {
        let is_asked_for = |found: &RepositoryInfo| found.name() == repository.as_str();
        let is_asked_for = &is_asked_for;
        self.call_decoding(&request::get_repository(repository), |reply| async move {
            asked_for(reply.gather(&mut Repositories::new(reply.body.clone()), is_asked_for).await?.pop())
        })
        .await
    }

    /// All repositories, in the order of their names.
    pub(crate) async fn list_repositories(&self) -> Result<Vec<RepositoryInfo>, Error> {
        let gather = |reply: Reply| async move { reply.gather(&mut Repositories::new(reply.body.clone()), |_| true).await };
        let mut all = self.call_decoding(&request::list_repositories(), gather).await?;
        // A stable sort would copy half of them.
        all.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        Ok(all)
    }

    /// The snapshot of that name; in brief, without what only its own file contains.
    pub(crate) async fn find_snapshot(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        brief: bool,
    ) -> Result<SnapshotInfo, Error> {
        let request = request::get_snapshot(repository, name, brief);
        let is_asked_for = |found: &SnapshotInfo| found.name() == name.as_str() && is_in(repository, found.repository());
        let is_asked_for = &is_asked_for;
        self.call_decoding(&request, |reply| async move { asked_for(snapshots(&reply, is_asked_for).await?.into_iter().next()) })
            .await
    }

    /// The snapshots of a repository that are asked for, and no others: Elasticsearch 7.10 adds
    /// running snapshots of other names to what it was asked for with `ignore_unavailable`.
    pub(crate) async fn list_snapshots(
        &self,
        repository: &RepositoryName,
        options: &ListSnapshots,
    ) -> Result<Vec<SnapshotInfo>, Error> {
        let parts = request::split_listing(self.core.endpoint.prefix(), repository, options)?;
        let (mut found, mut missing) = (Vec::new(), None);
        for part in &parts {
            let is_asked_for =
                |snapshot: &SnapshotInfo| part.selects(snapshot.name()) && is_in(repository, snapshot.repository());
            let is_asked_for = &is_asked_for;
            let decode = |reply| async move { snapshots(&reply, is_asked_for).await };
            match self.call_decoding(&request::list_snapshots(repository, part), decode).await {
                Ok(list) => found.extend(list),
                // Wildcards may match nothing as long as those of another part match something.
                Err(error) if error.kind() == ErrorKind::SnapshotMissing && part.names_none() => {
                    missing = missing.or(Some(error));
                }
                Err(error) => return Err(error),
            }
        }
        if parts.len() > 1 {
            fn key(snapshot: &SnapshotInfo) -> (Option<SystemTime>, &str, Option<&str>) {
                (snapshot.start_time(), snapshot.name(), snapshot.uuid())
            }
            found.sort_by(|a, b| key(a).cmp(&key(b)));
            found.dedup_by(|a, b| key(a) == key(b));
        }
        match missing {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    /// The snapshots that are asked for. One that the server cannot read makes the whole listing fail, so then they are listed
    /// without details, and read one by one.
    pub(crate) async fn list_readable(
        &self,
        repository: &RepositoryName,
        options: &ListSnapshots,
    ) -> Result<SnapshotList, Error> {
        let failure = match self.list_snapshots(repository, options).await {
            Err(error) if options.verbose() != Some(false) && is_of_one_snapshot(&error) => error,
            list => return list.map(|list| SnapshotList::new(list, Vec::new())),
        };
        let brief = match self.list_snapshots(repository, &options.clone().with_verbose(false)).await {
            Ok(brief) if !brief.is_empty() => brief,
            _ => return Err(failure),
        };
        let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
        for listed in brief {
            let name: SnapshotName = match listed.name().parse() {
                Ok(name) => name,
                Err(error) => {
                    unreadable.push(SnapshotFailure::new(listed.name(), error));
                    continue;
                }
            };
            match self.find_snapshot(repository, &name, false).await {
                Ok(snapshot) => readable.push(snapshot),
                // It may have been deleted meanwhile.
                Err(error) if is_of_one_snapshot(&error) => {
                    if self.look_up(repository, &name, true).await?.is_some() {
                        unreadable.push(SnapshotFailure::new(listed.name(), error));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        readable.sort_by(|a, b| (a.start_time(), a.name()).cmp(&(b.start_time(), b.name())));
        Ok(SnapshotList::new(readable, unreadable))
    }

    /// The snapshot of that name, if there is one. Without its repository nobody can tell: that is an error.
    pub(crate) async fn look_up(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        brief: bool,
    ) -> Result<Option<SnapshotInfo>, Error> {
        match self.find_snapshot(repository, name, brief).await {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(error) if error.kind() == ErrorKind::SnapshotMissing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Shards and bytes of one snapshot.
    pub(crate) async fn snapshot_status(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
    ) -> Result<SnapshotStatus, Error> {
        let request = request::snapshot_status(repository, name);
        self.call_with(&request, |reply| {
            let list: SnapshotStatusList = reply.decode()?;
            let is_asked_for = |found: &SnapshotStatus| found.name() == name.as_str() && is_in(repository, found.repository());
            asked_for(list.snapshots.into_iter().find(is_asked_for))
        })
        .await
    }

    /// The snapshots that run now, in one repository or in all.
    pub(crate) async fn running_snapshots(&self, repository: Option<&RepositoryName>) -> Result<Vec<SnapshotStatus>, Error> {
        let mut list: SnapshotStatusList = self.call(&request::running_snapshots(repository)).await?;
        list.snapshots.retain(|found| repository.is_none_or(|repository| is_in(repository, found.repository())));
        Ok(list.snapshots)
    }

    /// The recoveries of the shards of these indices, or of all, in the order of indices.
    pub(crate) async fn recovery(&self, indices: &[IndexName]) -> Result<Vec<ShardRecovery>, Error> {
        let mut recoveries = self.recoveries_where(indices, |_| true).await?;
        recoveries.sort_by(|one, other| one.index().cmp(other.index()));
        Ok(recoveries)
    }

    /// Those of the recoveries of these indices, or of all, that are wanted; nothing of the others is kept.
    pub(crate) async fn recoveries_where(
        &self,
        indices: &[IndexName],
        keep: impl Fn(&ShardRecovery) -> bool + Send + Sync,
    ) -> Result<Vec<ShardRecovery>, Error> {
        let keep = &keep;
        let requests = request::recoveries(self.core.endpoint.prefix(), indices);
        let mut all: Vec<ShardRecovery> = Vec::new();
        // Names of two requests may lead to one index, as an alias does.
        let mut seen: HashSet<String> = HashSet::new();
        for request in &requests {
            let gather = |reply: Reply| async move { reply.gather(&mut Recoveries::new(reply.body.clone()), keep).await };
            let mut found = self.call_decoding(request, gather).await?;
            if requests.len() > 1 {
                found.retain(|shard| !seen.contains(shard.index()));
                seen.extend(found.iter().map(|shard| shard.index().to_owned()));
            }
            all.append(&mut found);
        }
        Ok(all)
    }

    /// Those of the shards of these indices, or of all, that are wanted.
    pub(crate) async fn shards_where(
        &self,
        indices: &[IndexName],
        keep: impl Fn(&ShardRow) -> bool + Send + Sync,
    ) -> Result<Vec<ShardRow>, Error> {
        let keep = &keep;
        self.call_decoding(&request::shards(indices), |reply| async move {
            reply.gather(&mut ShardRows::new(reply.body.clone()), keep).await
        })
        .await
    }

    /// What the cluster state shows of these indices, in as many requests as their names need.
    pub(crate) async fn index_marks(&self, indices: &[IndexName]) -> Result<Marks, Error> {
        let mut all: Option<Marks> = None;
        for request in request::index_marks(self.core.endpoint.prefix(), indices) {
            let marks: Marks = self.call(&request).await?;
            match &mut all {
                None => all = Some(marks),
                Some(all) => all.extend(marks),
            }
        }
        Ok(all.unwrap_or_default())
    }

    /// The indices that were deleted last.
    pub(crate) async fn tombstones(&self) -> Result<Tombstones, Error> {
        self.call(&request::tombstones()).await
    }

    /// The restores that run.
    pub(crate) async fn running_restores(&self) -> Result<RunningRestores, Error> {
        self.call(&request::running_restores()).await
    }

    /// The recoveries of exactly these indices; one that does not exist has none.
    pub(crate) async fn recoveries_of(&self, indices: &[IndexName]) -> Result<Vec<ShardRecovery>, Error> {
        if indices.is_empty() {
            return Ok(Vec::new());
        }
        match self.recovery(indices).await {
            // One name that is gone hides the others.
            Err(error) if error.kind() == ErrorKind::IndexMissing => {}
            recoveries => return recoveries,
        }
        let wanted: HashSet<&str> = indices.iter().map(IndexName::as_str).collect();
        self.recoveries_where(&[], |recovery| wanted.contains(recovery.index())).await
    }
}

/// Whether a listing may have failed at one snapshot whose own file is gone or broken.
fn is_of_one_snapshot(error: &Error) -> bool {
    let is_known = matches!(error.kind(), ErrorKind::SnapshotMissing | ErrorKind::Repository);
    is_known || error.server().is_some_and(|server| server.failure() == Failure::Other)
}

/// Whether something is of this repository, as far as the response says.
fn is_in(repository: &RepositoryName, said: Option<&str>) -> bool {
    said.is_none_or(|said| said == repository.as_str())
}

/// What was asked for by its name, as the response has to contain it.
pub(crate) fn asked_for<T>(found: Option<T>) -> Result<T, Error> {
    found.ok_or_else(|| Error::new(ErrorKind::Decode, Outcome::Unknown, "the answer does not contain what was asked for"))
}

/// Those snapshots of a listing that are wanted; Elasticsearch 7.14 to 8.14 report a failed repository under HTTP 200.
async fn snapshots(reply: &Reply, keep: impl Fn(&SnapshotInfo) -> bool + Send + Sync) -> Result<Vec<SnapshotInfo>, Error> {
    let mut list = SnapshotElements::new(reply.body.clone());
    let snapshots = reply.gather(&mut list, keep).await?;
    match list.into_failure() {
        None => Ok(snapshots),
        Some(failure) => {
            let body = json!({"error": failure}).to_string();
            Err(Error::from_server(ServerError::parse(200, body.as_bytes(), None, &reply.secrets())))
        }
    }
}
