//! The endpoints that the fake server supports, with their methods and parameters.

use super::super::cluster::Cluster;
use crate::error::Operation;

/// An endpoint that the fake server supports, with the names in its path.
#[derive(Clone, Copy)]
pub(super) enum Route<'a> {
    Info,
    Health,
    Shards(Option<&'a str>),
    Recovery(Option<&'a str>),
    State(Option<&'a str>, Option<&'a str>),
    Explain,
    CreateIndex(&'a str),
    DeleteIndex(&'a str),
    CloseIndices(&'a str),
    OpenIndices(&'a str),
    PutSettings(&'a str),
    GetRepositories(Option<&'a str>),
    PutRepository(&'a str),
    DeleteRepository(&'a str),
    Verify(&'a str),
    CleanUp(&'a str),
    GetSnapshots(&'a str, &'a str),
    CreateSnapshot(&'a str, &'a str),
    DeleteSnapshots(&'a str, &'a str),
    Clone(&'a str, &'a str, &'a str),
    Restore(&'a str, &'a str),
    Status(Option<&'a str>, Option<&'a str>),
}

/// Returns the endpoints of a path, by method. A word of the API takes precedence over a name in
/// the same place, as in the servers' own router.
pub(super) fn routes<'a>(segments: &[&'a str]) -> Vec<(&'static str, Route<'a>)> {
    match *segments {
        [] => vec![("GET", Route::Info)],
        ["_cluster", "health"] => vec![("GET", Route::Health)],
        ["_cluster", "state"] => vec![("GET", Route::State(None, None))],
        ["_cluster", "state", metrics] => vec![("GET", Route::State(Some(metrics), None))],
        ["_cluster", "state", metrics, index] => vec![("GET", Route::State(Some(metrics), Some(index)))],
        ["_cluster", "allocation", "explain"] => vec![("GET", Route::Explain), ("POST", Route::Explain)],
        ["_cat", "shards"] => vec![("GET", Route::Shards(None))],
        ["_cat", "shards", index] => vec![("GET", Route::Shards(Some(index)))],
        ["_recovery"] => vec![("GET", Route::Recovery(None))],
        ["_snapshot"] => vec![("GET", Route::GetRepositories(None))],
        ["_snapshot", "_status"] => vec![("GET", Route::Status(None, None))],
        ["_snapshot", repository] => vec![
            ("GET", Route::GetRepositories(Some(repository))),
            ("PUT", Route::PutRepository(repository)),
            ("POST", Route::PutRepository(repository)),
            ("DELETE", Route::DeleteRepository(repository)),
        ],
        ["_snapshot", repository, "_verify"] => vec![("POST", Route::Verify(repository))],
        ["_snapshot", repository, "_cleanup"] => vec![("POST", Route::CleanUp(repository))],
        ["_snapshot", repository, "_status"] => vec![("GET", Route::Status(Some(repository), None))],
        ["_snapshot", repository, snapshot] => vec![
            ("GET", Route::GetSnapshots(repository, snapshot)),
            ("PUT", Route::CreateSnapshot(repository, snapshot)),
            ("POST", Route::CreateSnapshot(repository, snapshot)),
            ("DELETE", Route::DeleteSnapshots(repository, snapshot)),
        ],
        ["_snapshot", repository, snapshot, "_status"] => {
            vec![("GET", Route::Status(Some(repository), Some(snapshot)))]
        }
        ["_snapshot", repository, snapshot, "_restore"] => vec![("POST", Route::Restore(repository, snapshot))],
        ["_snapshot", repository, snapshot, "_clone", target] => {
            vec![("PUT", Route::Clone(repository, snapshot, target))]
        }
        [index, "_recovery"] if !index.starts_with('_') => vec![("GET", Route::Recovery(Some(index)))],
        [index, "_close"] if !index.starts_with('_') => vec![("POST", Route::CloseIndices(index))],
        [index, "_open"] if !index.starts_with('_') => vec![("POST", Route::OpenIndices(index))],
        [index, "_settings"] if !index.starts_with('_') => vec![("PUT", Route::PutSettings(index))],
        [index] if !index.starts_with('_') => {
            vec![("PUT", Route::CreateIndex(index)), ("DELETE", Route::DeleteIndex(index))]
        }
        _ => Vec::new(),
    }
}

impl Route<'_> {
    pub(super) fn operation(self) -> Option<Operation> {
        Some(match self {
            Self::Info => Operation::ServerInfo,
            Self::Shards(_) => Operation::Shards,
            Self::Recovery(_) => Operation::Recovery,
            Self::GetRepositories(None) => Operation::ListRepositories,
            Self::GetRepositories(Some(_)) => Operation::GetRepository,
            Self::PutRepository(_) => Operation::RegisterRepository,
            Self::DeleteRepository(_) => Operation::UnregisterRepository,
            Self::Verify(_) => Operation::VerifyRepository,
            Self::CleanUp(_) => Operation::CleanUpRepository,
            Self::GetSnapshots(_, name) if name.contains(['*', ',']) || name.starts_with('_') => {
                Operation::ListSnapshots
            }
            Self::GetSnapshots(..) => Operation::GetSnapshot,
            Self::CreateSnapshot(..) => Operation::CreateSnapshot,
            Self::DeleteSnapshots(..) => Operation::DeleteSnapshot,
            Self::Clone(..) => Operation::CloneSnapshot,
            Self::Restore(..) => Operation::RestoreSnapshot,
            Self::Status(..) => Operation::SnapshotStatus,
            Self::Health
            | Self::State(..)
            | Self::Explain
            | Self::CreateIndex(_)
            | Self::DeleteIndex(_)
            | Self::CloseIndices(_)
            | Self::OpenIndices(_)
            | Self::PutSettings(_) => return None,
        })
    }

    /// Returns the query parameters of this endpoint, except those that all endpoints have.
    pub(super) fn parameters(self, cluster: &Cluster) -> Vec<&'static str> {
        let mut known = match self {
            Self::Info => return Vec::new(),
            Self::State(..) => vec![
                "allow_no_indices",
                "expand_wildcards",
                "ignore_unavailable",
                "local",
                "wait_for_metadata_version",
                "wait_for_timeout",
            ],
            Self::Explain => vec!["include_disk_info", "include_yes_decisions"],
            Self::DeleteIndex(_) | Self::CloseIndices(_) | Self::OpenIndices(_) | Self::PutSettings(_) => {
                vec!["allow_no_indices", "expand_wildcards", "ignore_unavailable", "timeout"]
            }
            Self::Health | Self::CreateIndex(_) | Self::DeleteRepository(_) | Self::Verify(_) | Self::CleanUp(_) => {
                vec!["timeout"]
            }
            Self::Shards(_) => vec!["h", "bytes", "local"],
            Self::Recovery(_) => {
                return vec!["active_only", "allow_no_indices", "detailed", "expand_wildcards", "ignore_unavailable"];
            }
            Self::GetRepositories(_) => vec!["local"],
            Self::PutRepository(_) => vec!["verify", "timeout"],
            Self::GetSnapshots(..) => vec!["ignore_unavailable", "verbose"],
            Self::CreateSnapshot(..) | Self::Restore(..) => vec!["wait_for_completion"],
            Self::DeleteSnapshots(..) if cluster.engine.es(8, 15) => vec!["wait_for_completion"],
            Self::DeleteSnapshots(..) | Self::Clone(..) => Vec::new(),
            Self::Status(..) => vec!["ignore_unavailable"],
        };
        if matches!(self, Self::GetSnapshots(..)) {
            let since = [
                ("include_repository", 7, 14),
                ("size", 7, 14),
                ("sort", 7, 14),
                ("order", 7, 14),
                ("after", 7, 14),
                ("offset", 7, 15),
                ("index_names", 8, 3),
            ];
            known.extend(
                since.iter().filter(|(_, major, minor)| cluster.engine.es(*major, *minor)).map(|(name, ..)| *name),
            );
        }
        known.push("master_timeout");
        if cluster.engine.os(2, 0) {
            known.push("cluster_manager_timeout");
        }
        known
    }
}
