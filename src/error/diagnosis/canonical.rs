//! Compares the canonical request that a domain echoes with the request that the client signed.

use std::fmt;

use super::Context;
use crate::error::quoted;

/// A line of the canonical request that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    what: &'static str,
    theirs: String,
    ours: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, theirs, ours } = self;
        write!(f, "the {what}: the domain received {}, and the client signed {}", quoted(theirs), quoted(ours))
    }
}

/// Returns the first line that differs: method, path, query or host. `None` if all are equal, if
/// the text contains no canonical request, or if it ends before the line does.
pub(super) fn difference(reason: &str, context: &Context) -> Option<Difference> {
    let (_, echo) = reason.split_once("Canonical String for this request should have been")?;
    // Some responses escape the line breaks once more.
    let echo = if echo.trim_start().starts_with("\\n") { echo.replace("\\n", "\n") } else { echo.to_owned() };
    let canonical = echo.trim_start().strip_prefix('\'')?;
    // The last line may have been cut.
    let (complete, _) = canonical.rsplit_once('\n')?;
    let mut lines = complete.split('\n');
    let (method, path, query) = (lines.next()?, lines.next()?, lines.next()?);
    let host = lines.take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix("host:"));

    let differs = |what, theirs: &str, ours: &str| {
        let is_known = !ours.is_empty() && !theirs.contains("[redacted]");
        (is_known && theirs != ours).then(|| Difference { what, theirs: theirs.to_owned(), ours: ours.to_owned() })
    };
    // A canonical path is encoded twice.
    let path = path.replace("%25", "%");
    let sent = format!("{}{}", context.prefix, context.path);
    differs("method", method, if context.path.is_empty() { "" } else { context.method.as_str() })
        .or_else(|| differs("path", &path, &sent.replace("%25", "%")))
        .or_else(|| query_difference(query, context))
        .or_else(|| differs("host", host?, &context.host))
}

fn query_difference(theirs: &str, context: &Context) -> Option<Difference> {
    let ours = canonical_query(context.query.as_deref()?);
    let is_known = !context.path.is_empty() && !theirs.contains("[redacted]");
    (is_known && theirs != ours).then(|| Difference { what: "query", theirs: theirs.to_owned(), ours })
}

/// The query with its parameters in order. Each has a `=`.
fn canonical_query(query: &str) -> String {
    let mut parameters: Vec<String> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| if parameter.contains('=') { parameter.to_owned() } else { format!("{parameter}=") })
        .collect();
    parameters.sort_unstable();
    parameters.join("&")
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn context() -> Context {
        Context {
            host: "search.example.org".to_owned(),
            method: Method::PUT,
            path: "/_snapshot/a%20b".to_owned(),
            query: Some("verify=false&master_timeout=3000ms".to_owned()),
            ..Context::default()
        }
    }

    fn echo(method: &str, path: &str, query: &str, host: &str) -> String {
        format!(
            "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String \
             for this request should have been\n'{method}\n{path}\n{query}\n\
             content-type:application/json\nhost:{host}\n\
             x-amz-date:20150830T123600Z\n\ncontent-type;host;x-amz-date\nabc'\n\n\
             The String-to-Sign should have \
             been\n'x'\n"
        )
    }

    #[test]
    fn names_the_line_that_differs() {
        let (path, query, host) = ("/_snapshot/a%2520b", "master_timeout=3000ms&verify=false", "search.example.org");
        for (text, what) in [
            (echo("PUT", path, query, host), None),
            (echo("GET", path, query, host), Some("method")),
            (echo("PUT", "/_snapshot/a%20b", query, host), None),
            (echo("PUT", "/es/_snapshot/a%2520b", query, host), Some("path")),
            (echo("PUT", path, "verify=false", host), Some("query")),
            (echo("PUT", path, query, "localhost:9200"), Some("host")),
            (echo("PUT", path, "[redacted]", host), None),
        ] {
            assert_eq!(difference(&text, &context()).map(|found| found.what), what, "{text}");
            let escaped = text.replace('\n', "\\n");
            assert_eq!(difference(&escaped, &context()).map(|found| found.what), what, "{escaped}");
        }
    }

    #[test]
    fn a_text_that_is_cut_anywhere_shows_no_false_difference() {
        let whole = echo("PUT", "/_snapshot/a%2520b", "master_timeout=3000ms&verify=false", "search.example.org");
        for cut in 0..whole.len() {
            let text = format!("{}…", &whole[..cut]);
            assert_eq!(difference(&text, &context()), None, "{text}");
        }
    }
}
