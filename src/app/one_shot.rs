//! One sync into a file, then the end (c1-protocol.md §12.3).

use crate::model::{self, GATEWAY, SECRET, WritableScopes};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::report::{Closing, process_usage};
use super::workspace::Workspace;
use super::{connect, observations, state, terminal};
use crate::config::{self, Config, Output, SyncSettings};
use crate::sync::{
    Applications, Progress, RoleModel, RolePopulationEntitlements, RoleScan, ShrinkCheck, SyncOptions, SyncReport, run,
};
use baton::c1z::Lock;
use baton::model::ResourceId;
use pingone::Stats;
use process::runtime::spawn::spawn;

/// How long somebody who waits at a terminal or in a pipeline waits for anything at all to answer.
const FIRST_ANSWER: Duration = Duration::from_mins(1);

/// Syncs the environment into `--file` and prints what was done.
pub(super) async fn sync(mut config: Config, cancel: CancellationToken) -> anyhow::Result<u8> {
    let (client, environment) = connect::pingone(&config.pingone, None)?;
    let file = config.file.clone();
    let lock = Lock::take(&file)?;
    lock.sweep();
    let workspace = Workspace::enter(&config.temp_dir)?;
    workspace.path().clone_into(&mut config.temp_dir);
    state::tell_model(&config, environment);
    let mut options = options(&config.sync, &config.temp_dir, &file);
    let whole = options.is_whole();
    options.shrink.previous = if !whole || config.sync.max_shrink_percent == 0 || config.sync.accept_shrink {
        None
    } else {
        state::previous(config.state_dir.as_deref(), environment, Some(&file), &config.temp_dir)?
    };
    options.concurrency = config.pingone.max_in_flight;
    options.observations = state::observations(&config, environment);
    let progress = Arc::new(Progress::default());
    let done = CancellationToken::new();
    let on_terminal = io::stderr().is_terminal() && config.output == Output::Table;
    let line = spawn(terminal::show(
        Arc::clone(&progress),
        client.clone(),
        on_terminal,
        done.clone(),
    ));
    let result = run(client.with_first_answer_within(FIRST_ANSWER), options, progress, cancel).await;
    done.cancel();
    line.await;
    let report = result?;
    if let Some(dir) = config.state_dir.as_ref().filter(|_| whole) {
        state::remember(
            dir,
            environment,
            (report.counts, config.sync.role_model),
            jiff::Timestamp::now(),
        )?;
    }
    let closing = closing(&report, client.stats(), &file);
    let text = match config.output {
        Output::Json => format!("{}\n", closing.json()),
        Output::Table | Output::Csv => closing.table(),
    };
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("print the report")?;
    Ok(0)
}

/// What the settings ask of a full sync.
pub(super) fn options(settings: &SyncSettings, temp_dir: &Path, file: &Path) -> SyncOptions {
    let applications = match settings.access.applications {
        config::SyncApplications::None => Applications::None,
        config::SyncApplications::Workers => Applications::Workers,
        config::SyncApplications::All => Applications::All,
    };
    let mut options = SyncOptions::full(temp_dir.to_owned(), file.to_owned())
        .with_applications(applications)
        .with_type(GATEWAY, settings.access.gateways)
        .with_type(SECRET, settings.access.secrets)
        .with_role_model(match settings.role_model {
            config::RoleModel::Entitlements => RoleModel::Entitlements,
            config::RoleModel::ScopeBinding => RoleModel::ScopeBinding,
        });
    if !settings.resource_types.is_empty() {
        let selected = settings.resource_types.iter().filter_map(|id| model::resource_type(id));
        options.select(selected.collect());
    }
    options.skip_entitlements_and_grants = settings.skip_entitlements_and_grants;
    options.skip_grants = settings.skip_grants;
    options.targets = settings
        .resources
        .iter()
        .filter_map(|(kind, id)| model::resource_type(kind).map(|kind| ResourceId::new(kind, id)))
        .collect();
    options.targeted = !settings.resources.is_empty();
    options.storage_engine = settings.storage_engine.chosen().unwrap_or_default();
    options.empty = settings.skip_full_sync;
    options.role_population_entitlements = match settings.role_population_entitlements {
        config::RolePopulationEntitlements::All => RolePopulationEntitlements::All,
        config::RolePopulationEntitlements::Assigned => RolePopulationEntitlements::Assigned,
    };
    options.role_scan = match settings.role_scan {
        config::RoleScan::All => RoleScan::All,
        config::RoleScan::Candidates => RoleScan::Candidates(settings.role_candidates.clone()),
        config::RoleScan::GroupsAndWorkers => RoleScan::GroupsAndWorkers,
    };
    options.population_filter.clone_from(&settings.population_filter);
    options.user_filter.clone_from(&settings.user_filter);
    options.population_provisioning = settings.access.population_provisioning;
    options.writable_scopes = WritableScopes::new(settings.access.writable_scopes.iter().cloned());
    options.skip_external_groups = settings.skip_external_groups;
    options.custom_attributes.clone_from(&settings.custom_attributes);
    options
        .employee_id_attributes
        .clone_from(&settings.employee_id_attributes);
    options
        .service_account_types
        .clone_from(&settings.service_account_types);
    options.shrink = ShrinkCheck {
        previous: None,
        max_percent: settings.max_shrink_percent,
        accept: settings.accept_shrink,
    };
    options
}

