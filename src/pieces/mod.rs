//! Reads a JSON document piece by piece while it arrives.
//!
//! Of a large document, only the elements that the caller wants stay in memory. The reader yields
//! to the async runtime from time to time, so that other tasks can run.

mod scan;

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::Poll;

use crate::error::Error;
use bytes::Bytes;
use futures_core::Stream;
use serde::de::{DeserializeOwned, IgnoredAny};

pub(crate) use scan::consists_of_too_many_values;
use scan::{Scan, is_too_dense};

/// A body as it arrives.
pub(crate) type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// The largest value, and the most text that may precede an element. In bytes.
const LARGEST: usize = 16 << 20;
/// The most bytes of the body that are moved to the buffer at once.
const PORTION: usize = 64 << 10;
/// How many bytes, and how many portions, are read between two pauses.
const BETWEEN_PAUSES: u64 = 256 << 10;
const PORTIONS_BETWEEN_PAUSES: u32 = 256;

/// Why a document cannot be read further.
#[derive(Debug)]
pub(crate) enum ReadError {
    Malformed(Malformed),
    /// The document has more values for its length than any server writes.
    TooDense,
    /// A value, or the text before an element, has more than [`LARGEST`] bytes.
    TooLarge,
    /// The document reports a failure of the server under a status of success. This is the
    /// beginning of its error text.
    Failure(Vec<u8>),
    /// The rest of the document did not arrive.
    Lost(Error),
}

impl ReadError {
    /// Puts this prefix before the path of a malformed value.
    pub(crate) fn within(self, place: impl fmt::Display) -> Self {
        if let Self::Malformed(malformed) = self { Self::Malformed(malformed.within(place)) } else { self }
    }
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self::Lost(error)
    }
}

/// The place where a document is not what was expected. Nothing else of the document is kept.
#[derive(Debug, PartialEq)]
pub(crate) struct Malformed {
    /// The path of the value, such as `[3].shard`. Keys in it are the server's text.
    pub(crate) path: String,
    /// The offset of the value.
    pub(crate) offset: u64,
    /// Whether the text is JSON, but of a type that was not expected.
    pub(crate) is_json: bool,
}

impl Malformed {
    /// Puts this prefix before the path.
    pub(crate) fn within(mut self, place: impl fmt::Display) -> Self {
        let separator = if self.path.is_empty() || self.path == "." || self.path.starts_with('[') { "" } else { "." };
        let path = if self.path == "." { "" } else { &self.path };
        self.path = format!("{place}{separator}{path}");
        self
    }
}

/// A source of elements that are read one at a time.
pub(crate) trait Elements: Send {
    type Element: Send;

    /// Reads the next element. It must not be called again after the last one or a failure.
    fn next(&mut self) -> impl Future<Output = Result<Option<Self::Element>, ReadError>> + Send;

    /// Returns how many bytes have been read.
    fn position(&self) -> u64;
}

/// A reader of a JSON document that is still arriving.
pub(crate) struct Pieces {
    chunks: Chunks,
    /// The bytes that have arrived, but are not in the buffer yet.
    arrived: Bytes,
    /// The bytes that are being read, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    /// How many bytes were dropped from the buffer.
    dropped: u64,
    has_ended: bool,
    /// How many values have been read, nested ones included.
    values: u64,
    /// The position at which the current element began.
    element_start: u64,
    /// The position of the last pause, and how many portions were read after it.
    paused: u64,
    portions: u32,
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").field("position", &self.position()).finish_non_exhaustive()
    }
}

impl Pieces {
    pub(crate) fn new(chunks: Chunks) -> Self {
        let (arrived, buffer) = (Bytes::new(), Vec::new());
        Self {
            chunks,
            arrived,
            buffer,
            at: 0,
            dropped: 0,
            has_ended: false,
            values: 0,
            element_start: 0,
            paused: 0,
            portions: 0,
        }
    }

    /// Returns how many bytes have been read.
    pub(crate) fn position(&self) -> u64 {
        self.dropped + self.at as u64
    }

