//! Computes the new names of a rename, as the server does with Java's `String.replaceAll`.
//!
//! `regex-lite` finds the matches. Its `\w`, `\d` and `\s` are ASCII, as in Java, and it prefers
//! alternatives in the same order. The order of matches and the meaning of a replacement follow
//! Java's rules
//! ([`Matcher`](https://docs.oracle.com/en/java/javase/11/docs/api/java.base/java/util/regex/Matcher.html#appendReplacement(java.lang.StringBuffer,java.lang.String))).
//! A pattern that the two engines may interpret differently is not computed.

use regex_lite::{Captures, Regex};

/// A `rename_pattern` with its `rename_replacement`.
#[derive(Debug)]
pub(crate) struct Rename {
    pattern: Regex,
    pieces: Vec<Piece>,
}

/// A piece of a replacement.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Rename {
    /// Returns `None` if the server would refuse the pair, or the result may differ from the
    /// server's.
    pub(crate) fn new(pattern: &str, replacement: &str) -> Option<Self> {
        if !means_the_same_in_java(pattern) {
            return None;
        }
        let pattern = Regex::new(pattern).ok()?;
        let pieces = parse_replacement(replacement, &pattern)?;
        Some(Self { pattern, pieces })
    }

    /// Returns the new name. `None` if it cannot be computed.
    pub(crate) fn apply(&self, name: &str) -> Option<String> {
        // Java counts in UTF-16, so it may find an empty match within a character above `\u{ffff}`.
        // Its word boundaries also consider letters that are not ASCII.
        let computable = if self.pattern.as_str().contains(r"\b") || self.pattern.as_str().contains(r"\B") {
            name.is_ascii()
        } else {
            name.chars().all(|letter| letter <= '\u{ffff}')
        };
        if !computable {
            return None;
        }
        let mut out = String::with_capacity(name.len());
        let (mut copied, mut from) = (0, 0);
        while let Some(found) = self.captures_at(name, from) {
            let whole = found.get(0)?;
            out.push_str(name.get(copied..whole.start())?);
            for piece in &self.pieces {
                match piece {
                    Piece::Text(text) => out.push_str(text),
                    Piece::Group(number) => out.push_str(found.get(*number).map_or("", |group| group.as_str())),
                }
            }
            copied = whole.end();
            // An empty match may follow a longer one directly. After an empty match the search
            // moves on.
            from = whole.end();
            if whole.is_empty() {
                match name.get(from..)?.chars().next() {
                    Some(next) => from += next.len_utf8(),
                    None => break,
                }
            }
        }
        out.push_str(name.get(copied..)?);
        Some(out)
    }

    fn captures_at<'a>(&self, name: &'a str, from: usize) -> Option<Captures<'a>> {
        self.pattern.captures_at(name, from)
    }
}

/// Returns whether Java interprets the pattern as `regex-lite` does, if `regex-lite` accepts it.
fn means_the_same_in_java(pattern: &str) -> bool {
    // The two differ on possessive quantifiers, set operations, nested sets, flags other than `i`
    // and some escapes.
    let different =
        ["++", "*+", "?+", "}+", "&&", "--", "~~", "(?P", "[:", r"\a", r"\u", r"\U", r"\x", r"\<", r"\>", r"\z", r"\A"];
    let flags = pattern.match_indices("(?").all(|(at, _)| {
        let rest = pattern.get(at + 2..).unwrap_or_default();
        rest.starts_with(':') || rest.starts_with("i)") || rest.starts_with("i:") || rest.starts_with('<')
    });
    let sets = pattern.match_indices('[').all(|(at, _)| {
        let inside = pattern.get(at + 1..).and_then(|rest| rest.split(']').next()).unwrap_or_default();
        !inside.contains('[')
    });
    flags && sets && !different.iter().any(|text| pattern.contains(text))
}

