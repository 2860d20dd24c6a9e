//! A JSON document read piece by piece while it arrives: nothing of a large one is kept that nobody
//! wants, and its reader pauses from time to time, so that other tasks get their turn.

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

/// How large a value may be; and how much that nobody wants may stand before an element.
const LARGEST: usize = 16 << 20;
/// How much of what has arrived is looked at together.
const PORTION: usize = 64 << 10;
/// How much is read between two pauses, and in how many portions.
const BETWEEN_PAUSES: u64 = 256 << 10;
const PORTIONS_BETWEEN_PAUSES: u32 = 256;

/// Why a document cannot be read any further.
#[derive(Debug)]
pub(crate) enum Trouble {
    Malformed(Malformed),
    /// It consists of more values than any server writes.
    TooDense,
    /// A value has more than [`LARGEST`] bytes, or as much stands before an element.
    TooLarge,
    /// It says that the server failed, although the status is that of a success: the beginning of
    /// what it says.
    Failure(Vec<u8>),
    /// The rest of it did not arrive.
    Lost(Error),
}

impl Trouble {
    /// Puts what leads to the value before the path of one that is malformed.
    pub(crate) fn within(self, place: impl fmt::Display) -> Self {
        if let Self::Malformed(malformed) = self { Self::Malformed(malformed.within(place)) } else { self }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Lost(error)
    }
}

/// Why a document is not what was expected: shows the place and nothing else of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Malformed {
    /// The path of the value, such as `[3].shard`. Keys in it are the server's text.
    pub(crate) path: String,
    /// The offset of the value.
    pub(crate) offset: u64,
    /// It is JSON, but of other types than expected.
    pub(crate) is_json: bool,
}

impl Malformed {
    /// Puts what leads to the value before its path.
    pub(crate) fn within(mut self, place: impl fmt::Display) -> Self {
        let separator = if self.path.is_empty() || self.path == "." || self.path.starts_with('[') { "" } else { "." };
        let path = if self.path == "." { "" } else { &self.path };
        self.path = format!("{place}{separator}{path}");
        self
    }
}

/// Elements that are read one at a time.
pub(crate) trait Elements: Send {
    type Element: Send;

    /// Reads the next element; not called again after the last or a failure.
    fn next(&mut self) -> impl Future<Output = Result<Option<Self::Element>, Trouble>> + Send;

    /// How many bytes have been read.
    fn position(&self) -> u64;
}

