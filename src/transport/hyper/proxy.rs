//! Determines which connections lead through a proxy, and opens tunnels with `CONNECT`.

use std::error::Error as StdError;
use std::net::IpAddr;
use std::sync::Arc;
use std::{env, fmt};

use http::uri::Scheme;
use http::{HeaderValue, StatusCode, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::BoxError;
use crate::endpoint::{ConnectTarget, is_loopback};
use crate::error::Error;

/// The longest head of a response to `CONNECT`. In bytes.
const LONGEST_HEAD: u64 = 8 * 1024;

/// The first variable that is not empty names the proxy.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// What a builder sets.
#[derive(Clone)]
pub(super) enum ProxySetting {
    Environment,
    Direct,
    Url(String),
}

/// Does not show the URL, because it may contain a password.
impl fmt::Debug for ProxySetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::Direct => "Direct",
            Self::Url(_) => "Url(..)",
        })
    }
}

/// The proxy, and the hosts that need none.
#[derive(Debug)]
pub(super) struct Proxies {
    /// The error is why the environment variable cannot be used.
    proxy: Result<Option<Arc<Proxy>>, String>,
    /// Matches `https` to every host that is not in `NO_PROXY`.
    others: Matcher,
}

impl Proxies {
    pub(super) fn new(setting: &ProxySetting) -> Result<Self, Error> {
        Ok(match setting {
            ProxySetting::Direct => Self::from_variables(|_| None),
            ProxySetting::Environment => {
                Self::from_variables(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
            }
            ProxySetting::Url(url) => {
                let proxy = Proxy::parse(url).map_err(|why| Error::invalid(format!("the URL of the proxy {why}")))?;
                Self { proxy: Ok(Some(Arc::new(proxy))), others: all_except("") }
            }
        })
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|&name| Some((name, read(name).filter(|value| !value.trim().is_empty())?)))
        };
        let proxy = first(&VARIABLES).map(|(name, url)| match Proxy::parse(url.trim()) {
            Ok(proxy) => Ok(Arc::new(proxy)),
            Err(why) => Err(format!("the URL in the environment variable {name} {why}")),
        });
        let (_, exceptions) = first(&["NO_PROXY", "no_proxy"]).unwrap_or_default();
        Self { proxy: proxy.transpose(), others: all_except(&exceptions) }
    }

    /// Returns the proxy through which connections to this URI lead.
    pub(super) fn proxy_for(&self, uri: &Uri) -> Result<Option<Arc<Proxy>>, ProxyFailure> {
        let is_direct = is_local(uri.host().unwrap_or_default()) || self.others.intercept(uri).is_none();
        if is_direct { Ok(None) } else { self.proxy.clone().map_err(ProxyFailure::Unusable) }
    }
}

/// The matcher needs the URL of a proxy, which is not used. It has none for `http`, because a proxy
/// would see the credentials.
fn all_except(exceptions: &str) -> Matcher {
    Matcher::builder().https("http://proxy").no(exceptions).build()
}

/// Returns whether a host is on this machine or on its link, or in the network of Amazon's local
/// services, such as the metadata service at `fd00:ec2::254`. No proxy may connect to it.
fn is_local(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    is_loopback(host)
        || match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V4(address)) => address.is_link_local(),
            Ok(IpAddr::V6(address)) => {
                address.is_unicast_link_local() || address.segments().starts_with(&[0xfd00, 0x0ec2])
            }
            Err(_) => false,
        }
}

