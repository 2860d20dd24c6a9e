//! Prepares text from outside for errors: without secrets, cut to a length, on one line.

use aws_smithy_types::base64;

/// How much of a server's text an error keeps, in bytes.
pub(super) const EXCERPT: usize = 2048;
/// How much of a text is searched for secrets, in bytes. This is more than an excerpt, because
/// removing secrets makes room.
const SEARCHED: usize = 8 * EXCERPT;
/// How many nested encodings are decoded.
const ENCODINGS: usize = 8;
/// The replacement of a secret.
const MARK: &str = "[redacted]";

/// Removes what may be a secret, however it is encoded: the given texts, and the values of headers
/// and fields whose names announce a secret.
fn scrub(text: &str, secrets: &[&str]) -> String {
    let needles: Vec<Vec<u8>> = secrets.iter().flat_map(|secret| forms(secret)).collect();
    let mut hidden = vec![false; text.len()];
    let mut decoded = Some(Decoded::new(text));
    for _ in 0..=ENCODINGS {
        let Some(now) = decoded else { break };
        for needle in &needles {
            now.hide_secret(needle, &mut hidden);
        }
        now.hide_fields(&mut hidden);
        decoded = now.decode();
    }
    let mut out = String::with_capacity(text.len());
    let mut hiding = false;
    for (at, c) in text.char_indices() {
        let hide = hidden.get(at..at + c.len_utf8()).is_some_and(|bytes| bytes.contains(&true));
        match (hide, hiding) {
            (true, false) => out.push_str(MARK),
            (true, true) => {}
            (false, _) => out.push(c),
        }
        hiding = hide;
    }
    out
}

