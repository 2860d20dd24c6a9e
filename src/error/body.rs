//! The body of a failed response. It is parsed as a stream, so a body that is cut off or malformed
//! still yields the fields before the defect. Only what an error keeps is held in memory.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How much of an error's body is received and parsed, in bytes. The type and the reason come first
/// and are shorter.
pub(crate) const ERROR_BODY: usize = 64 << 10;
/// How many causes are kept.
const CAUSES: usize = 32;
/// How deep causes are parsed. `serde_json` gives up at 128 levels.
const DEPTH: usize = 32;

/// The fields of a body from which its layer, type and reason are determined.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ParsedBody {
    pub(super) is_object: bool,
    pub(super) error: Option<ErrorField>,
    /// `Message`.
    pub(super) policy: Option<String>,
    /// `message` or the equivalent of another front end, at the top or within `error`.
    pub(super) message: Option<String>,
    pub(super) has_status: bool,
    /// `status` as a word, such as `NOT_FOUND`.
    pub(super) status: Option<String>,
    /// Whether there are fields that the engine never writes.
    pub(super) has_others: bool,
    /// The error and its causes. Each one precedes its own causes.
    pub(super) causes: Vec<Cause>,
    /// The first element of `root_cause`. The engine writes it before the error's own type.
    pub(super) root: Option<Cause>,
    /// How many causes were not kept.
    pub(super) left_out: usize,
}

#[derive(Debug, PartialEq)]
pub(super) enum ErrorField {
    Text(String),
    Object,
}

/// An exception: the error itself, or one of its causes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) error_type: Option<String>,
    pub(super) reason: String,
    /// Whether this is the error itself, or only `caused_by` leads from the error to it.
    pub(super) is_direct: bool,
}

impl ParsedBody {
    /// Parses a JSON object, or as much of it as there is.
    pub(super) fn parse(text: &str) -> Self {
        let mut body = Self::default();
        if text.trim_start().starts_with('{') {
            let text = closed(text);
            let mut json = serde_json::Deserializer::from_str(&text);
            // The fields before a defect are kept, so the error is ignored.
            let _ = json.deserialize_any(Fields(&mut body));
        }
        body
    }
}

/// The text with its last string closed, so that a string in which the body ends can be parsed.
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
        // Half of a surrogate pair would be invalid.
        let half =
            end.checked_sub(ESCAPE).and_then(|start| text.get(start..end)).unwrap_or_default().to_ascii_lowercase();
        if half.starts_with("\\ud") {
            end -= ESCAPE;
        }
    }
    Cow::Owned(format!("{}\"", text.get(..end).unwrap_or_default()))
}

/// Deserialises the name of a field: `None` unless it is one of these.
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
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|known| **known == name).copied())
    }
}

/// The methods of a visitor that ignore values of other types.
macro_rules! ignores {
    ($de:lifetime: $($method:ident($type:ty)),*) => {
        $(fn $method<E: Error>(self, _: $type) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        })*

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
}

fn ignore_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn ignore_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// A value that is kept if it is a string.
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
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        ignore_map(map).map(|()| None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        ignore_seq(seq).map(|()| None)
    }

    ignores! { 'de: visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64) }
}

/// The fields of the whole body.
struct Fields<'a>(&'a mut ParsedBody);

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        const NAMES: &[&str] = &["error", "Message", "message", "error_description", "detail", "status"];
        let body = self.0;
        while let Some(name) = map.next_key_seed(Name(NAMES))? {
            body.is_object = true;
            body.has_others |= !matches!(name, Some("error" | "Message" | "message" | "status"));
            match name {
                Some("error") => map.next_value_seed(ErrorSeed(body))?,
                Some("Message") => body.policy = map.next_value::<Text>()?.0,
                Some("status") => {
                    body.has_status = true;
                    body.status = map.next_value::<Text>()?.0;
                }
                Some(_) => {
                    let text = map.next_value::<Text>()?.0;
                    body.message = body.message.take().or(text);
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The field `error`.
struct ErrorSeed<'a>(&'a mut ParsedBody);

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
        CauseSeed { body: self.0, depth: 0, is_direct: true }.visit_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        ignore_seq(seq)
    }

    ignores! { 'de: visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64) }
}

/// One exception with those that caused it.
struct CauseSeed<'a> {
    body: &'a mut ParsedBody,
    depth: usize,
    is_direct: bool,
}

