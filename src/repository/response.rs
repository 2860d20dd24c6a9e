//! Responses about repositories.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use serde::de::IgnoredAny;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Redacted, RepositorySettings};
use crate::byte_size::ByteSize;
use crate::open::ObjectText;
use crate::pieces::{Chunks, Elements, Open, Pieces, ReadError};
use crate::wire::null_as_default;

/// A registered repository, as the server describes it.
///
/// ```
/// use es_snapshot::S3Settings;
/// use es_snapshot::repository::RepositoryInfo;
///
/// let backups = RepositoryInfo::new("backups", S3Settings::new("my-bucket-4-es"));
/// assert_eq!(backups.name(), "backups");
/// assert_eq!(backups.settings().repository_type(), "s3");
/// ```
#[derive(Clone)]
pub struct RepositoryInfo {
    name: Box<str>,
    definition: Definition,
    /// Built from the definition at the first read. They take twice as much memory as its text.
    settings: OnceLock<Box<RepositorySettings>>,
}

#[derive(Clone, Default, PartialEq, Deserialize)]
struct Definition {
    #[serde(default, deserialize_with = "null_as_default")]
    r#type: Box<str>,
    #[serde(default, deserialize_with = "null_as_default")]
    settings: ObjectText,
    uuid: Option<Box<str>>,
    #[serde(default, rename = "crypto_metadata", deserialize_with = "is_present")]
    is_encrypted: bool,
}

fn is_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::<IgnoredAny>::deserialize(deserializer).map(|value| value.is_some())
}

impl RepositoryInfo {
    /// Returns a repository with this name and these settings, for use in tests.
    pub fn new(name: impl Into<String>, settings: impl Into<RepositorySettings>) -> Self {
        let (name, settings) = (name.into().into_boxed_str(), settings.into());
        let definition = Definition { r#type: settings.repository_type().into(), ..Definition::default() };
        Self { name, definition, settings: Box::new(settings).into() }
    }

    /// Returns the repository's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the id that is stored in the repository.
    ///
    /// Elasticsearch 7.12 and later. `None` until the cluster has read it.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.definition.uuid.as_deref()
    }

    /// Whether OpenSearch encrypts the repository (`crypto_metadata`).
    pub(crate) fn is_encrypted(&self) -> bool {
        self.definition.is_encrypted
    }

    /// Returns the type and the settings.
    ///
    /// The server omits settings that its plugins declare as secret. The settings never contain
    /// `crypto_metadata`, which makes OpenSearch encrypt a repository. If you register another
    /// repository with these settings, it is not encrypted.
    #[must_use]
    pub fn settings(&self) -> &RepositorySettings {
        let Definition { r#type, settings, .. } = &self.definition;
        self.settings.get_or_init(|| RepositorySettings::from_wire(r#type, settings.parse()).into())
    }
}

impl PartialEq for RepositoryInfo {
    fn eq(&self, other: &Self) -> bool {
        (self.name(), self.uuid()) == (other.name(), other.uuid())
            && (self.definition == other.definition || self.settings() == other.settings())
    }
}

/// Serialises `name`, `uuid`, `type` and `settings`. Settings that may be secrets are redacted.
impl Serialize for RepositoryInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let settings = self.settings();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", self.name())?;
        if let Some(uuid) = self.uuid() {
            map.serialize_entry("uuid", uuid)?;
        }
        map.serialize_entry("type", settings.repository_type())?;
        map.serialize_entry("settings", &Redacted(&settings.settings()))?;
        map.end()
    }
}

impl fmt::Debug for RepositoryInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepositoryInfo")
            .field("name", &self.name())
            .field("uuid", &self.uuid())
            .field("settings", self.settings())
            .finish()
    }
}

/// The response of `GET /_snapshot`, repository by repository.
#[derive(Debug)]
pub(crate) struct Repositories {
    pieces: Pieces,
    /// `None` before the first repository.
    document: Option<Open>,
}

impl Repositories {
    pub(crate) fn new(chunks: Chunks) -> Self {
        Self { pieces: Pieces::new(chunks), document: None }
    }
}

impl Elements for Repositories {
    type Element = RepositoryInfo;

    async fn next(&mut self) -> Result<Option<RepositoryInfo>, ReadError> {
        self.pieces.begin_element();
        if !self.pieces.next_in_document(&mut self.document, b'{').await? {
            return Ok(None);
        }
        let name = self.pieces.key().await?.into_boxed_str();
        match self.pieces.value().await {
            Ok(definition) => Ok(Some(RepositoryInfo { name, definition, settings: OnceLock::new() })),
            Err(error) => Err(error.within(name)),
        }
    }

    fn position(&self) -> u64 {
        self.pieces.position()
    }
}

/// The response to a change that was made. If `acknowledged` is false, the change was made too, but
/// some nodes have not applied it yet.
#[derive(Debug, Deserialize)]
pub(crate) struct Acknowledged {
    #[serde(rename = "acknowledged")]
    _by_all_nodes: bool,
}

/// A node that could write to a repository and read from it.
///
/// [`Repository::verify`](crate::Repository::verify) returns it, and has an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifiedNode {
    id: String,
    name: Option<String>,
}

impl VerifiedNode {
    /// Returns a node with this id and name, for use in tests.
    pub fn new(id: impl Into<String>, name: Option<String>) -> Self {
        Self { id: id.into(), name }
    }

