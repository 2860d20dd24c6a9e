//! The fake domain itself. The tests send requests over raw sockets and sign them with AWS's own
//! signer, so the client of this crate is not involved.

#[path = "fake_domain/indices.rs"]
mod indices;
#[path = "fake_domain/others.rs"]
mod others;

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use es_snapshot::clock::Clock;
use es_snapshot::error::Operation;
use es_snapshot::testing::{
    Engine, Event, FakeAuth, FakeCredentials, FakeDomain, FakeDomainBuilder, FakeOutcome, Fault, ManualClock, Verdict,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ROLE: &str = "arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot";

/// A fake domain with a manual clock, and credentials to sign requests for it.
struct Scene {
    domain: FakeDomain,
    clock: ManualClock,
    provider: FakeCredentials,
}

/// A response: status, unparsed head, body.
#[derive(Debug)]
struct Response {
    status: u16,
    head: String,
    body: Vec<u8>,
    /// Whether the body is shorter than its `content-length`.
    is_cut: bool,
}

impl Response {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn error_type(&self) -> String {
        self.json().pointer("/error/type").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn reason(&self) -> String {
        self.json().pointer("/error/reason").and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// A request before it is signed and sent. A test can make each part wrong.
struct Draft {
    method: &'static str,
    target: String,
    body: Vec<u8>,
    service: &'static str,
    region: &'static str,
    when: SystemTime,
    credentials: Credentials,
    extra: Vec<(&'static str, String)>,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(configure: impl FnOnce(FakeDomainBuilder) -> FakeDomainBuilder) -> Self {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let domain = configure(FakeDomain::builder()).clock(clock.clone()).start().await;
        let provider = domain.credentials_provider();
        Self { domain, clock, provider }
    }

    /// A domain with the repository `r` and the index `movies` of two shards.
    async fn registered() -> Self {
        let scene = Self::new().await;
        scene.prepare().await;
        scene
    }

    async fn prepare(&self) {
        self.domain.create_index("movies", 2);
        let body = json!({"type": "s3", "settings": {"bucket": "my-bucket-4-es", "role_arn": ROLE}});
        assert_eq!(self.call("PUT", "/_snapshot/r", Some(body)).await.status, 200);
    }

    async fn draft(&self, method: &'static str, target: &str, body: Option<Value>) -> Draft {
        Draft {
            method,
            target: target.to_owned(),
            body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(),
            service: "es",
            region: "ap-northeast-1",
            when: self.clock.wall(),
            credentials: self.provider.provide_credentials().await.unwrap(),
            extra: Vec::new(),
        }
    }

    fn host(&self) -> String {
        self.domain.endpoint().strip_prefix("http://").unwrap().to_owned()
    }

    fn sign(&self, draft: &Draft) -> Vec<(String, String)> {
        let host = self.host();
        let mut headers: Vec<(String, String)> = vec![("host".to_owned(), host.clone())];
        if !draft.body.is_empty() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        headers.extend(draft.extra.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let identity = draft.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(draft.region)
            .name(draft.service)
            .time(draft.when)
            .settings(SigningSettings::default())
            .build()
            .unwrap();
        let signable = SignableRequest::new(
            draft.method,
            format!("http://{host}{}", draft.target),
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())),
            SignableBody::Bytes(&draft.body),
        )
        .unwrap();
        let (added, _) = sign(signable, &params.into()).unwrap().into_parts();
        headers.extend(added.headers().map(|(name, value)| (name.to_owned(), value.to_owned())));
        headers
    }

    async fn send(&self, draft: &Draft) -> Response {
        self.send_raw(draft.method, &draft.target, &self.sign(draft), &draft.body).await.expect("a response")
    }

    async fn call(&self, method: &'static str, target: &str, body: Option<Value>) -> Response {
        self.try_call(method, target, body).await.expect("a response")
    }

    /// Sends a signed request. Returns `None` if the connection closes without a response.
    async fn try_call(&self, method: &'static str, target: &str, body: Option<Value>) -> Option<Response> {
        let draft = self.draft(method, target, body).await;
        self.send_raw(method, target, &self.sign(&draft), &draft.body).await
    }

    async fn send_raw(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Option<Response> {
        let mut stream = TcpStream::connect(self.host()).await.unwrap();
        exchange(&mut stream, method, target, headers, body).await
    }

    fn last_event(&self) -> Event {
        self.domain.events().pop().expect("an event")
    }
}

async fn exchange(
    stream: &mut TcpStream,
    method: &str,
    target: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Option<Response> {
    let lines: String = headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    let mut request =
        format!("{method} {target} HTTP/1.1\r\n{lines}content-length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    stream.write_all(&request).await.ok()?;
    let mut buffer = Vec::new();
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer.drain(..end).collect()).unwrap();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
    let length: usize = if method == "HEAD" { 0 } else { length };
    while buffer.len() < length && stream.read_buf(&mut buffer).await.unwrap_or(0) > 0 {}
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Response { status, head, is_cut: buffer.len() < length, body: buffer })
}

/// The shape of a response: each value replaced by the name of its type.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(object) => object.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Array(list) => list.iter().take(1).map(shape).collect(),
        Value::String(_) => "string".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "bool".into(),
        Value::Null => Value::Null,
    }
}

// ---- authentication

#[tokio::test]
async fn accepts_a_correctly_signed_request() {
    let scene = Scene::new().await;
    let response = scene.call("GET", "/_snapshot", None).await;

    assert_eq!((response.status, response.json()), (200, json!({})));
    let event = scene.last_event();
    assert_eq!(
        (event.verdict, event.operation, event.executed),
        (Verdict::Signed, Some(Operation::ListRepositories), true)
    );
    assert_eq!(event.amz_date.as_deref(), Some("20231114T221320Z"));
    assert_eq!(event.signature.map(|signature| signature.len()), Some(64));
}

#[tokio::test]
async fn verifies_signatures_over_paths_and_queries_exactly_as_sent() {
    let scene = Scene::registered().await;
    for target in [
        "/_snapshot/r/%3Csnap-%7Bnow%2Fd%7D%3E",
        "/_snapshot/r/a,b*",
        "/_snapshot/r/a%2Cb%2A",
        "/_snapshot/r/a+b",
        "/_snapshot/r/%C3%BC?verbose=false&ignore_unavailable=true",
        "/_snapshot/r/x'(1)!?ignore_unavailable",
    ] {
        scene.call("GET", target, None).await;
        let event = scene.last_event();
        assert_eq!((event.path.as_str(), event.verdict), (target, Verdict::Signed));
    }
}

#[tokio::test]
async fn refuses_a_signature_over_another_path_and_echoes_the_token() {
    let scene = Scene::new().await;
    let draft = scene.draft("GET", "/_snapshot/a%2Cb", None).await;
    let headers = scene.sign(&draft);
    let response = scene.send_raw("GET", "/_snapshot/a,b", &headers, b"").await.unwrap();

    assert_eq!(response.status, 403);
    let text = response.json()["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with("The request signature we calculated does not match"), "{text}");
    assert!(text.contains("\n'GET\n/_snapshot/a%2Cb\n"), "{text}");
    assert!(text.contains(draft.credentials.session_token().unwrap()), "a real domain echoes the token");
    assert!(response.head.contains("x-amzn-requestid: "), "{}", response.head);
    assert_eq!((scene.last_event().verdict, scene.last_event().executed), (Verdict::Denied, false));
}

#[tokio::test]
async fn refuses_a_body_that_changed_after_signing() {
    let scene = Scene::registered().await;
    let draft = scene.draft("PUT", "/_snapshot/r/s", Some(json!({"indices": "movies"}))).await;
    let response =
        scene.send_raw("PUT", "/_snapshot/r/s", &scene.sign(&draft), br#"{"indices":"movie*"}"#).await.unwrap();

    assert_eq!(response.status, 403);
    assert!(scene.domain.snapshots("r").is_empty());
}

#[tokio::test]
async fn each_wrong_part_of_a_signature_has_its_own_message() {
    let scene = Scene::new().await;
    let message = async |change: &dyn Fn(&mut Draft)| {
        let mut draft = scene.draft("GET", "/_snapshot", None).await;
        change(&mut draft);
        let response = scene.send(&draft).await;
        assert_eq!(response.status, 403);
        response.json()["message"].as_str().unwrap().to_owned()
    };
    let other = |credentials: &Credentials, key: Option<&str>, secret: Option<&str>, token: Option<&str>| {
        Credentials::new(
            key.unwrap_or(credentials.access_key_id()),
            secret.unwrap_or(credentials.secret_access_key()),
            token.or(credentials.session_token()).map(str::to_owned),
            None,
            "test",
        )
    };

    assert_eq!(
        message(&|draft| draft.service = "aoss").await,
        "Credential should be scoped to correct service: 'es'. "
    );
    assert_eq!(
        message(&|draft| draft.region = "eu-west-1").await,
        "Credential should be scoped to a valid region, not 'eu-west-1'. "
    );
    let invalid = "The security token included in the request is invalid.";
    assert_eq!(
        message(&|draft| draft.credentials = other(&draft.credentials, Some("ASIAX"), None, None)).await,
        invalid
    );
    assert_eq!(message(&|draft| draft.credentials = other(&draft.credentials, None, None, Some("x"))).await, invalid);
    assert!(
        message(&|draft| draft.credentials = other(&draft.credentials, None, Some("x"), None))
            .await
            .contains("does not match")
    );
    assert_eq!(
        message(&|draft| draft.extra.push(("x-amz-content-sha256", "0".repeat(64)))).await,
        "The provided 'x-amz-content-sha256' header does not match what was computed."
    );
}

#[tokio::test]
async fn refuses_an_unsigned_amz_header() {
    let scene = Scene::new().await;
    let draft = scene.draft("GET", "/_snapshot", None).await;
    let mut headers = scene.sign(&draft);
    headers.push(("x-amz-meta".to_owned(), "1".to_owned()));
    let response = scene.send_raw("GET", "/_snapshot", &headers, b"").await.unwrap();
    assert_eq!(response.json()["message"], "'x-amz-meta' must be a 'SignedHeader' in the AWS Authorization.");
}

#[tokio::test]
async fn refuses_a_wrong_clock_and_sends_its_own_time_in_date() {
    let scene = Scene::new().await;
    for (skew, start) in
        [(3600, "Signature expired: 20231114T221320Z is now earlier than"), (-3600, "Signature not yet current: ")]
    {
        scene.domain.set_skew(skew);
        let response = scene.call("GET", "/_snapshot", None).await;
        assert!(response.json()["message"].as_str().unwrap().starts_with(start), "{}", response.text());
        let date = if skew > 0 { "date: Tue, 14 Nov 2023 23:13:20 GMT" } else { "date: Tue, 14 Nov 2023 21:13:20 GMT" };
        assert!(response.head.contains(date), "{}", response.head);
    }
    scene.domain.set_skew(290);
    assert_eq!(scene.call("GET", "/_snapshot", None).await.status, 200);
}

#[tokio::test]
async fn the_domains_clock_ignores_a_step_of_the_hosts_clock() {
    let scene = Scene::new().await;
    scene.clock.step_wall(-7200);
    let response = scene.call("GET", "/_snapshot", None).await;
    assert!(response.text().contains("Signature expired"), "{}", response.text());
    assert!(response.head.contains("date: Tue, 14 Nov 2023 22:13:20 GMT"), "{}", response.head);
}

#[tokio::test]
async fn credentials_rotate_in_the_last_fifth_of_their_life_and_expire() {
    let scene = Scene::with(|builder| builder.credential_life(Duration::from_secs(100))).await;
    let first = scene.draft("GET", "/_snapshot", None).await;
    assert_eq!(first.credentials.expiry(), Some(scene.clock.wall() + Duration::from_secs(100)));

    scene.clock.advance(Duration::from_secs(80));
    let same = scene.provider.provide_credentials().await.unwrap();
    assert_eq!(same.access_key_id(), first.credentials.access_key_id());
    scene.clock.advance(Duration::from_secs(1));
    let next = scene.provider.provide_credentials().await.unwrap();
    assert_ne!(next.access_key_id(), first.credentials.access_key_id());
    assert_eq!(scene.provider.loads(), 3);

    let send_with = async |credentials: &Credentials| {
        let mut draft = scene.draft("GET", "/_snapshot", None).await;
        draft.credentials = credentials.clone();
        scene.send(&draft).await
    };
    assert_eq!(send_with(&first.credentials).await.status, 200, "the previous credentials are valid until they expire");
    scene.clock.advance(Duration::from_secs(19));
    let response = send_with(&first.credentials).await;
    assert_eq!(response.json(), json!({"message": "The security token included in the request is expired"}));
    assert_eq!(send_with(&next).await.status, 200);
}

#[tokio::test]
async fn revoked_credentials_expire_at_once() {
    let scene = Scene::new().await;
    let draft = scene.draft("GET", "/_snapshot", None).await;
    scene.domain.revoke();
    assert!(scene.send(&draft).await.text().contains("is expired"));
    assert_eq!(scene.call("GET", "/_snapshot", None).await.status, 200);
}

#[tokio::test]
async fn a_registration_needs_a_role_that_the_caller_may_pass() {
    let scene = Scene::new().await;
    let register = async |settings: Value| {
        let response = scene.call("PUT", "/_snapshot/r", Some(json!({"type": "s3", "settings": settings}))).await;
        (response.status, response.text())
    };
    let (status, text) = register(json!({"bucket": "my-bucket-4-es"})).await;
    assert_eq!(
        (status, text.as_str()),
        (401, r#"{"Message":"settings.role_arn is needed for snapshot registration."}"#)
    );
    let (status, text) = register(json!({"bucket": "my-bucket-4-es", "role_arn": "arn:aws:iam::1:role/x"})).await;
    assert_eq!(status, 403);
    assert!(text.contains("is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/x"), "{text}");
    assert!(scene.domain.repositories().is_empty());
}

#[tokio::test]
async fn denied_actions_and_forbidden_paths_have_their_own_errors() {
    let scene = Scene::registered().await;
    scene.domain.deny("es:ESHttpDelete");
    scene.domain.forbid("/_cat/");
    let denied = scene.call("DELETE", "/_snapshot/r/x", None).await;
    assert_eq!(denied.status, 403);
    assert!(denied.json()["Message"].as_str().unwrap().contains("es:ESHttpDelete with an explicit deny"));
    let forbidden = scene.call("GET", "/_cat/shards?format=json", None).await;
    assert_eq!(
        (forbidden.status, forbidden.json()),
        (401, json!({"Message": "Your request: '/_cat/shards?format=json' is not allowed."}))
    );
}

#[tokio::test]
async fn each_kind_of_authentication_accepts_only_its_own_requests() {
    let basic = FakeAuth::Basic { user: "master".to_owned(), password: "Passw0rd!".to_owned() };
    let right = ("authorization".to_owned(), "Basic bWFzdGVyOlBhc3N3MHJkIQ==".to_owned());
    let wrong = ("authorization".to_owned(), "Basic Og==".to_owned());
    for (auth, header, status, verdict) in [
        (FakeAuth::SigV4, None, 403, Verdict::Denied),
        (FakeAuth::SigV4, Some(&right), 403, Verdict::Denied),
        (FakeAuth::Open, None, 200, Verdict::Open),
        (basic.clone(), None, 401, Verdict::Denied),
        (basic.clone(), Some(&wrong), 401, Verdict::Denied),
        (basic, Some(&right), 200, Verdict::Basic),
    ] {
        let scene = Scene::with(|builder| builder.auth(auth.clone())).await;
        let headers: Vec<_> = [("host".to_owned(), scene.host())].into_iter().chain(header.cloned()).collect();
        let response = scene.send_raw("GET", "/_snapshot", &headers, b"").await.unwrap();
        assert_eq!((response.status, scene.last_event().verdict), (status, verdict), "{auth:?} {header:?}");
        if status == 401 {
            assert_eq!(response.text(), "Unauthorized");
            assert!(response.head.contains("www-authenticate: Basic"), "{}", response.head);
        }
        if auth == FakeAuth::SigV4 && header.is_some() {
            assert!(
                response.text().ends_with("Authorization=Basic bWFzdGVyOlBhc3N3MHJkIQ==\"}"),
                "{}",
                response.text()
            );
        }
    }
}

// ---- repositories

#[tokio::test]
async fn returns_settings_as_strings() {
    let scene = Scene::new().await;
    let settings =
        json!({"bucket": "my-bucket-4-es", "role_arn": ROLE, "server_side_encryption": true, "max_retries": 3});
    scene.call("PUT", "/_snapshot/r", Some(json!({"type": "s3", "settings": settings}))).await;
    let expected = json!({"r": {"type": "s3", "settings": {
        "bucket": "my-bucket-4-es", "role_arn": ROLE, "server_side_encryption": "true", "max_retries": "3",
    }}});
    assert_eq!(scene.call("GET", "/_snapshot/r", None).await.json(), expected);
    assert_eq!(scene.call("GET", "/_snapshot", None).await.json(), expected);
}

#[tokio::test]
async fn keeps_a_repository_that_failed_verification_except_on_elasticsearch_8() {
    for (engine, registers, node, cause) in [
        (Engine::elasticsearch("7.10.2"), true, "master", "amazon_s3_exception"),
        (Engine::opensearch("2.19.6"), true, "cluster-manager", "no_such_bucket_exception"),
        (Engine::elasticsearch("8.19.5"), false, "master", "amazon_s3_exception"),
    ] {
        let scene = Scene::with(|builder| builder.engine(engine.clone())).await;
        let body = json!({"type": "s3", "settings": {"bucket": "nope", "role_arn": ROLE}});
        let response = scene.call("PUT", "/_snapshot/r", Some(body)).await;

        assert_eq!((response.status, response.error_type().as_str()), (500, "repository_verification_exception"));
        assert_eq!(response.reason(), format!("[r] path  is not accessible on {node} node"));
        assert_eq!(response.json().pointer("/error/caused_by/caused_by/type"), Some(&json!(cause)));
        assert_eq!(!scene.domain.repositories().is_empty(), registers, "{engine:?}");
        assert_eq!(scene.last_event().executed, registers);
    }
}

#[tokio::test]
async fn names_the_region_of_a_bucket_in_another_region() {
    let scene = Scene::with(|builder| builder.bucket_in("far", "eu-west-1")).await;
    let register = async |region: &str| {
        let settings = json!({"bucket": "far", "role_arn": ROLE, "region": region});
        scene.call("PUT", "/_snapshot/r", Some(json!({"type": "s3", "settings": settings}))).await
    };
    let response = register("us-east-1").await;
    assert!(
        response
            .text()
            .contains("The bucket is in this region: eu-west-1. Please use this region to retry the request")
    );
    assert!(response.text().contains("PermanentRedirect"));
    assert_eq!(register("eu-west-1").await.status, 200);
}

#[tokio::test]
async fn snapshots_survive_unregistering_their_repository() {
    let scene = Scene::registered().await;
    scene.call("PUT", "/_snapshot/r/s?wait_for_completion=true", None).await;
    assert_eq!(scene.call("DELETE", "/_snapshot/r", None).await.json(), json!({"acknowledged": true}));
    assert_eq!(scene.call("GET", "/_snapshot/r/s", None).await.error_type(), "repository_missing_exception");
    let body = json!({"type": "s3", "settings": {"bucket": "my-bucket-4-es", "role_arn": ROLE}});
    scene.call("PUT", "/_snapshot/again", Some(body)).await;
    assert_eq!(scene.call("GET", "/_snapshot/again/s", None).await.json()["snapshots"][0]["state"], "SUCCESS");
}

#[tokio::test]
async fn refuses_to_unregister_a_repository_in_use() {
    for (engine, status, error_type) in [
        (Engine::elasticsearch("7.10.2"), 500, "illegal_state_exception"),
        (Engine::elasticsearch("8.19.5"), 409, "repository_conflict_exception"),
    ] {
        let scene = Scene::with(|builder| builder.engine(engine)).await;
        scene.prepare().await;
        scene.call("PUT", "/_snapshot/r/s", None).await;
        let response = scene.call("DELETE", "/_snapshot/r", None).await;
        assert_eq!((response.status, response.error_type().as_str()), (status, error_type));
        scene.clock.advance(Duration::from_secs(3));
        assert_eq!(scene.call("DELETE", "/_snapshot/r", None).await.status, 200);
    }
}

#[tokio::test]
async fn invalid_repository_requests_fail_as_on_a_real_server() {
    let scene = Scene::new().await;
    for (target, body, status, error_type, reason) in [
        (
            "/_snapshot/a%20b",
            json!({"type": "fs", "settings": {"location": "x"}}),
            500,
            "repository_exception",
            "[a b] must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?]",
        ),
        (
            "/_snapshot/a%23b",
            json!({"type": "fs", "settings": {"location": "x"}}),
            500,
            "repository_exception",
            "[a#b] must not contain '#'",
        ),
        (
            "/_snapshot/..%2Fx",
            json!({"type": "fs", "settings": {"location": "x"}}),
            500,
            "repository_exception",
            "[../x] must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?]",
        ),
        (
            "/_snapshot/r",
            json!({"settings": {}}),
            400,
            "action_request_validation_exception",
            "Validation Failed: 1: type is missing;",
        ),
        (
            "/_snapshot/r",
            json!({"type": "fs", "settings": [1]}),
            400,
            "illegal_argument_exception",
            "Malformed settings section, should include an inner object",
        ),
        (
            "/_snapshot/r",
            json!({"type": "zzz"}),
            500,
            "repository_exception",
            "[r] repository type [zzz] does not exist",
        ),
        (
            "/_snapshot/r?bogus=1",
            json!({"type": "fs"}),
            400,
            "illegal_argument_exception",
            "request [/_snapshot/r] contains unrecognized parameter: [bogus]",
        ),
    ] {
        let response = scene.call("PUT", target, Some(body)).await;
        assert_eq!(
            (response.status, response.error_type().as_str(), response.reason().as_str()),
            (status, error_type, reason)
        );
    }
    assert!(scene.domain.repositories().is_empty());
}

// ---- snapshots

#[tokio::test]
async fn a_snapshot_progresses_and_ends_with_the_clock() {
    let scene = Scene::registered().await;
    let body = json!({"indices": "movies", "include_global_state": false, "metadata": {"by": "test"}, "ignored": 1});
    assert_eq!(scene.call("PUT", "/_snapshot/r/s", Some(body)).await.json(), json!({"accepted": true}));
    let uuid = scene.domain.snapshots("r")[0].uuid.clone();

    let running = scene.call("GET", "/_snapshot/r/s", None).await.json();
    assert_eq!(
        running,
        json!({"snapshots": [{
            "snapshot": "s", "uuid": uuid, "version_id": 7_100_299, "version": "7.10.2", "indices": ["movies"], "data_streams": [],
            "include_global_state": false, "metadata": {"by": "test"}, "state": "IN_PROGRESS",
            "start_time": "2023-11-14T22:13:20.000Z", "start_time_in_millis": 1_700_000_000_000_u64,
            "end_time": "1970-01-01T00:00:00.000Z", "end_time_in_millis": 0, "duration_in_millis": 0,
            "failures": [], "shards": {"total": 0, "failed": 0, "successful": 0},
        }]})
    );
    scene.clock.advance(Duration::from_millis(1500));
    let status = scene.call("GET", "/_snapshot/r/s/_status", None).await.json();
    assert_eq!(status["snapshots"][0]["state"], "STARTED");
    assert_eq!(
        status["snapshots"][0]["shards_stats"],
        json!({"initializing": 0, "started": 1, "finalizing": 0, "done": 1, "failed": 0, "total": 2})
    );

    scene.clock.advance(Duration::from_millis(1500));
    let ended = scene.call("GET", "/_snapshot/r/s", None).await.json();
    assert_eq!(ended["snapshots"][0]["state"], "SUCCESS");
    assert_eq!(ended["snapshots"][0]["duration_in_millis"], 3000);
    assert_eq!(ended["snapshots"][0]["shards"], json!({"total": 2, "failed": 0, "successful": 2}));
}

#[tokio::test]
async fn a_held_snapshot_ends_when_and_how_the_test_decides() {
    let scene = Scene::registered().await;
    scene.domain.hold_snapshots(true);
    scene.call("PUT", "/_snapshot/r/s", None).await;
    scene.clock.advance(Duration::from_hours(1));
    assert_eq!(scene.domain.snapshots("r")[0].state, "IN_PROGRESS");

    scene.domain.finish_snapshot("r", "s", FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 1)] });
    let info = scene.call("GET", "/_snapshot/r/s", None).await.json()["snapshots"][0].clone();
    assert_eq!(
        (&info["state"], &info["shards"]),
        (&json!("PARTIAL"), &json!({"total": 2, "failed": 1, "successful": 1}))
    );
    let failure = json!({"index": "string", "index_uuid": "string", "shard_id": "number", "reason": "string", "node_id": "string", "status": "string"});
    assert_eq!(shape(&info["failures"]), json!([failure]));
    let status = scene.call("GET", "/_snapshot/r/s/_status", None).await.json();
    assert_eq!(status["snapshots"][0]["state"], "SUCCESS", "7.10 reports SUCCESS here");
    assert_eq!(status["snapshots"][0]["indices"]["movies"]["shards"]["1"]["stage"], "FAILURE");
}

#[tokio::test]
async fn a_create_that_waits_returns_the_final_state() {
    let scene = Scene::registered().await;
    scene.domain.plan_snapshot(FakeOutcome::Failed { reason: "no primaries".to_owned() });
    let response = scene.call("PUT", "/_snapshot/r/bad?wait_for_completion=true", None).await;
    assert_eq!((response.status, &response.json()["snapshot"]["state"]), (200, &json!("FAILED")));
    assert_eq!(response.json()["snapshot"]["reason"], "no primaries");
    let response = scene.call("PUT", "/_snapshot/r/good?wait_for_completion=true", None).await;
    assert_eq!(response.json()["snapshot"]["state"], "SUCCESS");
}

#[tokio::test]
async fn a_create_that_waits_for_a_held_snapshot_ends_with_504() {
    let scene = Scene::with(|builder| builder.hold_snapshots(true)).await;
    scene.prepare().await;
    let response = scene.call("PUT", "/_snapshot/r/s?wait_for_completion=true", None).await;
    assert_eq!((response.status, response.text().contains("504 Gateway Timeout")), (504, true));
    assert!(scene.last_event().executed);
    assert_eq!(scene.domain.snapshots("r")[0].state, "IN_PROGRESS");
}

#[tokio::test]
async fn refuses_a_snapshot_name_that_is_taken() {
    for (engine, error_type) in [
        (Engine::opensearch("2.19.6"), "invalid_snapshot_name_exception"),
        (Engine::elasticsearch("8.19.5"), "snapshot_name_already_in_use_exception"),
    ] {
        let scene = Scene::with(|builder| builder.engine(engine)).await;
        scene.prepare().await;
        scene.domain.another_client_creates("r", "s");
        let response = scene.call("PUT", "/_snapshot/r/s", None).await;
        assert_eq!((response.status, response.error_type().as_str()), (400, error_type));
        assert_eq!(
            response.reason(),
            "[r:s] Invalid snapshot name [s], snapshot with the same name is already in-progress"
        );
        scene.clock.advance(Duration::from_secs(3));
        let response = scene.call("PUT", "/_snapshot/r/s", None).await;
        assert_eq!(response.reason(), "[r:s] Invalid snapshot name [s], snapshot with the same name already exists");
        assert_eq!(scene.domain.snapshots("r").len(), 1);
    }
}

#[tokio::test]
async fn a_snapshot_that_another_client_deletes_is_missing() {
    let scene = Scene::registered().await;
    scene.domain.another_client_creates("r", "s");

    scene.domain.another_client_deletes("r", "s");

    assert_eq!(scene.call("GET", "/_snapshot/r/s", None).await.error_type(), "snapshot_missing_exception");
}

#[tokio::test]
async fn invalid_snapshot_requests_fail_as_on_a_real_server() {
    let scene = Scene::registered().await;
    let long = json!({"metadata": {"a": "x".repeat(1100)}});
    for (target, body, status, error_type, reason) in [
        (
            "/_snapshot/r/a%20b",
            json!({}),
            400,
            "invalid_snapshot_name_exception",
            "[r:a b] Invalid snapshot name [a b], must not contain whitespace",
        ),
        (
            "/_snapshot/r/a,b",
            json!({}),
            400,
            "invalid_snapshot_name_exception",
            "[r:a,b] Invalid snapshot name [a,b], must not contain ','",
        ),
        (
            "/_snapshot/r/UP",
            json!({}),
            400,
            "invalid_snapshot_name_exception",
            "[r:UP] Invalid snapshot name [UP], must be lowercase",
        ),
        (
            "/_snapshot/r/_x",
            json!({}),
            400,
            "invalid_snapshot_name_exception",
            "[r:_x] Invalid snapshot name [_x], must not start with '_'",
        ),
        (
            "/_snapshot/r/m",
            long,
            400,
            "action_request_validation_exception",
            "Validation Failed: 1: metadata must be smaller than 1024 bytes, but was [1108];",
        ),
        (
            "/_snapshot/r/m",
            json!({"metadata": "a"}),
            400,
            "illegal_argument_exception",
            "malformed metadata, should be an object",
        ),
        (
            "/_snapshot/r/m",
            json!({"indices": 5}),
            400,
            "illegal_argument_exception",
            "malformed indices section, should be an array of strings",
        ),
        ("/_snapshot/r/m", json!({"indices": "absent"}), 404, "index_not_found_exception", "no such index [absent]"),
        ("/_snapshot/none/m", json!({}), 404, "repository_missing_exception", "[none] missing"),
    ] {
        let response = scene.call("PUT", target, Some(body)).await;
        assert_eq!(
            (response.status, response.error_type().as_str(), response.reason().as_str()),
            (status, error_type, reason)
        );
    }
    assert!(scene.domain.snapshots("r").is_empty());
}

#[tokio::test]
async fn a_listing_accepts_names_patterns_and_keywords() {
    let scene = Scene::registered().await;
    for name in ["a-1", "a-2", "b"] {
        scene.call("PUT", &format!("/_snapshot/r/{name}?wait_for_completion=true"), None).await;
        scene.clock.advance(Duration::from_secs(1));
    }
    scene.call("PUT", "/_snapshot/r/running", None).await;
    let names = async |target: &str| {
        let response = scene.call("GET", target, None).await;
        match response.status {
            200 => response.json()["snapshots"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["snapshot"].as_str().unwrap().to_owned())
                .collect(),
            _ => vec![response.reason()],
        }
    };
    assert_eq!(names("/_snapshot/r/_all").await, ["a-1", "a-2", "b", "running"]);
    assert_eq!(names("/_snapshot/r/a-*,b").await, ["a-1", "a-2", "b"]);
    assert_eq!(names("/_snapshot/r/_current").await, ["running"]);
    assert_eq!(names("/_snapshot/r/b,nope").await, ["[r:nope] is missing"]);
    assert_eq!(names("/_snapshot/r/b,nope?ignore_unavailable=true").await, ["b"]);
    assert_eq!(names("/_snapshot/r/z*").await, ["[r:z*] is missing"]);
    assert_eq!(names("/_snapshot/r/b,b").await, ["b"]);
    let short = scene.call("GET", "/_snapshot/r/b?verbose=false", None).await.json();
    assert_eq!(
        shape(&short["snapshots"][0]),
        json!({"snapshot": "string", "uuid": "string", "indices": ["string"], "data_streams": [], "state": "string"})
    );
}

#[tokio::test]
async fn elasticsearch_8_returns_a_listing_in_pages() {
    let scene = Scene::with(|builder| builder.engine(Engine::elasticsearch("8.19.5"))).await;
    scene.prepare().await;
    for name in ["a", "b", "c"] {
        scene.call("PUT", &format!("/_snapshot/r/{name}?wait_for_completion=true"), None).await;
    }
    let first = scene.call("GET", "/_snapshot/*/*?size=2&sort=name&order=desc", None).await.json();
    assert_eq!(
        (&first["snapshots"][0]["snapshot"], &first["total"], &first["remaining"]),
        (&json!("c"), &json!(3), &json!(1))
    );
    assert_eq!(first["snapshots"][0]["repository"], "r");
    let next = first["next"].as_str().unwrap();
    let last =
        scene.call("GET", &format!("/_snapshot/r/_all?size=2&sort=name&order=desc&after={next}"), None).await.json();
    assert_eq!((&last["snapshots"][0]["snapshot"], last.get("next")), (&json!("a"), None));
}

#[tokio::test]
async fn a_delete_accepts_lists_and_patterns_and_aborts_running_snapshots() {
    let scene = Scene::registered().await;
    for name in ["a-1", "a-2", "b"] {
        scene.call("PUT", &format!("/_snapshot/r/{name}"), None).await;
    }
    assert_eq!(scene.call("DELETE", "/_snapshot/r/b,nope", None).await.reason(), "[r:nope] is missing");
    assert_eq!(scene.domain.snapshots("r").len(), 3, "a list with a missing name deletes nothing");
    assert_eq!(scene.call("DELETE", "/_snapshot/r/a-*,b", None).await.json(), json!({"acknowledged": true}));
    assert!(scene.domain.snapshots("r").is_empty());
    assert_eq!(scene.call("DELETE", "/_snapshot/r/z*", None).await.json(), json!({"acknowledged": true}));
    assert_eq!(scene.call("DELETE", "/_snapshot/r/_all", None).await.status, 404);
}

#[tokio::test]
async fn deleting_an_empty_name_unregisters_the_repository_as_on_a_real_server() {
    let scene = Scene::registered().await;
    scene.call("DELETE", "/_snapshot/r/", None).await;
    assert!(scene.domain.repositories().is_empty(), "the empty name must unregister the repository");
    assert_eq!(scene.call("DELETE", "/_snapshot//x", None).await.reason(), "[] missing");
}

#[tokio::test]
async fn a_clone_is_a_separate_snapshot() {
    let scene = Scene::registered().await;
    let body = json!({"indices": "movies"});
    scene.call("PUT", "/_snapshot/r/s?wait_for_completion=true", None).await;
    assert_eq!(
        scene.call("PUT", "/_snapshot/r/s/_clone/c", Some(body.clone())).await.json(),
        json!({"acknowledged": true})
    );
    assert_eq!(scene.call("GET", "/_snapshot/r/c", None).await.json()["snapshots"][0]["state"], "IN_PROGRESS");
    scene.clock.advance(Duration::from_secs(3));
    assert_eq!(scene.call("GET", "/_snapshot/r/c", None).await.json()["snapshots"][0]["state"], "SUCCESS");
    assert_eq!(scene.call("PUT", "/_snapshot/r/s/_clone/c", Some(body.clone())).await.status, 400);
    assert_eq!(
        scene.call("PUT", "/_snapshot/r/nope/_clone/d", Some(body)).await.error_type(),
        "snapshot_missing_exception"
    );
}

// ---- restores

#[tokio::test]
async fn a_restore_shows_its_progress_in_recovery_and_cat_shards() {
    let scene = Scene::registered().await;
    scene.call("PUT", "/_snapshot/r/s?wait_for_completion=true", None).await;
    let body = json!({"indices": "movies", "rename_pattern": "(.+)", "rename_replacement": "r_$1"});
    assert_eq!(scene.call("POST", "/_snapshot/r/s/_restore", Some(body)).await.json(), json!({"accepted": true}));

    scene.clock.advance(Duration::from_millis(1500));
    let recovery = scene.call("GET", "/r_movies/_recovery", None).await.json();
    let shard = &recovery["r_movies"]["shards"][0];
    assert_eq!(
        (&shard["type"], &shard["stage"], &shard["index"]["size"]["percent"]),
        (&json!("SNAPSHOT"), &json!("INDEX"), &json!("50.0%"))
    );
    assert_eq!(
        (&shard["source"]["repository"], &shard["source"]["snapshot"], &shard["source"]["index"]),
        (&json!("r"), &json!("s"), &json!("movies"))
    );
    let target = "/_cat/shards/r_movies?format=json&h=index,shard,prirep,state,unassigned.reason";
    assert_eq!(scene.call("GET", target, None).await.json()[0]["state"], "INITIALIZING");
    assert_eq!(
        scene.call("DELETE", "/_snapshot/r/s", None).await.error_type(),
        "concurrent_snapshot_execution_exception"
    );

    scene.clock.advance(Duration::from_millis(1500));
    assert_eq!(
        scene.call("GET", target, None).await.json()[1],
        json!({"index": "r_movies", "shard": "1", "prirep": "p", "state": "STARTED", "unassigned.reason": null})
    );
    assert_eq!(scene.call("GET", "/r_movies/_recovery", None).await.json()["r_movies"]["shards"][1]["stage"], "DONE");
    assert_eq!(scene.call("GET", "/r_movies/_recovery?active_only=true", None).await.json(), json!({}));
    scene.domain.assert_no_unexpected_calls();
}

#[tokio::test]
async fn a_shard_that_fails_to_restore_is_unassigned_and_has_no_recovery() {
    let scene = Scene::registered().await;
    scene.call("PUT", "/_snapshot/r/s?wait_for_completion=true", None).await;
    scene.domain.fail_restore_shard("x", 1);
    let body = json!({"rename_pattern": "movies", "rename_replacement": "x"});
    let response = scene.call("POST", "/_snapshot/r/s/_restore?wait_for_completion=true", Some(body)).await;
    assert_eq!(
        response.json(),
        json!({"snapshot": {"snapshot": "s", "indices": ["x"], "shards": {"total": 2, "failed": 1, "successful": 1}}})
    );
    let shards =
        scene.call("GET", "/_cat/shards/x?format=json&h=shard,state,node,unassigned.reason", None).await.json();
    assert_eq!(
        shards[1],
        json!({"shard": "1", "state": "UNASSIGNED", "node": null, "unassigned.reason": "ALLOCATION_FAILED"})
    );
    assert_eq!(scene.call("GET", "/x/_recovery", None).await.json()["x"]["shards"].as_array().unwrap().len(), 1);
    assert_eq!(scene.call("GET", "/_cluster/health", None).await.json()["status"], "red");
}

#[tokio::test]
async fn refused_restores_fail_as_on_a_real_server() {
    let scene = Scene::registered().await;
    scene.call("PUT", "/_snapshot/r/s?wait_for_completion=true", None).await;
    let uuid = scene.domain.snapshots("r")[0].uuid.clone();
    let open = format!(
        "[r:s/{uuid}] cannot restore index [movies] because an open index with same name already exists in the cluster. Either close or \
         delete the existing index or restore the index under a different name by providing a rename pattern and replacement name"
    );
    for (target, body, status, error_type, reason) in [
        ("/_snapshot/r/s/_restore", json!({}), 500, "snapshot_restore_exception", open.as_str()),
        (
            "/_snapshot/r/nope/_restore",
            json!({}),
            500,
            "snapshot_restore_exception",
            "[r:nope] snapshot does not exist",
        ),
        ("/_snapshot/none/s/_restore", json!({}), 404, "repository_missing_exception", "[none] missing"),
        (
            "/_snapshot/r/s/_restore",
            json!({"indices": "absent"}),
            404,
            "index_not_found_exception",
            "no such index [absent]",
        ),
        ("/_snapshot/r/s/_restore", json!({"bogus": 1}), 400, "illegal_argument_exception", "Unknown parameter bogus"),
        (
            "/_snapshot/r/s/_restore",
            json!({"storage_type": "local"}),
            400,
            "illegal_argument_exception",
            "Unknown parameter storage_type",
        ),
        (
            "/_snapshot/r/s/_restore",
            json!({"rename_pattern": "(.+)", "rename_replacement": "R_$1"}),
            400,
            "invalid_index_name_exception",
            "Invalid index name [R_movies], must be lowercase",
        ),
    ] {
        let response = scene.call("POST", target, Some(body)).await;
        assert_eq!(
            (response.status, response.error_type().as_str(), response.reason().as_str()),
            (status, error_type, reason)
        );
    }
    let empty = scene.call("POST", "/_snapshot/r/s/_restore", Some(json!({"indices": "absent*"}))).await;
    assert_eq!(
        empty.json(),
        json!({"snapshot": {"snapshot": "s", "indices": [], "shards": {"total": 0, "failed": 0, "successful": 0}}})
    );
    assert_eq!(scene.domain.indices(), ["movies"]);
}

#[tokio::test]
async fn restores_an_incomplete_index_only_if_the_request_allows_partial() {
    let scene = Scene::registered().await;
    scene.domain.plan_snapshot(FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 0)] });
    scene.call("PUT", "/_snapshot/r/s?wait_for_completion=true", None).await;
    let body =
        |partial: bool| Some(json!({"partial": partial, "rename_pattern": "(.+)", "rename_replacement": "q_$1"}));
    let refused = scene.call("POST", "/_snapshot/r/s/_restore", body(false)).await;
    assert!(
        refused.reason().ends_with("index [movies] wasn't fully snapshotted - cannot restore"),
        "{}",
        refused.reason()
    );
    let done = scene.call("POST", "/_snapshot/r/s/_restore?wait_for_completion=true", body(true)).await.json();
    assert_eq!(done["snapshot"]["shards"], json!({"total": 2, "failed": 1, "successful": 1}));
}

