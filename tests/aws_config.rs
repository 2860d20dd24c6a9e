//! Credentials from where AWS tools look for them, each source against an endpoint of this test's
//! own.
//!
//! Environment variables belong to a whole process. So each source is tried in a child process of
//! this very test binary, which loads once for each line that it reads and tells what it got.

#[allow(dead_code, reason = "each of the suites uses a part of it")]
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

/// The variable that tells a child that it is one.
const LOADER: &str = "ES_SNAPSHOT_TEST_LOADER";
/// Before what the child tells, wherever in a line that may be.
const TOLD: &str = "told: ";

/// Loads credentials once for each line of its input.
#[test]
#[ignore = "run by the other tests, as a process of its own"]
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
            Ok(got) => {
                let (key, secret) = (got.access_key_id(), got.secret_access_key());
                println!("\n{TOLD}{key} {secret} {}", got.session_token().unwrap_or("-"));
            }
            Err(error) => {
                let client =
                    SnapshotClient::builder("http://localhost:9200").region("eu-west-1").credentials(provider.clone());
                let failed = runtime.block_on(client.build().unwrap().repositories()).unwrap_err();
                println!("\n{TOLD}{error}; {failed}");
            }
        }
    }
}

/// A child process with these variables and no others.
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

    /// What the child gets from its next load.
    fn load(&mut self) -> String {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
        for line in self.output.by_ref().lines() {
            if let Some((_, told)) = line.unwrap().split_once(TOLD) {
                return told.to_owned();
            }
        }
        panic!("the child has ended: {}", self.end());
    }

    /// Lets the child end; what it traced.
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
    /// Gets each request, its head in lower case, and answers status and body.
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
fn the_environment_is_a_source() {
    let mut loader = Loader::with(&[
        OFF,
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "canary-secret"),
        ("AWS_SESSION_TOKEN", "canary-token"),
    ]);

    assert_eq!(loader.load(), "AKIDENV canary-secret canary-token");
}

#[test]
fn the_environment_may_have_no_token() {
    let mut loader = Loader::with(&[OFF, ("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "canary-secret")]);

    assert_eq!(loader.load(), "AKIDENV canary-secret -");
}

#[test]
fn without_any_source_there_is_an_error() {
    let told = Loader::with(&[OFF]).load();

    assert!(!told.contains("canary") && !told.is_empty(), "{told}");
}

const HOP_LIMIT: &str = "in a container the metadata service needs a hop limit of 2";

#[test]
fn names_the_hop_limit_when_the_metadata_service_gives_no_token() {
    let service = Service::start(|_| (403, String::new()));

    let told = Loader::with(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url)]).load();

    assert!(told.contains(HOP_LIMIT), "{told}");
}

#[test]
fn does_not_name_the_hop_limit_when_the_metadata_service_is_not_wanted() {
    let told = Loader::with(&[OFF]).load();

    assert!(!told.contains(HOP_LIMIT), "{told}");
}

/// The metadata service of an instance, in its second version only: without a session's token
/// nothing is told.
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
fn an_instances_metadata_service_is_a_source_by_its_second_version() {
    let service = instance();
    let mut loader = Loader::with(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url)]);

    assert_eq!(loader.load(), "ASIA1 canary-secret-1 canary-token-1");

    let requests = service.requests();
    assert!(requests.iter().any(|head| head.starts_with("put /latest/api/token ")), "{requests:?}");
}

