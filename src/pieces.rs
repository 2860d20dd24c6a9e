//! A JSON document read piece by piece: nothing of a large one is kept that nobody wants, and its reader can make pauses.

use std::marker::PhantomData;

use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny};

/// Why a document is not what was expected: shows the place and nothing else of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Malformed {
    /// The path of the value, such as `[3].shard`. Keys in it are the server's text.
    pub(crate) path: String,
    /// The offset of the innermost piece that could be told apart.
    pub(crate) offset: usize,
    /// It is JSON, but of other types than expected.
    pub(crate) is_json: bool,
}

impl Malformed {
    /// Puts what leads to the value before its path.
    pub(crate) fn within(mut self, place: impl std::fmt::Display) -> Self {
        let separator = if self.path.is_empty() || self.path == "." || self.path.starts_with('[') { "" } else { "." };
        let path = if self.path == "." { "" } else { &self.path };
        self.path = format!("{place}{separator}{path}");
        self
    }
}

/// Elements that are read one at a time.
pub(crate) trait Elements: Iterator<Item = Result<Self::Element, Malformed>> + Send {
    type Element: Send;

    /// The document that they are read from.
    fn pieces(&self) -> &Pieces;
}

/// The place in a document up to which it has been read.
#[derive(Clone, Debug)]
pub(crate) struct Pieces {
    json: Bytes,
    at: usize,
}

impl Pieces {
    pub(crate) fn new(json: Bytes) -> Self {
        Self { json, at: 0 }
    }

    /// The length of the whole document.
    pub(crate) fn total(&self) -> usize {
        self.json.len()
    }

    /// How much of it has been read.
    pub(crate) fn read(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &[u8] {
        self.json.get(self.at..).unwrap_or_default()
    }

    fn peek(&mut self) -> Option<u8> {
        self.at += self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.rest().first().copied()
    }

    pub(crate) fn malformed(&self, path: String, is_json: bool) -> Malformed {
        Malformed { path, offset: self.at, is_json }
    }

    fn garbled(&self) -> Malformed {
        self.malformed(String::new(), false)
    }

    /// Steps over this byte, if it is next.
    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Reads the next value whole.
    pub(crate) fn value<T: DeserializeOwned>(&mut self) -> Result<T, Malformed> {
        let mut values = serde_json::Deserializer::from_slice(self.rest()).into_iter();
        match values.next() {
            Some(Ok(value)) => {
                self.at += values.byte_offset();
                Ok(value)
            }
            Some(Err(error)) => {
                // Paths cost time, so only a value that is malformed gets one.
                let again: Result<T, _> =
                    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(self.rest()));
                let path = again.err().map_or_else(String::new, |error| error.path().to_string());
                Err(self.malformed(path, error.is_data()))
            }
            None => Err(self.garbled()),
        }
    }

    /// Steps into the object or array that is next and opens with this byte; `None` if the next value is `null`.
    pub(crate) fn open(&mut self, bracket: u8) -> Result<Option<Open>, Malformed> {
        if self.skip(bracket) {
            return Ok(Some(Open { is_first: true, closing: if bracket == b'{' { b'}' } else { b']' } }));
        }
        match self.peek() {
            Some(b'n') => self.value::<()>().map(|()| None),
            // Whether it is JSON is worth no more than its first byte.
            Some(b'"' | b'[' | b'{' | b'-' | b'0'..=b'9' | b't' | b'f') => Err(self.malformed(String::new(), true)),
            _ => Err(self.garbled()),
        }
    }

    /// Whether another element or entry follows in what was opened; steps up to it, or out.
    pub(crate) fn next_in(&mut self, open: &mut Open) -> Result<bool, Malformed> {
        let is_first = std::mem::take(&mut open.is_first);
        if self.skip(open.closing) {
            return Ok(false);
        }
        if is_first || self.skip(b',') { Ok(true) } else { Err(self.garbled()) }
    }

    /// Reads an entry's key, up to its value.
    pub(crate) fn key(&mut self) -> Result<String, Malformed> {
        let key = self.value()?;
        if self.skip(b':') { Ok(key) } else { Err(self.garbled()) }
    }

    pub(crate) fn ignore(&mut self) -> Result<(), Malformed> {
        self.value::<IgnoredAny>().map(drop)
    }

    /// Nothing may follow the document.
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        if self.peek().is_none() { Ok(()) } else { Err(self.garbled()) }
    }
}

/// The elements of a document that is an array.
#[derive(Clone, Debug)]
pub(crate) struct Array<T> {
    pieces: Pieces,
    /// `None` before the first element.
    list: Option<Open>,
    count: usize,
    is_over: bool,
    element: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Array<T> {
    pub(crate) fn new(json: Bytes) -> Self {
        Self { pieces: Pieces::new(json), list: None, count: 0, is_over: false, element: PhantomData }
    }

    fn advance(&mut self) -> Result<Option<T>, Malformed> {
        let list = match &mut self.list {
            Some(list) => list,
            none => match self.pieces.open(b'[')? {
                Some(list) => none.insert(list),
                None => return Err(self.pieces.malformed(String::new(), true)),
            },
        };
        if !self.pieces.next_in(list)? {
            return self.pieces.end().map(|()| None);
        }
        let element = self.pieces.value().map_err(|error| error.within(format_args!("[{}]", self.count)))?;
        self.count += 1;
        Ok(Some(element))
    }
}

impl<T: DeserializeOwned> Iterator for Array<T> {
    type Item = Result<T, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.advance().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<T: DeserializeOwned + Send> Elements for Array<T> {
    type Element = T;

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }
}

/// An object or array that was stepped into.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    is_first: bool,
    closing: u8,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(json: &str) -> Result<Vec<u32>, Malformed> {
        Array::new(Bytes::copy_from_slice(json.as_bytes())).collect()
    }

    #[test]
    fn reads_an_array_element_by_element() {
        assert_eq!(numbers(" [ 1 , 2,3 ] ").unwrap(), [1, 2, 3]);
        assert_eq!(numbers("[]").unwrap(), [0; 0]);
    }

    #[test]
    fn tells_what_is_no_json_from_what_is_of_another_type() {
        for json in ["", "[", "[1", "[1,", "[1,]", "[1 2]", "[1]]", "[,1]", "<html>", "nul"] {
            assert!(!numbers(json).unwrap_err().is_json, "{json}");
        }
        for json in ["null", "{}", "7", "[-1]", r#"["a"]"#] {
            assert!(numbers(json).unwrap_err().is_json, "{json}");
        }
    }

    #[test]
    fn names_the_place_of_a_malformed_element() {
        let element = Array::<std::collections::BTreeMap<String, u32>>::new(r#"[{"a":1},{"b":null}]"#.into()).last();

        assert_eq!(element.unwrap().unwrap_err().path, "[1].b");
    }

    proptest! {
        #[test]
        fn agrees_with_a_decoding_of_the_whole(json in r#"[\[\]0-9, {}"]{0,12}"#) {
            let whole = serde_json::from_str::<Vec<serde_json::Value>>(&json).ok();
            let pieces: Result<Vec<serde_json::Value>, _> = Array::new(Bytes::from(json)).collect();
            prop_assert_eq!(pieces.ok(), whole);
        }
    }
}
