//! Whether tasks may change PingOne, and through what.

use std::sync::Arc;

use crate::config::{Config, DeprovisionMode, SyncApplications};
use crate::model::WritableScopes;
use crate::provision::{Deprovision, PingOneProvisioner, ProvisionOptions};
use crate::sync::SeenScopes;
use baton::crypto::KeySource;
use baton::schedule::WriteLog;
use baton::task::{PROVISIONING_DISABLED, Writes};
use pingone::{Budget, Client};
use process::runtime::leader_guard::LeaderGuard;

/// For the status page.
pub(super) const fn mode(config: &Config) -> &'static str {
    match (config.provision.enabled, config.provision.dry_run) {
        (false, _) => "off",
        (true, true) => "dry run",
        (true, false) => "on",
    }
}

/// The writes of one term. Each is noted in `log`, and none begins without the guard. Settings that name what PingOne does
/// not have are an error; where PingOne cannot be asked, each write asks it again and is refused until it can.
pub(super) async fn of(
    config: &Config,
    client: &Client,
    key: KeySource,
    guard: &LeaderGuard,
    (log, scopes): (WriteLog, SeenScopes),
) -> Result<Writes, UnknownNames> {
    if !config.provision.enabled {
        return Ok(Writes::Refused(PROVISIONING_DISABLED));
    }
    let provisioner = PingOneProvisioner::new(asked_by_c1(config), client.clone())
        .with_client_key(key)
        .with_guard(guard.clone())
        .with_log(log)
        .with_scopes(scopes);
    let probe = client.with_budget(Budget::PROBE);
    match provisioner.check_settings(&probe).await {
        Ok(None) => {}
        Ok(Some(unknown)) => return Err(UnknownNames(unknown)),
        Err(error) => tracing::warn!(
            error = %error,
            error_class = error.class().as_str(),
            "roles and scopes that settings name could not be looked up; where protected-roles is set, grants and revocations are \
             refused until they can"
        ),
    }
    Ok(Writes::Enabled(Arc::new(provisioner)))
}

/// Settings that name what is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UnknownNames(String);

fn asked_by_c1(config: &Config) -> ProvisionOptions {
    ProvisionOptions {
        asked_again: true,
        ..options(config)
    }
}

/// The settings of provisioning.
pub(super) fn options(config: &Config) -> ProvisionOptions {
    let (provision, sync) = (&config.provision, &config.sync);
    ProvisionOptions {
        dry_run: provision.dry_run,
        asked_again: false,
        protected_roles: provision.protected_roles.clone(),
        protected_users: provision.protected_users.clone(),
        applications: sync.access.applications != SyncApplications::None,
        population_provisioning: sync.access.population_provisioning,
        writable_scopes: WritableScopes::new(sync.access.writable_scopes.iter().cloned()),
        default_population: provision.default_population,
        deprovision: match provision.deprovision_mode {
            DeprovisionMode::Delete => Deprovision::Delete,
            DeprovisionMode::Disable => Deprovision::Disable,
            DeprovisionMode::DisableThenDelete => Deprovision::DisableThenDelete,
        },
        population_filter: sync.population_filter.clone(),
        custom_attributes: sync.custom_attributes.clone(),
        employee_id_attributes: sync.employee_id_attributes.clone(),
        service_account_types: sync.service_account_types.clone(),
    }
}
