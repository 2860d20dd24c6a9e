//! Arguments and settings that the client refuses before it sends anything.

use std::time::{Duration, SystemTime};

use es_snapshot::client::RawRequest;
use es_snapshot::iam::{DomainArn, KeyArn, PrincipalArn, RoleArn, SnapshotAccess};
use es_snapshot::name::{DateMathName, IndexName, IndexPattern, RepositoryName, SnapshotName};
use es_snapshot::repository::{ByteSize, OtherSettings, RepositorySettings, UrlSettings};
use es_snapshot::restore::PreparedRestore;
use es_snapshot::snapshot::SnapshotToken;
use es_snapshot::testing::response;
use es_snapshot::transport::HyperTransport;
use es_snapshot::wait::{DeletionTicket, RestoreTicket, SnapshotTicket};
use es_snapshot::{
    Auth, CloneSnapshot, CreateSnapshot, Error, FsSettings, ListSnapshots, RestoreSnapshot, S3Settings, SnapshotClient,
    SnapshotInfo, SnapshotPattern, Ticket,
};
use futures_util::{FutureExt as _, StreamExt as _};
use http::Method;
use serde_json::{Value, json};

use super::sheet::{Sheet, backups, call_with, credentials, monday, signing};

const ROLE: &str = "arn:aws:iam::123456789012:role/TestRole";

pub(crate) fn add(sheet: &mut Sheet) {
    names(sheet);
    date_math(sheet);
    arns(sheet);
    small_values(sheet);
    endpoints(sheet);
    builders(sheet);
    certificates(sheet);
    proxies(sheet);
    repository_settings(sheet);
    policies(sheet);
    options(sheet);
    raw_requests(sheet);
    stored_forms(sheet);
}

fn names(sheet: &mut Sheet) {
    sheet.room("names");
    let long = "x".repeat(256);
    for (label, name) in [
        ("empty", ""),
        ("too long", &long),
        ("dots", ".."),
        ("control character", "a\u{7}b"),
        ("white space", "a b"),
        ("hash", "a#b"),
        ("escape", "a%2Fb"),
        ("underscore", "_all"),
        ("forbidden character", "a/b"),
    ] {
        sheet.refused(format!("repository, {label}"), name.parse::<RepositoryName>());
    }
    for (label, name) in
        [("date math", "<s-{now/d}>"), ("hyphen", "-a"), ("forbidden character", "a*b"), ("upper case", "Monday")]
    {
        sheet.refused(format!("snapshot, {label}"), name.parse::<SnapshotName>());
    }
    sheet.refused("snapshot pattern, no part", SnapshotPattern::new(Vec::<String>::new()));
    sheet.refused("snapshot pattern, forbidden character", SnapshotPattern::new(["a?b"]));
    for (label, name) in [("forbidden character", "a:b"), ("plus sign", "+a"), ("upper case", "Movies")] {
        sheet.refused(format!("index, {label}"), name.parse::<IndexName>());
    }
    for (label, pattern) in
        [("empty", ""), ("white space", "a b"), ("comma", "a,b"), ("all", "_all"), ("forbidden character", "a/b")]
    {
        sheet.refused(format!("index pattern, {label}"), pattern.parse::<IndexPattern>());
    }
}

