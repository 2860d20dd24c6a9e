//! Registers a repository, and retries until the nodes can use it.
//!
//! [`Repository::ensure_registered`](crate::Repository::ensure_registered) returns an
//! [`EnsureRegistered`]. Awaiting it returns [`Registered`]: what changed, and which settings are
//! in force.
//!
//! ```
//! use es_snapshot::{ErrorKind, S3Settings};
//! use es_snapshot::registration::RegistrationChange;
//! # use es_snapshot::testing::FakeDomain;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), es_snapshot::Error> {
//! # let client = FakeDomain::with_repository("backups").await.client();
//! let role = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
//! let settings = S3Settings::new("my-bucket-4-es").with_base_path("2026").with_role_arn(role);
//! let backups = client.repository("backups")?;
//!
//! // Someone has registered the repository with another `base_path`.
//! let error = backups.ensure_registered(settings.clone()).await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::RepositoryDiffers);
//!
//! let registered = backups.ensure_registered(settings).with_overwrite(true).await?;
//! assert_eq!(registered.change(), RegistrationChange::Replaced);
//! # Ok(())
//! # }
//! ```

mod flow;
mod send;

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use serde::Serialize;

use crate::call::Session;
use crate::clock::BoxFuture;
use crate::error::Error;
#[cfg(doc)]
use crate::error::{ErrorKind, Outcome};
use crate::name::RepositoryName;
use crate::repository::{RegisterRepository, RepositoryInfo, RepositorySettings};
use crate::text::named_values;

pub(crate) use send::{register, unregister};

/// How long failures that pass by themselves are repeated by default.
const DEFAULT_PROPAGATION: Duration = Duration::from_secs(120);

/// A registration that is retried, and that replaces other settings only with permission.
///
/// [`Repository::ensure_registered`](crate::Repository::ensure_registered) returns it. Awaiting it
/// returns [`Registered`]. It is not itself a future. To pass it to `tokio::spawn` or `join!`, call
/// [`into_future`](IntoFuture::into_future) or write an `async move` block.
///
/// # Steps
///
/// 1. **It reads the registration** (`GET /_snapshot/{repository}`).
///    * If the registered settings are [the same](#which-settings-are-the-same), the nodes verify
///      the repository
///      (`POST /_snapshot/{repository}/_verify`). If Amazon's front end refuses that request, the
///      client sends the same registration again, which also verifies it.
///    * If they differ, the call ends with [`ErrorKind::RepositoryDiffers`], unless
///      [`with_overwrite`](Self::with_overwrite) permits the change.
/// 2. **It registers the repository** (`PUT /_snapshot/{repository}`). The nodes verify it, unless
///    [`RegisterRepository::with_verify`] disables that.
/// 3. **It reads the registration again**, because another client may have registered the same name
///    meanwhile.
///
/// On an Amazon domain, these requests need `es:ESHttpGet` and `es:ESHttpPut`, and `iam:PassRole`
/// on the snapshot role. A [rollback](Self::with_rollback) of a new registration also needs
/// `es:ESHttpDelete`.
///
/// # Which settings are the same
///
/// A registration replaces all settings. So a registered setting that the call omits counts as a
/// difference. These differences do not count:
///
/// * the form of a value: `true` and `"true"`, `1gb` and `1024mb`, nested and dotted keys
/// * a slash at the end of `base_path`
/// * an omitted setting and its default value, for `base_path`, `readonly`,
///   `server_side_encryption`, `storage_class` and `canned_acl`
/// * a secret that the server does not return. The call sends it only together with a new
///   registration, or with [`with_overwrite`](Self::with_overwrite)
///
/// An OpenSearch repository with `crypto_metadata` always differs. No method permits its
/// replacement, because it would lose its encryption.
///
/// # Which failures are repeated
///
/// An IAM change [takes
/// time](https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency)
/// to take effect everywhere. The call repeats steps 1 to 3 if the [diagnosis](Error::diagnosis) is
/// one of these causes:
///
/// | [cause](crate::error::Cause) | what may not be in effect yet |
/// | --- | --- |
/// | `PassRoleMissing` | `iam:PassRole` of the caller |
/// | `CallerNotAllowed` | a policy of the caller, or the access policy of the domain |
/// | `CallerNotMapped` | the role mapping of fine-grained access control |
/// | `RoleNotAssumable` | the snapshot role, or its trust policy |
/// | `StorageAccessDenied`, `KeyAccessDenied` | the permissions of the snapshot role, or the policy of the bucket or the key |
/// | `NodesNotUpdated` | the registration itself, on some nodes |
///
/// The first pause lasts 1 s. Each pause is twice as long as the one before, up to 15 s.
/// [`with_propagation_time`](Self::with_propagation_time) limits how long. All other failures
/// end the call, after the attempts that the [`RetryPolicy`](crate::RetryPolicy) permits for each
/// request.
///
/// # A bucket in another Region
///
/// If the storage refuses the Region or the endpoint, the call registers the repository once with
/// the alternative. [`Registered::settings`] returns what is in force.
///
/// | the bucket is in | the alternative |
/// | --- | --- |
/// | the domain's Region, or the server is self-managed | the Region alone |
/// | another Region of the same partition | the endpoint `s3.amazonaws.com` alone |
/// | another Region that [must be enabled](https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html), or that is in China or GovCloud | the Region, and the host of S3 in it as the endpoint |
/// | another partition | none |
///
/// Settings with both a Region and an endpoint stay as they are, and so do endpoints of other
/// stores. A later call with the original settings accepts the alternative as the same, unless
/// [`with_overwrite`](Self::with_overwrite) is set.
///
/// # Errors
///
/// * [`ErrorKind::RepositoryDiffers`] with [`Outcome::NotSent`] if other settings are registered.
///   Nothing was changed. With [`Outcome::Unknown`], another client has changed the registration
///   during the call.
/// * Those of [`Repository::register`](crate::Repository::register), and of
///   [`Repository::info`](crate::Repository::info) and
///   [`Repository::verify`](crate::Repository::verify).
///
/// If the server may have received a registration, the text of the error shows what is registered
/// now. A failed verification leaves the repository registered, except on Elasticsearch 8 and
/// later. If the alternative for another Region failed too, the
/// [source](std::error::Error::source) is the first failure.
///
/// # Cancel safety
///
/// If the future is dropped, the repository may have been registered, with the given settings or
/// with the alternative. Nothing is rolled back. The same call can be made again.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use es_snapshot::S3Settings;
/// # use es_snapshot::testing::FakeDomain;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// # let client = FakeDomain::with_repository("backups").await.client();
/// let role = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
/// let settings = S3Settings::new("my-bucket-4-es").with_base_path("logs").with_role_arn(role);
///
/// let registered = client
///     .repository("logs")?
///     .ensure_registered(settings)
///     .with_propagation_time(Duration::from_secs(300))
///     .with_rollback(true)
///     .await?;
/// println!("{}: {:?}", registered.change(), registered.settings());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "nothing is registered until this is awaited"]
pub struct EnsureRegistered {
    session: Session,
    name: RepositoryName,
    registration: RegisterRepository,
    overwrite: bool,
    /// The registration that may be replaced even without `overwrite`.
    replaceable: Option<RepositorySettings>,
    propagation: Duration,
    rollback: bool,
}

