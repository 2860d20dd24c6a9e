//! The commands for repositories.

use es_snapshot::registration::RegistrationChange;
use es_snapshot::repository::{OtherSettings, RegisterRepository, RepositoryInfo};
use es_snapshot::{FsSettings, Repository, RepositorySettings, S3Settings};
use serde_json::Value;

use super::Domain;
use crate::args::{Change, KeyFile, KeyValue, Register, RepoCommand};
use crate::config::read_password;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::Console;
use crate::output::records::{CleanUpRecord, NodeRecord, PlanRecord, RegistrationRecord, RepositoryRecord};

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
    let settings = settings(&args)?;
    let mut ensured = repository
        .ensure_registered(RegisterRepository::new(settings.clone()).with_verify(!args.no_verify))
        .with_propagation_time(args.propagation_time)
        .with_rollback(args.rollback);
    let change = ensured.plan().await?;
    if change == RegistrationChange::Replaced {
        let registered = repository.info().await?;
        show_replacement(&registered, settings, console);
        if !args.consent.dry_run {
            let question = format!("Replace the settings of {} on {}?", repository.name(), domain.name);
            confirm(console, args.consent, &question).await?;
            ensured = ensured.with_overwrite_of(registered.settings().clone());
        }
    }
    if args.consent.dry_run {
        let change = match change {
            RegistrationChange::Unchanged => "none",
            RegistrationChange::Replaced => "replace",
            _ => "register",
        };
        return console.one(&plan(change, &repository));
    }
    console.set_ongoing(Some(unfinished("registered", &repository, console)));
    let registered = ensured.await?;
    console.set_ongoing(None);
    console.one(&RegistrationRecord::new(repository.name().as_str(), &registered))
}

/// Shows all settings, because a registration replaces all.
fn show_replacement(registered: &RepositoryInfo, wanted: RepositorySettings, console: &Console) {
    let wanted = RepositoryInfo::new(registered.name(), wanted);
    for (title, info) in [("registered", registered), ("new", &wanted)] {
        let line = RepositoryRecord::new(info).settings_line();
        console.note(format!("  {title:10}  type={} {line}", info.settings().repository_type()));
    }
}

/// Returns what is true if a change is interrupted, and the command that shows it.
fn unfinished(done: &str, repository: &Repository, console: &Console) -> String {
    let command = console.resume().of(["repo", "show", repository.name().as_str()]);
    format!("the repository may be {done}; to see it: {command}")
}

async fn clean_up(args: Change, domain: &Domain, console: &Console) -> Result<(), Failure> {
    let repository = domain.client.with_queue_time(args.patience.queue).repository(&args.target.repository)?;
    if args.consent.dry_run {
        repository.info().await?;
        return console.one(&plan("cleanup", &repository));
    }
    let question = format!("Delete the files of {} on {} that belong to no snapshot?", repository.name(), domain.name);
    confirm(console, args.consent, &question).await?;
    console.set_ongoing(Some("files may have been deleted; the same command can be run again".to_owned()));
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
    console.set_ongoing(Some(unfinished("unregistered", &repository, console)));
    repository.unregister().await?;
    console.one(&RepositoryRecord::new(&info))
}

fn plan(change: &'static str, repository: &Repository) -> PlanRecord {
    PlanRecord { change, repository: repository.name().to_string(), snapshot: None, indices: None }
}

/// Whether the library redacts the value.
fn is_secret(key: &str, value: &Value) -> bool {
    let info = RepositoryInfo::new("", OtherSettings::new("").with_setting(key, value.clone()));
    let shown = serde_json::to_value(info).ok();
    shown.as_ref().and_then(|shown| shown.get("settings")?.get(key)).is_some_and(|shown| shown != value)
}

fn settings(args: &Register) -> Result<RepositorySettings, Failure> {
    let mut others: Vec<(String, Value)> =
        args.settings.iter().cloned().map(|KeyValue { key, value }| (key, value)).collect();
    if let Some((key, _)) = others.iter().find(|(key, value)| is_secret(key, value)) {
        let text = format!("--setting {key} may be a secret, which others can see on the command line");
        return Err(Failure::usage(format!("{text}; pass it with --setting-file")));
    }
    for KeyFile { key, path } in &args.setting_files {
        others.push((key.clone(), read_password(path)?.reveal().into()));
    }
    let others = || others.iter().cloned();
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
        return Ok(if args.readonly { settings.with_readonly(true) } else { settings }.into());
    }
    if let Some(location) = &args.location {
        let settings =
            others().fold(FsSettings::new(location), |settings, (key, value)| settings.with_setting(key, value));
        return Ok(if args.readonly { settings.with_readonly(true) } else { settings }.into());
    }
    let settings = OtherSettings::new(args.repository_type.clone().unwrap_or_default());
    let settings = others().fold(settings, |settings, (key, value)| settings.with_setting(key, value));
    Ok(if args.readonly { settings.with_setting("readonly", true) } else { settings }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_recognised_by_its_key_or_its_value() {
        for (key, value, expected) in [
            ("secret_key", "hunter2", true),
            ("url", "https://user:hunter2@files.example.org", true),
            ("container", "backups", false),
        ] {
            assert_eq!(is_secret(key, &value.into()), expected, "{key}");
        }
        assert!(!is_secret("compress", &true.into()));
    }
}