// ---- validation

#[tokio::test]
async fn checks_query_parameters_by_name_value_and_version() {
    let unknown = "request [/_snapshot/none] contains unrecognized parameter: [cluster_manager_timeout]";
    let both = "Please only use one of the request parameters [master_timeout, cluster_manager_timeout].";
    let boolean = "Failed to parse value [maybe] as only [true] or [false] are allowed.";
    let unit =
        "failed to parse setting [master_timeout] with value [abc] as a time value: unit is missing or unrecognized";
    let missing = "[none] missing";
    for (engine, query, reason) in [
        (Engine::elasticsearch("7.10.2"), "cluster_manager_timeout=30s", unknown),
        (Engine::opensearch("2.19.6"), "cluster_manager_timeout=30s", missing),
        (Engine::opensearch("2.19.6"), "cluster_manager_timeout=30s&master_timeout=30s", both),
        (Engine::elasticsearch("7.10.2"), "master_timeout=30s", missing),
        (Engine::elasticsearch("7.10.2"), "master_timeout=abc", unit),
        (Engine::elasticsearch("7.10.2"), "local=maybe", boolean),
    ] {
        let scene = Scene::with(|builder| builder.engine(engine)).await;
        let response = scene.call("GET", &format!("/_snapshot/none?{query}"), None).await;
        assert_eq!(response.reason(), reason, "{query}");
    }
}

