//! Helpers that decode values of responses: times, counters, settings sent as text, and open
//! vocabularies.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// Returns the time that is this many milliseconds after 1970. Servers write 0 or less for a time
/// that has not come yet.
pub(crate) fn time_from_millis(millis: Option<i64>) -> Option<SystemTime> {
    let millis = u64::try_from(millis?).ok().filter(|millis| *millis > 0)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

/// Returns the duration of this many milliseconds. Servers write a negative one if it is unknown.
pub(crate) fn duration_from_millis(millis: Option<i64>) -> Option<Duration> {
    u64::try_from(millis?).ok().map(Duration::from_millis)
}

/// Returns a counter. Servers write a negative one if it is unknown.
pub(crate) fn count(count: Option<i64>) -> Option<u64> {
    u64::try_from(count?).ok()
}

/// Returns a setting as text. The server returns settings as strings, but callers may set numbers
/// and booleans.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns whether the server reads two settings as equal, such as `true` and `"true"`.
pub(crate) fn is_same_setting(a: &Value, b: &Value) -> bool {
    a == b || scalar_text(a).is_some_and(|a| Some(a) == scalar_text(b))
}

/// Reads an integer that the server may send as text. Anything else counts as absent, because such
/// fields are only informative and must not break the response.
pub(crate) fn integer_or_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr + TryFrom<u64> + TryFrom<i64>,
{
    /// Skips values of other types without keeping them in memory.
    struct Integer<T>(PhantomData<T>);

    impl<'de, T: FromStr + TryFrom<u64> + TryFrom<i64>> Visitor<'de> for Integer<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an integer")
        }

        fn visit_u64<E>(self, value: u64) -> Result<Option<T>, E> {
            Ok(value.try_into().ok())
        }

        fn visit_i64<E>(self, value: i64) -> Result<Option<T>, E> {
            Ok(value.try_into().ok())
        }

        fn visit_str<E>(self, text: &str) -> Result<Option<T>, E> {
            Ok(text.parse().ok())
        }

        fn visit_f64<E>(self, _: f64) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_bool<E>(self, _: bool) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_unit<E>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Option<T>, A::Error> {
            IgnoredAny.visit_seq(seq).map(|_| None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
            IgnoredAny.visit_map(map).map(|_| None)
        }
    }

    deserializer.deserialize_any(Integer(PhantomData))
}

/// Reads a value that the server may send as `null`, which becomes the default.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Returns the fields of `open` and of the object that `typed` serialises to. If both have a key,
/// the value of `typed` is used.
pub(crate) fn merged<T: Serialize>(
    open: &Map<String, Value>,
    typed: &T,
) -> Result<Map<String, Value>, serde_json::Error> {
    let mut all = open.clone();
    if let Value::Object(typed) = serde_json::to_value(typed)? {
        all.extend(typed);
    }
    Ok(all)
}

/// A word from the server that this version of the crate does not know.
///
/// It is inside the `Other` variant of types such as [`SnapshotState`](crate::SnapshotState). Only
/// their `From` implementations make one, so an `OtherWord` is never a known word.
///
/// ```
/// use es_snapshot::SnapshotState;
///
/// let state = SnapshotState::from("PAUSED");
/// assert!(matches!(&state, SnapshotState::Other(word) if word.as_str() == "PAUSED"));
/// assert_eq!(SnapshotState::from("SUCCESS"), SnapshotState::Success);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OtherWord(pub(crate) String);

impl OtherWord {
    /// Returns the word as the server wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for OtherWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for OtherWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Defines an enum of the words that a server uses, with `Other` for a word that is not known.
macro_rules! open_vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$word_doc])* $word,)*
            /// A word that this version of the crate does not know. Empty if the server sent none.
            Other($crate::wire::OtherWord),
        }

        impl $name {
            /// Returns the word as the server writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$word => $text,)*
                    Self::Other(word) => word.as_str(),
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $($text => Self::$word,)*
                    _ => Self::Other($crate::wire::OtherWord(text)),
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                text.to_owned().into()
            }
        }

        impl Default for $name {
            /// Returns `Other` with the empty word: the server sent none.
            fn default() -> Self {
                Self::Other($crate::wire::OtherWord(String::new()))
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
    use super::*;

    #[test]
    fn reads_times_up_to_1970_as_absent() {
        assert_eq!(time_from_millis(Some(0)), None);
        assert_eq!(time_from_millis(Some(-1)), None);
        assert_eq!(time_from_millis(None), None);
        assert_eq!(time_from_millis(Some(1500)), Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1500)));
    }

    #[test]
    fn reads_negative_counters_and_durations_as_unknown() {
        assert_eq!(count(Some(-1)), None);
        assert_eq!(count(Some(7)), Some(7));
        assert_eq!(duration_from_millis(Some(-1)), None);
        assert_eq!(duration_from_millis(Some(0)), Some(Duration::ZERO));
    }
}
