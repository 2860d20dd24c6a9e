//! Finds the end of a JSON value without decoding it.

use memchr::memchr2;

/// A search for the end of one value in text that is still arriving. It reads each byte once.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// How many bytes of the value have been read. After a trailing backslash it is one more,
    /// because the character that follows is escaped.
    seen: usize,
    depth: usize,
    in_string: bool,
    /// How many values inside were found so far, counted by brackets and commas.
    values: u64,
}

impl Scan {
    pub(super) fn values(&self) -> u64 {
        self.values
    }

    /// Returns the length of the value that this text begins with, or `None` until its end has
    /// arrived. Each call must repeat the text of the call before it.
    ///
    /// A number or word ends only at the character that follows it. Brackets are counted, not
    /// matched, because the decoder checks whether they match.
    pub(super) fn find_end(&mut self, text: &[u8]) -> Option<usize> {
        while let Some(unseen) = text.get(self.seen..).filter(|unseen| !unseen.is_empty()) {
            if self.in_string {
                match memchr2(b'"', b'\\', unseen) {
                    None => self.seen = text.len(),
                    Some(at) if unseen.get(at) == Some(&b'\\') => self.seen += at + 2,
                    Some(at) => {
                        self.seen += at + 1;
                        self.in_string = false;
                        if self.depth == 0 {
                            return Some(self.seen);
                        }
                    }
                }
                continue;
            }
            for byte in unseen {
                self.seen += 1;
                match byte {
                    b'"' => {
                        self.in_string = true;
                        break;
                    }
                    b'[' | b'{' => {
                        self.depth += 1;
                        self.values += 1;
                    }
                    b']' | b'}' if self.depth == 1 => return Some(self.seen),
                    b',' | b']' | b'}' | b':' | b' ' | b'\n' | b'\r' | b'\t' if self.depth == 0 => {
                        return Some(self.seen - 1);
                    }
                    b']' | b'}' => self.depth -= 1,
                    b',' => self.values += 1,
                    _ => {}
                }
            }
        }
        None
    }
}

/// Returns whether large JSON has suspiciously many values for its length, such as `[0,0,0]`.
///
/// Each decoded value takes some thirty bytes of memory, however short its text is. No server
/// writes values of fewer than six bytes on average.
pub(super) fn is_too_dense(bytes: u64, values: u64) -> bool {
    const SMALL: u64 = 64 << 10;
    const SHORTEST: u64 = 6;
    bytes > SMALL && bytes / SHORTEST < values
}

/// Returns [`is_too_dense`] for a complete document.
pub(crate) fn consists_of_too_many_values(json: &[u8]) -> bool {
    // Starts so deep that no bracket ends the search.
    let mut scan = Scan { depth: usize::MAX / 2, ..Scan::default() };
    scan.find_end(json);
    is_too_dense(json.len() as u64, scan.values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            r#"[a\\"\[\]{},: é]{0,6}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(r#"[a\\"{]{0,3}"#, inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn refuses_a_response_that_is_almost_all_brackets_and_commas() {
        for piece in ["0,", "{},", "[],", "[[0]],", r#""","#] {
            assert!(consists_of_too_many_values(format!("[{}0]", piece.repeat(100_000)).as_bytes()), "{piece}");
        }
        for piece in [r#""[[,,,[[","#, r#""\"[,,,","#, r#"{"a":"text"},"#] {
            assert!(!consists_of_too_many_values(format!("[{}0]", piece.repeat(20_000)).as_bytes()), "{piece}");
        }
    }

    proptest! {
        #[test]
        fn finds_the_end_of_a_value_at_any_split(value in value(), cuts in prop::collection::vec(0..100_usize, 0..8)) {
            let json = value.to_string();
            let whole = format!("{json},");
            let mut arrived: Vec<usize> = cuts.iter().map(|cut| cut * whole.len() / 100).collect();
            arrived.sort_unstable();
            let mut scan = Scan::default();

            let early = arrived.iter().find_map(|cut| scan.find_end(&whole.as_bytes()[..*cut]));
            let end = early.or_else(|| scan.find_end(whole.as_bytes()));

            prop_assert_eq!(end, Some(json.len()));
        }
    }
}
