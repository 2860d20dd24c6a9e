//! Repositories: what is registered, and what the domain says of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::{Error, quoted};
use crate::units::{ByteSize, null_as_default, scalar_text};

/// Settings that are stored and do nothing, and what was meant: the server accepts every unknown key.
const MISTAKEN_KEYS: [(&str, &str); 2] = [("iam_role_arn", "role_arn"), ("read_only", "readonly")];

/// The definition of a repository: its type and the settings of that type.
///
/// Serialises to the body of a registration, `{"type":…,"settings":{…}}`, and reads the form in which a domain returns it:
/// values as text, keys nested or dotted, `settings` absent, types this crate does not know.
///
/// ```
/// use es_snapshot::{RepositorySettings, S3Settings};
///
/// let settings: RepositorySettings = S3Settings::new("my-bucket-4-es")
///     .region("ap-northeast-1")
///     .role_arn("arn:aws:iam::123456789012:role/TestRole".parse()?)
///     .into();
/// let body = serde_json::to_value(&settings).unwrap();
/// assert_eq!(body["type"], "s3");
/// assert_eq!(body["settings"]["region"], "ap-northeast-1");
/// # Ok::<(), es_snapshot::Error>(())
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

    /// What can be told to be wrong before anything is sent.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let other = match self {
            Self::S3(settings) => {
                settings.validate()?;
                &settings.other
            }
            Self::Fs(settings) => {
                required("location", settings.location())?;
                &settings.other
            }
            Self::Url(settings) => {
                required("url", settings.url())?;
                &settings.other
            }
            Self::Other(settings) => {
                required("type", Some(&settings.repository_type))?;
                &settings.other
            }
        };
        match MISTAKEN_KEYS.iter().find(|(key, _)| other.contains_key(*key)) {
            Some((key, meant)) => Err(Error::invalid(format!("the setting {key} has no effect; {meant} is meant"))),
            None => Ok(()),
        }
    }

    fn settings(&self) -> Map<String, Value> {
        match self {
            Self::S3(settings) => settings.to_map(),
            Self::Fs(settings) => settings.to_map(),
            Self::Url(settings) => settings.to_map(),
            Self::Other(settings) => settings.other.clone(),
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
            settings: Map<String, Value>,
        }
        Body { r#type: self.repository_type(), settings: self.settings() }.serialize(serializer)
    }
}

/// A definition as a domain returns it.
#[derive(Deserialize)]
struct WireRepository {
    #[serde(default, deserialize_with = "null_as_default")]
    r#type: String,
    #[serde(default, deserialize_with = "null_as_default")]
    settings: Map<String, Value>,
    uuid: Option<String>,
}

impl WireRepository {
    fn into_settings(self) -> RepositorySettings {
        let mut flat = Map::new();
        for (key, value) in self.settings {
            insert_flat(&mut flat, key, value);
        }
        match self.r#type.as_str() {
            "s3" => RepositorySettings::S3(S3Settings::from_flat(flat)),
            "fs" => RepositorySettings::Fs(FsSettings {
                location: take(&mut flat, "location"),
                blob_store: BlobStoreSettings::from_flat(&mut flat),
                other: flat,
            }),
            "url" => RepositorySettings::Url(UrlSettings { url: take(&mut flat, "url"), other: flat }),
            _ => RepositorySettings::Other(OtherSettings { repository_type: self.r#type, other: flat }),
        }
    }
}

impl<'de> Deserialize<'de> for RepositorySettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        WireRepository::deserialize(deserializer).map(WireRepository::into_settings)
    }
}

/// Stores a setting under dotted keys, which are one form whatever form was given, and which the server takes as well.
fn insert_flat(flat: &mut Map<String, Value>, key: String, value: Value) {
    match value {
        Value::Object(inner) => {
            for (inner_key, value) in inner {
                insert_flat(flat, format!("{key}.{inner_key}"), value);
            }
        }
        value => {
            flat.insert(key, value);
        }
    }
}

/// Takes a setting out, if it is there and can be read; otherwise it stays, so that nothing is lost.
fn take<T: FromStr>(flat: &mut Map<String, Value>, key: &str) -> Option<T> {
    let value = scalar_text(flat.get(key)?)?.parse().ok()?;
    flat.remove(key);
    Some(value)
}

