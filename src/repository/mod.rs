//! Settings of repositories, and the types that describe registered repositories.
//!
//! The operations are methods of [`Repository`](crate::Repository), such as
//! [`register`](crate::Repository::register) and [`info`](crate::Repository::info).
//!
//! * [`S3Settings`], [`FsSettings`], [`UrlSettings`] and [`OtherSettings`] are the settings of each
//!   type, and [`RepositorySettings`] is any of them.
//! * [`RegisterRepository`] is a registration: the settings, and whether the nodes verify the
//!   repository.
//! * [`RepositoryInfo`], [`VerifiedNode`] and [`CleanUp`] are what operations return.
//!
//! ```
//! use es_snapshot::repository::S3Settings;
//! # use es_snapshot::testing::FakeDomain;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), es_snapshot::Error> {
//! # let client = FakeDomain::with_repository("backups").await.client();
//! let logs = client.repository("logs")?;
//! let role = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
//! let settings = S3Settings::new("my-bucket-4-es").with_base_path("logs").with_role_arn(role);
//! logs.register(settings).await?;
//!
//! assert_eq!(logs.info().await?.settings().repository_type(), "s3");
//! # Ok(())
//! # }
//! ```

mod difference;
mod other;
mod other_region;
mod response;
mod s3;
mod secret;

use std::str::FromStr;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

pub(crate) use difference::{Difference, compare, without_last_slash};
pub use other::{FsSettings, OtherSettings, UrlSettings};
pub(crate) use other_region::{GLOBAL_S3, alternative, stands_for};
pub(crate) use response::{Acknowledged, Repositories, VerifiedNodes};
pub use response::{CleanUp, RepositoryInfo, VerifiedNode};
pub use s3::S3Settings;

pub use crate::byte_size::ByteSize;
use secret::{Redacted, find_secret, is_secret_key, redact_url, shown};

use crate::error::{Error, Storage, quoted};
use crate::wire::{is_same_setting, null_as_default, scalar_text};

/// Keys that callers set by mistake, each with the correct key. The server stores unknown keys and
/// ignores them.
const MISTAKEN_KEYS: [(&str, &str); 2] = [("iam_role_arn", "role_arn"), ("read_only", "readonly")];

/// The definition of a repository: its type, and the settings of that type.
///
/// It serialises to the body of a registration, `{"type":…,"settings":{…}}`. It deserialises from
/// what a server returns. There, values may be text, keys may be nested or dotted, `settings` may
/// be missing, and the type may be unknown to this crate.
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
    /// Type `s3`. Amazon domains register no other type.
    S3(S3Settings),
    /// Type `fs`: a file system that all nodes share. Self-managed clusters only.
    Fs(FsSettings),
    /// Type `url`: read-only, over HTTP or from a file system. Self-managed clusters only.
    Url(UrlSettings),
    /// Any other type.
    Other(OtherSettings),
}

impl RepositorySettings {
    /// Returns the type as the server writes it, such as `s3`.
    #[must_use]
    pub fn repository_type(&self) -> &str {
        match self {
            Self::S3(_) => "s3",
            Self::Fs(_) => "fs",
            Self::Url(_) => "url",
            Self::Other(settings) => &settings.repository_type,
        }
    }

