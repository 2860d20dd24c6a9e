//! The name and the version of a server.

use serde::{Deserialize, Serialize};

/// The name and the version of a server.
///
/// [`SnapshotClient::server_info`](crate::SnapshotClient::server_info) returns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Root")]
pub struct ServerInfo {
    name: String,
    cluster_name: String,
    version: ServerVersion,
}

/// The response to `GET /`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Root {
    name: String,
    cluster_name: String,
    version: ServerVersion,
    tagline: String,
}

impl From<Root> for ServerInfo {
    fn from(root: Root) -> Self {
        let Root { name, cluster_name, mut version, tagline } = root;
        // In compatibility mode, OpenSearch leaves out its distribution.
        if version.distribution.is_none() && tagline.contains("OpenSearch") {
            version.distribution = Some("opensearch".to_owned());
        }
        Self { name, cluster_name, version }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ServerVersion {
    #[serde(default)]
    number: String,
    distribution: Option<String>,
}

impl ServerInfo {
    /// Returns the name of the node that has responded.
    #[must_use]
    pub fn node_name(&self) -> &str {
        &self.name
    }

    /// Returns the name of the cluster.
    ///
    /// On an Amazon domain it consists of the account number and the name of the domain.
    #[must_use]
    pub fn cluster_name(&self) -> &str {
        &self.cluster_name
    }

    /// Returns the version of the server, such as `7.10.2`.
    ///
    /// An OpenSearch domain in compatibility mode always returns `7.10.2`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version.number
    }

    /// Returns `opensearch` for OpenSearch, and `None` for Elasticsearch.
    #[must_use]
    pub fn distribution(&self) -> Option<&str> {
        self.version.distribution.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn recognises_opensearch_in_compatibility_mode_by_its_tagline() {
        let opensearch = "The OpenSearch Project: https://opensearch.org/";
        for (tagline, distribution) in [(opensearch, Some("opensearch")), ("You Know, for Search", None)] {
            let root = json!({"name": "n", "version": {"number": "7.10.2"}, "tagline": tagline});

            let info: ServerInfo = serde_json::from_value(root).unwrap();

            assert_eq!((info.distribution(), info.version()), (distribution, "7.10.2"));
        }
    }
}