/// Sets what has a value, in place of an open setting of that key.
fn put(settings: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        settings.insert(key.to_owned(), value.into());
    }
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

    fn put_into(&self, settings: &mut Map<String, Value>) {
        put(settings, "chunk_size", self.chunk_size.map(|size| size.to_string()));
        put(settings, "compress", self.compress);
        put(settings, "max_restore_bytes_per_sec", self.max_restore_bytes_per_sec.map(|limit| limit.to_string()));
        put(settings, "max_snapshot_bytes_per_sec", self.max_snapshot_bytes_per_sec.map(|limit| limit.to_string()));
        put(settings, "readonly", self.readonly);
    }
}

macro_rules! blob_store_accessors {
    () => {
        /// Files larger than this are split into parts of this size in the repository. The default depends on type and version.
        #[must_use]
        pub fn chunk_size(mut self, size: ByteSize) -> Self {
            self.blob_store.chunk_size = Some(size);
            self
        }

        /// Whether metadata files are compressed. Server's default: no in Elasticsearch 7.10 and OpenSearch, yes in Elasticsearch 8.
        #[must_use]
        pub fn compress(mut self, compress: bool) -> Self {
            self.blob_store.compress = Some(compress);
            self
        }

        /// Limits the bytes per second and node while restoring. Server's default: no limit of its own.
        #[must_use]
        pub fn max_restore_bytes_per_sec(mut self, limit: ByteSize) -> Self {
            self.blob_store.max_restore_bytes_per_sec = Some(limit);
            self
        }

        /// Limits the bytes per second and node while taking snapshots. Server's default: `40mb`.
        #[must_use]
        pub fn max_snapshot_bytes_per_sec(mut self, limit: ByteSize) -> Self {
            self.blob_store.max_snapshot_bytes_per_sec = Some(limit);
            self
        }

        /// Whether this cluster may only read. Exactly one cluster may write to a repository; every other registers it read only.
        #[must_use]
        pub fn readonly(mut self, readonly: bool) -> Self {
            self.blob_store.readonly = Some(readonly);
            self
        }

        /// The size of the parts of large files, if set.
        #[must_use]
        pub fn get_chunk_size(&self) -> Option<ByteSize> {
            self.blob_store.chunk_size
        }

        /// Whether metadata files are compressed, if set.
        #[must_use]
        pub fn get_compress(&self) -> Option<bool> {
            self.blob_store.compress
        }

        /// The limit of bytes per second and node while restoring, if set.
        #[must_use]
        pub fn get_max_restore_bytes_per_sec(&self) -> Option<ByteSize> {
            self.blob_store.max_restore_bytes_per_sec
        }

        /// The limit of bytes per second and node while taking snapshots, if set.
        #[must_use]
        pub fn get_max_snapshot_bytes_per_sec(&self) -> Option<ByteSize> {
            self.blob_store.max_snapshot_bytes_per_sec
        }

        /// Whether this cluster may only read, if set.
        #[must_use]
        pub fn get_readonly(&self) -> Option<bool> {
            self.blob_store.readonly
        }
    };
}

macro_rules! open_settings {
    () => {
        /// Any other setting. An object is stored under dotted keys. Where a method of this type sets the same key, the method's value holds.
        ///
        /// The server accepts unknown keys and ignores them; mind the spelling.
        #[must_use]
        pub fn setting(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
            insert_flat(&mut self.other, key.into(), value.into());
            self
        }

        /// The settings that have no method of their own, under dotted keys. A domain returns their values as text.
        #[must_use]
        pub fn other(&self) -> &Map<String, Value> {
            &self.other
        }
    };
}

/// Open settings for `Debug`: what may be a secret is not shown.
struct Redacted<'a>(&'a Map<String, Value>);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (key, value) in self.0 {
            let lower = key.to_ascii_lowercase();
            if ["secret", "access_key", "password", "token"].iter().any(|word| lower.contains(word)) {
                map.entry(key, &format_args!("[redacted]"));
            } else {
                map.entry(key, value);
            }
        }
        map.finish()
    }
}

