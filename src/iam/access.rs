//! Who may do what for a manual snapshot.

use std::collections::BTreeSet;

use super::policy::{PolicyDocument, Statement};
use crate::arn::{DomainArn, KeyArn, RoleArn};
use crate::error::{Error, Operation, quoted};
use crate::region::s3_host;
use crate::repository::{S3Settings, without_last_slash};

/// Amazon's service, whose domains assume the snapshot role. It has this name in every partition,
/// and for OpenSearch as well.
const SERVICE: &str = "es.amazonaws.com";

/// Generates the IAM documents of one repository on one domain.
///
/// See the [module](crate::iam) for the documents and an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent choice of the caller")]
pub struct SnapshotAccess {
    role: RoleArn,
    domain: DomainArn,
    bucket: String,
    base_path: Option<String>,
    key: Option<KeyArn>,
    is_read_only: bool,
    has_source_conditions: bool,
    has_passed_to_service: bool,
    has_narrow_paths: bool,
}

impl SnapshotAccess {
    /// Returns the access that a repository with these settings needs on this domain.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the settings have no bucket
    /// or no role, if the role or the domain belong to different partitions, or if the bucket
    /// or the base path contains a character that is a wildcard in policies.
    pub fn new(settings: &S3Settings, domain: DomainArn) -> Result<Self, Error> {
        let role = settings
            .role_arn()
            .ok_or_else(|| Error::invalid("the settings have no role_arn; set it with `S3Settings::with_role_arn`"))?;
        let role = RoleArn::try_from(role)?;
        if role.partition() != domain.partition() {
            return Err(Error::invalid(format!(
                "the role is in the partition {} and the domain in {}; use a role of the domain's partition",
                role.partition(),
                domain.partition()
            )));
        }
        let bucket = settings
            .bucket()
            .ok_or_else(|| Error::invalid("the settings have no bucket; set it with `S3Settings::new`"))?;
        if bucket.ends_with("-s3alias") {
            return Err(Error::invalid(format!(
                "the bucket {} is the alias of an access point; policies need its ARN",
                quoted(bucket)
            )));
        }
        let base_path = settings.base_path().map(without_last_slash).filter(|path| !path.is_empty());
        if base_path.is_some_and(|path| path.starts_with('/')) {
            return Err(Error::invalid("the base_path starts with a slash; register the repository without it"));
        }
        for (what, text) in [("bucket", Some(bucket)), ("base_path", base_path)] {
            if let Some(text) = text.filter(|text| text.is_empty() || text.contains(['*', '?', '$'])) {
                return Err(Error::invalid(format!(
                    "the {what} {} is empty or contains *, ? or $, which have a meaning in policies",
                    quoted(text)
                )));
            }
        }
        Ok(Self {
            role,
            domain,
            bucket: bucket.to_owned(),
            base_path: base_path.map(str::to_owned),
            key: None,
            is_read_only: settings.readonly() == Some(true),
            has_source_conditions: true,
            has_passed_to_service: true,
            has_narrow_paths: false,
        })
    }

    /// Sets whether the domain may only read the bucket, as a second domain should.
    ///
    /// Default: the setting `readonly` of the repository.
    #[must_use]
    pub fn with_read_only(mut self, read_only: bool) -> Self {
        self.is_read_only = read_only;
        self
    }

    /// Sets the KMS key that encrypts the bucket. Default: none.
    ///
    /// The policy of a key in another account must allow the role as well.
    #[must_use]
    pub fn with_kms_key(mut self, key: KeyArn) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets whether only this domain may assume the role ([confused deputy]). Default: `true`.
    ///
    /// Domains with a service software before R20211203 do not send what the conditions compare.
    /// On these, assuming the role fails.
    ///
    /// [confused deputy]: https://docs.aws.amazon.com/opensearch-service/latest/developerguide/cross-service-confused-deputy-prevention.html
    #[must_use]
    pub fn with_source_conditions(mut self, conditions: bool) -> Self {
        self.has_source_conditions = conditions;
        self
    }

    /// Sets whether the caller may pass the role to no other service. Default: `true`.
    #[must_use]
    pub fn with_passed_to_service(mut self, condition: bool) -> Self {
        self.has_passed_to_service = condition;
        self
    }

    /// Sets whether the caller may reach only the paths of its operations.
    ///
    /// Otherwise it may reach every path of the domain ([paths in policies]). Default: `false`.
    ///
    /// [paths in policies]: https://docs.aws.amazon.com/opensearch-service/latest/developerguide/ac.html
    #[must_use]
    pub fn with_narrow_paths(mut self, narrow: bool) -> Self {
        self.has_narrow_paths = narrow;
        self
    }

    /// Returns the policy that lets the snapshot role reach the bucket, and the key if there is
    /// one.
    ///
    /// With a base path the role reaches nothing else in the bucket.
    pub fn bucket_access(&self) -> PolicyDocument {
        let mut statements = self.bucket_statements();
        if let Some(key) = &self.key {
            let actions: &[&str] =
                if self.is_read_only { &["kms:Decrypt"] } else { &["kms:Decrypt", "kms:GenerateDataKey"] };
            let s3 = s3_host(key.region());
            let statement = Statement::allow(actions.iter().copied()).on([key.as_str()]);
            statements.push(statement.only_if("StringEquals", "kms:ViaService", s3));
        }
        PolicyDocument::new(statements)
    }

    /// Returns the bucket policy that lets the snapshot role reach a bucket of another account.
    ///
    /// Both are needed then: this one in the bucket's account, and
    /// [`bucket_access`](Self::bucket_access) in the role's.
    pub fn bucket_policy(&self) -> PolicyDocument {
        let statements = self.bucket_statements();
        PolicyDocument::new(statements.into_iter().map(|statement| statement.to("AWS", self.role.as_str())).collect())
    }