#[tokio::test]
async fn refuses_a_body_without_a_supported_content_type() {
    let scene = Scene::with(|builder| builder.auth(FakeAuth::Open)).await;
    let send = async |content_type: Option<&str>| {
        let mut headers = vec![("host".to_owned(), scene.host())];
        headers.extend(content_type.map(|value| ("content-type".to_owned(), value.to_owned())));
        let body = br#"{"type":"fs","settings":{"location":"x"}}"#;
        let response = scene.send_raw("PUT", "/_snapshot/r", &headers, body).await.unwrap();
        (response.status, response.json())
    };
    assert_eq!(send(None).await, (406, json!({"error": "Content-Type header is missing", "status": 406})));
    assert_eq!(
        send(Some("text/plain")).await,
        (406, json!({"error": "Content-Type header [text/plain] is not supported", "status": 406}))
    );
    assert_eq!(send(Some("application/json")).await, (200, json!({"acknowledged": true})));
}

/// Observed on Elasticsearch 7.10.2 and 8.19.5, OpenSearch 2.19.6 and 3.8.0.
#[tokio::test]
async fn refuses_a_request_line_over_the_servers_limit() {
    for (engine, longest, error_type) in [
        (Engine::elasticsearch("7.10.2"), 4095, "too_long_frame_exception"),
        (Engine::elasticsearch("8.19.5"), 4096, "too_long_http_line_exception"),
        (Engine::opensearch("3.8.0"), 4096, "too_long_http_line_exception"),
    ] {
        let scene = Scene::with(|builder| builder.engine(engine)).await;
        let target = |line: usize| {
            let around = "GET /_recovery HTTP/1.1".len() + "/".len();
            format!("/{}/_recovery", "a".repeat(line - around))
        };
        assert_eq!(scene.call("GET", &target(longest), None).await.error_type(), "index_not_found_exception");
        let refused = scene.call("GET", &target(longest + 1), None).await;
        assert_eq!((refused.status, refused.error_type().as_str()), (400, error_type));
        assert_eq!(refused.reason(), "An HTTP line is larger than 4096 bytes.");
    }
}

