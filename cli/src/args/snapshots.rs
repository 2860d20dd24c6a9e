//! Arguments of the commands for snapshots.

use std::time::Duration;

use clap::Args;
use es_snapshot::SnapshotPattern;
use es_snapshot::name::{RepositoryName, SnapshotName};

use super::{Consent, KeyValue, NewName, Patience, RepositoryArg, Waiting, span};

/// The name of a snapshot if none is given.
const DEFAULT_NAME: &str = "<snapshot-{now{yyyy.MM.dd-HH.mm.ss}}>";

#[derive(Args, Debug)]
pub(crate) struct Take {
    #[command(flatten)]
    pub(crate) target: RepositoryArg,
    /// Name, or date math such as '<nightly-{now/d}>'
    #[arg(default_value = DEFAULT_NAME)]
    pub(crate) name: NewName,
    /// Indices, patterns and -exclusions. Default: all
    #[arg(long, value_name = "NAME", value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) indices: Vec<String>,
    /// Skip named indices that are missing or closed
    #[arg(long)]
    pub(crate) ignore_unavailable: bool,
    /// Leave out the cluster state, such as templates
    #[arg(long)]
    pub(crate) no_global_state: bool,
    /// Start even if a primary shard is not available
    #[arg(long)]
    pub(crate) partial: bool,
    /// Metadata to store with the snapshot; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) metadata: Vec<KeyValue>,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    /// Check the repository and the name, and take nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) target: RepositoryArg,
    /// Only snapshots in these states, such as PARTIAL,FAILED
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    pub(crate) state: Vec<String>,
    /// Only snapshots whose names start with this
    #[arg(long)]
    pub(crate) prefix: Option<String>,
    /// Only snapshots that started longer ago than this, such as 30d
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(crate) older_than: Option<Duration>,
    /// Only the newest of them
    #[arg(long, value_name = "NUMBER")]
    pub(crate) limit: Option<usize>,
}

#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) target: RepositoryArg,
    /// Snapshot
    pub(crate) name: SnapshotName,
}

#[derive(Args, Debug)]
pub(crate) struct Status {
    /// Repository. Default: the running snapshots of all
    #[arg(value_name = "REPO", requires = "name")]
    pub(crate) repository: Option<RepositoryName>,
    /// Snapshot
    pub(crate) name: Option<SnapshotName>,
}

#[derive(Args, Debug)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) target: RepositoryArg,
    /// Snapshots
    #[arg(value_name = "NAME", required_unless_present = "pattern")]
    pub(crate) names: Vec<SnapshotName>,
    /// Delete what matches this pattern now, such as 'nightly-2026.04.*'
    #[arg(long, conflicts_with = "names")]
    pub(crate) pattern: Option<SnapshotPattern>,
    /// Delete only those that started longer ago than this, such as 30d
    #[arg(long, value_name = "TIME", value_parser = span, requires = "pattern", conflicts_with = "names")]
    pub(crate) older_than: Option<Duration>,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) consent: Consent,
}
