//! Credentials from every source of the AWS default chain, each against an endpoint of the test.
//!
//! Environment variables belong to a whole process. So each test starts this test binary again as
//! a child process. The child loads credentials once for each line that it reads, and prints them.

#[allow(dead_code, reason = "each test file uses only a part of it")]
#[path = "support/scene.rs"]
mod scene;

use std::env;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_types::SdkConfig;
use aws_types::region::Region;
use es_snapshot::testing::Verdict;
use es_snapshot::{ErrorKind, SnapshotClient, default_credentials};
use scene::Scene;

/// The variable that marks a process as a child.
const LOADER: &str = "ES_SNAPSHOT_TEST_LOADER";
/// Precedes the output of the child, anywhere in a line.
const MARKER: &str = "loaded: ";

/// Loads credentials once for each line of its input.
#[test]
#[ignore = "run by the other tests, in a child process"]
fn child() {
    if env::var_os(LOADER).is_none() {
        return;
    }
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(io::stderr)
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let provider = runtime.block_on(default_credentials());
    for line in io::stdin().lines() {
        line.unwrap();
        match runtime.block_on(provider.provide_credentials()) {
            Ok(found) => {
                let (key, secret) = (found.access_key_id(), found.secret_access_key());
                println!("\n{MARKER}{key} {secret} {}", found.session_token().unwrap_or("-"));
            }
            Err(error) => {
                let client =
                    SnapshotClient::builder("http://localhost:9200").region("eu-west-1").credentials(provider.clone());
                let failed = runtime.block_on(client.build().unwrap().repositories()).unwrap_err();
                println!("\n{MARKER}{error}; {failed}");
            }
        }
    }
}

/// A child process with these environment variables and no others.
struct Loader {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<std::process::ChildStdout>,
    trace: Option<thread::JoinHandle<String>>,
}

impl Loader {
    fn with(variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env_clear()
            .env(LOADER, "1")
            .env("HOME", "/nonexistent")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output, mut stderr) =
            (child.stdin.take(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let trace = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, input, output: BufReader::new(output), trace: Some(trace) }
    }

    /// Makes the child load credentials, and returns its output.
    fn load(&mut self) -> String {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
        for line in self.output.by_ref().lines() {
            if let Some((_, text)) = line.unwrap().split_once(MARKER) {
                return text.to_owned();
            }
        }
        panic!("the child has ended: {}", self.end());
    }

