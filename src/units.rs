//! Sizes and times as they stand on the wire, and the two forms in which settings come back.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::{Error, quoted};

/// The suffixes of sizes, smallest first, with the number of bytes each stands for.
const SIZE_UNITS: [(&str, u64); 6] =
    [("b", 1), ("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30), ("tb", 1 << 40), ("pb", 1 << 50)];

/// A number of bytes, written as the server writes it: a whole number and a unit, such as `40mb`.
///
/// Units are powers of 1024: `b`, `kb`, `mb`, `gb`, `tb`, `pb`, in any case; `k`, `m`, `g`, `t` and `p` are read too.
/// Displayed in the largest unit that leaves no fraction.
///
/// ```
/// use es_snapshot::ByteSize;
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
    /// The number of bytes.
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

    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the text is not a whole number followed by a unit, or is more than 2⁶⁴-1 bytes.
    /// Only `0` goes without a unit, as on the server.
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
        bytes.map(Self).ok_or_else(|| Error::invalid(format!("{} is not a size such as 40mb or 1gb", quoted(text))))
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

/// A moment of the wire: milliseconds since 1970. Not after 1970 means that it has not come yet.
pub(crate) fn moment(millis: Option<i64>) -> Option<SystemTime> {
    let millis = u64::try_from(millis?).ok().filter(|millis| *millis > 0)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

/// A span of the wire in milliseconds. Negative means that it is not known.
pub(crate) fn span(millis: Option<i64>) -> Option<Duration> {
    u64::try_from(millis?).ok().map(Duration::from_millis)
}

/// A counter of the wire. Negative means that it is not known.
pub(crate) fn count(count: Option<i64>) -> Option<u64> {
    u64::try_from(count?).ok()
}

/// A setting as text: the server returns strings whatever was sent, and people send anything.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An integer that may come as text; anything else reads as absent, since such a field only describes.
pub(crate) fn integer_or_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
{
    let value = Value::deserialize(deserializer)?;
    Ok(scalar_text(&value).and_then(|text| text.parse().ok()))
}

/// A list or object that may come as `null`.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The object that `typed` serialises to, laid over `open`: where both have a key, the typed one holds.
pub(crate) fn laid_over<T: Serialize>(open: &Map<String, Value>, typed: &T) -> Result<Map<String, Value>, serde_json::Error> {
    let mut all = open.clone();
    if let Value::Object(typed) = serde_json::to_value(typed)? {
        all.extend(typed);
    }
    Ok(all)
}

/// An open vocabulary of the wire: the words that are known, and `Other` for one that is not.
macro_rules! open_vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$word_doc])* $word,)*
            /// A word that this version of the crate does not know, as the server wrote it; empty if it wrote none.
            Other(String),
        }

        impl $name {
            /// The word as it stands on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$word => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $($text => Self::$word,)*
                    _ => Self::Other(text),
                }
            }
        }

        impl Default for $name {
            /// The empty word: none was written.
            fn default() -> Self {
                Self::Other(String::new())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(<Option<String> as serde::Deserialize>::deserialize(deserializer)?.unwrap_or_default().into())
            }
        }
    };
}
pub(crate) use open_vocabulary;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_in_every_unit_and_case() {
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
    fn what_is_no_size_is_refused() {
        for text in ["", "b", "5", "-1", "1.5gb", "5 mb", "5xb", "mb5", "99999999999999999999b", "20000pb", "5ü", "+5mb"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn epoch_zero_and_less_are_moments_that_have_not_come() {
        assert_eq!(moment(Some(0)), None);
        assert_eq!(moment(Some(-1)), None);
        assert_eq!(moment(None), None);
        assert_eq!(moment(Some(1500)), Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1500)));
    }

    #[test]
    fn negative_counters_and_spans_are_unknown() {
        assert_eq!(count(Some(-1)), None);
        assert_eq!(count(Some(7)), Some(7));
        assert_eq!(span(Some(-1)), None);
        assert_eq!(span(Some(0)), Some(Duration::ZERO));
    }

    proptest! {
        #[test]
        fn a_size_survives_being_written_and_read(bytes in any::<u64>(), shift in 0_u32..50) {
            let size = ByteSize::from(bytes >> shift << shift);
            prop_assert_eq!(size.to_string().parse::<ByteSize>().unwrap(), size);
            prop_assert_eq!(serde_json::from_str::<ByteSize>(&serde_json::to_string(&size).unwrap()).unwrap(), size);
        }

        #[test]
        fn parsing_a_size_never_panics(text in ".*") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
