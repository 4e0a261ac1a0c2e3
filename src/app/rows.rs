//! Rows for people, spreadsheets and programs: a table, CSV or JSON, printed as they come. A table's columns are as wide as its
//! first rows need, because the widths of what comes later are not known.

use std::io::{self, Write};

use serde_json::{Map, Value};

use crate::config::Output;

/// One row as named cells.
pub(super) type Cells = Vec<(&'static str, Value)>;

/// A result, whatever it is, unless the reader of a pipe has seen enough: that is no failure.
pub(super) fn unless_pipe_is_closed(printed: anyhow::Result<()>) -> anyhow::Result<()> {
    let is_closed = |error: &anyhow::Error| {
        error.chain().any(|cause| {
            cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        })
    };
    printed.or_else(|error| if is_closed(&error) { Ok(()) } else { Err(error) })
}

/// Rows of a table that are kept until its widths are known.
const KEPT_ROWS: usize = 200;
/// The same in bytes.
const KEPT_BYTES: usize = 1 << 20;
/// Widest column, in characters: an entitlement's id with a scope fits. What is longer pushes the rest of its own line.
const WIDEST: usize = 100;

pub(super) struct Printer<'a, W: Write> {
    format: Output,
    rows: u64,
    /// The head and the first lines of a table, until they are printed.
    kept: Vec<Vec<String>>,
    kept_bytes: usize,
    /// Known as soon as they are printed.
    widths: Option<Vec<usize>>,
    out: &'a mut W,
}

impl<'a, W: Write> Printer<'a, W> {
    pub(super) const fn new(format: Output, out: &'a mut W) -> Self {
        Self {
            format,
            rows: 0,
            kept: Vec::new(),
            kept_bytes: 0,
            widths: None,
            out,
        }
    }

    /// No row was given.
    pub(super) const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(super) fn row(&mut self, cells: &[(&'static str, Value)]) -> io::Result<()> {
        let first = self.rows == 0;
        self.rows += 1;
        match self.format {
            Output::Json => {
                let object: Map<String, Value> = cells
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.clone()))
                    .collect();
                self.out.write_all(if first { b"[\n" } else { b",\n" })?;
                serde_json::to_writer(&mut *self.out, &object)?;
                Ok(())
            }
            Output::Csv => {
                if first {
                    let names: Vec<String> = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
                    self.out.write_all(csv_line(&names).as_bytes())?;
                }
                let texts: Vec<String> = cells.iter().map(|(_, value)| text(value)).collect();
                self.out.write_all(csv_line(&texts).as_bytes())
            }
            Output::Table => {
                // The profile is for the other two formats: a table of it cannot be read.
                let shown = cells.iter().filter(|(name, _)| *name != "profile");
                let line: Vec<String> = shown.clone().map(|(_, value)| clean(&text(value))).collect();
                if first {
                    self.kept = vec![shown.map(|(name, _)| (*name).to_owned()).collect()];
                }
                if let Some(widths) = &self.widths {
                    return self.out.write_all(table_line(&line, widths).as_bytes());
                }
                self.kept_bytes += line.iter().map(String::len).sum::<usize>();
                self.kept.push(line);
                if self.kept.len() > KEPT_ROWS || self.kept_bytes > KEPT_BYTES {
                    self.print_kept()?;
                }
                Ok(())
            }
        }
    }

    /// The first lines, in columns that are as wide as they need.
    fn print_kept(&mut self) -> io::Result<()> {
        let kept = std::mem::take(&mut self.kept);
        let mut widths = Vec::new();
        for line in &kept {
            widths.resize(line.len().max(widths.len()), 0);
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().min(WIDEST).max(*width);
            }
        }
        for line in &kept {
            self.out.write_all(table_line(line, &widths).as_bytes())?;
        }
        self.widths = Some(widths);
        Ok(())
    }

    /// What is no row: for people only.
    pub(super) fn text(mut self, text: &str) -> io::Result<()> {
        self.print_kept()?;
        self.out.write_all(text.as_bytes())
    }

    pub(super) fn end(mut self) -> io::Result<()> {
        self.print_kept()?;
        match (self.format, self.rows) {
            (Output::Json, 0) => self.out.write_all(b"[]\n"),
            (Output::Json, _) => self.out.write_all(b"\n]\n"),
            _ => Ok(()),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// Control characters would garble a terminal.
fn clean(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Cells behind one another, two blanks between.
fn table_line(cells: &[String], widths: &[usize]) -> String {
    let widths = widths.iter().copied().chain(std::iter::repeat(0));
    let cells = cells.iter().zip(widths);
    let line = cells
        .map(|(cell, width)| format!("{cell:<width$}"))
        .collect::<Vec<_>>()
        .join("  ");
    format!("{}\n", line.trim_end())
}

/// RFC 4180. A cell that a spreadsheet would run as a formula gets an apostrophe in front.
pub(super) fn csv_line(cells: &[String]) -> String {
    let cell = |text: &String| {
        let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            format!("'{text}")
        } else {
            text.clone()
        };
        if text.contains(['"', ',', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    format!("{}\r\n", cells.iter().map(cell).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_cells_are_quoted_and_never_formulas() {
        let cells = ["plain", "a,b", "say \"x\"", "two\nlines", "=1+1", "@x"].map(str::to_owned);
        assert_eq!(
            csv_line(&cells),
            "plain,\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",'=1+1,'@x\r\n"
        );
    }

    #[test]
    fn columns_stand_under_their_heads_whatever_the_first_rows_hold_and_little_is_kept() {
        let mut out = Vec::new();
        let mut printer = Printer::new(Output::Table, &mut out);
        let id = "role:0b8f5e1c-0d0a-4c3b-9d55-0d5c3ad0a111:assigned";
        for number in 0..KEPT_ROWS * 3 {
            let name = if number == 1 { "a\tlong name" } else { "x" };
            printer
                .row(&[("id", id.into()), ("name", name.into()), ("last", number.into())])
                .unwrap();
            assert!(printer.kept.len() <= KEPT_ROWS, "{}", printer.kept.len());
        }
        printer.end().unwrap();
        let text = String::from_utf8(out).unwrap();
        let at = |line: &str| line.chars().count() - line.split_whitespace().last().unwrap().len();
        assert_eq!(text.lines().count(), 1 + KEPT_ROWS * 3);
        for line in text.lines() {
            assert_eq!(at(line), id.len() + 2 + "a long name".len() + 2, "{line}");
        }
        let wide = "w".repeat(KEPT_BYTES);
        let mut out = Vec::new();
        let mut printer = Printer::new(Output::Table, &mut out);
        for _ in 0..3 {
            printer.row(&[("id", wide.as_str().into())]).unwrap();
        }
        assert!(printer.kept.is_empty(), "a few rows are too much, too");
    }

    #[test]
    fn an_empty_view_is_an_empty_list() {
        let mut out = Vec::new();
        Printer::new(Output::Json, &mut out).end().unwrap();
        assert_eq!(out, b"[]\n");
    }
}
