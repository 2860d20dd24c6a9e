//! A source of credentials that fails with a given error.

use std::sync::Mutex;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

/// Fails with this error once, and then because it has no credentials.
#[derive(Debug)]
pub(crate) struct Failing(pub(crate) Mutex<Option<CredentialsError>>);

impl ProvideCredentials for Failing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let failure = self.0.lock().unwrap().take();
        future::ProvideCredentials::ready(Err(failure.unwrap_or_else(CredentialsError::not_loaded_no_source)))
    }
}
