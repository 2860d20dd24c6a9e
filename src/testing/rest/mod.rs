//! The REST layer of the engine: routes, strictness, and the shapes of answers and errors.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::edge::{Arrival, format_time};
use super::engine::{Cluster, Index, Now, Phase, Repository, ShardState, Snapshot, SnapshotIndex, SnapshotOptions};
use super::engine::{matches, new_uuid, select};
use crate::error::Operation;

/// What the engine says to one request.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Body,
    pub(super) pretty: bool,
    pub(super) operation: Option<Operation>,
    /// Whether the engine carried the request out.
    pub(super) executed: bool,
    /// Whether it was a request that the fake domain does not know.
    pub(super) unexpected: bool,
}

/// The body of an answer.
pub(super) enum Body {
    Json(Value),
    Empty,
    /// The page of the load balancer, which has not waited for the engine.
    GatewayPage,
}

/// A failed request.
struct Fail {
    status: u16,
    body: Body,
    executed: bool,
    unexpected: bool,
}

type Outcome = Result<Value, Fail>;

impl Fail {
    fn new(status: u16, error_type: &str, reason: impl Into<String>) -> Self {
        Self::with(status, error_type, reason, Map::new())
    }

    /// An error with more than type and reason, such as the index it is about.
    fn with(status: u16, error_type: &str, reason: impl Into<String>, more: Map<String, Value>) -> Self {
        let mut root = more;
        root.insert("type".to_owned(), error_type.into());
        root.insert("reason".to_owned(), reason.into().into());
        let mut error = root.clone();
        error.insert("root_cause".to_owned(), json!([root]));
        Self::plain(status, json!({ "error": error, "status": status }))
    }

    fn plain(status: u16, body: Value) -> Self {
        Self { status, body: Body::Json(body), executed: false, unexpected: false }
    }

    fn caused_by(mut self, cause: Value) -> Self {
        if let Body::Json(body) = &mut self.body
            && let Some(error) = body.get_mut("error").and_then(Value::as_object_mut)
        {
            error.insert("caused_by".to_owned(), cause);
        }
        self
    }

    fn unexpected(mut self) -> Self {
        self.unexpected = true;
        self
    }

    fn illegal(reason: impl Into<String>) -> Self {
        Self::new(400, "illegal_argument_exception", reason)
    }

    fn validation(problem: &str) -> Self {
        Self::new(400, "action_request_validation_exception", format!("Validation Failed: 1: {problem};"))
    }

    fn repository_missing(name: &str) -> Self {
        Self::new(404, "repository_missing_exception", format!("[{name}] missing"))
    }

    fn snapshot_missing(repository: &str, name: &str) -> Self {
        Self::new(404, "snapshot_missing_exception", format!("[{repository}:{name}] is missing"))
    }

    fn index_not_found(name: &str, resource: bool) -> Self {
        let mut more = Map::new();
        more.insert("index".to_owned(), name.into());
        more.insert("index_uuid".to_owned(), "_na_".into());
        if resource {
            more.insert("resource.type".to_owned(), "index_or_alias".into());
            more.insert("resource.id".to_owned(), name.into());
        }
        Self::with(404, "index_not_found_exception", format!("no such index [{name}]"), more)
    }

    fn invalid_index_name(name: &str, problem: &str) -> Self {
        let more = [("index".to_owned(), name.into()), ("index_uuid".to_owned(), "_na_".into())].into_iter().collect();
        Self::with(400, "invalid_index_name_exception", format!("Invalid index name [{name}], {problem}"), more)
    }

    /// The engine would do it; this fake cannot.
    fn not_modelled(what: &str) -> Self {
        Self::illegal(format!("the fake domain does not know {what}")).unexpected()
    }
}

