//! Reads that several operations share.

use std::collections::HashSet;

use super::{Response, Session};
use crate::error::{Error, ErrorKind, Outcome};
use crate::name::{IndexName, RepositoryName, SnapshotName};
use crate::repository::{Repositories, RepositoryInfo};
use crate::request;
use crate::restore::{Marks, Recoveries, RunningRestores, ShardRecovery, ShardRow, ShardRows, Tombstones};
use crate::snapshot::{SnapshotElements, SnapshotInfo, SnapshotStatus, SnapshotStatusList};

impl Session {
    /// Returns the repository with this name.
    pub(crate) async fn find_repository(&self, repository: &RepositoryName) -> Result<RepositoryInfo, Error> {
        let matches = |found: &RepositoryInfo| found.name() == repository.as_str();
        let matches = &matches;
        self.call_decoding(&request::get_repository(repository), |response| async move {
            required(response.gather(Repositories::new, matches).await?.pop(), || format!("repository {repository}"))
        })
        .await
    }

    /// Returns all repositories in the order of their names.
    pub(crate) async fn list_repositories(&self) -> Result<Vec<RepositoryInfo>, Error> {
        let gather = |response: Response| response.gather(Repositories::new, |_| true);
        let mut all = self.call_decoding(&request::list_repositories(), gather).await?;
        // A stable sort would copy half of them.
        all.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        Ok(all)
    }

    /// Returns the snapshot with this name. Without details, the server does not read the
    /// snapshot's own file.
    pub(crate) async fn find_snapshot(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        without_details: bool,
    ) -> Result<SnapshotInfo, Error> {
        let request = request::get_snapshot(repository, name, without_details);
        let matches = |found: &SnapshotInfo| found.name() == name.as_str() && is_in(repository, found.repository());
        let matches = &matches;
        self.call_decoding(&request, |response| async move {
            let elements = |chunks| SnapshotElements::new(chunks, true);
            let found = response.gather(elements, matches).await?.into_iter().next();
            required(found, || format!("snapshot {repository}:{name}"))
        })
        .await
    }

    /// Returns the snapshot with this name, or `None` if it does not exist. A missing repository is
    /// an error.
    pub(crate) async fn find_snapshot_opt(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        without_details: bool,
    ) -> Result<Option<SnapshotInfo>, Error> {
        match self.find_snapshot(repository, name, without_details).await {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(error) if error.kind() == ErrorKind::SnapshotMissing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the shards and bytes of one snapshot.
    pub(crate) async fn snapshot_status(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
    ) -> Result<SnapshotStatus, Error> {
        let request = request::snapshot_status(repository, name);
        self.call_with(&request, |response| {
            let list: SnapshotStatusList = response.decode()?;
            let matches =
                |found: &SnapshotStatus| found.name() == name.as_str() && is_in(repository, found.repository());
            let found = list.snapshots.into_iter().find(matches);
            required(found, || format!("the status of snapshot {repository}:{name}"))
        })
        .await
    }

    /// Returns the running snapshots, in one repository or in all.
    pub(crate) async fn running_snapshots(
        &self,
        repository: Option<&RepositoryName>,
    ) -> Result<Vec<SnapshotStatus>, Error> {
        let mut list: SnapshotStatusList = self.call(&request::running_snapshots(repository)).await?;
        list.snapshots.retain(|found| repository.is_none_or(|repository| is_in(repository, found.repository())));
        Ok(list.snapshots)
    }

    /// Returns the recoveries of the shards of these indices, or of all, in the order of indices.
    pub(crate) async fn recovery(&self, indices: &[IndexName]) -> Result<Vec<ShardRecovery>, Error> {
        let mut recoveries = self.recoveries_where(indices, |_| true).await?;
        recoveries.sort_by(|one, other| one.index().cmp(other.index()));
        Ok(recoveries)
    }

    /// Returns the recoveries of these indices, or of all, for which `keep` returns true. The
    /// others are dropped at once.
    pub(crate) async fn recoveries_where(
        &self,
        indices: &[IndexName],
        keep: impl Fn(&ShardRecovery) -> bool + Send + Sync,
    ) -> Result<Vec<ShardRecovery>, Error> {
        let keep = &keep;
        let requests = request::recoveries(self.core.endpoint.prefix(), indices);
        let mut all: Vec<ShardRecovery> = Vec::new();
        // Two requests may return one index, because a name may be an alias.
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

    /// Returns the shards of these indices, or of all, for which `keep` returns true.
    pub(crate) async fn shards_where(
        &self,
        indices: &[IndexName],
        keep: impl Fn(&ShardRow) -> bool + Send + Sync,
    ) -> Result<Vec<ShardRow>, Error> {
        let keep = &keep;
        self.call_decoding(&request::shards(indices), |response| response.gather(ShardRows::new, keep)).await
    }

    /// Returns the marks of these indices in the cluster state. Sends as many requests as the names
    /// need.
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

    /// Returns the indices that were deleted last.
    pub(crate) async fn tombstones(&self) -> Result<Tombstones, Error> {
        self.call(&request::tombstones()).await
    }

    /// Returns the running restores.
    pub(crate) async fn running_restores(&self) -> Result<RunningRestores, Error> {
        self.call(&request::running_restores()).await
    }

    /// Returns the recoveries of exactly these indices. An index that does not exist has none.
    pub(crate) async fn recoveries_of(&self, indices: &[IndexName]) -> Result<Vec<ShardRecovery>, Error> {
        if indices.is_empty() {
            return Ok(Vec::new());
        }
        match self.recovery(indices).await {
            // If one index is gone, the server returns nothing about the others.
            Err(error) if error.kind() == ErrorKind::IndexMissing => {}
            recoveries => return recoveries,
        }
        let wanted: HashSet<&str> = indices.iter().map(IndexName::as_str).collect();
        self.recoveries_where(&[], |recovery| wanted.contains(recovery.index())).await
    }
}

/// Whether something belongs to this repository. Responses need not name the repository.
pub(super) fn is_in(repository: &RepositoryName, named: Option<&str>) -> bool {
    named.is_none_or(|named| named == repository.as_str())
}

/// Returns what was requested by its name. The response must contain it.
fn required<T>(found: Option<T>, what: impl FnOnce() -> String) -> Result<T, Error> {
    found.ok_or_else(|| {
        let text = format!("the response does not contain {}", what());
        Error::new(ErrorKind::Decode, Outcome::Unknown, text)
    })
}
