//! Builds the requests: one pure function for each endpoint.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::json;

use crate::error::{Error, Operation, quoted};
use crate::name::{IndexName, RepositoryName, SnapshotName, SnapshotPattern, has_escape};
use crate::repository::RepositorySettings;
use crate::restore::RestoreSnapshot;
use crate::snapshot::{CloneSnapshot, CreateSnapshot, ListSnapshots};

/// All characters except the unreserved ones of RFC 3986. A proxy then has no reason to encode the
/// path again.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How many bytes a list of names in a path may have. The engines accept request lines of 4,096
/// bytes (`http.max_initial_line_length`).
const LIST_ROOM: usize = 3500;

/// What the client may do after the response to a request was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replay {
    /// Repeat the request, because it changes nothing.
    Read,
    /// Repeat the request, because two of them have the same effect as one.
    Repeat,
    /// Check the domain first.
    CheckFirst,
}

/// A request before it is dated, signed and sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) operation: Operation,
    pub(crate) replay: Replay,
    pub(crate) method: Method,
    /// The path and the query as they are sent.
    pub(crate) target: String,
    pub(crate) body: Bytes,
    /// The repository and the snapshot that tracing spans name.
    pub(crate) repository: Option<RepositoryName>,
    pub(crate) snapshot: Option<SnapshotName>,
}

impl fmt::Debug for Request {
    /// Shows neither the body nor the query, because they may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        let mut out = f.debug_struct("Request");
        out.field("operation", &self.operation)
            .field("method", &self.method)
            .field("path", &path)
            .finish_non_exhaustive()
    }
}

/// A percent-encoded path with a query. It is built segment by segment and never encoded again.
#[derive(Clone, Debug)]
struct Target(String);

impl Target {
    fn new(segments: &[&str]) -> Self {
        // Usually enough for the encoded segments and a query.
        let mut out = String::with_capacity(segments.iter().map(|segment| segment.len() + 8).sum());
        for segment in segments {
            out.push('/');
            out.extend(utf8_percent_encode(segment, SEGMENT));
        }
        if out.is_empty() {
            out.push('/');
        }
        Self(out)
    }

    /// Adds a query parameter. The value is encoded like a segment: a space becomes `%20`.
    fn query(mut self, name: &str, value: &str) -> Self {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.extend(utf8_percent_encode(name, SEGMENT));
        self.0.push('=');
        self.0.extend(utf8_percent_encode(value, SEGMENT));
        self
    }

    fn flag(self, name: &str, value: bool) -> Self {
        if value { self.query(name, "true") } else { self }
    }
}

impl Request {
    fn new(operation: Operation, replay: Replay, method: Method, target: Target) -> Self {
        Self { operation, replay, method, target: target.0, body: Bytes::new(), repository: None, snapshot: None }
    }

    fn read(operation: Operation, target: Target) -> Self {
        Self::new(operation, Replay::Read, Method::GET, target)
    }

    fn in_repository(mut self, repository: &RepositoryName) -> Self {
        self.repository = Some(repository.clone());
        self
    }

    fn of_snapshot(mut self, snapshot: &SnapshotName) -> Self {
        self.snapshot = Some(snapshot.clone());
        self
    }

    /// Sets how long the server waits for an elected master. Every version accepts `master_timeout`
    /// on the endpoints of snapshots. Elasticsearch does not know OpenSearch's other name for it.
    pub(crate) fn with_master_timeout(&self, limit: Duration) -> Self {
        let mut this = self.clone();
        if self.operation.takes_master_timeout() {
            this.target = Target(this.target).query("master_timeout", &format!("{}ms", limit.as_millis())).0;
        }
        this
    }

    fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::invalid("the request body cannot be serialised as JSON").with_source(error))?;
        self.body = Bytes::from(body);
        Ok(self)
    }
}

pub(crate) fn server_info() -> Request {
    Request::read(Operation::ServerInfo, Target::new(&[]))
}

pub(crate) fn register_repository(
    name: &RepositoryName,
    settings: &RepositorySettings,
    verify: bool,
) -> Result<Request, Error> {
    let mut target = Target::new(&["_snapshot", name.as_str()]);
    if !verify {
        target = target.query("verify", "false");
    }
    Request::new(Operation::RegisterRepository, Replay::Repeat, Method::PUT, target).in_repository(name).json(settings)
}

pub(crate) fn get_repository(name: &RepositoryName) -> Request {
    Request::read(Operation::GetRepository, Target::new(&["_snapshot", name.as_str()])).in_repository(name)
}

pub(crate) fn list_repositories() -> Request {
    Request::read(Operation::ListRepositories, Target::new(&["_snapshot"]))
}

