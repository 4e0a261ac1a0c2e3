//! What the next sync compares itself with: counts of the last good one, in `state-dir` or in the file that is about
//! to be replaced (connector-model.md §9).

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::c1z::{C1zError, Limits, Reader};
use crate::sync::Counts;

#[derive(Debug, Serialize, Deserialize)]
struct State {
    counts: Counts,
    role_model: String,
}

fn state_path(dir: &Path, environment: Uuid) -> PathBuf {
    dir.join(format!("{environment}.json"))
}

/// The counts of the last good sync, where there are any. A state file that does not read is an error: it would switch
/// the gate off in silence. The previous file is only asked where there is no state directory.
pub(super) fn previous(
    state_dir: Option<&Path>,
    environment: Uuid,
    file: Option<&Path>,
    temp_dir: &Path,
) -> anyhow::Result<Option<Counts>> {
    if let Some(dir) = state_dir {
        let path = state_path(dir, environment);
        return match std::fs::read(&path) {
            Ok(bytes) => {
                let state: State = serde_json::from_slice(&bytes).with_context(|| {
                    format!(
                        "{} does not read: remove it to accept the next sync's size",
                        path.display()
                    )
                })?;
                Ok(Some(state.counts))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        };
    }
    let Some(file) = file.filter(|file| file.exists()) else {
        return Ok(None);
    };
    match Reader::open(file, temp_dir, Limits::default()) {
        Ok(reader) if reader.run().sync_type == "full" => Ok(Some(counts_of(&reader)?)),
        Ok(_) => Ok(None),
        // What is there is no sync of ours: it is replaced, and there is nothing to compare with.
        Err(
            error @ (C1zError::Magic { .. }
            | C1zError::Version3 { .. }
            | C1zError::Damaged { .. }
            | C1zError::Oversize { .. }),
        ) => {
            tracing::warn!(error = %error, "the file that is there cannot be compared with and is replaced");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn counts_of(reader: &Reader) -> Result<Counts, C1zError> {
    let stats = &reader.run().stats;
    let of = |kind: &str| stats.resources_by_resource_type.get(kind).copied().unwrap_or(0);
    // Expansion adds grants to roles: only raw ones are compared.
    let role_grants = reader.raw_grants("role")?;
    Ok(Counts {
        users: of("user"),
        groups: of("group"),
        role_grants,
    })
}

/// Remembers the counts, replaced atomically, readable by the owner only.
pub(super) fn remember(dir: &Path, environment: Uuid, counts: Counts) -> anyhow::Result<()> {
    let path = state_path(dir, environment);
    let state = State {
        counts,
        role_model: "entitlements".to_owned(),
    };
    let write = || -> std::io::Result<()> {
        let mut temp = tempfile::Builder::new().prefix(".state-").tempfile_in(dir)?;
        temp.write_all(&serde_json::to_vec(&state)?)?;
        temp.as_file().sync_all()?;
        temp.persist(&path).map_err(|error| error.error)?;
        Ok(())
    };
    write().with_context(|| format!("write {}", path.display()))
}
