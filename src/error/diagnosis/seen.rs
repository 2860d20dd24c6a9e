//! What an error shows: the texts that the rows match, and the names that their remedies use.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::iter;

use super::canonical::{Difference, difference};
use super::{Context, Storage};
use crate::error::classify::unquoted;
use crate::error::scrub::quoted;
use crate::error::{Error, Operation, ServerError, cleaned};
use crate::region::{partition_of, s3_host};

/// An error, prepared for the rows.
pub(super) struct Seen<'a> {
    pub(super) error: &'a Error,
    pub(super) server: Option<&'a ServerError>,
    context: Cow<'a, Context>,
    /// The server's reason and its causes, or the error's message and its sources.
    texts: Vec<Text<'a>>,
}

/// A text of the error.
pub(super) struct Text<'a> {
    pub(super) error_type: &'a str,
    raw: Cow<'a, str>,
    /// The text without what is in quotes and brackets.
    pub(super) words: String,
}

impl<'a> Text<'a> {
    fn new(error_type: &'a str, raw: impl Into<Cow<'a, str>>) -> Self {
        let raw = raw.into();
        Self { error_type, words: unquoted(&raw), raw }
    }
}

/// A denied action of IAM.
#[derive(Debug, PartialEq, Eq)]
struct Denial<'a> {
    principal: &'a str,
    action: &'a str,
    resource: Option<&'a str>,
}

/// A role or user of IAM.
#[derive(Debug, PartialEq, Eq)]
struct Principal {
    arn: String,
    is_role: bool,
}

impl<'a> Seen<'a> {
    pub(super) fn of(error: &'a Error) -> Self {
        let server = error.server();
        let texts = match server {
            Some(server) => {
                let named = |name: Option<&'a super::super::ErrorType>| name.map_or("", |name| name.as_str());
                let own = Text::new(named(server.error_type()), server.reason());
                iter::once(own).chain(server.causes().map(|(name, reason)| Text::new(named(name), reason))).collect()
            }
            None => client_texts(error),
        };
        let context = error.0.context.as_deref().map_or_else(Cow::default, Cow::Borrowed);
        Self { error, server, context, texts }
    }

