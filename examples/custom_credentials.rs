//! Signs with credentials from a source of the caller's own: here a file that something else keeps fresh.
//!
//! `cargo run --example custom_credentials -- ENDPOINT FILE`; the file holds key, secret and token, a line each.

use std::path::PathBuf;
use std::process::ExitCode;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use es_snapshot::SnapshotClient;

/// Reads the file whenever the client's cache asks, which is shortly before the credentials expire.
#[derive(Debug)]
struct CredentialFile(PathBuf);

impl CredentialFile {
    fn read(&self) -> provider::Result {
        let text = std::fs::read_to_string(&self.0).map_err(CredentialsError::not_loaded)?;
        let mut lines = text.lines().map(str::to_owned);
        let (Some(key), Some(secret), token) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CredentialsError::invalid_configuration("the file needs a key and a secret, a line each"));
        };
        let life = std::time::Duration::from_secs(900);
        let modified = std::fs::metadata(&self.0).and_then(|file| file.modified()).map_err(CredentialsError::not_loaded)?;
        Ok(Credentials::new(key, secret, token, Some(modified + life), "credential file"))
    }
}

impl ProvideCredentials for CredentialFile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(self.read())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, file] = args.as_slice() else {
        println!("usage: custom_credentials ENDPOINT FILE\n\nFILE holds access key, secret key and session token, a line each.");
        return if args.iter().any(|arg| arg == "--help") { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let client = SnapshotClient::builder(endpoint).credentials(CredentialFile(file.into())).build();
    let repositories = match client {
        Ok(client) => client.repositories().await,
        Err(error) => Err(error),
    };
    match repositories {
        Ok(repositories) => {
            for repository in repositories {
                println!("{}", repository.name());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes; its own `Display` shows one level only.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