    /// Checks the settings before anything is sent.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        match self {
            Self::S3(settings) => settings.validate()?,
            Self::Fs(settings) => required("location", settings.location())?,
            Self::Url(settings) => required("url", settings.url())?,
            Self::Other(settings) => required("type", Some(&settings.repository_type))?,
        }
        let other = self.untyped();
        if other.is_empty() {
            return Ok(());
        }
        if let Some((key, correct)) = MISTAKEN_KEYS.iter().find(|(key, _)| other.contains_key(*key)) {
            return Err(Error::invalid(format!("setting `{key}` has no effect; use `{correct}`")));
        }
        let differs = |key: &str, value: &Value| other.get(key).is_some_and(|untyped| !is_same_setting(untyped, value));
        match self.typed().into_iter().find(|(key, value)| differs(key, &value.into())) {
            Some((key, _)) => Err(Error::invalid(format!(
                "`{key}` has two values, one by its own method and another by `with_setting`; set only one of them"
            ))),
            None => Ok(()),
        }
    }

    /// Returns what an error keeps of the storage: settings of S3 without secrets.
    pub(crate) fn storage(&self) -> Option<Storage> {
        match self {
            Self::S3(settings) => Some(settings.storage()),
            _ => None,
        }
    }

    /// Returns the key of the first setting that may be a secret.
    pub(crate) fn secret(&self) -> Option<String> {
        find_secret(&self.settings()).map(str::to_owned)
    }

    /// Returns the settings that have a method of their own.
    fn typed(&self) -> Vec<(&'static str, Setting<'_>)> {
        match self {
            Self::S3(settings) => settings.typed(),
            Self::Fs(settings) => settings.typed(),
            Self::Url(settings) => settings.typed(),
            Self::Other(_) => Vec::new(),
        }
    }

    /// Returns the settings that have no method of their own.
    fn untyped(&self) -> &Map<String, Value> {
        match self {
            Self::S3(settings) => &settings.other,
            Self::Fs(settings) => &settings.other,
            Self::Url(settings) => &settings.other,
            Self::Other(settings) => &settings.other,
        }
    }

    /// Returns these settings as they are read from a server: each setting that has a method of its
    /// own is set by it.
    fn canonical(&self) -> Self {
        Self::from_wire(self.repository_type(), self.settings())
    }

    fn settings(&self) -> Map<String, Value> {
        let mut settings = self.untyped().clone();
        settings.extend(self.typed().iter().map(|(key, value)| ((*key).to_owned(), value.into())));
        settings
    }
}

/// The value of a setting that has a method of its own.
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
        None | Some("") => Err(Error::invalid(format!("repository has no `{key}`, expected a non-empty value"))),
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
                let (typed, untyped) = (self.0.typed(), self.0.untyped());
                let is_typed = |key: &str| typed.iter().any(|(typed, _)| *typed == key);
                let mut map = serializer.serialize_map(None)?;
                for (key, value) in &typed {
                    map.serialize_entry(key, value)?;
                }
                for (key, value) in untyped.iter().filter(|(key, _)| !is_typed(key)) {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
        Body { r#type: self.repository_type(), settings: Settings(self) }.serialize(serializer)
    }
}

/// A definition in the form of the REST API.
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
    /// Reads settings of this type in the form in which a server returns them.
    fn from_wire(repository_type: &str, settings: Map<String, Value>) -> Self {
        let mut flat = flattened(settings);
        match repository_type {
            "s3" => Self::S3(S3Settings::from_flat(flat)),
            "fs" => Self::Fs(FsSettings {
                location: take(&mut flat, "location"),
                blob_store: BlobStoreSettings::from_flat(&mut flat),
                other: remaining(flat),
            }),
            "url" => Self::Url(UrlSettings { url: take(&mut flat, "url"), other: remaining(flat) }),
            _ => Self::Other(OtherSettings { repository_type: repository_type.to_owned(), other: flat }),
        }
    }
}

impl<'de> Deserialize<'de> for RepositorySettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireRepository::deserialize(deserializer)?;
        // An unknown field must not be dropped. Without `crypto_settings`, for example, the
        // repository would be registered unencrypted.
        match wire.other.keys().next() {
            Some(key) => {
                Err(serde::de::Error::custom(format!("unknown field {}, expected `type` or `settings`", quoted(key))))
            }
            None => Ok(Self::from_wire(&wire.r#type, wire.settings)),
        }
    }
}

/// Returns the settings under dotted keys. The server accepts dotted and nested keys.
///
/// A long key with many short ones below it stays nested, because the long key would be repeated
/// for each of them.
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

/// Returns the total length of the dotted keys of a value, below a key of this length.
fn flat_length(key: usize, value: &Value) -> usize {
    match value {
        Value::Object(inner) => {
            inner.iter().map(|(inner_key, value)| flat_length(key + 1 + inner_key.len(), value)).sum()
        }
        _ => key,
    }
}

/// Returns the approximate length of a value as JSON.
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

/// Stores a setting under dotted keys, so that nested and dotted keys become the same.
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

/// Returns what is left of the settings. An emptied map is dropped, because it keeps its memory.
fn remaining(flat: Map<String, Value>) -> Map<String, Value> {
    if flat.is_empty() { Map::new() } else { flat }
}