pub(crate) fn verify_repository(name: &RepositoryName) -> Request {
    let target = Target::new(&["_snapshot", name.as_str(), "_verify"]);
    // A verification changes nothing: the nodes delete the files that they write.
    Request::new(Operation::VerifyRepository, Replay::Read, Method::POST, target).in_repository(name)
}

pub(crate) fn clean_up_repository(name: &RepositoryName) -> Request {
    let target = Target::new(&["_snapshot", name.as_str(), "_cleanup"]);
    Request::new(Operation::CleanUpRepository, Replay::Repeat, Method::POST, target).in_repository(name)
}

pub(crate) fn unregister_repository(name: &RepositoryName) -> Request {
    let target = Target::new(&["_snapshot", name.as_str()]);
    Request::new(Operation::UnregisterRepository, Replay::Repeat, Method::DELETE, target).in_repository(name)
}

pub(crate) fn create_snapshot(
    repository: &RepositoryName,
    name: &SnapshotName,
    body: &CreateSnapshot,
    wait: bool,
) -> Result<Request, Error> {
    let target = Target::new(&["_snapshot", repository.as_str(), name.as_str()]).flag("wait_for_completion", wait);
    Request::new(Operation::CreateSnapshot, Replay::CheckFirst, Method::PUT, target)
        .in_repository(repository)
        .of_snapshot(name)
        .json(body)
}

pub(crate) fn clone_snapshot(
    repository: &RepositoryName,
    source: &SnapshotName,
    target: &SnapshotName,
    options: &CloneSnapshot,
) -> Result<Request, Error> {
    let path = Target::new(&["_snapshot", repository.as_str(), source.as_str(), "_clone", target.as_str()]);
    Request::new(Operation::CloneSnapshot, Replay::CheckFirst, Method::PUT, path)
        .in_repository(repository)
        .of_snapshot(target)
        .json(options)
}

/// Without details (`verbose=false`), the server reads only the index of the repository. It then
/// also finds a snapshot whose own file is missing or broken.
pub(crate) fn get_snapshot(repository: &RepositoryName, name: &SnapshotName, without_details: bool) -> Request {
    let mut target = Target::new(&["_snapshot", repository.as_str(), name.as_str()]);
    if without_details {
        target = target.query("verbose", "false");
    }
    Request::read(Operation::GetSnapshot, target).in_repository(repository).of_snapshot(name)
}

pub(crate) fn list_snapshots(repository: &RepositoryName, options: &ListSnapshots, cursor: Option<&str>) -> Request {
    // Commas are encoded too: the engine splits a list after it decodes the path.
    let pattern =
        options.pattern().map_or_else(|| "_all".to_owned(), |pattern| pattern.parts().collect::<Vec<_>>().join(","));
    let mut target = Target::new(&["_snapshot", repository.as_str(), &pattern]);
    for (name, value) in [("verbose", options.verbose()), ("ignore_unavailable", options.ignore_unavailable())] {
        if let Some(value) = value {
            target = target.query(name, if value { "true" } else { "false" });
        }
    }
    if let Some(size) = options.page_size() {
        target = target.query("size", &size.to_string());
    }
    if let Some(cursor) = cursor {
        target = target.query("after", cursor);
    }
    Request::read(Operation::ListSnapshots, target).in_repository(repository)
}

pub(crate) fn delete_snapshot(repository: &RepositoryName, name: &SnapshotName) -> Request {
    let target = Target::new(&["_snapshot", repository.as_str(), name.as_str()]);
    Request::new(Operation::DeleteSnapshot, Replay::CheckFirst, Method::DELETE, target)
        .in_repository(repository)
        .of_snapshot(name)
}

pub(crate) fn restore_snapshot(
    repository: &RepositoryName,
    name: &SnapshotName,
    options: &RestoreSnapshot,
) -> Result<Request, Error> {
    let target = Target::new(&["_snapshot", repository.as_str(), name.as_str(), "_restore"]);
    Request::new(Operation::RestoreSnapshot, Replay::CheckFirst, Method::POST, target)
        .in_repository(repository)
        .of_snapshot(name)
        .json(options)
}

pub(crate) fn snapshot_status(repository: &RepositoryName, name: &SnapshotName) -> Request {
    let target = Target::new(&["_snapshot", repository.as_str(), name.as_str(), "_status"]);
    Request::read(Operation::SnapshotStatus, target).in_repository(repository).of_snapshot(name)
}

/// The running snapshots, in one repository or in all.
pub(crate) fn running_snapshots(repository: Option<&RepositoryName>) -> Request {
    let running = |path: &[&str]| Request::read(Operation::SnapshotStatus, Target::new(path));
    match repository {
        Some(name) => running(&["_snapshot", name.as_str(), "_status"]).in_repository(name),
        None => running(&["_snapshot", "_status"]),
    }
}

