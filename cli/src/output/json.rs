//! JSON documents. Each has the version of the schema and its kind.

use std::io::{self, Write};

use serde::Serialize;

use super::Record;

/// The version of the schema. It changes if a field is removed or changes its meaning.
const VERSION: u32 = 1;

/// Writes a record as one document on one line.
pub(super) fn document<R: Record>(out: &mut dyn Write, record: &R) -> io::Result<()> {
    #[derive(Serialize)]
    struct Document<'a, R> {
        version: u32,
        kind: &'static str,
        #[serde(flatten)]
        record: &'a R,
    }
    serde_json::to_writer(&mut *out, &Document { version: VERSION, kind: R::KIND, record })?;
    writeln!(out)
}

/// Writes the beginning of a list. Its items follow, each with [`item`].
pub(super) fn begin<R: Record>(out: &mut dyn Write) -> io::Result<()> {
    write!(out, r#"{{"version":{VERSION},"kind":"list","of":"{}","items":["#, R::KIND)
}

pub(super) fn item<R: Record>(out: &mut dyn Write, record: &R, is_first: bool) -> io::Result<()> {
    out.write_all(if is_first { b"\n" } else { b",\n" })?;
    Ok(serde_json::to_writer(out, record)?)
}

pub(super) fn end(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n]}}")
}
