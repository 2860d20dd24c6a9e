//! Resolves lists of names and patterns.

use std::collections::BTreeSet;

/// Returns whether a text matches a pattern with `*`.
pub(in crate::testing) fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|text| {
            let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            starts.into_iter().any(|at| text.get(at..).is_some_and(|tail| matches(rest, tail)))
        }),
    }
}

/// Returns the existing names that a list of names, patterns and exclusions selects. Fails with the
/// first plain name that does not exist, unless `ignore_unavailable` is set.
pub(in crate::testing) fn select<'a>(
    expressions: &[String],
    existing: impl Iterator<Item = &'a String> + Clone,
    ignore_unavailable: bool,
) -> Result<Vec<String>, String> {
    let all = |expression: &str| expression == "_all" || expression == "*";
    if expressions.is_empty() {
        return Ok(existing.cloned().collect());
    }
    let mut chosen: Vec<String> = Vec::new();
    for (at, expression) in expressions.iter().enumerate() {
        if let Some(excluded) = expression.strip_prefix('-') {
            if at == 0 {
                chosen.extend(existing.clone().cloned());
            }
            chosen.retain(|name| !matches(excluded, name));
            continue;
        }
        let before = chosen.len();
        let fits = |name: &&String| all(expression) || matches(expression, name);
        chosen.extend(existing.clone().filter(fits).cloned());
        if chosen.len() == before && !expression.contains('*') && !all(expression) && !ignore_unavailable {
            return Err(expression.clone());
        }
    }
    let mut seen = BTreeSet::new();
    chosen.retain(|name| seen.insert(name.clone()));
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_matches_any_characters() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "aXbYc", true),
            ("a*b", "abc", false),
            ("ü*", "üü", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn applies_exclusions_and_returns_missing_names() {
        let existing: Vec<String> = ["logs-1", "logs-2", "movies"].map(String::from).to_vec();
        let pick =
            |list: &[&str]| select(&list.iter().map(ToString::to_string).collect::<Vec<_>>(), existing.iter(), false);
        assert_eq!(pick(&["logs-*", "-logs-1"]).unwrap(), ["logs-2"]);
        assert_eq!(pick(&["-logs-*"]).unwrap(), ["movies"]);
        assert_eq!(pick(&["movies", "absent"]), Err("absent".to_owned()));
        assert_eq!(pick(&["absent*"]).unwrap(), [""; 0]);
    }
}
