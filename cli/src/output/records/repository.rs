//! Repositories, their nodes and their clean-up.

use es_snapshot::RepositorySettings;
use es_snapshot::registration::Registered;
use es_snapshot::repository::{CleanUp, RepositoryInfo, VerifiedNode};
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::output::{Column, Record, amount, left, printable, right};

#[derive(Debug, Serialize)]
pub(crate) struct RepositoryRecord {
    repository: String,
    uuid: Option<String>,
    r#type: String,
    /// Without those that may be secrets: the library redacts them.
    settings: Map<String, Value>,
}

impl RepositoryRecord {
    pub(crate) fn new(info: &RepositoryInfo) -> Self {
        let redacted = serde_json::to_value(info).ok();
        let settings = redacted.as_ref().and_then(|info| info.get("settings")?.as_object().cloned());
        Self {
            repository: info.name().to_owned(),
            uuid: info.uuid().map(str::to_owned),
            r#type: info.settings().repository_type().to_owned(),
            settings: settings.unwrap_or_default(),
        }
    }

    /// Returns the settings on one line.
    pub(crate) fn settings_line(&self) -> String {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let settings: Vec<String> = self.settings.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
        printable(&settings.join(" "))
    }
}

impl Record for RepositoryRecord {
    const KIND: &'static str = "repository";
    const COLUMNS: &'static [Column] = &[left("NAME"), left("TYPE"), left("SETTINGS")];

    fn name(&self) -> &str {
        &self.repository
    }

    fn cells(&self, _: Option<&TimeZone>) -> Vec<String> {
        vec![printable(&self.repository), printable(&self.r#type), self.settings_line()]
    }
}

/// A repository that was registered, and what it replaced.
#[derive(Debug, Serialize)]
pub(crate) struct RegistrationRecord {
    change: &'static str,
    #[serde(flatten)]
    registered: RepositoryRecord,
    /// The settings that were replaced.
    previous: Option<RepositoryRecord>,
}

impl RegistrationRecord {
    pub(crate) fn new(name: &str, registered: &Registered) -> Self {
        let record =
            |settings: &RepositorySettings| RepositoryRecord::new(&RepositoryInfo::new(name, settings.clone()));
        Self {
            change: registered.change().as_str(),
            registered: record(registered.settings()),
            previous: registered.previous().map(record),
        }
    }
}

impl Record for RegistrationRecord {
    const KIND: &'static str = "registration";
    const COLUMNS: &'static [Column] = &[left("NAME"), left("TYPE"), left("SETTINGS"), left("CHANGE")];

    fn name(&self) -> &str {
        &self.registered.repository
    }

    fn cells(&self, zone: Option<&TimeZone>) -> Vec<String> {
        let mut cells = self.registered.cells(zone);
        cells.push(self.change.to_owned());
        cells
    }

    fn remarks(&self) -> Vec<(&'static str, String)> {
        self.previous.iter().map(|previous| ("BEFORE", previous.settings_line())).collect()
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct NodeRecord<'a> {
    id: &'a str,
    name: Option<&'a str>,
}

impl<'a> NodeRecord<'a> {
    pub(crate) fn new(node: &'a VerifiedNode) -> Self {
        Self { id: node.id(), name: node.name() }
    }
}

impl Record for NodeRecord<'_> {
    const KIND: &'static str = "node";
    const COLUMNS: &'static [Column] = &[left("NODE"), left("ID")];

    fn name(&self) -> &str {
        self.name.unwrap_or(self.id)
    }

    fn cells(&self, _: Option<&TimeZone>) -> Vec<String> {
        vec![printable(self.name()), printable(self.id)]
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct CleanUpRecord<'a> {
    repository: &'a str,
    deleted_files: u64,
    deleted_bytes: u64,
}

impl<'a> CleanUpRecord<'a> {
    pub(crate) fn new(repository: &'a str, clean_up: CleanUp) -> Self {
        Self { repository, deleted_files: clean_up.deleted_blobs(), deleted_bytes: clean_up.deleted_bytes().bytes() }
    }
}

impl Record for CleanUpRecord<'_> {
    const KIND: &'static str = "cleanup";
    const COLUMNS: &'static [Column] = &[left("REPOSITORY"), right("FILES"), right("SIZE")];

    fn name(&self) -> &str {
        self.repository
    }

    fn cells(&self, _: Option<&TimeZone>) -> Vec<String> {
        vec![self.repository.to_owned(), self.deleted_files.to_string(), amount(self.deleted_bytes)]
    }
}