fn closing(report: &SyncReport, stats: &Stats, file: &Path) -> Closing {
    let names = |map: &BTreeMap<&'static str, u64>| map.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    let (cpu_seconds, peak_memory_bytes) = process_usage();
    Closing {
        cpu_seconds,
        peak_memory_bytes,
        file: file.display().to_string(),
        sync_id: report.sync_id.clone(),
        storage_engine: report.file.engine.as_str(),
        environment: report.environment_name.clone(),
        resources: report.file.stats.resources_by_resource_type.clone(),
        entitlements: report.file.stats.entitlements_by_resource_type.clone(),
        grants: report.file.stats.grants_by_resource_type.clone(),
        grants_expanded: report.grants_expanded,
        requests: names(&stats.by_operation()),
        refused: stats.refused(),
        retries: stats.retries(),
        rate_limit_wait_seconds: stats.waited().as_secs_f64(),
        seconds: report.elapsed.as_secs_f64(),
        file_size_bytes: report.file.size_bytes,
        decoded_size_bytes: report.file.decoded_size_bytes,
        warnings: names(&report.warnings),
        observations: report
            .observations
            .as_ref()
            .map(observations::named)
            .unwrap_or_default(),
        observation_gap: report.observations.as_ref().and_then(|found| found.gap),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sync of what nobody listens on.
    fn config(dir: &Path) -> Config {
        let file = dir.join("sync.c1z").display().to_string();
        let settings = [
            ("BATON_PINGONE_CLIENT_ID", "id"),
            ("BATON_PINGONE_CLIENT_SECRET", "secret"),
            ("BATON_PINGONE_ENVIRONMENT_ID", "5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11"),
            ("BATON_PINGONE_BASE_URL", "http://127.0.0.1:1"),
            ("BATON_PINGONE_AUTH_URL", "http://127.0.0.1:1"),
            ("BATON_FILE", &file),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let missing = |_: &Path| Err(io::ErrorKind::NotFound.into());
        let load = config::Invocation::load(["baton-ping-one".into()], &settings.into(), &missing);
        load.unwrap().config
    }

    #[tokio::test(start_paused = true)]
    async fn a_sync_that_nothing_ever_answers_gives_up_after_a_minute() {
        let dir = tempfile::tempdir().unwrap();
        let begun = tokio::time::Instant::now();
        let tried = Box::pin(sync(config(dir.path()), CancellationToken::new())).await;
        let (took, error) = (begun.elapsed(), format!("{:#}", tried.unwrap_err()));
        assert!(
            error.contains("no connection to 127.0.0.1:1: connection refused"),
            "{error}"
        );
        // The pause that would not fit any more is not begun.
        assert!(took > FIRST_ANSWER / 4 && took <= FIRST_ANSWER, "{took:?}: {error}");
    }
}
