//! The commands for repositories.

use es_snapshot::registration::{EnsureRegistered, Registered};
use es_snapshot::repository::{OtherSettings, RegisterRepository};
use es_snapshot::{Error, ErrorKind, FsSettings, Outcome, Repository, RepositorySettings, S3Settings};

use super::Domain;
use crate::args::{Change, KeyValue, Register, RepoCommand};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::Console;
use crate::output::records::{CleanUpRecord, NodeRecord, PlanRecord, RegistrationRecord, RepositoryRecord};
use crate::words::in_flags;

pub(super) async fn run(command: RepoCommand, domain: &Domain, console: &Console) -> Result<(), Failure> {
    match command {
        RepoCommand::List => {
            let repositories = domain.client.repositories().await?;
            console.all(&repositories.iter().map(RepositoryRecord::new).collect::<Vec<_>>())
        }
        RepoCommand::Show(target) => {
            let info = domain.client.repository(target.repository)?.info().await?;
            console.one(&RepositoryRecord::new(&info))
        }
        RepoCommand::Verify(target) => {
            let nodes = domain.client.repository(target.repository)?.verify().await?;
            console.all(&nodes.iter().map(NodeRecord::new).collect::<Vec<_>>())
        }
        RepoCommand::Register(args) => register(*args, domain, console).await,
        RepoCommand::Cleanup(args) => clean_up(args, domain, console).await,
        RepoCommand::Unregister(args) => unregister(args, domain, console).await,
    }
}

async fn register(args: Register, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let client = domain.client.with_queue_time(args.patience.queue);
    let repository = client.repository(&args.target.repository)?;
    if args.consent.dry_run {
        return plan_registration(&repository, console).await;
    }
    let registration = RegisterRepository::new(settings(&args)).with_verify(!args.no_verify);
    let ensured = repository
        .ensure_registered(registration)
        .with_propagation_time(args.propagation_time)
        .with_rollback(args.rollback);
    let registered = match ensured.clone().await {
        Err(error) if differs(&error) => {
            console.note(in_flags(&error.to_string()));
            let question = format!("Replace the settings of {} on {}?", repository.name(), domain.name);
            confirm(console, args.consent, &question).await?;
            replace(ensured, &error).await?
        }
        registered => registered?,
    };
    console.one(&RegistrationRecord::new(repository.name().as_str(), &registered))
}

fn differs(error: &Error) -> bool {
    error.kind() == ErrorKind::RepositoryDiffers && error.outcome() == Outcome::NotSent
}

/// Replaces the registration, unless it has changed since its differences were shown.
async fn replace(ensured: EnsureRegistered, shown: &Error) -> Result<Registered, Error> {
    match ensured.clone().await {
        Err(error) if differs(&error) && error.to_string() == shown.to_string() => ensured.with_overwrite(true).await,
        result => result,
    }
}

/// Shows what is registered now, and what would be done.
async fn plan_registration(repository: &Repository, console: &Console) -> Result<(), Failure> {
    match repository.info().await {
        Ok(info) => {
            console.note(format!("{} is registered with these settings:", repository.name()));
            console.note(format!("  {}", RepositoryRecord::new(&info).settings_line()));
        }
        Err(error) if error.kind() == ErrorKind::RepositoryMissing => {}
        Err(error) => return Err(error.into()),
    }
    console.one(&plan("register", repository))
}

async fn clean_up(args: Change, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let repository = domain.client.with_queue_time(args.patience.queue).repository(&args.target.repository)?;
    if args.consent.dry_run {
        repository.info().await?;
        return console.one(&plan("cleanup", &repository));
    }
    let question = format!("Delete the files of {} on {} that belong to no snapshot?", repository.name(), domain.name);
    confirm(console, args.consent, &question).await?;
    let removed = repository.cleanup().await?;
    console.one(&CleanUpRecord::new(repository.name().as_str(), removed))
}

async fn unregister(args: Change, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let repository = domain.client.with_queue_time(args.patience.queue).repository(&args.target.repository)?;
    let info = repository.info().await?;
    if args.consent.dry_run {
        return console.one(&plan("unregister", &repository));
    }
    let question = format!("Unregister {} on {}? Its snapshots are kept.", repository.name(), domain.name);
    confirm(console, args.consent, &question).await?;
    repository.unregister().await?;
    console.one(&RepositoryRecord::new(&info))
}

fn plan(change: &'static str, repository: &Repository) -> PlanRecord {
    PlanRecord { change, repository: repository.name().to_string(), snapshot: None, indices: None }
}

fn settings(args: &Register) -> RepositorySettings {
    let others = || args.settings.iter().cloned().map(|KeyValue { key, value }| (key, value));
    if let Some(bucket) = &args.bucket {
        let mut settings =
            others().fold(S3Settings::new(bucket), |settings, (key, value)| settings.with_setting(key, value));
        if let Some(region) = &args.bucket_region {
            settings = settings.with_region(region);
        }
        if let Some(host) = &args.bucket_endpoint {
            settings = settings.with_endpoint(host);
        }
        if let Some(role) = &args.role_arn {
            settings = settings.with_role_arn(role);
        }
        if let Some(path) = &args.base_path {
            settings = settings.with_base_path(path);
        }
        if args.server_side_encryption {
            settings = settings.with_server_side_encryption(true);
        }
        return if args.readonly { settings.with_readonly(true) } else { settings }.into();
    }
    if let Some(location) = &args.location {
        let settings =
            others().fold(FsSettings::new(location), |settings, (key, value)| settings.with_setting(key, value));
        return if args.readonly { settings.with_readonly(true) } else { settings }.into();
    }
    let settings = OtherSettings::new(args.repository_type.clone().unwrap_or_default());
    let settings = others().fold(settings, |settings, (key, value)| settings.with_setting(key, value));
    if args.readonly { settings.with_setting("readonly", true) } else { settings }.into()
}

#[cfg(test)]
mod tests {
    use es_snapshot::testing::FakeDomain;

    use super::*;

    fn at(path: &str) -> S3Settings {
        let role = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";
        S3Settings::new("my-bucket-4-es").with_role_arn(role).with_base_path(path)
    }

    /// Returns a repository, a registration with another base path, and the error that shows the difference.
    async fn shown() -> (Repository, EnsureRegistered, Error) {
        let domain = FakeDomain::with_repository("backups").await;
        let repository = domain.client().repository("backups").unwrap();
        let ensured = repository.ensure_registered(at("new"));
        let error = ensured.clone().await.unwrap_err();
        (repository, ensured, error)
    }

    async fn is_registered(repository: &Repository, settings: S3Settings) -> bool {
        repository.info().await.unwrap().settings() == &settings.into()
    }

    #[tokio::test]
    async fn replaces_the_settings_that_were_shown() {
        let (repository, ensured, shown) = shown().await;

        replace(ensured, &shown).await.unwrap();

        assert!(is_registered(&repository, at("new")).await);
    }

    #[tokio::test]
    async fn keeps_settings_that_were_registered_after_the_question() {
        let (repository, ensured, shown) = shown().await;
        repository.register(at("other")).await.unwrap();

        let error = replace(ensured, &shown).await.unwrap_err();

        assert!(differs(&error));
        assert!(is_registered(&repository, at("other")).await);
    }
}