impl EnsureRegistered {
    pub(crate) fn new(session: Session, name: RepositoryName, registration: RegisterRepository) -> Self {
        Self {
            session,
            name,
            registration,
            overwrite: false,
            replaceable: None,
            propagation: DEFAULT_PROPAGATION,
            rollback: false,
        }
    }

    /// Sets whether a registration with other settings is replaced.
    ///
    /// All registered settings are replaced, including those that the new ones omit.
    /// [`Registered::previous`] returns them. Default: false.
    pub fn with_overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Sets the only registration that the call may replace: the one with these settings.
    ///
    /// Use it after a person has seen the settings and agreed. If another client has changed them
    /// meanwhile, the call ends with [`ErrorKind::RepositoryDiffers`]. The settings are [compared
    /// as usual](Self#which-settings-are-the-same). Default: none.
    ///
    /// ```
    /// use es_snapshot::S3Settings;
    /// use es_snapshot::registration::RegistrationChange;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # let backups = domain.client().repository("backups")?;
    /// let role = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
    /// let wanted = S3Settings::new("my-bucket-4-es").with_base_path("2026").with_role_arn(role);
    /// let call = backups.ensure_registered(wanted);
    ///
    /// if call.plan().await? == RegistrationChange::Replaced {
    ///     let shown = backups.info().await?;
    ///     println!("{:?} is registered; replace it?", shown.settings());
    ///     call.with_overwrite_of(shown.settings().clone()).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_overwrite_of(mut self, settings: impl Into<RepositorySettings>) -> Self {
        self.replaceable = Some(settings.into());
        self
    }

    /// Sets how long [failures that pass by themselves](Self#which-failures-are-repeated) are
    /// repeated.
    ///
    /// The last attempt begins at the end of this time. With 0 s, nothing is repeated. The time
    /// limits of the [client](crate::Timeouts) apply to each request. Default: 120 s.
    pub fn with_propagation_time(mut self, limit: Duration) -> Self {
        self.propagation = limit;
        self
    }

    /// Sets whether a failed call undoes what it did.
    ///
    /// The client first reads the registration. It rolls back only if this call made that
    /// registration:
    ///
    /// * If there was none before, the client unregisters the repository.
    /// * If this call replaced one, the client registers the previous settings again, without
    ///   verifying them. Secrets that the server did not return are lost.
    ///
    /// Unlike the settings of the call, the previous ones are not checked. The text of the error
    /// contains the result of the rollback. If another client changes the registration between the
    /// two requests, its change is lost. Default: false.
    pub fn with_rollback(mut self, rollback: bool) -> Self {
        self.rollback = rollback;
        self
    }

    /// Returns what the call would change if overwriting were permitted. This method only reads.
    ///
    /// [`Replaced`](RegistrationChange::Replaced) is also returned if only a secret, which the
    /// server does not return, may differ. [Which settings are the
    /// same](Self#which-settings-are-the-same) describes how settings are compared.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InvalidInput`] or [`ErrorKind::MissingRoleArn`] if the settings cannot work.
    /// * [`ErrorKind::RepositoryDiffers`] if the registration cannot be replaced, because it has
    ///   `crypto_metadata`.
    /// * Those of [`Repository::info`](crate::Repository::info).
    ///
    /// # Cancel safety
    ///
    /// This method only reads, so the future can be dropped at any time.
    pub async fn plan(&self) -> Result<RegistrationChange, Error> {
        flow::plan(self.clone()).await
    }

    /// Whether the caller permits replacing this registration.
    fn permits(&self, registered: &RepositoryInfo) -> bool {
        self.overwrite || self.replaceable.as_ref().is_some_and(|settings| flow::is_same(registered, settings))
    }
}