/// The texts that reveal a secret: the secret itself, its decoded form, its form in the other
/// alphabet of base64, and the password if it is the base64 of user and password.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    const SHORTEST: usize = 4;
    let mut forms = vec![secret.as_bytes().to_vec(), secret.replace('+', "-").replace('/', "_").into_bytes()];
    let mut decoded = Decoded::new(secret);
    for _ in 0..ENCODINGS {
        let Some(next) = decoded.decode() else { break };
        decoded = next;
    }
    forms.push(decoded.bytes);
    if let Ok(decoded) = base64::decode(secret)
        && let Some(colon) = decoded.iter().position(|&byte| byte == b':')
    {
        forms.push(decoded.get(colon + 1..).unwrap_or_default().to_vec());
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// A text after some layers of encodings were decoded.
struct Decoded {
    bytes: Vec<u8>,
    /// For each byte, the position in the original text. The last element is the end of that text.
    origins: Vec<u32>,
}

impl Decoded {
    fn new(text: &str) -> Self {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self { bytes: text.as_bytes().to_vec(), origins: (0..=length).collect() }
    }

    /// Decodes one more layer. `None` if no encoding is left.
    fn decode(&self) -> Option<Self> {
        let mut to =
            Self { bytes: Vec::with_capacity(self.bytes.len()), origins: Vec::with_capacity(self.origins.len()) };
        let mut at = 0;
        while let Some((&byte, &origin)) = self.bytes.get(at).zip(self.origins.get(at)) {
            at += unescape(self.bytes.get(at..).unwrap_or_default(), &mut to.bytes).unwrap_or_else(|| {
                to.bytes.push(byte);
                1
            });
            to.origins.resize(to.bytes.len(), origin);
        }
        to.origins.extend(self.origins.last());
        (to.bytes.len() < self.bytes.len()).then_some(to)
    }

    fn hide(&self, from: usize, to: usize, hidden: &mut [bool]) {
        let origin = |at: usize| self.origins.get(at).map_or(hidden.len(), |&origin| origin as usize);
        let (from, to) = (origin(from), origin(to));
        if let Some(part) = hidden.get_mut(from..to) {
            part.fill(true);
        }
    }

    /// Hides each occurrence of the secret or of its beginning. A server may quote only a part.
    fn hide_secret(&self, secret: &[u8], hidden: &mut [bool]) {
        const SHORTEST_PART: usize = 8;
        let beginning = secret.get(..SHORTEST_PART).unwrap_or(secret);
        let Some(first) = beginning.first() else { return };
        let mut at = 0;
        while let Some(rest) = self.bytes.get(at..)
            && let Some(start) = rest.iter().position(|byte| byte == first)
        {
            let found = rest.get(start..).unwrap_or_default();
            at += start + 1;
            if found.starts_with(beginning) {
                let common = found.iter().zip(secret).take_while(|(a, b)| a == b).count();
                self.hide(at - 1, at - 1 + common, hidden);
                at += common - 1;
            }
        }
    }

    /// Hides the values of headers and fields that carry secrets: `name: value`, `"name":"value"`,
    /// `name=[value]`, `["name","value"]`, `{"name":"name","value":"value"}`,
    /// `<name>value</name>`.
    fn hide_fields(&self, hidden: &mut [bool]) {
        let mut at = 0;
        while let Some(rest) = self.bytes.get(at..)
            && let Some(separator) = rest.iter().position(|byte| matches!(byte, b':' | b'=' | b' ' | b',' | b'>'))
        {
            let before = self.bytes.get(..at + separator).unwrap_or_default();
            let after = rest.get(separator..).unwrap_or_default();
            at += separator + 1;
            if let Some((lead, value)) = secret_value(before, after) {
                let start = at - 1 + lead;
                self.hide(start, start + value, hidden);
                at = start + value;
            }
        }
    }
}

/// Whether this text ends with a name that announces a secret. Case is ignored, and words may be
/// separated by `-`, by `_` or not at all.
fn names_a_secret(before: &[u8]) -> bool {
    const NAMES: [&str; 24] = [
        "authorization",
        "-token",
        "accesstoken",
        "authtoken",
        "idtoken",
        "refreshtoken",
        "securitytoken",
        "sessiontoken",
        "api-key",
        "apikey",
        "private-key",
        "privatekey",
        "secret-key",
        "secretkey",
        "secret-access-key",
        "secretaccesskey",
        "client-secret",
        "clientsecret",
        "cookie",
        "cookies",
        "passphrase",
        "passwd",
        "password",
        "credentials",
    ];
    let same = |byte: u8, letter: u8| byte.eq_ignore_ascii_case(&letter) || (letter == b'-' && byte == b'_');
    NAMES.iter().any(|name| {
        let end = before.len().checked_sub(name.len()).and_then(|start| before.get(start..));
        end.is_some_and(|end| end.iter().zip(name.bytes()).all(|(&byte, letter)| same(byte, letter)))
    })
}

/// The offset of a secret value from the separator before it, and the length of the value.
fn secret_value(before: &[u8], after: &[u8]) -> Option<(usize, usize)> {
    /// How many bytes of white space and escaped quotes may separate a name from its value.
    const GAP: usize = 24;
    const SCHEMES: [&[u8]; 6] = [b"basic ", b"bearer ", b"apikey ", b"digest ", b"negotiate ", b"aws4-hmac-sha256 "];
    const FIELD: &[u8] = b"value";
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'' | b'\\' | b' ' | b'\t');
    let is_lead = |byte: &u8| is_quote(byte) || matches!(byte, b'[' | b'{' | b'>' | b':');
    let gap = before.iter().rev().take(GAP).take_while(|byte| is_quote(byte)).count();
    if !names_a_secret(before.get(..before.len() - gap)?) {
        return None;
    }
    let lead_from = |from: usize| from + after.iter().skip(from).take(GAP).take_while(|byte| is_lead(byte)).count();
    let begins = |at: usize, word: &[u8]| {
        after.get(at..).and_then(|value| value.get(..word.len())).is_some_and(|found| found.eq_ignore_ascii_case(word))
    };
    let mut from = 1;
    let mut lead = lead_from(from);
    match after.first()? {
        b' ' if gap > 0 || !SCHEMES.iter().any(|scheme| begins(lead, scheme)) => return None,
        b',' if gap == 0 => return None,
        b',' if begins(lead, FIELD) => {
            from = lead + FIELD.len();
            lead = lead_from(from);
        }
        _ => {}
    }
    let opening = after.get(from..lead)?;
    let closing = match opening.iter().find(|byte| matches!(byte, b'[' | b'{')) {
        Some(b'[') => Some(b']'),
        Some(_) => Some(b'}'),
        None => opening.iter().rfind(|byte| matches!(byte, b'"' | b'\'')).copied(),
    };
    // A header's value extends to the end of its line.
    let ends = |byte: &u8| match closing {
        _ if matches!(byte, b'\n' | b'\r') => true,
        Some(closing) => *byte == closing,
        None => matches!(byte, b'"' | b'\'' | b'\\' | b'<'),
    };
    let value = after.get(lead..)?;
    Some((lead, value.iter().position(ends).unwrap_or(value.len())))
}

