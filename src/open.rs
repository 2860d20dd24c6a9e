//! Fields without a type of their own, kept as JSON text until the caller reads them.
//!
//! Parsed values take up to ten times as much memory as the text.

use std::fmt;
use std::sync::{LazyLock, OnceLock};

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Error as _, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, forward_to_deserialize_any};
use serde_json::{Map, Value};

/// The deepest nesting of a field's value. `serde_json` reads 127 levels, and the object with the
/// fields is one of them.
const MAX_DEPTH: u8 = 126;

/// The text of a JSON object. It is empty if the object has no fields.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct ObjectText(Box<[u8]>);

impl ObjectText {
    pub(crate) fn parse(&self) -> Map<String, Value> {
        serde_json::from_slice(&self.0).unwrap_or_default()
    }
}

/// The fields of a JSON object, parsed when they are first read. `None` if the object is empty.
#[derive(Clone, Default)]
pub(crate) struct OpenFields(Option<Box<Fields>>);

#[derive(Clone)]
struct Fields {
    text: ObjectText,
    tree: OnceLock<Map<String, Value>>,
}

impl OpenFields {
    pub(crate) const NONE: Self = Self(None);

    /// Returns the parsed fields. They stay in memory from the first call on.
    pub(crate) fn get(&self) -> &Map<String, Value> {
        static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        self.0.as_ref().map_or(&EMPTY, |fields| fields.tree.get_or_init(|| fields.text.parse()))
    }
}

impl From<ObjectText> for OpenFields {
    fn from(text: ObjectText) -> Self {
        let is_empty = text == ObjectText::default();
        Self((!is_empty).then(|| Box::new(Fields { text, tree: OnceLock::new() })))
    }
}

impl PartialEq for OpenFields {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(two)) => one.text == two.text || self.get() == other.get(),
            _ => false,
        }
    }
}

impl fmt::Debug for OpenFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl Serialize for OpenFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OpenFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ObjectText::deserialize(deserializer).map(Self::from)
    }
}

impl<'de> Deserialize<'de> for ObjectText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = ObjectText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ObjectText, A::Error> {
                let mut fields = FieldWriter::default();
                while let Some(key) = map.next_key::<String>()? {
                    fields.append(&key, &mut map)?;
                }
                Ok(fields.finish())
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// Collects fields as JSON text while they are read.
#[derive(Default)]
struct FieldWriter(Vec<u8>);

impl FieldWriter {
    /// Reads the value of this key and appends both to the text.
    fn append<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        if self.0.is_empty() {
            self.0.push(b'{');
        }
        write_entry(&mut self.0, key, map, MAX_DEPTH)
    }

    /// Closes the object and returns its text, which is empty without fields.
    fn finish(self) -> ObjectText {
        let mut text = self.0;
        if !text.is_empty() {
            close(&mut text, b'}');
        }
        ObjectText(text.into())
    }
}

fn write_entry<'de, A: MapAccess<'de>>(text: &mut Vec<u8>, key: &str, map: &mut A, levels: u8) -> Result<(), A::Error> {
    make_room(text, key.len());
    serde_json::to_writer(&mut *text, key).map_err(A::Error::custom)?;
    text.push(b':');
    map.next_value_seed(ValueWriter { text, levels })?;
    text.push(b',');
    Ok(())
}

/// Reserves room for this many more bytes. The `Vec` grows by a quarter, because doubling it takes
/// three times its size for a moment.
fn make_room(text: &mut Vec<u8>, length: usize) {
    const BRACKETS: usize = 8;
    let needed = length + BRACKETS;
    if text.capacity() - text.len() < needed {
        text.reserve_exact(needed.max(text.len() / 4));
    }
}

/// Replaces the trailing comma, if there is one, with the closing bracket.
fn close(text: &mut Vec<u8>, bracket: u8) {
    text.pop_if(|last| *last == b',');
    text.push(bracket);
}

/// Reads one value and writes it as JSON text.
struct ValueWriter<'a> {
    text: &'a mut Vec<u8>,
    /// How many more levels of nesting are allowed.
    levels: u8,
}

impl ValueWriter<'_> {
    fn scalar<E: serde::de::Error>(self, value: &impl Serialize) -> Result<(), E> {
        serde_json::to_writer(self.text, value).map_err(E::custom)
    }

    fn nested<E: serde::de::Error>(&mut self) -> Result<ValueWriter<'_>, E> {
        let levels = self.levels.checked_sub(1);
        let levels =
            levels.ok_or_else(|| E::custom(format_args!("value is nested more than {MAX_DEPTH} levels deep")))?;
        Ok(ValueWriter { text: self.text, levels })
    }
}