// ---- unexpected calls

#[tokio::test]
async fn names_unexpected_calls() {
    let scene = Scene::registered().await;
    let response = scene.call("GET", "/_snapshot/a/b/c/d/e", None).await;
    assert_eq!(
        (response.status, response.json()),
        (400, json!({"error": "no handler found for uri [/_snapshot/a/b/c/d/e] and method [GET]"}))
    );
    let response = scene.call("GET", "/_snapshot/r/_verify", None).await;
    assert_eq!(
        response.json()["error"],
        "Incorrect HTTP method for uri [/_snapshot/r/_verify] and method [GET], allowed: [POST]"
    );

    let domain = scene.domain.clone();
    let panic = std::thread::spawn(move || domain.assert_no_unexpected_calls()).join().unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert_eq!(message, "unexpected calls of the fake domain: GET /_snapshot/a/b/c/d/e, GET /_snapshot/r/_verify");
}

// ---- faults

#[tokio::test]
async fn drop_before_skips_the_request_and_drop_after_only_the_response() {
    let scene = Scene::registered().await;
    scene.domain.fault(Fault::drop_before().on_method("PUT").times(1));
    scene.domain.fault(Fault::drop_after().on_method("PUT").times(1));

    assert!(scene.try_call("PUT", "/_snapshot/r/before", None).await.is_none());
    let event = scene.last_event();
    assert_eq!((event.verdict, event.fault, event.executed), (Verdict::Fault, Some("drop_before"), false));
    assert!(scene.try_call("PUT", "/_snapshot/r/after", None).await.is_none());
    let event = scene.last_event();
    assert_eq!(
        (event.verdict, event.fault, event.executed, event.status),
        (Verdict::Signed, Some("drop_after"), true, Some(200))
    );

    let names: Vec<_> = scene.domain.snapshots("r").into_iter().map(|snapshot| snapshot.name).collect();
    assert_eq!(names, ["after"]);
    assert_eq!(scene.call("GET", "/_snapshot/r/after", None).await.status, 200, "a fault with `times(1)` applies once");
}

