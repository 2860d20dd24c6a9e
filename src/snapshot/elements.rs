//! Reads a listing snapshot by snapshot.

use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::Value;

use super::SnapshotInfo;
use super::info::WithoutUnknownFields;
use crate::error::ERROR_BODY;
use crate::pieces::{Chunks, Elements, Open, Pieces, ReadError};

/// The response of `GET /_snapshot/{repository}/{snapshot}`, snapshot by snapshot.
#[derive(Debug)]
pub(crate) struct SnapshotElements {
    pieces: Pieces,
    keeps_unknown_fields: bool,
    document: Option<Open>,
    /// The list that is being read.
    snapshots: Option<Open>,
    count: usize,
    /// Whether the document has had a list.
    has_list: bool,
    failure: Option<Vec<u8>>,
    next_page: Option<String>,
    /// The snapshots of `responses` that were not returned yet.
    pending: VecDeque<SnapshotInfo>,
}

/// An element of `responses`. Only development builds wrote this form, but the published
/// specification still has it.
#[derive(Deserialize)]
struct RepositoryResponse {
    snapshots: Option<Vec<WithoutUnknownFields>>,
    error: Option<Value>,
}

impl SnapshotElements {
    pub(crate) fn new(chunks: Chunks, keeps_unknown_fields: bool) -> Self {
        Self {
            pieces: Pieces::new(chunks),
            keeps_unknown_fields,
            document: None,
            snapshots: None,
            count: 0,
            has_list: false,
            failure: None,
            next_page: None,
            pending: VecDeque::new(),
        }
    }

    /// Returns the cursor of the next page, once all elements of this one have been read.
    /// Elasticsearch 7.14 and later.
    pub(crate) fn next_page(&self) -> Option<&str> {
        self.next_page.as_deref()
    }

    async fn snapshot(&mut self) -> Result<SnapshotInfo, ReadError> {
        let read = if self.keeps_unknown_fields {
            self.pieces.value().await
        } else {
            self.pieces.value().await.map(|WithoutUnknownFields(snapshot)| snapshot)
        };
        let snapshot = read.map_err(|error| error.within(format_args!("snapshots[{}]", self.count)))?;
        self.count += 1;
        Ok(snapshot)
    }

    /// Fails if the document has had a list already.
    fn begin_list(&mut self, key: &str) -> Result<(), ReadError> {
        if std::mem::replace(&mut self.has_list, true) {
            Err(self.pieces.malformed(key.to_owned(), true))
        } else {
            Ok(())
        }
    }

    /// Keeps the first failure that the document reports.
    async fn record_failure(&mut self) -> Result<(), ReadError> {
        let failure = self.pieces.text(ERROR_BODY).await?;
        if self.failure.is_none() && failure != b"null" {
            self.failure = Some(failure);
        }
        Ok(())
    }

    /// Reads an entry of the document other than `snapshots`.
    async fn entry(&mut self, key: &str) -> Result<(), ReadError> {
        match key {
            "next" => self.next_page = self.pieces.value().await?,
            "error" => self.record_failure().await?,
            // Elasticsearch 7.14 to 8.14 reports failures here, with HTTP 200.
            "failures" => {
                if let Some(mut failures) = self.pieces.open(b'{').await? {
                    while self.pieces.next_in(&mut failures).await? {
                        let repository = self.pieces.key().await?;
                        self.record_failure().await.map_err(|error| error.within(repository))?;
                    }
                }
            }
            "responses" => {
                self.begin_list(key)?;
                let responses: Option<Vec<RepositoryResponse>> = self.pieces.value().await?;
                for response in responses.into_iter().flatten() {
                    self.pending.extend(
                        response.snapshots.into_iter().flatten().map(|WithoutUnknownFields(snapshot)| snapshot),
                    );
                    let failure = response.error.map(|error| error.to_string().into_bytes());
                    self.failure = self.failure.take().or(failure);
                }
            }
            _ => self.pieces.ignore().await?,
        }
        Ok(())
    }

    /// Checks that the document had a list, reported no failure, and ends here.
    async fn end(&mut self) -> Result<(), ReadError> {
        self.pieces.end().await?;
        match self.failure.take() {
            Some(failure) => Err(ReadError::Failure(failure)),
            None if self.has_list => Ok(()),
            None => Err(self.pieces.malformed("snapshots".to_owned(), true)),
        }
    }
}

