//! Another way to reach a bucket, if the storage does not accept its Region or endpoint.
//!
//! [Amazon's guide](https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshot-registerdirectory.html)
//! sets only the Region. For a bucket in another Region than the domain's, it sets only the global
//! endpoint of S3, which does not serve every Region.

use super::{RepositorySettings, S3Settings};
use crate::error::Cause;
use crate::region::{is_amazon_region, is_served_globally, partition_of, s3_host};

/// The global host of S3.
pub(crate) const GLOBAL_S3: &str = "s3.amazonaws.com";

/// Returns settings that may work after the storage refused these, or `None`.
///
/// `bucket_region` is the Region that the storage reported, and `domain_region` that of an Amazon
/// domain.
pub(crate) fn alternative(
    cause: Cause,
    bucket_region: Option<&str>,
    settings: &RepositorySettings,
    domain_region: Option<&str>,
) -> Option<RepositorySettings> {
    let s3 = adjustable(settings)?;
    if !matches!(cause, Cause::BucketInOtherRegion | Cause::RegionNotAccepted) {
        return None;
    }
    let (region, endpoint) = match bucket_region {
        Some(bucket) => in_region(bucket, domain_region, s3.region())?,
        None if domain_region.is_some_and(|domain| partition_of(domain) == "aws") => (None, Some(GLOBAL_S3.to_owned())),
        None => return None,
    };
    let is_new = (region.as_deref(), endpoint.as_deref()) != (s3.region(), s3.endpoint());
    is_new.then(|| s3.located_at(region, endpoint).into())
}

/// Returns whether an alternative of the wanted settings is registered.
pub(crate) fn stands_for(
    registered: &RepositorySettings,
    wanted: &RepositorySettings,
    domain_region: Option<&str>,
) -> bool {
    let (Some(_), RepositorySettings::S3(registered)) = (adjustable(wanted), registered.canonical()) else {
        return false;
    };
    match (registered.region(), registered.endpoint_host()) {
        (None, Some(endpoint)) => endpoint == GLOBAL_S3,
        (Some(region), None) => domain_region.is_none_or(|domain| domain == region),
        (Some(region), Some(endpoint)) => endpoint == s3_host(region),
        (None, None) => false,
    }
}

/// Returns the settings of S3, if their Region and endpoint may be replaced: the caller has not set
/// both, and no other store is named.
fn adjustable(settings: &RepositorySettings) -> Option<S3Settings> {
    let RepositorySettings::S3(s3) = settings.canonical() else { return None };
    let is_free = match (s3.region(), s3.endpoint_host()) {
        (Some(_), Some(_)) => false,
        (_, Some(host)) => is_amazon_host(host),
        (_, None) => true,
    };
    is_free.then_some(s3)
}

/// Returns Region and endpoint for a bucket in this Region.
fn in_region(bucket: &str, domain: Option<&str>, set: Option<&str>) -> Option<(Option<String>, Option<String>)> {
    let other_partition = domain.is_some_and(|domain| partition_of(domain) != partition_of(bucket));
    if !is_amazon_region(bucket) || other_partition {
        return None;
    }
    let is_own = domain.is_none_or(|domain| domain == bucket);
    Some(if is_own && set != Some(bucket) {
        (Some(bucket.to_owned()), None)
    } else if !is_own && is_served_globally(bucket) {
        (None, Some(GLOBAL_S3.to_owned()))
    } else {
        (Some(bucket.to_owned()), Some(s3_host(bucket)))
    })
}

fn is_amazon_host(host: &str) -> bool {
    host.starts_with("s3.") && (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))
}

#[cfg(test)]
mod tests {
    use super::super::{FsSettings, OtherSettings};
    use super::*;

    const OTHER: Cause = Cause::BucketInOtherRegion;
    const REFUSED: Cause = Cause::RegionNotAccepted;

    type Place = (Option<&'static str>, Option<&'static str>);

    fn settings((region, endpoint): Place) -> RepositorySettings {
        S3Settings::new("logs").located_at(region.map(str::to_owned), endpoint.map(str::to_owned)).into()
    }

