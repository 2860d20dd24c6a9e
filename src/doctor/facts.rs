//! Reads what the checks need: the only part of the examination with I/O.

use std::time::SystemTime;

use serde_json::Value;

use super::domain::blamed;
use super::{CheckId, Examination};
use crate::auth::{CredentialCache, Scheme};
use crate::call::Session;
use crate::client::{RawRequest, ServerInfo, SnapshotClient};
use crate::endpoint::Endpoint;
use crate::error::{Error, Operation};
use crate::name::RepositoryName;
use crate::repository::{RepositoryInfo, RepositorySettings};
use crate::snapshot::{SnapshotInfo, SnapshotState};

/// How many repositories are examined.
pub(super) const REPOSITORIES: usize = 50;
/// How many snapshots are read one by one, if the server cannot list them together.
pub(super) const SINGLES: usize = 20;

/// What was read for an examination.
pub(super) struct Facts {
    pub(super) endpoint: Endpoint,
    /// The domain's Region, if it is Amazon's.
    pub(super) region: Option<String>,
    /// The domain's time.
    pub(super) now: SystemTime,
    /// How far the domain's clock is ahead of this machine's, in milliseconds. `None` if no
    /// response shows the time.
    pub(super) skew: Option<i64>,
    pub(super) requests: Presented,
    /// Registrations may be signed where other requests are not.
    pub(super) registrations: Presented,
    pub(super) server: Result<ServerInfo, Error>,
    /// The check that failed with the first request, if that makes other requests pointless.
    pub(super) reads: Result<Reads, CheckId>,
}

/// What requests are authenticated with.
pub(super) enum Presented {
    Nothing,
    Header,
    Signature(Result<Loaded, Error>),
}

/// Credentials that a provider has returned.
pub(super) struct Loaded {
    pub(super) provider: Option<String>,
    pub(super) expiry: Option<SystemTime>,
    /// Whether a renewal was due and failed.
    pub(super) is_kept: bool,
}

/// What was read after the first request.
pub(super) struct Reads {
    /// `None` if requests are not authenticated.
    pub(super) signer: Option<Result<Signer, Error>>,
    pub(super) repositories: Result<Repositories, Error>,
}

/// The user that the security plugin assigns to the caller.
#[derive(Default)]
pub(super) struct Signer {
    /// Empty if the response contains none.
    pub(super) name: String,
    pub(super) roles: Vec<String>,
}

/// The repositories of the domain, and what was read of some of them.
pub(super) struct Repositories {
    pub(super) all: Vec<RepositoryInfo>,
    pub(super) running: Result<Vec<Running>, Error>,
    pub(super) examined: Vec<Examined>,
}

/// A snapshot that is running.
pub(super) struct Running {
    pub(super) repository: Option<String>,
    pub(super) name: String,
}

/// What was read of a repository.
pub(super) struct Examined {
    pub(super) info: RepositoryInfo,
    /// The repository belongs to the Amazon service.
    pub(super) is_amazons: bool,
    pub(super) listing: Result<Listing, Error>,
    pub(super) verification: Verification,
}

/// The snapshots of a repository, counted.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) readable: u64,
    /// How many snapshots cannot be read, of at most [`SINGLES`].
    pub(super) unreadable: u64,
    /// Why the first of them cannot be read, or why the server cannot list them together.
    pub(super) failure: Option<Error>,
    pub(super) newest: Option<Ended>,
    pub(super) newest_complete: Option<Ended>,
}

/// A snapshot that has ended.
#[derive(Clone)]
pub(super) struct Ended {
    pub(super) name: String,
    pub(super) state: SnapshotState,
    /// When it started, and when it ended.
    pub(super) times: [Option<SystemTime>; 2],
}

/// A verification, or why there was none.
pub(super) enum Verification {
    /// The number of nodes.
    Made(Result<u64, Error>),
    TurnedOff,
    ReadOnly,
    /// The listing failed, so a verification would fail as well.
    Unlistable,
}

