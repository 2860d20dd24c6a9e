//! Arguments of the restore.

use clap::Args;
use es_snapshot::name::{IndexPattern, SnapshotName};

use super::{Consent, KeyValue, Patience, RepositoryArg, Waiting};

#[derive(Args, Debug)]
pub(crate) struct Restore {
    #[command(flatten)]
    pub(crate) target: RepositoryArg,
    /// Snapshot
    pub(crate) name: SnapshotName,
    /// Indices, patterns and -exclusions. Default: all
    #[arg(long, value_name = "NAME", value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) indices: Vec<IndexPattern>,
    /// Restore under other names, such as --rename '(.+)' 'restored-$1'
    #[arg(long, num_args = 2, value_names = ["PATTERN", "REPLACEMENT"])]
    pub(crate) rename: Vec<String>,
    /// Index setting instead of the one in the snapshot; may be repeated
    #[arg(long = "index-setting", value_name = "KEY=VALUE")]
    pub(crate) index_settings: Vec<KeyValue>,
    /// Index setting that is not restored; may be repeated
    #[arg(long = "ignore-index-setting", value_name = "KEY")]
    pub(crate) ignored_settings: Vec<String>,
    /// Skip named indices that the snapshot does not contain
    #[arg(long)]
    pub(crate) ignore_unavailable: bool,
    /// Leave out the aliases
    #[arg(long)]
    pub(crate) no_aliases: bool,
    /// Restore indices that the snapshot contains only in part. Missing shards come back empty
    #[arg(long)]
    pub(crate) partial: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    #[command(flatten)]
    pub(crate) consent: Consent,
}
