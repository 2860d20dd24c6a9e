//! Names and patterns that are validated when they are parsed.
//!
//! The rules are the server's, and a few more: a name must not mean something else on its way
//! through a URL. Names in responses are plain text, so that an odd one never breaks a listing.
//! `parse` makes a name for requests of such a text.

#[cfg(feature = "date-math")]
mod date_math;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[cfg(feature = "date-math")]
pub use date_math::DateMathName;

use crate::error::{Error, quoted};

/// The longest name in bytes: what file systems allow, and what the server allows for indices.
const MAX_BYTES: usize = 255;

/// What no engine allows in the name of a repository, a snapshot or an index.
const NO_FILE_NAME: [char; 9] = ['\\', '/', '*', '?', '"', '<', '>', '|', ','];

/// A broken rule, as the end of "the name …".
type Rule = Result<(), Cow<'static, str>>;

fn broken(rule: &'static str) -> Rule {
    Err(Cow::Borrowed(rule))
}

/// What holds for every name that goes into a URL.
fn check_path_segment(name: &str) -> Rule {
    if name.is_empty() {
        return broken("must not be empty");
    }
    if name.len() > MAX_BYTES {
        return broken("must not be longer than 255 bytes");
    }
    if name == "." || name == ".." {
        return broken("must not be . or .., which URLs resolve");
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
        return broken("must not contain % and two hexadecimal digits, which a proxy may decode once more");
    }
    if name.starts_with('_') {
        return broken("must not start with _, as the words of the API do");
    }
    Ok(())
}

