//! The checks of the domain: pure functions of what was read.

use std::time::Duration;

use super::facts::{Facts, Loaded, Presented, REPOSITORIES, Signer};
use super::text::{count, list, shown, span};
use super::{Check, CheckId, Examination};
use crate::client::ServerInfo;
use crate::error::{Cause, Error, ErrorKind};
use crate::repository::RepositoryInfo;

/// The largest difference of the clocks that is not worth a warning.
const SKEW: Duration = Duration::from_secs(60);

/// Returns the checks of the domain, in the order in which a request depends on them.
pub(super) fn checks(facts: &Facts, examination: &Examination) -> Vec<Check> {
    vec![
        endpoint(facts),
        tls(facts),
        clock(facts),
        credentials(facts),
        signature(facts),
        server(facts),
        signer(facts),
        repositories(facts, examination),
    ]
}

/// Returns the check that explains why the first request failed.
pub(super) fn blamed(failure: &Error) -> CheckId {
    match failure.diagnosis().map(|diagnosis| diagnosis.cause()) {
        Some(
            Cause::CertificateForOtherName
            | Cause::CertificateNotTrusted
            | Cause::CertificateOutOfDate
            | Cause::ClientCertificateRequired
            | Cause::WrongScheme,
        ) => return CheckId::Tls,
        Some(Cause::AnonymousRequest | Cause::SignatureRequired) => return CheckId::Credentials,
        _ => {}
    }
    match failure.kind() {
        ErrorKind::Credentials | ErrorKind::ExpiredToken | ErrorKind::Unauthenticated => CheckId::Credentials,
        ErrorKind::ClockSkew => CheckId::Clock,
        ErrorKind::Signature => CheckId::Signature,
        // `GET /` needs another permission than the snapshot API, so the list of repositories
        // decides.
        ErrorKind::AccessDenied | ErrorKind::NotAllowed => CheckId::Repositories,
        _ => CheckId::Endpoint,
    }
}

/// Returns the text of a check that was skipped because another one failed.
pub(super) fn because_of(failed: CheckId) -> String {
    format!("Not checked, because `{failed}` failed")
}

impl Facts {
    /// The check that explains why the first request failed, with its error.
    fn failure(&self) -> Option<(CheckId, &Error)> {
        self.server.as_ref().err().map(|failure| (blamed(failure), failure))
    }

    /// Whether the domain has sent a response.
    fn has_responded(&self) -> bool {
        self.server.as_ref().map_or_else(
            |failure| {
                failure.server().is_some() || matches!(failure.kind(), ErrorKind::Decode | ErrorKind::ResponseTooLarge)
            },
            |_| true,
        )
    }

    /// Makes a check, unless the first request failed because of it, or before it.
    fn check(&self, id: CheckId, is_reached: bool, check: impl FnOnce() -> Check) -> Check {
        match self.failure() {
            Some((failed, failure)) if failed == id => Check::of_error(id, failure),
            Some((failed, _)) if !is_reached => Check::skipped(id, because_of(failed)),
            _ => check(),
        }
    }
}

fn endpoint(facts: &Facts) -> Check {
    let id = CheckId::Endpoint;
    let host = shown(&facts.endpoint.target().to_string());
    let failure = facts.failure();
    let is_connected = failure.is_some_and(|(failed, _)| failed == CheckId::Tls);
    let check = facts.check(id, facts.has_responded() || is_connected, || {
        let what = if is_connected { "accepts connections" } else { "responds" };
        Check::pass(id, format!("{host} {what}"))
    });
    // Not every server explains in plain text that it speaks TLS.
    if !facts.endpoint.is_https()
        && let Some((CheckId::Endpoint, failure)) = failure
        && failure.kind() == ErrorKind::Interrupted
    {
        return check.with_advice("if the port speaks TLS, use `https://` in the endpoint");
    }
    check
}

