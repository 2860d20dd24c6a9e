//! Tables with columns of fixed widths, which are written while rows still arrive.

use std::io::{self, Write};

/// How many rows determine the widths of the columns. Later rows keep these widths, so that a long
/// table takes no more memory than a short one.
const CHUNK: usize = 128;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    align: Align,
    is_state: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Align {
    Left,
    Right,
}

/// Returns a column of texts.
pub(crate) const fn left(title: &'static str) -> Column {
    Column { title, align: Align::Left, is_state: false }
}

/// Returns a column of numbers.
pub(crate) const fn right(title: &'static str) -> Column {
    Column { title, align: Align::Right, is_state: false }
}

/// Returns a column of states.
pub(crate) const fn state(title: &'static str) -> Column {
    Column { title, align: Align::Left, is_state: true }
}

impl Column {
    /// Returns whether the cells are states, which have colours on a terminal.
    pub(super) fn is_state(&self) -> bool {
        self.is_state
    }
}

/// A table that is being written.
#[derive(Debug)]
pub(crate) struct Table {
    columns: &'static [Column],
    colours: bool,
    /// Known once the first chunk is complete.
    widths: Option<Vec<usize>>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(columns: &'static [Column], colours: bool) -> Self {
        Self { columns, colours, widths: None, rows: Vec::new() }
    }

    /// Adds a row. Writes it if the widths are known.
    pub(crate) fn push(&mut self, out: &mut dyn Write, row: Vec<String>) -> io::Result<()> {
        self.rows.push(row);
        if self.widths.is_some() || self.rows.len() >= CHUNK { self.flush(out) } else { Ok(()) }
    }

    /// Writes the rows that are not written yet, after the titles.
    pub(crate) fn flush(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let widths = if let Some(widths) = self.widths.take() {
            widths
        } else {
            let widths = self.measured();
            let titles: Vec<String> = self.columns.iter().map(|column| column.title.to_owned()).collect();
            let titles = line(self.columns, &widths, &titles, false);
            writeln!(out, "{}", if self.colours { format!("\x1b[1m{titles}\x1b[0m") } else { titles })?;
            widths
        };
        for row in self.rows.drain(..) {
            writeln!(out, "{}", line(self.columns, &widths, &row, self.colours))?;
        }
        self.widths = Some(widths);
        Ok(())
    }

    fn measured(&self) -> Vec<usize> {
        let width = |(position, column): (usize, &Column)| {
            let cells = self.rows.iter().filter_map(|row| row.get(position)).map(|cell| cell.chars().count());
            cells.max().unwrap_or(0).max(column.title.chars().count())
        };
        self.columns.iter().enumerate().map(width).collect()
    }
}

/// Returns a row as a line. The last column is not filled up.
fn line(columns: &[Column], widths: &[usize], cells: &[String], colours: bool) -> String {
    let mut line = String::new();
    for ((column, width), cell) in columns.iter().zip(widths).zip(cells) {
        let filling = " ".repeat(width.saturating_sub(cell.chars().count()));
        let cell = if colours && column.is_state { coloured(cell) } else { cell.clone() };
        if !line.is_empty() {
            line.push_str("  ");
        }
        match column.align {
            Align::Left => line.extend([cell, filling]),
            Align::Right => line.extend([filling, cell]),
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// Returns the state in the colour of its meaning.
pub(super) fn coloured(state: &str) -> String {
    let colour = match state {
        "SUCCESS" | "deleted" | "pass" => 32,
        "IN_PROGRESS" | "STARTED" | "INIT" | "planned" | "skipped" => 36,
        "PARTIAL" | "warn" => 33,
        _ => 31,
    };
    format!("\x1b[{colour}m{state}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[left("NAME"), right("SIZE"), state("STATE")];

    fn written(colours: bool, rows: &[[&str; 3]]) -> String {
        let (mut table, mut out) = (Table::new(COLUMNS, colours), Vec::new());
        for row in rows {
            table.push(&mut out, row.map(str::to_owned).to_vec()).unwrap();
        }
        table.flush(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn aligns_texts_to_the_left_and_numbers_to_the_right() {
        let table = written(false, &[["monday", "5", "SUCCESS"], ["a", "1234567", "PARTIAL"]]);

        assert_eq!(table, "NAME       SIZE  STATE\nmonday        5  SUCCESS\na       1234567  PARTIAL\n");
    }

    #[test]
    fn colours_states_without_moving_the_columns() {
        let table = written(true, &[["a", "1", "SUCCESS"]]);

        assert_eq!(table, "\x1b[1mNAME  SIZE  STATE\x1b[0m\na        1  \x1b[32mSUCCESS\x1b[0m\n");
    }

    #[test]
    fn keeps_the_widths_of_the_first_rows() {
        let mut rows = vec![["a", "1", "SUCCESS"]; CHUNK];
        rows.push(["a-longer-name", "1", "SUCCESS"]);

        let table = written(false, &rows);

        assert_eq!(table.lines().last(), Some("a-longer-name     1  SUCCESS"));
    }

    #[test]
    fn a_table_without_rows_has_titles() {
        assert_eq!(written(false, &[]), "NAME  SIZE  STATE\n");
    }
}
