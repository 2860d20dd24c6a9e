//! The REST layer of the server: routes, checks of requests, and the form of responses and errors.

mod cluster;
mod explain;
mod fail;
mod filter;
mod indices;
mod recovery;
mod rename;
mod repositories;
mod restores;
mod route;
mod snapshots;
mod state;
mod status;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use self::fail::{Fail, Outcome};
use self::route::{Route, routes};
use super::cluster::{Cluster, Now};
use super::edge::Arrival;
use super::engine::Engine;
use crate::error::Operation;

/// The server's response to a request.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Body,
    pub(super) pretty: bool,
    pub(super) operation: Option<Operation>,
    /// Whether the server carried the request out.
    pub(super) executed: bool,
    /// Whether the fake domain does not support the request.
    pub(super) unexpected: bool,
}

/// The body of a response.
pub(super) enum Body {
    Json(Value),
    Empty,
    /// The page of a load balancer that gave up waiting for the server.
    GatewayPage,
}

/// The parts of a request.
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
            Some(other) => {
                Err(Fail::illegal(format!("Failed to parse value [{other}] as only [true] or [false] are allowed.")))
            }
        }
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Fail> {
        let parse = |value: &str| {
            value
                .parse()
                .map_err(|_| Fail::illegal(format!("Failed to parse int parameter [{name}] with value [{value}]")))
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
        let time_outs =
            self.query.iter().filter(|(name, _)| name.ends_with("timeout") && known.contains(&name.as_str()));
        if let Some((name, value)) = time_outs.into_iter().find(|(_, value)| !is_time(value)) {
            return Err(Fail::illegal(format!(
                "failed to parse setting [{name}] with value [{value}] as a time value: unit is missing or unrecognized"
            )));
        }
        // Every endpoint takes these four. `human` and `flat_settings` are not modelled.
        let unknown: Vec<&str> =
            self.query.iter().map(|(name, _)| name.as_str()).filter(|name| !known.contains(name)).collect();
        let unknown: Vec<&str> = unknown
            .into_iter()
            .filter(|name| !["pretty", "format", "error_trace", "filter_path"].contains(name))
            .collect();
        if let Some(common) = unknown.iter().find(|name| ["human", "flat_settings"].contains(name)) {
            return Err(Fail::not_modelled(common));
        }
        match unknown.as_slice() {
            [] => Ok(()),
            [one] => Err(Fail::illegal(format!("request [{}] contains unrecognized parameter: [{one}]", self.path))),
            more => {
                let list: Vec<String> = more.iter().map(|name| format!("[{name}]")).collect();
                Err(Fail::illegal(format!(
                    "request [{}] contains unrecognized parameters: {}",
                    self.path,
                    list.join(", ")
                )))
            }
        }
    }

    /// Returns the body as an object, which is empty without a body.
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

/// Carries out a request, and returns the response to it.
pub(super) fn response(cluster: &mut Cluster, arrival: &Arrival, now: Now) -> Response {
    let (path, query) = arrival.target.split_once('?').unwrap_or((&arrival.target, ""));
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    });
    let call = Call { path, query: query.collect(), body: &arrival.body, now };
    // Segments are decoded after the split, because an encoded slash is part of a name.
    let trimmed = path.strip_prefix('/').unwrap_or(path).trim_end_matches('/');
    let segments: Vec<String> = if trimmed.is_empty() { Vec::new() } else { trimmed.split('/').map(decode).collect() };
    let names: Vec<&str> = segments.iter().map(String::as_str).collect();
    let offered = routes(&names);
    let route = offered.iter().find(|(method, _)| *method == arrival.method).map(|(_, route)| *route);

    let outcome = match route {
        Some(route) => check_line(&cluster.engine, arrival)
            .and_then(|()| check_content_type(arrival))
            .and_then(|()| cluster.run(route, &call)),
        None if offered.is_empty() => {
            let error = format!("no handler found for uri [{}] and method [{}]", arrival.target, arrival.method);
            let fail = Fail::plain(400, json!({ "error": error }));
            Err(if is_of_security_plugin(&names) { fail } else { fail.unexpected() })
        }
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
        Ok(body) => {
            let body = match call.parameter("filter_path") {
                Some(list) => filter::filtered(body, list),
                None => body,
            };
            Response { status: 200, body: Body::Json(body), pretty, operation, executed: true, unexpected: false }
        }
        Err(Fail { status, body, executed, unexpected }) => {
            let body = if arrival.method == "HEAD" { Body::Empty } else { body };
            Response { status, body, pretty, operation, executed, unexpected }
        }
    }
}

/// Returns whether a path belongs to a security plugin, which the fake server does not have.
fn is_of_security_plugin(segments: &[&str]) -> bool {
    matches!(*segments, ["_plugins" | "_opendistro", "_security", "authinfo"] | ["_security", "_authenticate"])
}

/// How long the first line of a request may be. In bytes.
const LONGEST_LINE: usize = 4096;

/// Refuses a first line that is too long. Seen on Elasticsearch 7.10.2 and 8.19.5, and on
/// OpenSearch 2.19.6 and 3.8.0.
fn check_line(engine: &Engine, arrival: &Arrival) -> Result<(), Fail> {
    let is_newer = engine.es(8, 0) || engine.os(2, 0);
    // Older versions count the end of the line as one byte.
    let (error_type, end) =
        if is_newer { ("too_long_http_line_exception", 0) } else { ("too_long_frame_exception", 1) };
    if format!("{} {} HTTP/1.1", arrival.method, arrival.target).len() + end <= LONGEST_LINE {
        return Ok(());
    }
    Err(Fail::new(400, error_type, format!("An HTTP line is larger than {LONGEST_LINE} bytes.")))
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
            Route::DeleteIndex(index) => self.delete_index(index, call),
            Route::CloseIndices(list) => self.close_indices(list, call),
            Route::OpenIndices(list) => self.open_indices(list, call),
            Route::PutSettings(list) => self.put_settings(list, call),
            Route::State(metrics, list) => self.cluster_state(metrics, list, call),
            Route::Explain => self.explain(call),
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
}

/// Returns whether a text is a time value such as `30s`.
fn is_time(text: &str) -> bool {
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    text == "-1"
        || text == "0"
        || unit.len() < text.len() && ["nanos", "micros", "ms", "s", "m", "h", "d"].contains(&unit)
}

const FORBIDDEN: [char; 10] = ['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ','];

fn acknowledged() -> Value {
    json!({ "acknowledged": true })
}

/// Returns the field `indices` of a body, which is an array or a list with commas.
fn index_expressions(body: &Map<String, Value>) -> Result<Vec<String>, Fail> {
    let malformed = || Fail::illegal("malformed indices section, should be an array of strings");
    match body.get("indices") {
        None => Ok(Vec::new()),
        Some(Value::String(list)) => Ok(list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()),
        Some(Value::Array(list)) => {
            list.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(malformed)).collect()
        }
        Some(_) => Err(malformed()),
    }
}

fn millis(time: std::time::SystemTime) -> u64 {
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