    /// The reason of the server, or the message of the error.
    pub(super) fn main(&self) -> Option<&Text<'a>> {
        self.texts.first()
    }

    /// The main text, and its causes.
    pub(super) fn texts(&self) -> &[Text<'a>] {
        &self.texts
    }

    fn raw(&self) -> &str {
        self.main().map_or("", |text| &text.raw)
    }

    pub(super) fn repository(&self) -> Option<&str> {
        self.context.repository.as_deref()
    }

    /// The host of the endpoint, quoted.
    pub(super) fn host(&self) -> Option<String> {
        Some(self.context.host.as_str()).filter(|host| !host.is_empty()).map(shown)
    }

    /// Whether the client connects to a domain in a VPC, and not through a tunnel.
    pub(super) fn is_direct_to_vpc(&self) -> bool {
        self.context.host.starts_with("vpc-") && !self.context.is_tunnelled
    }

    /// The line in which the request that the domain received differs from the signed one.
    pub(super) fn difference(&self) -> Option<Difference> {
        difference(self.raw(), &self.context)
    }

    /// The action of fine-grained access control that is denied. Empty for a restore of the
    /// security index.
    pub(super) fn denied_permission(&self) -> Option<&str> {
        between(self.raw(), "no permissions for [", "]")
    }

    /// The block of an index or the cluster, such as `FORBIDDEN/8/index write (api)`.
    pub(super) fn block(&self) -> Option<&str> {
        let (_, block) = self.raw().rsplit_once("blocked by: [")?;
        Some(block.split(']').next().unwrap_or(block))
    }

    /// Whether a node reports that the repository is missing. Its text is in quotes. No name of a
    /// repository contains white space, so the text behind the first word is the node's.
    pub(super) fn has_node_without_repository(&self) -> bool {
        self.raw().split("RepositoryMissingException[[").skip(1).any(|rest| {
            let mut words = rest.split(' ');
            words.next().is_some_and(|name| name.ends_with(']'))
                && words.next().is_some_and(|word| word.starts_with("missing]"))
        })
    }

    /// Whether the server refuses a parameter of a signature.
    pub(super) fn refuses_signature_parameters(&self) -> bool {
        self.raw().rsplit_once("unrecognized parameter").is_some_and(|(_, names)| names.contains("[X-Amz-"))
    }

    /// Whether the server does not know a field that Elasticsearch writes to repositories from 7.12
    /// on.
    pub(super) fn has_field_of_later_version(&self) -> bool {
        let fields = ["unknown field [uuid]", "unknown field [cluster_id]"];
        self.texts.iter().any(|text| fields.iter().any(|field| text.raw.contains(field)))
    }

    /// Whether the response names the uuid of the snapshot: it is listed, and its file is gone.
    pub(super) fn names_uuid(&self) -> bool {
        self.raw().strip_suffix("] is missing").is_some_and(|name| name.contains('/'))
    }

    fn denial(&self) -> Option<Denial<'_>> {
        self.texts.iter().find_map(|text| Denial::parse(&text.raw))
    }

    /// The role or user that called the domain.
    fn caller(&self) -> Option<Principal> {
        let of_domain = |denial: &Denial<'_>| denial.action.starts_with("es:") || denial.action.starts_with("iam:");
        self.denial().filter(of_domain).and_then(|denial| Principal::parse(denial.principal))
    }

    /// The user of fine-grained access control.
    fn user(&self) -> Option<&str> {
        between(self.raw(), " and User [name=", ", backend_roles=").filter(|name| !name.is_empty())
    }

    fn storage(&self) -> Option<&Storage> {
        self.context.storage.as_ref()
    }

    fn role(&self) -> Option<&str> {
        let passed = |denial: &Denial<'_>| matches!(denial.action, "iam:PassRole" | "sts:AssumeRole");
        let named = self.denial().filter(passed).and_then(|denial| denial.resource);
        named.or_else(|| self.storage()?.role_arn.as_deref())
    }

    /// The Region of the bucket, as the storage reports it.
    pub(super) fn region_of_bucket(&self) -> Option<&str> {
        let texts = || self.texts.iter().map(|text| text.raw.as_ref());
        texts()
            .find_map(|text| between(text, "The bucket is in this region: ", ". "))
            .or_else(|| texts().find_map(|text| between(text, " is wrong; expecting '", "'")))
            .or_else(|| texts().find_map(|text| between(text, "The ", " location constraint is incompatible")))
            .filter(|region| is_plain(region))
    }

    /// Fills in the names of a template, and begins it with a capital letter.
    pub(super) fn sentence(&self, template: &str) -> String {
        let mut out = String::with_capacity(template.len() * 2);
        let mut pieces = template.split('{');
        out.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let (key, rest) = piece.split_once('}').unwrap_or(("", piece));
            out.push_str(&self.value(key));
            out.push_str(rest);
        }
        let first = out.chars().next().unwrap_or_default();
        if first.is_ascii_lowercase() {
            out.replace_range(..1, &first.to_ascii_uppercase().to_string());
        }
        out
    }

    /// The value of a name in a template. A general noun if the error does not show the name.
    fn value(&self, key: &str) -> String {
        let labelled = |noun: &str, name: Option<&str>| match name {
            Some(name) => format!("{noun} {}", shown(name)),
            None => noun.to_owned(),
        };
        let bracketed = |noun: &str, lead: &str| labelled(noun, between(self.raw(), lead, "]"));
        match key {
            "repository" => labelled("the repository", self.repository()),
            "snapshot" => labelled("the snapshot", self.context.snapshot.as_deref()),
            "repository_path" => self.context.path_to(1).unwrap_or("/_snapshot/REPOSITORY").to_owned(),
            "snapshot_path" => self.context.path_to(2).unwrap_or("/_snapshot/REPOSITORY/SNAPSHOT").to_owned(),
            "check" => self.check(),
            "request" => self.request(),
            "host" => labelled("the host", Some(self.context.host.as_str()).filter(|host| !host.is_empty())),
            "caller" => self.caller().map_or_else(|| "the caller".to_owned(), |caller| caller.to_string()),
            "action" => self.denied_action(),
            "domain" => self.domain_resource(),
            "role" => labelled("the snapshot role", self.role()),
            "storage_identity" => match self.role() {
                Some(role) => labelled("the snapshot role", Some(role)),
                None => "the role or user with which the server accesses the bucket".to_owned(),
            },
            "source_arn" => self.source_arn(),
            "bucket" => labelled("the bucket", self.storage().and_then(|storage| storage.bucket.as_deref())),
            "bucket_arn" => self.bucket_arn(),
            "base_path" => labelled("`base_path`", self.storage().and_then(|storage| storage.base_path.as_deref())),
            "set_region" => {
                labelled("the setting `region`", self.storage().and_then(|storage| storage.region.as_deref()))
            }
            "set_endpoint" => {
                labelled("the setting `endpoint`", self.storage().and_then(|storage| storage.endpoint.as_deref()))
            }
            "bucket_region" => match self.region_of_bucket() {
                Some(region) => labelled("the Region", Some(region)),
                None => "the Region that S3 names".to_owned(),
            },
            "s3_host" => self.s3_host(),
            "key" => labelled("the KMS key", self.denial().and_then(|denial| denial.resource)),
            "denied" => self
                .denial()
                .map_or_else(|| "the denied action".to_owned(), |denial| format!("`{}`", one_word(denial.action))),
            "refused_region" => labelled("the signed Region", between(self.raw(), "a valid region, not '", "'")),
            "permission" => labelled("the action", self.denied_permission()),
            "user" => self.user().map_or_else(|| "the caller".to_owned(), |user| shown_user(user).1),
            "mapping_list" => self
                .user()
                .map_or("`backend_roles` (of a role) or `users` (of a user)", |user| shown_user(user).0)
                .to_owned(),
            "difference" => self
                .difference()
                .map_or_else(|| "a line: method, path, query or host".to_owned(), |difference| difference.to_string()),
            "index" => bracketed("the index", "index ["),
            "setting" => bracketed("the setting", "setting ["),
            "state" => bracketed("the state", "unsupported snapshot state ["),
            "block" => labelled("the block", self.block()),
            "location" => labelled("another address", self.server.and_then(ServerError::location)),
            _ => String::new(),
        }
    }

    fn request(&self) -> String {
        let path = between(self.raw(), "Your request: '", "' ").unwrap_or(&self.context.path);
        if path.is_empty() { "the request".to_owned() } else { format!("{} {}", self.context.method, shown(path)) }
    }

    /// The request that shows whether a change took effect.
    fn check(&self) -> String {
        let path = match self.error.operation() {
            Some(Operation::CreateSnapshot | Operation::DeleteSnapshot) => self.context.path_to(2).map(str::to_owned),
            Some(Operation::CloneSnapshot) => self.context.path_of_clone(),
            Some(Operation::RegisterRepository | Operation::UnregisterRepository) => {
                self.context.path_to(1).map(str::to_owned)
            }
            Some(Operation::RestoreSnapshot) => Some("/_recovery".to_owned()),
            _ => None,
        };
        let unknown = || "a `GET` of the repository, the snapshot or `/_recovery`".to_owned();
        path.map_or_else(unknown, |path| format!("`GET {path}`"))
    }

    fn denied_action(&self) -> String {
        match self.denial() {
            Some(denial) => one_word(denial.action).to_owned(),
            None => "es:ESHttp…".to_owned(),
        }
    }

    /// The resource of the domain in a policy, as far as the error shows it.
    fn domain_resource(&self) -> String {
        let resource = self.denial().and_then(|denial| denial.resource).filter(|resource| is_plain(resource));
        if let Some((lead, rest)) = resource.and_then(|resource| resource.split_once(":domain/")) {
            let name = rest.split('/').next().unwrap_or(rest);
            return format!("\"{lead}:domain/{name}/*\"");
        }
        let caller = self.caller().map(|caller| caller.arn).unwrap_or_default();
        let mut parts = caller.split(':').skip(1);
        let partition =
            parts.next().unwrap_or_else(|| partition_of(self.context.region.as_deref().unwrap_or_default()));
        let account = parts.nth(2).unwrap_or("ACCOUNT");
        let region = self.context.region.as_deref().unwrap_or("REGION");
        let name = domain_name(&self.context.host).or(resource).unwrap_or("NAME");
        let note = if account == "ACCOUNT" { "" } else { " (if the domain is in this account)" };
        format!("\"arn:{partition}:es:{region}:{account}:domain/{name}/*\"{note}")
    }

    /// The ARN of the domain in a trust policy: in the account of the snapshot role.
    fn source_arn(&self) -> String {
        let role = self.role().filter(|role| is_plain(role)).unwrap_or_default();
        let mut parts = role.split(':').skip(1);
        let region = self.context.region.as_deref().unwrap_or("REGION");
        let (partition, account) = (parts.next().unwrap_or("aws"), parts.nth(2).unwrap_or("ACCOUNT"));
        let name = domain_name(&self.context.host).unwrap_or("NAME");
        format!("\"arn:{partition}:es:{region}:{account}:domain/{name}\"")
    }

    fn bucket_arn(&self) -> String {
        let bucket = self.storage().and_then(|storage| storage.bucket.as_deref()).unwrap_or("BUCKET");
        if bucket.starts_with("arn:") {
            return shown(bucket);
        }
        let region = self.storage().and_then(|storage| storage.region.as_deref());
        let partition = self
            .role()
            .and_then(|role| role.split(':').nth(1))
            .filter(|partition| is_plain(partition))
            .unwrap_or_else(|| partition_of(region.or(self.context.region.as_deref()).unwrap_or_default()));
        shown(&format!("arn:{partition}:s3:::{bucket}"))
    }

    /// The host of S3 in the Region of the bucket.
    fn s3_host(&self) -> String {
        let region = self.region_of_bucket().or_else(|| self.storage()?.region.as_deref()).unwrap_or("REGION");
        shown(&s3_host(region))
    }
}

