//! Checks the layers of ARCHITECTURE.md: imports point down only, in `use` lines and in inline
//! paths.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the bottom up. A room may use itself, rooms of lower layers, and the rooms in the
/// last column.
const ROOMS: &[(u8, &str, &[&str])] = &[
    (0, "error", &["ticket", "progress", "error/scrub"]),
    (0, "error/body", &[]),
    (0, "error/scrub", &[]),
    (0, "error/kind", &["error"]),
    // Its tests classify errors that `error/server` has read.
    (0, "error/classify", &["error", "error/body", "error/server"]),
    (0, "error/server", &["error", "error/body", "error/classify", "error/scrub"]),
    (0, "error/diagnosis", &["error", "error/classify", "error/scrub", "region", "text"]),
    (0, "text", &["error"]),
    (0, "name", &["error", "text"]),
    (0, "name/date_math", &["error", "name"]),
    (0, "ticket", &["error", "name"]),
    (0, "progress", &[]),
    (0, "endpoint", &["error", "region"]),
    (0, "wire", &[]),
    (0, "open", &[]),
    (0, "pieces", &["error"]),
    (0, "pieces/scan", &[]),
    (0, "byte_size", &["error"]),
    (0, "config", &[]),
    (0, "region", &[]),
    (0, "arn", &["error", "region", "text"]),
    (1, "repository", &[]),
    (1, "snapshot", &[]),
    (1, "restore", &["snapshot"]),
    (1, "restore/view", &["restore", "snapshot"]),
    (2, "request", &[]),
    (2, "clock", &[]),
    (2, "entropy", &[]),
    (3, "auth", &["auth/credentials", "auth/sigv4"]),
    (3, "auth/credentials", &["auth/provider_failure", "auth/sigv4"]),
    (3, "auth/provider_failure", &[]),
    (3, "auth/sigv4", &["auth"]),
    (3, "auth/aws_config", &[]),
    (3, "transport", &[]),
    (3, "transport/hyper", &["transport"]),
    (4, "retry", &[]),
    (4, "reconcile/machine", &[]),
    (4, "reconcile/evidence", &["reconcile/machine"]),
    (5, "call", &["call/attempt"]),
    (5, "call/skew", &[]),
    (5, "call/response", &["call", "call/skew"]),
    (5, "call/gather", &["call", "call/response"]),
    (5, "call/attempt", &["call", "call/response"]),
    (5, "call/queue", &["call"]),
    (5, "call/read", &["call"]),
    (5, "call/listing", &["call", "call/gather", "call/read", "call/response"]),
    (6, "reconcile", &["reconcile/drive"]),
    (6, "reconcile/drive", &[]),
    (6, "registration", &[]),
    (6, "wait", &[]),
    (6, "wait/polling", &[]),
    (6, "wait/deletion", &["wait"]),
    (6, "wait/restore", &["wait", "wait/polling"]),
    (6, "wait/snapshot", &["wait", "wait/polling"]),
    (7, "client", &[]),
    (8, "testing", &[]),
    (8, "iam", &[]),
    (8, "guide", &[]),
    (8, "doctor", &[]),
    (8, "testing/clock", &[]),
    (8, "testing/engine", &[]),
    (8, "testing/fault", &[]),
    (8, "testing/function", &[]),
    (8, "testing/text", &[]),
    (8, "testing/relay", &["testing/clock"]),
    (8, "testing/cluster", &["testing/engine", "testing/text"]),
    (8, "testing/edge", &["testing/cluster", "testing/text"]),
    (8, "testing/rest", &["testing/cluster", "testing/edge", "testing/engine", "testing/text"]),
    (
        8,
        "testing/fake",
        &[
            "testing/clock",
            "testing/cluster",
            "testing/edge",
            "testing/engine",
            "testing/fault",
            "testing/relay",
            "testing/rest",
            "testing/text",
        ],
    ),
];

#[derive(Debug, PartialEq)]
struct Violation {
    file: String,
    line: usize,
    from: String,
    to: String,
}

