//! The example `register_repository` in a closed subnet, on real nodes. It contacts two addresses
//! and nothing else: the domain and the metadata service.
//!
//! `tests/live/subnet/subnet` creates the subnet and captures every packet that the client's
//! network namespace sends. It needs Linux, root and a node that is built. Elsewhere the tests are
//! shown as ignored, or fail if the variable `ES_SNAPSHOT_CLOSED_SUBNET` is set.
//!
//! The program that runs in the subnet is this binary, started with the variable
//! `ES_SNAPSHOT_EXAMPLE`.

#[path = "../examples/register_repository.rs"]
mod register_repository;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

const REQUIRED: &str = "ES_SNAPSHOT_CLOSED_SUBNET";
const EXAMPLE: &str = "ES_SNAPSHOT_EXAMPLE";
const SUBNET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/subnet/subnet");
const ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";

const DOMAIN: &str = "vpc-logs-x1y2.ap-northeast-1.es.amazonaws.com";
/// A name of the domain with two addresses. The first one is another host's.
const MOVED: &str = "vpc-moved-x1y2.ap-northeast-1.es.amazonaws.com";
/// A name that the bastion's hosts file does not contain.
const UNLISTED: &str = "vpc-other-x1y2.ap-northeast-1.es.amazonaws.com";

/// The domain and the metadata service.
const CONTACTS: [&str; 2] = ["tcp 10.77.0.10:443", "tcp 169.254.169.254:80"];

/// Sends a packet over IPv6 and one to the loopback address.
const OTHER_PACKETS: &str = r#"
from socket import *
stream = socket(AF_INET6, SOCK_STREAM)
stream.setblocking(False)
stream.connect_ex(("2001:db8::1", 443))
socket(AF_INET, SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))
"#;

/// A running subnet. It ends when this value is dropped, or with this process.
struct Subnet {
    process: Child,
    commands: Option<ChildStdin>,
    results: BufReader<ChildStdout>,
    place: Place,
}

/// What the subnet reports when it has started.
#[derive(Deserialize)]
struct Place {
    ca: String,
    python: String,
}

/// What a command on the bastion did.
#[derive(Deserialize)]
struct Run {
    status: i32,
    output: String,
    contacts: BTreeSet<String>,
    indices: BTreeMap<String, u64>,
}

impl Subnet {
    fn start(engine: &str) -> Result<Self, Failed> {
        let mut process = Command::new(SUBNET).arg(engine).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let commands = process.stdin.take();
        let mut results = BufReader::new(process.stdout.take().ok_or("the subnet has no stdout")?);
        let place = next(&mut process, &mut results)?;
        Ok(Self { process, commands, results, place })
    }

    fn run(&mut self, command: &[&str], environment: &[(&str, &str)]) -> Result<Run, Failed> {
        let environment: BTreeMap<_, _> = environment.iter().copied().collect();
        let commands = self.commands.as_mut().ok_or("the subnet has no stdin")?;
        writeln!(commands, "{}", json!({"command": command, "env": environment}))?;
        next(&mut self.process, &mut self.results)
    }

    /// Registers the repository, takes the snapshot `name`, and restores it under the prefix
    /// `name-`.
    fn procedure(&mut self, host: &str, name: &str) -> Result<Run, Failed> {
        let (program, ca) = (env::current_exe()?.display().to_string(), self.place.ca.clone());
        let endpoint = format!("https://{host}");
        let command = [&*program, &endpoint, "my-bucket-4-es", "ap-northeast-1", ROLE, name, &ca];
        self.run(&command, &[(EXAMPLE, "1")])
    }
}

impl Drop for Subnet {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.process.wait();
    }
}

/// Reads one line of the subnet. If it has ended, its stderr contains the reason.
fn next<T: DeserializeOwned>(process: &mut Child, results: &mut impl BufRead) -> Result<T, Failed> {
    let mut line = String::new();
    if results.read_line(&mut line)? == 0 {
        return Err(format!("the subnet ended with {}; see its stderr", process.wait()?).into());
    }
    serde_json::from_str(&line).map_err(|error| format!("the subnet sent {line:?}: {error}").into())
}

/// The check: the bastion contacted the domain and the metadata service, and nothing else.
fn closed(run: &Run) -> Result<(), String> {
    if run.contacts.iter().eq(CONTACTS) {
        return Ok(());
    }
    Err(format!("contacted {:?}, expected {CONTACTS:?}\n{}", run.contacts, run.output))
}

fn the_procedure_contacts_only_the_domain_and_the_metadata_service(subnet: &mut Subnet) -> Result<(), Failed> {
    let run = subnet.procedure(DOMAIN, "backups")?;

    assert_eq!(run.status, 0, "{}", run.output);
    assert_eq!(run.indices.get("backups-movies"), run.indices.get("movies"), "{}", run.output);
    Ok(closed(&run)?)
}

