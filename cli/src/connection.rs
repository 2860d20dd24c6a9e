//! The settings of a connection: flags, variables and contexts, and which of them count.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};

use crate::failure::Failure;

/// Settings of a connection. Flags, variables and a context of the configuration each give some.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// URL of the domain or cluster [env: ES_SNAPSHOT_ENDPOINT]
    #[arg(long, global = true, value_name = "URL", help_heading = "Connection", hide_short_help = true)]
    pub(crate) endpoint: Option<String>,
    /// Region to sign for, if the host does not contain it [env: ES_SNAPSHOT_REGION]
    #[arg(long, global = true, value_name = "REGION", help_heading = "Connection", hide_short_help = true)]
    pub(crate) region: Option<String>,
    /// Host of the domain, if --endpoint is the near end of a tunnel [env: ES_SNAPSHOT_SIGNED_HOST]
    #[arg(long, global = true, value_name = "HOST", help_heading = "Connection", hide_short_help = true)]
    pub(crate) signed_host: Option<String>,
    /// Address to connect to instead of the endpoint's host [env: ES_SNAPSHOT_CONNECT_TO]
    #[arg(long, global = true, value_name = "HOST:PORT", conflicts_with = "signed_host")]
    #[arg(help_heading = "Connection", hide_short_help = true)]
    pub(crate) connect_to: Option<String>,
    /// PEM file of authorities to trust as well [env: ES_SNAPSHOT_CA]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection", hide_short_help = true)]
    pub(crate) ca: Option<PathBuf>,
    /// Authentication. Default: basic with a user, otherwise sigv4 [env: ES_SNAPSHOT_AUTH]
    #[arg(long, global = true, help_heading = "Connection", hide_short_help = true, hide_possible_values = true)]
    #[arg(value_name = "sigv4|basic|none")]
    pub(crate) auth: Option<Scheme>,
    /// AWS profile. Default: the default chain of credentials [env: ES_SNAPSHOT_PROFILE]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection", hide_short_help = true)]
    pub(crate) profile: Option<String>,
    /// User of basic authentication [env: ES_SNAPSHOT_USER]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection", hide_short_help = true)]
    pub(crate) user: Option<String>,
    /// File with the password, if ES_SNAPSHOT_PASSWORD has none [env: ES_SNAPSHOT_PASSWORD_FILE]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection", hide_short_help = true)]
    pub(crate) password_file: Option<PathBuf>,
    #[arg(skip)]
    pub(crate) password: Option<Secret>,
}

/// How requests are authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scheme {
    Sigv4,
    Basic,
    None,
}

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq)]
pub(crate) struct Secret(String);

/// By hand, so that no error shows a value.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            Text(String),
            Other(IgnoredAny),
        }
        match Value::deserialize(deserializer)? {
            Value::Text(text) => Ok(Self(text)),
            Value::Other(_) => Err(D::Error::custom("the password is not a text in quotes")),
        }
    }
}