    #[test]
    fn returns_the_region_and_endpoint_that_amazons_guide_and_reports_name() {
        let nothing: Place = (None, None);
        let global: Place = (None, Some("s3.amazonaws.com"));
        let eu: Place = (Some("eu-west-1"), None);
        let virginia: Place = (Some("us-east-1"), None);
        for (cause, bucket, set, domain, expected) in [
            // The bucket is in another Region than the domain.
            (OTHER, Some("us-east-2"), eu, Some("eu-west-1"), Some(global)),
            (OTHER, Some("us-east-2"), nothing, Some("eu-west-1"), Some(global)),
            (OTHER, None, eu, Some("eu-west-1"), Some(global)),
            // The bucket is in the domain's Region, and the caller set another one.
            (OTHER, Some("eu-west-1"), virginia, Some("eu-west-1"), Some(eu)),
            (OTHER, Some("eu-west-1"), global, Some("eu-west-1"), Some(eu)),
            // A self-managed cluster.
            (OTHER, Some("eu-west-1"), virginia, None, Some(eu)),
            (OTHER, Some("eu-west-1"), eu, None, Some((Some("eu-west-1"), Some("s3.eu-west-1.amazonaws.com")))),
            (OTHER, None, eu, None, None),
            // An old server sends us-east-1 as a location.
            (REFUSED, None, virginia, Some("us-east-1"), Some(global)),
            (REFUSED, None, global, Some("us-east-1"), None),
            // The global host does not serve Regions that must be enabled, China and GovCloud.
            (
                REFUSED,
                Some("me-south-1"),
                global,
                Some("eu-west-1"),
                Some((Some("me-south-1"), Some("s3.me-south-1.amazonaws.com"))),
            ),
            (REFUSED, Some("me-south-1"), global, Some("me-south-1"), Some((Some("me-south-1"), None))),
            (
                OTHER,
                Some("cn-northwest-1"),
                (Some("cn-north-1"), None),
                Some("cn-north-1"),
                Some((Some("cn-northwest-1"), Some("s3.cn-northwest-1.amazonaws.com.cn"))),
            ),
            (OTHER, None, (Some("cn-north-1"), None), Some("cn-north-1"), None),
            (
                OTHER,
                Some("us-gov-west-1"),
                nothing,
                Some("us-gov-east-1"),
                Some((Some("us-gov-west-1"), Some("s3.us-gov-west-1.amazonaws.com"))),
            ),
            // Credentials are not valid in another partition.
            (OTHER, Some("us-east-1"), (Some("cn-north-1"), None), Some("cn-north-1"), None),
            // Both are set, another store is set, or the storage reports something else.
            (OTHER, Some("us-east-2"), (Some("eu-west-1"), Some("s3.amazonaws.com")), Some("eu-west-1"), None),
            (OTHER, Some("us-east-2"), (None, Some("http://minio:9000")), None, None),
            (OTHER, Some("us east 2"), eu, Some("eu-west-1"), None),
            (Cause::BucketMissing, Some("us-east-2"), eu, Some("eu-west-1"), None),
        ] {
            let found = alternative(cause, bucket, &settings(set), domain);

            assert_eq!(found, expected.map(settings), "{cause:?} {bucket:?} {set:?} {domain:?}");
            if let Some(found) = found {
                assert!(stands_for(&found, &settings(set), domain), "{found:?}");
            }
        }
    }

    #[test]
    fn finds_the_region_however_it_was_set_and_changes_only_s3() {
        let expected = Some(settings((Some("eu-west-1"), None)));
        for set in [
            S3Settings::new("logs").with_setting("region", "us-east-1").into(),
            RepositorySettings::from(
                OtherSettings::new("s3").with_setting("bucket", "logs").with_setting("region", "us-east-1"),
            ),
        ] {
            assert_eq!(alternative(OTHER, Some("eu-west-1"), &set, Some("eu-west-1")), expected);
        }
        let files = FsSettings::new("/mnt").into();
        assert_eq!(alternative(OTHER, Some("eu-west-1"), &files, None), None);
    }

    #[test]
    fn accepts_only_an_alternative_in_place_of_the_wanted_settings() {
        let wanted = settings((Some("eu-west-1"), None));
        for (registered, expected) in [
            ((None, Some("s3.amazonaws.com")), true),
            ((Some("eu-west-1"), Some("s3.eu-west-1.amazonaws.com")), true),
            ((Some("us-east-1"), None), false),
            ((None, Some("http://minio:9000")), false),
            ((Some("eu-west-1"), Some("http://minio:9000")), false),
            ((None, None), false),
        ] {
            assert_eq!(stands_for(&settings(registered), &wanted, Some("eu-west-1")), expected, "{registered:?}");
        }
        let both = settings((Some("eu-west-1"), Some("s3.amazonaws.com")));
        assert!(!stands_for(&settings((None, Some("s3.amazonaws.com"))), &both, Some("eu-west-1")));
    }
}
