//! Parses the endpoint: the authority to sign, the address to connect to, and the region in Amazon
//! host names.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderValue;

use crate::error::Error;
use crate::region::is_amazon_region;

/// The host and port to which a transport connects.
///
/// This is the endpoint's own host, or the near end of a tunnel to it, as set with
/// [`SnapshotClientBuilder::connect_to`](crate::SnapshotClientBuilder::connect_to).
///
/// ```
/// use es_snapshot::transport::ConnectTarget;
///
/// let target: ConnectTarget = "[::1]:9200".parse()?;
/// assert_eq!((target.host(), target.port()), ("::1", 9200));
/// # Ok::<(), es_snapshot::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectTarget {
    host: String,
    port: u16,
}

impl ConnectTarget {
    /// Returns the host name or the IP address. An IPv6 address has no brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns whether traffic to this target stays on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

/// Returns whether traffic to this host stays on this machine. An IPv6 address has no brackets.
pub(crate) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Parses `host:port`. An IPv6 address must be in brackets.
impl FromStr for ConnectTarget {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // The text is not shown, because there may be a password before the `@`.
        if text.contains('@') {
            return Err(Error::invalid("the connect address must not contain a user or password, expected host:port"));
        }
        let invalid = || Error::invalid(format!("the connect address {text:?} does not have the form host:port"));
        let authority: http::uri::Authority = text.parse().map_err(|_| invalid())?;
        let port = authority.port_u16().filter(|&port| port != 0).ok_or_else(invalid)?;
        let host = without_brackets(authority.host());
        if host.is_empty() {
            return Err(invalid());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for ConnectTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
}

/// A parsed endpoint. The authority is signed and verified by TLS. The target is the address to
/// connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    https: bool,
    /// The value of the `Host` header: `host` or `host:port`, in lower case, without the scheme's
    /// default port.
    authority: String,
    host_header: HeaderValue,
    /// Empty, or `/segment…` without a trailing slash.
    prefix: String,
    target: ConnectTarget,
    /// Whether the target is another address than the endpoint's own.
    is_tunnelled: bool,
    region: Option<String>,
}

impl Endpoint {
    /// The longest path prefix, in bytes. Together with the longest names it fits into the 4,096
    /// bytes that servers accept as a request line.
    pub(crate) const LONGEST_PREFIX: usize = 1500;

    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| Err(Error::invalid(format!("the endpoint {why}")));
        // The address of a web page often has a query and a fragment. The error names the page.
        let page = page_of(text);
        let text = if page.is_some() { text.split(['?', '#']).next().unwrap_or_default() } else { text };
        // The URI parser drops fragments silently, so this checks the text.
        if text.contains('#') {
            return refuse("must not have a fragment (#…)");
        }
        if text.contains('?') {
            return refuse("must not have a query (?…)");
        }
        // The text is not shown, because it may contain a password.
        if text.contains('@') {
            return refuse("must not contain a user or password; pass them to `Auth::basic`");
        }
        let uri: http::Uri = match text.parse() {
            Ok(uri) => uri,
            Err(_) => {
                return refuse(&format!("{text:?} is not a URL such as https://vpc-NAME-ID.REGION.es.amazonaws.com"));
            }
        };
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return refuse(&format!("{text:?} must start with https:// or http://")),
        };
        let Some(authority) = uri.authority() else {
            return refuse(&format!("{text:?} has no host"));
        };
        let host = authority.host().to_ascii_lowercase();
        let bare_host = without_brackets(&host);
        if bare_host.is_empty() || bare_host.ends_with('.') {
            return refuse(&format!("{text:?} has a host that is empty or ends with a dot"));
        }
        if host.starts_with('[') && bare_host.parse::<std::net::Ipv6Addr>().is_err() {
            return refuse(&format!("{text:?} has an IPv6 address that is not valid"));
        }
        if !host.starts_with('[')
            && !bare_host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        {
            return refuse(&format!("{text:?} has a host with a character that host names must not contain"));
        }
        let default_port = if https { 443 } else { 80 };
        // The parser returns no port for one that is out of range, so this parses the text.
        let port = match authority.as_str().strip_prefix(authority.host()).unwrap_or_default() {
            "" => default_port,
            text_port => match text_port.strip_prefix(':').and_then(|port| port.parse().ok()) {
                Some(port) if port != 0 => port,
                _ => return refuse(&format!("{text:?} has a port that is not a number from 1 to 65535")),
            },
        };
        let prefix = parse_prefix(uri.path()).map_err(|why| Error::invalid(format!("the endpoint {text:?} {why}")))?;
        let region = amazon_region(bare_host)?;
        if let Some(page) = page {
            return refuse(&format!("{text:?} is the address of {page}; leave that path off"));
        }
        let authority = if port == default_port { host.clone() } else { format!("{host}:{port}") };
        let Ok(host_header) = HeaderValue::from_str(&authority) else {
            return refuse(&format!("{text:?} has a host that a header must not contain"));
        };
        Ok(Self {
            https,
            authority,
            host_header,
            prefix,
            target: ConnectTarget { host: bare_host.to_owned(), port },
            is_tunnelled: false,
            region,
        })
    }

    pub(crate) fn with_target(mut self, target: ConnectTarget) -> Self {
        self.is_tunnelled = target != self.target;
        self.target = target;
        self
    }

    /// Returns whether the client connects to another address than the endpoint's own.
    pub(crate) fn is_tunnelled(&self) -> bool {
        self.is_tunnelled
    }

    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    /// Returns the value of the `Host` header.
    pub(crate) fn host_header(&self) -> &HeaderValue {
        &self.host_header
    }

    pub(crate) fn target(&self) -> &ConnectTarget {
        &self.target
    }

    /// Returns the path that precedes the path of every request. It is empty, or `/segment…`.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the region in an Amazon host name.
    pub(crate) fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Returns the URI of a path and query below this endpoint, without changing a byte of them.
    pub(crate) fn uri(&self, path_and_query: &str) -> String {
        let scheme = if self.https { "https://" } else { "http://" };
        [scheme, &self.authority, &self.prefix, path_and_query].concat()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri(""))
    }
}