fn tls(facts: &Facts) -> Check {
    let id = CheckId::Tls;
    let is_https = facts.endpoint.is_https();
    facts.check(id, facts.has_responded() || !is_https, || {
        if is_https {
            Check::pass(id, "The connection is encrypted, and the client trusts the certificate")
        } else if facts.endpoint.target().is_loopback() {
            Check::skipped(id, "The endpoint has `http://`, and the connection stays on this machine")
        } else {
            let remedy = "Use `https://` in the endpoint; Amazon domains support it on port 443";
            Check::warn(id, "The endpoint has `http://`, so others can read and change what is sent", remedy)
        }
    })
}

fn clock(facts: &Facts) -> Check {
    let id = CheckId::Clock;
    facts.check(id, facts.has_responded(), || {
        let Some(skew) = facts.skew else {
            return Check::skipped(id, "No response has a header `Date` that shows the time of the domain");
        };
        let apart = Duration::from_millis(skew.unsigned_abs());
        if apart.is_zero() {
            return Check::pass(id, "No response shows a difference between the clocks");
        }
        let side = if skew > 0 { "ahead of" } else { "behind" };
        let evidence = format!("The domain's clock is {} {side} this machine's", span(apart));
        if apart <= SKEW {
            return Check::pass(id, evidence);
        }
        let remedy = "Synchronise the clock of this machine: this client corrects its signatures by itself, but other \
                      programs cannot sign if the clock is wrong by more than some minutes";
        Check::warn(id, evidence, remedy)
    })
}

fn credentials(facts: &Facts) -> Check {
    let id = CheckId::Credentials;
    facts.check(id, true, || {
        let (requests, registrations) = (&facts.requests, &facts.registrations);
        for presented in [requests, registrations] {
            match presented {
                Presented::Signature(Err(failure)) => return Check::of_error(id, failure),
                Presented::Signature(Ok(loaded)) => {
                    if let Some(warning) = warning(loaded, facts) {
                        return warning;
                    }
                }
                Presented::Nothing | Presented::Header => {}
            }
        }
        match (requests, registrations) {
            (Presented::Signature(Ok(loaded)), _) => Check::pass(id, described("Requests", loaded, facts)),
            (Presented::Header, Presented::Signature(Ok(loaded))) => {
                let registrations = described("registrations", loaded, facts);
                Check::pass(id, format!("Requests carry a password, API key or token, and {registrations}"))
            }
            (_, Presented::Signature(Ok(loaded))) => Check::pass(id, described("Only registrations", loaded, facts)),
            (Presented::Header, _) => Check::pass(id, "Requests carry a password, API key or token"),
            _ => Check::skipped(id, "The client sends no credentials"),
        }
    })
}

/// Describes credentials by their source and expiry.
fn described(what: &str, loaded: &Loaded, facts: &Facts) -> String {
    let expiry = match loaded.expiry {
        Some(expiry) => format!("expire in {}", span(expiry.duration_since(facts.now).unwrap_or_default())),
        None => "do not expire".to_owned(),
    };
    format!("{what} are signed with credentials from {}, which {expiry}", provider(loaded))
}

fn provider(loaded: &Loaded) -> String {
    loaded.provider.as_deref().map_or_else(|| "the provider".to_owned(), shown)
}

/// Credentials that still sign, but not for long.
fn warning(loaded: &Loaded, facts: &Facts) -> Option<Check> {
    let what = if loaded.expiry.is_some_and(|expiry| expiry <= facts.now) {
        "have expired, and the provider returns no others"
    } else if loaded.is_kept {
        "should be renewed, and the provider returned no newer ones"
    } else {
        return None;
    };
    let evidence = format!("The credentials from {} {what}", provider(loaded));
    let remedy = "Check the provider of the credentials: calls fail once the domain refuses the present ones";
    Some(Check::warn(CheckId::Credentials, evidence, remedy))
}

