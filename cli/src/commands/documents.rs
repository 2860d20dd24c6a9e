//! `completions`, `man` and `schema`.

use clap::CommandFactory as _;
use clap_complete::generate;

use crate::args::{Cli, Shell};
use crate::failure::Failure;
use crate::output::Console;

/// The JSON schema of the output.
const SCHEMA: &str = include_str!("../../schema.json");

pub(super) fn schema(console: &Console) -> Result<(), Failure> {
    console.text(SCHEMA.as_bytes())
}

pub(super) fn completions(shell: Shell, console: &Console) -> Result<(), Failure> {
    let (mut command, mut script) = (Cli::command(), Vec::new());
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    generate(shell, &mut command, "es-snapshot", &mut script);
    console.text(&script)
}

/// Writes the manual page of a command such as `repo register`, or of the program.
pub(super) fn manual(name: Option<&str>, console: &Console) -> Result<(), Failure> {
    let mut command = Cli::command();
    command.build();
    let mut page = &command;
    for word in name.unwrap_or_default().split_whitespace() {
        let unknown = || Failure::usage(format!("{word:?} is not a command; `es-snapshot --help` lists them"));
        page = page.find_subcommand(word).ok_or_else(unknown)?;
    }
    let mut written = Vec::new();
    clap_mangen::Man::new(page.clone()).render(&mut written)?;
    console.text(&written)
}