/// Decodes an escape sequence of JSON, URLs or HTML at the beginning of the text, and returns its
/// length.
fn unescape(text: &[u8], into: &mut Vec<u8>) -> Option<usize> {
    match text {
        [b'%', high, low, ..] => {
            into.push(hex(&[*high, *low])?.try_into().ok()?);
            Some(3)
        }
        [b'\\', b'x' | b'X', high, low, ..] => {
            into.push(hex(&[*high, *low])?.try_into().ok()?);
            Some(4)
        }
        [b'\\', b'u', digits @ ..] => {
            let first = hex(digits.get(..4)?)?;
            let second = digits.get(4..).and_then(|rest| hex(rest.strip_prefix(b"\\u")?.get(..4)?));
            let (code, length) = match (first, second) {
                (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
                    (0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00), 12)
                }
                _ => (first, 6),
            };
            push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), into);
            Some(length)
        }
        [b'\\', letter, ..] => {
            into.push(match letter {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                letter if letter.is_ascii_punctuation() => *letter,
                _ => return None,
            });
            Some(2)
        }
        [b'&', rest @ ..] => {
            /// The longest entity between `&` and `;`, in bytes.
            const ENTITY: usize = 10;
            let end = rest.iter().take(ENTITY + 1).position(|&byte| byte == b';')?;
            push(entity(std::str::from_utf8(rest.get(..end)?).ok()?)?, into);
            Some(end + 2)
        }
        _ => None,
    }
}

fn push(c: char, into: &mut Vec<u8>) {
    into.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |number, &digit| Some((number << 4) | char::from(digit).to_digit(16)?))
}

/// The character of an HTML entity, if encoders use the entity for ASCII.
fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "sol" => '/',
        "bsol" => '\\',
        "plus" => '+',
        "equals" => '=',
        "colon" => ':',
        "percnt" => '%',
        "num" => '#',
        "dollar" => '$',
        "excl" => '!',
        "commat" => '@',
        "ast" => '*',
        "lowbar" => '_',
        "nbsp" => ' ',
        "NewLine" => '\n',
        _ => return None,
    })
}

