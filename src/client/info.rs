//! What a server says of itself.

use serde::{Deserialize, Serialize};

/// What `GET /` returns.
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
    /// The node's name.
    #[must_use]
    pub fn node_name(&self) -> &str {
        &self.name
    }

    /// The cluster's name; on an Amazon domain account and domain name.
    #[must_use]
    pub fn cluster_name(&self) -> &str {
        &self.cluster_name
    }

    /// The version, such as `7.10.2`. An OpenSearch domain in compatibility mode says 7.10 here.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version.number
    }

    /// `opensearch` on OpenSearch, absent on Elasticsearch.
    #[must_use]
    pub fn distribution(&self) -> Option<&str> {
        self.version.distribution.as_deref()
    }
}
