//! Prints the IAM documents that a manual snapshot needs.
//!
//! `cargo run --example iam_documents -- --help` lists the options.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::Parser;
use es_snapshot::S3Settings;
use es_snapshot::error::Operation;
use es_snapshot::iam::{DomainArn, KeyArn, SnapshotAccess};

/// Prints the IAM documents of a repository on an Amazon domain.
#[derive(Parser)]
struct Args {
    /// The domain, such as arn:aws:es:eu-west-1:123456789012:domain/logs
    #[arg(long)]
    domain: DomainArn,
    /// The bucket
    #[arg(long)]
    bucket: String,
    /// The folder within the bucket
    #[arg(long)]
    base_path: Option<String>,
    /// The snapshot role, such as `arn:aws:iam::123456789012:role/snapshots`
    #[arg(long)]
    role_arn: String,
    /// The KMS key of the bucket
    #[arg(long)]
    kms_key: Option<KeyArn>,
    /// The domain only reads the bucket
    #[arg(long)]
    read_only: bool,
    /// The caller reaches only the paths that it needs
    #[arg(long)]
    narrow_paths: bool,
    /// Writes each document to a file of this folder instead
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// What an operator does with a repository from the first day on.
const OPERATIONS: [Operation; 7] = [
    Operation::RegisterRepository,
    Operation::GetRepository,
    Operation::CreateSnapshot,
    Operation::ListSnapshots,
    Operation::SnapshotStatus,
    Operation::DeleteSnapshot,
    Operation::RestoreSnapshot,
];

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut settings = S3Settings::new(args.bucket).with_role_arn(args.role_arn);
    if let Some(path) = args.base_path {
        settings = settings.with_base_path(path);
    }
    let mut access = SnapshotAccess::new(&settings, args.domain)?
        .with_read_only(args.read_only)
        .with_narrow_paths(args.narrow_paths);
    if let Some(key) = args.kms_key {
        access = access.with_kms_key(key);
    }

    for (name, document) in [
        ("bucket-access", access.bucket_access()),
        ("role-trust", access.role_trust()),
        ("caller", access.caller(OPERATIONS)),
        ("caller-trust", access.caller_trust()),
        ("bucket-policy", access.bucket_policy()),
    ] {
        match &args.directory {
            Some(directory) => fs::write(directory.join(format!("{name}.json")), format!("{document}\n"))?,
            None => println!("{name}:\n{document}\n"),
        }
    }
    Ok(())
}
