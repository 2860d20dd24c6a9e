//! One pure constructor per endpoint: every request is a value before it is traffic.

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

/// All but the unreserved characters of RFC 3986, so that nobody on the way has a reason to encode
/// anew.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The room for a list of names in a request's path. The engines take request lines of 4,096 bytes
/// (`http.max_initial_line_length`).
const LIST_ROOM: usize = 3500;

/// What may be done about a request whose response was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replay {
    /// It changes nothing: repeat it.
    Read,
    /// Doing it twice is doing it once: repeat it.
    Repeat,
    /// Never repeat it blindly: ask the domain first.
    Probe,
}

/// A request before it is dated, signed and sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) operation: Operation,
    pub(crate) replay: Replay,
    pub(crate) method: Method,
    /// Path and query as they go over the wire.
    pub(crate) target: String,
    pub(crate) body: Bytes,
    /// What it is about, for spans.
    pub(crate) repository: Option<RepositoryName>,
    pub(crate) snapshot: Option<SnapshotName>,
}

impl fmt::Debug for Request {
    /// Neither the body nor the query, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        let mut out = f.debug_struct("Request");
        out.field("operation", &self.operation)
            .field("method", &self.method)
            .field("path", &path)
            .finish_non_exhaustive()
    }
}

/// A percent-encoded path, built segment by segment and never re-encoded.
#[derive(Clone, Debug)]
struct Target(String);

impl Target {
    fn new(segments: &[&str]) -> Self {
        // Enough for segments with few encoded characters, and for a query.
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

    /// Adds a query parameter; its value is encoded like a segment, a space as `%20`.
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

    fn about(mut self, repository: &RepositoryName) -> Self {
        self.repository = Some(repository.clone());
        self
    }

    fn and(mut self, snapshot: &SnapshotName) -> Self {
        self.snapshot = Some(snapshot.clone());
        self
    }

    /// Asks the server to give up waiting for an elected master after this time. Every version
    /// takes `master_timeout` on the endpoints of snapshots; the other name that OpenSearch has
    /// for it is unknown to Elasticsearch.
    pub(crate) fn with_master_timeout(&self, limit: Duration) -> Self {
        let mut this = self.clone();
        if self.operation.takes_master_timeout() {
            this.target = Target(this.target).query("master_timeout", &format!("{}ms", limit.as_millis())).0;
        }
        this
    }

    fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::invalid("body cannot be written as JSON").with_source(error))?;
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
    Request::new(Operation::RegisterRepository, Replay::Repeat, Method::PUT, target).about(name).json(settings)
}

pub(crate) fn get_repository(name: &RepositoryName) -> Request {
    Request::read(Operation::GetRepository, Target::new(&["_snapshot", name.as_str()])).about(name)
}

pub(crate) fn list_repositories() -> Request {
    Request::read(Operation::ListRepositories, Target::new(&["_snapshot"]))
}

pub(crate) fn verify_repository(name: &RepositoryName) -> Request {
    let target = Target::new(&["_snapshot", name.as_str(), "_verify"]);
    // What the nodes write to try it out they remove again: nothing stays of a verification but its
    // response.
    Request::new(Operation::VerifyRepository, Replay::Read, Method::POST, target).about(name)
}

pub(crate) fn clean_up_repository(name: &RepositoryName) -> Request {
    let target = Target::new(&["_snapshot", name.as_str(), "_cleanup"]);
    Request::new(Operation::CleanUpRepository, Replay::Repeat, Method::POST, target).about(name)
}

pub(crate) fn unregister_repository(name: &RepositoryName) -> Request {
    let target = Target::new(&["_snapshot", name.as_str()]);
    Request::new(Operation::UnregisterRepository, Replay::Repeat, Method::DELETE, target).about(name)
}

pub(crate) fn create_snapshot(
    repository: &RepositoryName,
    name: &SnapshotName,
    body: &CreateSnapshot,
    wait: bool,
) -> Result<Request, Error> {
    let target = Target::new(&["_snapshot", repository.as_str(), name.as_str()]).flag("wait_for_completion", wait);
    Request::new(Operation::CreateSnapshot, Replay::Probe, Method::PUT, target).about(repository).and(name).json(body)
}

