//! `inspect`: what a `.c1z` file holds, as a table, JSON or CSV. Reads only; rows are printed as they are read, so a
//! large file needs little memory (a table of columns is aligned by fixed widths for the same reason).

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::report::{columns, size};
use crate::c1z::{C1zError, Limits, Reader};
use crate::config::{Inspect, InspectFormat, InspectView};

/// Prints what was asked for.
pub(super) fn show(inspect: &Inspect, temp_dir: &Path) -> anyhow::Result<()> {
    let reader = Reader::open(&inspect.file, temp_dir, Limits::from_environment())?;
    let mut out = BufWriter::new(io::stdout().lock());
    let printed = if inspect.view == InspectView::Stats {
        stats(&reader, inspect, &mut out)
    } else {
        rows(&reader, inspect, &mut out)
    };
    match printed.and_then(|()| out.flush().context("print the rows")) {
        // The reader of a pipe has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        other => other,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

fn stats(reader: &Reader, inspect: &Inspect, out: &mut impl Write) -> anyhow::Result<()> {
    let run = reader.run();
    let stats = &run.stats;
    let text = match inspect.format {
        InspectFormat::Json => {
            let document = json!({
                "sync_id": run.sync_id, "sync_type": run.sync_type, "started_at": run.started_at,
                "ended_at": run.ended_at, "supports_diff": run.supports_diff, "stats": stats,
            });
            format!("{}\n", serde_json::to_string_pretty(&document)?)
        }
        format => {
            let header = ["type", "resources", "entitlements", "grants"];
            let rows: Vec<Vec<String>> = stats
                .resources_by_resource_type
                .iter()
                .map(|(kind, resources)| {
                    let of = |map: &std::collections::BTreeMap<String, u64>| map.get(kind).copied().unwrap_or(0);
                    let (entitlements, grants) = (
                        of(&stats.entitlements_by_resource_type),
                        of(&stats.grants_by_resource_type),
                    );
                    vec![
                        kind.clone(),
                        resources.to_string(),
                        entitlements.to_string(),
                        grants.to_string(),
                    ]
                })
                .collect();
            if format == InspectFormat::Csv {
                let lines = std::iter::once(header.map(str::to_owned).to_vec()).chain(rows);
                lines.map(|cells| csv_line(&cells)).collect()
            } else {
                let file_size = std::fs::metadata(&inspect.file)
                    .map(|meta| size(meta.len()))
                    .unwrap_or_default();
                let head = format!(
                    "sync       {}\ntype       {}\nstarted    {} UTC\nended      {} UTC\nfile size  {file_size}\n\n",
                    run.sync_id, run.sync_type, run.started_at, run.ended_at
                );
                head + &columns(&header, &rows)
            }
        }
    };
    out.write_all(text.as_bytes()).context("print the counts")
}

/// One row as named cells.
type Cells = Vec<(&'static str, Value)>;

fn rows(reader: &Reader, inspect: &Inspect, out: &mut impl Write) -> anyhow::Result<()> {
    let mut printer = Printer {
        format: inspect.format,
        rows: 0,
        out,
    };
    let mut failure = None;
    let mut print = |cells: Cells| {
        printer.row(&cells).map_err(|error| {
            failure = Some(error);
            C1zError::Cancelled
        })
    };
    let read = match inspect.view {
        InspectView::ResourceTypes | InspectView::Stats => reader.resource_types(|item| {
            print(vec![
                ("id", json!(item.id)),
                ("display_name", json!(item.display_name)),
                ("traits", json!(item.traits)),
            ])
        }),
        InspectView::Resources => reader.resources(|item| {
            print(vec![
                ("type", json!(item.resource_type)),
                ("id", json!(item.id)),
                ("display_name", json!(item.display_name)),
                ("status", json!(item.status)),
                ("description", json!(item.description)),
                ("profile", item.profile),
            ])
        }),
        InspectView::Entitlements => reader.entitlements(|item| {
            print(vec![
                ("id", json!(item.id)),
                ("display_name", json!(item.display_name)),
                ("grantable_to", json!(item.grantable_to)),
                ("immutable", json!(item.immutable)),
            ])
        }),
        InspectView::Grants => reader.grants(|item| {
            print(vec![
                ("entitlement", json!(item.entitlement_id)),
                ("principal_type", json!(item.principal_type)),
                ("principal", json!(item.principal_id)),
                ("immutable", json!(item.immutable)),
                ("sources", json!(item.sources)),
            ])
        }),
    };
    if let Some(error) = failure {
        return Err(error).context("print the rows");
    }
    read?;
    printer.end().context("print the rows")
}

struct Printer<'a, W: Write> {
    format: InspectFormat,
    rows: u64,
    out: &'a mut W,
}

impl<W: Write> Printer<'_, W> {
    fn row(&mut self, cells: &[(&'static str, Value)]) -> io::Result<()> {
        let first = self.rows == 0;
        self.rows += 1;
        match self.format {
            InspectFormat::Json => {
                let object: Map<String, Value> = cells
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.clone()))
                    .collect();
                self.out.write_all(if first { b"[\n" } else { b",\n" })?;
                serde_json::to_writer(&mut *self.out, &object)?;
                Ok(())
            }
            InspectFormat::Csv => {
                if first {
                    let names: Vec<String> = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
                    self.out.write_all(csv_line(&names).as_bytes())?;
                }
                let texts: Vec<String> = cells.iter().map(|(_, value)| text(value)).collect();
                self.out.write_all(csv_line(&texts).as_bytes())
            }
            InspectFormat::Table => {
                // The profile is for the other two formats: a table of it cannot be read.
                let shown = cells.iter().filter(|(name, _)| *name != "profile");
                let line: Vec<String> = shown.clone().map(|(_, value)| text(value)).collect();
                if first {
                    let names: Vec<String> = shown.map(|(name, _)| (*name).to_owned()).collect();
                    self.out.write_all(table_line(&names).as_bytes())?;
                }
                self.out.write_all(table_line(&line).as_bytes())
            }
        }
    }

    fn end(self) -> io::Result<()> {
        match (self.format, self.rows) {
            (InspectFormat::Json, 0) => self.out.write_all(b"[]\n"),
            (InspectFormat::Json, _) => self.out.write_all(b"\n]\n"),
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

/// Cells behind one another, two blanks between; control characters would garble a terminal.
fn table_line(cells: &[String]) -> String {
    let clean = |cell: &String| {
        cell.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect::<String>()
    };
    let line = cells
        .iter()
        .map(|cell| format!("{:<20}", clean(cell)))
        .collect::<Vec<_>>()
        .join("  ");
    format!("{}\n", line.trim_end())
}

/// RFC 4180. A cell that a spreadsheet would run as a formula gets an apostrophe in front.
fn csv_line(cells: &[String]) -> String {
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
    fn an_empty_view_is_an_empty_list() {
        let mut out = Vec::new();
        Printer {
            format: InspectFormat::Json,
            rows: 0,
            out: &mut out,
        }
        .end()
        .unwrap();
        assert_eq!(out, b"[]\n");
    }
}