impl<'de> DeserializeSeed<'de> for CauseSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth > DEPTH {
            self.body.left_out += 1;
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
        let Self { body, depth, is_direct } = self;
        let place = body.causes.len();
        if place <= CAUSES {
            body.causes.push(Cause { is_direct, ..Cause::default() });
        } else {
            body.left_out += 1;
        }
        while let Some(name) = map.next_key_seed(Name(NAMES))? {
            match name {
                Some("caused_by") => map.next_value_seed(CauseSeed { body, depth: depth + 1, is_direct })?,
                Some("suppressed") => map.next_value_seed(Causes { body, depth: depth + 1 })?,
                Some("root_cause") if depth == 0 => map.next_value_seed(Roots(body))?,
                Some("type" | "reason" | "message") => {
                    let text = map.next_value::<Text>()?.0;
                    match (name, body.causes.get_mut(place)) {
                        (Some("type"), Some(cause)) => cause.error_type = text,
                        (Some("reason"), Some(cause)) => cause.reason = text.unwrap_or_default(),
                        (Some("message"), _) if depth == 0 => body.message = body.message.take().or(text),
                        _ => {}
                    }
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        ignore_seq(seq)
    }

    ignores! { 'de: visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str) }
}

/// The list `suppressed`.
struct Causes<'a> {
    body: &'a mut ParsedBody,
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
        let Self { body, depth } = self;
        while seq.next_element_seed(CauseSeed { body, depth, is_direct: false })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        ignore_map(map)
    }

    ignores! { 'de: visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str) }
}

/// The list `root_cause`. Its first element replaces an error whose own type was cut off.
struct Roots<'a>(&'a mut ParsedBody);

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
        // Parsed separately, because it is not counted as a cause.
        let mut first = ParsedBody::default();
        let read = seq.next_element_seed(CauseSeed { body: &mut first, depth: DEPTH, is_direct: true });
        self.0.root = first.causes.into_iter().next();
        if read?.is_some() {
            ignore_seq(seq)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        ignore_map(map)
    }

    ignores! { 'de: visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const TYPE: &str = "snapshot_exception";
    const REASON: &str = "[r:s] a \"quoted\" \\ reason with é, 😀 and a line\nbreak";

    fn cause(of: &ParsedBody, at: usize) -> (Option<&str>, &str) {
        of.causes.get(at).map_or((None, ""), |cause| (cause.error_type.as_deref(), cause.reason.as_str()))
    }

    #[test]
    fn keeps_causes_in_order_and_suppressed_ones_as_indirect() {
        let body = ParsedBody::parse(
            &json!({"error": {"type": "a", "reason": "1", "suppressed": [{"type": "d", "reason": "4"}],
                "caused_by": {"type": "b", "reason": "2", "caused_by": {"type": "c", "reason": "3"}}}})
            .to_string(),
        );
        let mut all: Vec<_> =
            body.causes.iter().map(|cause| (cause.error_type.as_deref().unwrap(), cause.is_direct)).collect();
        all.sort_unstable();
        assert_eq!(all, [("a", true), ("b", true), ("c", true), ("d", false)]);
        assert_eq!(cause(&body, 0), (Some("a"), "1"));
    }

    #[test]
    fn counts_the_causes_that_are_not_kept() {
        let many: Vec<_> = (0..100).map(|n| json!({"type": "t", "reason": n.to_string()})).collect();
        let body = ParsedBody::parse(&json!({"error": {"type": "a", "reason": "r", "suppressed": many}}).to_string());
        assert_eq!((body.causes.len() - 1, body.left_out), (CAUSES, 100 - CAUSES));
    }

    #[test]
    fn deeply_nested_causes_neither_overflow_the_stack_nor_hide_later_fields() {
        for opening in [r#"{"caused_by":"#, r#"{"suppressed":[{"caused_by":"#, "[", r#"{"x":"#] {
            let mut text = r#"{"error":{"caused_by":"#.to_owned();
            text.push_str(&opening.repeat(ERROR_BODY / opening.len()));
            let body = ParsedBody::parse(&text);
            assert!(body.causes.len() <= CAUSES + 1, "{opening}");
        }
        let deep = format!("{}1{}", r#"{"caused_by":"#.repeat(1000), "}".repeat(1000));
        let body = ParsedBody::parse(&format!(r#"{{"error":{{"caused_by":{deep},"type":"{TYPE}"}}}}"#));
        assert_eq!((cause(&body, 0).0, body.left_out > 0), (Some(TYPE), true));
    }

    #[test]
    fn a_root_cause_replaces_a_type_that_was_cut_off() {
        let roots = vec![json!({"type": TYPE, "reason": REASON}); 1000];
        let text = json!({"error": {"root_cause": roots}}).to_string();
        let body = ParsedBody::parse(&text[..ERROR_BODY]);
        assert_eq!(
            body.root.map(|root| (root.error_type.unwrap(), root.reason)),
            Some((TYPE.to_owned(), REASON.to_owned()))
        );
    }

    proptest! {
        #[test]
        fn a_body_that_is_cut_anywhere_yields_the_fields_before_the_cut(cut in 0_usize..300, ascii in any::<bool>()) {
            let mut whole = format!(r#"{{"error":{{"type":"{TYPE}","reason":{}}},"status":500}}"#, json!(REASON));
            if ascii {
                whole = whole.replace('😀', "\\ud83d\\ude00").replace('é', "\\u00e9");
            }
            let cut = whole.floor_char_boundary(cut.min(whole.len()));

            let body = ParsedBody::parse(&whole[..cut]);

            let (error_type, reason) = cause(&body, 0);
            let at = |text: &str| whole.find(text).unwrap() + text.len();
            if cut >= at(TYPE) {
                prop_assert_eq!(error_type, Some(TYPE));
            }
            prop_assert!(REASON.starts_with(reason), "{}", reason);
            // An escape sequence that was cut is dropped.
            let least = cut.saturating_sub(at("reason\":\"") + 12 + 6);
            prop_assert!(reason.len() + 20 >= least, "{} of {}", reason.len(), least);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in r#"[{}\[\]",:\\a-z0-9 ]{0,200}"#) {
            ParsedBody::parse(&format!(r#"{{"error":{text}"#));
        }
    }
}