    /// Returns the node's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the node's name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// The response to `POST /_snapshot/{repository}/_verify`.
#[derive(Debug)]
pub(crate) struct VerifiedNodes(pub(crate) Vec<VerifiedNode>);

impl<'de> Deserialize<'de> for VerifiedNodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct VerifyResponse {
            nodes: BTreeMap<String, Node>,
        }
        #[derive(Deserialize)]
        struct Node {
            name: Option<String>,
        }
        let nodes = VerifyResponse::deserialize(deserializer)?.nodes;
        Ok(Self(nodes.into_iter().map(|(id, node)| VerifiedNode { id, name: node.name }).collect()))
    }
}

/// The result of a clean-up: how many files it deleted, and their size.
///
/// A clean-up deletes files that no snapshot refers to.
/// [`Repository::cleanup`](crate::Repository::cleanup) returns this type, and has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "CleanUpResponse")]
pub struct CleanUp {
    deleted_bytes: u64,
    deleted_blobs: u64,
}

impl CleanUp {
    /// Returns the size of the deleted files.
    #[must_use]
    pub fn deleted_bytes(self) -> ByteSize {
        self.deleted_bytes.into()
    }

    /// Returns the number of deleted files.
    #[must_use]
    pub fn deleted_blobs(self) -> u64 {
        self.deleted_blobs
    }
}

#[derive(Deserialize)]
struct CleanUpResponse {
    results: CleanUpResults,
}

#[derive(Deserialize)]
struct CleanUpResults {
    #[serde(default)]
    deleted_bytes: u64,
    #[serde(default)]
    deleted_blobs: u64,
}

impl From<CleanUpResponse> for CleanUp {
    fn from(CleanUpResponse { results }: CleanUpResponse) -> Self {
        Self { deleted_bytes: results.deleted_bytes, deleted_blobs: results.deleted_blobs }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{OtherSettings, S3Settings};
    use super::*;
    use crate::pieces::tests::{arriving, malformed, read_all};

    fn list(json: &str) -> Vec<RepositoryInfo> {
        read_all(Repositories::new, json).unwrap()
    }

    #[test]
    fn reads_a_repository_without_settings() {
        let repositories =
            list(r#"{"backup":{"type":"gcs","uuid":"u","settings":{"bucket":"b"}},"cs-automated-enc":{"type":"s3"}}"#);
        assert_eq!(repositories.iter().map(RepositoryInfo::name).collect::<Vec<_>>(), ["backup", "cs-automated-enc"]);
        assert_eq!(repositories[0].uuid(), Some("u"));
        assert_eq!(repositories[0].settings(), &OtherSettings::new("gcs").with_setting("bucket", "b").into());
        let RepositorySettings::S3(automated) = repositories[1].settings() else { panic!("{repositories:?}") };
        assert_eq!(automated.bucket(), None);
    }

    #[test]
    fn builds_the_repository_that_it_would_read() {
        let read = list(r#"{"backup":{"type":"s3","settings":{"bucket":"b"}}}"#).remove(0);

        assert_eq!(RepositoryInfo::new("backup", S3Settings::new("b")), read);
        assert_eq!(
            serde_json::to_value(RepositoryInfo::new("backup", S3Settings::new("b"))).unwrap(),
            serde_json::to_value(read).unwrap()
        );
    }

    #[test]
    fn returns_nested_settings_under_dotted_keys() {
        let nested = r#"{"r":{"type":"x","settings":{"a":{"b":"1","c":{"d":"2"}},"e":"3"}}}"#;

        let repositories = list(nested);

        let flat = OtherSettings::new("x").with_setting("a.b", "1").with_setting("a.c.d", "2").with_setting("e", "3");
        assert_eq!(repositories[0].settings(), &flat.into());
    }

    #[test]
    fn keeps_settings_nested_if_dotted_keys_would_be_long() {
        let key = "k".repeat(1000);
        let nested = format!(r#"{{"r":{{"type":"x","settings":{{"{key}":{{"a":1,"b":2,"c":3}}}}}}}}"#);

        let repositories = list(&nested);

        let written = serde_json::to_value(repositories[0].settings()).unwrap();
        assert_eq!(written["settings"][&key], serde_json::json!({"a": 1, "b": 2, "c": 3}));
    }

    #[test]
    fn reports_the_place_of_a_malformed_setting() {
        let malformed = malformed(Repositories::new(arriving(r#"{"a":{},"b":{"settings":1}}"#, 5)));

        assert_eq!(malformed.path, "b.settings");
    }

    #[test]
    fn decodes_acknowledgements_verified_nodes_and_clean_ups() {
        assert!(serde_json::from_str::<Acknowledged>(r#"{"acknowledged":false}"#).is_ok());
        assert!(serde_json::from_str::<Acknowledged>("{}").is_err());
        let VerifiedNodes(nodes) = serde_json::from_str(r#"{"nodes":{"x3yQ":{"name":"node-1"}}}"#).unwrap();
        assert_eq!((nodes[0].id(), nodes[0].name()), ("x3yQ", Some("node-1")));
        let clean_up: CleanUp = serde_json::from_str(r#"{"results":{"deleted_bytes":20,"deleted_blobs":5}}"#).unwrap();
        assert_eq!((clean_up.deleted_bytes().bytes(), clean_up.deleted_blobs()), (20, 5));
    }
}
