//! The body of a failed response, read as a stream: only what an error keeps is held, and what
//! comes before a flaw counts.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The most of an error's body that is received and read, in bytes. What an engine says of itself
/// comes first and is shorter.
pub(crate) const ERROR_BODY: usize = 64 << 10;
/// The most causes that are kept.
const CAUSES: usize = 32;
/// How deep causes are read; `serde_json` itself gives up at 128 levels.
const DEPTH: usize = 32;

/// What a body says in the fields that some layer's errors have.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) is_object: bool,
    pub(super) error: Option<ErrorField>,
    /// `Message`.
    pub(super) policy: Option<String>,
    /// `message`, or what else front ends call it; also within `error`.
    pub(super) message: Option<String>,
    pub(super) has_status: bool,
    /// `status` as a word, such as `NOT_FOUND`.
    pub(super) status: Option<String>,
    /// Whether there are fields that no engine's error has.
    pub(super) has_others: bool,
    /// The error and its causes, each before those below it.
    pub(super) causes: Vec<Cause>,
    /// The first of the `root_cause`, which stands before the error's own words.
    pub(super) root: Option<Cause>,
    /// How many causes are not kept.
    pub(super) left_out: usize,
}

#[derive(Debug, PartialEq)]
pub(super) enum ErrorField {
    Text(String),
    Object,
}

/// An exception: the error itself, or what caused it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) error_type: Option<String>,
    pub(super) reason: String,
    /// Whether it is the error, or reached from it by `caused_by` alone.
    pub(super) is_direct: bool,
}

impl Said {
    /// Reads a JSON object, or as much of it as there is.
    pub(super) fn read(text: &str) -> Self {
        let mut said = Self::default();
        if text.trim_start().starts_with('{') {
            let text = closed(text);
            let mut json = serde_json::Deserializer::from_str(&text);
            // A flaw, or the end at the cap, takes nothing from what came before it.
            let _ = json.deserialize_any(Fields(&mut said));
        }
        said
    }
}

/// The text with its last string closed, so that one in which the body was cut off can be read.
fn closed(text: &str) -> Cow<'_, str> {
    /// The length of `\u0000`.
    const ESCAPE: usize = 6;
    let mut in_string = false;
    let mut escaped_at = None;
    let mut escaping = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaping => escaping = false,
            b'\\' if in_string => (escaping, escaped_at) = (true, Some(at)),
            b'"' => in_string = !in_string,
            _ => {}
        }
    }
    if !in_string {
        return Cow::Borrowed(text);
    }
    let mut end = text.len();
    if let Some(at) = escaped_at.filter(|at| at + ESCAPE >= end) {
        end = at;
        // Nor may half of a surrogate pair be left.
        let half =
            end.checked_sub(ESCAPE).and_then(|start| text.get(start..end)).unwrap_or_default().to_ascii_lowercase();
        if half.starts_with("\\ud") {
            end -= ESCAPE;
        }
    }
    Cow::Owned(format!("{}\"", text.get(..end).unwrap_or_default()))
}

/// A name of a field, if it is one of these.
struct Name(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|known| **known == name).copied())
    }
}

/// The methods of a visitor that pass over what it has no use for.
macro_rules! passes_over {
    ($de:lifetime: $($method:ident($type:ty)),*) => {
        $(fn $method<E: Error>(self, _: $type) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        })*

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
}

fn pass_over_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn pass_over_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// A value that is kept if it is a text.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        pass_over_map(map).map(|()| None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        pass_over_seq(seq).map(|()| None)
    }

    passes_over! { 'de: visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64) }
}

/// The fields of the whole body.
struct Fields<'a>(&'a mut Said);

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        const NAMES: &[&str] = &["error", "Message", "message", "error_description", "detail", "status"];
        let said = self.0;
        while let Some(name) = map.next_key_seed(Name(NAMES))? {
            said.is_object = true;
            said.has_others |= !matches!(name, Some("error" | "Message" | "message" | "status"));
            match name {
                Some("error") => map.next_value_seed(ErrorSeed(said))?,
                Some("Message") => said.policy = map.next_value::<Text>()?.0,
                Some("status") => {
                    said.has_status = true;
                    said.status = map.next_value::<Text>()?.0;
                }
                Some(_) => {
                    let text = map.next_value::<Text>()?.0;
                    said.message = said.message.take().or(text);
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The field `error`.
struct ErrorSeed<'a>(&'a mut Said);

impl<'de> DeserializeSeed<'de> for ErrorSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ErrorSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.error = Some(ErrorField::Text(text.to_owned()));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.0.error = Some(ErrorField::Object);
        CauseSeed { said: self.0, depth: 0, is_direct: true }.visit_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        pass_over_seq(seq)
    }

    passes_over! { 'de: visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64) }
}

/// One exception with those that caused it.
struct CauseSeed<'a> {
    said: &'a mut Said,
    depth: usize,
    is_direct: bool,
}

