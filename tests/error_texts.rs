//! All error texts of the crate in one file, `tests/error_texts.txt`, so that they can be read in
//! one go.
//!
//! `ES_SNAPSHOT_BLESS=1 cargo test --all-features --test error_texts` writes the file.

#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

#[path = "support/authority.rs"]
mod authority;
#[path = "error_texts/connections.rs"]
mod connections;
#[path = "support/failing.rs"]
mod failing;
#[path = "error_texts/flows.rs"]
mod flows;
#[path = "error_texts/input.rs"]
mod input;
#[path = "error_texts/literals.rs"]
mod literals;
#[path = "error_texts/responses.rs"]
mod responses;
#[path = "error_texts/sheet.rs"]
mod sheet;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::{env, fs};

use literals::{fixed_words, shown_literals};
use sheet::Sheet;

/// Literals that no line of the file contains: how each begins, and why no line can contain it.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("header [redacted]", "only `Debug` of `Auth` shows it"),
    ("the signing parameters are incomplete", "the client always sets all of them"),
    ("the request cannot be signed", "the signer accepts every request that the client builds"),
    ("the signer returned a header name", "the signer returns valid names"),
    ("the signature contains a character", "a signature is hexadecimal, and keys are checked before"),
    ("the URL of the request is not valid", "endpoints and names are checked before"),
    ("no transport is set", "this test needs the feature `hyper`"),
    ("the URL in the environment variable", "environment variables belong to the whole process of this test"),
    ("CONNECT {host}", "a request"),
    ("{text:?} has no host", "the URI parser refuses such a text first"),
    ("{text:?} has a host that a header must not contain", "the characters of a host are checked before"),
    ("the operating system returned no random bytes", "the operating system always returns some"),
    ("allocation_explain", "a restore goes on without the explanation"),
    ("the check did not end within", "the client only compares the failures of checks"),
    ("the request body cannot be serialised", "all options can be serialised"),
    ("options cannot be written as JSON", "all options can be serialised"),
    ("neither `accepted", "of a response that serde refuses, the client shows only the JSON path"),
    ("no response from the resolver within", "needs a resolver that hangs"),
    ("the resolver returned no address", "needs a resolver that returns an empty list"),
    ("is revoked", "the client has no revocation lists"),
    ("cannot be verified", "stands for reasons that rustls may add"),
    ("the default TLS versions cannot be used", "ring supports them"),
    ("the kind of the ticket does not match the wait", "the types prevent it"),
];

/// The words in upper case with which a text may begin.
const BEGINNINGS: [&str; 1] = ["TLS"];

/// The words with which texts of other crates, of the operating system and of servers begin.
const FOREIGN: [&str; 13] = [
    "BadEncoding",
    "BadSignature",
    "CertificateRequired",
    "Connection",
    "ExecutionException",
    "HandshakeFailure",
    "IMDS",
    "IndexShardRestoreFailedException",
    "InvalidCharacter",
    "ProtocolVersion",
    "Recovery",
    "Unable",
    "UncategorizedExecutionException",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All texts as the crate words them now.
static NOW: LazyLock<String> = LazyLock::new(|| {
    let mut sheet = Sheet::default();
    input::add(&mut sheet);
    responses::add(&mut sheet);
    flows::add(&mut sheet);
    connections::add(&mut sheet);
    sheet.0
});

/// Returns the contents of the file. If the environment variable is set, writes it first.
fn file() -> String {
    static FILE: LazyLock<String> = LazyLock::new(|| {
        let path = folder().join("tests/error_texts.txt");
        if env::var_os("ES_SNAPSHOT_BLESS").is_some() {
            fs::write(&path, &*NOW).unwrap();
        }
        fs::read_to_string(path).unwrap_or_default()
    });
    FILE.clone()
}

/// Returns the lines that differ, below the headings of their rooms.
fn difference(before: &str, now: &str) -> String {
    let rooms = |text: &str| -> Vec<(String, String)> {
        let mut room = String::new();
        let mut lines = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if line.starts_with("# ") {
                line.clone_into(&mut room);
            }
            lines.push((room.clone(), line.to_owned()));
        }
        lines
    };
    let (before, now) = (rooms(before), rooms(now));
    let changed = |mark: &str, lines: &[(String, String)], others: &[(String, String)]| -> Vec<String> {
        let missing = lines.iter().filter(|line| !others.contains(line));
        missing.map(|(room, line)| format!("{mark} {room}\n{mark}   {line}")).collect()
    };
    let lines = [changed("-", &before, &now), changed("+", &now, &before)].concat();
    if lines.is_empty() { "only the order of the lines differs".to_owned() } else { lines.join("\n") }
}

#[test]
fn every_error_text_is_as_the_file_shows_it() {
    let file = file();

    let difference = difference(&file, &NOW);

    assert!(
        file == *NOW,
        "error texts differ from tests/error_texts.txt; read them, and accept them with \
         ES_SNAPSHOT_BLESS=1\n{difference}"
    );
}

#[test]
fn the_file_contains_every_text_of_the_sources() {
    let file = file();
    let literals = shown_literals(&folder().join("src"));
    let is_in_a_line = |words: &[String]| {
        file.lines().any(|line| {
            let mut rest = Some(line);
            words.iter().all(|word| {
                rest = rest.and_then(|rest| rest.split_once(word.as_str())).map(|(_, rest)| rest);
                rest.is_some()
            })
        })
    };

    let missing: Vec<_> = literals.iter().filter(|literal| !is_in_a_line(&fixed_words(&literal.text))).collect();

    let is_excepted = |text: &str| EXCEPTIONS.iter().any(|(beginning, _)| text.starts_with(beginning));
    let unexpected: Vec<String> = missing
        .iter()
        .filter(|literal| !is_excepted(&literal.text))
        .map(|literal| format!("src/{}:{}: {}", literal.file, literal.line, literal.text))
        .collect();
    assert!(unexpected.is_empty(), "no line of the file contains these texts:\n{}", unexpected.join("\n"));
    for (beginning, reason) in EXCEPTIONS {
        assert!(!reason.is_empty());
        assert!(missing.iter().any(|literal| literal.text.starts_with(beginning)), "{beginning}: not an exception");
    }
    assert!(literals.len() > 200, "found only {} literals", literals.len());
}

#[test]
fn every_text_is_one_lower_case_line_without_a_full_stop() {
    let file = file();
    let mut broken = Vec::new();
    for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        let (_, text) = line.split_once(": ").unwrap_or_default();
        // The words of a server follow its status.
        let own = text.split(": ").take_while(|part| !part.starts_with("HTTP "));
        let begins_well = |part: &str| {
            let first = part.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            part.starts_with(|c: char| !c.is_alphabetic() || c.is_lowercase())
                || BEGINNINGS.contains(&first)
                || FOREIGN.contains(&first)
        };
        if text.is_empty() || text.ends_with('.') || line.contains(char::is_control) || !own.clone().all(begins_well) {
            broken.push(line);
        }
    }

    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(file.lines().count() > 200, "found only {} lines", file.lines().count());
}