    /// Marks the start of the next element. The size limit counts from here.
    pub(crate) fn begin_element(&mut self) {
        self.element_start = self.position();
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Waits for the next portion of the document. Returns `false` at its end.
    async fn read_more(&mut self) -> Result<bool, ReadError> {
        if self.rest().len() > LARGEST || self.position() - self.element_start > LARGEST as u64 {
            return Err(ReadError::TooLarge);
        }
        self.portions += 1;
        if self.portions > PORTIONS_BETWEEN_PAUSES {
            self.portions = 0;
            pause().await;
        }
        while self.arrived.is_empty() {
            if self.has_ended {
                return Ok(false);
            }
            match poll_fn(|cx| self.chunks.as_mut().poll_next(cx)).await {
                Some(Ok(chunk)) if chunk.is_empty() => pause().await,
                Some(chunk) => self.arrived = chunk?,
                None => self.has_ended = true,
            }
        }
        self.buffer.drain(..self.at);
        self.dropped += self.at as u64;
        self.at = 0;
        let portion = self.arrived.split_to(self.arrived.len().min(PORTION));
        let needed = self.buffer.len() + portion.len();
        if needed > self.buffer.capacity() {
            // Doubling the buffer takes three times its memory for a moment.
            self.buffer.reserve_exact(portion.len().max(self.buffer.len() / 4));
        }
        self.buffer.extend_from_slice(&portion);
        Ok(true)
    }

    /// Skips white space, and returns the next byte without consuming it.
    async fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            self.at += self.rest().iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
            match self.rest().first().copied() {
                Some(byte) => return Ok(Some(byte)),
                None if self.read_more().await? => {}
                None => return Ok(None),
            }
        }
    }

    pub(crate) fn malformed(&self, path: String, is_json: bool) -> ReadError {
        ReadError::Malformed(Malformed { path, offset: self.position(), is_json })
    }

    fn not_json(&self) -> ReadError {
        self.malformed(String::new(), false)
    }

    /// Consumes this byte if it is next, and returns whether it was.
    async fn skip(&mut self, byte: u8) -> Result<bool, ReadError> {
        let found = self.peek().await? == Some(byte);
        self.at += usize::from(found);
        Ok(found)
    }

    /// Waits until the next value has arrived completely, and returns its length.
    async fn read_to_value_end(&mut self) -> Result<usize, ReadError> {
        self.peek().await?;
        let mut scan = Scan::default();
        let length = loop {
            match scan.find_end(self.rest()) {
                Some(length) => break length,
                None if self.read_more().await? => {}
                None => break self.rest().len(),
            }
        };
        if length > LARGEST {
            return Err(ReadError::TooLarge);
        }
        let end = self.position() + length as u64;
        self.values += scan.values() + 1;
        if is_too_dense(length as u64, scan.values()) || is_too_dense(end, self.values) {
            return Err(ReadError::TooDense);
        }
        if end > self.paused + BETWEEN_PAUSES {
            (self.paused, self.portions) = (end, 0);
            pause().await;
        }
        Ok(length)
    }

    /// Reads and decodes the next value.
    pub(crate) async fn value<T: DeserializeOwned>(&mut self) -> Result<T, ReadError> {
        let length = self.read_to_value_end().await?;
        // The decoder does not check whether a string that it ignores is UTF-8.
        let Ok(text) = str::from_utf8(self.rest().get(..length).unwrap_or_default()) else {
            return Err(self.not_json());
        };
        match serde_json::from_str(text) {
            Ok(value) => {
                self.at += length;
                Ok(value)
            }
            Err(error) => {
                // Tracking the path costs time, so only a malformed value is decoded with it.
                let again: Result<T, _> =
                    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text));
                let path = again.err().map_or_else(String::new, |error| error.path().to_string());
                Err(self.malformed(path, error.is_data()))
            }
        }
    }

    /// Skips the next value and returns the first `limit` bytes of its text.
    pub(crate) async fn text(&mut self, limit: usize) -> Result<Vec<u8>, ReadError> {
        let length = self.read_to_value_end().await?;
        let text = self.rest().get(..length.min(limit)).unwrap_or_default().to_vec();
        self.ignore().await?;
        Ok(text)
    }

    /// Enters the next object or array, which must open with this bracket. Returns `None` if the
    /// next value is `null`.
    pub(crate) async fn open(&mut self, bracket: u8) -> Result<Option<Open>, ReadError> {
        if self.skip(bracket).await? {
            return Ok(Some(Open { is_first: true, closing: if bracket == b'{' { b'}' } else { b']' } }));
        }
        match self.peek().await? {
            Some(b'n') => self.value::<()>().await.map(|()| None),
            // Only the first byte is checked. Whether the rest is JSON does not matter here.
            Some(b'"' | b'[' | b'{' | b'-' | b'0'..=b'9' | b't' | b'f') => Err(self.malformed(String::new(), true)),
            _ => Err(self.not_json()),
        }
    }

    /// Moves to the next element or entry of an open object or array. Leaves it and returns `false`
    /// after the last one.
    pub(crate) async fn next_in(&mut self, open: &mut Open) -> Result<bool, ReadError> {
        let is_first = std::mem::take(&mut open.is_first);
        if self.skip(open.closing).await? {
            return Ok(false);
        }
        if is_first || self.skip(b',').await? { Ok(true) } else { Err(self.not_json()) }
    }

    /// Like [`next_in`](Self::next_in), for a document that is one array or object. The first call
    /// enters it. Nothing may follow it.
    pub(crate) async fn next_in_document(
        &mut self,
        document: &mut Option<Open>,
        bracket: u8,
    ) -> Result<bool, ReadError> {
        let document = match document {
            Some(document) => document,
            none => match self.open(bracket).await? {
                Some(document) => none.insert(document),
                None => return Err(self.malformed(String::new(), true)),
            },
        };
        if self.next_in(document).await? { Ok(true) } else { self.end().await.map(|()| false) }
    }

    /// Reads the key of an entry and the colon after it.
    pub(crate) async fn key(&mut self) -> Result<String, ReadError> {
        let key = self.value().await?;
        if self.skip(b':').await? { Ok(key) } else { Err(self.not_json()) }
    }

    /// Skips the next value.
    pub(crate) async fn ignore(&mut self) -> Result<(), ReadError> {
        self.value::<IgnoredAny>().await.map(drop)
    }

    /// Checks that nothing follows the document.
    pub(crate) async fn end(&mut self) -> Result<(), ReadError> {
        if self.peek().await?.is_none() { Ok(()) } else { Err(self.not_json()) }
    }
}

