//! The configuration file with named contexts, and which connection a command uses.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::args::Selection;
use crate::connection::{Secret, Settings};
use crate::failure::Failure;

pub(crate) const PASSWORD_STDIN: &str = "--password-stdin";

/// The largest configuration or password that is read. In bytes.
pub(crate) const MAX_BYTES: u64 = 1 << 20;

/// The content of the configuration file.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The context to use if nothing names one.
    default: Option<String>,
    contexts: BTreeMap<String, Settings>,
}

impl Config {
    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            // Not the whole error: it shows the line, which may contain a password.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let message = match error.message().split_once(", expected") {
                Some((found, expected)) if !found.starts_with("unknown field") => {
                    format!("invalid value, expected{expected}")
                }
                _ => error.message().to_owned(),
            };
            format!("line {}: {message}", before.matches('\n').count() + 1)
        })
    }

    fn has_secret(&self) -> bool {
        self.contexts.values().any(|settings| settings.password.is_some())
    }

    fn context(&mut self, name: &str) -> Result<Settings, Failure> {
        let known: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "no context".to_owned() } else { known.join(", ") };
        let unknown = format!("context {name:?} is not in the configuration, which contains {known}");
        self.contexts.remove(name).ok_or_else(|| Failure::usage(unknown))
    }
}

/// Returns the settings of the connection, and the flags with which another command uses it too.
///
/// `path` is that of the configuration, unless it is at its usual place.
///
/// An endpoint and a context are two ways to name the domain. A flag counts more than a variable,
/// and a variable more than the default context.
pub(crate) fn resolve(
    selection: &Selection,
    variables: Settings,
    context_variable: Option<String>,
    path: Option<&Path>,
    mut config: Config,
) -> Result<(Settings, Vec<String>), Failure> {
    let flags = selection.settings.clone();
    let named = selection.context.clone();
    let (variables, context) = match (&flags.endpoint, named, &variables.endpoint, context_variable) {
        (None, Some(name), _, _) => (variables.without_host(), Some(name)),
        (None, None, Some(_), Some(name)) => {
            let text = "the variables ES_SNAPSHOT_ENDPOINT and ES_SNAPSHOT_CONTEXT are both set";
            return Err(Failure::usage(format!("{text}; unset one, or pass --endpoint or --context {name}")));
        }
        (Some(_), _, _, _) | (None, None, Some(_), None) => (variables, None),
        (None, None, None, Some(name)) => (variables, Some(name)),
        (None, None, None, None) => (variables, config.default.clone()),
    };
    let mut again = flags.clone().or(Settings { password: None, ..variables.clone() }).flags();
    let mut settings = flags.or(variables);
    if let Some(name) = context {
        settings = settings.or(config.context(&name)?);
        again.extend(["--context".to_owned(), name]);
        again.extend(path.iter().flat_map(|path| ["--config".to_owned(), path.display().to_string()]));
    }
    if selection.password_stdin {
        again.push(PASSWORD_STDIN.to_owned());
    }
    Ok((settings, again))
}

/// Reads the configuration. Without a path, reads it at its usual place, where it may be missing.
pub(crate) fn read(path: Option<&Path>, home: impl Fn(&str) -> Option<OsString>) -> Result<Config, Failure> {
    let usual = usual_path(home);
    let Some(path) = path.or(usual.as_deref()) else { return Ok(Config::default()) };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && Some(path) == usual.as_deref() => {
            return Ok(Config::default());
        }
        opened => opened.map_err(|error| unreadable(path, &error))?,
    };
    let (text, is_private) = read_limited(file).map_err(|error| unreadable(path, &error))?;
    let config = Config::parse(&text).map_err(|why| Failure::usage(format!("{}: {why}", path.display())))?;
    if config.has_secret() && !is_private {
        return Err(exposed(path));
    }
    Ok(config)
}

/// Reads a password from a file, which nobody else may be able to read.
pub(crate) fn read_password(path: &Path) -> Result<Secret, Failure> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let (text, is_private) = read_limited(file).map_err(|error| unreadable(path, &error))?;
    if is_private { Ok(Secret::from_input(&text)) } else { Err(exposed(path)) }
}

/// Returns the text of a file, and whether nobody else can read it. What is not a regular file,
/// such as a pipe of the shell, counts as private.
fn read_limited(file: File) -> io::Result<(String, bool)> {
    let metadata = file.metadata()?;
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok((text, !metadata.is_file() || is_private(&metadata)))
}

#[cfg(unix)]
fn is_private(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let others = 0o077;
    metadata.permissions().mode() & others == 0
}