/// Parses a path prefix, which a reverse proxy may require. It must not contain anything that a
/// proxy could rewrite.
fn parse_prefix(path: &str) -> Result<String, String> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(String::new());
    }
    if path.len() > Endpoint::LONGEST_PREFIX {
        return Err(format!(
            "has a path of {} bytes, but at most {} are allowed, because servers accept request lines of 4096 bytes",
            path.len(),
            Endpoint::LONGEST_PREFIX
        ));
    }
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        if segment.is_empty() || segment == "." || segment == ".." {
            return Err("must not have empty, `.` or `..` segments in its path".to_owned());
        }
        if !segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~')) {
            return Err("has a path with characters other than letters, digits and `-_.~`".to_owned());
        }
    }
    Ok(path.to_owned())
}

/// Returns the application whose web page has this address, if it certainly is one.
fn page_of(text: &str) -> Option<&'static str> {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let segments: Vec<&str> = path.split('/').skip(1).filter(|segment| !segment.is_empty()).collect();
    let has = |folder: &str, within: &[&str]| {
        segments.windows(2).any(|pair| matches!(pair, [first, second] if *first == folder && within.contains(second)))
    };
    if segments.contains(&"_dashboards") {
        Some("OpenSearch Dashboards (/_dashboards)")
    } else if has("_plugin", &["kibana"]) {
        Some("Kibana (/_plugin/kibana)")
    } else if has(
        "app",
        &["kibana", "dashboards", "opensearch-dashboards", "opensearch_dashboards", "discover", "dev_tools"],
    ) {
        Some("Kibana or OpenSearch Dashboards (/app/…)")
    } else {
        None
    }
}

/// The suffixes of Amazon's host names, in each partition that has domains.
const AMAZON: [&[&str]; 8] = [
    &["amazonaws", "com"],
    &["amazonaws", "com", "cn"],
    &["amazonaws", "eu"],
    &["on", "aws"],
    &["api", "aws"],
    &["on", "amazonwebservices", "com", "cn"],
    &["api", "amazonwebservices", "com", "cn"],
    &["api", "amazonwebservices", "eu"],
];