/// Removes and returns a setting, if its value can be read. Otherwise it stays, so that no value
/// is lost.
fn take<T: FromStr>(flat: &mut Map<String, Value>, key: &str) -> Option<T> {
    let value = scalar_text(flat.get(key)?)?.parse().ok()?;
    flat.remove(key);
    Some(value)
}

/// Returns the settings that have a value.
fn only_set<'a>(
    settings: impl IntoIterator<Item = (&'static str, Option<Setting<'a>>)>,
) -> Vec<(&'static str, Setting<'a>)> {
    settings.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// The settings of every type that writes to a blob store.
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
        /// Sets the size of the parts into which larger files are split in the repository.
        ///
        /// Server default: depends on the type and the version.
        #[must_use]
        pub fn with_chunk_size(mut self, size: ByteSize) -> Self {
            self.blob_store.chunk_size = Some(size);
            self
        }

        /// Sets whether metadata files are compressed.
        ///
        /// Server default: no on Elasticsearch 7.10 and OpenSearch; yes on Elasticsearch 8.
        #[must_use]
        pub fn with_compress(mut self, compress: bool) -> Self {
            self.blob_store.compress = Some(compress);
            self
        }

        /// Sets how many bytes per second each node may restore.
        ///
        /// The server's limits for recoveries apply in addition. Server default: no limit.
        #[must_use]
        pub fn with_max_restore_bytes_per_sec(mut self, limit: ByteSize) -> Self {
            self.blob_store.max_restore_bytes_per_sec = Some(limit);
            self
        }

        /// Sets how many bytes per second each node may write to snapshots.
        ///
        /// Server default: `40mb`.
        #[must_use]
        pub fn with_max_snapshot_bytes_per_sec(mut self, limit: ByteSize) -> Self {
            self.blob_store.max_snapshot_bytes_per_sec = Some(limit);
            self
        }

        /// Sets whether this cluster may only read the repository.
        ///
        /// Only one cluster may write to a repository. Register it as read-only on every other
        /// cluster. Server default: no.
        #[must_use]
        pub fn with_readonly(mut self, readonly: bool) -> Self {
            self.blob_store.readonly = Some(readonly);
            self
        }

        /// Returns the size of the parts of large files, if set.
        #[must_use]
        pub fn chunk_size(&self) -> Option<ByteSize> {
            self.blob_store.chunk_size
        }

        /// Returns whether metadata files are compressed, if set.
        #[must_use]
        pub fn compress(&self) -> Option<bool> {
            self.blob_store.compress
        }

        /// Returns how many bytes per second each node may restore, if set.
        #[must_use]
        pub fn max_restore_bytes_per_sec(&self) -> Option<ByteSize> {
            self.blob_store.max_restore_bytes_per_sec
        }

        /// Returns how many bytes per second each node may write to snapshots, if set.
        #[must_use]
        pub fn max_snapshot_bytes_per_sec(&self) -> Option<ByteSize> {
            self.blob_store.max_snapshot_bytes_per_sec
        }

        /// Returns whether this cluster may only read the repository, if set.
        #[must_use]
        pub fn readonly(&self) -> Option<bool> {
            self.blob_store.readonly
        }
    };
}

use blob_store_accessors;

macro_rules! open_settings {
    () => {
        /// Sets any other setting.
        ///
        /// An object is stored under dotted keys. The server ignores unknown keys without an error,
        /// so check the spelling. Registering fails with
        /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if a method of this type sets the same
        /// key to another value.
        #[must_use]
        pub fn with_setting(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
            insert_flat(&mut self.other, key.into(), value.into());
            self
        }

        /// Returns the settings that have no method of their own, under dotted keys.
        ///
        /// Servers return their values as text.
        #[must_use]
        pub fn other(&self) -> &Map<String, Value> {
            &self.other
        }
    };
}

use open_settings;