/// Returns source text with blanks instead of comments, strings and character literals. Keeps line
/// breaks.
fn code_only(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::new();
    let mut i = 0;
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    while i < chars.len() {
        let rest = &chars[i..];
        let raw_hashes = |offset: usize| rest[offset..].iter().take_while(|&&c| c == '#').count();
        if rest.starts_with(&['/', '/']) {
            while i < chars.len() && chars[i] != '\n' {
                out.push(' ');
                i += 1;
            }
        } else if rest.starts_with(&['/', '*']) {
            while i < chars.len() && !chars[i..].starts_with(&['*', '/']) {
                out.push(blank(chars[i]));
                i += 1;
            }
        } else if rest[0] == 'r'
            && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && rest.get(1 + raw_hashes(1)) == Some(&'"')
        {
            let hashes = raw_hashes(1);
            let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            i += 2 + hashes;
            while i < chars.len() && !chars[i..].starts_with(&end) {
                out.push(blank(chars[i]));
                i += 1;
            }
            i += end.len();
        } else if rest[0] == '"' {
            i += 1;
            while i < chars.len() && chars[i] != '"' {
                if chars[i] == '\\' {
                    i += 1;
                }
                out.push(chars.get(i).copied().map_or(' ', blank));
                i += 1;
            }
            i += 1;
        } else if rest[0] == '\''
            && (rest.get(2) == Some(&'\'')
                || (rest.get(1) == Some(&'\\') && rest.iter().skip(2).take(10).any(|&c| c == '\'')))
        {
            i += 2;
            while i < chars.len() && chars[i] != '\'' {
                i += 1;
            }
            i += 1;
        } else {
            out.push(rest[0]);
            i += 1;
        }
    }
    out
}

