//! No output contains a secret.
//!
//! The tests put known values wherever the crate accepts a secret, and let the domain echo the
//! requests. Then they search for these values in everything that the crate shows and in the trace.

#[allow(dead_code, reason = "each test file uses only a part of it")]
#[path = "support/scene.rs"]
mod scene;

use std::error::Error as StdError;
use std::fmt::{Debug, Write as _};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_smithy_types::base64;
use bytes::Bytes;
use es_snapshot::auth::CredentialCache;
use es_snapshot::client::RawRequest;
use es_snapshot::repository::{OtherSettings, UrlSettings};
use es_snapshot::testing::{FakeAuth, Fault, transport_fn};
use es_snapshot::transport::{Body, ConnectTarget, HyperTransport};
use es_snapshot::wait::RestoreTicket;
use es_snapshot::{
    Auth, CreateSnapshot, Error, ErrorKind, ListSnapshots, RepositorySettings, RetryPolicy, S3Settings, SnapshotClient,
    SnapshotClientBuilder,
};
use futures_util::FutureExt as _;
use scene::{Scene, backups, settings, want_every_trace};
use serde_json::json;
use tracing_subscriber::fmt::format::FmtSpan;

const KEY: &str = "AKIDCANARY0EXAMPLE01";
const SECRET: &str = "secret/canary+of/thirty-two+letters";
const TOKEN: &str = "token//canary++of//many//letters==";
const PASSWORD: &str = "pass/canary:word";

/// The values that no output may contain.
struct Canaries(Vec<String>);

impl Canaries {
    /// Returns the secrets that the tests use, and the encodings in which they are sent.
    fn planted() -> Self {
        let basic = base64::encode(format!("master:{PASSWORD}"));
        Self(vec!["canary".to_owned(), basic, base64::encode(PASSWORD), base64::encode(SECRET), base64::encode(TOKEN)])
    }

    /// Returns the secrets of other credentials.
    fn of(credentials: &Credentials) -> Self {
        let parts = [Some(credentials.secret_access_key()), credentials.session_token()];
        Self(parts.into_iter().flatten().map(str::to_owned).collect())
    }

    fn assert_absent(&self, shown: &str, from: &str) {
        let lower = shown.to_lowercase();
        for canary in &self.0 {
            assert!(!lower.contains(&canary.to_lowercase()), "{from} shows a secret:\n{shown}");
        }
    }

    fn assert_absent_from_error(&self, error: &Error, from: &str) {
        self.assert_absent(&everything(error), from);
    }
}

/// Returns everything that an error and its sources show, in every format.
fn everything(error: &Error) -> String {
    let mut shown = format!("{error} {error:#} {error:?} {error:#?}");
    if let Some(server) = error.server() {
        write!(shown, " {server} {server:?} {:?} {}", server.request_id(), server.reason()).unwrap();
    }
    let mut source = error.source();
    while let Some(error) = source {
        write!(shown, " {error} {error:#} {error:?} {error:#?}").unwrap();
        source = error.source();
    }
    shown
}

/// A trace of every crate at every level.
#[derive(Clone, Default)]
struct Trace(Arc<Mutex<Vec<u8>>>);

impl io::Write for Trace {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Trace {
    /// Traces this thread, which runs the runtime of the test, until the guard is dropped.
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        want_every_trace();
        let trace = Self::default();
        let writer = trace.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (trace, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("es_snapshot"), "the trace is empty: {text}");
        text
    }
}

fn credentials() -> Credentials {
    want_every_trace();
    Credentials::new(KEY, SECRET, Some(TOKEN.to_owned()), None, "test")
}

/// Returns every kind of authentication, each with secrets.
fn every_auth() -> Vec<Auth> {
    let cache = CredentialCache::new(credentials());
    vec![
        Auth::sigv4(credentials()),
        Auth::sigv4_shared(cache),
        Auth::basic("master", PASSWORD).unwrap(),
        Auth::api_key("apikey-canary-abcdefghijklmnopqrstuvwxyz").unwrap(),
        Auth::bearer("bearer-canary-abcdefghijklmnopqrstuvwxyz").unwrap(),
        Auth::basic("master", PASSWORD).unwrap().with_signed_registration(credentials()),
    ]
}

