//! `diff`: what differs between two files, row by row and in counts.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use super::report::columns;
use super::rows::{Cells, Printer, unless_pipe_is_closed};
use crate::config::{Diff, Output};
use baton::c1z::{C1zError, Change, How, Limits, Reader, diff};

/// Added, removed, changed: by kind of row and type.
type Counts = BTreeMap<(&'static str, String), [u64; 3]>;

/// Prints the differences; whether there are any.
pub(super) fn show(asked: &Diff, temp_dir: &Path) -> anyhow::Result<bool> {
    let open = |path| Reader::open(path, temp_dir, Limits::from_environment());
    let (old, new) = (open(&asked.old)?, open(&asked.new)?);
    let mut out = BufWriter::new(io::stdout().lock());
    let mut counts = Counts::new();
    let mut failure = None;
    let mut rows = Printer::new(asked.format, &mut out);
    let compared = diff(&old, &new, temp_dir, |change| {
        let at = match change.how {
            How::Added => 0,
            How::Removed => 1,
            How::Changed => 2,
        };
        let count = counts
            .entry((change.kind.as_str(), change.resource_type.clone()))
            .or_default();
        if let Some(count) = count.get_mut(at) {
            *count += 1;
        }
        // Once nobody reads on, the counts still decide the exit code.
        if !asked.counts && failure.is_none() {
            failure = rows.row(&cells(&change)).err();
        }
        Ok::<_, C1zError>(())
    });
    compared?;
    let printed = match failure {
        Some(error) => Err(error),
        None => end(rows, asked, &counts),
    };
    let printed = printed.and_then(|()| out.flush()).context("print the differences");
    unless_pipe_is_closed(printed)?;
    Ok(!counts.is_empty())
}

fn cells(change: &Change) -> Cells {
    vec![
        ("how", json!(change.how.as_str())),
        ("kind", json!(change.kind.as_str())),
        ("type", json!(change.resource_type)),
        ("id", json!(change.id)),
        ("display_name", json!(change.display_name)),
        ("fields", json!(change.fields)),
    ]
}

/// What comes after the rows: in a table the counts, and where only they are asked for the counts in any format.
fn end<W: Write>(mut printer: Printer<'_, W>, asked: &Diff, counts: &Counts) -> io::Result<()> {
    if asked.counts && asked.format != Output::Table {
        for ((kind, resource_type), [added, removed, changed]) in counts {
            printer.row(&[
                ("kind", json!(kind)),
                ("type", json!(resource_type)),
                ("added", json!(added)),
                ("removed", json!(removed)),
                ("changed", json!(changed)),
            ])?;
        }
        return printer.end();
    }
    if asked.format != Output::Table {
        return printer.end();
    }
    if counts.is_empty() {
        return printer.text("the files hold the same\n");
    }
    let header = ["kind", "type", "added", "removed", "changed"];
    let rows: Vec<_> = counts
        .iter()
        .map(|((kind, resource_type), numbers)| {
            let names = [(*kind).to_owned(), resource_type.clone()];
            names
                .into_iter()
                .chain(numbers.map(|number| number.to_string()))
                .collect()
        })
        .collect();
    let gap = if asked.counts { "" } else { "\n" };
    printer.text(&format!("{gap}{}", columns(&header, &rows)))
}
