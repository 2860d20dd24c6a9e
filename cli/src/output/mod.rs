//! Output: data on standard output in the chosen form, everything else on standard error.

mod console;
mod json;
mod meter;
pub(crate) mod records;
mod table;
mod text;

pub(crate) use console::{Console, Streams};
pub(crate) use meter::{Meter, describe};
pub(crate) use table::{Column, left, right, state};
pub(crate) use text::{Moment, amount, counted, printable, took};

use jiff::tz::TimeZone;
use serde::Serialize;

/// Data that a command writes.
pub(crate) trait Record: Serialize {
    /// The value of `kind` in JSON. The schema lists all kinds.
    const KIND: &'static str;
    /// The columns of the table.
    const COLUMNS: &'static [Column];

    /// Returns what `-o name` writes.
    fn name(&self) -> &str;

    /// Returns the cells of the row. Times are UTC without a zone.
    fn cells(&self, zone: Option<&TimeZone>) -> Vec<String>;

    /// Returns titles and texts that follow if the record is shown alone.
    fn remarks(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}