fn shown(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

// ---- debug output

#[test]
fn no_kind_of_authentication_shows_its_secret() {
    for auth in every_auth() {
        Canaries::planted().assert_absent(&shown(&auth), "an Auth");
    }
}

#[test]
fn neither_builder_nor_client_shows_a_secret() {
    for auth in every_auth() {
        let builder = SnapshotClient::builder("https://localhost:9200").region("eu-west-1").auth(auth);
        Canaries::planted().assert_absent(&shown(&builder), "a builder");
        Canaries::planted().assert_absent(&shown(&builder.build().unwrap()), "a client");
    }
}

#[tokio::test]
async fn a_filled_cache_shows_no_secret() {
    let cache = CredentialCache::new(credentials());
    cache.provide_credentials().await.unwrap();

    Canaries::planted().assert_absent(&shown(&cache), "a cache");
}

#[tokio::test]
async fn a_client_that_has_signed_shows_no_secret() {
    let client = echoing(200, Shape::Text).credentials(credentials()).build().unwrap();
    client.repositories().await.unwrap_err();

    Canaries::planted().assert_absent(&shown(&client), "a client");
}

#[test]
fn a_wait_shows_no_secret() {
    let client = echoing(200, Shape::Text).credentials(credentials()).build().unwrap();
    let snapshot = backups(&client).snapshot("s").unwrap();

    Canaries::planted().assert_absent(&shown(&snapshot.wait()), "a wait for a snapshot");
    Canaries::planted()
        .assert_absent(&shown(&client.resume(RestoreTicket::new("r", "s").unwrap())), "a wait for a restore");
    Canaries::planted().assert_absent(&shown(&snapshot.wait_for_deletion()), "a wait for a deletion");
    Canaries::planted().assert_absent(&shown(&snapshot.wait().progress()), "a stream");
}

#[tokio::test]
async fn a_raw_request_and_its_response_show_no_value() {
    let request = RawRequest::new(http::Method::PUT, ["_security", "user", "backup"])
        .with_query("token", "query-canary")
        .with_body(json!({"password": "canary"}));
    Canaries::planted().assert_absent(&shown(&request), "a raw request");
    let client =
        echoing(200, Shape::JsonString).auth(Auth::bearer("bearer-canary-abcdefghijklmnopqrstuvwxyz").unwrap());

    let response = client.build().unwrap().raw(request).await.unwrap();

    assert!(response.body().to_string().contains("canary"));
    Canaries::planted().assert_absent(&shown(&response), "the response to a raw request");
}

#[test]
fn settings_show_no_secret() {
    for key in
        ["secret_key", "Encryption-Key", "api.key", "passphrase", "credentials", "sas_token", "session", "private_key"]
    {
        let open = json!({"inner": [{key: "canary"}], key: {"deep": "canary"}});
        let s3 = S3Settings::new("b").with_setting(key, "canary").with_setting("x", open.clone());
        let s3 = s3.with_endpoint("https://u:canary@h/?sig=canary").with_base_path("s3://canary:canary@b");
        let other = OtherSettings::new("gcs").with_setting("x", json!([open]));
        let url = UrlSettings::new("https://h/c?sv=1&sig=canary").with_setting("proxy", "canary:canary@h");
        for settings in [s3.into(), other.into(), url.into()] {
            let settings: RepositorySettings = settings;
            Canaries::planted().assert_absent(&shown(&settings), key);
        }
    }
}

#[test]
fn the_error_of_a_refused_bucket_shows_no_secret() {
    let settings = S3Settings::new("s3://key:canary@bucket");
    let client = SnapshotClient::builder("https://localhost").build().unwrap();

    let error = backups(&client).register(settings).now_or_never().unwrap().unwrap_err();

    Canaries::planted().assert_absent_from_error(&error, "a refused bucket");
}

#[test]
fn a_transport_does_not_show_its_client_certificate() {
    let key = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5LWNhbmFyeS1jYW5hcnk=\n-----END PRIVATE KEY-----\n";
    let builder = HyperTransport::builder().client_certificate_pem("certificate-canary", key);

    let text = shown(&builder);
    Canaries::planted().assert_absent(&text, "a transport's builder");
    assert!(!text.contains("Y2FuYXJ5"), "{text}");
}

#[test]
fn the_error_of_an_invalid_private_key_does_not_show_it() {
    let certified = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
    for key in [
        "canary",
        "-----BEGIN PRIVATE KEY-----\ncanary!\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5LWNhbmFyeS1jYW5hcnk=\n-----END PRIVATE KEY-----\n",
        "-----BEGIN CANARY KEY-----\nY2FuYXJ5LWNhbmFyeS1jYW5hcnk=\n-----END CANARY KEY-----\n",
    ] {
        let error = HyperTransport::builder().client_certificate_pem(certified.cert.pem(), key).build().unwrap_err();

        let text = everything(&error);
        Canaries::planted().assert_absent(&text, "a refused key");
        assert!(!text.contains("Y2FuYXJ5"), "{text}");
    }
}

// ---- errors for refused input

#[test]
fn the_error_of_a_refused_endpoint_shows_no_secret() {
    for endpoint in [
        "https://master:canary@localhost:9200",
        "https://canary@localhost:9200",
        "https://localhost:9200?token=canary",
        "https://localhost:9200/#canary",
        "https:/master:canary@localhost:9200",
        "master:canary@localhost:9200",
        "http://master:can ary:canary@localhost:x",
    ] {
        let builder = SnapshotClient::builder(endpoint);
        Canaries::planted().assert_absent(&shown(&builder), endpoint);
        Canaries::planted().assert_absent_from_error(&builder.build().unwrap_err(), endpoint);
    }
}

#[test]
fn the_error_of_a_refused_connect_address_shows_no_secret() {
    for address in ["master:canary@localhost:9200", "canary@localhost", "http://master:canary@localhost:9200"] {
        let builder = SnapshotClient::builder("https://localhost").connect_to(address);
        Canaries::planted().assert_absent(&shown(&builder), address);
        Canaries::planted().assert_absent_from_error(&builder.build().unwrap_err(), address);
        Canaries::planted().assert_absent_from_error(&address.parse::<ConnectTarget>().unwrap_err(), address);
    }
}

#[test]
fn the_error_of_a_secret_that_is_not_a_valid_header_value_does_not_show_it() {
    for refused in [Auth::api_key("canary\n"), Auth::bearer("canary\u{7f}"), Auth::basic("mas:ter", "canary")] {
        Canaries::planted().assert_absent_from_error(&refused.unwrap_err(), "a refused Auth");
    }
}

#[tokio::test]
async fn the_error_of_credentials_that_cannot_sign_does_not_show_them() {
    for (key, secret, token) in [
        ("canary\n", "secret", "token"),
        ("AKID", "canary ü", "token"),
        ("AKID", "secret", "can\nary-canary"),
        ("canary ", "", ""),
    ] {
        let bad = Credentials::new(key, secret, Some(token.to_owned()), None, "test");
        let client = echoing(200, Shape::Text).credentials(bad).build().unwrap();

        let error = client.repositories().await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Credentials);
        Canaries::planted().assert_absent_from_error(&error, "credentials that cannot sign");
    }
}

