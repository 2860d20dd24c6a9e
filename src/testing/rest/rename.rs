//! Java's `replaceAll`, with which a restore renames indices.

use regex::{Captures, Regex};

use super::fail::Fail;

/// Replaces every match of a pattern, as Java does.
pub(super) fn replace_all(text: &str, pattern: &str, replacement: &str) -> Result<String, Fail> {
    let regex = Regex::new(&ascii_classes(pattern)).map_err(|_| {
        Fail::not_modelled(&format!(
            "the rename_pattern [{pattern}], which is invalid or uses lookaround or backreferences"
        ))
    })?;
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    // Unlike Rust, Java also finds an empty match directly after another match. For example, `(.*)`
    // has one at the end of a name.
    while let Some(captures) = (at <= text.len()).then(|| regex.captures_at(text, at)).flatten() {
        let Some(whole) = captures.get(0) else { break };
        out.push_str(text.get(copied..whole.start()).unwrap_or_default());
        expand(replacement, &captures, &mut out)?;
        copied = whole.end();
        let step = text.get(copied..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        at = if whole.is_empty() { copied + step } else { copied };
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Ok(out)
}

/// Replaces `\d`, `\w` and `\s` with ASCII classes, which they are in Java.
fn ascii_classes(pattern: &str) -> String {
    let mut out = String::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        let escaped = (letter == '\\').then(|| letters.next()).flatten();
        match escaped {
            Some('d') => out.push_str("[0-9]"),
            Some('w') => out.push_str("[A-Za-z0-9_]"),
            Some('s') => out.push_str("[ \\t\\n\\x0B\\f\\r]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('W') => out.push_str("[^A-Za-z0-9_]"),
            Some('S') => out.push_str("[^ \\t\\n\\x0B\\f\\r]"),
            Some(other) => out.extend(['\\', other]),
            None => out.push(letter),
        }
    }
    out
}

/// Appends a replacement. `$1` and `${name}` refer to groups, and `\` makes the next character
/// plain. A digit belongs to the number of a group as long as a group with that number exists.
fn expand(replacement: &str, captures: &Captures<'_>, out: &mut String) -> Result<(), Fail> {
    let mut letters = replacement.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                let plain = letters.next().ok_or_else(|| Fail::illegal("character to be escaped is missing"))?;
                out.push(plain);
            }
            '$' if letters.next_if_eq(&'{').is_some() => {
                let name: String = letters.by_ref().take_while(|letter| *letter != '}').collect();
                let group =
                    captures.name(&name).ok_or_else(|| Fail::illegal(format!("No group with name {{{name}}}")))?;
                out.push_str(group.as_str());
            }
            '$' => {
                let digit = |letter: char| letter.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
                let mut number =
                    letters.next().and_then(digit).ok_or_else(|| Fail::illegal("Illegal group reference"))?;
                if number >= captures.len() {
                    return Err(Fail::new(500, "index_out_of_bounds_exception", format!("No group {number}")));
                }
                while let Some(longer) = letters.peek().and_then(|next| digit(*next)).map(|digit| number * 10 + digit)
                    && longer < captures.len()
                {
                    number = longer;
                    letters.next();
                }
                out.push_str(captures.get(number).map_or("", |group| group.as_str()));
            }
            plain => out.push(plain),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_as_javas_replace_all_does() {
        for (name, pattern, replacement, expected) in [
            ("vis", "(.+)", "new-$1", "new-vis"),
            ("vis", "(.*)", "x-$1", "x-visx-"),
            ("vis", "^(.*)$", "r_$1", "r_vis"),
            ("vis", "(.+)", "$1_y", "vis_y"),
            ("vis", "(v)(is)", "$12", "v2"),
            ("vis", "(.+)", "a$1$1", "avisvis"),
            ("vis", "x*", "-", "-v-i-s-"),
            ("ab", "a*", "x", "xxbx"),
            ("logs-2024", "logs-(\\d+)", "old-$1", "old-2024"),
            ("movies", "logs-(.+)", "old-$1", "movies"),
            ("a-b-a", "a", "x", "x-b-x"),
            ("movies", "m[o]v", "x", "xies"),
            ("a", "a", "\\$1", "$1"),
            ("abc", "(?<first>a)", "${first}-", "a-bc"),
            ("ü", "\\w", "x", "ü"),
        ] {
            let renamed = replace_all(name, pattern, replacement).map_err(|fail| fail.status);
            assert_eq!(renamed.as_deref(), Ok(expected), "{name} {pattern} {replacement}");
        }
    }

    #[test]
    fn refuses_replacements_that_refer_to_missing_groups() {
        for (replacement, status) in [("$2", 500), ("$x", 400), ("$", 400), ("\\", 400), ("${no}", 400)] {
            assert_eq!(
                replace_all("vis", "(.+)", replacement).map_err(|fail| fail.status),
                Err(status),
                "{replacement}"
            );
        }
    }
}
