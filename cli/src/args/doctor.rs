//! Arguments of the examination.

use std::time::Duration;

use clap::Args;
use es_snapshot::name::RepositoryName;

use super::span;

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Examine only this repository. Default: the first 50, without Amazon's
    #[arg(value_name = "REPO")]
    pub(crate) repository: Option<RepositoryName>,
    /// Do not make the nodes write test files to the repositories
    #[arg(long)]
    pub(crate) no_verify: bool,
    /// How old the newest complete snapshot may be
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "25h")]
    pub(crate) max_age: Duration,
}