// ---- errors for responses that echo the request

/// The shape of a response that repeats everything that the domain received.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Text,
    Html,
    Policy,
    Signature,
    Engine,
    Cause,
    ErrorType,
    ErrorText,
    OtherObject,
    JsonString,
    WrongField,
    FieldName,
    WrongSnapshot,
    RepositoryFailure,
    RequestId,
    Location,
    TwiceEscaped,
    SlashEscaped,
    CodePoints,
    Percent,
    TwicePercent,
    Entities,
}

const SHAPES: [Shape; 22] = [
    Shape::Text,
    Shape::Html,
    Shape::Policy,
    Shape::Signature,
    Shape::Engine,
    Shape::Cause,
    Shape::ErrorType,
    Shape::ErrorText,
    Shape::OtherObject,
    Shape::JsonString,
    Shape::WrongField,
    Shape::FieldName,
    Shape::WrongSnapshot,
    Shape::RepositoryFailure,
    Shape::RequestId,
    Shape::Location,
    Shape::TwiceEscaped,
    Shape::SlashEscaped,
    Shape::CodePoints,
    Shape::Percent,
    Shape::TwicePercent,
    Shape::Entities,
];

impl Shape {
    fn body(self, echo: &str) -> String {
        match self {
            Self::Text => echo.to_owned(),
            Self::Html => format!("<html><head><title>Bad</title></head><body><pre>{echo}</pre></body></html>"),
            Self::Policy => json!({"Message": echo}).to_string(),
            Self::Signature => json!({"message": echo}).to_string(),
            Self::Engine => json!({"error": {"type": "x_exception", "reason": echo}, "status": 400}).to_string(),
            Self::Cause => {
                let cause =
                    json!({"type": "y_exception", "reason": echo, "suppressed": [{"type": "z", "reason": echo}]});
                json!({"error": {"type": "x_exception", "reason": "r", "caused_by": cause}}).to_string()
            }
            Self::ErrorType => json!({"error": {"type": echo, "reason": "r"}}).to_string(),
            Self::ErrorText => json!({"error": echo}).to_string(),
            Self::OtherObject => json!({"headers": echo}).to_string(),
            Self::JsonString => json!(echo).to_string(),
            Self::WrongField => json!({"snapshots": echo, "r": {"type": [echo]}}).to_string(),
            Self::FieldName => format!("{{{}: 7}}", json!(echo)),
            Self::WrongSnapshot => json!({"snapshots": [{"snapshot": "s", "shards": echo}]}).to_string(),
            Self::RepositoryFailure => {
                json!({"snapshots": [], "failures": {"r": {"type": "x", "reason": echo}}}).to_string()
            }
            Self::RequestId | Self::Location => "{}".to_owned(),
            Self::TwiceEscaped => json!({"message": json!(json!(echo).to_string()).to_string()}).to_string(),
            Self::SlashEscaped => json!({"error": {"type": "x", "reason": echo.replace('/', "\\/")}}).to_string(),
            Self::CodePoints => echo.replace('/', "\\u002f").replace('+', "\\u002B").replace('=', "\\u003d"),
            Self::Percent => echo.replace('/', "%2F").replace('+', "%2b").replace('=', "%3D"),
            Self::TwicePercent => {
                json!({"Message": echo.replace('/', "%252F").replace('+', "%252B").replace(':', "%253A")}).to_string()
            }
            Self::Entities => {
                let echo = echo.replace('/', "&#x2F;").replace('+', "&#43;").replace('=', "&equals;");
                format!("<html><body>{echo}</body></html>")
            }
        }
    }
}

