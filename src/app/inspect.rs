//! `inspect`: what a `.c1z` file holds. Reads only; rows are printed as they are read, so a large file needs little memory.

mod ask;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde_json::json;

use super::report::{columns, size};
use super::rows::{Cells, Printer, csv_line, unless_pipe_is_closed};
use crate::config::{Inspect, InspectView, Output};
use baton::c1z::{C1zError, Limits, Reader};

/// Prints what was asked for; false where a check found something.
pub(super) fn show(inspect: &Inspect, temp_dir: &Path) -> anyhow::Result<bool> {
    let reader = Reader::open(&inspect.file, temp_dir, Limits::from_environment())?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut is_sound = true;
    let printed = match &inspect.view {
        InspectView::Stats => stats(&reader, inspect, &mut out),
        InspectView::Check => ask::check(&reader, inspect.format, &mut out).map(|sound| is_sound = sound),
        _ => rows(&reader, inspect, &mut out),
    };
    unless_pipe_is_closed(printed.and_then(|()| out.flush().context("print the rows")))?;
    Ok(is_sound)
}

fn stats(reader: &Reader, inspect: &Inspect, out: &mut impl Write) -> anyhow::Result<()> {
    let run = reader.run();
    let stats = &run.stats;
    let text = match inspect.format {
        Output::Json => {
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
            if format == Output::Csv {
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

fn rows(reader: &Reader, inspect: &Inspect, out: &mut impl Write) -> anyhow::Result<()> {
    let mut printer = Printer::new(inspect.format, out);
    let mut failure = None;
    let mut print = |cells: Cells| {
        printer.row(&cells).map_err(|error| {
            failure = Some(error);
            C1zError::Cancelled
        })
    };
    let read = match &inspect.view {
        InspectView::Access(principal) => ask::access(reader, principal, print),
        InspectView::Holders(entitlement) => ask::holders(reader, entitlement, print),
        InspectView::Search(text) => ask::search(reader, text, print),
        InspectView::ResourceTypes | InspectView::Stats | InspectView::Check => reader.resource_types(|item| {
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
        InspectView::Grants => ask::grants(reader, inspect.names, print),
    };
    if let Some(error) = failure {
        return Err(error).context("print the rows");
    }
    read?;
    if printer.is_empty()
        && let Some(what) = ask::unknown(reader, &inspect.view)?
    {
        let file = inspect.file.display();
        anyhow::bail!("there is no {what} in {file}; `inspect search` finds ids");
    }
    printer.end().context("print the rows")
}
