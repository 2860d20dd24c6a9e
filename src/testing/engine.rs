//! Which engine, of which version, the fake domain answers as.

/// The engine and its version that the fake domain answers as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    pub(super) opensearch: bool,
    pub(super) version: String,
    number: [u32; 3],
}

impl Engine {
    /// Elasticsearch of this version, such as `7.10.2`.
    #[must_use]
    pub fn elasticsearch(version: &str) -> Self {
        Self::new(false, version)
    }

    /// OpenSearch of this version, such as `2.19.6`.
    #[must_use]
    pub fn opensearch(version: &str) -> Self {
        Self::new(true, version)
    }

    fn new(opensearch: bool, version: &str) -> Self {
        let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
        let mut part = || parts.next().unwrap_or(0);
        Self { opensearch, version: version.to_owned(), number: [part(), part(), part()] }
    }

    /// Elasticsearch from this version on.
    pub(super) fn es(&self, major: u32, minor: u32) -> bool {
        !self.opensearch && self.number >= [major, minor, 0]
    }

    /// OpenSearch from this version on.
    pub(super) fn os(&self, major: u32, minor: u32) -> bool {
        self.opensearch && self.number >= [major, minor, 0]
    }

    /// `version_id` and `version` of a snapshot.
    pub(super) fn snapshot_version(&self) -> (u64, String) {
        let [major, minor, patch] = self.number.map(u64::from);
        let id = major * 1_000_000 + minor * 10_000 + patch * 100 + 99;
        if self.opensearch {
            (id ^ 0x0800_0000, self.version.clone())
        } else if self.es(8, 10) {
            // From 8.10 on a snapshot tells the version of its index format; one number stands for all here.
            (8_536_000, format!("{major}.{minor}.0-{}", self.version))
        } else {
            (id, self.version.clone())
        }
    }

    /// Whether a listing that may be empty and finds nothing shows the running snapshots instead.
    /// Seen on Elasticsearch 7.10.2 and OpenSearch 1.3.20, and not on 8.19.5 and 2.19.6.
    pub(super) fn shows_running(&self) -> bool {
        !self.es(7, 14) && !self.os(2, 0)
    }

    /// What the elected node is called.
    pub(super) fn master(&self) -> &'static str {
        if self.os(2, 0) { "cluster-manager" } else { "master" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_ids_are_those_of_the_engines() {
        assert_eq!(Engine::elasticsearch("7.10.2").snapshot_version(), (7_100_299, "7.10.2".to_owned()));
        assert_eq!(Engine::opensearch("2.19.6").snapshot_version(), (136_408_427, "2.19.6".to_owned()));
        assert_eq!(Engine::elasticsearch("8.19.5").snapshot_version(), (8_536_000, "8.19.0-8.19.5".to_owned()));
    }
}