fn date_math(sheet: &mut Sheet) {
    sheet.room("date-math names");
    for (label, expression) in [
        ("no brackets", "s-{now}"),
        ("backslash", r"<a\b>"),
        ("closing brace alone", "<a}>"),
        ("brace in a format", "<{now{a{b}}>"),
        ("backslash in a placeholder", r"<{now\}>"),
        ("no closing brace", "<{now>"),
        ("text after a format", "<{now{dd}x}>"),
        ("no anchor", "<{today}>"),
        ("large number", "<{now-99999999999d}>"),
        ("unknown unit", "<{now-1q}>"),
        ("no unit", "<{now-1}>"),
        ("rounding to a number", "<{now/2d}>"),
        ("unknown operator", "<{now*2d}>"),
        ("empty format", "<{now{}}>"),
        ("format with 8", "<{now{8dd}}>"),
        ("reserved character", "<{now{[dd}}>"),
        ("open quote", "<{now{'a}}>"),
        ("upper-case letter", "<{now{MMM}}>"),
        ("unknown letter", "<{now{G}}>"),
        ("unknown zone", "<{now{dd|Mars}}>"),
        ("invalid name", "<_s-{now{dd}}>"),
        ("before the year 1", "<s-{now-3000y}>"),
        ("date out of range", "<s-{now+9000y}>"),
    ] {
        sheet.refused(label, expression.parse::<DateMathName>());
    }
    // The name has 255 bytes in January, when it is parsed, and 256 in November.
    let long = format!("<{}{{now{{M}}}}>", "x".repeat(254)).parse::<DateMathName>().unwrap();
    let november = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    sheet.refused("resolved to an invalid name", long.resolve(november));
}

fn arns(sheet: &mut Sheet) {
    sheet.room("ARNs");
    let path = "x".repeat(65);
    let long = format!("arn:aws:iam::123456789012:role/{path}");
    for (label, arn) in [
        ("no prefix", "TestRole"),
        ("partition", "arn:azure:iam::123456789012:role/x"),
        ("account", "arn:aws:iam::12345:role/x"),
        ("service", "arn:aws:s3::123456789012:role/x"),
        ("Region", "arn:aws:iam:eu-west-1:123456789012:role/x"),
        ("length of the name", &long),
        ("character", "arn:aws:iam::123456789012:role/a b"),
        ("resource", "arn:aws:iam::123456789012:user/x"),
    ] {
        sheet.refused(format!("role, {label}"), RoleArn::try_from(arn));
    }
    let session = "arn:aws:sts::123456789012:assumed-role/R/s";
    sheet.refused("caller, session", PrincipalArn::try_from(session));
    sheet.refused("caller, resource", PrincipalArn::try_from("arn:aws:iam::123456789012:group/x"));
    for (label, arn) in [
        ("service", "arn:aws:opensearch:eu-west-1:123456789012:domain/logs"),
        ("Region", "arn:aws:es::123456789012:domain/logs"),
        ("resource", "arn:aws:es:eu-west-1:123456789012:logs"),
        ("name", "arn:aws:es:eu-west-1:123456789012:domain/Logs"),
    ] {
        sheet.refused(format!("domain, {label}"), DomainArn::try_from(arn));
    }
    for (label, arn) in [
        ("service", "arn:aws:s3:eu-west-1:123456789012:key/1"),
        ("alias", "arn:aws:kms:eu-west-1:123456789012:alias/backup"),
        ("character", "arn:aws:kms:eu-west-1:123456789012:key/a b"),
    ] {
        sheet.refused(format!("key, {label}"), KeyArn::try_from(arn));
    }
}

fn small_values(sheet: &mut Sheet) {
    sheet.room("sizes, tokens and credentials in headers");
    sheet.refused("size, unknown unit", "40 parsecs".parse::<ByteSize>());
    sheet.refused("token, too short", SnapshotToken::new("abc"));
    sheet.refused("user with a colon", Auth::basic("a:b", "secret"));
    sheet.refused("API key with a line break", Auth::api_key("a\nb"));
    sheet.refused("bearer token with a line break", Auth::bearer("a\nb"));
}

