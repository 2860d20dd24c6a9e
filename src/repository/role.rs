//! The ARN of the role with which a domain accesses a bucket.

use crate::error::{Error, quoted};

/// Checks a role's ARN. The error describes the part that is wrong.
fn check_role_arn(arn: &str) -> Result<(), &'static str> {
    let mut parts = arn.splitn(6, ':');
    let mut part = || parts.next().unwrap_or_default();
    if part() != "arn" {
        return Err("it does not start with `arn:`");
    }
    let partition = part();
    let suffix = partition.strip_prefix("aws").filter(|suffix| suffix.is_empty() || suffix.starts_with('-'));
    if !suffix.is_some_and(|suffix| suffix.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')) {
        return Err("its partition is not one of Amazon's, such as `aws` or `aws-cn`");
    }
    if part() != "iam" {
        return Err("its service is not `iam`");
    }
    if !part().is_empty() {
        return Err("it has a Region, but roles have none");
    }
    let account = part();
    if account.len() != 12 || !account.bytes().all(|c| c.is_ascii_digit()) {
        return Err("its account id does not have 12 digits");
    }
    let path = part().strip_prefix("role/").ok_or("its resource does not start with `role/`")?;
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || name.len() > 64 {
        return Err("its role name does not have 1 to 64 characters");
    }
    if !name.bytes().all(|c| c.is_ascii_alphanumeric() || b"_+=,.@-".contains(&c))
        || !path.bytes().all(|c| c.is_ascii_graphic())
    {
        return Err("its role name or path has characters that IAM does not allow");
    }
    Ok(())
}

/// Checks the ARN of an IAM role. Its partition may be any of Amazon's.
pub(super) fn validate(arn: &str) -> Result<(), Error> {
    check_role_arn(arn).map_err(|why| Error::invalid(format!("invalid role ARN {}: {why}", quoted(arn))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_role_arns_of_every_partition() {
        for partition in ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-eusc"] {
            assert!(validate(&format!("arn:{partition}:iam::123456789012:role/a/b/Name_1")).is_ok(), "{partition}");
        }
    }

    #[test]
    fn reports_which_part_of_a_role_arn_is_wrong() {
        let cases = [
            ("", "start with `arn:`"),
            ("TestRole", "start with `arn:`"),
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
            let error = validate(arn).unwrap_err().to_string();
            assert!(error.contains(part), "{arn}: {error}");
        }
    }
}