/// The message of an error without a response, and its sources.
fn client_texts<'a>(error: &'a Error) -> Vec<Text<'a>> {
    /// How many sources are read.
    const SOURCES: usize = 8;
    let next = |source: &&'a (dyn StdError + 'static)| -> Option<&'a (dyn StdError + 'static)> { (*source).source() };
    let sources = iter::successors(StdError::source(error), next);
    let texts = sources.take(SOURCES).map(|source| Text::new("", cleaned(&source.to_string(), &[])));
    iter::once(Text::new("", error.0.message.as_str())).chain(texts).collect()
}

/// The text between the first `lead` and the next `end`. `None` if one of them is missing.
fn between<'t>(text: &'t str, lead: &str, end: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(lead)?;
    rest.split_once(end).map(|(found, _)| found)
}

impl<'a> Denial<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (who, rest) = text.split_once(" is not authorized to perform: ")?;
        let (_, principal) = who.rsplit_once("User: ")?;
        let mut words = rest.split([' ', '\n']);
        let action = words.next()?.trim_end_matches(['.', ',', ')']);
        let resource = match (words.next(), words.next(), words.next()) {
            (Some("on"), Some("resource:"), Some(resource)) => {
                Some(resource.trim_matches(['"', '\'', '(', ')', ',', ';', '.'])).filter(|name| !name.is_empty())
            }
            _ => None,
        };
        Some(Self { principal, action, resource })
    }
}

