//! Finds the literals in Rust sources that end up in error texts.

use std::fs;
use std::path::{Path, PathBuf};

/// Calls whose arguments are texts of errors.
const CONSTRUCTORS: [&str; 12] = [
    "Error::invalid",
    "Error::new",
    "Error::garbled",
    "Error::incomplete",
    "with_message",
    "credentials_error",
    "broken",
    "refuse",
    "Err",
    "ok_or",
    "custom",
    "error",
];

/// Calls whose arguments are not shown to callers of the crate.
const HIDDEN: [&str; 17] = [
    "tracing::debug!",
    "tracing::info!",
    "tracing::warn!",
    "tracing::info_span!",
    "record",
    "expect",
    "contains",
    "mentions",
    "mentions_any",
    "split_once",
    "starts_with",
    "ends_with",
    "strip_prefix",
    "strip_suffix",
    "debug_struct",
    "field",
    "join",
];

/// Functions whose literals are not shown to callers of the crate: the end of the file's path, and
/// the name of the function, or nothing for the whole file.
const HIDDEN_PLACES: [(&str, &str); 4] = [
    // Of a response that serde refuses, the client shows only the JSON path.
    (".rs", "expecting"),
    // The reasons of repeated requests, for traces.
    ("retry.rs", "reason"),
    // Phrases of servers, by which the client classifies their failures.
    ("error/classify.rs", ""),
    ("call/queue.rs", "of"),
];

/// A literal in the sources.
#[derive(Debug)]
pub(crate) struct Literal {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A token, as far as the search needs it.
#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

/// Returns the tokens of a source without its comments, each with its line. Characters and
/// lifetimes are left out.
fn tokens(source: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(&c) = chars.get(at) {
        let rest = &chars[at..];
        let begin = at;
        let token = match c {
            '/' if rest.starts_with(&['/', '/']) => {
                at += rest.iter().take_while(|c| **c != '\n').count();
                None
            }
            'r' | 'b' if raw_literal(rest).is_some() => {
                let (text, length) = raw_literal(rest).unwrap();
                at += length;
                Some(Token::Text(text))
            }
            '"' => {
                let (text, length) = unescaped(&rest[1..]);
                at += 1 + length;
                Some(Token::Text(text))
            }
            '\'' => {
                // A lifetime has no second apostrophe where a character has it.
                at += match rest {
                    ['\'', '\\', _, '\'', ..] => 4,
                    ['\'', '\\', ..] => 2 + rest[2..].iter().take_while(|c| **c != '\'').count() + 1,
                    ['\'', _, '\'', ..] => 3,
                    _ => 1,
                };
                None
            }
            c if c.is_alphanumeric() || c == '_' => {
                let is_part = |c: &&char| c.is_alphanumeric() || **c == '_';
                let word: String = rest.iter().take_while(is_part).collect();
                at += word.chars().count();
                Some(Token::Word(word))
            }
            c => {
                at += 1;
                (!c.is_whitespace()).then_some(Token::Mark(c))
            }
        };
        found.extend(token.map(|token| (line, token)));
        line += chars[begin..at].iter().filter(|c| **c == '\n').count();
    }
    found
}

/// Returns the text of the raw literal with which the source begins, if it does, and the length of
/// the literal.
fn raw_literal(rest: &[char]) -> Option<(String, usize)> {
    let prefix = usize::from(rest[0] == 'b');
    let quoted = rest.get(prefix..)?.strip_prefix(&['r'])?;
    let hashes = quoted.iter().take_while(|c| **c == '#').count();
    let text = quoted[hashes..].strip_prefix(&['"'])?;
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let length = text.windows(end.len()).position(|window| window == end)?;
    Some((text[..length].iter().collect(), prefix + 2 + 2 * hashes + length + 1))
}

/// Returns the text of a literal after its opening quote, and its length in the source.
fn unescaped(rest: &[char]) -> (String, usize) {
    let mut text = String::new();
    let mut at = 0;
    while rest[at] != '"' {
        match (rest[at], rest[at + 1]) {
            ('\\', '\n') => {
                at += 1 + rest[at + 1..].iter().take_while(|c| c.is_whitespace()).count();
                continue;
            }
            ('\\', 'n' | 't' | 'r' | 'u' | 'x' | '0') => {
                text.push(' ');
                at += 1;
            }
            ('\\', escaped) => {
                text.push(escaped);
                at += 1;
            }
            (c, _) => text.push(c),
        }
        at += 1;
    }
    (text, at + 1)
}

/// What a bracket in the sources encloses.
struct Enclosing {
    /// The call, macro or attribute before the bracket.
    call: String,
    /// The function of which the bracket is the body, or within which it is.
    function: String,
    is_attribute: bool,
}

/// Returns the literals of all sources below `folder` that may be shown in an error. Leaves out
/// comments, tests and the module `testing`.
pub(crate) fn shown_literals(folder: &Path) -> Vec<Literal> {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    files
        .iter()
        .flat_map(|path| {
            let file = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
            let source = fs::read_to_string(path).unwrap();
            let tests = ["#[cfg(test)]\nmod tests", "#[cfg(test)]\npub(crate) mod tests"];
            let end = tests.iter().filter_map(|tests| source.find(tests)).min().unwrap_or(source.len());
            literals_of(&file, &source[..end])
        })
        .collect()
}

/// Collects the sources below a folder. Files that end in `model` are models for searches in tests.
/// The texts of `diagnosis` are in a table of their own, docs/errors.md. Those of `doctor` are
/// lines of a report, not errors.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !["testing", "diagnosis", "doctor"].iter().any(|folder| path.ends_with(folder)) {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.file_stem().unwrap().to_str().unwrap().ends_with("model")
        {
            files.push(path);
        }
    }
}

