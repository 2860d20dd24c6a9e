//! The engine and version that the fake domain imitates.

/// The engine and version that a [`FakeDomain`](super::FakeDomain) imitates.
///
/// ```
/// use es_snapshot::testing::{Engine, FakeDomain};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// let domain =
///     FakeDomain::builder().engine(Engine::opensearch("2.19.6")).in_process().start().await;
///
/// assert_eq!(domain.client().server_info().await?.version(), "2.19.6");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    pub(super) opensearch: bool,
    pub(super) version: String,
    number: [u32; 3],
}

impl Engine {
    /// Returns Elasticsearch in a version such as `7.10.2`.
    #[must_use]
    pub fn elasticsearch(version: &str) -> Self {
        Self::new(false, version)
    }

    /// Returns OpenSearch in a version such as `2.19.6`.
    #[must_use]
    pub fn opensearch(version: &str) -> Self {
        Self::new(true, version)
    }

    fn new(opensearch: bool, version: &str) -> Self {
        let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
        let mut part = || parts.next().unwrap_or(0);
        Self { opensearch, version: version.to_owned(), number: [part(), part(), part()] }
    }

    /// Returns whether this is Elasticsearch in this version or a later one.
    pub(super) fn es(&self, major: u32, minor: u32) -> bool {
        !self.opensearch && self.number >= [major, minor, 0]
    }

    /// Returns whether this is OpenSearch in this version or a later one.
    pub(super) fn os(&self, major: u32, minor: u32) -> bool {
        self.opensearch && self.number >= [major, minor, 0]
    }

    /// Returns the fields `version_id` and `version` of a snapshot.
    pub(super) fn snapshot_version(&self) -> (u64, String) {
        let [major, minor, patch] = self.number.map(u64::from);
        let id = major * 1_000_000 + minor * 10_000 + patch * 100 + 99;
        if self.opensearch {
            (id ^ 0x0800_0000, self.version.clone())
        } else if self.es(8, 10) {
            // Since 8.10 `version_id` is the version of the index format. The fake uses one for all
            // versions.
            (8_536_000, format!("{major}.{minor}.0-{}", self.version))
        } else {
            (id, self.version.clone())
        }
    }

    /// Returns whether a listing with `ignore_unavailable` that finds nothing shows the running
    /// snapshots instead. Seen on Elasticsearch 7.10.2 and OpenSearch 1.3.20, but not on
    /// Elasticsearch 8.19.5 and OpenSearch 2.19.6.
    pub(super) fn shows_running(&self) -> bool {
        !self.es(7, 14) && !self.os(2, 0)
    }

    /// Returns what error texts call the elected node.
    pub(super) fn master(&self) -> &'static str {
        if self.os(2, 0) { "cluster-manager" } else { "master" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshot_versions_match_those_of_the_engines() {
        assert_eq!(Engine::elasticsearch("7.10.2").snapshot_version(), (7_100_299, "7.10.2".to_owned()));
        assert_eq!(Engine::opensearch("2.19.6").snapshot_version(), (136_408_427, "2.19.6".to_owned()));
        assert_eq!(Engine::elasticsearch("8.19.5").snapshot_version(), (8_536_000, "8.19.0-8.19.5".to_owned()));
    }
}
