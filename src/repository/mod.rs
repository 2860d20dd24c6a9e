//! Settings of repositories, and what the server says of a repository.

mod other;
mod response;
mod role;
mod s3;
mod secret;

use std::str::FromStr;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

pub use other::{FsSettings, OtherSettings, UrlSettings};
pub(crate) use response::{Acknowledged, Repositories, VerifiedNodes};
pub use response::{CleanUp, RepositoryInfo, VerifiedNode};
pub use s3::S3Settings;

pub use crate::byte_size::ByteSize;
use secret::{Redacted, find_secret, shown};

use crate::error::{Error, quoted};
use crate::wire::{is_same, null_as_default, scalar_text};

/// Settings that are stored and do nothing, and what was meant: the server accepts every unknown
/// key.
const MISTAKEN_KEYS: [(&str, &str); 2] = [("iam_role_arn", "role_arn"), ("read_only", "readonly")];

/// The definition of a repository: its type and the settings of that type.
///
/// Serialises to the body of a registration, `{"type":…,"settings":{…}}`, and reads the form in
/// which a domain returns it: values as text, keys nested or dotted, `settings` absent, types this
/// crate does not know.
///
/// ```
/// use es_snapshot::{RepositorySettings, S3Settings};
///
/// let settings: RepositorySettings = S3Settings::new("my-bucket-4-es")
///     .with_region("ap-northeast-1")
///     .with_role_arn("arn:aws:iam::123456789012:role/TestRole")
///     .into();
/// let body = serde_json::to_value(&settings)?;
/// assert_eq!(body["type"], "s3");
/// assert_eq!(body["settings"]["region"], "ap-northeast-1");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RepositorySettings {
    /// Type `s3`: the only one an Amazon domain registers.
    S3(S3Settings),
    /// Type `fs`: a file system that all nodes share.
    Fs(FsSettings),
    /// Type `url`: read only, over HTTP or from a file system.
    Url(UrlSettings),
    /// Any other type.
    Other(OtherSettings),
}

impl RepositorySettings {
    /// The type as it stands on the wire, such as `s3`.
    #[must_use]
    pub fn repository_type(&self) -> &str {
        match self {
            Self::S3(_) => "s3",
            Self::Fs(_) => "fs",
            Self::Url(_) => "url",
            Self::Other(settings) => &settings.repository_type,
        }
    }

    /// What can be seen to be wrong before anything is sent.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        match self {
            Self::S3(settings) => settings.validate()?,
            Self::Fs(settings) => required("location", settings.location())?,
            Self::Url(settings) => required("url", settings.url())?,
            Self::Other(settings) => required("type", Some(&settings.repository_type))?,
        }
        let other = self.open();
        if other.is_empty() {
            return Ok(());
        }
        if let Some((key, meant)) = MISTAKEN_KEYS.iter().find(|(key, _)| other.contains_key(*key)) {
            return Err(Error::invalid(format!("the setting {key} has no effect; {meant} is meant")));
        }
        let differs = |key: &str, value: &Value| other.get(key).is_some_and(|open| !is_same(open, value));
        match self.typed().into_iter().find(|(key, value)| differs(key, &value.into())) {
            Some((key, _)) => Err(Error::invalid(format!(
                "`{key}` has two values, one by its own method and another by `with_setting`; give one of them"
            ))),
            None => Ok(()),
        }
    }

    /// The key of a setting that may be a secret, if there is one.
    pub(crate) fn secret(&self) -> Option<String> {
        find_secret(&self.settings()).map(str::to_owned)
    }

    /// The settings that have a method of their own.
    fn typed(&self) -> Vec<(&'static str, Setting<'_>)> {
        match self {
            Self::S3(settings) => settings.typed(),
            Self::Fs(settings) => settings.typed(),
            Self::Url(settings) => settings.typed(),
            Self::Other(_) => Vec::new(),
        }
    }

    /// The settings that have none.
    fn open(&self) -> &Map<String, Value> {
        match self {
            Self::S3(settings) => &settings.other,
            Self::Fs(settings) => &settings.other,
            Self::Url(settings) => &settings.other,
            Self::Other(settings) => &settings.other,
        }
    }

    fn settings(&self) -> Map<String, Value> {
        let mut settings = self.open().clone();
        settings.extend(self.typed().iter().map(|(key, value)| ((*key).to_owned(), value.into())));
        settings
    }
}