/// The endpoints that the fake engine knows, with the names in the path.
#[derive(Clone, Copy)]
enum Route<'a> {
    Info,
    Health,
    Shards(Option<&'a str>),
    Recovery(Option<&'a str>),
    CreateIndex(&'a str),
    DeleteIndex(&'a str),
    GetRepositories(Option<&'a str>),
    PutRepository(&'a str),
    DeleteRepository(&'a str),
    Verify(&'a str),
    CleanUp(&'a str),
    GetSnapshots(&'a str, &'a str),
    CreateSnapshot(&'a str, &'a str),
    DeleteSnapshots(&'a str, &'a str),
    Clone(&'a str, &'a str, &'a str),
    Restore(&'a str, &'a str),
    Status(Option<&'a str>, Option<&'a str>),
}

/// What a path offers, by method. A word of the API shadows a name in the same place, as in the engines' own router.
fn routes<'a>(segments: &[&'a str]) -> Vec<(&'static str, Route<'a>)> {
    match *segments {
        [] => vec![("GET", Route::Info)],
        ["_cluster", "health"] => vec![("GET", Route::Health)],
        ["_cat", "shards"] => vec![("GET", Route::Shards(None))],
        ["_cat", "shards", index] => vec![("GET", Route::Shards(Some(index)))],
        ["_recovery"] => vec![("GET", Route::Recovery(None))],
        ["_snapshot"] => vec![("GET", Route::GetRepositories(None))],
        ["_snapshot", "_status"] => vec![("GET", Route::Status(None, None))],
        ["_snapshot", repository] => vec![
            ("GET", Route::GetRepositories(Some(repository))),
            ("PUT", Route::PutRepository(repository)),
            ("POST", Route::PutRepository(repository)),
            ("DELETE", Route::DeleteRepository(repository)),
        ],
        ["_snapshot", repository, "_verify"] => vec![("POST", Route::Verify(repository))],
        ["_snapshot", repository, "_cleanup"] => vec![("POST", Route::CleanUp(repository))],
        ["_snapshot", repository, "_status"] => vec![("GET", Route::Status(Some(repository), None))],
        ["_snapshot", repository, snapshot] => vec![
            ("GET", Route::GetSnapshots(repository, snapshot)),
            ("PUT", Route::CreateSnapshot(repository, snapshot)),
            ("POST", Route::CreateSnapshot(repository, snapshot)),
            ("DELETE", Route::DeleteSnapshots(repository, snapshot)),
        ],
        ["_snapshot", repository, snapshot, "_status"] => vec![("GET", Route::Status(Some(repository), Some(snapshot)))],
        ["_snapshot", repository, snapshot, "_restore"] => vec![("POST", Route::Restore(repository, snapshot))],
        ["_snapshot", repository, snapshot, "_clone", target] => vec![("PUT", Route::Clone(repository, snapshot, target))],
        [index, "_recovery"] if !index.starts_with('_') => vec![("GET", Route::Recovery(Some(index)))],
        [index] if !index.starts_with('_') => vec![("PUT", Route::CreateIndex(index)), ("DELETE", Route::DeleteIndex(index))],
        _ => Vec::new(),
    }
}

impl Route<'_> {
    fn operation(self) -> Option<Operation> {
        Some(match self {
            Self::Info => Operation::ServerInfo,
            Self::Shards(_) => Operation::Shards,
            Self::Recovery(_) => Operation::Recovery,
            Self::GetRepositories(None) => Operation::ListRepositories,
            Self::GetRepositories(Some(_)) => Operation::GetRepository,
            Self::PutRepository(_) => Operation::RegisterRepository,
            Self::DeleteRepository(_) => Operation::UnregisterRepository,
            Self::Verify(_) => Operation::VerifyRepository,
            Self::CleanUp(_) => Operation::CleanUpRepository,
            Self::GetSnapshots(_, name) if name.contains(['*', ',']) || name.starts_with('_') => Operation::ListSnapshots,
            Self::GetSnapshots(..) => Operation::GetSnapshot,
            Self::CreateSnapshot(..) => Operation::CreateSnapshot,
            Self::DeleteSnapshots(..) => Operation::DeleteSnapshot,
            Self::Clone(..) => Operation::CloneSnapshot,
            Self::Restore(..) => Operation::RestoreSnapshot,
            Self::Status(..) => Operation::SnapshotStatus,
            Self::Health | Self::CreateIndex(_) | Self::DeleteIndex(_) => return None,
        })
    }

    /// The query parameters of this endpoint, but for those that all have.
    fn parameters(self, cluster: &Cluster) -> Vec<&'static str> {
        let mut known = match self {
            Self::Info => return Vec::new(),
            Self::Health
            | Self::CreateIndex(_)
            | Self::DeleteIndex(_)
            | Self::DeleteRepository(_)
            | Self::Verify(_)
            | Self::CleanUp(_) => vec!["timeout"],
            Self::Shards(_) => vec!["h", "bytes", "local"],
            Self::Recovery(_) => return vec!["active_only", "detailed"],
            Self::GetRepositories(_) => vec!["local"],
            Self::PutRepository(_) => vec!["verify", "timeout"],
            Self::GetSnapshots(..) => vec!["ignore_unavailable", "verbose"],
            Self::CreateSnapshot(..) | Self::Restore(..) => vec!["wait_for_completion"],
            Self::DeleteSnapshots(..) if cluster.engine.es(8, 15) => vec!["wait_for_completion"],
            Self::DeleteSnapshots(..) | Self::Clone(..) => Vec::new(),
            Self::Status(..) => vec!["ignore_unavailable"],
        };
        if matches!(self, Self::GetSnapshots(..)) {
            let since = [
                ("include_repository", 7, 14),
                ("size", 7, 14),
                ("sort", 7, 14),
                ("order", 7, 14),
                ("after", 7, 14),
                ("offset", 7, 15),
                ("index_names", 8, 3),
            ];
            known.extend(since.iter().filter(|(_, major, minor)| cluster.engine.es(*major, *minor)).map(|(name, ..)| *name));
        }
        known.push("master_timeout");
        if cluster.engine.os(2, 0) {
            known.push("cluster_manager_timeout");
        }
        known
    }
}

/// A request, taken apart.
struct Call<'a> {
    path: &'a str,
    query: Vec<(String, String)>,
    body: &'a [u8],
    now: Now,
}

impl Call<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, Fail> {
        match self.parameter(name) {
            None => Ok(default),
            Some("true" | "") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(Fail::illegal(format!("Failed to parse value [{other}] as only [true] or [false] are allowed."))),
        }
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Fail> {
        let parse = |value: &str| {
            value.parse().map_err(|_| Fail::illegal(format!("Failed to parse int parameter [{name}] with value [{value}]")))
        };
        self.parameter(name).map(parse).transpose()
    }

    fn check_parameters(&self, known: &[&str]) -> Result<(), Fail> {
        if known.contains(&"cluster_manager_timeout")
            && self.parameter("cluster_manager_timeout").is_some()
            && self.parameter("master_timeout").is_some()
        {
            return Err(Fail::new(
                400,
                "parse_exception",
                "Please only use one of the request parameters [master_timeout, cluster_manager_timeout].",
            ));
        }
        let time_outs = self.query.iter().filter(|(name, _)| name.ends_with("timeout") && known.contains(&name.as_str()));
        if let Some((name, value)) = time_outs.into_iter().find(|(_, value)| !is_time(value)) {
            return Err(Fail::illegal(format!(
                "failed to parse setting [{name}] with value [{value}] as a time value: unit is missing or unrecognized"
            )));
        }
        // Of those that every endpoint has, the others change the answer in ways that the fake does not.
        let unknown: Vec<&str> = self.query.iter().map(|(name, _)| name.as_str()).filter(|name| !known.contains(name)).collect();
        let unknown: Vec<&str> = unknown.into_iter().filter(|name| !["pretty", "format", "error_trace"].contains(name)).collect();
        if let Some(common) = unknown.iter().find(|name| ["human", "filter_path", "flat_settings"].contains(name)) {
            return Err(Fail::not_modelled(common));
        }
        match unknown.as_slice() {
            [] => Ok(()),
            [one] => Err(Fail::illegal(format!("request [{}] contains unrecognized parameter: [{one}]", self.path))),
            more => {
                let list: Vec<String> = more.iter().map(|name| format!("[{name}]")).collect();
                Err(Fail::illegal(format!("request [{}] contains unrecognized parameters: {}", self.path, list.join(", "))))
            }
        }
    }

    /// The body as an object; an empty one if there is none.
    fn object(&self) -> Result<Map<String, Value>, Fail> {
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Ok(Map::new()),
            Err(error) if error.is_eof() => {
                Err(Fail::new(400, "json_e_o_f_exception", format!("Unexpected end-of-input: {error}")))
            }
            Err(error) => Err(Fail::new(400, "json_parse_exception", format!("Unexpected character: {error}"))),
        }
    }
}

/// Answers one request and changes the state as it says.
pub(super) fn answer(cluster: &mut Cluster, arrival: &Arrival, now: Now) -> Answer {
    let (path, query) = arrival.target.split_once('?').unwrap_or((&arrival.target, ""));
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    });
    let call = Call { path, query: query.collect(), body: &arrival.body, now };
    // Split first, decode then: an encoded slash is part of a name.
    let trimmed = path.strip_prefix('/').unwrap_or(path).trim_end_matches('/');
    let segments: Vec<String> = if trimmed.is_empty() { Vec::new() } else { trimmed.split('/').map(decode).collect() };
    let names: Vec<&str> = segments.iter().map(String::as_str).collect();
    let offered = routes(&names);
    let route = offered.iter().find(|(method, _)| *method == arrival.method).map(|(_, route)| *route);

    let outcome = match route {
        Some(route) => check_content_type(arrival).and_then(|()| cluster.run(route, &call)),
        None if offered.is_empty() => Err(Fail::plain(
            400,
            json!({ "error": format!("no handler found for uri [{}] and method [{}]", arrival.target, arrival.method) }),
        )
        .unexpected()),
        None => {
            let allowed: Vec<&str> = offered.iter().map(|(method, _)| *method).collect();
            let error = format!(
                "Incorrect HTTP method for uri [{}] and method [{}], allowed: [{}]",
                arrival.target,
                arrival.method,
                allowed.join(", ")
            );
            Err(Fail::plain(405, json!({ "error": error, "status": 405 })).unexpected())
        }
    };
    let operation = route.and_then(Route::operation);
    let pretty = matches!(route, Some(Route::Info)) || call.flag("pretty", false).unwrap_or(false);
    match outcome {
        Ok(body) => Answer { status: 200, body: Body::Json(body), pretty, operation, executed: true, unexpected: false },
        Err(Fail { status, body, executed, unexpected }) => {
            let body = if arrival.method == "HEAD" { Body::Empty } else { body };
            Answer { status, body, pretty, operation, executed, unexpected }
        }
    }
}

fn check_content_type(arrival: &Arrival) -> Result<(), Fail> {
    if arrival.body.is_empty() {
        return Ok(());
    }
    let problem = match arrival.header("content-type") {
        None => "Content-Type header is missing".to_owned(),
        Some(given) if given.split(';').next().map(str::trim) == Some("application/json") => return Ok(()),
        Some(given) => format!("Content-Type header [{given}] is not supported"),
    };
    Err(Fail::plain(406, json!({ "error": problem, "status": 406 })))
}

impl Cluster {
    fn run(&mut self, route: Route<'_>, call: &Call<'_>) -> Outcome {
        call.check_parameters(&route.parameters(self))?;
        match route {
            Route::Info => Ok(self.info()),
            Route::Health => Ok(self.health(call.now)),
            Route::Shards(index) => self.cat_shards(index, call),
            Route::Recovery(index) => self.recovery(index, call),
            Route::CreateIndex(index) => self.put_index(index, call),
            Route::DeleteIndex(index) => self.delete_index(index),
            Route::GetRepositories(names) => self.get_repositories(names, call),
            Route::PutRepository(name) => self.put_repository(name, call),
            Route::DeleteRepository(pattern) => self.delete_repositories(pattern, call.now),
            Route::Verify(name) => self.verify(name),
            Route::CleanUp(name) => self.clean_up(name),
            Route::GetSnapshots(repository, names) => self.get_snapshots(repository, names, call),
            Route::CreateSnapshot(repository, name) => self.create_snapshot(repository, name, call),
            Route::DeleteSnapshots(repository, names) => self.delete_snapshots(repository, names, call.now),
            Route::Clone(repository, source, target) => self.clone_snapshot(repository, source, target, call),
            Route::Restore(repository, name) => self.restore(repository, name, call),
            Route::Status(repository, names) => self.status(repository, names, call),
        }
    }

    fn info(&self) -> Value {
        let engine = &self.engine;
        let (tagline, lucene) = if engine.opensearch {
            ("The OpenSearch Project: https://opensearch.org/", "9.12.3")
        } else {
            ("You Know, for Search", "8.7.0")
        };
        let mut version = json!({
            "number": engine.version,
            "build_type": "tar",
            "build_hash": "747e1cc71def077253878a59143c1f785afa92b9",
            "build_date": "2021-01-13T00:42:12.435326Z",
            "build_snapshot": false,
            "lucene_version": lucene,
            "minimum_wire_compatibility_version": "6.8.0",
            "minimum_index_compatibility_version": "6.0.0-beta1",
        });
        if let Some(version) = version.as_object_mut() {
            let (name, value) = if engine.opensearch { ("distribution", "opensearch") } else { ("build_flavor", "oss") };
            version.insert(name.to_owned(), value.into());
        }
        json!({ "name": "node-1", "cluster_name": "local", "cluster_uuid": self.node_id, "version": version, "tagline": tagline })
    }

    fn health(&self, now: Now) -> Value {
        let count = |wanted: ShardState| {
            let of = |(name, index): (&String, &Index)| {
                (0..index.shards).filter(|shard| self.shard_state(name, index, *shard, now) == wanted).count()
            };
            self.indices.iter().map(of).sum::<usize>()
        };
        let (started, initializing, unassigned) =
            (count(ShardState::Started), count(ShardState::Initializing), count(ShardState::Unassigned));
        let all = started + initializing + unassigned;
        let percent = (started * 100).checked_div(all).and_then(|percent| u32::try_from(percent).ok()).map_or(100.0, f64::from);
        json!({
            "cluster_name": "local",
            "status": if started == all { "green" } else { "red" },
            "timed_out": false,
            "number_of_nodes": 1,
            "number_of_data_nodes": 1,
            "active_primary_shards": started,
            "active_shards": started,
            "relocating_shards": 0,
            "initializing_shards": initializing,
            "unassigned_shards": unassigned,
            "delayed_unassigned_shards": 0,
            "number_of_pending_tasks": 0,
            "number_of_in_flight_fetch": 0,
            "task_max_waiting_in_queue_millis": 0,
            "active_shards_percent_as_number": percent,
        })
    }

    /// The indices that a path names: all, or a list of names and patterns.
    fn indices_in_path(&self, list: Option<&str>) -> Result<Vec<(&String, &Index)>, Fail> {
        let expressions: Vec<String> = list.map(|list| list.split(',').map(str::to_owned).collect()).unwrap_or_default();
        let names = select(&expressions, self.indices.keys(), false).map_err(|missing| Fail::index_not_found(&missing, true))?;
        Ok(names.iter().filter_map(|name| self.indices.get_key_value(name)).collect())
    }

    fn cat_shards(&self, index: Option<&str>, call: &Call<'_>) -> Outcome {
        if call.parameter("format") != Some("json") {
            return Err(Fail::not_modelled("_cat without format=json"));
        }
        let columns = call.parameter("h").unwrap_or("index,shard,prirep,state,docs,store,ip,node");
        let mut rows = Vec::new();
        for (name, index) in self.indices_in_path(index)? {
            for shard in 0..index.shards {
                let state = self.shard_state(name, index, shard, call.now);
                let started = |value: String| if state == ShardState::Started { Value::from(value) } else { Value::Null };
                let assigned = |value: &str| if state == ShardState::Unassigned { Value::Null } else { Value::from(value) };
                let value_of = |column: &str| {
                    Some(match column {
                        "index" => name.clone().into(),
                        "shard" => shard.to_string().into(),
                        "prirep" => "p".into(),
                        "state" => match state {
                            ShardState::Started => "STARTED".into(),
                            ShardState::Initializing => "INITIALIZING".into(),
                            ShardState::Unassigned => "UNASSIGNED".into(),
                        },
                        "docs" => started((index.docs / u64::from(index.shards.max(1))).to_string()),
                        "store" => started("64kb".to_owned()),
                        "ip" => assigned("127.0.0.1"),
                        "node" => assigned("node-1"),
                        "unassigned.reason" => match state {
                            ShardState::Unassigned => "ALLOCATION_FAILED".into(),
                            ShardState::Initializing => "NEW_INDEX_RESTORED".into(),
                            ShardState::Started => Value::Null,
                        },
                        _ => return None,
                    })
                };
                let row: Map<String, Value> =
                    columns.split(',').filter_map(|column| Some((column.to_owned(), value_of(column)?))).collect();
                rows.push(Value::Object(row));
            }
        }
        Ok(rows.into())
    }

    fn recovery(&self, index: Option<&str>, call: &Call<'_>) -> Outcome {
        let active_only = call.flag("active_only", false)?;
        let mut out = Map::new();
        for (name, index) in self.indices_in_path(index)? {
            let shards: Vec<Value> = (0..index.shards)
                .filter_map(|shard| match self.shard_state(name, index, shard, call.now) {
                    ShardState::Unassigned => None,
                    ShardState::Started if active_only => None,
                    _ => Some(self.shard_recovery(index, shard, call.now)),
                })
                .collect();
            if !shards.is_empty() {
                out.insert(name.clone(), json!({ "shards": shards }));
            }
        }
        Ok(out.into())
    }

    fn shard_recovery(&self, index: &Index, shard: u32, now: Now) -> Value {
        let from_snapshot = index.restored.as_ref().filter(|restored| !restored.missing.contains(&shard));
        let files = if from_snapshot.is_some() { FILES } else { 0 };
        let done = index.restored.as_ref().map_or(files, |restored| restored.work.done_of(files, now));
        let ended = match &index.restored {
            Some(restored) => restored.work.ended(now),
            None => Some(index.created.wall),
        };
        let began = millis(index.created.wall);
        let percent = format!("{}.0%", (done * 100).checked_div(files).unwrap_or(0));
        let mut out = json!({
            "id": shard,
            "type": if from_snapshot.is_some() { "SNAPSHOT" } else { "EMPTY_STORE" },
            "stage": if ended.is_some() { "DONE" } else { "INDEX" },
            "primary": true,
            "start_time_in_millis": began,
            "total_time_in_millis": millis(ended.unwrap_or(now.wall)).saturating_sub(began),
            "source": from_snapshot.map_or_else(|| json!({}), |restored| json!({
                "repository": restored.repository,
                "snapshot": restored.snapshot,
                "version": self.engine.version,
                "index": restored.index,
                "restoreUUID": restored.uuid,
            })),
            "target": {
                "id": self.node_id, "host": "127.0.0.1", "transport_address": "127.0.0.1:9300", "ip": "127.0.0.1", "name": "node-1",
            },
            "index": {
                "size": {
                    "total_in_bytes": files * FILE_SIZE,
                    "reused_in_bytes": 0,
                    "recovered_in_bytes": done * FILE_SIZE,
                    "percent": percent,
                },
                "files": { "total": files, "reused": 0, "recovered": done, "percent": percent },
                "total_time_in_millis": 0,
                "source_throttle_time_in_millis": 0,
                "target_throttle_time_in_millis": 0,
            },
            "translog": { "recovered": 0, "total": 0, "percent": "100.0%", "total_on_start": 0, "total_time_in_millis": 0 },
            "verify_index": { "check_index_time_in_millis": 0, "total_time_in_millis": 0 },
        });
        if let (Some(ended), Some(out)) = (ended, out.as_object_mut()) {
            out.insert("stop_time_in_millis".to_owned(), millis(ended).into());
        }
        out
    }

    fn put_index(&mut self, name: &str, call: &Call<'_>) -> Outcome {
        check_index_name(name)?;
        if let Some(existing) = self.indices.get(name) {
            let more = [("index".to_owned(), name.into()), ("index_uuid".to_owned(), existing.uuid.clone().into())];
            let reason = format!("index [{name}/{}] already exists", existing.uuid);
            return Err(Fail::with(400, "resource_already_exists_exception", reason, more.into_iter().collect()));
        }
        let body = Value::Object(call.object()?);
        let shards = ["/settings/number_of_shards", "/settings/index/number_of_shards"].iter().find_map(|at| body.pointer(at));
        let shards = shards.and_then(|value| value.as_str().map_or_else(|| value.as_u64(), |text| text.parse().ok()));
        let shards = shards.and_then(|shards| u32::try_from(shards).ok()).unwrap_or(1);
        self.create_index(name, shards, call.now);
        Ok(json!({ "acknowledged": true, "shards_acknowledged": true, "index": name }))
    }

    fn delete_index(&mut self, list: &str) -> Outcome {
        let names: Vec<String> = self.indices_in_path(Some(list))?.into_iter().map(|(name, _)| name.clone()).collect();
        let busy = |name: &&String| self.running().any(|(_, snapshot)| snapshot.indices.contains_key(*name));
        let busy: Vec<String> =
            names.iter().filter(busy).filter_map(|name| Some(format!("[{name}/{}]", self.indices.get(name)?.uuid))).collect();
        if !busy.is_empty() {
            return Err(Fail::new(
                400,
                "snapshot_in_progress_exception",
                format!(
                    "Cannot delete indices that are being snapshotted: [{}]. Try again after snapshot finishes or cancel the currently \
                     running snapshot.",
                    busy.join(", ")
                ),
            ));
        }
        for name in &names {
            self.remove_index(name);
        }
        Ok(acknowledged())
    }

    fn get_repositories(&self, list: Option<&str>, call: &Call<'_>) -> Outcome {
        call.flag("local", false)?;
        let mut out = Map::new();
        for pattern in list.unwrap_or("_all").split(',') {
            let found = self.repositories.iter().filter(|(name, _)| pattern == "_all" || matches(pattern, name));
            let found: Vec<_> = found.map(|(name, repository)| (name.clone(), repository_json(repository))).collect();
            // A cluster without any repository says so even to a pattern, until Elasticsearch 8.
            let pattern_may_miss =
                pattern == "_all" || pattern.contains('*') && (!self.repositories.is_empty() || self.engine.es(8, 0));
            if found.is_empty() && !pattern_may_miss {
                return Err(Fail::repository_missing(pattern));
            }
            out.extend(found);
        }
        Ok(out.into())
    }

    fn put_repository(&mut self, name: &str, call: &Call<'_>) -> Outcome {
        if call.body.is_empty() {
            return Err(Fail::new(400, "parse_exception", "request body is required"));
        }
        let body = call.object()?;
        let verify = call.flag("verify", true)?;
        let settings = match body.get("settings") {
            None => Map::new(),
            Some(Value::Object(settings)) => stringified(settings),
            Some(_) => return Err(Fail::illegal("Malformed settings section, should include an inner object")),
        };
        let Some(kind) = body.get("type").and_then(Value::as_str) else {
            return Err(Fail::validation("type is missing"));
        };
        self.check_repository_name(name)?;
        if self.is_in_use(name, call.now) {
            return Err(self.repository_in_use(name));
        }
        let repository = Self::build_repository(name, kind, settings)?;
        let fault = if verify { self.storage_fault(name, &repository) } else { None };
        match fault {
            None => {
                self.repositories.insert(name.to_owned(), repository);
                Ok(acknowledged())
            }
            Some(mut fail) => {
                // Elasticsearch 8 verifies before it registers; the others register, then verify.
                if !self.engine.es(8, 0) {
                    self.repositories.insert(name.to_owned(), repository);
                    fail.executed = true;
                }
                Err(fail)
            }
        }
    }

    fn check_repository_name(&self, name: &str) -> Result<(), Fail> {
        let problem = if name.is_empty() {
            "cannot be empty".to_owned()
        } else if name.contains('#') {
            "must not contain '#'".to_owned()
        } else if name.contains(FORBIDDEN) {
            self.forbidden_letters()
        } else {
            return Ok(());
        };
        Err(Fail::new(500, "repository_exception", format!("[{name}] {problem}")))
    }

    fn forbidden_letters(&self) -> String {
        let list = if self.engine.es(8, 0) {
            r#"[' ','"','*',',','/','<','>','?','\','|']"#
        } else {
            r#"[ , ", *, \, <, |, ,, >, /, ?]"#
        };
        format!("must not contain the following characters {list}")
    }

    fn repository_in_use(&self, name: &str) -> Fail {
        if self.engine.es(8, 0) {
            Fail::new(
                409,
                "repository_conflict_exception",
                format!("[{name}] trying to modify or unregister repository that is currently used (snapshot is in progress)"),
            )
        } else {
            Fail::new(500, "illegal_state_exception", "trying to modify or unregister repository that is currently used")
        }
    }

    fn build_repository(name: &str, kind: &str, settings: Map<String, Value>) -> Result<Repository, Fail> {
        let failed = || Fail::new(500, "repository_exception", format!("[{name}] failed to create repository"));
        let setting = |key: &str| settings.get(key).and_then(Value::as_str).filter(|value| !value.is_empty());
        let place = match kind {
            "s3" => {
                let Some(bucket) = setting("bucket") else {
                    let cause = json!({ "type": "illegal_argument_exception", "reason": "No bucket defined for s3 repository" });
                    return Err(failed().caused_by(cause));
                };
                format!("s3:{bucket}/{}", setting("base_path").unwrap_or_default())
            }
            "fs" => {
                let Some(location) = setting("location") else {
                    let cause = json!({ "type": "repository_exception", "reason": format!("[{name}] missing location") });
                    return Err(failed().caused_by(cause));
                };
                format!("fs:{location}")
            }
            other => {
                let reason = format!("[{name}] repository type [{other}] does not exist");
                return Err(Fail::new(500, "repository_exception", reason));
            }
        };
        Ok(Repository { kind: kind.to_owned(), settings, place })
    }

    /// What the storage says to a verification, if not yes.
    fn storage_fault(&self, name: &str, repository: &Repository) -> Option<Fail> {
        if repository.kind != "s3" {
            return None;
        }
        let setting = |key: &str| repository.settings.get(key).and_then(Value::as_str).unwrap_or_default();
        let (bucket, region, base_path) = (setting("bucket"), setting("region"), setting("base_path"));
        let (text, status, code, new_type) = match self.buckets.get(bucket) {
            None => ("The specified bucket does not exist".to_owned(), 404, "NoSuchBucket", "no_such_bucket_exception"),
            Some(Some(home)) if !region.is_empty() && region != home => (
                format!("The bucket is in this region: {home}. Please use this region to retry the request"),
                301,
                "PermanentRedirect",
                "s3_exception",
            ),
            Some(_) => return None,
        };
        let (s3_type, s3_text) = if self.engine.os(2, 0) {
            (
                new_type,
                format!("{text} (Service: S3, Status Code: {status}, Request ID: 370EEBE298044247) (SDK Attempt Count: 1)"),
            )
        } else {
            (
                "amazon_s3_exception",
                format!(
                    "{text} (Service: Amazon S3; Status Code: {status}; Error Code: {code}; Request ID: 75032E93C0CC40D1; S3 Extended \
                     Request ID: 8EE0E06E3A784FCF; Proxy: null)"
                ),
            )
        };
        let (shown, prefix) = match base_path {
            "" => (String::new(), String::new()),
            path => (format!("[{path}]"), format!("{path}/")),
        };
        let reason = format!("[{name}] path {shown} is not accessible on {} node", self.engine.master());
        let fail = Fail::new(500, "repository_verification_exception", reason);
        Some(fail.caused_by(json!({
            "type": "i_o_exception",
            "reason": format!("Unable to upload object [{prefix}tests-{}/master.dat] using a single upload", new_uuid()),
            "caused_by": { "type": s3_type, "reason": s3_text },
        })))
    }

    fn delete_repositories(&mut self, pattern: &str, now: Now) -> Outcome {
        let names: Vec<String> = self.repositories.keys().filter(|name| matches(pattern, name)).cloned().collect();
        if names.is_empty() && pattern != "*" {
            return Err(Fail::repository_missing(pattern));
        }
        if let Some(busy) = names.iter().find(|name| self.is_in_use(name, now)) {
            return Err(self.repository_in_use(busy));
        }
        for name in &names {
            self.repositories.remove(name);
        }
        Ok(acknowledged())
    }

    fn repository(&self, name: &str) -> Result<&Repository, Fail> {
        self.repositories.get(name).ok_or_else(|| Fail::repository_missing(name))
    }

    /// A repository that can be written to.
    fn writable(&self, name: &str, otherwise: &str) -> Result<(), Fail> {
        if self.repository(name)?.is_readonly() {
            return Err(Fail::new(500, "repository_exception", format!("[{name}] {otherwise}")));
        }
        Ok(())
    }

    fn verify(&self, name: &str) -> Outcome {
        if let Some(fail) = self.storage_fault(name, self.repository(name)?) {
            return Err(fail);
        }
        let node_id = self.node_id.clone();
        Ok(json!({ "nodes": { node_id: { "name": "node-1" } } }))
    }

    fn clean_up(&self, name: &str) -> Outcome {
        self.writable(name, "cannot run cleanup on readonly repository")?;
        if let Some((_, running)) = self.running().next() {
            return Err(Fail::new(
                500,
                "illegal_state_exception",
                format!("Cannot cleanup [{name}] - a snapshot is currently running in [SnapshotsInProgress[{}]]", running.name),
            ));
        }
        Ok(json!({ "results": { "deleted_bytes": 0, "deleted_blobs": 0 } }))
    }

    fn get_snapshots(&self, repositories: &str, names: &str, call: &Call<'_>) -> Outcome {
        let ignore_unavailable = call.flag("ignore_unavailable", false)?;
        let many = self.engine.es(7, 14);
        let detail = Detail {
            verbose: call.flag("verbose", true)?,
            repository: many && call.flag("include_repository", true)?,
            indices: call.flag("index_names", true)?,
        };
        let repositories: Vec<&str> = if many {
            let mut chosen = Vec::new();
            for pattern in repositories.split(',') {
                let fits = |name: &&String| pattern == "_all" || matches(pattern, name);
                let before = chosen.len();
                chosen.extend(self.repositories.keys().filter(fits).map(String::as_str));
                if chosen.len() == before && !pattern.contains('*') && pattern != "_all" {
                    return Err(Fail::repository_missing(pattern));
                }
            }
            chosen
        } else {
            vec![repositories]
        };
        let mut found: Vec<(&str, &Snapshot)> = Vec::new();
        for repository in repositories {
            let all = self.snapshots(repository).ok_or_else(|| Fail::repository_missing(repository))?;
            let mut wanted = BTreeSet::new();
            for name in names.split(',') {
                let fits = |snapshot: &&&Snapshot| match name {
                    "_all" => true,
                    "_current" => snapshot.is_running(),
                    name => matches(name, &snapshot.name),
                };
                let before = wanted.len();
                wanted.extend(all.iter().filter(fits).map(|snapshot| &snapshot.name));
                let may_miss = ["_all", "_current"].contains(&name) || ignore_unavailable || many && name.contains('*');
                let missed = wanted.len() == before && !all.iter().any(|snapshot| fits(&snapshot));
                if missed && !may_miss {
                    return Err(Fail::snapshot_missing(repository, name));
                }
            }
            found.extend(
                all.into_iter().filter(|snapshot| wanted.contains(&snapshot.name)).map(|snapshot| (repository, snapshot)),
            );
        }
        let total = found.len();
        let mut next = None;
        if many {
            next = page(&mut found, call)?;
        }
        let snapshots: Vec<Value> =
            found.iter().map(|(repository, snapshot)| self.snapshot_info(repository, snapshot, detail)).collect();
        let mut out = json!({ "snapshots": snapshots });
        if let (true, Some(out)) = (many, out.as_object_mut()) {
            out.insert("total".to_owned(), total.into());
            let remaining = next.as_ref().map_or(0, |(_, remaining)| *remaining);
            out.insert("remaining".to_owned(), remaining.into());
            if let Some((cursor, _)) = next {
                out.insert("next".to_owned(), cursor.into());
            }
        }
        Ok(out)
    }

    fn snapshot_info(&self, repository: &str, snapshot: &Snapshot, detail: Detail) -> Value {
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        put("snapshot", snapshot.name.clone().into());
        put("uuid", snapshot.uuid.clone().into());
        if detail.repository {
            put("repository", repository.into());
        }
        if detail.indices {
            put("indices", snapshot.indices.keys().cloned().collect::<Vec<_>>().into());
        }
        put("data_streams", json!([]));
        put("state", snapshot.state().into());
        if !detail.verbose {
            return out.into();
        }
        let (version_id, version) = self.engine.snapshot_version();
        put("version_id", version_id.into());
        put("version", version.into());
        put("include_global_state", snapshot.include_global_state.into());
        // A clone has an empty object where others have nothing.
        if let Some(metadata) = snapshot.metadata.clone().or_else(|| snapshot.is_clone.then(|| json!({}))) {
            put("metadata", metadata);
        }
        if self.engine.os(2, 9) {
            put("remote_store_index_shallow_copy", false.into());
        }
        if self.engine.es(7, 12) {
            put("feature_states", json!([]));
        }
        let ended = match &snapshot.phase {
            Phase::Ended { at, reason, .. } => {
                if let Some(reason) = reason {
                    put("reason", reason.clone().into());
                }
                Some(*at)
            }
            Phase::Running { .. } => None,
        };
        let (began, end) = (millis(snapshot.began.wall), ended.map_or(0, millis));
        put("start_time", iso(snapshot.began.wall).into());
        put("start_time_in_millis", began.into());
        put("end_time", iso(ended.unwrap_or(std::time::SystemTime::UNIX_EPOCH)).into());
        put("end_time_in_millis", end.into());
        put("duration_in_millis", end.saturating_sub(began).into());
        let failures: Vec<Value> = snapshot
            .indices
            .iter()
            .flat_map(|(name, index)| {
                let uuid = if self.engine.es(8, 0) { &index.uuid } else { name };
                index.failed.iter().map(move |(shard, reason)| {
                    json!({
                        "index": name,
                        "index_uuid": uuid,
                        "shard_id": shard,
                        "reason": reason,
                        "node_id": self.node_id,
                        "status": "INTERNAL_SERVER_ERROR",
                    })
                })
            })
            .collect();
        let failed = failures.len();
        put("failures", failures.into());
        let (total, done) = match ended {
            // The engines forget to count the shards of a clone.
            Some(_) if snapshot.is_clone && !self.engine.es(8, 0) => (0, 0),
            Some(_) => (snapshot.shards() as usize, (snapshot.shards() as usize).saturating_sub(failed)),
            None if self.engine.es(8, 0) => (snapshot.shards() as usize, 0),
            None => (0, 0),
        };
        put("shards", json!({ "total": total, "failed": failed, "successful": done }));
        out.into()
    }

    fn check_snapshot_name(&self, repository: &str, name: &str) -> Result<(), Fail> {
        let problem = if name.is_empty() {
            "cannot be empty".to_owned()
        } else if name.contains(char::is_whitespace) {
            "must not contain whitespace".to_owned()
        } else if name.contains(',') {
            "must not contain ','".to_owned()
        } else if name.contains('#') {
            "must not contain '#'".to_owned()
        } else if name.starts_with('_') {
            "must not start with '_'".to_owned()
        } else if name.to_lowercase() != name {
            "must be lowercase".to_owned()
        } else if name.contains(FORBIDDEN) {
            self.forbidden_letters()
        } else {
            return Ok(());
        };
        Err(invalid_snapshot_name(repository, name, &problem))
    }

    fn check_name_is_free(&self, repository: &str, name: &str) -> Result<(), Fail> {
        let Some(existing) = self.snapshot(repository, name) else { return Ok(()) };
        let problem = if existing.is_running() {
            "snapshot with the same name is already in-progress"
        } else {
            "snapshot with the same name already exists"
        };
        if self.engine.es(8, 2) {
            let reason = format!("[{repository}:{name}] Invalid snapshot name [{name}], {problem}");
            return Err(Fail::new(400, "snapshot_name_already_in_use_exception", reason));
        }
        Err(invalid_snapshot_name(repository, name, problem))
    }

    fn create_snapshot(&mut self, repository: &str, name: &str, call: &Call<'_>) -> Outcome {
        let wait = call.flag("wait_for_completion", false)?;
        let body = call.object()?;
        let expressions = index_expressions(&body)?;
        let flag =
            |key: &str, default: bool| body.get(key).map_or(default, |value| value == &json!(true) || value == &json!("true"));
        let metadata = match body.get("metadata") {
            None | Some(Value::Null) => None,
            Some(object @ Value::Object(_)) => Some(object.clone()),
            Some(_) => return Err(Fail::illegal("malformed metadata, should be an object")),
        };
        if let Some(size) = metadata.as_ref().map(|metadata| metadata.to_string().len())
            && size > 1024
        {
            return Err(Fail::validation(&format!("metadata must be smaller than 1024 bytes, but was [{size}]")));
        }
        if name.starts_with('<') && name.ends_with('>') {
            return Err(Fail::not_modelled("names with date math"));
        }
        self.check_snapshot_name(repository, name)?;
        self.writable(repository, "cannot create snapshot in a readonly repository")?;
        self.check_name_is_free(repository, name)?;
        let names = select(&expressions, self.indices.keys(), flag("ignore_unavailable", false))
            .map_err(|missing| Fail::index_not_found(&missing, true))?;
        if let Some(broken) = names.iter().find(|name| self.lacks_primaries(name, call.now))
            && !flag("partial", false)
        {
            let reason = format!("[{repository}:{name}] Indices don't have primary shards [{broken}]");
            return Err(Fail::new(500, "snapshot_exception", reason));
        }
        let options = SnapshotOptions { include_global_state: flag("include_global_state", true), metadata, is_clone: false };
        let copies = self.index_copies(&names);
        let _ = self.start_snapshot(repository, name, copies, options, call.now);
        if !wait {
            return Ok(json!({ "accepted": true }));
        }
        if self.hold_snapshots {
            return Err(gateway_timeout());
        }
        self.end_snapshot(repository, name, None, call.now);
        let detail = Detail { verbose: true, repository: self.engine.es(7, 14), indices: true };
        let info = self.snapshot(repository, name).map(|snapshot| self.snapshot_info(repository, snapshot, detail));
        Ok(json!({ "snapshot": info }))
    }

    fn lacks_primaries(&self, name: &str, now: Now) -> bool {
        self.indices.get(name).is_some_and(|index| {
            (0..index.shards).any(|shard| self.shard_state(name, index, shard, now) == ShardState::Unassigned)
        })
    }

    fn delete_snapshots(&mut self, repository: &str, list: &str, now: Now) -> Outcome {
        self.writable(repository, "cannot delete snapshot from a readonly repository")?;
        let mut names = Vec::new();
        for pattern in list.split(',') {
            let found: Vec<&Snapshot> = self
                .snapshots(repository)
                .unwrap_or_default()
                .into_iter()
                .filter(|snapshot| matches(pattern, &snapshot.name))
                .collect();
            if found.is_empty() && !pattern.contains('*') {
                return Err(Fail::snapshot_missing(repository, pattern));
            }
            if let Some(used) = found.iter().find(|snapshot| self.is_restored_from(snapshot, now)) {
                // OpenSearch 3 counts this as too many requests; the others as unavailable.
                let status = if self.engine.os(3, 0) { 429 } else { 503 };
                let reason = format!(
                    "[{repository}:{}] cannot delete snapshot during a restore in progress in [{repository}:{}/{}]",
                    used.name, used.name, used.uuid
                );
                return Err(Fail::new(status, "concurrent_snapshot_execution_exception", reason));
            }
            names.extend(found.into_iter().map(|snapshot| snapshot.name.clone()));
        }
        self.remove_snapshots(repository, &names);
        Ok(acknowledged())
    }

    fn clone_snapshot(&mut self, repository: &str, source: &str, target: &str, call: &Call<'_>) -> Outcome {
        let expressions = index_expressions(&call.object()?)?;
        if expressions.is_empty() {
            return Err(Fail::validation("indices patterns are empty"));
        }
        self.check_snapshot_name(repository, target)?;
        self.writable(repository, "cannot create snapshot in a readonly repository")?;
        self.check_name_is_free(repository, target)?;
        let snapshot = self.snapshot(repository, source).filter(|snapshot| !snapshot.is_running());
        let snapshot = snapshot.ok_or_else(|| Fail::snapshot_missing(repository, source))?;
        let names =
            select(&expressions, snapshot.indices.keys(), false).map_err(|missing| Fail::index_not_found(&missing, false))?;
        let copies: std::collections::BTreeMap<String, SnapshotIndex> =
            names.iter().filter_map(|name| Some((name.clone(), snapshot.indices.get(name)?.clone()))).collect();
        if let Some((broken, _)) = copies.iter().find(|(_, index)| !index.failed.is_empty()) {
            let reason = format!(
                "[{repository}:{source}/{}] Can't clone index [{broken}] because its snapshot was not successful.",
                snapshot.uuid
            );
            return Err(Fail::new(500, "snapshot_exception", reason));
        }
        let options = SnapshotOptions { include_global_state: true, metadata: None, is_clone: true };
        let _ = self.start_snapshot(repository, target, copies, options, call.now);
        Ok(acknowledged())
    }

    fn restore(&mut self, repository: &str, name: &str, call: &Call<'_>) -> Outcome {
        let wait = call.flag("wait_for_completion", false)?;
        let body = call.object()?;
        let expressions = index_expressions(&body)?;
        if let Some(unknown) = body.keys().find(|key| !self.knows_restore_key(key)) {
            return Err(Fail::illegal(format!("Unknown parameter {unknown}")));
        }
        self.repository(repository)?;
        let flag = |key: &str| body.get(key).is_some_and(|value| value == &json!(true) || value == &json!("true"));
        let snapshot = self.snapshot(repository, name).filter(|snapshot| !snapshot.is_running()).cloned();
        let Some(snapshot) = snapshot else {
            return Err(restore_failure(format!("[{repository}:{name}] snapshot does not exist")));
        };
        let label = format!("[{repository}:{name}/{}]", snapshot.uuid);
        if snapshot.state() == "FAILED" {
            return Err(restore_failure(format!("{label} unsupported snapshot state [FAILED]")));
        }
        let names = select(&expressions, snapshot.indices.keys(), flag("ignore_unavailable"))
            .map_err(|missing| Fail::index_not_found(&missing, false))?;
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        let mut targets: Vec<(String, String)> = Vec::new();
        for index in names {
            let target = match text("rename_pattern") {
                "" => index.clone(),
                pattern => rename(&index, pattern, text("rename_replacement"))
                    .ok_or_else(|| Fail::not_modelled("this rename_pattern; it takes letters and one group (.+) or (.*)"))?,
            };
            check_index_name(&target)?;
            if let Some((other, _)) = targets.iter().find(|(_, taken)| *taken == target) {
                let reason = format!("{label} indices [{index}] and [{other}] are renamed into the same index [{target}]");
                return Err(restore_failure(reason));
            }
            if self.indices.contains_key(&target) {
                return Err(restore_failure(format!(
                    "{label} cannot restore index [{target}] because an open index with same name already exists in the cluster. Either \
                     close or delete the existing index or restore the index under a different name by providing a rename pattern and \
                     replacement name"
                )));
            }
            let whole = snapshot.indices.get(&index).is_none_or(|copy| copy.failed.is_empty());
            if !whole && !flag("partial") {
                return Err(restore_failure(format!("{label} index [{index}] wasn't fully snapshotted - cannot restore")));
            }
            targets.push((index, target));
        }
        let restore_uuid = new_uuid();
        for (index, target) in &targets {
            self.start_restore(target.clone(), repository, &snapshot, index, &restore_uuid, call.now);
        }
        let targets: Vec<String> = targets.into_iter().map(|(_, target)| target).collect();
        if !wait && !targets.is_empty() {
            return Ok(json!({ "accepted": true }));
        }
        if wait && self.hold_restores {
            return Err(gateway_timeout());
        }
        self.end_restores(&targets, call.now);
        let (mut total, mut failed) = (0, 0);
        for (name, index) in targets.iter().filter_map(|name| self.indices.get_key_value(name)) {
            total += index.shards;
            let missing = |shard: &u32| {
                index.restored.as_ref().is_some_and(|restored| restored.missing.contains(shard))
                    || self.shard_state(name, index, *shard, call.now) == ShardState::Unassigned
            };
            failed += u32::try_from((0..index.shards).filter(missing).count()).unwrap_or(0);
        }
        let shards = json!({ "total": total, "failed": failed, "successful": total - failed });
        Ok(json!({ "snapshot": { "snapshot": name, "indices": targets, "shards": shards } }))
    }

    fn knows_restore_key(&self, key: &str) -> bool {
        match key {
            "indices"
            | "ignore_unavailable"
            | "expand_wildcards"
            | "allow_no_indices"
            | "include_global_state"
            | "include_aliases"
            | "partial"
            | "rename_pattern"
            | "rename_replacement"
            | "index_settings"
            | "ignore_index_settings" => true,
            "settings" => !self.engine.es(8, 0),
            "feature_states" => self.engine.es(7, 12),
            "storage_type" => self.engine.os(2, 4),
            "source_remote_store_repository" => self.engine.os(2, 10),
            "source_remote_translog_repository" => self.engine.os(2, 17),
            "rename_alias_pattern" | "rename_alias_replacement" => self.engine.os(2, 18),
            "alias_write_index_policy" => self.engine.os(3, 3),
            "attach_to_data_stream" => self.engine.os(3, 8),
            _ => false,
        }
    }

    fn status(&self, repository: Option<&str>, names: Option<&str>, call: &Call<'_>) -> Outcome {
        let ignore_unavailable = call.flag("ignore_unavailable", false)?;
        let mut out = Vec::new();
        match (repository, names.filter(|names| *names != "_all")) {
            (Some(repository), Some(names)) => {
                self.repository(repository)?;
                for name in names.split(',') {
                    match self.snapshot(repository, name) {
                        Some(snapshot) => out.push(self.snapshot_status(repository, snapshot, call.now)),
                        None if ignore_unavailable => {}
                        None => return Err(Fail::snapshot_missing(repository, name)),
                    }
                }
            }
            (repository, _) => {
                let wanted = self.running().filter(|(name, _)| repository.is_none_or(|repository| repository == *name));
                out.extend(wanted.map(|(name, snapshot)| self.snapshot_status(name, snapshot, call.now)));
            }
        }
        Ok(json!({ "snapshots": out }))
    }

    fn snapshot_status(&self, repository: &str, snapshot: &Snapshot, now: Now) -> Value {
        let all = u64::from(snapshot.shards());
        let (mut done_left, ended) = match &snapshot.phase {
            Phase::Running { work, .. } => (work.done_of(all, now), None),
            Phase::Ended { at, .. } => (all, Some(*at)),
        };
        let began = millis(snapshot.began.wall);
        let time = millis(ended.unwrap_or(now.wall)).saturating_sub(began);
        let (mut whole, mut indices) = (Tally::default(), Map::new());
        for (name, index) in &snapshot.indices {
            let (mut tally, mut shards) = (Tally::default(), Map::new());
            for shard in 0..index.shards {
                let mut one = Tally::default();
                let stage = if let Some(reason) = index.failed.get(&shard) {
                    one.failed = 1;
                    Stage::Failed(reason)
                } else if done_left > 0 {
                    one.done = 1;
                    Stage::Done
                } else {
                    one.started = 1;
                    Stage::Started
                };
                done_left = done_left.saturating_sub(1);
                let mut entry = json!({ "stage": stage.name(), "stats": one.stats(ended.is_some(), began, time) });
                if let Some(entry) = entry.as_object_mut() {
                    match stage {
                        Stage::Failed(reason) => {
                            entry.insert("reason".to_owned(), reason.into());
                        }
                        Stage::Started => {
                            entry.insert("node".to_owned(), self.node_id.clone().into());
                        }
                        Stage::Done => {}
                    }
                }
                shards.insert(shard.to_string(), entry);
                tally.add(&one);
            }
            let stats = tally.stats(ended.is_some(), began, time);
            indices.insert(name.clone(), json!({ "shards_stats": tally.shards(), "stats": stats, "shards": shards }));
            whole.add(&tally);
        }
        let state = match snapshot.state() {
            "IN_PROGRESS" => "STARTED",
            "PARTIAL" if !self.engine.os(2, 0) => "SUCCESS",
            state => state,
        };
        json!({
            "snapshot": snapshot.name,
            "repository": repository,
            "uuid": snapshot.uuid,
            "state": state,
            "include_global_state": snapshot.include_global_state,
            "shards_stats": whole.shards(),
            "stats": whole.stats(ended.is_some(), began, time),
            "indices": indices,
        })
    }
}

/// How much of a snapshot is told.
#[derive(Clone, Copy)]
struct Detail {
    verbose: bool,
    repository: bool,
    indices: bool,
}

enum Stage<'a> {
    Started,
    Done,
    Failed(&'a str),
}

impl Stage<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Done => "DONE",
            Self::Failed(_) => "FAILURE",
        }
    }
}