/// Sends the requests of an examination. The pure functions of the other files draw conclusions.
pub(super) async fn gather(client: &SnapshotClient, examination: &Examination) -> Facts {
    let session = client.session();
    let core = &session.core;
    let server = client.server_info().await;
    let requests = present(session, Operation::ServerInfo).await;
    let registrations = present(session, Operation::RegisterRepository).await;
    // A client signs only for Amazon's domains.
    let signs = requests.is_signature() || registrations.is_signature();
    let region = core.endpoint.region().or(core.authorizer.region().filter(|_| signs)).map(str::to_owned);
    let is_amazon = region.is_some();

    let reads = match server.as_ref().err().map(blamed) {
        None | Some(CheckId::Repositories) => {
            let signer = match requests {
                Presented::Nothing => None,
                _ => Some(read_signer(client, server.as_ref().ok(), is_amazon).await),
            };
            Ok(Reads { signer, repositories: read_repositories(client, examination, is_amazon).await })
        }
        Some(failed) => Err(failed),
    };
    Facts {
        endpoint: core.endpoint.clone(),
        region,
        now: client.now(),
        skew: core.skew.learned(),
        requests,
        registrations,
        server,
        reads,
    }
}

impl Presented {
    pub(super) fn is_signature(&self) -> bool {
        matches!(self, Self::Signature(_))
    }
}

async fn present(session: &Session, operation: Operation) -> Presented {
    match session.core.authorizer.scheme(operation) {
        Scheme::None => Presented::Nothing,
        Scheme::Header(..) => Presented::Header,
        Scheme::SigV4(cache) => Presented::Signature(load(session, cache).await),
    }
}

async fn load(session: &Session, cache: &CredentialCache) -> Result<Loaded, Error> {
    let grant = cache.get(session.core.now(), session.options.timeouts.call).await?;
    let (provider, expiry) = (grant.key.provider(), grant.key.credentials().expiry());
    Ok(Loaded { provider, expiry, is_kept: grant.failure.is_some() })
}

async fn read_signer(client: &SnapshotClient, server: Option<&ServerInfo>, is_amazon: bool) -> Result<Signer, Error> {
    const OPENSEARCH: [&str; 3] = ["_plugins", "_security", "authinfo"];
    const OPEN_DISTRO: [&str; 3] = ["_opendistro", "_security", "authinfo"];
    let (first, second) = match server {
        Some(server) if server.distribution().is_some() => (OPENSEARCH.as_slice(), None),
        Some(_) if !is_amazon => (["_security", "_authenticate"].as_slice(), None),
        Some(_) => (OPEN_DISTRO.as_slice(), None),
        // Who may manage snapshots need not be permitted to read the version.
        None => (OPENSEARCH.as_slice(), Some(OPEN_DISTRO)),
    };
    let read = async |path: &[&str]| client.raw(RawRequest::get(path.iter().copied())).await;
    let response = match (read(first).await, second) {
        (Err(_), Some(second)) => read(&second).await,
        (response, _) => response,
    };
    Ok(signer(response?.body()))
}

