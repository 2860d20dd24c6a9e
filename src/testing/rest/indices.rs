//! Resolves the indices that a request selects, and changes them.

use serde_json::{Map, Value, json};

use super::super::cluster::{Cluster, Index, matches};
use super::fail::{Fail, Outcome};
use super::{Call, FORBIDDEN, acknowledged};

/// Which indices patterns match, and how names without an index are treated.
#[derive(Clone, Copy)]
pub(super) struct Expand {
    states: States,
    ignore_unavailable: bool,
    allow_no_indices: bool,
    forbid_closed: bool,
}

/// The states of the indices that patterns match.
#[derive(Clone, Copy)]
struct States {
    open: bool,
    closed: bool,
    hidden: bool,
}

impl States {
    const NONE: Self = Self { open: false, closed: false, hidden: false };
    const ALL: Self = Self { open: true, closed: true, hidden: true };
}

impl Expand {
    pub(super) const OPEN: Self = Self::new(States { open: true, ..States::NONE });
    pub(super) const CLOSED: Self = Self::new(States { closed: true, ..States::NONE });
    pub(super) const OPEN_AND_CLOSED: Self = Self::new(States { hidden: false, ..States::ALL });
    pub(super) const ALL: Self = Self::new(States::ALL);

    const fn new(states: States) -> Self {
        Self { states, ignore_unavailable: false, allow_no_indices: true, forbid_closed: false }
    }

    /// Returns these options, but names that do not exist are ignored.
    pub(super) const fn lenient(self) -> Self {
        Self { ignore_unavailable: true, ..self }
    }

    /// Returns these options, but a closed index that is named is an error.
    pub(super) const fn refusing_closed(self) -> Self {
        Self { forbid_closed: true, ..self }
    }

    /// Returns the options that the query parameters of a request select.
    pub(super) fn from_parameters(call: &Call<'_>, default: Self) -> Result<Self, Fail> {
        let ignore_unavailable = call.flag("ignore_unavailable", default.ignore_unavailable)?;
        let allow_no_indices = call.flag("allow_no_indices", default.allow_no_indices)?;
        let mut expand = Self { ignore_unavailable, allow_no_indices, ..default };
        let Some(words) = call.parameter("expand_wildcards") else { return Ok(expand) };
        expand.states = States::NONE;
        for word in words.split(',') {
            match word {
                "open" => expand.states.open = true,
                "closed" => expand.states.closed = true,
                "hidden" => expand.states.hidden = true,
                "none" => expand.states = States::NONE,
                "all" => expand.states = States::ALL,
                other => {
                    return Err(Fail::illegal(format!("No valid expand wildcard value [{other}]")));
                }
            }
        }
        Ok(expand)
    }

    /// Returns whether the state of an index allows a pattern to match it. A pattern that matches a
    /// data stream also matches its hidden backing indices.
    fn allows(self, index: &Index, pattern: &str, name: &str) -> bool {
        let state = if index.is_open { self.states.open } else { self.states.closed };
        let in_stream = index.stream.as_ref().is_some_and(|stream| matches(pattern, stream));
        state
            && (self.states.hidden
                || !index.is_hidden
                || in_stream
                || pattern.starts_with('.') && name.starts_with('.'))
    }
}

impl Cluster {
    /// Returns the indices that a list of names, aliases, data streams and patterns in a path
    /// selects. Without a list, it returns all.
    pub(super) fn indices_in_path(&self, list: Option<&str>, expand: Expand) -> Result<Vec<(&String, &Index)>, Fail> {
        let mut chosen: std::collections::BTreeMap<&String, &Index> = std::collections::BTreeMap::new();
        for expression in list.unwrap_or("_all").split(',') {
            let pattern = if expression == "_all" { "*" } else { expression };
            if let Some(excluded) = pattern.strip_prefix('-').filter(|_| !chosen.is_empty()) {
                chosen.retain(|name, _| !matches(excluded, name));
                continue;
            }
            let is_named = |(name, index): &(&String, &Index)| {
                let names = index.aliases.iter().chain(&index.stream);
                matches(pattern, name) || names.into_iter().any(|name| matches(pattern, name))
            };
            let found = self.indices.iter().filter(is_named);
            if pattern.contains('*') {
                let found: Vec<_> = found.filter(|(name, index)| expand.allows(index, pattern, name)).collect();
                if found.is_empty() && !expand.allow_no_indices {
                    return Err(Fail::index_not_found(expression, true));
                }
                chosen.extend(found);
                continue;
            }
            let found: Vec<_> = found.collect();
            if found.is_empty() && !expand.ignore_unavailable {
                return Err(Fail::index_not_found(expression, true));
            }
            if let Some((name, closed)) = found.iter().find(|(_, index)| expand.forbid_closed && !index.is_open) {
                return Err(Fail::index_closed(name, &closed.uuid));
            }
            chosen.extend(found);
        }
        Ok(chosen.into_iter().collect())
    }