/// Files and their size of each shard.
const FILES: u64 = 4;
const FILE_SIZE: u64 = 16_384;

/// Shards by stage.
#[derive(Default)]
struct Tally {
    started: u64,
    done: u64,
    failed: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.started += other.started;
        self.done += other.done;
        self.failed += other.failed;
    }

    fn shards(&self) -> Value {
        let total = self.started + self.done + self.failed;
        json!({
            "initializing": 0, "started": self.started, "finalizing": 0, "done": self.done, "failed": self.failed, "total": total,
        })
    }

    fn stats(&self, ended: bool, began: u64, time: u64) -> Value {
        let files = |shards: u64| json!({ "file_count": shards * FILES, "size_in_bytes": shards * FILES * FILE_SIZE });
        let all = files(self.started + self.done);
        let mut out = json!({ "incremental": all, "total": all, "start_time_in_millis": began, "time_in_millis": time });
        if let (false, Some(out)) = (ended || self.started == 0, out.as_object_mut()) {
            out.insert("processed".to_owned(), files(self.done));
        }
        out
    }
}

/// Whether a text is a time value such as `30s`.
fn is_time(text: &str) -> bool {
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    text == "-1" || text == "0" || unit.len() < text.len() && ["nanos", "micros", "ms", "s", "m", "h", "d"].contains(&unit)
}

