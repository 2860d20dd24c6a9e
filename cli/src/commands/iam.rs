//! `iam`: the IAM documents of a manual snapshot.

use clap::ValueEnum as _;
use es_snapshot::S3Settings;
use es_snapshot::error::Operation;
use es_snapshot::iam::{PolicyDocument, SnapshotAccess};

use crate::args::{Document, Format, Iam};
use crate::failure::Failure;
use crate::output::Console;
use crate::output::records::DocumentRecord;

/// What an operator does with a repository from the first day on.
const OPERATIONS: [Operation; 9] = [
    Operation::RegisterRepository,
    Operation::GetRepository,
    Operation::ListRepositories,
    Operation::VerifyRepository,
    Operation::CreateSnapshot,
    Operation::ListSnapshots,
    Operation::SnapshotStatus,
    Operation::DeleteSnapshot,
    Operation::RestoreSnapshot,
];

pub(super) fn run(args: &Iam, console: &Console) -> Result<(), Failure> {
    let access = access(args)?;
    if let Some(document) = args.document {
        return console.text(format!("{}\n", policy(&access, document)).as_bytes());
    }
    let record = |document: &Document| DocumentRecord { document: name(*document), policy: policy(&access, *document) };
    let documents: Vec<DocumentRecord> = Document::value_variants().iter().map(record).collect();
    if console.format() != Format::Table {
        return console.all(&documents);
    }
    // A policy has many lines, so it is not a cell of a table.
    let texts: Vec<String> =
        documents.iter().map(|record| format!("{}:\n{}\n", record.document, record.policy)).collect();
    console.text(texts.join("\n").as_bytes())
}

/// Returns the name that `--document` accepts.
fn name(document: Document) -> String {
    document.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn access(args: &Iam) -> Result<SnapshotAccess, Failure> {
    let mut settings = S3Settings::new(&args.bucket).with_role_arn(&args.role_arn);
    if let Some(path) = &args.base_path {
        settings = settings.with_base_path(path);
    }
    let access = SnapshotAccess::new(&settings, args.domain.clone())?
        .with_read_only(args.readonly)
        .with_narrow_paths(args.narrow_paths);
    Ok(match &args.kms_key {
        Some(key) => access.with_kms_key(key.clone()),
        None => access,
    })
}

fn policy(access: &SnapshotAccess, document: Document) -> PolicyDocument {
    match document {
        Document::BucketAccess => access.bucket_access(),
        Document::RoleTrust => access.role_trust(),
        Document::Caller => access.caller(OPERATIONS),
        Document::CallerTrust => access.caller_trust(),
        Document::BucketPolicy => access.bucket_policy(),
    }
}
