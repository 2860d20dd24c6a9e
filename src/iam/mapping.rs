//! Fine-grained access control: who may manage snapshots.

use http::Method;
use serde::Serialize;
use serde_json::{Value, json};

use crate::arn::PrincipalArn;
use crate::client::RawRequest;

/// The role of the security plugin that may register repositories and take snapshots.
const ROLE: &str = "manage_snapshots";

/// Maps a caller to the role `manage_snapshots` of fine-grained access control.
///
/// On a domain with fine-grained access control a caller needs this mapping as well as its IAM
/// policy ([Amazon's guide]). Map the caller, not the snapshot role. A user with the role
/// `all_access` has to send the requests: first [`read`](Self::read), then [`add`](Self::add).
///
/// ```no_run
/// use es_snapshot::SnapshotClient;
/// use es_snapshot::iam::RoleMapping;
/// use serde_json::Value;
///
/// # async fn map(client: SnapshotClient) -> Result<(), es_snapshot::Error> {
/// let caller = "arn:aws:iam::123456789012:role/EC2RoleForESSnapshot".parse()?;
/// let mapping = RoleMapping::for_opensearch(caller);
/// let current = match client.raw(mapping.read()).await {
///     Ok(response) => response.into_body(),
///     Err(error) if error.is_not_found() => Value::Null,
///     Err(error) => return Err(error),
/// };
/// if let Some(request) = mapping.add(&current) {
///     client.raw(request).await?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// [Amazon's guide]: https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshot-registerdirectory.html
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoleMapping {
    caller: PrincipalArn,
    plugin: &'static str,
}

impl RoleMapping {
    /// Returns the mapping of this role or user on a domain of OpenSearch.
    #[must_use]
    pub fn for_opensearch(caller: PrincipalArn) -> Self {
        Self { caller, plugin: "_plugins" }
    }

    /// Returns the mapping of this role or user on a domain of Elasticsearch, up to 7.10.
    #[must_use]
    pub fn for_elasticsearch(caller: PrincipalArn) -> Self {
        Self { caller, plugin: "_opendistro" }
    }

    /// Returns the request that reads the current mapping. The server responds with 404 if there is
    /// none.
    #[must_use]
    pub fn read(&self) -> RawRequest {
        self.request(Method::GET)
    }

    /// Returns the request that adds the caller to the current mapping, and keeps what it contains.
    ///
    /// `current` is the body of the response to [`read`](Self::read), or `null` if there is no
    /// mapping. Returns `None` if the caller is mapped already.
    #[must_use]
    pub fn add(&self, current: &Value) -> Option<RawRequest> {
        let kind = if self.caller.is_role() { "backend_roles" } else { "users" };
        let caller = self.caller.as_str();
        let Some(mapping) = current.get(ROLE) else {
            return Some(self.request(Method::PUT).with_body(json!({kind: [caller]})));
        };
        let mapped = mapping.get(kind).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if mapped.iter().any(|name| name == caller) {
            return None;
        }
        // The server stores no empty list, and cannot add an element to a list that it does not
        // have.
        let patch = if mapped.is_empty() {
            json!([{"op": "add", "path": format!("/{kind}"), "value": [caller]}])
        } else {
            json!([{"op": "add", "path": format!("/{kind}/-"), "value": caller}])
        };
        Some(self.request(Method::PATCH).with_body(patch))
    }

    fn request(&self, method: Method) -> RawRequest {
        RawRequest::new(method, [self.plugin, "_security", "api", "rolesmapping", ROLE])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: &str = "arn:aws:iam::123456789012:role/Caller";

    fn mapping() -> RoleMapping {
        RoleMapping::for_opensearch(CALLER.parse().unwrap())
    }

    fn request(method: Method, body: Value) -> RawRequest {
        RawRequest::new(method, ["_plugins", "_security", "api", "rolesmapping", "manage_snapshots"]).with_body(body)
    }

    #[test]
    fn adds_a_role_beside_the_roles_that_are_mapped() {
        let current = json!({"manage_snapshots": {"users": [], "backend_roles": ["other"]}});

        let added = mapping().add(&current);

        let patch = json!([{"op": "add", "path": "/backend_roles/-", "value": CALLER}]);
        assert_eq!(added, Some(request(Method::PATCH, patch)));
    }

    #[test]
    fn creates_the_list_of_roles_where_the_mapping_has_none() {
        let current = json!({"manage_snapshots": {"users": ["operator"], "backend_roles": []}});

        let added = mapping().add(&current);

        let patch = json!([{"op": "add", "path": "/backend_roles", "value": [CALLER]}]);
        assert_eq!(added, Some(request(Method::PATCH, patch)));
    }

    #[test]
    fn creates_the_mapping_where_there_is_none() {
        let added = mapping().add(&Value::Null);

        assert_eq!(added, Some(request(Method::PUT, json!({"backend_roles": [CALLER]}))));
    }

    #[test]
    fn sends_nothing_when_the_caller_is_mapped() {
        let current = json!({"manage_snapshots": {"backend_roles": ["other", CALLER]}});

        assert_eq!(mapping().add(&current), None);
    }

    #[test]
    fn maps_a_user_as_a_user_on_the_path_of_elasticsearch() {
        let user = "arn:aws:iam::123456789012:user/alice";

        let added = RoleMapping::for_elasticsearch(user.parse().unwrap()).add(&Value::Null);

        let path = ["_opendistro", "_security", "api", "rolesmapping", "manage_snapshots"];
        assert_eq!(added, Some(RawRequest::new(Method::PUT, path).with_body(json!({"users": [user]}))));
    }
}
