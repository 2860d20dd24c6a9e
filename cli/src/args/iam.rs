//! Arguments of the command that prints IAM documents.

use clap::{Args, ValueEnum};
use es_snapshot::iam::{DomainArn, KeyArn};

#[derive(Args, Debug)]
pub(crate) struct Iam {
    /// Domain, such as arn:aws:es:eu-west-1:123456789012:domain/logs
    #[arg(long, value_name = "ARN")]
    pub(crate) domain: DomainArn,
    /// Bucket
    #[arg(long)]
    pub(crate) bucket: String,
    /// Folder in the bucket
    #[arg(long, value_name = "PATH")]
    pub(crate) base_path: Option<String>,
    /// Role with which the domain reads and writes the bucket
    #[arg(long, value_name = "ARN")]
    pub(crate) role_arn: String,
    /// KMS key of the bucket
    #[arg(long, value_name = "ARN")]
    pub(crate) kms_key: Option<KeyArn>,
    /// Let the domain only read the bucket
    #[arg(long)]
    pub(crate) readonly: bool,
    /// Let the caller reach only the paths that it needs
    #[arg(long)]
    pub(crate) narrow_paths: bool,
    /// Print only this document, for a file
    #[arg(long, value_enum)]
    pub(crate) document: Option<Document>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Document {
    /// Policy of the snapshot role: access to the bucket
    BucketAccess,
    /// Trust policy of the snapshot role
    RoleTrust,
    /// Policy of the caller
    Caller,
    /// Trust policy of a bastion's role
    CallerTrust,
    /// Policy of a bucket of another account
    BucketPolicy,
}
