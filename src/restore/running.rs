//! Running restores, as the cluster state shows them.

use serde::Deserialize;

use super::{Source, Targets};
use crate::wire::null_as_default;

/// The state of one shard of a running restore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum ShardRestoreState {
    /// No node has begun to restore it.
    Init,
    /// A node is restoring it.
    Started,
    /// It is restored.
    Success,
    /// The server has given up restoring it.
    Failure,
    /// A state that this version of the crate does not know.
    #[default]
    #[serde(other)]
    Other,
}

/// The running restores, as `GET /_cluster/state/customs?filter_path=restore` returns them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct RunningRestores {
    #[serde(deserialize_with = "null_as_default")]
    restore: Restores,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Restores {
    #[serde(deserialize_with = "null_as_default")]
    snapshots: Vec<RunningRestore>,
}

/// One running restore: its snapshot, its targets under their new names, and the state of each
/// shard. The server removes it when the restore has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct RunningRestore {
    snapshot: String,
    repository: String,
    #[serde(deserialize_with = "null_as_default")]
    indices: Vec<String>,
    #[serde(deserialize_with = "null_as_default")]
    shards: Vec<RunningShard>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct RunningShard {
    #[serde(deserialize_with = "null_as_default")]
    index: RunningIndex,
    shard: u32,
    state: ShardRestoreState,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct RunningIndex {
    index_name: String,
    index_uuid: String,
}

impl RunningShard {
    pub(crate) fn index(&self) -> &str {
        &self.index.index_name
    }

    pub(crate) fn index_uuid(&self) -> &str {
        &self.index.index_uuid
    }

    pub(crate) fn shard(&self) -> u32 {
        self.shard
    }

    pub(crate) fn state(&self) -> ShardRestoreState {
        self.state
    }
}

impl RunningRestore {
    pub(crate) fn indices(&self) -> &[String] {
        &self.indices
    }

    pub(crate) fn shards(&self) -> &[RunningShard] {
        &self.shards
    }
}

impl RunningRestores {
    /// Returns the running restores from this snapshot.
    pub(crate) fn of<'a>(&'a self, source: &'a Source) -> impl Iterator<Item = &'a RunningRestore> {
        self.restore.snapshots.iter().filter(|restore| source.is(&restore.repository, &restore.snapshot))
    }

    /// Returns whether any running restore writes this index.
    pub(crate) fn write(&self, index: &str) -> bool {
        self.restore.snapshots.iter().any(|restore| restore.indices.iter().any(|name| name == index))
    }

    /// Returns the running restore from this snapshot that writes exactly these targets.
    pub(crate) fn find<'a>(&'a self, source: &'a Source, targets: &Targets) -> Option<&'a RunningRestore> {
        self.of(source).find(|restore| targets.match_exactly(restore.indices.iter().map(String::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn running() -> RunningRestores {
        let shards = json!([{"index": {"index_name": "new-big", "index_uuid": "0cq2"}, "shard": 0, "state": "INIT"},
                            {"index": {"index_name": "new-big", "index_uuid": "0cq2"}, "shard": 1, "state": "FAILURE"}]);
        let restore =
            json!({"snapshot": "s1", "repository": "m", "state": "INIT", "indices": ["new-big"], "shards": shards});
        serde_json::from_value(json!({"restore": {"snapshots": [restore]}})).unwrap()
    }

    fn source(repository: &str, name: &str) -> Source {
        Source::new(repository.parse().unwrap(), name.parse().unwrap())
    }

    #[test]
    fn finds_a_running_restore_by_its_source_and_all_its_targets() {
        let exactly = |names: &[&str]| Targets::exactly(names.iter().map(ToString::to_string));
        let found =
            |repository, name, names: &[&str]| running().find(&source(repository, name), &exactly(names)).is_some();

        assert!(found("m", "s1", &["new-big"]));
        assert!(!found("m", "s1", &["new-big", "new-small"]));
        assert!(!found("m", "s2", &["new-big"]));
        assert!(!found("n", "s1", &["new-big"]));
    }

    #[test]
    fn reads_every_shard_with_the_uuid_of_its_index() {
        let (all, source) = (running(), source("m", "s1"));
        let restore = all.find(&source, &Targets::exactly(["new-big".to_owned()])).unwrap();

        let shards: Vec<_> =
            restore.shards().iter().map(|one| (one.index(), one.index_uuid(), one.shard(), one.state())).collect();
        assert_eq!(
            shards,
            [("new-big", "0cq2", 0, ShardRestoreState::Init), ("new-big", "0cq2", 1, ShardRestoreState::Failure)]
        );
    }

    #[test]
    fn reads_an_empty_object_as_no_running_restore() {
        assert_eq!(serde_json::from_str::<RunningRestores>("{}").unwrap(), RunningRestores::default());
    }
}