pub(crate) fn clone_snapshot(
    repository: &RepositoryName,
    source: &SnapshotName,
    target: &SnapshotName,
    options: &CloneSnapshot,
) -> Result<Request, Error> {
    let path = Target::new(&["_snapshot", repository.as_str(), source.as_str(), "_clone", target.as_str()]);
    Request::new(Operation::CloneSnapshot, Replay::Probe, Method::PUT, path).about(repository).and(target).json(options)
}

/// Without details (`verbose=false`), the server reads the repository's index alone, so the
/// snapshot's own file may be gone or broken.
pub(crate) fn get_snapshot(repository: &RepositoryName, name: &SnapshotName, brief: bool) -> Request {
    let mut target = Target::new(&["_snapshot", repository.as_str(), name.as_str()]);
    if brief {
        target = target.query("verbose", "false");
    }
    Request::read(Operation::GetSnapshot, target).about(repository).and(name)
}

pub(crate) fn list_snapshots(repository: &RepositoryName, options: &ListSnapshots, cursor: Option<&str>) -> Request {
    // A comma is encoded like the rest: the engine splits lists after decoding.
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
    Request::read(Operation::ListSnapshots, target).about(repository)
}

pub(crate) fn delete_snapshot(repository: &RepositoryName, name: &SnapshotName) -> Request {
    let target = Target::new(&["_snapshot", repository.as_str(), name.as_str()]);
    Request::new(Operation::DeleteSnapshot, Replay::Probe, Method::DELETE, target).about(repository).and(name)
}

pub(crate) fn restore_snapshot(
    repository: &RepositoryName,
    name: &SnapshotName,
    options: &RestoreSnapshot,
) -> Result<Request, Error> {
    let target = Target::new(&["_snapshot", repository.as_str(), name.as_str(), "_restore"]);
    Request::new(Operation::RestoreSnapshot, Replay::Probe, Method::POST, target)
        .about(repository)
        .and(name)
        .json(options)
}

pub(crate) fn snapshot_status(repository: &RepositoryName, name: &SnapshotName) -> Request {
    let target = Target::new(&["_snapshot", repository.as_str(), name.as_str(), "_status"]);
    Request::read(Operation::SnapshotStatus, target).about(repository).and(name)
}

/// The snapshots that run now, in one repository or in all.
pub(crate) fn running_snapshots(repository: Option<&RepositoryName>) -> Request {
    let running = |path: &[&str]| Request::read(Operation::SnapshotStatus, Target::new(path));
    match repository {
        Some(name) => running(&["_snapshot", name.as_str(), "_status"]).about(name),
        None => running(&["_snapshot", "_status"]),
    }
}

/// The recoveries of these indices, or of all. Without names the server would leave out hidden
/// indices.
pub(crate) fn recovery(indices: &[IndexName]) -> Request {
    let target = if indices.is_empty() {
        Target::new(&["_recovery"]).query("expand_wildcards", "all")
    } else {
        Target::new(&[&join(indices), "_recovery"])
    };
    Request::read(Operation::Recovery, target)
}

/// The shards of these indices, or of all, with what is known of those that are not assigned.
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

/// Whether these indices fit into one request for their shards or recoveries, below an endpoint's
/// path.
pub(crate) fn is_one_list(prefix: &str, indices: &[IndexName]) -> bool {
    chunks(indices, room(prefix, &shards(&[]))).len() == 1
}

/// What the cluster state shows of these indices, closed and hidden ones too, in as many requests
/// as fit into request lines below an endpoint's path. It never comes from another node than the
/// master, which could lag behind.
pub(crate) fn index_marks(prefix: &str, indices: &[IndexName]) -> Vec<Request> {
    split(prefix, indices, marks_of)
}

fn marks_of(indices: &[IndexName]) -> Request {
    const WANTED: &str = "version,metadata.cluster_uuid,metadata.cluster_coordination.term,metadata.indices.*.state,\
                          metadata.indices.*.settings.index.uuid,metadata.indices.*.mapping_version,\
                          metadata.indices.*.settings_version,metadata.indices.*.aliases_version";
    let target = Target::new(&["_cluster", "state", "metadata,version", &join(indices)]).query("filter_path", WANTED);
    Request::read(Operation::ClusterState, target)
}

/// The indices that were deleted last. With index names in the path the server shows none.
pub(crate) fn tombstones() -> Request {
    const WANTED: &str = "version,metadata.cluster_uuid,metadata.cluster_coordination.term,metadata.index-graveyard";
    let target = Target::new(&["_cluster", "state", "metadata,version"]).query("filter_path", WANTED);
    Request::read(Operation::ClusterState, target)
}