impl Principal {
    /// Parses the ARN of a role or user. The ARN of a session becomes that of its role.
    fn parse(arn: &str) -> Option<Self> {
        if !is_plain(arn) {
            return None;
        }
        let mut parts = arn.splitn(6, ':');
        let mut part = || parts.next().unwrap_or_default();
        let (scheme, partition, service, _, account, resource) = (part(), part(), part(), part(), part(), part());
        match (scheme, service, resource.split_once('/')?) {
            ("arn", "sts", ("assumed-role", session)) => {
                let role = session.split('/').next().filter(|role| !role.is_empty())?;
                Some(Self { arn: format!("arn:{partition}:iam::{account}:role/{role}"), is_role: true })
            }
            ("arn", "iam", ("role", _)) => Some(Self { arn: arn.to_owned(), is_role: true }),
            ("arn", "iam", ("user", _)) => Some(Self { arn: arn.to_owned(), is_role: false }),
            _ => None,
        }
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} {}", if self.is_role { "role" } else { "user" }, shown(&self.arn))
    }
}

/// The list of a mapping to which a user of fine-grained access control belongs, and its name.
fn shown_user(user: &str) -> (&'static str, String) {
    match Principal::parse(user) {
        Some(caller) => (if caller.is_role { "`backend_roles`" } else { "`users`" }, caller.to_string()),
        None => ("`users`", format!("the user {}", shown(user))),
    }
}