    /// Ends the child, and returns its trace.
    fn end(&mut self) -> String {
        drop(self.input.take());
        self.child.wait().unwrap();
        self.trace.take().unwrap().join().unwrap()
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// A metadata service on loopback.
struct Service {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Service {
    /// `response` receives each request, its head in lower case, and returns status and body.
    fn start(response: impl Fn(&str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = read_head(&mut stream);
                let length = request.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
                let mut body = vec![0; length.parse().unwrap()];
                stream.read_exact(&mut body).unwrap();
                request.push_str(&String::from_utf8(body).unwrap());
                let (status, body) = response(&request);
                log.lock().unwrap().push(request);
                let length = body.len();
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n");
                let more = "content-type: application/json\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\n";
                let _ = stream.write_all(format!("{head}{more}\r\n{body}").as_bytes());
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
        head.extend_from_slice(&byte);
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

fn issued(number: usize) -> String {
    format!(
        r#"{{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIA{number}","SecretAccessKey":"canary-secret-{number}",
           "Token":"canary-token-{number}","Expiration":"2999-01-01T00:00:00Z","LastUpdated":"2026-01-01T00:00:00Z"}}"#
    )
}

const OFF: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

#[test]
fn loads_credentials_from_the_environment() {
    let mut loader = Loader::with(&[
        OFF,
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "canary-secret"),
        ("AWS_SESSION_TOKEN", "canary-token"),
    ]);

    assert_eq!(loader.load(), "AKIDENV canary-secret canary-token");
}

#[test]
fn loads_credentials_without_a_token_from_the_environment() {
    let mut loader = Loader::with(&[OFF, ("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "canary-secret")]);

    assert_eq!(loader.load(), "AKIDENV canary-secret -");
}

#[test]
fn returns_an_error_without_any_source() {
    let text = Loader::with(&[OFF]).load();

    assert!(!text.contains("canary") && !text.is_empty(), "{text}");
}

const HOP_LIMIT: &str = "in a container the metadata service needs a hop limit of 2";

#[test]
fn names_the_hop_limit_when_the_metadata_service_gives_no_token() {
    let service = Service::start(|_| (403, String::new()));

    let text = Loader::with(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url)]).load();

    assert!(text.contains(HOP_LIMIT), "{text}");
}

#[test]
fn does_not_name_the_hop_limit_when_the_metadata_service_is_disabled() {
    let text = Loader::with(&[OFF]).load();

    assert!(!text.contains(HOP_LIMIT), "{text}");
}

/// The metadata service of an instance, only in version 2: it refuses requests without a session
/// token.
fn instance() -> Service {
    Service::start(|head| {
        let line = head.lines().next().unwrap_or_default();
        if line.starts_with("put /latest/api/token ") && head.contains("x-aws-ec2-metadata-token-ttl-seconds:") {
            return (200, "session-token".to_owned());
        }
        if !head.contains("x-aws-ec2-metadata-token: session-token") {
            return (401, String::new());
        }
        match line.split(' ').nth(1).unwrap_or_default() {
            "/latest/meta-data/iam/security-credentials/" => (200, "role".to_owned()),
            "/latest/meta-data/iam/security-credentials/role" => (200, issued(1)),
            _ => (404, String::new()),
        }
    })
}

#[test]
fn loads_credentials_from_version_2_of_the_instance_metadata_service() {
    let service = instance();
    let mut loader = Loader::with(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url)]);

    assert_eq!(loader.load(), "ASIA1 canary-secret-1 canary-token-1");

    let requests = service.requests();
    assert!(requests.iter().any(|head| head.starts_with("put /latest/api/token ")), "{requests:?}");
}

#[test]
fn sends_no_request_of_the_chain_through_a_proxy() {
    let (service, sts, proxy) = (instance(), token_service(&["web"]), Service::start(|_| (502, String::new())));
    let file = TempFile::new("web-direct", "web");
    let proxies = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let proxies = proxies.map(|name| (name, proxy.url.as_str()));
    let metadata = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url.as_str())];
    let web = [OFF, REGION, ROLE, ("AWS_ENDPOINT_URL_STS", &sts.url), ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path())];
    for source in [&metadata[..], &web] {
        let mut loader = Loader::with(&[&proxies, source].concat());

        assert_eq!(loader.load(), "ASIA1 canary-secret-1 canary-token-1");
    }

    assert_eq!(proxy.requests(), Vec::<String>::new());
}

/// A container endpoint. It returns new credentials for each request with one of these
/// authorizations.
fn container(authorizations: &'static [&'static str]) -> Service {
    let number = Mutex::new(0);
    Service::start(move |head| {
        let shown = authorizations.iter().any(|value| head.contains(&format!("authorization: {value}\r\n")));
        if !shown || !head.starts_with("get /v1/credentials ") {
            return (401, String::new());
        }
        let mut number = number.lock().unwrap();
        *number += 1;
        (200, issued(*number))
    })
}

#[test]
fn loads_credentials_from_the_container_endpoint() {
    let service = container(&["ecs-token"]);
    let url = format!("{}/v1/credentials", service.url);
    let mut loader = Loader::with(&[
        OFF,
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "ecs-token"),
    ]);

    assert_eq!(loader.load(), "ASIA1 canary-secret-1 canary-token-1");
    assert_eq!(loader.load(), "ASIA2 canary-secret-2 canary-token-2");
}

/// A file that is removed when this value is dropped.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> Self {
        let path = env::temp_dir().join(format!("es-snapshot-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn loads_credentials_from_a_pod_identity_and_reads_its_token_file_each_time() {
    let service = container(&["pod-token-1", "pod-token-2"]);
    let url = format!("{}/v1/credentials", service.url);
    let file = TempFile::new("rotating", "pod-token-1");
    let mut loader = Loader::with(&[
        OFF,
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.path()),
    ]);

    assert_eq!(loader.load(), "ASIA1 canary-secret-1 canary-token-1");
    fs::write(&file.0, "pod-token-2").unwrap();
    assert_eq!(loader.load(), "ASIA2 canary-secret-2 canary-token-2");

    let shown: Vec<_> = service.requests().iter().map(|head| head.contains("authorization: pod-token-2\r\n")).collect();
    assert_eq!(shown, [false, true]);
}