/// A setting that has a method of its own.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum Setting<'a> {
    Text(&'a str),
    Flag(bool),
    Size(ByteSize),
}

impl<'a> From<&'a String> for Setting<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<&bool> for Setting<'_> {
    fn from(flag: &bool) -> Self {
        Self::Flag(*flag)
    }
}

impl From<&ByteSize> for Setting<'_> {
    fn from(size: &ByteSize) -> Self {
        Self::Size(*size)
    }
}

impl From<&Setting<'_>> for Value {
    fn from(setting: &Setting<'_>) -> Self {
        match setting {
            Setting::Text(text) => (*text).into(),
            Setting::Flag(flag) => (*flag).into(),
            Setting::Size(size) => size.to_string().into(),
        }
    }
}

fn required(key: &str, value: Option<&str>) -> Result<(), Error> {
    match value {
        None | Some("") => Err(Error::invalid(format!("a repository needs a {key}"))),
        Some(_) => Ok(()),
    }
}

impl Serialize for RepositorySettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: &'a str,
            settings: Settings<'a>,
        }
        struct Settings<'a>(&'a RepositorySettings);

        impl Serialize for Settings<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let (typed, open) = (self.0.typed(), self.0.open());
                let is_typed = |key: &str| typed.iter().any(|(typed, _)| *typed == key);
                let mut map = serializer.serialize_map(None)?;
                for (key, value) in &typed {
                    map.serialize_entry(key, value)?;
                }
                for (key, value) in open.iter().filter(|(key, _)| !is_typed(key)) {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
        Body { r#type: self.repository_type(), settings: Settings(self) }.serialize(serializer)
    }
}

