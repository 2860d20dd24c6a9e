//! Classifies the failures of credential providers, and words them for errors and logs.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::ConnectorError;

use crate::error::{Error, ErrorKind, Outcome};

/// A container is one network hop further from the metadata service than its host.
const HOP_LIMIT: &str = "in a container the metadata service needs a hop limit of 2";

/// Returns the error of a call for which the provider returned no usable credentials.
pub(super) fn credentials_error(failure: Arc<CredentialsError>) -> Error {
    let summary = match &*failure {
        CredentialsError::CredentialsNotLoaded(_) => "the provider found no credentials",
        CredentialsError::ProviderTimedOut(_) => "the provider did not respond in time",
        CredentialsError::InvalidConfiguration(_) => "the provider's configuration is not valid",
        _ => "the provider failed",
    };
    let message = if may_exceed_hop_limit(&failure) { format!("{summary}; {HOP_LIMIT}") } else { summary.to_owned() };
    let error = Error::new(ErrorKind::Credentials, Outcome::NotSent, message);
    let error = if is_transient(&failure) { error.transient() } else { error };
    error.with_source(failure)
}

/// Returns the error and its causes in one line, the outermost first.
pub(super) fn causes(error: &CredentialsError) -> String {
    chain(error)
        .map(|cause| cause.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join(": ")
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

/// Returns whether the metadata service may be out of reach.
///
/// The chain queries it last. So it may be why nothing was found, and packets over the hop limit
/// are dropped, which shows as a timeout. Other failures are the service's if they name it.
fn may_exceed_hop_limit(error: &CredentialsError) -> bool {
    let text = causes(error);
    match error {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::ProviderTimedOut(_) => {
            !text.contains("IMDS disabled")
        }
        _ => text.contains("IMDS"),
    }
}

/// Returns whether the provider may succeed later without any change, because it ran into a time
/// limit or lost its connection.
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
            // The SDK's timeouts have no public type.
            let text = cause.to_string();
            text.contains("timeout") || text.contains("timed out")
        }),
    }
}

/// Returns whether the error concerns a file or a program rather than a connection.
fn is_lasting(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, NotFound, PermissionDenied, Unsupported};
    matches!(kind, InvalidData | InvalidInput | NotFound | PermissionDenied | Unsupported)
}
