//! Name and version of a server.

use serde::{Deserialize, Serialize};

/// Name and version of a server; returned by
/// [`SnapshotClient::server_info`](crate::SnapshotClient::server_info).
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
    /// Returns the name of the node that responded.
    #[must_use]
    pub fn node_name(&self) -> &str {
        &self.name
    }

    /// Returns the cluster's name. On an Amazon domain it contains the account and the domain's
    /// name.
    #[must_use]
    pub fn cluster_name(&self) -> &str {
        &self.cluster_name
    }

    /// Returns the version, such as `7.10.2`. An OpenSearch domain in compatibility mode returns
    /// `7.10.2`, whatever its version is.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version.number
    }

    /// Returns `opensearch` on OpenSearch. `None` on Elasticsearch.
    #[must_use]
    pub fn distribution(&self) -> Option<&str> {
        self.version.distribution.as_deref()
    }
}