/// How an S3 repository finds its bucket: by Region or by endpoint, never both.
///
/// Amazon's developer guide ("Creating index snapshots in Amazon OpenSearch Service") gives the Region where the bucket is in the
/// domain's own, and otherwise drops it and sends the endpoint `s3.amazonaws.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum S3Location {
    /// The bucket's Region, such as `ap-northeast-1`.
    Region(String),
    /// The host of S3, such as `s3.amazonaws.com` or `s3.me-south-1.amazonaws.com`.
    Endpoint(String),
}

/// The settings of a repository of type `s3`.
///
/// An Amazon domain needs the bucket, its [`region`](Self::region) or an [`endpoint`](Self::endpoint), and a [`role_arn`](Self::role_arn).
/// `access_key`, `secret_key` and `client` are for self-managed clusters only; KMS encryption is a matter of the bucket's defaults.
#[derive(Clone, Default, PartialEq)]
pub struct S3Settings {
    bucket: Option<String>,
    location: Option<S3Location>,
    role_arn: Option<RoleArn>,
    base_path: Option<String>,
    server_side_encryption: Option<bool>,
    storage_class: Option<String>,
    canned_acl: Option<String>,
    blob_store: BlobStoreSettings,
    other: Map<String, Value>,
}

impl S3Settings {
    /// A repository in a bucket, given by its plain name.
    #[must_use]
    pub fn new(bucket: impl Into<String>) -> Self {
        Self { bucket: Some(bucket.into()), ..Self::default() }
    }