/// The suffixes of Elastic Cloud's host names.
const ELASTIC_CLOUD: [&[&str]; 4] =
    [&["found", "io"], &["cloud", "es", "io"], &["elastic-cloud", "com"], &["elastic", "cloud"]];

/// Returns the region of an Amazon domain's host, and `None` for any other host. A host without a
/// snapshot API is an error.
fn amazon_region(host: &str) -> Result<Option<String>, Error> {
    let labels: Vec<&str> = host.split('.').collect();
    let refuse = |what: &str| Err(Error::invalid(format!("the endpoint {host:?} is {what}")));
    if ELASTIC_CLOUD.iter().any(|end| labels.ends_with(end)) && labels.get(1) == Some(&"kb") {
        return refuse("Kibana, which has no snapshot API; use the deployment's Elasticsearch endpoint");
    }
    if !AMAZON.iter().any(|end| labels.ends_with(end)) {
        return Ok(None);
    }
    let has = |names: &[&str]| labels.iter().any(|label| names.contains(label));
    if has(&["aoss", "aoss-fips"]) {
        return refuse("OpenSearch Serverless, which has no snapshot API; use an OpenSearch Service domain");
    }
    if has(&["opensearch", "opensearch-fips"]) {
        return refuse(
            "an OpenSearch UI application, which has no snapshot API; use the domain's own endpoint, search-… or vpc-…",
        );
    }
    if has(&["osis", "osis-fips"]) {
        return refuse(
            "OpenSearch Ingestion, which has no snapshot API; use the domain's own endpoint, search-… or vpc-…",
        );
    }
    if matches!(labels.first(), Some(&("es" | "es-fips"))) {
        return refuse("the configuration API of the service; use the domain's own endpoint, search-… or vpc-…");
    }
    let region = match labels.as_slice() {
        [name, region, "es", "amazonaws", "com" | "eu"]
        | [name, region, "es", "amazonaws", "com", "cn"]
        | [name, "aos", region, "on", "aws"]
        | [name, "aos", region, "on", "amazonwebservices", "com", "cn"] => Some((*name, *region)),
        _ => None,
    };
    Ok(region
        .filter(|(name, region)| (name.starts_with("search-") || name.starts_with("vpc-")) && is_amazon_region(region))
        .map(|(_, region)| region.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Endpoint {
        Endpoint::parse(text).unwrap()
    }

    #[test]
    fn reads_the_region_from_every_form_of_amazon_host() {
        let cases = [
            ("https://search-movies-abc123.eu-west-1.es.amazonaws.com", Some("eu-west-1")),
            ("https://vpc-logs-x1y2.ap-northeast-1.es.amazonaws.com/", Some("ap-northeast-1")),
            ("https://vpc-logs-x1y2.cn-north-1.es.amazonaws.com.cn", Some("cn-north-1")),
            ("https://search-x-1.us-gov-east-1.es.amazonaws.com", Some("us-gov-east-1")),
            ("https://vpc-x-1.aos.us-east-2.on.aws", Some("us-east-2")),
            ("https://vpc-x-1.aos.cn-north-1.on.amazonwebservices.com.cn", Some("cn-north-1")),
            ("https://vpc-x-1.eusc-de-east-1.es.amazonaws.eu", Some("eusc-de-east-1")),
            ("https://search-opensearch-1.eu-west-1.es.amazonaws.com", Some("eu-west-1")),
            ("https://VPC-X-1.US-EAST-1.ES.AMAZONAWS.COM", Some("us-east-1")),
            ("https://logs.example.org", None),
            ("https://vpc-x.eu-west-1.es.amazonaws.com.example.org", None),
        ];
        for (url, region) in cases {
            assert_eq!(parse(url).region(), region, "{url}");
        }
    }

    #[test]
    fn refuses_hosts_without_a_snapshot_api_and_names_the_reason() {
        for (url, part) in [
            ("https://abc.us-east-1.aoss.amazonaws.com", "Serverless"),
            ("https://abc.us-gov-east-1.aoss-fips.amazonaws.com", "Serverless"),
            ("https://abc.aoss.us-east-1.on.aws", "Serverless"),
            ("https://abc.aoss-fips.us-east-1.on.aws", "Serverless"),
            ("https://aoss.us-east-1.api.aws", "Serverless"),
            ("https://abc.us-east-1.aoss.amazonaws.com/_dashboards/app/home#/", "Serverless"),
            ("https://dashboards.us-east-1.aoss.amazonaws.com/_login/", "Serverless"),
            ("https://abc.cn-north-1.aoss.amazonaws.com.cn", "Serverless"),
            ("https://application-logs-x1y2.us-east-1.opensearch.amazonaws.com", "OpenSearch UI"),
            ("https://logs-x1y2.us-east-1.osis.amazonaws.com", "Ingestion"),
            ("https://es.us-east-1.amazonaws.com", "configuration API"),
            ("https://es-fips.us-east-1.api.aws", "configuration API"),
            ("https://logs-x1y2.kb.us-east-1.aws.found.io:9243", "Kibana"),
            ("https://logs-x1y2.kb.europe-west1.gcp.cloud.es.io", "Kibana"),
            ("https://logs-x1y2.kb.us-east-1.aws.elastic.cloud", "Kibana"),
        ] {
            let error = Endpoint::parse(url).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(part), "{url}: {error}");
        }
    }

    #[test]
    fn refuses_the_address_of_a_web_page_and_names_the_way_out() {
        for url in [
            "https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com/_dashboards",
            "https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com/_dashboards/app/home#/",
            "https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com/_dashboards/?security_tenant=global",
            "https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com/_plugin/kibana/",
            "https://vpc-logs-x1y2.eu-west-1.es.amazonaws.com/_plugin/kibana/app/kibana#/home",
            "https://search.example.org/proxy/_dashboards/app/home",
            "http://localhost:5601/app/dev_tools#/console",
            "http://localhost:5601/s/ops/app/kibana",
        ] {
            let error = Endpoint::parse(url).unwrap_err().to_string();
            assert!(error.contains("leave that path off"), "{url}: {error}");
        }
    }

    #[test]
    fn accepts_a_path_that_only_resembles_that_of_a_web_page() {
        for url in [
            "https://h/dashboards",
            "https://h/kibana",
            "https://h/app/es",
            "https://_dashboards/",
            "https://h/x_dashboards",
        ] {
            assert!(Endpoint::parse(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn refuses_urls_that_are_not_endpoints() {
        for url in [
            "",
            "localhost:9200",
            "ftp://h",
            "https://",
            "https://user:pw@h",
            "https://h/?a=b",
            "https://h/#f",
            "https://h/a/../b",
            "https://h/./b",
            "https://h//b",
            "https://h/%2e%2e",
            "https://h:0",
            "https://h:",
            "https://h:99999",
            "https://h.",
            "https://[::1",
            "https://h ost",
            &format!("https://h/{}", "p".repeat(Endpoint::LONGEST_PREFIX)),
        ] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn does_not_show_a_password_in_the_url() {
        let error = Endpoint::parse("https://user:hunter2@h").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn signs_the_port_unless_it_is_the_default_one() {
        assert_eq!(parse("https://h:443").authority, "h");
        assert_eq!(parse("http://h:80").authority, "h");
        assert_eq!(parse("https://h:9200").authority, "h:9200");
        assert_eq!(parse("https://[::1]:9200").authority, "[::1]:9200");
        assert_eq!(parse("https://[::1]:9200").target().host(), "::1");
    }

    #[test]
    fn puts_the_prefix_before_every_path() {
        assert_eq!(parse("https://h/es/").uri("/_snapshot"), "https://h/es/_snapshot");
    }

    #[test]
    fn refuses_connect_addresses_without_a_host_or_a_port() {
        for address in ["", ":9243", "[]:9243", "localhost", "localhost:", "localhost:0", "localhost:99999", "::1"] {
            assert!(address.parse::<ConnectTarget>().is_err(), "{address}");
        }
    }

    #[test]
    fn recognises_only_real_loopback_addresses() {
        for (address, loopback) in [
            ("localhost:1", true),
            ("127.8.8.8:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("127.0.0.1.example.org:1", false),
            ("10.0.0.1:1", false),
        ] {
            assert_eq!(address.parse::<ConnectTarget>().unwrap().is_loopback(), loopback, "{address}");
        }
    }
}