/// Quotes a name from outside. ARNs, hosts and paths stay whole, so that they can be copied.
fn shown(name: &str) -> String {
    if is_plain(name) { format!("\"{name}\"") } else { quoted(name) }
}

/// Whether the text consists of the characters of ARNs, host names and encoded paths.
fn is_plain(text: &str) -> bool {
    /// The longest ARN of a role has 512 bytes of path. An encoded path may be longer.
    const LONGEST: usize = 1024;
    !text.is_empty()
        && text.len() <= LONGEST
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b":/+=,.@_-*~%".contains(&c))
}

/// The action without anything that may follow it.
fn one_word(action: &str) -> &str {
    if is_plain(action) { action } else { "the action" }
}

/// The name of a domain in its host name, such as `logs` in
/// `search-logs-abcdefghijklmnopqrstuvwxyz.eu-west-1.es.amazonaws.com`.
fn domain_name(host: &str) -> Option<&str> {
    let label = host.split('.').next()?;
    let (name, id) = label.strip_prefix("search-").or_else(|| label.strip_prefix("vpc-"))?.rsplit_once('-')?;
    let is_id = id.len() == 26 && id.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (is_id && host.contains(".es.amazonaws.com")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_the_arn_of_a_session_into_that_of_its_role() {
        let arn = |text: &str| Principal::parse(text).map(|principal| principal.arn);
        for (text, expected) in [
            ("arn:aws:sts::123456789012:assumed-role/Backup/i-0abc", Some("arn:aws:iam::123456789012:role/Backup")),
            ("arn:aws-cn:sts::123456789012:assumed-role/R/S", Some("arn:aws-cn:iam::123456789012:role/R")),
            ("arn:aws:iam::123456789012:role/a/b", Some("arn:aws:iam::123456789012:role/a/b")),
            ("arn:aws:iam::123456789012:user/alice", Some("arn:aws:iam::123456789012:user/alice")),
            ("arn:aws:sts::123456789012:assumed-role/", None),
            ("arn:aws:iam::123456789012:root", None),
            ("alice", None),
            ("arn:aws:iam::1:role/a\nb", None),
        ] {
            assert_eq!(arn(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn parses_a_denial_in_each_form() {
        let parsed = |text| Denial::parse(text).map(|denial| (denial.principal, denial.action, denial.resource));
        for (text, expected) in [
            ("User: anonymous is not authorized to perform: es:ESHttpPut", ("anonymous", "es:ESHttpPut", None)),
            (
                "User: a is not authorized to perform: es:ESHttpPut on resource: logs because no policy",
                ("a", "es:ESHttpPut", Some("logs")),
            ),
            (
                "User: a is not authorized to perform: sts:AssumeRole on resource: r (Service: S)",
                ("a", "sts:AssumeRole", Some("r")),
            ),
            (
                "User: a is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::b/c\" because",
                ("a", "s3:PutObject", Some("arn:aws:s3:::b/c")),
            ),
            ("User: a is not authorized to perform: es:X with an explicit deny in a policy", ("a", "es:X", None)),
        ] {
            assert_eq!(parsed(text), Some(expected), "{text}");
        }
        assert_eq!(parsed("not authorized"), None);
    }

    #[test]
    fn finds_the_name_of_a_domain_in_its_host_name() {
        let id = "abcdefghijklmnopqrstuvwxyz";
        assert_eq!(domain_name(&format!("search-my-logs-{id}.eu-west-1.es.amazonaws.com")), Some("my-logs"));
        assert_eq!(domain_name(&format!("vpc-logs-{id}.cn-north-1.es.amazonaws.com.cn")), Some("logs"));
        assert_eq!(domain_name("search-logs.example.org"), None);
        assert_eq!(domain_name(""), None);
    }
}