/// A definition as a configuration contains it.
#[derive(Deserialize)]
struct WireRepository {
    #[serde(default, deserialize_with = "null_as_default")]
    r#type: String,
    #[serde(default, deserialize_with = "null_as_default")]
    settings: Map<String, Value>,
    #[expect(dead_code, reason = "read and dropped")]
    uuid: Option<String>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl RepositorySettings {
    /// Reads the settings of a type in the form in which a domain returns them.
    fn from_wire(repository_type: &str, settings: Map<String, Value>) -> Self {
        let mut flat = flattened(settings);
        match repository_type {
            "s3" => Self::S3(S3Settings::from_flat(flat)),
            "fs" => Self::Fs(FsSettings {
                location: take(&mut flat, "location"),
                blob_store: BlobStoreSettings::from_flat(&mut flat),
                other: rest(flat),
            }),
            "url" => Self::Url(UrlSettings { url: take(&mut flat, "url"), other: rest(flat) }),
            _ => Self::Other(OtherSettings { repository_type: repository_type.to_owned(), other: flat }),
        }
    }
}

impl<'de> Deserialize<'de> for RepositorySettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireRepository::deserialize(deserializer)?;
        // To leave `crypto_settings` out, say, would register a repository that is not encrypted.
        match wire.other.keys().next() {
            Some(key) => {
                Err(serde::de::Error::custom(format!("unknown field {}, expected `type` or `settings`", quoted(key))))
            }
            None => Ok(Self::from_wire(&wire.r#type, wire.settings)),
        }
    }
}

/// The settings under dotted keys, except where those would be much longer than the nested ones
/// that they are made of: a long key over many short ones would be repeated for each. The server
/// takes both forms.
fn flattened(settings: Map<String, Value>) -> Map<String, Value> {
    if !settings.values().any(Value::is_object) {
        return settings;
    }
    let mut flat = Map::new();
    for (key, value) in settings {
        if flat_length(key.len(), &value) > 2 * (key.len() + nested_length(&value)) {
            flat.insert(key, value);
        } else {
            insert_flat(&mut flat, key, value);
        }
    }
    flat
}

/// How long the dotted keys of a value are together, below a key of that length.
fn flat_length(key: usize, value: &Value) -> usize {
    match value {
        Value::Object(inner) => {
            inner.iter().map(|(inner_key, value)| flat_length(key + 1 + inner_key.len(), value)).sum()
        }
        _ => key,
    }
}

/// How long a value is as JSON, about.
fn nested_length(value: &Value) -> usize {
    match value {
        Value::Object(inner) => {
            2 + inner.iter().map(|(key, value)| 4 + key.len() + nested_length(value)).sum::<usize>()
        }
        Value::Array(values) => 2 + values.iter().map(|value| 1 + nested_length(value)).sum::<usize>(),
        Value::String(text) => 2 + text.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
    }
}

/// Stores a setting under dotted keys, which are one form whatever form was given, and which the
/// server takes as well.
fn insert_flat(flat: &mut Map<String, Value>, key: String, value: Value) {
    match value {
        Value::Object(inner) if !inner.is_empty() => {
            for (inner_key, value) in inner {
                insert_flat(flat, format!("{key}.{inner_key}"), value);
            }
        }
        value => {
            flat.insert(key, value);
        }
    }
}

/// What was not taken out. An emptied map would keep its room.
fn rest(flat: Map<String, Value>) -> Map<String, Value> {
    if flat.is_empty() { Map::new() } else { flat }
}

/// Takes a setting out, if it is there and can be read; otherwise it stays, so that nothing is
/// lost.
fn take<T: FromStr>(flat: &mut Map<String, Value>, key: &str) -> Option<T> {
    let value = scalar_text(flat.get(key)?)?.parse().ok()?;
    flat.remove(key);
    Some(value)
}

/// The settings that have a value.
fn set<'a>(
    settings: impl IntoIterator<Item = (&'static str, Option<Setting<'a>>)>,
) -> Vec<(&'static str, Setting<'a>)> {
    settings.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// The settings that all types have which write blobs.
#[derive(Clone, Debug, Default, PartialEq)]
struct BlobStoreSettings {
    chunk_size: Option<ByteSize>,
    compress: Option<bool>,
    max_restore_bytes_per_sec: Option<ByteSize>,
    max_snapshot_bytes_per_sec: Option<ByteSize>,
    readonly: Option<bool>,
}

impl BlobStoreSettings {
    fn from_flat(flat: &mut Map<String, Value>) -> Self {
        Self {
            chunk_size: take(flat, "chunk_size"),
            compress: take(flat, "compress"),
            max_restore_bytes_per_sec: take(flat, "max_restore_bytes_per_sec"),
            max_snapshot_bytes_per_sec: take(flat, "max_snapshot_bytes_per_sec"),
            readonly: take(flat, "readonly"),
        }
    }

    fn typed(&self) -> [(&'static str, Option<Setting<'_>>); 5] {
        [
            ("chunk_size", self.chunk_size.as_ref().map(Into::into)),
            ("compress", self.compress.as_ref().map(Into::into)),
            ("max_restore_bytes_per_sec", self.max_restore_bytes_per_sec.as_ref().map(Into::into)),
            ("max_snapshot_bytes_per_sec", self.max_snapshot_bytes_per_sec.as_ref().map(Into::into)),
            ("readonly", self.readonly.as_ref().map(Into::into)),
        ]
    }
}

macro_rules! blob_store_accessors {
    () => {
        /// Files larger than this are split into parts of this size in the repository. The default depends
        /// on type and version.
        #[must_use]
        pub fn with_chunk_size(mut self, size: ByteSize) -> Self {
            self.blob_store.chunk_size = Some(size);
            self
        }

        /// Whether metadata files are compressed. Server's default: no in Elasticsearch 7.10 and
        /// OpenSearch, yes in Elasticsearch 8.
        #[must_use]
        pub fn with_compress(mut self, compress: bool) -> Self {
            self.blob_store.compress = Some(compress);
            self
        }

        /// Limits the bytes per second and node while restoring. Server's default: no limit of its own.
        #[must_use]
        pub fn with_max_restore_bytes_per_sec(mut self, limit: ByteSize) -> Self {
            self.blob_store.max_restore_bytes_per_sec = Some(limit);
            self
        }

        /// Limits the bytes per second and node while taking snapshots. Server's default: `40mb`.
        #[must_use]
        pub fn with_max_snapshot_bytes_per_sec(mut self, limit: ByteSize) -> Self {
            self.blob_store.max_snapshot_bytes_per_sec = Some(limit);
            self
        }

        /// Whether this cluster may only read. Exactly one cluster may write to a repository; every other
        /// registers it read only.
        #[must_use]
        pub fn with_readonly(mut self, readonly: bool) -> Self {
            self.blob_store.readonly = Some(readonly);
            self
        }

        /// The size of the parts of large files, if set.
        #[must_use]
        pub fn chunk_size(&self) -> Option<ByteSize> {
            self.blob_store.chunk_size
        }

        /// Whether metadata files are compressed, if set.
        #[must_use]
        pub fn compress(&self) -> Option<bool> {
            self.blob_store.compress
        }

        /// The limit of bytes per second and node while restoring, if set.
        #[must_use]
        pub fn max_restore_bytes_per_sec(&self) -> Option<ByteSize> {
            self.blob_store.max_restore_bytes_per_sec
        }

        /// The limit of bytes per second and node while taking snapshots, if set.
        #[must_use]
        pub fn max_snapshot_bytes_per_sec(&self) -> Option<ByteSize> {
            self.blob_store.max_snapshot_bytes_per_sec
        }

        /// Whether this cluster may only read, if set.
        #[must_use]
        pub fn readonly(&self) -> Option<bool> {
            self.blob_store.readonly
        }
    };
}

use blob_store_accessors;

macro_rules! open_settings {
    () => {
        /// Sets any other setting. An object is stored under dotted keys. Registering fails with
        /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if a method of this type sets the same
        /// key to another value.
        ///
        /// The server accepts unknown keys and ignores them; mind the spelling.
        #[must_use]
        pub fn with_setting(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
            insert_flat(&mut self.other, key.into(), value.into());
            self
        }

        /// The settings that have no method of their own, under dotted keys. A domain returns their values
        /// as text.
        #[must_use]
        pub fn other(&self) -> &Map<String, Value> {
            &self.other
        }
    };
}

use open_settings;

/// The registration of a repository: its settings, and whether the nodes verify it.
///
/// The settings of every type convert into it, and are verified.
///
/// ```
/// use es_snapshot::FsSettings;
/// use es_snapshot::repository::RegisterRepository;
///
/// let unverified = RegisterRepository::from(FsSettings::new("/mnt/backups")).with_verify(false);
/// assert!(!unverified.verify());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterRepository {
    settings: RepositorySettings,
    #[serde(default = "yes")]
    verify: bool,
}

