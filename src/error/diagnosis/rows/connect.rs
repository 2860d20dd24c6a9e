//! Why no connection was made: proxies, names, routes, TLS.

use super::super::{Basis, Cause, ErrorKind};
use super::{ANY, Row, Source};

pub(super) const ROWS: &[Row] = &[
    Row {
        cause: Cause::ProxyLoginRefused,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &["requires a user and password that it accepts (status 407)"],
        why: "the proxy on the way to {host} requires a user and password, or refuses those in its URL",
        action: "set them in the URL of the proxy, in the variable `HTTPS_PROXY` or \
              `HyperTransportBuilder::proxy`; percent-encode characters such as `@` and `:` in them",
        ..ANY
    },
    Row {
        cause: Cause::ProxyRefused,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &["refused a tunnel to … allow the host and its port in the proxy"],
        why: "the rules of the proxy do not allow a tunnel to {host} or to its port",
        action: "allow the host and the port in the rules of the proxy; if the host can be reached directly, add it \
              to the variable `NO_PROXY`, or set `HyperTransportBuilder::no_proxy`",
        ..ANY
    },
    Row {
        cause: Cause::ProxyCannotConnect,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &["could not connect to … check the endpoint, and the route from the proxy to it"],
        why: "the proxy could not resolve the name of {host}, or has no route to it",
        action: "check the endpoint, and that the proxy can resolve and reach it: a domain in a VPC responds only to a \
              proxy inside the VPC",
        ..ANY
    },
    Row {
        cause: Cause::ProxyFailed,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &["no connection through the proxy", "the name of the proxy … does not resolve"],
        why: "the proxy on the way to {host} may be down, its URL may be wrong, or it may wait for a domain that does \
              not respond to it",
        action: "check the URL in the variable `HTTPS_PROXY` or `HyperTransportBuilder::proxy`, and whether the proxy \
              reaches the domain; if no proxy is needed, add the host to `NO_PROXY`, or set \
              `HyperTransportBuilder::no_proxy`",
        ..ANY
    },
    Row {
        cause: Cause::VpcUnreachable,
        basis: Basis::Documented,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &["no connection within "],
        when: |seen| seen.is_direct_to_vpc(),
        note: "host `vpc-…`",
        why: "no route may lead to {host}, or a security group may drop the connection: a domain in a VPC does not \
              respond from outside the VPC",
        action: "call from inside the VPC, through a proxy (`HyperTransportBuilder::proxy`), or through a tunnel \
              whose address `SnapshotClientBuilder::connect_to` sets; allow port 443 from the caller in the security group of the domain",
        ..ANY
    },
    Row {
        cause: Cause::NameNotResolved,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        when: |seen| seen.error.is_unresolved(),
        shown: &["the name … does not resolve: check the endpoint and the resolver of this host"],
        why: "{host} has no address: the endpoint may be mistyped, the resolver of this machine may have failed, or \
              the domain may be deleted",
        action: "check the endpoint, and resolve the name on this machine; if that fails only in a container with \
              musl (Alpine before 3.18), the response of the name server may be too large for it, as for VPC domains \
              with more than 20 nodes: use another image",
        ..ANY
    },
    Row {
        cause: Cause::ConnectionRefused,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &["Connection refused (os error "],
        shown: &["Connection refused"],
        why: "nothing listens on the port of {host}, or a firewall refuses the connection",
        action: "check the port in the endpoint, which is 443 for Amazon domains and often 9200 for others, and that \
              the server or the tunnel is running",
        ..ANY
    },
    Row {
        cause: Cause::CertificateForOtherName,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &["is for another name: use a name from the certificate in the endpoint"],
        why: "the certificate of the server does not contain the name of {host}",
        action: "use a name from the certificate in the endpoint (that of a domain is `*.REGION.es.amazonaws.com`), \
              and set the address of a tunnel with `SnapshotClientBuilder::connect_to`; an alias of your own needs a \
              custom endpoint of the domain with its own certificate",
        ..ANY
    },
    Row {
        cause: Cause::CertificateNotTrusted,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &["is not signed by a trusted authority: add its authority with"],
        why: "the certificate of {host} is not signed by an authority that the client trusts: the trusted roots may \
              be old, the cluster may have an authority of its own, or a proxy may intercept TLS",
        action: "add the authority with `HyperTransportBuilder::ca_pem`; Amazon domains need Amazon Root CA 1, \
              Starfield G2 or Starfield Class 2",
        ..ANY
    },
    Row {
        cause: Cause::CertificateOutOfDate,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &[
            "has expired: renew it, or correct the clock of this host",
            "is not valid yet: correct the clock of this host",
        ],
        why: "the certificate of {host} is not valid now, or the clock of this machine is wrong",
        action: "check the clock of this machine, and otherwise renew the certificate",
        ..ANY
    },
    Row {
        cause: Cause::ClientCertificateRequired,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &["requires a client certificate that it trusts: set one with"],
        why: "{host} requires a client certificate that it trusts",
        action: "set one with `HyperTransportBuilder::client_certificate_pem`",
        ..ANY
    },
    Row {
        cause: Cause::WrongScheme,
        basis: Basis::Observed,
        source: Source::Client,
        kinds: &[ErrorKind::Connect],
        texts: &[
            "speaks TLS: use https:// in the endpoint",
            "does not speak TLS: if the port serves plain HTTP, use http:// in the endpoint",
        ],
        why: "the endpoint has `http://` and the port speaks TLS, or the endpoint has `https://` and the port does not",
        action: "change the scheme of the endpoint for {host}; Amazon domains need `https://`",
        ..ANY
    },
];