/// The registration of a repository: its settings, and whether the nodes verify it.
///
/// [`S3Settings`] and the settings of the other types of repositories convert into it. The nodes
/// then verify the repository.
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
    /// Returns a registration with these settings, which the nodes verify.
    #[must_use]
    pub fn new(settings: impl Into<RepositorySettings>) -> Self {
        Self { settings: settings.into(), verify: true }
    }

    /// Sets whether all nodes verify the repository before the call ends.
    ///
    /// Each node writes to the repository and reads from it. Without this, storage problems surface
    /// at the first snapshot. Default: yes.
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
    /// Returns [`Other`](RepositorySettings::Other), even for a type that has its own variant. The
    /// request to the server is the same.
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
    fn reads_the_registration_that_it_has_written() {
        let registration = RegisterRepository::new(FsSettings::new("/mnt/backups")).with_verify(false);
        let written = serde_json::to_string(&registration).unwrap();

        assert_eq!(serde_json::from_str::<RegisterRepository>(&written).unwrap(), registration);
        let brief = r#"{"settings":{"type":"fs","settings":{"location":"/mnt/backups"}}}"#;
        assert!(serde_json::from_str::<RegisterRepository>(brief).unwrap().verify());
    }

    #[test]
    fn reads_values_that_are_returned_as_text() {
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
    fn keeps_unreadable_values_as_other_settings() {
        let settings =
            decode(json!({"type": "s3", "settings": {"bucket": "b", "compress": "perhaps", "chunk_size": "1.5gb"}}));
        let RepositorySettings::S3(s3) = settings else { panic!("{settings:?}") };
        assert_eq!(json!(s3.other()), json!({"compress": "perhaps", "chunk_size": "1.5gb"}));
        assert_eq!(s3.compress(), None);
    }

    #[test]
    fn reads_nested_and_dotted_keys_alike() {
        let nested = decode(json!({"type": "s3", "settings": {"throttled_delete_retry": {"delay_increment": "50ms"}}}));
        let dotted = decode(json!({"type": "s3", "settings": {"throttled_delete_retry.delay_increment": "50ms"}}));
        assert_eq!(nested, dotted);
    }

    #[test]
    fn refuses_a_setting_with_two_values_in_either_order() {
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
    fn accepts_a_setting_that_is_set_twice_to_the_same_value() {
        let settings: RepositorySettings = s3().with_setting("readonly", "true").with_readonly(true).into();
        settings.validate().unwrap();
        assert_eq!(serde_json::to_value(&settings).unwrap()["settings"]["readonly"], true);
    }

    #[test]
    fn refuses_unknown_fields_beside_type_and_settings() {
        let read =
            |key: &str| serde_json::from_value::<RepositorySettings>(json!({"type": "s3", "settings": {}, key: {}}));
        for key in ["crypto_settings", "crypto_metadata", "setting"] {
            assert!(read(key).unwrap_err().to_string().contains(key));
        }
    }

    #[test]
    fn keeps_an_empty_object() {
        let response = json!({"type": "hdfs", "settings": {"conf": {}}});
        assert_eq!(serde_json::to_value(decode(response.clone())).unwrap(), response);
    }

    #[test]
    fn refuses_settings_that_cannot_work_and_reports_why() {
        let cases: [(RepositorySettings, &str); 13] = [
            (S3Settings::new("").into(), "no `bucket`"),
            (S3Settings::new("s3://b").into(), "plain bucket name"),
            (S3Settings::new("arn:aws:s3:::b").into(), "plain bucket name"),
            (S3Settings::new("b/path").into(), "base_path"),
            (s3().with_base_path("/prod").into(), "slash"),
            (s3().with_region("arn:aws:iam::123456789012:role/x").into(), "invalid Region"),
            (s3().with_region("").into(), "invalid Region"),
            (s3().with_endpoint("").into(), "invalid S3 endpoint"),
            (s3().with_setting("iam_role_arn", "x").into(), "use `role_arn`"),
            (s3().with_setting("read_only", true).into(), "use `readonly`"),
            (FsSettings::new("").into(), "no `location`"),
            (UrlSettings::new("").into(), "no `url`"),
            (OtherSettings::new("").into(), "no `type`"),
        ];
        for (settings, part) in cases {
            let error = settings.validate().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_password_of_a_url() {
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
        fn sends_every_setting_or_refuses_a_conflict(
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
        fn reads_the_settings_that_it_has_written(
            kind in proptest::sample::select(vec!["s3", "fs", "url", "hdfs", ""]),
            settings in proptest::collection::btree_map("[a-z_.]{1,8}|bucket|region|endpoint|compress|chunk_size|readonly|location|url|role_arn", "true|false|40mb|[ -~]{0,8}", 0..8),
        ) {
            let first = decode(json!({"type": kind, "settings": settings}));
            prop_assert_eq!(decode(serde_json::to_value(&first).unwrap()), first);
        }
    }
}
