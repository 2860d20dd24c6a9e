//! Responses to requests about repositories.

use serde_json::{Map, Value, json};

use super::super::cluster::{Cluster, Now, Repository, matches};
use super::fail::{Fail, Outcome};
use super::{Call, FORBIDDEN, acknowledged};

impl Cluster {
    pub(super) fn get_repositories(&self, list: Option<&str>, call: &Call<'_>) -> Outcome {
        call.flag("local", false)?;
        let mut out = Map::new();
        for pattern in list.unwrap_or("_all").split(',') {
            let found = self.repositories.iter().filter(|(name, _)| pattern == "_all" || matches(pattern, name));
            let found: Vec<_> = found.map(|(name, repository)| (name.clone(), repository_json(repository))).collect();
            // Before Elasticsearch 8, a cluster without repositories responds with 404 to a
            // pattern, too.
            let pattern_may_miss =
                pattern == "_all" || pattern.contains('*') && (!self.repositories.is_empty() || self.engine.es(8, 0));
            if found.is_empty() && !pattern_may_miss {
                return Err(Fail::repository_missing(pattern));
            }
            out.extend(found);
        }
        Ok(out.into())
    }

    pub(super) fn put_repository(&mut self, name: &str, call: &Call<'_>) -> Outcome {
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
                // Elasticsearch 8 verifies before it registers. Other servers register first.
                if !self.engine.es(8, 0) {
                    self.repositories.insert(name.to_owned(), repository);
                    fail.executed = true;
                }
                Err(fail)
            }
        }
    }

    /// Registers a repository without verifying it. Returns false if the name or the settings are
    /// invalid, or if the name was taken.
    pub(in crate::testing) fn register(&mut self, name: &str, kind: &str, settings: Map<String, Value>) -> bool {
        let repository = self.check_repository_name(name).and_then(|()| Self::build_repository(name, kind, settings));
        repository.is_ok_and(|repository| self.repositories.insert(name.to_owned(), repository).is_none())
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

    pub(super) fn forbidden_letters(&self) -> String {
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
                format!(
                    "[{name}] trying to modify or unregister repository that is currently used (snapshot is in progress)"
                ),
            )
        } else {
            Fail::new(
                500,
                "illegal_state_exception",
                "trying to modify or unregister repository that is currently used",
            )
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
                    let cause =
                        json!({ "type": "repository_exception", "reason": format!("[{name}] missing location") });
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

    /// Returns the error of a verification, or `None` if it succeeds.
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
                format!(
                    "{text} (Service: S3, Status Code: {status}, Request ID: 370EEBE298044247) (SDK Attempt Count: 1)"
                ),
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
            "reason": format!("Unable to upload object [{prefix}tests-5Ii3kNkSSAu4xDzdRMVzWg/master.dat] using a single upload"),
            "caused_by": { "type": s3_type, "reason": s3_text },
        })))
    }

    pub(super) fn delete_repositories(&mut self, pattern: &str, now: Now) -> Outcome {
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

    pub(super) fn repository(&self, name: &str) -> Result<&Repository, Fail> {
        self.repositories.get(name).ok_or_else(|| Fail::repository_missing(name))
    }

    /// Checks that a repository can be written to.
    pub(super) fn check_writable(&self, name: &str, otherwise: &str) -> Result<(), Fail> {
        if self.repository(name)?.is_readonly() {
            return Err(Fail::new(500, "repository_exception", format!("[{name}] {otherwise}")));
        }
        Ok(())
    }

    pub(super) fn verify(&self, name: &str) -> Outcome {
        if let Some(fail) = self.storage_fault(name, self.repository(name)?) {
            return Err(fail);
        }
        let node_id = self.node_id.clone();
        Ok(json!({ "nodes": { node_id: { "name": "node-1" } } }))
    }

    pub(super) fn clean_up(&self, name: &str) -> Outcome {
        self.check_writable(name, "cannot run cleanup on readonly repository")?;
        if let Some((_, running)) = self.running().next() {
            return Err(Fail::new(
                500,
                "illegal_state_exception",
                format!(
                    "Cannot cleanup [{name}] - a snapshot is currently running in [SnapshotsInProgress[{}]]",
                    running.name
                ),
            ));
        }
        Ok(json!({ "results": { "deleted_bytes": 0, "deleted_blobs": 0 } }))
    }
}

fn repository_json(repository: &Repository) -> Value {
    json!({ "type": repository.kind, "settings": repository.settings })
}

/// Returns settings as the server does: scalars are strings, and dotted names become objects.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_settings_as_strings_and_dotted_names_as_objects() {
        let given = json!({ "a": true, "b": 1, "x.y": "z", "l": [1, "2"], "n": null });
        let expected = json!({ "a": "true", "b": "1", "x": { "y": "z" }, "l": ["1", "2"], "n": null });
        assert_eq!(Value::from(stringified(given.as_object().unwrap())), expected);
    }
}
