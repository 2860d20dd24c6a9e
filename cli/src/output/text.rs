//! Times, sizes and names as text for people.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use indicatif::BinaryBytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

/// A moment. JSON shows it as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Timestamp);

impl Moment {
    pub(crate) fn of(time: SystemTime) -> Option<Self> {
        Timestamp::try_from(time).ok().map(Self)
    }

    /// Returns the local time in this zone. Without a zone, returns RFC 3339 in UTC. Without
    /// fractions of the second.
    pub(crate) fn text(self, zone: Option<&TimeZone>) -> String {
        match zone {
            Some(zone) => self.0.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
            None => self.0.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Returns the time with its two largest units, such as `2h5m`.
pub(crate) fn took(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days}d{}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h{}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m{}s", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

/// Returns the size with a unit, such as `1.50 GiB`.
pub(crate) fn amount(bytes: u64) -> String {
    BinaryBytes(bytes).to_string()
}

/// Returns the number with the noun in its form.
pub(crate) fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// Returns the text with characters escaped that would control the terminal, break the line or
/// reverse its direction, so that no text of the server can do that.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, letter| {
        let _ = match letter {
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                write!(shown, "{}", letter.escape_unicode())
            }
            letter if letter.is_control() => write!(shown, "{}", letter.escape_default()),
            letter => write!(shown, "{letter}"),
        };
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW_YEAR: Duration = Duration::from_secs(1_767_225_600);

    #[test]
    fn shows_a_moment_in_utc_or_in_a_zone() {
        let moment = Moment::of(SystemTime::UNIX_EPOCH + NEW_YEAR).unwrap();
        let tokyo = TimeZone::fixed(jiff::tz::offset(9));

        assert_eq!(moment.text(None), "2026-01-01T00:00:00Z");
        assert_eq!(moment.text(Some(&tokyo)), "2026-01-01 09:00:00");
        assert_eq!(serde_json::to_string(&moment).unwrap(), r#""2026-01-01T00:00:00Z""#);
    }

    #[test]
    fn shows_the_two_largest_units_of_a_time() {
        for (seconds, shown) in [(0, "0s"), (61, "1m1s"), (7_500, "2h5m"), (90_000, "1d1h")] {
            assert_eq!(took(Duration::from_secs(seconds)), shown);
        }
    }

    #[test]
    fn escapes_what_would_control_a_terminal() {
        assert_eq!(printable("a\x1b[31mé\r\n\u{202e}b\u{2028}"), r"a\u{1b}[31mé\r\n\u{202e}b\u{2028}");
    }
}
