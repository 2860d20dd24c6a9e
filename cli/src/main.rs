//! `es-snapshot`: snapshots of Elasticsearch and OpenSearch from the command line.
//!
//! A command is a function from a client and its arguments to records, which `output` writes. Each
//! failure has an exit code, see `exit`.

#![expect(clippy::doc_markdown, reason = "the help shows the comments of the arguments as plain text")]
#![expect(clippy::struct_excessive_bools, reason = "each flag of a command is an independent choice")]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, clippy::print_stderr)]

mod args;
mod commands;
mod config;
mod confirm;
mod connect;
mod connection;
mod credentials;
mod exit;
mod failure;
mod log;
mod output;
mod resume;
mod ticket_file;
mod words;

use std::env;
use std::io::Write as _;
use std::pin::pin;
use std::process::ExitCode;

use clap::Parser as _;
use futures_util::future::{Either, select};

use args::Cli;
use exit::Exit;
use output::{Console, Streams};

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.debug {
        log::start();
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: the runtime cannot start: {error}");
            return Exit::Failed.into();
        }
    };
    let exit = runtime.block_on(run(cli));
    // A thread that waits for an input of the user does not end by itself.
    runtime.shutdown_background();
    exit.into()
}

async fn run(cli: Cli) -> Exit {
    let no_colour = env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty());
    let (console, debug) = (Console::new(cli.output, Streams::standard(no_colour)), cli.debug);
    let interrupted = pin!(tokio::signal::ctrl_c());
    match select(pin!(commands::run(cli, &console)), interrupted).await {
        Either::Left((Ok(()), _)) => Exit::Done,
        Either::Left((Err(failure), _)) => {
            failure.lines(debug, &console.resume()).iter().for_each(|line| console.note(line));
            failure.exit()
        }
        Either::Right(_) => {
            console.note(match console.ongoing() {
                Some(ongoing) => format!("\ninterrupted: {ongoing}"),
                None => "\ninterrupted".to_owned(),
            });
            Exit::Interrupted
        }
    }
}