#[test]
fn the_error_of_a_container_endpoint_that_refuses_contains_no_secret() {
    let service = container(&["another-token"]);
    let url = format!("{}/v1/credentials", service.url);
    let mut loader = Loader::with(&[
        OFF,
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary-authorization"),
    ]);

    let text = loader.load();

    assert!(!text.contains("canary") && !text.starts_with("ASIA"), "{text}");
}

/// A credentials file with two profiles.
fn profiles(name: &str) -> TempFile {
    let profile = |name, number| {
        format!(
            "[{name}]\naws_access_key_id = AKIDFILE{number}\naws_secret_access_key = canary-secret-{number}\n\
             aws_session_token = canary-token-{number}\n"
        )
    };
    TempFile::new(name, &format!("{}{}", profile("default", 1), profile("backup", 2)))
}

#[test]
fn loads_credentials_from_the_named_profile() {
    let file = profiles("named");
    let mut loader = Loader::with(&[OFF, ("AWS_SHARED_CREDENTIALS_FILE", file.path()), ("AWS_PROFILE", "backup")]);

    assert_eq!(loader.load(), "AKIDFILE2 canary-secret-2 canary-token-2");
}

#[test]
fn loads_credentials_from_the_default_profile_if_none_is_named() {
    let file = profiles("default");
    let mut loader = Loader::with(&[OFF, ("AWS_SHARED_CREDENTIALS_FILE", file.path())]);

    assert_eq!(loader.load(), "AKIDFILE1 canary-secret-1 canary-token-1");
}

#[test]
fn the_environment_takes_precedence_over_a_profile() {
    let file = profiles("later");
    let mut loader = Loader::with(&[
        OFF,
        ("AWS_SHARED_CREDENTIALS_FILE", file.path()),
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "canary-secret"),
    ]);

    assert_eq!(loader.load(), "AKIDENV canary-secret -");
}

#[test]
fn a_missing_profile_is_an_error_and_no_other_profile_replaces_it() {
    let file = profiles("absent");
    let mut loader = Loader::with(&[OFF, ("AWS_SHARED_CREDENTIALS_FILE", file.path()), ("AWS_PROFILE", "absent")]);

    let text = loader.load();

    assert!(!text.contains("AKIDFILE") && !text.contains("canary"), "{text}");
}

/// A configuration file whose profile gets its credentials from a process. The process prints the
/// other file.
fn process(name: &str, printed: &TempFile) -> TempFile {
    TempFile::new(name, &format!("[default]\ncredential_process = /bin/cat {}\n", printed.path()))
}

fn printed(number: usize) -> String {
    format!(
        r#"{{"Version":1,"AccessKeyId":"ASIA{number}","SecretAccessKey":"canary-secret-{number}",
           "SessionToken":"canary-token-{number}","Expiration":"2999-01-01T00:00:00Z"}}"#
    )
}

#[test]
fn loads_credentials_from_the_process_of_a_profile_and_runs_it_each_time() {
    let output = TempFile::new("process-output", &printed(1));
    let file = process("process", &output);
    let mut loader = Loader::with(&[OFF, ("AWS_CONFIG_FILE", file.path())]);

    assert_eq!(loader.load(), "ASIA1 canary-secret-1 canary-token-1");
    fs::write(&output.0, printed(2)).unwrap();
    assert_eq!(loader.load(), "ASIA2 canary-secret-2 canary-token-2");
}

const ROLE: (&str, &str) = ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/backup");
const REGION: (&str, &str) = ("AWS_REGION", "ap-northeast-1");

/// The security token service. It returns new credentials for each request with one of these web
/// identity tokens.
fn token_service(tokens: &'static [&'static str]) -> Service {
    let number = Mutex::new(0);
    Service::start(move |request| {
        let shown = tokens.iter().any(|token| request.contains(&format!("&WebIdentityToken={token}")));
        if !shown || !request.contains("Action=AssumeRoleWithWebIdentity&") {
            let error = "<Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>no</Message></Error>";
            return (400, format!("<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"));
        }
        let mut number = number.lock().unwrap();
        *number += 1;
        let credentials = format!(
            "<AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>canary-secret-{number}</SecretAccessKey>\
             <SessionToken>canary-token-{number}</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>"
        );
        let result = format!(
            "<AssumeRoleWithWebIdentityResult><Credentials>{credentials}</Credentials></AssumeRoleWithWebIdentityResult>"
        );
        (200, format!("<AssumeRoleWithWebIdentityResponse>{result}</AssumeRoleWithWebIdentityResponse>"))
    })
}

