//! A domain that contains an index to back up.

use es_snapshot::Repository;
use es_snapshot::testing::FakeDomain;

/// Starts a domain with the index `movies` and the repository `backups`.
pub(crate) async fn domain() -> FakeDomain {
    let domain = FakeDomain::with_repository("backups").await;
    domain.create_index("movies", 2);
    domain
}

pub(crate) fn backups(domain: &FakeDomain) -> Repository {
    domain.client().repository("backups").unwrap()
}
