//! The two streams of a command, and how data is written to them.

use std::cell::RefCell;
use std::io::{self, BufWriter, IsTerminal as _, Write};

use jiff::tz::TimeZone;

use super::table::Table;
use super::{Meter, Record, json, printable, table};
use crate::args::Format;
use crate::failure::Failure;
use crate::resume::Resume;

/// Where a command writes, and what is on the other end.
pub(crate) struct Streams {
    pub(crate) out: Box<dyn Write>,
    pub(crate) notes: Box<dyn Write>,
    pub(crate) out_is_terminal: bool,
    pub(crate) notes_are_terminal: bool,
    pub(crate) can_ask: bool,
    pub(crate) colours: bool,
}

impl Streams {
    /// Returns the streams of this process.
    pub(crate) fn standard(no_colour: bool) -> Self {
        let (out, notes) = (io::stdout(), io::stderr());
        Self {
            out_is_terminal: out.is_terminal(),
            notes_are_terminal: notes.is_terminal(),
            can_ask: io::stdin().is_terminal() && notes.is_terminal(),
            colours: out.is_terminal() && !no_colour,
            out: Box::new(BufWriter::with_capacity(64 << 10, out)),
            notes: Box::new(notes),
        }
    }
}

/// The output of a command.
pub(crate) struct Console {
    format: Format,
    streams: RefCell<Streams>,
    /// The zone of times in tables. `None` stands for RFC 3339 in UTC.
    zone: Option<TimeZone>,
    resume: RefCell<Resume>,
    /// What goes on at the domain if the command is interrupted.
    ongoing: RefCell<Option<String>>,
}

impl Console {
    pub(crate) fn new(format: Format, streams: Streams) -> Self {
        let zone = streams.out_is_terminal.then(TimeZone::system);
        Self { format, streams: RefCell::new(streams), zone, resume: RefCell::default(), ongoing: RefCell::default() }
    }

    /// Writes a record that stands alone.
    pub(crate) fn one<R: Record>(&self, record: &R) -> Result<(), Failure> {
        let mut streams = self.streams.borrow_mut();
        let colours = streams.colours;
        let out = &mut streams.out;
        match self.format {
            Format::Json | Format::Ndjson => json::document(out, record)?,
            Format::Name => writeln!(out, "{}", printable(record.name()))?,
            Format::Table => {
                let remarks = record.remarks();
                let titles = R::COLUMNS.iter().map(|column| column.title).chain(remarks.iter().map(|remark| remark.0));
                let width = titles.map(str::len).max().unwrap_or(0);
                for (column, cell) in R::COLUMNS.iter().zip(record.cells(self.zone.as_ref())) {
                    let cell = if colours && column.is_state() { table::coloured(&cell) } else { cell };
                    writeln!(out, "{}", format!("{:width$}  {cell}", column.title).trim_end())?;
                }
                for (title, text) in remarks {
                    writeln!(out, "{title:width$}  {text}")?;
                }
            }
        }
        Ok(out.flush()?)
    }

    /// Writes a record of a series on one line, at once.
    pub(crate) fn line<R: Record>(&self, record: &R) -> Result<(), Failure> {
        let out = &mut self.streams.borrow_mut().out;
        match self.format {
            Format::Json | Format::Ndjson => json::document(out, record)?,
            Format::Name => writeln!(out, "{}", printable(record.name()))?,
            Format::Table => writeln!(out, "{}", record.cells(self.zone.as_ref()).join("  "))?,
        }
        Ok(out.flush()?)
    }

    /// Writes a text as it is, whatever the form of the output.
    pub(crate) fn text(&self, text: &[u8]) -> Result<(), Failure> {
        let out = &mut self.streams.borrow_mut().out;
        out.write_all(text)?;
        Ok(out.flush()?)
    }

    /// Returns a listing, which writes records while they arrive.
    pub(crate) fn listing<R: Record>(&self) -> Listing<'_> {
        let colours = self.streams.borrow().colours;
        Listing { console: self, table: Table::new(R::COLUMNS, colours), count: 0 }
    }

    /// Writes records as a list.
    pub(crate) fn all<R: Record>(&self, records: &[R]) -> Result<(), Failure> {
        let mut listing = self.listing::<R>();
        records.iter().try_for_each(|record| listing.push(record))?;
        listing.finish::<R>()
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Writes a line to standard error.
    pub(crate) fn note(&self, line: impl AsRef<str>) {
        // If standard error cannot be written, nobody can be informed.
        let notes = &mut self.streams.borrow_mut().notes;
        for line in line.as_ref().split('\n') {
            let _ = writeln!(notes, "{}", printable(line));
        }
    }

    /// Writes a question to standard error, without a line break.
    pub(crate) fn question(&self, text: &str) {
        let notes = &mut self.streams.borrow_mut().notes;
        let _ = write!(notes, "{text}").and_then(|()| notes.flush());
    }

    /// Returns whether a person can be asked.
    pub(crate) fn can_ask(&self) -> bool {
        self.streams.borrow().can_ask
    }

    /// Returns a display of progress.
    pub(crate) fn meter(&self) -> Meter {
        Meter::new(self.streams.borrow().notes_are_terminal)
    }

    /// Sets how another command reaches the domain.
    pub(crate) fn set_connection(&self, flags: Vec<String>) {
        self.resume.borrow_mut().connection = flags;
    }

    pub(crate) fn set_ticket_file(&self, path: String) {
        self.resume.borrow_mut().ticket_file = Some(path);
    }

    pub(crate) fn resume(&self) -> Resume {
        self.resume.borrow().clone()
    }

    /// Notes what goes on at the domain, and how to resume, in case the command is
    /// interrupted.
    pub(crate) fn set_ongoing(&self, what: Option<String>) {
        *self.ongoing.borrow_mut() = what;
    }

    pub(crate) fn ongoing(&self) -> Option<String> {
        self.ongoing.borrow().clone()
    }
}

/// A list that is being written.
pub(crate) struct Listing<'a> {
    console: &'a Console,
    table: Table,
    count: usize,
}

impl Listing<'_> {
    pub(crate) fn push<R: Record>(&mut self, record: &R) -> Result<(), Failure> {
        let out = &mut self.console.streams.borrow_mut().out;
        match self.console.format {
            Format::Table => self.table.push(out, record.cells(self.console.zone.as_ref()))?,
            // At once, because another program may act on each line.
            Format::Ndjson => {
                json::document(out, record)?;
                out.flush()?;
            }
            Format::Name => {
                writeln!(out, "{}", printable(record.name()))?;
                out.flush()?;
            }
            Format::Json => {
                if self.count == 0 {
                    json::begin::<R>(out)?;
                }
                json::item(out, record, self.count == 0)?;
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Writes what has been pushed. The first rows of a table then determine its widths.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        let out = &mut self.console.streams.borrow_mut().out;
        if self.console.format == Format::Table {
            self.table.flush(out)?;
        }
        Ok(out.flush()?)
    }

    pub(crate) fn finish<R: Record>(&mut self) -> Result<(), Failure> {
        let out = &mut self.console.streams.borrow_mut().out;
        match self.console.format {
            Format::Table => self.table.flush(out)?,
            Format::Json => {
                if self.count == 0 {
                    json::begin::<R>(out)?;
                }
                json::end(out)?;
            }
            Format::Ndjson | Format::Name => {}
        }
        Ok(out.flush()?)
    }
}