impl Secret {
    /// Returns the password in a file or on standard input: the text without the last line break.
    pub(crate) fn from_input(text: &str) -> Self {
        let line = text.strip_suffix('\n').unwrap_or(text);
        Self(line.strip_suffix('\r').unwrap_or(line).to_owned())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Settings {
    /// Returns the settings in the variables that start with `ES_SNAPSHOT_`. An empty one is unset.
    pub(crate) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let read = |name: &str| variable(&format!("ES_SNAPSHOT_{name}")).filter(|text| !text.is_empty());
        let auth = read("AUTH").map(|word| {
            Scheme::from_str(&word, false).map_err(|_| {
                Failure::usage(format!("ES_SNAPSHOT_AUTH is {word:?}, expected one of `sigv4`, `basic`, `none`"))
            })
        });
        Ok(Self {
            endpoint: read("ENDPOINT"),
            region: read("REGION"),
            signed_host: read("SIGNED_HOST"),
            connect_to: read("CONNECT_TO"),
            ca: read("CA").map(Into::into),
            auth: auth.transpose()?,
            profile: read("PROFILE"),
            user: read("USER"),
            password_file: read("PASSWORD_FILE").map(Into::into),
            password: read("PASSWORD").map(Secret),
        })
    }

    /// Returns these settings, and for each that is missing the one of `other`.
    ///
    /// Settings that belong together are taken together: what leads to the host, and where the
    /// password is.
    pub(crate) fn or(self, other: Self) -> Self {
        let (host, password) = (self.leads_elsewhere(), self.has_password());
        Self {
            endpoint: self.endpoint.or(other.endpoint),
            region: self.region.or(other.region),
            signed_host: self.signed_host.or(other.signed_host.filter(|_| !host)),
            connect_to: self.connect_to.or(other.connect_to.filter(|_| !host)),
            ca: self.ca.or(other.ca),
            auth: self.auth.or(other.auth),
            profile: self.profile.or(other.profile),
            user: self.user.or(other.user),
            password_file: self.password_file.or(other.password_file.filter(|_| !password)),
            password: self.password.or(other.password.filter(|_| !password)),
        }
    }

    /// Returns the settings without those that name the host.
    pub(crate) fn without_host(self) -> Self {
        Self { endpoint: None, signed_host: None, connect_to: None, ..self }
    }

    pub(crate) fn has_password(&self) -> bool {
        self.password.is_some() || self.password_file.is_some()
    }

    fn leads_elsewhere(&self) -> bool {
        self.endpoint.is_some() || self.signed_host.is_some() || self.connect_to.is_some()
    }

    /// Returns the authentication that is set, or the one that the other settings suggest.
    pub(crate) fn scheme(&self) -> Scheme {
        self.auth.unwrap_or(if self.user.is_some() { Scheme::Basic } else { Scheme::Sigv4 })
    }

    /// Returns the flags with these settings. They contain no secret.
    pub(crate) fn flags(&self) -> Vec<String> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let auth = self.auth.and_then(|auth| auth.to_possible_value()).map(|auth| auth.get_name().to_owned());
        [
            ("--endpoint", self.endpoint.clone()),
            ("--region", self.region.clone()),
            ("--signed-host", self.signed_host.clone()),
            ("--connect-to", self.connect_to.clone()),
            ("--ca", path(&self.ca)),
            ("--auth", auth),
            ("--profile", self.profile.clone()),
            ("--user", self.user.clone()),
            ("--password-file", path(&self.password_file)),
        ]
        .into_iter()
        .filter_map(|(flag, value)| Some([flag.to_owned(), value?]))
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Cli;

    fn settings(endpoint: &str) -> Settings {
        Settings { endpoint: Some(endpoint.to_owned()), ..Settings::default() }
    }

    #[test]
    fn every_flag_of_the_connection_has_a_variable_that_its_help_names() {
        let command = Cli::command();
        let flags = command.get_arguments().filter(|flag| flag.get_help_heading() == Some("Connection"));
        for flag in flags.filter_map(|flag| Some((flag.get_long()?, flag.get_help()?.to_string()))) {
            let variable = format!("ES_SNAPSHOT_{}", flag.0.to_uppercase().replace('-', "_"));
            assert!(flag.1.contains(&variable) || flag.0 == "password-stdin", "{flag:?}");
        }
    }

    #[test]
    fn reads_one_variable_for_each_setting() {
        let read = Settings::from_variables(|name| Some(if name.ends_with("AUTH") { "none" } else { name }.to_owned()));

        let read = read.unwrap();
        assert_eq!(read.flags().len(), 18);
        assert_eq!(read.flags()[..2], ["--endpoint", "ES_SNAPSHOT_ENDPOINT"]);
        assert_eq!(read.password.unwrap().reveal(), "ES_SNAPSHOT_PASSWORD");
    }

    #[test]
    fn an_empty_variable_is_unset() {
        assert_eq!(Settings::from_variables(|_| Some(String::new())).unwrap(), Settings::default());
    }

    #[test]
    fn refuses_an_unknown_authentication_in_a_variable() {
        let failure = Settings::from_variables(|name| Some(name.to_owned())).unwrap_err();

        assert_eq!(failure.exit(), crate::exit::Exit::Usage);
    }

    #[test]
    fn an_endpoint_does_not_use_the_tunnel_of_another_one() {
        let context = Settings { connect_to: Some("localhost:9200".to_owned()), ..settings("https://a") };

        assert_eq!(settings("https://b").or(context), settings("https://b"));
    }

    #[test]
    fn the_file_of_a_flag_is_used_instead_of_the_password_of_a_context() {
        let context = Settings { password: Some(Secret("old".to_owned())), ..Settings::default() };
        let flags = Settings { password_file: Some("new".into()), ..Settings::default() };

        assert_eq!(flags.clone().or(context), flags);
    }

    #[test]
    fn a_user_suggests_basic_authentication() {
        let with_user = Settings { user: Some("admin".to_owned()), ..Settings::default() };

        assert_eq!((Settings::default().scheme(), with_user.scheme()), (Scheme::Sigv4, Scheme::Basic));
    }

    #[test]
    fn debug_shows_no_password() {
        let settings = Settings { password: Some(Secret::from_input("hunter2\r\n")), ..Settings::default() };

        assert_eq!(settings.password.as_ref().unwrap().reveal(), "hunter2");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