/// An HTTP proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    address: ConnectTarget,
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// Parses `http://user:password@host:port`. Errors do not show the text, because it may contain
    /// a password.
    fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "does not have the form http://user:password@host:port; in user and password, characters \
                            other than letters, digits and `-._~` must be percent-encoded";
        let uri: Uri = text.parse().map_err(|_| FORM)?;
        if uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP) {
            return Err("must start with http://, because SOCKS and TLS to the proxy are not supported");
        }
        // The parser drops fragments silently.
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('#') {
            return Err(FORM);
        }
        let authority = uri.authority().ok_or(FORM)?;
        let address = authority.as_str().split_once('@').map_or(authority.as_str(), |(_, address)| address);
        let has_port = address != authority.host();
        let address = if has_port { address.parse() } else { format!("{address}:80").parse() };
        // The matcher decodes the user and the password.
        let intercept = Matcher::builder().https(text).build().intercept(&Uri::from_static("https://domain"));
        let authorization = intercept.ok_or(FORM)?.basic_auth().cloned();
        Ok(Self { address: address.map_err(|_| FORM)?, authorization })
    }

    pub(super) fn address(&self) -> &ConnectTarget {
        &self.address
    }

    /// Makes the proxy connect this stream to the host of the URI.
    pub(super) async fn open_tunnel(&self, mut stream: TcpStream, uri: &Uri) -> Result<TcpStream, ProxyFailure> {
        let head = self.ask(&mut stream, uri).await.map_err(|error| self.failure(error))?;
        match status(&head) {
            Some(status) if !status.is_success() => {
                Err(ProxyFailure::Refused { proxy: self.address.to_string(), status })
            }
            // The domain speaks only after the client.
            Some(_) if head.ends_with(b"\r\n\r\n") => Ok(stream),
            _ => Err(self.failure("the response is not a response to CONNECT")),
        }
    }

    /// Sends `CONNECT`, and returns the head of the response and what has arrived behind it.
    async fn ask(&self, stream: &mut TcpStream, uri: &Uri) -> Result<Vec<u8>, BoxError> {
        let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(443));
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await?;
        let mut head = Vec::with_capacity(1024);
        let mut stream = stream.take(LONGEST_HEAD);
        while memmem::find(&head, b"\r\n\r\n").is_none() {
            if stream.read_buf(&mut head).await? == 0 {
                return Err(if stream.limit() == 0 {
                    format!("the head of the response is longer than {LONGEST_HEAD} bytes").into()
                } else {
                    "the proxy closed the connection".into()
                });
            }
        }
        Ok(head)
    }

    pub(super) fn failure(&self, source: impl Into<BoxError>) -> ProxyFailure {
        ProxyFailure::Failed { proxy: self.address.to_string(), source: source.into() }
    }
}

/// Returns the status in the first line of a response.
fn status(head: &[u8]) -> Option<StatusCode> {
    let [b'0' | b'1', b' ', first, second, third, b' ' | b'\r', ..] = head.strip_prefix(b"HTTP/1.")? else {
        return None;
    };
    StatusCode::from_bytes(&[*first, *second, *third]).ok()
}

/// Why no connection leads through a proxy. Nothing was sent to the domain.
#[derive(Debug)]
pub(super) enum ProxyFailure {
    /// The URL in an environment variable cannot be used.
    Unusable(String),
    /// The proxy responded with a failure.
    Refused { proxy: String, status: StatusCode },
    /// The proxy cannot be reached, or does not respond as a proxy.
    Failed { proxy: String, source: BoxError },
}

impl ProxyFailure {
    /// Returns whether another attempt cannot help until a setting is changed.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::Unusable(_) => true,
            Self::Refused { status, .. } => {
                status.is_client_error()
                    && !matches!(*status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
            }
            Self::Failed { .. } => false,
        }
    }

    /// Returns what failed for this host, and the way out.
    pub(super) fn why(&self, host: &str) -> String {
        match self {
            Self::Unusable(why) => why.clone(),
            Self::Refused { proxy, status: StatusCode::PROXY_AUTHENTICATION_REQUIRED } => format!(
                "the proxy {proxy} requires a user and password that it accepts (status 407): set them in its URL, \
                 http://user:password@host:port"
            ),
            Self::Refused { proxy, status } if self.is_lasting() => format!(
                "the proxy {proxy} refused a tunnel to {host} (status {}): allow the host and its port in the proxy, \
                 or add the host to NO_PROXY",
                status.as_u16()
            ),
            Self::Refused { proxy, status } => format!(
                "the proxy {proxy} could not connect to {host} (status {}): check the endpoint, and the route from \
                 the proxy to it",
                status.as_u16()
            ),
            Self::Failed { proxy, .. } => format!(
                "no connection through the proxy {proxy}: check that it is an HTTP proxy, and that this host can \
                 reach it"
            ),
        }
    }
}