/// Reads the user of a response of either plugin.
fn signer(body: &Value) -> Signer {
    let name = ["user_name", "username"].into_iter().find_map(|field| body.get(field)?.as_str());
    let roles = body.get("roles").and_then(Value::as_array).into_iter().flatten();
    Signer {
        name: name.unwrap_or_default().to_owned(),
        roles: roles.filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}

async fn read_repositories(
    client: &SnapshotClient,
    examination: &Examination,
    is_amazon: bool,
) -> Result<Repositories, Error> {
    let all = client.repositories().await?;
    let wanted = examination.repository.as_ref().map(RepositoryName::as_str);
    let running = client.running_snapshots().await.map(|all| {
        let running = all.iter().map(|status| Running {
            repository: status.repository().map(str::to_owned),
            name: status.name().to_owned(),
        });
        running.filter(|running| wanted.is_none_or(|name| running.is_in(name))).collect()
    });
    let is_amazons = |info: &RepositoryInfo| is_amazon && info.name().starts_with("cs-");
    let is_wanted = |info: &&RepositoryInfo| wanted.map_or(!is_amazons(info), |name| name == info.name());
    let mut examined = Vec::new();
    for info in all.iter().filter(is_wanted).take(REPOSITORIES) {
        examined.push(examine(client, info, is_amazons(info), examination.verify).await);
    }
    Ok(Repositories { all, running, examined })
}

impl Running {
    fn is_in(&self, repository: &str) -> bool {
        self.repository.as_deref().is_none_or(|own| own == repository)
    }
}

async fn examine(client: &SnapshotClient, info: &RepositoryInfo, is_amazons: bool, verify: bool) -> Examined {
    let located = |failure: Error| failure.with_storage(info.name(), info.settings().storage());
    let listing = read_listing(client, info.name(), located).await;
    let verification = if is_amazons || is_read_only(info.settings()) {
        Verification::ReadOnly
    } else if !verify {
        Verification::TurnedOff
    } else if listing.is_err() {
        Verification::Unlistable
    } else {
        Verification::Made(verify_nodes(client, info.name()).await.map_err(located))
    };
    Examined { info: info.clone(), is_amazons, listing, verification }
}

async fn verify_nodes(client: &SnapshotClient, repository: &str) -> Result<u64, Error> {
    Ok(client.repository(repository)?.verify().await?.len() as u64)
}

/// Whether the server never writes to the repository.
pub(super) fn is_read_only(settings: &RepositorySettings) -> bool {
    match settings {
        RepositorySettings::S3(s3) => s3.readonly() == Some(true),
        RepositorySettings::Fs(fs) => fs.readonly() == Some(true),
        RepositorySettings::Url(_) => true,
        RepositorySettings::Other(other) => {
            other.other().get("readonly").is_some_and(|value| *value == true || *value == "true")
        }
    }
}

/// Reads all snapshots. An error if the listing ends early, or if none of them can be read.
async fn read_listing(
    client: &SnapshotClient,
    repository: &str,
    located: impl Fn(Error) -> Error,
) -> Result<Listing, Error> {
    let repository = client.repository(repository)?;
    let mut listing = Listing::default();
    let each = |listed: Result<SnapshotInfo, Error>| match listed {
        Ok(snapshot) => listing.add(&snapshot),
        Err(failure) => {
            listing.unreadable += 1;
            listing.failure.get_or_insert(failure);
        }
    };
    let refusal = client.session().each_snapshot(repository.name(), SINGLES, each).await.map_err(&located)?;
    match listing.failure.take().or(refusal).map(located) {
        Some(failure) if listing.readable == 0 => Err(failure),
        failure => Ok(Listing { failure, ..listing }),
    }
}

impl Listing {
    fn add(&mut self, snapshot: &SnapshotInfo) {
        self.readable += 1;
        if *snapshot.state() == SnapshotState::InProgress {
            return;
        }
        let ended = Ended::of(snapshot);
        if snapshot.is_complete() {
            replace_older(&mut self.newest_complete, ended.clone());
        }
        replace_older(&mut self.newest, ended);
    }
}

fn replace_older(newest: &mut Option<Ended>, other: Ended) {
    if newest.as_ref().is_none_or(|newest| newest.times <= other.times) {
        *newest = Some(other);
    }
}

impl Ended {
    fn of(snapshot: &SnapshotInfo) -> Self {
        Self {
            name: snapshot.name().to_owned(),
            state: snapshot.state().clone(),
            times: [snapshot.start_time(), snapshot.end_time()],
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listing(snapshots: &[(&str, &str, u64)]) -> Listing {
        let mut listing = Listing::default();
        for (name, state, started) in snapshots {
            let json = json!({ "snapshot": name, "state": state, "start_time_in_millis": started });
            listing.add(&serde_json::from_value(json).unwrap());
        }
        listing
    }

    fn name(ended: Option<&Ended>) -> Option<&str> {
        ended.map(|ended| ended.name.as_str())
    }

    #[test]
    fn finds_the_newest_snapshot_and_the_newest_complete_one_in_any_order() {
        let listing = listing(&[("b", "SUCCESS", 2), ("d", "PARTIAL", 4), ("a", "SUCCESS", 1), ("c", "FAILED", 3)]);

        assert_eq!(name(listing.newest.as_ref()), Some("d"));
        assert_eq!(name(listing.newest_complete.as_ref()), Some("b"));
    }

    #[test]
    fn leaves_out_a_running_snapshot() {
        let listing = listing(&[("a", "SUCCESS", 1), ("b", "IN_PROGRESS", 2)]);

        assert_eq!((name(listing.newest.as_ref()), listing.readable), (Some("a"), 2));
    }

    #[test]
    fn reads_the_user_and_the_roles_of_either_security_plugin() {
        let opensearch = json!({ "user_name": "operator", "backend_roles": [], "roles": ["manage_snapshots"] });
        let elastic = json!({ "username": "elastic", "roles": ["superuser"], "enabled": true });

        for (body, name, role) in [(opensearch, "operator", "manage_snapshots"), (elastic, "elastic", "superuser")] {
            let signer = signer(&body);
            assert_eq!((signer.name.as_str(), signer.roles), (name, vec![role.to_owned()]));
        }
        assert_eq!(signer(&json!([])).name, "");
    }
}
