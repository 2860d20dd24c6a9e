//! Texts that several parts of a domain write: times, and random keys and identifiers.

use std::time::SystemTime;

/// Formats a time in UTC, with a format as `strftime` takes it.
pub(super) fn format_time(time: SystemTime, format: &str) -> String {
    jiff::Timestamp::try_from(time).map(|time| time.strftime(format).to_string()).unwrap_or_default()
}

/// Returns `length` random characters of an alphabet.
pub(super) fn random_text(random: &mut fastrand::Rng, length: usize, alphabet: &[u8]) -> String {
    (0..length).filter_map(|_| random.choice(alphabet)).map(|byte| char::from(*byte)).collect()
}