fn endpoints(sheet: &mut Sheet) {
    sheet.room("endpoints");
    let long = format!("https://search.example.org/{}", "x".repeat(1600));
    for (label, endpoint) in [
        ("fragment", "https://search.example.org/#a"),
        ("query", "https://search.example.org/?a=b"),
        ("password", "https://u:p@search.example.org"),
        ("not a URL", "not a URL"),
        ("no scheme", "search.example.org"),
        ("no host", "https:///logs"),
        ("dot at the end", "https://search.example.org."),
        ("IPv6 address", "https://[::x]"),
        ("character in the host", "https://a$b.example.org"),
        ("port", "https://search.example.org:99999"),
        ("long path", &long),
        ("segments of the path", "https://search.example.org/a//b"),
        ("character in the path", "https://search.example.org/a%20b"),
        ("OpenSearch Dashboards", "https://search.example.org/_dashboards/app/home#/"),
        ("Kibana", "https://search.example.org/_plugin/kibana/"),
        ("page of an application", "https://search.example.org/app/dev_tools#/console"),
        ("Kibana on Elastic Cloud", "https://logs.kb.eu-west-1.aws.found.io"),
        ("OpenSearch Serverless", "https://x1y2.eu-west-1.aoss.amazonaws.com"),
        ("OpenSearch UI", "https://application-x1y2.eu-west-1.opensearch.amazonaws.com"),
        ("OpenSearch Ingestion", "https://logs-x1y2.eu-west-1.osis.amazonaws.com"),
        ("configuration API", "https://es.eu-west-1.amazonaws.com"),
    ] {
        sheet.refused(label, SnapshotClient::builder(endpoint).build());
    }
    let tunnel = |address: &str| SnapshotClient::builder("https://search.example.org").connect_to(address).build();
    sheet.refused("address of a tunnel with a password", tunnel("u:p@localhost:9200"));
    sheet.refused("address of a tunnel without a port", tunnel("localhost"));
}

fn builders(sheet: &mut Sheet) {
    sheet.room("clients");
    let auth = Auth::basic("admin", "secret").unwrap();
    sheet.refused("unencrypted credentials", SnapshotClient::builder("http://search.example.org").auth(auth).build());
    let amazon = || SnapshotClient::builder("https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com");
    sheet.refused("unknown region", amazon().region("Europe").build());
    sheet.refused("another region than the host's", amazon().region("us-east-1").build());
    let elsewhere = SnapshotClient::builder("https://search.example.org").credentials(credentials());
    sheet.refused("no region", elsewhere.build());
    sheet.refused("user agent", amazon().user_agent("a\nb").build());
    let config = aws_types::SdkConfig::builder().build();
    sheet.refused("AWS configuration without credentials", amazon().sdk_config(&config));
    // This thread has no runtime.
    let client = SnapshotClient::builder("http://localhost:9200").build().unwrap();
    sheet.refused("no runtime", client.repositories().now_or_never().unwrap());
    let result = call_with(
        |_| Ok(response(200, "{}")),
        |builder| builder,
        async |client| client.with_opaque_id("a\nb").repositories().await,
    );
    sheet.refused("opaque id", result);
}

fn certificates(sheet: &mut Sheet) {
    const BROKEN: &str = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    const EMPTY: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    sheet.room("certificates");
    let with_ca = |pem: &str| HyperTransport::builder().ca_pem(pem).build();
    sheet.refused("authority, no certificate", with_ca("no certificate"));
    sheet.refused("authority, broken PEM", with_ca(BROKEN));
    sheet.refused("authority, no X.509", with_ca(EMPTY));
    let identity = |pem: &str, key: &str| HyperTransport::builder().client_certificate_pem(pem, key).build();
    sheet.refused("client, no certificate", identity("no certificate", KEY));
    sheet.refused("client, broken PEM", identity(BROKEN, KEY));
    sheet.refused("client, no key", identity(EMPTY, "no key"));
    sheet.refused("client, unusable key", identity(EMPTY, KEY));
}

fn proxies(sheet: &mut Sheet) {
    sheet.room("proxies");
    let with_proxy = |url: &str| HyperTransport::builder().proxy(url).build();
    sheet.refused("no URL", with_proxy("http://user:pass word@proxy:3128"));
    sheet.refused("another kind", with_proxy("socks5://proxy:1080"));
}

