//! The syntax of regions, and where S3 serves them.
//!
//! The crate contains no list of all regions, because Amazon adds regions faster than crates are
//! updated. The syntax excludes URLs, ARNs and hosts.

/// Returns whether the text has the syntax of an Amazon region, such as `eu-west-1`.
pub(crate) fn is_amazon_region(text: &str) -> bool {
    is_region(text) && !text.bytes().any(|c| c.is_ascii_uppercase() || c == b'_')
}

/// Returns whether the text has the syntax of a region of any object store. Stores other than
/// Amazon's use names such as `RegionOne`, `EU` or `us_east_1`.
pub(crate) fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
}

/// The Regions that every account can use. The list is final: all later Regions [must be
/// enabled](https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html).
const ENABLED_BY_DEFAULT: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Returns whether S3's global host serves the Region. It serves no Region that must be enabled,
/// and none of China and GovCloud.
pub(crate) fn is_served_globally(region: &str) -> bool {
    ENABLED_BY_DEFAULT.contains(&region)
}

/// Returns the partition of a Region. Credentials are valid in one partition only.
pub(crate) fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// Returns the host of S3 in a Region.
pub(crate) fn s3_host(region: &str) -> String {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("s3.{region}.amazonaws.com{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_lower_case_and_hyphens_in_amazon_regions() {
        for (text, amazon, store) in [
            ("eu-west-1", true, true),
            ("us-gov-west-1", true, true),
            ("RegionOne", false, true),
            ("us_east_1", false, true),
            ("", false, false),
            ("eu west 1", false, false),
            ("s3.eu-west-1.amazonaws.com", false, false),
            ("arn:aws:s3", false, false),
        ] {
            assert_eq!((is_amazon_region(text), is_region(text)), (amazon, store), "{text}");
        }
    }
}
