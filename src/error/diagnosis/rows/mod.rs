//! The table of causes: by what each is recognised, and what helps. The first row that matches
//! counts.

mod access;
mod connect;
mod front;
mod restore;
mod snapshot;

use super::seen::{Seen, Text};
use super::{Basis, Cause, ErrorKind, ServerLayer};
use crate::error::ServerError;

/// A cause, by what it is recognised, and what helps. An empty list permits everything.
pub(super) struct Row {
    pub(super) cause: Cause,
    pub(super) basis: Basis,
    source: Source,
    kinds: &'static [ErrorKind],
    statuses: &'static [u16],
    /// The types of the server's exceptions.
    types: &'static [&'static str],
    /// Phrases, one of which the text contains. `…` stands for any text. Quoted text is left out on
    /// both sides. Each phrase has white space, which no name of a repository, snapshot or index
    /// has.
    texts: &'static [&'static str],
    when: fn(&Seen<'_>) -> bool,
    /// Texts that the documentation shows instead of `texts`.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares the documentation with it"))]
    shown: &'static [&'static str],
    /// What the documentation adds to the texts.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares the documentation with it"))]
    note: &'static str,
    /// The cause in one sentence. `{…}` is a name: see `Seen::value`.
    pub(super) why: &'static str,
    /// What helps.
    pub(super) action: &'static str,
}

/// Where the text of a row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Any text.
    Any,
    /// This client, without a response.
    Client,
    Policy,
    Signature,
    Authentication,
    Gateway,
    /// The engine's own exception.
    Engine,
    /// The engine's exception, or one of its causes.
    Cause,
}

const ANY: Row = Row {
    cause: Cause::Blocked,
    basis: Basis::Documented,
    source: Source::Any,
    kinds: &[],
    statuses: &[],
    types: &[],
    texts: &[],
    when: |_| true,
    shown: &[],
    note: "",
    why: "",
    action: "",
};

impl Row {
    pub(super) fn matches(&self, seen: &Seen<'_>) -> bool {
        let status = seen.server.map_or(0, ServerError::status);
        self.source.matches(seen.server.map(ServerError::layer))
            && (self.kinds.is_empty() || self.kinds.contains(&seen.error.kind()))
            && (self.statuses.is_empty() || self.statuses.contains(&status))
            && self.texts_of(seen).any(|text| self.fits(text))
            && (self.when)(seen)
    }

    /// The texts that may have the type and the phrases of the row.
    fn texts_of<'s>(&self, seen: &'s Seen<'_>) -> impl Iterator<Item = &'s Text<'s>> {
        let count = match self.source {
            Source::Cause | Source::Client => seen.texts().len(),
            _ => 1,
        };
        seen.texts().iter().take(count)
    }

    fn fits(&self, text: &Text<'_>) -> bool {
        (self.types.is_empty() || self.types.contains(&text.error_type))
            && (self.texts.is_empty() || self.texts.iter().any(|phrase| contains(&text.words, phrase)))
    }
}

impl Source {
    fn matches(self, layer: Option<ServerLayer>) -> bool {
        match self {
            Self::Any => true,
            Self::Client => layer.is_none(),
            Self::Policy => layer == Some(ServerLayer::Policy),
            Self::Signature => layer == Some(ServerLayer::Signature),
            Self::Authentication => layer == Some(ServerLayer::Authentication),
            Self::Gateway => layer == Some(ServerLayer::Gateway),
            Self::Engine | Self::Cause => layer == Some(ServerLayer::Engine),
        }
    }
}

/// Whether the text, without quoted names, contains the parts of the phrase in order.
fn contains(text: &str, phrase: &str) -> bool {
    let phrase = phrase.replace("[…]", "[]").replace("'…'", "''").replace("\"…\"", "\"\"");
    let mut rest = text;
    phrase.split('…').all(|part| match rest.split_once(part) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

/// Returns the rows in the order in which they are tried.
pub(super) fn all() -> impl Iterator<Item = &'static Row> {
    [connect::ROWS, front::ROWS, access::ROWS, snapshot::ROWS, restore::ROWS].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Outcome};

    const DOCS: &str = include_str!("../../../../docs/errors.md");

    /// The rows as a Markdown table. Names that an error would show are general nouns.
    fn table() -> String {
        let nothing = Error::new(ErrorKind::Server, Outcome::Rejected, "");
        let seen = Seen::of(&nothing);
        let head = ["| recognised by | cause | why | what helps | basis |", "| --- | --- | --- | --- | --- |"];
        let rows = all().map(|row| {
            let (why, action) = (seen.sentence(row.why), seen.sentence(row.action));
            format!("| {} | `{}` | {why} | {action} | {} |", row.signs(), row.cause, row.basis)
        });
        let lines: Vec<String> = head.map(str::to_owned).into_iter().chain(rows).collect();
        lines.join("\n") + "\n"
    }

    impl Row {
        fn signs(&self) -> String {
            let texts = if self.shown.is_empty() { self.texts } else { self.shown };
            let code = |text: &&str| format!("`{}`", text.trim());
            let mut signs: Vec<String> = Vec::new();
            signs.extend(self.statuses.iter().map(|status| format!("HTTP {status}")));
            signs.extend(self.types.iter().map(code));
            signs.extend(texts.iter().map(code));
            signs.extend(Some(self.note.to_owned()).filter(|note| !note.is_empty()));
            signs.join("<br>")
        }
    }

    #[test]
    fn the_docs_contain_the_table_of_all_rows() {
        let table = table();
        assert!(DOCS.contains(&table), "docs/errors.md differs from the rows; replace its table by:\n\n{table}");
    }

    #[test]
    fn each_cause_has_a_row_and_occurs_in_the_docs() {
        for cause in Cause::ALL {
            assert!(all().any(|row| row.cause == *cause), "{cause:?} has no row");
            assert!(DOCS.contains(&format!("`{cause}`")), "{cause:?} is not in docs/errors.md");
        }
    }

    #[test]
    fn each_phrase_has_white_space_and_each_row_a_sign() {
        for row in all() {
            for phrase in row.texts {
                assert!(phrase.trim().contains(' '), "{phrase}");
            }
            assert!(!row.signs().is_empty(), "{:?}", row.cause);
        }
    }

    #[test]
    fn each_name_in_a_template_is_known() {
        let nothing = Error::new(ErrorKind::Server, Outcome::Rejected, "");
        let seen = Seen::of(&nothing);
        for template in all().flat_map(|row| [row.why, row.action]) {
            for name in template.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                assert!(!seen.sentence(&format!("{{{name}}}")).is_empty(), "{name}");
            }
        }
    }
}