impl fmt::Display for ProxyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(why) => f.write_str(why),
            Self::Refused { status, .. } => write!(f, "the proxy responded with {status}"),
            Self::Failed { .. } => f.write_str("the proxy failed"),
        }
    }
}

impl StdError for ProxyFailure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Failed { source, .. } => Some(source.as_ref()),
            Self::Unusable(_) | Self::Refused { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the address of the proxy, or the error, for a connection to this URI.
    fn proxy_for(variables: &[(&str, &str)], uri: &str) -> Option<String> {
        let read =
            |wanted: &str| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
        match Proxies::from_variables(read).proxy_for(&uri.parse().unwrap()) {
            Ok(proxy) => proxy.map(|proxy| proxy.address.to_string()),
            Err(failure) => Some(failure.to_string()),
        }
    }

    #[test]
    fn reads_the_first_variable_that_is_not_empty() {
        for (variables, expected) in [
            (&[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "http://b:2"), ("ALL_PROXY", "http://c:3")][..], "a:1"),
            (&[("HTTPS_PROXY", " "), ("https_proxy", "http://b:2"), ("ALL_PROXY", "http://c:3")], "b:2"),
            (&[("ALL_PROXY", "c:3"), ("all_proxy", "http://d:4")], "c:3"),
            (&[("all_proxy", "http://[::1]/")], "[::1]:80"),
        ] {
            assert_eq!(proxy_for(variables, "https://domain.test").as_deref(), Some(expected));
        }
        assert_eq!(proxy_for(&[("HTTP_PROXY", "http://a:1")], "https://domain.test"), None);
    }

    #[test]
    fn connects_directly_to_what_no_proxy_lists() {
        let list = ("NO_PROXY", "other.test, .Logs.Test,10.1.0.0/16, 2001:db8::/32");
        for (uri, is_direct) in [
            ("https://other.test", true),
            ("https://a.other.test:9200", true),
            ("https://another.test", false),
            ("https://x.logs.test", true),
            ("https://10.1.2.3", true),
            ("https://10.2.2.3", false),
            ("https://[2001:db8::5]:9200", true),
            ("https://[2001:db9::5]:9200", false),
        ] {
            assert_eq!(proxy_for(&[("HTTPS_PROXY", "http://p:1"), list], uri).is_none(), is_direct, "{uri}");
        }
        assert_eq!(proxy_for(&[("HTTPS_PROXY", "http://p:1"), ("no_proxy", "*")], "https://domain.test"), None);
    }

    #[test]
    fn connects_directly_to_loopback_and_link_local_and_over_http() {
        for (uri, is_direct) in [
            ("https://LOCALHOST:9200", true),
            ("https://127.1.2.3", true),
            ("https://[::1]:9200", true),
            ("https://[::ffff:127.0.0.1]", true),
            ("https://169.254.169.254", true),
            ("https://[::ffff:169.254.169.254]", true),
            ("https://[fe80::1]", true),
            ("https://[fd00:ec2::254]", true),
            ("http://domain.test", true),
            ("https://[fd00:ec3::254]", false),
            ("https://10.0.0.1", false),
            ("https://localhost.test", false),
        ] {
            assert_eq!(proxy_for(&[("HTTPS_PROXY", "http://p:1")], uri).is_none(), is_direct, "{uri}");
        }
    }

    #[test]
    fn reports_a_variable_that_cannot_be_used_only_to_hosts_that_need_the_proxy() {
        let variables = [("ALL_PROXY", "socks5://p:1"), ("NO_PROXY", "other.test")];

        assert!(proxy_for(&variables, "https://domain.test").unwrap().contains("variable ALL_PROXY must start with"));
        assert_eq!(proxy_for(&variables, "https://other.test"), None);
    }

    #[test]
    fn reads_the_user_and_the_password() {
        for (url, expected) in [
            ("http://user:p%40ss@proxy:3128", Some("Basic dXNlcjpwQHNz")),
            ("http://user@proxy:3128", Some("Basic dXNlcjo=")),
            ("http://proxy:3128", None),
        ] {
            let authorization = Proxy::parse(url).unwrap().authorization;
            assert_eq!(authorization.as_ref().map(|value| value.to_str().unwrap()), expected, "{url}");
        }
    }
}
