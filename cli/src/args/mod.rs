//! The command line.

mod doctor;
mod iam;
mod repo;
mod restore;
mod snapshots;
mod values;
mod wait;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use doctor::Doctor;
pub(crate) use iam::{Document, Iam};
pub(crate) use repo::{Change, Register, RepoCommand, RepositoryArg};
pub(crate) use restore::Restore;
pub(crate) use snapshots::{Delete, List, Show, Status, Take};
pub(crate) use values::{KeyFile, KeyValue, NewName, span};
pub(crate) use wait::{Awaited, Patience, Wait, Waiting};

use crate::connection::Settings;
use crate::exit;

/// Snapshots of Elasticsearch and OpenSearch, on Amazon domains and clusters of your own
#[derive(Debug, Parser)]
#[command(name = "es-snapshot", version, after_help = exit::table(), disable_help_subcommand = true)]
#[command(max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Form of the output
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// Show the chain of causes and a log of the requests
    #[arg(long, global = true)]
    pub(crate) debug: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which connection a command uses.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Context of the configuration file [env: ES_SNAPSHOT_CONTEXT]
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "endpoint")]
    #[arg(help_heading = "Connection", hide_short_help = true)]
    pub(crate) context: Option<String>,
    /// Configuration file. Default: ~/.config/es-snapshot/config.toml [env: ES_SNAPSHOT_CONFIG]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection", hide_short_help = true)]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Read the password from standard input
    #[arg(long, global = true, conflicts_with = "password_file")]
    #[arg(help_heading = "Connection", hide_short_help = true)]
    pub(crate) password_stdin: bool,
}

/// The form in which a command writes its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Table,
    Json,
    Ndjson,
    Name,
}

/// The commands: those for a domain, and those that need none.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    OnDomain(DomainCommand),
    /// Prints the IAM documents of a manual snapshot
    Iam(Iam),
    /// Prints completions for a shell
    Completions {
        /// Shell
        shell: Shell,
    },
    /// Prints a manual page
    Man {
        /// Command. Default: the page of the program
        command: Option<String>,
    },
    /// Prints the JSON schema of the output
    Schema,
    /// Shows the whole procedure on a fake domain in this process
    #[cfg(feature = "demo")]
    Demo,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DomainCommand {
    /// Repositories: list, show, register, verify, clean up, unregister
    #[command(subcommand)]
    Repo(RepoCommand),
    /// Takes a snapshot and waits for its end
    Take(Take),
    /// Lists the snapshots of a repository, the newest last
    List(List),
    /// Shows one snapshot, with its failures
    Show(Show),
    /// Shows how far running snapshots have come
    Status(Status),
    /// Writes each progress of a snapshot, restore or deletion, and then its result
    Watch(Wait),
    /// Waits for the end of a snapshot, restore or deletion
    Wait(Wait),
    /// Deletes snapshots: shows them, asks, and deletes exactly these
    Delete(Delete),
    /// Restores a snapshot: shows the indices that it writes, asks, and waits
    Restore(Restore),
    /// Examines the domain and its repositories, and changes nothing
    Doctor(Doctor),
}

/// A shell for which completions exist.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Consent to a change that deletes or overwrites.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Consent {
    /// Do not ask. Required without a terminal
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Read from the domain what would happen, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_flag_takes_a_password() {
        let command = Cli::command();
        for flag in command.get_arguments().filter(|flag| flag.get_id().as_str().starts_with("password")) {
            let takes_path = flag.get_value_names().is_some_and(|names| names[0] == "FILE");
            assert!(takes_path || !flag.get_action().takes_values(), "{flag:?}");
        }
    }
}
