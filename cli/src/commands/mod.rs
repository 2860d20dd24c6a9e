//! The commands: one file for each group.

mod delete;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod documents;
mod iam;
mod list;
mod read;
mod repo;
mod restore;
mod take;
mod wait;

use es_snapshot::SnapshotClient;

use crate::args::{Cli, Command, DomainCommand, RepoCommand};
use crate::connect::connect;
use crate::failure::Failure;
use crate::output::Console;

/// A domain, and how the operator calls it.
pub(crate) struct Domain {
    pub(crate) client: SnapshotClient,
    pub(crate) name: String,
}

/// Runs a command line.
pub(crate) async fn run(cli: Cli, console: &Console) -> Result<(), Failure> {
    match cli.command {
        Command::OnDomain(command) => {
            let (domain, flags) = connect(&cli.selection, registers_with_role(&command)).await?;
            console.set_connection(flags);
            run_on(&domain, command, console).await
        }
        Command::Iam(args) => iam::run(&args, console),
        Command::Completions { shell } => documents::completions(shell, console),
        Command::Man { command } => documents::manual(command.as_deref(), console),
        Command::Schema => documents::schema(console),
        #[cfg(feature = "demo")]
        Command::Demo => demo::run(console).await,
    }
}

async fn run_on(domain: &Domain, command: DomainCommand, console: &Console) -> Result<(), Failure> {
    match command {
        DomainCommand::Repo(command) => repo::run(command, domain, console).await,
        DomainCommand::Take(args) => take::run(args, domain, console).await,
        DomainCommand::List(args) => list::run(args, domain, console).await,
        DomainCommand::Show(args) => read::show(args, domain, console).await,
        DomainCommand::Status(args) => read::status(args, domain, console).await,
        DomainCommand::Watch(args) => wait::watch(args, domain, console).await,
        DomainCommand::Wait(args) => wait::run(args, domain, console).await,
        DomainCommand::Delete(args) => delete::run(args, domain, console).await,
        DomainCommand::Restore(args) => restore::run(args, domain, console).await,
        DomainCommand::Doctor(args) => doctor::run(args, domain, console).await,
    }
}

fn registers_with_role(command: &DomainCommand) -> bool {
    matches!(command, DomainCommand::Repo(RepoCommand::Register(args)) if args.role_arn.is_some())
}