impl Elements for SnapshotElements {
    type Element = SnapshotInfo;

    async fn next(&mut self) -> Result<Option<SnapshotInfo>, ReadError> {
        self.pieces.begin_element();
        if self.document.is_none() {
            self.document = self.pieces.open(b'{').await?;
        }
        loop {
            if let Some(snapshot) = self.pending.pop_front() {
                return Ok(Some(snapshot));
            } else if let Some(snapshots) = &mut self.snapshots {
                if self.pieces.next_in(snapshots).await? {
                    return self.snapshot().await.map(Some);
                }
                self.snapshots = None;
            } else if let Some(document) = &mut self.document
                && self.pieces.next_in(document).await?
            {
                let key = self.pieces.key().await?;
                if key == "snapshots" {
                    self.begin_list(&key)?;
                    self.snapshots = self.pieces.open(b'[').await.map_err(|error| error.within(key))?;
                } else {
                    self.entry(&key).await.map_err(|error| error.within(key))?;
                }
            } else {
                return self.end().await.map(|()| None);
            }
        }
    }

    fn position(&self) -> u64 {
        self.pieces.position()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::pieces::tests::{all, arriving, malformed};

    fn read(json: impl AsRef<[u8]>, length: usize) -> Result<Vec<SnapshotInfo>, ReadError> {
        all(&mut SnapshotElements::new(arriving(json, length), false)).0
    }

    fn names(json: &str) -> Vec<String> {
        read(json, 3).unwrap().iter().map(|snapshot| snapshot.name().to_owned()).collect()
    }

    /// Returns a listing as servers write it, with its entries in any order.
    fn listing() -> impl Strategy<Value = (String, usize)> {
        let other = prop_oneof![
            Just(r#""total":2"#),
            Just(r#""remaining":0"#),
            Just(r#""failures":{}"#),
            Just(r#""next":null"#),
            Just(r#""nested":{"snapshots":[{"snapshot":"no"}],"]":"}"}"#),
        ];
        let snapshot = (r#"[a-z\"\[\]{},:é]{1,8}"#, any::<bool>()).prop_map(|(name, is_whole)| {
            let indices = json!(["logs", name]);
            if is_whole {
                json!({"snapshot": name, "indices": indices, "more": {"a": [1]}})
            } else {
                json!({"snapshot": name})
            }
        });
        (prop::collection::vec(snapshot, 0..4), prop::collection::vec(other, 0..3), 0..3_usize).prop_map(
            |(snapshots, others, at)| {
                let mut entries: Vec<String> = others.into_iter().map(str::to_owned).collect();
                entries.insert(at.min(entries.len()), format!(r#""snapshots":{}"#, json!(snapshots)));
                (format!("{{{}}}", entries.join(",")), snapshots.len())
            },
        )
    }

    #[test]
    fn reads_a_listing_with_other_entries_around_the_list() {
        assert_eq!(names(r#"{"total":1,"snapshots":[{"snapshot":"a"}],"next":null,"x":[{}]}"#), ["a"]);
        assert_eq!(names(r#"{"snapshots":[]}"#), [""; 0]);
        assert_eq!(
            names(r#"{"responses":[{"snapshots":[{"snapshot":"a"}]},{"snapshots":[{"snapshot":"b"}]}]}"#),
            ["a", "b"]
        );
    }

    #[test]
    fn returns_a_failure_before_or_after_the_list() {
        for json in [
            r#"{"failures":{"r":{"type":"repository_exception"}},"snapshots":[]}"#,
            r#"{"snapshots":[{"snapshot":"a"}],"failures":{"r":{"type":"repository_exception"}}}"#,
            r#"{"error":{"type":"repository_exception"},"status":500}"#,
            r#"{"error":{"type":"repository_exception"},"error":null,"snapshots":[]}"#,
            r#"{"failures":{"r":{"type":"repository_exception"}},"snapshots":[],"error":null}"#,
            r#"{"responses":[{"error":{"type":"repository_exception"}}]}"#,
        ] {
            match read(json, 1) {
                Err(ReadError::Failure(text)) => {
                    assert_eq!(str::from_utf8(&text), Ok(r#"{"type":"repository_exception"}"#), "{json}");
                }
                other => panic!("{json}: {other:?}"),
            }
        }
    }

    #[test]
    fn refuses_a_response_without_a_list() {
        for json in ["{}", "null", r#"{"acknowledged":true}"#, r#"{"error":null}"#] {
            assert_eq!(malformed(SnapshotElements::new(arriving(json, 1), false)).path, "snapshots", "{json}");
        }
    }

    #[test]
    fn refuses_a_document_with_two_lists() {
        let lists = [r#""snapshots":[]"#, r#""responses":[]"#];
        for (first, second) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let json = format!("{{{},{}}}", lists[first], lists[second]);
            assert!(malformed(SnapshotElements::new(arriving(json, 3), false)).is_json);
        }
    }

    #[test]
    fn reports_the_place_of_a_malformed_snapshot() {
        let path = |json| malformed(SnapshotElements::new(arriving(json, 2), false)).path;

        assert_eq!(path(r#"{"snapshots":[{"snapshot":"a"},{"snapshot":7}]}"#), "snapshots[1].snapshot");
        assert_eq!(path(r#"{"snapshots":{}}"#), "snapshots");
        assert_eq!(path(r#"{"next":[]}"#), "next");
    }

    #[test]
    fn returns_the_cursor_of_the_next_page() {
        let mut elements =
            SnapshotElements::new(arriving(r#"{"snapshots":[{"snapshot":"a"}],"next":"c2","total":9}"#, 4), false);

        all(&mut elements).0.unwrap();

        assert_eq!(elements.next_page(), Some("c2"));
    }

    #[test]
    fn keeps_unknown_fields_only_if_requested() {
        let json = r#"{"snapshots":[{"snapshot":"a","new_field":1}]}"#;
        let kept = |keep| all(&mut SnapshotElements::new(arriving(json, 9), keep)).0.unwrap().remove(0).other().len();

        assert_eq!((kept(false), kept(true)), (0, 1));
    }

    proptest! {
        #[test]
        fn reads_the_same_snapshots_from_chunks_of_any_length((json, count) in listing(), length in 1..40_usize) {
            let whole = read(&json, json.len()).unwrap();

            prop_assert_eq!(whole.len(), count);
            prop_assert_eq!(read(&json, length).unwrap(), whole);
        }

        #[test]
        fn reports_a_listing_that_breaks_off((json, _) in listing(), cut in 0..1000_usize) {
            let mut end = cut * json.len() / 1000;
            while !json.is_char_boundary(end) {
                end -= 1;
            }

            prop_assert!(!malformed(SnapshotElements::new(arriving(&json[..end], 5), false)).is_json);
        }

        #[test]
        fn reads_a_changed_listing_as_serde_json_does_or_refuses_it(
            (json, _) in listing(),
            edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any::<u8>()), 1..4),
            length in 1..40_usize,
        ) {
            let mut bytes = json.into_bytes();
            for (place, edit, byte) in edits {
                let at = place.index(bytes.len());
                match edit {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            // Ignored values may contain numbers and surrogates that `serde_json::Value` refuses.
            if let (Ok(snapshots), Ok(whole)) = (read(&bytes, length), serde_json::from_slice::<Value>(&bytes)) {
                let names: Vec<&str> = snapshots.iter().map(SnapshotInfo::name).collect();
                let expected = whole["snapshots"].as_array().into_iter().flatten().map(|one| one["snapshot"].as_str().unwrap());
                prop_assert_eq!(names, expected.collect::<Vec<_>>());
            }
        }

        #[test]
        fn never_panics_on_garbage(json in r#"(\{|\}|\[|\]|,|:|"|snapshots"|"snapshot":|1|null|\\| ){0,24}"#, length in 1..9_usize) {
            if let Ok(snapshots) = read(&json, length) {
                let whole: Value = serde_json::from_str(&json).unwrap();
                prop_assert_eq!(snapshots.len(), whole["snapshots"].as_array().map_or(0, Vec::len));
            }
        }
    }
}