/// Returns the pieces of a replacement. `None` if Java refuses it.
fn parse_replacement(replacement: &str, pattern: &Regex) -> Option<Vec<Piece>> {
    let groups = pattern.captures_len();
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut letters = replacement.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.push(letters.next()?),
            '$' => {
                let number = match letters.next()? {
                    '{' => {
                        let name: String = letters.by_ref().take_while(|letter| *letter != '}').collect();
                        pattern.capture_names().position(|known| known == Some(name.as_str()))?
                    }
                    digit => {
                        let mut number = usize::try_from(digit.to_digit(10)?).ok()?;
                        if number >= groups {
                            return None;
                        }
                        // A further digit belongs to the number only if the longer number is a
                        // group's.
                        while let Some(next) = letters.peek().and_then(|letter| letter.to_digit(10)) {
                            let longer = number * 10 + usize::try_from(next).ok()?;
                            if longer >= groups {
                                break;
                            }
                            number = longer;
                            letters.next();
                        }
                        number
                    }
                };
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Group(number));
            }
            other => text.push(other),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn renamed(name: &str, pattern: &str, replacement: &str) -> Option<String> {
        Rename::new(pattern, replacement)?.apply(name)
    }

    /// The names that Elasticsearch 7.10.2 and OpenSearch 3 gave the index `vis`, and examples from
    /// Java's documentation.
    #[test]
    fn renames_as_the_servers_do() {
        for (pattern, replacement, expected) in [
            ("(.+)", "new-$1", "new-vis"),
            ("(.*)", "x-$1", "x-visx-"),
            ("^(.*)$", "x-$1", "x-vis"),
            ("(.+)", "$1_y", "vis_y"),
            ("(v)(is)", "$12", "v2"),
            ("(.+)", "a$1$1", "avisvis"),
            ("i", "", "vs"),
            ("", "-", "-v-i-s-"),
            ("x*", "-", "-v-i-s-"),
            ("(x)?vis", "[$1]", "[]"),
            ("(?<all>.+)", "${all}-1", "vis-1"),
            ("(?i)VIS", "b", "b"),
            ("nothing", "b", "vis"),
            ("v", r"\$1\\", r"$1\is"),
            ("(.+)", "$0-$1", "vis-vis"),
        ] {
            assert_eq!(renamed("vis", pattern, replacement).as_deref(), Some(expected), "{pattern} {replacement}");
        }
    }

    #[test]
    fn does_not_compute_what_java_refuses_or_interprets_differently() {
        for (pattern, replacement) in [
            ("(.+)", "$2"),
            ("(.+)", "$"),
            ("(.+)", "a$x"),
            ("(.+)", "a\\"),
            ("(.+)", "${name}"),
            ("(?=vis)", "x"),
            (r"(v)\1", "x"),
            ("v++", "x"),
            (".*+", "x"),
            ("[a-z&&[^v]]", "x"),
            ("[a[v]]", "x"),
            ("(?U)v+", "x"),
            ("(?s)v", "x"),
            (r"\p{Lower}", "x"),
            ("(", "x"),
        ] {
            assert_eq!(renamed("vis", pattern, replacement), None, "{pattern} {replacement}");
        }
    }

    #[test]
    fn does_not_compute_names_that_java_may_split_differently() {
        assert_eq!(renamed("a\u{1f600}", "", "-"), None);
        assert_eq!(renamed("監査", "(.+)", "x-$1").as_deref(), Some("x-監査"));
        assert_eq!(renamed("é", r"\b", "-"), None);
    }

    proptest! {
        #[test]
        fn never_panics(pattern in "[a-c()\\[\\]*+?|.^$\\\\]{0,8}", replacement in "[a$0-9{}\\\\]{0,6}", name in "\\PC{0,6}") {
            let _ = renamed(&name, &pattern, &replacement);
        }

        #[test]
        fn keeps_a_name_that_one_group_matches(name in "[a-z0-9.-]{1,12}", prefix in "[a-z]{0,4}") {
            prop_assert_eq!(renamed(&name, "(.+)", &format!("{prefix}-$1")), Some(format!("{prefix}-{name}")));
        }
    }
}
