//! Names and patterns for requests, validated when they are parsed.
//!
//! A name fulfils the rules of the server and some more, so that it cannot change its meaning as
//! part of a URL. Names in responses are plain text, so that an unusual name never breaks a
//! listing. Parse such a text to use it in a request.
//!
//! ```
//! use es_snapshot::name::{RepositoryName, SnapshotName};
//!
//! let repository: RepositoryName = "backups".parse()?;
//! let snapshot = SnapshotName::try_from("nightly-2024.05.01")?;
//! assert!("../_all".parse::<SnapshotName>().is_err());
//! # Ok::<(), es_snapshot::Error>(())
//! ```

#[cfg(feature = "date-math")]
mod date_math;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[cfg(feature = "date-math")]
pub use date_math::DateMathName;

use crate::error::{Error, quoted};
use crate::text::checked_texts;

/// The longest name in bytes. File systems have this limit, and the server has it for indices.
const MAX_BYTES: usize = 255;

/// The characters that servers allow in no name of a repository, a snapshot or an index.
const FORBIDDEN: [char; 9] = ['\\', '/', '*', '?', '"', '<', '>', '|', ','];

/// The result of a check. The error is the broken rule, worded as the end of "the name …".
type Check = Result<(), Cow<'static, str>>;

fn broken(rule: &'static str) -> Check {
    Err(Cow::Borrowed(rule))
}

/// Checks the rules for every name that becomes part of a URL.
fn check_path_segment(name: &str) -> Check {
    if name.is_empty() {
        return broken("must not be empty");
    }
    if name.len() > MAX_BYTES {
        return broken("must not be longer than 255 bytes");
    }
    if name == "." || name == ".." {
        return broken("must not be . or .., because URLs resolve them");
    }
    if name.contains(char::is_control) {
        return broken("must not contain control characters");
    }
    if name.contains(char::is_whitespace) {
        return broken("must not contain white space");
    }
    if name.contains('#') {
        return broken("must not contain #");
    }
    if has_escape(name) {
        return broken("must not contain % followed by two hexadecimal digits, because a proxy may decode them");
    }
    if name.starts_with('_') {
        return broken("must not start with _, which is reserved for words of the API such as _all");
    }
    Ok(())
}