#[tokio::test]
async fn a_fault_replaces_the_response_before_or_after_the_request_takes_effect() {
    let scene = Scene::registered().await;
    scene.domain.fault(Fault::status(429, "Too Many Requests", "text/plain").header("retry-after", "7").times(1));
    scene.domain.fault(Fault::garbage().times(1));
    scene.domain.fault(Fault::status_after(504).times(1));

    let throttled = scene.call("PUT", "/_snapshot/r/a", None).await;
    assert_eq!((throttled.status, throttled.text().as_str()), (429, "Too Many Requests"));
    assert!(
        throttled.head.contains("retry-after: 7") && throttled.head.contains("content-type: text/plain"),
        "{}",
        throttled.head
    );
    let garbage = scene.call("PUT", "/_snapshot/r/a", None).await;
    assert_eq!((garbage.status, garbage.text().as_str()), (200, "<html>nope</html>"));
    assert!(scene.domain.snapshots("r").is_empty());

    let late = scene.call("PUT", "/_snapshot/r/a", None).await;
    assert_eq!((late.status, late.text().contains("504 Gateway Timeout")), (504, true));
    assert_eq!(scene.domain.snapshots("r").len(), 1);
}

#[tokio::test]
async fn truncate_cuts_a_response_in_half_and_trickle_slows_it_down() {
    let scene = Scene::registered().await;
    let whole = scene.call("GET", "/_snapshot/r", None).await;
    scene.domain.fault(Fault::truncate().times(1));
    scene.domain.fault(Fault::trickle(Duration::from_millis(10)).times(1));

    let truncated = scene.call("GET", "/_snapshot/r", None).await;
    assert!(truncated.is_cut);
    assert_eq!(truncated.body, whole.body[..whole.body.len() / 2]);
    let before = scene.clock.monotonic();
    let trickled = scene.call("GET", "/_snapshot/r", None).await;
    assert_eq!(trickled.body, whole.body);
    // The response may be complete before the pause after its last byte.
    let pauses = Duration::from_millis(10) * u32::try_from(whole.body.len() - 1).unwrap();
    assert!(scene.clock.monotonic() >= before + pauses);
}