fn yes() -> bool {
    true
}

impl RegisterRepository {
    /// Returns the registration with these settings.
    #[must_use]
    pub fn new(settings: impl Into<RepositorySettings>) -> Self {
        Self { settings: settings.into(), verify: true }
    }

    /// Sets whether all nodes write to the repository and read from it before the call ends. If
    /// not, storage problems surface at the first snapshot. Default: yes.
    #[must_use]
    pub fn with_verify(mut self, verify: bool) -> Self {
        self.verify = verify;
        self
    }

    /// Returns the settings.
    #[must_use]
    pub fn settings(&self) -> &RepositorySettings {
        &self.settings
    }

    /// Returns whether the nodes verify the repository.
    #[must_use]
    pub fn verify(&self) -> bool {
        self.verify
    }
}

impl<S: Into<RepositorySettings>> From<S> for RegisterRepository {
    fn from(settings: S) -> Self {
        Self::new(settings)
    }
}

impl From<S3Settings> for RepositorySettings {
    fn from(settings: S3Settings) -> Self {
        Self::S3(settings)
    }
}

impl From<FsSettings> for RepositorySettings {
    fn from(settings: FsSettings) -> Self {
        Self::Fs(settings)
    }
}

impl From<UrlSettings> for RepositorySettings {
    fn from(settings: UrlSettings) -> Self {
        Self::Url(settings)
    }
}

