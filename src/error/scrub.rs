//! Text from outside as an error may keep and show it.

/// The longest server text that an error keeps, in bytes.
pub(super) const EXCERPT: usize = 2048;

/// Text without what may be a secret: the given texts, and whatever stands behind the names of headers that carry one.
fn scrub(text: &str, secrets: &[&str]) -> String {
    const MARK: &str = "[redacted]";
    let mut out = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        out = hide(&out, secret, MARK);
    }
    for name in ["x-amz-security-token", "authorization"] {
        out = scrub_after(&out, name, MARK);
    }
    out
}

/// Replaces a secret, and a beginning of it: who quotes an excerpt may quote nearly all of it.
fn hide(text: &str, secret: &str, mark: &str) -> String {
    const TELLING: usize = 8;
    let beginning = secret.get(..TELLING).unwrap_or(secret);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, found)) = rest.find(beginning).and_then(|at| rest.split_at_checked(at)) {
        let common = found.bytes().zip(secret.bytes()).take_while(|(a, b)| a == b).count();
        out.push_str(before);
        out.push_str(mark);
        rest = found.get(found.floor_char_boundary(common)..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Replaces the value behind `name:` or `name=`, in any case, up to the end of its line or the closing quote.
fn scrub_after(text: &str, name: &str, mark: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = lower.get(at..).and_then(|rest| rest.find(name)) {
        let end_of_name = at + found + name.len();
        let Some(rest) = text.get(end_of_name..) else { break };
        out.push_str(text.get(at..end_of_name).unwrap_or_default());
        at = end_of_name;
        let separator = rest.len() - rest.trim_start_matches(['"', '\'', ' ']).len();
        if rest.get(separator..).is_some_and(|value| value.starts_with([':', '='])) {
            let value = rest.get(separator + 1..).unwrap_or_default();
            let lead = value.len() - value.trim_start_matches(['"', '\'', ' ']).len();
            let body = value.get(lead..).unwrap_or_default();
            // A header's value runs to the end of its line, in a canonical request and in an echoed header alike.
            let length = body.find(['\n', '\r', '"', '\'', '\\', '<']).unwrap_or(body.len());
            out.push_str(rest.get(..separator + 1 + lead).unwrap_or_default());
            out.push_str(mark);
            at = end_of_name + separator + 1 + lead + length;
        }
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// The words of an HTML page or a text, on one line.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut tag = false;
    for c in text.chars() {
        match c {
            '<' => {
                tag = true;
                out.push(' ');
            }
            '>' if tag => tag = false,
            _ if tag => {}
            c => out.push(c),
        }
    }
    if tag {
        // An unclosed bracket: this was no markup.
        text.clone_into(&mut out);
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text from outside as an error shows it: escaped, and cut to a length that a log can bear.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 64;
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{:?}…", text.get(..cut).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Text of the domain as an error keeps it: without secrets, and cut to a length that a log can bear.
pub(crate) fn cleaned(text: &str, secrets: &[&str]) -> String {
    excerpt(&scrub(text, secrets))
}

fn excerpt(text: &str) -> String {
    if text.len() <= EXCERPT {
        return text.to_owned();
    }
    let cut = (0..=EXCERPT).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{}…", text.get(..cut).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoed_secrets_do_not_survive() {
        let echo = "Canonical String should have been\n'PUT\n/x\n\nhost:h\nx-amz-security-token:TOKEN123==\n\nhost'\n Authorization=Basic Og==";
        let text = scrub(echo, &[]);
        assert!(!text.contains("TOKEN123") && !text.contains("Og=="), "{text}");
        assert!(text.contains("host:h"), "{text}");
    }

    #[test]
    fn a_given_secret_is_replaced_wherever_it_stands() {
        assert_eq!(scrub("a s3cr3t b s3cr3t", &["s3cr3t"]), "a [redacted] b [redacted]");
    }

    #[test]
    fn the_beginning_of_a_secret_is_replaced_as_far_as_it_goes() {
        assert_eq!(scrub("'0123456789ab', 0123456é, 01234567é", &["0123456789abcdef"]), "'[redacted]', 0123456é, [redacted]é");
    }

    #[test]
    fn a_long_text_is_cut_and_escaped_in_errors() {
        let shown = quoted(&format!("a\n{}", "ü".repeat(500)));
        assert!(shown.starts_with("\"a\\n") && shown.chars().count() < 80, "{shown}");
    }
}