fn the_check_fails_if_the_procedure_contacts_another_address(subnet: &mut Subnet) -> Result<(), Failed> {
    let run = subnet.procedure(MOVED, "moved")?;

    let failure = closed(&run).expect_err("the check must fail");
    assert_eq!(run.status, 0, "{}", run.output);
    assert!(failure.contains("tcp 10.77.0.1:443"), "{failure}");
    Ok(())
}

fn the_check_fails_if_the_procedure_sends_a_dns_query(subnet: &mut Subnet) -> Result<(), Failed> {
    let run = subnet.procedure(UNLISTED, "unlisted")?;

    let failure = closed(&run).expect_err("the check must fail");
    assert!(failure.contains("udp 10.77.0.2:53"), "{failure}");
    Ok(())
}

fn the_check_fails_after_packets_over_ipv6_and_loopback(subnet: &mut Subnet) -> Result<(), Failed> {
    let python = subnet.place.python.clone();

    let run = subnet.run(&[&python, "-c", OTHER_PACKETS], &[])?;

    let failure = closed(&run).expect_err("the check must fail");
    assert!(failure.contains("tcp [2001:db8::1]:443"), "{failure}");
    assert!(failure.contains("udp 127.0.0.1:9"), "{failure}");
    Ok(())
}

/// The subnet of an engine, which the first test that needs it starts.
struct Shared {
    engine: &'static str,
    subnet: Mutex<Option<Subnet>>,
}

impl Shared {
    fn new(engine: &'static str) -> Arc<Self> {
        Arc::new(Self { engine, subnet: Mutex::new(None) })
    }

    fn test(&self, test: fn(&mut Subnet) -> Result<(), Failed>) -> Result<(), Failed> {
        let mut subnet = self.subnet.lock().unwrap_or_else(PoisonError::into_inner);
        let started = match subnet.take() {
            Some(started) => started,
            None => Subnet::start(self.engine)?,
        };
        test(subnet.insert(started))
    }
}

/// Returns what this machine lacks for a subnet with this engine.
fn lacks(engine: &str) -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("needs Linux".to_owned());
    }
    if !Path::new(SUBNET).exists() {
        return Some("needs tests/live, which is not in the package".to_owned());
    }
    if run("id", &["-u"]).is_none_or(|id| id.trim() != "0") {
        return Some("needs root".to_owned());
    }
    if run("ip", &["-V"]).is_none() {
        return Some("needs the command `ip` (Debian's iproute2)".to_owned());
    }
    if run("unshare", &["--net", "--mount", "true"]).is_none() {
        return Some("needs network namespaces, which the kernel refuses here although this is root".to_owned());
    }
    if !is_built(engine) {
        return Some(format!("needs a node: `tests/live/nodes/node build {engine}`"));
    }
    None
}

/// Returns the output of a command that succeeds.
fn run(command: &str, arguments: &[&str]) -> Option<String> {
    let done = Command::new(command).args(arguments).output().ok().filter(|done| done.status.success())?;
    String::from_utf8(done.stdout).ok()
}

/// Returns whether the cache of `tests/live/nodes/node` contains the engine, as `es7-0123456789ab`.
fn is_built(engine: &str) -> bool {
    let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = || folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    let Some(nodes) = folder("NODES_CACHE").or_else(|| Some(caches()?.join("es-snapshot-nodes"))) else { return false };
    let is_engine = |name: &str| name.rsplit_once('-').is_some_and(|(variant, _)| variant == engine);
    fs::read_dir(nodes).is_ok_and(|mut found| {
        found.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(is_engine)))
    })
}

fn trial(name: &str, shared: &Arc<Shared>, test: fn(&mut Subnet) -> Result<(), Failed>) -> Trial {
    let shared = Arc::clone(shared);
    Trial::ignorable_test(format!("{name}_on_{}", shared.engine), move || match lacks(shared.engine) {
        None => shared.test(test).map(|()| Completion::Completed),
        Some(lack) if env::var_os(REQUIRED).is_some() => Err(lack.into()),
        Some(lack) => Ok(Completion::ignored_with(lack)),
    })
}

/// Defines a test that has the names of its function and of the engine.
macro_rules! trial {
    ($test:ident, $shared:expr) => {
        trial(stringify!($test), $shared, $test)
    };
}

fn main() -> ExitCode {
    if env::var_os(EXAMPLE).is_some() {
        return match register_repository::main() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let (es7, os2) = (Shared::new("es7"), Shared::new("os2"));
    let trials = vec![
        trial!(the_procedure_contacts_only_the_domain_and_the_metadata_service, &es7),
        trial!(the_procedure_contacts_only_the_domain_and_the_metadata_service, &os2),
        trial!(the_check_fails_if_the_procedure_contacts_another_address, &es7),
        trial!(the_check_fails_if_the_procedure_sends_a_dns_query, &es7),
        trial!(the_check_fails_after_packets_over_ipv6_and_loopback, &es7),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
