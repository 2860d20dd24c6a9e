//! The settings of a repository in S3.

use std::fmt;

use serde_json::{Map, Value};

use super::{
    BlobStoreSettings, Redacted, Setting, blob_store_accessors, insert_flat, only_set, open_settings, redact_url,
    remaining, required, take,
};
use crate::arn::RoleArn;
use crate::byte_size::ByteSize;
use crate::error::{Error, Storage, quoted};
use crate::region::is_region;

/// The settings of a repository of type `s3`.
///
/// An Amazon domain requires the bucket, its [`region`](Self::with_region) or an
/// [`endpoint`](Self::with_endpoint), and a [`role_arn`](Self::with_role_arn). [Amazon's
/// guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshot-registerdirectory.html)
/// sets only the Region. If that does not work, it sets only the endpoint `s3.amazonaws.com`.
///
/// S3-compatible stores require both Region and endpoint. The settings `access_key`, `secret_key`
/// and `client` are for self-managed clusters only. For KMS encryption, use the default encryption
/// of the bucket.
///
/// ```
/// use es_snapshot::S3Settings;
///
/// let settings = S3Settings::new("my-bucket-4-es")
///     .with_region("ap-northeast-1")
///     .with_role_arn("arn:aws:iam::123456789012:role/TestRole");
/// assert_eq!(settings.bucket(), Some("my-bucket-4-es"));
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct S3Settings {
    bucket: Option<String>,
    region: Option<String>,
    endpoint: Option<String>,
    role_arn: Option<String>,
    base_path: Option<String>,
    server_side_encryption: Option<bool>,
    storage_class: Option<String>,
    canned_acl: Option<String>,
    blob_store: BlobStoreSettings,
    pub(super) other: Map<String, Value>,
}

impl S3Settings {
    /// Returns the settings of a repository in this bucket.
    ///
    /// The bucket is a plain name, or the ARN or alias of an access point.
    #[must_use]
    pub fn new(bucket: impl Into<String>) -> Self {
        Self { bucket: Some(bucket.into()), ..Self::default() }
    }

    /// Sets the bucket's Region, such as `ap-northeast-1`.
    ///
    /// For an S3-compatible store, set the name that the store uses for its region.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets the host of S3, such as `s3.amazonaws.com`.
    ///
    /// For an S3-compatible store, set its URL, such as `http://minio:9000`.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Sets the ARN of the role with which the domain accesses the bucket.
    ///
    /// The role must trust `es.amazonaws.com`. The caller who registers the repository must have
    /// `iam:PassRole` on the role. See [Amazon's
    /// guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshot-registerdirectory.html).
    #[must_use]
    pub fn with_role_arn(mut self, role: impl Into<String>) -> Self {
        self.role_arn = Some(role.into());
        self
    }

