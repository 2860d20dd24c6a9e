//! Reads that several procedures share.

use serde_json::json;

use super::{Reply, Session};
use crate::error::{Error, ErrorKind, Outcome, ServerError};
use crate::name::{IndexName, RepositoryName, SnapshotName};
use crate::request;
use crate::restore::{Marks, RecoveryMap, RunningRestores, ShardRecovery, Tombstones};
use crate::snapshot::{SnapshotInfo, SnapshotList, SnapshotStatus, SnapshotStatusList};

impl Session {
    /// The snapshot of that name; in brief, without what only its own file contains.
    pub(crate) async fn find_snapshot(
        &self,
        repository: &RepositoryName,
        name: &SnapshotName,
        brief: bool,
    ) -> Result<SnapshotInfo, Error> {
        let request = request::get_snapshot(repository, name, brief);
        self.call_with(&request, |reply| asked_for(snapshots(&reply)?.into_iter().find(|found| found.name() == name.as_str())))
            .await
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
            asked_for(list.snapshots.into_iter().find(|found| found.name() == name.as_str()))
        })
        .await
    }

    /// The snapshots that run now, in one repository or in all.
    pub(crate) async fn running_snapshots(&self, repository: Option<&RepositoryName>) -> Result<Vec<SnapshotStatus>, Error> {
        let list: SnapshotStatusList = self.call(&request::running_snapshots(repository)).await?;
        Ok(list.snapshots)
    }

    /// The recoveries of the shards of these indices, or of all.
    pub(crate) async fn recovery(&self, indices: &[IndexName]) -> Result<Vec<ShardRecovery>, Error> {
        let map: RecoveryMap = self.call(&request::recovery(indices)).await?;
        Ok(map.0)
    }

    /// What the cluster state shows of these indices, in as many requests as their names need.
    pub(crate) async fn index_marks(&self, indices: &[IndexName]) -> Result<Marks, Error> {
        let mut all: Option<Marks> = None;
        for chunk in request::chunks(indices, request::LIST_ROOM) {
            let marks: Marks = self.call(&request::index_marks(chunk)).await?;
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
        let mut all = Vec::new();
        for chunk in request::chunks(indices, request::LIST_ROOM) {
            match self.recovery(chunk).await {
                Ok(recoveries) => all.extend(recoveries),
                // One name that is gone hides the others of its list.
                Err(error) if error.kind() == ErrorKind::IndexMissing => {
                    for name in chunk {
                        match self.recovery(std::slice::from_ref(name)).await {
                            Ok(recoveries) => all.extend(recoveries),
                            Err(error) if error.kind() == ErrorKind::IndexMissing => {}
                            Err(error) => return Err(error),
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}

/// What was asked for by its name, as the response has to contain it.
pub(crate) fn asked_for<T>(found: Option<T>) -> Result<T, Error> {
    found.ok_or_else(|| Error::new(ErrorKind::Decode, Outcome::Unknown, "the answer does not contain what was asked for"))
}

/// The snapshots of a listing; Elasticsearch 7.14 to 8.14 report a failed repository under HTTP 200.
pub(crate) fn snapshots(reply: &Reply) -> Result<Vec<SnapshotInfo>, Error> {
    let list: SnapshotList = reply.decode()?;
    match list.failures.into_iter().next() {
        None => Ok(list.snapshots),
        Some((_, failure)) => {
            let body = json!({"error": failure}).to_string();
            Err(Error::from_server(ServerError::parse(200, body.as_bytes(), None, &reply.secrets())))
        }
    }
}