/// Returns the module path of a file below `src`.
fn module_of(file: &Path) -> Vec<String> {
    let mut parts: Vec<String> =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

/// Returns every path that starts with `crate::` or `super::` as an absolute path, with its line.
/// A `use` group becomes several paths.
fn paths(code: &str, module: &[String]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut inline: Vec<(i32, String)> = Vec::new();
    let mut depth = 0;
    let bytes = code.as_bytes();
    let mut at = 0;
    let word_end = |from: usize| {
        code[from..].find(|c: char| !c.is_alphanumeric() && c != '_').map_or(code.len(), |end| from + end)
    };
    while at < code.len() {
        let c = bytes[at];
        match c {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                inline.retain(|(opened, _)| *opened <= depth);
            }
            _ if c.is_ascii_alphabetic() || c == b'_' => {
                let end = word_end(at);
                let word = &code[at..end];
                let boundary = !code[..at].ends_with("::") && !code[..at].ends_with(|c: char| c.is_alphanumeric());
                if word == "mod" {
                    let rest = code[end..].trim_start();
                    let name_end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                    if rest[name_end..].trim_start().starts_with('{') {
                        inline.push((depth + 1, rest[..name_end].to_owned()));
                    }
                } else if boundary
                    && (word == "crate" || word == "super")
                    && code[end..].starts_with("::")
                    // A visibility such as `pub(in crate::testing)`.
                    && !code[..at].ends_with("(in ")
                {
                    let here: Vec<String> =
                        module.iter().cloned().chain(inline.iter().map(|(_, name)| name.clone())).collect();
                    let line = code[..at].matches('\n').count() + 1;
                    for tail in expand(&code[at..]) {
                        found.push((line, absolute(&tail, &here)));
                    }
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Splits `a::b::{c, d::e}` into its paths, each as a list of segments.
fn expand(text: &str) -> Vec<Vec<String>> {
    let mut segments = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            let mut level = 1;
            let mut start = 0;
            let mut all = Vec::new();
            for (i, c) in group.char_indices() {
                match c {
                    '{' => level += 1,
                    '}' => level -= 1,
                    _ => {}
                }
                if (c == ',' && level == 1) || level == 0 {
                    let item = group[start..i].trim();
                    if !item.is_empty() {
                        all.extend(
                            expand(item)
                                .into_iter()
                                .map(|tail| segments.iter().cloned().chain(tail).collect::<Vec<_>>()),
                        );
                    }
                    start = i + 1;
                }
                if level == 0 {
                    break;
                }
            }
            return all;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end == 0 {
            return vec![segments];
        }
        segments.push(rest[..end].to_owned());
        match rest[end..].trim_start().strip_prefix("::") {
            Some(more) => rest = more,
            None => return vec![segments],
        }
    }
}

fn absolute(path: &[String], here: &[String]) -> Vec<String> {
    let mut base: Vec<String> = if path[0] == "crate" { Vec::new() } else { here.to_vec() };
    let mut rest = path;
    while let Some((first, tail)) = rest.split_first() {
        match first.as_str() {
            "crate" | "self" => {}
            "super" => {
                base.pop();
            }
            _ => break,
        }
        rest = tail;
    }
    base.extend(rest.iter().cloned());
    base
}

/// Returns what the crate root re-exports, each with its room.
fn reexports(root: &str) -> BTreeMap<String, String> {
    let code = code_only(root);
    let mut map = BTreeMap::new();
    for statement in code.split("pub use ").skip(1) {
        let statement = statement.split(';').next().unwrap_or_default();
        for path in expand(statement) {
            if let (Some(room), Some(item)) = (path.first(), path.last()) {
                map.insert(item.clone(), room.clone());
            }
        }
    }
    map
}

fn room(name: &str) -> Option<(u8, &'static str, &'static [&'static str])> {
    ROOMS.iter().find(|(_, room, _)| *room == name).copied()
}

/// Returns the room of a path. A row for a module within a folder takes precedence over the row of
/// the folder.
fn room_of(path: &[String]) -> Option<(u8, &'static str, &'static [&'static str])> {
    let inner = path.get(..2).and_then(|two| room(&two.join("/")));
    inner.or_else(|| room(path.first()?))
}

fn check(file: &Path, source: &str, root: &BTreeMap<String, String>) -> Vec<Violation> {
    let module = module_of(file);
    if module.is_empty() {
        return Vec::new();
    }
    let (layer, own, exceptions) =
        room_of(&module).unwrap_or_else(|| panic!("{} has no row in the table", file.display()));
    paths(&code_only(source), &module)
        .into_iter()
        .filter_map(|(line, mut path)| {
            if let Some(room) = root.get(path.first()?) {
                path.insert(0, room.clone());
            }
            let (target, to, _) =
                room_of(&path).unwrap_or_else(|| panic!("{}:{line}: {path:?} has no row in the table", file.display()));
            let allowed = to == own || target < layer || exceptions.contains(&to);
            (!allowed).then(|| Violation {
                file: file.display().to_string(),
                line,
                from: own.to_owned(),
                to: to.to_owned(),
            })
        })
        .collect()
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn imports_point_down_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let root = reexports(&fs::read_to_string(src.join("lib.rs")).unwrap());
    let mut files = Vec::new();
    sources(&src, &mut files);

    let violations: Vec<_> = files
        .iter()
        .flat_map(|file| check(file.strip_prefix(&src).unwrap(), &fs::read_to_string(file).unwrap(), &root))
        .collect();

    assert!(files.len() > 10, "the sources were not found");
    assert_eq!(violations, []);
}

#[test]
fn finds_an_import_that_points_up_in_every_form() {
    let root = BTreeMap::from([("SnapshotClient".to_owned(), "client".to_owned())]);
    let forms = [
        "use crate::client::wait;",
        "use crate::{error::Error, call};",
        "fn f() { crate::call::queue(); }",
        "fn f() -> crate::SnapshotClient { todo!() }",
        "use super::client::SnapshotClient;",
        "mod tests { use super::super::client; }",
        "use crate::{\n    error::{Error, Outcome},\n    client::{builder, wait},\n};",
    ];
    for form in forms {
        assert!(!check(Path::new("retry.rs"), form, &root).is_empty(), "{form}");
    }
}

#[test]
fn ignores_comments_strings_and_allowed_imports() {
    let harmless = r##"
        //! crate::client
        /// [`crate::client`]
        mod tests { use super::*; use crate::error::Error; }
        const TEXT: &str = "crate::client"; const RAW: &str = r#"crate::client"#; const C: char = '"';
    "##;
    assert_eq!(check(Path::new("retry.rs"), harmless, &BTreeMap::new()), []);
}

#[test]
fn finds_an_import_between_rooms_of_one_layer() {
    assert_eq!(check(Path::new("auth/mod.rs"), "use crate::transport::Body;", &BTreeMap::new()).len(), 1);
    assert_eq!(check(Path::new("transport/hyper.rs"), "use super::super::auth::Auth;", &BTreeMap::new()).len(), 1);
}

#[test]
fn finds_an_import_of_the_facade_from_below() {
    let root = reexports(&fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap());
    let files = [
        "call/mod.rs",
        "call/listing.rs",
        "wait/mod.rs",
        "wait/restore.rs",
        "reconcile/drive.rs",
        "reconcile/creation.rs",
    ];
    let forms =
        ["use crate::client::SnapshotClient;", "use crate::SnapshotClient;", "use crate::{Repository, error::Error};"];
    for file in files {
        for form in forms {
            assert_eq!(check(Path::new(file), form, &root).len(), 1, "{file}: {form}");
        }
    }
}

#[test]
fn finds_an_import_that_points_up_within_a_folder() {
    let forms = [
        ("reconcile/machine.rs", "use super::drive::drive;"),
        ("reconcile/machine.rs", "use super::evidence::Evidence;"),
        ("reconcile/evidence.rs", "use crate::call::Session;"),
        ("restore/targets.rs", "use super::view::RestoreView;"),
        ("call/response.rs", "use super::listing::Listing;"),
        ("error/body.rs", "use super::server::ServerError;"),
        ("testing/cluster/index.rs", "use crate::testing::fake::FakeDomain;"),
    ];
    for (file, form) in forms {
        assert_eq!(check(Path::new(file), form, &BTreeMap::new()).len(), 1, "{file}: {form}");
    }
}