/// The recoveries of these indices, or of all. Without `expand_wildcards`, "all" would exclude
/// hidden indices.
pub(crate) fn recovery(indices: &[IndexName]) -> Request {
    let target = if indices.is_empty() {
        Target::new(&["_recovery"]).query("expand_wildcards", "all")
    } else {
        Target::new(&[&join(indices), "_recovery"])
    };
    Request::read(Operation::Recovery, target)
}

/// The shards of these indices, or of all, with the reason why a shard is not assigned.
pub(crate) fn shards(indices: &[IndexName]) -> Request {
    let path = if indices.is_empty() {
        Target::new(&["_cat", "shards"])
    } else {
        Target::new(&["_cat", "shards", &join(indices)])
    };
    let target =
        path.query("format", "json").query("h", "index,shard,prirep,state,unassigned.reason,unassigned.details");
    Request::read(Operation::Shards, target)
}

/// Whether one request for shards or recoveries can name all these indices. `prefix` is the path of
/// the endpoint.
pub(crate) fn fits_one_request(prefix: &str, indices: &[IndexName]) -> bool {
    chunks(indices, room(prefix, &shards(&[]))).len() == 1
}

/// The cluster state of these indices, closed and hidden ones included, in as many requests as the
/// names need. The master responds itself; the state of another node could be outdated.
pub(crate) fn index_marks(prefix: &str, indices: &[IndexName]) -> Vec<Request> {
    split(prefix, indices, marks_of)
}

fn marks_of(indices: &[IndexName]) -> Request {
    const FIELDS: &str = "version,metadata.cluster_uuid,metadata.cluster_coordination.term,metadata.indices.*.state,\
                          metadata.indices.*.settings.index.uuid,metadata.indices.*.mapping_version,\
                          metadata.indices.*.settings_version,metadata.indices.*.aliases_version";
    let target = Target::new(&["_cluster", "state", "metadata,version", &join(indices)]).query("filter_path", FIELDS);
    Request::read(Operation::ClusterState, target)
}

/// The indices that were deleted last. The server returns none if the path names indices.
pub(crate) fn tombstones() -> Request {
    const FIELDS: &str = "version,metadata.cluster_uuid,metadata.cluster_coordination.term,metadata.index-graveyard";
    let target = Target::new(&["_cluster", "state", "metadata,version"]).query("filter_path", FIELDS);
    Request::read(Operation::ClusterState, target)
}

/// The running restores.
pub(crate) fn running_restores() -> Request {
    let target = Target::new(&["_cluster", "state", "customs"]).query("filter_path", "restore");
    Request::read(Operation::ClusterState, target)
}

/// Why a primary is not assigned to a node. This is a read, although it is a POST.
pub(crate) fn allocation_explain(index: &str, shard: u32) -> Result<Request, Error> {
    let target = Target::new(&["_cluster", "allocation", "explain"]);
    Request::new(Operation::AllocationExplain, Replay::Read, Method::POST, target)
        .json(&json!({"index": index, "shard": shard, "primary": true}))
}

/// Splits names into lists of at most `room` encoded bytes, commas included. A longer name gets its
/// own list.
fn chunks<T: AsRef<str>>(names: &[T], room: usize) -> Vec<&[T]> {
    const COMMA: usize = "%2C".len();
    let mut chunks = Vec::new();
    let mut rest = names;
    while !rest.is_empty() {
        let mut length = 0;
        let fitting = rest.iter().take_while(|name| {
            length += utf8_percent_encode(name.as_ref(), SEGMENT).map(str::len).sum::<usize>() + COMMA;
            length <= room.saturating_add(COMMA)
        });
        let (chunk, behind) = rest.split_at(fitting.count().max(1));
        chunks.push(chunk);
        rest = behind;
    }
    chunks
}

fn join(indices: &[IndexName]) -> String {
    indices.iter().map(IndexName::as_str).collect::<Vec<_>>().join(",")
}

/// Builds as many requests as the encoded length of the names needs. `prefix` is the path of the
/// endpoint.
fn split<T: AsRef<str>>(prefix: &str, names: &[T], request: impl Fn(&[T]) -> Request) -> Vec<Request> {
    chunks(names, room(prefix, &request(&[]))).into_iter().map(request).collect()
}

/// How many bytes a list of names may have in this request. `prefix` is the path of the endpoint.
fn room(prefix: &str, without_names: &Request) -> usize {
    LIST_ROOM.saturating_sub(prefix.len() + without_names.target.len())
}

/// The recoveries of these indices, or of all, in as many requests as their names need.
pub(crate) fn recoveries(prefix: &str, indices: &[IndexName]) -> Vec<Request> {
    if indices.is_empty() { vec![recovery(indices)] } else { split(prefix, indices, recovery) }
}

