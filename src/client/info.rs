//! The name and the version of a server.

use serde::{Deserialize, Serialize};

/// The name and the version of a server.
///
/// [`SnapshotClient::server_info`](crate::SnapshotClient::server_info) returns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInfo {
    #[serde(default)]
    name: String,
    #[serde(default)]
    cluster_name: String,
    #[serde(default)]
    version: ServerVersion,
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
