//! The settings of a repository in S3.

use std::fmt;

use serde_json::{Map, Value};

use super::{
    BlobStoreSettings, Redacted, RoleArn, blob_store_accessors, insert_flat, open_settings, put, required, take, without_user,
};
use crate::byte_size::ByteSize;
use crate::error::{Error, quoted};

/// How an S3 repository finds its bucket: by Region or by endpoint, never both.
///
/// Amazon's developer guide ("Creating index snapshots in Amazon OpenSearch Service") gives the Region where the bucket is in the
/// domain's own, and otherwise drops it and sends the endpoint `s3.amazonaws.com`.
#[derive(Clone, PartialEq, Eq)]
pub enum S3Location {
    /// The bucket's Region, such as `ap-northeast-1`.
    Region(String),
    /// The host of S3, such as `s3.amazonaws.com` or `s3.me-south-1.amazonaws.com`.
    Endpoint(String),
}

impl fmt::Debug for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region(region) => f.debug_tuple("Region").field(region).finish(),
            Self::Endpoint(endpoint) => f.debug_tuple("Endpoint").field(&without_user(endpoint)).finish(),
        }
    }
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
    pub(super) other: Map<String, Value>,
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

    pub(super) fn from_flat(mut flat: Map<String, Value>) -> Self {
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

    pub(super) fn to_map(&self) -> Map<String, Value> {
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

    pub(super) fn validate(&self) -> Result<(), Error> {
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
pub(super) fn is_region(text: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::RepositorySettings;
    use super::super::tests::{decode, s3};
    use super::*;

    fn role() -> RoleArn {
        "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot".parse().unwrap()
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
}
