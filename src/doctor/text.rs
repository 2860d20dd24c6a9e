//! Words for evidence: names, lists and durations.

use std::time::Duration;

/// The longest name that evidence shows, in characters. Names of repositories and snapshots, and
/// ARNs, are at most a little longer.
const NAME: usize = 256;
/// The longest list that evidence shows.
const LIST: usize = 10;

/// Quotes and escapes a name from outside, and shortens it.
pub(super) fn shown(name: &str) -> String {
    match name.char_indices().nth(NAME) {
        Some((cut, _)) => format!("{:?}…", name.get(..cut).unwrap_or_default()),
        None => format!("{name:?}"),
    }
}

/// Lists names, the first ones if there are many.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let first = names.by_ref().take(LIST).map(shown).collect::<Vec<_>>().join(", ");
    match names.count() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// A number with a noun in the singular or plural.
pub(super) fn count(number: u64, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        _ => format!("{number} {noun}s"),
    }
}

/// A duration in its two largest units.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_a_duration_in_its_two_largest_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (3599, "59 min 59 s"),
            (3600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (90_000, "1 d 1 h"),
            (864_000, "10 d 0 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn shows_ten_names_of_a_list_and_the_number_of_the_others() {
        assert_eq!(list(["a", "b\n"]), r#""a", "b\n""#);
        assert!(list(["a"; 12]).ends_with("\"a\" and 2 more"));
        assert_eq!((count(1, "repository"), count(2, "repository")), ("1 repository".into(), "2 repositories".into()));
    }

    #[test]
    fn shortens_a_long_name() {
        assert_eq!(shown(&"ä".repeat(300)), format!("\"{}\"…", "ä".repeat(256)));
    }
}