/// Registers a repository of the domain with this endpoint.
fn register(endpoint: &'static str, name: &str, settings: impl Into<RepositorySettings>) -> Result<(), Error> {
    let settings = settings.into();
    let clock = super::sheet::clock();
    let client = SnapshotClient::builder(endpoint)
        .transport(es_snapshot::testing::transport_fn(|_| Ok(response(200, r#"{"acknowledged":true}"#))))
        .clock(clock.clone())
        .build()?;
    clock.block_on(client.repository(name)?.register(settings))
}

fn repository_settings(sheet: &mut Sheet) {
    const HERE: &str = "http://localhost:9200";
    const AMAZON: &str = "https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com";
    sheet.room("settings of repositories");
    let s3 = || S3Settings::new("logs");
    for (label, settings) in [
        ("no bucket", S3Settings::new("").into()),
        ("bucket with a path", S3Settings::new("logs/2026").into()),
        ("slash before the path", s3().with_base_path("/2026").into()),
        ("Region", s3().with_region("Europe 1").into()),
        ("S3 endpoint", s3().with_endpoint("").into()),
        ("role", s3().with_role_arn("TestRole").into()),
        ("no location", RepositorySettings::from(FsSettings::new(""))),
        ("no URL", UrlSettings::new("").into()),
        ("no type", OtherSettings::new("").into()),
        ("mistaken key", s3().with_setting("read_only", true).into()),
        ("two values", s3().with_region("eu-west-1").with_setting("region", "us-east-1").into()),
    ] {
        sheet.refused(label, register(HERE, "backups", settings));
    }
    let secret = s3().with_setting("secret_key", "x");
    sheet.refused("unencrypted secret", register("http://search.example.org", "backups", secret));
    sheet.refused("reserved name", register(AMAZON, "cs-automated", s3().with_role_arn(ROLE)));
    sheet.refused("no role for an Amazon domain", register(AMAZON, "backups", s3()));
}

fn policies(sheet: &mut Sheet) {
    sheet.room("IAM policies");
    let access = |settings: S3Settings| {
        SnapshotAccess::new(&settings, "arn:aws:es:eu-west-1:123456789012:domain/logs".parse().unwrap())
    };
    let role = |bucket: &str| S3Settings::new(bucket).with_role_arn(ROLE);
    sheet.refused("no role", access(S3Settings::new("logs")));
    let chinese = "arn:aws-cn:iam::123456789012:role/TestRole";
    sheet.refused("role of another partition", access(S3Settings::new("logs").with_role_arn(chinese)));
    let without_bucket: RepositorySettings =
        serde_json::from_value(json!({"type": "s3", "settings": {"role_arn": ROLE}})).unwrap();
    let RepositorySettings::S3(without_bucket) = without_bucket else { panic!("{without_bucket:?}") };
    sheet.refused("no bucket", access(without_bucket));
    sheet.refused("alias of an access point", access(role("logs-x1y2-s3alias")));
    sheet.refused("wildcard in the bucket", access(role("logs*")));
    sheet.refused("wildcard in the path", access(role("logs").with_base_path("a?")));
    sheet.refused("slash before the path", access(role("logs").with_base_path("/a")));
}

fn options(sheet: &mut Sheet) {
    sheet.room("options");
    let create = |options: CreateSnapshot| {
        call_with(
            |_| Ok(response(200, "{}")),
            |builder| builder,
            async |client| backups(client).create_snapshot("monday", options).await,
        )
    };
    let metadata = |value: Value| value.as_object().unwrap().clone();
    sheet.refused("create, pattern", create(CreateSnapshot::new().with_indices(["a b"])));
    let reserved = metadata(json!({"es_snapshot_token": "x"}));
    sheet.refused("create, reserved metadata", create(CreateSnapshot::new().with_metadata(reserved)));
    let large = metadata(json!({"note": "x".repeat(2000)}));
    sheet.refused("create, large metadata", create(CreateSnapshot::new().with_metadata(large)));
    let cloned = call_with(
        |_| Ok(response(200, "{}")),
        |builder| builder,
        async |client| monday(client).clone_to("copy", CloneSnapshot::new(Vec::<String>::new())).await,
    );
    sheet.refused("clone, no pattern", cloned);
    let restore = |options: RestoreSnapshot| {
        call_with(|_| Ok(response(200, "{}")), |builder| builder, async |client| monday(client).restore(options).await)
    };
    let twice = RestoreSnapshot::new().with_partial(true).with_setting("partial", false);
    sheet.refused("restore, two values", restore(twice));
    sheet.refused("restore, half a rename", restore(RestoreSnapshot::new().with_setting("rename_pattern", "a")));
    let list = |options: ListSnapshots| {
        call_with(
            |_| Ok(response(200, "{}")),
            |builder| builder,
            async |client| backups(client).snapshots(options).next().await.unwrap(),
        )
    };
    sheet.refused("list, page size 0", list(ListSnapshots::new().with_page_size(0)));
    let bare = ListSnapshots::new().with_page_size(5).with_verbose(false);
    sheet.refused("list, pages without details", list(bare));
}

fn raw_requests(sheet: &mut Sheet) {
    sheet.room("raw requests");
    for (label, segment) in [("dots", ".."), ("separator", "a/b")] {
        let result = call_with(
            |_| Ok(response(200, "{}")),
            |builder| builder,
            async |client| client.raw(RawRequest::get(["_cat", segment])).await,
        );
        sheet.refused(label, result);
    }
    let lost = call_with(
        |_| Ok(response(504, "")),
        |builder| builder,
        async |client| client.raw(RawRequest::new(Method::PUT, ["movies"])).await,
    );
    sheet.refused("lost response to a write", lost);
    let signed_early = call_with(
        |_| Ok(response(200, "{}")),
        |builder| {
            let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
            signing(builder).clock(es_snapshot::testing::ManualClock::new(early))
        },
        async |client| client.raw(RawRequest::get(["_cat"])).await,
    );
    sheet.refused("clock before 1970", signed_early);
}

fn stored_forms(sheet: &mut Sheet) {
    fn decoded<T: serde::de::DeserializeOwned + std::fmt::Debug>(sheet: &mut Sheet, label: &str, value: &Value) {
        sheet.add_text(label, &serde_json::from_value::<T>(value.clone()).unwrap_err().to_string());
    }
    sheet.room("stored and configured JSON");
    let ticket = |kind: &str, version: u32| {
        json!({
            "kind": kind, "version": version, "repository": "backups", "snapshot": "monday",
        })
    };
    decoded::<Ticket>(sheet, "ticket, version", &ticket("snapshot", 2));
    let mut with_token = ticket("restore", 1);
    with_token["token"] = json!("token-of-the-test");
    decoded::<Ticket>(sheet, "ticket, token of a restore", &with_token);
    let mut nameless = ticket("snapshot", 1);
    nameless["snapshot"] = json!("Monday");
    decoded::<Ticket>(sheet, "ticket, name", &nameless);
    let snapshot = || Ticket::from(SnapshotTicket::new("backups", "monday").unwrap());
    let restore = Ticket::from(RestoreTicket::new("backups", "monday").unwrap());
    sheet.refused("ticket, not of a snapshot", SnapshotTicket::try_from(restore));
    sheet.refused("ticket, not of a restore", RestoreTicket::try_from(snapshot()));
    sheet.refused("ticket, not of a deletion", DeletionTicket::try_from(snapshot()));
    decoded::<PreparedRestore>(sheet, "prepared restore, version", &json!({"version": 2}));
    decoded::<SnapshotToken>(sheet, "token", &json!("abc"));
    decoded::<RepositoryName>(sheet, "name of a repository", &json!("a b"));
    decoded::<SnapshotPattern>(sheet, "pattern", &json!([]));
    decoded::<ByteSize>(sheet, "size", &json!("many"));
    decoded::<RoleArn>(sheet, "role", &json!("TestRole"));
    let unknown = json!({"type": "s3", "settings": {}, "crypto_settings": {}});
    decoded::<RepositorySettings>(sheet, "repository, unknown field", &unknown);
    let deep = (0..130).fold(json!(1), |inner, _| json!([inner]));
    decoded::<SnapshotInfo>(sheet, "snapshot, nested", &json!({"snapshot": "monday", "later": deep}));
}