impl<'de> DeserializeSeed<'de> for CauseSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth > DEPTH {
            self.said.left_out += 1;
            return IgnoredAny::deserialize(deserializer).map(drop);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CauseSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an exception")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        const NAMES: &[&str] = &["type", "reason", "message", "root_cause", "caused_by", "suppressed"];
        let Self { said, depth, is_direct } = self;
        let place = said.causes.len();
        if place <= CAUSES {
            said.causes.push(Cause { is_direct, ..Cause::default() });
        } else {
            said.left_out += 1;
        }
        while let Some(name) = map.next_key_seed(Name(NAMES))? {
            match name {
                Some("caused_by") => map.next_value_seed(CauseSeed { said, depth: depth + 1, is_direct })?,
                Some("suppressed") => map.next_value_seed(Causes { said, depth: depth + 1 })?,
                Some("root_cause") if depth == 0 => map.next_value_seed(Roots(said))?,
                Some("type" | "reason" | "message") => {
                    let text = map.next_value::<Text>()?.0;
                    match (name, said.causes.get_mut(place)) {
                        (Some("type"), Some(cause)) => cause.error_type = text,
                        (Some("reason"), Some(cause)) => cause.reason = text.unwrap_or_default(),
                        (Some("message"), _) if depth == 0 => said.message = said.message.take().or(text),
                        _ => {}
                    }
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        pass_over_seq(seq)
    }

    passes_over! { 'de: visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str) }
}

/// The list of what else went wrong.
struct Causes<'a> {
    said: &'a mut Said,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Causes<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Causes<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("exceptions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { said, depth } = self;
        while seq.next_element_seed(CauseSeed { said, depth, is_direct: false })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        pass_over_map(map)
    }

    passes_over! { 'de: visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str) }
}

/// The list of root causes, of which the first stands in for an error whose own words were cut off.
struct Roots<'a>(&'a mut Said);

impl<'de> DeserializeSeed<'de> for Roots<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Roots<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("exceptions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        // Read into a list of its own, so that it counts as no cause.
        let mut first = Said::default();
        let read = seq.next_element_seed(CauseSeed { said: &mut first, depth: DEPTH, is_direct: true });
        self.0.root = first.causes.into_iter().next();
        if read?.is_some() {
            pass_over_seq(seq)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        pass_over_map(map)
    }

    passes_over! { 'de: visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const TYPE: &str = "snapshot_exception";
    const REASON: &str = "[r:s] a \"quoted\" \\ reason with é, 😀 and a line\nbreak";

    fn cause(of: &Said, at: usize) -> (Option<&str>, &str) {
        of.causes.get(at).map_or((None, ""), |cause| (cause.error_type.as_deref(), cause.reason.as_str()))
    }

    #[test]
    fn causes_come_outermost_first_with_what_is_suppressed_behind() {
        let said = Said::read(
            &json!({"error": {"type": "a", "reason": "1", "suppressed": [{"type": "d", "reason": "4"}],
                "caused_by": {"type": "b", "reason": "2", "caused_by": {"type": "c", "reason": "3"}}}})
            .to_string(),
        );
        let mut all: Vec<_> =
            said.causes.iter().map(|cause| (cause.error_type.as_deref().unwrap(), cause.is_direct)).collect();
        all.sort_unstable();
        assert_eq!(all, [("a", true), ("b", true), ("c", true), ("d", false)]);
        assert_eq!(cause(&said, 0), (Some("a"), "1"));
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let many: Vec<_> = (0..100).map(|n| json!({"type": "t", "reason": n.to_string()})).collect();
        let said = Said::read(&json!({"error": {"type": "a", "reason": "r", "suppressed": many}}).to_string());
        assert_eq!((said.causes.len() - 1, said.left_out), (CAUSES, 100 - CAUSES));
    }

    #[test]
    fn causes_that_are_nested_without_end_neither_overflow_the_stack_nor_hide_what_follows() {
        for opening in [r#"{"caused_by":"#, r#"{"suppressed":[{"caused_by":"#, "[", r#"{"x":"#] {
            let mut text = r#"{"error":{"caused_by":"#.to_owned();
            text.push_str(&opening.repeat(ERROR_BODY / opening.len()));
            let said = Said::read(&text);
            assert!(said.causes.len() <= CAUSES + 1, "{opening}");
        }
        let deep = format!("{}1{}", r#"{"caused_by":"#.repeat(1000), "}".repeat(1000));
        let said = Said::read(&format!(r#"{{"error":{{"caused_by":{deep},"type":"{TYPE}"}}}}"#));
        assert_eq!((cause(&said, 0).0, said.left_out > 0), (Some(TYPE), true));
    }

    #[test]
    fn a_root_cause_stands_in_for_words_that_were_cut_off() {
        let roots = vec![json!({"type": TYPE, "reason": REASON}); 1000];
        let text = json!({"error": {"root_cause": roots}}).to_string();
        let said = Said::read(&text[..ERROR_BODY]);
        assert_eq!(
            said.root.map(|root| (root.error_type.unwrap(), root.reason)),
            Some((TYPE.to_owned(), REASON.to_owned()))
        );
    }

    proptest! {
        #[test]
        fn a_body_that_is_cut_anywhere_yields_the_words_before_the_cut(cut in 0_usize..300, ascii in any::<bool>()) {
            let mut whole = format!(r#"{{"error":{{"type":"{TYPE}","reason":{}}},"status":500}}"#, json!(REASON));
            if ascii {
                whole = whole.replace('😀', "\\ud83d\\ude00").replace('é', "\\u00e9");
            }
            let cut = whole.floor_char_boundary(cut.min(whole.len()));

            let said = Said::read(&whole[..cut]);

            let (error_type, reason) = cause(&said, 0);
            let at = |text: &str| whole.find(text).unwrap() + text.len();
            if cut >= at(TYPE) {
                prop_assert_eq!(error_type, Some(TYPE));
            }
            prop_assert!(REASON.starts_with(reason), "{}", reason);
            // Of a character that is written as an escape nothing is kept if it was cut.
            let least = cut.saturating_sub(at("reason\":\"") + 12 + 6);
            prop_assert!(reason.len() + 20 >= least, "{} of {}", reason.len(), least);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in r#"[{}\[\]",:\\a-z0-9 ]{0,200}"#) {
            Said::read(&format!(r#"{{"error":{text}"#));
        }
    }
}