    /// Returns the trust policy of the snapshot role, which lets the domain assume it.
    pub fn role_trust(&self) -> PolicyDocument {
        let mut statement = trust(SERVICE);
        if self.has_source_conditions {
            statement = statement.only_if("StringEquals", "aws:SourceAccount", self.domain.account()).only_if(
                "ArnLike",
                "aws:SourceArn",
                self.domain.as_str(),
            );
        }
        PolicyDocument::new(vec![statement])
    }

    /// Returns the policy of the caller: to pass the snapshot role, and to send what these
    /// operations need.
    ///
    /// Requests that the client makes along with an operation are included, for example the reads
    /// with which it waits for a restore. [`Operation::Raw`] adds nothing, because it can be any
    /// request.
    pub fn caller(&self, operations: impl IntoIterator<Item = Operation>) -> PolicyDocument {
        let operations: BTreeSet<Operation> = operations.into_iter().collect();
        let mut statements = Vec::new();
        if operations.contains(&Operation::RegisterRepository) {
            let mut pass = Statement::allow(["iam:PassRole"]).on([self.role.as_str()]);
            if self.has_passed_to_service {
                pass = pass.only_if("StringEquals", "iam:PassedToService", SERVICE);
            }
            statements.push(pass);
        }
        let needed: Vec<Needed> = operations.into_iter().flat_map(needs).copied().collect();
        let actions: BTreeSet<&str> = needed.iter().map(|(action, _)| *action).collect();
        let paths: BTreeSet<&str> =
            if self.has_narrow_paths { needed.iter().map(|(_, path)| *path).collect() } else { ["*"].into() };
        if !actions.is_empty() {
            let actions = actions.into_iter().map(|action| format!("es:{action}"));
            let resources = paths.into_iter().map(|path| format!("{}/{path}", self.domain));
            statements.push(Statement::allow(actions).on(resources));
        }
        PolicyDocument::new(statements)
    }

    /// Returns the trust policy of a role that EC2 instances have, such as a bastion's.
    pub fn caller_trust(&self) -> PolicyDocument {
        PolicyDocument::new(vec![trust(&format!("ec2.amazonaws.com{}", suffix(self.domain.partition())))])
    }

    fn bucket_statements(&self) -> Vec<Statement> {
        let (bucket, objects) = if self.bucket.starts_with("arn:") {
            (self.bucket.clone(), format!("{}/object", self.bucket))
        } else {
            let bucket = format!("arn:{}:s3:::{}", self.role.partition(), self.bucket);
            (bucket.clone(), bucket)
        };
        let mut list = Statement::allow(["s3:ListBucket"]).on([bucket]);
        let mut folder = String::new();
        if let Some(path) = &self.base_path {
            folder = format!("{path}/");
            list = list.only_if("StringLike", "s3:prefix", format!("{folder}*"));
        }
        let actions: &[&str] =
            if self.is_read_only { &["s3:GetObject"] } else { &["s3:GetObject", "s3:PutObject", "s3:DeleteObject"] };
        vec![list, Statement::allow(actions.iter().copied()).on([format!("{objects}/{folder}*")])]
    }
}

fn trust(service: &str) -> Statement {
    Statement::allow(["sts:AssumeRole"]).to("Service", service)
}

/// What the DNS names of services in China end with.
fn suffix(partition: &str) -> &'static str {
    if partition == "aws-cn" { ".cn" } else { "" }
}

/// An IAM action without its prefix, and the path below the domain.
type Needed = (&'static str, &'static str);

/// What the client sends for an operation.
fn needs(operation: Operation) -> &'static [Needed] {
    const GET: Needed = ("ESHttpGet", "_snapshot/*");
    const PUT: Needed = ("ESHttpPut", "_snapshot/*");
    const POST: Needed = ("ESHttpPost", "_snapshot/*");
    const DELETE: Needed = ("ESHttpDelete", "_snapshot/*");
    const EXPLAIN: Needed = ("ESHttpPost", "_cluster/allocation/explain");
    const STATE: Needed = ("ESHttpGet", "_cluster/state/*");
    const RECOVERY: [Needed; 2] = [("ESHttpGet", "_recovery"), ("ESHttpGet", "*/_recovery")];
    const SHARDS: [Needed; 2] = [("ESHttpGet", "_cat/shards"), ("ESHttpGet", "_cat/shards/*")];
    match operation {
        Operation::RegisterRepository => &[PUT],
        Operation::GetRepository | Operation::GetSnapshot | Operation::ListSnapshots | Operation::SnapshotStatus => {
            &[GET]
        }
        Operation::ListRepositories => &[("ESHttpGet", "_snapshot")],
        Operation::VerifyRepository | Operation::CleanUpRepository => &[POST],
        Operation::UnregisterRepository => &[DELETE],
        Operation::CreateSnapshot | Operation::CloneSnapshot => &[PUT, GET],
        Operation::DeleteSnapshot => &[DELETE, GET],
        Operation::RestoreSnapshot => &[POST, GET, EXPLAIN, STATE, RECOVERY[0], RECOVERY[1], SHARDS[0], SHARDS[1]],
        Operation::Recovery => &RECOVERY,
        Operation::Shards => &SHARDS,
        Operation::AllocationExplain => &[EXPLAIN],
        Operation::ClusterState => &[STATE],
        Operation::ServerInfo => &[("ESHttpGet", "")],
        Operation::Raw => &[],
    }
}
