//! Sizes in bytes as the server writes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, quoted};

/// The units of sizes, smallest first, with their number of bytes.
const SIZE_UNITS: [(&str, u64); 6] =
    [("b", 1), ("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30), ("tb", 1 << 40), ("pb", 1 << 50)];

/// A number of bytes, written as a whole number and a unit, such as `40mb`.
///
/// This is the form that the server reads and writes. The units are `b`, `kb`, `mb`, `gb`, `tb` and
/// `pb`, in any case, and are powers of 1024. Parsing also accepts `k`, `m`, `g`, `t` and `p`.
/// `Display` uses the largest unit that leaves no fraction.
///
/// ```
/// use es_snapshot::repository::ByteSize;
///
/// let limit: ByteSize = "40MB".parse()?;
/// assert_eq!(limit.bytes(), 40 * 1024 * 1024);
/// assert_eq!(limit.to_string(), "40mb");
/// assert_eq!(ByteSize::from(1536).to_string(), "1536b");
/// # Ok::<(), es_snapshot::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// Returns the number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl From<u64> for ByteSize {
    fn from(bytes: u64) -> Self {
        Self(bytes)
    }
}

impl FromStr for ByteSize {
    type Err = Error;

    /// Parses a size such as `40mb`. Only `0` may have no unit.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the text is not a whole number followed
    /// by a unit, or if the size is more than 2⁶⁴-1 bytes.
    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
        let unit = unit.to_ascii_lowercase();
        let factor = match unit.as_str() {
            "" if number == "0" => Some(1),
            unit => SIZE_UNITS
                .iter()
                .find(|(suffix, factor)| *suffix == unit || (*factor > 1 && suffix.strip_suffix('b') == Some(unit)))
                .map(|(_, factor)| *factor),
        };
        let bytes = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
        bytes.map(Self).ok_or_else(|| {
            Error::invalid(format!(
                "invalid size {}, expected a whole number and a unit, such as `40mb` or `1gb`",
                quoted(text)
            ))
        })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (suffix, factor) = SIZE_UNITS
            .into_iter()
            .rev()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
            .unwrap_or(("b", 1));
        write!(f, "{}{suffix}", self.0 / factor)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parses_sizes_in_every_unit_and_case() {
        let cases = [
            ("0", 0),
            ("500b", 500),
            ("1k", 1024),
            ("1KB", 1024),
            ("40mb", 40 << 20),
            ("40M", 40 << 20),
            ("1gb", 1 << 30),
            ("5tb", 5 << 40),
            ("2P", 2 << 50),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse::<ByteSize>().unwrap().bytes(), bytes, "{text}");
        }
    }

    #[test]
    fn refuses_text_that_is_not_a_size() {
        for text in
            ["", "b", "5", "-1", "1.5gb", "5 mb", "5xb", "mb5", "99999999999999999999b", "20000pb", "5ü", "+5mb"]
        {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn parses_the_size_that_it_has_written(bytes in any::<u64>(), shift in 0_u32..50) {
            let size = ByteSize::from(bytes >> shift << shift);
            prop_assert_eq!(size.to_string().parse::<ByteSize>().unwrap(), size);
            prop_assert_eq!(serde_json::from_str::<ByteSize>(&serde_json::to_string(&size).unwrap()).unwrap(), size);
        }

        #[test]
        fn never_panics_on_any_text(text in ".*") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
