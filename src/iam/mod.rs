//! The IAM documents of a manual snapshot, generated.
//!
//! A manual snapshot on an Amazon domain needs two roles. The domain assumes the *snapshot role* to
//! reach the bucket. The *caller* signs the registration, and must be allowed to pass the snapshot
//! role. [`SnapshotAccess`] writes the documents of both from the settings of the repository and
//! the ARN of the domain ([Amazon's guide]). It calls no AWS API.
//!
//! | document | method | where it belongs |
//! | --- | --- | --- |
//! | access to the bucket | [`SnapshotAccess::bucket_access`] | a policy of the snapshot role |
//! | trust in the service | [`SnapshotAccess::role_trust`] | the trust policy of the snapshot role |
//! | the caller's permissions | [`SnapshotAccess::caller`] | a policy of the caller |
//! | trust in EC2 | [`SnapshotAccess::caller_trust`] | the trust policy of a bastion's role |
//! | the bucket of another account | [`SnapshotAccess::bucket_policy`] | the policy of that bucket |
//! | fine-grained access control | [`RoleMapping`] | a request to the domain |
//!
//! The documents grant as little as possible. They name the one domain and the one role, and
//! restrict who may use the trust. [`SnapshotAccess::with_source_conditions`] and
//! [`SnapshotAccess::with_passed_to_service`] turn these restrictions off.
//!
//! ```
//! use es_snapshot::S3Settings;
//! use es_snapshot::error::Operation;
//! use es_snapshot::iam::SnapshotAccess;
//!
//! let settings = S3Settings::new("my-bucket-4-es")
//!     .with_region("ap-northeast-1")
//!     .with_role_arn("arn:aws:iam::123456789012:role/TestRole");
//! let domain = "arn:aws:es:ap-northeast-1:123456789012:domain/logs".parse()?;
//! let access = SnapshotAccess::new(&settings, domain)?;
//!
//! println!("{}", access.bucket_access());
//! println!("{}", access.role_trust());
//! println!("{}", access.caller([Operation::RegisterRepository, Operation::CreateSnapshot]));
//! # assert!(access.caller_trust().to_string().contains("ec2.amazonaws.com"));
//! # Ok::<_, es_snapshot::Error>(())
//! ```
//!
//! [Amazon's guide]: https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshots.html

mod access;
mod mapping;
mod policy;

pub use access::SnapshotAccess;
pub use mapping::RoleMapping;
pub use policy::PolicyDocument;

pub use crate::arn::{DomainArn, KeyArn, PrincipalArn, RoleArn};
