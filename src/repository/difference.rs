//! Compares a registration with the settings that a caller wants.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::{RepositorySettings, is_secret_key, shown};
use crate::error::quoted;
use crate::wire::scalar_text;

/// Settings that mean the same as no setting: type (`None` stands for all), key and value.
const DEFAULTS: [(Option<&str>, &str, &str); 5] = [
    (None, "base_path", ""),
    (None, "readonly", "false"),
    (Some("s3"), "canned_acl", "private"),
    (Some("s3"), "server_side_encryption", "false"),
    (Some("s3"), "storage_class", "standard"),
];

/// Settings that Amazon domains set themselves.
const AMAZON_KEYS: &str = "amazon_es_";

/// How a registration differs from the settings that a caller wants.
pub(crate) struct Comparison {
    pub(crate) differences: Vec<Difference>,
    /// Whether the caller sets a secret that the server does not return. It is not compared.
    pub(crate) has_hidden: bool,
}

/// A setting that differs. The values are redacted, and `None` if the setting is not set.
#[derive(Debug, PartialEq)]
pub(crate) struct Difference {
    pub(crate) key: String,
    registered: Option<String>,
    wanted: Option<String>,
}

impl Difference {
    /// Whether only the server has the setting.
    pub(crate) fn is_extra(&self) -> bool {
        self.wanted.is_none()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (registered, wanted) = (self.registered.as_deref(), self.wanted.as_deref());
        let key = quoted(&self.key);
        write!(f, "{key} is {}, expected {}", registered.unwrap_or("not set"), wanted.unwrap_or("none"))
    }
}

/// Compares a registration with the settings that would replace it.
///
/// A registration replaces all settings. So a setting that only the server has is a difference.
pub(crate) fn compare(registered: &RepositorySettings, wanted: &RepositorySettings) -> Comparison {
    let (there, here) = (registered.canonical(), wanted.canonical());
    let kind = here.repository_type();
    if there.repository_type() != kind {
        let shown = |settings: &RepositorySettings| Some(quoted(settings.repository_type()));
        let differences = vec![Difference { key: "type".to_owned(), registered: shown(&there), wanted: shown(&here) }];
        return Comparison { differences, has_hidden: false };
    }
    let (there, here) = (there.settings(), here.settings());
    let mut comparison = Comparison { differences: Vec::new(), has_hidden: false };
    for key in there.keys().chain(here.keys()).collect::<BTreeSet<_>>() {
        let value = |settings: &Map<String, Value>| meaning(kind, key, settings.get(key)?);
        match (value(&there), value(&here)) {
            (there, here) if there == here => {}
            (None, Some(_)) if is_secret_key(key) => comparison.has_hidden = true,
            (Some(_), None) if key.starts_with(AMAZON_KEYS) => {}
            (there, here) => {
                let shown = |value: Option<Value>| value.map(|value| shown(key, &value));
                let (registered, wanted) = (shown(there), shown(here));
                comparison.differences.push(Difference { key: key.clone(), registered, wanted });
            }
        }
    }
    comparison
}

/// Returns what the server understands by a setting. `None` if it means the same as no setting.
fn meaning(kind: &str, key: &str, value: &Value) -> Option<Value> {
    let text = |value: &Value| scalar_text(value).map_or_else(|| value.clone(), Value::String);
    let value = match value {
        Value::Null => return None,
        Value::String(path) if key == "base_path" => without_last_slash(path).into(),
        Value::Array(values) => values.iter().map(text).collect(),
        value => text(value),
    };
    let is_default = |(of, name, default): &(Option<&str>, &str, &str)| {
        of.is_none_or(|of| of == kind) && *name == key && value == *default
    };
    (!DEFAULTS.iter().any(is_default)).then_some(value)
}

