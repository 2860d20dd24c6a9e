//! What a failed connection means: the one place that tells the errors of hyper, rustls and the
//! resolver apart.

use std::error::Error as StdError;
use std::{fmt, io, iter};

use http::Uri;
use hyper_util::client::legacy::Error as ClientError;
use rustls::{AlertDescription, CertificateError};

use super::BoxError;
use crate::transport::TransportError;

/// The name of a host has no address, or the resolver does not say.
#[derive(Debug)]
pub(super) struct Unresolved {
    pub(super) host: String,
    pub(super) source: BoxError,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "name resolution of {} failed", self.host)
    }
}

impl StdError for Unresolved {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

/// The server sent a TLS record to a client that speaks plain HTTP.
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
    if let Some(tls) = cause::<rustls::Error>(&error)
        && let Some(why) = why_lasting(tls, authority, error.is_connect())
    {
        return TransportError::lasting(why, tls.clone());
    }
    if cause::<SpeaksTls>(&error).is_some() {
        let why = format!("{authority} speaks TLS: use https:// in the endpoint");
        return TransportError::lasting(why, SpeaksTls);
    }
    if let Some(name) = cause::<Unresolved>(&error) {
        let why = format!("the name {} does not resolve: check the endpoint, and the resolver of this host", name.host);
        return TransportError::unresolved(why, error.into());
    }
    // hyper gives a request back only if nothing of it was written; it calls that canceled.
    let unwritten = cause::<hyper::Error>(&error).is_some_and(hyper::Error::is_canceled);
    if error.is_connect() || unwritten { TransportError::not_sent(error) } else { TransportError::unknown(error) }
}

/// Whether a connection that failed this way fails again.
pub(super) fn is_lasting(error: &BoxError) -> bool {
    cause::<rustls::Error>(error.as_ref()).is_some_and(|tls| why_lasting(tls, "", true).is_some())
}

/// The first error of that type in the chain. An `io::Error` leaves out what it wraps when it is
/// asked for its source.
fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let next = |error: &&'a (dyn StdError + 'static)| -> Option<&'a (dyn StdError + 'static)> {
        let error: &'a (dyn StdError + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    };
    iter::successors(Some(error), next).find_map(|error| error.downcast_ref())
}

/// Why TLS with this server can never work, and the way out; `None` if it may work later.
///
/// With TLS 1.3 a server refuses the client's certificate when the client takes the handshake for
/// finished and has written its request, which the server then does not read.
fn why_lasting(error: &rustls::Error, host: &str, in_handshake: bool) -> Option<String> {
    use rustls::Error as Tls;
    Some(match error {
        Tls::AlertReceived(alert) if is_about_client_certificate(*alert) => {
            format!(
                "{host} wants a client certificate that it trusts: see `HyperTransportBuilder::client_certificate_pem`"
            )
        }
        _ if !in_handshake => return None,
        Tls::InvalidCertificate(reason) => format!("the certificate of {host} {}", certificate_trouble(reason)),
        Tls::InvalidMessage(_) | Tls::PeerSentOversizedRecord => {
            format!("{host} does not speak TLS: if it is a port of plain HTTP, use http:// in the endpoint")
        }
        Tls::PeerIncompatible(_) | Tls::AlertReceived(AlertDescription::ProtocolVersion) => {
            format!("{host} has no version of TLS in common with this client, which offers 1.2 and 1.3")
        }
        Tls::AlertReceived(alert) if is_lasting_alert(*alert) => format!(
            "{host} refused the TLS handshake: it does not know that name, has no cipher in common with this client, or wants \
             a client certificate (`HyperTransportBuilder::client_certificate_pem`)"
        ),
        Tls::PeerMisbehaved(_)
        | Tls::InappropriateMessage { .. }
        | Tls::InappropriateHandshakeMessage { .. }
        | Tls::NoApplicationProtocol
        | Tls::UnsupportedNameType => format!("TLS with {host} is not possible"),
        _ => return None,
    })
}

fn certificate_trouble(reason: &CertificateError) -> &'static str {
    match reason {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "is not signed by a trusted authority: trust its authority with `HyperTransportBuilder::ca_pem`"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired: renew it, or correct the clock of this host"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet: correct the clock of this host"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another name: use a name that it is for in the endpoint, and `SnapshotClientBuilder::connect_to` if that \
             name leads elsewhere"
        }
        CertificateError::Revoked => "is revoked",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "is not one for servers",
        _ => "does not verify",
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
