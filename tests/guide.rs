//! The documents in docs/guide.md are those that the crate generates.

use es_snapshot::S3Settings;
use es_snapshot::error::Operation;
use es_snapshot::iam::SnapshotAccess;

const GUIDE: &str = include_str!("../docs/guide.md");

/// The operations of the example `iam_documents`.
const OPERATIONS: [Operation; 7] = [
    Operation::RegisterRepository,
    Operation::GetRepository,
    Operation::CreateSnapshot,
    Operation::ListSnapshots,
    Operation::SnapshotStatus,
    Operation::DeleteSnapshot,
    Operation::RestoreSnapshot,
];

#[test]
fn the_guide_shows_the_generated_documents() {
    let settings = S3Settings::new("my-bucket-4-es")
        .with_region("ap-northeast-1")
        .with_role_arn("arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot");
    let domain = "arn:aws:es:ap-northeast-1:123456789012:domain/logs".parse().unwrap();
    let access = SnapshotAccess::new(&settings, domain).unwrap();

    for (name, document) in [
        ("role-trust", access.role_trust()),
        ("bucket-access", access.bucket_access()),
        ("caller", access.caller(OPERATIONS)),
        ("caller-trust", access.caller_trust()),
    ] {
        let block = format!("```json {name}\n{document}\n```\n");
        assert!(GUIDE.contains(&block), "the guide should contain\n{block}");
    }
}
