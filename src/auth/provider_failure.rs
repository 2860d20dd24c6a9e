//! What a provider's failure means, and how it is told.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::ConnectorError;

use crate::error::{Error, ErrorKind, Outcome};

/// Containers are one hop further from the metadata service than their host.
const HOP_LIMIT: &str = "in a container the metadata service needs a hop limit of 2";

/// The error of a call that has no credentials to go on with.
pub(super) fn failed(error: Arc<CredentialsError>) -> Error {
    let what = match &*error {
        CredentialsError::CredentialsNotLoaded(_) => "the provider found none",
        CredentialsError::ProviderTimedOut(_) => "the provider did not respond in time",
        CredentialsError::InvalidConfiguration(_) => "the provider is configured wrongly",
        _ => "the provider failed",
    };
    let message = if may_need_another_hop(&error) { format!("{what}; {HOP_LIMIT}") } else { what.to_owned() };
    let failed = Error::new(ErrorKind::Credentials, Outcome::NotSent, message);
    let failed = if is_transient(&error) { failed.transient() } else { failed };
    failed.with_source(error)
}

/// The error and its causes, from the outermost one, in one line.
pub(super) fn causes(error: &CredentialsError) -> String {
    chain(error)
        .map(|cause| cause.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join(": ")
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

/// Whether the metadata service may be out of reach: it is asked last, so it is among those that
/// found nothing, and a request that was dropped on its way runs into a time limit. Other failures
/// are the service's if they name it.
fn may_need_another_hop(error: &CredentialsError) -> bool {
    let text = causes(error);
    match error {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::ProviderTimedOut(_) => {
            !text.contains("IMDS disabled")
        }
        _ => text.contains("IMDS"),
    }
}

/// Whether the provider may well succeed later without any change: it ran into a time limit, or
/// lost its connection.
fn is_transient(error: &CredentialsError) -> bool {
    match error {
        CredentialsError::ProviderTimedOut(_) => true,
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => false,
        error => chain(error).any(|cause| {
            if let Some(cause) = cause.downcast_ref::<ConnectorError>() {
                return cause.is_timeout() || cause.is_io();
            }
            if let Some(cause) = cause.downcast_ref::<io::Error>() {
                return !is_lasting(cause.kind());
            }
            // The SDK's own time-outs have no public type.
            let text = cause.to_string();
            text.contains("timeout") || text.contains("timed out")
        }),
    }
}

/// Whether it is about a file or a program rather than a connection.
fn is_lasting(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, NotFound, PermissionDenied, Unsupported};
    matches!(kind, InvalidData | InvalidInput | NotFound | PermissionDenied | Unsupported)
}
