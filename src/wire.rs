//! Values as they stand on the wire: times, counters, and the two forms in which settings come
//! back.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

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

/// Whether two settings are one to the server, which reads `true` and `"true"` alike.
pub(crate) fn is_same(a: &Value, b: &Value) -> bool {
    a == b || scalar_text(a).is_some_and(|a| Some(a) == scalar_text(b))
}

/// An integer that may come as text; anything else reads as absent, since such a field only
/// describes.
pub(crate) fn integer_or_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr + TryFrom<u64> + TryFrom<i64>,
{
    /// Keeps nothing of what it does not want, however large that is.
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

/// A list or object that may come as `null`.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The object that `typed` serialises to, laid over `open`: where both have a key, the typed one
/// holds.
pub(crate) fn laid_over<T: Serialize>(
    open: &Map<String, Value>,
    typed: &T,
) -> Result<Map<String, Value>, serde_json::Error> {
    let mut all = open.clone();
    if let Value::Object(typed) = serde_json::to_value(typed)? {
        all.extend(typed);
    }
    Ok(all)
}

/// A word of a server's that this version of the crate does not know.
///
/// Only the `From` of its vocabulary makes one, so a word that is known is never one of these.
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

/// An open vocabulary of the wire: the words that are known, and `Other` for one that is not.
macro_rules! open_vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$word_doc])* $word,)*
            /// A word that this version of the crate does not know; empty if the server wrote none.
            Other($crate::wire::OtherWord),
        }

        impl $name {
            /// The word as it stands on the wire.
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
            /// The empty word: none was written.
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
}