const FORBIDDEN: [char; 10] = ['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ','];

fn acknowledged() -> Value {
    json!({ "acknowledged": true })
}

/// A waiting call that takes longer than the load balancer waits. The engine goes on.
fn gateway_timeout() -> Fail {
    Fail { status: 504, body: Body::GatewayPage, executed: true, unexpected: false }
}

fn restore_failure(reason: String) -> Fail {
    Fail::new(500, "snapshot_restore_exception", reason)
}

fn invalid_snapshot_name(repository: &str, name: &str, problem: &str) -> Fail {
    let reason = format!("[{repository}:{name}] Invalid snapshot name [{name}], {problem}");
    Fail::new(400, "invalid_snapshot_name_exception", reason)
}

fn check_index_name(name: &str) -> Result<(), Fail> {
    if name.to_lowercase() != name {
        return Err(Fail::invalid_index_name(name, "must be lowercase"));
    }
    if name.contains(FORBIDDEN) {
        return Err(Fail::invalid_index_name(
            name,
            r#"must not contain the following characters [ , ", *, \, <, |, ,, >, /, ?]"#,
        ));
    }
    Ok(())
}

/// `indices` of a body: a list with commas or an array.
fn index_expressions(body: &Map<String, Value>) -> Result<Vec<String>, Fail> {
    let malformed = || Fail::illegal("malformed indices section, should be an array of strings");
    match body.get("indices") {
        None => Ok(Vec::new()),
        Some(Value::String(list)) => Ok(list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()),
        Some(Value::Array(list)) => list.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(malformed)).collect(),
        Some(_) => Err(malformed()),
    }
}

