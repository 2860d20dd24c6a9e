//! The generated IAM documents, compared with those that operators write by hand today.

use es_snapshot::error::Operation;
use es_snapshot::iam::{KeyArn, PolicyDocument, SnapshotAccess};
use es_snapshot::{ErrorKind, S3Settings};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";

fn settings() -> S3Settings {
    S3Settings::new("my-bucket-4-es").with_region("ap-northeast-1").with_role_arn(ROLE)
}

fn access(settings: &S3Settings) -> SnapshotAccess {
    SnapshotAccess::new(settings, "arn:aws:es:ap-northeast-1:123456789012:domain/logs".parse().unwrap()).unwrap()
}

fn json_of(document: &PolicyDocument) -> Value {
    serde_json::to_value(document).unwrap()
}

/// IAM takes one text and a list of one text for the same.
fn canonical(value: Value) -> Value {
    match value {
        Value::Array(values) if values.len() == 1 && values[0].is_string() => values[0].clone(),
        Value::Array(values) => values.into_iter().map(canonical).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, canonical(value))).collect(),
        other => other,
    }
}

fn golden(text: &str) -> Value {
    canonical(serde_json::from_str(&text.replace("domain/DOMAIN", "domain/logs")).unwrap())
}

#[test]
fn grants_the_snapshot_role_what_the_procedure_grants() {
    let document = access(&settings()).bucket_access();

    assert_eq!(canonical(json_of(&document)), golden(include_str!("iam/2-bucket-access.json")));
}

#[test]
fn trusts_whom_the_procedure_trusts_without_the_source_conditions() {
    let document = access(&settings()).with_source_conditions(false).role_trust();

    assert_eq!(canonical(json_of(&document)), golden(include_str!("iam/3-snapshot-role-trust.json")));
}

#[test]
fn grants_the_caller_what_the_procedure_grants_without_the_service_condition() {
    let document = access(&settings()).with_passed_to_service(false).caller([Operation::RegisterRepository]);

    assert_eq!(canonical(json_of(&document)), golden(include_str!("iam/4-caller.json")));
}

#[test]
fn trusts_instances_as_the_procedure_does() {
    let document = access(&settings()).caller_trust();

    assert_eq!(canonical(json_of(&document)), golden(include_str!("iam/5-caller-role-trust.json")));
}

#[test]
fn restricts_the_trust_to_the_domain_by_default() {
    let document = json_of(&access(&settings()).role_trust());

    assert_eq!(
        document["Statement"][0]["Condition"],
        json!({
            "StringEquals": {"aws:SourceAccount": "123456789012"},
            "ArnLike": {"aws:SourceArn": "arn:aws:es:ap-northeast-1:123456789012:domain/logs"},
        })
    );
}

#[test]
fn restricts_passing_the_role_to_the_service_by_default() {
    let document = json_of(&access(&settings()).caller([Operation::RegisterRepository]));

    let pass = &document["Statement"][0];
    assert_eq!((&pass["Action"], &pass["Resource"]), (&json!("iam:PassRole"), &json!(ROLE)));
    assert_eq!(pass["Condition"], json!({"StringEquals": {"iam:PassedToService": "es.amazonaws.com"}}));
}

#[test]
fn lets_a_read_only_domain_neither_write_nor_delete() {
    let document = json_of(&access(&settings().with_readonly(true)).bucket_access());

    assert_eq!(document["Statement"][1]["Action"], "s3:GetObject");
}

#[test]
fn reaches_only_the_base_path_of_the_bucket() {
    let document = json_of(&access(&settings().with_base_path("domains/logs")).bucket_access());

    let [list, objects] = [&document["Statement"][0], &document["Statement"][1]];
    assert_eq!(list["Condition"], json!({"StringLike": {"s3:prefix": "domains/logs/*"}}));
    assert_eq!(objects["Resource"], "arn:aws:s3:::my-bucket-4-es/domains/logs/*");
}

#[test]
fn uses_the_key_only_through_s3() {
    let key: KeyArn = "arn:aws:kms:ap-northeast-1:123456789012:key/1234abcd".parse().unwrap();

    let document = json_of(&access(&settings()).with_kms_key(key).bucket_access());

    assert_eq!(
        document["Statement"][2],
        json!({
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": "arn:aws:kms:ap-northeast-1:123456789012:key/1234abcd",
            "Condition": {"StringEquals": {"kms:ViaService": "s3.ap-northeast-1.amazonaws.com"}},
        })
    );
}

#[test]
fn names_the_role_in_the_policy_of_a_bucket_of_another_account() {
    let document = json_of(&access(&settings()).bucket_policy());

    for statement in document["Statement"].as_array().unwrap() {
        assert_eq!(statement["Principal"], json!({"AWS": ROLE}));
    }
}

#[test]
fn reaches_an_access_point_by_its_arn() {
    let point = "arn:aws:s3:eu-west-1:123456789012:accesspoint/backup";
    let settings = S3Settings::new(point).with_region("eu-west-1").with_role_arn(ROLE);

    let document = json_of(&access(&settings).bucket_access());

    assert_eq!(document["Statement"][0]["Resource"], point);
    assert_eq!(document["Statement"][1]["Resource"], format!("{point}/object/*"));
}

#[test]
fn allows_only_the_methods_and_paths_of_the_operations() {
    let operations = [Operation::CreateSnapshot, Operation::ListRepositories];

    let document = json_of(&access(&settings()).with_narrow_paths(true).caller(operations));

    let domain = "arn:aws:es:ap-northeast-1:123456789012:domain/logs";
    assert_eq!(
        document["Statement"],
        json!([{
            "Effect": "Allow",
            "Action": ["es:ESHttpGet", "es:ESHttpPut"],
            "Resource": [format!("{domain}/_snapshot"), format!("{domain}/_snapshot/*")],
        }])
    );
}

#[test]
fn writes_the_arns_and_services_of_each_partition() {
    for (partition, region, ec2) in [
        ("aws", "eu-west-1", "ec2.amazonaws.com"),
        ("aws-us-gov", "us-gov-west-1", "ec2.amazonaws.com"),
        ("aws-cn", "cn-north-1", "ec2.amazonaws.com.cn"),
    ] {
        let role = format!("arn:{partition}:iam::123456789012:role/R");
        let settings = S3Settings::new("backups").with_region(region).with_role_arn(role);
        let domain = format!("arn:{partition}:es:{region}:123456789012:domain/logs").parse().unwrap();

        let access = SnapshotAccess::new(&settings, domain).unwrap();

        let bucket = &json_of(&access.bucket_access())["Statement"][0]["Resource"];
        assert_eq!(*bucket, format!("arn:{partition}:s3:::backups"));
        assert_eq!(json_of(&access.caller_trust())["Statement"][0]["Principal"], json!({"Service": ec2}));
    }
}

#[test]
fn refuses_what_would_grant_more_than_meant() {
    let cases = [
        (settings().with_base_path("a*"), "base_path"),
        (settings().with_base_path("/logs"), "base_path"),
        (S3Settings::new("my-bucket-?").with_role_arn(ROLE), "bucket"),
        (S3Settings::new("backup-abc123-s3alias").with_role_arn(ROLE), "access point"),
        (S3Settings::new("my-bucket-4-es"), "role_arn"),
        (settings().with_role_arn("arn:aws-cn:iam::123456789012:role/R"), "partition"),
    ];
    for (settings, named) in cases {
        let domain = "arn:aws:es:ap-northeast-1:123456789012:domain/logs".parse().unwrap();

        let error = SnapshotAccess::new(&settings, domain).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(named), "{error}");
    }
}