fn signature(facts: &Facts) -> Check {
    let id = CheckId::Signature;
    if !facts.requests.is_signature() {
        return Check::skipped(
            id,
            "Requests are not signed; only a registration would show whether its signature works",
        );
    }
    facts.check(id, facts.reads.is_ok(), || {
        let region = facts.region.as_deref().unwrap_or_default();
        Check::pass(id, format!("The domain accepts a request that is signed for the Region {}", shown(region)))
    })
}

fn server(facts: &Facts) -> Check {
    let id = CheckId::Server;
    match &facts.server {
        Ok(server) => version(server),
        Err(failure) => match facts.reads {
            Ok(_) => Check::skipped(id, format!("The caller may not read the version of the server ({failure})")),
            Err(failed) => Check::skipped(id, because_of(failed)),
        },
    }
}

fn version(server: &ServerInfo) -> Check {
    let id = CheckId::Server;
    let mut numbers = server.version().split('.').map(|part| part.parse::<u32>().ok());
    let numbers = (numbers.next().flatten(), numbers.next().flatten());
    let (name, is_supported) = match (server.distribution(), numbers) {
        (None, (Some(major), Some(minor))) => ("Elasticsearch", (major, minor) >= (7, 10)),
        (Some("opensearch"), (Some(7), Some(10))) => ("OpenSearch in compatibility mode, which reports", true),
        (Some("opensearch"), (Some(major), _)) => ("OpenSearch", (1..=3).contains(&major)),
        _ => {
            let evidence = "The response to `GET /` is not that of Elasticsearch or OpenSearch";
            return Check::warn(id, evidence, "Check that the endpoint leads to the cluster itself");
        }
    };
    let evidence = format!("{name} {}", shown(server.version()));
    if is_supported {
        Check::pass(id, evidence)
    } else {
        let remedy = "Expect that some operations fail: this crate supports Elasticsearch 7.10 and later, and \
                      OpenSearch 1, 2 and 3";
        Check::warn(id, evidence, remedy)
    }
}

fn signer(facts: &Facts) -> Check {
    let id = CheckId::Signer;
    match facts.reads.as_ref().map(|reads| &reads.signer) {
        Err(failed) => Check::skipped(id, because_of(*failed)),
        Ok(None) => Check::skipped(id, "The client sends no credentials"),
        Ok(Some(Err(failure))) => Check::skipped(id, format!("The domain does not show the user ({failure})")),
        Ok(Some(Ok(Signer { name, .. }))) if name.is_empty() => {
            Check::skipped(id, "The response of the security plugin contains no user")
        }
        Ok(Some(Ok(Signer { name, roles }))) => {
            let roles = if roles.is_empty() { "none".to_owned() } else { list(roles.iter().map(String::as_str)) };
            Check::pass(id, format!("The caller is the user {}, with the roles: {roles}", shown(name)))
        }
    }
}

fn repositories(facts: &Facts, examination: &Examination) -> Check {
    let id = CheckId::Repositories;
    let found = match facts.reads.as_ref().map(|reads| &reads.repositories) {
        Err(failed) => return Check::skipped(id, because_of(*failed)),
        Ok(Err(failure)) => return Check::of_error(id, failure),
        Ok(Ok(found)) => found,
    };
    let registered = match found.all.as_slice() {
        [] => "No repository is registered".to_owned(),
        all => {
            format!("{}: {}", count(all.len() as u64, "repository"), list(all.iter().map(RepositoryInfo::name)))
        }
    };
    match &examination.repository {
        Some(name) if found.examined.is_empty() => {
            let evidence = format!("The repository {} is not registered. {registered}", shown(name.as_str()));
            let remedy =
                "Register it with `Repository::register`: a repository is registered on each domain separately";
            Check::fail(id, evidence, remedy).with_cause(Cause::RepositoryMissing)
        }
        None if found.all.is_empty() => {
            Check::warn(id, registered, "Register one with `Repository::register`: without it, nothing is backed up")
        }
        None if found.examined.len() == REPOSITORIES => {
            Check::pass(id, format!("{registered}; at most {REPOSITORIES} of them are examined, the first by name"))
        }
        _ => Check::pass(id, registered),
    }
}