#[test]
fn loads_credentials_from_a_web_identity_and_reads_its_token_file_each_time() {
    let service = token_service(&["canary-web-1", "canary-web-2"]);
    let file = TempFile::new("web", "canary-web-1");
    let mut loader = Loader::with(&[
        OFF,
        REGION,
        ROLE,
        ("AWS_ENDPOINT_URL_STS", &service.url),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path()),
    ]);

    assert_eq!(loader.load(), "ASIA1 canary-secret-1 canary-token-1");
    fs::write(&file.0, "canary-web-2").unwrap();
    assert_eq!(loader.load(), "ASIA2 canary-secret-2 canary-token-2");

    let shown: Vec<_> = service.requests().iter().map(|request| request.contains("canary-web-2")).collect();
    assert_eq!(shown, [false, true]);
}

#[test]
fn the_error_of_a_refused_web_identity_does_not_contain_its_token() {
    let service = token_service(&["another-token"]);
    let file = TempFile::new("web-refused", "canary-web");
    let mut loader = Loader::with(&[
        OFF,
        REGION,
        ROLE,
        ("AWS_ENDPOINT_URL_STS", &service.url),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path()),
    ]);

    let text = loader.load();

    assert!(!text.contains("canary") && !text.starts_with("ASIA"), "{text}");
    assert!(!loader.end().contains("canary"));
    assert!(!service.requests().is_empty());
}

#[test]
fn the_trace_of_each_source_contains_no_secret() {
    let (instance, container) = (instance(), container(&["canary-authorization"]));
    let (sts, token, file) =
        (token_service(&["canary-web"]), TempFile::new("web-traced", "canary-web"), profiles("traced"));
    let output = TempFile::new("process-traced-output", &printed(1));
    let config = process("process-traced", &output);
    let url = format!("{}/v1/credentials", container.url);
    let environment = [OFF, ("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "canary-secret-1")];
    let metadata = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", instance.url.as_str())];
    let pod = [
        OFF,
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary-authorization"),
    ];
    let profile = [OFF, ("AWS_SHARED_CREDENTIALS_FILE", file.path())];
    let run = [OFF, ("AWS_CONFIG_FILE", config.path())];
    let web = [OFF, REGION, ROLE, ("AWS_ENDPOINT_URL_STS", &sts.url), ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path())];
    for variables in [environment.as_slice(), &metadata, &pod, &profile, &run, &web] {
        let mut loader = Loader::with(variables);
        assert!(loader.load().contains("canary-secret-1"));

        let trace = loader.end();

        assert!(trace.contains("aws_config"), "the trace is empty: {trace}");
        assert!(!trace.contains("canary"), "{trace}");
    }
}

// ---- an SDK configuration

#[tokio::test]
async fn uses_the_credentials_and_the_region_of_an_sdk_config() {
    let scene = Scene::new().await;
    let config = SdkConfig::builder()
        .region(Region::new(scene.domain.region()))
        .credentials_provider(SharedCredentialsProvider::new(scene.provider.clone()))
        .build();
    let client = SnapshotClient::builder(scene.domain.endpoint())
        .sdk_config(&config)
        .unwrap()
        .clock(scene.clock.clone())
        .build()
        .unwrap();

    client.repositories().await.unwrap();

    assert_eq!(scene.domain.events().remove(0).verdict, Verdict::Signed);
}

fn config_with_region(region: &'static str) -> SdkConfig {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    SdkConfig::builder()
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

#[test]
fn the_region_in_an_amazon_host_takes_precedence_over_the_sdk_config() {
    let builder = SnapshotClient::builder("https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com");

    builder.sdk_config(&config_with_region("us-east-1")).unwrap().build().unwrap();
}

#[test]
fn an_explicit_region_takes_precedence_over_the_sdk_config() {
    let builder = SnapshotClient::builder("https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com").region("eu-west-2");

    let error = builder.sdk_config(&config_with_region("eu-west-1")).unwrap().build().unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn refuses_an_sdk_config_without_credentials() {
    let config = SdkConfig::builder().region(Region::new("eu-west-1")).build();

    let error = SnapshotClient::builder("https://localhost:9200").sdk_config(&config).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
