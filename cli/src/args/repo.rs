//! Arguments of the commands for repositories.

use std::time::Duration;

use clap::{Args, Subcommand};
use es_snapshot::name::RepositoryName;

use super::{Consent, KeyFile, KeyValue, Patience, span};

#[derive(Debug, Subcommand)]
pub(crate) enum RepoCommand {
    /// Lists the registered repositories
    List,
    /// Shows the settings of a repository
    Show(RepositoryArg),
    /// Registers a repository, or changes its settings
    Register(Box<Register>),
    /// Makes every node write to the repository and read from it
    Verify(RepositoryArg),
    /// Deletes the files that belong to no snapshot
    Cleanup(Change),
    /// Unregisters a repository. Its snapshots stay where they are stored
    Unregister(Change),
}

#[derive(Args, Debug)]
pub(crate) struct RepositoryArg {
    /// Repository
    #[arg(value_name = "REPO")]
    pub(crate) repository: RepositoryName,
}

/// A change of a registered repository.
#[derive(Args, Debug)]
pub(crate) struct Change {
    #[command(flatten)]
    pub(crate) target: RepositoryArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// The flags of other types. Only `requires = "bucket"` would not refuse them, because they exclude
/// the bucket.
const NOT_S3: [&str; 2] = ["location", "repository_type"];

#[derive(Args, Debug)]
#[group(id = "storage", required = true, multiple = false, args = ["bucket", "location", "repository_type"])]
pub(crate) struct Register {
    #[command(flatten)]
    pub(crate) target: RepositoryArg,
    /// Bucket of S3
    #[arg(long)]
    pub(crate) bucket: Option<String>,
    /// Region of the bucket
    #[arg(long, value_name = "REGION", requires = "bucket", conflicts_with_all = NOT_S3)]
    pub(crate) bucket_region: Option<String>,
    /// Host of S3, such as s3.amazonaws.com, if the bucket is in another region than the domain
    #[arg(long, value_name = "HOST", requires = "bucket")]
    #[arg(conflicts_with = "bucket_region", conflicts_with_all = NOT_S3)]
    pub(crate) bucket_endpoint: Option<String>,
    /// Role with which an Amazon domain reads and writes the bucket
    #[arg(long, value_name = "ARN", requires = "bucket", conflicts_with_all = NOT_S3)]
    pub(crate) role_arn: Option<String>,
    /// Folder in the bucket, without a leading slash
    #[arg(long, value_name = "PATH", requires = "bucket", conflicts_with_all = NOT_S3)]
    pub(crate) base_path: Option<String>,
    /// Encrypt the objects in the bucket
    #[arg(long, requires = "bucket", conflicts_with_all = NOT_S3)]
    pub(crate) server_side_encryption: bool,
    /// Folder that all nodes share (type fs), on a cluster of your own
    #[arg(long, value_name = "PATH")]
    pub(crate) location: Option<String>,
    /// Another type, such as azure. Its settings are given with --setting
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) repository_type: Option<String>,
    /// Only read the repository, as a second domain should
    #[arg(long)]
    pub(crate) readonly: bool,
    /// Another setting of the repository; may be repeated
    #[arg(long = "setting", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<KeyValue>,
    /// Another setting whose value is in a file, such as a secret; may be repeated
    #[arg(long = "setting-file", value_name = "KEY=FILE")]
    pub(crate) setting_files: Vec<KeyFile>,
    /// Keep trying this long while new IAM permissions take effect
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "2m")]
    pub(crate) propagation_time: Duration,
    /// Undo a registration that fails
    #[arg(long)]
    pub(crate) rollback: bool,
    /// Do not make the nodes verify the repository
    #[arg(long)]
    pub(crate) no_verify: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) consent: Consent,
}