    /// The bucket's Region. Takes the place of an [`endpoint`](Self::endpoint): the later call holds.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.location = Some(S3Location::Region(region.into()));
        self
    }

    /// The host of S3: for a bucket in another Region than the domain's, Amazon's guide wants `s3.amazonaws.com`.
    /// Takes the place of a [`region`](Self::region): the later call holds.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.location = Some(S3Location::Endpoint(endpoint.into()));
        self
    }

    /// The role with which the domain reaches the bucket. It trusts `es.amazonaws.com`, and whoever registers needs `iam:PassRole` on it.
    #[must_use]
    pub fn role_arn(mut self, role: RoleArn) -> Self {
        self.role_arn = Some(role);
        self
    }

    /// The folder within the bucket, without a leading slash. Server's default: the root. One for each domain, if a bucket serves several.
    #[must_use]
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = Some(path.into());
        self
    }

    /// Whether objects are written with SSE-S3 (AES-256). Server's default: no. OpenSearch 3.1 and later ignore it.
    #[must_use]
    pub fn server_side_encryption(mut self, encrypt: bool) -> Self {
        self.server_side_encryption = Some(encrypt);
        self
    }

    /// The storage class of new objects, such as `standard_ia`. Server's default: `standard`. The engine refuses `glacier`.
    #[must_use]
    pub fn storage_class(mut self, class: impl Into<String>) -> Self {
        self.storage_class = Some(class.into());
        self
    }

    /// The canned ACL of new objects, such as `bucket-owner-full-control`. Server's default: `private`.
    #[must_use]
    pub fn canned_acl(mut self, acl: impl Into<String>) -> Self {
        self.canned_acl = Some(acl.into());
        self
    }

    /// The bucket; `None` for a repository of the service's own whose settings the domain does not show.
    #[must_use]
    pub fn bucket(&self) -> Option<&str> {
        self.bucket.as_deref()
    }

    /// Region or endpoint, if set.
    #[must_use]
    pub fn location(&self) -> Option<&S3Location> {
        self.location.as_ref()
    }

    /// The role with which the domain reaches the bucket, if set.
    #[must_use]
    pub fn get_role_arn(&self) -> Option<&RoleArn> {
        self.role_arn.as_ref()
    }

    /// The folder within the bucket, if set.
    #[must_use]
    pub fn get_base_path(&self) -> Option<&str> {
        self.base_path.as_deref()
    }

    /// Whether objects are written with SSE-S3, if set.
    #[must_use]
    pub fn get_server_side_encryption(&self) -> Option<bool> {
        self.server_side_encryption
    }

    /// The storage class of new objects, if set.
    #[must_use]
    pub fn get_storage_class(&self) -> Option<&str> {
        self.storage_class.as_deref()
    }

    /// The canned ACL of new objects, if set.
    #[must_use]
    pub fn get_canned_acl(&self) -> Option<&str> {
        self.canned_acl.as_deref()
    }

    blob_store_accessors!();
    open_settings!();

    fn from_flat(mut flat: Map<String, Value>) -> Self {
        // With both set the endpoint decides where requests go; the Region then stays among the other settings.
        let location =
            take(&mut flat, "endpoint").map(S3Location::Endpoint).or_else(|| take(&mut flat, "region").map(S3Location::Region));
        Self {
            bucket: take(&mut flat, "bucket"),
            location,
            role_arn: take(&mut flat, "role_arn"),
            base_path: take(&mut flat, "base_path"),
            server_side_encryption: take(&mut flat, "server_side_encryption"),
            storage_class: take(&mut flat, "storage_class"),
            canned_acl: take(&mut flat, "canned_acl"),
            blob_store: BlobStoreSettings::from_flat(&mut flat),
            other: flat,
        }
    }

    fn to_map(&self) -> Map<String, Value> {
        let mut settings = self.other.clone();
        put(&mut settings, "bucket", self.bucket.clone());
        match &self.location {
            Some(S3Location::Region(region)) => put(&mut settings, "region", Some(region.clone())),
            Some(S3Location::Endpoint(endpoint)) => put(&mut settings, "endpoint", Some(endpoint.clone())),
            None => {}
        }
        put(&mut settings, "role_arn", self.role_arn.clone().map(|role| role.0));
        put(&mut settings, "base_path", self.base_path.clone());
        put(&mut settings, "server_side_encryption", self.server_side_encryption);
        put(&mut settings, "storage_class", self.storage_class.clone());
        put(&mut settings, "canned_acl", self.canned_acl.clone());
        self.blob_store.put_into(&mut settings);
        settings
    }

    fn validate(&self) -> Result<(), Error> {
        required("bucket", self.bucket())?;
        let bucket = self.bucket().unwrap_or_default();
        if !bucket.bytes().all(|c| c.is_ascii_alphanumeric() || b".-_".contains(&c)) {
            return Err(Error::invalid(format!(
                "the bucket {} is not a plain bucket name: no URI, no ARN, no path (that is base_path)",
                quoted(bucket)
            )));
        }
        if self.base_path.as_deref().is_some_and(|path| path.starts_with('/')) {
            return Err(Error::invalid("base_path must not start with a slash"));
        }
        match &self.location {
            Some(S3Location::Region(region)) if !is_region(region) => {
                Err(Error::invalid(format!("{} is not a Region such as ap-northeast-1", quoted(region))))
            }
            Some(S3Location::Endpoint(endpoint)) if endpoint.is_empty() || endpoint.contains(char::is_whitespace) => {
                Err(Error::invalid(format!("{} is not an endpoint such as s3.amazonaws.com", quoted(endpoint))))
            }
            _ => Ok(()),
        }
    }
}

/// Not a list: Regions are added faster than crates are updated, and stores other than Amazon's have names of their own.
fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Settings")
            .field("bucket", &self.bucket)
            .field("location", &self.location)
            .field("role_arn", &self.role_arn)
            .field("base_path", &self.base_path)
            .field("server_side_encryption", &self.server_side_encryption)
            .field("storage_class", &self.storage_class)
            .field("canned_acl", &self.canned_acl)
            .field("blob_store", &self.blob_store)
            .field("other", &Redacted(&self.other))
            .finish()
    }
}

/// The settings of a repository of type `fs`, on self-managed clusters.
#[derive(Clone, PartialEq)]
pub struct FsSettings {
    location: Option<String>,
    blob_store: BlobStoreSettings,
    other: Map<String, Value>,
}

impl FsSettings {
    /// A repository in a folder that all nodes share: below one of the node setting `path.repo`, or relative to its first.
    #[must_use]
    pub fn new(location: impl Into<String>) -> Self {
        Self { location: Some(location.into()), blob_store: BlobStoreSettings::default(), other: Map::new() }
    }