/// The text of an HTML page, without tags and on one line. Other text stays, on one line.
pub(super) fn plain(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let mut tag = false;
    for c in text.chars() {
        match c {
            '<' => {
                tag = true;
                words.push(' ');
            }
            '>' if tag => tag = false,
            _ if tag => {}
            c => words.push(c),
        }
    }
    // A bracket was not closed, so this is not markup.
    let words = if tag { text } else { &words };
    let mut out = String::with_capacity(words.len());
    for word in words.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// Quotes and escapes text from outside for an error, and cuts it to 64 characters.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 64;
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{:?}…", text.get(..cut).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Removes secrets from a text of the domain, and cuts it to the length that an error keeps.
pub(crate) fn cleaned(text: &str, secrets: &[&str]) -> String {
    let searched = text.get(..text.floor_char_boundary(SEARCHED)).unwrap_or_default();
    let mut out = scrub(searched, secrets);
    if out.len() > EXCERPT || searched.len() < text.len() {
        out.truncate(out.floor_char_boundary(EXCERPT));
        out.push('…');
    }
    out
}

/// Puts text on one line of at most `limit` bytes. Escapes characters that would break the line or
/// reverse its direction.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    const MORE: char = '…';
    let mut out = String::new();
    for c in text.chars() {
        let before = out.len();
        match c {
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                out.extend(c.escape_unicode());
            }
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
        if out.len() > limit {
            out.truncate(out.floor_char_boundary(before.min(limit.saturating_sub(MORE.len_utf8()))));
            if out.len() + MORE.len_utf8() <= limit {
                out.push(MORE);
            }
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn removes_secrets_from_an_echoed_request() {
        let echo = "Canonical String should have been\n'PUT\n/x\n\nhost:h\nx-amz-security-token:TOKEN123==\n\nhost'\n Authorization=Basic Og==";
        let text = scrub(echo, &[]);
        assert!(!text.contains("TOKEN123") && !text.contains("Og=="), "{text}");
        assert!(text.contains("host:h"), "{text}");
    }

    #[test]
    fn replaces_every_occurrence_of_a_secret() {
        assert_eq!(scrub("a s3cr3t b s3cr3t", &["s3cr3t"]), "a [redacted] b [redacted]");
    }

    #[test]
    fn replaces_the_beginning_of_a_secret_as_far_as_it_matches() {
        assert_eq!(
            scrub("'0123456789ab', 0123456é, 01234567é", &["0123456789abcdef"]),
            "'[redacted]', 0123456é, [redacted]é"
        );
    }

    #[test]
    fn quotes_a_long_text_cut_and_escaped() {
        let shown = quoted(&format!("a\n{}", "ü".repeat(500)));
        assert!(shown.starts_with("\"a\\n") && shown.chars().count() < 80, "{shown}");
    }

    #[test]
    fn one_line_escapes_line_breaks_and_direction_marks_and_respects_its_limit() {
        assert_eq!(
            one_line("a\nb\r\u{1b}[2Jc\u{2028}\u{202e}d\u{85}é", 100),
            r"a\nb\r\u{1b}[2Jc\u{2028}\u{202e}d\u{85}é"
        );
        for limit in 0..40 {
            let shown = one_line("é\n\u{1b}ü…\u{202e}".repeat(9).as_str(), limit);
            assert!(shown.len() <= limit, "{limit}: {shown}");
        }
    }

    #[test]
    fn removes_the_password_of_a_basic_header_in_plain_text() {
        let encoded = base64::encode("master:pass/word:1");
        assert_eq!(scrub("login as master:pass/word:1 failed", &[&encoded]), "login as master:[redacted] failed");
    }

    #[test]
    fn removes_a_secret_in_the_other_alphabet_of_base64() {
        assert_eq!(scrub("got ab-cd_ef-gh_12==.", &["ab+cd/ef+gh/12=="]), "got [redacted].");
    }

    #[test]
    fn removes_values_of_secret_headers_in_every_form() {
        for (text, expected) in [
            ("Authorization: Basic Zm9v\nhost: h", "Authorization: [redacted]\nhost: h"),
            (r#"{"authorization":"Basic Zm9v","host":"h"}"#, r#"{"authorization":"[redacted]","host":"h"}"#),
            (
                r#"{"Proxy-Authorization":["Basic Zm9v","Basic YmFy"],"a":1}"#,
                r#"{"Proxy-Authorization":["[redacted]],"a":1}"#,
            ),
            ("{Cookie=[sid='abc'; x=y], Host=[h]}", "{Cookie=[[redacted]], Host=[h]}"),
            (r#""cookie":"a='b'; c=d","e":1"#, r#""cookie":"[redacted]","e":1"#),
            ("x-api-key=abc", "x-api-key=[redacted]"),
            ("API_KEY = abc", "API_KEY = [redacted]"),
            ("'x-amz-security-token' => 'abc'", "'x-amz-security-token' => '[redacted]'"),
            (r"authorization%3A%20Basic%20Zm9v%2Fab%0Ahost", r"authorization%3A%20[redacted]%0Ahost"),
            (r"\u0061uthorization\u003a Basic Zm9v\/ab\nhost", r"\u0061uthorization\u003a [redacted]\nhost"),
            (r#"{\"authorization\":\"Basic Zm9v\\/ab\",\"h\":1}"#, r#"{\"authorization\":\"[redacted]",\"h\":1}"#),
            ("{&quot;x-api-key&quot;:&quot;abc&quot;,", "{&quot;x-api-key&quot;:&quot;[redacted]&quot;,"),
            ("Authorization Basic Zm9v", "Authorization [redacted]"),
            (r#"{"authorization":{"value":"Basic Zm9v"},"a":1}"#, r#"{"authorization":{"[redacted]},"a":1}"#),
            (r#"["Host","h","Authorization","Basic Zm9v"]"#, r#"["Host","h","Authorization","[redacted]"]"#),
            (r#"{"name":"Cookie","value":"a=b; c"},{"x":1}"#, r#"{"name":"Cookie","value":"[redacted]"},{"x":1}"#),
            ("('X-Api-Key', 'abc'), ('a', 'b')", "('X-Api-Key', '[redacted]'), ('a', 'b')"),
            ("<authorization>Basic Zm9v</authorization>", "<authorization>[redacted]</authorization>"),
        ] {
            assert_eq!(scrub(text, &[]), expected);
        }
    }

    #[test]
    fn keeps_texts_that_only_resemble_names_of_secrets() {
        for text in [
            "Authorization header requires 'Credential' parameter.",
            "The security token included in the request is expired",
            "unexpected token: START_OBJECT",
            "[r] path [a%20b] is not accessible: 50% & more\\d",
        ] {
            assert_eq!(scrub(text, &["wJalrXUtnFEMI"]), text);
        }
    }

    #[test]
    fn cleans_hostile_texts_in_linear_time() {
        let secret = "a".repeat(1000);
        for piece in [
            "a",
            ":",
            "=",
            "\\",
            "%25",
            "&amp;",
            "\\u005c",
            "authorization",
            "authorization:",
            "'cookie',",
            "\" ",
            "aaaaaaab",
        ] {
            let text = piece.repeat(64 * 1024 / piece.len());
            assert!(cleaned(&text, &[&secret, "aaaaaaaab", &text]).len() <= EXCERPT + 3);
        }
    }

    fn json(text: &str) -> String {
        serde_json::to_string(text).unwrap().trim_matches('"').replace('/', "\\/")
    }

    fn json_of_codes(text: &str) -> String {
        text.encode_utf16().fold(String::new(), |coded, unit| format!("{coded}\\u{unit:04x}"))
    }

    fn percent(text: &str) -> String {
        utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
    }

    fn html(text: &str) -> String {
        text.replace('&', "&amp;")
            .replace('/', "&#x2F;")
            .replace('=', "&#61;")
            .replace('+', "&plus;")
            .replace('"', "&quot;")
    }

    const ENCODERS: [fn(&str) -> String; 4] = [json, json_of_codes, percent, html];

    proptest! {
        #[test]
        fn removes_a_secret_under_nested_encodings(
            secret in r#"[a-zA-Z0-9][a-zA-Z0-9/+="\\%&;:é_ -]{6,40}[a-zA-Z0-9]"#,
            layers in prop::collection::vec(0..ENCODERS.len(), 0..4),
        ) {
            let mut echo = format!("was: {secret}\nend");
            for &encoder in &layers {
                echo = ENCODERS[encoder](&echo);
            }

            let shown = scrub(&echo, &[&secret]);

            let mut decoded = Decoded::new(&shown);
            while let Some(next) = decoded.decode() {
                decoded = next;
            }
            let text = String::from_utf8_lossy(&decoded.bytes);
            prop_assert!(!shown.contains(&secret) && !text.contains(&secret) && shown.contains(MARK), "{echo}: {shown}");
        }

        #[test]
        fn removes_the_value_of_a_secret_header_under_nested_encodings(
            name in "(authorization|Proxy-Authorization|x-amz-security-token|X-Api-Key|cookie)",
            value in "[a-zA-Z0-9/+]{12,40}={0,2}",
            as_json in any::<bool>(),
            layers in prop::collection::vec(0..ENCODERS.len(), 0..4),
        ) {
            let mut echo = if as_json { format!("{{\"{name}\":\"{value}\"}}") } else { format!("{name}: {value}\nhost: h") };
            for &encoder in &layers {
                echo = ENCODERS[encoder](&echo);
            }

            let shown = scrub(&echo, &[]);

            let mut decoded = Decoded::new(&shown);
            while let Some(next) = decoded.decode() {
                decoded = next;
            }
            prop_assert!(!String::from_utf8_lossy(&decoded.bytes).contains(&value), "{echo}: {shown}");
        }

        #[test]
        fn keeps_a_text_without_secrets(text in "[a-z \\[\\].]{0,200}") {
            prop_assert_eq!(scrub(&text, &["NOT-IN-THERE"]), text);
        }
    }
}