impl From<OtherSettings> for RepositorySettings {
    /// A type that this crate knows stays [`Other`](RepositorySettings::Other); the domain sees no
    /// difference.
    fn from(settings: OtherSettings) -> Self {
        Self::Other(settings)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    pub(super) fn s3() -> S3Settings {
        S3Settings::new("my-bucket-4-es")
    }

    pub(super) fn decode(response: Value) -> RepositorySettings {
        serde_json::from_value(response).unwrap()
    }

    #[test]
    fn a_registration_survives_being_written_and_read() {
        let registration = RegisterRepository::new(FsSettings::new("/mnt/backups")).with_verify(false);
        let written = serde_json::to_string(&registration).unwrap();

        assert_eq!(serde_json::from_str::<RegisterRepository>(&written).unwrap(), registration);
        let brief = r#"{"settings":{"type":"fs","settings":{"location":"/mnt/backups"}}}"#;
        assert!(serde_json::from_str::<RegisterRepository>(brief).unwrap().verify());
    }

    #[test]
    fn values_that_come_back_as_text_are_typed_again() {
        let settings =
            decode(json!({"type": "s3", "settings": {"bucket": "b", "region": "r", "server_side_encryption": "true",
            "readonly": "false", "compress": "true", "chunk_size": "1gb", "max_snapshot_bytes_per_sec": "40mb"}}));
        let expected = S3Settings::new("b")
            .with_region("r")
            .with_server_side_encryption(true)
            .with_readonly(false)
            .with_compress(true)
            .with_chunk_size((1 << 30).into())
            .with_max_snapshot_bytes_per_sec((40 << 20).into());
        assert_eq!(settings, expected.into());
    }

    #[test]
    fn what_cannot_be_typed_stays_among_the_other_settings() {
        let settings =
            decode(json!({"type": "s3", "settings": {"bucket": "b", "compress": "perhaps", "chunk_size": "1.5gb"}}));
        let RepositorySettings::S3(s3) = settings else { panic!("{settings:?}") };
        assert_eq!(json!(s3.other()), json!({"compress": "perhaps", "chunk_size": "1.5gb"}));
        assert_eq!(s3.compress(), None);
    }

    #[test]
    fn nested_and_dotted_keys_are_one() {
        let nested = decode(json!({"type": "s3", "settings": {"throttled_delete_retry": {"delay_increment": "50ms"}}}));
        let dotted = decode(json!({"type": "s3", "settings": {"throttled_delete_retry.delay_increment": "50ms"}}));
        assert_eq!(nested, dotted);
    }

    #[test]
    fn a_setting_with_two_values_is_refused_whichever_is_set_first() {
        let cases: [RepositorySettings; 6] = [
            s3().with_setting("readonly", "false").with_readonly(true).into(),
            s3().with_readonly(true).with_setting("readonly", "false").into(),
            s3().with_region("eu-west-1").with_setting("region", "eu-west-2").into(),
            s3().with_chunk_size((1 << 30).into()).with_setting("chunk_size", Value::Null).into(),
            FsSettings::new("/a").with_setting("location", "/b").into(),
            UrlSettings::new("file:/a").with_setting("url", "file:/b").into(),
        ];
        for settings in cases {
            let error = settings.validate().unwrap_err().to_string();
            assert!(error.contains("two values"), "{error}");
        }
    }

    #[test]
    fn a_setting_that_is_given_twice_alike_is_fine() {
        let settings: RepositorySettings = s3().with_setting("readonly", "true").with_readonly(true).into();
        settings.validate().unwrap();
        assert_eq!(serde_json::to_value(&settings).unwrap()["settings"]["readonly"], true);
    }

    #[test]
    fn what_stands_beside_type_and_settings_is_not_dropped_without_a_word() {
        let read =
            |key: &str| serde_json::from_value::<RepositorySettings>(json!({"type": "s3", "settings": {}, key: {}}));
        for key in ["crypto_settings", "crypto_metadata", "setting"] {
            assert!(read(key).unwrap_err().to_string().contains(key));
        }
    }

    #[test]
    fn an_empty_object_is_kept() {
        let response = json!({"type": "hdfs", "settings": {"conf": {}}});
        assert_eq!(serde_json::to_value(decode(response.clone())).unwrap(), response);
    }

    #[test]
    fn settings_that_cannot_work_are_refused_with_what_is_wrong() {
        let cases: [(RepositorySettings, &str); 13] = [
            (S3Settings::new("").into(), "needs a bucket"),
            (S3Settings::new("s3://b").into(), "plain bucket name"),
            (S3Settings::new("arn:aws:s3:::b").into(), "plain bucket name"),
            (S3Settings::new("b/path").into(), "base_path"),
            (s3().with_base_path("/prod").into(), "slash"),
            (s3().with_region("arn:aws:iam::123456789012:role/x").into(), "not a Region"),
            (s3().with_region("").into(), "not a Region"),
            (s3().with_endpoint("").into(), "not an endpoint"),
            (s3().with_setting("iam_role_arn", "x").into(), "role_arn is meant"),
            (s3().with_setting("read_only", true).into(), "readonly is meant"),
            (FsSettings::new("").into(), "needs a location"),
            (UrlSettings::new("").into(), "needs a url"),
            (OtherSettings::new("").into(), "needs a type"),
        ];
        for (settings, part) in cases {
            let error = settings.validate().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_password_in_a_url_wherever_it_stands() {
        let source =
            OtherSettings::new("source").with_setting("delegate_type", "url").with_setting("url", "ftp://u:hunter2@h/");
        let endpoint = S3Settings::new("b").with_endpoint("https://u:hunter2@minio");
        let odd = UrlSettings::new("ftp://u:hun/ter2@h/x");

        let shown = format!("{source:?} {endpoint:?} {odd:?}");

        assert!(!shown.contains("ter2") && shown.contains("[redacted]@h/x"), "{shown}");
    }

    #[test]
    fn debug_shows_no_secret() {
        let settings: RepositorySettings = s3()
            .with_setting("access_key", "hidden1")
            .with_setting("client", json!({"Secret_Key": "hidden2", "session_token": "hidden3"}))
            .with_setting("proxy.password", "hidden4")
            .into();
        let url: RepositorySettings = UrlSettings::new("ftp://user:hidden5@host/a@b").into();
        let shown = format!("{settings:?} {url:?}");
        assert!(!shown.contains("hidden"), "{shown}");
        assert!(shown.contains("my-bucket-4-es") && shown.contains("@host/a@b"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_setting_is_dropped_without_a_word(
            typed in proptest::collection::btree_map("region|endpoint|base_path|storage_class|canned_acl", "[a-z]{1,3}", 0..5),
            open in proptest::collection::btree_map("region|endpoint|base_path|storage_class|canned_acl|other|a\\.b", "[a-z]{1,2}", 0..5),
            first in proptest::bool::ANY,
        ) {
            let set_open = |settings: S3Settings| open.iter().fold(settings, |settings, (key, value)| settings.with_setting(key, value.as_str()));
            let set_typed = |settings: S3Settings| typed.iter().fold(settings, |settings, (key, value)| match key.as_str() {
                "region" => settings.with_region(value),
                "endpoint" => settings.with_endpoint(value),
                "base_path" => settings.with_base_path(value),
                "storage_class" => settings.with_storage_class(value),
                _ => settings.with_canned_acl(value),
            });

            let settings: RepositorySettings = if first { set_typed(set_open(s3())) } else { set_open(set_typed(s3())) }.into();

            let conflict = open.iter().any(|(key, value)| typed.get(key).is_some_and(|typed| typed != value));
            prop_assert_eq!(settings.validate().is_err(), conflict);
            let body = serde_json::to_value(&settings).unwrap();
            for (key, value) in open.iter().chain(&typed) {
                prop_assert!(conflict || body["settings"][key] == *value, "{} of {}", key, body);
            }
        }

        #[test]
        fn any_settings_that_a_domain_returns_survive_a_second_trip(
            kind in proptest::sample::select(vec!["s3", "fs", "url", "hdfs", ""]),
            settings in proptest::collection::btree_map("[a-z_.]{1,8}|bucket|region|endpoint|compress|chunk_size|readonly|location|url|role_arn", "true|false|40mb|[ -~]{0,8}", 0..8),
        ) {
            let first = decode(json!({"type": kind, "settings": settings}));
            prop_assert_eq!(decode(serde_json::to_value(&first).unwrap()), first);
        }
    }
}