/// Responds with all headers of the request.
fn echo(request: &http::Request<Bytes>, status: u16, shape: Shape) -> http::Response<Body> {
    let mut echo = String::new();
    for (_, value) in request.headers() {
        writeln!(echo, "was: {}", value.to_str().unwrap()).unwrap();
    }
    let mut response = http::Response::builder().status(status);
    if matches!(shape, Shape::RequestId) {
        response = response.header("x-amzn-RequestId", echo.replace('\n', " "));
    }
    if matches!(shape, Shape::Location) {
        response = response.header("location", format!("https://login.example.org/{}", echo.replace('\n', "/")));
    }
    response.body(Body::from(shape.body(&echo))).unwrap()
}

fn echoing(status: u16, shape: Shape) -> SnapshotClientBuilder {
    want_every_trace();
    SnapshotClient::builder("http://localhost:9200")
        .region("eu-west-1")
        .transport(transport_fn(move |request| Ok(echo(request, status, shape))))
        .retry(RetryPolicy::never())
}

#[tokio::test]
async fn no_error_shows_what_a_domain_echoes_in_any_shape_and_status() {
    let (trace, _guard) = Trace::start();
    for auth in every_auth() {
        for shape in SHAPES {
            for status in [200, 302, 401, 403, 404, 500] {
                let client = echoing(status, shape).auth(auth.clone()).build().unwrap();
                let from = format!("{shape:?} with {status} for {auth:?}");
                let backups = backups(&client);

                let results = [
                    client.repositories().await.map(drop),
                    backups.info().await.map(drop),
                    backups.snapshot("s").unwrap().info().await.map(drop),
                    backups.list(ListSnapshots::new()).await.map(drop),
                    backups.register(settings()).await.map(drop),
                ];

                for error in results.into_iter().filter_map(Result::err) {
                    Canaries::planted().assert_absent_from_error(&error, &from);
                }
            }
        }
    }
    Canaries::planted().assert_absent(&trace.text(), "the trace");
}