    /// Sets the folder within the bucket, without a leading slash.
    ///
    /// If several domains use the bucket, each must have its own folder. Server default: the root
    /// of the bucket.
    #[must_use]
    pub fn with_base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = Some(path.into());
        self
    }

    /// Sets whether objects are encrypted with SSE-S3 (AES-256).
    ///
    /// OpenSearch 3.1 and later ignore it. Server default: no.
    #[must_use]
    pub fn with_server_side_encryption(mut self, encrypt: bool) -> Self {
        self.server_side_encryption = Some(encrypt);
        self
    }

    /// Sets the storage class of new objects, such as `standard_ia`.
    ///
    /// The server refuses `glacier`. Server default: `standard`.
    #[must_use]
    pub fn with_storage_class(mut self, class: impl Into<String>) -> Self {
        self.storage_class = Some(class.into());
        self
    }

    /// Sets the canned ACL of new objects, such as `bucket-owner-full-control`.
    ///
    /// Server default: `private`.
    #[must_use]
    pub fn with_canned_acl(mut self, acl: impl Into<String>) -> Self {
        self.canned_acl = Some(acl.into());
        self
    }

    /// Returns the bucket. `None` if the domain does not show it.
    ///
    /// Amazon domains do not show the settings of their own repositories.
    #[must_use]
    pub fn bucket(&self) -> Option<&str> {
        self.bucket.as_deref()
    }

    /// Returns the bucket's Region, if set.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Returns the host or URL of S3, if set.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// The host of the endpoint, which may be a URL.
    pub(crate) fn endpoint_host(&self) -> Option<&str> {
        let endpoint = self.endpoint()?;
        Some(endpoint.rsplit_once("://").map_or(endpoint, |(_, host)| host).trim_end_matches('/'))
    }

    /// Returns the ARN of the role with which the domain accesses the bucket, if set.
    #[must_use]
    pub fn role_arn(&self) -> Option<&str> {
        self.role_arn.as_deref()
    }

    /// Returns the folder within the bucket, if set.
    #[must_use]
    pub fn base_path(&self) -> Option<&str> {
        self.base_path.as_deref()
    }

    /// Returns whether objects are encrypted with SSE-S3, if set.
    #[must_use]
    pub fn server_side_encryption(&self) -> Option<bool> {
        self.server_side_encryption
    }

    /// Returns the storage class of new objects, if set.
    #[must_use]
    pub fn storage_class(&self) -> Option<&str> {
        self.storage_class.as_deref()
    }

    /// Returns the canned ACL of new objects, if set.
    #[must_use]
    pub fn canned_acl(&self) -> Option<&str> {
        self.canned_acl.as_deref()
    }

    blob_store_accessors!();
    open_settings!();

    pub(super) fn from_flat(mut flat: Map<String, Value>) -> Self {
        Self {
            bucket: take(&mut flat, "bucket"),
            region: take(&mut flat, "region"),
            endpoint: take(&mut flat, "endpoint"),
            role_arn: take(&mut flat, "role_arn"),
            base_path: take(&mut flat, "base_path"),
            server_side_encryption: take(&mut flat, "server_side_encryption"),
            storage_class: take(&mut flat, "storage_class"),
            canned_acl: take(&mut flat, "canned_acl"),
            blob_store: BlobStoreSettings::from_flat(&mut flat),
            other: remaining(flat),
        }
    }

    pub(super) fn typed(&self) -> Vec<(&'static str, Setting<'_>)> {
        let own = [
            ("bucket", self.bucket.as_ref().map(Into::into)),
            ("region", self.region.as_ref().map(Into::into)),
            ("endpoint", self.endpoint.as_ref().map(Into::into)),
            ("role_arn", self.role_arn.as_ref().map(Into::into)),
            ("base_path", self.base_path.as_ref().map(Into::into)),
            ("server_side_encryption", self.server_side_encryption.as_ref().map(Into::into)),
            ("storage_class", self.storage_class.as_ref().map(Into::into)),
            ("canned_acl", self.canned_acl.as_ref().map(Into::into)),
        ];
        only_set(own.into_iter().chain(self.blob_store.typed()))
    }

    /// Returns the same settings with this Region and this endpoint, or without them.
    pub(super) fn located_at(self, region: Option<String>, endpoint: Option<String>) -> Self {
        Self { region, endpoint, ..self }
    }

    /// Returns what an error keeps of these settings.
    pub(super) fn storage(&self) -> Storage {
        let shown = |text: &Option<String>| text.as_deref().map(redact_url);
        Storage {
            bucket: shown(&self.bucket),
            region: shown(&self.region),
            endpoint: shown(&self.endpoint),
            base_path: shown(&self.base_path),
            role_arn: shown(&self.role_arn),
        }
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        required("bucket", self.bucket())?;
        let bucket = self.bucket().unwrap_or_default();
        if !bucket.bytes().all(|c| c.is_ascii_alphanumeric() || b".-_".contains(&c)) && !is_access_point(bucket) {
            return Err(Error::invalid(format!(
                "invalid bucket {}, expected a plain bucket name or the ARN of an access point; set a path by \
                 `S3Settings::with_base_path`",
                quoted(&redact_url(bucket))
            )));
        }
        if let Some(path) = self.base_path.as_deref().filter(|path| path.starts_with('/')) {
            let path = quoted(&redact_url(path));
            return Err(Error::invalid(format!("invalid base_path {path}, expected one without a leading slash")));
        }
        if let Some(region) = self.region.as_deref().filter(|region| !is_region(region)) {
            let region = quoted(region);
            return Err(Error::invalid(format!("invalid Region {region}, expected one such as `ap-northeast-1`")));
        }
        if let Some(endpoint) = &self.endpoint
            && (endpoint.is_empty() || endpoint.contains(char::is_whitespace))
        {
            return Err(Error::invalid(format!(
                "invalid S3 endpoint {}, expected a host or URL such as `s3.amazonaws.com`",
                quoted(&redact_url(endpoint))
            )));
        }
        self.role_arn.as_deref().map_or(Ok(()), |role| RoleArn::try_from(role).map(drop))
    }
}