/// Returns whether percent-decoding would change the text. A `%` without two hexadecimal digits
/// after it does not change.
pub(crate) fn has_escape(text: &str) -> bool {
    text.as_bytes()
        .windows(3)
        .any(|window| matches!(window, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

fn check_lower_case(name: &str) -> Check {
    let lower = name.to_lowercase();
    if lower == name { Ok(()) } else { Err(format!("must be lower case, such as {}", quoted(&lower)).into()) }
}

fn check_repository(name: &str) -> Check {
    check_path_segment(name)?;
    if name.contains(FORBIDDEN) {
        return broken("must not contain any of \\ / * ? \" < > | ,");
    }
    Ok(())
}

/// Checks the rules that snapshot names and snapshot patterns share. `rule` is the error for a
/// forbidden character.
fn check_snapshot_part(part: &str, is_forbidden: impl Fn(char) -> bool, rule: &'static str) -> Check {
    // The server resolves date math only when it creates a snapshot, and its response does not
    // contain the resulting name.
    let has_forbidden = part.contains(&is_forbidden);
    if part.starts_with('<') && part.ends_with('>') || has_forbidden && part.contains("{now") {
        return broken("is date math; parse it as a `DateMathName` (feature `date-math`) and resolve that to a name");
    }
    check_path_segment(part)?;
    if part.starts_with('-') {
        return broken("must not start with -, which is an exclusion for Elasticsearch 7.16 and later");
    }
    if has_forbidden {
        return broken(rule);
    }
    check_lower_case(part)
}

fn check_snapshot(name: &str) -> Check {
    check_snapshot_part(name, |c| FORBIDDEN.contains(&c), "must not contain any of \\ / * ? \" < > | ,")
}

fn check_pattern_part(part: &str) -> Check {
    check_snapshot_part(part, |c| c != '*' && FORBIDDEN.contains(&c), "must not contain any of \\ / ? \" < > | ,")
}

fn check_index(name: &str) -> Check {
    check_path_segment(name)?;
    if name.contains(FORBIDDEN) || name.contains(':') {
        return broken("must not contain any of \\ / * ? \" < > | , :");
    }
    if name.starts_with(['-', '+']) {
        return broken("must not start with - or +");
    }
    check_lower_case(name)
}

fn check_index_pattern(pattern: &str) -> Check {
    let body = pattern.strip_prefix('-').unwrap_or(pattern);
    if body.is_empty() {
        return broken("must not be empty");
    }
    if body.contains(char::is_control) || body.contains(char::is_whitespace) {
        return broken("must not contain control characters or white space");
    }
    if body.contains(',') {
        return broken("must not contain a comma; pass several patterns instead");
    }
    if body == "_all" {
        return broken("must not be _all; to select all indices, pass no pattern");
    }
    let date_math = body.starts_with('<') && body.ends_with('>');
    if !date_math && body.contains(['/', '\\', '?', '"', '<', '>', '|', '#']) {
        return broken("must not contain any of / \\ ? \" < > | # outside of a date-math expression");
    }
    Ok(())
}

fn refuse(noun: &str, name: &str, rule: &str) -> Error {
    Error::invalid(format!("the {noun} {} {rule}", quoted(name)))
}

checked_texts! {
    refuse;

    /// The name of a snapshot repository.
    ///
    /// The server refuses an empty name, white space, and any of `\ / * ? " < > | # ,`. This type
    /// also refuses names whose meaning could change in a URL:
    ///
    /// * `.` and `..`;
    /// * control characters, and all white space of Unicode;
    /// * `%` before two hexadecimal digits;
    /// * a leading `_`, as in `_all` and `_status`;
    /// * more than 255 bytes.
    ///
    /// Upper case is allowed.
    ///
    /// ```
    /// use es_snapshot::name::RepositoryName;
    ///
    /// let name: RepositoryName = "my-snapshot-repo".parse()?;
    /// assert_eq!(name.as_str(), "my-snapshot-repo");
    /// assert!("_all".parse::<RepositoryName>().is_err());
    /// # Ok::<(), es_snapshot::Error>(())
    /// ```
    RepositoryName, "repository name", check_repository;

    /// The name of one snapshot.
    ///
    /// The server refuses upper case, a leading `_`, white space, and any of `\ / * ? " < > | # ,`.
    /// This type also refuses names whose meaning could change in a URL:
    ///
    /// * `.` and `..`;
    /// * control characters, and all white space of Unicode;
    /// * `%` before two hexadecimal digits;
    /// * a leading `-`, which is an exclusion for Elasticsearch 7.16 and later;
    /// * more than 255 bytes.
    ///
    /// To list or delete several snapshots, use [`SnapshotPattern`]. For a name that contains the
    /// date, use `DateMathName` (feature `date-math`).
    ///
    /// ```
    /// use es_snapshot::name::SnapshotName;
    ///
    /// let name: SnapshotName = "nightly-2024.05.01".parse()?;
    /// assert_eq!(name.to_string(), "nightly-2024.05.01");
    /// assert!("nightly-*".parse::<SnapshotName>().is_err());
    /// # Ok::<(), es_snapshot::Error>(())
    /// ```
    SnapshotName, "snapshot name", check_snapshot;

    /// The name of one index, for a path such as `/{index}/_recovery`.
    ///
    /// The server refuses upper case, more than 255 bytes, a leading `-`, `_` or `+`, the names `.`
    /// and `..`, white space, and any of `\ / * ? " < > | , # :`. This type also refuses control
    /// characters, and `%` before two hexadecimal digits.
    ///
    /// ```
    /// use es_snapshot::name::IndexName;
    ///
    /// let name: IndexName = ".ds-logs-2024.05.01-000001".parse()?;
    /// assert!("Movies".parse::<IndexName>().is_err());
    /// # Ok::<(), es_snapshot::Error>(())
    /// ```
    IndexName, "index name", check_index;

    /// A pattern for the indices of a snapshot or a restore.
    ///
    /// | pattern | meaning |
    /// | --- | --- |
    /// | `movies` | the index or data stream of this name |
    /// | `logs-*` | all indices and data streams with a name that matches |
    /// | `-.kibana*` | excludes those with a name that matches |
    /// | `<logs-{now/d}>` | date math, which the server resolves |
    ///
    /// This type refuses commas, control characters, white space, `_all`, and any of
    /// `/ \ ? " < > | #` outside of a date-math expression. Instead of a comma, pass several
    /// patterns. Instead of `_all`, pass no pattern.
    ///
    /// ```
    /// use es_snapshot::name::IndexPattern;
    ///
    /// for pattern in ["movies", "logs-*", "-.kibana*", "<logs-{now/d}>"] {
    ///     assert!(pattern.parse::<IndexPattern>().is_ok());
    /// }
    /// assert!("movies,logs-*".parse::<IndexPattern>().is_err());
    /// ```
    IndexPattern, "index pattern", check_index_pattern;
}

/// A selection of snapshots to list or delete: one or more names and wildcard patterns.
///
/// This is a separate type, so that a plain text cannot delete several snapshots by accident. `*`
/// is the only wildcard of the server. Apart from that, each part follows the rules of
/// [`SnapshotName`].
///
/// ```
/// use es_snapshot::SnapshotPattern;
///
/// let pattern = SnapshotPattern::new(["nightly-*", "before-upgrade"])?;
/// assert!(pattern.matches("nightly-2024.05.01"));
/// assert!(!pattern.matches("weekly"));
/// # Ok::<(), es_snapshot::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct SnapshotPattern(Vec<String>);

impl SnapshotPattern {
    /// Returns a pattern that selects the snapshots that match at least one of these parts.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the list is empty, or if a part breaks a
    /// rule. A comma is not allowed: it does not separate parts.
    pub fn new<I>(parts: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        parts.into_iter().map(Into::into).collect::<Vec<String>>().try_into()
    }

    /// Returns the pattern `*`, which selects every snapshot of the repository.
    #[must_use]
    pub fn all() -> Self {
        Self(vec!["*".to_owned()])
    }

    /// Returns a pattern that selects exactly these snapshots.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if no name is given, so that an empty list
    /// never selects all snapshots.
    pub fn from_names(names: impl IntoIterator<Item = SnapshotName>) -> Result<Self, Error> {
        Self::new(names.into_iter().map(|name| name.0))
    }

    /// Returns the names and patterns.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns whether the pattern selects a snapshot of this name, as the server would decide.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|part| matches_wildcard(part, name))
    }
}

/// Returns whether `name` matches `pattern`, in which a `*` matches any text.
pub(crate) fn matches_wildcard(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(inner) = name.strip_prefix(head).and_then(|name| name.strip_suffix(tail)) else { return false };
    // The first occurrence of a piece leaves the most text for the pieces after it.
    let mut unmatched = inner;
    middle.split('*').all(|piece| match unmatched.split_once(piece) {
        Some((_, after)) => {
            unmatched = after;
            true
        }
        None => false,
    })
}

impl TryFrom<Vec<String>> for SnapshotPattern {
    type Error = Error;

    fn try_from(parts: Vec<String>) -> Result<Self, Error> {
        if parts.is_empty() {
            return Err(Error::invalid("a snapshot pattern has no part, expected at least one, such as `*`"));
        }
        for part in &parts {
            check_pattern_part(part)
                .map_err(|rule| Error::invalid(format!("the snapshot pattern {} {rule}", quoted(part))))?;
        }
        Ok(Self(parts))
    }
}

impl FromStr for SnapshotPattern {
    type Err = Error;

    /// Parses one name or wildcard pattern.
    fn from_str(part: &str) -> Result<Self, Error> {
        Self::new([part])
    }
}

impl From<SnapshotName> for SnapshotPattern {
    fn from(name: SnapshotName) -> Self {
        Self(vec![name.0])
    }
}

impl fmt::Display for SnapshotPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.join(","))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::{ErrorKind, Outcome};

    #[test]
    fn accepts_common_and_unusual_names() {
        for name in [
            "my-snapshot-repo",
            "cs-automated-enc",
            "Backup.2024",
            "-x",
            ".hidden",
            "日本語",
            "a+b:c{d}",
            "100%",
            &"a".repeat(255),
        ] {
            assert!(name.parse::<RepositoryName>().is_ok(), "{name}");
        }
        for name in [
            "my-first-snapshot",
            "nightly-2024.05.01",
            "a:b+09",
            "ß",
            "..a",
            "snap-100%",
            "%",
            "%%",
            "a%4",
            "a%zz",
            "{now}",
            &"a".repeat(255),
        ] {
            assert!(name.parse::<SnapshotName>().is_ok(), "{name}");
        }
        for name in [
            "movies",
            ".kibana_1",
            ".ds-logs-2024.05.01-000001",
            "%{[@metadata][beat]}-%{[@metadata][version]}-2021.03.22",
        ] {
            assert!(name.parse::<IndexName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn refuses_names_that_change_their_meaning_in_a_path() {
        let names = [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "a,b",
            "*",
            "a?",
            "a\"",
            "<a>",
            "a|b",
            "a#b",
            "a b",
            "a\u{a0}b",
            "a\u{2003}b",
            "a\nb",
            "a\0",
            "a\u{7f}",
            "a%2Fb",
            "%2e",
            "100%25",
            "%%41",
            "_all",
            "_current",
            "_status",
            "_verify",
            "_x",
            &"a".repeat(256),
            &"ü".repeat(128),
        ];
        for name in names {
            assert!(name.parse::<RepositoryName>().is_err(), "repository {name:?}");
            assert!(name.parse::<SnapshotName>().is_err(), "snapshot {name:?}");
            assert!(name.parse::<IndexName>().is_err(), "index {name:?}");
        }
    }

    #[test]
    fn refuses_upper_case_and_exclusions_as_snapshot_names() {
        for name in ["Nightly", "nightly-Ä", "-nightly"] {
            assert!(name.parse::<SnapshotName>().is_err(), "{name}");
        }
    }

    #[test]
    fn applies_the_rules_of_index_creation_to_index_names() {
        for name in ["Movies", "-a", "+a", "cluster:a"] {
            assert!(name.parse::<IndexName>().is_err(), "{name}");
        }
    }

    #[test]
    fn names_the_broken_rule_and_escapes_the_name_in_errors() {
        let error = "a\nb".parse::<SnapshotName>().unwrap_err();
        assert_eq!(error.to_string(), r#"invalid input: the snapshot name "a\nb" must not contain control characters"#);
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotSent));
    }

    #[test]
    fn suggests_a_lower_case_name_for_an_upper_case_one() {
        let refused = [
            "SNAP-2016.02.10".parse::<SnapshotName>().map(drop),
            "SNAP-2016.02.10".parse::<SnapshotPattern>().map(drop),
        ];
        for error in refused.map(Result::unwrap_err) {
            assert!(error.to_string().ends_with(r#"must be lower case, such as "snap-2016.02.10""#), "{error}");
        }
    }

    #[test]
    fn refuses_date_math_and_names_the_type_that_resolves_it() {
        for text in ["<name-{now/M-1M{yyyy.MM}}>", "<Nightly-{now/d}>", "nightly-{now/d}", "<nightly>"] {
            for error in [text.parse::<SnapshotName>().unwrap_err(), text.parse::<SnapshotPattern>().unwrap_err()] {
                assert!(error.to_string().contains("DateMathName"), "{error}");
            }
        }
    }

    #[test]
    fn accepts_wildcards_exclusions_and_date_math_in_index_patterns() {
        for pattern in ["movies", "*", "-*", "-.kibana*", "<logs-{now/d}>", "-<logs-{now/d{yyyy|+09:00}}>", "MyAlias"] {
            assert!(pattern.parse::<IndexPattern>().is_ok(), "{pattern}");
        }
        for pattern in ["", "-", "a,b", "_all", "-_all", "a b", "a/b", "a?", "<a", "a>", "a|b", "<a,b>", "<a\n>", "a#"]
        {
            assert!(pattern.parse::<IndexPattern>().is_err(), "{pattern}");
        }
    }

    #[test]
    fn refuses_an_empty_pattern_and_does_not_split_at_a_comma() {
        assert!(SnapshotPattern::new(Vec::<String>::new()).is_err());
        assert!(SnapshotPattern::from_names([]).is_err());
        for part in ["", "a,b", "a?", "_all", "_current", "-a*", "A*", "a/*", "a|*", "a *", "a%41*"] {
            assert!(part.parse::<SnapshotPattern>().is_err(), "{part}");
        }
    }

    #[test]
    fn matches_names_as_the_server_does() {
        let cases = [
            ("*", "anything", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("a**c", "ac", true),
            ("*b*", "abc", true),
            ("a", "ab", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(pattern.parse::<SnapshotPattern>().unwrap().matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn validates_names_that_serde_deserialises() {
        assert!(serde_json::from_str::<SnapshotName>(r#""a*""#).is_err());
        assert!(serde_json::from_str::<SnapshotPattern>("[]").is_err());
        let pattern = SnapshotPattern::new(["a*", "b"]).unwrap();
        assert_eq!(serde_json::to_string(&pattern).unwrap(), r#"["a*","b"]"#);
        assert_eq!(serde_json::from_str::<SnapshotPattern>(r#"["a*","b"]"#).unwrap(), pattern);
    }

    /// Generates texts with many special characters. Random texts would rarely contain them.
    fn risky() -> impl Strategy<Value = String> {
        proptest::collection::vec(
            prop_oneof![
                proptest::sample::select("aA.-_*?,/\\%%%25#<>|\" \n\u{0}\u{a0}üß:+".chars().collect::<Vec<_>>()),
                any::<char>()
            ],
            0..8,
        )
        .prop_map(|chars| chars.into_iter().collect())
    }

    fn naive_match(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|skip| naive_match(rest, &name[skip..])),
            Some((c, rest)) => name.first() == Some(c) && naive_match(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn accepts_only_names_that_are_one_path_segment(name in risky()) {
            for accepted in [
                name.parse::<RepositoryName>().map(|name| name.0),
                name.parse::<SnapshotName>().map(|name| name.0),
                name.parse::<IndexName>().map(|name| name.0),
            ].into_iter().flatten() {
                prop_assert_eq!(&accepted, &name);
                let forbidden = |c: char| "\\/*?\"<>|#,".contains(c) || c.is_whitespace() || c.is_control();
                prop_assert!(!accepted.contains(forbidden) && !accepted.starts_with('_'));
                let decoded = percent_encoding::percent_decode_str(&accepted).decode_utf8_lossy();
                prop_assert_eq!(&decoded, &accepted);
                prop_assert!(!["", ".", ".."].contains(&accepted.as_str()));
            }
        }

        #[test]
        fn suggests_only_names_that_are_valid(name in risky()) {
            let Err(error) = name.parse::<SnapshotName>() else { return Ok(()) };
            if error.to_string().contains("lower case") {
                prop_assert!(name.to_lowercase().parse::<SnapshotName>().is_ok(), "{}", error);
            }
        }

        #[test]
        fn matches_wildcards_like_a_naive_implementation(pattern in "[ab*]{1,8}", name in "[ab]{0,8}") {
            let expected = naive_match(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>());
            prop_assert_eq!(pattern.parse::<SnapshotPattern>().unwrap().matches(&name), expected);
        }
    }
}
