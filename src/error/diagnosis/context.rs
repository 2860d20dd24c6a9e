//! What an error keeps of its request, without secrets.

use http::Method;

/// The request of a failed call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    /// The value of the header `host`.
    pub(crate) host: String,
    /// The Region in an Amazon host name.
    pub(crate) region: Option<String>,
    /// Whether the client connects to another address than the endpoint's.
    pub(crate) is_tunnelled: bool,
    pub(crate) method: Method,
    /// The path prefix of the endpoint.
    pub(crate) prefix: String,
    /// The path behind the prefix, encoded.
    pub(crate) path: String,
    /// The query as it was sent. `None` if it may contain secrets.
    pub(crate) query: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) snapshot: Option<String>,
    pub(crate) storage: Option<Storage>,
}

/// The settings of S3 in a registration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Storage {
    pub(crate) bucket: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) base_path: Option<String>,
    pub(crate) role_arn: Option<String>,
}

impl Context {
    /// The first segments of the path, such as `/_snapshot/backups`. `None` if the path has fewer,
    /// or does not concern snapshots.
    pub(super) fn path_to(&self, segments: usize) -> Option<&str> {
        let rest = self.path.strip_prefix("/_snapshot/")?;
        let ends = rest.match_indices('/').map(|(at, _)| at).chain([rest.len()]);
        let end = ends.take(segments).nth(segments.checked_sub(1)?)?;
        self.path.get(..self.path.len() - rest.len() + end)
    }

    /// The path of the snapshot that a clone makes, which is the last segment of its request.
    pub(super) fn path_of_clone(&self) -> Option<String> {
        let (_, target) = self.path.split_once("/_clone/")?;
        Some(format!("{}/{target}", self.path_to(1)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_the_path_of_the_repository_and_of_the_snapshot() {
        let context = |path: &str| Context { path: path.to_owned(), ..Context::default() };
        let restore = context("/_snapshot/a%20b/s/_restore");
        assert_eq!(restore.path_to(1), Some("/_snapshot/a%20b"));
        assert_eq!(restore.path_to(2), Some("/_snapshot/a%20b/s"));
        assert_eq!(context("/_snapshot/a").path_to(1), Some("/_snapshot/a"));
        assert_eq!(context("/_snapshot/a").path_to(2), None);
        assert_eq!(context("/_recovery").path_to(1), None);
        assert_eq!(context("/_snapshot/a/s/_clone/t").path_of_clone().as_deref(), Some("/_snapshot/a/t"));
    }
}