    /// The folder; `None` if the cluster does not show it.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    blob_store_accessors!();
    open_settings!();

    fn to_map(&self) -> Map<String, Value> {
        let mut settings = self.other.clone();
        put(&mut settings, "location", self.location.clone());
        self.blob_store.put_into(&mut settings);
        settings
    }
}

impl fmt::Debug for FsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FsSettings")
            .field("location", &self.location)
            .field("blob_store", &self.blob_store)
            .field("other", &Redacted(&self.other))
            .finish()
    }
}

/// The settings of a repository of type `url`, on self-managed clusters: read only by nature.
#[derive(Clone, PartialEq)]
pub struct UrlSettings {
    url: Option<String>,
    other: Map<String, Value>,
}

impl UrlSettings {
    /// A repository at a URL that the node setting `repositories.url.allowed_urls` or `path.repo` allows.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), other: Map::new() }
    }

    /// The URL; `None` if the cluster does not show it.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    open_settings!();

    fn to_map(&self) -> Map<String, Value> {
        let mut settings = self.other.clone();
        put(&mut settings, "url", self.url.clone());
        settings
    }
}

impl fmt::Debug for UrlSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_deref().map(without_user);
        f.debug_struct("UrlSettings").field("url", &url).field("other", &Redacted(&self.other)).finish()
    }
}

/// A URL without the user and password that may stand in it.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority = rest.find('/').unwrap_or(rest.len());
    match rest.get(..authority).and_then(|authority| authority.rfind('@')) {
        Some(at) => format!("{scheme}://[redacted]{}", rest.get(at..).unwrap_or_default()),
        None => url.to_owned(),
    }
}

/// The settings of a repository of any other type, such as `gcs`, `azure` or `hdfs`.
#[derive(Clone, PartialEq)]
pub struct OtherSettings {
    repository_type: String,
    other: Map<String, Value>,
}

impl OtherSettings {
    /// A repository of that type.
    #[must_use]
    pub fn new(repository_type: impl Into<String>) -> Self {
        Self { repository_type: repository_type.into(), other: Map::new() }
    }

    open_settings!();
}

impl fmt::Debug for OtherSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtherSettings")
            .field("repository_type", &self.repository_type)
            .field("other", &Redacted(&self.other))
            .finish()
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
    /// A type that this crate knows stays [`Other`](RepositorySettings::Other); the domain sees no difference.
    fn from(settings: OtherSettings) -> Self {
        Self::Other(settings)
    }
}

/// The ARN of an IAM role, of any partition.
///
/// ```
/// use es_snapshot::RoleArn;
///
/// let role: RoleArn = "arn:aws-cn:iam::123456789012:role/service/TestRole".parse()?;
/// assert_eq!(role.as_str(), "arn:aws-cn:iam::123456789012:role/service/TestRole");
/// assert!("arn:aws:iam::123456789012:user/me".parse::<RoleArn>().is_err());
/// # Ok::<(), es_snapshot::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RoleArn(String);

impl RoleArn {
    /// The ARN as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which part of a role's ARN is wrong, if one is.
fn check_role_arn(arn: &str) -> Result<(), &'static str> {
    let mut parts = arn.splitn(6, ':');
    let mut part = || parts.next().unwrap_or_default();
    if part() != "arn" {
        return Err("it does not start with arn:");
    }
    let partition = part();
    let has_prefix = partition == "aws" || partition.starts_with("aws-");
    if !has_prefix || !is_region(partition) {
        return Err("its partition is none of Amazon's, such as aws or aws-cn");
    }
    if part() != "iam" {
        return Err("its service is not iam");
    }
    if !part().is_empty() {
        return Err("it has a Region, and roles have none");
    }
    let account = part();
    if account.len() != 12 || !account.bytes().all(|c| c.is_ascii_digit()) {
        return Err("its account is not 12 digits");
    }
    let path = part().strip_prefix("role/").ok_or("its resource does not start with role/")?;
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || name.len() > 64 {
        return Err("its role's name does not have 1 to 64 characters");
    }
    if !name.bytes().all(|c| c.is_ascii_alphanumeric() || b"_+=,.@-".contains(&c)) || !path.bytes().all(|c| c.is_ascii_graphic())
    {
        return Err("its role's name or path has characters that IAM does not allow");
    }
    Ok(())
}

