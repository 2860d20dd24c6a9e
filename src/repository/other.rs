//! The settings of the other types: `fs`, `url`, and any type that is not known here.

use std::{fmt, iter};

use serde_json::{Map, Value};

use super::{BlobStoreSettings, Redacted, Setting, blob_store_accessors, insert_flat, open_settings, set, shown};
use crate::byte_size::ByteSize;

/// The settings of a repository of type `fs`, on self-managed clusters.
#[derive(Clone, PartialEq)]
pub struct FsSettings {
    pub(super) location: Option<String>,
    pub(super) blob_store: BlobStoreSettings,
    pub(super) other: Map<String, Value>,
}

impl FsSettings {
    /// A repository in a folder that all nodes share: below one of the node setting `path.repo`, or
    /// relative to its first.
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

    pub(super) fn typed(&self) -> Vec<(&'static str, Setting<'_>)> {
        let own = ("location", self.location.as_ref().map(Into::into));
        set(iter::once(own).chain(self.blob_store.typed()))
    }
}

impl fmt::Debug for FsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FsSettings")
            .field("location", &self.location.as_deref().map(shown))
            .field("blob_store", &self.blob_store)
            .field("other", &Redacted(&self.other))
            .finish()
    }
}

/// The settings of a repository of type `url`, on self-managed clusters: read only by nature.
#[derive(Clone, PartialEq)]
pub struct UrlSettings {
    pub(super) url: Option<String>,
    pub(super) other: Map<String, Value>,
}

impl UrlSettings {
    /// A repository at a URL that the node setting `repositories.url.allowed_urls` or `path.repo`
    /// allows.
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

    pub(super) fn typed(&self) -> Vec<(&'static str, Setting<'_>)> {
        set([("url", self.url.as_ref().map(Into::into))])
    }
}

impl fmt::Debug for UrlSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_deref().map(shown);
        f.debug_struct("UrlSettings").field("url", &url).field("other", &Redacted(&self.other)).finish()
    }
}

/// The settings of a repository of any other type, such as `gcs`, `azure` or `hdfs`.
#[derive(Clone, PartialEq)]
pub struct OtherSettings {
    pub(super) repository_type: String,
    pub(super) other: Map<String, Value>,
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
