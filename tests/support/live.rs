//! Shared by the live tests: the description of the domain, clients of it, and which tests can run.

use std::env;
use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use bytes::Bytes;
use es_snapshot::client::RawRequest;
use es_snapshot::name::{IndexName, RepositoryName, SnapshotName};
use es_snapshot::transport::{HyperTransport, Transport as _};
use es_snapshot::{
    Auth, CreateSnapshot, Error, S3Settings, SnapshotClient, SnapshotClientBuilder, SnapshotInfo, default_credentials,
};
use http::Method;
use http_body_util::BodyExt as _;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};

/// The description of the domain in the file that `ES_SNAPSHOT_LIVE` names.
///
/// `tests/live/README.md` lists its fields.
#[derive(Debug)]
pub(crate) struct Live(Value);

pub(crate) type Outcome = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

/// A test: its name, what it needs from the domain, and its body.
pub(crate) struct LiveTest {
    pub(crate) name: &'static str,
    pub(crate) needs: &'static [Need],
    pub(crate) run: fn(Arc<Live>) -> Outcome,
}

/// A capability that not every domain has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Need {
    /// The domain requires signed requests.
    SigV4,
    /// The domain accepts a user and a password.
    Basic,
    /// The control port of the gate and the node behind it can be reached.
    Gate,
    /// A bucket of the stand-in for S3 can be controlled by files.
    Steering,
    /// The domain uses TLS with its own certificate authority.
    Tls,
    /// The node has users of its own, as with fine-grained access control.
    NodeUser,
    /// OpenSearch 1 or 2, which can pretend to be Elasticsearch 7.10.2.
    CompatibilityMode,
}

impl Live {
    fn from_env() -> Option<Self> {
        let file = env::var_os("ES_SNAPSHOT_LIVE")?;
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Some(Self::read(&text))
    }

    pub(crate) fn read(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_else(|error| panic!("the description of the domain: {error}")))
    }

    fn has(&self, need: Need) -> bool {
        match need {
            Need::SigV4 => self.text("auth") == Some("sigv4"),
            Need::Basic => self.text("auth") == Some("basic"),
            Need::Gate => self.text("control").is_some() && self.text("node").is_some(),
            Need::Steering => {
                self.0["buckets"].as_object().is_some_and(|buckets| buckets.values().any(Value::is_string))
            }
            Need::Tls => self.text("ca").is_some(),
            Need::NodeUser => self.text("node_user").is_some(),
            // Without security, because its operator may not read the version.
            Need::CompatibilityMode => matches!(self.text("variant"), Some("os1" | "os2")),
        }
    }

    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field).and_then(Value::as_str)
    }

    /// Returns a field that must be present because of the needs of the test.
    pub(crate) fn given(&self, field: &str) -> &str {
        self.text(field).unwrap_or_else(|| panic!("the description of the domain has no {field:?}"))
    }

    /// Returns the first bucket, and its folder if it is a stand-in.
    pub(crate) fn bucket(&self) -> (&str, Option<PathBuf>) {
        let buckets = self.0["buckets"].as_object().expect("the description of the domain has no buckets");
        let (name, folder) = buckets.iter().next().expect("the description of the domain has no bucket");
        (name, folder.as_str().map(PathBuf::from))
    }

    /// Writes a control file for the bucket. It is removed when the value is dropped.
    pub(crate) fn steer(&self, file: &str, text: &str) -> Steering {
        let (_, folder) = self.bucket();
        let path = folder.expect("the bucket must be a stand-in").join(file);
        fs::write(&path, text).unwrap();
        Steering(path)
    }

    /// Returns a builder with the authentication of the domain and the default AWS credentials.
    pub(crate) async fn builder(&self) -> SnapshotClientBuilder {
        self.authenticated(self.plain_builder()).await
    }

    /// Adds the authentication of the domain and the default AWS credentials.
    pub(crate) async fn authenticated(&self, builder: SnapshotClientBuilder) -> SnapshotClientBuilder {
        match self.text("auth") {
            Some("sigv4") => builder.credentials(default_credentials().await),
            Some("basic") => {
                let (user, password) = self.text("basic").unwrap_or("master:Passw0rd!").split_once(':').unwrap();
                let auth = Auth::basic(user, password).unwrap().with_signed_registration(default_credentials().await);
                builder.auth(auth)
            }
            _ => builder.auth(Auth::none().with_signed_registration(default_credentials().await)),
        }
    }

    /// Returns a builder without authentication.
    pub(crate) fn plain_builder(&self) -> SnapshotClientBuilder {
        let mut builder = SnapshotClient::builder(self.given("endpoint"));
        if let Some(region) = self.text("region") {
            builder = builder.region(region);
        }
        if self.text("ca").is_some() {
            builder = builder.transport(self.transport());
        }
        builder
    }

    /// Returns a transport that trusts the certificate authority of the domain.
    pub(crate) fn transport(&self) -> HyperTransport {
        let builder = HyperTransport::builder();
        match self.text("ca") {
            Some(ca) => builder.ca_pem(fs::read(ca).unwrap()).build().unwrap(),
            None => builder.build().unwrap(),
        }
    }

    pub(crate) async fn client(&self) -> SnapshotClient {
        self.builder().await.build().unwrap()
    }

    /// Returns the current credentials of the instance.
    pub(crate) async fn credentials(&self) -> Credentials {
        default_credentials().await.provide_credentials().await.unwrap()
    }

    /// Returns a client of the node itself, without the gate, to prepare a test.
    pub(crate) fn node(&self) -> SnapshotClient {
        let mut builder = SnapshotClient::builder(self.text("node").unwrap_or_else(|| self.given("endpoint")));
        if let Some((user, password)) = self.text("node_user").and_then(|user| user.split_once(':')) {
            builder = builder.auth(Auth::basic(user, password).unwrap());
        }
        builder.build().unwrap()
    }

    /// Sends a PUT to the node itself, with a path that the client would refuse.
    pub(crate) async fn put_on_node(&self, segments: &[&str], query: &str, body: &Value) -> Value {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let encode = |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        let path: Vec<String> = segments.iter().map(|segment| segment.bytes().map(encode).collect()).collect();
        let node = self.given("node");
        let authority = node.split("://").nth(1).unwrap();
        let request = http::Request::put(format!("{node}/{}{query}", path.join("/")))
            .header("host", authority)
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let response =
            HyperTransport::builder().build().unwrap().call(request, &authority.parse().unwrap()).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    fn control(&self) -> SnapshotClient {
        SnapshotClient::builder(self.given("control")).build().unwrap()
    }

    /// Sends a command to the gate: `faults`, `clock`, `rotate` (its credentials), or `reset`.
    pub(crate) async fn gate(&self, command: &str, body: Value) {
        self.control().raw(RawRequest::new(Method::POST, [command]).with_body(body)).await.unwrap();
    }

    /// Clears the log, the faults and the clock of the gate.
    pub(crate) async fn reset(&self) {
        self.gate("reset", json!({})).await;
    }

    /// Returns the log of the gate, except requests to the metadata service.
    pub(crate) async fn log(&self) -> Vec<Value> {
        let log = self.control().raw(RawRequest::get(["log"])).await.unwrap().into_body();
        log.as_array().unwrap().iter().filter(|entry| entry["verdict"] != "imds").cloned().collect()
    }

    /// Returns the settings of a repository at `base_path` in the first bucket.
    pub(crate) fn s3(&self, base_path: &str) -> S3Settings {
        let (bucket, _) = self.bucket();
        let settings = S3Settings::new(bucket).with_base_path(base_path);
        let settings =
            self.text("region").map_or_else(|| settings.clone(), |region| settings.clone().with_region(region));
        match self.text("role_arn") {
            Some(role) => settings.with_role_arn(role),
            None => settings,
        }
    }

    /// Registers a repository and returns its name.
    pub(crate) async fn repository(&self, client: &SnapshotClient, test: &str) -> Result<RepositoryName, Error> {
        let name: RepositoryName = unique(test).parse()?;
        client.repository(&name)?.register(self.s3(name.as_str())).await?;
        Ok(name)
    }

    /// Creates an index with 20 documents and returns its name.
    pub(crate) async fn index(&self, test: &str, shards: u32) -> Result<IndexName, Error> {
        let name: IndexName = unique(test).parse()?;
        let node = self.node();
        let settings = json!({"settings": {"number_of_shards": shards, "number_of_replicas": 0}});
        node.raw(RawRequest::new(Method::PUT, [name.as_str()]).with_body(settings)).await?;
        for number in 0..20 {
            let document = json!({"number": number, "text": unique("document")});
            node.raw(RawRequest::new(Method::POST, [name.as_str(), "_doc"]).with_body(document)).await?;
        }
        node.raw(RawRequest::new(Method::POST, [name.as_str(), "_refresh"])).await?;
        Ok(name)
    }
}

