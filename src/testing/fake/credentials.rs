//! The domain's metadata service.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};

use super::Shared;

/// Hands out the current credentials of a [`FakeDomain`](super::FakeDomain), as an instance's metadata service would. Clones share one count.
#[derive(Clone)]
pub struct FakeCredentials {
    pub(super) shared: Arc<Shared>,
    pub(super) loads: Arc<AtomicUsize>,
}

impl FakeCredentials {
    /// How often credentials were asked for.
    #[must_use]
    pub fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
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
