//! Finds and redacts settings of repositories that may be secrets.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::quoted;

/// Texts that keys of secrets contain, after dots, dashes and underscores are removed.
const SECRET_PARTS: [&str; 17] = [
    "secret",
    "token",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "session",
    "accesskey",
    "accountkey",
    "apikey",
    "customerkey",
    "encryptionkey",
    "masterkey",
    "privatekey",
    "signingkey",
    "connectionstring",
    "sharedaccess",
];

/// Words that denote a secret only if they are a whole word of the key.
const SECRET_WORDS: [&str; 8] = ["auth", "authorization", "bearer", "pass", "pwd", "sas", "sig", "signature"];

/// Returns whether the setting with this key may be a secret. Public keys and the ids of KMS keys
/// are not secrets.
pub(super) fn is_secret_key(key: &str) -> bool {
    let plain: String = key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if plain.ends_with("name") {
        return false;
    }
    let is_key = plain.ends_with("key") && !plain.ends_with("publickey") && !plain.ends_with("kmskey");
    let mut words = key.split(|c: char| !c.is_alphanumeric());
    is_key
        || SECRET_PARTS.iter().any(|part| plain.contains(part))
        || words.any(|word| SECRET_WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// Returns the key of the first setting that is a secret or contains one.
pub(super) fn find_secret(settings: &Map<String, Value>) -> Option<&str> {
    settings.iter().find(|(key, value)| has_secret(key, value)).map(|(key, _)| key.as_str())
}

fn has_secret(key: &str, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(_) => is_secret_key(key),
        Value::String(text) => !text.is_empty() && (is_secret_key(key) || has_password(text) || has_signature(text)),
        Value::Array(values) => values.iter().any(|value| has_secret(key, value)),
        Value::Object(inner) => inner
            .iter()
            .any(|(inner_key, value)| has_secret(inner_key, value) || is_secret_key(key) && has_secret(key, value)),
    }
}

/// Returns where the user and password of a URL start and end in a text.
fn user_info(text: &str) -> Option<(usize, usize)> {
    let Some((scheme, rest)) = text.split_once("://") else {
        // Without a scheme, only a password distinguishes a URL from other text with an `@`.
        let at = text.rfind('@')?;
        let user = text.get(..at)?;
        return (user.contains(':') && !user.contains('/') && !user.contains(char::is_whitespace)).then_some((0, at));
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    // If no port follows the colon, the text is the start of a password that is not encoded.
    let is_odd = || authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_err());
    let at = authority.rfind('@').or_else(|| if is_odd() { rest.rfind('@') } else { None })?;
    let from = scheme.len() + "://".len();
    Some((from, from + at))
}

/// Returns whether a URL contains a password. In an HTTP URL, a user without a password counts as
/// well, because it may be a token.
fn has_password(text: &str) -> bool {
    let is_http = text.starts_with("http://") || text.starts_with("https://");
    user_info(text).and_then(|(from, to)| text.get(from..to)).is_some_and(|user| is_http || user.contains(':'))
}

/// Returns whether a URL contains a signature or another secret in its query, as presigned URLs do.
fn has_signature(text: &str) -> bool {
    let query = text.split_once("://").and_then(|(_, rest)| rest.split_once('?')).map_or("", |(_, query)| query);
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .any(|(name, value)| !value.is_empty() && is_secret_key(name))
}

/// Returns the text with the user, the password and the query of a URL redacted.
pub(super) fn redact_url(text: &str) -> String {
    let (mut text, url) = match user_info(text) {
        Some((from, to)) => {
            let (before, behind) = (text.get(..from).unwrap_or_default(), text.get(to..).unwrap_or_default());
            (format!("{before}[redacted]{behind}"), true)
        }
        None => (text.to_owned(), text.contains("://")),
    };
    if url && let Some(query) = text.find('?') {
        text.truncate(query);
        text.push_str("?[redacted]");
    }
    text
}

/// Returns the value of a setting as an error shows it.
pub(super) fn shown(key: &str, value: &Value) -> String {
    match value {
        _ if is_secret_key(key) => "[redacted]".to_owned(),
        Value::String(text) => quoted(&redact_url(text)),
        value => quoted(&serde_json::to_string(&RedactedValue(key, value)).unwrap_or_default()),
    }
}

/// Wraps settings so that `Debug` and `Serialize` redact the values of possible secrets.
pub(super) struct Redacted<'a>(pub(super) &'a Map<String, Value>);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(key, value)| (key, RedactedValue(key, value)))).finish()
    }
}

struct RedactedValue<'a>(&'a str, &'a Value);

impl Serialize for Redacted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, RedactedValue(key, value))))
    }
}

