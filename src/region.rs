//! The syntax of regions.
//!
//! The names are not in a list, because Amazon adds regions faster than crates are updated. A URL,
//! an ARN or a host is not a region.

/// Whether a signature can be made for a region of this name, such as `eu-west-1`.
pub(crate) fn is_amazon_region(text: &str) -> bool {
    is_region(text) && !text.bytes().any(|c| c.is_ascii_uppercase() || c == b'_')
}

/// Whether an object store can have a region of this name. Other stores than Amazon's have names of
/// their own, such as `RegionOne`, `EU` or `us_east_1`.
pub(crate) fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_regions_are_those_of_object_stores_in_lower_case_with_hyphens() {
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
