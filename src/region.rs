//! The syntax of regions.
//!
//! The crate contains no list of regions, because Amazon adds regions faster than crates are
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
