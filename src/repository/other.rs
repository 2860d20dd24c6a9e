//! The settings of repositories of type `fs`, `url`, and any type that this crate does not know.

use std::{fmt, iter};

use serde_json::{Map, Value};

use super::{
    BlobStoreSettings, Redacted, Setting, blob_store_accessors, insert_flat, only_set, open_settings, redact_url,
};
use crate::byte_size::ByteSize;

/// The settings of a repository of type `fs`: a folder that all nodes share.
///
/// For self-managed clusters only.
///
/// ```
/// use es_snapshot::FsSettings;
///
/// let settings = FsSettings::new("/mnt/backups").with_compress(true);
/// assert_eq!(settings.location(), Some("/mnt/backups"));
/// ```
#[derive(Clone, PartialEq)]
pub struct FsSettings {
    pub(super) location: Option<String>,
    pub(super) blob_store: BlobStoreSettings,
    pub(super) other: Map<String, Value>,
}

impl FsSettings {
    /// Returns the settings of a repository in this folder, which all nodes must share.
    ///
    /// The folder must be below one of the folders in the node setting `path.repo`. A relative path
    /// starts at the first of them.
    #[must_use]
    pub fn new(location: impl Into<String>) -> Self {
        Self { location: Some(location.into()), blob_store: BlobStoreSettings::default(), other: Map::new() }
    }

    /// Returns the folder. `None` if the server does not show it.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    blob_store_accessors!();
    open_settings!();

    pub(super) fn typed(&self) -> Vec<(&'static str, Setting<'_>)> {
        let own = ("location", self.location.as_ref().map(Into::into));
        only_set(iter::once(own).chain(self.blob_store.typed()))
    }
}

impl fmt::Debug for FsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FsSettings")
            .field("location", &self.location.as_deref().map(redact_url))
            .field("blob_store", &self.blob_store)
            .field("other", &Redacted(&self.other))
            .finish()
    }
}

/// The settings of a repository of type `url`, which is always read-only.
///
/// For self-managed clusters only.
///
/// ```
/// use es_snapshot::repository::UrlSettings;
///
/// let settings = UrlSettings::new("file:///mnt/backups");
/// assert_eq!(settings.url(), Some("file:///mnt/backups"));
/// ```
#[derive(Clone, PartialEq)]
pub struct UrlSettings {
    pub(super) url: Option<String>,
    pub(super) other: Map<String, Value>,
}

impl UrlSettings {
    /// Returns the settings of a repository at this URL.
    ///
    /// The node setting `repositories.url.allowed_urls` or `path.repo` must allow the URL.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), other: Map::new() }
    }

    /// Returns the URL. `None` if the server does not show it.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    open_settings!();

    pub(super) fn typed(&self) -> Vec<(&'static str, Setting<'_>)> {
        only_set([("url", self.url.as_ref().map(Into::into))])
    }
}

impl fmt::Debug for UrlSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_deref().map(redact_url);
        f.debug_struct("UrlSettings").field("url", &url).field("other", &Redacted(&self.other)).finish()
    }
}

/// The settings of a repository of any other type, such as `gcs`, `azure` or `hdfs`.
///
/// ```
/// use es_snapshot::repository::OtherSettings;
///
/// let settings = OtherSettings::new("gcs").with_setting("bucket", "my-bucket-4-es");
/// assert_eq!(settings.other()["bucket"], "my-bucket-4-es");
/// ```
#[derive(Clone, PartialEq)]
pub struct OtherSettings {
    pub(super) repository_type: String,
    pub(super) other: Map<String, Value>,
}

impl OtherSettings {
    /// Returns the settings of a repository of this type.
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
