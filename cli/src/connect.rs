//! Makes a client from the settings of a connection.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use es_snapshot::client::SnapshotClientBuilder;
use es_snapshot::transport::HyperTransport;
use es_snapshot::{Auth, SnapshotClient};

use crate::args::Selection;
use crate::commands::Domain;
use crate::config::{self, read_password};
use crate::connection::{Scheme, Secret, Settings};
use crate::credentials::credentials;
use crate::failure::Failure;

/// Reads the variables, the configuration and the password, and makes the client. It sends nothing.
/// Returns also the flags with which another command reaches the same domain.
///
/// `signs_registration` is whether a registration must be signed even if other requests carry a
/// password: Amazon checks `iam:PassRole` for its signer.
pub(crate) async fn connect(selection: &Selection, signs_registration: bool) -> Result<(Domain, Vec<String>), Failure> {
    let variables = variables(std::env::vars_os())?;
    let variable = |name: &str| variables.get(name).cloned();
    let path = selection.config.clone().or_else(|| variable("ES_SNAPSHOT_CONFIG").map(Into::into));
    let config = config::read(path.as_deref(), |name| std::env::var_os(name))?;
    let context = variable("ES_SNAPSHOT_CONTEXT");
    let (settings, flags) =
        config::resolve(selection, Settings::from_variables(variable)?, context, path.as_deref(), config)?;
    let password = password(selection, &settings)?;
    let name = settings.signed_host.clone().or_else(|| settings.endpoint.clone()).unwrap_or_default();
    let client = build(&settings, password.as_ref(), signs_registration).await?;
    Ok((Domain { client, name }, flags))
}

/// Returns the variables of this program. One that cannot be read must not count as unset: the
/// command would reach another domain.
fn variables(all: impl Iterator<Item = (OsString, OsString)>) -> Result<BTreeMap<String, String>, Failure> {
    let own = all.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    own.filter(|(name, value)| name.starts_with("ES_SNAPSHOT_") && !value.is_empty())
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(Failure::usage(format!("the variable {name} is not UTF-8"))),
        })
        .collect()
}

fn password(selection: &Selection, settings: &Settings) -> Result<Option<Secret>, Failure> {
    if settings.scheme() != Scheme::Basic {
        return Ok(None);
    }
    if selection.password_stdin {
        let mut text = String::new();
        let read = io::stdin().lock().take(config::MAX_BYTES).read_to_string(&mut text);
        read.map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
        return Ok(Some(Secret::from_input(&text)));
    }
    match (&settings.password, &settings.password_file) {
        (Some(password), _) => Ok(Some(password.clone())),
        (None, Some(path)) => read_password(path).map(Some),
        (None, None) => Ok(None),
    }
}

async fn build(
    settings: &Settings,
    password: Option<&Secret>,
    signs_registration: bool,
) -> Result<SnapshotClient, Failure> {
    let mut builder = endpoint(settings)?.user_agent(concat!("es-snapshot-cli/", env!("CARGO_PKG_VERSION")));
    if let Some(region) = &settings.region {
        builder = builder.region(region);
    }
    if let Some(ca) = &settings.ca {
        builder = builder.transport(HyperTransport::builder().ca_pem(read_file(ca)?).build()?);
    }
    let auth = match settings.scheme() {
        Scheme::None => Auth::none(),
        Scheme::Sigv4 => Auth::sigv4(credentials(settings.profile.as_deref(), settings.region.as_deref()).await),
        Scheme::Basic => {
            let user = settings.user.as_deref().ok_or_else(|| missing("a user", "--user"))?;
            let password = password.ok_or_else(|| missing("a password", "--password-file"))?;
            let auth = Auth::basic(user, password.reveal())?;
            if signs_registration {
                auth.with_signed_registration(
                    credentials(settings.profile.as_deref(), settings.region.as_deref()).await,
                )
            } else {
                auth
            }
        }
    };
    Ok(builder.auth(auth).build()?)
}

/// Returns a builder for the endpoint, or for the domain at the far end of the tunnel.
fn endpoint(settings: &Settings) -> Result<SnapshotClientBuilder, Failure> {
    let endpoint = settings.endpoint.as_deref().ok_or_else(|| {
        Failure::usage("no endpoint is given; pass --endpoint or --context, or set ES_SNAPSHOT_ENDPOINT")
    })?;
    if let Some(host) = &settings.signed_host {
        let (scheme, near) = near_end(endpoint)?;
        return Ok(SnapshotClient::builder(format!("{scheme}://{host}")).connect_to(near));
    }
    let builder = SnapshotClient::builder(endpoint);
    Ok(match &settings.connect_to {
        Some(address) => builder.connect_to(address),
        None => builder,
    })
}

/// Returns the scheme and the `host:port` of the near end of a tunnel.
fn near_end(endpoint: &str) -> Result<(&str, String), Failure> {
    let (scheme, rest) = endpoint
        .split_once("://")
        // Without the endpoint, which may contain a password.
        .ok_or_else(|| Failure::usage("the endpoint has no scheme, expected https:// or http://"))?;
    let near = rest.trim_end_matches('/');
    let has_port = near.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = if scheme == "http" { 80 } else { 443 };
    Ok((scheme, if has_port { near.to_owned() } else { format!("{near}:{port}") }))
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))
}

fn missing(what: &str, flag: &str) -> Failure {
    Failure::usage(format!("basic authentication needs {what}; pass {flag}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_without_a_port_ends_at_the_port_of_its_scheme() {
        assert_eq!(near_end("https://localhost/").unwrap(), ("https", "localhost:443".to_owned()));
        assert_eq!(near_end("http://localhost").unwrap(), ("http", "localhost:80".to_owned()));
        assert_eq!(near_end("https://[::1]:9200").unwrap(), ("https", "[::1]:9200".to_owned()));
        assert_eq!(near_end("https://[::1]").unwrap(), ("https", "[::1]:443".to_owned()));
    }

    #[test]
    #[cfg(unix)]
    fn a_variable_that_is_not_utf_8_is_a_usage_error() {
        use std::os::unix::ffi::OsStringExt as _;
        let broken = OsString::from_vec(b"p\xff".to_vec());

        let own = variables([("ES_SNAPSHOT_CONTEXT".into(), broken.clone())].into_iter());
        let foreign = variables([("OTHER".into(), broken)].into_iter());

        assert_eq!(own.unwrap_err().exit(), crate::exit::Exit::Usage);
        assert!(foreign.unwrap().is_empty());
    }

    #[test]
    fn an_endpoint_without_a_scheme_is_a_usage_error() {
        assert_eq!(near_end("localhost:9200").unwrap_err().exit(), crate::exit::Exit::Usage);
    }
}
