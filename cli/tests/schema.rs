//! Compares what `-o json` and `-o ndjson` write with the schema that `schema` prints.

#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod support;

use std::collections::BTreeSet;
use std::process::Command;

use es_snapshot::testing::FakeDomain;
use serde_json::{Map, Value};
use support::{domain, partial, program};

fn schema() -> Value {
    let printed = Command::new(env!("CARGO_BIN_EXE_es-snapshot")).arg("schema").output().unwrap();
    serde_json::from_slice(&printed.stdout).unwrap()
}

/// Returns how a value differs from a rule of the schema. It knows the words that the schema uses,
/// and reports fields that the rule does not list.
fn differences(value: &Value, rule: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(expected) = rule.get("const").filter(|expected| *expected != value) {
        found.push(format!("{at}: {value} is not {expected}"));
    }
    if rule.get("enum").is_some_and(|words| !words.as_array().unwrap().contains(value)) {
        found.push(format!("{at}: {value} is not listed"));
    }
    let types: Vec<&str> = match rule.get("type") {
        Some(Value::Array(types)) => types.iter().map(|name| name.as_str().unwrap()).collect(),
        Some(name) => vec![name.as_str().unwrap()],
        None => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is_of_type(value, name)) {
        found.push(format!("{at}: {value} is none of {types:?}"));
    }
    if let (Value::Object(fields), Some(Value::Object(properties))) = (value, rule.get("properties")) {
        for name in rule["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
            if !fields.contains_key(name) {
                found.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, field) in fields {
            match properties.get(name) {
                Some(rule) => differences(field, rule, &format!("{at}.{name}"), found),
                None => found.push(format!("{at}: {name} is not in the schema")),
            }
        }
    }
    if let (Value::Array(items), Some(rule)) = (value, rule.get("items")) {
        for item in items {
            differences(item, rule, &format!("{at}[]"), found);
        }
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("{name}"),
    }
}

/// Compares a document with the schema, and returns its kind, or that of its items.
fn kind(document: &Value, schema: &Value) -> String {
    let (rules, mut found) = (&schema["$defs"], Vec::new());
    let mut fields: Map<String, Value> = document.as_object().unwrap().clone();
    let kind = if document["kind"] == "list" {
        differences(document, &rules["list"], "list", &mut found);
        let kind = document["of"].as_str().unwrap();
        let items = document["items"].as_array().unwrap();
        for item in items {
            differences(item, &rules[kind], kind, &mut found);
        }
        kind
    } else {
        let kind = document["kind"].as_str().unwrap();
        let common: Map<String, Value> =
            ["version", "kind"].map(|name| (name.to_owned(), fields.remove(name).unwrap())).into_iter().collect();
        differences(&common.into(), &rules["record"], "record", &mut found);
        differences(&fields.into(), &rules[kind], kind, &mut found);
        kind
    };
    assert!(rules.get(kind).is_some() && found.is_empty(), "{found:?} in {document}");
    kind.to_owned()
}

/// Runs the program, and returns the documents that it writes: one, or one on each line.
async fn documents(domain: &FakeDomain, line: &str) -> Vec<Value> {
    let words: Vec<&str> = line.split(' ').collect();
    let output = program(domain, &words).await.output().unwrap();
    let read: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(&output.stdout).into_iter().collect();
    let read = read.unwrap();
    assert!(!read.is_empty(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    read
}

#[tokio::test]
async fn every_kind_of_output_follows_the_schema() {
    let (domain, schema) = (domain().await, schema());
    let role = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
    let lines = [
        format!("repo register logs --bucket my-bucket-4-es --base-path logs --role-arn {role}"),
        format!("repo register logs --bucket my-bucket-4-es --base-path 2026 --role-arn {role} --yes"),
        "repo list".to_owned(),
        "repo verify backups".to_owned(),
        "repo cleanup backups --yes".to_owned(),
        "repo unregister logs --dry-run".to_owned(),
        "take backups monday --metadata taken_by=me".to_owned(),
        "take backups tuesday --detach".to_owned(),
        "list backups".to_owned(),
        "show backups monday".to_owned(),
        "status backups monday".to_owned(),
        "restore backups monday --rename (.+) restored-$1 --dry-run".to_owned(),
        "restore backups monday --rename (.+) restored-$1 --yes".to_owned(),
        "doctor backups".to_owned(),
        "delete backups tuesday --dry-run".to_owned(),
        "delete backups tuesday --yes".to_owned(),
        "wait backups tuesday --for deletion".to_owned(),
        format!("iam --domain arn:aws:es:eu-west-1:123456789012:domain/logs --bucket b --role-arn {role}"),
    ];

    let mut kinds = BTreeSet::new();
    for line in lines {
        for document in documents(&domain, &format!("{line} -o json")).await {
            kinds.insert(kind(&document, &schema));
        }
    }
    domain.plan_snapshot(partial());
    for line in ["take backups wednesday -o ndjson", "list backups -o ndjson"] {
        for document in documents(&domain, line).await {
            kinds.insert(kind(&document, &schema));
        }
    }
    domain.hold_snapshots(true);
    documents(&domain, "take backups thursday --detach -o json").await;
    for document in documents(&domain, "watch backups thursday --deadline 1s -o ndjson").await {
        kinds.insert(kind(&document, &schema));
    }

    let listed: BTreeSet<String> = schema["$defs"]["record"]["properties"]["kind"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, listed);
}