fn repository_json(repository: &Repository) -> Value {
    json!({ "type": repository.kind, "settings": repository.settings })
}

/// Settings as they come back: scalars are strings, and a dot in a name opens an object.
fn stringified(settings: &Map<String, Value>) -> Map<String, Value> {
    fn text(value: &Value) -> Value {
        match value {
            Value::Bool(_) | Value::Number(_) => value.to_string().into(),
            Value::Array(list) => list.iter().map(text).collect(),
            Value::Object(inner) => stringified(inner).into(),
            Value::String(_) | Value::Null => value.clone(),
        }
    }
    let mut out = Map::new();
    for (name, value) in settings {
        match name.split_once('.') {
            None => {
                out.insert(name.clone(), text(value));
            }
            Some((head, rest)) => {
                let inner = [(rest.to_owned(), value.clone())].into_iter().collect();
                let entry = out.entry(head).or_insert_with(|| json!({}));
                if let Some(entry) = entry.as_object_mut() {
                    entry.extend(stringified(&inner));
                }
            }
        }
    }
    out
}

/// Java's `replaceAll` for the patterns that people use: letters, one group `(.+)` or `(.*)`, anchors. None for another pattern.
fn rename(name: &str, pattern: &str, replacement: &str) -> Option<String> {
    let anchored_start = pattern.starts_with('^');
    let anchored_end = pattern.ends_with('$');
    let core = pattern.strip_prefix('^').unwrap_or(pattern);
    let core = core.strip_suffix('$').unwrap_or(core);
    let literal = |text: &str| !text.contains(['.', '*', '+', '(', ')', '[', ']', '{', '}', '?', '\\', '|', '^', '$']);
    let Some((group, head, tail)) =
        ["(.+)", "(.*)"].iter().find_map(|group| core.split_once(group).map(|(head, tail)| (*group, head, tail)))
    else {
        if !literal(core) || replacement.contains('$') {
            return None;
        }
        return Some(match (anchored_start, anchored_end) {
            (false, false) => name.replace(core, replacement),
            (true, false) => name.strip_prefix(core).map_or_else(|| name.to_owned(), |rest| format!("{replacement}{rest}")),
            (false, true) => name.strip_suffix(core).map_or_else(|| name.to_owned(), |rest| format!("{rest}{replacement}")),
            (true, true) if name == core => replacement.to_owned(),
            (true, true) => name.to_owned(),
        });
    };
    if !literal(head) || !literal(tail) {
        return None;
    }
    let Some(start) = name.find(head).filter(|at| !anchored_start || *at == 0) else { return Some(name.to_owned()) };
    let after_head = name.get(start + head.len()..)?;
    let end = if anchored_end { after_head.strip_suffix(tail).map(str::len) } else { after_head.rfind(tail) };
    let Some(captured) = end.and_then(|end| after_head.get(..end)).filter(|text| group == "(.*)" || !text.is_empty()) else {
        return Some(name.to_owned());
    };
    let whole = name.get(start..start + head.len() + captured.len() + tail.len())?;
    let replaced = replacement.replace("$1", captured).replace("$0", whole);
    let rest = name.get(start + whole.len()..)?;
    // Java finds the empty match at the end as well.
    let again = if group == "(.*)" && head.is_empty() && tail.is_empty() && !anchored_start && !name.is_empty() {
        replacement.replace("$1", "").replace("$0", "")
    } else {
        String::new()
    };
    Some(format!("{}{replaced}{rest}{again}", name.get(..start)?))
}