/// Takes a snapshot of one index and waits for it.
pub(crate) async fn take(
    client: &SnapshotClient,
    repository: &RepositoryName,
    name: &SnapshotName,
    index: &IndexName,
) -> Result<SnapshotInfo, Error> {
    let options = CreateSnapshot::new().with_indices([index.as_str()]).with_include_global_state(false);
    client.repository(repository)?.create_snapshot(name, options).await?;
    client.repository(repository)?.snapshot(name)?.wait().with_deadline(Duration::from_secs(60)).await
}

/// A control file of a bucket. It is removed when this value is dropped.
pub(crate) struct Steering(PathBuf);

impl Drop for Steering {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Returns a name that no other test and no earlier run has used.
#[expect(clippy::disallowed_methods, reason = "the client does not use this randomness")]
pub(crate) fn unique(test: &str) -> String {
    format!("{test}-{:012x}", fastrand::u64(..) & 0xffff_ffff_ffff)
}

/// Returns the error of a call that must fail.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> Error {
    match result {
        Ok(value) => panic!("the call must fail, but it returned {value:?}"),
        Err(error) => error,
    }
}

/// Runs the tests that the described domain supports. The others are shown as ignored, and so are
/// all of them if no domain is described.
pub(crate) fn main(tests: Vec<LiveTest>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // All tests share the faults and the clock of the gate.
    arguments.test_threads = Some(1);
    let live = Live::from_env().map(Arc::new);
    let trials = tests
        .into_iter()
        .map(|test| {
            let runs = live.as_ref().is_some_and(|live| test.needs.iter().all(|&need| live.has(need)));
            let live = live.clone();
            Trial::test(test.name, move || run(test.run, live)).with_ignored_flag(!runs)
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn run(test: fn(Arc<Live>) -> Outcome, live: Option<Arc<Live>>) -> Result<(), Failed> {
    let live = live.ok_or("ES_SNAPSHOT_LIVE is not set")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if live.has(Need::Gate) {
            live.reset().await;
        }
        test(live).await.map_err(|error| format!("{error}\n{error:?}").into())
    })
}
