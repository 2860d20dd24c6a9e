//! Reads that several procedures share.

use serde_json::json;

use super::{Reply, Session};
use crate::error::{Error, ErrorKind, Outcome, ServerError};
use crate::name::{IndexName, RepositoryName, SnapshotName};
use crate::request;
use crate::restore::{RecoveryMap, ShardRecovery};
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
