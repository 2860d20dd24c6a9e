//! Requests for which this crate has no method.

use std::fmt;

use http::{Method, StatusCode};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// A request for [`SnapshotClient::raw`](crate::SnapshotClient::raw).
///
/// It consists of a method, a path, query parameters and an optional JSON body. The path is a list
/// of segments. Write them unencoded: the client encodes each segment, and refuses one that
/// contains `/`. `Debug` shows neither the body nor the values of the query, because they can be
/// secrets.
///
/// ```
/// use es_snapshot::client::RawRequest;
/// use http::Method;
/// use serde_json::json;
/// # use es_snapshot::testing::FakeDomain;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_snapshot::Error> {
/// # let domain = FakeDomain::with_repository("backups").await;
/// # let client = domain.client();
/// let settings = json!({"settings": {"number_of_shards": 1}});
/// let request = RawRequest::new(Method::PUT, ["movies"]).with_body(settings);
/// assert!(client.raw(request).await?.status().is_success());
///
/// let shards = RawRequest::get(["_cat", "shards"]).with_query("format", "json");
/// assert_eq!(client.raw(shards).await?.body()[0]["index"], "movies");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct RawRequest {
    pub(super) method: Method,
    pub(super) segments: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Option<Value>,
}

impl RawRequest {
    /// Returns a request with this method and path, without query parameters and body.
    pub fn new<S: Into<String>>(method: Method, segments: impl IntoIterator<Item = S>) -> Self {
        Self { method, segments: segments.into_iter().map(Into::into).collect(), query: Vec::new(), body: None }
    }

    /// Returns a GET request for this path, without query parameters and body.
    pub fn get<S: Into<String>>(segments: impl IntoIterator<Item = S>) -> Self {
        Self::new(Method::GET, segments)
    }

    /// Adds a query parameter. The client encodes the name and the value.
    #[must_use]
    pub fn with_query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets the body, which is sent as JSON. Default: none.
    #[must_use]
    pub fn with_body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

/// The response to a [`RawRequest`]; returned by
/// [`SnapshotClient::raw`](crate::SnapshotClient::raw).
///
/// `Debug` does not show the body, because it can contain secrets. The serialised form contains it.
#[derive(Clone, PartialEq, Serialize)]
pub struct RawResponse {
    #[serde(serialize_with = "as_number")]
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn as_number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl RawResponse {
    /// Returns the HTTP status, which is always a status of success.
    ///
    /// A response with another status makes the call fail with an [`Error`](crate::Error).
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the JSON body of the response. `null` if the response was empty.
    #[must_use]
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// Returns the JSON body of the response by value.
    #[must_use]
    pub fn into_body(self) -> Value {
        self.body
    }
}

impl fmt::Debug for RawRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query: Vec<&str> = self.query.iter().map(|(name, _)| name.as_str()).collect();
        let mut out = f.debug_struct("RawRequest");
        out.field("method", &self.method)
            .field("segments", &self.segments)
            .field("query", &query)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RawResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawResponse").field("status", &self.status).finish_non_exhaustive()
    }
}