/// Sorts and cuts a listing as asked; gives the cursor of the next page and how many remain.
fn page(found: &mut Vec<(&str, &Snapshot)>, call: &Call<'_>) -> Result<Option<(String, usize)>, Fail> {
    match call.parameter("sort").unwrap_or("start_time") {
        "start_time" => found.sort_by_key(|(_, snapshot)| (snapshot.began.wall, &snapshot.name)),
        "name" => found.sort_by_key(|(_, snapshot)| &snapshot.name),
        other => return Err(Fail::not_modelled(&format!("the sort key [{other}]"))),
    }
    if call.parameter("order") == Some("desc") {
        found.reverse();
    }
    let after = call.parameter("after").map(|cursor| cursor.strip_prefix("page-").and_then(|at| at.parse::<usize>().ok()));
    let start = match after {
        Some(None) => return Err(Fail::illegal("invalid after parameter")),
        Some(Some(start)) => start,
        None => usize::try_from(call.number("offset")?.unwrap_or(0)).map_err(|_| Fail::validation("offset must be >= 0"))?,
    };
    found.drain(..start.min(found.len()));
    let size = call.number("size")?.unwrap_or(-1);
    if size == 0 || size < -1 {
        return Err(Fail::validation("size must be -1 for no limit or greater than 0"));
    }
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let remaining = found.len().saturating_sub(size);
    found.truncate(size);
    Ok((remaining > 0).then(|| (format!("page-{}", start + size), remaining)))
}