/// A container's credentials, new ones for each request, for whoever shows the right authorization.
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
fn a_containers_credentials_are_a_source() {
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

/// A file that is removed in the end.
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
fn a_pods_identity_is_a_source_and_its_token_is_read_for_each_load() {
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
fn a_container_service_that_refuses_is_an_error_without_secrets() {
    let service = container(&["another-token"]);
    let url = format!("{}/v1/credentials", service.url);
    let mut loader = Loader::with(&[
        OFF,
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary-authorization"),
    ]);

    let told = loader.load();

    assert!(!told.contains("canary") && !told.starts_with("ASIA"), "{told}");
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
fn the_profile_that_is_named_is_a_source() {
    let file = profiles("named");
    let mut loader = Loader::with(&[OFF, ("AWS_SHARED_CREDENTIALS_FILE", file.path()), ("AWS_PROFILE", "backup")]);

    assert_eq!(loader.load(), "AKIDFILE2 canary-secret-2 canary-token-2");
}

#[test]
fn the_profile_is_the_default_one_where_none_is_named() {
    let file = profiles("default");
    let mut loader = Loader::with(&[OFF, ("AWS_SHARED_CREDENTIALS_FILE", file.path())]);

    assert_eq!(loader.load(), "AKIDFILE1 canary-secret-1 canary-token-1");
}

#[test]
fn the_environment_goes_before_a_profile() {
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
fn a_profile_that_is_not_there_is_an_error_and_no_other_takes_its_place() {
    let file = profiles("absent");
    let mut loader = Loader::with(&[OFF, ("AWS_SHARED_CREDENTIALS_FILE", file.path()), ("AWS_PROFILE", "absent")]);

    let told = loader.load();

    assert!(!told.contains("AKIDFILE") && !told.contains("canary"), "{told}");
}

/// A configuration whose profile gets its credentials from a process, which tells what is in the
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
fn a_profiles_process_is_a_source_and_is_run_for_each_load() {
    let output = TempFile::new("process-output", &printed(1));
    let file = process("process", &output);
    let mut loader = Loader::with(&[OFF, ("AWS_CONFIG_FILE", file.path())]);

    assert_eq!(loader.load(), "ASIA1 canary-secret-1 canary-token-1");
    fs::write(&output.0, printed(2)).unwrap();
    assert_eq!(loader.load(), "ASIA2 canary-secret-2 canary-token-2");
}

const ROLE: (&str, &str) = ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/backup");
const REGION: (&str, &str) = ("AWS_REGION", "ap-northeast-1");

/// The security token service, for whoever shows a web identity token that it knows; new
/// credentials for each request.
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
fn a_web_identity_is_a_source_and_its_token_is_read_for_each_load() {
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
fn a_web_identity_that_is_refused_is_an_error_without_its_token() {
    let service = token_service(&["another-token"]);
    let file = TempFile::new("web-refused", "canary-web");
    let mut loader = Loader::with(&[
        OFF,
        REGION,
        ROLE,
        ("AWS_ENDPOINT_URL_STS", &service.url),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path()),
    ]);

    let told = loader.load();

    assert!(!told.contains("canary") && !told.starts_with("ASIA"), "{told}");
    assert!(!loader.end().contains("canary"));
    assert!(!service.requests().is_empty());
}

#[test]
fn no_source_traces_a_secret() {
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

        assert!(trace.contains("aws_config"), "nothing was traced: {trace}");
        assert!(!trace.contains("canary"), "{trace}");
    }
}

// ---- a loaded configuration

#[tokio::test]
async fn a_loaded_configuration_gives_credentials_and_region() {
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

fn of_region(region: &'static str) -> SdkConfig {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    SdkConfig::builder()
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

#[test]
fn the_region_in_an_amazon_host_goes_before_the_configurations() {
    let builder = SnapshotClient::builder("https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com");

    builder.sdk_config(&of_region("us-east-1")).unwrap().build().unwrap();
}

#[test]
fn a_region_given_by_name_goes_before_the_configurations() {
    let builder = SnapshotClient::builder("https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com").region("eu-west-2");

    let error = builder.sdk_config(&of_region("eu-west-1")).unwrap().build().unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_configuration_without_credentials_is_refused() {
    let config = SdkConfig::builder().region(Region::new("eu-west-1")).build();

    let error = SnapshotClient::builder("https://localhost:9200").sdk_config(&config).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