impl TryFrom<String> for RoleArn {
    type Error = Error;

    fn try_from(arn: String) -> Result<Self, Error> {
        match check_role_arn(&arn) {
            Ok(()) => Ok(Self(arn)),
            Err(why) => Err(Error::invalid(format!("{} is not the ARN of a role: {why}", quoted(&arn)))),
        }
    }
}

impl FromStr for RoleArn {
    type Err = Error;

    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) that says which part of the ARN is wrong.
    fn from_str(arn: &str) -> Result<Self, Error> {
        arn.to_owned().try_into()
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A repository as the domain has it registered.
#[derive(Clone, Debug, PartialEq)]
pub struct Repository {
    name: String,
    uuid: Option<String>,
    settings: RepositorySettings,
}

impl Repository {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id that the repository's contents carry: Elasticsearch 7.12 and later, once the cluster has learnt it.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.uuid.as_deref()
    }

    /// Type and settings. What a plugin calls secret is left out by the domain.
    #[must_use]
    pub fn settings(&self) -> &RepositorySettings {
        &self.settings
    }
}

/// The reply of `GET /_snapshot`, in the order of names.
#[derive(Debug)]
pub(crate) struct RepositoryMap(pub(crate) Vec<Repository>);

impl<'de> Deserialize<'de> for RepositoryMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let repositories = BTreeMap::<String, WireRepository>::deserialize(deserializer)?;
        let named = |(name, mut wire): (String, WireRepository)| Repository {
            name,
            uuid: wire.uuid.take(),
            settings: wire.into_settings(),
        };
        Ok(Self(repositories.into_iter().map(named).collect()))
    }
}

/// The domain's word that a change was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Acknowledged {
    acknowledged: bool,
}

impl Acknowledged {
    /// A removal whose answer was lost, known by what is gone.
    pub(crate) fn by_absence() -> Self {
        Self { acknowledged: true }
    }

    /// Whether every node confirmed in time. If not, the change is made all the same, and some node has yet to learn of it.
    #[must_use]
    pub fn by_all_nodes(self) -> bool {
        self.acknowledged
    }
}

/// A node that could read and write a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedNode {
    id: String,
    name: Option<String>,
}

impl VerifiedNode {
    /// The node's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// The reply of `POST /_snapshot/{repository}/_verify`.
#[derive(Debug)]
pub(crate) struct VerifiedNodes(pub(crate) Vec<VerifiedNode>);

impl<'de> Deserialize<'de> for VerifiedNodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Reply {
            nodes: BTreeMap<String, Node>,
        }
        #[derive(Deserialize)]
        struct Node {
            name: Option<String>,
        }
        let nodes = Reply::deserialize(deserializer)?.nodes;
        Ok(Self(nodes.into_iter().map(|(id, node)| VerifiedNode { id, name: node.name }).collect()))
    }
}

/// What a clean-up removed: data that no snapshot refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "CleanUpReply")]
pub struct CleanUp {
    deleted_bytes: u64,
    deleted_blobs: u64,
}

impl CleanUp {
    /// The size of what was removed.
    #[must_use]
    pub fn deleted_bytes(self) -> ByteSize {
        self.deleted_bytes.into()
    }

    /// The number of objects that were removed.
    #[must_use]
    pub fn deleted_blobs(self) -> u64 {
        self.deleted_blobs
    }
}

#[derive(Deserialize)]
struct CleanUpReply {
    results: CleanUpResults,
}

#[derive(Deserialize)]
struct CleanUpResults {
    #[serde(default)]
    deleted_bytes: u64,
    #[serde(default)]
    deleted_blobs: u64,
}