fn millis(time: std::time::SystemTime) -> u64 {
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn iso(time: std::time::SystemTime) -> String {
    format_time(time, "%Y-%m-%dT%H:%M:%S.%3fZ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renaming_follows_javas_replace_all() {
        for (name, pattern, replacement, expected) in [
            ("movies", "(.+)", "r_$1", Some("r_movies")),
            ("movies", "(.*)", "r_$1", Some("r_moviesr_")),
            ("movies", "^(.*)$", "r_$1", Some("r_movies")),
            ("logs-2024", "logs-(.+)", "old-$1", Some("old-2024")),
            ("movies", "logs-(.+)", "old-$1", Some("movies")),
            ("a-b-a", "a", "x", Some("x-b-x")),
            ("movies", "m[o]v", "x", None),
        ] {
            assert_eq!(rename(name, pattern, replacement).as_deref(), expected, "{pattern}");
        }
    }

    #[test]
    fn settings_come_back_as_strings_with_dots_opened() {
        let given = json!({ "a": true, "b": 1, "x.y": "z", "l": [1, "2"], "n": null });
        let expected = json!({ "a": "true", "b": "1", "x": { "y": "z" }, "l": ["1", "2"], "n": null });
        assert_eq!(Value::from(stringified(given.as_object().unwrap())), expected);
    }
}