impl<'de> DeserializeSeed<'de> for ValueWriter<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        const LONGEST_NUMBER: usize = 24;
        make_room(self.text, LONGEST_NUMBER);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueWriter<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.scalar(&value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.scalar(&value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.scalar(&value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.scalar(&value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        make_room(self.text, value.len());
        self.scalar(&value)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar(&())
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar(&())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        self.text.push(b'[');
        while seq.next_element_seed(self.nested()?)?.is_some() {
            self.text.push(b',');
        }
        close(self.text, b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.text.push(b'{');
        while let Some(key) = map.next_key::<String>()? {
            let ValueWriter { text, levels } = self.nested()?;
            write_entry(text, &key, &mut map, levels)?;
        }
        close(self.text, b'}');
        Ok(())
    }
}

/// Reads a struct, and collects the fields that the struct does not have.
///
/// `serde(flatten)` would hold all of these fields in memory as parsed values.
pub(crate) fn with_unknown_fields<'de, T, D>(deserializer: D) -> Result<(T, OpenFields), D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let mut unknown = FieldWriter::default();
    let known = T::deserialize(FieldSplitter { inner: deserializer, fields: &[], unknown: &mut unknown })?;
    Ok((known, unknown.finish().into()))
}

/// Passes the fields of a struct on, and collects all others in `unknown`.
struct FieldSplitter<'a, T> {
    inner: T,
    fields: &'static [&'static str],
    unknown: &'a mut FieldWriter,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for FieldSplitter<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(FieldSplitter { inner: visitor, fields, unknown: self.unknown })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for FieldSplitter<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(FieldSplitter { inner: map, fields: self.fields, unknown: self.unknown })
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for FieldSplitter<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.inner.next_key::<String>()? {
            if self.fields.contains(&key.as_str()) {
                let key: StrDeserializer<'_, A::Error> = key.as_str().into_deserializer();
                return seed.deserialize(key).map(Some);
            }
            self.unknown.append(&key, &mut self.inner)?;
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Known {
        a: Option<u8>,
    }

    fn read(json: &str) -> Result<(Known, OpenFields), serde_json::Error> {
        with_unknown_fields(&mut serde_json::Deserializer::from_str(json))
    }

    #[test]
    fn keeps_the_fields_that_a_struct_does_not_have() {
        let (known, unknown) = read(r#"{"b":[1,{"c":null}],"a":1,"d":"\"\u001b","e":{}}"#).unwrap();

        assert_eq!(known, Known { a: Some(1) });
        assert_eq!(json!(unknown), json!({"b": [1, {"c": null}], "d": "\"\u{1b}", "e": {}}));
        assert_eq!(read(r#"{"a":1}"#).unwrap().1, OpenFields::default());
    }

    #[test]
    fn reads_a_struct_from_an_object_only() {
        for json in ["[1]", "null", "1", r#"{"a":300}"#, r#"{"a":1,"a":1}"#] {
            assert!(read(json).is_err(), "{json}");
        }
    }

    #[test]
    fn equals_the_same_fields_in_another_order() {
        let written: OpenFields = serde_json::from_str(r#"{"a":1,"b":2}"#).unwrap();
        let reordered: OpenFields = serde_json::from_str(r#"{"b":2,"a":1}"#).unwrap();

        assert_eq!(written, reordered);
        assert_ne!(written, OpenFields::default());
    }

    #[test]
    fn keeps_values_nested_up_to_126_levels() {
        let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));

        let deep: OpenFields = serde_json::from_value(json!({"a": nested(126)})).unwrap();

        assert_eq!(json!(deep), json!({"a": nested(126)}));
        assert!(serde_json::from_value::<OpenFields>(json!({"a": nested(127)})).is_err());
    }

    proptest! {
        #[test]
        fn returns_the_fields_that_serde_json_reads(json in r#"\{"a":[\[\]0-9, {}":ab]{0,12}\}"#) {
            let tree = serde_json::from_str::<Map<String, Value>>(&json).ok();
            let fields = serde_json::from_str::<OpenFields>(&json).ok();
            prop_assert_eq!(fields.as_ref().map(OpenFields::get), tree.as_ref());
        }
    }
}