impl From<CleanUpReply> for CleanUp {
    fn from(CleanUpReply { results }: CleanUpReply) -> Self {
        Self { deleted_bytes: results.deleted_bytes, deleted_blobs: results.deleted_blobs }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn s3() -> S3Settings {
        S3Settings::new("my-bucket-4-es")
    }

    fn role() -> RoleArn {
        "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot".parse().unwrap()
    }

    fn decode(reply: Value) -> RepositorySettings {
        serde_json::from_value(reply).unwrap()
    }

    #[test]
    fn the_registration_body_is_the_one_of_the_guide() {
        let settings: RepositorySettings = s3().region("ap-northeast-1").role_arn(role()).into();
        assert_eq!(
            serde_json::to_value(&settings).unwrap(),
            json!({"type": "s3", "settings": {"bucket": "my-bucket-4-es", "region": "ap-northeast-1",
                   "role_arn": "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot"}})
        );
        settings.validate().unwrap();
    }

    #[test]
    fn every_setting_survives_being_sent_and_returned() {
        let settings: RepositorySettings = s3()
            .endpoint("s3.amazonaws.com")
            .role_arn(role())
            .base_path("prod/logs")
            .server_side_encryption(true)
            .readonly(false)
            .storage_class("standard_ia")
            .canned_acl("private")
            .chunk_size("1gb".parse().unwrap())
            .compress(true)
            .max_snapshot_bytes_per_sec("40mb".parse().unwrap())
            .max_restore_bytes_per_sec("80mb".parse().unwrap())
            .setting("buffer_size", "100mb")
            .into();
        assert_eq!(decode(serde_json::to_value(&settings).unwrap()), settings);
    }

    #[test]
    fn values_that_come_back_as_text_are_typed_again() {
        let settings = decode(json!({"type": "s3", "settings": {"bucket": "b", "region": "r", "server_side_encryption": "true",
            "readonly": "false", "compress": "true", "chunk_size": "1gb", "max_snapshot_bytes_per_sec": "40mb"}}));
        let expected = S3Settings::new("b")
            .region("r")
            .server_side_encryption(true)
            .readonly(false)
            .compress(true)
            .chunk_size((1 << 30).into())
            .max_snapshot_bytes_per_sec((40 << 20).into());
        assert_eq!(settings, expected.into());
    }

    #[test]
    fn what_cannot_be_typed_stays_among_the_other_settings() {
        let settings = decode(
            json!({"type": "s3", "settings": {"bucket": "b", "compress": "perhaps", "chunk_size": "1.5gb", "role_arn": "x"}}),
        );
        let RepositorySettings::S3(s3) = settings else { panic!("{settings:?}") };
        assert_eq!(json!(s3.other()), json!({"compress": "perhaps", "chunk_size": "1.5gb", "role_arn": "x"}));
        assert_eq!(s3.get_compress(), None);
    }

    #[test]
    fn nested_and_dotted_keys_are_one() {
        let nested = decode(json!({"type": "s3", "settings": {"throttled_delete_retry": {"delay_increment": "50ms"}}}));
        let dotted = decode(json!({"type": "s3", "settings": {"throttled_delete_retry.delay_increment": "50ms"}}));
        assert_eq!(nested, dotted);
    }

    #[test]
    fn region_and_endpoint_are_a_choice_and_the_later_call_holds() {
        assert_eq!(s3().region("r").endpoint("e").location(), Some(&S3Location::Endpoint("e".into())));
        assert_eq!(s3().endpoint("e").region("r").location(), Some(&S3Location::Region("r".into())));
    }

    #[test]
    fn a_cluster_that_has_both_region_and_endpoint_loses_neither() {
        let reply = json!({"type": "s3", "settings": {"bucket": "b", "region": "r", "endpoint": "e"}});
        let settings = decode(reply.clone());
        let RepositorySettings::S3(s3) = &settings else { panic!("{settings:?}") };
        assert_eq!(s3.location(), Some(&S3Location::Endpoint("e".into())));
        assert_eq!(serde_json::to_value(&settings).unwrap(), reply);
    }

    #[test]
    fn a_typed_setting_holds_against_an_open_one() {
        let settings: RepositorySettings = s3().setting("readonly", "false").readonly(true).into();
        assert_eq!(serde_json::to_value(&settings).unwrap()["settings"]["readonly"], true);
    }

    #[test]
    fn the_services_own_repository_has_no_settings() {
        let RepositoryMap(repositories) = serde_json::from_str(
            r#"{"cs-automated-enc":{"type":"s3"},"backup":{"type":"gcs","uuid":"u","settings":{"bucket":"b"}}}"#,
        )
        .unwrap();
        assert_eq!(repositories.iter().map(Repository::name).collect::<Vec<_>>(), ["backup", "cs-automated-enc"]);
        assert_eq!(repositories[0].uuid(), Some("u"));
        assert_eq!(repositories[0].settings(), &OtherSettings::new("gcs").setting("bucket", "b").into());
        let RepositorySettings::S3(automated) = repositories[1].settings() else { panic!("{repositories:?}") };
        assert_eq!(automated.bucket(), None);
    }

    #[test]
    fn settings_that_cannot_work_are_refused_with_what_is_wrong() {
        let cases: [(RepositorySettings, &str); 13] = [
            (S3Settings::new("").into(), "needs a bucket"),
            (S3Settings::new("s3://b").into(), "plain bucket name"),
            (S3Settings::new("arn:aws:s3:::b").into(), "plain bucket name"),
            (S3Settings::new("b/path").into(), "base_path"),
            (s3().base_path("/prod").into(), "slash"),
            (s3().region("arn:aws:iam::123456789012:role/x").into(), "not a Region"),
            (s3().region("").into(), "not a Region"),
            (s3().endpoint("").into(), "not an endpoint"),
            (s3().setting("iam_role_arn", "x").into(), "role_arn is meant"),
            (s3().setting("read_only", true).into(), "readonly is meant"),
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
    fn debug_shows_no_secret() {
        let settings: RepositorySettings = s3()
            .setting("access_key", "hidden1")
            .setting("client", json!({"Secret_Key": "hidden2", "session_token": "hidden3"}))
            .setting("proxy.password", "hidden4")
            .into();
        let url: RepositorySettings = UrlSettings::new("ftp://user:hidden5@host/a@b").into();
        let shown = format!("{settings:?} {url:?}");
        assert!(!shown.contains("hidden"), "{shown}");
        assert!(shown.contains("my-bucket-4-es") && shown.contains("@host/a@b"), "{shown}");
    }

    #[test]
    fn role_arns_of_every_partition_are_accepted() {
        for partition in ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-eusc"] {
            assert!(format!("arn:{partition}:iam::123456789012:role/a/b/Name_1").parse::<RoleArn>().is_ok(), "{partition}");
        }
    }

    #[test]
    fn an_error_says_which_part_of_a_role_arn_is_wrong() {
        let cases = [
            ("", "start with arn:"),
            ("TestRole", "start with arn:"),
            ("arn:azure:iam::123456789012:role/x", "partition"),
            ("arn:awsome:iam::123456789012:role/x", "partition"),
            ("arn:aws:s3:::bucket", "service"),
            ("arn:aws:iam:eu-west-1:123456789012:role/x", "Region"),
            ("arn:aws:iam::12345:role/x", "account"),
            ("arn:aws:iam::123456789012:user/x", "role/"),
            ("arn:aws:iam::123456789012:role/", "name"),
            ("arn:aws:iam::123456789012:role/x ", "characters"),
            ("arn:aws:iam::123456789012:role/a b/x", "characters"),
        ];
        for (arn, part) in cases {
            let error = arn.parse::<RoleArn>().unwrap_err().to_string();
            assert!(error.contains(part), "{arn}: {error}");
        }
    }

    #[test]
    fn small_replies_are_decoded() {
        let acknowledged: Acknowledged = serde_json::from_str(r#"{"acknowledged":false}"#).unwrap();
        assert!(!acknowledged.by_all_nodes());
        let VerifiedNodes(nodes) = serde_json::from_str(r#"{"nodes":{"x3yQ":{"name":"node-1"}}}"#).unwrap();
        assert_eq!((nodes[0].id(), nodes[0].name()), ("x3yQ", Some("node-1")));
        let clean_up: CleanUp = serde_json::from_str(r#"{"results":{"deleted_bytes":20,"deleted_blobs":5}}"#).unwrap();
        assert_eq!((clean_up.deleted_bytes().bytes(), clean_up.deleted_blobs()), (20, 5));
    }

    proptest! {
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