/// Returns the base path without the slash that the server adds. Another slash is a part of the
/// names in the bucket.
pub(crate) fn without_last_slash(path: &str) -> &str {
    path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{FsSettings, OtherSettings, S3Settings};
    use super::*;

    fn s3() -> S3Settings {
        S3Settings::new("logs")
    }

    /// Returns the differences between what a server returns and what the caller wants.
    fn differences(registered: Value, wanted: impl Into<RepositorySettings>) -> Vec<String> {
        let registered = serde_json::from_value(registered).unwrap();
        compare(&registered, &wanted.into()).differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn finds_no_difference_between_what_was_sent_and_what_a_server_returns() {
        let nothing = Vec::<String>::new();
        for (returned, sent) in [
            (json!({"bucket": "logs", "compress": "true"}), s3().with_compress(true)),
            (json!({"bucket": "logs", "chunk_size": "1gb"}), s3().with_chunk_size((1 << 30).into())),
            (json!({"bucket": "logs", "chunk_size": "1024mb"}), s3().with_setting("chunk_size", "1gb")),
            (json!({"bucket": "logs", "max_retries": "5"}), s3().with_setting("max_retries", 5)),
            (json!({"bucket": "logs", "a": {"b": "1"}}), s3().with_setting("a.b", 1)),
            (json!({"bucket": "logs", "list": ["1", "true"]}), s3().with_setting("list", json!([1, true]))),
            (json!({"bucket": "logs"}), s3().with_setting("client", Value::Null)),
            (json!({"bucket": "logs", "base_path": "a/b/"}), s3().with_base_path("a/b")),
            (json!({"bucket": "logs"}), s3().with_base_path("").with_readonly(false)),
            (json!({"bucket": "logs", "readonly": "false"}), s3()),
            (json!({"bucket": "logs"}), s3().with_server_side_encryption(false).with_storage_class("standard")),
            (json!({"bucket": "logs", "canned_acl": "private"}), s3()),
            (json!({"bucket": "logs", "amazon_es_encryption": "true"}), s3()),
        ] {
            assert_eq!(differences(json!({"type": "s3", "settings": returned}), sent), nothing, "{returned}");
        }
        let other = OtherSettings::new("s3").with_setting("bucket", "logs").with_setting("compress", true);
        assert_eq!(
            differences(json!({"type": "s3", "settings": {"bucket": "logs", "compress": "true"}}), other),
            nothing
        );
    }

    #[test]
    fn names_each_setting_that_differs_with_both_values() {
        for (returned, wanted, expected) in [
            (json!({"bucket": "old"}), s3(), r#""bucket" is "old", expected "logs""#),
            (json!({"bucket": "logs"}), s3().with_region("eu-west-1"), r#""region" is not set, expected "eu-west-1""#),
            (json!({"bucket": "logs", "base_path": "a"}), s3(), r#""base_path" is "a", expected none"#),
            (json!({"bucket": "logs", "base_path": "/"}), s3(), r#""base_path" is "/", expected none"#),
            (
                json!({"bucket": "logs", "base_path": "/a"}),
                s3().with_base_path("a"),
                r#""base_path" is "/a", expected "a""#,
            ),
            (
                json!({"bucket": "logs", "base_path": "a//b"}),
                s3().with_base_path("a/b"),
                r#""base_path" is "a//b", expected "a/b""#,
            ),
            (json!({"bucket": "logs", "readonly": "true"}), s3(), r#""readonly" is "true", expected none"#),
            (json!({"bucket": "logs"}), s3().with_compress(false), r#""compress" is not set, expected "false""#),
            (json!({"bucket": "logs", "x": ["a"]}), s3(), r#""x" is "[\"a\"]", expected none"#),
        ] {
            assert_eq!(differences(json!({"type": "s3", "settings": returned}), wanted), [expected]);
        }
    }

    #[test]
    fn a_default_of_one_type_is_not_that_of_another() {
        let registered = json!({"type": "azure", "settings": {"storage_class": "standard"}});

        let differences = differences(registered, OtherSettings::new("azure"));

        assert_eq!(differences, [r#""storage_class" is "standard", expected none"#]);
    }

    #[test]
    fn another_type_is_the_only_difference() {
        let differences = differences(json!({"type": "s3", "settings": {"bucket": "b"}}), FsSettings::new("/mnt"));

        assert_eq!(differences, [r#""type" is "s3", expected "fs""#]);
    }

    #[test]
    fn shows_no_secret_of_either_side() {
        let registered = json!({"type": "s3", "settings": {"bucket": "logs", "api_key": "canary1",
            "endpoint": "https://u:canary2@minio"}});

        let shown = differences(registered, s3().with_setting("api_key", "canary3")).join("; ");

        assert!(shown.contains(r#""api_key" is [redacted], expected [redacted]"#), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn does_not_compare_a_secret_that_the_server_does_not_return() {
        let comparison = compare(&s3().into(), &s3().with_setting("secret_key", "x").into());

        assert!(comparison.has_hidden && comparison.differences.is_empty());
    }
}