/// Whether text would become another if it were decoded once more. A `%` that no two hexadecimal
/// digits follow stays itself.
pub(crate) fn has_escape(text: &str) -> bool {
    text.as_bytes()
        .windows(3)
        .any(|window| matches!(window, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

fn check_lower_case(name: &str) -> Rule {
    let lower = name.to_lowercase();
    if lower == name { Ok(()) } else { Err(format!("must be lower case, such as {}", quoted(&lower)).into()) }
}

fn check_repository(name: &str) -> Rule {
    check_path_segment(name)?;
    if name.contains(NO_FILE_NAME) {
        return broken("must not contain any of \\ / * ? \" < > | ,");
    }
    Ok(())
}

/// What a snapshot's name and a pattern for it have in common; `forbidden` is what neither the one
/// nor the other may contain.
fn check_snapshot_part(part: &str, forbidden: impl Fn(char) -> bool, rule: &'static str) -> Rule {
    // The server works date math out only where a snapshot is made, and its response does not
    // contain the name.
    let has_forbidden = part.contains(&forbidden);
    if part.starts_with('<') && part.ends_with('>') || has_forbidden && part.contains("{now") {
        return broken(
            "is date math; parse it as a DateMathName (feature `date-math`), such as <nightly-{now/d}>, and resolve that to a name",
        );
    }
    check_path_segment(part)?;
    if part.starts_with('-') {
        return broken("must not start with -, which Elasticsearch 7.16 and later read as an exclusion");
    }
    if has_forbidden {
        return broken(rule);
    }
    check_lower_case(part)
}

fn check_snapshot(name: &str) -> Rule {
    check_snapshot_part(name, |c| NO_FILE_NAME.contains(&c), "must not contain any of \\ / * ? \" < > | ,")
}

fn check_pattern_part(part: &str) -> Rule {
    check_snapshot_part(part, |c| c != '*' && NO_FILE_NAME.contains(&c), "must not contain any of \\ / ? \" < > | ,")
}

fn check_index(name: &str) -> Rule {
    check_path_segment(name)?;
    if name.contains(NO_FILE_NAME) || name.contains(':') {
        return broken("must not contain any of \\ / * ? \" < > | , :");
    }
    if name.starts_with(['-', '+']) {
        return broken("must not start with - or +");
    }
    check_lower_case(name)
}

fn check_index_pattern(pattern: &str) -> Rule {
    let body = pattern.strip_prefix('-').unwrap_or(pattern);
    if body.is_empty() {
        return broken("must not be empty");
    }
    if body.contains(char::is_control) || body.contains(char::is_whitespace) {
        return broken("must not contain control characters or white space");
    }
    if body.contains(',') {
        return broken("must not contain a comma; give several patterns");
    }
    if body == "_all" {
        return broken("must not be _all; leave the indices out for all of them");
    }
    let date_math = body.starts_with('<') && body.ends_with('>');
    if !date_math && body.contains(['/', '\\', '?', '"', '<', '>', '|', '#']) {
        return broken("must not contain any of / \\ ? \" < > | # outside of a date-math expression");
    }
    Ok(())
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $noun:literal, $check:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(name: String) -> Result<Self, Error> {
                match $check(&name) {
                    Ok(()) => Ok(Self(name)),
                    Err(rule) => Err(Error::invalid(format!(concat!("the ", $noun, " {} {}"), quoted(&name), rule))),
                }
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Error;

            fn try_from(name: &str) -> Result<Self, Error> {
                name.to_owned().try_into()
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self, Error> {
                name.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}

names! {
    /// The name of a snapshot repository.
    ///
    /// The server refuses an empty name, white space and any of `\ / * ? " < > | # ,`. This type
    /// also refuses what would not be one path segment with one meaning: `.` and `..`, control
    /// characters, any Unicode white space, `%` before two hexadecimal digits, a leading `_` (as in
    /// `_all` and `_status`), and more than 255 bytes. Upper case is allowed.
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
    /// The server wants lower case, no leading `_`, no white space and none of
    /// `\ / * ? " < > | # ,`. This type also refuses `.` and `..`, control characters, any Unicode
    /// white space, `%` before two hexadecimal digits, a leading `-`, and more than 255 bytes. To
    /// list or delete several there is [`SnapshotPattern`]; for a name that contains the date there
    /// is `DateMathName` (feature `date-math`).
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

    /// The name of one index, as it stands in a path such as `/{index}/_recovery`.
    ///
    /// The rules are those of index creation: lower case, at most 255 bytes, no leading `-`, `_` or
    /// `+`, not `.` or `..`, none of `\ / * ? " < > | , # :`, no white space; and no control
    /// characters, and no `%` before two hexadecimal digits.
    IndexName, "index name", check_index;

    /// One entry of the `indices` of a snapshot or a restore: a name, a wildcard pattern, an exclusion or a date-math expression.
    ///
    /// `logs-*` includes, `-.kibana*` excludes, `<logs-{now/d}>` is resolved by the server. Refused are commas (give several
    /// patterns instead), control characters and white space, any of `/ \ ? " < > | #` outside of a date-math expression,
    /// and `_all` (leave the indices out instead).
    IndexPattern, "index pattern", check_index_pattern;
}

/// The snapshots that a listing or a deletion is about: one or more names and wildcard patterns.
///
/// A type of its own, so that no text deletes several snapshots by accident. `*` is the only
/// wildcard the server knows; for the rest a part keeps to the rules of [`SnapshotName`].
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
    /// Several names and patterns, each of which counts.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if there is no part, or one breaks a rule;
    /// a comma never separates parts.
    pub fn new<I>(parts: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        parts.into_iter().map(Into::into).collect::<Vec<String>>().try_into()
    }

    /// Every snapshot of the repository: `*`.
    #[must_use]
    pub fn all() -> Self {
        Self(vec!["*".to_owned()])
    }

    /// Exactly these snapshots.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if there is none: an empty list must not
    /// come to mean all.
    pub fn from_names(names: impl IntoIterator<Item = SnapshotName>) -> Result<Self, Error> {
        Self::new(names.into_iter().map(|name| name.0))
    }

    /// The names and patterns, one by one.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether a snapshot of that name is meant, as the server would decide.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|part| matches_wildcard(part, name))
    }
}

/// Whether `name` consists of the pieces of `pattern` in their order, with anything where a `*`
/// stands.
pub(crate) fn matches_wildcard(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(inner) = name.strip_prefix(head).and_then(|name| name.strip_suffix(tail)) else { return false };
    // The first place where a piece fits leaves the most room for those behind it.
    let mut left = inner;
    middle.split('*').all(|piece| match left.split_once(piece) {
        Some((_, behind)) => {
            left = behind;
            true
        }
        None => false,
    })
}

impl TryFrom<Vec<String>> for SnapshotPattern {
    type Error = Error;

    fn try_from(parts: Vec<String>) -> Result<Self, Error> {
        if parts.is_empty() {
            return Err(Error::invalid("a snapshot pattern needs at least one part"));
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

    /// One name or pattern.
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
    fn names_as_people_give_them_are_accepted() {
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
    fn names_that_mean_something_else_in_a_path_are_refused() {
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
    fn a_snapshot_name_is_lower_case_and_no_exclusion() {
        for name in ["Nightly", "nightly-Ä", "-nightly"] {
            assert!(name.parse::<SnapshotName>().is_err(), "{name}");
        }
    }

    #[test]
    fn an_index_name_keeps_to_the_rules_of_index_creation() {
        for name in ["Movies", "-a", "+a", "cluster:a"] {
            assert!(name.parse::<IndexName>().is_err(), "{name}");
        }
    }

    #[test]
    fn an_error_names_the_rule_and_shows_the_name_escaped() {
        let error = "a\nb".parse::<SnapshotName>().unwrap_err();
        assert_eq!(error.to_string(), r#"invalid input: the snapshot name "a\nb" must not contain control characters"#);
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotSent));
    }

    #[test]
    fn an_upper_case_name_is_refused_with_the_name_that_works() {
        let refused = [
            "SNAP-2016.02.10".parse::<SnapshotName>().map(drop),
            "SNAP-2016.02.10".parse::<SnapshotPattern>().map(drop),
        ];
        for error in refused.map(Result::unwrap_err) {
            assert!(error.to_string().ends_with(r#"must be lower case, such as "snap-2016.02.10""#), "{error}");
        }
    }

    #[test]
    fn date_math_is_refused_with_the_type_that_resolves_it() {
        for text in ["<name-{now/M-1M{yyyy.MM}}>", "<Nightly-{now/d}>", "nightly-{now/d}", "<nightly>"] {
            for error in [text.parse::<SnapshotName>().unwrap_err(), text.parse::<SnapshotPattern>().unwrap_err()] {
                assert!(error.to_string().contains("DateMathName"), "{error}");
            }
        }
    }

    #[test]
    fn index_patterns_take_wildcards_exclusions_and_date_math() {
        for pattern in ["movies", "*", "-*", "-.kibana*", "<logs-{now/d}>", "-<logs-{now/d{yyyy|+09:00}}>", "MyAlias"] {
            assert!(pattern.parse::<IndexPattern>().is_ok(), "{pattern}");
        }
        for pattern in ["", "-", "a,b", "_all", "-_all", "a b", "a/b", "a?", "<a", "a>", "a|b", "<a,b>", "<a\n>", "a#"]
        {
            assert!(pattern.parse::<IndexPattern>().is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_is_never_empty_and_never_split_at_a_comma() {
        assert!(SnapshotPattern::new(Vec::<String>::new()).is_err());
        assert!(SnapshotPattern::from_names([]).is_err());
        for part in ["", "a,b", "a?", "_all", "_current", "-a*", "A*", "a/*", "a|*", "a *", "a%41*"] {
            assert!(part.parse::<SnapshotPattern>().is_err(), "{part}");
        }
    }

    #[test]
    fn a_pattern_matches_as_the_server_does() {
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
    fn serde_validates_what_it_reads() {
        assert!(serde_json::from_str::<SnapshotName>(r#""a*""#).is_err());
        assert!(serde_json::from_str::<SnapshotPattern>("[]").is_err());
        let pattern = SnapshotPattern::new(["a*", "b"]).unwrap();
        assert_eq!(serde_json::to_string(&pattern).unwrap(), r#"["a*","b"]"#);
        assert_eq!(serde_json::from_str::<SnapshotPattern>(r#"["a*","b"]"#).unwrap(), pattern);
    }

    /// Text rich in the characters that matter, which plain random text would seldom hit.
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

    fn slow_match(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|skip| slow_match(rest, &name[skip..])),
            Some((c, rest)) => name.first() == Some(c) && slow_match(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn an_accepted_name_is_one_path_segment(name in risky()) {
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
        fn the_name_that_is_suggested_is_accepted(name in risky()) {
            let Err(error) = name.parse::<SnapshotName>() else { return Ok(()) };
            if error.to_string().contains("lower case") {
                prop_assert!(name.to_lowercase().parse::<SnapshotName>().is_ok(), "{}", error);
            }
        }

        #[test]
        fn matching_agrees_with_the_plain_definition(pattern in "[ab*]{1,8}", name in "[ab]{0,8}") {
            let expected = slow_match(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>());
            prop_assert_eq!(pattern.parse::<SnapshotPattern>().unwrap().matches(&name), expected);
        }
    }
}