/// Lets other tasks run.
pub(crate) async fn pause() {
    let mut has_paused = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// An object or array that is being read.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    is_first: bool,
    closing: u8,
}

/// The elements of a document that is an array.
#[derive(Debug)]
pub(crate) struct Array<T> {
    pieces: Pieces,
    /// `None` before the first element.
    list: Option<Open>,
    count: usize,
    element: PhantomData<fn() -> T>,
}

impl<T> Array<T> {
    pub(crate) fn new(chunks: Chunks) -> Self {
        Self { pieces: Pieces::new(chunks), list: None, count: 0, element: PhantomData }
    }
}

impl<T: DeserializeOwned + Send> Elements for Array<T> {
    type Element = T;

    async fn next(&mut self) -> Result<Option<T>, ReadError> {
        self.pieces.begin_element();
        if !self.pieces.next_in_document(&mut self.list, b'[').await? {
            return Ok(None);
        }
        let element = self.pieces.value().await.map_err(|error| error.within(format_args!("[{}]", self.count)))?;
        self.count += 1;
        Ok(Some(element))
    }

    fn position(&self) -> u64 {
        self.pieces.position()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Returns a body that arrives in chunks of this length.
    pub(crate) fn arriving(json: impl AsRef<[u8]>, length: usize) -> Chunks {
        let chunks: Vec<_> = json.as_ref().chunks(length).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        Box::pin(stream::iter(chunks))
    }

    /// Returns every element, and how often the reader paused.
    pub(crate) fn all<E: Elements>(elements: &mut E) -> (Result<Vec<E::Element>, ReadError>, usize) {
        driven(async {
            let mut all = Vec::new();
            while let Some(element) = elements.next().await? {
                all.push(element);
            }
            Ok(all)
        })
    }

    /// Runs a future that never waits for anything. Returns its output, and how often it paused.
    pub(crate) fn driven<F: Future>(future: F) -> (F::Output, usize) {
        let mut pauses = 0;
        let mut future = Box::pin(future);
        loop {
            match future.as_mut().now_or_never() {
                Some(output) => return (output, pauses),
                None => pauses += 1,
            }
        }
    }

    /// Returns every element of a document that arrives in small chunks.
    pub(crate) fn read_all<E: Elements>(
        elements: impl FnOnce(Chunks) -> E,
        json: &str,
    ) -> Result<Vec<E::Element>, ReadError> {
        all(&mut elements(arriving(json, 7))).0
    }

    /// Returns what is wrong with a document of these elements.
    pub(crate) fn malformed<E: Elements>(mut elements: E) -> Malformed {
        match all(&mut elements).0.map(|all| all.len()) {
            Err(ReadError::Malformed(malformed)) => malformed,
            other => panic!("{other:?}"),
        }
    }

    fn read<T: DeserializeOwned + Send>(json: &str, length: usize) -> Result<Vec<T>, ReadError> {
        all(&mut Array::new(arriving(json, length))).0
    }

    #[test]
    fn reads_an_array_element_by_element() {
        assert_eq!(read::<u32>(" [ 1 , 2,3 ] ", 1).unwrap(), [1, 2, 3]);
        assert_eq!(read::<u32>("[]", 2).unwrap(), [0; 0]);
    }

    #[test]
    fn yields_an_element_as_soon_as_it_has_arrived() {
        let first: Chunks = Box::pin(arriving("[[1]", 9).chain(stream::pending()));
        let mut array = Array::<[u8; 1]>::new(first);

        assert_eq!(array.next().now_or_never().unwrap().unwrap(), Some([1]));
        assert!(array.next().now_or_never().is_none());
    }

    #[test]
    fn distinguishes_text_that_is_not_json_from_json_of_another_type() {
        for json in ["", "[", "[1", "[1,", "[1,]", "[1 2]", "[1]]", "[,1]", "<html>", "nul"] {
            assert!(!malformed(Array::<u32>::new(arriving(json, 1))).is_json, "{json}");
        }
        for json in ["null", "{}", "7", "[-1]", r#"["a"]"#] {
            assert!(malformed(Array::<u32>::new(arriving(json, 1))).is_json, "{json}");
        }
    }

    #[test]
    fn reports_the_place_of_a_malformed_element() {
        let json = r#"[{"a":1},{"b":null}]"#;
        let malformed = malformed(Array::<std::collections::BTreeMap<String, u32>>::new(arriving(json, 7)));

        assert_eq!(malformed, Malformed { path: "[1].b".to_owned(), offset: 9, is_json: true });
    }

    #[test]
    fn reads_an_element_of_16_mib_at_any_place() {
        let largest = format!(r#""{}""#, "x".repeat(LARGEST - 2));
        let json = format!("[1,{largest},{largest} ]");

        assert_eq!(read::<IgnoredAny>(&json, 1 << 20).unwrap().len(), 3);
    }

    #[test]
    fn refuses_invalid_json_even_in_ignored_values() {
        for json in [&b"[\x0c1]"[..], b"[\"\xff\"]", b"[\xa01]"] {
            assert!(
                matches!(all(&mut Array::<IgnoredAny>::new(arriving(json, 2))).0, Err(ReadError::Malformed(_))),
                "{json:?}"
            );
        }
    }

    #[test]
    fn refuses_an_element_over_16_mib_and_as_much_space_before_one() {
        let long = format!(r#"["{}"]"#, "x".repeat(LARGEST));
        let space = format!("[{}", " ".repeat(LARGEST + 1));
        for json in [long, space] {
            assert!(matches!(read::<IgnoredAny>(&json, 1 << 20), Err(ReadError::TooLarge)));
        }
    }

    #[test]
    fn refuses_elements_with_too_many_values_for_their_length() {
        let dense = |count| format!("[{}0]", "[],".repeat(count));
        assert!(matches!(read::<IgnoredAny>(&dense(40_000), PORTION), Err(ReadError::TooDense)));
        assert!(matches!(read::<IgnoredAny>(&format!("[{}]", dense(40_000)), PORTION), Err(ReadError::TooDense)));
    }

    #[test]
    fn refuses_a_value_that_is_nested_too_deeply() {
        let deep = format!("[{}1{}]", "[".repeat(10_000), "]".repeat(10_000));

        assert!(!malformed(Array::<Value>::new(arriving(&deep, 100))).is_json);
    }

    #[test]
    fn pauses_after_256_kib() {
        let json = format!("[{}0]", "1000000000,".repeat(50_000));

        let (read, pauses) = all(&mut Array::<u32>::new(arriving(&json, json.len())));
        let (_, often) = all(&mut Array::<IgnoredAny>::new(arriving(format!("[\"{}\"]", "x".repeat(10_000)), 1)));

        assert_eq!((read.unwrap().len(), pauses), (50_001, 2));
        assert!(often > 20, "a value in many pieces: {often}");
    }

    #[test]
    fn returns_the_error_of_a_body_that_breaks_off() {
        let broken = stream::iter([Ok(Bytes::from_static(b"[1,")), Err(Error::garbled("broken off"))]);
        let mut array = Array::<u32>::new(Box::pin(broken));

        assert_eq!(array.next().now_or_never().unwrap().unwrap(), Some(1));
        assert!(matches!(array.next().now_or_never(), Some(Err(ReadError::Lost(_)))));
    }

    proptest! {
        #[test]
        fn reads_the_same_elements_as_serde_json(json in r#"[\[\]0-9, {}"]{0,12}"#, length in 1..13_usize) {
            let whole = serde_json::from_str::<Vec<Value>>(&json).ok();
            prop_assert_eq!(read::<Value>(&json, length).ok(), whole);
        }
    }
}