fn literals_of(file: &str, source: &str) -> Vec<Literal> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    let mut open: Vec<Enclosing> = Vec::new();
    let mut next_function = None;
    for (at, (line, token)) in tokens.iter().enumerate() {
        match token {
            Token::Word(word) if word == "fn" => {
                if let Some((_, Token::Word(name))) = tokens.get(at + 1) {
                    next_function = Some(name.clone());
                }
            }
            Token::Mark('(' | '[' | '{') => {
                let is_body = *token == Token::Mark('{');
                let outer = open.last().map_or_else(String::new, |outer| outer.function.clone());
                let function = if is_body { next_function.take().unwrap_or(outer) } else { outer };
                let is_attribute = at > 0 && tokens[at - 1].1 == Token::Mark('#');
                open.push(Enclosing { call: callee(&tokens[..at]), function, is_attribute });
            }
            Token::Mark(')' | ']' | '}') => drop(open.pop()),
            Token::Text(text) if is_shown(file, text, &open) => {
                found.push(Literal { file: file.to_owned(), line: *line, text: text.clone() });
            }
            _ => {}
        }
    }
    found
}

/// Returns the name of what is called, if these tokens precede its bracket.
fn callee(before: &[(usize, Token)]) -> String {
    let mut name = String::new();
    for (_, token) in before.iter().rev() {
        match token {
            Token::Word(word) if name.is_empty() || name.starts_with(['!', ':']) => name = format!("{word}{name}"),
            Token::Mark('!') if name.is_empty() => name.push('!'),
            Token::Mark(':') if !name.is_empty() => name.insert(0, ':'),
            _ => break,
        }
    }
    name
}

fn is_shown(file: &str, text: &str, open: &[Enclosing]) -> bool {
    let is_called = |names: &[&str]| {
        open.iter().any(|outer| {
            let last = outer.call.rsplit("::").next().unwrap_or_default();
            names.iter().any(|name| *name == outer.call || *name == last)
        })
    };
    let is_within = |name: &str| name.is_empty() || open.iter().any(|outer| outer.function == name);
    let is_hidden = HIDDEN_PLACES.iter().any(|(end, function)| file.ends_with(end) && is_within(function));
    let is_attribute = open.iter().any(|outer| outer.is_attribute);
    if is_hidden || is_called(&HIDDEN) || is_attribute && !is_called(&["error"]) {
        return false;
    }
    let is_prose = text.split_whitespace().filter(|word| word.contains(char::is_alphabetic)).count() > 1;
    let is_name = file == "error/kind.rs" && open.iter().any(|outer| ["as_str", "words"].contains(&&*outer.function));
    is_prose || is_name || is_called(&CONSTRUCTORS)
}

/// Returns the fixed words of a format, in their order: what is between its placeholders.
pub(crate) fn fixed_words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '{' | '}' if rest.peek() == Some(&c) => {
                rest.next();
                words.last_mut().unwrap().push(c);
            }
            '{' => {
                // A brace in a text that is not a format has no closing one.
                match rest.clone().position(|c| c == '}') {
                    Some(end) => {
                        rest.nth(end);
                        words.push(String::new());
                    }
                    None => words.last_mut().unwrap().push('{'),
                }
            }
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| word.contains(char::is_alphabetic));
    words
}
