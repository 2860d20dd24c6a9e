//! Amazon Resource Names of what a manual snapshot needs.

use crate::error::{Error, quoted};
use crate::region::is_amazon_region;
use crate::text::checked_texts;

/// The parts of an ARN that all kinds have.
#[derive(Clone, Copy)]
struct Parts<'a> {
    partition: &'a str,
    service: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl<'a> Parts<'a> {
    fn of(arn: &'a str) -> Result<Self, &'static str> {
        let mut parts = arn.splitn(6, ':');
        let mut part = || parts.next().unwrap_or_default();
        if part() != "arn" {
            return Err("it does not start with `arn:`");
        }
        let parts = Self { partition: part(), service: part(), region: part(), account: part(), resource: part() };
        let suffix = parts.partition.strip_prefix("aws").filter(|suffix| suffix.is_empty() || suffix.starts_with('-'));
        let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if !suffix.is_some_and(|suffix| suffix.bytes().all(is_plain)) {
            return Err("its partition is not one of Amazon's, such as `aws` or `aws-cn`");
        }
        Ok(parts)
    }

    fn check_account(&self) -> Result<(), &'static str> {
        if self.account.len() == 12 && self.account.bytes().all(|c| c.is_ascii_digit()) {
            Ok(())
        } else {
            Err("its account id does not have 12 digits")
        }
    }

    fn check_iam(&self) -> Result<(), &'static str> {
        if self.service != "iam" {
            return Err("its service is not `iam`");
        }
        if !self.region.is_empty() {
            return Err("it has a Region, but roles and users have none");
        }
        self.check_account()
    }

    fn check_regional(&self, service: &str, expected: &'static str) -> Result<(), &'static str> {
        if self.service != service {
            return Err(expected);
        }
        if !is_amazon_region(self.region) {
            return Err("it has no Region such as `ap-northeast-1`");
        }
        self.check_account()
    }
}

/// The rule of a role's or user's path and name.
fn check_path(path: &str) -> Result<(), &'static str> {
    let name = last_of(path);
    if name.is_empty() || name.len() > 64 {
        return Err("its name does not have 1 to 64 characters");
    }
    if !name.bytes().all(|c| c.is_ascii_alphanumeric() || b"_+=,.@-".contains(&c))
        || !path.bytes().all(|c| c.is_ascii_graphic())
    {
        return Err("its name or path has characters that IAM does not allow");
    }
    Ok(())
}

fn last_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn check_role(arn: &str) -> Result<(), &'static str> {
    let parts = Parts::of(arn)?;
    parts.check_iam()?;
    check_path(parts.resource.strip_prefix("role/").ok_or("its resource does not start with `role/`")?)
}

fn check_principal(arn: &str) -> Result<(), &'static str> {
    let parts = Parts::of(arn)?;
    if parts.service == "sts" && parts.resource.starts_with("assumed-role/") {
        return Err("it is the ARN of a session; use the ARN of the role, `arn:aws:iam::ACCOUNT:role/NAME`");
    }
    parts.check_iam()?;
    let path = parts.resource.strip_prefix("role/").or_else(|| parts.resource.strip_prefix("user/"));
    check_path(path.ok_or("its resource does not start with `role/` or `user/`")?)
}

fn check_domain(arn: &str) -> Result<(), &'static str> {
    let parts = Parts::of(arn)?;
    parts.check_regional("es", "its service is not `es`, which OpenSearch domains have too")?;
    let name = parts.resource.strip_prefix("domain/").ok_or("its resource does not start with `domain/`")?;
    let is_name = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && (3..=28).contains(&name.len())
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    if is_name { Ok(()) } else { Err("its domain's name is not 3 to 28 lower-case letters, digits and hyphens") }
}

fn check_key(arn: &str) -> Result<(), &'static str> {
    let parts = Parts::of(arn)?;
    parts.check_regional("kms", "its service is not `kms`")?;
    let id =
        parts.resource.strip_prefix("key/").ok_or("its resource does not start with `key/`; an alias is not enough")?;
    let is_id = !id.is_empty() && id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    if is_id { Ok(()) } else { Err("its key id has characters other than letters, digits and hyphens") }
}

fn refuse(noun: &str, arn: &str, why: &str) -> Error {
    Error::invalid(format!("invalid {noun} ARN {}: {why}", quoted(arn)))
}

/// Adds the parts that the ARNs of all kinds have.
macro_rules! parts_of_arn {
    ($($name:ident)*) => {$(
        impl $name {
            /// Returns the partition: `aws`, `aws-cn`, `aws-us-gov` or another one of Amazon's.
            #[must_use]
            pub fn partition(&self) -> &str {
                self.0.split(':').nth(1).unwrap_or_default()
            }

            /// Returns the account, 12 digits.
            #[must_use]
            pub fn account(&self) -> &str {
                self.0.split(':').nth(4).unwrap_or_default()
            }

            /// Returns the name without its path.
            #[must_use]
            pub fn name(&self) -> &str {
                last_of(&self.0)
            }
        }
    )*};
}