impl IntoFuture for EnsureRegistered {
    type Output = Result<Registered, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(flow::run(self))
    }
}

impl fmt::Debug for EnsureRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnsureRegistered")
            .field("name", &self.name.as_str())
            .field("registration", &self.registration)
            .field("overwrite", &self.overwrite)
            .field("replaceable", &self.replaceable)
            .field("propagation", &self.propagation)
            .field("rollback", &self.rollback)
            .finish_non_exhaustive()
    }
}

named_values! {
    /// What [`EnsureRegistered`] changed.
    ///
    /// ```
    /// use es_snapshot::registration::RegistrationChange;
    ///
    /// assert_eq!(RegistrationChange::Created.as_str(), "created");
    /// ```
    pub enum RegistrationChange, "created" {
        /// The repository was not registered. Now it is.
        Created = "created",
        /// The repository was already registered with these settings, or with their alternative for
        /// another Region.
        Unchanged = "unchanged",
        /// The repository had other settings, which were replaced.
        Replaced = "replaced",
    }
}

/// The registration that is in force after [`EnsureRegistered`].
///
/// It serialises to `change`, `in_force` and, if settings were replaced, `previous`. Settings that
/// may be secrets are redacted.
///
/// ```
/// use es_snapshot::FsSettings;
/// # use es_snapshot::S3Settings;
/// # use es_snapshot::testing::FakeDomain;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// # let client = FakeDomain::with_repository("backups").await.client();
/// let settings = FsSettings::new("/mnt/backups");
/// let registered = client.repository("backups")?.ensure_registered(settings).with_overwrite(true).await?;
///
/// assert_eq!(registered.settings().repository_type(), "fs");
/// assert_eq!(registered.previous().unwrap().repository_type(), "s3");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Registered {
    change: RegistrationChange,
    in_force: RepositoryInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<RepositoryInfo>,
}

impl Registered {
    /// Returns what the call changed.
    #[must_use]
    pub fn change(&self) -> RegistrationChange {
        self.change
    }

    /// Returns the settings in force, as the server returns them.
    ///
    /// Region and endpoint may differ from those of the call: see [A bucket in another
    /// Region](EnsureRegistered#a-bucket-in-another-region).
    #[must_use]
    pub fn settings(&self) -> &RepositorySettings {
        self.in_force.settings()
    }

    /// Returns the settings that were replaced, as the server returned them.
    ///
    /// `None` unless the change is [`Replaced`](RegistrationChange::Replaced).
    #[must_use]
    pub fn previous(&self) -> Option<&RepositorySettings> {
        self.previous.as_ref().map(RepositoryInfo::settings)
    }
}