#[tokio::test]
async fn a_delayed_response_arrives_after_the_clients_timeout() {
    let scene = Scene::registered().await;
    scene.domain.fault(Fault::delay(Duration::from_secs(61)).times(2));

    let timeout = scene.clock.timeout(Duration::from_mins(1));
    tokio::select! {
        biased;
        _ = scene.call("PUT", "/_snapshot/r/s", None) => panic!("the response came first"),
        () = timeout => {}
    }
    assert_eq!(scene.domain.snapshots("r").len(), 1, "the server created the snapshot");
    let delayed = scene.call("GET", "/_snapshot/r/s", None).await;
    assert_eq!(delayed.status, 200, "without a pending time-out the response arrives");
}

#[tokio::test]
async fn a_late_request_takes_effect_after_its_connection_has_closed() {
    let scene = Scene::registered().await;
    scene.domain.fault(Fault::late(Duration::from_secs(30)).on_method("PUT").times(1));
    assert!(scene.try_call("PUT", "/_snapshot/r/s", None).await.is_none());
    assert_eq!(scene.call("GET", "/_snapshot/r/s", None).await.status, 404);

    scene.clock.advance(Duration::from_secs(31));
    let snapshot = scene.domain.snapshots("r").remove(0);
    assert_eq!(snapshot.start, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_030));
    let event = scene.last_event();
    assert_eq!((event.method.as_str(), event.fault, event.executed), ("PUT", Some("late"), true));
}

