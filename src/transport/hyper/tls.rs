//! Builds the TLS configuration: the authorities to trust, and the client certificate.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::HyperTransportBuilder;
use crate::error::Error;

/// The certificate authorities that a transport trusts, apart from those given as PEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustRoots {
    /// Mozilla's list, compiled in (feature `webpki-roots`).
    #[cfg(feature = "webpki-roots")]
    Webpki,
    /// The store of the operating system, read when the transport is built (feature
    /// `native-roots`).
    #[cfg(feature = "native-roots")]
    Native,
    /// Only those set with [`ca_pem`](HyperTransportBuilder::ca_pem).
    OnlyGiven,
}

impl HyperTransportBuilder {
    /// Parses the certificates.
    pub(super) fn tls(&self) -> Result<rustls::ClientConfig, Error> {
        let mut roots = rustls::RootCertStore::empty();
        match self.roots {
            #[cfg(feature = "webpki-roots")]
            TrustRoots::Webpki => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            #[cfg(feature = "native-roots")]
            TrustRoots::Native => {
                let found = rustls_native_certs::load_native_certs();
                for error in &found.errors {
                    tracing::warn!(%error, "some of the system's roots could not be read");
                }
                roots.add_parsable_certificates(found.certs);
            }
            TrustRoots::OnlyGiven => {}
        }
        let given = certificates(&self.ca, "CA")?;
        if given.is_empty() && !self.ca.is_empty() {
            return Err(Error::invalid(
                "the CA text contains no PEM certificate, expected `-----BEGIN CERTIFICATE-----`",
            ));
        }
        for certificate in given {
            roots
                .add(certificate)
                .map_err(|error| Error::invalid("the CA certificate cannot be used").with_source(error))?;
        }
        // Without an explicit provider, a crate that enables another one could change or break TLS.
        let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::invalid("the default TLS versions cannot be used").with_source(error))?
            .with_root_certificates(roots);
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some((chain, key)) => {
                let chain = certificates(chain, "client")?;
                if chain.is_empty() {
                    return Err(Error::invalid(
                        "the client certificate text contains no PEM certificate, expected `-----BEGIN CERTIFICATE-----`",
                    ));
                }
                // The parser's error is dropped, because it may quote the key.
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|_| Error::invalid("the key of the client certificate is not a PEM private key, expected one such as `-----BEGIN PRIVATE KEY-----`"))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    Error::invalid("the client certificate and its key cannot be used").with_source(error)
                })
            }
        }
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::invalid(format!("the {what} certificate is not valid PEM")).with_source(error))
}
