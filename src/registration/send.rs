//! Registers and unregisters a repository with one request.

use crate::call::Session;
use crate::error::{Error, ErrorKind, Operation, Outcome};
use crate::name::RepositoryName;
use crate::repository::{Acknowledged, RegisterRepository, RepositorySettings, S3Settings};
use crate::request;

/// Registers the repository once. Refuses settings that cannot work.
pub(crate) async fn register(
    session: &Session,
    name: &RepositoryName,
    registration: &RegisterRepository,
) -> Result<(), Error> {
    let named = |error: Error| error.with_storage(name.as_str(), registration.settings().storage());
    check(session, name, registration.settings()).map_err(named)?;
    send(session, name, registration).await.map_err(named)
}

/// Registers the repository once, with any settings.
pub(super) async fn send(
    session: &Session,
    name: &RepositoryName,
    registration: &RegisterRepository,
) -> Result<(), Error> {
    let request = request::register_repository(name, registration.settings(), registration.verify())
        .map_err(|error| error.during(Operation::RegisterRepository, 0))?;
    session.queued(request.replay, name, || session.call::<Acknowledged>(&request)).await.map(drop)
}

/// Checks a registration before anything is sent.
pub(super) fn check(session: &Session, name: &RepositoryName, settings: &RepositorySettings) -> Result<(), Error> {
    let refuse = |error: Error| error.during(Operation::RegisterRepository, 0);
    settings.validate().map_err(refuse)?;
    if !session.core.is_confidential
        && let Some(key) = settings.secret()
    {
        let text = format!(
            "setting {key:?} may be a secret and would be sent unencrypted to {}; use https://, or consent with \
             `SnapshotClientBuilder::danger_send_credentials_unencrypted`",
            session.core.endpoint
        );
        return Err(refuse(Error::invalid(text)));
    }
    if session.core.endpoint.region().is_none() {
        return Ok(());
    }
    if name.as_str().starts_with("cs-") {
        let text = format!(
            "repository name {:?} starts with `cs-`, which Amazon reserves for its own repositories; choose another \
             name",
            name.as_str()
        );
        return Err(refuse(Error::invalid(text)));
    }
    let lacks_role = |s3: &S3Settings| s3.role_arn().is_none() && !s3.other().contains_key("role_arn");
    if matches!(settings, RepositorySettings::S3(s3) if lacks_role(s3)) {
        let text = "an Amazon domain needs a role that can read and write the bucket";
        return Err(refuse(Error::new(ErrorKind::MissingRoleArn, Outcome::NotSent, text)));
    }
    Ok(())
}

/// Unregisters the repository. Succeeds as well if an earlier attempt, whose response was lost, has
/// probably unregistered it.
pub(crate) async fn unregister(session: &Session, name: &RepositoryName) -> Result<(), Error> {
    let request = request::unregister_repository(name);
    match session.queued(request.replay, name, || session.call::<Acknowledged>(&request)).await {
        Err(error) if error.kind() == ErrorKind::RepositoryMissing && error.outcome() == Outcome::Unknown => Ok(()),
        result => result.map(drop),
    }
}