impl Serialize for RedactedValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(key, value) = *self;
        match value {
            _ if is_secret_key(key) => serializer.serialize_str("[redacted]"),
            Value::String(text) => serializer.serialize_str(&redact_url(text)),
            Value::Array(values) => serializer.collect_seq(values.iter().map(|value| RedactedValue(key, value))),
            Value::Object(inner) => Redacted(inner).serialize(serializer),
            value => value.serialize(serializer),
        }
    }
}

impl fmt::Debug for RedactedValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(key, value) = *self;
        match value {
            _ if is_secret_key(key) => f.write_str("[redacted]"),
            Value::String(text) => redact_url(text).fmt(f),
            Value::Array(values) => {
                f.debug_list().entries(values.iter().map(|value| RedactedValue(key, value))).finish()
            }
            Value::Object(inner) => Redacted(inner).fmt(f),
            value => value.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const SECRET: [&str; 30] = [
        "access_key",
        "secret_key",
        "session_token",
        "password",
        "proxy.password",
        "client.Secret-Key",
        "encryption_key",
        "encryption.key",
        "ENCRYPTION-KEY",
        "encryptionKey",
        "api_key",
        "apiKey",
        "x-api-key",
        "passphrase",
        "gpg.passphrase",
        "credentials",
        "gcs.credentials_file",
        "private_key",
        "private_key_pem",
        "sas_token",
        "sas",
        "account.key",
        "key",
        "client_secret",
        "session",
        "aes_key",
        "sse_customer_key",
        "azure.connection_string",
        "shared_access_signature",
        "basic_auth",
    ];

    const PLAIN: [&str; 14] = [
        "bucket",
        "base_path",
        "region",
        "compress",
        "chunk_size",
        "proxy.host",
        "proxy.username",
        "client",
        "path_style_access",
        "server_side_encryption_kms_key_id",
        "server_side_encryption_bucket_key_enabled",
        "amazon_es_kms_key_arn",
        "role_session_name",
        "key_provider_name",
    ];

    #[test]
    fn distinguishes_keys_of_secrets_from_others() {
        for key in SECRET {
            assert!(is_secret_key(key), "{key}");
        }
        for key in PLAIN {
            assert!(!is_secret_key(key), "{key}");
        }
    }

    #[test]
    fn finds_a_secret_at_any_depth_and_in_urls() {
        for settings in [
            json!({"a": "b", "encryption_key": "x"}),
            json!({"clients": [{"name": "b"}, {"api.key": "x"}]}),
            json!({"password": 1234}),
            json!({"url": "https://u:p@h/"}),
            json!({"proxies": ["http://h", "http://u@h"]}),
            json!({"host": "u:p@h"}),
            json!({"url": "https://h/c?sv=1&sig=x"}),
            json!({"url": "https://h/c?X-Amz-Signature=x"}),
        ] {
            assert!(find_secret(settings.as_object().unwrap()).is_some(), "{settings}");
        }
        for settings in [
            json!({"bucket": "b", "use_token": true, "password": "", "secret_key": null}),
            json!({"url": "https://h:9000/a@b?list=1", "note": "at 12:30, me@example.org"}),
            json!({"uri": "hdfs://hdfs@namenode:8020/", "role_arn": "arn:aws:iam::123456789012:role/me@example.org"}),
        ] {
            assert_eq!(find_secret(settings.as_object().unwrap()), None, "{settings}");
        }
    }

    #[test]
    fn redacts_user_password_and_query_of_a_url() {
        for (text, expected) in [
            ("https://h:9000/a@b", "https://h:9000/a@b"),
            ("https://u:p@h/x", "https://[redacted]@h/x"),
            ("ftp://u:p/w@h/x", "ftp://[redacted]@h/x"),
            ("u:p@minio:9000", "[redacted]@minio:9000"),
            ("https://h/c?sig=x", "https://h/c?[redacted]"),
            ("me@example.org", "me@example.org"),
            ("arn:aws:iam::123456789012:role/me@x", "arn:aws:iam::123456789012:role/me@x"),
            ("hdfs://hdfs@namenode:8020/", "hdfs://[redacted]@namenode:8020/"),
            ("what?", "what?"),
        ] {
            assert_eq!(redact_url(text), expected);
        }
    }

    proptest! {
        #[test]
        fn debug_shows_no_secret_at_any_depth(
            key in proptest::sample::select(SECRET.to_vec()),
            path in proptest::collection::vec(proptest::sample::select(vec!["", "a", "b.c"]), 0..4),
        ) {
            let wrap = |inner: Value, step: &&str| if step.is_empty() { json!([inner]) } else { json!({ *step: inner }) };
            let value = path.iter().fold(json!({ key: "canary" }), wrap);
            let settings = Map::from_iter([("x".to_owned(), value)]);
            let shown = format!("{:?}", Redacted(&settings));

            prop_assert!(!shown.contains("canary"), "{}", shown);
            prop_assert_eq!(find_secret(&settings), Some("x"));
        }
    }
}
