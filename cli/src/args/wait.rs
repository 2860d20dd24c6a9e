//! Arguments of commands that wait.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use es_snapshot::name::{RepositoryName, SnapshotName};

use super::span;
use super::values::file;

/// How long a command keeps trying while another operation is running.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Keep trying this long while another operation is running, such as 10m
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "0s")]
    pub(crate) queue: Duration,
}

/// Whether and how long a command waits for what it has started.
#[derive(Args, Clone, Debug)]
pub(crate) struct Waiting {
    /// Do not wait for the end
    #[arg(long, conflicts_with = "deadline")]
    pub(crate) detach: bool,
    #[command(flatten)]
    pub(crate) limit: Limit,
    /// File to which the ticket is written, with which `wait` resumes
    #[arg(long, value_name = "FILE", value_parser = file)]
    pub(crate) ticket: Option<PathBuf>,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// Wait at most this long. The work then goes on
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "24h")]
    pub(crate) deadline: Duration,
}

/// What to wait for: a ticket, or a snapshot by its name.
#[derive(Args, Debug)]
pub(crate) struct Wait {
    /// Repository
    #[arg(value_name = "REPO", required_unless_present = "ticket", conflicts_with = "ticket", requires = "snapshot")]
    pub(crate) repository: Option<RepositoryName>,
    /// Snapshot
    #[arg(value_name = "NAME")]
    pub(crate) snapshot: Option<SnapshotName>,
    /// What to wait for
    #[arg(long = "for", value_enum, default_value_t = Awaited::Snapshot, conflicts_with = "ticket")]
    pub(crate) awaited: Awaited,
    /// File with a ticket, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) ticket: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) limit: Limit,
}

/// The operation on a snapshot to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Awaited {
    Snapshot,
    Restore,
    Deletion,
}
