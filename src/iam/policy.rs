//! Policy documents as values.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

/// An IAM policy document.
///
/// `Display` writes it as JSON with indentation, and serialising it writes it without. Both have
/// one order of keys, so that two documents with the same content are the same text.
///
/// ```
/// # use es_snapshot::S3Settings;
/// # use es_snapshot::iam::SnapshotAccess;
/// # let settings = S3Settings::new("backups").with_region("eu-west-1").with_role_arn("arn:aws:iam::123456789012:role/R");
/// # let access = SnapshotAccess::new(&settings, "arn:aws:es:eu-west-1:123456789012:domain/logs".parse()?)?;
/// let document = access.caller_trust();
/// assert_eq!(
///     serde_json::to_string(&document).unwrap(),
///     r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#,
/// );
/// # Ok::<_, es_snapshot::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[must_use]
pub struct PolicyDocument {
    version: &'static str,
    statement: Vec<Statement>,
}

impl PolicyDocument {
    pub(super) fn new(statement: Vec<Statement>) -> Self {
        Self { version: "2012-10-17", statement }
    }
}

impl fmt::Display for PolicyDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?)
    }
}

/// One statement, which allows something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Statement {
    effect: Allow,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    principal: BTreeMap<&'static str, List>,
    action: List,
    #[serde(skip_serializing_if = "List::is_empty")]
    resource: List,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, BTreeMap<&'static str, List>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
enum Allow {
    #[default]
    Allow,
}

impl Statement {
    pub(super) fn allow<S: Into<String>>(actions: impl IntoIterator<Item = S>) -> Self {
        Self { action: List::of(actions), ..Self::default() }
    }

    pub(super) fn to(mut self, kind: &'static str, principal: impl Into<String>) -> Self {
        self.principal.insert(kind, List::of([principal]));
        self
    }

    pub(super) fn on<S: Into<String>>(mut self, resources: impl IntoIterator<Item = S>) -> Self {
        self.resource = List::of(resources);
        self
    }

    pub(super) fn only_if(mut self, operator: &'static str, key: &'static str, value: impl Into<String>) -> Self {
        self.condition.entry(operator).or_default().insert(key, List::of([value]));
        self
    }
}

/// One text, or several. IAM takes one without brackets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct List(Vec<String>);

impl List {
    fn of<S: Into<String>>(texts: impl IntoIterator<Item = S>) -> Self {
        Self(texts.into_iter().map(Into::into).collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for List {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            several => several.serialize(serializer),
        }
    }
}
