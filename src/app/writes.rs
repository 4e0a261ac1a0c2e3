//! Whether tasks may change PingOne, and through what.

use std::sync::Arc;

use crate::config::Config;
use crate::pingone::Client;
use crate::provision::crypto::KeySource;
use crate::provision::{Deprovision, PingOneProvisioner, ProvisionOptions};
use crate::runtime::permit::Permit;
use crate::schedule::{WatchedProvisioner, WriteLog};
use crate::task::{PROVISIONING_DISABLED, Writes};

/// For the status page.
pub(super) const fn mode(config: &Config) -> &'static str {
    match (config.provision.enabled, config.provision.dry_run) {
        (false, _) => "off",
        (true, true) => "dry run",
        (true, false) => "on",
    }
}

/// The writes of one term. Each is noted in `log`, and none begins without the permit.
pub(super) fn of(config: &Config, client: &Client, key: KeySource, permit: &Permit, log: WriteLog) -> Writes {
    if !config.provision.enabled {
        return Writes::Refused(PROVISIONING_DISABLED);
    }
    let provisioner = PingOneProvisioner::new(options(config), client.clone())
        .with_client_key(key)
        .with_permit(permit.clone());
    Writes::Enabled(Arc::new(WatchedProvisioner::new(Arc::new(provisioner), log)))
}

/// The settings of provisioning.
pub(super) fn options(config: &Config) -> ProvisionOptions {
    let (provision, sync) = (&config.provision, &config.sync);
    ProvisionOptions {
        dry_run: provision.dry_run,
        protected_roles: provision.protected_roles.clone(),
        protected_users: provision.protected_users.clone(),
        default_population: provision.default_population,
        deprovision: match provision.deprovision_mode {
            "disable" => Deprovision::Disable,
            "disable-then-delete" => Deprovision::DisableThenDelete,
            _ => Deprovision::Delete,
        },
        population_filter: sync.population_filter.clone(),
        custom_attributes: sync.custom_attributes.clone(),
        employee_id_attributes: sync.employee_id_attributes.clone(),
        service_account_types: sync.service_account_types.clone(),
    }
}