#[tokio::test]
async fn a_restart_closes_every_connection() {
    let scene = Scene::registered().await;
    let draft = scene.draft("GET", "/_snapshot", None).await;
    let headers = scene.sign(&draft);
    let mut idle = TcpStream::connect(scene.host()).await.unwrap();
    assert!(exchange(&mut idle, "GET", "/_snapshot", &headers, b"").await.is_some());
    assert!(
        exchange(&mut idle, "GET", "/_snapshot", &headers, b"").await.is_some(),
        "a connection serves several requests"
    );

    scene.domain.fault(Fault::restart().times(1));
    assert!(scene.try_call("PUT", "/_snapshot/r/s", None).await.is_none());
    assert!(exchange(&mut idle, "GET", "/_snapshot", &headers, b"").await.is_none());
    assert_eq!(scene.call("GET", "/_snapshot", None).await.status, 200);
}

#[test]
fn the_condition_of_a_fault_may_query_the_domain() {
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let scene = Scene::new().await;
            let domain = scene.domain.clone();
            scene.domain.fault(Fault::status(503, "", "text/plain").on(move |_, _| domain.events().is_empty()));
            let first = scene.call("GET", "/_snapshot", None).await.status;
            let second = scene.call("GET", "/_snapshot", None).await.status;
            scene.domain.clear_faults();
            done.send((first, second)).unwrap();
        });
    });
    let statuses = ended
        .recv_timeout(Duration::from_secs(20))
        .expect("the domain must not be locked while the condition of a fault runs");
    assert_eq!(statuses, (503, 200));
}

#[tokio::test]
async fn starts_and_stops_a_hundred_domains_in_turn() {
    for _ in 0..100 {
        let domain = FakeDomain::start().await;
        assert!(TcpStream::connect(domain.endpoint().strip_prefix("http://").unwrap()).await.is_ok());
    }
}

#[tokio::test]
async fn a_domain_stops_with_its_last_handle() {
    let scene = Scene::new().await;
    let (host, kept) = (scene.host(), scene.domain.clone());
    drop(scene);
    assert!(TcpStream::connect(&host).await.is_ok());
    drop(kept);
    // The thread of the domain closes its socket some time later.
    for _ in 0..10_000 {
        if TcpStream::connect(&host).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the domain still accepts connections");
}