/// Splits a listing into as many as its pattern needs. A pattern contains no exclusions, so each
/// part can be requested by itself.
pub(crate) fn split_listing(
    prefix: &str,
    repository: &RepositoryName,
    options: ListSnapshots,
) -> Result<Vec<ListSnapshots>, Error> {
    let Some(pattern) = options.pattern().cloned() else { return Ok(vec![options]) };
    let parts: Vec<&str> = pattern.parts().collect();
    let bare = options.with_pattern(SnapshotPattern::all());
    let listing = |chunk: &[&str]| Ok(bare.clone().with_pattern(SnapshotPattern::new(chunk.iter().copied())?));
    // The length of a cursor with the longest names of a repository and a snapshot.
    let cursor = bare.page_size().map(|_| "x".repeat(720));
    chunks(&parts, room(prefix, &list_snapshots(repository, &bare, cursor.as_deref())))
        .into_iter()
        .map(listing)
        .collect()
}

/// A raw request of the caller.
pub(crate) fn raw(
    method: Method,
    segments: &[String],
    query: &[(String, String)],
    body: Bytes,
) -> Result<Request, Error> {
    for segment in segments {
        if segment.is_empty() || segment == "." || segment == ".." {
            return Err(Error::invalid(format!(
                "path segment {} may be dropped or resolved on the way, expected neither an empty text nor `.` nor `..`",
                quoted(segment)
            )));
        }
        if segment.chars().any(|c| c.is_control() || matches!(c, '/' | '\\')) || has_escape(segment) {
            return Err(Error::invalid(format!(
                "path segment {} contains a separator, a control character, or `%` before two hexadecimal digits; \
                 pass each segment separately and unencoded",
                quoted(segment)
            )));
        }
    }
    let replay = if method == Method::GET || method == Method::HEAD { Replay::Read } else { Replay::CheckFirst };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let target = query.iter().fold(Target::new(&segments), |target, (name, value)| target.query(name, value));
    let mut request = Request::new(Operation::Raw, replay, method, target);
    request.body = body;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::endpoint::Endpoint;

    proptest! {
        #[test]
        fn splits_lists_by_encoded_length_and_keeps_every_name(
            names in proptest::collection::vec("[a-z]{1,20}|[索引名]{1,40}|%{1,9}", 0..60),
            room in 0_usize..400,
        ) {
            let lists = chunks(&names, room);

            prop_assert_eq!(&lists.concat(), &names);
            for list in lists {
                let length = Target::new(&[&list.join(",")]).0.len() - 1;
                prop_assert!(!list.is_empty() && (length <= room || list.len() == 1), "{} of {}", length, room);
            }
        }
    }

    #[test]
    fn fills_each_list_up_to_the_limit() {
        assert_eq!(chunks(&["aa", "bb", "c"], 7), [&["aa", "bb"][..], &["c"][..]]);
        assert_eq!(chunks(&["索"], 1), [&["索"][..]]);
        assert!(chunks(&[] as &[&str], 7).is_empty());
    }

    #[test]
    fn the_longest_names_fit_into_a_request_line_with_the_longest_prefix() {
        let longest = "%".repeat(255);
        let (repository, snapshot, index): (RepositoryName, SnapshotName, IndexName) =
            (longest.parse().unwrap(), longest.parse().unwrap(), longest.parse().unwrap());
        let prefix = format!("/{}", "p".repeat(Endpoint::LONGEST_PREFIX - 1));
        let options =
            ListSnapshots::new().with_pattern(snapshot.clone()).with_verbose(false).with_ignore_unavailable(true);

        let indices = [index.clone(), index.clone(), index];
        let mut requests = recoveries(&prefix, &indices);
        requests.extend(index_marks(&prefix, &indices));
        requests.push(clone_snapshot(&repository, &snapshot, &snapshot, &CloneSnapshot::new(["*"])).unwrap());
        requests.push(list_snapshots(&repository, &options, None));
        requests.push(create_snapshot(&repository, &snapshot, &CreateSnapshot::new(), true).unwrap());

        assert_eq!(requests.len(), 7);
        for request in requests {
            let request = request.with_master_timeout(Duration::MAX);
            assert!(format!("{} {prefix}{} HTTP/1.1\r\n", request.method, request.target).len() <= 4096);
        }
    }

    #[test]
    fn debug_shows_neither_body_nor_query() {
        let query = [("token".to_owned(), "canary".to_owned())];
        let request = raw(Method::PUT, &["x".to_owned()], &query, Bytes::from_static(b"canary")).unwrap();

        assert!(!format!("{request:?}").contains("canary"));
    }
}
