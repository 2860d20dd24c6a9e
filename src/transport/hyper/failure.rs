//! Classifies failed connections. Only this module inspects errors of hyper, rustls and the
//! resolver.

use std::error::Error as StdError;
use std::{fmt, io, iter};

use http::Uri;
use hyper_util::client::legacy::Error as ClientError;
use rustls::{AlertDescription, CertificateError};

use super::BoxError;
use super::proxy::ProxyFailure;
use crate::transport::TransportError;

/// The name of a host has no address, or the resolver failed.
#[derive(Debug)]
pub(super) struct Unresolved {
    pub(super) host: String,
    /// The host is the proxy.
    pub(super) is_proxy: bool,
    pub(super) source: BoxError,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot resolve the name {}", self.host)
    }
}

impl StdError for Unresolved {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

/// The server sent a TLS record, but the client speaks plain HTTP.
#[derive(Debug)]
pub(super) struct SpeaksTls;

impl fmt::Display for SpeaksTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server sent a TLS record")
    }
}

impl StdError for SpeaksTls {}

pub(super) fn transport_error(error: ClientError, uri: &Uri) -> TransportError {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if let Some(tls) = find_cause::<rustls::Error>(&error)
        && let Some(why) = lasting_reason(tls, authority, error.is_connect())
    {
        return TransportError::lasting(why, tls.clone());
    }
    if find_cause::<SpeaksTls>(&error).is_some() {
        let why = format!("{authority} speaks TLS: use https:// in the endpoint");
        return TransportError::lasting(why, SpeaksTls);
    }
    if let Some(failure) = find_cause::<ProxyFailure>(&error) {
        let why = failure.why(authority);
        return if failure.is_lasting() {
            TransportError::lasting(why, error)
        } else {
            TransportError::passing(why, error.into())
        };
    }
    if let Some(Unresolved { host, is_proxy, .. }) = find_cause(&error) {
        let why = if *is_proxy {
            format!("the name of the proxy {host} does not resolve: check its URL and the resolver of this host")
        } else {
            format!("the name {host} does not resolve: check the endpoint and the resolver of this host")
        };
        return TransportError::unresolved(why, error.into());
    }
    // hyper reports a request as canceled only if no byte of it was written.
    let unwritten = find_cause::<hyper::Error>(&error).is_some_and(hyper::Error::is_canceled);
    if error.is_connect() || unwritten { TransportError::not_sent(error) } else { TransportError::unknown(error) }
}

/// Returns whether a connection that failed with this error will fail again.
pub(super) fn is_lasting(error: &BoxError) -> bool {
    find_cause::<rustls::Error>(error.as_ref()).is_some_and(|tls| lasting_reason(tls, "", true).is_some())
        || find_cause::<ProxyFailure>(error.as_ref()).is_some_and(ProxyFailure::is_lasting)
}

/// Returns the first error of this type in the chain of sources. `io::Error::source` skips the
/// wrapped error, so it is followed by `get_ref`.
fn find_cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let next = |error: &&'a (dyn StdError + 'static)| -> Option<&'a (dyn StdError + 'static)> {
        let error: &'a (dyn StdError + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    };
    iter::successors(Some(error), next).find_map(|error| error.downcast_ref())
}

/// Returns why TLS with this server cannot work, and the way out. `None` if it may work later.
///
/// With TLS 1.3, the refusal of a client certificate arrives after the handshake. The client has
/// then written its request, but the server does not read it.
fn lasting_reason(error: &rustls::Error, host: &str, in_handshake: bool) -> Option<String> {
    use rustls::Error as Tls;
    Some(match error {
        Tls::AlertReceived(alert) if is_about_client_certificate(*alert) => {
            format!(
                "{host} requires a client certificate that it trusts: set one with \
                 `HyperTransportBuilder::client_certificate_pem`"
            )
        }
        _ if !in_handshake => return None,
        Tls::InvalidCertificate(reason) => format!("the certificate of {host} {}", certificate_problem(reason)),
        Tls::InvalidMessage(_) | Tls::PeerSentOversizedRecord => {
            format!("{host} does not speak TLS: if the port serves plain HTTP, use http:// in the endpoint")
        }
        Tls::PeerIncompatible(_) | Tls::AlertReceived(AlertDescription::ProtocolVersion) => {
            format!("{host} supports no version of TLS that this client offers, which are 1.2 and 1.3")
        }
        Tls::AlertReceived(alert) if is_lasting_alert(*alert) => format!(
            "{host} refused the TLS handshake: it does not know that name, supports no cipher that this client offers, or \
             requires a client certificate (`HyperTransportBuilder::client_certificate_pem`)"
        ),
        Tls::PeerMisbehaved(_)
        | Tls::InappropriateMessage { .. }
        | Tls::InappropriateHandshakeMessage { .. }
        | Tls::NoApplicationProtocol
        | Tls::UnsupportedNameType => format!("TLS with {host} is not possible"),
        _ => return None,
    })
}

fn certificate_problem(reason: &CertificateError) -> &'static str {
    match reason {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "is not signed by a trusted authority: add its authority with `HyperTransportBuilder::ca_pem`"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired: renew it, or correct the clock of this host"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet: correct the clock of this host"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another name: use a name from the certificate in the endpoint, and set \
             `SnapshotClientBuilder::connect_to` if that name leads to another host"
        }
        CertificateError::Revoked => "is revoked",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not a server certificate"
        }
        _ => "cannot be verified",
    }
}

fn is_about_client_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
    )
}

fn is_lasting_alert(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity
            | AlertDescription::IllegalParameter
            | AlertDescription::DecodeError
            | AlertDescription::ExportRestriction
            | AlertDescription::MissingExtension
            | AlertDescription::UnsupportedExtension
            | AlertDescription::UnrecognisedName
            | AlertDescription::NoApplicationProtocol
            | AlertDescription::EncryptedClientHelloRequired
    )
}