/// Returns whether this is the ARN of an access point. The access point may belong to one Region,
/// several Regions, an Outpost, or Object Lambda.
fn is_access_point(bucket: &str) -> bool {
    let mut parts = bucket.splitn(6, ':');
    let mut part = || parts.next().unwrap_or_default();
    let (arn, partition, service, _region, account, resource) = (part(), part(), part(), part(), part(), part());
    let is_account = account.len() == 12 && account.bytes().all(|c| c.is_ascii_digit());
    let mut words = resource.split(['/', ':']);
    let is_plain = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric() || b".-_/:".contains(&c));
    let has_name = words.any(|word| word == "accesspoint") && words.next().is_some_and(|name| !name.is_empty());
    arn == "arn"
        && partition.starts_with("aws")
        && service.starts_with("s3")
        && is_account
        && has_name
        && is_plain(bucket)
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Settings")
            .field("bucket", &self.bucket.as_deref().map(redact_url))
            .field("region", &self.region)
            .field("endpoint", &self.endpoint.as_deref().map(redact_url))
            .field("role_arn", &self.role_arn)
            .field("base_path", &self.base_path.as_deref().map(redact_url))
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

    const ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";

    #[test]
    fn sends_the_registration_body_of_amazons_guide() {
        let settings: RepositorySettings = s3().with_region("ap-northeast-1").with_role_arn(ROLE).into();
        assert_eq!(
            serde_json::to_value(&settings).unwrap(),
            json!({"type": "s3", "settings": {"bucket": "my-bucket-4-es", "region": "ap-northeast-1",
                   "role_arn": "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot"}})
        );
        settings.validate().unwrap();
    }

    #[test]
    fn reads_every_setting_that_it_has_written() {
        let settings: RepositorySettings = s3()
            .with_endpoint("s3.amazonaws.com")
            .with_role_arn(ROLE)
            .with_base_path("prod/logs")
            .with_server_side_encryption(true)
            .with_readonly(false)
            .with_storage_class("standard_ia")
            .with_canned_acl("private")
            .with_chunk_size("1gb".parse().unwrap())
            .with_compress(true)
            .with_max_snapshot_bytes_per_sec("40mb".parse().unwrap())
            .with_max_restore_bytes_per_sec("80mb".parse().unwrap())
            .with_setting("buffer_size", "100mb")
            .into();
        assert_eq!(decode(serde_json::to_value(&settings).unwrap()), settings);
    }

    #[test]
    fn accepts_region_and_endpoint_in_either_order() {
        for settings in [
            s3().with_region("us-east-1").with_endpoint("http://minio:9000"),
            s3().with_endpoint("http://minio:9000").with_region("us-east-1"),
        ] {
            assert_eq!((settings.region(), settings.endpoint()), (Some("us-east-1"), Some("http://minio:9000")));
            let settings: RepositorySettings = settings.into();
            settings.validate().unwrap();
            let body = serde_json::to_value(&settings).unwrap();
            let expected = json!({"bucket": "my-bucket-4-es", "region": "us-east-1", "endpoint": "http://minio:9000"});
            assert_eq!(body["settings"], expected);
            assert_eq!(decode(body), settings);
        }
    }

    #[test]
    fn accepts_bucket_names_and_access_points_only() {
        for bucket in [
            "my-bucket-4-es",
            "My_Old.Bucket",
            "my-ap-x1y2z3w4-s3alias",
            "es-snapshots-a1b2c3--op-s3",
            "logs--usw2-az1--x-s3",
            "arn:aws:s3:us-west-2:111122223333:accesspoint/my-ap",
            "arn:aws-cn:s3:cn-north-1:111122223333:accesspoint:my-ap",
            "arn:aws-us-gov:s3:us-gov-west-1:111122223333:accesspoint/my-ap",
            "arn:aws:s3::111122223333:accesspoint/mfzwi23gnjvgw.mrap",
            "arn:aws:s3-object-lambda:us-west-2:111122223333:accesspoint/my-olap",
            "arn:aws:s3-outposts:us-east-1:111122223333:outpost/op-0123456789abcdef/accesspoint/my-op-ap",
            "arn:aws:s3-outposts:us-east-1:111122223333:outpost:op-0123456789abcdef:accesspoint:my-op-ap",
        ] {
            assert!(S3Settings::new(bucket).validate().is_ok(), "{bucket}");
        }
        for bucket in [
            "arn:aws:s3:::my-bucket",
            "arn:aws:s3:us-west-2:111122223333:accesspoint/",
            "arn:aws:s3:us-west-2:1111:accesspoint/my-ap",
            "arn:aws:iam::111122223333:role/accesspoint",
            "arn:aws:s3:us-west-2:111122223333:accesspoint/my ap",
            "s3://my-bucket",
            "my-bucket/path",
        ] {
            assert!(S3Settings::new(bucket).validate().is_err(), "{bucket}");
        }
    }

    #[test]
    fn accepts_the_region_names_of_other_stores() {
        for region in ["eu-west-1", "EU", "RegionOne", "us_east_1", "garage", "default"] {
            assert!(s3().with_region(region).validate().is_ok(), "{region}");
        }
        for region in
            ["", "eu west 1", "https://s3.amazonaws.com", "s3.eu-west-1.amazonaws.com", "arn:aws:iam::1:role/x"]
        {
            assert!(s3().with_region(region).validate().is_err(), "{region}");
        }
    }
}