/// The restores that run.
pub(crate) fn running_restores() -> Request {
    let target = Target::new(&["_cluster", "state", "customs"]).query("filter_path", "restore");
    Request::read(Operation::ClusterState, target)
}

/// Why a primary is not assigned to a node. A question for all that it is a POST.
pub(crate) fn allocation_explain(index: &str, shard: u32) -> Result<Request, Error> {
    let target = Target::new(&["_cluster", "allocation", "explain"]);
    Request::new(Operation::AllocationExplain, Replay::Read, Method::POST, target)
        .json(&json!({"index": index, "shard": shard, "primary": true}))
}

/// Splits names into lists of at most `room` bytes in their encoded form, commas included. A longer
/// name has a list of its own.
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

/// Splits the names in a request into as many requests as their encoded length needs below an
/// endpoint's path.
fn split<T: AsRef<str>>(prefix: &str, names: &[T], request: impl Fn(&[T]) -> Request) -> Vec<Request> {
    chunks(names, room(prefix, &request(&[]))).into_iter().map(request).collect()
}

/// The room for a list of names in a request that has none yet, below an endpoint's path.
fn room(prefix: &str, without_names: &Request) -> usize {
    LIST_ROOM.saturating_sub(prefix.len() + without_names.target.len())
}

/// The recoveries of these indices, or of all, in as many requests as their names need.
pub(crate) fn recoveries(prefix: &str, indices: &[IndexName]) -> Vec<Request> {
    if indices.is_empty() { vec![recovery(indices)] } else { split(prefix, indices, recovery) }
}

/// Splits a listing into as many as its pattern needs. All parts of a pattern add to what is listed
/// (there are no exclusions), so that each may be asked for by itself.
pub(crate) fn split_listing(
    prefix: &str,
    repository: &RepositoryName,
    options: ListSnapshots,
) -> Result<Vec<ListSnapshots>, Error> {
    let Some(pattern) = options.pattern().cloned() else { return Ok(vec![options]) };
    let parts: Vec<&str> = pattern.parts().collect();
    let bare = options.with_pattern(SnapshotPattern::all());
    let listing = |chunk: &[&str]| Ok(bare.clone().with_pattern(SnapshotPattern::new(chunk.iter().copied())?));
    // About as long as a cursor can be that contains the longest names of a repository and a snapshot.
    let cursor = bare.page_size().map(|_| "x".repeat(720));
    chunks(&parts, room(prefix, &list_snapshots(repository, &bare, cursor.as_deref())))
        .into_iter()
        .map(listing)
        .collect()
}

/// A request of the caller's own making.
pub(crate) fn raw(
    method: Method,
    segments: &[String],
    query: &[(String, String)],
    body: Bytes,
) -> Result<Request, Error> {
    for segment in segments {
        if segment.is_empty() || segment == "." || segment == ".." {
            return Err(Error::invalid(format!(
                "path segment {} would be dropped or resolved on the way",
                quoted(segment)
            )));
        }
        if segment.chars().any(|c| c.is_control() || matches!(c, '/' | '\\')) || has_escape(segment) {
            return Err(Error::invalid(format!(
                "path segment {} contains a separator, a control character, or `%` before two hexadecimal digits",
                quoted(segment)
            )));
        }
    }
    let replay = if method == Method::GET || method == Method::HEAD { Replay::Read } else { Replay::Probe };
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
        fn lists_are_split_at_the_encoded_length_and_keep_every_name(
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
    fn a_list_is_as_long_as_it_may_be() {
        assert_eq!(chunks(&["aa", "bb", "c"], 7), [&["aa", "bb"][..], &["c"][..]]);
        assert_eq!(chunks(&["索"], 1), [&["索"][..]]);
        assert!(chunks(&[] as &[&str], 7).is_empty());
    }

    #[test]
    fn the_longest_names_fit_into_a_request_line_below_the_longest_path() {
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
    fn a_request_shows_neither_body_nor_query() {
        let query = [("token".to_owned(), "canary".to_owned())];
        let request = raw(Method::PUT, &["x".to_owned()], &query, Bytes::from_static(b"canary")).unwrap();

        assert!(!format!("{request:?}").contains("canary"));
    }
}