/// The place in a document up to which it has been read.
pub(crate) struct Pieces {
    chunks: Chunks,
    /// What has arrived and has not been looked at.
    arrived: Bytes,
    /// What is being looked at, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    /// How many bytes were dropped from the buffer.
    before: u64,
    has_ended: bool,
    values: u64,
    /// Where the reading of the current element began.
    mark: u64,
    /// Where the last pause was, and how many portions have come since.
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
        Self { chunks, arrived, buffer, at: 0, before: 0, has_ended: false, values: 0, mark: 0, paused: 0, portions: 0 }
    }

    /// How many bytes have been read.
    pub(crate) fn position(&self) -> u64 {
        self.before + self.at as u64
    }

    /// What is read from here on belongs to the next element.
    pub(crate) fn begin_element(&mut self) {
        self.mark = self.position();
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Waits for the next portion of the document. `false` at its end.
    async fn more(&mut self) -> Result<bool, Trouble> {
        if self.rest().len() > LARGEST || self.position() - self.mark > LARGEST as u64 {
            return Err(Trouble::TooLarge);
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
        self.before += self.at as u64;
        self.at = 0;
        let portion = self.arrived.split_to(self.arrived.len().min(PORTION));
        let needed = self.buffer.len() + portion.len();
        if needed > self.buffer.capacity() {
            // Doubling it takes three times the memory for a moment.
            self.buffer.reserve_exact(portion.len().max(self.buffer.len() / 4));
        }
        self.buffer.extend_from_slice(&portion);
        Ok(true)
    }

    async fn peek(&mut self) -> Result<Option<u8>, Trouble> {
        loop {
            self.at += self.rest().iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
            match self.rest().first().copied() {
                Some(byte) => return Ok(Some(byte)),
                None if self.more().await? => {}
                None => return Ok(None),
            }
        }
    }

    pub(crate) fn malformed(&self, path: String, is_json: bool) -> Trouble {
        Trouble::Malformed(Malformed { path, offset: self.position(), is_json })
    }

    fn garbled(&self) -> Trouble {
        self.malformed(String::new(), false)
    }

    /// Steps over this byte, if it is next.
    async fn skip(&mut self, byte: u8) -> Result<bool, Trouble> {
        let found = self.peek().await? == Some(byte);
        self.at += usize::from(found);
        Ok(found)
    }

    /// Waits until the next value is there whole, and returns its length.
    async fn whole(&mut self) -> Result<usize, Trouble> {
        self.peek().await?;
        let mut scan = Scan::default();
        let length = loop {
            match scan.find_end(self.rest()) {
                Some(length) => break length,
                None if self.more().await? => {}
                None => break self.rest().len(),
            }
        };
        if length > LARGEST {
            return Err(Trouble::TooLarge);
        }
        let end = self.position() + length as u64;
        self.values += scan.values() + 1;
        if is_too_dense(length as u64, scan.values()) || is_too_dense(end, self.values) {
            return Err(Trouble::TooDense);
        }
        if end > self.paused + BETWEEN_PAUSES {
            (self.paused, self.portions) = (end, 0);
            pause().await;
        }
        Ok(length)
    }

    /// Reads the next value whole.
    pub(crate) async fn value<T: DeserializeOwned>(&mut self) -> Result<T, Trouble> {
        let length = self.whole().await?;
        // The decoder does not look at the letters of a text that it ignores.
        let Ok(text) = str::from_utf8(self.rest().get(..length).unwrap_or_default()) else {
            return Err(self.garbled());
        };
        match serde_json::from_str(text) {
            Ok(value) => {
                self.at += length;
                Ok(value)
            }
            Err(error) => {
                // Paths cost time, so only a value that is malformed gets one.
                let again: Result<T, _> =
                    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text));
                let path = again.err().map_or_else(String::new, |error| error.path().to_string());
                Err(self.malformed(path, error.is_data()))
            }
        }
    }

    /// Steps over the next value and returns so many bytes of its text.
    pub(crate) async fn text(&mut self, most: usize) -> Result<Vec<u8>, Trouble> {
        let length = self.whole().await?;
        let text = self.rest().get(..length.min(most)).unwrap_or_default().to_vec();
        self.ignore().await?;
        Ok(text)
    }

    /// Steps into the object or array that is next and opens with this byte; `None` if the next
    /// value is `null`.
    pub(crate) async fn open(&mut self, bracket: u8) -> Result<Option<Open>, Trouble> {
        if self.skip(bracket).await? {
            return Ok(Some(Open { is_first: true, closing: if bracket == b'{' { b'}' } else { b']' } }));
        }
        match self.peek().await? {
            Some(b'n') => self.value::<()>().await.map(|()| None),
            // Whether it is JSON is worth no more than its first byte.
            Some(b'"' | b'[' | b'{' | b'-' | b'0'..=b'9' | b't' | b'f') => Err(self.malformed(String::new(), true)),
            _ => Err(self.garbled()),
        }
    }

    /// Whether another element or entry follows in what was opened; steps up to it, or out.
    pub(crate) async fn next_in(&mut self, open: &mut Open) -> Result<bool, Trouble> {
        let is_first = std::mem::take(&mut open.is_first);
        if self.skip(open.closing).await? {
            return Ok(false);
        }
        if is_first || self.skip(b',').await? { Ok(true) } else { Err(self.garbled()) }
    }

    /// Whether another element or entry follows in a document that is one array or object, which
    /// this steps into first and out of last. Nothing may follow it.
    pub(crate) async fn next_in_document(&mut self, document: &mut Option<Open>, bracket: u8) -> Result<bool, Trouble> {
        let document = match document {
            Some(document) => document,
            none => match self.open(bracket).await? {
                Some(document) => none.insert(document),
                None => return Err(self.malformed(String::new(), true)),
            },
        };
        if self.next_in(document).await? { Ok(true) } else { self.end().await.map(|()| false) }
    }

    /// Reads an entry's key, up to its value.
    pub(crate) async fn key(&mut self) -> Result<String, Trouble> {
        let key = self.value().await?;
        if self.skip(b':').await? { Ok(key) } else { Err(self.garbled()) }
    }

    pub(crate) async fn ignore(&mut self) -> Result<(), Trouble> {
        self.value::<IgnoredAny>().await.map(drop)
    }

    /// Nothing may follow the document.
    pub(crate) async fn end(&mut self) -> Result<(), Trouble> {
        if self.peek().await?.is_none() { Ok(()) } else { Err(self.garbled()) }
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

/// An object or array that was stepped into.
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

    async fn next(&mut self) -> Result<Option<T>, Trouble> {
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

    /// A body that is there, in pieces of this length.
    pub(crate) fn arriving(json: impl AsRef<[u8]>, length: usize) -> Chunks {
        let chunks: Vec<_> = json.as_ref().chunks(length).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        Box::pin(stream::iter(chunks))
    }

    /// Every element, and how often its reader paused.
    pub(crate) fn all<E: Elements>(elements: &mut E) -> (Result<Vec<E::Element>, Trouble>, usize) {
        driven(async {
            let mut all = Vec::new();
            while let Some(element) = elements.next().await? {
                all.push(element);
            }
            Ok(all)
        })
    }

    /// What comes of something that waits for nothing, and how often it paused.
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

    /// Every element of a document that arrives in small pieces.
    pub(crate) fn read_all<E: Elements>(
        elements: impl FnOnce(Chunks) -> E,
        json: &str,
    ) -> Result<Vec<E::Element>, Trouble> {
        all(&mut elements(arriving(json, 7))).0
    }

    /// What is wrong with a document of these elements.
    pub(crate) fn malformed<E: Elements>(mut elements: E) -> Malformed {
        match all(&mut elements).0.map(|all| all.len()) {
            Err(Trouble::Malformed(malformed)) => malformed,
            other => panic!("{other:?}"),
        }
    }

    fn read<T: DeserializeOwned + Send>(json: &str, length: usize) -> Result<Vec<T>, Trouble> {
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
    fn tells_what_is_no_json_from_what_is_of_another_type() {
        for json in ["", "[", "[1", "[1,", "[1,]", "[1 2]", "[1]]", "[,1]", "<html>", "nul"] {
            assert!(!malformed(Array::<u32>::new(arriving(json, 1))).is_json, "{json}");
        }
        for json in ["null", "{}", "7", "[-1]", r#"["a"]"#] {
            assert!(malformed(Array::<u32>::new(arriving(json, 1))).is_json, "{json}");
        }
    }

    #[test]
    fn names_the_place_of_a_malformed_element() {
        let json = r#"[{"a":1},{"b":null}]"#;
        let malformed = malformed(Array::<std::collections::BTreeMap<String, u32>>::new(arriving(json, 7)));

        assert_eq!(malformed, Malformed { path: "[1].b".to_owned(), offset: 9, is_json: true });
    }

    #[test]
    fn reads_an_element_of_16_mib_wherever_it_stands() {
        let largest = format!(r#""{}""#, "x".repeat(LARGEST - 2));
        let json = format!("[1,{largest},{largest} ]");

        assert_eq!(read::<IgnoredAny>(&json, 1 << 20).unwrap().len(), 3);
    }

    #[test]
    fn takes_for_json_nothing_else_even_where_it_is_ignored() {
        for json in [&b"[\x0c1]"[..], b"[\"\xff\"]", b"[\xa01]"] {
            assert!(
                matches!(all(&mut Array::<IgnoredAny>::new(arriving(json, 2))).0, Err(Trouble::Malformed(_))),
                "{json:?}"
            );
        }
    }

    #[test]
    fn refuses_an_element_over_16_mib_and_endless_space_before_one() {
        let long = format!(r#"["{}"]"#, "x".repeat(LARGEST));
        let space = format!("[{}", " ".repeat(LARGEST + 1));
        for json in [long, space] {
            assert!(matches!(read::<IgnoredAny>(&json, 1 << 20), Err(Trouble::TooLarge)));
        }
    }

    #[test]
    fn refuses_elements_of_more_values_than_their_length_explains() {
        let dense = |count| format!("[{}0]", "[],".repeat(count));
        assert!(matches!(read::<IgnoredAny>(&dense(40_000), PORTION), Err(Trouble::TooDense)));
        assert!(matches!(read::<IgnoredAny>(&format!("[{}]", dense(40_000)), PORTION), Err(Trouble::TooDense)));
    }

    #[test]
    fn refuses_what_is_nested_too_deeply() {
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
    fn a_body_that_breaks_off_is_lost_whatever_was_read_before() {
        let broken = stream::iter([Ok(Bytes::from_static(b"[1,")), Err(Error::garbled("broken off"))]);
        let mut array = Array::<u32>::new(Box::pin(broken));

        assert_eq!(array.next().now_or_never().unwrap().unwrap(), Some(1));
        assert!(matches!(array.next().now_or_never(), Some(Err(Trouble::Lost(_)))));
    }

    proptest! {
        #[test]
        fn agrees_with_a_decoding_of_the_whole(json in r#"[\[\]0-9, {}"]{0,12}"#, length in 1..13_usize) {
            let whole = serde_json::from_str::<Vec<Value>>(&json).ok();
            prop_assert_eq!(read::<Value>(&json, length).ok(), whole);
        }
    }
}