parts_of_arn! { RoleArn PrincipalArn DomainArn KeyArn }

checked_texts! {
    refuse;

    /// The ARN of an IAM role, such as `arn:aws:iam::123456789012:role/TestRole`.
    ///
    /// ```
    /// use es_snapshot::iam::RoleArn;
    ///
    /// let role: RoleArn = "arn:aws-cn:iam::123456789012:role/backup/TestRole".parse()?;
    /// assert_eq!((role.partition(), role.account(), role.name()), ("aws-cn", "123456789012", "TestRole"));
    /// # Ok::<_, es_snapshot::Error>(())
    /// ```
    RoleArn, "role", check_role;

    /// The ARN of an IAM role or user that signs requests.
    ///
    /// The ARN of a role's session is not accepted, because policies and mappings name the role.
    ///
    /// ```
    /// use es_snapshot::iam::PrincipalArn;
    ///
    /// let caller: PrincipalArn = "arn:aws:iam::123456789012:user/alice".parse()?;
    /// assert_eq!(caller.name(), "alice");
    /// assert!("arn:aws:sts::123456789012:assumed-role/Role/session".parse::<PrincipalArn>().is_err());
    /// # Ok::<_, es_snapshot::Error>(())
    /// ```
    PrincipalArn, "role or user", check_principal;

    /// The ARN of an Amazon domain, such as `arn:aws:es:eu-west-1:123456789012:domain/logs`.
    ///
    /// OpenSearch domains have the service `es` as well.
    ///
    /// ```
    /// use es_snapshot::iam::DomainArn;
    ///
    /// let domain: DomainArn = "arn:aws:es:eu-west-1:123456789012:domain/logs".parse()?;
    /// assert_eq!((domain.region(), domain.name()), ("eu-west-1", "logs"));
    /// # Ok::<_, es_snapshot::Error>(())
    /// ```
    DomainArn, "domain", check_domain;

    /// The ARN of a KMS key. An alias is not accepted, because policies need the key.
    ///
    /// ```
    /// use es_snapshot::iam::KeyArn;
    ///
    /// let key: KeyArn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
    /// assert_eq!(key.region(), "eu-west-1");
    /// # Ok::<_, es_snapshot::Error>(())
    /// ```
    KeyArn, "KMS key", check_key;
}

impl DomainArn {
    /// Returns the Region.
    #[must_use]
    pub fn region(&self) -> &str {
        region_of(&self.0)
    }
}

impl KeyArn {
    /// Returns the Region.
    #[must_use]
    pub fn region(&self) -> &str {
        region_of(&self.0)
    }
}

impl PrincipalArn {
    /// Whether this is a role, and not a user.
    #[must_use]
    pub fn is_role(&self) -> bool {
        self.0.splitn(6, ':').nth(5).is_some_and(|resource| resource.starts_with("role/"))
    }
}

fn region_of(arn: &str) -> &str {
    arn.split(':').nth(3).unwrap_or_default()
}

impl From<RoleArn> for PrincipalArn {
    fn from(role: RoleArn) -> Self {
        Self(role.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_roles_of_every_partition() {
        for partition in ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-eusc"] {
            let arn = format!("arn:{partition}:iam::123456789012:role/a/b/Name_1");

            let role = RoleArn::try_from(arn).unwrap();

            assert_eq!((role.partition(), role.name()), (partition, "Name_1"));
        }
    }

    #[test]
    fn names_the_part_of_a_role_that_is_wrong() {
        for (arn, part) in [
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
        ] {
            let error = RoleArn::try_from(arn).unwrap_err().to_string();

            assert!(error.contains(part), "{arn}: {error}");
        }
    }

    #[test]
    fn names_the_part_of_a_domain_that_is_wrong() {
        for (arn, part) in [
            ("arn:aws:opensearch:eu-west-1:123456789012:domain/logs", "service"),
            ("arn:aws:es::123456789012:domain/logs", "Region"),
            ("arn:aws:es:eu-west-1:1234:domain/logs", "account"),
            ("arn:aws:es:eu-west-1:123456789012:domain/logs/*", "name"),
            ("arn:aws:es:eu-west-1:123456789012:domain/Logs", "name"),
            ("arn:aws:es:eu-west-1:123456789012:domain/1logs", "name"),
            ("arn:aws:es:eu-west-1:123456789012:logs", "domain/"),
        ] {
            let error = DomainArn::try_from(arn).unwrap_err().to_string();

            assert!(error.contains(part), "{arn}: {error}");
        }
    }

    #[test]
    fn names_the_role_that_a_session_belongs_to_as_the_way_out() {
        let error = PrincipalArn::try_from("arn:aws:sts::123456789012:assumed-role/R/s").unwrap_err().to_string();

        assert!(error.contains("use the ARN of the role"), "{error}");
    }

    #[test]
    fn refuses_the_alias_of_a_key() {
        let error = KeyArn::try_from("arn:aws:kms:eu-west-1:123456789012:alias/backup").unwrap_err().to_string();

        assert!(error.contains("alias"), "{error}");
    }
}
