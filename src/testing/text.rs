//! Texts that several parts of a domain write: times, and what stands for something secret or
//! unique.

use std::time::SystemTime;

/// Returns a time in UTC in the form of `strftime`.
pub(super) fn format_time(time: SystemTime, format: &str) -> String {
    jiff::Timestamp::try_from(time).map(|time| time.strftime(format).to_string()).unwrap_or_default()
}

/// Returns a text of so many letters of an alphabet, chosen by chance.
pub(super) fn random_text(random: &mut fastrand::Rng, length: usize, alphabet: &[u8]) -> String {
    (0..length).filter_map(|_| random.choice(alphabet)).map(|byte| char::from(*byte)).collect()
}