    fn names_in_path(&self, list: &str, call: &Call<'_>, default: Expand) -> Result<Vec<String>, Fail> {
        let found = self.indices_in_path(Some(list), Expand::from_parameters(call, default)?)?;
        Ok(found.into_iter().map(|(name, _)| name.clone()).collect())
    }

    pub(super) fn put_index(&mut self, name: &str, call: &Call<'_>) -> Outcome {
        check_index_name(name)?;
        if let Some(existing) = self.indices.get(name) {
            let more = [("index".to_owned(), name.into()), ("index_uuid".to_owned(), existing.uuid.clone().into())];
            let reason = format!("index [{name}/{}] already exists", existing.uuid);
            return Err(Fail::with(400, "resource_already_exists_exception", reason, more.into_iter().collect()));
        }
        let body = Value::Object(call.object()?);
        let empty = Map::new();
        let settings = body.get("settings").and_then(Value::as_object).unwrap_or(&empty);
        let shards = setting(settings, "number_of_shards").and_then(|shards| shards.parse().ok()).unwrap_or(1);
        self.create_index(name, shards, call.now);
        if let Some(index) = self.indices.get_mut(name) {
            index.is_hidden = setting(settings, "hidden").as_deref() == Some("true");
            let aliases = body.get("aliases").and_then(Value::as_object).into_iter().flatten();
            index.aliases = aliases.map(|(alias, _)| alias.clone()).collect();
        }
        Ok(json!({ "acknowledged": true, "shards_acknowledged": true, "index": name }))
    }

    pub(super) fn delete_index(&mut self, list: &str, call: &Call<'_>) -> Outcome {
        let names = self.names_in_path(list, call, Expand::OPEN_AND_CLOSED)?;
        self.check_no_snapshot(&names, "delete")?;
        for name in &names {
            self.remove_index(name, call.now);
        }
        Ok(acknowledged())
    }

    pub(super) fn close_indices(&mut self, list: &str, call: &Call<'_>) -> Outcome {
        let names = self.names_in_path(list, call, Expand::OPEN)?;
        let restoring: Vec<&String> = names.iter().filter(|name| self.is_being_restored(name, call.now)).collect();
        if !restoring.is_empty() {
            let label = |name: &&String| self.indices.get(*name).map(|index| format!("[{name}/{}]", index.uuid));
            let list: Vec<String> = restoring.iter().filter_map(label).collect();
            return Err(Fail::illegal(format!("Cannot close indices that are being restored: [{}]", list.join(", "))));
        }
        self.check_no_snapshot(&names, "close")?;
        let mut closed = Map::new();
        for name in names {
            if self.close_index(&name, call.now) {
                closed.insert(name, json!({ "closed": true }));
            }
        }
        // If nothing was closed, the servers do not acknowledge shards.
        Ok(json!({ "acknowledged": true, "shards_acknowledged": !closed.is_empty(), "indices": closed }))
    }

    pub(super) fn open_indices(&mut self, list: &str, call: &Call<'_>) -> Outcome {
        for name in self.names_in_path(list, call, Expand::CLOSED)? {
            self.open_index(&name, call.now);
        }
        Ok(json!({ "acknowledged": true, "shards_acknowledged": true }))
    }

    pub(super) fn put_settings(&mut self, list: &str, call: &Call<'_>) -> Outcome {
        let body = call.object()?;
        let is_hidden = setting(&body, "hidden").map(|hidden| hidden == "true");
        for name in self.names_in_path(list, call, Expand::OPEN)? {
            self.change_settings(&name, is_hidden);
        }
        Ok(acknowledged())
    }

    fn check_no_snapshot(&self, names: &[String], what: &str) -> Result<(), Fail> {
        let busy = |name: &&String| self.running().any(|(_, snapshot)| snapshot.indices.contains_key(*name));
        let busy: Vec<String> = names
            .iter()
            .filter(busy)
            .filter_map(|name| Some(format!("[{name}/{}]", self.indices.get(name)?.uuid)))
            .collect();
        if busy.is_empty() {
            return Ok(());
        }
        Err(Fail::new(
            400,
            "snapshot_in_progress_exception",
            format!(
                "Cannot {what} indices that are being snapshotted: [{}]. Try again after snapshot finishes or cancel the currently \
                 running snapshot.",
                busy.join(", ")
            ),
        ))
    }
}

/// Returns a setting of an index as text. The body may contain it nested or dotted, with or without
/// `index.`.
pub(super) fn setting(settings: &Map<String, Value>, name: &str) -> Option<String> {
    let dotted = format!("index.{name}");
    let nested = settings.get("index").and_then(Value::as_object).and_then(|index| index.get(name));
    let value = settings.get(name).or_else(|| settings.get(&dotted)).or(nested)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

pub(super) fn check_index_name(name: &str) -> Result<(), Fail> {
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
