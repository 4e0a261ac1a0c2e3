//! What the next sync compares itself with: counts of the last good one, in `state-dir` or in the file that is about
//! to be replaced (connector-model.md §9).

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::{Config, Incremental, RoleModel, RolePopulationEntitlements};
use crate::sync::{Counts, ObservationSettings, Reuse, observations};
use baton::c1z::{C1zError, Limits, Reader};

#[derive(Debug, Serialize, Deserialize)]
struct State {
    counts: Counts,
    role_model: String,
    /// When; RFC 3339.
    #[serde(default)]
    at: Option<String>,
}

fn state_path(dir: &Path, environment: Uuid) -> PathBuf {
    dir.join(format!("{environment}.json"))
}

/// What syncs may use again of each other, as the settings say; nothing without a state directory.
pub(super) fn observations(config: &Config, environment: Uuid) -> Option<ObservationSettings> {
    Some(ObservationSettings {
        dir: observations::folder(config.state_dir.as_deref()?, environment),
        reuse: match config.sync.incremental {
            Incremental::Off => Reuse::Resume,
            Incremental::Verify => Reuse::Verify,
            Incremental::On => Reuse::All,
        },
        max_age: config.sync.observation_max_age,
        resume_max_age: config.sync.resume_max_age,
    })
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
            | C1zError::Foreign { .. }
            | C1zError::Damaged { .. }
            | C1zError::Oversize { .. }),
        ) => {
            tracing::warn!(error = %error, "the file that is there cannot be compared with and is replaced");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// When the last whole sync succeeded, where that is known; for a metric only, so nothing that is wrong matters.
pub(super) fn last_success(dir: &Path, environment: Uuid) -> Option<Timestamp> {
    let bytes = std::fs::read(state_path(dir, environment)).ok()?;
    let state: State = serde_json::from_slice(&bytes).ok()?;
    state.at?.parse().ok()
}

/// Says at the start what the role model does, where somebody might not expect it.
pub(super) fn tell_model(config: &Config, environment: Uuid) {
    let now = config.sync.role_model;
    let stored = config
        .state_dir
        .as_deref()
        .and_then(|dir| std::fs::read(state_path(dir, environment)).ok());
    let stored = stored.and_then(|bytes| serde_json::from_slice::<State>(&bytes).ok());
    if let Some(before) = stored.filter(|state| state.role_model != now.as_str()) {
        tracing::warn!(
            before = before.role_model,
            now = now.as_str(),
            "the role model changed: roles and their scopes have other ids from here on, and C1 takes those before for removed"
        );
    }
    let ignored = config.sync.role_population_entitlements != RolePopulationEntitlements::default();
    if now == RoleModel::ScopeBinding && ignored {
        tracing::warn!("role-population-entitlements has no effect with role-model=scope-binding");
    }
}

fn counts_of(reader: &Reader) -> Result<Counts, C1zError> {
    let stats = &reader.run().stats;
    let of = |kind: &str| stats.resources_by_resource_type.get(kind).copied().unwrap_or(0);
    // Expansion adds grants to roles: only raw ones are compared.
    let mut role_grants = reader.raw_grants("role")?;
    for (kind, grants) in reader.raw_grants("role_assignment")? {
        *role_grants.entry(kind).or_default() += grants;
    }
    let held_by = |kinds: &[&str]| kinds.iter().filter_map(|kind| role_grants.get(*kind)).sum();
    Ok(Counts {
        users: of("user"),
        groups: of("group"),
        role_grants: held_by(&["user", "group"]),
        memberships: reader.raw_grants("group")?.into_values().sum(),
        applications: of("application"),
        machine_role_grants: held_by(&["application"]),
        gateways: of("gateway"),
        gateway_role_grants: held_by(&["gateway"]),
    })
}

/// Remembers the counts, replaced atomically, readable by the owner only.
pub(super) fn remember(
    dir: &Path,
    environment: Uuid,
    (counts, role_model): (Counts, RoleModel),
    at: Timestamp,
) -> anyhow::Result<()> {
    let path = state_path(dir, environment);
    let state = State {
        counts,
        role_model: role_model.as_str().to_owned(),
        at: Some(at.to_string()),
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
