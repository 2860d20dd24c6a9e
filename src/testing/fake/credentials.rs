//! The provider of a domain's credentials.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

use super::Shared;

/// A provider of the current credentials of a [`FakeDomain`](super::FakeDomain).
///
/// It imitates the metadata service of an instance.
/// [`FakeDomain::credentials_provider`](super::FakeDomain::credentials_provider) returns it. Clones
/// share one count and one [trouble](Self::set_trouble).
#[derive(Clone)]
pub struct FakeCredentials {
    pub(super) shared: Arc<Shared>,
    pub(super) loads: Arc<AtomicUsize>,
    pub(super) trouble: Arc<Mutex<Option<CredentialTrouble>>>,
}

/// A failure of a provider of credentials, for [`FakeCredentials::set_trouble`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialTrouble {
    /// The provider returns the error that it has no credentials.
    Fails,
    /// The provider never responds.
    Hangs,
    /// The provider panics.
    Panics,
}

impl FakeCredentials {
    /// Returns how often this provider and its clones were asked for credentials.
    #[must_use]
    pub fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    /// Makes this provider and its clones fail, hang or panic from now on.
    ///
    /// `None` makes them work again.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use es_snapshot::ErrorKind;
    /// use es_snapshot::testing::{CredentialTrouble, FakeDomain};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// let domain = FakeDomain::with_repository("backups").await;
    /// let credentials = domain.credentials_provider();
    /// let client = domain.client_builder().credentials(credentials.clone()).build()?;
    ///
    /// credentials.set_trouble(CredentialTrouble::Fails);
    /// let error = client.repositories().await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Credentials);
    ///
    /// credentials.set_trouble(None);
    /// // After a failure, the client waits before it asks the provider again.
    /// domain.clock().unwrap().advance(Duration::from_secs(60));
    /// assert_eq!(client.repositories().await?.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_trouble(&self, trouble: impl Into<Option<CredentialTrouble>>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble.into();
    }
}

impl fmt::Debug for FakeCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeCredentials").field("loads", &self.loads()).finish_non_exhaustive()
    }
}

impl ProvideCredentials for FakeCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let trouble = *self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match trouble {
            None => {}
            Some(CredentialTrouble::Fails) => {
                return future::ProvideCredentials::ready(Err(CredentialsError::not_loaded(
                    "the test has set `CredentialTrouble::Fails`",
                )));
            }
            Some(CredentialTrouble::Hangs) => return future::ProvideCredentials::new(std::future::pending()),
            Some(CredentialTrouble::Panics) => panic!("the test has set `CredentialTrouble::Panics`"),
        }
        let (mut state, now) = self.shared.enter();
        let issued = state.edge.current(now.monotonic);
        let expires = now.wall.checked_add(issued.expires.saturating_sub(now.monotonic));
        future::ProvideCredentials::ready(Ok(Credentials::new(
            issued.key,
            issued.secret,
            Some(issued.token),
            expires,
            "FakeDomain",
        )))
    }
}