#[cfg(not(unix))]
fn is_private(_: &fs::Metadata) -> bool {
    true
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{} cannot be read: {error}", path.display()))
}

fn exposed(path: &Path) -> Failure {
    let path = path.display();
    Failure::usage(format!("{path} contains a password, and other users can read it; run `chmod 600 {path}`"))
}

fn usual_path(home: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| home(name).filter(|text| !text.is_empty()).map(PathBuf::from);
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(config.join("es-snapshot").join("config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    const TEXT: &str = r#"
        default = "prod"
        [contexts.prod]
        endpoint = "https://prod"
        user = "admin"
        password = "hunter2"
        [contexts.staging]
        endpoint = "https://staging"
        auth = "none"
    "#;

    fn config() -> Config {
        Config::parse(TEXT).unwrap()
    }

    fn endpoint(endpoint: &str) -> Settings {
        Settings { endpoint: Some(endpoint.to_owned()), ..Settings::default() }
    }

    fn context(name: &str) -> Selection {
        Selection { context: Some(name.to_owned()), ..Selection::default() }
    }

    #[test]
    fn uses_the_default_context_if_nothing_names_a_domain() {
        let (settings, again) = resolve(&Selection::default(), Settings::default(), None, None, config()).unwrap();

        assert_eq!(settings.endpoint.as_deref(), Some("https://prod"));
        assert_eq!(again, ["--context", "prod"]);
    }

    #[test]
    fn a_context_flag_counts_more_than_the_endpoint_of_a_variable() {
        let (settings, _) = resolve(&context("staging"), endpoint("https://prod"), None, None, config()).unwrap();

        assert_eq!(settings.endpoint.as_deref(), Some("https://staging"));
    }

    #[test]
    fn an_endpoint_does_not_get_the_password_of_the_default_context() {
        let (settings, _) = resolve(&Selection::default(), endpoint("https://other"), None, None, config()).unwrap();

        assert_eq!(settings, endpoint("https://other"));
    }

    #[test]
    fn refuses_variables_that_name_two_domains() {
        let failure = resolve(&Selection::default(), endpoint("https://a"), Some("prod".to_owned()), None, config());

        assert_eq!(failure.unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn refuses_a_context_that_the_configuration_does_not_contain() {
        let failure = resolve(&context("live"), Settings::default(), None, None, config()).unwrap_err();

        assert!(format!("{failure:?}").contains("prod, staging"), "{failure:?}");
    }

    #[test]
    fn the_flags_to_resume_name_the_file_of_the_context() {
        let path = Some(Path::new("/etc/es.toml"));

        let (_, again) = resolve(&context("prod"), Settings::default(), None, path, config()).unwrap();

        assert_eq!(again, ["--context", "prod", "--config", "/etc/es.toml"]);
    }

    #[test]
    fn the_flags_to_resume_read_the_password_from_the_same_place() {
        let selection = Selection { password_stdin: true, ..context("staging") };

        let (_, again) = resolve(&selection, Settings::default(), None, None, config()).unwrap();

        assert_eq!(again, ["--context", "staging", "--password-stdin"]);
    }

    #[test]
    fn a_mistake_in_the_configuration_does_not_show_a_password() {
        for line in [
            "password = hunter2secret",
            "password = \"hunter2secret",
            "password = 7777777",
            "password = true\nuser = 7777777",
            "password = { a = \"hunter2secret\" }",
            "pasword = \"hunter2secret\"",
            "auth = \"hunter2secret\"",
        ] {
            for header in ["[contexts.prod]", "[contexts]", "[context.prod]"] {
                let why = Config::parse(&format!("{header}\n{line}\n")).unwrap_err();

                assert!(!why.contains("hunter2") && !why.contains("7777777"), "{why}");
                assert!(why.starts_with("line "), "{why}");
            }
        }
    }

    #[test]
    fn refuses_an_unknown_setting() {
        assert!(Config::parse("[contexts.prod]\nendpiont = \"https://a\"").unwrap_err().contains("endpiont"));
    }

    #[test]
    fn the_flags_to_resume_contain_no_password() {
        let variables = Settings { password: Some(Secret::from_input("hunter2")), ..endpoint("https://a") };

        let (_, again) = resolve(&Selection::default(), variables, None, None, Config::default()).unwrap();

        assert_eq!(again, ["--endpoint", "https://a"]);
    }

    #[test]
    fn looks_for_the_configuration_in_the_home_of_the_user() {
        let home = |name: &str| (name == "HOME").then(|| "/home/me".into());

        assert_eq!(usual_path(home), Some(PathBuf::from("/home/me/.config/es-snapshot/config.toml")));
    }
}