#[tokio::test]
async fn the_error_of_a_refused_signature_does_not_show_the_echoed_token() {
    let scene = Scene::new().await;
    let issued = scene.provider.provide_credentials().await.unwrap();
    let token = issued.session_token().unwrap().to_owned();
    let forged = Credentials::new(issued.access_key_id(), SECRET, Some(token), None, "test");
    let client = scene.client_with(Auth::sigv4(forged));

    let error = client.repositories().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Signature);
    assert!(
        everything(&error).contains("x-amz-security-token"),
        "the fake domain must echo the canonical request: {error}"
    );
    Canaries::of(&issued).assert_absent_from_error(&error, "a refused signature");
    Canaries::planted().assert_absent_from_error(&error, "a refused signature");
}

#[tokio::test]
async fn the_error_of_a_refused_password_does_not_show_the_echoed_header() {
    let scene = Scene::new().await;
    let client = scene.client_with(Auth::basic("master", PASSWORD).unwrap());

    let error = client.repositories().await.unwrap_err();

    assert!(everything(&error).contains("Authorization"), "the fake domain must echo the header: {error}");
    Canaries::planted().assert_absent_from_error(&error, "a refused password");
}

#[tokio::test]
async fn no_error_shows_the_beginning_of_an_echoed_header() {
    let scene = Scene::new().await;
    for auth in [
        Auth::api_key("canary-apikey-canary-apikey-canary-apikey").unwrap(),
        Auth::bearer("canary-bearer-canary-bearer-canary-bearer").unwrap(),
    ] {
        let error = scene.client_with(auth).repositories().await.unwrap_err();

        assert!(everything(&error).contains("not a valid key=value pair"), "{error}");
        Canaries::planted().assert_absent_from_error(&error, "an excerpt of a header");
    }
}

// ---- traces

#[tokio::test]
async fn the_trace_of_a_whole_procedure_contains_no_secret_and_no_body() {
    let (trace, _guard) = Trace::start();
    let scene = Scene::new().await;
    scene.domain.create_index("movies", 2);
    let settings: RepositorySettings =
        S3Settings::new("my-bucket-4-es").with_role_arn(scene::ROLE).with_setting("note", "canary").into();

    backups(&scene.client).register(settings).await.unwrap();
    let metadata = json!({"note": "canary"}).as_object().unwrap().clone();
    let options = CreateSnapshot::new().with_metadata(metadata);
    backups(&scene.client).create_snapshot("s", options).await.unwrap();
    scene.domain.revoke();
    scene.domain.fault(Fault::drop_after().times(2));
    scene.domain.set_skew(3_600);
    backups(&scene.client).snapshot("s").unwrap().wait().await.unwrap();
    backups(&scene.client).snapshot("s").unwrap().delete().await.unwrap();

    let issued = scene.provider.provide_credentials().await.unwrap();
    Canaries::of(&issued).assert_absent(&trace.text(), "the trace");
    Canaries::planted().assert_absent(&trace.text(), "the trace");
}

#[tokio::test]
async fn the_trace_of_refusals_contains_no_secret() {
    let (trace, _guard) = Trace::start();
    let scene =
        Scene::with(|domain| domain.auth(FakeAuth::Basic { user: "u".to_owned(), password: "p".to_owned() }), |c| c)
            .await;

    for auth in every_auth() {
        scene.client_with(auth).repositories().await.unwrap_err();
    }

    Canaries::planted().assert_absent(&trace.text(), "the trace");
}

#[tokio::test]
async fn a_failed_connection_shows_no_secret_in_its_error_or_trace() {
    let (trace, _guard) = Trace::start();
    let scene = Scene::new().await;
    for auth in every_auth() {
        let client = SnapshotClient::builder("http://localhost:1")
            .region("eu-west-1")
            .auth(auth)
            .clock(scene.clock.clone())
            .build()
            .unwrap();

        let error = client.repositories().await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Connect);
        Canaries::planted().assert_absent_from_error(&error, "no connection");
    }
    Canaries::planted().assert_absent(&trace.text(), "the trace");
}

#[tokio::test]
async fn the_trace_of_a_refresh_contains_no_earlier_secret() {
    let (trace, _guard) = Trace::start();
    let scene = Scene::with(|domain| domain.credential_life(Duration::from_mins(1)), |client| client).await;
    scene.client.repositories().await.unwrap();
    let issued = scene.provider.provide_credentials().await.unwrap();

    scene.clock.advance(Duration::from_secs(55));
    scene.client.repositories().await.unwrap();

    Canaries::of(&issued).assert_absent(&trace.text(), "the trace");
}
