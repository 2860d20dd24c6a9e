//! Reads that several procedures share.

use std::collections::HashSet;

use super::{Response, Session};
use crate::error::{Error, ErrorKind, Outcome};
use crate::name::{IndexName, RepositoryName, SnapshotName};
use crate::repository::{Repositories, RepositoryInfo};
use crate::request;
use crate::restore::{Marks, Recoveries, RunningRestores, ShardRecovery, ShardRow, ShardRows, Tombstones};
use crate::snapshot::{SnapshotElements, SnapshotInfo, SnapshotStatus, SnapshotStatusList};

impl Session {
    /// The repository of that name.
    pub(crate) async fn find_repository(&self, repository: &RepositoryName) -> Result<RepositoryInfo, Error> {
        let is_asked_for = |found: &RepositoryInfo| found.name() == repository.as_str();
        let is_asked_for = &is_asked_for;
        self.call_decoding(&request::get_repository(repository), |response| async move {
            asked_for(response.gather(Repositories::new, is_asked_for).await?.pop())
        })
        .await
    }

    /// All repositories, in the order of their names.
    pub(crate) async fn list_repositories(&self) -> Result<Vec<RepositoryInfo>, Error> {
        let gather = |response: Response| response.gather(Repositories::new, |_| true);
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
        let is_asked_for =
            |found: &SnapshotInfo| found.name() == name.as_str() && is_in(repository, found.repository());
        let is_asked_for = &is_asked_for;
        self.call_decoding(&request, |response| async move {
            let elements = |chunks| SnapshotElements::new(chunks, true);
            asked_for(response.gather(elements, is_asked_for).await?.into_iter().next())
        })
        .await
    }

    /// The snapshot of that name, if there is one. Without its repository nobody can tell: that is
    /// an error.
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
        self.call_with(&request, |response| {
            let list: SnapshotStatusList = response.decode()?;
            let is_asked_for =
                |found: &SnapshotStatus| found.name() == name.as_str() && is_in(repository, found.repository());
            asked_for(list.snapshots.into_iter().find(is_asked_for))
        })
        .await
    }

    /// The snapshots that run now, in one repository or in all.
    pub(crate) async fn running_snapshots(
        &self,
        repository: Option<&RepositoryName>,
    ) -> Result<Vec<SnapshotStatus>, Error> {
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

    /// Those of the recoveries of these indices, or of all, that are wanted; nothing of the others
    /// is kept.
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
            let gather = |response: Response| response.gather(Recoveries::new, keep);
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
        self.call_decoding(&request::shards(indices), |response| response.gather(ShardRows::new, keep)).await
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

/// Whether something is of this repository, as far as the response says.
pub(super) fn is_in(repository: &RepositoryName, said: Option<&str>) -> bool {
    said.is_none_or(|said| said == repository.as_str())
}

/// What was asked for by its name, as the response has to contain it.
pub(crate) fn asked_for<T>(found: Option<T>) -> Result<T, Error> {
    found.ok_or_else(|| {
        Error::new(ErrorKind::Decode, Outcome::Unknown, "the response does not contain what was asked for")
    })
}
